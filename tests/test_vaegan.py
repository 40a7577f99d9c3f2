"""chapter10.vaegan: the losses' exact values, and which gradient reaches which network."""

import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chapter10 import data, vaegan
from chapter10.comparison import decoder_of
from chapter10.errors import InputError
from chapter10.nets import ConvDiscriminator, Rows, follow
from chapter10.training import fit
from chapter10.vae import VAE, VAETraining, gaussian_kl, reparameterize
from chapter10.vaegan import ConvVAE, VAEGANTraining

NETWORKS = ("encoder", "decoder", "discriminator")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


class Judge(nn.Module):
    """A discriminator of 12 pixels, whose features and logits are linear and do not share a weight."""

    def __init__(self):
        super().__init__()
        self.see, self.tell = nn.Linear(12, 5), nn.Linear(12, 1)

    def features_and_logits(self, x):
        return self.see(x), self.tell(x)


def small(**settings):
    return VAEGANTraining(VAE(12, 3, 8, "tanh"), Judge(), **settings)


def images(n=6):
    return torch.rand(n, 12)


def networks(method):
    model = method.model
    encoder = nn.ModuleList([model.encoder, model.fc_mu, model.fc_var])
    return dict(zip(NETWORKS, (encoder, model.decoder, method.discriminator)))


def gradients(method, x, seed=1):
    """What `send_gradients` leaves at each network's weights, for the same noise each time."""
    torch.manual_seed(seed)
    method.send_gradients(method.losses(x))
    return {name: [p.grad for p in net.parameters()] for name, net in networks(method).items()}


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other))


# The losses


def test_the_likelihood_of_features_is_a_gaussian_s_without_its_constant():
    rebuilt, real = torch.randn(2, 4, 7, dtype=torch.float64)
    exact = torch.distributions.Normal(rebuilt, 1.0).log_prob(real).sum(1) + 3.5 * math.log(2 * math.pi)
    torch.testing.assert_close(vaegan.feature_log_likelihood(rebuilt, real), exact)


def test_the_discriminator_s_loss_is_the_chapter_s_with_two_kinds_of_fakes():
    real, rebuilt, drawn = torch.randn(3, 5, 1, dtype=torch.float64)
    entropy = F.binary_cross_entropy  # the chapter's, with labels
    expected = entropy(real.sigmoid(), torch.ones_like(real))
    for fake in (rebuilt, drawn):
        expected += entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(vaegan.discriminator_loss(real, rebuilt, drawn), expected)


def test_where_all_agree_the_best_discriminator_says_one_third():
    logit = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    assert vaegan.discriminator_loss(logit, logit, logit).item() == pytest.approx(3 * math.log(2))
    best = torch.full((4, 1), -math.log(2), dtype=torch.float64, requires_grad=True)  # sigmoid(−log 2) = 1/3
    loss = vaegan.discriminator_loss(best, best, best)
    assert loss.item() == pytest.approx(3 * math.log(3) - 2 * math.log(2))
    assert torch.autograd.grad(loss, best)[0].abs().max() < 1e-15


@pytest.mark.parametrize("generator", ["non-saturating", "minimax"])
def test_each_network_s_loss_is_what_algorithm_1_says(generator):
    method, x = small(gamma=0.3, beta=2.0, generator=generator), images()
    torch.manual_seed(1)
    losses = method.losses(x)
    torch.manual_seed(1)
    mu, log_var = method.model.encode(x)
    z = reparameterize(mu, log_var)
    rebuilt, drawn = (2 * method.model.decode(part).sigmoid() - 1 for part in (z, torch.randn_like(mu)))
    judge = method.discriminator
    distance = 0.5 * (judge.see(2 * x - 1) - judge.see(rebuilt)).square().sum(1).mean()
    fooled = {"non-saturating": lambda d: -d.log(), "minimax": lambda d: (1 - d).log()}[generator]
    game = sum(fooled(judge.tell(fake).sigmoid()).mean() for fake in (rebuilt, drawn))
    kl = gaussian_kl(mu, log_var).mean()
    torch.testing.assert_close(losses.encoder, distance + 2 * kl)
    torch.testing.assert_close(losses.decoder, 0.3 * distance + game)
    told = [judge.tell(part) for part in (2 * x - 1, rebuilt, drawn)]
    torch.testing.assert_close(losses.discriminator, vaegan.discriminator_loss(*told))
    for name, value in {"features": distance, "kl": kl, "g_loss": game}.items():
        torch.testing.assert_close(losses.parts[name], value)
    for name, logits in zip(("d_real", "d_rebuilt", "d_drawn"), told):
        torch.testing.assert_close(losses.parts[name], logits.sigmoid().mean())
    assert not any(part.requires_grad for part in losses.parts.values())


# Who gets which gradient


