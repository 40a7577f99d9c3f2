"""chapter10.exact.dirac: fields against autograd of the losses, eigenvalues against numpy and published formulas,
trajectories against both."""

import math

import numpy
import pytest
import torch
from torch.nn.functional import logsigmoid

from chapter10.errors import InputError
from chapter10.exact import DiracGAN


def near(value, expected, atol=1e-10, rtol=0.0):
    expected = torch.as_tensor(expected, dtype=value.dtype).expand_as(value)
    torch.testing.assert_close(value, expected, rtol=rtol, atol=atol)


NODES, HERMITE = (torch.from_numpy(a) for a in numpy.polynomial.hermite_e.hermegauss(150))
HERMITE = HERMITE / HERMITE.sum()


def losses(gan, theta, psi, eps=NODES, weights=HERMITE):
    """(generator's loss, discriminator's loss), written out anew."""
    real, fake = gan.instance_noise * eps * psi, (theta + gan.instance_noise * eps) * psi
    penalty = gan.r1 / 2 * psi**2 + gan.gradient_penalty * (psi.abs() - 1) ** 2
    if gan.objective == "wasserstein":
        return -(weights * fake).sum(), (weights * (fake - real)).sum() + penalty
    discriminator = -(weights * (logsigmoid(real) + logsigmoid(-fake))).sum() + penalty
    if gan.objective == "minimax":
        return (weights * logsigmoid(-fake)).sum(), discriminator
    return -(weights * logsigmoid(fake)).sum(), discriminator


# The game in continuous time

GAMES = [
    DiracGAN(),
    DiracGAN("non-saturating"),
    DiracGAN("wasserstein"),
    DiracGAN("minimax", r1=0.7),
    DiracGAN("non-saturating", instance_noise=0.9),
    DiracGAN("minimax", r1=0.2, instance_noise=1.5, gradient_penalty=0.3),
    DiracGAN("wasserstein", instance_noise=1.0, gradient_penalty=10.0),
    DiracGAN("wasserstein", r1=1.0),
]


@pytest.mark.parametrize("gan", GAMES, ids=str)
def test_field_is_descent_on_both_losses(gan):
    for theta, psi in ((1.0, 0.5), (-0.3, 1.2), (2.0, -0.7), (0.0, 0.4)):
        at = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (theta, psi)]
        generator, discriminator = losses(gan, *at)
        d_theta, d_psi = gan.vector_field(theta, psi)
        near(d_theta, -torch.autograd.grad(generator, at[0], retain_graph=True)[0])
        near(d_psi, -torch.autograd.grad(discriminator, at[1])[0])


@pytest.mark.parametrize("gan", GAMES, ids=str)
def test_value_is_what_the_discriminator_maximises_and_the_minimax_generator_minimises(gan):
    theta, psi = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.8, -0.6))
    slopes = torch.autograd.grad(gan.value(theta, psi), (theta, psi))
    d_theta, d_psi = gan.vector_field(theta, psi)
    penalty = gan.r1 * psi + 2 * gan.gradient_penalty * (psi.abs() - 1) * psi.sign()
    near(d_psi + penalty, slopes[1])
    if gan.objective != "non-saturating":
        near(d_theta, -slopes[0])
    near(gan.value(3.0, 0.0), 0.0 if gan.objective == "wasserstein" else -math.log(4))


def test_much_noise_beside_a_steep_discriminator_is_still_summed_exactly():
    gan = DiracGAN(instance_noise=3.0)
    eps = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    weights = torch.softmax(-eps.square() / 2, 0)
    at = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.0, 3.0)]
    generator, discriminator = losses(gan, *at, eps, weights)
    found = gan.vector_field(1.0, 3.0)
    near(found[0], -torch.autograd.grad(generator, at[0], retain_graph=True)[0])
    near(found[1], -torch.autograd.grad(discriminator, at[1])[0])


SMOOTH = [gan for gan in GAMES if not gan.gradient_penalty] + [
    DiracGAN(r1=1.0),
    DiracGAN(r1=3.0, instance_noise=1.0),
]


