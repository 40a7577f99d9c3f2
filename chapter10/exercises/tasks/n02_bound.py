"""Notebook 02: the importance-weighted bound from log weights."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_bound(log_w):  # [B, K] -> [B]
    return None
"""

SOLUTION = """
def my_bound(log_w):
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
"""

SHIFTED = """
def my_bound(weights):
    highest = weights.max(dim=-1, keepdim=True).values
    return (weights - highest).exp().mean(-1).log() + highest.squeeze(-1)
"""

IN_NUMPY = """
def my_bound(log_w):
    a = log_w.numpy().astype(float)
    return [np.logaddexp.reduce(row) - np.log(len(row)) for row in a]
"""

SHARES_FIRST = """
def my_bound(log_w):
    K = log_w.size(1)
    return (log_w - torch.log(torch.tensor(float(K)))).logsumexp(dim=1)
"""


def observe(look, source, my_bound):
    log_w = 3 * torch.randn(5, 32, generator=source) - 10
    look.tensor("the bound of five images with 32 samples each", look.call(my_bound, log_w), shape=(5,), atol=1e-4)
    look.tensor("the bound with a single sample (it is log w itself)", look.call(my_bound, log_w[:, :1]), shape=(5,), atol=1e-4)
    look.tensor("the bound of log weights that are 1,000 lower", my_bound(log_w - 1000), shape=(5,), atol=1e-3)
    look.tensor("the bound of log weights that are 1,000 higher", my_bound(log_w + 1000), shape=(5,), atol=1e-3)
    log_w[:, 3:7] = -torch.inf
    look.tensor("the bound where some weights are 0 (log w = −inf)", my_bound(log_w), shape=(5,), atol=1e-4)


def wrong(line: str) -> str:
    return f"def my_bound(log_w):\n    return {line}\n"


TASK = Task(
    name="02-bound",
    title="the bound, without mistakes",
    section="10.2.3",
    minutes=5,
    statement="Write the importance-weighted bound of each image from its log weights, `log_w` of shape [B, K]. Real log weights are "
    "near −130, "
    "and may be below −1,000.",
    answers=("my_bound",),
    stub=STUB,
    hints=(
        "Which comes first in the formula of section 6, the mean or the logarithm? And which of the two axes are the samples?",
        "The weights are averaged inside the logarithm, and a mean is a sum divided by K. What becomes of the division outside?",
        "`torch.logsumexp(log_w, 1)` is the logarithm of the sum of the weights, without leaving the logarithm.",
    ),
    solution=SOLUTION,
    why="With K = 1 it is the ELBO's own estimate; more samples can only raise it on average, and it never passes log p(x) on average.",
    right="Averaged inside the logarithm, with −log K, and safe for weights as small as any.",
    observe=observe,
    ways=(SHIFTED, IN_NUMPY, SHARES_FIRST),
    mistakes=(
        # bugs.md 9
        Mistake("the mean of the logs", wrong("log_w.mean(1)"),
                "That is the mean of the logs: the ELBO once more, and K brings nothing. Average inside the logarithm."),
        Mistake("no log K", wrong("log_w.logsumexp(1)"),
                "The logarithm of K is missing: with 32 samples your number is log 32 = 3.47 nats too high, and no bound. A mean was "
                "asked for, and "
                "this is a sum."),
        Mistake("log K added", wrong("log_w.logsumexp(1) + math.log(log_w.shape[1])"), "log K is added: it must be taken away."),
        Mistake("divided by K", wrong("log_w.logsumexp(1) / log_w.shape[1]"),
                "You divide the logarithm by K; the weights themselves must be averaged, inside it."),
        Mistake("the largest weight", wrong("log_w.max(1).values"), "That is the largest weight alone."),
        Mistake("log B", wrong("log_w.logsumexp(1) - math.log(len(log_w))"),
                "You subtract the logarithm of the number of images. The mean is over the samples, the second axis: log K."),
        Mistake("over the images", wrong("log_w.logsumexp(0) - math.log(len(log_w))"),
                "You average over the images: one number for each sample. Wanted is one for each image, over its samples."),
        Mistake("over everything", wrong("log_w.flatten().logsumexp(0) - math.log(log_w.numel())"),
                "That is one number for all images. Each image has its own log p(x), and its own bound."),
        Mistake("averaged over the images", wrong("(log_w.logsumexp(1) - math.log(log_w.shape[1])).mean()"),
                "The bound is right for each image, and then averaged over them. Keep the images apart."),
        Mistake("underflow", wrong("log_w.exp().mean(1).log()"),
                "Right for moderate weights. At −1,000 every exp(log_w) is rounded to 0, and the logarithm of 0 is minus infinity. "
                "Take the logarithm "
                "of the sum without leaving the logarithm."),
        Mistake("the shift not undone", wrong("(log_w - log_w.max(1, keepdim=True).values).exp().mean(1).log()"),
                "You take the largest log weight away before exp, which is safe, and never put it back."),
        Mistake("not the logarithm", wrong("log_w.exp().mean(1)"),
                "The mean of the weights estimates p(x) itself. The bound is its logarithm."),
    ),
)  # fmt: skip
