"""Notebook 05: a sigmoid, then a loss that takes logits."""

from chapter10.exercises.task import Mistake, Task

SOLUTION = """
real = -F.logsigmoid(torch.tensor(1.0))  # the first sigmoid's highest output, taken for a logit
fake = -F.logsigmoid(-torch.tensor(0.0))  # and its lowest
your_floor = (real + fake).item()
"""


def observe(look, source, your_floor):
    look.number("the lowest value of the summed loss, in nats", your_floor, within=2e-3)


def value(code: str) -> str:
    return f"your_floor = {code}"


TASK = Task(
    name="05-floor",
    title="a sigmoid too many",
    section="10.3.3",
    minutes=5,
    statement="The chapter's D ends in a sigmoid, and its loss, `BCELoss`, takes probabilities. Swap the loss for "
    "`BCEWithLogitsLoss` and forget to take the sigmoid out: the training runs, without an error. What is the lowest value, in "
    "nats, that the summed loss of D (real plus fake) can then reach? Three decimals, or an expression that gives them.",
    answers=("your_floor",),
    stub="your_floor = None  # nats",
    hints=(
        "Between which two numbers does the output of a sigmoid lie, whatever the image?",
        "At best the first sigmoid says 1 for a real image and 0 for a fake. What does the loss make of these two, as logits?",
        "They now go into −log σ(1) for the real ones and −log(1 − σ(0)) for the fakes.",
    ),
    solution=SOLUTION,
    why="0.313 + 0.693 = 1.006. A loss of D that never falls below it, however easy the fakes, gives this bug away. The package's "
    "GANTraining refuses such a D.",
    right="That is it, with a D that is right every time: log(1 + e⁻¹) for the real ones and log 2 for the fakes.",
    observe=observe,
    ways=(
        value("1.006"),
        value("math.log(2) + math.log(1 + 1 / math.e)"),
        value("F.binary_cross_entropy_with_logits(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]), reduction='sum')"),
    ),
    mistakes=(  # bugs.md 17
        Mistake("the floor without the second sigmoid", value("0.0"),
                "That is the floor of a D without the second sigmoid. A sigmoid's output lies between 0 and 1, and is now taken for a "
                "logit."),
        Mistake("one half for all", value("2 * math.log(2)"),
                "That is D = ½ for all. This D can do better, but not by much."),
        Mistake("fakes at −1", value("2 * math.log1p(math.exp(-1))"),
                "For the real ones right. For the fakes the output would have to be −1, and a sigmoid's is never below 0."),
        Mistake("the real ones alone", value("math.log1p(math.exp(-1))"),
                "That is the part of the real ones. Add that of the fakes."),
        Mistake("the fakes alone", value("math.log(2)"),
                "That is the part of the fakes, whose output is 0 at best. Add that of the real ones."),
        Mistake("in bits", value("(math.log1p(math.exp(-1)) + math.log(2)) / math.log(2)"),
                "That is in bits: take the natural logarithm."),
        Mistake("the mean of the two", value("(math.log1p(math.exp(-1)) + math.log(2)) / 2"),
                "That is the mean of the two parts. The chapter's loss of D is their sum."),
        Mistake("fakes at 1", value("math.log1p(math.exp(-1)) + math.log1p(math.e)"),
                "For the real ones right. D gives the fakes its lowest output, not its highest: which number is that, of a sigmoid?"),
        Mistake("the outputs exchanged", value("math.log1p(math.e) + math.log(2)"),
                "That is a D that is wrong every time. At best it gives its highest output to the real ones, its lowest to the fakes."),
    ),
    situations=1,
    points=2,
)  # fmt: skip
