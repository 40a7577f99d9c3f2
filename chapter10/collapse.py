"""Posterior collapse measured: an autoregressive decoder that does without z, and what is done against it.

Annealing: Bowman et al. 2016, Generating sentences from a continuous space; cyclical: Fu et al. 2019. Free bits: Kingma
et al. 2016. A weaker decoder: Chen et al. 2017, Variational lossy autoencoder. Run through
`python -m chapter10 measure collapse-mnist` (or -digits). All values are in nats.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chapter10 import data, metrics
from chapter10.autoregressive import AutoregressiveVAE
from chapter10.errors import InputError
from chapter10.gan_study import Rounds
from chapter10.training import Progress, Schedule, cyclical_annealing, fit, linear_annealing, warmup_cosine
from chapter10.vae import VAETraining, bernoulli_log_likelihood, gaussian_kl_by_dimension

LR, BATCH = 4e-3, 32
WARMUP = 0.05  # share of the training in which the rate rises
STEPS = {"mnist": 800, "digits": 320}
LOOKS = 16  # at a training; with a cycle of four looks, the last of each is at its top
LOOKED_AT = 300  # test images, for ELBO and KL
WEIGHTED, SAMPLES = 200, 100  # test images and samples of z, for the importance-weighted bound


@dataclass(frozen=True)
class Way:
    """How the autoregressive VAE is trained: the decoder's window, free bits, the price of the KL over the training."""

    context: int = 3
    free_bits: float = 0.0
    beta: Schedule | None = None  # None: 1 all the time


WAYS = {
    "no remedy": Way(),
    "linear annealing": Way(beta=linear_annealing(0.5)),
    "cyclical annealing": Way(beta=cyclical_annealing(4, 0.5)),
    "free bits": Way(free_bits=0.7),
    "weaker decoder": Way(context=1),
}


def method_for(way: Way, seed: int, latent_dim: int = 10) -> tuple[VAETraining, dict[str, Schedule]]:
    """The untrained model with its optimiser, from its own seed, and the schedules that `fit` takes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoregressiveVAE(latent_dim=latent_dim, context=way.context)
    schedules = {"lr": warmup_cosine(LR, WARMUP)} | ({"beta": way.beta} if way.beta else {})
    return VAETraining(model, LR, free_bits=way.free_bits), schedules


@torch.no_grad()
def look_at(model: AutoregressiveVAE, x: Tensor, seed: int = 0) -> dict[str, float]:
    """ELBO, reconstruction, KL and active units on binary images x [N, D]; with the same noise each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = metrics.mean_elbo(model, x)
        mu = model.encode(x)[0]
    return found._asdict() | {"active": metrics.active_units(mu)}


def train(
    way: str,
    images: data.Images,
    seed: int,
    steps: int | None = None,
    looks: int = LOOKS,
    callback=None,
    progress: bool = False,
) -> tuple[AutoregressiveVAE, dict[str, list[float]]]:
    """One training in one of the `WAYS`, looked at `looks` times on test images.

    Args:
        steps: updates in all; by default `STEPS` of the data set.
        callback: is called after each look with what was found so far: a figure can follow.
    Returns:
        the model in eval mode, and a list for each of "step", "beta" and what `look_at` gives.
    """
    if way not in WAYS:
        raise InputError(
            "There is no way {way!r} to train. Choose one of: {choices}.",
            way=way,
            choices=', '.join(WAYS),
        )
    method, schedules = method_for(WAYS[way], seed)
    x = held_out(images)[:LOOKED_AT]
    found: dict[str, list[float]] = {}

    def look(now: Progress) -> None:
        entry = {"step": now.step, "beta": method.beta} | look_at(method.model, x)
        for name, value in entry.items():
            found.setdefault(name, []).append(value)
        if callback is not None:
            callback(found)

    batches = Rounds(data.Batches(images.train, BATCH), (steps or STEPS[images.name]) // looks)
    fit(method, batches, looks, seed, schedules, [look], progress=progress)
    return method.model.eval(), found


def held_out(images: data.Images) -> Tensor:
    """Test images as binary pixels, drawn once: [M, D]."""
    return data.binarize(data.to_unit(images.test), torch.Generator().manual_seed(0))


def weighted(images: data.Images, seed: int) -> Tensor:
    """The binary test images that one seed's models are weighed on: others for another seed."""
    order = torch.randperm(len(images.test), generator=torch.Generator().manual_seed(seed))
    return held_out(images)[order[:WEIGHTED]]


@torch.no_grad()
def measures(model: AutoregressiveVAE, x: Tensor, seed: int) -> dict[str, Any]:
    """What a trained model comes to on binary test images x [N, D].

    Returns:
        "log_likelihood": the importance-weighted bound; "kl_by_dimension", the largest first; "elbo" and "kl" on
        the same images; "other_z": how much the reconstruction loses where each image gets another's code.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bound = metrics.mean_elbo(model, x)
        many = metrics.iwae_bound(model, x, SAMPLES).mean().item()
        mu, log_var = model.encode(x)
        z = model.reparameterize(mu, log_var)
        own, other = (bernoulli_log_likelihood(model.decode(codes, x), x) for codes in (z, z.roll(1, 0)))
    each = gaussian_kl_by_dimension(mu, log_var).mean(0).sort(descending=True).values
    return {
        "log_likelihood": many,
        "elbo": bound.value,
        "kl": bound.kl,
        "active": metrics.active_units(mu),
        "other_z": (own - other).mean().item(),
        "kl_by_dimension": [round(value, 4) for value in each.tolist()],
    }


def collapse(name: str, seed: int) -> list[dict[str, Any]]:
    """Each way for one seed: a row a training, with its looks as lists and what it came to."""
    images = data.load(name)
    rows = []
    for way, settings in WAYS.items():
        started = time.process_time()
        model, looks = train(way, images, seed)
        seconds = time.process_time() - started
        about = {"way": way, "seed": seed, "context": settings.context, "free_bits": settings.free_bits}
        about |= {"lr": LR, "batch_size": BATCH, "latent_dim": model.latent_dim, "seconds": round(seconds, 1)}
        final = measures(model, weighted(images, seed), seed)
        rows.append(
            about | {"looks": {key: [round(v, 4) for v in values] for key, values in looks.items()}} | final
        )
    return rows
