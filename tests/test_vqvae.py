"""chapter10.vqvae against hand-computed values and gradients, and metrics.perplexity against codes with a known answer."""

import math

import pytest
import torch

from chapter10 import data, metrics
from chapter10.errors import InputError
from chapter10.gan_study import Rounds
from chapter10.training import fit
from chapter10.vae import bernoulli_log_likelihood
from chapter10.vqvae import (
    VQVAE,
    VectorQuantizer,
    VQVAETraining,
    check_codes,
    nearest_code,
    straight_through,
    vq_losses,
)

BOOK = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def small(**settings) -> VQVAE:
    torch.manual_seed(0)
    return VQVAE(**({"num_codes": 8, "code_dim": 4, "width": 4} | settings))


# The pure functions


def test_the_nearest_code_by_hand():
    z = torch.tensor([[0.4, 0.1], [0.6, -0.3], [0.1, 1.1], [5.0, 0.0]])
    assert nearest_code(z, BOOK).tolist() == [0, 1, 2, 1]
    assert nearest_code(z.view(2, 2, 2), BOOK).tolist() == [[0, 1], [2, 1]]


def test_the_nearest_code_is_the_nearest_of_all_distances():
    torch.manual_seed(0)
    z, book = torch.randn(3, 5, 5, 6), torch.randn(20, 6)
    each = (z.unsqueeze(-2) - book).square().sum(-1)  # (3, 5, 5, 20)
    assert torch.equal(nearest_code(z, book), each.argmin(-1))


def test_straight_through_has_the_codes_value_and_hands_the_gradient_to_z_as_it_is():
    z = torch.tensor([[0.4, 0.1]], requires_grad=True)
    book = BOOK.clone().requires_grad_()
    passed = straight_through(z, book[nearest_code(z, book)])
    assert torch.equal(passed.detach(), BOOK[:1])
    (passed * torch.tensor([[3.0, -7.0]])).sum().backward()
    assert z.grad.tolist() == [[3.0, -7.0]]
    assert book.grad is None  # the reconstruction moves no code


def test_the_two_losses_are_equal_and_move_different_things():
    z = torch.tensor(
        [[[0.4, 0.1], [0.1, 1.1]], [[1.0, 0.0], [5.0, 0.0]]], requires_grad=True
    )  # (B, places, C)
    book = BOOK.clone().requires_grad_()
    quantised = book[nearest_code(z, book)]
    losses = vq_losses(z, quantised)
    expected = torch.tensor([0.16 + 0.01 + 0.01 + 0.81, 0.0 + 16.0])  # sums over places and dimensions
    torch.testing.assert_close(losses.codebook, expected)
    torch.testing.assert_close(losses.commitment, expected)
    by_book = torch.autograd.grad(losses.codebook.sum(), [z, book], retain_graph=True, allow_unused=True)
    assert by_book[0] is None
    # 2 (e − z), summed over who chose the code: code 0 by (0.4, 0.1), code 1 by (1, 0) and (5, 0), code 2 by (0.1, 1.1)
    torch.testing.assert_close(by_book[1], torch.tensor([[-0.8, -0.2], [-8.0, 0.0], [-0.2, 1.8]]))
    by_encoder = torch.autograd.grad(losses.commitment.sum(), [z, book], allow_unused=True)
    assert by_encoder[1] is None
    torch.testing.assert_close(by_encoder[0], 2 * (z - quantised).detach())


# The quantizer


def test_the_quantizer_gives_vectors_and_numbers():
    quantizer = VectorQuantizer(3, 2)
    quantizer.codebook.copy_(BOOK)
    vectors, codes = quantizer(torch.tensor([[[0.6, -0.3], [0.1, 1.1]]]))
    assert codes.tolist() == [[1, 2]] and torch.equal(vectors, BOOK[[1, 2]].unsqueeze(0))


def test_moving_averages_by_hand():
    quantizer = VectorQuantizer(3, 2, decay=0.9, restart=0)
    quantizer.codebook.copy_(BOOK)
    quantizer.sums.copy_(BOOK / 3)
    z = torch.tensor(
        [[0.2, 0.0], [0.4, 0.0], [2.0, 1.0], [0.0, 0.1]]
    )  # three choose code 0, one code 1, none code 2
    assert quantizer.follow(z, torch.tensor([0, 0, 1, 0])) == 0
    usage = [0.9 / 3 + 0.1 * 3 / 4, 0.9 / 3 + 0.1 / 4, 0.9 / 3]
    torch.testing.assert_close(quantizer.usage, torch.tensor(usage))
    first = torch.tensor([0.1 * 0.6 / 4, 0.1 * 0.1 / 4]) / usage[0]
    second = torch.tensor([0.9 / 3 + 0.1 * 2 / 4, 0.1 * 1 / 4]) / usage[1]
    torch.testing.assert_close(quantizer.codebook, torch.stack([first, second, BOOK[2]]))


