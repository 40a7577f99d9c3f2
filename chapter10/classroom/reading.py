"""What was handed in: the files of a folder, whose they are, and the cells in them.

Nothing here runs code or trusts a file: whatever can't be read becomes a sentence for the table.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chapter10.errors import InputError
from chapter10.exercises.record import FORMAT

LARGEST = 50_000_000  # bytes of a file; a larger one is not opened
OUTPUT = 5_000_000  # bytes of outputs from which on the table says how much was dropped
LONGEST = 200_000  # characters of a cell's code
IGNORED = {"__MACOSX", "Thumbs.db", "desktop.ini", "timestamp.txt"}  # what systems and nbgrader lay beside


@dataclass(frozen=True)
class Cell:
    """A code cell: its source, and of which task it says to be the answer ("" where it doesn't)."""

    source: str
    task: str = ""
    check: bool = False


@dataclass(frozen=True)
class Handed:
    """One file: its code cells, what is to be remarked, and why it can't be read, where it can't."""

    student: str
    file: str  # below the folder, with /
    cells: tuple[Cell, ...] = ()
    remarks: tuple[str, ...] = ()
    trouble: str = ""


def files(folder: str | os.PathLike, leave: Iterable[Path] = ()) -> list[Path]:
    """All files of a folder and its sub-folders that somebody may have handed in, in order.

    Args:
        folder: where they are; links are listed, and not followed.
        leave: files that are the grader's own.
    Raises:
        InputError: where there is no such folder, or it can't be read.
    """
    folder, found = Path(folder), []
    if not folder.is_dir():
        raise InputError(
            "There is no folder {folder}. Give the one that holds the handed-in notebooks.",
            folder=folder,
        )

    def refuse(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(
                "{folder} can't be read ({strerror}). Give yourself the right to, or another folder.",
                folder=folder,
                strerror=error.strerror,
            )
        found.append(Path(error.filename))  # it becomes a row that says so

    own = {Path(path).resolve() for path in leave}
    for place, folders, names in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if name[0] != "." and name not in IGNORED and name not in links]
        kept = [name for name in (*names, *links) if name[0] != "." and name not in IGNORED]
        found += [Path(place, name) for name in kept if Path(place, name).resolve() not in own]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def student_of(place: Path, notebooks: Iterable[str] = ()) -> str:
    """The student of a file by its place below the folder: the first sub-folder, else the file's name.

    The name of a notebook in it is left out: "li_02_elbo.ipynb" is of "li".
    """
    if len(place.parts) > 1:
        return place.parts[0]
    stem = place.stem.removeprefix("answers-") if place.suffix == ".json" else place.stem
    for name in notebooks:
        rest = re.sub(rf"[-_. ]*{re.escape(name)}[-_. ]*", " ", stem).strip()
        if rest and rest != stem:
            return rest
    return stem


def read(path: Path, folder: Path, notebooks: Iterable[str] = ()) -> Handed:
    """A handed-in file. What is wrong with it stands in its `trouble`; nothing is raised for it."""
    place = path.relative_to(folder)
    student, file = student_of(place, notebooks), place.as_posix()

    def no(trouble: str) -> Handed:
        return Handed(student, file, trouble=trouble)

    if path.is_symlink():
        return no("is a link to another file, and was not followed")
    if path.is_dir():
        return no("is a folder that can't be read")
    if path.suffix.lower() not in (".ipynb", ".json"):
        return no("is neither a notebook (.ipynb) nor a hand-in file (.json)")
    try:
        size = path.stat()
        if not stat.S_ISREG(size.st_mode):
            return no("is no ordinary file")
        if size.st_size > LARGEST:
            return no(f"has {size.st_size / 1e6:.0f} MB, more than the {LARGEST / 1e6:.0f} MB that are read: clear its outputs "
                      "and hand it in again")  # fmt: skip
        with path.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        return no(f"can't be read ({error.strerror or error})")
    if not content.strip():
        return no("is empty")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError, MemoryError):
        return no("is no notebook: its content isn't JSON")
    if not isinstance(data, dict):
        return no("is no notebook: it holds JSON of another kind")
    if data.get("format") == FORMAT:
        return _from_answers(data, student, file, len(place.parts) > 1)
    cells, remarks = _cells(data)
    if cells is None:
        return no("is no notebook: it has no cells")
    outputs = len(content) - sum(len(cell.source) for cell in cells)
    if outputs > OUTPUT:
        remarks.append(f"outputs of {outputs / 1e6:.0f} MB dropped")
    return Handed(student, file, tuple(cells), tuple(remarks))


def _from_answers(data: dict, student: str, file: str, in_folder: bool) -> Handed:
    answers, name = data.get("answers"), data.get("student")
    if not in_folder and isinstance(name, str) and name.strip():
        student = " ".join(name.split())[:100]
    if not isinstance(answers, dict):
        return Handed(student, file, trouble="is a hand-in file without answers")
    cells = [
        Cell(answer["source"][:LONGEST], str(task))
        for task, answer in answers.items()
        if isinstance(answer, dict) and isinstance(answer.get("source"), str)
    ]
    return Handed(student, file, tuple(cells))


def _cells(data: dict) -> tuple[list[Cell] | None, list[str]]:
    """The code cells of a notebook of any version, and remarks; None where it has no cells at all."""
    remarks, listed = [], data.get("cells")
    if not isinstance(listed, list):
        sheets = data.get("worksheets")
        if not isinstance(sheets, list):
            return None, []
        listed = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
        remarks.append("a notebook of the old version 3")
    found = [cell for cell in map(_cell, listed) if cell is not None]
    if any(len(cell.source) > LONGEST for cell in found):
        remarks.append(f"a cell of more than {LONGEST:,} characters left out")
    return [cell for cell in found if len(cell.source) <= LONGEST], remarks


def _cell(cell: Any) -> Cell | None:
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    source = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else source
    if not isinstance(source, str):
        return None
    about = cell.get("metadata")
    about = about if isinstance(about, dict) else {}
    part = about.get("part")
    if part in ("answer", "check") and isinstance(about.get("exercise"), str):
        return Cell(source, about["exercise"] if part == "answer" else "", part == "check")
    marks = about.get("nbgrader")
    if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str):
        if marks.get("solution") is True:
            return Cell(source, marks["grade_id"])
        return Cell(source, "", marks.get("grade") is True)
    return Cell(source)


def _list(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else ())
