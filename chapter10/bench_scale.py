"""`python -m chapter10 bench scale`: what training costs, and how the cost grows, in one run.

Images a second over the size of a batch, threads, processes and width; memory as the data grow; the time of each recipe's
step against its arithmetic; and what each recipe takes at scale "full" on one core, on one GPU and on eight: those of
MNIST, and one for all that differ in β alone. On one thread the clock is the processor's, which other programs hardly
disturb; threads and processes need the wall clock, so their gains are judged only where this machine had little else to do
("core_share": processor seconds over seconds).
"""

import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from chapter10 import backprop, data, recipes
from chapter10.bench import MATRIX, judge
from chapter10.errors import DataError, TrainingError
from chapter10.experiments import machine
from chapter10.gan_study import Rounds
from chapter10.language import say
from chapter10.processes import joined
from chapter10.pytest_summary import peak_megabytes
from chapter10.training import Method, fit
from chapter10.vae import VAE, VAETraining

KINDS = {"VAE": "vae20", "GAN": "gan", "DCGAN": "dcgan60"}  # recipes, less their data set
BATCHES = (32, 64, 128, 256, 512, 1024)
WIDTHS = (64, 128, 256, 512, 1024)  # units of the VAE's hidden layers
IMAGES = (10_000, 60_000, 240_000)
THREADS = PROCESSES = (1, 2)
GLOBAL_BATCH = 512  # that the processes share
WINDOWS, SECONDS = 3, 0.4  # each figure is the median of so many windows of so long
QUIET = 0.9  # of a core: with less for this process, gains of threads and processes say nothing
TARGETS = {
    "bytes_beyond_an_image": ("at most", 40.0),
    "vae_share_of_peak": ("at least", 0.4),
    "vae_batch_gain": ("at least", 1.3),
    "width_time_against_arithmetic": ("at most", 1.0),
}
WHERE_QUIET = {
    "gan_two_threads": ("at least", 1.2),
    "dcgan_two_threads": ("at least", 1.3),
    "dcgan_two_processes": ("at least", 1.3),
}


@dataclass(frozen=True)
class Accelerator:
    """A GPU that is not here, by what its maker and PyTorch's users say of it; every number may be replaced.

    Attributes:
        name: which one. peak: operations a second in single precision. share: of it that small networks get.
        launch: seconds that an operation takes at least, started from Python. link: bytes a second between GPUs;
        latency: seconds of one exchange between neighbours.
    """

    name: str = "NVIDIA A100, single precision"
    peak: float = 19.5e12
    share: float = 0.3
    launch: float = 10e-6
    link: float = 100e9
    latency: float = 10e-6

    def step(self, flops: float, launches: int, weights: int = 0, devices: int = 1) -> float:
        """Seconds of a step, estimated: `FORMULA`. The batch is shared among the devices, their gradients are added up in a ring."""
        work = max(flops / devices / (self.peak * self.share), launches * self.launch)
        passes = 2 * (devices - 1)
        return work + passes * (4 * weights / devices / self.link + self.latency)

    def busy(self, flops: float, launches: int) -> float:
        """How many times as large a step must be for its arithmetic to take as long as its launches."""
        return launches * self.launch * self.peak * self.share / flops


# The exchange is taken to begin when all gradients are there; DistributedDataParallel begins with the first.
FORMULA = (
    "seconds a step = max(operations / devices / (peak × share), launches × seconds a launch) "
    "+ 2 (devices − 1) × (4 bytes × weights / devices / link + latency)"
)


@dataclass(frozen=True)
class Pace:
    """Steps a second, by the wall clock and by the processor's."""

    wall: float
    processor: float


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pace(method: Method, batches: Any, windows: int = WINDOWS, seconds: float = SECONDS) -> Pace:
    """How fast the method trains, batches drawn and converted as in `fit`; the first two steps don't count."""
    endless = iter(Rounds(batches, sys.maxsize))
    for x in islice(endless, 2):
        method.step(x)
    _wait(x)
    found = []
    for _ in range(windows):
        steps, wall, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < seconds or not steps:
            method.step(next(endless))
            steps += 1
        _wait(x)
        found.append((steps / (time.perf_counter() - wall), steps / (time.process_time() - processor)))
    return Pace(*(statistics.median(column) for column in zip(*found)))


