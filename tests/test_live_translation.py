"""Translation in the page: against torch, by picking and drawing, by mouse, touch and keys, and what is refused."""

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

from chapter10 import domains, live
from chapter10.cyclegan import ResidualBlock, TranslationGenerator
from chapter10.errors import InputError
from chapter10.int8_maps import int8_maps
from chapter10.live.page import assets

RNG = np.random.default_rng(5)


def strokes(n: int) -> np.ndarray:
    """Bytes [n, 28, 28] with a bar or two each, as digits have them."""
    x = np.zeros((n, 28, 28), dtype=np.uint8)
    for i in range(n):
        for _ in range(2):
            r, c = RNG.integers(5, 18, 2)
            x[i, r : r + 3, c : c + 8] = RNG.integers(100, 256)
            x[i, r : r + 9, c : c + 2] = 255
    return x


BYTES = strokes(5)
IMAGES = BYTES.reshape(5, 784) / 255


def generator(seed: int, **settings: int) -> TranslationGenerator:
    torch.manual_seed(seed)
    net = TranslationGenerator(**settings).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * (1.2 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.3))
    return net


NETS = {
    "plain": [generator(0), generator(1)],
    "turned": [generator(2, width=5, blocks=1), generator(3, width=7, blocks=3)],
}


def figures() -> dict[str, live.LiveFigure]:
    return {
        "plain": live.translation_figure(*NETS["plain"], IMAGES, names=list("abcde"), title="There and back"),
        "turned": live.translation_figure(
            *NETS["turned"], torch.tensor(IMAGES[:2]), pair="rotated", start=1, direction="b", invert=False
        ),
    }


@pytest.fixture(scope="module")
def shown() -> dict[str, live.LiveFigure]:
    return figures()


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    yield from figures_page(shown, tmp_path_factory.mktemp("page"))


def state(page, name: str) -> dict:
    return page.js(f"frame().then(() => {root(name)}.ch10.state())")


