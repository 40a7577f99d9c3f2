"""chapter10.iwae against autograd, exact answers of a linear-Gaussian model, and the mistakes that people make."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Normal

from chapter10 import data, iwae, vae
from chapter10.autoregressive import AutoregressiveVAE
from chapter10.errors import InputError
from chapter10.exact.evidence import LinearGaussian
from chapter10.iwae import (
    IWAETraining,
    bound,
    importance_bound,
    iwae_gradients,
    log_likelihoods,
    log_ratios,
    normalised_weights,
)
from chapter10.training import fit
from chapter10.vae import VAE

BOTH = [True, False]


def log_weights(logits, x, z, eps, log_var):
    return log_likelihoods(logits, x) + log_ratios(z, eps, log_var)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def small(dtype=torch.float32):
    """With weights large enough for the samples of an image to differ."""
    model = VAE(12, 3, hidden_dim=8, activation="tanh").to(dtype)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    return model


def binary(batch=6, dtype=torch.float32):
    return torch.rand(batch, 12).lt(0.4).to(dtype)


def gradient(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def by_autograd(model, loss):
    model.zero_grad()
    loss.backward()
    return gradient(model).clone()


# The bound


def test_a_weight_is_the_joint_over_q():
    model, x = small(torch.float64), binary(dtype=torch.float64)
    mu, log_var = model.encode(x)
    eps = torch.randn(6, 4, 3, dtype=torch.float64)
    z = mu[:, None] + (log_var / 2).exp()[:, None] * eps
    logits = model.decode(z.flatten(0, 1)).view(6, 4, 12)
    q = Normal(mu[:, None], (log_var / 2).exp()[:, None])
    expected = Bernoulli(logits=logits).log_prob(x[:, None]).sum(-1)
    expected = expected + (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
    torch.testing.assert_close(log_weights(logits, x, z, eps, log_var), expected)
    torch.testing.assert_close(
        bound(model, x, 4, eps=eps).value, (expected.exp().sum(1) / 4).log()
    )  # equation 8, word for word


def test_like_weights_give_their_logarithm_for_any_number_of_samples():
    """A missing log K would add log 50 = 3.9 nats; the mean of the logarithms gives the same here, and less elsewhere."""
    log_w = torch.tensor([-80.0, -90.0, -1e4])
    for k in (1, 5, 50):
        torch.testing.assert_close(importance_bound(log_w[:, None].expand(3, k)), log_w)
    unlike = torch.tensor([[math.log(0.5), math.log(1.5)]])
    assert importance_bound(unlike).item() == pytest.approx(0, abs=1e-6) and unlike.mean() < -0.1


def test_each_image_is_bounded_by_itself():
    """The sum goes over samples, not images: another order of the samples changes nothing, of the images their order."""
    log_w = 3 * torch.randn(4, 7)
    found = importance_bound(log_w)
    torch.testing.assert_close(importance_bound(log_w[:, torch.randperm(7)]), found)
    torch.testing.assert_close(importance_bound(log_w.flip(0)), found.flip(0))
    weights = normalised_weights(log_w)
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    torch.testing.assert_close(weights, log_w.exp() / log_w.exp().sum(1, keepdim=True))


@pytest.fixture(scope="module")
def gaussian():
    """A model whose log p(x) is known, one x, and a q(z|x) that is not its posterior."""
    torch.manual_seed(3)
    exact = LinearGaussian(torch.randn(4, 2, dtype=torch.float64), torch.zeros(4, dtype=torch.float64), 0.7)
    x, _ = exact.sample(1)
    mean, covariance = exact.posterior(x)
    return exact, x, mean + 0.3, covariance.diagonal().log().expand(1, 2) + 0.5


def weights_of(gaussian, runs, k):
    """log w of `runs` times k samples: [runs, k]."""
    exact, x, mu, log_var = gaussian
    eps = torch.randn(runs, k, 2, dtype=torch.float64)
    z = mu + (log_var / 2).exp() * eps
    likelihood = Normal(z @ exact.weight.T + exact.bias, exact.noise_std).log_prob(x).sum(-1)
    return likelihood + (Normal(0.0, 1.0).log_prob(z) - Normal(mu, (log_var / 2).exp()).log_prob(z)).sum(-1)


def test_the_bound_rises_from_the_elbo_to_the_evidence(gaussian):
    exact, x, mu, log_var = gaussian
    evidence, elbo = exact.log_evidence(x).item(), exact.elbo(x, mu, log_var).value.item()
    assert evidence - elbo > 0.3  # there is room to rise
    means = []
    for k in (1, 5, 50, 500):
        found = importance_bound(weights_of(gaussian, 4000, k))
        means.append(found.mean().item())
        error = found.std().item() / math.sqrt(4000)
        if k == 1:
            assert means[0] == pytest.approx(elbo, abs=4 * error)
    assert sorted(means) == means and means[-1] < evidence + 0.01
    assert means[-1] == pytest.approx(evidence, abs=0.01)


def test_from_the_posterior_itself_one_sample_is_enough(gaussian):
    exact, x, *_ = gaussian
    mean, covariance = exact.posterior(x)
    q = torch.distributions.MultivariateNormal(mean, covariance)
    z = q.sample((9,))  # [9, 1, 2]
    log_w = Normal(z @ exact.weight.T, exact.noise_std).log_prob(x).sum(-1) + Normal(0.0, 1.0).log_prob(
        z
    ).sum(-1)
    log_w = (log_w - q.log_prob(z)).T  # [1, 9]
    torch.testing.assert_close(log_w, exact.log_evidence(x).expand(9)[None])
    torch.testing.assert_close(normalised_weights(log_w), torch.full((1, 9), 1 / 9, dtype=torch.float64))


# The gradient


@pytest.mark.parametrize("importance", BOTH)
@pytest.mark.parametrize("k", [1, 5, 50])
def test_the_gradient_by_hand_is_autograd_s(k, importance):
    model, x = small(torch.float64), binary(dtype=torch.float64)
    eps = torch.randn(6, k, 3, dtype=torch.float64)
    found = bound(model, x, k, importance, eps)
    expected = by_autograd(model, -found.value.mean())
    by_hand = iwae_gradients(model, x, k, importance, eps, negligible=0)
    torch.testing.assert_close(gradient(model), expected, rtol=1e-9, atol=1e-12)
    assert by_hand.value.item() == pytest.approx(found.value.mean().item(), rel=1e-10)
    assert by_hand.effective_samples.item() == pytest.approx(found.effective_samples.mean().item(), rel=1e-9)
    assert 1 <= by_hand.effective_samples <= k + 1e-9


def test_the_bound_s_gradient_is_that_of_finite_differences():
    x, eps = binary(2, torch.float64), torch.randn(2, 3, 2, dtype=torch.float64)
    weight = torch.randn(12, 2, dtype=torch.float64, requires_grad=True)
    mu, log_var = (torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def ascend(weight, mu, log_var):
        z = mu[:, None] + (log_var / 2).exp()[:, None] * eps
        return importance_bound(log_weights(z @ weight.T, x, z, eps, log_var))

    assert torch.autograd.gradcheck(ascend, (weight, mu, log_var))


def test_each_sample_s_gradient_counts_by_its_weight():
    """Equation 14: the weights are factors, no gradient goes through them; an average with weights 1/K is another one."""
    model, x = small(torch.float64), binary(dtype=torch.float64)
    eps = torch.randn(6, 8, 3, dtype=torch.float64)

    def log_w():
        mu, log_var = model.encode(x)
        z = mu[:, None] + (log_var / 2).exp()[:, None] * eps
        return log_weights(model.decode(z.flatten(0, 1)).view(6, 8, 12), x, z, eps, log_var)

    iwae_gradients(model, x, 8, True, eps, negligible=0)
    ours = gradient(model).clone()
    weighed, through, alike = (
        by_autograd(model, -loss)
        for loss in (
            (normalised_weights(log_w().detach()) * log_w()).sum(1).mean(),
            (normalised_weights(log_w()) * log_w()).sum(1).mean(),  # the mistake
            log_w().mean(),
        )
    )
    torch.testing.assert_close(ours, weighed, rtol=1e-9, atol=1e-12)
    assert (through - ours).norm() > 0.05 * ours.norm() and (alike - ours).norm() > 0.05 * ours.norm()


def test_one_sample_of_the_vae_is_the_elbo_and_of_the_iwae_the_same_but_for_the_sampled_kl():
    model, x, eps = small(), binary(), torch.randn(6, 3)
    plain = vae.elbo_gradients(model, x, eps=eps)
    expected = gradient(model).clone()
    found = iwae_gradients(model, x, 1, False, eps[:, None])
    torch.testing.assert_close(found.value, plain.value)
    torch.testing.assert_close(gradient(model), expected, rtol=1e-4, atol=1e-6)
    # log p(z) − log q(z|x) at the sample, in place of its mean −KL
    mu, log_var = model.encode(x)
    z = mu + (log_var / 2).exp() * eps
    correction = vae.gaussian_kl(mu, log_var) + 0.5 * (eps.square() + log_var - z.square()).sum(-1)
    nothing = 0 * sum(p.sum() for p in model.parameters())  # the decoder has no part in the correction
    expected += by_autograd(model, nothing - correction.mean())
    found = iwae_gradients(model, x, 1, True, eps[:, None])
    torch.testing.assert_close(found.value, plain.value + correction.mean())
    torch.testing.assert_close(gradient(model), expected, rtol=1e-4, atol=1e-6)


def test_more_samples_of_the_vae_s_objective_make_the_noise_smaller_and_the_iwae_s_bound_higher():
    model, x = small(), binary(40)
    values = {
        (k, importance): torch.stack(
            [bound(model, x, k, importance).value.mean() for _ in range(60)]
        ).detach()
        for k in (1, 25)
        for importance in BOTH
    }
    few, many = values[1, False], values[25, False]
    assert many.mean().item() == pytest.approx(few.mean().item(), abs=4 * few.std().item() / math.sqrt(60))
    assert many.std() < few.std() / 3  # 1/5 for independent samples
    assert values[25, True].mean() > many.mean() + 0.1


def test_samples_without_weight_are_left_out_on_the_way_back(monkeypatch):
    model = small(torch.float64)
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(2)  # the samples of an image then tell more or less likely images
    x, eps = binary(50, torch.float64), torch.randn(50, 50, 3, dtype=torch.float64)
    iwae_gradients(model, x, 50, True, eps, negligible=0)
    exact = gradient(model).clone()
    seen = []
    backward = iwae.backprop.backward

    def count(layers, kept, grad, *rest, **more):
        seen.append(len(grad))
        return backward(layers, kept, grad, *rest, **more)

    monkeypatch.setattr(iwae.backprop, "backward", count)
    found = iwae_gradients(model, x, 50, True, eps)
    assert seen[0] < 0.8 * 2500 and 1 <= found.effective_samples < 25
    assert (gradient(model) - exact).norm() < 50 * iwae.NEGLIGIBLE * exact.norm()
    seen.clear()
    iwae_gradients(model, x, 50, False, eps)
    assert seen[0] == 2500  # to the VAE's objective all are alike


# Training


def test_products_in_bfloat16_have_nearly_the_same_gradient_and_leave_the_weights_in_float32():
    images = data.load("digits")
    x, eps = data.binarize(data.to_unit(images.train[:64])), torch.randn(64, 5, 8)
    model = VAE(784, 8, 64, "tanh")
    iwae_gradients(model, x, 5, True, eps)
    exact = gradient(model).clone()
    low = copy.deepcopy(model).bfloat16()
    found = iwae_gradients(model, x, 5, True, eps, products=low)
    assert found.value.dtype == torch.float32
    assert (gradient(low).float() - exact).norm() < 0.05 * exact.norm()
    method = IWAETraining(model, 5, precision=torch.bfloat16)
    before = copy.deepcopy(model.state_dict())
    method.step(x)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all((p - before[name]).abs().max() > 0 for name, p in model.state_dict().items())
    torch.testing.assert_close(gradient(model), gradient(method._products).float(), rtol=0, atol=0)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("importance", BOTH)
def test_training_ascends_its_bound_and_goes_on_where_it_stopped(precision, importance, tmp_path):
    images = data.load("digits")
    batches = data.Batches(images.train[:400], 50, "binary")

    def method():
        torch.manual_seed(1)
        return IWAETraining(VAE(784, 4, 32, "tanh"), 5, importance, 3e-3, precision)

    whole = method()
    history = fit(whole, batches, 4, progress=False)
    assert history["loss"][-1] < history["loss"][0] - 50
    assert all(1 <= samples <= 5 for samples in history["effective_samples"])
    fit(method(), batches, 2, checkpoint=tmp_path / "run", progress=False)
    again = method()
    fit(again, batches, 4, checkpoint=tmp_path / "run", progress=False)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters()))


def test_other_models_and_precisions_take_autograd_s_way():
    model, x = small(torch.float64), binary(dtype=torch.float64)
    method = IWAETraining(model, 3, lr=1e-2)
    first = method.step(x)["loss"].item()
    for _ in range(60):
        last = method.step(x)["loss"].item()
    assert last < first - 0.5
    sees = AutoregressiveVAE(input_dim=16, latent_dim=2, hidden_dim=8)
    assert math.isfinite(IWAETraining(sees, 3).step(torch.rand(6, 16).round())["loss"].item())
    with pytest.raises(InputError, match="another precision are for a `VAE`"):
        IWAETraining(model, 3, precision=torch.bfloat16).step(x)


def test_the_sum_of_softplus_is_torch_s():
    logits = torch.cat(
        [8 * torch.randn(300, 784), torch.tensor([0.0, -0.0, 90, -90, 1e4, -1e4, 15, -15]).repeat(1, 98)]
    )
    for d in (784, 64, 7, 1):
        found, expected = vae.softplus_sum(logits[:, :d]), F.softplus(logits[:, :d].double()).sum(-1)
        torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=1e-4)
        torch.testing.assert_close(vae.softplus_sum(logits[:, :d].double()), expected)
    zero = torch.zeros(3, 4, requires_grad=True)
    vae.softplus_sum(zero).sum().backward()
    torch.testing.assert_close(zero.grad, torch.full((3, 4), 0.5))


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, None])
def test_samples_are_whole_numbers_from_one(bad):
    for ask in (
        lambda: bound(small(), binary(), bad),
        lambda: iwae_gradients(small(), binary(), bad),
        lambda: IWAETraining(small(), bad),
    ):
        with pytest.raises(InputError, match="num_samples is .*from 1 up"):
            ask()


def test_other_noise_or_images_are_refused():
    with pytest.raises(InputError, match=r"eps has the shape \[6, 3\]; it must be \[B, K, L\] = \[6, 2, 3\]"):
        bound(small(), binary(), 2, eps=torch.randn(6, 3))
    for ask in (bound, iwae_gradients):
        with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
            ask(small(), 2 * binary(), 2)
