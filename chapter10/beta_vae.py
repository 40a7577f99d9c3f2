"""What the weight β of the KL trades (section 10.5.1): reconstruction, KL, sharpness, samples, and on shapes the MIG.

Higgins et al. 2017, β-VAE; Alemi et al. 2018, Fixing a broken ELBO, for rate (the KL) and distortion (minus the
reconstruction). Run through `python -m chapter10 measure beta-mnist` (or -digits, -shapes): the recipes of the stored
β models over several seeds. One small network for all β, trained alike; only β differs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chapter10 import data, metrics, recipes, shapes
from chapter10.comparison import Ruler, decoder_of
from chapter10.errors import InputError
from chapter10.nets import in_chunks
from chapter10.vae import VAE

SUBJECTS = tuple(recipes.BETAS)
BETAS = (0.25, 1, 2, 4, 8, 16)
REAL = 4000  # test images to hold samples against: half as many samples
LIKELY, DRAWS = 500, 100  # test images for the bound with many samples, and how many
SAMPLES = 1000  # shapes drawn from the prior


@dataclass(frozen=True)
class Subject:
    """Images to train on, and test images to measure with: as grey levels and as binary pixels, [M, D] in [0, 1].

    `ruler` measures how far samples lie from real digits; shapes have no classifier, but all there are are known.
    """

    images: data.Images
    grey: Tensor
    binary: Tensor
    ruler: Ruler | None

    @classmethod
    def of(cls, name: str) -> "Subject":
        if name not in SUBJECTS:
            raise InputError(
                "There are no images {name!r} to measure β on. Choose one of: {choices}.",
                name=name,
                choices=', '.join(SUBJECTS),
            )
        images = shapes.split() if name == "shapes" else data.load(name)
        grey = data.to_unit(images.test)
        binary = data.binarize(grey, torch.Generator().manual_seed(0))
        ruler = None if name == "shapes" else Ruler.of(recipes.judge(f"classifier-{name}"), grey[:REAL])
        return cls(images, grey, binary, ruler)


@torch.no_grad()
def draws_of(model: VAE, x: Tensor, seed: int) -> Tensor:
    """One draw of q(z|x) for each image x [N, D]: z [N, L]."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return in_chunks(lambda part: model.reparameterize(*model.encode(part)), x)


@torch.no_grad()
def measures(model: VAE, subject: Subject, seed: int) -> dict[str, Any]:
    """Likelihood and its parts, sharpness and error of what is decoded, and how far samples lie from real images.

    Returns:
        "reconstruction", "kl", "elbo" (at β = 1, whatever the training had), "likelihood" (the importance-weighted
        bound); "active_units"; "error" (root mean square, a pixel) and "rebuilt_sharpness" of what is decoded from the
        mean codes of test images; "sharpness" of samples from N(0, I); their "distance" (Fréchet classifier distance),
        and "codes_distance", that of what is decoded from draws of q(z|x) of test images. For shapes, instead of the
        two: "nearest" and "codes_nearest", the median distance to the nearest of all the images there are.
    """
    decode = decoder_of(model)
    mu = in_chunks(lambda part: model.encode(part)[0], subject.binary)
    rebuilt = decode(mu)
    count = SAMPLES if subject.ruler is None else subject.ruler.count
    samples = decode(torch.randn(count, model.latent_dim, generator=torch.Generator().manual_seed(seed)))
    from_codes = decode(draws_of(model, subject.binary[:count], seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bound = metrics.mean_elbo(model, subject.binary)
        likelihood = metrics.iwae_bound(model, subject.binary[:LIKELY], DRAWS).double().mean().item()
    found = {
        "reconstruction": bound.reconstruction, "kl": bound.kl, "elbo": bound.value, "likelihood": likelihood,
        "active_units": metrics.active_units(mu),
        "error": (rebuilt - subject.grey).square().mean(1).sqrt().mean().item(),
        "rebuilt_sharpness": metrics.sharpness(rebuilt).mean, "sharpness": metrics.sharpness(samples).mean,
    }  # fmt: skip
    if subject.ruler is not None:
        far = {"distance": samples, "codes_distance": from_codes}
        return found | {name: subject.ruler.distance(pictures) for name, pictures in far.items()}
    every = data.to_unit(torch.cat([subject.images.train, subject.images.test]))
    near = {"nearest": samples, "codes_nearest": from_codes}
    return found | {name: metrics.nearest(x, every).distance.median().item() for name, x in near.items()}


def disentanglement(model: VAE, whole: shapes.Shapes, seed: int = 0) -> metrics.MutualInformationGap:
    """The mutual information gap of a model over shapes with known factors, one draw of q(z|x) for each image."""
    x = data.binarize(data.to_unit(whole.images), torch.Generator().manual_seed(seed))
    return metrics.mutual_information_gap(draws_of(model, x, seed), whole.factors)


def real_scores(subject: Subject) -> dict[str, Any]:
    """What real images score: their sharpness, and for digits the floor of the distance."""
    found: dict[str, Any] = {"real_sharpness": metrics.sharpness(subject.grey).mean}
    if subject.ruler is None:
        return found
    ruler = subject.ruler
    order = torch.randperm(len(ruler.real), generator=torch.Generator().manual_seed(0))[: ruler.count]
    floor = metrics.frechet_classifier_distance(ruler.judge, ruler.real, ruler.real[order]).floor
    return found | {"floor": floor, "count": ruler.count, "judge": repr(ruler.judge)}


def beta(name: str, seed: int) -> list[dict[str, Any]]:
    """The same training for each β: a row each, with what real images score beside it."""
    subject = Subject.of(name)
    whole, real = shapes.load() if name == "shapes" else None, real_scores(subject)
    rows = []
    for weight in BETAS:
        recipe = recipes.beta_recipe(weight, name)
        model, history = recipes.make(recipe, subject.images, "quick", seed, progress=False)
        row = {"beta": weight, "seed": seed, "epochs": len(history)} | real | measures(model, subject, seed)
        if whole is not None:
            found = disentanglement(model, whole, seed)
            row |= {"mig": found.value, "gaps": dict(zip(shapes.FACTORS, found.gaps.tolist()))}
        rows.append(row)
    return rows
