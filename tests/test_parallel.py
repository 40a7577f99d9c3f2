import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import together
import torch

from chapter10 import data, nets, parallel
from chapter10.errors import InputError

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


def ended(processes: list[subprocess.Popen], folder: Path, seconds: float = 120) -> list[Ended]:
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
    with parallel.joined("cuda:3") as device:
        assert device == "cuda:3" and parallel.world() == 1


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
