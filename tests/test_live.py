"""Live figures: what is in their HTML, how near int8 weights come, and what a real browser makes of them."""

import base64
import html as html_module
import io
import json
import re
import time

import numpy as np
import pytest
import torch
from browser import READY, figures_page, root
from PIL import Image
from torch import nn

from chapter10 import live
from chapter10.errors import InputError
from chapter10.int8 import int8_decoder
from chapter10.live.page import assets
from chapter10.vae import VAE

EPS = np.random.default_rng(4).normal(size=40)


WAY = [(1.0, 0.0), (-0.3, 1.2)]


def decoder(
    latent_dim: int = 2, hidden_dim: int = 64, activation: str = "relu", seed: int = 0
) -> nn.Sequential:
    """A decoder whose pictures have contrast, and whose border is never touched, like a trained one's."""
    torch.manual_seed(seed)
    net = VAE(latent_dim=latent_dim, hidden_dim=hidden_dim, activation=activation).decoder
    border = torch.ones(28, 28, dtype=torch.bool)
    border[4:-4, 4:-4] = False
    with torch.no_grad():
        for p in net.parameters():
            p *= 3
        net[-1].weight[border.flatten()] = 0
        net[-1].bias[border.flatten()] = -9
    return net


def figures() -> dict[str, live.LiveFigure]:
    rng = np.random.default_rng(0)
    one, other, deep = decoder(), decoder(seed=1), decoder(6, seed=2)
    codes, labels = rng.normal(size=(300, 2)), rng.integers(0, 10, 300)
    waves = [np.stack([np.full((28, 28), t), np.full((28, 28), 1 - t)]) for t in np.linspace(0, 1, 11)]
    return {
        "decoder": live.decoder_figure(live.layers_of(one), codes=codes, labels=labels, title="One"),
        "two": live.decoder_figure(
            {"autoencoder": live.layers_of(one), "VAE": live.layers_of(other)},
            codes={"autoencoder": codes * 2, "VAE": codes}, labels=labels, limits=4,
        ),
        "elbo": live.elbo_figure(w=1.2, b=0.3, s=0.6, x=1.1),
        "paths": live.reparameterization_figure(EPS),
        "frames": live.frames_figure(waves, [f"t = {i}" for i in range(11)], labels=["up", "down"], play=8),
        "walk": live.walk_figure(live.layers_of(deep), rng.normal(size=(5, 6)), dims=[3, 1]),
        "ways": live.decoder_figure(live.layers_of(one), path=WAY),
        "film": live.frames_figure(waves, charts=[
            live.Chart("losses, nats", {"D": np.linspace(2, 1, 50), "G": np.linspace(0.5, 4, 50)}, range(1, 51), range(0, 55, 5)),
            live.Chart("distance", {"distance": [900.0, 300, 120]}, [10, 30, 50], range(0, 55, 5)),
        ]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def shown() -> dict[str, live.LiveFigure]:
    return figures()


# ---- int8 weights


def test_quantise_is_off_by_half_a_scale_at_most():
    weight = (
        torch.randn(50, 30, dtype=torch.float64) * torch.logspace(-3, 3, 50, dtype=torch.float64)[:, None]
    )
    weight[7] = 0
    values, scale = live.quantise(weight)
    assert values.dtype == np.int8 and values.min() >= -127
    error = np.abs(values * scale[:, None].astype(float) - weight.numpy())
    assert (error <= 0.5001 * scale[:, None]).all()
    assert (values[7] == 0).all()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("latent_dim", [2, 20])
def test_int8_pictures_are_near_the_float_ones(activation: str, latent_dim: int):
    net = decoder(latent_dim, 256, activation)
    z = torch.randn(200, latent_dim)
    with torch.no_grad():
        exact = torch.sigmoid(net(z)).numpy()
    assert exact.std() > 0.2  # else anything would be near
    assert np.abs(int8_decoder(live.layers_of(net))(z) - exact).mean() < 0.02


def test_pixels_never_touched_are_left_out_and_nothing_else_changes():
    layers, z = live.layers_of(decoder()), np.random.default_rng(0).normal(size=(100, 2))
    whole, lean = int8_decoder(layers), int8_decoder(layers, probe=z)
    assert len(lean.keep) <= 400 < whole.size == lean.size
    assert np.abs(whole(z) - lean(z)).max() < 1 / 510
    inside = lean.keep
    assert np.array_equal(whole(z)[:, inside], lean(z)[:, inside])


def test_layers_of_keeps_the_function():
    net = nn.Sequential(
        nn.Sequential(nn.Linear(3, 5), nn.Tanh()), nn.Dropout(), nn.Linear(5, 4, bias=False), nn.Sigmoid()
    )
    z = torch.randn(10, 3)
    with torch.no_grad():
        exact = net.eval()(z).numpy()
    assert np.abs(int8_decoder(live.layers_of(net))(z) - exact).max() < 0.02
    assert [a for _, _, a in live.layers_of(nn.Sequential(nn.Linear(2, 2)))] == ["sigmoid"]


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.Conv2d(1, 1, 3)), nn.Sequential(nn.Linear(2, 2), nn.GELU()), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)),
    nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh()), nn.Sequential(nn.Flatten()),
])  # fmt: skip
def test_layers_of_refuses_what_the_page_cannot_run(net: nn.Module):
    with pytest.raises(InputError):
        live.layers_of(net)


