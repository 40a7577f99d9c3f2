"""`python -m chapter10 bench better-vaes`: what section 10.5.1's models reach, measured in this run over five seeds.

Three experiments, as `python -m chapter10 measure` runs them: the models in equal time on MNIST (`better_vaes`), posterior
collapse and what is done against it (`collapse`), β and the mutual information gap on shapes (`beta_vae`). Each figure is
the worst of the seeds, where it says nothing else. About twenty minutes on two cores: a process a core, a thread each.
"""

import statistics
from typing import Any

import torch

from chapter10 import data, experiments
from chapter10.bench import Look, Rows, judge, measured

SEEDS = 5
TARGETS = {
    "seconds_longest": ("at most", 60.0),
    "vq_perplexity": ("at least", 32.0),
    "vq_error_over_vae": ("at most", 1.0),
    "vq_distance_over_vae": ("at most", 1.0),
    "vaegan_distance_over_vae": ("at most", 1.0),
    "vaegan_blur_over_vae": ("at most", 1.0),
    "kl_without_remedy": ("at most", 0.5),
    "kl_with_the_best": ("at least", 5.0),
    "likelihood_gained": ("at least", 0.0),
    "mig_best_over_beta_1": ("at least", 2.0),
}
MARKS = ("vae_distance", "conv_vae_distance", "vaegan_distance", "vq_distance", "real_distance")


def by_seed(rows: Rows, key: str, value: Any, measure: str) -> list[float]:
    """`measure` of the rows whose `key` has that value, in the order of the seeds."""
    return [row[measure] for row in sorted(rows, key=lambda row: row["seed"]) if row[key] == value]


def equal_time(rows: Rows) -> dict[str, float]:
    """Of rows as `better_vaes.better_vaes` gives them: ratios to the plain VAE of the same seed, the worst of the seeds.

    Blur is how far a model's sharpness lies from that of real images, on either side.
    """

    def of(model: str, measure: str) -> list[float]:
        return by_seed(rows, "model", model, measure)

    def worst(model: str, measure: str) -> float:
        return max(mine / its for mine, its in zip(of(model, measure), of("VAE", measure), strict=True))

    for row in rows:
        row["blur"] = abs(row["sharpness"] - row["real_sharpness"])
    names = {"VAE": "vae", "VAE, convolutions": "conv_vae", "VAE-GAN": "vaegan", "VQ-VAE": "vq"}
    medians = {f"{short}_distance": statistics.median(of(name, "distance")) for name, short in names.items()}
    return medians | {
        "real_distance": statistics.median(row["floor"] for row in rows),
        "seconds_longest": max(row["seconds"] for row in rows),
        "vq_perplexity": min(of("VQ-VAE", "perplexity")),
        "vq_error_over_vae": worst("VQ-VAE", "error"),
        "vq_distance_over_vae": worst("VQ-VAE", "distance"),
        "vaegan_distance_over_vae": worst("VAE-GAN", "distance"),
        "vaegan_blur_over_vae": worst("VAE-GAN", "blur"),
    }


def remedies(rows: Rows) -> dict[str, Any]:
    """Of rows as `collapse.collapse` gives them: the KL without a remedy, and what the best remedy brings.

    The best is the one with the greatest KL (median) among those that leave the likelihood no worse (median); if there
    is none, among all.
    """
    ways = {way: by_seed(rows, "way", way, "kl") for way in dict.fromkeys(row["way"] for row in rows)}
    likelihood = {way: by_seed(rows, "way", way, "log_likelihood") for way in ways}
    gained = {
        way: statistics.median(mine - its for mine, its in zip(likelihood[way], likelihood["no remedy"]))
        for way in ways
    }
    others = [way for way in ways if way != "no remedy"]
    no_worse = [way for way in others if gained[way] >= 0]
    best = max(no_worse or others, key=lambda way: statistics.median(ways[way]))
    return {
        "best_remedy": best,
        "kl_without_remedy": max(ways["no remedy"]),
        "kl_with_the_best": min(ways[best]),
        "likelihood_gained": gained[best],
    }


def disentanglement(rows: Rows) -> dict[str, float]:
    """Of rows as `beta_vae.beta` gives them: the best β by the median MIG over the seeds, over that of β = 1."""
    gaps = {
        weight: statistics.median(by_seed(rows, "beta", weight, "mig"))
        for weight in {row["beta"] for row in rows}
    }
    best = max(gaps, key=lambda weight: gaps[weight])
    return {"best_beta": best, "mig": gaps[best], "mig_best_over_beta_1": gaps[best] / gaps[1]}


EXPERIMENTS: dict[str, Look] = {
    "better-vaes-mnist": equal_time,
    "collapse-mnist": remedies,
    "beta-shapes": disentanglement,
}


def better_vaes(root: str) -> dict[str, Any]:
    """All of it, printed as it comes. Raises DataError without MNIST."""
    data.load("mnist", root)
    found: dict[str, Any] = {"machine": experiments.machine(), "threads": torch.get_num_threads()}
    found["rows"], said = measured(EXPERIMENTS, SEEDS, root, found["threads"])
    found |= said
    found["targets"] = judge(found, TARGETS, "python -m chapter10 bench better-vaes", MARKS)
    return found
