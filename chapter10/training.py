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
from chapter10.checkpoints import Checkpoints, SingleFile, Stored, keeper
from chapter10.environment import in_notebook
from chapter10.errors import CheckpointError, InputError, SaveError, TrainingError
from chapter10.files import load_into, random_state, set_random_state
from chapter10.language import say, sentences
from chapter10.nets import follow
from chapter10.precision import check as check_precision
from chapter10.precision import compile_networks, computing, device_of
from chapter10.signals import Terminated, asked_to_end

BY_HAND = "by hand"
LOOK_SECONDS = 0.3  # between two looks at the losses: each waits for the device, and draws the bar anew


class Method(Protocol):
    """What `fit` asks of a model with its optimisers."""

    def step(self, x: Tensor) -> dict[str, Tensor]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class BatchSource(Sized, Iterable[Tensor], Protocol):
    """Batches of one epoch at each pass, drawn from torch's random numbers; `data.Batches` is one.

    A pass draws its order before its first batch. A source that draws one again within a pass names the batches before
    which it does, from 0, in an attribute `shuffles`; else a training can't be resumed exactly in the middle of a pass.
    """


Schedule = Callable[[float], float]  # from the share of training done, 0 to 1, to a value


@dataclass
class History:
    """What `fit` measured.

    Attributes:
        rows: one dict an epoch: "epoch" and "step" (done so far), "seconds" (of training, so far), and the mean of
            each part of the loss over that epoch.
        interrupted: what stopped it before its end, "by hand" or the signal's name, such as "SIGTERM"; None if nothing did.
            The last row may then cover a part of an epoch.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    interrupted: str | None = None

    def __getitem__(self, part: str) -> list[float]:
        """One column, such as history["loss"]."""
        if self.rows and part not in self.rows[0]:
            raise InputError(
                "The history has no column {part!r}. It has: {choices}.",
                part=part,
                choices=', '.join(self.rows[0]),
            )
        return [row[part] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def check_whole(self) -> None:
        """Raise KeyboardInterrupt, or `signals.Terminated` after a signal, where training did not come to its end."""
        if self.interrupted == BY_HAND:
            raise KeyboardInterrupt
        if self.interrupted:
            raise Terminated(self.interrupted)


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
    checkpoint: str | os.PathLike | Checkpoints | None = None,
    progress: bool = True,
    precision: str = "float32",
    compile: bool = False,
) -> History:
    """Train for a number of epochs.

    The same seed, data and machine give the same weights bit for bit; torch's own random state is as before when
    `fit` returns. Ctrl-C, or the stop button, ends training early: the method is usable and the history complete. With a
    checkpoint, so does SIGTERM, by which schedulers announce that they will kill: after the step it came in the state is
    saved, and the same call goes on from there.

    Of several processes (see `parallel`) all must call it alike. Each takes its rows of every batch; the history is of all
    rows. The first one alone writes, shows a bar and makes the callbacks.

    Args:
        method: the model with its optimisers; trained in place.
        batches: one pass is an epoch.
        epochs: in all, those already in the checkpoint included.
        seed: of the batches' order and of all noise.
        schedules: for attributes of the method, such as {"lr": warmup_cosine(1e-3)}.
        callbacks: each is called after each epoch with a `Progress`; the random numbers it draws don't change training.
        checkpoint: a file, written after each epoch, or `Checkpoints` of a folder, written after so many steps or seconds.
            If there is one, training goes on from it and ends exactly as it would have without the interruption.
        progress: show a bar with speed and losses.
        precision: what steps are computed in, "float32", "bfloat16" or "tf32" (see `precision`); losses stay in float32.
        compile: whether torch compiles the networks, which takes a minute or more at the first step.
    Raises:
        InputError: for a number of epochs below 1, a schedule of an attribute that the method lacks, or a precision that its
            device lacks.
        TrainingError: when a part of the loss is not finite; the method is then as it was at the end of the
            epoch before.
        CheckpointError: when the checkpoint is damaged, of another model or of another plan of training.
        SaveError: when the checkpoint can't be written; of `Checkpoints` only the last must be.
        ParallelError: when several processes have not the same plan of training.
    """
    schedules, callbacks = schedules or {}, tuple(callbacks)  # called once an epoch: a generator would be empty by then
    _check(method, batches, epochs, schedules)
    device = device_of(method.state_dict())
    check_precision(precision, device)
    first, several = parallel.rank() == 0, parallel.world() > 1
    kept = keeper(checkpoint) if first else None
    saves = parallel.from_first(lambda: kept is not None and (kept.begin() or True))
    plan = {"seed": seed, "steps_per_epoch": len(batches), "batch_size": getattr(batches, "batch_size", None)}
    if schedules:
        plan["schedules"] = {name: [float(schedules[name](i / 8)) for i in range(8)] for name in sorted(schedules)}
        plan["epochs"] = epochs  # a schedule runs over the whole training, so its length is part of the plan
    plan |= ({"precision": precision} if precision != "float32" else {}) | ({"compile": True} if compile else {})
    parallel.check_same(plan | {"epochs": epochs})
    devices = [i for i in range(torch.cuda.device_count())]
    with torch.random.fork_rng(devices), asked_to_end(saves or several, parallel.agree) as asked:
        torch.manual_seed(seed)
        run = _Run(method, batches, epochs, schedules, plan, kept, asked)
        run.computing = lambda: computing(precision, device, compile)
        history, part = run.history, run.resume()
        if compile:
            compile_networks(method, device)
        with _bar(epochs * run.steps, run.saved, progress and first) as run.bar:
            try:
                for epoch in range(len(history), epochs):
                    before, at = deepcopy(method.state_dict()), epoch * run.steps + part.done
                    bad = run.epoch(epoch, part)
                    if bad:
                        told = _not_finite(bad, epoch, run.steps, at, method)  # with the rate that it broke at
                        method.load_state_dict(before)
                        raise TrainingError(told)
                    parallel.take_over(method.state_dict())
                    if history.interrupted == BY_HAND or (history.interrupted and part.done < run.steps):
                        break
                    step, part = (epoch + 1) * run.steps, _Part()
                    run.save_if_due(step, last=bool(history.interrupted) or epoch + 1 == epochs)
                    if callbacks and run.bar is not None:
                        run.bar.clear()  # what a callback shows stands above the bar, not below a frozen one
                    for callback in callbacks if first else ():
                        with torch.random.fork_rng(devices), parallel.alone():  # what it draws must not change the training
                            callback(Progress(epoch + 1, epochs, step, history, method))
                    history.interrupted = history.interrupted or asked(step)
                    if history.interrupted:  # perhaps in a callback, which may take long
                        run.save(step, last=True)
                        break
            except KeyboardInterrupt:  # between epochs: while saving, or in a callback
                history.interrupted = BY_HAND
        if first:
            _report(history, epochs, progress, kept, run.saved)
    if run.failed:
        raise run.failed
    return history


class _Part:
    """What is done of the epoch under way, and what it takes to go on in the middle of it.

    Attributes:
        done: steps; seconds: they took; means: of the parts of the loss.
        orders: the random states from which the batches' order was drawn, one for each of the source's `shuffles`.
    """

    def __init__(self):
        self.done, self.seconds, self.means = 0, 0.0, _Means()
        self.orders: list[dict[str, Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done, "seconds": self.seconds, "means": self.means.state_dict(), "orders": self.orders}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done, self.seconds, self.orders = state["done"], state["seconds"], state["orders"]
        self.means.load_state_dict(state["means"])


class _Run:
    """One call of `fit`: what it trains, how far it is, and what it has saved.

    Attributes:
        saved: the step after which the last checkpoint was written, or read; 0 if there is none.
        failed: why the last one could not be written.
    """

    def __init__(
        self,
        method: Method,
        batches: BatchSource,
        epochs: int,
        schedules: dict[str, Schedule],
        plan: dict[str, Any],
        kept: SingleFile | Checkpoints | None,
        asked: Callable[[int], str | None],
    ):
        self.method, self.batches, self.epochs, self.schedules = method, batches, epochs, schedules
        self.plan, self.kept, self.asked = plan, kept, asked
        self.history, self.steps, self.bar = History(), len(batches), None
        self.saved, self.failed = 0, None
        self.shuffles = getattr(batches, "shuffles", (0,))

    def resume(self) -> _Part:
        """Go back to the latest checkpoint, if there is one: the history, the method, torch's random state."""
        part, stored = _Part(), parallel.from_first(lambda: self.kept and self.kept.latest())
        if stored:
            self.history.rows = _resume(self.method, stored, self.plan, self.epochs, part)
            self.saved = len(self.history) * self.steps + part.done
        return part

    def save(self, step: int, part: _Part | None = None, last: bool = False) -> None:
        """Write a checkpoint, unless there is one of that step: after an epoch, or in the middle of one."""
        if self.kept is None or step == self.saved:
            return
        state = {"method": self.method.state_dict(), "random": random_state(), "rows": self.history.rows}
        if part is not None:
            state["part"] = part.state_dict()
        try:
            if self.kept.save(step, state, {"plan": self.plan}, last):
                self.saved, self.failed = step, None
        except SaveError as error:
            if not last:
                raise
            self.failed = error  # raised when all else is done

    def save_if_due(self, step: int, last: bool) -> None:
        """The same at the end of an epoch, if it is time, or the last."""
        if last or (self.kept is not None and self.kept.due(step, True)):
            self.save(step, last=last)

    def epoch(self, epoch: int, part: _Part) -> tuple[int, str] | None:
        """One pass, or the rest of one. Returns what went wrong: after which step of the epoch, and in words."""
        history, method, steps, base = self.history, self.method, self.steps, epoch * self.steps
        before = history.rows[-1]["seconds"] if history.rows else 0.0
        means, seen, start = part.means, part.done, time.perf_counter() - part.seconds
        pace = parallel.Pace(LOOK_SECONDS, part.done)
        try:
            batches = self._rest(part)
            while not history.interrupted and (x := self._next(batches, part)) is not None:
                for name, schedule in self.schedules.items():
                    setattr(method, name, schedule((base + part.done) / (self.epochs * steps)))
                with self.computing():
                    means.add(method.step(parallel.share(x)))
                part.done += 1
                now, whole, step = time.perf_counter(), part.done == steps, base + part.done
                if whole or pace.due(part.done):
                    broken = parallel.earliest(means.first_not_finite())
                    if broken:
                        return broken
                    if self.bar is not None:
                        self.bar.set_postfix(means.last(), refresh=False)
                        self.bar.update(part.done - seen)
                    seen = part.done
                    pace.looked(part.done, self._steps_to_save(step))
                elif parallel.world() > 1:  # they hear of each other at a look
                    continue
                history.interrupted = self.asked(step)
                due = self.kept is not None and (history.interrupted or self.kept.due(step, False))
                if not whole and any(parallel.everyone(bool(due))):
                    broken = parallel.earliest(_broken(means, part.done, method))
                    if broken:  # a checkpoint of it would be no good to anybody
                        return broken
                    part.seconds = now - start
                    means.merge()
                    self.save(step, part, last=bool(history.interrupted))
                    start += time.perf_counter() - now  # the seconds are those of training alone
        except KeyboardInterrupt:
            history.interrupted = BY_HAND
        broken = parallel.earliest(_broken(means, part.done, method))
        if broken or part.done == 0:
            return broken
        means.merge()
        row = {"epoch": epoch + 1, "step": base + part.done, "seconds": before + time.perf_counter() - start}
        history.rows.append(row | means.values())
        return None

    def _steps_to_save(self, step: int) -> int | None:
        """How many until the next checkpoint is due, if that goes by steps."""
        every = getattr(self.kept, "every_steps", None)
        return every and every - step % every

    def _rest(self, part: _Part):
        """The batches of a pass, less those that are done: these are drawn as they were, and left out."""
        batches = iter(self.batches)
        now = random_state() if part.done else None
        for i in range(part.done):
            if i in self.shuffles:
                set_random_state(part.orders[self.shuffles.index(i)])
            next(batches, None)
        if now:
            set_random_state(now)
        return batches

    def _next(self, batches, part: _Part) -> Tensor | None:
        if part.done in self.shuffles and self.kept is not None:
            part.orders.append(random_state())
        return next(batches, None)


