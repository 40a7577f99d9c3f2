"""Every kind of live figure, and every other output of the notebooks, for who sees less, hears the page, or has no mouse.

What axe-core finds wrong, contrast, colours under the colour blindnesses, names and values, keys, touch, less motion, and
heights that stay.
"""

import json
import re
import time
from pathlib import Path

import nbformat
import numpy
import pytest
import test_live
import test_live_critic
import test_live_games
import test_live_kernel
import test_live_models
import test_live_translation
from browser import PRELUDE, READY, Browser, figures_page, root, violations
from test_figures import BLINDNESS, lab, linear, nearest

from chapter10.authoring.texts import ROOT
from chapter10.figures import COLORS

ASSETS = ROOT / "chapter10" / "assets"
THEMES = ("light", "dark")
# What WCAG 2.2 asks for at AA, success criteria 1.4.3 and 1.4.11: text, and what is needed to see what a control is.
TEXT, GRAPHICS = 4.5, 3.0
# In CIELAB. Half of all people tell marks of a third of a degree, 3 mm at 50 cm, apart from 7.3 on in lightness, 10 along
# a and 14 along b (Stone, Szafir and Setlur 2014, an engineering model for color difference as a function of size).
APART = 15.0


def figures() -> dict[str, "test_live.live.LiveFigure"]:
    """A figure of each kind, by its kind."""
    plain, games, models = test_live.figures(), test_live_games.figures(), test_live_models.figures()
    return {
        "decoder": plain["two"],
        **{name: plain[name] for name in ("elbo", "paths", "frames", "walk")},
        **{name: games[name] for name in ("game", "lab")},
        **{name: models[name] for name in ("beta", "code")},
        "critic": test_live_critic.figures()["plain"],
        "translation": test_live_translation.figures()["plain"],
        "drawn": test_live_kernel.with_kernel(test_live_kernel.shades()),
    }


@pytest.fixture(scope="module")
def shown():
    return figures()


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    yield from figures_page(shown, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One page with what the notebooks show as HTML beside the live figures: verdicts, tables, exercises."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", []):
                text = "".join(output.get("data", {}).get("text/html", ""))
                if text and "data-ch10" not in text:
                    found.setdefault(text, path.stem)
    folder = tmp_path_factory.mktemp("outputs")
    browser = Browser()
    place = folder / "page.html"
    body = "\n".join(f'<section data-from="{name}">{text}</section>' for text, name in found.items())
    place.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}', encoding="utf-8")
    browser.open(place)
    browser.js(PRELUDE)
    yield browser
    browser.close()


