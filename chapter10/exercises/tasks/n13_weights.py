"""Notebook 13: the loss whose gradient is the importance-weighted bound's. Burda, Grosse and Salakhutdinov 2016, equation 14."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_loss(log_w):  # [B, K] -> a scalar
    return None
"""

SOLUTION = """
def my_loss(log_w):
    weights = torch.softmax(log_w, 1).detach()
    return -(weights * log_w).sum(1).mean()
"""

THE_BOUND_ITSELF = """
def my_loss(log_w):
    return (math.log(log_w.shape[1]) - log_w.logsumexp(1)).mean()
"""

BY_HAND = """
def my_loss(log_weights):
    with torch.no_grad():
        shifted = (log_weights - log_weights.max(dim=1, keepdim=True).values).exp()
        shares = shifted / shifted.sum(dim=1, keepdim=True)
    return torch.einsum("bk,bk->", shares, -log_weights) / len(log_weights)
"""


def observe(look, source, my_loss):
    for words, scale, level in (("unlike weights", 2.0, -130.0), ("log weights below −1,000", 2.0, -1300.0)):
        log_w = (scale * torch.randn(6, 5, generator=source) + level).requires_grad_()
        loss = look.call(my_loss, log_w)
        loss = look.tensor(f"the loss of six images, {words}", loss, shape=(), judged=False, atol=1e9, rtol=1e9)
        look.gradient(f"its gradient in the log weights of six images with five samples each, {words}", loss, log_w)


def wrong(line: str, before: str = "weights = torch.softmax(log_w, 1).detach()") -> str:
    return f"def my_loss(log_w):\n    {before}\n    return {line}\n"


TASK = Task(
    name="13-weights",
    title="five samples, one gradient",
    section="10.2.3",
    minutes=10,
    statement="An IWAE climbs the bound with K samples of z inside the logarithm. Write a loss from the log weights "
    "log p(x, z) − log q(z|x), `log_w` of shape [B, K], whose *gradient* is that of minus the bound, averaged over the images. Its "
    "value may be another, as long as its gradient is right: real log weights are near −130 and may be below −1,000.",
    answers=("my_loss",),
    stub=STUB,
    hints=(
        "Which of the five samples deserves most of the gradient: the one that explains the image well, or that explains it badly?",
        "The derivative of log Σ exp(a_k) in a_j is exp(a_j) / Σ exp(a_k). Where have you met that quotient?",
        "Either take minus the bound itself, or weigh each log weight by its share, a softmax over the samples, held fixed.",
    ),
    solution=SOLUTION,
    why="The bound's gradient is a mean over the samples, each weighed by its share of the weight. With K = 1 the share is 1: the "
    "ELBO's gradient. The VAE with K samples gives each the same share, 1/K.",
    right="Each sample learns by its share of the weight.",
    observe=observe,
    ways=(THE_BOUND_ITSELF, BY_HAND),
    mistakes=(
        Mistake("equal shares", "def my_loss(log_w):\n    return -log_w.mean()\n",
                "Each sample gets the same share, 1/K: that is the VAE with K samples, the mean of the logarithms."),
        Mistake("the sign", wrong("(weights * log_w).sum(1).mean()"),
                "The gradient has the wrong sign: descending this loss lowers the bound."),
        Mistake("gradient through the shares", wrong("-(weights * log_w).sum(1).mean()", "weights = torch.softmax(log_w, 1)"),
                "The shares carry a gradient of their own here, and pull samples apart that should only be weighed. Hold them fixed."),
        Mistake("shares over the images", wrong("-(weights * log_w).sum(1).mean()", "weights = torch.softmax(log_w, 0).detach()"),
                "The shares add up to 1 over the images. Each image has its own, over its samples, the second axis."),
        Mistake("not normalised", wrong("-(weights * log_w).sum(1).mean()", "weights = log_w.exp().detach()"),
                "The weights themselves are rounded to 0, and with them the whole gradient. It is the *shares* that count: divided by "
                "their sum."),
        Mistake("summed over the images", wrong("-(weights * log_w).sum()"),
                "The gradient came out {ratio:.0f} times too large: averaged over the images is wanted, and this is their sum."),
        Mistake("averaged over the samples", wrong("-(weights * log_w).mean()"),
                "The gradient came out {inverse:.0f} times too small: the shares add up to 1 already, so no mean over the samples."),
        Mistake("the best sample only", "def my_loss(log_w):\n    return -log_w.max(1).values.mean()\n",
                "Only the best sample gets a gradient. The others have a share too, if a small one."),
        Mistake("everything held fixed", wrong("-(weights * log_w).sum(1).mean()", "log_w = log_w.detach(); weights = log_w.softmax(1)"),
                "There is no gradient at all: hold the shares fixed, not the log weights."),
        Mistake("underflow", "def my_loss(log_w):\n    return -log_w.exp().mean(1).log().mean()\n",
                "At log weights near −130 every exp is rounded to 0, and the gradient is no number. Stay in the logarithm."),
    ),
)  # fmt: skip
