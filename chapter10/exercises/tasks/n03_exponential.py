"""Notebook 03: moving the noise out of another distribution."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

STUB = '''
def sample_exponential(rate):  # [B] -> [B]
    return None
'''

SOLUTION = '''
def sample_exponential(rate):
    return -torch.log1p(-torch.rand_like(rate)) / rate
'''

OTHER_END = '''
def sample_exponential(lam):
    u = 1 - torch.rand(len(lam), dtype=lam.dtype)
    return u.log().neg().div(lam)
'''

OF_RATE_ONE = '''
def sample_exponential(rate):
    unit = torch.empty_like(rate, requires_grad=False).exponential_()
    return unit * rate.reciprocal()
'''

BY_THE_LIBRARY = '''
def sample_exponential(rate):
    return torch.distributions.Exponential(rate).rsample()
'''

EACH = 20_000


def observe(look, source, sample_exponential):
    # few first: 40,000 rates against 40,000 draws, by a wrong shape, would fill the memory
    look.tensor("your z of three rates", sample_exponential(torch.tensor([0.5, 1.0, 2.0])), shape=(3,), rtol=0, atol=1e6)
    rate = torch.tensor([0.5, 2.0], dtype=torch.float64).repeat(EACH).requires_grad_()
    # z itself is drawn: any finite numbers of the right shape will do
    z = look.tensor("your z", look.call(sample_exponential, rate), shape=(2 * EACH,), rtol=0, atol=1e6)
    plain = z.detach().cpu().double().view(EACH, 2)
    unit = plain * rate.detach().view(EACH, 2)  # λ·z
    own = not (torch.allclose(unit, unit[:1, :1]) or torch.allclose(plain, plain[:1, :1]))
    look.fact("each rate has a draw of its own", own)
    if not own:  # what one draw for all gives differs from one way of writing it to the next: it is not looked at
        raise Enough
    look.fact("no z is below 0", bool((plain >= 0).all()))
    look.tensor("the mean of z where λ is 0.5 and 2", plain.mean(0), rtol=0.05, atol=0)
    look.tensor("the standard deviation of z where λ is 0.5 and 2", plain.std(0), rtol=0.07, atol=0)
    share = (unit > 1).double().mean(0)
    look.tensor("the share of z above 1/λ", share, rtol=0, atol=0.025)
    # z is e/λ for some e that knows no λ: d log z / dλ is −1/λ for all noise
    look.gradient("the gradient of log z in the rate", z.log(), rate)


def wrong(line: str) -> str:
    return f"def sample_exponential(rate):\n    return {line}\n"


TASK = Task(
    name="03-exponential",
    title="another distribution",
    section="10.2.4",
    minutes=5,
    statement="The exponential distribution with rate λ has the density λ·e^(−λz) for z ≥ 0, and mean 1/λ. Write a sampler through "
    "which gradients reach `rate` [B], one draw for each rate, from uniform noise. (`torch.distributions` has one; write your own.)",
    answers=("sample_exponential",),
    setting="from torch.distributions import Normal\n",
    stub=STUB,
    hints=(
        "Which share of the distribution lies below z, and how is that share itself distributed when z is drawn?",
        "The share of the distribution below z is F(z) = 1 − e^(−λz), and it is uniform on [0, 1].",
        "Set F(z) = u with u uniform, and solve for z. torch.rand can give 0, but not 1: log(1 − u) is safe.",
    ),
    solution=SOLUTION,
    why="Whatever has an inverse of F in closed form can be made so. For the others (Gamma, Beta, Dirichlet) implicit derivatives do it; "
    "`rsample` in torch has them. (log1p(−u) is log(1 − u), exact for small u.)",
    right="The distribution and its gradient are as they should be.",
    observe=observe,
    ways=(OTHER_END, OF_RATE_ONE, BY_THE_LIBRARY),
    situations=1,
    mistakes=(
        Mistake("times the rate", wrong("-torch.log1p(-torch.rand_like(rate)) * rate"),
                "Where λ is 0.5 the mean is {found}: that is λ, not 1/λ. A high rate makes short waits."),
        Mistake("sign", wrong("torch.log1p(-torch.rand_like(rate)) / rate"),
                "z is below 0: the logarithm of a number below 1 is negative."),
        Mistake("not divided", wrong("-torch.log1p(-torch.rand_like(rate))"),
                "The mean is {found} whatever the rate says: λ is missing."),
        Mistake("the density", wrong("rate * torch.exp(-rate * torch.rand_like(rate))"),
                "That is the density at a random place. Wanted is a random place, more often where the density is high."),
        Mistake("F for its inverse", wrong("1 - torch.exp(-rate * torch.rand_like(rate))"),
                "That is F(u), which lies between 0 and 1. Turn it round: for which z is F(z) = u?"),
        Mistake("scaled uniform", wrong("2 * torch.rand_like(rate) / rate"),
                "The mean is right, and the shape is not: your z have an end at 2/λ. An exponential distribution has none."),
        Mistake("one draw for all", wrong("-torch.log1p(-torch.rand(1)) / rate"),
                "All rates share one draw: every entry needs noise of its own."),
        Mistake("normal noise", wrong("torch.randn_like(rate).abs() / rate"),
                "The shape is that of a normal distribution folded over. Start from uniform noise, and use F."),
        Mistake("no graph", wrong("-torch.log1p(-torch.rand_like(rate)) / rate.detach()"),
                "The right distribution, and no gradient: between the rate and your z the graph is cut. (detach, item, numpy and a "
                "sampler that takes the rate as a number do that.)"),
        Mistake("1/λ in the logarithm", wrong("-torch.log(torch.rand_like(rate) / rate)"),
                "Some z are below 0: the rate stands inside the logarithm, where it shifts z. It has to scale it."),
        Mistake("logarithm to the base 10", wrong("-torch.log10(torch.rand_like(rate)) / rate"),
                "All z are 2.3 times too small: the inverse of e^… is the natural logarithm."),
    ),
)  # fmt: skip
