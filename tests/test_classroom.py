"""The notebooks for a class, and what is read of the files that come back."""

import csv
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from chapter10 import bench_classroom
from chapter10.__main__ import main
from chapter10.classroom import answers, grading, making, reading, score, table
from chapter10.classroom.reading import Cell
from chapter10.errors import InputError, SaveError
from chapter10.exercises import cells, record
from chapter10.exercises.task import load, names

KL = load("02-kl")
NAME = "02_elbo"


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAPTER10_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def clone(root: Path, tasks: tuple[str, ...] = ("02-kl", "00-kinds")) -> Path:
    """What `make` needs of a clone: one notebook, with some tasks and an output."""
    (root / "notebooks" / "text").mkdir(parents=True)
    (root / "notebooks" / "text" / f"{NAME}.md").write_text("")
    statements = [new_markdown_cell("", metadata={"exercise": task, "part": "statement"}) for task in tasks]
    old = new_code_cell("print(1)", execution_count=4, outputs=[nbformat.v4.new_output("stream", text="1")])
    book = new_notebook(cells=cells.fill([new_markdown_cell("# The ELBO\n\nText."), old, *statements]))
    nbformat.write(book, root / "notebooks" / f"{NAME}.ipynb")
    return root


def of_task(book, task: str, part: str):
    return next(c for c in book.cells if c.metadata.get("exercise") == task and c.metadata["part"] == part)


# ---- making


@pytest.mark.parametrize("only", [False, True])
def test_the_students_version_holds_stubs_and_no_solution(tmp_path, only):
    paths = making.make(["02"], tmp_path / "course", only, root=clone(tmp_path / "clone"))
    assert [path.relative_to(tmp_path / "course").as_posix() for path in paths] == [
        f"source/{NAME}/{NAME}.ipynb",
        f"students/{NAME}.ipynb",
    ]
    teachers, students = (nbformat.read(path, as_version=4) for path in paths)
    text = "\n".join(cell.source for cell in students.cells)
    assert "SOLUTION" not in text and "solution(" not in text and 'hint("02-kl")' in text
    assert not [line for line in KL.solution.splitlines() if len(line) > 20 and "def " not in line and line.strip() in text]
    for task in (KL, load("00-kinds")):
        assert answers.same(of_task(students, task.name, "answer").source, task.stub)
        solved = of_task(teachers, task.name, "answer").source
        assert solved.startswith(task.stub.strip()) and task.solution.strip() in solved
        assert solved.count(making.BEGIN) == solved.count(making.END) == 1
    assert all(not c.outputs and c.execution_count is None for c in teachers.cells + students.cells if c.cell_type == "code")
    for book in (teachers, students):
        nbformat.validate(book)


def test_a_class_gets_the_edition_that_was_asked_for(tmp_path):
    for only in (False, True):
        _, students = making.make(["02"], tmp_path / f"course {only}", only, language="zh")
        book = nbformat.read(students, as_version=4)
        statement = next(cell.source for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "02-kl-statement")
        assert "练习" in statement and '`hint("02-kl")`' in statement and "solution(" not in statement
        speaks = [cell.source for cell in book.cells if cell.cell_type == "code" and '"zh"' in cell.source]
        assert len(speaks) == 1 and ("choose" in speaks[0]) == only
    assert "nbgrader generate_assignment 02_elbo" in (tmp_path / "course True" / "README.md").read_text("utf-8")
    assert "解法" in (tmp_path / "course True" / "README.md").read_text("utf-8")


