"""Rendered shapes whose factors are known: the idea of dSprites (Matthey et al. 2017), at 28×28 and made in a moment.

One white shape on black ground. Five factors, each independent of the others, make an image: which shape it is, its
scale, its rotation, and where its centre of mass lies. A pixel is as bright as the share of it that the shape covers.
All shapes of one scale have the same area, so the amount of ink says nothing about the shape. The rotation covers a
quarter turn, for after that a square looks as before. Across the shape moves twice as far as up and down: were both alike, any
two directions at right angles would serve a model as well as x and y.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chapter10.data import Images
from chapter10.errors import InputError

SIDE = 28
FACTORS = {"shape": 3, "scale": 6, "rotation": 10, "x": 9, "y": 5}  # how many values each has
KINDS = ("square", "ellipse", "heart")
SIZES = (7.0, 8.0, 9.0, 10.0, 11.0, 12.0)  # by scale: the root of the area, in pixels
TILE = SIDE - FACTORS["x"] + 1  # pixels of the square around its centre that holds any shape
TOP = (SIDE - TILE - FACTORS["y"] + 1) // 2  # pixels above the uppermost such square
SUBPIXELS = 16  # a pixel's coverage is counted on 16×16 points
HELD_OUT = 960  # images that no model is trained on

HEART_AREA, HEART_MIDDLE = 3.6620, 0.2935  # of (u² + v² − 1)³ ≤ u²v³: its area, and v of its centre of mass


@dataclass(frozen=True)
class Shapes:
    """Images, uint8 [N, 28, 28], and the factors that made them, int64 [N, 5], in the order of FACTORS."""

    images: Tensor
    factors: Tensor


def factor_grid() -> Tensor:
    """All combinations of the factors' values, int64 [8100, 5]; the last factor changes fastest."""
    return torch.cartesian_prod(*[torch.arange(count) for count in FACTORS.values()])


def inside(kind: str, u: Tensor, v: Tensor) -> Tensor:
    """Whether points lie in a shape of area 1 with its centre of mass at the origin; v points up.

    Args:
        kind: "square", "ellipse" (twice as long as wide) or "heart"; u, v: coordinates, any shape.
    """
    if kind == "square":
        return torch.maximum(u.abs(), v.abs()) <= 0.5
    if kind == "ellipse":
        return (u / 2).square() + v.square() <= 1 / (2 * math.pi)
    if kind == "heart":
        unit = math.sqrt(HEART_AREA)
        u, v = u * unit, v * unit + HEART_MIDDLE
        return (u.square() + v.square() - 1) ** 3 <= u.square() * v**3
    raise InputError(
        "There is no shape {kind!r}. Choose one of: {choices}.",
        kind=kind,
        choices=', '.join(KINDS),
    )


def tiles() -> Tensor:
    """Each shape in each scale and rotation, in the middle of its own tile: uint8 [3, 6, 10, 20, 20]."""
    points = TILE * SUBPIXELS
    axis = (
        torch.arange(points, dtype=torch.float64) + 0.5
    ) / SUBPIXELS - TILE / 2  # in pixels from the middle
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    made = []
    for kind in KINDS:
        for size in SIZES:
            for turn in range(FACTORS["rotation"]):
                angle = turn * math.pi / 2 / FACTORS["rotation"]  # against the clock
                u = (right * math.cos(angle) - down * math.sin(angle)) / size
                v = (-right * math.sin(angle) - down * math.cos(angle)) / size
                covered = inside(kind, u, v).double().view(TILE, SUBPIXELS, TILE, SUBPIXELS).mean((1, 3))
                made.append(covered.mul(255).round().to(torch.uint8))
    return torch.stack(made).view(len(KINDS), len(SIZES), FACTORS["rotation"], TILE, TILE)


def render(factors: Tensor) -> Tensor:
    """The images of factors [N, 5], whole numbers from 0 up in the order of FACTORS: uint8 [N, 28, 28].

    x counts to the right and y downwards, a pixel for each step.
    """
    _check(factors)
    shape, scale, rotation, x, y = factors.T
    images = torch.zeros(len(factors), SIDE, SIDE, dtype=torch.uint8)
    rows = (TOP + y.unsqueeze(1) + torch.arange(TILE)).unsqueeze(2)  # [N, 20, 1]
    columns = (x.unsqueeze(1) + torch.arange(TILE)).unsqueeze(1)  # [N, 1, 20]
    images[torch.arange(len(factors)).view(-1, 1, 1), rows, columns] = tiles()[shape, scale, rotation]
    return images


def load(count: int | None = None, seed: int = 0) -> Shapes:
    """So many different shapes, drawn from the grid of all 8,100; the same for the same seed.

    Args:
        count: N; all of the grid, in its order, if None.
    Raises:
        InputError: for a count below 1 or above 8,100.
    """
    factors = factor_grid()
    if count is not None:
        if not isinstance(count, int) or not 1 <= count <= len(factors):
            raise InputError(
                "{count!r} shapes were asked for; give a whole number from 1 to {count_2:,}.",
                count=count,
                count_2=len(factors),
            )
        factors = factors[torch.randperm(len(factors), generator=torch.Generator().manual_seed(seed))[:count]]
    return Shapes(render(factors), factors)


def split(seed: int = 0) -> Images:
    """The grid in random order as a data set: 7,140 images to train on and 960 to test on, labelled by their shape."""
    whole = load(math.prod(FACTORS.values()), seed)
    cut = len(whole.images) - HELD_OUT
    kind = whole.factors[:, 0]
    return Images(
        "shapes", whole.images[:cut], kind[:cut], whole.images[cut:], kind[cut:], "rendered, with known factors"
    )  # fmt: skip


def _check(factors: Tensor) -> None:
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS) or factors.dtype != torch.int64:
        raise InputError(
            "Factors are whole numbers [N, {count}], int64; found {dtype} {shape}.",
            count=len(FACTORS),
            dtype=factors.dtype,
            shape=list(factors.shape),
        )
    for (name, count), values in zip(FACTORS.items(), factors.T):
        if len(values) and not 0 <= values.min() <= values.max() < count:
            raise InputError(
                "The factor '{name}' has the values 0 to {count_less_1}, found {lowest} to {highest}.",
                name=name,
                count_less_1=count - 1,
                lowest=values.min(),
                highest=values.max(),
            )
