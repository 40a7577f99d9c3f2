"""Discriminators that judge packs: what they compute, who gets a gradient, and what the best of them can see."""

import math

import pytest
import torch
from torch import nn

from chapter10 import data, exact
from chapter10.adversarial import has_batch_norm
from chapter10.dcgan import DCGANDiscriminator, DCGANGenerator
from chapter10.errors import InputError
from chapter10.gan import (
    GANTraining,
    MixtureDiscriminator,
    MixtureGenerator,
    Objective,
    discriminator_loss,
    r1_penalty,
)
from chapter10.nets import Maps, in_packs
from chapter10.wgan import WGANTraining, gradient_penalty

# name: a discriminator of packs of m, and how many numbers a row has
PACKING = {
    "relu": (lambda m: MixtureDiscriminator(16, 2, pack=m), 2),
    "maxout": (lambda m: MixtureDiscriminator(16, 3, maxout=5, pack=m), 2),
    "dcgan": (lambda m: DCGANDiscriminator(28, 3, width=4, strides=2, pack=m), 28 * 28 * 3),
    "dcgan without batch norm": (
        lambda m: DCGANDiscriminator(28, 1, width=4, batch_norm=False, pack=m),
        28 * 28,
    ),
}


def build(name, pack, seed=0):
    torch.manual_seed(seed)
    make, size = PACKING[name]
    return make(pack), size


@pytest.mark.parametrize("pack", [2, 4])
def test_a_pack_of_points_is_one_point_of_m_times_the_dimensions(pack):
    for maxout in (1, 5):
        torch.manual_seed(0)
        packed = MixtureDiscriminator(16, 3, maxout, pack=pack)
        torch.manual_seed(0)
        single = MixtureDiscriminator(16, 3, maxout, data_dim=2 * pack)
        x = torch.randn(4 * pack, 2)
        assert torch.equal(packed(x), single(x.view(4, 2 * pack))) and packed(x).shape == (4, 1)
        assert torch.equal(packed.probability(x), packed(x).sigmoid())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pack_of_images_is_one_image_with_the_channels_side_by_side(channels):
    net = DCGANDiscriminator(28, channels, width=4, strides=2, pack=2).eval()
    x = torch.rand(6, 28 * 28 * channels)
    images = Maps(channels, 28)(x)  # (6, C, 28, 28)
    both = images.reshape(3, 2 * channels, 28, 28)  # the first image's channels, then the second's
    torch.testing.assert_close(net(x), net.model[1:](both), rtol=0, atol=1e-6)
    assert net(x).shape == (3, 1)


@pytest.mark.parametrize("name", PACKING)
def test_a_pack_of_one_is_what_it_was_without(name):
    net, size = build(name, 1)
    x = torch.randn(4, size)
    assert net.eval()(x).shape == (4, 1)
    each = torch.cat([net(row) for row in x.split(1)])
    torch.testing.assert_close(net(x), each, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PACKING)
def test_each_of_a_pack_gets_its_own_gradient_and_other_packs_none(name):
    net, size = build(name, 4)
    x = torch.randn(8, size, requires_grad=True)
    (gradient,) = torch.autograd.grad(net.eval()(x)[0].sum(), x)
    each = gradient.norm(dim=1)
    assert (each[:4] > 0).all() and (each[4:] == 0).all()
    assert len({round(v, 10) for v in each[:4].tolist()}) == 4  # first, second, … have weights of their own


