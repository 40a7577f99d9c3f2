"""The live figures of several β and of a code map: numbers in the page against numpy and torch, keys, touch, what is refused."""

import base64
import copy
import html as html_module
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from browser import READY, check_nothing_from_outside, click, figures_page, root
from PIL import Image
from test_live import blocks, decoder
from torch import nn

from chapter10 import live
from chapter10.errors import InputError
from chapter10.int8 import int8_decoder
from chapter10.int8_maps import int8_maps
from chapter10.live.page import assets

RNG = np.random.default_rng(3)
IMAGES = RNG.random((5, 784)).astype(np.float32)
BETAS, LATENT = (4, 0.25, 1), 6
CODES = {beta: RNG.normal(size=(5, LATENT)).round(3) for beta in BETAS}
KL = {beta: RNG.permutation([2.5, 1.25, 0.5, 0.125, 0.01, 0]) / beta for beta in BETAS}
RECONSTRUCTION = {0.25: -80.0, 1: -100.0, 4: -140.0}
CHAINS = {
    "code": [
        nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(12, 8, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(8, 4, 3, padding=1), nn.PixelShuffle(2), nn.Flatten(),
    ],
    "wide": [
        nn.Conv2d(3, 5, 2, stride=2, padding=1), nn.Tanh(), nn.ConvTranspose2d(5, 18, 5, stride=2, padding=2), nn.PixelShuffle(3),
        nn.ConvTranspose2d(2, 2, 2, stride=3, padding=2), nn.ReLU(), nn.Conv2d(2, 1, 1),
    ],
}  # fmt: skip


def convolutions(name: str) -> nn.Sequential:
    torch.manual_seed(0)
    net = copy.deepcopy(nn.Sequential(*CHAINS[name]))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * (2.5 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.3))
    return net


def models() -> list[live.BetaModel]:
    return [
        live.BetaModel(
            beta, live.layers_of(decoder(LATENT, seed=i)), CODES[beta], KL[beta], RECONSTRUCTION[beta], {"MIG": 0.1 * beta}
        )
        for i, beta in enumerate(BETAS)
    ]  # fmt: skip


BOOK = {
    "code": RNG.normal(size=(20, 8)).astype(np.float32),
    "wide": RNG.normal(size=(40, 3)).astype(np.float32),
}
MAPS = {"code": RNG.integers(0, 20, (30, 7, 7)), "wide": RNG.integers(0, 40, (2, 3, 5))}
SHAPES = {"code": (28, 28), "wide": (22, 40)}  # of the second, checked below against torch


def figures() -> dict[str, live.LiveFigure]:
    return {
        "beta": live.beta_figure(models(), IMAGES, title="Several β"),
        "given": live.beta_figure(
            models()[:2], torch.tensor(IMAGES[:5]), start=4, image=3, names=[f"a {i}" for i in range(5)], invert=False
        ),
        "code": live.code_figure(
            live.map_layers_of(convolutions("code")), BOOK["code"], MAPS["code"], RNG_IMAGES["code"], title="Codes"
        ),
        "wide": live.code_figure(
            live.map_layers_of(convolutions("wide")), torch.tensor(BOOK["wide"]), torch.tensor(MAPS["wide"]), RNG_IMAGES["wide"],
            shown=2, start=1, cell=(2, 0), names=["one", "two"], invert=False,
        ),
    }  # fmt: skip


RNG_IMAGES = {"code": RNG.random((30, 784)), "wide": RNG.random((2, *SHAPES["wide"]))}


@pytest.fixture(scope="module")
def shown() -> dict[str, live.LiveFigure]:
    return figures()


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    yield from figures_page(shown, tmp_path_factory.mktemp("page"))


def state(page, name: str) -> dict:
    return page.js(f"frame().then(() => {root(name)}.ch10.state())")


# ---- the HTML


def test_html_stands_alone_and_is_the_same_again(shown):
    again = figures()
    for name, figure in shown.items():
        assert figure.html == again[name].html
        assert not re.search(r'https?:|@import|src="(?!data:)|url\(', figure.html), name
        still = figure.html.split("<script>")[0]
        assert html_module.escape(figure.alt) in still and len(figure.alt) > 100
        assert not re.search(r"<(input|button|select|canvas)", still)


