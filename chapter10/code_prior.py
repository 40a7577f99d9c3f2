"""A prior over the codes of a VQ-VAE, so that it can generate: a small PixelCNN over the 7×7 map of an image's codes.

Van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel Recurrent Neural Networks: masked convolutions, residual blocks.
The VQ-VAE is trained first and stays as it is (van den Oord, Vinyals and Kavukcuoglu 2017, section 4). B images, K codes,
h×h places, read row by row like a page.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10.errors import InputError
from chapter10.nets import check_sizes, in_chunks
from chapter10.vae import _Training, bernoulli_log_likelihood
from chapter10.vqvae import VQVAE, check_codes


class MaskedConv2d(nn.Module):
    """A convolution that sees the rows above, and in its own row what is on the left: maps [B, C, h, w] -> [B, O, h, w].

    Args:
        rows, columns: of the kernel; columns must be odd. The last row is the place's own.
        itself: whether a place sees itself ("mask B"); the first layer must not ("mask A").
    """

    def __init__(self, inputs: int, outputs: int, rows: int, columns: int, itself: bool):
        super().__init__()
        check_sizes(inputs=inputs, outputs=outputs, rows=rows, columns=columns)
        if columns % 2 == 0:
            raise InputError(
                "columns is {columns}; give an odd number, so that there is one in the middle.",
                columns=columns,
            )
        self.conv = nn.Conv2d(inputs, outputs, (rows, columns))
        mask = torch.ones(rows, columns)
        mask[-1, columns // 2 + itself :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.padded(x), self.conv.weight * self.mask, self.conv.bias)

    def padded(self, x: Tensor) -> Tensor:
        """x with 0 around it, but not below: what lies there is hidden anyway."""
        rows, columns = self.mask.shape
        return F.pad(x, (columns // 2, columns // 2, rows - 1, 0))

    def at(self, padded: Tensor, row: int, column: int) -> Tensor:
        """The output at one place [B, O, 1, 1], from padded maps of which only what it sees need be there yet."""
        rows, columns = self.mask.shape
        seen = padded[:, :, row : row + rows, column : column + columns]
        return F.conv2d(seen, self.conv.weight * self.mask, self.conv.bias)

    def put(self, padded: Tensor, row: int, column: int, value: Tensor) -> None:
        """Write the input at one place [B, C, 1, 1] into padded maps."""
        rows, columns = self.mask.shape
        padded[:, :, row + rows - 1, column + columns // 2] = value[:, :, 0, 0]


class Block(nn.Module):
    """A residual block of the PixelCNN: half as many channels inside, one masked convolution."""

    def __init__(self, width: int):
        super().__init__()
        half = max(1, width // 2)
        self.before = nn.Sequential(nn.ReLU(), nn.Conv2d(width, half, 1), nn.ReLU())
        self.masked = MaskedConv2d(half, half, 2, 3, itself=True)
        self.after = nn.Sequential(nn.ReLU(), nn.Conv2d(half, width, 1))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.after(self.masked(self.before(h)))


class CodePrior(nn.Module):
    """p(codes) = Π p(code at a place | the codes before it), the places read row by row.

    Args:
        num_codes: K; size: h, of the map; width: channels; blocks: how many residual blocks; embedding: numbers for a code;
        code_dim: C of the codebook, which it keeps a copy of, to know whose codes it was trained on.

    The first layer sees all of the row above, so that no earlier code is hidden from a place (a stack of small masked
    convolutions is blind on the right). A term for each place says where on the map it is: digits are in the middle.
    """

    def __init__(
        self,
        num_codes: int = 64,
        size: int = 7,
        width: int = 64,
        blocks: int = 4,
        embedding: int = 8,
        code_dim: int = 16,
    ):
        super().__init__()
        check_sizes(
            num_codes=num_codes, size=size, width=width, blocks=blocks, embedding=embedding, code_dim=code_dim
        )
        self.num_codes, self.size = num_codes, size
        self.embed = nn.Embedding(num_codes, embedding)
        self.first = MaskedConv2d(embedding, width, 2, 2 * size - 1, itself=False)
        self.place = nn.Parameter(0.1 * torch.randn(width, size, size))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(width, num_codes, 1))
        # Whose codes these are: 0 until it is trained.
        self.register_buffer("codebook", torch.zeros(num_codes, code_dim))

    def forward(self, codes: Tensor) -> Tensor:
        """codes [B, h, h] -> logits [B, K, h, h]; those of a place hang on the codes before it only."""
        h = self.embed(check_codes(codes, self.num_codes, self.size)).permute(0, 3, 1, 2)  # -> (B, E, h, h)
        return self.last(self.blocks(self.first(h) + self.place))

    def log_prob(self, codes: Tensor) -> Tensor:
        """log p(codes) [B], in nats."""
        return -F.cross_entropy(self(codes), codes, reduction="none").sum((1, 2))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n maps of codes [n, h, h], drawn place by place.

        Args:
            generator: torch's source of random numbers, on the CPU; the global one if None.
        """
        check_sizes(n=n)
        device = self.place.device
        codes = torch.zeros(n, self.size, self.size, dtype=torch.int64, device=device)
        uniform = torch.rand(self.size, self.size, n, 1, generator=generator).to(device)
        # What each masked convolution has been given so far: a place is gone through once, not once for each later place.
        layers = [self.first, *(block.masked for block in self.blocks)]
        given = [
            layer.padded(torch.zeros(n, layer.conv.in_channels, *codes.shape[1:], device=device))
            for layer in layers
        ]
        for row in range(self.size):
            for column in range(self.size):
                h = self.first.at(given[0], row, column) + self.place[:, row : row + 1, column : column + 1]
                for block, maps in zip(self.blocks, given[1:]):
                    block.masked.put(maps, row, column, block.before(h))
                    h = h + block.after(block.masked.at(maps, row, column))
                cumulated = self.last(h).flatten(1).softmax(1).cumsum(1)  # (n, K, 1, 1) -> (n, K)
                drawn = (
                    (cumulated < uniform[row, column] * cumulated[:, -1:])
                    .sum(1)
                    .clamp(max=self.num_codes - 1)
                )
                codes[:, row, column] = drawn
                self.first.put(given[0], row, column, self.embed(drawn).view(n, -1, 1, 1))
        return codes

    def belong_to(self, model: VQVAE) -> None:
        """Note whose codes the prior is trained on; raise InputError if those of another codebook are noted already."""
        book, size = model.quantizer.codebook.detach(), model.map_size
        if book.shape != self.codebook.shape or size != self.size:
            raise InputError(
                "The prior is made for {num_codes} codes of {size} numbers on {size_2}×{size_2} places, this "
                "VQ-VAE has {count} of {size_3} on {size_4}×{size_4}: make CodePrior(num_codes={count}, "
                "size={size_4}, code_dim={size_3}).",
                num_codes=self.num_codes,
                size=self.codebook.shape[1],
                size_2=self.size,
                count=len(book),
                size_3=book.shape[1],
                size_4=size,
            )
        if not self.codebook.any():
            self.codebook.copy_(book)
        # Stored weights are rounded to half precision: a thousandth is no other codebook.
        elif (self.codebook - book).abs().max() > 2e-3 * book.abs().max():
            raise InputError(
                "The prior was trained on the codes of another codebook: here the same numbers mean other things. "
                "Train it on this VQ-VAE's codes, or take the VQ-VAE that it was trained with."
            )


