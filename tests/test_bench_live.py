"""chapter10.bench_live: a figure timed in a page and beside `interact`, and what could not be timed."""

import json
import re

import browser
import pytest

from chapter10 import bench_live, live
from chapter10.__main__ import main
from chapter10.chromium import Chromium
from chapter10.errors import InputError

FIGURE = live.elbo_figure()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    made = Chromium(browser.find(), tmp_path_factory.mktemp("bench") / "profile")
    yield made
    made.close()


def test_a_figure_is_timed_beside_interact(monkeypatch, tmp_path, capsys):
    """The bounds are wide: other programs run on this machine too."""
    browser.find()  # skips where there is none
    monkeypatch.setattr(bench_live, "stored", lambda: iter({"02 elbo": FIGURE.html}.items()))
    out = tmp_path / "live.json"
    assert main(["bench", "live", "--json", str(out)]) == 0
    found = json.loads(out.read_text("utf-8"))
    row = found["figures"]["02 elbo"]
    assert 0.1 < row["drawn_ms"] < 100 and 1 < row["frames_a_second"] < 130
    assert 1 < row["key_to_picture_ms"] < 500 and row["key_to_picture_ms"] == found["slowest_key_to_picture_ms"]
    assert all(5 < found[f"interact_{picture}_ms"] < 5000 for picture in ("digit", "curves", "step"))
    assert row["times_quicker"] == pytest.approx(found["interact_curves_ms"] / row["drawn_ms"])
    assert row["times_quicker"] > 2
    assert found["least_times_quicker_than_one_imshow"] == pytest.approx(found["interact_digit_ms"] / row["drawn_ms"])
    through = [found[f"through_kernel_{name}_ms"] for name in bench_live.VALUES]
    assert all(1 < ms < 5000 for ms in through) and max(through) == found["slowest_through_kernel_ms"]
    assert set(found["targets"]) == set(bench_live.TARGETS)
    assert re.search(r"^02 elbo +\d", capsys.readouterr().out, re.M)


def test_waiting_on_purpose_is_measured(page, tmp_path, monkeypatch):
    """Of a figure that waits for 60 ms as it draws, no picture comes sooner."""
    monkeypatch.setattr(bench_live, "PRESSES", 10)
    slow = "made.draw(); const end = performance.now() + 60; while (performance.now() < end);"
    assert FIGURE.html.count("try { made.draw(); }") == 1
    html = FIGURE.html.replace("try { made.draw(); }", f"try {{ {slow} }}")
    quick, slowed = (bench_live.in_page(page, text, tmp_path) for text in (FIGURE.html, html))
    assert 60 < slowed["key_to_picture_ms"] < 300 and quick["key_to_picture_ms"] < slowed["key_to_picture_ms"] - 20
    assert slowed["frames_a_second"] < 1000 / 60 < quick["frames_a_second"]


def test_figures_without_sliders_are_timed_by_their_keys(page, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_live, "PRESSES", 10)
    found = bench_live.in_page(page, live.gan_lab().html, tmp_path)
    assert all(value > 0 for value in found.values())


def test_the_stored_notebooks_hold_figures_of_every_kind():
    names = [name for name, _ in bench_live.stored()]
    kinds = {name.split()[1] for name in names}
    assert len(names) == len(set(names)) > 10
    assert kinds == {"decoder", "elbo", "paths", "walk", "game", "lab", "frames", "beta", "code", "critic", "translation"}


def test_figures_of_the_kernel_are_no_figures_of_the_page(monkeypatch, tmp_path):
    import nbformat

    shown = live.kernel_figure(lambda a: [[a]] * 2, {"a": live.Slider("a", 0, 1, 0.5)}, alt="Grey.")
    outputs = [nbformat.v4.new_output("display_data", data={"text/html": f.html}) for f in (shown, FIGURE)]
    (tmp_path / "notebooks").mkdir()
    cell = nbformat.v4.new_code_cell("", outputs=outputs)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "02_elbo.ipynb")
    monkeypatch.setattr(bench_live, "ROOT", tmp_path)
    assert [name for name, _ in bench_live.stored()] == ["02 elbo"]


def test_a_figure_that_stays_as_it_is_is_told(page, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_live, "STARTS", 3.0)
    html = FIGURE.html.replace("made.draw(); }", "}")
    with pytest.raises(InputError, match="did not answer the key ArrowRight"):
        bench_live.in_page(page, html, tmp_path)


def test_without_a_browser_or_a_figure_it_says_so(monkeypatch, tmp_path, capsys):
    with pytest.raises(InputError, match="No notebook here holds a live figure"):
        monkeypatch.setenv("CHROMIUM", "somewhere")
        bench_live.live({})
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bench", "live"]) == 2
    assert "no Chromium found" in capsys.readouterr().err
