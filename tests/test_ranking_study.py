"""The ranking in equal time: that each family is what its name says, and that ranks and their agreement are right."""

import math
from itertools import permutations

import pytest
import torch

from chapter10 import better_vaes, comparison, data, ranking_study
from chapter10.errors import InputError
from chapter10.gan import Discriminator, Generator
from chapter10.nets import ConvDiscriminator, ConvGenerator
from chapter10.ranking_study import ALL, FAMILIES, Place, agreement, by_chance, places, ranks, spearman
from chapter10.vae import VAE, Autoencoder, VAETraining
from chapter10.vaegan import ConvVAE


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def clock(monkeypatch):
    """A processor clock that goes on by a second at each look."""

    class Clock:
        now = 0.0

        @classmethod
        def process_time(cls):
            cls.now += 1
            return cls.now

    monkeypatch.setattr(better_vaes, "time", Clock)


@pytest.mark.parametrize("kind", ALL)
def test_each_family_draws_and_repeats(kind, digits, clock):
    state = torch.get_rng_state()
    (draw, about), (again, same) = (ranking_study.train(kind, digits, seed=3, seconds=4) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert about == same and about["steps"] > 0 and about["images_seen"] > 0 and about["parameters"] > 0
    first, second, other = (
        make(20, torch.Generator().manual_seed(seed)) for make, seed in ((draw, 0), (again, 0), (draw, 1))
    )
    assert first.shape == (20, 784) and 0 <= first.min() and first.max() <= 1 and not first.requires_grad
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.fixture
def methods(digits, monkeypatch):
    """Each family's method as it is handed to the clock, with batches, rate and warm-up."""
    seen = {}

    def train_for(method, batches, seconds, lr, warmup):
        seen[kind] = (method, batches, lr)
        return {"steps": 0, "images_seen": 0, "seconds": seconds}

    monkeypatch.setattr(better_vaes, "train_for", train_for)
    for kind in ALL:
        if kind != "VQ-VAE, PixelCNN prior":
            ranking_study.train(kind, digits, 0, 5)
    return seen


def test_the_games_differ_in_their_objective_alone(methods):
    games = {kind: methods[kind][0] for kind in ("GAN, non-saturating", "GAN, minimax", "GAN, R1")}
    assert [game.objective.generator for game in games.values()] == [
        "non-saturating",
        "minimax",
        "non-saturating",
    ]
    assert [game.r1 for game in games.values()] == [0, 0, 1]
    games |= {kind: methods[kind][0] for kind in ("WGAN, clipping", "WGAN-GP")}
    assert games["WGAN, clipping"].lipschitz == "clipping" and games["WGAN-GP"].lipschitz == "penalty"
    for kind, game in games.items():
        assert type(game.generator) is Generator
        opponent = game.critic if "WGAN" in kind else game.discriminator
        assert type(opponent) is Discriminator
        steps = game.critic_steps if "WGAN" in kind else game.d_steps
        assert methods[kind][1].batch_size // steps == methods["GAN, non-saturating"][1].batch_size


def test_with_convolutions_the_networks_are_alike_too(methods):
    names = ("GAN, non-saturating", "GAN, minimax", "WGAN, clipping", "WGAN-GP")
    games = [methods[f"{name}, convolutions"][0] for name in names]
    assert {type(game.generator) for game in games} == {ConvGenerator}
    opponents = [getattr(game, "critic", None) or game.discriminator for game in games]
    assert {type(opponent) for opponent in opponents} == {ConvDiscriminator}
    assert [game.objective.generator for game in games[:2]] == ["non-saturating", "minimax"]
    assert [game.lipschitz for game in games[2:]] == ["clipping", "penalty"]
    vae, batches, _ = methods["VAE, convolutions"]
    assert (
        type(vae) is VAETraining and type(vae.model) is ConvVAE and batches.form == "binary" and vae.beta == 1
    )


def test_the_gaussian_models_share_networks_batches_and_rate(methods):
    names = ("autoencoder, fitted Gaussian", "VAE", "β-VAE, β = 4")
    ae, vae, beta = (methods[name][0] for name in names)
    assert type(ae.model) is Autoencoder and type(vae.model) is type(beta.model) is VAE
    assert (vae.beta, beta.beta) == (1, 4)
    assert ae.model.latent_dim == vae.model.latent_dim == beta.model.latent_dim == 20
    assert (
        len({(methods[name][1].batch_size, methods[name][1].form, methods[name][2]) for name in names}) == 1
    )


def test_the_fitted_gaussian_has_the_codes_mean_and_covariance(digits):
    """With a decoder that shows z itself, samples have the moments of the codes."""
    torch.manual_seed(0)
    mix = torch.randn(784, 3) / 100

    class Linear(Autoencoder):
        def encode(self, x):
            return x @ mix + 1

        def decode(self, z):
            return torch.nn.functional.pad(z, (0, 781))

    draw = ranking_study._from_codes(Linear(latent_dim=3), digits)
    codes = data.to_unit(digits.train) @ mix + 1
    z = draw(20_000, torch.Generator().manual_seed(0))[:, :3].logit()
    assert torch.allclose(z.mean(0), codes.mean(0), atol=0.02)
    assert torch.allclose(z.T.cov(), codes.T.cov(), rtol=0.1, atol=0.01 * codes.var(0).max())


def test_unknown_family(digits):
    with pytest.raises(InputError, match="There is no 'GAM' to train"):
        ranking_study.train("GAM", digits, 0)


def test_real_images_score_their_floor(digits):
    ruler = comparison.ruler_for("digits", digits)

    def draw(n, source):
        return ruler.real[torch.randperm(len(ruler.real), generator=source)[:n]]

    found = ranking_study.measures(draw, ruler, seed=0)
    assert found["distance"] < 1.2 * found["floor"] and found["classes"] == 10
    assert found["samples"] and "samples" not in ranking_study.measures(draw, ruler, seed=1)


def test_ranks_share_places():
    assert ranks([3.0, 1.0, 2.0]) == [3, 1, 2]
    assert ranks([5, 5, 1, 5]) == [3, 3, 1, 3]


def test_spearman_against_the_formula_of_the_differences():
    for other in permutations([10, 20, 30, 40, 50]):
        ours = [1, 2, 3, 4, 5]
        apart = sum((a - b) ** 2 for a, b in zip(ours, ranks(other)))
        assert spearman(ours, other) == pytest.approx(1 - 6 * apart / (5 * 24))
    # with ties: Pearson's of the ranks [1, 2.5, 2.5, 4] and [1, 2, 3, 4]
    assert spearman([0, 7, 7, 9], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert math.isnan(spearman([1, 1], [1, 2]))
    with pytest.raises(InputError, match="as many of one as of the other"):
        spearman([1, 2], [1, 2, 3])


def test_what_chance_gives():
    # the same order, and the reverse
    assert (
        by_chance([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
        == by_chance([1, 2, 3], [1, 2, 3]) / 20
        == pytest.approx(2 / 120)
    )
    assert by_chance([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == pytest.approx(2 / 120)
    # four orders of five differ from the perfect one by one swap of neighbours: ρ = 0.9
    assert by_chance([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]) == pytest.approx(10 / 120)
    with pytest.raises(InputError, match="up to 8"):
        by_chance(range(9), range(9))


def rows_of(distances):
    """Rows as `ranking` gives them, of {model: one distance a seed}."""
    return [
        {"model": model, "seed": seed, "distance": distance, "floor": 1.5, "count": 5000, "judge": "a judge"}
        for model, values in distances.items()
        for seed, distance in enumerate(values)
    ]


def test_places_go_by_the_median_over_seeds():
    rows = rows_of({"VAE": [3, 3, 9], "GAN, minimax": [4, 4, 4], "WGAN-GP": [2, 2, 50]})
    noise = {"model": "noise", "seed": 0, "distance": 900}
    assert places([noise, *rows]) == [
        Place("WGAN-GP", (2, 2, 50), 2, 1, (1, 1, 3)),
        Place("VAE", (3, 3, 9), 3, 2, (2, 2, 2)),
        Place("GAN, minimax", (4, 4, 4), 4, 3, (1, 3, 3)),
    ]
    with pytest.raises(InputError, match="not the same models for each seed"):
        places(rows[:-1])


def test_the_published_order_is_agreed_with_or_not():
    published = ["WGAN, clipping", "GAN, non-saturating", "GAN, minimax", "WGAN-GP", "VAE"]
    assert [FAMILIES[kind].published for kind in published] == ["WGAN", "NS GAN", "MM GAN", "WGAN GP", "VAE"]
    others = {"DCGAN, small": [0.1], "GAN, R1": [0.2]}  # not among theirs
    same = agreement(rows_of({kind: [float(i)] for i, kind in enumerate(published)} | others))
    assert (same.correlation, same.theirs) == (
        pytest.approx(1),
        (1, 2, 3, 4, 5),
    ) and same.by_chance == 2 / 120
    turned = agreement(rows_of({kind: [9.0 - i] for i, kind in enumerate(published)} | others))
    assert turned.correlation == pytest.approx(-1) and turned.theirs == (5, 4, 3, 2, 1)
    assert "Spearman -1.00" in ranking_study.table(
        rows_of({kind: [9.0 - i] for i, kind in enumerate(published)})
    )
