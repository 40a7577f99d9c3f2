"""The VQ-VAE of section 10.5.1: an image becomes a small map of discrete codes, and the codes an image again.

Van den Oord, Vinyals and Kavukcuoglu 2017, Neural Discrete Representation Learning; codebook by moving averages from
their appendix; restart of dead codes: Dhariwal et al. 2020, Jukebox. By itself it generates nothing: see `code_prior`.
The mathematics are pure functions. Sums over places and dimensions, nats; B images, K codes of C numbers, h×h places.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.nets import Maps, as_rows, check_sizes, in_full
from chapter10.vae import _Training, bernoulli_log_likelihood


def nearest_code(z: Tensor, codebook: Tensor) -> Tensor:
    """For each vector of z [..., C] the row of the codebook [K, C] nearest to it: whole numbers [...], 0 … K − 1.

    |z − e|² = |z|² − 2 z·e + |e|², and |z|² is the same for all codes: it is left out.
    """
    if z.shape[-1] != codebook.shape[-1]:
        raise InputError(
            "The vectors have {size} numbers and the codes {size_2}; give both the same, in the last dimension.",
            size=z.shape[-1],
            size_2=codebook.shape[-1],
        )
    rows = z.flatten(0, -2)  # (N, C)
    with torch.autocast(z.device.type, enabled=False):  # which code is nearest may hang on the last digits
        distance = torch.addmm(codebook.square().sum(1), rows, codebook.T, alpha=-2)  # (N, K)
    return distance.argmin(1).view(z.shape[:-1])


def straight_through(z: Tensor, quantised: Tensor) -> Tensor:
    """The value of `quantised`, with the gradient of z: what arrives at the decoder's input is handed to the encoder as it is.

    The choice of the nearest code has no gradient (it is constant nearly everywhere); this pretends it were the identity.
    """
    return z + (quantised - z).detach()


class VQLosses(NamedTuple):
    """The two squared distances of equation 3, each [B]: equal in value, they move different things."""

    codebook: Tensor  # |sg[z] − e|²: moves the codes
    commitment: Tensor  # |z − sg[e]|²: moves the encoder; β is its weight


def vq_losses(z: Tensor, quantised: Tensor) -> VQLosses:
    """Both distances, summed over places and dimensions.

    Args:
        z: what the encoder says [B, ..., C]; quantised: its nearest codes, of the same shape, *before* straight_through:
            after it, they are no longer connected to the codebook.
    """
    if z.shape != quantised.shape:
        raise InputError(
            "z is {shape} and quantised {shape_2}; they must be of one shape.",
            shape=list(z.shape),
            shape_2=list(quantised.shape),
        )
    return VQLosses(
        (z.detach() - quantised).square().flatten(1).sum(1),
        (z - quantised.detach()).square().flatten(1).sum(1),
    )


class VectorQuantizer(nn.Module):
    """A codebook [K, C]: takes vectors for their nearest codes.

    Args:
        num_codes: K, 2 or more; code_dim: C.
        decay: γ of the moving averages by which each code follows the vectors that chose it; None: the codebook is a
            parameter, moved by the codebook loss.
        restart: a code chosen by less than this share of an even share, 1/K, is dead, and is put where a vector of the
            batch is, drawn at random; 0: never.
    """

    def __init__(
        self, num_codes: int = 64, code_dim: int = 16, decay: float | None = 0.99, restart: float = 0.05
    ):
        super().__init__()
        check_sizes(num_codes=num_codes, code_dim=code_dim)
        if num_codes < 2:
            raise InputError(
                "num_codes is 1; give 2 or more: where there is one code only, it says nothing about an image."
            )
        if decay is not None and not 0 < decay < 1:
            raise InputError(
                "decay is {decay}; give a number between 0 and 1, or None for the codebook loss.",
                decay=decay,
            )
        if not 0 <= restart < 1:
            raise InputError(
                "restart is {restart}; give a share of 1/K from 0 (never) to below 1.",
                restart=restart,
            )
        self.num_codes, self.code_dim, self.decay, self.restart = num_codes, code_dim, decay, restart
        codebook = torch.randn(num_codes, code_dim)
        if decay is None:
            self.codebook = nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
        # Moving averages, for one vector: how often a code is chosen (adding up to 1), and the sum of what chose it.
        self.register_buffer("usage", torch.full((num_codes,), 1 / num_codes))
        self.register_buffer("sums", codebook / num_codes)
        self.register_buffer("started", torch.tensor(False))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [..., C] -> its nearest codes as vectors [..., C], connected to a codebook that is a parameter; and their numbers [...]."""
        codes = nearest_code(z.detach(), self.codebook.detach())
        return nn.functional.embedding(codes, self.codebook), codes

    @torch.no_grad()
    def start(self, z: Tensor) -> None:
        """Put the codes on vectors of z [..., C], drawn at random: near the data from the first step on."""
        rows = parallel.gather(z.detach()).flatten(0, -2)
        if len(rows) < self.num_codes:
            raise InputError(
                "A codebook of {num_codes} codes is larger than the data: the first batch has {count} vectors. "
                "Give a larger batch or fewer codes.",
                num_codes=self.num_codes,
                count=len(rows),
            )
        self._place(torch.arange(self.num_codes), rows)
        self.started.fill_(True)

    @torch.no_grad()
    def follow(self, z: Tensor, codes: Tensor) -> int:
        """Moving averages after a batch: of each code's use, and, with `decay`, of where the vectors are that chose it.

        N ← γN + (1−γ)n, m ← γm + (1−γ)Σz, e = m/N, with n the share of the vectors that chose the code, and Σz their sum
        divided by the number of all vectors. A code that nobody chose stays where it is. Then dead codes are restarted.
        Of several processes, n and Σz are of the vectors of all: no gradient carries them, so they are added up here.

        Args:
            z: [..., C]; codes: [...].
        Returns:
            how many codes were restarted.
        """
        rows, chosen = z.detach().flatten(0, -2), codes.flatten()  # (N, C), (N,)
        counts = parallel.total(torch.bincount(chosen, minlength=self.num_codes).to(rows.dtype))
        vectors = len(rows) * parallel.world()
        rest = 1 - (self.decay or 0.99)
        self.usage.lerp_(counts / vectors, rest)
        if self.decay is not None:
            sums = parallel.total(torch.zeros_like(self.codebook).index_add_(0, chosen, rows))
            self.sums.lerp_(sums / vectors, rest)
            mean = self.sums / self.usage.clamp(min=1e-12).unsqueeze(1)
            self.codebook.copy_(torch.where(counts.unsqueeze(1) > 0, mean, self.codebook))
        dead = (self.usage < self.restart / self.num_codes).nonzero().squeeze(1)
        if len(dead):
            self._place(dead, parallel.gather(z.detach()).flatten(0, -2))
        return len(dead)

    def _place(self, codes: Tensor, rows: Tensor) -> None:
        """Put these codes on rows drawn at random, with an even share of use: time to find out if they are wanted."""
        drawn = (
            torch.randint(len(rows), (len(codes),))
            if len(codes) > len(rows)
            else torch.randperm(len(rows))[: len(codes)]
        )
        self.codebook.data[codes] = rows[drawn.to(rows.device)]
        self.usage[codes] = 1 / self.num_codes
        self.sums[codes] = self.codebook.data[codes] / self.num_codes

    def extra_repr(self) -> str:
        return f"{self.num_codes}, {self.code_dim}, decay={self.decay}, restart={self.restart}"


