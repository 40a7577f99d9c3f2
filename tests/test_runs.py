"""chapter10.runs, history, report, compare: what a run leaves, and that it goes on where it was stopped."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from chapter10 import compare, data, files, parallel, recipes, report, runs
from chapter10.__main__ import main
from chapter10.checkpoints import CheckpointWarning
from chapter10.errors import CheckpointError, InputError, SaveError, TrainingError
from chapter10.files import load_state
from chapter10.history import HistoryFile, TensorBoard, read_history
from chapter10.locks import held, is_held
from chapter10.training import History, Progress

ROOT = Path(recipes.__file__).parents[1]
SMALL = ["train", "vae2-digits", "--scale", "smoke"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """One thread here and in child processes, few samples for a bound; torch's settings as they were afterwards."""
    for name in ("CHAPTER10_DATA", "CHAPTER10_SCALE", "CHAPTER10_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CPU_LIMIT", "1")
    bound = recipes.metrics.iwae_bound
    monkeypatch.setattr(recipes.metrics, "iwae_bound", lambda model, x, samples: bound(model, x, 20))
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of three epochs that is done, for tests that only look."""
    folder = tmp_path_factory.mktemp("made") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CPU_LIMIT", "1")
        bound = recipes.metrics.iwae_bound
        patch.setattr(recipes.metrics, "iwae_bound", lambda model, x, samples: bound(model, x, 20))
        assert main([*SMALL, "--epochs", "3", "--seed", "4", "--set", "beta=2", "--folder", str(folder)]) == 0
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_state(folder / "weights.safetensors")[0]


def same(first: Path, other: Path) -> bool:
    a, b = weights(first), weights(other)
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


def parts(rows: list[dict]) -> list[dict]:
    """Rows without their clock, which is another each time."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


# What a run leaves


def test_a_run_leaves_its_recipe_its_data_and_its_scores(made, digits):
    assert {path.name for path in made.iterdir()} == {
        "run.json", "history.jsonl", "lock", "checkpoints", "weights.safetensors", "report.html",
        "samples-0001.png", "samples-0002.png", "samples-0003.png",
    }  # fmt: skip
    about = json.loads((made / "run.json").read_text("utf-8"))
    assert about["status"] == "done" and about["started"] <= about["ended"]
    recipe = recipes.get("vae2-digits")
    assert about["recipe"]["lr"] == recipe.lr and about["recipe"]["batch_size"] == recipe.batch_size
    assert about["recipe"]["epochs"] == 3 and about["recipe"]["constants"] == {"beta": 2.0}
    assert about["plan"]["seed"] == 4 and about["plan"]["threads"] == 1
    for name, tensor in (("train", digits.train), ("test_labels", digits.test_labels)):
        assert about["data"]["sha256"][name] == hashlib.sha256(bytes(tensor.numpy().data)).hexdigest()
    assert about["versions"]["torch"] == torch.__version__ and re.fullmatch(
        "[0-9a-f]{12}", about["versions"]["source"]
    )
    model = runs.load(made)
    assert not model.training
    found = recipes.scores(model, digits)
    assert found == pytest.approx(about["scores"])
    assert load_state(made / "weights.safetensors")[1]["scores"] == about["scores"]


def test_its_command_makes_the_very_same_weights(made, tmp_path, capsys):
    python, option, package, *words = shlex.split(runs.Run.read(made).about["command"])
    assert (python, option, package) == ("python", "-m", "chapter10") and words[-2:] == ["--folder", "run"]
    assert main([*words[:-1], str(tmp_path / "again")]) == 0
    assert same(made, tmp_path / "again")
    assert parts(runs.Run.read(tmp_path / "again").rows()) == parts(runs.Run.read(made).rows())


