"""A decoder that runs in the page, or in the kernel: sliders move z, or one latent dimension of several images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.figures import CLASS_COLORS
from chapter10.int8 import Int8Decoder, Layer, as_numpy, base64_of, finite_array, int8_decoder
from chapter10.language import say, speaking
from chapter10.live.kernel import Answer, quick_png, through_kernel
from chapter10.live.page import LiveFigure, figure, limits_of, number, place_of
from chapter10.stills import BLUE, INK, LINE, RED, SOFT, Still, minus, sub

# What gives pictures: layers from `layers_of`, or with runs="kernel" also a function or module, z [B, L] -> [B, D] in [0, 1].
Decoder = Sequence[Layer] | Callable[[Any], Any]


def decoder_figure(
    layers: Decoder | Mapping[str, Decoder],
    *,
    runs: str = "page",
    codes: Any = None,
    labels: Any = None,
    limits: Any = None,
    dims: Sequence[int] | None = None,
    start: Sequence[float] | None = None,
    base: Sequence[float] | None = None,
    shape: tuple[int, int] = (28, 28),
    invert: bool = True,
    max_points: int = 1500,
    path: Any = None,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """A slider for each latent dimension moves z; the decoder draws the picture at once, beside the latent plane.

    With two latent dimensions the plane is shown with the codes and the circles |z| = 1 and 2 of N(0, I), and z can be
    dragged in it. Several decoders stand side by side and decode the same z.

    Args:
        layers: one decoder (see `layers_of`), or a dict of named ones with the same number of latent dimensions.
        runs: "page", where the decoder runs in the page with int8 weights; or "kernel", for one that is too large for a page:
            there `layers` may also be a function of z [B, L], a float32 tensor, that gives pixels [B, D] in [0, 1], and `base`
            says how large L is, if there are no codes.
        codes: [N, 2], where images lie in the plane; a dict of the same names where there are several decoders.
        labels: [N], which group each code is of; a dict likewise, or the same for all.
        limits: r for [−r, r], a pair, or a pair for each slider; default: what holds 99 % of the codes, at least 3.
        dims: which latent dimensions get a slider, counted from 0; default: the first two. The others stay at `base`
            [L] (default: 0).
        start: where the sliders stand first; default: 0.
        shape: (H, W) of the picture. invert: draw 1 as ink on white paper.
        max_points: codes stored in the page; of more, as many are taken at even steps.
        path: [2, 2], two ends in the plane. A switch and a slider then move z from one to the other, on the straight way or
            on the spherical one (slerp, Shoemake 1985), and both are drawn in the plane.
    Raises:
        InputError: for decoders, codes or limits that don't fit together.
    """
    named = dict(layers) if isinstance(layers, Mapping) else {"": layers}
    if not named:
        raise InputError("There is no decoder to show: the dict is empty.")
    per_name = isinstance(layers, Mapping)
    found_codes = {n: _codes(codes, labels, n, per_name) for n in named}
    check_runs(runs)
    known = next((c.shape[1] for c, _ in found_codes.values() if c is not None), None if base is None else np.size(base))
    wide = {n: _decoder(part, runs, known) for n, part in named.items()}
    latent = {n: d.latent_dim for n, d in wide.items()}
    if len(set(latent.values())) > 1:
        raise InputError(
            "The decoders have different numbers of latent dimensions: {latent}. They share the sliders.",
            latent=latent,
        )
    size = next(iter(latent.values()))
    for n, d in wide.items():
        _check_shape(d, shape, n)
    dims = _dims(list(range(min(2, size))) if dims is None else dims, size)
    plane = size == 2 and len(dims) == 2
    if not plane and any(c is not None for c, _ in found_codes.values()):
        raise InputError(
            "Codes are shown for decoders with 2 latent dimensions; this one has {size}.",
            size=size,
        )
    bounds = limits_of(limits, len(dims), [c for c, _ in found_codes.values() if c is not None])
    ends = None if path is None else _ends(path, plane)
    if ends is not None and start is None:
        start = ends[0]
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
    pictures, still_titles = [], []
    for n, part in named.items():
        decoder = int8_decoder(part, probe) if runs == "page" else wide[n]
        pictures.append(decoder(z)[0].reshape(shape))
        points, own = found_codes[n]
        entry: dict[str, Any] = {
            "name": n,
            **({"net": decoder.payload()} if runs == "page" else {"first": base64_of(as_bytes(pictures[-1]))}),
        }
        kept = None
        if points is not None:
            chosen = np.linspace(0, len(points) - 1, min(len(points), max_points)).astype(int)
            kept = points[chosen].astype(np.float32)
            entry |= {"codes": base64_of(kept), "points": kept}
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
        entry |= _titles(n, kept)
        with speaking("en"):
            still_titles.append(_titles(n, kept))
        parts.append(entry)
    still = Still(*_decoder_size(len(named), side, plane))
    x = 0
    for entry, titles, picture in zip(parts, still_titles, pictures, strict=True):
        if plane:
            _still_plane(still, x, side, bounds, entry | titles, start, ends)
            x += side + 12
        still.text(titles["decoded"], x + 2, 15, bold=True)
        off = (side - np.array(shape) * scale) / 2
        still.image(
            1 - picture if invert else picture, x + off[1], 24 + off[0], shape[1] * scale, shape[0] * scale
        )
        x += side + 12
    alt = alt or _alt([n for n in named if n], start, plane, path is not None)
    data = {
        "decoders": [{k: v for k, v in e.items() if k not in ("points", "index")} for e in parts],
        "limits": bounds, "dims": dims, "start": start.tolist(), "base": base.tolist(), "shape": list(shape), "side": side,
        "path": None if ends is None else ends.tolist(), "map": plane, "invert": invert, "colours": CLASS_COLORS,
        "names": [str(n) for n in names],
    }  # fmt: skip
    if plane:
        hint = say("Move the sliders, or drag the cross in the plane. Dashed circles: |z| = 1 and 2.")
    else:
        hint = say("Move the sliders.")
    if ends is not None:
        way = say("Choose a way and move t: blue is straight, orange is spherical.")
        hint = say("{one} {next}", one=hint, next=way)
    page = figure("decoder", data, still, title, alt, hint, runs)
    if runs == "page":
        return page

    def answer(sent: Any, _sharp: float = 1.0) -> Answer:
        moved = base.copy()
        moved[dims] = np.clip(finite_array(sent, say("the sliders"), 1, len(dims)), *np.transpose(bounds))
        return Answer(strip([d(moved)[0] for d in wide.values()], shape))

    return through_kernel(page, answer, start.tolist(), Answer(strip(pictures, shape)))


def walk_figure(
    layers: Decoder,
    codes: Any,
    *,
    runs: str = "page",
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
        layers: the decoder (see `layers_of`), L latent dimensions; with runs="kernel" also a function, as for `decoder_figure`.
        codes: [N, L], the images' codes, at most 12.
        dims: the dimensions to choose from, counted from 0, in this order; default: all.
        names: what the choice calls each of `dims`; default: z₁, z₂ and so on.
        start: place in `dims` of the one chosen first; default: the one that changes the images most. value: where the slider stands first.
        limits: r for [−r, r], or a pair.
    Raises:
        InputError: for codes, dimensions or names that don't fit the decoder.
    """
    check_runs(runs)
    codes = finite_array(codes, "codes", 2).astype(np.float32).astype(float)
    whole = _decoder(layers, runs, codes.shape[1])
    _check_shape(whole, shape, "")
    if codes.shape[1] != whole.latent_dim or not 1 <= len(codes) <= 12:
        raise InputError(
            "codes has the shape {shape}; for this decoder it is [N, {latent_dim}] with N from 1 to 12.",
            shape=list(codes.shape),
            latent_dim=whole.latent_dim,
        )
    dims = _dims(range(whole.latent_dim) if dims is None else dims, whole.latent_dim)
    names = [f"z{sub(d + 1)}" for d in dims] if names is None else [str(n) for n in names]
    if len(names) != len(dims):
        raise InputError(
            "There are {count} names for {count_2} dimensions. Give one for each.",
            count=len(names),
            count_2=len(dims),
        )
    if start is not None and not 0 <= start < len(dims):
        raise InputError(
            "start = {start} is no place in the {count} dimensions. Count from 0.",
            start=start,
            count=len(dims),
        )
    (low, high) = limits_of(limits, 1, [])[0]
    value = float(np.clip(number(value, "value"), low, high))
    probe = np.repeat(codes[None], 5 * len(dims), 0)
    for i, (d, v) in enumerate((d, v) for d in dims for v in np.linspace(low, high, 5)):
        probe[i, :, d] = v
    decoder = int8_decoder(layers, probe.reshape(-1, whole.latent_dim)) if runs == "page" else whole
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
    alt = alt or say(
        "Three rows of {count} images: as encoded, with latent dimension {dimension} set to {value:.2f}, and the change between"
        " them, ink gained in blue and lost in orange. A menu chooses the dimension, a slider its value.",
        count=n, dimension=d + 1, value=value,
    )  # fmt: skip
    first = {"first": [[base64_of(as_bytes(p)) for p in row] for row in (before, after)]}
    data = {
        **({"net": decoder.payload()} if runs == "page" else first),
        "codes": codes.tolist(), "dims": dims, "names": names, "start": start, "value": value,
        "limits": [low, high], "shape": list(shape), "scale": scale, "left": left, "width": width, "height": height,
        "invert": invert,
    }  # fmt: skip
    hint = say("Choose a dimension and move its value: all images get the same one. Blue: ink gained; orange: ink lost.")
    page = figure("walk", data, still, title, alt, hint, runs)
    if runs == "page":
        return page

    def answer(sent: Any, _sharp: float = 1.0) -> Answer:
        place, moved = place_of(sent[0], len(dims), say("the dimension")), codes.copy()
        moved[:, dims[place]] = np.clip(number(sent[1], say("its value")), low, high)
        return Answer(strip([*before, *decoder(moved)], shape))

    return through_kernel(page, answer, [start, value], Answer(strip([*before, *after], shape)))


