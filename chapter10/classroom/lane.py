"""A process that looks after one submission at a time: starts the submission's own process, watches it, ends it.

On Linux the lane imports torch and looks at each task's own code once, and a submission's process is forked from it, in some
hundredths of a second; elsewhere, where a fork of a process with torch isn't safe, it is started anew. A lane holds no other
submission while one runs, so that there is nothing of a neighbour's in the memory that a fork inherits.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from multiprocessing import connection as connections
from multiprocessing import get_context
from typing import Any

from chapter10.classroom.child import Limits
from chapter10.classroom.reading import Cell
from chapter10.exercises.task import load

FORKS = sys.platform == "linux"
START = 180.0  # seconds that a process may take to start, where it imports torch itself
SENT = 1_000_000  # bytes that a submission's process may send
KINDS = {"right", "unanswered", "mistake", "near", "stopped", "late", "changed", "missing", "fault"}
Tell = Callable[[dict[str, Any]], None]


def main(parent, limits: Limits) -> None:
    """Grade what comes through `parent`, one (cells, tasks) after the other, until it is closed.

    What goes back: a dict for each task (`_verdict`), then {"done": True}.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, whose end of the pipe then closes
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # autograd can't be forked once it has threads for a GPU
    import torch

    torch.set_num_threads(1)
    from chapter10.classroom import child

    while True:
        try:
            cells, tasks = parent.recv()
        except (EOFError, OSError):
            return
        try:
            if FORKS:
                for name in tasks:
                    child.warm(load(name))
            _grade(cells, tasks, limits, parent)
        except Gone:
            return
        parent.send({"done": True})
        del cells


class Gone(Exception):
    """Who asked for the grading has ended."""


def _grade(cells: list[Cell], tasks: list[str], limits: Limits, parent) -> None:
    left = list(tasks)
    while left:
        at, ended = _one_process(cells, left, limits, parent)
        if left:
            task = at if at in left else left[0]
            left.remove(task)
            parent.send({**_verdict(task, *ended), "restarted": True})


def _one_process(cells: list[Cell], left: list[str], limits: Limits, parent) -> tuple[str, tuple]:
    """Run a submission's process over the tasks that are left; those it answers are taken from the list and sent on.

    Returns the task at which it ended, and what became of that (kind, sentence, seconds, remarks).
    """
    context = get_context("fork" if FORKS else "spawn")
    reader, writer = context.Pipe(duplex=False)
    folder = tempfile.mkdtemp(prefix="chapter10-")
    from chapter10.classroom import child

    process = context.Process(target=child.main, args=(writer, cells, list(left), _given(left[0][:2]), folder, limits))
    at, tried, began, late = "", [], time.monotonic(), False
    process.start()
    writer.close()
    lines = _Lines(reader)
    deadline = began + START
    try:
        while left:
            ready = connections.wait([reader, parent], max(0.0, deadline - time.monotonic()))
            if parent in ready:
                raise Gone
            late = not ready
            if late or lines.over:
                break
            for line in lines.read():
                if line.get("begin") in left:
                    at, tried, began = line["begin"], [], time.monotonic()
                    deadline = began + wall(at, limits.seconds)
                elif "tried" in line:
                    tried = [*tried, str(line["tried"])[:200]][:10]
                elif at and line.get("task") == at and line.get("kind") in KINDS:
                    left.remove(at)
                    parent.send(_plain(line, tried))
                    at, tried = "", []
        return at, _became(process, late, time.monotonic() - began, tried, lines.over)
    finally:
        _end(process)
        reader.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Lines:
    """Lines of JSON from a process that may send anything: read without waiting, and only up to a size."""

    def __init__(self, reader) -> None:
        self.reader, self.begun, self.count, self.over = reader, b"", 0, False
        if sys.platform != "win32":
            os.set_blocking(reader.fileno(), False)

    def read(self) -> list[dict[str, Any]]:
        """The dicts in what has come; `over` is set where nothing more will."""
        try:
            if sys.platform == "win32":
                found = self.reader.recv_bytes(SENT)
            else:
                found = os.read(self.reader.fileno(), 65536)
        except BlockingIOError:
            return []
        except (EOFError, OSError):
            found = b""
        self.count += len(found)
        self.over = not found or self.count > SENT
        *whole, self.begun = (self.begun + found).split(b"\n")
        read = []
        for line in whole:
            with contextlib.suppress(ValueError, RecursionError):  # no line of ours: somebody else wrote into the pipe
                read.append(json.loads(line))
        return [line for line in read if isinstance(line, dict)]


def wall(task: str, seconds: float) -> float:
    """Seconds on the wall after which a process is ended: what was asked for, and never less than the task itself allows."""
    own = load(task).seconds
    return max(seconds, 2 * own + 5) + (0 if FORKS else 60)  # started anew, it looks at the known mistakes itself


def _plain(line: dict[str, Any], tried: list[str]) -> dict[str, Any]:
    remarks = line.get("remarks")
    remarks = [str(remark)[:300] for remark in remarks[:10]] if isinstance(remarks, list) else []
    seconds = line.get("seconds")
    seconds = float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e6 else 0.0
    found = _verdict(line["task"], line["kind"], str(line.get("text", ""))[:1500], seconds, [*remarks, *tried])
    return {**found, "mistake": str(line.get("mistake", ""))[:200]}


def _verdict(task: str, kind: str, text: str, seconds: float, remarks: list[str]) -> dict[str, Any]:
    return {"task": task, "kind": kind, "text": text, "mistake": "", "seconds": round(seconds, 2), "remarks": remarks}


def _became(process, late: bool, seconds: float, tried: list[str], over: bool) -> tuple[str, str, float, list[str]]:
    if late:
        return "late", f"Ended from outside after {seconds:.0f} s: it didn't stop when its time was over.", seconds, tried
    if over:
        process.join(5)
    code = process.exitcode
    if code is None:
        return "crash", "Its code closed or flooded the way to the grader; it was ended.", seconds, tried
    if code < 0:
        name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
        why = {"SIGKILL": ": memory ran out, most likely", "SIGXCPU": ": its computing time was over"}.get(name, "")
        return "crash", f"Its code crashed the process ({name}{why}).", seconds, tried
    return "crash", f"Its code ended the process (exit code {code}).", seconds, tried


def _end(process) -> None:
    """End a submission's process and all that it may have started."""
    if sys.platform != "win32" and process.pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is no group yet
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(10)


@cache
def _given(number: str) -> frozenset[str]:
    """Sources of a notebook's code cells as it is published; none outside a clone."""
    from chapter10.authoring import texts
    from chapter10.classroom.reading import read

    folder = texts.ROOT / "notebooks"
    found = [read(path, folder).cells for path in folder.glob(f"{number}_*.ipynb")]
    return frozenset(cell.source.strip() for cells in found for cell in cells)
