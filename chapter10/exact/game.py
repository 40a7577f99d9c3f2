"""The GAN game between two densities that are known. All values are in nats.

- The best discriminator p / (p + q) and the value it reaches, -log 4 + 2 JSD(p, q): Goodfellow et al. 2014,
  Generative adversarial nets, section 4.1. Chapter section 10.3.2.
- The gradient that a discriminator gives to a generator, by the chapter's objective and by its code, and how the
  first vanishes: Goodfellow et al. 2014, section 3; Arjovsky and Bottou 2017, Towards principled methods for
  training generative adversarial networks, theorems 2.4 and 2.5.
- The Wasserstein distance on a line, which still grows where the JSD has come to its end: Arjovsky, Chintala and
  Bottou 2017, Wasserstein GAN.

p is the data's density and q the generator's. A density is given by its logarithm at the points of a grid, in a
tensor of any shape, with quadrature weights of the same shape: the functions do not ask how many dimensions the grid
has. Sums are made and returned in float64. P points of an axis, N samples.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor

MASS_TOLERANCE = 1e-3  # by how much a density's integral over the grid may miss 1


# Grids


def grid_weights(axis_1: Tensor, axis_2: Tensor | None = None) -> Tensor:
    """Weights of the trapezoid rule, [P] for one axis and [P2, P1] for two: sum(weights * f) is the integral of f.

    For a density that is smooth and falls to 0 at both ends, the rule is exact to the last digits once the spacing
    is below its width. An axis must rise; its spacing need not be even.
    """
    weights = _axis_weights("axis_1", axis_1)
    return weights if axis_2 is None else torch.outer(_axis_weights("axis_2", axis_2), weights)


def grid_points(axis_1: Tensor, axis_2: Tensor) -> Tensor:
    """The points [P2, P1, 2] of a plane grid: [i, j] is (axis_1[j], axis_2[i]), as `imshow(origin="lower")` draws it."""
    x_2, x_1 = torch.meshgrid(axis_2, axis_1, indexing="ij")
    return torch.stack([x_1, x_2], -1)


def values_and_slopes(function: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    """A function at points and its slope there, by autograd: logits and their slope, or log q and its score.

    Points are [P] on a line, and [..., D] in D dimensions, which the function gets as [N, D]. The values have the
    shape [P] or [...], the slopes that of the points. Each value must depend on its own point alone.
    """
    _check_any_shape("points", points)
    flat = (points if points.ndim == 1 else points.flatten(0, -2)).detach().clone().requires_grad_()
    with torch.enable_grad():
        values = function(flat)
        if not isinstance(values, Tensor) or values.numel() != len(flat):
            found = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InputError(
                "function gave {found} for points {shape}; expected one value a point.",
                found=found,
                shape=list(flat.shape),
            )
        if not values.requires_grad:
            raise InputError(
                "function gave values that do not depend on the points: autograd finds no slope."
            )
        (slopes,) = torch.autograd.grad(values.sum(), flat)
    shape = points.shape if points.ndim == 1 else points.shape[:-1]
    return values.detach().reshape(shape), slopes.reshape(points.shape)


# What the best discriminator knows


class BestDiscriminator(NamedTuple):
    """D* = p / (p + q) and its logits log p - log q, both of the densities' shape."""

    probability: Tensor
    logits: Tensor


def best_discriminator(log_p: Tensor, log_q: Tensor) -> BestDiscriminator:
    """The discriminator that no other beats, point by point, right also where both densities underflow.

    Where both are exactly zero (-inf), the game does not see D, and it is 1/2.
    """
    _check_any_shape("log_p", log_p)
    check_tensor("log_q", log_q, tuple(log_p.shape))
    for name, value in (("log_p", log_p), ("log_q", log_q)):
        _check_log(name, value)
    logits = torch.where(torch.isneginf(log_p) & torch.isneginf(log_q), 0.0, log_p - log_q)
    return BestDiscriminator(logits.sigmoid(), logits)


