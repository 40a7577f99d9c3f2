"""A critic on a line (section 10.5.2), trained in the page beside the best one there is and the exact Wasserstein distance.

The critic's step, the penalty on its slope, clipping and spectral normalisation are those of `chapter10/wgan.py`, written
out in `assets/critic.js`; a test holds one to the other.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chapter10 import exact, nets, wgan
from chapter10.errors import InputError
from chapter10.int8 import base64_of, finite_array
from chapter10.language import say
from chapter10.live.lab import flat_weights
from chapter10.live.page import LiveFigure, figure, number
from chapter10.stills import BLUE, GREEN, INK, LINE, RED, SOFT, Still, minus, short

REACH, POINTS = 6.0, 481  # the line that is drawn, from −6 to 6, and at how many places
MEAN, SPREAD, PENALTY, CLIP = 5.0, 1.5, 50.0, 0.5  # the greatest values of the sliders
RATES = (0.001, 0.003, 0.01)
PUSH = 0.25  # how far a fake moves in a step of its own, times the critic's slope
BETAS = (0.0, 0.9)  # of Adam, as `wgan.WGANTraining` has it
HOLDS = ("none", *wgan.LIPSCHITZ)


def critic_figure(
    real: Any = None,
    fakes: Any = None,
    *,
    lipschitz: str = "penalty",
    penalty: float = 10.0,
    clip: float = 0.1,
    rate: float = 0.001,
    steps: int = 0,
    critic: nn.Module | None = None,
    seed: int = 1,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """Real and generated points on a line and a critic that the reader trains: its curve, its slope, what it estimates.

    Beside them stand the best critic, whose slope is 1, −1 or 0, and the exact distance. What holds the slope is chosen
    in the page: nothing, clipping, the penalty or spectral normalisation; the fakes are dragged, or moved by sliders, or
    follow the critic's slope. Each step takes all points; Adam has β = (0, 0.9).

    Args:
        real, fakes: [N] each, N from 2 to 200, within ±5; default: 40 real points in two clumps, 40 fakes around 3.
        lipschitz: what holds the slope at first: "none", "clipping", "penalty" or "spectral".
        penalty: λ, up to 50. clip: c, from 0.01 to 0.5. rate: of Adam.
        steps: taken before the figure is shown, so that the still picture too shows a trained critic; up to 5,000.
        critic: the one to start from, Linear and ReLU from 1 to 1; default: two hidden layers of 32.
        seed: of the start and of the places on the lines between points; the button "Other start" takes the next one.
    Raises:
        InputError: for points or settings that the figure has no room for, or a critic that the page can't run.
    """
    x = _points(_clumps() if real is None else real, "real")
    y = _points(_normal_points(3.0, 0.5, len(x)) if fakes is None else fakes, "fakes")
    if len(x) != len(y):
        raise InputError(
            "There are {count} real points and {count_2} fakes; give as many of both.",
            count=len(x),
            count_2=len(y),
        )
    if lipschitz not in HOLDS:
        raise InputError(
            "lipschitz is {lipschitz!r}; choose what holds the critic's slope: {choices}.",
            lipschitz=lipschitz,
            choices=', '.join(HOLDS),
        )
    for name, v, low, high in (
        ("penalty", penalty, 0, PENALTY), ("clip", clip, 0.01, CLIP), ("rate", rate, 1e-5, 0.1), ("steps", steps, 0, 5000),
    ):  # fmt: skip
        if not low <= number(v, name) <= high:
            raise InputError(
                "{name} = {v:g}: the figure has room from {low:g} to {high:g}.",
                name=name,
                v=v,
                low=low,
                high=high,
            )
    steps = int(steps)
    if critic is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            critic = nets.mlp([1, 32, 32, 1])
    flat_weights(critic, (1, 1), say("critic"))  # refuses what the page can't run
    critic, history = _trained(critic, x, y, lipschitz, float(penalty), float(clip), float(rate), steps, seed)
    weights, sizes = flat_weights(critic, (1, 1), say("critic"))

    axis = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    curve, slope = exact.values_and_slopes(lambda v: critic(v.unsqueeze(-1)).squeeze(-1), axis)
    with torch.no_grad():
        on_real, on_fakes = (critic(t.unsqueeze(-1)).squeeze(-1) for t in (x, y))
    estimate, distance = float(on_real.mean() - on_fakes.mean()), float(exact.wasserstein_1d(x, y))
    steepest = float(slope.abs().max())
    bound = math.prod(sizes[1:-1]) * clip ** (len(sizes) - 1)
    allowed = {
        "none": "any", "clipping": f"{short(bound)} (by c)", "penalty": "near 1" if penalty else "any", "spectral": "1"
    }[lipschitz]  # fmt: skip
    rows = (
        ("critic’s steps", str(steps)),
        ("E f(real) − E f(generated)", minus(estimate, 3)),
        ("exact distance W₁", minus(distance, 3)),
        ("steepest |f′| drawn", short(steepest)),
        ("steepest allowed", allowed),
    )
    still = _still(
        x,
        y,
        curve - (on_real.mean() + on_fakes.mean()) / 2,
        slope,
        rows,
        [*history, (steps, estimate, distance)],
    )
    alt = alt or say(
        "Left: {real} real and {generated} generated points on a line, a critic f after {steps} steps beside the best one, dashed,"
        " and the critic's slope, which reaches {steepest}, beside ±1. Right: its estimate of the distance,"
        " {estimate}, beside the exact one, {distance:.2f}. Buttons train the critic, menus and sliders choose what holds"
        " its slope and move the generated points.",
        real=len(x), generated=len(y), steps=steps, steepest=short(steepest), estimate=minus(estimate), distance=distance,
    )  # fmt: skip
    page = {
        "real": base64_of(x.float().numpy()), "fakes": base64_of(y.float().numpy()), "start": base64_of(weights), "sizes": sizes,
        "steps": steps, "history": [[t, round(a, 4), round(b, 4)] for t, a, b in history], "reach": REACH, "points": POINTS,
        "limits": {"mean": MEAN, "spread": SPREAD, "penalty": PENALTY, "clip": CLIP}, "push": PUSH, "budget": 15, "seed": seed,
        "ticks": list(range(-6, 7, 2)), "lipschitz": lipschitz, "penalty": penalty, "clip": clip, "rate": rate,
        "rates": sorted({*RATES, rate}),
    }  # fmt: skip
    hint = say(
        "Drag the generated points, or use the sliders. f is drawn up to a constant, its mean over all points at 0; dashed in the"
        " lower picture: slopes of 1 and −1. In a step of their own, fakes climb the critic: by a quarter of its slope."
    )
    return figure("critic", page, still, title, alt, hint)


def _normal_points(mean: float, std: float, n: int) -> Tensor:
    """n points that lie as a normal distribution's n equal shares do."""
    shares = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return mean + std * torch.special.ndtri(shares)


