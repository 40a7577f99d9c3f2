"""`OneVectorAdam` takes torch's steps, to the last bits, and keeps torch's state."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from chapter10 import backprop
from chapter10.adam import OneVectorAdam
from chapter10.files import load_state, save_state
from chapter10.nets import mlp

BETAS = (0.5, 0.99)


@pytest.fixture
def x():
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


def pair() -> tuple[nn.Module, OneVectorAdam, nn.Module, torch.optim.Adam]:
    """A network with each optimiser, alike."""
    torch.manual_seed(1)
    net = mlp([5, 7, 3])
    other = deepcopy(net)
    return net, OneVectorAdam(net.parameters(), 0.01, BETAS), other, torch.optim.Adam(other.parameters(), 0.01, BETAS)


def descend(net: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, by_hand: bool = False) -> None:
    """A step down the sum of squares of the outputs."""
    if by_hand:
        with torch.no_grad():
            made = backprop.Pass(net, x)
            made.learn(2 * made.output)
    else:
        optimizer.zero_grad(set_to_none=True)
        net(x).square().sum().backward()
    optimizer.step()


def assert_alike(net: nn.Module, optimizer: OneVectorAdam, other: nn.Module, reference: torch.optim.Adam) -> None:
    for mine, theirs in zip(net.parameters(), other.parameters()):
        torch.testing.assert_close(mine, theirs, rtol=2e-6, atol=1e-7)
        for name, value in reference.state[theirs].items():
            torch.testing.assert_close(optimizer.state[mine][name], value, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("by_hand", [True, False])
def test_takes_torch_s_steps(x, by_hand):
    net, optimizer, other, reference = pair()
    for i in range(6):
        optimizer.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = 0.01 * (i + 1)
        descend(net, optimizer, x, by_hand)
        descend(other, reference, x)
        assert_alike(net, optimizer, other, reference)


def test_weights_become_one_vector(x):
    net, optimizer, *_ = pair()
    for _ in range(3):
        descend(net, optimizer, x, by_hand=True)
    assert len({p.untyped_storage().data_ptr() for p in net.parameters()}) == 1


def test_gradients_in_place_and_anew_in_turns(x):
    net, optimizer, other, reference = pair()
    for by_hand in (True, True, False, True, False, False, True):
        descend(net, optimizer, x, by_hand)
        descend(other, reference, x)
    assert_alike(net, optimizer, other, reference)


def test_a_parameter_without_gradient_stays(x):
    net, optimizer, other, reference = pair()
    for i in range(4):
        for one, its in ((net, optimizer), (other, reference)):
            its.zero_grad(set_to_none=True)
            one(x).square().sum().backward()
            if i != 2:
                one[2].bias.grad = None
            its.step()
        assert_alike(net, optimizer, other, reference)


def test_a_second_optimizer_takes_over_and_the_first_still_moves_the_weights(x):
    net, optimizer, other, reference = pair()
    second, its = OneVectorAdam(net.parameters(), 0.02), torch.optim.Adam(other.parameters(), 0.02)
    for first in (True, True, False, False, True, False):
        descend(net, optimizer if first else second, x, by_hand=True)
        descend(other, reference if first else its, x)
    assert_alike(net, optimizer, other, reference)
    assert_alike(net, second, other, its)


def test_weights_put_elsewhere_are_the_ones_that_move(x):
    net, optimizer, other, reference = pair()
    descend(net, optimizer, x, by_hand=True)
    descend(other, reference, x)
    for p in net.parameters():
        p.data = p.data.clone()
    for _ in range(2):
        descend(net, optimizer, x, by_hand=True)
        descend(other, reference, x)
    assert_alike(net, optimizer, other, reference)


def test_state_goes_through_a_file_and_on(x, tmp_path):
    net, optimizer, other, reference = pair()
    for _ in range(3):
        descend(net, optimizer, x, by_hand=True)
        descend(other, reference, x)
    kept = deepcopy(optimizer.state_dict())
    save_state(tmp_path / "state.safetensors", {"net": net.state_dict(), "optimizer": optimizer.state_dict()})
    descend(net, optimizer, x, by_hand=True)  # must not reach what was kept
    state, _ = load_state(tmp_path / "state.safetensors")
    for values, before in zip(state["optimizer"]["state"].values(), kept["state"].values()):
        for name in values:
            assert torch.equal(values[name], before[name])
    fresh, its, *_ = pair()
    fresh.load_state_dict(state["net"])
    its.load_state_dict(state["optimizer"])
    for _ in range(3):
        descend(fresh, its, x, by_hand=True)
        descend(other, reference, x)
    assert_alike(fresh, its, other, reference)
    torch_s = torch.optim.Adam(other.parameters(), 0.01, BETAS)
    torch_s.load_state_dict(its.state_dict())  # and torch's own takes it


def test_copies_and_other_precisions_are_left_to_torch(x):
    net, optimizer, *_ = pair()
    descend(net, optimizer, x, by_hand=True)
    twin = deepcopy(net)
    descend(net, optimizer, x, by_hand=True)
    assert not torch.equal(twin[0].weight, net[0].weight)
    double = mlp([5, 7, 3]).double()
    its = OneVectorAdam(double.parameters(), 0.01)
    before = double[0].weight.detach().clone()
    for _ in range(2):
        descend(double, its, x.double())
    assert not torch.equal(double[0].weight, before) and its._vectors is None
