"""Data sets as bytes in memory, batches made from them on the fly, and mixtures with a known density.

`load` looks, in this order, in the folder it is given or that CHAPTER10_DATA names, in the user's cache, on the
network, and at last among the digits that come inside scikit-learn. It says which it took. A set asked for by its
name is never replaced by another.
"""

import hashlib
import importlib
import math
import os
import queue
import shutil
import socket
import struct
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from chapter10 import parallel
from chapter10.errors import DataError, InputError
from chapter10.language import noted, say
from chapter10.nets import check_sizes

FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}  # as torchvision names its classes and folders
TITLES = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "digits": noted("the digits inside scikit-learn"),
    "shapes": noted("rendered shapes"),
}
FILES = {  # name: (magic number, count)
    "train-images-idx3-ubyte": (2051, 60_000),
    "train-labels-idx1-ubyte": (2049, 60_000),
    "t10k-images-idx3-ubyte": (2051, 10_000),
    "t10k-labels-idx1-ubyte": (2049, 10_000),
}
# MD5 of the unpacked files. MNIST's training images are known in two versions: the official one, and one rebuilt
# from PNG pictures, in which the pixels of value 1 (0.05 % of them) are 0.
CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte": {"6bbc9ace898e44ae57da46a324031adb", "2120c626b3f721358a650005d9261aaf"},
        "train-labels-idx1-ubyte": {"a25bea736e30d166cdddb491f175f624"},
        "t10k-images-idx3-ubyte": {"2646ac647ad5339dbf082846283269ea"},
        "t10k-labels-idx1-ubyte": {"27ae3e4e09519cfbb04c329615203637"},
    }
}
PROBE_SECONDS = 1.5  # until the network counts as absent
READ_SECONDS = 10.0  # until a download that stands still is given up


def title(name: str) -> str:
    """What a data set is called, in the reader's language."""
    return say(TITLES[name])


@dataclass(frozen=True)
class Images:
    """Images and labels in memory.

    Attributes:
        name: "mnist", "fashion-mnist" or "digits"; or "shapes", which `shapes.split` makes.
        train: training images, uint8 [N, 28, 28]; train_labels: int64 [N].
        test: test images, uint8 [M, 28, 28]; test_labels: int64 [M].
        source: where they came from, in words.
    """

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    source: str

    @property
    def title(self) -> str:
        return TITLES[self.name]


