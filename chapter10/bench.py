"""`python -m chapter10 bench vae`: speed and quality of the chapter's VAE, side by side in one run.

Speed: an epoch through `training.fit`, in turns with the usual loop (as in pytorch/examples: a DataLoader over
torchvision's MNIST, the chapter's loss) and with its arithmetic at this machine's own matrix speed. Quality: what
ten and twenty epochs reach, and the curve of the best schedule known here for a minute.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chapter10 import data, experiments, metrics
from chapter10.experiments import machine
from chapter10.nets import count_parameters
from chapter10.training import fit, warmup_cosine
from chapter10.vae import VAE, VAETraining, chapter_loss

MATRIX = 2048  # rows and columns of the product that measures the machine
ROUNDS = 5
# Highest rate and share of warm-up: the best of 11 settings tried over 20 epochs, one seed each (rates 1e-3 to 8e-3,
# batches of 64 to 256, warm-up 0.05 and 0.2).
SCHEDULE = (3e-3, 0.2)
TARGETS = {
    "epoch_against_loader": ("at least", 4.0),
    "epoch_against_arithmetic": ("at most", 2.2),
    "elbo_10_epochs": ("at least", -104.0),
    "elbo_20_epochs": ("at least", -100.5),
    "log_likelihood_20_epochs": ("at least", -94.5),
    "import_seconds": ("at most", 0.1),
    "offline_seconds": ("at most", 5.0),
    "slowest_notebook_seconds": ("at most", 60.0),
    "largest_notebook_mb": ("at most", 1500.0),
}


def gigaflops() -> float:
    """This machine's speed in single precision, in 10⁹ operations a second: the median of ten large products."""
    a, b = torch.randn(2, MATRIX, MATRIX)
    a @ b
    return 2 * MATRIX**3 / statistics.median(_seconds(lambda: a @ b) for _ in range(10)) / 1e9


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def epoch_here(images: data.Images, form: str) -> float:
    """Seconds of one epoch of the chapter's VAE, batch 128, as the notebooks train it."""
    method = VAETraining(VAE())
    batches = data.Batches(images.train, 128, form)
    return _seconds(lambda: fit(method, batches, 1, progress=False).check_whole())


def epoch_loader(root: str) -> float:
    """Seconds of the same epoch in the usual loop: PIL images through a DataLoader, the chapter's network and loss."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    loader = DataLoader(datasets.MNIST(root, transform=transforms.ToTensor()), batch_size=128, shuffle=True)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        for x, _ in loader:
            x = x.view(-1, 784)
            optimizer.zero_grad()
            logits, mu, log_var = model(x)
            chapter_loss(torch.sigmoid(logits), x, mu, log_var).backward()
            optimizer.step()

    return _seconds(epoch)


def speed(images: data.Images, root: str) -> dict[str, Any]:
    """Seconds of an epoch: here, in the usual loop, and of its arithmetic (6 operations a weight and image)."""
    operations = 6 * len(images.train) * count_parameters(VAE())
    rounds = []
    for _ in range(ROUNDS):  # in turns, so that a machine that slows down slows them all
        rate = gigaflops()
        row = {
            "gigaflops": rate,
            "arithmetic": operations / rate / 1e9,
            "here": epoch_here(images, "unit"),
            "here_binary": epoch_here(images, "binary"),
            "loader": epoch_loader(root),
        }
        rounds.append(row)
    ratios = {
        "epoch_against_loader": statistics.median(r["loader"] / r["here"] for r in rounds),
        "epoch_against_arithmetic": statistics.median(r["here"] / r["arithmetic"] for r in rounds),
        "binary_against_loader": statistics.median(r["loader"] / r["here_binary"] for r in rounds),
    }
    return {"rounds": rounds, **ratios}


def _test_bits(images: data.Images) -> Tensor:
    return data.binarize(data.to_unit(images.test), torch.Generator().manual_seed(0))


def quality(images: data.Images, epochs: int, curve: Callable[[dict], None] | None = None) -> dict[str, float]:
    """Test ELBO and the bound with 500 samples on 1,000 images after a training of so many epochs."""
    x = _test_bits(images)
    torch.manual_seed(0)
    method = VAETraining(VAE())

    def watch(progress) -> None:
        if curve and (progress.epoch % 3 == 0 or progress.epoch == epochs):
            seconds = progress.history["seconds"][-1]
            curve({"epoch": progress.epoch, "seconds": seconds, "elbo": metrics.mean_elbo(method.model, x).value})

    batches = data.Batches(images.train, 128)
    history = fit(method, batches, epochs, schedules={"lr": warmup_cosine(*SCHEDULE)}, callbacks=[watch], progress=False)
    history.check_whole()  # what Ctrl-C ended says nothing of a whole training
    return {
        f"elbo_{epochs}_epochs": metrics.mean_elbo(method.model, x).value,
        f"log_likelihood_{epochs}_epochs": metrics.iwae_bound(method.model, x[:1000], 500).mean().item(),
        f"seconds_{epochs}_epochs": history["seconds"][-1],
    }


def start_up() -> dict[str, float]:
    """Seconds of `import chapter10` beyond torch's, and from nothing to the embedded digits with no network."""
    importing = "import time, torch; t = time.perf_counter(); import chapter10; print(time.perf_counter() - t)"
    # A server that takes the call and never speaks: as slow as a lost network can be.
    offline = (
        "import time; t = time.perf_counter(); import pathlib, socket, tempfile, torch; from chapter10 import data;"
        "silent = socket.create_server(('127.0.0.1', 0)); here = f'http://127.0.0.1:{silent.getsockname()[1]}/';"
        "data.cache_folder = lambda: pathlib.Path(tempfile.mkdtemp());"
        "data._answering = lambda addresses, real=data._answering: real(dict.fromkeys([here], here));"
        "data.load(); print(time.perf_counter() - t)"
    )
    return {
        "import_seconds": statistics.median(_printed(importing) for _ in range(3)),
        "offline_seconds": _printed(offline),
    }


