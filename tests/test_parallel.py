import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import together
import torch

from chapter10 import data, files, nets, parallel, processes, recipes, runs
from chapter10.errors import InputError, ParallelError, TrainingError
from chapter10.training import fit

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this PyTorch has no gloo, by which processes on CPUs talk",
)


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str
    found: dict | None  # what it wrote at its end


def start(case: str, folder: Path, count: int = 2, script: str = together.__file__) -> list[subprocess.Popen]:
    """The processes of a case, with what torchrun tells its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = []
    for rank in range(count):
        told = {name: str(value) for name, value in (about | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        environment = os.environ | told | {"OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(
                [sys.executable, script, case, str(folder)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def ended(processes: list[subprocess.Popen], folder: Path, seconds: float = 400) -> list[Ended]:
    """How they ended; all of them are at an end, whatever happens."""
    try:
        said = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = [folder / f"{rank}.json" for rank in range(len(processes))]
    return [
        Ended(process.returncode, out, err, json.loads(path.read_text("utf-8")) if path.is_file() else None)
        for process, (out, err), path in zip(processes, said, found)
    ]


# Without other processes


def test_one_process_gets_what_torch_gives():
    x = torch.arange(12.0).view(4, 3)
    assert parallel.share(x) is x and parallel.gather(x) is x and parallel.total(x) is x
    assert parallel.everyone("a") == ["a"] and parallel.from_first(lambda: 3) == 3
    torch.manual_seed(0)
    found = parallel.randn(4, 3), parallel.rand(4), parallel.randn_like(x)
    torch.manual_seed(0)
    assert all(a.equal(b) for a, b in zip(found, (torch.randn(4, 3), torch.rand(4), torch.randn_like(x))))


@pytest.mark.parametrize("count", [2, 3])
def test_rows_and_noise_are_split_without_overlap(monkeypatch, count):
    monkeypatch.setattr(parallel, "world", lambda: count)
    whole, rows, noise = torch.arange(16), [], []
    for rank in range(count):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        rows.append(parallel.share(whole))
        torch.manual_seed(0)
        noise.append(parallel.randn(5, 2))
    assert {len(part) for part in rows} == {16 // count}
    assert sorted(torch.cat(rows).tolist()) == list(range(16 // count * count))
    torch.manual_seed(0)
    drawn = torch.randn(5 * count, 2)
    assert all(noise[i % count][i // count].equal(row) for i, row in enumerate(drawn))


def test_parts_of_a_batch_have_the_rows_they_have_with_one_process(monkeypatch):
    whole = torch.arange(24)
    monkeypatch.setattr(parallel, "world", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        parts.append(parallel.share(whole).tensor_split(3))
    for one, a, b in zip(whole.tensor_split(3), *parts):
        assert sorted([*a.tolist(), *b.tolist()]) == one.tolist()


@pytest.mark.parametrize("layer", [nets.Dropout(0.5), nets.TorchDropout(0.5)])
def test_processes_drop_the_units_that_one_would(monkeypatch, layer):
    x = torch.ones(8, 5)
    torch.manual_seed(0)
    whole = layer(x)
    monkeypatch.setattr(parallel, "world", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        torch.manual_seed(0)
        assert layer(x[:4]).equal(whole[rank::2])


def test_a_batch_too_small_for_all_is_refused_or_left_out(monkeypatch):
    monkeypatch.setattr(parallel, "world", lambda: 4)
    with pytest.raises(InputError, match="A batch of 3 can't be shared among 4 processes"):
        parallel.share(torch.zeros(3, 2))
    images = torch.zeros(39, 2, 2, dtype=torch.uint8)
    assert len(data.Batches(images, 16)) == 2  # 7 are left, and each process needs two
    assert len(data.Batches(images, 15)) == 3  # 9
    monkeypatch.setattr(parallel, "world", lambda: 1)
    assert len(data.Batches(images, 16)) == 3


def test_without_torchrun_joining_does_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes.joined():
        assert parallel.own_device("cuda:3") == "cuda:3" and parallel.world() == 1


def test_a_device_of_which_each_process_takes_one(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert parallel.own_device("cpu") == "cpu" and parallel.own_device("cuda") == "cuda:1" and chosen == [1]
    for name in ("cuda:0", "mps"):
        with pytest.raises(InputError, match=f"'{name}' can't be shared by 2 processes: give cuda"):
            parallel.own_device(name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="has 1 GPUs that PyTorch can use, and more processes"):
        parallel.own_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert parallel.own_device("cuda") == "cuda"  # which `environment.setup` refuses, with what is missing


def test_a_half_told_group_is_told(monkeypatch, capsys):
    """As where a scheduler sets WORLD_SIZE and nobody started torchrun."""
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended, processes.joined():
        pytest.fail("there is nobody to join")
    problems = capsys.readouterr().err
    assert ended.value.code == 2 and problems.count("\n") == 1
    assert "these variables are not set: RANK, MASTER_ADDR, MASTER_PORT. Start them by torchrun" in problems
    for said in ("two", "0", "-1"):
        monkeypatch.setenv("WORLD_SIZE", said)
        with pytest.raises(ParallelError, match=f"WORLD_SIZE is '{said}'"), processes.joined():
            pytest.fail("there is nobody to join")


def test_what_is_wrong_is_told_once(capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    store, lost = torch.distributed.HashStore(), RuntimeError("[gloo/tcp] Connection closed by peer")
    assert processes._tell(lost, None, 0) == 2 and "has ended without a word" in capsys.readouterr().err
    assert [processes._tell(TrainingError("Step 3: no."), store, rank) for rank in range(2)] == [2, 2]
    assert capsys.readouterr().err == "TrainingError: process 0 of 2: Step 3: no.\n"
    assert processes._tell(lost, store, 1) == 2 and capsys.readouterr().err == ""  # the other has said why
    assert processes._tell(ZeroDivisionError("x"), store, 1) == 1
    assert capsys.readouterr().err.startswith("process 1 of 2: ")
    assert processes._tell(SystemExit(143), store, 1) == 143
    ending = SystemExit(143)  # torchrun asks to end, for another has died, while this one is finding it out
    ending.__context__ = lost
    assert processes._tell(ending, torch.distributed.HashStore(), 0) == 2
    assert "has ended without a word" in capsys.readouterr().err


# Two processes


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> list[Ended]:
    folder = tmp_path_factory.mktemp("steps")
    processes = ended(start("steps", folder), folder)
    assert [process.code for process in processes] == [0, 0], processes[0].err + processes[1].err
    return processes


@pytest.mark.parametrize("name", together.METHODS)
def test_two_processes_follow_one(steps, name):
    _, alone = together.trained(together.METHODS[name], together.STEPS)
    mine, other = (process.found[name]["rows"] for process in steps)
    for i, row in enumerate(alone):
        for part, value in row.items():
            both = (mine[i][part] + other[i][part]) / 2
            assert both == pytest.approx(value, rel=1e-4, abs=1e-4), (i, part)
    assert len(mine) == together.STEPS
    if "loss" in alone[0]:  # a game has none that falls
        assert alone[-1]["loss"] < alone[0]["loss"] - 0.5


@pytest.mark.parametrize("name", together.METHODS)
def test_each_process_sees_rows_and_noise_of_its_own(steps, name):
    mine, other = (process.found[name]["rows"] for process in steps)
    assert all(a != b for a, b in zip(mine, other))


@pytest.mark.parametrize("name", [*together.METHODS, *together.NORMED])
def test_the_copies_of_all_networks_and_optimisers_stay_the_same(steps, name):
    assert [process.found[name]["apart"] for process in steps] == [0, 0]
    assert all(value == value for row in steps[0].found[name]["rows"] for value in row.values())


def test_copies_whose_gradients_are_not_exchanged_come_apart(steps):
    assert all(process.found["without exchange"]["apart"] > 1e-3 for process in steps)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory) -> tuple[list[dict], Path]:
    folder = tmp_path_factory.mktemp("trainings")
    processes = ended(start("trainings", folder), folder)
    assert [process.code for process in processes] == [0, 0], processes[0].err + processes[1].err
    assert "epochs" in processes[0].out and not processes[1].out  # only the first speaks
    return [process.found for process in processes], folder


def without_seconds(rows: list[dict]) -> list[list[float]]:
    return [[value for name, value in row.items() if name != "seconds"] for row in rows]


def close(rows: list[dict], others: list[dict]) -> bool:
    pairs = zip(without_seconds(rows), without_seconds(others))
    return len(rows) == len(others) and all(a == pytest.approx(b, rel=1e-4, abs=1e-4) for a, b in pairs)


def test_an_epoch_is_split_without_overlap(trainings):
    (mine, other), _ = trainings
    watched = together.Watched(together.autoencoder())
    fit(watched, together.batches(), 2, progress=False)
    assert len(mine["seen"]) == len(watched.seen) == 14
    for whole, a, b in zip(watched.seen, mine["seen"], other["seen"]):
        assert whole[::2] == a and whole[1::2] == b  # and so none of the 100 twice


def test_the_history_is_of_all_rows_and_only_the_first_calls_back(trainings):
    (mine, other), folder = trainings
    one = fit(together.vae(), together.batches(), 3, progress=False)
    assert close(mine["rows"], one.rows) and without_seconds(mine["rows"]) == without_seconds(other["rows"])
    assert mine["calls"] == [1, 1, 1] and other["calls"] == []  # in a callback it is by itself
    assert files.load_state(folder / "whole.safetensors")[0]["rows"] == mine["rows"]


def test_a_training_of_two_goes_on_with_two_or_with_one(trainings):
    (mine, _), folder = trainings
    assert without_seconds(mine["resumed"]) == without_seconds(mine["rows"])
    one = fit(together.vae(), together.batches(), 3, checkpoint=folder / "copy0.safetensors", progress=False)
    assert close(one.rows, mine["rows"])


@pytest.mark.parametrize("who", [0, 1])
def test_a_signal_to_one_ends_all_after_the_same_step(trainings, who):
    (mine, other), _ = trainings
    (reason, step, rows), (_, there, _) = mine[f"signal{who}"], other[f"signal{who}"]
    assert reason == "SIGTERM" and 9 <= step < 21 and step == there
    assert close(rows, mine["rows"])  # it went on exactly where it stopped


def test_checkpoints_at_steps_are_written_at_these_steps(trainings):
    (mine, other), _ = trainings
    assert mine["every"] == other["every"] == [5, 10, 14]


def test_what_is_not_finite_in_one_process_stops_all(trainings):
    (mine, other), _ = trainings
    assert mine["nan"] == other["nan"] and mine["put back"] and other["put back"]
    assert mine["nan"].startswith(
        "Step 3: the part 'loss' of the loss became nan in process 1 of 2. Try a lower"
    )


@pytest.mark.parametrize(
    "what, words",
    [
        ("epochs", "differ in epochs: 2 in process 0, 3 in process 1"),
        ("torch", "differ in their version of torch: 2.0 in process 0, 2.1 in process 1"),
        ("data", "differ in their data: digits ("),
        ("small", "A batch of 1 can't be shared among 2 processes"),
    ],
)
def test_what_must_be_the_same_is_compared_at_the_start(trainings, what, words):
    (mine, other), _ = trainings
    assert words in mine[what] and mine[what] == other[what]


@pytest.mark.parametrize(
    "name", [name for name, recipe in recipes.RECIPES.items() if recipe.data == "digits"]
)
def test_every_recipe_makes_a_step_of_all(trainings, name):
    found, _ = trainings
    assert [process[f"recipe {name}"] for process in found] == [[True, 0.0]] * 2


def torchrun(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *arguments,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment |= {"OMP_NUM_THREADS": "1", "CHAPTER10_DATA": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)


def test_a_process_that_is_killed_ends_all_with_one_message(tmp_path):
    ended = torchrun([together.__file__, "dies", str(tmp_path)], tmp_path)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("ParallelError")]
    assert ended.returncode != 0 and len(lines) == 1 and not list(tmp_path.glob("*.json"))
    assert lines[0].startswith(
        "ParallelError: process 0 of 2: Another process of this run has ended without a word"
    )


def test_a_keeper_of_words_that_does_not_answer_is_not_waited_for(monkeypatch):
    """As where the network between two machines is cut: the question has no end, the process does."""
    silent, asked = threading.Event(), []

    class Unreachable:
        def add(self, key, more):
            asked.append((key, more))
            silent.wait(60)

    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    assert processes._said(Unreachable(), "anything", 1) == 1 and asked == [("said/anything", 1)]
    silent.set()
    kept = torch.distributed.HashStore()
    assert [processes._said(kept, "anything", more) for more in (1, 1, 0)] == [1, 2, 2]


def test_two_machines_with_folders_of_their_own_train_together_stop_and_go_on(tmp_path):
    """Two of torchrun's agents, which find each other by its rendezvous; only the first has what the run leaves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()

    def on_both(*arguments: str, stop: bool = False) -> list[tuple[int, str, str]]:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CHAPTER10_DATA": str(tmp_path)}
        agents = []
        for here, folder in enumerate(folders):
            # By their addresses' order torchrun numbers machines: the second's is only that, and never asked for.
            found = f"--rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{port} --rdzv-conf is_host={1 - here}"
            found += f" --local-addr 127.0.0.{1 + here} --nnodes 2 --nproc-per-node 1"
            command = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                *found.split(),
                "-m",
                "chapter10",
                "train",
            ]
            command += arguments
            agents.append(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        try:
            if stop:  # the second machine is asked to end, as a scheduler does it
                end = time.monotonic() + 100
                while not (folders[0] / "run" / "samples-0001.png").exists():
                    assert agents[0].poll() is None and time.monotonic() < end, agents[0].communicate()[1]
                    time.sleep(0.01)
                agents[1].terminate()
            said = [agent.communicate(timeout=200) for agent in agents]
        finally:
            for agent in agents:
                agent.kill()
                agent.wait()
        return [(agent.returncode, *words) for agent, words in zip(agents, said)]

    new = ["vae20-digits", "--scale", "smoke", "--epochs", "60", "--folder", "run"]
    (ended, out, problems), (other, *_) = on_both(*new, stop=True)
    assert ended != 0 and other != 0 and "train --resume run" in out + problems
    run = runs.Run.read(folders[0] / "run")
    assert run.status == "stopped" and len(run.rows()) < 60 and not list(folders[1].iterdir())

    (ended, out, problems), (other, quiet, _) = on_both("--resume", "run")
    assert (ended, other) == (0, 0), problems
    assert "Stored: run" in out and quiet == "" and not list(folders[1].iterdir())
    run = runs.Run.read(folders[0] / "run")
    assert run.status == "done" and [row["epoch"] for row in run.rows()] == list(range(1, 61))


def test_the_command_line_trains_with_two_and_the_first_writes(tmp_path):
    started = torchrun(
        ["-m", "chapter10", "train", "vae20-digits", "--scale", "smoke", "--folder", "run"], tmp_path
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout.count("Stored: run") == started.stdout.count("elbo:") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    run = runs.Run.read(tmp_path / "run")
    assert run.status == "done" and len(run.rows()) == 1
    recipe = recipes.get("vae20-digits")
    _, one = recipes.make(recipe, recipes.images_for(recipe), "smoke", progress=False)
    # The last batch has 29 images, of which each of two processes takes 14.
    assert run.rows()[0]["loss"] == pytest.approx(one["loss"][0], rel=1e-3)
