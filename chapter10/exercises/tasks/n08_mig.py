"""Notebook 08: the mutual information gap from codes and factors, to ask whether β or the seed decides."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_information(a, b):  # two rows of whole numbers from 0 up, [N] each -> nats, a scalar
    return None


def my_gap(codes, factors):  # bin numbers [N, L], factors [N, F], whole numbers -> a scalar
    return None
'''

INFORMATION = '''
def my_information(a, b):
    joint = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.float64)
    joint.index_put_((a, b), torch.ones(len(a), dtype=torch.float64), accumulate=True)
    joint /= len(a)
    apart = joint.sum(1, keepdim=True) * joint.sum(0)
    there = joint > 0
    return (joint[there] * (joint[there] / apart[there]).log()).sum()
'''

GAP = '''
def my_gap(codes, factors):
    gaps = []
    for factor in factors.T:
        known = torch.stack([my_information(code, factor) for code in codes.T])
        first, second = known.topk(2).values
        gaps.append((first - second) / my_information(factor, factor))
    return torch.stack(gaps).mean()
'''

BY_ENTROPIES = '''
def entropy(*rows):
    _, counts = torch.unique(torch.stack(rows), dim=1, return_counts=True)
    return torch.special.entr(counts / counts.sum()).sum()


def my_information(a, b):
    return entropy(a) + entropy(b) - entropy(a, b)


def my_gap(codes, factors):
    table = torch.tensor([[my_information(z, v) / entropy(v) for z in codes.T] for v in factors.T])
    ordered, _ = table.sort(dim=1)
    return (ordered[:, -1] - ordered[:, -2]).mean().item()
'''

IN_PYTHON = '''
from collections import Counter


def my_information(a, b):
    a, b = a.tolist(), b.tolist()
    n, of_a, of_b = len(a), Counter(a), Counter(b)
    return sum(k / n * math.log(k * n / (of_a[i] * of_b[j])) for (i, j), k in Counter(zip(a, b)).items())


def my_gap(codes, factors):
    total = 0.0
    for f in range(factors.shape[1]):
        v = factors[:, f]
        known = sorted((my_information(codes[:, l], v) for l in range(codes.shape[1])), reverse=True)
        total += (known[0] - known[1]) / my_information(v, v)
    return total / factors.shape[1]
'''


def observe(look, source, my_information, my_gap):
    def whole(below, *size):
        return torch.randint(0, below, size, generator=source)

    b = whole(3, 90)
    a = torch.where(torch.rand(90, generator=source) < 0.7, b, whole(5, 90))
    a[a == 3] = 0  # a value that never occurs, and pairs that don't
    apart, other = torch.arange(4).repeat_interleave(3), torch.arange(3).repeat(4)
    nats = look.call(my_information, a, b)
    nats = look.tensor("the information of two rows of 90 numbers, in nats", nats, shape=(), atol=1e-5)
    look.fact("pairs that never occur add nothing, and no NaN", not nats.isnan())
    if nats.isnan():
        raise Enough  # what a gap makes of NaN says nothing
    backwards = look.call(my_information, b, a)  # here the second row has more values than the first
    look.tensor("the information of the two rows exchanged", backwards, shape=(), atol=1e-5)
    look.tensor("the information of a row with itself, its entropy", look.call(my_information, b, b), shape=(), atol=1e-5)
    independent = look.call(my_information, apart, other)
    look.tensor("the information of two independent rows", independent, shape=(), atol=1e-5)
    # Three factors of unequal entropy; four dimensions, of which one knows the first, two the second, none the third.
    factors = torch.stack([whole(2, 300), whole(6, 300).clamp(max=3), whole(5, 300).clamp(min=2) - 2], 1)

    def blurred(row, share, values):
        return torch.where(torch.rand(300, generator=source) < share, row, whole(values, 300))

    codes = [blurred(factors[:, 1], 0.85, 4), blurred(factors[:, 0], 0.8, 6), blurred(factors[:, 1], 0.6, 5), whole(4, 300)]
    gap = look.call(my_gap, torch.stack(codes, 1), factors)
    look.tensor("the gap of four dimensions for three factors", gap, shape=(), atol=1e-5)


def information(line: str) -> str:
    """Wrong in the first function, by another last line."""
    return INFORMATION.replace("return (joint[there] * (joint[there] / apart[there]).log()).sum()", f"return {line}") + GAP


def gap(each: str, last: str = "torch.stack(gaps).mean()") -> str:
    """Wrong in the second, by what is noted for a factor, and by how that is brought together."""
    lines = (
        "def my_gap(codes, factors):", "    gaps = []", "    for factor in factors.T:",
        "        known = torch.stack([my_information(code, factor) for code in codes.T])",
        "        order = known.sort(descending=True).values",
        f"        gaps.append({each})", f"    return {last}",
    )  # fmt: skip
    return INFORMATION + "\n\n" + "\n".join(lines) + "\n"


OF_ITSELF = "my_information(factor, factor)"
BY_DIMENSION = '''
def my_gap(codes, factors):
    gaps = []
    for code in codes.T:
        known = torch.stack([my_information(code, factor) / my_information(factor, factor) for factor in factors.T])
        first, second = known.topk(2).values
        gaps.append(first - second)
    return torch.stack(gaps).mean()
'''

TASK = Task(
    name="08-mig",
    title="is it β, or luck?",
    section="10.5.1",
    minutes=30,
    statement="Build the ruler of section 3, to measure models of your own with it. `my_information(a, b)`: the mutual information, in "
    "nats, of two rows of whole numbers, from how often each pair occurs. `my_gap(codes, factors)`: the gap, its mean over the "
    "factors, of codes that are already in bins. Don't use `metrics`. What to measure stands below the check.",
    answers=("my_information", "my_gap"),
    stub=STUB,
    hints=(
        "What is p(a, b) in a table of counts, what are p(a) and p(b), and what is I(v; v)?",
        "Σ p(a, b) log(p(a, b) / p(a)p(b)) over the pairs that occur; a pair that doesn't adds nothing. And I(v; v) is H(v).",
        "For each factor: what each dimension knows of it, the two largest of these, their difference over H(v). `topk(2)` finds them.",
    ),
    solution=INFORMATION + "\n" + GAP,
    why="A gap in nats would let a factor with many values speak louder: over its entropy, each factor's gap lies between 0 and 1.",
    right="Information, entropy and gap agree. Now ask the models.",
    observe=observe,
    ways=(BY_ENTROPIES, IN_PYTHON),
    mistakes=(
        Mistake("no gap yet", INFORMATION + "\n\ndef my_gap(codes, factors):\n    return None\n",
                "The information is right. Now the gap."),
        Mistake("bits", information("(joint[there] * (joint[there] / apart[there]).log2()).sum()"),
                "It came out {ratio:.2f} times too large: that is in bits. Nats were asked, by the natural logarithm."),
        Mistake("not divided by the parts", information("-(joint[there] * joint[there].log()).sum()"),
                "That is the entropy of the pairs, {found}, not what the rows know of each other: p(a)·p(b) is missing below the line."),
        Mistake("0 log 0", information("(joint * (joint / apart).log()).sum()"),
                "A pair that never occurs gives 0 · log 0, and that is NaN in floats. It should add nothing."),
        Mistake("what is left to know", information("(joint[there] * (joint.sum(1, keepdim=True).expand_as(joint)[there] "
                "/ joint[there]).log()).sum()"),
                "That is H(b | a), what is still unknown of the second row once the first is known. Asked is what has become known."),
        Mistake("sign", information("(joint[there] * (apart[there] / joint[there]).log()).sum()"),
                "The size is right, the sign is not: information is never below 0. p(a, b) is above the line."),
        Mistake("unweighted", information("(joint[there] / apart[there]).log().sum()"),
                "Each pair counts as often as it occurs: p(a, b) is missing before the logarithm."),
        Mistake("the parts' weight", information("(apart[there] * (joint[there] / apart[there]).log()).sum()"),
                "You weigh each pair by p(a)·p(b), as if the rows were independent. It counts as often as it occurs: by p(a, b)."),
        Mistake("counts for shares", information("(joint[there] * (joint[there] / apart[there]).log()).sum() * len(a)"),
                "It came out {ratio:.0f} times too large, as many times as there are numbers in a row: shares are wanted in place "
                "of counts."),
        Mistake("a mean over the table", information("(joint[there] * (joint[there] / apart[there]).log()).mean()"),
                "The mean over the pairs that occur: the terms have to be added up."),
        Mistake("not over the entropy", gap("order[0] - order[1]"),
                "The gaps are in nats: they are not divided by H(v). So a factor with many values speaks louder, and the best is not 1."),
        Mistake("over the logarithm of the values", gap("(order[0] - order[1]) / math.log(len(factor.unique()))"),
                "You divide by the logarithm of how many values the factor has. That is H(v) only where they are equally frequent."),
        Mistake("over the best", gap("(order[0] - order[1]) / order[0]"),
                "You divide by what the best dimension knows: then a code that knows next to nothing can have a gap near 1. "
                "Divide by what there is to know, H(v)."),
        Mistake("over all entropies", gap(f"[order[0] - order[1], {OF_ITSELF}]", "sum(g for g, _ in gaps) / sum(h for _, h in gaps)"),
                "The sum of the gaps over the sum of the entropies: so large factors count more. Each gap has its own H(v); then "
                "the mean."),
        Mistake("the best alone", gap(f"order[0] / {OF_ITSELF}"),
                "That is what the best dimension knows. The gap is the distance to the second: otherwise two that both know all "
                "get full marks."),
        Mistake("best and worst", gap(f"(order[0] - order[-1]) / {OF_ITSELF}"),
                "You take off what the worst dimension knows; asked is the second best."),
        Mistake("best and the others' mean", gap(f"(order[0] - order[1:].mean()) / {OF_ITSELF}"),
                "You take off the mean of all other dimensions; asked is the second best alone."),
        Mistake("sum over factors", gap(f"(order[0] - order[1]) / {OF_ITSELF}", "torch.stack(gaps).sum()"),
                "The gap came out {ratio:.0f} times too large: the sum over the factors in place of their mean."),
        Mistake("dimension by dimension", INFORMATION + BY_DIMENSION,
                "You ask of each dimension which two factors it knows best. It is the other way round: of each factor, which two "
                "dimensions know most about it."),
    ),
    points=4,
)  # fmt: skip
