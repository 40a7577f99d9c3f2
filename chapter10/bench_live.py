"""`python -m chapter10 bench live`: how quickly the live figures of the notebooks answer in a page, beside `interact` with `plt.show()`.

In the page: from a key of the reader, pressed by the browser itself, to the end of the frame that shows the new picture, and the
frames a second while the key repeats; there is no kernel. Beside it the usual way: a slider of `interact` whose function ends in
`plt.show()`, in a kernel; from the slider's new value until the PNG has left the kernel. A notebook has yet to show that PNG, so it
is compared with the time until the page's picture is drawn. What the usual way draws is kept plain: pictures of one size are one
sheet in one `imshow`, and there are no more axes than a figure has kinds of content. How much that choice is worth is said as well:
`least_times_quicker_than_one_imshow` compares every figure with the least that anybody could write, one picture of one digit.

And through the kernel, for figures that it computes (`live.kernel`): from a slider's new value until picture and words have left
the kernel, two figures as notebooks have them, a walk through a VAE and a histogram on a kept canvas.
"""

import contextlib
import itertools
import json
import queue
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from chapter10 import bench_gan_lab
from chapter10.authoring.texts import ROOT
from chapter10.bench import judge
from chapter10.chromium import Chromium
from chapter10.errors import InputError
from chapter10.experiments import machine

