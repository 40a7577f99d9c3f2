"""The few networks that methods share."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.errors import InputError
from chapter10.language import noted, say

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def mlp(sizes: Sequence[int], activation: str = "relu", batch_norm: bool = False) -> nn.Sequential:
    """Linear layers from sizes[0] to sizes[-1] with an activation between them (after batch norm, if asked), none at the end."""
    if activation not in ACTIVATIONS:
        raise InputError(
            "The activation {activation!r} is not known. Choose one of: {choices}.",
            activation=activation,
            choices=', '.join(ACTIVATIONS),
        )
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if batch_norm else []), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[: -2 if batch_norm else -1])


class Maxout(nn.Module):
    """The greatest of `pieces` linear units (Goodfellow et al. 2013): x [B, inputs] -> [B, outputs]."""

    def __init__(self, inputs: int, outputs: int, pieces: int):
        super().__init__()
        self.pieces, self.linear = pieces, nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        # (B, pieces, outputs) -> (B, outputs): with the outputs last in memory, the greatest is found faster
        return self.linear(x).unflatten(1, (self.pieces, -1)).amax(1)


class Dropout(nn.Module):
    """nn.Dropout from fewer random numbers: one draw of 64 bits decides on four units. On a CPU it takes a fraction of the time.

    A unit is kept with probability k = n / 65,536, the nearest to 1 − p, and multiplied by 1/k: the mean is kept exactly.
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise InputError("p is {p}; give the share of units to drop, from 0 to below 1.", p=p)
        self.p = p
        self.kept = max(1, round((1 - p) * 65536))  # of 65,536 equally likely numbers

    def mask(self, x: Tensor) -> Tensor | None:
        """The factor of each unit of x, 0 or 1/k; None where nothing is dropped."""
        if not self.training or self.kept == 65536:
            return None
        shape = parallel.whole(x.shape)
        count = math.prod(shape)
        draws = torch.empty((count + 3) // 4, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        bits = parallel.share(draws.view(torch.int16)[:count].view(shape))  # −32,768 … 32,767
        return bits.lt(self.kept - 32768).to(x.dtype).mul_(65536 / self.kept)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask(x)
        return x if mask is None else x * mask

    def extra_repr(self) -> str:
        return f"p={self.p}"


class TorchDropout(nn.Dropout):
    """nn.Dropout, but that several processes, which draw the same random numbers, drop each its own units."""

    def forward(self, x: Tensor) -> Tensor:
        if parallel.world() == 1 or not self.training:
            return super().forward(x)
        return x * parallel.share(F.dropout(x.new_ones(parallel.whole(x.shape)), self.p))


@contextmanager
def in_mode(*networks: nn.Module, train: bool = False) -> Iterator[None]:
    """All of them in eval mode, or in train mode, for as long as it lasts; then each module is as it was."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.train(train)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def dcgan_init(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as DCGAN's authors draw them; batch norm's around 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        nn.init.normal_(module.weight, 1.0, 0.02)


class Maps(nn.Module):
    """Rows [B, H·H·C], the C channels of a place side by side, as maps [B, C, H, H].

    In memory the channels stay last, which what follows takes over: convolutions on a CPU are faster so. (Weights stay in
    the usual order: a fused Adam mixes up its moments if they come back from a file in another order than the weights.)
    """

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.channels, self.size = channels, size

    def forward(self, x: Tensor) -> Tensor:
        grid = x.unflatten(1, (self.size, self.size, self.channels))  # (B, H, H, C)
        return grid.permute(0, 3, 1, 2)  # -> (B, C, H, H)

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.size}"


class Rows(nn.Module):
    """Maps [B, C, H, H] as rows [B, H·H·C]: the way back of `Maps`, for which nothing moves in memory."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class ConvGenerator(nn.Module):
    """A small DCGAN's generator (Radford, Metz and Chintala 2016): z [B, L] -> images [B, 784] in [−1, 1].

    A layer without convolution comes first, as in the InfoGAN for MNIST (Chen et al. 2016): few small convolutions see
    no digit as a whole. The last makes the 2×2 pixels of each place by a convolution and puts them apart (Shi et al.
    2016): on a CPU that takes less time than a transposed convolution to one channel.
    """

    def __init__(self, latent_dim: int = 64, width: int = 16, hidden_dim: int = 128):
        super().__init__()
        check_sizes(latent_dim=latent_dim, width=width, hidden_dim=hidden_dim)
        self.latent_dim = latent_dim
        self.model = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim, bias=False),  # -> (B, hidden)
            nn.BatchNorm1d(hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, 49 * 2 * width, bias=False),
            Maps(2 * width, 7),  # (B, 98w) -> (B, 2w, 7, 7)
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),  # -> (B, w, 14, 14)
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),  # -> (B, 4, 14, 14)
            nn.PixelShuffle(2),  # -> (B, 1, 28, 28)
            nn.Flatten(),  # -> (B, 784)
            nn.Tanh(),
        )
        self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        return self.model(as_rows(z, self.latent_dim, noted("The generator"), noted("latent vectors")))


