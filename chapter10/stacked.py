"""Stacked digits: three of them as the channels of one colour image, 1,000 modes that a classifier can count.

Metz et al. 2017 (Unrolled GAN) and Srivastava et al. 2017 (VEEGAN) measure mode collapse so: 26,000 samples, how many of
the modes are seen, and how far their shares are from those of the data. Run through
`python -m chapter10 measure stacked-mnist`. B images, D pixels; images are rows [B, 3·D], the three channels
of a pixel side by side.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chapter10 import data, recipes
from chapter10.better_vaes import train_for
from chapter10.dcgan import DCGANDiscriminator, DCGANGenerator
from chapter10.errors import InputError
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.metrics import Judge, sure_share
from chapter10.nets import count_parameters, in_chunks
from chapter10.training import Method
from chapter10.wgan import WGANTraining

CHANNELS, CLASSES = 3, 10
MODES = CLASSES**CHANNELS
SAMPLES = 26_000  # as in the papers
SURE_SAMPLES = 2000
SECONDS = 45.0  # of the processor, for each training
WIDTH, CRITIC_STEPS = 16, 3


def stack(images: Tensor) -> Tensor:
    """Three images a row [B, 3, D] -> one of three channels [B, D·3]."""
    if images.ndim != 3 or images.shape[1] != CHANNELS:
        raise InputError(
            "Three images make a stack: give them as [B, 3, D], found {shape}.",
            shape=list(images.shape),
        )
    return images.transpose(1, 2).flatten(1)  # (B, 3, D) -> (B, D, 3) -> (B, D·3)


def unstack(x: Tensor) -> Tensor:
    """[B, D·3] -> the three images of each [B, 3, D]."""
    if x.ndim != 2 or x.shape[1] % CHANNELS:
        raise InputError("A stack has three channels: give [B, D·3], found {shape}.", shape=list(x.shape))
    return x.unflatten(1, (-1, CHANNELS)).transpose(1, 2)


class StackedBatches:
    """Batches of stacks in [−1, 1], three images drawn anew for each; `steps` of them are an epoch.

    Args:
        images: uint8 [N, H, W].
    Yields:
        x: float32 [B, H·W·3].
    """

    def __init__(self, images: Tensor, batch_size: int, steps: int, device: str | torch.device = "cpu"):
        if len(images) < 1 or batch_size < 1 or steps < 1:
            raise InputError(
                "{count} images, batches of {batch_size} and {steps} steps: give 1 or more of each.",
                count=len(images),
                batch_size=batch_size,
                steps=steps,
            )
        self.bytes = images.flatten(1).to(device)
        self.batch_size, self.steps = batch_size, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.steps):
            which = torch.randint(len(self.bytes), (self.batch_size, CHANNELS)).to(self.bytes.device)
            yield data.to_signed(stack(self.bytes[which]))


class StackedModes(NamedTuple):
    """Which of the 1,000 modes N samples show.

    Attributes:
        modes: with one sample at least. kl: KL divergence in nats of their shares from the data's; log 1,000 = 6.9 if
            all samples show one mode and the data have all alike.
        floor: the mean of kl for samples drawn as the data are, (1,000 − 1) / 2N to first order: 0.019 for 26,000.
        expected: how many modes such samples show, in the mean.
    """

    modes: int
    kl: float
    floor: float
    expected: float


def stacked_modes(labels: Tensor, shares: Tensor | None = None) -> StackedModes:
    """Count modes from the classes [N, 3] that the three channels of each sample are taken for.

    Args:
        shares: [10], of the classes among the images that stacks are made of; equal ones if None.
    """
    if labels.ndim != 2 or labels.shape[1] != CHANNELS or labels.is_floating_point() or len(labels) < 1:
        raise InputError(
            "The classes of stacks are whole numbers [N, 3], found {dtype} {shape}.",
            dtype=labels.dtype,
            shape=list(labels.shape),
        )
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise InputError(
            "Classes go from 0 to {CLASSES_less_1}, found {lowest} to {highest}.",
            CLASSES_less_1=CLASSES - 1,
            lowest=labels.min(),
            highest=labels.max(),
        )
    each = torch.full((CLASSES,), 1 / CLASSES) if shares is None else shares
    each = each.double() / each.double().sum()
    of_data = torch.einsum("a,b,c->abc", each, each, each).flatten()  # [1000]
    n = len(labels)
    counts = torch.bincount(labels @ torch.tensor([CLASSES**2, CLASSES, 1]), minlength=MODES).double()
    kl = (torch.special.xlogy(counts / n, counts / n) - torch.special.xlogy(counts / n, of_data)).sum().item()
    expected = -torch.expm1(n * torch.log1p(-of_data)).sum().item()  # Σ 1 − (1 − p)^n
    return StackedModes(int((counts > 0).sum()), max(0.0, kl), (MODES - 1) / (2 * n), expected)


def classes_of(judge: Judge, x: Tensor) -> Tensor:
    """What the classifier takes each channel of stacks [N, D·3] in [0, 1] for: [N, 3]."""
    return judge.labels(unstack(x).flatten(0, 1)).view(-1, CHANNELS)


def class_shares(labels: Tensor) -> Tensor:
    """How frequent each class is among labels [N]: [10]."""
    return torch.bincount(labels, minlength=CLASSES).double() / len(labels)


@dataclass(frozen=True)
class Kind:
    """One way to train: its players with their game, the batch that a step takes, the highest rate."""

    method: Callable[[], Method]
    lr: float
    batch_size: int
    warmup: float = 0.02


def _gan() -> GANTraining:
    size = 28 * 28 * CHANNELS
    return GANTraining(Generator(img_dim=size), Discriminator(img_dim=size))


def _dcgan(pack: int = 1) -> GANTraining:
    return GANTraining(
        DCGANGenerator(28, CHANNELS, width=WIDTH, strides=2),
        DCGANDiscriminator(28, CHANNELS, WIDTH, strides=2, pack=pack),
        average=0.99,
    )


def _wgan(lipschitz: str) -> WGANTraining:
    """The DCGAN's networks but for batch norm, which a critic must not have."""
    critic = DCGANDiscriminator(28, CHANNELS, WIDTH, strides=2, batch_norm=False)
    generator = DCGANGenerator(28, CHANNELS, width=WIDTH, strides=2)
    return WGANTraining(generator, critic, lipschitz=lipschitz, critic_steps=CRITIC_STEPS, average=0.99)