def test_the_cells_of_a_task_carry_what_nbgrader_asks_for(tmp_path):
    making.make(["02"], tmp_path / "course", root=clone(tmp_path / "clone"))
    book = nbformat.read(tmp_path / "course" / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    base = {"schema_version": 3, "task": False, "grade": False, "solution": False, "locked": False}
    found = [cell.metadata.get("nbgrader") for cell in book.cells if cell.metadata.get("exercise") == "02-kl"]
    assert found == [
        {**base, "grade_id": "02-kl-statement", "locked": True},
        {**base, "grade_id": "02-kl", "solution": True},
        {**base, "grade_id": "02-kl-check", "locked": True, "grade": True, "points": 2},
    ]
    assert [cell.metadata.get("nbgrader") for cell in book.cells[:2]] == [None, None]
    compile((tmp_path / "course" / "nbgrader_config.py").read_text("utf-8"), "config", "exec")


@pytest.mark.parametrize("students", [False, True])
def test_the_exercises_alone_run_from_top_to_bottom(tmp_path, students, monkeypatch):
    tasks = ("02-kl", next(name for name in names() if load(name).setting.strip()))
    making.make(["02"], tmp_path / "course", True, root=clone(tmp_path / "clone", tasks))
    place = Path("students", f"{NAME}.ipynb") if students else Path("source", NAME, f"{NAME}.ipynb")
    book, namespace, missed = nbformat.read(tmp_path / "course" / place, as_version=4), {}, []
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        *lines, last = cell.source.rstrip().split("\n")
        if cell.metadata.get("part") == "check":
            exec("\n".join(lines), namespace)
            missed.append(repr(eval(last, namespace)))
        else:
            exec(cell.source, namespace)
    assert missed == ["0" if students else "None"] * len(tasks)


def test_what_is_there_is_not_written_over(tmp_path):
    root, course = clone(tmp_path / "clone"), tmp_path / "course"
    teachers, _ = making.make(["02"], course, root=root)
    making.make(["02"], course, root=root)  # the same again is no harm
    teachers.write_text("mine", "utf-8")
    with pytest.raises(InputError, match=r"is there already, with other content. Give --replace"):
        making.make(["02"], course, root=root)
    assert teachers.read_text("utf-8") == "mine"
    making.make(["02"], course, replace=True, root=root)
    assert teachers.read_text("utf-8") != "mine"


def test_a_notebook_without_tasks_is_refused(tmp_path):
    root = clone(tmp_path / "clone", ())
    with pytest.raises(InputError, match="has no exercises to grade"):
        making.make(["02"], tmp_path / "course", root=root)
    with pytest.raises(InputError, match="No notebook is called '99'"):
        making.make(["99"], tmp_path / "course", root=root)
    with pytest.raises(InputError, match="Name the notebooks"):
        making.make([], tmp_path / "course", root=root)
    assert not (tmp_path / "course").exists()


# ---- score, the check cell's call


def test_score_gives_nbgrader_its_number(capsys):
    right, wrong = KL.run(KL.solution), KL.run(KL.mistakes[0].code)
    assert score("02-kl", *right) is None  # nothing: all points, however many the teacher set
    assert "[Right]" in capsys.readouterr().out
    missed = score("02-kl", *wrong)
    assert float(repr(missed)) == 0 and "The size is right, the sign is not" in missed._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_a_check_in_nbgraders_run_leaves_no_record(monkeypatch, capsys, tmp_path):
    score("02-kl", *KL.run(KL.mistakes[0].code))
    before = (tmp_path / "progress.jsonl").read_bytes()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert record.path() == Path(os.devnull)
    assert repr(score("02-kl", *KL.run(KL.mistakes[1].code))) == "0"
    assert (tmp_path / "progress.jsonl").read_bytes() == before
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    score("02-kl", *KL.run(KL.mistakes[0].code))
    assert "The size is right, the sign is not" in capsys.readouterr().err


# ---- reading files


@pytest.mark.parametrize(
    "place, student",
    [
        ("li.ipynb", "li"),
        ("李华.ipynb", "李华"),
        ("li_02_elbo.ipynb", "li"),
        ("02_elbo-Li Hua.ipynb", "Li Hua"),
        ("02_elbo.ipynb", "02_elbo"),
        ("wang/02_elbo.ipynb", "wang"),
        ("wang/02_elbo/02_elbo.ipynb", "wang"),  # as nbgrader lays them
        ("answers-Li-Hua.json", "Li-Hua"),
    ],
)
def test_whose_file_it_is(place, student):
    assert reading.student_of(Path(place), [NAME]) == student


NOTEBOOK = {"cells": [{"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"exercise": "02-kl", "part": "answer"}}]}


@pytest.mark.parametrize(
    "content, trouble",
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "its content isn't JSON"),
        (b"{" * 10, "its content isn't JSON"),
        (b"[" * 200_000, "its content isn't JSON"),
        (b"[1, 2]", "JSON of another kind"),
        (b"{}", "it has no cells"),
        (b'{"cells": "none"}', "it has no cells"),
        (json.dumps({"format": record.FORMAT}).encode(), "a hand-in file without answers"),
    ],
)
def test_a_file_that_is_no_notebook_is_told(tmp_path, content, trouble):
    (tmp_path / "li.ipynb").write_bytes(content)
    handed = reading.read(tmp_path / "li.ipynb", tmp_path)
    assert trouble in handed.trouble and handed.cells == () and handed.student == "li"


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(NOTEBOOK).encode(),
        json.dumps(NOTEBOOK).encode("utf-8-sig"),
        json.dumps(NOTEBOOK).encode("utf-16"),
        json.dumps({"cells": [None, 3, {}, {"cell_type": "code", "source": 7}, *NOTEBOOK["cells"]]}).encode(),
        json.dumps({"cells": [{**NOTEBOOK["cells"][0], "source": "a = 1\nb = 2", "outputs": "none"}]}).encode(),
        json.dumps({"cells": [{"cell_type": "code", "source": "a = 1\nb = 2",
                               "metadata": {"nbgrader": {"grade_id": "02-kl", "solution": True}}}]}).encode(),
    ],
)  # fmt: skip
def test_a_notebook_is_read_whatever_else_is_in_it(tmp_path, content):
    (tmp_path / "li.ipynb").write_bytes(content)
    handed = reading.read(tmp_path / "li.ipynb", tmp_path)
    assert handed.cells == (Cell("a = 1\nb = 2", "02-kl"),) and handed.trouble == ""


