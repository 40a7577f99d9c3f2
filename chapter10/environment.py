"""`setup()`: the first line of each notebook, the same on a laptop, Binder, Colab and JupyterHub."""

import os
import re
import sys
from dataclasses import dataclass

import numpy as np
import torch

from chapter10.errors import InputError
from chapter10.language import choose, noted, say, say_of

SCALES = {
    "smoke": noted("seconds, to try the page; claims about training are shown, not judged"),
    "quick": noted("a minute a notebook on two cores"),
    "full": noted("as in the papers, longer"),
}


@dataclass(frozen=True)
class Environment:
    """What `setup()` found and chose."""

    seed: int
    scale: str  # "smoke", "quick" or "full"
    device: torch.device
    threads: int
    where: str

    @property
    def judged(self) -> bool:
        """Whether claims about training are judged: not at the smoke scale, where nothing is trained to its end."""
        return self.scale != "smoke"

    def pick(self, *, smoke, quick, full=None):
        """The setting for the scale in force; `full` is as `quick` where it is not given."""
        return {"smoke": smoke, "quick": quick, "full": quick if full is None else full}[self.scale]


def setup(
    seed: int = 0,
    scale: str | None = None,
    threads: int | None = None,
    device: str | None = None,
    language: str | None = None,
) -> Environment:
    """Seed torch, choose device, threads and scale, and say so in two lines.

    Args:
        seed: of torch's random numbers, 0 or more.
        scale: "smoke", "quick" or "full"; else the variable CHAPTER10_SCALE; else "quick".
        threads: processor threads; else as many as this process may use.
        device: such as "cpu" or "cuda"; else the variable CHAPTER10_DEVICE; else "cpu", which is quicker than a
            GPU's launches for networks of the notebooks' size.
        language: "en" or "zh", in which the package and the notebook's cells speak; else the variable CHAPTER10_LANGUAGE.
    Raises:
        InputError: for a scale, a number of threads, a seed, a device or a language that doesn't exist.
    """
    choose(language)
    scale = scale or os.environ.get("CHAPTER10_SCALE") or "quick"
    if scale not in SCALES:
        raise InputError(
            "The scale {scale!r} is not known. Choose one of: {choices} (CHAPTER10_SCALE sets it too).",
            scale=scale,
            choices=', '.join(SCALES),
        )
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError("The seed is {seed!r}; give a whole number from 0 up, below 2**63.", seed=seed)
    threads = usable_cores() if threads is None else threads
    if not isinstance(threads, int) or threads < 1:
        raise InputError("{threads!r} threads can't be used; give a whole number from 1 up.", threads=threads)
    chosen = check_device(device or os.environ.get("CHAPTER10_DEVICE") or "cpu")
    torch.set_num_threads(threads)
    for kind in (np.float16, np.float32, np.float64):
        np.finfo(kind)  # numpy 1 looks at the smallest numbers once, and warns if they are flushed by then
    # Adam's means of gradients that have become 0 shrink towards 1e-38; arithmetic on such numbers is many times slower.
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    _explain_missing_names()
    environment = Environment(seed, scale, chosen, threads, _where())
    versions = f"Python {sys.version.split()[0]}, torch {torch.__version__.split('+')[0]}, {chosen}"
    cores = say_of(threads, "{count} thread", "{count} threads")
    print(say("chapter10 on {where}: {versions}, {cores}.", where=environment.where, versions=versions, cores=cores))
    print(say("Scale '{scale}' ({words}); seed {seed}.", scale=scale, words=say(SCALES[scale]), seed=seed))
    return environment


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the limit that a hub or a container sets."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        cores = os.cpu_count() or 1
    limits = [os.environ.get("CPU_LIMIT"), os.environ.get("OMP_NUM_THREADS")]  # the first: JupyterHub and Binder
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:  # "200000 100000" or "max 100000"
            quota, period = file.read().split()
        limits.append(str(float(quota) / float(period)) if quota != "max" else None)
    except (OSError, ValueError):
        limits.append(None)  # no such control group here
    for limit in limits:
        try:
            cores = min(cores, max(1, int(float(limit)))) if limit else cores
        except (ValueError, OverflowError):
            continue  # a limit that is no number says nothing
    return cores


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel, or an IPython shell."""
    ipython = sys.modules.get("IPython")  # where it was never imported, there is no shell of it
    return ipython is not None and ipython.get_ipython() is not None


def _explain_missing_names() -> None:
    """In a notebook: a name that an earlier cell would have made is reported as that, without a traceback."""
    if not in_notebook():
        return
    from IPython import get_ipython

    def explain(shell, kind, error, trace, tb_offset=None):
        while trace.tb_next:
            trace = trace.tb_next
        if trace.tb_frame.f_code.co_name != "<module>":  # inside a function, the reader needs to see which line
            return shell.showtraceback(tb_offset=tb_offset)
        advice = say("If an earlier cell makes it, run that one first: Run, Run All Above Selected Cell.")
        lines = [f"NameError: {error}. {advice}"]
        shell._showtraceback(kind, error, lines)
        return lines

    get_ipython().set_custom_exc((NameError,), explain)


def check_device(name: str) -> torch.device:
    """The device of that name. Raises InputError, with what was found in its place, where it can't be used."""
    try:
        device = torch.device(name)
        torch.ones(1, device=device).sum().item()  # "meta" has tensors, and no numbers in them
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = _why_no_cuda() if name.split(":")[0] == "cuda" else None
        raise InputError(
            "The device {name!r} can't be used here ({value}). Found: {choices}. Try 'cpu', or one of these.",
            name=name,
            value=reason or re.split(r"\.?\s*\n|\. ", str(error))[0],  # what follows are pages of torch's own
            choices=', '.join(_devices()),
        ) from None
    return device


def _why_no_cuda() -> str | None:
    """What is missing to compute on an NVIDIA GPU; None where nothing is."""
    if torch.version.cuda is None:
        return say("this PyTorch was built without CUDA: pytorch.org says how to install one that has it")
    if not torch.cuda.is_available():
        return say(
            "PyTorch, built for CUDA {version}, finds no NVIDIA GPU with a driver: `nvidia-smi` says what there is",
            version=torch.version.cuda,
        )
    return None


def _devices() -> list[str]:
    """What there is to compute on."""
    found = ["'cpu'"] + [f"'cuda:{i}' ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return found + [say("'mps' (Apple's GPU)")] * torch.backends.mps.is_available()


def _where() -> str:
    if "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules:
        return "Colab"
    if "BINDER_SERVICE_HOST" in os.environ or "BINDER_LAUNCH_HOST" in os.environ:
        return "Binder"
    if "JUPYTERHUB_USER" in os.environ:
        return "JupyterHub"
    return {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, "Linux")
