"""The process of one submission: limits on what it takes, a guard on what it opens, the verdicts as lines of JSON.

The limits are the system's own, and hold whatever the code does; so does Landlock, where the kernel knows it. The guard is
Python's audit hook: it sees what goes through Python, says what was tried, and keeps honest code and simple tricks from files,
the network and other processes on every system; code written to get round it can.
"""

import contextlib
import ctypes
import json
import os
import re
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chapter10 import data
from chapter10.classroom import answers, landlock
from chapter10.classroom.reading import Cell
from chapter10.errors import Chapter10Error, InputError, NoAnswer
from chapter10.exercises import judging, sandbox
from chapter10.exercises.record import VARIABLE
from chapter10.exercises.task import Task, load

FILE_BYTES = 50_000_000  # the largest file that a submission may write
REMARKS = 5  # so many different attempts are told
READING = ("open", "os.listdir", "os.scandir", "os.chdir", "glob.glob")
WRITING = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr", "os.removexattr", "shutil.move", "shutil.rmtree", "shutil.chown", "sqlite3.connect",
)  # fmt: skip
# What the system's own libraries read when they are first needed; Landlock would refuse it to them too.
SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/fs/cgroup",
)  # fmt: skip
FORBIDDEN = {
    "socket": "the network",
    "subprocess": "another program",
    "os.system": "another program",
    "os.exec": "another program",
    "os.posix_spawn": "another program",
    "os.spawn": "another program",
    "os.startfile": "another program",
    "os.fork": "another process",
    "os.forkpty": "another process",
    "pty": "another process",
    "os.kill": "a signal to a process",
    "os.killpg": "a signal to a process",
    "ctypes": "compiled code by hand (ctypes)",
    "resource": "the limits on its process",
    "winreg": "the registry",
}


@dataclass(frozen=True)
class Limits:
    """What one process may take.

    Args:
        seconds: a task's time on the wall; who watches the process ends it then.
        megabytes: memory beyond what the idle process holds.
        closed: folders in which nothing may be read, whatever else is allowed: the other submissions.
    """

    seconds: float
    megabytes: int
    closed: tuple[str, ...] = ()


def main(connection, cells: list[Cell], tasks: list[str], given: frozenset[str], folder: str, limits: Limits) -> None:
    """Judge some tasks of a submission; each verdict is sent as soon as it is known. Runs in a process of its own.

    Args:
        connection: where the lines go.
        cells: the submission's code.
        tasks: their names, in order.
        given: sources that the notebook had from the start.
        folder: an empty one, the only one in which it may write.
    """
    _alone(connection.fileno())
    torch.set_num_threads(1)
    send = _sender(connection)
    loaded = [load(name) for name in tasks]
    for task in loaded:
        warm(task, mistakes=False)
    os.chdir(folder)
    os.environ[VARIABLE] = os.path.join(folder, "progress.jsonl")  # for a check in an answer's cell
    tempfile.tempdir = folder
    limit(limits, len(tasks))
    landlock.restrict([*_libraries(), *_data_folders(), *SYSTEM], [folder, os.devnull])
    guard(folder, limits.closed, lambda what: send({"tried": what}))
    for task in loaded:
        send({"begin": task.name})
        started = time.perf_counter()
        found = verdict(task, cells, given)
        send({**found, "seconds": round(time.perf_counter() - started, 2)})


def warm(task: Task, mistakes: bool = True) -> None:
    """Look at a task's own code, so that a process forked from this one needn't."""
    codes = [task.solution, task.stub, *((other.code for other in (*task.also, *task.mistakes)) if mistakes else ())]
    with contextlib.suppress(InputError):  # a fault of the task: `judge` says it of every answer
        for code in codes:
            judging.sight_of(task, code)


def verdict(task: Task, cells: list[Cell], given: frozenset[str]) -> dict[str, Any]:
    """The verdict on a task's answer among a submission's cells, as plain data."""
    answer = answers.find(task, cells, given)
    if answer is None:
        return _said(task, "missing", f"No cell answers it: {', '.join(task.answers)} is not defined anywhere.")
    remarks = list(answer.remarks)
    if answers.same(answer.code, task.stub):
        return _said(task, "unanswered", task.unanswered, remarks=remarks)

    if answer.before:
        remarks.append(f"with {len(answer.before)} other cell{'s' * (len(answer.before) > 1)} of the student's")
    before = "".join(map(_tolerant, answer.before))
    outcome = sandbox.run(lambda: task.run(before + answer.code), task.seconds)
    if isinstance(outcome.error, Exception) and not isinstance(outcome.error, (SyntaxError, InputError)):
        again = sandbox.run(lambda: task.run(before + _tolerant(answer.code)), task.seconds)
        if again.error is None:  # as in a notebook: what was defined before it stopped is there
            remarks.append(f"graded up to where it stops: {_stopped(outcome)}")
            outcome = again
    if outcome.late:
        return _said(task, "late", f"Its cell did not come to an end in {task.seconds:g} s.", remarks=remarks)
    if outcome.error is not None:
        return _said(task, "stopped", _stopped(outcome), remarks=remarks)
    try:
        found = judging.judge(task, *outcome.value)
    except Chapter10Error as error:
        return _said(task, "fault", str(error), remarks=remarks)
    if found.kind == "stopped" and re.search("MemoryError|can't allocate memory", found.text):
        remarks.append("it came to the limit of memory")
    return _said(task, found.kind, found.text, found.mistake, [*remarks, *found.notes])


