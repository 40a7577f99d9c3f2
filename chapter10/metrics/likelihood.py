"""How good a model with a likelihood is: importance-weighted bound, ELBO, active units."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.nets import in_chunks
from chapter10.vae import VAE, elbo, logits_of, softplus_sum

CHUNK_BYTES = 1e6  # of logits at a time: so many as the cache of a CPU holds
OFF_CPU = 64  # times as many elsewhere, where a larger piece is no slower


@torch.no_grad()
def iwae_bound(model: VAE, x: Tensor, num_samples: int) -> Tensor:
    """The importance-weighted bound on log p(x) (Burda, Grosse and Salakhutdinov 2016, equation 8), in nats.

    log ( 1/K Σ_k p(x, z_k) / q(z_k|x) ), with z_k ~ q(z|x): for K = 1 an estimate of the ELBO; it rises with K,
    in expectation, to log p(x).

    Args:
        model: has `encode` and `decode` (as `vae.logits_of` asks), Bernoulli pixels.
        x: [B, D] in [0, 1], binary for a likelihood.
        num_samples: K, 1 or more.
    Returns:
        [B].
    """
    if not isinstance(num_samples, int) or num_samples < 1:
        raise InputError(
            "num_samples is {num_samples!r}; give a whole number of samples from 1 up.",
            num_samples=num_samples,
        )
    check_unit(x)
    if x.ndim != 2:
        raise InputError(
            "The bound takes a batch of flattened images [B, D], found {shape}.",
            shape=list(x.shape),
        )
    rows = max(1, int(CHUNK_BYTES * (1 if x.device.type == "cpu" else OFF_CPU) / 4 / x.shape[1]))  # of logits in a chunk
    samples = min(num_samples, rows)
    return torch.cat([_iwae(model, part, num_samples, samples) for part in x.split(max(1, rows // samples))])


def _iwae(model: VAE, x: Tensor, num_samples: int, chunk: int) -> Tensor:
    mu, log_var = model.encode(x)
    total = mu.new_full((len(x),), -math.inf)
    for start in range(0, num_samples, chunk):
        k = min(chunk, num_samples - start)
        eps = torch.randn(len(x), k, mu.shape[1], dtype=mu.dtype, device=mu.device)
        z = mu.unsqueeze(1) + torch.exp(0.5 * log_var).unsqueeze(1) * eps  # (B, k, L)
        logits = logits_of(model, z.flatten(0, 1), x).view(len(x), k, -1)  # (B, k, D)
        # Σ x·l − log(1 + e^l): the first sum is a matrix product
        log_likelihood = torch.bmm(logits, x.unsqueeze(2)).squeeze(2) - softplus_sum(logits)
        # log p(z) − log q(z|x); the constants with 2π cancel
        log_ratio = 0.5 * (eps.square() + log_var.unsqueeze(1) - z.square()).sum(-1)
        total = torch.logaddexp(total, (log_likelihood + log_ratio).logsumexp(1))
    return total - math.log(num_samples)


class MeanELBO(NamedTuple):
    """Means over images, in nats: value = reconstruction − kl."""

    value: float
    reconstruction: float
    kl: float


@torch.no_grad()
def mean_elbo(model: VAE, x: Tensor) -> MeanELBO:
    """The ELBO and its two parts, averaged over the images x [N, D], with one sample of z for each."""
    parts = in_chunks(lambda piece: torch.stack(elbo(model, piece), 1), x)
    return MeanELBO(*parts.double().mean(0).tolist())


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """Latent dimensions whose posterior mean varies over the data by more than `threshold` (Burda et al. 2016).

    Args:
        mu: posterior means [N, L] of N ≥ 2 images.
    """
    if mu.ndim != 2 or len(mu) < 2:
        raise InputError(
            "Active units need the posterior means of two images or more, [N, L]; found {shape}.",
            shape=list(mu.shape),
        )
    return int((mu.var(0) > threshold).sum())