def test_moving_averages_end_at_the_mean_of_what_chose_the_code():
    torch.manual_seed(0)
    centres = torch.tensor([[-5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    quantizer = VectorQuantizer(3, 2, decay=0.9)
    quantizer.codebook.copy_(centres + 1)
    quantizer.sums.copy_((centres + 1) / 3)
    for _ in range(200):
        z = centres.repeat(50, 1) + 0.1 * torch.randn(150, 2)
        quantizer.follow(z, quantizer(z)[1])
    torch.testing.assert_close(quantizer.codebook, centres, atol=0.02, rtol=0)
    torch.testing.assert_close(quantizer.usage, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("decay", [0.9, None])
def test_a_code_that_nobody_chooses_is_restarted_where_a_vector_is(decay):
    quantizer = VectorQuantizer(3, 2, decay, restart=0.5)
    quantizer.codebook.data.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [900.0, 900.0]]))
    quantizer.sums.copy_(quantizer.codebook.detach() / 3)
    z = torch.tensor([[0.0, 0.1], [0.0, -0.1], [1.0, 0.1], [1.0, -0.1]])
    restarted, steps = 0, 0
    while not restarted:
        assert quantizer.codebook[2].tolist() == [900, 900]  # it stays, until it is dead
        restarted, steps = quantizer.follow(z, quantizer(z)[1]), steps + 1
    rest = decay or 0.99
    assert steps == math.ceil(math.log(0.5) / math.log(rest))  # its use has halved by then
    assert restarted == 1 and (z == quantizer.codebook[2].detach()).all(1).any()
    assert quantizer.usage[2].item() == pytest.approx(1 / 3)


def test_with_restart_0_a_dead_code_stays_where_it_is_and_finite():
    quantizer = VectorQuantizer(3, 2, decay=0.5, restart=0)
    quantizer.codebook.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [900.0, 900.0]]))
    quantizer.sums.copy_(quantizer.codebook / 3)
    z = torch.tensor([[0.0, 0.1], [1.0, 0.1]])
    for _ in range(300):  # 2^−300 is no longer a float32
        assert quantizer.follow(z, quantizer(z)[1]) == 0
    torch.testing.assert_close(quantizer.codebook, torch.tensor([[0.0, 0.1], [1.0, 0.1], [900.0, 900.0]]))


def test_the_codes_start_on_vectors_of_the_first_batch():
    quantizer, z = VectorQuantizer(5, 3), torch.randn(2, 4, 4, 3)
    assert not quantizer.started
    quantizer.start(z)
    rows = z.flatten(0, 2)
    found = (quantizer.codebook.unsqueeze(1) == rows).all(2)  # (5, 32)
    assert (
        quantizer.started and (found.sum(1) == 1).all() and (found.sum(0) <= 1).all()
    )  # each on another one


# The model


def test_shapes_and_that_decoding_the_codes_is_the_forward_pass():
    model, x = small().eval(), torch.rand(3, 784)
    z = model.encode(x)
    assert z.shape == (3, 7, 7, 4)
    codes = model.codes(x)
    assert codes.shape == (3, 7, 7) and codes.dtype == torch.int64
    assert torch.equal(codes, nearest_code(z, model.quantizer.codebook))
    logits, same = model(x)
    assert torch.equal(same, codes)
    torch.testing.assert_close(logits, model.decode_codes(codes))
    other = small(side=12)
    assert other(torch.rand(2, 144))[0].shape == (2, 144) and other.map_size == 3


def test_a_code_reaches_the_pixels_around_its_place_only():
    model = small().eval()
    codes = torch.zeros(1, 7, 7, dtype=torch.int64)
    changed = codes.clone()
    changed[0, 3, 1] = 5
    moved = (model.decode_codes(codes) != model.decode_codes(changed)).view(28, 28)
    rows, columns = moved.nonzero().unbind(1)
    # Place 3 is pixels 12 … 15; the three layers look 8 pixels further. Place 1 is pixels 4 … 7.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 0, 15)


