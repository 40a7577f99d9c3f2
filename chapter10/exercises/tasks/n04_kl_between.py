"""Notebook 04: the KL between two diagonal Gaussians."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def kl_between(mu_1, log_var_1, mu_2, log_var_2):  # [B, L] each -> [B], in nats
    return None
'''

SOLUTION = '''
def kl_between(mu_1, log_var_1, mu_2, log_var_2):
    ratio = (log_var_1 - log_var_2).exp()
    distance = (mu_1 - mu_2).square() / log_var_2.exp()
    return 0.5 * (ratio + distance - 1 - (log_var_1 - log_var_2)).sum(-1)
'''

BY_THE_LIBRARY = '''
def kl_between(mu_1, log_var_1, mu_2, log_var_2):
    q = torch.distributions.Normal(mu_1, torch.exp(log_var_1 / 2))
    p = torch.distributions.Normal(mu_2, torch.exp(log_var_2 / 2))
    return torch.distributions.kl_divergence(q, p).sum(dim=1)
'''

BY_STANDARDISING = '''
def kl_between(a, u, b, v):
    # a KL stays as it is when both are moved and scaled alike: bring the second to N(0, I)
    mu, log_var = (a - b) * torch.exp(-v / 2), u - v
    total = mu**2
    total += torch.expm1(log_var)
    total -= log_var
    return total.sum(1) / 2
'''


def observe(look, source, kl_between):
    four = [part.clone().requires_grad_() for part in torch.randn(4, 5, 3, generator=source, dtype=torch.float64)]
    kl = look.tensor("the KL of five random pairs", look.call(kl_between, *four), shape=(5,))
    for name, at in zip(("mu_1", "log_var_1", "mu_2", "log_var_2"), four):
        look.gradient(f"its gradient in {name}", kl, at)
    mu, log_var = torch.randn(2, 2, 4, generator=source)
    look.tensor("the KL of a Gaussian to itself", look.call(kl_between, mu, log_var, mu, log_var), shape=(2,), atol=1e-5)


def wrong(line: str) -> str:
    return f"def kl_between(mu_1, log_var_1, mu_2, log_var_2):\n    return {line}\n"


TASK = Task(
    name="04-kl-between",
    title="write three lines",
    section="10.2.3",
    minutes=10,
    statement="The KL between two Gaussians that are *both* not standard: KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)), for each row, summed over the "
    "dimensions, in nats; as before, `log_var` is log σ². A learned prior needs it.",
    answers=("kl_between",),
    stub=STUB,
    hints=(
        "It is E[log p₁(z) − log p₂(z)] with z from the first. What is E[(z − μ₂)²]?",
        "Both logarithms are parabolas in z, and E[(z − μ₂)²] = σ₁² + (μ₁ − μ₂)². The second one divides it by σ₂².",
        "½ ( log σ₂² − log σ₁² + (σ₁² + (μ₁ − μ₂)²) / σ₂² − 1 ), summed over the dimensions.",
    ),
    solution=SOLUTION,
    why="Everything is measured in units of σ₂: the ratio of the variances, and the distance of the means. With μ₂ = 0 and σ₂ = 1 the "
    "chapter's formula remains.",
    right="The KL and its four gradients agree, and to itself a Gaussian has the KL 0.",
    observe=observe,
    ways=(BY_THE_LIBRARY, BY_STANDARDISING),
    mistakes=(
        Mistake("mean over the dimensions",
                wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1 - log_var_1 + log_var_2).mean(1)"),
                "It comes out {inverse:.0f} times too small: that is the mean over the latent dimensions. KLs of independent "
                "dimensions add up."),  # bugs.md 2
        Mistake("sign",
                wrong("-0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1 - log_var_1 + log_var_2).sum(1)"),
                "The size is right, the sign is not: a KL is never negative."),  # bugs.md 4
        Mistake("the other way round",
                wrong("0.5 * ((log_var_2 - log_var_1).exp() + (mu_1 - mu_2)**2 / log_var_1.exp() - 1 - log_var_2 + log_var_1).sum(1)"),
                "That is KL(second ‖ first). The expectation is over the first Gaussian, so its variance stands in the numerator."),
        Mistake("log_var as log σ",
                wrong("0.5 * ((2 * log_var_1 - 2 * log_var_2).exp() + (mu_1 - mu_2)**2 / (2 * log_var_2).exp() - 1 - 2 * log_var_1 "
                      "+ 2 * log_var_2).sum(1)"),
                "That is right for σ = exp(log σ²). The argument is the logarithm of the variance: σ is the root of its exponential."),
        Mistake("to the standard one", wrong("0.5 * (mu_1**2 + log_var_1.exp() - 1 - log_var_1).sum(1)"),
                "That is the KL to N(0, I): the second Gaussian was left out."),
        Mistake("not in units of σ₂",
                wrong("0.5 * (log_var_1.exp() + (mu_1 - mu_2)**2 - 1 - log_var_1 + log_var_2).sum(1)"),
                "Nearly: σ₁² and the squared distance are measured in units of σ₂². Divide by it."),
        Mistake("only the variance in units of σ₂",
                wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 - 1 - log_var_1 + log_var_2).sum(1)"),
                "Nearly: the variances are compared rightly, and the squared distance must be measured in units of σ₂² as well."),
        Mistake("sign of the logarithms",
                wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1 + log_var_1 - log_var_2).sum(1)"),
                "Nearly: to itself a Gaussian has 0, as it must, but the difference of the logarithms has the wrong sign. A second "
                "Gaussian that is wider gives each z less density."),
        Mistake("logarithms not halved",
                wrong("(0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1) - log_var_1 + log_var_2).sum(1)"),
                "Nearly: log(σ₂/σ₁) is wanted, and log_var is log σ², twice as much. The ½ stands before all of it."),
        Mistake("not squared",
                wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2) / log_var_2.exp() - 1 - log_var_1 + log_var_2).sum(1)"),
                "Nearly: the means enter by their squared distance. Yours tells left from right."),
        Mistake("log_var for σ²",
                wrong("0.5 * ((log_var_1 + (mu_1 - mu_2)**2) / log_var_2 - 1 - torch.log(log_var_1 / log_var_2)).sum(1)"),
                "NaN: log_var was taken for σ² itself. It may be below 0, where no logarithm is; σ² is its exponential."),
        Mistake("difference of two KLs",
                wrong("0.5 * ((mu_1**2 + log_var_1.exp() - log_var_1) - (mu_2**2 + log_var_2.exp() - log_var_2)).sum(1)"),
                "That is KL(first ‖ N(0, I)) − KL(second ‖ N(0, I)). A KL is no distance on a line: they don't subtract."),
        Mistake("no half", wrong("((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1 - log_var_1 + log_var_2).sum(1)"),
                "Twice the truth: the factor ½ in front is missing."),
        Mistake("no 1", wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - log_var_1 + log_var_2).sum(1)"),
                "The KL of a Gaussian to itself must be 0, and yours is not: look at the constant."),
        Mistake("not summed",
                wrong("0.5 * ((log_var_1 - log_var_2).exp() + (mu_1 - mu_2)**2 / log_var_2.exp() - 1 - log_var_1 + log_var_2)"),
                "The formula is right for each dimension. One number for each row is wanted: add the dimensions up."),
    ),
)  # fmt: skip
