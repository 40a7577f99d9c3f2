"""Notebook 07: what follows from a sharpness."""

from chapter10.exercises.task import choice

TASK = choice(
    name="07-sharp",
    title="sharper than real",
    section="10.4",
    minutes=2,
    statement="A colleague's model draws digits that are 1.3 times as sharp as real ones, measured as in section 1; the VAE's "
            "probabilities are "
    "0.9 times as sharp. What follows for the colleague's model?",
    options={
        "a": "Its samples are the better ones: quality is sharpness, and it has more of it.",
        "b": "Its samples have something that real digits lack: edges too hard, grain or noise.",
        "c": "It has collapsed: it repeats a few training images, and these are the sharpest.",
        "d": "It must be a GAN: a VAE's pictures are blurrier than real digits in any form.",
    },
    right="b",
    reasons={
        "a": "Sharp is not near: uniform noise is sharper still. What a perfect model would get is 1, and 1.3 is farther from it than 0.9.",
        "b": "Right: a perfect model would be as sharp as real digits. More than that is a fault too, if another one; the distance says "
                "how "
        "much it costs.",
        "c": "Copies of training images would be as sharp as real digits, about 1. Sharpness looks at each picture alone and can't see a "
        "repetition.",
        "d": "Draws from a VAE, dots for ink, are sharper than real digits that were turned into dots in the same way. Only its "
        "probabilities are blurry.",
    },
    hints=(
        "What would a perfect model score?",
        "Section 1's table has a row whose pictures are sharper than all others. Are they the best?",
        "Sharpness is how fast the grey changes from pixel to pixel. What makes it change faster than in a real digit?",
    ),
)
