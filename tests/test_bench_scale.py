"""chapter10.bench_scale: counted arithmetic against counts by hand, the estimates' formula, and what is judged of it all."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from chapter10 import backprop, bench_scale, data, recipes
from chapter10.bench_gan_epoch import multiplications
from chapter10.bench_scale import Accelerator, Counted, Pace
from chapter10.errors import TrainingError
from chapter10.gan import Discriminator, GANTraining, Generator
from chapter10.pytest_summary import peak_megabytes
from chapter10.vae import VAE, VAETraining, by_hand


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


class Steps:
    """A method whose step is a function of x, with an optimiser if it has parameters."""

    def __init__(self, step, parameters=()):
        self.run = step
        if parameters:
            self.optimizer = torch.optim.SGD(parameters, 0.1)

    def step(self, x):
        self.run(x)
        return {}


# Arithmetic


def test_operations_of_the_vae_are_those_counted_by_hand():
    model, x = VAE(hidden_dim=32, latent_dim=5), torch.rand(7, 784)
    layers = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    # forward, the weights' gradients, the inputs' gradients: two operations each, but none for the gradient of the image
    by_hand = 2 * 7 * (3 * sum(w.numel() for w in layers) - layers[0].numel())
    counted = bench_scale.count(VAETraining(model), x)
    assert counted.flops == by_hand
    assert counted.weights == sum(p.numel() for p in model.parameters())


def test_operations_of_the_gan_are_those_counted_by_hand():
    generator, discriminator = Generator(), Discriminator()
    method = GANTraining(generator, discriminator)
    counted = bench_scale.count(method, torch.rand(6, 784) * 2 - 1)
    assert counted.flops == 2 * 6 * multiplications(generator, discriminator)
    assert counted.weights == sum(p.numel() for net in (generator, discriminator) for p in net.parameters())


def test_operations_of_a_convolution():
    layer = nn.Conv2d(3, 5, 3, padding=1)
    method = Steps(lambda x: layer(x).sum().backward(), list(layer.parameters()))
    counted = bench_scale.count(method, torch.rand(2, 3, 8, 8))
    forward = 2 * 2 * 8 * 8 * 5 * 3 * 9
    assert counted.flops == 2 * forward  # and the gradient of the weights; the input needs none
    assert counted.weights == 5 * 3 * 9 + 5


def test_a_stored_model_that_stays_is_not_among_the_weights():
    recipe = recipes.get("codeprior-digits")
    method = bench_scale._method(recipe)
    counted = bench_scale.count(method, torch.rand(4, 784))
    assert counted.weights == sum(p.numel() for p in method.model.parameters())


def test_optimisers_in_a_dict_are_found():
    method = bench_scale._method(recipes.get("vaegan-digits"))
    counted = bench_scale.count(method, torch.rand(4, 784))
    players = (method.model, method.discriminator)
    assert counted.weights == sum(p.numel() for player in players for p in player.parameters())


def test_views_are_no_launches():
    x = torch.rand(4, 6)
    assert bench_scale.count(Steps(lambda x: x.view(6, 4).t()[1:]), x).launches == 0
    assert bench_scale.count(Steps(lambda x: (x.t() + 1).mul_(2).t().sum()), x).launches == 3


def test_launches_are_those_of_autograd_for_no_gpu_runs_gradients_by_hand():
    """And the step that follows has its gradients by hand again."""
    torch.manual_seed(0)
    model, x = VAE(784, 4, 16), torch.rand(8, 784).round()
    assert by_hand(model, x)
    with backprop.by_autograd():
        assert not by_hand(model, x)
    method = VAETraining(model)
    method.step(x)  # the first one makes Adam's means
    with bench_scale._Launches() as fewer:
        method.step(x)
    assert bench_scale.count(method, x).launches > fewer.count > 0 and by_hand(model, x)


# Clocks


class Clock:
    """A wall clock and a processor clock that a step moves on, and nothing else."""

    def __init__(self, wall, processor):
        self.now, self.each = [0.0, 0.0], (wall, processor)

    def perf_counter(self):
        return self.now[0]

    def process_time(self):
        return self.now[1]

    def step(self, x):
        self.now = [now + more for now, more in zip(self.now, self.each)]
        return {}


def test_pace_is_steps_a_second_of_either_clock(monkeypatch, digits):
    clock = Clock(wall=0.25, processor=0.125)
    monkeypatch.setattr(bench_scale, "time", clock)
    batches = data.Batches(digits.train, 700)  # two in an epoch: it goes on into the next
    assert bench_scale.pace(clock, batches, windows=3, seconds=2.0) == Pace(wall=4.0, processor=8.0)
    assert clock.now[0] == 2 * 0.25 + 3 * 2.0
    assert bench_scale.pace(clock, batches, windows=1, seconds=0.01).wall == 4.0  # at least one step


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), bench_scale.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_the_machine_s_speed_is_that_of_one_thread(monkeypatch):
    clock, counts, product = Clock(wall=0.5, processor=0.25), [], torch.Tensor.__matmul__

    def timed(a, b):
        counts.append(torch.get_num_threads())
        clock.step(a)
        return product(a, b)

    monkeypatch.setattr(bench_scale, "MATRIX", 64)
    monkeypatch.setattr(bench_scale, "time", clock)
    monkeypatch.setattr(torch.Tensor, "__matmul__", timed)
    found = bench_scale.core_speed()
    assert found == {"gigaflops": pytest.approx(2 * 64**3 / 0.25 / 1e9), "core_share": 0.5} and set(counts) == {1}


# Growth


def test_throughput_has_a_row_for_each_setting(digits, monkeypatch, capsys):
    monkeypatch.setattr(bench_scale, "pace", lambda method, batches, seconds: Pace(10.0, 20.0))
    rows = bench_scale.throughput(digits, sizes=(8, 16), counts=(1, 2))
    assert [(row["model"], row["batch_size"], row["threads"]) for row in rows] == [
        (kind, size, count) for kind in ("VAE", "GAN", "DCGAN") for size in (8, 16) for count in (1, 2)
    ]
    assert [row["images_per_second"] for row in rows[:4]] == [80, 80, 160, 160]
    assert rows[0]["images_per_core_second"] == 160 and "images_per_core_second" not in rows[1]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_wider_is_slower_and_takes_more_operations(digits):
    narrow, wide = bench_scale.widths(digits, hidden=(16, 512), batch_size=32, seconds=0.03)
    assert narrow["images_per_core_second"] > wide["images_per_core_second"] > 0
    assert wide["operations"] > 20 * narrow["operations"] and wide["weights"] > narrow["weights"]


def test_one_recipe_s_step_beside_its_arithmetic(digits):
    (row,) = bench_scale.arithmetic(digits, gigaflops=50.0, chosen=["dcgan60-digits"], seconds=0.02)
    assert row["share"] * 50e9 * row["step_seconds"] == pytest.approx(row["flops"])
    recipe = recipes.get("dcgan60-digits")
    assert row["steps"] == recipe.epochs["full"] * math.ceil(len(digits.train) / recipe.batch_size)


def test_each_recipe_once_and_one_beta():
    names = recipes.kinds("digits")
    assert [name for name in names if name.startswith("beta")] == ["beta4-digits"]
    assert {"vae20-digits", "cyclegan-outlines-digits", "codeprior-digits"} <= set(names)


@pytest.mark.skipif(peak_megabytes(os.getpid()) is None, reason="only Linux tells what a process has held")
def test_memory_grows_by_the_images_bytes_and_their_order_alone():
    few, many, steps = 2_000, 202_000, 3
    program = "from chapter10.bench_scale import peak_of\n" + "\n".join(
        f"print(peak_of('vae20-digits', {n}, {steps}))" for n in (few, many)
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    peaks = dict(zip((few, many), (float(line) for line in out.stdout.split())))
    rows = bench_scale.memory("vae20-digits", (few, many), steps, measure=lambda name, n, steps: peaks[n])
    # a byte a pixel, and 8 for the image's place in the order
    assert bench_scale.bytes_an_image(rows) == pytest.approx(784 + 8, abs=60)


def test_the_slope_of_memory():
    rows = bench_scale.memory("x", counts=(10, 20, 70), measure=lambda name, n, steps: 5e6 + 790 * n)
    assert bench_scale.bytes_an_image(rows) == pytest.approx(790)


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this PyTorch has no gloo",
)
def test_two_processes_train_together():
    (row,) = bench_scale.processes("digits", counts=(2,), batch_size=64, steps=2, kinds=("VAE",))
    assert row["images_per_second"] > 0 and row["processes"] == 2 and row["model"] == "VAE"


def test_a_process_that_fails_is_a_sentence_with_what_it_said():
    program = "import sys; sys.exit('a page\\nInputError: so it is\\n more of the page')"
    with pytest.raises(TrainingError, match=r"the code 1 \(InputError: so it is\)\. .*, run: .* -c "):
        bench_scale._measured_by([sys.executable, "-c", program])
    with pytest.raises(TrainingError, match=r"the code 3 \(it said nothing\)"):
        bench_scale._measured_by([sys.executable, "-c", "raise SystemExit(3)"])
    assert bench_scale._measured_by([sys.executable, "-c", "print('a word', 2.5)"]) == 2.5


# Costs

GPU = Accelerator("some", peak=1e12, share=0.5, launch=1e-5, link=1e9, latency=1e-6)


def test_a_step_takes_its_arithmetic_or_its_launches():
    assert GPU.step(flops=5e9, launches=10) == pytest.approx(0.01)
    assert GPU.step(flops=5e6, launches=10) == pytest.approx(1e-4)
    # eight share the arithmetic, each launches as much, and 2·7 exchanges carry an eighth of the gradients each
    assert GPU.step(8e9, 10, weights=2_000_000, devices=8) == pytest.approx(2e-3 + 14 * (1e-3 + 1e-6))
    assert GPU.step(8e6, 10, weights=8, devices=8) == pytest.approx(1e-4 + 14 * 1e-6, rel=1e-3)


ROW = {
    "recipe": "vae20-mnist",
    "batch_size": 128,
    "flops": 5e9,
    "launches": 10,
    "weights": 2_000_000,
    "steps": 36_000,
}


def test_hours_of_a_recipe(digits):
    (row,) = bench_scale.costs([ROW | {"step_seconds": 0.5}], digits, GPU)
    assert (row["core"], row["gpu"], row["bound"]) == (pytest.approx(5), pytest.approx(0.1), "arithmetic")
    assert (
        row["eight"] == pytest.approx(10 * GPU.step(5e9, 10, 2_000_000, 8)) and row["gpu_is"] == "estimated"
    )
    (small,) = bench_scale.costs([ROW | {"step_seconds": 0.5, "flops": 1}], digits, GPU)
    assert small["bound"] == "launches" and small["gpu"] == pytest.approx(1e-3)
    # at that size of batch, arithmetic proportional to it lasts as long as the launches
    busy = row["busy_batch"] / ROW["batch_size"] * ROW["flops"]
    assert busy / (GPU.peak * GPU.share) == pytest.approx(ROW["launches"] * GPU.launch)
    table = bench_scale.cost_table([row, small], GPU)
    assert f"{row['busy_batch']:,.0f} images  arithmetic" in table and "images  launches" in table
    assert "vae20-mnist" in table and "estimate" in table and bench_scale.FORMULA in table
    assert "some: peak 1·10¹² operations a second, share 0.5, 10 µs a launch" in table


def test_a_gpu_that_is_here_is_measured(digits, monkeypatch):
    asked = []
    monkeypatch.setattr(bench_scale, "_method", lambda recipe, device: asked.append((recipe.name, device)))
    monkeypatch.setattr(recipes, "batches_for", lambda recipe, images, device: device)
    monkeypatch.setattr(bench_scale, "pace", lambda method, batches: Pace(wall=10.0, processor=99.0))
    (row,) = bench_scale.costs([ROW | {"step_seconds": 0.5}], digits, GPU, device="cuda")
    assert asked == [("vae20-mnist", "cuda")]
    assert row["gpu"] == pytest.approx(1.0) and row["gpu_is"] == "measured"
    assert "One GPU: measured here" in bench_scale.cost_table([row], GPU)


# What is judged

RATES = {
    ("VAE", 1): 100,
    ("VAE", 2): 150,
    ("GAN", 1): 100,
    ("GAN", 2): 130,
    ("DCGAN", 1): 10,
    ("DCGAN", 2): 16,
}


def fake(monkeypatch, core_share=1.0, memory_slope=792):
    def throughput(images):
        return [
            {
                "model": model, "batch_size": size, "threads": threads, "images_per_second": rate * size / 32,
                "images_per_core_second": rate * (2 if size == 1024 else 1),
            }
            for (model, threads), rate in RATES.items() for size in (32, 1024)
        ]  # fmt: skip

    def processes(subject):
        return [
            {"model": "DCGAN", "processes": n, "images_per_second": rate} for n, rate in ((1, 10), (2, 17))
        ]

    widths = [
        {"hidden": 64, "operations": 100, "images_per_core_second": 1000},
        {"hidden": 1024, "operations": 2000, "images_per_core_second": 100},
    ]
    monkeypatch.setattr(data, "load", lambda name, root: None)
    monkeypatch.setattr(bench_scale, "core_speed", lambda: {"gigaflops": 50.0, "core_share": core_share})
    monkeypatch.setattr(bench_scale, "throughput", throughput)
    monkeypatch.setattr(bench_scale, "processes", processes)
    monkeypatch.setattr(bench_scale, "widths", lambda images: widths)
    monkeypatch.setattr(
        bench_scale,
        "memory",
        lambda name: [
            {"recipe": name, "images": n, "peak_bytes": 1e9 + memory_slope * n} for n in (1000, 9000)
        ],
    )
    counted = vars(Counted(10**8, 100, 1000))
    row = {
        "recipe": "vae20-mnist",
        "batch_size": 128,
        "step_seconds": 0.004,
        "share": 0.5,
        "steps": 1000,
    } | counted
    monkeypatch.setattr(bench_scale, "arithmetic", lambda images, gigaflops: [row])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_all_of_it_on_a_quiet_machine(monkeypatch, capsys):
    fake(monkeypatch)
    found = bench_scale.scale("root")
    assert found["vae_batch_gain"] == 2 and found["vae_share_of_peak"] == 0.5
    assert found["width_time_against_arithmetic"] == pytest.approx(10 / 20)
    assert found["dcgan_two_threads"] == pytest.approx(1.6) and found["dcgan_two_processes"] == pytest.approx(
        1.7
    )
    asked = set(bench_scale.TARGETS) | set(bench_scale.WHERE_QUIET)
    if peak_megabytes(os.getpid()) is None:
        asked.remove("bytes_beyond_an_image")
    else:
        assert found["bytes_beyond_an_image"] == pytest.approx(8)
    assert found["targets"] == dict.fromkeys(asked, True)
    assert "NOT MET" not in capsys.readouterr().out


def test_a_busy_machine_judges_no_gain_of_threads(monkeypatch, capsys):
    fake(monkeypatch, core_share=0.5)
    found = bench_scale.scale("root")
    assert not set(found["targets"]) & set(bench_scale.WHERE_QUIET) and found[
        "dcgan_two_threads"
    ] == pytest.approx(1.6)
    assert "had other things to do (50 % of a core)" in capsys.readouterr().out


@pytest.mark.skipif(peak_megabytes(os.getpid()) is None, reason="only Linux tells what a process has held")
def test_images_kept_as_floats_are_found_out(monkeypatch, capsys):
    fake(monkeypatch, memory_slope=4 * 784)
    assert bench_scale.scale("root")["targets"]["bytes_beyond_an_image"] is False
    assert "NOT MET" in capsys.readouterr().out
