"""Notebook 11: a domain of one's own, with a known translation."""

from functools import cache

import numpy as np
import torch

from chapter10.exercises import embedded
from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task


def mine(line: str) -> str:
    return f"def mine(digits):\n    return {line}\n"


CHANGED = '''
def mine(digits):
    digits[:, 14:] = 255 - digits[:, 14:]
    return digits
'''


@cache
def digits() -> torch.Tensor:
    """Bytes [20, 28, 28], of the digits that come inside scikit-learn."""
    return embedded.digits().test[:20]


def observe(look, source, mine):
    x = digits()
    given = x.clone()
    found = mine(given)
    if found is None:
        look.missing("what your function gives", "None")
    if not isinstance(found, torch.Tensor):
        kind = "an array of numpy" if isinstance(found, np.ndarray) else f"something of type {type(found).__name__}"
        look.missing("what your function gives", f"{kind}; a tensor of bytes (torch.uint8) is wanted")
    if not found.is_floating_point() and found.dtype != torch.uint8:
        look.missing("what your function gives", f"a tensor of {found.dtype}; bytes (torch.uint8) are wanted")
    is_bytes = found.dtype == torch.uint8
    look.fact("the images are bytes (torch.uint8), as they came", is_bytes)
    if not is_bytes:
        raise Enough
    look.fact("there are as many images as digits, of 28×28", found.shape == x.shape)
    if found.shape != x.shape:
        raise Enough
    look.fact("the digits that were handed in are as they were", torch.equal(given, x))
    look.fact("the same digits give the same images a second time", torch.equal(mine(x.clone()), found))
    look.fact("an image depends on its own digit alone", torch.equal(mine(x[3:4].clone())[0], found[3]))
    look.fact("an image depends on its own digit alone, not on its place", torch.equal(mine(x.flip(0)).flip(0), found))
    others = [any(torch.equal(image, digit) for digit in x) for image in found]
    look.fact("the images of B are the digits, in another order", all(others), judged=False)
    changed = (found != x).flatten(1).double().mean(1)
    look.at_least("the share of pixels that differ from the digit's, least of the images", changed.min().item(), 0.01)
    apart, before = (torch.pdist(images.flatten(1).double()) for images in (found, x))
    look.at_least("how far two images of B lie apart, as a share of how far their digits do, least", (apart / before).min().item(), 0.1)


TASK = Task(
    name="11-domain",
    title="a domain of your own",
    section="10.5.2",
    minutes=20,
    statement="Write what makes B of A: from digits, bytes [N, 28, 28], as many images in bytes. Each image is to depend on its own "
    "digit alone, and on no chance, so that there is one known answer; and different digits are to stay apart, or there is no way "
    "back. Ideas: the negative; thicker strokes; the image mirrored; a grid laid over it; upper and lower half exchanged. **Predict** "
    "how much of the class is kept, then train on it in the cell below (half a minute). Which kinds of translation can such a network "
    "learn, and which of the three measures tells you?",
    answers=("mine",),
    stub='def mine(digits):\n    """Bytes [N, 28, 28] -> bytes [N, 28, 28]."""\n    return None\n',
    hints=(
        "What could be undone by somebody who sees the result alone? What could be done pixel by pixel, and what moves things about?",
        "Slicing, `flip`, `roll` and `torch.maximum` keep bytes bytes; a division makes floats of them.",
        "Bytes can be subtracted from 255; `flip(-1)` mirrors; the larger of a digit and the digit moved by one row is a thicker stroke.",
    ),
    solution=mine("digits.flip(-1)  # mirrored"),
    why="A negative and a thicker stroke can be read off from a few pixels, and are learnt. Mirrored, the pixel error stays near that "
    "of the untranslated images, while there and back looks fine: no layer of the generators carries a stroke to the other side.",
    right="A domain with one known translation. Train on it in the cell below.",
    observe=observe,
    setting="from chapter10 import data, domains, shapes\n",
    points=3,
    situations=1,
    ways=(
        mine("255 - digits"),
        mine("torch.maximum(digits, digits.roll(1, 1))"),
        mine("torch.cat([digits[:, 14:], digits[:, :14]], 1)"),
        mine("digits.rot90(1, (1, 2)).contiguous()"),
        "def mine(digits):\n    out = digits.clone()\n    out[:, ::4] = 255\n    out[:, :, ::4] = 255\n    return out\n",
    ),
    mistakes=(
        Mistake("floats", mine("255.0 - digits"),
                "A tensor of bytes (torch.uint8) is wanted, as it came: did a subtraction or a division make floats of it? "
                "`.to(torch.uint8)`."),
        Mistake("in place", CHANGED,
                "The digits that were handed in have been changed: work on a copy, or the known answer is gone."),
        Mistake("by chance", mine("torch.where(torch.rand(digits.shape) < 0.1, 255, digits).to(torch.uint8)"),
                "Twice the same digits gave different images: without one known answer the translation can't be measured."),
        Mistake("the batch's greatest", mine("(digits // 2 + (digits.float().mean(0) / 2).to(torch.uint8))"),
                "An image of yours depends on the others in the batch: make each of its own digit alone."),
        Mistake("shuffled", mine("digits[torch.arange(len(digits)).roll(1)]"),
                "An image of yours is made of another digit: its neighbour's. That is a list drawn by lot (part 6.1), no translation."),
        Mistake("noise with a seed", "def mine(digits):\n    torch.manual_seed(0)\n"
                "    return (digits.float() + 30 * torch.randn(digits.shape)).clamp(0, 255).to(torch.uint8)\n",
                "With a seed the noise is the same each time, but it goes by the place in the batch: elsewhere the same digit gets "
                "another one."),
        Mistake("nothing done", mine("digits.clone()"), "B is the same as A: there is nothing to translate."),
        Mistake("all alike", mine("torch.full_like(digits, 128)"),
                "All images of B are alike, or some nearly so: there is no way back from them."),
    ),
)  # fmt: skip
