"""What a critic's number is worth: held against the exact distance on a line, and against quality while images are learned.

Run through `python -m chapter10 measure critic-line` or critic-mnist. On the line a clipped and a spectral
critic have one hidden layer of 64 ReLU, of which `exact.critics` knows the best; under the penalty it knows the best of
all functions, and the critic has two of 32 to come close. On images, the generator and the
opponent are the small DCGAN's, without batch norm in the opponent (a critic must not have it).
"""

from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import data, exact
from chapter10.comparison import Ruler, ruler_for
from chapter10.errors import InputError
from chapter10.gan import GANTraining, MixtureDiscriminator
from chapter10.gan_study import Rounds, short
from chapter10.nets import ConvDiscriminator, ConvGenerator
from chapter10.training import Progress, adam, descend, fit
from chapter10.wgan import WGANTraining, check_critic, clip_weights, critic_loss, gradient_penalty, spectral

SUBJECTS = ("line", "mnist")
# On the line
POINTS, HIDDEN, LINE_STEPS, LINE_LR = 400, 64, 400, 0.01
PENALTY, LINE_CLIP = 10.0, 0.1
SHIFTS = (0.5, 1.0, 2.0, 4.0)
# On images
BATCH, ROUNDS, STEPS, CRITIC_STEPS, CLIP = 32, 8, 20, 3, 0.02
HEAD_START = 50  # steps that a critic makes before the generator begins: else its first numbers tell how little it knows
METHODS = ("GAN", "WGAN, clipping", "WGAN-GP")
SAMPLES, BINS = 1000, 41


