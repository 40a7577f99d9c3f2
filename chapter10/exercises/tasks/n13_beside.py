"""Notebook 13: which two numbers may stand beside each other."""

from chapter10.exercises.task import choice

TASK = choice(
    name="13-beside",
    title="better than the paper?",
    section="10.2.3",
    minutes=2,
    statement="A friend trains a small VAE on MNIST for five minutes. Every pixel was made black or white beforehand by a cut at ½, in "
    "training and in test. With 5,000 samples it has −log p(x) = 77 nats, and the paper's had 86.8 after days. What do you tell "
    "your friend?",
    options={
        "a": "Congratulations: fewer nats is the better model, and this is ten nats.",
        "b": "5,000 samples are too few: the bound is loose, so the true number is higher than 77.",
        "c": "The two numbers are of different data, so neither model is shown to be better.",
        "d": "The five minutes explain it: the paper's model was trained too long, and fits the training images only.",
    },
    right="c",
    reasons={
        "a": "Fewer nats *on the same data*. Part 1 tests one model on three versions of the test images: they differ by more than ten "
        "nats, and the model is the same.",
        "b": "The bound lies below log p(x), so −log p(x) is at most what was measured: with more samples it could only fall.",
        "c": "A cut at ½ takes away the noise of the grey pixels at a stroke's edge, which every model must pay for when pixels are "
        "drawn. Part 1 measures what it is worth for one model: more than ten nats.",
        "d": "Then the paper's test images would cost more than its training images do; nothing here says so, and more would still "
        "differ than the model.",
    },
    hints=(
        "What has to be the same for two numbers in nats to be compared?",
        "Think of a pixel of grey level ½. What does it cost the best model, drawn anew each time? And what after a cut?",
        "The table of part 1 tests one and the same model on three versions of the test images.",
    ),
)
