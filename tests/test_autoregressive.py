"""The autoregressive VAE: what a pixel may see, probabilities that add up, samples that follow them."""

import math

import pytest
import torch

from chapter10 import autoregressive, metrics, vae
from chapter10.autoregressive import AutoregressiveVAE
from chapter10.errors import InputError
from chapter10.vae import VAETraining


def small(side=3, context=1, latent_dim=2, **settings):
    torch.manual_seed(0)
    model = AutoregressiveVAE(side * side, latent_dim, 8, context, width=5, **settings).double()
    with torch.no_grad():  # larger weights than at the start: each pixel of the window must count
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, dtype=p.dtype) * 0.7)
    return model


def binary(n, side):
    return torch.rand(n, side * side, dtype=torch.float64).round()


def all_images(pixels):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * pixels)


@pytest.mark.parametrize("context", [0, 1, 2, 4])
def test_a_pixel_sees_its_window_and_nothing_else(context):
    """By the gradient of each logit in x: rows above, columns to both sides, and of its own row only what is before."""
    side, n = 7, 32
    model, z = small(side, context), torch.randn(n, 2).double()
    x = binary(n, side).requires_grad_()
    logits = model.decode(z, x)
    for i in range(side * side):
        (gradient,) = torch.autograd.grad(
            logits[:, i].sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        seen = set(gradient.abs().amax(0).nonzero().flatten().tolist())  # in one of the images at least
        row, column = divmod(i, side)
        window = {
            r * side + c
            for r in range(max(0, row - context), row + 1)
            for c in range(max(0, column - context), min(side, column + context + 1))
            if r < row or c < column
        }
        assert seen == window, (row, column)
        assert all(j < i for j in seen)


def test_the_window_has_as_many_pixels_as_the_docstring_says():
    for context in (1, 2, 3):
        assert small(9, context).from_window.in_features == 2 * context * (context + 1)
    assert small(9, 0).from_window is None


@pytest.mark.parametrize("context", [0, 1, 2])
def test_probabilities_of_all_images_add_up_to_one(context):
    model, x = small(3, context), all_images(9)  # 512 of them
    for z in torch.randn(3, 2).double():
        logits = model.decode(z.expand(512, 2), x)
        total = vae.bernoulli_log_likelihood(logits, x).logsumexp(0)
        assert total.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("context", [0, 1, 3])
def test_samples_follow_the_probabilities(context):
    model, z = small(4, context), torch.randn(1, 2).double()
    drawn = model.sample(40_000, z=z.expand(40_000, 2), generator=torch.Generator().manual_seed(1))
    assert drawn.shape == (40_000, 16) and set(drawn.unique().tolist()) == {0.0, 1.0}
    x = all_images(16)
    p = vae.bernoulli_log_likelihood(model.decode(z.expand(len(x), 2), x), x).exp()
    # means of pixels, and of all products of two: the window's dependences show there
    for expected, found in (
        (p @ x, drawn.mean(0)),
        ((x * p.unsqueeze(1)).T @ x, drawn.T @ drawn / len(drawn)),
    ):
        assert (found - expected).abs().max() < 5 * 0.5 / math.sqrt(len(drawn))


def test_samples_repeat_with_a_generator_and_draw_z_from_the_prior():
    model = small(4, 1)
    first, again = (model.sample(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(3)).double()
    generator = torch.Generator().manual_seed(3)
    torch.randn(50, 2, generator=generator)
    assert torch.equal(first, model.sample(50, generator, z))


def test_without_a_window_it_is_an_ordinary_vae():
    z, one, other = torch.randn(5, 2).double(), binary(5, 4), binary(5, 4)
    for context in (0, 1):
        model = small(4, context)
        assert torch.equal(model.decode(z, one), model.decode(z, other)) == (context == 0)


def test_the_bound_shows_x_to_the_decoder():
    model, x = small(4, 1), binary(6, 4)
    torch.manual_seed(1)
    value, reconstruction, kl = vae.elbo(model, x)
    torch.manual_seed(1)
    mu, log_var = model.encode(x)
    logits = model.decode(model.reparameterize(mu, log_var), x)
    torch.testing.assert_close(reconstruction, vae.bernoulli_log_likelihood(logits, x))
    torch.manual_seed(1)
    assert torch.equal(model(x)[0], logits)


def test_the_importance_weighted_bound_comes_to_the_evidence():
    """Two latent dimensions: log p(x) by adding up p(z) p(x|z) over a grid."""
    model, x = small(3, 1), binary(4, 3)
    with torch.no_grad():
        for layer in (model.fc_mu, model.fc_var):  # a q near the prior: its weights don't get out of hand
            layer.weight.mul_(0.1)
            layer.bias.mul_(0.1)
    axis = torch.linspace(-7, 7, 281, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    log_prior = -0.5 * z.square().sum(1) - math.log(2 * math.pi) + 2 * math.log(axis[1] - axis[0])
    evidence = [
        (
            vae.bernoulli_log_likelihood(model.decode(z, one.expand(len(z), 9)), one.expand(len(z), 9))
            + log_prior
        ).logsumexp(0)
        for one in x
    ]
    torch.manual_seed(0)
    torch.testing.assert_close(metrics.iwae_bound(model, x, 20_000), torch.stack(evidence), rtol=0, atol=0.05)
    bound = metrics.mean_elbo(model, x.repeat(500, 1)).value
    assert bound < torch.stack(evidence).mean() - 0.001


def test_many_images_are_decoded_in_pieces_alike():
    model, n = small(4, 1), 2 * autoregressive.PIECE + 3
    x, z = binary(n, 4), torch.randn(n, 2).double()
    whole = model.decode(z, x).detach()
    with torch.no_grad():
        torch.testing.assert_close(model.decode(z, x), whole, rtol=0, atol=1e-12)


def test_codes_of_one_image_stand_one_after_the_other():
    model, x, z = small(3, 1), binary(2, 3), torch.randn(6, 2).double()
    expected = torch.cat([model.decode(z[:3], x[:1].expand(3, 9)), model.decode(z[3:], x[1:].expand(3, 9))])
    torch.testing.assert_close(vae.logits_of(model, z, x), expected)


def test_training_uses_what_neighbours_tell():
    """A chessboard or its negative: two images, one bit. Without z, the window finds it after the first pixel."""
    board = (torch.arange(4) + torch.arange(4).view(4, 1)) % 2
    x = torch.stack([board.flatten(), 1 - board.flatten()]).float().repeat(32, 1)
    torch.manual_seed(0)
    model = AutoregressiveVAE(16, 2, 16, context=1, width=16)
    method = VAETraining(model, lr=1e-2)
    losses = torch.stack([method.step(x)["loss"] for _ in range(200)])
    assert losses[0] > 8 and losses[-20:].mean() < 2 * math.log(2)
    blind = AutoregressiveVAE(16, 2, 16, context=0, width=16)
    method = VAETraining(blind, lr=1e-2, beta=1e6)  # z is too dear to be used
    assert min(method.step(x)["reconstruction"].neg().item() for _ in range(200)) > 0.9 * 16 * math.log(2)


def test_what_can_t_be_is_told():
    for settings, words in [
        ({"input_dim": 783}, "input_dim is 783; a window needs rows and columns"),
        ({"context": -1}, "context is -1; give a whole number of rows from 0 to 27"),
        ({"context": 28}, "context is 28"),
        ({"context": 1.5}, "context is 1.5"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"width": 0}, "width is 0"),
    ]:
        with pytest.raises(InputError, match=words):
            AutoregressiveVAE(**settings)
    model = small(4, 1)
    with pytest.raises(InputError, match="an image for each code, found 3 codes and 2 images"):
        model.decode(torch.randn(3, 2), binary(2, 4))
    with pytest.raises(InputError, match=r"flattened float images \[B, 16\]"):
        model.decode(torch.randn(3, 2), torch.zeros(3, 9))
    with pytest.raises(InputError, match=r"float codes z \[B, 2\]"):
        model.decode(torch.randn(3, 5), binary(3, 4))
    with pytest.raises(InputError, match="5 samples need as many codes, found 3"):
        model.sample(5, z=torch.randn(3, 2).double())
    with pytest.raises(InputError, match="n is 0"):
        model.sample(0)