@pytest.mark.parametrize("gan", SMOOTH, ids=str)
def test_jacobian_and_eigenvalues_are_those_of_the_field(gan):
    zero = torch.zeros(2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.stack(gan.vector_field(x[0], x[1])), zero)
    near(gan.jacobian(), jacobian)
    by_numpy = numpy.sort_complex(numpy.linalg.eigvals(jacobian.numpy()))
    numpy.testing.assert_allclose(numpy.sort_complex(gan.eigenvalues().numpy()), by_numpy, atol=1e-7)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 1.0001, 2.5])
@pytest.mark.parametrize("objective", ["minimax", "non-saturating"])
def test_eigenvalues_are_the_published_ones(strength, objective):
    sign = torch.tensor([1, -1])
    root = torch.tensor(strength**2 / 4 - 1 / 4, dtype=torch.complex128).sqrt()
    near(DiracGAN(objective, r1=strength).eigenvalues(), -strength / 2 + sign * root)
    # sigma^2 = 2 strength: -sigma^2/4 +- sqrt(sigma^4/16 - 1/4).
    near(
        DiracGAN(objective, instance_noise=math.sqrt(2 * strength)).eigenvalues(),
        -strength / 2 + sign * root,
        1e-7,
    )
    near(DiracGAN(objective).eigenvalues(), torch.tensor([0.5j, -0.5j]))
    near(DiracGAN("wasserstein").eigenvalues(), torch.tensor([1j, -1j]))


def test_settling_is_fastest_at_the_critical_strength():
    gammas = torch.linspace(0.5, 1.5, 101).tolist()
    slowest = [float(DiracGAN(r1=gamma).eigenvalues().real.max()) for gamma in gammas]
    assert gammas[min(range(101), key=slowest.__getitem__)] == pytest.approx(1.0)
    variances = torch.linspace(1.0, 3.0, 101).tolist()
    slowest = [float(DiracGAN(instance_noise=v**0.5).eigenvalues().real.max()) for v in variances]
    assert variances[min(range(101), key=slowest.__getitem__)] == pytest.approx(2.0)
    critical = DiracGAN(r1=1.0).eigenvalues()
    assert critical.tolist() == [-0.5, -0.5]


