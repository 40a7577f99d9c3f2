"""`python -m chapter10`: what it prints, how it fails, and what is left when it is stopped or killed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from chapter10 import bench, bench_gan_epoch, data, experiments, recipes
from chapter10.__main__ import main
from chapter10.files import load_state, save_state

ROOT = Path(recipes.__file__).parents[1]
EPOCHS = 8
# The same recipe with a few epochs, in a process of its own.
SHORT = f"""
import dataclasses, sys
from chapter10 import recipes
from chapter10.__main__ import main
recipe = recipes.RECIPES["vae2-digits"]
recipes.RECIPES["vae2-digits"] = dataclasses.replace(recipe, epochs={{"smoke": {EPOCHS}}})
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """One thread here and in child processes, no folder with data; torch's settings as they were afterwards."""
    for name in ("CHAPTER10_DATA", "CHAPTER10_SCALE", "CHAPTER10_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CPU_LIMIT", "1")
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def fewer_samples(monkeypatch):
    """The bound with 500 samples takes seconds: 20 of them."""
    bound = recipes.metrics.iwae_bound
    monkeypatch.setattr(recipes.metrics, "iwae_bound", lambda model, x, samples: bound(model, x, 20))


def start(*arguments: object) -> subprocess.Popen:
    def listen() -> (
        None
    ):  # a process in the background may have been told to ignore Ctrl-C, and hands that on
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        preexec_fn=None if sys.platform == "win32" else listen,
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.002)


def test_list_in_a_process_of_its_own():
    process = start("-m", "chapter10", "list")
    out, problems = process.communicate(timeout=100)
    assert (process.returncode, problems) == (0, "")
    for name, recipe in recipes.RECIPES.items():
        assert any(line.split(maxsplit=1) == [name, recipe.about] for line in out.splitlines())
    assert out.count("stored: ") == sum(recipe.stored for recipe in recipes.RECIPES.values())
    elbo = recipes.about("vae20-mnist")["scores"]["elbo"]
    assert f"stored: elbo {elbo:.4g}, " in out


