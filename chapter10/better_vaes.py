"""Four models with a code for each image, trained for equally long (section 10.5.1), and what became of them.

Run through `python -m chapter10 measure better-vaes-mnist` (or -digits). Equal are the processor seconds of training, on
one thread: not the images seen, not the number of weights. "VAE" is the chapter's; "VAE, convolutions" has the very
networks of "VAE-GAN" and another loss, to show what is the loss's doing; "VQ-VAE" shares its time with its prior. Each
has the rate, and the size of batch, of its recipe.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any

import torch
from torch import Tensor

from chapter10 import comparison, data, metrics, recipes
from chapter10.code_prior import CodePriorTraining, bits_per_image, sample_images
from chapter10.errors import InputError
from chapter10.nets import count_parameters, in_chunks
from chapter10.training import Method, warmup_cosine
from chapter10.vae import VAETraining, gaussian_kl

SECONDS = {"mnist": 58.0, "digits": 40.0}  # of the processor, for each training
# Of the VQ-VAE's time; longer on the few embedded digits, and the prior knows them by heart.
PRIOR_SHARE = {"mnist": 0.7, "digits": 0.2}


@dataclass
class Trained:
    """A trained model as all four can be asked.

    Attributes:
        draw: (n, source of random numbers) -> samples [n, D] in [0, 1].
        rebuild: x [N, D] in [0, 1] -> its reconstruction [N, D], from the mean of q(z|x) or from the codes.
        about: steps, images seen, number of weights, and what only this kind can say.
    """

    draw: Callable[[int, torch.Generator], Tensor]
    rebuild: Callable[[Tensor], Tensor]
    about: dict[str, Any] = field(default_factory=dict)


def train_for(
    method: Method, batches: data.Batches, seconds: float, lr: float, warmup: float = 0.2
) -> dict[str, Any]:
    """Train until so many processor seconds are spent, the rate going up and down with the time (`warmup_cosine`).

    `fit` counts steps; here it is the clock that must be the same for all.

    Returns:
        "steps", "images_seen", "seconds" spent.
    """
    if not 0 < seconds < float("inf"):
        raise InputError("seconds is {seconds}; give a time above 0.", seconds=seconds)
    rate, steps, seen, started = warmup_cosine(lr, warmup), 0, 0, time.process_time()
    for x in _endless(batches):
        spent = time.process_time() - started
        if spent >= seconds:
            break
        method.lr = rate(spent / seconds)
        method.step(x)
        steps, seen = steps + 1, seen + len(x)
    return {"steps": steps, "images_seen": seen, "seconds": round(spent, 2)}


def _endless(batches: data.Batches) -> Iterator[Tensor]:
    return chain.from_iterable(repeat(batches))


def train(kind: str, images: data.Images, seed: int, seconds: float) -> Trained:
    """One of `KINDS`, trained from nothing for so many processor seconds."""
    if kind not in KINDS:
        raise InputError(
            "There is no {kind!r} to train. Choose one of: {choices}.",
            kind=kind,
            choices=', '.join(KINDS),
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return KINDS[kind](images, seconds)


def _gaussian(recipe: recipes.Recipe, images: data.Images, seconds: float) -> Trained:
    """A model with a Gaussian q(z|x), by its recipe but for the length."""
    method = recipe.method(model := recipe.build())
    batches = recipes.batches_for(recipe, images, "cpu")
    about = train_for(method, batches, seconds, recipe.lr, recipe.warmup)
    model = getattr(method, "averaged", model).eval()
    decode = comparison.decoder_of(model)
    mu, log_var = in_chunks(lambda x: torch.stack(model.encode(x), 1), data.to_unit(images.test)).unbind(1)
    about |= {"parameters": count_parameters(model), "active_units": metrics.active_units(mu)}
    about["kl"] = gaussian_kl(mu, log_var).mean().item()
    return Trained(
        lambda n, source: decode(torch.randn(n, model.latent_dim, generator=source)),
        lambda x: decode(in_chunks(lambda part: model.encode(part)[0], x)),
        about,
    )


def _vae(images: data.Images, seconds: float) -> Trained:
    return _gaussian(recipes.get(f"vae20-{images.name}"), images, seconds)


def _vaegan(images: data.Images, seconds: float) -> Trained:
    return _gaussian(recipes.get(f"vaegan-{images.name}"), images, seconds)


def _convolutions(images: data.Images, seconds: float) -> Trained:
    """VAE-GAN's networks, rate and batches; the ELBO of binary pixels."""
    recipe = replace(recipes.get(f"vaegan-{images.name}"), method=VAETraining, form="binary")
    return _gaussian(recipe, images, seconds)


