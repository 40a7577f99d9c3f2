"""Notebook 11: an image pool that keeps the graph and never shows an old image. bugs.md 28."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

CODE = '''
class FriendsPool:
    def __init__(self, size=50):
        self.size, self.images = size, []

    def exchange(self, new):
        """New images [B, D] -> as many to show, [B, D]."""
        shown = []
        for image in {new}:
            if len(self.images) < self.size:  # fill it first
                {fill}
                shown.append(image)
            elif {stay}:  # show the new one
                shown.append(image)
            else:  # show an old one, which leaves its place to the new one
                i = int(torch.randint({place}, ()))
{old}        return torch.stack(shown){after}
'''


def code(
    new: str = "new.detach()",
    fill: str = "self.images.append(image)",
    stay: str = "torch.rand(()) < 0.5",
    place: str = "self.size",
    old: str = "shown.append(self.images[i])|self.images[i] = image",
    after: str = "",
) -> str:
    lines = "".join(f"                {line}\n" for line in old.split("|"))
    return CODE.format(new=new, fill=fill, stay=stay, place=place, old=lines, after=after)


NEVER_OLD = "self.images[i] = image|shown.append(self.images[i])"
STUB = code(new="new", old=NEVER_OLD).strip()

BY_POP = '''
class FriendsPool:
    def __init__(self, size=50):
        self.size, self.images = size, []

    @torch.no_grad()
    def exchange(self, new):
        shown = new.detach().clone()
        for place, image in enumerate(new.detach().unbind()):
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif torch.rand(1).item() > 0.5:
                old = self.images.pop(torch.randint(self.size, (1,)).item())
                self.images.append(image.clone())
                shown[place] = old
        return shown
'''

BY_THE_PACKAGE = '''
class FriendsPool(cyclegan.ImagePool):
    pass
'''


def play(look, pool, steps: int, batch: int, words: str):
    """The values of the images that were shown, [steps, batch]: each image is a row of its own number, with a graph."""
    weight, shown = torch.ones(1, requires_grad=True), []
    for step in range(steps):
        numbers = torch.arange(step * batch, (step + 1) * batch).float().unsqueeze(1)
        given = look.call(pool.exchange, weight * (numbers + torch.zeros(2)))
        fits = isinstance(given, torch.Tensor) and given.shape == (batch, 2)
        if step == 0 or not fits:
            look.fact(f"`exchange` gives a tensor of as many images as it was given, [B, D] ({words}, step {step + 1})", fits)
        if not fits:
            raise Enough
        shown.append(given)
    look.fact(f"what the {words} shows holds no graph", not any(one.requires_grad for one in shown))
    return torch.stack(shown).detach()[..., 0]


def observe(look, source, made):
    steps, batch, size = 60, 10, 50
    pool = made(size)
    shown = play(look, pool, steps, batch, "pool of 50")
    first = shown.flatten()[:size]
    look.fact("while the pool fills up, the new images themselves are shown", torch.equal(first, torch.arange(float(size))))
    look.fact("the pool of 50 holds 50 images", len(pool.images) == size)
    look.fact("what the pool keeps holds no graph", not any(image.requires_grad for image in pool.images))
    kept = [image.detach() for image in pool.images]
    full = shown[size // batch :]
    old = full < (torch.arange(size // batch, steps) * batch).view(-1, 1).float()
    look.at_least("the share of older images among what is shown", old.double().mean().item(), 0.39)  # of 550: 5 σ is 0.107
    look.at_most("the share of older images among what is shown, from above", old.double().mean().item(), 0.6)
    there = {float(image.flatten()[0]) for image in kept}
    look.fact("no image stands in the pool twice", len(there) == len(kept))
    look.fact("no image is shown twice once the pool is full", len(full.unique()) == full.numel())
    seen = set(shown.flatten().tolist())
    look.fact("an image that leaves the pool is shown", len(seen | there) == steps * batch)
    stay = [place for place, image in enumerate(kept) if float(image.flatten()[0]) < size]
    look.at_most("how many of the first fifty images are still in the pool after 55 more steps", len(stay), 10)
    default = made()
    play(look, default, 6, batch, "pool of the default size")
    look.fact("the pool holds 50 images by default", len(default.images) == size)
    one = made(1)
    shown = play(look, one, 40, 3, "pool of one")
    look.fact("the pool of one holds one image", len(one.images) == 1)
    older = shown.flatten()[1:] < torch.arange(1.0, 120)
    look.at_least("the share of older images with a pool of one", older.double().mean().item(), 0.25)
    look.at_most("the share of older images with a pool of one, from above", older.double().mean().item(), 0.75)


TASK = Task(
    name="11-pool",
    title="two faults",
    section="10.5.2",
    minutes=15,
    statement="A friend's image pool. With it the training stops in its first step: D's `backward` runs on into the generators, whose "
    "graph is used "
    'up already ("Trying to backward through the graph a second time"). And even without that, the discriminator would never see '
    "an old image. Find both faults, and mend the class; what it keeps stays in `self.images`.",
    answers=("FriendsPool",),
    stub=STUB,
    unanswered="Both faults are still in it.",
    hints=(
        "What hangs on a tensor that came out of a generator? `image.grad_fn` knows. And what is at place i when it is shown?",
        "Read the last branch line by line, with a pool of one image.",
        "Detach before anything is kept or shown. In the last branch, show first, and then write over the place.",
    ),
    solution=code(),
    why="What a pool keeps must have no graph, or memory grows with every step and D's backward runs into the generators. And who "
    "writes into a place before showing it shows what was written.",
    right="About half of what D sees is older than the newest step, and nothing that is kept or shown holds a graph.",
    observe=observe,
    setting="from chapter10 import cyclegan\n",
    ways=(BY_POP, BY_THE_PACKAGE),
    mistakes=(
        # bugs.md 28
        Mistake("graph kept", code(new="new"),
                "Old images are shown now: one fault is mended. But what the pool keeps still has a graph: each image holds on to its "
                "whole step, and D's backward would run back into it."),
        Mistake("graph shown", code(new="new", fill="self.images.append(image.detach())",
                                    old="shown.append(self.images[i])|self.images[i] = image.detach()"),
                "The pool keeps no graph now, but what it shows still has one: D's backward would run into the generators. Detach "
                "before anything else."),
        Mistake("detached at the end", code(new="new", after=".detach()"),
                "What is shown has no graph now, but what the pool keeps has: memory grows with every step."),
        Mistake("never an old one", code(old=NEVER_OLD),
                "No graph is kept: one fault is mended. But with a full pool no older image was ever shown: look at what is at place "
                "i when it is shown."),
        Mistake("the old one stays", code(old="shown.append(self.images[i])"),
                "Old images are shown, but the new one never takes a place: the pool keeps its first fifty for ever, and shows them "
                "again and again."),
        Mistake("the new one shown as well", code(old="self.images[i] = image|shown.append(self.images[i - 1])"),
                "The new image takes one place, and what you show is another, which stays in the pool: show what leaves it."),
        Mistake("the old one always", code(stay="False"),
                "The share of older images among what is shown is {found}: about half is wanted, so that D sees the newest as well."),
        Mistake("one in ten", code(stay="torch.rand(()) < 0.9"),
                "The share of older images among what is shown is {found}: about half is wanted."),
        Mistake("always the same place", code(place="1"),
                "You always exchange the same place: the other images stay in the pool for ever, and are never shown."),
        Mistake("filled without being shown", code(fill="self.images.append(image); image = torch.zeros_like(image)"),
                "While the pool fills up, the new images themselves are to be shown."),
    ),
)  # fmt: skip