def pairs(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Real and generated numbers [N]: the same shape a distance apart, or around the same place and wider."""
    x, y = torch.randn(2, POINTS, generator=torch.Generator().manual_seed(seed))
    return {f"shift {d:g}": (x + d, y) for d in SHIFTS} | {"twice as wide": (2 * x, y)}


def best(lipschitz: str, real: Tensor, fake: Tensor) -> float:
    """The most that any critic of this kind can find, exactly; for the penalty, of all functions."""
    if lipschitz == "clipping":
        return exact.clipped_critic(real, fake, LINE_CLIP, HIDDEN).estimate.item()
    if lipschitz == "spectral":
        return exact.spectral_critic(real, fake).estimate.item()
    return exact.penalty_critic(real, fake, PENALTY).estimate.item()


def train_critic(
    lipschitz: str, real: Tensor, fake: Tensor, seed: int = 0, steps: int = LINE_STEPS
) -> tuple[nn.Module, list[float]]:
    """A critic of numbers, trained to the end against a generator that stays: the critic, its estimate after each step.

    Args:
        real, fake: [N] each, all of which every step sees.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        two = lipschitz == "penalty"
        critic = MixtureDiscriminator(HIDDEN // 2 if two else HIDDEN, 2 if two else 1, data_dim=1)
        check_critic(critic, lipschitz)
        if lipschitz == "spectral":
            spectral(critic)
        optimizer, estimates = adam(critic, LINE_LR, (0.0, 0.9)), []
        x, y = real.view(-1, 1), fake.view(-1, 1)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = LINE_LR * min(1.0, 2 * (1 - step / steps))
            loss = critic_loss(critic(x), critic(y))
            if lipschitz == "penalty":
                order = torch.randperm(len(y))  # or each real point would always meet the same fake
                loss = loss + PENALTY * gradient_penalty(critic, x, y[order])
            descend(optimizer, loss)
            if lipschitz == "clipping":
                clip_weights(critic, LINE_CLIP)
            with torch.no_grad():
                estimates.append(-critic_loss(critic(x), critic(y)).item())
    return critic.eval(), estimates


def line(seed: int) -> list[dict[str, Any]]:
    """Each kind of critic for each pair: its estimate, the exact distance, the most that its kind can find."""
    rows = []
    for pair, (real, fake) in pairs(seed).items():
        distance = exact.wasserstein_1d(real, fake).item()
        for lipschitz in ("penalty", "clipping", "spectral"):
            _, estimates = train_critic(lipschitz, real, fake, seed)
            about = {"pair": pair, "lipschitz": lipschitz, "seed": seed, "steps": LINE_STEPS}
            found = {
                "distance": distance,
                "best": best(lipschitz, real, fake),
                "estimate": sum(estimates[-50:]) / 50,
            }
            rows.append(about | found)
    return rows


def rank_correlation(a: list[float], b: list[float]) -> float:
    """Spearman's: 1 if both rise and fall together, 0 if there is no telling, −1 if one falls where the other rises."""
    x, y = (torch.tensor(v, dtype=torch.float64).argsort().argsort().double() for v in (a, b))
    if len(x) != len(y) or len(x) < 3:
        raise InputError(
            "Ranks need two lists of one length from 3 up, found {count} and {count_2}.",
            count=len(x),
            count_2=len(y),
        )
    return torch.corrcoef(torch.stack([x, y]))[0, 1].item()


def weight_histogram(critic: nn.Module, clip: float) -> tuple[list[float], float]:
    """Shares of weights in `BINS` equal bins from −clip to clip, and of those that lie at a bound (within 0.1 %)."""
    weights = torch.cat([p.detach().flatten() for name, p in critic.named_parameters() if "weight" in name])
    shares = torch.histc(weights.float(), BINS, -clip, clip) / weights.numel()
    return [round(share, 4) for share in shares.tolist()], (
        weights.abs() >= 0.999 * clip
    ).double().mean().item()


def new_game(name: str) -> GANTraining | WGANTraining:
    """One of `METHODS`, with fresh networks."""
    generator, opponent = ConvGenerator(64, 16), ConvDiscriminator(16)
    if name == "GAN":
        return GANTraining(generator, opponent, lr=1e-3, average=0.9)
    if name == "WGAN, clipping":
        return WGANTraining(
            generator,
            opponent,
            1e-3,
            (0.0, 0.9),
            "clipping",
            clip=CLIP,
            critic_steps=CRITIC_STEPS,
            average=0.9,
        )
    if name == "WGAN-GP":
        return WGANTraining(generator, opponent, 1e-3, (0.0, 0.9), critic_steps=CRITIC_STEPS, average=0.9)
    raise InputError(
        "There is no game {name!r}. Choose one of: {choices}.",
        name=name,
        choices=', '.join(METHODS),
    )


def train(
    images: data.Images, ruler: Ruler, name: str, seed: int, rounds: int = ROUNDS, steps: int = STEPS
) -> tuple[GANTraining | WGANTraining, dict[str, Any]]:
    """One game on images, looked at after each round of so many steps of the generator.

    Returns:
        the method, and a row: for each round the distance and the losses; the rank correlations of the distance with
        each of the losses over the rounds.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        method = new_game(name)
    distances: list[float] = []
    count = min(SAMPLES, ruler.count)

    def look(progress: Progress) -> None:
        fake = method.sample(count, torch.Generator().manual_seed(0))
        distances.append(ruler.distance(data.signed_to_unit(fake)))

    batch = BATCH * getattr(method, "critic_steps", 1)
    batches = Rounds(data.Batches(images.train, batch, "signed"), steps)
    if isinstance(method, WGANTraining):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for x in Rounds(data.Batches(images.train, BATCH, "signed"), HEAD_START):
                method.critic_step(x)
    history = fit(method, batches, rounds, seed, callbacks=[look], progress=False)
    followed = ("estimate", "g_loss") if "estimate" in history.rows[0] else ("d_loss", "g_loss")
    row: dict[str, Any] = {
        "method": name,
        "seed": seed,
        "steps": steps * rounds,
        "batch_size": BATCH,
        "seconds": round(history["seconds"][-1], 1),
        "distance": distances,
    }
    for part in followed:
        row[part] = history[part]
        row[f"{part}_correlation"] = rank_correlation(history[part], distances)
    if name == "WGAN, clipping":
        row["histogram"], row["at_bound"] = weight_histogram(method.critic, CLIP)
    return method, {key: short(value) for key, value in row.items()}


def critic(subject: str, seed: int) -> list[dict[str, Any]]:
    """On the line, or on a set of images: a row for each training."""
    if subject == "line":
        return line(seed)
    images = data.load(subject)
    ruler = ruler_for(subject, images)
    return [train(images, ruler, name, seed)[1] for name in METHODS]
