"""Measurements over many seeds, too long for a notebook: `python -m chapter10 measure NAME` makes each anew.

A result is a small JSON file: what was measured, for each seed, with the settings, versions, machine and time.
"""

import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from chapter10 import (
    beta_vae,
    better_vaes,
    code_study,
    collapse,
    comparison,
    coverage,
    critic_study,
    data,
    dcgan_rules,
    gan_study,
    likelihood_study,
    metrics,
    mixtures,
    pacgan_study,
    precision_study,
    ranking_study,
    recipes,
    stacked,
    swaps,
    translation_study,
)
from chapter10.errors import DataError, InputError, did_you_mean
from chapter10.files import check_writable, write_atomic
from chapter10.language import noted, retold, say
from chapter10.training import fit, warmup_cosine
from chapter10.vae import VAE, Autoencoder, AutoencoderTraining, VAETraining

POINTS = 2000  # decoded for each rate


def result_path(name: str) -> Path:
    return Path(str(files("chapter10"))) / "results" / f"{name}.json"


def read_result(name: str) -> dict[str, Any]:
    """A stored result, its protocol and what differs in the reader's language. Raises DataError."""
    path = result_path(name)
    try:
        return retold(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(
            "The stored result {name} can't be read ({error}). Make it anew: python -m chapter10 measure {name_2}",
            name=path.name,
            error=error,
            name_2=name,
        ) from None


def save_result(name: str, result: dict[str, Any], path: str | os.PathLike | None = None) -> None:
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomic(path or result_path(name), text.encode())


# What the parts of a protocol are called.
noted("generator"), noted("discriminator"), noted("batch"), noted("adam"), noted("critics"), noted("r1"), noted("count")
noted("mixture"), noted("mixtures"), noted("data"), noted("time")


def told(parts: dict[str, str] | list[str]) -> str:
    """A result's protocol, or what differs from a paper's, in a sentence: its parts, with what they are called if they have names."""
    named = parts.items() if isinstance(parts, dict) else ((None, what) for what in parts)
    return say("; ").join(say("{part}: {what}", part=say(part), what=what) if part else what for part, what in named)


def machine() -> dict[str, Any]:
    """What a figure was measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "date": date.today().isoformat(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a kernel that keeps the name to itself
        return platform.processor() or platform.machine()


@torch.no_grad()
def latent_coverage(z: torch.Tensor, seed: int, count: int = 500) -> dict[str, float]:
    """How the latent points z [N, L] that a decoder was trained on lie to draws from N(0, I).

    Returns:
        "inside": share of z within the ball that holds 95 % of N(0, I); "distance": from a draw to the nearest z,
        over the same from one z to the nearest other; both are medians over `count` points.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, z.shape[1], generator=generator)
    radius = (torch.randn(200_000, z.shape[1], generator=generator)).norm(dim=1).quantile(0.95)
    among = torch.cdist(z[:count], z).fill_diagonal_(torch.inf).min(1).values.median()
    return {
        "inside": (z.norm(dim=1) < radius).double().mean().item(),
        "distance": (torch.cdist(noise, z).min(1).values.median() / among).item(),
    }


@torch.no_grad()
def latent_rates(model, classifier, codes: torch.Tensor, pairs: int, seed: int) -> dict[str, float]:
    """Shares of decoded points that the classifier takes for a digit with confidence above 0.9.

    Args:
        model: with `decode(z [N, L]) -> logits`; codes: [N, L], of test images (the means, for a VAE).
        pairs: how many points of each kind.
    Returns:
        "prior": z ~ N(0, I); "fitted": z from the Gaussian with the codes' own mean and covariance; "between":
        halfway between the codes of two images drawn at random; "codes": the images' own codes. Each also with
        "_variety": how many different digits the accepted ones are, effectively.
    """
    generator = torch.Generator().manual_seed(seed)
    mean, covariance = codes.mean(0), codes.T.cov()
    noise = torch.randn(pairs, codes.shape[1], generator=generator)
    first, second = torch.randint(len(codes), (2, pairs), generator=generator)
    points = {
        "prior": noise,
        "fitted": mean + noise @ torch.linalg.cholesky(covariance).T,
        "between": (codes[first] + codes[second]) / 2,
        "codes": codes[first],
    }
    rates = {}
    for name, z in points.items():
        found = metrics.confidence(classifier, model.decode(z).sigmoid())
        sure = found.probability > metrics.SURE
        rates[name] = sure.double().mean().item()
        rates[f"{name}_variety"] = metrics.variety(found.label[sure])
    return rates


