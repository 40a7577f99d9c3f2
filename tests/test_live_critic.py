"""The critic on a line: its training in the page against torch, the best critic, keys and touch, and what is refused."""

import io
import json
import re

import numpy as np
import pytest
import torch
from browser import check_html, check_nothing_from_outside, click, figures_page, pick, root
from PIL import Image
from test_live import blocks
from test_live_models import canvases, press
from torch import nn

from chapter10 import exact, live, nets, wgan
from chapter10.errors import InputError
from chapter10.live.page import assets

REAL = [-2.0, -1.5, -0.25, 0.5, 1.75, 3.0]
FAKES = [1.0, -0.5, 2.5, 0.25, -3.0, 0.75]


def small(layers: int = 2, seed: int = 3) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nets.mlp([1, *[7] * layers, 1])
    with torch.no_grad():
        for p in net.parameters():
            p *= 1.7  # slopes on both sides of 1
    return net


def figures() -> dict[str, live.LiveFigure]:
    given = {"real": REAL, "fakes": FAKES}
    return {
        "plain": live.critic_figure(title="A critic"),
        "one": live.critic_figure(
            **given, critic=small(1), rate=0.01, steps=45, lipschitz="clipping", clip=0.3
        ),
        "two": live.critic_figure(**given, critic=small(2), rate=0.01, penalty=4),
        "held": live.critic_figure(**given, critic=small(3), rate=0.01, steps=3, lipschitz="spectral"),
    }


@pytest.fixture(scope="module")
def shown() -> dict[str, live.LiveFigure]:
    return figures()


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    yield from figures_page(shown, tmp_path_factory.mktemp("page"))


def values(page, name: str) -> dict:
    return page.js(f"frame().then(() => {root(name)}.ch10.values())")


# ---- the best critic


@pytest.mark.parametrize("real, fakes", [
    (REAL, FAKES), ([0.0, 1.0], [3.0, 4.0]), ([0.0, 4.0], [1.0, 3.0]), ([1.0, 1.0, 2.0], [1.0, 2.0, 2.0]), ([0.0, 1.0], [1.0, 0.0]),
])  # fmt: skip
def test_the_best_critic_reaches_the_wasserstein_distance_and_is_nowhere_too_steep(page, real, fakes):
    x, y = (torch.tensor(v, dtype=torch.float64) for v in (real, fakes))
    best = exact.best_critic(x, y)
    places, heights = best.knots.numpy(), best(best.knots).numpy()
    reached = np.interp(real, places, heights).mean() - np.interp(fakes, places, heights).mean()
    distance = float(exact.wasserstein_1d(x, y))
    assert reached == pytest.approx(distance, abs=1e-12)
    assert (np.abs(np.diff(heights)) <= np.diff(places) + 1e-12).all()
    handed = ", ".join(f"Float64Array.from({json.dumps(v)})" for v in (real, fakes))
    got = page.js(f"{root('plain')}.ch10.best({handed})")
    assert got["w"] == pytest.approx(distance, abs=1e-12)
    across, up = np.array(got["corners"]).T
    assert np.abs(np.interp(places, across, up) - heights).max() < 1e-12


# ---- the page against torch


def load(page, name: str, net: nn.Module) -> None:
    page.js(f"{root(name)}.ch10.load({json.dumps(nn.utils.parameters_to_vector(net.parameters()).tolist())})")


def set_rules(page, name: str, lipschitz: str, **sliders: float) -> None:
    pick(page, name, "Slope held by", lipschitz)
    for label, value in sliders.items():
        page.js(
            f"(e => {{ e.value = {value}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
            f"([...{root(name)}.querySelectorAll('input')].find(e => e.labels[0].textContent.startsWith('{label}')))"
        )


