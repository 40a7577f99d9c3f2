"""chapter10.exact against identities, limits, torch.distributions, Gauss-Hermite quadrature and brute force."""

import math

import numpy
import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from chapter10 import exact
from chapter10.errors import InputError
from chapter10.exact import LinearGaussian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def linear(data_dim=5, latent_dim=3, noise_std=0.7, seed=0):
    return LinearGaussian(normal(data_dim, latent_dim, seed=seed), normal(data_dim, seed=seed + 1), noise_std)


def near(value, expected, atol=1e-10):
    torch.testing.assert_close(
        value, torch.as_tensor(expected, dtype=value.dtype).expand_as(value), rtol=0, atol=atol
    )


# The linear-Gaussian model


@pytest.mark.parametrize("data_dim, latent_dim", [(1, 1), (5, 3), (3, 5), (40, 2)])
@pytest.mark.parametrize("noise_std", [0.1, 1.0, 10.0])
def test_evidence_minus_elbo_is_the_gap_to_the_last_digit(data_dim, latent_dim, noise_std):
    model = linear(data_dim, latent_dim, noise_std)
    x, _ = model.sample(7, generator=seeded())
    mu, log_var = normal(7, latent_dim, seed=2), normal(7, latent_dim, seed=3)
    value, reconstruction, kl = model.elbo(x, mu, log_var)
    gap = model.gap(x, mu, log_var)
    torch.testing.assert_close(model.log_evidence(x) - value, gap, rtol=1e-12, atol=1e-10)
    near(value, reconstruction - kl, atol=0)
    assert (gap > 0).all()


def test_evidence_is_torch_s_multivariate_normal():
    model = linear()
    x, _ = model.sample(9, generator=seeded())
    covariance = model.weight @ model.weight.T + 0.49 * torch.eye(5).double()
    near(model.log_evidence(x), MultivariateNormal(model.bias, covariance).log_prob(x))


def test_bayes_rule_holds_at_any_z():
    model = linear()
    x, z = model.sample(9, generator=seeded())
    mean, covariance = model.posterior(x)
    log_prior = Normal(0, 1).log_prob(z).sum(-1)
    log_likelihood = Normal(z @ model.weight.T + model.bias, 0.7).log_prob(x).sum(-1)
    log_posterior = MultivariateNormal(mean, covariance).log_prob(z)
    near(log_prior + log_likelihood - log_posterior, model.log_evidence(x))


def test_elbo_is_what_torch_s_distributions_average_to():
    model = linear()
    x, _ = model.sample(2, generator=seeded())
    mu, log_var = normal(2, 3, seed=2), normal(2, 3, seed=3)
    value, reconstruction, kl = model.elbo(x, mu, log_var)
    q = Normal(mu, (0.5 * log_var).exp())
    near(kl, kl_divergence(q, Normal(0, 1)).sum(-1))
    z = mu + (0.5 * log_var).exp() * normal(100_000, 1, 3, seed=4)
    samples = Normal(z @ model.weight.T + model.bias, 0.7).log_prob(x).sum(-1)
    error = samples.std(0) / math.sqrt(len(samples))
    assert ((samples.mean(0) - reconstruction).abs() < 4 * error).all()


def test_samples_have_the_evidence_s_mean_and_covariance():
    model = linear()
    x, z = model.sample(200_000, generator=seeded())
    near(x.mean(0), model.bias, atol=0.03)
    near(x.T.cov(), model.weight @ model.weight.T + 0.49 * torch.eye(5).double(), atol=0.1)
    near((x - z @ model.weight.T - model.bias).std(0), 0.7, atol=0.01)
    assert torch.equal(model.sample(3, generator=seeded(5))[0], model.sample(3, generator=seeded(5))[0])


def test_gap_is_zero_where_the_posterior_is_diagonal():
    columns, _ = torch.linalg.qr(normal(5, 3))
    model = LinearGaussian(columns * torch.tensor([3.0, 1.0, 0.2]), normal(5, seed=1), 0.5)
    x, _ = model.sample(6, generator=seeded())
    mean, covariance = model.posterior(x)
    near(model.gap(x, mean, covariance.diagonal().log().expand_as(mean)), 0)
    best = model.best_elbo(x)
    near(best.elbo, model.log_evidence(x))
    near(best.mu, mean)


