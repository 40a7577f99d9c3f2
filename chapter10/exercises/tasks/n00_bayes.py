"""Notebook 00: Bayes' rule, in logarithms."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_log_posterior(log_joint):  # log p(x, y) [N, K] -> log p(y|x) [N, K]
    return None
"""

SOLUTION = """
def my_log_posterior(log_joint):
    return log_joint - torch.logsumexp(log_joint, 1, keepdim=True)
"""

BY_HAND = """
def my_log_posterior(scores):
    highest = scores.max(dim=-1, keepdim=True).values
    shifted = scores - highest
    shifted -= shifted.exp().sum(-1, keepdim=True).log()
    return shifted
"""

IN_NUMPY = """
def my_log_posterior(log_joint):
    a = log_joint.numpy().astype(np.float64)
    return a - np.logaddexp.reduce(a, axis=1)[:, None]
"""

BY_THE_LIBRARY = """
def my_log_posterior(log_joint):
    return F.log_softmax(log_joint, dim=1)
"""


def observe(look, source, my_log_posterior):
    joint = 2 * torch.randn(6, 4, generator=source) - 3
    look.tensor("log p(y|x) of six points in four classes", look.call(my_log_posterior, joint), shape=(6, 4))
    look.tensor("the same for images, where every log p(x, y) is 1,000 lower", my_log_posterior(joint - 1000), (6, 4), atol=1e-3)
    look.tensor("the same where densities are so high that exp overflows (200 higher)", my_log_posterior(joint + 200), (6, 4), atol=1e-3)
    joint[:, 1] = -torch.inf
    look.tensor("log p(y|x) with a class that never occurs (log p(x, y) = −inf)", my_log_posterior(joint), (6, 4))


def wrong(line: str) -> str:
    return f"def my_log_posterior(log_joint):\n    return {line}\n"


TASK = Task(
    name="00-bayes",
    title="Bayes' rule without a zero",
    section="10.1.1",
    minutes=8,
    statement="Write log p(y|x) from log p(x, y), for all points at once. It must also work for images of 784 pixels, where p(x, y) "
    "itself "
    "is so small that a computer rounds it to 0.",
    answers=("my_log_posterior",),
    stub=STUB,
    hints=(
        "p(y|x) = p(x, y) / p(x). What is p(x), in terms of p(x, y)? And what becomes of a division in the logarithm?",
        "log p(y|x) = log p(x, y) − log p(x), and p(x) is a sum over the classes. Exponentials of −1,000 are 0 in a computer, so the "
        "logarithm of that sum must be taken without them.",
        "`torch.logsumexp(a, 1, keepdim=True)` is the logarithm of the sum of exponentials, one number a row, and never leaves the "
        "logarithm.",
    ),
    solution=SOLUTION,
    why="`log_joint.log_softmax(1)` is the same: softmax regression and this Bayes' rule end in one formula.",
    right="Each row's probabilities add up to 1, on images too, where p(x, y) itself would be 0.",
    observe=observe,
    ways=(BY_HAND, IN_NUMPY, BY_THE_LIBRARY),
    mistakes=(
        Mistake("nothing divided", wrong("log_joint.clone()"),
                "That is log p(x, y) itself, so a row's probabilities don't add up to 1: divide by p(x)."),
        Mistake("over the points", wrong("log_joint.log_softmax(0)"),
                "You normalise over the points (axis 0). Each point's classes must add up to 1: axis 1."),
        Mistake("probabilities", wrong("log_joint.softmax(1)"), "These are the probabilities; their logarithm is asked for."),
        Mistake("the logarithm divided", wrong("log_joint / log_joint.exp().sum(1, keepdim=True)"),
                "You divide the logarithm by p(x). In the logarithm a division is a subtraction."),
        Mistake("the logarithms divided", wrong("log_joint / log_joint.sum(1, keepdim=True)"),
                "You divide logarithms by the sum of logarithms. What is divided are the probabilities; in the logarithm that is a "
                "subtraction."),
        Mistake("the evidence alone", wrong("torch.logsumexp(log_joint, 1)"),
                "That is log p(x), one number for each point. It is needed, and not yet log p(y|x)."),
        Mistake("the maximum", wrong("log_joint - log_joint.max(1, keepdim=True).values"),
                "Your most probable class gets log 1 = 0 each time: you subtract the largest log p(x, y), not that of the sum."),
        Mistake("the logarithms added", wrong("log_joint - log_joint.sum(1, keepdim=True)"),
                "You subtract the sum of the logarithms. p(x) is the sum of the probabilities; the logarithm comes after it."),
        Mistake("p(x) subtracted", wrong("log_joint - log_joint.exp().sum(1, keepdim=True)"),
                "You subtract p(x); its logarithm must be subtracted."),
        Mistake("sign", wrong("torch.logsumexp(log_joint, 1, keepdim=True) - log_joint"),
                "The size is right, the sign is not: the logarithm of a probability is never above 0."),
        Mistake("underflow", wrong("log_joint - log_joint.exp().sum(1, keepdim=True).log()"),
                "Right in the plane. On images exp(−1000) is rounded to 0, and the logarithm of that sum is minus infinity. Take "
                "the logarithm of the sum without leaving the logarithm."),
        Mistake("underflow, normalised first", wrong("(log_joint.exp() / log_joint.exp().sum(1, keepdim=True)).log()"),
                "Right in the plane. On images exp(−1000) is rounded to 0, and 0 / 0 is no number. Stay in the logarithm."),
        Mistake("no axis kept", wrong("log_joint - torch.logsumexp(log_joint, 1)"),
                "The sums have the shape [N], and log_joint [N, K]: they don't fit. Keep the axis that you sum over."),
    ),
)  # fmt: skip
