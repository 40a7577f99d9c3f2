"""Pages in a real browser: Chromium through playwright, with what the tests need beside it."""

import contextlib
import html
import importlib.util
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chapter10 import bench_gan_lab
from chapter10.chromium import DevTools
from chapter10.live import LiveFigure

FLAGS = [
    "--no-sandbox",  # which is not to be had in every container
    "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing leaves the machine, whoever asks
]  # fmt: skip
AXE = "axe_playwright_python"  # a package that carries axe-core
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
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
    """The path of a Chromium or Chrome for `chapter10.chromium`; skips the test where there is none."""
    if sys.platform == "win32":
        pytest.skip("this test drives Chromium through a pipe that Windows has not")
    found = bench_gan_lab.browser()
    if not found:
        pytest.skip("no Chromium found: install it, or name it in the variable CHROMIUM")
    return found


class _Driver:
    """Playwright while a page is open: it can be started once only, and as long as it runs, asyncio can't in this thread."""

    running = browser = None
    pages = 0


def _launch() -> None:
    api = pytest.importorskip(
        "playwright.sync_api", reason='playwright is missing: python -m pip install -e ".[test]"'
    )
    named = bench_gan_lab.browser()
    _Driver.running = api.sync_playwright().start()
    # What is named or installed must start. Else playwright's own, or what an installer of Windows or macOS left.
    try:
        for how in [{"executable_path": named}] if named else [{}, {"channel": "chrome"}, {"channel": "msedge"}]:
            with contextlib.nullcontext() if named else contextlib.suppress(api.Error):
                _Driver.browser = _Driver.running.chromium.launch(args=FLAGS, **how)
                return
    finally:
        if not _Driver.browser:
            _stop()
    pytest.skip(
        "no Chromium found: run `python -m playwright install chromium`, or name one in the variable CHROMIUM"
    )


def _stop() -> None:
    if _Driver.browser:
        _Driver.browser.close()
    _Driver.running.stop()
    _Driver.running = _Driver.browser = None


class Browser(DevTools):
    """One page with a profile of its own in headless Chromium; skips the test where there is none. Close it.

    Attributes:
        page: playwright's. problems: errors of the page and of its console. requests: what it asked for.
    """

    def __init__(self, width: int = 1200, height: int = 1000):
        if not _Driver.pages:
            _launch()
        _Driver.pages += 1
        self._context = _Driver.browser.new_context(viewport={"width": width, "height": height})
        self._context.set_default_timeout(120_000)  # a busy machine only takes longer
        self.page = self._context.new_page()
        self._session = self._context.new_cdp_session(self.page)
        self.path: Path | None = None  # for who opens it again
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)[:800]))
        self.page.on(
            "console", lambda said: self.problems.append(said.text[:800]) if said.type == "error" else None
        )
        self._context.on("request", lambda request: self.requests.append(request.url[:100]))

    def call(self, method: str, **params: object) -> dict:
        """One command of the DevTools protocol, and its result."""
        return self._session.send(method, params)

    def open(self, path: Path) -> None:
        self.page.goto(path.as_uri())

    def mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def close(self) -> None:
        self._context.close()
        _Driver.pages -= 1
        if not _Driver.pages:
            _stop()


def figures_page(figures: Mapping[str, LiveFigure], folder: Path) -> Iterator[Browser]:
    """For a fixture: a browser with all the figures in one page, each in a section of its name, as soon as they live."""
    page = Browser()
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


def axe() -> str:
    spec = importlib.util.find_spec(AXE)
    if spec is None:
        pytest.skip('axe-core is missing: python -m pip install -e ".[test]"')
    [folder] = spec.submodule_search_locations
    return (Path(folder) / "axe.min.js").read_text("utf-8")


def violations(page: Browser, where: str) -> list[str]:
    """Serious and critical ones, each as a line."""
    if page.js("typeof axe") == "undefined":
        page.js(axe() + ";0")
    options = json.dumps({"runOnly": RULES, "resultTypes": ["violations"], "preload": False})
    found = page.js(
        f"axe.run(document.querySelectorAll({json.dumps(where)}), {options}).then(r => r.violations.flatMap("
        "v => v.nodes.map(n => [v.impact, v.id, n.html.slice(0, 120), n.failureSummary.slice(0, 200)])))"
    )
    return [f"{rule}: {html} {why}" for impact, rule, html, why in found if impact in ("serious", "critical")]
