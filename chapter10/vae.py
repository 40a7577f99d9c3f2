"""The variational autoencoder of section 10.2, and the plain autoencoder beside it.

Kingma and Welling 2014, Auto-Encoding Variational Bayes; Rezende, Mohamed and Wierstra 2014. The mathematics are
pure functions; the classes hold parameters. Sums over dimensions, nats; B images, D pixels, L latent dimensions.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10 import backprop, parallel
from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.nets import ACTIVATIONS, check_sizes, in_full, mlp
from chapter10.training import adam


def reparameterize(mu: Tensor, log_var: Tensor, eps: Tensor | None = None) -> Tensor:
    """z = μ + σ·ε with ε ~ N(0, I): a sample of q(z|x) through which gradients reach μ and σ (section 10.2.4).

    Args:
        mu, log_var: [B, L]; log_var is log σ², so σ = exp(log_var / 2).
        eps: the noise [B, L]; drawn anew if None.
    Returns:
        z [B, L].
    Raises:
        InputError: for mu and log_var of different shapes.
    """
    _same_shape("mu", mu, "log_var", log_var)
    std = torch.exp(0.5 * log_var)
    eps = parallel.randn_like(std) if eps is None else eps
    return mu + std * eps


def gaussian_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL( N(μ, σ²) ‖ N(0, I) ) of each row, in nats: ½ Σ (μ² + σ² − 1 − log σ²).

    Args:
        mu, log_var: [B, L].
    Returns:
        [B], never below 0: expm1 keeps the digits where σ is near 1.
    """
    return gaussian_kl_by_dimension(mu, log_var).sum(-1)


def gaussian_kl_by_dimension(mu: Tensor, log_var: Tensor) -> Tensor:
    """The terms of `gaussian_kl`, one for each latent dimension: [B, L] -> [B, L], in nats."""
    _same_shape("mu", mu, "log_var", log_var)
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var)


def priced_kl(kl: Tensor, free_bits: float) -> Tensor:
    """What the KL costs if each latent dimension has some nats for nothing: Σ_l max(free_bits, mean over the batch of KL_l).

    Kingma et al. 2016, Improved variational inference with inverse autoregressive flow, equation 15, each dimension a
    group. A dimension below its allowance costs the allowance, whatever it holds: nothing pulls it towards the prior.

    Args:
        kl: [B, L], as `gaussian_kl_by_dimension` gives it; free_bits: λ, nats a dimension, 0 or more.
    Returns:
        [B], whose mean is that sum; with free_bits = 0 it is `gaussian_kl`.
    """
    mean = kl.mean(0)  # [L]
    if free_bits and parallel.world() > 1:  # a dimension's allowance is one for the whole batch
        mean = parallel.total(mean.detach().clone()) / parallel.world()
    below = mean <= free_bits
    return torch.where(below, kl.new_tensor(free_bits), kl).sum(-1)


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) of binary pixels, in nats: Σ x·l − log(1 + e^l).

    Args:
        logits: [B, D]; the probability of a pixel is sigmoid(logits).
        x: [B, D] in [0, 1]. It is a likelihood for x in {0, 1}; on grey levels it is no normalised density.
    Returns:
        [B].
    Raises:
        InputError: for other shapes, or x outside [0, 1].
    """
    _same_shape("logits", logits, "x", x)
    check_unit(x)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def softplus_sum(logits: Tensor) -> Tensor:
    """Σ log(1 + e^l) over the last dimension, [..., D] -> [...]: what `bernoulli_log_likelihood` subtracts from Σ x·l.

    As Σ max(l, 0) − log Π sigmoid(|l|), the logarithm of up to 64 factors at a time, none below ½: on a CPU torch's softplus
    takes an unvectorised log1p, and ten times as long. Where a gradient is wanted it is torch's, for at 0 that of |l| is none.
    """
    if logits.requires_grad:
        return F.softplus(logits).sum(-1)
    rows = logits.flatten(0, -2)  # (N, D); so many at a time that they stay in the processor's cache
    parts = rows.split(max(1, 2**17 // rows.shape[1]))
    return torch.cat([part.relu().sum(-1) - _log_of_products(part.abs().sigmoid_()).sum(-1) for part in parts]).view(logits.shape[:-1])


def _log_of_products(p: Tensor) -> Tensor:
    """[N, D] -> [N, D / 2, 4, … or 64], whose sums over the last dimension are those of log p."""
    for _ in range(6):
        if p.shape[1] % 2:
            break
        left, right = p.chunk(2, 1)
        p = left * right
    return p.log()


def continuous_bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) of grey levels in [0, 1], in nats (Loaiza-Ganem and Cunningham 2019).

    The Bernoulli's formula times the constant that makes it a density on [0, 1]: p(x) = l·e^(l·x) / (e^l − 1).
    Shapes and errors as in `bernoulli_log_likelihood`.
    """
    _same_shape("logits", logits, "x", x)
    check_unit(x)
    half = logits / 2
    near = half.abs() < 0.05
    safe = torch.where(near, torch.ones_like(half), half.abs())  # keeps NaN out of the branch not taken
    # log(sinh(a)/a), by its series near 0
    exact = safe + torch.log1p(-torch.exp(-2 * safe)) - math.log(2) - torch.log(safe)
    square = half.square().clamp(max=0.0025)
    series = square / 6 - square.square() / 180 + square**3 / 2835
    return (logits * (x - 0.5) - torch.where(near, series, exact)).sum(-1)


