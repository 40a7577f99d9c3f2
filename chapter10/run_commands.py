"""`python -m chapter10 train | compare | sweep`: a recipe trained, runs beside each other, many runs by one file.

Nothing of torch is imported before a command needs it: `--help` answers at once.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings

from chapter10.errors import InputError
from chapter10.language import say

# Of `train`: what a run folder is needed for, what stays as it is when a run is resumed.
OF_RUNS = ("history", "tensorboard", "every_steps", "every_minutes", "keep")
OF_WEIGHTS = ("out", "checkpoint")
FIXED = (
    "precision",
    "compile",
    "name",
    "scale",
    "seed",
    "device",
    "epochs",
    "batch_size",
    "lr",
    "settings",
    *OF_RUNS,
    *OF_WEIGHTS,
    "run_folder",
)


def add_parsers(commands) -> None:
    """Hang `train`, `compare` and `sweep` into a command line; each sets `run`, a function options -> exit code."""
    _add_train(commands)
    _add_compare(commands)
    _add_sweep(commands)


def _add_train(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a recipe and store its weights",
        description="Train a recipe. With --folder all that a run leaves goes into a folder, and --resume goes on with it; "
        "without, the weights alone are stored. Several processes train one model: torchrun --nproc-per-node N -m chapter10 "
        "train NAME ... (one GPU each with --device cuda; several machines by torchrun's rendezvous); the batch is shared "
        "out among them, and the first one writes.",
    )
    parser.add_argument("name", nargs="?", help="a name from `list`")
    parser.add_argument("--scale", help="smoke, quick (default) or full")
    parser.add_argument("--seed", type=int, help="0 by default")
    parser.add_argument("--device", help="such as cuda, with torchrun one GPU for each process; cpu by default")
    changes = parser.add_argument_group("otherwise than the recipe has it")
    changes.add_argument("--epochs", type=int, help="in place of the scale's")
    changes.add_argument("--batch-size", type=int, metavar="B")
    changes.add_argument("--lr", type=float, metavar="RATE", help="the highest of its warm-up and cosine")
    changes.add_argument(
        "--set",
        dest="settings",
        action="append",
        metavar="NAME=VALUE",
        help="a weight of the method, such as beta=4 of a VAE, r1=1 of a GAN; may be given several times",
    )
    changes.add_argument("--precision", help="float32 (default), bfloat16 or, on a GPU, tf32")
    changes.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="have torch compile the networks; the first steps take long",
    )
    runs = parser.add_argument_group("a run folder")
    runs.add_argument(
        "--folder", dest="run_folder", metavar="FOLDER", help="new or empty; gets all that the run leaves"
    )
    runs.add_argument(
        "--resume", metavar="FOLDER", help="go on with the run there, by its own settings: give nothing else"
    )
    runs.add_argument("--history", help="jsonl (default) or csv")
    runs.add_argument("--tensorboard", action="store_true", default=None, help="write its events too")
    runs.add_argument(
        "--every-steps", type=int, metavar="N", help="a checkpoint after each N steps, not each epoch"
    )
    runs.add_argument(
        "--every-minutes", type=float, metavar="M", help="a checkpoint each M minutes, not each epoch"
    )
    runs.add_argument("--keep", type=int, metavar="K", help="how many checkpoints stay (3)")
    weights = parser.add_argument_group("without a run folder")
    weights.add_argument("--out", help="where to write the weights (default: the package's own)")
    weights.add_argument(
        "--checkpoint", help="a file written after each epoch; if there, training goes on from it"
    )
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from chapter10 import processes
    from chapter10.checkpoints import CheckpointWarning

    shown = warnings.showwarning

    def show(message, category, *where) -> None:
        """Of the package's own, which line of it warns is of no use to who trains."""
        if issubclass(category, CheckpointWarning):
            print(f"{category.__name__}: {message}", file=sys.stderr, flush=True)
        else:
            shown(message, category, *where)

    with processes.joined(), warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        warnings.showwarning = show
        _check_together(options)
        return _begin(options) if options.resume is None else _resume(options.resume)


def _begin(options: argparse.Namespace) -> int:
    from chapter10 import environment, parallel, precision, recipes

    scale, seed, device = options.scale or "quick", options.seed or 0, options.device or "cpu"
    changes = recipes.Changes(
        options.epochs,
        options.batch_size,
        options.lr,
        _settings(options.settings or []),
        options.precision or "float32",
        bool(options.compile),
    )
    # A slip of the pen is told before anything begins.
    recipe = recipes.changed(recipes.get(options.name), scale, changes)
    parallel.check_rows(recipe.batch_size)
    found = environment.setup(seed=seed, scale=scale, device=parallel.own_device(device))
    precision.check(changes.precision, found.device)
    if parallel.rank() > 0:
        recipes.take_part(recipe, scale, seed, device)
        return 0
    if options.run_folder is None:
        _, about = recipes.train(options.name, scale, seed, device, options.out, options.checkpoint, changes)
        print(f"Stored: {options.out or recipes.weights_path(options.name).name}")
        _show_scores(about["scores"])
        return 0

    from chapter10 import runs

    plan = runs.Plan(
        options.name,
        scale,
        seed,
        device,
        changes,
        history=options.history or "jsonl",
        tensorboard=bool(options.tensorboard),
        every_steps=options.every_steps,
        every_seconds=None if options.every_minutes is None else 60 * options.every_minutes,
        keep=3 if options.keep is None else options.keep,
    )
    _show_run(runs.train(plan, options.run_folder))
    return 0


