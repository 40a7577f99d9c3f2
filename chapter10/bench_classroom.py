"""`python -m chapter10 bench classroom`: how long a class of 200 takes to grade with two jobs, and whether each row is as it must be.

The submissions are notebooks with one notebook's exercises: right ones in several writings, every known mistake, stubs, and some of
each accident: a loop without end, a loop that no alarm reaches, a process that ends itself or crashes, memory beyond the limit, a
look at the neighbour's file, a file that is no notebook.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from chapter10.bench import judge, say
from chapter10.classroom import grading
from chapter10.exercises.task import Task, load, names
from chapter10.experiments import machine

NOTEBOOK = "02"
TASK = "02-kl"  # the one in which the accidents happen
SUBMISSIONS, JOBS = 200, 2
TARGETS = {"seconds_200_submissions": ("at most", 300.0), "rows_not_as_expected": ("at most", 0.0)}
ACCIDENTS = {  # the verdict expected, how many of them, what stands in the function
    "loops": ("late", 4, ["while True:", "    pass"]),
    "deaf": ("late", 2, ["import signal", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])", "while True:", "    pass"]),
    "ends": ("crash", 4, ["import os", "os._exit(3)"]),
    "crashes": ("crash", 4, ["import os", "os.abort()"]),
    "greedy": ("stopped", 4, ["whole = torch.ones(2_000_000_000)", "return (mu + whole[0]).sum(1)"]),
    "curious": ("stopped", 6, ["return open(HERE + '/right-000.ipynb').read()"]),
}
NO_NOTEBOOKS = {"garbage": b"\x89PNG\r\n\x00", "empty": b"", "list": b"[1, 2]", "prose": b"I had no time."}


@dataclass(frozen=True)
class Made:
    """A submission: its file, what is in it, and the (verdict, mistake) expected of each task."""

    name: str
    content: bytes
    expected: dict[str, tuple[str, str]]


def submissions(folder: Path, count: int = SUBMISSIONS) -> list[Made]:
    """A class of so many, the same each time."""
    tasks = [load(name) for name in names() if name[:2] == NOTEBOOK]
    solved = {task.name: task.solution for task in tasks}
    right = {task.name: ("right", "") for task in tasks}
    made = [Made(name, content, dict.fromkeys(solved, ("missing", ""))) for name, content in NO_NOTEBOOKS.items()]
    for name, (verdict, times, lines) in ACCIDENTS.items():
        body = "\n    ".join(lines).replace("HERE", repr(str(folder)))
        code = f"def my_kl(mu, log_var):\n    {body}\n"
        content = _notebook(tasks, {**solved, TASK: code})
        made += [Made(f"{name}-{i}", content, {**right, TASK: (verdict, "")}) for i in range(times)]
    made += [Made(f"stubs-{i:02}", _notebook(tasks, {}), dict.fromkeys(solved, ("unanswered", ""))) for i in range(count // 10)]
    for i, (task, mistake) in enumerate((one, mistake) for one in tasks for mistake in one.mistakes):
        content = _notebook(tasks, {**solved, task.name: mistake.code})
        made.append(Made(f"wrong-{i:03}", content, {**right, task.name: ("mistake", mistake.name)}))
    made = made[: count * 4 // 5]
    for i, answers in enumerate(islice(_right(tasks), count - len(made))):
        made.append(Made(f"right-{i:03}", _notebook(tasks, answers), right))
    return made


def _right(tasks: list[Task]) -> Iterator[dict[str, str]]:
    ways = {task.name: cycle((task.solution, *task.ways)) for task in tasks}
    while True:
        yield {name: next(codes) for name, codes in ways.items()}


def _notebook(tasks: list[Task], answers: dict[str, str]) -> bytes:
    import nbformat
    from nbformat.v4 import new_markdown_cell, new_notebook

    from chapter10.exercises import cells

    made = cells.fill([new_markdown_cell("", metadata={"exercise": task.name, "part": "statement"}) for task in tasks])
    for cell in made:
        if cell.metadata["part"] == "answer":
            cell.source = answers.get(cell.metadata["exercise"], cell.source)
    return nbformat.writes(new_notebook(cells=made)).encode()


def classroom() -> dict[str, Any]:
    """Make the submissions, grade them, and hold every row against what is expected of it."""
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads(), "jobs": JOBS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "handed_in"
        folder.mkdir()
        made = submissions(folder)
        for one in made:
            (folder / f"{one.name}.ipynb").write_bytes(one.content)
        graded = grading.grade(folder, Path(place) / "grades.csv", notebooks=[NOTEBOOK], jobs=JOBS, progress=_progress)
    expected = {(one.name, task): wanted for one in made for task, wanted in one.expected.items()}
    wrong = [row for row in graded.rows if expected.pop((row.student, row.task), None) != (row.verdict, row.mistake)]
    found["seconds_200_submissions"] = graded.seconds
    found["tasks_of_a_submission"] = len(graded.rows) / len(made)
    found["rows_not_as_expected"] = len(wrong) + len(expected)  # another verdict, or no row
    found["wrong_rows"] = [f"{row.student} {row.task}: {row.verdict} {row.mistake} {row.sentence[:100]}" for row in wrong[:20]]
    kinds = sorted({row.verdict for row in graded.rows})
    say("rows by verdict", {kind: sum(row.verdict == kind for row in graded.rows) for kind in kinds})
    for line in found["wrong_rows"]:
        print(f"  not as expected: {line}")
    beside = ("tasks_of_a_submission", "jobs")
    found["targets"] = judge(found, TARGETS, "python -m chapter10 bench classroom", beside)
    return found


def _progress(done: int, of: int) -> None:
    if done % 50 == 0:
        print(f"{done} of {of} graded", flush=True)
