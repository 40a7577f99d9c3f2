"""The comparison in equal time: the clock, that each kind is what its name says, and what is measured of it."""

import math

import pytest
import torch

from chapter10 import better_vaes, comparison, data, recipes
from chapter10.errors import InputError
from chapter10.vae import VAETraining
from chapter10.vaegan import VAEGANTraining


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def ruler(digits):
    return comparison.rulers("digits", digits)[0]


class Clock:
    """A processor clock that goes on by a second at each look."""

    def __init__(self):
        self.now = 100.0

    def process_time(self):
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(better_vaes, "time", clock)
    return clock


class Recorder:
    """A method that notes its rates, and does nothing."""

    def __init__(self):
        self.lr, self.rates, self.seen = 0.0, [], []

    def step(self, x):
        self.rates.append(self.lr)
        self.seen.append(len(x))
        return {}


def test_the_clock_ends_a_training_and_leads_the_rate(clock, digits):
    method = Recorder()
    found = better_vaes.train_for(method, data.Batches(digits.train[:10], 4), 11, 0.1, warmup=0.5)
    # Looks at 1, 2, … 10 s of 11; at the eleventh it is over.
    assert found == {"steps": 10, "images_seen": 4 + 4 + 2 + 4 + 4 + 2 + 4 + 4 + 2 + 4, "seconds": 11}
    assert method.rates[:5] == pytest.approx([0.1 * 2 * i / 11 for i in range(1, 6)])
    falling = [0.05 * (1 + math.cos(math.pi * (i / 11 - 0.5) / 0.5)) for i in range(6, 11)]
    assert method.rates[5:] == pytest.approx(falling)


def test_steps_take_from_the_clock_and_not_looks(digits, monkeypatch):
    spent = {"now": 0.0}

    class Slow(Recorder):
        def step(self, x):
            spent["now"] += 0.7
            return super().step(x)

    clock = type("Clock", (), {"process_time": staticmethod(lambda: spent["now"])})
    monkeypatch.setattr(better_vaes, "time", clock)
    found = better_vaes.train_for(Slow(), data.Batches(digits.train, 4), 3.0, 0.1)
    assert found["steps"] == 5 and found["seconds"] == 3.5  # the last step ends beyond it


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_a_time_that_is_none(seconds, digits):
    with pytest.raises(InputError, match="seconds is .*; give a time above 0"):
        better_vaes.train_for(Recorder(), data.Batches(digits.train, 4), seconds, 0.1)


@pytest.mark.parametrize("kind", better_vaes.KINDS)
def test_each_kind_draws_rebuilds_and_repeats(kind, digits, ruler, clock):
    state = torch.get_rng_state()
    one, two = (better_vaes.train(kind, digits, seed=3, seconds=8) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    steps = {"steps": 6, "prior_steps": 1} if kind == "VQ-VAE" else {"steps": 7}
    assert {name: one.about[name] for name in steps} == steps and one.about["seconds"] == 8.0 + (
        kind == "VQ-VAE"
    )
    first, again, other = (
        model.draw(20, torch.Generator().manual_seed(seed)) for model, seed in ((one, 0), (two, 0), (one, 1))
    )
    assert first.shape == (20, 784) and 0 <= first.min() and first.max() <= 1 and not first.requires_grad
    assert torch.equal(first, again) and not torch.equal(first, other)
    rebuilt = one.rebuild(ruler.real)
    assert rebuilt.shape == ruler.real.shape and torch.equal(rebuilt, two.rebuild(ruler.real))
    assert one.about == two.about


def test_the_three_with_gaussian_codes_are_what_they_are_called(digits, clock, monkeypatch):
    seen = []

    def train_for(method, batches, seconds, lr, warmup):
        seen.append((type(method), type(method.model), batches.form, batches.batch_size, lr, warmup))
        return {"steps": 0, "images_seen": 0, "seconds": seconds}

    monkeypatch.setattr(better_vaes, "train_for", train_for)
    abouts = [better_vaes.train(kind, digits, 0, 5).about for kind in ("VAE", "VAE, convolutions", "VAE-GAN")]
    vae, vaegan = recipes.get("vae20-digits"), recipes.get("vaegan-digits")
    conv = type(vaegan.build())
    assert seen == [
        (VAETraining, type(vae.build()), "binary", vae.batch_size, vae.lr, vae.warmup),
        (VAETraining, conv, "binary", vaegan.batch_size, vaegan.lr, vaegan.warmup),
        (VAEGANTraining, conv, "unit", vaegan.batch_size, vaegan.lr, vaegan.warmup),
    ]
    assert abouts[1]["parameters"] == abouts[2]["parameters"] and abouts[1]["kl"] == abouts[2]["kl"]


def test_a_perfect_model_scores_what_real_images_score(ruler):
    def draw(n, source):
        return ruler.real[torch.randperm(len(ruler.real), generator=source)[:n]]

    found = better_vaes.measures(better_vaes.Trained(draw, lambda x: x), ruler, seed=1)
    assert found["error"] == 0 and found["rebuilt_right"] == 1
    assert found["rebuilt_sharpness"] == pytest.approx(found["real_sharpness"])
    assert found["distance"] < 1.2 * found["floor"]  # some of them are the very same images
    grey = better_vaes.measures(better_vaes.Trained(draw, lambda x: 0 * x + 0.5), ruler, seed=1)
    assert grey["error"] == pytest.approx((ruler.real - 0.5).square().mean(1).sqrt().mean().item())
    assert grey["rebuilt_right"] < 0.3 and grey["rebuilt_sharpness"] == 0


def test_one_row_a_kind(monkeypatch):
    asked = []

    def train(kind, images, seed, seconds):
        asked.append((kind, images.name, seed, seconds))
        return better_vaes.Trained(lambda n, s: torch.rand(n, 784, generator=s), lambda x: x, {"steps": 7})

    monkeypatch.setattr(better_vaes, "train", train)
    rows = better_vaes.better_vaes("digits", 4)
    assert asked == [(kind, "digits", 4, better_vaes.SECONDS["digits"]) for kind in better_vaes.KINDS]
    assert [row["model"] for row in rows] == list(better_vaes.KINDS)
    assert all(row["steps"] == 7 and row["seed"] == 4 and row["distance"] > 100 for row in rows)


def test_another_kind_is_refused(digits):
    with pytest.raises(InputError, match="There is no 'flow' to train. Choose one of: VAE, VAE, conv"):
        better_vaes.train("flow", digits, 0, 1)
