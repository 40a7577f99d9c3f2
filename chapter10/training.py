"""One training loop for every method. It knows no model; what else is wanted hangs on callbacks.

A method has `step(x) -> dict[str, Tensor]`, which makes one update and returns the named parts of its loss, and
`state_dict` and `load_state_dict`, which make it resumable. Rates and weights that change while training goes on
are attributes of the method, set before each step by a schedule. A method may have `advice`, what to try where a
loss is not finite: it ends the sentence "Try a lower learning rate, look for input outside its range, or …".
"""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sized
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from chapter10 import parallel
from chapter10.adam import OneVectorAdam
from chapter10.environment import in_notebook
from chapter10.errors import CheckpointError, InputError, TrainingError
from chapter10.files import check_writable, load_into, load_state, random_state, save_state, set_random_state
from chapter10.nets import follow

LOOK_SECONDS = 0.3  # between two looks at the losses: each waits for the device, and draws the bar anew


class Method(Protocol):
    """What `fit` asks of a model with its optimisers."""

    def step(self, x: Tensor) -> dict[str, Tensor]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class BatchSource(Sized, Iterable[Tensor], Protocol):
    """Batches of one epoch at each pass, drawn from torch's random numbers; `data.Batches` is one."""


Schedule = Callable[[float], float]  # from the share of training done, 0 to 1, to a value


