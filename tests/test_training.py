"""The training loop: runs that repeat and resume bit for bit, and everything that can stop one."""

import errno
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from chapter10 import training
from chapter10.data import Batches, PointBatches, ring
from chapter10.errors import CheckpointError, InputError, SaveError, TrainingError
from chapter10.files import save_state
from chapter10.gan import (
    Discriminator,
    GANTraining,
    Generator,
    MixtureDiscriminator,
    MixtureGenerator,
    Objective,
)
from chapter10.training import cyclical_annealing, fit, linear_annealing, warmup_cosine
from chapter10.vae import VAE, VAETraining

EPOCHS = 6  # of 3 steps each


class SlowBatches(Batches):
    """Leaves time to be stopped inside an epoch."""

    def __iter__(self):
        for x in super().__iter__():
            time.sleep(0.005)
            yield x


def images():
    return torch.randint(0, 256, (40, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))


def new_method(hidden_dim=8):
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        return VAETraining(VAE(64, 2, hidden_dim), lr=1e-2)


def schedules():
    return {"lr": warmup_cosine(1e-2), "beta": lambda done: 0.5 + done}


def train(epochs=EPOCHS, method=None, batches=None, **settings):
    method = method or new_method()
    history = fit(method, batches or Batches(images(), 16), epochs, progress=False, **settings)
    return method, history


def tensors(state):
    """All tensors and numbers in a nesting, in order."""
    if isinstance(state, dict):
        return [leaf for key in state for leaf in tensors(state[key])]
    if isinstance(state, (list, tuple)):
        return [leaf for item in state for leaf in tensors(item)]
    return [state]


def same(a, b):
    a, b = tensors(a.state_dict()), tensors(b.state_dict())
    return len(a) == len(b) and all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in zip(a, b))


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows]


class Walk:
    """A method whose losses are known beforehand: loss i at step i, a part that is twice it, a weight that counts."""

    def __init__(self, losses=None, weights=None):
        self.losses, self.weights = losses or {}, weights or {}
        self.weight, self.rate, self.steps, self.rates = torch.zeros(1), 1.0, 0, []

    def step(self, x):
        self.steps += 1
        self.rates.append(self.rate)
        self.weight = self.weight + 1
        loss = torch.tensor(self.losses.get(self.steps, float(self.steps)))
        if self.steps in self.weights:
            self.weight = torch.tensor([self.weights[self.steps]])
        return {"size": torch.tensor(2.0 * self.steps), "loss": loss}

    def state_dict(self):
        return {"net": {"weight": self.weight}}

    def load_state_dict(self, state):
        self.weight = state["net"]["weight"]


def eight():
    return Batches(images(), 5)  # 8 steps an epoch


# Repeating


def test_a_seed_repeats_bit_for_bit():
    (first, history), (second, again), (other, _) = train(seed=1), train(seed=1), train(seed=2)
    assert same(first, second) and without_seconds(history) == without_seconds(again)
    assert not same(first, other)


