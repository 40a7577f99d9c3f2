"""The DCGAN of section 10.5.2: the paper's rules in the networks, colour and grey, batch mates, and the rules left out one by one."""

import pytest
import torch
from torch import nn

from chapter10 import data, dcgan_rules, recipes
from chapter10.dcgan import DCGANDiscriminator, DCGANGenerator, change_by_mates
from chapter10.errors import InputError
from chapter10.gan import GANTraining
from chapter10.nets import Maps, count_parameters
from chapter10.training import fit

SHAPES = [(28, 1), (28, 3), (32, 1), (32, 3)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def kinds(net: nn.Module) -> list[str]:
    """The layers by name, in the order in which they run."""
    return [type(layer).__name__ for layer in net.model]


@pytest.mark.parametrize("size, channels", SHAPES)
def test_the_players_fit_each_other_and_the_game(size, channels):
    generator, discriminator = DCGANGenerator(size, channels, 10, 4), DCGANDiscriminator(size, channels, 4)
    method = GANTraining(generator, discriminator, average=0.9)
    before = [p.clone() for p in [*generator.parameters(), *discriminator.parameters()]]
    parts = method.step(2 * torch.rand(6, size * size * channels) - 1)
    assert all(part.isfinite() for part in parts.values())
    assert not any(
        torch.equal(p, b) for p, b in zip([*generator.parameters(), *discriminator.parameters()], before)
    )
    made = method.sample(3)
    assert made.shape == (3, size * size * channels) and made.abs().max() <= 1
    assert discriminator.probability(made).sub(0.5).abs().max() < 0.5


@pytest.mark.parametrize("size", [28, 32])
def test_maps_double_in_g_and_halve_in_d_with_widths_the_other_way_round(size):
    generator, discriminator = DCGANGenerator(size, 3, 10, 4), DCGANDiscriminator(size, 3, 4)
    seen = {generator: [], discriminator: []}
    for net, shapes in seen.items():
        for module in net.modules():
            if isinstance(module, (Maps, nn.Conv2d, nn.ConvTranspose2d)):
                module.register_forward_hook(
                    lambda m, i, y, shapes=shapes: shapes.append((y.shape[1], y.shape[2]))
                )
    discriminator(generator(torch.randn(2, 10)))
    inner = [(16, 4), (8, 7), (4, 14)] if size == 28 else [(16, 4), (8, 8), (4, 16)]
    assert seen[generator] == [*inner, (3, size)]
    assert seen[discriminator] == [(3, size), *inner[::-1]]


@pytest.mark.parametrize("size, sides", [(28, [7, 14]), (32, [8, 16])])
@pytest.mark.parametrize("upsampling, downsampling", [("transposed", "strided"), ("nearest", "pooling")])
def test_with_two_strides_the_smallest_maps_are_left_out(size, sides, upsampling, downsampling):
    generator = DCGANGenerator(size, 1, 10, 4, 2, upsampling=upsampling)
    discriminator = DCGANDiscriminator(size, 1, 4, 2, downsampling=downsampling)
    assert (generator.model[1].channels, generator.model[1].size) == (8, sides[0])
    assert generator.model[0].out_features == 8 * sides[0] ** 2 == discriminator.model[-1].in_features
    made = generator(torch.randn(2, 10))
    assert made.shape == (2, size * size) and discriminator(made).shape == (2, 1)


@pytest.mark.parametrize("size, strides, reach", [(28, 2, 10), (28, 3, 18), (32, 2, 10), (32, 3, 22)])
def test_a_unit_before_the_weighted_sum_sees_a_square_and_no_more(size, strides, reach):
    discriminator = DCGANDiscriminator(size, 1, 4, strides, batch_norm=False)
    x = torch.randn(1, size * size, requires_grad=True)
    maps = discriminator.model[:-2](x)
    middle = maps.shape[-1] // 2
    maps[0, :, middle, middle].sum().backward()
    seen = x.grad.view(size, size).nonzero()
    width = seen.max(0).values - seen.min(0).values + 1
    assert width.tolist() == [reach, reach]


def test_the_papers_rules_are_the_defaults():
    generator, discriminator = DCGANGenerator(32, 3, width=8), DCGANDiscriminator(32, 3, width=8)
    block = ["ConvTranspose2d", "BatchNorm2d", "ReLU"]
    first = ["Linear", "Maps", "BatchNorm2d", "ReLU"]
    assert kinds(generator) == [*first, *block, *block, "ConvTranspose2d", "Rows", "Tanh"]
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert kinds(discriminator) == ["Maps", "Conv2d", "LeakyReLU", *block, *block, "Rows", "Linear"]
    assert {layer.negative_slope for layer in discriminator.model if isinstance(layer, nn.LeakyReLU)} == {0.2}
    for net in (generator, discriminator):
        for layer in net.model:
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                assert layer.stride == (2, 2)
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.numel() > 1000:
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
            # A bias before batch norm would be taken off again; all other layers have one.
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.05)
    assert generator.model[0].bias is None and generator.model[-3].bias is not None


