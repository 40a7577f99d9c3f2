"""Backpropagation through a chain of layers, written out: what autograd finds, with less between the matrix products.

Networks as small as the chapter's spend a quarter to a third of a training step on recording a graph and walking
back through it. `forward` keeps each layer's output, `backward` applies the chain rule from the last layer to the
first (Rumelhart, Hinton and Williams 1986). Used by `vae.elbo_gradients` and `gan.GANTraining`; tests hold it to
autograd.

B batch; a layer has I inputs and O outputs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


_by_autograd: ContextVar[bool] = ContextVar("by_autograd", default=False)


@contextmanager
def by_autograd() -> Iterator[None]:
    """While it lasts no network is taken for a chain: all gradients are autograd's, as they are on a GPU."""
    token = _by_autograd.set(True)
    try:
        yield
    finally:
        _by_autograd.reset(token)


def is_chain(layers: Sequence[nn.Module]) -> bool:
    """Whether this module knows each layer: linear, ReLU, leaky ReLU or tanh after a linear one, `nets.Dropout`."""
    kinds = [type(layer) for layer in layers]
    return not _by_autograd.get() and all(
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


class Pass:
    """x [B, I] on its way through a chain of layers, and the gradient on its way back.

    Attributes:
        output: of the last layer, [B, O].
    """

    def __init__(self, layers: Sequence[nn.Module], x: Tensor):
        self._layers, self._masks = list(layers), {}
        self._kept = forward(self._layers, x, self._masks)
        self.output = self._kept[-1]

    def learn(self, grad: Tensor) -> None:
        """Leave in each parameter's `.grad` its gradient, from the one at the output [B, O]."""
        backward(self._layers, self._kept, grad, False, self._masks)

    def to_input(self, grad: Tensor) -> Tensor:
        """The gradient at x [B, I], and none for the parameters: their products are not made."""
        return backward(self._layers, self._kept, grad, True, self._masks, into=lambda parameter: None)
