"""Mode coverage in PacGAN's protocol, for six games: does packing, or another loss, keep a generator from leaving modes out?

Run through `python -m chapter10 measure pacgan-ring` (or -grid). Lin, Khetan, Fanti and Oh 2018, PacGAN: The power of two
samples in generative adversarial networks, section 4.1 and the authors' code. As theirs are the mixtures, both networks, z,
the losses of GAN and packing, β1, a batch of 100 that the discriminator judges (100 packs where it packs, of m points each),
ten seeds, 2,500 samples and the count of modes. Not so is the length: at the scale "quick" a game has a fiftieth or less
of their 400,000 steps, at a higher rate that falls to 0. CHAPTER10_SCALE=full plays their length at their rate.

R1 and the two Wasserstein critics are not in their table. They play with the same networks, batches and steps of G.
"""

import math
import os
import time
from dataclasses import dataclass
from typing import Any

import torch

from chapter10 import data, metrics
from chapter10.errors import InputError
from chapter10.gan import GANTraining, MixtureDiscriminator, MixtureGenerator, Objective
from chapter10.gan_study import short
from chapter10.training import Method, Progress, Schedule, fit
from chapter10.wgan import WGANTraining

MIXTURES = {"ring": data.ring, "grid": data.grid}
BATCH, BETA1, SAMPLES, LOOKS = 100, 0.8, 2500, 5
PAPER_STEPS = 400 * 100_000 // BATCH  # epochs of 100,000 points, for one that does not pack


@dataclass(frozen=True)
class Length:
    """How long a game is: G's steps and Adam's rate on each mixture; whether that falls to 0 along a straight line."""

    steps: dict[str, int]
    lr: dict[str, float]
    falls: bool


# Of the short games. Ring: among the rates that the plain GAN tried, the one with the most good samples. Grid, 6,000 steps, two
# seeds: 3e-3 and 6e-3 are alike to the plain GAN (14 and 22 modes, 68 and 77 % good; 14 and 15, 61 and 72 %), 1.2e-2 loses one
# of two; of the two alike, the one with which packs of two get on (40 % good; 4 % with 3e-3).
RATES = {"ring": 3e-3, "grid": 6e-3}
SCALES = {
    "smoke": Length({"ring": 5, "grid": 5}, RATES, True),
    "quick": Length({"ring": 600, "grid": 8000}, RATES, True),
    "full": Length({"ring": PAPER_STEPS, "grid": PAPER_STEPS}, {"ring": 1e-4, "grid": 1e-4}, False),
}


@dataclass(frozen=True)
class Game:
    """What is played.

    Attributes:
        pack: m; r1: γ at the start and in the end, from four fifths of the game on, in between it falls by equal factors.
        lipschitz: of a Wasserstein critic, "clipping" or "penalty"; None for the GAN's loss.
        published: its row in PacGAN's table 1, if it is there.
    """

    pack: int = 1
    r1: tuple[float, float] | None = None
    lipschitz: str | None = None
    published: str | None = None


GAMES = {
    "GAN": Game(published="GAN"),
    "R1": Game(r1=(0.05, 0.001)),
    "WGAN, clipping": Game(lipschitz="clipping"),
    "WGAN-GP": Game(lipschitz="penalty"),
    "packing 2": Game(pack=2, published="PacGAN2"),
    "packing 4": Game(pack=4, published="PacGAN4"),
}
CRITIC_BETAS, CLIP, PENALTY = (
    (0.5, 0.9),
    0.1,
    0.1,
)  # as in `coverage`: the weight that Gulrajani et al. take on such toys

