"""Backpropagation through a chain of layers, written out: what autograd finds, with less between the matrix products.

Networks as small as the chapter's spend a quarter to a third of a training step on recording a graph and walking
back through it. `forward` keeps each layer's output, `backward` applies the chain rule from the last layer to the
first (Rumelhart, Hinton and Williams 1986). Used by `vae.elbo_gradients`, and by `Chain`, a sequence of layers that
autograd takes for a single one; tests hold both to autograd.

B batch; a layer has I inputs and O outputs.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from chapter10.nets import Dropout

_aten = torch.ops.aten
# layer: what it does to x in place, and the gradient at its input from the one at its output and that output
_ACTIVATIONS = {
    nn.ReLU: (
        lambda layer, x: torch.relu_(x),
        lambda layer, grad, out: _aten.threshold_backward(grad, out, 0),
    ),
    nn.Tanh: (lambda layer, x: torch.tanh_(x), lambda layer, grad, out: _aten.tanh_backward(grad, out)),
    nn.LeakyReLU: (
        lambda layer, x: F.leaky_relu_(x, layer.negative_slope),
        lambda layer, grad, out: _aten.leaky_relu_backward(grad, out, layer.negative_slope, True),
    ),
}


def is_chain(layers: Sequence[nn.Module]) -> bool:
    """Whether this module knows each layer: linear, ReLU, leaky ReLU or tanh after a linear one, `nets.Dropout`."""
    kinds = [type(layer) for layer in layers]
    return all(
        kind in (nn.Linear, Dropout) or (kind in _ACTIVATIONS and before is nn.Linear)
        for before, kind in zip([None, *kinds], kinds)
    )


def forward(layers: Sequence[nn.Module], x: Tensor, masks: dict[int, Tensor] | None = None) -> list[Tensor]:
    """x [B, I] and each layer's output. An activation overwrites its input, which no gradient needs.

    The factors of dropout layers go into `masks`, by the layer's place, for `backward`.
    """
    kept = [x]
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            x = F.linear(x, layer.weight, layer.bias)
        elif isinstance(layer, Dropout):
            mask = layer.mask(x)
            x = x if mask is None else x * mask
            if mask is not None and masks is not None:
                masks[i] = mask
        else:
            _ACTIVATIONS[type(layer)][0](layer, x)
        kept.append(x)
    return kept


def _grad(parameter: nn.Parameter) -> Tensor:
    """Where the parameter's gradient stands: memory that is used again at each step."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


def backward(
    layers: Sequence[nn.Module],
    kept: Sequence[Tensor],
    grad: Tensor,
    to_input: bool = True,
    masks: dict[int, Tensor] | None = None,
    into: Callable[[nn.Parameter], Tensor | None] = _grad,
) -> Tensor | None:
    """Write each parameter's gradient into its `.grad`, in place of what was there.

    Args:
        layers, kept, masks: as given to and by `forward`.
        grad: gradient at the last output [B, O].
        to_input: whether the gradient at the input is wanted too: the first layer's costs a matrix product more.
        into: another place for a parameter's gradient, or None if it is not wanted: that saves a product too.
    Returns:
        that gradient [B, I], or None.
    """
    for i in reversed(range(len(layers))):
        layer = layers[i]
        if isinstance(layer, Dropout):
            grad = grad * masks[i] if masks and i in masks else grad
            continue
        if not isinstance(layer, nn.Linear):
            grad = _ACTIVATIONS[type(layer)][1](layer, grad, kept[i + 1])
            continue
        place = into(layer.weight)
        if place is not None:
            torch.mm(grad.t(), kept[i], out=place)  # (B, O)ᵀ (B, I) -> (O, I)
        place = None if layer.bias is None else into(layer.bias)
        if place is not None:
            torch.sum(grad, 0, out=place)
        if i > 0 or to_input:
            grad = grad @ layer.weight  # (B, O) (O, I) -> (B, I)
    return grad if to_input else None


class Chain(nn.Sequential):
    """nn.Sequential, with `forward` and `backward` of this module where they can take its place, as in each step of a GAN.

    They do so for float32 on the CPU. Where the input itself is to be differentiated by (a leaf, as in
    `gan.r1_penalty`), autograd is left to follow each layer, for there a second derivative may be wanted.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.by_hand(x):
            return super().forward(x)
        layers = list(self)
        if not torch.is_grad_enabled():
            return forward(layers, x)[-1]
        return _ChainFunction.apply(layers, x, *self.parameters())

    def by_hand(self, x: Tensor) -> bool:
        """Whether x [B, I] goes through the chain in one piece."""
        return (
            x.device.type == "cpu"
            and x.ndim == 2
            and not (x.is_leaf and x.requires_grad)
            and all(x.dtype == p.dtype == torch.float32 for p in self.parameters())
            and is_chain(self)
            and len(set(self)) == len(self)  # a layer that comes twice has one gradient, from two places
            and not any(layer._forward_hooks or layer._forward_pre_hooks for layer in self)
        )


class _ChainFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, layers, x, *parameters):
        masks: dict[int, Tensor] = {}
        kept = forward(layers, x, masks)
        ctx.layers, ctx.parameters, ctx.places = layers, parameters, list(masks)
        ctx.save_for_backward(*kept, *masks.values())
        return kept[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        count = len(ctx.layers) + 1
        kept, masks = ctx.saved_tensors[:count], dict(zip(ctx.places, ctx.saved_tensors[count:]))
        _, to_input, *wanted = ctx.needs_input_grad
        grads = [torch.empty_like(p) if w else None for p, w in zip(ctx.parameters, wanted)]
        place = {id(p): g for p, g in zip(ctx.parameters, grads)}
        grad = backward(ctx.layers, kept, grad, to_input, masks, lambda p: place[id(p)])
        return None, grad, *grads
