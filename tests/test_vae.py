"""chapter10.vae against torch.distributions, integrals, limits, and the chapter's own formulas."""

import inspect
import math

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, ContinuousBernoulli, Normal, kl_divergence

from chapter10 import vae
from chapter10.errors import InputError
from chapter10.vae import VAE, Autoencoder, AutoencoderTraining, VAETraining

DTYPES = [torch.float32, torch.float64]
LIKELIHOODS = [vae.bernoulli_log_likelihood, vae.continuous_bernoulli_log_likelihood]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def codes(batch=5, latent_dim=3, dtype=torch.float64):
    return torch.randn(batch, latent_dim, dtype=dtype), torch.randn(batch, latent_dim, dtype=dtype)


def binary(batch=5, dim=12, dtype=torch.float32):
    return torch.rand(batch, dim).lt(0.4).to(dtype)


def small(latent_dim=2, dim=12):
    return VAE(dim, latent_dim, hidden_dim=8)


# The KL divergence


def test_kl_is_torch_s():
    mu, log_var = codes()
    expected = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(vae.gaussian_kl(mu, log_var), expected, rtol=1e-12, atol=1e-12)


def test_kl_is_what_samples_average_to():
    mu, log_var = codes(3, 2)
    q = Normal(mu, (log_var / 2).exp())
    z = q.sample((200_000,))
    samples = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)
    error = samples.std(0) / math.sqrt(len(samples))
    assert ((samples.mean(0) - vae.gaussian_kl(mu, log_var)).abs() < 4 * error).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_is_zero_at_the_prior_and_never_below(dtype):
    assert vae.gaussian_kl(torch.zeros(2, 3, dtype=dtype), torch.zeros(2, 3, dtype=dtype)).tolist() == [0, 0]
    size = torch.logspace(-30, math.log10(80), 200_001, dtype=dtype)
    log_var = torch.cat([size, -size]).unsqueeze(1)
    assert (vae.gaussian_kl(torch.zeros_like(log_var), log_var) >= 0).all()


@pytest.mark.parametrize("log_var", [1e-3, -1e-3, 1e-5, -1e-4])
def test_kl_keeps_its_digits_where_the_variance_is_almost_one(log_var):
    # ½(e^v − 1 − v) = v²/4 + v³/12 + …; in float32 written with exp it would be noise.
    found = vae.gaussian_kl(torch.zeros(1, 1), torch.full((1, 1), log_var)).item()
    assert found == pytest.approx(log_var**2 / 4 + log_var**3 / 12, rel=0.02)


def test_kl_wants_one_shape():
    with pytest.raises(InputError, match=r"mu and log_var.*\[5, 3\] and \[5, 2\]"):
        vae.gaussian_kl(torch.zeros(5, 3), torch.zeros(5, 2))


# The likelihoods


@pytest.mark.parametrize("dtype", DTYPES)
def test_bernoulli_is_torch_s(dtype):
    x, logits = binary(dtype=dtype), 3 * torch.randn(5, 12, dtype=dtype)
    expected = Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(vae.bernoulli_log_likelihood(logits, x), expected)


def test_bernoulli_probabilities_add_up_to_one():
    logits = torch.randn(1, 4, dtype=torch.float64)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 4)
    total = vae.bernoulli_log_likelihood(logits.expand(16, 4), images).logsumexp(0)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


