"""The live figures in another language: what is said in page and scripts is looked up, what is drawn in the still stays."""

import ast
import gettext
import html
import json
import re

import numpy as np
import pytest
import test_live
import test_live_kernel
import test_live_models
import test_live_translation
from browser import figures_page, root

from chapter10 import language, live
from chapter10.authoring import catalogue
from chapter10.authoring.texts import ROOT
from chapter10.errors import InputError
from chapter10.live.page import KERNEL, OFF, SAID, SCRIPTS, assets, said_in
from chapter10.stills import Still

WORDS = re.compile(r"[A-Za-z]{2,}")
# What is a formula, a unit or a name in every language.
TECHNICAL = {"log", "nats", "ELBO", "KL", "JSD", "MIG"}


class Fake(gettext.NullTranslations):
    """A language in which every word is 词; places stay."""

    def gettext(self, message: str) -> str:
        return re.sub(
            r"\{[^{}]*\}|[A-Za-z]+", lambda found: found[0] if found[0][0] == "{" else "词", message
        )


def figures() -> dict[str, live.LiveFigure]:
    """A figure of each kind, without a word of the author's that has Latin letters."""
    rng = np.random.default_rng(0)
    net, deep = live.layers_of(test_live.decoder()), live.layers_of(test_live.decoder(6, seed=2))
    codes, models = rng.normal(size=(30, 2)), test_live_models
    waves = [np.full((28, 28), t) for t in np.linspace(0, 1, 5)]
    chart = live.Chart("1", {"2": np.linspace(2, 1, 50)}, range(1, 51), range(0, 50, 10))
    level = live.Slider("1", 0, 1, 0.5)
    kernel = live.kernel_figure(lambda level: (np.full((10, 20), level), "3"), {"level": level}, alt="2")
    return {
        "decoder": live.decoder_figure(net, codes=codes, labels=rng.integers(0, 3, 30)),
        "ways": live.decoder_figure({"1": net, "2": net}, codes={"1": codes, "2": codes}, path=test_live.WAY),
        "sliders": live.decoder_figure(deep),
        "walk": live.walk_figure(deep, rng.normal(size=(5, 6))),
        "elbo": live.elbo_figure(),
        "paths": live.reparameterization_figure(test_live.EPS),
        "frames": live.frames_figure(waves, play=8),
        "film": live.frames_figure(waves, [str(i) for i in range(5)], charts=[chart, chart]),
        "game": live.game_figure(strength=0.5),
        "lab": live.gan_lab(),
        "beta": live.beta_figure(models.models(), models.IMAGES),
        "code": live.code_figure(
            live.map_layers_of(models.convolutions("code")), models.BOOK["code"], models.MAPS["code"], models.RNG_IMAGES["code"]
        ),
        "critic": live.critic_figure(steps=3),
        "translation": live.translation_figure(*test_live_translation.PLAIN, test_live_translation.IMAGES),
        "drawn": test_live_kernel.with_kernel(kernel),
    }  # fmt: skip


@pytest.fixture(scope="module")
def english() -> dict[str, live.LiveFigure]:
    return figures()


@pytest.fixture(scope="module")
def fake():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "_current", Fake())
        return figures()


@pytest.fixture
def spoken(monkeypatch):
    """The language in force for one test."""
    monkeypatch.setattr(language, "_current", Fake())


@pytest.fixture(scope="module")
def page(fake, tmp_path_factory):
    yield from figures_page(fake, tmp_path_factory.mktemp("page"))


def data_of(figure: live.LiveFigure) -> dict:
    """What the figure's script gets."""
    return json.JSONDecoder().raw_decode(figure.html, figure.html.rindex('})({"') + 3)[0]


def left_over(text: str) -> set[str]:
    return set(WORDS.findall(text)) - TECHNICAL


# ---- Python's side


def test_every_kind_of_figure_says_its_words_and_keeps_its_still_picture(english, fake):
    for name, figure in fake.items():
        before, data = data_of(english[name]), data_of(figure)
        assert figure.png == english[name].png, name  # the font of the still has no Chinese
        assert figure.alt == data["alt"] and left_over(figure.alt) == left_over(data["hint"]) == set(), name
        [off] = re.findall(r'<p class="c10-off"><small>(.*?)</small>', figure.html)
        assert "词" in off and left_over(off) == set()
        # The sentences of this figure's script, no others; and for an English reader none.
        scripts = assets(data["kind"], *(["kernel"] if data.get("wire") else []))[0]
        assert (
            data["said"] == {m: t for m in said_in(scripts) if (t := Fake().gettext(m)) != m}
            and len(data["said"]) > 3
        )
        assert "said" not in before
        assert html.escape(KERNEL if data.get("wire") else OFF) in english[name].html