class VQVAE(nn.Module):
    """Images of side×side pixels, as rows [B, D], to side/4 × side/4 codes and back: 28×28 pixels, 7×7 codes.

    Args:
        num_codes, code_dim, decay, restart: of the `VectorQuantizer`.
        width: channels of the layers on maps of half the side; twice as many on those of a quarter.
        batch_norm: of what the encoder says, before it is quantised (Łańcucki et al. 2020): without it, it shrinks at the
            start, for near 0 commitment costs least, and codes that lie together say little.
    """

    def __init__(
        self,
        num_codes: int = 64,
        code_dim: int = 16,
        width: int = 16,
        side: int = 28,
        decay: float | None = 0.99,
        restart: float = 0.05,
        batch_norm: bool = True,
    ):
        super().__init__()
        check_sizes(width=width, side=side)
        if side % 4:
            raise InputError(
                "side is {side}; give a multiple of 4, for images are halved twice: 28, not 27 or 30.",
                side=side,
            )
        self.side, self.map_size, self.input_dim = side, side // 4, side**2
        self.quantizer = VectorQuantizer(num_codes, code_dim, decay, restart)
        self.encoder = nn.Sequential(
            Maps(1, side),  # (B, D) -> (B, 1, 28, 28)
            nn.Conv2d(1, width, 4, stride=2, padding=1),  # -> (B, w, 14, 14)
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # -> (B, 2w, 7, 7)
            nn.ReLU(),
            nn.Conv2d(2 * width, code_dim, 3, padding=1, bias=False),  # -> (B, C, 7, 7)
            *([nn.BatchNorm2d(code_dim, affine=False)] if batch_norm else []),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(code_dim, 2 * width, 3, padding=1),  # -> (B, 2w, 7, 7)
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # -> (B, w, 14, 14)
            nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),  # -> (B, 4, 14, 14): the 2×2 pixels of each place
            nn.PixelShuffle(2),  # -> (B, 1, 28, 28)
            nn.Flatten(),  # -> (B, D)
        )

    def encode(self, x: Tensor) -> Tensor:
        """x [B, D] in [0, 1] -> z [B, h, h, C], not yet quantised."""
        x = as_rows(x, self.input_dim, noted("The VQ-VAE"), say("images of {side}×{side} pixels, flattened,", side=self.side))
        return in_full(self.encoder(x)).permute(0, 2, 3, 1)  # (B, C, h, h) -> (B, h, h, C): they lie in memory so

    def codes(self, x: Tensor) -> Tensor:
        """x [B, D] -> the numbers of its codes [B, h, h]."""
        return nearest_code(self.encode(x), self.quantizer.codebook)

    def decode(self, quantised: Tensor) -> Tensor:
        """Code vectors [B, h, h, C] -> logits [B, D]."""
        size, dim = self.map_size, self.quantizer.code_dim
        if quantised.ndim != 4 or quantised.shape[1:] != (size, size, dim):
            raise InputError(
                "The decoder takes code vectors as [B, {size}, {size}, {dim}], found {shape}.",
                size=size,
                dim=dim,
                shape=list(quantised.shape),
            )
        return in_full(self.decoder(quantised.permute(0, 3, 1, 2)))  # (B, h, h, C) -> (B, C, h, h)

    def decode_codes(self, codes: Tensor) -> Tensor:
        """The numbers of codes [B, h, h] -> logits [B, D]."""
        return self.decode(
            self.quantizer.codebook[check_codes(codes, self.quantizer.num_codes, self.map_size)]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> logits [B, D] of its reconstruction, and codes [B, h, h]."""
        z = self.encode(x)
        quantised, codes = self.quantizer(z)
        return self.decode(straight_through(z, quantised)), codes


def check_codes(codes: Tensor, num_codes: int, size: int) -> Tensor:
    """The codes, if they are whole numbers [B, size, size] from 0 to num_codes − 1. Raises InputError."""
    if codes.ndim != 3 or codes.shape[1:] != (size, size) or codes.dtype != torch.int64:
        raise InputError(
            "Codes are whole numbers (int64) [B, {size}, {size}], found {dtype} {shape}.",
            size=size,
            dtype=codes.dtype,
            shape=list(codes.shape),
        )
    if len(codes) and not 0 <= codes.min() <= codes.max() < num_codes:
        raise InputError(
            "Codes reach from {lowest} to {highest}; this codebook has {num_codes}, 0 to {num_codes_less_1}.",
            lowest=codes.min().item(),
            highest=codes.max().item(),
            num_codes=num_codes,
            num_codes_less_1=num_codes - 1,
        )
    return codes


class VQVAETraining(_Training):
    """Descends −log p(x|e) + β·commitment, + codebook where the codebook is a parameter (van den Oord et al. 2017, equation 3).

    Args:
        commitment: β, the weight of the encoder's term, never of the codebook's.
    """

    advice = noted("lower the commitment weight")

    def __init__(self, model: VQVAE, lr: float = 1e-3, commitment: float = 0.25):
        if not 0 <= commitment < float("inf"):
            raise InputError(
                "commitment is {commitment}; give a finite weight from 0 up.",
                commitment=commitment,
            )
        super().__init__(model, lr)
        self.commitment = commitment

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D] in [0, 1].

        Returns:
            "loss", "reconstruction" (log p(x|e), nats), "commitment" (before its weight) and "codebook" as means over
            the batch; "restarts": how many codes were restarted.
        """
        self.model.train()
        quantizer = self.model.quantizer
        z = self.model.encode(x)
        if not quantizer.started:
            quantizer.start(z)
        quantised, codes = quantizer(z)
        terms = vq_losses(z, quantised)
        logits = self.model.decode(straight_through(z, quantised))
        reconstruction = bernoulli_log_likelihood(logits, x).mean()
        commitment, codebook = terms.commitment.mean(), terms.codebook.mean()
        loss = self.commitment * commitment - reconstruction
        if quantizer.decay is None:
            loss = loss + codebook
        self.update(loss)
        restarts = quantizer.follow(z, codes)
        parts = {
            "loss": loss,
            "reconstruction": reconstruction,
            "commitment": commitment,
            "codebook": codebook,
        }
        return {name: part.detach() for name, part in parts.items()} | {
            "restarts": torch.tensor(float(restarts))
        }
