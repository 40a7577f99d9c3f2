"""The chapter's table of VAE and GAN (section 10.4), measured: what each cell of it asks of two trained models.

Run through `python -m chapter10 measure vae-or-gan-mnist` (or -digits). Both models see as many images, in batches of
the same size. The rate is the chapter's for the GAN, and Adam's default for the VAE, for which it names none; each is
also multiplied and divided by three. The GAN's Adam has β1 = 0.5 (notebook 06 compares it with 0.9). Inversion of a
generator: Creswell and Bharath 2016; interpolation along an arc: White 2016.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from chapter10 import data, metrics, recipes
from chapter10.errors import InputError
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.gan_study import Rounds
from chapter10.metrics.judge import disjoint_draws
from chapter10.nets import in_chunks
from chapter10.training import Progress, fit
from chapter10.vae import VAE, VAETraining, bernoulli_log_likelihood, gaussian_kl, reparameterize

BATCH = 32  # as in section 10.2.5
ROUNDS = 8  # looks at a training
STEPS = {"mnist": 600, "digits": 300}  # between two looks
LR = {"VAE": 1e-3, "GAN": 2e-4}
FACTORS = {"": 1.0, "× 3": 3.0, "÷ 3": 1 / 3}  # of the rate; the two others run for half the rounds,
RATE_SEEDS = 3  # and for so many seeds: they would take half of the time
SAMPLES = 5000  # images on each side, for the distance
NEIGHBOURS = 2000  # for precision and its like, and pairs of z
PRESENT = 0.01  # a class is there from that share on
CLASSES, LARGEST = 8, 0.4  # a failure has fewer classes, or a larger one

Decoder = Callable[[Tensor], Tensor]  # z [N, L] -> images [N, D] in [0, 1]


@dataclass(frozen=True)
class Ruler:
    """Real test images to hold samples against, [M, D] in [0, 1], their features, and how many samples are asked for."""

    judge: metrics.Judge
    real: Tensor
    features: Tensor
    count: int

    @classmethod
    def of(cls, judge: metrics.Judge, real: Tensor) -> "Ruler":
        return cls(judge, real, judge.features(real), min(SAMPLES, len(real) // 2))

    def distance(self, fake: Tensor) -> float:
        """The Fréchet classifier distance of samples [N, D], N at most half as many as the real images: one draw."""
        first, _ = next(disjoint_draws(len(self.real), len(fake), 1, seed=0))
        return metrics.frechet_of_features(self.features[first], self.judge.features(fake))

    def sure(self, images: Tensor) -> float:
        """Share of images that the classifier takes for a digit with confidence above 0.9."""
        return metrics.sure_share(self.judge.classifier, images)


def decoder_of(model: torch.nn.Module) -> Decoder:
    """z [N, L] -> images [N, D] in [0, 1]: a VAE's probabilities, or what a generator draws, in bounded memory."""
    if isinstance(model, VAE):
        return lambda z: in_chunks(lambda part: model.decode(part).sigmoid(), z)
    return lambda z: data.signed_to_unit(in_chunks(model, z))


def failed(classes: int, largest_share: float) -> bool:
    """Whether samples show fewer than 8 classes, or one of more than 40 %."""
    return classes < CLASSES or largest_share > LARGEST


