"""How much of a codebook comes into use, by what helps it, over several seeds.

Run through `python -m chapter10 measure codebook-mnist` (or -digits).
"""

from typing import Any

import torch
from torch import Tensor

from chapter10 import data, metrics
from chapter10.gan_study import Rounds
from chapter10.training import fit, warmup_cosine
from chapter10.vae import bernoulli_log_likelihood
from chapter10.vqvae import VQVAE, VQVAETraining

RESTART = 0.3  # in so short a training a code must not take long to be found dead: about 120 batches
VARIANTS = {  # name: settings of the VQ-VAE
    "codebook loss": {"decay": None, "restart": 0.0, "batch_norm": False},
    "moving averages": {"restart": 0.0, "batch_norm": False},
    "moving averages, restarts": {"restart": RESTART, "batch_norm": False},
    "moving averages, batch norm": {"restart": 0.0},
    "all three": {"restart": RESTART},
}
LR, BATCH, STEPS = 3e-3, 64, 240
TEST = 2000  # images, or as many as there are


def codebook(name: str, seed: int) -> list[dict[str, Any]]:
    """A short training of each variant: a row each."""
    images = data.load(name)
    x = data.to_unit(images.test[:TEST])
    return [
        {"variant": variant, "seed": seed} | train_variant(images, x, seed, variant) for variant in VARIANTS
    ]


def train_variant(
    images: data.Images, x: Tensor, seed: int, variant: str, steps: int = STEPS
) -> dict[str, Any]:
    """One training, and what the codes of test images x [N, D] say then.

    Returns:
        "perplexity", "dead" codes and "reconstruction" over the test images (log p(x|codes) in nats; of grey levels, the
        mean over the binary images that they stand for); "batch_perplexity", the mean over their batches of 16; "size",
        the root mean square of what the encoder says; "restarts" in all.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VQVAE(**VARIANTS[variant])
    batches = Rounds(data.Batches(images.train, BATCH, "unit"), steps)
    history = fit(VQVAETraining(model, LR), batches, 1, seed, {"lr": warmup_cosine(LR, 0.1)}, progress=False)
    return {**used(model.eval(), x), "restarts": round(history["restarts"][-1] * steps), "steps": steps}


@torch.no_grad()
def used(model: VQVAE, x: Tensor) -> dict[str, Any]:
    """See `train_variant`."""
    logits, codes = model(x)
    whole = metrics.perplexity(codes, model.quantizer.num_codes)
    parts = [metrics.perplexity(part, model.quantizer.num_codes).value for part in codes.split(16)]
    return {
        "perplexity": whole.value,
        "dead": whole.dead,
        "batch_perplexity": sum(parts) / len(parts),
        "reconstruction": bernoulli_log_likelihood(logits, x).mean().item(),
        "size": model.encode(x).square().mean().sqrt().item(),
    }
