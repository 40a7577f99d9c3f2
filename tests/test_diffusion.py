"""chapter10.diffusion against closed forms, limits, and the ELBO as it is written, estimated from draws."""

import math

import pytest
import torch
from torch.distributions import Normal

from chapter10 import data, exact
from chapter10.diffusion import Diffusion, cosine_signal
from chapter10.errors import InputError

AXIS = torch.linspace(-8, 8, 1601, dtype=torch.float64)
WEIGHTS = exact.grid_weights(AXIS)


def two_modes(weights=None):
    return data.GaussianMixture(torch.tensor([[-0.95], [0.95]]).double(), math.sqrt(1 - 0.95**2), weights)


UNEVEN = torch.tensor([0.3, 0.7]).double()
LOG_P = two_modes().log_prob(AXIS[:, None])


def test_the_marginals_are_what_the_noise_makes_of_the_data():
    made = Diffusion(two_modes(UNEVEN), torch.tensor([0.9, 0.5, 0.1]).double())
    torch.manual_seed(0)
    x = made.data.sample(100_000)[0][:, 0].double()
    before = 1.0
    for t, alpha in enumerate((0.9, 0.5, 0.1), 1):
        keep = alpha / before
        x, before = keep * x + math.sqrt(1 - keep**2) * torch.randn_like(x), alpha
        log_q = made.marginal(t).log_prob(AXIS[:, None])
        mean = (WEIGHTS * log_q.exp() * AXIS).sum()
        square = (WEIGHTS * log_q.exp() * AXIS.square()).sum()
        assert x.mean().item() == pytest.approx(mean.item(), abs=0.015)
        assert x.square().mean().item() == pytest.approx(square.item(), abs=0.02)
    assert torch.equal(made.marginal(0).means, made.data.means)


@pytest.mark.parametrize("t", [1, 2])
def test_the_reverse_step_has_the_posterior_s_moments(t):
    """q(x_{t−1}|x_t) by Bayes' rule on the axis."""
    made = Diffusion(two_modes(UNEVEN), torch.tensor([0.8, 0.3]).double())
    points = torch.tensor([-2.0, 0.1, 1.3]).double()
    found = made.reverse(t, points)
    keep = (0.8, 0.3 / 0.8)[t - 1]
    prior = made.marginal(t - 1).log_prob(AXIS[:, None])
    for i, x in enumerate(points):
        joint = (prior + Normal(keep * AXIS, math.sqrt(1 - keep**2)).log_prob(x)).exp() * WEIGHTS
        mean = (joint * AXIS).sum() / joint.sum()
        variance = (joint * (AXIS - mean) ** 2).sum() / joint.sum()
        torch.testing.assert_close(found.mean[i], mean)
        torch.testing.assert_close(found.std[i], variance.sqrt())


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_the_bound_is_the_elbo_as_it_is_written(steps):
    """E_q[log p(x_T) + Σ log p(x_{t−1}|x_t) − Σ log q(x_t|x_{t−1})] from draws of q."""
    made = Diffusion(two_modes(UNEVEN), cosine_signal(steps, last=0.3))
    torch.manual_seed(0)
    path = [made.data.sample(200_000)[0][:, 0].double()]
    value, before = 0.0, 1.0
    for t, alpha in enumerate(made.signal.tolist(), 1):
        keep, x = alpha / before, path[-1]
        noise, before = math.sqrt(1 - keep**2), alpha
        path.append(keep * x + noise * torch.randn_like(x))
        value = (
            value
            + Normal(*made.reverse(t, path[-1])).log_prob(x)
            - Normal(keep * x, noise).log_prob(path[-1])
        )
    value = value + Normal(0.0, 1.0).log_prob(path[-1])
    error = value.std() / len(value) ** 0.5
    assert abs(value.mean() - made.bound(AXIS).value) < 4.5 * error


