"""Joining the processes that torchrun started, and ending with them: with one message, and with none left behind.

What they do together is in `parallel`. Where one dies, torch's engine tells the others at once (gloo), or torchrun ends
them (NCCL).
"""

from __future__ import annotations  # a PyTorch without torch.distributed has no dist.Store

import hashlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from chapter10.errors import Chapter10Error, ParallelError
from chapter10.language import say
from chapter10.parallel import check_same, leave, size

# Seconds that a process waits for the others before it gives up; a dead one is noticed at once.
TIMEOUT = 120.0
# Seconds that a process waits, on its way out, to hear whether another has told why.
PATIENCE = 10.0


@contextmanager
def joined(timeout: float = TIMEOUT) -> Iterator[None]:
    """Train together with the processes that torchrun started, for as long as it lasts; without torchrun nothing is done.

    Only the first process prints on standard output. An error ends each process with a status other than 0, and is told
    once, on standard error, by the process that meets it first. A signal to end (SIGTERM, Ctrl-C) is `training.fit`'s to
    act on: all end after the same step.

    Args:
        timeout: seconds to wait for the others, at the start and at each step, before giving up.
    Raises:
        SystemExit: in place of any other exception, if there are several processes.
    """
    if size() == 1:
        yield
        return
    me, ending = int(os.environ.get("RANK") or 0), []
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        # Where channels stay last in memory, some gradients lie otherwise than their weights: torch copies them.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        stack.enter_context(_signals(ending))
        if me > 0:
            stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        store = None
        try:
            store = _store(timeout)
            # gloo for what is said about the training and for CPUs, NCCL for what GPUs compute
            backend = (
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
            )
            dist.init_process_group(
                backend, store=store, rank=me, world_size=size(), timeout=timedelta(seconds=timeout)
            )
            check_same(_versions())
            yield
        except BaseException as error:
            ending.append(1)
            raise SystemExit(_tell(error, store, me)) from None
        finally:
            leave()


def _versions() -> dict[str, str]:
    """Of what must be the same on all machines; the package's own number is too coarse for its code."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        say("their version of torch"): torch.__version__,
        say("their version of chapter10"): f"{own_version()} ({code.hexdigest()[:12]})",
    }


def own_version() -> str:
    """The package's version, as installed; in a clone that runs without that, "not installed"."""
    try:
        return version("chapter10")
    except PackageNotFoundError:  # it runs in a clone, where nobody installed it
        return "not installed"


def _store(timeout: float) -> dist.Store:
    """Where the processes of this attempt find each other, and note what has been said: torchrun's, if it has one."""
    if not dist.is_available():
        raise ParallelError(
            "This PyTorch was built without torch.distributed: train with one process, without torchrun."
        )
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise ParallelError(
            "WORLD_SIZE is {count}, so {count} processes are to train together, but these variables are not set: {missing}. Start "
            "them by torchrun, or unset WORLD_SIZE to train with one process.",
            count=size(),
            missing=", ".join(missing),
        )
    kept_by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = dist.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        size(),
        is_master=os.environ.get("RANK") == "0" and not kept_by_torchrun,
        timeout=timedelta(seconds=timeout),
    )
    return dist.PrefixStore(f"chapter10/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


@contextmanager
def _signals(ending: list[int]) -> Iterator[None]:
    """Ctrl-C as SIGTERM, which `fit` listens to; outside of it, SIGTERM ends the process as an exception does."""

    def end(number: int, frame: Any) -> None:
        if not ending:  # else the process is on its way, and its last words are not to be cut off
            raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {signal.SIGTERM: signal.signal(signal.SIGTERM, end)}
    earlier[signal.SIGINT] = signal.signal(
        signal.SIGINT, lambda number, frame: signal.raise_signal(signal.SIGTERM)
    )
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _tell(error: BaseException, store: dist.Store | None, me: int) -> int:
    """Tell what ends this process, unless another has said so already. Returns the status to end with."""
    if isinstance(error, SystemExit) and error.__context__ is not None and _is_connection(error.__context__):
        error = (
            error.__context__
        )  # torchrun asked to end, for another had died, while this one was finding it out
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    lost = _is_connection(error)
    if lost and _said(store, "anything", 0):
        return 2  # the one that was lost has told why
    if lost:
        error = ParallelError(
            "Another process of this run has ended without a word, or does not answer, so all end. It may have been killed, as "
            "for want of memory, or the network between two machines is cut. Started again, the training goes on from its last "
            "checkpoint, if it keeps any."
        )
    if isinstance(error, KeyboardInterrupt):
        words = str(error) or say("Stopped by hand; what was saved before is whole.")
    elif isinstance(error, Chapter10Error):
        words = f"{type(error).__name__}: process {me} of {size()}: {error}"
    else:
        words = f"process {me} of {size()}: " + "".join(traceback.format_exception(error))
    if _said(store, f"{type(error).__name__}: {error}", 1) == 1:
        _said(store, "anything", 1)
        print(words, file=sys.stderr, flush=True)
    return 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, Chapter10Error) else 1


def _said(store: dist.Store | None, what: str, more: int) -> int:
    """How often something has been said by any process, with what is added now; as far as its keeper answers."""
    answers = []

    def ask() -> None:
        with suppress(RuntimeError):  # its keeper is gone: nobody can be asked
            answers.append(store.add(f"said/{what}", more))

    if store is not None:
        # Without an end of its own the question waits for ever where the network between two machines is cut.
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(PATIENCE)
    return answers[0] if answers else more


def _is_connection(error: BaseException) -> bool:
    """Whether torch's engine lost the other processes, or did not find them."""
    words = ("gloo", "nccl", "connection", "timed out", "socket", "tcpstore")
    return isinstance(error, getattr(dist, "DistError", ())) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
