"""Notebook 08: the price of the KL where each latent dimension has some nats for nothing."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_free_bits(kl, free_bits):  # [B, L], r -> a scalar
    return None
'''

SOLUTION = '''
def my_free_bits(kl, free_bits):
    return kl.mean(0).clamp(min=free_bits).sum()
'''

BY_WHERE = '''
def my_free_bits(kl, r):
    below = kl.mean(0) <= r
    return torch.where(below, torch.tensor(r, dtype=kl.dtype), kl).sum(1).mean()
'''

ONE_BY_ONE = '''
def my_free_bits(kl, free_bits):
    total = 0
    for dimension in kl.T:
        mean = sum(dimension) / len(dimension)
        total = total + (mean if mean > free_bits else free_bits)
    return total
'''

BY_RELU = '''
def my_free_bits(kl, free_bits):
    return (F.relu(kl.mean(dim=0) - free_bits) + free_bits).sum()
'''


def observe(look, source, my_free_bits):
    drawn = 0.02 + torch.empty(5, 4).exponential_(generator=source)  # single images lie below r as well as above it
    kl = (drawn / drawn.mean(0) * torch.tensor([0.7, 1.6, 4.0, 0.15])).requires_grad_()
    price = look.tensor("the price of five images in four dimensions, with r = 1", look.call(my_free_bits, kl, 1.0), shape=())
    look.gradient("its gradient in the KL", price, kl)
    look.tensor("the price with r = 10, more than any dimension holds", look.call(my_free_bits, kl, 10.0), shape=())
    look.tensor("the price with r = 0", look.call(my_free_bits, kl, 0.0), shape=())


def wrong(line: str) -> str:
    return f"def my_free_bits(kl, r):\n    return {line}\n"


TASK = Task(
    name="08-free-bits",
    title="free bits, and many ways to miss them",
    section="10.5.1",
    minutes=10,
    statement="Write the price of the KL with free bits: from the KL of each image in each dimension, [B, L], to one number for the batch. "
    "The formula: for each dimension the mean over the batch, but at least r; then the sum over the dimensions. r is a plain number. "
    "Don't use the package's `priced_kl`.",
    answers=("my_free_bits",),
    stub=STUB,
    hints=(
        "May an image say nothing in some dimension while another says much? Which of the two axes has to go first?",
        "Three steps, in this order: a mean over the batch, the larger of it and r, a sum over the dimensions.",
        "`kl.mean(0)` is [L]; `clamp(min=…)` takes a plain number, where torch.max compares tensors only.",
    ),
    solution=SOLUTION,
    why="A dimension below its allowance costs the allowance, whatever it holds: there the price is flat, and nothing pulls it to the "
    "prior.",
    right="Two dimensions cost their allowance whatever they hold, so nothing pulls them to the prior; the other two are pulled as ever.",
    observe=observe,
    ways=(BY_WHERE, ONE_BY_ONE, BY_RELU),
    mistakes=(
        Mistake("image by image", wrong("kl.clamp(min=r).mean(0).sum()"),
                "You clamp image by image. Then an image may never say less than r for nothing while another says more: "
                "take the mean over the batch first."),
        Mistake("one allowance for all", wrong("kl.sum(1).mean().clamp(min=r)"),
                "One allowance for all dimensions together: the loudest uses it up, and the others still collapse. "
                "Clamp before the sum over dimensions."),
        Mistake("L allowances in one pot", wrong("kl.sum(1).mean().clamp(min=r * kl.shape[1])"),
                "One pot of L·r nats for all dimensions together: the loudest may empty it, and the others still collapse. "
                "Each dimension has an allowance of its own."),
        Mistake("an allowance an image", wrong("kl.sum(1).clamp(min=r).mean()"),
                "One allowance for each image, all its dimensions together. It is for each dimension, on average over the batch."),
        Mistake("a mean over dimensions, then one allowance", wrong("kl.mean().clamp(min=r)"),
                "You average over everything and compare once. Each dimension has an allowance of its own, and their prices add up."),
        Mistake("subtracted", wrong("(kl.mean(0) - r).clamp(min=0).sum()"),
                "You subtract the allowance. The gradient is right, but the value is lower by r in each dimension; "
                "the formula takes the larger of the two."),
        Mistake("subtracted, image by image", wrong("(kl - r).clamp(min=0).mean(0).sum()"),
                "You subtract the allowance, and image by image. Take the mean over the batch first, then the larger of it and r."),
        Mistake("nothing below r", wrong("torch.where(kl.mean(0) > r, kl.mean(0), 0).sum()"),
                "A dimension below r costs nothing in yours: it is to cost r, \"at least r\". The gradient is the same, the value is not."),
        Mistake("added", wrong("(kl.mean(0) + r).sum()"),
                "You add r to what each dimension costs. At least r means the larger of the two."),
        Mistake("no mean", wrong("kl.clamp(min=r).sum()"),
                "The mean over the batch is missing: take it first, then clamp, then sum over the dimensions."),
        Mistake("no mean, subtracted", wrong("(kl - r).clamp(min=0).sum()"),
                "The mean over the batch is missing, and the allowance is subtracted: the formula takes the larger of the two."),
        Mistake("the smaller", wrong("kl.mean(0).clamp(max=r).sum()"),
                "That is the smaller of the two: it caps the price, so above r codes are free without end. The larger is meant."),
        Mistake("mean over dimensions", wrong("kl.mean(0).clamp(min=r).mean()"),
                "The price came out {inverse:.0f} times too small: the mean over dimensions instead of the sum, a hidden β = 1/L."),
        Mistake("sum over the batch", wrong("kl.sum(0).clamp(min=r).sum()"),
                "The sum over the batch instead of its mean: the allowance shrinks as the batch grows."),
        Mistake("no allowance", wrong("kl.mean(0).sum()"),
                "That is the plain KL: the allowance is not in it."),
        Mistake("the other axis", wrong("kl.mean(1).clamp(min=r).sum()"),
                "The axes are exchanged: the mean goes over the images, axis 0, the sum over the dimensions."),
        Mistake("not summed", wrong("kl.mean(0).clamp(min=r)"),
                "The price of each dimension is right. One number for the batch is wanted: add them up."),
        Mistake("no graph", wrong("kl.mean(0).clamp(min=r).sum().item()"),
                "The value is right and has no gradient: .item(), .detach() or float(...) cuts it off, and nothing would be trained."),
    ),
)  # fmt: skip