def train(
    kind: str, images: data.Images, ruler: Ruler, seed: int, lr: float, rounds: int, steps: int
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """One training of a "VAE" or a "GAN", looked at after each round of so many steps.

    Returns:
        the model or the generator, in eval mode; and for each round the distance, the classes and the losses, with the
        processor seconds of all of the training (without the looks).
    """
    if kind not in LR:
        raise InputError(
            "There is no {kind!r} to train. Choose one of: {choices}.",
            kind=kind,
            choices=', '.join(LR),
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "VAE":
            method = VAETraining(model := VAE(), lr)
        else:
            method = GANTraining(model := Generator(), Discriminator(), lr)
    decode, looks, spent = decoder_of(model), [], [time.process_time()]
    z = torch.randn(ruler.count, model.latent_dim, generator=torch.Generator().manual_seed(seed))

    def look(progress: Progress) -> None:
        spent.append(time.process_time())
        model.eval()
        pictures = decode(z)
        histogram = metrics.class_histogram(ruler.judge.labels(pictures))
        shares = torch.tensor(histogram.counts) / len(pictures)
        losses = {k: v for k, v in progress.history.rows[-1].items() if k in ("loss", "d_loss", "g_loss")}
        found = {"step": progress.step, "distance": ruler.distance(pictures)}
        found |= {"classes": int((shares >= PRESENT).sum()), "largest_share": histogram.largest_share}
        looks.append(found | losses)
        spent.append(time.process_time())

    batches = Rounds(data.Batches(images.train, BATCH, "binary" if kind == "VAE" else "signed"), steps)
    fit(method, batches, rounds, seed, callbacks=[look], progress=False)
    row = {name: [found[name] for found in looks] for name in looks[0]}
    row["failed"] = failed(row["classes"][-1], row["largest_share"][-1])
    row["images_seen"] = rounds * steps * BATCH
    row["seconds"] = round(sum(end - start for start, end in zip(spent[::2], spent[1::2])), 1)
    return model.eval(), row


def quality(ruler: Ruler, pictures: Tensor) -> dict[str, float]:
    """Distance with its floor, precision, recall, density, coverage with those of real images, sharpness."""
    found = metrics.frechet_classifier_distance(ruler.judge, ruler.real, pictures)
    scores = metrics.precision_recall(ruler.judge, ruler.real, pictures[: min(NEIGHBOURS, ruler.count)])
    names = ("precision", "recall", "density", "coverage")
    row = {"distance": found.value, "floor": found.floor, "count": found.count, "near_count": scores.count}
    row |= {name: getattr(scores, name) for name in names}
    row |= {f"real_{name}": getattr(scores.real, name) for name in names}
    sharp, real = metrics.sharpness(pictures), metrics.sharpness(ruler.real)
    return row | {"sharpness": sharp.mean, "real_sharpness": real.mean}


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The arc from a to b [N, L]: with t from 0 to 1 the direction turns evenly, and the length goes from |a| to |b|.

    The weights are those of the angle between the *directions* a/|a| and b/|b| (Shoemake 1985, White 2016).
    """
    cosine = F.cosine_similarity(a, b, dim=-1).clamp(-1 + 1e-6, 1 - 1e-6).unsqueeze(-1)
    angle = cosine.acos()
    length = (1 - t) * a.norm(dim=-1, keepdim=True) + t * b.norm(dim=-1, keepdim=True)
    turned = ((1 - t) * angle).sin() * F.normalize(a, dim=-1) + (t * angle).sin() * F.normalize(b, dim=-1)
    return length * turned / angle.sin()


def evenness(decode: Decoder, a: Tensor, b: Tensor, points: int = 21) -> float:
    """The largest step of the picture on the straight line from a to b [N, L], over the mean step: median over the N lines.

    1 for a picture that changes evenly; points − 1 for one that jumps once and stands still before and after.
    """
    share = torch.linspace(0, 1, points).tolist()
    path = torch.stack([decode(a + (b - a) * t) for t in share])  # (points, N, D)
    step = (path[1:] - path[:-1]).norm(dim=2)  # (points − 1, N)
    return (step.max(0).values / step.mean(0).clamp(min=1e-9)).median().item()


def readable(z: Tensor, labels: Tensor) -> float:
    """How well the class [N] can be read off z [N, L] by one linear rule: least squares on one half, accuracy on the other."""
    half, inputs = len(z) // 2, torch.cat([z, torch.ones(len(z), 1)], 1).double()
    wanted = F.one_hot(labels, 10).double()
    ridge = 1e-3 * half * torch.eye(inputs.shape[1], dtype=torch.float64)
    rule = torch.linalg.solve(inputs[:half].T @ inputs[:half] + ridge, inputs[:half].T @ wanted[:half])
    return ((inputs[half:] @ rule).argmax(1) == labels[half:]).double().mean().item()


def latent_space(ruler: Ruler, decode: Decoder, latent_dim: int, seed: int) -> dict[str, float]:
    """Halfway between two draws of z: is there a digit? How even are the steps? Can the class be read off z?

    Returns:
        "…_sure" (share taken for a digit) and "…_distance" of images decoded at the ends, in the middle of the straight
        line, in the middle of the arc, and of the pixels of both ends averaged; "evenness", "readable" and the share of
        the largest class, "guess".
    """
    count = min(NEIGHBOURS, ruler.count)
    source = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, count, latent_dim, generator=source)
    first, last = decode(a), decode(b)
    found = {}
    for name, pictures in (
        ("end", first), ("line", decode((a + b) / 2)), ("arc", decode(slerp(a, b, 0.5))), ("pixels", (first + last) / 2),
    ):  # fmt: skip
        found |= {f"{name}_sure": ruler.sure(pictures), f"{name}_distance": ruler.distance(pictures)}
    z = torch.randn(2 * SAMPLES, latent_dim, generator=source)
    labels = ruler.judge.labels(decode(z))
    found |= {"evenness": evenness(decode, a[:200], b[:200]), "readable": readable(z, labels)}
    return found | {"guess": (torch.bincount(labels[SAMPLES:]).max() / SAMPLES).item()}


def invert(
    decode: Decoder,
    latent_dim: int,
    x: Tensor,
    restarts: int = 4,
    steps: int = 200,
    lr: float = 0.1,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """The z whose picture is nearest to each image x [N, D] in [0, 1], by Adam on |decode(z) − x|² from several starts.

    Args:
        decode: z [N, L] -> [N, D] in [0, 1], through which gradients pass.
    Returns:
        z [restarts, N, L] and the root mean square error of a pixel [restarts, N]. The starts are draws of N(0, I).
    """
    start = torch.randn(restarts * len(x), latent_dim, generator=torch.Generator().manual_seed(seed))
    z, target = start.requires_grad_(), x.repeat(restarts, 1)  # (restarts·N, ·)
    optimizer = torch.optim.Adam([z], lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        (gradient,) = torch.autograd.grad((decode(z) - target).square().sum(), z)
        z.grad = gradient
        optimizer.step()
    with torch.no_grad():
        error = (decode(z) - target).square().mean(1).sqrt()
    return z.detach().view(restarts, len(x), latent_dim), error.view(restarts, len(x))


def inversion(model: torch.nn.Module, x: Tensor, seed: int) -> dict[str, float]:
    """Root mean square error of a pixel, and processor seconds an image, of finding z for test images by descent; and
    by the encoder where there is one."""
    if isinstance(model, VAE):
        decode: Decoder = lambda z: model.decode(z).sigmoid()  # noqa: E731
    else:
        decode = lambda z: (model(z) + 1) / 2  # noqa: E731
    started = time.process_time()
    z, error = invert(decode, model.latent_dim, x, seed=seed)
    seconds = (time.process_time() - started) / len(x)
    best, which = error.min(0)
    lengths = z.norm(dim=2).gather(0, which.unsqueeze(0))
    found = {"inversion_best": best.mean().item(), "inversion_first": error[0].mean().item()}
    found |= {"inversion_seconds": seconds, "inversion_starts": len(error)}
    found["inversion_length"] = lengths.mean().item() / model.latent_dim**0.5
    if isinstance(model, VAE):
        started = time.process_time()
        with torch.no_grad():
            rebuilt = decode(model.encode(x)[0])
        found["encoder_seconds"] = (time.process_time() - started) / len(x)
        found["encoder"] = (rebuilt - x).square().mean(1).sqrt().mean().item()
    return found


@torch.no_grad()
def bound_spread(model: VAE, x: Tensor, draws: int = 50) -> dict[str, float]:
    """How far the terms of the ELBO spread over draws of z, for one image x of [N, D] (root mean square over images), in nats.

    Returns:
        "reconstruction_spread"; "kl_spread", by the formula, and "kl_drawn_spread", by log q(z|x) − log p(z) at the
        draws; "elbo"; "error_of_mean", the standard deviation of the mean over the images, one draw for each.
    """
    mu, log_var = model.encode(x)
    terms = []
    for _ in range(draws):
        eps = torch.randn_like(mu)
        z = reparameterize(mu, log_var, eps)
        drawn = 0.5 * (z.square() - eps.square() - log_var).sum(1)
        likelihood = bernoulli_log_likelihood(model.decode(z), x)
        terms.append(torch.stack([likelihood, gaussian_kl(mu, log_var), drawn]))
    each = torch.stack(terms).double()  # (draws, 3, N)
    reconstruction, kl, drawn = each.var(0).mean(1).sqrt().tolist()
    found = {"reconstruction_spread": reconstruction, "kl_spread": kl, "kl_drawn_spread": drawn}
    return found | {
        "elbo": (each[:, 0] - each[:, 1]).mean().item(),
        "error_of_mean": each[:, 0].mean(1).std().item(),
    }


def loss_follows_quality(loss: list[float], distance: list[float]) -> float:
    """Of the rounds in which the distance fell, the share in which the loss fell too; NaN if it never fell."""
    fell = [after < before for before, after in pairwise(distance)]
    both = [after < before for (before, after), better in zip(pairwise(loss), fell) if better]
    return sum(both) / len(both) if both else float("nan")


def measures(model: torch.nn.Module, grey: Ruler, binary: Ruler, seed: int) -> dict[str, Any]:
    """All that the table asks of one trained model: quality on grey levels and on binary pixels, latent space, inversion."""
    decode = decoder_of(model)
    source = torch.Generator().manual_seed(seed)
    pictures = decode(torch.randn(grey.count, model.latent_dim, generator=source))
    drawn = data.binarize(pictures, source)
    found: dict[str, Any] = {"grey": quality(grey, pictures), "binary": quality(binary, drawn)}
    found |= latent_space(grey, decode, model.latent_dim, seed) | inversion(model, grey.real[:64], seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return found | (bound_spread(model, binary.real[:500]) if isinstance(model, VAE) else {})


def ruler_for(name: str, images: data.Images) -> Ruler:
    """Test images as grey levels, for what draws grey levels."""
    return Ruler.of(recipes.judge(f"classifier-{name}"), data.to_unit(images.test))


def rulers(name: str, images: data.Images) -> tuple[Ruler, Ruler]:
    """Test images as grey levels and as binary pixels, drawn once: what a GAN and what a VAE is trained to draw."""
    grey = ruler_for(name, images)
    binary = data.binarize(grey.real, torch.Generator().manual_seed(0))
    return grey, Ruler.of(grey.judge, binary)


def vae_or_gan(name: str, seed: int) -> list[dict[str, Any]]:
    """VAE and GAN at their own rate, with what the table asks of the two, and at two other rates for the first seeds.

    A row a training, and one of what noise scores.
    """
    images = data.load(name)
    grey, binary = rulers(name, images)
    noise = torch.rand(grey.count, 784, generator=torch.Generator().manual_seed(seed))
    rows: list[dict[str, Any]] = [
        {
            "model": "noise", "seed": seed, "judge": repr(grey.judge), "distance": grey.distance(noise),
            "binary_distance": binary.distance(noise.round()), "sharpness": metrics.sharpness(noise).mean,
            "sure": grey.sure(noise), "real_sure": grey.sure(grey.real),
        }
    ]  # fmt: skip
    for kind, rate in LR.items():
        for factor, times in FACTORS.items():
            if factor and seed >= RATE_SEEDS:
                continue
            rounds = ROUNDS // (2 if factor else 1)
            model, row = train(kind, images, grey, seed, rate * times, rounds, STEPS[name])
            about = {"model": kind, "rate": factor, "lr": rate * times, "batch_size": BATCH, "seed": seed}
            rows.append(about | row | ({} if factor else measures(model, grey, binary, seed)))
    return rows