def test_the_game_moves_both_players_and_never_mixes_real_with_fake():
    """In a pack there are data or samples, never both: D's logits are those of two passes of its own."""
    torch.manual_seed(0)
    for pack in (2, 4):
        opponent = MixtureDiscriminator(16, 2, pack=pack)
        method = GANTraining(MixtureGenerator(2, 16, 2), opponent)
        real, fake = torch.randn(12, 2), torch.randn(12, 2)
        for found, x in zip(method.judge(real, fake), (real, fake)):
            torch.testing.assert_close(found, opponent(x))
            assert found.shape == (12 // pack, 1)
        # 6 is no multiple of 4, twice 6 is: the last pack of the data would be filled up with fakes
        if pack == 4:
            with pytest.raises(InputError, match="packs of 4, and 6 rows can't be split"):
                method.judge(real[:6], fake[:6])
        before = [p.clone() for p in method._parameters]
        parts = method.step(real)
        assert parts["d_loss"].item() == pytest.approx(2 * math.log(2), abs=0.2)
        assert all((p != old).any() for p, old in zip(method._parameters, before))


@pytest.mark.parametrize("lipschitz", ["penalty", "clipping", "spectral"])
def test_a_critic_of_packs_plays_too(lipschitz):
    torch.manual_seed(0)
    critic = MixtureDiscriminator(16, 2, pack=2)
    method = WGANTraining(MixtureGenerator(2, 16, 2), critic, lipschitz=lipschitz, critic_steps=2)
    parts = method.step(torch.randn(8, 2))
    assert all(value.isfinite() for value in parts.values()) and "estimate" in parts
    with pytest.raises(InputError, match="packs of 2, and 3 rows"):
        method.step(torch.randn(6, 2))  # 3 for each of the critic's steps


def test_a_discriminator_of_packs_with_batch_norm_plays_on_images():
    torch.manual_seed(0)
    method = GANTraining(
        DCGANGenerator(28, 3, width=4, strides=2), DCGANDiscriminator(28, 3, 4, strides=2, pack=2)
    )
    assert has_batch_norm(method.discriminator)
    parts = method.step(torch.rand(8, 28 * 28 * 3) * 2 - 1)
    assert all(value.isfinite() for value in parts.values())


def test_the_penalties_take_a_pack_for_the_example():
    """The norm is over all of a pack, as if it were one point of m times the dimensions."""
    torch.manual_seed(0)
    packed = MixtureDiscriminator(16, 2, pack=3)
    torch.manual_seed(0)
    single = MixtureDiscriminator(16, 2, data_dim=6)
    real, fake = torch.randn(12, 2), torch.randn(12, 2)
    rows = real.view(4, 6), fake.view(4, 6)
    torch.testing.assert_close(r1_penalty(packed, real), r1_penalty(single, rows[0]))
    torch.manual_seed(1)
    found = gradient_penalty(packed, real, fake)
    torch.manual_seed(1)  # one ε for each pack
    torch.testing.assert_close(found, gradient_penalty(single, *rows))
    assert GANTraining(MixtureGenerator(2, 8, 1), packed, objective=Objective(r1=1.0)).step(real)["r1"] > 0


def test_what_can_t_be_packed_is_told():
    for name in PACKING:
        net, size = build(name, 4)
        with pytest.raises(InputError, match="judges packs of 4, and 6 rows can't be split.*a multiple of 4"):
            net(torch.randn(6, size))
        with pytest.raises(InputError, match="pack is 0; give a whole number from 1 up"):
            PACKING[name][0](0)
    assert in_packs(torch.zeros(6, 5), 3).shape == (2, 3, 5)
    with pytest.raises(InputError, match=r"\[B, 2\], found"):
        MixtureDiscriminator(8, 1, pack=2)(torch.randn(4, 4))  # packs are made inside, not by the caller


# The best discriminator


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_the_distance_of_packs_is_the_known_one_where_modes_are_left_out(pack):
    p = torch.full((8,), 1 / 8)
    q = torch.tensor([1 / 6] * 6 + [0.0] * 2)
    found = exact.packed_distance(p, q, pack)
    share = (6 / 8) ** pack  # of packs of data in which none of the modes left out occurs
    assert found.total_variation == pytest.approx(1 - share, abs=1e-12)
    # On those packs q^m is p^m / share; on the others it is 0.
    middle = (1 + share) / 2
    js = (math.log(2) * (1 - share) + share * math.log(share / middle) - math.log(middle)) / 2
    assert found.jensen_shannon == pytest.approx(js, abs=1e-12)


def test_at_equal_distance_the_collapsed_generator_parts_from_the_one_that_is_a_little_off():
    """Section 3 of the paper: P uniform; both at total variation 0.2 for single samples."""
    p = torch.full((10,), 0.1)
    collapsed = torch.tensor([0.125] * 8 + [0.0] * 2)
    off = torch.tensor([0.14] * 5 + [0.06] * 5)
    distances = {
        name: [exact.packed_distance(p, q, m).total_variation for m in (1, 2, 3, 4)]
        for name, q in (("collapsed", collapsed), ("off", off))
    }
    assert distances["collapsed"][0] == pytest.approx(0.2) == distances["off"][0]
    assert distances["collapsed"] == pytest.approx([1 - 0.8**m for m in (1, 2, 3, 4)])
    gaps = [c - o for c, o in zip(*distances.values())]
    assert abs(gaps[0]) < 1e-7 and all(later > sooner + 0.02 for sooner, later in zip(gaps, gaps[1:]))


def test_atoms_of_one_ratio_may_be_put_together():
    p, q = torch.full((8,), 1 / 8), torch.tensor([1 / 6] * 6 + [0.0] * 2)
    few = torch.tensor([6 / 8, 2 / 8]), torch.tensor([1.0, 0.0])
    for pack in (1, 3):
        assert exact.packed_distance(p, q, pack) == pytest.approx(exact.packed_distance(*few, pack))
    assert exact.packed_distance(p, p, 4).jensen_shannon == pytest.approx(0, abs=1e-12)
    assert exact.packs_of(few[0], 2).tolist() == pytest.approx([36 / 64, 12 / 64, 12 / 64, 4 / 64])


@pytest.mark.parametrize("pack", [1, 2])
def test_a_trained_discriminator_of_packs_reaches_the_best_one_s_loss(pack):
    """Data: two atoms, at −1 and 1, alike; the generator makes the one at 1 alone. The loss is log 4 − 2 JSD of the packs."""
    torch.manual_seed(0)
    net = MixtureDiscriminator(16, 1, data_dim=1, pack=pack)
    # every pack of data once, in order: −−, −+, +−, ++
    rows = 2 * torch.cartesian_prod(*[torch.arange(2.0)] * pack).view(-1, 1) - 1
    fake = torch.ones(2 * pack, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(500):
        loss = discriminator_loss(net(rows), net(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = exact.packed_distance(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]), pack)
    assert found.total_variation == 1 - 0.5**pack
    assert loss.item() == pytest.approx(math.log(4) - 2 * found.jensen_shannon, abs=0.02)


def test_what_can_t_be_listed_is_told():
    half = torch.tensor([0.5, 0.5])
    for p, pack, message in (
        (half, 0, "pack is 0"),
        (torch.full((100,), 0.01), 4, "100,000,000, too many to list"),
        (torch.tensor([0.5, 0.6]), 1, "add up to 1.1"),
        (torch.tensor([1.5, -0.5]), 1, "least -0.5"),
        (torch.ones(2, dtype=torch.long), 1, "floats"),
    ):
        with pytest.raises(InputError, match=message):
            exact.packs_of(p, pack)
    with pytest.raises(InputError, match="p has 2 atoms and q 3"):
        exact.packed_distance(half, torch.full((3,), 1 / 3), 2)


def test_a_mixture_s_batches_can_be_packed():
    points = next(iter(data.PointBatches(data.ring(), 100, 1)))
    for pack in (2, 4):
        assert MixtureDiscriminator(8, 1, pack=pack)(points).shape == (100 // pack, 1)
    assert isinstance(MixtureDiscriminator(8, 1, pack=2).model, nn.Sequential)
