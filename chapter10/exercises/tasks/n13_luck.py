"""Notebook 13: how far the best of several seeds lies above the middle one, by luck alone."""

from chapter10.exercises.task import Mistake, Task

STUB = """
def luck(seeds):  # how many runs -> by how many standard deviations the best lies above the mean, on average
    return None
"""

SOLUTION = """
def luck(seeds):
    source = torch.Generator().manual_seed(0)
    runs = torch.randn(40_000, seeds, generator=source)
    return runs.max(1).values.mean()
"""

BY_THE_INTEGRAL = """
def luck(n):
    x = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0)
    density = n * normal.cdf(x) ** (n - 1) * normal.log_prob(x).exp()
    return torch.trapezoid(x * density, x)
"""

IN_NUMPY = """
def luck(seeds):
    runs = np.random.default_rng(3).standard_normal((40000, seeds))
    return float(np.mean(runs.max(axis=1)))
"""


FIXED = "generator=torch.Generator().manual_seed(4)"


def observe(look, source, luck):
    for seeds in (1, 2, 10, 30):
        found = look.call(luck, seeds)
        look.number(f"for {seeds} seed{'s' if seeds > 1 else ''}, in standard deviations", found, within=0.05)


def wrong(line: str, before: str = "runs = torch.randn(40_000, seeds)") -> str:
    return f"def luck(seeds):\n    {before}\n    return {line}\n"


TASK = Task(
    name="13-luck",
    title="the best of ten",
    section="10.4",
    minutes=10,
    statement="A paper gives the best of its ten seeds, you give the mean of yours. Suppose that the results of a method's runs are "
    "normally distributed. By how many standard deviations does the best of so many runs lie above the mean, on average, by luck alone? "
    "Simulate it some ten thousand times, or integrate; to within 0.05.",
    answers=("luck",),
    stub=STUB,
    hints=(
        "What is the answer for one seed? And for two: above or below a half?",
        "Draw ten normal numbers and keep the largest; do it often, and average.",
        "A tensor of shape [times, seeds] from `torch.randn`, with a few ten thousand times; which axis does the maximum go over, and "
        "which the mean?",
    ),
    solution=SOLUTION,
    why="With ten seeds the best lies one and a half standard deviations above the mean: two methods that are equally good look different, "
    "if one is told by its best run. More seeds make the best better, and the method not.",
    right="So much is luck: half a standard deviation with two seeds, one and a half with ten, two with thirty.",
    observe=observe,
    ways=(BY_THE_INTEGRAL, IN_NUMPY),
    mistakes=(
        Mistake("the whole experiment once", wrong("runs.max()", f"runs = torch.randn(seeds, {FIXED})"),
                "That is one experiment: the next one gives another number. Do it some ten thousand times, and average."),
        Mistake("the best of everything", wrong("runs.max()", f"runs = torch.randn(40_000, seeds, {FIXED})"),
                "That is the best of all runs of all experiments. First the best of each experiment, then the mean over them."),
        Mistake("the wrong axis", wrong("runs.max(0).values.mean()", f"runs = torch.randn(40_000, seeds, {FIXED})"),
                "The maximum goes over the experiments, and the mean over the seeds: the other way round is wanted."),
        Mistake("the spread from worst to best", wrong("(runs.max(1).values - runs.min(1).values).mean()"),
                "That is how far the best lies above the worst. Above the mean is wanted: about half of it."),
        Mistake("uniform numbers", wrong("runs.max(1).values.mean()", "runs = torch.rand(40_000, seeds)"),
                "Those runs are drawn with `rand`, uniform from 0 to 1. Normal ones come from `randn`."),
        Mistake("above the runs' own mean, in their own spread", wrong("((runs.max(1).values - runs.mean(1)) / runs.std(1)).mean()",
                "runs = torch.randn(40_000, max(seeds, 2))"),
                "You measure with each experiment's own mean and spread, from so few runs. In the method's true ones the first number "
                "is 0."),
        Mistake("the square root of the seeds", "def luck(seeds):\n    return seeds**0.5\n",
                "It grows more slowly than a root: the hundredth seed hardly ever beats the other ninety-nine."),
        Mistake("the quantile", wrong("torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - 1 / seeds))", "pass"),
                "That is the value that one run in so many passes. The best of a set is another number: simulate it."),
        Mistake("the error of the mean", "def luck(seeds):\n    return 1 / seeds**0.5\n",
                "That is how far the *mean* of so many runs is off, and it falls. The best of them rises."),
    ),
)  # fmt: skip
