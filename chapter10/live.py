"""Figures that answer to the hand: sliders in plain HTML and JavaScript that run in the page, without a kernel.

Each function returns a `LiveFigure`; as the last value of a cell it shows itself. What it holds is a still picture
with alt text, which is all that a viewer without scripts shows, and a script (`assets/live.js`) that puts a canvas of
the same size and the controls in its place. Decoders run in the page with int8 weights. Nothing comes from outside.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.figures import CLASS_COLORS
from chapter10.int8 import (
    Int8Decoder,
    Layer,
    as_numpy,
    base64_of,
    finite_array,
    int8_decoder,
    layers_of,
    quantise,
)
from chapter10.stills import BLUE, GREEN, INK, LINE, RED, SOFT, Still, minus

__all__ = [
    "LiveFigure",
    "decoder_figure",
    "elbo_figure",
    "frames_figure",
    "layers_of",
    "quantise",
    "reparameterization_figure",
    "walk_figure",
]
OFF = "A still picture of a live figure. Where scripts may run, as after running this cell, it has sliders."


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


# ---- the figures


def decoder_figure(
    layers: Sequence[Layer] | Mapping[str, Sequence[Layer]],
    *,
    codes: Any = None,
    labels: Any = None,
    limits: Any = None,
    dims: Sequence[int] | None = None,
    start: Sequence[float] | None = None,
    base: Sequence[float] | None = None,
    shape: tuple[int, int] = (28, 28),
    invert: bool = True,
    max_points: int = 1500,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """A slider for each latent dimension moves z; the decoder draws the picture at once, beside the latent plane.

    With two latent dimensions the plane is shown with the codes and the circles |z| = 1 and 2 of N(0, I), and z can be
    dragged in it. Several decoders stand side by side and decode the same z.

    Args:
        layers: one decoder (see `layers_of`), or a dict of named ones with the same number of latent dimensions.
        codes: [N, 2], where images lie in the plane; a dict of the same names where there are several decoders.
        labels: [N], which group each code is of; a dict likewise, or the same for all.
        limits: r for [−r, r], a pair, or a pair for each slider; default: what holds 99 % of the codes, at least 3.
        dims: which latent dimensions get a slider, counted from 0; default: the first two. The others stay at `base`
            [L] (default: 0).
        start: where the sliders stand first; default: 0.
        shape: (H, W) of the picture. invert: draw 1 as ink on white paper.
        max_points: codes stored in the page; of more, as many are taken at even steps.
    Raises:
        InputError: for decoders, codes or limits that don't fit together.
    """
    named = dict(layers) if isinstance(layers, Mapping) else {"": layers}
    if not named:
        raise InputError("There is no decoder to show: the dict is empty.")
    per_name = isinstance(layers, Mapping)
    found_codes = {n: _codes(codes, labels, n, per_name) for n in named}
    wide = {n: int8_decoder(part) for n, part in named.items()}
    latent = {n: d.latent_dim for n, d in wide.items()}
    if len(set(latent.values())) > 1:
        raise InputError(
            f"The decoders have different numbers of latent dimensions: {latent}. They share the sliders."
        )
    size = next(iter(latent.values()))
    for n, d in wide.items():
        _check_shape(d, shape, n)
    dims = _dims(list(range(min(2, size))) if dims is None else dims, size)
    plane = size == 2 and len(dims) == 2
    if not plane and any(c is not None for c, _ in found_codes.values()):
        raise InputError(f"Codes are shown for decoders with 2 latent dimensions; this one has {size}.")
    bounds = _limits(limits, len(dims), [c for c, _ in found_codes.values() if c is not None])
    start = np.zeros(len(dims)) if start is None else finite_array(start, "start", 1, len(dims))
    start = np.clip(start, [b[0] for b in bounds], [b[1] for b in bounds]).round(2)
    base = np.zeros(size) if base is None else finite_array(base, "base", 1, size)
    # Sharing the pixels that are never touched needs every z that the sliders can reach.
    grid = np.linspace(0, 1, 25) if len(dims) <= 2 else None
    rng = np.random.default_rng(0)
    inside = (
        np.stack(np.meshgrid(*[grid] * len(dims)), -1).reshape(-1, len(dims))
        if grid is not None
        else rng.random((1000, len(dims)))
    )
    probe = np.repeat(base[None], len(inside), 0)
    probe[:, dims] = [b[0] for b in bounds] + inside * [b[1] - b[0] for b in bounds]
    scale = max(1, (280 if len(named) == 1 else 196) // max(shape))
    side = max(scale * max(shape), 120)
    names = sorted({label for _, own in found_codes.values() if own is not None for label in own.tolist()})
    parts, z = [], base.copy()
    z[dims] = start
    pictures = []
    for n, part in named.items():
        decoder = int8_decoder(part, probe)
        pictures.append(decoder(z)[0].reshape(shape))
        points, own = found_codes[n]
        entry: dict[str, Any] = {
            "name": n,
            "net": decoder.payload(),
            "decoded": f"{n}, decoded" if n else "decoded from z",
        }
        entry["title"] = n or "latent plane"
        if points is not None:
            chosen = np.linspace(0, len(points) - 1, min(len(points), max_points)).astype(int)
            kept = points[chosen].astype(np.float32)
            entry |= {
                "codes": base64_of(kept),
                "title": f"{n or 'latent plane'}: {len(kept):,} codes",
                "points": kept,
            }
            if own is not None:
                index = np.searchsorted(names, own[chosen]).astype(np.uint8)
                middles = {str(g): np.median(points[own == g], 0).round(3).tolist() for g in np.unique(own)}
                near = [[0.95 * low + 0.05 * high, 0.05 * low + 0.95 * high] for low, high in bounds]
                shown = {
                    g: m
                    for g, m in middles.items()
                    if all(a < v < b for v, (a, b) in zip(m, near, strict=True))
                }
                middle = [(g, *m) for g, m in shown.items()]
                entry |= {"labels": base64_of(index), "index": index, "names": middle}
        parts.append(entry)
    still = Still(*_decoder_size(len(named), side, plane))
    x = 0
    for entry, picture in zip(parts, pictures, strict=True):
        if plane:
            _still_plane(still, x, side, bounds, entry, start)
            x += side + 12
        still.text(entry["decoded"], x + 2, 15, bold=True)
        off = (side - np.array(shape) * scale) / 2
        still.image(
            1 - picture if invert else picture, x + off[1], 24 + off[0], shape[1] * scale, shape[0] * scale
        )
        x += side + 12
    of = " and ".join(f"the {n}" for n in named if n) or "a decoder"
    alt = alt or (
        (f"The latent plane of {of} with the codes of images, a cross at z = " if plane else "z = ")
        + f"({', '.join(f'{v:.2f}' for v in start)}), and the picture that {of} {'draw' if len(named) > 1 else 'draws'}"
        " from it. Sliders move z."
    )
    data = {
        "decoders": [{k: v for k, v in e.items() if k not in ("points", "index")} for e in parts],
        "limits": bounds, "dims": dims, "start": start.tolist(), "base": base.tolist(), "shape": list(shape), "side": side,
        "map": plane, "invert": invert, "colours": CLASS_COLORS, "names": [str(n) for n in names],
    }  # fmt: skip
    hint = "Move the sliders" + (
        ", or drag the cross in the plane. Dashed circles: |z| = 1 and 2." if plane else "."
    )
    return _figure("decoder", data, still, title, alt, hint)


def walk_figure(
    layers: Sequence[Layer],
    codes: Any,
    *,
    dims: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    start: int | None = None,
    value: float = 2.0,
    limits: Any = 3.0,
    shape: tuple[int, int] = (28, 28),
    invert: bool = True,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """One latent dimension of several images is moved, the others stay: what does that dimension mean?

    Three rows: the images as encoded, with the chosen dimension set to the slider's value, and what changed.

    Args:
        layers: the decoder (see `layers_of`), L latent dimensions.
        codes: [N, L], the images' codes, at most 12.
        dims: the dimensions to choose from, counted from 0, in this order; default: all.
        names: what the choice calls each of `dims`; default: z₁, z₂ and so on.
        start: place in `dims` of the one chosen first; default: the one that changes the images most. value: where the slider stands first.
        limits: r for [−r, r], or a pair.
    Raises:
        InputError: for codes, dimensions or names that don't fit the decoder.
    """
    whole = int8_decoder(layers)
    _check_shape(whole, shape, "")
    codes = finite_array(codes, "codes", 2).astype(np.float32).astype(float)
    if codes.shape[1] != whole.latent_dim or not 1 <= len(codes) <= 12:
        raise InputError(
            f"codes has the shape {list(codes.shape)}; for this decoder it is [N, {whole.latent_dim}] with N from 1 to 12."
        )
    dims = _dims(range(whole.latent_dim) if dims is None else dims, whole.latent_dim)
    names = [f"z{_sub(d + 1)}" for d in dims] if names is None else [str(n) for n in names]
    if len(names) != len(dims):
        raise InputError(f"There are {len(names)} names for {len(dims)} dimensions. Give one for each.")
    if start is not None and not 0 <= start < len(dims):
        raise InputError(f"start = {start} is no place in the {len(dims)} dimensions. Count from 0.")
    (low, high) = _limits(limits, 1, [])[0]
    value = float(np.clip(_number(value, "value"), low, high))
    probe = np.repeat(codes[None], 5 * len(dims), 0)
    for i, (d, v) in enumerate((d, v) for d in dims for v in np.linspace(low, high, 5)):
        probe[i, :, d] = v
    decoder = int8_decoder(layers, probe.reshape(-1, whole.latent_dim))
    n, (h, w), left = len(codes), shape, 88
    scale = int(np.clip(((836 - left) // n - 8) // w, 1, max(1, 112 // max(shape))))
    width, height = left + n * (w * scale + 8), 3 * h * scale + 24
    moved = np.repeat(codes[None], len(dims), 0)
    for i, d in enumerate(dims):
        moved[i, :, d] = value
    if start is None:
        change = [np.abs(decoder(m) - decoder(codes)).sum() for m in moved]
        start = int(np.argmax(change))
    d = dims[start]
    before, after = decoder(codes).reshape(n, h, w), decoder(moved[start]).reshape(n, h, w)
    still = Still(width, height)
    for r, t in enumerate(("as encoded", f"z{_sub(d + 1)} = {minus(value)}", "change")):
        still.text(t, 4, r * (h * scale + 8) + h * scale / 2 + 8, bold=r == 1)
    for i in range(n):
        x = left + i * (w * scale + 8)
        for r, p in enumerate((before[i], after[i])):
            still.image(1 - p if invert else p, x, 4 + r * (h * scale + 8), w * scale, h * scale)
        change = (after[i] - before[i])[..., None]
        blue, orange = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255
        mixed = np.where(change > 0, 1 + change * (blue - 1), 1 - change * (orange - 1))
        still.image(np.clip(mixed, 0, 1), x, 20 + 2 * h * scale, w * scale, h * scale)
    alt = alt or (
        f"Three rows of {n} images: as encoded, with latent dimension {d + 1} set to {value:.2f}, and the change between"
        " them, ink gained in blue and lost in orange. A menu chooses the dimension, a slider its value."
    )
    data = {
        "net": decoder.payload(), "codes": codes.tolist(), "dims": dims, "names": names, "start": start, "value": value,
        "limits": [low, high], "shape": list(shape), "scale": scale, "left": left, "width": width, "height": height,
        "invert": invert,
    }  # fmt: skip
    hint = "Choose a dimension and move its value: all images get the same one. Blue: ink gained; orange: ink lost."
    return _figure("walk", data, still, title, alt, hint)


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
    if not 0 <= _number(play, "play") <= 60:
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
    return _figure("frames", data, still, title, alt, "")


def elbo_figure(
    *,
    w: float = 1.0,
    b: float = 0.0,
    s: float = 0.75,
    x: float = 1.5,
    mu: float = -0.8,
    log_sigma: float = -0.2,
    floor: float = -8.0,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """The reader's own q(z) against the true posterior, where log p(x) is known: ELBO + gap = log p(x), always.

    The model: p(z) = N(0, 1), p(x|z) = N(w·z + b, s²). Sliders: μ and log σ of q(z) = N(μ, σ²), and x.

    Args:
        w, b, s: the model; x: what was observed; mu, log_sigma: where q starts. All scalars.
        floor: where the axis of nats ends on the left; longer bars are cut there, with an arrow.
    Raises:
        InputError: for s ≤ 0, floor ≥ −1, or a number that is not finite.
    """
    given = {"w": w, "b": b, "s": s, "x": x, "mu": mu, "log_sigma": log_sigma, "floor": floor}
    w, b, s, x, mu, log_sigma, floor = (_number(v, k) for k, v in given.items())
    if s <= 0 or floor >= -1:
        raise InputError(
            f"s = {s:g} and floor = {floor:g}: the noise s must be above 0, the floor of the axis below −1."
        )
    limits = {"mu": [-3.0, 3.0], "log_sigma": [-1.5, 0.8], "x": [min(-3.0, x), max(3.0, x)]}
    mu, log_sigma = float(np.clip(mu, *limits["mu"])), float(np.clip(log_sigma, *limits["log_sigma"]))
    post_var = 1 / (1 + (w / s) ** 2)
    post_mean, post_std, sigma = post_var * w * (x - b) / s**2, math.sqrt(post_var), math.exp(log_sigma)
    evidence = -0.5 * (math.log(2 * math.pi * (w * w + s * s)) + (x - b) ** 2 / (w * w + s * s))
    reconstruction = -0.5 * math.log(2 * math.pi * s * s) - ((x - b - w * mu) ** 2 + (w * sigma) ** 2) / (
        2 * s * s
    )
    kl = 0.5 * (mu * mu + sigma * sigma - 1) - log_sigma
    elbo = reconstruction - kl
    top = 1.3 * max(0.4, 0.4 / post_std)
    high = max(0.0, -0.5 * math.log(2 * math.pi * s * s)) + 0.4
    step = next(t for t in (1, 2, 5, 10, 20, 50, 100, 1e9) if -floor / t <= 8)
    ticks = [-step * i for i in range(int(-floor / step), -1, -1)]

    still = Still(800, 290)
    z = np.linspace(-4, 4, 241)
    for colour, t, at in (
        ("#6b7280", "prior p(z)", 12),
        (GREEN, "true posterior p(z|x)", 100),
        (BLUE, "your q(z)", 262),
    ):
        still.rect(at, 12, 14, 4, colour)
        still.text(t, at + 19, 18)
    area = (0, 26, 400, 225)
    for m, d, colour, dash in (
        (0, 1, "#6b7280", (5, 4)),
        (post_mean, post_std, GREEN, None),
        (mu, sigma, BLUE, None),
    ):
        y = 250 - np.exp(-0.5 * ((z - m) / d) ** 2) / (d * math.sqrt(2 * math.pi)) / top * 190
        still.curve(12 + (z + 4) * 47, y, colour, 2, dash=dash, fill_to=None if dash else 250, clip=area)
    still.axis(range(-4, 5), lambda v: 12 + (v + 4) * 47, 250, 8, 392)
    still.text("z", 388, 284, color=SOFT, align="right")

    def at(v: float) -> float:
        return 412 + 14 + (float(np.clip(v, floor, high)) - floor) / (high - floor) * 360

    still.curve([at(0)] * 2, [30, 250], LINE, 1)
    bars = (
        ("reconstruction  E[log p(x|z)]", reconstruction, 0.0, reconstruction, "#e69f00"),
        ("− KL(q ‖ prior)", round(elbo, 3) - round(reconstruction, 3), reconstruction, elbo, "#cc79a7"),
        ("= ELBO", elbo, 0.0, elbo, BLUE),
        ("+ gap  KL(q ‖ p(z|x))", round(evidence, 3) - round(elbo, 3), elbo, evidence, RED),
    )
    for i, (t, number, p, q, colour) in enumerate(bars):
        y, left, right = 36 + 54 * i, min(p, q), max(p, q)
        still.rect(at(left), y + 18, max(1.5, at(right) - at(left)), 16, colour)
        if left < floor:
            still.polygon([(416, y + 26), (426, y + 18), (426, y + 34)], colour)
        still.text(t, 426, y + 11, bold=i > 1)
        still.text(minus(number, 3), 786, y + 11, bold=i > 1, align="right")
    still.curve([at(evidence)] * 2, [22, 250], INK, 1.5, dash=(5, 3))
    still.text(
        f"log p(x) = {minus(evidence, 3)}", min(max(at(evidence), 482), 732), 17, bold=True, align="center"
    )
    still.axis(ticks, at, 250, 426, 786)
    still.text("nats", 786, 284, color=SOFT, align="right")

    alt = alt or (
        f"Left: the prior, the true posterior N({post_mean:.2f}, {post_std:.2f}²) and q = N({mu:.2f}, {sigma:.2f}²) over z."
        f" Right: bars in nats; reconstruction {reconstruction:.2f} and minus KL {-kl:.2f} lead to the ELBO {elbo:.2f}, and"
        f" the gap of {evidence - elbo:.2f} from there to log p(x) = {evidence:.2f}. Sliders move q and x."
    )
    data = {
        "w": w, "b": b, "s": s, "x": x, "mu": mu, "log_sigma": log_sigma, "limits": limits, "top": top,
        "axis": [floor, high], "ticks": ticks,
    }  # fmt: skip
    hint = "Move q: the bars change, the dashed line at log p(x) stays, and the last bar always ends on it. Only x moves the line."
    return _figure("elbo", data, still, title, alt, hint)


def reparameterization_figure(
    eps: Any,
    *,
    k: float = 1.5,
    mu: float = -0.5,
    sigma: float = 1.0,
    mu_limits: tuple[float, float] = (-2.0, 2.0),
    sigma_limits: tuple[float, float] = (0.3, 1.6),
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """Fixed noise ε above, z = μ + σ·ε below, a line from each to each; and the mean of f(z) = (z − k)² with its slope.

    With the noise fixed the mean is a smooth function of μ and σ, and its slope is the pathwise gradient; a box to tick
    draws new noise at every move instead, and the mean jumps.

    Args:
        eps: [n], the noise, about 40 draws from N(0, 1).
        k: where f has its minimum. mu, sigma: where the sliders start, inside their limits.
    Raises:
        InputError: for noise that is not finite or more than 400 draws, or limits that are not (low, high), σ above 0.
    """
    eps = finite_array(eps, "eps", 1).astype(np.float32).astype(float)
    k = _number(k, "k")
    if not 2 <= len(eps) <= 400:
        raise InputError(f"eps holds {len(eps)} draws. About 40 can be seen; give 2 to 400.")
    (m0, m1), (s0, s1) = _limits(mu_limits, 1, [])[0], _limits(sigma_limits, 1, [])[0]
    if s0 <= 0:
        raise InputError(f"sigma_limits starts at {s0:g}; σ must stay above 0.")
    mu, sigma = float(np.clip(_number(mu, "mu"), m0, m1)), float(np.clip(_number(sigma, "sigma"), s0, s1))
    reach = math.ceil(max(abs(m0), abs(m1), abs(k)) + 1.5 * s1)
    top = 1.05 * max((m - k) ** 2 + s1**2 for m in (m0, m1))
    f_step = next(t for t in (1, 2, 5, 10, 20, 50, 100, 1e9) if top / t <= 7)
    ticks = list(range(-reach, reach + 1, max(1, reach // 6)))
    mu_ticks, f_ticks = (
        list(range(math.ceil(m0), math.floor(m1) + 1)),
        [f_step * i for i in range(int(top / f_step) + 1)],
    )
    z = mu + sigma * eps
    mean, slope, slope_s = ((z - k) ** 2).mean(), 2 * (z - k).mean(), (2 * (z - k) * eps).mean()

    still = Still(800, 320)
    up, low, high = 92, 196, 72
    area = (0, 0, 520, 320)

    def at(v: Any) -> Any:
        return 260 + np.asarray(v) / reach * 250

    grid = np.linspace(-reach, reach, 301)
    still.curve(at(grid), up - _bell(grid, 0, 1) * high * 1.5, "#6b7280", 2, fill_to=up, clip=area)
    still.curve(at(grid), low + _bell(grid, mu, sigma) * high, BLUE, 2, fill_to=low, clip=area)
    for e, v in zip(eps, z, strict=True):
        still.curve([at(e), at(v)], [up, low], BLUE, 1, alpha=0.33, clip=area)
    still.curve([at(k)] * 2, [low - 16, low + 92], RED, 2, dash=(5, 3))
    for y, points, colour in ((up, eps, "#4b5563"), (low, z, BLUE)):
        still.curve([10, 510], [y, y], INK, 1)
        still.dots(at(points), np.full(len(points), y), 3.2, colour, clip=area)
    still.text("ε ~ N(0, 1), drawn once", 10, 22, bold=True)
    still.text(f"z = μ + σ·ε = {minus(mu)} + {minus(sigma)}·ε", 10, 284, bold=True, color=BLUE, halo=True)
    still.text(f"k = {minus(k, 1)}", at(k) + 5, low + 62, bold=True, halo=True, color="#b34700")
    still.axis(ticks, at, 296, 10, 510)

    def across(v: Any) -> Any:
        return 532 + 34 + (np.asarray(v) - m0) / (m1 - m0) * 222

    def down(v: Any) -> Any:
        return 282 - np.asarray(v) / top * 236

    still.text("mean of f(z) = (z − k)²", 542, 22, bold=True)
    still.axis(mu_ticks, across, 282, 566, 788)
    still.curve([566, 566], [40, 282], INK, 1)
    for t in f_ticks:
        still.text(minus(t, 0), 561, float(down(t)) + 4, size=11, color=SOFT, align="right")
    still.text("μ", 788, 313, color=SOFT, align="right")
    moves, area = np.linspace(m0, m1, 80), (566, 30, 226, 252)
    still.curve(across(moves), down(((moves[:, None] + sigma * eps - k) ** 2).mean(1)), SOFT, 1.5, clip=area)
    still.curve(
        across([mu - 0.7, mu + 0.7]), down([mean - 0.7 * slope, mean + 0.7 * slope]), RED, 3, clip=area
    )
    still.dots([across(mu)], [down(mean)], 5, BLUE, clip=area)

    alt = alt or (
        f"{len(eps)} points of fixed noise on an upper line, each joined to z = {mu:.2f} + {sigma:.2f}·ε on a lower one, with the"
        f" density of N({mu:.2f}, {sigma:.2f}²). Right: the mean of (z − {k:g})² as a smooth curve over μ with its tangent, slope"
        f" {slope:.2f} in μ ({slope_s:.2f} in σ). Sliders move μ and σ."
    )
    data = {
        "eps": base64_of(eps.astype(np.float32)), "k": k, "mu": mu, "sigma": sigma, "reach": reach, "top": top,
        "limits": {"mu": [m0, m1], "sigma": [s0, s1]}, "ticks": ticks, "mu_ticks": mu_ticks, "f_ticks": f_ticks,
    }  # fmt: skip
    hint = "The noise stays where it is; μ and σ only move and stretch the lines. Then tick the box and move μ again."
    return _figure("paths", data, still, title, alt, hint)


# ---- putting a figure together


def _figure(kind: str, data: dict[str, Any], still: Still, title: str, alt: str, hint: str) -> LiveFigure:
    script, css = _assets(kind)
    css_id = "ch10-css-" + hashlib.sha256(css.encode()).hexdigest()[:8]
    data = {**data, "kind": kind, "alt": alt, "hint": hint, "css": css_id}
    png = still.png()
    content = json.dumps(data, sort_keys=True) + script + css + title
    identifier = hashlib.sha256(content.encode() + png).hexdigest()[:12]
    data["id"] = identifier
    esc = html.escape
    page = [f'<div class="c10" data-ch10="{identifier}">']
    if title:
        page.append(f'<p class="c10-title"><strong>{esc(title)}</strong></p>')
    page.append(
        f'<img class="c10-still" alt="{esc(alt)}" width="{still.w}" height="{still.h}" style="max-width:100%;height:auto"'
        f' src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
    page.append(f'<p class="c10-off"><small>{OFF}</small></p></div>')
    page.append(f"<script>(function(data,css){{{script}}})({_json(data)},{_json(css)})</script>")
    return LiveFigure("\n".join(page), alt, png, identifier)


@cache
def _assets(kind: str) -> tuple[str, str]:
    folder = files("chapter10") / "assets"
    parts = re.split(r"(?m)^// == (.+)$", (folder / "live.js").read_text("utf-8"))
    chosen = [parts[0]]
    for heads, body in zip(parts[1::2], parts[2::2], strict=True):
        if {kind, "all", "end"} & set(heads.split()):
            chosen.append(body)
    lines = (line.strip() for line in "".join(chosen).splitlines())
    script = "\n".join(line for line in lines if line and not line.startswith("//"))
    css = re.sub(r"\s+", " ", (folder / "live.css").read_text("utf-8")).strip()
    return script, css


def _json(value: Any) -> str:
    """JSON that may stand inside a script element, whatever text is in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def _sub(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _bell(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


def _decoder_size(n: int, side: int, plane: bool) -> tuple[int, int]:
    panels = n * (2 if plane else 1)
    return panels * (side + 12) - 12, side + 24


def _still_plane(
    still: Still, x: float, side: int, bounds: list, entry: dict[str, Any], z: np.ndarray
) -> None:
    (a0, a1), (b0, b1) = bounds
    area = (x, 24, side, side)

    def across(v: Any) -> Any:
        return x + (np.asarray(v) - a0) / (a1 - a0) * side

    def down(v: Any) -> Any:
        return 24 + (b1 - np.asarray(v)) / (b1 - b0) * side

    turn = np.linspace(0, 2 * np.pi, 90)
    still.curve([across(0)] * 2, [24, 24 + side], LINE, 1, clip=area)
    still.curve([x, x + side], [down(0)] * 2, LINE, 1, clip=area)
    if "points" in entry:
        points = entry["points"]
        colours = [CLASS_COLORS[i % 10] for i in entry["index"]] if "index" in entry else BLUE
        still.dots(across(points[:, 0]), down(points[:, 1]), 1.8, colours, clip=area, alpha=0.6)
    for r in (1, 2):
        still.curve(across(r * np.cos(turn)), down(r * np.sin(turn)), SOFT, 1, dash=(3, 4), clip=area)
    for name, u, v in entry.get("names", ()):
        still.text(name, float(across(u)), float(down(v)) + 5, size=14, bold=True, align="center", halo=True)
    still.text(entry["title"], x + 2, 15, bold=True)
    zero = float(down(0)) if b0 < 0 < b1 else 24 + side
    still.text(minus(a0, 0), x + 3, zero - 4, size=10, color=SOFT, halo=True)
    still.text(minus(a1, 0), x + side - 3, zero - 4, size=10, color=SOFT, align="right", halo=True)
    still.curve([across(z[0])] * 2, [24, 24 + side], INK, 1, dash=(2, 3), clip=area)
    still.curve([x, x + side], [down(z[1])] * 2, INK, 1, dash=(2, 3), clip=area)
    still.dots([across(z[0])], [down(z[1])], 7, "white", clip=area)
    still.dots([across(z[0])], [down(z[1])], 5, INK, clip=area)


# ---- checks at the boundary


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {value!r} is not a number.") from None
    if not math.isfinite(number):
        raise InputError(f"{name} = {value!r} is not finite.")
    return number


def _codes(codes: Any, labels: Any, name: str, per_name: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    if per_name and codes is not None and not isinstance(codes, Mapping):
        raise InputError("With several decoders, codes is a dict with the decoders' names: each has its own.")
    own = codes.get(name) if isinstance(codes, Mapping) else codes
    if own is None:
        return None, None
    own = finite_array(own, f"codes of {name!r}" if name else "codes", 2)
    if own.shape[1] != 2:
        raise InputError(f"codes has the shape {list(own.shape)}; a plane shows [N, 2].")
    groups = labels.get(name) if isinstance(labels, Mapping) else labels
    if groups is None:
        return own, None
    groups = as_numpy(groups)
    if groups.shape != (len(own),):
        raise InputError(
            f"labels has the shape {list(groups.shape)} for {len(own)} codes; expected: [{len(own)}]."
        )
    if len(np.unique(groups)) > 256:
        raise InputError(f"labels names {len(np.unique(groups))} groups; at most 256 can be shown.")
    return own, groups


def _check_shape(decoder: Int8Decoder, shape: tuple[int, int], name: str) -> None:
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != decoder.size:
        whose = f"The decoder {name!r}" if name else "The decoder"
        raise InputError(
            f"{whose} gives {decoder.size} pixels, which is no picture of shape {tuple(shape)}. Give shape=(H, W)."
        )


def _dims(dims: Sequence[int], size: int) -> list[int]:
    chosen = [int(d) for d in dims]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= size:
        raise InputError(
            f"dims = {chosen}: expected different numbers from 0 to {size - 1}, the decoder's latent dimensions."
        )
    return chosen


def _limits(limits: Any, n: int, codes: list[np.ndarray]) -> list[list[float]]:
    if limits is None:
        limits = max([3.0, *(math.ceil(np.quantile(np.abs(c), 0.99)) for c in codes)])
    a = np.asarray(limits, dtype=float)
    if a.ndim == 0:
        a = np.array([-a, a])
    a = np.broadcast_to(a, (n, 2)) if a.shape == (2,) else a
    if a.shape != (n, 2) or not np.isfinite(a).all() or (a[:, 0] >= a[:, 1]).any():
        raise InputError(f"limits = {limits!r}: expected r > 0, a pair (low, high), or {n} such pairs.")
    return a.tolist()


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
