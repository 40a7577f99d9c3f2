"""Every trained model as a named recipe: what it is made of, how it is trained, and the weights that came of it.

`python -m chapter10 train NAME` makes the weights anew; `load(NAME)` gives the model with the stored ones.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10 import data, domains, metrics, parallel, shapes
from chapter10.code_prior import CodePrior, CodePriorTraining, bits_per_image, sample_images
from chapter10.cyclegan import CycleGAN, CycleGANTraining, PatchDiscriminator, TranslationGenerator
from chapter10.dcgan import DCGANDiscriminator, DCGANGenerator
from chapter10.errors import CheckpointError, InputError, did_you_mean
from chapter10.files import check_writable, load_into, load_state, save_state
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.nets import Classifier, ConvDiscriminator, ConvGenerator, count_parameters, in_chunks
from chapter10.precision import PRECISIONS
from chapter10.training import History, Progress, fit, warmup_cosine
from chapter10.vae import (
    VAE,
    Autoencoder,
    AutoencoderTraining,
    VAETraining,
    _Training,
    bernoulli_log_likelihood,
    gaussian_kl,
)
from chapter10.vaegan import ConvVAE, VAEGANTraining
from chapter10.vqvae import VQVAE, VQVAETraining

SETS = ("mnist", "digits")
# The weights β of the KL that models are stored for, one small network for all; `beta_vae` trains them over more seeds.
BETAS = {"mnist": (0.25, 1, 4, 16), "digits": (0.25, 1, 4, 16), "shapes": (0.25, 1, 2, 4, 8, 16)}
BETA_LATENT, BETA_HIDDEN = 10, {"mnist": 96, "digits": 96, "shapes": 64}
DCGAN_WIDTH = 16
SAMPLES = 5000  # that a generator is judged by, or half as many as there are test images


class ClassifierTraining(_Training):
    """Cross-entropy on labelled batches, the images moved by up to two pixels: a stand-in for `VAETraining`."""

    def __init__(self, model: Classifier, lr: float = 2e-3):
        super().__init__(model, lr)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One update on x [B, D + 1]: the images, and the label in the last column."""
        self.model.train()
        images, labels = x[:, :-1], x[:, -1].long()
        shift = torch.randint(-2, 3, (2,)).tolist()
        moved = images.view(-1, 28, 28).roll(shift, (1, 2)).flatten(1)
        loss = F.cross_entropy(self.model(moved), labels)
        self.update(loss)
        return {"loss": loss.detach()}


class LabelledBatches(data.Batches):
    """Batches of images in [0, 1] with their label as one column more: x [B, D + 1]."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, device: str | torch.device = "cpu"):
        super().__init__(torch.cat([images.flatten(1), labels.to(torch.uint8).unsqueeze(1)], 1), batch_size, "unit", device)

    def convert(self, pixels: Tensor) -> Tensor:
        x = super().convert(pixels)
        x[:, -1] = pixels[:, -1]
        return x


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        name: as `python -m chapter10 train` takes it; the data set is its last part.
        about: what it is, in a sentence.
        build: the untrained model; method: the model with its optimiser, and with its opponent if it is a generator.
        epochs: by scale; batch_size: B; lr: the highest rate of its warm-up and cosine; warmup: its share of training.
        form: of the images, as `data.Batches` takes it; or the pair of domains, as `domains.split` takes it.
        stored: whether its weights come with the package.
        constants: attributes of the method, such as {"beta": 4.0}, held at these values all through training.
        precision, compile: as `training.fit` takes them.
    """

    name: str
    about: str
    build: Callable[[], nn.Module]
    method: Callable[[nn.Module], Any]
    epochs: dict[str, int]
    lr: float
    batch_size: int = 128
    form: str = "binary"
    warmup: float = 0.2
    stored: bool = True
    constants: dict[str, float] = field(default_factory=dict)
    precision: str = "float32"
    compile: bool = False

    @property
    def data(self) -> str:
        return self.name.rsplit("-", 1)[1]


# By method: what it reads anew at each step, and a run may set. All are weights or amounts from 0 up.
CONSTANTS: dict[type, tuple[str, ...]] = {
    VAETraining: ("beta", "free_bits"),
    VQVAETraining: ("commitment",),
    VAEGANTraining: ("gamma", "beta"),
    GANTraining: ("instance_noise", "r1"),
    CycleGANTraining: ("cycle", "identity"),
}


