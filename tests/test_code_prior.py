"""chapter10.code_prior: which codes a place sees, that the probabilities add up to 1, and that sampling follows them."""

import itertools
import math

import pytest
import torch

from chapter10.code_prior import (
    CodePrior,
    CodePriorTraining,
    MaskedConv2d,
    bits_per_image,
    sample_images,
    uniform_codes,
)
from chapter10.errors import InputError
from chapter10.vae import bernoulli_log_likelihood
from chapter10.vqvae import VQVAE


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pair(num_codes=6, **settings) -> tuple[VQVAE, CodePrior]:
    model = VQVAE(num_codes, 4, 4)
    with torch.no_grad():
        model.quantizer.start(model.encode(torch.rand(8, 784)))
    return model.eval(), CodePrior(num_codes, width=8, blocks=2, code_dim=4, **settings)


# What a place sees


def test_a_masked_convolution_by_hand():
    layer = MaskedConv2d(1, 1, 2, 3, itself=False)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.tensor([[[[1.0, 2, 3], [4, 50, 60]]]]))  # 50 and 60 are hidden
        layer.conv.bias.fill_(0.5)
    x = torch.tensor([[[[1.0, 10, 100], [7, 8, 9]]]])
    expected = torch.tensor(
        [[0.5, 4.5, 40.5], [2 * 1 + 3 * 10 + 0.5, 1 + 20 + 300 + 4 * 7 + 0.5, 10 + 200 + 4 * 8 + 0.5]]
    )
    torch.testing.assert_close(layer(x)[0, 0], expected)
    itself = MaskedConv2d(1, 1, 2, 3, itself=True)
    itself.load_state_dict(layer.state_dict())
    torch.testing.assert_close(itself(x)[0, 0], expected + 50 * x[0, 0])


def test_a_place_sees_every_code_before_it_and_none_else():
    prior = CodePrior(5, size=4, width=8, blocks=3).double()
    base = torch.randint(5, (1, 4, 4))
    before = prior(base)[0].flatten(1)  # (K, places)
    for place in range(16):
        moved = torch.zeros(16, dtype=torch.bool)
        for code in range(5):  # some change may pass unseen where a ReLU is off
            other = base.clone().flatten(1)
            other[0, place] = code
            moved |= (prior(other.view(1, 4, 4))[0].flatten(1) != before).any(0)
        assert moved.tolist() == [later > place for later in range(16)]


@pytest.mark.parametrize("size, blocks", [(7, 1), (7, 4), (3, 1)])
def test_nothing_later_is_seen_at_any_depth(size, blocks):
    prior = CodePrior(5, size, width=8, blocks=blocks)
    base = torch.randint(5, (1, size, size))
    before = prior(base)[0].flatten(1)
    for place in range(size**2):
        other = base.flatten(1).clone()
        other[0, place:] = torch.randint(5, (size**2 - place,))
        after = prior(other.view(1, size, size))[0].flatten(1)
        torch.testing.assert_close(after[:, : place + 1], before[:, : place + 1])


# Probabilities


def test_the_probabilities_of_all_maps_add_up_to_1():
    prior = CodePrior(3, size=2, width=8, blocks=1).double()
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    assert prior.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_log_prob_is_the_product_of_the_places():
    prior, codes = CodePrior(4, size=3, width=8, blocks=1), torch.randint(4, (2, 3, 3))
    each = prior(codes).log_softmax(1)
    expected = [
        sum(each[b, codes[b, i, j], i, j].item() for i in range(3) for j in range(3)) for b in range(2)
    ]
    assert prior.log_prob(codes).tolist() == pytest.approx(expected, rel=1e-5)


def test_samples_are_as_frequent_as_the_prior_says():
    prior = CodePrior(3, size=2, width=8, blocks=1)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(3)  # far from uniform
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    expected = prior.log_prob(every).exp()
    n = 40_000
    drawn = prior.sample(n, torch.Generator().manual_seed(0)).flatten(1) @ torch.tensor([27, 9, 3, 1])
    found = torch.bincount(drawn, minlength=81) / n
    error = (expected * (1 - expected) / n).sqrt()
    assert ((found - expected).abs() < 5 * error + 1e-4).all()
    assert expected.max() > 3 / 81


