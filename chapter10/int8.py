"""Decoders small enough to run in the page: weights as int8 with one scale a row.

`Int8Decoder` computes in numpy what `assets/live.js` computes in the page, so that a test can hold one to the other.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chapter10.errors import InputError
from chapter10.language import say, say_of

if TYPE_CHECKING:
    from torch import nn

Layer = tuple[Any, Any, str]  # weight [out, in], bias [out], activation
ACTIVATIONS = {
    "relu": lambda v: np.maximum(v, 0),
    "tanh": np.tanh,
    "linear": lambda v: v,
    "sigmoid": lambda v: 0.5 * (1 + np.tanh(0.5 * v)),
}


def quantise(weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int8 with one scale a row: `weight ≈ int8 * scale[:, None]`, off by half a scale at most.

    Args:
        weight: [out, in], tensor or array.
    Returns:
        int8 [out, in], float32 [out].
    """
    weight = finite_array(weight, say("a weight"), 2)
    scale = (np.abs(weight).max(1) / 127).astype(np.float32)  # which the smallest numbers make 0
    scale = np.where(scale > 0, scale, np.float32(1))
    return np.clip(np.rint(weight / scale[:, None]), -127, 127).astype(np.int8), scale


@dataclass(frozen=True)
class Int8Decoder:
    """A decoder as the page computes it; calling it gives the page's numbers: z [B, L] -> [B, D], float64.

    layers: (int8 weight [out, in], scale [out], bias [out], activation) each. keep: the pixels that the last layer
    gives, all others are 0; None for all. size: D.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, str], ...]
    keep: np.ndarray | None
    size: int

    @property
    def latent_dim(self) -> int:
        return self.layers[0][0].shape[1]

    def __call__(self, z: Any) -> np.ndarray:
        h = np.atleast_2d(np.asarray(z, dtype=np.float64))
        for weight, scale, bias, activation in self.layers:
            h = ACTIVATIONS[activation](h @ weight.astype(np.float64).T * scale + bias)
        if self.keep is None:
            return h
        out = np.zeros((len(h), self.size))
        out[:, self.keep] = h
        return out

    def payload(self) -> dict[str, Any]:
        layers = [
            {"w": base64_of(w), "s": base64_of(s), "b": base64_of(b), "a": a} for w, s, b, a in self.layers
        ]
        return {
            "layers": layers,
            "size": self.size,
            "keep": None if self.keep is None else base64_of(self.keep),
        }


def int8_decoder(layers: Sequence[Layer], probe: Any = None, blank: float = 1 / 510) -> Int8Decoder:
    """The layers with int8 weights.

    Args:
        layers: (weight [out, in], bias [out], "relu" | "tanh" | "linear" | "sigmoid") each, from z to pixels.
        probe: codes [N, L]; pixels that stay below `blank`, by default half a grey level, for all of them are left out (a
            fifth of an MNIST image is never touched). None keeps all.
    Raises:
        InputError: for layers that don't fit one another, or a weight that is not finite.
    """
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Sequence) or not layers:
        raise InputError(
            "A decoder is a list of layers (weight, bias, activation) with at least one; see layers_of."
        )
    done, width = [], None
    for i, layer in enumerate(layers):
        if not isinstance(layer, Sequence) or len(layer) != 3:
            raise InputError(
                "Layer {i} of the decoder is not (weight, bias, activation); layers_of makes such a list.",
                i=i,
            )
        weight, bias = (
            finite_array(layer[0], say("the weight of layer {i}", i=i), 2),
            finite_array(layer[1], say("the bias of layer {i}", i=i), 1),
        )
        if layer[2] not in ACTIVATIONS:
            raise InputError(
                "Layer {i} has the activation {layer!r}. Known are: {choices}.",
                i=i,
                layer=layer[2],
                choices=', '.join(ACTIVATIONS),
            )
        if len(bias) != len(weight) or width not in (None, weight.shape[1]):
            raise InputError(
                "Layer {i} has a weight of shape {shape} and a bias of {count}{after}. The weight is [outputs, inputs], in the"
                " order from z to the picture.",
                i=i,
                shape=list(weight.shape),
                count=len(bias),
                after="" if width is None else say(", after a layer with {width} outputs", width=width),
            )
        width = len(weight)
        done.append((*quantise(weight), bias.astype(np.float32), str(layer[2])))
    whole = Int8Decoder(tuple(done), None, width)
    if probe is None or done[-1][3] != "sigmoid":
        return whole
    alive = np.flatnonzero(whole(probe).max(0) >= blank).astype(np.uint16)
    if not 0 < len(alive) < 0.97 * width or width > 65535:
        return whole
    weight, scale, bias, activation = done[-1]
    return Int8Decoder((*done[:-1], (weight[alive], scale[alive], bias[alive], activation)), alive, width)


def layers_of(module: nn.Module, output: str = "sigmoid") -> list[Layer]:
    """The layers of an `nn.Sequential` of Linear and ReLU, Tanh or Sigmoid, as the figures take them.

    Args:
        module: a decoder, for instance `vae.decoder`. Identity, Dropout, Flatten and Unflatten are passed over.
        output: what follows a last layer without activation: our decoders end in logits, so "sigmoid".
    Raises:
        InputError: for a module that has no counterpart in the page.
    """
    from torch import nn

    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    found: list[list[Any]] = []

    def walk(part: nn.Module) -> None:
        if isinstance(part, nn.Sequential):
            for child in part:
                walk(child)
        elif isinstance(part, nn.Linear):
            bias = np.zeros(part.out_features) if part.bias is None else as_numpy(part.bias)
            found.append([as_numpy(part.weight), bias, "linear"])
        elif type(part) in names and found and found[-1][2] == "linear":
            found[-1][2] = names[type(part)]
        elif not isinstance(part, (nn.Identity, nn.Dropout, nn.Flatten, nn.Unflatten)):
            raise InputError(
                "A live figure cannot run {kind} here. It knows an nn.Sequential in which Linear layers are "
                "followed by at most one ReLU, Tanh or Sigmoid each.",
                kind=type(part).__name__,
            )

    walk(module)
    if not found:
        raise InputError(
            "{kind} holds no Linear layer, so there is no decoder to show.",
            kind=type(module).__name__,
        )
    if output not in ACTIVATIONS:
        raise InputError(
            "The output {output!r} is not known. Choose one of: {choices}.",
            output=output,
            choices=', '.join(ACTIVATIONS),
        )
    if found[-1][2] == "linear":
        found[-1][2] = output
    return [(w, b, a) for w, b, a in found]


def as_numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def finite_array(value: Any, name: str, ndim: int, length: int | None = None) -> np.ndarray:
    try:
        a = as_numpy(value).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("{name} holds something that is not a number ({error}).", name=name, error=error) from None
    if a.ndim != ndim or a.size == 0 or length not in (None, len(a)):
        expected = say_of(ndim, "{count} dimension", "{count} dimensions")
        if length is not None:
            expected = say("{dimensions} and length {length}", dimensions=expected, length=length)
        raise InputError(
            "{name} has the shape {shape}; expected: {expected}, not empty.",
            name=name,
            shape=list(a.shape),
            expected=expected,
        )
    if not np.isfinite(a).all():
        raise InputError(
            "{name} holds {value} values that are not finite. Train or load it anew.",
            name=name,
            value=int((~np.isfinite(a)).sum()),
        )
    return a


def base64_of(a: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")).tobytes()).decode()
