"""Notebook 07: which of three models for which purpose."""

import torch

from chapter10.exercises.look import Enough, Look
from chapter10.exercises.task import Mistake, Task

MODELS = ("VAE", "GAN", "small DCGAN")
RIGHT = {"unusual": "VAE", "codes": "VAE", "samples": "small DCGAN"}
WORDS = {
    "unusual": "say for each new image, in nats, how unusual it is",
    "codes": "turn a million images into short codes, on a laptop, today",
    "samples": "draw 1,000 new digits that come nearest to real ones, trained on MNIST as here",
}


def plain(name: object) -> object:
    """A model's name as the reader may write it, or the answer as it is."""
    if not isinstance(name, str):
        return name
    known = {model.lower(): model for model in MODELS} | {"dcgan": "small DCGAN"}
    return known.get(name.strip().lower(), name)


def observe(look: Look, source: torch.Generator, *chosen: object) -> None:
    for purpose, name in zip(RIGHT, map(plain, chosen)):
        if name is None:
            look.missing(f"your model for {purpose!r}", f"None, which is none of {', '.join(MODELS)}")
        if name not in MODELS:
            look.missing(f"your model for {purpose!r}", f"{name!r}, which is none of {', '.join(MODELS)}")
        look.number(f"your model for {purpose!r}", MODELS.index(name), within=0.1)
        if name != RIGHT[purpose]:  # one purpose at a time
            raise Enough


def named(**other: str) -> str:
    chosen = RIGHT | other
    return ", ".join(f"for_{purpose}" for purpose in chosen) + " = " + ", ".join(f'"{model}"' for model in chosen.values())


def taken(purpose: str, model: str, says: str) -> Mistake:
    return Mistake(f"{model} for {purpose}", named(**{purpose: model}), says)


TASK = Task(
    name="07-model",
    title="choose a model",
    section="10.4",
    minutes=5,
    statement="Three purposes, the three models of this page. Give the model's title for each: `\"VAE\"`, `\"GAN\"` or `\"small "
            "DCGAN\"`.\n\n"
    + "\n".join(f"- **{purpose}**: {words}." for purpose, words in WORDS.items()),
    answers=tuple(f"for_{purpose}" for purpose in RIGHT),
    stub="for_unusual, for_codes, for_samples = None, None, None",
    hints=(
        "Which of the three gives a number of nats for an image that it has never seen?",
        "Which of them gets from a picture to its z without a search? Section 4 has the seconds an image.",
        "For the third, section 1 has a table of the stored weights: which column compares a whole set of samples with real digits?",
    ),
    solution=named(),
    why="Only a VAE has a bound on log p(x) and an encoder: a number and a code for each image. Where only samples are wanted neither is "
    "needed, and the convolutions of the DCGAN come nearer to real digits.",
    right="A bound and an encoder are what the VAE has alone; of the three sets of samples, the DCGAN's has the smallest distance.",
    observe=observe,
    ways=('for_unusual, for_codes, for_samples = "vae", "Vae", "DCGAN"', 'for_unusual = for_codes = "VAE"\nfor_samples = "small dcgan"'),
    mistakes=(
        taken("unusual", "GAN", "A GAN gives no p(x), and its discriminator's logit is no likelihood: it judges against the generator's "
                "faults. Which model has a bound?"),
        taken("unusual", "small DCGAN", "Its samples come near, but it gives no p(x): a generator has no density to evaluate, and a "
                "discriminator's logit is none. Which model has a bound?"),
        taken("codes", "GAN", "Without an encoder each image needs a search of its own: hours for a million, where an encoder takes less "
                "than a minute. And the code found is a worse one (section 4)."),
        taken("codes", "small DCGAN", "It has no encoder either: each image needs a search of its own, through the convolutions (section "
                "4)."),
        taken("samples", "VAE", "Its probabilities are softer than real digits, and by the distance another of the three comes nearer: "
                "see the stored weights in section 1."),
        taken("samples", "GAN", "Its strokes are as sharp as real ones, but look at its distance and its recall: it leaves out much of "
                "what real digits are like."),
    ),
    situations=1,
    points=1,
)  # fmt: skip
