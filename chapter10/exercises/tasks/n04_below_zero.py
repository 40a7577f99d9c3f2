"""Notebook 04: a loss below zero, a reading question."""

from chapter10.exercises.task import choice

TASK = choice(
    name="04-below-zero",
    title="a loss below zero",
    section="10.2.5",
    minutes=2,
    statement="A friend scales the images to mean 0 and standard deviation 1, as one does for classifiers, and trains the VAE of part 1 "
    "with `binary_cross_entropy_with_logits`. There is no error. The KL stays above 0, and the loss falls below zero and keeps falling. "
    "What has happened?",
    options={
        "a": "The model is very good: densities may lie above 1, so minus their logarithm may lie below 0.",
        "b": "The targets lie outside [0, 1]: there cross-entropy has no lowest value, and logits run away.",
        "c": "The sign of the KL is wrong: it is rewarded instead of paid, and the codes run to infinity.",
        "d": "The learning rate is too high: training diverges, and the loss happens to do so downwards.",
    },
    right="b",
    reasons={  # bugs.md 7
        "a": "That can be so for a density of grey levels, such as a Gaussian's. Cross-entropy is minus a log-probability of bits, and "
        "a probability is at most 1.",
        "b": "For a pixel with the target −0.4 the loss is log(1 + eˡ) + 0.4·l: it falls without end as the logit l goes to −∞. "
        "`binary_cross_entropy` refuses such targets, the one with logits takes them (and `vae.elbo` says what it found).",
        "c": "The KL stays above 0 and is added, as it should be. Which other term can pull the sum below zero?",
        "d": "Training that diverges makes the loss jump up. This one does what it is asked: it finds ever lower values. Of what?",
    },
    hints=(
        "The loss of one pixel with the target t and the logit l is log(1 + eˡ) − t·l. For t = 0 and t = 1, how low can it get?",
        "Images of mean 0 have pixels below 0. Put t = −0.4 into that formula, and let the logit go to −∞.",
        "Section 7.1 tries the chapter's loss on numbers outside [0, 1]: there an error stops it. With logits no error comes.",
    ),
)
