"""Is there one latent dimension for each factor? The mutual information gap (Chen et al. 2018, β-TCVAE, section 4.1).

For each factor v: the mutual information with the latent dimension that knows most about it, less that with the second,
over the entropy of v. 1 for a code with one dimension a factor, which names it exactly; 0 where the two best know as much.

The paper takes I(z_j; v) under q(z|x), by sampling. Here codes are put into bins that hold equally many of them, and the
information is that of the table of bins and factor values (as in Locatello et al. 2019, whose bins are equally wide). So
it doesn't change when a dimension is stretched by any increasing function. The table's information is a little too large,
for independent ones by about (bins − 1)(values − 1) / 2N nats. Other estimators give other numbers: compare only within one.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.language import say

PER_CELL = 5  # codes for each cell of the table, at least, if all were equally likely


class MutualInformationGap(NamedTuple):
    """The mean gap over the factors, from 0 to 1, and what it is made of.

    Attributes:
        value: the mean of `gaps`. gaps: [F], one for each factor, as a share of its entropy.
        information: [F, L], mutual information of each factor with each latent dimension, as a share of the factor's entropy.
        entropy: [F], of the factors, in nats.
        count: N; bins: for each latent dimension.
    """

    value: float
    gaps: Tensor
    information: Tensor
    entropy: Tensor
    count: int
    bins: int

    def __repr__(self) -> str:
        each = ", ".join(f"{gap:.2f}" for gap in self.gaps.tolist())
        return say(
            "mutual information gap {value:.3f} (by factor: {each}; {count:,} codes in {bins} bins)",
            value=self.value, each=each, count=self.count, bins=self.bins,
        )  # fmt: skip


def mutual_information_gap(codes: Tensor, factors: Tensor, bins: int = 20) -> MutualInformationGap:
    """How far the codes give each factor a latent dimension of its own.

    Args:
        codes: z [N, L], L ≥ 2: one draw of q(z|x) for each image. Not its mean: in a dimension that the model has given
            up, the mean moves by a thousandth, which tells a ruler the factor, and the decoder nothing.
        factors: [N, F], whole numbers from 0 up, each with two values or more.
        bins: for each latent dimension; no fewer than a factor has values.
    Raises:
        InputError: for other shapes, codes that are not finite, a factor with one value, or too few codes for the table.
    """
    _check(codes, factors, bins)
    binned = torch.stack([_equal_bins(column, bins) for column in codes.detach().double().T], 1)  # [N, L]
    rows = [[mutual_information(of_code, factor) for of_code in binned.T] for factor in factors.T]
    entropy = torch.stack([mutual_information(factor, factor) for factor in factors.T])  # I(v; v) = H(v)
    information = torch.stack([torch.stack(row) for row in rows]) / entropy.unsqueeze(1)
    first, second = information.topk(2, 1).values.T
    gaps = first - second
    return MutualInformationGap(gaps.mean().item(), gaps, information, entropy, len(codes), bins)


def mutual_information(a: Tensor, b: Tensor) -> Tensor:
    """Σ p(a, b) log( p(a, b) / p(a)p(b) ) of the table that two rows of whole numbers [N] fill: a scalar, in nats."""
    height, width = int(a.max()) + 1, int(b.max()) + 1
    joint = torch.bincount(a * width + b, minlength=height * width).view(height, width).double() / len(a)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, apart)).sum()  # 0 log 0 is 0


def _equal_bins(values: Tensor, bins: int) -> Tensor:
    """The number of its bin for each value [N]; equal values share one."""
    edges = values.sort().values[(torch.arange(1, bins) * len(values)) // bins]
    return torch.searchsorted(edges.unique(), values.contiguous(), right=True)


def _check(codes: Tensor, factors: Tensor, bins: int) -> None:
    if codes.ndim != 2 or codes.shape[1] < 2 or not codes.is_floating_point():
        raise InputError(
            "The gap takes codes of floats [N, L] with two dimensions or more, found {dtype} {shape}.",
            dtype=codes.dtype,
            shape=list(codes.shape),
        )
    if (
        factors.ndim != 2
        or len(factors) != len(codes)
        or factors.shape[1] < 1
        or factors.dtype != torch.int64
    ):
        raise InputError(
            "Factors are whole numbers [{count}, F], int64, one row for each code; found {dtype} {shape}.",
            count=len(codes),
            dtype=factors.dtype,
            shape=list(factors.shape),
        )
    if len(codes) == 0 or not codes.isfinite().all():
        raise InputError(
            "Some codes are NaN or infinite, or there are none: the encoder that made them has diverged."
        )
    values = [len(column.unique()) for column in factors.T]
    if min(values) < 2 or factors.min() < 0:
        raise InputError(
            "Each factor needs two values or more, from 0 up; found {values} different ones. Leave a constant "
            "factor out.",
            values=values,
        )
    if not isinstance(bins, int) or bins < max(values):
        raise InputError(
            "bins is {bins!r}; give a whole number, no fewer than the {most} values that a factor has.",
            bins=bins,
            most=max(values),
        )
    if len(codes) < PER_CELL * bins * max(values):
        raise InputError(
            "{count:,} codes are too few for {bins} bins and {most} values: give at least {product:,}, or fewer "
            "bins.",
            count=len(codes),
            bins=bins,
            most=max(values),
            product=PER_CELL * bins * max(values),
        )
