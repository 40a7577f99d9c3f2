"""Notebook 03: a small project, the gradient of an expectation over bits from four draws."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def bits_gradient(f, logits):  # f: [N, L] of 0 and 1 -> [N]; logits [L] -> [L]
    return None
'''

SOLUTION = '''
def bits_gradient(f, logits):
    p = torch.sigmoid(logits)
    z = torch.bernoulli(p.expand(4, -1))  # [4, L]
    value = f(z)  # [4]
    others = (value.sum() - value) / 3  # for each draw the mean of the other three
    return ((value - others)[:, None] * (z - p)).mean(0)
'''

BY_AUTOGRAD = '''
def bits_gradient(f, logits):
    logits = logits.detach().clone().requires_grad_()
    q = torch.distributions.Bernoulli(logits=logits)
    z = q.sample((4,))
    values = f(z)
    loss = 0
    for i in range(4):
        rest = torch.cat([values[:i], values[i + 1 :]]).mean()
        loss = loss + (values[i] - rest) * q.log_prob(z[i]).sum() / 4
    return torch.autograd.grad(loss, logits)[0]
'''

MIRRORED_PAIRS = '''
def bits_gradient(f, logits):
    # ARM (Yin and Zhou 2019): u and 1 - u, two pairs
    u = torch.rand(2, len(logits))
    high = f((u > torch.sigmoid(-logits)).to(logits.dtype))
    low = f((u < torch.sigmoid(logits)).to(logits.dtype))
    return ((high - low)[:, None] * (u - 0.5)).mean(0)
'''

ONE_FOR_THE_BASELINE = '''
def bits_gradient(f, logits):
    p = logits.sigmoid()
    typical = f((p > 0.5).to(p.dtype)[None])
    z = (torch.rand(3, len(p)) < p).to(p.dtype)
    return torch.einsum("n,nl->l", f(z) - typical, z - p) / 3
'''

DRAWS, REPEATS = 4, 2000
BOUND = 5  # standard errors: five latent dimensions are looked at


class Asked:
    """f, a quadratic form around a large constant, which counts what it is asked and lets no gradient through."""

    def __init__(self, source: torch.Generator):
        self.linear = torch.tensor([9.0, -4.0, 3.0, 2.0, -1.0])
        self.square = torch.randn(5, 5, generator=source) / 2
        self.rows, self.bits_only, self.scale = 0, True, 1.0
        self.ones = torch.zeros(5)

    def value(self, z: torch.Tensor) -> torch.Tensor:
        return -100 + z @ self.linear + torch.einsum("...i,ij,...j->...", z, self.square, z)

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        z = torch.as_tensor(z).detach().float()
        self.rows += z[..., 0].numel()
        self.bits_only &= bool(((z == 0) | (z == 1)).all())
        self.ones += z.reshape(-1, z.shape[-1]).sum(0)
        return self.scale * self.value(z)


def truth(f: Asked, logits: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The exact gradient [L], and the summed variance of the bare score function's estimate from four draws."""
    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)  # all 32
    p = logits.sigmoid()
    weight, each = (z * p + (1 - z) * (1 - p)).prod(1), f.value(z)[:, None] * (z - p)
    mean = weight @ each
    return mean, float((weight @ each.square() - mean.square()).sum()) / DRAWS


def observe(look, source, bits_gradient):
    f, logits = Asked(source), torch.tensor([-1.4, -0.4, 0.7, -0.9, 0.5])
    first = look.tensor("one estimate", look.call(bits_gradient, f, logits), shape=(5,), rtol=0, atol=1e6)
    look.at_most("the rows that one call of your function asks f about, all its calls of f together", f.rows, DRAWS)
    look.fact("f is asked about zeros and ones only", f.bits_only)
    draws = [first.detach().double().cpu()]
    for _ in range(REPEATS - 1):
        draws.append(torch.as_tensor(bits_gradient(f, logits)).detach().double().cpu())
    draws, half = torch.stack(draws), f.ones / f.rows
    torch.manual_seed(5)
    plain = torch.as_tensor(bits_gradient(f, logits)).detach().double().cpu()
    torch.manual_seed(5)
    f.scale = 10.0
    of_ten_times = torch.as_tensor(bits_gradient(f, logits)).detach().double().cpu()
    exact, bare = truth(f, logits)
    mean, error = draws.mean(0), draws.std(0).clamp_min(1e-6) / REPEATS**0.5
    distance = float(((mean - exact).abs() / error).max())
    share = float(mean @ exact.double() / exact.double().square().sum())
    # these tell mistakes apart: how long the mean is, along the true gradient
    look.fact("on average the estimate points the other way", share < -0.5, judged=False)
    look.fact("on average it is a quarter too short", 0.65 < share < 0.85, judged=False)
    look.fact("on average it is four times too long", 3.5 < share < 4.5, judged=False)
    look.fact("on average it is more than five times too long", share > 5, judged=False)
    look.fact("half of all bits that f is asked about are 1", bool(((half - 0.5).abs() < 0.02).all()), judged=False)
    look.fact("ten times f has the same gradient", torch.allclose(plain, of_ten_times, rtol=1e-3), judged=False)
    look.fact("it is the same each time", bool((draws == draws[0]).all()), judged=False)
    look.at_most("the distance of the mean of 2,000 estimates from the true gradient, in standard errors", distance, BOUND)
    ratio = float(draws.var(0).sum()) / bare
    look.at_most("the summed variance of the estimates, that of the bare score function being 1", ratio, 0.05)


