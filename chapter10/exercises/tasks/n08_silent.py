"""Notebook 08: how many latent dimensions the best linear VAE leaves silent."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_silent(values, latent_dim, noise_std, beta):  # λ [D], largest first; L; s; β -> a whole number
    return None
'''

SOLUTION = '''
def my_silent(values, latent_dim, noise_std, beta):
    return int((values[:latent_dim] <= beta * noise_std**2).sum())
'''

BY_LENGTHS = '''
def my_silent(values, latent_dim, noise_std, beta):
    lengths = torch.clamp(values - beta * noise_std**2, min=0)[:latent_dim]
    return torch.count_nonzero(lengths == 0)
'''

ONE_BY_ONE = '''
def my_silent(eigenvalues, n, s, b):
    used = 0
    for value in eigenvalues.tolist()[:n]:
        if value / b > s * s:
            used += 1
    return min(n, len(eigenvalues)) - used
'''


def observe(look, source, my_silent):
    fixed = torch.tensor([8.0, 5.0, 3.0, 2.0, 1.0, 0.6, 0.3, 0.1, 0.05], dtype=torch.float64)
    drawn = (4 * torch.rand(12, generator=source, dtype=torch.float64)).sort(descending=True).values
    for values, latent, what in ((fixed, 6, "λ = 8, 5, 3, 2, 1, 0.6, 0.3, 0.1, 0.05 and L = 6"), (drawn, 7, "twelve random λ and L = 7")):
        for noise_std in (1.0, 0.5, 1.3, 2.0):
            for beta in (1.0, 0.5, 3.0):
                count = look.call(my_silent, values, latent, noise_std, beta)
                look.tensor(f"the count for s = {noise_std:g}, β = {beta:g}, {what}", count, shape=())


def wrong(line: str) -> str:
    return f"def my_silent(values, latent_dim, noise_std, beta):\n    return {line}\n"


TASK = Task(
    name="08-silent",
    title="how many will be silent?",
    section="10.5.1",
    minutes=10,
    statement="Write the number of latent dimensions that the best linear VAE of section 6 leaves unused, from the variances λ of the data "
    "along their principal directions, the number L of latent dimensions, the noise s and β. Do it without `exact`.",
    answers=("my_silent",),
    stub=STUB,
    hints=(
        "When is max(0, λ − β·s²) zero?",
        "Only the first L eigenvalues have a latent dimension, so only those are counted.",
        "Compare `values[:latent_dim]` with β·s², and let .sum() count where it is not larger.",
    ),
    solution=SOLUTION,
    why="A dimension is used where the data vary by more than β times the noise's variance. At equality its column has length 0 as well.",
    right="The count agrees, at λ = β·s² too. So β and s² do the same: doubling one silences what doubling the other does.",
    observe=observe,
    ways=(BY_LENGTHS, ONE_BY_ONE),
    mistakes=(
        Mistake("the used ones", wrong("(values[:latent_dim] > beta * noise_std**2).sum()"),
                "That counts the dimensions that are used; the others are wanted."),
        Mistake("all directions", wrong("(values <= beta * noise_std**2).sum()"),
                "You count along all directions of the data. The model has only L dimensions; the others are not its own to leave unused."),
        Mistake("equality", wrong("(values[:latent_dim] < beta * noise_std**2).sum()"),
                "Almost: at λ = β·s² the length of the column is 0, so that dimension is silent too."),
        Mistake("s for s²", wrong("(values[:latent_dim] <= beta * noise_std).sum()"),
                "λ is a variance, s a standard deviation: square it."),
        Mistake("no β", wrong("(values[:latent_dim] <= noise_std**2).sum()"),
                "β has no say in your answer."),
        Mistake("s² / β", wrong("(values[:latent_dim] <= noise_std**2 / beta).sum()"),
                "A dearer KL silences more dimensions, not fewer: β multiplies."),
        Mistake("β² s², or the roots of λ and s alone", wrong("(values[:latent_dim].sqrt() <= beta * noise_std).sum()"),
                "β enters once, not squared: divide the objective by β, and the noise's variance becomes β·s². "
                "(If you compare roots, β needs one as well.)"),
        Mistake("a mask", wrong("values[:latent_dim] <= beta * noise_std**2"),
                "Which dimensions are silent is right; asked is how many: a mask is not yet a count."),
        Mistake("below 0", wrong("latent_dim - (values > beta * noise_std**2).sum()"),
                "Where more than L directions vary enough, yours falls below 0. A dimension can serve one direction only, so at most L "
                "are used."),
        Mistake("a share", wrong("(values[:latent_dim] <= beta * noise_std**2).double().mean()"),
                "That is the share of the dimensions that are silent; their number was asked."),
        Mistake("the last L", wrong("(values[-latent_dim:] <= beta * noise_std**2).sum()"),
                "You took the L smallest variances. The best code has the L largest."),
    ),
)  # fmt: skip
