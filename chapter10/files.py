"""Reading and writing: whole or not at all, and never through pickle.

States (weights, optimisers, random states) are stored as safetensors: the tensors as they are, and the
rest of the nesting as JSON in the file's metadata, with a checksum over both. A file is written beside its goal and
moved into place, so an interrupted or failed write leaves what was there before.
"""

import errno
import json
import os
import re
import shutil
import tempfile
import zlib
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from chapter10.errors import CheckpointError, InputError, SaveError
from chapter10.language import say

FORMAT = "chapter10 state 1"


def write_atomic(path: str | os.PathLike, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all. Raises SaveError; an older file stays as it was."""
    path = Path(path)
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes it private to its owner
        os.replace(name, path)
    except OSError as error:
        kept = say("The earlier file there is untouched") if os.path.isfile(path) else say("Nothing was left there")
        raise SaveError(
            "{path} could not be written: {value}. {kept}. It needs {value_2:.1f} MB and the right to write in "
            "that folder{value_3}: free some space or choose another.",
            path=path,
            value=error.strerror or error,
            kept=kept,
            value_2=len(content) / 1000000.0,
            value_3=_free(path.parent),
        ) from None
    finally:
        if name is not None and os.path.exists(name):
            os.unlink(name)
    _sync_folder(path.parent)


def _free(folder: Path) -> str:
    with suppress(OSError):  # where the folder itself could not be made
        return say(", where {free:,.1f} MB are free", free=shutil.disk_usage(folder).free / 1e6)
    return ""


def _sync_folder(folder: Path) -> None:
    """Have the file's new name on the disk too, before a power cut can lose it. Windows opens no folders."""
    if os.name == "nt":
        return
    with suppress(OSError):  # a folder that may not be read, some network file systems: the file itself is whole all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: str | os.PathLike, name: str) -> None:
    """Delete what a killed `write_atomic` left in a folder, of files whose name fits the regular expression `name`."""
    left = re.compile(rf"\.{name}\.[a-z0-9_]{{8}}")  # as mkstemp ends a name
    with suppress(OSError):  # in a folder that may not be read they stay, and do no harm
        for path in Path(folder).iterdir():
            if left.fullmatch(path.name):
                path.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike) -> None:
    """Raise SaveError now, before hours of work, where `path` could not be written later."""
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        if os.path.isdir(path):  # whose place no file can take
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: str | os.PathLike, error: OSError) -> SaveError:
    """What to raise where `path` can't be written, before anything was begun."""
    return SaveError(
        "{path} could not be written: {value}. Nothing was begun. Give a path in a folder where you may write.",
        path=path,
        value=error.strerror or error,
    )


def unreadable(path: str | os.PathLike, error: OSError) -> CheckpointError:
    """What to raise where `path` is there and can't be read."""
    return CheckpointError(
        "{path} can't be read ({strerror}). Give yourself the right to read it and its folder.",
        path=path,
        strerror=error.strerror,
    )


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def save_state(path: str | os.PathLike, state: Any, metadata: dict[str, Any] | None = None) -> None:
    """Store a nesting of dicts, lists, tensors and JSON values. Raises SaveError, InputError."""
    tensors: dict[str, Tensor] = {}
    structure = _split(state, "", tensors)
    header = {
        "format": FORMAT,
        "structure": json.dumps(structure),
        "metadata": json.dumps(metadata or {}),
    }
    write_atomic(path, save(tensors, header | {"crc32": _checksum(header, tensors)}))


def _checksum(header: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """CRC-32 over the description and all tensors: a disk that gives other bytes back than it got is found out."""
    value = zlib.crc32((header["structure"] + header["metadata"]).encode())
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), value)
    return f"{value:08x}"


