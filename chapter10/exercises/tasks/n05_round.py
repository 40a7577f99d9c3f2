"""Notebook 05: one round of the game, D's step and then G's."""

import torch
from torch import nn

from chapter10 import gan
from chapter10.exercises.task import Mistake, Task

STUB = """
def my_round(generator, discriminator, g_optimizer, d_optimizer, real, z_d, z_g):
    raise NotImplementedError  # your lines here, in place of this one
"""

HEAD = "def my_round(generator, discriminator, g_optimizer, d_optimizer, real, z_d, z_g):\n"

SOLUTION = HEAD + """\
    fake = generator(z_d).detach()  # D's step must not move G
    d_loss = gan.discriminator_loss(discriminator(real), discriminator(fake))
    d_optimizer.zero_grad()  # also what G's last step left in D
    d_loss.backward()
    d_optimizer.step()

    g_loss = gan.non_saturating_generator_loss(discriminator(generator(z_g)))  # no detach: through D to G
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
"""

WITHOUT_GRAPH = """
def my_round(g, d, g_opt, d_opt, x, z, z_new):
    with torch.no_grad():
        made = g(z)
    d_opt.zero_grad(set_to_none=False)
    (F.softplus(-d(x)).mean() + F.softplus(d(made)).mean()).backward()
    d_opt.step()
    g_opt.zero_grad()
    for weight in d.parameters():
        weight.requires_grad_(False)
    F.softplus(-d(g(z_new))).mean().backward()
    for weight in d.parameters():
        weight.requires_grad_(True)
    g_opt.step()
"""

# Without the detach, but G's gradients are zeroed before its own backward: what D's loss sent into G is thrown away.
WASTEFUL = HEAD + """\
    d_optimizer.zero_grad()
    gan.discriminator_loss(discriminator(real), discriminator(generator(z_d))).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
    gan.non_saturating_generator_loss(discriminator(generator(z_g))).backward()
    g_optimizer.step()
"""

BY_AUTOGRAD = HEAD + """\
    def move(player, optimizer, loss):
        weights = list(player.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights)):
            weight.grad = gradient
        optimizer.step()

    labels = torch.cat([torch.ones(len(real), 1), torch.zeros(len(z_d), 1)]).to(real)
    logits = discriminator(torch.cat([real, generator(z_d).detach()]))
    shares = torch.cat([torch.full((len(real), 1), 1 / len(real)), torch.full((len(z_d), 1), 1 / len(z_d))]).to(real)
    move(discriminator, d_optimizer, F.binary_cross_entropy_with_logits(logits, labels, shares, reduction="sum"))
    verdict = discriminator(generator(z_g))
    move(generator, g_optimizer, F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict)))
"""


def flat(module):
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def observe(look, source, my_round):
    torch.manual_seed(int(torch.randint(1000, (), generator=source)))
    generator = gan.MixtureGenerator(hidden_dim=8, hidden_layers=1).double()
    discriminator = gan.MixtureDiscriminator(hidden_dim=8, hidden_layers=1).double()
    g_optimizer, d_optimizer = torch.optim.SGD(generator.parameters(), 0.1), torch.optim.SGD(discriminator.parameters(), 0.1)
    for turn in ("first", "second"):  # the second shows what the first has left behind
        real, z_d, z_g = (torch.randn(n, 2, generator=source).double() for n in (16, 12, 10))
        g_before, d_before = flat(generator), flat(discriminator)
        look.call(my_round, generator, discriminator, g_optimizer, d_optimizer, real, z_d, z_g)
        g_after, d_after = flat(generator), flat(discriminator)
        if turn == "first":
            look.fact("D moves in the first round", not torch.equal(d_after, d_before))
            look.fact("G moves in the first round", not torch.equal(g_after, g_before))
        look.tensor(f"D's step in the {turn} round", d_after - d_before, rtol=1e-4, atol=1e-9)
        look.tensor(f"G's step in the {turn} round", g_after - g_before, rtol=1e-4, atol=1e-9)


D_STEP = "gan.discriminator_loss(discriminator(real), discriminator(generator(z_d).detach()))"
G_STEP = "gan.non_saturating_generator_loss(discriminator(generator(z_g)))"


