"""Grading a folder in which everything goes wrong that can: each submission costs only itself, and nothing is lost."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from chapter10.classroom import child, grading, landlock, lane, making, table
from chapter10.classroom.child import Limits
from chapter10.classroom.reading import Cell
from chapter10.exercises import cells, record
from chapter10.exercises.task import load, names

KL = load("02-kl")
OTHER = load("00-kinds")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit, or no such call")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")


def body(*lines: str) -> str:
    return "def my_kl(mu, log_var):\n    " + "\n    ".join(lines) + "\n"


def notebook(answers: dict[str, str], before: str = "", bare: bool = False, twice: str = "") -> str:
    """A handed-in notebook with two tasks; `bare` has lost all metadata."""
    statements = [new_markdown_cell("", metadata={"exercise": task, "part": "statement"}) for task in ("02-kl", "00-kinds")]
    made = cells.fill([new_markdown_cell("# The ELBO"), new_code_cell("raise SystemExit('not run')"), *statements])
    for cell in made:
        if cell.metadata.get("part") == "answer":
            cell.source = answers.get(cell.metadata["exercise"], cell.source)
    if twice:
        made.append(new_code_cell(twice, metadata={"exercise": "02-kl", "part": "answer"}))
    if before:
        made.insert(1, new_code_cell(before))
    if bare:
        for cell in made:
            cell.metadata.clear()
    return nbformat.writes(new_notebook(cells=made))


KINDS = OTHER.solution
# What comes before the one task must not cost the other its points.
BAD = {
    "exits": body("import os", "os._exit(3)"),
    "ends": "exit()",
    "hangs": body("while True:", "    pass"),
    "neighbour": "mine = open({right!r}).read()\n" + body("return mine"),
    "hidden": body("try:", "    open({right!r})", "except OSError:", "    return (mu**2).sum(1)"),
    "listing": body("import os", "return os.listdir({folder!r})"),
    "writes": body("open({right!r}, 'w').write('mine')"),
    "network": body("import socket", "socket.create_connection(('127.0.0.1', 9))"),
    "program": body("import subprocess", "subprocess.run(['ls'])"),
    "kills": body("import os", "os.kill(os.getppid(), 9)"),
    "prints": "print('x' * 10_000_000)\n" + KL.solution,
    "syntax": "def my_kl(mu, log_var)\n    return 0",
    "forges": body("import gc, json, os", "for n in range(3, 60):", "    try:",
                   "        os.write(n, b'[' * 2000 + b'\\n{{\"task\": 7}}\\n')", "    except OSError:", "        pass"),
}  # fmt: skip


def graded(folder: Path, **options) -> dict[tuple[str, str], dict[str, str]]:
    out = folder.parent / "grades.csv"
    options = {"notebooks": ["02", "00"], "jobs": 2, **options}
    grading.grade(folder, out, **options)
    with out.open(encoding="utf-8-sig", newline="") as file:
        return {(row["student"], row["task"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def handed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "in"
    folder.mkdir()
    place = {"right": str(folder / "right.ipynb"), "folder": str(folder)}
    both = {"02-kl": KL.solution, "00-kinds": KINDS}

    def put(name: str, content: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")

    put("right.ipynb", notebook(both))
    put("wrong.ipynb", notebook({"02-kl": KL.mistakes[1].code, "00-kinds": OTHER.mistakes[0].code}))
    put("stubs.ipynb", notebook({}))
    put("李华.ipynb", notebook(both))
    for name, code in BAD.items():
        put(f"{name}.ipynb", notebook({"02-kl": code.format(**place), "00-kinds": KINDS}))
    put("renamed.ipynb", notebook(both, bare=True))
    put("twice.ipynb", notebook({"02-kl": KL.mistakes[0].code, "00-kinds": KINDS}, twice=KL.solution))
    put("helper.ipynb", notebook({"02-kl": "def my_kl(mu, v):\n    return half * (mu**2 + v.exp() - 1 - v).sum(1)"}, "half = 0.5"))
    put("teacher.ipynb", notebook({"02-kl": making.solved(KL), "00-kinds": making.solved(OTHER)}))
    put("checks.ipynb", notebook({"02-kl": KL.solution + "\ncheck('02-kl', my_kl)"}))
    put("imports.ipynb", notebook({"02-kl": KL.solution + "\nfrom chapter10.exercises import check\ncheck('02-kl', my_kl)"}))
    put("wang/02_elbo.ipynb", notebook({"02-kl": KL.mistakes[0].code}))
    put("wang/02_elbo (1).ipynb", notebook({"02-kl": KL.solution}))
    put("wang/photo.jpg", "none")
    put("answers-x.json", json.dumps({"format": record.FORMAT, "student": "By file", "answers": {"02-kl": {"source": KL.solution}}}))
    put("garbage.ipynb", "\0\1\2")
    put("empty.ipynb", "")
    put("other.ipynb", nbformat.writes(new_notebook(cells=[new_code_cell("x = 1")])))
    return folder


@pytest.fixture(scope="module")
def rows(handed) -> dict[tuple[str, str], dict[str, str]]:
    return graded(handed)


def test_every_student_has_a_row_for_every_task(handed, rows):
    students = {path.stem for path in handed.glob("*.ipynb")} | {"wang", "By file"}
    tasks = [name for name in names() if name[:2] in ("00", "02")]
    assert list(rows) == [(student, task) for student in sorted(students) for task in tasks]
    assert all(int(row["of"]) == load(task).points and row["title"] for (_, task), row in rows.items())
    assert all((int(row["points"]) > 0) == (row["verdict"] == "right") for row in rows.values())


@pytest.mark.parametrize(
    "student, task, verdict, said, remark",
    [
        ("right", "02-kl", "right", "", ""),
        ("right", "00-kinds", "right", "", ""),
        ("wrong", "02-kl", "mistake", "you took the mean over the latent dimensions", ""),
        ("wrong", "00-kinds", "mistake", "", ""),
        ("stubs", "02-kl", "unanswered", "Not answered yet", ""),
        ("李华", "02-kl", "right", "", ""),
        ("exits", "02-kl", "crash", "exit code 3", ""),
        ("ends", "02-kl", "stopped", "exit or quit", ""),
        ("hangs", "02-kl", "late", "Stopped after 10 s", ""),
        ("neighbour", "02-kl", "stopped", "", "tried to open another file: right.ipynb"),
        ("hidden", "02-kl", "near", "", "tried to open another file: right.ipynb"),
        ("listing", "02-kl", "stopped", "", "tried to look into another folder: ."),
        ("writes", "02-kl", "stopped", "", "tried to change another file: right.ipynb"),
        ("network", "02-kl", "stopped", "", "tried to use the network"),
        ("program", "02-kl", "stopped", "", "tried to use another program"),
        ("kills", "02-kl", "stopped", "", "tried to use a signal to a process"),
        ("prints", "02-kl", "right", "", ""),
        ("syntax", "02-kl", "stopped", "Python can't read its cell", ""),
        ("renamed", "02-kl", "right", "", "found by its name"),
        ("twice", "02-kl", "right", "", "answered 2 times"),
        ("helper", "02-kl", "right", "", "with 1 other cell of the student's"),
        ("teacher", "02-kl", "right", "", ""),
        ("teacher", "00-kinds", "right", "", ""),
        ("checks", "02-kl", "right", "", "graded up to where it stops: Its cell stops with NameError"),
        ("imports", "02-kl", "right", "", ""),
        ("wang", "02-kl", "right", "", "handed in 2 times (wang/02_elbo (1).ipynb, wang/02_elbo.ipynb): the best counts"),
        ("wang", "02-kl", "right", "", "wang/photo.jpg is neither a notebook"),
        ("By file", "02-kl", "right", "", ""),
        ("By file", "00-kinds", "missing", "Nothing was handed in for this task", ""),
        ("garbage", "02-kl", "missing", "garbage.ipynb is no notebook", ""),
        ("empty", "02-kl", "missing", "empty.ipynb is empty", ""),
        ("other", "02-kl", "missing", "other.ipynb answers no task of 00, 02", ""),
    ],
)
def test_the_row_says_what_became_of_it(rows, student, task, verdict, said, remark):
    row = rows[student, task]
    assert row["verdict"] == verdict and said in row["sentence"] and remark in row["remarks"], row
    if not remark and student in ("right", "teacher", "stubs", "imports", "李华"):
        assert row["remarks"] == ""


@pytest.mark.parametrize("student", list(BAD))
def test_what_goes_wrong_in_one_task_costs_not_the_next(rows, student):
    assert rows[student, "00-kinds"]["verdict"] == "right", rows[student, "00-kinds"]


def test_nothing_was_written_into_the_folder(handed, rows):
    assert "my_kl" in (handed / "right.ipynb").read_text("utf-8")
    assert len(list(handed.rglob("*.ipynb"))) == len(BAD) + 15 and rows["forges", "02-kl"]["points"] == "0"


@POSIX
def test_a_crash_in_compiled_code_and_what_ignores_the_limit(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    blocked = body("import signal", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])", "while True:", "    pass")
    codes = {"aborts": body("import os", "os.abort()"), "ignores": blocked}
    for name, code in codes.items():
        (folder / f"{name}.ipynb").write_text(notebook({"02-kl": code, "00-kinds": KINDS}))
    rows = graded(folder, seconds=1)
    assert (rows["aborts", "02-kl"]["verdict"], "SIGABRT" in rows["aborts", "02-kl"]["sentence"]) == ("crash", True)
    late = rows["ignores", "02-kl"]
    assert late["verdict"] == "late" and "Ended from outside after 25 s" in late["sentence"]
    assert 25 <= float(late["seconds"]) < 40  # never less than twice the task's own limit
    assert all(rows[student, "00-kinds"]["verdict"] == "right" for student in codes)


@LINUX
def test_memory_beyond_the_limit_is_refused(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    wants = ["a = torch.ones(600_000_000)", "a = [1.0] * 300_000_000", "a = bytearray(2_400_000_000)"]
    for index, line in enumerate(wants):
        (folder / f"{index}.ipynb").write_text(notebook({"02-kl": body(line, "return (mu + a[0]).sum(1)")}))
    rows = graded(folder, notebooks=["02"], megabytes=1000, jobs=1)
    for index in range(len(wants)):
        row = rows[str(index), "02-kl"]
        assert row["verdict"] == "stopped" and "it came to the limit of memory" in row["remarks"], row


BEHIND = {  # what Python's audit hook doesn't see
    "reads": body("return torch.from_file({right!r}, size=8, dtype=torch.uint8).sum() * mu.sum(1)"),
}  # fmt: skip


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_the_kernel_refuses_what_python_does_not_see(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "right.ipynb").write_text(notebook({"02-kl": KL.solution}))
    code = BEHIND["reads"].format(right=str(folder / "right.ipynb"))
    exec(code.replace("def my_kl", "import torch\ndef read"), namespace := {})
    assert namespace["read"](torch.zeros(1, 1), None).shape == (1,)  # outside nothing refuses it
    (folder / "reads.ipynb").write_text(notebook({"02-kl": code}))
    row = graded(folder, notebooks=["02"], jobs=1)["reads", "02-kl"]
    assert row["verdict"] == "stopped" and "ermission denied" in row["sentence"], row


def alone(target, *arguments, seconds: float = 100) -> list[dict]:
    """Run `target(connection, ...)` in a process of its own; what came through the connection."""
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(writer, *arguments))
    process.start()
    writer.close()
    lines, found, end = lane._Lines(reader), [], time.monotonic() + seconds
    while not lines.over and time.monotonic() < end:
        found += lines.read()
        time.sleep(0.02)
    process.kill()
    process.join()
    return found


def test_every_solution_passes_behind_the_guard(tmp_path):
    tasks = names()
    written = [Cell(load(name).solution, name) for name in tasks]
    found = alone(child.main, written, tasks, frozenset(), str(tmp_path), Limits(60, 2000), seconds=250)
    assert [line for line in found if "tried" in line] == []
    kinds = {line["task"]: line["kind"] for line in found if "kind" in line}
    assert kinds == dict.fromkeys(tasks, "right")


# An audit hook can't be taken back, so this runs in a process of its own. The alarm rings every 50 ms.
SLOW_HOOK = """
import sys, time
from chapter10.exercises import sandbox