def _said(task: Task, kind: str, text: str, mistake: str = "", remarks: list[str] | None = None) -> dict[str, Any]:
    return {"task": task.name, "kind": kind, "text": text, "mistake": mistake, "remarks": remarks or []}


def _tolerant(source: str) -> str:
    """Code that runs some other and goes on where that stops."""
    return f"with __import__('contextlib').suppress(Exception):\n    exec({source!r}, globals())\n"


def _stopped(outcome: sandbox.Outcome) -> str:
    error = outcome.error
    said = " ".join(str(error).split())[:300]
    if isinstance(error, SyntaxError):
        return f"Python can't read its cell: {error.msg}, in line {error.lineno}."
    if isinstance(error, NoAnswer):
        return said
    if isinstance(error, SystemExit):
        return "Its cell ends the program (exit or quit)."
    if isinstance(error, MemoryError):
        return "Its cell wants more memory than there may be."
    where = f", at `{outcome.line[:100]}`" if outcome.line else ""
    return f"Its cell stops with {type(error).__name__}{where}: {said}".rstrip(": .") + "."


def _sender(connection) -> Callable[[dict[str, Any]], None]:
    """Sends a dict as a line of JSON: bytes only, for nothing from a student's process is unpickled."""

    def send(content: dict[str, Any]) -> None:
        line = json.dumps(content).encode("ascii") + b"\n"
        if sys.platform == "win32":
            connection.send_bytes(line)
            return
        while line:
            line = line[os.write(connection.fileno(), line) :]

    return send


def _alone(kept: int) -> None:
    """A group of its own, no terminal, and nothing open but the pipe for the verdicts."""
    sys.dont_write_bytecode = True
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if sys.platform != "win32":
        os.setsid()
        os.closerange(3, kept)
        os.closerange(kept + 1, 65536)


def limit(limits: Limits, tasks: int) -> None:
    """Set the system's limits, where there are any (not on Windows; macOS doesn't hold to the one on memory)."""
    try:
        import resource
    except ImportError:
        return
    held = _address_space()
    memory = held + limits.megabytes * 1_000_000 if held else resource.RLIM_INFINITY
    cpu = int(limits.seconds * tasks) + 60  # a net below the one who watches, should that process have ended
    for what, most in [
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ]:
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard) if most >= 0 else hard
        resource.setrlimit(what, (most, most))


def _address_space() -> int:
    """Bytes that this process has mapped, torch's libraries included; 0 where the system doesn't tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def guard(folder: str, closed: tuple[str, ...], tell: Callable[[str], None]) -> None:
    """Refuse from now on what a submission has no business with; `tell` hears of each attempt, in words."""
    own = (os.path.realpath(folder),)
    shut = tuple(os.path.realpath(path) for path in closed)
    readable = tuple({os.path.realpath(path) for path in (*_libraries(), *_data_folders())})
    sys.path[:] = [path for path in sys.path if path and _depth(os.path.realpath(path), readable)]
    told: set[str] = set()
    asking = threading.local()  # while the guard itself asks something of the system

    def refuse(what: str) -> None:
        if what not in told and len(told) < REMARKS:
            told.add(what)
            tell(f"tried to {what}")
        raise PermissionError(f"A submission may not {what}.")

    def look(event: str, path: str, arguments: tuple) -> None:
        real = os.path.realpath(path)
        if _depth(real, own) or real in (os.devnull, "/dev/urandom"):
            return
        if event in WRITING or (event == "open" and _writes(arguments)):
            refuse(f"change another file: {os.path.basename(real)}")
        if _depth(real, readable) <= _depth(real, shut):  # the innermost folder decides
            place = next((os.path.relpath(real, one) for one in shut if _depth(real, (one,))), real)
            refuse(f"open another file: {place}" if event == "open" else f"look into another folder: {place}")

    def on_event(event: str, arguments: tuple) -> None:
        if getattr(asking, "now", False):
            return
        try:
            asking.now = True
            reason = FORBIDDEN.get(event) or FORBIDDEN.get(event.split(".")[0])
            if reason and not (event == "os.kill" and arguments[0] == os.getpid()):
                refuse(f"use {reason}")
            if event in READING or event in WRITING:
                for path in arguments[: 2 if event in WRITING else 1]:
                    if isinstance(path, (str, bytes, os.PathLike)):
                        look(event, os.fsdecode(path), arguments)
        finally:
            asking.now = False

    _ = ctypes.pythonapi.PyThreadState_SetAsyncExc  # looked up now: where there are no alarms, the time limit needs it
    sys.addaudithook(on_event)


def _writes(arguments: tuple) -> bool:
    mode, flags = (*arguments, None, None)[1:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))


def _depth(path: str, folders: tuple[str, ...]) -> int:
    """How deep the innermost of some folders lies that holds a path; 0 where none does."""
    around = [folder for folder in folders if path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)]
    return max((len(folder) for folder in around), default=0)


def _libraries() -> set[str]:
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return {sysconfig.get_paths()[kind] for kind in kinds} | {str(Path(data.__file__).parent)}


def _data_folders() -> set[str]:
    named = os.environ.get("CHAPTER10_DATA")
    return {str(data.cache_folder()), *([named] if named else [])}
