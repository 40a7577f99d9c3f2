"""chapter10.bench_gan: medians and worsts over seeds, and the mark of a single digit."""

import re

import browser
import pytest
import torch

from chapter10 import bench_gan, bench_gan_lab, data, metrics, recipes
from chapter10.nets import ConvGenerator
from chapter10.training import History


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_quality_is_the_median_and_the_worst_of_its_seeds(digits, monkeypatch, capsys):
    asked, shares = [], {0: 0.03, 1: 0.01, 2: 0.09}

    def make(recipe, images, seed, progress):
        asked.append((recipe.name, images.name, seed))
        return ConvGenerator(), History([{"epoch": 1, "step": 7, "seconds": 0.5}])

    def scores(generator, images):
        seed = asked[-1][2]
        found = {"distance": 100 * shares[seed], "floor": 1.0, "noise": 100.0, "share": shares[seed]}
        return found | {"classes": 10 - seed, "largest": 0.2 - 0.01 * seed}

    monkeypatch.setattr(recipes, "make", make)
    monkeypatch.setattr(recipes, "sample_scores", scores)
    found = bench_gan.quality(digits, seeds=3)
    assert asked == [("dcgan60-digits", "digits", seed) for seed in range(3)]
    assert (found["percent_of_noise_median"], found["percent_of_noise_worst"]) == (3, 9)
    assert (found["percent_real"], found["classes_fewest"], found["largest_class_percent"]) == (1, 8, 20)
    assert found["percent_one_digit"] == bench_gan.one_digit(digits)
    assert found["seconds_longest"] == max(row["seconds"] for row in found["rows"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and "distance 9.0 = 9.00 % of noise's 100" in lines[2] and "7 steps" in lines[2]
    speed = {"epoch_against_loader", "epoch_against_arithmetic", "lab_step_ms", "lab_rounds_a_second"}
    assert set(found) == set(bench_gan.TARGETS) - speed | set(bench_gan.MARKS) | {"rows"}


def test_the_bench_puts_speed_and_quality_side_by_side(digits, monkeypatch, capsys):
    def speed(images, root):
        return {"rounds": [], "epoch_against_loader": 3.0, "epoch_against_arithmetic": 1.8}

    quality = dict.fromkeys([*bench_gan.TARGETS, *bench_gan.MARKS], 5.0)
    monkeypatch.setattr(data, "load", lambda name, root: digits)
    monkeypatch.setattr(bench_gan.bench_gan_epoch, "speed", speed)
    monkeypatch.setattr(
        bench_gan, "quality", lambda images: {k: v for k, v in quality.items() if k.split("_")[0] not in ("epoch", "lab")}
    )
    monkeypatch.setattr(
        bench_gan.bench_gan_lab, "stepping", lambda: {"lab_step_ms": 20.0, "lab_rounds_a_second": 30.0}
    )
    found = bench_gan.gan("somewhere")
    assert found["epochs"] == {"rounds": []} and found["percent_of_noise_worst"] == 5
    missed = [name for name, met in found["targets"].items() if not met]
    assert set(found["targets"]) == set(bench_gan.TARGETS) and missed == [
        "epoch_against_arithmetic",
        "classes_fewest",
    ]
    out = capsys.readouterr().out
    assert out.count("NOT MET") == 2 and "percent_one_digit" in out
    for name in ("ring", "grid"):  # stored, or the command that measures it
        assert f"mixtures-{name}" in out or f"{name}, " in out


def test_one_digit_drawn_perfectly_is_far_from_all_ten(digits):
    found = bench_gan.one_digit(digits)
    judge = recipes.judge("classifier-digits")
    features = judge.features(data.to_unit(digits.test))
    ones = features[digits.test_labels == 1]
    assert (
        0 < found <= metrics.frechet_distance(features.mean(0), features.T.cov(), ones.mean(0), ones.T.cov())
    )
    halves = features[torch.randperm(len(features), generator=torch.Generator().manual_seed(0))].chunk(2)
    assert found > 2 * metrics.frechet_of_features(*halves)


def test_the_stepping_figure_is_timed_in_a_browser(capsys):
    browser.find()  # skips where there is none
    found = bench_gan_lab.stepping()
    assert capsys.readouterr().out == ""
    assert 0.1 < found["lab_step_ms"] < 1000 and 1 < found["lab_rounds_a_second"] < 10_000


def test_a_figure_that_could_not_be_timed_is_told_not_guessed(monkeypatch, tmp_path, capsys):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o700)
    for executable, why in ((str(silent), "showed no measurement|did not answer"), (str(tmp_path / "none"), "did not answer")):
        monkeypatch.setenv("CHROMIUM", executable)
        assert bench_gan_lab.stepping() == {}
        assert re.search(why, capsys.readouterr().out)
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench_gan_lab.stepping() == {} and "no Chromium found" in capsys.readouterr().out
