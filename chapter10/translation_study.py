"""CycleGAN between digits and outlines with and without its cycle loss (section 10.5.2), over seeds.

Run through `python -m chapter10 measure translation-mnist`; `longer-translation-mnist` takes twice the steps, `turned-mnist`
has digits and turned digits in place of outlines. Each training has the networks, batches and rates of the stored recipe
and the same number of steps, far fewer than it: so also what a live run gets to. The scores of the images as they were,
taken for translations, stand in each row.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chapter10 import data, domains, recipes
from chapter10.cyclegan import CycleGAN, CycleGANTraining, PatchDiscriminator, TranslationGenerator
from chapter10.errors import InputError
from chapter10.gan_study import Rounds, pack
from chapter10.training import fit, warmup_cosine

STEPS, LONGER = 400, 800  # of a training, and of one twice as long
COUNT = 2000  # test images to measure with, at most
SHOWN = 8  # test images kept from each training: outline, translation, back again, and the right answer


@dataclass(frozen=True)
class Variant:
    """The weights of the cycle loss and, as a share of it, of the identity loss (see `CycleGANTraining`)."""

    cycle: float
    identity: float = 0.0


VARIANTS = {
    "with cycle": Variant(2.0),
    "without cycle": Variant(0.0),
    "the authors' weights": Variant(10.0, 0.5),
}


def method_for(variant: str, seed: int) -> CycleGANTraining:
    """The untrained players of one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise InputError(
            "There is no variant {variant!r}. Choose one of: {choices}.",
            variant=variant,
            choices=', '.join(VARIANTS),
        )
    chosen = VARIANTS[variant]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CycleGAN(TranslationGenerator(), TranslationGenerator())
        opponents = [PatchDiscriminator(width=12) for _ in range(2)]
    return CycleGANTraining(model, *opponents, cycle=chosen.cycle, identity=chosen.identity, average=0.98)


def train(pair: domains.Domains, variant: str, seed: int, steps: int = STEPS) -> CycleGAN:
    """One training of so many steps, from nothing; the moving average of the generators, in eval mode."""
    recipe = recipes.get(f"cyclegan-outlines-{pair.name}")
    method = method_for(variant, seed)
    batches = Rounds(pair.batches(recipe.batch_size), steps)
    fit(method, batches, 1, seed, {"lr": warmup_cosine(recipe.lr, recipe.warmup)}, progress=False)
    return method.averaged.eval()


@torch.no_grad()
def sheet(model: CycleGAN, pair: domains.Domains, count: int = SHOWN) -> Tensor:
    """The first test images of B, what is made of them, what comes back, and the right images of A: [4, count, D] in [0, 1]."""
    b, a = (data.to_signed(images[:count]) for images in (pair.test_b, pair.test_a))
    made, back = model.round_trip(b, "b")
    return data.signed_to_unit(torch.stack([b, made, back, a]))


def measured(pair: domains.Domains, variant: str, seed: int, steps: int = STEPS) -> dict[str, Any]:
    """One training and its scores on test images, in both directions, with a sheet of its translations."""
    count, started = min(COUNT, len(pair.labels)), time.process_time()
    model = train(pair, variant, seed, steps)
    row: dict[str, Any] = {"variant": variant, "seed": seed, "steps": steps}
    row |= {
        "seconds": round(time.process_time() - started, 1),
        "judge": repr(recipes.judge(f"classifier-{pair.name}")),
    }
    row |= {"count": count} | recipes.translation_scores(model, pair, count)
    return row | {"samples": pack(sheet(model, pair))}


def translation(name: str, seed: int) -> list[dict[str, Any]]:
    """Digits and outlines, each variant for one set of images and one seed: a row each."""
    pair = domains.split(data.load(name), "outlines")
    return [measured(pair, variant, seed) for variant in VARIANTS]


def longer(name: str, seed: int) -> list[dict[str, Any]]:
    """With and without the cycle loss, in twice the steps: what the cycle holds up at first it has made good by then."""
    pair = domains.split(data.load(name), "outlines")
    return [measured(pair, variant, seed, LONGER) for variant in ("with cycle", "without cycle")]


def turned(name: str, seed: int) -> list[dict[str, Any]]:
    """Upright and turned digits, with the cycle loss: what such networks can't do, for no layer carries a stroke that far."""
    return [measured(domains.split(data.load(name), "rotated"), "with cycle", seed)]