class CodePriorTraining(_Training):
    """Ascends log p(codes) of a trained VQ-VAE's codes: `fit` hands it images, and the VQ-VAE, which stays, makes codes of them."""

    def __init__(self, prior: CodePrior, model: VQVAE, lr: float = 1e-3):
        prior.belong_to(model)
        super().__init__(prior, lr)
        self.vqvae = model

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D] in [0, 1]. Returns "loss": nats an image."""
        self.model.train()
        with torch.no_grad():  # the codes are data here: nothing is learnt by the VQ-VAE
            codes = self.vqvae.codes(x)
        loss = -self.model.log_prob(codes).mean()
        self.update(loss)
        return {"loss": loss.detach()}


def sample_images(model: VQVAE, prior: CodePrior, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n images [n, D] in [0, 1]: codes from the prior, decoded; the probabilities of the pixels."""
    prior.belong_to(model)
    return in_chunks(lambda codes: model.decode_codes(codes).sigmoid(), prior.sample(n, generator))


def uniform_codes(model: VQVAE, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n maps [n, h, h] of codes from the uniform prior: each place for itself, each code as likely as the other."""
    size = (n, model.map_size, model.map_size)
    return torch.randint(model.quantizer.num_codes, size, generator=generator).to(
        model.quantizer.codebook.device
    )


class Bits(NamedTuple):
    """What it takes to send binary images, each [B], in bits: first the codes, then the pixels, given the codes."""

    codes: Tensor  # −log₂ p(codes)
    pixels: Tensor  # −log₂ p(x|codes)

    @property
    def total(self) -> Tensor:
        """An upper bound on −log₂ p(x): the ELBO of a posterior that is sure of its codes, in bits, with its sign turned."""
        return self.codes + self.pixels


@torch.no_grad()
def bits_per_image(model: VQVAE, prior: CodePrior | None, x: Tensor, seen: Tensor | None = None) -> Bits:
    """The bits of binary images x [B, D], by the prior, or, where it is None, by the uniform one: log₂ K for each code.

    Args:
        seen: what the encoder looks at, [B, D]: the grey levels that x was drawn from, if it was trained on such; x if
            None. The total is a bound whatever codes are sent.
    """
    if prior is not None:
        prior.belong_to(model)
    seen = x if seen is None else seen
    if seen.shape != x.shape:
        raise InputError(
            "x is {shape} and seen {shape_2}; give for each image what its codes are made of.",
            shape=list(x.shape),
            shape_2=list(seen.shape),
        )

    def bits(both: Tensor) -> Tensor:
        part, looked_at = both.unbind(1)
        codes = model.codes(looked_at)
        pixels = -bernoulli_log_likelihood(model.decode_codes(codes), part)
        even = model.map_size**2 * math.log(model.quantizer.num_codes)
        nats = torch.full_like(pixels, even) if prior is None else -prior.log_prob(codes)
        return torch.stack([nats, pixels], 1) / math.log(2)

    return Bits(*in_chunks(bits, torch.stack([x, seen], 1)).unbind(1))