class ELBO(NamedTuple):
    """value = reconstruction − β·kl, each [B], in nats; with free bits, kl is still the KL, and value pays `priced_kl`."""

    value: Tensor
    reconstruction: Tensor
    kl: Tensor


LIKELIHOODS = {"bernoulli": bernoulli_log_likelihood, "continuous-bernoulli": continuous_bernoulli_log_likelihood}


def elbo(
    model: "VAE", x: Tensor, beta: float = 1.0, likelihood: str = "bernoulli", free_bits: float = 0.0
) -> ELBO:
    """The evidence lower bound of each image, with one sample of z (section 10.2.3).

    Args:
        model: has `encode(x) -> (mu, log_var)`, `reparameterize` and `decode(z) -> logits`; or `decode(z, x)`, see
            `logits_of`.
        x: [B, D] in [0, 1].
        beta: weight of the KL term; 1 gives the bound, other values an objective (Higgins et al. 2017).
        likelihood: "bernoulli" or "continuous-bernoulli".
        free_bits: nats that each latent dimension has for nothing (`priced_kl`); above 0 the value is no bound.
    Raises:
        InputError: for x of another shape or range, a likelihood that is not known, or beta or free_bits below 0.
    """
    if likelihood not in LIKELIHOODS:
        raise InputError(
            "The likelihood {likelihood!r} is not known. Choose one of: {choices}.",
            likelihood=likelihood,
            choices=', '.join(LIKELIHOODS),
        )
    check_weights(beta, free_bits)
    mu, log_var = model.encode(x)
    logits = logits_of(model, model.reparameterize(mu, log_var), x)
    reconstruction = LIKELIHOODS[likelihood](logits, x)
    kl = gaussian_kl_by_dimension(mu, log_var)
    return ELBO(reconstruction - beta * priced_kl(kl, free_bits), reconstruction, kl.sum(-1))


