"""The smallest GAN that does not settle: Mescheder, Geiger and Nowozin 2018, Which training methods for GANs do
actually converge? Instance noise: Sonderby et al. 2017; clipping: Arjovsky, Chintala and Bottou 2017; the penalty
on the slope: Gulrajani et al. 2017, Improved training of Wasserstein GANs.

The data is the point 0, the generator the point theta, and the discriminator's logit is psi x, high for real as
everywhere in this package (the paper's psi is ours times -1). All that training can reach is the equilibrium
theta = psi = 0; the question is whether it does. Linearised there, `eigenvalues` and `modulus` answer; where they say
neither yes nor no, what is beyond the linear part decides (derived here, and held by the tests):

- In continuous time the minimax game goes round in circles, theta^2 + psi^2 constant. The non-saturating one creeps
  in, 1/radius^2 growing by 1/8 in a unit of time; simultaneous steps h outweigh that below a radius of sqrt(2 h).
- A critic with a gradient penalty of small weight goes round at a radius of 4/pi. From a weight of 1/sqrt(d_steps) up
  it creeps, from one side, to theta = +-2 weight, where psi = 0 and the penalty holds the critic against the data.
- A clipped critic goes round just within the clip.

All numbers are float64. S steps.
"""

import cmath
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from chapter10.errors import InputError

OBJECTIVES = ("minimax", "non-saturating", "wasserstein")
SCHEMES = ("simultaneous", "alternating", "flow")
NOISE_REACH = 10.0  # of the grid that instance noise is summed over, in standard deviations
NOISE_POINTS = 401

Number = float | Tensor


class Trajectory(NamedTuple):
    """theta and psi [S + 1] from the start on, or [S + 1, N] for N starts at once."""

    theta: Tensor
    psi: Tensor

    @property
    def radius(self) -> Tensor:
        """The distance from the equilibrium, [S + 1] or [S + 1, N]."""
        return torch.hypot(self.theta, self.psi)