# ---- the HTML


def test_html_stands_alone(shown):
    for name, figure in shown.items():
        bundle = figure._repr_mimebundle_()
        assert set(bundle) == {"text/html", "text/plain"} and bundle["text/plain"] == figure.alt
        assert not re.search(r'https?:|@import|src="(?!data:)|url\(', figure.html), name
        still = figure.html.split("<script>")[0]
        assert html_module.escape(figure.alt) in still and len(figure.alt) > 40
        # without scripts, nothing that looks as if it could be moved
        assert not re.search(r"<(input|button|select|canvas)", still)
        width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', still).groups())
        assert Image.open(io.BytesIO(figure.png)).size == (2 * width, 2 * height)
        assert figure.html.count("<script>") == figure.html.count("</script>") == 1


def test_sizes():
    for kind in ("decoder", "elbo", "frames", "paths", "walk"):
        script, css = assets(kind)
        assert len(script.encode()) < 15_000 and len(css) < 5_000
    net = live.layers_of(decoder(2, 256))
    assert live.decoder_figure({"autoencoder": net, "VAE": net}).kilobytes < 750
    assert live.elbo_figure().kilobytes < 80
    assert live.walk_figure(live.layers_of(decoder(20, 256)), np.zeros((8, 20))).kilobytes < 450


def test_same_content_same_html(shown):
    again = figures()
    assert all(again[name].html == shown[name].html for name in shown)
    assert len({f.identifier for f in shown.values()}) == len(shown)


def test_what_users_write_stays_text():
    evil = "</script><b onmouseover=\"alert('x')\"> & \u2028 $x^2$"
    figure = live.frames_figure(
        [np.zeros((4, 4))] * 2, [evil, "b"], name=evil, title=evil, alt=evil, labels=[evil]
    )
    assert figure.html.count("</script>") == 1 and "<b " not in figure.html
    assert html_module.escape(evil) in figure.html and "\u2028" not in figure.html.split("<script>")[1]


# ---- what cannot be shown

LAYERS = [(np.ones((3, 2)), np.zeros(3), "relu"), (np.ones((4, 3)), np.zeros(4), "sigmoid")]
GOOD = {"shape": (2, 2)}