def logits_of(model: "VAE", z: Tensor, x: Tensor) -> Tensor:
    """Logits of p(x|z), [B·K, D], for K codes of each image, one after the other: z [B·K, L], x [B, D].

    A decoder that looks at the pixels before each, as `AutoregressiveVAE` does, is shown x: it says so by
    `looks_at_pixels = True`, and has `decode(z, x)`.
    """
    if not getattr(model, "looks_at_pixels", False):
        return model.decode(z)
    return model.decode(z, x if len(z) == len(x) else x.repeat_interleave(len(z) // len(x), 0))


def check_weights(beta: float, free_bits: float = 0.0) -> None:
    """Raise InputError unless both are finite numbers from 0 up."""
    if not 0 <= beta < math.inf:  # written so that NaN fails too
        raise InputError(
            "beta is {beta}; give a finite weight of the KL from 0 up. Below 0, codes far from the prior would be "
            "rewarded.",
            beta=beta,
        )
    if not 0 <= free_bits < math.inf:
        raise InputError(
            "free_bits is {free_bits}; give a finite number of nats for each latent dimension, from 0 up.",
            free_bits=free_bits,
        )


def by_hand(model: "VAE", x: Tensor) -> bool:
    """Whether `elbo_gradients` can take this model and this batch: a `VAE` as it is, in float32 on the CPU."""
    return (
        parallel.world() == 1  # autograd is what the gradients of several processes are exchanged by
        and type(model) is VAE
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and x.dtype == model.fc_mu.weight.dtype == torch.float32
        and all(p.requires_grad for p in model.parameters())
        and backprop.is_chain(model.encoder)
        and backprop.is_chain(model.decoder)
    )


@torch.no_grad()
def elbo_gradients(model: "VAE", x: Tensor, beta: float = 1.0, eps: Tensor | None = None) -> ELBO:
    """`elbo` of Bernoulli pixels averaged over the batch, and its descent written by hand (section 10.2.4).

    The gradient of −(reconstruction − β·kl) is left in each parameter's `.grad`, as `(-elbo(...).value.mean()).backward()`
    would after `zero_grad`; without autograd's graph a step takes a sixth less time or better.

    Args:
        model: as `by_hand` says; x: [B, D] in [0, 1]; eps: the noise [B, L], drawn anew if None.
    Returns:
        the three values as means over the batch: scalars.
    Raises:
        InputError: for x of another shape or range, or beta below 0.
    """
    check_unit(_as_rows(x, model.input_dim))
    check_weights(beta)
    encoded = backprop.forward(model.encoder, x)
    h = encoded[-1]
    mu, log_var = model.fc_mu(h), model.fc_var(h)
    eps = torch.randn_like(mu) if eps is None else eps
    noise = torch.exp(0.5 * log_var) * eps  # σ·ε
    decoded = backprop.forward(model.decoder, mu + noise)
    logits = decoded[-1]
    # Σ x·l − log(1 + e^l), with the first sum as one product of two long rows
    reconstruction = (torch.dot(x.flatten(), logits.flatten()) - softplus_sum(logits.view(1, -1))[0]) / len(x)
    kl = gaussian_kl(mu, log_var).mean()

    # Backwards. Of softplus(l) − x·l in l: sigmoid(l) − x.
    grad_z = backprop.backward(model.decoder, decoded, logits.sigmoid_().sub_(x).div_(len(x)))
    # z = μ + σ·ε: dz/dμ = 1 and dz/dlog σ² = σ·ε/2. The KL adds μ and (σ² − 1)/2.
    grad_mu = grad_z + mu * (beta / len(x))
    grad_log_var = 0.5 * (grad_z * noise + torch.expm1(log_var) * (beta / len(x)))
    grad_h = backprop.backward([model.fc_mu], [h], grad_mu) + backprop.backward([model.fc_var], [h], grad_log_var)
    backprop.backward(model.encoder, encoded, grad_h, to_input=False)
    return ELBO(reconstruction - beta * kl, reconstruction, kl)


def chapter_loss(probabilities: Tensor, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """The chapter's way (section 10.2.5), for comparison: sigmoid first, then cross-entropy, summed over the batch.

    Args:
        probabilities: sigmoid of the decoder's logits, [B, D]; x: [B, D] in [0, 1]; mu, log_var: [B, L].
    Returns:
        a scalar: minus the ELBO, summed over the images.
    """
    reconstruction = F.binary_cross_entropy(probabilities, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
    return reconstruction + kl


class VAE(nn.Module):
    """The chapter's VAE (section 10.2.5), with logits at the decoder's end: the sigmoid is for showing.

    Args:
        input_dim: D, pixels; latent_dim: L; hidden_dim: units in each hidden layer.
        activation: "relu" or "tanh".
        hidden_layers: of encoder and of decoder; two, as in the chapter.
    """

    def __init__(
        self,
        input_dim: int = 784,
        latent_dim: int = 20,
        hidden_dim: int = 256,
        activation: str = "relu",
        hidden_layers: int = 2,
    ):
        super().__init__()
        check_sizes(input_dim=input_dim, latent_dim=latent_dim, hidden_dim=hidden_dim, hidden_layers=hidden_layers)
        self.input_dim, self.latent_dim = input_dim, latent_dim
        hidden = [hidden_dim] * hidden_layers
        self.encoder = nn.Sequential(*mlp([input_dim, *hidden], activation), ACTIVATIONS[activation]())
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.fc_var = nn.Linear(hidden_dim, latent_dim)  # gives log σ², the chapter's name kept
        self.decoder = mlp([latent_dim, *hidden, input_dim], activation)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> mu, log_var, each [B, L]."""
        h = self.encoder(_as_rows(x, self.input_dim))
        return in_full(self.fc_mu(h)), in_full(self.fc_var(h))

    def reparameterize(self, mu: Tensor, log_var: Tensor) -> Tensor:
        return reparameterize(mu, log_var)

    def decode(self, z: Tensor) -> Tensor:
        """z [B, L] -> logits [B, D]."""
        return in_full(self.decoder(_as_codes(z, self.latent_dim)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, D] -> logits [B, D], mu [B, L], log_var [B, L]."""
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var)), mu, log_var

    def loss_function(self, logits: Tensor, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        """Minus the ELBO, averaged over the batch (the chapter sums over it): a scalar, in nats an image."""
        return (gaussian_kl(mu, log_var) - bernoulli_log_likelihood(logits, x)).mean()


class Autoencoder(nn.Module):
    """The VAE's networks without its noise and without its prior (section 10.2.2). Arguments as for `VAE`."""

    def __init__(
        self,
        input_dim: int = 784,
        latent_dim: int = 20,
        hidden_dim: int = 256,
        activation: str = "relu",
        hidden_layers: int = 2,
    ):
        super().__init__()
        check_sizes(input_dim=input_dim, latent_dim=latent_dim, hidden_dim=hidden_dim, hidden_layers=hidden_layers)
        self.input_dim, self.latent_dim = input_dim, latent_dim
        hidden = [hidden_dim] * hidden_layers
        self.encoder = mlp([input_dim, *hidden, latent_dim], activation)
        self.decoder = mlp([latent_dim, *hidden, input_dim], activation)

    def encode(self, x: Tensor) -> Tensor:
        """x [B, D] -> z [B, L]."""
        return self.encoder(_as_rows(x, self.input_dim))

    def decode(self, z: Tensor) -> Tensor:
        """z [B, L] -> logits [B, D]."""
        return in_full(self.decoder(_as_codes(z, self.latent_dim)))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, D] -> logits [B, D]."""
        return self.decode(self.encode(x))


class _Training:
    """A model with its Adam: what `training.fit` asks of a method."""

    def __init__(self, model: nn.Module, lr: float):
        self.model = model
        self.optimizer = adam(model, lr)

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def update(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        parallel.announced(self.optimizer, loss).backward()
        self.optimizer.step()

    def state_dict(self) -> dict:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class VAETraining(_Training):
    """Ascends the ELBO. `lr`, `beta` and `free_bits` may be set between steps, by hand or by a schedule."""

    advice = noted("clamp log_var")  # where a loss is not finite: `fit` says so

    def __init__(
        self,
        model: VAE,
        lr: float = 1e-3,
        beta: float = 1.0,
        likelihood: str = "bernoulli",
        free_bits: float = 0.0,
    ):
        check_weights(beta, free_bits)
        super().__init__(model, lr)
        self.beta, self.likelihood, self.free_bits = beta, likelihood, free_bits

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D]; minus the objective and its two parts, averaged over the batch, in nats."""
        if self.likelihood == "bernoulli" and self.free_bits == 0 and by_hand(self.model, x):
            value, reconstruction, kl = elbo_gradients(self.model, x, self.beta)
            self.optimizer.step()
        else:
            bound = elbo(self.model, x, self.beta, self.likelihood, self.free_bits)
            value, reconstruction, kl = torch.stack(bound).mean(1)
            self.update(-value)
        return {"loss": -value.detach(), "reconstruction": reconstruction.detach(), "kl": kl.detach()}


class AutoencoderTraining(_Training):
    """Descends the reconstruction's cross-entropy alone."""

    def __init__(self, model: Autoencoder, lr: float = 1e-3):
        super().__init__(model, lr)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D]; the cross-entropy averaged over the batch, in nats."""
        loss = -bernoulli_log_likelihood(self.model(x), x).mean()
        self.update(loss)
        return {"loss": loss.detach()}


def _same_shape(name: str, a: Tensor, other: str, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim < 1:
        raise InputError(
            "{name} and {other} must have the same shape, such as [B, D]; found {shape} and {shape_2}.",
            name=name,
            other=other,
            shape=list(a.shape),
            shape_2=list(b.shape),
        )


def _as_rows(x: Tensor, input_dim: int) -> Tensor:
    if x.ndim != 2 or x.shape[1] != input_dim or not x.is_floating_point():
        raise InputError(
            "The model takes a batch of flattened float images [B, {input_dim}], found {dtype} {shape}: "
            "data.to_unit makes them from bytes, x.flatten(1) from [B, 28, 28].",
            input_dim=input_dim,
            dtype=x.dtype,
            shape=list(x.shape),
        )
    return x


def _as_codes(z: Tensor, latent_dim: int) -> Tensor:
    if z.ndim < 1 or z.shape[-1] != latent_dim or not z.is_floating_point():
        raise InputError(
            "The decoder takes float codes z [B, {latent_dim}], found {dtype} {shape}.",
            latent_dim=latent_dim,
            dtype=z.dtype,
            shape=list(z.shape),
        )
    return z
