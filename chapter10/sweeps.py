"""Recipes over seeds and settings, by one file; each run is a process of its own, and together they fill the machine.

The file is TOML:

    recipes = ["vae20-mnist", "beta4-mnist"]
    scale = "quick"                # smoke, quick (what it is if left out) or full
    seeds = 5                      # 0 to 4; or those of a list, such as [3, 5, 8]
    device = "cpu"
    precision = "float32"          # or bfloat16, or tf32

    [fixed]                        # for all runs: epochs, batch_size, lr, and what `train --set` takes
    epochs = 10

    [grid]                         # each with each
    lr = [1e-3, 3e-3]
    beta = [0.5, 1, 4]

What it leaves: `runs/NAME`, a folder for each run (`runs.py`), `logs/NAME.txt`, what it printed, and `sweep.json`.
"""

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from chapter10 import data, environment, experiments, parallel, precision, recipes
from chapter10.errors import CheckpointError, InputError, SaveError, TrainingError, did_you_mean
from chapter10.files import check_writable, write_atomic
from chapter10.language import say, say_of
from chapter10.locks import held, is_held
from chapter10.runs import Run
from chapter10.signals import Terminated, asked_to_end

PLAIN = (
    "epochs",
    "batch_size",
    "lr",
)  # settings with an option of their own; all others are the method's constants
WORDS = ("scale", "device", "precision")
MOST = 10_000  # runs of a sweep
LOOK_SECONDS = 0.1  # between two looks whether a process has ended
WATCH_SECONDS = 2.0  # between two looks of a run whether its sweep is still there
GRACE_SECONDS = 60.0  # that processes have to save their state before they are killed
Setting = dict[str, float]


@dataclass(frozen=True)
class Sweep:
    """What a file asks for.

    Attributes:
        recipes, scale, device, precision: as `train` takes them; seeds: of each.
        fixed: settings of all runs; grid: name -> values, each taken with each.
    """

    recipes: tuple[str, ...]
    scale: str = "quick"
    seeds: tuple[int, ...] = (0,)
    device: str = "cpu"
    precision: str = "float32"
    fixed: Setting = field(default_factory=dict)
    grid: dict[str, list[float]] = field(default_factory=dict)

    def settings(self) -> list[Setting]:
        """The points of the grid."""
        return [dict(zip(self.grid, values)) for values in product(*self.grid.values())]

    def jobs(self) -> list["Job"]:
        """All runs; the first seed of everything before the second, so that a sweep under way shows all settings."""
        return [
            Job(recipe, self.scale, seed, self.device, self.precision, setting, self.fixed | setting)
            for seed in self.seeds
            for recipe in self.recipes
            for setting in self.settings()
        ]


@dataclass(frozen=True)
class Job:
    """One run: `setting` is its point of the grid, `all_settings` the fixed ones too."""

    recipe: str
    scale: str
    seed: int
    device: str
    precision: str
    setting: Setting
    all_settings: Setting

    @property
    def name(self) -> str:
        return "_".join([self.recipe, *words(self.setting), f"seed={self.seed}"])

    @property
    def changes(self) -> recipes.Changes:
        plain = {name: value for name, value in self.all_settings.items() if name in PLAIN}
        constants = {name: float(value) for name, value in self.all_settings.items() if name not in PLAIN}
        return recipes.Changes(**plain, constants=constants, precision=self.precision)

    def begin(self, folder: Path) -> list[str]:
        """Arguments of `python -m chapter10` that train it in a new folder."""
        said = [
            "--scale",
            self.scale,
            "--seed",
            str(self.seed),
            "--device",
            self.device,
            *self.changes.options(),
        ]
        return ["train", self.recipe, *said, "--folder", str(folder)]


def words(setting: Setting) -> list[str]:
    return [f"{name}={recipes.number(value)}" for name, value in setting.items()]