def test_an_old_notebook_and_large_outputs_are_remarked(tmp_path):
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "a = 1"}, {"cell_type": "markdown"}]}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    handed = reading.read(tmp_path / "old.ipynb", tmp_path)
    assert handed.cells == (Cell("a = 1"),) and handed.remarks == ("a notebook of the old version 3",)
    noisy = {"cells": [{**NOTEBOOK["cells"][0], "outputs": [{"text": "x" * 12_000_000}]}]}
    (tmp_path / "noisy.ipynb").write_text(json.dumps(noisy))
    handed = reading.read(tmp_path / "noisy.ipynb", tmp_path)
    assert handed.cells == (Cell("a = 1\nb = 2", "02-kl"),) and handed.remarks == ("outputs of 12 MB dropped",)


def test_a_huge_file_is_not_opened(tmp_path):
    with open(tmp_path / "li.ipynb", "wb") as file:
        file.truncate(300_000_000)  # takes no room on the disk
    assert "has 300 MB, more than the 50 MB" in reading.read(tmp_path / "li.ipynb", tmp_path).trouble


def test_other_files_and_links_are_told_and_not_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.ipynb").write_text(json.dumps(NOTEBOOK))
    (tmp_path / "in" / "report.pdf").write_bytes(b"%PDF")
    (tmp_path / "in" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "in" / ".ipynb_checkpoints" / "a.ipynb").write_text("{}")
    (tmp_path / "in" / "timestamp.txt").write_text("now")
    if sys.platform != "win32":
        (tmp_path / "in" / "link.ipynb").symlink_to(tmp_path / "secret.ipynb")
        (tmp_path / "in" / "folder").symlink_to(tmp_path)
        os.mkfifo(tmp_path / "in" / "pipe.ipynb")
    found = [reading.read(path, tmp_path / "in") for path in reading.files(tmp_path / "in")]
    assert all(handed.cells == () for handed in found)
    troubles = {handed.file: handed.trouble for handed in found}
    assert "neither a notebook" in troubles.pop("report.pdf")
    if sys.platform != "win32":
        assert "link" in troubles.pop("link.ipynb") and "link" in troubles.pop("folder")
        assert troubles.pop("pipe.ipynb") == "is no ordinary file"
    assert troubles == {}


