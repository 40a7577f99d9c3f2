"""Mode coverage: how many of a mixture's modes does a sampler reach, and how many of its samples lie at one?

The protocol of Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN): a sample is good within 3σ of its nearest
mode, and a mode is reached with one sample within 3σ of it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import GaussianMixture
from chapter10.errors import InputError
from chapter10.language import say

PER_MODE = 10  # samples of a perfect sampler, at least: it then misses a given mode in 1 of 20,000 cases


class ModeCoverage(NamedTuple):
    """Which modes samples reach.

    Attributes:
        modes: how many are reached, of `total`. good: share of samples within `radius` σ of their nearest mode.
        ceiling: of `good`: what a perfect sampler gets in the mean.
        kl: KL divergence of the samples' shares of the modes from the mixture's weights, in nats; each sample, good or
            not, counts at its nearest mode. A perfect sampler gets (total − 1) / (2 · samples), in the mean.
        counts: good samples at each mode. samples: how many were given.
    """

    modes: int
    total: int
    good: float
    ceiling: float
    kl: float
    counts: tuple[int, ...]
    samples: int
    radius: float

    def __repr__(self) -> str:
        return say(
            "{modes} of {total} modes, {good:.2f} % of {samples:,} samples within {radius:g}σ of one (a perfect sampler: {ceiling:.2f} %), "
            "KL over the modes {kl:.3g} nats",
            modes=self.modes, total=self.total, good=100 * self.good, samples=self.samples, radius=self.radius,
            ceiling=100 * self.ceiling, kl=self.kl,
        )  # fmt: skip


def mode_coverage(mixture: GaussianMixture, points: Tensor, radius: float = 3.0) -> ModeCoverage:
    """Hold samples against the mixture they should come from, such as `data.ring()` or `data.grid()`.

    Args:
        points: [N, dimensions], N at least 10 for each mode (of the rarest mode, where weights differ).
        radius: in standard deviations; modes should lie further apart than twice as much.
    """
    modes, dimensions = mixture.means.shape
    weights = torch.full((modes,), 1 / modes) if mixture.weights is None else mixture.weights
    if points.ndim != 2 or points.shape[1] != dimensions or not points.is_floating_point():
        raise InputError(
            "The mixture takes points [N, {dimensions}] of floats, found {dtype} {shape}.",
            dimensions=dimensions,
            dtype=points.dtype,
            shape=list(points.shape),
        )
    needed = math.ceil(
        PER_MODE / weights[weights > 0].min().item() - 1e-3
    )  # 1/25 is a little less in float32
    if len(points) < needed:
        raise InputError(
            "{count:,} samples are too few to look for {modes} modes: give at least {needed:,}.",
            count=len(points),
            modes=modes,
            needed=needed,
        )
    if not points.isfinite().all():
        raise InputError("Some points are NaN or infinite: the generator that made them has diverged.")
    distance = (points.detach().double().unsqueeze(1) - mixture.means.double()).norm(
        dim=2
    )  # (N, 1, d) − (K, d) -> (N, K)
    near = distance <= radius * mixture.std
    nearest = distance.argmin(1)
    share = nearest.bincount(minlength=modes).double() / len(points)
    return ModeCoverage(
        modes=int(near.any(0).sum()),
        total=modes,
        good=near.any(1).double().mean().item(),
        ceiling=perfect_share(dimensions, radius),
        kl=(torch.xlogy(share, share) - torch.xlogy(share, weights.double())).sum().item(),
        counts=tuple(nearest[near.any(1)].bincount(minlength=modes).tolist()),
        samples=len(points),
        radius=radius,
    )


def perfect_share(dimensions: int, radius: float = 3.0) -> float:
    """How much of a round Gaussian lies within `radius` standard deviations of its mean.

    The squared distance has a χ² distribution with as many degrees of freedom as dimensions: P(d/2, r²/2), which is
    1 − e^(−r²/2) in two dimensions.
    """
    half = torch.tensor([dimensions / 2, radius**2 / 2], dtype=torch.float64)
    return torch.special.gammainc(half[0], half[1]).item()