def test_sizes(shown):
    for kind in ("beta", "code"):
        script, css = assets(kind)
        assert len(script.encode()) < 18_500 and len(css) < 5_000
    assert shown["code"].kilobytes < 200
    seven = [
        replace(models()[0], beta=beta, layers=live.layers_of(decoder(LATENT, seed=i)))
        for i, beta in enumerate((0.25, 0.5, 1, 2, 4, 8, 16))
    ]
    assert live.beta_figure(seven, IMAGES).kilobytes < 500
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(16, 64, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 4, 3, padding=1), nn.PixelShuffle(2),
    )  # fmt: skip
    codes = RNG.integers(0, 64, (100, 7, 7))
    images = np.kron(codes % 5 == 0, np.ones((4, 4)))  # noise would not be packed by the still picture's PNG
    largest = live.code_figure(live.map_layers_of(net), RNG.normal(size=(64, 16)), codes, images)
    assert largest.kilobytes < 200


def canvases(page, name: str) -> np.ndarray:
    """What the canvases show, put where they lie on the page, in grey."""
    parts = page.js(
        f"(() => {{ const c = [...{root(name)}.querySelectorAll('canvas')], b = c.map(e => e.getBoundingClientRect());"
        " const x = Math.min(...b.map(r => r.left)), y = Math.min(...b.map(r => r.top));"
        " return c.map((e, i) => [b[i].left - x, b[i].top - y, e.toDataURL().split(',')[1]]); })()"
    )
    pieces = [
        (
            round(x),
            round(y),
            np.asarray(Image.open(io.BytesIO(base64.b64decode(c))).convert("L"), dtype=float),
        )
        for x, y, c in parts
    ]
    whole = np.full([max(p[1 - i] + p[2].shape[i] for p in pieces) for i in (0, 1)], 255.0)
    for x, y, part in pieces:
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    return whole


def test_every_figure_starts_in_the_place_of_its_still_picture(page, shown):
    assert page.js(READY) == len(shown)
    for name, figure in shown.items():
        width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', figure.html).groups())
        still = np.asarray(Image.open(io.BytesIO(figure.png)).convert("L").reduce(2), dtype=float)
        drawn = canvases(page, name)
        assert still.shape == (height, width) == drawn.shape, name
        assert np.abs(blocks(still) - blocks(drawn)).mean() < 4, name


# ---- several β


def test_the_page_decodes_what_the_models_decode_from_the_least_beta_to_the_greatest(page):
    z = np.random.default_rng(0).normal(size=(3, LATENT)).round(3)
    by_beta = {m.beta: m for m in models()}
    for place, beta in enumerate(sorted(BETAS)):
        got = page.js(f"{json.dumps(z.tolist())}.map(z => {root('beta')}.ch10.decode({place}, z))")
        expected = int8_decoder(by_beta[beta].layers)(z)
        error = np.abs(np.array(got) - expected)
        assert np.quantile(error, 0.5) < 1e-6  # the border is left out: what no picture shows
        assert error.max() < 0.02
        assert expected.std() > 0.2


