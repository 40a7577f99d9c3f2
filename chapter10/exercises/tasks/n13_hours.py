"""Notebook 13: what a run costs, from its arithmetic and its launches."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def hours(images, epochs, batch, macs, flops, launches=0, launch_seconds=5e-6):
    \"\"\"How long a training takes.

    images: training images; epochs: passes over them; batch: images a step, the last of an epoch may be short;
    macs: multiply-adds of one forward pass of one image; flops: what the machine really does in a second;
    launches: calls of kernels that one step makes on a GPU, each of which takes launch_seconds at least.
    \"\"\"
    return None
"""

HEAD = "def hours(images, epochs, batch, macs, flops, launches=0, launch_seconds=5e-6):\n"


def code(
    steps: str = "math.ceil(images / batch)", step: str = "max(2 * 3 * macs * batch / flops, launches * launch_seconds)", last: str = "3600"
) -> str:
    return f"{HEAD}    steps = epochs * {steps}\n    step = {step}\n    return steps * step / {last}\n"


SOLUTION = code()

IMAGE_BY_IMAGE = HEAD + """    arithmetic = 6 * macs / flops * batch
    waiting = launches * launch_seconds
    return (arithmetic if arithmetic > waiting else waiting) * epochs * -(-images // batch) / 60 / 60
"""

EACH_BY_ITSELF = HEAD + """    whole, rest = divmod(images, batch)
    sizes = [batch] * whole + [rest] * (rest > 0)
    return epochs * sum(max(6 * macs * size / flops, launches * launch_seconds) for size in sizes) / 3600
"""


def observe(look, source, hours):
    scale = 1 + torch.rand(1, generator=source).item()
    cases = {
        "a VAE on two cores, a hundred epochs": (60_000, 100, 100, 570_000 * scale, 1e11, 0),
        "a last batch that is short, where launches decide": (1000, 50, 300, 1_000_000 * scale, 4e13, 900),
        "a large network on a GPU: arithmetic decides": (60_000, 10, 128, 4e9 * scale, 4e13, 900),
        "a small network on a GPU: launches decide": (60_000, 10, 128, 570_000 * scale, 4e13, 900),
    }
    for words, numbers in cases.items():
        found = look.call(hours, *numbers)
        look.tensor(f"hours for {words}", found, shape=(), rtol=0.01)


TASK = Task(
    name="13-hours",
    title="before you start it",
    section="10.2.6",
    minutes=10,
    statement="How long will a training take? One image's way through the network costs `macs` multiply-adds, two operations each. Going "
    "back costs twice as much as going forward. A step takes as long as its arithmetic, or, on a GPU with a small network, as long as "
    "the launches of its kernels, whichever is more. Give hours.",
    answers=("hours",),
    stub=STUB,
    hints=(
        "How many steps has an epoch? How many operations has a step, for one image first?",
        "Two operations a multiply-add, once forward and twice back. Then the batch, then the machine.",
        "Seconds a step: the larger of (operations / operations a second) and (launches × seconds a launch). Steps × that / 3,600.",
    ),
    solution=SOLUTION,
    why="Arithmetic and launches are two floors under a step. A network of this chapter stands on the second one when it is on a GPU: "
    "twice the batch then costs nothing, and twice as many GPUs buy nothing.",
    right="Both floors, and the larger one counts.",
    observe=observe,
    ways=(IMAGE_BY_IMAGE, EACH_BY_ITSELF, code(steps="((images + batch - 1) // batch)")),
    mistakes=(
        Mistake("forward only", code(step="max(2 * macs * batch / flops, launches * launch_seconds)"),
                "Your hours are {inverse:.0f} times too few: training goes back as well, and that costs twice the way forward."),
        Mistake("back costs as much as forward", code(step="max(2 * 2 * macs * batch / flops, launches * launch_seconds)"),
                "Going back costs twice as much as going forward: there is a gradient in the inputs and one in the weights."),
        Mistake("a multiply-add as one operation", code(step="max(3 * macs * batch / flops, launches * launch_seconds)"),
                "Your hours are half of what they should be: a multiply-add is two operations."),
        Mistake("the sum of both", code(step="2 * 3 * macs * batch / flops + launches * launch_seconds"),
                "The arithmetic alone is right where there are no launches. But the GPU computes while the next kernels are launched: the "
                "larger of the two counts, not their sum."),
        Mistake("no launches", code(step="2 * 3 * macs * batch / flops"),
                "Right where arithmetic decides. For the small network on a GPU the launches take longer than the arithmetic."),
        Mistake("the smaller of both", code(step="min(2 * 3 * macs * batch / flops, launches * launch_seconds)"),
                "You take the smaller of the two floors. A step waits for the one that takes longer."),
        Mistake("one image a step", code(steps="images"),
                "An epoch has fewer steps than images: a step takes a batch of them."),
        Mistake("no batch in the arithmetic", code(step="max(2 * 3 * macs / flops, launches * launch_seconds)"),
                "You count a step's arithmetic for one image; it has a batch of them."),
        Mistake("seconds", code(last="1"), "Those are seconds. Hours are asked for."),
        Mistake("minutes", code(last="60"), "Those are minutes. Hours are asked for."),
        Mistake("one epoch", code(steps="math.ceil(images / batch) / epochs"),
                "That is one epoch only."),
    ),
)  # fmt: skip
