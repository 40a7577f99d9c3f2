"""Stored pictures that a slider runs through."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import as_numpy
from chapter10.live.page import LiveFigure, figure, number
from chapter10.stills import Still


def frames_figure(
    images: Sequence[Any],
    captions: Sequence[str] | None = None,
    *,
    name: str = "frame",
    labels: Sequence[str] | None = None,
    start: int | None = None,
    scale: int | None = None,
    invert: bool = True,
    smooth: bool = False,
    play: float = 0,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """Stored pictures, one a slider's step: an interpolation, a walk, a training.

    Args:
        images: a frame each: [H, W] or [n, H, W] grey (n pictures in a row), [H, W, 3] colour, floats in [0, 1] or
            uint8; or the bytes of a PNG. All of one size.
        captions: a line of text for each frame.
        name: the slider's label. labels: a word under each of the n pictures.
        start: the frame shown first, and in the still; default: the middle one.
        scale: pixels on the screen per pixel; default: what makes the row about 700 wide, for pictures below 100.
        invert: draw 1 as ink on white paper (grey floats and uint8 only). smooth: no hard pixels.
        play: frames a second of a button that plays them; 0 for no button.
    Raises:
        InputError: for frames of different sizes, or captions and labels that are too few or too many.
    """
    frames = [_frame(image, i, invert) for i, image in enumerate(images)]
    if not frames:
        raise InputError("There are no frames to show.")
    if len({(f.shape, f.dtype) for f in frames}) > 1:
        raise InputError(
            f"The frames differ in shape: {sorted({f.shape for f in frames})}. All must be of one size."
        )
    tiles, h, w = frames[0].shape[:3]
    captions = [""] * len(frames) if captions is None else [str(c) for c in captions]
    labels = None if labels is None else [str(t) for t in labels]
    for what, given, n in (("captions", captions, len(frames)), ("labels", labels, tiles)):
        if given is not None and len(given) != n:
            raise InputError(f"There are {len(given)} {what} for {n}. Give one for each.")
    start = len(frames) // 2 if start is None else start
    if not 0 <= start < len(frames):
        raise InputError(f"start = {start} is no frame: there are {len(frames)}, counted from 0.")
    if not 0 <= number(play, "play") <= 60:
        raise InputError(f"play = {play} frames a second; choose 0 for no button, or up to 60.")
    scale = scale or (int(np.clip(700 // (tiles * (w + 3)), 1, 280 // h or 1)) if max(h, w) < 100 else 1)
    strips = [np.concatenate(list(f), 1) for f in frames]
    rows = max(1, min(len(strips), 8000 // h))
    columns = -(-len(strips) // rows)
    if columns * tiles * w > 16000:
        raise InputError(
            f"{len(frames)} frames of {tiles * w}×{h} pixels are too many for a page. Give fewer or smaller."
        )
    sheet = np.full((rows * h, columns * tiles * w, *strips[0].shape[2:]), 255, dtype=np.uint8)
    for i, s in enumerate(strips):
        y, x = i % rows * h, i // rows * tiles * w
        sheet[y : y + h, x : x + tiles * w] = s
    width, height = tiles * (w * scale + 8) - 8, h * scale + (24 if labels else 0)
    still = Still(width, height)
    for t in range(tiles):
        x = t * (w * scale + 8)
        still.image(frames[start][t] / 255, x, 0, w * scale, h * scale, smooth=smooth)
        if labels:
            still.text(labels[t], x + w * scale / 2, height - 8, align="center")
    alt = alt or (
        f"Frame {start + 1} of {len(frames)}"
        + (f": {captions[start]}" if captions[start] else "")
        + ". A slider shows the others."
    )
    data = {
        "sprite": "data:image/png;base64," + base64.b64encode(_png(sheet)).decode(), "count": len(frames), "rows": rows,
        "frame": [tiles * w, h], "tile": w, "tiles": tiles, "scale": scale, "width": width, "height": height,
        "captions": captions, "labels": labels, "name": name, "start": start, "smooth": smooth, "play": play,
    }  # fmt: skip
    return figure("frames", data, still, title, alt, "")


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def _frame(image: Any, i: int, invert: bool) -> np.ndarray:
    """uint8 [n, H, W] or [1, H, W, 3]."""
    if isinstance(image, (bytes, bytearray)):
        from PIL import Image, UnidentifiedImageError

        try:
            return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))[None]
        except (UnidentifiedImageError, OSError):
            raise InputError(f"Frame {i} holds bytes that are no picture. Give a PNG, or an array.") from None
    a = as_numpy(image)
    colour = a.ndim == 3 and a.shape[-1] == 3
    if a.ndim not in (2, 3) or a.size == 0:
        raise InputError(f"Frame {i} has the shape {list(a.shape)}; expected [H, W], [n, H, W] or [H, W, 3].")
    if a.dtype != np.uint8:
        if not np.isfinite(a).all() or a.min() < -1e-6 or a.max() > 1 + 1e-6:
            raise InputError(
                f"Frame {i} reaches from {a.min():.3g} to {a.max():.3g}; floats must lie in [0, 1]."
            )
        a = np.rint(np.clip(a, 0, 1) * 255).astype(np.uint8)
    if colour:
        return a[None]
    return (255 - a if invert else a).reshape(-1, *a.shape[-2:])