def test_the_random_state_outside_is_left_alone():
    before = torch.get_rng_state()
    train(2)
    with pytest.raises(TrainingError):
        fit(Walk({3: math.nan}), eight(), 1, progress=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_callback_that_draws_numbers_changes_nothing():
    plain, _ = train()
    drawing, _ = train(callbacks=[lambda progress: torch.randn(5)])
    assert same(plain, drawing)


# Resuming


class Stop(Exception):
    pass


def stop_after(epoch):
    def callback(progress):
        torch.rand(3)  # as one that draws samples would
        if progress.epoch == epoch:
            raise Stop

    return callback


@pytest.mark.parametrize("plan", [dict, schedules])
@pytest.mark.parametrize("epoch", [1, 4, EPOCHS])
def test_a_resumed_run_ends_as_if_never_stopped(tmp_path, epoch, plan):
    path = tmp_path / "run.safetensors"
    whole, expected = train(schedules=plan())
    with pytest.raises(Stop):
        train(schedules=plan(), checkpoint=path, callbacks=[stop_after(epoch)])
    resumed, history = train(schedules=plan(), checkpoint=path)
    assert same(whole, resumed)
    assert without_seconds(history) == without_seconds(expected)
    assert history["seconds"] == sorted(history["seconds"]) and history["epoch"] == list(range(1, EPOCHS + 1))


def a_game(images_of="signed"):
    """With all that a game keeps or draws: dropout, noise, an average, batch norm, both kinds of steps."""
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        if images_of == "signed":
            players = Generator(3, 64), Discriminator(64)
        else:
            players = MixtureGenerator(2, 8, 2, batch_norm=True), MixtureDiscriminator(8, 2, maxout=2)
        return GANTraining(*players, objective=Objective(instance_noise=0.1), d_steps=2, average=0.9)


@pytest.mark.parametrize("kind", ["signed", "points"])
def test_a_resumed_game_ends_as_if_never_stopped(tmp_path, kind):
    path = tmp_path / "game.safetensors"
    batches = Batches(images(), 20, "signed") if kind == "signed" else PointBatches(ring(), 10, 3)
    plan = {"lr": warmup_cosine(1e-3), "instance_noise": lambda done: 0.2 * (1 - done)}
    whole, expected = train(4, a_game(kind), batches, schedules=plan)
    with pytest.raises(Stop):
        train(4, a_game(kind), batches, schedules=plan, checkpoint=path, callbacks=[stop_after(2)])
    resumed, history = train(4, a_game(kind), batches, schedules=plan, checkpoint=path)
    assert same(whole, resumed) and without_seconds(history) == without_seconds(expected)
    assert resumed.averaged_steps == whole.averaged_steps == 4 * len(batches)
    z = torch.Generator().manual_seed(0)
    assert torch.equal(resumed.sample(3, z), whole.sample(3, z.manual_seed(0)))


def test_a_checkpoint_of_another_game_is_refused(tmp_path):
    path = tmp_path / "game.safetensors"
    batches = Batches(images(), 20, "signed")
    train(1, a_game(), batches, checkpoint=path)
    other = GANTraining(Generator(3, 64), Discriminator(64))  # keeps no average
    with pytest.raises(CheckpointError, match="averaged"):
        train(2, other, batches, checkpoint=path)


def test_more_epochs_can_be_asked_of_a_finished_run(tmp_path):
    path, (whole, _) = tmp_path / "run.safetensors", train()
    train(2, checkpoint=path)
    assert same(whole, train(checkpoint=path)[0])


def test_a_resumed_method_does_not_hang_on_its_file(tmp_path):
    """Weights and Adam's means that were still mapped onto the checkpoint would change with it."""
    path = tmp_path / "run.safetensors"
    expected, _ = train(2, checkpoint=path)
    resumed, _ = train(2, checkpoint=path)
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    assert same(resumed, expected)


def child(code, *arguments):
    """Another Python with this file imported as t, in which `says` prints the epoch at the end of each."""
    start = (
        "import sys, signal, json, torch, test_training as t; from chapter10.training import fit;"
        f"torch.set_num_threads({torch.get_num_threads()}); signal.signal(signal.SIGINT, signal.default_int_handler);"
        "says = lambda progress: print(progress.epoch, flush=True);"
    )
    here = Path(__file__).resolve().parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)])}
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_run_killed_by_the_system_is_resumed(tmp_path):
    path = tmp_path / "run.safetensors"
    code = (
        "t.train(60, batches=t.SlowBatches(t.images(), 16), schedules=t.schedules(), checkpoint=sys.argv[1],"
        "callbacks=[says])"
    )
    with child(code, path) as process:
        while process.stdout.readline().strip() != "3":
            assert process.poll() is None
        process.kill()
    assert process.returncode != 0
    whole, expected = train(60, schedules=schedules())
    resumed, history = train(60, schedules=schedules(), checkpoint=path)
    assert same(whole, resumed) and without_seconds(history) == without_seconds(expected)


# Stopping by hand


def test_ctrl_c_in_a_step_keeps_what_was_learned(capsys):
    method = Walk()
    walk, stops = method.step, [11]  # once: nothing else ends the training

    def step(x):
        if method.steps in stops:
            raise KeyboardInterrupt(stops.pop())
        return walk(x)

    method.step = step
    history = fit(method, eight(), 5, progress=False)
    assert history.interrupted and method.weight.item() == 11
    assert history["step"] == [8, 11] and history["epoch"] == [1, 2]
    assert history["loss"] == [4.5, 10.0]  # the mean of 9, 10 and 11 in the part of an epoch
    assert "Stopped by hand after 11 steps" in capsys.readouterr().out


def test_ctrl_c_in_a_step_keeps_the_checkpoint_of_whole_epochs(tmp_path):
    path, method = tmp_path / "run.safetensors", new_method()
    step, done = method.step, []

    def interrupted(x):
        done.append(x)
        if len(done) == 8:  # the second of the third epoch
            raise KeyboardInterrupt
        return step(x)

    method.step = interrupted
    assert train(method=method, checkpoint=path)[1]["step"] == [3, 6, 7]
    resumed, history = train(checkpoint=path)
    whole, expected = train()
    assert same(whole, resumed) and without_seconds(history) == without_seconds(expected)


