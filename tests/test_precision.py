"""Fewer digits: what is rounded and what is not, in which device there is what, and networks that are compiled."""

import pytest
import test_checkpoints as c
import test_training as t
import torch
from torch import nn

from chapter10 import backprop, precision, recipes, training
from chapter10.checkpoints import Checkpoints
from chapter10.errors import CheckpointError, InputError
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.nets import ConvDiscriminator, in_full
from chapter10.precision import compile_networks, computing, device_of
from chapter10.training import fit, warmup_cosine
from chapter10.vae import VAE, VAETraining, elbo
from chapter10.vqvae import nearest_code


def begin(name):
    recipe = recipes.get(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return recipe.method(recipe.build())


def floats(state):
    return [leaf for leaf in t.tensors(state) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


@pytest.mark.parametrize("name", c.one_of_each())
def test_every_recipe_s_method_makes_bfloat16_steps_near_those_in_float32(name):
    recipe = recipes.get(name)
    batches = c.Few(recipes.batches_for(recipe, c.images_of(name), "cpu"), 3)
    plan = {"schedules": {"lr": warmup_cosine(recipe.lr, recipe.warmup)}, "progress": False}
    methods = begin(name), begin(name)
    exact = fit(methods[0], batches, 1, **plan)
    rounded = fit(methods[1], batches, 1, precision="bfloat16", **plan)
    assert all(
        leaf.dtype == torch.float32 for leaf in floats(methods[1].state_dict()) if leaf.ndim
    )  # weights and Adam's means
    for part in set(exact.rows[0]) - {"epoch", "step", "seconds", "restarts"}:
        # eight bits: a relative error of 1/256 a number, less in sums of many
        assert rounded[part][0] == pytest.approx(exact[part][0], rel=0.03, abs=0.01), part
    assert not t.same(*methods)


def test_losses_and_kl_are_in_float32():
    torch.manual_seed(0)
    model, x = VAE(64, 3, 16), torch.rand(5, 64).round()
    with computing("bfloat16", "cpu"):
        assert model.encoder(x).dtype == torch.bfloat16  # so products are rounded
        bound = elbo(model, x)
        features, logits = ConvDiscriminator().features_and_logits(torch.rand(3, 784) - 0.5)
        scores = Discriminator()(torch.rand(3, 784) - 0.5)
    assert {part.dtype for part in (*bound, features, logits, scores)} == {torch.float32}
    assert in_full(torch.ones(2, dtype=torch.float64)).dtype == torch.float64


def test_the_nearest_code_is_found_in_all_digits():
    torch.manual_seed(0)
    z, codebook = torch.randn(200, 16), torch.randn(64, 16)
    codebook[1] = codebook[0] + 1e-3  # alike in eight bits
    with computing("bfloat16", "cpu"):
        found = nearest_code(z, codebook)
    assert torch.equal(found, nearest_code(z, codebook)) and torch.equal(
        found, torch.cdist(z, codebook).argmin(1)
    )


def test_no_gradient_is_computed_by_hand_from_rounded_products(monkeypatch):
    def never(*rest, **settings):
        raise AssertionError("by hand")

    monkeypatch.setattr(backprop, "forward", never)
    for method, x in [
        (VAETraining(VAE(64, 2, 8)), torch.rand(4, 64).round()),
        (GANTraining(Generator(3, 64), Discriminator(64)), torch.rand(4, 64) - 0.5),
    ]:
        with pytest.raises(AssertionError, match="by hand"):
            method.step(x)
        with computing("bfloat16", "cpu"):
            method.step(x)


def test_a_player_that_was_updated_is_asked_anew():
    """torch's autocast keeps rounded weights by default: after its step a discriminator would answer as before it."""
    net, x = nn.Linear(4, 1), torch.randn(3, 4)
    with computing("bfloat16", "cpu"):
        before = net(x)
        with torch.no_grad():
            net.weight.add_(1)
        assert not torch.equal(net(x), before)


@pytest.mark.parametrize(
    "name, words",
    [
        ("tf32", "'tf32' is one that cpu lacks. Choose one of: float32, bfloat16"),
        ("half", "'half' is not known. Choose one of: float32"),
        (16, "16 is not known"),
    ],
)
def test_precisions_that_there_are_not(name, words):
    method = t.new_method()
    with pytest.raises(InputError, match=words):
        t.train(1, method, precision=name)
    assert t.same(method, t.new_method())


def test_what_a_gpu_has(monkeypatch):
    for capability, there in [
        ((7, 5), ("float32",)),
        ((8, 0), precision.PRECISIONS),
        ((9, 0), precision.PRECISIONS),
    ]:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert precision.available("cuda:0") == there
    assert precision.available("meta") == ("float32",)


def test_tf32_lasts_as_long_as_the_step():
    before = torch.get_float32_matmul_precision()
    with pytest.raises(KeyboardInterrupt), computing("tf32", "cuda"):
        assert torch.get_float32_matmul_precision() == "high"
        raise KeyboardInterrupt
    assert torch.get_float32_matmul_precision() == before


def test_a_training_is_resumed_in_its_own_precision_and_exactly(tmp_path):
    settings = {"epochs": 3, "batches": t.eight(), "precision": "bfloat16"}
    whole, _ = t.train(**settings)
    with pytest.raises(t.Stop):
        kept = Checkpoints(tmp_path, every_steps=5)
        t.train(method=c.Stopping(t.new_method(), 13), checkpoint=kept, **settings)
    with pytest.raises(CheckpointError, match="another plan of training"):
        t.train(3, batches=t.eight(), checkpoint=Checkpoints(tmp_path))
    assert t.same(t.train(checkpoint=Checkpoints(tmp_path), **settings)[0], whole)


def test_callbacks_compute_in_float32():
    seen = []
    t.train(
        1, callbacks=[lambda progress: seen.append(torch.is_autocast_enabled("cpu"))], precision="bfloat16"
    )
    assert seen == [False]


def test_where_a_method_computes():
    assert device_of({"a": [3, {"b": torch.zeros(1, device="meta")}]}) == torch.device("meta")
    assert device_of({"a": []}) == torch.device("cpu")


def test_compiled_networks_let_a_graph_be_gone_through_twice():
    """As the VAE-GAN's step does: torch's default stops it with a RuntimeError about donated buffers."""
    config = pytest.importorskip("torch._functorch.config")
    if not hasattr(config, "donated_buffer"):
        pytest.skip("this version of torch frees no graph early")
    before = config.donated_buffer
    with computing("float32", "cpu", compiled=True):
        assert config.donated_buffer is False
    with computing("bfloat16", "cpu"):
        assert config.donated_buffer is before
    assert config.donated_buffer is before


def test_networks_are_compiled_once_each_and_keep_their_names(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: compiled.append((type(self).__name__, mode)))
    method = t.a_game()
    names = list(method.state_dict()["generator"])
    compile_networks(method, "cpu")
    assert sorted(compiled) == [
        (name, None) for name in ("Discriminator", "Generator", "Sequential", "Sequential")
    ]
    compile_networks(method, "cuda:1")
    assert compiled[-1][1] == "reduce-overhead" and list(method.state_dict()["generator"]) == names
    compiled.clear()
    monkeypatch.setattr(training, "compile_networks", lambda method, device: compiled.append(device))
    t.train(1)
    assert compiled == []
    t.train(1, compile=True)
    assert compiled == [torch.device("cpu")]