def test_the_slider_and_the_menus_choose_model_dimension_and_image(page):
    r, seen = root("beta"), []
    assert state(page, "beta")["beta"] == "1"  # the one nearest to 1 comes first
    by_beta = {f"{m.beta:g}": m for m in models()}
    for place in range(3):
        page.js(f"move({r}, 0, {place})")
        for rank, image in ((0, 0), (4, 3)):
            page.js(
                f"(e => {{ e[0].value = {rank}; e[1].value = {image}; }})({r}.querySelectorAll('select'))"
            )
            page.js(f"{r}.querySelector('select').dispatchEvent(new Event('change'))")
            s = state(page, "beta")
            model = by_beta[s["beta"]]
            order = np.argsort(-np.asarray(model.kl), kind="stable")
            assert (s["rank"], s["image"], s["dimension"]) == (rank, image, order[rank])
            codes = np.repeat(model.codes[image : image + 1], 7, 0)
            codes[:, order[rank]] = range(-3, 4)
            expected = int8_decoder(model.layers)(codes)
            assert np.abs(np.array(s["walk"]) - expected).mean() < 1e-3
        seen.append(s["beta"])
        text = page.js(f"{r}.querySelector('table').textContent").replace("−", "-")
        total, rec = model.kl.sum(), RECONSTRUCTION[model.beta]
        for number in (f"{rec:.2f}", f"{total:.2f}", f"{rec - total:.2f}", f"{0.1 * model.beta:.3g}"):
            assert number in text, (number, text)
        options = page.js(f"[...{r}.querySelector('select').options].map(o => o.textContent)")
        nats = [float(re.search(r": ([\d.]+) nats", o)[1]) for o in options]
        assert nats == sorted(nats, reverse=True)
        assert nats == pytest.approx(np.sort(model.kl)[::-1], abs=0.006)
        said = page.js(f"{r}.querySelector('input').getAttribute('aria-valuetext')")
        assert said.startswith(s["beta"] + ";") and "KL" in said
        assert page.js(f"{r}.querySelector('label').textContent") == "β = " + s["beta"]
    assert seen == ["0.25", "1", "4"]


def test_the_canvas_shows_images_and_what_is_decoded(page):
    first = models()[2]  # β = 1
    page.js(f"move({root('beta')}, 0, 1)")
    pixels = page.js(
        f"(() => {{ const c = {root('beta')}.querySelector('canvas'), g = c.getContext('2d'), p = [];"
        " for (const top of [4, 96]) for (let q = 0; q < 5; q++) for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++)"
        " p.push(g.getImageData(92 + 92 * q + 3 * x + 1, top + 3 * y + 1, 1, 1).data[0]); return p; })()"
    )
    images, decoded = 1 - np.array(pixels).reshape(2, 5, 784) / 255
    assert np.abs(images - IMAGES).max() < 1.01 / 255
    assert np.abs(decoded - int8_decoder(first.layers)(first.codes)).max() < 2.6 / 255


def test_a_click_on_an_image_or_a_bar_chooses_it(page):
    r = root("beta")

    def press(canvas: int, x: float, y: float) -> dict:
        page.js(f"{r}.scrollIntoView()")
        left, top = page.js(
            f"(b => [b.left, b.top])({r}.querySelectorAll('canvas')[{canvas}].getBoundingClientRect())"
        )
        page.mouse("mousePressed", left + x, top + y)
        page.mouse("mouseReleased", left + x, top + y)
        return state(page, "beta")

    assert press(0, 92 + 92 * 2 + 40, 50)["image"] == 2
    assert press(0, 92 + 92 * 4 + 40, 130)["image"] == 4
    assert press(0, 92 + 92 * 6 + 40, 130)["image"] == 4  # no image there
    assert press(1, 40 + 408 / 6 * 3.5, 100)["rank"] == 3
    assert press(1, 10, 100)["rank"] == 3  # left of the bars
    click(page, "beta", "Next dimension")
    assert state(page, "beta")["rank"] == 4


def test_keys_move_beta_and_the_menus_and_stay_with_them(page):
    r = root("beta")
    page.js(f"move({r}, 0, 2)")
    for control, key, code in (("input", "ArrowLeft", 37), ("select", "ArrowUp", 38)):
        page.js(f"window.bubbled = 0; {r}.querySelector('{control}').focus()")
        before = page.js(f"[document.activeElement.value, digest({r})]")
        page.key(key, code)
        after = page.js(f"frame().then(() => [document.activeElement.value, digest({r})])")
        assert int(after[0]) == int(before[0]) - 1 and after[1] != before[1]
        assert page.js("window.bubbled") == 0
        assert float(page.js("getComputedStyle(document.activeElement).outlineWidth").removesuffix("px")) >= 2


