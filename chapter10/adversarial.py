"""What every game of a generator against an opponent has in common, whatever the two descend.

`gan.GANTraining` and `wgan.WGANTraining` build on it: they say how the opponent's step and the generator's go. B data,
D numbers each, L latent dimensions.
"""

import torch
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.data import check_signed
from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.nets import check_sizes, in_mode, last_module
from chapter10.training import Averaged, adam, check_average


class Adversarial(Averaged):
    """A generator and its opponent, each with its Adam, and the moving average of the generator's weights.

    Args:
        generator: z [B, L] -> data [B, D], with an attribute `latent_dim`, L. If it ends in nn.Tanh it makes images,
            and the real ones must lie in [−1, 1].
        opponent: [B, D] -> scores [B, 1], which differ from game to game in what they mean. One with an attribute
            `pack`, m, judges m rows that follow one another as one: [B, D] -> scores [B/m, 1].
        lr, betas: of both Adams.
        average: decay of the moving average of G's weights, such as 0.999; 0 for none.
        check_images: False lets images of any range through.
    Attributes:
        role: what the opponent is called, in messages and in what is stored.
    """

    role = noted("discriminator")

    def __init__(
        self,
        generator: nn.Module,
        opponent: nn.Module,
        lr: float,
        betas: tuple[float, float],
        average: float,
        check_images: bool,
    ):
        check_average(average)
        self._check_scores(_scores_far_out(generator, opponent, self.role), opponent)
        self.generator, self._opponent = generator, opponent
        self.g_optimizer, self.d_optimizer = adam(generator, lr, betas), adam(opponent, lr, betas)
        self._start_average(generator, average)
        self._parameters = [*generator.parameters(), *opponent.parameters()]
        self._check = check_images and isinstance(last_module(generator), nn.Tanh)
        # Real and fake go through the opponent in one pass, which is faster. Not so if it normalises over the batch:
        # its statistics would be those of the mixture; nor if it judges packs, none of which may hold both.
        self._together = not has_batch_norm(opponent) and getattr(opponent, "pack", 1) == 1

    def _check_scores(self, scores: Tensor, opponent: nn.Module) -> None:
        """Raise InputError where the scores [64, 1] of data far out are not what this game needs of its opponent."""

    def split(self, x: Tensor, steps: int) -> tuple[Tensor, ...]:
        """A batch x [B, D] in as many parts, for so many steps of the opponent, after a look at it."""
        if self._check:
            check_signed(x)
        if len(x) < steps:
            raise InputError(
                "A batch of {count} cannot be split among {steps} steps of the {role}: give larger batches, and "
                "drop_last=True if the last one is short.",
                count=len(x),
                steps=steps,
                role=say(self.role),
            )
        return x.tensor_split(steps)

    @staticmethod
    def means(rounds: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The mean of each part over the opponent's steps."""
        if len(rounds) == 1:
            return rounds[0]
        return {name: torch.stack([row[name] for row in rounds]).mean() for name in rounds[0]}

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The opponent's scores of both, [B, 1] each."""
        if self._together:
            real, fake = self._opponent(torch.cat([real, fake])).split([len(real), len(fake)])
            return real, fake
        return self._opponent(real), self._opponent(fake)

    def noise(self, n: int) -> Tensor:
        """z [n, L] from N(0, I)."""
        first = next(self.generator.parameters())
        return parallel.randn(n, self.generator.latent_dim, dtype=first.dtype, device=first.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n generated data [n, D], by the moving average if there is one, in eval mode.

        Args:
            generator: torch's source of random numbers on the CPU; the global one if None.
        """
        check_sizes(n=n)
        net = self.averaged
        first, training = next(net.parameters()), net.training
        z = torch.randn(n, self.generator.latent_dim, generator=generator, dtype=first.dtype)
        fake = net.eval()(z.to(first.device))
        net.train(training)
        return fake

    def train(self) -> None:
        for player in (self.generator, self._opponent):
            if not player.training:  # a callback may have left it in eval mode
                player.train()

    def _parts(self) -> dict:
        parts = {"generator": self.generator, self.role: self._opponent}
        parts |= {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}
        return parts


def has_batch_norm(module: nn.Module) -> bool:
    return any("BatchNorm" in type(m).__name__ for m in module.modules())


def ends_in_sigmoid(scores: Tensor, opponent: nn.Module) -> bool:
    """Whether scores of data far out, [64, 1], are a sigmoid's, wherever it hides; not where all are the same."""
    low, high = scores.min(), scores.max()
    return isinstance(last_module(opponent), nn.Sigmoid) or bool(0 <= low < high <= 1)


@torch.no_grad()
def _scores_far_out(generator: nn.Module, opponent: nn.Module, role: str) -> Tensor:
    """The scores [64, 1] of data far out. Raise InputError unless the opponent takes what the generator makes.

    Both are tried in eval mode, and left as they were.
    """
    if not hasattr(generator, "latent_dim"):
        raise InputError(
            "{kind} does not say how long its z is: set its attribute latent_dim, such as to 100.",
            kind=type(generator).__name__,
        )
    if next(opponent.parameters(), None) is None:
        raise InputError("The {role} has no weights to train: give a network that has some.", role=say(role))
    with in_mode(generator, opponent):
        first, source = next(generator.parameters()), torch.Generator().manual_seed(0)
        z = torch.randn(2, generator.latent_dim, generator=source, dtype=first.dtype)
        made = generator(z.to(first.device))
        # Far out, scores are large; a sigmoid, wherever it hides, stays between 0 and 1.
        rows = 64 * getattr(opponent, "pack", 1)
        far = 1000 * torch.randn(rows, *made.shape[1:], generator=source, dtype=made.dtype).to(made.device)
        try:
            scores = opponent(far)
        except (RuntimeError, InputError) as error:
            raise InputError(
                "The generator makes data [B, {choices}], which the {role} does not take ({value}). Give both the "
                "same img_dim.",
                choices=', '.join(map(str, made.shape[1:])),
                role=say(role),
                value=str(error).rstrip('.'),
            ) from None
    if scores.shape != (64, 1):
        what = noted("logit") if role == "discriminator" else noted("score")
        raise InputError(
            "The {role} must give one {what} an image, [64, 1] for 64 images; it gives {shape}.",
            role=say(role),
            what=say(what),
            shape=list(scores.shape),
        )
    return scores
