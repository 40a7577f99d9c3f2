"""Notebook 03: what becomes of a VAE whose sample is cut off, a reading question."""

from chapter10.exercises.task import choice

TASK = choice(
    name="03-cut-off",
    title="a bug without an error",
    section="10.2.4",
    minutes=2,
    statement="A friend's VAE draws `z = torch.normal(mu, torch.exp(0.5 * log_var))` and goes on as the chapter does. Training runs "
    "without an error, and the loss falls. What does the encoder learn?",
    options={
        "a": "What it should: z has the right distribution, and that is all that the gradient needs.",
        "b": "Nothing at all: its weights get no gradient, neither from the decoder nor from the KL.",
        "c": "To say nothing: only the KL moves its weights, and the KL pulls all codes to the prior.",
        "d": "What it should, but slowly: the gradient is right on average and has more noise in it.",
    },
    right="c",
    reasons={
        "a": "The distribution is right, and the gradient is not: section 1 shows 0 where −2 is true. The gradient must know how z "
        "moves with mu.",
        "b": "The KL is computed from mu and log_var, not from z: it does reach the encoder. Which way does it pull?",
        "c": "The reconstruction reaches the decoder and stops at z; the KL still reaches the encoder and is lowest at the prior. "
        "Section 6 trains such a model: its KL goes to 0.",
        "d": "That would be the score function. Here the gradient of the reconstruction is exactly 0 in each draw: no average "
        "of such draws is right.",
    },
    hints=(
        "Which of the two terms of the loss reach the encoder's weights when z is a constant?",
        "The KL is a formula in mu and log_var, without z. Where is it lowest?",
        "Look at the red curve in section 6, and at the KL in the table below it.",
    ),
)
