"""chapter10.gan against the chapter's formulas, closed forms, and who may move whom in each step."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chapter10 import data, gan
from chapter10.errors import InputError, TrainingError
from chapter10.gan import (
    Discriminator,
    GANTraining,
    Generator,
    MixtureDiscriminator,
    MixtureGenerator,
    Objective,
)
from chapter10.nets import ConvDiscriminator, ConvGenerator, Dropout, Maxout
from chapter10.training import fit


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def images(n=16, dim=12):
    return 2 * torch.rand(n, dim) - 1


def small(objective=None, **settings):
    """A game over 12 pixels."""
    return GANTraining(Generator(3, 12), Discriminator(12), objective=objective, **settings)


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def equal(module, before):
    return all(torch.equal(p, b) for p, b in zip(module.parameters(), before))


class ByAutograd(Generator):
    """The same network under another name: its steps go through autograd."""


GENERATORS = [Generator, ByAutograd]


class Linear(nn.Module):
    """A discriminator with one weight a pixel: its logit is x·w + b."""

    def __init__(self, w, b=0.3):
        super().__init__()
        self.w, self.b = nn.Parameter(w), b

    def forward(self, x):
        return (x @ self.w + self.b).unsqueeze(1)


# The losses


def logits():
    return 3 * torch.randn(7, 1, dtype=torch.float64), 3 * torch.randn(7, 1, dtype=torch.float64)


def test_the_discriminator_s_loss_is_the_chapter_s():
    real, fake = logits()
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    expected = F.binary_cross_entropy(real.sigmoid(), ones) + F.binary_cross_entropy(fake.sigmoid(), zeros)
    torch.testing.assert_close(gan.discriminator_loss(real, fake), expected)


def test_smoothed_labels_are_those_of_real_images_alone():
    real, fake = logits()
    expected = F.binary_cross_entropy_with_logits(real, torch.full_like(real, 0.9))
    expected += F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    torch.testing.assert_close(gan.discriminator_loss(real, fake, 0.1), expected)


def test_the_generator_s_two_losses_are_those_of_formula_and_code():
    _, fake = logits()
    torch.testing.assert_close(gan.minimax_generator_loss(fake), torch.log(1 - fake.sigmoid()).mean())
    code = F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
    torch.testing.assert_close(gan.non_saturating_generator_loss(fake), code)


def test_the_value_of_the_game_is_minus_the_discriminator_s_loss_and_log_4_at_a_half():
    real, fake = logits()
    torch.testing.assert_close(gan.game_value(real, fake), -gan.discriminator_loss(real, fake))
    assert gan.game_value(torch.zeros(3, 1), torch.zeros(5, 1)).item() == pytest.approx(-math.log(4))


def gradient(loss, at):
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


def test_the_generator_s_gradients_have_the_factors_of_the_theory():
    _, fake = logits()
    torch.testing.assert_close(gradient(gan.minimax_generator_loss, fake), -fake.sigmoid() / 7)
    torch.testing.assert_close(gradient(gan.non_saturating_generator_loss, fake), -(-fake).sigmoid() / 7)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_slopes_are_the_losses_gradients(smoothing):
    real, fake = (part.requires_grad_() for part in logits())
    loss = gan.discriminator_loss(real, fake[:5], smoothing)
    expected = torch.cat(torch.autograd.grad(loss, [real, fake]))[:12]
    torch.testing.assert_close(gan.discriminator_slope(real, fake[:5], smoothing), expected)
    for loss_of, slope_of in gan.GENERATOR_LOSSES.values():
        torch.testing.assert_close(slope_of(fake), gradient(loss_of, fake.detach()))


@pytest.mark.parametrize("size", [25.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_logits_up_to_a_hundred_values_and_gradients_are_those_of_the_limit(size, dtype):
    high = torch.full((1, 1), size, dtype=dtype)
    tiny = math.exp(-size)
    for loss, at, value, slope in [
        (gan.minimax_generator_loss, high, -size, -1),
        (gan.minimax_generator_loss, -high, -tiny, -tiny),
        (gan.non_saturating_generator_loss, high, tiny, -tiny),
        (gan.non_saturating_generator_loss, -high, size, -1),
        (lambda real: gan.discriminator_loss(real, -high), high, 2 * tiny, -tiny),
        (lambda real: gan.discriminator_loss(real, -high), -high, size + tiny, -1),
        (lambda fake: gan.discriminator_loss(high, fake), high, size + tiny, 1),
        (lambda real: gan.discriminator_loss(real, -high, 0.1), high, size / 10, 0.1),
        (lambda real: gan.discriminator_loss(real, -high, 0.1), -high, 0.9 * size, -0.9),
    ]:
        smallest = torch.finfo(dtype).tiny
        assert loss(at).item() == pytest.approx(value, rel=1e-6, abs=smallest)
        assert gradient(loss, at).item() == pytest.approx(slope, rel=1e-6, abs=smallest)


def test_r1_of_a_linear_discriminator_is_its_squared_weight_and_pulls_at_it():
    w = torch.tensor([0.6, -0.8, 2.0])
    discriminator = Linear(w)
    penalty = gan.r1_penalty(discriminator, torch.randn(5, 3))
    assert penalty.item() == pytest.approx(5.0)
    penalty.backward()
    torch.testing.assert_close(discriminator.w.grad, 2 * w)


def test_r1_is_the_mean_over_the_data_of_the_squared_slope():
    class Square(nn.Module):
        def forward(self, x):
            return x.square().sum(1, keepdim=True)  # its gradient is 2x

    x = torch.randn(6, 4)
    torch.testing.assert_close(gan.r1_penalty(Square(), x), 4 * x.square().sum(1).mean())
    assert not x.requires_grad


def best_discriminator(p, q, **objective):
    """σ of each point's logit after D's own steps, where real and fake are drawn in exactly the shares p and q."""
    real, fake = (torch.eye(len(p)).repeat_interleave(torch.tensor(share), 0) for share in (p, q))

    class Table(nn.Module):  # draws nothing: the points in their shares
        latent_dim = 1

        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))

        def forward(self, z):
            return fake[: len(z)] + 0 * self.unused

    method = GANTraining(
        Table(), nn.Linear(len(p), 1, bias=False), lr=0.05, betas=(0.9, 0.999), objective=Objective(**objective)
    )
    for _ in range(600):
        method.discriminator_step(real)
    return method.discriminator.weight.detach().sigmoid().squeeze(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_best_discriminator_is_p_over_p_plus_q_and_smoothing_takes_its_share(smoothing):
    p, q = [5, 3, 2], [1, 3, 6]
    best = torch.tensor([(1 - smoothing) * a / (a + b) for a, b in zip(p, q)])
    torch.testing.assert_close(best_discriminator(p, q, smoothing=smoothing), best, atol=2e-3, rtol=0)


@pytest.mark.parametrize("wrong", [{"generator": "wgan"}, {"smoothing": 1.0}, {"smoothing": -0.1}, {"r1": -1.0},
                                   {"instance_noise": math.nan}])  # fmt: skip
def test_an_objective_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong.values()))}.*(Choose one of|give a)"):
        Objective(**wrong)


# The networks


def test_the_chapter_s_networks_have_its_layers():
    shapes = [tuple(p.shape) for p in Generator().parameters() if p.ndim == 2]
    assert shapes == [(256, 100), (512, 256), (784, 512)]
    shapes = [tuple(p.shape) for p in Discriminator().parameters() if p.ndim == 2]
    assert shapes == [(512, 784), (256, 512), (1, 256)]
    kinds = [type(m) for m in Discriminator().model]
    assert kinds == [nn.Linear, nn.LeakyReLU, Dropout, nn.Linear, nn.LeakyReLU, Dropout, nn.Linear]
    assert [m.negative_slope for m in Discriminator().model if isinstance(m, nn.LeakyReLU)] == [0.2, 0.2]
    assert [m.p for m in Discriminator().model if isinstance(m, Dropout)] == [0.3, 0.3]


@pytest.mark.parametrize(
    "generator, discriminator",
    [(Generator(), Discriminator()), (ConvGenerator(), ConvDiscriminator()), (ConvGenerator(8, 4), ConvDiscriminator(4, True))],
)
def test_images_lie_in_the_signed_interval_and_get_a_logit_and_a_probability(generator, discriminator):
    fake = generator(5 * torch.randn(6, generator.latent_dim))
    assert fake.shape == (6, 784) and -1 <= fake.min() < 0 < fake.max() <= 1
    discriminator.eval()
    logit = discriminator(fake)
    assert logit.shape == (6, 1)
    torch.testing.assert_close(discriminator.probability(fake), logit.sigmoid())


def test_dcgan_weights_are_drawn_as_its_authors_do():
    for net in (ConvGenerator(width=32), ConvDiscriminator(width=32)):
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.15)


def test_pacgan_s_networks():
    generator, discriminator = MixtureGenerator(2, 400, 4, batch_norm=True), MixtureDiscriminator(200, 3, maxout=5)
    kinds = [type(m) for m in generator.model]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 4 + [nn.Linear]
    assert [m.linear.out_features for m in discriminator.model if isinstance(m, Maxout)] == [1000] * 3
    assert discriminator(generator(torch.randn(5, 2))).shape == (5, 1)


def test_maxout_takes_the_greatest_of_its_own_pieces():
    layer = Maxout(3, 2, 4)
    x = torch.randn(5, 3)
    lines = x @ layer.linear.weight.T + layer.linear.bias
    expected = torch.stack([lines[:, unit::2].max(1).values for unit in range(2)], 1)  # each has every other line
    torch.testing.assert_close(layer(x), expected)


def test_players_say_what_they_take():
    with pytest.raises(InputError, match=r"generator takes float latent vectors as \[B, 100\], found torch.float32 \[4, 3\]"):
        Generator()(torch.randn(4, 3))
    with pytest.raises(InputError, match=r"discriminator takes float images as \[B, 784\], found torch.float32 \[2, 28, 28\]"):
        Discriminator()(torch.zeros(2, 28, 28))
    with pytest.raises(InputError, match="latent_dim is 0"):
        Generator(latent_dim=0)


# Dropout


@pytest.mark.parametrize("p", [0.3, 0.5, 0.05])
def test_dropout_drops_that_share_each_unit_by_itself_and_keeps_the_mean(p):
    n = 400_000
    layer = Dropout(p)
    out = layer(torch.ones(n // 4, 4))
    kept = (out != 0).double()
    error = math.sqrt(p * (1 - p) / n)
    assert kept.mean().item() == pytest.approx(1 - p, abs=5 * error)
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4)
    # the four units of one draw, and neighbouring draws, don't know of each other
    correlation = torch.corrcoef(torch.cat([kept[:-1].T, kept[1:].T]))
    assert (correlation - torch.eye(8)).abs().max() < 5 / math.sqrt(n / 4)


def test_dropout_s_expected_output_is_its_input_to_the_last_digit():
    layer = Dropout(0.3)
    assert abs(layer.kept / 65536 - 0.7) < 1 / 131072
    scale = layer(torch.ones(1000)).max().item()
    assert scale * layer.kept / 65536 == pytest.approx(1, rel=1e-6)


def test_dropout_at_the_ends():
    x = torch.randn(3, 5)
    assert Dropout(0.3).eval()(x) is x and Dropout(0.0)(x) is x
    assert Dropout(0.999999)(torch.ones(1000)).count_nonzero() < 10
    with pytest.raises(InputError, match="p is 1"):
        Dropout(1)


def test_dropout_s_gradient_passes_where_its_output_did():
    x = torch.ones(101, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


# The two steps


@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_d_s_step_moves_d_alone_and_leaves_no_gradient_at_g(r1):
    method = small(Objective(r1=r1, instance_noise=0.1))
    before, d_before = weights(method.generator), weights(method.discriminator)
    method.discriminator_step(images())
    assert equal(method.generator, before) and all(p.grad is None for p in method.generator.parameters())
    assert not any(torch.equal(p, b) for p, b in zip(method.discriminator.parameters(), d_before))


@pytest.mark.parametrize("build", GENERATORS)
def test_g_s_step_moves_g_alone_and_leaves_d_s_gradient_as_it_was(build):
    method = GANTraining(build(3, 12), Discriminator(12))
    method.discriminator_step(images())
    gradients = [p.grad.clone() for p in method.discriminator.parameters()]
    before, g_before = weights(method.discriminator), weights(method.generator)
    method.generator_step(16)
    assert equal(method.discriminator, before)
    assert all(torch.equal(p.grad, g) for p, g in zip(method.discriminator.parameters(), gradients))
    assert not any(torch.equal(p, b) for p, b in zip(method.generator.parameters(), g_before))


@pytest.mark.parametrize("objective", [Objective(), Objective("minimax", 0.1, 0.3)])
def test_steps_by_hand_and_by_autograd_train_to_the_same_weights(objective):
    states = []
    for build in GENERATORS:
        torch.manual_seed(0)
        method = GANTraining(build(3, 12), Discriminator(12), lr=1e-3, objective=objective, d_steps=2)
        assert method._by_hand(images()) == (build is Generator)
        torch.manual_seed(1)
        parts = [method.step(images()) for _ in range(20)]
        states.append(method.generator.state_dict() | method.discriminator.state_dict() | parts[-1])
    torch.testing.assert_close(*states, rtol=1e-3, atol=1e-5)


def test_who_is_stepped_by_hand():
    x = images()
    assert GANTraining(MixtureGenerator(), MixtureDiscriminator())._by_hand(torch.zeros(3, 2))
    assert not GANTraining(MixtureGenerator(batch_norm=True), MixtureDiscriminator())._by_hand(torch.zeros(3, 2))
    assert not GANTraining(MixtureGenerator(), MixtureDiscriminator(maxout=2))._by_hand(torch.zeros(3, 2))
    assert not GANTraining(Generator(3, 12).double(), Discriminator(12).double())._by_hand(x.double())
    frozen = small()
    frozen.generator.model[0].weight.requires_grad_(False)
    before = frozen.generator.model[0].weight.clone()
    assert not frozen._by_hand(x)
    frozen.step(x)
    assert torch.equal(frozen.generator.model[0].weight, before)


def quiet(discriminator):
    """Without dropout, so that a step can be computed again."""
    for module in discriminator.modules():
        if isinstance(module, Dropout):
            module.p, module.kept = 0.0, 65536
    return discriminator


@pytest.mark.parametrize("build", GENERATORS)
def test_d_s_gradient_is_that_of_the_chapter_s_loss(build):
    method = GANTraining(build(3, 12), quiet(Discriminator(12)), lr=0.0)
    x = images()
    torch.manual_seed(5)
    parts = method.discriminator_step(x)
    torch.manual_seed(5)
    fake = method.generator(torch.randn(16, 3)).detach()
    real_p, fake_p = method.discriminator.probability(x), method.discriminator.probability(fake)
    loss = F.binary_cross_entropy(real_p, torch.ones(16, 1)) + F.binary_cross_entropy(fake_p, torch.zeros(16, 1))
    expected = torch.autograd.grad(loss, list(method.discriminator.parameters()))
    for parameter, gradient in zip(method.discriminator.parameters(), expected):
        torch.testing.assert_close(parameter.grad, gradient)
    torch.testing.assert_close(parts["d_loss"], loss.detach())
    assert parts["d_real"].item() == pytest.approx(real_p.mean().item())
    assert parts["d_fake"].item() == pytest.approx(fake_p.mean().item())


@pytest.mark.parametrize("build", GENERATORS)
@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_g_s_gradient_is_that_of_its_loss_through_d(objective, build):
    method = GANTraining(build(3, 12), quiet(Discriminator(12)), lr=0.0, objective=Objective(objective))
    torch.manual_seed(5)
    parts = method.generator_step(16)
    torch.manual_seed(5)
    p = method.discriminator.probability(method.generator(torch.randn(16, 3)))
    loss = -p.log().mean() if objective == "non-saturating" else (1 - p).log().mean()
    expected = torch.autograd.grad(loss, list(method.generator.parameters()))
    for parameter, gradient in zip(method.generator.parameters(), expected):
        torch.testing.assert_close(parameter.grad, gradient)
    torch.testing.assert_close(parts["g_loss"], loss.detach())


def test_r1_enters_with_half_its_weight():
    """D's loss does not feel w where real and fake are 0: what is left of the gradient is the penalty's."""
    generator = Generator(3, 3)
    nn.init.zeros_(generator.model[4].weight)
    nn.init.zeros_(generator.model[4].bias)  # makes zeros
    w = torch.tensor([0.6, -0.8, 2.0])
    method = GANTraining(generator, Linear(w.clone()), lr=0.0, objective=Objective(r1=0.7), check_images=False)
    parts = method.discriminator_step(torch.zeros(4, 3))
    assert parts["r1"].item() == pytest.approx(5.0)
    torch.testing.assert_close(method.discriminator.w.grad, 0.7 * w)  # of γ/2·‖w‖²


def test_r1_may_be_set_between_steps():
    method = small(Objective(r1=0.7), lr=0.0)
    method.r1 = 0.0
    assert "r1" not in method.discriminator_step(images())
    method = small()
    method.r1 = 0.7
    assert "r1" in method.discriminator_step(images())


def test_both_players_see_noise_of_the_given_strength_on_their_data():
    seen = []

    class Spy(Discriminator):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    generator = Generator(3, 12)
    method = GANTraining(generator, Spy(12), lr=0.0, objective=Objective(instance_noise=0.5))
    seen.clear()
    x = images(4000)
    torch.manual_seed(1)
    method.step(x)
    both, fakes = seen
    assert (both[:4000] - x).std().item() == pytest.approx(0.5, rel=0.02)
    torch.manual_seed(1)
    with torch.no_grad():
        fake = generator(torch.randn(4000, 3))
    assert (both[4000:] - fake).std().item() == pytest.approx(0.5, rel=0.02)
    assert fakes.abs().max() > 1  # beyond what tanh can give


def test_instance_noise_dies_away_by_a_schedule():
    method = small(Objective(instance_noise=1.0))
    seen = []
    step = method.step
    method.step = lambda x: seen.append(method.instance_noise) or step(x)
    batches = data.Batches(torch.randint(0, 256, (8, 3, 4), dtype=torch.uint8), 4, "signed")
    fit(method, batches, 2, schedules={"instance_noise": lambda done: 0.5 * (1 - done)}, progress=False)
    assert seen == [0.5, 0.375, 0.25, 0.125]


def test_each_of_d_s_steps_sees_other_real_data_and_g_as_many_fakes():
    seen, made = [], []
    method = small(d_steps=3)
    d_step, g_step = method.discriminator_step, method.generator_step
    method.discriminator_step = lambda x: seen.append(x) or d_step(x)
    method.generator_step = lambda n: made.append(n) or g_step(n)
    x = images(12)
    method.step(x)
    assert torch.equal(torch.cat(seen), x) and [len(part) for part in seen] == [4, 4, 4] and made == [4]
    with pytest.raises(InputError, match="batch of 2 cannot be split among 3 .*drop_last=True"):
        method.step(images(2))


def test_parts_are_means_over_d_s_steps():
    method = small(d_steps=2, lr=0.0)
    method.discriminator_step = lambda x: {"d_loss": x.mean(), "d_real": x.max()}
    x = images(8)
    parts = method.step(x)
    assert list(parts) == ["d_loss", "d_real", "g_loss"]
    torch.testing.assert_close(parts["d_loss"], x.mean())
    torch.testing.assert_close(parts["d_real"], (x[:4].max() + x[4:].max()) / 2)


def test_batch_norm_in_d_sees_real_and_fake_apart_and_nothing_else_does():
    seen = []
    for batch_norm in (True, False):
        discriminator = ConvDiscriminator(4, batch_norm)
        method = GANTraining(ConvGenerator(8, 4), discriminator)
        hook = discriminator.model[3].register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
        method.discriminator_step(images(6, 784))
        hook.remove()
    assert seen == [6, 6, 12]


def test_steps_are_in_train_mode_and_samples_in_eval_mode_and_back():
    method = small()
    method.generator.eval(), method.discriminator.eval()
    method.step(images())
    assert all(m.training for player in (method.generator, method.discriminator) for m in player.modules())
    modes = []
    hook = method.generator.register_forward_hook(lambda module, *_: modes.append(module.training))
    method.sample(2)
    hook.remove()
    assert modes == [False] and all(m.training for m in method.generator.modules())


def test_samples_repeat_with_their_source_and_carry_no_graph():
    method = small()
    one, two = (method.sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == (5, 12) and not one.requires_grad
    assert not torch.equal(one, method.sample(5))
    with pytest.raises(InputError, match="n is 0"):
        method.sample(0)


def test_the_rate_is_that_of_both():
    method = small(lr=1e-3)
    method.lr = 2e-3
    assert method.lr == 2e-3 == method.d_optimizer.param_groups[0]["lr"] == method.g_optimizer.param_groups[0]["lr"]
    assert method.d_optimizer.param_groups[0]["betas"] == (0.5, 0.999)


# The moving average


def test_the_average_is_the_exponential_mean_of_what_g_was_with_no_pull_to_its_start():
    method = small(average=0.9, lr=1e-2)
    past = []
    for _ in range(4):
        method.step(images())
        past.append(weights(method.generator))
    shares = [0.9 ** (3 - t) for t in range(4)]
    for i, mean in enumerate(method.averaged.parameters()):
        expected = sum(s * w[i] for s, w in zip(shares, past)) / sum(shares)
        torch.testing.assert_close(mean, expected)
    assert not any(p.requires_grad for p in method.averaged.parameters())


def test_the_average_takes_batch_norm_s_statistics_along_and_samples_come_from_it():
    method = GANTraining(ConvGenerator(8, 4), ConvDiscriminator(4), average=0.5)
    for _ in range(3):
        method.step(images(6, 784))
    now, mean = method.generator.model[1], method.averaged.model[1]
    assert mean.num_batches_tracked == now.num_batches_tracked > 0
    assert not torch.equal(mean.running_mean, now.running_mean) and mean.running_mean.abs().sum() > 0
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(3))
    expected = method.averaged.eval()(z)
    torch.testing.assert_close(method.sample(3, torch.Generator().manual_seed(3)), expected)


def test_without_an_average_the_generator_stands_for_itself():
    method = small()
    assert method.averaged is method.generator and "averaged" not in method.state_dict()


@pytest.mark.parametrize("average", [1.0, -0.1])
def test_an_average_that_never_moves_is_refused(average):
    with pytest.raises(InputError, match=f"average is {average}"):
        small(average=average)


# Bad luck


def test_real_images_in_another_range_are_named():
    method = small()
    with pytest.raises(InputError, match=r"lie in \[−1, 1\].*found 0 to 1\. In \[0, 1\] .*sign of the pixels.*signed"):
        method.step(torch.tensor([[0.0, 1.0] * 6]))
    with pytest.raises(InputError, match=r"found -3 to 3\. data.Batches"):
        method.step(3 * torch.tensor([[-1.0, 1.0] * 6]))
    with pytest.raises(InputError, match="found nan"):
        method.step(torch.full((2, 12), math.nan))
    with pytest.raises(InputError, match=r"floats in \[−1, 1\].*uint8.*to_signed"):
        method.step(torch.zeros(2, 12, dtype=torch.uint8))
    assert all(value.isfinite() for value in small(check_images=False).step(torch.rand(8, 12)).values())


def test_points_of_a_mixture_may_lie_anywhere():
    method = GANTraining(MixtureGenerator(), MixtureDiscriminator())
    method.step(5 + torch.rand(8, 2))


class Hidden(nn.Module):
    """Ends in a sigmoid that no list of modules shows."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


