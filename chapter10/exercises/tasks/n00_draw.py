"""Notebook 00: a sample of a Gaussian with a covariance."""

import torch

from chapter10.exercises.task import Mistake, Task

N = 40_000
STUB = """
def my_sample(mu, sigma, n):  # [2], [2, 2] -> [n, 2]
    return None
"""

SOLUTION = """
def my_sample(mu, sigma, n):
    return mu + torch.randn(n, 2) @ torch.linalg.cholesky(sigma).T
"""

BY_EIGENVECTORS = """
def my_sample(mean, covariance, count):
    lengths, directions = torch.linalg.eigh(covariance)
    noise = torch.randn(count, 2) * lengths.sqrt()
    return noise @ directions.T + mean
"""

BY_COLUMNS = """
def my_sample(mu, sigma, n):
    points = torch.linalg.cholesky(sigma) @ torch.randn(2, n)
    points += mu[:, None]
    return points.T
"""

ONE_AFTER_THE_OTHER = """
def my_sample(mu, sigma, n):
    (a, b), (_, c) = sigma.tolist()
    first = np.random.default_rng().normal(float(mu[0]), a**0.5, n)
    second = float(mu[1]) + b / a * (first - float(mu[0])) + (c - b * b / a) ** 0.5 * np.random.default_rng().normal(size=n)
    return np.stack([first, second], 1)
"""


def observe(look, source, my_sample):
    mu = torch.tensor([1.0, -2.0]) + torch.rand(2, generator=source)
    sigma = torch.tensor([[2.0, 1.1], [1.1, 0.9]]) + 0.3 * torch.rand(1, generator=source) * torch.eye(2)
    points = look.tensor("a few points", look.call(my_sample, mu, sigma, 3), shape=(3, 2), atol=1e9)
    points = torch.as_tensor(my_sample(mu, sigma, N)).float()
    look.fact("the points of one sample differ from each other", len(points.unique(dim=0)) > N / 2)
    look.tensor(f"the mean of {N:,} points", points.mean(0), shape=(2,), rtol=0, atol=0.07)  # 5 sigma and more
    look.tensor(f"the covariance of {N:,} points", points.T.cov(), shape=(2, 2), rtol=0, atol=0.12)
    distance = torch.linalg.solve_triangular(torch.linalg.cholesky(sigma), (points - mu).T, upper=False).norm(dim=0)
    within = (distance < 1).double().mean()
    look.tensor("the share of points within one standard deviation of the middle", within, rtol=0, atol=0.02)
    look.fact("two calls give two samples", not torch.equal(points, torch.as_tensor(my_sample(mu, sigma, N)).float()))


def wrong(line: str) -> str:
    return f"def my_sample(mu, sigma, n):\n    return {line}\n"


TASK = Task(
    name="00-draw",
    title="draw from one Gaussian",
    section="10.1.1",
    minutes=8,
    statement="Draw n points from the Gaussian of one class: mean `mu` [2], covariance `sigma` [2, 2]. Make them from "
    "`torch.randn`: a ready-made sampler would pass the check, and teach you nothing. Then compare the sample's own mean and "
    "covariance with what went in.",
    answers=("my_sample",),
    stub=STUB,
    hints=(
        "In one dimension, how do you make a point with mean μ and variance σ² from standard normal noise? Is it σ or σ² that "
        "multiplies?",
        "x = μ + σ ε. For a matrix, the part of σ is played by a matrix A with A Aᵀ = Σ, a root of the covariance.",
        "`torch.linalg.cholesky(sigma)` is such an A. It multiplies columns of noise from the left; your points stand in rows.",
    ),
    solution=SOLUTION,
    why="In a VAE the same slip reads σ = exp(log σ²): the spread is then the variance, not its root.",
    right="Mean, covariance and shape are those that went in.",
    observe=observe,
    ways=(BY_EIGENVECTORS, BY_COLUMNS, ONE_AFTER_THE_OTHER),
    mistakes=(
        # bugs.md 5, for a matrix
        Mistake("the covariance for its root", wrong("mu + torch.randn(n, 2) @ sigma"),
                "The variance of x₁ comes out at {found}, asked was {expected}: you multiply the noise by Σ as if it were its own root. "
                "Multiply by an A with A Aᵀ = Σ."),
        Mistake("the other side", wrong("mu + torch.randn(n, 2) @ torch.linalg.cholesky(sigma)"),
                "The noise comes out with covariance Aᵀ A, not A Aᵀ: your points are rows, and A stands on the wrong side for them."),
        Mistake("no covariance", wrong("mu + torch.randn(n, 2)"),
                "The spread is 1 in all directions: Σ isn't used."),
        Mistake("the diagonal alone", wrong("mu + torch.randn(n, 2) * sigma.diag().sqrt()"),
                "Each coordinate has its own spread, but they no longer go together: the root of a matrix is not the roots of its "
                "diagonal."),
        Mistake("the diagonal as it is", wrong("mu + torch.randn(n, 2) * sigma.diag()"),
                "You multiply each coordinate by its variance. A standard deviation is its root; and the two coordinates must go "
                "together."),
        Mistake("the root of each entry", wrong("mu + torch.randn(n, 2) @ sigma.sqrt()"),
                "You took the root of each entry. A must satisfy A Aᵀ = Σ, as a matrix."),
        Mistake("one noise for both", wrong("mu + (torch.randn(n, 1) @ torch.ones(1, 2)) @ torch.linalg.cholesky(sigma).T"),
                "All points lie on one line: both coordinates got the same noise. Draw two numbers for each point."),
        Mistake("one noise for both, with its own spread", wrong("mu + torch.randn(n, 1) * sigma.diag().sqrt()"),
                "Each coordinate has its own spread, but all points lie on one line: both got the same noise. Draw two numbers for "
                "each point."),
        Mistake("one noise for all points", wrong("(mu + torch.linalg.cholesky(sigma) @ torch.randn(2)).repeat(n, 1)"),
                "All points are one and the same: the noise is drawn once. Draw it for each point."),
        Mistake("no mean", wrong("torch.randn(n, 2) @ torch.linalg.cholesky(sigma).T"),
                "The mean comes out near 0, at {found} in x₁, where {expected} was asked for: add mu."),
        Mistake("uniform noise", wrong("mu + torch.rand(n, 2) @ torch.linalg.cholesky(sigma).T"),
                "The mean has moved: torch.rand draws evenly between 0 and 1, torch.randn draws the standard normal."),
        Mistake("one sample for ever", "def my_sample(mu, sigma, n):\n    torch.manual_seed(0)\n"
                "    return mu + torch.randn(n, 2) @ torch.linalg.cholesky(sigma).T\n",
                "A fine sample, and each call gives the same one: the seed belongs at the top of a page, not into a sampler."),
    ),
)  # fmt: skip
