"""A slider over β runs through stored models: what they reconstruct, and what one of their latent dimensions does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import Int8Decoder, Layer, base64_of, finite_array, int8_decoder
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, number, pixels_of, place_of
from chapter10.stills import BLUE, INK, LINE, RED, SOFT, Still, minus, sub

STEPS = tuple(float(v) for v in range(-3, 4))  # of the walk
LARGEST = 500_000  # characters that the decoders may take in a notebook, about three for two weights with what goes with them
BLANK = (
    2 / 255
)  # pixels that stay below in all pictures of the figure are left out: nobody sees two grey levels
LEFT, MOST, SIDE = 92, 7, 84
BARS, CURVE = (456, 176), (268, 176)
AREA, PLOT = (40, 448, 30, 146), (46, 256, 30, 146)  # left, right, top, bottom of bars and curve


@dataclass(frozen=True)
class BetaModel:
    """One stored model of `beta_figure`.

    Attributes:
        beta: what it was trained with.
        layers: its decoder, as `layers_of` gives it.
        codes: [N, L], μ of the figure's images.
        kl: [L], the KL of each dimension over the test set, in nats; their sum is shown as the model's KL.
        reconstruction: E[log p(x|z)] over the test set, in nats.
        numbers: more to show beside them, by name.
    """

    beta: float
    layers: Sequence[Layer]
    codes: Any
    kl: Any
    reconstruction: float
    numbers: Mapping[str, float] = field(default_factory=dict)


def beta_figure(
    models: Sequence[BetaModel],
    images: Any,
    *,
    start: float | None = None,
    image: int = 0,
    names: Sequence[str] | None = None,
    shape: tuple[int, int] = (28, 28),
    invert: bool = True,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """A slider over β: images decoded by the model chosen, and a walk along a latent dimension of one of them.

    Dimensions stand in the order of their KL, which is written beside them and drawn as bars; where the model stands
    between KL and reconstruction is drawn beside these. From one β to the next the place in that order stays chosen.

    Args:
        models: two or more of different β, with decoders of one kind; shown from the least β to the greatest.
        images: [N, D] in [0, 1], N up to 7, those that the models' codes are of.
        start: the β shown first; default: the one nearest to 1.
        image: which one is walked from first, counted from 0. names: what the menu calls each; default: "image 1" and so on.
        shape: (H, W) of a picture. invert: draw 1 as ink on white paper.
    Raises:
        InputError: for models that don't fit one another or the images, or more weights than a notebook should hold.
    """
    found = list(models)
    if len(found) < 2 or not all(isinstance(m, BetaModel) for m in found):
        raise InputError("models is no list of two or more BetaModel, so β cannot be moved.")
    if len({number(m.beta, "beta") for m in found}) < len(found):
        raise InputError(
            "Two models have the same β: {value}. Give each β once.",
            value=[m.beta for m in found],
        )
    found.sort(key=lambda m: m.beta)
    pixels = pixels_of(images, shape, MOST)
    english = [f"image {i + 1}" for i in range(len(pixels))] if names is None else [str(n) for n in names]
    names = [say("image {number}", number=i + 1) for i in range(len(pixels))] if names is None else english
    if len(names) != len(pixels):
        raise InputError(
            "There are {count} names for {count_2} images. Give one for each.",
            count=len(names),
            count_2=len(pixels),
        )
    image = place_of(image, len(pixels), "image")
    checked = [_checked(m, len(pixels), shape) for m in found]
    for what, several in (
        (say("latent dimensions"), {c.shape[1] for _, c, _ in checked}),
        (say("further numbers"), {tuple(m.numbers) for m in found}),
    ):
        if len(several) > 1:
            raise InputError(
                "The models have different {what}: {several}. The figure needs the same in all.",
                what=what,
                several=sorted(several),
            )
    stored = sum(len(json.dumps(decoder.payload())) for decoder, _, _ in checked)
    if stored > LARGEST:
        raise InputError(
            "The {count} decoders take {value:,.0f} kB in the page; a notebook has room for {value_2} of them. "
            "Give fewer models, or smaller ones (hidden_dim=64).",
            count=len(found),
            value=stored / 1000,
            value_2=LARGEST // 1000,
        )
    betas = np.array([m.beta for m in found], dtype=float)
    if start is None:
        first = int(np.abs(np.log(np.maximum(betas, 1e-6))).argmin())
    elif (betas == number(start, "start")).any():
        first = int((betas == start).argmax())
    else:
        raise InputError(
            "start = {start} is none of the models' β: {choices}.",
            start=start,
            choices=', '.join(f'{b:g}' for b in betas),
        )
    entries = [_entry(m, *parts) for m, parts in zip(found, checked, strict=True)]
    top = max(1e-3, 1.08 * max(float(kl.max()) for _, _, kl in checked))
    at = np.array([e["at"] for e in entries])
    low, high = at.min(0), at.max(0)
    room = np.maximum(0.08 * (high - low), 0.5)
    spread = [
        max(0.0, low[0] - room[0]),
        float(high[0] + room[0]),
        float(low[1] - room[1]),
        float(high[1] + room[1]),
    ]
    ticks = {"kl": _ticks(0, top, 4), "x": _ticks(*spread[:2], 5), "y": _ticks(*spread[2:], 4)}
    h, w = shape
    scale = max(1, SIDE // max(shape))
    rows = [4, 4 + h * scale + 8, 4 + 2 * (h * scale + 8) + 28]
    width, height = LEFT + MOST * (w * scale + 8), rows[2] + h * scale + 24
    data = {
        "models": entries, "pixels": base64_of(pixels), "names": names, "image": image, "start": first, "steps": STEPS,
        "numbers": [say("reconstruction"), "KL", "ELBO", *map(str, found[0].numbers)], "shape": [h, w], "scale": scale,
        "left": LEFT, "rows": rows, "width": max(width, BARS[0] + CURVE[0] + 12), "height": height, "invert": invert, "top": top,
        "range": spread, "ticks": ticks, "digits": 0 if all(t == round(t) for t in ticks["kl"]) else 2, "bars": AREA, "curve": PLOT,
        "size": {"bars": BARS, "curve": CURVE},
    }  # fmt: skip
    entry, (decoder, _, kl) = entries[first], checked[first]
    alt = alt or say(
        "Rows of {images} images, what the model of β = {beta} decodes from their codes, and a walk along its"
        " latent dimension {dimension}, which costs {cost} nats. Below, the KL of its dimensions as bars, and"
        " its reconstruction, {reconstruction} nats, over its KL, {kl} nats, among {models} models. A"
        " slider chooses β, menus the dimension and the image.",
        images=len(pixels), beta=entry["beta"], dimension=entry["order"][0] + 1, cost=minus(kl.max()),
        reconstruction=entry["numbers"][0], kl=entry["numbers"][1], models=len(found),
    )  # fmt: skip
    hint = say("Move β. A click on an image walks from it, a click on a bar along its dimension; the bars keep one scale for all β.")
    return figure("beta", data, _still({**data, "names": english}, decoder, pixels), title, alt, hint)


def _checked(model: BetaModel, n: int, shape: tuple[int, int]) -> tuple[Int8Decoder, np.ndarray, np.ndarray]:
    """Its decoder, lean, its codes [N, L] and the KL of its dimensions [L]."""
    whose = say("of the model with β = {beta:g}", beta=model.beta)
    if model.beta < 0:
        raise InputError("β is {beta:g}; a model's β is 0 or greater.", beta=model.beta)
    number(model.reconstruction, say("The reconstruction {whose}", whose=whose))
    for name, value in model.numbers.items():
        number(value, say("{name} {whose}", name=name, whose=whose))
    whole = int8_decoder(model.layers)
    if whole.size != shape[0] * shape[1]:
        raise InputError(
            "The decoder {whose} gives {size} pixels, which is no picture of shape {shape}. Give shape=(H, W).",
            whose=whose,
            size=whole.size,
            shape=tuple(shape),
        )
    codes = finite_array(model.codes, say("The codes {whose}", whose=whose), 2)
    if codes.shape != (n, whole.latent_dim):
        raise InputError(
            "The codes {whose} have the shape {shape}; for {n} images and this decoder it is [{n}, {latent_dim}].",
            whose=whose,
            shape=list(codes.shape),
            n=n,
            latent_dim=whole.latent_dim,
        )
    kl = finite_array(model.kl, say("The KL {whose}", whose=whose), 1, whole.latent_dim)
    if kl.min() < -1e-3:
        raise InputError(
            "The KL {whose} is {lowest:.3g} in a dimension; a KL is never below 0.",
            whose=whose,
            lowest=kl.min(),
        )
    # the page's own numbers, so that still and page draw the same
    codes = codes.round(3)
    probe = np.repeat(codes[None], len(STEPS) * codes.shape[1], 0)
    for i, (j, v) in enumerate((j, v) for j in range(codes.shape[1]) for v in STEPS):
        probe[i, :, j] = v
    probe = np.concatenate([codes, probe.reshape(-1, codes.shape[1])])
    return int8_decoder(model.layers, probe, BLANK), codes, np.maximum(kl, 0)


def _entry(model: BetaModel, decoder: Int8Decoder, codes: np.ndarray, kl: np.ndarray) -> dict[str, Any]:
    total, reconstruction = float(kl.sum()), float(model.reconstruction)
    numbers = [minus(v) for v in (reconstruction, total, reconstruction - total)]
    numbers += [f"{float(v):.3g}".replace("-", "−") for v in model.numbers.values()]
    return {
        "beta": f"{model.beta:g}", "net": decoder.payload(), "codes": codes.tolist(), "kl": kl.round(3).tolist(),
        "order": np.argsort(-kl, kind="stable").tolist(), "numbers": numbers, "at": [total, reconstruction],
    }  # fmt: skip


def _ticks(low: float, high: float, n: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(t) for t in MaxNLocator(n, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= t <= high]


def _still(data: dict[str, Any], decoder: Int8Decoder, pixels: np.ndarray) -> Still:
    """What the page draws first."""
    entry, i = data["models"][data["start"]], data["image"]
    codes, kl, order = np.array(entry["codes"]), entry["kl"], entry["order"]
    (h, w), k, rows, height = data["shape"], data["scale"], data["rows"], data["height"]
    still = Still(data["width"], height + 12 + BARS[1])
    j, pitch = order[0], w * k + 8
    name = f"z{sub(j + 1)}"
    walked = np.repeat(codes[i : i + 1], len(STEPS), 0)
    walked[:, j] = STEPS
    still.text("images", 2, rows[0] + h * k / 2 + 4)
    still.text("decoded,", 2, rows[1] + h * k / 2 - 4, bold=True)
    still.text(f"β = {entry['beta']}", 2, rows[1] + h * k / 2 + 12, bold=True, color=BLUE)
    for y, pictures in zip(rows, (pixels / 255, decoder(codes), decoder(walked)), strict=True):
        for q, p in enumerate(pictures):
            p = p.reshape(h, w)
            still.image(1 - p if data["invert"] else p, LEFT + q * pitch, y, w * k, h * k)
    x = LEFT + i * pitch
    a, b, c, e = x - 3, x + w * k + 3, rows[0] - 3, rows[1] + h * k + 3
    still.curve([a, b, b, a, a], [c, c, e, e, c], RED, 2)
    still.text(
        f"{name} of {data['names'][i]} from {minus(STEPS[0], 0)} to {minus(STEPS[-1], 0)}; it costs {minus(kl[j])} nats, and is"
        f" {minus(codes[i, j])} as encoded", LEFT, rows[2] - 9, bold=True,
    )  # fmt: skip
    still.text(f"{name} =", LEFT - 12, rows[2] + h * k + 16, color=SOFT, align="right")
    for q, v in enumerate(STEPS):
        still.text(
            minus(v, 0), LEFT + q * pitch + w * k / 2, rows[2] + h * k + 16, color=SOFT, align="center"
        )

    down = height + 12
    left, right, top, bottom = AREA
    still.text("KL of each dimension, nats", 2, down + 15, bold=True)
    for t in data["ticks"]["kl"]:
        y = down + bottom - (bottom - top) * t / data["top"]
        still.curve([left, right], [y, y], LINE, 1)
        still.text(minus(t, data["digits"]), left - 5, y + 4, size=11, color=SOFT, align="right")
    wide = (right - left) / len(order)
    for p, q in enumerate(order):
        y = bottom - (bottom - top) * kl[q] / data["top"]
        still.rect(left + (p + 0.1) * wide, down + y, 0.8 * wide, max(1, bottom - y), BLUE if p else RED)
        if wide > 15 or p == 0:
            still.text(
                f"z{sub(q + 1)}", left + (p + 0.5) * wide, down + bottom + 14, size=10, align="center",
                color=SOFT if p else INK, bold=not p,
            )  # fmt: skip
    still.curve([left, right], [down + bottom] * 2, INK, 1)

    (left, right, top, bottom), (a0, a1, b0, b1), across = PLOT, data["range"], BARS[0] + 12

    def over(v: Any) -> Any:
        return across + left + (np.asarray(v) - a0) / (a1 - a0) * (right - left)

    def up(v: Any) -> Any:
        return down + bottom - (np.asarray(v) - b0) / (b1 - b0) * (bottom - top)

    still.text("reconstruction over KL, nats", across + 2, down + 15, bold=True)
    for t in data["ticks"]["y"]:
        still.curve([across + left, across + right], [up(t)] * 2, LINE, 1)
        still.text(minus(t, 0), across + left - 5, float(up(t)) + 4, size=11, color=SOFT, align="right")
    still.axis(data["ticks"]["x"], over, down + bottom, across + left, across + right)
    at, area = np.array([m["at"] for m in data["models"]]), (across, down, *CURVE)
    still.curve(over(at[:, 0]), up(at[:, 1]), SOFT, 1.5)
    still.dots(over(at[:, 0]), up(at[:, 1]), 3, SOFT, clip=area)
    still.dots([over(entry["at"][0])], [up(entry["at"][1])], 6, BLUE, clip=area)
    where = (across + right, down + bottom - 8)
    still.text(f"β = {entry['beta']}", *where, align="right", bold=True, color=BLUE, halo=True)
    return still