def _clumps() -> Tensor:
    return torch.cat([_normal_points(-2.5, 0.4, 20), _normal_points(0.0, 0.4, 20)])


def _points(values: Any, name: str) -> Tensor:
    a = finite_array(values, name, 1)
    if not 2 <= len(a) <= 200 or np.abs(a).max() > 5:
        raise InputError(
            "{name} holds {count} points, up to {highest:g} away from 0; give from 2 to 200, within 5 of it.",
            name=name,
            count=len(a),
            highest=np.abs(a).max(),
        )
    return torch.tensor(a.astype(np.float32)).double()


def _best(real: Tensor, fakes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where the best critic bends, and how high it is there; flat where all points are one."""
    every = torch.cat([real, fakes])
    if (every == every[0]).all():
        return every[:1].numpy(), np.zeros(1)
    best = exact.best_critic(real, fakes)
    return best.knots.numpy(), best(best.knots).numpy()


def _trained(
    critic: nn.Module, real: Tensor, fakes: Tensor, lipschitz: str, penalty: float, clip: float, rate: float, steps: int, seed: int,
) -> tuple[nn.Module, list[tuple[int, float, float]]]:  # fmt: skip
    """A copy of the critic after so many steps, and (step, estimate, exact distance) before each twentieth of them."""
    critic = copy.deepcopy(critic).double()
    source, distance = torch.Generator().manual_seed(seed), float(exact.wasserstein_1d(real, fakes))
    if lipschitz == "spectral":
        wgan.spectral(critic)
    adam = torch.optim.Adam(critic.parameters(), lr=rate, betas=BETAS)
    x, y, history = real.unsqueeze(-1), fakes.unsqueeze(-1), []
    for step in range(steps):
        loss = wgan.critic_loss(critic(x), critic(y))
        if step % 20 == 0:
            history.append((step, -loss.item(), distance))
        if lipschitz == "penalty" and penalty:
            order = torch.randperm(len(x), generator=source)
            epsilon = torch.rand(len(x), 1, dtype=torch.float64, generator=source)
            loss = loss + penalty * wgan.gradient_penalty(critic, x, y[order], epsilon)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if lipschitz == "clipping":
            wgan.clip_weights(critic, clip)
    if lipschitz == "spectral":
        return _as_it_runs(critic), history
    return critic.eval(), history


def _as_it_runs(critic: nn.Module) -> nn.Module:
    """Its layers with their weights divided by the largest singular value, once for all, as the page does it."""
    plain = []
    for part in critic.modules():
        if isinstance(part, nn.Linear):
            layer = nn.Linear(part.in_features, part.out_features).double()
            with torch.no_grad():
                weight = part.parametrizations.weight.original
                layer.weight.copy_(weight / torch.linalg.matrix_norm(weight, 2))
                layer.bias.copy_(part.bias)
            plain += [layer, nn.ReLU()]
    return nn.Sequential(*plain[:-1])


def _still(
    real: Tensor,
    fakes: Tensor,
    curve: Tensor,
    slope: Tensor,
    rows: Any,
    history: list[tuple[int, float, float]],
) -> Still:
    """What the page draws before the first step; `curve` has its mean over all points at 0."""
    still = Still(800, 412)

    def across(v: Any) -> np.ndarray:
        return 260 + np.asarray(v) / REACH * 250

    def down(v: Any) -> np.ndarray:
        return 140 - 20 * np.asarray(v)

    def low(v: Any) -> np.ndarray:
        return 367 - 17.5 * np.asarray(v)

    for colour, t, at in ((RED, "critic f(x)", 10), (GREEN, "real", 244), (BLUE, "generated", 302)):
        still.rect(at, 12, 14, 4, colour)
        still.text(t, at + 19, 18)
    still.curve([112, 126], [14, 14], INK, 1.5, dash=(3, 3))
    still.text("the best f", 131, 18)
    area, axis = (10, 30, 500, 220), np.linspace(-REACH, REACH, POINTS)
    for t in (-4, -2, 0, 2, 4):
        still.curve([10, 510], [down(t)] * 2, LINE, 1)
    places, values = _best(real, fakes)
    middle = (np.interp(real, places, values).mean() + np.interp(fakes, places, values).mean()) / 2
    ends = np.array([-REACH, *places, REACH]), np.array([values[0], *values, values[-1]]) - middle
    still.curve(across(ends[0]), down(ends[1]), INK, 1.5, dash=(3, 3), clip=area)
    still.curve(across(axis), down(curve), RED, 2.5, clip=area)
    for t in (-4, -2, 0, 2, 4):
        still.text(minus(t, 0), 14, down(t) - 3, size=11, color=SOFT, halo=True)
    still.axis(range(-6, 7, 2), across, 250, 10, 510)
    for points, y, colour in ((real, 280, GREEN), (fakes, 295, BLUE)):
        still.dots(across(points), [y] * len(points), 4, colour, clip=(5, 270, 510, 36), alpha=0.6)
    still.text("its slope f′(x)", 10, 324, bold=True)
    area = (10, 332, 500, 70)
    for t in (-1, 0, 1):
        dash = (3, 3) if t else None
        still.curve([10, 510], [low(t)] * 2, INK if t else LINE, 1.5 if t else 1, dash=dash)
    still.curve(across(axis), low(slope.clamp(-9, 9)), RED, 2, clip=area)
    for t in (-1, 0, 1):
        still.text(minus(t, 0), 518, low(t) + 4, size=11, color=SOFT, align="right", halo=True)

    for i, (what, value) in enumerate(rows):
        still.text(what, 534, 15 + 20 * i, bold=i == 1)
        still.text(value, 786, 15 + 20 * i, align="right", bold=i == 1)
    left, right, top, bottom = 566, 790, 166, 384
    high = max(2, math.ceil(1.3 * max(h[2] for h in history)))
    span = max(200, history[-1][0])

    def over(t: Any) -> np.ndarray:
        return left + np.asarray(t) / span * (right - left)

    def up(v: Any) -> np.ndarray:
        return bottom - np.clip(v, 0, high) / high * (bottom - top)

    still.text("estimate over the critic’s steps", 534, 144, bold=True)
    for t in range(0, high + 1, 2 if high > 5 else 1):
        still.curve([left, right], [up(t)] * 2, LINE, 1)
        still.text(str(t), left - 5, up(t) + 4, size=11, color=SOFT, align="right")
    still.curve([left, left, right], [top, bottom, bottom], INK, 1)
    steps, estimates, distances = zip(*history)
    still.curve(over(steps), up(distances), INK, 1.5, dash=(5, 3))
    still.curve(over(steps), up(estimates), RED, 2)
    at = float(over(steps[-1]))
    still.curve([at - 5, at + 5], [up(distances[-1])] * 2, INK, 1.5)
    still.dots([at], [up(estimates[-1])], 4, RED, clip=(530, 150, 270, 250))
    still.text("0", left, bottom + 15, size=11, color=SOFT, align="center")
    still.text(str(span), right, bottom + 15, size=11, color=SOFT, align="right")
    return still
