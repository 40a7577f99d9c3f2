"""The exercises' engine: what a bad answer can do, which property is named, what is kept of the progress."""

import json
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from chapter10 import exercises
from chapter10.errors import DataError, InputError, SaveError
from chapter10.exercises import check, hand_in, hint, progress, sandbox, solution
from chapter10.exercises.judging import judge, nearest
from chapter10.exercises.look import Enough, Look
from chapter10.exercises.record import Record
from chapter10.exercises.task import Mistake, Task, choice, load

HINTS = ("A first question to ask?", "The idea that helps here.", "Nearly the line itself.")


def doubled(look, source, f):
    x = torch.randn(3, 5, generator=source).requires_grad_()
    y = look.tensor("twice some numbers", look.call(f, x), shape=(3, 5))
    look.gradient("its gradient", y, x)


def task(observe=doubled, solution="def f(x):\n    return 2 * x\n", stub="def f(x):\n    return None\n", **more) -> Task:
    settings = dict(title="a title", section="10.1", minutes=1, statement="Double it.", answers=("f",), hints=HINTS, why="So it is.")
    return Task(name="99-double", observe=observe, solution=solution, stub=stub, **{**settings, **more})


DOUBLE = task()


@pytest.fixture(autouse=True)
def own_progress(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAPTER10_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setattr(exercises, "_records", {})
    return tmp_path / "progress.jsonl"


# What an answer can do to the kernel


def forever(x):
    while True:
        pass


def forever_and_deaf(x):
    while True:
        try:
            while True:
                x = x + 1
        except:  # noqa: E722
            continue


def deaf_to_exceptions(x):
    while True:
        try:
            time.sleep(60)
        except Exception:
            continue


def asleep(x):
    time.sleep(60)


@pytest.mark.parametrize("answer", [forever, forever_and_deaf, deaf_to_exceptions, asleep])
def test_a_loop_without_end_is_stopped_in_time(answer):
    start, tracer = time.perf_counter(), sys.gettrace()
    verdict = judge(DOUBLE, answer, seconds=0.3)
    assert verdict.kind == "late" and "0 s" in verdict.text and time.perf_counter() - start < 3
    assert sys.gettrace() is tracer
    time.sleep(0.15)  # no alarm comes afterwards
    assert judge(DOUBLE, lambda x: 2 * x).passed


@pytest.mark.parametrize("answer", [forever, forever_and_deaf])
def test_a_loop_is_stopped_in_another_thread_too(answer):
    found = []
    thread = threading.Thread(target=lambda: found.append(judge(DOUBLE, answer, seconds=0.3)))
    thread.start()
    thread.join(20)
    assert [verdict.kind for verdict in found] == ["late"]


def test_an_alarm_of_somebody_else_comes_back():
    import signal

    if not hasattr(signal, "setitimer"):
        pytest.skip("no alarm signal on this system")
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert judge(DOUBLE, lambda x: 2 * x).passed and not rung
        time.sleep(0.4)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_goes_through():
    def stopped(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(DOUBLE, stopped)


def test_prints_are_caught_and_shown(capsys):
    def talks(x):
        print("x is", x.shape)
        for i in range(20):
            print(i)
        print("to the error stream", file=sys.stderr)
        return 2 * x

    verdict = judge(DOUBLE, talks)
    assert verdict.passed and capsys.readouterr().out == ""
    assert verdict.notes[0].startswith("Your code printed: x is torch.Size([3, 5]) | 0 | 1 | 2 | 3 | and ")


def test_endless_printing_takes_no_memory():
    def floods(x):
        while True:
            print("x" * 100_000)

    outcome = sandbox.run(lambda: floods(0), 0.3)
    assert outcome.late and len(outcome.printed) == sandbox.KEPT


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda x: 1 / 0, "ZeroDivisionError"),
        (lambda x: exit(), "ends the program"),
        (lambda x: sys.exit(3), "ends the program"),
        (lambda: 3, "Keep the arguments"),
        (lambda x: nowhere, "another cell"),  # noqa: F821
        (lambda x: x @ x, "shapes cannot be multiplied"),
        (lambda x: x.mul_(2), "work on a copy"),
        (lambda x: x.numpy(), "the same functions are in torch"),
        (lambda x: torch.multinomial(x - 9, 1), "they may be negative"),
        (lambda x: torch.nn.functional.binary_cross_entropy(x - 9, x), "ends in with_logits"),
        (lambda x: torch.ones_like(x, dtype=int).div_(2), "holds no fractions"),
        (3.0, "not callable). Hand in the function"),
    ],
)
def test_an_exception_is_named_with_advice(answer, said):
    verdict = judge(DOUBLE, answer)
    assert verdict.kind == "stopped" and said in verdict.text and "Traceback" not in verdict.text