def test_each_network_gets_the_gradient_of_its_own_loss_and_of_no_other():
    method, x = small(gamma=0.3), images()
    found = gradients(method, x)
    for name, net in networks(method).items():
        torch.manual_seed(1)
        loss = getattr(method.losses(x), name)
        expected = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
        for gradient, value in zip(found[name], expected, strict=True):
            assert (gradient is None) == (value is None)
            if value is not None:
                torch.testing.assert_close(gradient, value)


def test_the_encoder_does_not_hear_of_the_game():
    method, x = small(gamma=0.3), images()
    before = gradients(method, x)
    with torch.no_grad():
        method.discriminator.tell.weight.mul_(-3)  # another verdict, from the same features
    method.gamma = 7.0
    after = gradients(method, x)
    assert same(before["encoder"], after["encoder"])
    assert not same(before["decoder"], after["decoder"])


def test_the_decoder_hears_of_reconstruction_by_gamma_and_of_no_kl():
    method, x = small(gamma=0.0), images()
    silent = gradients(method, x)["decoder"]
    with torch.no_grad():
        method.discriminator.see.weight.mul_(-3)
    method.beta = 9.0
    assert same(silent, gradients(method, x)["decoder"])
    method.gamma = 1.0
    assert not same(silent, gradients(method, x)["decoder"])


def test_the_discriminator_is_not_moved_to_make_reconstruction_easy():
    method, x = small(gamma=5.0), images()
    found = gradients(method, x)["discriminator"]
    # Of the four: the features' weight and bias, which decide no verdict here, and the verdict's.
    assert found[0] is None and found[1] is None and found[2].any() and found[3].any()


def test_a_step_moves_each_network_down_its_own_gradient():
    method, x = small(gamma=0.3, lr=1e-3), images()
    nets = networks(method)
    found = gradients(method, x)
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in nets.items()}
    torch.manual_seed(1)
    parts = method.step(x)
    assert set(parts) == {"features", "kl", "g_loss", "d_loss", "d_real", "d_rebuilt", "d_drawn"}
    for name, net in nets.items():
        for p, old, gradient in zip(net.parameters(), before[name], found[name]):
            # Adam's first step: lr against the gradient's sign
            expected = torch.zeros_like(old) if gradient is None else -1e-3 * gradient.sign()
            large = torch.ones_like(old, dtype=torch.bool) if gradient is None else gradient.abs() > 1e-5
            torch.testing.assert_close((p.detach() - old)[large], expected[large], rtol=1e-2, atol=1e-7)


def test_reconstructions_and_samples_reach_the_same_decoder_with_other_codes():
    method = small()
    seen = []
    method.model.decoder.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0]))
    x = images(5000)
    method.losses(x)
    rebuilt, drawn = seen[0].chunk(2)
    mu, log_var = method.model.encode(x)
    assert ((rebuilt - mu) / (0.5 * log_var).exp()).std().item() == pytest.approx(1, abs=0.03)
    assert drawn.mean().abs() < 0.03 and drawn.std().item() == pytest.approx(1, abs=0.03)
    assert torch.corrcoef(torch.stack([rebuilt.flatten(), drawn.flatten()]))[0, 1].abs() < 0.03


# The networks


def test_a_pixel_s_probability_and_what_the_discriminator_sees_are_the_same_grey():
    logits = 5 * torch.randn(1000)
    torch.testing.assert_close(vaegan.signed(logits), 2 * logits.sigmoid() - 1)


def test_a_conv_vae_is_a_vae_with_a_bound(digits):
    model, x = ConvVAE(7, 4, 16), data.binarize(data.to_unit(digits.train[:8]))
    logits, mu, log_var = model(x)
    assert logits.shape == (8, 784) and mu.shape == log_var.shape == (8, 7)
    assert {type(layer).__name__ for layer in model.modules()} & {"Tanh", "Sigmoid"} == set()
    parts = VAETraining(model).step(x)  # by autograd
    assert parts["loss"].item() == pytest.approx((parts["kl"] - parts["reconstruction"]).item())
    pictures = decoder_of(model.eval())(torch.randn(5, 7))
    assert pictures.shape == (5, 784) and 0 <= pictures.min() and pictures.max() <= 1


@pytest.mark.parametrize("batch_norm", [True, False])
def test_features_and_logits_come_from_one_pass(batch_norm):
    net, x = ConvDiscriminator(4, batch_norm), 2 * torch.rand(6, 784) - 1
    features, logits = net.eval().features_and_logits(x)
    assert features.shape == (6, 49 * 8)
    assert torch.equal(features, net.features(x)) and torch.equal(logits, net(x))
    layers = list(net.model)
    top = next(i for i, layer in enumerate(layers) if isinstance(layer, Rows))
    torch.testing.assert_close(nn.Sequential(*layers[: top + 1])(x), features)
    torch.testing.assert_close(nn.Sequential(*layers[top + 1 :])(features), logits)
    assert (
        features.min() < 0 < features.max()
    )  # after the leaky ReLU, which lets a fifth of the negative through