def test_full_size_is_that_of_the_paper_s_32():
    """Widths 512, 256, 128 in the paper's 64×64 stand before 64; here w = 128 ends in as many maps as its last."""
    generator = DCGANGenerator(32, 3, 100, 128)
    expected = 100 * 16 * 512 + 16 * (512 * 256 + 256 * 128 + 128 * 3) + 3 + 2 * (512 + 256 + 128)
    assert count_parameters(generator) == expected


def test_each_rule_can_be_left_out():
    plain = DCGANGenerator(width=4)
    assert not any("Norm" in kind for kind in kinds(DCGANGenerator(width=4, batch_norm=False)))
    assert not any("Norm" in kind for kind in kinds(DCGANDiscriminator(width=4, batch_norm=False)))
    pooled = DCGANDiscriminator(width=4, downsampling="pooling")
    assert kinds(pooled).count("MaxPool2d") == 3
    assert all(layer.stride == (1, 1) for layer in pooled.model if isinstance(layer, nn.Conv2d))
    nearest = DCGANGenerator(width=4, upsampling="nearest")
    assert kinds(nearest).count("Upsample") == 3 and "ConvTranspose2d" not in kinds(nearest)
    x, z = 2 * torch.rand(2, 784) - 1, torch.randn(2, 100)
    assert pooled(x).shape == (2, 1) and nearest(z).shape == (2, 784)
    clamped = DCGANGenerator(width=4, end="clamp")
    assert kinds(clamped)[-1] == "Hardtanh" and clamped.eval()(1e6 * z).abs().max() == 1
    relu = DCGANDiscriminator(width=4, slope=0.0)
    assert relu.model[2](torch.tensor([-3.0, 2.0])).tolist() == [0, 2]
    hidden, judged = DCGANGenerator(width=4, hidden_dim=9), DCGANDiscriminator(width=4, hidden_dim=9)
    assert kinds(hidden).count("Linear") == kinds(judged).count("Linear") == 2
    assert judged(hidden(z)).shape == (2, 1)
    torch_s = DCGANGenerator(initial="default")
    limit = 100**-0.5  # torch draws from ±1/√inputs, whose standard deviation is limit/√3
    assert torch_s.model[0].weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)
    assert plain.model[0].weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_colour_given_to_a_grey_network_and_grey_to_one_of_colour_are_told():
    grey, colour = DCGANDiscriminator(width=4), DCGANDiscriminator(channels=3, width=4)
    with pytest.raises(
        InputError,
        match=r"is one of grey images, \[B, 784\], and was given colour ones, \[B, 2352\]: .* channels=3",
    ):
        grey(torch.zeros(2, 2352))
    with pytest.raises(
        InputError, match=r"is one of colour images, .* was given grey ones, \[B, 784\]: .* channels=1"
    ):
        colour(torch.zeros(2, 784))
    with pytest.raises(InputError, match="was given colour ones"):
        GANTraining(DCGANGenerator(channels=3, width=4), grey)
    with pytest.raises(
        InputError, match=r"takes float images as \[B, 784\], found torch.float32 \[2, 1, 28, 28\]"
    ):
        grey(torch.zeros(2, 1, 28, 28))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: DCGANGenerator(size=64), "size is 64; .* 28×28 or of 32×32"),
        (lambda: DCGANDiscriminator(channels=2), "channels is 2; give 1 for grey images or 3 for colour"),
        (lambda: DCGANGenerator(width=0), "width is 0"),
        (lambda: DCGANGenerator(upsampling="cubic"), "upsampling is 'cubic'; choose one of: transposed, nearest"),
        (lambda: DCGANGenerator(end="sigmoid"), "end is 'sigmoid'; choose one of: tanh, clamp"),
        (lambda: DCGANDiscriminator(downsampling="max"), "downsampling is 'max'"),
        (lambda: DCGANDiscriminator(slope=1.0), "slope is 1.0"),
        (lambda: DCGANDiscriminator(slope=float("nan")), "slope is nan"),
        (lambda: DCGANDiscriminator(initial="xavier"), "initial is 'xavier'"),
        (lambda: DCGANDiscriminator(hidden_dim=-1), "hidden_dim is -1"),
    ],
)  # fmt: skip
def test_networks_that_there_are_not(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_a_training_in_colour_goes_on_from_a_file_as_in_one_go(tmp_path):
    images = torch.randint(0, 256, (24, 28, 84), dtype=torch.uint8)  # any rows of 2,352 bytes
    batches = data.Batches(images, 8, "signed")

    def method():
        torch.manual_seed(1)
        return GANTraining(DCGANGenerator(28, 3, 8, 4), DCGANDiscriminator(28, 3, 4), lr=1e-3, average=0.9)

    whole, first, second = method(), method(), method()
    fit(whole, batches, 2, progress=False)
    fit(first, batches, 1, checkpoint=tmp_path / "run", progress=False)
    fit(second, batches, 2, checkpoint=tmp_path / "run", progress=False)
    for player in ("generator", "discriminator", "averaged"):
        for name, tensor in whole.state_dict()[player].items():
            assert torch.equal(tensor, second.state_dict()[player][name]), (player, name)


# Batch mates


def test_batch_norm_makes_a_sample_depend_on_its_mates_by_as_much_as_worked_out_by_hand():
    net = nn.BatchNorm1d(1, eps=1e-9)
    x, mates = torch.tensor([[0.0]]), torch.tensor([[[2.0]], [[4.0]]])
    # Beside 2 the batch has mean 1 and deviation 1: x becomes −1. Beside any other single mate too.
    assert change_by_mates(net, x, mates).item() == pytest.approx(0, abs=1e-6)
    mates = torch.tensor([[[2.0], [2.0]], [[2.0], [-2.0]]])
    # Beside 2 and 2: mean 4/3, deviation √(8/9): −√2. Beside 2 and −2: mean 0: 0.
    torch.testing.assert_close(change_by_mates(net, x, mates), torch.tensor([2**0.5]))


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_only_batch_norm_in_train_mode_looks_at_the_mates(kind):
    def build(**settings):
        return (
            DCGANGenerator(latent_dim=10, width=4, **settings)
            if kind == "generator"
            else DCGANDiscriminator(width=4, **settings)
        )

    size = 10 if kind == "generator" else 784
    x, mates = torch.randn(5, size), torch.randn(3, 11, size)
    net = build()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.testing.assert_close(change_by_mates(net, x, mates, train=False), torch.zeros(5), atol=1e-6, rtol=0)
    changed = change_by_mates(net.eval(), x, mates)
    assert changed.shape == (5,) and changed.min() > 1e-4
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
    without = build(batch_norm=False)
    torch.testing.assert_close(change_by_mates(without, x, mates), torch.zeros(5), atol=1e-6, rtol=0)


def test_more_mates_change_a_sample_less():
    net = DCGANGenerator(latent_dim=10, width=4, strides=2)
    x = torch.randn(4, 10)
    few, many = (change_by_mates(net, x, torch.randn(6, n, 10)).mean() for n in (4, 256))
    assert many < few / 2


def test_mates_of_another_kind_are_told():
    net = DCGANGenerator(latent_dim=10, width=4)
    for shape in [(1, 4, 10), (4, 10), (2, 4, 9)]:
        with pytest.raises(InputError, match=r"two or more sets of rows like those of x, \[K, B', 10\]"):
            change_by_mates(net, torch.randn(4, 10), torch.randn(shape))


# Which rule matters


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def ruler(digits):
    return dcgan_rules.ruler_for("digits", digits)


def difference(variant: str) -> list[str]:
    """What the players or the training of a variant have otherwise than those with all rules."""
    one, other = dcgan_rules.method_for("all rules", 0), dcgan_rules.method_for(variant, 0)
    found = []
    for player in ("generator", "discriminator"):
        a, b = (getattr(method, player) for method in (one, other))
        if kinds(a) != kinds(b):
            found.append(f"{player}'s layers")
        elif repr(a) != repr(b):
            found.append(f"{player}'s settings")
        elif not all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters())):
            found.append(f"{player}'s weights")
    groups = [method.g_optimizer.param_groups[0] for method in (one, other)]
    return found + [name for name in ("lr", "betas") if groups[0][name] != groups[1][name]]


