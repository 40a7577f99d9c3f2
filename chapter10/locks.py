"""A file that one process holds: whatever ends the process, the system lets go of it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAGAIN, EDEADLK
from pathlib import Path
from typing import BinaryIO

from chapter10.errors import SaveError
from chapter10.files import unwritable

TRIES, WAIT = 5, 0.1  # seconds: someone may be looking whether it is held at that very moment


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold `path` for the block. Raises SaveError if another process does, or it can't be written; `what` says in words what it guards."""
    try:
        file = open(path, "ab")
    except OSError as error:
        raise unwritable(path, error) from None
    with file:
        for _ in range(TRIES):
            if _try(file):
                break
            time.sleep(WAIT)
        else:
            raise SaveError("Another process is at work on {what}. Wait for its end, or stop it.", what=what)
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds `path` now."""
    try:
        with open(path, "ab") as file:
            return not _try(file)
    except OSError:  # there is none, or it may not be written: nobody can hold it from here
        return False


def _try(file: BinaryIO) -> bool:
    """Take the lock, which ends when the file is closed. True also where a file system knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (EACCES, EAGAIN, EDEADLK)
    return True
