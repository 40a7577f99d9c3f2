"""Which modes of a mixture does a GAN reach? PacGAN's protocol (Lin et al. 2018, section 4.1), at fewer steps.

Run through `python -m chapter10 measure mixtures-ring` (or -grid). z is two-dimensional and normal; the generator has
four layers of 400 ReLU with batch norm, the discriminator three maxout layers of 200 with 5 pieces; Adam 1e-4 with
β1 = 0.8, batches of 100; 2,500 samples at the end, a mode counts with one sample within 3σ.
"""

from typing import Any

import torch

from chapter10 import data, metrics
from chapter10.errors import InputError
from chapter10.gan import GANTraining, MixtureDiscriminator, MixtureGenerator, Objective
from chapter10.training import Progress, fit

MIXTURES = {"ring": data.ring, "grid": data.grid}
OBJECTIVES = {
    "minimax": Objective("minimax"),
    "non-saturating": Objective("non-saturating"),
    "R1, γ = 1": Objective("non-saturating", r1=1.0),
}
BATCH, LR, BETAS = 100, 1e-4, (0.8, 0.999)
STEPS, LOOKS = 1000, 5  # the paper's steps are 400 epochs of 100,000 points: 400,000
PAPER_STEPS = 400_000
SAMPLES = 2500
# GAN and PacGAN2 in the paper's table 1: modes, share of good samples, in per cent
PAPER = {
    "ring": {"GAN": (6.3, 98.2), "PacGAN2": (7.9, 95.6)},
    "grid": {"GAN": (17.3, 94.8), "PacGAN2": (23.8, 91.3)},
}


def play(mixture: str, objective: str, seed: int, steps: int = STEPS) -> list[dict[str, Any]]:
    """One game on a mixture, with the coverage at `LOOKS` moments of it: a row each."""
    if mixture not in MIXTURES or objective not in OBJECTIVES:
        raise InputError(
            "There is no game {objective!r} on {mixture!r}. Objectives: {choices}; mixtures: {choices_2}.",
            objective=objective,
            mixture=mixture,
            choices=', '.join(OBJECTIVES),
            choices_2=', '.join(MIXTURES),
        )
    if steps < LOOKS or steps % LOOKS:
        raise InputError(
            "{steps} steps can't be split by {LOOKS} looks; give a multiple of {LOOKS}.",
            steps=steps,
            LOOKS=LOOKS,
        )
    points = MIXTURES[mixture]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        players = MixtureGenerator(2, 400, 4, batch_norm=True), MixtureDiscriminator(200, 3, maxout=5)
    method = GANTraining(*players, lr=LR, betas=BETAS, objective=OBJECTIVES[objective])
    rows = []

    def look(progress: Progress) -> None:
        found = metrics.mode_coverage(points, method.sample(SAMPLES, torch.Generator().manual_seed(seed)))
        about = {"mixture": mixture, "objective": objective, "seed": seed, "step": progress.step}
        rows.append(about | {"modes": found.modes, "of": found.total, "good": found.good, "kl": found.kl})

    batches = data.PointBatches(points, BATCH, steps // LOOKS)
    fit(method, batches, LOOKS, seed, callbacks=[look], progress=False)
    return rows


def mixtures(mixture: str, seed: int) -> list[dict[str, Any]]:
    """The three objectives on one mixture, for one seed."""
    return [row for objective in OBJECTIVES for row in play(mixture, objective, seed)]


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds at the last look, with the paper's rows and a perfect sampler's."""
    last, mixture = max(row["step"] for row in rows), rows[0]["mixture"]
    seeds = len({row["seed"] for row in rows})
    lines = [f"{mixture}, {last:,} steps of the paper's {PAPER_STEPS:,}, {seeds} seeds: modes of {rows[0]['of']}, % good"]
    for objective in OBJECTIVES:
        chosen = [row for row in rows if row["objective"] == objective and row["step"] == last]
        modes, good = (torch.tensor([float(row[name]) for row in chosen]) for name in ("modes", "good"))
        spread = [x.std().item() if len(x) > 1 else 0.0 for x in (modes, 100 * good)]
        lines.append(f"  {objective:<16}{modes.mean():5.1f} ± {spread[0]:.1f}{100 * good.mean():8.1f} ± {spread[1]:.1f}")
    for name, (modes, good) in PAPER[mixture].items():
        lines.append(f"  {name + ' (paper)':<16}{modes:5.1f}{good:14.1f}")
    lines.append(f"  {'perfect sampler':<16}{rows[0]['of']:5.1f}{100 * metrics.perfect_share(2):14.1f}")
    return "\n".join(lines)
