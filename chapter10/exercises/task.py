"""A task: what is asked, the hints, a solution, how an answer is looked at, and the mistakes that people make.

A task is one file in `chapter10/exercises/tasks`, named as its notebook and a word: `n02_kl.py` holds `TASK`, called "02-kl".
Stub, solution and mistakes are kept as the code a reader would write, so that they can be shown, run and varied.
"""

import importlib
import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from chapter10.errors import InputError, NoAnswer
from chapter10.exercises.look import Enough, Look
from chapter10.language import noted

PRELUDE = """
import math
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
"""
Observe = Callable[..., None]  # observe(look, source, *answers)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that somebody wrote, or would: code that is told from the solution by what can be seen of it.

    `says` speaks of what was observed, and may hold {found}, {expected}, {ratio} and {inverse} of the first observation
    in which the answer differs. It never gives the solution away.
    """

    name: str
    code: str
    says: str
    section: str = ""  # of the chapter, where it isn't the task's


@dataclass(frozen=True, eq=False)  # one task is itself alone
class Task:
    """One exercise.

    Args:
        name: notebook and a word, "02-kl".
        title: what stands in the heading.
        section: of the chapter, "10.2.3".
        minutes: how long it takes.
        statement: what is asked, in Markdown.
        answers: the names that an answer defines, in the order in which `observe` and `check` take them.
        stub: what the reader begins with; as it stands, it counts as not answered.
        hints: three: a question, the idea, nearly the line.
        solution: code that defines the answers.
        why: a sentence or two that stand with the solution.
        observe: `observe(look, source, *answers)` notes on `look` what can be seen in a situation drawn from `source`, a
            torch.Generator.
        mistakes: the known ones.
        also: right answers that can be told from the solution, with the remark they get.
        ways: further code that must pass: other names, other but equal formulas, in place.
        setting: code that makes the names of the notebook which an answer may use (beside PRELUDE's).
        right: a remark to a right answer.
        unanswered: a sentence for the stub as it stands.
        seconds: the limit on the answer's time.
        situations: how many are looked at.
        points: what it counts in a class.
    """

    name: str
    title: str
    section: str
    minutes: int
    statement: str
    answers: tuple[str, ...]
    stub: str
    hints: tuple[str, str, str]
    solution: str
    observe: Observe
    why: str = ""
    mistakes: tuple[Mistake, ...] = ()
    also: tuple[Mistake, ...] = ()
    ways: tuple[str, ...] = ()
    setting: str = ""
    right: str = ""
    unanswered: str = noted("Not answered yet.")
    seconds: float = 10.0
    situations: int = 2
    points: int = 2
    options: dict[str, str] = field(default_factory=dict)  # of a reading question

    @property
    def number(self) -> str:
        """Of the notebook, "02"."""
        return self.name.split("-")[0]

    def run(self, code: str) -> list[Any]:
        """The answers that some code defines, in the task's setting.

        Raises NoAnswer when one is missing; what the code itself raises goes through.
        """
        namespace, file = dict(_setting(self.setting)), f"<{self.name}>"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)  # for the line where it stops
        with torch.random.fork_rng(devices=[]):  # code that draws gives the same each time, and leaves the kernel's stream alone
            torch.manual_seed(0)
            exec(compile(code, file, "exec"), namespace)
        missing = [name for name in self.answers if name not in namespace]
        if missing:
            raise NoAnswer(
                "Task {name} asks for {choices}; the code doesn't define {missing}.",
                name=self.name,
                choices=', '.join(self.answers),
                missing=missing[0],
            )
        return [namespace[name] for name in self.answers]

    def look(self, answers: list[Any], situation: int) -> Look:
        """What is seen of answers in one situation, up to where it ended. What they raise goes through, the look so far its `look`."""
        look, source = Look(), torch.Generator().manual_seed(1000 + situation)
        torch.manual_seed(situation)
        try:
            self.observe(look, source, *answers)
        except Enough:
            return look
        except BaseException as error:
            error.look = look
            raise
        return look


@cache
def _setting(code: str) -> dict[str, Any]:
    """The names that PRELUDE and a task's setting make; made once, since a setting may load a model."""
    namespace: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(PRELUDE + code, "<setting>", "exec"), namespace)
    return namespace


def choice(
    name: str,
    title: str,
    section: str,
    minutes: int,
    statement: str,
    options: dict[str, str],
    right: str,
    reasons: dict[str, str],
    hints: tuple[str, str, str],
) -> Task:
    """A reading question: one of some options is right, and every wrong one has its reason.

    Args:
        options: key ("a") to the option's words.
        right: the key of the right one.
        reasons: for each key why it is right, or wrong.
    Raises:
        InputError: where an option has no reason, or the right one is none.
    """
    if right not in options or set(options) != set(reasons):
        raise InputError(
            "Task {name}: every option needs its reason, and {right!r} must be one of {choices}.",
            name=name,
            right=right,
            choices=', '.join(options),
        )
    order = list(options)
    answer = f"my_{title_word(name)}"
    listed = "\n".join(f"- **{key}**: {words}" for key, words in options.items())

    def observe(look: Look, source: torch.Generator, chosen: Any) -> None:
        chosen = chosen.strip().strip("()").lower() if isinstance(chosen, str) else chosen
        if chosen is None:
            look.missing("your choice", "None")
        if chosen not in order:
            look.missing("your choice", f"{chosen!r}, which is none of {', '.join(order)}")
        look.number("your choice", order.index(chosen), within=0.1)

    return Task(
        name=name,
        title=title,
        section=section,
        minutes=minutes,
        statement=f"{statement}\n\n{listed}",
        answers=(answer,),
        stub=f"{answer} = None  # {', '.join(repr(key) for key in order)}",
        hints=hints,
        solution=f'{answer} = "{right}"',
        observe=observe,
        why=reasons[right],
        mistakes=tuple(Mistake(f"option {key}", f'{answer} = "{key}"', reasons[key]) for key in order if key != right),
        right=reasons[right],
        situations=1,
        points=1,
        options=dict(options),
    )


def title_word(name: str) -> str:
    """The word of a task's name, as a part of a Python name: "free_bits" of "08-free-bits"."""
    return "_".join(name.split("-")[1:])


def names() -> list[str]:
    """Of all tasks, in the order of the notebooks."""
    from chapter10.exercises.tasks import ORDER

    return [f"{number}-{word}" for number, words in ORDER.items() for word in words]


@cache
def load(name: str) -> Task:
    """A task by its name. Raises InputError."""
    if name not in names():
        near = [other for other in names() if other.startswith(str(name)[:2])] or names()
        raise InputError("There is no task {name!r}. Near it: {choices}.", name=name, choices=', '.join(near))
    return importlib.import_module(f"chapter10.exercises.tasks.n{name.replace('-', '_')}").TASK
