"""Notebook 04: what two latent dimensions change, a reading question that can be tried."""

from chapter10.exercises.task import choice

TASK = choice(
    name="04-two",
    title="change a number and explain",
    section="10.2.5",
    minutes=3,
    statement="Note down the test reconstruction and the KL of part 2 (`trained` holds them). Then bet: with `latent_dim=2` in part 1, and "
    "parts 1 and 2 run again, what becomes of the two terms? (If you try it, set the number back to 20 when you are done.)",
    options={
        "a": "The KL rises: two numbers must now carry all the nats that twenty carried before.",
        "b": "Both stay nearly as they were: most of the twenty dimensions were not used anyway.",
        "c": "The KL falls, the reconstruction stays: the same image costs less, and the ELBO rises.",
        "d": "The KL falls, and the reconstruction loses more nats than that: the ELBO falls as well.",
    },
    right="d",
    reasons={
        "a": "Two numbers could carry more nats each, but not without end: to be told apart, their codes would have to lie ever further "
        "out, where the KL grows with the square of the distance.",
        "b": "Part 5 counts the dimensions that are used: fewer than twenty, and more than two. The others are missed now.",
        "c": "The KL does fall, and that alone would raise the ELBO. But what pays for the reconstruction, if two numbers say less "
        "about a digit?",
        "d": "Two numbers say too little about a digit. The KL falls and gives some nats back, but fewer than the reconstruction loses.",
    },
    hints=(
        "What does a code have to say for a good reconstruction, and how many dimensions does part 5 find in use for it?",
        "Training drops a dimension that costs more than it earns. What does it mean for the ELBO that it kept more than two?",
        "The ELBO with twenty dimensions could have been reached with two by not using the others. Was it?",
    ),
)
