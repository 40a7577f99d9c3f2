"""Notebook 01: where N(0, I) draws, in many dimensions."""

import math

from chapter10.exercises.task import Mistake, Task

SOLUTION = """
your_length = 100**0.5  # |z|² is a sum of 100 squares, each 1 on average
"""

BY_DRAWING = """
your_length = torch.randn(20_000, 100).norm(dim=1).mean()
"""

EXACT = """
your_length = math.sqrt(2) * math.exp(math.lgamma(101 / 2) - math.lgamma(100 / 2))
"""


def observe(look, source, your_length):
    look.number("your length", your_length, within=0.3)


TASK = Task(
    name="01-length",
    title="how long is noise?",
    section="10.2.2",
    minutes=3,
    statement="The GAN of section 10.3 will draw its noise from N(0, I) in **100** dimensions. The single most probable point is 0. "
    "**Without running anything**: about how long is a typical draw? Give the length |z|.",
    answers=("your_length",),
    stub="your_length = None",
    hints=(
        "What is the mean of the square of one standard normal number?",
        "|z|² = z₁² + … + z₁₀₀², and each of the squares is 1 on average.",
        "So |z|² is about 100. The length is asked for.",
    ),
    solution=SOLUTION,
    why="Nearly all draws lie in a thin shell of that radius, none near 0: a network that takes them never sees the most probable point.",
    right="About √100. The lengths of draws scatter by only 0.7 around it, so none lies anywhere near 0, the most probable point.",
    observe=observe,
    ways=(BY_DRAWING, EXACT),
    mistakes=(
        Mistake("the most probable point", "your_length = 0",
                "That is the most probable point; but how much room is there near it? Add up 100 squares of mean 1."),
        Mistake("one coordinate", "your_length = 1", "1 is the standard deviation of each single coordinate. There are 100 of them."),
        Mistake("the mean of |z| of one coordinate", f"your_length = {100 * math.sqrt(2 / math.pi)!r}",
                "You added up the absolute values of the coordinates. The length is the root of the sum of their squares."),
        Mistake("the squared length", "your_length = 100", "{found} is the mean of the squared length. Take the root."),
        Mistake("the ball that holds 95 %", f"your_length = {math.sqrt(124.342)!r}",
                "That is about the radius of the ball that holds 95 % of the draws. A typical draw lies a little within."),
        Mistake("20 dimensions", "your_length = 20**0.5", "That is the length in 20 dimensions, as in section 4. Here there are 100."),
    ),
    situations=1,
    points=1,
)  # fmt: skip
