"""Notebook 05: what follows from a discriminator that says one half everywhere."""

from chapter10.exercises.task import choice

TASK = choice(
    name="05-equilibrium",
    title="one half, everywhere",
    section="10.3.2",
    minutes=2,
    statement="A friend's D gives about ½ to every image, real or fake, and V is −log 4 to three digits. What follows from these "
    "two observations?",
    options={
        "a": "q = p: the best discriminator says ½ everywhere only there, as section 1 has it.",
        "b": "The players are in equilibrium: neither gains by moving alone, as section 7 has it.",
        "c": "Nothing about q yet: first it must be known that no better D exists for these fakes.",
        "d": "The generator has collapsed: with its fakes at one mode D can't tell them apart.",
    },
    right="c",
    reasons={
        "a": "That holds for the best D, the one that no other beats. A weak one, or one that learns nothing, says ½ as well: the "
        "straight line of section 3 does, and there q is not p.",
        "b": "At an equilibrium D would be ½, but the reverse does not hold: D can still gain wherever p and q differ, if it is given "
        "the weights or the steps to see it.",
        "c": "Right: D = ½ speaks of the fakes only if D is near the best. Train a fresh, stronger D against them, and look again.",
        "d": "Fakes at a single mode are easy to tell from data that have several: a good D would be far from ½ nearly everywhere.",
    },
    hints=(
        "Which of the discriminators of section 3 says ½ although p and q differ?",
        "The theorem is of D*, the best of all functions. Which D has your friend?",
        "V(D*) = −log 4 + 2·JSD is the highest V. What can be said of the JSD from a V that is lower, or may be?",
    ),
)
