"""Densities in one dimension: a q(z) of the reader's own against the true posterior, and noise turned into samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import base64_of, finite_array
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, limits_of, number
from chapter10.stills import BLUE, GREEN, INK, LINE, RED, SOFT, Still, minus


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
    w, b, s, x, mu, log_sigma, floor = (number(v, k) for k, v in given.items())
    if s <= 0 or floor >= -1:
        raise InputError(
            "s = {s:g} and floor = {floor:g}: the noise s must be above 0, the floor of the axis below −1.",
            s=s,
            floor=floor,
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
    for i, (t, value, p, q, colour) in enumerate(bars):
        y, left, right = 36 + 54 * i, min(p, q), max(p, q)
        still.rect(at(left), y + 18, max(1.5, at(right) - at(left)), 16, colour)
        if left < floor:
            still.polygon([(416, y + 26), (426, y + 18), (426, y + 34)], colour)
        still.text(t, 426, y + 11, bold=i > 1)
        still.text(minus(value, 3), 786, y + 11, bold=i > 1, align="right")
    still.curve([at(evidence)] * 2, [22, 250], INK, 1.5, dash=(5, 3))
    still.text(
        f"log p(x) = {minus(evidence, 3)}", min(max(at(evidence), 482), 732), 17, bold=True, align="center"
    )
    still.axis(ticks, at, 250, 426, 786)
    still.text("nats", 786, 284, color=SOFT, align="right")

    alt = alt or say(
        "Left: the prior, the true posterior N({post_mean:.2f}, {post_std:.2f}²) and q = N({mu:.2f}, {sigma:.2f}²) over z."
        " Right: bars in nats; reconstruction {reconstruction:.2f} and minus KL {minus_kl:.2f} lead to the ELBO {elbo:.2f}, and"
        " the gap of {gap:.2f} from there to log p(x) = {evidence:.2f}. Sliders move q and x.",
        post_mean=post_mean, post_std=post_std, mu=mu, sigma=sigma, reconstruction=reconstruction, minus_kl=-kl, elbo=elbo,
        gap=evidence - elbo, evidence=evidence,
    )  # fmt: skip
    data = {
        "w": w, "b": b, "s": s, "x": x, "mu": mu, "log_sigma": log_sigma, "limits": limits, "top": top,
        "axis": [floor, high], "ticks": ticks,
    }  # fmt: skip
    hint = say("Move q: the bars change, the dashed line at log p(x) stays, and the last bar always ends on it. Only x moves the line.")
    return figure("elbo", data, still, title, alt, hint)


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
    k = number(k, "k")
    if not 2 <= len(eps) <= 400:
        raise InputError("eps holds {count} draws. About 40 can be seen; give 2 to 400.", count=len(eps))
    (m0, m1), (s0, s1) = limits_of(mu_limits, 1, [])[0], limits_of(sigma_limits, 1, [])[0]
    if s0 <= 0:
        raise InputError("sigma_limits starts at {s0:g}; σ must stay above 0.", s0=s0)
    mu, sigma = float(np.clip(number(mu, "mu"), m0, m1)), float(np.clip(number(sigma, "sigma"), s0, s1))
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
    still.curve(at(grid), up - bell(grid, 0, 1) * high * 1.5, "#6b7280", 2, fill_to=up, clip=area)
    still.curve(at(grid), low + bell(grid, mu, sigma) * high, BLUE, 2, fill_to=low, clip=area)
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

    alt = alt or say(
        "{count} points of fixed noise on an upper line, each joined to z = {mu:.2f} + {sigma:.2f}·ε on a lower one, with the"
        " density of N({mu:.2f}, {sigma:.2f}²). Right: the mean of (z − {k:g})² as a smooth curve over μ with its tangent, slope"
        " {slope:.2f} in μ ({slope_s:.2f} in σ). Sliders move μ and σ.",
        count=len(eps), mu=mu, sigma=sigma, k=k, slope=slope, slope_s=slope_s,
    )  # fmt: skip
    data = {
        "eps": base64_of(eps.astype(np.float32)), "k": k, "mu": mu, "sigma": sigma, "reach": reach, "top": top,
        "limits": {"mu": [m0, m1], "sigma": [s0, s1]}, "ticks": ticks, "mu_ticks": mu_ticks, "f_ticks": f_ticks,
    }  # fmt: skip
    hint = say("The noise stays where it is; μ and σ only move and stretch the lines. Then tick the box and move μ again.")
    return figure("paths", data, still, title, alt, hint)


def bell(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