def test_what_was_given_to_start_with_is_shown(page):
    s = state(page, "given")
    assert (s["beta"], s["image"], s["rank"]) == ("4", 3, 0)
    assert (
        page.js(f"[...{root('given')}.querySelectorAll('select')[1].options].map(o => o.textContent)")[3]
        == "a 3"
    )


# ---- a code map


@pytest.mark.parametrize("name", CHAINS)
def test_the_page_decodes_codes_as_torch_does(page, name: str):
    """With the int8 weights put back into torch's layers, the page gives torch's picture."""
    net, book = convolutions(name).double(), torch.tensor(BOOK[name]).double()
    packed = int8_maps(live.map_layers_of(net))
    layers = [part for part in net if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))]
    with torch.no_grad():
        for layer, small, scale in zip(layers, packed.layers, packed.scales, strict=True):
            weight = torch.tensor(small.weight * scale[:, None, None, None].astype(float))
            layer.weight.copy_(weight.transpose(0, 1) if layer.transposed else weight)
            layer.bias.copy_(torch.tensor(small.bias))
        codes = torch.tensor(np.random.default_rng(1).integers(0, len(book), (3, *MAPS[name].shape[1:])))
        expected = net(book[codes].permute(0, 3, 1, 2)).sigmoid().flatten(1).numpy()
    assert expected.std() > 0.05 and expected.shape[1] == np.prod(SHAPES[name])
    flat = codes.flatten(1).tolist()
    got = np.array(page.js(f"{json.dumps(flat)}.map(c => {root(name)}.ch10.decode(c))"))
    assert np.abs(got - expected).max() < 1e-6
    floats = convolutions(name)
    with torch.no_grad():  # and int8 itself is not far from the weights as they were
        near = floats(book.float()[codes].permute(0, 3, 1, 2)).sigmoid().flatten(1).numpy()
    assert np.abs(got - near).mean() < 0.02


def focused(page) -> str:
    return page.js("document.activeElement.getAttribute('aria-label')")


def press(page, key: str, code: int, times: int = 1) -> None:
    """A key with its text, as a keyboard sends it."""
    for _ in range(times):
        text = {"text": key} if len(key) == 1 else {}
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        page.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def test_keys_choose_a_cell_and_change_its_code_and_stay_with_the_figure(page):
    r = root("wide")  # 3 rows of 5; cell (2, 0) of the second image was asked for
    codes = MAPS["wide"][1].flatten().tolist()
    s = state(page, "wide")
    assert (s["cell"], s["image"], s["codes"]) == (10, 1, codes)
    assert page.js(f"{r}.querySelectorAll('[role=group] button[tabindex=\"0\"]').length") == 1
    page.js(f"window.bubbled = 0; {r}.querySelector('[role=group] button[tabindex=\"0\"]').focus()")
    assert focused(page) == f"row 3, column 1: code {codes[10]}"
    for key, code, cell in (
        ("ArrowUp", 38, 5), ("ArrowRight", 39, 6), ("ArrowLeft", 37, 5), ("ArrowDown", 40, 10), ("ArrowDown", 40, 10),
        ("Home", 36, 0), ("ArrowLeft", 37, 0), ("End", 35, 14),
    ):  # fmt: skip
        press(page, key, code)
        assert state(page, "wide")["cell"] == cell
        assert focused(page) == f"row {cell // 5 + 1}, column {cell % 5 + 1}: code {codes[cell]}"
    assert float(page.js("getComputedStyle(document.activeElement).outlineWidth").removesuffix("px")) >= 2
    before = page.js(f"digest({r})")
    press(page, "+", 187)
    codes[14] = (codes[14] + 1) % 40
    assert state(page, "wide")["codes"] == codes and page.js(f"digest({r})") != before
    assert f"code {codes[14]}, encoded as" in page.js(f"{r}.querySelector('[aria-live=polite]').textContent")
    press(page, "-", 189, codes[14] + 1)
    codes[14] = 39  # before the first comes the last
    assert state(page, "wide")["codes"] == codes
    assert focused(page) == "row 3, column 5: code 39"
    # the tiles of the codes: the chosen one can be tabbed to, and arrows choose at once
    page.js(f"{r}.querySelector('[role=radiogroup] [tabindex=\"0\"]').focus()")
    assert focused(page).startswith("code 39, in ")
    press(page, "ArrowUp", 38)
    step = page.js(
        f"getComputedStyle({r}.querySelector('[role=radiogroup]')).gridTemplateColumns.split(' ').length"
    )
    assert state(page, "wide")["codes"][14] == 39 - step
    assert page.js(f"{r}.querySelector('[aria-checked=true]').getAttribute('aria-label')") == focused(page)
    assert page.js("window.bubbled") == 0
    click(page, "wide", "Reset the cell")
    assert state(page, "wide")["codes"] == MAPS["wide"][1].flatten().tolist()


