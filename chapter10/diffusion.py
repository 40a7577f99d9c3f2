"""A VAE whose encoder is fixed, in one step or in many: a diffusion model on a line, with nothing estimated.

Sohl-Dickstein et al. 2015, Deep unsupervised learning using nonequilibrium thermodynamics; Ho, Jain and Abbeel 2020,
Denoising diffusion probabilistic models; as a deep VAE: Kingma et al. 2021, Variational diffusion models. What comes
after the chapter.

The encoder adds noise: x_t = α_t x_0 + √(1 − α_t²) ε, for α falling from near 1 to near 0 in T steps. It learns nothing.
The decoder goes back by T steps p(x_{t−1}|x_t), each a Gaussian, from x_T ~ N(0, 1). For data from a mixture of Gaussians the
best such decoder is known, and with it the ELBO. All values are in nats, averaged over the data. P points of an axis.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import GaussianMixture
from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor
from chapter10.exact.game import MASS_TOLERANCE, grid_weights, kl_divergence
from chapter10.flow import log_normal


class Reverse(NamedTuple):
    """Mean and standard deviation [P] of q(x_{t−1}|x_t) at points x_t [P]: no Gaussian step is better than with these two."""

    mean: Tensor
    std: Tensor


class Bound(NamedTuple):
    """The ELBO in terms of what it lacks, each a scalar: value = −entropy − prior − steps.sum().

    Attributes:
        entropy: of the data; −entropy is the mean of log p(x), which no model exceeds.
        prior: KL(q(x_T) ‖ N(0, 1)).
        steps: [T], of each step the mean over x_t of KL(q(x_{t−1}|x_t) ‖ p(x_{t−1}|x_t)), the step t = 1 first.
    """

    entropy: Tensor
    prior: Tensor
    steps: Tensor

    @property
    def gap(self) -> Tensor:
        return self.prior + self.steps.sum()

    @property
    def value(self) -> Tensor:
        return -self.entropy - self.gap


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A mixture on a line, noised in T steps, and the best decoder of Gaussian steps.

    Args:
        data: a mixture with means [K, 1], float64.
        signal: α [T], falling, each above 0 and below 1: how much of x_0 is left in x_1, ..., x_T.
    Raises InputError for a mixture in a plane, or signals that do not fall between 1 and 0.
    """

    data: GaussianMixture
    signal: Tensor

    def __post_init__(self) -> None:
        check_tensor("data.means", self.data.means, ("K", 1))
        check_tensor("signal", self.signal, ("T",), self.data.means, "data.means")
        every = torch.cat([self.signal.new_ones(1), self.signal])
        if not (every.diff() < 0).all() or not self.signal[-1] > 0:
            raise InputError(
                "signal is {value}; give numbers that fall, below 1 and above 0.",
                value=[round(a, 4) for a in self.signal.tolist()],
            )

    def marginal(self, t: int) -> GaussianMixture:
        """q(x_t): the data, shrunk by α_t and blurred by √(1 − α_t²); for t = 0 the data."""
        alpha = self._alpha(t)
        std = math.sqrt(alpha**2 * self.data.std**2 + 1 - alpha**2)
        return GaussianMixture(alpha * self.data.means, std, self.data.weights)

    def reverse(self, t: int, x: Tensor) -> Reverse:
        """The moments of q(x_{t−1}|x_t = x) at points x [P]: each component's Gaussian posterior, weighed by how likely it made x."""
        check_tensor("x", x, ("P",), self.data.means, "data.means")
        keep, noise = self._step(t)
        before = self.marginal(t - 1)
        share = self.marginal(t).log_prob_components(x[:, None]).softmax(1)  # [P, K]
        spread = 1 / (1 / before.std**2 + keep**2 / noise**2)  # of each component, the same for all
        centre = spread * (before.means[:, 0] / before.std**2 + keep * x[:, None] / noise**2)  # [P, K]
        mean = (share * centre).sum(1)
        between = (share * (centre - mean[:, None]).square()).sum(1)
        return Reverse(mean, (spread + between).sqrt())

    def bound(self, axis: Tensor) -> Bound:
        """The ELBO of the best decoder, by quadrature on an axis [P] that holds all densities.

        q is Markov in both directions, so E[log p(x)] − ELBO = KL(q(x_0..x_T) ‖ p(x_0..x_T)) falls into one KL a step. That
        of a density against the Gaussian of its own moments is the difference of their entropies.
        """
        weights = grid_weights(axis)
        entropies = [_entropy(self.marginal(t), axis, weights) for t in range(self.count + 1)]
        steps = []
        for t in range(1, self.count + 1):
            density = self.marginal(t).log_prob(axis[:, None]).exp()
            gaussian = (weights * density * _gaussian_entropy(self.reverse(t, axis).std)).sum()
            noise = axis.new_tensor(self._step(t)[1])
            # H(x_{t−1}|x_t) by Bayes' rule: H(x_{t−1}) + H(x_t|x_{t−1}) − H(x_t)
            steps.append(gaussian - (entropies[t - 1] + _gaussian_entropy(noise) - entropies[t]))
        last = self.marginal(self.count).log_prob(axis[:, None])
        return Bound(entropies[0], kl_divergence(last, log_normal(axis), weights), torch.stack(steps))

    def model_density(self, axis: Tensor) -> Tensor:
        """p(x_0) [P] of the model itself: N(0, 1) carried back through the T steps, on an axis [P].

        Spacing well below the narrowest step is needed: the mass is looked at.
        Raises InputError where it misses 1.
        """
        weights, density = grid_weights(axis), log_normal(axis).exp()
        for t in range(self.count, 0, -1):
            mean, std = self.reverse(t, axis)
            standard = (axis[:, None] - mean) / std  # [P of x_{t−1}, P of x_t]
            density = (log_normal(standard).exp() / std) @ (weights * density)
        mass = float((weights * density).sum())
        if abs(mass - 1) > MASS_TOLERANCE:
            raise InputError(
                "The model's density has a mass of {mass:.4g} on this axis; widen it or make it finer.",
                mass=mass,
            )
        return density

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n points [T + 1, n]: the draws x_T from N(0, 1) first, then each step back, x_0 last."""
        if n < 1:
            raise InputError("n is {n}; ask for at least one sample.", n=n)
        noise = torch.randn(self.count + 1, n, generator=generator, dtype=self.signal.dtype)
        path = [noise[0]]
        for t in range(self.count, 0, -1):
            mean, std = self.reverse(t, path[-1])
            path.append(mean + std * noise[t])
        return torch.stack(path)

    @property
    def count(self) -> int:
        """T, the number of steps."""
        return len(self.signal)

    def _alpha(self, t: int) -> float:
        if not 0 <= t <= self.count:
            raise InputError("There is no x_{t}: t goes from 0 to {count}.", t=t, count=self.count)
        return 1.0 if t == 0 else float(self.signal[t - 1])

    def _step(self, t: int) -> tuple[float, float]:
        """x_t = keep · x_{t−1} + noise · ε."""
        if t == 0:
            raise InputError("The steps are t = 1 to T: there is none before the data.")
        keep = self._alpha(t) / self._alpha(t - 1)
        return keep, math.sqrt(1 - keep**2)


def cosine_signal(steps: int, last: float = 0.02) -> Tensor:
    """α [T], float64, falling like a cosine from below 1 to `last` (Nichol and Dhariwal 2021, without their offset)."""
    if steps < 1 or not 0 < last < 1:
        raise InputError(
            "steps is {steps} and last is {last}; give a step or more, and a signal between 0 and 1.",
            steps=steps,
            last=last,
        )
    return (torch.arange(1, steps + 1, dtype=torch.float64) / steps * math.acos(last)).cos()


def _entropy(mixture: GaussianMixture, axis: Tensor, weights: Tensor) -> Tensor:
    log_density = mixture.log_prob(axis[:, None])
    return -(weights * log_density.exp() * log_density).sum()


def _gaussian_entropy(std: Tensor) -> Tensor:
    return std.log() + 0.5 * math.log(2 * math.pi * math.e)