def test_best_elbo_is_a_maximum():
    model = linear()
    x, _ = model.sample(4, generator=seeded())
    best = model.best_elbo(x)
    mu, log_var = (t.clone().requires_grad_() for t in best[1:])
    for gradient in torch.autograd.grad(model.elbo(x, mu, log_var).value.sum(), (mu, log_var)):
        near(gradient, 0)
    assert (best.elbo < model.log_evidence(x)).all()
    for seed in range(100):
        scale = 10 ** -(seed % 4)
        other = model.elbo(
            x, best.mu + scale * normal(4, 3, seed=seed), best.log_var + scale * normal(4, 3, seed=-1 - seed)
        )
        assert (other.value < best.elbo).all()


def test_best_gap_is_that_of_the_precision_and_the_same_for_every_x():
    model = linear()
    x, _ = model.sample(4, generator=seeded())
    best = model.best_elbo(x)
    precision = torch.linalg.inv(model.posterior(x)[1])
    near(model.gap(x, best.mu, best.log_var), 0.5 * (precision.diagonal().log().sum() - precision.logdet()))
    assert (best.log_var.exp() <= model.posterior(x)[1].diagonal()).all()


def test_much_noise_leaves_the_prior():
    model = linear(noise_std=1e6)
    x, _ = model.sample(4, generator=seeded())
    mean, covariance = model.posterior(x)
    near(mean, 0, atol=1e-4)
    near(covariance, torch.eye(3), atol=1e-10)
    near(model.gap(x, torch.zeros(4, 3).double(), torch.zeros(4, 3).double()), 0, atol=1e-8)


def test_little_noise_leaves_the_inverse_of_the_decoder():
    model = linear(noise_std=1e-4)
    x, z = model.sample(4, generator=seeded())
    mean, covariance = model.posterior(x)
    near(mean, z, atol=2e-3)
    near(covariance, 1e-8 * torch.linalg.inv(model.weight.T @ model.weight), atol=1e-14)


def test_model_of_a_single_number_by_hand():
    # x = 2z + noise of variance 1: p(x) = N(0, 5), and p(z|x) = N(2x/5, 1/5).
    model = LinearGaussian(torch.tensor([[2.0]]).double(), torch.zeros(1).double(), 1.0)
    x = torch.tensor([[0.0], [3.0]]).double()
    near(model.log_evidence(x), [-0.5 * math.log(10 * math.pi), -0.5 * math.log(10 * math.pi) - 0.9])
    mean, covariance = model.posterior(x)
    near(mean, [[0.0], [1.2]])
    near(covariance, [[0.2]])


def test_gaussian_kl_full_is_torch_s():
    factors = normal(4, 6, 3, 3)
    covariances = factors @ factors.mT + 0.1 * torch.eye(3).double()
    mu_q, mu_p = normal(4, 3, seed=1), normal(4, 3, seed=2)
    cov_q, cov_p = covariances[:, 0], covariances[:, 1]
    expected = kl_divergence(MultivariateNormal(mu_q, cov_q), MultivariateNormal(mu_p, cov_p))
    near(exact.gaussian_kl_full(mu_q, cov_q, mu_p, cov_p), expected)
    shared = kl_divergence(MultivariateNormal(mu_q, cov_q), MultivariateNormal(mu_p[0], cov_p[0]))
    near(exact.gaussian_kl_full(mu_q, cov_q, mu_p[0], cov_p[0]), shared)
    near(exact.gaussian_kl_full(mu_q, cov_q, mu_q, cov_q), 0)


# Quadrature


def gaussian_case(noise_std, weight=None):
    weight = normal(6, 2) if weight is None else weight
    model = LinearGaussian(weight, 0.1 * normal(6, seed=1), noise_std)

    def decode(z):
        return z @ model.weight.T + model.bias

    def log_likelihood(means, x):
        return Normal(means, noise_std).log_prob(x[:, None]).sum(-1)

    return model, decode, log_likelihood


