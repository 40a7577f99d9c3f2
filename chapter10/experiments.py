"""Measurements over many seeds, too long for a notebook: `python -m chapter10 measure NAME` makes each anew.

A result is a small JSON file: what was measured, for each seed, with the settings, versions, machine and time.
"""

import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from chapter10 import data, metrics, recipes
from chapter10.errors import DataError, InputError
from chapter10.files import write_atomic
from chapter10.training import fit, warmup_cosine
from chapter10.vae import VAE, Autoencoder, AutoencoderTraining, VAETraining

POINTS = 2000  # decoded for each rate
SURE = 0.9  # confidence above which an image counts as taken for a digit


def result_path(name: str) -> Path:
    return Path(str(files("chapter10"))) / "results" / f"{name}.json"


def read_result(name: str) -> dict[str, Any]:
    """A stored result. Raises DataError."""
    path = result_path(name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"The stored result {path.name} can't be read ({error}). Make it anew: python -m chapter10 measure {name}"
        ) from None


def save_result(name: str, result: dict[str, Any], path: str | os.PathLike | None = None) -> None:
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomic(path or result_path(name), text.encode())


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
def latent_rates(model, classifier, codes: torch.Tensor, pairs: int, seed: int) -> dict[str, float]:
    """Shares of decoded points that the classifier takes for a digit with confidence above 0.9.

    Args:
        model: with `decode(z [N, L]) -> logits`; codes: [N, L], of test images (the means, for a VAE).
        pairs: how many points of each kind.
    Returns:
        "prior": z ~ N(0, I); "fitted": z from the Gaussian with the codes' own mean and covariance; "between":
        halfway between the codes of two images drawn at random; "codes": the images' own codes.
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
    return {
        name: (metrics.confidence(classifier, model.decode(z).sigmoid()).probability > SURE).double().mean().item()
        for name, z in points.items()
    }


def latent_space(name: str, seed: int) -> list[dict[str, Any]]:
    """Autoencoder and VAE with 2 and with 20 latent dimensions, trained alike: are points off the codes digits?"""
    images = data.load(name)
    classifier = recipes.load(f"classifier-{name}")
    test = data.to_unit(images.test)
    epochs = 8 if name == "mnist" else 48
    rows = []
    for latent_dim in (2, 20):
        for kind in ("autoencoder", "VAE"):
            torch.manual_seed(seed)
            if kind == "VAE":
                method = VAETraining(VAE(latent_dim=latent_dim))
            else:
                method = AutoencoderTraining(Autoencoder(latent_dim=latent_dim))
            batches = data.Batches(images.train, 128 if name == "mnist" else 64)
            fit(method, batches, epochs, seed, {"lr": warmup_cosine(2e-3)}, progress=False)
            with torch.no_grad():
                codes = method.model.encode(test)
            codes = codes[0] if kind == "VAE" else codes
            about = {"model": kind, "latent_dim": latent_dim, "seed": seed, "epochs": epochs, "points": POINTS}
            spread = {"code_std": codes.std(0).mean().item()}
            rows.append(about | spread | latent_rates(method.model, classifier, codes, POINTS, seed))
    real = (metrics.confidence(classifier, test).probability > SURE).double().mean().item()
    return [row | {"real_digits": real} for row in rows]


EXPERIMENTS: dict[str, Callable[[str, int], list[dict[str, Any]]]] = {"latent-space": latent_space}


def measure(name: str, seeds: int = 10, workers: int = 1, out: str | os.PathLike | None = None) -> dict[str, Any]:
    """Run the experiment `name` (such as "latent-space-mnist") for seeds 0, 1, … and store its result.

    Args:
        workers: processes to share the seeds; each computes with one thread, so the rows don't depend on how many.
    Raises:
        InputError: for a name, a number of seeds or of workers that there isn't.
    """
    experiment, _, images = name.rpartition("-")
    if experiment not in EXPERIMENTS or images not in recipes.SETS:
        known = ", ".join(f"{e}-{s}" for e in EXPERIMENTS for s in recipes.SETS)
        raise InputError(f"There is no measurement {name!r}. There are: {known}.")
    if seeds < 1 or workers < 1:
        raise InputError(f"{seeds} seeds and {workers} workers were asked for; give 1 or more of each.")
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")  # a forked process would inherit torch's threads in an unknown state
    with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, (1,)) as pool:
        for found in pool.map(EXPERIMENTS[experiment], [images] * seeds, range(seeds)):
            rows += found
            print(f"Seed {found[0]['seed']} of {seeds}: {time.perf_counter() - started:.0f} s.", flush=True)
    result = {
        "name": name,
        "command": f"python -m chapter10 measure {name} --seeds {seeds}",
        "seeds": seeds,
        "machine": machine(),
        "seconds": round(time.perf_counter() - started, 1),
        "rows": rows,
    }
    save_result(name, result, out)
    return result
