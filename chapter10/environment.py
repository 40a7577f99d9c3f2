"""`setup()`: the first line of each notebook, the same on a laptop, Binder, Colab and JupyterHub."""

import os
import sys
from dataclasses import dataclass

import numpy as np
import torch

from chapter10.errors import InputError

SCALES = {
    "smoke": "seconds, to try the page; claims about training are shown, not judged",
    "quick": "a minute a notebook on two cores",
    "full": "as in the papers, longer",
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
    seed: int = 0, scale: str | None = None, threads: int | None = None, device: str | None = None
) -> Environment:
    """Seed torch, choose device, threads and scale, and say so in two lines.

    Args:
        seed: of torch's random numbers, 0 or more.
        scale: "smoke", "quick" or "full"; else the variable CHAPTER10_SCALE; else "quick".
        threads: processor threads; else as many as this process may use.
        device: such as "cpu" or "cuda"; else the variable CHAPTER10_DEVICE; else "cpu", which is quicker than a
            GPU's launches for networks of the notebooks' size.
    Raises:
        InputError: for a scale, a number of threads, a seed or a device that doesn't exist.
    """
    scale = scale or os.environ.get("CHAPTER10_SCALE") or "quick"
    if scale not in SCALES:
        raise InputError(f"The scale {scale!r} is not known. Choose one of: {', '.join(SCALES)} (CHAPTER10_SCALE sets it too).")
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"The seed is {seed!r}; give a whole number from 0 up, below 2**63.")
    threads = usable_cores() if threads is None else threads
    if not isinstance(threads, int) or threads < 1:
        raise InputError(f"{threads!r} threads can't be used; give a whole number from 1 up.")
    chosen = _device(device or os.environ.get("CHAPTER10_DEVICE") or "cpu")
    torch.set_num_threads(threads)
    for kind in (np.float16, np.float32, np.float64):
        np.finfo(kind)  # numpy 1 looks at the smallest numbers once, and warns if they are flushed by then
    # Adam's means of gradients that have become 0 shrink towards 1e-38; arithmetic on such numbers is many times slower.
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    _explain_missing_names()
    environment = Environment(seed, scale, chosen, threads, _where())
    print(
        f"chapter10 on {environment.where}: Python {sys.version.split()[0]}, torch {torch.__version__.split('+')[0]}, "
        f"{chosen}, {threads} thread{'s' if threads > 1 else ''}."
    )
    print(f"Scale '{scale}' ({SCALES[scale]}); seed {seed}.")
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
        lines = [f"NameError: {error}. If an earlier cell makes it, run that one first: Run, Run All Above Selected Cell."]
        shell._showtraceback(kind, error, lines)
        return lines

    get_ipython().set_custom_exc((NameError,), explain)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"The device {name!r} can't be used here ({str(error).splitlines()[0]}). Try 'cpu'.") from None
    return device


def _where() -> str:
    if "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules:
        return "Colab"
    if "BINDER_SERVICE_HOST" in os.environ or "BINDER_LAUNCH_HOST" in os.environ:
        return "Binder"
    if "JUPYTERHUB_USER" in os.environ:
        return "JupyterHub"
    return {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, "Linux")
