"""Every task: its solution passes, written in other ways too; its stub fails kindly; each known mistake goes by its own name."""

import re
from pathlib import Path

import pytest
import torch

from chapter10 import authoring
from chapter10.errors import InputError
from chapter10.exercises import cells, tasks
from chapter10.exercises.judging import judge
from chapter10.exercises.task import Task, load, names

TASKS = [load(name) for name in names()]
EACH = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
MISTAKES = [(task, mistake) for task in TASKS for mistake in task.mistakes]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a class's grading; two threads beside another process wait for each other
    yield
    torch.set_num_threads(threads)


def verdict_on(task: Task, code: str):
    return judge(task, *task.run(code))


@EACH
def test_the_solution_passes(task):
    verdict = verdict_on(task, task.solution)
    assert verdict.passed and verdict.points == task.points, verdict


@EACH
def test_the_stub_fails_kindly(task):
    verdict = verdict_on(task, task.stub)
    assert verdict.kind == "unanswered" and verdict.text == task.unanswered, verdict


@pytest.mark.parametrize(
    "task, code", [(task, code) for task in TASKS for code in task.ways], ids=lambda part: getattr(part, "name", "")
)
def test_another_right_way_of_writing_it_passes(task, code):
    assert code != task.solution
    verdict = verdict_on(task, code)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    "task, other", [(task, other) for task in TASKS for other in task.also], ids=lambda part: getattr(part, "name", "")
)
def test_what_is_also_right_passes_with_its_remark(task, other):
    verdict = verdict_on(task, other.code)
    assert verdict.passed and verdict.text == other.says, verdict


@pytest.mark.parametrize("task, mistake", MISTAKES, ids=lambda part: getattr(part, "name", ""))
def test_a_known_mistake_is_called_by_its_name(task, mistake):
    verdict = verdict_on(task, mistake.code)
    assert (verdict.kind, verdict.mistake) == ("mistake", mistake.name), verdict
    assert not re.search(r"\{|\bnan\b|\binf\b", verdict.text), verdict.text


@EACH
def test_a_verdict_repeats_and_leaves_the_random_numbers_alone(task):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = verdict_on(task, task.stub), verdict_on(task, task.stub)
    assert first == second and torch.equal(torch.get_rng_state(), state)


@EACH
def test_a_task_is_complete(task):
    assert len(task.hints) == 3 and all(len(hint) > 15 for hint in task.hints) and len(set(task.hints)) == 3
    assert re.fullmatch(r"10\.\d(\.\d)?", task.section) and 1 <= task.minutes <= 60 and task.statement and task.why
    assert all(mistake.says and mistake.code for mistake in (*task.mistakes, *task.also))
    assert len({mistake.name for mistake in task.mistakes}) == len(task.mistakes)
    assert task.mistakes, "a task knows at least one mistake"
    assert task.options or task.ways, "another right way of writing it is tried too"


@EACH
def test_no_verdict_and_no_hint_gives_the_solution_away(task):
    lines = [line.split("=", 1)[-1].removeprefix("return").strip() for line in task.solution.splitlines()]
    telling = {line for line in lines if len(line) > 20 and not line.startswith(("def ", "class ", "#", "import ", "from "))}
    said = " ".join([*task.hints, task.statement, *(mistake.says for mistake in task.mistakes)])
    assert [line for line in telling if line in said] == []


def test_there_are_enough_of_them():
    assert len(TASKS) >= 30 and len(MISTAKES) >= 25
    assert len({(task.name, answer) for task in TASKS for answer in task.answers}) == sum(len(t.answers) for t in TASKS)


def test_every_task_stands_in_its_notebook_in_the_order_that_is_told():
    shown = []
    for name in authoring.texts.names():
        notebook = authoring.texts.parse(authoring.texts.text_path(name).read_text("utf-8"))
        parts = [cell.metadata["exercise"] for cell in notebook.cells if cell.metadata.get("part") == "statement"]
        assert all(part.startswith(name[:2]) for part in parts)
        shown += parts
    assert shown == names()


def test_every_file_is_in_the_order():
    files = {path.stem for path in Path(tasks.__file__).parent.glob("n*.py")}
    assert files == {f"n{name.replace('-', '_')}" for name in names()}


def test_a_task_that_does_not_exist_is_named():
    with pytest.raises(InputError, match="no task '02-xl'"):
        load("02-xl")


def test_cells_follow_from_the_task_and_are_numbered():
    import nbformat

    make = nbformat.v4.new_markdown_cell
    before = [make("# Title"), make("old", metadata={"exercise": "02-kl", "part": "statement"}), make("end")]
    filled = cells.fill(before)
    assert [cell.metadata.get("part") for cell in filled] == [None, "statement", "answer", "check", None]
    assert filled[1].source.startswith("### Exercise 1: ") and filled[3].source == 'check("02-kl", my_kl)'
    again = cells.fill(filled)
    assert [cell.source for cell in again] == [cell.source for cell in filled]
