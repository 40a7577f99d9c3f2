"""Notebook 02: the Kullback-Leibler divergence of a diagonal Gaussian to the prior."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_kl(mu, log_var):  # [B, L], [B, L] -> [B]
    return None
'''

SOLUTION = '''
def my_kl(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
'''

IN_PLACE = '''
def my_kl(mean, log_variance):
    total = mean.square()
    total += torch.exp(log_variance)
    total -= 1 + log_variance
    return total.sum(dim=-1) / 2
'''

BY_THE_LIBRARY = '''
def my_kl(mu, log_var):
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(q, p).sum(1)
'''

ONE_BY_ONE = '''
def my_kl(mu, log_var):
    mu, log_var = mu.double(), log_var.double()
    rows = [sum((m * m + math.e**v - v - 1) / 2 for m, v in zip(*row)) for row in zip(mu, log_var)]
    return torch.stack(rows)
'''


def observe(look, source, my_kl):
    mu = torch.randn(6, 4, generator=source).requires_grad_()
    log_var = torch.randn(6, 4, generator=source).requires_grad_()
    kl = look.tensor("the KL of six random rows", look.call(my_kl, mu, log_var), shape=(6,))
    look.gradient("its gradient in mu", kl, mu)
    look.gradient("its gradient in log_var", kl, log_var)
    prior = torch.zeros(2, 3, 2)
    look.tensor("the KL of the prior to itself (mu = 0, log_var = 0)", look.call(my_kl, *prior), shape=(3,))


def wrong(line: str) -> str:
    return f"def my_kl(mu, log_var):\n    return {line}\n"


TASK = Task(
    name="02-kl",
    title="the closed-form half",
    section="10.2.3",
    minutes=5,
    statement="Write the KL of N(μ, diag σ²) to the prior N(0, I), for `mu` and `log_var` = log σ² of shape [B, L]. One "
    "number for each row, in nats, and gradients must get through. Write it yourself: the package's would pass the check, and teach "
    "you nothing.",
    answers=("my_kl",),
    stub=STUB,
    hints=(
        "What is the KL of one dimension, and what becomes of the KLs of independent dimensions?",
        "It is E[log q(z) − log p(z)] with z from q. For one dimension both logarithms are parabolas in z.",
        "For one dimension: ½ (μ² + σ² − 1 − log σ²), and σ² = exp(log σ²).",
    ),
    solution=SOLUTION,
    why="One half of the ELBO needs no samples: both densities are Gaussian, and the KL is a formula.",
    right="The KL and both gradients agree, and at the prior it is 0.",
    observe=observe,
    ways=(IN_PLACE, BY_THE_LIBRARY, ONE_BY_ONE),
    mistakes=(
        # bugs.md 4
        Mistake("sign", wrong("-0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)"),
                "The size is right, the sign is not: a KL is never below 0, and yours gives {found}."),
        # bugs.md 2
        Mistake("mean over the latent dimensions", wrong("0.5 * (mu**2 + log_var.exp() - 1 - log_var).mean(1)"),
                "The KL came out {inverse:.0f} times too small: you took the mean over the latent dimensions. "
                "KLs of independent dimensions add up; a mean is a hidden weight of 1/L on the KL."),
        Mistake("no half", wrong("(mu**2 + log_var.exp() - 1 - log_var).sum(1)"),
                "The KL came out twice too large: where is the ½?"),
        Mistake("log_var as log σ", wrong("0.5 * (mu**2 + torch.exp(2 * log_var) - 1 - 2 * log_var).sum(1)"),
                "That is right if log_var were log σ. It is log σ²: σ² = exp(log_var)."),
        Mistake("σ for σ²", wrong("0.5 * (mu**2 + torch.exp(0.5 * log_var) - 1 - log_var).sum(1)"),
                "Where σ² belongs, σ stands: exp(log_var / 2) is the root."),
        Mistake("log_var for log σ", wrong("(0.5 * (mu**2 + log_var.exp() - 1) - log_var).sum(1)"),
                "Where log σ belongs, log σ² stands: log_var counts twice as much as it should."),
        Mistake("half of log σ²", wrong("0.5 * (mu**2 + log_var.exp() - 1 - 0.5 * log_var).sum(1)"),
                "log_var is halved twice: once before the bracket, and once inside it."),
        Mistake("no 1", wrong("0.5 * (mu**2 + log_var.exp() - log_var).sum(1)"),
                "Of the prior to itself it must be 0, and yours is not: a constant is missing."),
        Mistake("no log σ²", wrong("0.5 * (mu**2 + log_var.exp() - 1).sum(1)"),
                "At the prior it is 0, as it must be. But −log σ² is missing, so that a narrow cloud costs nothing; it must cost the "
                "more, the "
                "narrower it is."),
        Mistake("μ for μ²", wrong("0.5 * (mu + log_var.exp() - 1 - log_var).sum(1)"),
                "Where μ² belongs, μ stands: a mean below 0 is rewarded."),
        Mistake("prior and q exchanged", wrong("0.5 * ((1 + mu**2) / log_var.exp() - 1 + log_var).sum(1)"),
                "That is the KL of the prior to q. The other way round: the cloud's, to the prior."),
        Mistake("summed over the batch", wrong("0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(0)"),
                "You summed over the batch: one number for each latent dimension. Wanted is one for each row."),
        Mistake("not summed", wrong("0.5 * (mu**2 + log_var.exp() - 1 - log_var)"),
                "The formula is right for each dimension. One number for each row is wanted: add the dimensions up."),
        Mistake("summed over everything", wrong("0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()"),
                "That is one number for the whole batch. Keep the rows apart."),
        Mistake("no graph", wrong("0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).detach()"),
                "The number is right, and nothing can be learned from it: it has given up its graph."),
    ),
)  # fmt: skip
