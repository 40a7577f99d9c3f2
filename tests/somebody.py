"""Runs a piece of a test as a user without root's right to pass over permissions."""

import contextlib
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from chapter10.errors import Chapter10Error

NOBODY = 65534


def as_somebody(run: Callable[[], object]) -> str:
    """The error of the package that run() raises, as "Kind: sentence", or any other's traceback; "" if it ends well.

    It runs in a forked process, as nobody if the tests are run by root.
    """
    read, sent = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            signal.alarm(60)
            torch.set_num_threads(1)  # a forked process has lost torch's other threads
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            run()
        except Chapter10Error as error:
            text = f"{type(error).__name__}: {error}"
        except BaseException:
            text = traceback.format_exc()
        finally:
            os.write(sent, text.encode())
            os._exit(0)
    os.close(sent)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"the child process ended with status {status}"


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and read; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        try:
            yield Path(name)
        finally:
            os.chmod(name, 0o755)
            for folder, below, _ in os.walk(name):
                for each in below:
                    os.chmod(os.path.join(folder, each), 0o755)