@dataclass(frozen=True)
class DiracGAN:
    """Data at 0, a generator at theta, a discriminator with the logit psi x.

    Args:
        objective: of the generator: "minimax" (log(1 - D)), "non-saturating" (-log D), or "wasserstein", in which
            the discriminator is a critic that maximises the mean of psi x on real minus that on fakes.
        r1: gamma in the discriminator's penalty gamma/2 psi^2, its squared slope at the data.
        instance_noise: the standard deviation of Gaussian noise added to real and fake.
        gradient_penalty: the weight of (|psi| - 1)^2 in the discriminator's loss, 10 in Gulrajani et al.
        clip: the bound on |psi| after each discriminator step, or None.
    Raises InputError for another objective or a number out of range.
    """

    objective: str = "minimax"
    r1: float = 0.0
    instance_noise: float = 0.0
    gradient_penalty: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(
                "objective is {objective!r}; give one of {choices}.",
                objective=self.objective,
                choices=', '.join(OBJECTIVES),
            )
        for name in ("r1", "instance_noise", "gradient_penalty"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    "{name} is {value}; give a finite number from 0 up.",
                    name=name,
                    value=getattr(self, name),
                )
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise InputError("clip is {clip}; give a finite number above 0, or None.", clip=self.clip)

    # The game in continuous time

    def value(self, theta: Number, psi: Number) -> Tensor:
        """V(D, G) without penalties, for drawing: E log D(real) + E log(1 - D(fake)), or E real - E fake for a critic."""
        theta, psi = _numbers(theta, psi)
        if self.objective == "wasserstein":
            return -psi * theta
        real, fake, weights = self._points(theta)
        return (logsigmoid(psi[..., None] * real) + logsigmoid(-psi[..., None] * fake)) @ weights

    def vector_field(self, theta: Number, psi: Number) -> tuple[Tensor, Tensor]:
        """(d theta, d psi): where gradient descent on either loss pulls, of the shape that theta and psi broadcast to.

        Expectations over the noise are trapezoid sums, good to the last digits while |psi| times the noise is below 10.
        Clipping belongs to a step and not to the field.
        """
        theta, psi = _numbers(theta, psi)
        return self._pull_theta(theta, psi), self._pull_psi(theta, psi)

    def jacobian(self) -> Tensor:
        """The vector field's derivative [2, 2] at the equilibrium, rows d theta and d psi, columns theta and psi."""
        if self.gradient_penalty:
            raise InputError(
                "With a gradient penalty the field jumps at psi = 0 and has no derivative there: follow its trajectory."
            )
        pull = 1.0 if self.objective == "wasserstein" else 0.5
        noise = 0.0 if self.objective == "wasserstein" else self.instance_noise**2 / 2
        return torch.tensor([[0.0, pull], [-pull, -self.r1 - noise]], dtype=torch.float64)

    def eigenvalues(self) -> Tensor:
        """The Jacobian's eigenvalues [2], complex: +-i/2 where nothing damps (+-i for a critic), so the field turns
        round the equilibrium and nothing pulls it in.

        R1 gives -gamma/2 +- sqrt(gamma^2/4 - 1/4): fastest at gamma = 1. Instance noise gives -sigma^2/4 +-
        sqrt(sigma^4/16 - 1/4): fastest at sigma^2 = 2. Beyond, the slower of two real eigenvalues governs.
        """
        return _eigenvalues(self.jacobian())

    # The game in steps

    def step(
        self, theta: Number, psi: Number, h: float, scheme: str = "simultaneous", d_steps: int = 1
    ) -> tuple[Tensor, Tensor]:
        """One round with learning rate h for both players.

        "simultaneous": both step from where both are. "alternating": the discriminator takes d_steps, then the
        generator one, which sees them. "flow": continuous time for a time h, by one Runge-Kutta step of order 4.
        """
        self._check_step(h, scheme, d_steps)
        return self._step(*_numbers(theta, psi), h, scheme, d_steps)

    def trajectory(
        self, theta: Number, psi: Number, h: float, steps: int, scheme: str = "simultaneous", d_steps: int = 1
    ) -> Trajectory:
        """The start and where each of `steps` rounds leads; theta and psi may be tensors [N], for N starts at once."""
        self._check_step(h, scheme, d_steps)
        if not isinstance(steps, int) or steps < 1:
            raise InputError("steps is {steps!r}; give a whole number from 1 up.", steps=steps)
        path = [torch.broadcast_tensors(*_numbers(theta, psi))]
        for _ in range(steps):
            path.append(self._step(*path[-1], h, scheme, d_steps))
        return Trajectory(*(torch.stack(part) for part in zip(*path, strict=True)))

    def update_matrix(self, h: float, scheme: str = "simultaneous", d_steps: int = 1) -> Tensor:
        """The matrix [2, 2] that one round is, close to the equilibrium: (theta, psi) -> matrix @ (theta, psi)."""
        self._check_step(h, scheme, d_steps)
        jacobian, identity = self.jacobian(), torch.eye(2, dtype=torch.float64)
        if scheme == "flow":
            return torch.linalg.matrix_exp(h * jacobian)
        if scheme == "simultaneous":
            return identity + h * jacobian
        generator, discriminator = identity.clone(), identity.clone()
        generator[0] += h * jacobian[0]
        discriminator[1] += h * jacobian[1]
        return generator @ torch.linalg.matrix_power(discriminator, d_steps)

    def update_eigenvalues(self, h: float, scheme: str = "simultaneous", d_steps: int = 1) -> Tensor:
        """The eigenvalues [2], complex, of `update_matrix`."""
        return _eigenvalues(self.update_matrix(h, scheme, d_steps))

    def modulus(self, h: float, scheme: str = "simultaneous", d_steps: int = 1) -> float:
        """The larger modulus of the two eigenvalues: by which factor the radius grows a round, in the long run and
        close to the equilibrium. Below 1 the game settles.

        Where nothing damps, "simultaneous" gives sqrt(1 + h^2/4), above 1 for every h. "alternating" gives exactly 1
        for h <= 4/sqrt(d_steps), and more beyond; at that h itself the radius grows like the number of rounds. For a
        critic both hold with 2 h in place of h. With R1 of gamma <= 1 (no critic) "simultaneous" settles for h < 4 gamma.
        """
        return float(self.update_eigenvalues(h, scheme, d_steps).abs().max())

    # Inside

    def _pull_theta(self, theta: Tensor, psi: Tensor) -> Tensor:
        if self.objective == "wasserstein":
            return psi + 0 * theta
        _, fake, weights = self._points(theta)
        logits = psi[..., None] * fake
        return (logits if self.objective == "minimax" else -logits).sigmoid() @ weights * psi

    def _pull_psi(self, theta: Tensor, psi: Tensor) -> Tensor:
        if self.objective == "wasserstein":
            pull = -theta + 0 * psi  # noise of mean 0 is nothing to a critic
        else:
            real, fake, weights = self._points(theta)
            slope = psi[..., None]
            pull = ((-slope * real).sigmoid() * real - (slope * fake).sigmoid() * fake) @ weights
        return pull - self.r1 * psi - 2 * self.gradient_penalty * (psi.abs() - 1) * psi.sign()

    def _step(self, theta: Tensor, psi: Tensor, h: float, scheme: str, d_steps: int) -> tuple[Tensor, Tensor]:
        if scheme == "flow":
            return self._runge_kutta(theta, psi, h)
        seen = psi
        for _ in range(d_steps):
            psi = psi + h * self._pull_psi(theta, psi)
            if self.clip is not None:
                psi = psi.clamp(-self.clip, self.clip)
        if scheme == "alternating":
            seen = psi
        return theta + h * self._pull_theta(theta, seen), psi

    def _runge_kutta(self, theta: Tensor, psi: Tensor, h: float) -> tuple[Tensor, Tensor]:
        slopes = [self.vector_field(theta, psi)]
        for part in (h / 2, h / 2, h):
            slopes.append(self.vector_field(theta + part * slopes[-1][0], psi + part * slopes[-1][1]))
        moves = [h / 6 * (k1 + 2 * k2 + 2 * k3 + k4) for k1, k2, k3, k4 in zip(*slopes, strict=True)]
        return theta + moves[0], psi + moves[1]

    def _points(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Real [K] and fake [..., K] for K values of the noise, and the weights [K] with which they count."""
        noise, weights = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        if self.instance_noise:
            # The trapezoid rule, as Gauss-Hermite needs far more points once the sigmoid is a step beside the noise.
            z = torch.linspace(-NOISE_REACH, NOISE_REACH, NOISE_POINTS, dtype=torch.float64)
            noise, weights = self.instance_noise * z, torch.softmax(-z.square() / 2, 0)
        return noise, theta[..., None] + noise, weights

    def _check_step(self, h: float, scheme: str, d_steps: int) -> None:
        if scheme not in SCHEMES:
            raise InputError(
                "scheme is {scheme!r}; give one of {choices}.",
                scheme=scheme,
                choices=', '.join(SCHEMES),
            )
        if not 0 < h < math.inf:
            raise InputError("h is {h}; give a finite learning rate above 0.", h=h)
        if not isinstance(d_steps, int) or d_steps < 1:
            raise InputError("d_steps is {d_steps!r}; give a whole number from 1 up.", d_steps=d_steps)
        if d_steps > 1 and scheme != "alternating":
            raise InputError(
                'd_steps is {d_steps} in the scheme "{scheme}"; several belong to "alternating".',
                d_steps=d_steps,
                scheme=scheme,
            )
        if self.clip is not None and scheme == "flow":
            raise InputError(
                "clip acts after a step, and a flow has none: take another scheme, or clip=None."
            )


def _numbers(theta: Number, psi: Number) -> tuple[Tensor, Tensor]:
    theta, psi = (torch.as_tensor(value, dtype=torch.float64) for value in (theta, psi))
    try:
        torch.broadcast_shapes(theta.shape, psi.shape)
    except RuntimeError:
        raise InputError(
            "theta has shape {shape} and psi {shape_2}; give two shapes that broadcast.",
            shape=list(theta.shape),
            shape_2=list(psi.shape),
        ) from None
    return theta, psi


def _eigenvalues(matrix: Tensor) -> Tensor:
    """Of a real matrix [2, 2], in closed form: exact also where the two meet, which is where a game is fastest."""
    (a, b), (c, d) = matrix.tolist()
    root = cmath.sqrt(((a - d) / 2) ** 2 + b * c)
    return torch.tensor([(a + d) / 2 + root, (a + d) / 2 - root], dtype=torch.complex128)
