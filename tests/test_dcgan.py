"""The DCGAN's networks in chapter10.nets: the order in memory, what each place sees, training that goes on from a file."""

import pytest
import torch
from torch import nn

from chapter10 import data
from chapter10.errors import InputError
from chapter10.gan import GANTraining
from chapter10.nets import ConvDiscriminator, ConvGenerator, Maps, Rows
from chapter10.training import fit


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_maps_hold_the_channels_of_a_place_side_by_side_and_rows_undo_them():
    x = torch.arange(2 * 3 * 3 * 5.0).view(2, 45)
    maps = Maps(5, 3)(x)
    assert maps.shape == (2, 5, 3, 3) and maps.is_contiguous(memory_format=torch.channels_last)
    for b, c, h, w in [(0, 0, 0, 0), (1, 4, 2, 1), (0, 2, 1, 2)]:
        assert maps[b, c, h, w] == x[b, (3 * h + w) * 5 + c]
    rows = Rows()(maps)
    assert torch.equal(rows, x) and rows.data_ptr() == x.data_ptr()  # nothing moved


def test_an_image_s_rows_are_its_map():
    image = torch.rand(2, 784)
    assert torch.equal(Maps(1, 28)(image), image.view(2, 1, 28, 28))


def test_channels_stay_last_all_through_and_weights_are_in_the_usual_order():
    generator, discriminator = ConvGenerator(8, 4), ConvDiscriminator(4, True)
    seen = []
    for net in (generator, discriminator):
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                module.register_forward_hook(lambda module, inputs, output: seen.append(output))
                assert module.weight.is_contiguous()
    discriminator(generator(torch.randn(3, 8)))
    assert len(seen) == 4 and all(y.is_contiguous(memory_format=torch.channels_last) for y in seen)


def test_each_place_s_four_pixels_come_from_its_neighbourhood():
    generator = ConvGenerator(8, 4).eval()
    inputs = torch.randn(1, 4, 14, 14, requires_grad=True)
    image = generator.model[-4:](inputs).view(28, 28)  # the last convolution, and what follows it
    image[12:14, 20:22].sum().backward()
    touched = inputs.grad.abs().sum((0, 1)).nonzero()
    assert touched.min(0).values.tolist() == [5, 9] and touched.max(0).values.tolist() == [7, 11]


def test_d_weighs_the_whole_image_by_its_hidden_layer():
    discriminator = ConvDiscriminator(4, hidden_dim=6)
    x = torch.rand(2, 784, requires_grad=True)
    discriminator(x)[0].sum().backward()
    assert (x.grad[0] != 0).double().mean() > 0.9 and not x.grad[1].any()
    hidden = [module for module in discriminator.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in hidden] == [(49 * 8, 6), (6, 1)]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_training_that_goes_on_from_a_file_ends_as_one_in_one_go(tmp_path, batch_norm):
    batches = data.Batches(torch.randint(0, 256, (24, 28, 28), dtype=torch.uint8), 8, "signed")

    def method():
        torch.manual_seed(1)
        return GANTraining(ConvGenerator(8, 4), ConvDiscriminator(4, batch_norm), lr=1e-3, average=0.9)

    whole, first, second = method(), method(), method()
    fit(whole, batches, 2, progress=False)
    fit(first, batches, 1, checkpoint=tmp_path / "run", progress=False)
    fit(second, batches, 2, checkpoint=tmp_path / "run", progress=False)
    expected, found = whole.state_dict(), second.state_dict()
    for player in ("generator", "discriminator", "averaged"):
        for name, tensor in expected[player].items():
            assert torch.equal(tensor, found[player][name]), (player, name)


@pytest.mark.parametrize(
    "build, name",
    [
        (lambda: ConvGenerator(hidden_dim=0), "hidden_dim"),
        (lambda: ConvDiscriminator(hidden_dim=-1), "hidden_dim"),
        (lambda: ConvDiscriminator(width=2.5), "width"),
    ],
)
def test_sizes_that_there_are_not(build, name):
    with pytest.raises(InputError, match=f"{name} is .*; give a whole number from 1 up"):
        build()
