"""Notebook 06: find the fault in how a batch is prepared."""

import torch

from chapter10.exercises.task import Mistake, Task


def line(code: str) -> str:
    return f"def my_prepare(images):  # bytes [B, 28, 28] -> [B, 784]\n    return {code}\n"


BY_HAND = """
def my_prepare(pictures):
    x = pictures.reshape(len(pictures), 28 * 28).double()
    low, high = 0, 255
    return 2 * (x - low) / (high - low) - 1
"""

IN_PLACE = """
def my_prepare(images):
    x = images.float().view(-1, 784)
    return x.div_(255).sub_(0.5).mul_(2)
"""


def observe(look, source, my_prepare):
    images = torch.randint(256, (5, 28, 28), generator=source, dtype=torch.uint8)
    found = look.tensor("five images of random bytes", look.call(my_prepare, images), shape=(5, 784), rtol=1e-4, atol=1e-4)
    look.fact("they are floats", found.is_floating_point())
    for byte, name in ((0, "black"), (255, "white")):
        flat = torch.full((2, 28, 28), byte, dtype=torch.uint8)
        look.tensor(f"two images that are {name} (all {byte})", look.call(my_prepare, flat), shape=(2, 784), rtol=1e-4, atol=1e-4)


TASK = Task(
    name="06-range",
    title="find the fault in the data",
    section="10.3.3",
    minutes=5,
    statement="A friend's loop has a G that ends in tanh, the right losses and every detach. Yet a rule without a single weight "
    "tells his real images from his fakes, every time. Both networks and both steps are in order; the fault is in the lines that "
    "prepare the real images, which come as bytes [B, 28, 28], 0 for black, and are to become what G can draw. Find it and mend it.",
    answers=("my_prepare",),
    stub=line("images.flatten(1) / 255"),
    hints=(
        "You are D, and may look at one number of each image. Which number tells real from fake, without any learning?",
        "Tanh gives values from −1 to 1. From where to where do the prepared images go?",
        "0 must become −1 and 255 must become 1, with everything else on the straight line between. Mind that bytes can't hold 2 · 255.",
    ),
    solution=line("images.flatten(1) / 127.5 - 1"),
    why="A pixel below 0 was a sure sign of a fake: D needed no more than the smallest pixel of each image.",
    right="Black is −1, white is 1, as tanh makes them: the smallest pixel tells D nothing any more.",
    unanswered="The fault is still in it.",
    observe=observe,
    ways=(BY_HAND, IN_PLACE, line("data.to_signed(images)"), line("(images.flatten(1).float() / 255 - 0.5) / 0.5")),
    setting="from chapter10 import data, gan, metrics, recipes\n",
    mistakes=(  # bugs.md 18
        Mistake("half of the range", line("images.flatten(1) / 255 - 0.5"),
                "Now the images go from −½ to ½, and tanh from −1 to 1: a pixel beyond ½ is a sure sign of a fake."),
        Mistake("not moved", line("images.flatten(1) / 127.5"),
                "The images now go from 0 to 2: twice as wide, as it should be, and still without a pixel below 0."),
        Mistake("standardised", line("(images.flatten(1) / 255 - 0.1307) / 0.3081"),
                "These are MNIST's mean and standard deviation: good for a classifier. The images then go from −0.42 to 2.82, and tanh "
                "can't follow."),
        Mistake("standardised by the batch", line("(images.flatten(1).float() - images.float().mean()) / images.float().std()"),
                "You gave each batch a mean of 0 and a deviation of 1. Where black and white end up then depends on the batch, and tanh "
                "can't follow."),
        Mistake("the bytes overflow before the division", line("(2 * images.flatten(1) - 255) / 255"),
                "The formula is right, and the bytes are not: 2 · images and what you take off are still bytes, which go round from 255 to "
                "0. Divide first, or take floats."),
        Mistake("128", line("images.flatten(1) / 128 - 1"),
                "Nearly: 0 becomes −1, and 255 becomes 0.992. A byte's largest value is 255."),
        Mistake("the bytes overflow", line("2 * images.flatten(1) / 255 - 1"),
                "The formula is right, and the bytes are not: 2 · images is still bytes, and from 128 on it begins anew at 0. Divide "
                "first, or take floats."),
        Mistake("not flattened", line("images / 127.5 - 1"),
                "The range is right. The images are still [B, 28, 28], and the networks take [B, 784]."),
        Mistake("black and white exchanged", line("1 - images.flatten(1) / 127.5"),
                "The range is right, and black and white are exchanged: 0 must become −1."),
        Mistake("a tanh on the data", line("torch.tanh(images.flatten(1) / 255)"),
                "G's tanh is not the images' business: yours go from 0 to 0.76, and still no pixel is below 0."),
        Mistake("as dots", line("(images.flatten(1) > 127).float() * 2 - 1"),
                "The range is right, but the grey levels are gone: real pixels are now exactly −1 or 1, which is a new sign by which D "
                "tells them."),
        Mistake("bytes as they are", line("images.flatten(1).float()"),
                "Bytes as floats go up to 255, and tanh to 1. A scale is missing."),
        Mistake("the whole batch flattened", line("(images / 127.5 - 1).flatten()"),
                "The range is right. One row for each image is wanted, and yours is one row for all."),
    ),
)  # fmt: skip