def test_all_that_a_plan_has_comes_back_from_its_command(monkeypatch):
    changes = recipes.Changes(7, 32, 0.1 + 0.2, {"beta": 0.5, "free_bits": 1 / 3}, "bfloat16", True)
    plan = runs.Plan("vae2-digits", "smoke", 3, "cpu", changes, "csv", True, 50, 100.0, 2, threads=1)
    seen = []

    def train(plan, folder):
        seen.append((plan, folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "train", train)
    assert main(shlex.split(plan.command("a folder"))[3:]) == 130
    assert seen == [(plan, "a folder")]


def test_a_run_is_what_the_recipe_comes_to_without_one(made, tmp_path, capsys):
    plain = [
        "--epochs",
        "3",
        "--seed",
        "4",
        "--set",
        "beta=2",
        "--out",
        str(tmp_path / "weights.safetensors"),
    ]
    assert main([*SMALL, *plain]) == 0
    assert same(made, tmp_path)


def test_the_page_needs_nothing_beside_it_and_has_words_for_each_picture(made):
    page, about = (made / "report.html").read_text("utf-8"), runs.Run.read(made).about
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) == 4  # three of samples, one of curves
    assert all('src="data:image/png;base64,' in tag and re.search('alt="[^"]{20}', tag) for tag in pictures)
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "<script" not in page
    for value in about["scores"].values():
        assert f"<td>{value:.4g}</td>" in page
    assert about["command"] in page and about["data"]["sha256"]["train"] in page
    assert page.count("<section>") == page.count("</section>") == 5 and '<html lang="en">' in page


def test_the_history_is_the_same_as_csv_and_as_events_of_tensorboard(made, tmp_path, capsys):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "run"
    options = ["--epochs", "3", "--seed", "4", "--set", "beta=2", "--history", "csv", "--tensorboard"]
    assert main([*SMALL, *options, "--folder", str(folder)]) == 0
    rows = runs.Run.read(folder).rows()
    assert parts(rows) == parts(runs.Run.read(made).rows()) and len(rows) == 3
    assert (folder / "history.csv").read_text().startswith("epoch,step,seconds,loss,")
    assert not (folder / "history.jsonl").exists()
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    for name in rows[0]:
        if name != "step":
            found = events.Scalars(name)
            assert [event.step for event in found] == [row["step"] for row in rows]
            assert [event.value for event in found] == pytest.approx([row[name] for row in rows])


def test_tensorboard_that_is_missing_is_asked_for_before_anything_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main([*SMALL, "--folder", str(tmp_path / "run"), "--tensorboard"]) == 2
    assert 'pip install "tensorboard>=2.14"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# The history


ROWS = [{"epoch": i, "step": 7 * i, "seconds": 0.1 * i, "loss": 10 / i} for i in (1, 2, 3)]


def progress(rows: list[dict]) -> Progress:
    return Progress(len(rows), 3, rows[-1]["step"], History(rows), None)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_history_comes_back_as_it_was_and_a_torn_line_is_left_out(kind, tmp_path):
    path = tmp_path / f"history.{kind}"
    assert read_history(path) == []
    history = HistoryFile(path)
    for i in (1, 2, 3):
        history(progress(ROWS[:i]))
        assert read_history(path) == ROWS[:i]
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        assert read_history(path) == ROWS[:2]
    # Who goes on from the checkpoint of the second epoch finds a whole file after the third.
    HistoryFile(path)(progress(ROWS))
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "kind, line",
    [
        ("jsonl", '{"epoch": 1,'), ("jsonl", "3"), ("jsonl", '{"epoch": 1}'), ("csv", "1,two,3,4"), ("csv", "1,2"),
        ("csv", "1,2,3,4,5"), ("csv", "\0,2,3,4"), ("csv", "1,2,3,\udcff"),
    ],
)  # fmt: skip
def test_a_line_in_the_middle_that_is_no_row_is_told(kind, line, tmp_path):
    path = tmp_path / f"history.{kind}"
    HistoryFile(path).write(ROWS)
    lines = path.read_text().split("\n")
    path.write_bytes("\n".join([*lines[:1], line, *lines[1:]]).encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match="holds a line that is no row"):
        read_history(path)