def packed(net: TranslationGenerator) -> nn.Module:
    """torch's own network with the int8 weights put back into its layers."""
    double = generator(
        0, width=net.model[2].out_channels, blocks=sum(isinstance(p, ResidualBlock) for p in net.model)
    ).double()
    double.load_state_dict(net.state_dict())
    small = int8_maps(live.map_layers_of(net.model, "linear"))
    layers = [part for part in double.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        for layer, kept, scale in zip(layers, small.layers, small.scales, strict=True):
            layer.weight.copy_(torch.tensor(kept.weight * scale[:, None, None, None].astype(float)))
            if layer.bias is not None:
                layer.bias.copy_(torch.tensor(kept.bias))
    return double.eval()


# ---- against torch


@pytest.mark.parametrize("name", NETS)
def test_the_page_translates_as_torch_does(page, name: str):
    there, back = (packed(net) for net in NETS[name])
    x = torch.tensor(np.concatenate([IMAGES[:2], np.zeros((1, 784)), RNG.random((1, 784))]))
    for direction, first, second in (("a", there, back), ("b", back, there)):
        with torch.no_grad():
            y = first(2 * x - 1)
            expected = [(v.numpy() + 1) / 2 for v in (y, second(y))]
        got = page.js(f"{json.dumps(x.tolist())}.map(v => {root(name)}.ch10.translate(v, '{direction}'))")
        for i in range(2):
            assert expected[i].std() > 0.05
            assert np.abs(np.array([g[i] for g in got]) - expected[i]).max() < 1e-5
    with torch.no_grad():  # and int8 itself is not far from the weights as they were
        floats = NETS[name][0].float()((2 * x - 1).float()).numpy()
    got = np.array([page.js(f"{root(name)}.ch10.translate({json.dumps(v)}, 'a')")[0] for v in x.tolist()])
    assert np.abs(2 * got - 1 - floats).mean() < 0.03


def test_the_known_translations_are_those_of_domains(page):
    x = torch.tensor(BYTES)
    for name, rule in (("plain", domains.outline), ("turned", domains.turned)):
        for i in range(len(x)):
            got = page.js(f"{root(name)}.ch10.known({json.dumps((x[i].flatten() / 255).tolist())}, 0)")
            assert np.abs(np.array(got) - rule(x[i : i + 1]).flatten().numpy() / 255).max() < 1e-6
            if name == "turned":
                again = page.js(f"{root(name)}.ch10.known({json.dumps(got)}, 1)")
                assert np.abs(np.array(again) - x[i].flatten().numpy() / 255).max() < 1e-6


def test_the_numbers_are_those_of_the_pictures(page):
    click(page, "plain", "Another image")
    s = state(page, "plain")
    assert s["at"] == 1 and not s["drawn"]
    x, y, back, known = (np.array(s[k]) for k in ("x", "y", "back", "known"))
    assert np.abs(x - IMAGES[1]).max() < 1e-6
    expected = [np.sqrt(np.mean((p - q) ** 2)) for p, q in ((y, known), (x, known), (back, x))]
    cells = page.js(f"[...{root('plain')}.querySelectorAll('td')].map(e => +e.textContent)")
    assert cells == pytest.approx(expected, abs=6e-4)
    assert f"{expected[0]:.3f}" in page.js(f"{root('plain')}.querySelector('p.c10-read').textContent")


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
        assert still.shape == (height, width), name
        assert np.abs(np.subtract(drawn.shape, still.shape)).max() <= 2, name
        h, w = np.minimum(drawn.shape, still.shape)
        assert np.abs(blocks(still[:h, :w]) - blocks(drawn[:h, :w])).mean() < 4, name
    assert fresh.problems == []


def test_the_direction_turns_round_and_a_drawing_has_no_known_digit(page):
    pick(page, "plain", "Translate", "b")
    s = state(page, "plain")
    outlines = domains.outline(torch.tensor(BYTES)).flatten(1).numpy() / 255
    assert np.abs(np.array(s["x"]) - outlines[s["at"]]).max() < 1e-6
    assert np.abs(np.array(s["known"]) - IMAGES[s["at"]]).max() < 1e-6
    expected = page.js(f"{root('plain')}.ch10.translate({json.dumps(s['x'])}, 'b')")
    assert s["y"] == pytest.approx(expected[0]) and s["back"] == pytest.approx(expected[1])
    click(page, "plain", "Wipe the field")
    s = state(page, "plain")
    assert s["drawn"] and s["known"] is None and max(s["x"]) == 0
    assert page.js(f"{root('plain')}.querySelector('td').textContent") == "–"
    pick(page, "plain", "Translate", "a")
    assert state(page, "plain")["known"] is not None


def field(page, name: str) -> tuple[float, float, float]:
    """Left and top of the field to draw on, and the size of a pixel."""
    page.js(f"{root(name)}.scrollIntoView()")
    x, y, width = page.js(
        f"(() => {{ const b = {root(name)}.querySelectorAll('canvas')[1].getBoundingClientRect(); return [b.left, b.top, b.width]; }})()"
    )
    return x, y + 24 * width / 224, width / 28


def test_the_mouse_draws_a_line_and_rubs_it_out(page):
    click(page, "plain", "Wipe the field")
    x, y, size = field(page, "plain")
    before = page.js(f"digest({root('plain')})")
    page.mouse("mousePressed", x + 5.5 * size, y + 10.5 * size)
    page.mouse("mouseMoved", x + 20.5 * size, y + 10.5 * size)
    page.mouse("mouseReleased", x + 20.5 * size, y + 10.5 * size)
    s = state(page, "plain")
    ink = np.array(s["x"]).reshape(28, 28)
    assert (ink[10, 5:21] > 0.99).all() and (ink[[9, 11], 6:20] > 0.3).all()
    assert ink[:8].max() == ink[13:].max() == ink[:, :3].max() == ink[:, 23:].max() == 0
    assert page.js(f"digest({root('plain')})") != before
    known = np.array(s["known"]).reshape(28, 28)
    assert known[10, 10] < 0.01 and known[8:13, 10].max() > 0.5  # its outline is known, drawn or not
    pick(page, "plain", "The pen", "rub")
    page.mouse("mousePressed", x + 12.5 * size, y + 10.5 * size)
    page.mouse("mouseReleased", x + 12.5 * size, y + 10.5 * size)
    ink = np.array(state(page, "plain")["x"]).reshape(28, 28)
    assert ink[10, 12] < 0.01 and ink[10, 6] > 0.99
    pick(page, "plain", "The pen", "draw")


def test_a_finger_draws_and_picks(page):
    click(page, "plain", "Wipe the field")
    x, y, size = field(page, "plain")
    points = [[{"x": x + c * size, "y": y + 14.5 * size}] for c in (8.5, 12.5, 16.5)]
    for kind, at in zip(("touchStart", "touchMove", "touchMove"), points, strict=True):
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=at)
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    ink = np.array(state(page, "plain")["x"]).reshape(28, 28)
    assert (ink[14, 9:16] > 0.9).all()
    page.js(f"{root('plain')}.querySelectorAll('[role=radio]')[3].click()")
    s = state(page, "plain")
    assert s["at"] == 3 and not s["drawn"] and np.abs(np.array(s["x"]) - IMAGES[3]).max() < 1e-6
    checked = page.js(
        f"[...{root('plain')}.querySelectorAll('[role=radio]')].map(e => e.getAttribute('aria-checked'))"
    )
    assert checked == ["false", "false", "false", "true", "false"]


