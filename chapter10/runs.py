"""A run: a recipe trained in a folder of its own, which says what was trained with what, and from which it goes on.

    run.json             recipe and settings, seed, device, versions, machine, the data's checksums, status
    history.jsonl        a row an epoch, or history.csv
    events…              the same for TensorBoard, if asked for
    samples-0004.png     what the model made after so many epochs: 1, 2, 4, 8, … and at the end
    checkpoints/         what `--resume` goes on from
    weights.safetensors  and report.html: at the end

All but the history and TensorBoard's events are written whole or not at all; of the history, a last line that a crash
cut off is not read.
"""

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import data, experiments, parallel, recipes, report
from chapter10.checkpoints import Checkpoints
from chapter10.code_prior import CodePrior
from chapter10.errors import CheckpointError, InputError, SaveError, did_you_mean
from chapter10.files import (
    check_writable,
    load_into,
    load_state,
    remove_leftovers,
    unreadable,
    unwritable,
    write_atomic,
)
from chapter10.history import KINDS, HistoryFile, TensorBoard, check_tensorboard, go_on_without, read_history
from chapter10.language import say
from chapter10.locks import held, is_held
from chapter10.processes import own_version
from chapter10.signals import Terminated, with_ctrl_c
from chapter10.training import Progress

MARGIN = 20e6  # bytes: history, pictures and report
PICTURE = re.compile(r"samples-(\d+)\.png")
# What is written whole beside the checkpoints, as a regular expression.
WHOLE = rf"(?:run\.json|history\.(?:jsonl|csv)|{PICTURE.pattern}|weights\.safetensors|report\.html)"
STATUSES = ("running", "done", "stopped", "failed")


@dataclass(frozen=True)
class Plan:
    """What decides a run's outcome, and how it is written down.

    Attributes:
        recipe, scale, seed, device, changes: as `recipes.train` takes them.
        history: "jsonl" or "csv"; tensorboard: whether its events are written too.
        every_steps, every_seconds, keep: of checkpoints, as `checkpoints.Checkpoints` takes them.
        threads: processor threads, which the last bit of a sum hangs on.
    """

    recipe: str
    scale: str = "quick"
    seed: int = 0
    device: str = "cpu"
    changes: recipes.Changes = field(default_factory=recipes.Changes)
    history: str = "jsonl"
    tensorboard: bool = False
    every_steps: int | None = None
    every_seconds: float | None = None
    keep: int = 3
    threads: int = field(default_factory=torch.get_num_threads)

    def __post_init__(self):
        if self.history not in KINDS:
            near = did_you_mean(self.history, KINDS)
            raise InputError(
                "A history can't be written as {history!r}.{near} Choose one of: {choices}.",
                history=self.history,
                near=near,
                choices=', '.join(KINDS),
            )
        self.checkpoints("")  # raises InputError for what can't be kept

    def checkpoints(self, folder: str | Path) -> Checkpoints:
        return Checkpoints(folder, self.every_steps, self.every_seconds, self.keep)

    def command(self, folder: str) -> str:
        """The line that makes such a run anew, in `folder`."""
        words = [recipes.command(self.recipe, self.scale, self.seed, self.device, self.changes)]
        if self.history != "jsonl":
            words.append(f"--history {self.history}")
        if self.tensorboard:
            words.append("--tensorboard")
        if self.every_steps is not None:
            words.append(f"--every-steps {self.every_steps}")
        if self.every_seconds is not None:
            words.append(f"--every-minutes {recipes.number(self.every_seconds / 60)}")
        if self.keep != 3:
            words.append(f"--keep {self.keep}")
        return " ".join([*words, f"--folder {quoted(folder)}"])

    def made(self) -> recipes.Recipe:
        """The recipe with the plan's changes. Raises InputError."""
        return recipes.changed(recipes.get(self.recipe), self.scale, self.changes)