class ConvDiscriminator(nn.Module):
    """A small DCGAN's discriminator: images [B, 784] in [−1, 1] -> logits [B, 1].

    As in the generator, a layer without convolution looks at the whole digit. Batch norm, if asked, is in the second
    layer and the third. Its features are what the second layer finds, [B, 98·width]: 32 maps of 7×7 by default.
    """

    def __init__(self, width: int = 16, batch_norm: bool = False, hidden_dim: int = 128):
        super().__init__()
        check_sizes(width=width, hidden_dim=hidden_dim)
        self.img_dim = 784
        self.model = nn.Sequential(
            Maps(1, 28),  # (B, 784) -> (B, 1, 28, 28)
            nn.Conv2d(1, width, 4, stride=2, padding=1),  # -> (B, w, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=not batch_norm),  # -> (B, 2w, 7, 7)
            *([nn.BatchNorm2d(2 * width)] if batch_norm else []),
            nn.LeakyReLU(0.2),
            Rows(),  # -> (B, 98w)
            nn.Linear(49 * 2 * width, hidden_dim, bias=not batch_norm),  # -> (B, hidden)
            *([nn.BatchNorm1d(hidden_dim)] if batch_norm else []),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
        )
        self.apply(dcgan_init)
        self._top = 1 + next(i for i, layer in enumerate(self.model) if isinstance(layer, Rows))

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, 784] -> what the second layer finds [B, 98·width], and the logits [B, 1], in one pass."""
        features = self.features(x)
        return features, in_full(self.model[self._top :](features))

    def forward(self, x: Tensor) -> Tensor:
        return self.features_and_logits(x)[1]

    def features(self, x: Tensor) -> Tensor:
        """x [B, 784] -> what the second layer finds [B, 98·width]."""
        return in_full(self.model[: self._top](as_rows(x, self.img_dim, noted("The discriminator"), noted("images"))))

    def probability(self, x: Tensor) -> Tensor:
        """x [B, 784] -> the probability of being real [B, 1]."""
        return self(x).sigmoid()


class Classifier(nn.Module):
    """A small convolutional classifier of 28×28 images, for measuring what the generative models draw.

    `forward(x [B, 784] in [0, 1]) -> logits [B, classes]`; `features(x) -> [B, 64]`, the layer before.
    """

    def __init__(self, classes: int = 10, width: int = 16):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),  # (B, 1, 28, 28) -> (B, w, 14, 14)
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # -> (B, 2w, 7, 7)
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.hidden = nn.Sequential(TorchDropout(0.3), nn.Linear(2 * width * 49, 64), nn.ReLU())
        self.output = nn.Linear(64, classes)

    def features(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != 784:
            raise InputError(
                "The classifier takes images as [B, 784], found {shape}: flatten 28×28 images first.",
                shape=list(x.shape),
            )
        return self.hidden(self.convolutions(x.view(-1, 1, 28, 28)).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


def check_sizes(**sizes: int) -> None:
    """Raise InputError unless each is a whole number from 1 up."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise InputError("{name} is {size!r}; give a whole number from 1 up.", name=name, size=size)


def as_rows(x: Tensor, size: int, who: str, what: str) -> Tensor:
    """x itself, if it is of floats [B, size]. Raises InputError, which says who takes what."""
    if x.ndim != 2 or x.shape[1] != size or not x.is_floating_point():
        raise InputError(
            "{who} takes float {what} as [B, {size}], found {dtype} {shape}.",
            who=say(who),
            what=say(what),
            size=size,
            dtype=x.dtype,
            shape=list(x.shape),
        )
    return x


def in_full(x: Tensor) -> Tensor:
    """x in float32, where fewer digits were computed (`precision`): what a network hands out, for losses are sums of it."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def in_packs(x: Tensor, pack: int) -> Tensor:
    """Rows [B, ...] -> [B/m, m, ...]: m = `pack` that follow one another are judged as one (PacGAN: Lin et al. 2018)."""
    if len(x) % pack:
        raise InputError(
            "The discriminator judges packs of {pack}, and {count} rows can't be split into such: give batches of "
            "a multiple of {pack}, and drop_last=True if the last one is short.",
            pack=pack,
            count=len(x),
        )
    return x.unflatten(0, (len(x) // pack, pack))


def last_module(module: nn.Module) -> nn.Module:
    """The innermost module that was defined last, which in a sequence is the one that runs last."""
    return list(module.modules())[-1]


@torch.no_grad()
def follow(mean: nn.Module, module: nn.Module, share: float) -> None:
    """mean ← mean + (module − mean)·share for each weight, and for batch norm's running statistics; counts are copied."""
    now = module.state_dict()
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], share)
        else:
            value.copy_(now[name])


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def in_chunks(function, x: Tensor, size: int = 2000) -> Tensor:
    """function(x) put together from pieces of `size` rows, without gradients: bounded memory."""
    return torch.cat([function(piece) for piece in x.split(size)])
