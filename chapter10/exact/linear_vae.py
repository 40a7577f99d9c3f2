"""The linear VAE: the case where posterior collapse can be computed. All values are in nats.

p(z) = N(0, I) and p(x|z) = N(Wz + b, s² I), as in `LinearGaussian`; the encoder is q(z|x) = N(V(x − b), diag d).

- Its best decoder is that of probabilistic PCA: Tipping and Bishop 1999.
- A latent dimension is left unused exactly if the data's variance along it is no more than the noise that the decoder
  assumes, and every maximum of the ELBO is a global one: Lucas, Tucker, Grosse and Norouzi 2019, Don't blame the ELBO!
- With a weight β of the KL all of it holds with β·s² in place of s²: divide the objective by β.

Of the data only mean and covariance count. D data dimensions, L latent dimensions, N points. Use float64.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor
from chapter10.exact.evidence import LinearGaussian
from chapter10.vae import check_weights


class Spectrum(NamedTuple):
    """Mean [D] of some data, variances [D] along its principal directions, largest first, and these as columns [D, D]."""

    mean: Tensor
    values: Tensor
    vectors: Tensor

    @property
    def covariance(self) -> Tensor:
        return self.vectors * self.values @ self.vectors.T


def spectrum(x: Tensor) -> Spectrum:
    """The principal directions of data x [N, D], N ≥ 2; the covariance is the sum of squares over N, as for maximum likelihood."""
    check_tensor("x", x, ("N", "D"))
    if len(x) < 2:
        raise InputError("A covariance needs two points or more, found 1.")
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    return Spectrum(mean, values.flip(0).clamp(min=0), vectors.flip(1))


def ppca(
    data: Spectrum, latent_dim: int, noise_std: float | None = None, beta: float = 1.0
) -> LinearGaussian:
    """The best linear VAE: along the L first principal directions, columns of length (λ − β·s²)^½, or 0 where λ ≤ β·s².

    Args:
        noise_std: s; if None, that of the greatest likelihood, whose square is the mean of the D − L last λ.
        beta: weight of the KL; the best s is known for 1 alone.
    Raises:
        InputError: for L above D, or s that is not given where L = D or beta is not 1, or is no number above 0.
    """
    count = len(data.values)
    if not isinstance(latent_dim, int) or not 1 <= latent_dim <= count:
        raise InputError(
            "latent_dim is {latent_dim!r}; give a whole number from 1 to the number of dimensions, {count}.",
            latent_dim=latent_dim,
            count=count,
        )
    if noise_std is None:
        if latent_dim == count or beta != 1:
            raise InputError(
                "noise_std is needed: the best is known where beta is 1 and some dimensions are left out."
            )
        noise_std = data.values[latent_dim:].mean().sqrt().item()
    variance = _price(noise_std**2, beta)
    lengths = (data.values[:latent_dim] - variance).clamp(min=0).sqrt()
    return LinearGaussian(data.vectors[:, :latent_dim] * lengths, data.mean, noise_std)


def kl_at_best(values: Tensor, latent_dim: int, variance: float, beta: float = 1.0) -> Tensor:
    """KL of each latent dimension at the best linear VAE, [L]: ½ log(λ / (β·s²)), and 0 where λ ≤ β·s².

    Args:
        values: λ [D], largest first, as `spectrum` gives them; variance: s².
    """
    check_tensor("values", values, ("D",))
    return 0.5 * (values[:latent_dim] / _price(variance, beta)).clamp(min=1).log()


def collapsed(values: Tensor, latent_dim: int, variance: float, beta: float = 1.0) -> int:
    """How many of L latent dimensions the best linear VAE leaves unused: those with λ ≤ β·s². Arguments as `kl_at_best`."""
    return int((values[:latent_dim] <= _price(variance, beta)).sum())


def best_elbo_of(weight: Tensor, covariance: Tensor, noise_std: float, beta: float = 1.0) -> Tensor:
    """The highest mean of reconstruction − β·KL that any encoder reaches for a decoder W, over data of that covariance.

    For β = 1: the mean of log p(x), less the gap that a diagonal q leaves, ½ (Σ log diag M − log det M) with
    M = I + WᵀW/s²; it is 0 if the columns of W are orthogonal. Other β are reduced to that.

    Args:
        weight: W [D, L]; covariance: of the data about b, [D, D].
    Returns:
        a scalar; gradients pass.
    """
    check_tensor("weight", weight, ("D", "L"))
    check_tensor("covariance", covariance, (len(weight), len(weight)), weight)
    variance, dim = _price(noise_std**2, beta), len(weight)
    identity = torch.eye(dim).to(weight)
    root = torch.linalg.cholesky(weight @ weight.T + variance * identity)
    log_det = 2 * root.diagonal().log().sum()
    evidence = -0.5 * (dim * math.log(2 * math.pi) + log_det + torch.cholesky_solve(covariance, root).trace())
    precision = torch.eye(weight.shape[1]).to(weight) + weight.T @ weight / variance
    gap = 0.5 * (precision.diagonal().log().sum() - torch.linalg.slogdet(precision).logabsdet)
    # β·log N(x; Wz, β s²) and log N(x; Wz, s²) differ by their normalisers alone
    constant = beta * math.log(2 * math.pi * variance) - math.log(2 * math.pi * noise_std**2)
    return beta * (evidence - gap) + 0.5 * dim * constant


class LinearELBO(NamedTuple):
    """Means over the data: value = reconstruction − β·(sum of kl), scalars; kl [L], of each latent dimension."""

    value: Tensor
    reconstruction: Tensor
    kl: Tensor


def linear_elbo(
    weight: Tensor, encoder: Tensor, log_var: Tensor, covariance: Tensor, noise_std: float, beta: float = 1.0
) -> LinearELBO:
    """The ELBO of a linear VAE, averaged over data of that covariance about b, without sampling.

    Args:
        weight: W [D, L]; encoder: V [L, D]; log_var: log d [L].
    """
    check_tensor("weight", weight, ("D", "L"))
    dim, latent_dim = weight.shape
    check_tensor("encoder", encoder, (latent_dim, dim), weight)
    check_tensor("log_var", log_var, (latent_dim,), weight)
    check_tensor("covariance", covariance, (dim, dim), weight)
    _price(noise_std**2, beta)
    missed = torch.eye(dim).to(weight) - weight @ encoder  # x − b is rebuilt but for this times it
    error = (missed @ covariance * missed).sum() + (log_var.exp() * weight.square().sum(0)).sum()
    reconstruction = -0.5 * error / noise_std**2 - 0.5 * dim * math.log(2 * math.pi * noise_std**2)
    spread = (encoder @ covariance * encoder).sum(1)  # variance of the posterior means, [L]
    kl = 0.5 * (spread + torch.expm1(log_var) - log_var)
    return LinearELBO(reconstruction - beta * kl.sum(), reconstruction, kl)


def _price(variance: float, beta: float) -> float:
    """β·s², the variance below which a direction is not worth a latent dimension."""
    check_weights(beta)
    if not 0 < variance < math.inf or beta == 0:
        raise InputError(
            "The noise's variance is {variance} and beta {beta}; both must be finite and above 0.",
            variance=variance,
            beta=beta,
        )
    return beta * variance
