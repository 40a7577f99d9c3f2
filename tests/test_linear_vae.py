"""The linear VAE against eigenvalues, the linear-Gaussian model's closed forms, and training by gradient."""

import math

import pytest
import torch

from chapter10 import exact
from chapter10.errors import InputError
from chapter10.vae import gaussian_kl

VALUES = torch.tensor([9.0, 4.0, 2.0, 1.0, 0.5, 0.25], dtype=torch.float64)


def with_spectrum(values=VALUES, n=400, seed=0):
    """Data [n, D] whose covariance has exactly these eigenvalues, along directions drawn at random."""
    g = torch.Generator().manual_seed(seed)
    dim = len(values)
    noise = torch.randn(n, dim, generator=g, dtype=torch.float64)
    white = torch.linalg.qr(noise - noise.mean(0)).Q * math.sqrt(n)  # covariance exactly I, mean 0
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=g, dtype=torch.float64)).Q
    return white * values.sqrt() @ turn.T + torch.arange(dim)


@pytest.fixture
def x():
    return with_spectrum()


def test_the_spectrum_is_the_data_s(x):
    found = exact.spectrum(x)
    torch.testing.assert_close(found.values, VALUES)
    torch.testing.assert_close(found.mean, torch.arange(6).double())
    torch.testing.assert_close(found.covariance, x.T.cov(correction=0))
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(6).double())


@pytest.mark.parametrize("latent_dim", [1, 3, 5])
def test_probabilistic_pca_has_the_greatest_likelihood(x, latent_dim):
    found = exact.spectrum(x)
    best = exact.ppca(found, latent_dim)
    assert best.noise_std**2 == pytest.approx(VALUES[latent_dim:].mean().item())
    highest = best.log_evidence(x).mean()
    # Tipping and Bishop's formula
    kept, rest = VALUES[:latent_dim].log().sum(), (6 - latent_dim) * math.log(best.noise_std**2)
    assert highest.item() == pytest.approx(-0.5 * (6 * math.log(2 * math.pi) + kept + rest + 6).item())
    torch.manual_seed(0)
    for size in (1e-3, 0.1):
        for _ in range(20):
            weight = best.weight + size * torch.randn_like(best.weight)
            noise = best.noise_std * math.exp(size * torch.randn(()).item())
            assert exact.LinearGaussian(weight, best.bias, noise).log_evidence(x).mean() < highest


