"""What must stand beside a number that a classifier gives, and be the same for two such numbers to be compared.

That is: which classifier, how good it is, which layer, how many images; and what real images score against real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import say
from chapter10.metrics.classes import confidence
from chapter10.nets import in_chunks


@dataclass(frozen=True, repr=False)
class Judge:
    """A classifier to measure images with. `recipes.judge(name)` gives one with stored weights.

    Attributes:
        classifier: takes images [N, D] in [0, 1].
        name: which one it is. accuracy: its share of right answers on test images, from 0 to 1.
        layer: the classifier's method that gives the features, images [N, D] -> [N, F].
    """

    classifier: nn.Module
    name: str
    accuracy: float
    layer: str = "features"

    def __post_init__(self):
        if not 0 <= self.accuracy <= 1:
            raise InputError(
                "The accuracy of {name} is {accuracy}; give a share from 0 to 1.",
                name=self.name,
                accuracy=self.accuracy,
            )
        if not callable(getattr(self.classifier, self.layer, None)):
            raise InputError(
                "{kind} has no layer {layer!r}; give the name of a method that takes images to features, such as "
                "'features' or 'forward'.",
                kind=type(self.classifier).__name__,
                layer=self.layer,
            )

    def __repr__(self) -> str:
        return self.words(self.name, self.accuracy, self.layer)

    @staticmethod
    def words(name: str, accuracy: float, layer: str) -> str:
        """How a judge is told beside a number that it gave."""
        return say("{name}, accuracy {accuracy:.1f} %, layer '{layer}'", name=name, accuracy=100 * accuracy, layer=layer)

    def features(self, images: Tensor) -> Tensor:
        """Float64 [N, F] on the CPU of images [N, D] in [0, 1]."""
        check_unit(images)
        self.classifier.eval()
        return in_chunks(getattr(self.classifier, self.layer), images).cpu().double()

    def labels(self, images: Tensor) -> Tensor:
        """The class [N] that each image [N, D] in [0, 1] is taken for."""
        return confidence(self.classifier, images).label


def check_count(real: int, count: int) -> None:
    """Raise InputError unless two disjoint sets of `count` images can be drawn from `real` images."""
    if real < 2 * count:
        raise InputError(
            "{count:,} samples need {product:,} real images, half to be compared with and half to show what real "
            "images score; found {real:,}. Give more real images, or {value:,} samples.",
            count=count,
            product=2 * count,
            real=real,
            value=real // 2,
        )


def disjoint_draws(real: int, count: int, draws: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`draws` times two disjoint sets of `count` indices out of `real`, at random; torch's own numbers stay untouched."""
    check_count(real, count)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(draws):
        order = torch.randperm(real, generator=generator)
        yield order[:count], order[count : 2 * count]


def check_features(name: str, features: Tensor) -> None:
    """Raise InputError unless they are finite floats [N, F] with N, F > 0."""
    if not features.is_floating_point() or features.ndim != 2 or 0 in features.shape:
        raise InputError(
            "The {name} features must be floats [N, F], found {dtype} {shape}.",
            name=say(name),
            dtype=features.dtype,
            shape=list(features.shape),
        )
    if not features.isfinite().all():
        raise InputError(
            "The {name} features hold NaN or infinity: look for them in the images and in the classifier.",
            name=say(name),
        )
