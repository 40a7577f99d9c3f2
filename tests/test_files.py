"""chapter10.files: what is stored comes back as it was; what is damaged, foreign or hostile is told in a sentence."""

import errno
import math
import os
import pickle
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from somebody import as_somebody, open_folder

from chapter10 import files
from chapter10.checkpoints import Checkpoints
from chapter10.errors import CheckpointError, InputError, SaveError
from chapter10.files import load_into, load_state, save_state, write_atomic
from chapter10.vae import VAE, VAETraining

ROOT = Path(files.__file__).parents[1]
not_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits and permissions")


def same(a, b) -> bool:
    """Equal in type, nesting and bits, NaN like NaN."""
    if isinstance(a, dict) and isinstance(b, dict):  # a model's is of a kind of its own
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        kind = a.dtype == b.dtype and a.shape == b.shape
        return (
            kind and a.contiguous().numpy(force=True).tobytes() == b.contiguous().numpy(force=True).tobytes()
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


# Round trips


NESTED = {
    "tensors": [
        torch.randn(2, 3),
        torch.arange(5),
        torch.zeros(0, 4),
        torch.tensor(3.5),
        torch.tensor([True, False]),
    ],
    "bytes": torch.arange(256, dtype=torch.uint8),
    "special": torch.tensor([math.nan, math.inf, -math.inf, -0.0, 1e-45]),
    "double": torch.tensor([math.pi], dtype=torch.float64),
    "half": torch.randn(3).half(),
    "transposed": torch.randn(2, 3).T,
    0: {1: (1, 2.5, None, "ü — ∞"), -7: [], "empty": {}, "none": ()},
    "floats": [math.nan, math.inf, -math.inf, 0.1 + 0.2, 1e-320, -0.0],
    "big": 2**70,
    "truth": [True, False, 1, 0],
    "a": {"b": torch.tensor([1.0])},
    "a.b": torch.tensor([2.0]),  # the same dotted name
}


def test_every_nesting_comes_back_as_it_was(tmp_path):
    save_state(tmp_path / "state", NESTED, {"seed": 3, "scores": {"elbo": -98.5}})
    state, metadata = load_state(tmp_path / "state")
    assert same(state, NESTED)
    assert metadata == {"seed": 3, "scores": {"elbo": -98.5}}


@pytest.mark.parametrize("state", [{}, [], None, 3, "text", (), torch.tensor(1)])
def test_small_states(tmp_path, state):
    save_state(tmp_path / "state", state)
    assert same(load_state(tmp_path / "state"), (state, {}))


def test_half_precision_of_both_kinds(tmp_path):
    state = {"bf16": torch.randn(7).bfloat16(), "view": torch.randn(9)[::2]}
    save_state(tmp_path / "state", state)
    found, _ = load_state(tmp_path / "state")
    assert found["bf16"].dtype == torch.bfloat16 and torch.equal(found["bf16"], state["bf16"])
    assert torch.equal(found["view"], state["view"])


def test_an_optimiser_s_state_comes_back(tmp_path):
    torch.manual_seed(0)
    method = VAETraining(VAE(6, 2, 4))
    method.step(torch.rand(3, 6).round())
    save_state(tmp_path / "state", method.state_dict())
    state, _ = load_state(tmp_path / "state")
    assert same(state, method.state_dict()) and 0 in state["optimizer"]["state"]
    other = VAETraining(VAE(6, 2, 4))
    load_into(other, state, tmp_path / "state")
    x = torch.rand(3, 6).round()
    for each in (method, other):
        torch.manual_seed(1)
        each.step(x)
    assert same(method.state_dict(), other.state_dict())


def test_two_names_of_one_tensor_are_stored_as_two(tmp_path):
    shared = torch.randn(3)
    save_state(tmp_path / "state", {"a": shared, "b": shared})
    assert same(load_state(tmp_path / "state")[0], {"a": shared, "b": shared})


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", print, 1j])
def test_what_can_t_be_stored_is_named_and_nothing_is_written(tmp_path, value):
    with pytest.raises(InputError, match=rf"A {type(value).__name__} \(at '\.model\.0'\) can't be stored"):
        save_state(tmp_path / "state", {"model": [value]})
    assert list(tmp_path.iterdir()) == []


# Damaged and foreign files


@pytest.fixture
def stored(tmp_path) -> Path:
    path = tmp_path / "stored.safetensors"
    save_state(path, VAE(6, 2, 4).state_dict(), {"plan": 1})
    return path


def test_a_file_cut_off_anywhere_is_told(stored):
    whole = stored.read_bytes()
    for length in [*range(0, 40), *range(40, len(whole), 97), len(whole) - 1]:
        stored.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=rf"\({length:,} bytes\) can't be read.*cut off") as caught:
            load_state(stored)
        assert str(stored) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_header_is_told_and_never_anything_else(stored):
    whole = stored.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    before = load_state(stored)
    for place in range(0, 8 + size, 11):
        stored.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            load_into(VAE(6, 2, 4), load_state(stored)[0], stored)
        except CheckpointError as error:
            assert str(stored) in str(error)
    stored.write_bytes(whole)
    assert same(before, load_state(stored))


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_another_program_s_safetensors_are_told(tmp_path, metadata):
    save_file({"weight": torch.zeros(2)}, tmp_path / "theirs", metadata)
    with pytest.raises(CheckpointError, match="not one that chapter10 wrote.*expected 'chapter10 state 1'"):
        load_state(tmp_path / "theirs")


