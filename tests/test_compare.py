"""chapter10.compare: runs as they lie in their folders, of which none is trained here."""

from pathlib import Path

import pytest

from chapter10 import compare, recipes
from chapter10.__main__ import main
from chapter10.errors import CheckpointError, InputError
from chapter10.runs import Plan, Run


def written(folder: Path, rows: str = "", **about: object) -> Path:
    """A run's folder, with a history of JSON lines."""
    folder.mkdir()
    plan = {**vars(Plan("ae2-digits")), "changes": vars(recipes.Changes())}
    Run(folder, {"plan": plan, "command": "", "started": ""}).write(**about)
    (folder / "history.jsonl").write_text(rows)
    return folder


ROWS = '{"epoch": 1, "step": 23, "seconds": 0.5, "loss": 200.0}\n'


def test_a_run_that_failed_says_why_below_the_table(tmp_path):
    runs = [written(tmp_path / "good", ROWS, status="done"), written(tmp_path / "bad", status="failed", reason="TrainingError: so")]
    table = compare.table(compare.read(runs))
    assert table.endswith("\n\nbad: TrainingError: so") and "good:" not in table
    assert compare.table(compare.read(runs[:1])).splitlines()[-1].split() == ["loss", "200"]


def test_where_nothing_can_come_any_more_nobody_is_told_to_wait(tmp_path):
    run = written(tmp_path / "bad", status="failed")
    with pytest.raises(InputError, match="no run has finished an epoch, and none is going on"):
        compare.picture(compare.read([run]), tmp_path / "x.png")


@pytest.mark.parametrize("name, better", [("x.jpg", "x.png"), ("both", "both.png"), ("", "comparison.png")])
def test_no_png_is_written_under_the_name_of_something_else(name, better, tmp_path, monkeypatch, capsys):
    run = written(tmp_path / "run", ROWS, status="done")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(run), "--out", name]) == 2
    assert f"{name!r} is not named so. Give a name that ends in .png, such as {better}." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert main(["compare", str(run), "--out", "X.PNG"]) == 0 and (tmp_path / "X.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_s_folder_is_no_run_but_has_some(tmp_path):
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"is a sweep.s, and .*sweep.json has its table.*runs\.$"):
        compare.read([tmp_path])
