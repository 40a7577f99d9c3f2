"""chapter10.bench_better_gans: the best game on the grid, the translation's scores, and the targets beside what was found."""

import os

import pytest

from chapter10 import bench_better_gans as bench
from chapter10 import bench_gan, data, domains, experiments, recipes
from chapter10.errors import DataError


def coverage_rows():
    """Two seeds, two looks; R1 reaches as many modes as WGAN-GP but fewer good samples; clipping may not count."""
    last = {
        "GAN": [(18, 0.5), (15, 0.6)], "R1, γ = 0.1": [(25, 0.8), (24, 0.7)], "WGAN-GP": [(25, 0.9), (24, 0.85)],
        "WGAN, clipping": [(25, 0.99), (25, 0.99)],
    }  # fmt: skip
    rows = []
    for method, found in last.items():
        for seed, (modes, good) in enumerate(found):
            about = {"mixture": "grid", "method": method, "seed": seed, "of": 25}
            rows.append(about | {"step": 100, "modes": 1, "good": 0.0})
            rows.append(about | {"step": 500, "modes": modes, "good": good})
    return rows[::-1]


def translation_rows():
    rows = []
    for seed, (kept, without) in enumerate([(0.8, 0.5), (0.9, 0.7), (0.7, 0.6)]):
        rows.append(
            {"variant": bench.WHOLE, "seed": seed, "b_agreement": kept, "steps": 400, "seconds": 30 + seed}
        )
        rows.append(
            {"variant": bench.WITHOUT, "seed": seed, "b_agreement": without, "steps": 400, "seconds": 99}
        )
    return rows


def test_the_best_game_on_the_grid_is_given_by_its_worst_seed_at_the_last_step():
    assert bench.grid(coverage_rows()) == {
        "grid_best": "WGAN-GP", "grid_steps": 500, "grid_modes": 24, "grid_good_percent": 85.0, "grid_gan_modes": 15,
        "grid_gan_good_percent": 50.0,
    }  # fmt: skip
    more = [
        row | {"modes": 26 * (row["step"] == 500)} if row["method"][0] == "R" else row
        for row in coverage_rows()
    ]
    assert bench.grid(more)["grid_best"] == "R1, γ = 0.1"


def test_short_runs_are_medians_over_the_seeds_and_the_longest_time():
    found = bench.short_translation(translation_rows())
    assert found == pytest.approx(
        {
            "short_steps": 400,
            "short_class_kept_percent": 80,
            "short_class_kept_worst_percent": 70,
            "short_without_cycle_percent": 60,
            "short_seconds_longest": 32,
        }  # fmt: skip
    )


def test_the_stored_model_is_scored_from_outlines_to_digits_and_from_digits_there_and_back(monkeypatch):
    scores = {
        "b_agreement": 0.92, "b_untranslated_agreement": 0.4, "b_error": 0.1, "b_untranslated_error": 0.4,
        "b_cycle_agreement": 0.5, "a_cycle_agreement": 0.97, "a_agreement": 0.3, "a_error": 9.0, "a_untranslated_error": 1.0,
    }  # fmt: skip
    monkeypatch.setattr(recipes, "load", lambda name: name)
    monkeypatch.setattr(domains, "split", lambda images, pair: (images, pair))
    monkeypatch.setattr(
        recipes,
        "translation_scores",
        lambda model, pair: scores if (model, pair) == (bench.STORED_CYCLE, ("mnist", "outlines")) else {},
    )
    assert bench.stored_translation("mnist") == pytest.approx(
        {
            "class_kept_percent": 92,
            "class_untranslated_percent": 40,
            "error_untranslated": 0.4,
            "error_over_untranslated": 0.25,
            "class_there_and_back_percent": 97,
        }  # fmt: skip
    )


def test_the_bench_measures_in_this_run_and_sets_targets_beside(monkeypatch, capsys):
    asked = []
    rows = {"coverage-grid": coverage_rows, "translation-mnist": translation_rows}

    def measure(name, seeds, workers, out):
        asked.append((name, seeds, os.environ["CHAPTER10_DATA"], out != experiments.result_path(name)))
        return {"rows": rows[name]()}

    quality = {
        "rows": [], "percent_of_noise_worst": 4.5, "classes_fewest": 10, "seconds_longest": 55.0, "percent_real": 0.1,
        "percent_one_digit": 30.0,
    }  # fmt: skip
    stored = {
        "class_kept_percent": 92.0, "class_untranslated_percent": 40.0, "error_untranslated": 0.4,
        "error_over_untranslated": 0.6, "class_there_and_back_percent": 97.0,
    }  # fmt: skip
    monkeypatch.setattr(experiments, "measure", measure)
    monkeypatch.setattr(data, "load", lambda name, root: None)
    monkeypatch.setattr(bench_gan, "quality", lambda images, seeds: dict(quality))
    monkeypatch.setattr(bench, "stored_translation", lambda images: stored)
    monkeypatch.setattr(bench, "stored_dcgan", lambda images: {"stored_percent_of_noise": 0.6})
    monkeypatch.setenv("CHAPTER10_DATA", "before")
    found = bench.better_gans("here")
    assert asked == [(name, bench.SEEDS, "here", True) for name in rows]  # the stored results are not touched
    assert os.environ["CHAPTER10_DATA"] == "before"
    assert set(found["targets"]) == set(bench.TARGETS) and set(bench.MARKS) <= set(found)
    missed = {name for name, met in found["targets"].items() if not met}
    assert missed == {"percent_of_noise_worst", "error_over_untranslated"}
    out = capsys.readouterr().out
    assert out.count("NOT MET") == 2 and "grid_best: WGAN-GP" in out and "grid_gan_modes" in out


def test_every_experiment_and_every_recipe_is_there():
    assert set(bench.EXPERIMENTS) <= set(experiments.names())
    for name in (bench.STORED_DCGAN, bench.STORED_CYCLE, f"{bench_gan.RECIPE}-mnist"):
        assert recipes.weights_path(name).is_file(), name


def test_without_mnist_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "measure", lambda *arguments: pytest.fail("it had begun"))
    with pytest.raises(DataError):
        bench.better_gans(str(tmp_path / "nowhere"))
