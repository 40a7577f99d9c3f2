"""Figures in a real page: Chromium with what the tests need beside it."""

import html
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chapter10 import bench_gan_lab
from chapter10.chromium import Chromium
from chapter10.live import LiveFigure

READY = "[...document.querySelectorAll('.c10')].filter(r => r.ch10).length"
# Moves a slider by script, waits two frames, and returns what is on the canvases.
PRELUDE = """
window.bubbled = 0;
document.addEventListener('keydown', () => window.bubbled++);
window.digest = r => [...r.querySelectorAll('canvas')].map(c => c.toDataURL()).join('|');
window.frame = () => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)));
window.move = async (root, i, v) => {
  const s = root.querySelectorAll('input[type=range]')[i];
  s.value = v; s.dispatchEvent(new Event('input', {bubbles: true}));
  await frame();
};
0"""


def find() -> str:
    """The path of a Chromium or Chrome; skips the test where there is none."""
    if sys.platform == "win32":
        pytest.skip("the browser tests drive Chromium through a pipe that Windows has not")
    found = bench_gan_lab.browser()
    if not found:
        pytest.skip("no Chromium found: install it, or name it in the variable CHROMIUM")
    return found


class Browser(Chromium):
    """One page in the browser that was found; skips the test where there is none."""

    def __init__(self, profile: Path):
        super().__init__(find(), profile)

    def mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)


def figures_page(figures: Mapping[str, LiveFigure], folder: Path) -> Iterator[Browser]:
    """For a fixture: a browser with all the figures in one page, each in a section of its name, as soon as they live."""
    page = Browser(folder / "profile")
    page.path = folder / "page.html"
    body = "\n".join(f'<section id="{name}">{figure.html}</section>' for name, figure in figures.items())
    page.path.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}', encoding="utf-8")
    page.open(page.path)
    for _ in range(200):
        if page.js(READY) == len(figures):
            break
        time.sleep(0.02)
    page.js(PRELUDE)
    yield page
    page.close()


def root(name: str) -> str:
    """The figure in the section of that name, in the page's language."""
    return f"document.querySelector('#{name} .c10')"


def click(page: Browser, name: str, label: str) -> None:
    """A click on the button of that label."""
    page.js(f"[...{root(name)}.querySelectorAll('button')].find(b => b.textContent === '{label}').click()")


def pick(page: Browser, name: str, label: str, value: str) -> None:
    """That value in the menu of that label."""
    page.js(
        f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('change')); }})"
        f"([...{root(name)}.querySelectorAll('select')].find(e => e.labels[0].textContent === '{label}'))"
    )


def check_html(figure: LiveFigure, kilobytes: float) -> None:
    """A figure's HTML asks for nothing from outside, and shows a picture with its words before any script runs."""
    assert not re.search(r'https?:|@import|src="(?!data:)|url\(', figure.html)
    still = figure.html.split("<script>")[0]
    assert html.escape(figure.alt) in still and len(figure.alt) > 40
    assert not re.search(r"<(input|button|select|canvas)", still)
    assert figure.kilobytes < kilobytes


def check_nothing_from_outside(page: Browser) -> None:
    """No error, no id twice, and no request that leaves the machine."""
    ids = page.js("[...document.querySelectorAll('.c10 [id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
    assert page.problems == []
    assert {u.split(":")[0] for u in page.requests} <= {"file", "data", "about"}
