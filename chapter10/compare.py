"""Runs beside each other: one table, and one picture of their losses. A run that is still going on is read as far as it is."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from chapter10 import figures, report
from chapter10.files import write_atomic
from chapter10.runs import Run

LEAST_WIDTH = 60  # characters of a terminal, however narrow it says it is


def read(folders: Sequence[str | os.PathLike]) -> list[Run]:
    """The runs in these folders. Raises CheckpointError."""
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
    found |= {
        "status": run.status,
        "epochs": f"{len(rows)} of {recipe['epochs']}" if recipe else str(len(rows)),
        "steps": f"{rows[-1]['step']:,}" if rows else "0",
        "seconds": f"{rows[-1]['seconds']:,.1f}" if rows else "0",
        "device": f"{plan['device']}, {plan['threads']} threads",
    }
    found |= {f"version of {name}": value for name, value in about.get("versions", {}).items()}
    found |= {f"data, {name}": value[:12] for name, value in about.get("data", {}).get("sha256", {}).items()}
    found |= {part: f"{rows[-1][part]:.4g}" for part in report.parts_of(rows)}
    return found | {f"test: {name}": f"{value:.4g}" for name, value in about.get("scores", {}).items()}


def table(runs: Sequence[Run], width: int | None = None) -> str:
    """A line for each fact and a column for each run; of versions, data and device only what is not the same in all.

    Args:
        width: characters of a line, the terminal's if None; runs that don't fit beside the others follow below.
    """
    width = max(width or shutil.get_terminal_size().columns, LEAST_WIDTH)
    columns = list(zip(names(runs), map(facts, runs)))
    lines = [
        line
        for line in _order([found for _, found in columns])
        if _told(line, [found for _, found in columns])
    ]
    left = max(map(len, lines))
    text, block, used = [], [], left
    for name, found in columns:
        needed = max(len(name), *(len(found.get(line, "")) for line in lines)) + 2
        if block and used + needed > width:
            text += [*_block(lines, left, block), ""]
            block, used = [], left
        block.append((name, found, needed))
        used += needed
    return "\n".join(text + _block(lines, left, block))


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
    return not (same and line.startswith(("version of", "data, ", "device")))


def _block(lines: list[str], left: int, block: list[tuple[str, dict[str, str], int]]) -> list[str]:
    head = " " * left + "".join(name.rjust(width) for name, _, width in block)
    rows = [
        line.ljust(left) + "".join(found.get(line, "").rjust(width) for _, found, width in block)
        for line in lines
    ]
    return [text.rstrip() for text in [head, *rows]]


def picture(runs: Sequence[Run], path: str | os.PathLike) -> None:
    """Draw the losses of all runs over their steps into a PNG. Raises InputError where no run has finished an epoch."""
    drawn = [
        (name, run.about.get("recipe", {}).get("form", ""), run.rows())
        for name, run in zip(names(runs), runs)
    ]
    write_atomic(path, figures.png(report.curves(drawn)))
    print(f"Drawn: {path}")
