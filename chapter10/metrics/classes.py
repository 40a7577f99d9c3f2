"""What a classifier takes images for: how sure it is, how often it is right, and which classes there are."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from chapter10.data import check_unit
from chapter10.nets import in_chunks


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


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images [N, D] in [0, 1] that get their label [N]."""
    return (confidence(classifier, images).label == labels).double().mean().item()


def variety(labels: Tensor, classes: int = 10) -> float:
    """How many different classes there are among the labels [N], effectively: e to their entropy, from 1 to `classes`."""
    share = torch.bincount(labels, minlength=classes).double() / max(1, len(labels))
    return torch.special.entr(share).sum().exp().item()