def variant(d_loss: str = D_STEP, g_loss: str = G_STEP, zero_d: bool = True, zero_g: bool = True, g_first: bool = False) -> str:
    def step(who: str, loss: str, zero: bool) -> str:
        zeroed = f"    {who}_optimizer.zero_grad()\n" if zero else ""
        return f"    {who}_loss = {loss}\n{zeroed}    {who}_loss.backward()\n    {who}_optimizer.step()\n"

    steps = [step("d", d_loss, zero_d), step("g", g_loss, zero_g)]
    return HEAD + "".join(reversed(steps) if g_first else steps)


ONE_SET_OF_FAKES = HEAD + """\
    fake = generator(z_d)
    d_optimizer.zero_grad()
    gan.discriminator_loss(discriminator(real), discriminator(fake)).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
    gan.non_saturating_generator_loss(discriminator(fake)).backward()
    g_optimizer.step()
"""

AT_ONCE = HEAD + """\
    fake = generator(z_d)
    d_optimizer.zero_grad()
    gan.discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
    g_optimizer.zero_grad()
    d_gradients = [weight.grad.clone() for weight in discriminator.parameters()]
    gan.non_saturating_generator_loss(discriminator(generator(z_g))).backward()
    for weight, gradient in zip(discriminator.parameters(), d_gradients):
        weight.grad = gradient
    d_optimizer.step()
    g_optimizer.step()
"""

BOTH_BACKWARD_FIRST = HEAD + """\
    d_optimizer.zero_grad()
    g_optimizer.zero_grad()
    gan.discriminator_loss(discriminator(real), discriminator(generator(z_d).detach())).backward()
    gan.non_saturating_generator_loss(discriminator(generator(z_g))).backward()
    d_optimizer.step()
    g_optimizer.step()
"""

ZEROED_AT_THE_END = HEAD + f"""\
    d_loss = {D_STEP.replace(".detach()", "")}
    d_loss.backward()
    d_optimizer.step()
    {G_STEP}.backward()
    g_optimizer.step()
    d_optimizer.zero_grad()
    g_optimizer.zero_grad()
"""

ZEROED_AFTER_ITS_STEP = HEAD + f"""\
    {D_STEP}.backward()
    d_optimizer.step()
    d_optimizer.zero_grad()
    {G_STEP}.backward()
    g_optimizer.step()
    g_optimizer.zero_grad()
"""

