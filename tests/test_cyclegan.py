"""chapter10.cyclegan: hand-computed losses, who gets which gradient, the pool's distribution, shapes, resuming."""

import math

import pytest
import torch
from torch import nn

from chapter10 import cyclegan, data, domains
from chapter10.cyclegan import CycleGAN, CycleGANTraining, ImagePool, PatchDiscriminator, TranslationGenerator
from chapter10.errors import InputError
from chapter10.nets import count_parameters
from chapter10.training import fit, linear_decay


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Points(nn.Linear):
    """A generator of points, linear."""

    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.in_dim, self.out_dim = in_dim, out_dim


def small(size_a=3, size_b=3, **settings):
    model = CycleGAN(Points(size_a, size_b), Points(size_b, size_a))
    return CycleGANTraining(model, nn.Linear(size_a, 1), nn.Linear(size_b, 1), **settings)


def players(method):
    return {
        "a_to_b": method.model.a_to_b,
        "b_to_a": method.model.b_to_a,
        "d_a": method.d_a,
        "d_b": method.d_b,
    }


def weights(method):
    return {name: [p.detach().clone() for p in net.parameters()] for name, net in players(method).items()}


def moved(before, after):
    return {name for name in before if not all(map(torch.equal, before[name], after[name]))}


def test_least_squares_are_those_computed_by_hand():
    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[3.0], [1.0]])
    # ½·((1 + 1)/2 + (9 + 1)/2) and (4 + 0)/2
    assert cyclegan.least_squares_discriminator_loss(real, fake) == pytest.approx(3.0)
    assert cyclegan.least_squares_generator_loss(fake) == pytest.approx(2.0)


def test_the_best_constant_score_is_one_half_and_costs_a_quarter():
    scores = torch.full((4, 1, 3, 3), 0.5, requires_grad=True)
    loss = cyclegan.least_squares_discriminator_loss(scores, scores)
    (slope,) = torch.autograd.grad(loss, scores)
    assert loss.item() == pytest.approx(0.25)
    assert slope.abs().max() < 1e-8


def test_cycle_and_identity_are_mean_absolute_differences():
    x = torch.tensor([[0.0, 1.0], [-1.0, 0.5]])
    assert cyclegan.cycle_loss(x, x + torch.tensor([[0.5, 0.0], [0.0, -1.5]])) == pytest.approx(0.5)
    assert cyclegan.identity_loss(lambda y: y + 0.25, x) == pytest.approx(0.25)
    assert cyclegan.identity_loss(nn.Identity(), x) == 0


def test_the_identity_loss_is_on_the_generator_that_makes_that_domain():
    """A→B leaves B as it is, B→A makes something else of it: only the first is rewarded."""
    method = small(cycle=1.0, identity=1.0)
    with torch.no_grad():
        method.model.a_to_b.weight.copy_(torch.eye(3)), method.model.a_to_b.bias.zero_()
        method.model.b_to_a.weight.copy_(torch.eye(3)), method.model.b_to_a.bias.fill_(0.5)
    a, b = torch.randn(4, 3), torch.randn(4, 3)
    parts = method.generator_step(a, b)[2]
    assert parts["identity"].item() == pytest.approx(0.5)  # of B→A on a; of A→B on b it is 0
    calls = []
    method.model.a_to_b.register_forward_pre_hook(lambda _, x: calls.append(("a_to_b", x[0])))
    method.model.b_to_a.register_forward_pre_hook(lambda _, x: calls.append(("b_to_a", x[0])))
    method.generator_step(a, b)
    assert sum(name == "a_to_b" and x is b for name, x in calls) == 1
    assert sum(name == "b_to_a" and x is a for name, x in calls) == 1


def test_each_step_moves_its_own_players_only():
    method = small()
    before = weights(method)
    made_a, made_b, _ = method.generator_step(torch.randn(5, 3), torch.randn(5, 3))
    between = weights(method)
    assert moved(before, between) == {"a_to_b", "b_to_a"}
    assert not made_a.requires_grad and not made_b.requires_grad
    method.discriminator_step(torch.randn(5, 3), torch.randn(5, 3), made_a, made_b)
    assert moved(between, weights(method)) == {"d_a", "d_b"}
    assert all(p.grad is None for p in small().d_a.parameters())


