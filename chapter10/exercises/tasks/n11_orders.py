"""Notebook 11: how often a training ends in the right translation, if nothing tells the orders apart."""

from chapter10.exercises.task import Mistake, Task

TASK = Task(
    name="11-orders",
    title="three heaps",
    section="10.5.2",
    minutes=3,
    statement="In part 6.2 each domain had two heaps with as many points each. Let there be three, placed so that no loss and no "
    "network prefers one translation to another, and let each training bring whole heaps onto whole heaps, each onto one of its own. "
    "In what share of the trainings is every heap where it belongs? And in what share is *none*?",
    answers=("all_right", "none_right"),
    stub="all_right = None  # a share, from 0 to 1\nnone_right = None",
    hints=(
        "With two heaps there were two orders, and one of them was right. How many orders of three heaps are there?",
        "Write the orders down: to which heap of B go the first, the second and the third heap of A? No heap of B is taken twice.",
        "Six orders, all as likely. One is right. In how many of the six is no heap at its place?",
    ),
    solution="""
from itertools import permutations

orders = list(permutations(range(3)))
all_right = sum(order == (0, 1, 2) for order in orders) / len(orders)
none_right = sum(all(k != to for k, to in enumerate(order)) for order in orders) / len(orders)
""",
    why="Three heaps have 3! = 6 orders. One is right, three have a single heap right, two have none: with n heaps one in n! is "
    "right, and about one in e has none.",
    right="One of six orders is right; in two of six no heap is where it belongs, and the cycle closes in all six.",
    observe=lambda look, source, all_right, none_right: (
        look.number("the share with every heap right", all_right, within=0.004),
        look.number("the share with none right", none_right, within=0.004),
    ),
    situations=1,
    ways=("all_right = 1 / 6\nnone_right = 1 / 3\n", "all_right, none_right = 0.167, torch.tensor(0.333)\n"),
    mistakes=(
        Mistake("one heap by chance", "all_right = 1 / 3\nnone_right = 2 / 3",
                "A third is the chance of one heap by itself. All three must be right at once, and they can't share a place."),
        Mistake("not one to one", "all_right = 1 / 27\nnone_right = 8 / 27",
                "That lets two heaps of A go to one of B: then a heap of B stays empty, which its discriminator sees, and no way back "
                "leads to both."),
        Mistake("all but the right one", "all_right = 1 / 6\nnone_right = 5 / 6",
                "The first is right. Five of six orders are not all right, but in some of those one heap is where it belongs."),
        Mistake("a half as before", "all_right = 1 / 2\nnone_right = 1 / 2",
                "That is the answer for two heaps, where an order is either all right or all wrong."),
        Mistake("one of three turns", "all_right = 1 / 3\nnone_right = 1 / 3",
                "Three orders are turns of the whole, as on a ring. There are as many mirrored ones: two heaps may also change places "
                "while the third stays."),
        Mistake("only the first", "all_right = 1 / 6\nnone_right = None",
                "The first share is right. The second is still missing."),
        *(Mistake(f"in per cent, {digits} digits", f"all_right = {round(100 / 6, digits)}\nnone_right = {round(100 / 3, digits)}",
                  "The size is right, in per cent: give shares, from 0 to 1.") for digits in (0, 1)),
        Mistake("exchanged", "all_right = 1 / 3\nnone_right = 1 / 6",
                "Have the two changed places? Write the six orders down and count once more."),
        Mistake("in per cent", "all_right = 100 / 6\nnone_right = 100 / 3",
                "The size is right, in per cent: give shares, from 0 to 1."),
    ),
)  # fmt: skip