def test_a_hand_in_file_is_read(tmp_path):
    content = {"format": record.FORMAT, "student": "李 华", "answers": {"02-kl": {"source": "a = 1"}, "00-x": {"source": 3}, "y": 1}}
    (tmp_path / "answers-x.json").write_text(json.dumps(content))
    handed = reading.read(tmp_path / "answers-x.json", tmp_path)
    assert (handed.student, handed.cells) == ("李 华", (Cell("a = 1", "02-kl"),))
    (tmp_path / "wang").mkdir()
    (tmp_path / "wang" / "a.json").write_text(json.dumps(content))
    assert reading.read(tmp_path / "wang" / "a.json", tmp_path).student == "wang"  # the folder decides


# ---- finding the answers


STUB, RIGHT = KL.stub.strip(), KL.solution.strip()
HELPED = "def my_kl(mu, log_var):\n    return half * (mu**2 + torch.exp(log_var) - 1 - log_var).sum(1)"


@pytest.mark.parametrize(
    "handed, code, before, remark",
    [
        ([Cell(STUB, "02-kl")], STUB, (), ""),
        ([Cell(RIGHT, "02-kl")], RIGHT, (), ""),
        ([Cell(RIGHT, "02-kl"), Cell(STUB, "02-kl")], RIGHT, (), ""),  # the stub is no answer beside one
        ([Cell(STUB, "02-kl"), Cell(RIGHT)], RIGHT, (), "found by its name"),
        ([Cell(HELPED, "02-kl"), Cell(RIGHT, "02-kl")], RIGHT, (), "answered 2 times: the last one counts"),
        ([Cell("x = 1"), Cell(RIGHT, "renamed")], RIGHT, (), "found by its name"),
        ([Cell("print('long')"), Cell("half = 0.5"), Cell(HELPED, "02-kl")], HELPED, ("half = 0.5",), ""),
        ([Cell(HELPED, "02-kl"), Cell("one = 1"), Cell("half = one / 2")], HELPED, ("one = 1", "half = one / 2"), ""),
        ([Cell("%matplotlib inline\n" + RIGHT, "02-kl")], "pass\n" + RIGHT, (), "left out: %matplotlib inline"),
        ([Cell("!ls\nmy_kl?\n" + RIGHT, "02-kl")], "pass\npass\n" + RIGHT, (), "left out: !ls and 1 more"),
        ([Cell("from chapter10.exercises.task import load\n" + RIGHT, "02-kl")], None, (), "look at it"),
        ([Cell("from chapter10.exercises import check, hint\n" + RIGHT + "\ncheck('02-kl', my_kl)", "02-kl")], None, (), ""),
    ],
)  # fmt: skip
def test_which_cell_is_the_answer(handed, code, before, remark):
    found = answers.find(KL, handed)
    assert found.code == (code or handed[0].source) and found.before == before
    assert len(found.remarks) == bool(remark) and remark in "".join(found.remarks)


@pytest.mark.parametrize("handed", [[], [Cell("x = 1")], [Cell(RIGHT, "00-kinds")], [Cell("check(my_kl)", "", True)]])
def test_no_answer_is_found_where_there_is_none(handed):
    assert answers.find(KL, handed) is None


def test_what_the_notebook_itself_defines_is_no_answer():
    assert answers.find(KL, [Cell(RIGHT)], frozenset({RIGHT})) is None


@pytest.mark.parametrize("source", ["def my_kl(:", "x = '\0'", "(" * 500, "x = " + "-" * 5000 + "1"])
def test_code_that_python_cannot_read_is_an_answer_all_the_same(source):
    assert answers.find(KL, [Cell(source, "02-kl"), Cell("y = 1")]).code == source


# ---- the table


