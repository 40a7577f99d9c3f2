"""The bench of the GAN's epoch: what is counted, and that both loops play the same game."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from chapter10 import bench_gan_epoch as bench
from chapter10.gan import Discriminator, GANTraining, Generator, Objective
from chapter10.nets import Dropout


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def images(n=4, dim=784):
    return 2 * torch.rand(n, dim) - 1


@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_a_step_makes_the_products_that_are_counted_and_no_more(objective):
    method = GANTraining(Generator(), Discriminator(), objective=Objective(objective))
    with FlopCounterMode(display=False) as counter:
        method.step(images())
    assert counter.get_total_flops() == 2 * 4 * bench.multiplications(method.generator, method.discriminator)


def test_the_chapter_s_step_makes_more_of_them():
    generator, discriminator = bench.chapter_players()
    optimizers = [torch.optim.Adam(net.parameters()) for net in (generator, discriminator)]
    with FlopCounterMode(display=False) as counter:
        bench.chapter_step(generator, discriminator, *optimizers, images())
    weights = sum(p.numel() for p in discriminator.parameters() if p.ndim == 2)  # whose gradient G's step does not need
    assert counter.get_total_flops() == 2 * 4 * (bench.multiplications(generator, discriminator) + weights)


def test_both_loops_play_the_same_game():
    generator, discriminator = bench.chapter_players()
    method = GANTraining(Generator(), Discriminator(), lr=1e-3, betas=(0.9, 0.999))
    method.generator.model.load_state_dict(generator.state_dict())
    method.discriminator.model.load_state_dict(discriminator.state_dict())
    for module in [*discriminator.modules(), *method.discriminator.modules()]:
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, Dropout):
            module.kept = 65536
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (generator, discriminator)]
    for i in range(5):
        x = images()
        torch.manual_seed(i)
        d_loss, g_loss = bench.chapter_step(generator, discriminator, *optimizers, x)
        torch.manual_seed(i)
        parts = method.step(x)
        torch.testing.assert_close(parts["d_loss"], d_loss.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(parts["g_loss"], g_loss.detach(), rtol=1e-4, atol=1e-5)


def test_the_chapter_s_players_are_those_of_the_package():
    for theirs, ours in zip(bench.chapter_players(), (Generator(), Discriminator())):
        assert [p.shape for p in theirs.parameters()] == [p.shape for p in ours.parameters()]
