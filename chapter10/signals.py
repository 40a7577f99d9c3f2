"""Asked to end: schedulers send SIGTERM and wait some seconds before they kill (Windows: Ctrl-Break)."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

NAMES = [name for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)]


_ctrl_c: ContextVar[bool] = ContextVar("ctrl_c", default=False)


class Terminated(SystemExit):
    """A signal asked the process to end, and it does, with the code a shell gives it: 128 + the signal's number."""

    def __init__(self, name: str):
        super().__init__(128 + getattr(signal, name))


# From a process's own signal and its step to what all of them do.
Agree = Callable[[str | None, int], str | None]


def alone(reason: str | None, step: int) -> str | None:
    """What a process does that trains by itself: it ends at once when it's asked to."""
    return reason


@contextmanager
def with_ctrl_c() -> Iterator[None]:
    """While it lasts, `asked_to_end` listens to Ctrl-C too, which then costs no step; a second one interrupts as ever."""
    token = _ctrl_c.set(True)
    try:
        yield
    finally:
        _ctrl_c.reset(token)


@contextmanager
def asked_to_end(listen: bool = True, agree: Agree = alone) -> Iterator[Callable[[int], str | None]]:
    """While it lasts, a signal to end is noted instead of ending the process; then the handlers are as they were.

    Only the main thread can listen; in another one, and where SIGTERM is ignored, nothing is changed.

    Args:
        listen: False: signals do what they did before.
        agree: where several processes train one model, all must end after the same step.
    Yields:
        asked(step): the name of the signal that has come, such as "SIGTERM", or None. A signal after which nobody
        asked is sent anew at the end: none is lost.
    """
    got: list[int] = []
    earlier, told = {}, False

    def asked(step: int) -> str | None:
        nonlocal told
        told = told or bool(got)
        return agree(signal.Signals(got[0]).name if got else None, step)

    def once(number: int, frame: Any) -> None:
        nonlocal told
        if number in got:
            told = True  # to whoever meets the exception
            raise KeyboardInterrupt
        got.append(number)

    if listen and threading.current_thread() is threading.main_thread():
        # Where Ctrl-C does something else already, or nothing, as in the background of a shell, it stays so.
        if _ctrl_c.get() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            earlier[signal.SIGINT] = signal.signal(signal.SIGINT, once)
        for number in (getattr(signal, name) for name in NAMES):
            # None is a handler that Python can't put back.
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                earlier[number] = signal.signal(number, lambda number, frame: got.append(number))
    try:
        yield asked
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if got and not told:
            signal.raise_signal(got[0])
