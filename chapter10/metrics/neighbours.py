"""Precision, recall, density and coverage: are the samples among the real images, and the real ones among the samples?

A set is taken for the union of balls around its points, each as large as the distance to its k-th nearest neighbour in
the set (Kynkäänniemi et al. 2019). Density counts the real balls that a sample lies in, coverage the real balls that
hold a sample; an outlier among the real images, with its large ball, weighs less there (Naeem et al. 2020).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.metrics.judge import Judge, check_count, check_features, disjoint_draws

PER_NEIGHBOUR = (
    10  # points in a set, at least, for each neighbour counted: else a ball is a good part of the set
)
CHUNK = 1000  # rows of a table of distances at a time


class NeighbourScores(NamedTuple):
    """Shares from 0 to 1, but for density, which has 1 as its mean for a perfect model and no upper end."""

    precision: float
    recall: float
    density: float
    coverage: float

    def __repr__(self) -> str:
        return say(
            "precision {precision:.3f}, recall {recall:.3f}, density {density:.3f}, coverage {coverage:.3f}",
            precision=self.precision, recall=self.recall, density=self.density, coverage=self.coverage,
        )  # fmt: skip


class PrecisionRecall(NamedTuple):
    """The scores of samples, and beside them what as many real images get.

    Attributes:
        precision, recall, density, coverage: of the samples; `real`: of other real images in their place.
        count: how many images there are on each side.
        k, k_coverage: neighbours for precision and recall; for density and coverage.
        classifier, accuracy, layer: whose features they are.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    real: NeighbourScores
    count: int
    k: int
    k_coverage: int
    classifier: str
    accuracy: float
    layer: str

    def __repr__(self) -> str:
        return say(
            "precision {here.precision:.3f} (real: {real.precision:.3f}), recall {here.recall:.3f} (real: {real.recall:.3f}), density "
            "{here.density:.3f} (real: {real.density:.3f}), coverage {here.coverage:.3f} (real: {real.coverage:.3f}) with "
            "{count:,} images on each side, {k} and {k_coverage} neighbours; {judge}",
            here=self, real=self.real, count=self.count, k=self.k, k_coverage=self.k_coverage,
            judge=Judge.words(self.classifier, self.accuracy, self.layer),
        )  # fmt: skip


def precision_recall(
    judge: Judge, real: Tensor, fake: Tensor, k: int = 3, k_coverage: int = 5, seed: int = 0
) -> PrecisionRecall:
    """Precision, recall, density and coverage of samples in a classifier's features, beside those of real images.

    The four depend on the number of images, and even a perfect model has a precision and a recall below 1. So N samples
    are compared with N real images, and N other real images with the same ones: 2 N are needed, drawn from `seed`.

    Args:
        judge: the classifier, as `recipes.judge` gives it.
        real: [M, D] in [0, 1], M ≥ 2 N; fake: [N, D] in [0, 1].
        k: for precision and recall, 3 in Kynkäänniemi et al.; k_coverage: for density and coverage, 5 in Naeem et al.
    Raises:
        InputError: for too few images on either side, or pixels outside [0, 1].
    """
    check_count(len(real), len(fake))
    fake_features, real_features = judge.features(fake), judge.features(real)
    first, second = next(disjoint_draws(len(real), len(fake), 1, seed))
    scores = neighbour_scores(real_features[first], fake_features, k, k_coverage)
    reference = neighbour_scores(real_features[first], real_features[second], k, k_coverage)
    return PrecisionRecall(
        *scores, reference, len(fake), k, k_coverage, judge.name, judge.accuracy, judge.layer
    )


def neighbour_scores(real: Tensor, fake: Tensor, k: int = 3, k_coverage: int = 5) -> NeighbourScores:
    """The four scores of features: fake [N, F] held against real [M, F].

    Density has mean 1, and coverage `expected_coverage`, whenever both sets come from the same distribution.
    """
    check_features(noted("real"), real)
    check_features(noted("fake"), fake)
    if real.shape[1] != fake.shape[1]:
        raise InputError(
            "There are {size} real features and {size_2} fake ones; give both from the same layer.",
            size=real.shape[1],
            size_2=fake.shape[1],
        )
    _check_neighbours(len(real), len(fake), k, k_coverage)
    centre = real.double().mean(0)  # distances stay, and rounding shrinks
    real, fake = real.double() - centre, fake.double() - centre
    slack = 1e-12 * max(real.square().sum(1).max().item(), fake.square().sum(1).max().item())
    # A point on the edge of a ball is inside. The slack keeps it there when the same distance is computed twice.
    real_radii = _square_radii(real, (k, k_coverage)) * (1 + 1e-9) + slack  # (M, 2)
    fake_radii = _square_radii(fake, (k,)).squeeze(1) * (1 + 1e-9) + slack  # (N)
    precise, balls = 0, 0
    recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    covered = recalled.clone()
    for start in range(0, len(fake), CHUNK):
        rows = slice(start, start + CHUNK)
        square = _square_distances(fake[rows], real)  # (n, M)
        precise += (square <= real_radii[:, 0]).any(1).sum().item()
        inside = square <= real_radii[:, 1]
        balls += inside.sum().item()
        covered |= inside.any(0)
        recalled |= (square <= fake_radii[rows].unsqueeze(1)).any(0)
    return NeighbourScores(
        precise / len(fake), recalled.double().mean().item(), balls / (k_coverage * len(fake)), covered.double().mean().item()
    )  # fmt: skip


def expected_coverage(real: int, fake: int, k: int = 5) -> float:
    """The mean coverage of a perfect model: 1 − Π_{t<k} (M − 1 − t) / (M + N − 1 − t), whatever the distribution.

    A real point is not covered when its k nearest among all M + N − 1 others are real ones (Naeem et al. 2020, lemma 2).
    """
    return 1 - math.prod((real - 1 - t) / (real + fake - 1 - t) for t in range(k))


def _square_distances(a: Tensor, b: Tensor) -> Tensor:
    """[n, m] of a [n, F] and b [m, F], through one matrix product."""
    square = torch.addmm(b.square().sum(1), a, b.T, alpha=-2).add_(a.square().sum(1, keepdim=True))
    return square.clamp_(min=0)


def _square_radii(points: Tensor, neighbours: tuple[int, ...]) -> Tensor:
    """The squared distance from each point [N, F] to its k-th nearest other, [N, len(neighbours)]."""
    radii = []
    for start in range(0, len(points), CHUNK):
        square = _square_distances(points[start : start + CHUNK], points)
        square.diagonal(start).fill_(math.inf)  # not a neighbour of itself
        nearest = square.topk(max(neighbours), 1, largest=False).values
        radii.append(nearest[:, [k - 1 for k in neighbours]])
    return torch.cat(radii)


def _check_neighbours(real: int, fake: int, k: int, k_coverage: int) -> None:
    for name, value in (("k", k), ("k_coverage", k_coverage)):
        if not isinstance(value, int) or value < 1:
            raise InputError(
                "{name} is {value!r}; give a whole number of neighbours from 1 up.",
                name=name,
                value=value,
            )
    needed = PER_NEIGHBOUR * max(k, k_coverage)
    if min(real, fake) < needed:
        raise InputError(
            "{real:,} real and {fake:,} fake features are too few for {most} neighbours: give at least {needed:,} "
            "of each.",
            real=real,
            fake=fake,
            most=max(k, k_coverage),
            needed=needed,
        )
