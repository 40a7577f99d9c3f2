"""Stacked digits: which channel is which, the count of modes against what is known, equal time for all."""

import math

import pytest
import torch

from chapter10 import better_vaes, data, experiments, recipes, stacked
from chapter10.errors import InputError
from chapter10.gan import GANTraining
from chapter10.stacked import StackedBatches, class_shares, stack, stacked_modes, unstack
from chapter10.wgan import WGANTraining


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_a_stack_has_one_image_a_channel_and_comes_apart_again():
    images = torch.arange(2 * 3 * 5).view(2, 3, 5)
    x = stack(images)
    assert x[1].tolist() == [15, 20, 25, 16, 21, 26, 17, 22, 27, 18, 23, 28, 19, 24, 29]
    assert torch.equal(unstack(x), images)


def test_batches_are_of_real_digits_each_channel_drawn_on_its_own(digits):
    torch.manual_seed(0)
    batches = StackedBatches(digits.train[:7], 50, steps=3)
    found = list(batches)
    assert (
        len(batches) == len(found) == 3 and found[0].shape == (50, 2352) and found[0].dtype == torch.float32
    )
    known = data.to_signed(digits.train[:7])
    parts = unstack(torch.cat(found))  # [150, 3, 784]
    distance, which = torch.cdist(parts.flatten(0, 1), known).min(1)
    assert distance.max() < 0.05  # rounding in cdist
    which = which.view(150, 3)
    assert len({tuple(row) for row in which.tolist()}) > 100  # of 343
    for channel in which.T:
        assert torch.bincount(channel, minlength=7).min() > 5
    assert not torch.equal(found[0], next(iter(batches)))


def test_one_mode_and_all_modes_alike_score_what_is_known():
    one = torch.tensor([[3, 0, 7]]).expand(500, 3)
    found = stacked_modes(one)
    assert found.modes == 1 and found.kl == pytest.approx(math.log(1000)) and found.floor == 0.999
    every = torch.cartesian_prod(*[torch.arange(10)] * 3)
    found = stacked_modes(every.repeat(4, 1))
    assert found.modes == 1000 and found.kl == pytest.approx(0, abs=1e-12)
    assert found.expected == pytest.approx(1000 * (1 - 0.999**4000))
    half = stacked_modes(every[every[:, 1] < 5])
    assert half.modes == 500 and half.kl == pytest.approx(math.log(2))


def test_the_floor_of_26_000_samples():
    """What samples drawn as the data are score by chance: 0.0192 by the first order, 0.0192 to 0.0196 when drawn."""
    source = torch.Generator().manual_seed(0)
    drawn = [stacked_modes(torch.randint(10, (26_000, 3), generator=source)) for _ in range(20)]
    mean = sum(found.kl for found in drawn) / 20
    # The sum of 999 squares has a spread of √(2·999)/52,000 = 0.00086, their mean over 20 one of 0.0002.
    assert drawn[0].floor == pytest.approx(0.0192, abs=1e-4) and mean == pytest.approx(0.0194, abs=6e-4)
    assert all(found.modes == 1000 for found in drawn) and drawn[0].expected == pytest.approx(1000, abs=1e-6)


def test_the_modes_are_held_against_the_data_s_own_shares():
    shares = torch.tensor([0.4, *[0.6 / 9] * 9])
    source = torch.Generator().manual_seed(0)
    labels = torch.multinomial(shares, 78_000, replacement=True, generator=source).view(-1, 3)
    found, wrong = stacked_modes(labels, shares), stacked_modes(labels)
    assert found.kl == pytest.approx(found.floor, rel=0.2)
    # Against equal shares: three times the divergence of one channel's from equal ones.
    each = math.log(10) - torch.special.entr(shares.double()).sum().item()
    assert wrong.kl == pytest.approx(3 * each + found.floor, rel=0.02)
    assert found.expected < 1000 == wrong.modes or found.expected == pytest.approx(wrong.modes, abs=3)
    torch.testing.assert_close(class_shares(labels[:, 0]).float(), shares, atol=0.01, rtol=0)


def test_real_digits_are_counted_by_what_the_classifier_takes_them_for(digits):
    judge = recipes.judge("classifier-digits")
    images, labels = digits.test[:90], digits.test_labels[:90]
    found = stacked.classes_of(
        judge, data.to_unit(images.flatten(1)).view(30, 3, 784).transpose(1, 2).flatten(1)
    )
    assert (found == labels.view(30, 3)).double().mean() > 0.95