def test_ctrl_c_before_the_first_step(capsys):
    method = Walk()
    method.step = lambda x: (_ for _ in ()).throw(KeyboardInterrupt)
    history = fit(method, eight(), 5)
    assert history.interrupted and len(history) == 0 and "after 0 steps" in capsys.readouterr().out


def test_ctrl_c_in_a_callback_keeps_the_epoch(capsys):
    def callback(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    method, history = train(callbacks=[callback])
    assert history.interrupted and history["step"] == [3, 6] and same(method, train(2)[0])
    assert "Stopped by hand after 6 steps" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_ctrl_c(tmp_path):
    code = (
        "m, h = t.train(100000, batches=t.SlowBatches(t.images(), 16), checkpoint=sys.argv[1], callbacks=[says]);"
        "more = m.step(t.images().flatten(1).gt(99).float());"
        "print(json.dumps([h.interrupted, h.rows[-1]['step'], more['loss'].isfinite().item()]))"
    )
    with child(code, tmp_path / "run.safetensors") as process:
        while process.stdout.readline().strip() != "3":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        *_, sentence, result = process.stdout.read().splitlines()
    interrupted, step, usable = json.loads(result)
    assert process.returncode == 0 and interrupted and usable and step >= 9
    assert sentence.startswith(f"Stopped by hand after {step} steps")


# Losses that are not finite


@pytest.mark.parametrize("look", [0.0, 1e9])
@pytest.mark.parametrize("step", [1, 5, 8, 13, 16])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_breaks_is_named_with_its_step(monkeypatch, look, step, value):
    monkeypatch.setattr(training, "LOOK_SECONDS", look)
    method = Walk({step: value})
    with pytest.raises(TrainingError, match=rf"^Step {step}: the part 'loss' of the loss became {value}\. Try a lower"):
        fit(method, eight(), 3, progress=False)
    assert method.weight.item() == (0 if step <= 8 else 8)  # as it was when its epoch began
    if look == 0:
        assert method.steps == step  # found at once


@pytest.mark.parametrize(
    "advice, sentence",
    [
        (None, r"Try a lower learning rate or look for input outside its range; the"),
        ("wait", r"Try a lower learning rate, look for input outside its range, or wait; the"),
    ],
)
def test_a_method_says_itself_what_else_to_try(advice, sentence):
    method = Walk({1: math.nan})
    if advice:
        method.advice = advice
    with pytest.raises(TrainingError, match=sentence):
        fit(method, eight(), 1, progress=False)


def test_weights_that_the_last_update_broke_are_found():
    method = Walk(weights={16: math.inf})
    with pytest.raises(TrainingError, match=r"Step 16: the update left 'net\.weight' .* back to the end of epoch 1"):
        fit(method, eight(), 2, progress=False)
    assert method.weight.item() == 8


def test_a_real_divergence_leaves_the_method_as_at_the_epoch_s_beginning():
    good, _ = train(2)
    method = new_method()

    def spoil(progress):
        if progress.epoch == 2:
            progress.method.lr = 1e30

    with pytest.raises(TrainingError, match=r"Step [789]: .*\(it is 1e\+30\).*the end of epoch 2"):
        train(method=method, callbacks=[spoil])
    good.lr = 1e30  # the rate alone was changed before the epoch began
    assert same(method, good)


# Schedules, means, output


def test_schedules_are_set_before_each_step():
    method = Walk()
    fit(method, eight(), 2, schedules={"rate": lambda done: 10 * done}, progress=False)
    assert method.rates == pytest.approx([10 * i / 16 for i in range(16)])


def test_warmup_cosine():
    schedule = warmup_cosine(4.0, warmup=0.25, final=1.0)
    assert [schedule(d) for d in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0, 2, 4, 2.5, 1])
    assert max(schedule(i / 1000) for i in range(1001)) == 4
    assert warmup_cosine(3.0, warmup=0)(0) == 3 and warmup_cosine(3.0)(1) == pytest.approx(0)
    for bad in (1, -0.1, math.nan):
        with pytest.raises(InputError, match="warmup is .*share of training"):
            warmup_cosine(1.0, warmup=bad)


def test_linear_annealing():
    schedule = linear_annealing(share=0.5, top=4.0)
    assert [schedule(d) for d in (0, 0.125, 0.25, 0.5, 0.75, 1)] == [0, 1, 2, 4, 4, 4]
    assert [linear_annealing(1.0)(d) for d in (0, 0.3, 1)] == [0, 0.3, 1]


