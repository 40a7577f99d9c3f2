"""The Fréchet classifier distance against Gaussians in closed form, and what must be printed beside it."""

import math
import os

import pytest
import torch

from chapter10 import data, metrics, recipes
from chapter10.errors import InputError
from chapter10.metrics import (
    Judge,
    frechet_classifier_distance,
    frechet_distance,
    frechet_of_features,
)
from chapter10.metrics.judge import disjoint_draws


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def covariance(size, rank=None, seed=0):
    root = normal(size, rank or size, seed=seed)
    return root @ root.T


ZERO = torch.zeros(4, dtype=torch.float64)


# The formula


@pytest.mark.parametrize("rank", [1, 3, 4])
def test_equal_gaussians_are_at_distance_zero(rank):
    mean, cov = normal(4, seed=1), covariance(4, rank)
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-10 * cov.trace().item())


@pytest.mark.parametrize("rank", [2, 4])
def test_a_shift_counts_with_its_square(rank):
    cov, shift = covariance(4, rank), torch.tensor([3.0, 0, 0, -4.0], dtype=torch.float64)
    assert frechet_distance(ZERO, cov, ZERO + shift, cov) == pytest.approx(25)


def test_commuting_covariances_differ_by_their_standard_deviations():
    """Σ (√a − √b)², in any common basis, also where some are 0."""
    a = torch.tensor([4.0, 9.0, 0.0, 1.0], dtype=torch.float64)
    b = torch.tensor([1.0, 0.0, 0.0, 6.25], dtype=torch.float64)
    rotation = torch.linalg.qr(normal(4, 4)).Q
    found = frechet_distance(ZERO, rotation @ a.diag() @ rotation.T, ZERO, rotation @ b.diag() @ rotation.T)
    assert found == pytest.approx(1 + 9 + 0 + 2.25, abs=1e-6)  # √ of a rounded 0 is 1e-8
    assert frechet_distance(ZERO, a.diag(), ZERO, b.diag()) == pytest.approx(12.25, abs=1e-12)


def test_two_dimensions_in_closed_form():
    """tr √M = √(tr M + 2 √det M) for a 2×2 matrix M with the eigenvalues of A^½ B A^½, such as A B."""
    a = torch.tensor([[2.0, 0.7], [0.7, 1.0]], dtype=torch.float64)
    b = torch.tensor([[0.5, -0.3], [-0.3, 3.0]], dtype=torch.float64)
    product = a @ b
    root = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    expected = a.trace() + b.trace() - 2 * root
    assert not torch.allclose(product, b @ a)
    mean = torch.zeros(2, dtype=torch.float64)
    assert frechet_distance(mean, a, mean, b) == pytest.approx(expected.item(), rel=1e-12)
    assert frechet_distance(mean, b, mean, a) == pytest.approx(expected.item(), rel=1e-12)


def test_lines_in_closed_form():
    """Covariances u uᵀ and v vᵀ of rank one: |u|² + |v|² − 2 |u·v|."""
    u, v = normal(4, seed=2), normal(4, seed=3)
    expected = u @ u + v @ v - 2 * (u @ v).abs()
    assert frechet_distance(ZERO, u.outer(u), ZERO, v.outer(v)) == pytest.approx(expected.item(), abs=1e-6)


def test_points_are_gaussians_too():
    assert frechet_distance(ZERO, torch.zeros(4, 4), ZERO + 1, torch.zeros(4, 4)) == pytest.approx(4)
    assert frechet_distance(ZERO, torch.zeros(4, 4), ZERO, covariance(4)) == pytest.approx(
        covariance(4).trace().item()
    )


def test_a_small_distance_between_large_covariances_is_kept():
    cov = 1e4 * covariance(64)
    mean = torch.zeros(64, dtype=torch.float64)
    assert frechet_distance(mean, cov, mean + 1e-3, cov) == pytest.approx(64e-6, rel=0.05)
    assert frechet_distance(mean, cov, mean, 1.0002**2 * cov) == pytest.approx(
        4e-8 * cov.trace().item(), rel=1e-3
    )


def test_single_precision_and_too_few_rows_are_no_trouble():
    features = normal(20, 64).float()
    cov = features.T.cov()
    assert torch.linalg.eigvalsh(cov)[0] < 0  # of rank 19: rounding makes some eigenvalues negative
    mean = features.mean(0)
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-5 * cov.trace().item())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c + torch.eye(4, dtype=c.dtype).roll(1, 0), "cov_b is not symmetric: .* differ by up to 1"),
        (lambda c: c - 40 * torch.eye(4, dtype=c.dtype), "cov_b is not positive semi-definite: its smallest eigenvalue is -"),
        (lambda c: c * math.nan, "cov_b holds NaN or infinity"),
        (lambda c: c * math.inf, "cov_b holds NaN or infinity"),
        (lambda c: c[:3], r"cov_b must be floats \[4, 4\].*found torch.float64 \[3, 4\]"),
        (lambda c: c.long(), r"cov_b must be floats \[4, 4\].*torch.int64"),
    ],
)  # fmt: skip
def test_what_is_no_covariance_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(ZERO, covariance(4), ZERO, change(covariance(4)))
    with pytest.raises(InputError, match=message.replace("cov_b", "cov_a")):
        frechet_distance(ZERO, change(covariance(4)), ZERO, covariance(4))


