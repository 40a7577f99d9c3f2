"""Convolutional decoders small enough to run in the page: from maps [C, H, W] to a picture, with int8 weights.

`Int8Maps` computes in numpy what `assets/codes.js` computes in the page, so that a test can hold one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import ACTIVATIONS, as_numpy, base64_of, finite_array, quantise

if TYPE_CHECKING:
    from torch import nn

KINDS = ("convolution", "transposed")


@dataclass(frozen=True)
class MapLayer:
    """A convolution, or a transposed one, with what follows it.

    weight: [out, in, k, k], outputs first for both kinds. bias: [out]. activation: "relu", "tanh", "linear" or "sigmoid".
    shuffle: r if a PixelShuffle(r) follows, which makes r×r pixels of r² channels.
    """

    kind: str
    weight: Any
    bias: Any
    activation: str = "linear"
    stride: int = 1
    padding: int = 0
    shuffle: int = 1

    @property
    def channels(self) -> int:
        """Of what it gives."""
        return len(self.weight) // self.shuffle**2

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of what it gives for maps of this size."""
        k, s, p = np.shape(self.weight)[-1], self.stride, self.padding
        if self.kind == "transposed":
            return tuple(((n - 1) * s + k - 2 * p) * self.shuffle for n in size)
        return tuple(((n + 2 * p - k) // s + 1) * self.shuffle for n in size)


def map_layers_of(module: nn.Module, output: str = "sigmoid") -> list[MapLayer]:
    """The layers of an `nn.Sequential` of Conv2d and ConvTranspose2d with ReLU, Tanh or Sigmoid, as `code_figure` takes them.

    Args:
        module: a decoder from code vectors [B, C, H, W] to logits. BatchNorm2d is folded into the layer before it, with
            the mean and variance that eval mode uses. What only reshapes or drops (Flatten, `nets.Rows`) is passed over.
        output: what follows a last layer without activation: our decoders end in logits, so "sigmoid".
    Raises:
        InputError: for a module that has no counterpart in the page.
    """
    from torch import nn

    from chapter10.nets import Rows

    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    found: list[MapLayer] = []

    def walk(part: nn.Module) -> None:
        if isinstance(part, nn.Sequential):
            for child in part:
                walk(child)
        elif isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            found.append(_layer(part))
        elif (
            isinstance(part, nn.BatchNorm2d)
            and found
            and (found[-1].activation, found[-1].shuffle) == ("linear", 1)
        ):
            found[-1] = _folded(found[-1], part)
        elif type(part) in names and found and found[-1].activation == "linear":
            found[-1] = replace(found[-1], activation=names[type(part)])
        elif isinstance(part, nn.PixelShuffle) and found and found[-1].shuffle == 1:
            found[-1] = replace(found[-1], shuffle=part.upscale_factor)
        elif not isinstance(part, (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten, Rows)):
            raise InputError(
                f"A code figure cannot run {type(part).__name__} here. It knows an nn.Sequential in which Conv2d and"
                " ConvTranspose2d are followed by at most one ReLU, Tanh or Sigmoid each."
            )

    walk(module)
    if not found:
        raise InputError(
            f"{type(module).__name__} holds no convolution, so there is no decoder of maps to show."
        )
    if output not in ACTIVATIONS:
        raise InputError(f"The output {output!r} is not known. Choose one of: {', '.join(ACTIVATIONS)}.")
    if found[-1].activation == "linear":
        found[-1] = replace(found[-1], activation=output)
    return found


def _layer(part: nn.Conv2d | nn.ConvTranspose2d) -> MapLayer:
    transposed = part.transposed
    square = all(len(set(v)) == 1 for v in (part.kernel_size, part.stride))
    padding = part.padding if isinstance(part.padding, tuple) else (None,)  # "same" and "valid" are words
    plain = part.groups == 1 and set(part.dilation) == {1} and part.padding_mode == "zeros"
    if not square or len(set(padding)) > 1 or padding[0] is None or not plain or any(part.output_padding):
        raise InputError(
            f"A code figure cannot run {part}. It knows square kernels with one stride and one padding of zeros,"
            " without groups, dilation or output padding."
        )
    weight = as_numpy(part.weight)
    weight = weight.swapaxes(0, 1) if transposed else weight  # torch keeps (in, out, k, k) for the transposed
    bias = np.zeros(len(weight)) if part.bias is None else as_numpy(part.bias)
    return MapLayer(KINDS[transposed], weight, bias, "linear", part.stride[0], padding[0])


def _folded(layer: MapLayer, norm: nn.BatchNorm2d) -> MapLayer:
    if norm.running_var is None:
        raise InputError(
            "A BatchNorm2d without running statistics cannot be folded into the layer before it."
        )
    factor = 1 / np.sqrt(as_numpy(norm.running_var) + norm.eps)
    shift = np.zeros_like(factor)
    if norm.affine:
        factor, shift = factor * as_numpy(norm.weight), as_numpy(norm.bias)
    bias = (layer.bias - as_numpy(norm.running_mean)) * factor + shift
    return replace(layer, weight=layer.weight * factor[:, None, None, None], bias=bias)


@dataclass(frozen=True)
class Int8Maps:
    """A decoder as the page computes it; calling it gives the page's numbers: [B, C, H, W] -> [B, C', H', W'], float64.

    layers: with int8 weights; scales: [out] of each, float32.
    """

    layers: tuple[MapLayer, ...]
    scales: tuple[np.ndarray, ...]

    @property
    def channels(self) -> int:
        """Of the maps that go in."""
        return self.layers[0].weight.shape[1]

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the picture for maps of this size."""
        for layer in self.layers:
            size = layer.size(size)
        return size

    def multiplications(self, size: tuple[int, int]) -> int:
        """How many one picture takes, from maps of this size."""
        count = 0
        for layer in self.layers:
            after = layer.size(size)
            places = np.prod(size) if layer.kind == "transposed" else np.prod(after) // layer.shuffle**2
            count += layer.weight.size * int(places)
            size = after
        return count

    def __call__(self, maps: Any) -> np.ndarray:
        h = np.asarray(maps, dtype=np.float64)
        for layer, scale in zip(self.layers, self.scales, strict=True):
            h = _summed(layer, h) * scale[:, None, None] + layer.bias[:, None, None]
            h = _shuffled(ACTIVATIONS[layer.activation](h), layer.shuffle)
        return h

    def payload(self) -> list[dict[str, Any]]:
        return [
            {
                "t": int(layer.kind == "transposed"), "shape": list(layer.weight.shape), "w": base64_of(layer.weight),
                "s": base64_of(scale), "b": base64_of(layer.bias), "a": layer.activation, "stride": layer.stride,
                "pad": layer.padding, "shuffle": layer.shuffle,
            }
            for layer, scale in zip(self.layers, self.scales, strict=True)
        ]  # fmt: skip


def _summed(layer: MapLayer, h: np.ndarray) -> np.ndarray:
    """The sums of a layer, [B, in, H, W] -> [B, out, H', W'], without scale and bias."""
    (rows, columns), s, p, k = h.shape[2:], layer.stride, layer.padding, layer.weight.shape[-1]
    weight = layer.weight.astype(np.float64)
    high, wide = (n // layer.shuffle for n in layer.size((rows, columns)))
    if layer.kind == "convolution":
        padded = np.pad(h, ((0, 0), (0, 0), (p, p), (p, p)))
        out = np.zeros((len(h), len(weight), high, wide))
        for y in range(k):
            for x in range(k):
                seen = padded[:, :, y : y + s * (high - 1) + 1 : s, x : x + s * (wide - 1) + 1 : s]
                out += _mixed(weight[:, :, y, x], seen)
        return out
    whole = np.zeros((len(h), len(weight), high + 2 * p, wide + 2 * p))
    for y in range(k):
        for x in range(k):
            place = whole[:, :, y : y + s * (rows - 1) + 1 : s, x : x + s * (columns - 1) + 1 : s]
            place += _mixed(weight[:, :, y, x], h)
    return whole[:, :, p : p + high, p : p + wide]


def _mixed(weight: np.ndarray, h: np.ndarray) -> np.ndarray:
    """[out, in] and [B, in, H, W] -> [B, out, H, W]: each place's channels by one matrix."""
    return np.tensordot(weight, h, (1, 1)).swapaxes(0, 1)


def _shuffled(h: np.ndarray, r: int) -> np.ndarray:
    """[B, r²·C, H, W] -> [B, C, r·H, r·W]: of channel r²·c + r·a + b comes pixel (r·y + a, r·x + b)."""
    b, c, rows, columns = h.shape
    apart = h.reshape(b, c // r**2, r, r, rows, columns).transpose(0, 1, 4, 2, 5, 3)  # (B, C, H, r, W, r)
    return apart.reshape(b, c // r**2, r * rows, r * columns)


def int8_maps(layers: Sequence[MapLayer]) -> Int8Maps:
    """The layers with int8 weights and one scale an output channel.

    Raises:
        InputError: for layers that don't fit one another, or a weight that is not finite.
    """
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Sequence) or not layers:
        raise InputError(
            "A decoder of maps is a list of MapLayer with at least one; map_layers_of makes such a list."
        )
    done, scales, width = [], [], None
    for i, layer in enumerate(layers):
        if not isinstance(layer, MapLayer):
            raise InputError(f"Layer {i} of the decoder is no MapLayer; map_layers_of makes such a list.")
        weight = finite_array(layer.weight, f"the weight of layer {i}", 4)
        bias = finite_array(layer.bias, f"the bias of layer {i}", 1)
        if layer.activation not in ACTIVATIONS or layer.kind not in KINDS:
            raise InputError(
                f"Layer {i} is {layer.kind!r} with the activation {layer.activation!r}. Known are: {', '.join(KINDS)};"
                f" {', '.join(ACTIVATIONS)}."
            )
        if layer.stride < 1 or layer.padding < 0 or weight.shape[2] != weight.shape[3]:
            raise InputError(
                f"Layer {i} has a kernel of {weight.shape[2]}×{weight.shape[3]}, stride {layer.stride} and padding"
                f" {layer.padding}; expected a square kernel, a stride from 1 and a padding from 0."
            )
        if layer.shuffle < 1 or len(weight) % layer.shuffle**2:
            raise InputError(
                f"Layer {i} gives {len(weight)} channels, of which PixelShuffle({layer.shuffle}) makes no whole number."
            )
        if len(bias) != len(weight) or width not in (None, weight.shape[1]):
            raise InputError(
                f"Layer {i} has a weight of shape {list(weight.shape)} and a bias of {len(bias)}"
                + ("" if width is None else f", after a layer with {width} channels")
                + ". The weight is [outputs, inputs, k, k], in the order from the codes to the picture."
            )
        width = layer.channels
        values, scale = quantise(weight.reshape(len(weight), -1))
        done.append(replace(layer, weight=values.reshape(weight.shape), bias=bias.astype(np.float32)))
        scales.append(scale)
    return Int8Maps(tuple(done), tuple(scales))