def test_a_history_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(CheckpointError, match="history.csv can't be read"):
        read_history(tmp_path / "history.csv")


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no /dev/full here, a disk that is always full"
)
def test_a_disk_that_is_full_for_a_while_costs_no_row(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    history(progress(ROWS[:1]))
    history.path.unlink()
    history.path.symlink_to("/dev/full")
    with pytest.warns(CheckpointWarning, match="No space left on device. Training goes on, and tries again"):
        history(progress(ROWS[:2]))
    history(progress(ROWS))
    assert not history.path.is_symlink() and read_history(history.path) == ROWS


def test_events_that_find_no_space_are_written_later(tmp_path, monkeypatch, capfd):
    made, full = [], []

    class Writer:
        def __init__(self, folder):
            made.append([])

        def add_scalar(self, name, value, step):
            made[-1].append((name, value, step))

        def flush(self):
            if full:  # the thread that writes has met it
                thread = type("Worker", (threading.Thread,), {"__module__": "tensorboard.writer"})(
                    target=self.work
                )
                thread.start()
                thread.join()
                self.work()

        def work(self):
            raise OSError(28, "No space left on device")

        def close(self):
            self.flush()

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    before, events = threading.excepthook, TensorBoard(tmp_path)
    events(progress(ROWS[:1]))
    full.append(1)
    with pytest.warns(CheckpointWarning, match="No space left on device. Training goes on"):
        events(progress(ROWS[:2]))
    full.clear()
    events(progress(ROWS))
    events.close()
    assert len(made) == 2 and [step for name, _, step in made[-1] if name == "loss"] == [7, 14, 21]
    assert threading.excepthook is before and "Traceback" not in capfd.readouterr().err


# Stopped, killed, resumed


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "chapter10", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip


def wait_for(true, process: subprocess.Popen) -> None:
    end = time.monotonic() + 100
    while not true():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it did not get there"
        time.sleep(0.002)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could catch")
def test_terminated_and_then_killed_it_comes_to_the_very_same_weights(tmp_path, capsys):
    small = ["train", "ae2-digits", "--scale", "smoke", "--epochs", "20", "--batch-size", "128"]
    assert main([*small, "--folder", str(tmp_path / "whole")]) == 0
    folder = tmp_path / "parts"
    process = start(*small, "--folder", folder, "--every-steps", "9")  # an epoch is 12
    wait_for(lambda: (folder / "history.jsonl").exists(), process)
    assert runs.Run.read(folder).status == "running"
    assert compare.facts(runs.Run.read(folder))["status"] == "running"
    process.send_signal(signal.SIGTERM)
    _, problems = process.communicate(timeout=60)
    assert process.returncode == 143
    assert problems.splitlines()[-1] == f"Stopped. To go on: python -m chapter10 train --resume {folder}"
    run = runs.Run.read(folder)
    first = len(run.rows())
    assert run.status == "stopped" and 1 <= first < 20

    process = start("train", "--resume", folder)
    wait_for(lambda: len(run.rows()) > first + 1, process)
    process.kill()
    process.communicate(timeout=60)
    with open(folder / "history.jsonl", "a") as file:
        file.write('{"epoch": 3')  # as a kill in the middle of a write leaves it
    run = runs.Run.read(folder)
    assert run.status == "killed" and first < len(run.rows()) < 20
    assert not (folder / "weights.safetensors").exists()

    capsys.readouterr()
    assert main(["train", "--resume", str(folder)]) == 0
    assert same(tmp_path / "whole", folder) and runs.Run.read(folder).status == "done"
    whole, again = runs.Run.read(tmp_path / "whole"), runs.Run.read(folder)
    assert len(again.rows()) == 20
    for row, other in zip(parts(whole.rows()), parts(again.rows())):
        assert row == pytest.approx(other, rel=1e-12)
    assert whole.about["scores"] == again.about["scores"]
    assert len(list((folder / "checkpoints").iterdir())) == 3

    assert main(["train", "--resume", str(folder)]) == 0
    assert "is done: there is nothing left to train" in capsys.readouterr().out


def interrupt() -> None:
    raise KeyboardInterrupt


def stopped(
    folder: Path, monkeypatch, steps: int = 30, stop=interrupt, code: int = 130, *options: str
) -> Path:
    """A run of three epochs of 23 steps that was stopped by hand in its second."""
    step, done = recipes.VAETraining.step, []

    def some(self, x):
        done.append(1)
        if len(done) == steps + 1:
            stop()
        return step(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(recipes.VAETraining, "step", some)
        command = [
            *SMALL,
            "--epochs",
            "3",
            "--seed",
            "4",
            "--set",
            "beta=2",
            "--folder",
            str(folder),
            *options,
        ]
        assert main(command) == code
    return folder


def steps_kept(folder: Path) -> list[int]:
    return runs.Run.read(folder).plan.checkpoints(folder / "checkpoints").steps()


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a terminal has it: a process in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_costs_no_step_and_a_second_one_waits_for_nothing(made, tmp_path, monkeypatch, capsys, ctrl_c):
    hours = ("--every-minutes", "60")
    folder = stopped(tmp_path / "run", monkeypatch, 30, ctrl_c, 130, *hours)
    assert capsys.readouterr().err == f"Stopped. To go on: python -m chapter10 train --resume {folder}\n"
    assert runs.Run.read(folder).status == "stopped" and steps_kept(folder) == [31]
    assert main(["train", "--resume", str(folder)]) == 0 and same(made, folder)

    impatient = stopped(tmp_path / "twice", monkeypatch, 30, lambda: (ctrl_c(), ctrl_c()), 130, *hours)
    assert runs.Run.read(impatient).status == "stopped" and steps_kept(impatient) == []


def test_a_disk_that_fills_up_ends_no_training_and_the_run_goes_on(made, tmp_path, monkeypatch, capsys):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        folder = stopped(
            tmp_path / "run", monkeypatch, 30, lambda: disk.setattr(files.tempfile, "mkstemp", full), 2
        )
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"CheckpointWarning: {folder / 'checkpoints'}") and len(said) == 3
    assert said[1].startswith(f"CheckpointWarning: {folder / 'samples-0002.png'} could not be written")
    assert said[2].startswith("SaveError: ") and "step-000000069" in said[2]  # the last must be
    assert said[2].endswith(f"Then go on: python -m chapter10 train --resume {folder}")
    assert len(runs.Run.read(folder).rows()) == 3 and runs.Run.read(folder).status == "killed"
    assert main(["train", "--resume", str(folder)]) == 0 and same(made, folder)


def test_a_damaged_checkpoint_is_told_in_a_line_and_the_one_before_taken(made, tmp_path, monkeypatch, capsys):
    folder = stopped(tmp_path / "run", monkeypatch, 50)
    (folder / "checkpoints" / "step-000000046.safetensors").write_bytes(b"")
    (folder / "samples-mine.png").write_bytes(b"")  # and what a run does not have is left alone
    (folder / ".report.html.abcdefgh").write_bytes(b"")  # and what a killed write left goes
    capsys.readouterr()
    assert main(["train", "--resume", str(folder)]) == 0 and same(made, folder)
    problems = capsys.readouterr().err
    assert problems.startswith("CheckpointWarning: ") and problems.count("\n") == 1
    assert problems.endswith("Training goes on from the one before, step-000000023.safetensors.\n")
    assert (folder / "samples-mine.png").exists() and not (folder / ".report.html.abcdefgh").exists()


def without(about: dict, name: str) -> None:
    del about[name]


@pytest.mark.parametrize(
    "change",
    [
        lambda about: without(about, "status"),
        lambda about: about.update(status="going"),
        lambda about: without(about, "command"),
        lambda about: without(about, "started"),
        lambda about: without(about, "versions"),
        lambda about: about.update(data={}),
        lambda about: about["plan"].update(threads="two"),
        lambda about: about["plan"].update(threads=0),
        lambda about: about["plan"].update(seed="4"),
        lambda about: about["plan"].update(recipe=["vae2-digits"]),
        lambda about: about["plan"].update(device=None),
        lambda about: about["plan"].update(changes=None),
        lambda about: about["plan"]["changes"].update(lr="0.1"),
        lambda about: about["plan"]["changes"].update(constants=["beta"]),
        lambda about: about["plan"]["changes"].update(constants={"beta": "2"}),
    ],
)
def test_what_no_run_says_is_told_before_anything_begins(change, made, tmp_path, capsys):
    about = json.loads((made / "run.json").read_text("utf-8"))
    change(about)
    (tmp_path / "run.json").write_text(json.dumps(about), "utf-8")
    for command in (["train", "--resume", str(tmp_path)], ["compare", str(tmp_path)]):
        assert main(command) == 2
        problems = capsys.readouterr().err
        assert problems.startswith(f"CheckpointError: {tmp_path / 'run.json'} can't be read as a run's (")
        assert problems.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_run_of_a_device_that_is_not_here_is_told_with_what_to_do(made, tmp_path, capsys):
    about = json.loads((made / "run.json").read_text("utf-8"))
    about["plan"]["device"] = "cuda:99"
    (tmp_path / "run.json").write_text(json.dumps(about), "utf-8")
    assert main(["train", "--resume", str(tmp_path)]) == 0  # done, it needs none
    (tmp_path / "run.json").write_text(json.dumps(about | {"status": "stopped"}), "utf-8")
    capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert f"The run in {tmp_path} began on cuda:99: go on with it where that is" in capsys.readouterr().err


def test_stopped_by_hand_it_says_how_to_go_on(made, tmp_path, monkeypatch, capsys):
    folder = stopped(tmp_path / "run", monkeypatch)
    assert capsys.readouterr().err == f"Stopped. To go on: python -m chapter10 train --resume {folder}\n"
    assert runs.Run.read(folder).status == "stopped" and len(runs.Run.read(folder).rows()) == 1
    with pytest.raises(CheckpointError, match="There is no file .*weights.safetensors"):
        runs.load(folder)
    assert main(["train", "--resume", str(folder)]) == 0
    assert same(made, folder) and capsys.readouterr().err == ""
    assert {path.name for path in folder.iterdir()} == {path.name for path in made.iterdir()}


def test_with_other_data_it_does_not_go_on_and_with_other_versions_it_warns(tmp_path, monkeypatch, capsys):
    folder = stopped(tmp_path / "run", monkeypatch)
    run, content = runs.Run.read(folder), (folder / "run.json").read_text("utf-8")
    capsys.readouterr()
    run.about["data"]["sha256"]["train"] = "0" * 64
    run.write()
    assert main(["train", "--resume", str(folder)]) == 2
    problems = capsys.readouterr().err
    assert problems.startswith(
        f"CheckpointError: The run in {folder} began with other data (different: train;"
    )
    (folder / "run.json").write_text(content.replace(torch.__version__, "1.0"), "utf-8")
    assert main(["train", "--resume", str(folder)]) == 0
    assert (
        f"maybe not to the very same weights: torch: 1.0 there, {torch.__version__} here"
        in capsys.readouterr().err
    )


def test_a_loss_that_is_not_finite_is_kept_as_the_reason(tmp_path):
    plan = runs.Plan("vae2-digits", "smoke", changes=recipes.Changes(lr=1e12))
    with pytest.raises(TrainingError):
        runs.train(plan, tmp_path / "run")
    run = runs.Run.read(tmp_path / "run")
    assert run.status == "failed" and run.about["reason"].startswith("TrainingError: Step ")
    assert not (run.folder / "weights.safetensors").exists()


# Bad luck at the start


@pytest.mark.parametrize(
    "command, message",
    [
        ("train", "InputError: Which recipe is to be trained?"),
        ("train vae2-digit --folder new", "InputError: There is no recipe 'vae2-digit'. Did you mean 'vae2-digits'"),
        ("train ae2-digits --folder new --set beta=2", "InputError: ae2-digits has no setting 'beta'"),
        ("train ae2-digits --folder new --set beta", "InputError: --set was given 'beta'; give a name and a number"),
        ("train ae2-digits --folder new --precision bfloat", "InputError: The precision 'bfloat' is not known. Did you mean 'bfloat16'"),
        ("train ae2-digits --folder new --precision tf32", "InputError: The precision 'tf32' is one that cpu lacks"),
        ("train ae2-digits --folder new --history cvs", "InputError: A history can't be written as 'cvs'. Did you mean 'csv'?"),
        ("train ae2-digits --folder new --out w", "InputError: A run folder has its own weights and checkpoints: leave out --out"),
        ("train ae2-digits --out w --keep 2", "InputError: --keep can only be had in a run folder"),
        ("train ae2-digits --folder new --keep 0", "InputError: keep is 0"),
        ("train ae2-digits --folder new --every-minutes 0", "InputError: --every-minutes is 0; give a number of minutes above 0"),
        ("train ae2-digits --folder new --every-minutes 1e308", "InputError: --every-minutes is 1e+308; give a number of minutes"),
        ("train ae2-digits --folder=", "InputError: An empty text was given for --folder: give a value, or leave it out."),
        ("train ae2-digits --out= --scale=", "InputError: An empty text was given for --scale, --out"),
        ("train --resume=", "InputError: An empty text was given for --resume"),
        ("train ae2-digits --folder " + "x" * 300, "SaveError: xxx"),
        ("train ae2-digits --resume here", "InputError: --resume goes on with a run by the settings that it began with: leave out the n"),
        ("train --resume here --seed 0", "InputError: --resume goes on with a run by the settings that it began with: leave out --seed"),
        ("train --resume here", "CheckpointError: There is no run in here"),
        ("train --resume broken", "CheckpointError: broken"),
        ("train ae2-digits --folder here", "SaveError: here is not empty"),
        ("train ae2-digits --folder broken", "SaveError: broken holds a run already"),
        ("train ae2-digits --folder here/mine", "SaveError: here"),
        ("compare here", "CheckpointError: There is no run in here"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_before_anything_is_written(command, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder, name, content in (("here", "mine", "mine"), ("broken", "run.json", '{"plan": {')):
        Path(folder).mkdir()
        Path(folder, name).write_text(content)
    assert main(command.split()) == 2
    problems = capsys.readouterr().err
    assert problems.startswith(message) and problems.count("\n") == 1
    assert sorted(path.as_posix() for path in Path().rglob("*")) == [
        "broken",
        "broken/run.json",
        "here",
        "here/mine",
    ]


def test_a_disk_without_space_is_told_before_anything_begins(tmp_path, monkeypatch):
    usage = dataclasses.make_dataclass("Usage", ["total", "used", "free"])
    monkeypatch.setattr(runs.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 30_000_000))
    monkeypatch.setattr(recipes, "make", lambda *args, **kwargs: pytest.fail("training had begun"))
    # 535,828 weights of four bytes with Adam's two moments are 6.4 MB: four such, and 20 MB more.
    plan = runs.Plan("vae2-digits", "smoke", changes=recipes.Changes(epochs=5))
    with pytest.raises(SaveError, match="has 30 MB left, and this run needs about 46 MB. Nothing was begun"):
        runs.train(plan, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    for keep, needed in ((1000, 59), (1, 33)):  # of five epochs no more than five can stay
        with pytest.raises(SaveError, match=f"this run needs about {needed} MB"):
            runs.train(dataclasses.replace(plan, keep=keep), tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr(runs, "_train_and_describe", lambda run, recipe, images: None)
    runs.train(
        runs.Plan("vae2-digits", "smoke"), tmp_path / "run"
    )  # the folder may be used as soon as there is space


def test_a_run_that_had_space_has_it_when_it_goes_on(made, tmp_path, monkeypatch):
    folder = stopped(tmp_path / "run", monkeypatch, 50)
    usage = dataclasses.make_dataclass("Usage", ["total", "used", "free"])
    # Four checkpoints of 6.4 MB and 20 MB more, of which two checkpoints are there.
    with monkeypatch.context() as disk:
        disk.setattr(runs.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 32_000_000))
        with pytest.raises(SaveError, match="has 32 MB left, and this run needs about 33 MB"):
            runs.resume(folder)
        disk.setattr(runs.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 34_000_000))
        assert runs.resume(folder).status == "done"


def test_more_processes_than_rows_leave_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "world", lambda: 3)
    assert main([*SMALL, "--batch-size", "2", "--folder", str(tmp_path / "run")]) == 2
    assert "A batch of 2 can't be shared among 3 processes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(SaveError, match="lock could not be written"), held(tmp_path / "lock", "the run"):
        pytest.fail("it is a folder")


@pytest.mark.skipif(sys.platform == "win32", reason="its shell has other rules")
@pytest.mark.parametrize(
    "name", ["run", "a run", "it's", "$HOME", 'so "called"', "a;b", "运行 一", "运行", "back\\slash"]
)
def test_a_folder_is_told_as_a_shell_takes_it(name):
    assert shlex.split(f"--resume {runs.quoted(name)}") == ["--resume", name]
    assert runs.quoted("-run") == "./-run"


def test_a_run_in_the_folder_one_is_in_can_be_repeated_too(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_train", lambda run, resumed: run)
    monkeypatch.chdir(tmp_path)
    assert runs.train(runs.Plan("vae2-digits"), ".").about["command"].endswith(f"--folder {tmp_path.name}")


def test_pictures_come_in_the_order_of_their_epochs(tmp_path):
    for name in ("samples-9999.png", "samples-10000.png", "samples-0002.png", "samples-mine.png"):
        (tmp_path / name).touch()
    found = [path.name for path in runs.Run(tmp_path, {}).pictures()]
    assert found == ["samples-0002.png", "samples-9999.png", "samples-10000.png"]


def test_a_run_is_worked_on_by_one_process_at_a_time(tmp_path):
    path = tmp_path / "lock"
    assert not is_held(path)
    with held(path, "the run"):
        assert is_held(path)
        with pytest.raises(SaveError, match="Another process is at work on the run"), held(path, "the run"):
            pytest.fail("it is held already")
    assert not is_held(path)
    with held(path, "the run"):
        assert is_held(path)


# Pictures


@pytest.mark.parametrize(
    "name", [name for name in recipes.RECIPES if name.endswith("digits") and not name.startswith("beta")]
)
def test_what_a_model_makes_is_drawn_and_leaves_it_as_it_was(name, digits):
    recipe, model = recipes.get(name), recipes.load(name).train()
    before, state = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_rng_state()
    picture = report.samples(model, digits, recipe.form)
    assert torch.equal(state, torch.get_rng_state()) and model.training
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    if name.startswith("classifier"):
        assert picture is None
        return
    image = Image.open(io.BytesIO(picture.content)).convert("L")
    titles = re.findall(r"(\d+) images, ([a-z ]+)", picture.alt)
    assert image.height > 55 * sum(int(count) // report.COLUMNS for count, _ in titles)
    assert image.getextrema()[0] < 100
    assert report.samples(model, digits, recipe.form).content == picture.content


def test_curves_have_a_line_for_each_run_and_no_two_alike(made):
    rows = runs.Run.read(made).rows()
    drawn = [(f"run {i}", "binary", rows) for i in range(12)] + [
        ("other", "outlines", [{"step": 1, "cycle": 2.0}] * 2)
    ]
    figure = report.curves(drawn)
    panels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert set(panels) == {"loss (nats)", "reconstruction (nats)", "kl (nats)", "cycle"}
    looks = {(line.get_color(), line.get_linestyle()) for line in panels["kl (nats)"].lines}
    assert len(looks) == 12
    assert panels["kl (nats)"].lines[0].get_ydata().tolist() == [row["kl"] for row in rows]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [name for name, _, _ in drawn]
    with pytest.raises(InputError, match="no run has finished an epoch yet"):
        report.curves([("new", "binary", [])])


# Beside each other


def test_compare_tells_what_differs_and_draws_it(made, tmp_path, monkeypatch, capsys):
    other = tmp_path / "other" / "run"  # of the same name: told apart by the folder above
    folder = stopped(other, monkeypatch)
    run = runs.Run.read(folder)
    run.about["versions"]["torch"] = "1.0"
    run.write()
    capsys.readouterr()
    assert main(["compare", str(made), str(folder), "--out", str(tmp_path / "both.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = {line[:25].strip(): line[25:].split() for line in lines}
    assert lines[0].split() == [f"{made.parent.name}/run", "other/run"]
    table = compare.table(compare.read([made, folder]), width=100).splitlines()
    assert table == lines[: len(table)] or len(lines[0]) > 80
    assert cells["status"] == ["done", "stopped"] and cells["seed"] == ["4", "4"]
    assert cells["version of torch"] == [torch.__version__, "1.0"]
    assert not any("numpy" in line or "SHA" in line for line in lines)
    about = runs.Run.read(made).about
    assert cells["test: elbo"] == [f"{about['scores']['elbo']:.4g}"]
    assert Image.open(tmp_path / "both.png").width > 800


def test_runs_that_don_t_fit_beside_each_other_follow_below(made):
    table = compare.table(compare.read([made] * 12), width=70).splitlines()
    assert max(map(len, table)) <= 70
    assert (
        sum(line.split() == ["seed", *["4"] * line.count("4")] for line in table if line.startswith("seed"))
        == table.count("") + 1
    )
    assert sum(line.split().count("4") for line in table if line.startswith("seed")) == 12
