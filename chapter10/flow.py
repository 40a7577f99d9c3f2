"""A normalizing flow on a line: an invertible map carries data to N(0, 1), and so gives their density exactly.

Rezende and Mohamed 2015, Variational inference with normalizing flows; Dinh, Sohl-Dickstein and Bengio 2017, Density
estimation using Real NVP. The map's curved piece is a sinh between an arcsinh, as in Jones and Pewsey 2009,
Sinh-arcsinh distributions: its inverse is a formula. What comes after the chapter.

All values are in nats. N points on a line, K layers. Use float64 where the last digits matter.
"""

import math

import torch
from torch import Tensor, nn

from chapter10.errors import InputError
from chapter10.nets import check_sizes

FAR = 40.0  # from |x| + log steepness = 40 on, arcsinh(e^a sinh x) is |x| + a to the last digit


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, 1) at each point, of the shape of z."""
    return -0.5 * (z.square() + math.log(2 * math.pi))


def change_of_variables(z: Tensor, log_slope: Tensor) -> Tensor:
    """log p(x) = log N(f(x); 0, 1) + log f′(x), for z = f(x) and f rising.

    The second term is what the map does to lengths: where f is steep, many z lie behind few x, and x is dense.

    Args:
        z: f(x) [N]; log_slope: log f′(x) [N]. In D dimensions log|det| of the Jacobian stands in its place.
    Returns:
        [N].
    """
    _check_points("z", z)
    if log_slope.shape != z.shape:
        raise InputError(
            "log_slope has shape {shape}; expected that of z, {shape_2}.",
            shape=list(log_slope.shape),
            shape_2=list(z.shape),
        )
    return log_normal(z) + log_slope


def bend(x: Tensor, log_steepness: Tensor, lean: Tensor) -> tuple[Tensor, Tensor]:
    """y = arcsinh(e^a sinh(x) + d) and log dy/dx: slope about e^a in the middle, 1 far out.

    Below 0, a presses the middle together: what lies there becomes rare, and two modes part. The inverse is again a bend:
    of −a, with the lean −d e^(−a).

    Args:
        x: [N]; log_steepness: a, and lean: d, scalars.
    Returns:
        y [N] and log dy/dx [N] = a + log cosh x − log cosh y.
    """
    far = x.abs() + log_steepness > FAR  # sinh would overflow there
    near = torch.where(far, torch.zeros_like(x), x)  # keeps inf and NaN out of the branch not taken
    inner = torch.asinh(log_steepness.exp() * near.sinh() + lean)
    y = torch.where(far, x + log_steepness * x.sign(), inner)
    return y, log_steepness + _log_cosh(x) - _log_cosh(y)


class Flow(nn.Module):
    """z = f(x): K times a stretch, a shift and a bend, and at the end a stretch and a shift. It rises everywhere.

    4 K + 2 numbers are learned. It starts near the identity: at p(x) = N(0, 1), the bends drawn a little apart.

    Args:
        layers: K, 1 or more.
    """

    def __init__(self, layers: int = 3):
        super().__init__()
        check_sizes(layers=layers)
        self.log_scale = nn.Parameter(torch.zeros(layers + 1))
        self.shift = nn.Parameter(torch.zeros(layers + 1))
        self.log_steepness = nn.Parameter(0.1 * torch.randn(layers))
        self.lean = nn.Parameter(0.1 * torch.randn(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [N] -> z [N] and log f′(x) [N]: the log slopes of the pieces add up."""
        _check_points("x", x)
        log_slope = torch.zeros_like(x)
        for scale, shift, steepness, lean in zip(self.log_scale, self.shift, self.log_steepness, self.lean):
            x, bent = bend(scale.exp() * x + shift, steepness, lean)
            log_slope = log_slope + scale + bent
        scale, shift = self.log_scale[-1], self.shift[-1]
        return scale.exp() * x + shift, log_slope + scale

    def inverse(self, z: Tensor) -> Tensor:
        """z [N] -> x [N], by formula: the pieces undone, the last one first."""
        _check_points("z", z)
        x = (z - self.shift[-1]) * (-self.log_scale[-1]).exp()
        for k in reversed(range(len(self.lean))):
            steepness, lean = self.log_steepness[k], self.lean[k]
            x, _ = bend(x, -steepness, -lean * (-steepness).exp())
            x = (x - self.shift[k]) * (-self.log_scale[k]).exp()
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) [N] of points x [N], exactly."""
        return change_of_variables(*self(x))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n points [n]: z from N(0, 1), carried back."""
        if n < 1:
            raise InputError("n is {n}; ask for at least one sample.", n=n)
        return self.inverse(
            torch.randn(n, generator=generator, dtype=self.shift.dtype, device=self.shift.device)
        )


def _log_cosh(x: Tensor) -> Tensor:
    size = x.abs()
    return size + torch.log1p(torch.exp(-2 * size)) - math.log(2)


def _check_points(name: str, points: Tensor) -> None:
    if points.ndim != 1 or not points.is_floating_point():
        raise InputError(
            "{name} is {dtype} of shape {shape}; give points on a line as floats [N].",
            name=name,
            dtype=points.dtype,
            shape=list(points.shape),
        )