def test_advice_about_the_arguments_is_not_given_of_the_readers_own_calls():
    [answer] = DOUBLE.run("def f(x):\n    return torch.relu()\n")
    said = judge(DOUBLE, answer).text
    assert "at `return torch.relu()`" in said and "Keep the arguments" not in said


def test_calling_itself_without_end():
    def again(x):
        return again(x)

    assert "calls itself without end" in judge(DOUBLE, again).text


def test_the_line_where_it_stops_is_shown():
    [answer] = DOUBLE.run("def f(x):\n    y = 2 * x\n    return y[7, 7]\n")
    assert "at `return y[7, 7]`" in judge(DOUBLE, answer).text


def test_the_random_numbers_and_the_default_type_stay_as_they_were():
    def meddles(x):
        torch.manual_seed(99)
        torch.set_default_dtype(torch.float64)
        return 2 * x

    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert judge(DOUBLE, meddles).passed
    assert torch.equal(torch.get_rng_state(), state) and torch.get_default_dtype() is torch.float32


def test_code_that_draws_where_it_is_defined_repeats_and_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = (DOUBLE.run("f = torch.randn(3)")[0] for _ in range(2))
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), state)


def test_gradients_are_on_though_the_kernel_has_them_off():
    with torch.no_grad():
        assert judge(DOUBLE, lambda x: 2 * x).passed


def test_an_argument_written_over_is_told():
    def over(x):
        with torch.no_grad():
            y = x.mul_(2).clone()
        return y

    verdict = judge(task(observe=lambda look, source, f: look.tensor("it", look.call(f, torch.randn(4, generator=source)))), over)
    assert verdict.kind == "changed" and "`x`" in verdict.text and not verdict.passed


def test_what_an_answer_writes_over_spoils_nothing_that_comes_after():
    def twice_looked_at(look, source, f):
        x = torch.randn(4, generator=source)
        look.tensor("it", look.call(f, x))
        look.tensor("it again", f(x.clone()))

    verdict = judge(task(observe=twice_looked_at), lambda x: x.mul_(2).clone())
    assert verdict.kind == "changed" and "`x`" in verdict.text


def test_a_forgotten_return_is_a_try_and_a_stub_is_none():
    def forgetful(x):
        y = 2 * x  # noqa: F841

    verdict = judge(DOUBLE, forgetful)
    assert verdict.kind == "near" and "gives None. Is there a return?" in verdict.text
    for code in ("def f(x):\n    return None\n", "def f(numbers):\n    pass\n"):
        assert judge(DOUBLE, *DOUBLE.run(code)).kind == "unanswered"


def test_the_second_of_two_answers_is_a_try_too():
    def both(look, source, f, g):
        look.tensor("the first", f(1.0))
        look.tensor("the second", g(1.0))

    two = task(both, "def f(x):\n    return x\ndef g(x):\n    return -x\n",
               "def f(x):\n    return None\ndef g(x):\n    return None\n", answers=("f", "g"))  # fmt: skip
    first, second = two.run(two.stub)
    assert judge(two, first, second).kind == "unanswered"
    assert judge(two, first, lambda x: -x).text == "The first: your code gives None. Is there a return?"


