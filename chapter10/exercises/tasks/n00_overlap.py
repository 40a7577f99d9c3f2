"""Notebook 00: no classifier is better than the overlap of the classes allows."""

import torch

from chapter10 import data
from chapter10.exercises.task import Mistake, Task

SETTING = """
from chapter10 import data
world = data.GaussianMixture(means=torch.tensor([[-1.5, 0.0], [1.5, 0.0], [0.0, 2.0]]), std=0.8)
"""

SOLUTION = """
def best_share(std):
    wider = data.GaussianMixture(world.means, std)
    points, classes = wider.sample(50_000, generator=torch.Generator().manual_seed(0))
    return (wider.log_prob_components(points).argmax(1) == classes).double().mean().item()


low, high = 0.8, 3.0  # too little overlap, too much
for _ in range(12):
    middle = (low + high) / 2
    low, high = (middle, high) if best_share(middle) > 0.8 else (low, middle)
your_std = middle
"""

BY_TRYING = """
tried = {}
for std in np.arange(0.8, 1.6, 0.02):
    points, classes = data.GaussianMixture(world.means, float(std)).sample(200_000)
    nearest = torch.cdist(points, world.means).argmin(1)  # the three are alike, so the nearest middle is the best answer
    tried[float(std)] = (nearest == classes).double().mean().item()
your_std = torch.tensor(min(tried, key=lambda std: abs(tried[std] - 0.8)))
"""


def observe(look, source, your_std):
    std = look.number("your standard deviation", your_std, within=1e9)
    usable = 0 < std < 100
    look.fact("a standard deviation lies above 0, and here well below 100", usable)
    if usable:
        wider = data.GaussianMixture(torch.tensor([[-1.5, 0.0], [1.5, 0.0], [0.0, 2.0]]), std)
        points, classes = wider.sample(100_000, generator=source)
        share = (wider.log_prob_components(points).argmax(1) == classes).double().mean()
        look.number("the share of points that the best classifier gets right", share, within=0.01)


TASK = Task(
    name="00-overlap",
    title="how much overlap?",
    section="10.1.1",
    minutes=5,
    statement="The best possible classifier of section 2 is right for about nine points in ten, because the classes overlap. For which "
    "standard deviation of the three Gaussians is it right for **80 %** of the points? Find it by trying, or by a loop, so that the "
    "share "
    "is met to within one percentage point.",
    answers=("your_std",),
    stub="your_std = None",
    setting=SETTING,
    hints=(
        "Does more overlap make the best classifier better or worse, and which way must the standard deviation go?",
        "Section 2 again with another std: a mixture with the same means, many points, and the true densities as the best classifier.",
        "A mixture from `data.GaussianMixture` has `sample` and `log_prob_components`; the argmax(1) of the latter is the best guess. "
        "Halve the "
        "interval until the share is met.",
    ),
    solution=SOLUTION,
    why="No model, however large, does better than this share: it is a property of the data.",
    right="With that much overlap four points in five is the most that any classifier can get right.",
    observe=observe,
    ways=(BY_TRYING, "your_std = 1.12"),
    mistakes=(
        Mistake("the variance", "your_std = 1.12**2",
                "The share comes out at {found}. Is your number the variance? The standard deviation is its root."),
        Mistake("the root once more", "your_std = 1.12**0.5",
                "The share comes out at {found}. Did you take a root? The mixture already takes a standard deviation, no variance."),
        Mistake("the old one", "your_std = 0.8",
                "That is the standard deviation that section 2 has, and the share comes out at {found}. More overlap is needed."),
        Mistake("80 % wrong", "your_std = 30.0",
                "Now the best classifier is right for {found} of the points, little better than a blind guess among three. "
                "80 % of them are to be right, not wrong."),
        Mistake("negative", "your_std = -1.12", "A standard deviation is a length: it lies above 0."),
    ),
    situations=1,
    points=1,
)  # fmt: skip
