"""Checkpoints: whatever stops a training and whenever, it goes on from the last one and ends as if nothing had been."""

import errno
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
import test_training as t
import torch
from safetensors.torch import save_file
from test_training import Stop, same, without_seconds

from chapter10 import checkpoints, files, recipes, training
from chapter10.checkpoints import Checkpoints, CheckpointWarning
from chapter10.data import PointBatches, ring
from chapter10.errors import CheckpointError, InputError, SaveError, TrainingError
from chapter10.files import load_state, save_state
from chapter10.gan_study import Rounds
from chapter10.players import MixtureDiscriminator, MixtureGenerator
from chapter10.signals import Terminated, asked_to_end, with_ctrl_c
from chapter10.stacked import StackedBatches
from chapter10.swaps import UnpairedPoints
from chapter10.training import fit, warmup_cosine
from chapter10.wgan import WGANTraining

not_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to be caught")
STEPS = 8  # an epoch of `t.eight()`


class Stopping:
    """Whose step raises, or does something else, before it makes its `at`th step."""

    def __init__(self, method, at, act=None):
        self.__dict__["method"], self.__dict__["left"], self.__dict__["act"] = method, at, act

    def step(self, x):
        self.__dict__["left"] -= 1
        if self.left == 0:
            if self.act is None:
                raise Stop
            self.act()
        return self.method.step(x)

    def __getattr__(self, name):
        return getattr(self.method, name)

    def __setattr__(self, name, value):
        setattr(self.method, name, value)


def train(kept, method=None, epochs=3, batches=None, **settings):
    method = method or t.new_method()
    settings = {"schedules": t.schedules(), "progress": False} | settings
    return method, fit(method, batches or t.eight(), epochs, checkpoint=kept, **settings)


@cache
def uninterrupted():
    return train(None)


def assert_whole(method, history):
    whole, expected = uninterrupted()
    assert same(method, whole) and without_seconds(history) == without_seconds(expected)
    assert history["seconds"] == sorted(history["seconds"]) and not history.interrupted


# Ten random moments


LIVES, EPOCHS = 10, 20


class SlowFile:
    """Writes in pieces, so that a kill finds half a file."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        for start in range(0, len(content), 1 + len(content) // 8):
            self.file.write(content[start : start + 1 + len(content) // 8])
            self.file.flush()
            time.sleep(0.001)

    def flush(self):
        self.file.flush()

    def fileno(self):
        return self.file.fileno()


def game(folder=None):
    """A game with all that it keeps or draws, of 2 steps an epoch."""
    kept = folder and Checkpoints(folder, every_steps=3, keep=2)
    plan = {"lr": warmup_cosine(1e-3), "instance_noise": lambda done: 0.2 * (1 - done)}
    return train(kept, t.a_game(), EPOCHS, t.SlowBatches(t.images(), 5, "signed"), schedules=plan)


def life(folder, threads):
    torch.set_num_threads(threads)
    opened = os.fdopen
    os.fdopen = lambda *arguments: SlowFile(opened(*arguments))
    game(folder)


def test_a_run_killed_at_ten_random_moments_ends_as_one_that_was_not(tmp_path, monkeypatch):
    folder, chance = tmp_path / "run", random.Random()  # not the same moments each time
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    if kind == "forkserver":  # all is imported once, not for each life
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        context.set_forkserver_preload(["test_checkpoints", "torch._dynamo"])  # which torch imports at the first step
    stood, cut = [], 0
    for number in range(LIVES):
        child = context.Process(target=life, args=(folder, torch.get_num_threads()))
        child.start()
        begun = time.monotonic()

        def half_written():
            return (
                any(path.name.startswith(".step-") for path in folder.glob(".*"))
                if folder.is_dir()
                else False
            )

        def later(than=stood[-1] if stood else 0):
            return any(step > than for step in Checkpoints(folder).steps())

        while not later() and child.is_alive() and time.monotonic() < begun + 60:
            time.sleep(0.002)  # it has to get on a little each time
        if number % 3 == 0:  # in the middle of a write
            while not half_written() and child.is_alive():
                time.sleep(0.0005)
        else:
            time.sleep(chance.uniform(0, 0.08))
        child.kill()
        child.join()
        assert child.exitcode != 0, "it came to its end before it was killed: make it longer"
        cut += half_written()
        stood.append(Checkpoints(folder).steps()[-1])
    assert cut >= 1 and len(set(stood)) == LIVES
    resumed, history = game(folder)
    whole, expected = game()
    assert same(resumed, whole) and without_seconds(history) == without_seconds(expected)
    names = [path.name for path in folder.iterdir()]
    assert sorted(names) == [
        f"step-{step:09d}.safetensors" for step in (159, 160)
    ]  # no half file is left, and two are kept


# Every method, every source of batches, in the middle of an epoch


class Few:
    """The first few batches of an epoch."""

    def __init__(self, batches, steps):
        self.batches, self.steps, self.batch_size = batches, steps, batches.batch_size

    def __len__(self):
        return self.steps

    def __iter__(self):
        return islice(iter(self.batches), self.steps)


@cache
def images_of(name):
    return recipes.images_for(recipes.get(name))


def one_of_each():
    """All recipes' names for the embedded digits, one β each, and what has no such recipe."""
    found = [name for name in recipes.RECIPES if name.endswith("-digits") and not name.startswith("beta")]
    kinds = {name.rsplit("-", 1)[0] for name in found}
    assert kinds | {"vae50"} >= {n.rsplit("-", 1)[0] for n in recipes.RECIPES if not n.startswith("beta")}
    return [*found, "beta4-digits", "beta4-shapes"]