@pytest.mark.parametrize(
    "structure",
    ["", "[1", "null", "{}", '{"tensor": "absent"}', '{"dict": 3}', '{"list": [1]}', '{"value": 1, "list": []}',
     '{"dict": [[[], {"value": 1}]]}', '{"list":[' * 3000],
)  # fmt: skip
def test_descriptions_that_don_t_fit_are_told(tmp_path, structure):
    header = {"format": files.FORMAT, "structure": structure, "metadata": "{}"}
    (tmp_path / "state").write_bytes(save({"weight": torch.zeros(2)}, header))
    with pytest.raises(CheckpointError, match="is damaged: its description"):
        load_state(tmp_path / "state")


class Trap:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")  # who unpickles this makes a file


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_pickles_are_never_run(tmp_path, kind):
    path, sprung = tmp_path / "model.pt", tmp_path / "sprung"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    elif kind == "torch":
        torch.save({"weight": torch.zeros(2), "trap": Trap(sprung)}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Trap(sprung)))
    with pytest.raises(CheckpointError, match="another kind of file"):
        load_state(path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung))).close()  # the trap itself works
    assert sprung.exists()


def test_no_file_or_a_folder(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(CheckpointError, match="There is no file"):
            load_state(path)


@pytest.mark.parametrize(
    "other, message",
    [
        (VAE(6, 3, 4), r"is \(\d+(, 4)?\) in the file and \(\d+(, 4)?\) in this model"),
        (VAE(8, 2, 4), r"is \(.*\) in the file and \(.*\) in this model"),
        (torch.nn.Linear(6, 2), "the file lacks|the file has"),
    ],
)
def test_another_model_s_state_is_named_and_the_target_left_alone(stored, other, message):
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"is of another model: .*({message})"):
        load_into(other, load_state(stored)[0], stored)
    assert same(before, other.state_dict())


@pytest.mark.parametrize("state", [None, [], "text", {}, {"encoder": 3}, {"more": {}}])
def test_what_is_no_state_of_a_model_is_told(state):
    model = VAE(6, 2, 4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="given.pt is of another model: "):
        load_into(model, state, "given.pt")
    assert same(before, model.state_dict())


def test_a_state_that_fits_in_part_leaves_the_target_alone():
    torch.manual_seed(0)
    method, other = VAETraining(VAE(6, 2, 4)), VAETraining(VAE(6, 2, 4))
    before = {key: value.clone() for key, value in method.model.state_dict().items()}
    state = other.state_dict()  # the model's part fits, and comes first
    state["optimizer"] = {**state["optimizer"], "param_groups": []}
    with pytest.raises(CheckpointError, match="given.pt is of another model: .*param"):
        load_into(method, state, "given.pt")
    assert same(before, method.model.state_dict())