def test_a_size_written_as_a_number_and_a_forgotten_super_are_advised_on():
    def fixed(x):
        return x @ torch.ones(7, 5)

    class Network(torch.nn.Module):
        def __init__(self):
            self.layer = torch.nn.Linear(5, 5)

    assert "handed in as an argument" in judge(DOUBLE, fixed).text
    built = task(lambda look, source, f: look.tensor("it", f(3, 4)(torch.ones(3))), "f = torch.nn.Linear", "f = None")
    assert judge(built, torch.nn.Linear).passed and "hand in the class itself" in judge(built, torch.nn.Linear(3, 4)).text
    assert "super().__init__()" in judge(DOUBLE, lambda x: Network()(x)).text
    assert "wants the transpose" in judge(DOUBLE, lambda x: torch.linalg.cholesky(x.T.cov())).text


# Which property failed

SQUARE = torch.tensor([[1.0, 2.0], [3.0, 5.0]])


def wording(found, expected=SQUARE, **settings):
    one, other = Look(), Look()
    for look, value in ((one, found), (other, expected)):
        try:
            look.tensor("the table", value, **settings)
        except Enough:
            continue
    return nearest("the table", one.seen["the table"], other.seen["the table"])


@pytest.mark.parametrize(
    "found, said",
    [
        (-SQUARE, "the sign is not"),
        (SQUARE.T, "rows and columns are exchanged"),
        (3 * SQUARE, "comes out 3 times"),
        (SQUARE / 4, "comes out 1/4 of"),
        (SQUARE + 0.5, "0.5 too high everywhere"),
        (SQUARE - 2, "2 too low everywhere"),
        (SQUARE.flip(0), "right numbers in the wrong order"),
        (SQUARE * 0, "is 0 everywhere"),
        (torch.tensor([[1.0, 2.0], [3.0, 9.0]]), "at [1, 1] (1 of 4 are off): expected 5, found 9"),
        (torch.tensor([[1.0, torch.nan], [3.0, 5.0]]), "nan in 1 of 4 places"),
        (torch.tensor([[1.0, torch.inf], [3.0, 5.0]]), "inf in 1 of 4 places"),
        (SQUARE[0], "expected the shape [2, 2], found [2]"),
        (SQUARE[None], "in another shape"),
        (SQUARE.expand(3, 2, 2), "An axis is left over"),
        (SQUARE[:1], "It is axis 0 that has another length"),
        (SQUARE.sum(), "over everything"),
        ("text", "expected a tensor, found a str"),
        (None, "gives None"),
        ([1.0, "a"], "found a list"),
        (torch.tensor(1j), "complex numbers"),
    ],
)
def test_the_property_that_failed_is_named(found, said):
    assert said in wording(found)


def test_of_one_number_a_factor_is_only_guessed():
    def said(value):
        looks = Look(), Look()
        for look, number in zip(looks, (value, 2.0)):
            look.tensor("the price", number)
        return nearest("the price", *(look.seen["the price"] for look in looks))

    assert said(2.75) == "The price: expected 2, found 2.75."
    assert said(2.001) == "The price: expected 2, found 2.001."
    assert said(6.0) == "The price: expected 2, found 6: 3 times that. Is a factor missing, or too much?"
    assert said(0.5) == "The price: expected 2, found 0.5: 1/4 of that. Is a factor missing, or too much?"
    assert said(-2.0) == "The price: the size is right, the sign is not."
    assert said(0.0) == "The price is 0; expected 2."
    assert said(torch.nan) == "The price: nan in place of a number."
    assert said(1 / 28766.2) == "The price: expected 2, found 3.5e−05."  # near some whole number any large factor is


def test_a_shape_turned_round():
    assert "The axes are exchanged" in wording(torch.zeros(3, 2), torch.zeros(2, 3))
    assert "One number is wanted" in wording(torch.zeros(3), torch.zeros(()))
    assert "in another shape" in wording(torch.zeros(1, 1), torch.zeros(()))
    assert "in another shape" in wording(torch.zeros(3), torch.zeros(3, 1))


