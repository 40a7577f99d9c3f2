"""Notebook 04: a small project, the lower half of a digit from the upper one."""

from copy import deepcopy
from functools import cache

import torch

from chapter10 import data, recipes
from chapter10.exercises import embedded
from chapter10.exercises.task import Mistake, Task

STUB = '''
def complete(model, upper):  # upper [B, 392] of 0 and 1 -> probabilities of the lower half's pixels, [B, 392]
    return None
'''

SOLUTION = '''
def complete(model, upper):
    with torch.no_grad():
        logits = model.decode(torch.randn(4000, model.latent_dim))  # codes of the prior, [K, 784]
        top, bottom = logits[:, :392], logits[:, 392:]
        log_p = upper @ top.T - F.softplus(top).sum(1)  # log p(upper half | code), [B, K]
        return log_p.softmax(1) @ torch.sigmoid(bottom)
'''

MANY_DESCENTS = '''
def complete(model, upper):
    z = torch.randn(8, len(upper), 20, requires_grad=True)
    adam = torch.optim.Adam([z], lr=0.1)
    target = upper.expand(8, -1, -1)
    for _ in range(50):
        logits = model.decode(z)[..., :392]
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") + z.square().sum() / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model.decode(z)[..., 392:].sigmoid().mean(0).detach()
'''

ONE_BY_ONE = '''
def complete(model, upper):
    z = torch.randn(3000, 20)
    with torch.no_grad():
        p = torch.sigmoid(model.decode(z)).clamp(1e-6, 1 - 1e-6)
    rows = []
    for half in upper:
        weight = torch.where(half > 0, p[:, :392], 1 - p[:, :392]).log().sum(1)
        weight = torch.exp(weight - weight.max())
        rows.append((weight[:, None] * p[:, 392:]).sum(0) / weight.sum())
    return torch.stack(rows)
'''

A_LIST_OF_ROWS = ONE_BY_ONE.replace("torch.stack(rows)", "rows")

IMAGES = 120
ONE_CODE = 62  # nats a digit that the pixels leave open: one code 57 to 60, averages over many 65 to 75
# nats: 4,000 codes of the prior reach 13.7 to 14.9, 1,000 9.4 to 9.7, five descents 9.9 to 10.8, one code at most 3 (3 seeds)
GAIN = 6


@cache
def halves() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor, float]:
    """The stored VAE of the embedded digits, upper and lower halves of test digits [B, 392], log p of the latter by the mean image."""
    images = embedded.digits()
    x = data.binarize(data.to_unit(images.test[-IMAGES:]), torch.Generator().manual_seed(4))
    mean = data.to_unit(images.train).mean(0)[392:].expand(IMAGES, -1)
    return recipes.load("vae20-digits"), x[:, :392], x[:, 392:], score(mean, x[:, 392:])


def score(p: torch.Tensor, lower: torch.Tensor) -> float:
    """Mean log p of the lower halves, in nats; probabilities are kept off 0 and 1."""
    p = p.detach().cpu().double().clamp(0.001, 0.999)
    return float(torch.where(lower > 0, p, 1 - p).log().sum(1).mean())


def as_tensor(rows) -> torch.Tensor:
    """Also of a list of rows."""
    return (torch.stack([torch.as_tensor(row) for row in rows]) if isinstance(rows, (list, tuple)) else torch.as_tensor(rows)).detach()


