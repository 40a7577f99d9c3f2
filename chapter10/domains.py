"""Two domains made from the images at hand, unpaired, whose translation into each other is known all the same.

CycleGAN (Zhu et al. 2017) learns from two heaps of images without being told which belongs to which; so nobody can say
how well it translates a given image. Here one can: B is made from other digits by a known change, and of the test
images both sides are kept. An image that was used for A's training set is never used for B's.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from chapter10 import data
from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.nets import check_sizes, in_chunks

INK, PAPER = (36, 62, 138), (246, 236, 214)  # red, green, blue: blue ink on cream paper


def outline(images: Tensor) -> Tensor:
    """The line around a digit's strokes: bytes [N, H, W] -> [N, H, W].

    The greatest of a pixel and its eight neighbours (the digit, one pixel thicker), minus the pixel itself.
    """
    x = images.unsqueeze(1).float()
    return (F.max_pool2d(x, 3, stride=1, padding=1) - x).squeeze(1).to(torch.uint8)


def on_black(images: Tensor) -> Tensor:
    """White on black in three equal channels: bytes [N, H, W] -> [N, H, W, 3]."""
    return images.unsqueeze(-1).repeat(1, 1, 1, 3)


def on_paper(images: Tensor) -> Tensor:
    """As much ink as there was white, on paper: bytes [N, H, W] -> [N, H, W, 3]."""
    ink, paper = (torch.tensor(colour, dtype=torch.float32) for colour in (INK, PAPER))
    share = images.unsqueeze(-1).float() / 255  # [N, H, W, 1]
    return (paper + share * (ink - paper)).round().to(torch.uint8)


def turned(images: Tensor) -> Tensor:
    """A quarter turn against the clock: [N, H, W] -> [N, W, H]."""
    return images.rot90(1, (1, 2))


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _grey(x: Tensor) -> Tensor:
    """Rows [N, H·W·3] on black as rows [N, H·W]."""
    return x.unflatten(1, (-1, 3)).mean(2)


def _amount_of_ink(x: Tensor) -> Tensor:
    """Rows [N, H·W·3] on paper as rows [N, H·W]: the nearest colour between paper and ink says how much of it is ink."""
    ink, paper = (torch.tensor(colour, dtype=x.dtype, device=x.device) / 255 for colour in (INK, PAPER))
    way = ink - paper
    return (((x.unflatten(1, (-1, 3)) - paper) @ way) / way.square().sum()).clamp(0, 1)


def _turned_back(x: Tensor) -> Tensor:
    """Rows [N, H·H] of turned images as rows of upright ones."""
    side = round(x.shape[1] ** 0.5)
    return x.unflatten(1, (side, side)).rot90(-1, (1, 2)).flatten(1)


@dataclass(frozen=True)
class Pair:
    """Two domains, in words and as what makes them.

    Attributes:
        name_a, name_b: what is in them.
        to_a, to_b: from digits, bytes [N, H, W], to images of the domain; between A and B that is the known translation.
        read_a, read_b: rows [N, D] in [0, 1] as a classifier of digits can read them, [N, H·W].
    """

    name_a: str
    name_b: str
    to_a: Callable[[Tensor], Tensor]
    to_b: Callable[[Tensor], Tensor]
    read_a: Callable[[Tensor], Tensor]
    read_b: Callable[[Tensor], Tensor]


PAIRS = {
    # No formula makes a digit of its outline: the classifier reads the outline itself.
    "outlines": Pair(noted("digits"), noted("outlines"), _as_it_is, outline, _as_it_is, _as_it_is),
    "colour": Pair(noted("white on black"), noted("ink on paper"), on_black, on_paper, _grey, _amount_of_ink),
    "rotated": Pair(noted("upright"), noted("turned by 90°"), _as_it_is, turned, _as_it_is, _turned_back),
}


@dataclass(frozen=True)
class Domains:
    """Training images of two domains that don't belong together, and test images that do.

    Attributes:
        pair: "outlines", "colour" or "rotated"; name: of the data set.
        a, b: to train on, uint8 [N, 28, 28] or [N, 28, 28, 3]; a_from, b_from: which training images they were made
            from, int64 [N]; none is in both.
        test_a, test_b: the same test images in both domains: test_b[i] is the translation of test_a[i], and the other
            way round. labels: which digit it is, int64 [M].
    """

    pair: str
    name: str
    a: Tensor
    b: Tensor
    a_from: Tensor
    b_from: Tensor
    test_a: Tensor
    test_b: Tensor
    labels: Tensor

    @property
    def words(self) -> Pair:
        return PAIRS[self.pair]

    @property
    def channels(self) -> int:
        return self.a.shape[3] if self.a.ndim == 4 else 1

    @property
    def size(self) -> int:
        """D, of a row of either domain: H·W·channels."""
        return self.a[0].numel()

    def read_a(self, x: Tensor) -> Tensor:
        """Images of A, rows [N, D] in [0, 1], as a classifier of digits can read them: [N, H·W]."""
        return self.words.read_a(x)

    def read_b(self, x: Tensor) -> Tensor:
        """As `read_a`, of B. Outlines stay outlines: no formula fills them."""
        return self.words.read_b(x)

    def batches(self, batch_size: int, device: str | torch.device = "cpu") -> "UnpairedBatches":
        """Training batches of both, each in an order of its own."""
        return UnpairedBatches(self.a, self.b, batch_size, device)


def load(
    pair: str = "outlines", name: str = "auto", root: str | os.PathLike | None = None, download: bool = True
) -> Domains:
    """`split` of a data set found as `data.load` finds it. Raises as both do."""
    _check(pair)
    return split(data.load(name, root, download), pair)


def split(images: data.Images, pair: str = "outlines", seed: int = 0) -> Domains:
    """Half of the training images, drawn with `seed`, become A, the other half B; the test images become both."""
    made = _check(pair)
    if len(images.train) < 2:
        raise InputError(
            "Two domains need two training images or more, found {count}: one of them would be empty.",
            count=len(images.train),
        )
    order = torch.randperm(len(images.train), generator=torch.Generator().manual_seed(seed))
    from_a, from_b = order[: len(order) // 2], order[len(order) // 2 :]
    return Domains(
        pair, images.name,
        in_chunks(made.to_a, images.train[from_a]), in_chunks(made.to_b, images.train[from_b]), from_a, from_b,
        in_chunks(made.to_a, images.test), in_chunks(made.to_b, images.test), images.test_labels,
    )  # fmt: skip


def _check(pair: str) -> Pair:
    if pair not in PAIRS:
        raise InputError(
            "The pair of domains {pair!r} is not known. Choose one of: {choices}.",
            pair=pair,
            choices=', '.join(PAIRS),
        )
    return PAIRS[pair]


class UnpairedBatches:
    """Batches with an image of A and an unrelated one of B in each row; each domain has an order of its own.

    An epoch shows each image of the larger domain once (but for the last few, if they don't fill a batch); the smaller
    is shuffled anew where it ends before that. The bytes stay in memory and are converted batch by batch.

    Args:
        a, b: uint8 [N, H, W] or [N, H, W, C]; their numbers may differ, not the shape of an image.
        batch_size: B, from 1 to the number of images of the smaller domain.
        device: where the batches are wanted.
    Yields:
        x: float32 [B, 2·D] in [−1, 1]: D columns of A, then D of B. `x.chunk(2, dim=1)` takes them apart.
    """

    def __init__(self, a: Tensor, b: Tensor, batch_size: int = 32, device: str | torch.device = "cpu"):
        for name, images in (("A", a), ("B", b)):
            if images.dtype != torch.uint8 or images.ndim not in (3, 4):
                raise InputError(
                    "Domain {name} must be bytes [N, H, W] or [N, H, W, C], found {dtype} {shape}.",
                    name=name,
                    dtype=images.dtype,
                    shape=list(images.shape),
                )
            if images.numel() == 0:
                raise InputError(
                    "Domain {name} is empty ({shape}): give images of both domains.",
                    name=name,
                    shape=list(images.shape),
                )
        if a.shape[1:] != b.shape[1:]:
            raise InputError(
                "An image of A is {shape}, one of B {shape_2}: translation needs the same height, width and "
                "channels. Resize one, or give grey images three equal channels (domains.on_black).",
                shape=_shape(a),
                shape_2=_shape(b),
            )
        check_sizes(batch_size=batch_size)
        if batch_size > min(len(a), len(b)):
            raise InputError(
                "The batch size is {batch_size}, but A has {count:,} images and B {count_2:,}: give at most "
                "{fewest:,}.",
                batch_size=batch_size,
                count=len(a),
                count_2=len(b),
                fewest=min(len(a), len(b)),
            )
        self.a, self.b = (images.flatten(1).contiguous().to(device) for images in (a, b))
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Steps in an epoch."""
        return max(len(self.a), len(self.b)) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        count = len(self) * self.batch_size
        for a, b in zip(
            _order(len(self.a), count).split(self.batch_size),
            _order(len(self.b), count).split(self.batch_size),
        ):
            pixels = torch.cat([self.a[a.to(self.a.device)], self.b[b.to(self.b.device)]], 1)
            yield pixels.float().div_(127.5).sub_(1)


def _order(size: int, count: int) -> Tensor:
    """`count` numbers below `size`, as many passes through all of them as are needed, each in an order of its own."""
    return torch.cat([torch.randperm(size) for _ in range(-(-count // size))])[:count]


def _shape(images: Tensor) -> str:
    return "×".join(map(str, images.shape[1:3])) + (
        say(" with {channels} channels", channels=images.shape[3]) if images.ndim == 4 else say(" in grey")
    )
