"""Grading a folder of handed-in files: every submission in a process of its own, one row for each student and task."""

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing import connection as connections
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from chapter10.authoring import texts
from chapter10.classroom import landlock, lane, reading, table
from chapter10.classroom.child import Limits
from chapter10.classroom.reading import Handed
from chapter10.classroom.table import Row
from chapter10.errors import InputError
from chapter10.exercises.task import load, names
from chapter10.files import check_writable
from chapter10.language import say


@dataclass(frozen=True)
class Graded:
    """What came out of a folder: the rows, in the order of the table, how long it took, and whether the kernel guarded the files."""

    rows: list[Row]
    files: int
    students: int
    seconds: float
    landlock: bool


def grade(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    summary: str | os.PathLike | None = None,
    notebooks: Iterable[str] | None = None,
    seconds: float = 60,
    megabytes: int = 2000,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Graded:
    """Grade what was handed in, and write the table.

    Args:
        folder: holds notebooks and files of `hand_in`; a student is a sub-folder, or else a file.
        out: the table, as CSV.
        summary: a second table with a row for each student.
        notebooks: those to grade ("02"); else all that occur in what was handed in.
        seconds: the most that one task of a submission may take, twice its own limit at least.
        megabytes: memory of a submission's process, beyond what the package needs.
        jobs: submissions graded at the same time; else as many as there are cores.
        progress: called with the number of files graded and that of all.
    Raises:
        InputError: for a folder that isn't there or holds nothing, a notebook without tasks, or a limit that is none.
        SaveError: where the table can't be written; nothing is begun then.
        KeyboardInterrupt: when it is stopped by hand, after the table of what was graded until then is written.
    """
    started = time.perf_counter()
    if not (math.isfinite(seconds) and seconds > 0 and megabytes > 0 and (jobs is None or jobs > 0)):
        raise InputError("The limits and the number of jobs must be above 0.")
    tables = [path for path in (out, summary) if path is not None]
    for path in tables:
        check_writable(path)
    chosen = _chosen(notebooks)
    known = _notebook_names()
    paths = reading.files(folder, map(Path, tables))
    handed = [reading.read(path, Path(folder), known) for path in paths]
    if not handed:
        raise InputError(
            "{folder} holds no files. Put the handed-in notebooks there, or give another folder.",
            folder=folder,
        )
    if notebooks is None:
        chosen = set().union(*(_said(one, chosen) for one in handed)) or chosen
    numbers = [_numbers(one, chosen) for one in handed]
    handed = [_placed(one, answered, chosen) for one, answered in zip(handed, numbers)]
    tasks = [name for name in names() if name[:2] in (set().union(*numbers) if notebooks is None else chosen)]
    wanted = [(i, [task for task in tasks if task[:2] in answered]) for i, answered in enumerate(numbers)]
    limits = Limits(seconds, megabytes, (os.path.realpath(folder),))
    verdicts = {(i, task): _ended(task, "missing", "Not graded: it was stopped by hand.") for i, own in wanted for task in own}
    try:
        _run([(i, own) for i, own in wanted if own], handed, verdicts, limits, jobs or _cores(), progress)
    finally:
        rows = _rows(handed, tasks, verdicts)
        table.write(out, rows)
        if summary is not None:
            table.write_summary(summary, rows)
    return Graded(rows, len(handed), len({row.student for row in rows}), time.perf_counter() - started,
                  landlock.version() > 0)  # fmt: skip


def _chosen(notebooks: Iterable[str] | None) -> set[str]:
    every = {name[:2] for name in names()}
    chosen = every if notebooks is None else {str(name)[:2] for name in notebooks}
    if not chosen or chosen - every:
        wrong = ", ".join(sorted(chosen - every)) or say("none")
        raise InputError(
            "No notebook {wrong} has tasks. There are: {choices}.",
            wrong=wrong,
            choices=', '.join(sorted(every)),
        )
    return chosen


def _notebook_names() -> list[str]:
    with contextlib.suppress(InputError):  # outside a clone there are none
        return texts.names()
    return []


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _numbers(one: Handed, chosen: set[str]) -> set[str]:
    """The notebooks that a file answers: by its cells' own word, else by the names that they define."""
    said = _said(one, chosen)
    if not said:
        known = [name for name in names() if name[:2] in chosen]
        sources = "\n".join(cell.source for cell in one.cells if not cell.check)
        defined = set(re.findall(r"^(?:def |class )?(\w+)(?=\s*[(:=])", sources, re.M))
        said = {name[:2] for name in known if set(load(name).answers) <= defined}
    return said


def _said(one: Handed, chosen: set[str]) -> set[str]:
    known = set(names())
    return {cell.task[:2] for cell in one.cells if cell.task in known} & chosen


def _placed(one: Handed, answered: set[str], chosen: set[str]) -> Handed:
    if one.trouble or answered:
        return one
    return replace(one, trouble=f"answers no task of {', '.join(sorted(chosen))}")


def _run(
    wanted: list[tuple[int, list[str]]],
    handed: list[Handed],
    verdicts: dict[tuple[int, str], dict[str, Any]],
    limits: Limits,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Fill in the verdict of each (file, task), from so many lanes side by side."""
    waiting, done = list(reversed(wanted)), 0
    lanes: dict[Any, _Lane] = {}
    try:
        while waiting or lanes:
            while waiting and len(lanes) < jobs:
                new = _Lane(limits)
                lanes[new.pipe] = new
                new.give(*waiting.pop(), handed)
            for pipe in connections.wait(list(lanes)):
                at = lanes[pipe]
                try:
                    said = pipe.recv()
                except (EOFError, OSError):  # the lane itself has ended: its submission is told, the others go on
                    said = {"done": True}
                    for task in at.left:
                        text = "The process that watched over it ended too; grade this one again."
                        verdicts[at.index, task] = _ended(task, "crash", text)
                    at.dead = True
                if "task" in said:
                    verdicts[at.index, said["task"]] = said
                    at.left = [task for task in at.left if task != said["task"]]
                    continue
                done += 1
                if progress:
                    progress(done, len(wanted))
                if waiting and not at.dead:
                    at.give(*waiting.pop(), handed)
                else:
                    lanes.pop(pipe).close()
    finally:
        for one in lanes.values():
            one.close()


def _ended(task: str, kind: str, text: str) -> dict[str, Any]:
    return {"task": task, "kind": kind, "text": text, "mistake": "", "seconds": 0.0, "remarks": []}


class _Lane:
    """A lane as seen from here: its pipe, and what it is busy with."""

    def __init__(self, limits: Limits) -> None:
        context = get_context("spawn")  # a clean process, whatever runs in this one
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=lane.main, args=(other, limits))
        self.index, self.left, self.dead = -1, [], False
        self.process.start()
        other.close()

    def give(self, index: int, tasks: list[str], handed: list[Handed]) -> None:
        self.index, self.left = index, list(tasks)
        with contextlib.suppress(OSError):  # a lane that has ended: its end of the pipe says so
            self.pipe.send((list(handed[index].cells), tasks))

    def close(self) -> None:
        self.pipe.close()
        self.process.join(30)
        self.process.kill()
        self.process.join()
        self.process.close()


def _rows(handed: list[Handed], tasks: list[str], verdicts: dict[tuple[int, str], dict[str, Any]]) -> list[Row]:
    rows = []
    for student in sorted({one.student for one in handed}):
        own = [index for index, one in enumerate(handed) if one.student == student]
        trouble = [f"{handed[index].file} {handed[index].trouble}" for index in own if handed[index].trouble]
        if not tasks:
            rows.append(Row(student, handed[own[0]].file, "", "", "", 0, 0, "missing", "", _sentence(trouble), 0.0, ""))
        rows += [_row(student, load(task), [(handed[i], verdicts[i, task]) for i in own if (i, task) in verdicts], trouble)
                 for task in tasks]  # fmt: skip
    return rows


def _row(student: str, task, found: list[tuple[Handed, dict[str, Any]]], trouble: list[str]) -> Row:
    if not found:
        text = _sentence(trouble) or "Nothing was handed in for this task."
        return Row(student, "", task.number, task.name, task.title, 0, task.points, "missing", "", text, 0.0, "")
    rank = {"right": 2, "missing": -2, "unanswered": -1}
    file, best = max(found, key=lambda pair: rank.get(pair[1]["kind"], 0))  # of equals the first
    remarks = [*best["remarks"], *file.remarks, *trouble]
    answered = [other.file for other, verdict in found if verdict["kind"] not in ("missing", "unanswered")]
    if len(answered) > 1:
        remarks.append(f"handed in {len(answered)} times ({', '.join(answered)}): the best counts")
    points = task.points if best["kind"] == "right" else 0
    return Row(student, file.file, task.number, task.name, task.title, points, task.points, best["kind"], best["mistake"],
               best["text"], best["seconds"], "; ".join(remarks))  # fmt: skip


def _sentence(trouble: list[str]) -> str:
    return "; ".join(trouble) + "." if trouble else ""