ROW = table.Row("李华", "a/b.ipynb", "02", "02-kl", "the closed-form half", 2, 2, "right", "", "Fine, \"so\".\nYes.", 0.5, "=1+1")


def test_the_table_is_csv_that_excel_reads_and_no_formula(tmp_path):
    evil = table.Row("@li\0", "-x.ipynb", "02", "02-kl", "+", 0, 2, "near", "", "\ud800", 0.0, "")
    table.write(tmp_path / "t.csv", [ROW, evil])
    content = (tmp_path / "t.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert rows[0]["student"] == "李华" and rows[0]["sentence"] == 'Fine, "so". Yes.' and rows[0]["remarks"] == "'=1+1"
    assert (rows[1]["student"], rows[1]["file"], rows[1]["title"], rows[1]["sentence"]) == ("'@li", "'-x.ipynb", "'+", "?")


def test_the_summary_adds_up(tmp_path):
    other = replace(ROW, task="02-x", points=0, of=3)
    table.write_summary(tmp_path / "s.csv", [ROW, other, replace(ROW, student="li", points=0), replace(other, student="li")])
    rows = list(csv.reader((tmp_path / "s.csv").read_text("utf-8-sig").splitlines()))
    assert rows == [["student", "02-kl", "02-x", "points", "of"], ["李华", "2", "0", "2", "5"], ["li", "0", "0", "0", "5"]]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SaveError):
        table.write(tmp_path / "file" / "t.csv", [ROW])
    assert (tmp_path / "file").read_text() == "mine"


# ---- the bench


def test_the_bench_has_200_submissions_and_all_known_mistakes(tmp_path):
    made = bench_classroom.submissions(tmp_path)
    assert len({one.name for one in made}) == len(made) == 200
    wanted = {(task, mistake.name) for task in names() if task[:2] == bench_classroom.NOTEBOOK for mistake in load(task).mistakes}
    assert {(task, mistake) for one in made for task, (_, mistake) in one.expected.items() if mistake} == wanted
    assert {kind for one in made for kind, _ in one.expected.values()} >= {"right", "late", "crash", "missing", "unanswered"}


def test_the_bench_counts_each_row_that_is_not_as_expected(monkeypatch, capsys):
    def graded(folder, out, **options):
        rows = [
            table.Row(one.name, "", "02", task, "", 0, 0, kind, mistake, "", 0.0, "")
            for one in bench_classroom.submissions(folder) for task, (kind, mistake) in one.expected.items()
        ]  # fmt: skip
        rows[3] = replace(rows[3], verdict="near", mistake="")
        return grading.Graded(rows[:-1], 200, 200, 1000.0, True)

    monkeypatch.setattr(bench_classroom.grading, "grade", graded)
    found = bench_classroom.classroom()
    assert found["rows_not_as_expected"] == 2  # one is another, one is not there
    assert found["targets"] == {"seconds_200_submissions": False, "rows_not_as_expected": False}
    assert "not as expected" in capsys.readouterr().out


# ---- the command line


@pytest.mark.parametrize(
    "command, message",
    [
        ("classroom grade nowhere --out new.csv", "InputError: There is no folder nowhere"),
        ("classroom grade empty --out new.csv", "InputError: empty holds no files"),
        ("classroom grade empty --out file/new.csv", "SaveError: file"),
        ("classroom grade empty --out new.csv --summary file/new.csv", "SaveError: file"),
        ("classroom grade empty --out new.csv --notebooks 99", "InputError: No notebook 99 has tasks. There are: 00"),
        ("classroom grade empty --out new.csv --seconds 0", "InputError: The limits and the number of jobs must be above 0"),
        ("classroom grade empty --out new.csv --seconds nan", "InputError: The limits and the number of jobs must be above 0"),
        ("classroom grade empty --out new.csv --jobs 0", "InputError: The limits and the number of jobs must be above 0"),
        ("classroom make 99 --out new", "InputError: No notebook is called '99'"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, monkeypatch, capsys, command, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith(message) and said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