@pytest.mark.parametrize("call", [
    lambda: live.decoder_figure([], **GOOD),
    lambda: live.decoder_figure({}, **GOOD),
    lambda: live.decoder_figure(LAYERS),
    lambda: live.decoder_figure([(np.full((4, 2), np.nan), np.zeros(4), "sigmoid")], **GOOD),
    lambda: live.decoder_figure([(np.ones((4, 2)), np.zeros(3), "sigmoid")], **GOOD),
    lambda: live.decoder_figure([(np.ones((4, 2)), np.zeros(4), "softmax")], **GOOD),
    lambda: live.decoder_figure([LAYERS[1], LAYERS[0]], **GOOD),
    lambda: live.decoder_figure({"a": LAYERS, "b": [(np.ones((4, 3)), np.zeros(4), "sigmoid")]}, **GOOD),
    lambda: live.decoder_figure(LAYERS, codes=np.zeros((5, 3)), **GOOD),
    lambda: live.decoder_figure(LAYERS, codes=np.zeros((5, 2)), labels=[1, 2], **GOOD),
    lambda: live.decoder_figure({"a": LAYERS}, codes=np.zeros((5, 2)), **GOOD),
    lambda: live.decoder_figure(LAYERS, limits=(2, -2), **GOOD),
    lambda: live.decoder_figure(LAYERS, dims=[0, 2], **GOOD),
    lambda: live.decoder_figure(LAYERS, start=[0, 0, 0], **GOOD),
    lambda: live.walk_figure(LAYERS, np.zeros((3, 5)), **GOOD),
    lambda: live.walk_figure(LAYERS, np.zeros((3, 2)), names=["a"], **GOOD),
    lambda: live.walk_figure(LAYERS, np.zeros((3, 2)), start=2, **GOOD),
    lambda: live.decoder_figure(LAYERS, path=[(0, 0), (1, 1)], **GOOD),
    lambda: live.decoder_figure(LAYERS, path=[(1, 0), (-1, 0)], **GOOD),
    lambda: live.decoder_figure(LAYERS, path=[1, 2], **GOOD),
    lambda: live.frames_figure([np.zeros((2, 2))], charts=[live.Chart("a", {"b": [1, 2]}, [1, 2], [1, 2])]),
    lambda: live.frames_figure([np.zeros((2, 2))], charts=[live.Chart("a", {"b": [1, 2]}, [2, 1], [1])]),
    lambda: live.frames_figure([np.zeros((2, 2))], charts=[live.Chart("a", {"b": [1, np.nan]}, [1, 2], [1])]),
    lambda: live.frames_figure([np.zeros((2, 2))], charts=[live.Chart("a", {}, [1, 2], [1])]),
    lambda: live.frames_figure([]),
    lambda: live.frames_figure([np.zeros((2, 2)), np.zeros((3, 2))]),
    lambda: live.frames_figure([np.zeros((2, 2))], ["a", "b"]),
    lambda: live.frames_figure([np.full((2, 2), 2.0)]),
    lambda: live.frames_figure([b"no picture"]),
    lambda: live.frames_figure([np.zeros((2, 2))], start=1),
    lambda: live.elbo_figure(s=0),
    lambda: live.elbo_figure(x=float("nan")),
    lambda: live.reparameterization_figure([0.0]),
    lambda: live.reparameterization_figure(np.zeros((4, 4))),
    lambda: live.reparameterization_figure(np.zeros(4), sigma_limits=(-1, 1)),
])  # fmt: skip
def test_errors_come_before_anything_is_drawn(call):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).endswith(".") and "Traceback" not in str(error.value)


# ---- in a browser


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    """All figures in one page, the first of them twice."""
    yield from figures_page({**shown, "twice": shown["decoder"]}, tmp_path_factory.mktemp("page"))


def test_every_figure_starts_and_keeps_its_place(page, shown):
    assert page.js(READY) == len(shown) + 1
    for name, figure in shown.items():
        width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', figure.html).groups())
        box = page.js(
            f"(() => {{ const b = [...{root(name)}.querySelectorAll('canvas')].map(c => c.getBoundingClientRect());"
            " return [Math.max(...b.map(r => r.right)) - Math.min(...b.map(r => r.left)),"
            " Math.max(...b.map(r => r.bottom)) - Math.min(...b.map(r => r.top))]; })()"
        )
        assert box == pytest.approx([width, height], abs=1.5), name
        assert page.js(f"{root(name)}.querySelectorAll('.c10-still, .c10-off').length") == 0


def blocks(p: np.ndarray) -> np.ndarray:
    """Means over squares of 20 pixels."""
    h, w = p.shape[0] // 20, p.shape[1] // 20
    return p[: h * 20, : w * 20].reshape(h, 20, w, 20).mean((1, 3))


