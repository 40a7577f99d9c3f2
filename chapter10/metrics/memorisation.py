"""Does a model draw new images, or its training images? The nearest training image of each sample, and how near it is."""

from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import say

ROWS, COLUMNS = 500, 10_000  # of the table of distances at a time: 20 MB
CANDIDATES = 4  # the nearest but for rounding (about 0.01 in float32); the exact distance decides


class NearestTraining(NamedTuple):
    """How near samples come to training images, beside images that the model has not seen.

    Attributes:
        distance: of each sample to its nearest training image, [N], Euclidean over pixels in [0, 1].
        index: which training image that is, [N].
        held_out: the same distance of each held-out real image, [M].
        percentile: p. threshold: the p-th percentile of `held_out`.
        share: of samples nearer than the threshold; about p % for a model that draws new images as real ones are.
    """

    distance: Tensor
    index: Tensor
    held_out: Tensor
    percentile: float
    threshold: float
    share: float

    def closest(self, count: int) -> Tensor:
        """The `count` samples that lie nearest to a training image, nearest first: to be looked at."""
        return self.distance.argsort()[:count]

    def __repr__(self) -> str:
        return say(
            "{share:.1f} % of {count:,} samples are nearer to a training image than {threshold:.3g}, as are {percentile:g} % of {real:,} "
            "held-out real images; median distance {median:.3g} against {real_median:.3g}",
            share=100 * self.share, count=len(self.distance), threshold=self.threshold, percentile=self.percentile,
            real=len(self.held_out), median=self.distance.median().item(), real_median=self.held_out.median().item(),
        )  # fmt: skip


def nearest_training(
    samples: Tensor, training: Tensor, held_out: Tensor, percentile: float = 1.0
) -> NearestTraining:
    """Hold the samples' distances to the training images against those of real images that were not trained on.

    Copies lie nearer than any held-out image does. The reverse is not sure: blurred images lie nearer to everything,
    and a copy moved by a pixel lies far away. So look at the pairs as well: `training[found.index[i]]` beside `samples[i]`.

    Args:
        samples: [N, D]; training: [T, D]; held_out: [M, D], with M ≥ 100 / percentile; all in [0, 1].
        percentile: p, above 0 and at most 50.
    """
    if not 0 < percentile <= 50:
        raise InputError(
            "percentile is {percentile}; give a number above 0 and at most 50.",
            percentile=percentile,
        )
    if len(held_out) * percentile < 100:
        raise InputError(
            "{count:,} held-out images are too few for the percentile {percentile:g}: give at least {value:,}, or "
            "a higher percentile.",
            count=len(held_out),
            percentile=percentile,
            value=-int(-100 // percentile),
        )
    distance, index = nearest(samples, training)
    others = nearest(held_out, training).distance
    threshold = others.quantile(percentile / 100).item()
    return NearestTraining(
        distance, index, others, percentile, threshold, (distance < threshold).double().mean().item()
    )


class Nearest(NamedTuple):
    """The distance [N] to the nearest one, and its index [N]."""

    distance: Tensor
    index: Tensor


@torch.no_grad()
def nearest(x: Tensor, among: Tensor) -> Nearest:
    """The Euclidean distance of each image x [N, D] to its nearest among [T, D], both in [0, 1]; 0 for a copy."""
    for images in (x, among):
        check_unit(images)
    if x.ndim != 2 or among.ndim != 2 or x.shape[1] != among.shape[1]:
        raise InputError(
            "Give images [N, D] and [T, D] with as many pixels, found {shape} and {shape_2}.",
            shape=list(x.shape),
            shape_2=list(among.shape),
        )
    found = [_nearest(part.to(among.dtype), among) for part in x.split(ROWS)]
    return Nearest(torch.cat([part.distance for part in found]), torch.cat([part.index for part in found]))


def _nearest(x: Tensor, among: Tensor) -> Nearest:
    values, indices = [], []
    for start in range(0, len(among), COLUMNS):
        part = among[start : start + COLUMNS]
        # |a|² − 2 x·a orders as |x − a|² does, through one matrix product, but for rounding
        order = torch.addmm(part.square().sum(1), x, part.T, alpha=-2)
        least = order.topk(min(CANDIDATES, len(part)), 1, largest=False)
        values.append(least.values)
        indices.append(least.indices + start)
    best = torch.cat(values, 1).topk(min(CANDIDATES, len(among)), 1, largest=False).indices
    candidates = torch.cat(indices, 1).gather(1, best)  # (n, CANDIDATES)
    exact = (x.unsqueeze(1) - among[candidates]).square().sum(2).sqrt()
    distance, which = exact.min(1)
    return Nearest(distance, candidates.gather(1, which.unsqueeze(1)).squeeze(1))