@dataclass(frozen=True)
class Changes:
    """What a run has otherwise than its recipe; None or empty: as the recipe has it.

    Attributes:
        epochs: in place of the scale's; batch_size: B; lr: the highest rate.
        constants: as in `Recipe`; which there are, `changeable` says.
        precision, compile: as in `Recipe`.
    """

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    constants: dict[str, float] = field(default_factory=dict)
    precision: str = "float32"
    compile: bool = False

    def options(self) -> list[str]:
        """As the command line of `train` takes them: ["--lr", "0.001", "--set", "beta=4"]."""
        said: list[str] = []
        for name in ("epochs", "batch_size", "lr"):
            if getattr(self, name) is not None:
                said += [f"--{name.replace('_', '-')}", number(getattr(self, name))]
        for name, value in self.constants.items():
            said += ["--set", f"{name}={number(value)}"]
        if self.precision != "float32":
            said += ["--precision", self.precision]
        return said + ["--compile"] * self.compile


def number(value: float) -> str:
    """The shortest text that gives this very number back, and whole ones in digits alone, as `--epochs` takes them: 4 for 4.0."""
    if isinstance(value, int):
        return str(value)
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _against_the_chapters(generator: nn.Module) -> GANTraining:
    """The generator against the chapter's discriminator, with the moving average of its weights as the result."""
    return GANTraining(generator, Discriminator().to(next(generator.parameters()).device), average=0.999)


def _against_convolutions(generator: nn.Module) -> GANTraining:
    """The generator against a convolutional discriminator, with the moving average of its weights as the result."""
    opponent = ConvDiscriminator(batch_norm=True).to(next(generator.parameters()).device)
    return GANTraining(generator, opponent, average=0.99)


def _by_the_papers_rules(generator: nn.Module) -> GANTraining:
    """The DCGAN's generator against its discriminator, with the moving average of its weights as the result."""
    opponent = DCGANDiscriminator(width=DCGAN_WIDTH).to(next(generator.parameters()).device)
    return GANTraining(generator, opponent, average=0.99)


def _against_features(model: nn.Module) -> VAEGANTraining:
    """Encoder and decoder against the features of a convolutional discriminator; the moving average is the result."""
    opponent = ConvDiscriminator(batch_norm=True).to(next(model.parameters()).device)
    return VAEGANTraining(model, opponent, gamma=0.03, average=0.99)


def _translators() -> CycleGAN:
    return CycleGAN(TranslationGenerator(), TranslationGenerator())


def _without_pairs(model: CycleGAN) -> CycleGANTraining:
    """Both generators against discriminators of patches, with the moving average of their weights as the result.

    A weight of 2 for the cycle, not the authors' 10, and no identity loss: digits and outlines have most of their pixels in
    common, and in few steps either holds the generators to leaving an image as it is.
    """
    device = next(model.parameters()).device
    opponents = [PatchDiscriminator(width=12).to(device) for _ in range(2)]
    return CycleGANTraining(model, *opponents, cycle=2.0, identity=0.0, average=0.99)


def _on_stored_codes(name: str) -> Callable[[nn.Module], CodePriorTraining]:
    """A prior on the codes of the stored VQ-VAE of that data set, which stays as it is."""
    return lambda prior: CodePriorTraining(prior, load(f"vqvae-{name}").to(prior.place.device))


