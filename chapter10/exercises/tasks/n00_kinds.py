"""Notebook 00: what p(y|x) cannot say."""

from chapter10.exercises.task import choice

TASK = choice(
    name="00-kinds",
    title="what the classifier can't know",
    section="10.1.1",
    minutes=2,
    statement="You are handed a perfect p(y|x): for every point x the true probability of each class, and nothing else. Which of "
    "these can you **not** find out from it, however long you compute?",
    options={
        "a": "Which class a new point x most probably belongs to.",
        "b": "How often your best guess is wrong at a given point x.",
        "c": "At which points x two classes are equally probable.",
        "d": "Whether points like x ever occur in the data at all.",
    },
    right="d",
    reasons={
        "a": "That is what p(y|x) is for: take its largest entry at x.",
        "b": "One minus the largest entry of p(y|x) is how often the best guess at x is wrong. You have that.",
        "c": "Look for the x at which two entries of p(y|x) are equal: those are the borders of section 2.",
        "d": "p(y|x) says which class, if there is a point at x. Whether there are any is p(x), and p(y|x) holds nothing of it. "
        "So it can neither draw a new point nor notice a strange one.",
    },
    hints=(
        "Which of the four is a question about x alone, without y?",
        "Write down what p(y|x) gives for one x: a row of numbers that add up to 1. Which of the four follow from such rows?",
        "Far out on the circle of section 4 the row is as clear as anywhere. What did it not say there?",
    ),
)