def test_mouse_and_touch_choose_cells_and_codes(page):
    r = root("code")
    page.js(f"{r}.scrollIntoView()")
    tile, grid = page.js(
        f"['radiogroup', 'group'].map(k => {r}.querySelector(`[role=${{k}}]`).getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.width, b.height])"
    )
    x, y = grid[0] + 40 * 2 + 20, grid[1] + 40 * 5 + 20
    page.mouse("mousePressed", x, y)
    page.mouse("mouseReleased", x, y)
    assert state(page, "code")["cell"] == 5 * 7 + 2
    x, y = tile[0] + tile[2] / 16 * 3.5, tile[1] + tile[3] * 0.75  # code 16 + 3, in the second of two rows
    page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    s = state(page, "code")
    expected = MAPS["code"][0].flatten()
    expected[37] = 19
    assert s["codes"] == expected.tolist()
    assert abs(tile[3] / 2 - tile[2] / 16) < 1  # what is touched is what is drawn


def test_the_numbers_beside_the_picture_are_those_of_the_change(page):
    r = root("code")
    click(page, "code", "Reset all")
    before = state(page, "code")
    assert before["codes"] == MAPS["code"][0].flatten().tolist()
    net, book = int8_maps(live.map_layers_of(convolutions("code"))), BOOK["code"]

    def picture(codes: list[int]) -> np.ndarray:
        return net(book[np.reshape(codes, (1, 7, 7))].transpose(0, 3, 1, 2)).flatten()

    page.js(f"{r}.querySelectorAll('[role=group] button')[10].click()")
    page.js(f"{r}.querySelectorAll('[role=radio]')[3].click()")
    page.js(f"{r}.querySelectorAll('[role=group] button')[30].click()")
    page.js(f"{r}.querySelectorAll('[role=radio]')[4].click()")
    after = state(page, "code")
    changed = int((np.array(after["codes"]) != before["codes"]).sum())
    assert changed in (1, 2) and (after["codes"][10], after["codes"][30]) == (3, 4)
    x = np.rint(RNG_IMAGES["code"][0] * 255) / 255
    new, old = picture(after["codes"]), picture(before["codes"])
    cells = page.js(f"[...{r}.querySelectorAll('tbody td')].map(e => e.textContent)")
    assert cells[:2] == [f"{changed} of 49", f"{(np.abs(new - old) > 0.1).sum()} of 784"]
    found = [float(c) for c in cells[2:]]
    assert found == pytest.approx([((new - x) ** 2).sum(), ((old - x) ** 2).sum()], abs=0.006)
    # the canvases: the picture, the original, and the change in blue and orange
    pixels = page.js(
        f"(() => {{ const c = {r}.querySelectorAll('canvas'), p = [];"
        " for (const [i, x0, y0, k] of [[1, 0, 24, 10], [2, 0, 24, 4], [2, 0, 176, 4]])"
        " { const g = c[i].getContext('2d'); for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++)"
        " p.push([...g.getImageData(k * x + k / 2, y0 + k * y + k / 2, 1, 1).data.slice(0, 3)]); } return p; })()"
    )
    drawn, original, change = np.array(pixels).reshape(3, 784, 3)
    assert np.abs(1 - drawn[:, 0] / 255 - new).max() < 1.01 / 255
    assert np.abs(1 - original[:, 0] / 255 - x).max() < 1.01 / 255
    gained, lost = new - old > 0.02, new - old < -0.02
    assert gained.sum() > 5 and lost.sum() > 5
    assert (change[gained, 2] > change[gained, 0]).all() and (change[lost, 0] > change[lost, 2]).all()
    assert (change[new == old] == 255).all()