def in_theme(page: Browser, theme: str) -> None:
    """The colours of JupyterLab's own theme, as a notebook has them."""
    from jupyterlab.commands import get_app_dir

    style = Path(get_app_dir()) / "themes" / "@jupyterlab" / f"theme-{theme}-extension" / "index.css"
    if not style.is_file():
        pytest.skip(f"this JupyterLab keeps its themes elsewhere than in {style.parent.parent.name}")
    css = style.read_text("utf-8") + "body{background:var(--jp-layout-color0);color:var(--jp-content-font-color1)}"
    page.js(
        "(css => { document.querySelector('#theme')?.remove(); const e = document.createElement('style'); e.id = 'theme';"
        f" e.textContent = css; document.head.append(e); }})({json.dumps(css)})"
    )
    dark = page.js("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (theme == "dark")


def test_each_kind_of_figure_is_looked_at(page, shown):
    kinds = {k for path in ASSETS.glob("*.js") for k in re.findall(r"^KINDS\.(\w+) =", path.read_text("utf-8"), re.M)}
    assert kinds == set(shown)
    assert page.js("[...document.querySelectorAll('.c10')].filter(r => r.ch10).length") == len(kinds)


# ---- axe-core


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_the_live_figures(page, theme):
    in_theme(page, theme)
    assert violations(page, ".c10") == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_the_other_outputs(outputs, theme):
    in_theme(outputs, theme)
    assert outputs.js("document.querySelectorAll('section').length") > 100
    assert violations(outputs, "section") == []


def test_axe_finds_what_is_wrong(outputs):
    in_theme(outputs, "light")
    outputs.js(
        "document.body.insertAdjacentHTML('beforeend', '<div id=\"wrong\"><img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\">"
        "<input type=\"range\"><p style=\"color:#999\">pale</p></div>')"
    )
    found = violations(outputs, "#wrong")
    outputs.js("document.querySelector('#wrong').remove()")
    assert {line.split(":")[0] for line in found} >= {"image-alt", "label", "color-contrast"}


# ---- contrast

# The ratio of two colours [r, g, b] as WCAG 2.2 defines it, a colour laid over others, and the ground under an element.
CONTRAST = """
window.linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
window.light = c => c.reduce((t, v, i) => t + linear(v / 255) * [.2126, .7152, .0722][i], 0);
window.ratio = (a, b) => { const [p, q] = [light(a), light(b)]; return (Math.max(p, q) + .05) / (Math.min(p, q) + .05); };
window.rgba = s => { const m = s.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
window.over = (c, ground) => [0, 1, 2].map(i => c[3] * c[i] + (1 - c[3]) * ground[i]);
window.ground = e => {
  const layers = [];
  for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); layers.push(c); if (c[3] === 1) break; }
  return layers.reverse().reduce((g, c) => over(c, g), [255, 255, 255]);
};
0"""


def test_contrast_is_that_of_wcag(page):
    page.js(CONTRAST)
    assert page.js("ratio([0, 0, 0], [255, 255, 255])") == pytest.approx(21)
    assert page.js("ratio([119, 119, 119], [255, 255, 255])") == pytest.approx(4.48, abs=0.005)  # #777, the known near miss
    assert page.js("over([0, 0, 0, .5], [255, 255, 255])") == [127.5] * 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("which", ["page", "outputs"])
def test_text_stands_out(request, which, theme):
    shown = request.getfixturevalue(which)
    in_theme(shown, theme)
    shown.js(CONTRAST)
    pale = shown.js(
        "[...document.querySelectorAll('section *')].filter(e => !['STYLE', 'SCRIPT', 'OPTION'].includes(e.tagName) && !e.disabled"
        " && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => { const g = ground(e);"
        " return [ratio(over(rgba(getComputedStyle(e).color), g), g), e.outerHTML.slice(0, 100)]; })"
    )
    assert len(pale) > 50
    assert [(r, text) for r, text in pale if r < TEXT] == []


@pytest.mark.parametrize("theme", THEMES)
def test_controls_and_focus_stand_out(page, theme):
    in_theme(page, theme)
    page.js(CONTRAST)
    css = (ASSETS / "live.css").read_text("utf-8")
    edges = dict(page.js(
        "['button', 'select'].map(t => { const e = document.querySelector('.c10-controls ' + t), g = ground(e.parentElement);"
        " return [t, ratio(over(rgba(getComputedStyle(e).borderTopColor), g), g)]; })"
    ))  # fmt: skip
    # colours that only pseudo-elements have can't be asked for in the page
    parts = {
        "focus": re.search(r":focus-visible \{ outline: 3px solid ([^;]+);", css),
        "track": re.search(r"range-track \{ height: 6px; border-radius: 3px; background: ([^;]+);", css),
        "thumb": re.search(r"--c10-blue: ([^;]+);", css),
        "error": re.search(r"\.c10-error \{ border-left: 4px solid ([^;]+);", css),
    }
    for part, found in parts.items():
        assert found, part
        edges[part] = page.js(
            f"(() => {{ const g = ground(document.body), e = document.createElement('i'); e.style.color = {json.dumps(found[1])};"
            " document.body.append(e); const c = rgba(getComputedStyle(e).color); e.remove(); return ratio(over(c, g), g); })()"
        )
    assert {part: r for part, r in edges.items() if r < GRAPHICS} == {}


# Each text that is drawn, its colour and what was under its own pixels; each colour of a line, an area or a dot.
DRAWN = """
window.drawn = r => {
  const p = CanvasRenderingContext2D.prototype, keep = {}, texts = [], panels = new Map();
  const note = (g, style) => {
    if (!panels.has(g)) panels.set(g, new Set());
    if (typeof style === 'string' && style[0] === '#') panels.get(g).add(style);
  };
  const parts = s => [1, 3, 5].map(i => parseInt(s.slice(i, i + 2), 16)), off = (a, b) => a.reduce((t, v, i) => t + Math.abs(v - b[i]), 0);
  for (const f of ['fillText', 'fill', 'stroke', 'fillRect']) keep[f] = p[f];
  p.fillText = function (s, x, y) {
    const m = this.measureText(s), t = this.getTransform(), left = x - m.actualBoundingBoxLeft, top = y - m.actualBoundingBoxAscent;
    const w = m.actualBoundingBoxLeft + m.actualBoundingBoxRight, h = m.actualBoundingBoxAscent + m.actualBoundingBoxDescent;
    const box = [Math.floor(left * t.a + t.e), Math.floor(top * t.d + t.f), Math.ceil(w * t.a) + 1, Math.ceil(h * t.d) + 1];
    if (!String(s).trim()) return keep.fillText.call(this, s, x, y);
    const before = this.getImageData(...box).data, found = [], colour = parts(this.fillStyle);
    keep.fillText.call(this, s, x, y);
    const after = this.getImageData(...box).data;
    for (let i = 0; i < after.length; i += 4) {
      const a = after.subarray(i, i + 3), b = before.subarray(i, i + 3);
      if (before[i + 3] && off(colour, a) < 90 && off(a, b)) found.push(ratio(colour, [...b]));
    }
    if (found.length) texts.push([String(s), this.fillStyle, found.sort((a, b) => a - b)[Math.floor(found.length / 20)]]);
  };
  p.fill = function (...a) { note(this, this.fillStyle); keep.fill.apply(this, a); };
  p.stroke = function (...a) { note(this, this.strokeStyle); keep.stroke.apply(this, a); };
  p.fillRect = function (...a) { note(this, this.fillStyle); keep.fillRect.apply(this, a); };
  try { r.ch10.draw(); } finally { Object.assign(p, keep); }
  return {texts, marks: [...panels.values()].map(m => [...m].map(c => [c, ratio(parts(c), [255, 255, 255])]))};
};
0"""


def test_text_in_the_pictures_stands_out(page, shown):
    """Nineteen of twenty pixels of each text, over what is drawn under it."""
    page.js(CONTRAST)
    page.js(DRAWN)
    pale, count = [], 0
    for name in shown:
        for text, colour, r in page.js(f"drawn({root(name)}).texts"):
            count += 1
            pale += [f"{name}: “{text}” in {colour}, {r:.2f}"] if r < TEXT else []
    assert count > 150 and page.problems == []
    assert pale == []


# Pale or near another on purpose: its meaning doesn't hang on the colour.
GRID = "#d1d9e0"  # lines behind, with numbers beside them
NAMED = {
    ("elbo", "#e69f00"): "a bar with its name and its value in ink above it",
    ("game", "#8f2d00"): "an arrow in a row of its own, with its name",
    ("game", "#6a3d9a"): "an arrow in a row of its own, with its name",
}


def grey(colour: str) -> bool:
    return numpy.hypot(*lab(linear(colour))[1:]) < 15


def test_lines_and_marks_stand_out_and_apart(page, shown):
    """Greys are one colour here: where two meet, their places tell them apart."""
    page.js(CONTRAST)
    page.js(DRAWN)
    coloured = 0
    for name in shown:
        for panel in page.js(f"drawn({root(name)}).marks"):
            for colour, r in panel:
                assert r >= GRAPHICS or colour in ("#ffffff", GRID) or (name, colour) in NAMED, f"{name}: {colour}, {r:.2f}"
            colours = [c for c, _ in panel if not grey(c) and (name, c) not in NAMED]
            coloured += len(colours)
            for blindness in BLINDNESS if len(colours) > 1 else ():
                assert nearest(colours, blindness) > APART, f"{name}, {blindness}: {colours}"
    assert coloured > 15


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_palette_is_told_apart(blindness):
    assert nearest(list(COLORS.values()), blindness) > APART, numpy.round(nearest(list(COLORS.values()), blindness), 1)


# ---- names, roles and values, as a screen reader is given them


def test_sliders_have_name_role_and_value_for_a_screen_reader(page, shown):
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    page.call("Accessibility.disable")
    sliders = [n for n in nodes if n.get("role", {}).get("value") == "slider"]
    assert len(sliders) == page.js("document.querySelectorAll('.c10 input[type=range]').length") > 15
    for node in sliders:
        told = {p["name"]: p["value"].get("value") for p in node["properties"]}
        assert node["name"]["value"].strip()
        assert re.search(r"\d|up|down", told["valuetext"]), told
    named = ("button", "combobox", "checkbox", "radio", "radiogroup", "img", "image", "application")
    bare = [n for n in nodes if n.get("role", {}).get("value") in named and not n.get("name", {}).get("value", "").strip()]
    assert bare == []


def sliders(page: Browser, name: str) -> int:
    return page.js(f"{root(name)}.querySelectorAll('input[type=range]:enabled').length")


def test_arrow_keys_stay_with_the_slider(page, shown):
    for name in shown:
        for i in range(sliders(page, name)):
            before = page.js(
                f"(() => {{ window.bubbled = 0; const s = {root(name)}.querySelectorAll('input[type=range]:enabled')[{i}]; s.focus();"
                " window.slider = s; window.tall = [scrollX, scrollY]; return +s.value; })()"
            )
            page.key("Home", 36)
            page.key("ArrowRight", 39)
            page.key("ArrowRight", 39)
            page.key("ArrowUp", 38)
            after, low, focused, outline = page.js(
                "frame().then(() => [+slider.value, +slider.min, document.activeElement === slider,"
                " parseFloat(getComputedStyle(slider).outlineWidth)])"
            )
            assert after > low and focused, f"{name}: slider {i} from {before}"
            assert page.js("window.bubbled") == 0 and page.js("[scrollX, scrollY]") == page.js("tall")
            assert outline >= 2


# ---- heights, touch, motion


@pytest.mark.parametrize("width", [1200, 700, 380])
def test_no_figure_changes_its_height(page, shown, width):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
    for name in shown:
        for i in range(page.js(f"{root(name)}.querySelectorAll('input[type=range]').length")):
            heights = page.js(
                f"(async () => {{ const r = {root(name)}, s = r.querySelectorAll('input[type=range]')[{i}], h = new Set([r.offsetHeight]);"
                " for (const t of [0, .13, .29, .5, .77, 1]) {"
                f" await move(r, {i}, +s.min + t * (s.max - s.min)); h.add(r.offsetHeight); }} return [...h]; }})()"
            )
            assert len(heights) == 1, f"{name}: slider {i} at {width} pixels: {heights}"
        heights = page.js(
            f"(async () => {{ const r = {root(name)}, h = [r.offsetHeight]; for (const b of r.querySelectorAll('.c10-buttons button'))"
            " if (b.textContent !== 'Play') { b.click(); await frame(); h.push(r.offsetHeight); } return h; })()"
        )
        assert len(set(heights)) == 1, f"{name}: buttons at {width} pixels: {heights}"
    page.call("Emulation.clearDeviceMetricsOverride")


def test_a_finger_moves_every_slider(page, shown):
    moved = 0
    for name in shown:
        for i in range(sliders(page, name)):
            box = page.js(
                f"(() => {{ const s = {root(name)}.querySelectorAll('input[type=range]:enabled')[{i}]; s.value = s.min;"
                " s.dispatchEvent(new Event('input')); s.scrollIntoView({block: 'center'}); window.slider = s;"
                " const b = s.getBoundingClientRect(); return [b.left, b.top + b.height / 2, b.width, b.height]; })()"
            )
            x, y, width, height = box
            assert height >= 24  # WCAG 2.2, 2.5.8: large enough for a finger
            picture = page.js(f"frame().then(() => digest({root(name)}))")
            asked = page.js("window.asked ? asked.length : 0")
            for kind, at in (("touchStart", [0.1]), ("touchMove", [0.4]), ("touchMove", [0.7]), ("touchEnd", [])):
                page.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x + t * width, "y": y} for t in at])
            share, step = page.js(
                "frame().then(() => { const s = slider, all = s.max - s.min; return [(s.value - s.min) / all, (+s.step || 0) / all]; })"
            )
            assert share == pytest.approx(0.7, abs=max(0.08, step / 2)), f"{name}: slider {i}"
            if name == "drawn":  # the answers of its kernel are made up, and the kernel was asked
                assert page.js("asked.length") > asked, f"{name}: slider {i}"
            else:
                assert page.js(f"digest({root(name)})") != picture, f"{name}: slider {i}"
            moved += 1
    assert moved > 15


