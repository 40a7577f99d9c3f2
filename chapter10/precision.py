"""Fewer digits for more speed: what a training step computes in, and networks that are compiled.

Micikevicius et al. 2018, Mixed Precision Training. Weights, Adam's means and losses stay in float32 whatever is chosen; in
"bfloat16" (8 bits of mantissa, float32's range, so losses need no scaling) are the products of matrices and convolutions,
and what lies between them, by torch's autocast. "tf32" rounds the factors of products to 11 bits, on GPUs that have it.

Nothing of it is the default on a processor: `precision_study` measured every recipe, and `python -m chapter10 list` tells
what it found. The chapter's VAE and GAN also lose the gradients by hand, which are float32's.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from chapter10.errors import InputError

PRECISIONS = ("float32", "bfloat16", "tf32")


def available(device: str | torch.device) -> tuple[str, ...]:
    """The precisions that the device has."""
    device = torch.device(device)
    if device.type == "cuda":
        ampere = torch.cuda.get_device_capability(device)[0] >= 8  # before it there were neither
        return PRECISIONS if ampere else PRECISIONS[:1]
    if torch.amp.is_autocast_available(device.type) and _multiplies(device, torch.bfloat16):
        return PRECISIONS[:2]
    return PRECISIONS[:1]


def check(precision: str, device: str | torch.device) -> None:
    """Raise InputError for a precision that is not known, or that the device lacks."""
    if precision == PRECISIONS[0]:
        return
    there = available(device)
    if precision not in there:
        if precision in PRECISIONS:
            raise InputError(
                "The precision {precision!r} is one that {device} lacks. Choose one of: {choices}.",
                precision=precision,
                device=torch.device(device),
                choices=', '.join(there),
            )
        raise InputError(
            "The precision {precision!r} is not known. Choose one of: {choices}.",
            precision=precision,
            choices=', '.join(there),
        )


def _multiplies(device: torch.device, dtype: torch.dtype) -> bool:
    try:
        ones = torch.ones(2, 2, dtype=dtype, device=device)
        return (ones @ ones)[0, 0].item() == 2
    except (RuntimeError, TypeError):  # how torch says that a device has no such numbers
        return False


@contextmanager
def computing(precision: str, device: str | torch.device, compiled: bool = False) -> Iterator[None]:
    """Compute in that precision, which `check` let through, for as long as it lasts, which is one step.

    Args:
        compiled: whether the networks are: CUDA graphs may then overwrite what the step before left.
    """
    with ExitStack() as stack:
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
            stack.enter_context(_graphs_kept())
        stack.enter_context(_in_precision(precision, device))
        yield


def _graphs_kept() -> AbstractContextManager:
    """Compiled networks that let a graph be gone through twice, as a VAE-GAN does: torch takes that for the exception."""
    from torch._functorch import config

    return config.patch(donated_buffer=False) if hasattr(config, "donated_buffer") else nullcontext()


@contextmanager
def _in_precision(precision: str, device: str | torch.device) -> Iterator[None]:
    if precision == "bfloat16":
        # Without the cache of rounded weights: within one step a player is updated, and then asked again.
        with torch.autocast(torch.device(device).type, torch.bfloat16, cache_enabled=False):
            yield
    elif precision == "tf32":
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
    else:
        yield


def device_of(state: Any) -> torch.device:
    """Where the first tensor of a nesting of dicts and lists lies; the CPU if there is none."""
    return next((leaf.device for leaf in _leaves(state) if isinstance(leaf, Tensor)), torch.device("cpu"))


def _leaves(state: Any) -> Iterator[Any]:
    if isinstance(state, (dict, list, tuple)):
        for item in state.values() if isinstance(state, dict) else state:
            yield from _leaves(item)
    else:
        yield state


def compile_networks(method: Any, device: str | torch.device) -> None:
    """Have torch compile the networks of a method, in place, when they are next called; on a GPU with CUDA graphs.

    A network is compiled as a whole and each of its parts as well, for some methods call the parts: encoder, decoder. What
    is called under neither stays as it was. Names in `state_dict` stay the same. The first steps take a minute or more.
    """
    mode = "reduce-overhead" if torch.device(device).type == "cuda" else None
    found = {id(net): net for name, net in vars(method).items() if isinstance(net, nn.Module) and name != "averaged"}
    for net in found.values():
        for module in (net, *net.children()):
            if type(module).forward is not nn.Module.forward:  # else it only holds others, which are called
                module.compile(mode=mode)
