"""chapter10.exact.game against closed forms, autograd, finite differences and theorems about the game."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, MixtureSameFamily, Normal, Uniform, kl_divergence

from chapter10 import data, exact
from chapter10.errors import InputError

AXIS = torch.linspace(-25, 25, 5001, dtype=torch.float64)
WEIGHTS = exact.grid_weights(AXIS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(mean, std=1.0):
    return Normal(torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))


def mixture(means, std, weights):
    weights = torch.distributions.Categorical(torch.tensor(weights, dtype=torch.float64))
    return MixtureSameFamily(
        weights, Normal(torch.tensor(means, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))
    )


def near(value, expected, atol=1e-10):
    expected = torch.as_tensor(expected, dtype=value.dtype).expand_as(value)
    torch.testing.assert_close(value, expected, rtol=0, atol=atol)


PAIRS = [
    (gaussian(0.0), gaussian(1.5, 0.6)),
    (mixture([-3.0, 1.0], [0.5, 1.0], [0.3, 0.7]), gaussian(0.0, 2.0)),
    (mixture([-3.0, 3.0], [0.3, 0.3], [0.5, 0.5]), gaussian(3.0, 0.3)),  # a mode is missed
    (gaussian(-8.0), gaussian(8.0)),
]


def both(pair):
    return pair[0].log_prob(AXIS), pair[1].log_prob(AXIS)


def plane(p, q, limit=8.0, points=161):
    """Two 2-D densities on one grid: points [P, P, 2], log p, log q and weights [P, P]."""
    axis = torch.linspace(-limit, limit, points, dtype=torch.float64)
    points = exact.grid_points(axis, axis)
    weights = exact.grid_weights(axis, axis)
    logs = (density.log_prob(points.flatten(0, 1)).view(weights.shape) for density in (p, q))
    return points, *logs, weights


# Grids


def test_weights_are_the_trapezoid_rule_also_on_an_uneven_axis():
    axis = torch.rand(50, dtype=torch.float64, generator=seeded()).sort().values
    f = axis.cos()
    near((exact.grid_weights(axis) * f).sum(), torch.trapezoid(f, axis))
    other = torch.linspace(-1, 3, 7, dtype=torch.float64)
    plane = torch.outer(other.exp(), f)  # [P2, P1]
    weights = exact.grid_weights(axis, other)
    assert weights.shape == (7, 50)
    near((weights * plane).sum(), torch.trapezoid(torch.trapezoid(plane, axis, dim=1), other))


def test_points_of_the_plane_lie_where_the_weights_do():
    axis_1, axis_2 = torch.linspace(0, 1, 3).double(), torch.linspace(5, 8, 4).double()
    points = exact.grid_points(axis_1, axis_2)
    assert points.shape == (4, 3, 2) and points[2, 1].tolist() == [0.5, 7.0]
    near((exact.grid_weights(axis_1, axis_2) * points[..., 1]).sum(), 3 * 6.5)


def test_values_and_slopes_are_the_function_s_own():
    values, slopes = exact.values_and_slopes(torch.sin, AXIS)
    near(values, AXIS.sin())
    near(slopes, AXIS.cos())
    p = data.GaussianMixture(torch.tensor([[1.0, -2.0]], dtype=torch.float64), 0.5)
    points = exact.grid_points(AXIS[::500], AXIS[::250])
    with torch.no_grad():
        values, score = exact.values_and_slopes(p.log_prob, points)
    assert values.shape == points.shape[:-1] and not values.requires_grad
    near(score, (p.means[0] - points) / 0.25, atol=1e-9)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    values, slopes = exact.values_and_slopes(net, AXIS[:, None])  # logits [P, 1]
    near(values, net(AXIS[:, None])[:, 0].detach())
    near(slopes[1:-1, 0], (values[2:] - values[:-2]) / (AXIS[2:] - AXIS[:-2]), atol=1e-4)


# What the best discriminator knows


def test_best_discriminator_is_p_over_p_plus_q_and_finite_where_both_underflow():
    p, q = gaussian(0.0), gaussian(1.0)
    middle = torch.linspace(-4, 5, 50).double()
    best = exact.best_discriminator(p.log_prob(middle), q.log_prob(middle))
    densities = [d.log_prob(middle).exp() for d in (p, q)]
    near(best.probability, densities[0] / (densities[0] + densities[1]))
    far = torch.tensor([-1000.0, 1000.0], dtype=torch.float64)
    best = exact.best_discriminator(p.log_prob(far), q.log_prob(far))
    assert p.log_prob(far).exp().tolist() == q.log_prob(far).exp().tolist() == [0, 0]
    near(best.logits, [1000.5, -999.5])
    assert best.probability.tolist() == [1, 0]
    nowhere = torch.tensor([-math.inf, -math.inf, 0.0, -math.inf], dtype=torch.float64)
    best = exact.best_discriminator(nowhere, nowhere.roll(1))
    assert best.probability.tolist() == [0.5, 0.5, 1.0, 0.0]


@pytest.mark.parametrize("pair", PAIRS)
def test_the_best_discriminator_reaches_minus_log_4_plus_twice_the_jsd(pair):
    log_p, log_q = both(pair)
    reached = exact.value(log_p, log_q, exact.best_discriminator(log_p, log_q).logits, WEIGHTS)
    near(reached, -math.log(4) + 2 * float(exact.jensen_shannon(log_p, log_q, WEIGHTS)))
    near(exact.best_value(log_p, log_q, WEIGHTS), reached)


@pytest.mark.parametrize("pair", PAIRS)
def test_what_another_discriminator_lacks_is_its_divergence_from_the_best(pair):
    log_p, log_q = both(pair)
    best = exact.best_discriminator(log_p, log_q)
    other = best.logits.clamp(-5, 5) + AXIS.sin()
    lacking = exact.best_value(log_p, log_q, WEIGHTS) - exact.value(log_p, log_q, other, WEIGHTS)
    # V(D*) - V(D) = integral of (p + q) KL(Bernoulli(D*) || Bernoulli(D)).
    divergence = kl_divergence(Bernoulli(logits=best.logits.clamp(-40, 40)), Bernoulli(logits=other))
    near(lacking, (WEIGHTS * (log_p.exp() + log_q.exp()) * divergence).sum(), atol=1e-9)
    assert lacking > 0.02
    logits = best.logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(exact.value(log_p, log_q, logits, WEIGHTS), logits)
    near(gradient, 0, atol=1e-12)


def test_a_discriminator_that_knows_nothing_has_the_value_minus_log_4():
    log_p, log_q = both(PAIRS[0])
    near(exact.value(log_p, log_q, torch.zeros_like(AXIS), WEIGHTS), -math.log(4))
    near(exact.best_value(log_p, log_p, WEIGHTS), -math.log(4))
    apart = gaussian(-12.0).log_prob(AXIS), gaussian(12.0).log_prob(AXIS)
    near(exact.best_value(*apart, WEIGHTS), 0)


def test_kl_of_gaussians_and_of_densities_without_common_ground():
    for p, q in ((gaussian(0.0), gaussian(1.5, 0.6)), (gaussian(2.0, 0.3), gaussian(-1.0, 2.0))):
        found = exact.kl_divergence(p.log_prob(AXIS), q.log_prob(AXIS), WEIGHTS)
        near(found, kl_divergence(p, q))
    log_p, log_q, weights = uniforms(0.25)
    assert exact.kl_divergence(log_p, log_q, weights) == math.inf
    assert exact.kl_divergence(log_p, log_p, weights) == 0


def uniforms(shift):
    """U(0, 1) and the same shifted, on points whose cells end where the densities do; log p is -inf outside."""
    axis = (torch.arange(-100, 400).double() + 0.5) / 100
    log_p, log_q = (torch.where((axis > a) & (axis < a + 1), 0.0, -math.inf).double() for a in (0.0, shift))
    return log_p, log_q, exact.grid_weights(axis)


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.9, 1.0, 2.0])
def test_jsd_of_shifted_uniforms_is_what_they_do_not_share(shift):
    log_p, log_q, weights = uniforms(shift)
    expected = min(shift, 1.0) * math.log(2)
    near(exact.jensen_shannon(log_p, log_q, weights), expected)
    best = exact.best_discriminator(log_p, log_q)
    near(exact.value(log_p, log_q, best.logits, weights), -math.log(4) + 2 * expected)
    assert sorted(set(best.probability.tolist())) in ([0.5], [0.0, 0.5, 1.0])
    # Uniform's own log_prob agrees where it is defined.
    assert Uniform(0.0, 1.0, validate_args=False).log_prob(torch.tensor([-0.5, 0.5])).tolist() == [
        -math.inf,
        0,
    ]


@pytest.mark.parametrize("pair", PAIRS)
def test_jsd_is_what_mixing_adds_to_the_entropy(pair):
    log_p, log_q = both(pair)
    densities = log_p.exp(), log_q.exp(), (log_p.exp() + log_q.exp()) / 2
    entropies = [-(WEIGHTS * torch.xlogy(d, d)).sum() for d in densities]
    jsd = exact.jensen_shannon(log_p, log_q, WEIGHTS)
    near(jsd, entropies[2] - (entropies[0] + entropies[1]) / 2)
    near(exact.jensen_shannon(log_q, log_p, WEIGHTS), jsd)
    assert 0 < jsd <= math.log(2)


def test_the_same_functions_serve_the_plane():
    # Round Gaussians a distance apart are, across that distance, what two Gaussians on a line are.
    shift = torch.tensor([1.2, -0.9], dtype=torch.float64)  # of length 1.5
    p = data.GaussianMixture(torch.zeros(1, 2).double(), 1.0)
    q = data.GaussianMixture(shift[None], 1.0)
    points, log_p, log_q, weights = plane(p, q)
    line = gaussian(0.0).log_prob(AXIS), gaussian(1.5).log_prob(AXIS)
    near(exact.jensen_shannon(log_p, log_q, weights), exact.jensen_shannon(*line, WEIGHTS))
    near(exact.kl_divergence(log_p, log_q, weights), 1.5**2 / 2)
    best = exact.best_discriminator(log_p, log_q)
    near(exact.value(log_p, log_q, best.logits, weights), exact.best_value(*line, WEIGHTS))

    logits, slope = exact.values_and_slopes(lambda x: p.log_prob(x) - q.log_prob(x), points)
    found = exact.generator_gradients(log_q, logits, slope, weights)
    on_line = exact.generator_gradients(
        line[1], *exact.values_and_slopes(lambda x: gaussian(0.0).log_prob(x) - gaussian(1.5).log_prob(x), AXIS), WEIGHTS
    )  # fmt: skip
    for gradient, length in zip(found, on_line, strict=True):
        near(gradient, length * shift / 1.5)
    _, score = exact.values_and_slopes(q.log_prob, points)
    near(exact.jensen_shannon_gradient(log_p, log_q, score, weights), found.minimax / 2)


def test_ring_of_the_package_on_the_plane():
    ring = data.ring(8, std=0.05)
    one = data.GaussianMixture(ring.means[:1], 0.05)
    _, log_p, log_q, weights = plane(ring, one, limit=2.0, points=201)
    # One mode of eight: on it q has 8 times the density of p, so JSD has a closed form but for the overlap.
    share = 1 / 8
    expected = 0.5 * (share * math.log(2 * share / (1 + share)) + (1 - share) * math.log(2))
    expected += 0.5 * math.log(2 / (1 + share))
    near(exact.jensen_shannon(log_p, log_q, weights), expected, atol=1e-4)
    near(exact.kl_divergence(log_q, log_p, weights), math.log(8), atol=1e-4)


# What the generator learns from it


def test_generator_gradients_are_those_of_the_losses_when_the_generator_moves():
    q = mixture([-1.0, 2.0], [0.5, 1.0], [0.4, 0.6])
    base = q.log_prob(AXIS).exp() * WEIGHTS

    def discriminator(x):
        return 2 * torch.sin(x) - 0.1 * x**2

    for theta in (-1.0, 0.0, 0.7):
        moved = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        probability = discriminator(AXIS + moved).sigmoid()  # of z + theta, z as it is
        (minimax,) = torch.autograd.grad((base * (1 - probability).log()).sum(), moved, retain_graph=True)
        (non_saturating,) = torch.autograd.grad(-(base * probability.log()).sum(), moved)
        logits, slope = exact.values_and_slopes(discriminator, AXIS)
        found = exact.generator_gradients(q.log_prob(AXIS - theta), logits, slope, WEIGHTS)
        near(found.minimax, minimax)
        near(found.non_saturating, non_saturating)


def test_pointwise_slopes_are_autograd_s_and_add_up_to_the_logits_slope():
    logits = torch.linspace(-30, 30, 61, dtype=torch.float64, requires_grad=True)
    slope = torch.linspace(-2, 3, 61).double()
    (minimax,) = torch.autograd.grad(torch.nn.functional.logsigmoid(-logits).sum(), logits)
    (non_saturating,) = torch.autograd.grad(-torch.nn.functional.logsigmoid(logits).sum(), logits)
    near(exact.minimax_slope(logits.detach(), slope), minimax * slope)
    near(exact.non_saturating_slope(logits.detach(), slope), non_saturating * slope)
    near(minimax + non_saturating, -1)
    plane = slope[:, None] * torch.tensor([1.0, -2.0], dtype=torch.float64)
    near(
        exact.minimax_slope(logits.detach(), plane),
        (minimax * slope)[:, None] * torch.tensor([1.0, -2.0], dtype=torch.float64),
    )


@pytest.mark.parametrize("pair", PAIRS[:3])
@pytest.mark.parametrize("theta", [-1.0, 0.0, 2.0])
def test_at_the_best_discriminator_both_gradients_are_those_of_divergences(pair, theta):
    p, q = pair
    log_p, log_q = p.log_prob(AXIS), q.log_prob(AXIS - theta)
    logits, slope = exact.values_and_slopes(lambda x: p.log_prob(x) - q.log_prob(x - theta), AXIS)
    found = exact.generator_gradients(log_q, logits, slope, WEIGHTS)

    def divergences(at):
        moved = q.log_prob(AXIS - at)
        return exact.jensen_shannon(log_p, moved, WEIGHTS), exact.kl_divergence(moved, log_p, WEIGHTS)

    # By autograd through the densities at the grid's points, and by differences.
    at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    jsd, kl = (torch.autograd.grad(d, at, retain_graph=True)[0] for d in divergences(at))
    near(found.minimax, 2 * jsd, atol=1e-9)  # the envelope theorem
    near(found.non_saturating, kl - 2 * jsd, atol=1e-8)  # Arjovsky and Bottou 2017, theorem 2.5
    differences = (divergences(theta + 1e-4)[0] - divergences(theta - 1e-4)[0]) / 2e-4
    near(found.minimax, 2 * differences, atol=1e-6)
    _, score = exact.values_and_slopes(lambda x: q.log_prob(x - theta), AXIS)
    near(exact.jensen_shannon_gradient(log_p, log_q, score, WEIGHTS), jsd, atol=1e-9)


def test_the_minimax_gradient_vanishes_with_the_distance_and_the_other_does_not():
    p = gaussian(0.0)
    sizes = []
    for shift in (4.0, 6.0, 8.0, 10.0):
        q = gaussian(shift)
        logits, slope = exact.values_and_slopes(lambda x, q=q: p.log_prob(x) - q.log_prob(x), AXIS)
        found = exact.generator_gradients(q.log_prob(AXIS), logits, slope, WEIGHTS)
        assert found.minimax > 0 and found.non_saturating > 0  # descent moves q towards p
        near(found.minimax + found.non_saturating, shift)  # E_q of minus the logits' slope, which is -shift
        # log(1 - D) cannot pull harder than what p and q share.
        assert found.minimax < shift * math.erfc(shift / 2 / math.sqrt(2))
        sizes.append(float(found.minimax))
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 1e-4 * sizes[0]


def test_a_weaker_discriminator_still_teaches_by_the_minimax_loss():
    q = gaussian(8.0)
    logits, slope = exact.values_and_slopes(lambda x: gaussian(0.0).log_prob(x) - q.log_prob(x), AXIS)
    strength = [0.005, 0.1, 0.5, 1.0]
    found = [exact.generator_gradients(q.log_prob(AXIS), k * logits, k * slope, WEIGHTS) for k in strength]
    assert found[1].minimax > 100 * found[3].minimax and found[1].minimax > found[0].minimax
    assert all(a.non_saturating < b.non_saturating for a, b in zip(found[:-1], found[1:]))


# The Wasserstein distance on a line


def test_wasserstein_of_samples_pairs_what_is_sorted():
    a, b = torch.randn(2, 501, dtype=torch.float64, generator=seeded())
    near(exact.wasserstein_1d(a, b), (a.sort().values - b.sort().values).abs().mean())
    near(exact.wasserstein_1d(a, a.flip(0) + 3.5), 3.5)
    assert exact.wasserstein_1d(a, a) == 0
    near(exact.wasserstein_1d(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 2.0, 2.0])), 1.0)


def test_wasserstein_of_unequal_counts_is_that_of_repeated_samples():
    a = torch.randn(30, dtype=torch.float64, generator=seeded())
    b = 2 * torch.randn(42, dtype=torch.float64, generator=seeded(1)).round(decimals=1)  # with ties
    repeated = exact.wasserstein_1d(a.repeat(7), b.repeat(5))
    paired = (a.repeat(7).sort().values - b.repeat(5).sort().values).abs().mean()
    near(exact.wasserstein_1d(a, b), paired)
    near(repeated, paired)
    near(exact.wasserstein_1d(b, a), paired)
    near(exact.wasserstein_1d(a, torch.tensor([10.0], dtype=torch.float64)), 10 - a.mean())


@pytest.mark.parametrize(
    "mean_p, std_p, mean_q, std_q",
    [(0, 1, 3, 1), (0, 1, -7, 1), (0, 1, 0, 2), (0, 1, 1, 2), (-2, 0.5, 2, 1.5)],
)
def test_wasserstein_of_gaussians(mean_p, std_p, mean_q, std_q):
    log_p, log_q = (
        gaussian(float(m), float(s)).log_prob(AXIS) for m, s in ((mean_p, std_p), (mean_q, std_q))
    )
    # The sorted coupling moves quantiles: the mean of |m + s Z|, a folded normal.
    m, s = abs(mean_p - mean_q), abs(std_p - std_q)
    expected = m
    if s:
        expected = s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(
            m / s / math.sqrt(2)
        )
    near(exact.wasserstein_1d_density(log_p, log_q, AXIS), expected, atol=2e-5)
    near(exact.wasserstein_1d_density(log_q, log_p, AXIS), expected, atol=2e-5)


def test_wasserstein_by_density_where_distribution_functions_cross_between_points():
    axis = torch.arange(6).double()
    log_p = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64).log()
    log_q = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64).log()
    near(exact.wasserstein_1d_density(log_p, log_q, axis), 1.0)
    split = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0, 0.0], dtype=torch.float64).log()
    # F - G is 0, -1/8, 1/4, 3/8, 0, 0 at the points: between the second and the third it crosses, at a third of the way.
    expected = 1 / 16 + (1 / 8 * 1 / 3 + 1 / 4 * 2 / 3) / 2 + 5 / 16 + 3 / 16
    near(exact.wasserstein_1d_density(log_q, split, axis), expected)
    near(exact.wasserstein_1d_density(split, log_q, axis), expected)


def test_samples_of_two_densities_approach_their_distance():
    p, q = gaussian(0.0), gaussian(1.0, 2.0)
    torch.manual_seed(0)
    samples = p.sample((100_000,)), q.sample((80_000,))
    expected = exact.wasserstein_1d_density(p.log_prob(AXIS), q.log_prob(AXIS), AXIS)
    near(exact.wasserstein_1d(*samples), expected, atol=0.03)


def test_of_two_separating_densities_jsd_comes_to_its_end_and_wasserstein_does_not():
    shifts = [0.0, 2.0, 4.0, 8.0, 12.0]
    log_p = gaussian(0.0).log_prob(AXIS)
    log_qs = [gaussian(shift).log_prob(AXIS) for shift in shifts]
    jsd = torch.stack([exact.jensen_shannon(log_p, log_q, WEIGHTS) for log_q in log_qs])
    near(
        torch.stack([exact.wasserstein_1d_density(log_p, log_q, AXIS) for log_q in log_qs]),
        torch.tensor(shifts),
    )
    assert (jsd.diff() > 0).all() and math.log(2) - 1e-3 < jsd[3] < jsd[4] <= math.log(2)


# Errors

LOG = gaussian(0.0).log_prob(AXIS)
ZERO = torch.zeros_like(AXIS)
NAN = torch.where(AXIS > 24.9, math.nan, LOG)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: exact.jensen_shannon(LOG - 1, LOG, WEIGHTS), "log_p has a mass of 0.3679 on this grid"),
        (lambda: exact.jensen_shannon(LOG, LOG.exp(), WEIGHTS), "log_q has a mass of 51"),
        (lambda: exact.kl_divergence(LOG[3000:], LOG[3000:], WEIGHTS[3000:]), "widen the grid"),
        (lambda: exact.kl_divergence(gaussian(0.0, 0.001).log_prob(AXIS), LOG, WEIGHTS), "make it finer"),
        (lambda: exact.jensen_shannon(LOG[1:], LOG, WEIGHTS), r"log_p has shape \[5000\]; expected \[5001\]"),
        (lambda: exact.jensen_shannon(LOG, LOG[:, None], WEIGHTS), r"log_q has shape \[5001, 1\]"),
        (lambda: exact.jensen_shannon(LOG, NAN, WEIGHTS), "log_q is NaN or .inf at 10 of 5001"),
        (lambda: exact.jensen_shannon(LOG, LOG, -WEIGHTS), "weights must be finite"),
        (lambda: exact.jensen_shannon(LOG, LOG, 0.01), "weights is float"),
        (lambda: exact.value(LOG, LOG, ZERO[:5], WEIGHTS), r"logits has shape \[5\]"),
        (lambda: exact.best_discriminator(LOG, LOG[:4]), r"log_q has shape \[4\]"),
        (lambda: exact.best_discriminator(NAN, LOG), "log_p is NaN"),
        (lambda: exact.best_discriminator(0.5, LOG), "log_p is float"),
        (lambda: exact.generator_gradients(LOG, ZERO, 1.0, WEIGHTS), "slope is float"),
        (lambda: exact.values_and_slopes(torch.sin, torch.arange(5)), "points is torch.int64"),
        (lambda: exact.generator_gradients(LOG, ZERO, ZERO[:5], WEIGHTS), r"slope has shape \[5\]"),
        (lambda: exact.generator_gradients(LOG, ZERO[:5], ZERO, WEIGHTS), r"logits has shape \[5\]"),
        (lambda: exact.generator_gradients(LOG, ZERO, ZERO / ZERO, WEIGHTS), "slope is not finite"),
        (lambda: exact.jensen_shannon_gradient(LOG, LOG, ZERO[:5], WEIGHTS), r"score has shape \[5\]"),
        (lambda: exact.wasserstein_1d(AXIS, AXIS[:0]), r"samples_b has shape \[0\]"),
        (lambda: exact.wasserstein_1d(AXIS[:, None], AXIS), r"samples_a has shape \[5001, 1\]"),
        (lambda: exact.wasserstein_1d(NAN, AXIS), "samples_a has values that are not finite"),
        (lambda: exact.wasserstein_1d_density(LOG, LOG, AXIS.flip(0)), "rising order"),
        (lambda: exact.wasserstein_1d_density(LOG, LOG + 1, AXIS), "log_q has a mass of 2.718"),
        (lambda: exact.grid_weights(AXIS[:1]), "axis_1 must hold at least two"),
        (lambda: exact.grid_weights(AXIS, AXIS[[0, 0, 1]]), "axis_2 must hold"),
        (lambda: exact.grid_weights(torch.arange(5)), "axis_1 is torch.int64"),
        (lambda: exact.values_and_slopes(lambda x: x.sum(), AXIS), r"gave \[\] for points \[5001\]"),
        (lambda: exact.values_and_slopes(lambda x: x.detach(), AXIS), "do not depend on the points"),
    ],
)
def test_wrong_input_to_the_game(call, words):
    with pytest.raises(InputError, match=words):
        call()
