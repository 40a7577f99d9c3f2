"""Notebook 03: find the fault in a score-function estimator."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

SETTING = '''
from torch.distributions import Normal

def f(z):
    return (z - 1.5) ** 2
'''

STUB = '''
def surrogate_loss(mu, sigma, eps):  # [K], scalar, [K] -> [K]; its gradients should be f(z) ∇ log q(z)
    z = mu + sigma * eps
    return f(z) * Normal(mu, sigma).log_prob(z)
'''

SOLUTION = '''
def surrogate_loss(mu, sigma, eps):
    z = (mu + sigma * eps).detach()
    return f(z) * Normal(mu, sigma).log_prob(z)
'''

WITHOUT_A_GRAPH = '''
def surrogate_loss(mu, sigma, eps):
    with torch.no_grad():
        z = mu + sigma * eps
        weight = f(z)
    log_q = -0.5 * ((z - mu) / sigma) ** 2 - torch.log(sigma)
    return weight * log_q
'''

THE_SCORE_ITSELF = '''
def surrogate_loss(mu, sigma, eps):
    z = mu.data + sigma.data * eps
    return f(z) * (eps / sigma.data * mu + (eps**2 - 1) / sigma.data * sigma)
'''


def observe(look, source, surrogate_loss):
    mu = torch.randn(7, generator=source, dtype=torch.float64).requires_grad_()
    sigma = (0.6 + torch.rand((), generator=source, dtype=torch.float64)).requires_grad_()
    eps = torch.randn(7, generator=source, dtype=torch.float64)
    # only its gradients are asked for: a constant more or less makes no difference
    value = look.tensor("the loss of seven draws", look.call(surrogate_loss, mu, sigma, eps), shape=(7,), rtol=0, atol=1e6)
    again = torch.as_tensor(surrogate_loss(mu, sigma, eps)).detach()
    the_draws = torch.equal(value.detach(), again)
    look.fact("the same eps gives the same loss twice", the_draws)
    if not the_draws:
        raise Enough
    look.gradient("its gradient in mu", value, mu)
    look.gradient("its gradient in sigma", value, sigma)


def wrong(z: str, line: str = "f(z) * Normal(mu, sigma).log_prob(z)") -> str:
    return f"def surrogate_loss(mu, sigma, eps):\n    z = {z}\n    return {line}\n"


DRAWN = "mu + sigma * eps"

TASK = Task(
    name="03-surrogate",
    title="find the fault",
    section="10.2.4",
    minutes=5,
    statement="Someone writes the score-function estimator of section 3 as below, with the reparameterised z at hand; `eps` is the "
    "noise. It runs, and gives wrong gradients in `mu` and `sigma`. Mend it with one word.",
    answers=("surrogate_loss",),
    stub=STUB,
    setting=SETTING,
    hints=(
        "In which ways does mu enter log_prob(z) here, besides as its mean?",
        "log q(z) at z = μ + σε is −½ε² − log σ − …: move μ, and z moves along. What is the derivative of that?",
        "In the formula of section 3, z is a number that was drawn. Which method makes a tensor such a number?",
    ),
    solution=SOLUTION,
    why="Without `detach`, log q(z) doesn't change with μ at all, and what remains is f′(z)·log q(z), the gradient of nothing you want.",
    right="Both gradients are f(z) times the score.",
    unanswered="The fault is still in it: in mu, what comes out is f′(z)·log q(z).",
    observe=observe,
    ways=(WITHOUT_A_GRAPH, THE_SCORE_ITSELF),
    mistakes=(
        Mistake("cut off altogether", wrong(DRAWN, "(f(z) * Normal(mu, sigma).log_prob(z)).detach()"),
                "Nothing that could be differentiated comes back: cut z, and neither the whole nor the parameters of q."),
        Mistake("only f cut off", wrong(DRAWN, "f(z).detach() * Normal(mu, sigma).log_prob(z)"),
                "The gradient in mu is 0: mu moves z and the mean of q together, and log q(z) stays as it is. z must stand still "
                "inside log_prob as well."),
        Mistake("only log q cut off", wrong(DRAWN, "f(z) * Normal(mu, sigma).log_prob(z).detach()"),
                "Now f carries the gradient and log q is a number: what comes out is f′(z)·log q(z). Here log q must carry it."),
        Mistake("only in log q", wrong(DRAWN, "f(z) * Normal(mu, sigma).log_prob(z.detach())"),
                "Half mended: log q is right now, and f still sees how z moves, which adds f′(z)·log q(z)."),
        Mistake("pathwise", wrong(DRAWN, "f(z)"),
                "That is the pathwise estimator: right on average, and it differentiates f. Here log q must carry the gradient."),
        Mistake("drawn anew", wrong("Normal(mu, sigma).sample()"),
                "Your z is a new draw, not that of `eps`: the same noise gives another loss each time. The estimator is a right one, but "
                "here z = μ + σ·ε is to be mended, not drawn again."),
        Mistake("q cut off, not z", wrong(DRAWN, "f(z) * Normal(mu.detach(), sigma.detach()).log_prob(z)"),
                "The wrong one stands still: here z moves, and q does not. The score asks how q(z) changes at a fixed z."),
        Mistake("only μ in z cut off", wrong("mu.detach() + sigma * eps"),
                "mu has its gradient now, sigma has not: z still moves with it. The whole of z must stand still."),
        Mistake("σ cut off", wrong(f"({DRAWN}).detach()", "f(z) * Normal(mu, sigma.detach()).log_prob(z)"),
                "mu has its gradient, sigma has none: it is a parameter of q as well."),
        Mistake("density for its logarithm", wrong(f"({DRAWN}).detach()", "f(z) * Normal(mu, sigma).log_prob(z).exp()"),
                "That is f(z)·∇q(z). Over draws from q it counts the density twice: the logarithm takes one out."),
        Mistake("sign", wrong(f"({DRAWN}).detach()", "-f(z) * Normal(mu, sigma).log_prob(z)"),
                "The size is right, the sign is not: the gradient of E[f(z)] points to where f rises."),
    ),
)  # fmt: skip
