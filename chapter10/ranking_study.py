"""All GANs and VAEs of the package trained for equally long, ranked, and the ranking beside that of Lucic et al. 2018.

Run through `python -m chapter10 measure ranking-mnist --seeds 3`, and `ranking-convolutions-mnist` for those that
Lucic et al. have too, with convolutions for all, as theirs have. Equal are the processor seconds of training on one
thread. CycleGAN is left out: it translates images and makes none from noise. The chapter's generator and
discriminator play five of the GANs' games, the VAE's networks make three of the others: there the objective differs, with
the rate, the critic's steps and the moving average that go with it. Each family has the rate and the batch of its recipe;
the four of the first run without a recipe have the best of three rates, tried with another seed for less time
(`ranking-rates-mnist`).

Lucic, Kurach, Michalski, Gelly and Bousquet 2018, Are GANs Created Equal? Their features are Inception's, so only the order
may be compared.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import better_vaes, comparison, data, metrics, recipes
from chapter10.errors import InputError
from chapter10.gan import Discriminator, GANTraining, Objective
from chapter10.gan_study import pack, short
from chapter10.nets import ConvDiscriminator, count_parameters, in_chunks
from chapter10.training import Method
from chapter10.vae import Autoencoder, AutoencoderTraining, VAETraining
from chapter10.wgan import WGANTraining

SECONDS = 40.0  # of the processor, for each training
CRITIC_STEPS = 5  # of both WGANs, as Gulrajani et al. 2017
R1 = 1.0  # γ
CLIP = 0.02  # of the convolutional critic's weights, as `critic_study` has it
BETA = 4.0
SHOWN = 12  # samples of the first seed that are kept
RATES, RATE_SECONDS, RATE_SEED = (2e-4, 6e-4, 2e-3), 20.0, 100

Draw = Callable[[int, torch.Generator], Tensor]  # how many -> samples [n, D] in [0, 1]


@dataclass(frozen=True)
class Family:
    """One way to learn to make images.

    Attributes:
        recipe: whose networks, rate, warm-up, form of the images and batch it has, less its data set.
        method: the model with its optimiser, where it is not the recipe's. lr: likewise the rate.
        batches: the batch is so many times the recipe's: a critic's steps split it. form: of the images, likewise.
        published: its name in Lucic et al. 2018, if it is among theirs.
    """

    recipe: str
    method: Callable[[nn.Module], Any] | None = None
    lr: float | None = None
    batches: int = 1
    published: str | None = None
    form: str | None = None


def _minimax(generator: nn.Module) -> GANTraining:
    return GANTraining(generator, Discriminator(), objective=Objective("minimax"), average=0.999)


def _r1(generator: nn.Module) -> GANTraining:
    return GANTraining(generator, Discriminator(), objective=Objective(r1=R1), average=0.999)


def _wgan(generator: nn.Module, lipschitz: str) -> WGANTraining:
    # In equal time G makes fewer steps here: its moving average looks back less far, or it would hold the beginning.
    settings = {"lipschitz": lipschitz, "critic_steps": CRITIC_STEPS, "average": 0.99}
    return WGANTraining(generator, Discriminator(), **settings)


def _conv_minimax(generator: nn.Module) -> GANTraining:
    opponent = ConvDiscriminator(batch_norm=True)
    return GANTraining(generator, opponent, objective=Objective("minimax"), average=0.99)


def _conv_wgan(generator: nn.Module, lipschitz: str) -> WGANTraining:
    settings = {"lipschitz": lipschitz, "critic_steps": CRITIC_STEPS, "average": 0.99}
    return WGANTraining(generator, ConvDiscriminator(), clip=CLIP, **settings)


FAMILIES = {
    "autoencoder, fitted Gaussian": Family("vae20"),  # with its own networks, and the VAE's settings
    "VAE": Family("vae20", published="VAE"),
    "β-VAE, β = 4": Family("vae20", lambda model: VAETraining(model, beta=BETA)),
    "VQ-VAE, PixelCNN prior": Family("vqvae"),  # trained by `better_vaes`: its prior takes a part of the time
    "VAE-GAN": Family("vaegan"),
    "GAN, non-saturating": Family("gan", published="NS GAN"),
    "GAN, minimax": Family("gan", _minimax, 6e-4, published="MM GAN"),
    "GAN, R1": Family("gan", _r1, 6e-4),
    "WGAN, clipping": Family("gan", lambda g: _wgan(g, "clipping"), 6e-4, CRITIC_STEPS, "WGAN"),
    "WGAN-GP": Family("gan", lambda g: _wgan(g, "penalty"), 2e-3, CRITIC_STEPS, "WGAN GP"),
    "DCGAN, small": Family("dcgan60"),
    "DCGAN, paper's rules": Family("dcgan"),
}
# Those of Lucic et al. 2018, with convolutions for all: the networks and the rate of the small DCGAN, the VAE-GAN's for the VAE.
CONVOLUTIONS = {
    "VAE, convolutions": Family("vaegan", VAETraining, published="VAE", form="binary"),
    "GAN, non-saturating, convolutions": Family("dcgan60", published="NS GAN"),
    "GAN, minimax, convolutions": Family("dcgan60", _conv_minimax, published="MM GAN"),
    "WGAN, clipping, convolutions": Family(
        "dcgan60", lambda g: _conv_wgan(g, "clipping"), batches=CRITIC_STEPS, published="WGAN"
    ),
    "WGAN-GP, convolutions": Family(
        "dcgan60", lambda g: _conv_wgan(g, "penalty"), batches=CRITIC_STEPS, published="WGAN GP"
    ),
}
ALL = FAMILIES | CONVOLUTIONS
WITHOUT_RECIPE = tuple(name for name, family in FAMILIES.items() if family.lr)

# FID on MNIST of the best setting that a search found for each, ± as printed. For the order only.
PUBLISHED = {
    "MM GAN": (9.8, 0.9),
    "NS GAN": (6.8, 0.5),
    "LSGAN": (7.8, 0.6),
    "WGAN": (6.7, 0.4),
    "WGAN GP": (20.3, 5.0),
    "DRAGAN": (7.6, 0.4),
    "BEGAN": (13.1, 1.0),
    "VAE": (23.8, 0.6),
}
# The table that the GANs are quoted from has a VAE of its own, with cross-entropy, whose settings nobody searched for.
UNTUNED_VAE = (16.6, 0.4)
SOURCE = (
    "Lucic et al. 2018, best FID on MNIST; the GANs as quoted in Dai and Wipf 2019, Diagnosing and enhancing VAE models, "
    "table 1, the VAE as reported"
)
PROTOCOL = (
    f"each family trained from nothing on MNIST for {SECONDS:.0f} processor seconds on one thread; the rate rises and falls with the "
    "time; samples of the moving average where the recipe has one; CycleGAN, which makes nothing from noise, left out"
)
DIFFERS = (
    "theirs: the best of a wide search over hyperparameters on this data set, InfoGAN's networks, features of Inception, 20 passes "
    f"over the images for each; here: one setting each, small networks, {SECONDS:.0f} processor seconds, in which the families see "
    "the images 1 to 15 times, features of a small classifier of digits"
)


def train(
    kind: str, images: data.Images, seed: int, seconds: float = SECONDS, lr: float | None = None
) -> tuple[Draw, dict[str, Any]]:
    """One of `ALL`, trained from nothing for so many processor seconds.

    Args:
        lr: the highest rate, if it is not the family's own.
    Returns:
        what draws its samples, and steps, images seen, seconds, parameters, rate and batch.
    Raises:
        InputError: for a name that is no family's, or a time that is none.
    """
    if kind not in ALL:
        raise InputError(
            "There is no {kind!r} to train. Choose one of: {choices}.",
            kind=kind,
            choices=', '.join(ALL),
        )
    family = ALL[kind]
    recipe = recipes.get(f"{family.recipe}-{images.name}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if family.recipe == "vqvae":
            trained = better_vaes.train("VQ-VAE", images, seed, seconds)
            return trained.draw, trained.about | {"lr": recipe.lr, "batch_size": recipe.batch_size}
        if kind == "autoencoder, fitted Gaussian":
            method: Method = AutoencoderTraining(model := Autoencoder())
        else:
            method = (family.method or recipe.method)(model := recipe.build())
        batch_size, rate = recipe.batch_size * family.batches, lr or family.lr or recipe.lr
        batches = data.Batches(images.train, batch_size, family.form or recipe.form)
        about = better_vaes.train_for(method, batches, seconds, rate, recipe.warmup)
    model = getattr(method, "averaged", model).eval()
    about |= {"parameters": count_parameters(model), "lr": rate, "batch_size": batch_size}
    if isinstance(model, Autoencoder):
        return _from_codes(model, images), about
    decode = comparison.decoder_of(model)
    return lambda n, source: decode(torch.randn(n, model.latent_dim, generator=source)), about


def _from_codes(model: Autoencoder, images: data.Images) -> Draw:
    """Samples decoded from the Gaussian with the mean and covariance of the codes of the training images."""
    codes = in_chunks(model.encode, data.to_unit(images.train[:10_000])).double()
    mean, root = (
        codes.mean(0),
        torch.linalg.cholesky(codes.T.cov() + 1e-6 * torch.eye(codes.shape[1]).double()),
    )

    def draw(n: int, source: torch.Generator) -> Tensor:
        z = mean + torch.randn(n, model.latent_dim, generator=source).double() @ root.T
        return in_chunks(lambda part: model.decode(part).sigmoid(), z.float())

    return draw


def measures(draw: Draw, ruler: comparison.Ruler, seed: int) -> dict[str, Any]:
    """Samples beside test images (`comparison.quality`), and how many classes of digits there are among them."""
    pictures = draw(ruler.count, torch.Generator().manual_seed(seed))
    classes = metrics.class_histogram(ruler.judge.labels(pictures))
    found = comparison.quality(ruler, pictures)
    found |= {"classes": 10 - len(classes.missing), "largest_share": classes.largest_share}
    found = {name: short(value) for name, value in found.items()}
    return found | ({"samples": pack(pictures[:SHOWN].unsqueeze(0))} if seed == 0 else {})


def ranking(name: str, seed: int) -> list[dict[str, Any]]:
    """Each of `FAMILIES` for one seed: a row each, and one of what noise scores."""
    return _ranked(FAMILIES, name, seed)


def convolutions(name: str, seed: int) -> list[dict[str, Any]]:
    """As `ranking`, of `CONVOLUTIONS`."""
    return _ranked(CONVOLUTIONS, name, seed)


def _ranked(families: dict[str, Family], name: str, seed: int) -> list[dict[str, Any]]:
    images = data.load(name)
    ruler = comparison.ruler_for(name, images)
    noise = torch.rand(ruler.count, 784, generator=torch.Generator().manual_seed(seed))
    about = {"seed": seed, "judge": repr(ruler.judge), "budget": SECONDS, "threads": torch.get_num_threads()}
    said = {"protocol": PROTOCOL, "source": SOURCE, "differs": DIFFERS}
    rows = [
        {"model": "noise"} | about | said | {"distance": short(ruler.distance(noise)), "count": ruler.count}
    ]
    for kind, family in families.items():
        draw, trained = train(kind, images, seed)
        row = {"model": kind} | about | trained | measures(draw, ruler, seed)
        rows.append(row | {"published": family.published})
        print(f"{kind}, seed {seed}: {row['distance']:.2f}", flush=True)
    return rows


def rates(name: str, seed: int) -> list[dict[str, Any]]:
    """The families without a recipe at each of three rates, for less time and with seeds that `ranking` does not use."""
    images = data.load(name)
    ruler = comparison.ruler_for(name, images)
    rows = []
    for kind in WITHOUT_RECIPE:
        for lr in RATES:
            draw, trained = train(kind, images, RATE_SEED + seed, RATE_SECONDS, lr)
            distance = ruler.distance(draw(ruler.count, torch.Generator().manual_seed(seed)))
            rows.append({"model": kind, "seed": RATE_SEED + seed} | trained | {"distance": short(distance)})
            print(f"{kind}, rate {lr:g}: {distance:.2f}", flush=True)
    return rows


@dataclass(frozen=True)
class Place:
    """Where a family stands: the distances [seeds] in ascending order, their median, its rank from 1, and the ranks that it
    has seed by seed, in ascending order."""

    model: str
    distances: tuple[float, ...]
    median: float
    rank: float
    ranks: tuple[float, ...]


def places(rows: Sequence[dict[str, Any]]) -> list[Place]:
    """The families of `ranking`'s rows from the nearest to the farthest, by the median over the seeds."""
    kinds = [kind for kind in ALL if any(row["model"] == kind for row in rows)]
    by_seed: dict[int, dict[str, float]] = {}
    for row in rows:
        if row["model"] in kinds:
            by_seed.setdefault(row["seed"], {})[row["model"]] = row["distance"]
    if not kinds or any(set(found) != set(kinds) for found in by_seed.values()):
        raise InputError(
            "The rows have not the same models for each seed; give those of one run of `ranking`."
        )
    medians = [statistics.median(found[kind] for found in by_seed.values()) for kind in kinds]
    each = {kind: [] for kind in kinds}
    for found in by_seed.values():
        for kind, rank in zip(kinds, ranks([found[kind] for kind in kinds])):
            each[kind].append(rank)
    made = [
        Place(
            kind,
            tuple(sorted(found[kind] for found in by_seed.values())),
            median,
            rank,
            tuple(sorted(each[kind])),
        )
        for kind, median, rank in zip(kinds, medians, ranks(medians))
    ]
    return sorted(made, key=lambda place: place.rank)


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each from 1 for the smallest; equal ones share the mean of their ranks."""
    return [
        1 + sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2 for value in values
    ]


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, from −1 to 1; NaN where one of them has no order at all."""
    if len(a) != len(b) or len(a) < 2:
        raise InputError(
            "There are {count} values and {count_2}; give two or more, as many of one as of the other.",
            count=len(a),
            count_2=len(b),
        )
    middle = (len(a) + 1) / 2
    first, second = ([rank - middle for rank in ranks(values)] for values in (a, b))
    spread = math.sqrt(sum(x * x for x in first) * sum(y * y for y in second))
    return sum(x * y for x, y in zip(first, second)) / spread if spread else math.nan


