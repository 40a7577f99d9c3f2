"""The GAN recipe of section 10.3.3 over several seeds: β1 0.9 and 0.5, images in [−1, 1] and left in [0, 1].

Run through `python -m chapter10 measure gan-recipe-mnist` (or -digits).
"""

import base64
import io
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from chapter10 import data, metrics, recipes
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.metrics import frechet_of_features, neighbour_scores
from chapter10.training import Progress, fit

VARIANTS = {  # name: (β1, range of the real images)
    "as listed": (0.9, "signed"),
    "β1 = 0.5": (0.5, "signed"),
    "images in [0, 1]": (0.9, "unit"),
}
LR, BATCH = 2e-4, 64  # the chapter's rate; it names no batch size
ROUNDS = {"mnist": 10, "digits": 8}  # looks at a training
UNIT_ROUNDS = 3  # where the images are in [0, 1]
STEPS = 160  # between two looks
SHOWN = 6  # samples kept from every second look, always of the same z


class Rounds:
    """`steps` of the batches are an epoch, whatever the number of images; a round begins with the images shuffled anew."""

    def __init__(self, batches: data.Batches, steps: int):
        self.batches, self.steps, self.batch_size = batches, steps, batches.batch_size
        self.shuffles = range(0, steps, len(batches))  # see training.BatchSource

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        return islice(chain.from_iterable(repeat(self.batches)), self.steps)


class Recorded(GANTraining):
    """`GANTraining` that keeps the parts of the loss of each batch in `steps`: what `fit` gives are means over an epoch."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.steps: list[dict[str, Tensor]] = []

    def step(self, x: Tensor) -> dict[str, Tensor]:
        self.steps.append(super().step(x))
        return self.steps[-1]

    def losses(self, part: str) -> Tensor:
        """One part of all batches so far, [steps]."""
        return torch.stack([parts[part] for parts in self.steps])


@torch.no_grad()
def discriminator_accuracy(discriminator: torch.nn.Module, real: Tensor, fake: Tensor) -> float:
    """Share of real and of generated images [N, D], half and half, that D (in eval mode) puts on the right side of ½."""
    training = discriminator.training
    discriminator.eval()
    right = ((discriminator(real) > 0).double().mean() + (discriminator(fake) < 0).double().mean()) / 2
    discriminator.train(training)
    return right.item()


def gan_recipe(name: str, seed: int) -> list[dict[str, Any]]:
    """The chapter's GAN in each variant, looked at after each round: a row a variant, a list an entry."""
    return [train_variant(name, seed, variant) for variant in VARIANTS]


def train_variant(name: str, seed: int, variant: str, rounds: int | None = None) -> dict[str, Any]:
    """One training, for each round: losses, D's accuracy on test images, Fréchet classifier distance, classes."""
    beta1, form = VARIANTS[variant]
    rounds = rounds or (UNIT_ROUNDS if form == "unit" else ROUNDS[name])
    images, judge = data.load(name), recipes.judge(f"classifier-{name}")
    batches = data.Batches(images.train, BATCH, form)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # The package refuses images in [0, 1]; here they are let through, to see what happens.
        method = Recorded(Generator(), Discriminator(), LR, (beta1, 0.999), check_images=form == "signed")
    count = min(2000, len(images.test) // 2)
    order = torch.randperm(len(images.test), generator=torch.Generator().manual_seed(0))
    held_out = data.to_unit(images.test[order[: 2 * count]])
    real_features, other = judge.features(held_out).split(count)
    noise = judge.features(torch.rand(count, 784, generator=torch.Generator().manual_seed(0)))
    row: dict[str, Any] = {
        "variant": variant, "seed": seed, "beta1": beta1, "images": form, "lr": LR,
        "batch_size": BATCH, "count": count, "judge": repr(judge),
        "floor": frechet_of_features(real_features, other),
        "noise": frechet_of_features(real_features, noise),
    }  # fmt: skip
    looked: list[dict[str, float]] = []
    sheets: list[Tensor] = []

    @torch.no_grad()
    def look(progress: Progress) -> None:
        fake = method.sample(count, torch.Generator().manual_seed(0))
        real = held_out[:count] if form == "unit" else 2 * held_out[:count] - 1
        # G trained on [0, 1] aims there; what lies below 0 would be shown as white.
        shown = fake.clamp(0, 1) if form == "unit" else data.signed_to_unit(fake)
        sheets.append(shown[:SHOWN])
        features = judge.features(shown)
        classes = metrics.class_histogram(judge.labels(shown))
        scores = neighbour_scores(real_features, features)
        losses = method.losses("g_loss")[-STEPS:]
        history = progress.history.rows[-1]
        looked.append(
            {
                "step": progress.step,
                "distance": frechet_of_features(real_features, features),
                "classes": 10 - len(classes.missing),
                "largest_share": classes.largest_share,
                "precision": scores.precision,
                "recall": scores.recall,
                "accuracy": discriminator_accuracy(method.discriminator, real, fake),
                "d_loss": history["d_loss"],
                "g_loss": history["g_loss"],
                "g_loss_last_batch": losses[-1].item(),
                "g_loss_deviation": losses.std(correction=0).item(),
                "below_zero": (fake < 0).double().mean().item(),
            }
        )

    fit(method, Rounds(batches, STEPS), rounds, seed, callbacks=[look], progress=False)
    row |= {key: [short(entry[key]) for entry in looked] for key in looked[0]}
    return row | {"samples": pack(torch.stack(sheets[rounds > 1 :: 2]))}


def pack(images: Tensor) -> str:
    """Images [rounds, n, 784] in [0, 1] as the base64 of a PNG with 8 levels of grey: small enough to keep."""
    rounds, n, _ = images.shape
    sheet = images.view(rounds, n, 28, 28).permute(0, 2, 1, 3).reshape(rounds * 28, n * 28)
    out = io.BytesIO()
    Image.fromarray((sheet * 7).round().div(7).mul(255).round().byte().numpy()).save(
        out, "PNG", optimize=True
    )
    return base64.b64encode(out.getvalue()).decode()


def unpack(samples: str) -> Tensor:
    """What `pack` made of them: [rounds, n, 28, 28] in [0, 1]."""
    with Image.open(io.BytesIO(base64.b64decode(samples))) as image:
        sheet = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(
            image.height, image.width
        )
    return sheet.view(image.height // 28, 28, image.width // 28, 28).permute(0, 2, 1, 3).float() / 255


def short(value: Any) -> Any:
    """A number, or each of a list, with five digits that count: more say nothing here. All else as it is."""
    if isinstance(value, list):
        return [short(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
