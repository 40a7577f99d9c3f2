"""What a critic can find of the Wasserstein distance on a line, by how it is kept from being too steep. All exact.

- Any function of slope 1 at most: W itself (Kantorovich and Rubinstein 1958), by `best_critic`.
- One hidden layer of H (leaky) ReLU with all weights and biases in [-c, c] (Arjovsky, Chintala and Bottou 2017): the best
  has H equal units, so it is H c times the largest difference that one unit sees. Its slope is at most H c^2.
- One hidden layer of ReLU whose weight matrices have the largest singular value 1 (Miyato et al. 2018): as much as a
  single unit of slope 1 finds; all of W only where one distribution lies to one side of the other.
- Any function that pays lambda (|f'| - 1)^2 on the straight lines between real and generated data (Gulrajani et al.
  2017): more than W, for the best slope exceeds 1 by |F - G| / (2 lambda m), where m is the density of the places that
  the penalty looks at.

Distributions are given by samples: a [N], the data, and b [M], the generator's, at their distribution functions F and G.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor

MOST_PAIRS = 4_000_000  # of a real and a generated sample, for the penalty's places


class Unit(NamedTuple):
    """The best critic of a class whose critics are sums of units, all of which are then the same.

    Attributes:
        estimate: E f(a) - E f(b).
        weight, bias, factor: f(x) = factor * relu(weight * x + bias).
        steepest: the largest slope that the class allows: no estimate exceeds this times W.
    """

    estimate: Tensor
    weight: float
    bias: float
    factor: float
    steepest: float

    def __call__(self, x: Tensor) -> Tensor:
        """f at points [P]."""
        return self.factor * (self.weight * x + self.bias).relu()


class Steps(NamedTuple):
    """A critic made of straight pieces.

    Attributes:
        estimate: E f(a) - E f(b).
        knots: [K], rising, between which slopes: [K - 1] hold; outside, f is flat.
    """

    estimate: Tensor
    knots: Tensor
    slopes: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """f at points [P], 0 at the first knot."""
        rise = torch.cat([torch.zeros(1, dtype=torch.float64), (self.slopes * self.knots.diff()).cumsum(0)])
        x = x.double()
        inside = x.clamp(self.knots[0], self.knots[-1])
        piece = torch.searchsorted(self.knots, inside, right=True).sub(1).clamp(0, len(self.slopes) - 1)
        return rise[piece] + self.slopes[piece] * (inside - self.knots[piece])


def best_critic(samples_a: Tensor, samples_b: Tensor) -> Steps:
    """The best of all critics of slope 1 at most: it rises wherever b lies before a. Its estimate is `wasserstein_1d`."""
    knots, ahead = _ahead(samples_a, samples_b)
    slopes = ahead.sign()
    return Steps((slopes * ahead * knots.diff()).sum(), knots, slopes)


def penalty_critic(samples_a: Tensor, samples_b: Tensor, penalty: float = 10.0) -> Steps:
    """The best critic under the penalty lambda (|f'| - 1)^2, of all functions: the estimate exceeds the distance.

    The penalty looks at e a + (1 - e) b for a real and a generated sample, each pair as likely, and e from U(0, 1): the
    density m of these is a mean of uniform ones. Minimised piece by piece, |f'| = 1 + |F - G| / (2 lambda m).
    """
    if not 0 < penalty < math.inf:
        raise InputError(
            "penalty is {penalty}; give a weight above 0: without one the best critic is infinitely steep.",
            penalty=penalty,
        )
    knots, ahead = _ahead(samples_a, samples_b)
    if len(samples_a) * len(samples_b) > MOST_PAIRS:
        raise InputError(
            "{count:,} and {count_2:,} samples make too many pairs; give 2,000 of each at most.",
            count=len(samples_a),
            count_2=len(samples_b),
        )
    widths = knots.diff()
    density = _between(samples_a.double(), samples_b.double(), knots)
    # Where no line passes, F = G: each sample has one to the other kind across any gap that parts them.
    slopes = torch.where(ahead == 0, 0.0, ahead.sign() + ahead / (2 * penalty * density.clamp(min=1e-300)))
    return Steps((slopes * ahead * widths).sum(), knots, slopes)


def clipped_critic(samples_a: Tensor, samples_b: Tensor, clip: float, hidden_dim: int = 1) -> Unit:
    """The best critic of one hidden layer of `hidden_dim` ReLU whose weights and biases all lie in [-clip, clip].

    f = sum_j v_j relu(w_j x + b_j) + constant is linear in each v_j, so the best is v_j = +-clip with every unit at the
    (w, b) that sees the largest difference. That difference is linear between kinks, so it is largest on the edge of
    the square of (w, b), with a kink at a sample, or in a corner: all of these are tried.
    """
    if not 0 < clip < math.inf:
        raise InputError("clip is {clip}; give a bound for the weights above 0, such as 0.1.", clip=clip)
    if not isinstance(hidden_dim, int) or hidden_dim < 1:
        raise InputError(
            "hidden_dim is {hidden_dim!r}; give a whole number of units from 1 up.",
            hidden_dim=hidden_dim,
        )
    every = _every(samples_a, samples_b)
    w, b = [], []
    for sign in (clip, -clip):
        bias = -sign * every  # w = +-c, and a kink at each sample
        kept = bias[bias.abs() <= clip]
        w.append(torch.full_like(kept, sign)), b.append(kept)
        weight = -sign / every[every != 0]  # b = +-c, and a kink at each sample
        kept = weight[weight.abs() <= clip]
        w.append(kept), b.append(torch.full_like(kept, sign))
    corners = torch.tensor([[clip, clip], [clip, -clip], [-clip, clip], [-clip, -clip]], dtype=torch.float64)
    w, b = torch.cat([*w, corners[:, 0]]), torch.cat([*b, corners[:, 1]])
    seen = _seen(samples_a, samples_b, w, b)
    at = int(seen.abs().argmax())
    factor = hidden_dim * clip * float(seen[at].sign())
    return Unit(factor * seen[at], float(w[at]), float(b[at]), factor, hidden_dim * clip**2)


def spectral_critic(samples_a: Tensor, samples_b: Tensor) -> Unit:
    """The best critic of one hidden layer of ReLU, of any width, whose two weight matrices have the largest singular value 1.

    Of f = v . relu(w x + b) with |v| = |w| = 1, the sum of |v_j w_j| is at most 1: f is a weighted mean of units of slope
    1, and no better than the best of these. The difference that a unit sees is linear between samples: they are tried.
    """
    every = _every(samples_a, samples_b)
    w = torch.ones_like(every)
    w, b = torch.cat([w, -w]), torch.cat([-every, every])
    seen = _seen(samples_a, samples_b, w, b)
    at = int(seen.abs().argmax())
    factor = float(seen[at].sign())
    return Unit(factor * seen[at], float(w[at]), float(b[at]), factor, 1.0)


def _every(samples_a: Tensor, samples_b: Tensor) -> Tensor:
    for name, samples in (("samples_a", samples_a), ("samples_b", samples_b)):
        check_tensor(name, samples, ("N",))
        if not samples.isfinite().all():
            raise InputError(
                "{name} has values that are not finite; a distance needs finite ones.",
                name=name,
            )
    return torch.cat([samples_a, samples_b]).detach().double().unique()


def _ahead(samples_a: Tensor, samples_b: Tensor) -> tuple[Tensor, Tensor]:
    """All samples in rising order [K], and G - F between each two neighbours [K - 1]: E f' (G - F) is what f finds."""
    knots = _every(samples_a, samples_b)
    if len(knots) < 2:
        raise InputError(
            "All samples are the same number: there is nothing between them for a critic to rise over."
        )
    below = [
        torch.searchsorted(s.detach().double().sort().values, knots[:-1], right=True).double() / len(s)
        for s in (samples_a, samples_b)
    ]
    return knots, below[1] - below[0]


def _seen(samples_a: Tensor, samples_b: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """E relu(w a + b) - E relu(w b' + b) of units [U], a piece at a time: bounded memory."""
    means = []
    for samples in (samples_a, samples_b):
        x = samples.detach().double()
        pieces = zip(w.split(1000), b.split(1000))
        means.append(torch.cat([(p[:, None] * x + q[:, None]).relu().mean(1) for p, q in pieces]))
    return means[0] - means[1]


def _between(a: Tensor, b: Tensor, knots: Tensor) -> Tensor:
    """The density [K - 1] between neighbouring knots of e a + (1 - e) b, each pair as likely."""
    low, high = torch.minimum(a[:, None], b), torch.maximum(a[:, None], b)
    apart = high > low  # a pair of equal numbers puts its mass on a point, between no two knots
    low, high = low[apart], high[apart]
    each = 1 / (high - low) / (len(a) * len(b))
    change = torch.zeros(len(knots), dtype=torch.float64)
    change.index_add_(0, torch.searchsorted(knots, low), each)
    change.index_add_(0, torch.searchsorted(knots, high), -each)
    return change.cumsum(0)[:-1]
