"""The adversarial game on a line (section 10.3.2): the reader moves the generator, and the best discriminator follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from chapter10 import exact
from chapter10.errors import InputError
from chapter10.int8 import finite_array
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, number
from chapter10.stills import BLUE, GREEN, INK, LINE, RED, SOFT, Still, minus, short

POINTS = 1201  # of the grid that all integrals are taken on
SHIFT, WIDTH, STRENGTH = (-6.0, 6.0), (0.3, 2.0), (0.0, 2.0)
MINIMAX, NON_SATURATING = "#8f2d00", "#6a3d9a"


def game_figure(
    means: Sequence[float] = (0.0,),
    std: float = 0.6,
    *,
    shift: float = 2.5,
    width: float = 0.6,
    strength: float = 1.0,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """The data's density p and the generator's q, which sliders move; D, V(D, G), JSD, Wasserstein, both gradients.

    D is the best discriminator with its logit times a strength: 1 is the best, 0 says one half everywhere, above 1 is
    too sure of itself. Arrows show the push that this D gives the generator, minus the gradient of its loss in the
    shift, for the chapter's formula (minimax) and for its code (non-saturating). JSD and Wasserstein distance are drawn
    over the shift. Integrals are those of `exact`, by the trapezoid rule, to nine digits.

    Args:
        means: where the data's Gaussians stand, with equal weights, from −4 to 4; std: of each, from 0.3 to 2.
        shift, width: mean and standard deviation of q at first, inside the sliders' limits.
        strength: of D, from 0 to 2.
    Raises:
        InputError: for numbers that are not finite or outside these limits.
    """
    means = finite_array(means, "means", 1)
    given = (
        ("std", std, WIDTH), ("shift", shift, SHIFT), ("width", width, WIDTH), ("strength", strength, STRENGTH),
        (say("the least of means"), means.min(), (-4, 4)), (say("the greatest of means"), means.max(), (-4, 4)),
    )  # fmt: skip
    for name, v, (low, high) in given:
        if not low <= number(v, name) <= high:
            raise InputError(
                "{name} = {v:g}: the figure has room from {low:g} to {high:g}.",
                name=name,
                v=v,
                low=low,
                high=high,
            )
    std, shift, width, strength = float(std), float(shift), float(width), float(strength)
    reach = SHIFT[1] + 6 * WIDTH[1]
    axis = torch.linspace(-reach, reach, POINTS, dtype=torch.float64)
    weights = exact.grid_weights(axis)
    log_p = torch.stack([_log_bell(axis, m, std) for m in means.tolist()]).logsumexp(0) - math.log(len(means))
    log_q = _log_bell(axis, shift, width)
    best = exact.best_discriminator(log_p, log_q).logits
    # log p as above, differentiated; log q's slope is known
    parts = torch.stack([_log_bell(axis, m, std) for m in means.tolist()]).softmax(0)
    slope_p = sum(part * (m - axis) for part, m in zip(parts, means.tolist())) / std**2
    slope = strength * (slope_p + (axis - shift) / width**2)
    gradients = exact.generator_gradients(log_q, strength * best, slope, weights)
    jsd = float(exact.jensen_shannon(log_p, log_q, weights))
    distance = float(exact.wasserstein_1d_density(log_p, log_q, axis))
    value = float(exact.value(log_p, log_q, strength * best, weights))

    top = 1.1 * max(0.4 / WIDTH[0], float(log_p.exp().max()))
    far = math.ceil(SHIFT[1] + float(np.abs(means).max()) + 0.5)
    far_ticks = list(range(0, far + 1, 2))
    ticks = list(range(int(SHIFT[0]), int(SHIFT[1]) + 1, 2))
    moves = torch.linspace(*SHIFT, 61, dtype=torch.float64).tolist()
    curves = [
        (
            float(exact.jensen_shannon(log_p, _log_bell(axis, m, width), weights)),
            float(exact.wasserstein_1d_density(log_p, _log_bell(axis, m, width), axis)),
        )
        for m in moves
    ]

    still = Still(800, 340)
    x, area = axis.numpy(), (10, 30, 500, 215)
    near = np.abs(x) <= SHIFT[1] + 0.1

    def across(v: Any) -> Any:
        return 260 + np.asarray(v) / SHIFT[1] * 250

    def share(d: Any) -> Any:
        return 244 - 200 * np.asarray(d)

    for colour, t, at in (
        (GREEN, "data p(x)", 10),
        (BLUE, "generator q(x)", 96),
        (RED, "D(x), right scale", 212),
    ):
        still.rect(at, 12, 14, 4, colour)
        still.text(t, at + 19, 18)
    for t in (0, 0.5, 1):
        still.curve([10, 510], [share(t)] * 2, LINE, 1)
    for log_density, colour in ((log_p, GREEN), (log_q, BLUE)):
        y = 244 - log_density.exp().numpy()[near] / top * 200
        still.curve(across(x[near]), y, colour, 2, fill_to=244, clip=area)
    if strength != 1:
        still.curve([344, 358], [14, 14], INK, 1.5, dash=(3, 3))
        still.text("the best: p / (p + q)", 363, 18)
        still.curve(across(x[near]), share(best.sigmoid()[near]), INK, 1.5, dash=(3, 3), clip=area)
    still.curve(across(x[near]), share((strength * best).sigmoid()[near]), RED, 2.5, clip=area)
    for t, name in ((0, "0"), (0.5, "½"), (1, "1")):
        still.text(name, 508, share(t) - 3, size=11, color="#b34700", align="right", halo=True)
    still.axis(ticks, across, 244, 10, 510)
    pushes = (
        ("push by log(1 − D), minimax", -float(gradients.minimax), MINIMAX),
        ("push by −log D, non-saturating", -float(gradients.non_saturating), NON_SATURATING),
    )
    for i, (t, push, colour) in enumerate(pushes):
        y, start = 296 + 36 * i, float(across(shift))
        end = min(max(start + 500 / 12 * push / 2, 6), 514)
        still.text(f"{t}: {short(push)}", 10, y - 9, color=colour, bold=True)
        still.curve([10, 510], [y, y], LINE, 1)
        still.arrow(
            start, y, abs(end - start), math.copysign(1, push), 0, colour, 3, head=9, clip=(0, 270, 520, 70)
        )
        still.dots([start], [y], 4, colour, clip=(0, 270, 520, 70))

    def over(v: Any) -> Any:
        return 566 + (np.asarray(v) - SHIFT[0]) / (SHIFT[1] - SHIFT[0]) * 222

    charts = (
        (34, 0.75, "JSD over the shift", jsd, 0, [0, 0.2, 0.4, 0.6], 1),
        (200, far, "Wasserstein", distance, 1, far_ticks, 0),
    )
    for y, high, name, now, which, levels, digits in charts:
        still.text(name, 538, y - 14, bold=True)
        still.text(minus(now, 3), 788, y - 14, bold=True, align="right")
        for t in levels:
            at = y + 106 - t / high * 106
            still.curve([566, 788], [at, at], LINE, 1)
            still.text(minus(t, digits), 561, at + 4, size=11, color=SOFT, align="right")
        if which == 0:
            at = y + 106 - math.log(2) / high * 106
            still.curve([566, 788], [at, at], RED, 1.5, dash=(5, 3))
            still.text("log 2", 788, at + 13, size=11, color="#b34700", align="right", halo=True)
        still.axis(ticks, over, y + 106, 566, 788)
        area = (566, y - 4, 224, 110)
        still.curve(over(moves), [y + 106 - c[which] / high * 106 for c in curves], BLUE, 2, clip=area)
        still.curve([over(shift)] * 2, [y - 4, y + 106], INK, 1, dash=(2, 3))
        still.dots([over(shift)], [y + 106 - now / high * 106], 5, BLUE, clip=(556, y - 10, 240, 126))

    alt = alt or say(
        "Left: the data's density and the generator's, N({shift:.2f}, {width:.2f}²), with a discriminator D and arrows for the"
        " push it gives the generator: {minimax:.2g} by log(1 − D), {non_saturating:.2g} by"
        " −log D. V(D, G) is {value:.2f}. Right: over the generator's shift, the JSD, now {jsd:.3f}, flattens at log 2; the"
        " Wasserstein distance, now {distance:.2f}, keeps growing. Sliders move and widen q and weaken D.",
        shift=shift, width=width, minimax=-float(gradients.minimax), non_saturating=-float(gradients.non_saturating),
        value=value, jsd=jsd, distance=distance,
    )  # fmt: skip
    page = {
        "means": means.tolist(), "std": std, "shift": shift, "width": width, "strength": strength, "top": top, "far": far,
        "limits": {"shift": SHIFT, "width": WIDTH, "strength": STRENGTH}, "reach": reach, "points": POINTS,
        "ticks": ticks, "far_ticks": far_ticks,
    }  # fmt: skip
    hint = say(
        "Move q away from p: JSD ends at log 2 and one push dies, the Wasserstein distance grows on. Then weaken D."
        " An arrow's length: half a unit of x for 1 nat a unit."
    )
    return figure("game", page, still, title, alt, hint)


def _log_bell(x: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))