def _recipes() -> dict[str, Recipe]:
    made = []
    # The embedded digits are few: more passes, or as many steps as with MNIST where a model needs them.
    for name, batch, times, steps in (("mnist", 128, 1, 1), ("digits", 64, 6, 40)):

        def epochs(quick: int, full: int, times: int = times) -> dict[str, int]:
            return {"smoke": 1, "quick": quick * times, "full": full * times}

        made += [
            Recipe(f"classifier-{name}", f"A small convolutional classifier of {data.TITLES[name]}, to measure with.",
                   Classifier, ClassifierTraining, epochs(8, 20), 4e-3, batch),
            Recipe(f"ae2-{name}", "The plain autoencoder with two latent dimensions.",
                   lambda: Autoencoder(latent_dim=2), AutoencoderTraining, epochs(20, 60), 2e-3, batch),
            Recipe(f"vae2-{name}", "The chapter's VAE with two latent dimensions.",
                   lambda: VAE(latent_dim=2), VAETraining, epochs(20, 60), 2e-3, batch),
            Recipe(f"vae20-{name}", "The chapter's VAE, 20 latent dimensions.",
                   VAE, VAETraining, epochs(20, 100), 3e-3, batch),
            Recipe(f"gan-{name}", "The chapter's GAN; the rate rises to three times the chapter's and falls to 0.",
                   Generator, _against_the_chapters, epochs(8, 100, steps), 6e-4, 64, "signed"),
            # A short warm-up: with a share of 0.2 one of three seeds collapsed, with 0.02 none of five.
            Recipe(f"dcgan60-{name}", "A small DCGAN that two cores train within 60 seconds.",
                   ConvGenerator, _against_convolutions, epochs(2, 20, steps), 1e-3, 64, "signed", warmup=0.02),
            Recipe(f"dcgan-{name}", "A DCGAN by the paper's rules, an eighth as wide as the paper's.",
                   lambda: DCGANGenerator(width=DCGAN_WIDTH), _by_the_papers_rules, epochs(3, 40, steps * 2 // 3 or 1), 1e-3, 64,
                   "signed", warmup=0.02),
            Recipe(f"vqvae-{name}", "A VQ-VAE: 28×28 pixels to 7×7 of 64 codes and back.",
                   VQVAE, VQVAETraining, epochs(1, 8, steps // 2 or 1), 3e-3, 64, "unit", warmup=0.1),
            # Trained after vqvae, whose stored codes it learns; anew whenever that is. More passes over the few embedded
            # digits, and it knows them by heart.
            Recipe(f"codeprior-{name}", "A small PixelCNN over the codes of the stored VQ-VAE, which generates with it.",
                   CodePrior, _on_stored_codes(name), epochs(1, 6, 1) if name == "mnist" else epochs(15, 20, 1),
                   1e-2, 32, "unit", warmup=0.1),
            Recipe(f"vaegan-{name}", "A small VAE-GAN, 20 latent dimensions: a discriminator's features in place of pixels.",
                   ConvVAE, _against_features, epochs(2, 20, steps), 2e-3, 64, "unit", warmup=0.02),
            # Small batches: instance norm has no need of large ones, and in the same time they make more steps.
            Recipe(f"cyclegan-outlines-{name}", "A small CycleGAN between digits and outlines, of images without partners.",
                   _translators, _without_pairs, epochs(1, 10) if name == "mnist" else epochs(16, 160, 1), 2e-3, 8, "outlines",
                   warmup=0.05),
        ]  # fmt: skip
    # The published networks, in about half an hour of one core; what they reach by another schedule of like length is measured
    # in `likelihood_study`. Over 50 epochs the best rate was 3e-3 (of 2e-3, 3e-3, 4e-3); twelve times as many get a lower one.
    made.append(
        Recipe("vae50-mnist", "The VAE of 784-200-200-50, as it was first measured with 5,000 samples.",
               lambda: VAE(latent_dim=50, hidden_dim=200, activation="tanh"), VAETraining,
               {"smoke": 1, "quick": 600, "full": 3280}, 2.5e-3, 100, warmup=0.02, stored=False),
    )  # fmt: skip
    made += [beta_recipe(beta, name) for name, betas in BETAS.items() for beta in betas]
    return {recipe.name: recipe for recipe in made}


def beta_recipe(beta: float, name: str) -> "Recipe":
    """A small VAE with the weight β on its KL (section 10.5.1), on "mnist", "digits" or "shapes".

    Stored for some β only; any other can be trained by `make`.
    """
    if name not in BETAS:
        raise InputError(
            "There are no images {name!r} to train with β. Choose one of: {choices}.",
            name=name,
            choices=', '.join(BETAS),
        )
    epochs = {"mnist": 4, "digits": 50, "shapes": 30}[name]
    return Recipe(
        f"beta{beta:g}-{name}",
        f"A small VAE of {data.TITLES[name]} with β = {beta:g}.",
        lambda: VAE(latent_dim=BETA_LATENT, hidden_dim=BETA_HIDDEN[name]),
        lambda model: VAETraining(model, beta=beta),
        {"smoke": 1, "quick": epochs, "full": 10 * epochs},
        2e-3,
        64 if name == "digits" else 128,
        warmup=0.1,
    )


RECIPES = _recipes()


def get(name: str) -> Recipe:
    """The recipe of that name. Raises InputError, which names the nearest."""
    if name not in RECIPES:
        raise InputError(
            "There is no recipe {name!r}.{name_2} There are: {choices}.",
            name=name,
            name_2=did_you_mean(name, RECIPES),
            choices=', '.join(RECIPES),
        )
    return RECIPES[name]


def kinds(subject: str) -> list[str]:
    """The recipes of a data set, of those that differ in β alone only one."""
    return [name for name in RECIPES if name.endswith(f"-{subject}") and (name[:4] != "beta" or name[:5] == "beta4")]


def changeable(recipe: Recipe) -> tuple[str, ...]:
    """The names that `Changes.constants` may have for this recipe."""
    with torch.random.fork_rng():  # the networks are drawn only to be looked at
        method = recipe.method(recipe.build())
    return next((names for kind, names in CONSTANTS.items() if type(method) is kind), ())


def unknown_setting(recipe: Recipe, name: str, known: Sequence[str]) -> InputError:
    """What to raise for a setting that is none of those known of the recipe."""
    return InputError(
        "{recipe} has no setting {name!r}.{near} There are: {choices}.",
        recipe=recipe.name,
        name=name,
        near=did_you_mean(name, known),
        choices=", ".join(known),
    )


def changed(recipe: Recipe, scale: str, changes: Changes) -> Recipe:
    """The recipe as a run has it. Raises InputError for a scale, a constant or a number that there can't be."""
    if scale not in recipe.epochs:
        raise InputError(
            "The scale {scale!r} is not known. Choose one of: {choices}.",
            scale=scale,
            choices=', '.join(recipe.epochs),
        )
    for name in ("epochs", "batch_size"):
        value = getattr(changes, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError("{name} is {value!r}; give a whole number from 1 up.", name=name, value=value)
    if changes.lr is not None and not 0 < changes.lr < math.inf:
        raise InputError(
            "lr is {lr}; give a rate above 0, such as {lr_2:g}, which the recipe has.",
            lr=changes.lr,
            lr_2=recipe.lr,
        )
    if changes.precision not in PRECISIONS:
        near = did_you_mean(changes.precision, PRECISIONS)
        raise InputError(
            "The precision {precision!r} is not known.{near} Choose one of: {choices}.",
            precision=changes.precision,
            near=near,
            choices=', '.join(PRECISIONS),
        )
    known = changeable(recipe) if changes.constants else ()
    for name, value in changes.constants.items():
        if name not in known:
            if not known:
                raise InputError(
                    "{recipe} has no setting {name!r}. It has none but epochs, batch size and rate.",
                    recipe=recipe.name,
                    name=name,
                )
            raise unknown_setting(recipe, name, known)
        if not 0 <= value < math.inf:  # written so that NaN fails too
            raise InputError("{name} is {value}; give a finite number from 0 up.", name=name, value=value)
    return replace(
        recipe,
        epochs=recipe.epochs | {scale: changes.epochs or recipe.epochs[scale]},
        batch_size=changes.batch_size or recipe.batch_size,
        lr=changes.lr or recipe.lr,
        constants=recipe.constants | changes.constants,
        precision=changes.precision,
        compile=changes.compile,
    )


def command(name: str, scale: str, seed: int, device: str | torch.device, changes: Changes | None = None) -> str:
    """The line that trains a recipe so."""
    words = ["python -m chapter10 train", name, f"--scale {scale} --seed {seed} --device {device}"]
    return " ".join(words + (changes or Changes()).options())


def weights_path(name: str) -> Path:
    return Path(str(files("chapter10"))) / "weights" / f"{name}.safetensors"


def images_for(recipe: Recipe) -> data.Images:
    """What the recipe is trained on."""
    return shapes.split() if recipe.data == "shapes" else data.load(recipe.data)


def batches_for(
    recipe: Recipe, images: data.Images, device: str | torch.device
) -> data.Batches | domains.UnpairedBatches:
    if recipe.form in domains.PAIRS:
        return domains.split(images, recipe.form).batches(recipe.batch_size, device)
    if recipe.method is ClassifierTraining:
        return LabelledBatches(images.train, images.train_labels, recipe.batch_size, device)
    return data.Batches(images.train, recipe.batch_size, recipe.form, device)


def train(
    name: str,
    scale: str = "quick",
    seed: int = 0,
    device: str | torch.device = "cpu",
    out: str | Path | None = None,
    checkpoint: str | Path | None = None,
    changes: Changes | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a recipe, measure the model, and store it.

    Args:
        scale: "smoke", "quick" or "full"; out: the file to write, the package's own if None.
        checkpoint: a file to go on from, as in `training.fit`.
        changes: what is wanted otherwise than the recipe has it.
    Returns:
        the model, and what is stored beside its weights: recipe, data, seed, scores.
    Raises:
        KeyboardInterrupt: when it is stopped by hand; nothing is stored then but the checkpoint.
    """
    recipe = changed(get(name), scale, changes or Changes())
    check_writable(out or weights_path(name))
    images = images_for(recipe)
    started = time.perf_counter()
    model, history = make(recipe, images, scale, seed, device, checkpoint)
    history.check_whole()  # half-trained weights must not take the place of stored ones
    round_weights(model)
    line = command(name, scale, seed, device, changes)
    about = describe(recipe, model, images, history, seed, line) | {"seconds": round(time.perf_counter() - started, 1)}
    save_weights(out or weights_path(name), model, about)
    return model, about


def make(
    recipe: Recipe,
    images: data.Images,
    scale: str = "quick",
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    progress: bool = True,
    callbacks: Iterable[Callable[[Progress], None]] = (),
) -> tuple[nn.Module, History]:
    """Train a recipe and store nothing: the model, in eval mode on the CPU, and how its training went.

    Of several processes (see `parallel`) all must call it. At its end each goes on by itself, and the first measures and
    stores.

    Args:
        checkpoint, progress, callbacks: as in `training.fit`.
    """
    if parallel.world() > 1:
        parallel.check_same(_plan(recipe, images, scale, seed))
        device = parallel.own_device(device)
    method = begin(recipe, seed, device)
    history = fit(
        method,
        batches_for(recipe, images, device),
        recipe.epochs[scale],
        seed=seed,
        schedules={"lr": warmup_cosine(recipe.lr, recipe.warmup)}
        | {name: _constant(value) for name, value in recipe.constants.items()},
        callbacks=callbacks,
        checkpoint=checkpoint,
        progress=progress,
        precision=recipe.precision,
        compile=recipe.compile,
    )
    parallel.leave()
    return result_of(method).eval().cpu(), history


def take_part(recipe: Recipe, scale: str, seed: int, device: str | torch.device) -> None:
    """What all but the first of several processes do: they train along, and measure and store nothing. Raises as `make`."""
    _, history = make(recipe, images_for(recipe), scale, seed, device, progress=False)
    history.check_whole()


def _plan(recipe: Recipe, images: data.Images, scale: str, seed: int) -> dict[str, Any]:
    """What decides the outcome of a training, as it must be in all processes, under names for a sentence."""
    kept = ("name", "form", "batch_size", "lr", "warmup", "constants", "precision", "compile")
    code = hashlib.sha256()
    for part in (images.train, images.train_labels):
        code.update(part.contiguous().numpy().tobytes())
    return {
        "their recipe": {name: getattr(recipe, name) for name in kept} | {"epochs": recipe.epochs[scale]},
        "their seed": seed,
        "their data": f"{images.name} ({len(images.train):,} images, checksum {code.hexdigest()[:12]})",
    }


def begin(recipe: Recipe, seed: int, device: str | torch.device = "cpu") -> Any:
    """The method at its start: networks drawn with `seed`, which torch's own random numbers don't feel."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return recipe.method(recipe.build().to(device))


def result_of(method: Any) -> nn.Module:
    """The network that training is for: the moving average of the weights, where the method keeps one."""
    return method.averaged if hasattr(method, "averaged") else method.model


def _constant(value: float) -> Callable[[float], float]:
    return lambda done: value


def save_weights(path: str | Path, model: nn.Module, about: dict[str, Any]) -> None:
    """Store weights in half precision, with what `describe` says of them. Raises SaveError."""
    save_state(path, {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}, about)


def round_weights(model: nn.Module) -> None:
    """Weights as they will be stored, in half precision: the scores are those of what is loaded later."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())


def describe(
    recipe: Recipe, model: nn.Module, images: data.Images, history: History, seed: int, line: str
) -> dict[str, Any]:
    """What stands beside stored weights; the scores are on the test images, `line` is the command that made them."""
    return {
        "recipe": recipe.name,
        "command": line,
        "data": images.name,
        "seed": seed,
        "epochs": len(history),
        "parameters": count_parameters(model),
        "torch": torch.__version__.split("+")[0],
        "scores": scores(model, images),
    }


@torch.no_grad()
def scores(model: nn.Module, images: data.Images, seed: int = 0) -> dict[str, float]:
    """Figures on the test images, binarised once from `seed`; the bound with many samples on the first 1,000."""
    unit = data.to_unit(images.test)
    if isinstance(model, (Generator, ConvGenerator, DCGANGenerator)):
        return sample_scores(model, images, seed)
    if isinstance(model, CycleGAN):
        return translation_scores(model, domains.split(images, "outlines"))
    if isinstance(model, VQVAE):
        return code_scores(model, images, seed)
    if isinstance(model, CodePrior):
        with torch.random.fork_rng():  # a network is drawn before it gets its stored weights
            codes_of = load(f"vqvae-{images.name}")
        return prior_scores(codes_of, model, images, seed)
    if isinstance(model, Classifier):
        return {"accuracy": metrics.accuracy(model, unit, images.test_labels)}
    if isinstance(model, ConvVAE):  # VAE-GAN: its pixels have no likelihood
        source = torch.Generator().manual_seed(seed)
        z = torch.randn(min(SAMPLES, len(unit) // 2), model.latent_dim, generator=source)
        mu, log_var = in_chunks(lambda x: torch.stack(model.encode(x), 1), unit).unbind(1)
        rebuilt, drawn = (in_chunks(lambda part: model.decode(part).sigmoid(), part) for part in (mu, z))
        return picture_scores(drawn, images, source) | {
            "error": (rebuilt - unit).square().mean(1).sqrt().mean().item(),
            "kl": gaussian_kl(mu, log_var).mean().item(),
            "active_units": metrics.active_units(mu),
        }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = data.binarize(unit)
        if isinstance(model, Autoencoder):
            loss = F.binary_cross_entropy_with_logits(model(x), x, reduction="none").sum(1).mean()
            return {"cross_entropy": loss.item()}
        bound = metrics.mean_elbo(model, x)
        many = metrics.iwae_bound(model, x[:1000], 500).mean().item()
        return {
            "elbo": bound.value,
            "reconstruction": bound.reconstruction,
            "kl": bound.kl,
            "log_likelihood_500": many,
            "active_units": metrics.active_units(model.encode(x)[0]),
        }


def translation_scores(model: CycleGAN, pair: domains.Domains, count: int | None = None) -> dict[str, float]:
    """`metrics.translation_scores` in both directions, with an "a_" or "b_" before the name: where the images came from.

    Args:
        count: the first so many test images; all if None.
    """
    with torch.random.fork_rng():  # a network is drawn before it gets its stored weights
        judged = judge(f"classifier-{pair.name}")
    found = {}
    for start, there, back in (("a", model.a_to_b, model.b_to_a), ("b", model.b_to_a, model.a_to_b)):
        scored = metrics.translation_scores(there, back, pair, judged, start, count)._asdict()
        found |= {f"{start}_{name}": value for name, value in scored.items() if name != "count"}
    return found


@torch.no_grad()
def code_scores(model: VQVAE, images: data.Images, seed: int = 0) -> dict[str, float]:
    """What the codes say of the test images.

    Returns:
        "reconstruction": log p(x|codes) in nats, of pixels binarised once from `seed`, the codes those of the grey levels;
        "error": root mean square of a pixel's, on grey levels; "perplexity" of the codes of all of them, and how many are "dead".
    """
    unit = data.to_unit(images.test)
    binary = data.binarize(unit, torch.Generator().manual_seed(seed))
    codes = in_chunks(model.codes, unit)
    logits = in_chunks(model.decode_codes, codes)
    nats, rebuilt = bernoulli_log_likelihood(logits, binary), logits.sigmoid()
    found = metrics.perplexity(codes, model.quantizer.num_codes)
    return {
        "reconstruction": nats.mean().item(),
        "error": (rebuilt - unit).square().mean(1).sqrt().mean().item(),
        "perplexity": found.value,
        "dead": found.dead,
    }


@torch.no_grad()
def prior_scores(model: VQVAE, prior: CodePrior, images: data.Images, seed: int = 0) -> dict[str, float]:
    """Samples from prior and codes, as `sample_scores` has them, and the bits that a binary test image takes.

    Returns:
        as `sample_scores`; "bits" = "code_bits" + "pixel_bits"; "uniform_bits": what the codes take by the uniform prior.
    """
    unit, source = data.to_unit(images.test), torch.Generator().manual_seed(seed)
    binary = data.binarize(unit, source)
    learned, uniform = bits_per_image(model, prior, binary, unit), bits_per_image(model, None, binary[:1])
    made = sample_images(model, prior, min(SAMPLES, len(unit) // 2), source)
    return picture_scores(made, images, source) | {
        "bits": learned.total.mean().item(),
        "code_bits": learned.codes.mean().item(),
        "pixel_bits": learned.pixels.mean().item(),
        "uniform_bits": uniform.codes.mean().item(),
    }


@torch.no_grad()
def sample_scores(generator: nn.Module, images: data.Images, seed: int = 0) -> dict[str, float]:
    """`picture_scores` of a generator's samples, as many as 5,000 or half the test images."""
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(min(SAMPLES, len(images.test) // 2), generator.latent_dim, generator=source)
    return picture_scores(data.signed_to_unit(generator.eval()(z)), images, source)


@torch.no_grad()
def picture_scores(fake: Tensor, images: data.Images, source: torch.Generator) -> dict[str, float]:
    """What the stored classifier of the data makes of samples [N, D] in [0, 1], N at most half the test images.

    Returns:
        "distance": the Fréchet classifier distance from test images; "floor": what other test images get instead;
        "noise": what uniform noise gets; "share": distance / noise; "classes": how many of ten there are; "largest":
        the share of the most frequent one.
    """
    with torch.random.fork_rng():  # a network is drawn before it gets its stored weights
        judged = judge(f"classifier-{images.name}")
    real = data.to_unit(images.test)
    found = metrics.frechet_classifier_distance(judged, real, fake)
    noise = metrics.frechet_classifier_distance(judged, real, torch.rand(fake.shape, generator=source)).value
    classes = metrics.class_histogram(judged.labels(fake))
    return {
        "distance": found.value,
        "floor": found.floor,
        "noise": noise,
        "share": found.value / noise,
        "classes": len(classes.counts) - len(classes.missing),
        "largest": classes.largest_share,
    }


def load(name: str) -> nn.Module:
    """The model with its stored weights, ready to use (eval mode). Raises InputError, CheckpointError."""
    state, _ = _stored(name)
    model = get(name).build()
    load_into(model, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, weights_path(name))
    return model.eval()


def about(name: str) -> dict[str, Any]:
    """What stands beside the stored weights of a recipe: command, data, seed, scores. Raises as `load`."""
    return _stored(name)[1]


def measured_ways(name: str) -> list[dict[str, Any]]:
    """What bfloat16 and compiling brought for a recipe on one thread of a processor: the rows of `precision_study`, a seed each.

    Empty for a recipe that was not measured. On a GPU it may be otherwise: `measure precision-mnist` there tells.
    """
    from chapter10.experiments import read_result  # which knows this module

    return [row for row in read_result("precision-mnist")["rows"] if row["recipe"] == get(name).name]


def judge(name: str) -> metrics.Judge:
    """A stored classifier, with its name and accuracy, to measure images with. Raises as `load`.

    Args:
        name: its recipe, such as "classifier-mnist".
    """
    if get(name).build is not Classifier:
        classifiers = ", ".join(other for other, recipe in RECIPES.items() if recipe.build is Classifier)
        raise InputError(
            "{name!r} is no classifier. There are: {classifiers}.",
            name=name,
            classifiers=classifiers,
        )
    return metrics.Judge(load(name), name, about(name)["scores"]["accuracy"])


def _stored(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = weights_path(get(name).name)
    if not path.exists():
        raise CheckpointError(
            "There are no stored weights for {name!r}. Make them: python -m chapter10 train {name}",
            name=name,
        )
    state, about = load_state(path)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            "{path} holds no weights of a model. Make them anew: python -m chapter10 train {name}",
            path=path,
            name=name,
        )
    return state, about
