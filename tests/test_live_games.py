"""The live games: numbers in the page against torch, training in the page, speed, keys, and what is refused."""

import base64
import html as html_module
import io
import json
import math
import re
import time

import numpy as np
import pytest
import torch
from browser import Browser
from PIL import Image
from test_live import PRELUDE, READY, blocks, root
from torch import nn
from torch.nn.utils import parameters_to_vector

from chapter10 import data, gan, live, metrics
from chapter10.errors import InputError
from chapter10.exact import minimax_slope, non_saturating_slope, values_and_slopes
from chapter10.live.page import assets

WEIGHTED = data.GaussianMixture(
    torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.0, -1.0]]), 0.2, torch.tensor([0.7, 0.2, 0.1])
)


def players(hidden_dim: int = 12, hidden_layers: int = 2, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    made = (
        gan.MixtureGenerator(2, hidden_dim, hidden_layers),
        gan.MixtureDiscriminator(hidden_dim, hidden_layers),
    )
    with torch.no_grad():
        for p in made[1].parameters():
            p *= 2  # slopes that can be seen
    return made


def figures() -> dict[str, live.LiveFigure]:
    return {
        "lab": live.gan_lab(title="The lab"),
        "given": live.gan_lab(
            {"three": WEIGHTED, "ring": data.ring()}, players=players(), objective=gan.Objective("minimax", r1=0.5),
            steps="2:3", rate=0.002, batch_size=16, seed=3,
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def shown() -> dict[str, live.LiveFigure]:
    return figures()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    b = Browser(tmp_path_factory.mktemp("profile"))
    yield b
    b.close()


@pytest.fixture(scope="module")
def page(browser, shown, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    body = "\n".join(f'<section id="{name}">{f.html}</section>' for name, f in shown.items())
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}', encoding="utf-8")
    browser.open(path)
    for _ in range(200):
        if browser.js(READY) == len(shown):
            break
        time.sleep(0.02)
    browser.js(PRELUDE)
    browser.path = path
    return browser


def choose(page, name: str, **settings: object) -> None:
    for key, value in settings.items():
        page.js(f"{root(name)}.ch10.choose({json.dumps(key)}, {json.dumps(str(value))})")


# ---- the HTML


def test_html_stands_alone_and_is_the_same_again(shown):
    again = figures()
    for name, figure in shown.items():
        assert figure.html == again[name].html
        assert not re.search(r'https?:|@import|src="(?!data:)|url\(', figure.html), name
        still = figure.html.split("<script>")[0]
        assert html_module.escape(figure.alt) in still and len(figure.alt) > 40
        assert not re.search(r"<(input|button|select|canvas)", still)
        assert figure.kilobytes < 160


def test_sizes():
    for kind in ("lab",):
        script, _ = assets(kind)
        assert len(script.encode()) < 22_000, kind


def test_every_figure_starts_in_the_place_of_its_still_picture(page, shown):
    assert page.js(READY) == len(shown)
    for name, figure in shown.items():
        width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', figure.html).groups())
        still = np.asarray(Image.open(io.BytesIO(figure.png)).convert("L").reduce(2), dtype=float)
        assert still.shape == (height, width)
        drawn, x = np.full(still.shape, 255.0), 0
        for c in page.js(
            f"[...{root(name)}.querySelectorAll('canvas')].map(c => c.toDataURL().split(',')[1])"
        ):
            part = np.asarray(Image.open(io.BytesIO(base64.b64decode(c))).convert("L"), dtype=float)
            drawn[: part.shape[0], x : x + part.shape[1]] = part
            x += part.shape[1] + 12
        assert np.abs(blocks(still) - blocks(drawn)).mean() < 4, name


# ---- the lab against torch


def load(page, name: str, generator: nn.Module, discriminator: nn.Module) -> None:
    a, b = (parameters_to_vector(p.parameters()).tolist() for p in (generator, discriminator))
    page.js(f"{root(name)}.ch10.load({json.dumps(a)}, {json.dumps(b)})")


def given(page, who: str, *arrays: torch.Tensor) -> dict:
    """A step of one player in the page on this batch and noise; its loss."""
    handed = ", ".join(f"Float64Array.from({json.dumps(a.flatten().tolist())})" for a in arrays)
    return page.js(f"{root('given')}.ch10.step('{who}', {handed})")


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("r1", [0, 0.5])
@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_steps_in_the_page_are_those_of_torch(page, objective: str, r1: float, layers: int):
    torch.manual_seed(layers)
    generator, discriminator = (p.double() for p in players(12, layers))
    if layers != 2:  # the page's networks have the sizes of the players it was made with: two layers
        page.js(
            f"{root('given')}.ch10.sizes([[2, ...Array({layers}).fill(12), 2], [2, ...Array({layers}).fill(12), 1]])"
        )
    load(page, "given", generator, discriminator)
    choose(page, "given", objective=objective, r1=r1, rate=0.002)
    rules = gan.Objective(objective, r1=r1)
    torch_game = gan.GANTraining(generator, discriminator, lr=0.002, objective=rules)
    for _ in range(3):  # Adam's moments, and its corrections, show from the second step on
        real, z = (torch.randn(16, 2, dtype=torch.float64) for _ in range(2))
        torch_game.noise = lambda n, z=z: z
        expected = torch_game.discriminator_step(real)
        got = given(page, "D", real, z)
        assert got["loss"] == pytest.approx(expected["d_loss"].item(), rel=1e-9)
        assert got["r1"] == pytest.approx(expected["r1"].item() if r1 else 0, rel=1e-9)
        z = torch.randn(16, 2, dtype=torch.float64)
        torch_game.noise = lambda n, z=z: z
        expected = torch_game.generator_step(16)
        got = page.js(
            f"{root('given')}.ch10.step('G', null, Float64Array.from({json.dumps(z.flatten().tolist())}))"
        )
        assert got["loss"] == pytest.approx(expected["g_loss"].item(), rel=1e-9)
    got = page.js(f"{root('given')}.ch10.weights()")
    for now, player in zip(got, (generator, discriminator), strict=True):
        assert np.abs(np.array(now) - parameters_to_vector(player.parameters()).detach().numpy()).max() < 1e-9
    if layers != 2:
        page.js(f"{root('given')}.ch10.sizes([[2, 12, 12, 2], [2, 12, 12, 1]])")


@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_arrows_and_numbers_are_those_of_torch(page, objective: str):
    generator, discriminator = (p.double() for p in players(seed=4))
    load(page, "given", generator, discriminator)
    choose(page, "given", objective=objective)
    got = page.js(
        f"(() => {{ const s = {root('given')}.ch10.state(); s.y = [...s.y];"
        " s.push = [...s.push]; s.points = [...s.points]; return s; })()"
    )
    fakes, real = (torch.tensor(got[k], dtype=torch.float64).view(-1, 2) for k in ("y", "points"))
    reached = metrics.mode_coverage(WEIGHTED, fakes)
    with torch.no_grad():
        own, other = discriminator(real), discriminator(fakes)
    expected = [
        reached.modes, reached.good, gan.game_value(own, other).item(), own.sigmoid().mean().item(), other.sigmoid().mean().item()
    ]  # fmt: skip
    assert [got[k] for k in ("modes", "good", "value", "own", "other")] == pytest.approx(expected, abs=1e-9)
    slope = {"minimax": minimax_slope, "non-saturating": non_saturating_slope}[objective]
    few = fakes[: len(got["push"]) // 2]
    exact = slope(*values_and_slopes(lambda x: discriminator(x).flatten(), few))
    assert np.abs(np.array(got["push"]).reshape(-1, 2) - exact.numpy()).max() < 1e-9
    assert exact.norm(dim=1).max() > 0.05


def test_the_data_in_the_page_have_their_shares_and_spread(page):
    x = torch.tensor(
        page.js(
            f"(() => {{ {root('given')}.ch10.begin(); return [...{root('given')}.ch10.draws(20000)]; }})()"
        )
    )
    x = x.view(-1, 2)
    nearest = torch.cdist(x, WEIGHTED.means).argmin(1)
    share = nearest.bincount(minlength=3) / len(x)
    assert (share - WEIGHTED.weights).abs().max() < 0.012  # four standard deviations of a share
    rest = x - WEIGHTED.means[nearest]
    assert rest.mean(0).abs().max() < 0.008 and (rest.std(0) - 0.2).abs().max() < 0.006


# ---- the lab in use


def test_the_same_start_gives_the_same_game_and_another_start_another(page):
    r = root("given")
    play = f"(() => {{ for (let k = 0; k < 30; k++) {r}.ch10.round(); return [{r}.ch10.weights(), {r}.ch10.history()]; }})()"
    click = f"(t => [...{r}.querySelectorAll('button')].find(b => b.textContent === t).click())"
    page.js(f"{click}('Start anew')")
    first = page.js(play)
    page.js(f"{click}('Start anew')")
    assert page.js(play) == first
    page.js(f"{click}('Other start')")
    other = page.js(play)
    assert other[0][0] != first[0][0]
    page.js(f"{click}('Start anew')")
    assert page.js(play) == other
