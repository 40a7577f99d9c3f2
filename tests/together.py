"""What the processes of test_parallel do: small trainings of every method, step by step. As a script: one of the processes.

python together.py CASE FOLDER, with torchrun's environment. What came of it is in FOLDER/RANK.json.
"""

import json
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chapter10 import cyclegan, data, files, parallel, processes, recipes
from chapter10.checkpoints import Checkpoints
from chapter10.code_prior import CodePrior, CodePriorTraining
from chapter10.errors import InputError, ParallelError, TrainingError
from chapter10.gan import Discriminator, GANTraining, Generator, Objective
from chapter10.nets import Classifier, ConvDiscriminator, ConvGenerator
from chapter10.players import MixtureDiscriminator, MixtureGenerator
from chapter10.training import fit
from chapter10.vae import VAE, Autoencoder, AutoencoderTraining, VAETraining
from chapter10.vaegan import VAEGANTraining
from chapter10.vqvae import VQVAE, VQVAETraining
from chapter10.wgan import WGANTraining

STEPS, ROWS, PIXELS = 50, 16, 36


class Translator(nn.Sequential):
    in_dim = out_dim = PIXELS


def _translator() -> Translator:
    return Translator(nn.Linear(PIXELS, 16), nn.ReLU(), nn.Linear(16, PIXELS), nn.Tanh())


class Features(nn.Sequential):
    """A discriminator without batch norm that shows its features."""

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self[:2](x)
        return features, self[2](features)


def _vae() -> VAE:
    return VAE(PIXELS, 4, 16)


def _vqvae(decay: float | None, **options: Any) -> VQVAE:
    return VQVAE(8, 4, 4, side=8, decay=decay, batch_norm=False, **options)


def _points(objective: Objective, **options: Any) -> GANTraining:
    players = MixtureGenerator(2, 16, data_dim=PIXELS), MixtureDiscriminator(16, data_dim=PIXELS)
    return GANTraining(*players, lr=1e-3, objective=objective, **options)


def _wgan(lipschitz: str, **options: Any) -> WGANTraining:
    players = MixtureGenerator(2, 16, data_dim=PIXELS), MixtureDiscriminator(16, data_dim=PIXELS)
    return WGANTraining(*players, lr=1e-3, lipschitz=lipschitz, critic_steps=2, **options)