def test_the_minimax_flow_goes_round_in_circles_in_4_pi():
    path = DiracGAN().trajectory(3.0, 0.0, 0.02, 1000, "flow")
    near(path.radius, 3.0, atol=1e-7)
    steps = 400
    small = DiracGAN().trajectory(1e-4, 0.0, 4 * math.pi / steps, steps, "flow")
    near(small.theta[-1], 1e-4, atol=1e-11)
    near(small.psi[-1], 0, atol=1e-11)
    near(small.psi[steps // 4], -1e-4, atol=1e-11)  # a generator right of the data: D falls to the right
    near(small.theta[steps // 2], -1e-4, atol=1e-11)


def test_the_non_saturating_flow_creeps_in():
    # d(radius^2)/dt = -2 u tanh(u/2) with u = theta psi, on average over a turn -radius^4/8.
    radius = DiracGAN("non-saturating").trajectory(0.2, 0.0, 4 * math.pi / 30, 30 * 40, "flow").radius
    near((1 / radius[-1] ** 2 - 1 / radius[0] ** 2) / (160 * math.pi), 1 / 8, atol=1e-3)
    assert (radius.diff() <= 1e-12).all()


# The game in steps


@pytest.mark.parametrize("gan", SMOOTH, ids=str)
@pytest.mark.parametrize(
    "scheme, d_steps", [("simultaneous", 1), ("alternating", 1), ("alternating", 3), ("flow", 1)]
)
def test_update_matrix_is_the_derivative_of_a_step_and_its_eigenvalues_numpy_s(gan, scheme, d_steps):
    h = 0.02 if scheme == "flow" else 0.1
    zero = torch.zeros(2, dtype=torch.float64)
    found = gan.update_matrix(h, scheme, d_steps)
    derivative = torch.autograd.functional.jacobian(
        lambda x: torch.stack(gan.step(x[0], x[1], h, scheme, d_steps)), zero
    )
    near(found, derivative, atol=1e-7 if scheme == "flow" else 1e-12)  # Runge-Kutta errs by h^5
    by_numpy = numpy.linalg.eigvals(found.numpy())
    assert gan.modulus(h, scheme, d_steps) == pytest.approx(abs(by_numpy).max(), abs=1e-7)
    numpy.testing.assert_allclose(
        numpy.sort_complex(gan.update_eigenvalues(h, scheme, d_steps).numpy()), numpy.sort_complex(by_numpy), atol=1e-7
    )  # fmt: skip


@pytest.mark.parametrize("gan", [DiracGAN(), DiracGAN("non-saturating")], ids=str)
@pytest.mark.parametrize("h", [0.01, 0.1, 1.0, 3.0])
def test_simultaneous_descent_grows_by_exactly_the_factor(gan, h):
    radius = gan.trajectory(1e-11, 2e-11, h, 20).radius
    factor = math.sqrt(1 + h**2 / 4)
    near(radius[1:] / radius[:-1], factor, atol=1e-8)
    assert gan.modulus(h) == pytest.approx(factor, rel=1e-14) and gan.modulus(h) > 1


def test_far_out_simultaneous_descent_grows_by_what_the_discriminator_believes():
    h = 0.3
    path = DiracGAN().trajectory(2.0, 1.0, h, 100)
    belief = (path.theta * path.psi).sigmoid()[:-1]  # D of the fake
    near(path.radius[1:] / path.radius[:-1], (1 + h**2 * belief**2).sqrt())
    assert belief.max() > 0.9 and belief.min() < 0.1


@pytest.mark.parametrize("d_steps", [1, 4, 9])
@pytest.mark.parametrize("gan, limit", [(DiracGAN(), 4.0), (DiracGAN("non-saturating"), 4.0), (DiracGAN("wasserstein"), 2.0)])  # fmt: skip
def test_alternating_descent_stays_up_to_exactly_this_step(gan, limit, d_steps):
    edge = limit / math.sqrt(d_steps)
    for h in (0.001 * edge, 0.5 * edge, 0.99 * edge, edge):
        assert gan.modulus(h, "alternating", d_steps) == pytest.approx(1, abs=1e-7)
    assert gan.modulus(1.01 * edge, "alternating", d_steps) > 1.1

    def radius(h):
        return gan.trajectory(1e-12, -3e-12, h, 400, "alternating", d_steps).radius / 3e-12

    assert radius(0.99 * edge).max() < 50
    beyond = radius(1.01 * edge)
    growth = (beyond[60] / beyond[30]).log() / 30  # while it is still small
    assert math.exp(growth) == pytest.approx(gan.modulus(1.01 * edge, "alternating", d_steps), rel=1e-6)
    at_edge = radius(edge)
    near(at_edge[400] / at_edge[200], 2.0, atol=0.02)  # neither: it grows with the number of steps


def test_alternating_descent_keeps_its_energy():
    h = 0.4
    path = DiracGAN().trajectory(1e-5, 0.0, h, 2000, "alternating")
    energy = path.theta**2 + path.psi**2 - h / 2 * path.theta * path.psi
    near(energy / energy[0], 1, atol=1e-6)
    radius = DiracGAN().trajectory(1.5, 0.0, 0.2, 5000, "alternating").radius
    assert 1.3 < radius.min() and radius.max() < 1.7
    near(radius[-500:].max(), radius[:500].max(), rtol=0.01)
    assert DiracGAN().trajectory(1.5, 0.0, 0.2, 500).radius[-1] > 3  # the same steps, both players at once


def test_alternating_means_that_the_generator_sees_the_discriminator_s_steps():
    gan, h = DiracGAN("wasserstein"), 0.1
    near(torch.stack(gan.step(1.0, 2.0, h)), [1.2, 1.9])
    near(torch.stack(gan.step(1.0, 2.0, h, "alternating")), [1.19, 1.9])
    near(torch.stack(gan.step(1.0, 2.0, h, "alternating", 3)), [1.17, 1.7])


DAMPED = [
    DiracGAN(r1=0.3),
    DiracGAN("non-saturating", r1=1.5),
    DiracGAN(instance_noise=1.0),
    DiracGAN("non-saturating", instance_noise=2.0),
    DiracGAN("wasserstein", r1=0.5),
]


@pytest.mark.parametrize("gan", DAMPED, ids=str)
@pytest.mark.parametrize(
    "scheme, d_steps", [("simultaneous", 1), ("alternating", 1), ("alternating", 5), ("flow", 1)]
)
def test_damped_games_settle_at_the_predicted_rate(gan, scheme, d_steps):
    h, modulus = 0.1, gan.modulus(0.1, scheme, d_steps)
    steps = 2 * math.ceil(9 / -math.log(modulus))
    starts = torch.tensor([[1e-5, 0.1, 1.0], [2e-5, 0.1, 1.0]], dtype=torch.float64)
    path = gan.trajectory(*starts, h, steps, scheme, d_steps)
    near_zero = torch.stack([path.theta, path.psi])[:, :, 0]  # [2, S + 1]
    for n in (1, 10, 100):
        predicted = torch.linalg.matrix_power(gan.update_matrix(h, scheme, d_steps), n) @ starts[:, 0]
        near(near_zero[:, n], predicted, atol=1e-5 * float(starts[:, 0].norm()))
    assert path.radius[-1, 2] < 1e-4  # from afar as well
    # In the long run the logarithm falls by log modulus a step; the mean over halves evens out the turns.
    logs = path.radius[1:, 1].log().view(2, -1).mean(1)
    assert float(logs[1] - logs[0]) == pytest.approx(steps / 2 * math.log(modulus), rel=0.1)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0])
def test_r1_settles_simultaneous_descent_for_steps_below_4_gamma(gamma):
    gan = DiracGAN(r1=gamma)
    # det of the update = 1 - h gamma + h^2/4: 1 at h = 4 gamma. At gamma = 1 both eigenvalues are 1 - h/2: 1 in size there.
    for h, settles in ((0.5 * gamma, True), (3.9 * gamma, True), (4.1 * gamma, False)):
        assert (gan.modulus(h) < 1) == settles
        radius = gan.trajectory(1e-6, 0.0, h, 2000).radius
        assert (radius[-1] < 1e-6) == settles
    assert gan.modulus(4 * gamma) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("h", [0.2, 0.1])
def test_simultaneous_non_saturating_descent_ends_on_a_circle(h):
    gan = DiracGAN("non-saturating")
    starts = math.sqrt(2 * h) * torch.tensor([0.5, 1.5])  # from within and from without
    radius = gan.trajectory(starts, 0.0, h, int(50 / h**2)).radius
    near(radius[-int(30 / h) :].mean(0), math.sqrt(2 * h), atol=0.03 * math.sqrt(2 * h))


# Critics


def test_a_critic_without_bounds_turns_and_grows():
    path = DiracGAN("wasserstein").trajectory(0.6, -0.8, 0.1, 100)
    near(path.radius, math.sqrt(1.01) ** torch.arange(101.0).double(), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("d_steps", [1, 5, 10])
def test_clipping_bounds_the_critic_and_settles_nothing(d_steps):
    clip = 0.5
    gan = DiracGAN("wasserstein", clip=clip)
    path = gan.trajectory(2.0, 0.0, 0.02, 2000, "alternating", d_steps)
    assert path.psi.abs().max() <= clip
    late_theta, late_psi = path.theta[-1000:], path.psi[-1000:]
    # It ends on the widest turn that the clip leaves alone: of height clip, and clip/sqrt(d_steps) wide.
    near(late_psi.max(), clip, atol=0.01)
    near(late_theta.max(), clip / math.sqrt(d_steps), atol=0.01)
    near(late_theta.min(), -clip / math.sqrt(d_steps), atol=0.01)
    # Without alternating as well.
    assert gan.trajectory(2.0, 0.0, 0.02, 4000).radius[-2000:].min() > 0.9 * clip


@pytest.mark.parametrize("d_steps", [1, 5])
def test_a_light_gradient_penalty_keeps_the_critic_in_orbit(d_steps):
    # In psi = A cos t the penalty gives as much as it takes where A^2/2 = 2A/pi.
    gan = DiracGAN("wasserstein", gradient_penalty=0.05)
    starts = torch.tensor([0.3, 3.0])
    path = gan.trajectory(starts, 0.1, 0.02, 8000 // d_steps + 1000, "alternating", d_steps)
    near(path.psi[-1000:].amax(0), 4 / math.pi, atol=0.03)
    near(path.theta[-1000:].amax(0), 4 / math.pi / math.sqrt(d_steps), atol=0.03)


@pytest.mark.parametrize("weight, d_steps", [(0.3, 1), (0.9, 1), (0.3, 5)])
def test_a_gradient_penalty_does_not_settle_at_the_data(weight, d_steps):
    gan = DiracGAN("wasserstein", gradient_penalty=weight)
    radius = gan.trajectory(1.0, 0.5, 0.02, 8000, "alternating", d_steps).radius
    assert radius[-2000:].min() > 0.3 and radius.max() < 4
    assert (radius[-4000:-2000].max() - radius[-2000:].max()).abs() < 1e-2  # an orbit, no longer changing


@pytest.mark.parametrize("weight, d_steps", [(1.0, 1), (10.0, 1), (0.5, 5), (10.0, 5)])
def test_a_heavy_gradient_penalty_stops_at_a_wrong_point(weight, d_steps):
    gan = DiracGAN("wasserstein", gradient_penalty=weight)
    side = torch.tensor([1.0, -1.0])
    path = gan.trajectory(0.1 * side, side, 0.04, 5000, "alternating", d_steps)
    near(path.theta[-1], 2 * weight * side, atol=0.01 * weight)
    near(path.psi[-1], 0, atol=0.01)
    assert (side * path.psi).min() > -1e-12  # it comes from one side


# Arrays and errors


def test_several_starts_at_once_are_each_its_own():
    gan = DiracGAN("non-saturating", r1=0.1, instance_noise=0.5, clip=1.0)
    theta, psi = torch.tensor([1.0, -0.2, 0.0]), torch.tensor([0.3, 0.1, -2.0])
    path = gan.trajectory(theta, psi, 0.1, 30, "alternating", 2)
    assert path.theta.shape == path.psi.shape == path.radius.shape == (31, 3)
    for n in range(3):
        alone = gan.trajectory(float(theta[n]), float(psi[n]), 0.1, 30, "alternating", 2)
        assert alone.theta.shape == (31,) and alone.theta.dtype == torch.float64
        near(path.theta[:, n], alone.theta)
        near(path.psi[:, n], alone.psi)
    last = gan.step(path.theta[-2], path.psi[-2], 0.1, "alternating", 2)
    near(last[0], path.theta[-1])
    near(last[1], path.psi[-1])


@pytest.mark.parametrize("gan", [DiracGAN(), DiracGAN("wasserstein"), DiracGAN(instance_noise=1.0)], ids=str)
def test_field_on_a_grid_for_arrows(gan):
    axis = torch.linspace(-2, 2, 5)
    d_theta, d_psi = gan.vector_field(axis[None, :], axis[:, None])
    assert d_theta.shape == d_psi.shape == gan.value(axis[None, :], axis[:, None]).shape == (5, 5)
    one = gan.vector_field(float(axis[3]), float(axis[1]))
    near(d_theta[1, 3], one[0])
    near(d_psi[1, 3], one[1])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: DiracGAN("wgan"), "objective is 'wgan'; give one of minimax, non-saturating, wasserstein"),
        (lambda: DiracGAN(r1=-1.0), "r1 is -1.0"),
        (lambda: DiracGAN(instance_noise=math.nan), "instance_noise is nan"),
        (lambda: DiracGAN(gradient_penalty=math.inf), "gradient_penalty is inf"),
        (lambda: DiracGAN(clip=0.0), "clip is 0.0"),
        (lambda: DiracGAN(gradient_penalty=1.0).jacobian(), "jumps at psi = 0"),
        (lambda: DiracGAN(gradient_penalty=1.0).modulus(0.1), "jumps at psi = 0"),
        (lambda: DiracGAN().step(1.0, 0.0, 0.1, "both"), "scheme is 'both'"),
        (lambda: DiracGAN().step(1.0, 0.0, 0.0), "h is 0.0"),
        (lambda: DiracGAN().step(1.0, 0.0, 0.1, "alternating", 0), "d_steps is 0"),
        (lambda: DiracGAN().modulus(0.1, "simultaneous", 2), "d_steps is 2 in the scheme"),
        (lambda: DiracGAN(clip=1.0).step(1.0, 0.0, 0.1, "flow"), "clip acts after a step"),
        (lambda: DiracGAN().trajectory(1.0, 0.0, 0.1, 0), "steps is 0"),
        (lambda: DiracGAN().trajectory(1.0, 0.0, 0.1, 10.0), "steps is 10.0"),
        (
            lambda: DiracGAN().vector_field(torch.zeros(2), torch.zeros(3)),
            r"theta has shape \[2\] and psi \[3\]",
        ),
    ],
)
def test_wrong_input_to_the_dirac_gan(call, words):
    with pytest.raises(InputError, match=words):
        call()
