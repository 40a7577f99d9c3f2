"""The still picture of a live figure, drawn with matplotlib in the coordinates of its canvas."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

INK, SOFT, LINE, BLUE, GREEN, RED = "#1f2328", "#59636e", "#d1d9e0", "#0072b2", "#009e73", "#d55e00"


def minus(v: float, digits: int = 2) -> str:
    return f"{float(v) + 0.0:.{digits}f}".replace("-", "−")


def sub(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def short(v: float) -> str:
    """Two digits, or one and a power of ten where those would be lost."""
    if not 0 < abs(v) < 0.01:
        return minus(v)
    digits, power = f"{v:.1e}".split("e")
    return f"{digits}e{int(power)}".replace("-", "−")


class Still:
    """The still picture, drawn in the same coordinates as the canvas: CSS pixels, y downwards."""

    def __init__(self, w: float, h: float):
        from matplotlib.figure import Figure

        self.w, self.h = round(w), round(h)
        self.figure = Figure(figsize=(self.w / 100, self.h / 100), dpi=200, facecolor="white")
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set_axis_off()

    def _clip(self, artist: Any, clip: Sequence[float] | None) -> None:
        if clip is not None:
            from matplotlib.transforms import Bbox, TransformedBbox

            artist.set_clip_box(TransformedBbox(Bbox.from_bounds(*clip), self.ax.transData))
        else:
            artist.set_clip_on(False)

    def text(
        self, s: str, x: float, y: float, *, size: float = 12, color: str = INK, align: str = "left", bold: bool = False,
        halo: bool = False,
    ) -> None:  # fmt: skip
        if any(ord(c) >= 0x2E80 for c in s):  # Chinese, which the font has no signs for: page and alt text say it
            return
        # "$" would start a formula
        t = self.ax.text(
            x, y, s.replace("$", r"\$"), size=size * 0.66, color=color, ha=align, va="baseline",
            weight="bold" if bold else "normal",
        )  # fmt: skip
        if halo:
            from matplotlib.patheffects import withStroke

            t.set_path_effects([withStroke(linewidth=2, foreground="white")])

    def curve(
        self, x: Any, y: Any, color: str, width: float, *, dash: tuple[float, float] | None = None,
        fill_to: float | None = None, clip: Sequence[float] | None = None, alpha: float = 1, over: bool = False,
    ) -> None:  # fmt: skip
        style: Any = (0, tuple(v / width for v in dash)) if dash else "-"
        for line in self.ax.plot(x, y, color=color, lw=width * 0.72, ls=style, alpha=alpha):
            self._clip(line, clip)
            if over:  # the dots
                line.set_zorder(4)
        if fill_to is not None:
            self._clip(self.ax.fill_between(x, y, fill_to, color=color, alpha=0.16, lw=0), clip)

    def rect(self, x: float, y: float, w: float, h: float, color: str) -> None:
        self.polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], color)

    def polygon(self, points: Sequence[tuple[float, float]], color: str) -> None:
        for artist in self.ax.fill(*zip(*points, strict=True), color=color, lw=0):
            artist.set_clip_on(False)

    def dots(
        self, x: Any, y: Any, radius: float, color: Any, *, clip: Sequence[float], alpha: float = 1
    ) -> None:
        size = (2 * radius * 0.72) ** 2
        self._clip(self.ax.scatter(x, y, s=size, c=color, lw=0, alpha=alpha, zorder=3), clip)

    def image(
        self, pixels: np.ndarray, x: float, y: float, w: float, h: float, *, smooth: bool = False
    ) -> None:
        self.ax.imshow(
            np.clip(pixels, 0, 1), cmap="gray", vmin=0, vmax=1, extent=(x, x + w, y + h, y), aspect="auto", clip_on=False,
            interpolation="bilinear" if smooth else "nearest",
        )  # fmt: skip

    def arrow(
        self, x: float, y: float, length: float, a: float, b: float, color: str, width: float, *, head: float = 5,
        clip: Sequence[float],
    ) -> None:  # fmt: skip
        """From (x, y) along the unit vector (a, b), over dots."""
        u, v, e = x + length * a, y + length * b, min(head, length / 2)
        self.curve([x, u], [y, v], color, width, clip=clip, over=True)
        xs = [u - e * (a + b / 2), u, u - e * (a - b / 2)]
        self.curve(xs, [v - e * (b - a / 2), v, v - e * (b + a / 2)], color, width, clip=clip, over=True)

    def axis(self, ticks: Any, at: Any, y: float, x0: float, x1: float) -> None:
        self.curve([x0, x1], [y, y], INK, 1)
        for t in ticks:
            self.curve([at(t)] * 2, [y, y + 4], INK, 1)
            self.text(minus(t, 0), float(at(t)), y + 17, size=11, color=SOFT, align="center")

    def png(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        self.ax.set_xlim(0, self.w)
        self.ax.set_ylim(self.h, 0)
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()).quantize(255)
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=True)
        return out.getvalue()
