"""A plane through a latent space of many dimensions, made small enough for the page: two sliders move z in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import ACTIVATIONS, Layer, as_numpy, finite_array, int8_decoder

GRID = 21  # points along each side of the plane on which the layers are compared
BLANK = 1 / 510  # half a grey level


def plane_of(
    layers: Sequence[Layer], u: Any, v: Any, reach: float = 1.5, tolerance: float = 0.02
) -> list[Layer]:
    """The decoder on the plane z = s₁·u + s₂·v, as layers with two latent dimensions, for `decoder_figure`.

    The first layer takes the plane in: W·(s₁·u + s₂·v) = (W·u)·s₁ + (W·v)·s₂, exactly. What the last layer can give in
    a plane needs few directions: it becomes two thin layers, through as few as keep each pixel within `tolerance`. A
    last tanh, with pixels in [−1, 1], becomes a sigmoid, with pixels in [0, 1]: (tanh(a) + 1) / 2 = sigmoid(2·a).

    Args:
        layers: from `layers_of`. u, v: [L] each, such as two draws of N(0, I). reach: sliders go from −reach to reach.
        tolerance: the largest error of a pixel on a grid of the plane.
    """
    latent_dim = int8_decoder(layers).latent_dim
    u, v = finite_array(u, "u", 1, latent_dim), finite_array(v, "v", 1, latent_dim)
    if not (np.isfinite(reach) and reach > 0 and 0 < tolerance < 1):
        raise InputError(
            "reach is {reach} and tolerance {tolerance}; give a number above 0, and one from 0 to 1.",
            reach=reach,
            tolerance=tolerance,
        )
    numbers = [(as_numpy(w).astype(float), as_numpy(b).astype(float), a) for w, b, a in layers]
    weight, bias, activation = numbers[0]
    folded = [(weight @ np.stack([u, v], 1), bias, activation), *numbers[1:]]
    if folded[-1][2] == "tanh":
        weight, bias, _ = folded[-1]
        folded[-1] = (2 * weight, 2 * bias, "sigmoid")
    if len(folded) == 1:
        return folded
    side = np.linspace(-reach, reach, GRID)
    hidden = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)  # (GRID², 2)
    for weight, bias, activation in folded[:-1]:
        hidden = ACTIVATIONS[activation](hidden @ weight.T + bias)
    weight, bias, activation = folded[-1]
    wanted = ACTIVATIONS[activation](hidden @ weight.T + bias)  # (GRID², D)
    if (
        activation == "sigmoid"
    ):  # pixels that no point of the plane touches: whatever they are below 0, they stay 0
        blank = wanted.max(0) < BLANK
        weight, bias = np.where(blank[:, None], 0, weight), np.where(blank, -20, bias)
    before = hidden @ weight.T
    directions = np.linalg.svd(before, full_matrices=False)[2].T  # (D, GRID²): the strongest first

    def error(rank: int) -> float:
        kept = directions[:, :rank]
        return np.abs(ACTIVATIONS[activation](before @ kept @ kept.T + bias) - wanted).max()

    low, high = 1, min(weight.shape)  # as thin as the tolerance allows, by halving
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= tolerance else (middle + 1, high)
    if low * sum(weight.shape) >= weight.size:
        return folded
    kept = directions[:, :low]
    return [*folded[:-1], (kept.T @ weight, np.zeros(low), "linear"), (kept, bias, activation)]
