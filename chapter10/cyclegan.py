"""CycleGAN (section 10.5.2): two generators that translate between two domains of images, and learn it without pairs.

Zhu, Park, Isola and Efros 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks; the
least-squares game: Mao et al. 2017; the pool of older translations: Shrivastava et al. 2017; discriminators of patches:
Isola et al. 2017. B images, D_A and D_B numbers in a row of domain A and B, C channels, H the side of an image, w the
width. Images are rows [B, H·H·C] in [−1, 1] with the channels of a pixel side by side, as `nets.Maps` takes them.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from chapter10.data import check_signed
from chapter10.errors import InputError
from chapter10.nets import Maps, Rows, as_rows, check_sizes, dcgan_init, last_module
from chapter10.training import Averaged, adam

__all__ = [
    "CycleGAN",
    "CycleGANTraining",
    "ImagePool",
    "PatchDiscriminator",
    "ResidualBlock",
    "TranslationGenerator",
    "cycle_loss",
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


class ResidualBlock(nn.Module):
    """x + body(x), [B, w, H, H] to the same: two convolutions with instance norm, and nothing after the sum."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(*_convolution(width, width), nn.ReLU(), *_convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class TranslationGenerator(nn.Module):
    """Images [B, H·H·C] of one domain -> images [B, H·H·C'] of the other, in [−1, 1].

    "small" is made for two cores and for the page: 2×2 pixels become one place of four times the channels (Shi et al. 2016),
    all convolutions are 3×3 there, and the last one's channels are put apart again: 2 million multiplications for a grey
    28×28 image. "paper" is the authors': 7×7 at full size, two convolutions with stride 2 to a quarter, residual blocks
    (6 for 128×128, 9 for 256×256), two transposed convolutions, 7×7 again; theirs has width 64.

    Args:
        in_channels, out_channels: C, C', 1 or 3; width: w, of the first maps; blocks: residual ones; size: H.
        form: "small" or "paper".
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 16,
        blocks: int = 2,
        size: int = 28,
        form: str = "small",
    ):
        super().__init__()
        check_sizes(in_channels=in_channels, out_channels=out_channels, width=width, blocks=blocks, size=size)
        if form not in ("small", "paper"):
            raise InputError(f"The form {form!r} is not known. Choose one of: small, paper.")
        factor = 2 if form == "small" else 4
        if size % factor or size < 3 * factor:
            raise InputError(
                f"size is {size}; the form {form!r} works on maps of a {'half' if factor == 2 else 'quarter'} of the side, "
                f"so give a multiple of {factor} from {3 * factor} up."
            )
        self.in_channels, self.out_channels, self.size = in_channels, out_channels, size
        self.in_dim, self.out_dim = size * size * in_channels, size * size * out_channels
        layers = _small if form == "small" else _paper
        self.model = nn.Sequential(
            Maps(in_channels, size),  # (B, H·H·C) -> (B, C, H, H)
            *layers(in_channels, out_channels, width, blocks),  # -> (B, C', H, H)
            Rows(),  # -> (B, H·H·C')
            nn.Tanh(),
        )
        self.apply(dcgan_init)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(_images(x, self.size, self.in_channels, "The generator"))


class PatchDiscriminator(nn.Module):
    """Images [B, H·H·C] -> a map of scores [B, 1, H', H'], each of one patch of the image: no sigmoid, for least squares.

    4×4 convolutions: `layers` with stride 2 and two with stride 1, the width doubled at each but the last, instance norm in
    all but the first and the last, LeakyReLU(0.2). With layers=1 a score sees 16×16 pixels, with 2 34×34, with 3 the authors'
    70×70 (their width is 64).

    Args:
        channels: C, 1 or 3; width: w, of the first maps; layers: with stride 2; size: H.
    Attributes:
        patch: the side of what a score sees, in pixels; what lies outside the image counts as 0.
        map_size: H'.
    """

    def __init__(self, channels: int = 1, width: int = 16, layers: int = 1, size: int = 28):
        super().__init__()
        check_sizes(channels=channels, width=width, layers=layers, size=size)
        self.channels, self.size, self.in_dim = channels, size, size * size * channels
        self.patch, self.map_size = _seen(layers), size // 2**layers - 2
        if self.map_size < 1:
            raise InputError(
                f"{layers} layers with stride 2 leave no map of a {size}×{size} image for the two that follow: give at most "
                f"{max(n for n in range(layers) if size // 2**n > 2)}."
            )
        made: list[nn.Module] = [
            Maps(channels, size),  # (B, H·H·C) -> (B, C, H, H)
            nn.Conv2d(channels, width, 4, stride=2, padding=1),  # -> (B, w, H/2, H/2)
            nn.LeakyReLU(0.2),
        ]
        for stride in [2] * (layers - 1) + [1]:
            made += [
                nn.Conv2d(width, 2 * width, 4, stride=stride, padding=1, bias=False),
                nn.InstanceNorm2d(2 * width),
                nn.LeakyReLU(0.2),
            ]
            width *= 2
        self.model = nn.Sequential(*made, nn.Conv2d(width, 1, 4, padding=1))
        self.apply(dcgan_init)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(_images(x, self.size, self.channels, "The discriminator"))


class ImagePool:
    """Older translations, of which the discriminator sees some beside the newest: so it does not forget them at once.

    Each new image that finds the pool full is shown with probability ½; else it takes the place of one in the pool, which
    is shown instead. What is kept holds no graph, or memory would grow with each step.

    Args:
        size: how many images it keeps, from 1 up; the authors' is 50.
    """

    def __init__(self, size: int = 50):
        if not isinstance(size, int) or size < 1:
            raise InputError(
                f"An image pool of size {size!r} can keep no image: give a size from 1 up, such as the authors' 50. To show "
                f"the discriminator only the newest translations, leave the pool away: CycleGANTraining(pool=None)."
            )
        self.size = size
        self.images: Tensor | None = None  # [n, D], n up to `size`

    def __len__(self) -> int:
        return 0 if self.images is None else len(self.images)

    def exchange(self, new: Tensor) -> Tensor:
        """New images [B, D] -> as many to show, [B, D], detached."""
        new = new.detach()
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
        return shown

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
                    f"{name} ({type(net).__name__}) does not say the sizes of its rows: set its attributes in_dim and out_dim."
                )
        if (a_to_b.in_dim, a_to_b.out_dim) != (b_to_a.out_dim, b_to_a.in_dim):
            raise InputError(
                f"a_to_b makes rows of {a_to_b.out_dim} from rows of {a_to_b.in_dim}, b_to_a rows of {b_to_a.out_dim} from "
                f"rows of {b_to_a.in_dim}: one must take what the other gives. Give both the same size and matching channels."
            )
        self.a_to_b, self.b_to_a = a_to_b, b_to_a
        self.size_a, self.size_b = a_to_b.in_dim, a_to_b.out_dim

    def round_trip(self, x: Tensor, start: str = "a") -> tuple[Tensor, Tensor]:
        """x of the domain `start`, "a" or "b" -> its translation, and what comes back of it."""
        if start not in ("a", "b"):
            raise InputError(f"start is {start!r}; give 'a' or 'b', the domain that the images come from.")
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

    advice = "give the discriminators less: a lower rate, or fewer layers"  # see training.Method

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
                    f"The weight {name} is {weight}; give a number from 0 up: below 0 the loss would reward errors."
                )
        if not 0 <= average < 1:
            raise InputError(f"average is {average}; give a decay from 0 to below 1, such as 0.99.")
        if cycle * identity and model.size_a != model.size_b:
            raise InputError(
                f"The identity loss feeds images of a domain to the generator that makes them, but A has rows of "
                f"{model.size_a} and B of {model.size_b}: set identity=0, or give both domains the same size and channels."
            )
        _check_discriminators(model, d_a, d_b)
        self.model, self.d_a, self.d_b = model, d_a, d_b
        self.cycle, self.identity, self.average = cycle, identity, average
        self.pools = None if pool is None else {"a": ImagePool(pool), "b": ImagePool(pool)}
        self.g_optimizer = adam(model, lr, betas)
        self.d_optimizer = adam(nn.ModuleList([d_a, d_b]), lr, betas)
        self.averaged = deepcopy(model).eval().requires_grad_(False) if average else model
        self.averaged_steps = 0
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
                f"A step takes rows of {self.model.size_a} + {self.model.size_b} numbers, an image of A and one of B side by "
                f"side, found {list(x.shape)}: domains.UnpairedBatches gives them."
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
        _update(self.g_optimizer, total)  # through the discriminators, whose weights are not moved
        if self.average:
            self._average(model)
        return made_a.detach(), made_b.detach(), parts

    def discriminator_step(self, a: Tensor, b: Tensor, made_a: Tensor, made_b: Tensor) -> dict[str, Tensor]:
        """One update of both discriminators on real images and on translations, which carry no graph of how they were made."""
        made_a, made_b = made_a.detach(), made_b.detach()
        if self.pools:
            made_a, made_b = self.pools["a"].exchange(made_a), self.pools["b"].exchange(made_b)
        loss = least_squares_discriminator_loss(self.d_a(a), self.d_a(made_a))
        loss = loss + least_squares_discriminator_loss(self.d_b(b), self.d_b(made_b))
        _update(self.d_optimizer, loss)
        return {"d_loss": loss.detach()}

    @property
    def lr(self) -> float:
        return self.g_optimizer.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for optimizer in (self.g_optimizer, self.d_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = value

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "d_a": self.d_a, "d_b": self.d_b}
        parts |= {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}
        parts |= {f"pool_{name}": pool for name, pool in (self.pools or {}).items()}
        return parts | ({"averaged": self.averaged} if self.average else {})


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step. `inputs` keeps the gradient from the other players' weights, and saves computing it."""
    mine = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=mine)
    optimizer.step()


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution on an image continued by reflection, and instance norm, which takes a bias away."""
    if stride == 2:
        layer = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=1, bias=False)  # as theirs: zeros here
    else:
        layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="reflect", bias=False)
    return [layer, nn.InstanceNorm2d(outputs)]


def _small(inputs: int, outputs: int, width: int, blocks: int) -> list[nn.Module]:
    return [
        nn.PixelUnshuffle(2),  # (B, C, H, H) -> (B, 4C, H/2, H/2)
        *_convolution(4 * inputs, width), nn.ReLU(),
        *(ResidualBlock(width) for _ in range(blocks)),
        nn.Conv2d(width, 4 * outputs, 3, padding=1, padding_mode="reflect"),  # -> (B, 4C', H/2, H/2)
        nn.PixelShuffle(2),  # -> (B, C', H, H)
    ]  # fmt: skip


def _paper(inputs: int, outputs: int, width: int, blocks: int) -> list[nn.Module]:
    def wider(w: int) -> list[nn.Module]:  # half the width, twice the side
        layer = nn.ConvTranspose2d(w, w // 2, 3, stride=2, padding=1, output_padding=1, bias=False)
        return [layer, nn.InstanceNorm2d(w // 2), nn.ReLU()]

    return [
        *_convolution(inputs, width, 7), nn.ReLU(),  # (B, C, H, H) -> (B, w, H, H)
        *_convolution(width, 2 * width, stride=2), nn.ReLU(),  # -> (B, 2w, H/2, H/2)
        *_convolution(2 * width, 4 * width, stride=2), nn.ReLU(),  # -> (B, 4w, H/4, H/4)
        *(ResidualBlock(4 * width) for _ in range(blocks)),
        *wider(4 * width), *wider(2 * width),  # -> (B, w, H, H)
        nn.Conv2d(width, outputs, 7, padding=3, padding_mode="reflect"),  # -> (B, C', H, H)
    ]  # fmt: skip


def _seen(layers: int) -> int:
    """The side, in pixels, of what a score of `PatchDiscriminator` sees: backwards from one score, (n − 1)·stride + 4."""
    side = 1
    for stride in [1, 1] + [2] * layers:
        side = (side - 1) * stride + 4
    return side


def _images(x: Tensor, size: int, channels: int, who: str) -> Tensor:
    """x itself, rows of images of that size; a sentence for images of the other number of channels."""
    other = {1: 3, 3: 1}.get(channels)
    if other and x.ndim == 2 and x.shape[1] == size * size * other:
        names = {1: "grey images", 3: "colour images"}
        raise InputError(
            f"{who} was built for {names[channels]}, rows of {size * size * channels}, and found {names[other]}, rows of "
            f"{x.shape[1]}: build it with {other} channels, or convert the images."
        )
    return as_rows(x, size * size * channels, who, "images")


@torch.no_grad()
def _check_discriminators(model: CycleGAN, d_a: nn.Module, d_b: nn.Module) -> None:
    """Raise InputError unless each takes rows of its domain. They are tried, in eval mode."""
    like = next(model.parameters())
    for name, net, size in (("d_a", d_a, model.size_a), ("d_b", d_b, model.size_b)):
        modes = [(module, module.training) for module in net.modules()]
        net.eval()
        try:
            net(torch.zeros(2, size, dtype=like.dtype, device=like.device))
        except (RuntimeError, InputError) as error:
            raise InputError(
                f"{name} scores images of domain {name[-1].upper()}, rows of {size}, but does not take them "
                f"({str(error).rstrip('.')}). Build it for that size and number of channels."
            ) from None
        finally:
            for module, training in modes:
                module.training = training
        if isinstance(last_module(net), nn.Sigmoid):
            raise InputError(
                f"{name} ends in a sigmoid, but least squares are taken of its scores: leave the sigmoid away."
            )
