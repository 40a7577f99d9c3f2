"""The last part of `python -m chapter10 bench gan`: how quickly the stepping figure of notebook 05 steps, in a browser."""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from chapter10 import live

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1200,1000", "--dump-dom")
TIMES = 30  # of each; the first five only warm the page up
SECONDS = 120  # that Chromium may take
# Reading a pixel back waits until all that was drawn is there.
MEASURE = """
<pre id="found"></pre><script>
const lab = document.querySelector("[data-ch10]").ch10, contexts = [...document.querySelectorAll("canvas")].map(c => c.getContext("2d"));
const time = players => Array.from({length: %d}, () => {
  const begun = performance.now();
  for (const player of players) lab.step(player);
  lab.draw();
  for (const context of contexts) context.getImageData(0, 0, 1, 1);
  return performance.now() - begun;
}).slice(5).sort((a, b) => a - b)[%d];
document.getElementById("found").textContent = JSON.stringify({lab_step_ms: time("D"), lab_rounds_a_second: 1000 / time("DG")});
</script>"""


def browser() -> str | None:
    """The path of a Chromium or Chrome: what CHROMIUM names, else the first that is found."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def stepping() -> dict[str, float]:
    """ "lab_step_ms": a step of D and its picture; "lab_rounds_a_second": as many steps of D and of G can be drawn by "Play".

    Medians. Without a browser: nothing, and a sentence that says so.
    """
    executable = browser()
    if executable is None:
        print("The stepping figure was not timed: no Chromium found. Install it, or name it in the variable CHROMIUM.")
        return {}
    page = f'<!doctype html><meta charset="utf-8"><body>{live.gan_lab().html}{MEASURE % (TIMES, (TIMES - 5) // 2)}'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "lab.html"
        path.write_text(page, encoding="utf-8")
        command = [executable, *FLAGS, f"--user-data-dir={folder}/profile", path.as_uri()]
        try:
            shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"The stepping figure was not timed: {executable} did not answer ({type(error).__name__}).")
            return {}
    found = re.search(r'<pre id="found">(\{.*?\})</pre>', shown)
    if found is None:
        print(f"The stepping figure was not timed: {executable} showed no measurement. Does it run headless here?")
        return {}
    return json.loads(html.unescape(found[1]))
