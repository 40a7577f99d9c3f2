"""Mode coverage, class histogram and sharpness, where the answer is known."""

import math

import pytest
import torch

from chapter10 import data
from chapter10.data import GaussianMixture
from chapter10.errors import InputError
from chapter10.metrics import class_histogram, mode_coverage, perfect_share, sharpness, spatial_frequency


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# Modes of a mixture


@pytest.mark.parametrize("mixture", [data.ring(), data.grid()])
def test_a_perfect_sampler_reaches_the_ceiling(mixture):
    count = 50_000
    found = mode_coverage(mixture, mixture.sample(count, rng())[0])
    assert found.modes == found.total == len(mixture.means) and found.samples == count
    share = 1 - math.exp(-4.5)
    assert found.ceiling == pytest.approx(share) and f"{100 * found.ceiling:.2f}" == "98.89"
    assert abs(found.good - share) < 4 * math.sqrt(share * (1 - share) / count)
    # 2 N KL has a χ² distribution with K − 1 degrees of freedom
    degrees = len(mixture.means) - 1
    assert abs(2 * count * found.kl - degrees) < 4 * math.sqrt(2 * degrees)
    assert sum(found.counts) == round(found.good * count)


def test_the_ceiling_in_other_dimensions():
    assert perfect_share(1) == pytest.approx(math.erf(3 / math.sqrt(2)))
    assert perfect_share(2, 1.5) == pytest.approx(1 - math.exp(-(1.5**2) / 2))
    assert perfect_share(3) == pytest.approx(
        math.erf(3 / math.sqrt(2)) - math.sqrt(2 / math.pi) * 3 * math.exp(-4.5)
    )


def test_a_sampler_of_one_mode():
    mixture = data.ring()
    found = mode_coverage(mixture, mixture.means[2] + mixture.std * torch.randn(2500, 2, generator=rng()))
    assert found.modes == 1 and found.kl == pytest.approx(math.log(8)) and found.good > 0.98
    assert found.counts[2] == sum(found.counts) == round(2500 * found.good)
    assert (
        str(found).startswith("1 of 8 modes, ")
        and "a perfect sampler: 98.89 %" in str(found)
        and "\n" not in str(found)
    )


def test_one_sample_within_three_sigma_is_enough_and_none_without():
    mixture = data.grid()
    points = mixture.means[:1].repeat(250, 1)
    points[0] = mixture.means[7] + mixture.std * torch.tensor([0.0, 2.99])
    points[1] = mixture.means[8] + mixture.std * torch.tensor([3.01, 0.0])
    points[2] = mixture.means[9] + mixture.std * torch.tensor(
        [2.2, 2.2]
    )  # within 3σ along each axis, 3.1σ away
    found = mode_coverage(mixture, points)
    assert found.modes == 2 and found.counts[7] == 1 and found.counts[8] == found.counts[9] == 0
    assert found.good == pytest.approx(248 / 250)
    assert mode_coverage(mixture, points, radius=3.05).modes == 3


def test_weights_say_what_the_histogram_should_be():
    means = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    mixture = GaussianMixture(means, 0.1, torch.tensor([0.5, 0.25, 0.25]))
    right = means.repeat_interleave(torch.tensor([20, 10, 10]), 0)
    assert mode_coverage(mixture, right).kl == pytest.approx(0, abs=1e-7)
    even = means.repeat(20, 1)
    assert mode_coverage(mixture, even).kl == pytest.approx(
        (math.log(2 / 3) + 2 * math.log(4 / 3)) / 3, abs=1e-6
    )
    with pytest.raises(InputError, match="39 samples are too few to look for 3 modes: give at least 40"):
        mode_coverage(mixture, right[:39])


def test_other_points_are_refused():
    mixture = data.grid()
    points = mixture.sample(250, rng())[0]
    assert mode_coverage(mixture, points).total == 25
    with pytest.raises(InputError, match="249 samples are too few to look for 25 modes: give at least 250"):
        mode_coverage(mixture, points[:249])
    with pytest.raises(InputError, match=r"points \[N, 2\] of floats, found torch.float32 \[250, 1\]"):
        mode_coverage(mixture, points[:, :1])
    points[3, 1] = math.nan
    with pytest.raises(InputError, match="NaN or infinite: the generator that made them has diverged"):
        mode_coverage(mixture, points)


# Classes


def test_equal_classes():
    found = class_histogram(torch.arange(10).repeat(30))
    assert found.counts == (30,) * 10 and found.missing == () and found.kl == pytest.approx(0, abs=1e-12)
    assert found.largest_share == 0.1 and found.floor == pytest.approx(9 / 600)


def test_missing_classes_are_named():
    found = class_histogram(torch.tensor([0, 1, 2, 4, 5, 6, 8, 9, 9, 9]).repeat(10))
    assert found.missing == (3, 7) and found.largest == 9 and found.largest_share == 0.3
    assert found.kl == pytest.approx(7 * 0.1 * math.log(1) + 0.3 * math.log(3))
    assert "8 of 10 classes among 100 labels; missing: 3, 7; the largest is 9 with 30.0 %" in str(found)


