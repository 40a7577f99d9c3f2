"""Running a reader's code so that neither a loop without end, nor a flood of prints, nor an exception costs the kernel.

The code runs in this process, since it may use whatever the notebook has. That guards against accidents, not against
malice: what ends the interpreter itself (`os._exit`, a crash in compiled code, all memory taken) ends the kernel. The
classroom's grading runs each submission in a process of its own.
"""

import contextlib
import ctypes
import io
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

AGAIN = 0.05  # seconds until code that caught the first alarm gets the next
KEPT = 2000  # characters of what was printed
PACKAGE = str(Path(__file__).resolve().parents[1])  # whose own clean-up is not interrupted again


class TooLong(BaseException):
    """The time limit is over. No Exception, so that `except Exception` in an answer lets it through."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its value, or what stopped it, and what it printed."""

    value: Any
    error: BaseException | None
    line: str  # of the reader's code, where it stopped; "" where unknown
    printed: str
    seconds: float

    @property
    def late(self) -> bool:
        return isinstance(self.error, TooLong)


class _Printed(io.TextIOBase):
    """Keeps the first characters and drops the rest, so that endless printing takes no memory."""

    def __init__(self) -> None:
        self.kept, self.length = "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.kept += text[: max(0, KEPT - self.length)]
        self.length += len(text)
        return len(text)


def run(function: Callable[[], Any], seconds: float) -> Outcome:
    """Call `function` with a limit on its time, its prints caught, torch's random state as it was before.

    Ctrl-C goes through; everything else that the function raises comes back in the outcome.
    """
    printed, value, error, line = _Printed(), None, None, ""
    dtype, start = torch.get_default_dtype(), time.perf_counter()
    with (
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # a library's, with the place of its files: not the reader's own words
        try:
            with _alarm(seconds):
                value = function()
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # SystemExit and TooLong included: none may reach the kernel
            error, line = raised, _readers_line(raised)
        finally:
            torch.set_default_dtype(dtype)
    return Outcome(value, error, line, printed.kept, time.perf_counter() - start)


def _alarm(seconds: float) -> "_Signal | _Watcher":
    """A context that raises TooLong in the code inside after `seconds`, and again for as long as it is caught there."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _Signal(seconds)
    return _Watcher(seconds)


class _Alarm:
    """What both kinds of alarm share: code that catches TooLong meets it again at its next line.

    A bare `except:` in a loop would catch one exception, and the next one, for ever: raised while its own handler runs, it
    gets out. Code that catches everything at two levels can still go on: then only interrupting the kernel helps.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over, self.tracer, self.arming = seconds, False, sys.gettrace(), False

    def _arm(self, frame) -> None:
        if self.arming:
            return  # the alarm came again in an audit hook that hears of settrace, which can't be called twice at a time
        self.arming = True
        try:
            sys.settrace(self._trace)
        finally:
            self.arming = False
        while frame is not None and frame.f_code is not run.__code__:
            frame.f_trace, frame = self._trace, frame.f_back

    def _trace(self, frame, event, _argument):
        if event == "line" and not self.over and not frame.f_code.co_filename.startswith(PACKAGE):
            raise TooLong
        return self._trace


class _Signal(_Alarm):
    """By the alarm signal, which also ends a sleep or a wait."""

    def __enter__(self) -> None:
        self.handler = signal.signal(signal.SIGALRM, self._ring)
        self.waiting = signal.setitimer(signal.ITIMER_REAL, self.seconds, AGAIN)

    def _ring(self, _number, frame) -> None:
        if self.over or frame is None:
            return
        self._arm(frame)
        if frame.f_code.co_filename != __file__:  # else at the next line outside: not while the limit is being taken back
            raise TooLong

    def __exit__(self, *_error) -> None:
        self.over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(self.tracer)
        signal.signal(signal.SIGALRM, self.handler)
        if self.waiting[0]:
            signal.setitimer(signal.ITIMER_REAL, *self.waiting)


class _Watcher(_Alarm):
    """Where there is no alarm signal (Windows, another thread): between two steps of Python's own code only."""

    def __enter__(self) -> None:
        alarm, self.ended, self.sending = self, threading.Event(), threading.RLock()

        class Raised(TooLong):
            def __init__(self) -> None:  # called in the thread in which it is raised
                super().__init__()
                if not alarm.over:
                    alarm._arm(sys._getframe(1))

        self.kind, self.target = ctypes.py_object(Raised), ctypes.c_ulong(threading.get_ident())
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        pause = self.seconds
        while not self.ended.wait(pause):
            with self.sending:
                if not self.over:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(self.target, self.kind)
            pause = AGAIN

    def __exit__(self, *_error) -> None:
        while True:
            try:
                self.over = True
                self.ended.set()
                with self.sending:  # from here on none is sent
                    sys.settrace(self.tracer)
                for _ in range(10):
                    continue  # one that is on its way is raised here
                return
            except TooLong:
                continue  # it came meanwhile: begin again


def _readers_line(error: BaseException) -> str:
    """The deepest line outside the package and its libraries: the reader's own."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if re.match(r"<(?!frozen|setting|string)|.*(ipykernel_|ipython-input)", frame.filename):
            return (frame.line or "").strip()
    return ""
