"""The importance-weighted autoencoder, and the VAE that averages over as many samples of z.

Burda, Grosse and Salakhutdinov 2016, Importance Weighted Autoencoders. The network is `vae.VAE`; only the objective is
another. Nats; B images, D pixels, L latent dimensions, K samples of z for each image.
"""

import math
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10 import backprop
from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.vae import VAE, _Training, by_hand, gaussian_kl, logits_of, softplus_sum

NEGLIGIBLE = (
    1e-4  # share of an image's weight below which `iwae_gradients` leaves a sample out on the way back
)


def log_likelihoods(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) of Bernoulli pixels for K samples of each image: logits [B, K, D], x [B, D] in [0, 1] -> [B, K], in nats."""
    return torch.bmm(logits, x.unsqueeze(2)).squeeze(2) - softplus_sum(logits)


def log_ratios(z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """log p(z) − log q(z|x) at z = μ + σ·ε, in nats: the constants with 2π cancel.

    Args:
        z, eps: [B, K, L]; log_var: log σ² [B, L].
    Returns:
        [B, K], whose mean over ε is −KL(q ‖ p).
    """
    return 0.5 * (eps.square() + log_var.unsqueeze(1) - z.square()).sum(-1)


def importance_bound(log_w: Tensor) -> Tensor:
    """log 1/K Σ_k w_k, the bound on log p(x) (equation 8): [B, K] -> [B]. For K = 1 one sample of the ELBO.

    Args:
        log_w: log p(x|z) + log p(z) − log q(z|x), the sum of `log_likelihoods` and `log_ratios`.
    """
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def normalised_weights(log_w: Tensor) -> Tensor:
    """w_k / Σ w, [B, K]: by them the gradient of `importance_bound` averages those of log w_k (equation 14)."""
    return log_w.softmax(1)


class Bound(NamedTuple):
    """What is ascended, [B] or its mean, in nats; and the effective number of samples, 1 / Σ_k w̃_k², from 1 to K."""

    value: Tensor
    effective_samples: Tensor


def bound(
    model: VAE, x: Tensor, num_samples: int, importance: bool = True, eps: Tensor | None = None
) -> Bound:
    """The bound of each image from K samples of z.

    Args:
        model: has `encode(x) -> (mu, log_var)` and `decode(z) -> logits`; or `decode(z, x)`, see `vae.logits_of`.
        x: [B, D] in [0, 1], binary for a likelihood.
        num_samples: K, 1 or more.
        importance: the IWAE's bound; else the VAE's, the mean of log p(x|z_k) less the KL in closed form: more samples
            then make a smaller variance, and no tighter bound.
        eps: the noise [B, K, L]; drawn anew if None.
    Raises:
        InputError: for another number of samples, x outside [0, 1], or noise of another shape.
    """
    check_samples(num_samples)
    check_unit(x)
    mu, log_var = model.encode(x)
    eps = _noise(mu, num_samples, eps)
    z = mu.unsqueeze(1) + torch.exp(0.5 * log_var).unsqueeze(1) * eps  # (B, K, L)
    logits = logits_of(model, z.flatten(0, 1), x).unflatten(0, (len(x), num_samples))  # (B, K, D)
    log_likelihood = log_likelihoods(logits, x)
    log_w = log_likelihood + log_ratios(z, eps, log_var)
    value = importance_bound(log_w) if importance else log_likelihood.mean(1) - gaussian_kl(mu, log_var)
    return Bound(value, 1 / normalised_weights(log_w.detach()).square().sum(1))


@torch.no_grad()
def iwae_gradients(
    model: VAE,
    x: Tensor,
    num_samples: int,
    importance: bool = True,
    eps: Tensor | None = None,
    negligible: float = NEGLIGIBLE,
    products: VAE | None = None,
) -> Bound:
    """`bound` averaged over the batch, and its descent written by hand.

    The gradient of −value is left in each parameter's `.grad`, as `(-bound(...).value.mean()).backward()` would after
    `zero_grad`. Of many samples most have next to no weight, and the way back, two thirds of the work, is not taken
    for them: what is left out of an image's gradient has at most K · `negligible` of its weight.

    Args:
        model: as `vae.by_hand` says; negligible: 0 for the exact gradient; the rest as in `bound`.
        products: a copy of the model in another precision: what stands between the matrix products is computed in x's, the
            products in the copy's, and the gradient is left with the copy's parameters. The model itself if None.
    """
    check_samples(num_samples)
    check_unit(x)
    model = products or model
    precision = model.fc_mu.weight.dtype
    encoded = backprop.forward(model.encoder, x.to(precision))
    h, images = encoded[-1], len(x)
    mu, log_var = model.fc_mu(h).to(x.dtype), model.fc_var(h).to(x.dtype)
    eps = _noise(mu, num_samples, eps)
    noise = torch.exp(0.5 * log_var).unsqueeze(1) * eps  # σ·ε, (B, K, L)
    z = mu.unsqueeze(1) + noise
    decoded = backprop.forward(model.decoder, z.flatten(0, 1).to(precision))
    log_likelihood = log_likelihoods(decoded[-1].to(x.dtype).unflatten(0, (images, num_samples)), x)
    log_w = log_likelihood + log_ratios(z, eps, log_var)
    weights = normalised_weights(log_w)
    effective = (1 / weights.square().sum(1)).mean()
    if importance:
        value = importance_bound(log_w).mean()
    else:
        value = log_likelihood.mean() - gaussian_kl(mu, log_var).mean()
        weights = torch.full_like(weights, 1 / num_samples)

    of_image = torch.arange(images).repeat_interleave(num_samples)
    share, z, noise = (
        weights.flatten() / images,
        z.flatten(0, 1),
        noise.flatten(0, 1),
    )  # one for each of B·K samples
    kept = weights.flatten().ge(negligible).nonzero().squeeze(1)
    if importance and len(kept) < len(z):
        of_image, share, z, noise = of_image[kept], share[kept], z[kept], noise[kept]
        decoded = [part[kept] for part in decoded]

    # Backwards, each sample by its share. Of softplus(l) − x·l in l: sigmoid(l) − x.
    grad = decoded[-1].to(x.dtype).sigmoid_().sub_(x[of_image]).mul_(share.unsqueeze(1))
    grad_z = backprop.backward(model.decoder, decoded, grad.to(precision)).to(x.dtype)
    if importance:  # of −log p(z) = z²/2, at z; the ε² of log q does not move
        grad_z = torch.addcmul(grad_z, share.unsqueeze(1), z)
    # z = μ + σ·ε: dz/dμ = 1 and dz/dlog σ² = σ·ε/2
    grad_mu = torch.zeros_like(mu).index_add_(0, of_image, grad_z)
    grad_log_var = torch.zeros_like(mu).index_add_(0, of_image, grad_z * noise)
    if importance:  # −log q(z|x) has log σ²/2, with all of the weight
        grad_log_var = 0.5 * (grad_log_var - 1 / images)
    else:
        grad_mu += mu / images
        grad_log_var = 0.5 * (grad_log_var + torch.expm1(log_var) / images)
    grad_h = backprop.backward([model.fc_mu], [h], grad_mu.to(precision))
    grad_h = grad_h + backprop.backward([model.fc_var], [h], grad_log_var.to(precision))
    backprop.backward(model.encoder, encoded, grad_h, to_input=False)
    return Bound(value, effective)


class IWAETraining(_Training):
    """Ascends the bound of K samples: the IWAE's, or with importance=False the VAE's. `lr` may be set between steps.

    Args:
        precision: of the matrix products, for a model in float32 on the CPU. torch.bfloat16 makes them three times as fast
            on processors that have instructions for it; weights, sums and Adam stay in float32 (Micikevicius et al.
            2018, Mixed precision training).
    """

    advice = noted("clamp log_var")  # where a loss is not finite: `fit` says so

    def __init__(
        self,
        model: VAE,
        num_samples: int = 5,
        importance: bool = True,
        lr: float = 1e-3,
        precision: torch.dtype = torch.float32,
    ):
        check_samples(num_samples)
        super().__init__(model, lr)
        self.num_samples, self.importance = num_samples, importance
        self._products = None if precision == torch.float32 else deepcopy(model).to(precision)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D]; minus the bound in nats, and the effective number of samples, means over the batch."""
        if by_hand(self.model, x):
            self._copy_weights()
            value, effective = iwae_gradients(
                self.model, x, self.num_samples, self.importance, products=self._products
            )
            self._take_gradients()
            self.optimizer.step()
        elif self._products is not None:
            raise InputError("Products in another precision are for a `VAE` as it is, in float32 on the CPU.")
        else:
            found = bound(self.model, x, self.num_samples, self.importance)
            value, effective = found.value.mean(), found.effective_samples.mean()
            self.update(-value)
        return {"loss": -value.detach(), "effective_samples": effective.detach()}

    @torch.no_grad()
    def _copy_weights(self) -> None:
        if self._products is not None:
            torch._foreach_copy_(list(self._products.parameters()), list(self.model.parameters()))

    @torch.no_grad()
    def _take_gradients(self) -> None:
        if self._products is not None:
            for mine, its in zip(self.model.parameters(), self._products.parameters()):
                if mine.grad is None:
                    mine.grad = torch.empty_like(mine)
                mine.grad.copy_(its.grad)


def check_samples(num_samples: int) -> None:
    """Raise InputError unless it is a whole number from 1 up."""
    if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples < 1:
        raise InputError(
            "num_samples is {num_samples!r}; give a whole number of samples from 1 up.",
            num_samples=num_samples,
        )


def _noise(mu: Tensor, num_samples: int, eps: Tensor | None) -> Tensor:
    shape = (len(mu), num_samples, mu.shape[1])
    if eps is None:
        return torch.randn(shape, dtype=mu.dtype, device=mu.device)
    if eps.shape != shape:
        raise InputError(
            "The noise eps has the shape {found}; it must be [B, K, L] = {shape}.",
            found=list(eps.shape),
            shape=list(shape),
        )
    return eps
