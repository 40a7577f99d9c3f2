"""`python -m chapter10 bench better-gans`: what section 10.5.2's models reach, side by side in one run.

A minute of a small DCGAN on MNIST over five seeds, as `bench_gan.quality` trains it, and the stored DCGAN beside it. Which
of the grid's 25 modes are reached in equal steps (`coverage`), and what a short CycleGAN makes of outlines with and without
the cycle loss (`translation`): both as `python -m chapter10 measure` runs them, over five seeds, a process a core. The
stored CycleGAN is scored on all test images. Where a figure says nothing else, it is the worst of the seeds. About twenty
minutes on two cores.
"""

import statistics
from typing import Any

import torch

from chapter10 import bench_gan, data, domains, experiments, recipes
from chapter10.bench import Look, Rows, judge, measured, say

SEEDS = 5
PAIR = "outlines"
STORED_DCGAN, STORED_CYCLE = "dcgan-mnist", "cyclegan-outlines-mnist"
CANDIDATES = ("R1", "WGAN-GP")  # which of the games on the grid may meet the target: names that begin so
WHOLE, WITHOUT = "with cycle", "without cycle"  # of translation_study.VARIANTS
TARGETS = {
    "percent_of_noise_worst": ("at most", 4.0),
    "classes_fewest": ("at least", 10),
    "seconds_longest": ("at most", 60.0),
    "stored_percent_of_noise": ("at most", 1.0),
    "grid_modes": ("at least", 24),
    "grid_good_percent": ("at least", 80.0),
    "class_kept_percent": ("at least", 90.0),
    "class_there_and_back_percent": ("at least", 95.0),
    "error_over_untranslated": ("at most", 0.5),
}
MARKS = (
    "percent_real", "percent_one_digit", "grid_steps", "grid_gan_modes", "grid_gan_good_percent", "class_untranslated_percent",
    "error_untranslated", "short_class_kept_percent", "short_without_cycle_percent", "short_seconds_longest",
)  # fmt: skip


def stored_dcgan(images: data.Images) -> dict[str, float]:
    """The scores of the full recipe's stored weights, in percent of uniform noise's distance."""
    found = recipes.sample_scores(recipes.load(STORED_DCGAN), images)
    return {"stored_percent_of_noise": 100 * found["share"], "stored_classes": found["classes"]}


def grid(rows: Rows) -> dict[str, Any]:
    """Of rows as `coverage` gives them, at the last step: the best candidate beside the plain GAN.

    The best has the most modes (median over the seeds), and of equals the greatest share of good samples; what is given
    of it, and of the GAN, is the worst seed's.
    """
    last = max(row["step"] for row in rows)
    at_last = [row for row in rows if row["step"] == last]

    def of(method: str, measure: str) -> list[float]:
        return [row[measure] for row in at_last if row["method"] == method]

    methods = [m for m in dict.fromkeys(row["method"] for row in at_last) if m.startswith(CANDIDATES)]
    best = max(methods, key=lambda m: (statistics.median(of(m, "modes")), statistics.median(of(m, "good"))))
    return {
        "grid_best": best,
        "grid_steps": last,
        "grid_modes": min(of(best, "modes")),
        "grid_good_percent": 100 * min(of(best, "good")),
        "grid_gan_modes": min(of("GAN", "modes")),
        "grid_gan_good_percent": 100 * min(of("GAN", "good")),
    }


def stored_translation(images: data.Images) -> dict[str, float]:
    """The stored CycleGAN on the test images: outline to digit ("b_"), and digit to outline to digit ("a_")."""
    scores = recipes.translation_scores(recipes.load(STORED_CYCLE), domains.split(images, PAIR))
    return {
        "class_kept_percent": 100 * scores["b_agreement"],
        "class_untranslated_percent": 100 * scores["b_untranslated_agreement"],
        "error_untranslated": scores["b_untranslated_error"],
        "error_over_untranslated": scores["b_error"] / scores["b_untranslated_error"],
        "class_there_and_back_percent": 100 * scores["a_cycle_agreement"],
    }


def short_translation(rows: Rows) -> dict[str, float]:
    """Of rows as `translation` gives them: outlines that keep their class as digits, with and without the cycle loss."""

    def of(variant: str, measure: str) -> list[float]:
        return [row[measure] for row in rows if row["variant"] == variant]

    return {
        "short_steps": rows[0]["steps"],
        "short_class_kept_percent": 100 * statistics.median(of(WHOLE, "b_agreement")),
        "short_class_kept_worst_percent": 100 * min(of(WHOLE, "b_agreement")),
        "short_without_cycle_percent": 100 * statistics.median(of(WITHOUT, "b_agreement")),
        "short_seconds_longest": max(of(WHOLE, "seconds")),
    }


EXPERIMENTS: dict[str, Look] = {
    "coverage-grid": grid,
    "translation-mnist": short_translation,
}


def better_gans(root: str) -> dict[str, Any]:
    """All of it, printed as it comes. Raises DataError without MNIST."""
    images = data.load("mnist", root)
    found: dict[str, Any] = {"machine": experiments.machine(), "threads": torch.get_num_threads()}
    quality = bench_gan.quality(images, SEEDS)
    rows = {bench_gan.RECIPE: quality.pop("rows")}
    for part, said in (
        (bench_gan.RECIPE, quality),
        (STORED_DCGAN, stored_dcgan(images)),
        (STORED_CYCLE, stored_translation(images)),
    ):
        say(part, said)
        found |= said
    more, said = measured(EXPERIMENTS, SEEDS, root, found["threads"])
    found |= said | {"rows": rows | more}
    found["targets"] = judge(found, TARGETS, "python -m chapter10 bench better-gans", MARKS)
    return found