sys.addaudithook(lambda event, arguments: time.sleep(0.12) if event == "sys.settrace" else None)


def endless():
    while True:
        pass


outcome = sandbox.run(endless, 0.2)
print(outcome.late, type(outcome.error).__name__)
"""


@POSIX
def test_an_alarm_that_rings_in_an_audit_hook_is_a_time_limit_all_the_same():
    said = subprocess.run([sys.executable, "-c", SLOW_HOOK], capture_output=True, text=True, timeout=100,
                          env={**os.environ, "PYTHONPATH": str(Path(table.__file__).parents[2])})  # fmt: skip
    assert said.stdout == "True TooLong\n", said


def flood(connection) -> None:
    while True:
        os.write(connection.fileno(), b"x" * 10_000)


@POSIX
def test_a_flood_through_the_pipe_is_cut_off():
    assert alone(flood) == []


def test_a_lane_that_ends_costs_its_submission_only(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.ipynb").write_text(notebook({"02-kl": KL.solution}))
    give = grading._Lane.give

    def killing(self, index, tasks, handed):
        give(self, index, tasks, handed)
        if index == 0:
            self.process.kill()

    monkeypatch.setattr(grading._Lane, "give", killing)
    rows = graded(folder, notebooks=["02"], jobs=1)
    assert rows["a", "02-kl"]["verdict"] == "crash" and "grade this one again" in rows["a", "02-kl"]["sentence"]
    assert rows["b", "02-kl"]["verdict"] == "right"


@POSIX
def test_ctrl_c_keeps_what_was_graded_and_leaves_no_process(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ipynb").write_text(notebook({"02-kl": KL.solution}))
    sleeps = f"import os\nopen('pid', 'w')\nprint()\nos.kill(os.getpid(), 0)\n{body('import time', 'time.sleep(1000)')}"
    for name in ("b", "c"):
        (folder / f"{name}.ipynb").write_text(notebook({"02-kl": sleeps + "\nmy_kl(0, 0)"}))
    command = [sys.executable, "-m", "chapter10", "classroom", "grade", "in", "--out", "grades.csv", "--notebooks", "02", "--jobs", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env={**os.environ, "PYTHONPATH": str(Path(table.__file__).parents[2]), "TMPDIR": str(tmp_path)})  # fmt: skip
    until(lambda: list(tmp_path.glob("chapter10-*/pid")), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, problems = process.communicate(timeout=100)
    assert process.returncode == 130 and problems.endswith("Stopped by hand; what was saved before is whole.\n"), problems
    assert "Traceback" not in problems
    with (tmp_path / "grades.csv").open(encoding="utf-8-sig") as file:
        rows = {row["student"]: row for row in csv.DictReader(file) if row["task"] == "02-kl"}
    assert rows["a"]["verdict"] == "right"
    assert all("stopped by hand" in rows[name]["sentence"] for name in ("b", "c"))
    until(lambda: not list(tmp_path.glob("chapter10-*")), None)  # the folder of who was stopped is gone with its process


def until(there, process: subprocess.Popen | None) -> None:
    end = time.monotonic() + 100
    while not there():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_table_does_not_depend_on_how_many_work_on_it(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(5):
        (folder / f"s{index}.ipynb").write_text(notebook({"02-kl": [KL.solution, *(m.code for m in KL.mistakes)][index]}))
    tables = []
    for jobs in (1, 2):
        rows = graded(folder, notebooks=["02"], jobs=jobs)
        tables.append([{key: value for key, value in row.items() if key != "seconds"} for row in rows.values()])
    assert tables[0] == tables[1] and {row["verdict"] for row in tables[0]} >= {"right", "mistake"}


def test_the_command_writes_both_tables(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "li.ipynb").write_text(notebook({"02-kl": KL.solution}))
    said = subprocess.run(
        [sys.executable, "-m", "chapter10", "classroom", "grade", "in", "--out", "in/grades.csv", "--summary", "in/totals.csv",
         "--notebooks", "02", "--jobs", "1"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=250,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": str(Path(table.__file__).parents[2])},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stderr == "1 of 1 graded\n" and "1 files of 1 students" in said.stdout
    with (folder / "totals.csv").open(encoding="utf-8-sig") as file:
        assert [row["02-kl"] for row in csv.DictReader(file)] == ["2"]
    with (folder / "grades.csv").open(encoding="utf-8-sig") as file:
        assert {row["student"] for row in csv.DictReader(file)} == {"li"}