def as_bytes(picture: Any) -> np.ndarray:
    """Pixels in [0, 1] as uint8, of the same shape."""
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def strip(pictures: Sequence[Any], shape: tuple[int, int]) -> bytes:
    """Pictures [H·W] or [H, W] side by side, as PNG."""
    return quick_png(as_bytes(np.concatenate([np.reshape(p, shape) for p in pictures], 1)))


def check_runs(runs: str) -> None:
    if runs not in ("page", "kernel"):
        raise InputError('runs is {runs!r}; give "page" or "kernel".', runs=runs)


class Called:
    """A function of z, as the decoders of the page are called: z [B, L] or [L] -> pixels [B, D] in [0, 1], float64."""

    def __init__(self, function: Callable[[Any], Any], latent_dim: int):
        self.function, self.latent_dim = function, latent_dim
        self.size = self(np.zeros(latent_dim)).shape[1]

    def __call__(self, z: Any) -> np.ndarray:
        import torch

        with torch.no_grad():
            found = as_numpy(self.function(torch.as_tensor(np.atleast_2d(z), dtype=torch.float32)))
        found = found.reshape(len(found), -1).astype(float)
        if not np.isfinite(found).all() or found.min() < -1e-6 or found.max() > 1 + 1e-6:
            raise InputError(
                "The decoder gives values from {lowest:.3g} to {highest:.3g}; pixels lie in [0, 1]. Does a sigmoid "
                "lack?",
                lowest=found.min(),
                highest=found.max(),
            )
        return found


