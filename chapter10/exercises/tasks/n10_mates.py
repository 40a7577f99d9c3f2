"""Notebook 10: does a critic's score of an image depend on the others of its batch? bugs.md 26."""

from copy import deepcopy

import torch
from torch import nn

from chapter10.exercises.task import Mistake, Task
from chapter10.language import noted

STUB = '''
def depends(critic, x):
    """critic: [B, C, H, W] -> [B, 1], x [B, C, H, W] -> does the first score depend on the other images? True or False."""
    return None
'''

SOLUTION = '''
def depends(critic, x):
    x = x.clone().requires_grad_()
    first = deepcopy(critic)(x)[0].sum()
    (slope,) = torch.autograd.grad(first, x)
    return bool(slope[1:].any())
'''

OTHER_MATES = '''
def depends(critic, x):
    net = deepcopy(critic)
    others = torch.cat([x[:1], 2 * x[1:] + 1])
    with torch.no_grad():
        return not torch.allclose(net(x)[0], net(others)[0], rtol=1e-5, atol=1e-6)
'''

WITHOUT_A_COPY = '''
def depends(critic, x):
    kept = {name: value.clone() for name, value in critic.state_dict().items()}
    with torch.no_grad():
        scores = [critic(torch.cat([x[:1], torch.rand_like(x[1:])]))[0].item() for _ in range(5)]
    critic.load_state_dict(kept)
    return max(scores) - min(scores) > 1e-5 * max(abs(s) for s in scores)
'''

BY_THE_PACKAGE = '''
def depends(critic, x):
    mates = torch.randn(4, *x[1:].flatten(1).shape)
    rows = nn.Sequential(nn.Unflatten(1, x.shape[1:]), deepcopy(critic))
    return dcgan.change_by_mates(rows, x[:1].flatten(1), mates, train=critic.training).item() > 1e-6
'''


class Spread(nn.Module):
    """The batch's standard deviation as one more map, as in progressive GANs: no batch norm, and yet the images mix."""

    def forward(self, x):
        return torch.cat([x, x.std(0, unbiased=False).mean().expand(len(x), 1, *x.shape[2:])], 1)


class Beside(nn.Module):
    """Each image minus a tenth of another one: a score may depend on one other image alone."""

    def __init__(self, places: int):
        super().__init__()
        self.places = places

    def forward(self, x):
        return x - 0.1 * x.roll(self.places, 0)


def critics() -> dict[str, nn.Module]:
    """What the answer is tried on, by the words for it. All are in train mode where nothing else is said."""

    def critic(*between: nn.Module, after: nn.Module | None = None, width: int = 6) -> nn.Module:
        head = [nn.Linear(width * 9, 8), *([after] if after else []), nn.LeakyReLU(0.2), nn.Linear(8, 1)]
        return nn.Sequential(nn.Conv2d(2, 6, 4, 2, 1), *between, nn.LeakyReLU(0.2), nn.Flatten(), *head).train()

    return {
        noted("a critic without any norm"): critic(),
        noted("a critic with batch norm"): critic(nn.BatchNorm2d(6)),
        noted("the same critic in eval mode"): critic(nn.BatchNorm2d(6)).eval(),
        noted("a critic with batch norm after its linear layer"): critic(after=nn.BatchNorm1d(8)),
        noted("a critic with layer norm"): critic(nn.LayerNorm([6, 3, 3]), after=nn.LayerNorm(8)),
        noted("a critic with instance norm"): critic(nn.InstanceNorm2d(6)),
        noted("a critic that takes in the batch's deviation"): critic(Spread(), width=7),
        noted("a critic that compares each image with the next"): critic(Beside(-1)),
        noted("a critic that compares each image with the last but one"): critic(Beside(2)),
    }


DEPEND = ("with batch norm", "deviation", "compares")


def observe(look, source, depends):
    for words, critic in critics().items():
        state = torch.randint(2**31, (), generator=source).item()
        torch.manual_seed(state)
        x = torch.randn(6, 2, 6, 6, generator=source)
        critic(x)  # so that the running means are not those of a new network
        before, training = deepcopy(critic.state_dict()), critic.training
        said = look.call(depends, critic, x)
        if said is None:
            look.missing(f"your answer for {words}", "None")
        if isinstance(said, torch.Tensor) and said.numel() != 1:
            look.missing(f"your answer for {words}", f"a tensor of shape {list(said.shape)}; True or False is wanted")
        which = noted("depends on its batch") if any(word in words for word in DEPEND) else noted("does not depend on its batch")
        look.fact(f"{words}: it {which}", bool(said) == (which[:4] != "does"))
        kept = critic.state_dict()
        look.fact(f"{words} is left as it was, its running means too", all(torch.equal(kept[k], before[k]) for k in before))
        look.fact(f"{words} is left in its mode", all(m.training == training for m in critic.modules()))


