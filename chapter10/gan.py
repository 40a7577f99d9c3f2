"""The generative adversarial network of section 10.3: two networks, and the game between them.

Goodfellow et al. 2014, Generative Adversarial Nets; label smoothing: Salimans et al. 2016; instance noise: Sønderby
et al. 2017; R1: Mescheder, Geiger and Nowozin 2018. The mathematics are pure functions of logits l = log D/(1 − D), in
nats; the classes hold parameters. B images, D pixels, L latent dimensions. Images lie in [−1, 1], as tanh gives them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10 import backprop, parallel
from chapter10.adversarial import Adversarial, ends_in_sigmoid
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.nets import check_sizes
from chapter10.players import Discriminator, Generator, MixtureDiscriminator, MixtureGenerator
from chapter10.training import descend

__all__ = [
    "Discriminator",
    "GANTraining",
    "Generator",
    "MixtureDiscriminator",
    "MixtureGenerator",
    "Objective",
    "discriminator_loss",
    "discriminator_slope",
    "game_value",
    "minimax_generator_loss",
    "minimax_generator_slope",
    "non_saturating_generator_loss",
    "non_saturating_generator_slope",
    "r1_penalty",
]


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, smoothing: float = 0.0) -> Tensor:
    """What the discriminator descends: −E[log D(x)] − E[log(1 − D(G(z)))], minus the value of the game.

    Args:
        real_logits, fake_logits: D's logits [B, 1] for real and for generated images.
        smoothing: ε: the label of real images is 1 − ε; that of fakes stays 0, or q would enter the best D's numerator.
            (Salimans et al. 2016: the best D is then (1 − ε)·p / (p + q).)
    Returns:
        a scalar in nats; 2·log 2 where D says one half everywhere (and ε is 0).
    """
    # −(1 − ε)·log D − ε·log(1 − D) is −log D + ε·l, for log D − log(1 − D) = l.
    real = -F.logsigmoid(real_logits).mean() + smoothing * real_logits.mean()
    return real - F.logsigmoid(-fake_logits).mean()


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """The chapter's formula (section 10.3.2): E[log(1 − D(G(z)))], a scalar.

    Its gradient in a logit is −D/B: it vanishes where the discriminator is sure of a fake ("saturates").
    """
    return F.logsigmoid(-fake_logits).mean()


def non_saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """The chapter's code (section 10.3.3), fakes with real labels: −E[log D(G(z))], a scalar.

    Its gradient in a logit is −(1 − D)/B: strongest where the discriminator is sure of a fake.
    """
    return -F.logsigmoid(fake_logits).mean()


def discriminator_slope(real_logits: Tensor, fake_logits: Tensor, smoothing: float = 0.0) -> Tensor:
    """The gradient of `discriminator_loss` in the logits, real ones first, [2B, 1]: (D − 1 + ε)/B and D/B."""
    real, fake = real_logits.sigmoid().sub_(1 - smoothing), fake_logits.sigmoid()
    return torch.cat([real.div_(len(real)), fake.div_(len(fake))])


def minimax_generator_slope(fake_logits: Tensor) -> Tensor:
    """The gradient of `minimax_generator_loss` in the logits [B, 1]: −D/B."""
    return fake_logits.sigmoid().div_(-len(fake_logits))


def non_saturating_generator_slope(fake_logits: Tensor) -> Tensor:
    """The gradient of `non_saturating_generator_loss` in the logits [B, 1]: −(1 − D)/B, D for −l being 1 − D."""
    return (-fake_logits).sigmoid_().div_(-len(fake_logits))


def game_value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """V(D, G) = E[log D(x)] + E[log(1 − D(G(z)))], a scalar, at most 0; −log 4 where D says one half everywhere."""
    return F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean()


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """E‖∇ₓ l(x)‖² over real data, a scalar: how steep the discriminator is where the data are (Mescheder et al. 2018).

    Args:
        discriminator: gives logits; real: x [B, D].
    Returns:
        the mean squared norm, to be weighted by γ/2; its gradient reaches the discriminator's weights. For one that
        judges packs, the norm is over all of a pack.
    """
    real = real.detach().requires_grad_()
    # One sum for the whole batch: a row's logit depends on that row alone, so each row gets its own gradient.
    logits = discriminator(real)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.reshape(len(logits), -1).square().sum(1).mean()


# name: the loss that G descends, and its gradient
GENERATOR_LOSSES = {
    "non-saturating": (non_saturating_generator_loss, non_saturating_generator_slope),
    "minimax": (minimax_generator_loss, minimax_generator_slope),
}


@dataclass(frozen=True)
class Objective:
    """Which game is played.

    Attributes:
        generator: "non-saturating" (as the chapter's code) or "minimax" (as its formula).
        smoothing: ε from 0 to below 1; real labels are 1 − ε, one-sided.
        instance_noise: standard deviation of the noise that both real and generated data get before D sees them.
        r1: γ; the discriminator's loss gets γ/2·E‖∇D‖² on real data.
    """

    generator: str = "non-saturating"
    smoothing: float = 0.0
    instance_noise: float = 0.0
    r1: float = 0.0

    def __post_init__(self):
        if self.generator not in GENERATOR_LOSSES:
            known = ", ".join(GENERATOR_LOSSES)
            raise InputError(
                "The objective {generator!r} is not known. Choose one of: {known}.",
                generator=self.generator,
                known=known,
            )
        if not 0 <= self.smoothing < 1:
            raise InputError(
                "smoothing is {smoothing}; give a share from 0 to below 1.",
                smoothing=self.smoothing,
            )
        for name in ("instance_noise", "r1"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(
                    "{name} is {value}; give a number from 0 up.",
                    name=name,
                    value=getattr(self, name),
                )


class GANTraining(Adversarial):
    """The two players with their optimisers: what `training.fit` asks of a method.

    `lr`, `instance_noise` and `r1` may be set between steps, by hand or by a schedule, such as one that lets the noise die
    away: fit(..., schedules={"instance_noise": lambda done: 0.5 * (1 - done)}).

    Args:
        generator: z [B, L] -> data [B, D], with an attribute `latent_dim`, L. If it ends in nn.Tanh it makes images,
            and the real ones must lie in [−1, 1].
        discriminator: [B, D] -> logits [B, 1].
        lr, betas: of both Adams; β1 is 0.5 as usual for GANs (Radford et al. 2016), the chapter's default is 0.9.
        objective: which game.
        d_steps: D's steps for each of G's. A batch is split among them, so that each sees real data that are new, and
            each player draws its own noise: give d_steps times the batch that a step is meant to see.
        average: decay of the moving average of G's weights, such as 0.999; 0 for none.
        check_images: False lets images of any range through, for those who want to see what happens then.
    """

    advice = noted("hold the discriminator back: a penalty (Objective(r1=1)), or β1 = 0.5")  # see training.Method

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        objective: Objective | None = None,
        d_steps: int = 1,
        average: float = 0.0,
        check_images: bool = True,
    ):
        check_sizes(d_steps=d_steps)
        super().__init__(generator, discriminator, lr, betas, average, check_images)
        self.discriminator = discriminator
        self.objective = objective or Objective()
        self.instance_noise, self.r1 = self.objective.instance_noise, self.objective.r1
        self.d_steps = d_steps

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One round of the game on real data x [B, D]: `d_steps` steps of D, then one of G.

        Returns:
            "d_loss" (without the penalty) and "g_loss", in nats; "d_real" and "d_fake", the mean probability of being
            real that D gave both; "r1", the penalty before its weight, if the objective has one. Means over D's steps.
        """
        rounds = self.split(x, self.d_steps)
        parts = self.means([self.discriminator_step(part) for part in rounds])
        return parts | self.generator_step(len(x) // self.d_steps)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update of D on real data [B, D] and as many fakes; G stays as it is."""
        self.train()
        by_hand = self._by_hand(real)
        with torch.no_grad():  # detached: D's step must not move G, so no graph of how the fakes were made
            fake = self._generate(len(real), by_hand)
        real, fake = self._noised(real), self._noised(fake)
        smoothing = self.objective.smoothing
        if by_hand and not self.r1:
            with torch.no_grad():
                judged = backprop.Pass(
                    self.discriminator.model, torch.cat([real, fake])
                )  # (2B, D) -> (2B, 1)
                logits = judged.output.split([len(real), len(fake)])
                judged.learn(discriminator_slope(*logits, smoothing))
                parts = {"d_loss": discriminator_loss(*logits, smoothing)} | _probabilities(*logits)
            self.d_optimizer.step()
            return parts
        logits = self.judge(real, fake)
        loss = total = discriminator_loss(*logits, smoothing)
        parts = {"d_loss": loss.detach()} | _probabilities(*logits)
        if self.r1:
            penalty = r1_penalty(self.discriminator, real)
            total = loss + self.r1 / 2 * penalty
            parts["r1"] = penalty.detach()
        descend(self.d_optimizer, total)
        return parts

    def generator_step(self, batch_size: int) -> dict[str, Tensor]:
        """One update of G on so many fakes, from noise drawn anew; D stays as it is."""
        self.train()
        loss_of, slope_of = GENERATOR_LOSSES[self.objective.generator]
        z = self.noise(batch_size)
        if self._by_hand(z):
            with torch.no_grad():
                made = backprop.Pass(self.generator.model, z)
                judged = backprop.Pass(self.discriminator.model, self._noised(made.output))
                loss = loss_of(judged.output)
                # Through D to the fakes, leaving no gradient at D's weights: they are not G's to move.
                made.learn(judged.to_input(slope_of(judged.output)))
            self.g_optimizer.step()
        else:
            loss = loss_of(
                self.discriminator(self._noised(self.generator(z)))
            )  # not detached: G learns through D
            descend(self.g_optimizer, loss)
        self._average(self.generator)
        return {"g_loss": loss.detach()}

    def _check_scores(self, scores: Tensor, opponent: nn.Module) -> None:
        if ends_in_sigmoid(scores, opponent):
            raise InputError(
                "The discriminator ends in a sigmoid, but the losses take logits: its loss could never fall below "
                "1.006. Leave the sigmoid away; discriminator(x).sigmoid() is the probability."
            )

    def _by_hand(self, x: Tensor) -> bool:
        """Whether both players are networks that `backprop` can step without autograd's graph, which takes longer."""
        return (
            parallel.world() == 1  # autograd is what the gradients of several processes are exchanged by
            and type(self.generator) in (Generator, MixtureGenerator)
            and type(self.discriminator) in (Discriminator, MixtureDiscriminator)
            and getattr(self.discriminator, "pack", 1) == 1
            and backprop.is_chain(self.generator.model)
            and backprop.is_chain(self.discriminator.model)
            and x.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and all(p.requires_grad and p.dtype == x.dtype == torch.float32 for p in self._parameters)
        )

    def _generate(self, n: int, by_hand: bool) -> Tensor:
        z = self.noise(n)
        return backprop.forward(self.generator.model, z)[-1] if by_hand else self.generator(z)

    def _noised(self, x: Tensor) -> Tensor:
        return x + self.instance_noise * parallel.randn_like(x) if self.instance_noise else x


@torch.no_grad()
def _probabilities(real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    return {"d_real": real_logits.sigmoid().mean(), "d_fake": fake_logits.sigmoid().mean()}
