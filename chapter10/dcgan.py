"""The DCGAN of section 10.5.2: rules by which convolutional networks play the chapter's game (`gan.GANTraining`).

Radford, Metz and Chintala 2016, Unsupervised Representation Learning with Deep Convolutional GANs. Their rules: strides
in place of pooling; batch norm, but neither where G's image leaves nor where D's comes in; no hidden layer without
convolution; ReLU in G with tanh at the end; LeakyReLU in D; weights from N(0, 0.02); Adam at 2e-4 with β1 = 0.5. Each can
be left out, to see what it is good for. B images, L latent dimensions, C channels (1 grey, 3 colour), w the width. Images
are rows [B, H·H·C] in [−1, 1] with the channels of a pixel side by side, as `nets.Maps` takes them.
"""

import torch
from torch import Tensor, nn

from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.nets import Maps, Rows, as_rows, check_sizes, dcgan_init, in_full, in_mode, in_packs

__all__ = ["DCGANDiscriminator", "DCGANGenerator", "change_by_mates"]

SIZES = {
    28: (4, 7, 14),
    32: (4, 8, 16),
}  # sides of the maps before the image: each stride doubles them, or nearly
CHANNELS = {1: noted("grey"), 3: noted("colour")}
ENDS = {"tanh": nn.Tanh, "clamp": nn.Hardtanh}