def _printed(program: str) -> float:
    environment = {k: v for k, v in os.environ.items() if k != "CHAPTER10_DATA"}
    out = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


def notebooks() -> dict[str, float]:
    """The slowest and the largest of the notebooks, as `author run` measured them."""
    from chapter10.authoring.generated import measured

    rows = measured().values()
    if not rows:
        return {}
    return {
        "slowest_notebook_seconds": max(row["seconds"] for row in rows),
        "largest_notebook_mb": max(row["peak_mb"] for row in rows),
    }


def vae(root: str) -> dict[str, Any]:
    """All of it, printed as it comes. Raises DataError without MNIST."""
    images = data.load("mnist", root)
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads()}
    found |= speed(images, root)
    for row in found["rounds"]:
        print(
            f"an epoch: here {row['here']:.2f} s (binary pixels {row['here_binary']:.2f}), DataLoader "
            f"{row['loader']:.2f}, arithmetic {row['arithmetic']:.2f} at {row['gigaflops']:.0f} GFLOP/s"
        )
    found["curve"] = []
    for epochs in (10, 20):
        found |= quality(images, epochs)
    minute = max(10, int(60 / statistics.median(row["here_binary"] for row in found["rounds"])))
    found["minute_epochs"] = minute
    found |= {k.replace(f"_{minute}_epochs", "_minute"): v for k, v in quality(images, minute, found["curve"].append).items()}
    for row in found["curve"]:
        print(f"a minute: epoch {row['epoch']}, {row['seconds']:.0f} s, test ELBO {row['elbo']:.2f}")
    found |= start_up() | notebooks()
    beside = ("binary_against_loader", "elbo_minute", "log_likelihood_minute", "minute_epochs")
    found["targets"] = judge(found, TARGETS, "python -m chapter10 author run", beside)
    return found


Rows = list[dict[str, Any]]  # as an experiment gives them
Look = Callable[[Rows], dict[str, Any]]


def say(part: str, found: Mapping[str, Any]) -> None:
    """What a part of a bench has found, as soon as it has."""
    print(part, flush=True)
    for key, value in found.items():
        print(f"  {key}: {value if isinstance(value, str) else f'{value:.3g}'}", flush=True)


def measured(
    looks: Mapping[str, Look], seeds: int, root: str, threads: int
) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Run the experiments of those names over so many seeds, a process a thread, and say what each look finds in the rows.

    The stored results stay as they are.

    Returns:
        the rows by experiment; all that was found.
    """
    rows: dict[str, Rows] = {}
    found: dict[str, Any] = {}
    before = os.environ.get("CHAPTER10_DATA")
    os.environ["CHAPTER10_DATA"] = str(root)  # for the processes that measure
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, look in looks.items():
                out = Path(folder) / "result.json"
                rows[name] = experiments.measure(name, seeds, max(1, min(threads, seeds)), out)["rows"]
                seen = look(rows[name])
                say(name, seen)
                found |= seen
    finally:
        if before is None:
            del os.environ["CHAPTER10_DATA"]
        else:
            os.environ["CHAPTER10_DATA"] = before
    return rows, found


def judge(
    found: dict[str, Any], targets: dict[str, tuple[str, float]], command: str, beside: tuple[str, ...] = ()
) -> dict[str, bool]:
    """Each target beside what was found, as a table; whether it was met.

    Args:
        targets: name: ("at least" or "at most", limit). command: what measures those that are missing in `found`.
        beside: what else to show.
    """
    met = {}
    print(f"\n{'':<28}{'found':>10}{'asked':>20}")
    for name, (kind, limit) in targets.items():
        if name not in found:
            print(f"{name:<28}{'–':>10}{f'{kind} {limit:g}':>20}  not measured yet: {command}")
            continue
        met[name] = found[name] >= limit if kind == "at least" else found[name] <= limit
        print(f"{name:<28}{found[name]:>10.2f}{f'{kind} {limit:g}':>20}  {'met' if met[name] else 'NOT MET'}")
    for name in beside:
        print(f"{name:<28}{found[name]:>10.2f}")
    print("on", found["machine"]["processor"], "·", found["threads"], "threads")
    return met
