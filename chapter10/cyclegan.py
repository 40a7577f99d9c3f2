"""CycleGAN (section 10.5.2): two generators that translate between two domains of images, and learn it without pairs.

Zhu, Park, Isola and Efros 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks; the
least-squares game: Mao et al. 2017; the pool of older translations: Shrivastava et al. 2017. The networks are in
translators.py. B images, D_A and D_B numbers in a row of domain A and of B. Images are rows [B, D] in [−1, 1].
"""

from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.data import check_signed
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.nets import in_mode, last_module
from chapter10.training import Averaged, adam, check_average, descend
from chapter10.translators import PatchDiscriminator, ResidualBlock, TranslationGenerator

__all__ = [
    "CycleGAN",
    "CycleGANTraining",
    "ImagePool",
    "PatchDiscriminator",
    "ResidualBlock",
    "TranslationGenerator",
    "cycle_loss",
    "full_scale",
    "identity_loss",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
]


def least_squares_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """½·(E[(D(x) − 1)²] + E[D(x̃)²]), a scalar, over all patches of all images: 1 is the label of real, 0 of translated.

    The half is the authors'. Without a logarithm nothing saturates: the gradient grows with the distance from the label.
    """
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_generator_loss(fake: Tensor) -> Tensor:
    """E[(D(x̃) − 1)²], a scalar: what has been translated is to be labelled as real."""
    return (fake - 1).square().mean()


def cycle_loss(x: Tensor, back: Tensor) -> Tensor:
    """E|F(G(x)) − x|, a scalar: the mean over images [B, D] and their pixels, for the weight λ counts per pixel."""
    return (back - x).abs().mean()


def identity_loss(generator: nn.Module, target: Tensor) -> Tensor:
    """E|G(y) − y|, a scalar: what is already an image of the domain that `generator` translates *into* is to stay.

    Args:
        generator: such as A→B; target: images [B, D] of B, not of A.
    """
    return (generator(target) - target).abs().mean()


