"""chapter10.flow against closed forms, quadrature and autograd."""

import math

import pytest
import torch

from chapter10 import data, exact, flow
from chapter10.errors import InputError
from chapter10.training import adam

AXIS = torch.linspace(-12, 12, 4801, dtype=torch.float64)
WEIGHTS = exact.grid_weights(AXIS)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


def some_flow(layers=3, seed=0, size=0.6):
    torch.manual_seed(seed)
    made = flow.Flow(layers).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(size * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("steepness", [-3.0, 0.0, 1.5])
@pytest.mark.parametrize("lean", [-2.0, 0.0, 0.7])
def test_a_bend_has_the_slope_that_autograd_finds(steepness, lean):
    x = torch.linspace(-6, 6, 121, dtype=torch.float64).requires_grad_()
    y, log_slope = flow.bend(x, scalar(steepness), scalar(lean))
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope)
    torch.testing.assert_close(y.sinh(), math.exp(steepness) * x.sinh() + lean)


def test_a_bend_is_steep_in_the_middle_and_has_slope_1_far_out():
    _, log_slope = flow.bend(torch.tensor([0.0, -30.0, 30.0]).double(), scalar(-2.0), scalar(0.0))
    torch.testing.assert_close(log_slope, torch.tensor([-2.0, 0.0, 0.0]).double())


def test_a_bend_of_nothing_changes_nothing():
    y, log_slope = flow.bend(AXIS, scalar(0.0), scalar(0.0))
    torch.testing.assert_close(y, AXIS)
    torch.testing.assert_close(log_slope, torch.zeros_like(AXIS), atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bend_stays_finite_and_keeps_its_gradient_far_out(dtype):
    x = torch.tensor([-5000.0, -100.0, 100.0, 5000.0], dtype=dtype, requires_grad=True)
    a, d = torch.tensor(-0.5, dtype=dtype, requires_grad=True), torch.tensor(0.3, dtype=dtype)
    y, log_slope = flow.bend(x, a, d)
    torch.testing.assert_close(y, x - 0.5 * x.sign())
    torch.testing.assert_close(log_slope, torch.zeros_like(x), atol=1e-3, rtol=0)
    gradients = torch.autograd.grad(y.sum() + log_slope.sum(), (x, a))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_near_and_far_meet():
    """arcsinh(e^a sinh x) is |x| + a to the last digit on both sides of the border."""
    x = torch.tensor([flow.FAR - 1e-9, flow.FAR + 1e-9]).double()
    y, _ = flow.bend(x, scalar(0.0), scalar(0.5))
    torch.testing.assert_close(y, x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_inverse_undoes_the_map_both_ways(layers, seed):
    made = some_flow(layers, seed)
    x = torch.linspace(-5, 5, 201, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(made.inverse(made(x)[0]), x, atol=1e-9, rtol=0)
        torch.testing.assert_close(made(made.inverse(x))[0], x, atol=1e-9, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_log_slope_is_that_of_the_map_and_the_map_rises(seed):
    made = some_flow(seed=seed)
    x = torch.linspace(-5, 5, 201, dtype=torch.float64).requires_grad_()
    z, log_slope = made(x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope)
    assert (z.diff() > 0).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_density_has_mass_1(seed):
    made = some_flow(seed=seed, size=0.4)
    wide = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    with torch.no_grad():
        mass = (exact.grid_weights(wide) * made.log_prob(wide).exp()).sum()
    assert mass.item() == pytest.approx(1, abs=1e-6)


def test_without_the_log_slope_the_mass_is_not_1():
    made = some_flow(size=0.4)
    wide = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    with torch.no_grad():
        mass = (exact.grid_weights(wide) * flow.log_normal(made(wide)[0]).exp()).sum()
    assert abs(mass.item() - 1) > 0.05


def test_an_affine_flow_is_a_gaussian():
    made = flow.Flow(1).double()
    with torch.no_grad():
        made.log_steepness.zero_(), made.lean.zero_()
        made.log_scale.copy_(torch.tensor([0.4, -1.0])), made.shift.copy_(torch.tensor([0.3, 0.5]))
        scale, shift = math.exp(-0.6), math.exp(-1.0) * 0.3 + 0.5
        gaussian = torch.distributions.Normal(-shift / scale, 1 / scale)
        torch.testing.assert_close(made.log_prob(AXIS), gaussian.log_prob(AXIS))


def test_samples_come_from_the_density():
    made = some_flow(size=0.4)
    drawn = made.sample(20_000, torch.Generator().manual_seed(0))
    wide = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    with torch.no_grad():
        below = torch.cumulative_trapezoid(made.log_prob(wide).exp(), wide)
    for level in (0.1, 0.5, 0.9):
        at = wide[1:][below > level][0]
        assert (drawn < at).double().mean().item() == pytest.approx(level, abs=0.012)


def test_samples_repeat_with_their_generator():
    made = some_flow()
    first, second = (made.sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_it_starts_near_the_standard_normal():
    torch.manual_seed(0)
    made = flow.Flow().double()
    with torch.no_grad():
        gap = exact.kl_divergence(flow.log_normal(AXIS), made.log_prob(AXIS), WEIGHTS)
    assert gap < 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maximum_likelihood_finds_two_modes(seed):
    """What the likelihood lacks of minus the entropy is a KL: far below that of the best Gaussian, 0.47 nats."""
    mixture = data.GaussianMixture(torch.tensor([[-0.95], [0.95]]).double(), math.sqrt(1 - 0.95**2))
    torch.manual_seed(seed)
    made, steps = flow.Flow(2).double(), 400
    optimizer = adam(made, 2e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-2 * (1 - step / steps)
        optimizer.zero_grad()
        (-made.log_prob(mixture.sample(256)[0][:, 0].double()).mean()).backward()
        optimizer.step()
    log_p = mixture.log_prob(AXIS[:, None])
    with torch.no_grad():
        log_q = made.log_prob(AXIS)
    gap = exact.kl_divergence(log_p, log_q, WEIGHTS)
    assert gap < 0.03
    mean, entropy = (WEIGHTS * log_p.exp() * log_q).sum(), -(WEIGHTS * log_p.exp() * log_p).sum()
    assert (-entropy - mean).item() == pytest.approx(gap.item(), abs=1e-9)


def test_change_of_variables_is_the_derivative_of_the_distribution_function():
    """x = e^z has the log-normal density: f(x) = log x, f′(x) = 1/x."""
    x = torch.linspace(0.1, 5, 50, dtype=torch.float64)
    found = flow.change_of_variables(x.log(), -x.log())
    torch.testing.assert_close(found, torch.distributions.LogNormal(0.0, 1.0).log_prob(x))


def test_wrong_arguments_are_named():
    made = flow.Flow(1)
    with pytest.raises(InputError, match=r"points on a line as floats \[N\]"):
        made(torch.zeros(3, 1))
    with pytest.raises(InputError, match="int64"):
        made.inverse(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="at least one"):
        made.sample(0)
    with pytest.raises(InputError, match="layers"):
        flow.Flow(0)
    with pytest.raises(InputError, match=r"log_slope has shape \[2\]"):
        flow.change_of_variables(torch.zeros(3), torch.zeros(2))
