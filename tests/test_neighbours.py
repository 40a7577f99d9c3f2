"""Precision, recall, density, coverage and the nearest training image, where the answer is known or counted one by one."""

import math

import pytest
import torch

from chapter10.errors import InputError
from chapter10.metrics import (
    Judge,
    expected_coverage,
    memorisation,
    nearest,
    nearest_training,
    neighbour_scores,
    neighbours,
    precision_recall,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def counted(real, fake, k, k_coverage):
    """The definitions, point by point."""
    real, fake = real.double(), fake.double()

    def radii(points, k):
        return [
            sorted((points[i] - points[j]).norm() for j in range(len(points)) if j != i)[k - 1]
            for i in range(len(points))
        ]

    def inside(point, centres, radii):
        return sum(bool((point - centre).norm() <= radius) for centre, radius in zip(centres, radii))

    small, large, fakes = radii(real, k), radii(real, k_coverage), radii(fake, k)
    return (
        sum(inside(x, real, small) > 0 for x in fake) / len(fake),
        sum(inside(x, fake, fakes) > 0 for x in real) / len(real),
        sum(inside(x, real, large) for x in fake) / (k_coverage * len(fake)),
        sum(any((x - y).norm() <= r for x in fake) for y, r in zip(real, large)) / len(real),
    )


# Precision, recall, density, coverage


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize(("k", "k_coverage"), [(3, 5), (4, 2)])
def test_the_scores_are_the_definitions(monkeypatch, chunk, k, k_coverage):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    real, fake = normal(60, 3), 0.9 * normal(50, 3, seed=1) + 0.8
    found = neighbour_scores(real, fake, k, k_coverage)
    assert found == pytest.approx([float(v) for v in counted(real, fake, k, k_coverage)], abs=1e-12)
    assert all(0.1 < share < 0.95 for share in found)  # so that each could have come out otherwise


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equal_sets_have_precision_recall_and_coverage_one(offset):
    """A point lies in its own ball and in those of the points it is among the k nearest of: (k + 1) / k balls, ties and all."""
    points = normal(2500, 8) + offset
    assert neighbour_scores(points, points.flip(0)) == pytest.approx((1, 1, 6 / 5, 1))


def test_sets_far_apart_have_nothing_in_common():
    assert neighbour_scores(normal(100, 4), normal(100, 4, seed=1) + 50) == (0, 0, 0, 0)


def test_a_missing_half_costs_recall_and_coverage_but_not_precision():
    here, there = normal(100, 4), normal(100, 4, seed=1) + 50
    both = torch.cat([here, there])
    missing, twice = neighbour_scores(both, here), neighbour_scores(here, both)
    assert missing.precision == 1 and missing.recall == missing.coverage == 0.5
    assert twice.precision == 0.5 and twice.recall == twice.coverage == 1


def test_one_sample_drawn_again_and_again():
    """Its ball has no extent: of the real points it reaches the one it copies."""
    real = normal(100, 4)
    found = neighbour_scores(real, real[:1].repeat(100, 1))
    assert found.precision == 1 and found.recall == 1 / 100 and found.coverage < 0.2


def test_an_outlier_spoils_precision_and_not_density():
    """Naeem et al.: one real point far out has a ball that takes in everything between."""
    real = torch.cat([normal(200, 2), torch.tensor([[100.0, 0.0]])])
    between = torch.tensor([50.0, 0.0]) + normal(200, 2, seed=1)
    found = neighbour_scores(real, between)
    assert found.precision == 1 and found.density == pytest.approx(1 / 5)
    assert found.coverage == pytest.approx(1 / 201)


def test_density_and_coverage_of_the_same_distribution():
    """Their means are known for any distribution: 1, and lemma 2 of Naeem et al."""
    found = torch.tensor(
        [neighbour_scores(normal(200, 2, seed=2 * i), normal(150, 2, seed=2 * i + 1))[2:] for i in range(60)]
    )
    error = found.std(0) / math.sqrt(60)
    expected = torch.tensor([1, expected_coverage(200, 150)])
    assert ((found.mean(0) - expected).abs() < 4 * error).all() and error.max() < 0.02
    assert expected_coverage(10_000, 10_000) == pytest.approx(1 - 2**-5, abs=1e-4)
    assert expected_coverage(3, 1, 1) == pytest.approx(1 / 3)  # one fake among the three others


class FirstPixels(torch.nn.Module):
    def features(self, x):
        return x[:, :4]


JUDGE = Judge(FirstPixels(), "four pixels", 0.875)


def test_the_result_stands_beside_real_images():
    found = precision_recall(JUDGE, uniform(700, 16), uniform(300, 16, seed=1))
    assert found[:4] == pytest.approx(found.real, abs=0.12) and found[:4] != found.real
    assert found[5:] == (300, 3, 5, "four pixels", 0.875, "features")
    narrow = precision_recall(JUDGE, uniform(700, 16), 0.4 + 0.2 * uniform(300, 16, seed=1))
    assert narrow.real == found.real and narrow.precision > 0.95 and narrow.recall < 0.3
    said = str(narrow)
    assert f"recall {narrow.recall:.3f} (real: {narrow.real.recall:.3f})" in said and "\n" not in said
    assert "with 300 images on each side, 3 and 5 neighbours; four pixels, accuracy 87.5 %" in said


def test_too_few_or_other_features_are_refused():
    with pytest.raises(
        InputError, match="60 real and 49 fake features are too few for 5 neighbours: give at least 50"
    ):
        neighbour_scores(normal(60, 4), normal(49, 4))
    with pytest.raises(InputError, match="70 neighbours: give at least 700"):
        neighbour_scores(normal(600, 4), normal(600, 4), k=70)
    for k in (0, 1.5, None):
        with pytest.raises(InputError, match="k is .*whole number of neighbours"):
            neighbour_scores(normal(60, 4), normal(60, 4), k=k)
    with pytest.raises(InputError, match="4 real features and 3 fake ones"):
        neighbour_scores(normal(60, 4), normal(60, 3))
    with pytest.raises(InputError, match="fake features hold NaN"):
        neighbour_scores(normal(60, 4), normal(60, 4) / 0)
    with pytest.raises(InputError, match="60 samples need 120 real images.*found 119"):
        precision_recall(JUDGE, uniform(119, 16), uniform(60, 16))
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        precision_recall(JUDGE, uniform(120, 16), uniform(60, 16) - 0.5)


# The nearest training image


@pytest.mark.parametrize(("rows", "columns"), [(7, 11), (500, 10_000)])
def test_the_nearest_is_the_nearest(monkeypatch, rows, columns):
    monkeypatch.setattr(memorisation, "ROWS", rows)
    monkeypatch.setattr(memorisation, "COLUMNS", columns)
    x, among = uniform(40, 9), uniform(95, 9, seed=1)
    table = (x.double().unsqueeze(1) - among.double()).norm(dim=2)
    found = nearest(x, among)
    assert torch.equal(found.index, table.argmin(1))
    torch.testing.assert_close(found.distance.double(), table.min(1).values, rtol=0, atol=1e-6)
    few = nearest(x, among[:2])
    assert torch.equal(few.index, table[:, :2].argmin(1))


def test_copies_are_found_beside_images_a_grey_level_away():
    """Four versions of each image, one grey level in one pixel apart: less than the table's rounding."""
    training = uniform(100, 784).mul(250).round().repeat_interleave(4, 0)
    training[torch.arange(400), torch.arange(400)] += 1
    training /= 255
    found = nearest(training, training)
    assert torch.equal(found.index, torch.arange(400)) and found.distance.max() == 0


def test_copies_are_exposed():
    training, held_out = uniform(500, 16), uniform(300, 16, seed=1)
    samples = torch.cat([training[[3, 77]], uniform(198, 16, seed=2)])
    found = nearest_training(samples, training, held_out)
    assert found.closest(2).sort().values.tolist() == [0, 1] and found.index[:2].tolist() == [3, 77]
    assert found.distance[:2].tolist() == [0, 0] and found.share >= 0.01
    all_copies = nearest_training(training[:200], training, held_out)
    assert (
        all_copies.share == 1 and "100.0 % of 200 samples" in str(all_copies) and "\n" not in str(all_copies)
    )


def test_new_images_are_nearer_as_often_as_the_percentile_says():
    training = uniform(500, 4)
    found = nearest_training(uniform(20_000, 4, seed=2), training, uniform(20_000, 4, seed=1), percentile=5)
    assert abs(found.share - 0.05) < 4 * math.sqrt(2 * 0.05 * 0.95 / 20_000)
    assert (found.held_out < found.threshold).double().mean().item() == pytest.approx(0.05, abs=1e-4)


def test_too_few_held_out_images_are_refused():
    x = uniform(100, 16)
    with pytest.raises(
        InputError, match="99 held-out images are too few for the percentile 1: give at least 100"
    ):
        nearest_training(x, x, x[:99])
    with pytest.raises(
        InputError, match="33 held-out images are too few for the percentile 3: give at least 34"
    ):
        nearest_training(x, x, x[:33], percentile=3)
    for percentile in (0, 51, math.nan):
        with pytest.raises(InputError, match="percentile is .*above 0 and at most 50"):
            nearest_training(x, x, x, percentile)
    with pytest.raises(InputError, match=r"as many pixels, found \[100, 15\] and \[100, 16\]"):
        nearest_training(x[:, :15], x, x)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        nearest_training(x - 1, x, x)
