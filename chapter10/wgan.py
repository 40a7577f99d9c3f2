"""The Wasserstein GAN (section 10.5.2): a critic that measures a distance, and three ways to keep it from being too steep.

Arjovsky, Chintala and Bottou 2017, Wasserstein GAN (weight clipping); Gulrajani et al. 2017, Improved training of
Wasserstein GANs (the penalty on the slope); Miyato et al. 2018, Spectral normalization for GANs. The critic f gives any
real number. Among all f whose slope is nowhere above 1, the largest E f(x) − E f(G(z)) is the Wasserstein distance:
`exact.wasserstein_1d` has it on a line, `exact.critics` what each class of critics can find of it.

B data, D numbers each, in any further shape.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from chapter10 import parallel
from chapter10.adversarial import Adversarial, ends_in_sigmoid, has_batch_norm
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.nets import check_sizes
from chapter10.training import descend

LIPSCHITZ = ("penalty", "clipping", "spectral")


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """What the critic descends: −(E f(x) − E f(G(z))), minus its estimate of the distance; a scalar.

    Args:
        real_scores, fake_scores: f of real and of generated data, [B, 1], without sigmoid or logarithm.
    """
    return fake_scores.mean() - real_scores.mean()


def critic_generator_loss(fake_scores: Tensor) -> Tensor:
    """What the generator descends: −E f(G(z)), a scalar: it raises the critic's score of what it makes."""
    return -fake_scores.mean()


