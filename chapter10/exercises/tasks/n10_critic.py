"""Notebook 10: the two losses of a WGAN and the clip, in the right order. bugs.md 22 and 23."""

import torch
from torch import nn

from chapter10.exercises.task import Mistake, Task

STUB = '''
def critic_step(critic, optimizer, real, fake, c):
    """One step of the critic on data [B, D], its weights clipped to [-c, c] -> the estimate of W before the step."""
    return None


def generator_loss(critic, fake):
    """What the generator descends, for its own samples [B, D]: a scalar."""
    return None
'''


def code(
    fake: str = "fake.detach()",
    scores: str = "critic({})",
    loss: str = "scores_fake.mean() - scores_real.mean()",
    zero: str = "    optimizer.zero_grad()\n",
    before: str = "",
    after: str = "    with torch.no_grad():\n        for weight in critic.parameters():\n            weight.clamp_(-c, c)\n",
    gives: str = "-loss.detach()",
    generator: str = "-critic(fake).mean()",
) -> str:
    return f'''
def critic_step(critic, optimizer, real, fake, c):
    scores_real, scores_fake = {scores.format("real")}, {scores.format(fake)}
    loss = {loss}
{before}{zero}    loss.backward()
    optimizer.step()
{after}    return {gives}


def generator_loss(critic, fake):
    return {generator}
'''


CLIP = code.__defaults__[5]

BY_THE_PACKAGE = '''
def critic_step(critic, optimizer, real, fake, c):
    with torch.no_grad():
        fake = fake.clone()
    loss = wgan.critic_loss(critic(real), critic(fake))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    wgan.clip_weights(critic, c)
    return -loss.item()


def generator_loss(critic, fake):
    return wgan.critic_generator_loss(critic(fake))
'''

IN_ONE_PASS = '''
def critic_step(critic, optimizer, real, fake, c):
    weights = list(critic.parameters())
    scores = critic(torch.cat([real, fake.data]))
    better = scores[: len(real)].sum() / len(real) - scores[len(real) :].sum() / len(fake)
    for weight, slope in zip(weights, torch.autograd.grad(better, weights)):
        weight.grad = -slope
    optimizer.step()
    for weight in weights:
        weight.data = weight.data.clip(-c, c)
    return better.detach().numpy()


def generator_loss(critic, fake):
    return (0 - critic(fake)).mean()
'''


def observe(look, source, critic_step, generator_loss):
    critic = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1))
    with torch.no_grad():
        for weight in critic.parameters():
            weight.copy_(0.8 * torch.rand(weight.shape, generator=source) - 0.3)
            weight.grad = torch.ones_like(weight)  # as the generator's step leaves them
    optimizer = torch.optim.SGD(critic.parameters(), 0.01)
    maker = torch.randn(2, 3, generator=source).requires_grad_()

    def fakes(count):
        return torch.randn(count, 2, generator=source) @ maker + 20

    def weights():
        return torch.cat([weight.detach().flatten() for weight in critic.parameters()])

    def one(value):
        return value.reshape(()) if isinstance(value, torch.Tensor) and value.numel() == 1 else value

    for step in ("first", "second"):
        real, fake = torch.randn(7, 3, generator=source) - 9, fakes(5)
        found = look.call(critic_step, critic, optimizer, real, fake, 0.3)
        look.tensor(f"the estimate before the critic's {step} step", one(found), shape=())
        look.tensor(f"the critic's weights after its {step} step", weights())
    look.fact("the critic's steps leave no gradient in the generator", maker.grad is None)
    before, fake = weights(), fakes(6)
    loss = look.tensor("the generator's loss", one(look.call(generator_loss, critic, fake)), shape=())
    look.gradient("its gradient in the samples", loss, fake)
    look.gradient("its gradient in the generator's weights", loss, maker)
    look.fact("the generator's loss leaves the critic's weights as they are", torch.equal(before, weights()))