@pytest.mark.parametrize("name, layers", [("one", 1), ("two", 2), ("held", 3)])
@pytest.mark.parametrize("lipschitz", ["none", "clipping", "penalty"])
def test_steps_in_the_page_are_those_of_torch(page, lipschitz: str, name: str, layers: int):
    """Against wgan.WGANTraining's own critic step; the places on the lines are handed over."""
    net = small(layers, seed=5).double()
    set_rules(page, name, lipschitz, λ=4, c=0.3)
    load(page, name, net)
    adam = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.0, 0.9))
    x = torch.tensor(REAL, dtype=torch.float64).unsqueeze(-1)
    source = torch.Generator().manual_seed(1)
    for _ in range(3):  # Adam's moments, and its corrections, show from the second step on
        y = torch.randn(len(REAL), 1, dtype=torch.float64, generator=source)
        epsilon = torch.rand(len(REAL), 1, dtype=torch.float64, generator=source)
        loss = wgan.critic_loss(net(x), net(y))
        penalty = wgan.gradient_penalty(net, x, y, epsilon)
        adam.zero_grad()
        (loss + 4 * penalty if lipschitz == "penalty" else loss).backward()
        adam.step()
        if lipschitz == "clipping":
            wgan.clip_weights(net, 0.3)
        lines = (epsilon * x + (1 - epsilon) * y).flatten().tolist()
        got = page.js(f"{root(name)}.ch10.step({json.dumps(y.flatten().tolist())}, {json.dumps(lines)})")
        assert got["loss"] == pytest.approx(loss.item(), rel=1e-9, abs=1e-12)
        assert got["penalty"] == pytest.approx(penalty.item() if lipschitz == "penalty" else 0, rel=1e-9)
    now = np.array(page.js(f"{root(name)}.ch10.weights()"))
    expected = nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
    assert np.abs(now - expected).max() < 1e-9
    if lipschitz == "clipping":
        assert np.abs(now).max() == pytest.approx(0.3)


