"""The speed part of `python -m chapter10 bench gan`: an epoch of the chapter's GAN (section 10.3.3).

In turns: through `training.fit`; in the chapter's own loop, a DataLoader over torchvision's MNIST with ToTensor and
Normalize; and its arithmetic at this machine's own matrix speed.
"""

import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import data
from chapter10.bench import ROUNDS, gigaflops
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.training import fit

BATCH, LR, LATENT = 128, 2e-4, 100


def here(images: data.Images) -> float:
    """Seconds of an epoch as the notebooks train it."""
    method = GANTraining(Generator(), Discriminator(), lr=LR)
    batches = data.Batches(images.train, BATCH, "signed")
    started = time.perf_counter()
    fit(method, batches, 1, progress=False).check_whole()
    return time.perf_counter() - started


def chapter_players() -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator as the chapter prints them: torch's own dropout, a sigmoid at the end."""
    generator = nn.Sequential(
        nn.Linear(LATENT, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784), nn.Tanh()
    )
    discriminator = nn.Sequential(
        nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(256, 1), nn.Sigmoid(),
    )  # fmt: skip
    return generator, discriminator


def chapter_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer_g: torch.optim.Optimizer,
    optimizer_d: torch.optim.Optimizer,
    real_images: Tensor,
) -> tuple[Tensor, Tensor]:
    """The body of the chapter's loop, line by line. Returns its two losses."""
    criterion = nn.BCELoss()
    batch_size = real_images.size(0)
    real_labels, fake_labels = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)

    d_loss_real = criterion(discriminator(real_images), real_labels)
    fake_images = generator(torch.randn(batch_size, LATENT))
    d_loss_fake = criterion(discriminator(fake_images.detach()), fake_labels)
    d_loss = d_loss_real + d_loss_fake
    optimizer_d.zero_grad()
    d_loss.backward()
    optimizer_d.step()

    fake_images = generator(torch.randn(batch_size, LATENT))
    g_loss = criterion(discriminator(fake_images), real_labels)
    optimizer_g.zero_grad()
    g_loss.backward()
    optimizer_g.step()
    return d_loss, g_loss


def loader(root: str) -> float:
    """Seconds of an epoch of the chapter's loop; its images flattened and scaled to [−1, 1], which it leaves out."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    scale = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataloader = DataLoader(datasets.MNIST(root, transform=scale), batch_size=BATCH, shuffle=True)
    generator, discriminator = chapter_players()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=LR)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=LR)
    started = time.perf_counter()
    for x, _ in dataloader:
        chapter_step(generator, discriminator, optimizer_g, optimizer_d, x.view(-1, 784))
    return time.perf_counter() - started


def multiplications(generator: nn.Module, discriminator: nn.Module) -> int:
    """Multiply-adds that an image costs in the matrix products of one round of the game, none of them wasted.

    A pass forward through a layer costs its weights, w; the gradient of its weights w again, that of its input w again.
    D's step: G forward; D forward, its weights' and its inputs' gradients, on a real image and on a fake; the first
    layer's input needs none. G's step: G forward, D forward, D's inputs' gradients (its weights need none); G's
    weights' gradients and its inputs', but the first layer's.
    """
    g, d = (
        [m.weight.numel() for m in net.modules() if isinstance(m, nn.Linear)]
        for net in (generator, discriminator)
    )
    d_step = sum(g) + 2 * (2 * sum(d) + sum(d[1:]))
    g_step = sum(g) + 2 * sum(d) + sum(g) + sum(g[1:])
    return d_step + g_step


def speed(images: data.Images, root: str) -> dict[str, Any]:
    """Seconds of an epoch: here, in the chapter's loop, of its arithmetic; and the medians of their ratios."""
    operations = 2 * len(images.train) * multiplications(Generator(), Discriminator())
    rounds = []
    for _ in range(ROUNDS):  # in turns, so that a machine that slows down slows them all
        rate = gigaflops()
        row = {
            "gigaflops": rate,
            "arithmetic": operations / rate / 1e9,
            "here": here(images),
            "loader": loader(root),
        }
        rounds.append(row)
        print(
            f"an epoch: here {row['here']:.2f} s, the chapter's loop {row['loader']:.2f}, arithmetic "
            f"{row['arithmetic']:.2f} at {rate:.0f} GFLOP/s",
            flush=True,
        )
    return {
        "rounds": rounds,
        "epoch_against_loader": statistics.median(r["loader"] / r["here"] for r in rounds),
        "epoch_against_arithmetic": statistics.median(r["here"] / r["arithmetic"] for r in rounds),
    }