class Run:
    """A run's folder, and what its run.json says.

    Attributes:
        about: the content of run.json; `write` changes it and stores it.
    """

    def __init__(self, folder: str | Path, about: dict[str, Any]):
        self.folder, self.about = Path(folder), about

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """The run in a folder. Raises CheckpointError where there is none, or its run.json can't be read."""
        path = Path(folder) / "run.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            _check_kinds(about)
            plan = about["plan"]
            Plan(**plan | {"changes": recipes.Changes(**plan["changes"])})
        except (FileNotFoundError, NotADirectoryError):
            raise CheckpointError(
                "There is no run in {folder}: no {name} is there. Give the folder that `train NAME --folder "
                "FOLDER` wrote.",
                folder=folder,
                name=path.name,
            ) from None
        except OSError as error:
            raise unreadable(path, error) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                "{path} can't be read as a run's ({kind}: {error}). If it was changed by hand, put it back; else "
                "begin anew in another folder.",
                path=path,
                kind=type(error).__name__,
                error=error,
            ) from None
        return cls(folder, about)

    @property
    def plan(self) -> Plan:
        stored = self.about["plan"]
        return Plan(**stored | {"changes": recipes.Changes(**stored["changes"])})

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def status(self) -> str:
        """One of "running", "done", "stopped", "failed"; and "killed": it says that it runs, but no process works in it."""
        said = self.about["status"]
        return "killed" if said == "running" and not is_held(self.folder / "lock") else said

    def write(self, **changes: Any) -> None:
        self.about |= changes
        text = json.dumps(self.about, indent=1, ensure_ascii=False) + "\n"
        # A folder's name that is no text becomes \udcXX, which is JSON for it.
        write_atomic(self.folder / "run.json", text.encode(errors="backslashreplace"))

    def rows(self) -> list[dict[str, float]]:
        """The history so far: a row an epoch, as `training.History` has them."""
        return read_history(self.folder / f"history.{self.about['plan']['history']}")

    def pictures(self) -> list[Path]:
        """What the model made, the earliest first."""
        found = {
            int(match[1]): path for path in self.folder.iterdir() if (match := PICTURE.fullmatch(path.name))
        }
        return [found[epoch] for epoch in sorted(found)]


def train(plan: Plan, folder: str | Path) -> Run:
    """Begin a run in a folder that is new or empty, and train it to its end.

    Raises:
        SaveError: where the folder holds something already, can't be written, or has not enough space.
        InputError: for a recipe, a scale or a setting that there isn't; where TensorBoard is asked for and missing.
        KeyboardInterrupt: when it was stopped by hand, with a sentence that says how it goes on; `signals.Terminated`
            after a signal.

    Of several processes (see `parallel`) the first calls it, the others `recipes.take_part`.
    """
    plan.made()  # what can't be trained leaves no folder behind
    if plan.tensorboard:
        check_tensorboard()
    folder = Path(folder)
    _check_empty(folder)
    check_writable(folder / "run.json")
    with held(folder / "lock", say("the run in {folder}", folder=folder)):
        about = {
            "plan": asdict(plan),
            "command": plan.command(folder.resolve().name),
            "status": "running",
            "started": _now(),
        }
        return _train(Run(folder, about), resumed=False)


def resume(folder: str | Path) -> Run:
    """Go on with a run that was stopped, to the very weights it would have come to without that; done, it stays as it is.

    Raises:
        CheckpointError: where there is no run, or the data are others than it began with.
        SaveError: where another process is at work in it.
        KeyboardInterrupt, Terminated: as `train`.
    """
    run = Run.read(folder)
    if run.about["status"] == "done":
        print(say("The run in {folder} is done: there is nothing left to train.", folder=folder))
        return run
    if run.plan.tensorboard:
        check_tensorboard()
    check_writable(run.folder / "run.json")
    with held(run.folder / "lock", say("the run in {folder}", folder=folder)):
        return _train(run, resumed=True)


def load(folder: str | Path) -> nn.Module:
    """The model that a run left, ready to use (eval mode). Raises CheckpointError while it has left none."""
    run = Run.read(folder)
    path = run.folder / "weights.safetensors"
    state, _ = load_state(path)
    model = run.plan.made().build()
    load_into(model, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, path)
    return model.eval()


def _train(run: Run, resumed: bool) -> Run:
    plan = run.plan
    recipe = plan.made()
    images = recipes.images_for(recipe)
    found = {"data": _data(recipe, images), "versions": versions(), "machine": experiments.machine()}
    if resumed and "data" in run.about:  # it is missing where the very first seconds were the last
        _check_same(run, found)
        found = {
            "data": run.about["data"],
            "versions": run.about["versions"],
            "machine": run.about["machine"],
        }
    with parallel.alone():
        method = recipes.begin(recipe, plan.seed)
    kept = plan.checkpoints(run.folder / "checkpoints")
    there = sum(path.stat().st_size for path in map(kept.path, kept.steps()))
    after_epochs = plan.every_steps is None and plan.every_seconds is None
    count = min(plan.keep, recipe.epochs[plan.scale]) if after_epochs else plan.keep
    # With Adam's two moments; the new one stands beside the old ones before the oldest goes.
    check_space(run.folder, max(0, _bytes(method.state_dict()) * 3 * (count + 1) - there))
    del method
    remove_leftovers(run.folder, WHOLE)
    run.write(status="running", recipe=_settings(recipe, plan.scale), **found)
    try:
        _train_and_describe(run, recipe, images)
    except (KeyboardInterrupt, Terminated) as stop:
        with suppress(SaveError):  # on a full disk: what is saved is saved, whatever run.json says
            run.write(status="stopped", ended=_now())
        sentence = say("Stopped. To go on: {command}", command=_going_on(run.folder))
        # It ends the process, and nobody else would say it.
        if isinstance(stop, Terminated) and stop.code != 128 + signal.SIGINT:
            print(sentence, file=sys.stderr)
            raise
        raise KeyboardInterrupt(sentence) from None
    except Exception as error:
        with suppress(SaveError):  # on a full disk not even this can be written, and the first error says it
            run.write(status="failed", reason=f"{type(error).__name__}: {error}", ended=_now())
        if isinstance(error, SaveError):
            raise SaveError(
                "{error} Then go on: {command}", error=error, command=_going_on(run.folder)
            ) from None
        raise
    return run