def test_a_generators_step_leaves_no_gradient_at_the_discriminators():
    method = small()
    method.generator_step(torch.randn(5, 3), torch.randn(5, 3))
    assert all(p.grad is None for net in (method.d_a, method.d_b) for p in net.parameters())


def test_each_discriminator_judges_its_own_domain():
    """Of A and B with 2 and 4 numbers in a row, no network could take the other's."""
    method = small(2, 4, identity=0)
    parts = method.step(torch.randn(6, 6))
    assert set(parts) == {"g_loss", "d_loss", "cycle"}
    assert method.model.round_trip(torch.randn(3, 2))[0].shape == (3, 4)
    assert method.model.round_trip(torch.randn(3, 4), "b")[1].shape == (3, 4)


def test_the_parts_are_those_of_the_losses_and_the_gradient_weighs_them():
    method = small(cycle=7.0, identity=0.25, pool=None)
    model, a, b = method.model, torch.randn(5, 3), torch.randn(5, 3)
    made_b, made_a = model.a_to_b(a), model.b_to_a(b)
    game = (method.d_b(made_b) - 1).square().mean() + (method.d_a(made_a) - 1).square().mean()
    cycle = (model.b_to_a(made_b) - a).abs().mean() + (model.a_to_b(made_a) - b).abs().mean()
    same = (model.a_to_b(b) - b).abs().mean() + (model.b_to_a(a) - a).abs().mean()
    expected = torch.autograd.grad(game + 7 * cycle + 7 * 0.25 * same, list(model.parameters()))
    judged = 0.5 * ((method.d_a(a) - 1).square().mean() + method.d_a(made_a).square().mean())
    judged = judged + 0.5 * ((method.d_b(b) - 1).square().mean() + method.d_b(made_b).square().mean())
    parts = method.step(torch.cat([a, b], 1))
    found = {"g_loss": game, "cycle": cycle, "identity": same, "d_loss": judged}
    assert {k: pytest.approx(v.item(), rel=1e-5) for k, v in found.items()} == {
        k: v.item() for k, v in parts.items()
    }
    for p, gradient in zip(model.parameters(), expected):
        assert torch.allclose(p.grad, gradient, atol=1e-6)


def test_without_their_weights_the_losses_are_left_away():
    assert set(small(cycle=0.0).step(torch.randn(4, 6))) == {"g_loss", "d_loss"}
    assert set(small(identity=0.0).step(torch.randn(4, 6))) == {"g_loss", "d_loss", "cycle"}


def test_the_pool_fills_up_with_what_it_is_shown_first():
    pool, first = ImagePool(4), torch.arange(3.0).view(3, 1)
    assert torch.equal(pool.exchange(first), first)
    assert torch.equal(pool.images, first)
    assert torch.equal(pool.exchange(first[:1] + 9), first[:1] + 9)
    assert len(pool) == 4


def test_a_full_pool_shows_old_images_half_of_the_time_and_loses_none():
    pool = ImagePool(50)
    new = torch.arange(4000.0).view(-1, 1)
    shown = torch.cat([pool.exchange(part) for part in new.split(8)])
    every = torch.cat([shown[50:], pool.images]).flatten().sort().values  # the first 50 were shown and kept
    # Each image that finds the pool full is shown once, or still waits.
    assert torch.equal(every, new.flatten())
    old = (shown[50:] != new[50:]).double().mean().item()
    assert abs(old - 0.5) < 4 * math.sqrt(0.25 / 3950)
    # How long one waits is geometric with p = ½ · 1/50: on average 100 exchanges.
    waited = (new[50:] - shown[50:])[shown[50:] != new[50:]]
    assert 80 < waited.mean() < 115


def test_the_pool_holds_no_graph_and_shows_none():
    pool = ImagePool(2)
    for _ in range(5):
        made = torch.randn(3, 2, requires_grad=True) * 2
        assert pool.exchange(made).grad_fn is None
        assert pool.images.grad_fn is None and not pool.images.requires_grad
    made = torch.zeros(2, 1)
    kept = ImagePool(2)
    kept.exchange(made)
    made += 1  # what is changed afterwards is not what the pool keeps
    assert kept.images.sum() == 0


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_pool_that_can_keep_nothing_is_refused_with_what_to_do(size):
    with pytest.raises(InputError, match="keep no image.*pool=None"):
        ImagePool(size)
    with pytest.raises(InputError, match="pool=None"):
        small(pool=size)
    assert small(pool=None).pools is None


