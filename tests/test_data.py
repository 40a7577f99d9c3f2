"""chapter10.data: damaged, missing and forbidden files, no network, downloads; pixels, batches and mixtures."""

import contextlib
import functools
import gzip
import hashlib
import math
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sklearn.datasets
import torch
import torchvision
from somebody import as_somebody, open_folder
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from chapter10 import data
from chapter10.data import Batches
from chapter10.errors import DataError, InputError

TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"
not_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions and no fork")
needs_mnist = pytest.mark.skipif(
    not os.environ.get("CHAPTER10_DATA"), reason="CHAPTER10_DATA names no folder with MNIST"
)


def idx_files(seed: int = 0) -> dict[str, bytes]:
    """Four idx files with few images of noise: 30 to train on, 20 to test with."""
    generator, made = torch.Generator().manual_seed(seed), {}
    for name, (magic, count) in data.FILES.items():
        shape = (count, 28, 28) if magic == 2051 else (count,)
        values = torch.randint(0, 256 if magic == 2051 else 10, shape, generator=generator, dtype=torch.uint8)
        made[name] = struct.pack(f">{1 + len(shape)}I", magic, *shape) + values.numpy().tobytes()
    return made


def write(root: Path, files: dict[str, bytes], folder: str = "MNIST") -> Path:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    return raw