def load(name: str = "auto", root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """A data set, with one printed line that says which and from where.

    Args:
        name: "mnist", "fashion-mnist", "digits", or "auto": MNIST if it can be had, else the digits.
        root: a folder that holds `MNIST/raw/` as torchvision lays it out; else the one that CHAPTER10_DATA names.
            If either is given, the data come from there or not at all.
        download: whether the network may be tried.
    Raises:
        DataError: where a file is missing, unreadable, cut off, swapped or altered; where a set asked for by name
            can't be had.
        InputError: for a name that is not known.
    """
    if name not in ("auto", "digits", *FOLDERS):
        raise InputError(
            "The data set {name!r} is not known. Choose one of: auto, digits, {choices}.",
            name=name,
            choices=', '.join(FOLDERS),
        )
    root = root or os.environ.get("CHAPTER10_DATA")
    if name == "digits":
        images = _digits(say("asked for by name"))
    elif root:
        images = _read(name.replace("auto", "mnist"), Path(root).expanduser(), say("the folder {folder}", folder=_short(root)))
    else:
        images = _from_cache_or_network(name, download)
    told = say(
        "Data: {title}, {train:,} training and {test:,} test images of 28×28 ({source}).",
        title=title(images.name), train=len(images.train), test=len(images.test), source=images.source,
    )  # fmt: skip
    print(told)
    return images


def cache_folder() -> Path:
    """Where downloaded data are kept for the next time."""
    import platformdirs

    return platformdirs.user_cache_path("chapter10")


def _short(path: str | os.PathLike) -> str:
    """The last folder of a path: enough to know it by, and the same on each machine."""
    return f"'{Path(path).name or path}'"


def _from_cache_or_network(name: str, download: bool) -> Images:
    wanted = name.replace("auto", "mnist")
    cache = cache_folder()
    mend = say("Delete the folder {folder}, and it is downloaded anew.", folder=cache / FOLDERS[wanted])
    if os.path.isdir(cache / FOLDERS[wanted] / "raw"):  # Path.is_dir raises where a folder above can't be entered
        return _read(wanted, cache, say("the cache"), mend)
    if download and name == "auto":  # slow to import, and soon needed if the network stays silent: meanwhile
        threading.Thread(target=importlib.import_module, args=("sklearn.datasets",), daemon=True).start()
    reason = _download(wanted, cache) if download else say("no download was allowed")
    if reason is None:
        return _read(wanted, cache, say("downloaded now, kept in the cache"), mend)
    if name == "auto":
        return _digits(say("MNIST can't be had: {reason}; CHAPTER10_DATA may name a folder that has it", reason=reason))
    raise DataError(
        "{TITLES} can't be had: {reason}. Put its four files into a folder {FOLDERS}/raw and set CHAPTER10_DATA to "
        "the folder above it, or ask for load('digits'), which needs no network.",
        TITLES=TITLES[wanted],
        reason=reason,
        FOLDERS=FOLDERS[wanted],
    )


def _read(name: str, root: Path, source: str, mend: str | None = None) -> Images:
    """The four idx files below `root`, checked; `mend` says what to do about a damaged one."""
    parts = [_read_file(name, root / FOLDERS[name] / "raw" / file, mend) for file in FILES]
    train, train_labels, test, test_labels = parts
    return Images(name, train, train_labels, test, test_labels, source)


def _read_file(name: str, path: Path, mend: str | None = None) -> Tensor:
    """The images or labels in an idx file; a DataError unless it is the file that its name says.

    Read here, for torchvision's own reader takes an old copy in `processed/` without a look at these files.
    """
    magic, count = FILES[path.name]
    images = magic == 2051
    start = 16 if images else 8
    size = start + (784 * count if images else count)
    if images:
        expected = say("expected {count:,} images of 28×28 in {size:,} bytes", count=count, size=size)
    else:
        expected = say("expected {count:,} labels in {size:,} bytes", count=count, size=size)
    mend = mend or say(
        "Fetch {title} again and put its four unpacked files into {folder}/raw, or unset CHAPTER10_DATA to let it be downloaded.",
        title=title(name),
        folder=FOLDERS[name],
    )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        packed = say(" (it is there only packed, as .gz: unpack it)") if path.with_name(path.name + ".gz").exists() else ""
        raise DataError(
            "{path} does not exist{packed}; {expected}. {mend}",
            path=path,
            packed=packed,
            expected=expected,
            mend=mend,
        ) from None
    except OSError as error:
        raise DataError(
            "{path} can't be read ({strerror}); {expected}. Give yourself the right to read it and its folder, or "
            "set CHAPTER10_DATA to a folder you may read.",
            path=path,
            strerror=error.strerror,
            expected=expected,
        ) from None
    if not content:
        raise DataError("{path} is empty; {expected}. {mend}", path=path, expected=expected, mend=mend)
    header = struct.unpack(">" + "I" * min(4, len(content) // 4), content[: min(16, len(content) // 4 * 4)])
    header = header[: 4 if images else 2]
    if header != ((magic, count, 28, 28) if images else (magic, count)):
        other = next((o for o, (m, c) in FILES.items() if header[:2] == (m, c) and o != path.name), None)
        found = say("begins with {header}", header=list(header))
        if other:
            found = say("has the content of {other}: were two files swapped?", other=other)
        raise DataError(
            "{path} {found}; {expected}. {mend}",
            path=path,
            found=found,
            expected=expected,
            mend=mend,
        )
    if len(content) != size:
        raise DataError(
            "{path} is {words}: {count:,} bytes; {expected}. {mend}",
            path=path,
            words=say("cut short") if len(content) < size else say("too long"),
            count=len(content),
            expected=expected,
            mend=mend,
        )
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    known = CHECKSUMS.get(name, {}).get(path.name)
    if known and md5 not in known:
        raise DataError(
            "{path} has the right size but not the right content: its MD5 is {md5}, expected {choices}. {mend}",
            path=path,
            md5=md5,
            choices=' or '.join(sorted(known)),
            mend=mend,
        )
    if name != "mnist" and md5 in CHECKSUMS["mnist"][path.name]:
        raise DataError(
            "{path} is MNIST's file of that name, not {TITLES}'s. {mend}",
            path=path,
            TITLES=TITLES[name],
            mend=mend,
        )
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8)[start:]
    return values.view(count, 28, 28) if images else values.long()


def _download(name: str, cache: Path) -> str | None:
    """Fetch a data set into the cache. Returns None, or the reason why it was not possible."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=cache, prefix=".download-"))
    except OSError as error:
        return say("the cache {cache} can't be written ({error})", cache=cache, error=error.strerror)
    import torchvision

    dataset = getattr(torchvision.datasets, FOLDERS[name])
    before = socket.getdefaulttimeout()
    try:
        answering = _answering({mirror + dataset.resources[0][0]: mirror for mirror in dataset.mirrors})
        if not answering:
            return say("its servers did not answer (no network?)")
        socket.setdefaulttimeout(READ_SECONDS)  # torchvision passes no limit of its own
        reason = None
        for mirror in answering + [other for other in dataset.mirrors if other not in answering]:
            # torchvision goes on to the next mirror after some errors, but not when one stands still.
            reason = _fetch(type(dataset.__name__, (dataset,), {"mirrors": [mirror]}), name, work, cache)
            if reason is None:
                break
        return reason
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(work, ignore_errors=True)


def _fetch(dataset: type, name: str, work: Path, cache: Path) -> str | None:
    """Download with torchvision into `work`, check, and move into the cache. Returns None or the reason."""
    try:
        dataset(root=str(work), download=True)
        for file in FILES:
            _read_file(name, work / FOLDERS[name] / "raw" / file, say("Try again later."))
        os.replace(work / FOLDERS[name], cache / FOLDERS[name])  # whole, or not at all
    except (OSError, RuntimeError, EOFError, HTTPException, DataError) as error:
        if os.path.isdir(cache / FOLDERS[name] / "raw"):
            return None  # another process was quicker
        return say("the download failed ({error})", error=" ".join(str(error).split()) or type(error).__name__)
    return None


def _answering(addresses: dict[str, str]) -> list[str]:
    """The mirrors whose address answered until the first did; in threads, for looking up a name knows no limit.

    Args:
        addresses: from an address to ask to the mirror it belongs to.
    Returns:
        mirrors, empty if none answered in time.
    """
    answered: list[str] = []
    tried: queue.Queue[None] = queue.Queue()

    def ask(address: str, mirror: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PROBE_SECONDS).close()
            answered.append(mirror)
        except (OSError, ValueError, HTTPException):
            return  # silence is the answer
        finally:
            tried.put(None)

    for address, mirror in addresses.items():
        threading.Thread(target=ask, args=(address, mirror), daemon=True).start()
    end = time.monotonic() + PROBE_SECONDS
    for _ in addresses:
        try:
            tried.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        if answered:
            break
    return list(answered)


def _digits(why: str) -> Images:
    """1,797 digits of 8×8 (Alpaydin and Kaynak, UCI), drawn at 20×20 in the middle of 28×28 as MNIST's are."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = torch.from_numpy(digits.images).float().unsqueeze(1) / 16  # (N, 1, 8, 8)
    large = torch.nn.functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    images = torch.nn.functional.pad(large, (4, 4, 4, 4)).squeeze(1).mul(255).round().to(torch.uint8)
    labels = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1797))  # one split for all
    train, test = order[:1437], order[1437:]
    return Images("digits", images[train], labels[train], images[test], labels[test], why)


