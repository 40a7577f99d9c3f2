"""Notebooks for a class: the teacher's, with solutions, and the students', with stubs, both as nbgrader expects them.

nbgrader's metadata and markers: https://nbgrader.readthedocs.io, "Creating and grading assignments"; schema 3. In the teacher's
answer cell the stub stands before the solution, and nbgrader's ClearSolutions removes the region between the markers (with the
`code_stub` of the configuration written here), so that the stub is what it releases.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chapter10.authoring import texts
from chapter10.errors import InputError
from chapter10.exercises import cells as exercises
from chapter10.exercises.task import PRELUDE, Task, load
from chapter10.files import write_atomic
from chapter10.language import noted, say, speaking

if TYPE_CHECKING:
    from nbformat import NotebookNode

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
CONFIG = '''\
# nbgrader reads this where it is started in this folder.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "chapter10"
c.ClearSolutions.code_stub = {"python": ""}  # the task's own stub stands before its solution, and stays
c.Execute.timeout = 300  # seconds for a cell
c.OverwriteCells.add_missing_cells = True  # a check cell that a student deleted is put back
'''
README = noted(
    """\
`source/` holds your notebooks, with solutions; `students/` the same with stubs, to hand out without nbgrader.
With nbgrader, in this folder: `nbgrader generate_assignment {name}`, then release, collect, and `nbgrader autograde {name}`.
Without: `python -m chapter10 classroom grade HANDED_IN --out grades.csv` grades a folder of notebooks that came back.
"""
)


def make(
    wanted: list[str],
    out: str | os.PathLike,
    exercises_only: bool = False,
    replace: bool = False,
    root: Path = texts.ROOT,
    language: str = "en",
) -> list[Path]:
    """Write the teacher's and the students' notebooks into a folder that nbgrader can take as a course; returns their paths.

    Args:
        wanted: notebooks, "02" or "02_elbo".
        out: the folder.
        exercises_only: leave out all but the exercises and the code that they need.
        replace: write over what is there.
        root: the clone of the repository whose notebooks these are.
        language: of the edition, "en" or "zh".
    Raises:
        InputError: for a notebook that there isn't or that has no tasks, a language without a catalogue, or where a file is there already.
        SaveError: where a file can't be written.
    """
    if not wanted:
        raise InputError("Name the notebooks to make, such as 02 or 02_elbo.")
    chosen = texts.names(wanted, root, language)
    with speaking(language):
        files = _files(chosen, exercises_only, root, language)
    folder = Path(out)
    for place, content in files.items():
        there = folder / place
        if there.is_file() and not replace and there.read_bytes() != content.encode("utf-8"):
            raise InputError(
                "{there} is there already, with other content. Give --replace to write over it, or another folder.",
                there=there,
            )
    for place, content in files.items():
        write_atomic(folder / place, content.encode("utf-8"))
    return [folder / place for place in files if place.suffix == ".ipynb"]


def _files(chosen: list[str], exercises_only: bool, root: Path, language: str) -> dict[Path, str]:
    import nbformat

    files: dict[Path, str] = {}
    for name in chosen:
        cells = _exercises_of(name, root, language) if exercises_only else _cells_of(name, root, language)
        if not any(cell.metadata.get("exercise") for cell in cells):
            raise InputError("{name} has no exercises to grade. Choose another notebook.", name=name)
        for place, students in ((Path("source", name, f"{name}.ipynb"), False), (Path("students", f"{name}.ipynb"), True)):
            notebook = nbformat.v4.new_notebook(cells=[_made(cell, students) for cell in cells])
            notebook.metadata.update({"kernelspec": dict(texts.KERNELSPEC), "language_info": {"name": "python"}})
            files[place] = nbformat.writes(notebook) + "\n"
    files[Path("nbgrader_config.py")] = CONFIG
    files[Path("README.md")] = say(README, name=chosen[0])
    return files


def released(task: Task) -> str:
    """The answer cell of the students' version: what ClearSolutions leaves of the teacher's."""
    return f"{task.stub.strip()}\n"


def solved(task: Task) -> str:
    """The answer cell of the teacher's version."""
    return f"{task.stub.strip()}\n{BEGIN}\n{task.solution.strip()}\n{END}"


def statement(source: str, task: Task) -> str:
    """A task's statement without the offer to show the solution."""
    offer, hint = exercises.help_with(task.name), say("Stuck: {hint}.", hint=f'`hint("{task.name}")`')
    return source.replace(offer, hint)


def checking(task: Task) -> str:
    return f'from chapter10.classroom import score\n\nscore("{task.name}", {", ".join(task.answers)})'


def _cells_of(name: str, root: Path, language: str) -> list[NotebookNode]:
    import nbformat

    path = texts.notebook_path(name, root, language)
    if not path.is_file():
        raise InputError(
            "There is no {name}. Write it from its text first: python -m chapter10 author sync {name_2}",
            name=path.name,
            name_2=name,
        )
    return nbformat.read(path, as_version=4).cells


def _exercises_of(name: str, root: Path, language: str) -> list[NotebookNode]:
    """Cells of a notebook that holds the exercises of another, each with the code that makes the names it may use."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    cells = _cells_of(name, root, language)
    order = [cell.metadata["exercise"] for cell in cells if cell.metadata.get("part") == "statement"]
    title = cells[0].source.partition("\n")[0].removeprefix("# ")
    words = say(
        "# Exercises: {title}\n\nThe reading is in `{name}.ipynb`. Run the cells from top to bottom. Stuck: `hint(...)`.",
        title=title,
        name=name,
    )
    start = f"{PRELUDE.strip()}\n\nfrom chapter10.exercises import hint"
    if language != "en":
        start += f'\nfrom chapter10.language import choose\n\nchoose("{language}")'
    made = [new_markdown_cell(words, id="title"), new_code_cell(start, id="start")]
    for number, task in enumerate(map(load, order), 1):
        if task.setting.strip():
            made.append(_locked(new_code_cell(task.setting.strip(), id=f"{task.name}-setting"), f"{task.name}-setting"))
        for part in exercises.PARTS:
            new = new_markdown_cell if part == "statement" else new_code_cell
            about = {"exercise": task.name, "part": part}
            made.append(new(exercises.source(task, part, number), id=f"{task.name}-{part}", metadata=about))
    return made


def _made(cell: NotebookNode, students: bool) -> NotebookNode:
    """A cell as it stands in a class's notebook: no outputs, and for those of a task what nbgrader wants to know."""
    from copy import deepcopy

    cell = deepcopy(cell)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    name, part = cell.metadata.get("exercise"), cell.metadata.get("part")
    if name is None:
        return cell
    task = load(name)
    if part == "statement":
        cell.source = statement(cell.source, task)
        return _locked(cell, f"{name}-statement")
    if part == "answer":
        cell.source = released(task) if students else solved(task)
        cell.metadata["nbgrader"] = _about(name, solution=True)
        cell.metadata["deletable"] = False
        return cell
    cell.source = checking(task)
    _locked(cell, f"{name}-check")
    cell.metadata["nbgrader"].update(grade=True, points=task.points)
    return cell


def _locked(cell: NotebookNode, grade_id: str) -> NotebookNode:
    cell.metadata["nbgrader"] = _about(grade_id, locked=True)
    cell.metadata.update(deletable=False, editable=False)
    return cell


def _about(grade_id: str, solution: bool = False, locked: bool = False) -> dict:
    return {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": solution, "locked": locked, "task": False}
