"""What a live figure is, and how its page is put together: still picture, script, data.

The script is that of `assets/live.js` and of the files beside it that hold the kind's own parts. Where a figure's
numbers are checked at the boundary, the helpers at the end say what was wrong.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import as_numpy
from chapter10.language import noted, say
from chapter10.stills import Still

OFF = noted("A still picture of a live figure. Where scripts may run, as after running this cell, it has sliders.")
KERNEL = noted("A still picture of a live figure that the kernel computes. After running this cell, it has sliders.")
SAID = re.compile(r'(?<![\w.])say\(("(?:[^"\\\n]|\\.)*")')  # of the scripts: a call with its sentence written out
SCRIPTS = ("live.js", "games.js", "beta.js", "codes.js", "critic.js", "translate.js", "kernel.js")


@dataclass(frozen=True)
class LiveFigure:
    """One live figure: `html` to show, `alt` to read, `png` the still picture (bytes), `identifier` its content's hash."""

    html: str = field(repr=False)
    alt: str
    png: bytes = field(repr=False)
    identifier: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.alt}

    @property
    def kilobytes(self) -> float:
        """What it adds to a notebook's file, in kB."""
        return len(self.html.encode()) / 1000


def figure(
    kind: str, data: dict[str, Any], still: Still, title: str, alt: str, hint: str, runs: str = "page"
) -> LiveFigure:
    """The figure of one kind: KINDS[kind] in the scripts gets `data`, and draws what `still` shows.

    With runs="kernel" the page has the script that asks the kernel for the pictures; `live.kernel` answers.
    """
    off = KERNEL if runs == "kernel" else OFF
    script, css = assets(kind, *([runs] if runs == "kernel" else []))
    css_id = "ch10-css-" + hashlib.sha256(css.encode()).hexdigest()[:8]
    data = {**data, "kind": kind, "alt": alt, "hint": hint, "css": css_id}
    said = {message: say(message) for message in said_in(script) if say(message) != message}
    if said:  # in another language than English
        data["said"] = said
    png = still.png()
    content = json.dumps(data, sort_keys=True) + script + css + title
    identifier = hashlib.sha256(content.encode() + png).hexdigest()[:12]
    data["id"] = identifier
    if runs == "kernel":
        data["wire"] = identifier
    esc = html.escape
    wire = " data-wire" if runs == "kernel" else ""
    kept = " c10-photo" if data.get("photo") else ""  # colours that mean themselves: the dark theme leaves them
    page = [f'<div class="c10{kept}" data-ch10="{identifier}"{wire}>']
    if title:
        page.append(f'<p class="c10-title"><strong>{esc(title)}</strong></p>')
    page.append(
        f'<img class="c10-still" alt="{esc(alt)}" width="{still.w}" height="{still.h}" style="max-width:100%;height:auto"'
        f' src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
    page.append(f'<p class="c10-off"><small>{esc(say(off))}</small></p></div>')
    page.append(f"<script>(function(data,css){{{script}}})({page_json(data)},{page_json(css)})</script>")
    return LiveFigure("\n".join(page), alt, png, identifier)


@cache
def assets(*kinds: str) -> tuple[str, str]:
    """The script of a kind of figure (with "kernel", if the kernel draws it), and the style sheet, as they stand in the page."""
    folder = files("chapter10") / "assets"
    parts = re.split(r"(?m)^// == (.+)$", "".join((folder / name).read_text("utf-8") for name in SCRIPTS))
    sections = [(heads.split(), body) for heads, body in zip(parts[1::2], parts[2::2], strict=True)]
    sections.sort(key=lambda section: "end" in section[0])
    chosen = [body for heads, body in sections if {*kinds, "all", "end"} & set(heads)]
    lines = (line.strip() for line in "".join(chosen).splitlines())
    script = "\n".join(line for line in lines if line and not line.startswith("//"))
    css = re.sub(r"/\*.*?\*/", "", (folder / "live.css").read_text("utf-8"), flags=re.S)
    css = re.sub(r"\s+", " ", css).strip()
    return script, css


def said_in(script: str) -> list[str]:
    """The sentences in a script's calls of say("…"), in their order; `data.said` holds what each is in the reader's language."""
    return list(dict.fromkeys(json.loads(literal) for literal in SAID.findall(script)))


def page_json(value: Any) -> str:
    """JSON that may stand inside a script element, whatever text is in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


# ---- checks at the boundary


def number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError("{name} = {value!r} is not a number.", name=name, value=value) from None
    if not math.isfinite(number):
        raise InputError("{name} = {value!r} is not finite.", name=name, value=value)
    return number


def limits_of(limits: Any, n: int, codes: list[np.ndarray]) -> list[list[float]]:
    if limits is None:
        limits = max([3.0, *(math.ceil(np.quantile(np.abs(c), 0.99)) for c in codes)])
    a = np.asarray(limits, dtype=float)
    if a.ndim == 0:
        a = np.array([-a, a])
    a = np.broadcast_to(a, (n, 2)) if a.shape == (2,) else a
    if a.shape != (n, 2) or not np.isfinite(a).all() or (a[:, 0] >= a[:, 1]).any():
        raise InputError(
            "limits = {limits!r}: expected r > 0, a pair (low, high), or {n} such pairs.",
            limits=limits,
            n=n,
        )
    return a.tolist()


def place_of(value: Any, count: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < count:
        raise InputError(
            "{name} = {value!r} is no place among {count}. Count from 0, to {count_less_1} at most.",
            name=name,
            value=value,
            count=count,
            count_less_1=count - 1,
        )
    return int(value)


def pixels_of(images: Any, shape: tuple[int, int], most: int) -> np.ndarray:
    """Images in [0, 1], [N, D] or [N, H, W], as uint8 [N, D]."""
    a = as_numpy(images)
    size = shape[0] * shape[1]
    if a.ndim < 2 or a.dtype.kind != "f" or not 1 <= len(a) <= most or a[0].size != size:
        raise InputError(
            "images is {dtype} of shape {shape}; expected floats [N, {size}], with N from 1 to {most}.",
            dtype=a.dtype,
            shape=list(a.shape),
            size=size,
            most=most,
        )
    if not np.isfinite(a).all() or a.min() < -1e-6 or a.max() > 1 + 1e-6:
        raise InputError(
            "images reaches from {lowest:.3g} to {highest:.3g}; expected values in [0, 1].",
            lowest=a.min(),
            highest=a.max(),
        )
    return np.rint(255 * np.clip(a, 0, 1)).astype(np.uint8).reshape(len(a), size)
