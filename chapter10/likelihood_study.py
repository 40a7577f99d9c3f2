"""VAE and IWAE of 784-200-200-50 on binarised MNIST, beside the published log-likelihoods.

Burda, Grosse and Salakhutdinov 2016 (Importance Weighted Autoencoders), table 1: five networks, each trained from nothing for
3,280 epochs. Here a VAE is trained at a constant rate, and from its weights five trainings go on, each with an objective of
its own while the rate falls to 0, for equally many processor seconds: what differs in the end is the objective's doing. Run
through `python -m chapter10 measure likelihood-mnist --seeds 1`; a run that was stopped is gone on with.
"""

import json
import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chapter10 import data, metrics
from chapter10.better_vaes import train_for
from chapter10.errors import InputError
from chapter10.files import load_into, load_state, save_state, write_atomic
from chapter10.iwae import NEGLIGIBLE, IWAETraining
from chapter10.training import Method, fit
from chapter10.vae import VAE

BATCH, LR, WARMUP = 200, 3e-3, 300  # the highest rate, reached after so many steps
PRECISION = torch.bfloat16  # of the matrix products in training; all that is reported is computed in float32
FIRST_EPOCHS = 612  # of the VAE that all others begin with
SECONDS = 150.0  # of the processor, for each objective from there
SAMPLES = 5000  # of the bound that is reported, as published
ARMS = (("VAE", 1), ("VAE", 5), ("VAE", 50), ("IWAE", 5), ("IWAE", 50))
# Images a step, by the number of samples: with more samples of each image a step takes longer, and a smaller batch makes up for
# some of it. The highest rate goes with the batch's root.
BATCHES = {1: BATCH, 5: BATCH // 2, 50: BATCH // 4}

# NLL in nats on the test images. Table 1 gives one row for k = 1, where both objectives are one.
PUBLISHED = {
    "source": "Burda, Grosse and Salakhutdinov 2016, table 1",
    "nll": {("VAE", 1): 86.76, ("VAE", 5): 86.47, ("VAE", 50): 86.35, ("IWAE", 5): 85.54, ("IWAE", 50): 84.78},
    "rerun_source": "github.com/nbip/IWAE, README",
    "rerun": {("VAE", 1): 86.35, ("VAE", 5): 86.10, ("VAE", 50): 86.06, ("IWAE", 5): 85.18, ("IWAE", 50): 84.59},
}
PROTOCOL = (
    "784-200-200-50 and back, tanh, Adam; pixels binarised anew for each batch; test NLL by {samples:,} importance samples of "
    "each of {images:,} test images, binarised once"
)
DIFFERS = (
    "published: batches of 20, 3,280 epochs from nothing for each objective, rates falling from 1e-3 to 1e-4 in eight stages; "
    "here: {first} epochs of the VAE with k = 1 at a constant rate of {first_lr:g} and batches of {first_batch}, shared by all "
    "rows, then {seconds:g} processor seconds of this objective ({epochs:.0f} epochs), batches of {batch}, the rate falling from "
    "{lr:g} to 0 along a cosine; matrix products in bfloat16; the VAE's KL in closed form, sampled there; on IWAE's way back "
    "samples with less than {negligible:g} of an image's weight are left out; one seed a row"
)


class Clocked:
    """A method at a constant rate after its warm-up, and the processor seconds that it has taken: resumed with the rest."""

    def __init__(self, method: Method):
        self.method, self.model = method, method.model
        self.steps, self._before, self._started = 0, 0.0, time.process_time()

    @property
    def processor_seconds(self) -> float:
        return self._before + time.process_time() - self._started

    def step(self, x: Tensor) -> dict[str, Tensor]:
        self.steps += 1
        self.method.lr = LR * min(1.0, self.steps / WARMUP)
        return self.method.step(x)

    def state_dict(self) -> dict[str, Any]:
        own = {"processor_seconds": self.processor_seconds, "steps": self.steps}
        return {"method": self.method.state_dict(), "own": own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.method.load_state_dict(state["method"])
        self.steps = state["own"]["steps"]
        self._before, self._started = state["own"]["processor_seconds"], time.process_time()


def build(seed: int) -> VAE:
    """The published networks, with weights drawn from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VAE(latent_dim=50, hidden_dim=200, activation="tanh")


def progress_folder(name: str, seed: int) -> Path:
    """Where a study that was stopped is gone on from."""
    return data.cache_folder() / "likelihood" / f"{name}-{seed}"


def train_first(images: data.Images, seed: int, epochs: int | None = None) -> tuple[VAE, dict[str, Any]]:
    """The VAE at a constant rate that all others begin with; gone on with where it was stopped.

    Args:
        epochs: in all, by default `FIRST_EPOCHS`.
    Returns:
        the model, and its "epochs", "steps", "seconds" (by the clock) and "processor_seconds" of training.
    """
    method = Clocked(IWAETraining(build(seed), 1, importance=False, lr=LR, precision=PRECISION))
    history = fit(
        method,
        data.Batches(images.train, BATCH, "binary"),
        epochs or FIRST_EPOCHS,
        seed,
        checkpoint=progress_folder(images.name, seed) / "first.safetensors",
        progress=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    last = history.rows[-1]
    seconds = {"seconds": last["seconds"], "processor_seconds": method.processor_seconds}
    about = {"epochs": last["epoch"], "steps": last["step"]}
    return method.model.eval(), about | {key: round(value, 1) for key, value in seconds.items()}


class QuickDecoder:
    """The model as `metrics.iwae_bound` asks for one, with the decoder's products in `PRECISION`: twice as fast.

    `evaluate` measures by how much that moves the bound.
    """

    def __init__(self, model: VAE):
        self.model, self.decoder = model, deepcopy(model.decoder).to(PRECISION)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z.to(PRECISION)).to(z.dtype)


@torch.no_grad()
def evaluate(model: VAE, images: data.Images, seed: int) -> tuple[dict[str, Any], Tensor]:
    """What a trained model reaches on all test images, and its log-likelihood of each, [N].

    Returns:
        "nll" and its "standard_error" over the images, in nats; the "elbo" of test images, and of as many training images;
        "active_units"; "bfloat16_moves" the bound with a tenth of the samples, in the mean over 400 images, and the
        standard error of that.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        test, train = (data.binarize(data.to_unit(part[: len(images.test)])) for part in (images.test, images.train))
        bounds = {"elbo": metrics.mean_elbo(model, test).value, "training_elbo": metrics.mean_elbo(model, train).value}
        each = metrics.iwae_bound(QuickDecoder(model), test, SAMPLES).double()
        some = test[:: max(1, len(test) // 400)]
        with torch.random.fork_rng():
            exact = metrics.iwae_bound(model, some, SAMPLES // 10)
        moved = (metrics.iwae_bound(QuickDecoder(model), some, SAMPLES // 10) - exact).double()  # with the same noise
    found = {"nll": -each.mean().item(), "standard_error": each.std().item() / math.sqrt(len(each)), **bounds}
    found |= {"bfloat16_moves": moved.mean().item(), "bfloat16_moves_error": moved.std().item() / math.sqrt(len(moved))}
    active = metrics.active_units(model.encode(test)[0])
    return {key: round(value, 4) for key, value in found.items()} | {"active_units": active, "test_images": len(test)}, each


def settings() -> dict[str, Any]:
    """What a stored row hangs on: with others it is measured anew."""
    rates = {str(k): batch for k, batch in BATCHES.items()}
    return {"first_epochs": FIRST_EPOCHS, "seconds": SECONDS, "samples": SAMPLES, "lr": LR, "batches": rates}


def train_arm(images: data.Images, seed: int, kind: str, k: int) -> tuple[VAE, dict[str, Any]]:
    """The first VAE, gone on with by one objective for `SECONDS` while the rate falls to 0."""
    model, first = train_first(images, seed)
    lr, batch = LR * math.sqrt(BATCHES[k] / BATCH), BATCHES[k]
    method = IWAETraining(model.train(), k, kind == "IWAE", lr, PRECISION)
    started = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        own = train_for(method, data.Batches(images.train, batch, "binary"), SECONDS, lr, warmup=0.02)
    about = {
        "first_epochs": first["epochs"],
        "first_seconds": first["seconds"],
        "epochs": round(own["images_seen"] / len(images.train), 2),
        "steps": first["steps"] + own["steps"],
        "batch_size": batch,
        "lr": lr,
        "training_processor_seconds": round(first["processor_seconds"] + own["seconds"], 1),
        "training_seconds": round(first["seconds"] + time.perf_counter() - started, 1),
    }
    return model.eval(), about


def arm(images: data.Images, seed: int, kind: str, k: int) -> dict[str, Any]:
    """One row: from the progress folder if it is there, else trained, measured and put there.

    Args:
        kind: "VAE" or "IWAE"; k: the number of samples, as in `ARMS`.
    """
    if (kind, k) not in ARMS:
        known = ", ".join(f"{one} with k = {samples}" for one, samples in ARMS)
        raise InputError("There is no {kind} with k = {k} in this study. There are: {known}.", kind=kind, k=k, known=known)
    folder = progress_folder(images.name, seed)
    path, row_path = (folder / f"{kind.lower()}{k}.{end}" for end in ("safetensors", "json"))
    if row_path.is_file():
        row = json.loads(row_path.read_text(encoding="utf-8"))
        if row["settings"] == settings():
            return row
    model = build(seed)
    state, about = load_state(path) if path.is_file() else ({}, {})
    if about.get("settings") == settings():
        load_into(model.eval(), state, path)
    else:
        model, about = train_arm(images, seed, kind, k)
        about |= {"settings": settings()}
        save_state(path, model.state_dict(), about)
    evaluating, processor = time.perf_counter(), time.process_time()
    found, each = evaluate(model, images, seed)
    save_state(folder / f"{kind.lower()}{k}-each.safetensors", {"log_likelihood": each})
    row = {"model": kind, "k": k, "seed": seed, **found, **about}
    row |= {"evaluation_processor_seconds": round(time.process_time() - processor, 1)}
    row |= {"evaluation_seconds": round(time.perf_counter() - evaluating, 1)}
    write_atomic(row_path, json.dumps(row).encode())
    return row


def likelihood(name: str, seed: int) -> list[dict[str, Any]]:
    """Every objective from the same VAE: a row each, with what is published beside it.

    Returns:
        `evaluate`'s figures; "below_vae1": by how many nats the NLL is below that of the VAE with k = 1, and its
        "below_vae1_error", a standard error over the images, both models on the same ones: it says nothing of another
        training, and two with other batches and noise were 0.04 and 0.05 nats apart; steps and times of training.
    """
    images, started = data.load(name), time.perf_counter()
    rows = [arm(images, seed, kind, k) for kind, k in ARMS]
    folder = progress_folder(name, seed)
    each = [load_state(folder / f"{kind.lower()}{k}-each.safetensors")[0]["log_likelihood"] for kind, k in ARMS]
    finished = [finish(row, log_likelihood - each[0]) for row, log_likelihood in zip(rows, each, strict=True)]
    first = rows[0]["first_seconds"]
    whole = first + sum(row["training_seconds"] - first + row["evaluation_seconds"] for row in rows)
    finished[0]["earlier_seconds"] = max(0.0, whole - (time.perf_counter() - started))  # `experiments.measure` adds it
    return finished


def finish(row: dict[str, Any], gain: Tensor) -> dict[str, Any]:
    """A row as it is stored: what was measured, its difference [N] from the first row's, the published figures, the protocols."""
    key, own = (row["model"], row["k"]), row["settings"]
    row = {name: value for name, value in row.items() if name != "settings"}
    row |= {
        "below_vae1": round(gain.mean().item(), 4),
        "below_vae1_error": round(gain.std().item() / math.sqrt(len(gain)), 4),
        "published": PUBLISHED["nll"][key],
        "published_source": PUBLISHED["source"],
        "rerun": PUBLISHED["rerun"][key],
        "rerun_source": PUBLISHED["rerun_source"],
        "protocol": PROTOCOL.format(samples=own["samples"], images=row["test_images"]),
        "differs": DIFFERS.format(
            first=row["first_epochs"], first_lr=own["lr"], first_batch=BATCH, seconds=own["seconds"],
            epochs=row["epochs"], batch=row["batch_size"], lr=row["lr"], negligible=NEGLIGIBLE,
        ),
    }  # fmt: skip
    if key == ("VAE", 1):
        row["published_active_units"] = "19 of 50, as reported by Burda et al. 2016"
    return row
