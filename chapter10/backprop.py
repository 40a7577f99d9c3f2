"""Backpropagation through a chain of layers, written out: what autograd finds, with less between the matrix products.

Networks as small as the chapter's spend a quarter to a third of a training step on recording a graph and walking
back through it. `forward` keeps each layer's output, `backward` applies the chain rule from the last layer to the
first (Rumelhart, Hinton and Williams 1986). Used by `vae.elbo_gradients`; tests hold it to autograd.

B batch; a layer has I inputs and O outputs.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_aten = torch.ops.aten
# layer: what it does to x in place, and the gradient at its input from the one at its output and that output
_ACTIVATIONS = {
    nn.ReLU: (torch.relu_, lambda grad, out: _aten.threshold_backward(grad, out, 0)),
    nn.Tanh: (torch.tanh_, _aten.tanh_backward),
}


def is_chain(layers: Sequence[nn.Module]) -> bool:
    """Whether each layer is one that this module knows (linear, ReLU, tanh), activations following a linear layer."""
    kinds = [type(layer) for layer in layers]
    return all(
        kind is nn.Linear or (kind in _ACTIVATIONS and before is nn.Linear)
        for before, kind in zip([None, *kinds], kinds)
    )


def forward(layers: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
    """x [B, I] and each layer's output. An activation overwrites its input, which no gradient needs."""
    kept = [x]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = F.linear(x, layer.weight, layer.bias)
        else:
            _ACTIVATIONS[type(layer)][0](x)
        kept.append(x)
    return kept


def backward(
    layers: Sequence[nn.Module], kept: list[Tensor], grad: Tensor, to_input: bool = True
) -> Tensor | None:
    """Write each parameter's gradient into its `.grad`, in place of what was there.

    Args:
        layers, kept: as given to and by `forward`.
        grad: gradient at the last output [B, O].
        to_input: whether the gradient at the input is wanted too: the first layer's costs a matrix product more.
    Returns:
        that gradient [B, I], or None.
    """
    for i in reversed(range(len(layers))):
        layer = layers[i]
        if not isinstance(layer, nn.Linear):
            grad = _ACTIVATIONS[type(layer)][1](grad, kept[i + 1])
            continue
        torch.mm(grad.t(), kept[i], out=_grad(layer.weight))  # (B, O)ᵀ (B, I) -> (O, I)
        if layer.bias is not None:
            torch.sum(grad, 0, out=_grad(layer.bias))
        if i > 0 or to_input:
            grad = grad @ layer.weight  # (B, O) (O, I) -> (B, I)
    return grad if to_input else None


def _grad(parameter: nn.Parameter) -> Tensor:
    """Where the parameter's gradient stands: memory that is used again at each step."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
