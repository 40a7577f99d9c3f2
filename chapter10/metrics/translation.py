"""How well images are translated from one domain to another, where the right answer is known.

Three measures, for each can be perfect while the others are not: the distance to the known translation, the digit that
a classifier sees, and what is left of an image that went there and back. Beside each stands what the image scores if
nothing is done to it: two domains of the same digits are alike to begin with.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import check_unit, signed_to_unit, to_signed
from chapter10.domains import Domains
from chapter10.errors import InputError
from chapter10.language import say
from chapter10.metrics.judge import Judge
from chapter10.nets import in_chunks

Translator = Callable[[Tensor], Tensor]  # rows [N, D] in [−1, 1] of one domain -> of the other


def pixel_error(images: Tensor, known: Tensor) -> Tensor:
    """The root mean square difference of a pixel between images [N, D] and the right ones [N, D], in [0, 1]: [N]."""
    if images.shape != known.shape or images.ndim != 2:
        raise InputError(
            "Each image needs its right answer: two tensors [N, D] of one shape, found {shape} and {shape_2}.",
            shape=list(images.shape),
            shape_2=list(known.shape),
        )
    check_unit(images)
    check_unit(known)
    return (images - known).square().mean(1).sqrt()


def class_agreement(judge: Judge, before: Tensor, after: Tensor) -> float:
    """Share of images [N, D] in [0, 1] that the classifier takes for the same digit as the one that stands in their place.

    Agreement, not accuracy: where the classifier errs about a digit it may err alike before and after, and the right
    translation scores 1. Of ten equally frequent classes, images that have nothing to do with each other score 0.1.
    """
    if len(before) != len(after):
        raise InputError(
            "Images before and after belong together one by one, found {count:,} and {count_2:,}.",
            count=len(before),
            count_2=len(after),
        )
    return (judge.labels(before) == judge.labels(after)).double().mean().item()


class TranslationScores(NamedTuple):
    """Means over the test images of one direction.

    Attributes:
        error: of a pixel, from the known translation; agreement: of the classifier about translation and known one.
        untranslated_error, untranslated_agreement: the same for the images as they were, taken for translations.
        cycle_error, cycle_agreement: of an image that went there and back, with itself.
        count: how many images.
    """

    error: float
    untranslated_error: float
    agreement: float
    untranslated_agreement: float
    cycle_error: float
    cycle_agreement: float
    count: int

    def __repr__(self) -> str:
        return say(
            "{kept:.1f} % keep their class (untranslated {before:.1f} %), pixel error {error:.3f} (untranslated {error_before:.3f}); there "
            "and back {cycle:.1f} %, pixel error {cycle_error:.3f}; {count:,} images",
            kept=100 * self.agreement, before=100 * self.untranslated_agreement, error=self.error,
            error_before=self.untranslated_error, cycle=100 * self.cycle_agreement, cycle_error=self.cycle_error, count=self.count,
        )  # fmt: skip


@torch.no_grad()
def translation_scores(
    there: Translator,
    back: Translator,
    domains: Domains,
    judge: Judge,
    start: str = "a",
    count: int | None = None,
) -> TranslationScores:
    """Measure one direction on the test images.

    Args:
        there: translates from the domain `start`; back: to it. Modules in the mode they are in.
        judge: a classifier of digits; it sees the images through `domains.read_a` and `read_b`.
        start: "a" or "b".
        count: the first so many test images; all if None.
    """
    if start not in ("a", "b"):
        raise InputError(
            "start is {start!r}; give 'a' or 'b', the domain that the images come from.",
            start=start,
        )
    if count is not None and not 1 <= count <= len(domains.labels):
        raise InputError(
            "{count} test images were asked for; there are 1 to {count_2:,}.",
            count=count,
            count_2=len(domains.labels),
        )
    a, b = (to_signed(images[:count]) for images in (domains.test_a, domains.test_b))
    (source, read_source), (known, read) = sides = [(a, domains.read_a), (b, domains.read_b)]
    if start == "b":
        (known, read), (source, read_source) = sides
    made = _checked(in_chunks(there, source), known, "there")
    returned = _checked(in_chunks(back, made), source, "back")
    source, known, made, returned = (signed_to_unit(x) for x in (source, known, made, returned))
    return TranslationScores(
        error=pixel_error(made, known).mean().item(),
        untranslated_error=pixel_error(source, known).mean().item(),
        agreement=class_agreement(judge, read(known), read(made)),
        untranslated_agreement=class_agreement(judge, read(known), read(source)),
        cycle_error=pixel_error(returned, source).mean().item(),
        cycle_agreement=class_agreement(judge, read_source(source), read_source(returned)),
        count=len(source),
    )


def _checked(made: Tensor, wanted: Tensor, name: str) -> Tensor:
    if made.shape != wanted.shape:
        raise InputError(
            "`{name}` must give rows {shape}, found {shape_2}.",
            name=name,
            shape=list(wanted.shape),
            shape_2=list(made.shape),
        )
    return made