@pytest.mark.parametrize("name", one_of_each())
def test_every_recipe_s_method_is_resumed_exactly_in_mid_epoch(tmp_path, name):
    recipe = recipes.get(name)
    batches = Few(recipes.batches_for(recipe, images_of(name), "cpu"), 5)

    def begin():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return recipe.method(recipe.build())

    settings = {"epochs": 2, "batches": batches, "schedules": {"lr": warmup_cosine(recipe.lr, recipe.warmup)}}
    whole, expected = train(None, begin(), **settings)
    with pytest.raises(Stop):
        train(Checkpoints(tmp_path, every_steps=7), Stopping(begin(), 9), **settings)
    assert Checkpoints(tmp_path).steps() == [7]
    resumed, history = train(Checkpoints(tmp_path), begin(), **settings)
    assert same(resumed, whole) and without_seconds(history) == without_seconds(expected)


@pytest.mark.parametrize("lipschitz", ["penalty", "clipping", "spectral"])
def test_a_game_with_a_critic_is_resumed_exactly_in_mid_epoch(tmp_path, lipschitz):
    """Which no recipe has. "spectral" keeps the vectors of its power method."""

    def begin():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            critic = MixtureDiscriminator(16, 2)
            return WGANTraining(MixtureGenerator(2, 16, 2), critic, 1e-2, lipschitz=lipschitz, critic_steps=2, average=0.9)

    settings = {"epochs": 2, "batches": PointBatches(ring(), 8, 5), "schedules": {"lr": warmup_cosine(1e-2)}}
    whole, expected = train(None, begin(), **settings)
    with pytest.raises(Stop):
        train(Checkpoints(tmp_path, every_steps=7), Stopping(begin(), 9), **settings)
    resumed, history = train(Checkpoints(tmp_path), begin(), **settings)
    assert same(resumed, whole) and without_seconds(history) == without_seconds(expected)


class Tells:
    """A method that is nothing but what it saw and drew."""

    def __init__(self):
        self.seen = torch.zeros(1, dtype=torch.float64)

    def step(self, x):
        self.seen = (
            self.seen * 1.01 + (x.double() * torch.arange(x.numel()).view(x.shape)).sum() + torch.rand(())
        )
        return {"seen": self.seen.squeeze().clone()}

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