@pytest.fixture
def few(monkeypatch, tmp_path) -> dict[str, bytes]:
    """Data sets of 30 and 20 images count as MNIST; an empty cache; no folder in the environment, no proxy."""
    monkeypatch.setattr(
        data, "FILES", {n: (m, 30 if "train" in n else 20) for n, (m, _) in data.FILES.items()}
    )
    files = idx_files()
    sums = {name: {hashlib.md5(content).hexdigest()} for name, content in files.items()}
    monkeypatch.setattr(data, "CHECKSUMS", {"mnist": sums})
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("CHAPTER10_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return files


@contextlib.contextmanager
def serving(files: dict[str, bytes], still: bool = False, late: float = 0.0):
    """A web server on this machine with these files, that answers `late`. A `still` one sends nothing after that."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        asked: list[str] = []

        def do_HEAD(self):
            self.asked.append(self.path)
            time.sleep(late)
            content = files.get(self.path.strip("/"))
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            return content

        def do_GET(self):
            content = self.do_HEAD()
            if still:
                ended.wait(20)
            elif content:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=functools.partial(server.serve_forever, 0.02), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", Handler.asked
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def mirrors(monkeypatch, packed: dict[str, bytes], *addresses: str) -> None:
    """torchvision looks for MNIST at these addresses, and expects these files there."""
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", list(addresses))
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", sums)


def pack(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, 1) for name, content in files.items()}


# Files in a folder


def test_reads_what_the_files_hold(few, tmp_path, capsys):
    write(tmp_path, few)
    images = data.load("mnist", tmp_path)
    assert images.train.numpy().tobytes() == few[TRAIN][16:] and images.train.shape == (30, 28, 28)
    assert bytes(images.test_labels.tolist()) == few["t10k-labels-idx1-ubyte"][8:]
    assert images.test.dtype == torch.uint8 and images.test_labels.dtype == torch.int64
    [line] = capsys.readouterr().out.splitlines()
    assert "MNIST" in line and "30 training and 20 test" in line and tmp_path.name in line


def damage_nothing_there(raw):
    (raw / TRAIN).unlink()


def damage_packed(raw):
    (raw / f"{TRAIN}.gz").write_bytes(gzip.compress((raw / TRAIN).read_bytes()))
    (raw / TRAIN).unlink()


def damage_folder(raw):
    (raw / TRAIN).unlink()
    (raw / TRAIN).mkdir()


def damage_flipped(raw):
    content = bytearray((raw / TRAIN).read_bytes())
    content[-1] ^= 1
    (raw / TRAIN).write_bytes(content)


def keep(length):
    return lambda raw: (raw / TRAIN).write_bytes((raw / TRAIN).read_bytes()[:length])


def swap(other):
    def damage(raw):
        first, second = (raw / TRAIN).read_bytes(), (raw / other).read_bytes()
        (raw / TRAIN).write_bytes(second)
        (raw / other).write_bytes(first)

    return damage


DAMAGES = {
    "missing": (damage_nothing_there, "does not exist; expected 30 images of 28×28 in 23,536 bytes"),
    "packed": (damage_packed, r"does not exist \(it is there only packed, as .gz: unpack it\)"),
    # Windows refuses to open a folder with other words than POSIX.
    "a folder": (damage_folder, r"can't be read \((Is a directory|Permission denied)\)"),
    "empty": (keep(0), "is empty; expected 30 images"),
    "3 bytes": (keep(3), r"begins with \[\]; expected"),
    "half a header": (keep(8), r"begins with \[2051, 30\]; expected"),
    "header only": (keep(16), "is cut short: 16 bytes; expected 30 images of 28×28 in 23,536 bytes"),
    "cut off": (keep(-1), "is cut short: 23,535 bytes"),
    "too long": (lambda raw: (raw / TRAIN).open("ab").write(b"x"), "is too long: 23,537 bytes"),
    "flipped": (damage_flipped, "right size but not the right content: its MD5 is [0-9a-f]{32}, expected"),
    "test for train": (swap(TEST), f"has the content of {TEST}: were two files swapped"),
    "labels for images": (swap(LABELS), f"has the content of {LABELS}: were two files swapped"),
    "text": (lambda raw: (raw / TRAIN).write_text("<html>" * 9), r"begins with \[1013478509, .*\]; expected"),
}


@pytest.mark.parametrize("where", ["folder", "cache"])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_named_with_what_to_do(few, tmp_path, name, where):
    damage, message = DAMAGES[name]
    raw = write(tmp_path / where, few)
    damage(raw)
    with pytest.raises(DataError, match=message) as caught:
        data.load("auto", tmp_path / "folder" if where == "folder" else None)
    sentence = str(caught.value)
    assert str(raw / TRAIN) in sentence and "\n" not in sentence
    if name != "a folder":
        assert ("Delete the folder" if where == "cache" else "put its four unpacked files") in sentence


def test_a_folder_that_is_not_there_is_not_replaced_by_other_data(few, tmp_path, monkeypatch):
    write(tmp_path / "cache", few)
    monkeypatch.setenv("CHAPTER10_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="nowhere.*does not exist"):
        data.load()


def test_the_folder_of_the_environment_goes_before_the_cache_and_root_before_both(few, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CHECKSUMS", {"mnist": dict.fromkeys(data.FILES)})  # three different sets
    for seed, name in enumerate(["cache", "environment", "root"]):
        write(tmp_path / name, idx_files(seed))
    want = [idx_files(seed)[TRAIN][16:] for seed in range(3)]
    assert data.load().train.numpy().tobytes() == want[0]
    monkeypatch.setenv("CHAPTER10_DATA", str(tmp_path / "environment"))
    assert data.load().train.numpy().tobytes() == want[1]
    assert data.load(root=tmp_path / "root").train.numpy().tobytes() == want[2]


def test_a_set_asked_for_by_name_is_that_set(few, tmp_path):
    write(tmp_path, few)
    with pytest.raises(DataError, match="FashionMNIST.*does not exist"):
        data.load("fashion-mnist", tmp_path)
    write(tmp_path, few, "FashionMNIST")
    with pytest.raises(DataError, match="is MNIST's file of that name, not Fashion-MNIST's"):
        data.load("fashion-mnist", tmp_path)
    with pytest.raises(DataError, match="MNIST can't be had: no download was allowed.*CHAPTER10_DATA"):
        data.load("mnist", download=False)
    with pytest.raises(
        InputError, match="'mnits' is not known. Choose one of: auto, digits, mnist, fashion-mnist"
    ):
        data.load("mnits")


def test_the_embedded_digits_are_the_same_each_time(few, capsys):
    images, again = data.load("digits"), data.load("auto", download=False)
    assert images.train.shape == (1437, 28, 28) and images.test.shape == (360, 28, 28)
    assert torch.equal(images.train, again.train) and torch.equal(images.test_labels, again.test_labels)
    assert set(images.test_labels.tolist()) == set(range(10)) and images.train.max() == 255
    assert images.train[:, :4].sum() == 0 and images.train[:, :, -4:].sum() == 0
    assert "no download was allowed" in capsys.readouterr().out


@needs_mnist
def test_real_mnist_is_whole():
    images = data.load("mnist")
    assert images.train.shape == (60_000, 28, 28) and images.test.shape == (10_000, 28, 28)
    assert images.train_labels[:5].tolist() == [5, 0, 4, 1, 9] and images.test_labels[:5].tolist() == [
        7,
        2,
        1,
        0,
        4,
    ]
    assert images.train.float().mean() / 255 == pytest.approx(0.1307, abs=1e-4)  # as in pytorch/examples


@not_windows
def test_files_that_may_not_be_read(few):
    with open_folder() as folder:
        raw = write(folder, few)
        (raw / TRAIN).chmod(0)
        told = as_somebody(lambda: data.load("auto", folder))
        assert told.startswith(f"DataError: {raw / TRAIN} can't be read (Permission denied)")
        assert "Give yourself the right to read it" in told
        folder.chmod(0)
        told = as_somebody(lambda: data.load("mnist", folder))
        assert told.startswith("DataError: ") and "Permission denied" in told


@not_windows
def test_a_cache_that_may_not_be_written(few, monkeypatch):
    digits = sklearn.datasets.load_digits()  # scikit-learn itself may lie where only root may read
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: digits)
    with open_folder() as folder:
        monkeypatch.setattr(data, "cache_folder", lambda: folder / "cache")
        folder.chmod(0o555)
        told = as_somebody(lambda: data.load("mnist"))
        assert told.startswith("DataError: MNIST can't be had: the cache")
        assert "can't be written (Permission denied)" in told
        assert as_somebody(lambda: data.load("auto")) == ""  # the digits
        folder.chmod(0o755)
        (folder / "cache").mkdir(mode=0)  # nor may it be entered
        assert as_somebody(lambda: data.load("auto")) == ""


def test_a_file_where_the_cache_should_be(few, tmp_path, capsys):
    (tmp_path / "cache").write_text("mine")
    assert data.load().name == "digits"
    assert "can't be written" in capsys.readouterr().out and (tmp_path / "cache").read_text() == "mine"


# The network


OFFLINE = """
import pathlib, socket, sys, time
import torch, torchvision  # several seconds from a cold disk, whatever the network does: not counted
started = time.perf_counter()
from chapter10 import data
silent = socket.create_server(("127.0.0.1", 0))  # takes the call and never speaks
torchvision.datasets.MNIST.mirrors = [f"http://127.0.0.1:{silent.getsockname()[1]}/"]
data.cache_folder = lambda: pathlib.Path(sys.argv[1])
assert data.load().name == "digits"
print(time.perf_counter() - started)
started = time.perf_counter()
try:
    data.load("mnist")
except data.DataError as error:
    print(error)
print(time.perf_counter() - started)
"""


def test_no_network_gives_the_digits_and_a_notice_within_five_seconds(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "CHAPTER10_DATA"} | {"no_proxy": "127.0.0.1"}
    command = [sys.executable, "-c", OFFLINE, str(tmp_path)]
    root = str(Path(data.__file__).parents[1])
    ended = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    notice, seconds, refusal, warm = ended.stdout.splitlines()
    assert "MNIST can't be had: its servers did not answer" in notice and "CHAPTER10_DATA" in notice
    assert float(seconds) < 5
    assert (
        refusal.startswith("MNIST can't be had: its servers did not answer") and "load('digits')" in refusal
    )
    assert float(warm) < data.PROBE_SECONDS + 1
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_looked_up_for_ever_counts_as_no_network(few, monkeypatch):
    """A lookup takes no limit of time, as behind a hotel's login page."""
    ended = threading.Event()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: ended.wait(20) and [])
    monkeypatch.setattr(data, "PROBE_SECONDS", 0.3)
    mirrors(monkeypatch, pack(few), "http://one.invalid/", "http://two.invalid/")
    started = time.perf_counter()
    assert "servers did not answer" in data.load().source
    ended.set()
    assert time.perf_counter() - started < 4