def _going_on(folder: str | Path) -> str:
    return f"python -m chapter10 train --resume {quoted(folder)}"


def _train_and_describe(run: Run, recipe: recipes.Recipe, images: data.Images) -> None:
    plan = run.plan
    rows = HistoryFile(run.folder / f"history.{plan.history}")
    events = [TensorBoard(run.folder)] if plan.tensorboard else []
    try:
        with with_ctrl_c():
            model, history = recipes.make(
                recipe,
                images,
                plan.scale,
                plan.seed,
                plan.device,
                plan.checkpoints(run.folder / "checkpoints"),
                callbacks=[rows, *events, _Pictures(run.folder, recipe, images)],
            )
    finally:
        for writer in events:
            writer.close()
    history.check_whole()
    rows.write(history.rows)  # once more: a kill between the last checkpoint and its row would leave one out
    print(say("Measuring what it reached."), flush=True)
    recipes.round_weights(model)
    stored = recipes.describe(recipe, model, images, history, plan.seed, run.about["command"])
    stored["seconds"] = round(history.rows[-1]["seconds"], 1)
    recipes.save_weights(run.folder / "weights.safetensors", model, stored)
    _draw(run.folder, model, recipe, images, len(history))
    done = {"scores": stored["scores"], "parameters": stored["parameters"], "seconds": stored["seconds"]}
    run.about.pop("reason", None)
    run.about |= done | {"ended": _now(), "status": "done"}
    write_atomic(run.folder / "report.html", report.page(run).encode(errors="backslashreplace"))
    run.write()


class _Pictures:
    """A callback: what the model makes after 1, 2, 4, 8, … epochs, for early on it changes most.

    Of one that can't be written, as on a full disk, a warning says so.
    """

    def __init__(self, folder: Path, recipe: recipes.Recipe, images: data.Images):
        self.folder, self.recipe, self.images = folder, recipe, images

    def __call__(self, progress: Progress) -> None:
        if progress.epoch < progress.epochs and progress.epoch & (progress.epoch - 1) == 0:
            try:
                _draw(
                    self.folder, recipes.result_of(progress.method), self.recipe, self.images, progress.epoch
                )
            except SaveError as error:
                go_on_without(self.folder, error)


def _draw(folder: Path, model: nn.Module, recipe: recipes.Recipe, images: data.Images, epoch: int) -> None:
    picture = report.samples(model, images, recipe.form)
    if picture is not None:
        write_atomic(folder / f"samples-{epoch:04d}.png", picture.content)


def _settings(recipe: recipes.Recipe, scale: str) -> dict[str, Any]:
    """What a recipe comes to at a scale, in numbers and words."""
    names = "name about form batch_size lr warmup constants precision compile".split()
    kept = {name: getattr(recipe, name) for name in names}
    return kept | {"epochs": recipe.epochs[scale], "schedule": "warm-up, then a cosine to 0"}


def _data(recipe: recipes.Recipe, images: data.Images) -> dict[str, Any]:
    """What was trained on and judged by, so that one can tell whether it is the same elsewhere."""
    parts = {
        "train": images.train,
        "train_labels": images.train_labels,
        "test": images.test,
        "test_labels": images.test_labels,
    }
    sums = {name: checksum(tensor) for name, tensor in parts.items()}
    if recipe.build is CodePrior:  # it learns the codes of a stored model, which are data to it
        codes = recipes.weights_path(f"vqvae-{recipe.data}")
        sums[codes.name] = hashlib.sha256(codes.read_bytes()).hexdigest()
    return {
        "name": images.name,
        "source": images.source,
        "training_images": len(images.train),
        "sha256": sums,
    }


def checksum(tensor: Tensor) -> str:
    """SHA-256 of a tensor's numbers as they lie in memory, without its shape."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def versions() -> dict[str, str]:
    """Of what computes; "source": a checksum of the package's own code, which its version number is too coarse for."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "chapter10": own_version(),
        "source": code.hexdigest()[:12],
    }


