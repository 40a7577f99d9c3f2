"""Notebook 12: what a discriminator near one half says of the equilibrium."""

from chapter10.exercises.task import choice

TASK = choice(
    name="12-rest",
    title="a discriminator at one half",
    section="10.3.2",
    minutes=2,
    statement="Late in training D says about ½ to real digits and to fakes alike. What may you conclude?",
    options={
        "a": "The game is at its equilibrium: the generator's density has become that of the data.",
        "b": "This D can't tell them apart. Whether a better one could, you know only when you ask one.",
        "c": "Nothing pulls the generator any more, since its gradient is 0 where D says one half.",
        "d": "The discriminator has failed: at an equilibrium it would be right for real and for fake.",
    },
    right="b",
    reasons={
        "a": "The equilibrium asks for ½ of the *best* D. One that is too weak, or has stopped learning, says ½ of digits "
        "that it could tell apart.",
        "b": "At q = p the best D says ½, but so does a weak D at any q. The notebook trained a fresh one against the "
        "stored fakes, and it could tell.",
        "c": "G is pulled by the *slope* of D's logit at the fakes, not by its value: near ½ on average is not flat.",
        "d": "At the equilibrium nothing is left to be right about: the best answer to q = p is ½ everywhere.",
    },
    hints=(
        "Of which D does the theorem speak that puts D = ½ at q = p?",
        "A logit that is a straight line sees nothing of two densities with the same mean (notebook 05).",
        "What did a fresh discriminator find in section 2?",
    ),
)
