"""The notebooks of `classroom make` in nbgrader's own hands: released, collected, autograded, and the scores in its gradebook."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from chapter10.classroom import making
from chapter10.exercises import cells
from chapter10.exercises.task import load

pytest.importorskip("nbgrader", reason='nbgrader is not installed: pip install -e ".[test]"')

TASKS = ("02-kl", "00-kinds")
NAME = "02_elbo"
# In a process of its own, whose home is a temporary folder: generate, release; as a student, whose name nbgrader takes from the
# system, fetch and submit; collect; autograde everybody, and say the scores. nbgrader has no exchange on Windows.
DRIVER = """
import json, os, shutil, sys
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.auth import Authenticator
from nbgrader.exchange.default import ExchangeFetchAssignment, ExchangeSubmit
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, PyFileConfigLoader

name, students = sys.argv[1], sys.argv[2:]
config = Config(PyFileConfigLoader("nbgrader_config.py").load_config())
config.CourseDirectory.root = os.getcwd()
config.Exchange.root = str(Path("../exchange").resolve())
api = NbGraderAPI(config=config)


def do(step, *arguments):
    done = step(*arguments)
    assert done["success"], done


def at_the_student(step):
    place = CourseDirectory(config=config, assignment_id=name)
    step(coursedir=place, authenticator=Authenticator(config=config), config=config).start()


do(api.generate_assignment, name)
if sys.platform != "win32":
    os.mkdir("../exchange")
    os.chmod("../exchange", 0o777)
    do(api.release_assignment, name)
    os.mkdir("../student")
    os.chdir("../student")
    at_the_student(ExchangeFetchAssignment)
    shutil.copy(f"../course/submitted/right/{name}/{name}.ipynb", name)
    at_the_student(ExchangeSubmit)
    os.chdir("../course")
    do(api.collect, name)
    students += set(os.listdir("submitted")) - set(students)
for student in students:
    do(api.autograde, name, student)
with Gradebook("sqlite:///gradebook.db", "chapter10") as book:
    found = {}
    for student in students:
        submission = book.find_submission_notebook(name, name, student)
        found[student] = {grade.name: [grade.auto_score, grade.max_score] for grade in submission.grades}
    print("SCORES", json.dumps(found))
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """What `make` needs of a clone: a notebook with two tasks."""
    root = tmp_path / "clone"
    (root / "notebooks" / "text").mkdir(parents=True)
    (root / "notebooks" / "text" / f"{NAME}.md").write_text("")
    new = nbformat.v4.new_markdown_cell
    imports = nbformat.v4.new_code_cell("from chapter10.exercises import check, hand_in, hint, progress, solution\nimport torch")
    statements = [new("", metadata={"exercise": task, "part": "statement"}) for task in TASKS]
    progress = nbformat.v4.new_code_cell('progress("02")', outputs=[nbformat.v4.new_output("stream", text="old")])
    book = nbformat.v4.new_notebook(cells=cells.fill([new("# The ELBO"), imports, *statements, progress]))
    nbformat.write(book, root / "notebooks" / f"{NAME}.ipynb")
    return root


def answered(path: Path, answers: dict[str, str], drop: str = "") -> nbformat.NotebookNode:
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.metadata.get("part") == "answer" and cell.metadata["exercise"] in answers:
            cell.source = answers[cell.metadata["exercise"]]
    book.cells = [cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != drop]
    return book


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "IPYTHON", "CHAPTER10_PROGRESS"))}
    folders = {"HOME": home, "USERPROFILE": home, "APPDATA": home, "LOCALAPPDATA": home, "XDG_DATA_HOME": home / "data"}
    # nbgrader calls alembic by its name, which stands beside this Python
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**kept, **{key: str(folder) for key, folder in folders.items()}, "PATH": path, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def test_nbgrader_releases_the_stubs_and_scores_right_wrong_and_empty(clone, tmp_path):
    course, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    making.make(["02"], course, root=clone)
    students, kl, kinds = course / "students" / f"{NAME}.ipynb", load("02-kl"), load("00-kinds")
    both = {task.name: task.solution for task in (kl, kinds)}
    handed = {
        "right": answered(students, both),
        "wrong": answered(students, {"02-kl": kl.mistakes[0].code, "00-kinds": kinds.mistakes[0].code}),
        "empty": answered(students, {}),
        "stops": answered(students, {**both, "02-kl": "raise SystemExit"}),
        "deleted": answered(students, both, drop="02-kl-check"),
        "forged": answered(students, {"02-kl": "def score(*a):\n    return 2\n\n" + kl.mistakes[1].code}),
    }
    for student, book in handed.items():
        place = course / "submitted" / student / NAME / f"{NAME}.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(book, place)
    said = subprocess.run([sys.executable, "-c", DRIVER, NAME, *handed], cwd=course, env=environment(home),
                          capture_output=True, text=True, encoding="utf-8", timeout=280)  # fmt: skip
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-4000:]

    released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    ours = nbformat.read(students, as_version=4)
    assert [cell.source.strip() for cell in released.cells] == [cell.source.strip() for cell in ours.cells]
    for mine, theirs in zip(ours.cells, released.cells):
        about = {key: theirs.metadata.get("nbgrader", {}).get(key) for key in mine.metadata.get("nbgrader", {})}
        assert about == mine.metadata.get("nbgrader", {})
        assert [mine.metadata.get(key) for key in ("deletable", "editable")] == [
            theirs.metadata.get(key) for key in ("deletable", "editable")
        ]

    scores = json.loads(said.stdout.split("SCORES", 1)[1])
    full = {"02-kl-check": [2, 2], "00-kinds-check": [kinds.points, kinds.points]}
    none = {name: [0, of] for name, (_, of) in full.items()}
    expected = {"right": full, "wrong": none, "empty": none, "deleted": full, "forged": none}
    assert {student: scores[student] for student in expected} == expected
    collected = [found for student, found in scores.items() if student not in handed]
    assert collected == ([] if sys.platform == "win32" else [full])
    assert scores["stops"]["02-kl-check"] == [0, 2]
    assert [path for path in home.rglob("progress.jsonl")] == []

    feedback = nbformat.read(course / "autograded" / "wrong" / NAME / f"{NAME}.ipynb", as_version=4)
    shown = [cell.outputs for cell in feedback.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert "The size is right, the sign is not" in shown[0][0].data["text/html"]


def test_nbgraders_validate_tells_the_verdict(clone, tmp_path):
    making.make(["02"], tmp_path / "course", root=clone)
    book = answered(tmp_path / "course" / "students" / f"{NAME}.ipynb", {"02-kl": load("02-kl").mistakes[0].code})
    nbformat.write(book, tmp_path / "mine.ipynb")
    said = subprocess.run([sys.executable, "-m", "nbgrader", "validate", "mine.ipynb"], cwd=tmp_path, env=environment(tmp_path),
                          capture_output=True, text=True, encoding="utf-8", timeout=280)  # fmt: skip
    assert "VALIDATION FAILED ON 2 CELL(S)" in said.stdout, said.stdout + said.stderr
    assert "The size is right, the sign is not" in said.stdout