def by_chance(a: Sequence[float], b: Sequence[float]) -> float:
    """The share of all orders of b that are correlated with a as strongly as b, one way or the other: exact, for up to 8 values."""
    if len(a) > 8:
        raise InputError(
            "There are {count} values; all their orders are gone through for up to 8.",
            count=len(a),
        )
    found = abs(spearman(a, b))
    orders = [abs(spearman(a, other)) for other in permutations(b)]
    return sum(rho >= found - 1e-9 for rho in orders) / len(orders)


@dataclass(frozen=True)
class Agreement:
    """Our order beside the published one: models in our order, with the rank among these in ours and in theirs; Spearman's
    correlation, and the share of all orders with one as strong, of either sign."""

    models: tuple[str, ...]
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    correlation: float
    by_chance: float


def agreement(
    rows: Sequence[dict[str, Any]], published: dict[str, tuple[float, float]] = PUBLISHED
) -> Agreement:
    """How the families that Lucic et al. 2018 have too are ordered in both."""
    common = [place for place in places(rows) if ALL[place.model].published]
    ours = [place.median for place in common]
    theirs = [published[ALL[place.model].published or ""][0] for place in common]
    return Agreement(
        tuple(place.model for place in common),
        tuple(ranks(ours)),
        tuple(ranks(theirs)),
        spearman(ours, theirs),
        by_chance(ours, theirs),
    )


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The ranking as lines of text, and beside it the published order."""
    placed, first = places(rows), next(row for row in rows if "floor" in row)
    lines = [f"{'rank':<6}{'':<30}{'distance':>9}  smallest, largest; ranks by seed"]
    for place in placed:
        span = f"{place.distances[0]:.2f}, {place.distances[-1]:.2f}"
        lines.append(
            f"{place.rank:<6g}{place.model:<30}{place.median:>9.2f}  {span}; {', '.join(f'{r:g}' for r in place.ranks)}"
        )
    lines.append(f"real against real {first['floor']:.2f}, {first['count']:,} samples; {first['judge']}")
    both = agreement(rows)
    pairs = "; ".join(f"{m}: {a:g}, {b:g}" for m, a, b in zip(both.models, both.ours, both.theirs))
    lines.append(f"rank here, rank there ({SOURCE}): {pairs}")
    lines.append(
        f"Spearman {both.correlation:.2f}; of all orders {100 * both.by_chance:.0f} % have one as strong, of either sign"
    )
    return "\n".join([*lines, f"What differs: {DIFFERS}."])