@pytest.mark.parametrize("name, layers", [("one", 1), ("two", 2), ("held", 3)])
def test_spectral_normalisation_is_that_of_the_largest_singular_value(page, name: str, layers: int):
    raw = small(layers, seed=6).double()
    set_rules(page, name, "spectral")
    load(page, name, raw)

    def held(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {k: w / torch.linalg.matrix_norm(w, 2) if w.ndim == 2 else w for k, w in weights.items()}

    adam = torch.optim.Adam(raw.parameters(), lr=0.01, betas=(0.0, 0.9))
    x = torch.tensor(REAL, dtype=torch.float64).unsqueeze(-1)
    source = torch.Generator().manual_seed(2)
    for _ in range(3):
        y = torch.randn(len(REAL), 1, dtype=torch.float64, generator=source)
        weights = held(dict(raw.named_parameters()))
        a, b = (torch.func.functional_call(raw, weights, (v,)) for v in (x, y))
        adam.zero_grad()
        wgan.critic_loss(a, b).backward()
        adam.step()
        page.js(f"{root(name)}.ch10.step({json.dumps(y.flatten().tolist())})")
    expected = torch.cat([w.flatten() for w in held(dict(raw.named_parameters())).values()]).detach().numpy()
    now = np.array(page.js(f"{root(name)}.ch10.weights()"))
    assert np.abs(now - expected).max() < 1e-6
    assert values(page, name)["steepest"] <= 1 + 1e-6


def test_curve_slope_and_numbers_are_those_of_torch(page):
    net = small(2, seed=8).double()
    set_rules(page, "two", "none")
    load(page, "two", net)
    v = values(page, "two")
    fakes = torch.tensor(page.js(f"{root('two')}.ch10.fakes()"), dtype=torch.float64)
    axis = torch.linspace(-6, 6, len(v["f"]), dtype=torch.float64)
    f, slope = exact.values_and_slopes(lambda t: net(t.unsqueeze(-1)).squeeze(-1), axis)
    assert np.abs(np.array(v["f"]) - f.numpy()).max() < 1e-9
    assert np.abs(np.array(v["slope"]) - slope.numpy()).max() < 1e-9
    real = torch.tensor(REAL, dtype=torch.float64)
    with torch.no_grad():
        expected = (net(real.unsqueeze(-1)).mean() - net(fakes.unsqueeze(-1)).mean()).item()
    assert v["estimate"] == pytest.approx(expected, abs=1e-9)
    assert v["exact"] == pytest.approx(float(exact.wasserstein_1d(real, fakes)), abs=1e-9)
    assert v["steepest"] == pytest.approx(slope.abs().max().item())


# ---- in use


@pytest.fixture
def fresh(shown, tmp_path):
    """A page of its own, where nothing has been clicked."""
    yield from figures_page(shown, tmp_path)


def test_every_figure_starts_in_the_place_of_its_still_picture(fresh, shown):
    fresh.js("frame()")
    for name, figure in shown.items():
        width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', figure.html).groups())
        still = np.asarray(Image.open(io.BytesIO(figure.png)).convert("L").reduce(2), dtype=float)
        drawn = canvases(fresh, name)
        assert still.shape == (height, width) == drawn.shape, name
        assert np.abs(blocks(still) - blocks(drawn)).mean() < 4, name
    assert fresh.js(f"{root('one')}.ch10.values().steps") == 45
    fresh.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    fresh.open(fresh.path)
    fresh.js("new Promise(f => setTimeout(f, 300))")
    labels = fresh.js(f"[...{root('plain')}.querySelectorAll('button')].map(b => b.textContent)")
    assert "Play" not in labels and "100 steps" in labels
    assert fresh.problems == []


def test_what_the_figure_is_for(page):
    """The estimate nears the exact distance under the penalty, runs away without a bound, and depends on c under clipping."""
    found = {}
    for lipschitz, sliders in (
        ("penalty", {"λ": 50}),
        ("none", {}),
        ("clipping", {"c": 0.01}),
        ("spectral", {}),
    ):
        set_rules(page, "plain", lipschitz, **sliders)
        pick(page, "plain", "Rate", "0.003")
        click(page, "plain", "Start anew")
        for _ in range(3):
            click(page, "plain", "100 steps")
        found[lipschitz] = values(page, "plain")
    exactly = found["none"]["exact"]
    assert 0.9 * exactly < found["penalty"]["estimate"] < 1.2 * exactly
    assert found["none"]["estimate"] > 20 * exactly and found["none"]["steepest"] > 20
    assert (
        abs(found["clipping"]["estimate"]) < 0.01 * exactly
        and found["clipping"]["steepest"] <= 32**2 * 0.01**3
    )
    assert found["spectral"]["estimate"] < exactly + 1e-6 and found["spectral"]["steepest"] <= 1 + 1e-6
    assert "by c" not in page.js(f"{root('plain')}.querySelector('.c10-read').textContent")


def test_fakes_that_climb_the_critic_come_nearer(page):
    set_rules(page, "plain", "penalty", λ=10)
    click(page, "plain", "Start anew")
    for _ in range(4):
        click(page, "plain", "100 steps")
    before = values(page, "plain")
    where = np.array(page.js(f"{root('plain')}.ch10.fakes()"))
    slope = np.interp(where, np.linspace(-6, 6, len(before["slope"])), before["slope"])
    click(page, "plain", "Fakes take a step")
    after = values(page, "plain")
    moved = np.array(page.js(f"{root('plain')}.ch10.fakes()")) - where
    assert np.abs(moved - 0.25 * slope).max() < 0.05 and moved.mean() < -0.1
    assert after["exact"] < before["exact"] - 0.1 and after["steps"] == before["steps"]
    mean = float(page.js(f"{root('plain')}.querySelector('input').value"))
    assert mean == pytest.approx((where + moved).mean(), abs=1e-6)
    click(page, "plain", "Start anew")


def test_sliders_are_the_fakes_mean_and_spread(page):
    r = root("two")
    click(page, "two", "Start anew")
    first = np.array(page.js(f"{r}.ch10.fakes()"))
    assert np.abs(first - FAKES).max() < 1e-6
    page.js(f"move({r}, 0, 1).then(() => move({r}, 1, 0.5))")
    now = np.array(page.js(f"{r}.ch10.fakes()"))
    assert now.mean() == pytest.approx(1) and now.std() == pytest.approx(0.5)
    assert np.corrcoef(first, now)[0, 1] == pytest.approx(1)
    page.js(f"move({r}, 1, 0)")
    page.js(f"move({r}, 1, 0.8)")  # from one place back to a spread
    again = np.array(page.js(f"{r}.ch10.fakes()"))
    assert again.std() == pytest.approx(0.8) and np.corrcoef(first, again)[0, 1] == pytest.approx(1)
    click(page, "two", "Start anew")


def test_the_fakes_can_be_dragged(page):
    r = root("plain")
    click(page, "plain", "Start anew")
    page.js(f"{r}.scrollIntoView()")
    x, y, width = page.js(
        f"(() => {{ const b = {r}.querySelector('canvas').getBoundingClientRect(); return [b.left, b.top, b.width]; }})()"
    )
    before = np.array(page.js(f"{r}.ch10.fakes()"))
    page.mouse("mousePressed", x + 385, y + 295)
    page.mouse("mouseMoved", x + 260, y + 295)
    page.mouse("mouseReleased", x + 260, y + 295)
    after = np.array(page.js(f"frame().then(() => {r}.ch10.fakes())"))
    assert after - before == pytest.approx(-125 * 520 / width / 250 * 6, abs=0.02)
    click(page, "plain", "Start anew")


def test_keys_move_sliders_and_press_buttons_and_stay_with_them(page):
    r = root("plain")
    page.js(f"window.bubbled = 0; {r}.querySelector('input').focus()")
    before = page.js(f"[document.activeElement.value, digest({r})]")
    press(page, "ArrowLeft", 37, 3)
    after = page.js(f"frame().then(() => [document.activeElement.value, digest({r})])")
    assert float(after[0]) < float(before[0]) and after[1] != before[1]
    assert "exact distance" in page.js("document.activeElement.getAttribute('aria-valuetext')")
    steps = values(page, "plain")["steps"]
    page.js(f"[...{r}.querySelectorAll('button')].find(b => b.textContent === '1 step').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            text="\r",
        )
    assert values(page, "plain")["steps"] == steps + 1 and page.js("window.bubbled") == 0
    disabled = page.js(f"[...{r}.querySelectorAll('input')].map(e => e.disabled)")
    assert disabled == [False, False, False, True]  # the penalty holds: c is not in use
    click(page, "plain", "Start anew")


def test_the_same_start_gives_the_same_critic_and_another_start_another(page):
    set_rules(page, "plain", "penalty", λ=10)
    trained = []
    for label in ("Start anew", "Start anew", "Other start", "Start anew"):
        click(page, "plain", label)
        click(page, "plain", "1 step")
        trained.append(page.js(f"{root('plain')}.ch10.weights()"))
    assert trained[0] == trained[1] != trained[2] == trained[3]


def test_play_runs_and_stops_and_a_step_is_quick(page):
    r = root("plain")
    page.js(f"{r}.scrollIntoView()")
    click(page, "plain", "Play")
    page.js("new Promise(f => setTimeout(f, 600))")
    click(page, "plain", "Stop")
    steps = values(page, "plain")["steps"]
    assert steps > 5
    page.js("new Promise(f => setTimeout(f, 100))")
    assert values(page, "plain")["steps"] == steps
    times = page.js(
        f"(() => {{ const c = {r}.ch10, t = []; for (let i = 0; i < 15; i++) {{ const a = performance.now();"
        " c.step(); c.draw(); t.push(performance.now() - a); } return t; })()"
    )
    assert np.quantile(times, 0.2) < 60, times


def test_numbers_that_run_away_are_said_where_the_reader_looks(page):
    r = root("one")
    page.js(f"{r}.ch10.load({r}.ch10.weights().map(() => NaN))")
    click(page, "one", "1 step")
    assert "no longer finite" in page.js(f"frame().then(() => {r}.querySelector('.c10-read').textContent)")
    click(page, "one", "Start anew")
    assert "no longer" not in page.js(f"frame().then(() => {r}.querySelector('.c10-read').textContent)")


def test_html_stands_alone_and_is_the_same_again(shown):
    for name, figure in figures().items():
        assert figure.html == shown[name].html
        check_html(figure, 90)
    script, _ = assets("critic")
    assert len(script.encode()) < 24_000


def test_names_for_who_cannot_see_and_nothing_from_outside(page):
    for tag in ("input", "select"):
        assert (
            page.js(f"[...document.querySelectorAll('.c10 {tag}')].filter(e => !e.labels.length).length") == 0
        )
    check_nothing_from_outside(page)


@pytest.mark.parametrize("call, word", [
    (lambda: live.critic_figure([0.0, 1.0], [0.0, 1.0, 2.0]), "as many"),
    (lambda: live.critic_figure([0.0], [0.0]), "from 2 to 200"),
    (lambda: live.critic_figure([0.0, 9.0], [0.0, 1.0]), "within 5"),
    (lambda: live.critic_figure([0.0, float("nan")], [0.0, 1.0]), "not finite"),
    (lambda: live.critic_figure(lipschitz="weights"), "weights"),
    (lambda: live.critic_figure(penalty=-1), "penalty"),
    (lambda: live.critic_figure(clip=0), "clip"),
    (lambda: live.critic_figure(rate=0), "rate"),
    (lambda: live.critic_figure(steps=10_000), "steps"),
    (lambda: live.critic_figure(critic=nets.mlp([2, 8, 1])), "from 1 to 1"),
    (lambda: live.critic_figure(critic=nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))), "tanh"),
    (lambda: live.critic_figure(critic=nn.Sequential(nn.Linear(1, 4), nn.LeakyReLU(), nn.Linear(4, 1))), "LeakyReLU"),
])  # fmt: skip
def test_errors_come_before_anything_is_drawn(call, word: str):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).endswith(".") and word in str(error.value)