def _flat(images: Tensor) -> Tensor:
    if images.dtype != torch.uint8 or images.ndim < 2:
        raise InputError(
            "Images come as bytes [N, H, W], found {dtype} {shape}.",
            dtype=images.dtype,
            shape=list(images.shape),
        )
    return images.flatten(1)


def to_unit(images: Tensor) -> Tensor:
    """Bytes [N, H, W] as floats [N, H·W] in [0, 1], for likelihoods."""
    return _flat(images).float().div_(255)


def to_signed(images: Tensor) -> Tensor:
    """Bytes [N, H, W] as floats [N, H·W] in [−1, 1], for GANs."""
    return _flat(images).float().div_(127.5).sub_(1)


def signed_to_unit(x: Tensor) -> Tensor:
    """Images in [−1, 1], as GANs make them, in [0, 1], as classifier and metrics take them; any shape.

    Raises:
        InputError: outside [−1, 1], beyond rounding.
    """
    low, high = _range(x)
    if not (low >= -1 - 1e-5 and high <= 1 + 1e-5):
        raise InputError(
            "Images in [−1, 1] were expected, found {low:.3g} to {high:.3g}: signed_to_unit takes what a tanh "
            "gives.",
            low=low,
            high=high,
        )
    return ((x + 1) / 2).clamp(0, 1)


