"""Many processes that train one model together, through torch's own engine: `torchrun --nproc-per-node N -m chapter10 train …`.

Each process holds a copy of the networks and takes its own rows of each batch; DistributedDataParallel averages the
gradients (Li et al. 2020, PyTorch Distributed), so that all copies make the same step. All processes draw the same random
numbers, for the whole batch, and each keeps those of its rows: no two see the same noise, and a training by N processes
follows that by one with the same batch, but for rounding, and for batch norm, which normalises over a process's own rows.

Row i of a batch belongs to process i mod N. So a batch that is split into parts, or put together from two, has in each part
the rows it would have with one process. Every process gets equally many: up to N − 1 last rows of a batch are left out.

With one process nothing here does anything: functions give back what they are given. B rows of a batch, N processes.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from chapter10.errors import Chapter10Error, InputError, ParallelError
from chapter10.language import say

T = TypeVar("T")

_alone: ContextVar[bool] = ContextVar("alone", default=False)


def world() -> int:
    """N, how many processes train together; 1 if this one is by itself."""
    return dist.get_world_size() if _joined() and not _alone.get() else 1


def rank() -> int:
    """Which of them this process is, 0 … N − 1. The first, 0, is the one that writes and speaks."""
    return dist.get_rank() if _joined() and not _alone.get() else 0


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def alone() -> Iterator[None]:
    """While it lasts, this process computes for itself, as if there were no other: for what only one of them does."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


# Rows


