"""What packing shows the best discriminator: how far packs of m samples are from packs of m data. In nats.

Lin, Khetan, Fanti and Oh 2018, PacGAN: The power of two samples in generative adversarial networks, section 3. The best
discriminator of packs plays the game between the products p^m and q^m. Two generators that are equally far from the data
at m = 1 part from m = 2 on: the distance of one that leaves modes out grows faster than that of one that is a little off
everywhere. K atoms, each a mode.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.exact.checks import check_tensor
from chapter10.exact.game import jensen_shannon

MAX_PACKS = 2_000_000  # atoms of a product, in float64: 16 MB


class PackedDistance(NamedTuple):
    """Between packs of m data and of m samples.

    Attributes:
        total_variation: from 0 to 1; 1 − it is the least that a discriminator's two shares of errors can add up to.
        jensen_shannon: in nats; the best discriminator's loss is log 4 − 2 of it.
    """

    total_variation: float
    jensen_shannon: float


def packs_of(p: Tensor, pack: int) -> Tensor:
    """The probabilities p [K] of single samples -> those of packs of m independent ones, in order, [K^m], float64."""
    check_tensor("p", p, ("K",))
    if not isinstance(pack, int) or pack < 1:
        raise InputError("pack is {pack!r}; give a whole number from 1 up.", pack=pack)
    if len(p) ** pack > MAX_PACKS:
        raise InputError(
            "Packs of {pack} from {count} atoms are {value:,}, too many to list: at most {MAX_PACKS:,}. Give fewer "
            "atoms, by putting together those with the same ratio p/q: it changes no distance.",
            pack=pack,
            count=len(p),
            value=len(p) ** pack,
            MAX_PACKS=MAX_PACKS,
        )
    if not (p >= 0).all() or abs(p.double().sum().item() - 1) > 1e-5:
        raise InputError(
            "p must be probabilities that add up to 1; they add up to {value:.4g}, least {lowest:.4g}.",
            value=p.sum().item(),
            lowest=p.min(),
        )
    single = p.double() / p.double().sum()
    product = single
    for _ in range(pack - 1):
        product = torch.outer(product, single).flatten()  # (K^i) (K) -> (K^(i+1))
    return product


def packed_distance(p: Tensor, q: Tensor, pack: int) -> PackedDistance:
    """How far packs of m samples from q [K] are from packs of m data from p [K], by counting all K^m packs.

    Where q is p on some of its modes, which together have the share s of the data, raised to share 1, the total variation is
    1 − s^m.
    """
    data, fakes = packs_of(p, pack), packs_of(q, pack)
    if len(data) != len(fakes):
        raise InputError(
            "p has {count} atoms and q {count_2}; give both the same, with 0 for those that are left out.",
            count=len(p),
            count_2=len(q),
        )
    divergence = jensen_shannon(data.log(), fakes.log(), torch.ones_like(data)).item()
    return PackedDistance((data - fakes).abs().sum().item() / 2, min(divergence, math.log(2)))