def test_a_little_off_is_refused_too():
    """In float64 rounding leaves nothing like 1e-9."""
    cov = torch.tensor([4.0, 1.0, 1.0, -1e-9], dtype=torch.float64).diag()
    with pytest.raises(InputError, match="smallest eigenvalue is -1e-09"):
        frechet_distance(ZERO, cov, ZERO, covariance(4))
    tilted = covariance(4)
    tilted[0, 1] += 1e-9
    with pytest.raises(InputError, match="differ by up to 1e-09"):
        frechet_distance(ZERO, tilted, ZERO, covariance(4))


@pytest.mark.parametrize(
    ("mean", "message"),
    [
        (ZERO[:3], "means have 4 and 3 features"),
        (ZERO + math.nan, "mean_b holds NaN"),
        (ZERO.unsqueeze(0), r"mean_b must be floats \[F\], found torch.float64 \[1, 4\]"),
    ],
)
def test_other_means_are_refused(mean, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(ZERO, covariance(4), mean, covariance(4))


# From features


def test_features_moved_and_scaled():
    """x + δ is at |δ|², 3 x at |2 μ|² + 4 tr C, with the covariance that divides by N − 1."""
    real = normal(50, 5) + 1
    shift = normal(5, seed=4)
    assert frechet_of_features(real, real + shift) == pytest.approx((shift @ shift).item())
    expected = 4 * real.mean(0).square().sum() + 4 * real.var(0).sum()
    assert frechet_of_features(real, 3 * real) == pytest.approx(expected.item())


def test_the_floor_of_gaussians_is_what_theory_says():
    """Two sets of N from N(0, I) with F features: F (F + 5) / (2 N) to first order, from means 2 F / N and from
    covariances ¼ E |A − B|² = F (F + 1) / (2 N)."""
    features, count = 6, 3000
    found = torch.tensor([
        frechet_of_features(normal(count, features, seed=2 * i), normal(count, features, seed=2 * i + 1))
        for i in range(40)
    ])  # fmt: skip
    error = found.std() / math.sqrt(len(found))
    assert abs(found.mean() - features * (features + 5) / (2 * count)) < 4 * error
    assert error < 0.06 * found.mean()


def test_unequal_or_too_few_features_are_refused():
    with pytest.raises(
        InputError, match=r"\[30, 5\], the fake ones \[29, 5\].*unequal counts can't be compared"
    ):
        frechet_of_features(normal(30, 5), normal(29, 5))
    with pytest.raises(
        InputError, match="9 samples are too few for the covariance of 5 features: give at least 10"
    ):
        frechet_of_features(normal(9, 5), normal(9, 5))
    assert frechet_of_features(normal(10, 5), normal(10, 5)) == 0
    with pytest.raises(InputError, match="fake features hold NaN"):
        frechet_of_features(normal(30, 5), normal(30, 5) * math.nan)
    with pytest.raises(
        InputError, match=r"real features must be floats \[N, F\], found torch.float64 \[30\]"
    ):
        frechet_of_features(normal(30), normal(30))


# With a classifier


class FirstPixels(torch.nn.Module):
    """Features are the first pixels, half of them dropped while training."""

    def __init__(self, count=4):
        super().__init__()
        self.count, self.dropout = count, torch.nn.Dropout(0.5)

    def features(self, x):
        return self.dropout(x)[:, : self.count]

    def forward(self, x):
        return self.features(x)


JUDGE = Judge(FirstPixels(), "four pixels", 0.875)


def test_a_perfect_sampler_scores_the_floor_and_a_shifted_one_its_shift_more():
    values, floors = [], []
    for seed in range(20):
        found = frechet_classifier_distance(
            JUDGE, uniform(2000, 16, seed=seed), uniform(1000, 16, seed=100 + seed), seed=seed
        )
        values.append(found.value)
        floors.append(found.floor)
    values, floors = torch.tensor(values), torch.tensor(floors)
    error = ((values.var() + floors.var()) / 20).sqrt()
    assert abs(values.mean() - floors.mean()) < 4 * error and error < 0.2 * floors.mean()
    shifted = frechet_classifier_distance(
        JUDGE, 0.8 * uniform(20_000, 16), 0.2 + 0.8 * uniform(10_000, 16, seed=1)
    )
    assert shifted.value == pytest.approx(4 * 0.2**2, rel=0.05) and shifted.floor < 0.002


def test_copies_of_the_real_images_score_below_the_floor():
    """The fakes are half of the real images: what the floor protects from is not there."""
    real = uniform(400, 16)
    found = frechet_classifier_distance(JUDGE, real, real[:200])
    assert 0 < found.value < found.floor


def test_the_result_carries_and_prints_what_it_means_something_beside():
    found = frechet_classifier_distance(JUDGE, uniform(400, 16), uniform(200, 16, seed=1))
    assert found[2:] == (200, "four pixels", 0.875, "features") and all(type(v) is float for v in found[:2])
    said = str(found)
    assert said == repr(found) and "\n" not in said and "FID" not in said
    assert (
        f"Fréchet classifier distance {found.value:.4g} (real against real: {found.floor:.3g}) with 200 images"
        in said
    )
    assert "four pixels, accuracy 87.5 %, layer 'features'" in said


def test_the_same_seed_gives_the_same_and_torchs_numbers_stay():
    real, fake = uniform(400, 16), uniform(150, 16, seed=1)
    state = torch.get_rng_state()
    first = frechet_classifier_distance(JUDGE, real, fake)
    assert torch.equal(state, torch.get_rng_state())
    assert first == frechet_classifier_distance(JUDGE, real, fake)
    assert first != frechet_classifier_distance(JUDGE, real, fake, seed=1)


def test_draws_are_disjoint_and_differ():
    draws = list(disjoint_draws(10, 5, 30, 0))
    assert len({tuple(first.tolist()) for first, _ in draws}) == 30
    assert all(sorted(torch.cat(pair).tolist()) == list(range(10)) for pair in draws)
    assert {tuple(map(len, pair)) for pair in disjoint_draws(10, 3, 4, 0)} == {(3, 3)}


def test_dropout_does_not_act():
    judge = Judge(FirstPixels().train(), "", 0.5)
    assert torch.equal(judge.features(uniform(30, 16)), uniform(30, 16)[:, :4].double())
    assert judge.labels(uniform(30, 16)).equal(uniform(30, 16)[:, :4].argmax(1))


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (uniform(39, 16), uniform(20, 16), "20 samples need 40 real images.*found 39. Give more real images, or 19 samples"),
        (uniform(14, 16), uniform(7, 16), "7 samples are too few for the covariance of 4 features: give at least 8"),
        (uniform(40, 16), 2 * uniform(20, 16) - 1, r"must lie in \[0, 1\].*found -"),
        (2 * uniform(40, 16), uniform(20, 16), r"must lie in \[0, 1\]"),
        (uniform(40, 16), uniform(20, 16) * math.nan, r"must lie in \[0, 1\].*nan"),
    ],
)  # fmt: skip
def test_other_images_are_refused(real, fake, message):
    with pytest.raises(InputError, match=message):
        frechet_classifier_distance(JUDGE, real, fake)