PRESSES, REPEATS, SECONDS = 30, 10, 1.5  # of keys, of new values in the kernel; that the key is held
WARM = 5  # presses that only warm the page up
STARTS = 10.0  # s in which a figure must be there, and a picture in the kernel
TARGETS = {
    "slowest_key_to_picture_ms": ("at most", 30.0),
    "fewest_frames_a_second": ("at least", 25.0),
    "least_times_quicker": ("at least", 8.0),
    "slowest_through_kernel_ms": ("at most", 100.0),
}
# What the keys move: the first slider; where there is none, the field of a picture to choose, or the first button.
FIRST = "['input[type=range]:enabled', '.c10-fields [tabindex=\"0\"]', '.c10-buttons button'].map(s => root.querySelector(s)).find(e => e)"
# A picture is drawn when the canvases of the page have their copies, and one pixel has been read back, which waits for all that was
# drawn; it is shown when the frame after that has done its own work.
WATCH = """
window.root = document.querySelector('.c10');
window.seen = {pressed: 0, drawn: null, shown: null, frames: 0, changed: false, wait: false};
window.digest = () => [...root.querySelectorAll('canvas')].map(c => c.toDataURL()).join('|');
(() => {
  const draw = CanvasRenderingContext2D.prototype.drawImage, channel = new MessageChannel();
  CanvasRenderingContext2D.prototype.drawImage = function (...a) {
    draw.apply(this, a);
    if (!this.canvas.isConnected) return;
    if (seen.wait) this.getImageData(0, 0, 1, 1);
    seen.changed = true;
    seen.drawn = performance.now() - seen.pressed;
  };
  document.addEventListener('keydown', e => { seen.pressed = e.timeStamp; seen.drawn = seen.shown = null; }, true);
  channel.port1.onmessage = () => { seen.shown ??= performance.now() - seen.pressed; };
  const tick = () => {
    if (seen.changed) { seen.frames++; seen.changed = false; channel.port2.postMessage(0); }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();
0"""
# The usual way to the like of each kind, as plain as it can be read: it shows less than the figure in the page, and never more.
USUAL = """
%matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import torch
from ipywidgets import FloatSlider, interact
from chapter10 import data, gan
from chapter10.cyclegan import TranslationGenerator
from chapter10.vae import VAE

decoder = VAE(latent_dim=2).decoder
x = np.linspace(-6, 6, 300)
bell = lambda mean: np.exp(-(x - mean) ** 2 / 2)
real = data.ring().sample(128)[0]
game = gan.GANTraining(gan.MixtureGenerator(2, 64, 2), gan.MixtureDiscriminator(64, 2), objective=gan.Objective(r1=1))
there, back = TranslationGenerator().eval(), TranslationGenerator().eval()
grid = torch.stack(torch.meshgrid(*[torch.linspace(-1.5, 1.5, 44)] * 2, indexing="xy"), -1).view(-1, 2)

def sheet(images, rows):
    return images.reshape(rows, -1, 28, 28).permute(0, 2, 1, 3).reshape(28 * rows, -1)

def digit(value):
    with torch.no_grad():
        image = torch.sigmoid(decoder(torch.tensor([[value, 0.0]]))).view(28, 28)
    plt.imshow(image, cmap="gray_r")
    plt.show()

def curves(value):
    figure, axes = plt.subplots(1, 2)
    axes[0].plot(x, bell(0), x, bell(value), x, bell(0) / (bell(0) + bell(value)))
    axes[1].plot(x, np.abs(x))
    axes[1].plot(value, abs(value), "o")
    plt.show()

def codes(value):
    with torch.no_grad():
        image = torch.sigmoid(decoder(torch.tensor([[value, 0.0]])))
    plt.imshow(sheet(image.repeat(3, 1), 1), cmap="gray_r")
    plt.title("codes, decoded, original")
    plt.show()

def walk(value):
    with torch.no_grad():
        images = torch.sigmoid(decoder(torch.randn(8, 2) + value))
    plt.imshow(sheet(images.repeat(3, 1), 3), cmap="gray_r")
    plt.show()

def translated(value):
    image = torch.zeros(1, 784) + value
    with torch.no_grad():
        other = there(image)
        again = back(other)
    plt.imshow(sheet(torch.cat([image, other, again, image, other - image]), 1), cmap="gray_r")
    plt.title("from a, to b, back to a, known, off by")
    plt.show()

def step(value):
    game.discriminator_step(real)
    fakes = game.generator(torch.randn(80, 2)).detach().requires_grad_()
    [push] = torch.autograd.grad(torch.nn.functional.logsigmoid(game.discriminator(fakes)).sum(), fakes)
    with torch.no_grad():
        field = game.discriminator(grid).view(44, 44)
    figure, axes = plt.subplot_mosaic("AB;AC")
    axes["A"].imshow(field, extent=(-1.5, 1.5) * 2, origin="lower")
    axes["A"].scatter(*real.T, s=4)
    axes["A"].quiver(*fakes.detach().T, *push.T)
    axes["B"].plot([0, value])
    axes["C"].plot([0, value])
    plt.show()

for picture in (digit, codes, walk, translated, curves, step):
    shown = interact(picture, value=FloatSlider(min=-3, max=3, step=0.01))
    print("slider", picture.__name__, shown.widget.children[0].comm.comm_id)
"""
# Figures that the kernel computes, and the ids of the widgets at both ends of their wires.
KERNEL = """
from chapter10 import figures, live

net = VAE(latent_dim=20)
eps = torch.randn(1000, 20)
canvas, axes = figures.new(1, 2, width=8, height=2.8)
bars = axes[1].stairs(np.zeros(40), np.linspace(0, 1, 41), fill=True)

@torch.no_grad()
def histogram(level):
    logits = net.decode(eps + level)
    counts, edges = np.histogram(logits.logsumexp(1), 40)
    bars.set_data(counts / counts.max(), edges)
    axes[1].set(xlim=(edges[0], edges[-1]), ylim=(0, 1.1))
    return canvas, f"level {level:.2f}"

made = {
    "walk": live.walk_figure(lambda z: torch.sigmoid(net.decode(z)), torch.randn(8, 20), runs="kernel"),
    "histogram": live.kernel_figure(histogram, {"level": live.Slider("level", -3, 3, 0)}, alt="A histogram."),
}
for name, figure in made.items():
    print("wire", name, figure.wire.asked.comm.comm_id, figure.wire.said.comm.comm_id)
"""
VALUES = {"walk": lambda v: [0, v], "histogram": lambda v: {"level": v}}
LIKE = {
    **dict.fromkeys(("elbo", "paths", "game", "critic"), "curves"),
    **dict.fromkeys(("decoder", "frames", "beta"), "digit"),
    "code": "codes", "walk": "walk", "translation": "translated", "lab": "step",
}  # fmt: skip


def stored() -> Iterator[tuple[str, str]]:
    """The live figures in the notebooks' outputs: "05 game", and its HTML; a second one of a kind is "05 game 2"."""
    import nbformat

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        kinds: list[str] = []
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", []):
                text = "".join(output.get("data", {}).get("text/html", ""))
                in_page = "data-ch10" in text and " data-wire>" not in text  # the kernel's own are not for a page alone
                kind = re.search(r'"kind":"(\w+)"', text) if in_page else None
                if kind:
                    kinds.append(kind[1])
                    count = kinds.count(kind[1])
                    yield f"{path.stem[:2]} {kind[1]}" + (f" {count}" if count > 1 else ""), text


