"""Live figures that the kernel computes: sliders and picture of the page as in the others, values and pictures through ipywidgets.

What the page can't compute is asked of the kernel: the values go there in a hidden text field of ipywidgets, the picture
comes back in a `widgets.Image`, and with it what is to be said of it. `assets/kernel.js` is the other end. While the kernel
computes, ipywidgets keeps the newest value only. What a cell shows is two outputs: the figure as HTML, with its still picture,
which is all that a stored notebook needs, and the widgets, which are not seen.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from chapter10.errors import Chapter10Error, InputError
from chapter10.int8 import as_numpy
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, number, place_of
from chapter10.stills import Still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARP = 2.0  # dots of a matplotlib figure for each pixel of the page, at most: as many as the reader's screen has
WIDEST, HIGHEST = 1200, 900  # CSS pixels


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high` in steps; `start` is where it stands first. Whole steps from a whole low give int."""

    label: str
    low: float
    high: float
    start: float
    step: float = 0.01
    unit: str = ""

    def __post_init__(self) -> None:
        given = ((k, say("{k} of {label!r}", k=k, label=self.label)) for k in ("low", "high", "start", "step"))
        low, high, start, step = (number(getattr(self, k), name) for k, name in given)
        if not low <= start <= high or low == high or not 0 < step <= high - low:
            raise InputError(
                "The slider {label!r} goes from {low:g} to {high:g} in steps of {step:g} and starts at {start:g}; "
                "it needs low ≤ start ≤ high, low < high, and a step above 0.",
                label=self.label,
                low=low,
                high=high,
                step=step,
                start=start,
            )

    @property
    def whole(self) -> bool:
        return float(self.step).is_integer() and float(self.low).is_integer()

    def value(self, sent: Any) -> float | int:
        found = min(max(number(sent, self.label), self.low), self.high)
        return round(found) if self.whole else found

    def page(self) -> dict[str, Any]:
        digits = 0 if self.whole else max(0, min(6, -int(np.floor(np.log10(self.step)))))
        return {"min": self.low, "max": self.high, "start": self.start, "step": self.step, "unit": self.unit, "digits": digits}


@dataclass(frozen=True)
class Stops:
    """A slider that steps through the numbers in `among`, such as 1, 10, 100; `start` is one of them."""

    label: str
    among: Sequence[float]
    start: float
    unit: str = ""

    def __post_init__(self) -> None:
        if len(self.among) < 2 or self.start not in list(self.among):
            raise InputError(
                "The slider {label!r} steps through {value} and starts at {start}; give two numbers or more, and "
                "one of them to start at.",
                label=self.label,
                value=list(self.among),
                start=self.start,
            )

    def value(self, sent: Any) -> float:
        return self.among[place_of(sent, len(self.among), self.label)]

    def page(self) -> dict[str, Any]:
        shown = [f"{v:,}".replace("-", "−") for v in self.among]
        start = list(self.among).index(self.start)
        return {"min": 0, "max": len(shown) - 1, "start": start, "step": 1, "unit": self.unit, "among": shown}


@dataclass(frozen=True)
class Menu:
    """One of several words; `start` is the one chosen first (default: the first)."""

    label: str
    options: Sequence[str]
    start: str | None = None

    def __post_init__(self) -> None:
        if not self.options or self.start not in (None, *self.options):
            raise InputError(
                "The menu {label!r} has {value} and starts at {start!r}; give words, and one of them.",
                label=self.label,
                value=list(self.options),
                start=self.start,
            )

    def value(self, sent: Any) -> str:
        return self.options[place_of(sent, len(self.options), self.label)]

    def page(self) -> dict[str, Any]:
        return {"options": list(self.options), "start": 0 if self.start is None else list(self.options).index(self.start)}


