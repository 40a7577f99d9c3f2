"""The measurement of what a critic's number is worth."""

import pytest
import torch
from torch import nn

from chapter10 import critic_study, data, exact, recipes
from chapter10.comparison import Ruler
from chapter10.errors import InputError


def test_the_pairs_are_as_far_apart_as_they_are_called():
    for name, (real, fake) in critic_study.pairs(0).items():
        if name.startswith("shift"):
            # two samples of 400 miss the distributions' distance by a twentieth or so
            assert exact.wasserstein_1d(real, fake).item() == pytest.approx(float(name.split()[1]), abs=0.25)
        else:
            assert real.std() / fake.std() == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("lipschitz, reached", [("penalty", 0.1), ("clipping", 0.7), ("spectral", 0.02)])
def test_a_trained_critic_comes_as_close_to_the_best_of_its_kind_as_it_is_known_to_and_not_beyond(lipschitz, reached):
    real, fake = critic_study.pairs(0)["shift 2"]
    critic, estimates = critic_study.train_critic(lipschitz, real, fake, 0, 300)
    best = critic_study.best(lipschitz, real, fake)
    beyond = 1.05 if lipschitz == "penalty" else 1.001  # the penalty's places are drawn by chance
    assert (1 - reached) * best < sum(estimates[-50:]) / 50 < beyond * best
    assert not critic.training


def test_training_a_critic_repeats_and_leaves_the_random_numbers_alone():
    real, fake = critic_study.pairs(0)["twice as wide"]
    state = torch.get_rng_state()
    one, two = (critic_study.train_critic("penalty", real, fake, 1, 3)[1] for _ in range(2))
    assert one == two and len(one) == 3 and torch.equal(state, torch.get_rng_state())


def test_rank_correlation_of_known_orders():
    assert critic_study.rank_correlation([1, 2, 3, 4], [10, 20, 30, 400]) == pytest.approx(1)
    assert critic_study.rank_correlation([1, 2, 3, 4], [9, 7, 5, -1]) == pytest.approx(-1)
    assert critic_study.rank_correlation([1.0, 2, 3, 4, 5], [2.0, 1, 4, 3, 5]) == pytest.approx(
        1 - 6 * 4 / 120
    )
    with pytest.raises(InputError, match="two lists of one length from 3 up, found 2 and 2"):
        critic_study.rank_correlation([1, 2], [1, 2])


def test_the_histogram_counts_weights_and_those_at_the_bound():
    critic = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        critic[0].weight.copy_(torch.tensor([[0.1, -0.1], [0.0, 0.05]]))
        critic[2].weight.copy_(torch.tensor([[0.1, -0.02]]))
    shares, at_bound = critic_study.weight_histogram(critic, 0.1)
    assert at_bound == pytest.approx(3 / 6) and sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares[0] == pytest.approx(1 / 6, abs=1e-3) and shares[-1] == pytest.approx(2 / 6, abs=1e-3)


@pytest.mark.parametrize("name", critic_study.METHODS)
def test_a_row_holds_losses_and_distances_of_each_round_and_their_correlations(name):
    images = data.load("digits")
    ruler = Ruler.of(recipes.judge("classifier-digits"), data.to_unit(images.test))
    method, row = critic_study.train(images, ruler, name, 0, rounds=3, steps=1)
    parts = ("d_loss", "g_loss") if name == "GAN" else ("estimate", "g_loss")
    assert len(row["distance"]) == 3 and all(len(row[part]) == 3 for part in parts)
    for part in parts:
        assert row[f"{part}_correlation"] == pytest.approx(
            critic_study.rank_correlation(row[part], row["distance"])
        )
    assert ("histogram" in row) == (name == "WGAN, clipping")
    assert not any("BatchNorm" in type(m).__name__ for m in method._opponent.modules())


def test_a_game_that_there_isn_t_is_named():
    with pytest.raises(InputError, match="no game 'R1'.*GAN, WGAN, clipping, WGAN-GP"):
        critic_study.new_game("R1")
