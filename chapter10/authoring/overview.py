"""The README's picture, drawn from the stored weights and the test images: `python -m chapter10 author picture`."""

from __future__ import annotations

from pathlib import Path

import torch

from chapter10 import data, figures, recipes
from chapter10.authoring.texts import ROOT
from chapter10.files import write_atomic


@torch.no_grad()
def overview(root: Path = ROOT) -> Path:
    """Draw reconstructions, new digits and a latent plane; MNIST if it can be had, else the embedded digits."""
    images = data.load()
    plane, model = recipes.load(f"vae2-{images.name}"), recipes.load(f"vae20-{images.name}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        test = data.to_unit(images.test)
        shown = test[:24]
        reconstructed = model.decode(model.encode(shown)[0]).sigmoid()
        new = model.decode(torch.randn(64, model.latent_dim)).sigmoid()
    figure, (left, middle, right) = figures.new(1, 3, width=11, height=3.9)
    rows = [half for i in range(0, 24, 8) for half in (shown[i : i + 8], reconstructed[i : i + 8])]
    figures.draw_images(left, torch.cat(rows), 8, "real digits, and below each\nwhat 20 numbers keep of it")
    figures.draw_images(middle, new, 8, "digits that nobody wrote,\ndecoded from random numbers")
    figures.draw_latent_plane(
        right, plane.encode(test)[0], images.test_labels, "two numbers for each digit:\nthe latent plane"
    )
    right.set(xlim=(-4, 4), ylim=(-4, 4))
    path = root / "chapter10" / "assets" / "overview.png"
    write_atomic(path, figures.png(figure))
    return path
