"""chapter10.exact.critics against closed forms, against a search over many critics, and against trained ones."""

import math

import pytest
import torch

from chapter10 import exact
from chapter10.errors import InputError


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pair(n=60, m=40):
    return torch.randn(n).double() * 0.7 + 0.5, torch.randn(m).double()


def found(critic, a, b):
    return (critic(a).mean() - critic(b).mean()).item()


def test_the_best_critic_finds_the_distance_with_slope_1_at_most():
    a, b = pair()
    best = exact.best_critic(a, b)
    assert best.estimate.item() == pytest.approx(exact.wasserstein_1d(a, b).item())
    assert found(best, a, b) == pytest.approx(best.estimate.item())
    assert set(best.slopes.abs().tolist()) <= {0.0, 1.0}
    x = torch.linspace(-5, 5, 1001).double()
    assert (best(x).diff().abs() <= x.diff() + 1e-9).all()


def test_no_critic_of_slope_1_finds_more():
    a, b = pair()
    most = exact.best_critic(a, b).estimate
    for _ in range(50):
        knots = torch.linspace(-4, 4, 30).double()
        other = exact.critics.Steps(most, knots, torch.rand(29).double() * 2 - 1)
        assert found(other, a, b) < most


@pytest.mark.parametrize("distance", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_the_penalty_s_critic_of_two_points_is_steeper_than_1_by_what_the_penalty_s_weight_says(
    distance, penalty
):
    """All of the penalty's places lie evenly on the way: m = 1/d, so the slope is 1 + d/(2λ)."""
    a, b = torch.tensor([distance]), torch.zeros(1)
    critic = exact.penalty_critic(a, b, penalty)
    assert critic.slopes.tolist() == pytest.approx([1 + distance / (2 * penalty)])
    assert critic.estimate.item() == pytest.approx(distance * (1 + distance / (2 * penalty)))


def test_the_penalty_s_critic_is_the_best_at_what_it_maximises():
    a, b = pair()
    penalty = 2.0
    best = exact.penalty_critic(a, b, penalty)
    assert found(best, a, b) == pytest.approx(best.estimate.item())
    assert best.estimate > exact.wasserstein_1d(a, b)

    places = (torch.rand(4000, 60, 40).double() * (a[:, None] - b) + b).flatten()  # its places, by chance
    piece = torch.searchsorted(best.knots, places).sub(1).clamp(0, len(best.slopes) - 1)
    share = piece.bincount(minlength=len(best.slopes)).double() / len(piece)
    expected = exact.critics._between(a, b, best.knots) * best.knots.diff()
    assert expected.sum().item() == pytest.approx(1)
    torch.testing.assert_close(share, expected, atol=3e-4, rtol=0)

    def aim(slopes):
        f = best._replace(slopes=slopes)
        return found(f, a, b) - penalty * (expected * (slopes.abs() - 1).square()).sum().item()

    most = aim(best.slopes)
    for _ in range(100):
        assert aim(best.slopes + 0.05 * torch.randn(len(best.slopes)).double()) < most


def test_a_strong_penalty_leaves_the_distance():
    a, b = pair()
    assert exact.penalty_critic(a, b, 1e6).estimate.item() == pytest.approx(
        exact.wasserstein_1d(a, b).item(), rel=1e-5
    )


def test_no_clipped_critic_finds_more_than_the_best():
    a, b = pair()
    for clip, hidden in ((0.3, 5), (2.0, 3)):
        best = exact.clipped_critic(a, b, clip, hidden)
        assert found(best, a, b) == pytest.approx(best.estimate.item())
        assert max(abs(best.weight), abs(best.bias)) <= clip and abs(best.factor) == pytest.approx(
            hidden * clip
        )
        v, w, bias = (torch.rand(3, 3000, hidden).double() * 2 - 1) * clip

        def scores(x, v=v, w=w, bias=bias):
            return (v * (w * x[:, None, None] + bias).relu()).sum(2).mean(0)

        assert (scores(a) - scores(b)).max() < best.estimate
        edge = torch.linspace(-clip, clip, 801, dtype=torch.float64)
        sides = [(edge, torch.full_like(edge, c)) for c in (clip, -clip)]
        sides = sides + [(q, p) for p, q in sides]
        many = max(exact.critics._seen(a, b, w, b_).abs().max().item() for w, b_ in sides)
        assert many * hidden * clip == pytest.approx(best.estimate.item(), rel=2e-3)
        assert many * hidden * clip <= best.estimate.item() * (1 + 1e-9)


@pytest.mark.parametrize("clip, hidden", [(0.1, 64), (0.5, 4)])
def test_a_clipped_critic_s_factor_is_reached_where_one_side_lies_within_its_kinks(clip, hidden):
    a, b = torch.rand(30).double() + 0.1, -torch.rand(20).double() * 0.1
    best = exact.clipped_critic(a * 0.5, b, clip, hidden)
    assert best.steepest == pytest.approx(hidden * clip**2)
    assert best.estimate.item() == pytest.approx(best.steepest * exact.wasserstein_1d(a * 0.5, b).item())
    spread = exact.clipped_critic(*pair(), clip, hidden)
    assert spread.estimate < best.steepest * exact.wasserstein_1d(*pair())


def test_a_spectral_critic_finds_all_of_a_shift_and_half_of_a_spread():
    x = torch.randn(500).double()
    shifted = exact.spectral_critic(x + 3, x)
    assert shifted.estimate.item() == pytest.approx(3) and shifted.steepest == 1
    x = torch.cat([x, -x])
    spread = exact.spectral_critic(2 * x, x)  # half of the difference is on either side, and a unit sees one
    assert spread.estimate.item() == pytest.approx(exact.wasserstein_1d(2 * x, x).item() / 2)


def test_no_spectral_critic_finds_more_than_the_best():
    a, b = pair()
    best = exact.spectral_critic(a, b)
    assert found(best, a, b) == pytest.approx(best.estimate.item())
    v, w = torch.nn.functional.normalize(torch.randn(2, 3000, 4).double(), dim=2)
    bias = 3 * torch.randn(3000, 4).double()

    def scores(x):
        return (v * (w * x[:, None, None] + bias).relu()).sum(2).mean(0)

    assert (scores(a) - scores(b)).max() < best.estimate < exact.wasserstein_1d(a, b)


@pytest.mark.parametrize("critic", ["best_critic", "penalty_critic", "spectral_critic"])
def test_which_of_both_is_real_does_not_matter_to_the_distance(critic):
    a, b = pair()
    one, other = getattr(exact, critic)(a, b), getattr(exact, critic)(b, a)
    assert one.estimate.item() == pytest.approx(other.estimate.item())


def test_what_has_no_answer_is_refused():
    a, b = pair()
    for clip in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="give a bound for the weights above 0"):
            exact.clipped_critic(a, b, clip)
    with pytest.raises(InputError, match="hidden_dim is 0"):
        exact.clipped_critic(a, b, 0.1, 0)
    with pytest.raises(InputError, match="penalty is 0"):
        exact.penalty_critic(a, b, 0)
    with pytest.raises(InputError, match="too many pairs; give 2,000"):
        exact.penalty_critic(torch.rand(3000), torch.rand(3000))
    with pytest.raises(InputError, match="same number"):
        exact.best_critic(torch.ones(3), torch.ones(2))
    with pytest.raises(InputError, match="samples_b has values that are not finite"):
        exact.spectral_critic(a, torch.tensor([math.inf]))