def _wait(x: torch.Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)


def core_speed() -> dict[str, float]:
    """One core's large matrix product in single precision.

    Returns:
        "gigaflops": 10⁹ operations a processor second, the median of ten products; "core_share": processor seconds over
        seconds while they ran, 1 on a machine that does nothing else.
    """
    with threads(1):
        a, b = torch.randn(2, MATRIX, MATRIX)
        a @ b
        rates, started = [], (time.perf_counter(), time.process_time())
        for _ in range(10):
            before = time.process_time()
            a @ b
            rates.append(2 * MATRIX**3 / (time.process_time() - before) / 1e9)
        share = (time.process_time() - started[1]) / (time.perf_counter() - started[0])
    return {"gigaflops": statistics.median(rates), "core_share": share}


def _method(recipe: recipes.Recipe, device: str = "cpu") -> Any:
    method = recipes.begin(recipe, 0, device)
    method.lr = 1e-4
    return method


def throughput(
    images: data.Images,
    sizes: Sequence[int] = BATCHES,
    counts: Sequence[int] = THREADS,
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """Images a second of each of `KINDS` over the size of the batch and the number of threads: a row each.

    "images_per_second" is by the wall clock; "images_per_core_second" by the processor's, for one thread.
    """
    rows = []
    for kind, name in KINDS.items():
        recipe = recipes.get(f"{name}-{images.name}")
        for size in sizes:
            for count in counts:
                with threads(count):
                    batches = data.Batches(images.train, size, recipe.form, drop_last=True)
                    found = pace(_method(recipe), batches, seconds=seconds)
                row = {
                    "model": kind,
                    "batch_size": size,
                    "threads": count,
                    "images_per_second": size * found.wall,
                }
                rows.append(row | ({"images_per_core_second": size * found.processor} if count == 1 else {}))
        fastest = max((row for row in rows if row["model"] == kind), key=lambda row: row["images_per_second"])
        print(
            f"{kind}: at most {fastest['images_per_second']:,.0f} images/s, in batches of {fastest['batch_size']}, "
            f"{fastest['threads']} threads",
            flush=True,
        )
    return rows


def together(name: str, batch_size: int, steps: int) -> float:
    """Images a second that the processes of this run, which torchrun started, train with one batch for all; one thread each.

    After a short training that does not count. The images are noise: time does not depend on what they show.
    """
    with joined(), threads(1):
        found = _rate(name, batch_size, steps)
        print(found)
    return found


def _rate(name: str, batch_size: int, steps: int) -> float:
    """Within it, so that the networks' links to the other processes are gone before these part."""
    torch.manual_seed(0)
    recipe = recipes.get(name)
    noise = torch.empty(10_000, 28, 28, dtype=torch.uint8).random_(0, 256)
    method = _method(recipe)
    batches = data.Batches(noise, batch_size, recipe.form, drop_last=True)
    fit(method, Rounds(batches, 3), 1, progress=False)
    history = fit(method, Rounds(batches, steps), 1, progress=False)
    return steps * batch_size / history["seconds"][-1]


def processes(
    subject: str,
    counts: Sequence[int] = PROCESSES,
    batch_size: int = GLOBAL_BATCH,
    steps: int = 30,
    kinds: Sequence[str] = tuple(KINDS),
) -> list[dict[str, Any]]:
    """Images a second of each kind over the number of processes, all with the same batch in all: a row each.

    One process has the gradients by hand where that is quicker; several have them of autograd, and exchange them.
    """
    rows = []
    for kind in kinds:
        for count in counts:
            run = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                str(count),
            ]
            name = f"{KINDS[kind]}-{subject}"
            rate = _measured_by([*run, "-m", "chapter10.bench_scale", name, str(batch_size), str(steps)])
            rows.append(
                {"model": kind, "processes": count, "batch_size": batch_size, "images_per_second": rate}
            )
            print(f"{kind}, {count} processes: {rate:,.0f} images/s, in batches of {batch_size}", flush=True)
    return rows