# Writing whole or not at all


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    for content in (b"first", b"second, longer", b""):
        write_atomic(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@not_windows
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_new_file_is_as_readable_as_any_other(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "file", b"x")
    finally:
        assert os.umask(before) == umask
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


FULL = """
import resource, signal, sys
from chapter10.files import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for path in sys.argv[1:]:
    try:
        write_atomic(path, b"x" * 1_000_000)
    except Exception as error:
        print(type(error).__name__, error)
"""


@not_windows
def test_a_write_that_fails_half_way_keeps_what_was_there(tmp_path):
    earlier, new = tmp_path / "earlier", tmp_path / "new"
    earlier.write_bytes(b"whole")
    command = [sys.executable, "-c", FULL, str(earlier), str(new)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    first, second = ended.stdout.splitlines()
    told = "SaveError {} could not be written: File too large. {}. It needs 1.0 MB and the right"
    assert first.startswith(told.format(earlier, "The earlier file there is untouched"))
    assert re.search(r"write in that folder, where [\d,]+\.\d MB are free: free some space", first)
    assert second.startswith(told.format(new, "Nothing was left there"))
    assert list(tmp_path.iterdir()) == [earlier] and earlier.read_bytes() == b"whole"


def test_a_full_disk(stored, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = stored.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        SaveError, match="No space left on device. The earlier file there is untouched.*free some space"
    ):
        save_state(stored, {"new": torch.ones(3)})
    assert [p.read_bytes() for p in stored.parent.iterdir()] == [before]


def test_a_file_that_can_t_be_replaced(stored, monkeypatch):
    def refuse(*_):  # as Windows does where another program has it open
        raise PermissionError(errno.EACCES, "Access is denied")

    before = stored.read_bytes()
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(SaveError, match="Access is denied. The earlier file there is untouched"):
        save_state(stored, {"new": torch.ones(3)})
    assert [p.read_bytes() for p in stored.parent.iterdir()] == [before]


def test_a_stop_by_hand_while_saving_keeps_what_was_there(stored, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    before = stored.read_bytes()
    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        save_state(stored, {"new": torch.ones(3)})
    assert [p.read_bytes() for p in stored.parent.iterdir()] == [before]


def test_a_folder_or_a_file_in_the_way(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "folder", tmp_path / "file" / "below"):
        with pytest.raises(SaveError, match="could not be written.*Nothing was left there"):
            write_atomic(path, b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


@not_windows
def test_a_folder_that_may_not_be_written():
    with open_folder() as folder:
        path = folder / "file"
        path.write_bytes(b"whole")
        folder.chmod(0o555)
        told = as_somebody(lambda: write_atomic(path, b"new"))
        assert told.startswith(f"SaveError: {path} could not be written: Permission denied. The earlier file")
        assert "the right to write in that folder" in told and path.read_bytes() == b"whole"
        assert "Permission denied" in as_somebody(lambda: write_atomic(folder / "below" / "file", b"new"))
        folder.chmod(0)
        told = as_somebody(lambda: write_atomic(path, b"new"))
        assert told.startswith("SaveError") and "Permission denied" in told
        told = as_somebody(lambda: load_state(path))
        refused = f"CheckpointError: {path} can't be read (Permission denied). Give yourself the right"
        assert told.startswith(refused)
        folder.chmod(0o755)
        path.chmod(0)
        assert as_somebody(lambda: load_state(path)).startswith(refused)


@not_windows
def test_a_folder_that_may_be_written_but_not_read():
    with open_folder() as folder:
        folder.chmod(0o333)
        assert as_somebody(lambda: write_atomic(folder / "file", b"whole")) == ""
        folder.chmod(0o755)
        assert (folder / "file").read_bytes() == b"whole" and len(list(folder.iterdir())) == 1
        folder.chmod(0o333)
        assert as_somebody(lambda: files.remove_leftovers(folder, "file")) == ""
        assert "can't be read (Permission denied)" in as_somebody(lambda: Checkpoints(folder).latest())


@not_windows
def test_the_file_and_then_its_name_reach_the_disk(tmp_path, monkeypatch):
    synced, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: synced.append(stat.S_IFMT(os.fstat(d).st_mode)) or fsync(d))
    monkeypatch.setattr(os, "replace", lambda *paths: synced.append("named") or replace(*paths))
    write_atomic(tmp_path / "file", b"whole")
    assert synced == [stat.S_IFREG, "named", stat.S_IFDIR]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SaveError, match="Nothing was begun"):
        files.check_writable(tmp_path / "file" / "weights.safetensors")
    with pytest.raises(SaveError, match="Nothing was begun"):
        files.check_writable(tmp_path)  # a folder, whose place no file can take
    files.check_writable(tmp_path / "new" / "weights.safetensors")
    assert list((tmp_path / "new").iterdir()) == []