def test_what_must_be_nothing():
    assert "must be 0; found −0.25" in wording(torch.tensor([0.0, -0.25]), torch.zeros(2))


def test_a_gradient_given_up_or_wrong():
    assert "there is none" in judge(DOUBLE, lambda x: 2 * x.detach()).text
    assert "its gradient comes out 1/2 of" in judge(DOUBLE, lambda x: x + x.detach()).text.replace("Its", "its")


def test_an_asked_number_is_never_given_away():
    asked = task(lambda look, source, f: look.number("the number", f, within=0.01), "f = 0.7343", "f = None")
    for answer, said in ((0.73, "right"), (0.9, "too high"), (0.1, "too low"), (-0.7343, "the sign is not")):
        verdict = judge(asked, answer)
        assert said in f"{verdict.kind} {verdict.text}" and "0.734" not in verdict.text
    assert "found a str" in judge(asked, "many").text and "shape [2]" in judge(asked, torch.zeros(2)).text
    assert judge(asked, torch.tensor([0.7343])).passed


def test_a_bound_says_what_was_asked_and_found():
    bounded = task(lambda look, source, f: look.at_least("the score", f, 80), "f = 90", "f = None")
    assert judge(bounded, 80.0).passed and judge(bounded, 1000).passed
    assert judge(bounded, 12.5).text == "The score: asked for at least 80, found 12.5."
    deep = task(lambda look, source, f: look.at_most("the bound", f, -140.6), "f = -150", "f = None")
    assert judge(deep, -33.35).text == "The bound: asked for at most −140.6, found −33.35."
    assert not judge(bounded, float("nan")).passed and not judge(bounded, float("inf")).passed
    low = task(lambda look, source, f: look.at_most("the loss", f, 1), "f = 0.5", "f = None")
    assert judge(low, 1.0).passed and "at most 1, found 1.5" in judge(low, 1.5).text


def test_what_ends_a_look_early_is_told():
    def observe(look, source, f):
        if not hasattr(f, "encode"):
            look.missing("your model", f"a {type(f).__name__} without encode")
        look.number("β", 1.0, within=0.1)

    verdict = judge(task(observe, "class f: encode = 1"), 3.0)
    assert verdict.text == "Your model: found a float without encode."
    low = task(lambda look, source, f: look.number("β", f, within=0.1), "f = 1", "f = None")
    assert judge(low, 3).text == "β: 3 is too high."


def test_a_forgotten_return_is_told_whatever_would_have_been_seen_after_it():
    def observe(look, source, f):
        found = f(source)
        if found is None:
            look.missing("the price", "None")
        look.fact("it is drawn", True)
        look.tensor("the price", found)

    forgetful = task(observe, "f = lambda source: 3.0", "f = lambda source: 1 / 0")
    assert judge(forgetful, lambda source: None).text == "The price: your code gives None. Is there a return?"


def test_an_answer_that_is_still_none_is_named():
    def observe(look, source, first, second):
        look.number("the first", first, within=0.1)
        look.number("the second", second, within=0.1)

    both = task(observe, "f, g = 1, 2", "f, g = None, None", answers=("f", "g"))
    assert judge(both, 1, None).text == "`g` is still None."
    assert judge(both, 5, None).text == "The first: 5 is too high."


def test_a_fact_is_told():
    counting = "import itertools\nf = itertools.count().__next__"
    fact = task(lambda look, source, f: look.fact("two calls differ", f() != f()), counting, "f = None")
    assert judge(fact, lambda: 3).text == "This should hold for your answer, and doesn't: two calls differ."
    same = task(lambda look, source, f: look.fact("two calls differ", f() != f()), "f = lambda: 3", "f = None")
    assert judge(same, iter(range(9)).__next__).text == "This holds for your answer, and shouldn't: two calls differ."