@pytest.mark.parametrize("kind", stacked.KINDS | stacked.PACKED)
def test_each_kind_is_what_its_name_says_and_trains_for_its_time(kind, digits, monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(better_vaes.time, "process_time", lambda: float(next(now)))
    state = torch.get_rng_state()
    method, about = stacked.train(kind, digits, 0, seconds=3)
    assert torch.equal(state, torch.get_rng_state())
    # Looks at 1, 2 and 3 seconds: two steps.
    assert (
        about["steps"] == 2
        and about["images_seen"] == 2 * (stacked.KINDS | stacked.PACKED)[kind].batch_size
        and about["seconds"] == 3
    )
    assert type(method) is (WGANTraining if "WGAN" in kind else GANTraining)
    judging = method.critic if "WGAN" in kind else method.discriminator
    norms = [module for module in judging.modules() if "BatchNorm" in type(module).__name__]
    assert bool(norms) == ("DCGAN" in kind)
    if "DCGAN" in kind:
        assert judging.pack == {"DCGAN": 1, "PacDCGAN2": 2}[kind]
        assert (stacked.KINDS | stacked.PACKED)[kind].batch_size == 32 * judging.pack
    if "WGAN" in kind:
        assert method.lipschitz == ("penalty" if kind == "WGAN-GP" else "clipping")
    x = stacked.samples(method, 5, seed=0)
    assert x.shape == (5, 2352) and 0 <= x.min() < x.max() <= 1
    assert torch.equal(x, stacked.samples(method, 5, seed=0))


def test_an_experiment_has_a_row_of_real_stacks_and_one_of_each_kind(monkeypatch):
    monkeypatch.setattr(stacked, "SECONDS", 0.01)
    monkeypatch.setattr(stacked, "SAMPLES", 300)
    rows = stacked.stacked("digits", 2)
    assert [row["model"] for row in rows] == ["real", *stacked.KINDS] and {row["seed"] for row in rows} == {2}
    real = rows[0]
    assert real["modes"] == pytest.approx(real["expected"], abs=25) and real["kl"] < 2 * real["floor"]
    assert all(row["modes"] < real["modes"] and row["kl"] > 2 * real["kl"] for row in rows[1:])


def test_the_stored_dcgan_does_not_collapse_so_packing_has_nothing_to_mend():
    """Of published 99 modes for the DCGAN nothing is seen here: both find nearly all, and packing is no better in equal time."""
    result = experiments.read_result("stacked-pacgan-mnist")
    seeds = range(result["seeds"])
    assert [(row["seed"], row["model"]) for row in result["rows"]] == [
        (seed, model) for seed in seeds for model in ("real", *stacked.PACKED)
    ]
    for row in result["rows"]:
        assert row["samples"] == 26_000
        if row["model"] == "real":
            assert row["modes"] == 1000 and row["kl"] < 0.025
        else:
            assert row["seconds"] == pytest.approx(stacked.SECONDS, abs=1)
            assert 850 < row["modes"] < 1000 and 0.3 < row["kl"] < 1.2
    rows = [{row["model"]: row for row in result["rows"] if row["seed"] == seed} for seed in seeds]
    assert all(abs(row["PacDCGAN2"]["modes"] - row["DCGAN"]["modes"]) < 50 for row in rows)
    assert all(row["PacDCGAN2"]["kl"] > row["DCGAN"]["kl"] for row in rows)
    assert result["published"] == stacked.PUBLISHED and "100,000 in PacGAN" in result["differs"][0]


def test_what_can_t_be_stacked_or_counted_is_told(digits):
    with pytest.raises(
        InputError, match=r"Three images make a stack: give them as \[B, 3, D\], found \[4, 2, 5\]"
    ):
        stack(torch.zeros(4, 2, 5))
    with pytest.raises(InputError, match=r"has three channels: give \[B, D·3\], found \[4, 784\]"):
        unstack(torch.zeros(4, 784))
    with pytest.raises(InputError, match="0 images, batches of 4 and 1 steps"):
        StackedBatches(digits.train[:0], 4, 1)
    for labels in (
        torch.zeros(4, 3),
        torch.zeros(4, 2, dtype=torch.long),
        torch.zeros(0, 3, dtype=torch.long),
    ):
        with pytest.raises(InputError, match=r"whole numbers \[N, 3\]"):
            stacked_modes(labels)
    with pytest.raises(InputError, match="Classes go from 0 to 9, found 0 to 10"):
        stacked_modes(torch.tensor([[0, 10, 3]]))
    with pytest.raises(InputError, match="no 'VAE' to train. Choose one of: GAN, DCGAN, WGAN, WGAN-GP"):
        stacked.train("VAE", digits, 0)
