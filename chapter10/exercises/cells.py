"""The cells of a notebook that stand for a task: its statement, its stub, its check.

In a notebook's text an author writes one Markdown cell with the metadata `{"exercise": "02-kl", "part": "statement"}`; what
the cells hold follows from the task's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chapter10.exercises.task import Task, load
from chapter10.language import say, say_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

PARTS = ("statement", "answer", "check")


def statement(task: Task, number: int) -> str:
    minutes = say_of(task.minutes, "{count} minute", "{count} minutes")
    head = say("Exercise {number}: {title} ({minutes})", number=number, title=say(task.title), minutes=minutes)
    return f"### {head}\n\n{say(task.statement).strip()}\n\n{help_with(task.name)}"


def help_with(name: str) -> str:
    """The offer of hints and a solution, under a task's statement."""
    calls = {"hint": f'`hint("{name}")`', "solution": f'`solution("{name}")`'}
    return say("Stuck: {hint}. Solved it, or given up: {solution}.", **calls)


def source(task: Task, part: str, number: int) -> str:
    if part == "statement":
        return statement(task, number)
    if part == "answer":
        return task.stub.strip()
    return f'check("{task.name}", {", ".join(task.answers)})'


def fill(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells of a notebook with those of its tasks written anew, in the order of their statements.

    Raises InputError for a task that doesn't exist.
    """
    import nbformat

    filled, number = [], 0
    for cell in cells:
        name, part = cell.metadata.get("exercise"), cell.metadata.get("part")
        if name is None:
            filled.append(cell)
        elif part in (None, "statement"):
            number += 1
            task = load(name)
            for part in PARTS:
                make = nbformat.v4.new_markdown_cell if part == "statement" else nbformat.v4.new_code_cell
                filled.append(make(source(task, part, number), metadata={"exercise": name, "part": part}))
    return filled
