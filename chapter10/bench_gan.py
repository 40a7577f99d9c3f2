"""`python -m chapter10 bench gan`: speed and quality of the package's GANs, side by side in one run.

Speed: an epoch of the chapter's GAN, as `bench_gan_epoch` measures it. Quality: what a minute of training from nothing
makes of a small DCGAN, over several seeds. Its samples are judged by a stored classifier, as `recipes.sample_scores`
says; beside them stand marks that need no training: uniform noise, other real images, and the real images of one digit
only, to which a model that has collapsed can at best come. Then the stored measurements on mixtures. The figure of
notebook 05 that the reader steps is timed in a browser.
"""

import statistics
import time
from typing import Any

import torch

from chapter10 import bench_gan_epoch, bench_gan_lab, data, metrics, mixtures, recipes
from chapter10.bench import judge
from chapter10.errors import DataError
from chapter10.experiments import machine, read_result

RECIPE = "dcgan60"  # with the name of the data behind it
TARGETS = {
    "epoch_against_loader": ("at least", 2.5),
    "epoch_against_arithmetic": ("at most", 1.7),
    "percent_of_noise_median": ("at most", 6.0),
    "percent_of_noise_worst": ("at most", 6.0),
    "classes_fewest": ("at least", 10),
    "largest_class_percent": ("at most", 20.0),
    "seconds_longest": ("at most", 60.0),
    "lab_step_ms": ("at most", 100.0),
    "lab_rounds_a_second": ("at least", 10.0),
}
MARKS = ("percent_real", "percent_one_digit")


def one_digit(images: data.Images) -> float:
    """The Fréchet classifier distance of a model that draws one digit only, but perfectly: the least over the digits."""
    judged = recipes.judge(f"classifier-{images.name}")
    features = judged.features(data.to_unit(images.test))
    alone = [features[images.test_labels == digit] for digit in range(10)]
    return min(
        metrics.frechet_distance(features.mean(0), features.T.cov(), some.mean(0), some.T.cov())
        for some in alone
    )


def quality(images: data.Images, seeds: int = 5) -> dict[str, Any]:
    """Train the recipe from nothing for seeds 0, 1, …, one after the other, and print what each reaches.

    Returns:
        "rows": for each seed, its seconds of training (without the measuring), its steps and its scores; the names of
        `TARGETS` that are its own, and of `MARKS`. Percentages are of uniform noise's distance, or of all samples.
    """
    recipe = recipes.get(f"{RECIPE}-{images.name}")
    rows: list[dict[str, float]] = []
    for seed in range(seeds):
        started = time.perf_counter()
        generator, history = recipes.make(recipe, images, seed=seed, progress=False)
        row = {"seed": seed, "seconds": time.perf_counter() - started, "steps": history["step"][-1]}
        rows.append(row | recipes.sample_scores(generator, images))
        print(describe(rows[-1]), flush=True)
    shares = [row["share"] for row in rows]
    return {
        "rows": rows,
        "percent_of_noise_median": 100 * statistics.median(shares),
        "percent_of_noise_worst": 100 * max(shares),
        "classes_fewest": min(row["classes"] for row in rows),
        "largest_class_percent": 100 * max(row["largest"] for row in rows),
        "seconds_longest": max(row["seconds"] for row in rows),
        "percent_real": 100 * statistics.median(row["floor"] / row["noise"] for row in rows),
        "percent_one_digit": 100 * one_digit(images) / statistics.median(row["noise"] for row in rows),
    }


def describe(row: dict[str, float]) -> str:
    """A seed in a line."""
    return (
        f"seed {row['seed']}: {row['seconds']:.0f} s, {row['steps']:,} steps, distance {row['distance']:.1f} = "
        f"{100 * row['share']:.2f} % of noise's {row['noise']:.0f} (real against real {row['floor']:.2g}), "
        f"{row['classes']} classes, the largest {100 * row['largest']:.1f} %"
    )


def modes() -> None:
    """Print the stored measurements on mixtures, or what makes them."""
    for name in mixtures.MIXTURES:
        try:
            print(mixtures.table(read_result(f"mixtures-{name}")["rows"]), flush=True)
        except DataError as error:
            print(error, flush=True)


def gan(root: str) -> dict[str, Any]:
    """All of it, printed as it comes. Raises DataError without MNIST."""
    images = data.load("mnist", root)
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads()}
    found |= {"epochs": bench_gan_epoch.speed(images, root)}
    found |= {k: found["epochs"].pop(k) for k in ("epoch_against_loader", "epoch_against_arithmetic")}
    found |= bench_gan_lab.stepping()
    found |= quality(images)
    modes()
    found["targets"] = judge(found, TARGETS, "python -m chapter10 bench gan", MARKS)
    return found
