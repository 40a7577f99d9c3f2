"""Notebook 07: two Fréchet distances from unequal numbers of samples."""

import torch

from chapter10 import metrics
from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

PIXELS, FEATURES = 60, 24
REAL, MANY, FEW = 2400, 1200, 120

HEAD = "def my_fair(judge, real, first, second):  # [M, D], [N1, D], [N2, D] -> two distances\n"


STUB = f"""
{HEAD}    # as the colleague has it
    return tuple(metrics.frechet_classifier_distance(judge, real, fake).value for fake in (first, second))
"""

SOLUTION = HEAD + """\
    count = min(len(first), len(second))
    return tuple(metrics.frechet_classifier_distance(judge, real, fake[:count]).value for fake in (first, second))
"""

MEAN_OF_DRAWS = HEAD + """\
    count = min(len(first), len(second))

    def mean_of(fake):
        draws = [fake[torch.randperm(len(fake))[:count]] for _ in range(6)]
        return sum(metrics.frechet_classifier_distance(judge, real, part, draws=3).value for part in draws) / len(draws)

    return [mean_of(first), mean_of(second)]
"""

BY_FEATURES = HEAD + """\
    sets = [judge.features(x) for x in (real, first, second)]
    real, *fakes = (x[torch.randperm(len(x))] for x in sets)
    count = min(len(x) for x in fakes)
    splits = range(0, len(real) - count + 1, count)
    means = [np.mean([metrics.frechet_of_features(real[i : i + count], x[:count]) for i in splits]) for x in fakes]
    return torch.tensor(means)
"""


class Ruler:
    """In a classifier's place: features that are linear in the pixels."""

    name, accuracy, layer = "ruler", 1.0, "features"

    def __init__(self, source: torch.Generator) -> None:
        self.weights = torch.randn(PIXELS, FEATURES, generator=source)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return (images - 0.5) @ self.weights


def plain(result):
    """Two distances as numbers, whether as such or with what stands beside them."""
    if type(result) not in (tuple, list):
        return result
    return [getattr(value, "value", value) for value in result]