@dataclass
class History:
    """What `fit` measured.

    Attributes:
        rows: one dict an epoch: "epoch" and "step" (done so far), "seconds" (of training, so far), and the mean of
            each part of the loss over that epoch.
        interrupted: whether it was stopped by hand; the last row may then cover a part of an epoch.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    interrupted: bool = False

    def __getitem__(self, part: str) -> list[float]:
        """One column, such as history["loss"]."""
        if self.rows and part not in self.rows[0]:
            raise InputError(f"The history has no column {part!r}. It has: {', '.join(self.rows[0])}.")
        return [row[part] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Progress:
    """What a callback gets at the end of each epoch."""

    epoch: int
    epochs: int
    step: int
    history: History
    method: Method


def fit(
    method: Method,
    batches: BatchSource,
    epochs: int,
    seed: int = 0,
    schedules: dict[str, Schedule] | None = None,
    callbacks: Iterable[Callable[[Progress], None]] = (),
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> History:
    """Train for a number of epochs.

    The same seed, data and machine give the same weights bit for bit; torch's own random state is as before when
    `fit` returns. Ctrl-C, or the stop button, ends training early: the method is usable and the history complete.

    Args:
        method: the model with its optimisers; trained in place.
        batches: one pass is an epoch.
        epochs: in all, those already in the checkpoint included.
        seed: of the batches' order and of all noise.
        schedules: for attributes of the method, such as {"lr": warmup_cosine(1e-3)}.
        callbacks: each is called after each epoch with a `Progress`; the random numbers it draws don't change training.
        checkpoint: a file, written after each epoch; if it is there, training goes on from it and ends exactly as
            it would have without the interruption.
        progress: show a bar with speed and losses.
    Raises:
        InputError: for a number of epochs below 1, or a schedule of an attribute that the method lacks.
        TrainingError: when a part of the loss is not finite; the method is then as it was at the end of the
            epoch before.
        CheckpointError: when the checkpoint is damaged, of another model or of another plan of training.
        SaveError: when the checkpoint can't be written.
    """
    schedules, callbacks = schedules or {}, tuple(callbacks)  # called once an epoch: a generator would be empty by then
    _check(method, batches, epochs, schedules)
    if checkpoint is not None:
        check_writable(checkpoint)
    history, steps = History(), len(batches)
    plan = {"seed": seed, "steps_per_epoch": steps, "batch_size": getattr(batches, "batch_size", None)}
    if schedules:
        plan["schedules"] = {name: [float(schedules[name](i / 8)) for i in range(8)] for name in sorted(schedules)}
        plan["epochs"] = epochs  # a schedule runs over the whole training, so its length is part of the plan
    devices = [i for i in range(torch.cuda.device_count())]
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        if checkpoint is not None and os.path.exists(checkpoint):  # Path.exists raises where a folder can't be entered
            history.rows = _resume(method, checkpoint, plan, epochs)
        first = len(history)
        with _bar(epochs * steps, first * steps, progress) as bar:
            try:
                for epoch in range(first, epochs):
                    before = deepcopy(method.state_dict())
                    row, bad = _epoch(method, batches, epoch, epochs, schedules, history, bar)
                    if bad:
                        method.load_state_dict(before)
                        raise TrainingError(bad)
                    if row:
                        history.rows.append(row)
                    if history.interrupted:
                        break
                    if checkpoint is not None:
                        state = {"method": method.state_dict(), "random": random_state(), "rows": history.rows}
                        save_state(checkpoint, state, {"plan": plan})
                    if callbacks and bar is not None:
                        bar.clear()  # what a callback shows stands above the bar, not below a frozen one
                    for callback in callbacks:
                        with torch.random.fork_rng(devices):  # what it draws must not change the training
                            callback(Progress(epoch + 1, epochs, (epoch + 1) * steps, history, method))
            except KeyboardInterrupt:  # between epochs: while saving, or in a callback
                history.interrupted = True
        _report(history, epochs, progress)
    return history


def _epoch(method, batches, epoch, epochs, schedules, history, bar) -> tuple[dict | None, str | None]:
    """One pass. Returns the row of the history, and what went wrong in words (or None)."""
    steps, start = len(batches), time.perf_counter()
    before = history.rows[-1]["seconds"] if history.rows else 0.0
    means, done, seen, looked = _Means(), 0, 0, start
    try:
        for x in batches:
            for name, schedule in schedules.items():
                setattr(method, name, schedule((epoch * steps + done) / (epochs * steps)))
            means.add(method.step(x))
            done += 1
            if time.perf_counter() - looked > LOOK_SECONDS or done == steps:
                broken = means.first_not_finite()
                if broken:
                    return None, _not_finite(epoch * steps, broken, method, epoch)
                if bar is not None:
                    bar.set_postfix(means.last(), refresh=False)
                    bar.update(done - seen)
                seen, looked = done, time.perf_counter()
    except KeyboardInterrupt:
        history.interrupted = True
    broken = means.first_not_finite()
    if broken is None and done:  # the last update may have broken what no loss has shown yet
        name = _first_broken(method.state_dict())
        broken = (done, f"the update left '{name}' no longer finite") if name else None
    if broken:
        return None, _not_finite(epoch * steps, broken, method, epoch)
    if done == 0:
        return None, None
    row = {"epoch": epoch + 1, "step": epoch * steps + done, "seconds": before + time.perf_counter() - start}
    return row | means.values(), None


class _Means:
    """Means of the parts over an epoch, gathered on the device: no step waits for a number."""

    def __init__(self):
        self.names: list[str] = []
        self.new: list[Tensor] = []  # since the last look
        self.total: Tensor | None = None
        self.count = 0

    def add(self, parts: dict[str, Tensor]) -> None:
        self.names = list(parts)
        self.new.append(torch.stack([part.detach() for part in parts.values()]))

    def first_not_finite(self) -> tuple[int, str] | None:
        """Step in the epoch (from 1), and what became of which part; sums up what is new."""
        if not self.new:
            return None
        new = torch.stack(self.new)  # (steps, parts)
        finite = new.isfinite()
        if not finite.all():
            step, part = (~finite).nonzero()[0].tolist()
            return self.count + step + 1, f"the part '{self.names[part]}' of the loss became {new[step, part].item()}"
        self.count += len(new)
        summed = new.double().sum(0)
        self.total = summed if self.total is None else self.total + summed
        self.latest, self.new = new[-1], []
        return None

    def last(self) -> dict[str, str]:
        return {name: f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" for name, value in zip(self.names, self.latest.tolist())}

    def values(self) -> dict[str, float]:
        return dict(zip(self.names, (self.total / self.count).tolist()))


def _first_broken(state: Any, name: str = "") -> str | None:
    """The first tensor in the nesting that is not finite, by its dotted name."""
    if isinstance(state, dict):
        found = (_first_broken(value, f"{name}.{key}".lstrip(".")) for key, value in state.items())
        return next((f for f in found if f), None)
    return name if isinstance(state, Tensor) and not state.isfinite().all() else None


def _not_finite(before: int, broken: tuple[int, str], method: Method, epoch: int) -> str:
    rate = f" (it is {method.lr:g})" if hasattr(method, "lr") else ""
    kept = f"the end of epoch {epoch}" if epoch else "the start"
    advice = getattr(method, "advice", None)
    ways = [f"a lower learning rate{rate}", "look for input outside its range", *([advice] if advice else [])]
    tries = f"{', '.join(ways[:-1])}{',' * (len(ways) > 2)} or {ways[-1]}"
    return f"Step {before + broken[0]}: {broken[1]}. Try {tries}; the method was put back to {kept}."


def _check(method: Method, batches: BatchSource, epochs: int, schedules: dict[str, Schedule]) -> None:
    if not isinstance(epochs, int) or epochs < 1:
        raise InputError(f"epochs is {epochs!r}; give a whole number from 1 up.")
    if len(batches) < 1:
        raise InputError("There is no batch in an epoch: give more images, or a smaller batch size.")
    for name in schedules:
        if not hasattr(method, name):
            raise InputError(f"A schedule is given for '{name}', which {type(method).__name__} does not have.")


def _resume(method: Method, path: str | os.PathLike, plan: dict, epochs: int) -> list[dict[str, float]]:
    state, metadata = load_state(path)
    found = metadata.get("plan")
    if not isinstance(state, dict) or not {"method", "random", "rows"} <= state.keys():
        raise CheckpointError(f"{path} holds weights, not a checkpoint of a training. Give another path to begin anew.")
    if found != plan:
        differs = ", ".join(f"{k}: {(found or {}).get(k)} there, {plan.get(k)} here" for k in plan if (found or {}).get(k) != plan[k])
        raise CheckpointError(
            f"{path} was written by another plan of training ({differs or 'a schedule more'}), so going on from it would "
            f"not end where either plan does. Give the same settings, or another path to begin anew."
        )
    if len(state["rows"]) > epochs:
        raise CheckpointError(
            f"{path} has {len(state['rows'])} epochs of training behind it, more than the {epochs} asked for. Ask for "
            f"more, or give another path to begin anew."
        )
    try:
        set_random_state(state["random"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged: it holds no random state of torch ({error}). Delete it to begin anew.") from None
    load_into(method, state["method"], path)
    return state["rows"]


def _bar(total: int, initial: int, show: bool):
    """A bar on standard output, where someone looks on: it stays text in a stored notebook, and needs no widget."""
    if not show or not (sys.stdout.isatty() or in_notebook()):
        return nullcontext()
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, file=sys.stdout, unit="step", leave=False, mininterval=0, ncols=100)


def _report(history: History, epochs: int, show: bool) -> None:
    if history.interrupted:
        done = history.rows[-1]["step"] if history.rows else 0
        print(f"Stopped by hand after {done:,} steps: the model is as trained so far, and the history is complete.")
    elif show and history.rows:
        row = history.rows[-1]
        parts = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "step", "seconds"))
        print(f"{epochs} epochs, {row['step']:,} steps, {row['seconds']:.1f} s. Means of the last epoch: {parts}.")


class Averaged:
    """For methods of several parts: their rate, what they are resumed from, and the moving average of a network's weights.

    Attributes:
        average: decay β of the average, 0 for none; averaged: the network that holds it; averaged_steps: t, how many so far.
    """

    average: float
    averaged: nn.Module
    averaged_steps: int

    def _start_average(self, module: nn.Module, average: float) -> None:
        """Begin to follow the module; without an average, `averaged` is the module itself."""
        self.average, self.averaged_steps = average, 0
        self.averaged = deepcopy(module).eval().requires_grad_(False) if average else module

    def _parts(self) -> dict[str, Any]:
        """The networks and optimisers by name, but for `averaged`."""
        raise NotImplementedError

    def _resumed(self) -> dict[str, Any]:
        return self._parts() | ({"averaged": self.averaged} if self.average else {})

    @property
    def lr(self) -> float:
        """The rate of all optimisers; a schedule may set it."""
        return self._optimizers()[0].param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] = value

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [part for part in self._parts().values() if isinstance(part, torch.optim.Optimizer)]

    def _average(self, module: nn.Module) -> None:
        """a ← a + (w − a)·(1 − β)/(1 − β^t): the exponential mean of w₁ … w_t with weights that add up to 1.

        Without an average nothing is done.
        """
        if not self.average:
            return
        self.averaged_steps += 1
        share = (1 - self.average) / (1 - self.average**self.averaged_steps)
        follow(self.averaged, module, share)

    def state_dict(self) -> dict[str, Any]:
        state = {name: part.state_dict() for name, part in self._resumed().items()}
        return state | {"averaged_steps": self.averaged_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._resumed().items():
            part.load_state_dict(state[name])
        self.averaged_steps = state["averaged_steps"]


def check_average(average: float) -> None:
    """Raise InputError for a decay of a moving average that there can't be."""
    if not 0 <= average < 1:
        raise InputError(f"average is {average}; give a decay from 0 to below 1, such as 0.99.")


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of one player. `inputs` keeps the gradient from the other players' weights, and saves computing it."""
    mine = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    optimizer.zero_grad(set_to_none=True)
    parallel.announced(optimizer, loss).backward(inputs=mine)
    optimizer.step()


