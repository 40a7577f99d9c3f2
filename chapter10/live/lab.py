"""The adversarial game in the plane, trained in the page: the reader takes the steps, or lets it play.

After GAN Lab (Kahng, Thorat, Chau, Viégas and Wattenberg 2018). The two networks, their gradients, R1 and Adam are
those of `chapter10/gan.py`, written out in `assets/games.js`; a test holds one to the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chapter10 import data, gan, metrics
from chapter10.data import GaussianMixture
from chapter10.errors import InputError
from chapter10.exact import minimax_slope, non_saturating_slope, values_and_slopes
from chapter10.int8 import base64_of, layers_of
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, number
from chapter10.stills import BLUE, INK, LINE, RED, SOFT, Still, minus, short

SIDE, WIDTH, TOP = 440, 348, 24
CELLS, REAL, SHOWN, ARROWS = 44, 250, 500, 80  # as in games.js: cells of D's landscape a side, points, arrows
LARGEST = 40_000  # weights of a network: more, and a round takes longer than a frame may
PENALTIES, RATIOS, RATES = (0, 0.1, 1), ("1:1", "5:1", "1:5"), (0.0003, 0.001, 0.003, 0.01)
REALS, FAKES = "#003f63", "#8f2d00"
SLOPES = {"minimax": minimax_slope, "non-saturating": non_saturating_slope}


def gan_lab(
    mixtures: GaussianMixture | Mapping[str, GaussianMixture] | None = None,
    *,
    players: Sequence[nn.Module] | None = None,
    objective: gan.Objective | None = None,
    steps: str = "1:1",
    rate: float = 0.003,
    batch_size: int = 128,
    seed: int = 1,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """A generator and a discriminator in the plane that the reader steps: one step of D, one of G, play, other rules.

    Real points, fakes with the push that the generator's loss gives each, and D as colours; how many modes are
    reached, how many samples are good, and V(D, G), over the steps. Everything is computed in the page, without a
    kernel, and the same clicks give the same game. A step of Adam has β = (0.5, 0.999).

    Args:
        mixtures: the data to choose from, in two dimensions, the first one shown first; default: a ring of 8 and a
            grid of 25, both with σ = 0.05 and within ±1.
        players: (generator, discriminator) to start from, for instance collapsed ones: networks of Linear and ReLU, as
            `gan.MixtureGenerator` with 2 latent dimensions and `gan.MixtureDiscriminator`. Default: fresh ones, with
            two hidden layers of 64, drawn from `seed`.
        objective: the generator's loss and R1's γ that are chosen first, by default −log D with γ = 1; the page
            has neither smoothing nor noise.
        steps: of D and of G in a round, for instance "1:5". rate: of both Adams. batch_size: B.
        seed: of all random numbers; the button "Other start" takes the next one.
    Raises:
        InputError: for players that the page can't run, or settings that it does not have.
    """
    named = _named(mixtures)
    objective = objective or gan.Objective(r1=1)
    if objective.smoothing or objective.instance_noise:
        raise InputError(
            "The page plays with R1, but without label smoothing or instance noise. Leave both 0."
        )
    if not re.fullmatch(r"[1-9]:[1-9]", str(steps)):
        raise InputError(
            'steps = {steps!r}: write how many of D and of G make a round, from "1:9" to "9:1".',
            steps=steps,
        )
    if not 0 < number(rate, "rate") <= 1:
        raise InputError("rate = {rate}: give a number above 0 and up to 1, such as 0.003.", rate=rate)
    if not isinstance(batch_size, int) or not 8 <= batch_size <= 512:
        raise InputError(
            "batch_size = {batch_size!r}: choose from 8 to 512, so that a step stays fast.",
            batch_size=batch_size,
        )
    if players is not None and len(players) != 2:
        raise InputError(
            "There are {count} players; give two, (generator, discriminator).",
            count=len(players),
        )
    generator, discriminator = _fresh(seed) if players is None else players
    weights, sizes = zip(
        flat_weights(generator, (2, 2), say("generator")), flat_weights(discriminator, (2, 1), say("discriminator"))
    )
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(SHOWN, 2, generator=source)
    sets = {name: mixture.sample(REAL, source)[0].float() for name, mixture in named.items()}
    first, mixture = next(iter(named.items()))
    with torch.no_grad():
        fakes = generator.eval()(z.to(next(generator.parameters()))).float()
    reached = metrics.mode_coverage(mixture, fakes)
    still, v = _still(mixture, sets[first], fakes, discriminator.eval(), objective, reached)
    alt = alt or say(
        "The plane with {real} real points of the {data} and {shown} generated ones, on D's landscape in colours, with"
        " arrows for the push on each fake. {modes} of {total} modes are reached, {good:.0f} %"
        " of the samples are good, V(D, G) is {value:.2f}. Buttons take a step of D, a step of G, or play.",
        real=REAL, data=first, shown=SHOWN, modes=reached.modes, total=reached.total, good=100 * reached.good, value=v,
    )  # fmt: skip
    page = {
        "sets": [
            {
                "name": name, "means": m.means.double().tolist(), "std": float(m.std), "view": _view(m),
                "below": _shares(m).cumsum(0).tolist(), "points": base64_of(sets[name].numpy()),
            }
            for name, m in named.items()
        ],
        "z": base64_of(z.numpy()), "start": [base64_of(w) for w in weights], "sizes": sizes, "batch": batch_size, "seed": seed,
        "side": SIDE, "width": WIDTH, "budget": 15, "objective": objective.generator,
        "r1": objective.r1, "penalties": sorted({*PENALTIES, objective.r1}),
        "ratio": steps, "ratios": list(dict.fromkeys([*RATIOS, steps])), "rate": rate, "rates": sorted({*RATES, rate}),
    }  # fmt: skip
    hint = say(
        "Arrows: where the generator's loss pushes each fake, the longer the harder (20 pixels at 0.2 nats a unit, never above"
        " 40). New rules hold from the next step on; new data start anew."
    )
    return figure("lab", page, still, title, alt, hint)


def _named(mixtures: GaussianMixture | Mapping[str, GaussianMixture] | None) -> dict[str, GaussianMixture]:
    if mixtures is None:
        mixtures = {say("ring of 8"): data.ring(std=0.05), say("grid of 25"): data.grid(spacing=0.5, std=0.05)}
    if not isinstance(mixtures, Mapping):
        mixtures = {say("mixture of {count}", count=len(mixtures.means)): mixtures}
    named = dict(mixtures)
    if not named:
        raise InputError("There are no data to play with: the dict of mixtures is empty.")
    for name, mixture in named.items():
        if mixture.means.shape[1] != 2 or len(mixture.means) > SHOWN / metrics.modes.PER_MODE:
            raise InputError(
                "The mixture {name!r} has {count} modes in {size} dimensions; the page shows the plane, 2, and up "
                "to {value} modes.",
                name=name,
                count=len(mixture.means),
                size=mixture.means.shape[1],
                value=SHOWN // metrics.modes.PER_MODE,
            )
    return named


def _fresh(seed: int) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return (
            gan.MixtureGenerator(hidden_dim=64, hidden_layers=2),
            gan.MixtureDiscriminator(hidden_dim=64, hidden_layers=2),
        )


def flat_weights(player: nn.Module, ends: tuple[int, int], who: str) -> tuple[np.ndarray, list[int]]:
    """All weights of a network of Linear and ReLU in one float32 array, in the order of `parameters()`, and the layers' sizes.

    Args:
        ends: how many numbers must go in and come out.
    """
    layers = layers_of(getattr(player, "model", player), output="linear")
    sizes = [layers[0][0].shape[1], *(len(bias) for _, bias, _ in layers)]
    kinds = [kind for _, _, kind in layers]
    if (sizes[0], sizes[-1]) != ends or kinds != ["relu"] * (len(kinds) - 1) + ["linear"]:
        raise InputError(
            "The {who} has the layers {sizes} with {choices}; the page runs ReLU layers from {end} to {end_2}, the "
            "last one linear: nets.mlp([{end}, 32, 32, {end_2}]) has these.",
            who=who,
            sizes=sizes,
            choices=', '.join(kinds),
            end=ends[0],
            end_2=ends[1],
        )
    flat = np.concatenate([part.ravel() for weight, bias, _ in layers for part in (weight, bias)]).astype(
        np.float32
    )
    if len(flat) > LARGEST or not np.isfinite(flat).all():
        raise InputError(
            "The {who} has {count:,} weights, {value} of them not finite; the page steps up to {LARGEST:,} finite "
            "ones in time.",
            who=who,
            count=len(flat),
            value=int((~np.isfinite(flat)).sum()),
            LARGEST=LARGEST,
        )
    return flat, sizes


def _shares(mixture: GaussianMixture) -> torch.Tensor:
    k = len(mixture.means)
    return torch.full((k,), 1 / k).double() if mixture.weights is None else mixture.weights.double()


def _view(mixture: GaussianMixture) -> float:
    """Half the width of the plane that is drawn."""
    return round(1.3 * (float(mixture.means.abs().max()) + 3 * mixture.std), 3)


def _still(
    mixture: GaussianMixture, real: torch.Tensor, fakes: torch.Tensor, discriminator: nn.Module, objective: gan.Objective,
    reached: metrics.ModeCoverage,
) -> tuple[Still, float]:  # fmt: skip
    """What the page draws before the first step, and V(D, G)."""
    view = _view(mixture)
    still, area = Still(SIDE + 12 + WIDTH, SIDE + TOP), (0, TOP, SIDE, SIDE)
    like = next(discriminator.parameters())

    def logits(x: torch.Tensor) -> torch.Tensor:
        return discriminator(x.to(like)).flatten()

    def across(x: Any) -> np.ndarray:
        return (np.asarray(x) / view + 1) * SIDE / 2

    def down(y: Any) -> np.ndarray:
        return TOP + (1 - np.asarray(y) / view) * SIDE / 2

    middles = view * (2 * (torch.arange(CELLS) + 0.5) / CELLS - 1)
    with torch.no_grad():
        x, y = torch.meshgrid(middles, -middles, indexing="xy")
        land = logits(torch.stack([x, y], -1).reshape(-1, 2)).sigmoid().reshape(CELLS, CELLS, 1).cpu().numpy()
        on_real, on_fakes = logits(real), logits(fakes)
    tint = 1.2 * land - 0.6
    colour = np.where(tint > 0, np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255)
    still.image(1 + np.abs(tint) * (colour - 1), 0, TOP, SIDE, SIDE)
    still.text("D(x): orange 0, blue 1", 2, 15, bold=True)
    still.dots(across(real[:, 0]), down(real[:, 1]), 1.8, REALS, clip=area)
    for radius, colour in ((3.6, "white"), (2.6, FAKES)):
        still.dots(across(fakes[::2, 0]), down(fakes[::2, 1]), radius, colour, clip=area)
    few = fakes[:ARROWS]
    push = -SLOPES[objective.generator](*values_and_slopes(logits, few))
    for start, (a, b) in zip(few.tolist(), push.tolist(), strict=True):
        r = math.hypot(a, b) or 1
        length = 40 * r / (r + 0.2)
        still.arrow(
            float(across(start[0])), float(down(start[1])), length, a / r, -b / r, INK, 1.2, clip=area
        )
    for at, colour, word in ((0, REALS, "real"), (46, FAKES, "generated"), (130, INK, "its push")):
        still.dots([SIDE - 190 + at], [11], 3, colour, clip=(0, 0, SIDE, TOP))
        still.text(word, SIDE - 183 + at, 15)

    left, right = SIDE + 12, SIDE + 12 + WIDTH - 14
    v = float(gan.game_value(on_real, on_fakes))
    rows = (
        ("steps of D, of G", "0, 0"),
        ("modes reached", f"{reached.modes} of {reached.total}"),
        ("good samples", f"{100 * reached.good:.0f} %"),
        ("V(D, G)", minus(v)),
        ("D of real, of generated", f"{on_real.sigmoid().mean():.2f}, {on_fakes.sigmoid().mean():.2f}"),
        ("mean push, nats a unit", short(float(push.norm(dim=1).mean()))),
    )
    for i, (what, value) in enumerate(rows):
        still.text(what, left + 2, 15 + 20 * i, bold=i == 1)
        still.text(value, right, 15 + 20 * i, align="right", bold=i == 1)
    charts = (
        (158, "modes reached, over steps of D and G", reached.total, 0, reached.modes, (0, reached.total)),
        (318, "V(D, G); dashed: −log 4, at q = p and the best D", 0, -3, v, (0, -1, -2, -3)),
    )
    for top, name, high, low, now, ticks in charts:
        still.text(name, left + 2, top - 10, bold=True)
        still.curve([left + 38, left + 38, right], [top, top + 110, top + 110], INK, 1)
        for t in ticks:
            y = top + 110 * (high - t) / (high - low)
            still.curve([left + 38, right], [y, y], LINE, 1)
            still.text(minus(t, 0), left + 33, y + 4, size=11, color=SOFT, align="right")
        if low < 0:
            y = top + 110 * math.log(4) / 3
            still.curve([left + 38, right], [y, y], RED, 1.5, dash=(5, 3))
        y = top + 110 * (high - min(max(now, low), high)) / (high - low)
        still.dots([left + 38], [y], 3.5, BLUE, clip=(left, top - 5, WIDTH, 120))
        still.text("0", left + 38, top + 124, size=11, color=SOFT, align="center")
        still.text("200", right, top + 124, size=11, color=SOFT, align="right")
    return still, v
