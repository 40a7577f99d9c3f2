"""The networks of CycleGAN (section 10.5.2): generators that translate images, and discriminators of patches.

Zhu, Park, Isola and Efros 2017 (their networks are "paper" and width 64 below); Johnson et al. 2016 (residual blocks between
strides); Isola et al. 2017 (patches); Shi et al. 2016 (pixels as channels). B images, C channels, H the side of an image, w
the width. Images are rows [B, H·H·C] in [−1, 1] with the channels of a pixel side by side, as `nets.Maps` takes them.
"""

from torch import Tensor, nn

from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.nets import Maps, Rows, as_rows, check_sizes, dcgan_init, in_full


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
            raise InputError("The form {form!r} is not known. Choose one of: small, paper.", form=form)
        factor = 2 if form == "small" else 4
        if size % factor or size < 3 * factor:
            raise InputError(
                "size is {size}; the form {form!r} works on maps of a {words} of the side, so give a multiple of "
                "{factor} from {product} up.",
                size=size,
                form=form,
                words=say("half") if factor == 2 else say("quarter"),
                factor=factor,
                product=3 * factor,
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
        return in_full(self.model(_images(x, self.size, self.in_channels, noted("The generator"))))


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
                "{layers} layers with stride 2 leave no map of a {size}×{size} image for the two that follow: give "
                "at most {most}.",
                layers=layers,
                size=size,
                most=max(n for n in range(layers) if size // 2 ** n > 2),
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
        return in_full(self.model(_images(x, self.size, self.channels, noted("The discriminator"))))


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
        names = {1: noted("grey images"), 3: noted("colour images")}
        raise InputError(
            "{who} was built for {name}, rows of {product}, and found {name_2}, rows of {size}: build it with "
            "{other} channels, or convert the images.",
            who=say(who),
            name=say(names[channels]),
            product=size * size * channels,
            name_2=say(names[other]),
            size=x.shape[1],
            other=other,
        )
    return as_rows(x, size * size * channels, who, noted("images"))