def test_a_mistake_speaks_with_the_numbers_that_were_seen():
    says = "found {found} for {expected}: {ratio:.0f} times, or 1/{inverse:.2f}, in {name}"
    known = task(mistakes=(Mistake("four times", "def f(x):\n    return 8 * x\n", says),))
    verdict = judge(known, lambda x: x * 2**3)
    assert verdict.mistake == "four times" and verdict.text.endswith("4 times, or 1/0.25, in twice some numbers")


def test_what_stops_in_the_same_way_is_the_same_mistake():
    known = task(mistakes=(Mistake("too far", "def f(x):\n    return x[:, 9]\n", "It looks beyond the end."),))
    assert judge(known, lambda x: (x + 0)[:, 9]).mistake == "too far"
    assert judge(known, lambda x: x[9]).mistake == ""


def test_a_wrong_number_of_answers_is_refused():
    with pytest.raises(InputError, match=r'takes 1 answer: check\("02-kl", my_kl\). Found 2'):
        judge("02-kl", 1, 2)
    with pytest.raises(InputError, match="doesn't define f"):
        DOUBLE.run("g = 1")


def test_an_observation_has_a_name_of_its_own():
    look = Look()
    look.fact("it is so", True)
    with pytest.raises(ValueError, match="noted before"):
        look.fact("it is so", True)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_any_type_of_number_passes(kind):
    assert judge(DOUBLE, lambda x: (2 * x).to(kind)).passed


def test_a_fraction_is_a_number():
    asked = task(lambda look, source, f: look.number("the share", f, within=0.01), "f = 1 / 3", "f = None")
    assert judge(asked, Fraction(1, 3)).passed and not judge(asked, Fraction(1, 2)).passed


# Reading questions

READING = choice(
    "99-reading", "a question", "10.1", 1, "Which?", {"a": "this", "b": "that"}, "b", {"a": "No: that.", "b": "Yes: that."}, HINTS
)


@pytest.mark.parametrize("answer", ["b", "B", " (b) "])
def test_the_right_choice(answer):
    verdict = judge(READING, answer)
    assert verdict.passed and verdict.text == "Yes: that."


def test_a_wrong_choice_has_its_reason():
    verdict = judge(READING, "a")
    assert (verdict.mistake, verdict.text) == ("option a", "No: that.")
    assert "none of a, b" in judge(READING, "e").text and "none of a, b" in judge(READING, 3).text
    assert judge(READING, None).kind == "unanswered"
    assert READING.stub == "my_reading = None  # 'a', 'b'" and "- **a**: this" in READING.statement


def test_a_choice_without_its_reason_is_refused():
    with pytest.raises(InputError, match="every option needs its reason"):
        choice("99-x", "", "10.1", 1, "", {"a": "this"}, "a", {}, HINTS)


# check, hint, solution, progress, hand in


def right(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def helper(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var)


def by_a_helper(mu, log_var):
    return helper(mu, log_var).sum(1)


def test_hints_come_one_after_the_other_and_last():
    said = [repr(hint("02-kl")) for _ in range(4)]
    assert [text[:11] for text in said] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]
    assert "log" in repr(hint()) and "Hint 3" in hint()._repr_html_()


def test_without_a_name_it_is_the_task_checked_last():
    for function in (hint, solution):
        with pytest.raises(InputError, match="Of which task"):
            function()
    check("02-kl", right)
    assert repr(hint()).startswith("Hint 1") and "def my_kl" in repr(solution()) and "<pre" in solution()._repr_html_()


def test_progress_survives_the_kernel(own_progress):
    assert check("02-kl", lambda mu, log_var: mu).kind == "near"
    assert check("02-kl", right).passed
    code = "from chapter10.exercises import progress; print(progress('02'))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "1 of " in said and any(line.startswith("02-kl") and "solved" in line and "2 / 0" in line for line in said.splitlines())
    assert "<caption" in progress("02")._repr_html_()


def test_a_stub_is_no_try(own_progress):
    [stub] = load("02-kl").run(load("02-kl").stub)
    assert check("02-kl", stub).kind == "unanswered" and not own_progress.exists()