# modes of 8 or 25 and the share of good samples in per cent, each a mean over ten runs; for the GAN with the modes' spread
SOURCE = "Lin et al. 2018, PacGAN, table 1 (arXiv 1712.04086)"
PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "ring": {
        "GAN": {"modes": 6.3, "spread": 0.5, "good": 98.2},
        "PacGAN2": {"modes": 7.9, "good": 95.6},
        "PacGAN4": {"modes": 7.8, "good": 95.9},
    },
    "grid": {
        "GAN": {"modes": 17.3, "spread": 0.8, "good": 94.8},
        "PacGAN2": {"modes": 23.8, "good": 91.3},
        "PacGAN4": {"modes": 24.8, "good": 93.6},
    },
}


def scale() -> str:
    """The scale in force: CHAPTER10_SCALE, else "quick"."""
    name = os.environ.get("CHAPTER10_SCALE") or "quick"
    if name not in SCALES:
        raise InputError(
            "The scale {name!r} is not known. Choose one of: {choices}.", name=name, choices=", ".join(SCALES)
        )
    return name


def build(name: str, seed: int, lr: float) -> Method:
    """The players of one of `GAMES`. For a seed, G begins with the same weights in all, and D in all that do not pack."""
    game = GAMES[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = MixtureGenerator(2, hidden_dim=400, hidden_layers=4, batch_norm=True)
        opponent = MixtureDiscriminator(hidden_dim=200, hidden_layers=3, maxout=5, pack=game.pack)
    if game.lipschitz:
        return WGANTraining(
            generator, opponent, lr, CRITIC_BETAS, game.lipschitz, penalty=PENALTY, clip=CLIP, critic_steps=1
        )
    objective = Objective(r1=game.r1[0] if game.r1 else 0.0)
    return GANTraining(generator, opponent, lr, (BETA1, 0.999), objective)


def play(mixture: str, name: str, seed: int, steps: int | None = None) -> dict[str, Any]:
    """One game, and what its generator covers in the end: a row.

    Args:
        steps: of G, a multiple of `LOOKS`; by default those of the scale in force.
    Returns:
        "modes" of "of", "good", the share of samples within 3σ of a mode, and "kl", of the samples' shares of the modes from
        the data's, in nats; "seconds" of the processor for the training; "path", the same at `LOOKS` moments.
    """
    if mixture not in MIXTURES or name not in GAMES:
        raise InputError(
            "There is no game {name!r} on {mixture!r}. Games: {games}; mixtures: {mixtures}.",
            name=name,
            mixture=mixture,
            games=", ".join(GAMES),
            mixtures=", ".join(MIXTURES),
        )
    length = SCALES[scale()]
    lr = length.lr[mixture]
    steps = steps or length.steps[mixture]
    if steps < LOOKS or steps % LOOKS:
        raise InputError(
            "{steps} steps can't be split by {LOOKS} looks; give a multiple of {LOOKS}.",
            steps=steps,
            LOOKS=LOOKS,
        )
    points, method, game = MIXTURES[mixture](), build(name, seed, lr), GAMES[name]
    path: dict[str, list] = {"step": [], "modes": [], "good": [], "kl": []}
    looking, found = 0.0, None

    def look(progress: Progress) -> None:
        nonlocal looking, found
        began = time.process_time()
        found = metrics.mode_coverage(points, method.sample(SAMPLES, torch.Generator().manual_seed(seed)))
        for key, value in zip(path, (progress.step, found.modes, found.good, found.kl)):
            path[key].append(short(value))
        looking += time.process_time() - began

    schedules: dict[str, Schedule] = {"lr": lambda done: lr * (1 - done)} if length.falls else {}
    if game.r1:
        first, last = game.r1
        schedules["r1"] = lambda done: first * (last / first) ** min(1.0, done / 0.8)
    batches = data.PointBatches(points, BATCH * game.pack, steps // LOOKS)
    began = time.process_time()
    fit(method, batches, LOOKS, seed, schedules, [look], progress=False)
    seconds = time.process_time() - began - looking
    row = {
        "method": name,
        "seed": seed,
        "steps": steps,
        "seconds": round(seconds, 1),
        "points": BATCH * game.pack,
    }
    if found is None:
        return row
    return row | {
        "modes": found.modes,
        "of": found.total,
        "good": found.good,
        "kl": short(found.kl),
        "path": path,
    }


def pacgan(mixture: str, seed: int) -> list[dict[str, Any]]:
    """All games on one mixture, for one seed."""
    return [play(mixture, name, seed) for name in GAMES]


def noise(mixture: str, draws: int = 20) -> dict[str, float]:
    """What points without any learning score, drawn evenly over the rectangle that holds the modes, in the mean.

    "modes" and "good" are exact, for a point is within 3σ of a mode with probability p = π(3σ)²/area; "kl" is a mean of some
    draws. Many points are near a mode by chance: a count of modes says something only where "good" is far above theirs.
    """
    points, source = MIXTURES[mixture](), torch.Generator().manual_seed(0)
    low, high = points.means.amin(0) - 3 * points.std, points.means.amax(0) + 3 * points.std
    near = math.pi * (3 * points.std) ** 2 / (high - low).prod().item()
    found = [
        metrics.mode_coverage(points, low + (high - low) * torch.rand(SAMPLES, 2, generator=source)).kl
        for _ in range(draws)
    ]
    modes = len(points.means) * (1 - (1 - near) ** SAMPLES)
    return {"modes": short(modes), "good": short(len(points.means) * near), "kl": short(sum(found) / draws)}


def about(mixture: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is to be said on top of such rows: the protocol, what differs from it, what it published, hours at full length."""
    length = SCALES[scale()]
    per_step = {
        name: sum(row["seconds"] for row in mine) / sum(row["steps"] for row in mine)
        for name in GAMES
        if (mine := [row for row in rows if row["method"] == name])
    }
    shorter = [
        f"{length.steps[mixture]:,} steps of G; {PAPER_STEPS:,} in the paper",
        f"Adam's rate {length.lr[mixture]:g}{', falling to 0 along a straight line' if length.falls else ''}; 0.0001 in the paper",
        "all the games have one rate, chosen by what the plain GAN does with it"
        + (", and of two alike to it by what packs of 2 do" if mixture == "grid" else ""),
    ]
    differs = [
        *(shorter if length.steps[mixture] != PAPER_STEPS else []),
        "D and G step in turn; the authors' code steps both at once, on the same fakes",
        "weights as torch draws them, biases in G; the authors draw from N(0, 0.02²), without biases under batch norm",
        "the running means under G's batch norm take 0.1 of each batch; 0.05 in the authors' code",
        "new points for each batch; the authors draw 100,000 once",
        "R1, WGAN and WGAN-GP are no part of the paper's table",
    ]
    return {
        "scale": scale(),
        "protocol": {
            "mixture": "8 Gaussians on a circle of radius 1, σ 0.01"
            if mixture == "ring"
            else "5×5 Gaussians at −4 … 4, σ 0.05",
            "generator": "z ~ N(0, I) in 2 dimensions, four layers of 400 ReLU with batch norm",
            "discriminator": "three maxout layers of 200 units with 5 pieces; m points of a pack side by side",
            "batch": f"{BATCH} points, or {BATCH} packs of m points",
            "adam": f"β1 {BETA1}; for the critics {CRITIC_BETAS[0]:g} and {CRITIC_BETAS[1]:g}",
            "critics": f"one step for each of G's; clip {CLIP:g}; penalty {PENALTY:g}",
            "r1": "γ from {:g} to {:g}".format(*GAMES["R1"].r1),
            "count": f"{SAMPLES:,} samples; a mode counts with one of them within 3σ, which are the good ones",
        },
        "differs": differs,
        "published": {"source": SOURCE, "runs": 10, "rows": PUBLISHED[mixture]},
        "perfect_good": short(100 * metrics.perfect_share(2)),
        "uniform_noise": noise(mixture),
        "full_length_hours_a_run": {
            name: short(PAPER_STEPS * seconds / 3600) for name, seconds in per_step.items()
        },
    }
