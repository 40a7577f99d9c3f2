"""One look for all pictures: Okabe and Ito's colours, legible at a laptop's width, each with words for who can't see it."""

import html
import io
import os
import re
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from torch import Tensor

from chapter10.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008: told apart under the common colour blindnesses.
COLORS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "red": "#D55E00",
    "purple": "#CC79A7",
}
# Ten classes need more than eight colours: each class has a colour and its digit as a mark.
CLASS_COLORS = [
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#8C6D1F", "#7A7A7A", "#5B2A86",
]  # fmt: skip
DPI = 100
# matplotlib's own font has no Chinese characters. These do; each system has others.
CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB", "STHeiti",
    "Heiti TC", "Microsoft YaHei", "SimHei", "DengXian", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip
AUTHORING = "CHAPTER10_AUTHORING"  # set while the project's own notebooks are run, whose labels are held to be English
CHINESE = re.compile("[\u2e80-\u303f\u31c0-\u9fff\uf900-\ufaff\uff00-\uffef]+")

_STYLE = {
    "figure.dpi": DPI,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@contextmanager
def style():
    """matplotlib with this project's look, for the figures made inside it."""
    import matplotlib

    with matplotlib.rc_context(_STYLE | {"axes.prop_cycle": matplotlib.cycler(color=_cycle())}):
        yield


def _cycle() -> list[str]:
    return [COLORS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "black")]


def new(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 3.6) -> tuple["Figure", "Axes | Sequence[Axes]"]:
    """A figure in this look, not known to pyplot: nothing to close, nothing shown twice.

    Returns:
        the figure, and its axes as `matplotlib.pyplot.subplots` gives them. Sizes in inches at 100 dots each.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns)


@cache
def chinese_font() -> str | None:
    """The first of `CHINESE_FONTS` that this system has."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in there), None)


def spell(figure: "Figure") -> None:
    """See to it that labels with Chinese characters show no empty boxes: by a font that has them, else without them.

    The project's own pictures have symbols and short English words in every edition; this is for labels of the reader's.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FixedLocator

    font = chinese_font()
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = [[label.get_text() for label in axis.get_majorticklabels()] for axis in every]  # which makes an axis write them
    if os.environ.get(AUTHORING):
        _refuse_chinese(figure)
    for axis, labels in zip(every, ticks):
        if font is None and any(map(CHINESE.search, labels)):  # an axis writes its labels anew when it is drawn
            axis.set_major_locator(FixedLocator(axis.get_majorticklocs()))
            axis.set_major_formatter(FixedFormatter([CHINESE.sub("", label) for label in labels]))
    for text in figure.findobj(Text):
        if CHINESE.search(text.get_text()):
            if font is None:
                text.set_text(CHINESE.sub("", text.get_text()))
            else:
                text.set_fontfamily([*dict.fromkeys([*text.get_fontfamily(), font])])


def _refuse_chinese(figure: "Figure") -> None:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if CHINESE.search(text.get_text()):
            raise InputError(
                "The label {label!r} of a picture is in Chinese, and a reader's system may lack the font: keep it in English, in the "
                "catalogue by the comment 'kept: in a picture'.",
                label=text.get_text(),
            )


def png(figure: "Figure") -> bytes:
    """The figure as PNG, with few enough colours to keep a notebook small."""
    from PIL import Image

    spell(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    image = Image.open(buffer).convert("RGB").quantize(colors=256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="PNG", optimize=True)
    return small.getvalue()


def img(content: bytes, alt: str) -> str:
    """The HTML of a PNG with its alt text: the picture itself is in it, at its own size or as wide as the page."""
    from base64 import b64encode

    width, height = size_of(content)
    return (
        f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" style="max-width:100%;height:auto"'
        f' src="data:image/png;base64,{b64encode(content).decode()}">'
    )


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its head. Raises InputError for what is none."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise InputError("A picture is a PNG; these bytes are none. Make them by chapter10.figures.png.")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


class Picture:
    """A PNG with alt text; as the last value of a cell, or through `show`, it displays itself."""

    def __init__(self, content: bytes, alt: str):
        if not alt.strip():
            raise InputError("A picture needs alt text: say in a sentence what one should see in it.")
        self.content, self.alt = content, " ".join(alt.split())

    def _repr_mimebundle_(self, include=None, exclude=None):
        # As HTML: JupyterLab shows an image/png without the alt text in its metadata.
        return {"text/html": img(self.content, self.alt), "text/plain": self.alt}

    def __repr__(self) -> str:
        return self.alt


def show(figure: "Figure", alt: str) -> None:
    """Display a figure made by `new`, with alt text: what one should see in it, in a sentence."""
    from IPython.display import display

    display(Picture(png(figure), alt))


class Redrawn:
    """A picture that is drawn again in place, as training goes on."""

    def __init__(self):
        self.handle = None

    def show(self, figure: "Figure", alt: str) -> None:
        from IPython.display import display

        picture = Picture(png(figure), alt)
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)


def tile(images: Tensor, columns: int, pad: int = 2) -> Tensor:
    """Images [N, 784] or [N, H, W] as one picture [rows·(H+pad)+pad, columns·(W+pad)+pad], for `imshow`."""
    if images.ndim not in (2, 3) or len(images) == 0 or columns < 1:
        raise InputError(
            "A sheet needs images [N, 784] or [N, H, W] and a column or more; found {shape}, {columns}.",
            shape=list(images.shape),
            columns=columns,
        )
    if images.ndim == 2:
        side = int(images.shape[1] ** 0.5)
        if side * side != images.shape[1]:
            raise InputError(
                "Images of {size} pixels are not square; give them as [N, H, W].",
                size=images.shape[1],
            )
        images = images.view(-1, side, side)
    n, height, width = images.shape
    rows = -(-n // columns)
    sheet = images.new_full((rows * (height + pad) + pad, columns * (width + pad) + pad), float(images.max()))
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + pad) + pad, (i % columns) * (width + pad) + pad
        sheet[top : top + height, left : left + width] = image
    return sheet


def draw_images(axes: "Axes", images: Tensor, columns: int = 10, title: str = "") -> None:
    """Images [N, 784] in [0, 1], in rows of `columns`, black ink on white."""
    grey = (1 - images.detach().cpu().float()).mul(31).round().div(31)  # the eye misses none, and the file is smaller
    axes.imshow(tile(grey, columns).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, loc="left")


def draw_latent_plane(axes: "Axes", codes: Tensor, labels: Tensor, title: str = "", points: int = 2000) -> None:
    """Codes [N, 2] coloured by class, each class named by its digit at the median of its codes."""
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise InputError("A latent plane needs codes [N, 2], found {shape}.", shape=list(codes.shape))
    for k in labels.unique().tolist():
        of_class = codes[labels == k].cpu()
        shown = of_class[: max(1, points // 10)]
        axes.scatter(shown[:, 0], shown[:, 1], s=5, color=CLASS_COLORS[k % 10], alpha=0.6, linewidths=0)
        x, y = of_class.median(0).values.tolist()
        axes.text(
            x, y, str(k), color="white", weight="bold", ha="center", va="center",
            bbox={"boxstyle": "circle,pad=0.2", "facecolor": CLASS_COLORS[k % 10], "edgecolor": "white"},
            clip_on=True,
        )  # fmt: skip
    axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    axes.set_title(title, loc="left")
