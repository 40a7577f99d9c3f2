"""chapter10.metrics against models whose evidence is known: by quadrature, or because z does not matter."""

import math

import pytest
import torch

from chapter10.errors import InputError
from chapter10.exact import evidence_by_quadrature
from chapter10.metrics import accuracy, active_units, confidence, iwae_bound, likelihood, mean_elbo, variety
from chapter10.vae import VAE, bernoulli_log_likelihood, elbo


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def binary(batch=4, dim=16):
    return torch.rand(batch, dim).lt(0.5).float()


def model(spread=1.5, dim=16):
    """Untrained, with weights large enough that z matters and q is not the posterior."""
    made = VAE(dim, 2, hidden_dim=8)
    with torch.no_grad():
        for parameter in made.decoder.parameters():
            parameter.mul_(spread)
    return made.requires_grad_(False)


def indifferent(prior=True):
    """A decoder that is the same for all z; with q(z|x) = p(z), or another q."""
    made = model()
    made.decoder[-1].weight.zero_()
    if prior:
        for layer in (made.fc_mu, made.fc_var):
            layer.weight.zero_()
            layer.bias.zero_()
    return made


def evidence_without_z(made, x):
    return bernoulli_log_likelihood(made.decoder[-1].bias.expand_as(x), x)


def rows(x, times):
    return x.repeat_interleave(times, 0)


# The importance-weighted bound


def test_one_sample_gives_the_elbo_on_average():
    """With one sample the bound is log p(x|z) + log p(z)/q(z|x), whose mean has the KL in closed form."""
    made, x, times = model(), binary(), 20_000
    bounds = iwae_bound(made, rows(x, times), 1).view(4, times)
    elbos = elbo(made, rows(x, times)).value.view(4, times)
    error = ((bounds.var(1) + elbos.var(1)) / times).sqrt()
    assert ((bounds.mean(1) - elbos.mean(1)).abs() < 4 * error).all() and error.max() < 0.03


@pytest.mark.parametrize("samples", [1, 2, 10, 1000])
def test_equal_weights_give_the_evidence_for_every_k(samples):
    """Where z does not matter and q is the prior, every weight is p(x): a mean, not a sum."""
    made, x = indifferent(), binary()
    torch.testing.assert_close(iwae_bound(made, x, samples), evidence_without_z(made, x), rtol=0, atol=2e-5)


def test_another_q_gives_the_evidence_in_the_limit():
    made, x = indifferent(prior=False), binary()
    torch.testing.assert_close(iwae_bound(made, x, 20_000), evidence_without_z(made, x), rtol=0, atol=0.03)
    assert not torch.allclose(iwae_bound(made, x, 1), evidence_without_z(made, x), atol=0.03)


def test_the_bound_reaches_the_evidence():
    made, x = model(), binary(6)
    exact = evidence_by_quadrature(made.decode, x)
    assert exact.error.max() < 1e-3
    found = iwae_bound(made, x, 5000).double()
    torch.testing.assert_close(found, exact.log_evidence, rtol=0, atol=0.05)


def test_the_bound_rises_with_the_samples():
    made, x, times = model(), binary(1), 2000
    log_evidence = evidence_by_quadrature(made.decode, x).log_evidence.item()
    before, error = elbo(made, rows(x, times)).value.mean().item() - 1e-9, 0.0
    means = []
    for samples in (1, 10, 100):
        bounds = iwae_bound(made, rows(x, times), samples)
        means.append(bounds.mean().item())
        error = 4 * bounds.std().item() / math.sqrt(times)
        assert means[-1] < log_evidence + error
    assert before - 0.2 < means[0] < means[1] < means[2] and means[2] - means[0] > 0.1
    assert log_evidence - means[2] < 0.2 * (log_evidence - means[0])


def test_the_bound_is_written_out_from_the_same_noise():
    """The formula of Burda et al., equation 8, term by term with torch.distributions."""
    made, x = model(), binary()
    torch.manual_seed(5)
    found = iwae_bound(made, x, 7)
    torch.manual_seed(5)
    mu, log_var = made.encode(x)
    q = torch.distributions.Normal(mu.unsqueeze(1), (log_var / 2).exp().unsqueeze(1))
    z = q.loc + q.scale * torch.randn(4, 7, 2)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    likelihood = torch.distributions.Bernoulli(logits=made.decode(z)).log_prob(x.unsqueeze(1)).sum(-1)
    weights = likelihood + prior - q.log_prob(z).sum(-1)
    torch.testing.assert_close(found, weights.double().exp().mean(1).log().float(), rtol=0, atol=1e-4)


def test_bounds_far_below_zero_do_not_underflow():
    made = indifferent()
    made.decoder[-1].bias.fill_(80.0)
    found = iwae_bound(made, torch.zeros(2, 16), 50)
    torch.testing.assert_close(found, torch.full((2,), -80.0 * 16))


# Bounded memory


class Counting:
    """Notes how many codes are decoded at a time."""

    def __init__(self, inner):
        self.inner, self.rows = inner, []

    def encode(self, x):
        return self.inner.encode(x)

    def decode(self, z):
        self.rows.append(len(z))
        return self.inner.decode(z)


@pytest.mark.parametrize("limit", [1.0, 16 * 4 * 100, 16 * 4 * 1000])
def test_chunks_are_bounded_and_cover_everything(monkeypatch, limit):
    monkeypatch.setattr(likelihood, "CHUNK_BYTES", limit)
    counting = Counting(model())
    assert iwae_bound(counting, binary(13), 37).shape == (13,)
    assert sum(counting.rows) == 13 * 37
    assert max(counting.rows) <= max(1, limit / (16 * 4))


