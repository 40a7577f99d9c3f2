"""Convolutional decoders with int8 weights: against torch, layer by layer, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from chapter10 import live
from chapter10.cyclegan import ResidualBlock, TranslationGenerator
from chapter10.errors import InputError
from chapter10.int8_maps import MapLayer, int8_maps
from chapter10.nets import Maps, Rows

# Odd sizes, strides and paddings, kernels larger than a stride leaves room for, shuffles: what could be put in the wrong place.
CHAINS = {
    "convolution": [nn.Conv2d(3, 2, 3)],
    "stride": [nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(2, 1, 2, stride=3, padding=2)],
    "transposed": [nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)],
    "wide stride": [nn.ConvTranspose2d(3, 1, 2, stride=3)],
    "wide padding": [nn.ConvTranspose2d(3, 2, 5, stride=2, padding=3), nn.Conv2d(2, 1, 1, padding=1)],
    "shuffle": [nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2), nn.ReLU(), nn.Conv2d(2, 9, 2), nn.PixelShuffle(3)],
    "mirror": [nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"), nn.Tanh(), nn.Conv2d(2, 1, 5, 2, 3, padding_mode="reflect")],
    "norm": [nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1, bias=False), nn.InstanceNorm2d(1)],
    "residual": [nn.Conv2d(3, 4, 3), nn.ReLU(), ResidualBlock(4), ResidualBlock(4), nn.ConvTranspose2d(4, 1, 2, stride=2)],
    "unshuffle": [nn.Conv2d(3, 2, 2, padding=(1, 1)), nn.PixelUnshuffle(2), nn.Conv2d(8, 4, 3, padding=1), nn.PixelShuffle(2), Rows()],
    "no bias": [nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.ConvTranspose2d(4, 1, 3, bias=False)],
}  # fmt: skip


def chain(name: str) -> nn.Sequential:
    """One of CHAINS with its weights where int8 holds them exactly: whole numbers, 127 among them in each row."""
    net = nn.Sequential(*CHAINS[name]).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                whole = torch.randint(-127, 128, part.weight.shape, generator=generator).double()
                rows = whole.transpose(0, 1) if part.transposed else whole
                rows[:, 0, 0, 0] = 127
                part.weight.copy_(whole / 128)
                if part.bias is not None:
                    part.bias.copy_(torch.randint(-8, 9, part.bias.shape, generator=generator) / 8)
    return net


@pytest.mark.parametrize("name", CHAINS)
def test_it_computes_what_torch_computes(name: str):
    net = chain(name)
    decoder = int8_maps(live.map_layers_of(net))
    size = (7, 7) if name == "unshuffle" else (7, 5)
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net(x).sigmoid()
    if expected.ndim == 2:  # rows: back to maps of one channel
        expected = Maps(1, 8)(expected)
    expected, found = expected.numpy(), decoder(x.numpy())
    assert found.shape == expected.shape and expected.std() > 0.04
    np.testing.assert_allclose(found, expected, atol=1e-6)  # the scales are float32
    assert decoder.size(size) == expected.shape[2:]
    assert decoder.layers[-1].channels == expected.shape[1] and decoder.channels == 3


def test_batch_norm_is_folded_into_the_layer_before_it():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(),
        nn.Conv2d(4, 1, 3), nn.BatchNorm2d(1, affine=False), nn.Sequential(nn.Identity(), nn.Flatten()), Rows(),
    )  # fmt: skip
    with torch.no_grad():
        for _ in range(20):
            net[:6](torch.randn(8, 3, 5, 5) * 3 + 1)
        net[1].weight.uniform_(0.5, 2)
        net[1].bias.uniform_(-1, 1)
        x = torch.randn(4, 3, 5, 5)
        expected = net.eval()[:6](x).numpy()
    found = int8_maps(live.map_layers_of(net, "linear"))(x.numpy())
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()  # int8's own error
    assert np.abs(found - expected).max() < 0.1 * expected.std()


def test_it_computes_a_generator_from_picture_to_picture():
    torch.manual_seed(0)
    net = TranslationGenerator(width=6, blocks=2).eval()
    with torch.no_grad():
        for p in net.parameters():
            p *= 20
        x = torch.rand(3, 784) * 2 - 1
        x[0] = 0.5  # without any variance
        expected = net(x).numpy()
    made = int8_maps(live.map_layers_of(net.model, "linear"))
    found = made(x.numpy().reshape(3, 1, 28, 28)).reshape(3, 784)
    assert expected[1:].std() > 0.3 and np.abs(found - expected).mean() < 0.02
    assert (
        made.size((28, 28)) == (28, 28)
        and made.channels == 1
        and [layer.skip for layer in made.layers] == [0, 0, 2, 0, 2, 0]
    )
    # 196 places of 9·4·6, four of 9·6·6, one of 9·6·4
    assert made.multiplications((28, 28)) == 196 * (216 + 4 * 324 + 216)


def test_int8_is_near_float_for_a_decoder_like_ours():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 4, 3, padding=1), nn.PixelShuffle(2), nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        for p in net.parameters():
            p *= 3
        x = torch.randn(20, 16, 7, 7)
        expected = net(x).sigmoid().numpy().reshape(20, 1, 28, 28)
    decoder = int8_maps(live.map_layers_of(net))
    assert expected.std() > 0.2
    assert np.abs(decoder(x.numpy()) - expected).mean() < 0.02
    # 49 places of 9·16·32, 49 of 16·32·16, 196 of 9·16·4
    assert decoder.multiplications((7, 7)) == 49 * 4608 + 49 * 8192 + 196 * 576


@pytest.mark.parametrize("net, word", [
    (nn.Sequential(nn.Linear(2, 2)), "Linear"),
    (nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1)), "ReLU"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1)), "BatchNorm2d"),
    (nn.Sequential(nn.Conv2d(1, 4, 1), nn.PixelShuffle(2), nn.BatchNorm2d(1)), "BatchNorm2d"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, track_running_stats=False)), "running statistics"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Tanh()), "Tanh"),
    (nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)), "groups"),
    (nn.Sequential(nn.Conv2d(2, 2, 3, dilation=2)), "dilation"),
    (nn.Sequential(nn.Conv2d(2, 2, 3, padding="same")), "padding"),
    (nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")), "circular"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.InstanceNorm2d(1, affine=True)), "weights of its own"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.InstanceNorm2d(1, eps=1e-3)), "eps"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.InstanceNorm2d(1), nn.InstanceNorm2d(1)), "InstanceNorm2d"),
    (nn.Sequential(nn.Conv2d(1, 4, 1), nn.PixelShuffle(2), nn.InstanceNorm2d(1)), "InstanceNorm2d"),
    (nn.Sequential(nn.Conv2d(1, 2, 1), ResidualBlock(2), nn.ReLU()), "ReLU"),
    (nn.Sequential(nn.Conv2d(1, 4, 1), nn.PixelUnshuffle(2)), "PixelUnshuffle"),
    (nn.Sequential(nn.Conv2d(2, 2, (3, 1))), "square"),
    (nn.Sequential(nn.Conv2d(2, 2, 3, stride=(1, 2))), "stride"),
    (nn.Sequential(nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1)), "output_padding"),
    (nn.Sequential(nn.Flatten()), "no convolution"),
])  # fmt: skip
def test_what_the_page_cannot_run_is_refused(net: nn.Module, word: str):
    with pytest.raises(InputError, match=word) as error:
        live.map_layers_of(net)
    assert str(error.value).endswith(".")


ONE = np.ones((2, 3, 2, 2))


@pytest.mark.parametrize("layers, word", [
    ([], "at least one"),
    ("conv", "at least one"),
    ([(ONE, np.zeros(2))], "no MapLayer"),
    ([MapLayer("pooling", ONE, np.zeros(2))], "pooling"),
    ([MapLayer("convolution", ONE, np.zeros(2), "softmax")], "softmax"),
    ([MapLayer("convolution", ONE, np.zeros(3))], "a bias of 3"),
    ([MapLayer("convolution", ONE, np.zeros(2), stride=0)], "stride 0"),
    ([MapLayer("convolution", ONE[..., :1], np.zeros(2))], "2×1"),
    ([MapLayer("convolution", ONE[0], np.zeros(3))], "shape"),
    ([MapLayer("convolution", ONE, np.zeros(2), shuffle=2)], "no whole number"),
    ([MapLayer("convolution", ONE, np.zeros(2)), MapLayer("convolution", ONE, np.zeros(2))], "2 channels"),
    ([MapLayer("convolution", ONE, np.zeros(2), unshuffle=2)], "never makes"),
    ([MapLayer("convolution", ONE, np.zeros(2), skip=1)], "number of channels"),
    ([MapLayer("convolution", ONE, np.zeros(2), skip=2)], "not there"),
    ([MapLayer("transposed", ONE, np.zeros(2), padding=1, mirrored=True)], "mirror"),
    ([MapLayer("convolution", ONE * np.nan, np.zeros(2))], "not finite"),
])  # fmt: skip
def test_layers_that_do_not_fit_are_refused(layers: object, word: str):
    with pytest.raises(InputError, match=word) as error:
        int8_maps(layers)
    assert str(error.value).endswith(".")


def test_an_output_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="softmax"):
        live.map_layers_of(nn.Conv2d(1, 1, 1), "softmax")