def test_solved_after_the_solution_is_told():
    solution("02-kl")
    check("02-kl", right)
    assert "solved, after the solution" in repr(progress("02"))
    with pytest.raises(InputError, match="No notebook '77'"):
        progress("77")


def test_a_cut_off_line_costs_only_itself(own_progress):
    check("02-kl", right)
    with open(own_progress, "ab") as file:
        file.write(b'{"task": "02-kl", "event": "che')
    hint("02-kl")
    standing = Record(own_progress).standings()["02-kl"]
    assert standing.solved and standing.tries == 1 and standing.hints == 1


def test_two_kernels_write_one_record(own_progress):
    code = "from chapter10.exercises import hint\nfor _ in range(20): hint('02-kl')"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(Record(own_progress).events()) == 40


def test_a_record_that_cannot_be_written_is_said_and_lasts_in_memory(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAPTER10_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    verdict = check("02-kl", right)
    assert verdict.passed and "can't be saved" in verdict.notes[-1] and "CHAPTER10_PROGRESS" in verdict.notes[-1]
    assert "solved" in repr(progress("02"))


def test_on_a_full_disk_progress_lasts_as_long_as_the_kernel(monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full on this system")
    monkeypatch.setenv("CHAPTER10_PROGRESS", "/dev/full")
    assert "No space left" in check("02-kl", right).notes[-1]
    assert any(line.startswith("02-kl") and "solved" in line for line in repr(progress("02")).splitlines())
    with pytest.raises(SaveError, match="could not be written"):
        hand_in("Li", "/dev/full/answers.json")


def test_a_record_that_cannot_be_read_is_named(own_progress):
    own_progress.mkdir()
    with pytest.raises(DataError, match="can't be read"):
        progress("02")


def test_handing_in_makes_one_small_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="nothing to hand in yet"):
        hand_in("Li Hua")
    check("02-kl", by_a_helper)
    check("02-kl", lambda mu, log_var: mu)  # a later wrong try doesn't replace what was right
    place = hand_in("李 / 华")
    assert place == Path("answers-李-华.json") and place.stat().st_size < 2000
    handed = json.loads(place.read_text("utf-8"))
    assert handed["student"] == "李 / 华" and set(handed["answers"]) == {"02-kl"}
    [again] = load("02-kl").run(handed["answers"]["02-kl"]["source"])
    assert judge("02-kl", again).passed
    with pytest.raises(InputError, match="needs your name"):
        hand_in("  ")
    with pytest.raises(SaveError):
        hand_in("Li", tmp_path / "answers-李-华.json" / "x.json")


def test_in_a_notebook_everything_shows_and_the_kernel_lives(tmp_path, monkeypatch):
    import nbclient
    import nbformat

    cell = nbformat.v4.new_code_cell
    sources = [
        "from chapter10.exercises import check, hint, solution, progress, hand_in",
        "def my_kl(mu, log_var):\n    while True:\n        try:\n            while True: pass\n        except: pass",
        "from chapter10.exercises import judging; judging.judge('02-kl', my_kl, seconds=1)",
        "def my_kl(mu, log_var):\n    return (mu.square() + log_var.exp() - 1 - log_var).mean(1) / 2",
        "check('02-kl', my_kl)",
        "def my_kl(mu, log_var):\n    return mu[9]",
        "check('02-kl', my_kl)",
        "hint()",
        "progress('02')",
        "hand_in('Li')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = ["".join(str(o.get("data", o)) for o in c.outputs) for c in notebook.cells]
    assert "Stopped after 1 s" in shown[2] and "while True" in shown[2]
    assert "mean over the latent dimensions" in shown[4] and "Section 10.2.3" in shown[4]
    assert "IndexError" in shown[6] and "return mu[9]" in shown[6]
    assert "Hint 1 of 3" in shown[7] and "0 of" in shown[8] and (tmp_path / "answers-Li.json").is_file()