def test_a_download_is_kept_and_needs_no_network_again(few, tmp_path, monkeypatch, capsys):
    packed = pack(few)
    with serving(packed) as (address, asked):
        mirrors(monkeypatch, packed, address)
        images = data.load()
        count = len(asked)
    assert socket.getdefaulttimeout() is None  # the download's own limit is no one else's
    assert images.train.numpy().tobytes() == few[TRAIN][16:] and count >= 5
    assert "downloaded now" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["MNIST"]
    again = data.load("mnist")  # the server is gone
    assert torch.equal(again.train, images.train) and "(the cache)" in capsys.readouterr().out


@needs_mnist
def test_the_real_files_come_through_a_download(tmp_path, monkeypatch):
    raw = Path(os.environ["CHAPTER10_DATA"]) / "MNIST" / "raw"
    packed = pack({name: (raw / name).read_bytes() for name in data.FILES})
    monkeypatch.delenv("CHAPTER10_DATA")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    with serving(packed) as (address, _):
        mirrors(monkeypatch, packed, address)
        images = data.load("mnist")
    assert images.train.numpy().tobytes() == (raw / TRAIN).read_bytes()[16:]


@pytest.mark.parametrize("expected", ["whole", "cut off"])
def test_a_cut_off_download_leaves_nothing_behind(few, tmp_path, monkeypatch, capsys, expected):
    whole = pack(few)
    cut = {name: content[: len(content) // 2] for name, content in whole.items()}
    with serving(cut) as (address, _):
        mirrors(monkeypatch, whole if expected == "whole" else cut, address)
        assert data.load().name == "digits"
        with pytest.raises(DataError, match="MNIST can't be had: the download failed") as caught:
            data.load("mnist")
    assert "\n" not in str(caught.value) and "the download failed" in capsys.readouterr().out
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_content_under_the_right_name_is_not_kept(few, tmp_path, monkeypatch):
    packed = pack(idx_files(seed=1))
    with serving(packed) as (address, _):
        mirrors(monkeypatch, packed, address)
        with pytest.raises(DataError, match="not the right content"):
            data.load("mnist")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_mirror_that_stands_still_or_lacks_the_files_is_passed_over(few, monkeypatch):
    packed = pack(few)
    monkeypatch.setattr(data, "READ_SECONDS", 0.3)
    started = time.perf_counter()
    with (
        serving(packed, still=True) as (still, _),
        serving({}) as (without, _),
        serving(packed, late=0.2) as (good, _),
    ):
        mirrors(monkeypatch, packed, still, without, good)
        assert data.load("mnist").name == "mnist"
    assert time.perf_counter() - started < 5


def test_the_first_answer_is_enough(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "PROBE_SECONDS", 10.0)
    silent = socket.create_server(("127.0.0.1", 0))  # takes the call and never speaks
    started = time.perf_counter()
    with silent, serving({"a": b"1"}) as (good, _):
        still = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert data._answering({still: "still", good + "a": "good"}) == ["good"]
    assert time.perf_counter() - started < 5


# Pixels


def test_bytes_become_floats_exactly():
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    exact = torch.arange(256, dtype=torch.float64).unsqueeze(0) / 255
    assert torch.equal(data.to_unit(every), exact.float())
    torch.testing.assert_close(data.to_signed(every), (2 * exact - 1).float(), rtol=0, atol=1.2e-7)
    assert data.to_signed(every)[0, [0, -1]].tolist() == [-1, 1]
    for convert in (data.to_unit, data.to_signed):
        with pytest.raises(InputError, match=r"bytes \[N, H, W\], found torch.float32 \[2, 3, 3\]"):
            convert(torch.zeros(2, 3, 3))


def test_binarize_sets_each_pixel_with_its_grey_level_as_probability():
    unit = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).repeat(100_000, 1)
    state, generator = torch.get_rng_state(), torch.Generator().manual_seed(3)
    bits = data.binarize(unit, generator)
    assert torch.equal(bits, data.binarize(unit, torch.Generator().manual_seed(3)))
    assert not torch.equal(bits, data.binarize(unit, generator))
    assert torch.equal(state, torch.get_rng_state())
    assert set(bits.unique().tolist()) == {0, 1} and bits.dtype == unit.dtype
    share, p = bits.mean(0), unit[0]
    assert ((share - p).abs() <= 5 * (p * (1 - p) / len(unit)).sqrt()).all()


@pytest.mark.parametrize(
    "x, message",
    [
        (torch.full((2, 3), torch.nan), "found nan"),
        (torch.tensor([0.5, torch.nan]), "found nan"),
        (torch.tensor([0.0, 255.0]), r"must lie in \[0, 1\] for a likelihood, found 0 to 255.*to_unit"),
        (torch.tensor([-1.0, 1.0]), r"found -1 to 1.*signed_to_unit"),
        (torch.empty(0, 784), r"no images in a tensor of shape \[0, 784\]"),
        (torch.zeros(2, 3, dtype=torch.uint8), "must be floats.*found torch.uint8.*to_unit"),
    ],
)
def test_pixels_outside_the_unit_interval_are_refused(x, message):
    for check in (data.check_unit, data.binarize):
        with pytest.raises(InputError, match=message):
            check(x)


# Batches


def numbered(count: int) -> torch.Tensor:
    """Images [count, 1, 2] that tell their own number."""
    number = torch.arange(count)
    return torch.stack([number // 256, number % 256], 1).to(torch.uint8).unsqueeze(1)


def numbers(x: torch.Tensor) -> list[int]:
    return (x * 255).round().long().matmul(torch.tensor([256, 1])).tolist()


@pytest.mark.parametrize(
    "size, drop, sizes",
    [(100, False, [100, 100, 100, 1]), (100, True, [100] * 3), (301, False, [301]), (301, True, [301])],
)
def test_an_epoch_has_every_image_once(size, drop, sizes):
    torch.manual_seed(0)
    batches = Batches(numbered(301), size, "unit", drop_last=drop)
    epochs = [list(batches) for _ in range(2)]
    assert [len(x) for x in epochs[0]] == sizes and len(batches) == len(sizes)
    seen = [[n for x in epoch for n in numbers(x)] for epoch in epochs]
    assert all(len(set(order)) == sum(sizes) for order in seen)
    assert seen[0] != seen[1] and seen[0] != sorted(seen[0])
    torch.manual_seed(0)
    assert [n for x in batches for n in numbers(x)] == seen[0]


@pytest.mark.parametrize("size", [0, -1, 1.5, 302, None, "128"])
def test_a_batch_size_that_gives_no_batches_is_refused(size):
    with pytest.raises(InputError, match=f"batch size is {size!r}; give a whole number from 1 to .* 301"):
        Batches(numbered(301), size)


def test_other_bad_batches_are_refused():
    with pytest.raises(InputError, match="form 'grey' is not known. Choose one of: binary, unit, signed"):
        Batches(numbered(3), 1, "grey")
    with pytest.raises(InputError, match=r"bytes \[N, H, W\], found torch.float32"):
        Batches(numbered(3).float(), 1)


def test_forms_of_batches():
    torch.manual_seed(0)
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(20_000, 16, 16)
    ones = torch.stack([x.sum(0) for x in Batches(every, 5000, "binary")]).sum(0)
    p = torch.arange(256) / 255
    assert ones[0] == 0 and ones[255] == 20_000  # never and always
    z = ((ones / 20_000 - p) / (p * (1 - p) / 20_000).sqrt())[1:255]
    assert z.square().sum() < 254 + 6 * math.sqrt(2 * 254) and abs(z.sum()) < 5 * math.sqrt(254)
    for form, convert in (("unit", data.to_unit), ("signed", data.to_signed)):
        [x] = Batches(every[:1], 1, form)
        assert torch.equal(x, convert(every[:1]))


# Mixtures


@pytest.mark.parametrize("mixture", [data.ring(8, 1.0, 0.1), data.grid(3, 1.0, 0.2)])
def test_the_density_adds_up_to_one(mixture):
    axis = torch.arange(-3, 3, 0.02, dtype=torch.float64)
    p = mixture.log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert p.sum().item() * 0.02**2 == pytest.approx(1, abs=1e-6)


def test_the_density_is_torch_s():
    torch.manual_seed(0)
    means, weights = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64),
    )
    mixture = data.GaussianMixture(means, 0.3, weights)
    x = torch.randn(50, 3, dtype=torch.float64)
    theirs = MixtureSameFamily(Categorical(weights), Independent(Normal(means, 0.3), 1))
    torch.testing.assert_close(mixture.log_prob(x), theirs.log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.log_prob_components(x).exp().sum(1), theirs.log_prob(x).exp())


def test_samples_fall_where_the_density_says():
    weights = torch.tensor([0.05, 0.15, 0.3, 0.5])
    mixture = data.GaussianMixture(data.ring(4).means, 0.01, weights)
    n = 100_000
    x, k = mixture.sample(n, torch.Generator().manual_seed(1))
    assert torch.equal(x, mixture.sample(n, torch.Generator().manual_seed(1))[0])
    expected = weights * n
    assert ((k.bincount() - expected) ** 2 / expected).sum() < 3 + 6 * math.sqrt(6)
    near = ((x - mixture.means[k]).norm(dim=1) < 3 * mixture.std).double().mean().item()
    share = 1 - math.exp(-4.5)  # of a round Gaussian in two dimensions
    assert abs(near - share) < 5 * math.sqrt(share * (1 - share) / n)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: data.GaussianMixture(torch.zeros(2), 1.0),
            r"means \[K, dimensions\] and std > 0, found \[2\]",
        ),
        (lambda: data.GaussianMixture(torch.zeros(2, 2), 0.0), "std > 0, found .* 0.0"),
        (lambda: data.GaussianMixture(torch.zeros(2, 2), 1.0, torch.tensor([0.5, 0.4])), "add up to 1"),
        (lambda: data.GaussianMixture(torch.zeros(2, 2), 1.0, torch.ones(1)), "2 numbers"),
        (lambda: data.ring().log_prob(torch.zeros(3)), r"takes points \[N, 2\], found \[3\]"),
    ],
)
def test_mixtures_that_are_none(make, message):
    with pytest.raises(InputError, match=message):
        make()