def test_what_goes_wrong_in_a_press_is_said_in_the_figure(page, shown):
    """A press that fails before anything is drawn, in the figure in which it happens and in no other."""
    said = page.js(
        f"(() => {{ const r = {root('decoder')}, keep = Math.random, log = console.error; console.error = () => 0;"
        " Math.random = () => { throw new Error('no dice left'); };"
        " [...r.querySelectorAll('button')].find(b => b.textContent.startsWith('Draw z')).click();"
        " Math.random = keep; console.error = log; return [...document.querySelectorAll('[role=alert]')].map(e => e.textContent); })()"
    )
    assert said == ["This live figure stopped: no dice left. Run the cell again."]
    assert page.js(f"!!{root('decoder')}.querySelector('[role=alert]')")
    for theme in THEMES:
        in_theme(page, theme)
        assert violations(page, "#decoder .c10") == []


def pictures(page: Browser, shown: dict) -> dict[str, str]:
    return {name: page.js(f"digest({root(name)})") for name in shown}


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_nothing_moves_by_itself(page, shown, motion):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": motion}])
    page.open(page.path)
    page.js(PRELUDE)
    for _ in range(100):
        if page.js(READY) == len(shown):
            break
        time.sleep(0.05)
    before = pictures(page, shown)
    time.sleep(0.5)
    assert pictures(page, shown) == before
    play = page.js("[...document.querySelectorAll('.c10 button')].filter(b => b.textContent === 'Play').length")
    assert play == (3 if motion == "no-preference" else 0)
    assert page.problems == []
