"""VAE-GAN: a VAE whose reconstructions are judged by a discriminator's features in place of pixels (section 10.5.1).

Larsen, Sønderby, Larochelle and Winther 2016, Autoencoding beyond pixels using a learned similarity metric. Three
networks, three losses, and each loss's gradient goes to one network only. Sums over features, means over the batch, in
nats; B images, L latent dimensions, F features. Images are [0, 1] outside, and turned to the discriminator's [−1, 1] in
one place, `signed`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.gan import GENERATOR_LOSSES
from chapter10.language import noted
from chapter10.nets import ConvGenerator, Maps, Rows, check_sizes, dcgan_init, in_mode, last_module
from chapter10.training import Averaged, adam, check_average
from chapter10.vae import VAE, gaussian_kl


class ConvVAE(VAE):
    """A VAE with a small DCGAN's networks: what VAE-GAN trains, and with `VAETraining` the same net on pixels.

    The encoder is the discriminator's mirror, the decoder `ConvGenerator` without its tanh: logits l [B, 784]. As a
    probability a pixel is sigmoid(l), in [0, 1]; as the discriminator sees it, tanh(l/2), in [−1, 1]: the same grey.

    Args:
        latent_dim: L; width: channels of the outer layers; hidden_dim: units of the layers without convolution.
    """

    def __init__(self, latent_dim: int = 20, width: int = 16, hidden_dim: int = 128):
        nn.Module.__init__(self)  # not VAE's: its dense networks are not wanted
        check_sizes(latent_dim=latent_dim, width=width, hidden_dim=hidden_dim)
        self.input_dim, self.latent_dim = 784, latent_dim
        self.encoder = nn.Sequential(
            Maps(1, 28),  # (B, 784) -> (B, 1, 28, 28)
            nn.Conv2d(1, width, 4, stride=2, padding=1),  # -> (B, w, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),  # -> (B, 2w, 7, 7)
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            Rows(),  # -> (B, 98w)
            nn.Linear(98 * width, hidden_dim, bias=False),  # -> (B, hidden)
            nn.BatchNorm1d(hidden_dim),
            nn.LeakyReLU(0.2),
        )
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.fc_var = nn.Linear(hidden_dim, latent_dim)  # gives log σ²
        for part in (self.encoder, self.fc_mu, self.fc_var):
            part.apply(dcgan_init)
        self.decoder = ConvGenerator(latent_dim, width, hidden_dim).model[:-1]


def signed(logits: Tensor) -> Tensor:
    """The image in [−1, 1] of a decoder's logits: 2·sigmoid(l) − 1 = tanh(l/2), any shape."""
    return torch.tanh(logits / 2)


def feature_log_likelihood(rebuilt: Tensor, real: Tensor) -> Tensor:
    """log N(f(x); f(x̃), I) without its constant −F/2·log 2π: −½ Σ (f(x) − f(x̃))², in nats.

    Args:
        rebuilt, real: features f(x̃) and f(x), [B, F].
    Returns:
        [B]; 0 at best.
    """
    if rebuilt.shape != real.shape or real.ndim != 2:
        raise InputError(
            "Features of as many rebuilt as real images are wanted, [B, F]; found {shape} and {shape_2}.",
            shape=list(rebuilt.shape),
            shape_2=list(real.shape),
        )
    return -0.5 * (real - rebuilt).square().sum(1)


def discriminator_loss(real: Tensor, rebuilt: Tensor, drawn: Tensor) -> Tensor:
    """−E[log D(x)] − E[log(1 − D(x̃))] − E[log(1 − D(x_p))], minus the paper's L_GAN, a scalar.

    Two kinds of fakes, from the encoder's z and from the prior's, so the best D is p / (p + q̃ + q_p): one third where all
    three agree, and the loss then 3·log 3 − 2·log 2.

    Args:
        real, rebuilt, drawn: logits [B, 1] of images, of their reconstructions, and of samples.
    """
    return -F.logsigmoid(real).mean() - F.logsigmoid(-rebuilt).mean() - F.logsigmoid(-drawn).mean()


class VAEGANLosses(NamedTuple):
    """What each network descends, scalars with their graph, and the parts to be told.

    Attributes:
        encoder: KL(q(z|x) ‖ p(z)) + |f(x) − f(x̃)|²/2: as a VAE, with features for pixels. No word from the game.
        decoder: γ·|f(x) − f(x̃)|²/2 + the generator's loss on reconstructions and on samples. No KL: it knows no q.
        discriminator: the game alone. It must not make reconstruction easy by features that see nothing.
        parts: detached.
    """

    encoder: Tensor
    decoder: Tensor
    discriminator: Tensor
    parts: dict[str, Tensor]