# Training


def trained(digits, epochs=1, **settings):
    torch.manual_seed(3)
    method = VAEGANTraining(ConvVAE(5, 4, 16), ConvDiscriminator(4, True, 16), average=0.9, **settings)
    history = fit(method, data.Batches(digits.train[:320], 32, "unit"), epochs, seed=3, progress=False)
    return method, history


def test_a_training_repeats_and_goes_on_from_its_state(digits):
    one, _ = trained(digits)
    two, _ = trained(digits)
    state = deepcopy(one.state_dict())  # an optimiser takes the very tensors it is given
    assert same(one.model.state_dict().values(), two.model.state_dict().values())
    other = VAEGANTraining(ConvVAE(5, 4, 16), ConvDiscriminator(4, True, 16), average=0.9)
    other.load_state_dict(state)
    x = data.to_unit(digits.test[:32])
    for method in (one, other):
        torch.manual_seed(4)
        method.step(x)
    for part in ("model", "averaged", "discriminator"):
        assert same(getattr(one, part).state_dict().values(), getattr(other, part).state_dict().values())
    assert one.averaged_steps == other.averaged_steps == 11


def test_the_average_follows_encoder_and_decoder_and_stays_out_of_training(digits):
    method, _ = trained(digits)
    assert not method.averaged.training and not any(p.requires_grad for p in method.averaged.parameters())
    pairs = zip(method.averaged.parameters(), method.model.parameters())
    assert all(not torch.equal(mean, now) for mean, now in pairs)
    single = small(average=0.9)
    single.step(images())
    assert same(single.averaged.parameters(), single.model.parameters())  # the mean of one
    plain = small()
    assert plain.averaged is plain.model


def test_a_mean_follows_weights_and_statistics():
    mean, now = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    now(torch.randn(9, 2))
    with torch.no_grad():
        now.weight.fill_(3.0)
    expected = 0.75 * mean.running_mean + 0.25 * now.running_mean
    follow(mean, now, 0.25)
    assert mean.weight.tolist() == [1.5, 1.5] and mean.num_batches_tracked == 1
    torch.testing.assert_close(mean.running_mean, expected)


def test_a_callback_s_eval_mode_does_not_last():
    method = small()
    method.model.eval(), method.discriminator.eval()
    method.step(images())
    assert method.model.training and method.discriminator.training


def test_one_rate_for_all_three():
    method = small(lr=1e-3)
    method.lr = 5e-4
    assert method.lr == 5e-4
    assert all(group["lr"] == 5e-4 for o in method.optimizers.values() for group in o.param_groups)


# What is refused


class Bare(nn.Module):
    def forward(self, x):
        return x


class Flat(Judge):
    def features_and_logits(self, x):
        return self.see(x), self.tell(x).squeeze(1)


class Sigmoid(Judge):
    def __init__(self):
        super().__init__()
        self.end = nn.Sigmoid()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"gamma": -1.0}, "gamma is -1.0; give a number from 0 up"),
        ({"gamma": math.nan}, "gamma is nan"),
        ({"beta": -0.5}, "beta is -0.5; give a number from 0 up"),
        ({"average": 1.0}, "average is 1.0; give a decay from 0 to below 1"),
        ({"generator": "wasserstein"}, "'wasserstein' is not known. Choose one of: non-saturating, minimax"),
    ],
)
def test_settings_that_there_are_not(settings, message):
    with pytest.raises(InputError, match=message):
        small(**settings)


@pytest.mark.parametrize(
    "judge, message",
    [
        (Bare(), "Bare has no method features_and_logits"),
        (
            Flat(),
            r"must give features \[B, F\] and logits \[B, 1\]; for 3 images it gives \[3, 5\] and \[3\]",
        ),
        (Sigmoid(), "ends in a sigmoid, but the losses take logits"),
    ],
)
def test_discriminators_that_can_t_serve(judge, message):
    with pytest.raises(InputError, match=message):
        VAEGANTraining(VAE(12, 3, 8), judge)


def test_images_in_another_range_or_form_are_told():
    with pytest.raises(InputError, match=r"Pixels must lie in \[0, 1\].*signed_to_unit"):
        small().step(2 * images() - 1)
    with pytest.raises(InputError, match=r"flattened float images \[B, 784\], found .* \[2, 27, 29\]"):
        ConvVAE().encode(torch.rand(2, 27, 29))
    with pytest.raises(InputError, match="as many rebuilt as real images"):
        vaegan.feature_log_likelihood(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(InputError, match="latent_dim is 0"):
        ConvVAE(0)