def read(path: str | os.PathLike) -> Sweep:
    """A sweep's file, with everything in it tried: no run of it can fail for a name or a number that there isn't.

    Raises:
        InputError: for a file that isn't there or is no such description, with what is wrong in it.
    """
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10; pytest and JupyterLab bring the same under this name
        import tomli as tomllib
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))  # Windows' Notepad can begin with a mark
    except OSError as error:
        raise InputError(
            "{path} can't be read ({strerror}). Give a TOML file that describes a sweep.",
            path=path,
            strerror=error.strerror,
        ) from None
    except ValueError as error:
        raise InputError(
            "{path} is no TOML: {error}. How a sweep is written stands in chapter10/sweeps.py.",
            path=path,
            error=error,
        ) from None
    known = list(Sweep.__dataclass_fields__)
    for name in content:
        if name not in known:
            near = did_you_mean(name, known)
            raise InputError(
                "{path} has {name!r}, which a sweep has not.{near} There are: {choices}.",
                path=path,
                name=name,
                near=near,
                choices=', '.join(known),
            )
    try:
        sweep = _checked(content)
        for name in sweep.recipes:
            _check_settings(recipes.get(name), [*sweep.fixed, *sweep.grid])
        for job in sweep.jobs():
            if job.seed == sweep.seeds[0]:  # another seed changes nothing of it
                recipes.changed(recipes.get(job.recipe), job.scale, job.changes)
    except InputError as error:
        raise InputError("{path}: {error}", path=path, error=error) from None
    return sweep


def _check_settings(recipe: recipes.Recipe, settings: Sequence[str]) -> None:
    """Raise InputError for a setting that the recipe has not; a slip in `batch_size` is one as well as one in `beta`."""
    known = PLAIN + (recipes.changeable(recipe) if settings else ())
    for name in settings:
        if name not in known:
            raise recipes.unknown_setting(recipe, name, known)


def _checked(content: dict[str, Any]) -> Sweep:
    """The file's content with its types as they should be. Raises InputError."""
    named = content.get("recipes", [])
    if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
        raise InputError('recipes is {named!r}; give a list of names, such as ["vae20-mnist"].', named=named)
    seeds = content.get("seeds", 1)
    if _is(seeds, int) and seeds > MOST:
        raise InputError(
            "seeds is {seeds}, and says how many there are, at most {most:,}. Is it the seed itself? Then write [{seeds}].",
            seeds=seeds,
            most=MOST,
        )
    seeds = list(range(seeds)) if _is(seeds, int) else seeds
    if not isinstance(seeds, list) or not seeds or not all(_is(seed, int) and 0 <= seed < 2**63 for seed in seeds):
        raise InputError(
            "seeds is {content!r}; give how many, from 1 up, or a list of whole numbers.",
            content=content['seeds'],
        )
    for name in WORDS:
        if not isinstance(content.get(name, ""), str):
            raise InputError(
                "{name} is {content!r}; give a word in quotes.",
                name=name,
                content=content[name],
            )
    fixed, grid = content.get("fixed", {}), content.get("grid", {})
    for name, table in (("fixed", fixed), ("grid", grid)):
        if not isinstance(table, dict):
            raise InputError(
                "{name} is {table!r}; give a table: [{name}] on a line, and settings below it.",
                name=name,
                table=table,
            )
        for key in table:
            if key in Sweep.__dataclass_fields__:  # TOML has it in the table, if it stands anywhere below its head
                raise InputError(
                    "{key} stands below [{name}], where settings stand. Move it above the first line in brackets.",
                    key=key,
                    name=name,
                )
    for name, values in [*((name, [value]) for name, value in fixed.items()), *grid.items()]:
        if (
            not isinstance(values, list)
            or not values
            or not all(_is(value, float) or _is(value, int) and abs(value) < 2**63 for value in values)
        ):
            raise InputError(
                "The setting {name} is {values!r}; give numbers: one in [fixed], a list in [grid].",
                name=name,
                values=fixed.get(name, values),
            )
    for name in fixed:
        if name in grid:
            raise InputError(
                "The setting {name} stands in [fixed] and in [grid]; leave one of them out.",
                name=name,
            )
    for name, values in [("recipes", named), ("seeds", seeds), *grid.items()]:
        if len(set(values)) < len(values):
            raise InputError(
                "{name} has a value twice: {values}. Each would be the same run; leave one out.",
                name=name,
                values=values,
            )
    count = len(named) * len(seeds) * math.prod(map(len, grid.values()))
    if count > MOST:
        raise InputError(
            "It asks for {count:,} runs, each recipe with each seed and each point of the grid; at most {most:,} can be. Leave "
            "some out.",
            count=count,
            most=MOST,
        )
    given = {name: content[name] for name in WORDS if name in content}
    return Sweep(tuple(named), seeds=tuple(seeds), fixed=fixed, grid=grid, **given)


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def sweep(sweep: Sweep, out: str | os.PathLike, workers: int | None = None) -> dict[str, str]:
    """Run what isn't done yet, and print and store the table of medians and spread.

    Args:
        out: the sweep's folder, new or with runs of it.
        workers: processes at a time, from 1 to the number of cores; as many as there are cores (GPUs, with device =
            "cuda") if None. They share the cores: each computes with cores // workers threads.
    Returns:
        the runs that failed, by name, each with the reason. They did not keep others from running.
    Raises:
        InputError: for a number of workers, a device or a precision that there isn't, or a folder with runs of another
            sweep.
        DataError: where images can't be had that a run needs.
        SaveError: where the folder can't be written, or another process is at work on it.
        KeyboardInterrupt, Terminated: when it was stopped by hand, or by a signal; its processes have saved their state.
    """
    out, cores = Path(out), environment.usable_cores()
    if parallel.size() > 1:  # each would be at the same sweep, and its runs would wait for each other
        raise InputError("A sweep starts its processes by itself: leave torchrun out, and say --workers.")
    gpus = _gpus(sweep.device)
    precision.check(sweep.precision, sweep.device)
    most = min(cores, len(sweep.jobs()))
    workers = min(most, len(gpus) or most) if workers is None else workers
    if not 1 <= workers <= cores:
        raise InputError(
            "{workers} workers can't share this machine's cores ({cores}); give a number from 1 to {cores}.",
            workers=workers,
            cores=cores,
        )
    check_writable(out / "sweep.json")
    jobs = {job.name: job for job in sweep.jobs()}
    _check_folder(out, jobs)
    with held(out / "lock", say("the sweep in {folder}", folder=out)):
        waiting = [job for job in jobs.values() if _status(out, job) != "done"]
        # Here, so that a set that can't be had is told once, and one that must be downloaded is downloaded once.
        for name in {recipes.get(job.recipe).data for job in waiting} & data.FOLDERS.keys():
            data.load(name)
        threads = cores // workers
        told = say_of(len(jobs), "{count} run, {done} of them done", "{count} runs, {done} of them done", done=len(jobs) - len(waiting))
        each = say_of(threads, "{workers} at a time, {count} thread each.", "{workers} at a time, {count} threads each.", workers=workers)
        print(say("; ").join((told, each)), flush=True)
        pool = _Pool(out, workers, threads, gpus, len(jobs), len(jobs) - len(waiting))
        try:
            pool.work(waiting)
        except BaseException as stop:  # whatever it is: no process is left behind
            pool.stop()
            result = store(sweep, out, pool.failed)
            if not isinstance(stop, (KeyboardInterrupt, Terminated)):
                raise
            print(
                table(result["table"]),
                say("Stopped; what was trained is saved. The same line goes on from there."),
                sep="\n\n",
            )
            raise
        result = store(sweep, out, pool.failed)
        print(table(result["table"]), *_notes(out, result["runs"]), sep="\n")
    return pool.failed


