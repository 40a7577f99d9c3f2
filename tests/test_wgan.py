"""chapter10.wgan against finite differences, critics of known slope, and who may move whom in each step."""

import math

import pytest
import torch
from torch import nn

from chapter10 import data, exact, wgan
from chapter10.errors import InputError, TrainingError
from chapter10.gan import Discriminator, Generator, MixtureDiscriminator, MixtureGenerator
from chapter10.nets import ConvDiscriminator, ConvGenerator, last_module
from chapter10.training import fit
from chapter10.wgan import WGANTraining


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def points(n=20, dim=2):
    return torch.randn(n, dim)


def small(**settings):
    return WGANTraining(MixtureGenerator(2, 16, 1), MixtureDiscriminator(16, 2), **settings)


class Linear(nn.Module):
    """A critic of slope ‖w‖ everywhere."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        return (x.flatten(1) @ self.w).unsqueeze(1)


class Deaf(nn.Module):
    """A critic that does not look at its input: a bias, no more."""

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.tensor([0.3]))

    def forward(self, x):
        return self.b.expand(len(x), 1)


# The losses


def test_the_losses_are_means_of_scores_with_their_signs():
    real, fake = torch.tensor([[3.0], [1.0]]), torch.tensor([[-1.0], [0.5], [2.0]])
    assert wgan.critic_loss(real, fake).item() == pytest.approx(-(2 - 0.5))
    assert wgan.critic_generator_loss(fake).item() == pytest.approx(-0.5)


@pytest.mark.parametrize("w", [[0.6, -0.8], [3.0, 4.0], [0.0, 0.0], [0.3, 0.4]])
@pytest.mark.parametrize("target", [1.0, 0.0])
def test_the_penalty_of_a_linear_critic_is_known_and_so_is_its_gradient(w, target):
    w = torch.tensor(w)
    critic, norm = Linear(w.clone()), w.norm().item()
    penalty = wgan.gradient_penalty(critic, points(), points(), target=target)
    assert penalty.item() == pytest.approx((norm - target) ** 2, abs=1e-6)
    penalty.backward()
    expected = 2 * (norm - target) * w / norm if norm else torch.zeros(2)  # at slope 0 nothing, and no NaN
    torch.testing.assert_close(critic.w.grad, expected)


def test_the_penalty_looks_at_the_place_that_epsilon_names():
    class Square(nn.Module):
        def forward(self, x):
            return x.square().sum(1, keepdim=True) / 2  # its slope at x is ‖x‖

    real, fake, epsilon = points(), points(), torch.rand(20)
    place = epsilon[:, None] * real + (1 - epsilon[:, None]) * fake
    expected = (place.norm(dim=1) - 1).square().mean()
    for shape in ((20,), (20, 1)):
        torch.testing.assert_close(wgan.gradient_penalty(Square(), real, fake, epsilon.view(shape)), expected)
    ends = [wgan.gradient_penalty(Square(), real, fake, torch.full((20,), share)) for share in (1.0, 0.0)]
    torch.testing.assert_close(ends, [(x.norm(dim=1) - 1).square().mean() for x in (real, fake)])


def test_the_norm_is_over_all_of_an_example_s_pixels_whatever_its_shape():
    w = torch.randn(2 * 4 * 4)
    real, fake = torch.randn(2, 5, 2, 4, 4)
    expected = (w.norm() - 1) ** 2
    torch.testing.assert_close(wgan.gradient_penalty(Linear(w), real, fake), expected)
    torch.testing.assert_close(wgan.gradient_penalty(Linear(w), real.flatten(1), fake.flatten(1)), expected)


def test_all_of_an_example_s_pixels_lie_on_the_line_between_its_two_images():
    seen = []

    class Spy(Linear):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    real, fake = torch.zeros(400, 3, 5), torch.ones(400, 3, 5)
    wgan.gradient_penalty(Spy(torch.randn(15)), real, fake)
    share = seen[0].flatten(1)
    assert (share == share[:, :1]).all()  # one ε an example
    share = share[:, 0].sort().values
    assert (
        share - (torch.arange(400) + 0.5) / 400
    ).abs().max() < 1.36 / 400**0.5 * 1.5  # uniform from 0 to 1


def test_the_penalty_s_gradient_is_that_of_finite_differences():
    critic = MixtureDiscriminator(8, 2).double()
    for parameter in critic.parameters():  # smooth instead of ReLU: its second derivative is not 0
        parameter.data.mul_(2)
    critic.model[1], critic.model[3] = nn.Tanh(), nn.Tanh()
    real, fake, epsilon = torch.randn(6, 2).double(), torch.randn(6, 2).double(), torch.rand(6).double()

    def penalty():
        return wgan.gradient_penalty(critic, real, fake, epsilon)

    penalty().backward()
    h, some = 1e-5, torch.Generator().manual_seed(1)
    for parameter in critic.parameters():
        for place in torch.randint(parameter.numel(), (3,), generator=some).tolist():
            flat = parameter.data.view(-1)
            here = flat[place].item()
            values = []
            for step in (h, -h):
                flat[place] = here + step
                values.append(penalty().item())
            flat[place] = here
            found = 0.0 if parameter.grad is None else parameter.grad.view(-1)[place].item()
            assert found == pytest.approx((values[0] - values[1]) / (2 * h), abs=1e-8, rel=1e-6)


def test_the_penalty_sends_no_gradient_to_the_data():
    real, fake = points().requires_grad_(), points().requires_grad_()
    wgan.gradient_penalty(MixtureDiscriminator(8, 1), real, fake).backward()
    assert real.grad is None and fake.grad is None


@pytest.mark.parametrize("epsilon", [torch.rand(20, 2), torch.rand(5), torch.tensor(0.5)])
def test_an_epsilon_for_each_pixel_is_refused(epsilon):
    with pytest.raises(InputError, match="one number for each of the 20 examples: with one a pixel"):
        wgan.gradient_penalty(Linear(torch.ones(2)), points(), points(), epsilon)


def test_lines_need_two_ends():
    with pytest.raises(InputError, match=r"real is \[20, 2\] and fake \[7, 2\]"):
        wgan.gradient_penalty(Linear(torch.ones(2)), points(), points(7))


# Bounds on the slope


def test_clipping_bounds_every_weight_and_no_more():
    critic = MixtureDiscriminator(8, 2)
    before = [p.detach().clone() for p in critic.parameters()]
    wgan.clip_weights(critic, 0.05)
    assert all(torch.equal(p, b.clamp(-0.05, 0.05)) for p, b in zip(critic.parameters(), before))


def test_spectral_layers_have_the_largest_singular_value_1_and_the_critic_no_slope_above_1():
    critic = wgan.spectral(MixtureDiscriminator(16, 2))
    for _ in range(50):  # a step of the power method each
        critic(points())
    for layer in (critic.model[0], critic.model[2], critic.model[4]):
        assert torch.linalg.svdvals(layer.weight)[0].item() == pytest.approx(1, abs=1e-3)
    x = points(500).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    assert slope.norm(dim=1).max() <= 1.001
    assert wgan.spectral(critic) is critic and len(critic.model[0].parametrizations.weight) == 1  # not twice


def test_spectral_normalisation_reaches_convolutions():
    critic = wgan.spectral(ConvDiscriminator(4))
    assert [name for name, _ in critic.named_parameters() if name.endswith("original")] == [
        f"model.{i}.parametrizations.weight.original" for i in (1, 3, 6, 8)
    ]
    with pytest.raises(InputError, match="All weights of Linear.* are 0"):
        nn.init.zeros_(zero := nn.Linear(3, 1).weight)
        layer = nn.Linear(3, 1)
        layer.weight.data.copy_(zero)
        wgan.spectral(layer)


@pytest.mark.parametrize("lipschitz", wgan.LIPSCHITZ)
def test_each_bound_holds_after_every_step(lipschitz):
    method = small(lipschitz=lipschitz, clip=0.03, lr=0.01, critic_steps=2)
    for _ in range(40):
        parts = method.step(5 + points(32))
    assert list(parts) == ["estimate", *(["penalty"] if lipschitz == "penalty" else []), "g_loss"]
    largest = max(p.abs().max().item() for p in method.critic.parameters())
    assert (largest <= 0.03) == (lipschitz == "clipping")
    if lipschitz == "spectral":
        assert torch.linalg.svdvals(method.critic.model[0].weight)[0] <= 1.01
    if lipschitz == "penalty":
        assert parts["penalty"] < 0.5


# The steps


def state(module):
    return [p.detach().clone() for p in module.parameters()]


def equal(module, before):
    return all(torch.equal(p, b) for p, b in zip(module.parameters(), before))


@pytest.mark.parametrize("lipschitz", wgan.LIPSCHITZ)
def test_each_step_moves_its_own_player_alone(lipschitz):
    method = small(lipschitz=lipschitz)
    generator, critic = state(method.generator), state(method.critic)
    method.critic_step(points())
    assert equal(method.generator, generator) and not equal(method.critic, critic)
    assert all(p.grad is None for p in method.generator.parameters())
    critic = state(method.critic)
    method.generator_step(20)
    assert equal(method.critic, critic) and not equal(method.generator, generator)


def test_the_critic_descends_loss_and_weighted_penalty():
    method = small(lr=0.0, penalty=7.0)
    real = points(6)
    torch.manual_seed(4)
    parts = method.critic_step(real)
    torch.manual_seed(4)
    with torch.no_grad():
        fake = method.generator(torch.randn(6, 2))
    loss = wgan.critic_loss(method.critic(real), method.critic(fake))
    penalty = wgan.gradient_penalty(method.critic, real, fake)
    weights = list(method.critic.parameters())
    expected = torch.autograd.grad(loss + 7 * penalty, weights, allow_unused=True)
    for parameter, gradient in zip(weights, expected):
        torch.testing.assert_close(parameter.grad, gradient)
    torch.testing.assert_close((parts["estimate"], parts["penalty"]), (-loss.detach(), penalty.detach()))


def test_the_generator_raises_the_critic_s_score():
    """Of a critic that never changes: the score grows, whose negative is the loss."""
    method = WGANTraining(MixtureGenerator(2, 16, 1), Linear(torch.tensor([0.6, 0.8])), lr=0.01)
    losses = [method.generator_step(200)["g_loss"].item() for _ in range(50)]
    assert losses[-1] < losses[0] - 1


@pytest.mark.parametrize(
    "lipschitz, distance", [("penalty", 2 * (1 + 2 / 20)), ("spectral", 2.0), ("clipping", 0.1 * 2)]
)
def test_a_linear_critic_of_two_points_finds_what_theory_says(lipschitz, distance):
    """Data at 2, a generator at 0: |w|·2 with the steepest slope allowed; the penalty allows 1 + 2/(2λ)."""

    class Still(MixtureGenerator):
        def forward(self, z):
            return 0 * super().forward(z)

    method = WGANTraining(
        Still(2, 4, 1, data_dim=1), nn.Linear(1, 1, bias=False), lr=0.02, lipschitz=lipschitz, clip=0.1, betas=(0.0, 0.9)
    )  # fmt: skip
    method.critic_step(torch.full((20, 1), 2.0))
    if lipschitz != "spectral":  # whose single weight is ±1, by the sign it began with
        for _ in range(400):
            method.critic_step(torch.full((20, 1), 2.0))
        assert method.critic_step(torch.full((20, 1), 2.0))["estimate"].item() == pytest.approx(
            distance, rel=0.02
        )
    else:
        assert abs(method.critic_step(torch.full((20, 1), 2.0))["estimate"].item()) == pytest.approx(
            distance, rel=1e-4
        )


def test_the_trained_critic_s_estimate_is_what_theory_says_of_the_penalty():
    class Normal(MixtureGenerator):
        def forward(self, z):
            return z[:, :1] + 0 * super().forward(z)

    method = WGANTraining(Normal(2, 4, 1, data_dim=1), MixtureDiscriminator(32, 2, data_dim=1), lr=0.01)
    estimates = [method.critic_step(torch.randn(256, 1) + 3)["estimate"].item() for _ in range(200)]
    mean = sum(estimates[-100:]) / 100
    x = torch.randn(2, 2000)
    best = exact.penalty_critic(x[0] + 3, x[1], 10.0).estimate.item()
    assert mean == pytest.approx(best, rel=0.05) and mean > 1.05 * exact.wasserstein_1d(x[0] + 3, x[1]).item()


def test_steps_parts_and_average_are_as_in_the_other_game():
    method = small(critic_steps=3, average=0.9)
    seen, step = [], method.critic_step
    method.critic_step = lambda x: seen.append(x) or step(x)
    x = points(12)
    method.step(x)
    assert torch.equal(torch.cat(seen), x) and [len(part) for part in seen] == [4, 4, 4]
    assert set(method.state_dict()) == {
        "generator",
        "critic",
        "g_optimizer",
        "d_optimizer",
        "averaged",
        "averaged_steps",
    }
    one, two = (method.sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    with pytest.raises(InputError, match="batch of 2 cannot be split among 3 steps of the critic"):
        method.step(points(2))


@pytest.mark.parametrize("lipschitz", wgan.LIPSCHITZ)
def test_a_training_goes_on_from_its_checkpoint_as_if_nothing_had_been(lipschitz, tmp_path):
    batches = data.PointBatches(data.ring(), 12, 3)

    def train(epochs, path):
        torch.manual_seed(0)
        method = small(lipschitz=lipschitz, critic_steps=2, average=0.5)
        fit(method, batches, epochs, checkpoint=path, progress=False)
        return method

    whole = train(4, None)
    train(2, tmp_path / "a.pt")
    rest = train(4, tmp_path / "a.pt")
    for name in ("generator", "critic", "averaged"):
        assert equal(getattr(whole, name), state(getattr(rest, name)))


# Bad luck


def test_a_critic_with_batch_norm_is_refused_with_the_reason():
    critic = ConvDiscriminator(4, batch_norm=True)
    with pytest.raises(InputError, match="batch norm, so its score of one example depends on the others"):
        WGANTraining(ConvGenerator(8, 4), critic)
    with pytest.raises(InputError, match="batch norm, which divides by the batch's spread"):
        WGANTraining(ConvGenerator(8, 4), critic, lipschitz="spectral")
    assert not any("parametrizations" in name for name, _ in critic.named_parameters())
    images = 2 * torch.rand(8, 784) - 1
    WGANTraining(ConvGenerator(8, 4), critic, lipschitz="clipping", critic_steps=1).step(
        images
    )  # as in Arjovsky et al.


def test_with_batch_norm_the_gradient_reaches_other_examples_as_the_refusal_says():
    critic, x = ConvDiscriminator(4, batch_norm=True), torch.randn(4, 784, requires_grad=True)
    for batch_norm, reached in ((True, True), (False, False)):
        critic = ConvDiscriminator(4, batch_norm)
        (slope,) = torch.autograd.grad(critic(x)[0].sum(), x)
        assert slope[1:].any().item() == reached


class Hidden(Linear):
    def forward(self, x):
        return super().forward(x).sigmoid()


@pytest.mark.parametrize("critic", [nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), Hidden(torch.ones(2))])
def test_a_critic_that_ends_in_a_sigmoid_is_refused(critic):
    with pytest.raises(InputError, match="critic ends in a sigmoid.*its estimate within ±1"):
        WGANTraining(MixtureGenerator(), critic)


@pytest.mark.parametrize("lipschitz", ["penalty", "clipping"])
def test_a_constant_critic_trains_without_nan(lipschitz):
    flat = MixtureDiscriminator(8, 1)
    for parameter in flat.parameters():
        nn.init.zeros_(parameter)
    for critic in (flat, Deaf()):
        method = WGANTraining(MixtureGenerator(2, 8, 1), critic, lipschitz=lipschitz, critic_steps=1)
        for _ in range(3):
            parts = method.step(points())
            assert all(value.isfinite() for value in parts.values()) and parts["estimate"] == 0
        if lipschitz == "penalty":
            assert parts["penalty"] == 1
        assert all(p.isfinite().all() for p in [*critic.parameters(), *method.generator.parameters()])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"penalty": -1.0}, "penalty is -1.0; give a weight λ from 0 up"),
        ({"penalty": math.nan}, "penalty is nan"),
        ({"penalty": math.inf}, "penalty is inf"),
        ({"clip": 0.0}, "clip is 0.0; give a bound for the weights above 0"),
        ({"clip": -0.1}, "clip is -0.1"),
        ({"critic_steps": 0}, "critic_steps is 0"),
        ({"lipschitz": "none"}, "lipschitz is 'none'; choose .*penalty, clipping, spectral"),
        ({"average": 1.0}, "average is 1.0"),
    ],
)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        small(**settings)
    if settings.get("clip") is not None:
        with pytest.raises(InputError, match=message):
            wgan.clip_weights(nn.Linear(2, 1), settings["clip"])


def test_players_that_cannot_play_are_refused():
    with pytest.raises(InputError, match=r"critic must give one score an image, \[64, 1\].*gives \[64, 2\]"):
        WGANTraining(MixtureGenerator(), nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"makes data \[B, 2\], which the critic does not take"):
        WGANTraining(MixtureGenerator(), MixtureDiscriminator(data_dim=3))
    with pytest.raises(InputError, match="critic has no weights to train"):
        WGANTraining(MixtureGenerator(), nn.Flatten())
    with pytest.raises(InputError, match=r"lie in \[−1, 1\].*found 0 to 1"):
        WGANTraining(Generator(3, 12), Discriminator(12)).step(torch.tensor([[0.0, 1.0] * 6] * 5))
    assert isinstance(last_module(Generator(3, 12)), nn.Tanh)


def test_without_any_bound_the_critic_runs_away_and_fit_says_what_to_try():
    class Exploding(Linear):
        def forward(self, x):
            return super().forward(x) * torch.finfo(torch.float32).max

    method = WGANTraining(MixtureGenerator(2, 8, 1), Exploding(torch.ones(2)), penalty=0.0, critic_steps=1)
    with pytest.raises(TrainingError, match="'estimate' .*became.*hold the critic back: a larger penalty"):
        fit(method, data.PointBatches(data.grid(), 16, 2), 1, progress=False)