class ImagePool:
    """Older translations, of which the discriminator sees some beside the newest: so it does not forget them at once.

    Each new image that finds the pool full is shown with probability ½; else it takes the place of one in the pool, which
    is shown instead. What is kept holds no graph, or D's step would run back into the generators'.

    Args:
        size: how many images it keeps, from 1 up; the authors' is 50.
    """

    def __init__(self, size: int = 50):
        if not isinstance(size, int) or size < 1:
            raise InputError(
                "An image pool of size {size!r} can keep no image: give a size from 1 up, such as the authors' 50. "
                "To show the discriminator only the newest translations, leave the pool away: "
                "CycleGANTraining(pool=None).",
                size=size,
            )
        self.size = size
        self.images: Tensor | None = None  # [n, D], n up to `size`

    def __len__(self) -> int:
        return 0 if self.images is None else len(self.images)

    def exchange(self, new: Tensor) -> Tensor:
        """New images [B, D] -> as many to show, [B, D], detached. Several processes keep the same pool, of all their images."""
        new = parallel.gather(new.detach())
        room = self.size - len(self)
        if room:
            kept = new[:room].clone()
            self.images = kept if self.images is None else torch.cat([self.images, kept])
        shown = new.clone()
        stay = torch.rand(len(new)) < 0.5
        place = torch.randint(self.size, (len(new),))
        for i in range(room, len(new)):  # one by one: the place may be that of an image of the same batch
            if not stay[i]:
                shown[i] = self.images[place[i]]
                self.images[place[i]] = new[i]
        return parallel.share(shown)

    def state_dict(self) -> dict[str, Any]:
        return {"images": [] if self.images is None else [self.images]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images = state["images"][0].clone() if state["images"] else None


class CycleGAN(nn.Module):
    """Both generators: a_to_b, rows [B, D_A] -> [B, D_B], and b_to_a, the way back. Each has `in_dim` and `out_dim`."""

    def __init__(self, a_to_b: nn.Module, b_to_a: nn.Module):
        super().__init__()
        for name, net in (("a_to_b", a_to_b), ("b_to_a", b_to_a)):
            if not hasattr(net, "in_dim") or not hasattr(net, "out_dim"):
                raise InputError(
                    "{name} ({kind}) does not say the sizes of its rows: set its attributes in_dim and out_dim.",
                    name=name,
                    kind=type(net).__name__,
                )
        if (a_to_b.in_dim, a_to_b.out_dim) != (b_to_a.out_dim, b_to_a.in_dim):
            raise InputError(
                "a_to_b makes rows of {out_dim} from rows of {in_dim}, b_to_a rows of {out_dim_2} from rows of "
                "{in_dim_2}: one must take what the other gives. Give both the same size and matching channels.",
                out_dim=a_to_b.out_dim,
                in_dim=a_to_b.in_dim,
                out_dim_2=b_to_a.out_dim,
                in_dim_2=b_to_a.in_dim,
            )
        self.a_to_b, self.b_to_a = a_to_b, b_to_a
        self.size_a, self.size_b = a_to_b.in_dim, a_to_b.out_dim

    def round_trip(self, x: Tensor, start: str = "a") -> tuple[Tensor, Tensor]:
        """x of the domain `start`, "a" or "b" -> its translation, and what comes back of it."""
        if start not in ("a", "b"):
            raise InputError(
                "start is {start!r}; give 'a' or 'b', the domain that the images come from.",
                start=start,
            )
        there, back = (self.a_to_b, self.b_to_a) if start == "a" else (self.b_to_a, self.a_to_b)
        made = there(x)
        return made, back(made)


class CycleGANTraining(Averaged):
    """The two generators against a discriminator of each domain: what `training.fit` asks of a method.

    Args:
        model: both generators. Those that end in nn.Tanh make images, and the real ones must lie in [−1, 1].
        d_a, d_b: score images of A, and of B: rows -> scores of any shape, without a sigmoid.
        lr, betas: of both Adams, that of the generators and that of the discriminators.
        cycle: λ, the weight of the cycle loss of each direction; 0 leaves it away.
        identity: the weight of the identity loss as a share of λ, as in the authors' code; 0 leaves it away, as where A and
            B have rows of different sizes.
        pool: images that each pool of older translations keeps; None: D sees the newest only.
        average: decay of the moving average of the generators' weights, such as 0.99; 0 for none.
    """

    advice = noted("give the discriminators less: a lower rate, or fewer layers")  # see training.Method

    def __init__(
        self,
        model: CycleGAN,
        d_a: nn.Module,
        d_b: nn.Module,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int | None = 50,
        average: float = 0.0,
    ):
        for name, weight in (("cycle", cycle), ("identity", identity)):
            if not 0 <= weight < float("inf"):  # written so that NaN fails too
                raise InputError(
                    "The weight {name} is {weight}; give a number from 0 up: below 0 the loss would reward errors.",
                    name=name,
                    weight=weight,
                )
        check_average(average)
        if cycle * identity and model.size_a != model.size_b:
            raise InputError(
                "The identity loss feeds images of a domain to the generator that makes them, but A has rows of "
                "{size_a} and B of {size_b}: set identity=0, or give both domains the same size and channels.",
                size_a=model.size_a,
                size_b=model.size_b,
            )
        _check_discriminators(model, d_a, d_b)
        self.model, self.d_a, self.d_b = model, d_a, d_b
        self.cycle, self.identity = cycle, identity
        self.pools = None if pool is None else {"a": ImagePool(pool), "b": ImagePool(pool)}
        self.g_optimizer = adam(model, lr, betas)
        self.d_optimizer = adam(nn.ModuleList([d_a, d_b]), lr, betas)
        self._start_average(model, average)
        makers = model.b_to_a, model.a_to_b  # of A, of B
        self._images = [isinstance(last_module(net), nn.Tanh) for net in makers]

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One round on x [B, D_A + D_B], an image of A and an unrelated one of B in each row: generators, then discriminators.

        Returns:
            "g_loss" and "d_loss", the game's, both directions summed; "cycle" and "identity", each both directions summed
            and before its weight, where it has one.
        """
        if x.ndim != 2 or x.shape[1] != self.model.size_a + self.model.size_b:
            raise InputError(
                "A step takes rows of {size_a} + {size_b} numbers, an image of A and one of B side by side, found "
                "{shape}: domains.UnpairedBatches gives them.",
                size_a=self.model.size_a,
                size_b=self.model.size_b,
                shape=list(x.shape),
            )
        a, b = x.split([self.model.size_a, self.model.size_b], 1)
        for part, images in zip((a, b), self._images):
            if images:
                check_signed(part)
        for net in (self.model, self.d_a, self.d_b):
            if not net.training:  # a callback may have left it in eval mode
                net.train()
        made_a, made_b, parts = self.generator_step(a, b)
        return parts | self.discriminator_step(a, b, made_a, made_b)

    def generator_step(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One update of both generators; the discriminators stay as they are.

        Returns:
            the translations they made before it, of A [B, D_A] and of B [B, D_B], without a graph; the parts of the loss.
        """
        model = self.model
        made_b, made_a = model.a_to_b(a), model.b_to_a(b)
        total = least_squares_generator_loss(self.d_b(made_b)) + least_squares_generator_loss(
            self.d_a(made_a)
        )
        parts = {"g_loss": total.detach()}
        if self.cycle:
            loss = cycle_loss(a, model.b_to_a(made_b)) + cycle_loss(b, model.a_to_b(made_a))
            total, parts["cycle"] = total + self.cycle * loss, loss.detach()
        if self.cycle * self.identity:
            loss = identity_loss(model.a_to_b, b) + identity_loss(model.b_to_a, a)
            total, parts["identity"] = total + self.cycle * self.identity * loss, loss.detach()
        descend(self.g_optimizer, total)  # through the discriminators, whose weights are not moved
        self._average(model)
        return made_a.detach(), made_b.detach(), parts

    def discriminator_step(self, a: Tensor, b: Tensor, made_a: Tensor, made_b: Tensor) -> dict[str, Tensor]:
        """One update of both discriminators on real images and on translations, which carry no graph of how they were made."""
        made_a, made_b = made_a.detach(), made_b.detach()
        if self.pools:
            made_a, made_b = self.pools["a"].exchange(made_a), self.pools["b"].exchange(made_b)
        loss = least_squares_discriminator_loss(self.d_a(a), self.d_a(made_a))
        loss = loss + least_squares_discriminator_loss(self.d_b(b), self.d_b(made_b))
        descend(self.d_optimizer, loss)
        return {"d_loss": loss.detach()}

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "d_a": self.d_a, "d_b": self.d_b}
        parts |= {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}
        parts |= {f"pool_{name}": pool for name, pool in (self.pools or {}).items()}
        return parts


