"""Which of the DCGAN's rules matters? A small one trained with all of them, and with one left out at a time.

Radford, Metz and Chintala 2016 (section 10.5.2). Run through `python -m chapter10 measure dcgan-rules-mnist`. All variants
take the same number of steps from the same seed, few enough that a reader can repeat one. What is measured is how far
they come in so short a time, with networks this small; not how far they would come.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from chapter10 import data, metrics
from chapter10.comparison import Ruler, ruler_for
from chapter10.dcgan import DCGANDiscriminator, DCGANGenerator
from chapter10.errors import InputError
from chapter10.gan import GANTraining
from chapter10.gan_study import Rounds
from chapter10.training import Progress, fit

WIDTH, STRIDES, BATCH, STEPS = 16, 2, 32, 300
LR = 2e-3  # ten times the paper's, whose trainings are a hundred times as long
SAMPLES = 2000


@dataclass(frozen=True)
class Variant:
    """What differs from the rules: settings of the two players and of their training."""

    rule: str  # the one left out, in the paper's words
    generator: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "all rules": Variant("none"),
    "G without batch norm": Variant("batch norm in the generator", {"batch_norm": False}),
    "D without batch norm": Variant("batch norm in the discriminator", {}, {"batch_norm": False}),
    "pooling, upsampling": Variant("strides", {"upsampling": "nearest"}, {"downsampling": "pooling"}),
    "hidden layers": Variant("no hidden layer without convolution", {"hidden_dim": 128}, {"hidden_dim": 128}),
    "ReLU in D": Variant("LeakyReLU in the discriminator", {}, {"slope": 0.0}),
    "clamp for tanh": Variant("tanh at the generator's end", {"end": "clamp"}),
    "torch's weights": Variant("weights from N(0, 0.02)", {"initial": "default"}, {"initial": "default"}),
    "β1 = 0.9": Variant("β1 = 0.5", training={"betas": (0.9, 0.999)}),
    "rate 2e-4": Variant("none: the paper's own rate", training={"lr": 2e-4}),
}


def method_for(variant: str, seed: int) -> GANTraining:
    """Both players and their optimisers, untrained, the same for each variant but for what it leaves out."""
    if variant not in VARIANTS:
        raise InputError(
            "There is no variant {variant!r}. Choose one of: {choices}.",
            variant=variant,
            choices=', '.join(VARIANTS),
        )
    left_out = VARIANTS[variant]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = DCGANGenerator(width=WIDTH, strides=STRIDES, **left_out.generator)
        discriminator = DCGANDiscriminator(width=WIDTH, strides=STRIDES, **left_out.discriminator)
        return GANTraining(generator, discriminator, **({"lr": LR, "average": 0.99} | left_out.training))


def train(
    variant: str,
    images: data.Images,
    seed: int,
    steps: int = STEPS,
    looks: int = 1,
    callback: Callable[[Progress], None] | None = None,
    progress: bool = False,
) -> tuple[GANTraining, dict[str, float]]:
    """One training of one of the `VARIANTS`.

    Returns:
        the method, and the mean losses and probabilities of the last of `looks` equal pieces of the training.
    """
    method = method_for(variant, seed)
    batches = Rounds(data.Batches(images.train, BATCH, "signed", drop_last=True), steps // looks)
    callbacks = [] if callback is None else [callback]
    history = fit(method, batches, looks, seed, callbacks=callbacks, progress=progress)
    return method, {part: history[part][-1] for part in ("d_loss", "g_loss", "d_real", "d_fake")}


def score(method: GANTraining, ruler: Ruler, seed: int = 0) -> dict[str, float]:
    """What the classifier makes of samples by the moving average of G.

    Returns:
        "distance", the Fréchet classifier distance from test images; "classes" of ten that are there; "largest", the share
        of the most frequent; "sure", the share that the classifier takes for a digit with confidence above 0.9.
    """
    count = min(SAMPLES, ruler.count)
    pictures = data.signed_to_unit(method.sample(count, torch.Generator().manual_seed(seed)))
    classes = metrics.class_histogram(ruler.judge.labels(pictures))
    return {
        "distance": ruler.distance(pictures),
        "classes": 10 - len(classes.missing),
        "largest": classes.largest_share,
        "sure": ruler.sure(pictures),
    }


def noise_distance(ruler: Ruler) -> float:
    """What uniform noise gets for a Fréchet classifier distance, with as many samples as `score` takes."""
    count = min(SAMPLES, ruler.count)
    return ruler.distance(torch.rand(count, 784, generator=torch.Generator().manual_seed(0)))


def dcgan_rules(name: str, seed: int) -> list[dict[str, Any]]:
    """Each variant for one seed: a row each, with its settings, scores and processor seconds."""
    images = data.load(name)
    ruler = ruler_for(name, images)
    about = {"seed": seed, "steps": STEPS, "batch_size": BATCH, "width": WIDTH, "judge": repr(ruler.judge)}
    about |= {"count": min(SAMPLES, ruler.count), "noise": noise_distance(ruler)}
    rows = []
    for variant, left_out in VARIANTS.items():
        started = time.process_time()
        method, losses = train(variant, images, seed)
        seconds = round(time.process_time() - started, 1)
        row = {"variant": variant, "left_out": left_out.rule} | about | {"lr": method.lr, "seconds": seconds}
        rows.append(row | score(method, ruler, seed) | losses)
    return rows