def test_a_code_is_shown_as_the_mean_of_the_images_around_it(shown):
    """Images that are black in the cells of one code and white elsewhere: its tile is black in the middle, and no other's."""
    codes = np.random.default_rng(5).integers(0, 4, (200, 7, 7))
    images = np.kron(codes == 2, np.ones((4, 4)))
    figure = live.code_figure(
        live.map_layers_of(convolutions("code")), BOOK["code"][:5], codes, images, shown=1, names=["one"]
    )
    data = json.loads(re.search(r"\}\)\((\{.*\}),\"", figure.html)[1])
    tiles = np.frombuffer(base64.b64decode(data["tiles"]), np.uint8).reshape(5, 12, 12) / 255
    assert (tiles[2, 4:8, 4:8] == 1).all() and (tiles[[0, 1, 3, 4], 4:8, 4:8] == 0).all()
    around = tiles[:4].mean(0)[
        [0, 5, 11, 5], [5, 0, 5, 11]
    ]  # a quarter of the neighbours, fewer where the image ends
    assert around == pytest.approx([0.25 * 6 / 7] * 4, abs=0.02)
    shares = [float(u.removesuffix(" %")) for u in data["used"]]
    assert shares == pytest.approx(100 * np.bincount(codes.flatten(), minlength=5) / codes.size, abs=0.06)


def test_buttons_go_back_and_on(page):
    click(page, "code", "All codes at random")
    drawn = state(page, "code")
    assert sum(a != b for a, b in zip(drawn["codes"], MAPS["code"][0].flatten())) > 30
    click(page, "code", "Reset all")
    assert state(page, "code")["codes"] == MAPS["code"][0].flatten().tolist()
    for i in (*range(1, 8), 0):
        click(page, "code", "Another image")
        s = state(page, "code")
        assert (s["image"], s["codes"]) == (i, MAPS["code"][i].flatten().tolist())


# ---- both


def test_from_key_to_picture_takes_less_than_30_ms_and_nothing_jumps(page):
    """The quicker ones of 20: the others are the other programs' on a busy machine."""
    for name in ("beta", "given", "code", "wide"):
        times, heights = page.js(
            f"(() => {{ const r = {root(name)}, t = [], h = new Set(); for (let i = 0; i < 20; i++) {{ const a = performance.now();"
            " const s = r.querySelector('input'); if (s) s.value = i % 3; else r.querySelectorAll('[role=group] button')[i % 15].click();"
            " r.ch10.draw(); t.push(performance.now() - a); h.add(r.offsetHeight); } return [t, [...h]]; })()"
        )
        assert np.quantile(times, 0.2) < 30, f"{name}: {times}"
        assert len(heights) == 1, name


def test_names_for_who_cannot_see_and_nothing_from_outside(page):
    for tag in ("input", "select"):
        assert (
            page.js(f"[...document.querySelectorAll('.c10 {tag}')].filter(e => !e.labels.length).length") == 0
        )
    assert page.js("[...document.querySelectorAll('.c10 canvas')].every(c => c.getAttribute('role') === 'img'"
                   " && c.getAttribute('aria-label').length > 10)")  # fmt: skip
    assert page.js(
        "[...document.querySelectorAll('.c10 button')].every(b => b.textContent || b.getAttribute('aria-label'))"
    )
    assert page.js("[...document.querySelectorAll('.c10-fields')].every(b => b.getAttribute('aria-label'))")
    check_nothing_from_outside(page)


# ---- what cannot be shown

MODELS, LAYERS = models(), live.map_layers_of(convolutions("code"))


def code(**changes: object) -> live.LiveFigure:
    given = {
        "layers": LAYERS,
        "codebook": BOOK["code"],
        "codes": MAPS["code"],
        "images": RNG_IMAGES["code"],
    } | changes
    return live.code_figure(**given)


