"""The cycle is perfect and the translation wrong: CycleGAN between mixtures, whose modes may change places (section 10.5.2).

Nothing that CycleGAN descends says which image belongs to which. Any mapping that carries domain A onto domain B as a
whole, together with its inverse, has a cycle error of 0 and fools both discriminators: so has one that permutes the
modes. Here that is exact (`PermutedModes`), and one can count over seeds how often training ends so
(`python -m chapter10 measure swaps-modes`). Two domains of points: A has a mode above and one below, B one on the right and
one on the left; the known translation is a quarter turn clockwise, so above comes to the right. The turn the other way
swaps the modes. If both modes hold as many points, the two translations are mirror images, and nothing tells them apart.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import metrics
from chapter10.cyclegan import CycleGAN, CycleGANTraining, cycle_loss
from chapter10.data import GaussianMixture
from chapter10.errors import InputError
from chapter10.language import noted
from chapter10.nets import as_rows, check_sizes, mlp
from chapter10.players import MixtureDiscriminator
from chapter10.training import fit, linear_decay

STD = 0.1  # of a mode; its distance from the middle is 1
SUBJECTS = ("modes",)
STEPS, BATCH, LR = 200, 128, 2e-3
POINTS = 2000  # to measure with


# case: the share of points in mode 0 of both domains
CASES = {"equal": 0.5, "unequal": 0.75}


def mixtures(first: float = 0.5) -> tuple[GaussianMixture, GaussianMixture]:
    """A, with mode 0 above and mode 1 below, and B, with mode 0 on the right and mode 1 on the left.

    Args:
        first: the share of points in mode 0, above 0 and below 1.
    """
    if not 0 < first < 1:
        raise InputError(
            "first is {first}; give the share of points in mode 0, above 0 and below 1.",
            first=first,
        )
    weights = torch.tensor([first, 1 - first])
    return tuple(
        GaussianMixture(torch.tensor(means), STD, weights)
        for means in ([[0.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [-1.0, 0.0]])
    )


class PermutedModes(nn.Module):
    """The translation that carries mode k of one mixture onto mode order[k] of another, without a network.

    A point x nearest to mode k becomes x − μ_k + ν_order[k], [B, D] -> [B, D]. If all modes have one spread and weights
    that the order keeps, what comes out is distributed as the other mixture, but for the points that lie nearer to another
    mode than to their own.

    Args:
        source, target: mixtures of as many modes and the same std.
        order: a permutation of 0 … K − 1; the right translation's is 0, 1, ….
    """

    def __init__(self, source: GaussianMixture, target: GaussianMixture, order: Sequence[int]):
        super().__init__()
        if source.means.shape != target.means.shape or source.std != target.std:
            raise InputError(
                "Modes can only change places between mixtures of as many modes and one std, found {shape} with "
                "{std:g} and {shape_2} with {std_2:g}.",
                shape=list(source.means.shape),
                std=source.std,
                shape_2=list(target.means.shape),
                std_2=target.std,
            )
        if sorted(order) != list(range(len(source.means))):
            raise InputError(
                "order is {order}; give a permutation of 0 … {count_less_1}.",
                order=list(order),
                count_less_1=len(source.means) - 1,
            )
        self.source, self.target, self.order = source, target, tuple(order)
        self.in_dim = self.out_dim = source.means.shape[1]

    def inverse(self) -> "PermutedModes":
        """The way back, by which each point comes back where it was."""
        back = torch.tensor(self.order).argsort().tolist()
        return PermutedModes(self.target, self.source, back)

    def forward(self, x: Tensor) -> Tensor:
        nearest = nearest_mode(self.source, x)
        return x - self.source.means[nearest] + self.target.means[list(self.order)][nearest]


class PointTranslator(nn.Module):
    """A generator from points to points, [B, 2] -> [B, 2]."""

    def __init__(self, hidden_dim: int = 32, hidden_layers: int = 2):
        super().__init__()
        check_sizes(hidden_dim=hidden_dim, hidden_layers=hidden_layers)
        self.in_dim = self.out_dim = 2
        self.model = mlp([2, *[hidden_dim] * hidden_layers, 2])

    def forward(self, x: Tensor) -> Tensor:
        return self.model(as_rows(x, 2, noted("The generator"), noted("points")))


class UnpairedPoints:
    """Batches [B, 4] of a point of A and an unrelated one of B, fresh ones each time; `steps` are an epoch."""

    def __init__(self, a: GaussianMixture, b: GaussianMixture, batch_size: int = BATCH, steps: int = STEPS):
        check_sizes(batch_size=batch_size, steps=steps)
        self.a, self.b, self.batch_size, self.steps = a, b, batch_size, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.steps):
            yield torch.cat([mixture.sample(self.batch_size)[0] for mixture in (self.a, self.b)], 1)


def nearest_mode(mixture: GaussianMixture, x: Tensor) -> Tensor:
    """Which mode each point [N, D] lies nearest to, [N]."""
    return torch.cdist(x, mixture.means).argmin(1)


@torch.no_grad()
def scores(model: nn.Module, first: float = 0.5, seed: int = 0, count: int = POINTS) -> dict[str, Any]:
    """A translation between the two mixtures, measured on `count` points of A.

    Args:
        model: with `round_trip(x) -> (there, back)`, such as a `CycleGAN`.
    Returns:
        "right": the share that comes to the right mode of B; "cycle_error": E|F(G(x)) − x| of a coordinate;
        "good": the share within 3σ of a mode of B, 0.989 of B itself; "first": the share that comes to mode 0.
    """
    a, b = mixtures(first)
    x, modes = a.sample(count, torch.Generator().manual_seed(seed))
    there, back = model.round_trip(x)
    found = nearest_mode(b, there)
    return {
        "right": (found == modes).double().mean().item(),
        "cycle_error": cycle_loss(x, back).item(),
        "good": metrics.mode_coverage(b, there).good,
        "first": (found == 0).double().mean().item(),
    }


def train(case: str, seed: int, steps: int = STEPS) -> CycleGAN:
    """One training of a case of `CASES`, about two seconds long; the model, in eval mode."""
    if case not in CASES:
        raise InputError(
            "There is no case {case!r}. Choose one of: {choices}.",
            case=case,
            choices=', '.join(CASES),
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CycleGAN(PointTranslator(), PointTranslator())
        opponents = [MixtureDiscriminator(64, 2) for _ in range(2)]
    method = CycleGANTraining(model, *opponents, identity=0.0, pool=None)
    batches = UnpairedPoints(*mixtures(CASES[case]), steps=steps)
    fit(method, batches, 1, seed, {"lr": linear_decay(LR)}, progress=False)
    return model.eval()


def swaps(subject: str, seed: int) -> list[dict[str, Any]]:
    """Each case trained once, and the two mappings that need no training: a row each."""
    a, b = mixtures()
    rows: list[dict[str, Any]] = []
    for name, order in (("the right one", (0, 1)), ("the swapped one", (1, 0))):
        there = PermutedModes(a, b, order)
        rows.append({"case": name, "seed": seed} | scores(CycleGAN(there, there.inverse()), seed=seed))
    for name, first in CASES.items():
        rows.append({"case": name, "seed": seed} | scores(train(name, seed), first, seed))
    return rows