def test_the_first_canvas_is_the_still_picture(page, shown):
    for name, figure in shown.items():
        still = np.asarray(Image.open(io.BytesIO(figure.png)).convert("L").reduce(2), dtype=float)
        live_picture = np.full(still.shape, 255.0)
        canvases = page.js(
            f"[...{root(name)}.querySelectorAll('canvas')].map(c => c.toDataURL().split(',')[1])"
        )
        x = 0
        for c in canvases:
            part = np.asarray(Image.open(io.BytesIO(base64.b64decode(c))).convert("L"), dtype=float)
            live_picture[: part.shape[0], x : x + part.shape[1]] = part
            x += part.shape[1] + 12
        # letters and edges differ by their smoothing; masses and places don't
        assert np.abs(blocks(still) - blocks(live_picture)).mean() < 4, name


def test_every_slider_moves_the_picture_at_once(page, shown):
    for name in shown:
        sliders = page.js(f"{root(name)}.querySelectorAll('input[type=range]').length")
        assert sliders
        for i in range(sliders):
            assert page.js(
                f"(async () => {{ const r = {root(name)}, s = r.querySelectorAll('input[type=range]')[{i}];"
                " const before = digest(r), text = s.getAttribute('aria-valuetext');"
                f" await move(r, {i}, +s.min + 0.8 * (s.max - s.min));"
                " return digest(r) !== before && s.getAttribute('aria-valuetext') !== text; })()"
            ), f"{name}: slider {i}"


def test_redraw_takes_less_than_30_ms(page, shown):
    for name in shown:
        times = page.js(
            f"(() => {{ const r = {root(name)}, t = []; for (let i = 0; i < 30; i++) {{"
            " const a = performance.now(); r.ch10.draw(); t.push(performance.now() - a); } return t; })()"
        )
        assert np.median(times) < 30, f"{name}: {np.median(times):.1f} ms"


def test_the_page_decodes_what_python_decodes(page, shown):
    z = np.random.default_rng(5).normal(size=(6, 2)).round(3)
    for i, net in enumerate((decoder(), decoder(seed=1))):
        got = page.js(f"{json.dumps(z.tolist())}.map(z => {root('two')}.ch10.decode({i}, z))")
        expected = int8_decoder(live.layers_of(net))(z)
        assert np.abs(np.array(got) - expected)[:, _inner()].max() < 1e-6
        assert np.abs(np.array(got) - expected).max() < 1e-3
    z = np.random.default_rng(6).normal(size=(3, 6))
    got = page.js(f"{json.dumps(z.tolist())}.map(z => {root('walk')}.ch10.decode(z))")
    assert np.abs(np.array(got) - int8_decoder(live.layers_of(decoder(6, seed=2)))(z)).max() < 1e-3


def test_the_ways_between_two_ends(page):
    """At t on the straight way and on the arc, z is where the formulas put it; a hand on z ends the way."""
    a, b = np.array(WAY)
    turn = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    t = 0.35
    expected = {
        "straight": (1 - t) * a + t * b,
        "spherical": (np.sin((1 - t) * turn) * a + np.sin(t * turn) * b) / np.sin(turn),
    }
    for i, (name, z) in enumerate(expected.items(), 1):
        found = page.js(
            f"(async () => {{ const r = {root('ways')}, pick = r.querySelector('select'); pick.value = {i};"
            f" pick.dispatchEvent(new Event('change')); await move(r, 2, {t});"
            " return [...r.querySelectorAll('input[type=range]')].map(e => +e.value).concat(r.querySelector('.c10-read').textContent); })()"
        )
        assert found[:2] == pytest.approx(z, abs=0.006) and found[2] == t
        assert f"{name} way, t = 0.35: |z| = {np.linalg.norm(z):.2f}" in found[3]
    assert page.js(f"move({root('ways')}, 0, 0.5).then(() => +{root('ways')}.querySelector('select').value)") == 0


def test_the_film_marks_its_moment_on_the_curves(page):
    said = page.js(
        f"(async () => {{ const r = {root('film')}, c = r.querySelectorAll('canvas')[1], found = [];"
        " for (const i of [10, 5]) { await move(r, 0, i); found.push(c.getAttribute('aria-label'), digest(r)); } return found; })()"
    )
    assert said[0] == "losses, nats: D 1, G 4; distance: distance 120"
    assert said[2] == "losses, nats: D 1.51, G 2.21; distance: distance 450" and said[1] != said[3]  # between the looks: on the line


def _inner() -> np.ndarray:
    inner = np.zeros((28, 28), dtype=bool)
    inner[4:-4, 4:-4] = True
    return inner.flatten()