def _decoder(given: Any, runs: str, latent_dim: int | None) -> Int8Decoder | Called:
    if not callable(given):
        return int8_decoder(given)
    if runs == "page":
        raise InputError(
            'The page runs layers, see live.layers_of; a function runs in the kernel. Give layers, or runs="kernel".'
        )
    if latent_dim is None:
        raise InputError("How many numbers the function decodes is not known. Give base=[0.0] * L, or codes.")
    return Called(given, int(latent_dim))


def _titles(name: str, codes: np.ndarray | None) -> dict[str, str]:
    """What stands above a decoder's picture, and above the plane with its codes."""
    if codes is None:
        title = name or say("latent plane")
    elif name:
        title = say("{name}: {count:,} codes", name=name, count=len(codes))
    else:
        title = say("latent plane: {count:,} codes", count=len(codes))
    return {"decoded": say("{name}, decoded", name=name) if name else say("decoded from z"), "title": title}


def _alt(names: Sequence[str], start: np.ndarray, plane: bool, path: bool) -> str:
    z = ", ".join(f"{v:.2f}" for v in start)
    of = say("the {name}", name=names[0]) if names else say("a decoder")
    for name in names[1:]:
        of = say("{others} and the {name}", others=of, name=name)
    if plane and len(names) > 1:
        shown = say(
            "The latent plane of {of} with the codes of images, a cross at z = ({z}), and the picture that {of} draw from it.", of=of, z=z
        )
    elif plane:
        shown = say(
            "The latent plane of {of} with the codes of images, a cross at z = ({z}), and the picture that {of} draws from it.", of=of, z=z
        )
    elif len(names) > 1:
        shown = say("z = ({z}), and the picture that {of} draw from it.", of=of, z=z)
    else:
        shown = say("z = ({z}), and the picture that {of} draws from it.", of=of, z=z)
    if path:
        moved = say("Sliders move z, and a switch takes it along a straight line or an arc between two ends.")
    else:
        moved = say("Sliders move z.")
    return say("{one} {next}", one=shown, next=moved)


