"""chapter10.sweeps: one file, many processes, and a table at the end; stopped and failed ones among them."""

import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from chapter10 import environment, recipes, runs, sweeps
from chapter10.__main__ import main
from chapter10.errors import Chapter10Error, InputError, SaveError
from chapter10.files import load_state
from chapter10.locks import held

ROOT = Path(recipes.__file__).parents[1]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Two cores, whatever there are, and nothing of the caller's surroundings; torch's settings as they were afterwards."""
    for name in ("CHAPTER10_DATA", "CHAPTER10_SCALE", "CHAPTER10_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "usable_cores", lambda: 2)
    monkeypatch.chdir(ROOT)  # where a process finds the package, also if it isn't installed
    monkeypatch.setattr(Here, "begun", [])
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


class Here:
    """In place of a process: the same command line, in this one and with one thread, done when it is begun."""

    begun: list[tuple[list[str], str]] = []

    def __init__(self, command, stdout, env, **others):
        assert command[:3] == [sys.executable, "-m", "chapter10.sweeps"] and Path(command[3]).name == "lock"
        self.begun.append((command[4:], env["OMP_NUM_THREADS"]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(environment, "usable_cores", lambda: 1)
            self.returncode = main(command[4:])

    def poll(self) -> int:
        return self.returncode


def write(path: Path, **content: object) -> Path:
    """A sweep's file: words, numbers and lists are the same in JSON as in TOML, tables are of their own."""
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in content.items() if name not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    path.write_text("\n".join(lines), "utf-8")
    return path


def begun(status: str) -> dict:
    """What stands in a run.json."""
    plan = {**vars(runs.Plan("ae2-digits")), "changes": vars(recipes.Changes())}
    return {"plan": plan, "command": "", "started": "", "status": status, "machine": {}}


SMALL = {"recipes": ["ae2-digits"], "scale": "smoke", "fixed": {"epochs": 2, "batch_size": 256}}


