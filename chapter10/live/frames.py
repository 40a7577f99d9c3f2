"""Stored pictures that a slider runs through, with curves beside them on which the moment is marked."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import as_numpy, finite_array
from chapter10.language import noted, say
from chapter10.live.page import LiveFigure, figure, number
from chapter10.stills import BLUE, GREEN, INK, LINE, RED, SOFT, Still, minus

CHART, LEFT, TOP, BELOW, APART = 320, 46, 46, 34, 12  # CSS pixels: a chart's width, and the margins of its axes
COLOURS = (BLUE, RED, GREEN)
LONGEST = 300  # points of a curve; of more, as many are taken at even steps


@dataclass(frozen=True)
class Chart:
    """Curves beside the frames, such as the losses of a training.

    Args:
        title: with the unit, such as "losses, nats".
        lines: name -> values [N], up to three.
        times: [N], when each value was taken, rising.
        moments: [frames], when each frame was taken, in the unit of `times`.
        axis: what the times count, such as "epochs".
    """

    title: str
    lines: Mapping[str, Any]
    times: Any
    moments: Any
    axis: str = noted("batches")

    def page(self, frames: int) -> dict[str, Any]:
        """The chart's data for the page. Raises InputError for curves that don't fit each other or the frames."""
        times = finite_array(self.times, say("times of the chart"), 1)
        moments = finite_array(self.moments, say("moments of the chart"), 1, frames)
        if not 1 <= len(self.lines) <= len(COLOURS) or len(times) < 2 or (np.diff(times) <= 0).any():
            raise InputError(
                "The chart {title!r} has {count} lines over {count_2} times; give 1 to {count_3}, over two rising "
                "times or more.",
                title=self.title,
                count=len(self.lines),
                count_2=len(times),
                count_3=len(COLOURS),
            )
        lines = {str(n): finite_array(v, say("line {name!r}", name=n), 1, len(times)) for n, v in self.lines.items()}
        low, high = min(v.min() for v in lines.values()), max(v.max() for v in lines.values())
        ticks = _ticks(low, high)
        few = np.unique(np.linspace(0, len(times) - 1, min(len(times), LONGEST)).astype(int))
        return {
            "title": self.title, "axis": say(self.axis), "ticks": ticks,
            "low": min(float(low), ticks[0]), "high": max(float(high), ticks[-1]),
            "end": float(max(times[-1], moments.max())), "times": times[few].tolist(), "moments": moments.tolist(),
            "lines": [[n, COLOURS[i], [float(f"{y:.4g}") for y in v[few]]] for i, (n, v) in enumerate(lines.items())],
            "now": [[float(f"{y:.4g}") for y in np.interp(moments, times, v)] for v in lines.values()],
        }  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers that reach from about `low` to about `high`."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high if high > low else low + 1)
    return [float(t) for t in found]


def frames_figure(
    images: Sequence[Any],
    captions: Sequence[str] | None = None,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    start: int | None = None,
    scale: int | None = None,
    invert: bool = True,
    smooth: bool = False,
    play: float = 0,
    charts: Sequence[Chart] = (),
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """Stored pictures, one a slider's step: an interpolation, a walk, a training.

    Args:
        images: a frame each: [H, W] or [n, H, W] grey (n pictures in a row), [H, W, 3] colour, floats in [0, 1] or
            uint8; or the bytes of a PNG. All of one size.
        captions: a line of text for each frame.
        name: the slider's label; default: "frame". labels: a word under each of the n pictures.
        start: the frame shown first, and in the still; default: the middle one.
        scale: pixels on the screen per pixel; default: what makes the row about 700 wide, for pictures below 100.
        invert: draw 1 as ink on white paper (grey floats and uint8 only). smooth: no hard pixels.
        play: frames a second of a button that plays them; 0 for no button.
        charts: curves beside the frames; a line marks the moment of the frame that is shown.
    Raises:
        InputError: for frames of different sizes, or captions and labels that are too few or too many.
    """
    frames = [_frame(image, i, invert) for i, image in enumerate(images)]
    if not frames:
        raise InputError("There are no frames to show.")
    if len({(f.shape, f.dtype) for f in frames}) > 1:
        raise InputError(
            "The frames differ in shape: {shape}. All must be of one size.",
            shape=sorted({f.shape for f in frames}),
        )
    tiles, h, w = frames[0].shape[:3]
    captions = [""] * len(frames) if captions is None else [str(c) for c in captions]
    labels = None if labels is None else [str(t) for t in labels]
    for what, given, n in ((say("captions"), captions, len(frames)), (say("labels"), labels, tiles)):
        if given is not None and len(given) != n:
            raise InputError(
                "There are {count} {what} for {n}. Give one for each.",
                count=len(given),
                what=what,
                n=n,
            )
    start = len(frames) // 2 if start is None else start
    if not 0 <= start < len(frames):
        raise InputError(
            "start = {start} is no frame: there are {count}, counted from 0.",
            start=start,
            count=len(frames),
        )
    if not 0 <= number(play, "play") <= 60:
        raise InputError("play = {play} frames a second; choose 0 for no button, or up to 60.", play=play)
    scale = scale or (int(np.clip(700 // (tiles * (w + 3)), 1, 280 // h or 1)) if max(h, w) < 100 else 1)
    strips = [np.concatenate(list(f), 1) for f in frames]
    rows = max(1, min(len(strips), 8000 // h))
    columns = -(-len(strips) // rows)
    if columns * tiles * w > 16000:
        raise InputError(
            "{count} frames of {product}×{h} pixels are too many for a page. Give fewer or smaller.",
            count=len(frames),
            product=tiles * w,
            h=h,
        )
    sheet = np.full((rows * h, columns * tiles * w, *strips[0].shape[2:]), 255, dtype=np.uint8)
    for i, s in enumerate(strips):
        y, x = i % rows * h, i // rows * tiles * w
        sheet[y : y + h, x : x + tiles * w] = s
    width, height = tiles * (w * scale + 8) - 8, h * scale + (24 if labels else 0)
    shown = [chart.page(len(frames)) for chart in charts]
    tall = max(height, 150 * len(shown)) if shown else 0
    still = Still(width + (APART + CHART if shown else 0), max(height, tall))
    for i, chart in enumerate(shown):
        english = {**chart, "axis": charts[i].axis}
        _still_chart(still, english, width + APART, i * tall / len(shown), tall / len(shown), start)
    for t in range(tiles):
        x = t * (w * scale + 8)
        still.image(frames[start][t] / 255, x, 0, w * scale, h * scale, smooth=smooth)
        if labels:
            still.text(labels[t], x + w * scale / 2, height - 8, align="center")
    alt = alt or _alt(start + 1, len(frames), captions[start], [c.title for c in charts])
    data = {
        "sprite": "data:image/png;base64," + base64.b64encode(_png(sheet)).decode(), "count": len(frames), "rows": rows,
        "frame": [tiles * w, h], "tile": w, "tiles": tiles, "scale": scale, "width": width, "height": height,
        "captions": captions, "labels": labels, "name": name or say("frame"), "start": start, "smooth": smooth, "play": play,
        "photo": frames[0].shape[-1] == 3 and frames[0].ndim == 4, "charts": shown, "tall": tall, "chart": [CHART, LEFT, TOP, BELOW],
    }  # fmt: skip
    return figure("frames", data, still, title, alt, "")


def _alt(number: int, count: int, caption: str, charts: Sequence[str]) -> str:
    if caption:
        frame = say("Frame {number} of {count}: {caption}", number=number, count=count, caption=caption)
    else:
        frame = say("Frame {number} of {count}", number=number, count=count)
    if not charts:
        return say("{frame}. A slider shows the others.", frame=frame)
    titles = charts[0]
    for title in charts[1:]:
        titles = say("{titles} and of {title}", titles=titles, title=title)
    return say("{frame}, beside the curves of {titles}. A slider shows the others.", frame=frame, titles=titles)


def _still_chart(still: Still, chart: dict[str, Any], x0: float, y0: float, height: float, frame: int) -> None:
    left, right, top, bottom = x0 + LEFT, x0 + CHART - 14, y0 + TOP, y0 + height - BELOW

    def across(t: Any) -> Any:
        return left + np.asarray(t) / (chart["end"] or 1) * (right - left)

    def down(v: Any) -> Any:
        return bottom - (np.asarray(v) - chart["low"]) / (chart["high"] - chart["low"]) * (bottom - top)

    still.text(chart["title"], x0 + 4, y0 + 14, bold=True)
    for v in chart["ticks"]:
        still.curve([left, right], [down(v)] * 2, LINE, 1)
        still.text(_short(v), left - 5, float(down(v)) + 4, size=11, color=SOFT, align="right")
    still.curve([left, right], [bottom] * 2, INK, 1)
    still.text("0", left, bottom + 15, size=11, color=SOFT, align="center")
    still.text(f"{chart['end']:,.0f} {chart['axis']}", right, bottom + 15, size=11, color=SOFT, align="right")
    at, legend = float(across(chart["moments"][frame])), x0 + 4
    for (name, colour, values), now in zip(chart["lines"], chart["now"], strict=True):
        still.curve(across(chart["times"]), down(values), colour, 1.8)
        still.rect(legend, y0 + 23, 10, 10, colour)
        still.text(f"{name} {_short(now[frame])}", legend + 14, y0 + 32)
        legend += 100
    still.curve([at, at], [top, bottom], INK, 1.2, dash=(4, 3))
    for (_, colour, _), now in zip(chart["lines"], chart["now"], strict=True):
        still.dots([at], [down(now[frame])], 4, colour, clip=(x0, y0, CHART, height))


def _short(v: float) -> str:
    """Three digits that count, and no more."""
    digits = 0 if abs(v) >= 100 else 1 if abs(v) >= 10 else 2
    text = minus(v, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


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
            raise InputError("Frame {i} holds bytes that are no picture. Give a PNG, or an array.", i=i) from None
    a = as_numpy(image)
    colour = a.ndim == 3 and a.shape[-1] == 3
    if a.ndim not in (2, 3) or a.size == 0:
        raise InputError(
            "Frame {i} has the shape {shape}; expected [H, W], [n, H, W] or [H, W, 3].",
            i=i,
            shape=list(a.shape),
        )
    if a.dtype != np.uint8:
        if not np.isfinite(a).all() or a.min() < -1e-6 or a.max() > 1 + 1e-6:
            raise InputError(
                "Frame {i} reaches from {lowest:.3g} to {highest:.3g}; floats must lie in [0, 1].",
                i=i,
                lowest=a.min(),
                highest=a.max(),
            )
        a = np.rint(np.clip(a, 0, 1) * 255).astype(np.uint8)
    if colour:
        return a[None]
    return (255 - a if invert else a).reshape(-1, *a.shape[-2:])
