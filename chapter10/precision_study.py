"""What bfloat16 and compiled networks bring, recipe by recipe: the measurement behind `Recipe.precision` and `compile`.

`python -m chapter10 measure precision-mnist` trains each recipe for a moment as it is, in bfloat16, and compiled; the ways
take turns, so that whatever else the machine does falls on all of them. A recipe keeps the plain way unless another is at
least `PAYS` times as fast in every run: below that, weights that any processor makes alike are worth more than the seconds. What was
found is told with the recipe (`recipes.measured_ways`).
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from chapter10 import data, recipes
from chapter10.gan_study import Rounds
from chapter10.precision import available, compile_networks, computing

PAYS = 1.5  # times as many steps a second: what a way must bring to become a recipe's own
WINDOW, TURNS = 1.0, 5  # processor seconds of each window; each figure is the median of so many
TOO_LONG = 200_000  # steps that compiling may at most need to earn its seconds back, to be told
WAYS = ("plain", "bfloat16", "compiled")
CACHE = "TORCHINDUCTOR_CACHE_DIR"


class _Way:
    """One recipe, trained in one way, a window at a time."""

    def __init__(self, recipe: recipes.Recipe, images: data.Images, seed: int, way: str, device: str):
        self.method = recipes.begin(recipe, seed, device)
        self.method.lr = 1e-4
        self.device, self.compiled = device, way == "compiled"
        self.precision = "bfloat16" if way == "bfloat16" else "float32"
        self.batches: Iterator[torch.Tensor] = iter(Rounds(recipes.batches_for(recipe, images, device), 10**9))
        self.rates: list[float] = []
        started = time.perf_counter()
        if self.compiled:
            compile_networks(self.method, device)
        for x in islice(self.batches, 3):
            self._step(x)
        self.first_seconds = time.perf_counter() - started  # the first steps: with them, the compiling

    def _step(self, x: torch.Tensor) -> None:
        with computing(self.precision, self.device, self.compiled):
            self.method.step(x)

    def run(self, seconds: float) -> None:
        steps, started = 0, time.process_time()
        while time.process_time() - started < seconds or not steps:
            self._step(next(self.batches))
            steps += 1
        self.rates.append(steps / (time.process_time() - started))

    @property
    def rate(self) -> float:
        return torch.tensor(self.rates).median().item()


def precision(subject: str, seed: int, window: float = WINDOW, device: str = "cpu") -> list[dict[str, Any]]:
    """The recipes of a data set in each way, on as many threads as torch has (`measure` gives it one): a row each.

    Returns:
        "steps_a_second" as it is (of the processor's seconds); "bfloat16" and "compiled": how many times as many; None
        where the processor has no bfloat16; "compile_seconds": what the first compiled steps took more than plain ones;
        "earned_after": the steps after which compiling has brought them back, None where it never does.
    """
    images = data.load(subject)
    rows = []
    for name in recipes.kinds(subject):
        recipe = recipes.get(name)
        with torch.random.fork_rng(), _nothing_compiled_before():
            ways = {
                way: _Way(recipe, images, seed, way, device)
                for way in WAYS
                if way != "bfloat16" or "bfloat16" in available(device)
            }
            for _ in range(TURNS):
                for way in ways.values():
                    way.run(window)
        torch.compiler.reset()  # torch keeps a few compiled forms of a function: none of another recipe's
        rows.append({"recipe": name, "seed": seed} | _row(ways))
    return rows


@contextmanager
def _nothing_compiled_before() -> Iterator[None]:
    """With a cache of its own for what torch compiles, so that compiling takes as long as the first time."""
    before = os.environ.get(CACHE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[CACHE] = folder
        try:
            yield
        finally:
            os.environ.pop(CACHE)
            if before is not None:
                os.environ[CACHE] = before


def _row(ways: dict[str, _Way]) -> dict[str, Any]:
    plain = ways["plain"].rate
    gains = {way: ways[way].rate / plain if way in ways else None for way in WAYS[1:]}
    seconds = max(0.0, ways["compiled"].first_seconds - ways["plain"].first_seconds)
    saved = 1 / plain - 1 / ways["compiled"].rate  # a step
    earned = round(seconds / saved) if saved > 0 and seconds / saved < TOO_LONG else None
    return {"steps_a_second": plain} | gains | {"compile_seconds": seconds, "earned_after": earned}
