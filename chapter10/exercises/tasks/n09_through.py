"""Notebook 09: the straight-through line."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def through(z, quantised):  # [N, C] each -> [N, C]
    return None
'''

SOLUTION = '''
def through(z, quantised):
    return z + (quantised - z).detach()
'''

TWO_DETACHED = '''
def through(z, quantised):
    q, here = quantised.detach(), z.detach()
    return q + (z - here)
'''

IN_NO_GRAD = '''
def through(z, quantised):
    with torch.no_grad():
        way = quantised - z
    return way + z
'''

A_FUNCTION = '''
class Through(torch.autograd.Function):
    @staticmethod
    def forward(context, z, quantised):
        return quantised.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient, None


through = Through.apply
'''


def observe(look, source, through):
    z = torch.randn(5, 3, generator=source, dtype=torch.float64).requires_grad_()
    quantised = torch.randn(5, 3, generator=source, dtype=torch.float64).requires_grad_()
    value = look.tensor("the value that goes to the decoder", look.call(through, z, quantised), shape=(5, 3), rtol=1e-5)
    look.gradient("the gradient that comes back to z", value, z)
    to_codes = torch.zeros_like(quantised)  # none and 0 are the same here
    if value.requires_grad:
        (found,) = torch.autograd.grad(value.sum(), quantised, retain_graph=True, allow_unused=True)
        to_codes = to_codes if found is None else found
    look.tensor("the gradient that comes back to quantised", to_codes)


def wrong(line: str) -> str:
    return f"def through(z, quantised):\n    return {line}\n"


TASK = Task(
    name="09-through",
    title="the straight-through line",
    section="10.5.1",
    minutes=8,
    statement="Write it: forwards the value of `quantised`, backwards the gradient to `z`, as if nothing had happened, and none to "
    "`quantised`. Don't use the package's.",
    answers=("through",),
    stub=STUB,
    hints=(
        "What must be added to z to get `quantised`? And which parts of that sum may have a gradient?",
        "quantised = z + (quantised − z): the value is right, and in the gradient the two z cancel, unless something is held fixed.",
        "Only the first z may have a gradient; the difference is to be a constant, by detach.",
    ),
    solution=SOLUTION,
    why="The choice of the nearest code has no gradient. The line pretends that it were the identity, so that the encoder hears something.",
    right="Forwards the code, backwards as if nothing had happened.",
    observe=observe,
    ways=(TWO_DETACHED, IN_NO_GRAD, A_FUNCTION),
    mistakes=(
        Mistake("no detach", wrong("z + (quantised - z)"),  # bugs.md 13
                "The value is right, but the encoder gets no gradient from the reconstruction; all of it goes to the code. "
                "In z + (quantised − z) the two z cancel, in the gradient as well, unless the difference is detached."),
        Mistake("quantised as it is", wrong("quantised"),
                "The value is right, but no gradient comes back to z: the encoder learns nothing from the reconstruction."),
        Mistake("all detached", wrong("(z + quantised - z).detach()"),
                "No gradient leads back at all: everything is detached, and the encoder learns nothing from the reconstruction."),
        Mistake("z", wrong("z"),
                "The value is z: the decoder never sees a code, and this is an autoencoder without quantisation."),
        Mistake("places changed", wrong("quantised + (z - quantised).detach()"),
                "The value is z, and the gradient goes to the code: the two have changed places. The decoder must see the code."),
        Mistake("the code not detached", wrong("quantised + (z - z.detach())"),
                "Value and the gradient to z are right. But the code gets the gradient too: the reconstruction should move the encoder "
                "only."),
        Mistake("the first z detached", wrong("z.detach() + (quantised - z)"),
                "z gets the gradient with its sign turned: the encoder would climb where it should descend. Which z is to be held fixed?"),
        Mistake("only the code detached", wrong("z + (quantised.detach() - z)"),
                "The two z cancel in the gradient: nothing reaches the encoder. The whole difference is to be held fixed."),
        Mistake("difference turned", wrong("z + (z - quantised).detach()"),
                "From z you go away from the code: the value must be that of quantised. Turn the difference round."),
        Mistake("the mean of both", wrong("(z + quantised) / 2"),
                "The decoder must see the code alone, to the last digit, not the mean of z and code."),
        Mistake("half the gradient", wrong("z / 2 + (quantised - z / 2).detach()"),
                "z gets {ratio:.2g} times the gradient that arrives; it should be handed on as it is."),
    ),
)  # fmt: skip