def in_page(page: Chromium, html: str, folder: Path) -> dict[str, float]:
    """One figure: "drawn_ms", from the key until the canvas is drawn; "key_to_picture_ms"; "frames_a_second".

    The first two are medians of 30 presses; of the frames those count in which the picture is drawn anew.
    """
    path = folder / "page.html"
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{html}', encoding="utf-8")
    page.open(path)
    end = time.monotonic() + STARTS
    while not page.js("!!document.querySelector('.c10')?.ch10"):
        if time.monotonic() > end:
            raise InputError(f"A live figure did not start within {STARTS:g} s. Look at it in a browser, and run its notebook again.")
        time.sleep(0.02)
    page.js(WATCH)
    tag = page.js(
        f"(() => {{ const e = {FIRST}; e.scrollIntoView({{block: 'center'}}); e.focus();"
        " return e.closest('.c10-fields') ? 'FIELD' : e.tagName; })()"
    )
    keys = [("Enter", 13)] * 2 if tag == "BUTTON" else [("ArrowRight", 39), ("ArrowLeft", 37)]
    if page.js(f"(e => e.type === 'range' && +e.value >= +e.max)({FIRST})"):  # a film begins at its end
        keys.reverse()
    before = page.js("digest()")
    _press(page, *keys[0])
    if page.js("digest()") == before:  # as far as it goes
        keys.reverse()
        _press(page, *keys[0])
    if page.js("digest()") == before:
        raise InputError("A live figure stays as it is when an arrow key is pressed. Run its notebook again, and look at it.")
    turns = itertools.cycle(reversed(keys))  # there and back, so that none goes beyond the end of a range
    found: dict[str, list[float]] = {"shown": [], "drawn": []}
    for what, times in found.items():
        page.js(f"seen.wait = {json.dumps(what == 'drawn')}; 0")
        times += [_press(page, *next(turns))[what] for _ in range(WARM + PRESSES)][WARM:]
    page.js("seen.wait = false; seen.frames = 0")
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        _send(page, *next(turns), repeated=count > 1)
        count += 1
    return {
        "drawn_ms": statistics.median(found["drawn"]), "key_to_picture_ms": statistics.median(found["shown"]),
        "frames_a_second": page.js("seen.frames") / (time.perf_counter() - begun),
    }  # fmt: skip


def _send(page: Chromium, name: str, code: int, repeated: bool = False) -> None:
    text = {"type": "keyDown", "text": "\r"} if name == "Enter" else {"type": "rawKeyDown"}
    page.call("Input.dispatchKeyEvent", key=name, code=name, windowsVirtualKeyCode=code, autoRepeat=repeated, **text)


def _press(page: Chromium, name: str, code: int) -> dict[str, float]:
    """ms from one press of the key until the picture is "drawn", and until it is "shown"."""
    page.js("seen.shown = null")
    _send(page, name, code)
    found = page.js(
        f"new Promise(yes => {{ const end = performance.now() + {1000 * STARTS}, look = () => seen.shown !== null ? yes({{...seen}})"
        " : performance.now() > end ? yes(null) : requestAnimationFrame(look); look(); })"
    )
    page.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)
    if found is None:
        raise InputError(f"A live figure did not answer the key {name} within {STARTS:g} s. Run its notebook again, and look at it.")
    return found


def in_kernel(repeats: int = REPEATS) -> tuple[dict[str, float], dict[str, float]]:
    """What a kernel takes, in ms, medians by name: `interact`, and figures of `live.kernel`.

    The first from the slider's new value until the PNG of its `plt.show()` has left the kernel, the second until picture and words have.
    """
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    # With no folder to search, the one kernel left is the interpreter that runs this.
    manager = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        printed: list[str] = []
        reply = client.execute_interactive(
            USUAL, timeout=120, output_hook=lambda answer: printed.append(answer["content"].get("text", ""))
        )
        if reply["content"]["status"] != "ok":
            why = f"{reply['content']['ename']}: {reply['content']['evalue']}"
            raise InputError(f"interact showed no slider here, so there is nothing to compare with: {why}. Run it alone, and see why.")
        sliders = dict(re.findall(r"slider (\w+) (\w+)", "".join(printed)))
        plain = {picture: _answers(client, comm, repeats) for picture, comm in sliders.items()}
        printed.clear()
        reply = client.execute_interactive(
            KERNEL, timeout=120, output_hook=lambda answer: printed.append(answer["content"].get("text", ""))
        )
        if reply["content"]["status"] != "ok":
            raise InputError(f"The figures of the kernel failed: {reply['content']['ename']}: {reply['content']['evalue']}.")
        wires = re.findall(r"wire (\w+) (\w+) (\w+)", "".join(printed))
        return plain, {name: _answers(client, asked, repeats, (said, VALUES[name])) for name, asked, said in wires}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _answers(client: Any, comm: str, repeats: int, wire: tuple[str, Callable[[float], Any]] | None = None) -> float:
    times = []
    for i in range(1 + repeats):  # the first only warms it up
        value: Any = (i + 1) / 10
        if wire:
            value = json.dumps({"n": i + 1, "who": "bench", "sharp": 2, "values": wire[1](value)})
        state = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        message = client.session.msg("comm_msg", {"comm_id": comm, "data": state})
        begun = time.perf_counter()
        client.shell_channel.send(message)
        times.append(1000 * (_picture_of(client, message["header"]["msg_id"], wire and wire[0]) - begun))
    return statistics.median(times[1:])


