"""What the stored experiments measure, against cases whose answer is known."""

import math

import pytest
import torch

from chapter10 import data, experiments, metrics


def test_variety_counts_classes_and_weighs_them():
    assert metrics.variety(torch.arange(10).repeat(7)) == pytest.approx(10)
    assert metrics.variety(torch.full((9,), 3)) == pytest.approx(1)
    share = torch.tensor([0] * 75 + [1] * 25)  # entropy of (3/4, 1/4)
    assert metrics.variety(share) == pytest.approx(math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)))


def test_coverage_of_the_prior_itself_is_95_per_cent_at_distance_1():
    torch.manual_seed(0)
    for latent_dim in (2, 20):
        found = experiments.latent_coverage(torch.randn(4000, latent_dim), seed=1)
        assert found["inside"] == pytest.approx(0.95, abs=0.02)
        assert found["distance"] == pytest.approx(1, abs=0.15)


def test_coverage_sees_codes_in_another_shell():
    torch.manual_seed(0)
    found = experiments.latent_coverage(3 * torch.randn(4000, 20), seed=1)
    assert found["inside"] < 0.01
    assert found["distance"] < 0.9  # N(0, I) lies in the middle of codes that are far from one another
    moved = experiments.latent_coverage(torch.randn(4000, 20) + 3, seed=1)
    assert moved["distance"] > 2


def test_rates_of_a_decoder_that_draws_one_real_image():
    images = data.load("digits")
    seven = data.to_unit(images.test[images.test_labels == 7][:1])

    class Same:
        def decode(self, z):
            return torch.logit(seven, eps=1e-4).expand(len(z), -1)

    from chapter10 import recipes

    found = experiments.latent_rates(Same(), recipes.load("classifier-digits"), torch.randn(50, 2), 64, seed=0)
    assert found["prior"] == found["between"] == 1
    assert found["prior_variety"] == pytest.approx(1)


def test_the_four_kinds_of_points_are_what_they_are_called():
    torch.manual_seed(0)
    codes = torch.randn(3000, 2) @ torch.tensor([[2.0, 1.5], [0.0, 0.5]]) + torch.tensor([5.0, -3.0])
    seen = []

    class Recorder:
        def decode(self, z):
            seen.append(z)
            return torch.zeros(len(z), 784)

    experiments.latent_rates(Recorder(), torch.nn.Linear(784, 10), codes, 20_000, seed=0)
    prior, fitted, between, own = seen
    of_codes = codes.mean(0), codes.T.cov()
    for z, mean, covariance in (
        (prior, torch.zeros(2), torch.eye(2)),
        (fitted, *of_codes),
        (between, of_codes[0], of_codes[1] / 2),  # of two that are drawn independently
        (own, *of_codes),
    ):
        torch.testing.assert_close(z.mean(0), mean, rtol=0, atol=0.08)
        torch.testing.assert_close(z.T.cov(), covariance, rtol=0.05, atol=0.05)
    assert set(map(tuple, own.tolist())) <= set(map(tuple, codes.tolist()))


def test_a_pair_has_the_same_networks_and_repeats():
    images = data.load("digits")
    state = torch.get_rng_state()
    one, two = (experiments.train_pair(images, 2, seed=3, epochs=1, limit=128) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())  # the caller's random numbers are left alone
    assert [p.shape for p in one["autoencoder"].decoder.parameters()] == [p.shape for p in one["VAE"].decoder.parameters()]
    for name in ("autoencoder", "VAE"):
        assert all(torch.equal(a, b) for a, b in zip(one[name].state_dict().values(), two[name].state_dict().values()))
