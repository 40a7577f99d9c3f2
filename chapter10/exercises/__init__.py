"""Exercises that recognise the mistake: `check`, `hint`, `solution`, `progress`, `hand_in`.

A notebook imports these five. A task is one file in `tasks`; `judging` compares what can be seen of an answer (`look`) with
what can be seen of the solution and of each known mistake, in a run that `sandbox` limits; `record` keeps the progress.
"""

import inspect
import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

from chapter10.errors import InputError
from chapter10.exercises import judging
from chapter10.exercises import record as _record
from chapter10.exercises.judging import Verdict
from chapter10.exercises.show import Hint, Progress, Solution
from chapter10.exercises.task import Task, load, names

__all__ = ["check", "hand_in", "hint", "progress", "solution"]

_records: dict[Path, _record.Record] = {}


def check(task: str, *answers: Any) -> Verdict:
    """The verdict on your answer; it shows itself as a box, and is kept in your progress.

    Args:
        task: its name, such as "02-kl".
        answers: what the task asks for: a function, a number, or several in the stub's order.
    Raises:
        InputError: for a task that doesn't exist, or another number of answers.
    """
    verdict = judging.judge(task, *answers)
    if verdict.kind == "unanswered":
        return verdict
    trouble = _current().add(**_record.check_event(verdict, source_of(load(task), answers)))
    return _with_note(verdict, trouble)


def hint(task: str | None = None) -> Hint:
    """The next of a task's three hints (after the third, it again); without a name, of the task you checked last.

    Raises:
        InputError: for a task that doesn't exist, or without a name before anything was checked.
    """
    current = _current()
    found = _named(task, current, "hint")
    standing = current.standings().get(found.name)
    number = min((standing.hints if standing else 0) + 1, len(found.hints))
    return Hint(found, number, current.add(event="hint", task=found.name, number=number))


def solution(task: str | None = None) -> Solution:
    """A task's solution, with the reason; without a name, of the task you checked last.

    Raises:
        InputError: for a task that doesn't exist, or without a name before anything was checked.
    """
    current = _current()
    found = _named(task, current, "solution")
    return Solution(found, current.add(event="solution", task=found.name))


def progress(notebook: str | None = None) -> Progress:
    """Where you stand, as a table: of one notebook ("02"), or of all.

    Raises:
        InputError: for a notebook without tasks.
        DataError: where your progress can't be read.
    """
    wanted = [load(name) for name in names() if notebook is None or name.split("-")[0] == str(notebook)[:2]]
    if not wanted:
        raise InputError(
            "No notebook {notebook!r} has tasks. There are: {choices}.",
            notebook=notebook,
            choices=', '.join(sorted({n[:2] for n in names()})),
        )
    return Progress(wanted, _current().standings())


def hand_in(name: str, file: str | os.PathLike | None = None) -> Path:
    """Write your answers into one small file, to be handed in; returns where it is.

    Args:
        name: yours, as your teacher knows it.
        file: where to; else answers-NAME.json in the folder of the notebook.
    Raises:
        InputError: without a name, or where nothing has been answered.
        SaveError: where the file can't be written.
    """
    return _record.hand_in(name, [load(task) for task in names()], _current(), file)


def source_of(task: Task, answers: tuple[Any, ...]) -> str | None:
    """Code that makes these answers again, with the reader's own functions that they call; None where that can't be known."""
    parts: dict[str, str] = {}
    for name, answer in zip(task.answers, answers):
        if inspect.isfunction(answer) or inspect.isclass(answer):
            try:
                _collect(answer, parts)
            except (OSError, TypeError):
                return None
            if answer.__name__ != name:
                parts[f"{name} ="] = f"{name} = {answer.__name__}"
        elif answer is None or isinstance(answer, (bool, int, float, str)):
            parts[f"{name} ="] = f"{name} = {answer!r}"
        else:
            return None
    return "\n".join(parts.values())


def _collect(answer: Any, parts: dict[str, str]) -> None:
    """The source of a function or class after that of what it calls and was defined beside it."""
    if answer.__name__ in parts:
        return
    methods = [answer] if inspect.isfunction(answer) else [m for m in vars(answer).values() if inspect.isfunction(m)]
    source = textwrap.dedent(inspect.getsource(answer))
    parts[answer.__name__] = ""  # so that two which call each other end
    for method in methods:
        for name in method.__code__.co_names:
            other = method.__globals__.get(name)
            if (inspect.isfunction(other) or inspect.isclass(other)) and other.__module__ == answer.__module__:
                _collect(other, parts)
    del parts[answer.__name__]
    parts[answer.__name__] = source


def _current() -> _record.Record:
    """The record of the file in force; one object a file, which keeps what can't be written."""
    file = _record.path()
    return _records.setdefault(file, _record.Record(file))


def _named(task: str | None, current: _record.Record, what: str) -> Task:
    name = task or current.last_task()
    if name is None:
        raise InputError('Of which task? Give its name, as in {what}("02-kl").', what=what)
    return load(name)


def _with_note(verdict: Verdict, note: str) -> Verdict:
    return replace(verdict, notes=(*verdict.notes, note)) if note else verdict