def _picture_of(client: Any, message: str, said: str | None = None) -> float:
    """When the PNG that answers the message came; with the id of a wire's end, when that end was told that its picture is there."""
    pictured = False
    while True:
        try:
            answer = client.get_iopub_msg(timeout=STARTS)
        except queue.Empty:
            raise InputError(f"interact showed no picture within {STARTS:g} s, so there is nothing to compare with.") from None
        if answer["parent_header"].get("msg_id") != message:
            continue
        if answer["msg_type"] == "error":
            why = f"{answer['content']['ename']}: {answer['content']['evalue']}"
            raise InputError(f"interact showed no picture, so there is nothing to compare with: {why}.")
        content = answer["content"]
        if said is None and "image/png" in content.get("data", {}):
            return time.perf_counter()
        pictured = pictured or bool(answer["buffers"])
        if said is not None and content.get("comm_id") == said and content["data"].get("method") == "update":
            if not pictured or "error" in content["data"]["state"]["value"]:
                raise InputError(f"A figure of the kernel gave no picture: {content['data']['state']['value']}.")
            return time.perf_counter()


def live(figures: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Measure the figures (name: HTML; default: those in the stored notebooks), then the usual way, and judge them.

    Raises:
        InputError: without Chromium, without figures, or for one that does not answer.
    """
    if sys.platform == "win32":
        raise InputError("The live figures were not timed: Windows has not the pipe that drives Chromium. Run this under Linux or macOS.")
    executable = bench_gan_lab.browser()
    if executable is None:
        raise InputError("The live figures were not timed: no Chromium found. Install it, or name it in the variable CHROMIUM.")
    figures = dict(stored()) if figures is None else dict(figures)
    if not figures:
        raise InputError("No notebook here holds a live figure in its outputs. Run this in the repository, or give figures.")
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads()}
    by_picture, through = in_kernel()
    found |= {f"interact_{picture}_ms": ms for picture, ms in by_picture.items()}
    found |= {f"through_kernel_{name}_ms": ms for name, ms in through.items()}
    rows = found["figures"] = {}
    print(f"{'':<18}{'drawn, ms':>11}{'picture, ms':>13}{'frames a s':>12}{'times quicker':>15}", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        with contextlib.closing(Chromium(executable, folder / "profile")) as page:
            for name, html in figures.items():
                row = rows[name] = in_page(page, html, folder)
                row["times_quicker"] = by_picture[LIKE[name.split()[1]]] / row["drawn_ms"]
                line = (row[k] for k in ("drawn_ms", "key_to_picture_ms", "frames_a_second", "times_quicker"))
                print(f"{name:<18}" + "".join(f"{v:>{w}.1f}" for v, w in zip(line, (11, 13, 12, 15), strict=True)), flush=True)
    found["slowest_key_to_picture_ms"] = max(row["key_to_picture_ms"] for row in rows.values())
    found["fewest_frames_a_second"] = min(row["frames_a_second"] for row in rows.values())
    found["least_times_quicker"] = min(row["times_quicker"] for row in rows.values())
    found["least_times_quicker_than_one_imshow"] = by_picture["digit"] / max(row["drawn_ms"] for row in rows.values())
    found["slowest_through_kernel_ms"] = max(through.values())
    beside = ["least_times_quicker_than_one_imshow", *(k for k in found if k.startswith(("interact_", "through_kernel_")))]
    found["targets"] = judge(found, TARGETS, "python -m chapter10 bench live", tuple(beside))
    return found
