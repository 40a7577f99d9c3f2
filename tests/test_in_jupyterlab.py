"""Every notebook in a real JupyterLab, in Chromium: opened, run at the scale "smoke", looked at in both themes, and used.

nbval runs the same notebooks beside this, at their own scale and without a page; here the page is what counts.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from browser import Browser, violations
from hands import KEY_TO_PICTURE, THROUGH_THE_KERNEL, try_figure, try_touch
from lab_server import Lab
from shots import TALLEST, shoot

from chapter10.authoring.texts import ROOT
from chapter10.pytest_summary import FROM_END_TO_END

# All English ones, and of the Chinese edition, whose code is the same, the one that nbval runs as well.
NOTEBOOKS = [*sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")), f"zh/{FROM_END_TO_END}"]
WIDTH, HEIGHT = 1300, 1000
STARTS, RUNS = 60, 240  # s in which JupyterLab must be there; in which a notebook must have run at the smallest scale
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# Opens a notebook and runs all of it. A kernel that is asked something last has answered all before.
START = """
window.ran = (async path => {
  await window.lastEnded;
  window.nb = await jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'});
  await nb.context.ready;
  await nb.sessionContext.ready;
  const kernel = nb.sessionContext.session.kernel;
  await kernel.info;
  if (!jupyterapp.shell.leftCollapsed) jupyterapp.shell.collapseLeft();
  await jupyterapp.commands.execute('notebook:run-all-cells');
  await kernel.requestKernelInfo();
  return kernel.name;
})(%s); 0"""
CLOSE = "window.lastEnded = nb.sessionContext.shutdown().then(() => nb.dispose()); 0"
# Of each code cell: its first line, its count, its outputs as the notebook has them, and what JupyterLab made of each.
CELLS = """
nb.content.widgets.map((cell, index) => [cell.model.toJSON(), cell.outputArea, index])
  .filter(([m]) => m.cell_type === 'code' && m.source.trim()).map(([m, area, index]) => ({
    index, head: m.source.trim().split('\\n')[0].slice(0, 60), count: m.execution_count,
    may_raise: (m.metadata.tags || []).includes('raises-exception'),
    errors: m.outputs.filter(o => o.output_type === 'error').map(o => o.ename + ': ' + String(o.evalue).slice(0, 300)),
    kinds: m.outputs.map(o => Object.keys(o.data || {[o.output_type]: 0})),
    silent: m.outputs.filter(o => o.data?.['image/png'] && !o.metadata?.['image/png']?.alt?.trim()).length,
    figures: m.outputs.filter(o => o.data?.['text/html']?.includes('data-ch10')).length,
    wires: m.outputs.filter(o => o.data?.['text/html']?.includes('data-wire')).length,
    shown: area.widgets.map(w => w.node.querySelector('.jp-OutputArea-output')).map(e => e && e.dataset.mimeType),
    widgets: [...area.node.querySelectorAll('[data-mime-type*=widget-view]')]
      .map(e => !!e.querySelector('.jupyter-widgets') && e.innerText.slice(0, 200)),
  }))"""
WIDGET = "application/vnd.jupyter.widget-view+json"
# What keys that belong to a figure must leave alone.
STEADY = "[nb.content.activeCellIndex, nb.content.mode, nb.content.widgets.length, nb.content.outerNode.scrollTop]"


def within(page: Browser, promise: str, seconds: float) -> object:
    """The value of a promise. Fails where it keeps one waiting, with the dialog that JupyterLab shows, if it shows one."""
    dialog = "([...document.querySelectorAll('.jp-Dialog')].map(e => e.innerText).join() || 'no dialog is open')"
    late = f"new Promise((_, no) => setTimeout(() => no(new Error('late: ' + {dialog})), {1000 * seconds}))"
    return page.js(f"Promise.race([{promise}, {late}])")


class Lanes:
    """Two pages of one server: while a notebook is looked at in one, the next one runs in the other."""

    def __init__(self, server: Lab, pages: list[Browser]):
        self.server, self.free, self.started = server, pages, {}

    def start(self, name: str) -> None:
        page = self.started[name] = self.free.pop(0)
        page.problems.clear()
        page.requests.clear()
        page.js(START % json.dumps(f"{name}.ipynb"))

    def finish(self, name: str) -> Browser:
        if name not in self.started:
            self.start(name)
        assert within(self.started[name], "ran", RUNS) == "python3"
        return self.started[name]

    def close(self, name: str) -> None:
        page = self.started.pop(name)
        in_theme(page, "light")
        page.js(CLOSE)
        within(page, "lastEnded.then(() => 0)", 60)  # the next notebook must not open while this one's kernel ends
        self.free.append(page)


@dataclass
class Opened:
    """One notebook after Run All: the page, the code cells, and its live figures as (cell, expression)."""

    name: str
    page: Browser
    cells: list[dict]
    figures: list[tuple[int, str]]
    address: str


@pytest.fixture(scope="module")
def lanes(tmp_path_factory) -> Iterator[Lanes]:
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(contextlib.closing(Browser(WIDTH, HEIGHT))) for _ in range(2)]
        server = Lab(tmp_path_factory.mktemp("lab"))
        stack.callback(server.stop)
        for i, page in enumerate(pages):
            page.page.goto(server.page(i))
            page.page.wait_for_function("() => window.jupyterapp", timeout=1000 * STARTS)
            within(page, "jupyterapp.restored.then(() => 0)", STARTS)
        yield Lanes(server, pages)


@pytest.fixture(scope="module", params=NOTEBOOKS)
def opened(lanes, request) -> Iterator[Opened]:
    page = lanes.finish(request.param)
    wanted = [item.callspec.params["opened"] for item in request.session.items if "opened" in getattr(item, "fixturenames", ())]
    following = [name for name in wanted if name > request.param]
    if following and following[0] not in lanes.started:
        lanes.start(following[0])
    end = time.monotonic() + 20  # an output, above all a widget, is drawn some time after its cell has run
    while True:
        cells = page.js(CELLS)
        rest = [cell["index"] for cell in cells if not _drawn(cell)]
        if not rest or time.monotonic() > end:
            break
        page.js(f"nb.content.scrollToItem({rest[0]}).then(() => 0)")  # JupyterLab draws some only where they are looked at
        time.sleep(0.2)
    figures = []
    for cell in cells:
        place = f"nb.content.widgets[{cell['index']}].outputArea.node.querySelectorAll('.c10')"
        figures += [(cell["index"], f"{place}[{i}]") for i in range(cell["figures"])]
    yield Opened(request.param, page, cells, figures, lanes.server.address)
    lanes.close(request.param)


def _drawn(cell: dict) -> bool:
    """Whether JupyterLab has drawn all outputs of a cell, and in those of widgets their view."""
    return sum(map(bool, cell["shown"])) >= len(cell["kinds"]) - cell["wires"] and len(cell["widgets"]) >= _views(cell)


def _views(cell: dict) -> int:
    """How many widgets are to be seen: not those that join a figure to its kernel, which is tried by the figure's answers."""
    return sum(WIDGET in kinds for kinds in cell["kinds"]) - cell["wires"]


