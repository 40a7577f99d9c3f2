"""What β is measured by, on models whose answer is known."""

import math

import pytest
import torch
from torch import nn

from chapter10 import beta_vae, data, metrics, recipes, shapes
from chapter10.comparison import Ruler
from chapter10.errors import InputError
from chapter10.vae import VAE


@pytest.fixture(scope="module")
def digits():
    return beta_vae.Subject.of("digits")


@pytest.fixture(scope="module")
def whole():
    return shapes.load()


class Told(VAE):
    """A stand-in whose codes are looked up: the factors of each image of the grid, with little noise."""

    def __init__(self, codes, log_var=-1e4):
        super().__init__(latent_dim=codes.shape[1], hidden_dim=4)
        self.codes, self.log_var, self.seen = codes, log_var, 0

    def encode(self, x):
        mu = self.codes[self.seen : self.seen + len(x)]
        self.seen += len(x)
        return mu, torch.full_like(mu, self.log_var)


def test_a_model_whose_codes_are_the_factors_has_gap_1(whole):
    found = beta_vae.disentanglement(Told(whole.factors.float()), whole)
    assert found.value == pytest.approx(1, abs=1e-6)


def test_the_gap_is_that_of_draws_not_of_means(whole):
    """The means tell each factor; the noise drowns them, as in a dimension that the model has given up."""
    codes = whole.factors.float() / 1000
    assert metrics.mutual_information_gap(codes, whole.factors).value == pytest.approx(1)
    assert beta_vae.disentanglement(Told(codes, log_var=0.0), whole).value < 0.01


def test_draws_have_the_posterior_s_mean_and_spread():
    codes = torch.arange(3000.0).view(-1, 3) % 7
    told = Told(codes, math.log(4))
    state = torch.get_rng_state()
    z = beta_vae.draws_of(told, torch.zeros(1000, 784), seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert (z - codes).mean().item() == pytest.approx(0, abs=0.15)
    assert (z - codes).std().item() == pytest.approx(2, rel=0.05)
    assert torch.equal(z, beta_vae.draws_of(Told(codes, math.log(4)), torch.zeros(1000, 784), seed=1))


def indifferent(logit=0.0):
    """A VAE whose posterior is the prior, and whose decoder gives the same logit whatever z."""
    model = VAE(latent_dim=3, hidden_dim=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.decoder[-1].bias.fill_(logit)
    return model.eval()


def test_a_model_that_ignores_the_image(digits):
    found = beta_vae.measures(indifferent(), digits, seed=0)
    fair = -784 * math.log(2)
    assert found["kl"] == found["active_units"] == found["sharpness"] == found["rebuilt_sharpness"] == 0
    for name in ("reconstruction", "elbo", "likelihood"):
        assert found[name] == pytest.approx(fair, rel=1e-5)
    assert found["error"] == pytest.approx(
        (digits.grey - 0.5).square().mean(1).sqrt().mean().item(), rel=1e-5
    )
    assert found["distance"] == pytest.approx(found["codes_distance"]) and found["distance"] > 100


class Copy(nn.Module):
    """Encodes and decodes a set of images without loss, by their place; draws of the prior are the first image."""

    latent_dim = 784

    def encode(self, x):
        return x, torch.full_like(x, -30.0)

    def reparameterize(self, mu, log_var):
        return mu

    def decode(self, z):
        return 40 * (z - 0.5)


def test_codes_and_samples_are_told_apart(digits, monkeypatch):
    """A model that copies: what it decodes from codes is real, what it draws from N(0, I) is noise."""
    monkeypatch.setattr(beta_vae, "decoder_of", lambda model: lambda z: model.decode(z).sigmoid())
    monkeypatch.setattr(metrics, "iwae_bound", lambda model, x, k: torch.zeros(len(x)))
    monkeypatch.setattr(metrics, "mean_elbo", lambda model, x: metrics.MeanELBO(0.0, 0.0, 0.0))
    copied = beta_vae.Subject(
        digits.images, digits.binary, digits.binary, Ruler.of(digits.ruler.judge, digits.binary)
    )
    found = beta_vae.measures(Copy(), copied, seed=0)
    assert found["error"] < 1e-6
    assert found["rebuilt_sharpness"] == pytest.approx(metrics.sharpness(digits.binary).mean, rel=1e-4)
    assert found["sharpness"] == pytest.approx(2, abs=0.05)  # white noise
    assert found["codes_distance"] < found["distance"] / 10


def test_shapes_are_held_against_all_there_are():
    images = shapes.split()
    small = data.Images(
        "shapes", images.train[:300], images.train_labels[:300], images.test[:50], images.test_labels[:50], ""
    )
    grey = data.to_unit(small.test)
    found = beta_vae.measures(indifferent(-40.0), beta_vae.Subject(small, grey, grey.round(), None), seed=0)
    least = data.to_unit(torch.cat([small.train, small.test])).norm(dim=1).min().item()  # from a blank image
    assert found["nearest"] == found["codes_nearest"] == pytest.approx(least, rel=1e-4)
    assert "distance" not in found


def test_real_digits_have_their_sharpness_and_a_floor(digits):
    found = beta_vae.real_scores(digits)
    assert found["real_sharpness"] == pytest.approx(metrics.sharpness(digits.grey).mean)
    assert found["count"] == 180 and 0 < found["floor"] < 200
    assert found == beta_vae.real_scores(digits)


def test_a_row_for_each_beta_and_the_stored_models_are_among_them(monkeypatch):
    made = []

    def make(recipe, images, scale, seed, progress):
        model = recipe.build()
        made.append((recipe.name, recipe.method(model).beta, scale, seed))
        return model, [None] * 7

    monkeypatch.setattr(recipes, "make", make)
    rows = beta_vae.beta("digits", 3)
    assert made == [(f"beta{beta:g}-digits", beta, "quick", 3) for beta in beta_vae.BETAS]
    assert [row["beta"] for row in rows] == list(beta_vae.BETAS)
    assert all(row["seed"] == 3 and row["epochs"] == 7 and row["floor"] > 0 for row in rows)
    assert all(set(betas) <= set(beta_vae.BETAS) for betas in recipes.BETAS.values())


def test_shapes_come_with_the_gap(monkeypatch):
    monkeypatch.setattr(beta_vae, "BETAS", (1,))
    monkeypatch.setattr(beta_vae, "measures", lambda model, subject, seed: {})
    monkeypatch.setattr(recipes, "make", lambda recipe, *_, **__: (recipe.build(), [None]))
    (row,) = beta_vae.beta("shapes", 0)
    assert 0 <= row["mig"] < 0.3 and list(row["gaps"]) == list(shapes.FACTORS)
    assert row["mig"] == pytest.approx(sum(row["gaps"].values()) / 5)


def test_a_short_training_with_a_large_beta_has_less_kl():
    images = data.load("digits")
    kl = {}
    for beta in (0.25, 16):
        model, history = recipes.make(recipes.beta_recipe(beta, "digits"), images, "smoke", 0, progress=False)
        kl[beta] = history["kl"][-1]
        assert model.latent_dim == recipes.BETA_LATENT
    assert kl[16] < kl[0.25] / 2


def test_other_images_are_refused():
    with pytest.raises(
        InputError, match="no images 'cifar' to measure β on. Choose one of: mnist, digits, shapes"
    ):
        beta_vae.Subject.of("cifar")
    with pytest.raises(InputError, match="no images 'cifar' to train with β"):
        recipes.beta_recipe(1, "cifar")
