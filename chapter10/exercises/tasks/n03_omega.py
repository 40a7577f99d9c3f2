"""Notebook 03: where the score function is the quieter one, a number."""

from chapter10.exercises.task import Mistake, Task

SOLUTION = '''
def ratio(w):  # pathwise variance over the score function's, at μ = 0 and σ = 1
    pathwise = w**2 * (1 - math.exp(-2 * w**2)) / 2  # of ω sin(ωε)
    score = (1 + (1 - 4 * w**2) * math.exp(-2 * w**2)) / 2  # of cos(ωε)·ε
    return pathwise / score

omega = next(w / 1000 for w in range(100, 10_000) if ratio(w / 1000) >= 10)
'''

BY_SAMPLING = '''
eps = torch.randn(500_000, generator=torch.Generator().manual_seed(0))
grid = np.linspace(2.9, 3.5, 61)
measured = [((w * torch.sin(w * eps)).var() / (torch.cos(w * eps) * eps).var()).item() for w in grid]
omega = grid[int(np.argmin(np.abs(np.log(np.array(measured) / 10))))]
'''


def observe(look, source, omega):
    look.number("your ω", omega, within=0.1)


TASK = Task(
    name="03-omega",
    title="when the other way wins",
    section="10.2.4",
    minutes=8,
    statement="The pathwise estimator isn't always the quiet one. Take f(z) = cos(ωz) at μ = 0 and σ = 1: one draw of the pathwise "
    "gradient is −ω·sin(ωε), one of the score function cos(ωε)·ε. The larger ω, the steeper f, and pathwise gradients are made of f′. "
    "From which ω > 0 on has the score function at most a tenth of the pathwise variance? Measure it, or work it out, to within 0.1.",
    answers=("omega",),
    setting="from torch.distributions import Normal\n",
    stub="omega = None",
    hints=(
        "Draw 200,000 ε and take `.var()` of both, for a few ω. Which of the two grows with ω, and how?",
        "For fast waves sin² averages to ½ whatever ε is, and so does cos², beside ε² with its mean of 1.",
        "So the variances are about ω²/2 and ½. What must ω² be?",
    ),
    solution=SOLUTION,
    why="The variances are about ω²/2 and ½, so the ratio is ω². Decoders are smooth on the scale of the encoder's σ, and that is why the "
    "pathwise estimator wins in VAEs; in a chaotic f (long simulations, say) it can lose (Parmas et al. 2018).",
    right="That is where the ratio, about ω², is ten.",
    observe=observe,
    ways=("omega = math.sqrt(10)", BY_SAMPLING),
    situations=1,
    mistakes=(
        Mistake("ω for ω²", "omega = 10.0",
                "At ω = 10 the ratio is a hundred: the standard deviation of ω·sin(ωε) grows like ω, and its variance faster."),
        Mistake("upside down", "omega = math.sqrt(0.1)",
                "Upside down: for so slow a wave the score function is the louder one."),
        Mistake("equal", "omega = 1.0",
                "Too early: near there the two have about the same variance."),
        Mistake("a half forgotten", "omega = math.sqrt(20)",
                "Too late: you took ω²/2 against 1. cos²(ωε)·ε² averages to ½ as well."),
        Mistake("half too much", "omega = math.sqrt(5)",
                "Too early: there the ratio is five. Both variances have a factor of ½."),
        Mistake("standard deviations", "omega = 100.0",
                "Much too late: that is where the *standard deviations* would be a hundred to one."),
    ),
)  # fmt: skip
