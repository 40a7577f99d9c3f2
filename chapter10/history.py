"""A training's history as it goes on: a row an epoch, as JSON lines, as CSV, and as events for TensorBoard."""

import csv
import io
import json
import os
from pathlib import Path

from chapter10.errors import CheckpointError, InputError, SaveError
from chapter10.files import write_atomic
from chapter10.training import Progress

KINDS = ("jsonl", "csv")
Row = dict[str, float]


class HistoryFile:
    """A callback of `training.fit` that adds each row to a file; what stood there before is written anew at the first.

    Args:
        path: its ending says how: ".jsonl", an object a line, or ".csv".
    """

    def __init__(self, path: Path):
        self.path = path
        self.count: int | None = None  # rows that the file is known to hold

    def __call__(self, progress: Progress) -> None:
        rows = progress.history.rows
        if self.count is None or self.count != len(rows) - 1:
            self.write(rows)
            return
        try:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(self._lines(rows[-1:], first=False))
        except OSError as error:
            raise SaveError(
                "{path} could not be written: {value}. What was trained is in the checkpoint; free some space, "
                "then go on with --resume.",
                path=self.path,
                value=error.strerror or error,
            ) from None
        self.count += 1

    def write(self, rows: list[Row]) -> None:
        """The whole file anew."""
        write_atomic(self.path, self._lines(rows, first=True).encode())
        self.count = len(rows)

    def _lines(self, rows: list[Row], first: bool) -> str:
        if self.path.suffix == ".jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([list(rows[0])] * (first and bool(rows)) + [list(row.values()) for row in rows])
        return text.getvalue()


def read_history(path: Path) -> list[Row]:
    """The rows in a file of `HistoryFile`; none where there is no file. A last line that was cut off is left out.

    Raises:
        CheckpointError: for any other line that is no row.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a row counts from its line's end on
    except FileNotFoundError:
        return []
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in lines]
        return [{name: _number(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            "{path} holds a line that is no row of a history ({error}). Was it changed by hand?",
            path=path,
            error=error,
        ) from None


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


class TensorBoard:
    """A callback of `training.fit` that writes each row as events of TensorBoard; those of an earlier session are replaced."""

    def __init__(self, folder: Path):
        self.folder, self.writer = folder, None

    def __call__(self, progress: Progress) -> None:
        rows = progress.history.rows
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            for old in self.folder.glob("events.out.tfevents.*"):
                os.unlink(old)
            self.writer = SummaryWriter(str(self.folder))
            new = rows
        else:
            new = rows[-1:]
        for row in new:
            for name, value in row.items():
                if name != "step":
                    self.writer.add_scalar(name, value, row["step"])
        self.writer.flush()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def check_tensorboard() -> None:
    """Raise InputError where events can't be written."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise InputError(
            'Events for TensorBoard were asked for, and it is not installed. Install it: pip install "tensorboard>=2.14", '
            "or leave --tensorboard out: the history is a file of its own."
        ) from None