def test_the_bound_adds_up():
    bound = Diffusion(two_modes(), cosine_signal(5)).bound(AXIS)
    assert bound.steps.shape == (5,)
    assert (bound.steps > 0).all()
    torch.testing.assert_close(bound.value, -bound.entropy - bound.prior - bound.steps.sum())
    torch.testing.assert_close(bound.entropy, -(WEIGHTS * LOG_P.exp() * LOG_P).sum())


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_a_single_gaussian_loses_nothing_in_any_number_of_steps(steps):
    """Its reverse steps are Gaussian, so only the end, which isn't quite N(0, 1), is lost."""
    made = Diffusion(
        data.GaussianMixture(torch.tensor([[0.5]]).double(), 0.4), cosine_signal(steps, last=0.2)
    )
    bound = made.bound(AXIS)
    torch.testing.assert_close(bound.steps, torch.zeros(steps).double(), atol=1e-12, rtol=0)
    mean, variance = 0.2 * 0.5, 0.04 * 0.16 + 0.96
    assert bound.prior.item() == pytest.approx(0.5 * (mean**2 + variance - 1 - math.log(variance)), abs=1e-12)


def test_one_step_to_pure_noise_is_the_best_gaussian():
    """x_1 then says nothing of x_0: the decoder draws a Gaussian with the data's moments, here N(0, 1)."""
    bound = Diffusion(two_modes(), torch.tensor([1e-6]).double()).bound(AXIS)
    expected = exact.kl_divergence(LOG_P, Normal(0.0, 1.0).log_prob(AXIS), WEIGHTS)
    torch.testing.assert_close(bound.gap, expected, atol=1e-9, rtol=0)


def test_more_steps_leave_less():
    gaps = [
        Diffusion(two_modes(), cosine_signal(steps)).bound(AXIS).gap.item()
        for steps in (1, 2, 4, 8, 16, 32, 64)
    ]
    assert all(later < earlier for earlier, later in zip(gaps, gaps[1:]))
    assert gaps[-1] < 0.003 < 0.4 < gaps[0]


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_the_model_itself_is_nearer_to_the_data_than_its_bound_says(steps):
    made = Diffusion(two_modes(UNEVEN), cosine_signal(steps))
    density = made.model_density(AXIS)
    log_p = two_modes(UNEVEN).log_prob(AXIS[:, None])
    distance = exact.kl_divergence(log_p, density.clamp_min(1e-300).log(), WEIGHTS)
    assert 0 < distance <= made.bound(AXIS).gap + 1e-9


def test_samples_come_from_the_model_s_density():
    made = Diffusion(two_modes(UNEVEN), cosine_signal(4))
    path = made.sample(50_000, torch.Generator().manual_seed(0))
    assert path.shape == (5, 50_000)
    below = torch.cumulative_trapezoid(made.model_density(AXIS), AXIS)
    for level in (0.1, 0.3, 0.5, 0.9):
        at = AXIS[1:][below > level][0]
        assert (path[-1] < at).double().mean().item() == pytest.approx(level, abs=0.01)


def test_the_schedule_falls_from_1_to_its_last():
    signal = cosine_signal(10, last=0.05)
    assert signal.dtype == torch.float64 and signal[-1].item() == pytest.approx(0.05)
    assert (signal.diff() < 0).all() and signal[0] < 1
    # Even steps of the angle: twice the steps hold every signal of half as many.
    torch.testing.assert_close(cosine_signal(20, last=0.05)[1::2], signal)


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="numbers that fall"):
        Diffusion(two_modes(), torch.tensor([0.5, 0.6]).double())
    with pytest.raises(InputError, match="numbers that fall"):
        Diffusion(two_modes(), torch.tensor([0.5, 0.0]).double())
    with pytest.raises(InputError, match="data.means has shape"):
        Diffusion(data.ring(), torch.tensor([0.5]))
    with pytest.raises(InputError, match="float32"):
        Diffusion(two_modes(), torch.tensor([0.5]))
    made = Diffusion(two_modes(), torch.tensor([0.5]).double())
    with pytest.raises(InputError, match="no x_2"):
        made.marginal(2)
    with pytest.raises(InputError, match="none before the data"):
        made.reverse(0, AXIS)
    with pytest.raises(InputError, match="at least one"):
        made.sample(0)
    with pytest.raises(InputError, match="a step or more"):
        cosine_signal(0)
    with pytest.raises(InputError, match="mass"):
        Diffusion(two_modes(), cosine_signal(4)).model_density(torch.linspace(-8, 8, 15).double())
