"""Notebook 06: find the fault in one round of the game."""

import torch
from torch import nn

from chapter10.exercises.task import Mistake, Task

HEAD = "def my_repaired(generator, discriminator, g_optimizer, d_optimizer, x):\n"


def steps(
    d: str = "gan.discriminator_loss(discriminator(x), discriminator(fake))",
    g: str = "gan.non_saturating_generator_loss(discriminator(fake))",
    detach: str = ".detach()",
    first: str = "",
    before_d: str = "d_optimizer.zero_grad()",
    before_g: str = "g_optimizer.zero_grad()",
    g_fake: str = "generator(torch.randn(len(x), generator.latent_dim))",
) -> str:
    lines = [
        first,
        f"fake = generator(torch.randn(len(x), generator.latent_dim)){detach}",
        before_d,
        f"({d}).backward()",
        "d_optimizer.step()",
        "",
        f"fake = {g_fake}",
        before_g,
        f"({g}).backward()",
        "g_optimizer.step()",
    ]
    return HEAD + "".join(f"    {line}\n" if line else "" for line in lines)


STUB = HEAD + """\
    g_optimizer.zero_grad()
    d_optimizer.zero_grad()
    fake = generator(torch.randn(len(x), generator.latent_dim))
    gan.discriminator_loss(discriminator(x), discriminator(fake)).backward()
    d_optimizer.step()

    fake = generator(torch.randn(len(x), generator.latent_dim))
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    g_optimizer.step()
"""

SOLUTION = HEAD + """\
    fake = generator(torch.randn(len(x), generator.latent_dim)).detach()  # D's step must not reach G
    d_optimizer.zero_grad()  # in each round: G's backward() has left a gradient in D
    gan.discriminator_loss(discriminator(x), discriminator(fake)).backward()
    d_optimizer.step()

    fake = generator(torch.randn(len(x), generator.latent_dim))
    g_optimizer.zero_grad()
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    g_optimizer.step()
"""

ZEROED_BETWEEN = STUB.replace("\n\n", "\n    g_optimizer.zero_grad()  # what D's loss sent into G is thrown away\n\n", 1)

WITHOUT_GRAPH = HEAD + """\
    def noise():
        return torch.randn(len(x), generator.latent_dim)

    with torch.no_grad():
        fake = generator(noise())
    d_optimizer.zero_grad(set_to_none=False)
    (-F.logsigmoid(discriminator(x)).mean() - F.logsigmoid(-discriminator(fake)).mean()).backward()
    d_optimizer.step()
    weights = list(generator.parameters())
    loss = -F.logsigmoid(discriminator(generator(noise()))).mean()
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights)):
        weight.grad = gradient
    g_optimizer.step()
"""

AT_ONCE = HEAD + """\
    fake = generator(torch.randn(len(x), generator.latent_dim))
    g_optimizer.zero_grad()
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    d_optimizer.zero_grad()
    gan.discriminator_loss(discriminator(x), discriminator(fake.detach())).backward()
    d_optimizer.step()
    g_optimizer.step()
"""

BOTH_BACKWARD = HEAD + """\
    g_optimizer.zero_grad()
    d_optimizer.zero_grad()
    fake = generator(torch.randn(len(x), generator.latent_dim))
    gan.discriminator_loss(discriminator(x), discriminator(fake.detach())).backward()
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    d_optimizer.step()
    g_optimizer.step()
"""

SAME_FAKES = HEAD + """\
    g_optimizer.zero_grad()
    d_optimizer.zero_grad()
    fake = generator(torch.randn(len(x), generator.latent_dim))
    gan.discriminator_loss(discriminator(x), discriminator(fake)).backward()
    d_optimizer.step()
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    g_optimizer.step()
"""


class Watched(torch.optim.SGD):
    """Plain descent that notes the gradients it is given at each step."""

    def __init__(self, module: nn.Module, lr: float) -> None:
        super().__init__(module.parameters(), lr=lr)
        self.module, self.given = module, []

    def step(self, closure=None):
        # A gradient that isn't there counts as 0: it moves nothing.
        self.given.append([torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in self.module.parameters()])
        return super().step(closure)


def observe(look, source, my_repaired):
    torch.manual_seed(int(torch.randint(1000, (), generator=source)))
    generator = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    nn.init.zeros_(generator[0].weight)  # whatever z is, the fakes are the same: only the order of the steps counts
    generator.latent_dim = 3
    discriminator = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
    g_optimizer, d_optimizer = Watched(generator, 0.0), Watched(discriminator, 0.3)
    x = 2 * torch.rand(4, 6, generator=source) - 1
    for turn, name in enumerate(("first", "second"), 1):  # the second shows what the first has left behind
        look.call(my_repaired, generator, discriminator, g_optimizer, d_optimizer, x)
        look.number(f"the number of D's steps after the {name} round", len(d_optimizer.given), within=0.1)
        look.number(f"the number of G's steps after the {name} round", len(g_optimizer.given), within=0.1)
        if len(d_optimizer.given) == len(g_optimizer.given) == turn:
            given = torch.cat([gradient.flatten() for gradient in d_optimizer.given[-1]])
            look.tensor(f"the gradient that D's optimiser gets in the {name} round", given, atol=1e-6)
            look.tensor(f"the gradient in its biases that G's optimiser gets in the {name} round", g_optimizer.given[-1][1], atol=1e-6)


