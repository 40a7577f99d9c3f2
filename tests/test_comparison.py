"""What the comparison of VAE and GAN measures, against cases whose answer is known."""

import math

import pytest
import torch

from chapter10 import comparison, data, recipes
from chapter10.errors import InputError
from chapter10.vae import VAE


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def grey(digits):
    return comparison.rulers("digits", digits)[0]


def test_the_arc_keeps_the_length_and_turns_evenly():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    for t in (0.0, 0.25, 0.5, 1.0):
        (x, y) = comparison.slerp(a, b, t)[0].tolist()
        assert math.hypot(x, y) == pytest.approx(3 + 2 * t, abs=1e-5)
        assert math.atan2(y, x) == pytest.approx(t * math.pi / 2, abs=1e-5)
    long = torch.randn(2, 50, 100, generator=torch.Generator().manual_seed(0))
    middle = comparison.slerp(*long, 0.5)
    torch.testing.assert_close(middle.norm(dim=1), (long[0].norm(dim=1) + long[1].norm(dim=1)) / 2)
    assert comparison.slerp(a, a, 0.5)[0].tolist() == pytest.approx([3, 0], abs=1e-2)  # no angle at all


def test_even_steps_score_1_and_a_jump_as_many_as_there_are_steps():
    a, b = torch.zeros(5, 3), torch.ones(5, 3)
    assert comparison.evenness(lambda z: 2 * z, a, b) == pytest.approx(1, abs=1e-4)
    assert comparison.evenness(lambda z: (z > 0.52).float(), a, b, points=11) == pytest.approx(10)


def test_a_class_that_is_linear_in_z_can_be_read_and_another_cannot():
    z = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    assert comparison.readable(z, (z[:, 2] > 0).long()) > 0.97
    assert comparison.readable(z, (z[:, 2].abs() > 0.6745).long()) == pytest.approx(0.5, abs=0.05)


def test_inversion_finds_the_z_of_an_image_that_was_drawn():
    source = torch.Generator().manual_seed(1)
    weight, wanted = torch.randn(3, 40, generator=source), torch.randn(4, 3, generator=source)

    def decode(z):
        return (z @ weight).sigmoid()

    z, error = comparison.invert(decode, 3, decode(wanted), restarts=3, steps=400)
    assert z.shape == (3, 4, 3) and error.shape == (3, 4)
    assert error.min(0).values.max() < 0.01
    best = z[error.argmin(0), torch.arange(4)]
    torch.testing.assert_close(best, wanted, rtol=0, atol=0.1)