def _broken(means: "_Means", done: int, method: Method) -> tuple[int, str] | None:
    """After which step of the epoch something was not finite, and what: a part of the loss, or what the update left."""
    broken = means.first_not_finite()
    if broken is None and done:  # the last update may have broken what no loss has shown yet
        name = _first_broken(method.state_dict())
        broken = (done, say("the update left '{name}' no longer finite", name=name)) if name else None
    return broken


class _Means:
    """Means of the parts over an epoch, gathered on the device: no step waits for a number."""

    def __init__(self):
        self.names: list[str] = []
        self.new: list[Tensor] = []  # since the last look
        self.total: Tensor | None = None  # on the CPU, in double precision
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        """Of a time when nothing is new."""
        return {"names": self.names, "total": self.total, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.names, self.total, self.count = state["names"], state["total"], state["count"]

    def add(self, parts: dict[str, Tensor]) -> None:
        self.names = list(parts)
        self.new.append(torch.stack([part.detach() for part in parts.values()]))

    def first_not_finite(self) -> tuple[int, str] | None:
        """Step in the epoch (from 1), and what became of which part; sums up what is new."""
        if not self.new:
            return None
        new = torch.stack(self.new).cpu()  # (steps, parts)
        finite = new.isfinite()
        if not finite.all():
            step, part = (~finite).nonzero()[0].tolist()
            value = new[step, part].item()
            return self.count + step + 1, say("the part '{part}' of the loss became {value}", part=self.names[part], value=value)
        self.count += len(new)
        # One after the other, so that the sum does not depend on when it was looked at, or a training stopped.
        new = new.double()
        self.total = (new if self.total is None else torch.cat([self.total.unsqueeze(0), new])).cumsum(0)[-1].clone()
        self.latest, self.new = new[-1], []
        return None

    def merge(self) -> None:
        """The mean over all processes, where there are several; of a time when nothing is new."""
        if self.total is not None and parallel.world() > 1:
            self.total = parallel.total(self.total) / parallel.world()

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


def _not_finite(broken: tuple[int, str], epoch: int, steps: int, kept: int, method: Method) -> str:
    """What broke after which step of the epoch, in a sentence; `kept` is the step that the method was put back to."""
    at = say("the start")
    if kept % steps:
        at = say("step {step:,}", step=kept)
    elif epoch:
        at = say("the end of epoch {epoch}", epoch=epoch)
    lower = say("a lower learning rate (it is {rate:g})", rate=method.lr) if hasattr(method, "lr") else say("a lower learning rate")
    values = {"step": epoch * steps + broken[0], "what": broken[1], "lower": lower, "at": at}
    advice = getattr(method, "advice", None)
    if advice:
        return say(
            "Step {step}: {what}. Try {lower}, look for input outside its range, or {advice}; the method was put back to {at}.",
            advice=say(advice),
            **values,
        )
    return say("Step {step}: {what}. Try {lower} or look for input outside its range; the method was put back to {at}.", **values)


def _check(method: Method, batches: BatchSource, epochs: int, schedules: dict[str, Schedule]) -> None:
    if not isinstance(epochs, int) or epochs < 1:
        raise InputError("epochs is {epochs!r}; give a whole number from 1 up.", epochs=epochs)
    if len(batches) < 1:
        raise InputError("There is no batch in an epoch: give more images, or a smaller batch size.")
    for name in schedules:
        if not hasattr(method, name):
            raise InputError(
                "A schedule is given for '{name}', which {kind} does not have.",
                name=name,
                kind=type(method).__name__,
            )


def _resume(method: Method, stored: Stored, plan: dict, epochs: int, part: _Part) -> list[dict[str, float]]:
    """Put the method, torch's random state and what is done of an epoch as they were stored; the rows of the history."""
    path, state, found = stored.path, stored.state, stored.metadata.get("plan")
    if not isinstance(state, dict) or not {"method", "random", "rows"} <= state.keys():
        raise CheckpointError(
            "{path} holds weights, not a checkpoint of a training. Give another path to begin anew.",
            path=path,
        )
    if found != plan:
        known = found or {}
        differs = ", ".join(
            say("{key}: {there} there, {here} here", key=k, there=known.get(k), here=plan.get(k)) for k in plan if known.get(k) != plan[k]
        )
        raise CheckpointError(
            "{path} was written by another plan of training ({value}), so going on from it would not end where "
            "either plan does. Give the same settings, or another path to begin anew.",
            path=path,
            value=differs or say("a schedule more"),
        )
    rows, begun = state["rows"], state.get("part")  # of files of before there is no part: they were written between epochs
    if len(rows) + bool(begun) > epochs:
        behind = say("more than {count}", count=len(rows)) if begun else len(rows)
        raise CheckpointError(
            "{path} has {behind} epochs of training behind it, more than the {epochs} asked for. Ask for more, or "
            "give another path to begin anew.",
            path=path,
            behind=behind,
            epochs=epochs,
        )
    try:
        if begun:
            part.load_state_dict(begun)
        part.orders = [parallel.random_state_here(order) for order in part.orders]
        for state_of in (*part.orders, parallel.random_state_here(state["random"])):  # all are tried, the last stays
            set_random_state(state_of)
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            "{path} is damaged: it holds no random state of torch ({error}). Delete it to begin anew.",
            path=path,
            error=error,
        ) from None
    load_into(method, state["method"], path)
    return rows