def full_scale(channels_a: int = 3, channels_b: int = 3, size: int = 256) -> CycleGANTraining:
    """The paper's setting, untrained, for a GPU: networks of width 64, 6 residual blocks, or 9 from 256×256 on, patches of 70×70,
    and all weights and rates of `CycleGANTraining`'s defaults; no identity loss where the channels differ.

    The authors train it for 200 epochs with one image of each domain a step, the rate falling in the second half:
    fit(full_scale(), batches, 200, schedules={"lr": linear_decay(2e-4)}), the batches as `domains.UnpairedBatches` gives them.
    """
    blocks = 9 if size >= 256 else 6
    there = TranslationGenerator(channels_a, channels_b, 64, blocks, size, "paper")
    back = TranslationGenerator(channels_b, channels_a, 64, blocks, size, "paper")
    d_a, d_b = (PatchDiscriminator(channels, 64, 3, size) for channels in (channels_a, channels_b))
    return CycleGANTraining(
        CycleGAN(there, back), d_a, d_b, identity=0.5 if channels_a == channels_b else 0.0
    )


@torch.no_grad()
def _check_discriminators(model: CycleGAN, d_a: nn.Module, d_b: nn.Module) -> None:
    """Raise InputError unless each takes rows of its domain. They are tried, in eval mode."""
    like = next(model.parameters())
    for name, net, size in (("d_a", d_a, model.size_a), ("d_b", d_b, model.size_b)):
        try:
            with in_mode(net):
                net(torch.zeros(2, size, dtype=like.dtype, device=like.device))
        except (RuntimeError, InputError) as error:
            raise InputError(
                "{name} scores images of domain {value}, rows of {size}, but does not take them ({value_2}). Build "
                "it for that size and number of channels.",
                name=name,
                value=name[-1].upper(),
                size=size,
                value_2=str(error).rstrip(".。"),
            ) from None
        if isinstance(last_module(net), nn.Sigmoid):
            raise InputError(
                "{name} ends in a sigmoid, but least squares are taken of its scores: leave the sigmoid away.",
                name=name,
            )
