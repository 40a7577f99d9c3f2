"""The Fréchet classifier distance: how far apart two sets of images lie in the features of a classifier.

The formula is that of Heusel et al. 2017 (for Gaussians: Dowson and Landau 1982). Their classifier was another one, so
its numbers and ours can't be compared; two of ours can, if classifier, layer and number of images are the same.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.errors import InputError
from chapter10.language import noted, say
from chapter10.metrics.judge import Judge, check_count, check_features, disjoint_draws

PER_FEATURE = 2  # samples, at least, for each feature


class FrechetClassifierDistance(NamedTuple):
    """A distance with all that it means something beside.

    Attributes:
        value: between real images and the samples. floor: between real images and other real images.
        count: how many images there are on each side, for the value and for the floor.
        classifier, accuracy, layer: whose features they are.
    """

    value: float
    floor: float
    count: int
    classifier: str
    accuracy: float
    layer: str

    def __repr__(self) -> str:
        return say(
            "Fréchet classifier distance {value:.4g} (real against real: {floor:.3g}) with {count:,} images on each side; {judge}",
            value=self.value, floor=self.floor, count=self.count, judge=Judge.words(self.classifier, self.accuracy, self.layer),
        )  # fmt: skip


def frechet_classifier_distance(
    judge: Judge, real: Tensor, fake: Tensor, draws: int = 10, seed: int = 0
) -> FrechetClassifierDistance:
    """The Fréchet distance between real images and samples, and its floor, in the features of a classifier.

    From few images a mean and a covariance are known only roughly, and every error adds to the distance: it is too
    large, the more so the fewer images there are. What a perfect model would get is therefore not 0 but the distance
    between as many real images and as many other real images, none of them used twice. That is the floor. So N samples
    ask for 2 N real images; N real ones are drawn at random for the samples to be compared with, N others for the
    floor, `draws` times, and both numbers are means over the draws. (Drawn, for sets have an order: the first 5,000 of
    MNIST's test images are easier than the last 5,000.) Most of the time goes to the features of the real images: along
    a training, take them once with `judge.features` and compare with `frechet_of_features`.

    Args:
        judge: the classifier, as `recipes.judge` gives it.
        real: [M, D] in [0, 1], M ≥ 2 N, best of images that neither the model nor the classifier was trained on.
        fake: [N, D] in [0, 1], N at least twice the number of features.
    Raises:
        InputError: for too few images on either side, or pixels outside [0, 1].
    """
    check_count(len(real), len(fake))
    fake_features = judge.features(fake)
    _check_enough(*fake_features.shape)
    real_features = judge.features(real)
    pairs = list(disjoint_draws(len(real), len(fake), draws, seed))
    values = [frechet_of_features(real_features[first], fake_features) for first, _ in pairs]
    floors = [frechet_of_features(real_features[first], real_features[second]) for first, second in pairs]
    return FrechetClassifierDistance(
        sum(values) / draws, sum(floors) / draws, len(fake), judge.name, judge.accuracy, judge.layer
    )


def frechet_of_features(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance between the Gaussians with the means and covariances of two sets of features [N, F].

    Both sets must have the same size N: the distance hangs on it. With N ≥ 2 F the covariances are of full rank and no
    longer mostly noise; a floor then shows how much of it is left.
    """
    check_features(noted("real"), real)
    check_features(noted("fake"), fake)
    if real.shape != fake.shape:
        raise InputError(
            "The real features are {shape}, the fake ones {shape_2}; give as many of one as of the other, from the "
            "same layer: distances from unequal counts can't be compared.",
            shape=list(real.shape),
            shape_2=list(fake.shape),
        )
    _check_enough(*real.shape)
    real, fake = real.double(), fake.double()
    return frechet_distance(real.mean(0), real.T.cov(), fake.mean(0), fake.T.cov())


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """|μ_a − μ_b|² + tr(A + B − 2 (A^½ B A^½)^½) for two Gaussians, in float64; as usual, not its square root.

    It is the mean squared way that the best plan of transport moves a point (the squared Wasserstein-2 distance).
    Covariances may be singular: nothing is inverted.

    Args:
        mean_a, mean_b: [F]; cov_a, cov_b: [F, F], symmetric and positive semi-definite.
    Raises:
        InputError: for other shapes, NaN or infinity, or a matrix that is no covariance.
    """
    _check_means(mean_a, mean_b)
    root_a, root_b = _root("cov_a", cov_a, len(mean_a)), _root("cov_b", cov_b, len(mean_b))
    # tr (A^½ B A^½)^½ is the sum of the singular values of A^½ B^½: no root of small, rounded eigenvalues.
    common = torch.linalg.svdvals(root_a @ root_b).sum()
    square = (mean_a.double() - mean_b.double()).square().sum()
    distance = square + cov_a.double().trace() + cov_b.double().trace() - 2 * common
    return max(0.0, distance.item())  # rounding can leave −1e-15 where it is 0


def _root(name: str, matrix: Tensor, size: int) -> Tensor:
    """The symmetric square root of a covariance, float64."""
    if not matrix.is_floating_point() or matrix.shape != (size, size):
        raise InputError(
            "{name} must be floats [{size}, {size}] as its mean has {size}, found {dtype} {shape}.",
            name=name,
            size=size,
            dtype=matrix.dtype,
            shape=list(matrix.shape),
        )
    if not matrix.isfinite().all():
        raise InputError(
            "{name} holds NaN or infinity: look for them in the features it was made from.",
            name=name,
        )
    rounding = 10 * size * torch.finfo(matrix.dtype).eps * matrix.abs().max().item()
    gap = (matrix - matrix.T).abs().max().item()
    if gap > rounding:
        raise InputError(
            "{name} is not symmetric: entries across its diagonal differ by up to {gap:.3g}; a covariance is.",
            name=name,
            gap=gap,
        )
    values, vectors = torch.linalg.eigh(matrix.double())
    if values[0] < -rounding:
        raise InputError(
            "{name} is not positive semi-definite: its smallest eigenvalue is {value:.3g}; a covariance has none "
            "below 0.",
            name=name,
            value=values[0].item(),
        )
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _check_means(mean_a: Tensor, mean_b: Tensor) -> None:
    for name, mean in (("mean_a", mean_a), ("mean_b", mean_b)):
        if not mean.is_floating_point() or mean.ndim != 1 or len(mean) == 0:
            raise InputError(
                "{name} must be floats [F], found {dtype} {shape}.",
                name=name,
                dtype=mean.dtype,
                shape=list(mean.shape),
            )
        if not mean.isfinite().all():
            raise InputError(
                "{name} holds NaN or infinity: look for them in the features it was made from.",
                name=name,
            )
    if len(mean_a) != len(mean_b):
        raise InputError(
            "The means have {count} and {count_2} features; give both from the same layer.",
            count=len(mean_a),
            count_2=len(mean_b),
        )


def _check_enough(count: int, features: int) -> None:
    if count < PER_FEATURE * features:
        raise InputError(
            "{count:,} samples are too few for the covariance of {features} features: give at least {product:,}, "
            "and as many real ones again for each side.",
            count=count,
            features=features,
            product=PER_FEATURE * features,
        )