TASK = Task(
    name="10-critic",
    title="the two steps of a WGAN",
    section="10.5.2",
    minutes=10,
    statement="Write the critic's step with clipping, and the generator's loss, without the package's. `fake` comes out of the "
    "generator with its graph: the critic's step must not reach back into it. `critic_step` gives the estimate of W that the critic "
    "had *before* it moved; afterwards all of its weights and biases lie in [−c, c].",
    answers=("critic_step", "generator_loss"),
    stub=STUB,
    hints=(
        "Which of the two wants f of real data minus f of generated data to grow? An optimiser descends: what sign does that ask for?",
        "Old gradients to zero, backward, step; then the bound. The generator never sees the real data: its loss has one term.",
        "Zero the optimiser's gradients, `loss.backward()`, `optimizer.step()`, and then, without a graph, `clamp_` each parameter; "
        "the generator wants its own scores to rise.",
    ),
    solution=code(),
    why="The critic ascends the difference of two means, the generator ascends the mean score of what it makes. Clipped after the "
    "step, for what the generator meets next must be bounded.",
    right="Estimate, weights after two steps, and the generator's gradient agree, and the weights stay within the bound.",
    observe=observe,
    setting="from copy import deepcopy\nfrom chapter10 import exact, wgan\nfrom chapter10.wgan import critic_loss, gradient_penalty\n",
    ways=(BY_THE_PACKAGE, IN_ONE_PASS),
    mistakes=(
        # bugs.md 22
        Mistake("the generator's sign", code(generator="critic(fake).mean()"),
                "The critic's step is right. Who descends your generator's loss makes samples that the critic scores lower: the sign "
                "is turned."),
        Mistake("the critic's sign", code(loss="scores_real.mean() - scores_fake.mean()", gives="loss.detach()"),
                "The estimate is right, and the step goes the wrong way: it descends the estimate, which the critic is to raise."),
        Mistake("the loss for the estimate", code(gives="loss.detach()"),
                "The size of what you give is right, the sign is not: that is what the critic descends. W is a distance, and its "
                "estimate is minus the loss."),
        # bugs.md 23
        Mistake("clipped before the step", code(before=CLIP, after=""),
                "The estimate is right, but after the step weights lie outside [−c, c]: you clip before the step, and the generator "
                "meets a critic without the bound."),
        Mistake("clipped before the scores", code(before="", after="").replace("    scores_real", CLIP + "    scores_real"),
                "You clip first and step then: the estimate is that of other weights, and after the step the bound doesn't hold."),
        Mistake("a sigmoid on the critic", code(scores="critic({}).sigmoid()"),
                "The estimate is {found}, and {expected} is expected: you put a sigmoid on the scores, which keeps any estimate "
                "within ±1, however far the samples are."),
        Mistake("not clipped", code(after=""),
                "After the step weights lie outside [−c, c]: nothing clips them, or what is clipped is a copy of theirs."),
        Mistake("biases not clipped", code(after=CLIP.replace("weight.clamp_(-c, c)", "weight.clamp_(-c, c) if weight.ndim > 1 else None")),
                "The matrices are within the bound, the biases are not: clip all of the critic's parameters."),
        Mistake("clipped above only", code(after=CLIP.replace("clamp_(-c, c)", "clamp_(max=c)")),
                "Above, the weights end at c; below, they pass −c."),
        # bugs.md 16
        Mistake("old gradients", code(zero=""),
                "The first estimate is right, the step is not: the gradients that the generator's step left in the critic are still "
                "in it when you call backward."),
        Mistake("zeroed afterwards", code(zero="").replace("optimizer.step()", "optimizer.step()\n    optimizer.zero_grad()"),
                "Your steps leave no gradients behind, but the first one starts with those that the generator's step left in the "
                "critic: zero them before you call backward."),
        Mistake("gradients clipped",
                code(after="").replace("    optimizer.step", "    nn.utils.clip_grad_value_(critic.parameters(), c)\n    optimizer.step"),
                "You clip the gradients. It is the weights that are to lie in [−c, c]: the bound is on the slope of f, not on the step."),
        # bugs.md 15
        Mistake("the generator's graph", code(fake="fake"),
                "All numbers are right, but the critic's step has left gradients in the generator: cut the graph of the samples first."),
        Mistake("the generator cut off", code(generator="-critic(fake.detach()).mean()"),
                "The generator's loss has the right number and no gradient: here the graph of the samples is what it learns by."),
        Mistake("logarithms for the generator", code(generator="-F.logsigmoid(critic(fake)).mean()"),
                "That is the GAN's loss for the generator: a critic's score goes in as it is, without sigmoid and logarithm."),
        Mistake("logarithms for the critic", code(loss="F.softplus(-scores_real).mean() + F.softplus(scores_fake).mean()"),
                "That is a discriminator's loss, the cross-entropy. A critic descends a difference of two means, without a logarithm."),
        Mistake("the estimate afterwards", code(gives="(critic(real).mean() - critic(fake).mean()).detach()"),
                "The step is right. The estimate that you give is the one after it: it belongs to other weights than the gradient."),
        Mistake("no step", code(after="").replace("    optimizer.step()\n", ""),
                "The first estimate is right, but the critic has not moved: where is the optimiser's step?"),
        Mistake("logarithms, and their loss for the estimate",
                code(loss="F.softplus(-scores_real).mean() + F.softplus(scores_fake).mean()", gives="loss.detach()"),
                "That is a discriminator's loss, the cross-entropy. A critic descends a difference of two means, without a logarithm."),
        Mistake("the generator's sum", code(generator="-critic(fake).sum()"),
                "The critic's step is right. The generator's loss is the sum over its samples; the mean is meant, as in the estimate."),
        Mistake("sums", code(loss="scores_fake.sum() - scores_real.sum()"),
                "You take sums over the batch: with unequal numbers of real and generated data that is no difference of means."),
    ),
)  # fmt: skip