def test_keys_draw_and_pick_and_stay_with_the_figure(page):
    r = root("plain")
    page.js(f"window.bubbled = 0; {r}.querySelectorAll('canvas')[1].focus()")
    press(page, "Delete", 46)
    press(page, " ", 32)
    press(page, "ArrowRight", 39, 5)
    press(page, " ", 32)
    press(page, "ArrowDown", 40, 4)
    s = state(page, "plain")
    ink = np.array(s["x"]).reshape(28, 28)
    column = s["pen"][1]
    assert s["pen"] == [18.5, 19.5] and not s["down"]
    assert (ink[14, 14 : int(column)] > 0.9).all() and ink[17:].max() == 0
    assert "pen up, row 19, column 20" in page.js(f"{r}.querySelector('p.c10-read').textContent")
    page.js(f"{r}.querySelector('[role=radio][tabindex=\"0\"]').focus()")
    press(page, "Home", 36)
    press(page, "ArrowRight", 39)
    s = state(page, "plain")
    assert s["at"] == 1 and not s["drawn"] and page.js("window.bubbled") == 0


def test_from_pen_to_picture_is_quick(page):
    times = page.js(
        f"(() => {{ const c = {root('plain')}.ch10, x = c.state().x, t = []; for (let i = 0; i < 20; i++) {{"
        " const a = performance.now(); c.translate(x, 'a'); t.push(performance.now() - a); } return t; })()"
    )
    assert np.quantile(times, 0.1) < 40, times


def test_html_stands_alone_and_is_the_same_again(shown):
    for name, figure in figures().items():
        assert figure.html == shown[name].html
        check_html(figure, 150)
    script, _ = assets("translation")
    assert len(script.encode()) < 22_000


def test_names_for_who_cannot_see_and_nothing_from_outside(page):
    assert page.js("[...document.querySelectorAll('.c10 select')].filter(e => !e.labels.length).length") == 0
    named = "[...document.querySelectorAll('.c10 canvas, .c10 [role=radio], .c10 [role=radiogroup]')]"
    assert page.js(f"{named}.every(c => c.getAttribute('aria-label').length > 0)")
    check_nothing_from_outside(page)


PLAIN = NETS["plain"]


@pytest.mark.parametrize("call, word", [
    (lambda: live.translation_figure(*PLAIN, IMAGES, pair="colour"), "colour"),
    (lambda: live.translation_figure(*PLAIN, IMAGES, direction="c"), "direction"),
    (lambda: live.translation_figure(*PLAIN, IMAGES, names=["a"]), "names"),
    (lambda: live.translation_figure(*PLAIN, IMAGES, start=5), "start"),
    (lambda: live.translation_figure(*PLAIN, IMAGES * 2), "in \\[0, 1\\]"),
    (lambda: live.translation_figure(*PLAIN, np.zeros((15, 784))), "from 1 to 14"),
    (lambda: live.translation_figure(TranslationGenerator(3, 1), PLAIN[1], IMAGES), "3 channels to 1"),
    (lambda: live.translation_figure(PLAIN[0], TranslationGenerator(width=64), IMAGES), "fewer channels"),
    (lambda: live.translation_figure(PLAIN[0], TranslationGenerator(form="paper"), IMAGES), "output_padding"),
    (lambda: live.translation_figure(PLAIN[0], nn.Sequential(nn.Conv2d(1, 1, 3)), IMAGES), "one size"),
    (lambda: live.translation_figure(PLAIN[0], nn.Linear(784, 784), IMAGES), "Linear"),
])  # fmt: skip
def test_errors_come_before_anything_is_drawn(call, word: str):
    with pytest.raises(InputError, match=word) as error:
        call()
    assert str(error.value).endswith(".")
