"""The evidence log p(x), exactly. All values are in nats.

- A linear-Gaussian latent variable model, where log p(x), the posterior and the ELBO have closed forms:
  Tipping and Bishop 1999, Probabilistic principal component analysis; as a linear VAE in Lucas et al. 2019,
  Don't blame the ELBO! Chapter section 10.2.3.
- log p(x) of any decoder with two latent dimensions, by the trapezoid rule: Trefethen and Weideman 2014, The
  exponentially convergent trapezoidal rule. Chapter section 10.2.3.

B batch, D data dimensions, L latent dimensions, G grid points, P points of an axis. Use float64 where the last
digits matter.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor
from chapter10.vae import ELBO, gaussian_kl

Decoder = Callable[[Tensor], Tensor]  # z [G, 2] -> logits [G, D]
LogLikelihood = Callable[[Tensor, Tensor], Tensor]  # logits [G, D], x [B, D] -> log p(x|z) [B, G]

MASS_DEPTH = 20.0  # nats below its peak at which a posterior counts as zero when a grid is refined
MAX_HALVINGS = 7  # of the spacing, before the quadrature returns with the error that it has


# A model in which everything is known


class BestELBO(NamedTuple):
    """The highest ELBO that a diagonal Gaussian reaches, [B], and its mu and log_var, [B, L]."""

    elbo: Tensor
    mu: Tensor
    log_var: Tensor


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """p(z) = N(0, I) and p(x|z) = N(Wz + b, s^2 I), with weight W [D, L], bias b [D] and noise_std s > 0.

    Its evidence is p(x) = N(b, W W^T + s^2 I) and its posterior is Gaussian, with one covariance for all x.
    Raises InputError where shapes, dtypes or values do not fit.
    """

    weight: Tensor
    bias: Tensor
    noise_std: float

    def __post_init__(self) -> None:
        check_tensor("weight", self.weight, ("D", "L"))
        check_tensor("bias", self.bias, (self.weight.shape[0],), self.weight)
        if not 0 < self.noise_std < math.inf:
            raise InputError(
                "noise_std is {noise_std}; give a finite number above 0.",
                noise_std=self.noise_std,
            )

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw z from the prior, then x given z: (x [n, D], z [n, L])."""
        if n < 1:
            raise InputError("n is {n}; ask for at least one sample.", n=n)
        data_dim, latent_dim = self.weight.shape
        like = {"dtype": self.weight.dtype, "device": self.weight.device}
        z = torch.randn(n, latent_dim, generator=generator, **like)
        noise = torch.randn(n, data_dim, generator=generator, **like)
        return z @ self.weight.T + self.bias + self.noise_std * noise, z

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) [B] = log N(x; b, W W^T + s^2 I), for x [B, D]."""
        self._check(x)
        data_dim = len(self.bias)
        identity = torch.eye(data_dim).to(self.weight)
        root = _cholesky("W W^T + s^2 I", self.weight @ self.weight.T + self.noise_std**2 * identity)
        whitened = torch.linalg.solve_triangular(root, (x - self.bias).T, upper=False)  # [D, B]
        log_det = 2 * root.diagonal().log().sum()
        return -0.5 * (whitened.square().sum(0) + log_det + data_dim * math.log(2 * math.pi))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """p(z|x) = N(mean, covariance): mean [B, L], and the covariance [L, L] that all x share."""
        self._check(x)
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(self._precision()))
        return (x - self.bias) @ self.weight @ covariance / self.noise_std**2, covariance

    def elbo(self, x: Tensor, mu: Tensor, log_var: Tensor) -> ELBO:
        """The ELBO of q(z|x) = N(mu, diag(exp(log_var))), both [B, L], with both expectations in closed form.

        Its KL term is the `gaussian_kl` that the VAE trains with: log p(x) - ELBO = gap holds that to account too.
        """
        self._check(x, mu, log_var)
        variance = self.noise_std**2
        # E|x - b - Wz|^2: the squared error at the mean of q, and what the spread of q adds to it.
        error = (x - self.bias - mu @ self.weight.T).square().sum(-1)
        spread = (log_var.exp() * self.weight.square().sum(0)).sum(-1)
        log_normaliser = 0.5 * len(self.bias) * math.log(2 * math.pi * variance)
        reconstruction = -0.5 * (error + spread) / variance - log_normaliser
        kl = gaussian_kl(mu, log_var)
        return ELBO(reconstruction - kl, reconstruction, kl)

    def best_elbo(self, x: Tensor) -> BestELBO:
        """The best diagonal Gaussian: the posterior's mean, and 1 / (diagonal of its precision) for variances.

        These variances are at most the posterior's own marginal ones: what q cannot tilt, it narrows
        (Bishop, "Pattern recognition and machine learning", 2006, section 10.1.2).
        """
        mu, _ = self.posterior(x)
        log_var = -self._precision().diagonal().log().expand_as(mu)
        return BestELBO(self.elbo(x, mu, log_var).value, mu, log_var)

    def gap(self, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        """KL(q || p(z|x)) [B], from the two Gaussians alone: neither log p(x) nor the ELBO is computed."""
        self._check(x, mu, log_var)
        return gaussian_kl_full(mu, torch.diag_embed(log_var.exp()), *self.posterior(x))

    def _precision(self) -> Tensor:
        """Inverse of the posterior's covariance, [L, L]: the prior's I plus W^T W / s^2."""
        identity = torch.eye(self.weight.shape[1]).to(self.weight)
        return identity + self.weight.T @ self.weight / self.noise_std**2

    def _check(self, x: Tensor, mu: Tensor | None = None, log_var: Tensor | None = None) -> None:
        data_dim, latent_dim = self.weight.shape
        check_tensor("x", x, ("B", data_dim), self.weight)
        for name, value in (("mu", mu), ("log_var", log_var)):
            if value is not None:
                check_tensor(name, value, (len(x), latent_dim), self.weight)


def gaussian_kl_full(mu_q: Tensor, cov_q: Tensor, mu_p: Tensor, cov_p: Tensor) -> Tensor:
    """KL(N(mu_q, cov_q) || N(mu_p, cov_p)) [B], for means [B, L] or [L] and covariances [B, L, L] or [L, L].

    Raises InputError when a covariance is not positive definite or shapes do not fit.
    """
    latent_dim = mu_q.shape[-1]
    if mu_p.shape[-1] != latent_dim or any(c.shape[-2:] != (latent_dim, latent_dim) for c in (cov_q, cov_p)):
        shapes = ", ".join(str(list(t.shape)) for t in (mu_q, cov_q, mu_p, cov_p))
        raise InputError(
            "mu_q, cov_q, mu_p, cov_p have shapes {shapes}; they must share the dimension L.",
            shapes=shapes,
        )
    root_q, root_p = _cholesky("cov_q", cov_q), _cholesky("cov_p", cov_p)
    # In coordinates where p is N(0, I): the spread of q, its distance from p, and the ratio of volumes.
    spread = torch.linalg.solve_triangular(root_p, root_q, upper=False).square().sum((-2, -1))
    shift = (
        torch.linalg.solve_triangular(root_p, (mu_q - mu_p).unsqueeze(-1), upper=False).square().sum((-2, -1))
    )
    log_ratio = 2 * (root_p.diagonal(dim1=-2, dim2=-1).log() - root_q.diagonal(dim1=-2, dim2=-1).log()).sum(
        -1
    )
    return 0.5 * (spread + shift - latent_dim + log_ratio)


# Two latent dimensions: integrate over all of them


class Quadrature(NamedTuple):
    """log p(x) by the trapezoid rule, and how far it can be trusted.

    log_evidence: [B] float64.
    error: [B], an estimate and no bound: a third of what twice the spacing would change (Richardson's for an
        error that falls as the spacing's square, as with the kinks of a ReLU; pessimistic for a smooth decoder),
        plus the posterior's height at the edge of the square relative to its peak.
    peak: [B, 2], the grid point where the posterior is highest.
    """

    log_evidence: Tensor
    error: Tensor
    peak: Tensor


@torch.no_grad()
def evidence_by_quadrature(
    decode: Decoder,
    x: Tensor,
    log_likelihood: LogLikelihood | None = None,
    limit: float = 6.0,
    points: int = 401,
    chunk: int = 4096,
    tolerance: float = 0.01,
) -> Quadrature:
    """log p(x) [B] = log of the integral of N(z; 0, I) p(x|z) over the square |z_i| <= limit.

    For a smooth integrand as wide as sigma, the rule with spacing h errs by about exp(-2 pi^2 sigma^2 / h^2).
    A first pass over the square, for all x at once, has h = 2 limit / (points - 1). For each x whose error is
    then estimated above `tolerance`, h is halved on a grid around its mass until it is not. A second mode
    much narrower than the first h can be missed.

    Args:
        decode: z [G, 2] -> logits [G, D]; put a model in eval mode first.
        x: [B, D], of the decoder's dtype; in [0, 1] for the default likelihood.
        log_likelihood: (logits [G, D], x [B, D]) -> log p(x|z) [B, G]; by default that of Bernoulli pixels.
        points: along each side, odd. chunk: how many grid points to decode at a time, roughly.
        tolerance: in nats.
    Raises:
        InputError: for a decoder without two latent dimensions, x outside [0, 1], or an unusable grid.
    """
    check_tensor("x", x, ("B", "D"))
    _check_grid(limit, points, chunk)
    if not tolerance > 0:
        raise InputError(
            "tolerance is {tolerance}; give a number of nats above 0, such as 0.01.",
            tolerance=tolerance,
        )
    log_likelihood = _checked_likelihood(decode, x, log_likelihood)
    axis = torch.linspace(-limit, limit, points, dtype=torch.float64, device=x.device)
    parts = []
    for block in x.split(1024):  # of images, so that memory stays bounded
        first = _trapezoid(decode, block, log_likelihood, axis, axis, chunk)
        edge = torch.cat([first.profile_1[:, [0, -1]], first.profile_2[:, [0, -1]]], 1).amax(1)
        edge = (edge - first.profile_1.amax(1)).exp()
        for b in torch.nonzero(first.error > tolerance).flatten().tolist():
            one = block[b : b + 1]
            axis_1, axis_2, profile_1, profile_2 = axis, axis, first.profile_1[b], first.profile_2[b]
            for _ in range(MAX_HALVINGS):
                axis_1, axis_2 = _refine(axis_1, profile_1), _refine(axis_2, profile_2)
                finer = _trapezoid(decode, one, log_likelihood, axis_1, axis_2, chunk)
                profile_1, profile_2 = finer.profile_1[0], finer.profile_2[0]
                if finer.error <= tolerance:
                    break
            for value, finer_value in zip(first[:3], finer[:3], strict=True):
                value[b] = finer_value[0]
        parts.append(Quadrature(first.log_integral, first.error + edge, first.peak))
    return Quadrature(*(torch.cat(part) for part in zip(*parts, strict=True)))


@torch.no_grad()
def posterior_on_grid(
    decode: Decoder,
    x: Tensor,
    limit: float = 6.0,
    points: int = 201,
    log_likelihood: LogLikelihood | None = None,
    centre: tuple[float, float] | Tensor = (0.0, 0.0),
    chunk: int = 4096,
) -> tuple[Tensor, Tensor]:
    """The true posterior p(z|x) of one x [D] on a square grid, for drawing: (axis [P], density [P, P]) in float64.

    density[i, j] belongs to z = (centre[0] + axis[j], centre[1] + axis[i]), as `imshow(origin="lower")` and
    `contour(axis, axis, density)` draw it, and its trapezoid integral over the square is 1. For a narrow posterior,
    take a small limit and `centre=evidence_by_quadrature(...).peak[0]`. Raises as `evidence_by_quadrature` does.
    """
    check_tensor("x", x, ("D",))
    _check_grid(limit, points, chunk)
    log_likelihood = _checked_likelihood(decode, x[None], log_likelihood)
    axis = torch.linspace(-limit, limit, points, dtype=torch.float64, device=x.device)
    blocks = _log_joint(
        decode, x[None], log_likelihood, axis + float(centre[0]), axis + float(centre[1]), chunk
    )
    log_joint = torch.cat([block[0] for _, block in blocks])  # [P, P]
    log_total = (log_joint + _log_weights(axis, axis)).flatten().logsumexp(0)
    return axis, (log_joint - log_total).exp()


class _Pass(NamedTuple):
    """What one pass over a grid learns of each x."""

    log_integral: Tensor  # [B]
    error: Tensor  # [B]
    peak: Tensor  # [B, 2]
    profile_1: Tensor  # [B, P1], for each z_1 the highest log joint over z_2
    profile_2: Tensor  # [B, P2], for each z_2 the highest over z_1


def _trapezoid(
    decode: Decoder, x: Tensor, log_likelihood: LogLikelihood, axis_1: Tensor, axis_2: Tensor, chunk: int
) -> _Pass:
    fine = x.new_full((len(x),), -math.inf, dtype=torch.float64)
    coarse, profile_1, profiles_2 = fine, fine[:, None], []
    log_weights = _log_weights(axis_1, axis_2)
    for rows, log_joint in _log_joint(decode, x, log_likelihood, axis_1, axis_2, chunk):
        weighted = log_joint + log_weights[rows]  # [B, R, P1]
        fine = torch.logaddexp(fine, weighted.flatten(1).logsumexp(1))
        # Every second point of both axes is the same rule at twice the spacing, with 4 times the weights.
        coarse = torch.logaddexp(coarse, weighted[:, ::2, ::2].flatten(1).logsumexp(1) + math.log(4))
        profile_1 = torch.maximum(profile_1, log_joint.amax(1))
        profiles_2.append(log_joint.amax(2))
    profile_2 = torch.cat(profiles_2, 1)
    peak = torch.stack([axis_1[profile_1.argmax(1)], axis_2[profile_2.argmax(1)]], 1)
    return _Pass(fine, (fine - coarse).abs() / 3, peak, profile_1, profile_2)


def _log_joint(
    decode: Decoder, x: Tensor, log_likelihood: LogLikelihood, axis_1: Tensor, axis_2: Tensor, chunk: int
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, log p(z) p(x|z) as [B, R, P1]) for an even number R of values of z_2 at a time."""
    step = 2 * max(1, chunk // (2 * len(axis_1)))
    for start in range(0, len(axis_2), step):
        z_2 = axis_2[start : start + step]
        z = torch.cartesian_prod(z_2, axis_1).flip(1)  # [R * P1, 2], z_1 running fastest
        log_prior = -0.5 * z.square().sum(1) - math.log(2 * math.pi)
        log_joint = log_likelihood(decode(z.to(x.dtype)), x).double() + log_prior
        yield slice(start, start + step), log_joint.view(len(x), len(z_2), len(axis_1))


def _log_weights(axis_1: Tensor, axis_2: Tensor) -> Tensor:
    """log of the trapezoid rule's weights [P2, P1]: the area of a cell, half at an edge, a quarter at a corner."""
    weights = []
    for axis in (axis_1, axis_2):
        weight = (axis[1] - axis[0]).repeat(len(axis))
        weight[[0, -1]] /= 2
        weights.append(weight)
    return torch.outer(weights[1], weights[0]).log()


def _refine(axis: Tensor, profile: Tensor) -> Tensor:
    """The part of an axis where a posterior has mass, two points more at both ends, at half the spacing."""
    inside = torch.nonzero(profile > profile.max() - MASS_DEPTH).flatten()
    first, last = max(int(inside[0]) - 2, 0), min(int(inside[-1]) + 2, len(axis) - 1)
    return torch.linspace(
        axis[first], axis[last], 2 * (last - first) + 1, dtype=axis.dtype, device=axis.device
    )


def _bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) [B, G] of Bernoulli pixels: every x against every grid point in one matrix product."""
    return x @ logits.T - softplus(logits).sum(-1)


# Checks


def _check_grid(limit: float, points: int, chunk: int) -> None:
    if not 0 < limit < math.inf:
        raise InputError("limit is {limit}; give half the side of the square of z, such as 6.", limit=limit)
    if points < 5 or points % 2 == 0:
        raise InputError(
            "points is {points}; give an odd number of at least 5, so that half of them make a grid.",
            points=points,
        )
    if chunk < 1:
        raise InputError(
            "chunk is {chunk}; give the number of grid points to decode at a time, such as 4096.",
            chunk=chunk,
        )


def _checked_likelihood(decode: Decoder, x: Tensor, log_likelihood: LogLikelihood | None) -> LogLikelihood:
    """The likelihood to use, after trying decoder and likelihood at z = 0."""
    try:
        logits = decode(x.new_zeros(1, 2))
    except RuntimeError as error:
        raise InputError(
            "decode did not take z of shape [1, 2] and {dtype} ({value}); quadrature needs a decoder with two "
            "latent dimensions, and x of its dtype.",
            dtype=x.dtype,
            value=str(error).splitlines()[0],
        ) from error
    if log_likelihood is None:
        check_unit(x)
        if logits.shape != (1, x.shape[1]):
            raise InputError(
                "decode gave {shape} for one z; x needs logits of shape [1, {size}].",
                shape=list(logits.shape),
                size=x.shape[1],
            )
        log_likelihood = _bernoulli
    at_zero = log_likelihood(logits, x)
    if at_zero.shape != (len(x), 1):
        raise InputError(
            "log_likelihood gave shape {shape} for one z; expected [B, G] = [{count}, 1].",
            shape=list(at_zero.shape),
            count=len(x),
        )
    if at_zero.isnan().any():
        raise InputError("The log-likelihood at z = 0 is not a number: look for NaN in the decoder and in x.")
    return log_likelihood


def _cholesky(name: str, matrix: Tensor) -> Tensor:
    root, info = torch.linalg.cholesky_ex(matrix)
    if bool((info != 0).any()):
        raise InputError(
            "{name} is not positive definite in {dtype}; check it, use float64, or more noise.",
            name=name,
            dtype=matrix.dtype,
        )
    return root