def test_the_canvas_shows_the_decoded_picture(page):
    page.js(
        f"(async () => {{ const r = {root('decoder')}; await move(r, 0, 0.7); await move(r, 1, -1.1); }})()"
    )
    pixels = page.js(
        f"(() => {{ const c = {root('decoder')}.querySelectorAll('canvas')[1], g = c.getContext('2d'), p = [];"
        " for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++)"
        " p.push(g.getImageData(10 * x + 5, 24 + 10 * y + 5, 1, 1).data[0]); return p; })()"
    )
    expected = int8_decoder(live.layers_of(decoder()))([[0.7, -1.1]])[0]
    assert np.abs(np.array(pixels) / 255 - (1 - expected)).max() < 1.01 / 255
    assert np.ptp(pixels) > 100


def test_elbo_and_gap_add_up_wherever_q_and_x_are(page):
    r = root("elbo")
    rng = np.random.default_rng(1)
    for mu, log_sigma, x in rng.uniform([-3, -1.5, -3], [3, 0.8, 3], (12, 3)).round(2):
        page.js(
            f"(async () => {{ for (const [i, v] of [[0, {mu}], [1, {log_sigma}], [2, {x}]]) await move({r}, i, v); }})()"
        )
        v = page.js(f"{r}.ch10.values()")
        assert [v["mu"], v["x"]] == [mu, x]
        assert v["reconstruction"] - v["kl"] + v["gap"] == pytest.approx(v["evidence"], abs=1e-9)
        assert v["gap"] >= 0
        # against torch: evidence from the marginal, the gap from its KL to the true posterior
        normal = torch.distributions.Normal
        marginal = normal(torch.tensor(0.3, dtype=torch.float64), (1.2**2 + 0.6**2) ** 0.5)
        assert v["evidence"] == pytest.approx(float(marginal.log_prob(torch.tensor(x))), abs=1e-5)
        precision = 1 + 1.2**2 / 0.6**2
        posterior = normal(1.2 * (x - 0.3) / 0.6**2 / precision, precision**-0.5)
        q = normal(mu, float(np.exp(log_sigma)))
        assert v["gap"] == pytest.approx(float(torch.distributions.kl_divergence(q, posterior)), abs=1e-4)
        # and the three numbers as the reader sees them
        text = page.js(f"{r}.querySelector('.c10-read').textContent").replace("−", "-")
        evidence, elbo, gap = map(float, re.findall(r"-?\d+\.\d+", text))
        assert round(elbo + gap, 3) == evidence
        assert elbo == pytest.approx(v["reconstruction"] - v["kl"], abs=6e-4)
        assert gap == pytest.approx(v["gap"], abs=1.1e-3)


def test_the_true_posterior_closes_the_gap(page):
    page.js(f"(async () => {{ {root('elbo')}.querySelector('button').click(); await frame(); }})()")
    assert page.js(f"{root('elbo')}.ch10.values().gap") < 1e-3


def test_path_slopes_are_those_of_the_mean_along_the_paths(page):
    r = root("paths")
    page.js(f"(async () => {{ await move({r}, 0, -0.7); await move({r}, 1, 1.2); }})()")
    v = page.js(f"{r}.ch10.values()")
    eps = torch.tensor(EPS)
    mu, sigma = (torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (-0.7, 1.2))
    f = (mu + sigma * eps - 1.5).square().mean()
    f.backward()
    assert [v["f"], v["dmu"], v["dsigma"]] == pytest.approx(
        [f.item(), mu.grad.item(), sigma.grad.item()], abs=1e-6
    )
    assert v["exact"] == pytest.approx([2.2**2 + 1.44, -4.4, 2.4])


def test_keys_move_the_slider_and_stay_with_it(page):
    for name in ("decoder", "elbo", "walk"):
        page.js(f"{root(name)}.querySelector('input[type=range]').focus(); window.bubbled = 0")
        before = page.js("[document.activeElement.value, digest(document.activeElement.closest('.c10'))]")
        for key, code in (("ArrowLeft", 37), ("ArrowDown", 40), ("Home", 36)):
            page.key(key, code)
        after = page.js(
            "frame().then(() => [document.activeElement.value, digest(document.activeElement.closest('.c10'))])"
        )
        assert float(after[0]) < float(before[0]) and after[1] != before[1], name
        assert page.js("window.bubbled") == 0
        outline = page.js("getComputedStyle(document.activeElement).outlineWidth")
        assert float(outline.removesuffix("px")) >= 2