def share(x: Tensor) -> Tensor:
    """This process's rows of a whole batch [B, ...]: [B // N, ...], rows rank, rank + N, … Raises InputError if B < N."""
    count = world()
    if count == 1:
        return x
    check_rows(len(x))
    return x[: len(x) // count * count][rank() :: count]


def check_rows(rows: int) -> None:
    """Raise InputError where a batch has fewer rows than there are processes."""
    if rows < world():
        raise InputError(
            "A batch of {rows} can't be shared among {count} processes: give larger batches, or start at most {rows} "
            "(torchrun --nproc-per-node).",
            rows=rows,
            count=world(),
        )


def whole(shape: Iterable[int]) -> tuple[int, ...]:
    """The shape of a whole batch, from that of this process's rows: [n, ...] -> [n·N, ...]."""
    rows, *rest = shape
    return (rows * world(), *rest)


def randn(*shape: int, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """N(0, I) for this process's rows [n, ...]: drawn for all rows, so that each has its own."""
    return share(torch.randn(whole(shape), dtype=dtype, device=device))


def rand(*shape: int, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """As `randn`, from U(0, 1)."""
    return share(torch.rand(whole(shape), dtype=dtype, device=device))


def randn_like(x: Tensor) -> Tensor:
    """`randn` of the shape of x [n, ...]."""
    return torch.randn_like(x) if world() == 1 else randn(*x.shape, dtype=x.dtype, device=x.device)


@torch.no_grad()
def gather(x: Tensor) -> Tensor:
    """The rows of all processes, in the order of the whole batch, without a graph: [n, ...] -> [n·N, ...]."""
    if world() == 1:
        return x
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world())]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.stack(parts, 1).flatten(
        0, 1
    )  # (n, N, ...) -> (n·N, ...): row i is the one of process i mod N


@torch.no_grad()
def total(x: Tensor) -> Tensor:
    """The sum over all processes, in place, without a graph."""
    if world() > 1:
        dist.all_reduce(x)
    return x


# Gradients


class _Loss(nn.Module):
    """What DistributedDataParallel is given in place of a network: its parameters, and a forward pass that is done already.

    A method's loss may run through several networks, once or twice, with gradients within; DDP need only know, before the
    way back, that one begins.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]):
        super().__init__()
        self.parameters_ = nn.ParameterList(parameters)

    def forward(self, loss: Tensor) -> Tensor:
        return loss


def replicate(optimizer: torch.optim.Optimizer) -> None:
    """Have several processes keep the parameters of this optimiser alike, from those of the first on; see `announced`."""
    if world() > 1:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.wrapper = nn.parallel.DistributedDataParallel(_Loss(parameters))


def announced(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """The loss, whose next `backward` leaves in the optimiser's parameters the mean of all processes' gradients."""
    wrapper = getattr(optimizer, "wrapper", None)
    return loss if wrapper is None else wrapper(loss)


# Agreement


def everyone(value: T) -> list[T]:
    """The values of all processes, by rank. All must ask at the same place."""
    if world() == 1:
        return [value]
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def agree(reason: str | None, step: int) -> str | None:
    """The reason to end that any process has, the first one's before the others': what `signals.asked_to_end` needs."""
    return next((found for found in everyone(reason) if found), None)


def earliest(broken: tuple[int, str] | None) -> tuple[int, str] | None:
    """What broke first in any process: after which step, and what, in words that say where."""
    found = [(*one, rank) for rank, one in enumerate(everyone(broken)) if one]
    if not found or world() == 1:
        return broken
    step, words, where = min(found, key=lambda one: (one[0], one[2]))
    return step, say("{words} in process {rank} of {count}", words=words, rank=where, count=world())


def from_first(function: Callable[[], T]) -> T:
    """What the function gives, or raises, on the first process, on all: the others don't call it."""
    if world() == 1:
        return function()
    result, error = None, None
    if rank() == 0:
        try:
            result = function()
        except Chapter10Error as raised:
            error = raised
    found = [(result, error)]
    dist.broadcast_object_list(found)
    result, error = found[0]
    if error is not None:
        raise error
    return result


def check_same(what: dict[str, Any]) -> None:
    """Raise ParallelError, on all processes, unless each has the same values under these names."""
    found = everyone(what)
    for name in what:
        values = [of.get(name) for of in found]
        other = next((i for i, value in enumerate(values) if value != values[0]), None)
        if other is not None:
            raise ParallelError(
                "The processes of this run differ in {name}: {first} in process 0, {value} in process {other}. Give all of "
                "them the same, and start again.",
                name=name,
                first=values[0],
                value=values[other],
                other=other,
            )


def take_over(state: Any) -> None:
    """Copy the tensors of the first process, in a nesting of dicts and lists, into those of the others.

    What all compute alike is the same already; running statistics of batch norm are of a process's own rows.
    """
    if world() == 1:
        return
    if isinstance(state, Tensor):
        dist.broadcast(state, 0)
    elif isinstance(state, dict):
        for value in state.values():
            take_over(value)
    elif isinstance(state, (list, tuple)):
        for value in state:
            take_over(value)


def random_state_here(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first process's random state, as `files.random_state` gives it, for this one: of the GPU that is its own."""
    if world() == 1 or "cuda0" not in state:
        return state
    return state | {f"cuda{torch.cuda.current_device()}": state["cuda0"]}


class Pace:
    """After which steps `fit` looks up from its work: some `seconds` apart, and all processes after the same.

    Between two looks no process waits for a number, and none hears of the others but by their gradients.
    """

    def __init__(self, seconds: float, step: int = 0):
        self.seconds = seconds
        self._looked, self._at, self._next = time.perf_counter(), step, step + 1

    def due(self, step: int) -> bool:
        """Whether to look after that step; the first process's clock decides."""
        if world() == 1:
            return time.perf_counter() - self._looked > self.seconds
        return step >= self._next

    def looked(self, step: int, at_most: int | None = None) -> None:
        """Note a look; all processes hear when the next one is, at most so many steps on."""
        now = time.perf_counter()
        each = (now - self._looked) / max(1, step - self._at)
        wait = max(1, min(int(self.seconds / each), at_most or sys.maxsize))
        self._looked, self._at, self._next = now, step, step + everyone(wait)[0]


# Where this process is


def size() -> int:
    """How many processes torchrun has started for this run, by its environment: known before they have joined.

    Raises:
        ParallelError: where that is no number from 1 up.
    """
    said = os.environ.get("WORLD_SIZE") or "1"
    if not said.isdecimal() or int(said) < 1:
        raise ParallelError(
            "WORLD_SIZE is {said!r}, where torchrun sets a number of processes from 1 up. Unset it to train with one process.",
            said=said,
        )
    return int(said)


def own_device(name: str | torch.device) -> str:
    """This process's of the devices that the name stands for: "cuda" is one GPU for each process of a machine, from now on.

    Raises:
        InputError: if there are several processes and it can't be shared, or there are fewer GPUs than processes.
    """
    if size() == 1:
        return str(name)
    kind, _, number = str(name).partition(":")
    here = int(os.environ.get("LOCAL_RANK") or 0)
    if kind not in ("cpu", "cuda") or number:
        raise InputError(
            "The device {name!r} can't be shared by {count} processes: give cuda, of which each process takes one, or cpu.",
            name=str(name),
            count=size(),
        )
    # Where there is no GPU at all, `environment.check_device` says what is missing.
    if kind == "cpu" or torch.cuda.device_count() == 0:
        return kind
    if here >= torch.cuda.device_count():
        raise InputError(
            "This machine has {count} GPUs that PyTorch can use, and more processes were started: give torchrun "
            "--nproc-per-node as many as there are, or --device cpu.",
            count=torch.cuda.device_count(),
        )
    torch.cuda.set_device(here)
    return f"cuda:{here}"


def leave() -> None:
    """Go on as a process by itself. What is left to do, as measuring and storing, is for the first one."""
    if _joined():
        gc.collect()  # links to the others that only a ring of references keeps: a process may abort where they outlive the group
        dist.destroy_process_group()
