"""Runs beside each other: one table, and one picture of their losses. A run that is still going on is read as far as it is."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from chapter10 import figures, report
from chapter10.errors import CheckpointError, InputError
from chapter10.files import write_atomic
from chapter10.language import say
from chapter10.runs import Run

LONG = 20  # characters of a run's name, beyond which its column has a number
LEAST_WIDTH = 60  # characters of a terminal, however narrow it says it is


def read(folders: Sequence[str | os.PathLike]) -> list[Run]:
    """The runs in these folders. Raises CheckpointError."""
    for folder in folders:
        if (Path(folder) / "sweep.json").is_file():
            raise CheckpointError(
                "{folder} is a sweep's, and {table} has its table. To see runs of it beside each other give their folders, which "
                "are in {runs}.",
                folder=folder,
                table=Path(folder) / "sweep.json",
                runs=Path(folder) / "runs",
            )
    return [Run.read(folder) for folder in folders]


def names(runs: Sequence[Run]) -> list[str]:
    """A name for each: its folder's, with as many of the folders above as tell them apart."""
    paths = [Path(run.folder).resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        found = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(found)) == len(set(paths)):
            return found
    return found


def facts(run: Run) -> dict[str, str]:
    """What is to be compared, in the order in which it is shown: settings, how far, scores."""
    about, rows = run.about, run.rows()
    plan, recipe = about["plan"], about.get("recipe", {})
    found = {"recipe": plan["recipe"], "scale": plan["scale"], "seed": str(plan["seed"])}
    if recipe:
        found |= {"batch size": str(recipe["batch_size"]), "rate": f"{recipe['lr']:g}"}
        found |= {name: f"{value:g}" for name, value in recipe["constants"].items()}
        found |= {"precision": recipe["precision"]} if recipe.get("precision", "float32") != "float32" else {}
    found |= {
        "status": run.status,
        "epochs": f"{len(rows)} of {recipe['epochs']}" if recipe else str(len(rows)),
        "steps": f"{rows[-1]['step']:,}" if rows else "0",
        "seconds": f"{rows[-1]['seconds']:,.1f}" if rows else "0",
        "device": plan["device"],
        "threads": str(plan["threads"]),
    }
    found |= {f"version of {name}": value for name, value in about.get("versions", {}).items()}
    found |= {f"data, {name}": value[:12] for name, value in about.get("data", {}).get("sha256", {}).items()}
    found |= {part: f"{rows[-1][part]:.4g}" for part in report.parts_of(rows)}
    return found | {f"test: {name}": f"{value:.4g}" for name, value in about.get("scores", {}).items()}


def table(runs: Sequence[Run], width: int | None = None) -> str:
    """A line for each fact and a column for each run; of versions, data and device only what is not the same in all.

    Args:
        width: characters of a line, the terminal's if None; runs that don't fit beside the others follow below. Long
            names stand on top, with the numbers that their columns have. Below it all stands why a run failed.
    """
    width = max(width or shutil.get_terminal_size().columns, LEAST_WIDTH)
    found, called = [facts(run) for run in runs], names(runs)
    lines = [line for line in _order(found) if _told(line, found)]
    text = []
    if max(map(len, called)) > LONG:
        text = [*(f"{i}: {name}" for i, name in enumerate(called, 1)), ""]
        called = [f"({i})" for i in range(1, len(called) + 1)]
    left = max(map(len, lines))
    block: list[tuple[str, dict[str, str], int]] = []
    for name, of_run in zip(called, found):
        needed = max(len(name), *(len(of_run.get(line, "")) for line in lines)) + 2
        if block and left + sum(used for _, _, used in block) + needed > width:
            text += [*_block(lines, left, block), ""]
            block = []
        block.append((name, of_run, needed))
    text += _block(lines, left, block)
    why = {name: run.about["reason"] for name, run in zip(names(runs), runs) if run.status == "failed" and "reason" in run.about}
    return "\n".join([*text, *[""] * bool(why), *(f"{name}: {reason}" for name, reason in why.items())])


def _order(found: list[dict[str, str]]) -> list[str]:
    """All names in an order that keeps each run's: a run's own stand after what they follow there."""
    lines: list[str] = []
    for facts in found:
        place = 0
        for name in facts:
            if name in lines:
                place = lines.index(name) + 1
            else:
                lines.insert(place, name)
                place += 1
    return lines


def _told(line: str, found: list[dict[str, str]]) -> bool:
    """Whether a line says something: of what should be the same in all, only what is not."""
    same = len({facts.get(line) for facts in found}) == 1
    return not (same and line.startswith(("version of", "data, ", "device", "threads")))


def _block(lines: list[str], left: int, block: list[tuple[str, dict[str, str], int]]) -> list[str]:
    """The lines that say something of these runs, as text."""
    text = [" " * left + "".join(name.rjust(width) for name, _, width in block)]
    for line in lines:
        if any(line in of_run for _, of_run, _ in block):
            text.append(
                line.ljust(left) + "".join(of_run.get(line, "").rjust(width) for _, of_run, width in block)
            )
    return [line.rstrip() for line in text]


def picture(runs: Sequence[Run], path: str | os.PathLike) -> None:
    """Draw the losses of all runs over their steps into a PNG.

    Raises:
        InputError: for a name that promises another kind of picture; where no run has finished an epoch.
        SaveError: where it can't be written.
    """
    if Path(path).suffix.lower() != ".png":
        raise InputError(
            "The picture is a PNG, and {path!r} is not named so. Give a name that ends in .png, such as {example}.",
            path=str(path),
            example=Path(path).with_suffix(".png") if Path(path).name else "comparison.png",
        )
    if not any(run.status == "running" or run.rows() for run in runs):
        raise InputError("There is nothing to draw: no run has finished an epoch, and none is going on.")
    drawn = [
        (name, run.about.get("recipe", {}).get("form", ""), run.rows())
        for name, run in zip(names(runs), runs)
    ]
    write_atomic(path, figures.png(report.curves(drawn)))
    print(say("Drawn: {path}", path=path))