@pytest.mark.parametrize("noise_std, tolerance", [(2.0, 1e-6), (0.5, 1e-6), (0.06, 1e-6), (0.005, 1e-4)])
def test_quadrature_gives_the_closed_form(noise_std, tolerance):
    model, decode, log_likelihood = gaussian_case(noise_std)
    # Not samples: z up to 2 keeps the posterior within the square.
    x = decode(normal(5, 2, seed=3).clamp(-2, 2)) + noise_std * normal(5, 6, seed=4)
    result = exact.evidence_by_quadrature(decode, x, log_likelihood, points=161, tolerance=tolerance)
    near(result.log_evidence, model.log_evidence(x), atol=1e-6)
    assert (result.error <= tolerance + 1e-6).all()
    mean, covariance = model.posterior(x)
    assert ((result.peak - mean).abs() < 0.08).all()
    if noise_std == 0.06:  # the case this must not miss
        assert 0.015 < covariance.diagonal().sqrt().min() < covariance.diagonal().sqrt().max() < 0.035


def test_a_posterior_far_narrower_than_the_grid_is_found_and_refined():
    weight = torch.zeros(6, 2).double()
    weight[0, 0] = weight[1, 1] = 1.0
    model, decode, log_likelihood = gaussian_case(0.03, weight)
    x = decode(torch.tensor([[0.333, -1.777], [0.0, 0.0]]).double())
    near(model.posterior(x)[1].diagonal().sqrt(), 0.03, atol=1e-4)
    coarse = exact.evidence_by_quadrature(decode, x, log_likelihood, points=101, tolerance=1e9)
    refined = exact.evidence_by_quadrature(decode, x, log_likelihood, points=101, tolerance=1e-3)
    wrong = (coarse.log_evidence - model.log_evidence(x)).abs()
    assert (wrong > 0.1).all() and (coarse.error > 0.1).all()
    near(refined.log_evidence, model.log_evidence(x), atol=1e-6)


def test_error_estimate_sees_a_posterior_cut_off_by_the_square():
    _, decode, log_likelihood = gaussian_case(0.5)
    x = decode(torch.tensor([[4.0, 0.0], [0.0, 0.0]]).double())
    result = exact.evidence_by_quadrature(decode, x, log_likelihood, limit=3.0, points=101)
    assert result.error[0] > 0.5 > 1e-3 > result.error[1]


def bernoulli_decoder(scale=1.0):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 12)
    ).double().requires_grad_(False), torch.bernoulli(torch.full((6, 12), 0.5).double(), generator=seeded(1))


def test_quadrature_agrees_with_brute_force_for_a_bernoulli_decoder():
    decode, x = bernoulli_decoder()
    result = exact.evidence_by_quadrature(decode, x, points=101)
    z = normal(200_000, 2, seed=7)
    weights = Bernoulli(logits=decode(z)[None]).log_prob(x[:, None]).sum(-1).exp()  # [B, K]
    error = weights.std(1) / weights.mean(1) / math.sqrt(len(z))
    assert error.max() < 0.01
    assert ((result.log_evidence - weights.mean(1).log()).abs() < 4 * error).all()


def test_evidence_of_every_binary_x_adds_up_to_one():
    decode, _ = bernoulli_decoder()
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 12)
    result = exact.evidence_by_quadrature(decode, every, points=61, tolerance=1e9)
    near(result.log_evidence.logsumexp(0), 0, atol=1e-7)  # 1e-8 of the prior lies outside the square


def test_chunks_batches_and_precision_change_nothing():
    decode, x = bernoulli_decoder()
    whole = exact.evidence_by_quadrature(decode, x, points=61).log_evidence
    sizes = []
    decode.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    for chunk in (1, 500, 10**6):
        sizes.clear()
        near(exact.evidence_by_quadrature(decode, x, points=61, chunk=chunk).log_evidence, whole)
        assert max(sizes) <= max(chunk, 2 * 61)
    near(exact.evidence_by_quadrature(decode, x[2:3], points=61).log_evidence, whole[2])
    single = exact.evidence_by_quadrature(decode.float(), x.float(), points=61).log_evidence
    near(single, whole, atol=1e-5)
    assert single.dtype == torch.float64


