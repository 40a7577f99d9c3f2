"""Notebook 06: what follows from a generator's loss that has fallen."""

from chapter10.exercises.task import choice

TASK = choice(
    name="06-overnight",
    title="a loss that fell overnight",
    section="10.3.3",
    minutes=3,
    statement='A friend writes: "Overnight G\'s loss fell from 2.9 to 0.8. My samples must have become much better!" What follows '
    "from these two losses alone?",
    options={
        "a": "The samples have become better: fewer of them are found out than last evening.",
        "b": "The samples have become worse: D has stopped learning, so G has nobody to follow.",
        "c": "The game has come to its end: 0.8 is near log 2, and there q is the data's density.",
        "d": "Nothing about the samples: D may have become worse, or G better, or both at once.",
    },
    right="d",
    reasons={
        "a": "Fewer are found out by this D. In part 3.1 the generator stands still while its loss rises with its opponent, and it "
                "could fall "
        "the same way. What else may have changed overnight?",
        "b": "That may be so, but it does not follow: before the same D, a better generator has a lower loss as well. Is there anything "
                "that the "
        "two numbers rule out?",
        "c": "Before training both networks are near log 2 too (part 1), and a D that learns nothing stays there. A loss near log 2 says "
                "that D "
        "is unsure, and not why.",
        "d": "Right. D's losses, or better its share of right answers, say who is ahead; the distance of samples to real images says how "
                "good "
        "they are.",
    },
    hints=(
        "G's loss is −E[log D(G(z))]. Which things in it may have changed overnight?",
        "Part 3.1 holds one of the two networks still and lets the other learn. What does the loss do there?",
        "Look for a story with the same two losses and better samples, and for another with worse ones.",
    ),
)