def _vaegan() -> VAEGANTraining:
    features = Features(nn.Linear(PIXELS, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    return VAEGANTraining(_vae(), features, average=0.9)


def _cyclegan() -> cyclegan.CycleGANTraining:
    judges = [nn.Sequential(nn.Linear(PIXELS, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)) for _ in "ab"]
    model = cyclegan.CycleGAN(_translator(), _translator())
    return cyclegan.CycleGANTraining(model, *judges, lr=1e-3, pool=40, average=0.9)


def _code_prior() -> CodePriorTraining:
    model = _vqvae(0.9).eval()
    with parallel.alone():
        model.quantizer.start(model.encode(torch.rand(64, 64)))
    return CodePriorTraining(CodePrior(8, 2, 8, 1, code_dim=4), model, lr=1e-2)


# Without batch norm: the method, and the form of its batches with their columns.
METHODS: dict[str, tuple[Callable[[], Any], str, int]] = {
    "AE": (lambda: AutoencoderTraining(Autoencoder(PIXELS, 4, 16), lr=1e-2), "unit", PIXELS),
    "VAE": (lambda: VAETraining(_vae(), lr=1e-2), "binary", PIXELS),
    "VAE, tanh, free bits": (
        lambda: VAETraining(
            VAE(PIXELS, 4, 16, "tanh"), beta=2.0, likelihood="continuous-bernoulli", free_bits=0.1, lr=1e-2
        ),
        "unit",
        PIXELS,
    ),
    "GAN": (
        lambda: GANTraining(Generator(8, PIXELS), Discriminator(PIXELS), lr=1e-3, average=0.9),
        "signed",
        PIXELS,
    ),
    "GAN, minimax, R1, noise": (
        lambda: _points(Objective("minimax", 0.1, 0.2, r1=1.0), d_steps=2),
        "signed",
        PIXELS,
    ),
    "WGAN-GP": (lambda: _wgan("penalty", average=0.9), "signed", PIXELS),
    "WGAN, clipping": (lambda: _wgan("clipping", clip=0.1), "signed", PIXELS),
    "WGAN, spectral": (lambda: _wgan("spectral"), "signed", PIXELS),
    "VAE-GAN": (_vaegan, "unit", PIXELS),
    "VQ-VAE": (lambda: VQVAETraining(_vqvae(0.9, restart=0.5), lr=1e-2), "unit", 64),
    "VQ-VAE, codebook loss": (lambda: VQVAETraining(_vqvae(None), lr=1e-2), "unit", 64),
    "code prior": (_code_prior, "unit", 64),
    "CycleGAN": (_cyclegan, "signed", 2 * PIXELS),
}
# With batch norm, and dropout of torch's own
NORMED: dict[str, tuple[Callable[[], Any], str, int]] = {
    "DCGAN": (
        lambda: GANTraining(ConvGenerator(8, 4, 16), ConvDiscriminator(4, True, 16), average=0.9),
        "signed",
        784,
    ),
    "VQ-VAE, batch norm": (lambda: VQVAETraining(VQVAE(8, 4, 4, side=8)), "unit", 64),
    "classifier": (lambda: recipes.ClassifierTraining(Classifier(width=2)), "labelled", 784),
}


def batch(form: str, columns: int) -> Tensor:
    """A whole batch, of two clusters, drawn from torch's random numbers."""
    centre = torch.linspace(-2, 2, columns) * torch.where(torch.rand(ROWS, 1) < 0.5, 1.0, -1.0)
    unit = (centre + torch.randn(ROWS, columns)).sigmoid()
    if form == "labelled":
        return torch.cat([unit, torch.randint(10, (ROWS, 1)).float()], 1)
    return {"unit": unit, "signed": 2 * unit - 1, "binary": (unit > 0.5).float()}[form]


def trained(made: tuple[Callable[[], Any], str, int], steps: int) -> tuple[Any, list[dict[str, float]]]:
    """The method after so many steps, and the parts of each step's loss on this process's rows."""
    build, form, columns = made
    torch.manual_seed(1)
    method, rows = build(), []
    for i in range(steps):
        torch.manual_seed(100 + i)
        parts = method.step(parallel.share(batch(form, columns)))
        rows.append({name: part.item() for name, part in parts.items()})
    return method, rows


def apart(state: Any) -> float:
    """How far the copies of a nesting of tensors are from each other, at most; running statistics of batch norm left out."""
    if isinstance(state, Tensor):
        here = state.double()
        return max((part - here).abs().max().item() for part in _copies(here))
    values = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    names = state if isinstance(state, dict) else range(len(values))
    return max(
        [
            0.0,
            *(
                apart(v)
                for n, v in zip(names, values)
                if not str(n).endswith(("running_mean", "running_var"))
            ),
        ]
    )


def _copies(x: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(x) for _ in range(parallel.world())]
    torch.distributed.all_gather(parts, x.contiguous())
    return parts


# Cases


def steps(folder: Path) -> dict[str, Any]:
    """Every method: its losses, and how far the copies are apart after the last step."""
    found = {}
    for name, made in METHODS.items():
        method, rows = trained(made, STEPS)
        found[name] = {"rows": rows, "apart": apart(method.state_dict())}
    for name, made in NORMED.items():
        method, rows = trained(made, 5)
        found[name] = {"rows": rows, "apart": apart(method.state_dict())}
    build = METHODS["AE"][0]
    method, rows = trained((lambda: _without_exchange(build()), *METHODS["AE"][1:]), 5)
    found["without exchange"] = {"apart": apart(method.state_dict())}
    return found


def _without_exchange(method: Any) -> Any:
    del method.optimizer.wrapper
    return method


class Watched:
    """A method that notes the first pixel of each row it sees, and does at a step what it is told to."""

    def __init__(self, method: Any, at: int = -1, act: Callable[[], None] = lambda: None):
        self.method, self.at, self.act, self.seen = method, at, act, []
        self.state_dict, self.load_state_dict = method.state_dict, method.load_state_dict

    def step(self, x: Tensor) -> dict[str, Tensor]:
        self.seen.append((255 * x[:, 0]).round().int().tolist())
        if len(self.seen) == self.at:
            self.act()
        return self.method.step(x)


class Broken(Watched):
    def step(self, x: Tensor) -> dict[str, Tensor]:
        parts = super().step(x)
        return (
            {"loss": parts["loss"] * math.nan}
            if len(self.seen) == self.at and parallel.rank() == 1
            else parts
        )


def batches(rows: int = 16) -> data.Batches:
    """Of 100 images, each told by its first pixel."""
    images = torch.randint(256, (100, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[:, 0, 0] = torch.arange(100)
    return data.Batches(images, rows, "unit")


def autoencoder() -> AutoencoderTraining:
    torch.manual_seed(1)
    return AutoencoderTraining(Autoencoder(PIXELS, 4, 16), lr=1e-2)


def vae() -> VAETraining:
    torch.manual_seed(1)
    return VAETraining(_vae(), lr=1e-2)


def said(kind: type[Exception], run: Callable[[], Any]) -> str:
    """The error of that kind that run() raises."""
    try:
        run()
    except kind as error:
        return str(error)
    return "nothing was raised"


def trainings(folder: Path) -> dict[str, Any]:
    """What `fit` does with several processes: rows, history, writing, resuming, ending, and what it refuses."""
    found, rank = {}, parallel.rank()
    if rank > 0:  # only the first may write

        def refused(*arguments: Any) -> None:
            raise AssertionError("another process than the first wrote")

        files.write_atomic = refused

    watched = Watched(autoencoder())
    fit(watched, batches(), 2, progress=False)
    found["seen"] = watched.seen

    calls: list[int] = []
    note = [lambda progress: calls.append(parallel.world())]
    history = fit(vae(), batches(), 3, callbacks=note, checkpoint=folder / "whole.safetensors")
    found |= {"rows": history.rows, "calls": calls}

    fit(vae(), batches(), 2, checkpoint=folder / "part.safetensors", progress=False)
    shutil.copy(folder / "part.safetensors", folder / f"copy{rank}.safetensors")
    parallel.everyone(None)  # rank 1 must have read it before it is written again
    found["resumed"] = fit(vae(), batches(), 3, checkpoint=folder / "part.safetensors", progress=False).rows

    # One process gets a signal, in the middle of the second epoch; all end after the same step, and go on from there.
    for number, who in ((signal.SIGTERM, 1), (signal.SIGINT, 0)):
        stopped = Watched(
            vae(), 9, lambda number=number, who=who: rank == who and signal.raise_signal(number)
        )
        kept = Checkpoints(folder / f"signal{who}", every_steps=100)
        first = fit(stopped, batches(), 3, checkpoint=kept, progress=False)
        again = fit(vae(), batches(), 3, checkpoint=Checkpoints(folder / f"signal{who}"), progress=False)
        found[f"signal{who}"] = [first.interrupted, first.rows[-1]["step"], again.rows]

    every = Checkpoints(folder / "every", every_steps=5, keep=9)
    fit(vae(), batches(), 2, checkpoint=every, progress=False)
    found["every"] = every.steps()

    method = autoencoder()
    before = {name: value.clone() for name, value in method.model.state_dict().items()}
    found["nan"] = said(TrainingError, lambda: fit(Broken(method, 3), batches(), 2, progress=False))
    found["put back"] = all(value.equal(before[name]) for name, value in method.model.state_dict().items())

    found["epochs"] = said(ParallelError, lambda: fit(vae(), batches(), 2 + rank, progress=False))
    found["torch"] = said(ParallelError, lambda: parallel.check_same({"their version of torch": f"2.{rank}"}))
    images = recipes.images_for(recipes.get("vae20-digits"))
    other = replace(images, train=images.train.roll(rank, 0))
    found["data"] = said(ParallelError, lambda: recipes.make(recipes.get("vae20-digits"), other, "smoke"))
    found["small"] = said(InputError, lambda: fit(vae(), batches(1), 1, progress=False))

    for name, recipe in recipes.RECIPES.items():
        if recipe.data == "digits":
            torch.manual_seed(0)
            method = recipes.begin(recipe, 0)
            parts = method.step(parallel.share(next(iter(recipes.batches_for(recipe, images, "cpu")))))
            finite = all(math.isfinite(part.item()) for part in parts.values())
            found[f"recipe {name}"] = [finite, apart(method.state_dict())]
    return found


def dies(folder: Path) -> dict[str, Any]:
    """The second process is killed at its third step."""
    kill = Watched(vae(), 3, lambda: parallel.rank() == 1 and os.kill(os.getpid(), KILL))
    fit(kill, batches(), 1000, checkpoint=folder / "killed.safetensors", progress=False)
    return {}


KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
CASES = {"steps": steps, "trainings": trainings, "dies": dies}


def main(case: str, folder: str) -> None:
    torch.set_num_threads(1)
    with processes.joined():
        found = CASES[case](Path(folder))
        Path(folder, f"{parallel.rank()}.json").write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
