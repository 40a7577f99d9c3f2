"""Convolutional networks small enough to run in the page: from maps [C, H, W] to a picture, with int8 weights.

`Int8Maps` computes in numpy what `assets/codes.js` computes in the page, so that a test can hold one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import ACTIVATIONS, as_numpy, base64_of, finite_array, quantise
from chapter10.language import say

if TYPE_CHECKING:
    from torch import nn

KINDS = ("convolution", "transposed")
EPS = 1e-5  # added to the variance by InstanceNorm2d, in the page too


@dataclass(frozen=True)
class MapLayer:
    """A convolution, or a transposed one, with what goes before and follows it, in the order of these fields.

    weight: [out, in, k, k], outputs first for both kinds. bias: [out].
    unshuffle: r if a PixelUnshuffle(r) goes before, which makes r² channels of r×r pixels.
    mirrored: whether the padding is a mirror's (torch's "reflect") instead of zeros; for a convolution only.
    norm: whether each channel of each image is brought to mean 0 and variance 1 over its places (InstanceNorm2d).
    activation: "relu", "tanh", "linear" or "sigmoid". shuffle: r if a PixelShuffle(r) follows, the way back of `unshuffle`.
    skip: n if what went into the nth layer back, this one being the first, is added at the end: a residual block's sum.
    """

    kind: str
    weight: Any
    bias: Any
    activation: str = "linear"
    stride: int = 1
    padding: int = 0
    shuffle: int = 1
    unshuffle: int = 1
    mirrored: bool = False
    norm: bool = False
    skip: int = 0

    @property
    def channels(self) -> int:
        """Of what it gives."""
        return len(self.weight) // self.shuffle**2

    @property
    def takes(self) -> int:
        """Channels of what goes in."""
        return np.shape(self.weight)[1] // self.unshuffle**2

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of what it gives for maps of this size."""
        k, s, p = np.shape(self.weight)[-1], self.stride, self.padding
        size = tuple(n // self.unshuffle for n in size)
        if self.kind == "transposed":
            return tuple(((n - 1) * s + k - 2 * p) * self.shuffle for n in size)
        return tuple(((n + 2 * p - k) // s + 1) * self.shuffle for n in size)


def map_layers_of(module: nn.Module, output: str = "sigmoid") -> list[MapLayer]:
    """The layers of an `nn.Sequential` of Conv2d and ConvTranspose2d with ReLU, Tanh or Sigmoid, as the figures take them.

    Args:
        module: a decoder from code vectors [B, C, H, W] to logits, or a generator from picture to picture. BatchNorm2d is
            folded into the layer before it, with the mean and variance that eval mode uses; InstanceNorm2d stays. What
            only reshapes or drops (Flatten, `nets.Maps`, `nets.Rows`) is passed over.
        output: what follows a last layer without activation: our decoders end in logits, so "sigmoid".
    Raises:
        InputError: for a module that has no counterpart in the page.
    """
    found = _collected(module)
    if not found:
        raise InputError(
            "{kind} holds no convolution, so there is no decoder of maps to show.",
            kind=type(module).__name__,
        )
    if output not in ACTIVATIONS:
        raise InputError(
            "The output {output!r} is not known. Choose one of: {choices}.",
            output=output,
            choices=', '.join(ACTIVATIONS),
        )
    if found[-1].activation == "linear":
        found[-1] = replace(found[-1], activation=output)
    return found


def _collected(module: nn.Module) -> list[MapLayer]:
    """The layers in their order; the last one's activation is still "linear" where none follows it."""
    from torch import nn

    from chapter10.nets import Maps, Rows
    from chapter10.translators import ResidualBlock

    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    passed = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten, Maps, Rows)
    found: list[MapLayer] = []
    before = 1  # of a PixelUnshuffle that waits for its layer

    def open_to(activation: bool = True) -> bool:
        """Whether the last layer can take something more: an activation, also after a shuffle, or else a norm."""
        if not found or found[-1].activation != "linear" or found[-1].skip:
            return False
        return activation or (found[-1].shuffle == 1 and not found[-1].norm)

    def walk(part: nn.Module) -> None:
        nonlocal before
        if isinstance(part, nn.Sequential):
            for child in part:
                walk(child)
        elif isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            found.append(replace(_layer(part), unshuffle=before))
            before = 1
        elif isinstance(part, ResidualBlock):
            block = _collected(part.body)
            found.extend([*block[:-1], replace(block[-1], skip=len(block))])
        elif isinstance(part, nn.BatchNorm2d) and open_to(activation=False):
            found[-1] = _folded(found[-1], part)
        elif isinstance(part, nn.InstanceNorm2d) and open_to(activation=False):
            found[-1] = replace(found[-1], norm=_is_plain(part))
        elif type(part) in names and open_to():
            found[-1] = replace(found[-1], activation=names[type(part)])
        elif isinstance(part, nn.PixelShuffle) and found and (found[-1].shuffle, found[-1].skip) == (1, 0):
            found[-1] = replace(found[-1], shuffle=part.upscale_factor)
        elif isinstance(part, nn.PixelUnshuffle) and before == 1:
            before = part.downscale_factor
        elif not isinstance(part, passed):
            raise InputError(
                "A live figure cannot run {kind} here. It knows an nn.Sequential in which Conv2d and "
                "ConvTranspose2d are followed by at most one norm and one ReLU, Tanh or Sigmoid each.",
                kind=type(part).__name__,
            )

    walk(module)
    if before > 1:
        raise InputError("A live figure cannot run PixelUnshuffle here: no convolution follows it.")
    return found


def _is_plain(norm: nn.InstanceNorm2d) -> bool:
    if norm.affine or norm.track_running_stats or norm.eps != EPS:
        raise InputError(
            "A live figure cannot run {norm}. It knows InstanceNorm2d without weights of its own, without running "
            "statistics, with eps = {EPS}.",
            norm=norm,
            EPS=EPS,
        )
    return True


def _layer(part: nn.Conv2d | nn.ConvTranspose2d) -> MapLayer:
    transposed = part.transposed
    square = all(len(set(v)) == 1 for v in (part.kernel_size, part.stride))
    padding = part.padding if isinstance(part.padding, tuple) else (None,)  # "same" and "valid" are words
    mirrored = part.padding_mode == "reflect"
    plain = part.groups == 1 and set(part.dilation) == {1} and (mirrored or part.padding_mode == "zeros")
    if not square or len(set(padding)) > 1 or padding[0] is None or not plain or any(part.output_padding):
        raise InputError(
            "A live figure cannot run {part}. It knows square kernels with one stride and one padding of zeros or "
            "by reflection, without groups, dilation or output padding.",
            part=part,
        )
    weight = as_numpy(part.weight)
    weight = weight.swapaxes(0, 1) if transposed else weight  # torch keeps (in, out, k, k) for the transposed
    bias = np.zeros(len(weight)) if part.bias is None else as_numpy(part.bias)
    return MapLayer(
        KINDS[transposed],
        weight,
        bias,
        "linear",
        part.stride[0],
        padding[0],
        mirrored=mirrored and padding[0] > 0,
    )


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
    """A network as the page computes it; calling it gives the page's numbers: [B, C, H, W] -> [B, C', H', W'], float64.

    layers: with int8 weights; scales: [out] of each, float32.
    """

    layers: tuple[MapLayer, ...]
    scales: tuple[np.ndarray, ...]

    @property
    def channels(self) -> int:
        """Of the maps that go in."""
        return self.layers[0].takes

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
            seen = np.prod(size) // layer.unshuffle**2
            places = seen if layer.kind == "transposed" else np.prod(after) // layer.shuffle**2
            count += layer.weight.size * int(places)
            size = after
        return count

    def __call__(self, maps: Any) -> np.ndarray:
        inputs = [np.asarray(maps, dtype=np.float64)]  # of each layer
        for layer, scale in zip(self.layers, self.scales, strict=True):
            h = _summed(layer, _unshuffled(inputs[-1], layer.unshuffle))
            h = h * scale[:, None, None] + layer.bias[:, None, None]
            if layer.norm:
                h = (h - h.mean((2, 3), keepdims=True)) / np.sqrt(h.var((2, 3), keepdims=True) + EPS)
            h = _shuffled(ACTIVATIONS[layer.activation](h), layer.shuffle)
            inputs.append(h + inputs[-layer.skip] if layer.skip else h)
        return inputs[-1]

    def payload(self) -> list[dict[str, Any]]:
        return [
            {
                "t": int(layer.kind == "transposed"), "shape": list(layer.weight.shape), "w": base64_of(layer.weight),
                "s": base64_of(scale), "b": base64_of(layer.bias), "a": layer.activation, "stride": layer.stride,
                "pad": layer.padding, "shuffle": layer.shuffle, "unshuffle": layer.unshuffle, "mirror": int(layer.mirrored),
                "norm": int(layer.norm), "skip": layer.skip,
            }
            for layer, scale in zip(self.layers, self.scales, strict=True)
        ]  # fmt: skip


def _summed(layer: MapLayer, h: np.ndarray) -> np.ndarray:
    """The sums of a layer, [B, in, H, W] -> [B, out, H', W'], without scale and bias."""
    (rows, columns), s, p, k = h.shape[2:], layer.stride, layer.padding, layer.weight.shape[-1]
    weight = layer.weight.astype(np.float64)
    before = (rows * layer.unshuffle, columns * layer.unshuffle)
    high, wide = (n // layer.shuffle for n in layer.size(before))
    if layer.kind == "convolution":
        padded = np.pad(h, ((0, 0), (0, 0), (p, p), (p, p)), "reflect" if layer.mirrored else "constant")
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


def _unshuffled(h: np.ndarray, r: int) -> np.ndarray:
    """[B, C, r·H, r·W] -> [B, r²·C, H, W], the way back of `_shuffled`."""
    b, c, rows, columns = h.shape
    apart = h.reshape(b, c, rows // r, r, columns // r, r).transpose(0, 1, 3, 5, 2, 4)  # (B, C, r, r, H, W)
    return apart.reshape(b, c * r**2, rows // r, columns // r)


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
            raise InputError("Layer {i} of the decoder is no MapLayer; map_layers_of makes such a list.", i=i)
        weight = finite_array(layer.weight, say("the weight of layer {i}", i=i), 4)
        bias = finite_array(layer.bias, say("the bias of layer {i}", i=i), 1)
        if layer.activation not in ACTIVATIONS or layer.kind not in KINDS:
            raise InputError(
                "Layer {i} is {kind!r} with the activation {activation!r}. Known are: {choices}; {choices_2}.",
                i=i,
                kind=layer.kind,
                activation=layer.activation,
                choices=', '.join(KINDS),
                choices_2=', '.join(ACTIVATIONS),
            )
        if layer.stride < 1 or layer.padding < 0 or weight.shape[2] != weight.shape[3]:
            raise InputError(
                "Layer {i} has a kernel of {size}×{size_2}, stride {stride} and padding {padding}; expected a "
                "square kernel, a stride from 1 and a padding from 0.",
                i=i,
                size=weight.shape[2],
                size_2=weight.shape[3],
                stride=layer.stride,
                padding=layer.padding,
            )
        if layer.shuffle < 1 or len(weight) % layer.shuffle**2:
            raise InputError(
                "Layer {i} gives {count} channels, of which PixelShuffle({shuffle}) makes no whole number.",
                i=i,
                count=len(weight),
                shuffle=layer.shuffle,
            )
        if layer.unshuffle < 1 or weight.shape[1] % layer.unshuffle**2:
            raise InputError(
                "Layer {i} takes {size} channels, which PixelUnshuffle({unshuffle}) never makes.",
                i=i,
                size=weight.shape[1],
                unshuffle=layer.unshuffle,
            )
        if not 0 <= layer.skip <= i + 1 or (
            layer.skip and layer.channels != layers[i + 1 - layer.skip].takes
        ):
            raise InputError(
                "Layer {i} adds what went in {skip} layers back, which is not there or has another number of "
                "channels.",
                i=i,
                skip=layer.skip,
            )
        if layer.mirrored and (layer.kind != "convolution" or not layer.padding):
            raise InputError(
                "Layer {i} is {kind!r} with a padding of {padding}; only a padded convolution can mirror its edges.",
                i=i,
                kind=layer.kind,
                padding=layer.padding,
            )
        if len(bias) != len(weight) or width not in (None, layer.takes):
            raise InputError(
                "Layer {i} has a weight of shape {shape} and a bias of {count}{after}. The weight is [outputs, inputs, k, k], in"
                " the order from the codes to the picture.",
                i=i,
                shape=list(weight.shape),
                count=len(bias),
                after="" if width is None else say(", after a layer with {width} channels", width=width),
            )
        width = layer.channels
        values, scale = quantise(weight.reshape(len(weight), -1))
        done.append(replace(layer, weight=values.reshape(weight.shape), bias=bias.astype(np.float32)))
        scales.append(scale)
    return Int8Maps(tuple(done), tuple(scales))