def _decoder_size(n: int, side: int, plane: bool) -> tuple[int, int]:
    panels = n * (2 if plane else 1)
    return panels * (side + 12) - 12, side + 24


def _still_plane(
    still: Still, x: float, side: int, bounds: list, entry: dict[str, Any], z: np.ndarray, ends: np.ndarray | None
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
    if ends is not None:
        t = np.linspace(0, 1, 41)[:, None]
        ways = (ends[0] + t * (ends[1] - ends[0]), slerp(ends[0], ends[1], t))
        for way, colour in zip(ways, (BLUE, RED), strict=True):
            still.curve(across(way[:, 0]), down(way[:, 1]), colour, 1.5, clip=area)
        still.dots(across(ends[:, 0]), down(ends[:, 1]), 3, SOFT, clip=area)
    zero = float(down(0)) if b0 < 0 < b1 else 24 + side
    still.text(minus(a0, 0), x + 3, zero - 4, size=10, color=SOFT, halo=True)
    still.text(minus(a1, 0), x + side - 3, zero - 4, size=10, color=SOFT, align="right", halo=True)
    still.curve([across(z[0])] * 2, [24, 24 + side], INK, 1, dash=(2, 3), clip=area)
    still.curve([x, x + side], [down(z[1])] * 2, INK, 1, dash=(2, 3), clip=area)
    still.dots([across(z[0])], [down(z[1])], 7, "white", clip=area)
    still.dots([across(z[0])], [down(z[1])], 5, INK, clip=area)


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """From a to b [2] on the spherical way, at t [N, 1]: [N, 2]."""
    turn = np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
    return (np.sin((1 - t) * turn) * a + np.sin(t * turn) * b) / np.sin(turn)


def _ends(path: Any, plane: bool) -> np.ndarray:
    ends = finite_array(path, "path", 2)
    if not plane or ends.shape != (2, 2):
        raise InputError(
            "path has the shape {shape}; give two ends, [2, 2], in a plane of two latent dimensions.",
            shape=list(ends.shape),
        )
    lengths = np.linalg.norm(ends, axis=1)
    if lengths.min() < 1e-6 or abs(ends[0, 0] * ends[1, 1] - ends[0, 1] * ends[1, 0]) < 1e-6 * lengths.prod():
        raise InputError(
            "path goes from {end} to {end_2}: the ends must lie in different directions from 0, and not opposite.",
            end=ends[0],
            end_2=ends[1],
        )
    return ends


def _codes(codes: Any, labels: Any, name: str, per_name: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    if per_name and codes is not None and not isinstance(codes, Mapping):
        raise InputError("With several decoders, codes is a dict with the decoders' names: each has its own.")
    own = codes.get(name) if isinstance(codes, Mapping) else codes
    if own is None:
        return None, None
    own = finite_array(own, say("codes of {name!r}", name=name) if name else "codes", 2)
    if own.shape[1] != 2:
        raise InputError("codes has the shape {shape}; a plane shows [N, 2].", shape=list(own.shape))
    groups = labels.get(name) if isinstance(labels, Mapping) else labels
    if groups is None:
        return own, None
    groups = as_numpy(groups)
    if groups.shape != (len(own),):
        raise InputError(
            "labels has the shape {shape} for {count} codes; expected: [{count}].",
            shape=list(groups.shape),
            count=len(own),
        )
    if len(np.unique(groups)) > 256:
        raise InputError(
            "labels names {count} groups; at most 256 can be shown.",
            count=len(np.unique(groups)),
        )
    return own, groups


def _check_shape(decoder: Int8Decoder | Called, shape: tuple[int, int], name: str) -> None:
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != decoder.size:
        whose = say("The decoder {name!r}", name=name) if name else say("The decoder")
        raise InputError(
            "{whose} gives {size} pixels, which is no picture of shape {shape}. Give shape=(H, W).",
            whose=whose,
            size=decoder.size,
            shape=tuple(shape),
        )


def _dims(dims: Sequence[int], size: int) -> list[int]:
    chosen = [int(d) for d in dims]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= size:
        raise InputError(
            "dims = {chosen}: expected different numbers from 0 to {size_less_1}, the decoder's latent dimensions.",
            chosen=chosen,
            size_less_1=size - 1,
        )
    return chosen