def test_processes_share_the_cores_and_a_failed_one_stops_no_other(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "sweep.toml", **SMALL, grid={"lr": [1e12, 2e-3]})
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 1
    out, problems = capsys.readouterr()
    assert "2 runs, 0 of them done; 2 at a time, 1 thread each." in out
    bad, good = "ae2-digits_lr=1e+12_seed=0", "ae2-digits_lr=0.002_seed=0"
    assert f"] {good}: done, " in out and problems.startswith(f"Failed: {bad}: TrainingError: Step ")
    assert "(it is 0.001)" not in problems  # the method's own rate, which it never trained with
    assert out.endswith("(1 seed)\n\nNone is done of ae2-digits lr=1e+12.\n")
    run = runs.Run.read(tmp_path / "out" / "runs" / good)
    assert run.status == "done" and run.plan.threads == 1
    assert runs.Run.read(tmp_path / "out" / "runs" / bad).status == "failed"
    assert f"lr=0.002  {run.about['scores']['cross_entropy']:>10.4g}" in out

    # The very weights of the same run by itself, in this process.
    torch.set_num_threads(1)
    changes = recipes.Changes(epochs=2, batch_size=256, lr=2e-3)
    model, _ = recipes.train("ae2-digits", "smoke", out=tmp_path / "weights", changes=changes)
    stored = load_state(run.folder / "weights.safetensors")[0]
    assert all(torch.equal(value, stored[key].float()) for key, value in model.state_dict().items())

    # A seed more, and the value that failed left out: what is done stays, what is new runs, and the table has both.
    monkeypatch.setattr(subprocess, "Popen", Here)
    before = (run.folder / "run.json").read_bytes()
    path = write(path, **SMALL, seeds=[0, 7], grid={"lr": [2e-3]})
    assert main(["sweep", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "2 runs, 1 of them done; 1 at a time, 2 threads each." in capsys.readouterr().out
    assert [threads for _, threads in Here.begun] == ["2"]
    assert (run.folder / "run.json").read_bytes() == before
    result = json.loads((tmp_path / "out" / "sweep.json").read_text("utf-8"))
    assert [row["status"] for row in result["runs"]] == ["done", "done"]
    scores = [row["scores"]["cross_entropy"] for row in result["runs"]]
    [line] = result["table"]
    assert line["seeds"] == 2 and line["setting"] == {"lr": 2e-3} and scores[0] != scores[1]
    assert line["median"] == pytest.approx(sum(scores) / 2)
    assert (line["least"], line["greatest"]) == (min(scores), max(scores))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_leaves_no_process_and_the_same_line_goes_on(tmp_path, monkeypatch, capsys):
    content = {"recipes": ["ae2-digits"], "scale": "smoke", "fixed": {"epochs": 40, "batch_size": 256}}
    path = write(tmp_path / "sweep.toml", seeds=2, **content)
    folder = tmp_path / "out" / "runs" / "ae2-digits_seed=0"
    process = subprocess.Popen(
        [sys.executable, "-m", "chapter10", "sweep", str(path), "--out", str(tmp_path / "out"), "--workers", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 100
    while not (folder / "history.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "no epoch was finished"
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said, problems = process.communicate(timeout=100)
    assert process.returncode == 130 and "Traceback" not in problems
    assert said.rstrip().endswith("Stopped; what was trained is saved. The same line goes on from there.")
    run = runs.Run.read(folder)
    assert (
        run.status == "stopped"
    )  # by itself, not killed: nobody holds its lock, and it wrote its last words
    log = tmp_path / "out" / "logs" / f"{folder.name}.txt"
    assert 1 <= len(run.rows()) < 40 and f"train --resume {folder}" in log.read_text("utf-8")
    result = json.loads((tmp_path / "out" / "sweep.json").read_text("utf-8"))
    assert [row["status"] for row in result["runs"]] == ["stopped", "not begun"]

    monkeypatch.setattr(subprocess, "Popen", Here)
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 0
    [(first, _), (second, _)] = Here.begun
    assert first == ["train", "--resume", str(folder)] and second[:2] == ["train", "ae2-digits"]
    both = [runs.Run.read(folder.parent / f"ae2-digits_seed={seed}") for seed in (0, 1)]
    assert [len(run.rows()) for run in both] == [40, 40]


# The file


def test_a_grid_is_each_with_each_and_the_first_seed_comes_first(tmp_path):
    grid = {"lr": [1e-3, 2e-3], "beta": [1, 4]}
    path = write(
        tmp_path / "f", recipes=["vae2-digits", "beta4-digits"], seeds=2, fixed={"epochs": 3}, grid=grid
    )
    sweep = sweeps.read(path)
    jobs = sweep.jobs()
    assert len({job.name for job in jobs}) == len(jobs) == 2 * 2 * 2 * 2
    assert [job.seed for job in jobs] == [0] * 8 + [1] * 8
    assert jobs[1].name == "vae2-digits_lr=0.001_beta=4_seed=0"
    assert jobs[1].changes == recipes.Changes(epochs=3, lr=1e-3, constants={"beta": 4.0})
    assert jobs[1].begin(Path("here")) == [
        "train", "vae2-digits", "--scale", "quick", "--seed", "0", "--device", "cpu",
        "--epochs", "3", "--lr", "0.001", "--set", "beta=4", "--folder", "here",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, r"recipes is \[\]; give a list of names"),
        ({"recipes": "vae2-digits"}, "recipes is 'vae2-digits'; give a list"),
        ({"recipes": ["vae2-digit"]}, "There is no recipe 'vae2-digit'. Did you mean 'vae2-digits'"),
        ({"recipes": ["ae2-digits"], "seed": 3}, "has 'seed', which a sweep has not. Did you mean 'seeds'"),
        ({"recipes": ["ae2-digits"], "seeds": 0}, "seeds is 0; give how many"),
        ({"recipes": ["ae2-digits"], "seeds": [1, -1]}, r"seeds is \[1, -1\]"),
        ({"recipes": ["ae2-digits"], "seeds": True}, "seeds is True"),
        ({"recipes": ["ae2-digits"], "seeds": [1, 1]}, "seeds has a value twice"),
        ({"recipes": ["ae2-digits"], "scale": 3}, "scale is 3; give a word"),
        ({"recipes": ["ae2-digits"], "precision": "bfloat"}, "The precision 'bfloat' is not known. Did you mean 'bfloat16'"),
        ({"recipes": ["ae2-digits"], "scale": "huge"}, "The scale 'huge' is not known"),
        ({"recipes": ["ae2-digits"], "fixed": {"beta": 4}}, "ae2-digits has no setting 'beta'"),
        ({"recipes": ["vae2-digits", "ae2-digits"], "grid": {"beta": [1, 4]}}, "ae2-digits has no setting 'beta'"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": 1e-3}}, "The setting lr is 0.001; give numbers"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": []}}, r"The setting lr is \[\]"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": [1e-3, "fast"]}}, "The setting lr is"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": [1e-3, -1]}}, "lr is -1; give a rate above 0"),
        ({"recipes": ["ae2-digits"], "grid": {"batch_size": [64, 6.5]}}, "batch_size is 6.5; give a whole number"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": [1e-3, 0.001]}}, "lr has a value twice"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": [1e-3]}, "fixed": {"lr": 1e-3}}, r"lr stands in \[fixed\] and in \[grid\]"),
        ({"recipes": ["ae2-digits"], "grid": 3}, "grid is 3; give a table"),
        ({"recipes": ["vae2-digits"], "fixed": {"bach_size": 3}}, "no setting 'bach_size'. Did you mean 'batch_size'"),
        ({"recipes": ["ae2-digits"], "grid": {"lr": [1e-3], "seeds": [0, 1]}}, r"seeds stands below \[grid\]"),
        ({"recipes": ["ae2-digits"], "fixed": {"device": "cpu"}}, r"device stands below \[fixed\]"),
        ({"recipes": ["ae2-digits"], "seeds": 20260101}, r"seeds is 20260101, and says how many .* Then write \[20260101\]"),
        ({"recipes": ["ae2-digits"], "seeds": [2**63]}, r"seeds is \[9223372036854775808\]"),
        ({"recipes": ["vae2-digits"], "grid": {"beta": [10**400]}}, "The setting beta is .*; give numbers"),
        ({"recipes": ["vae2-digits"], "seeds": 5000, "grid": {"lr": [1, 2, 3]}}, "It asks for 15,000 runs"),
    ],
)  # fmt: skip
def test_what_a_file_has_wrong_is_named(content, message, tmp_path, capsys):
    path = write(tmp_path / "sweep.toml", **content)
    with pytest.raises(InputError, match=message) as caught:
        sweeps.read(path)
    assert str(caught.value).startswith(str(path))
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_none_or_no_toml_is_told(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        sweeps.read(tmp_path / "none.toml")
    (tmp_path / "f.toml").write_text("recipes = [")
    with pytest.raises(InputError, match="f.toml is no TOML: Invalid value"):
        sweeps.read(tmp_path / "f.toml")


def test_a_mark_of_notepad_before_the_first_line_is_no_part_of_it(tmp_path):
    (tmp_path / "f.toml").write_text('recipes = ["ae2-digits"]', encoding="utf-8-sig")
    assert sweeps.read(tmp_path / "f.toml").recipes == ("ae2-digits",)


def test_the_example_in_the_module_s_docstring_is_one(tmp_path):
    lines = [line[4:] for line in sweeps.__doc__.splitlines() if line.startswith("    ")]
    (tmp_path / "f.toml").write_text("\n".join(lines), "utf-8")
    sweep = sweeps.read(tmp_path / "f.toml")
    assert sweep.seeds == (0, 1, 2, 3, 4) and len(sweep.jobs()) == 2 * 5 * 2 * 3


# The folder, the machine


@pytest.mark.parametrize("workers", [0, 3, -1])
def test_more_processes_than_cores_are_refused(workers, tmp_path):
    with pytest.raises(InputError, match=rf"{workers} workers can.t share this machine.s cores \(2\); give a number from 1 to 2"):
        sweeps.sweep(sweeps.read(write(tmp_path / "f", **SMALL)), tmp_path / "out", workers)


def test_a_folder_with_runs_of_another_sweep_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", Here)
    out = tmp_path / "out"
    sweeps.sweep(sweeps.read(write(tmp_path / "f", **SMALL)), out)
    other = sweeps.read(write(tmp_path / "f", **SMALL | {"fixed": {"epochs": 3, "batch_size": 256}}))
    with pytest.raises(InputError, match="ae2-digits_seed=0 has epochs: 2 there, 3 here. Give another folder"):
        sweeps.sweep(other, out)
    with held(out / "lock", "it"), pytest.raises(SaveError, match="Another process is at work on the sweep"):
        sweeps.sweep(sweeps.read(write(tmp_path / "f", **SMALL)), out)


def test_gpus_are_dealt_out_one_to_a_process(monkeypatch):
    monkeypatch.setattr(environment, "check_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert sweeps._gpus("cuda") == ["0", "1"] and sweeps._gpus("cpu") == sweeps._gpus("cuda:1") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert sweeps._gpus("cuda") == ["3", "GPU-5"]


def test_a_sweep_for_a_gpu_that_is_not_there_begins_nothing(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    path = write(tmp_path / "f", **SMALL, device="cuda")
    with pytest.raises(InputError, match="The device 'cuda' can't be used here .*Found: 'cpu'"):
        sweeps.sweep(sweeps.read(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content, surroundings, message",
    [
        ({"precision": "tf32"}, {}, "The precision 'tf32' is one that cpu lacks"),
        ({"recipes": ["ae2-mnist", "ae2-digits"]}, {"CHAPTER10_DATA": "nowhere"}, "nowhere.* does not exist"),
        ({}, {"WORLD_SIZE": "2"}, "leave torchrun out"),
    ],
)
def test_what_no_run_could_have_is_told_once_and_before_any_begins(content, surroundings, message, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Chapter10Error, match=message):
        sweeps.sweep(sweeps.read(write(tmp_path / "f", **SMALL | content)), tmp_path / "out")


def test_a_run_that_another_process_is_at_is_waited_for_and_others_go_first(tmp_path, capsys):
    sweep = sweeps.read(write(tmp_path / "f", **SMALL, seeds=2))
    first, second = sweep.jobs()
    folder = tmp_path / "runs" / first.name
    folder.mkdir(parents=True)
    runs.Run(folder, begun("running")).write()
    pool = sweeps._Pool(tmp_path, 1, 1, [], 2, 0)
    with held(folder / "lock", "it"):  # as a sweep leaves it that was killed: its run goes on for a moment
        assert pool._next([first, second]) is second
        assert pool._next([first]) is None and capsys.readouterr().out.count("another process is at work on it") == 1
    assert pool._next([first, second]) is first


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without its code of a signal")
def test_a_run_whose_sweep_was_killed_saves_its_state_and_ends(tmp_path):
    sweep = sweeps.read(write(tmp_path / "f", **SMALL | {"fixed": {"epochs": 100_000, "batch_size": 256}}))
    [job] = sweep.jobs()
    with held(tmp_path / "lock", "it"):
        process, _ = sweeps._Pool(tmp_path, 1, 1, [], 1, 0)._start(job, 0)
        end = time.monotonic() + 100
        while not (tmp_path / "runs" / job.name / "history.jsonl").exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
    assert process.wait(timeout=100) == 128 + signal.SIGTERM
    run = runs.Run.read(tmp_path / "runs" / job.name)
    assert run.status == "stopped" and 1 <= len(run.rows()) < 100_000


def test_a_log_that_can_t_be_written_ends_a_sweep_with_a_sentence(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "logs").write_text("mine")
    assert main(["sweep", str(write(tmp_path / "f", **SMALL)), "--out", str(tmp_path / "out")]) == 2
    assert re.match(r"SaveError: .*out.logs.*could not be written", capsys.readouterr().err)


@pytest.mark.parametrize(
    "code, said, reason",
    [
        (2, "Data: some\nInputError: The rate: none.\n", "InputError: The rate: none."),
        (143, "Stopped. To go on: so\n", "Stopped. To go on: so"),
        (1, "  9 of 20 epochs\n\n", "it ended with the code 1; the last that it said:   9 of 20 epochs"),
        (1, "", "it ended with the code 1 and said nothing"),
        (-9, "9 of 20 epochs", "the signal SIGKILL ended it, as a system does whose memory runs out"),
        (-11, "9 of 20 epochs", "the signal SIGSEGV ended it"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="codes of signals are those of POSIX")
def test_why_a_run_is_not_done_is_what_its_own_process_said(code, said, reason, tmp_path):
    [job] = sweeps.read(write(tmp_path / "f", **SMALL)).jobs()
    before = "TrainingError: of an earlier call, with an ü\n".encode()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{job.name}.txt").write_bytes(before + said.encode())
    assert sweeps._reason(tmp_path, job, code, len(before)).startswith(reason)


# The table


def test_what_the_table_does_not_show_is_told_below_it(tmp_path):
    def row(name: str, version: str, images: str, train: str) -> dict:
        (tmp_path / "runs" / name).mkdir(parents=True, exist_ok=True)
        found = {"name": images, "sha256": {"train": train}, "source": ""}
        runs.Run(tmp_path / "runs" / name, begun("done") | {"versions": {"torch": version}, "data": found}).write()
        return {"name": name, "recipe": "r", "setting": {}, "status": "done"}

    alike = [row("1", "1", "digits", "a"), row("2", "1", "digits", "a"), row("3", "1", "mnist", "b")]
    assert sweeps._notes(tmp_path, alike) == []
    failed = {"name": "4", "recipe": "s", "setting": {"lr": 0.1}, "status": "failed"}
    _, *lines = sweeps._notes(tmp_path, [*alike, row("5", "2", "digits", "c"), failed])
    assert [line.split(":")[0] for line in lines] == [
        "None is done of s lr=0.1.", "They were not all made with the same versions", "They were not all trained on the same data",
    ]  # fmt: skip


def test_a_score_that_is_no_number_makes_none_of_the_others_stand_for_it():
    [row] = sweeps.summary({"recipe": "r", "setting": {}, "scores": {"a": value}} for value in (1.0, math.nan, 3.0))
    assert all(math.isnan(value) for value in (row["median"], row["least"], row["greatest"], *row["quartiles"]))
    assert row["seeds"] == 3


def test_medians_and_quartiles_are_those_of_the_seeds():
    values = [4.0, 1.0, 3.0, 2.0, 10.0]
    rows = [{"recipe": "r", "setting": {"lr": 0.1}, "scores": {"a": value, "b": 1.0}} for value in values]
    rows += [{"recipe": "r", "setting": {"lr": 0.2}, "scores": {"a": 7.0, "b": 1.0}}]
    rows += [{"recipe": "r", "setting": {"lr": 0.2}}]  # not done: it counts for nothing
    table = sweeps.summary(rows)
    [five, one] = [row for row in table if row["score"] == "a"]
    assert five["median"] == statistics.median(values) == 3
    assert five["quartiles"] == [2, 4] and (five["least"], five["greatest"]) == (1, 10) and five["seeds"] == 5
    assert one == {
        "recipe": "r", "score": "a", "setting": {"lr": 0.2}, "seeds": 1, "runs": 2,
        "median": 7, "quartiles": [7, 7], "least": 7, "greatest": 7,
    }  # fmt: skip
    text = sweeps.table(table).splitlines()
    assert text[0] == "r: a" and text[1] == "  lr=0.1           3  quartiles 2 to 4, all 1 to 10 (5 seeds)"
    assert "(1 of 2 seeds)" in text[2] and text[4] == "r: b"
    assert sweeps.table([]) == "No run is done yet."
