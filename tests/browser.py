"""Chromium through its debugging pipe: real keys, real frames, driven with the standard library alone."""

import html
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chapter10 import bench_gan_lab
from chapter10.live import LiveFigure

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1200,1000",
]  # fmt: skip


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


class Browser:
    """One page in a headless browser with a profile of its own."""

    def __init__(self, profile: Path):
        executable = find()
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def place() -> None:  # Chromium reads from descriptor 3 and writes to 4
            read, write = os.dup(to_read), os.dup(to_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(3, 4), preexec_fn=place, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._count, self._session = b"", 0, None
        self.path: Path | None = None  # of the page, for who opens it again
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict:
        """One command of the DevTools protocol, and its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while True:
            answer = self._next(end)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _next(self, end: float) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("Chromium does not answer")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    def _note(self, event: dict) -> None:
        p = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(p["exceptionDetails"])[:800])
        elif event.get("method") == "Runtime.consoleAPICalled" and p["type"] == "error":
            self.problems.append(json.dumps(p["args"])[:800])
        elif event.get("method") == "Log.entryAdded" and p["entry"]["level"] == "error":
            self.problems.append(p["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(p["request"]["url"][:100])

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + 30
        while self.js("document.readyState") != "complete" or self.js("location.href") != path.as_uri():
            if time.monotonic() > end:
                raise TimeoutError(f"{path} did not load")
            time.sleep(0.02)

    def js(self, expression: str) -> object:
        """The value of an expression in the page; a promise is waited for."""
        r = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in r:
            raise AssertionError(json.dumps(r["exceptionDetails"])[:800])
        return r["result"].get("value")

    def key(self, name: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def close(self) -> None:
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(5)
        except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            pass
        try:  # the group is this browser's own
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        os.close(self._in)
        os.close(self._out)


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