def adam(module: nn.Module, lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    """Adam over the module's parameters, in one call for all of them where the device has it: faster.

    Several processes keep these parameters alike, if the losses go through `descend` (or `parallel.announced`).
    """
    parameters = list(module.parameters())
    device = parameters[0].device.type
    if device == "cpu":
        optimizer: torch.optim.Adam = OneVectorAdam(parameters, lr, betas)
    else:
        optimizer = torch.optim.Adam(parameters, lr=lr, betas=betas, fused=device == "cuda")
    parallel.replicate(optimizer)
    return optimizer


def warmup_cosine(base: float, warmup: float = 0.2, final: float = 0.0) -> Schedule:
    """Up from 0 to `base` over the first share `warmup` of training, then down to `final` along half a cosine."""
    if not 0 <= warmup < 1:
        raise InputError(f"warmup is {warmup}; give a share of training from 0 to below 1.")

    def schedule(done: float) -> float:
        if done < warmup:
            return base * done / warmup
        return final + (base - final) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))

    return schedule


def linear_decay(base: float, start: float = 0.5) -> Schedule:
    """`base` up to the share `start` of training, then down to 0 in a straight line, as CycleGAN's authors have it."""
    if not 0 <= start < 1:
        raise InputError(f"start is {start}; give a share of training from 0 to below 1.")
    return lambda done: base * min(1.0, (1 - done) / (1 - start))