def test_train_stores_what_it_says(tmp_path, capsys, fewer_samples):
    path = tmp_path / "new" / "vae2.safetensors"
    assert main(["train", "vae2-digits", "--scale", "smoke", "--seed", "5", "--out", str(path)]) == 0
    out, problems = capsys.readouterr()
    state, about = load_state(path)
    assert (
        problems == ""
        and about["seed"] == 5
        and about["command"].startswith("python -m chapter10 train vae2-digits")
    )
    lines = out.splitlines()
    assert (
        lines[0].startswith("chapter10 on ") and lines[1].startswith("Scale 'smoke'") and "seed 5" in lines[1]
    )
    assert f"Stored: {path}" in lines and f"  elbo: {about['scores']['elbo']:.4f}" in lines
    assert state.keys() == recipes.RECIPES["vae2-digits"].build().state_dict().keys()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A place with a damaged checkpoint, one of another plan, weights in place of one, and a file as a folder."""
    (tmp_path / "damaged").write_bytes(b"\x10\x00")
    (tmp_path / "file").write_text("mine")
    save_state(tmp_path / "weights", {"weight": torch.zeros(2)})
    state = {"method": {}, "random": {}, "rows": []}
    save_state(tmp_path / "other", state, {"plan": {"seed": 9, "steps_per_epoch": 1}})
    monkeypatch.chdir(tmp_path)
    return tmp_path


SMOKE = "train ae2-digits --scale smoke --out new"


@pytest.mark.parametrize(
    "command, message",
    [
        ("train nothing --out new", "InputError: There is no recipe 'nothing'. There are: "),
        ("train ae2-digits --scale huge --out new", "InputError: The scale 'huge' is not known"),
        (f"{SMOKE} --seed -1", "InputError: The seed is -1; give a whole number"),
        (f"{SMOKE} --device gpu", "InputError: The device 'gpu' can't be used here"),
        (f"{SMOKE} --checkpoint damaged", "CheckpointError: damaged (2 bytes) can't be read"),
        (f"{SMOKE} --checkpoint weights", "CheckpointError: weights holds weights, not a checkpoint"),
        (
            f"{SMOKE} --checkpoint other",
            "CheckpointError: other was written by another plan of training (seed: 9",
        ),
        (f"{SMOKE} --checkpoint file/below", "SaveError: file"),
        ("train ae2-digits --scale smoke --out file/new", "SaveError: file"),
        (
            "measure nothing --out new",
            "InputError: There is no measurement 'nothing'. There are: latent-space-mnist",
        ),
        (
            "measure latent-space-digits --seeds 0 --out new",
            "InputError: 0 seeds and 1 workers were asked for",
        ),
        ("measure latent-space-digits --out file/below", "SaveError: file"),
        ("bench exercises --json file/below", "SaveError: file"),
        ("bench gans", "InputError: There is no bench 'gans'. Did you mean 'gan'? There are: vae, gan,"),
        ("bench vae --data nowhere --json new", "DataError: nowhere"),
        ("bench gan --data nowhere --json new", "DataError: nowhere"),
        ("bench better-vaes --data nowhere --json new", "DataError: nowhere"),
        ("bench better-gans --data nowhere --json new", "DataError: nowhere"),
        ("bench scale --data nowhere --json new", "DataError: nowhere"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_the_exit_code_2(folder, command, message, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(command.split()) == 2
    problems = capsys.readouterr().err
    assert problems.startswith(message) and problems.count("\n") == 1 and problems.endswith("\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_bench_without_mnist_tries_to_have_it_and_says_how_it_can_be_had(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(data, "_download", lambda name, cache: "its servers did not answer")
    assert main(["bench", "scale"]) == 2
    assert capsys.readouterr().err.startswith("DataError: MNIST can't be had: its servers did not answer. Put its four files into")


def test_ctrl_c_ends_a_bench_and_no_figure_is_that_of_half_a_training(monkeypatch):
    def by_hand(self, x):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.VAETraining, "step", by_hand)
    monkeypatch.setattr(bench_gan_epoch.GANTraining, "step", by_hand)
    digits = data.load("digits")
    for measure in (lambda: bench.epoch_here(digits, "unit"), lambda: bench.quality(digits, 1), lambda: bench_gan_epoch.here(digits)):
        with pytest.raises(KeyboardInterrupt):
            measure()


def test_no_traceback_reaches_the_terminal(tmp_path):
    process = start("-m", "chapter10", "train", "ae2-digits", "--scale", "none", "--out", tmp_path / "new")
    _, problems = process.communicate(timeout=100)
    assert process.returncode == 2 and problems.count("\n") == 1
    assert problems.startswith("InputError: The scale 'none' is not known. Choose one of: smoke, quick, full")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes and devices")
def test_output_that_nobody_reads_or_that_finds_no_space_is_no_traceback():
    listed = [sys.executable, "-m", "chapter10", "list"]
    process = subprocess.Popen(listed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()  # before anything was read
    problems = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), problems) == (1, "")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full, onto which nothing can be written")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(listed, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "What is printed can't be written: the disk is full. Free some space.\n"


@pytest.mark.parametrize(
    "command", [[], ["teach"], ["bench"], ["compare"], ["sweep", "f"], ["train", "ae2-digits", "--seed", "x"]]
)
def test_commands_that_there_are_not_show_the_usage(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2 and "usage: python -m chapter10" in capsys.readouterr().err


def test_measure_stores_its_result(tmp_path, capsys, monkeypatch):
    # A real measurement takes a minute; here the seeds' rows come at once, through a real process.
    monkeypatch.setitem(experiments.EXPERIMENTS, "latent-space", (seed_only, ("digits",)))
    path = tmp_path / "result.json"
    arguments = ["measure", "latent-space-digits", "--seeds", "3", "--out", str(path)]
    assert main(arguments) == 0
    monkeypatch.setattr(experiments, "result_path", lambda name: path)
    result = experiments.read_result("latent-space-digits")
    assert (
        result["rows"] == [{"images": "digits", "seed": seed} for seed in range(3)] and result["seeds"] == 3
    )
    assert f"Stored: {path}" in capsys.readouterr().out


def seed_only(images: str, seed: int) -> list[dict]:
    return [{"images": images, "seed": seed}]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_ends_with_a_sentence_and_keeps_the_checkpoint(tmp_path):
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "weights"
    process = start(
        "-m", "chapter10", "train", "vae2-digits", "--scale", "full", "--checkpoint", checkpoint, "--out", out
    )  # fmt: skip
    wait_for(checkpoint, process)
    process.send_signal(signal.SIGINT)
    said, problems = process.communicate(timeout=60)
    assert process.returncode == 130
    assert problems == "Stopped by hand; what was saved before is whole.\n"
    assert "Stopped by hand after" in said
    assert 1 <= len(load_state(checkpoint)[0]["rows"]) < recipes.RECIPES["vae2-digits"].epochs["full"]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_killed_training_goes_on_to_the_very_same_weights(tmp_path, monkeypatch, capsys, fewer_samples):
    recipe = recipes.RECIPES["vae2-digits"]
    monkeypatch.setitem(recipes.RECIPES, recipe.name, dataclasses.replace(recipe, epochs={"smoke": EPOCHS}))
    arguments = ["train", "vae2-digits", "--scale", "smoke", "--seed", "2", "--out"]
    whole, parts, checkpoint = tmp_path / "whole", tmp_path / "parts", tmp_path / "checkpoint"
    assert main([*arguments, str(whole)]) == 0

    process = start("-c", SHORT, *arguments, parts, "--checkpoint", checkpoint)
    wait_for(checkpoint, process)
    process.kill()
    process.communicate(timeout=60)
    assert 1 <= len(load_state(checkpoint)[0]["rows"]) < EPOCHS and not parts.exists()

    capsys.readouterr()
    assert main([*arguments, str(parts), "--checkpoint", str(checkpoint)]) == 0
    assert len(load_state(checkpoint)[0]["rows"]) == EPOCHS
    (first, about), (second, same) = load_state(whole), load_state(parts)
    assert list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)
    assert about["scores"] == same["scores"] and same["epochs"] == EPOCHS