@pytest.mark.parametrize("beta", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("variance", [0.1, 0.7, 1.5, 5.0, 20.0])
def test_no_decoder_of_given_noise_is_better(x, variance, beta):
    found, std = exact.spectrum(x), math.sqrt(variance)
    best = exact.ppca(found, 4, std, beta)
    highest = exact.best_elbo_of(best.weight, found.covariance, std, beta)
    torch.manual_seed(1)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(20):
            weight = best.weight + size * torch.randn_like(best.weight)
            assert exact.best_elbo_of(weight, found.covariance, std, beta) <= highest + 1e-12


@pytest.mark.parametrize("variance", [0.3, 1.5, 5.0])
def test_the_best_elbo_of_a_decoder_is_the_linear_gaussian_model_s(x, variance):
    """For any W: LinearGaussian.best_elbo, averaged over the data."""
    torch.manual_seed(2)
    weight, found = torch.randn(6, 3).double(), exact.spectrum(x)
    model = exact.LinearGaussian(weight, found.mean, math.sqrt(variance))
    expected = model.best_elbo(x).elbo.mean()
    torch.testing.assert_close(exact.best_elbo_of(weight, found.covariance, math.sqrt(variance)), expected)
    assert expected < model.log_evidence(x).mean()  # these columns are not orthogonal


def test_the_best_elbo_touches_the_evidence_where_the_columns_are_orthogonal(x):
    found = exact.spectrum(x)
    best = exact.ppca(found, 3)
    touched = exact.best_elbo_of(best.weight, found.covariance, best.noise_std)
    torch.testing.assert_close(touched, best.log_evidence(x).mean())


@pytest.mark.parametrize("beta", [1.0, 0.3, 2.0])
def test_the_elbo_of_an_encoder_is_the_mean_over_the_data(x, beta):
    torch.manual_seed(3)
    weight, encoder, log_var = torch.randn(6, 3).double(), torch.randn(3, 6).double(), torch.randn(3).double()
    found = exact.spectrum(x)
    value, reconstruction, kl = exact.linear_elbo(weight, encoder, log_var, found.covariance, 0.8, beta)
    model = exact.LinearGaussian(weight, found.mean, 0.8)
    mu = (x - found.mean) @ encoder.T
    expected = model.elbo(x, mu, log_var.expand_as(mu))
    torch.testing.assert_close(reconstruction, expected.reconstruction.mean())
    torch.testing.assert_close(kl.sum(), gaussian_kl(mu, log_var.expand_as(mu)).mean())
    torch.testing.assert_close(value, reconstruction - beta * kl.sum())


@pytest.mark.parametrize("beta", [1.0, 0.5, 4.0])
def test_no_encoder_is_better_than_the_best(x, beta):
    """The best encoder, by the posterior of the model with noise β·s², reaches `best_elbo_of`; others stay below."""
    torch.manual_seed(4)
    weight, found, std = torch.randn(6, 2).double(), exact.spectrum(x), 0.9
    precision = torch.eye(2).double() + weight.T @ weight / (beta * std**2)
    encoder, log_var = torch.linalg.solve(precision, weight.T) / (beta * std**2), -precision.diagonal().log()
    highest = exact.best_elbo_of(weight, found.covariance, std, beta)
    torch.testing.assert_close(
        exact.linear_elbo(weight, encoder, log_var, found.covariance, std, beta).value, highest
    )
    for _ in range(20):
        moved = encoder + 0.1 * torch.randn_like(encoder), log_var + 0.1 * torch.randn(2).double()
        assert exact.linear_elbo(weight, *moved, found.covariance, std, beta).value < highest


@pytest.mark.parametrize(
    "variance, beta, expected",
    [
        (0.1, 1, 0),
        (1.5, 1, 1),
        (2.0, 1, 2),
        (1.0, 2.5, 2),
        (3.0, 0.5, 1),
        (5.0, 1, 3),
        (9.0, 1, 4),
        (100.0, 1, 4),
    ],
)
def test_the_number_of_collapsed_dimensions(x, variance, beta, expected):
    assert exact.collapsed(VALUES, 4, variance, beta) == expected
    kl = exact.kl_at_best(VALUES, 4, variance, beta)
    assert (kl == 0).sum() == expected
    best = exact.ppca(exact.spectrum(x), 4, math.sqrt(variance), beta)
    assert (best.weight.norm(dim=0) < 1e-7).sum() == expected


def test_the_kl_at_the_best_is_that_of_its_posterior(x):
    best = exact.ppca(exact.spectrum(x), 4, math.sqrt(1.5))
    mu, covariance = best.posterior(x)
    kl = exact.kl_at_best(VALUES, 4, 1.5)
    for i in range(4):
        one = gaussian_kl(mu[:, i : i + 1], covariance[i, i].log().expand(len(x), 1)).mean()
        assert one.item() == pytest.approx(kl[i].item(), abs=1e-12)
    assert kl[0].item() == pytest.approx(0.5 * math.log(9 / 1.5))


@pytest.mark.parametrize("beta", [1.0, 3.0])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_collapse_turns_where_noise_and_variance_are_equal(x, factor, beta):
    """At W = 0 the ELBO curves upwards along a direction with λ > β·s², downwards with λ < β·s²."""
    found, std = exact.spectrum(x), math.sqrt(factor * VALUES[1].item() / beta)

    def of_length(length):
        return exact.best_elbo_of(length * found.vectors[:, 1:2], found.covariance, std, beta)

    zero = torch.zeros((), dtype=torch.float64)
    curvature = torch.autograd.functional.hessian(of_length, zero)
    assert (curvature > 0) == (factor < 1)
    price = beta * std**2  # d²/dlength² of −β/2 (log(length² + p) + λ / (length² + p)) at 0
    assert curvature.item() == pytest.approx(beta * (VALUES[1].item() - price) / price**2)


@pytest.mark.parametrize("variance, beta", [(0.7, 1.0), (1.2, 1.0), (3.0, 1.0), (1.2, 2.5)])
def test_training_by_gradient_collapses_what_the_eigenvalues_say(x, variance, beta):
    found, std = exact.spectrum(x), math.sqrt(variance)
    torch.manual_seed(5)
    weight, encoder = 0.3 * torch.randn(6, 4).double(), 0.3 * torch.randn(4, 6).double()
    parameters = [t.requires_grad_() for t in (weight, encoder, torch.zeros(4, dtype=torch.float64))]
    adam = torch.optim.Adam(parameters, 0.02)
    for step in range(3000):
        adam.param_groups[0]["lr"] = 0.02 * (1 - step / 3000)
        adam.zero_grad()
        value, _, kl = exact.linear_elbo(*parameters, found.covariance, std, beta)
        (-value).backward()
        adam.step()
    best = exact.ppca(found, 4, std, beta)
    assert value.item() == pytest.approx(
        exact.best_elbo_of(best.weight, found.covariance, std, beta).item(), abs=1e-4
    )
    expected = exact.kl_at_best(VALUES, 4, variance, beta)
    torch.testing.assert_close(kl.detach().sort(descending=True).values, expected, rtol=0, atol=0.02)
    assert (kl < 0.01).sum() == exact.collapsed(VALUES, 4, variance, beta)


def test_what_can_t_be_is_told(x):
    found = exact.spectrum(x)
    for settings, words in [
        ({"latent_dim": 0}, "latent_dim is 0; .*from 1 to the number of dimensions, 6"),
        ({"latent_dim": 7}, "latent_dim is 7"),
        ({"latent_dim": 6}, "noise_std is needed"),
        ({"latent_dim": 2, "beta": 2.0}, "noise_std is needed"),
        ({"latent_dim": 2, "noise_std": 0.0}, "variance is 0.0"),
        ({"latent_dim": 2, "noise_std": 1.0, "beta": -1.0}, "beta is -1.0"),
        ({"latent_dim": 2, "noise_std": 1.0, "beta": 0.0}, "above 0"),
    ]:
        with pytest.raises(InputError, match=words):
            exact.ppca(found, **settings)
    with pytest.raises(InputError, match="two points or more"):
        exact.spectrum(torch.zeros(1, 3))
    with pytest.raises(InputError, match=r"covariance has shape \[5, 5\]"):
        exact.best_elbo_of(torch.zeros(6, 2), torch.eye(5), 1.0)
    with pytest.raises(InputError, match=r"encoder has shape"):
        exact.linear_elbo(torch.zeros(6, 2), torch.zeros(6, 2), torch.zeros(2), torch.eye(6), 1.0)
    with pytest.raises(InputError, match="beta is nan"):
        exact.collapsed(VALUES, 2, 1.0, math.nan)
