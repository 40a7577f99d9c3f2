"""What a check sees of an answer: named observations, each comparable with the same one of a right answer.

A task's `observe(look, source, answer)` puts the answer into a situation and notes what comes out. The same function sees
the solution, and each known mistake: an answer is right when nothing that was seen tells it from the solution, and has made
a known mistake when nothing tells it from that. Observations are named as a reader would say them ("the KL of six rows").
"""

import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chapter10.claims import number


class Enough(Exception):
    """Nothing more can be seen of this answer: what it gave has the wrong type or shape."""


@dataclass(frozen=True)
class Seen:
    """One observation. `value` is a tensor (float64, on the CPU), or None where there was none, for the reason in `note`."""

    kind: str  # "tensor", "gradient", "number", "bound", "fact"
    value: Tensor | None
    note: str = ""
    rtol: float = 1e-4
    atol: float = 1e-6
    judged: bool = True

    def same(self, other: "Seen") -> bool:
        """Whether the two can't be told apart, within the tolerances of `other`."""
        if self.value is None or other.value is None:
            return self.value is None and other.value is None and self.note == other.note
        if self.value.shape != other.value.shape:
            return False
        if self.kind == "bound":
            return self.note == other.note
        return torch.allclose(self.value, other.value, other.rtol, other.atol, equal_nan=True)


class Look:
    """Collects what is seen of one answer in one situation, in order."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.changed: list[str] = []  # names of arguments that the answer wrote over

    def call(self, answer: Callable, *arguments: Any) -> Any:
        """`answer(*arguments)`, noting which of the tensors among the arguments it wrote over."""
        # Handed over is a copy, so that what comes after doesn't suffer; where a gradient is wanted in it, the tensor itself.
        before = [a.detach().clone() if isinstance(a, Tensor) else None for a in arguments]
        given = [a.clone() if isinstance(a, Tensor) and not a.requires_grad else a for a in arguments]
        result = answer(*given)
        for index, (old, new) in enumerate(zip(before, given)):
            if old is not None and not torch.equal(torch.nan_to_num(old), torch.nan_to_num(new.detach())):
                name = _argument_name(answer, index)
                if name not in self.changed:
                    self.changed.append(name)
        return result

    def tensor(
        self,
        name: str,
        value: Any,
        shape: tuple[int, ...] | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        judged: bool = True,
    ) -> Tensor:
        """Note a tensor, or what can be made one; returned with its graph. With a `shape`, another one ends the look."""
        tensor, note = _as_tensor(value)
        if tensor is None:
            self._note(name, Seen("tensor", None, note, rtol, atol, judged))
            raise Enough
        self._note(name, Seen("tensor", _plain(tensor), "", rtol, atol, judged))
        if shape is not None and tuple(tensor.shape) != tuple(shape):
            raise Enough
        return tensor

    def gradient(
        self, name: str, value: Tensor, at: Tensor, rtol: float = 1e-4, atol: float = 1e-6, judged: bool = True
    ) -> None:
        """Note the gradient of `value` in `at`: of its entries' sum, each with a weight of its own."""
        weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype, device=value.device).view_as(value)
        found = None
        if value.requires_grad:
            (found,) = torch.autograd.grad((weights * value).sum(), at, retain_graph=True, allow_unused=True)
        plain = None if found is None else _plain(found)
        self._note(name, Seen("gradient", plain, "" if found is not None else "no gradient", rtol, atol, judged))

    def number(self, name: str, value: Any, within: float, judged: bool = True) -> float:
        """Note a number that the reader was asked for. What was expected is never shown."""
        tensor, note = _as_tensor(value)
        if tensor is None or tensor.numel() != 1:
            note = note or f"a tensor of shape {list(tensor.shape)}"
            self._note(name, Seen("number", None, note, 0, within, judged))
            raise Enough
        self._note(name, Seen("number", _plain(tensor).reshape(()), "", 0, within, judged))
        return float(tensor)

    def at_least(self, name: str, value: float, bound: float, judged: bool = True) -> None:
        """Note a measure that must reach a bound; how far above it lies makes no difference."""
        value = float(value)
        met = math.isfinite(value) and value >= bound
        note = f"at least {number(bound)}: {'met' if met else 'missed'}"
        self._note(name, Seen("bound", torch.tensor(value, dtype=torch.float64), note, judged=judged))

    def at_most(self, name: str, value: float, bound: float, judged: bool = True) -> None:
        """Note a measure that must not pass a bound."""
        value = float(value)
        met = math.isfinite(value) and value <= bound
        note = f"at most {number(bound)}: {'met' if met else 'missed'}"
        self._note(name, Seen("bound", torch.tensor(value, dtype=torch.float64), note, judged=judged))

    def fact(self, name: str, value: bool, judged: bool = True) -> None:
        """Note a sentence that is so or not ("two calls give two samples")."""
        self._note(name, Seen("fact", torch.tensor(float(bool(value)), dtype=torch.float64), judged=judged))

    def missing(self, name: str, note: str) -> None:
        """Note that there is nothing to see, and why ("'e', which is none of a, b, c"); it ends the look."""
        self._note(name, Seen("missing", None, note))
        raise Enough

    def _note(self, name: str, seen: Seen) -> None:
        if name in self.seen:
            raise ValueError(f"{name!r} was noted before; give each observation a name of its own")
        self.seen[name] = seen


def _as_tensor(value: Any) -> tuple[Tensor | None, str]:
    """The value as a tensor, or None and what it is instead."""
    if value is None:
        return None, "None"
    if isinstance(value, Tensor):
        return (None, "complex numbers") if value.is_complex() else (value, "")
    if isinstance(value, (bool, int, float, np.ndarray, np.number)):
        try:
            return torch.as_tensor(value), ""
        except TypeError:  # an array of objects or text
            return None, "an array that holds no numbers"
    if isinstance(value, numbers.Real):  # a fraction
        return torch.tensor(float(value), dtype=torch.float64), ""
    if isinstance(value, (list, tuple)) and value:
        parts = [_as_tensor(item)[0] for item in value]
        if all(part is not None and part.shape == parts[0].shape for part in parts):
            return torch.stack([part for part in parts if part is not None]), ""
    kind = type(value).__name__
    return None, f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double().clone()


def _argument_name(answer: Callable, index: int) -> str:
    try:
        return list(inspect.signature(answer).parameters)[index]
    except (TypeError, ValueError, IndexError):
        return f"number {index + 1}"
