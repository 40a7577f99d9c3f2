"""What a classifier takes images for: how sure it is, how often it is right, and which classes there are."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import say
from chapter10.nets import in_chunks

SURE = 0.9  # confidence above which an image counts as taken for a digit
PER_CLASS = 10  # labels, at least: of equal classes a given one is then missing in 1 of 20,000 cases


class Confidence(NamedTuple):
    """The classifier's highest probability for each image [N], and the class it belongs to [N]."""

    probability: Tensor
    label: Tensor


def confidence(classifier: nn.Module, images: Tensor) -> Confidence:
    """What a classifier takes images [N, D] in [0, 1] for, and how sure it is."""
    check_unit(images)
    classifier.eval()
    probability, label = in_chunks(classifier, images).softmax(1).max(1)
    return Confidence(probability, label)


def sure_share(classifier: nn.Module, images: Tensor) -> float:
    """Share of images [N, D] in [0, 1] that the classifier takes for a digit with confidence above `SURE`."""
    return (confidence(classifier, images).probability > SURE).double().mean().item()


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images [N, D] in [0, 1] that get their label [N]."""
    return (confidence(classifier, images).label == labels).double().mean().item()


def variety(labels: Tensor, classes: int = 10) -> float:
    """How many different classes there are among the labels [N], effectively: e to their entropy, from 1 to `classes`."""
    share = torch.bincount(labels, minlength=classes).double() / max(1, len(labels))
    return torch.special.entr(share).sum().exp().item()


class ClassHistogram(NamedTuple):
    """How often each class is seen.

    Attributes:
        counts: of each class. missing: classes with none.
        kl: KL divergence of the shares from equal ones, in nats: 0 if all classes are as frequent, log(classes) if there
            is only one. floor: its mean for equal classes and that many labels, (classes − 1) / (2 N), to first order.
        largest: the most frequent class. largest_share: its share of all labels.
    """

    counts: tuple[int, ...]
    missing: tuple[int, ...]
    kl: float
    floor: float
    largest: int
    largest_share: float

    def __repr__(self) -> str:
        classes = len(self.counts)
        gone = say("; missing: {classes}", classes=", ".join(map(str, self.missing))) if self.missing else ""
        return say(
            "{there} of {classes} classes among {count:,} labels{gone}; the largest is {largest} with {share:.1f} %; KL to equal shares "
            "{kl:.3g} nats (equal classes score {floor:.2g})",
            there=classes - len(self.missing), classes=classes, count=sum(self.counts), gone=gone, largest=self.largest,
            share=100 * self.largest_share, kl=self.kl, floor=self.floor,
        )  # fmt: skip


def class_histogram(labels: Tensor, classes: int = 10) -> ClassHistogram:
    """Count the labels [N] that a classifier gives, as `Judge.labels` has them; N at least 10 for each class."""
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(
            "Labels are whole numbers [N], found {dtype} {shape}.",
            dtype=labels.dtype,
            shape=list(labels.shape),
        )
    if len(labels) < PER_CLASS * classes:
        raise InputError(
            "{count:,} labels are too few to look for {classes} classes: give at least {product:,}.",
            count=len(labels),
            classes=classes,
            product=PER_CLASS * classes,
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            "Labels of {classes} classes go from 0 to {classes_less_1}, found {lowest} to {highest}.",
            classes=classes,
            classes_less_1=classes - 1,
            lowest=labels.min(),
            highest=labels.max(),
        )
    counts = torch.bincount(labels, minlength=classes)
    return ClassHistogram(
        counts=tuple(counts.tolist()),
        missing=tuple((counts == 0).nonzero().flatten().tolist()),
        kl=max(0.0, math.log(classes) - math.log(variety(labels, classes))),
        floor=(classes - 1) / (2 * len(labels)),
        largest=int(counts.argmax()),
        largest_share=counts.max().item() / len(labels),
    )