def observe(look, source, my_fair):
    ruler = Ruler(source)

    def images(count: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
        return (0.8 * scale * torch.randn(count, PIXELS, generator=source) + shift).sigmoid()

    real, good, bad = images(REAL), images(FEW), images(MANY, 0.15, 1.1)
    result = plain(look.call(my_fair, ruler, real, bad, good))
    if isinstance(result, metrics.FrechetClassifierDistance):
        look.missing("your two distances", "one distance alone")
    found = look.tensor("your two distances, of a worse model with many samples and a better one with few", result, shape=(2,), rtol=0.4)
    if not found.isfinite().all():
        raise Enough
    look.fact("the better model has the smaller distance, though it gives fewer samples", bool(found[1] < found[0]))
    look.fact("the first distance is that of all its samples", bool(found[0] < 0.6 * found[1]), judged=False)
    look.fact("the two are the same to the last digit", bool(found[0] == found[1]), judged=False)
    look.fact("a distance is below half of what real images score", bool(found.min() < 2), judged=False)
    turned = plain(look.call(my_fair, ruler, real, good, bad))
    look.tensor("the same two sets, the small one first", turned, shape=(2,), rtol=0.4)
    same = images(MANY, 0.1), images(3 * FEW, 0.1)  # another number: a fixed count would not do for both
    result = plain(look.call(my_fair, ruler, real, *same))
    look.tensor("many and fewer samples of the same model", result, shape=(2,), rtol=0.3)


TASK = Task(
    name="07-fair",
    title="find the fault in a comparison",
    section="10.4",
    minutes=15,
    statement="A colleague compares two generators by `metrics.frechet_classifier_distance` and reports that the second is worse. In the "
            "cell "
    "above, both sets of samples come from *the same* model. What is unfair? Mend `my_fair`: it returns two distances that can be "
    "compared, from the same arguments and with no fewer samples than needed.",
    answers=("my_fair",),
    stub=STUB,
    hints=(
        "Print the floor beside each value: `metrics.frechet_classifier_distance(...)` shows what real images score with as many "
        "samples.",
        "From few samples a mean and a covariance are known only roughly, and every error adds to the distance.",
        "The distance takes as many real images as there are samples. So only the numbers of samples have to be made equal: which one "
        "can be?",
    ),
    solution=SOLUTION,
    why="A distance from few samples is too large, even for real images. To subtract the floors doesn't mend it: the surplus depends on "
            "the "
    "samples as well. And a second unfairness needs no code: \"sharper\" without the value of real digits beside it.",
    right="Both from as many samples, and as many real images: what remains between two sets of the same model is chance.",
    unanswered="The fault is still in it: a distance from few samples is too large, even for real images.",
    observe=observe,
    ways=(MEAN_OF_DRAWS, BY_FEATURES, SOLUTION.replace(".value for", " for")),
    setting="from chapter10 import comparison, data, metrics\n",
    mistakes=(  # bugs.md 29
        Mistake("the floors taken off", HEAD + """\
    found = [metrics.frechet_classifier_distance(judge, real, fake) for fake in (first, second)]
    return tuple(one.value - one.floor for one in found)
""",
                "You took the floors off. That brings the two nearer, but the surplus of a small set is not the floor's: it depends on the "
                "samples as well. Compare equal numbers."),
        Mistake("in times of the floors", HEAD + """\
    found = [metrics.frechet_classifier_distance(judge, real, fake) for fake in (first, second)]
    return tuple(one.value / one.floor for one in found)
""",
                "You divided by the floors. A large set has a small floor, so its ratio is the larger one, whatever the model. Compare "
                "equal numbers."),
        Mistake("the few repeated", HEAD + """\
    count = max(len(first), len(second))
    first, second = (x.repeat(-(-count // len(x)), 1)[:count] for x in (first, second))
    return tuple(metrics.frechet_classifier_distance(judge, real, fake).value for fake in (first, second))
""",
                "You repeated the smaller set until it was as large. Copies bring nothing new: its covariance is as rough as before. "
                "Bring the larger one down."),
        Mistake("the small set twice", HEAD + """\
    few = min(first, second, key=len)
    value = metrics.frechet_classifier_distance(judge, real, few).value
    return value, value
""",
                "Both numbers are the same to the last digit: did you measure the same set twice?"),
        Mistake("fewer real images", HEAD + """\
    few = 2 * min(len(first), len(second))
    values = []
    for fake in (first, second):
        features = judge.features(real[:few])
        fake = judge.features(fake)
        values.append(metrics.frechet_distance(features.mean(0), features.T.cov(), fake.mean(0), fake.T.cov()))
    return tuple(values)
""",
                "You made the number of real images equal. The samples are still many on one side and few on the other, and that side's "
                "error is the one that differs."),
        Mistake("divided by the counts", HEAD + """\
    return tuple(metrics.frechet_classifier_distance(judge, real, fake).value / len(fake) for fake in (first, second))
""",
                "You divided by the number of samples. A distance is no sum over them: the surplus of a small set isn't undone so."),
        Mistake("fewer than there are", HEAD + """\
    count = min(len(first), len(second)) // 2
    return tuple(metrics.frechet_classifier_distance(judge, real, fake[:count]).value for fake in (first, second))
""",
                "These can be compared, and both are larger than need be: you took fewer samples than both sets have."),
        Mistake("a fixed number", HEAD + """\
    return tuple(metrics.frechet_classifier_distance(judge, real, fake[:100]).value for fake in (first, second))
""",
                "These can be compared, but a fixed number wastes samples where there are more, and fails where there are fewer. Let the "
                "two sets say how many."),
        Mistake("as many as the second has", HEAD + """\
    return tuple(metrics.frechet_classifier_distance(judge, real, fake[: len(second)]).value for fake in (first, second))
""",
                "Right where `second` is the smaller set. Where `first` is, the two numbers are as unequal as before."),
        Mistake("exchanged", HEAD + """\
    count = min(len(first), len(second))
    return tuple(metrics.frechet_classifier_distance(judge, real, fake[:count]).value for fake in (second, first))
""",
                "Equal numbers of samples, but the two distances are exchanged: that of `first` comes first."),
    ),
    seconds=20,
    situations=1,
    points=3,
)  # fmt: skip