@pytest.mark.parametrize(
    "variant, expected",
    [
        ("all rules", []),
        ("ReLU in D", ["discriminator's settings"]),
        ("clamp for tanh", ["generator's layers"]),
        ("torch's weights", ["generator's weights", "discriminator's weights"]),
        ("β1 = 0.9", ["betas"]),
        ("rate 2e-4", ["lr"]),
        ("hidden layers", ["generator's layers", "discriminator's layers"]),
        ("pooling, upsampling", ["generator's layers", "discriminator's layers"]),
    ],
)
def test_a_variant_leaves_out_what_it_says_and_nothing_else(variant, expected):
    assert difference(variant) == expected


def test_batch_norm_is_left_out_of_one_player_at_a_time():
    assert difference("D without batch norm") == ["discriminator's layers"]
    # The discriminator is drawn after the generator, whose batch norm draws numbers too: other weights, same layers.
    assert difference("G without batch norm")[0] == "generator's layers"
    assert set(dcgan_rules.VARIANTS) >= {"all rules", "G without batch norm", "D without batch norm"}


def test_the_seed_decides_a_training(digits):
    state = torch.get_rng_state()
    (one, losses), (again, _), (other, _) = (
        dcgan_rules.train("all rules", digits, seed, 4, looks=2) for seed in (1, 1, 2)
    )
    assert torch.equal(state, torch.get_rng_state())
    weights = [method.averaged.model[0].weight for method in (one, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert set(losses) == {"d_loss", "g_loss", "d_real", "d_fake"} and one.averaged_steps == 4


def test_scores_are_those_of_the_samples(digits, ruler):
    class Real:
        """A stand-in for a method: it draws real digits."""

        def sample(self, n, generator):
            return data.to_signed(digits.train[torch.randperm(len(digits.train), generator=generator)[:n]])

    found = dcgan_rules.score(Real(), ruler)
    noise = dcgan_rules.noise_distance(ruler)
    assert found["distance"] < 0.06 * noise and found["classes"] == 10
    assert found["largest"] < 0.2 and found["sure"] > 0.9
    untrained, _ = dcgan_rules.train("all rules", digits, 0, 1)
    assert dcgan_rules.score(untrained, ruler)["distance"] > 0.3 * noise


def test_an_experiment_has_a_row_for_each_variant(monkeypatch):
    monkeypatch.setattr(dcgan_rules, "STEPS", 1)
    monkeypatch.setattr(
        dcgan_rules,
        "train",
        lambda variant, images, seed, run=dcgan_rules.train: run(variant, images, seed, 1),
    )
    rows = dcgan_rules.dcgan_rules("digits", 3)
    assert [row["variant"] for row in rows] == list(dcgan_rules.VARIANTS) and {
        row["seed"] for row in rows
    } == {3}
    assert {row["lr"] for row in rows} == {2e-3, 2e-4} and all(row["steps"] == 1 for row in rows)
    assert all(row["distance"] > 0 and "classifier-digits" in row["judge"] for row in rows)


def test_variants_that_there_are_not():
    with pytest.raises(
        InputError, match="no variant 'no rules'. Choose one of: all rules, G without batch norm"
    ):
        dcgan_rules.method_for("no rules", 0)


def test_the_stored_dcgan_by_the_rules_scores_below_one_in_a_hundred_of_noise():
    scores = recipes.about("dcgan-mnist")["scores"]
    assert scores["share"] < 0.01 and scores["classes"] == 10 and scores["largest"] < 0.2
    # Of the few embedded digits other real ones score 0.05 of noise's: see the floor.
    scores = recipes.about("dcgan-digits")["scores"]
    assert scores["share"] < 4 * scores["floor"] / scores["noise"] and scores["classes"] == 10