def gradient(model, x, commitment=0.25):
    """What one step of the training descends, by autograd from the formula: {name: gradient}."""
    z = model.encode(x)
    book = model.quantizer.codebook
    quantised = book[nearest_code(z.detach(), book.detach())]
    logits = model.decode(z + (quantised - z).detach())
    loss = -bernoulli_log_likelihood(logits, x).mean()
    loss = loss + commitment * (z - quantised.detach()).square().sum((1, 2, 3)).mean()
    if model.quantizer.decay is None:
        loss = loss + (z.detach() - quantised).square().sum((1, 2, 3)).mean()
    named = [(n, p) for n, p in model.named_parameters()]
    found = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    return {n: g for (n, _), g in zip(named, found)}


@pytest.mark.parametrize("decay", [0.99, None])
@pytest.mark.parametrize("commitment", [0.0, 2.0])
def test_a_step_descends_the_formula_and_sends_each_gradient_where_it_belongs(decay, commitment):
    model, x = small(decay=decay), torch.rand(4, 784).round()
    model.quantizer.start(model.encode(x))
    expected = gradient(model, x, commitment)
    seen = {}
    training = VQVAETraining(model, commitment=commitment)
    training.optimizer.register_step_pre_hook(
        lambda *_: seen.update({n: p.grad.clone() for n, p in model.named_parameters()})
    )
    parts = training.step(x)
    assert seen.keys() == expected.keys() and ("quantizer.codebook" in seen) == (decay is None)
    for name, grad in seen.items():
        torch.testing.assert_close(grad, expected[name], msg=name)
    weight = parts["codebook"] if decay is None else 0
    total = commitment * parts["commitment"] + weight - parts["reconstruction"]
    torch.testing.assert_close(parts["loss"], total)


def test_the_encoder_learns_from_the_reconstruction():
    model, x = small(), torch.rand(4, 784).round()
    model.quantizer.start(model.encode(x))
    encoder = {n: g for n, g in gradient(model, x, commitment=0).items() if n.startswith("encoder")}
    assert encoder and all(g.abs().max() > 0 for g in encoder.values())


def test_the_codebook_moves_by_moving_averages_only_or_by_the_optimiser_only():
    x = torch.rand(4, 784).round()
    for decay in (0.5, None):
        model = small(decay=decay, restart=0)
        training = VQVAETraining(model, lr=1e-3)
        training.step(x)
        before = model.quantizer.codebook.detach().clone()
        model.train()
        z = model.encode(x).detach()
        sums, usage = model.quantizer.sums.clone(), model.quantizer.usage.clone()
        training.step(x)
        moved = (model.quantizer.codebook.detach() - before).abs()
        if decay is None:
            assert 0 < moved.max() < 2e-3  # Adam's step is about its rate
            assert torch.equal(model.quantizer.sums, sums)
        else:
            codes = nearest_code(z, before).flatten()
            for code in codes.unique():
                share = (codes == code).double().mean()
                mean = 0.5 * sums[code] + 0.5 * z.flatten(0, 2)[codes == code].mean(0) * share
                expected = mean / (0.5 * usage[code] + 0.5 * share)
                torch.testing.assert_close(
                    model.quantizer.codebook[code], expected.float(), atol=1e-5, rtol=1e-4
                )


def test_training_rebuilds_digits_and_uses_the_codebook(digits):
    torch.manual_seed(0)
    model = VQVAE(16, 8, 8)
    training = VQVAETraining(model, 3e-3)
    history = fit(training, Rounds(data.Batches(digits.train, 64), 60), 2, progress=False)
    assert history["reconstruction"][1] > history["reconstruction"][0] + 50
    x = data.to_unit(digits.test)
    mean = data.to_unit(digits.train).mean(0).clamp(1e-3, 1 - 1e-3).logit().expand_as(x)
    with torch.no_grad():
        logits, codes = model.eval()(x)
    assert bernoulli_log_likelihood(logits, x).mean() > bernoulli_log_likelihood(mean, x).mean() + 20
    assert metrics.perplexity(codes, 16).value > 4


def test_a_training_that_is_resumed_ends_as_one_that_was_not(digits):
    x = [data.binarize(data.to_unit(digits.train[i : i + 32])) for i in range(0, 128, 32)]
    whole, torn, later = (VQVAETraining(small()) for _ in range(3))
    torch.manual_seed(1)
    for batch in x:
        whole.step(batch)
    torch.manual_seed(1)
    for batch in x[:2]:
        torn.step(batch)
    later.load_state_dict(torn.state_dict())
    for batch in x[2:]:
        later.step(batch)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, later.model.state_dict()[name]), name


