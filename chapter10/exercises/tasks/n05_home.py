"""Notebook 05: a loss of D with which the Dirac-GAN comes home (Mescheder et al. 2018)."""

import math

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

HEAD = "def my_d_loss(theta, psi):\n"
PLAIN = "F.softplus(0 * psi) + F.softplus(psi * theta)"

STUB = f"""
def my_d_loss(theta, psi):  # two numbers as tensors, [] -> []
    return {PLAIN}  # −log D(0) − log(1 − D(θ))
"""

SOLUTION = f"""
def my_d_loss(theta, psi):
    return {PLAIN} + 0.8 / 2 * psi**2  # R1: D is steep by ψ
"""

BY_AUTOGRAD = """
def my_d_loss(theta, psi):
    x = torch.zeros_like(psi).requires_grad_()
    logit = psi * x
    (slope,) = torch.autograd.grad(logit, x, create_graph=True)
    return -F.logsigmoid(logit) - F.logsigmoid(-psi * theta) + 0.5 * slope.square()
"""

INSTANCE_NOISE = """
def my_d_loss(theta, psi):
    points, weights = np.polynomial.hermite_e.hermegauss(9)  # the mean over N(0, 1), without drawing
    noise, weights = 1.2 * torch.tensor(points), torch.tensor(weights / weights.sum())
    return (weights * (F.softplus(-psi * noise) + F.softplus(psi * (theta + noise)))).sum()
"""

NOISE_DRAWN = """
def my_d_loss(theta, psi):
    noise = 1.2 * torch.randn(20_000, dtype=torch.float64)
    noise = noise - noise.mean()
    return F.softplus(-psi * noise).mean() + F.softplus(psi * (theta + noise)).mean()
"""

H, ROUNDS, NEAR = 0.2, 100, 0.005
STARTS = ((1.0, 1.0), (-0.5, 1.2), (1.5, -0.3))  # θ and ψ


def slope(my_d_loss, theta, psi):
    """The gradient of the loss in ψ, 0 where it doesn't depend on it."""
    psi = torch.as_tensor(psi, dtype=torch.float64).clone().requires_grad_()
    loss = torch.as_tensor(my_d_loss(torch.as_tensor(theta, dtype=torch.float64), psi))
    if not loss.requires_grad:
        return torch.zeros_like(psi)
    (found,) = torch.autograd.grad(loss.sum(), psi, allow_unused=True)
    return torch.zeros_like(psi) if found is None else found


def observe(look, source, my_d_loss):
    fake, flat = torch.tensor(1.5).double(), torch.zeros(()).double().requires_grad_()
    loss = look.tensor("your loss at θ = 1.5, ψ = 0", look.call(my_d_loss, fake, flat), atol=1e9, judged=False)  # its slope counts
    if loss.numel() != 1:
        raise Enough
    look.gradient("the slope of your loss in ψ at θ = 1.5, ψ = 0", loss.sum(), flat, rtol=0.03, atol=0.01)
    look.fact("your addition is 0 at ψ = 0", abs(loss.item() - math.log(4)) < 1e-3, judged=False)
    pull, twice = (slope(my_d_loss, 0.0, psi).item() for psi in (0.5, 1.0))
    look.fact("your loss pulls ψ back at θ = 0", pull > 1e-3, judged=False)
    look.fact("it pulls harder where ψ is larger", twice > 1.5 * pull, judged=False)
    game = torch.sigmoid(torch.tensor(1.0)).item()  # the game's own slope at θ = ψ = 1
    look.fact("your addition moves D at θ = ψ = 1", abs(slope(my_d_loss, 1.0, 1.0).item() - game) > 1e-3, judged=False)
    for start in STARTS:
        theta, psi = (torch.tensor(x, dtype=torch.float64) for x in start)
        sides = set()
        for _ in range(ROUNDS):
            psi = psi - H * slope(my_d_loss, theta, psi)
            theta = theta + H * psi * torch.sigmoid(-psi * theta)  # G descends −log D(θ)
            sides.add(bool(theta > 0))
        radius = torch.hypot(theta, psi).item()
        place = "(" + ", ".join(f"{x:g}".replace("-", "−") for x in start) + ")"
        look.fact(f"from {place} it goes round, past θ = 0 and back", len(sides) == 2, judged=False)
        look.fact(f"from {place} it ends farther off than 1.5", not radius <= 1.5, judged=False)
        look.at_most(f"the radius after {ROUNDS} rounds from {place}", radius, NEAR)
        if not radius <= NEAR:
            raise Enough