def widths(
    images: data.Images, hidden: Sequence[int] = WIDTHS, batch_size: int = 128, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """The VAE with hidden layers of so many units, on one thread: images a processor second, and operations an image."""
    rows = []
    for units in hidden:
        batches = data.Batches(images.train, batch_size, drop_last=True)
        with threads(1):
            method = VAETraining(VAE(hidden_dim=units), 1e-4)
            counted = count(method, next(iter(batches)))
            found = pace(method, batches, seconds=seconds)
        row = {"hidden": units, "weights": counted.weights, "operations": counted.flops / batch_size}
        rows.append(row | {"images_per_core_second": batch_size * found.processor})
        print(
            f"VAE, {units} hidden units: {rows[-1]['images_per_core_second']:,.0f} images a core second",
            flush=True,
        )
    return rows


@dataclass(frozen=True)
class Counted:
    """What one step takes.

    Attributes:
        flops: operations (two a multiply-add) of its matrix products and convolutions, forward and backward.
        launches: operations of torch that compute something, with autograd's gradients: a GPU is sent about as many.
        weights: numbers that are trained, of all players.
    """

    flops: int
    launches: int
    weights: int


class _Launches(TorchDispatchMode):
    """Counts operations that are no mere views."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aliases = [out.alias_info for out in func._schema.returns]
        self.count += not any(alias is not None and not alias.is_write for alias in aliases)
        return func(*args, **(kwargs or {}))


def count(method: Any, x: torch.Tensor) -> Counted:
    """One more step of the method on x [B, D], counted; the counters of torch itself."""
    with FlopCounterMode(display=False) as arithmetic:
        method.step(x)
    with backprop.by_autograd(), _Launches() as launches:
        method.step(x)
    groups = [group for optimizer in _optimizers(vars(method)) for group in optimizer.param_groups]
    trained = {id(p): p.numel() for group in groups for p in group["params"]}
    return Counted(arithmetic.get_total_flops(), launches.count, sum(trained.values()))


def _optimizers(parts: dict[str, Any]) -> Iterator[torch.optim.Optimizer]:
    for part in parts.values():
        if isinstance(part, torch.optim.Optimizer):
            yield part
        elif isinstance(part, dict):
            yield from _optimizers(part)


def peak_of(name: str, images: int, steps: int) -> float:
    """The most memory, in bytes, that this process has held when it has trained a recipe on so many images of noise.

    Memory does not depend on what the images show. To be called in a process of its own.
    """
    recipe = recipes.get(name)
    noise = torch.empty(images, 28, 28, dtype=torch.uint8).random_(0, 256)
    batches = Rounds(data.Batches(noise, recipe.batch_size, recipe.form), steps)
    fit(_method(recipe), batches, 1, progress=False)
    peak = peak_megabytes(os.getpid())
    if peak is None:
        raise DataError("This system does not tell what memory a process has held; Linux does.")
    return peak * 2**20


def memory(
    name: str, counts: Sequence[int] = IMAGES, steps: int = 60, measure: Callable[..., float] | None = None
) -> list[dict[str, Any]]:
    """The most memory of a training over the number of images, each in a process of its own: a row each. Linux only."""
    measure = measure or _in_its_own_process
    rows = [{"recipe": name, "images": n, "peak_bytes": measure(name, n, steps)} for n in counts]
    for row in rows:
        print(f"{name}, {row['images']:,} images: at most {row['peak_bytes'] / 2**20:.0f} MB", flush=True)
    return rows


def _in_its_own_process(name: str, images: int, steps: int) -> float:
    program = f"from chapter10.bench_scale import peak_of; print(peak_of({name!r}, {images}, {steps}))"
    return _measured_by([sys.executable, "-c", program])


def _measured_by(command: Sequence[str]) -> float:
    """The number that a process prints last. Raises TrainingError, with what it said, where it fails."""
    out = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if out.returncode:
        said = [line.strip() for line in out.stderr.splitlines() if line.strip()]
        # torchrun adds a page of its own to the sentence of its process.
        reason = next((line for line in said if re.match(r"[\w.]*Error: ", line)), said[-1] if said else say("it said nothing"))
        raise TrainingError(
            "A process of this measurement ended with the code {code} ({reason}). To see all that it says, run: {command}",
            code=out.returncode,
            reason=reason,
            command=shlex.join(command),
        )
    return float(out.stdout.split()[-1])


def bytes_an_image(rows: Sequence[dict[str, Any]]) -> float:
    """How much memory one image more takes: the slope of the least-squares line through the rows of `memory`."""
    n, peak = (torch.tensor([float(row[key]) for row in rows]).double() for key in ("images", "peak_bytes"))
    n = n - n.mean()
    return (n @ peak / (n @ n)).item()


def arithmetic(
    images: data.Images, gigaflops: float, chosen: Sequence[str] | None = None, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """The step of each recipe on one thread beside its arithmetic: a row each.

    Args:
        gigaflops: a core's matrix speed, as `core_speed` has it.
    Returns:
        "flops", "launches" and "weights" as `Counted`; "step_seconds" of the processor; "share": of the core's matrix speed;
        "steps": how many there are at scale "full".
    """
    rows = []
    for name in chosen or recipes.kinds(images.name):
        recipe = recipes.get(name)
        batches = recipes.batches_for(recipe, images, "cpu")
        with threads(1):
            method = _method(recipe)
            x = next(iter(batches))
            method.step(x)  # the first may make what later ones find
            counted, found = count(method, x), pace(method, batches, seconds=seconds)
        row = {"recipe": name, "batch_size": recipe.batch_size} | asdict(counted)
        row |= {
            "step_seconds": 1 / found.processor,
            "share": counted.flops * found.processor / gigaflops / 1e9,
        }
        rows.append(row | {"steps": recipes.get(name).epochs["full"] * len(batches)})
        print(
            f"{name}: {1000 / found.processor:.1f} ms a step, {counted.flops / 1e6:.0f} million operations, "
            f"{100 * rows[-1]['share']:.0f} % of the core's matrix speed",
            flush=True,
        )
    return rows


def costs(
    rows: Sequence[dict[str, Any]],
    images: data.Images,
    gpu: Accelerator | None = None,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """What each recipe of `arithmetic`'s rows takes at scale "full", in hours.

    Args:
        gpu: what to estimate with. device: a GPU that is here ("cuda"), whose steps are measured instead.
    Returns:
        "core": on one core, from the time of a step. "gpu", and "gpu_is" ("measured" or "estimated"); "bound": what
        the estimate is bound by; "eight": on eight GPUs, always estimated, with the same batch; "busy_batch": the size of
        batch from which one GPU's arithmetic would take longer than its launches.
    """
    gpu = gpu or Accelerator()
    found = []
    for row in rows:
        one = gpu.step(row["flops"], row["launches"])
        eight = gpu.step(row["flops"], row["launches"], row["weights"], devices=8)
        launches_last_longer = row["launches"] * gpu.launch >= row["flops"] / (gpu.peak * gpu.share)
        cost = {
            "recipe": row["recipe"],
            "core": row["steps"] * row["step_seconds"] / 3600,
            "gpu_is": "estimated",
        }
        if device:
            recipe = recipes.get(row["recipe"])
            one = 1 / pace(_method(recipe, device), recipes.batches_for(recipe, images, device)).wall
            cost["gpu_is"] = "measured"
        cost |= {"gpu": row["steps"] * one / 3600, "eight": row["steps"] * eight / 3600}
        cost |= {"bound": "launches" if launches_last_longer else "arithmetic"}
        found.append(cost | {"busy_batch": row["batch_size"] * gpu.busy(row["flops"], row["launches"])})
    return found


def cost_table(rows: Sequence[dict[str, Any]], gpu: Accelerator) -> str:
    """`costs` as lines of text, with the formula and its numbers."""
    lines = [
        f"{'scale full, hours':<28}{'one core':>10}{'one GPU':>10}{'eight':>10}{'busy from':>14}  bound by"
    ]
    for row in rows:
        hours = "".join(f"{row[key]:>10.3f}" for key in ("core", "gpu", "eight"))
        bound = f"{row['bound']}{', measured' if row['gpu_is'] == 'measured' else ''}"
        lines.append(f"{row['recipe']:<28}{hours}{row['busy_batch']:>8,.0f} images  {bound}")
    here = any(row["gpu_is"] == "measured" for row in rows)
    lines.append(
        f"The core: measured here.{' One GPU: measured here.' if here else ''} The rest is an estimate: {FORMULA},"
    )
    lines.append(
        f"with {gpu.name}: peak {gpu.peak / 1e12:g}·10¹² operations a second, share {gpu.share:g}, {gpu.launch * 1e6:g} µs a launch, "
        f"link {gpu.link / 1e9:g}·10⁹ bytes a second, latency {gpu.latency * 1e6:g} µs."
    )
    return "\n".join(lines)


def gain(rows: Sequence[dict[str, Any]], key: str, below: dict[str, Any], above: dict[str, Any]) -> float:
    """`key` of the row with the settings `above` over that of the row with the settings `below`."""

    def only(settings: dict[str, Any]) -> float:
        (row,) = [row for row in rows if all(row[name] == value for name, value in settings.items())]
        return row[key]

    return only(above) / only(below)


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """The figures that `TARGETS` and `WHERE_QUIET` ask for, from all that was measured."""
    rate, core = "images_per_second", "images_per_core_second"
    sizes = [row["batch_size"] for row in found["throughput"]]
    small, large = min(sizes), max(sizes)
    few, many = found["widths"][0], found["widths"][-1]
    vae = next(row for row in found["arithmetic"] if row["recipe"].startswith("vae20"))
    first, last = ({"model": "VAE", "threads": 1, "batch_size": size} for size in (small, large))
    figures = {
        "vae_share_of_peak": vae["share"],
        "vae_batch_gain": gain(found["throughput"], core, first, last),
        "width_time_against_arithmetic": (few[core] / many[core]) / (many["operations"] / few["operations"]),
    }
    for kind in KINDS:
        one = {"model": kind, "batch_size": large, "threads": 1}
        figures[f"{kind.lower()}_two_threads"] = gain(found["throughput"], rate, one, one | {"threads": 2})
    for kind in {row["model"]: None for row in found["processes"]}:
        one = {"model": kind, "processes": 1}
        figures[f"{kind.lower()}_two_processes"] = gain(found["processes"], rate, one, one | {"processes": 2})
    if found["memory"]:
        by_recipe = {
            row["recipe"]: [r for r in found["memory"] if r["recipe"] == row["recipe"]]
            for row in found["memory"]
        }
        figures["bytes_beyond_an_image"] = max(bytes_an_image(rows) for rows in by_recipe.values()) - 28 * 28
    return figures


def scale(root: str) -> dict[str, Any]:
    """All of it, printed as it comes. Raises DataError without MNIST."""
    images = data.load("mnist", root)
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads()} | core_speed()
    print(
        f"one core: {found['gigaflops']:.0f} GFLOP/s; it gave this process {100 * found['core_share']:.0f} % of its time"
    )
    found["throughput"] = throughput(images)
    found["processes"] = processes("mnist") if torch.distributed.is_available() else []
    found["widths"] = widths(images)
    linux = peak_megabytes(os.getpid()) is not None
    found["memory"] = [row for kind in KINDS.values() for row in memory(f"{kind}-mnist")] if linux else []
    found["arithmetic"] = arithmetic(images, found["gigaflops"])
    gpu = Accelerator()
    found["accelerator"] = asdict(gpu) | {"formula": FORMULA}
    found["costs"] = costs(found["arithmetic"], images, gpu, "cuda" if torch.cuda.is_available() else None)
    print("\n" + cost_table(found["costs"], gpu))
    found |= judged(found)
    at_end = core_speed()["core_share"]
    found["core_share"] = min(found["core_share"], at_end)
    quiet = found["core_share"] >= QUIET
    if not quiet:
        print(
            f"\nThis machine had other things to do ({100 * found['core_share']:.0f} % of a core): no gain of threads is judged."
        )
    beside = () if quiet else tuple(name for name in WHERE_QUIET if name in found)
    targets = TARGETS | (WHERE_QUIET if quiet else {})
    found["targets"] = judge(found, targets, "python -m chapter10 bench scale, on Linux", beside)
    return found


if __name__ == "__main__":  # as `processes` has torchrun start it
    together(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