def in_theme(page: Browser, theme: str) -> None:
    page.js(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: {json.dumps(THEMES[theme])}}}).then(() => 0)")
    page.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'")


def bring(page: Browser, cell: int, figure: str) -> None:
    """The cell into view, as the active one; its figure must live."""
    within(page, f"nb.content.scrollToItem({cell}).then(() => {{ nb.content.activeCellIndex = {cell}; }})", 10)
    end = time.monotonic() + 10
    while not page.js(f"!!{figure}?.ch10 && !{figure}.querySelector('.c10-gone')"):  # the second until the kernel has answered
        assert time.monotonic() < end, f"the live figure of cell {cell} does not live"
        time.sleep(0.05)


def test_every_cell_runs_and_every_output_is_shown(opened):
    amiss = []
    for cell in opened.cells:
        where = f"cell {cell['index']} ({cell['head']})"
        amiss += [f"{where}: did not run"] if not cell["count"] else []
        amiss += [f"{where}: {error}" for error in cell["errors"] if not cell["may_raise"]]
        if len(cell["shown"]) != len(cell["kinds"]) or not _drawn(cell):
            amiss.append(f"{where}: {len(cell['kinds'])} outputs, shown are {cell['shown']}")
        amiss += [f"{where}: {cell['silent']} pictures without alt text"] if cell["silent"] else []
        if not all(isinstance(text, str) and "rror" not in text for text in cell["widgets"]):
            amiss.append(f"{where}: of {_views(cell)} widgets drew {cell['widgets']}")
    assert len(opened.cells) > 20
    assert amiss == []


def test_every_live_figure_answers_every_key_and_keeps_still_otherwise(opened):
    wrong, answered = [], 0
    for number, (cell, figure) in enumerate(opened.figures, 1):
        bring(opened.page, cell, figure)
        tried = try_figure(opened.page, figure, STEADY)
        answered += tried.frames > 10
        through = opened.page.js(f"'wire' in {figure}.dataset")
        slow = tried.too_slow(THROUGH_THE_KERNEL if through else KEY_TO_PICTURE)
        wrong += [f"figure {number}: {what}" for what in [*tried.wrong, *slow]]
    assert wrong == []
    assert answered or not opened.figures


def test_a_finger_moves_every_slider(opened):
    wrong = []
    for number, (cell, figure) in enumerate(opened.figures, 1):
        bring(opened.page, cell, figure)
        wrong += [f"figure {number}: {what}" for what in try_touch(opened.page, figure)]
    assert wrong == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_suits_our_outputs(opened, theme):
    """As a whole, in a window as tall as the notebook: axe-core over the outputs and the texts, and a picture for a person.

    Left out are pictures in PNG: JupyterLab gives its own <img> for them no alt text, whatever the output has.
    """
    page = opened.page
    in_theme(page, theme)
    tall = page.js("nb.content.scrollToItem(0).then(() => document.querySelector('.jp-WindowedPanel-viewport').scrollHeight)")
    page.page.set_viewport_size({"width": WIDTH, "height": min(TALLEST, tall + 150)})
    page.js("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f))).then(() => 0)")
    shoot(page, "jupyterlab", opened.name, theme)
    found = violations(page, ".jp-Notebook .jp-OutputArea-output:not(.jp-RenderedImage), .jp-Notebook .jp-MarkdownOutput")
    page.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    assert found == []


def test_arrow_keys_without_a_figure_move_the_active_cell(opened):
    """Or else that they leave it alone in a figure would say nothing."""
    page = opened.page
    page.js("nb.content.activeCellIndex = 3; nb.content.mode = 'command'; nb.content.node.focus(); nb.content.activate(); 0")
    page.key("ArrowDown", 40)
    assert page.js("nb.content.activeCellIndex") == 4


def test_the_page_has_no_error_and_asks_nothing_from_outside(opened):
    assert opened.page.problems == []
    assert len(opened.page.requests) > 3
    assert [url for url in opened.page.requests if not url.startswith((opened.address, "data:", "blob:"))] == []