def adds(term: str) -> str:
    return f"{HEAD}    return {PLAIN} + {term}\n"


TASK = Task(
    name="05-home",
    title="bring the game home",
    section="10.3.2",
    minutes=20,
    statement="The Dirac-GAN with both players in turn, h = 0.2, and −log D creeps home for thousands of rounds. Add to D's loss, so "
            "that the "
    "game ends within 0.005 of (0, 0) after 100 rounds, from each of three starts: (1, 1), (−0.5, 1.2), (1.5, −0.3). What you add must "
    "leave the game as it is where D knows nothing: at ψ = 0 the slope of your loss in ψ stays θ/2. The check takes the gradients of "
    "your loss by autograd and plays. Write it without `exact.DiracGAN`; section 8 has two ways, and the strength is yours to find.",
    answers=("my_d_loss",),
    stub=STUB,
    hints=(
        "Without an addition the motion goes round. Which of the two players has to be slowed, and by a force that points where?",
        "R1 punishes D for being steep at the data, and D's steepness is ψ. A penalty that grows as ψ² pulls ψ back in proportion to it.",
        "Too weak and it goes round for long, too strong and D hardly reacts. Eigenvalues: −γ/2 ± √(γ²/4 − ¼); try γ between the two.",
    ),
    solution=SOLUTION,
    why="The penalty damps the circle, and near γ = 1 it does so fastest. It doesn't touch G, and it is 0 at home: the equilibrium stays.",
    right="It comes home from all three starts, and at ψ = 0 the game is as it was.",
    unanswered="That is still the plain loss of the game: it goes round.",
    observe=observe,
    setting="from chapter10 import exact, gan\n",
    ways=(BY_AUTOGRAD, INSTANCE_NOISE, NOISE_DRAWN),
    mistakes=(
        Mistake("too weak", adds("0.3 / 2 * psi**2"),
                "Your addition pulls in the right direction, and too little: after 100 rounds it still goes round, at a radius of "
                "{found}."),
        Mistake("too strong", adds("3 / 2 * psi**2"),
                "The damping is too strong: D hardly reacts, and G creeps home from one side with nobody to learn from. Radius after 100 "
                "rounds: {found}."),
        Mistake("the sign", adds("(-0.5) * psi**2"),
                "The sign is turned: your addition rewards D for being steep, and the game runs away, to a radius of {found}."),
        Mistake("the gradient penalty", adds("(psi.abs() - 1)**2"),
                "That pushes the steepness towards 1, as WGAN-GP does, and not to 0: the game ends elsewhere, at a radius of {found}."),
        Mistake("at the fake", adds("(psi * theta)**2"),
                "You punish D's logit at the fake. Near home θ is about 0, so it damps hardly anything there: the radius is still "
                "{found}."),
        Mistake("in θ", adds("theta**2"),
                "Your addition doesn't depend on ψ, so D's step doesn't notice it: the radius is {found}."),
        Mistake("without the graph", f"{HEAD}    return math.log(2) + math.log(1 + math.exp((psi * theta).item())) + 0.8 / 2 * psi**2\n",
                "The math module's functions give plain numbers, which keep no graph: the slope of the game's own part is lost. Take "
                "torch's, or F.softplus of the stub."),
        Mistake("far too strong", adds("50 * psi**2"),
                "The penalty is so strong that each step of D leaps over ψ = 0 and lands farther off: h times its slope must stay below "
                "2·ψ. The radius is {found}."),
        Mistake("the loss made smaller", f"{HEAD}    return 0.5 * ({PLAIN})\n",
                "You scaled the whole loss: the slope where D knows nothing is {found} for {expected}. Add to it, and leave the game as "
                "it is."),
        Mistake("the size, not the square", adds("0.5 * psi.abs()"),
                "A penalty on |ψ| pulls with the same force however small ψ is: it holds D back where the game needs it, and G creeps. "
                "Radius: {found}."),
    ),
    seconds=20,
    situations=1,
    points=4,
)  # fmt: skip