@pytest.mark.parametrize("discriminator", [nn.Sequential(nn.Linear(12, 1), nn.Sigmoid()), Hidden(),
                                           nn.Sequential(nn.Sequential(nn.Linear(12, 1), nn.Sigmoid()))])  # fmt: skip
def test_a_discriminator_that_ends_in_a_sigmoid_is_refused(discriminator):
    with pytest.raises(InputError, match="ends in a sigmoid, but the losses take logits"):
        GANTraining(Generator(3, 12), discriminator)


def test_the_loss_s_floor_under_a_sigmoid_is_as_the_message_says():
    best = gan.discriminator_loss(torch.ones(1, 1), torch.zeros(1, 1)).item()
    assert f"{best:.3f}" == "1.006"


def test_a_discriminator_with_all_weights_zero_is_taken():
    discriminator = nn.Linear(12, 1)
    nn.init.zeros_(discriminator.weight), nn.init.zeros_(discriminator.bias)
    GANTraining(Generator(3, 12), discriminator)


@pytest.mark.parametrize("discriminator", [Discriminator(13), nn.Linear(13, 1)])
def test_a_generator_of_another_size_is_named_with_both_sizes(discriminator):
    with pytest.raises(InputError, match=r"makes data \[B, 12\].*does not take.*13.*img_dim"):
        GANTraining(Generator(3, 12), discriminator)


