"""The few networks that methods share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chapter10.errors import InputError

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def mlp(sizes: Sequence[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers from sizes[0] to sizes[-1] with an activation between them, none at the end."""
    if activation not in ACTIVATIONS:
        raise InputError(f"The activation {activation!r} is not known. Choose one of: {', '.join(ACTIVATIONS)}.")
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class Classifier(nn.Module):
    """A small convolutional classifier of 28×28 images, for measuring what the generative models draw.

    `forward(x [B, 784] in [0, 1]) -> logits [B, classes]`; `features(x) -> [B, 64]`, the layer before.
    """

    def __init__(self, classes: int = 10, width: int = 16):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),  # (B, 1, 28, 28) -> (B, w, 14, 14)
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # -> (B, 2w, 7, 7)
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.hidden = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * width * 49, 64), nn.ReLU())
        self.output = nn.Linear(64, classes)

    def features(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != 784:
            raise InputError(f"The classifier takes images as [B, 784], found {list(x.shape)}: flatten 28×28 images first.")
        return self.hidden(self.convolutions(x.view(-1, 1, 28, 28)).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


def check_sizes(**sizes: int) -> None:
    """Raise InputError unless each is a whole number from 1 up."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise InputError(f"{name} is {size!r}; give a whole number from 1 up.")


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def in_chunks(function, x: Tensor, size: int = 2000) -> Tensor:
    """function(x) put together from pieces of `size` rows, without gradients: bounded memory."""
    return torch.cat([function(piece) for piece in x.split(size)])
