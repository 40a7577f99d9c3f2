"""chapter10.swaps: mappings for which all that CycleGAN descends is at its best, and one of them is wrong everywhere."""

import pytest
import torch

from chapter10 import data, swaps
from chapter10.cyclegan import CycleGAN, cycle_loss
from chapter10.errors import InputError
from chapter10.exact import wasserstein_1d
from chapter10.metrics import mode_coverage
from chapter10.swaps import PermutedModes

POINTS = 4000


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def permuted(order, a, b):
    there = PermutedModes(a, b, order)
    return CycleGAN(there, there.inverse())


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_cycle_is_perfect_for_either_order(order):
    a, b = swaps.mixtures()
    model = permuted(order, a, b)
    for mixture, start in ((a, "a"), (b, "b")):
        x, _ = mixture.sample(POINTS)
        _, back = model.round_trip(x, start)
        assert cycle_loss(x, back) < 1e-7


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_comes_out_is_distributed_as_the_other_domain(order):
    """The density of a translated point under B is that of the point under A: no discriminator can tell them from B's."""
    a, b = swaps.mixtures()
    x, _ = a.sample(POINTS)
    made = permuted(order, a, b).a_to_b(x)
    # Of the other mode, 14σ off, a share of e^(−100) gets in.
    assert torch.allclose(b.log_prob(made), a.log_prob(x), atol=1e-3)
    other = b.sample(POINTS)[0]
    for direction in torch.randn(3, 2):
        assert wasserstein_1d(made @ direction, other @ direction) < 0.1 * direction.norm()


def test_one_is_right_everywhere_and_the_other_nowhere():
    a, b = swaps.mixtures()
    right, wrong = (swaps.scores(permuted(order, a, b)) for order in ((0, 1), (1, 0)))
    assert right["right"] == 1 and wrong["right"] == 0
    assert right["good"] == pytest.approx(wrong["good"]) == pytest.approx(0.989, abs=0.01)
    assert right["cycle_error"] < 1e-7 and wrong["cycle_error"] < 1e-7


def test_weights_that_differ_give_the_swap_away():
    a, b = swaps.mixtures(0.75)
    wrong = permuted((1, 0), a, b)
    assert swaps.scores(wrong, 0.75)["first"] == pytest.approx(0.25, abs=0.04)
    made = wrong.a_to_b(a.sample(POINTS)[0])
    # Shares of ¼ and ¾ in place of ¾ and ¼: the KL divergence is ½·log 3.
    assert mode_coverage(b, made).kl == pytest.approx(0.5 * torch.tensor(3.0).log().item(), abs=0.06)


def test_a_ring_has_as_many_wrong_translations_as_orders_but_one():
    ring = data.ring(5)
    there = PermutedModes(ring, ring, (2, 3, 4, 0, 1))
    x, k = ring.sample(500)
    made = there(x)
    assert torch.equal(swaps.nearest_mode(ring, made), (k + 2) % 5)
    assert torch.allclose(there.inverse()(made), x, atol=1e-6)
    uneven = PermutedModes(ring, ring, (1, 2, 0, 4, 3))  # its inverse is another one
    assert torch.allclose(uneven.inverse()(uneven(x)), x, atol=1e-6)


def test_the_two_translations_are_mirror_images():
    """Turned over, the left and the right of B change places: so whichever a training ends in, another ends in the other."""
    a, b = swaps.mixtures()
    flip = torch.tensor([-1.0, 1.0])
    x, _ = a.sample(100)
    right, wrong = PermutedModes(a, b, (0, 1)), PermutedModes(a, b, (1, 0))
    assert torch.equal(swaps.nearest_mode(b, wrong(x)), swaps.nearest_mode(b, flip * right(x)))
    assert torch.allclose(a.log_prob(flip * x), a.log_prob(x)) and torch.allclose(
        b.log_prob(flip * x), b.log_prob(x)
    )


def test_a_training_matches_the_domains_and_leaves_the_cycle_small():
    scores = swaps.scores(swaps.train("unequal", 0, 300), 0.75)
    assert scores["cycle_error"] < 0.1
    assert abs(scores["first"] - 0.75) < 0.1
    state = torch.get_rng_state()
    swaps.train("equal", 1, 2)
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_no_permutation_or_no_case_is_refused():
    a, b = swaps.mixtures()
    with pytest.raises(InputError, match="permutation of 0 … 1"):
        PermutedModes(a, b, (0, 0))
    with pytest.raises(InputError, match="as many modes"):
        PermutedModes(a, data.ring(), (0, 1))
    with pytest.raises(InputError, match="Choose one of: equal"):
        swaps.train("other", 0)
    with pytest.raises(InputError, match="above 0 and below 1"):
        swaps.mixtures(1.0)