def value(log_p: Tensor, log_q: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
    """V(D, G) = E_p[log D] + E_q[log(1 - D)] of any discriminator, given by its logits."""
    log_p, log_q, weights = _densities(weights, log_p=log_p, log_q=log_q)
    check_tensor("logits", logits, tuple(weights.shape))
    return _mean(log_p, logsigmoid(logits.double()), weights) + _mean(
        log_q, logsigmoid(-logits.double()), weights
    )


def best_value(log_p: Tensor, log_q: Tensor, weights: Tensor) -> Tensor:
    """V(D*, G) = -log 4 + 2 JSD(p, q): the least it can be is -log 4, where q = p; the most is 0."""
    return -math.log(4) + 2 * jensen_shannon(log_p, log_q, weights)


def kl_divergence(log_p: Tensor, log_q: Tensor, weights: Tensor) -> Tensor:
    """KL(p || q), infinite where q is exactly zero and p is not."""
    log_p, log_q, weights = _densities(weights, log_p=log_p, log_q=log_q)
    return _mean(log_p, log_p - log_q, weights).clamp(min=0)  # below 0 only by what the grid errs


def jensen_shannon(log_p: Tensor, log_q: Tensor, weights: Tensor) -> Tensor:
    """The Jensen-Shannon divergence, from 0 for equal densities to log 2 for densities without common ground."""
    log_p, log_q, weights = _densities(weights, log_p=log_p, log_q=log_q)
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    halves = _mean(log_p, log_p - log_middle, weights) + _mean(log_q, log_q - log_middle, weights)
    return (halves / 2).clamp(0, math.log(2))  # outside only by what the grid errs


# What the generator learns from it


class GeneratorGradients(NamedTuple):
    """d/dtheta of what a generator x = z + theta minimises, [] on a line and [D] in D dimensions.

    minimax: of E_q[log(1 - D)], the chapter's objective, called saturating.
    non_saturating: of -E_q[log D], what the chapter's code trains with.
    """

    minimax: Tensor
    non_saturating: Tensor


def minimax_slope(logits: Tensor, slope: Tensor) -> Tensor:
    """The slope of log(1 - D) at each fake: -D times the slope of the logits. It vanishes where D is sure of fakes."""
    return -_beside(logits.sigmoid(), slope) * slope


def non_saturating_slope(logits: Tensor, slope: Tensor) -> Tensor:
    """The slope of -log D at each fake: -(1 - D) times that of the logits, all of it where D is sure of fakes."""
    return -_beside((-logits).sigmoid(), slope) * slope


def generator_gradients(log_q: Tensor, logits: Tensor, slope: Tensor, weights: Tensor) -> GeneratorGradients:
    """Both gradients for a generator that shifts its density, x = z + theta, given any discriminator.

    Moving the generator by dtheta moves each fake by as much, so the gradient is the average over q of the slope of
    the loss in x. At D*, given as constant, the first is that of 2 JSD(p, q), and the second that of
    KL(q || p) - 2 JSD(p, q) (Arjovsky and Bottou 2017, theorem 2.5).

    Args:
        logits: of D, of the shape of log_q. slope: of the logits in x, of that shape, or with D numbers a point in a
            last dimension; `values_and_slopes` gives both.
    """
    log_q, weights = _densities(weights, log_q=log_q)
    check_tensor("logits", logits, tuple(weights.shape))
    _check_slope("slope", slope, weights)
    logits, slope = logits.double(), slope.double()
    if not slope.isfinite()[log_q.exp() > 0].all():
        raise InputError(
            "slope is not finite at points where q has mass: give a discriminator with a slope there."
        )
    return GeneratorGradients(
        _mean(log_q, minimax_slope(logits, slope), weights),
        _mean(log_q, non_saturating_slope(logits, slope), weights),
    )


def jensen_shannon_gradient(log_p: Tensor, log_q: Tensor, score: Tensor, weights: Tensor) -> Tensor:
    """d/dtheta JSD(p, q_theta) for q shifted by theta, [] or [D], from the score of q: the slope of log q in x.

    The density at a point then changes by -q times the score. No discriminator occurs in it.
    """
    log_p, log_q, weights = _densities(weights, log_p=log_p, log_q=log_q)
    _check_slope("score", score, weights)
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    score = score.double()
    return _mean(log_q, -_beside(log_q - log_middle, score) * score, weights) / 2


# The Wasserstein distance on a line


def wasserstein_1d(samples_a: Tensor, samples_b: Tensor) -> Tensor:
    """The least mean distance by which samples [N] must move to become samples [M], as the area between both
    distribution functions: exact for any N and M. For N = M it pairs the sorted samples."""
    for name, samples in (("samples_a", samples_a), ("samples_b", samples_b)):
        check_tensor(name, samples, ("N",))
        if not samples.isfinite().all():
            raise InputError(
                "{name} has values that are not finite; a distance needs finite ones.",
                name=name,
            )
    a, b = samples_a.double().sort().values, samples_b.double().sort().values
    every = torch.cat([a, b]).sort().values
    below_a, below_b = (
        torch.searchsorted(s.detach(), every[:-1], right=True).double() / len(s) for s in (a, b)
    )
    return ((below_a - below_b).abs() * every.diff()).sum()


def wasserstein_1d_density(log_p: Tensor, log_q: Tensor, axis: Tensor) -> Tensor:
    """The integral of |F - G| for the distribution functions of two densities [P] on one axis [P]."""
    weights = grid_weights(axis)
    log_p, log_q, _ = _densities(weights, log_p=log_p, log_q=log_q)
    widths = axis.double().diff()
    difference = torch.zeros(len(axis), dtype=torch.float64, device=axis.device)
    difference[1:] = torch.cumulative_trapezoid(log_p.exp() - log_q.exp(), axis.double())
    left, right = difference[:-1], difference[1:]
    same = left * right >= 0
    # Where F and G cross between two points, two triangles remain of the trapezoid.
    size = left.abs() + right.abs()
    crossed = (left**2 + right**2) / (2 * torch.where(same, 1.0, size))
    return (torch.where(same, size / 2, crossed) * widths).sum()


# Checks


def _axis_weights(name: str, axis: Tensor) -> Tensor:
    check_tensor(name, axis, ("P",))
    widths = axis.double().diff()
    if len(axis) < 2 or not (widths > 0).all() or not axis.isfinite().all():
        raise InputError(
            "{name} must hold at least two finite values in rising order, as torch.linspace gives them.",
            name=name,
        )
    weights = torch.zeros(len(axis), dtype=torch.float64, device=axis.device)
    weights[:-1] += widths / 2
    weights[1:] += widths / 2
    return weights


def _check_any_shape(name: str, value: Tensor) -> None:
    check_tensor(name, value, ("P",) * getattr(value, "ndim", 1))


def _check_slope(name: str, slope: Tensor, weights: Tensor) -> None:
    """One number a point, or D numbers in a last dimension."""
    check_tensor(name, slope, tuple(weights.shape) + ("D",) * (getattr(slope, "ndim", 0) > weights.ndim))


def _check_log(name: str, log_density: Tensor) -> None:
    bad = int((log_density.isnan() | torch.isposinf(log_density)).sum())
    if bad:
        raise InputError(
            "{name} is NaN or +inf at {bad} of {value} points; give log densities.",
            name=name,
            bad=bad,
            value=log_density.numel(),
        )


def _densities(weights: Tensor, **logs: Tensor) -> tuple[Tensor, ...]:
    """The log densities and the weights in float64, after a look at shapes and at each density's mass."""
    _check_any_shape("weights", weights)
    if not (weights.isfinite() & (weights >= 0)).all():
        raise InputError(
            "weights must be finite and from 0 up: exact.grid_weights gives them for an axis or two."
        )
    for name, log_density in logs.items():
        check_tensor(name, log_density, tuple(weights.shape))
        _check_log(name, log_density)
        mass = float((weights.double() * log_density.detach().double().exp()).sum())
        if abs(mass - 1) > MASS_TOLERANCE:
            raise InputError(
                "{name} has a mass of {mass:.4g} on this grid, where a density has 1: widen the grid or make it "
                "finer, and give the logarithm of a normalised density.",
                name=name,
                mass=mass,
            )
    return (*(log_density.double() for log_density in logs.values()), weights.double())


def _mean(log_density: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """The mean of values [...] or [..., D] under a density, [] or [D]; what stands where it is 0 does not count."""
    density = _beside(log_density.exp(), values)
    terms = torch.where(density > 0, density * values, 0.0) * _beside(weights, values)
    return terms.sum(tuple(range(log_density.ndim)))


def _beside(factor: Tensor, values: Tensor) -> Tensor:
    """A factor for each point, with a dimension more where the values have one."""
    return factor if factor.ndim == values.ndim else factor.unsqueeze(-1)
