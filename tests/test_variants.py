"""Small changes to solutions, and the score of those that a check catches."""

import ast

import pytest
import torch

from chapter10 import bench_exercises
from chapter10.bench_exercises import alike, arguments_of, effect, score, vary
from chapter10.exercises.task import Task, load
from chapter10.exercises.variants import variants


def changed(source: str) -> set[str]:
    return {code.strip() for _, code in variants(source)}


@pytest.mark.parametrize(
    "source, expected",
    [
        ("a - b", {"a + b", "b - a", "a", "b"}),
        ("-a", {"a"}),
        ("x.sum(1)", {"x.mean(1)", "x", "x.sum(2)", "x.sum(0)"}),
        ("x.T", {"x"}),
        ("a < b", {"a >= b"}),
        ("x.detach() * y", {"x * y", "x.detach() / y", "x.detach()", "y"}),
        ("F.mse_loss(a, b, reduction='sum')", {"F.mse_loss(a, b, reduction='mean')", "F.mse_loss(a, b)"}),
        ("critic(x, create_graph=True)", {"critic(x, create_graph=False)", "critic(x)", "critic(x.detach(), create_graph=True)"}),
        ("a if b else c", {"a", "c"}),
    ],
)
def test_every_slip_is_among_them(source, expected):
    assert expected <= changed(source)


def test_lines_are_left_out_and_signs_turned_in_functions():
    source = "def f(a, b):\n    g.zero_grad()\n    a += b\n    with torch.no_grad():\n        g.step(a)\n    return a\n"
    found = changed(source)
    for line in ("pass", "a -= b", "return -a", "return 2 * a", "if True", "a += a", "g.step(b)"):
        assert any(line in code for code in found), line


def test_each_variant_is_other_code_that_parses_and_stands_once():
    for name in ("02-kl",):
        source = load(name).solution
        found = variants(source)
        assert len(found) > 20 and len({code for _, code in found}) == len(found)
        for what, code in found:
            assert ast.unparse(ast.parse(code)) != ast.unparse(ast.parse(source)), what


def test_an_effect_has_values_gradients_and_what_was_written_over():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert alike(effect(lambda a: 2 * a, (x,)), effect(lambda a: a + a, (x,)))
    assert not alike(effect(lambda a: 2 * a, (x,)), effect(lambda a: a + a.detach(), (x,)))
    assert not alike(effect(lambda a: 2 * a, (x,)), effect(lambda a: 2 * a.detach(), (x,)))
    plain = torch.tensor([1.0, 2.0])
    assert not alike(effect(lambda a: a * 1, (plain,)), effect(lambda a: a.mul_(1).add_(1) - 1, (plain,)))
    assert effect(lambda a: 1 / 0, (x,)) == ["ZeroDivisionError"]
    assert not alike([1.0], [1.0, 2.0]) and not alike([1.0], ["a"]) and alike([float("nan")], [float("nan")])


def test_the_arguments_of_a_check_are_those_it_calls_with():
    calls = arguments_of(load("02-kl"))
    assert [index for index, _ in calls] == [0, 0] and [len(arguments) for _, arguments in calls] == [2, 2]
    assert calls[0][1][0].shape == (6, 4) and calls[0][1][0].requires_grad


def test_the_score_of_a_good_check_is_full_and_of_a_blind_one_is_not():
    good = vary(load("02-kl"))
    assert score(good) == 100 and len(good) > 20

    def blind(look, source, f):  # sees the sign alone
        look.tensor("the sign", look.call(f, torch.rand(3, generator=source)).sign())

    hints = ("A first question to ask?", "The idea that helps here.", "Nearly the line itself.")
    weak = Task("99-weak", "t", "10.1", 1, "s", ("f",), "f = None", hints, "def f(x):\n    return 3 * x + x**2\n", blind)
    found = vary(weak)
    assert 0 < score(found) < 60 and any(v.changed and not v.caught for v in found)


def test_the_bench_gives_its_score(monkeypatch, capsys):
    monkeypatch.setattr(bench_exercises, "names", lambda: ["02-kl"])
    found = bench_exercises.exercises()
    assert found["mutation_score_percent"] == 100 and found["targets"] == {"mutation_score_percent": True, "check_seconds_median": True}
    said = capsys.readouterr().out
    assert "02-kl" in said and "NOT MET" not in said