def test_cyclical_annealing():
    schedule = cyclical_annealing(cycles=4, share=0.5, top=2.0)
    within = [schedule(d) for d in (0, 1 / 16, 1 / 8, 3 / 16)]
    assert within == [0, 1, 2, 2]
    for cycle in (1, 2, 3):
        assert [schedule(cycle / 4 + d) for d in (0, 1 / 16, 1 / 8, 3 / 16)] == within
    assert schedule(1) == 2 and schedule(1 - 1e-9) == 2
    steps = [schedule(i / 1000) for i in range(1000)]
    assert sum(b < a for a, b in zip(steps, steps[1:])) == 3 and min(steps) == 0 and max(steps) == 2
    for d in (0, 0.2, 0.5, 0.9, 1):
        assert cyclical_annealing(1, 0.3)(d) == linear_annealing(0.3)(d)


def test_annealing_of_length_0_and_other_settings_that_can_t_be():
    for make in (linear_annealing, lambda **settings: cyclical_annealing(3, **settings)):
        for bad in (0, -0.1, 1.1, math.nan):
            with pytest.raises(InputError, match="share is .*a rise of length 0 is no annealing"):
                make(share=bad)
        for bad in (-1, math.inf, math.nan):
            with pytest.raises(InputError, match="top is .*from 0 up"):
                make(top=bad)
    for bad in (0, -1, 1.5):
        with pytest.raises(InputError, match="cycles is .*whole number of cycles"):
            cyclical_annealing(bad)


def test_annealing_is_what_fit_sets():
    seen, method = [], new_method()
    step = method.step
    method.step = lambda x: seen.append(method.beta) or step(x)
    train(2, method, eight(), schedules={"beta": linear_annealing(0.5)})
    assert seen == pytest.approx([min(1, i / 8) for i in range(16)])


@pytest.mark.parametrize("look", [0.0, 1e9])
def test_the_history_has_the_means_of_each_epoch(monkeypatch, look):
    monkeypatch.setattr(training, "LOOK_SECONDS", look)
    large = 2.0**28  # beside it, float32 would lose the small ones
    history = fit(Walk({3: large}), eight(), 2, progress=False)
    assert history["loss"] == [(36 - 3 + large) / 8, 12.5] and history["size"] == [9, 25]
    assert history["step"] == [8, 16] and not history.interrupted
    with pytest.raises(InputError, match="no column 'kl'. It has: epoch, step, seconds, size, loss"):
        history["kl"]


def test_callbacks_see_where_training_is():
    seen = []
    method = Walk()
    fit(method, eight(), 2, progress=False, callbacks=[lambda p: seen.append((p.epoch, p.epochs, p.step, len(p.history)))])
    assert seen == [(1, 2, 8, 1), (2, 2, 16, 2)]


def test_callbacks_from_a_generator_are_called_after_each_epoch():
    seen = []
    fit(Walk(), eight(), 3, callbacks=(call for call in [lambda p: seen.append(p.epoch)]), progress=False)
    assert seen == [1, 2, 3]


def test_progress_is_shown_only_where_asked_and_looked_at(monkeypatch, capsys):
    train(1)
    assert capsys.readouterr() == ("", "")
    fit(Walk(), eight(), 2)
    out, err = capsys.readouterr()
    assert out.startswith("2 epochs, 16 steps, ") and "loss 12.5" in out and out.count("\n") == 1 and err == ""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    fit(Walk(), eight(), 2)
    assert "16/16" in terminal.getvalue() and "loss=8.000" in terminal.getvalue() and "step/s" in terminal.getvalue()


# Settings and checkpoints that can't be


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3", None])
def test_epochs_are_whole_numbers_from_one(epochs):
    with pytest.raises(InputError, match="epochs is .*whole number from 1"):
        fit(Walk(), eight(), epochs)


def test_schedules_of_what_is_not_there_and_epochs_of_nothing():
    with pytest.raises(InputError, match="'momentum', which Walk does not have"):
        fit(Walk(), eight(), 1, schedules={"momentum": lambda done: done})
    with pytest.raises(InputError, match="no batch in an epoch"):
        fit(Walk(), [], 1)


def test_a_checkpoint_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    train(1, checkpoint=path)
    content = path.read_bytes()
    for length in [*range(0, 20), *range(20, len(content), 499), len(content) - 1]:
        path.write_bytes(content[:length])
        method = new_method()
        with pytest.raises(CheckpointError, match=r"run\.safetensors .*Delete it"):
            train(2, method, checkpoint=path)
        assert same(method, new_method())