def wrong(line: str, draws: int = DRAWS) -> str:
    return (f"def bits_gradient(f, logits):\n    p = torch.sigmoid(logits)\n    z = torch.bernoulli(p.expand({draws}, -1))\n"
            f"    value = f(z)\n    others = (value.sum() - value) / {draws - 1}\n    return {line}\n")  # fmt: skip


TASK = Task(
    name="03-bits",
    title="a gradient through choices, from four draws",
    section="10.2.4",
    minutes=25,
    statement="Build something small. A code of L bits, z ∈ {0, 1}^L, each 1 with the probability sigmoid(logit). f takes rows of bits, "
    "[N, L], and gives [N] numbers around −100; it lets no gradient through, and it is dear. Write an estimator of the gradient of "
    "E[f(z)] in the logits, [L], where one call of yours may ask f about **four rows in all**. It must be right on average, and its "
    "variance at most a twentieth of that of the bare score function with as many draws. The check calls it 2,000 times and compares "
    "with the exact gradient, summed over all codes.",
    answers=("bits_gradient",),
    setting="from torch.distributions import Normal\n",
    stub=STUB,
    hints=(
        "What is ∇ log q(z) for one bit, in its logit? And what does the −100 do to f(z)·∇ log q(z)?",
        "The score of a bit in its logit is z − p. Subtract a baseline from f that doesn't contain the draw it is taken from.",
        "Four draws at once: for each of them the baseline is the mean of f over the other three (section 6). Then average the four.",
    ),
    solution=SOLUTION,
    why="E[∇ log q] = 0, so what doesn't depend on the draw may be taken off f. The other draws say for nothing what f is around here "
    "(Kool, van Hoof and Welling 2019). Pairs that mirror each other do as well.",
    right="Right on average, from four rows or fewer, and quiet. With this you can train discrete codes.",
    observe=observe,
    ways=(BY_AUTOGRAD, MIRRORED_PAIRS, ONE_FOR_THE_BASELINE),
    situations=1,
    seconds=20,
    points=3,
    mistakes=(
        Mistake("no baseline", wrong("(value[:, None] * (z - p)).mean(0)"),
                "Right on average, and as loud as the bare score function: nearly all of f is the same whatever z is, and this constant "
                "multiplies the score. What may you take off f without changing the mean?"),
        Mistake("its own draw in the baseline", wrong("((value - value.mean())[:, None] * (z - p)).mean(0)"),
                "Quiet, and wrong on average: a quarter is missing, {found} standard errors from the truth. The mean over all four "
                "contains the draw itself; its baseline may not."),
        Mistake("not averaged", wrong("((value - others)[:, None] * (z - p)).sum(0)"),
                "On average it is four times too long: you summed over the draws."),
        Mistake("sign", wrong("((others - value)[:, None] * (z - p)).mean(0)"),
                "It points the other way: a draw that is better than the others should become more likely, where f is to rise."),
        Mistake("in the probability", wrong("((value - others)[:, None] * (z - p) / (p * (1 - p))).mean(0)"),
                "On average too long, by about 1/(p(1 − p)): that is the gradient in the probability. It was asked for in the logit."),
        Mistake("through f", wrong("torch.autograd.grad(f(p.requires_grad_().expand(4, -1)).mean(), p)[0]"),
                "f lets no gradient through: it is defined for bits, and there is no slope between 0 and 1. Which estimator needs f's "
                "values only?"),
        Mistake("always the same code",
                "def bits_gradient(f, logits):\n    p = torch.sigmoid(logits)\n    z = (p > 0.5).float()\n"
                "    return f(z[None]) * (z - p)\n",
                "Each call gives the same: nothing is drawn, and one code, be it the likeliest, is no average over codes."),
        Mistake("divided by their spread", wrong("((value - value.mean()) / (value.std() + 1e-8) * (z - p).T).mean(1)"),
                "Wrong on average: whoever divides by the spread of the draws, as is usual where only the direction counts, changes "
                "the length by a number that is drawn as well."),
        Mistake("drawn with ½",
                wrong("((value - others)[:, None] * (z - p)).mean(0)").replace("bernoulli(p.", "bernoulli(torch.full_like(p, 0.5)."),
                "Wrong on average: half of your bits are 1 whatever the logits say, so the average goes over another distribution. z has "
                "to come from q, whose score you take."),
        Mistake("more draws", wrong("((value - others)[:, None] * (z - p)).mean(0)", 64),
                "One call of yours asks f about {found} rows, and four in all are allowed. (Several calls of f add up.)"),
        Mistake("all codes",
                "def bits_gradient(f, logits):\n    p = torch.sigmoid(logits)\n"
                "    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * len(p))\n"
                "    weight = (z * p + (1 - z) * (1 - p)).prod(1)\n    return ((weight * f(z))[:, None] * (z - p)).sum(0)\n",
                "f was asked about {found} rows: to add up all codes is exact, and right where there are few. Here four are allowed."),
        Mistake("at the probabilities",
                "def bits_gradient(f, logits):\n    p = torch.sigmoid(logits)\n    z = p + 0.1 * torch.eye(len(p))[:3]\n"
                "    up = f(z) - f(p[None])\n    return torch.cat([up, torch.zeros(len(p) - 3)]) * p * (1 - p) / 0.1\n",
                "f was asked about numbers between 0 and 1: it is defined for bits. Draw z, and weigh f(z) with the score."),
    ),
)  # fmt: skip