def train_pair(
    images: data.Images,
    latent_dim: int,
    seed: int,
    epochs: int | None = None,
    limit: int | None = None,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> dict[str, Autoencoder | VAE]:
    """An autoencoder and a VAE with the same networks, trained alike: the same images, order, rate and steps.

    Args:
        epochs: passes over the training images; by default 5 over MNIST, 48 over the few embedded digits.
        limit: use only the first so many training images.
    Returns:
        {"autoencoder": ..., "VAE": ...}, on the CPU.
    """
    few = images.name == "digits"
    batches = data.Batches(images.train[:limit], 64 if few else 128, device=device)
    models: dict[str, Autoencoder | VAE] = {}
    for name, build, training in (
        ("autoencoder", Autoencoder, AutoencoderTraining),
        ("VAE", VAE, VAETraining),
    ):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            method = training(build(latent_dim=latent_dim).to(device))
        fit(method, batches, epochs or (48 if few else 5), seed, {"lr": warmup_cosine(3e-3)}, progress=progress)
        models[name] = method.model.eval().cpu()
    return models


def latent_space(name: str, seed: int) -> list[dict[str, Any]]:
    """Autoencoder and VAE with 2 and with 20 latent dimensions: are points off the codes digits?"""
    images = data.load(name)
    classifier = recipes.load(f"classifier-{name}")
    test = data.to_unit(images.test)
    rows = []
    for latent_dim in (2, 20):
        for kind, model in train_pair(images, latent_dim, seed).items():
            torch.manual_seed(seed)
            with torch.no_grad():
                codes = z = model.encode(test)
                if kind == "VAE":
                    codes, z = codes[0], model.reparameterize(*codes)
            about = {"model": kind, "latent_dim": latent_dim, "seed": seed, "points": POINTS}
            spread = {"code_std": codes.std(0).mean().item(), **latent_coverage(z, seed)}
            rows.append(about | spread | latent_rates(model, classifier, codes, POINTS, seed))
    real = metrics.sure_share(classifier, test)
    return [row | {"real_digits": real} for row in rows]


# name: what runs for one of its subjects and one seed, and its subjects
EXPERIMENTS: dict[str, tuple[Callable[[str, int], list[dict[str, Any]]], Sequence[str]]] = {
    "latent-space": (latent_space, recipes.SETS),
    "gan-recipe": (gan_study.gan_recipe, recipes.SETS),
    "mixtures": (mixtures.mixtures, tuple(mixtures.MIXTURES)),
    "vae-or-gan": (comparison.vae_or_gan, recipes.SETS),
    "beta": (beta_vae.beta, beta_vae.SUBJECTS),
    "collapse": (collapse.collapse, recipes.SETS),
    "codebook": (code_study.codebook, recipes.SETS),
    "better-vaes": (better_vaes.better_vaes, recipes.SETS),
    "swaps": (swaps.swaps, swaps.SUBJECTS),
    "translation": (translation_study.translation, ("mnist",)),
    "longer-translation": (translation_study.longer, ("mnist",)),
    "turned": (translation_study.turned, ("mnist",)),
    "dcgan-rules": (dcgan_rules.dcgan_rules, ("mnist",)),
    "critic": (critic_study.critic, critic_study.SUBJECTS),
    "coverage": (coverage.coverage, tuple(coverage.MIXTURES)),
    "packing": (coverage.packing, ("grid",)),
    "precision": (precision_study.precision, ("mnist",)),
    "stacked": (stacked.stacked, ("mnist",)),
    "stacked-pacgan": (stacked.packed, ("mnist",)),
    "pacgan": (pacgan_study.pacgan, tuple(pacgan_study.MIXTURES)),
    "likelihood": (likelihood_study.likelihood, ("mnist",)),
    "ranking": (ranking_study.ranking, ("mnist",)),
    "ranking-rates": (ranking_study.rates, ("mnist",)),
    "ranking-convolutions": (ranking_study.convolutions, ("mnist",)),
}

# name: what is to be said on top of the rows of one of its subjects
ABOUT: dict[str, Callable[[str, list[dict[str, Any]]], dict[str, Any]]] = {
    "pacgan": pacgan_study.about,
    "stacked-pacgan": stacked.about_packed,
}


def names() -> list[str]:
    """What `measure` takes: experiment and subject, such as "latent-space-mnist" or "mixtures-ring"."""
    return [f"{experiment}-{subject}" for experiment, (_, subjects) in EXPERIMENTS.items() for subject in subjects]


def measure(name: str, seeds: int = 10, workers: int = 1, out: str | os.PathLike | None = None) -> dict[str, Any]:
    """Run the experiment `name` (such as "latent-space-mnist") for seeds 0, 1, … and store its result after each.

    Args:
        workers: processes to share the seeds; each computes with one thread, so the rows don't depend on how many.
    Raises:
        InputError: for a name, a number of seeds or of workers that there isn't.
        SaveError: where the result can't be written.
    """
    experiment, _, subject = name.rpartition("-")
    if name not in names():
        raise InputError(
            "There is no measurement {name!r}.{name_2} There are: {choices}.",
            name=name,
            name_2=did_you_mean(name, names()),
            choices=', '.join(names()),
        )
    if seeds < 1 or workers < 1:
        raise InputError(
            "{seeds} seeds and {workers} workers were asked for; give 1 or more of each.",
            seeds=seeds,
            workers=workers,
        )
    check_writable(out or result_path(name))
    started, earlier = time.perf_counter(), 0.0
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")  # a forked process would inherit torch's threads in an unknown state
    with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, (1,)) as pool:
        for done, found in enumerate(pool.map(EXPERIMENTS[experiment][0], [subject] * seeds, range(seeds)), 1):
            rows += found
            earlier += sum(row.pop("earlier_seconds", 0.0) for row in found)  # of a study that was stopped and gone on with
            seconds = time.perf_counter() - started + earlier
            print(f"Seed {found[0]['seed']} of {seeds}: {seconds:.0f} s.", flush=True)
            result = {
                "name": name,
                "command": f"python -m chapter10 measure {name} --seeds {done}",
                "seeds": done,
                "machine": machine(),
                "seconds": round(seconds, 1),
                **(ABOUT[experiment](subject, rows) if experiment in ABOUT else {}),
                "rows": rows,
            }
            save_result(name, result, out)  # after each: who stops it keeps the seeds that are done
    if experiment == "mixtures":
        print(mixtures.table(rows))
    if experiment in ("ranking", "ranking-convolutions"):
        print(ranking_study.table(rows))
    return result
