"""Notebook 10: a critic that measures the Wasserstein distance, neither overdrawn nor caught."""

import torch
from torch import nn

from chapter10 import exact
from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task
from chapter10.language import noted

STUB = '''
def train_critic(real, fake):
    """Real and generated numbers, [N, 1] each -> a trained critic, a network [N, 1] -> [N, 1]."""
    return None
'''


NET = "nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))"


def code(cost: str = "", after: str = "", net: str = NET) -> str:
    return f'''
def train_critic(real, fake, steps=200, lr=1e-2):
    critic = {net}
    optimizer = torch.optim.Adam(critic.parameters(), lr, (0.5, 0.9))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        loss = critic(fake).mean() - critic(real).mean()
{cost}        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
{after}    return critic
'''


def penalised(weight: int, excess: str) -> str:
    return f'''        epsilon = torch.rand(len(real), 1)
        between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        loss = loss + {weight} * {excess}.square().mean()
'''


ONE_SIDED = code(penalised(100, "(slope.norm(dim=1) - 1).clamp(min=0)"))

# Spectral normalisation, with units that sort: their slope is 1 on either side, and so nothing is lost (Anil et al. 2019).
SORTED = '''
class Sort(nn.Module):
    def forward(self, x):
        return x.view(len(x), -1, 2).sort(2).values.flatten(1)


def train_critic(real, fake):
    net = nn.Sequential(nn.Linear(1, 32), Sort(), nn.Linear(32, 32), Sort(), nn.Linear(32, 1))
    critic, lr = wgan.spectral(net), 1e-2
    optimizer = torch.optim.Adam(critic.parameters(), lr, (0.5, 0.9))
    for step in range(200):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / 200)
        loss = wgan.critic_loss(critic(real), critic(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic.eval()
'''

SHIFT, WIDE = noted("with the fakes to one side"), noted("with the data on both sides of the fakes")


def observe(look, source, train_critic):
    one, two, three = (torch.randn(300, 1, generator=source) for _ in range(3))
    for words, real, fake in ((SHIFT, one, two + 4), (WIDE, 2 * three, two)):
        critic = look.call(train_critic, real, fake)
        asked = f"what you give is a network with weights, {words}"
        if critic is None:
            look.missing(asked, "None")
        is_one = isinstance(critic, nn.Module) and any(True for _ in critic.parameters())
        look.fact(asked, is_one)
        if not is_one:
            raise Enough
        distance = exact.wasserstein_1d(real.flatten(), fake.flatten()).item()
        critic.eval()
        with torch.no_grad():
            scores = critic(real)
            look.tensor(f"the critic's scores of the real data, {words}", torch.zeros_like(scores), shape=(300, 1))
            found = scores.mean() - critic(fake).mean()
            line = torch.linspace(torch.cat([real, fake]).min().item(), torch.cat([real, fake]).max().item(), 200).view(-1, 1)
            slope = (critic(line).flatten().diff() / line.flatten().diff()).abs().max().item()
        look.at_least(f"the estimate, {words}, is above 0 (in units of W)", found.item() / distance, 0)
        look.at_least(f"the estimate in units of W, {words}", found.item() / distance, 0.9)
        look.at_most(f"the estimate in units of W, {words}, from above", found.item() / distance, 1.1)
        look.at_most(f"the critic's largest slope, {words}", slope, 1.5)


TASK = Task(
    name="10-measure",
    title="a critic that measures",
    section="10.5.2",
    minutes=30,
    statement="Part 5 found two troubles with the penalty: its critic finds *more* than W, and where the data surround the fakes it "
    "is often caught and finds far less. Build a critic that has neither. `train_critic` gets 300 real and 300 generated numbers and "
    "gives a trained network. It is tried on two pairs: fakes 4 to one side of the data, and data twice as wide as the fakes, on both "
    "sides of them. Its estimate, mean score of the data minus mean score of the fakes, is to lie within 10 % of W, both times, and "
    "nowhere between the smallest and the largest number may it be steeper than 1.5. Two hundred steps of Adam are enough.",
    answers=("train_critic",),
    stub=STUB,
    hints=(
        "Which of part 5's ways comes how far on each of the two pairs? What does the penalty cost where the slope is 0, on the way "
        "from rising to falling?",
        "By how much it is overdrawn depends on λ: s = 1 + d/(2λ). And what catches it is that a slope *below* 1 costs as well: does "
        "W ask for that?",
        "Ask only that no slope be above 1: clamp what exceeds it at 0 from below, before the square; then λ may be 100. Let the rate "
        "fall to 0.",
    ),
    solution=ONE_SIDED,
    why="W allows any slope up to 1. Punished only above 1, a critic can turn from rising to falling at no cost, and a λ of 100 keeps "
    "it from being overdrawn by more than a few per cent.",
    right="Both estimates lie within 10 % of W, and the critic is nowhere too steep.",
    observe=observe,
    setting="from copy import deepcopy\nfrom chapter10 import exact, wgan\nfrom chapter10.wgan import critic_loss, gradient_penalty\n",
    seconds=30.0,
    situations=1,
    points=4,
    ways=(SORTED,),
    mistakes=(
        Mistake("unbounded", code(),
                "Nothing bounds the slope, or hardly: the estimate is {found} times W, and a steeper critic finds ever more."),
        Mistake("two-sided, λ = 10", code(penalised(10, "(slope.norm(dim=1) - 1)")),
                "It has both of part 5's troubles: with the fakes to one side the estimate is {found} times W, and with the data on "
                "both sides it finds too little. Does a slope below 1 cost anything? And how much does one above 1?"),
        Mistake("one-sided, λ = 15", code(penalised(15, "(slope.norm(dim=1) - 1).clamp(min=0)")),
                "It is not caught. With the fakes to one side the estimate is {found} times W, overdrawn: what does λ do to that?"),
        Mistake("spectral normalisation", code(net="wgan.spectral(nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1)))"),
                "With the fakes to one side it is right. With the data on both sides it finds {found} times W: either it can't fall "
                "on one side and rise on the other at full slope, as a ReLU network with spectral normalisation, or it was caught on "
                "the way."),
        Mistake("the sign turned",
                ONE_SIDED.replace("critic(fake).mean() - critic(real).mean()", "critic(real).mean() - critic(fake).mean()"),
                "Your critic scores the fakes higher than the data: the estimate is {found} times W. Which of the two does it raise?"),
        Mistake("clipped at 0.01", code(after="        wgan.clip_weights(critic, 0.01)\n"),
                "The critic finds {found} times W, too little on both pairs: it may not be as steep as 1 (with clipping, see exercise "
                "6), or it has not learnt it yet."),
    ),
)  # fmt: skip
