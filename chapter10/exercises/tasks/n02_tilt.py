"""Notebook 02: the gap of the best diagonal q, for another correlation."""

from chapter10.exercises.task import Mistake, Task

SETTING = """
from chapter10 import exact

def sees_the_sum(s):
    return exact.LinearGaussian(torch.ones(1, 2).double(), torch.zeros(1).double(), noise_std=s)

one = torch.ones(1, 1, dtype=torch.float64)
"""

SOLUTION = """
rho = -1 / (1 + 1**2)
your_gap = -0.5 * math.log(1 - rho**2)
"""

BY_MEASURING = """
small = sees_the_sum(1)
your_gap = small.log_evidence(one) - small.best_elbo(one).elbo
"""


def observe(look, source, your_gap):
    look.number("your gap", your_gap, within=2e-3)


TASK = Task(
    name="02-tilt",
    title="less correlation",
    section="10.2.3",
    minutes=3,
    statement="In section 3, set s = 1. **Without running anything**: what is ρ, and what gap does the best diagonal q leave? Give "
    "the number of "
    "nats, to three decimals.",
    answers=("your_gap",),
    stub="your_gap = None  # nats",
    setting=SETTING,
    hints=(
        "Which formula of section 3 gives ρ for a given s, and which one the gap for a given ρ?",
        "ρ = −1/(1 + s²), and the gap is −½ log(1 − ρ²), with the natural logarithm.",
        "With s = 1 it is ρ = −½, so ρ² = ¼.",
    ),
    solution=SOLUTION,
    why="ρ = −½, so the gap is −½ log ¾. The more noise, the less the sum says, and the rounder the posterior.",
    right="ρ = −½. The more noise, the less the sum says of z₁ and z₂, and the rounder the posterior.",
    observe=observe,
    ways=(BY_MEASURING, "your_gap = 0.144", "your_gap = np.log(2 / np.sqrt(3))"),
    mistakes=(
        Mistake("sign", "your_gap = 0.5 * math.log(3 / 4)", "The size is right, the sign is not: a gap is never below 0."),
        Mistake("no half", "your_gap = -math.log(3 / 4)", "Twice too large: where is the ½?"),
        Mistake("ρ not squared", "your_gap = -0.5 * math.log(1 / 2)", "Is ρ squared under the logarithm?"),
        Mistake("bits", "your_gap = -0.5 * math.log2(3 / 4)", "That is the gap in bits: take the natural logarithm."),
        Mistake("to base ten", "your_gap = -0.5 * math.log10(3 / 4)", "That is the logarithm to the base 10: take the natural one."),
        Mistake("the old s", "your_gap = -0.5 * math.log(1 - 0.9**2)", "That is the gap for s = 1/3. Now s is 1, and ρ smaller."),
        Mistake("ρ with its sign", "your_gap = -0.5", "That is ρ. The gap is what the best diagonal q leaves, in nats."),
        Mistake("ρ itself", "your_gap = 0.5", "That is |ρ|. The gap is what the best diagonal q leaves, in nats."),
    ),
    situations=1,
    points=1,
)  # fmt: skip