def test_players_that_cannot_play_are_refused():
    with pytest.raises(InputError, match=r"one logit an image, \[64, 1\].*gives \[64, 2\]"):
        GANTraining(Generator(3, 12), nn.Linear(12, 2))
    with pytest.raises(InputError, match="Linear does not say how long its z is: set its attribute latent_dim"):
        GANTraining(nn.Linear(3, 12), nn.Linear(12, 1))
    for steps in (0, -1, 1.5):
        with pytest.raises(InputError, match=f"d_steps is {steps}"):
            small(d_steps=steps)


def test_trying_the_players_changes_neither_them_nor_the_random_numbers():
    generator, discriminator = ConvGenerator(8, 4), ConvDiscriminator(4, True)
    discriminator.model[1].eval()
    before, random = {k: v.clone() for k, v in generator.state_dict().items()}, torch.get_rng_state()
    GANTraining(generator, discriminator)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())
    assert generator.training and discriminator.training and not discriminator.model[1].training


def test_a_game_that_breaks_says_the_step_the_part_and_what_to_try():
    method = small(lr=1e-2)
    batches = data.Batches(torch.randint(0, 256, (32, 3, 4), dtype=torch.uint8), 8, "signed")
    fit(method, batches, 1, progress=False)
    before = method.state_dict()["generator"]["model.0.weight"].clone()
    step, count = method.step, iter(range(100))

    def poisoned(x):
        if next(count) == 2:
            method.discriminator.model[0].weight.data[0, 0] = math.nan
        return step(x)

    method.step = poisoned
    with pytest.raises(TrainingError, match=r"Step 3: the part 'd_loss' .*became nan\. Try a lower .*0\.01.*Objective\(r1=1\)"):
        fit(method, batches, 1, progress=False)
    assert torch.equal(method.generator.model[0].weight, before)
