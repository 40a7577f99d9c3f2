"""Notebook 12: what a model needs to interpolate between two given images."""

from chapter10.exercises.task import choice

TASK = choice(
    name="12-way-in",
    title="between two given pictures",
    section="10.4",
    minutes=2,
    statement="You have a GAN whose samples are sharp, and two photographs of digits, between which a film is to run. What comes first?",
    options={
        "a": "Draw two z from N(0, I), and decode points on the arc between them, since it keeps the length.",
        "b": "Lay the photographs over each other, and let the generator's sharpness remove the double image.",
        "c": "Give the GAN up: its latent space isn't continuous, so between two pictures there may be a jump.",
        "d": "Find a z for each photograph, by a search or an encoder trained for it, and see how near it gets.",
    },
    right="d",
    reasons={
        "a": "The arc is right, but its ends would be two other digits: a draw of z knows nothing of your photographs.",
        "b": "A mean of pixels is not made by the generator at all; it shows both pictures through each other.",
        "c": "A generator is a continuous function of z: its steps were as even as a decoder's (notebook 07).",
        "d": "What a GAN lacks is the way in. The error at the ends is what you must accept before the film begins.",
    },
    hints=(
        "Which of the two tasks of section 3 is this?",
        "The film begins and ends at given pictures. Which z make those?",
        "G goes from z to x; the encoder that a VAE has goes the other way.",
    ),
)