def compared(other: str, net: str = "deepcopy(critic)", scores: str = "net(x)[0], net(other)[0]") -> str:
    return f'''
def depends(critic, x):
    net = {net}
    other = {other}
    with torch.no_grad():
        one, two = {scores}
    return not torch.allclose(one, two, rtol=1e-5, atol=1e-6)
'''


MATES = "torch.cat([x[:1], torch.randn_like(x[1:])])"

TASK = Task(
    name="10-mates",
    title="does D(x₁) depend on x₂?",
    section="10.5.2",
    minutes=10,
    statement="A gradient penalty asks for the slope at *one* image. Write a function that tells whether a critic has one: whether "
    "its score of the first image depends on any other in the batch. Judge the critic in the mode in which you find it, by what it "
    "does, not by the names of its layers; and leave it as it was, its running means too.",
    answers=("depends",),
    stub=STUB,
    hints=(
        "What could you change about the batch, without touching the first image, and what would you compare?",
        "Either other images beside the same first one; or the gradient of the first score in the whole batch. A look in train mode "
        "moves running means: how do you keep the critic from noticing?",
        "On a `deepcopy` of the critic: the gradient of score number 0 in x is [B, C, H, W]. Is any of it beyond its first row not 0?",
    ),
    solution=SOLUTION,
    why="If the first score depends on the first image alone, its gradient in all others is exactly 0. Batch norm in train mode fails "
    "that, and so does anything else that looks across the batch.",
    right="Batch norm in train mode, a deviation over the batch and a look at one other image are found; eval mode, layer norm and "
    "instance norm are let through; and no critic was changed.",
    observe=observe,
    setting="from copy import deepcopy\nfrom chapter10 import dcgan, wgan\n",
    ways=(OTHER_MATES, WITHOUT_A_COPY, BY_THE_PACKAGE),
    mistakes=(
        # bugs.md 26
        Mistake("by name", "def depends(critic, x):\n    return any(isinstance(m, nn.BatchNorm2d) for m in critic.modules())\n",
                "You look for batch norm by its name. In eval mode it does no harm, it has more names than one, and it is not the "
                "only layer that looks across a batch: judge by what the scores do."),
        Mistake("by all names", "def depends(critic, x):\n    return any('BatchNorm' in type(m).__name__ for m in critic.modules())\n",
                "You look for batch norm by its name. In eval mode it does no harm, and it is not the only layer that looks across a "
                "batch: judge by what the scores do."),
        Mistake("by name and mode",
                "def depends(critic, x):\n    return any('BatchNorm' in type(m).__name__ and m.training for m in critic.modules())\n",
                "Batch norm is found, in train mode alone, as it should be. But a layer of any other name may look across the batch "
                "too: judge by what the scores do."),
        Mistake("in eval mode", compared(MATES, "deepcopy(critic).eval()"),
                "You put the critic into eval mode, where batch norm uses its running means: you ask another critic than the one that "
                "trains."),
        Mistake("in train mode", compared(MATES, "deepcopy(critic).train()"),
                "You put the critic into train mode first. One in eval mode does not depend on its batch, and you say that it does."),
        Mistake("the critic itself", compared(MATES, "critic"),
                "The answers are right, but your look in train mode has moved the critic's running means: look at a copy."),
        Mistake("shuffled", compared("torch.cat([x[:1], x[1:].flip(0)])"),
                "You put the same mates into another order: the batch's mean and deviation don't notice."),
        Mistake("alone", compared("x[:1]"),
                "An image by itself is no batch: batch norm after a linear layer stops there, in train mode. Keep the size of the "
                "batch, and change who is in it."),
        Mistake("the second only", compared("torch.cat([x[:1], x[1:2] + 1, x[2:]])"),
                "You change the second image only. A score may depend on any other image of the batch: change them all."),
        Mistake("always True", compared(MATES, scores="net(x), net(other)"),
                "You say True of every critic, even of one without any norm. Look at the first score alone, and at what the *other* "
                "images do to it: other images get other scores from any critic, and the first image moves the first score in any."),
        Mistake("turned round", SOLUTION.replace("return bool(slope[1:].any())", "return not bool(slope[1:].any())"),
                "Each answer is turned round: True is to mean that the score depends on the others."),
    ),
)  # fmt: skip