class _Pool:
    """The processes of a sweep: so many at a time, each in a slot that says which GPU it sees."""

    def __init__(self, out: Path, workers: int, threads: int, gpus: list[str], total: int, done: int):
        self.out, self.threads, self.gpus, self.total, self.ended = out, threads, gpus, total, done
        self.slots: list[tuple[Job, subprocess.Popen, int] | None] = [None] * workers
        self.failed: dict[str, str] = {}
        self.elsewhere: set[str] = set()  # runs that another process was found at work on

    def work(self, jobs: list[Job]) -> None:
        """Run them all. Raises KeyboardInterrupt or Terminated when it is asked to end."""
        waiting = list(jobs)
        with asked_to_end() as asked:
            while waiting or any(self.slots):
                if name := asked(0):
                    raise Terminated(name)
                for i, slot in enumerate(self.slots):
                    if slot is not None and slot[1].poll() is not None:
                        self._end(*slot)
                        self.slots[i] = slot = None
                    if slot is None and (job := self._next(waiting)) is not None:
                        self.slots[i] = (job, *self._start(job, i))
                        waiting.remove(job)
                time.sleep(LOOK_SECONDS)

    def _next(self, waiting: list[Job]) -> Job | None:
        """The first that no other process is at work on: a sweep that was killed leaves some for a moment."""
        for job in waiting:
            if _status(self.out, job) != "running":
                return job
            if job.name not in self.elsewhere:
                self.elsewhere.add(job.name)
                print(say("{name}: another process is at work on it. Its end is waited for.", name=job.name), flush=True)
        return None

    def stop(self) -> None:
        """Ask all to save their state and end; kill those that take too long."""
        running = [slot[1] for slot in self.slots if slot is not None]
        for process in running:
            process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGTERM)
        end = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()  # its checkpoints are whole: it loses what it did since the last
                process.wait()

    def _start(self, job: Job, slot: int) -> tuple[subprocess.Popen, int]:
        """Its process, and how much its log held before. Raises SaveError, TrainingError."""
        folder = self.out / "runs" / job.name
        arguments = (
            job.begin(folder) if _status(self.out, job) is None else ["train", "--resume", str(folder)]
        )
        threads = str(self.threads)
        shared = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONUTF8": "1"}
        if self.gpus:
            shared["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        log = self.out / "logs" / f"{job.name}.txt"
        # A group of their own: Ctrl-C reaches this process alone, which then asks them to save and end.
        apart = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if os.name == "nt"
            else {"start_new_session": True}
        )
        command = [sys.executable, "-m", "chapter10.sweeps", str(self.out / "lock"), *arguments]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            file = open(log, "ab")
        except OSError as error:
            raise SaveError(
                "{path} could not be written: {value}. The sweep ends here, and what was trained is saved: free some space, or "
                "see to the right to write there; then the same line goes on.",
                path=log,
                value=error.strerror or error,
            ) from None
        with file:
            logged = file.tell()  # which moves on as the process writes
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **shared}, **apart,
                )  # fmt: skip
            except OSError as error:
                raise TrainingError(
                    "No process could be started for {name} ({value}). The sweep ends here, and what was trained is saved. Give "
                    "fewer --workers, and the same line goes on.",
                    name=job.name,
                    value=error.strerror or error,
                ) from None
        return process, logged

    def _end(self, job: Job, process: subprocess.Popen, logged: int) -> None:
        self.ended += 1
        status = _status(self.out, job)
        if status == "done":
            seconds = Run.read(self.out / "runs" / job.name).about["seconds"]
            said = say("done, {seconds:,.1f} s of training", seconds=seconds)
        else:
            self.failed[job.name] = _reason(self.out, job, process.returncode, logged)
            said = say("not done: {reason}", reason=self.failed[job.name])
        print(say("[{ended} of {total}]", ended=self.ended, total=self.total), f"{job.name}: {said}", flush=True)