def load_state(path: str | os.PathLike) -> tuple[Any, dict[str, Any]]:
    """The state and the metadata that `save_state` stored. Raises CheckpointError."""
    path = Path(path)
    try:
        if os.path.isdir(path):
            raise FileNotFoundError
        path.open("rb").close()  # safetensors says of a file that may not be read that it isn't there
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError("There is no file {path}. Check the name, or train anew to make it.", path=path) from None
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # cloned: tensors that stay mapped onto the file change with it, and keep Windows from replacing it
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            "{path} ({st_size:,} bytes) can't be read as safetensors ({error}): it was cut off, or is another kind "
            "of file. Delete it and train anew, or fetch it again.",
            path=path,
            st_size=path.stat().st_size,
            error=error,
        ) from None
    if header.get("format") != FORMAT:
        raise CheckpointError(
            "{path} is a safetensors file, but not one that chapter10 wrote (its format is {value!r}, expected "
            "{FORMAT!r}). Give the path of a checkpoint of this package.",
            path=path,
            value=header.get("format") or say("not named"),
            FORMAT=FORMAT,
        )
    try:
        if header.get("crc32", checksum := _checksum(header, tensors)) != checksum:  # files of before have none
            raise ValueError(say("the checksum differs"))
        return _join(json.loads(header["structure"]), tensors), json.loads(header["metadata"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            "{path} is damaged: its description doesn't fit its tensors ({kind}: {error}). Delete it and train "
            "anew, or fetch it again.",
            path=path,
            kind=type(error).__name__,
            error=error,
        ) from None


def _split(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON of the nesting; each tensor is put aside under its dotted name."""
    if isinstance(value, Tensor):
        while name in tensors:  # {"a": {"b": …}, "a.b": …} would give two tensors one name
            name += "'"
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):  # as pairs, for JSON would make strings of integer keys
        return {"dict": [[key, _split(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_split(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise InputError(
        "A {kind} (at {name!r}) can't be stored; give tensors, numbers, strings or their nestings.",
        kind=type(value).__name__,
        name=name,
    )


def _join(node: dict, tensors: dict[str, Tensor]) -> Any:
    [(kind, content)] = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _join(item, tensors) for key, item in content}
    if kind == "value":
        return content
    items = [_join(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def load_into(target: Any, state: dict[str, Any], path: str | os.PathLike) -> None:
    """`target.load_state_dict(state)`, or a CheckpointError that names the first thing that does not fit.

    The target is left as it was when the state does not fit.
    """
    before = deepcopy(target.state_dict())
    reason = _first_difference(before, state)
    if not reason:
        try:
            target.load_state_dict(state)
            return
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:  # an optimiser of other groups
            target.load_state_dict(before)
            reason = " ".join(str(error).split())
    raise CheckpointError(
        "{path} is of another model: {reason}. Build the model with the settings it was trained with, or give "
        "another path.",
        path=path,
        reason=reason,
    )


def _first_difference(expected: Any, found: Any, name: str = "") -> str | None:
    """The first tensor that is missing, left over or of another shape, in words; None where all fit.

    Only the parameters and buffers are compared: an optimiser's state is empty before its first step.
    """
    if isinstance(expected, Tensor):
        if not isinstance(found, Tensor):
            return say("'{name}' should be a tensor, the file has {kind}", name=name, kind=type(found).__name__)
        if expected.shape != found.shape:
            shapes = {"found": tuple(found.shape), "expected": tuple(expected.shape)}
            return say("'{name}' is {found} in the file and {expected} in this model", name=name, **shapes)
        return None
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return say(
                "'{name}' should be a dict of tensors, the file has {kind}", name=name or say("the state"), kind=type(found).__name__
            )
        if {"state", "param_groups"} <= expected.keys():  # an optimiser, whatever its name
            return None
        for key in expected:
            if key not in found:
                return say("the file lacks '{name}'", name=f"{name}.{key}".lstrip("."))
            reason = _first_difference(expected[key], found[key], f"{name}.{key}".lstrip("."))
            if reason:
                return reason
        extra = [key for key in found if key not in expected]
        if extra:
            return say("the file has '{name}', which this model lacks", name=f"{name}.{extra[0]}".lstrip("."))
    return None


def random_state() -> dict[str, Tensor]:
    """torch's random state, on the CPU, on each CUDA device and on Apple's."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state |= {f"cuda{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    for i in range(torch.cuda.device_count()):
        if f"cuda{i}" in state:
            torch.cuda.set_rng_state(state[f"cuda{i}"], i)
    if torch.backends.mps.is_available() and "mps" in state:
        torch.mps.set_rng_state(state["mps"])