def test_images_of_one_step_reach_the_discriminator_only_in_part_once_the_pool_is_full():
    method = small(pool=1)
    seen = []
    method.d_a.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    a, b, made = torch.randn(64, 3), torch.randn(64, 3), torch.randn(64, 3)
    method.discriminator_step(a, b, made, made)
    assert torch.equal(seen[0], a) and not torch.equal(seen[1], made)
    assert {tuple(row.tolist()) for row in seen[1]} <= {tuple(row.tolist()) for row in made}


@pytest.mark.parametrize("form", ["small", "paper"])
def test_the_generator_makes_images_and_treats_each_on_its_own(form):
    net = TranslationGenerator(3, 1, 4, 2, 28, form)
    x = torch.rand(3, 2352) * 2 - 1
    made = net(x)
    assert made.shape == (3, 784) and made.abs().max() <= 1
    assert torch.allclose(net(x[1:2]), made[1:2], atol=1e-5)  # instance norm: no batch mates
    net.eval()
    assert torch.allclose(net(x), made, atol=1e-6)


def test_the_small_generator_is_small():
    net = TranslationGenerator()
    products = 196 * 9 * (4 * 16 + 4 * 16 * 16 + 16 * 4)
    assert products < 2.1e6
    assert count_parameters(net) == 9 * (4 * 16 + 4 * 16 * 16 + 16 * 4) + 4 < 15_000