def test_a_checkpoint_of_another_model_or_plan_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    train(3, schedules=schedules(), checkpoint=path)
    content = path.read_bytes()
    for change, word in [
        ({"method": new_method(hidden_dim=9), "schedules": schedules()}, "of another model: 'model.encoder"),
        ({"seed": 1, "schedules": schedules()}, "seed: 0 there, 1 here"),
        ({"batches": eight(), "schedules": schedules()}, "steps_per_epoch: 3 there, 8 here"),
        ({"batches": Batches(images(), 15), "schedules": schedules()}, "batch_size: 16 there, 15 here"),  # 3 steps too
        ({"schedules": {"lr": warmup_cosine(2e-2), "beta": schedules()["beta"]}}, "another plan"),
        ({"schedules": {"lr": warmup_cosine(1e-2)}}, "another plan"),
        ({}, "another plan"),
        ({"epochs": 4, "schedules": schedules()}, "epochs: 3 there, 4 here"),
    ]:
        settings = {"epochs": 3, "method": new_method()} | change
        before = tensors(settings["method"].state_dict())
        with pytest.raises(CheckpointError, match=word):
            train(checkpoint=path, **settings)
        assert all(a is b or torch.equal(a, b) for a, b in zip(before, tensors(settings["method"].state_dict()))
                   if isinstance(a, torch.Tensor))  # fmt: skip
    assert path.read_bytes() == content


def test_a_checkpoint_with_more_epochs_or_of_weights_alone_is_refused(tmp_path):
    train(3, checkpoint=tmp_path / "run.safetensors")
    with pytest.raises(CheckpointError, match="has 3 epochs of training behind it, more than the 2"):
        train(2, checkpoint=tmp_path / "run.safetensors")
    save_state(tmp_path / "weights.safetensors", new_method().model.state_dict())
    with pytest.raises(CheckpointError, match="holds weights, not a checkpoint"):
        train(2, checkpoint=tmp_path / "weights.safetensors")


def test_a_checkpoint_that_could_not_be_written_is_told_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    method = Walk()
    with pytest.raises(SaveError, match="Nothing was begun"):
        fit(method, eight(), 1, checkpoint=tmp_path / "file" / "run.safetensors", progress=False)
    assert method.steps == 0


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    train(1, checkpoint=path)
    content = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(SaveError, match="No space left.*earlier file there is untouched"):
        patch.setattr(os, "fsync", full)
        train(3, checkpoint=path)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]
    assert same(train(3, checkpoint=path)[0], train(3)[0])


# A game of two


class Game:
    """Two networks with an optimiser each, as in adversarial training: a point chases the data's mean."""

    def __init__(self):
        self.critic = torch.nn.Parameter(torch.zeros(64))
        self.point = torch.nn.Parameter(torch.zeros(64))
        self.optimizers = [torch.optim.Adam([self.critic], lr=0.2), torch.optim.Adam([self.point], lr=0.02)]

    def step(self, x):
        return self.step_critic(x) | self.step_point()

    def _update(self, i, loss):
        self.optimizers[i].zero_grad()
        loss.backward()
        self.optimizers[i].step()
        return loss.detach()

    def step_critic(self, x):
        value = (self.critic * (self.point.detach() - x.mean(0))).sum() + self.critic.square().sum() / 2
        return {"critic": self._update(0, value)}

    def step_point(self):
        return {"point": self._update(1, -(self.critic.detach() * self.point).sum())}

    def state_dict(self):
        nets = {"critic": self.critic.detach().clone(), "point": self.point.detach().clone()}
        return nets | {"optimizers": {str(i): o.state_dict() for i, o in enumerate(self.optimizers)}}

    def load_state_dict(self, state):
        with torch.no_grad():
            self.critic.copy_(state["critic"])
            self.point.copy_(state["point"])
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state["optimizers"][str(i)])


def test_a_method_of_two_steps_is_trained_and_resumed(tmp_path):
    whole, history = train(80, Game())
    assert set(history.rows[0]) == {"epoch", "step", "seconds", "critic", "point"}
    mean = (images().float() / 255).mean(0).flatten()
    assert (whole.point - mean).square().mean() < 0.1 * mean.square().mean()
    with pytest.raises(Stop):
        train(80, Game(), checkpoint=tmp_path / "g", callbacks=[stop_after(2)])
    assert same(train(80, Game(), checkpoint=tmp_path / "g")[0], whole)