def _resume(folder: str) -> int:
    from chapter10 import environment, parallel, recipes, runs

    plan, done = parallel.from_first(lambda: _plan_and_whether_done(folder))
    if done:
        if parallel.rank() == 0:
            _show_run(runs.resume(folder))
        return 0
    # The last bit of a sum hangs on the number of threads; here there may be fewer.
    threads = min(plan.threads, environment.usable_cores())
    recipe = plan.made()
    parallel.check_rows(recipe.batch_size)
    device = parallel.own_device(plan.device)
    try:
        environment.check_device(device)
    except InputError as error:
        raise InputError(
            "The run in {folder} began on {device}: go on with it where that is, or put another device into its run.json, and "
            "the last digits of what it comes to will differ. {error}",
            folder=folder,
            device=plan.device,
            error=error,
        ) from None
    environment.setup(seed=plan.seed, scale=plan.scale, device=device, threads=threads)
    if parallel.rank() > 0:
        recipes.take_part(recipe, plan.scale, plan.seed, plan.device)
        return 0
    _show_run(runs.resume(folder))
    return 0


def _plan_and_whether_done(folder: str):
    from chapter10 import runs

    run = runs.Run.read(folder)
    return run.plan, run.about["status"] == "done"


def _check_together(options: argparse.Namespace) -> None:
    """Raise InputError for options that exclude each other, or can't be."""
    empty = [name for name in (*FIXED, "resume") if getattr(options, name) == ""]
    if empty:  # as of a variable of the shell that is not set: the default, or the folder one is in, is not what was meant
        raise InputError(
            "An empty text was given for {choices}: give a value, or leave it out.",
            choices=", ".join(map(_flag, empty)),
        )
    if options.every_minutes is not None and not 0 < 60 * options.every_minutes < math.inf:
        raise InputError(
            "--every-minutes is {minutes:g}; give a number of minutes above 0, such as 10.",
            minutes=options.every_minutes,
        )
    if options.resume is not None:
        given = [name for name in FIXED if getattr(options, name) is not None]
        if given:
            raise InputError(
                "--resume goes on with a run by the settings that it began with: leave out {choices}. For a run "
                "with other settings give --folder and a new folder.",
                choices=", ".join(map(_flag, given)),
            )
        return
    if options.name is None:
        raise InputError(
            "Which recipe is to be trained? Give its name (python -m chapter10 list), or --resume FOLDER."
        )
    if options.run_folder is None:
        given = [name for name in OF_RUNS if getattr(options, name) is not None]
        if given:
            raise InputError(
                "{choices} can only be had in a run folder: give --folder FOLDER too.",
                choices=", ".join(map(_flag, given)),
            )
    else:
        given = [name for name in OF_WEIGHTS if getattr(options, name) is not None]
        if given:
            raise InputError(
                "A run folder has its own weights and checkpoints: leave out {choices}.",
                choices=", ".join(map(_flag, given)),
            )


def _flag(name: str) -> str:
    return {"name": say("the name"), "settings": "--set", "run_folder": "--folder"}.get(
        name, f"--{name.replace('_', '-')}"
    )


def _settings(given: list[str]) -> dict[str, float]:
    """Raises InputError for what is not NAME=NUMBER."""
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise InputError(
                "--set was given {one!r}; give a name and a number, such as --set beta=4.",
                one=one,
            ) from None
    return found


def _show_run(run) -> None:
    print(say("Stored: {folder} (its page: {page})", folder=run.folder, page=run.folder / "report.html"))
    _show_scores(run.about["scores"])


def _show_scores(scores: dict[str, float]) -> None:
    for key, value in scores.items():
        print(f"  {key}: {value:.4f}")


def _add_compare(commands) -> None:
    parser = commands.add_parser(
        "compare", help="runs beside each other: a table, and a picture of their losses"
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder; it may still be going on")
    parser.add_argument(
        "--out", default="comparison.png", help="where to write the picture (default: %(default)s)"
    )
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from chapter10 import compare

    runs = compare.read(options.runs)
    print(compare.table(runs))
    compare.picture(runs, options.out)
    return 0


def _add_sweep(commands) -> None:
    parser = commands.add_parser(
        "sweep",
        help="train recipes over seeds and settings, by one file",
        description="Each run is a process of its own in OUT/runs. Called again, it goes on: runs that are done stay, "
        "stopped ones are resumed. chapter10/sweeps.py describes the file.",
    )
    parser.add_argument("file", metavar="FILE.toml", help="recipes, scale, seeds and a grid of settings")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the sweep's folder")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="runs at a time, at most one for each core (default)"
    )
    parser.set_defaults(run=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    from chapter10 import sweeps

    failed = sweeps.sweep(sweeps.read(options.file), options.out, options.workers)
    for name, reason in failed.items():
        print(f"Failed: {name}: {reason}", file=sys.stderr)
    return 1 if failed else 0