def _status(out: Path, job: Job) -> str | None:
    """Of a job's run; None where it has not begun."""
    folder = out / "runs" / job.name
    return Run.read(folder).status if (folder / "run.json").exists() else None


def _reason(out: Path, job: Job, code: int, logged: int) -> str:
    """Why a process ended without being done: the last thing it said, if that is why; its log held `logged` bytes before."""
    text = (out / "logs" / f"{job.name}.txt").read_bytes()[logged:].decode(errors="replace")
    said = [line for line in text.splitlines() if line.strip()]
    if code < 0:  # on POSIX: of the signal
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        why = say("the signal {name} ended it", name=name)
        kill = name == "SIGKILL"
        return why + (say(", as a system does whose memory runs out: fewer --workers need less of it") if kill else "")
    if not said:
        return say("it ended with the code {code} and said nothing", code=code)
    if code > 2 or "Error" in said[-1].split(":")[0]:
        return said[-1]
    return say("it ended with the code {code}; the last that it said: {said}", code=code, said=said[-1])


def _gpus(device: str) -> list[str]:
    """The GPUs that runs on "cuda" are dealt out to, as CUDA_VISIBLE_DEVICES names them; none for any other device."""
    environment.check_device(device)
    if device != "cuda":
        return []
    import torch

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named or [str(i) for i in range(torch.cuda.device_count())]


def _check_folder(out: Path, jobs: dict[str, Job]) -> None:
    """Raise InputError where a run of that name was made with other settings: its figures would stand for others."""
    for name, job in jobs.items():
        try:
            plan = Run.read(out / "runs" / name).plan
        except CheckpointError:
            if (out / "runs" / name / "run.json").exists():
                raise
            continue
        wanted = {"scale": job.scale, "device": job.device, **asdict(job.changes)}
        there = {"scale": plan.scale, "device": plan.device, **asdict(plan.changes)}
        differs = [
            say("{key}: {there} there, {here} here", key=key, there=there[key], here=wanted[key])
            for key in wanted
            if there[key] != wanted[key]
        ]
        if differs:
            raise InputError(
                "{out} holds runs of another sweep: {name} has {choices}. Give another folder, or the file as it "
                "was; seeds, recipes and values of the grid may be added.",
                out=out,
                name=name,
                choices='; '.join(differs),
            )