class DCGANGenerator(nn.Module):
    """z [B, L] -> images [B, H·H·C] in [−1, 1]. At 28: z -> [B, 4w, 4, 4] -> [2w, 7, 7] -> [w, 14, 14] -> [C, 28, 28].

    The defaults are the paper's rules; its own images are of 64×64, one stride more.

    Args:
        size: H, 28 or 32; channels: C, 1 or 3; width: w, of the last maps before the image.
        strides: how many, 3 or 2. With 2 the first maps are of 7×7 or 8×8, and the 4w wide ones are left out.
        batch_norm: after each layer but the last.
        upsampling: "transposed" (convolutions with stride 2), or "nearest" (each pixel four times, then a convolution).
        end: "tanh", or "clamp" (linear, and cut off at ±1).
        hidden_dim: units of a hidden layer without convolution that comes first; 0 for none.
        initial: weights from "N(0, 0.02)", or torch's "default".
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        latent_dim: int = 100,
        width: int = 64,
        strides: int = 3,
        batch_norm: bool = True,
        upsampling: str = "transposed",
        end: str = "tanh",
        hidden_dim: int = 0,
        initial: str = "N(0, 0.02)",
    ):
        super().__init__()
        _check(size, channels, strides, hidden_dim, initial)
        check_sizes(latent_dim=latent_dim, width=width)
        _check_one_of("upsampling", upsampling, ("transposed", "nearest"))
        _check_one_of("end", end, ENDS)
        self.size, self.channels, self.latent_dim, self.img_dim = (
            size,
            channels,
            latent_dim,
            size * size * channels,
        )
        sides = SIZES[size][-strides:]
        widths = [width * 2**i for i in reversed(range(len(sides)))]  # 4w, 2w, w

        def normed(layer: nn.Module) -> list[nn.Module]:
            norm = nn.BatchNorm2d if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) else nn.BatchNorm1d
            outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            return [layer, *([norm(outputs)] if batch_norm else []), nn.ReLU()]

        def doubled(inputs: int, outputs: int, side: int, bias: bool) -> list[nn.Module]:
            """Layers to maps of that side from maps of half of it, rounded up; the last is the convolution."""
            if upsampling == "transposed":
                return [nn.ConvTranspose2d(inputs, outputs, _kernel(side), stride=2, padding=1, bias=bias)]
            return [nn.Upsample(size=side), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)]

        layers: list[nn.Module] = []
        if hidden_dim:
            layers += normed(nn.Linear(latent_dim, hidden_dim, bias=not batch_norm))
        layers += [
            nn.Linear(hidden_dim or latent_dim, sides[0] ** 2 * widths[0], bias=not batch_norm),
            Maps(widths[0], sides[0]),  # (B, 64w) -> (B, 4w, 4, 4)
            *([nn.BatchNorm2d(widths[0])] if batch_norm else []),
            nn.ReLU(),
        ]
        for inputs, outputs, side in zip(widths, widths[1:], sides[1:]):
            *before, convolution = doubled(inputs, outputs, side, not batch_norm)
            layers += [*before, *normed(convolution)]  # -> (B, 2w, 7, 7) -> (B, w, 14, 14)
        layers += [
            *doubled(width, channels, size, True),
            Rows(),
            ENDS[end](),
        ]  # -> (B, C, 28, 28) -> (B, 784·C)
        self.model = nn.Sequential(*layers)
        if initial != "default":
            self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        return self.model(as_rows(z, self.latent_dim, noted("The generator"), noted("latent vectors")))


class DCGANDiscriminator(nn.Module):
    """Images [B, H·H·C] in [−1, 1] -> logits [B, 1]. At 28: [B, w, 14, 14] -> [2w, 7, 7] -> [4w, 4, 4] -> a sum.

    Args:
        size, channels, width, strides: as the generator's. With 2 strides no unit sees more than 10×10 pixels, with 3 at least 18×18.
        batch_norm: after each layer but the first and the last. A critic with a gradient penalty must not have it.
        downsampling: "strided" convolutions, or "pooling" (the greatest of each four pixels, after a convolution).
        slope: of the activation below 0: 0.2 is LeakyReLU's, 0 makes it a ReLU.
        hidden_dim, initial: as the generator's; here the hidden layer comes last.
        pack: m: so many images that follow one another in the batch are judged as one of m·C channels (PacGAN: Lin et al.
            2018), [B, H·H·C] -> logits [B/m, 1]. B must be a multiple of m.
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        width: int = 64,
        strides: int = 3,
        batch_norm: bool = True,
        downsampling: str = "strided",
        slope: float = 0.2,
        hidden_dim: int = 0,
        initial: str = "N(0, 0.02)",
        pack: int = 1,
    ):
        super().__init__()
        _check(size, channels, strides, hidden_dim, initial)
        check_sizes(width=width, pack=pack)
        _check_one_of("downsampling", downsampling, ("strided", "pooling"))
        if not 0 <= slope < 1:
            raise InputError(
                "slope is {slope}; give a slope from 0 (a ReLU) to below 1, such as 0.2.",
                slope=slope,
            )
        self.size, self.channels, self.img_dim, self.pack = size, channels, size * size * channels, pack
        sides = [size, *SIZES[size][-strides:][::-1]]  # 28, 14, 7, 4
        widths = [pack * channels, *(width * 2**i for i in range(strides))]  # m·C, w, 2w, 4w
        layers: list[nn.Module] = [Maps(pack * channels, size)]  # (B, 784·C) -> (B, C, 28, 28)
        for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            norm = batch_norm and i > 0
            if downsampling == "strided":
                layers.append(
                    nn.Conv2d(inputs, outputs, _kernel(sides[i]), stride=2, padding=1, bias=not norm)
                )
            else:
                layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm))
            layers += [*([nn.BatchNorm2d(outputs)] if norm else []), nn.LeakyReLU(slope)]
            if downsampling == "pooling":
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
        features = widths[-1] * sides[-1] ** 2
        layers.append(Rows())  # (B, 4w, 4, 4) -> (B, 64w)
        if hidden_dim:
            layers.append(nn.Linear(features, hidden_dim, bias=not batch_norm))
            layers += [*([nn.BatchNorm1d(hidden_dim)] if batch_norm else []), nn.LeakyReLU(slope)]
        self.model = nn.Sequential(*layers, nn.Linear(hidden_dim or features, 1))
        if initial != "default":
            self.apply(dcgan_init)

    def forward(self, x: Tensor) -> Tensor:
        x = as_images(x, self.size, self.channels)
        if self.pack > 1:  # (B, H·H·C) -> (B/m, m, H·H, C) -> (B/m, H·H, m, C) -> (B/m, H·H·m·C)
            x = in_packs(x, self.pack).unflatten(2, (-1, self.channels)).transpose(1, 2).flatten(1)
        return in_full(self.model(x))

    def probability(self, x: Tensor) -> Tensor:
        """x [B, H·H·C] -> the probability of being real [B/m, 1]."""
        return self(x).sigmoid()