def test_at_full_scale_the_generator_is_the_authors():
    """c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3, as the paper writes it."""
    layers = [
        m
        for m in TranslationGenerator(3, 3, 64, 9, 256, "paper").modules()
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    shapes = [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in layers]
    down, up = (
        [(3, 64, 7, 1), (64, 128, 3, 2), (128, 256, 3, 2)],
        [(256, 128, 3, 2), (128, 64, 3, 2), (64, 3, 7, 1)],
    )
    expected = [*down, *[(256, 256, 3, 1)] * 18, *up]
    assert shapes == expected


def test_the_papers_setting_makes_a_step_on_one_image_of_each_domain():
    method = cyclegan.full_scale(1, 1, 28)
    assert (method.cycle, method.identity, method.lr, method.pools["a"].size) == (10, 0.5, 2e-4, 50)
    assert sum(isinstance(m, cyclegan.ResidualBlock) for m in method.model.a_to_b.modules()) == 6
    assert method.d_a.patch == 70
    parts = method.step(torch.rand(1, 1568) * 2 - 1)
    assert set(parts) == {"g_loss", "d_loss", "cycle", "identity"} and all(
        v.isfinite() for v in parts.values()
    )
    assert cyclegan.full_scale(1, 3, 28).identity == 0


def test_a_blank_image_is_translated_into_something_finite():
    for form in ("small", "paper"):
        assert TranslationGenerator(form=form)(torch.full((2, 784), -1.0)).isfinite().all()


@pytest.mark.parametrize(("layers", "patch", "side"), [(1, 16, 12), (2, 34, 5), (3, 70, 1)])
def test_a_score_sees_a_patch_of_the_image_and_no_more(layers, patch, side):
    net = PatchDiscriminator(1, 4, layers).double()
    assert (net.patch, net.map_size) == (patch, side)
    # Instance norm looks at the whole map: without it a score sees its patch only.
    for module in net.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x
    x = torch.randn(1, 784, dtype=torch.double, requires_grad=True)
    scores = net(x)
    assert scores.shape == (1, 1, side, side)
    (slope,) = torch.autograd.grad(scores[0, 0, side // 2, side // 2], x)
    rows = (slope.view(28, 28).abs().sum(1) > 0).nonzero().flatten()
    assert len(rows) == min(patch, 28)


def test_seventy_pixels_at_full_size():
    net = PatchDiscriminator(3, 64, 3, 256)
    assert net.patch == 70 and net.map_size == 30  # as the authors' for 256×256


def test_a_training_goes_on_as_if_it_had_not_stopped(tmp_path):
    images = data.load("digits").train[:40]
    pair = domains.UnpairedBatches(images[:20], domains.outline(images[20:]), 5)

    def method():
        torch.manual_seed(3)
        model = CycleGAN(TranslationGenerator(width=4, blocks=1), TranslationGenerator(width=4, blocks=1))
        return CycleGANTraining(
            model, PatchDiscriminator(width=4), PatchDiscriminator(width=4), pool=7, average=0.9
        )

    whole, broken, resumed = method(), method(), method()
    plan = {"seed": 1, "schedules": None, "progress": False}
    history = fit(whole, pair, 4, **plan)
    fit(broken, pair, 2, checkpoint=tmp_path / "c", **plan)
    assert fit(resumed, pair, 4, checkpoint=tmp_path / "c", **plan)["cycle"] == history["cycle"]
    for mine, other in zip(whole.averaged.parameters(), resumed.averaged.parameters()):
        assert torch.equal(mine, other)
    assert torch.equal(whole.pools["a"].images, resumed.pools["a"].images)
    assert history["cycle"][-1] < history["cycle"][0]


def test_the_average_follows_the_generators():
    method = small(average=0.5)
    first = [p.clone() for p in method.averaged.parameters()]
    method.step(torch.randn(4, 6))
    assert all(torch.allclose(p, q) for p, q in zip(method.averaged.parameters(), method.model.parameters()))
    assert not all(map(torch.equal, first, method.averaged.parameters()))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cycle": -1.0}, "cycle is -1.0.*from 0 up"),
        ({"cycle": math.nan}, "cycle is nan"),
        ({"identity": -0.5}, "identity is -0.5"),
        ({"average": 1.0}, "average is 1.0"),
    ],
)
def test_weights_below_zero_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        small(**settings)


def test_domains_of_different_sizes_are_refused_where_they_cannot_be():
    with pytest.raises(InputError, match="identity=0"):
        small(2, 4)
    with pytest.raises(InputError, match="one must take what the other gives"):
        CycleGAN(TranslationGenerator(1, 1, 4), TranslationGenerator(3, 1, 4))
    with pytest.raises(InputError, match="d_b scores images of domain B, rows of 2352"):
        model = CycleGAN(TranslationGenerator(1, 3, 4), TranslationGenerator(3, 1, 4))
        CycleGANTraining(model, PatchDiscriminator(1, 4), PatchDiscriminator(1, 4), identity=0)
    with pytest.raises(InputError, match="rows of 3 \\+ 3 numbers"):
        small().step(torch.randn(4, 5))
    with pytest.raises(InputError, match="in_dim"):
        CycleGAN(nn.Linear(2, 2), nn.Linear(2, 2))


def test_colour_given_to_a_grey_network_is_named():
    x = torch.rand(2, 2352) * 2 - 1
    for net in (TranslationGenerator(width=4), PatchDiscriminator(width=4)):
        with pytest.raises(InputError, match="built for grey images, rows of 784, and found colour images"):
            net(x)
    with pytest.raises(InputError, match="built for colour images, rows of 2352, and found grey"):
        TranslationGenerator(3, 3, 4)(x[:, :784])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(InputError, match="at most 3"):
        PatchDiscriminator(layers=4)
    with pytest.raises(InputError, match="multiple of 4"):
        TranslationGenerator(size=30, form="paper")
    with pytest.raises(InputError, match="small, paper"):
        TranslationGenerator(form="large")
    with pytest.raises(InputError, match="ends in a sigmoid"):
        model = CycleGAN(Points(3, 3), Points(3, 3))
        CycleGANTraining(model, nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), nn.Linear(3, 1))
    with pytest.raises(InputError, match="'a' or 'b'"):
        CycleGAN(Points(3, 3), Points(3, 3)).round_trip(torch.zeros(1, 3), "c")


def test_images_out_of_range_are_refused():
    model = CycleGAN(TranslationGenerator(width=4, blocks=1), TranslationGenerator(width=4, blocks=1))
    method = CycleGANTraining(model, PatchDiscriminator(width=4), PatchDiscriminator(width=4))
    with pytest.raises(InputError):
        method.step(torch.rand(2, 1568))


def test_the_rate_falls_in_a_straight_line_after_the_start():
    rate = linear_decay(2e-4, 0.5)
    assert [rate(done) for done in (0, 0.5, 0.75, 1)] == pytest.approx([2e-4, 2e-4, 1e-4, 0])
    assert linear_decay(1.0, 0.0)(0.25) == pytest.approx(0.75)
    with pytest.raises(InputError, match="start is 1"):
        linear_decay(1.0, 1)
