"""The mutual information gap, on codes whose gap is known."""

import math

import pytest
import torch

from chapter10 import shapes
from chapter10.errors import InputError
from chapter10.metrics import mutual_information, mutual_information_gap

COUNT = 8_100


@pytest.fixture
def factors():
    return shapes.factor_grid()


def noise(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_a_code_that_is_the_factors_has_gap_1(factors):
    """Every table with two of the grid's factors is exactly even: there is not even a bias."""
    found = mutual_information_gap(factors.float(), factors)
    assert found.value == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(found.information, torch.eye(5, dtype=torch.float64))
    sizes = torch.tensor(list(shapes.FACTORS.values()), dtype=torch.float64)
    torch.testing.assert_close(found.entropy, sizes.log())
    assert (found.count, found.bins) == (COUNT, 20)


def test_spare_noise_in_other_dimensions_takes_next_to_nothing_away(factors):
    codes = torch.cat([noise(COUNT, 3), factors.float()], 1)
    found = mutual_information_gap(codes, factors)
    assert 0.99 < found.value < 1  # the second best is noise, whose information is the bias
    assert found.information.argmax(1).tolist() == [3, 4, 5, 6, 7]


def test_noise_has_gap_0_and_its_information_is_the_bias(factors):
    found = mutual_information_gap(noise(COUNT, 6), factors)
    assert found.value < 0.005
    values = torch.tensor(list(shapes.FACTORS.values()), dtype=torch.float64)
    bias = 19 * (values - 1) / (2 * COUNT)  # 2 N I has a χ² distribution with so many degrees of freedom
    found_bias = found.information.mean(1) * found.entropy
    deviation = (2 * 19 * (values - 1) / 6).sqrt() / (2 * COUNT)
    assert ((found_bias - bias).abs() < 4 * deviation).all()


def test_a_rotated_code_has_gap_0():
    """Two factors turned by 45° into two dimensions: each dimension knows as much about each factor."""
    factors = torch.randint(8, (20_000, 2), generator=torch.Generator().manual_seed(1))
    straight = factors + 0.05 * noise(20_000, 2)
    turned = straight @ torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    assert mutual_information_gap(straight, factors).value > 0.9  # 20 bins don't part 8 values evenly
    found = mutual_information_gap(turned, factors)
    assert found.value < 0.02
    assert found.information.min() > 0.1  # both know something: it is the gap that is gone


def test_a_factor_told_twice_has_gap_0(factors):
    codes = torch.cat([factors.float(), factors[:, 3:4].float()], 1)  # x in two dimensions
    found = mutual_information_gap(codes, factors)
    assert found.gaps.tolist() == pytest.approx([1, 1, 1, 0, 1], abs=1e-9)
    assert found.value == pytest.approx(0.8)


def test_a_dimension_that_tells_half_of_a_factor():
    """Of four values it tells only whether they are above 1: log 2 of log 4."""
    factors = torch.arange(4).repeat(500).unsqueeze(1)
    codes = torch.cat([(factors > 1).float(), noise(2000, 1)], 1)
    found = mutual_information_gap(codes, factors, bins=4)
    assert found.information[0, 0].item() == pytest.approx(0.5, abs=1e-12)
    assert found.value == pytest.approx(0.5, abs=0.01)


def test_stretching_a_dimension_changes_nothing(factors):
    codes = torch.stack([factors[:, 3] + noise(COUNT), factors[:, 4] + noise(COUNT, seed=1)], 1)
    one = mutual_information_gap(codes, factors)
    for other in ((0.3 * codes).exp(), 5 * codes - 70, codes**3):
        assert torch.equal(mutual_information_gap(other, factors).information, one.information)
    swapped = mutual_information_gap(codes.flip(1), factors)
    torch.testing.assert_close(swapped.information, one.information.flip(1))
    # a falling function mirrors the bins; only where their edges lie is left to chance
    assert mutual_information_gap(-codes, factors).value == pytest.approx(one.value, abs=1e-3)


def test_a_constant_dimension_knows_nothing(factors):
    codes = torch.cat([factors.float(), torch.full((COUNT, 1), 3.0)], 1)
    assert mutual_information_gap(codes, factors).information[:, 5].abs().max() < 1e-12


def test_mutual_information_of_tables_by_hand():
    a = torch.tensor([0, 0, 0, 1])
    h = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert mutual_information(a, a).item() == pytest.approx(h)
    assert mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])).item() == pytest.approx(
        0
    )
    b = torch.tensor([0, 1, 0, 1])  # p = ½, ¼ with a = 0; ¼ with a = 1, b = 1
    expected = 0.5 * math.log(0.5 / 0.375) + 0.25 * math.log(0.25 / 0.375) + 0.25 * math.log(0.25 / 0.125)
    assert mutual_information(a, b).item() == pytest.approx(expected)
    assert mutual_information(b, a).item() == pytest.approx(expected)


def test_what_cannot_be_measured_is_refused(factors):
    good = factors.float()
    with pytest.raises(InputError, match=r"two dimensions or more, found torch.float32 \[8100, 1\]"):
        mutual_information_gap(good[:, :1], factors)
    with pytest.raises(InputError, match="codes of floats"):
        mutual_information_gap(factors, factors)
    with pytest.raises(InputError, match=r"whole numbers \[8100, F\], int64"):
        mutual_information_gap(good, factors[:-1])
    with pytest.raises(InputError, match=r"whole numbers \[8100, F\], int64"):
        mutual_information_gap(good, good)
    with pytest.raises(
        InputError, match=r"two values or more.*\[1, 6, 10, 9, 5\].*Leave a constant factor out"
    ):
        mutual_information_gap(good, factors * torch.tensor([0, 1, 1, 1, 1]))
    with pytest.raises(InputError, match="from 0 up"):
        mutual_information_gap(good, factors - 1)
    with pytest.raises(InputError, match="no fewer than the 10 values"):
        mutual_information_gap(good, factors, bins=9)
    with pytest.raises(
        InputError, match="999 codes are too few for 20 bins and 10 values: give at least 1,000"
    ):
        mutual_information_gap(good[:999], factors[torch.randperm(COUNT)[:999]])
    broken = good.clone()
    broken[7, 2] = math.nan
    with pytest.raises(InputError, match="NaN or infinite.*diverged"):
        mutual_information_gap(broken, factors)
