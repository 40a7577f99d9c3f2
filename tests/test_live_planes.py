"""A decoder taken to a plane: the same pictures, through fewer numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from chapter10 import live
from chapter10.errors import InputError
from chapter10.gan import Generator
from chapter10.int8 import ACTIVATIONS
from chapter10.recipes import load


def run(layers, z):
    for weight, bias, activation in layers:
        z = ACTIVATIONS[activation](z @ np.asarray(weight, dtype=float).T + np.asarray(bias, dtype=float))
    return z


def size(layers):
    return sum(np.asarray(weight).size for weight, _, _ in layers)


@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_the_plane_shows_what_the_decoder_draws_in_it(kind):
    torch.manual_seed(0)
    if kind == "vae":
        model = load("vae20-digits")
        layers, picture = live.layers_of(model.decoder), lambda z: model.decode(z).sigmoid()
    else:
        model = Generator()
        layers, picture = live.layers_of(model.model), lambda z: (model(z) + 1) / 2
    u, v = torch.randn(2, model.latent_dim)
    plane = live.plane_of(layers, u, v, reach=1.5, tolerance=0.02)
    s = 3 * torch.rand(500, 2) - 1.5
    with torch.no_grad():
        wanted = picture(s @ torch.stack([u, v])).numpy()
    found = run(plane, s.numpy())
    assert found.shape == wanted.shape
    assert (
        np.abs(found - wanted).max() < 0.04
    )  # between the points of its grid a little more than the tolerance
    assert size(plane) < size(layers)
    assert live.decoder_figure({"one": plane, "other": plane}, limits=1.5).kilobytes > 0


def test_a_decoder_without_hidden_layers_stays_exact():
    torch.manual_seed(0)
    linear = nn.Linear(5, 9)
    u, v = torch.randn(2, 5)
    plane = live.plane_of(live.layers_of(linear), u, v)
    s = torch.randn(7, 2)
    with torch.no_grad():
        wanted = linear(s @ torch.stack([u, v])).sigmoid().numpy()
    np.testing.assert_allclose(run(plane, s.numpy()), wanted, atol=1e-6)


def test_a_finer_tolerance_keeps_more():
    torch.manual_seed(1)
    layers = live.layers_of(load("vae20-digits").decoder)
    u, v = torch.randn(2, 20)
    assert size(live.plane_of(layers, u, v, tolerance=0.2)) < size(
        live.plane_of(layers, u, v, tolerance=0.02)
    )


def test_what_does_not_fit_is_refused():
    layers = live.layers_of(nn.Linear(5, 9))
    with pytest.raises(InputError, match="u has the shape"):
        live.plane_of(layers, torch.randn(4), torch.randn(5))
    with pytest.raises(InputError, match="reach is 0"):
        live.plane_of(layers, torch.randn(5), torch.randn(5), reach=0)