SOURCES = {
    "batches": t.eight,
    "rounds": lambda: Rounds(t.eight(), 21),  # shuffled anew before batches 8 and 16
    "points": lambda: PointBatches(ring(), 4, 6),
    "stacks": lambda: StackedBatches(t.images(), 4, 6),
    "unpaired points": lambda: UnpairedPoints(ring(), ring(), 4, 6),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_of_batches_is_resumed_exactly_in_mid_epoch(tmp_path, name):
    source = SOURCES[name]
    whole, expected = train(None, Tells(), 2, source(), schedules={})
    for at in range(1, 2 * len(source()), 3):
        folder = tmp_path / str(at)
        with pytest.raises(Stop):
            train(
                Checkpoints(folder, every_steps=at),
                Stopping(Tells(), at + 1),
                2,
                source(),
                schedules={},
            )
        resumed, history = train(Checkpoints(folder), Tells(), 2, source(), schedules={})
        assert same(resumed, whole) and without_seconds(history) == without_seconds(expected), at


def test_a_source_that_shuffles_unannounced_is_what_the_attribute_is_for(tmp_path):
    """The test above would fail without `Rounds.shuffles`."""
    source = Rounds(t.eight(), 21)
    del source.shuffles
    whole, _ = train(None, Tells(), 1, source, schedules={})
    with pytest.raises(Stop):
        train(Checkpoints(tmp_path, every_steps=1), Stopping(Tells(), 13), 1, source, schedules={})
    assert not same(train(Checkpoints(tmp_path), Tells(), 1, source, schedules={})[0], whole)


# When one is written, and which stay


def test_at_steps(tmp_path):
    train(Checkpoints(tmp_path, every_steps=5, keep=100))
    assert Checkpoints(tmp_path).steps() == [5, 10, 15, 20, 24]  # and at the end
    assert [path.name for path in sorted(tmp_path.iterdir())][0] == "step-000000005.safetensors"


def test_after_each_epoch_where_nothing_else_is_said(tmp_path):
    train(Checkpoints(tmp_path, keep=100))
    assert Checkpoints(tmp_path).steps() == [8, 16, 24]


@pytest.mark.parametrize("keep", [1, 3])
def test_the_last_few_stay(tmp_path, keep):
    train(Checkpoints(tmp_path, every_steps=2, keep=keep))
    assert Checkpoints(tmp_path).steps() == [20, 22, 24][-keep:]


def test_by_time(tmp_path, monkeypatch):
    now = [100.0]  # each step takes two seconds by this clock
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    method = t.Walk()
    walk = method.step

    def step(x):
        now[0] += 2
        return walk(x)

    method.step = step
    train(Checkpoints(tmp_path, every_seconds=9, keep=100), method, 2, schedules={})
    assert Checkpoints(tmp_path).steps() == [5, 10, 15, 16]


def test_the_oldest_goes_only_when_the_newest_is_whole(tmp_path, monkeypatch):
    written = checkpoints.save_state

    def watched(path, *rest):
        assert Checkpoints(tmp_path).steps() == (
            [int(path.name[5:14]) - 2] if path.name[5:14] != "000000002" else []
        )
        written(path, *rest)

    monkeypatch.setattr(checkpoints, "save_state", watched)
    train(Checkpoints(tmp_path, every_steps=2, keep=1))


def test_the_seconds_are_of_training_alone_and_add_up(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    saved = Checkpoints.save

    def slow(self, *rest, **settings):
        now[0] += 1000
        return saved(self, *rest, **settings)

    monkeypatch.setattr(Checkpoints, "save", slow)

    class Second(t.Walk):
        def step(self, x):
            now[0] += 1
            return super().step(x)

    settings = {"epochs": 2, "schedules": {}}
    with pytest.raises(Stop):
        train(Checkpoints(tmp_path, every_steps=3), Stopping(Second(), 6), **settings)
    now[0] += 5000
    _, history = train(Checkpoints(tmp_path, every_steps=3), Second(), **settings)
    assert history["seconds"] == [8, 16]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"every_steps": 0}, "every_steps is 0; give a whole number of steps from 1"),
        ({"every_steps": 1.5}, "every_steps is 1.5"),
        ({"every_seconds": 0}, "every_seconds is 0; give a number of seconds above 0"),
        ({"every_seconds": float("nan")}, "every_seconds is nan"),
        ({"keep": 0}, "keep is 0; give how many checkpoints are to stay"),
    ],
)
def test_settings_that_can_t_be(tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        Checkpoints(tmp_path, **settings)


# Files that are damaged, old or of another training


@pytest.fixture
def three(tmp_path):
    """A folder with checkpoints of steps 10, 12 and 14 of 24."""
    with pytest.raises(Stop):
        train(Checkpoints(tmp_path, every_steps=2), Stopping(t.new_method(), 15))
    assert Checkpoints(tmp_path).steps() == [10, 12, 14]
    return tmp_path


def damage(path, how):
    content = path.read_bytes()
    if how == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:  # a single bit, of a number
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


@pytest.mark.parametrize("how", ["cut off", "empty", "flipped"])
def test_where_the_newest_is_damaged_the_one_before_is_taken(three, how):
    damage(Checkpoints(three).path(14), how)
    with pytest.warns(
        CheckpointWarning, match=r"step-000000014.* Training goes on from the one before, step-000000012"
    ):
        assert_whole(*train(Checkpoints(three)))


def test_a_damaged_one_does_not_count_among_those_that_stay(three):
    damage(Checkpoints(three).path(14), "cut off")
    with pytest.warns(CheckpointWarning), pytest.raises(Stop):
        train(Checkpoints(three, every_steps=1, keep=1), Stopping(t.new_method(), 2))
    assert Checkpoints(three).steps() == [
        13,
        14,
    ]  # 14 is still the damaged one: had it counted, nothing were left
    with pytest.warns(CheckpointWarning, match="goes on from the one before, step-000000013"):
        assert_whole(*train(Checkpoints(three)))


def test_where_none_can_be_read_it_is_told(three):
    for step in (10, 12, 14):
        damage(Checkpoints(three).path(step), "cut off")
    with pytest.raises(
        CheckpointError, match="None of the 3 checkpoints in .* can be read. Of the newest: .*step-000000014"
    ):
        train(Checkpoints(three))


def test_leftovers_of_a_killed_write_go_and_nothing_else(three):
    left, other = three / ".step-000000016.safetensors.ab12_x9z", three / ".step-notes.safetensors.ab12_x9z"
    for path in (left, other):
        path.write_bytes(b"half")
    Checkpoints(three).begin()
    assert not left.exists() and other.exists() and Checkpoints(three).steps() == [10, 12, 14]
    single = three / "run.safetensors"
    mine = three / ".run.safetensors.abcdefgh"
    mine.write_bytes(b"half")
    checkpoints.keeper(single).begin()
    assert not mine.exists() and other.exists()


def test_another_plan_or_fewer_epochs_are_refused(three):
    with pytest.raises(
        CheckpointError, match="step-000000014.* another plan of training .*seed: 0 there, 1 here"
    ):
        train(Checkpoints(three), seed=1)
    with pytest.raises(Stop):
        train(Checkpoints(three / "b", every_steps=2), Stopping(t.Walk(), 15), schedules={})
    with pytest.raises(
        CheckpointError, match="has more than 1 epochs of training behind it, more than the 1 asked for"
    ):
        train(Checkpoints(three / "b"), t.Walk(), 1, schedules={})


def test_a_checkpoint_of_an_earlier_version_goes_on(tmp_path):
    """It was written between epochs, and had no checksum."""
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        train(path, callbacks=[t.stop_after(2)])
    state, metadata = load_state(path)
    assert set(state) == {"method", "random", "rows"}
    tensors = {}
    structure = files._split(state, "", tensors)
    dumped = {
        "format": files.FORMAT,
        "structure": files.json.dumps(structure),
        "metadata": files.json.dumps(metadata),
    }
    save_file(tensors, path, dumped)
    assert_whole(*train(path))


def test_an_update_that_breaks_the_weights_leaves_the_good_checkpoint(tmp_path):
    method = t.Walk(weights={13: float("inf")})
    with pytest.raises(
        TrainingError, match="Step 13: the update left 'net.weight' no longer finite.* end of epoch 1"
    ):
        train(Checkpoints(tmp_path, every_steps=1), method, schedules={})
    assert Checkpoints(tmp_path).steps()[-1] == 12
    resumed = t.Walk(weights={1: float("inf")})
    with pytest.raises(TrainingError, match="Step 13: .* put back to step 12"):
        train(Checkpoints(tmp_path, every_steps=1), resumed, schedules={})
    assert resumed.weight.item() == 12


# Asked to end


def ask():
    signal.raise_signal(signal.SIGTERM)


@not_windows
@pytest.mark.parametrize("at", [1, 3, 8, 13, 24])
@pytest.mark.parametrize("single", [False, True])
def test_sigterm_saves_after_the_step_it_came_in(tmp_path, capsys, at, single):
    kept = tmp_path / "run.safetensors" if single else Checkpoints(tmp_path, keep=100)
    before = signal.getsignal(signal.SIGTERM)
    _, history = train(kept, Stopping(t.new_method(), at, ask))
    assert signal.getsignal(signal.SIGTERM) is before
    assert history.interrupted == "SIGTERM" and history["step"][-1] == at
    said = capsys.readouterr().out
    assert f"Stopped by SIGTERM after {at} steps. {kept} holds the first {at} of them: the same call" in said
    with pytest.raises(Terminated) as ended:
        history.check_whole()
    assert ended.value.code == 143
    if not single:
        assert Checkpoints(tmp_path).steps()[-1] == at
    assert_whole(*train(kept))


@not_windows
def test_sigterm_in_a_callback_lets_the_callbacks_end(tmp_path):
    seen = []

    def look(progress):
        if progress.epoch == 2:
            ask()
        seen.append(progress.epoch)

    _, history = train(Checkpoints(tmp_path, every_steps=7), callbacks=[look, look])
    assert history.interrupted == "SIGTERM" and seen == [1, 1, 2, 2] and history["step"] == [8, 16]
    assert Checkpoints(tmp_path).steps()[-1] == 16
    assert_whole(*train(Checkpoints(tmp_path)))


@not_windows
def test_sigterm_does_what_it_did_where_nothing_can_be_saved_or_it_is_ignored(tmp_path):
    inside = []

    def look():
        inside.append(signal.getsignal(signal.SIGTERM))

    train(None, Stopping(t.new_method(), 2, look))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        train(tmp_path / "run", Stopping(t.new_method(), 2, look))
        assert inside == [before, signal.SIG_IGN]
    finally:
        signal.signal(signal.SIGTERM, before)


@not_windows
def test_a_signal_that_nobody_asked_about_is_not_lost():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with asked_to_end() as asked:
            assert asked(0) is None
            ask()
            assert heard == []
        assert heard == [signal.SIGTERM]
        with asked_to_end(agree=lambda reason, step: reason and f"{reason} at {step}") as asked:
            ask()
            assert asked(3) == "SIGTERM at 3"
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_is_listened_to_where_that_is_wanted_and_not_taken_from_another():
    heard, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with asked_to_end() as asked, pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with with_ctrl_c(), asked_to_end() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked(1) == "SIGINT"
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        with with_ctrl_c(), asked_to_end() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked(1) is None and heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nobody_listens(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(train(Checkpoints(tmp_path))))
    thread.start()
    thread.join()
    assert_whole(*done[0])


@not_windows
def test_sigterm_to_the_command_line(tmp_path):
    path, out = tmp_path / "run.safetensors", tmp_path / "weights.safetensors"
    command = [
        sys.executable,
        "-m",
        "chapter10",
        "train",
        "vae2-digits",
        "--checkpoint",
        str(path),
        "--out",
        str(out),
    ]
    with subprocess.Popen(
        command,
        cwd=Path(files.__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 143
    assert "Stopped by SIGTERM after" in said and "the same call or command goes on from there" in said
    assert not out.exists() and load_state(path)[0]["rows"]


# A full disk


def full_for(monkeypatch, *refused):
    """The writes of these numbers, from 1, find no space."""
    written, count = os.fsync, [0]

    def fsync(descriptor):
        if not os.path.isdir(f"/proc/self/fd/{descriptor}") and not _is_folder(descriptor):
            count[0] += 1
            if count[0] in refused:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def _is_folder(descriptor):
    import stat

    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def test_a_full_disk_is_told_and_training_goes_on(tmp_path, monkeypatch):
    full_for(monkeypatch, 1, 3, 4)
    kept = Checkpoints(tmp_path, every_steps=2, keep=1)
    with pytest.warns(CheckpointWarning) as said:
        assert_whole(*train(kept))
    first, second, third = (str(warning.message) for warning in said)
    for sentence in (first, second, third):
        assert "could not be written: No space left on device" in sentence and " MB are free" in sentence
        assert "It needs 0.0 MB" in sentence and sentence.endswith(
            "Training goes on, and tries again at the next checkpoint."
        )
    assert "There is no checkpoint yet" in first
    assert (
        "The last good checkpoint is " in second and "step-000000004" in second and "step-000000004" in third
    )
    assert kept.steps() == [24]


def test_a_disk_that_stays_full_is_an_error_at_the_end(tmp_path, monkeypatch):
    full_for(monkeypatch, *range(2, 100))
    kept, method, seen = Checkpoints(tmp_path, every_steps=7), t.new_method(), []
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(SaveError, match="No space left.*The last good .*step-000000007"),
    ):
        train(kept, method, callbacks=[lambda progress: seen.append(progress.epoch)])
    assert same(method, uninterrupted()[0]) and seen == [1, 2, 3]  # it was trained to its end all the same
    assert kept.steps() == [7]
    monkeypatch.undo()
    assert_whole(*train(kept))


@not_windows
def test_sigterm_with_a_full_disk(tmp_path, monkeypatch, capsys):
    full_for(monkeypatch, 2)
    with pytest.raises(SaveError, match="The last good checkpoint is .*step-000000007"):
        train(Checkpoints(tmp_path, every_steps=7), Stopping(t.new_method(), 10, ask))
    assert "Stopped by SIGTERM after 10 steps." in capsys.readouterr().out
    monkeypatch.undo()
    assert_whole(*train(Checkpoints(tmp_path)))


def test_a_folder_that_cannot_be_made_is_told_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    method = t.Walk()
    with pytest.raises(SaveError, match="Nothing was begun"):
        train(Checkpoints(tmp_path / "file"), method, schedules={})
    assert method.steps == 0


def test_ctrl_c_says_what_is_saved(tmp_path, capsys):
    def stop():
        raise KeyboardInterrupt

    _, history = train(Checkpoints(tmp_path, every_steps=4), Stopping(t.new_method(), 7, stop))
    assert history.interrupted == "by hand" and "holds the first 4 of them" in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        history.check_whole()
    assert_whole(*train(Checkpoints(tmp_path)))


def test_a_checksum_finds_a_flipped_bit_wherever_it_is(tmp_path):
    path = tmp_path / "state"
    save_state(path, {"weights": torch.arange(300.0), "odd": torch.tensor(True)}, {"seed": 3})
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for place in range(start, len(content), 37):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(CheckpointError, match="damaged.*the checksum differs"):
            load_state(path)