def store(sweep: Sweep, out: Path, failed: dict[str, str]) -> dict[str, Any]:
    """Write sweep.json: each run with its scores, and the table."""
    rows = []
    for job in sweep.jobs():
        status = _status(out, job)
        row = {
            "name": job.name,
            "recipe": job.recipe,
            "setting": job.setting,
            "seed": job.seed,
            "status": status or "not begun",
        }
        if status == "done":
            about = Run.read(out / "runs" / job.name).about
            row |= {"seconds": about["seconds"], "scores": about["scores"]}
        if job.name in failed:
            row["reason"] = failed[job.name]
        rows.append(row)
    result = {"sweep": asdict(sweep), "machine": experiments.machine(), "runs": rows, "table": summary(rows)}
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomic(out / "sweep.json", text.encode())
    return result


def summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Median and spread over the seeds of each score, by recipe and setting, of the runs that are done.

    Returns:
        a dict for each: "recipe", "score", "setting", "seeds" (how many), "runs" (that the file asks for, done or not),
        "median", "quartiles" (by linear interpolation between the ordered values), "least", "greatest"; all of these are
        NaN where one of the values is not finite.
    """
    rows = list(rows)
    runs = Counter(map(_point, rows))
    groups: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        for score, value in row.get("scores", {}).items():
            key = row["recipe"], score, tuple(row["setting"].items())
            groups.setdefault(key, {"setting": row["setting"], "values": []})["values"].append(value)
    table = []
    for (recipe, score, setting), group in groups.items():
        values = group["values"] if all(map(math.isfinite, group["values"])) else [math.nan] * len(group["values"])
        first, median, third = (
            statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        )
        table.append(
            {
                "recipe": recipe,
                "score": score,
                "setting": group["setting"],
                "seeds": len(values),
                "runs": runs[recipe, setting],
                "median": median,
            }
            | {"quartiles": [first, third], "least": min(values), "greatest": max(values)}
        )
    return table


def _point(row: dict[str, Any]) -> tuple:
    """What a run shares with those of other seeds."""
    return row["recipe"], tuple(row["setting"].items())


def _notes(out: Path, runs: list[dict[str, Any]]) -> list[str]:
    """What the table does not tell: settings none of whose runs is done, and runs that are not alike."""
    done = {_point(row) for row in runs if row["status"] == "done"}
    none = {_point(row): row for row in runs if _point(row) not in done}
    lines = [
        say("None is done of {name}.", name=" ".join([row["recipe"], ", ".join(words(row["setting"]))]).strip()) for row in none.values()
    ]
    abouts = [Run.read(out / "runs" / row["name"]).about for row in runs if row["status"] == "done"]
    versions, sums = [about.get("versions") for about in abouts], {}
    for about in abouts:
        found = about.get("data", {})
        sums.setdefault(found.get("name"), []).append(found.get("sha256", {}).get("train"))
    if any(one != versions[0] for one in versions):
        lines.append(say("They were not all made with the same versions: `python -m chapter10 compare` shows which with which."))
    if any(one != of_set[0] for of_set in sums.values() for one in of_set):
        lines.append(say("They were not all trained on the same data: `python -m chapter10 compare` shows which on which."))
    return ["", *lines] if lines else []


def table(rows: list[dict[str, Any]]) -> str:
    """What `summary` gives, as text: a block for each recipe and score, a line for each setting."""
    lines, head = [], None
    left = max([len(", ".join(words(row["setting"]))) for row in rows], default=0)
    for row in sorted(rows, key=lambda row: (row["recipe"], row["score"])):
        if head != (row["recipe"], row["score"]):
            head = row["recipe"], row["score"]
            lines += ["", f"{row['recipe']}: {row['score']}"]
        first, third = row["quartiles"]
        count = say_of(row["seeds"], "{count} seed", "{count} seeds")
        if row["seeds"] < row["runs"]:
            count = say("{count} of {runs} seeds", count=row["seeds"], runs=row["runs"])
        lines.append(
            f"  {', '.join(words(row['setting'])):<{left}}  {row['median']:>10.4g}  quartiles {first:.4g} to {third:.4g}, "
            f"all {row['least']:.4g} to {row['greatest']:.4g} ({count})"
        )
    return "\n".join(lines).strip() or say("No run is done yet.")


def _end_with(lock: Path) -> None:
    """Have this process asked to end, as by a scheduler, when no sweep holds the lock any more: the one it belongs to was killed.

    Where a file system knows no locks, nobody is ever seen to hold it, and this process is left alone.
    """
    if not is_held(lock):
        return

    def watch() -> None:
        while is_held(lock):
            time.sleep(WATCH_SECONDS)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":  # as a sweep starts its runs
    from chapter10.__main__ import main

    _end_with(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
