"""Notebook 10: how steep a clipped critic can be, and which clip makes it 1."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def steepest(hidden, layers, c):  # units a layer, hidden layers, the clip -> the largest slope of f
    return None


your_c = None  # so that steepest(128, 3, your_c) is 1
'''


def code(line: str, c: str = "128 ** (-3 / 4)") -> str:
    return f"def steepest(hidden, layers, c):\n    return {line}\n\n\nyour_c = {c}\n"


SOLUTION = code("hidden**layers * c ** (layers + 1)")

BY_A_LOOP = '''
def steepest(hidden, layers, c):
    slope = c  # of each unit of the first layer
    for _ in range(layers):
        slope = hidden * slope * c
    return slope


low, high = 0.0, 1.0
for _ in range(40):
    middle = (low + high) / 2
    low, high = (middle, high) if steepest(128, 3, middle) < 1 else (low, middle)
your_c = low
'''

BY_A_NETWORK = '''
def steepest(hidden, layers, c):
    sizes, net = [1, *[hidden] * layers, 1], nn.Sequential()
    for inputs, outputs in zip(sizes, sizes[1:]):
        net.append(nn.Linear(inputs, outputs, bias=False)).append(nn.ReLU())
        nn.init.constant_(net[-2].weight, c)
    return net(torch.tensor([2.0])) - net(torch.tensor([1.0]))


your_c = round(128 ** -0.75, 4)
'''


def observe(look, source, steepest, your_c):
    for hidden, layers, c in ((64, 1, 0.1), (5, 2, 0.3), (16, 3, 0.2)):
        found = look.call(steepest, hidden, layers, c)
        found = found.reshape(()) if isinstance(found, torch.Tensor) and found.numel() == 1 else found
        look.tensor(f"the slope with {layers} hidden layer{'s' * (layers > 1)} of {hidden} and c = {c}", found, shape=())
    look.number("your c", your_c, within=0.0006)


def miscounted(name: str, line: str, its_c: str, says: str) -> tuple[Mistake, ...]:
    """A wrong slope, with the right c, with none yet, and with the c that follows from it."""
    rests = {"": "128 ** (-3 / 4)", ", no c yet": "None", ", and its c": its_c}
    return tuple(Mistake(name + rest, code(line, c), says) for rest, c in rests.items())


TASK = Task(
    name="10-steepest",
    title="how steep is a clipped critic?",
    section="10.5.2",
    minutes=10,
    statement="A clipped critic is steepest where all its weights are c and all its ReLUs let through. Follow the slope: after the "
    "first layer each unit has a slope of c; each unit of the next sums H = `hidden` of those, each weighed with c. Write the slope "
    "of f for one input, `hidden` units a layer, `layers` hidden layers, clip c. Then: which c gives a critic with 3 layers of 128 "
    "a slope of exactly 1? (To three decimals.)",
    answers=("steepest", "your_c"),
    stub=STUB,
    hints=(
        "One hidden layer: H units, each of slope c, each weighed with c. What is the slope of their sum?",
        "Each further hidden layer multiplies the slope by the same number: it sums H units, each weighed with c.",
        "Count the matrices: one more than there are hidden layers. Count the sums: as many as hidden layers. For the c, solve "
        "128³·c⁴ = 1.",
    ),
    solution=SOLUTION,
    why="A slope of 1 with 3 layers of 128 needs c = 128^(−3/4) = 0.026. At the paper's 0.01 the same critic is at most 0.02 steep, "
    "at 0.1 as much as 210: with three hidden layers the bound grows with the fourth power of c.",
    right="The slope grows with the power layers + 1 of c: that is what makes c so hard to choose.",
    observe=observe,
    setting="from copy import deepcopy\nfrom chapter10 import exact, wgan\n",
    situations=1,
    ways=(BY_A_LOOP, BY_A_NETWORK),
    mistakes=(
        *miscounted("without H", "c ** (layers + 1)", "1.0",
                    "Each unit sums over all units of the layer before it: yours gives a slope {inverse:.0f} times too small. Where is H?"),
        *miscounted("one sum too many", "hidden ** (layers + 1) * c ** (layers + 1)", "1 / 128",
                    "Yours is {ratio:.0f} times too steep: count the sums and the matrices apart. There is one more matrix than there "
                    "are hidden layers; each hidden layer is summed over once."),
        *miscounted("one sum too few", "hidden ** (layers - 1) * c ** (layers + 1)", "128 ** (-1 / 2)",
                    "Yours is {inverse:.0f} times too flat: the score sums over the last hidden layer as well."),
        *miscounted("one sum and one matrix too few", "hidden ** (layers - 1) * c**layers", "128 ** (-2 / 3)",
                    "Yours ends at a unit of the last hidden layer. The score sums over H of those, each weighed with c once more."),
        *miscounted("one matrix too few", "hidden**layers * c**layers", "1 / 128",
                    "Yours is {ratio:.0f} times too steep: there is one more matrix than there are hidden layers, the last one, which "
                    "leads to the score."),
        *miscounted("sums added up", "hidden * layers * c ** (layers + 1)", "384 ** (-1 / 4)",
                    "Right for one hidden layer. With two each unit sums over H units, each of which has summed over H: the sums "
                    "multiply."),
        Mistake("c of two layers of 32", code("hidden**layers * c ** (layers + 1)", "32 ** (-2 / 3)"),
                "The slope is right. That c belongs to the critic of the live figure, two layers of 32: ask for 3 of 128."),
        Mistake("c = 1/128", code("hidden**layers * c ** (layers + 1)", "1 / 128"),
                "The slope is right. With c = 1/128 the three sums are made up for, but there are four matrices."),
        Mistake("the third root", code("hidden**layers * c ** (layers + 1)", "128 ** (-1 / 3)"),
                "The slope is right, the c is not: solve for the fourth power of c, and mind the third power of 128."),
        Mistake("the fourth root of 1/128", code("hidden**layers * c ** (layers + 1)", "128 ** (-1 / 4)"),
                "The slope is right. For the c you left out the power of 128: three sums of 128 each."),
        Mistake("only the slope", code("hidden**layers * c ** (layers + 1)", "None"),
                "The slope is right. The c is still missing."),
    ),
)  # fmt: skip