def test_continuous_bernoulli_is_torch_s():
    x, logits = torch.rand(5, 12).double(), 3 * torch.randn(5, 12).double()
    expected = ContinuousBernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(vae.continuous_bernoulli_log_likelihood(logits, x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("logit", [-60.0, -8.0, -0.11, -0.0999, -1e-3, 0.0, 1e-6, 0.05, 0.1, 0.1001, 1.0, 30.0])
def test_continuous_bernoulli_integrates_to_one(logit):
    nodes, weights = map(torch.from_numpy, numpy.polynomial.legendre.leggauss(200))
    x = (nodes.unsqueeze(1) + 1) / 2
    log_density = vae.continuous_bernoulli_log_likelihood(torch.full_like(x, logit), x)
    assert (log_density.exp() * weights / 2).sum().item() == pytest.approx(1, abs=1e-12)


def test_continuous_bernoulli_near_zero_is_its_known_series():
    # log-normaliser = log 2 + 4/3 (λ−½)² + 104/45 (λ−½)⁴, with λ = sigmoid(logit)
    logit = torch.linspace(-0.2, 0.2, 41, dtype=torch.float64).unsqueeze(1)
    off = logit.sigmoid() - 0.5
    normaliser = math.log(2) + 4 / 3 * off**2 + 104 / 45 * off**4
    half = torch.full_like(logit, 0.5)
    expected = vae.bernoulli_log_likelihood(logit, half) + normaliser.squeeze(1)
    torch.testing.assert_close(vae.continuous_bernoulli_log_likelihood(logit, half), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype, atol", [(torch.float32, 3e-5), (torch.float64, 1e-12)])
def test_continuous_bernoulli_has_one_gradient_on_both_sides_of_the_seam(dtype, atol):
    logit = torch.linspace(-0.12, 0.12, 2401, dtype=dtype).unsqueeze(1).requires_grad_()
    x = torch.full_like(logit, 0.3)
    (gradient,) = torch.autograd.grad(vae.continuous_bernoulli_log_likelihood(logit, x).sum(), logit)
    half = logit.detach().double() / 2
    # x − ½ − ½(coth h − 1/h), by its series: h/3 − h³/45 + 2h⁵/945 − h⁷/4725
    expected = 0.3 - 0.5 - 0.5 * (half / 3 - half**3 / 45 + 2 * half**5 / 945 - half**7 / 4725)
    torch.testing.assert_close(gradient.double(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("size", [0.0, 0.1, 100.0])
def test_extreme_logits_stay_finite(likelihood, dtype, size):
    logits = torch.tensor([[size], [-size]], dtype=dtype).expand(2, 3).clone().requires_grad_()
    x = torch.tensor([0.0, 0.5, 1.0], dtype=dtype).expand(2, 3)
    value = likelihood(logits, x)
    value.sum().backward()
    assert value.isfinite().all() and logits.grad.isfinite().all()
    assert (logits.grad.abs() <= 1).all()


def test_extreme_logits_cost_what_they_should():
    # A pixel that is 1 where the decoder is sure of 0 costs the logit itself.
    value = vae.bernoulli_log_likelihood(torch.tensor([[-100.0], [100.0]]), torch.tensor([[1.0], [1.0]]))
    torch.testing.assert_close(value, torch.tensor([-100.0, 0.0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("extreme", [50.0, -50.0])
def test_extreme_variances_stay_finite(dtype, extreme):
    mu = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    log_var = torch.full((2, 3), extreme, dtype=dtype, requires_grad=True)
    kl = vae.gaussian_kl(mu, log_var)
    z = vae.reparameterize(mu, log_var)
    (kl.sum() + z.sum()).backward()
    for value in (kl, z, mu.grad, log_var.grad):
        assert value.isfinite().all()
    assert kl[0].item() == pytest.approx(1.5 * (math.expm1(extreme) - extreme), rel=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, math.nan, math.inf])
def test_pixels_outside_the_range_are_refused(likelihood, bad):
    x = torch.rand(4, 6)
    x[2, 3] = bad
    with pytest.raises(InputError, match=r"must lie in \[0, 1\].*to_unit"):
        likelihood(torch.zeros(4, 6), x)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_wrong_shapes_and_types_are_refused(likelihood):
    with pytest.raises(InputError, match=r"\[4, 5\] and \[4, 6\]"):
        likelihood(torch.zeros(4, 5), torch.rand(4, 6))
    with pytest.raises(InputError, match="no images"):
        likelihood(torch.zeros(0, 5), torch.rand(0, 5))
    with pytest.raises(InputError, match="floats.*to_unit"):
        likelihood(torch.zeros(4, 5), torch.ones(4, 5, dtype=torch.uint8))


# Sampling


def test_reparameterize_lets_gradients_through():
    mu, log_var = (t.requires_grad_() for t in codes())
    eps = torch.randn_like(mu)
    z = vae.reparameterize(mu, log_var, eps)
    by_mu, by_log_var = torch.autograd.grad(z.sum(), (mu, log_var))
    torch.testing.assert_close(by_mu, torch.ones_like(mu))
    torch.testing.assert_close(by_log_var, (log_var / 2).exp() * eps / 2)
    torch.testing.assert_close(z, mu + (log_var / 2).exp() * eps)


def test_reparameterized_samples_have_mean_and_variance():
    mu, log_var = torch.tensor([1.5, -2.0]), torch.tensor([math.log(4.0), math.log(0.09)])
    n = 200_000
    z = vae.reparameterize(mu.expand(n, 2), log_var.expand(n, 2))
    std = torch.tensor([2.0, 0.3])
    assert ((z.mean(0) - mu).abs() < 4 * std / math.sqrt(n)).all()
    assert ((z.std(0) / std - 1).abs() < 4 / math.sqrt(2 * n)).all()
    assert not torch.equal(z, vae.reparameterize(mu.expand(n, 2), log_var.expand(n, 2)))


def test_reparameterize_does_not_broadcast_by_accident():
    with pytest.raises(InputError, match="same shape"):
        vae.reparameterize(torch.zeros(4, 1), torch.zeros(4, 3))


# The bound


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli"])
def test_the_bound_is_its_parts(beta, likelihood):
    model, x = small(), binary()
    torch.manual_seed(1)
    value, reconstruction, kl = vae.elbo(model, x, beta, likelihood)
    torch.manual_seed(1)
    mu, log_var = model.encode(x)
    logits = model.decode(model.reparameterize(mu, log_var))
    torch.testing.assert_close(reconstruction, vae.LIKELIHOODS[likelihood](logits, x))
    torch.testing.assert_close(kl, kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1))
    torch.testing.assert_close(value, reconstruction - beta * kl)
    assert value.shape == reconstruction.shape == kl.shape == (5,)


def test_the_bound_lies_below_the_evidence():
    """With a decoder that is the same for all z, log p(x) is known, and the gap is the KL."""
    model, x = small(), binary()
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
    logits = model.decoder[-1].bias.expand(5, 12)
    value, _, kl = vae.elbo(model, x)
    torch.testing.assert_close(vae.bernoulli_log_likelihood(logits, x) - value, kl)
    assert (kl > 0).all()


# Free bits and the weight of the KL


def test_the_kl_s_dimensions_add_up():
    mu, log_var = codes()
    each = vae.gaussian_kl_by_dimension(mu, log_var)
    assert each.shape == mu.shape
    torch.testing.assert_close(each.sum(-1), vae.gaussian_kl(mu, log_var))
    torch.testing.assert_close(each, kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)))


def test_free_bits_by_hand():
    kl = torch.tensor([[0.0, 1.0, 3.0], [0.5, 2.0, 5.0]])  # means 0.25, 1.5, 4
    assert vae.priced_kl(kl, 2.0).tolist() == [2 + 2 + 3, 2 + 2 + 5]
    assert vae.priced_kl(kl, 1.0).tolist() == [1 + 1 + 3, 1 + 2 + 5]
    assert vae.priced_kl(kl, 0.0).tolist() == kl.sum(1).tolist()
    for free_bits in (0.0, 0.1, 1.0, 2.0, 9.0):
        expected = kl.mean(0).clamp(min=free_bits).sum()
        torch.testing.assert_close(vae.priced_kl(kl, free_bits).mean(), expected)


def test_free_bits_are_of_the_batch_and_not_of_an_image():
    """An image may hold less than the allowance in a dimension where the batch holds more: it is pulled all the same."""
    mu = torch.tensor([[0.1], [3.0]], requires_grad=True)
    vae.priced_kl(vae.gaussian_kl_by_dimension(mu, torch.zeros(2, 1)), 1.0).mean().backward()
    torch.testing.assert_close(mu.grad, mu.detach() / 2)


def test_below_the_allowance_nothing_pulls_towards_the_prior():
    mu, log_var = (t.requires_grad_() for t in codes(6, 3))
    with torch.no_grad():
        mu[:, 0], log_var[:, 0] = 0.1, -0.1
    vae.priced_kl(vae.gaussian_kl_by_dimension(mu, log_var), 0.3).mean().backward()
    assert mu.grad[:, 0].abs().max() == log_var.grad[:, 0].abs().max() == 0
    torch.testing.assert_close(mu.grad[:, 1:], mu.detach()[:, 1:] / 6)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_bound_with_free_bits_still_says_what_the_kl_is(beta):
    model, x = small(3), binary(7)
    torch.manual_seed(1)
    plain = vae.elbo(model, x, beta)
    torch.manual_seed(1)
    value, reconstruction, kl = vae.elbo(model, x, beta, free_bits=0.25)
    assert torch.equal(reconstruction, plain.reconstruction) and torch.equal(kl, plain.kl)
    each = vae.gaussian_kl_by_dimension(*model.encode(x)).mean(0)
    expected = reconstruction.mean() - beta * each.clamp(min=0.25).sum()
    torch.testing.assert_close(value.mean(), expected)
    assert value.mean() < plain.value.mean()
    torch.manual_seed(1)
    assert torch.equal(vae.elbo(model, x, beta, free_bits=0.0).value, plain.value)


def test_a_kl_that_is_not_a_number_does_not_hide_behind_free_bits():
    assert vae.priced_kl(torch.tensor([[math.nan, 1.0]]), 2.0).isnan().all()


def test_free_bits_are_trained_with():
    """Where the decoder has no use for z, the KL falls to the allowance with free bits (Adam's momentum carries it on), else to 0."""
    x = binary(64, 12)
    kept = {}
    for free_bits in (0.0, 0.5):
        torch.manual_seed(0)
        model = small(3)
        with torch.no_grad():
            model.decoder[0].weight.zero_()
            model.fc_mu.bias.fill_(2.0)
        model.decoder[0].weight.requires_grad_(False)
        method = VAETraining(model, lr=1e-2, free_bits=free_bits)
        kept[free_bits] = [method.step(x)["kl"].item() for _ in range(400)][-1]
    assert kept[0.0] < 0.02 and 0.2 < kept[0.5] < 1.5  # of 3 dimensions of 0.5 nats


@pytest.mark.parametrize("bad", [-1.0, -1e-9, math.nan, math.inf])
def test_weights_below_zero_or_not_finite_are_refused(bad):
    model, x = small(), binary()
    for ask in (
        lambda: vae.elbo(model, x, bad),
        lambda: vae.elbo_gradients(model, x, bad),
        lambda: VAETraining(model, beta=bad),
    ):
        with pytest.raises(InputError, match="^beta is .*from 0 up"):
            ask()
    for ask in (lambda: vae.elbo(model, x, free_bits=bad), lambda: VAETraining(model, free_bits=bad)):
        with pytest.raises(InputError, match="^free_bits is .*nats for each latent dimension"):
            ask()
    method = VAETraining(model)
    method.beta = bad  # as a schedule might
    with pytest.raises(InputError, match="^beta is"):
        method.step(x)


def test_an_unknown_likelihood_is_refused():
    with pytest.raises(InputError, match="'gauss' is not known.*bernoulli"):
        vae.elbo(small(), binary(), likelihood="gauss")


def test_the_chapter_s_loss_is_ours_times_the_batch():
    model, x = small(), binary(7)
    logits, mu, log_var = model(x)
    ours, chapter = model.loss_function(logits, x, mu, log_var), vae.chapter_loss(logits.sigmoid(), x, mu, log_var)
    torch.testing.assert_close(chapter, 7 * ours)
    ours_gradient = torch.autograd.grad(7 * ours, model.fc_mu.weight, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(chapter, model.fc_mu.weight), ours_gradient)


def test_the_chapter_s_loss_breaks_where_ours_does_not():
    """A pixel the decoder is sure of, wrongly: float32's sigmoid is exactly 0 or 1 there, and its gradient gone."""
    logits = torch.tensor([[110.0, -110.0]], requires_grad=True)
    x, zero = torch.tensor([[0.0, 1.0]]), torch.zeros(1, 1)
    chapter = vae.chapter_loss(logits.sigmoid(), x, zero, zero)
    (its,) = torch.autograd.grad(chapter, logits)
    ours = -vae.bernoulli_log_likelihood(logits, x).sum()
    (gradient,) = torch.autograd.grad(ours, logits)
    assert ours.item() == 220 and gradient.tolist() == [[1, -1]]
    assert chapter.item() < 201 and its.abs().max() == 0  # cut off at 100 a pixel, with nothing to learn from


# The models


def test_the_vae_has_the_chapter_s_names():
    assert list(inspect.signature(VAE).parameters)[:3] == ["input_dim", "latent_dim", "hidden_dim"]
    assert list(inspect.signature(VAE.loss_function).parameters) == ["self", "logits", "x", "mu", "log_var"]
    model = VAE(input_dim=12, latent_dim=2, hidden_dim=8)
    x = binary(4)
    mu, log_var = model.encode(x)
    assert mu.shape == log_var.shape == (4, 2)
    z = model.reparameterize(mu, log_var)
    assert z.shape == (4, 2) and model.decode(z).shape == (4, 12)
    logits, mu, log_var = model(x)
    loss = model.loss_function(logits, x, mu, log_var)
    assert loss.shape == () and logits.shape == (4, 12)
    names = {name.split(".")[0] for name in model.state_dict()}
    assert names == {"encoder", "fc_mu", "fc_var", "decoder"}


def test_the_vae_s_default_is_the_chapter_s_network():
    widths = [(m.in_features, m.out_features) for m in VAE().modules() if isinstance(m, torch.nn.Linear)]
    assert widths == [(784, 256), (256, 256), (256, 20), (256, 20), (20, 256), (256, 256), (256, 784)]


def test_the_decoder_gives_logits():
    model = small()
    with torch.no_grad():
        model.decoder[-1].bias.fill_(-7)
    assert model.decode(torch.zeros(3, 2)).max() < -1


def test_the_loss_does_not_depend_on_the_batch_s_size():
    model, x = small(), binary(1)
    one = [t for t in model(x)]
    many = [t.expand(6, -1) for t in one]
    torch.testing.assert_close(model.loss_function(one[0], x, *one[1:]), model.loss_function(many[0], x.expand(6, 12), *many[1:]))


def test_images_of_noise_are_refused():
    """torch.randn instead of images: the loss would fall below zero and go on falling."""
    noise = torch.randn(4, 12)
    with pytest.raises(InputError, match=r"^Pixels must lie in \[0, 1\]"):
        vae.elbo(small(), noise)
    with pytest.raises(InputError, match=r"^Pixels must lie in \[0, 1\]"):
        VAETraining(small()).step(noise)
    with pytest.raises(InputError, match=r"^Pixels must lie in \[0, 1\]"):
        AutoencoderTraining(Autoencoder(12, 2, 8)).step(noise)


@pytest.mark.parametrize("model", [VAE(12, 2, 8), Autoencoder(12, 2, 8)])
@pytest.mark.parametrize("x", [torch.rand(4, 3, 4), torch.rand(4, 11), torch.rand(12), torch.zeros(4, 12, dtype=torch.int64)])
def test_a_wrong_batch_is_refused(model, x):
    with pytest.raises(InputError, match=r"flattened float images \[B, 12\], found"):
        model(x)


@pytest.mark.parametrize("model", [VAE(12, 2, 8), Autoencoder(12, 2, 8)])
@pytest.mark.parametrize("z", [torch.randn(4, 3), torch.randn(()), torch.zeros(4, 2, dtype=torch.int64)])
def test_wrong_codes_are_refused(model, z):
    with pytest.raises(InputError, match=r"float codes z \[B, 2\], found"):
        model.decode(z)


@pytest.mark.parametrize("kind", [VAE, Autoencoder])
@pytest.mark.parametrize("sizes", [{"latent_dim": 0}, {"hidden_dim": -1}, {"input_dim": 784.0}, {"hidden_layers": 0}])
def test_sizes_are_whole_numbers_from_one(kind, sizes):
    with pytest.raises(InputError, match=f"{next(iter(sizes))} is .*whole number"):
        kind(**sizes)
    with pytest.raises(InputError, match="'gelu' is not known"):
        kind(activation="gelu")


def test_one_image_is_a_batch():
    method = VAETraining(small())
    parts = method.step(binary(1))
    assert set(parts) == {"loss", "reconstruction", "kl"} and all(part.isfinite() for part in parts.values())


# The methods


def test_a_step_goes_down_the_gradient_of_minus_the_bound():
    model, x = small(), binary(64)
    method = VAETraining(model, lr=1e-2, beta=2.0)
    torch.manual_seed(3)
    value, reconstruction, kl = vae.elbo(model, x, 2.0)
    gradient = torch.autograd.grad(-value.mean(), model.fc_mu.weight)[0]
    before = model.fc_mu.weight.detach().clone()
    torch.manual_seed(3)
    parts = method.step(x)
    torch.testing.assert_close(parts["loss"], -value.mean())
    torch.testing.assert_close(parts["loss"], 2.0 * parts["kl"] - parts["reconstruction"])
    torch.testing.assert_close(parts["kl"], kl.mean())
    # Adam's first step is the rate times the gradient's sign
    clear = gradient.abs() > 1e-5
    moved = (model.fc_mu.weight - before)[clear]
    torch.testing.assert_close(moved, -1e-2 * gradient.sign()[clear], rtol=0.01, atol=0)
    assert not any(part.requires_grad for part in parts.values())


def test_training_finds_the_bit_that_tells_two_images_apart():
    """Two images in equal shares: no bound is above −log 2; without a code the 12 fair pixels cost 12 log 2."""
    torch.manual_seed(0)
    x = torch.tensor([[1.0] * 6 + [0.0] * 6, [0.0] * 6 + [1.0] * 6]).repeat(32, 1)
    method = VAETraining(small(), lr=1e-2)
    losses = torch.stack([method.step(x)["loss"] for _ in range(400)])
    assert losses[0] > 8 and math.log(2) < losses[-50:].mean() < 2.0


def test_the_autoencoder_s_loss_is_cross_entropy():
    model, x = Autoencoder(12, 2, 8), binary()
    expected = F.binary_cross_entropy_with_logits(model(x), x, reduction="sum") / 5
    torch.testing.assert_close(AutoencoderTraining(model).step(x)["loss"], expected.detach())


def test_the_rate_can_be_set_between_steps():
    method = VAETraining(small(), lr=1e-3)
    assert method.lr == 1e-3
    method.lr = 0.0
    before = method.model.fc_mu.weight.detach().clone()
    method.step(binary())
    assert method.lr == 0.0 and torch.equal(method.model.fc_mu.weight, before)