TASK = Task(
    name="05-round",
    title="one round of the game",
    section="10.3.3",
    minutes=15,
    statement="Write one round: D's step on `real` and on fakes made from `z_d`, then G's step, non-saturating, on fakes made from "
    "`z_g`. D gives logits; `gan.discriminator_loss` and `gan.non_saturating_generator_loss` are yours to use. Two questions hide in it: "
    "where must a `detach` stand, where must none, and whose gradients must be zeroed when? The check plays two rounds with plain "
    "gradient descent and looks at both players' steps; `real`, `z_d` and `z_g` differ in their numbers of rows.",
    answers=("my_round",),
    stub=STUB,
    hints=(
        "Which weights does each of the two losses depend on, and which of them may move in each step?",
        "D's step must not reach G: its fakes are detached. G's step must go through D to reach G, so there no detach stands.",
        "On its way G's backward leaves gradients in D. D's optimiser must zero them before D's next backward; G's zeroes its own.",
    ),
    solution=SOLUTION,
    why="And without the detach, but with G's gradients zeroed before its backward? That is right too: what D's loss sent into G "
    "is thrown away. It costs a backward pass through G for nothing.",
    right="Both players, both rounds.",
    observe=observe,
    ways=(WITHOUT_GRAPH, WASTEFUL, BY_AUTOGRAD),
    setting="from chapter10 import gan\n",
    mistakes=(
        Mistake("one set of fakes, not detached", ONE_SET_OF_FAKES,  # bugs.md 15
                "Backward a second time: D's step went back through the fakes into G, and freed that graph. Cut the fakes off in D's "
                "step, or make new ones for G's."),
        Mistake("detached in G's step", variant(g_loss="gan.non_saturating_generator_loss(discriminator(generator(z_g).detach()))"),  # 15
                "G never moves: its fakes are detached in G's own step, or its optimiser takes no step. Only D's step detaches."),
        Mistake("D never moves", HEAD + f"    g_optimizer.zero_grad()\n    {G_STEP}.backward()\n    g_optimizer.step()\n",
                "D never moves: does its optimiser take a step?"),
        Mistake("D's gradients not zeroed", variant(zero_d=False),  # bugs.md 16
                "In the first round all is right, in the second D's step is off: G's step left gradients in D. Zero D's before its own "
                "backward."),
        Mistake("neither detached nor zeroed for G", variant(d_loss=D_STEP.replace(".detach()", ""), zero_g=False),  # 15
                "G's step has leftovers: D's loss sent gradients into G, which were not zeroed. Cut the fakes off in D's step."),
        Mistake("neither detached nor zeroed before G's step", ZEROED_AT_THE_END,  # 15
                "G's step has leftovers: D's loss sent gradients into G, and zeroing at the end of the round comes too late for them. "
                "Cut the fakes off in D's step."),
        Mistake("D's gradients zeroed right after its step", ZEROED_AFTER_ITS_STEP,  # 16
                "In the first round all is right, in the second D's step is off: you zero D's gradients before G's backward() leaves new "
                "ones in D. Zero them before D's own backward."),
        Mistake("G's gradients not zeroed", variant(zero_g=False),
                "In the first round all is right, in the second G's step is off: its gradients pile up from round to round. Zero them "
                "before its backward."),
        Mistake("nobody's gradients zeroed", variant(zero_d=False, zero_g=False),
                "The first round is right; in the second both are off. Nobody's gradients are zeroed: they pile up from round to round."),
        Mistake("the minimax loss", variant(g_loss=G_STEP.replace("non_saturating", "minimax")),
                "D's step is right. G's is that of the minimax loss, the chapter's formula; its code trains the non-saturating one."),
        Mistake("G's sign", variant(g_loss="-" + G_STEP),
                "D's step is right, G's has the wrong sign: G should lower −log D, and yours raises it."),
        Mistake("real and fake exchanged", variant(d_loss="gan.discriminator_loss(discriminator(generator(z_d).detach()), "
                "discriminator(real))"),
                "Real and fake are exchanged in D's loss: the real logits come first."),
        Mistake("D's sign", variant(d_loss="-" + D_STEP),
                "D's step has the wrong sign: D should lower its loss, and yours raises it."),
        Mistake("fakes of z_d in G's step", variant(g_loss=G_STEP.replace("z_g", "z_d")),
                "D's step is right. G's step takes the fakes of z_d: make new ones from z_g."),
        Mistake("z_d and z_g exchanged", variant(D_STEP.replace("z_d", "z_g"), G_STEP.replace("z_g", "z_d")),
                "Both steps take the other one's noise: D's fakes are made from z_d, G's from z_g."),
        Mistake("probabilities in G's step", variant(g_loss=G_STEP.replace("(z_g))", "(z_g)).sigmoid()")),
                "D's step is right. In G's the loss gets probabilities: it takes D's logits as they are."),
        Mistake("probabilities everywhere", variant(
                    D_STEP.replace("(real)", "(real).sigmoid()").replace(".detach())", ".detach()).sigmoid()"),
                    G_STEP.replace("(z_g))", "(z_g)).sigmoid()")),
                "The losses get probabilities. They take D's logits as they are: a sigmoid is in them already."),
        Mistake("one mean over real and fake", HEAD + """\
    logits = torch.cat([discriminator(real), discriminator(generator(z_d).detach())])
    labels = torch.cat([torch.ones(len(real), 1), torch.zeros(len(z_d), 1)]).to(logits)
    d_optimizer.zero_grad()
    (2 * F.binary_cross_entropy_with_logits(logits, labels)).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
""" + f"    {G_STEP}.backward()\n    g_optimizer.step()\n",
                "D's step takes one mean over real and fake together, so the larger batch weighs more. Two means are wanted, one for each "
                "kind, and their sum."),
        Mistake("G first", variant(g_first=True),
                "G moves before D has stepped: D's step comes first, and G answers the new D."),
        Mistake("both at once", AT_ONCE,
                "D's step is right, and G's is taken against the D of before: both move at once. The chapter's loop lets G answer the D "
                "that has just stepped."),
        Mistake("both backward before both steps", BOTH_BACKWARD_FIRST,
                "D steps on the gradient of its own loss plus that of G's: both backward calls ran before D's step. Let D step first."),
        Mistake("the real ones left out", variant(d_loss="gan.non_saturating_generator_loss(-discriminator(generator(z_d).detach()))"),
                "D's step sees no real data: its loss has two terms, one for each kind."),
        Mistake("the fakes left out", variant(d_loss="gan.non_saturating_generator_loss(discriminator(real))"),
                "D's step sees no fakes: its loss has two terms, one for each kind."),
    ),
    points=3,
)  # fmt: skip