def test_spread_of_the_bound_is_that_of_the_formula():
    model = VAE(input_dim=4, latent_dim=2, hidden_dim=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # μ = 0, σ = 1, every probability ½
        x = torch.ones(3, 4)
        found = comparison.bound_spread(model, x)
        assert found == {
            "reconstruction_spread": 0, "kl_spread": 0, "kl_drawn_spread": 0, "error_of_mean": 0,
            "elbo": pytest.approx(-4 * math.log(2), rel=1e-6),
        }  # fmt: skip
        model.fc_var.bias.fill_(
            math.log(4)
        )  # σ² = 4: log q − log p is ½(σ² − 1)ε² + constant in each dimension
        model.decoder[0].weight.fill_(0)
        torch.manual_seed(0)
        found = comparison.bound_spread(model, x.repeat(300, 1), draws=200)
    assert found["kl_spread"] == 0
    assert found["kl_drawn_spread"] == pytest.approx(math.sqrt(2 * 0.5 * 3**2), rel=0.02)


def test_a_loss_that_falls_with_the_distance_follows_it():
    distance = [9.0, 7.0, 8.0, 3.0]  # falls twice
    assert comparison.loss_follows_quality([4, 3, 5, 2], distance) == 1
    assert comparison.loss_follows_quality([4, 5, 2, 3], distance) == 0
    assert comparison.loss_follows_quality([4, 3, 2, 3], distance) == 0.5
    assert math.isnan(comparison.loss_follows_quality([2, 1], [1, 2]))


def test_a_failure_has_few_classes_or_a_large_one():
    assert comparison.failed(7, 0.2) and comparison.failed(10, 0.41)
    assert not comparison.failed(8, 0.4)


def test_real_images_score_their_own_floor_and_are_as_sharp_as_real_ones(grey):
    shuffled = grey.real[torch.randperm(len(grey.real), generator=torch.Generator().manual_seed(3))]
    found = comparison.quality(grey, shuffled[: grey.count])
    assert found["distance"] < 1.2 * found["floor"]  # some of them are the very same images
    assert found["precision"] > 0.9 and found["recall"] > 0.9
    assert found["sharpness"] == pytest.approx(found["real_sharpness"], rel=0.03)
    assert grey.sure(shuffled) > 0.98 and grey.distance(shuffled[: grey.count]) < 1.5 * found["floor"]


def test_decoders_give_images_in_unit_range():
    torch.manual_seed(0)
    for model in (recipes.load("vae20-digits"), comparison.Generator()):
        pictures = comparison.decoder_of(model)(5 * torch.randn(20, model.latent_dim))
        assert pictures.shape == (20, 784) and 0 <= pictures.min() and pictures.max() <= 1
        assert not pictures.requires_grad


def test_the_latent_space_of_a_decoder_that_draws_one_image(grey):
    found = comparison.latent_space(grey, lambda z: grey.real[:1].expand(len(z), -1), 3, seed=0)
    assert found["end_sure"] == found["line_sure"] == found["arc_sure"] == found["pixels_sure"]
    assert found["readable"] == found["guess"] == 1
    assert found["line_distance"] == pytest.approx(found["pixels_distance"])


@pytest.mark.parametrize("kind", ["VAE", "GAN"])
def test_a_training_repeats_and_says_what_it_saw(kind, digits, grey):
    state = torch.get_rng_state()
    (one, row), (two, again) = (
        comparison.train(kind, digits, grey, seed=3, lr=1e-3, rounds=2, steps=5) for _ in range(2)
    )
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    assert row["distance"] == again["distance"] and len(row["distance"]) == 2
    assert row["step"] == [5, 10] and row["images_seen"] == 10 * comparison.BATCH
    assert row["failed"] == comparison.failed(row["classes"][-1], row["largest_share"][-1])
    assert not one.training


def test_another_kind_is_refused(digits, grey):
    with pytest.raises(InputError, match="no 'flow' to train"):
        comparison.train("flow", digits, grey, 0, 1e-3, 1, 1)


def test_searches_are_timed_and_only_a_vae_has_an_encoder(grey):
    torch.manual_seed(0)
    vae = comparison.inversion(recipes.load("vae20-digits"), grey.real[:2], seed=0)
    gan = comparison.inversion(comparison.Generator(), grey.real[:2], seed=0)
    for found in (vae, gan):
        assert found["inversion_best"] <= found["inversion_first"] and found["inversion_seconds"] > 0
    assert vae["inversion_best"] < vae["encoder"] < 0.2 < gan["inversion_best"]  # an untrained generator
    assert "encoder" not in gan


def test_all_rates_run_for_the_first_seeds_only(monkeypatch):
    def trained(kind, images, ruler, seed, lr, rounds, steps):
        return kind, {"trained": (kind, round(lr, 7), rounds)}

    monkeypatch.setattr(comparison, "train", trained)
    monkeypatch.setattr(comparison, "measures", lambda model, grey, binary, seed: {"measured": model})
    rows = comparison.vae_or_gan("digits", 0)
    assert [row["model"] for row in rows] == ["noise", *["VAE"] * 3, *["GAN"] * 3]
    half = comparison.ROUNDS // 2
    assert [row["trained"] for row in rows[4:]] == [
        ("GAN", 2e-4, comparison.ROUNDS), ("GAN", 6e-4, half), ("GAN", round(2e-4 / 3, 7), half),
    ]  # fmt: skip
    assert [row.get("measured") for row in rows[1:]] == ["VAE", None, None, "GAN", None, None]
    assert 0.9 < rows[0]["real_sure"] <= 1 and rows[0]["sharpness"] == pytest.approx(2, abs=0.01)
    later = comparison.vae_or_gan("digits", comparison.RATE_SEEDS)
    assert [row["model"] for row in later] == ["noise", "VAE", "GAN"]