def gradient_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, epsilon: Tensor | None = None, target: float = 1.0
) -> Tensor:
    """E(‖∇f‖ − 1)² on straight lines between real and generated data, a scalar, to be weighted by λ.

    One place on each line: ε·x + (1 − ε)·G(z) with one ε for all pixels of an example; the norm is over all of an
    example's pixels. For a critic that judges packs, a pack is the example. Where the slope is exactly 0, the norm has no
    derivative and passes none on.

    Args:
        critic: [B, ...] -> [B, 1]; each score may depend on its own example alone.
        real, fake: [B, ...] of one shape; no gradient goes to either.
        epsilon: ε, [B] or [B, 1, ...]; by default drawn from U(0, 1).
        target: the slope that costs nothing.
    """
    if real.shape != fake.shape:
        raise InputError(
            "real is {shape} and fake {shape_2}; the lines run between two batches of one shape.",
            shape=list(real.shape),
            shape_2=list(fake.shape),
        )
    if epsilon is None:
        pack = getattr(critic, "pack", 1)
        epsilon = parallel.rand(len(real) // pack, dtype=real.dtype, device=real.device).repeat_interleave(pack)
    if epsilon.numel() != len(real):
        raise InputError(
            "epsilon is {shape}; give one number for each of the {count} examples: with one a pixel the points "
            "leave the line.",
            shape=list(epsilon.shape),
            count=len(real),
        )
    share = epsilon.view(-1, *[1] * (real.ndim - 1))
    with torch.enable_grad():
        between = (fake + share * (real - fake)).detach().requires_grad_()
        scores = critic(between)
        # One sum for the batch: a row's score depends on that row alone, so each row gets its own gradient. The graph
        # of the gradient is kept, or the penalty could not reach the critic's weights.
        gradient = None
        if scores.requires_grad:
            (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True, allow_unused=True)
    if gradient is None:  # a critic that does not look at its input
        gradient = torch.zeros_like(between)
    squared = gradient.reshape(len(scores), -1).square().sum(1)
    flat = squared == 0
    norm = torch.where(flat, 1.0, squared).sqrt() * ~flat  # the root's derivative at 0 is infinite
    return (norm - target).square().mean()


@torch.no_grad()
def clip_weights(critic: nn.Module, c: float) -> None:
    """Put each weight and bias into [−c, c], in place: to be done after the critic's step."""
    if not 0 < c < math.inf:
        raise InputError("clip is {c}; give a bound for the weights above 0, such as 0.01.", c=c)
    for parameter in critic.parameters():
        parameter.clamp_(-c, c)


def spectral(critic: nn.Module) -> nn.Module:
    """Divide each layer's weights by their largest singular value, in place, in each forward pass; the critic itself.

    The value is followed by one step of the power method a pass in train mode. With activations no steeper than 1, as
    (leaky) ReLU, f is then no steeper than 1. A convolution's weights count as a matrix [outputs, all else], whose
    largest singular value is not quite the convolution's own (Miyato et al. 2018, section 2).
    """
    for module in critic.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim > 1 and not is_parametrized(module, "weight"):
            if not weight.any():
                raise InputError(
                    "All weights of {module} are 0: there is no largest singular value to divide by. Draw them at "
                    "random.",
                    module=module,
                )
            spectral_norm(module)
    return critic


def check_critic(critic: nn.Module, lipschitz: str = "penalty") -> None:
    """Raise InputError for a critic that cannot be held by that way of bounding its slope."""
    if lipschitz not in LIPSCHITZ:
        raise InputError(
            "lipschitz is {lipschitz!r}; choose how to bound the critic's slope: {choices}.",
            lipschitz=lipschitz,
            choices=', '.join(LIPSCHITZ),
        )
    if not has_batch_norm(critic) or lipschitz == "clipping":
        return
    if lipschitz == "penalty":
        raise InputError(
            "The critic has batch norm, so its score of one example depends on the others in the batch, and the slope that "
            "the penalty looks at is not that example's own. Leave batch norm out of the critic, or take layer norm."
        )
    raise InputError(
        "The critic has batch norm, which divides by the batch's spread and so undoes the bound that spectral normalisation "
        "puts on the slope. Leave batch norm out of the critic."
    )


class WGANTraining(Adversarial):
    """Generator and critic with their optimisers: what `training.fit` asks of a method.

    `lr`, `penalty` and `clip` may be set between steps, by hand or by a schedule.

    Args:
        generator: z [B, L] -> data [B, D], with an attribute `latent_dim`, L. If it ends in nn.Tanh it makes images,
            and the real ones must lie in [−1, 1].
        critic: [B, D] -> scores [B, 1]. With lipschitz="spectral" its layers are normalised in place.
        lr, betas: of both Adams; by default those of Gulrajani et al. With β1 = 0 Adam is RMSProp with a correction at
            the start: Arjovsky et al. found that their critic does not bear momentum.
        lipschitz: how the critic's slope is bounded: "penalty", "clipping" or "spectral".
        penalty: λ, from 0 (no bound) up; for "penalty" only. clip: c; for "clipping" only.
        critic_steps: the critic's for each of the generator's. A batch is split among them, so that each sees real data
            that are new: give critic_steps times the batch that a step is meant to see.
        average: decay of the moving average of G's weights, such as 0.999; 0 for none.
        check_images: False lets images of any range through.
    """

    advice = noted("hold the critic back: a larger penalty, or a smaller clip")  # see training.Method
    role = noted("critic")

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.0, 0.9),
        lipschitz: str = "penalty",
        penalty: float = 10.0,
        clip: float = 0.01,
        critic_steps: int = 5,
        average: float = 0.0,
        check_images: bool = True,
    ):
        check_sizes(critic_steps=critic_steps)
        check_critic(critic, lipschitz)
        if not 0 <= penalty < math.inf:
            raise InputError(
                "penalty is {penalty}; give a weight λ from 0 up, such as 10: below 0 it would pay the critic to "
                "be steep.",
                penalty=penalty,
            )
        if not 0 < clip < math.inf:
            raise InputError("clip is {clip}; give a bound for the weights above 0, such as 0.01.", clip=clip)
        if lipschitz == "spectral":
            spectral(critic)  # before its Adam is made: the weights that are trained are new ones
        super().__init__(generator, critic, lr, betas, average, check_images)
        self.critic, self.critic_steps = critic, critic_steps
        self.lipschitz, self.penalty, self.clip = lipschitz, penalty, clip

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One round on real data x [B, D]: `critic_steps` steps of the critic, then one of the generator.

        Returns:
            "estimate", E f(x) − E f(G(z)), before each of the critic's updates, their mean; "g_loss"; "penalty", before
            its weight, where there is one.
        """
        rounds = self.split(x, self.critic_steps)
        parts = self.means([self.critic_step(part) for part in rounds])
        return parts | self.generator_step(len(x) // self.critic_steps)

    def critic_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update of the critic on real data [B, D] and as many fakes; G stays as it is."""
        self.train()
        with torch.no_grad():  # detached: this step must not move G, so no graph of how the fakes were made
            fake = self.generator(self.noise(len(real)))
        loss = total = critic_loss(*self.judge(real, fake))
        parts = {"estimate": -loss.detach()}
        if self.lipschitz == "penalty":
            steepness = gradient_penalty(self.critic, real, fake)
            total = loss + self.penalty * steepness
            parts["penalty"] = steepness.detach()
        descend(self.d_optimizer, total)
        if self.lipschitz == "clipping":
            clip_weights(self.critic, self.clip)  # after the step: G is to see bounded weights
        return parts

    def generator_step(self, batch_size: int) -> dict[str, Tensor]:
        """One update of G on so many fakes, from noise drawn anew; the critic stays as it is."""
        self.train()
        # not detached: G learns through the critic
        loss = critic_generator_loss(self.critic(self.generator(self.noise(batch_size))))
        descend(self.g_optimizer, loss)
        self._average(self.generator)
        return {"g_loss": loss.detach()}

    def _check_scores(self, scores: Tensor, opponent: nn.Module) -> None:
        if ends_in_sigmoid(scores, opponent):
            raise InputError(
                "The critic ends in a sigmoid, which keeps its scores between 0 and 1 and its estimate within ±1, however far "
                "the fakes are. Leave the sigmoid away: a critic's score is any number."
            )