def test_the_source_of_random_numbers_decides_the_sample():
    prior = CodePrior(5, size=3, width=8, blocks=1).train()
    one, same, other = (prior.sample(20, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == (20, 3, 3) and prior.training
    model, _ = pair()
    state = torch.get_rng_state()
    uniform = uniform_codes(model, 20, torch.Generator().manual_seed(1))
    assert uniform.shape == (20, 7, 7) and torch.equal(state, torch.get_rng_state())


def test_sampling_place_by_place_gives_what_the_whole_map_says():
    prior, n = CodePrior(7, size=5, width=16, blocks=3), 40
    codes = prior.sample(n, torch.Generator().manual_seed(0))
    uniform = torch.rand(5, 5, n, 1, generator=torch.Generator().manual_seed(0))
    cumulated = prior(codes).softmax(1).cumsum(1)  # (n, K, 5, 5)
    again = (cumulated < uniform.permute(2, 3, 0, 1)).sum(1)
    assert (again == codes).double().mean() > 0.999  # a draw at the very edge may be rounded to either side
    assert len(codes.unique()) == 7


# Training


def test_a_step_descends_minus_log_prob_and_leaves_the_vqvae_alone():
    model, prior = pair()
    training, x = CodePriorTraining(prior, model), torch.rand(4, 784)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    expected = -prior.log_prob(model.codes(x)).mean()
    assert training.step(x)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in before.items())
    assert all(p.grad is None for p in model.parameters())
    assert -prior.log_prob(model.codes(x)).mean() < expected


def test_a_prior_learns_codes_that_follow_from_each_other():
    """Of maps in which each code is the one before it plus one, only the first is open: log K nats."""
    model, prior = pair()
    maps = (torch.arange(49).view(7, 7) + torch.arange(6).view(6, 1, 1)) % 6
    model.codes = lambda x: maps[x[:, 0].mul(6).long()]
    training = CodePriorTraining(prior, model, lr=1e-2)
    first = training.step(torch.rand(64, 784))["loss"]
    for _ in range(150):
        last = training.step(torch.rand(64, 784))["loss"]
    assert first > 49 * math.log(6) * 0.9 and last < math.log(6) + 1
    steps = prior.sample(50).flatten(1)
    assert ((steps[:, 1:] - steps[:, :-1]) % 6 == 1).double().mean() > 0.9


# Bits


def test_bits_are_those_of_the_codes_and_of_the_pixels():
    model, prior = pair()
    x = torch.rand(5, 784).round()
    codes = model.codes(x)
    CodePriorTraining(prior, model)
    learned, uniform = bits_per_image(model, prior, x), bits_per_image(model, None, x)
    torch.testing.assert_close(learned.codes, -prior.log_prob(codes) / math.log(2))
    torch.testing.assert_close(uniform.codes, torch.full((5,), 49 * math.log2(6)))
    pixels = -bernoulli_log_likelihood(model.decode_codes(codes), x) / math.log(2)
    for bits in (learned, uniform):
        torch.testing.assert_close(bits.pixels, pixels)
        torch.testing.assert_close(bits.total, bits.codes + bits.pixels)


def test_the_encoder_may_look_at_grey_levels():
    model, prior = pair()
    grey = torch.rand(5, 784)
    x, codes = grey.round(), model.codes(grey)
    prior.belong_to(model)
    bits = bits_per_image(model, prior, x, grey)
    torch.testing.assert_close(bits.codes, -prior.log_prob(codes) / math.log(2))
    torch.testing.assert_close(
        bits.pixels, -bernoulli_log_likelihood(model.decode_codes(codes), x) / math.log(2)
    )
    with pytest.raises(InputError, match=r"x is \[5, 784\] and seen \[4, 784\]"):
        bits_per_image(model, prior, x, grey[:4])


def test_the_total_is_no_less_than_the_bits_of_the_image():
    """With 2 codes on 1×1 places, p(x) = Σ p(code) p(x|code) can be added up: the bits of the one code are a bound."""
    model = VQVAE(2, 3, 4, side=4)
    with torch.no_grad():
        model.quantizer.start(model.encode(torch.rand(8, 16)))
    model.eval()
    prior = CodePrior(2, size=1, width=4, blocks=1, code_dim=3)
    prior.belong_to(model)
    x, both = torch.rand(20, 16).round(), torch.tensor([0, 1]).view(2, 1, 1)
    with torch.no_grad():
        joint = torch.stack([
            bernoulli_log_likelihood(model.decode_codes(code.expand(20, 1, 1)), x) + prior.log_prob(code.view(1, 1, 1))
            for code in both
        ])  # fmt: skip
    exact = -joint.logsumexp(0) / math.log(2)
    assert (bits_per_image(model, prior, x).total >= exact - 1e-5).all()


def test_images_are_made_of_the_prior_s_codes():
    model, prior = pair()
    images = sample_images(model, prior, 7, torch.Generator().manual_seed(3))
    codes = prior.sample(7, torch.Generator().manual_seed(3))
    torch.testing.assert_close(images, model.decode_codes(codes).sigmoid().detach())


# Bad luck


def test_a_prior_trained_on_other_codes_is_told():
    model, prior = pair()
    other, _ = pair()
    CodePriorTraining(prior, model)
    for ask in (
        lambda: sample_images(other, prior, 2),
        lambda: bits_per_image(other, prior, torch.rand(2, 784)),
        lambda: CodePriorTraining(prior, other),
    ):
        with pytest.raises(
            InputError, match="trained on the codes of another codebook: here the same numbers mean"
        ):
            ask()
    assert sample_images(model, prior, 2).shape == (2, 784)
    shuffled = model.quantizer.codebook[torch.randperm(6)]
    model.quantizer.codebook.copy_(shuffled)  # the same codes, with other numbers
    with pytest.raises(InputError, match="another codebook"):
        prior.belong_to(model)


def test_stored_weights_still_belong_together():
    model, prior = pair()
    prior.belong_to(model)
    stored = {k: v.half().float() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict(stored)
    prior.belong_to(model)
    again = pair()[1]
    again.load_state_dict(prior.state_dict())
    again.belong_to(model)


@pytest.mark.parametrize("settings", [{"num_codes": 5}, {"size": 6}, {"code_dim": 3}])
def test_a_prior_for_a_codebook_of_another_size_is_told(settings):
    model, _ = pair()
    prior = CodePrior(**({"num_codes": 6, "code_dim": 4, "width": 8} | settings))
    with pytest.raises(InputError, match=r"make CodePrior\(num_codes=6, size=7, code_dim=4\)"):
        CodePriorTraining(prior, model)


def test_codes_and_numbers_that_there_are_not():
    prior = CodePrior(5, size=3, width=8, blocks=1)
    for codes in (torch.full((1, 3, 3), 5), torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(1, 3, 3)):
        with pytest.raises(InputError, match="[Cc]odes"):
            prior.log_prob(codes)
    with pytest.raises(InputError, match="n is 0; give a whole number"):
        prior.sample(0)
    with pytest.raises(InputError, match="columns is 4; give an odd number"):
        MaskedConv2d(1, 1, 2, 4, itself=True)
    with pytest.raises(InputError, match="blocks is 0"):
        CodePrior(blocks=0)