def one_changed(**changes: object) -> live.LiveFigure:
    return live.beta_figure([replace(MODELS[0], **changes), *MODELS[1:]], IMAGES)


@pytest.mark.parametrize("call, word", [
    (lambda: live.beta_figure(MODELS[:1], IMAGES), "two or more"),
    (lambda: live.beta_figure([MODELS[0], 3], IMAGES), "BetaModel"),
    (lambda: live.beta_figure([MODELS[0], MODELS[0]], IMAGES), "same β"),
    (lambda: one_changed(beta=-1), "β is -1"),
    (lambda: one_changed(beta=float("nan")), "not finite"),
    (lambda: one_changed(codes=CODES[4][:4]), "the codes"),
    (lambda: one_changed(codes=CODES[4] * np.nan), "not finite"),
    (lambda: one_changed(kl=KL[4][:3]), "KL"),
    (lambda: one_changed(kl=KL[4] - 1), "never below 0"),
    (lambda: one_changed(reconstruction=float("inf")), "reconstruction"),
    (lambda: one_changed(numbers={}), "further numbers"),
    (lambda: one_changed(numbers={"MIG": "high"}), "MIG"),
    (lambda: one_changed(layers=live.layers_of(decoder(3)), codes=CODES[4][:, :3], kl=KL[4][:3]), "latent dimensions"),
    (lambda: one_changed(layers=live.layers_of(decoder(LATENT, 700))), "smaller ones"),
    (lambda: live.beta_figure(MODELS, IMAGES, shape=(27, 28)), "images"),
    (lambda: live.beta_figure(MODELS, IMAGES[:, :756], shape=(27, 28)), "shape"),
    (lambda: live.beta_figure(MODELS, np.zeros((8, 784))), "from 1 to 7"),
    (lambda: live.beta_figure(MODELS, np.zeros((5, 784), dtype=np.uint8)), "uint8"),
    (lambda: live.beta_figure(MODELS, IMAGES * 2), "values in"),
    (lambda: live.beta_figure(MODELS, IMAGES, start=2), "none of the models"),
    (lambda: live.beta_figure(MODELS, IMAGES, image=5), "image = 5"),
    (lambda: live.beta_figure(MODELS, IMAGES, names=["a"]), "names"),
    (lambda: code(layers=[]), "at least one"),
    (lambda: code(codebook=BOOK["code"][:1]), "codebook has 1"),
    (lambda: code(codebook=RNG.normal(size=(257, 8))), "257"),
    (lambda: code(codebook=BOOK["code"][:, :4]), "4 numbers"),
    (lambda: code(codebook=BOOK["code"] * np.nan), "not finite"),
    (lambda: code(codebook=BOOK["code"][:10]), "from 0 to 9"),
    (lambda: code(codes=MAPS["code"] - 1), "-1"),
    (lambda: code(codes=MAPS["code"] + 0.0), "float64"),
    (lambda: code(codes=MAPS["code"].reshape(30, 49)), "shape"),
    (lambda: code(codes=MAPS["code"][:, :6]), "images"),
    (lambda: code(images=RNG_IMAGES["code"][:4]), "4 images for 30"),
    (lambda: code(images=RNG_IMAGES["code"] - 1), "values in"),
    (lambda: code(layers=LAYERS[:2]), "8 channels"),
    (lambda: code(layers=live.map_layers_of(nn.Conv2d(8, 1, 121, padding=60))), "weights"),
    (lambda: code(shown=31), "shown"),
    (lambda: code(shown=0), "shown"),
    (lambda: code(start=8), "start = 8"),
    (lambda: code(cell=(7, 0)), "the row of cell"),
    (lambda: code(cell=(0, 1, 2)), "no place"),
    (lambda: code(names=["a"]), "names"),
])  # fmt: skip
def test_errors_come_before_anything_is_drawn(call, word: str):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).endswith(".") and word.lower() in str(error.value).lower(), str(error.value)
