"""What came out, as CSV: a row for each student and task, and, if asked for, one for each student."""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from chapter10.files import write_atomic


@dataclass(frozen=True)
class Row:
    """One student and one task. `verdict` is a kind of `judging.Verdict`, or "missing", "crash" or "fault"."""

    student: str
    file: str
    notebook: str
    task: str
    title: str
    points: int
    of: int
    verdict: str
    mistake: str
    sentence: str
    seconds: float
    remarks: str


def write(path: str | os.PathLike, rows: Iterable[Row]) -> None:
    """Write the rows, whole or not at all. Raises SaveError."""
    _write(path, [[field.name for field in fields(Row)], *map(astuple, rows)])


def write_summary(path: str | os.PathLike, rows: list[Row]) -> None:
    """Write a row for each student: points of each task, their sum, and what could be had. Raises SaveError."""
    tasks = list(dict.fromkeys(row.task for row in rows if row.task))
    lines: list[list] = [["student", *tasks, "points", "of"]]
    for student in dict.fromkeys(row.student for row in rows):
        own = {row.task: row for row in rows if row.student == student and row.task}
        points = [own[task].points if task in own else 0 for task in tasks]
        lines.append([student, *points, sum(points), sum(row.of for row in own.values())])
    _write(path, lines)


def _write(path: str | os.PathLike, lines: Iterable[Iterable]) -> None:
    # With a byte order mark, without which Excel takes names in Chinese for another encoding.
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(value) for value in line] for line in lines])
    write_atomic(path, b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace"))


def _cell(value: object) -> object:
    """Text that a spreadsheet doesn't take for a formula: some of it was written by students."""
    if not isinstance(value, str):
        return value
    value = " ".join(value.replace("\0", " ").split())
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