def test_chunks_of_samples_do_not_change_the_result(monkeypatch):
    """One image, the same noise cut in pieces of 1, 7 and 100 samples."""
    made, x, noise = model(), binary(1), torch.randn(100, 2)
    found = []
    for samples in (1, 7, 100):
        rest = noise

        def randn(batch, k, dim, **kind):
            nonlocal rest
            drawn, rest = rest[:k], rest[k:]
            return drawn.view(batch, k, dim)

        with monkeypatch.context() as patch:
            patch.setattr(likelihood, "CHUNK_BYTES", 16 * 4 * samples)
            patch.setattr(torch, "randn", randn)  # torch's own gives other numbers in pieces than at once
            found.append(iwae_bound(made, x, 100).item())
        assert len(rest) == 0
    assert found == pytest.approx(found[:1] * 3, abs=1e-5)


def test_chunks_of_images_keep_their_order(monkeypatch):
    made, x = indifferent(), binary(9)
    monkeypatch.setattr(likelihood, "CHUNK_BYTES", 16 * 4 * 4)
    torch.testing.assert_close(iwae_bound(made, x, 3), evidence_without_z(made, x), rtol=0, atol=2e-5)


def test_the_bound_needs_no_gradients():
    made = model().requires_grad_(True)
    assert not iwae_bound(made, binary(), 3).requires_grad and all(p.grad is None for p in made.parameters())


@pytest.mark.parametrize("samples", [0, -1, 1.5, "10", None])
def test_samples_are_whole_numbers_from_one(samples):
    with pytest.raises(InputError, match="num_samples is .*whole number of samples from 1"):
        iwae_bound(model(), binary(), samples)


def test_other_images_are_refused():
    for bad in (torch.full((2, 16), 1.01), torch.full((2, 16), -0.01), torch.full((2, 16), math.nan)):
        with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
            iwae_bound(model(), bad, 3)
    with pytest.raises(InputError, match="floats"):
        iwae_bound(model(), torch.ones(2, 16, dtype=torch.uint8), 3)
    with pytest.raises(InputError, match=r"flattened images \[B, D\], found \[2, 4, 4\]"):
        iwae_bound(model(), torch.rand(2, 4, 4), 3)
    with pytest.raises(InputError, match=r"\[B, 16\]"):
        iwae_bound(model(), torch.rand(2, 9), 3)


# The other measures


def test_the_mean_elbo_is_the_mean_of_the_elbo():
    made, x = model(), binary(50)
    torch.manual_seed(2)
    found = mean_elbo(made, x)
    torch.manual_seed(2)
    bound = elbo(made, x)
    assert found == pytest.approx([part.mean().item() for part in bound], abs=1e-5)
    assert found.value == pytest.approx(found.reconstruction - found.kl, abs=1e-5)
    assert found._fields == bound._fields and all(type(part) is float for part in found)


def test_the_mean_elbo_counts_images_not_chunks():
    """4,001 images are chunks of 2,000, 2,000 and 1: the last weighs as one image."""
    made, x = indifferent(), torch.cat([torch.zeros(4000, 16), torch.ones(1, 16)])
    assert mean_elbo(made, x).value == pytest.approx(evidence_without_z(made, x).double().mean().item(), abs=1e-5)


def test_active_units_have_a_variance_above_the_threshold():
    base = torch.tensor([-1.0, 1.0, -1.0, 1.0, 0.0], dtype=torch.float64)  # its variance, with N − 1, is 1
    mu = base.unsqueeze(1) * torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)  # 0, 1/16, 1/4, 1
    assert active_units(mu + 3) == 3
    for threshold, count in [(0.0625, 2), (0.0624, 3), (0.25, 1), (1.0, 0), (0.99, 1)]:  # at the edge: not active
        assert active_units(mu, threshold) == count
    assert active_units(torch.tensor([[0.0], [0.15]])) == 1 and active_units(torch.tensor([[0.0], [0.14]])) == 0


@pytest.mark.parametrize("shape", [(5,), (1, 5), (0, 5), (2, 3, 4)])
def test_active_units_need_two_images(shape):
    with pytest.raises(InputError, match=r"two images or more, \[N, L\]; found"):
        active_units(torch.zeros(shape))


class ByFirstPixels(torch.nn.Module):
    """Class probabilities in proportion to the first three pixels; half of them dropped while training."""

    def __init__(self):
        super().__init__()
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(x)[:, :3].log()


def test_confidence_is_the_highest_probability():
    x = torch.tensor([[0.6, 0.3, 0.1, 1.0], [0.1, 0.1, 0.8, 0.0], [0.25, 0.5, 0.25, 0.5]])
    found = confidence(ByFirstPixels().train(), x)  # the dropout must not act
    torch.testing.assert_close(found.probability, torch.tensor([0.6, 0.8, 0.5]))
    assert found.label.tolist() == [0, 2, 1]
    assert accuracy(ByFirstPixels(), x, torch.tensor([0, 2, 1])) == 1
    assert accuracy(ByFirstPixels(), x, torch.tensor([0, 1, 0])) == pytest.approx(1 / 3)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        confidence(ByFirstPixels(), 2 * x)


def test_variety_is_the_number_of_classes_in_effect():
    assert variety(torch.arange(10).repeat(3)) == pytest.approx(10)
    assert variety(torch.tensor([4, 4, 4])) == pytest.approx(1)
    assert variety(torch.tensor([0, 0, 1, 1])) == pytest.approx(2)
    assert variety(torch.tensor([0, 0, 0, 1])) == pytest.approx(4 / 3**0.75)