def test_dragging_in_the_plane_moves_the_sliders(page):
    page.js(f"{root('decoder')}.scrollIntoView()")
    x, y, w, h = page.js(
        f"(() => {{ const b = {root('decoder')}.querySelector('canvas').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    page.mouse("mousePressed", x + 20, y + 60)
    page.mouse("mouseMoved", x + 0.75 * w, y + 24 + 0.25 * (h - 24))
    page.mouse("mouseReleased", x + 0.75 * w, y + 24 + 0.25 * (h - 24))
    low, high, z1, z2 = page.js(
        f"frame().then(() => {{ const s = [...{root('decoder')}.querySelectorAll('input')];"
        " return [+s[0].min, +s[0].max, +s[0].value, +s[1].value]; })"
    )
    assert [z1, z2] == pytest.approx([low + 0.75 * (high - low)] * 2, abs=0.03)


def test_names_for_who_cannot_see(page):
    for tag in ("input", "select"):
        unnamed = page.js(
            f"[...document.querySelectorAll('.c10 {tag}')].filter(e => !e.labels.length).length"
        )
        assert unnamed == 0
    assert page.js(
        "[...document.querySelectorAll('.c10 input[type=range]')].every(e => e.getAttribute('aria-valuetext'))"
    )
    assert page.js("[...document.querySelectorAll('.c10 canvas')].every(c => c.getAttribute('role') === 'img'"
                   " && c.getAttribute('aria-label').length > 10)")  # fmt: skip
    ids = page.js("[...document.querySelectorAll('.c10 [id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)


def test_shown_twice_each_moves_alone(page):
    assert page.js(
        "(async () => { const [a, b] = [document.querySelector('#decoder .c10'), document.querySelector('#twice .c10')];"
        " const before = digest(b); await move(a, 0, 1.9); const still = digest(b) === before;"
        " await move(b, 0, -1.9); return still && digest(b) !== before; })()"
    )


def test_new_noise_at_every_move_makes_the_mean_jump(page):
    spread = (
        f"(async (tick) => {{ const r = {root('paths')}, c = r.querySelector('input[type=checkbox]');"
        " if (c.checked !== tick) c.click(); const f = [];"
        " for (let i = 0; i < 8; i++) { r.ch10.draw(); f.push(r.ch10.values().f); }"
        " return Math.max(...f) - Math.min(...f); })"
    )
    assert page.js(f"{spread}(false)") == 0
    assert page.js(f"{spread}(true)") > 0.05
    assert page.js(f"{spread}(false)") == 0


def test_frames_play_and_stop(page):
    r = root("frames")
    page.js(f"{r}.querySelector('button').click()")
    before = page.js(f"{r}.querySelector('input').value")
    time.sleep(0.5)
    assert page.js(f"{r}.querySelector('input').value") != before
    page.js(f"{r}.querySelector('button').click()")
    before = page.js(f"{r}.querySelector('input').value")
    time.sleep(0.3)
    assert page.js(f"{r}.querySelector('input').value") == before


def test_an_error_says_so_where_the_reader_looks(page):
    text = page.js(
        f"(() => {{ const r = {root('twice')}; const p = CanvasRenderingContext2D.prototype,"
        " keep = p.drawImage; p.drawImage = () => { throw new Error('no paint left'); };"
        " const log = console.error; console.error = () => 0; r.ch10.draw(); console.error = log; p.drawImage = keep;"
        " return r.querySelector('[role=alert]').textContent; })()"
    )
    assert "no paint left" in text and "Run the cell again" in text


def test_nothing_was_asked_from_outside_and_nothing_went_wrong(page):
    assert page.problems == []
    assert {u.split(":")[0] for u in page.requests} <= {"file", "data", "about"}


def test_no_play_button_for_who_asks_for_less_motion(page):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    page.open(page.path)
    time.sleep(0.2)
    assert page.js(f"{root('frames')}.querySelectorAll('input[type=range]').length") == 1
    assert page.js(f"{root('frames')}.querySelectorAll('button').length") == 0
