"""Notebook 05: the best discriminator under one-sided label smoothing (Salimans et al. 2016)."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_best(p, q, eps):  # [P], [P], a number -> [P]
    return None
"""

SOLUTION = """
def my_best(p, q, eps):
    return (1 - eps) * p / (p + q)
"""

BY_TERMS = """
def my_best(real, fake, smoothing):
    a = (1 - smoothing) * real  # what stands at log D
    b = smoothing * real + fake  # and at log(1 − D)
    return a / (a + b)
"""

BY_SEARCH = """
def my_best(p, q, eps):  # for each x, the D on a fine grid at which the bracket is highest
    low, high = torch.zeros_like(p), torch.ones_like(p)
    for _ in range(60):
        middle = (low + high) / 2
        rises = p * ((1 - eps) / middle - eps / (1 - middle)) - q / (1 - middle) > 0
        low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
    return (low + high) / 2
"""


def observe(look, source, my_best):
    p, q = (torch.rand(2, 50, generator=source) + 0.1).double()
    found = look.tensor("the best D at 50 points with ε = 0.2", look.call(my_best, p, q, 0.2), shape=(50,))
    look.at_most("the highest D of them, which real data may have", found.max(), 1.0, judged=False)
    none = torch.zeros(3, dtype=torch.float64)
    look.tensor("where only fakes are (p = 0), ε = 0.2", look.call(my_best, none, q[:3], 0.2), shape=(3,))
    look.tensor("where only data are (q = 0), ε = 0.3", look.call(my_best, p[:4], torch.zeros(4).double(), 0.3), shape=(4,))
    look.tensor("without smoothing, ε = 0", look.call(my_best, p, q, 0.0), shape=(50,))


def wrong(line: str) -> str:
    return f"def my_best(p, q, eps):\n    return {line}\n"


TASK = Task(
    name="05-smooth",
    title="smooth labels, on one side",
    section="10.3.2",
    minutes=5,
    statement="Salimans et al. (2016) give real data the label 1 − ε in place of 1, so that D doesn't become too sure; fakes keep the "
    "label 0. D now maximises\n\n"
    r"$$\int p\,\big[(1-\varepsilon)\log D + \varepsilon\log(1-D)\big] + q\,\log(1-D)\; dx.$$"
    "\n\nWrite the D that is best now, from the densities p and q at the same points, both [P].",
    answers=("my_best",),
    stub=STUB,
    hints=(
        "Section 1 found the D* of the plain game from one bracket. What are the factors of its two logarithms now?",
        "Collect the terms: a·log D + b·log(1 − D) is highest at D = a/(a + b).",
        "a = (1 − ε)·p, and b = ε·p + q. What is a + b?",
    ),
    solution=SOLUTION,
    why="Real data never get more than 1 − ε, and where only fakes are D is still 0. With the fakes smoothed as well the best D is "
    "ε + (1 − 2ε)·D*: q stands in the numerator, and where p is about 0 and q large, the fakes have little reason to move.",
    right="D* as before, times 1 − ε: the shape is kept, and where only fakes are D is still 0.",
    observe=observe,
    setting="from chapter10 import exact, gan\n",
    ways=(BY_TERMS, BY_SEARCH),
    mistakes=(
        Mistake("no smoothing", wrong("p / (p + q)"), "That is D* without smoothing: ε changes nothing in it."),
        Mistake("the fakes smoothed too", wrong("((1 - eps) * p + eps * q) / (p + q)"),  # bugs.md 21
                "You smoothed the fakes' labels too. Where only fakes are, your D is ε and not 0: q has entered the numerator."),
        Mistake("p in part below", wrong("(1 - eps) * p / ((1 - eps) * p + q)"),
                "1 − ε counts above only. Below, p appears in full: its share ε has gone to log(1 − D), and not away."),
        Mistake("one minus it", wrong("1 - (1 - eps) * p / (p + q)"),
                "That is one minus it: D is the probability of being real."),
        Mistake("the share ε", wrong("eps * p / (p + q)"),
                "Real data have the label 1 − ε. With yours, D says ε where only data are."),
        Mistake("ε taken off", wrong("p / (p + q) - eps"),
                "You took ε off everywhere: where only fakes are, your D is negative. ε scales what real data contribute."),
        Mistake("fakes smoothed alone", wrong("(p + eps * q) / (p + q)"),  # bugs.md 21
                "You smoothed the fakes' labels and left the real ones at 1. Here it is the other way round."),
        Mistake("no p from ε", wrong("(1 - eps) * p / (p + (1 - eps) * q)"),
                "The denominator weakens the fakes. Their label is 0 and q counts in full: collect what stands at log(1 − D)."),
        Mistake("the logit", wrong("torch.log((1 - eps) * p) - torch.log(eps * p + q)"),
                "That is the logit of the best D. Asked for is D itself, between 0 and 1."),
    ),
)  # fmt: skip