def _bar(total: int, initial: int, show: bool):
    """A bar on standard output, where someone looks on: it stays text in a stored notebook, and needs no widget."""
    if not show or not (sys.stdout.isatty() or in_notebook()):
        return nullcontext()
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, file=sys.stdout, unit="step", leave=False, mininterval=0, ncols=100)


def _report(history: History, epochs: int, show: bool, kept: SingleFile | Checkpoints | None, saved: int) -> None:
    done = history.rows[-1]["step"] if history.rows else 0
    resumed = ""
    if kept and saved:
        goes_on = say("{path} holds the first {saved:,} of them: the same call or command goes on from there.", path=kept, saved=saved)
        resumed = goes_on
    if history.interrupted == BY_HAND:
        told = say("Stopped by hand after {done:,} steps: the model is as trained so far, and the history is complete.", done=done)
        print(sentences(told, resumed))
    elif history.interrupted:
        told = say("Stopped by {signal} after {done:,} steps.", signal=history.interrupted, done=done)
        print(sentences(told, resumed), flush=True)
    elif show and history.rows:
        row = history.rows[-1]
        parts = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "step", "seconds"))
        told = say(
            "{epochs} epochs, {steps:,} steps, {seconds:.1f} s. Means of the last epoch: {parts}.",
            epochs=epochs, steps=row["step"], seconds=row["seconds"], parts=parts,
        )  # fmt: skip
        print(told)


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
        raise InputError(
            "average is {average}; give a decay from 0 to below 1, such as 0.99.",
            average=average,
        )


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
        raise InputError("warmup is {warmup}; give a share of training from 0 to below 1.", warmup=warmup)

    def schedule(done: float) -> float:
        if done < warmup:
            return base * done / warmup
        return final + (base - final) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))

    return schedule


def linear_decay(base: float, start: float = 0.5) -> Schedule:
    """`base` up to the share `start` of training, then down to 0 in a straight line, as CycleGAN's authors have it."""
    if not 0 <= start < 1:
        raise InputError("start is {start}; give a share of training from 0 to below 1.", start=start)
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
        raise InputError("cycles is {cycles!r}; give a whole number of cycles from 1 up.", cycles=cycles)

    def schedule(done: float) -> float:
        within = done * cycles % 1 if done < 1 else 1.0  # the end belongs to the last cycle
        return top * min(1.0, within / share)

    return schedule


def _check_annealing(share: float, top: float) -> None:
    if not 0 < share <= 1:  # written so that NaN fails too
        raise InputError(
            "share is {share}; give a share of training above 0, up to 1: a rise of length 0 is no annealing.",
            share=share,
        )
    if not 0 <= top < math.inf:
        raise InputError("top is {top}; give a finite weight from 0 up.", top=top)