# Images for a GAN, points of a mixture


def test_signed_images_come_back_as_they_were():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    torch.testing.assert_close(data.signed_to_unit(data.to_signed(pixels)), data.to_unit(pixels), rtol=0, atol=1e-7)
    slightly = torch.tensor([-1.000001, 1.000001])  # as rounding may leave it
    assert data.signed_to_unit(slightly).tolist() == [0, 1]


@pytest.mark.parametrize("value", [-1.1, 1.1, math.nan])
def test_what_is_no_signed_image_does_not_become_a_unit_one(value):
    with pytest.raises(InputError, match=r"\[−1, 1\] were expected, found"):
        data.signed_to_unit(torch.tensor([0.0, value]))


def test_signed_images_are_told_from_unit_ones_by_their_dark_pixels():
    data.check_signed(torch.tensor([-1.0, 1.0]))
    data.check_signed(torch.tensor([-0.01, 0.9]))
    for x, message in [
        (torch.tensor([0.0, 1.0]), r"\[−1, 1\], as the generator's tanh does, found 0 to 1\. In \[0, 1\] the disc"),
        (torch.tensor([0.0, 255.0]), r"found 0 to 255\. data.Batches"),
        (torch.tensor([-1.5, 1.0]), "found -1.5 to 1"),
        (torch.tensor([-1.0, math.nan]), "found nan"),
        (torch.empty(0, 4), "no images"),
    ]:
        with pytest.raises(InputError, match=message):
            data.check_signed(x)


def test_batches_of_points_are_new_in_each_epoch_and_repeat_with_the_seed():
    batches = data.PointBatches(data.grid(3), 50, 4)
    torch.manual_seed(1)
    first, second = list(batches), list(batches)
    assert len(batches) == 4 and [x.shape for x in first] == [(50, 2)] * 4
    points = torch.cat(first + second)
    assert len(points.unique(dim=0)) == len(points)
    torch.manual_seed(1)
    assert all(torch.equal(a, b) for a, b in zip(first, batches))
    nearest = (points.unsqueeze(1) - data.grid(3).means).norm(dim=2).min(1).values
    assert nearest.max() < 6 * 0.05
    for wrong in ({"batch_size": 0, "steps": 1}, {"batch_size": 1, "steps": 0}):
        with pytest.raises(InputError, match="is 0; give a whole number"):
            data.PointBatches(data.ring(), **wrong)
