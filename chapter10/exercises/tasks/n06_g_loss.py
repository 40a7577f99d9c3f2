"""Notebook 06: the listing's loss of the generator, from logits."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_g_loss(logits):  # [B, 1] -> a number
    return None
"""


def line(code: str) -> str:
    return f"def my_g_loss(logits):\n    return {code}\n"


def observe(look, source, my_g_loss):
    logits = (3 * torch.randn(8, 1, generator=source)).requires_grad_()
    loss = look.tensor("the loss of eight logits", look.call(my_g_loss, logits), shape=())
    look.gradient("its gradient in the logits", loss, logits)
    for at, name in ((-200.0, "where D is sure of a fake, at a logit of −200"), (150.0, "where D takes it for real, at a logit of 150")):
        far = torch.tensor([[at]], requires_grad=True)
        extreme = look.tensor(f"the loss {name}", look.call(my_g_loss, far), shape=())
        look.gradient(f"its gradient {name}", extreme, far)


TASK = Task(
    name="06-g-loss",
    title="one line",
    section="10.3.3",
    minutes=10,
    statement="Write the listing's loss for G, from D's *logits* [B, 1], so that neither the loss nor its gradient breaks where D is sure. "
    "PyTorch has functions that take logits; look at which labels the listing gives the fakes in G's step.",
    answers=("my_g_loss",),
    stub=STUB,
    hints=(
        "Which label does the listing give the fakes in D's step, and which in G's?",
        "The loss is −log σ(l), averaged over the batch. A sigmoid of −200 is 0 in float32: what is its logarithm?",
        "`F.binary_cross_entropy_with_logits` takes logits and labels: give it the labels of which G wishes that D believed them.",
    ),
    solution=line("F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))"),
    why="−E[log D(G(z))], the non-saturating loss: where D is sure of a fake its gradient in the logit is −1, and not 0.",
    right="−E[log D], with its full gradient where D is sure of a fake.",
    observe=observe,
    setting="from chapter10 import data, gan, metrics, recipes\n",
    ways=(line("-F.logsigmoid(logits).mean()"), line("F.softplus(-logits.double()).sum() / len(logits)"),
          line("torch.logaddexp(torch.zeros_like(logits), -logits).mean()")),
    mistakes=(
        Mistake("summed", line("F.softplus(-logits).sum()"),
                "That is the sum over the batch: {ratio:.0f} times the mean that the listing's BCELoss takes. A sum makes the step "
                "depend on the batch size."),
        Mistake("not averaged", line("F.softplus(-logits)"),
                "The loss of each fake is right. A loss is one number: take the mean over the batch."),
        Mistake("the minimax loss", line("F.logsigmoid(-logits).mean()"),
                "That is E[log(1 − D)], the formula's: right as a game, but it saturates, and the listing has another. Which labels does "
                "it give the fakes?", "10.3.2"),
        Mistake("the labels of D's step", line("F.softplus(logits).mean()"),
                "That is −E[log(1 − D)], the loss with labels 0: it teaches G to be recognised as fake. In D's step the fakes have label "
                "0; in G's step they have label 1."),
        Mistake("the sign", line("F.logsigmoid(logits).mean()"),
                "The size is right, the sign is not: G minimises −log D."),
        Mistake("D itself", line("torch.sigmoid(logits).mean()"),
                "That is the mean of D itself, without the logarithm, and minimising it would make D surer of the fakes."),
        Mistake("no logarithm", line("-torch.sigmoid(logits).mean()"),
                "The logarithm is missing: −E[D] weakens where D is sure of a fake, as the formula's loss does."),
        Mistake("a sigmoid too many", line("F.binary_cross_entropy_with_logits(torch.sigmoid(logits), "
                "torch.ones_like(logits))"),  # bugs.md 17
                "A sigmoid was applied twice: binary_cross_entropy_with_logits takes the logits themselves. Yours can't fall below 0.313."),
        Mistake("a sigmoid too many, and D's "
                "labels", line("F.binary_cross_entropy_with_logits(torch.sigmoid(logits), torch.zeros_like(logits))"),
                "Two things at once: a sigmoid too many, since the function takes logits, and the labels of D's step."),
        Mistake("D's loss", line("F.softplus(-logits).mean() + F.softplus(logits).mean()"),
                "Both terms are in it. G has no influence on what D says about real images: only the fakes belong here."),
        Mistake("no graph", line("F.softplus(-logits).mean().detach()"),
                "The value is right, but no gradient leads back to the logits: G would learn nothing."),
        Mistake("the logarithm of a sigmoid", line("-torch.log(torch.sigmoid(logits)).mean()"),
                "Right for moderate logits. At −200 it is not finite: there a sigmoid is 0, and e²⁰⁰ is too large for a float. Use a "
                "function that takes logits."),
        Mistake("the logits cut off", line("F.softplus(-logits.clamp(-20, 20)).mean()"),
                "Right for moderate logits. You cut the logits off: at −200 the loss is {found}, and its gradient is gone, where G needs "
                "it most."),
        Mistake("BCELoss", line("F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits))"),
                "Right for moderate logits. At −200 it is cut off at {found} in place of {expected}, and G gets no gradient: the "
                "information was lost in the sigmoid."),
        Mistake("a small number added", line("-torch.log(torch.sigmoid(logits) + 1e-8).mean()"),
                "Right for moderate logits. The small number hides the trouble and does not cure it: at −200 the loss stops at {found}, "
                "and its gradient is gone."),
    ),
)  # fmt: skip
