"""How fast an image changes from pixel to pixel, for how much it changes at all."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chapter10.data import check_unit
from chapter10.errors import InputError
from chapter10.language import say
from chapter10.nets import in_chunks

BLANK = 0.5 / 255  # a contrast below half a grey level can't be seen: the image is blank


class Sharpness(NamedTuple):
    """Over images: the mean and the standard deviation in radians per pixel, their number, the share of blank ones."""

    mean: float
    deviation: float
    count: int
    blank: float

    def __repr__(self) -> str:
        values = {"mean": self.mean, "count": self.count, "deviation": self.deviation}
        if not self.blank:
            return say("sharpness {mean:.3f} rad/pixel (mean of {count:,} images, standard deviation {deviation:.3f})", **values)
        return say(
            "sharpness {mean:.3f} rad/pixel (mean of {count:,} images, standard deviation {deviation:.3f}; {blank:.1f} % are blank and "
            "count as 0)",
            blank=100 * self.blank,
            **values,
        )


def sharpness(images: Tensor) -> Sharpness:
    """The mean sharpness of images [N, D] in [0, 1], D = side²: see `spatial_frequency`.

    Sharp is not good: noise is sharper than any digit, and so are binary images. It says something only beside the value
    of real images, and beside a measure that notices noise.
    """
    check_unit(images)
    side = math.isqrt(images.shape[-1])
    if images.ndim != 2 or side**2 != images.shape[1] or side < 2:
        raise InputError(
            "Sharpness takes flattened square images [N, side²], found {shape}.",
            shape=list(images.shape),
        )
    found = in_chunks(spatial_frequency, images.view(-1, side, side)).double()
    return Sharpness(
        found.mean().item(), found.std(correction=0).item(), len(found), (found == 0).double().mean().item()
    )


def spatial_frequency(images: Tensor) -> Tensor:
    """The root mean square spatial frequency of each image, in radians per pixel: [N, H, W] -> [N].

    The root of (mean squared difference to the pixel on the right + to the one below) / (variance of the pixels). By
    Parseval's theorem that is the root mean square frequency of the image's power spectrum, with 2 sin(ω/2) for ω. It
    does not change when the image is moved or its contrast changed. A Gaussian blur weakens the higher frequencies
    more: it only falls. White noise has 2, in the mean; a blank image counts as 0.
    """
    right = (images[:, :, 1:] - images[:, :, :-1]).square().mean((1, 2))
    below = (images[:, 1:] - images[:, :-1]).square().mean((1, 2))
    variance = images.var((1, 2), correction=0)
    return torch.where(variance > BLANK**2, (right + below) / variance.clamp(min=BLANK**2), 0).sqrt()