def linear_annealing(share: float = 0.5, top: float = 1.0) -> Schedule:
    """Up from 0 to `top` in a straight line over the first share of training, then constant (Bowman et al. 2016).

    Given as fit(..., schedules={"beta": linear_annealing()}), it warms up the price of the KL.
    """
    _check_annealing(share, top)
    return lambda done: top * min(1.0, done / share)


def cyclical_annealing(cycles: int = 4, share: float = 0.5, top: float = 1.0) -> Schedule:
    """`cycles` equal pieces of training; in each, up from 0 to `top` over its first share, then constant (Fu et al. 2019)."""
    _check_annealing(share, top)
    if not isinstance(cycles, int) or cycles < 1:
        raise InputError(f"cycles is {cycles!r}; give a whole number of cycles from 1 up.")

    def schedule(done: float) -> float:
        within = done * cycles % 1 if done < 1 else 1.0  # the end belongs to the last cycle
        return top * min(1.0, within / share)

    return schedule


def _check_annealing(share: float, top: float) -> None:
    if not 0 < share <= 1:  # written so that NaN fails too
        raise InputError(
            f"share is {share}; give a share of training above 0, up to 1: a rise of length 0 is no annealing."
        )
    if not 0 <= top < math.inf:
        raise InputError(f"top is {top}; give a finite weight from 0 up.")
