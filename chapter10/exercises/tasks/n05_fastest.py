"""Notebook 05: the strength of R1 at which the Dirac-GAN comes home fastest (Mescheder et al. 2018)."""

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

SOLUTION = """
tried = [g / 100 for g in range(1, 400)]
factors = [exact.DiracGAN(r1=g).modulus(0.5) for g in tried]
your_factor = min(factors)
your_gamma = tried[factors.index(your_factor)]
"""


def observe(look, source, your_gamma, your_factor):
    gamma = look.number("the best γ", your_gamma, within=0.015)
    if abs(gamma - 1) > 0.015:  # its factor would be another's
        look.fact("the two are exchanged", abs(gamma - 0.75) < 6e-3 and your_factor == 1, judged=False)
        raise Enough
    look.number("the factor a round", your_factor, within=6e-3)


def pair(gamma: str, factor: str) -> str:
    return f"your_gamma, your_factor = {gamma}, {factor}"


TASK = Task(
    name="05-fastest",
    title="the fastest way home",
    section="10.3.2",
    minutes=10,
    statement="In the Dirac-GAN both players step **at once** with h = 0.5. (The table of R1 in section 8 is of players in turn.) "
    "Which γ of R1 settles fastest, and by which factor is the radius multiplied in a round then? Derive it, or search with "
    "`exact.DiracGAN(r1=gamma).modulus(0.5)`. Put both numbers into the cell, to two decimals. Then say why more R1 is slower.",
    answers=("your_gamma", "your_factor"),
    stub="your_gamma, your_factor = None, None",
    hints=(
        "One round multiplies by a 2×2 matrix. Which of its two eigenvalues decides how fast the radius shrinks?",
        "The eigenvalues of one round are 1 + h·(−γ/2 ± √(γ²/4 − ¼)).",
        "For γ below 1 the root is imaginary, above it is real. Where the two meet, both are 1 − h·γ/2.",
    ),
    solution=SOLUTION,
    why="Below γ = 1 the modulus squared is 1 − hγ + h²/4, which falls with γ. At γ = 1 both eigenvalues are 1 − h/2. Above, they "
    "part: one goes down, the other up towards 1, and the slower one decides. R1 so strong that D hardly reacts leaves G without "
    "anyone to learn from. (In turn the best γ is a little lower, 1 − h/4, and the factor the same.)",
    right="Both are right. Above this γ the slower of the two eigenvalues goes back up towards 1: D hardly reacts, and G has nobody "
    "to learn from.",
    observe=observe,
    ways=(pair("1", "0.75"), pair("torch.tensor(1.0)", "np.float64(1 - 0.5 / 2)")),
    setting="from chapter10 import exact\n",
    mistakes=(
        Mistake("in turn", pair("1 - 0.5 / 4", "0.75"),
                "That is the best γ for players in turn. Here both step at once, from where both are."),
        Mistake("continuous time", pair("1.0", "math.exp(-0.25)"),
                "The γ is right. That factor is e^(−h/2), of continuous time; a step of h = 0.5 shrinks a little more."),
        Mistake("the eigenvalue of the flow", pair("1.0", "-0.5"),
                "The γ is right. That is the eigenvalue λ of the flow. One round multiplies by 1 + h·λ."),
        Mistake("λ without the half", pair("1.0", "0.5"),
                "The γ is right. Your factor would come from λ = −γ, or is λ itself without its sign. It is −γ/2, and a round multiplies "
                "by 1 + h·λ."),
        Mistake("by how much less", pair("1.0", "0.25"),
                "The γ is right. That is the part by which the radius shrinks. The factor is what remains of it."),
        Mistake("the modulus squared", pair("1.0", "0.75**2"),
                "The γ is right. That is the modulus squared: take the root."),
        Mistake("no damping's factor", pair("1.0", "math.sqrt(1 + 0.5**2 / 4)"),
                "The γ is right. That factor is of the game without R1, which grows."),
        Mistake("one over the factor", pair("1.0", "1 / 0.75"),
                "The γ is right. That is one over the factor: the radius of the round before, in radii of now."),
        Mistake("the two exchanged", pair("0.75", "1.0"),
                "Are the two exchanged? The first is γ, the second the factor."),
        Mistake("another h", pair("1.0", "0.9"),
                "The γ is right. That factor is of h = 0.2, the step of section 8's table; here h is 0.5."),
        Mistake("γ/2 as γ", pair("0.5", "0.75"),
                "With γ = 0.5 the pair is still complex, and the radius shrinks more slowly. Is that γ/2? D's loss gets γ/2·ψ²."),
        Mistake("twice γ", pair("2.0", "0.75"),
                "With γ = 2 the two eigenvalues have parted, and the slower one decides. Where do they meet?"),
        Mistake("γ of the table", pair("0.3", "0.75"),
                "0.3 is a row of the section's table. Try others, between and beyond its rows."),
    ),
    situations=1,
)  # fmt: skip
