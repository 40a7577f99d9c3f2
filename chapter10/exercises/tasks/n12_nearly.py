"""Notebook 12: the value of the game where generator and data overlap in part."""

from chapter10.exercises.task import Mistake, Task

SOLUTION = """
overlap = 0.75  # where both densities are 1, D* = 1/2; elsewhere D* is 1 (only data) or 0 (only fakes), and costs nothing
your_value = overlap * math.log(1 / 2) + overlap * math.log(1 - 1 / 2)
"""

BY_THE_DIVERGENCE = """
jsd = 0.25 * math.log(2)  # the quarter of each that stands alone
your_value = 2 * jsd - math.log(4)
"""

ON_A_GRID = """
x = (np.arange(5_000) + 0.5) / 4_000  # 0 to 1.25
p, q = (x < 1) * 1.0, (x > 0.25) * 1.0
best = p / (p + q)
with np.errstate(divide="ignore", invalid="ignore"):
    your_value = np.nansum(p * np.log(best) + np.where(q > 0, q * np.log(1 - best), 0)) / 4_000
"""

SIGMOID_TOO_MANY = """
def log_d(output):  # of a sigmoid's output, taken for a logit
    return -math.log(1 + math.exp(-output))
def log_not(output):
    return -math.log(1 + math.exp(output))
your_value = 0.25 * log_d(1) + 0.75 * log_d(0.5) + 0.75 * log_not(0.5) + 0.25 * log_not(0)
"""


def observe(look, source, your_value):
    look.number("your value", your_value, within=2e-3)


TASK = Task(
    name="12-nearly",
    title="nearly the data",
    section="10.3.2",
    minutes=5,
    statement="The data are uniform on [0, 1]; the generator is nearly there, and uniform on [¼, 1¼]. What is V(D*, G), "
              "in nats, against the best "
    "discriminator? Three decimals.",
    answers=("your_value",),
    stub="your_value = None  # nats",
    hints=(
        "What is D* on [0, ¼], on [¼, 1] and on [1, 1¼]?",
        "V is E over the data of log D*, and E over the fakes of log(1 − D*). Only where D* is neither 0 nor 1 does it cost anything.",
        "Both densities are 1, so each expectation is ¾ of one logarithm.",
    ),
    solution=SOLUTION,
    why="D* is ½ on the common three quarters and sure elsewhere: V = 2·¾·log ½ = 2·JSD − log 4, with JSD = ¼ log 2.",
    right="D* is ½ where both have mass and sure elsewhere, and the value lies between −log 4, for q = p, and 0, for nothing in common.",
    observe=observe,
    ways=(BY_THE_DIVERGENCE, ON_A_GRID, "your_value = -1.04"),
    mistakes=(
        Mistake("as if q were p", "your_value = -math.log(4)",
                "That is −log 4, the lowest value there is: of a q that has become p. Here D can tell some of them."),
        Mistake("as if nothing were common", "your_value = 0.0",
                "0 is for densities without common ground, where D* is always right. Three quarters of each are common."),
        Mistake("log ½", "your_value = math.log(1 / 2)",
                "That is log ½. At q = p V is a sum of two of these, and here each of the two counts by less than one."),
        Mistake("one expectation", "your_value = 0.75 * math.log(1 / 2)",
                "That is E[log D*] over the data alone. Where is that of log(1 − D*) over the fakes?"),
        Mistake("the quarter for the overlap", "your_value = 2 * 0.25 * math.log(1 / 2)",
                "That is what a quarter in common would cost (or 2·JSD less log 2, where log 4 belongs). A quarter stands "
                "*alone*, and costs nothing."),
        Mistake("sign", "your_value = -1.5 * math.log(1 / 2)",
                "That is D's loss, minus V. V itself is never above 0: it is a sum of logarithms of probabilities."),
        Mistake("the divergence", "your_value = 0.25 * math.log(2)", "That is JSD(p, q). V(D*, G) is 2·JSD − log 4.", section="10.3.2"),
        Mistake("the divergence once", "your_value = 0.25 * math.log(2) - math.log(4)",
                "You took JSD(p, q) once. V(D*, G) is 2·JSD − log 4."),
        Mistake("the divergence taken off", "your_value = -0.5 * math.log(2) - math.log(4)",
                "That is below −log 4, and there V(D*, G) never goes: 2·JSD is to be added, not taken off."),
        Mistake("twice the divergence", "your_value = 0.5 * math.log(2)", "That is 2·JSD(p, q): log 4 is still to be taken off."),
        Mistake("in bits", "your_value = -1.5", "That is in bits: take the natural logarithm."),
        Mistake("a sigmoid too many", SIGMOID_TOO_MANY,  # bugs.md 17
                "That is the value with a sigmoid too many: D's probability went through another one. D* is a probability already."),
    ),
    situations=1,
)  # fmt: skip