def observe(look, source, complete):
    stored, upper, lower, of_mean = halves()
    model, upper = deepcopy(stored), upper.clone()  # an answer may train the one and write over the other
    # what is drawn may differ: any finite numbers of the right shape will do
    p = look.tensor("the completion of 120 digits", look.call(complete, model, upper), shape=(IMAGES, 392), rtol=0, atol=1e6)
    plain = p.detach().cpu().double()
    look.fact("all probabilities lie between 0 and 1", bool(((plain >= -1e-6) & (plain <= 1 + 1e-6)).all()))
    same = all(torch.equal(now, then) for now, then in zip(model.parameters(), stored.parameters()))
    look.fact("the model's weights are as they were", same)
    few, again = upper[:2], upper[:2].flip(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        one = as_tensor(complete(model, few))
        torch.manual_seed(0)
        other = as_tensor(complete(model, again))
    entropy = -(torch.xlogy(plain, plain) + torch.xlogy(1 - plain, 1 - plain)).nan_to_num().sum(1).mean()
    gain = score(p, lower) - of_mean
    # these tell mistakes apart
    look.fact("the completion depends on the upper half", not torch.allclose(one, other, atol=1e-4), judged=False)
    look.fact("each probability is 0 or 1", bool(((plain == 0) | (plain == 1)).all()), judged=False)
    look.fact("it leaves no more open than one decoded code", bool(entropy < ONE_CODE), judged=False)
    look.fact("it is more than 30 nats worse than the mean image", gain < -30, judged=False)
    look.fact("it is more than 100 nats worse than the mean image", gain < -100, judged=False)
    look.at_least("the nats by which the completions beat the mean image, in log p of the true lower halves", gain, GAIN)


def descent(steps: int = 60, prior: str = "z.square().sum() / 2", half: str = "[..., :392]", end: str = ".sigmoid()[:, 392:]") -> str:
    return f'''
def complete(model, upper):
    z = torch.zeros(len(upper), 20, requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=0.1)
    for _ in range({steps}):
        loss = F.binary_cross_entropy_with_logits(model.decode(z){half}, upper, reduction="sum") + {prior}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.decode(z).detach(){end}
'''


def from_prior(last: str, codes: int = 2000) -> str:
    return f'''
def complete(model, upper):
    with torch.no_grad():
        logits = model.decode(torch.randn({codes}, 20))
        fit = upper @ logits[:, :392].T - F.softplus(logits[:, :392]).sum(1)
        p = torch.sigmoid(logits[:, 392:])
        return {last}
'''


ZEROS_BELOW = '''
def complete(model, upper):
    with torch.no_grad():
        mu, log_var = model.encode(torch.cat([upper, torch.zeros_like(upper)], dim=1))
        return torch.sigmoid(model.decode(mu))[:, 392:]
'''

TASK = Task(
    name="04-complete",
    title="complete the lower half of a digit",
    section="10.2.6",
    minutes=30,
    statement="Build something small. Hide the lower half of a digit and let a trained VAE complete it: `complete(model, upper)` gets "
    "the upper halves of binarised digits, [B, 392] (the first 392 of the 784 pixels), and returns for each pixel of the "
    "lower halves the probability that it is set, [B, 392]. The check takes the stored VAE of the embedded digits and 120 "
    "of their test digits, and asks how probable the *true* lower halves are by your numbers (kept between 0.001 and "
    "0.999): log p, on average, **at least 6 nats above** what the mean image gives, which doesn't look at the upper half. "
    "A beginning: search by gradient descent for the code z with the highest log p(upper half | z) + log p(z), from several "
    "starting points, and decode. Where the completions of one digit differ, is that a fault of the model? The check stops "
    "after 40 s. To try yours: `complete(stored, x[:8, :392])`.",
    answers=("complete",),
    stub=STUB,
    setting="from chapter10 import data, metrics, recipes, vae\n",
    hints=(
        "Draw the completions from ten starting points beside each other. Which of them would you bet on, and with how many nats?",
        "p(lower | upper) is an average of p(lower | z) over *all* codes that fit the upper half, each by how well it fits.",
        "Decode some thousand codes from N(0, I). The softmax over them of log p(upper | z) says how much each of them counts.",
    ),
    solution=SOLUTION,
    why="p(lower | upper) = E[p(lower | z)] over the codes that fit the upper half. Where completions differ, the upper half leaves it "
    "open: no fault of the model. One of them is the sharper picture and the worse prediction.",
    right="Your completions know what the upper half says, and leave open what it doesn't.",
    observe=observe,
    ways=(MANY_DESCENTS, ONE_BY_ONE, A_LIST_OF_ROWS),
    situations=1,
    seconds=40,
    points=3,
    mistakes=(
        Mistake("one code", descent(),
                "The completion is as sure of itself as one decoded code, and stands at {found} nats against the mean image. The upper "
                "half leaves open what comes below; one code decides, and pays for each pixel where it decides wrongly. Whom else "
                "could you ask?"),
        Mistake("too few codes", from_prior("fit.softmax(1) @ p", 150),
                "You stand at {found} nats against the mean image. Does the average go over enough codes, each with the weight that its "
                "upper half deserves?"),
        Mistake("the mean of the prior", from_prior("p.mean(0).expand(len(upper), -1)"),
                "All digits get the same completion, whatever stands above: that is the mean image again ({found} nats against it)."),
        Mistake("a draw of the prior", from_prior("p[: len(upper)]"),
                "The completion doesn't depend on the upper half: codes from the prior make some digit, not this one."),
        Mistake("one half everywhere", "def complete(model, upper):\n    return torch.full_like(upper, 0.5)\n",
                "Far below the mean image, at {found} nats, whatever stands above: each pixel costs about as much as a coin. Most pixels "
                "are white in all digits, and the upper half says more."),
        Mistake("zeros below", ZEROS_BELOW,
                "Far below the mean image, at {found} nats. The encoder was shown a lower half (all white?) as if it had been seen, and "
                "believes it. What is not known must be left open."),
        Mistake("the wrong half", descent(half="[..., 392:]"),
                "Far below the mean image, at {found} nats: your codes don't fit the upper half. Which of the 784 logits do you compare "
                "with it?"),
        Mistake("the upper half again", descent(end=".sigmoid()[:, :392]"),
                "Far below the mean image, at {found} nats: it looks as if the upper half came back. The lower one is the last 392."),
        Mistake("black and white", descent(end=".sigmoid()[:, 392:].round()"),
                "Each of your probabilities is 0 or 1. A pixel that you are sure of and that comes out otherwise costs 7 nats: "
                "leave the grey in."),
        Mistake("whole images", descent(end=".sigmoid()"),
                "These are whole images, [120, 784]. The lower halves are wanted, the last 392 pixels."),
        Mistake("logits", descent(end="[:, 392:]"),
                "Numbers below 0 or above 1: the decoder gives logits, and probabilities are wanted."),
    ),
)  # fmt: skip
