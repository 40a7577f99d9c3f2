"""How much of a codebook is in use."""

from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.language import say


class Perplexity(NamedTuple):
    """exp of the entropy of the codes' shares; `used`: how many codes occur at all; `counts`: how often each."""

    value: float
    used: int
    counts: tuple[int, ...]

    @property
    def dead(self) -> int:
        """Codes that no place of any image chose."""
        return len(self.counts) - self.used

    def __repr__(self) -> str:
        return say(
            "perplexity {value:.1f} of {codes} codes, {dead} of them dead ({places:,} places)",
            value=self.value, codes=len(self.counts), dead=self.dead, places=sum(self.counts),
        )  # fmt: skip


def perplexity(codes: Tensor, num_codes: int) -> Perplexity:
    """exp(−Σ p log p) with p the share of each code: as many codes, all equally frequent, would be as hard to guess.

    Ask for it over a data set: a batch holds few images, and its codes are fewer.

    Args:
        codes: whole numbers of any shape, 0 to num_codes − 1; num_codes: K.
    Returns:
        value from 1 (one code for everything) to K (all alike).
    """
    if codes.is_floating_point() or codes.is_complex() or codes.numel() == 0:
        raise InputError(
            "The perplexity is of one or more codes, whole numbers; found {dtype} {shape}.",
            dtype=codes.dtype,
            shape=list(codes.shape),
        )
    if codes.min() < 0 or codes.max() >= num_codes:
        raise InputError(
            "Codes reach from {lowest} to {highest}; with num_codes = {num_codes} they end at {num_codes_less_1}.",
            lowest=codes.min().item(),
            highest=codes.max().item(),
            num_codes=num_codes,
            num_codes_less_1=num_codes - 1,
        )
    counts = torch.bincount(codes.flatten(), minlength=num_codes)
    share = counts.double() / counts.sum()
    value = torch.special.entr(share).sum().exp().item()  # entr(p) = −p log p, 0 at 0
    return Perplexity(value, int((counts > 0).sum()), tuple(counts.tolist()))
