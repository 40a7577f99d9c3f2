"""Notebook 12: the change of variables in two dimensions, for one layer of a flow."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_log_prob(x, s, t):  # [B, 2], [B], [B] -> [B]
    return None
"""


def written(
    z2="x[:, 1] * s.exp() + t", normal="-0.5 * (z1**2 + z2**2) - math.log(2 * math.pi)", result="normal + s"
) -> str:
    return (
        f"def my_log_prob(x, s, t):\n    z1, z2 = x[:, 0], {z2}\n    normal = {normal}\n    return {result}\n"
    )


BY_THE_LIBRARY = """
def my_log_prob(x, s, t):
    z = torch.stack([x[:, 0], x[:, 1] * torch.exp(s) + t], 1)
    normal = torch.distributions.Normal(torch.zeros((), dtype=z.dtype), torch.ones((), dtype=z.dtype))
    return normal.log_prob(z).sum(-1) + s
"""

BY_THE_JACOBIAN = """
def my_log_prob(x, s, t):
    z = torch.stack([x[:, 0], x[:, 1] * s.exp() + t], 1)
    jacobian = torch.diag_embed(torch.stack([torch.ones_like(s), s.exp()], 1))
    return torch.linalg.slogdet(jacobian).logabsdet - z.square().sum(1) / 2 - math.log(2 * math.pi)
"""

A_GAUSSIAN = """
def my_log_prob(x, s, t):
    first, second = x.unbind(1)
    spread = torch.exp(-s)
    log_second = -0.5 * ((second + t * spread) / spread) ** 2 - torch.log(spread)
    return log_second - 0.5 * first.square() - math.log(2 * math.pi)
"""


def observe(look, source, my_log_prob):
    x = torch.randn(7, 2, generator=source).requires_grad_()
    s = torch.randn(7, generator=source).requires_grad_()
    t = torch.randn(7, generator=source).requires_grad_()
    found = look.tensor("log p(x) of seven random points", look.call(my_log_prob, x, s, t), shape=(7,))
    look.gradient("its gradient in s", found, s)
    look.gradient("its gradient in t", found, t)
    look.gradient("its gradient in x", found, x)
    nothing = torch.zeros(3)
    points = torch.randn(3, 2, generator=source)
    look.tensor(
        "log p(x) where s = t = 0, a layer that changes nothing",
        look.call(my_log_prob, points, nothing, nothing),
        shape=(3,),
    )


TASK = Task(
    name="12-log-det",
    title="one layer of a flow in two dimensions",
    section="10.2.3",
    minutes=10,
    statement="A coupling layer (Dinh, Sohl-Dickstein and Bengio 2017) leaves x₁ as it is and stretches and shifts x₂ by "
    "what a network makes of x₁: z₁ = x₁, z₂ = x₂·eˢ + t. Given the points `x` [B, 2] and the network's `s` and `t` [B] "
    "for them, write log p(x) [B], in nats, if z ~ N(0, I).",
    answers=("my_log_prob",),
    stub=STUB,
    hints=(
        "What is log N(z; 0, I) in two dimensions, with its constant? And by what must it be multiplied for lengths that "
        "the map has changed?",
        "The Jacobian ∂z/∂x is triangular: 1 and eˢ on its diagonal. Its determinant is their product.",
        "log N(z; 0, I) + log|det ∂z/∂x|, and the logarithm of eˢ is what?",
    ),
    solution=written(),
    why="The Jacobian is triangular whatever network made s and t, so log|det| is s. That is why coupling layers are "
    "cheap, and s and t may be anything.",
    right="The values, the three gradients and the layer that changes nothing agree.",
    observe=observe,
    ways=(BY_THE_LIBRARY, BY_THE_JACOBIAN, A_GAUSSIAN),
    mistakes=(
        Mistake("no log det", written(result="normal"),
                "That is log N(z; 0, I): what the map did to lengths is missing. Trained so, the layer would press all x "
                "to 0, as in the notebook."),
        Mistake("log det with the wrong sign", written(result="normal - s"),
                "log|det| has the wrong sign: where the map stretches, many z lie behind few x, and x is *denser*."),
        Mistake("the determinant for its logarithm", written(result="normal + s.exp()"),
                "You added the determinant, not its logarithm."),
        Mistake("log det of both dimensions", written(result="normal + 2 * s"),
                "log|det| came out twice: x₁ isn't stretched, so only one of the two dimensions counts."),
        Mistake("a size for a sign", written(result="normal + s.abs()"),
                "|det| is the size of the determinant, and eˢ is above 0 in any case: log|det| = s, also where s is below 0."),
        Mistake("the other way round", written(z2="(x[:, 1] - t) * (-s).exp()"),
                "You used the inverse layer, (x₂ − t)·e⁻ˢ: here z₂ = x₂·eˢ + t."),
        Mistake("the other way round, its own log det", written(z2="(x[:, 1] - t) * (-s).exp()", result="normal - s"),
                "That is right for the inverse layer, z₂ = (x₂ − t)·e⁻ˢ. Here z₂ = x₂·eˢ + t."),
        Mistake("no constant", written(normal="-0.5 * (z1**2 + z2**2)"),
                "Without its constant N(z; 0, I) doesn't integrate to 1: at s = t = 0 it must be the standard normal's density."),
        Mistake("the constant of one dimension", written(normal="-0.5 * (z1**2 + z2**2) - 0.5 * math.log(2 * math.pi)"),
                "The constant is that of one dimension. In two it is twice ½ log 2π."),
        Mistake("x₁ left out", written(normal="-0.5 * z2**2 - 0.5 * math.log(2 * math.pi)"),
                "Only z₂ is in it. z₁ = x₁ passes unchanged, but it has a density too."),
        Mistake("in place of z, x", written(z2="x[:, 1]"),
                "N is taken at x, and belongs at z = f(x)."),
        Mistake("mean over the dimensions", written(normal="-0.25 * (z1**2 + z2**2) - 0.5 * math.log(2 * math.pi)"),
                "You took the mean over the dimensions: log densities of independent dimensions add up."),
        Mistake("summed over the batch", written(result="(normal + s).sum()"),
                "That is one number for the batch. Keep the points apart."),
        Mistake("the density for its logarithm", written(result="(normal + s).exp()"),
                "That is p(x), and its logarithm is asked for."),
        Mistake("no graph", written(result="(normal + s).detach()"),
                "The numbers are right, and nothing can be learned from them: they have given up their graph."),
    ),
)  # fmt: skip