def test_posterior_on_grid_is_the_closed_form_density():
    model, decode, log_likelihood = gaussian_case(0.5)
    x = decode(torch.tensor([[0.5, -0.8]]).double())
    mean, covariance = model.posterior(x)
    for centre, limit in (((0.0, 0.0), 4.0), (tuple(mean[0].tolist()), 1.5)):
        axis, density = exact.posterior_on_grid(decode, x[0], limit, 151, log_likelihood, centre)
        z_2, z_1 = torch.meshgrid(axis + centre[1], axis + centre[0], indexing="ij")
        expected = MultivariateNormal(mean[0], covariance).log_prob(torch.stack([z_1, z_2], -1)).exp()
        near(density, expected, atol=1e-6 * float(density.max()))
        near(torch.trapezoid(torch.trapezoid(density, axis), axis), 1)


def test_a_decoder_that_ignores_z_has_the_prior_as_posterior():
    logits = normal(12)
    axis, density = exact.posterior_on_grid(
        lambda z: logits.expand(len(z), 12), torch.ones(12).double(), points=61
    )
    near(density[30, 30], 1 / (2 * math.pi), atol=1e-8)
    x = torch.bernoulli(torch.full((3, 12), 0.5).double(), generator=seeded())
    result = exact.evidence_by_quadrature(lambda z: logits.expand(len(z), 12), x, points=61)
    near(result.log_evidence, Bernoulli(logits=logits).log_prob(x).sum(-1), atol=1e-7)


# Gradient estimators

CASES = [(1.5, 0.7, -0.3), (0.0, 1.0, 2.0), (1.0, 0.3, 1.0), (-2.0, 2.0, 0.5)]
# Gauss-Hermite: expectations under N(0, 1) of polynomials up to degree 39, exactly.
NODES, WEIGHTS = (torch.from_numpy(a) for a in numpy.polynomial.hermite_e.hermegauss(20))
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def moments(gradients):
    mean = (WEIGHTS * gradients).sum()
    return mean, (WEIGHTS * (gradients - mean) ** 2).sum()


@pytest.mark.parametrize("mu, sigma, k", CASES)
@pytest.mark.parametrize("baseline", [0.0, 1.3, "best"])
def test_mean_and_variance_of_both_estimators_by_gauss_hermite(mu, sigma, k, baseline):
    mean, variance = moments(exact.pathwise_gradients(mu, sigma, k, NODES))
    near(mean, exact.true_gradient(mu, k))
    near(variance, exact.pathwise_variance(mu, sigma, k))
    baseline = exact.best_baseline(mu, sigma, k) if baseline == "best" else baseline
    mean, variance = moments(exact.score_function_gradients(mu, sigma, k, NODES, baseline))
    near(mean, exact.true_gradient(mu, k))
    near(variance, exact.score_function_variance(mu, sigma, k, baseline))


@pytest.mark.parametrize("mu, sigma, k", CASES)
def test_mean_and_variance_of_both_estimators_by_monte_carlo(mu, sigma, k):
    eps = normal(400_000)
    for gradients, variance in (
        (exact.pathwise_gradients(mu, sigma, k, eps), exact.pathwise_variance(mu, sigma, k)),
        (exact.score_function_gradients(mu, sigma, k, eps), exact.score_function_variance(mu, sigma, k)),
    ):
        assert gradients.shape == eps.shape
        near(gradients.mean(), exact.true_gradient(mu, k), atol=4 * math.sqrt(variance / len(eps)))
        assert gradients.var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("mu, sigma, k", CASES)
def test_score_function_variance_is_the_published_polynomial_and_least_at_the_best_baseline(mu, sigma, k):
    delta = mu - k
    polynomial = delta**4 / sigma**2 + 14 * delta**2 + 15 * sigma**2
    assert exact.score_function_variance(mu, sigma, k) == pytest.approx(polynomial, rel=1e-12)
    baseline = torch.tensor(exact.best_baseline(mu, sigma, k), requires_grad=True)
    least = exact.score_function_variance(mu, sigma, k, baseline)
    assert torch.autograd.grad(least, baseline)[0] == 0
    assert least > 1.49 * exact.pathwise_variance(mu, sigma, k)
    assert least < exact.score_function_variance(mu, sigma, k, baseline + 0.1)
    assert least < exact.score_function_variance(mu, sigma, k, baseline - 0.1)


