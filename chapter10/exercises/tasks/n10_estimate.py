"""Notebook 10: what a critic's estimate may be compared with."""

from chapter10.exercises.task import choice

TASK = choice(
    name="10-estimate",
    title="two estimates",
    section="10.5.2",
    minutes=2,
    statement="Two friends train WGAN-GP on the same digits, with the same networks and as many steps; one with λ = 10, the other "
    "with λ = 1. The first one's estimate ends lower than the second's. Whose samples lie nearer to real digits?",
    options={
        "a": "The first's: both measure one distance, and a lower distance is a better one.",
        "b": "The second's: a higher estimate comes from a critic that has found out more.",
        "c": "Nobody's, as yet: each number is in the units of its own critic and its own λ.",
        "d": "Neither's: with both a discriminator is fooled, or the games would not have ended.",
    },
    right="c",
    reasons={
        "a": "They don't measure one distance. A penalty with a small λ is overdrawn more (part 5: the best slope is 1 + d/(2λ)), so "
        "the same samples get a higher number with λ = 1.",
        "b": "A higher estimate may come from a critic that sees more, from one that is steeper, or from samples that are farther "
        "away: one number does not say which.",
        "c": "Within one training the estimate follows the samples (part 6). Between two it also holds how steep each critic may be, "
        "its size and its steps: take a ruler that knows nothing of either game, such as the distance of part 6.",
        "d": "These games end when their steps are used up. And a critic is not fooled or not: it gives a distance, and the lower one "
        "may still be large.",
    },
    hints=(
        "What does part 5 say the best critic finds with a penalty: W, less or more? What does it depend on?",
        "At a distance d the best slope is 1 + d/(2λ). Put in both λ, for one and the same d.",
        "The last paragraph of part 6 says what the estimate is not.",
    ),
)
