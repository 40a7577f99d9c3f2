"""The chain rule written by hand, held to autograd's."""

import pytest
import torch
from torch import nn

from chapter10 import backprop, vae
from chapter10.errors import InputError
from chapter10.nets import Dropout


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("bias", [True, False])
def test_a_chain_has_the_gradients_that_autograd_finds(activation, bias):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(5, 7, bias), activation(), nn.Linear(7, 6), nn.Linear(6, 3, bias), activation()
    )
    layers.double()
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(4, 3, dtype=torch.float64)
    layers(x).backward(grad)
    expected, expected_x = gradients(layers), x.grad
    for p in layers.parameters():
        p.grad.fill_(99.0)  # what stands there must be replaced, not added to
    with torch.no_grad():
        kept = backprop.forward(layers, x.detach())
        found_x = backprop.backward(layers, kept, grad)
        torch.testing.assert_close(kept[-1], layers(x.detach()))
    torch.testing.assert_close(found_x, expected_x)
    torch.testing.assert_close(gradients(layers), expected)
    with torch.no_grad():
        assert backprop.backward(layers, kept, grad, to_input=False) is None
    torch.testing.assert_close(gradients(layers), expected)


def test_only_chains_of_known_layers_are_taken():
    linear = nn.Linear(3, 3)
    assert backprop.is_chain([linear, nn.ReLU(), linear, nn.Tanh(), linear])
    assert not backprop.is_chain([nn.ReLU(), linear])  # it would overwrite the caller's input
    assert not backprop.is_chain(
        [linear, nn.ReLU(), nn.Tanh()]
    )  # the second would overwrite what the first needs
    assert backprop.is_chain([linear, nn.LeakyReLU(0.2), Dropout(0.3), linear])
    assert not backprop.is_chain([linear, nn.Dropout()])
    assert not backprop.is_chain([nn.LazyLinear(3)])


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.2)])
@pytest.mark.parametrize("training", [True, False])
def test_a_pass_with_dropout_has_the_gradients_that_autograd_finds(activation, training):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(5, 40), activation, Dropout(0.3), nn.Linear(40, 30), activation, Dropout(0.5), nn.Linear(30, 1)
    )
    layers.double().train(training)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(4, 1, dtype=torch.float64)
    torch.manual_seed(1)
    output = layers(x)
    output.backward(grad)
    expected, expected_x = gradients(layers), x.grad
    for p in layers.parameters():
        p.grad = None
    torch.manual_seed(1)
    with torch.no_grad():
        run = backprop.Pass(layers, x.detach())
        torch.testing.assert_close(run.output, output.detach())
        torch.testing.assert_close(run.to_input(grad), expected_x)
        assert all(p.grad is None for p in layers.parameters())
        run.learn(grad)
    torch.testing.assert_close(gradients(layers), expected)


def model_and_batch(**settings) -> tuple[vae.VAE, torch.Tensor]:
    torch.manual_seed(1)
    model = vae.VAE(input_dim=30, latent_dim=4, hidden_dim=16, **settings)
    return model, torch.rand(8, 30).round()


@pytest.mark.parametrize("settings", [{}, {"activation": "tanh"}, {"hidden_layers": 1}, {"hidden_layers": 3}])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_elbo_has_the_gradients_that_autograd_finds(settings, beta):
    model, x = model_and_batch(**settings)
    torch.manual_seed(2)
    expected = vae.elbo(model, x, beta)
    (-expected.value.mean()).backward()
    wanted = gradients(model)
    torch.manual_seed(2)
    found = vae.elbo_gradients(model, x, beta)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b.mean())
    for name, grad in gradients(model).items():
        torch.testing.assert_close(grad, wanted[name], rtol=1e-4, atol=1e-6)


def test_grey_levels_and_given_noise_are_taken():
    model, _ = model_and_batch()
    x, eps = torch.rand(8, 30), torch.zeros(8, 4)
    found = vae.elbo_gradients(model, x, eps=eps)
    mu, log_var = model.encode(x)
    expected = vae.bernoulli_log_likelihood(model.decode(mu), x).mean()  # no noise: z = μ
    torch.testing.assert_close(found.reconstruction, expected)
    torch.testing.assert_close(found.kl, vae.gaussian_kl(mu, log_var).mean())


def test_both_ways_train_to_the_same_weights(monkeypatch):
    def train(by_hand: bool) -> dict[str, torch.Tensor]:
        model, x = model_and_batch()
        taken = []
        real = vae.elbo_gradients
        monkeypatch.setattr(vae, "elbo_gradients", lambda *a: taken.append(1) or real(*a))
        monkeypatch.setattr(vae, "by_hand", lambda model, x: by_hand)
        method = vae.VAETraining(model, lr=1e-3)
        torch.manual_seed(3)
        parts = [method.step(x) for _ in range(20)]
        monkeypatch.undo()
        assert len(taken) == (20 if by_hand else 0)
        assert parts[-1]["loss"] < parts[0]["loss"]
        return model.state_dict() | {f"last {k}": v for k, v in parts[-1].items()}

    torch.testing.assert_close(train(True), train(False), rtol=1e-3, atol=1e-5)


def test_who_is_differentiated_by_hand():
    model, x = model_and_batch()
    assert vae.by_hand(model, x)
    assert not vae.by_hand(model, x.double())
    assert not vae.by_hand(model.double(), x.double())

    class Other(vae.VAE):  # may encode otherwise: autograd follows whatever it does
        pass

    assert not vae.by_hand(Other(input_dim=30), x)
    frozen, _ = model_and_batch()
    frozen.fc_mu.weight.requires_grad_(False)
    assert not vae.by_hand(frozen, x)
    changed, _ = model_and_batch()
    changed.decoder.append(nn.Dropout())
    assert not vae.by_hand(changed, x)


def test_a_frozen_part_stays_as_it_is():
    model, x = model_and_batch()
    model.fc_mu.weight.requires_grad_(False)
    before = model.fc_mu.weight.clone()
    vae.VAETraining(model).step(x)
    assert torch.equal(model.fc_mu.weight, before)


@pytest.mark.parametrize("scale", [0.0, 1e3])
def test_extreme_inputs_stay_finite(scale):
    model, x = model_and_batch()
    with torch.no_grad():
        model.decoder[-1].bias.mul_(scale)
        model.fc_var.bias.fill_(50.0 if scale else -50.0)
    found = vae.elbo_gradients(model, x)
    assert all(part.isfinite() for part in found)
    assert all(grad.isfinite().all() for grad in gradients(model).values())


def test_wrong_input_is_refused_before_anything_is_written():
    model, x = model_and_batch()
    with pytest.raises(InputError, match="found 2"):
        vae.elbo_gradients(model, 2 * torch.ones_like(x))
    with pytest.raises(InputError, match="flattened"):
        vae.elbo_gradients(model, x.view(8, 5, 6))
    assert all(p.grad is None for p in model.parameters())
