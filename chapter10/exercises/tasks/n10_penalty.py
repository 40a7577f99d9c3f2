"""Notebook 10: a gradient penalty with its two usual faults, and what else goes wrong with it. bugs.md 24 and 25."""

import torch
from torch import nn

from chapter10.exercises.task import Mistake, Task


def penalty(
    epsilon: str = "uniform((len(real), 1, 1, 1))",
    places: str = "(epsilon * real + (1 - epsilon) * fake).requires_grad_()",
    norm: str = "slope.flatten(1).norm(dim=1)",
    value: str = "(norm - 1).square().mean()",
    graph: str = ", create_graph=True",
    scores: str = "critic(between).sum()",
) -> str:
    return f'''
def my_penalty(critic, real, fake, uniform):
    epsilon = {epsilon}
    between = {places}
    (slope,) = torch.autograd.grad({scores}, between{graph})
    norm = {norm}
    return {value}
'''


STUB = '''
def my_penalty(critic, real, fake, uniform):
    epsilon = uniform(real.shape)  # random numbers from 0 to 1, of the shape that you ask for
    between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()
'''

ONE_BY_ONE = '''
def my_penalty(critic, real, fake, uniform):
    share, total = uniform(len(real)), 0.0
    for x, y, e in zip(real, fake, share):
        place = torch.lerp(x, y, e).unsqueeze(0).requires_grad_()
        slope = torch.autograd.grad(critic(place), place, torch.ones(1, 1), create_graph=True)[0]
        total = total + (torch.linalg.vector_norm(slope) - 1) ** 2 / len(real)
    return total
'''

BY_THE_PACKAGE = '''
def my_penalty(critic, real, fake, uniform):
    return wgan.gradient_penalty(critic, real, fake, uniform(len(real)))
'''

ROOT_WITH_CARE = penalty(
    "uniform([len(real)]).view(-1, 1, 1, 1)",
    norm="slope.square().sum((1, 2, 3)).add(1e-12).sqrt()",
    value="(1 - norm).pow(2).sum() / len(real)",
)


def observe(look, source, my_penalty):
    half = 5 + int(torch.randint(3, (), generator=source))
    # Each pair of images stands twice, and the second gets 1 − ε of the first: so ε may weigh either end of the line.
    real, fake = (torch.randn(half, 2, 3, 3, generator=source).repeat(2, 1, 1, 1) for _ in range(2))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(18, 8), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        for weight in critic.parameters():
            weight.copy_(torch.randn(weight.shape, generator=source))
    asked, seen = [], []

    def uniform(*shape):
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        asked.append(shape)
        if not shape or shape[0] != len(real):
            return torch.rand(shape, generator=source)
        first = torch.rand((half, *shape[1:]), generator=source)
        return torch.cat([first, 1 - first])

    def watched(x):
        seen.append(x.detach().clone())
        return critic(x)

    found = look.call(my_penalty, watched, real, fake, uniform)
    if found is None:
        look.missing("the penalty of a batch of colour images", "None")
    look.fact("ε is drawn with `uniform`", bool(asked))
    on_a_line, pairs_met, shares = lines(torch.cat(seen) if seen else real[:0], real[:half], fake[:half])
    look.fact("each place lies on the straight line between two images", on_a_line)
    look.fact("there is a place between the two images of each pair", pairs_met == half)
    look.fact("each pair has an ε of its own", shares > half)
    found = found.reshape(()) if isinstance(found, torch.Tensor) and found.numel() == 1 else found
    value = look.tensor("the penalty of a batch of colour images", found, shape=())
    look.gradient("its gradient in the critic's first weights", value, critic[1].weight)
    look.gradient("its gradient in the critic's last weights", value, critic[3].weight)
    with torch.no_grad():
        critic[3].weight.zero_()  # a slope of exactly 0 everywhere
    flat = my_penalty(watched, real, fake, uniform)
    flat = flat.reshape(()) if isinstance(flat, torch.Tensor) and flat.numel() == 1 else flat
    flat = look.tensor("the penalty of a critic that is flat", flat, shape=(), atol=1e-4)
    slopes = torch.autograd.grad(flat, list(critic.parameters()), allow_unused=True) if flat.requires_grad else ()
    look.fact("where the critic is flat, its gradient holds no NaN", all(g is None or g.isfinite().all() for g in slopes))


def lines(places, real, fake):
    """Whether all places lie on lines fake + t·(real − fake); how many lines have one within; how many different t there are."""
    way = (real - fake).flatten(1)
    offset = places.reshape(-1, 1, way.shape[1]) - fake.flatten(1)  # [P, pairs, D]
    share = (offset * way).sum(2) / way.square().sum(1)
    missed = (offset - share.unsqueeze(2) * way).norm(dim=2)
    inside = (missed < 1e-3) & (share > 1e-4) & (share < 1 - 1e-4)
    return bool((missed.amin(1) < 1e-3).all()), int(inside.any(0).sum()), len(share[inside].round(decimals=4).unique())


PER_PIXEL, CHANNELS = "uniform(real.shape)", "slope.norm(dim=1)"