@dataclass(frozen=True)
class KernelFigure(LiveFigure):
    """A live figure whose pictures the kernel computes. `wire` holds its widgets, and in `wire.error` what went wrong last."""

    wire: Wire = field(repr=False)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)
        # beside the widgets stands no text, so that where they can't be shown nothing is
        view = {"version_major": 2, "version_minor": 0, "model_id": self.wire.box.model_id}
        display({"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}, raw=True)


@dataclass
class Answer:
    """What the kernel has to show for some values: a PNG, a sentence under the picture, and what it is to who can't see it."""

    png: bytes
    words: str = ""
    alt: str = ""


class Wire:
    """The widgets between one figure in the page and the function that answers it.

    Whatever the function raises is shown in the figure as a sentence, and the next value is answered as if nothing had been;
    `error` keeps it, with its traceback, for the author.
    """

    def __init__(self, identifier: str, answer: Callable[[dict[str, Any], float], Answer], values: dict[str, Any], first: Answer):
        from ipywidgets import HTML, Box, Image, Text

        self.answer, self.values = answer, values
        self.error: Exception | None = None
        self.sharp = SHARP
        self.asked = Text(continuous_update=True)
        self.picture = Image(value=first.png, format="png")
        self.said = HTML()
        self.box = Box([self.asked, self.picture, self.said])
        self.box.add_class("c10-wire")
        self.box.add_class(f"c10-wire-{identifier}")
        self.sentences = {"words": first.words, "alt": first.alt}
        self._say(0, "")
        self.asked.observe(self._asked, "value")

    def _say(self, n: int, who: str) -> None:
        # After the picture: the page takes this as the sign that it is there.
        self.said.value = html.escape(json.dumps({"n": n, "who": who, "values": self.values, **self.sentences}), quote=False)

    def _asked(self, change: Any) -> None:
        question = json.loads(change["new"])
        if (question["values"], question["sharp"]) != (self.values, self.sharp) or self.error is not None:
            self.values, self.sharp = question["values"], question["sharp"]
            try:
                found = self.answer(self.values, self.sharp)
            except Exception as error:
                self.error = error
                self.sentences = {**self.sentences, "error": sentence_of(error)}
            else:
                self.error = None
                self.sentences = {"words": found.words, "alt": found.alt}
                self.picture.value = found.png
        self._say(question["n"], question["who"])


def through_kernel(
    page: LiveFigure, answer: Callable[[dict[str, Any], float], Answer], values: dict[str, Any], first: Answer
) -> KernelFigure:
    """The figure of `page`, made with runs="kernel", joined to the function that answers the page's values."""
    made = {f.name: getattr(page, f.name) for f in fields(page)}
    return KernelFigure(**made, wire=Wire(page.identifier, answer, values, first))


def sentence_of(error: Exception) -> str:
    """An error as a reader should see it: one of the package's own says what to do, another at least what it is."""
    text = " ".join(str(error).split())
    if isinstance(error, Chapter10Error):
        return text
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return say("For these values the figure's function fails with {what}. Try others.", what=what)


def kernel_figure(
    draw: Callable[..., Any],
    controls: Mapping[str, Slider | Stops | Menu],
    *,
    alt: str,
    scale: int | None = None,
    invert: bool = False,
    smooth: bool = False,
    title: str = "",
    hint: str = "",
) -> KernelFigure:
    """The picture that `draw` computes in the kernel, drawn anew for each value of the sliders and menus.

    Args:
        draw: called with one keyword argument for each control, gives the picture: [H, W] grey or [H, W, 3] colour, floats in
            [0, 1] or uint8, or a matplotlib Figure; or a pair of it and a sentence, which is shown below and read out. A Figure
            that is kept and only changed, its artists and not its axes, is drawn in a third of the time of a new one.
        controls: name of the argument: `Slider`, `Stops` or `Menu`.
        alt: what is drawn, whatever the values; the sentence is added to it.
        scale: pixels on the screen for each of an array; default: what makes it about 300 high.
        invert: draw 1 as ink on white paper (grey arrays). smooth: no hard pixels.
    Raises:
        InputError: for controls that are none; for what `draw` gives at the start, if it is no picture; what `draw` raises at
            the start comes as it is. Later it is shown in the figure.
    """
    if not callable(draw):
        raise InputError(
            "draw is {draw!r}; give a function of {value} that gives a picture.",
            draw=draw,
            value=", ".join(controls) or say("the controls"),
        )
    if not controls or not all(isinstance(c, (Slider, Stops, Menu)) for c in controls.values()):
        raise InputError(
            "controls names the arguments of draw, each with a Slider, Stops or Menu, such as {'k': Slider('samples', 1, 9, 3, 1)}."
        )
    if not alt.strip():
        raise InputError("A figure needs alt text: say in a sentence what is drawn in it.")
    shown = {name: control.page() for name, control in controls.items()}
    start = {name: control["start"] for name, control in shown.items()}
    drawing = _Drawing(invert, scale)

    def answer(sent: Mapping[str, Any], sharp: float = SHARP) -> Answer:
        found = draw(**{name: control.value(sent.get(name)) for name, control in controls.items()})
        picture, words = found if isinstance(found, tuple) and len(found) == 2 else (found, "")
        return Answer(drawing.png(picture, min(max(float(sharp), 1.0), SHARP)), str(words), f"{alt} {words}".strip())

    first = answer(start)
    width, height = drawing.size
    still = Still(width, height)
    still.image(drawing.pixels / 255, 0, 0, width, height, smooth=smooth or drawing.drawn)
    data = {
        "controls": [{"name": name, "label": c.label, **shown[name]} for name, c in controls.items()], "words": first.words,
        "width": width, "height": height, "smooth": smooth or drawing.drawn,
    }  # fmt: skip
    return through_kernel(figure("drawn", data, still, title, first.alt, hint, "kernel"), answer, start, first)


class _Drawing:
    """Pictures of one size as PNG bytes: `size` in CSS pixels, set by the first one; `pixels` are those of the last."""

    def __init__(self, invert: bool, scale: int | None):
        self.invert, self.scale = invert, scale
        self.size: tuple[int, int] = (0, 0)
        self.pixels, self.drawn = np.zeros((1, 1), np.uint8), False

    def png(self, picture: Any, sharp: float) -> bytes:
        self.drawn = hasattr(picture, "canvas")
        pixels = rendered(picture, sharp) if self.drawn else _pixels(picture, self.invert)
        height, width = pixels.shape[:2]
        if self.drawn:
            size = (round(width / sharp), round(height / sharp))
        else:
            self.scale = self.scale or max(1, min(300 // height, 800 // width))
            size = (width * self.scale, height * self.scale)
        if self.size == (0, 0) and (size[0] > WIDEST or size[1] > HIGHEST):
            raise InputError(
                "The picture is {size}×{size_2} pixels on the page; at most {WIDEST}×{HIGHEST} have their place "
                "there.",
                size=size[0],
                size_2=size[1],
                WIDEST=WIDEST,
                HIGHEST=HIGHEST,
            )
        if self.size not in ((0, 0), size):
            raise InputError(
                "The picture is now {size}×{size_2} pixels, and was {value}×{value_2}. Draw all in one size, so "
                "that the page stays where it is.",
                size=size[0],
                size_2=size[1],
                value=self.size[0],
                value_2=self.size[1],
            )
        self.size, self.pixels = size, pixels
        return quick_png(pixels)


def rendered(picture: Figure, sharp: float = SHARP) -> np.ndarray:
    """A matplotlib figure as uint8 [H, W, 3], 100 times `sharp` dots an inch; a figure that comes again is drawn on the canvas it has.

    Its layout is found once: what moved with each new tick label would be slow, and the picture would tremble.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = picture.canvas if isinstance(picture.canvas, FigureCanvasAgg) else FigureCanvasAgg(picture)
    if picture.dpi != 100 * sharp:
        picture.set_dpi(100 * sharp)
    canvas.draw()
    if picture.get_layout_engine() is not None:
        picture.set_layout_engine("none")
    return np.asarray(canvas.buffer_rgba())[..., :3]


def quick_png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W] or [H, W, 3] as a PNG that is made quickly and not made small."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _pixels(picture: Any, invert: bool) -> np.ndarray:
    a = as_numpy(picture)
    colour = a.ndim == 3 and a.shape[-1] == 3
    if not (a.ndim == 2 or colour) or a.size == 0:
        raise InputError(
            "draw gave an array of shape {shape}; expected [H, W], [H, W, 3], or a matplotlib Figure.",
            shape=list(a.shape),
        )
    if a.dtype != np.uint8:
        if a.dtype.kind not in "fb" or not np.isfinite(a).all() or a.min() < -1e-6 or a.max() > 1 + 1e-6:
            raise InputError(
                "draw gave {dtype} from {lowest:.3g} to {highest:.3g}; expected floats in [0, 1], or uint8.",
                dtype=a.dtype,
                lowest=a.min(),
                highest=a.max(),
            )
        a = np.rint(255 * np.clip(a, 0, 1)).astype(np.uint8)
    return 255 - a if invert and not colour else a
