"""A decoder that runs in the page: sliders move z, or one latent dimension of several images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.figures import CLASS_COLORS
from chapter10.int8 import Int8Decoder, Layer, as_numpy, base64_of, finite_array, int8_decoder
from chapter10.live.page import LiveFigure, figure, limits_of, number
from chapter10.stills import BLUE, INK, LINE, SOFT, Still, minus, sub


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
    bounds = limits_of(limits, len(dims), [c for c, _ in found_codes.values() if c is not None])
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
    return figure("decoder", data, still, title, alt, hint)


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
    names = [f"z{sub(d + 1)}" for d in dims] if names is None else [str(n) for n in names]
    if len(names) != len(dims):
        raise InputError(f"There are {len(names)} names for {len(dims)} dimensions. Give one for each.")
    if start is not None and not 0 <= start < len(dims):
        raise InputError(f"start = {start} is no place in the {len(dims)} dimensions. Count from 0.")
    (low, high) = limits_of(limits, 1, [])[0]
    value = float(np.clip(number(value, "value"), low, high))
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
    for r, t in enumerate(("as encoded", f"z{sub(d + 1)} = {minus(value)}", "change")):
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
    return figure("walk", data, still, title, alt, hint)


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