def binarize(unit: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Each pixel becomes 1 with its grey level as probability, else 0 (Salakhutdinov and Murray 2008).

    Args:
        unit: grey levels in [0, 1], any shape.
    Raises:
        InputError: outside [0, 1].
    """
    check_unit(unit)
    return torch.rand(unit.shape, generator=generator, dtype=unit.dtype, device=unit.device).lt(unit).to(unit.dtype)


def check_unit(x: Tensor) -> None:
    """Raise InputError unless x is of floats in [0, 1]."""
    if not x.is_floating_point():
        raise InputError(
            "Pixels must be floats in [0, 1] for a likelihood, found {dtype}: data.to_unit makes them from bytes.",
            dtype=x.dtype,
        )
    low, high = _range(x)
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        raise InputError(
            "Pixels must lie in [0, 1] for a likelihood, found {low:.3g} to {high:.3g}. data.to_unit turns bytes "
            "into that range; data.signed_to_unit does it for images in [−1, 1].",
            low=low,
            high=high,
        )


def check_signed(x: Tensor) -> None:
    """Raise InputError unless x [B, D] is a batch of float images in [−1, 1]: with no pixel below 0 it is taken for [0, 1]."""
    if not x.is_floating_point():
        raise InputError(
            "Real images must be floats in [−1, 1] for a GAN, found {dtype}: data.to_signed makes them from bytes.",
            dtype=x.dtype,
        )
    low, high = _range(x)
    if not (-1 <= low < 0 and high <= 1):  # written so that NaN fails too
        unit = 0 <= low and high <= 1
        scale = say(" In [0, 1] the discriminator would tell real from fake by the sign of the pixels.") if unit else ""
        raise InputError(
            "Real images must lie in [−1, 1], as the generator's tanh does, found {low:.3g} to {high:.3g}.{scale} "
            'data.Batches(images, form="signed") gives that range; so does 2 * x − 1 for images in [0, 1].',
            low=low,
            high=high,
            scale=scale,
        )


def _range(x: Tensor) -> tuple[float, float]:
    if x.numel() == 0:
        raise InputError("There are no images in a tensor of shape {shape}.", shape=list(x.shape))
    low, high = torch.aminmax(x)
    return low.item(), high.item()


FORMS = ("binary", "unit", "signed")


class Batches:
    """Shuffled batches; one pass of `for x in batches` is an epoch, in an order drawn anew from torch's random numbers.

    The bytes stay in memory (on the device, if it is a GPU) and are converted batch by batch: no DataLoader.

    Args:
        images: uint8 [N, H, W].
        batch_size: B, from 1 to N. The last batch of an epoch may be smaller; it is left out where several processes train
            together and it has less than two images for each.
        form: "binary" (pixels drawn anew each time, for likelihoods), "unit" ([0, 1]) or "signed" ([−1, 1]).
        device: where the batches are wanted.
        drop_last: leave a smaller last batch out.
    Yields:
        x: float32 [B, H·W].
    """

    def __init__(
        self,
        images: Tensor,
        batch_size: int = 128,
        form: str = "binary",
        device: str | torch.device = "cpu",
        drop_last: bool = False,
    ):
        if form not in FORMS:
            raise InputError(
                "The form {form!r} is not known. Choose one of: {choices}.",
                form=form,
                choices=', '.join(FORMS),
            )
        self.bytes = _flat(images).contiguous().to(device)
        if not isinstance(batch_size, int) or not 1 <= batch_size <= len(images):
            raise InputError(
                "The batch size is {batch_size!r}; give a whole number from 1 to the number of images, {count:,}.",
                batch_size=batch_size,
                count=len(images),
            )
        self.batch_size, self.form, self.drop_last = batch_size, form, drop_last

    def __len__(self) -> int:
        """Steps in an epoch."""
        full, rest = divmod(len(self.bytes), self.batch_size)
        few = 0 if parallel.world() == 1 else 2 * parallel.world() - 1  # batch norm needs two rows in each process
        return full + (rest > few and not self.drop_last)

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.randperm(len(self.bytes)).to(self.bytes.device)
        for i in range(len(self)):
            yield self.convert(self.bytes[order[i * self.batch_size : (i + 1) * self.batch_size]])

    def convert(self, pixels: Tensor) -> Tensor:
        """Bytes [B, D] in the form of these batches."""
        if self.form == "binary":
            # A byte b is set with probability b / 255: b > r for r uniform on 0 … 254.
            return pixels.gt(torch.empty_like(pixels).random_(0, 255)).float()
        x = pixels.float()
        return x.div_(255) if self.form == "unit" else x.div_(127.5).sub_(1)


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of round Gaussians, whose density is known.

    Args:
        means: [K, 2] (or any dimension); std: of each coordinate, > 0; weights: [K], adding up to 1; uniform if None.
    """

    means: Tensor
    std: float
    weights: Tensor | None = None

    def __post_init__(self):
        if self.means.ndim != 2 or not self.std > 0:
            raise InputError(
                "A mixture needs means [K, dimensions] and std > 0, found {shape} and {std}.",
                shape=list(self.means.shape),
                std=self.std,
            )
        if self.weights is not None and (
            self.weights.shape != self.means.shape[:1] or (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-5
        ):
            raise InputError(
                "The weights must be {count} numbers from 0 up that add up to 1, found {weights}.",
                count=len(self.means),
                weights=self.weights.tolist(),
            )

    def _weights(self) -> Tensor:
        return self.means.new_full((len(self.means),), 1 / len(self.means)) if self.weights is None else self.weights

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """n points [n, 2] and the component that each came from [n]."""
        k = torch.multinomial(self._weights(), n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator)
        return self.means[k] + self.std * noise, k

    def log_prob_components(self, x: Tensor) -> Tensor:
        """log p(x, k): weight times density of each component, [N, K], in nats."""
        dimensions = self.means.shape[1]
        if x.ndim != 2 or x.shape[1] != dimensions:
            raise InputError(
                "The mixture takes points [N, {dimensions}], found {shape}.",
                dimensions=dimensions,
                shape=list(x.shape),
            )
        square = (x.unsqueeze(1) - self.means).square().sum(-1)  # (N, 1, 2) − (K, 2) -> (N, K)
        log_norm = dimensions * (math.log(self.std) + 0.5 * math.log(2 * math.pi))
        return self._weights().log() - square / (2 * self.std**2) - log_norm

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) [N], in nats."""
        return self.log_prob_components(x).logsumexp(1)


class PointBatches:
    """Batches of points drawn from a mixture, new ones in each epoch: `steps` of them are an epoch.

    Args:
        batch_size: B; steps: batches in an epoch; device: where they are wanted.
    Yields:
        x: float32 [B, dimensions].
    """

    def __init__(self, mixture: GaussianMixture, batch_size: int, steps: int, device: str | torch.device = "cpu"):
        check_sizes(batch_size=batch_size, steps=steps)
        self.mixture, self.batch_size, self.steps, self.device = mixture, batch_size, steps, device

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.steps):
            yield self.mixture.sample(self.batch_size)[0].to(self.device)


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.01) -> GaussianMixture:
    """Gaussians in a circle (PacGAN's protocol: Lin et al. 2018)."""
    angle = torch.arange(modes) * (2 * torch.pi / modes)
    return GaussianMixture(radius * torch.stack([angle.cos(), angle.sin()], 1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    """Gaussians on a square grid around 0 (PacGAN's protocol: Lin et al. 2018)."""
    axis = (torch.arange(side) - (side - 1) / 2) * spacing
    return GaussianMixture(torch.cartesian_prod(axis, axis), std)