def differences(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two dicts differ, as "torch: 2.4.0 there, 2.5.0 here"."""
    names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
    return [say("{key}: {there} there, {here} here", key=name, there=first.get(name), here=other.get(name)) for name in names]


def _check_same(run: Run, found: dict[str, Any]) -> None:
    """Refuse other data, for the run would not end where it would have; warn of other versions, for it may not."""
    wanted, there = run.about["data"]["sha256"], found["data"]["sha256"]
    if wanted != there:
        other = ", ".join(name for name in {**wanted, **there} if wanted.get(name) != there.get(name))
        raise CheckpointError(
            "The run in {folder} began with other data (different: {other}; then from {value}, now from "
            "{value_2}). Give it the same ones (CHAPTER10_DATA), or begin anew in another folder.",
            folder=run.folder,
            other=other,
            value=run.about['data']['source'],
            value_2=found['data']['source'],
        )
    differing = differences(run.about["versions"], found["versions"])
    if torch.get_num_threads() != run.plan.threads:
        differing += differences({"threads": run.plan.threads}, {"threads": torch.get_num_threads()})
    if differing:
        told = say(
            "It goes on, but maybe not to the very same weights: {differing}.", differing="; ".join(differing)
        )
        print(told, file=sys.stderr)


def _check_kinds(about: Any) -> None:
    """Raise ValueError, KeyError or TypeError for a run.json that says what no run says, as after a change by hand."""
    changes, numbers = about["plan"]["changes"], (int, float, type(None))
    wanted = [
        ("status", about["status"], str),
        ("command", about["command"], str),
        ("started", about["started"], str),
    ]
    wanted += [(name, about["plan"][name], str) for name in ("recipe", "scale", "device", "history")]
    wanted += [(name, about["plan"].get(name, 1), int) for name in ("seed", "keep", "threads")]
    wanted += [(name, about["plan"].get(name), numbers) for name in ("every_steps", "every_seconds")]
    wanted += [(name, changes.get(name), numbers) for name in ("epochs", "batch_size", "lr")]
    wanted += [("precision", changes.get("precision", ""), str)]
    wanted += [(name, value, (int, float)) for name, value in changes.get("constants", {}).items()]
    if "data" in about:
        wanted += [(name, about[name], dict) for name in ("data", "versions", "machine")]
        wanted += [("sha256", about["data"]["sha256"], dict), ("source", about["data"]["source"], str)]
    for name, value, kind in wanted:
        if not isinstance(value, kind):
            raise TypeError(say("{name} is {value!r}", name=name, value=value))
    if about["status"] not in STATUSES:
        raise ValueError(say("{name} is {value!r}", name="status", value=about["status"]))
    if about["plan"].get("threads", 1) < 1:
        raise ValueError(say("{name} is {value!r}", name="threads", value=about["plan"]["threads"]))


def _check_empty(folder: Path) -> None:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return  # whether it can be made, `check_writable` tells
    except OSError as error:
        raise unwritable(folder, error) from None
    if "run.json" in names:
        raise SaveError(
            "{folder} holds a run already, which is left as it is. To go on with it: python -m chapter10 train "
            "--resume {folder_2}; to begin anew give another folder.",
            folder=folder,
            folder_2=quoted(folder),
        )
    if any(name != "lock" and not name.startswith(".run.json.") for name in names):
        raise SaveError(
            "{folder} is not empty, and a run leaves many files. Give a new folder, such as {value}.",
            folder=folder,
            value=folder / 'run',
        )


def check_space(folder: Path, needed: float) -> None:
    """Raise SaveError where the disk has not so many bytes left, and some for history and pictures."""
    free, needed = shutil.disk_usage(folder).free, needed + MARGIN
    if free < needed:
        raise SaveError(
            "The disk of {folder} has {value:,.0f} MB left, and this run needs about {value_2:,.0f} MB. Nothing "
            "was begun. Free some space, or give a folder on another disk.",
            folder=folder,
            value=free / 1000000.0,
            value_2=needed / 1000000.0,
        )


def _bytes(state: Any) -> int:
    """Of all tensors in a nesting."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    parts: Iterable[Any] = (
        state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    )
    return sum(_bytes(part) for part in parts)


def quoted(path: str | Path) -> str:
    """As a command line takes it, of this system's shell where the name is no plain one."""
    text = str(path)
    if text.startswith("-"):  # else it would be taken for an option
        text = os.path.join(os.curdir, text)
    if re.fullmatch(r"[\w@%+=:,./-]+", text.replace("\\", "/") if os.name == "nt" else text):
        return text
    return f'"{text}"' if os.name == "nt" or not set(text) & set('"$`\\!') else shlex.quote(text)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