TASK = Task(
    name="10-penalty",
    title="a friend's penalty",
    section="10.5.2",
    minutes=15,
    statement="A friend's critic trains on colour images [B, C, H, W]. Its penalty does not hold it: the critic's scores run to the "
    "hundreds. Two lines are wrong. Mend the function. It is to give E(‖∇f‖ − 1)² before its weight λ, one number, whose gradient "
    "holds no NaN even where the critic is flat; and to draw ε with `uniform(shape)`, so that the check knows what was drawn.",
    answers=("my_penalty",),
    stub=STUB,
    unanswered="Both faults are still in it.",
    hints=(
        "The places must lie on the straight line between one real and one generated image. How many numbers does it take to name a "
        "place on a line?",
        "`slope` is [B, C, H, W]. How long is an example's gradient, all of it? One number for each example.",
        "Ask `uniform` for a shape that meets an image's first axis, with 1 for the others; and flatten all but the first axis of "
        "`slope` before its norm.",
    ),
    solution=penalty(),
    why="One ε for each example keeps the place on its line. An example's gradient has all of its pixels in it. And `norm` passes no "
    "gradient on at 0, where a root written out passes NaN: `torch.where` can keep it out.",
    right="One place on each line, the norm over all of an example, a gradient for the weights, and no NaN where the critic is flat.",
    observe=observe,
    setting="from copy import deepcopy\nfrom chapter10 import exact, wgan\nfrom chapter10.wgan import critic_loss, gradient_penalty\n",
    ways=(ONE_BY_ONE, BY_THE_PACKAGE, ROOT_WITH_CARE),
    mistakes=(
        # bugs.md 24
        Mistake("ε per pixel", penalty(PER_PIXEL),
                "The norm is right. But there is one ε for each pixel, and the places leave the line."),
        Mistake("norm over the channels", penalty(norm=CHANNELS),
                "The places are right. But the norm is over the channels only: each pixel by itself is asked for a slope of 1."),
        Mistake("ε per channel", penalty("uniform((*real.shape[:2], 1, 1))"),
                "One ε for each channel: a place on a line takes one number."),
        Mistake("one ε for all", penalty("uniform((1, 1, 1, 1))"),
                "All examples get the same ε: draw one for each."),
        Mistake("ε of shape [B]", penalty("uniform(len(real))"),
                "ε has the shape [B], and PyTorch lays it along an image's last axis: give it three more axes of 1."),
        Mistake("at real images only", penalty(places="(real + 0 * epsilon).requires_grad_()"),
                "The critic is asked at the real images only. Between real and generated data, where the generator is going, it may "
                "be as steep as it likes."),
        Mistake("norm of each channel", penalty(norm="slope.norm(dim=(2, 3))"),
                "The norm is over the pixels of each channel by itself: an example's gradient has all channels in it."),
        Mistake("one norm for the batch", penalty(norm="slope.norm()"),
                "That is one norm for the whole batch: each example has a gradient of its own."),
        Mistake("mean of the scores", penalty(scores="critic(between).mean()"),
                "You take the gradient of the *mean* score: every example's slope comes out as many times too small as there are "
                "examples."),
        # bugs.md 25
        Mistake("no graph", penalty(graph=""),
                "The penalty is right, and nothing can be learned from it: its gradient in the weights is missing, since the slope "
                "has been worked out without a graph of its own."),
        Mistake("NaN at 0", penalty(norm="slope.flatten(1).square().sum(1).sqrt()"),
                "Right where the critic is steep. Where its slope is exactly 0, the root has an infinite derivative, and the gradient "
                "is NaN."),
        Mistake("no root", penalty(value="(norm.square() - 1).square().mean()"),
                "The root is missing: ‖∇f‖ is to be 1, and yours is ‖∇f‖²."),
        Mistake("mean inside", penalty(value="(norm.mean() - 1).square()"),
                "The mean is inside, (mean of the norms − 1)²: each example is to have a slope of 1, not the batch on average."),
        Mistake("absolute values", penalty(value="(norm - 1).abs().mean()"),
                "How far the slopes are from 1, without the square: asked is E(‖∇f‖ − 1)²."),
        Mistake("a root around it", penalty(value="(norm - 1).square().mean().sqrt()"),
                "A root too much: the mean of the squares is wanted as it is."),
        Mistake("not averaged", penalty(value="(norm - 1).square()"),
                "The penalty of each example is right. One number is wanted: their mean."),
        Mistake("with λ", penalty(value="10 * (norm - 1).square().mean()"),
                "The penalty comes out {ratio:.0f} times too large: λ is put on it outside."),
        Mistake("target 0", penalty(value="norm.square().mean()"),
                "That pulls the slope to 0, as R1 does. Here it is to be 1."),
        Mistake("no square", penalty(value="(norm - 1).mean()"),
                "The square is missing: slopes below 1 are rewarded, and the flatter the better."),
        Mistake("sum", penalty(value="(norm - 1).square().sum()"),
                "You took the sum over the batch: {ratio:.0f} examples, and {ratio:.0f} times the mean."),
        Mistake("one-sided", penalty(value="(norm - 1).clamp(min=0).square().mean()"),
                "A known variant, which punishes only slopes above 1; exercise 7 may want it. Here a slope below 1 costs as well."),
    ),
)  # fmt: skip
