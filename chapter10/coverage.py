"""Does a Wasserstein critic, or R1, keep a generator from leaving modes out? Ring and grid, in equal steps.

Run through `python -m chapter10 measure coverage-ring` (or -grid). The mixtures and the count of modes are PacGAN's (Lin et
al. 2018), the networks three hidden layers of 128 ReLU, the rate a hundred times theirs with a straight way down, so that
a game takes a minute. The generator begins with the weights of He et al. 2015, as Gulrajani et al. begin theirs
(igul222/improved_wgan_training, gan_toy.py): PyTorch's own are smaller, and its first samples then lie in one heap at 0. For
the penalty's weight theirs is taken too: 0.1 on such toys, not 10. R1's γ falls: what spreads the samples over the modes
early would keep them from being sharp in the end.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from chapter10 import data, metrics
from chapter10.errors import InputError
from chapter10.gan import GANTraining, MixtureDiscriminator, MixtureGenerator, Objective
from chapter10.training import Method, Progress, Schedule, fit
from chapter10.wgan import WGANTraining

MIXTURES = {"ring": data.ring, "grid": data.grid}
BATCH, LR, CRITIC_STEPS = 128, 2e-3, 2
CRITIC_BETAS = (0.5, 0.9)
# R1's at the start, and from four fifths of the training on; in between it falls by equal factors
GAMMA = (0.05, 0.001)
STEPS = {"ring": 1000, "grid": 10_000}  # of the generator
LOOKS, SAMPLES = 5, 2500


def players(seed: int, pack: int = 1) -> tuple[MixtureGenerator, MixtureDiscriminator]:
    """The same two networks for every game and seed; a discriminator of packs has a wider first layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator, opponent = MixtureGenerator(2, 128, 3), MixtureDiscriminator(128, 3)
        for layer in generator.model:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        if pack > 1:  # last, so that the generator's weights are the same for every pack
            opponent = MixtureDiscriminator(128, 3, pack=pack)
    return generator, opponent


def _gan(seed: int, r1: float = 0.0, pack: int = 1) -> Method:
    return GANTraining(*players(seed, pack), lr=LR, objective=Objective(r1=r1))


def _wgan(seed: int, lipschitz: str) -> Method:
    return WGANTraining(
        *players(seed),
        LR,
        CRITIC_BETAS,
        lipschitz,
        penalty=0.1,
        clip=0.1,
        critic_steps=CRITIC_STEPS,
    )


METHODS: dict[str, Callable[[int], Method]] = {
    "GAN": _gan,
    "R1, falling γ": lambda seed: _gan(seed, GAMMA[0]),
    "WGAN, clipping": lambda seed: _wgan(seed, "clipping"),
    "WGAN-GP": lambda seed: _wgan(seed, "penalty"),
}

# The plain game once more, with a discriminator that judges m points at once (Lin et al. 2018), in batches of as many packs.
PACKS = {"GAN": 1, "packing 2": 2, "packing 4": 4}
PACKED: dict[str, Callable[[int], Method]] = {
    name: (lambda seed, pack=pack: _gan(seed, pack=pack)) for name, pack in PACKS.items()
}


def play(mixture: str, name: str, seed: int, steps: int | None = None) -> list[dict[str, Any]]:
    """One game on a mixture, with the coverage at `LOOKS` moments of it: a row each."""
    games = METHODS | PACKED
    if mixture not in MIXTURES or name not in games:
        raise InputError(
            "There is no game {name!r} on {mixture!r}. Games: {choices}; mixtures: {choices_2}.",
            name=name,
            mixture=mixture,
            choices=", ".join(games),
            choices_2=', '.join(MIXTURES),
        )
    steps = steps or STEPS[mixture]
    if steps < LOOKS or steps % LOOKS:
        raise InputError(
            "{steps} steps can't be split by {LOOKS} looks; give a multiple of {LOOKS}.",
            steps=steps,
            LOOKS=LOOKS,
        )
    points, method = MIXTURES[mixture](), games[name](seed)
    rows = []

    def look(progress: Progress) -> None:
        found = metrics.mode_coverage(points, method.sample(SAMPLES, torch.Generator().manual_seed(seed)))
        seconds = round(progress.history.rows[-1]["seconds"], 1)
        about = {"mixture": mixture, "method": name, "seed": seed, "step": progress.step, "seconds": seconds}
        rows.append(about | {"modes": found.modes, "of": found.total, "good": found.good, "kl": found.kl})

    # so that each of the opponent's steps sees as many, or as many packs
    batch = BATCH * getattr(method, "critic_steps", 1) * PACKS.get(name, 1)
    batches = data.PointBatches(points, batch, steps // LOOKS)
    schedules: dict[str, Schedule] = {"lr": lambda done: LR * (1 - done)}
    if name.startswith("R1"):
        schedules["r1"] = lambda done: GAMMA[0] * (GAMMA[1] / GAMMA[0]) ** min(1.0, done / 0.8)
    fit(method, batches, LOOKS, seed, schedules, [look], progress=False)
    return rows


def coverage(mixture: str, seed: int) -> list[dict[str, Any]]:
    """Every game on one mixture, for one seed."""
    return [row for name in METHODS for row in play(mixture, name, seed)]


def packing(mixture: str, seed: int) -> list[dict[str, Any]]:
    """The plain game and those with packs on one mixture, for one seed."""
    return [row for name in PACKED for row in play(mixture, name, seed)]