# Bad luck


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"num_codes": 1}, "num_codes is 1; give 2 or more"),
        ({"num_codes": 0}, "num_codes is 0; give a whole number"),
        ({"code_dim": 0}, "code_dim is 0"),
        ({"decay": 1.0}, "decay is 1.0; give a number between 0 and 1, or None"),
        ({"decay": 0}, "decay is 0"),
        ({"restart": 1}, "restart is 1; give a share"),
        ({"restart": -0.1}, "restart is -0.1"),
        ({"side": 27}, "side is 27; give a multiple of 4"),
        ({"side": 30}, "side is 30; give a multiple of 4"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_settings_that_make_no_codebook(settings, message):
    with pytest.raises(InputError, match=message):
        small(**settings)


def test_a_codebook_larger_than_the_data_is_told():
    training = VQVAETraining(small(num_codes=50))
    with pytest.raises(InputError, match="50 codes is larger than the data: the first batch has 49 vectors"):
        training.step(torch.rand(1, 784))
    assert training.step(torch.rand(2, 784))["loss"].isfinite()


@pytest.mark.parametrize(
    "x", [torch.rand(2, 729), torch.rand(2, 28, 28), torch.ones(2, 784, dtype=torch.uint8)]
)
def test_images_of_another_size_are_told(x):
    with pytest.raises(
        InputError, match=r"takes float images of 28×28 pixels, flattened, as \[B, 784\], found"
    ):
        small()(x)


def test_pixels_outside_0_and_1_are_told():
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        VQVAETraining(small()).step(2 * torch.rand(4, 784) - 1)


@pytest.mark.parametrize(
    "codes, message",
    [
        (
            torch.zeros(1, 6, 7, dtype=torch.int64),
            r"whole numbers \(int64\) \[B, 7, 7\], found torch.int64 \[1, 6, 7\]",
        ),
        (torch.zeros(1, 7, 7), "found torch.float32"),
        (torch.full((1, 7, 7), 8), "reach from 8 to 8; this codebook has 8, 0 to 7"),
        (torch.full((1, 7, 7), -1), "reach from -1 to -1"),
    ],
)
def test_codes_that_there_are_not(codes, message):
    with pytest.raises(InputError, match=message):
        small().decode_codes(codes)
    with pytest.raises(InputError, match=message):
        check_codes(codes, 8, 7)


def test_vectors_that_do_not_fit():
    with pytest.raises(InputError, match="3 numbers and the codes 2"):
        nearest_code(torch.zeros(4, 3), BOOK)
    with pytest.raises(InputError, match=r"z is \[4, 2\] and quantised \[3, 2\]"):
        vq_losses(torch.zeros(4, 2), BOOK)
    with pytest.raises(InputError, match=r"code vectors as \[B, 7, 7, 4\], found \[1, 4, 7, 7\]"):
        small().decode(torch.zeros(1, 4, 7, 7))


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_a_commitment_weight_that_is_none(weight):
    with pytest.raises(InputError, match="commitment is"):
        VQVAETraining(small(), commitment=weight)


# Perplexity


def test_perplexity_of_codes_with_a_known_answer():
    even = torch.arange(8).repeat(5)
    assert metrics.perplexity(even, 8).value == pytest.approx(8)
    assert metrics.perplexity(even, 64).value == pytest.approx(8)
    one = metrics.perplexity(torch.full((3, 7, 7), 5), 64)
    assert (one.value, one.used, one.dead, one.counts[5]) == (pytest.approx(1), 1, 63, 147)
    # shares ½, ¼, ¼: entropy 1.5 log 2
    assert metrics.perplexity(torch.tensor([0, 0, 1, 2]), 4).value == pytest.approx(2**1.5)
    assert (
        repr(metrics.perplexity(torch.tensor([0, 0, 1, 2]), 4))
        == "perplexity 2.8 of 4 codes, 1 of them dead (4 places)"
    )


def test_perplexity_over_the_data_is_more_than_the_mean_over_its_batches():
    batches = torch.stack([torch.zeros(10, dtype=torch.int64), torch.ones(10, dtype=torch.int64)])
    assert [metrics.perplexity(batch, 2).value for batch in batches] == pytest.approx([1, 1])
    assert metrics.perplexity(batches, 2).value == pytest.approx(2)


@pytest.mark.parametrize(
    "codes, message",
    [
        (torch.zeros(3), "found torch.float32"),
        (torch.zeros(0, dtype=torch.int64), r"one or more codes, whole numbers; found torch.int64 \[0\]"),
        (torch.tensor([0, 4]), "reach from 0 to 4; with num_codes = 4 they end at 3"),
        (torch.tensor([-1, 2]), "reach from -1 to 2"),
    ],
)
def test_perplexity_of_what_are_no_codes(codes, message):
    with pytest.raises(InputError, match=message):
        metrics.perplexity(codes, 4)