class VAEGANTraining(Averaged):
    """The three networks with their optimisers: what `training.fit` asks of a method. Give it images in [0, 1].

    `lr`, `gamma` and `beta` may be set between steps, by hand or by a schedule.

    Args:
        model: encoder and decoder, such as `ConvVAE()`.
        discriminator: `features_and_logits(x [B, D] in [−1, 1])` -> features [B, F] and logits [B, 1], such as
            `nets.ConvDiscriminator(batch_norm=True)`. Batch norm keeps the features' scale, in which the likelihood is
            measured, from running away.
        lr, betas: of the three Adams.
        gamma: γ, what reconstruction weighs in the decoder against fooling the discriminator.
        beta: weight of the KL in the encoder; 1 as in the paper.
        generator: "non-saturating", or "minimax" as the paper writes it (see `gan.GENERATOR_LOSSES`).
        average: decay of the moving average of encoder and decoder, such as 0.99; 0 for none.
    """

    advice = noted("hold the discriminator back: a higher gamma, or β1 = 0.5")  # see training.Method

    def __init__(
        self,
        model: VAE,
        discriminator: nn.Module,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.999),
        gamma: float = 0.01,
        beta: float = 1.0,
        generator: str = "non-saturating",
        average: float = 0.0,
    ):
        for name, weight in (("gamma", gamma), ("beta", beta)):
            if not 0 <= weight < float("inf"):
                raise InputError("{name} is {weight}; give a number from 0 up.", name=name, weight=weight)
        check_average(average)
        if generator not in GENERATOR_LOSSES:
            known = ", ".join(GENERATOR_LOSSES)
            raise InputError(
                "The generator's loss {generator!r} is not known. Choose one of: {known}.",
                generator=generator,
                known=known,
            )
        _check_discriminator(model, discriminator)
        self.model, self.discriminator = model, discriminator
        self.gamma, self.beta = gamma, beta
        self.generator_loss: Callable[[Tensor], Tensor] = GENERATOR_LOSSES[generator][0]
        encoder = nn.ModuleList([model.encoder, model.fc_mu, model.fc_var])
        self.optimizers = {
            "encoder": adam(encoder, lr, betas),
            "decoder": adam(model.decoder, lr, betas),
            "discriminator": adam(discriminator, lr, betas),
        }
        self._start_average(model, average)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update of each network on images x [B, D] in [0, 1], all from one pass, as the paper's algorithm 1.

        Returns:
            "features", |f(x) − f(x̃)|²/2, and "kl"; "g_loss" and "d_loss"; "d_real", "d_rebuilt" and "d_drawn", the mean
            probability of being real that D gave each kind.
        """
        check_unit(x)
        for net in (self.model, self.discriminator):
            if not net.training:  # a callback may have left it in eval mode
                net.train()
        losses = self.losses(x)
        self.send_gradients(losses)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self._average(self.model)
        return losses.parts

    def losses(self, x: Tensor) -> VAEGANLosses:
        """The three losses on images x [B, D] in [0, 1], by one pass through the three networks. Nothing is updated."""
        mu, log_var = self.model.encode(x)
        z = torch.cat(
            [self.model.reparameterize(mu, log_var), parallel.randn_like(mu)]
        )  # q's and the prior's, [2B, L]
        rebuilt, drawn = signed(self.model.decode(z)).chunk(2)
        # One kind at a time: a discriminator with batch norm would tell a mixed batch's kinds by its statistics.
        real_features, on_real = self.discriminator.features_and_logits(2 * x - 1)
        features, on_rebuilt = self.discriminator.features_and_logits(rebuilt)
        _, on_drawn = self.discriminator.features_and_logits(drawn)

        mismatch = -feature_log_likelihood(features, real_features).mean()
        kl = gaussian_kl(mu, log_var).mean()
        g_loss = self.generator_loss(on_rebuilt) + self.generator_loss(on_drawn)
        d_loss = discriminator_loss(on_real, on_rebuilt, on_drawn)
        parts = {"features": mismatch, "kl": kl, "g_loss": g_loss, "d_loss": d_loss}
        parts |= {"d_real": on_real.sigmoid().mean(), "d_rebuilt": on_rebuilt.sigmoid().mean()}
        parts |= {"d_drawn": on_drawn.sigmoid().mean()}
        return VAEGANLosses(
            encoder=mismatch + self.beta * kl,
            decoder=self.gamma * mismatch + g_loss,
            discriminator=d_loss,
            parts={name: part.detach() for name, part in parts.items()},
        )

    def send_gradients(self, losses: VAEGANLosses) -> None:
        """Each loss's gradient, and no other, into the `.grad` of its own network's weights.

        `inputs` says who gets it: the way leads through the other networks, and leaves nothing at theirs.
        """
        for name, optimizer in self.optimizers.items():
            mine = [p for group in optimizer.param_groups for p in group["params"]]
            optimizer.zero_grad(set_to_none=True)
            loss = parallel.announced(optimizer, getattr(losses, name))
            loss.backward(inputs=mine, retain_graph=name != "discriminator")

    def _parts(self) -> dict:
        parts = {"model": self.model, "discriminator": self.discriminator}
        parts |= {f"{name}_optimizer": optimizer for name, optimizer in self.optimizers.items()}
        return parts


@torch.no_grad()
def _check_discriminator(model: VAE, discriminator: nn.Module) -> None:
    """Raise InputError unless it gives features and logits of the model's images. It is tried, in eval mode."""
    who = type(discriminator).__name__
    if not callable(getattr(discriminator, "features_and_logits", None)):
        raise InputError(
            "{who} has no method features_and_logits(x), whose features VAE-GAN compares: nets.ConvDiscriminator "
            "has one.",
            who=who,
        )
    with in_mode(discriminator):
        like = next(model.parameters())
        x = torch.zeros(3, model.input_dim, dtype=like.dtype, device=like.device)
        features, logits = discriminator.features_and_logits(x)
    if features.ndim != 2 or len(features) != 3 or logits.shape != (3, 1):
        raise InputError(
            "{who}.features_and_logits must give features [B, F] and logits [B, 1]; for 3 images it gives {shape} "
            "and {shape_2}.",
            who=who,
            shape=list(features.shape),
            shape_2=list(logits.shape),
        )
    if isinstance(last_module(discriminator), nn.Sigmoid):
        raise InputError(
            "The discriminator ends in a sigmoid, but the losses take logits: leave the sigmoid away."
        )
