"""Notebook 02: what a rising ELBO says."""

from chapter10.exercises.task import choice

TASK = choice(
    name="02-rise",
    title="the ELBO rose",
    section="10.2.3",
    minutes=2,
    statement="Between two evaluations of a VAE on the same test images its ELBO rose by 3 nats an image. In between, encoder and "
    "decoder were "
    "both trained. What do you know?",
    options={
        "a": "log p(x) rose by 3 nats an image: the gap belongs to the kind of q, and stays as it is.",
        "b": "The gap fell by 3 nats an image: log p(x) belongs to the data, and stays as it is.",
        "c": "log p(x) rose by 3 nats an image or more: a lower bound can't rise by more than what it bounds.",
        "d": "What log p(x) rose by and what the gap fell by add up to 3 nats an image; no more than that.",
    },
    right="d",
    reasons={
        "a": "The gap is KL(q‖p(z|x)). It changes with the encoder, which makes q, and with the decoder, which makes the posterior. "
        "Section 5 "
        "removes most of it without touching the model.",
        "b": "log p(x) is what the model says of the data: it changes whenever the decoder does. Only for a fixed decoder would you "
        "be right.",
        "c": "A bound may rise because it becomes tighter, up to the size of the gap, without log p(x) moving at all.",
        "d": "log p(x) = ELBO + gap, before and after. The decoder may have become better, or q closer to the posterior; log p(x) may "
        "even have "
        "fallen. To tell them apart you need log p(x) or the gap itself, as in sections 4 and 5.",
    },
    hints=(
        "Write log p(x) = ELBO + gap for both evaluations, and subtract.",
        "Which of the three numbers change when the decoder changes, and which when the encoder does?",
        "Section 2, the sentences below the two claims.",
    ),
)