def test_judges_are_held_to_what_they_say():
    with pytest.raises(InputError, match="accuracy of x is 97; give a share from 0 to 1"):
        Judge(FirstPixels(), "x", 97)
    with pytest.raises(InputError, match="FirstPixels has no layer 'hidden'"):
        Judge(FirstPixels(), "x", 0.97, "hidden")
    assert repr(JUDGE) == "four pixels, accuracy 87.5 %, layer 'features'"


def test_a_recipe_s_judge_has_the_stored_accuracy():
    judge = recipes.judge("classifier-digits")
    images = data.load("digits")
    assert judge.name == "classifier-digits" and judge.layer == "features"
    right = metrics.accuracy(judge.classifier, data.to_unit(images.test), images.test_labels)
    assert judge.accuracy == pytest.approx(right, abs=1e-3)
    with pytest.raises(
        InputError, match="'vae2-mnist' is no classifier. There are: classifier-mnist, classifier-digits"
    ):
        recipes.judge("vae2-mnist")


def test_the_embedded_digits_are_enough():
    """180 samples against 360 test images: noise still lies far above the floor, other real images do not."""
    judge, images = recipes.judge("classifier-digits"), data.load("digits")
    real = data.to_unit(images.test)
    noise = frechet_classifier_distance(judge, real, uniform(180, 784))
    other = frechet_classifier_distance(judge, real, data.to_unit(images.train[:180]))
    assert noise.value > 10 * noise.floor and other.value < 1.5 * other.floor
    with pytest.raises(
        InputError, match="127 samples are too few for the covariance of 64 features: give at least 128"
    ):
        frechet_classifier_distance(judge, real, uniform(127, 784))


@pytest.mark.skipif(not os.environ.get("CHAPTER10_DATA"), reason="CHAPTER10_DATA names no folder with MNIST")
def test_mnist_noise_the_vae_and_real_images_in_their_order():
    judge, images = recipes.judge("classifier-mnist"), data.load("mnist")
    vae = recipes.load("vae20-mnist")
    with torch.no_grad():
        samples = vae.decode(normal(2000, 20).float()).sigmoid()
    real = data.to_unit(images.test[:4000])
    scores = [frechet_classifier_distance(judge, real, fake) for fake in (samples, uniform(2000, 784))]
    assert 1 < scores[0].floor == scores[1].floor < 8
    assert 5 * scores[0].floor < scores[0].value < 0.05 * scores[1].value