TASK = Task(
    name="06-round",
    title="find the fault in a round",
    section="10.3.3",
    minutes=15,
    statement="A friend's GAN runs without an error and learns, but G hangs back whenever D is unsure. Below is one round of it. Find "
            "what is "
    "wrong, and repair it. A question that helps: what does D's `backward()` leave in G's `.grad`?",
    answers=("my_repaired",),
    stub=STUB,
    hints=(
        "D's loss depends on G through the fakes. What does its backward() fill, apart from D's .grad?",
        "`d_optimizer.step()` moves only D. When is the gradient thrown away that lies in G by then?",
        "For the same fakes the slope of G's loss in a logit is −(1 − D), that of D's loss is D: G follows their sum, 2D − 1, which is 0 "
        "at D = ½.",
    ),
    solution=SOLUTION,
    why="G followed its own loss plus D's: close to the right slope where D is sure of a fake, and 0 in place of −½ where D is unsure.",
    right="Each optimiser gets the gradient of its own player's loss, and nothing else.",
    unanswered="The fault is still in it: print generator[0].bias.grad right before G's backward(). What should be there?",
    observe=observe,
    ways=(ZEROED_BETWEEN, WITHOUT_GRAPH),
    also=(
        Mistake("both at once", AT_ONCE,
                "Clean: each player gets the gradient of its own loss. Yours is the simultaneous game, G before D's old weights; the "
                "chapter's loop lets G play against the D that has just stepped."),
    ),
    setting="from chapter10 import data, gan, metrics, recipes\n",
    mistakes=(
        Mistake("detached in G's step", steps(g_fake="generator(torch.randn(len(x), generator.latent_dim)).detach()"),  # bugs.md 15
                "G's optimiser gets no gradient: the fakes of G's step are detached, so nothing leads back to G. Only D's step detaches "
                "them."),
        Mistake("detached in G's step, and not in D's", STUB.replace("loss(discriminator(fake))", "loss(discriminator(fake.detach()))"),
                "A detach was missing, but in the other step: now D's loss alone reaches G, and moves it. D's step must be cut off from "
                "G, and G's step must not."),
        Mistake("the same fakes for both steps", SAME_FAKES,  # 15
                "Backward a second time: D's backward() went through the fakes into G and freed that graph. Cut them off in D's step."),
        Mistake("D's gradients not zeroed", steps(before_d=""),  # bugs.md 16
                "In the second round D's gradient is no longer that of D's loss: G's backward() has left something in D's .grad. Zero "
                "D's gradients before D's backward()."),
        Mistake("D's gradients zeroed right after its step",
                steps(before_d="").replace("    d_optimizer.step()\n", "    d_optimizer.step()\n    d_optimizer.zero_grad()\n"),
                "In the second round D's gradient is not that of D's loss: you zero it before G's backward() leaves something new in D's "
                ".grad. Zero it before D's own backward()."),
        Mistake("G's gradients not zeroed", steps(before_g=""),
                "The first round is right, in the second G's optimiser still gets the gradient of the round before. Zero it in each "
                "round."),
        Mistake("nothing zeroed", steps(before_d="", before_g=""),
                "The first round is right, the second is not: gradients of the round before are still there, in both players. Zero them "
                "in each round."),
        Mistake("the saturating loss", steps(g="gan.minimax_generator_loss(discriminator(fake))"),
                "D's gradients are clean, but G's loss is now E[log(1 − D)], the saturating one. The friend had −E[log D]: keep it."),
        Mistake("G's sign", steps(g="-gan.non_saturating_generator_loss(discriminator(fake))"),
                "G's gradient points the wrong way: a sign is turned. G is to be taken for real."),
        Mistake("the labels of D's step", steps(g="F.softplus(discriminator(fake)).mean()"),
                "In G's step the fakes have the labels of D's step: G learns to be found out. There they count as real."),
        Mistake("both backward before D's step", BOTH_BACKWARD,
                "D's optimiser gets the gradient of D's loss plus that of G's: backward() of both ran before D's step. Step D first."),
        Mistake("the real ones left out", steps(d="F.softplus(discriminator(fake)).mean()"),
                "D's step leaves out the real images: its loss has two terms, one for each kind."),
        Mistake("the fakes left out", steps(d="F.softplus(-discriminator(x)).mean()"),
                "D's step leaves out the generated images: its loss has two terms, one for each kind."),
        Mistake("real and fake exchanged", steps(d="gan.discriminator_loss(discriminator(fake), discriminator(x))"),
                "D's step has real and fake exchanged: the real logits come first."),
        Mistake("D's step before its "
                "backward", HEAD + "    d_optimizer.zero_grad()\n    d_optimizer.step()\n" + SOLUTION.removeprefix(HEAD),
                "D's optimiser steps more than once a round: it should step once, after its backward()."),
        Mistake("no step of G", steps().replace("    g_optimizer.step()\n", ""),
                "G's optimiser takes no step: each should step once a round."),
    ),
    points=3,
)  # fmt: skip