KINDS = {
    "GAN": Kind(_gan, 2e-4, 64),
    "DCGAN": Kind(_dcgan, 2e-3, 32),
    "WGAN": Kind(lambda: _wgan("clipping"), 1e-3, 32 * CRITIC_STEPS),
    "WGAN-GP": Kind(lambda: _wgan("penalty"), 1e-3, 32 * CRITIC_STEPS),
}


# The same DCGAN, its discriminator judging packs of m stacks, 32 of them in a step (Lin et al. 2018).
PACKED = {
    "DCGAN": KINDS["DCGAN"],
    "PacDCGAN2": Kind(lambda: _dcgan(2), 2e-3, 32 * 2),
}

# modes and KL in nats, of 26,000 samples
PUBLISHED: dict[str, dict[str, Any]] = {
    "DCGAN": {"modes": 99, "kl": 3.40, "source": "Srivastava et al. 2017, VEEGAN, table 2"},
    "VEEGAN": {"modes": 150, "kl": 2.95, "source": "Srivastava et al. 2017, VEEGAN, table 2"},
    "PacDCGAN2": {"modes": 1000, "kl": 0.06, "source": "Lin et al. 2018, PacGAN, table 2"},
}


def train(
    kind: str, images: data.Images, seed: int, seconds: float | None = None
) -> tuple[Method, dict[str, Any]]:
    """One of `KINDS` or of `PACKED`, trained from nothing for so many processor seconds: the method; steps, images seen, seconds.

    Args:
        seconds: by default `SECONDS`.
    """
    ways = KINDS | PACKED
    if kind not in ways:
        raise InputError(
            "There is no {kind!r} to train. Choose one of: {choices}.",
            kind=kind,
            choices=", ".join(ways),
        )
    way = ways[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        method = way.method()
        batches = StackedBatches(images.train, way.batch_size, 1000)
        about = train_for(method, batches, seconds or SECONDS, way.lr, way.warmup)
    return method, about | {"lr": way.lr, "batch_size": way.batch_size}


def samples(method: Method, count: int, seed: int) -> Tensor:
    """`count` stacks [N, D·3] in [0, 1] from a trained generator, in bounded memory."""
    generator = method.averaged.eval()
    z = torch.randn(count, generator.latent_dim, generator=torch.Generator().manual_seed(seed))
    return data.signed_to_unit(in_chunks(generator, z))


def score_real(images: data.Images, judge: Judge, seed: int) -> dict[str, Any]:
    """What stacks of test images score: a row without a training."""
    source = torch.Generator().manual_seed(seed)
    which = torch.randint(len(images.test), (SAMPLES, CHANNELS), generator=source)
    labels = judge.labels(data.to_unit(images.test))[
        which
    ]  # a real image's class does not change by being stacked
    found = stacked_modes(labels, class_shares(images.test_labels))
    return {"model": "real", "seed": seed, "samples": SAMPLES, "judge": repr(judge), **found._asdict()}


def train_and_score(kind: str, images: data.Images, judge: Judge, seed: int) -> dict[str, Any]:
    """One training, and the modes of its samples: a row.

    Returns:
        what `stacked_modes` finds; "sure", the share of single channels that the classifier takes for a digit with
        confidence above 0.9; and what `train` says.
    """
    method, trained = train(kind, images, seed)
    x = samples(method, SAMPLES, seed)
    found = stacked_modes(classes_of(judge, x), class_shares(images.test_labels))
    some = unstack(x[:SURE_SAMPLES]).flatten(0, 1)
    sure = sure_share(judge.classifier, some)
    about = {"model": kind, "seed": seed, "samples": SAMPLES, "judge": repr(judge)}
    return {
        **about,
        **trained,
        "parameters": count_parameters(method.generator),
        **found._asdict(),
        "sure": sure,
    }


def stacked(name: str, seed: int) -> list[dict[str, Any]]:
    """What real stacks of test images score, and each kind after equally long: a row each."""
    images, judge = data.load(name), recipes.judge(f"classifier-{name}")
    rows = [score_real(images, judge, seed)]
    return rows + [train_and_score(kind, images, judge, seed) for kind in KINDS]


def packed(name: str, seed: int) -> list[dict[str, Any]]:
    """The same for the DCGAN alone, and with a discriminator that judges packs of its stacks: a row each."""
    images, judge = data.load(name), recipes.judge(f"classifier-{name}")
    rows = [score_real(images, judge, seed)]
    return rows + [train_and_score(kind, images, judge, seed) for kind in PACKED]


def about_packed(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is to be said on top of the rows of `packed`: the protocol, what differs from the papers', what they published."""
    steps = [row["steps"] for row in rows if "steps" in row]
    return {
        "protocol": {
            "data": "three digits drawn anew for each stack, as the channels of one image of 28×28",
            "generator": f"DCGAN, z ~ N(0, I) in 100 dimensions, two strides, {WIDTH} maps before the image",
            "discriminator": f"DCGAN, two strides, {WIDTH} maps in its first layer; a pack's stacks are its channels",
            "batch": "32 stacks, or 32 packs of m stacks",
            "time": f"{SECONDS:g} processor seconds for each training, on one thread",
            "count": f"{SAMPLES:,} samples; a mode counts with one; KL of the shares from the test images' own, in nats",
        },
        "differs": [
            f"{min(steps):,} to {max(steps):,} steps of D; 100,000 in PacGAN (50 epochs of 128,000 stacks, batches of 64)",
            "both networks have two strides and a quarter of the width; four strides and 64 maps there",
            "Adam's rate 0.002 with a warm-up and half a cosine, samples by a moving average of G; 0.0002 throughout there",
            "one step of G for each of D's; two in the authors' code",
            "z is normal; uniform on (−1, 1) there",
            "new stacks for each batch; the authors draw 128,000 once",
            "KL is held against the shares of the test images; against equal ones there",
            "the digits are recognised by this package's classifier",
        ],
        "published": PUBLISHED,
    }