def _vqvae(images: data.Images, seconds: float) -> Trained:
    """VQ-VAE, and then its prior, which sees the codes of the same images."""
    first, second = (recipes.get(f"{name}-{images.name}") for name in ("vqvae", "codeprior"))
    method = first.method(model := first.build())
    batches = recipes.batches_for(first, images, "cpu")
    share = PRIOR_SHARE[images.name]
    about = train_for(method, batches, (1 - share) * seconds, first.lr, first.warmup)
    model.eval()
    prior = second.build()
    batches = recipes.batches_for(second, images, "cpu")
    after = train_for(CodePriorTraining(prior, model), batches, share * seconds, second.lr, second.warmup)
    prior.eval()
    about |= {"prior_steps": after["steps"], "seconds": about["seconds"] + after["seconds"]}
    about["parameters"] = count_parameters(model) + count_parameters(prior)
    x = data.to_unit(images.test)
    used = metrics.perplexity(in_chunks(model.codes, x), model.quantizer.num_codes)
    bits = bits_per_image(model, prior, data.binarize(x, torch.Generator().manual_seed(0)), x)
    about |= {"perplexity": used.value, "codes": model.quantizer.num_codes}
    about |= {"bits_codes": bits.codes.mean().item(), "bits_pixels": bits.pixels.mean().item()}
    about["bits_codes_uniform"] = model.map_size**2 * math.log2(model.quantizer.num_codes)
    return Trained(
        lambda n, source: sample_images(model, prior, n, source),
        lambda x: in_chunks(lambda part: model(part)[0].sigmoid(), x),
        about,
    )


KINDS: dict[str, Callable[[data.Images, float], Trained]] = {
    "VAE": _vae,
    "VAE, convolutions": _convolutions,
    "VAE-GAN": _vaegan,
    "VQ-VAE": _vqvae,
}


def measures(trained: Trained, ruler: comparison.Ruler, seed: int) -> dict[str, Any]:
    """Samples beside test images (`comparison.quality`), and reconstructions: "error", the root mean square error of a
    pixel, "rebuilt_sharpness", and "rebuilt_right", the share that the classifier takes for the same digit as before."""
    found = comparison.quality(ruler, trained.draw(ruler.count, torch.Generator().manual_seed(seed)))
    rebuilt = trained.rebuild(ruler.real)
    found["error"] = (rebuilt - ruler.real).square().mean(1).sqrt().mean().item()
    found["rebuilt_sharpness"] = metrics.sharpness(rebuilt).mean
    same = ruler.judge.labels(rebuilt) == ruler.judge.labels(ruler.real)
    return found | {"rebuilt_right": same.double().mean().item()}


def better_vaes(name: str, seed: int) -> list[dict[str, Any]]:
    """All four, for one set of images and one seed: a row each."""
    images = data.load(name)
    ruler = comparison.rulers(name, images)[0]
    rows = []
    for kind in KINDS:
        trained = train(kind, images, seed, SECONDS[name])
        row = {"model": kind, "seed": seed, "judge": repr(ruler.judge)}
        rows.append(row | trained.about | measures(trained, ruler, seed))
    return rows