def test_what_is_refused_is_said(spoken):
    for wrong in (
        lambda: live.elbo_figure(s=0),
        lambda: live.frames_figure([]),
        lambda: live.frames_figure([np.zeros((2, 2))], start=3),
        lambda: live.walk_figure(live.layers_of(test_live.decoder()), np.zeros((2, 2)), dims=[0, 5]),
        lambda: live.decoder_figure({}),
        lambda: live.game_figure(means=[9]),
        lambda: live.Menu("1", ["2"], "3"),
    ):
        with pytest.raises(InputError) as error:
            wrong()
        assert "词" in str(error.value) and left_over(str(error.value)) == set()


def test_a_still_picture_leaves_out_what_its_font_cannot_write(recwarn):
    def drawn(*texts: str) -> bytes:
        still = Still(100, 40)
        for text in texts:
            still.text(text, 5, 20)
        return still.png()

    assert drawn("1", "损失，nats") == drawn("1") != drawn("1", "losses, nats")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


# ---- the scripts


def test_a_script_s_sentences_are_found(tmp_path):
    folder = tmp_path / "chapter10" / "assets"
    folder.mkdir(parents=True)
    script = r"""
      const say = (message, values) => message;
      text(g, say("A \"quoted\" one,\nand {place} – é", {place: 1}), say("Play")); s.say("not this"); tell("nor this"); essay("nor this");
      text(g, say("Play"));"""
    (folder / "a.js").write_text(script, encoding="utf-8")
    found = list(catalogue.of_scripts(tmp_path))
    assert [f.id for f in found] == ['A "quoted" one,\nand {place} – é', "Play"]
    assert {f.place for f in found} == {"chapter10/assets/a.js"}


def script(name: str) -> str:
    lines = (ROOT / "chapter10" / "assets" / name).read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("//"))


def test_the_catalogue_has_what_the_scripts_say():
    found = {f.id for f in catalogue.of_scripts()}
    assert {"Play", "cells changed", "The kernel is computing.", "Start anew"} <= found and len(found) > 150
    for name in SCRIPTS:
        # Each call has its sentence written out.
        calls = re.findall(r"(?<![\w.])(?=(say\(.*))", script(name))
        assert [c[:60] for c in calls if not SAID.match(c)] == [], name
    for message in (
        found
    ):  # the places are those of Python too, which has no values for them when it looks the sentence up
        assert catalogue.places(message) == sorted(f"{p}!None:" for p in re.findall(r"\{(\w+)\}", message))


STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`")
# A literal that goes straight to the page, or to who hears it. Words that get there by a detour are seen by the browser below.
SHOWN = re.compile(
    r"(?:\btext\(g, |\.button\([\w.]+(?:\(\))?, |\blabel: |\bmake\('(?:label|th|option|button|p)', \{[^}]*\}, (?:\w+, )?|\btextContent = "
    r"|'aria-label'(?:, |: )|'aria-valuetext', |new Error\(|\.panel\([^,]+, [^,]+, |\bmenu\(ui, \w+, |\bchoice\(|\bsl\(|\.say\(|\btell\()"
    f"({STRING.pattern})"
)
# What a script tells the browser: its mode, classes, styles, fonts, colours, queries, keys.
PROGRAM = re.compile(
    r"use strict|c10-|rgba\(|system-ui|^ ?[a-z-]+:|^\(prefers|^(?:Arrow(?:Left|Right|Up|Down)|Home|End|Delete|Backspace)$"
)


def bare(code: str) -> list[str]:
    """The literals in a script that a reader would see as they are."""
    code = SAID.sub("say(0", code)
    literals = [(literal, re.sub(r"\$\{[^{}]*\}", "0", literal[1:-1])) for literal in STRING.findall(code)]
    # A sentence, or a word with a capital letter, wherever it stands
    found = [
        literal
        for literal, words in literals
        if re.search(r"[A-Za-z]{2,}[,:;.]? [a-z]{2,}|^[A-Z][a-z]", words) and not PROGRAM.search(words)
    ]
    return found + [
        literal for literal in SHOWN.findall(code) if left_over(re.sub(r"\$\{[^{}]*\}", "0", literal))
    ]


def test_no_word_for_the_reader_stands_bare_in_a_script():
    assert {name: bare(script(name)) for name in SCRIPTS} == {name: [] for name in SCRIPTS}


@pytest.mark.parametrize("code", [
    "text(g, 'decoded', 2, 15, {bold: 1});",
    "ui.button(bar, 'Play', () => 0);",
    "b.textContent = go ? 'Stop' : 0;",
    "b.setAttribute('aria-label', `code ${i}`);",
    "ui.slider({label: 'shift', min: 0});",
    "const rows = [['steepest allowed', 1]];",
    "make('label', {for: id}, 'dimension');",
    "p.textContent = 'This figure stopped: ' + e;",
    "menu(ui, bar, 'translate', []);",
    "const note = `the mean of ${n} points`;",
])  # fmt: skip
def test_the_search_for_bare_words_finds_one(code):
    assert bare(code)


# ---- the page


SEEN = """
window.drawn = new Set();
for (const name of ['fillText']) {
  const before = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (text, ...rest) { drawn.add(String(text)); return before.call(this, text, ...rest); };
}
window.seen = root => {
  root.ch10.draw();
  for (const e of [root, ...root.querySelectorAll('*')]) {
    if (e.tagName === 'SCRIPT') continue;
    for (const name of ['aria-label', 'aria-valuetext', 'title', 'alt']) if (e.hasAttribute(name)) drawn.add(e.getAttribute(name));
    for (const n of e.childNodes) if (n.nodeType === 3) drawn.add(n.data);
  }
};
0"""
# Everything is pressed and chosen once, and looked at each time; what plays is stopped again.
USE = """(async root => {
  drawn.clear();
  seen(root);
  for (const b of root.querySelectorAll('.c10-buttons button')) {
    const label = b.textContent;
    b.click(); await frame(); seen(root);
    if (b.textContent !== label) { b.click(); seen(root); }
  }
  for (const s of root.querySelectorAll('select')) for (const o of s.options) {
    s.value = o.value; s.dispatchEvent(new Event('change')); await frame(); seen(root);
  }
  for (const f of root.querySelectorAll('[role=application]')) for (const key of [' ', 'ArrowDown', ' ', 'Delete']) {
    f.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})); await frame(); seen(root);
  }
  return [...drawn];
})(%s)"""


def test_what_is_seen_and_heard_in_the_page_is_said(page, fake):
    page.js(SEEN)
    for name in fake:
        texts = page.js(USE % root(name))
        if name == "drawn":  # all of it is the author's, and what the test's own kernel answers
            texts = [t for t in texts if "level 0.5" not in t]
        else:
            assert any("词" in t for t in texts), name
        assert {t for t in texts if left_over(t)} == set(), name
        assert not [t for t in texts if re.search(r"\{\w+\}|undefined|NaN", t)], (
            name
        )  # a place without its value
    assert page.js("[...document.querySelectorAll('.c10 select')].every(e => e.labels.length === 1)")
    ids = page.js("[...document.querySelectorAll('.c10 [id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
    assert page.problems == []


def test_what_went_wrong_is_said_in_the_page(page):
    page.js(
        "document.querySelectorAll('.c10-wire').forEach(e => e.remove()); new Promise(f => setTimeout(f, 700))"
    )
    gone = page.js(f"{root('drawn')}.querySelector('.c10-status').textContent")
    broken = page.js(
        f"(r => {{ r.ch10.choose('sets', 9); [...r.querySelectorAll('button')].forEach(b => b.click()); return frame().then(() =>"
        f" r.querySelector('[role=alert]').textContent); }})({root('lab')})"
    )
    for said in (gone, broken.split(": ")[0]):
        assert "词" in said and left_over(said) == set()
    assert page.problems  # of the console, for who looks there


def test_a_label_of_one_word_is_no_other_name_for_a_key(spoken):
    tree = language.Cells().visit(ast.parse("frame['real'], 'Real and generated.'", mode="eval"))
    assert ast.unparse(tree) == "(frame['real'], '词 词 词.')"
    assert "real" in {found.id for found in catalogue.of_scripts()}  # or the catalogue had no such word
