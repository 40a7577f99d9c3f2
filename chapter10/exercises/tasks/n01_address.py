"""Notebook 01: what the KL term buys."""

from chapter10.exercises.task import choice

TASK = choice(
    name="01-address",
    title="what did the KL term buy?",
    section="10.2.2",
    minutes=2,
    statement="With 2 latent dimensions the plain autoencoder's draws from N(0, I) were accepted about as often as the VAE's, with 20 "
    "less "
    "often. Which explanation fits what sections 3 and 4 measured?",
    options={
        "a": "With 20 dimensions the autoencoder's decoder is overtrained: it can draw nothing but its training images.",
        "b": "The KL term puts the VAE's codes where N(0, I) draws; the more room there is, the surer draws miss other codes.",
        "c": "The autoencoder's decoder jumps between neighbouring codes, and in 20 dimensions it has more places to jump at.",
        "d": "With 20 dimensions the VAE's networks are larger, so that it also draws sharper digits and is accepted more often.",
    },
    right="b",
    reasons={
        "a": "It draws unseen test images well from their own codes: section 1 measured that, and the last table of section 4 shows "
        "how many of "
        "them are accepted. What fails is a decoder that is handed a code from elsewhere.",
        "b": "With 2 dimensions a circle of radius 2.4 can hardly miss the codes. With 20 nearly all draws lie beside the "
        "autoencoder's, in a "
        "shell of another radius, while the VAE's codes fill the very shell that is drawn from.",
        "c": "Both decoders are continuous: no picture jumps. Section 5 decodes the points halfway between two codes, and there the "
        "autoencoder is nearly as good as the VAE.",
        "d": "Both have the same networks, training images and steps, with 2 dimensions and with 20; and the VAE reconstructs worse.",
    },
    hints=(
        "Which of the four could you check in a picture or a table of this page?",
        "Look at the histograms of |z| for L = 2 and for L = 20. Where are the draws, and where the codes?",
        "A decoder knows what to draw near the codes that it was trained on. So what matters is how far from them a draw lands.",
    ),
)
