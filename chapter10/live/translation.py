"""A CycleGAN's two generators in the page (section 10.5.2): pick an image or draw one, and see it go there and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chapter10 import domains
from chapter10.errors import InputError
from chapter10.int8 import base64_of
from chapter10.int8_maps import Int8Maps, int8_maps, map_layers_of
from chapter10.language import say
from chapter10.live.codes import LARGEST, SLOWEST
from chapter10.live.page import LiveFigure, figure, pixels_of, place_of
from chapter10.stills import BLUE, LINE, Still, minus

SIDE, SMALL, TILE, TOP, MOST = 224, 84, 56, 24, 14  # sizes in CSS pixels; most images to pick from
SECOND = TOP + SMALL + 40  # where the second of the small pictures begins
RULES = ("outlines", "rotated")  # of domains.PAIRS: those of one channel, which the page has too
PENS = {
    "outlines": (0.6, 0.1),
    "rotated": (0.6, 0.6),
}  # half as thick as a line of full ink, in pixels, in A and in B


def translation_figure(
    a_to_b: nn.Module,
    b_to_a: nn.Module,
    images: Any,
    *,
    pair: str = "outlines",
    start: int = 0,
    direction: str = "a",
    names: Sequence[str] | None = None,
    shape: tuple[int, int] = (28, 28),
    invert: bool = True,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """An image picked or drawn by the reader, translated into the other domain and back by two generators with int8 weights.

    Beside it stands the known translation, where there is one, with the pixel error (the root of the mean square over
    pixels in [0, 1]) of the translation, of the untranslated image, and of the way there and back.

    Args:
        a_to_b, b_to_a: from rows [B, D] in [−1, 1] to such rows, for instance `cyclegan.TranslationGenerator`, one channel.
        images: [N, D] in [0, 1] of domain A, N from 1 to 14: the strip to pick from.
        pair: "outlines" or "rotated", of `domains.PAIRS`: names the domains, and gives the known translation.
        start: the image shown first, counted from 0. direction: "a" for A → B → A first, "b" for B → A → B.
        names: what each image is called; default: "image 1" and so on. invert: draw 1 as ink on white paper.
    Raises:
        InputError: for generators that the page can't run, or images that don't fit them.
    """
    if pair not in RULES:
        raise InputError(
            "The pair {pair!r} is not known to the page. Choose one of: {choices}.",
            pair=pair,
            choices=', '.join(RULES),
        )
    if direction not in ("a", "b"):
        raise InputError(
            'direction is {direction!r}; give "a" for A → B → A, or "b" for B → A → B.',
            direction=direction,
        )
    if pair == "rotated" and shape[0] != shape[1]:
        raise InputError(
            "The images are {shape}×{shape_2}; a quarter turn needs square ones.",
            shape=shape[0],
            shape_2=shape[1],
        )
    nets = [_net(net, who, shape) for net, who in ((a_to_b, "a_to_b"), (b_to_a, "b_to_a"))]
    pixels = pixels_of(images, shape, MOST)
    english = [f"image {i + 1}" for i in range(len(pixels))] if names is None else [str(t) for t in names]
    names = [say("image {number}", number=i + 1) for i in range(len(pixels))] if names is None else english
    if len(names) != len(pixels):
        raise InputError(
            "There are {count} names for {count_2} images. Give one for each.",
            count=len(names),
            count_2=len(pixels),
        )
    start = place_of(start, len(pixels), "start")
    inside = (domains.PAIRS[pair].name_a, domains.PAIRS[pair].name_b)
    words = (say(inside[0]), say(inside[1]))
    scale, small = max(1, SIDE // max(shape)), max(1, SMALL // max(shape))
    data = {
        "nets": [net.payload() for net in nets], "pixels": base64_of(pixels), "shape": list(shape), "names": names, "pair": pair,
        "words": words, "start": start, "direction": direction, "scale": scale, "small": small, "tile": TILE, "second": SECOND,
        "width": max(3 * shape[1] * scale + shape[1] * small + 36, TILE * len(pixels)), "pens": PENS[pair], "invert": invert,
    }  # fmt: skip
    known = domains.PAIRS[pair].to_b(torch.tensor(pixels).unflatten(1, shape)).flatten(1).numpy()
    a, b = (pixels / 255, known / 255) if direction == "a" else (known / 255, pixels / 255)
    x = a[start].reshape(1, 1, *shape)
    first, second = nets if direction == "a" else nets[::-1]
    there = (first(2 * x - 1) + 1) / 2
    back = (second(2 * there - 1) + 1) / 2
    right = b[start].reshape(shape)
    off, untranslated, cycle = (
        float(np.sqrt(np.mean((p - q) ** 2))) for p, q in ((there, right), (x, right), (back, x))
    )
    one, other = words if direction == "a" else words[::-1]
    alt = alt or say(
        "{image}, translated from {one} to {other} and back. The translation is off by {off} from the known one,"
        " the untranslated image by {untranslated}; the way there and back ends {cycle} from where it began."
        " Images are picked from a strip or drawn, by mouse, touch or keys, and translated at once.",
        image=names[start], one=one, other=other, off=minus(off, 3), untranslated=minus(untranslated, 3), cycle=minus(cycle, 3),
    )  # fmt: skip
    hint = say(
        "Draw about as large as the images in the strip, or change one of them. Keys in the field: arrows move the pen, space puts"
        " it down or up, Delete wipes. Off by: too much ink in blue, too little in orange."
    )
    one, other = inside if direction == "a" else inside[::-1]
    title_a = f"from {one}: {english[start]}"
    pictures = ((title_a, x[0, 0]), (f"to {other}", there[0, 0]), (f"back to {one}", back[0, 0]))
    return figure("translation", data, _still(data, a, pictures, right), title, alt, hint)


def _net(module: nn.Module, who: str, shape: tuple[int, int]) -> Int8Maps:
    net = int8_maps(map_layers_of(getattr(module, "model", module), "linear"))
    if net.channels != 1 or net.layers[-1].channels != 1:
        raise InputError(
            "{who} goes from {channels} channels to {channels_2}; the figure shows pictures of one.",
            who=who,
            channels=net.channels,
            channels_2=net.layers[-1].channels,
        )
    if net.size(shape) != tuple(shape):
        raise InputError(
            "{who} makes pictures of {shape} of {shape_2}; both domains' images must have one size.",
            who=who,
            shape=net.size(shape),
            shape_2=shape,
        )
    weights, work = sum(layer.weight.size for layer in net.layers), net.multiplications(shape)
    if weights > LARGEST or work > SLOWEST:
        raise InputError(
            "{who} has {weights:,} weights and takes {work:,} multiplications a picture; a page has room for "
            "{LARGEST:,} and time for {SLOWEST:,}. Give one with fewer channels.",
            who=who,
            weights=weights,
            work=work,
            LARGEST=LARGEST,
            SLOWEST=SLOWEST,
        )
    return net


def _still(
    data: dict[str, Any],
    strip: np.ndarray,
    pictures: Sequence[tuple[str, np.ndarray]],
    right: np.ndarray,
) -> Still:
    """What the page draws first."""
    (h, w), scale, small = data["shape"], data["scale"], data["small"]
    still = Still(data["width"], 2 * TOP + TILE + 12 + h * scale)

    def shade(p: np.ndarray) -> np.ndarray:
        return 1 - p if data["invert"] else p

    def frame(x: float, y: float, s: float, t: float, color: str, line: float) -> None:
        e = line / 2
        across = [x + e, x + s - e, x + s - e, x + e, x + e]
        still.curve(across, [y + e, y + e, y + t - e, y + t - e, y + e], color, line, over=True)

    still.text("pick one, or draw in the field below", 2, 15, bold=True)
    for i, picture in enumerate(strip):
        still.image(shade(picture.reshape(h, w)), i * TILE, TOP, TILE, TILE)
        frame(i * TILE, TOP, TILE, TILE, LINE, 1)
    frame(data["start"] * TILE, TOP, TILE, TILE, BLUE, 4)
    top = TOP + TILE + 12
    for i, (title, picture) in enumerate(pictures):
        x = i * (w * scale + 12)
        still.text(title, x + 2, top + 15, bold=True)
        still.image(shade(picture), x, top + TOP, w * scale, h * scale)
        frame(x, top + TOP, w * scale, h * scale, LINE, 1)
    x, wide = 3 * (w * scale + 12), (w * small, h * small)
    still.text("known", x + 2, top + 15, bold=True)
    still.image(shade(right), x, top + TOP, *wide)
    frame(x, top + TOP, *wide, LINE, 1)
    still.text("off by", x + 2, top + SECOND - 9, bold=True)
    more = np.clip(pictures[1][1] - right, -1, 1)[..., None]  # more ink blue, less ink orange, on white
    blue, orange = np.array([255, 141, 77]) / 255, np.array([42, 161, 255]) / 255
    still.image(1 - np.abs(more) * np.where(more > 0, blue, orange), x, top + SECOND, *wide)
    frame(x, top + SECOND, *wide, LINE, 1)
    return still
