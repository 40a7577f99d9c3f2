"""Pictures of the pages as the tests saw them, for a person to look at: in `screenshots/`, or where CHAPTER10_SCREENSHOTS says."""

import os
from pathlib import Path

from browser import Browser

from chapter10.authoring.texts import ROOT

TALLEST = 24000  # pixels; more would be no picture for a person


def shoot(page: Browser, kind: str, name: str, theme: str) -> None:
    """What the window shows, as kind/name-theme.png."""
    folder = Path(os.environ.get("CHAPTER10_SCREENSHOTS") or ROOT / "screenshots") / kind
    path = folder / f"{name}-{theme}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=path)


def shoot_whole(page: Browser, kind: str, name: str, theme: str) -> None:
    """The whole page from top to end, with the pictures that wait to be scrolled to."""
    page.js(
        "[...document.images].forEach(i => { i.loading = 'eager'; });"
        "Promise.all([...document.images].map(i => i.decode())).then(() => 0)"
    )
    size = page.page.viewport_size
    tall = page.js("document.documentElement.scrollHeight")
    page.page.set_viewport_size({"width": size["width"], "height": min(TALLEST, tall)})
    shoot(page, kind, name, theme)
    page.page.set_viewport_size(size)