def test_pathwise_gradients_are_what_autograd_finds():
    eps = normal(10)
    mu = torch.full((10,), 1.5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(((mu + 0.7 * eps + 0.3) ** 2).sum(), mu)
    near(exact.pathwise_gradients(1.5, 0.7, -0.3, eps), gradient)


# Errors

X = torch.zeros(2, 5).double()
CODES = torch.zeros(2, 3).double()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: linear(noise_std=0.0), "noise_std is 0.0"),
        (lambda: linear(noise_std=math.nan), "noise_std is nan"),
        (lambda: LinearGaussian(torch.zeros(5), torch.zeros(5), 1.0), r"weight has shape \[5\]"),
        (
            lambda: LinearGaussian(torch.zeros(5, 3), torch.zeros(4), 1.0),
            r"bias has shape \[4\]; expected \[5\]",
        ),
        (lambda: LinearGaussian([[1.0]], torch.zeros(1), 1.0), "weight is list"),
        (lambda: linear().sample(0), "n is 0"),
        (lambda: linear().log_evidence(X[:, :4]), r"x has shape \[2, 4\]; expected \[B, 5\]"),
        (lambda: linear().log_evidence(X[:0]), r"x has shape \[0, 5\]"),
        (lambda: linear().log_evidence(X.long()), "x is torch.int64"),
        (lambda: linear().log_evidence(X.float()), "x is torch.float32 and weight is torch.float64"),
        (lambda: linear().elbo(X, CODES[:1], CODES), r"mu has shape \[1, 3\]; expected \[2, 3\]"),
        (lambda: linear().gap(X, CODES, CODES[:, :2]), r"log_var has shape \[2, 2\]"),
        (
            lambda: LinearGaussian(torch.ones(5, 1), torch.zeros(5), 1e-5).log_evidence(X.float()),
            "positive definite",
        ),
        (
            lambda: exact.gaussian_kl_full(CODES, -torch.eye(3).double(), CODES, torch.eye(3).double()),
            "cov_q is not",
        ),
        (lambda: exact.gaussian_kl_full(CODES, torch.eye(2).double(), CODES, torch.eye(3).double()), "share"),
        (lambda: exact.pathwise_variance(0.0, 0.0, 1.0), "sigma is 0.0"),
        (lambda: exact.score_function_gradients(0.0, -1.0, 1.0, torch.zeros(3)), "sigma is -1.0"),
    ],
)
def test_wrong_input_to_the_closed_forms(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"decode": torch.nn.Linear(20, 12).double()}, "two latent dimensions"),
        ({"decode": torch.nn.Linear(2, 12)}, "decode did not take z"),
        ({"decode": torch.nn.Linear(2, 11).double()}, r"decode gave \[1, 11\]"),
        ({"x": torch.full((2, 12), 1.1).double()}, "0, 1"),
        ({"x": torch.full((2, 12), math.nan).double()}, "0, 1"),
        ({"x": torch.zeros(12).double()}, r"x has shape \[12\]; expected \[B, D\]"),
        ({"log_likelihood": lambda logits, x: x.sum(1)}, r"log_likelihood gave shape \[2\]"),
        ({"decode": lambda z: torch.full((len(z), 12), math.nan).double()}, "at z = 0 is not a number"),
        ({"limit": 0.0}, "limit is 0.0"),
        ({"points": 100}, "points is 100"),
        ({"chunk": 0}, "chunk is 0"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
    ],
)
def test_wrong_input_to_the_quadrature(change, words):
    right = {"decode": torch.nn.Linear(2, 12).double(), "x": torch.zeros(2, 12).double(), "points": 21}
    exact.evidence_by_quadrature(**right)
    with pytest.raises(InputError, match=words):
        exact.evidence_by_quadrature(**{**right, **change})
