"""chapter10.environment: what `setup` chooses, refuses and prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from chapter10 import environment
from chapter10 import (
    setup as set_up,  # under its own name, pytest 8.0 takes it for the module's setup function
)
from chapter10.errors import InputError

VARIABLES = (
    "CHAPTER10_SCALE CHAPTER10_DEVICE CPU_LIMIT OMP_NUM_THREADS COLAB_RELEASE_TAG BINDER_SERVICE_HOST "
    "BINDER_LAUNCH_HOST JUPYTERHUB_USER"
).split()


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable that setup() asks for; torch's settings as they were afterwards."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("scale, judged", [("smoke", False), ("quick", True), ("full", True)])
def test_scales(scale, judged, monkeypatch):
    chosen = set_up(scale=scale)
    assert (chosen.scale, chosen.judged) == (scale, judged)
    assert chosen.pick(smoke=1, quick=2, full=3) == {"smoke": 1, "quick": 2, "full": 3}[scale]
    assert chosen.pick(smoke=1, quick=2) == (1 if scale == "smoke" else 2)
    assert chosen.pick(smoke=1, quick=2, full=0) == {"smoke": 1, "quick": 2, "full": 0}[scale]
    monkeypatch.setenv("CHAPTER10_SCALE", scale)
    assert set_up().scale == scale
    assert set_up(scale="quick").scale == "quick"  # the argument goes first


def test_quick_unless_asked(monkeypatch):
    assert set_up().scale == "quick"
    monkeypatch.setenv("CHAPTER10_SCALE", "")
    assert set_up().scale == "quick"
    monkeypatch.setenv("CHAPTER10_SCALE", "slow")
    with pytest.raises(
        InputError, match="'slow' is not known. Choose one of: smoke, quick, full .CHAPTER10_SCALE"
    ):
        set_up()


def test_two_lines(capsys):
    set_up(seed=7, threads=1)
    first, second = capsys.readouterr().out.splitlines()
    python, version = sys.version.split()[0], torch.__version__.split("+")[0]
    assert f"Python {python}, torch {version}, cpu, 1 thread." in first
    assert second == "Scale 'quick' (a minute a notebook on two cores); seed 7."
    set_up(threads=2)
    assert capsys.readouterr().out.splitlines()[0].endswith("2 threads.")


def test_seeds_repeat():
    draws = []
    for seed in (0, 1, 0):
        assert set_up(seed=seed).seed == seed
        draws.append(torch.randn(5))
    assert torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[1])
    set_up(seed=2**63 - 1)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "0", None])
def test_what_is_no_seed(seed):
    state = torch.get_rng_state()
    with pytest.raises(InputError, match=f"The seed is {seed!r}; give a whole number from 0 up"):
        set_up(seed=seed)
    assert torch.equal(state, torch.get_rng_state())  # nothing was set


@pytest.mark.parametrize("threads", [0, -2, 1.5, "2"])
def test_what_is_no_number_of_threads(threads):
    with pytest.raises(InputError, match=f"{threads!r} threads can't be used; give a whole number from 1 up"):
        set_up(threads=threads)


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "", "cuda:99", "xla", "meta"])
def test_devices(device, monkeypatch):
    if not device:
        assert set_up(device=device).device == torch.device("cpu")
        return
    for ask in (lambda: set_up(device=device), set_up):
        with pytest.raises(
            InputError, match=f"The device {device!r} can't be used here .*Try 'cpu'"
        ) as caught:
            ask()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
        monkeypatch.setenv("CHAPTER10_DEVICE", device)  # and so for the second way


def test_threads_are_those_asked_for_or_allowed(monkeypatch):
    assert set_up(threads=2).threads == torch.get_num_threads() == 2
    cores = environment.usable_cores()
    assert 1 <= cores <= os.cpu_count()
    for name in ("CPU_LIMIT", "OMP_NUM_THREADS"):
        for text, expected in [
            ("1", 1),
            ("1.9", 1),
            ("0.5", 1),
            ("100000", cores),
            ("", cores),
            ("many", cores),
            ("inf", cores),
        ]:
            monkeypatch.setenv(name, text)
            assert environment.usable_cores() == expected, (name, text)
            assert set_up().threads == torch.get_num_threads() == expected
        monkeypatch.delenv(name)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux ties a process to cores")
def test_threads_are_not_more_than_the_cores_of_the_process():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert environment.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(
    "variable, where",
    [("COLAB_RELEASE_TAG", "Colab"), ("BINDER_SERVICE_HOST", "Binder"), ("JUPYTERHUB_USER", "JupyterHub")],
)
def test_where(variable, where, monkeypatch, capsys):
    if where == "Binder":
        monkeypatch.setenv("JUPYTERHUB_USER", "someone")  # Binder is a hub too
    monkeypatch.setenv(variable, "x")
    assert set_up().where == where
    assert capsys.readouterr().out.startswith(f"chapter10 on {where}: ")


def test_where_on_a_machine_of_one_s_own():
    assert set_up().where in ("Linux", "macOS", "Windows")


def test_denormals_are_flushed():
    supported = torch.set_flush_denormal(False)
    tiny = torch.tensor([1e-39])
    assert (tiny * 1).item() > 0 or not supported
    set_up()
    if not supported:
        pytest.skip("this processor can't flush denormals")
    assert (tiny * 1).item() == 0


def test_importing_starts_nothing_and_loads_nothing_heavy():
    program = (
        "import sys, torch; state = torch.get_rng_state(); before = set(sys.modules); import chapter10;"
        "assert torch.equal(state, torch.get_rng_state());"
        "heavy = {'matplotlib', 'torchvision', 'sklearn', 'IPython', 'tqdm', 'scipy'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    root = Path(environment.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
