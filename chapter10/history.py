"""A training's history as it goes on: a row an epoch, as JSON lines, as CSV, and as events for TensorBoard."""

import csv
import io
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from chapter10.checkpoints import warn
from chapter10.errors import CheckpointError, InputError, SaveError
from chapter10.files import unreadable, write_atomic
from chapter10.language import say
from chapter10.training import Progress

KINDS = ("jsonl", "csv")
Row = dict[str, float]


class HistoryFile:
    """A callback of `training.fit` that adds each row to a file; what stood there before is written anew at the first.

    Where a row can't be written, as on a full disk, a warning says so, and the whole file is written at the next.

    Args:
        path: its ending says how: ".jsonl", an object a line, or ".csv".
    """

    def __init__(self, path: Path):
        self.path = path
        self.count: int | None = None  # rows that the file is known to hold

    def __call__(self, progress: Progress) -> None:
        rows = progress.history.rows
        try:
            if self.count is None or self.count != len(rows) - 1:
                self.write(rows)
                return
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(self._lines(rows[-1:], first=False))
        except OSError as error:
            self.count = None  # the file may end in a piece of a row
            go_on_without(self.path, error)
        else:
            self.count += 1

    def write(self, rows: list[Row]) -> None:
        """The whole file anew. Raises SaveError."""
        write_atomic(self.path, self._lines(rows, first=True).encode())
        self.count = len(rows)

    def _lines(self, rows: list[Row], first: bool) -> str:
        if self.path.suffix == ".jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([list(rows[0])] * (first and bool(rows)) + [list(row.values()) for row in rows])
        return text.getvalue()


def go_on_without(path: Path, error: OSError) -> None:
    """Warn that something beside the checkpoints could not be written: no reason to end hours of work."""
    said = (
        error
        if isinstance(error, SaveError)
        else say("{path} could not be written: {value}.", path=path, value=error.strerror or error)
    )
    warn(say("{error} Training goes on, and tries again after a later epoch.", error=said))


def read_history(path: Path) -> list[Row]:
    """The rows in a file of `HistoryFile`; none where there is no file. A last line that was cut off is left out.

    Raises:
        CheckpointError: for any other line that is no row, or a file that can't be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        # A row counts from its line's end on.
        lines = content[: content.rfind(b"\n") + 1].decode().splitlines()
        rows = (
            [json.loads(line) for line in lines] if path.suffix == ".jsonl" else list(csv.DictReader(lines))
        )
        return [_row(row, rows[0]) for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        raise CheckpointError(
            "{path} holds a line that is no row of a history ({error}). Was it changed by hand?",
            path=path,
            error=error,
        ) from None


def _row(row: Any, first: Any) -> Row:
    """A row with numbers for their texts. Raises ValueError or TypeError for what is none, or has not the first one's columns."""
    if not isinstance(row, dict) or row.keys() != first.keys():
        raise ValueError(say("its columns are not those of the first"))
    return {name: _number(value) for name, value in row.items()}


def _number(value: Any) -> float:
    if isinstance(value, (int, float)):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else float(value)


class TensorBoard:
    """A callback of `training.fit` that writes each row as events of TensorBoard; those of an earlier session are replaced.

    Where they can't be written, as on a full disk, a warning says so, and all are written anew after a later epoch.
    """

    def __init__(self, folder: Path):
        self.folder, self.writer, self._hook = folder, None, None

    def __call__(self, progress: Progress) -> None:
        try:
            self._write(progress.history.rows)
        except OSError as error:
            self._leave()
            go_on_without(self.folder / "events.out.tfevents", error)

    def _write(self, rows: list[Row]) -> None:
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            for old in self.folder.glob("events.out.tfevents.*"):
                os.unlink(old)
            self._listen()
            self.writer = SummaryWriter(str(self.folder))
            new = rows
        else:
            new = rows[-1:]
        for row in new:
            for name, value in row.items():
                if name != "step":
                    self.writer.add_scalar(name, value, row["step"])
        self.writer.flush()

    def _listen(self) -> None:
        """The writer's own thread ends in what went wrong, and its next call raises that anew: once is enough to hear of it."""
        if self._hook is not None:
            return
        before = self._hook = threading.excepthook

        def hook(arguments: Any) -> None:
            if not (
                isinstance(arguments.exc_value, OSError)
                and type(arguments.thread).__module__.startswith("tensorboard.")
            ):
                before(arguments)

        threading.excepthook = hook

    def _leave(self) -> None:
        """The next row is given to a new writer, with all those before it: one that has met an error takes no more."""
        if self.writer is not None:
            with suppress(OSError):  # the same error again, or what is still unwritten
                self.writer.close()
        self.writer = None

    def close(self) -> None:
        self._leave()
        if self._hook is not None:
            threading.excepthook, self._hook = self._hook, None


def check_tensorboard() -> None:
    """Raise InputError where events can't be written."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise InputError(
            'Events for TensorBoard were asked for, and it is not installed. Install it: pip install "tensorboard>=2.14", '
            "or leave --tensorboard out: the history is a file of its own."
        ) from None