def as_images(x: Tensor, size: int, channels: int) -> Tensor:
    """x itself, if it is of images [B, H·H·C]. Raises InputError, which says so if it is grey that was given for colour."""
    other = next(c for c in CHANNELS if c != channels)
    if x.ndim == 2 and x.shape[1] == size * size * other:
        raise InputError(
            "The discriminator is one of {CHANNELS} images, [B, {product}], and was given {CHANNELS_2} ones, [B, "
            "{size}]: build generator and discriminator with channels={other}.",
            CHANNELS=say(CHANNELS[channels]),
            product=size * size * channels,
            CHANNELS_2=say(CHANNELS[other]),
            size=x.shape[1],
            other=other,
        )
    return as_rows(x, size * size * channels, noted("The discriminator"), noted("images"))


@torch.no_grad()
def change_by_mates(net: nn.Module, x: Tensor, mates: Tensor, train: bool = True) -> Tensor:
    """How much the output for each row of x [B, D] changes when it shares its batch with others: [B], root mean square.

    Under batch norm a row is normalised by the mean and the spread of its whole batch while the network trains. In eval
    mode they are replaced by running means, and nothing changes.

    Args:
        net: [B, D] -> [B, anything]; stays as it is, its running means too.
        mates: [K, B', D], K sets of other rows; the outputs for x beside each set are compared with those beside the first.
        train: in train mode, or in eval mode.
    """
    if mates.ndim != 3 or len(mates) < 2 or mates.shape[2:] != x.shape[1:]:
        raise InputError(
            "mates must be two or more sets of rows like those of x, [K, B', {size}], found {shape}.",
            size=x.shape[-1],
            shape=list(mates.shape),
        )
    kept = [buffer.clone() for buffer in net.buffers()]
    try:
        with in_mode(net, train=train):
            beside = [net(torch.cat([x, others]))[: len(x)].flatten(1) for others in mates]
    finally:
        for buffer, before in zip(net.buffers(), kept):
            buffer.copy_(before)
    outputs = torch.stack(beside)  # (K, B, ·)
    return (outputs[1:] - outputs[:1]).square().mean((0, 2)).sqrt()


def _kernel(side: int) -> int:
    """Of a stride between maps of that side and of half of it: 4, or 3 where half of it is rounded up (7 and 4)."""
    return 3 if side % 2 else 4


def _check(size: int, channels: int, strides: int, hidden_dim: int, initial: str) -> None:
    if size not in SIZES:
        raise InputError(
            "size is {size!r}; these networks make and take images of 28×28 or of 32×32.",
            size=size,
        )
    if channels not in CHANNELS:
        raise InputError(
            "channels is {channels!r}; give 1 for grey images or 3 for colour.",
            channels=channels,
        )
    if strides not in (2, 3):
        raise InputError(
            "strides is {strides!r}; these networks double or halve the maps 2 or 3 times.",
            strides=strides,
        )
    if hidden_dim != 0:
        check_sizes(hidden_dim=hidden_dim)
    _check_one_of("initial", initial, ("N(0, 0.02)", "default"))


def _check_one_of(name: str, value: str, known) -> None:
    if value not in known:
        raise InputError(
            "{name} is {value!r}; choose one of: {choices}.",
            name=name,
            value=value,
            choices=', '.join(known),
        )
