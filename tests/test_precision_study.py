"""What other ways of computing bring: the ways take turns on the same recipe, and the figures follow from their rates."""

import os

import pytest
import torch

from chapter10 import precision_study, recipes
from chapter10.precision_study import CACHE, _nothing_compiled_before, _row


class Way:
    def __init__(self, rate, first_seconds=0.0):
        self.rate, self.first_seconds = rate, first_seconds


def test_gains_are_ratios_and_compiling_is_earned_back_in_whole_steps():
    row = _row({"plain": Way(100.0, 0.5), "bfloat16": Way(150.0), "compiled": Way(200.0, 10.5)})
    assert row["bfloat16"] == 1.5 and row["compiled"] == 2 and row["compile_seconds"] == 10
    assert row["earned_after"] == 2000  # 10 s, at 10 ms less 5 ms a step
    slow = _row({"plain": Way(100.0), "compiled": Way(90.0, 3.0)})
    assert slow["bfloat16"] is None and slow["earned_after"] is None
    assert _row({"plain": Way(1e4), "compiled": Way(1.0001e4, 60.0)})["earned_after"] is None  # too many steps to be told


def test_the_cache_of_compiled_code_is_an_empty_one_and_then_as_before(monkeypatch):
    monkeypatch.setenv(CACHE, "somewhere")
    with pytest.raises(ZeroDivisionError), _nothing_compiled_before():
        folder = os.environ[CACHE]
        assert os.listdir(folder) == []
        raise ZeroDivisionError
    assert os.environ[CACHE] == "somewhere" and not os.path.exists(folder)


def test_each_recipe_is_trained_in_every_way(monkeypatch):
    steps = []
    monkeypatch.setattr(recipes, "kinds", lambda subject: ["vae2-digits", "gan-digits"])
    monkeypatch.setattr(precision_study, "compile_networks", lambda method, device: steps.append(type(method).__name__))
    monkeypatch.setattr(precision_study, "TURNS", 2)
    before = torch.get_rng_state()
    rows = precision_study.precision("digits", seed=3, window=0.01)
    assert [row["recipe"] for row in rows] == ["vae2-digits", "gan-digits"] and steps == ["VAETraining", "GANTraining"]
    assert all(row["seed"] == 3 and row["steps_a_second"] > 0 and 0.05 < row["compiled"] < 20 for row in rows)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_recipes_are_as_the_measurement_says():
    rows = recipes.measured_ways("vae20-mnist")
    assert rows and all(row["recipe"] == "vae20-mnist" for row in rows)
    for name in recipes.kinds("mnist"):
        recipe, ways = recipes.get(name), recipes.measured_ways(name)
        least = {way: min(row[way] or 0 for row in ways) for way in ("bfloat16", "compiled")}
        assert (recipe.precision == "bfloat16") == (least["bfloat16"] >= precision_study.PAYS), name
        assert recipe.compile == (least["compiled"] >= precision_study.PAYS), name
    assert recipes.measured_ways("beta16-shapes") == []
