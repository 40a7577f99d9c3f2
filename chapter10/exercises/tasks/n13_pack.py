"""Notebook 13: packing, Lin, Khetan, Fanti and Oh 2018: a discriminator that sees m samples at once."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

STUB = """
def my_packs(x, m):  # [B, D], B a multiple of m -> [B/m, m·D]
    return None
"""

SOLUTION = """
def my_packs(x, m):
    return x.reshape(len(x) // m, m * x.shape[1])
"""

BY_CHUNKS = """
def my_packs(x, m):
    return torch.cat(x.chunk(m), dim=1)
"""

EVERY_FEW = """
def my_packs(batch, m):
    return torch.cat([batch[i::m] for i in range(m)], 1)
"""


def observe(look, source, my_packs):
    for rows, numbers, m in ((12, 2, 2), (12, 3, 4), (6, 5, 1), (8, 2, 8)):
        words = f"[{rows}, {numbers}] in packs of {m}"
        x = torch.randperm(rows * numbers, generator=source).float().view(rows, numbers)
        made = look.call(my_packs, x, m)
        if not isinstance(made, torch.Tensor):
            look.missing(f"the packs of {words}", "None" if made is None else f"no tensor but a {type(made).__name__}")
        shape = look.tensor(f"the shape of the packs of {words}", torch.tensor(made.shape))
        if shape.tolist() != [rows // m, m * numbers]:
            raise Enough
        parts = made.detach().reshape(-1, numbers)  # a pack holds its samples one after the other
        known = {tuple(row) for row in x.tolist()}
        whole = [tuple(row) in known for row in parts.tolist()]
        look.fact(f"every pack holds whole samples, one after the other ({words})", all(whole))
        once = sorted(map(tuple, parts.tolist())) == sorted(known)
        look.fact(f"every sample stands in one pack, once ({words})", once)
    x = torch.randn(6, 2, generator=source).requires_grad_()
    made = my_packs(x, 3)
    reaches = isinstance(made, torch.Tensor) and made.requires_grad
    look.fact("the gradient reaches the samples", reaches)


def wrong(line: str) -> str:
    return f"def my_packs(x, m):\n    return {line}\n"


TASK = Task(
    name="13-pack",
    title="packing",
    section="10.5.2",
    minutes=5,
    statement="A generator that has collapsed gives itself away by sameness, and a discriminator that sees one sample at a time hardly "
    "sees it. PacGAN shows it m at a time. Write what makes the packs: a batch `x` [B, D], B a multiple of m, becomes [B/m, m·D]. "
    "Each row holds m whole samples, one after the other, and each sample is in one pack. Which samples share a pack is up to you.",
    answers=("my_packs",),
    stub=STUB,
    hints=(
        "Write down a batch of four samples of two numbers, a1 a2, b1 b2, c1 c2, d1 d2. What are the two packs of two?",
        "In memory the rows of a batch lie one behind the other. What would you have to move?",
        "Nothing needs to move: the same numbers, read in rows that are m times as long. `reshape`, or `cat` of slices along axis 1.",
    ),
    solution=SOLUTION,
    why="A pack is one long row, so any discriminator takes it whose first layer is m times as wide; nothing else changes. Two samples "
    "of a generator with few modes are more alike than two of the data, and that the discriminator can see.",
    right="Whole samples, each once.",
    observe=observe,
    ways=(BY_CHUNKS, EVERY_FEW),
    mistakes=(
        Mistake("the same sample m times", wrong("x[: len(x) // m].repeat(1, m)"),
                "A pack holds one sample m times: two that are alike say nothing then. And most of the batch is in no pack."),
        Mistake("every sample with itself", wrong("x.repeat(1, m)"),
                "There are as many packs as samples, each of one sample, repeated. A pack takes m different samples."),
        Mistake("transposed", wrong("x.reshape(m * x.shape[1], len(x) // m).t()"),
                "The shape is right, but the packs hold pieces of samples, mixed: reshape reads row by row, so turning it over afterwards "
                "tears the rows apart."),
        Mistake("number by number", wrong("x.view(len(x) // m, m, -1).transpose(1, 2).flatten(1)"),
                "Each pack has the right numbers, in another order: first all first numbers, then all second ones. A sample stays whole."),
        Mistake("stacked instead of joined", wrong("x.view(len(x) // m, m, -1)"),
                "The packs are there, as [B/m, m, D]: a discriminator takes rows. One axis too many."),
        Mistake("m packs", wrong("x.reshape(m, -1)"),
                "Those are m packs; packs *of* m are wanted."),
        Mistake("sliding windows", wrong("torch.cat([x[i : len(x) - m + 1 + i] for i in range(m)], 1)"),
                "Your packs overlap: a sample stands in several, and there are more packs than B/m."),
        Mistake("neighbours only of the first half", wrong("torch.cat([x[: len(x) // m]] + [x[-(len(x) // m) :]] * (m - 1), 1)"),
                "For packs of more than two some samples stand in a pack twice, and others in none."),
        Mistake("graph cut", wrong("x.detach().reshape(len(x) // m, m * x.shape[1])"),
                "The packs are right, and the gradient ends there: a generator would learn nothing from them."),
    ),
)  # fmt: skip
