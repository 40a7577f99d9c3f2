"""Notebook 09: the perplexity of a codebook, from how often each code was chosen."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_perplexity(counts):  # how often each code was chosen, [K], whole numbers -> a number
    return None
'''

SOLUTION = '''
def my_perplexity(counts):
    share = counts / counts.sum()
    used = share[share > 0]
    return torch.exp(-(used * used.log()).sum())
'''

BY_ENTR = '''
def my_perplexity(counts):
    return torch.special.entr(counts.double() / counts.sum()).sum().exp().item()
'''

WITH_EPSILON = '''
def my_perplexity(n):
    p = n.float() / n.float().sum()
    return torch.exp(-torch.sum(p * torch.log(p + 1e-10)))
'''

IN_BITS = '''
def my_perplexity(counts):
    total, bits = sum(counts.tolist()), 0.0
    for n in counts.tolist():
        if n:
            bits -= n / total * math.log2(n / total)
    return 2**bits
'''


def observe(look, source, my_perplexity):
    counts = torch.randint(1, 40, (12,), generator=source)
    uneven = look.call(my_perplexity, counts)
    look.tensor("the perplexity of twelve codes, all chosen, not equally often", uneven, shape=())
    gaps = torch.where(torch.arange(12) % 3 == 1, 0, counts)
    look.tensor("the perplexity where four of twelve were never chosen", look.call(my_perplexity, gaps), shape=())
    look.tensor("the perplexity of five codes, equally often", look.call(my_perplexity, torch.full((5,), 7)), shape=())
    one = torch.tensor([0, 0, 91, 0])
    look.tensor("the perplexity where one code is chosen for everything", look.call(my_perplexity, one), shape=())


def wrong(*lines: str) -> str:
    return "\n    ".join(["def my_perplexity(counts):", "share = counts / counts.sum()", *lines]) + "\n"


USED = "used = share[share > 0]"

TASK = Task(
    name="09-perplexity",
    title="how many codes are in use?",
    section="10.5.1",
    minutes=5,
    statement="Write the perplexity of the codes, from how often each was chosen: exp of the entropy of their shares. K if all are chosen "
    "equally often, 1 if one is chosen for everything; some may never have been chosen. Don't use `metrics`.",
    answers=("my_perplexity",),
    stub=STUB,
    hints=(
        "What is the share of a code, and what is the entropy −Σ p log p where a share is 0?",
        "A code that was never chosen adds nothing, since p log p goes to 0 with p; in floats 0 · log 0 is NaN, so leave it out.",
        "Shares first, then only those above 0, then minus the sum of p log p, then exp.",
    ),
    solution=SOLUTION,
    why="As many codes, all equally frequent, would be as hard to guess: it says how many are in use in effect, where a bare count would "
    "let a code that was chosen once count in full.",
    right="Over a batch of few images it is lower than over a data set, and a mean over batches is no cure: add up the counts first.",
    observe=observe,
    ways=(BY_ENTR, WITH_EPSILON, IN_BITS),
    mistakes=(
        Mistake("0 log 0", wrong("return torch.exp(-(share * share.log()).sum())"),
                "Where a code was never chosen you get NaN: 0 · log 0. It should add nothing to the entropy."),
        Mistake("the entropy", wrong(USED, "return -(used * used.log()).sum()"),
                "That is the entropy, {found} nats. The perplexity is exp of it, and counts codes."),
        Mistake("the entropy, NaN", wrong("return -(share * share.log()).sum()"),
                "That is the entropy, {found} nats, and NaN where a code was never chosen. The perplexity is exp of it."),
        Mistake("bits, then exp", wrong(USED, "return torch.exp(-(used * used.log2()).sum())"),
                "An entropy in bits, and then e to that power: both must have the same base. Yours is {found}, more than there are codes."),
        Mistake("sign", wrong(USED, "return torch.exp((used * used.log()).sum())"),
                "It is {found}, below 1: one over the perplexity. The entropy is minus the sum."),
        Mistake("a mean", wrong(USED, "return torch.exp(-(used * used.log()).mean())"),
                "The mean over the codes in place of the sum: yours is hardly above 1 ({found}), whatever is chosen."),
        Mistake("a mean, the unused among them", wrong("return torch.special.entr(share).mean().exp()"),
                "The mean over the codes in place of the sum: yours is hardly above 1 ({found}), whatever is chosen."),
        Mistake("nats, then a power of 2", wrong("return 2 ** torch.special.entr(share).sum()"),
                "An entropy in nats, and then 2 to that power: both must have the same base. The natural logarithm goes with exp."),
        Mistake("over K for shares", wrong("share = counts / len(counts)", "return torch.special.entr(share).sum().exp()"),
                "You divide the counts by K. The shares are to add up to 1: what must they be divided by?"),
        Mistake("how many are chosen", wrong("return (counts > 0).sum()"),
                "That is how many codes were chosen at least once. A code that was chosen once counts in full there."),
        Mistake("unweighted", wrong(USED, "return torch.exp(-used.log().mean())"),
                "The logarithms are averaged over the codes; each must count by its share, −Σ p log p."),
        Mistake("log of K", wrong("return math.exp(math.log(len(counts)))"),
                "That is K, whatever is chosen: the counts have no say."),
        Mistake("squares", wrong("return 1 / share.square().sum()"),
                "1/Σp² is another measure of how many are in use (inverse Simpson). The perplexity takes the entropy, −Σ p log p."),
        Mistake("softmax", wrong("share = counts.float().softmax(0)", USED, "return torch.exp(-(used * used.log()).sum())"),
                "A softmax of the counts is not their share: it takes them for logits, and the largest gets nearly everything."),
        Mistake("counts for shares", wrong("used = counts[counts > 0]", "return torch.exp(-(used * used.log()).sum())"),
                "It is {found}: the counts don't add up to 1. Divide them by their sum first."),
        Mistake("over K", wrong(USED, "return torch.exp(-(used * used.log()).sum()) / len(counts)"),
                "{found} for {expected}: you divide by K. That is a share of the codebook, and the number of codes was asked."),
    ),
)  # fmt: skip