def test_a_single_class():
    found = class_histogram(torch.full((100,), 4))
    assert found.kl == pytest.approx(math.log(10)) and found.largest == 4 and found.largest_share == 1
    assert len(found.missing) == 9


def test_the_floor_is_the_mean_for_equal_classes():
    found = torch.tensor(
        [class_histogram(torch.randint(10, (500,), generator=rng(i))).kl for i in range(200)]
    )
    assert abs(found.mean() - 9 / 1000) < 4 * found.std() / math.sqrt(200)


def test_other_labels_are_refused():
    with pytest.raises(InputError, match="99 labels are too few to look for 10 classes: give at least 100"):
        class_histogram(torch.zeros(99, dtype=torch.long))
    for labels, found in ((torch.full((100,), 10), "10 to 10"), (torch.full((100,), -1), "-1 to -1")):
        with pytest.raises(InputError, match=f"go from 0 to 9, found {found}"):
            class_histogram(labels)
    with pytest.raises(InputError, match=r"whole numbers \[N\], found torch.float32 \[100, 10\]"):
        class_histogram(torch.rand(100, 10))


# Sharpness


@pytest.fixture(scope="module")
def digits():
    return data.to_unit(data.load("digits").test)


def blurred(images, width):
    """Gaussian blur of standard deviation `width` pixels, far enough out to lose nothing that matters."""
    if width == 0:
        return images
    reach = torch.arange(-12, 13)
    kernel = torch.exp(-(reach**2) / (2 * width**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 25, 1)
    x = torch.nn.functional.conv2d(images.view(-1, 1, 28, 28), kernel, padding=(12, 0))
    return torch.nn.functional.conv2d(x, kernel.mT, padding=(0, 12)).flatten(1).clamp(0, 1)


def test_patterns_with_a_known_frequency():
    row, column = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    images = torch.stack([(row + column) % 2, column % 2, row % 2, column >= 14, (column // 2) % 2]).float()
    # differences of ±1 everywhere over a variance of ¼; on 27 pairs of columns, 1 and 13 of them change
    expected = torch.tensor([8.0, 4.0, 4.0, 4 / 27, 4 * 13 / 27]).sqrt()
    torch.testing.assert_close(spatial_frequency(images), expected)


def test_a_wave_has_its_frequency():
    """2 sin(ω/2) for ω, the root of the sum of squares for both directions."""
    axis = torch.arange(400)
    wave = 0.5 + 0.25 * torch.sin(0.3 * axis).unsqueeze(1) + 0.25 * torch.sin(0.5 * axis)
    expected = math.sqrt(
        (4 * math.sin(0.15) ** 2 + 4 * math.sin(0.25) ** 2) / 2
    )  # each has half of the variance
    assert spatial_frequency(wave.unsqueeze(0)).item() == pytest.approx(expected, rel=0.01)


def test_white_noise_has_two():
    found = sharpness(torch.rand(2000, 784, generator=rng()))
    assert found.mean == pytest.approx(2, abs=0.005)
    assert sharpness(torch.rand(2000, 784, generator=rng()).round()).mean == pytest.approx(2, abs=0.005)


def test_blur_lowers_it_the_more_the_wider_it_is(digits):
    found = torch.stack(
        [spatial_frequency(blurred(digits, w).view(-1, 28, 28)) for w in (0, 0.4, 0.7, 1, 1.5, 2, 2.5)]
    )
    assert (found.diff(dim=0) < 0).all()  # for each image
    assert found[-1].mean() < 0.6 * found[0].mean()


def test_place_and_contrast_do_not_matter(digits):
    images = digits.view(-1, 28, 28)
    assert (
        images[:, :4].max() == images[:, -4:].max() == images[:, :, :4].max() == images[:, :, -4:].max() == 0
    )
    for other in (images.roll((2, -3), (1, 2)), 0.3 * images + 0.5, 1 - images, images.mT):
        torch.testing.assert_close(spatial_frequency(other), spatial_frequency(images), rtol=1e-4, atol=0)


def test_the_mean_counts_images_and_blank_ones_as_zero(digits):
    grey = torch.full((len(digits), 784), 0.4)
    grey[:, 0] += 1e-4  # nothing that a screen could show
    whole, half = sharpness(digits), sharpness(torch.cat([digits, grey]))
    assert half.mean == pytest.approx(whole.mean / 2) and half.blank == 0.5 and whole.blank == 0
    assert half.count == 2 * whole.count and whole.deviation == pytest.approx(
        spatial_frequency(digits.view(-1, 28, 28)).std(correction=0).item()
    )
    assert "50.0 % are blank" in str(half) and "rad/pixel" in str(whole) and "blank" not in str(whole)


def test_other_images_are_refused():
    with pytest.raises(InputError, match=r"square images \[N, side²\], found \[5, 783\]"):
        sharpness(torch.rand(5, 783))
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        sharpness(torch.rand(5, 784) * 2 - 1)
