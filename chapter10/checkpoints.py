"""Where `training.fit` keeps the state of a training: in one file, or in the last few of a folder.

A checkpoint is whole or not there (`files.save_state`): neither `kill -9` in the middle of a write nor a full disk nor a
power cut damages the ones before it.
"""

import math
import os
import re
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from chapter10.errors import CheckpointError, InputError, SaveError
from chapter10.files import check_writable, load_state, remove_leftovers, save_state
from chapter10.language import say

NAME = re.compile(r"step-(\d+)\.safetensors")


class CheckpointWarning(UserWarning):
    """A checkpoint, or what else a training leaves, could not be written or read; it goes on all the same."""


class Stored(NamedTuple):
    """A checkpoint as it was read: the state, and what is written beside it."""

    path: Path
    state: Any
    metadata: dict[str, Any]


class SingleFile:
    """One file, written after each epoch: what `fit(..., checkpoint=PATH)` means. If it can't be written, training ends."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def begin(self) -> None:
        """Raise SaveError where it could not be written; remove what a killed write left."""
        check_writable(self.path)
        remove_leftovers(self.path.parent, re.escape(self.path.name))

    def latest(self) -> Stored | None:
        """What is there, if anything is. Raises CheckpointError."""
        if not os.path.exists(self.path):  # Path.exists raises where a folder can't be entered
            return None
        return Stored(self.path, *load_state(self.path))

    def due(self, step: int, epoch_ends: bool) -> bool:
        """Whether it is time to save, after that step."""
        return epoch_ends

    def save(self, step: int, state: Any, metadata: dict[str, Any], last: bool = False) -> bool:
        """Write it. Raises SaveError."""
        save_state(self.path, state, metadata)
        return True


class Checkpoints:
    """A folder with the last few checkpoints of a training, `step-000001234.safetensors` and so on.

    Where one can't be written, as on a full disk, a warning says so, the last good ones stay, and the next moment tries
    again; only the last of a training must succeed. Each training needs a folder of its own.

    Args:
        folder: made if it isn't there.
        every_steps: write after each so many steps, counted over the whole training.
        every_seconds: write when so many seconds have gone since the last. With neither, after each epoch. In any case
            at the end of the training, and when the process is asked to end.
        keep: how many stay, from 1 up; the oldest goes when the newest is whole.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        keep: int = 3,
    ):
        if every_steps is not None and (not isinstance(every_steps, int) or every_steps < 1):
            raise InputError(
                "every_steps is {every_steps!r}; give a whole number of steps from 1 up.",
                every_steps=every_steps,
            )
        if every_seconds is not None and not 0 < every_seconds < math.inf:  # written so that NaN fails too
            raise InputError(
                "every_seconds is {every_seconds!r}; give a number of seconds above 0.",
                every_seconds=every_seconds,
            )
        if not isinstance(keep, int) or keep < 1:
            raise InputError(
                "keep is {keep!r}; give how many checkpoints are to stay, a whole number from 1 up.",
                keep=keep,
            )
        self.folder, self.keep = Path(folder), keep
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self._since = time.monotonic()  # of the last try to write

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.safetensors"

    def steps(self) -> list[int]:
        """After which steps there are checkpoints, in order. Raises CheckpointError where the folder can't be read."""
        if not os.path.isdir(self.folder):
            return []
        try:
            found = [NAME.fullmatch(name) for name in os.listdir(self.folder)]
        except OSError as error:
            raise CheckpointError(
                "{folder} can't be read ({strerror}). Give yourself the right to read it.",
                folder=self.folder,
                strerror=error.strerror,
            ) from None
        return sorted(int(match[1]) for match in found if match)

    def begin(self) -> None:
        """Raise SaveError where none could be written; remove what a killed write left."""
        check_writable(self.path(0))
        remove_leftovers(self.folder, NAME.pattern)
        self._since = time.monotonic()

    def latest(self) -> Stored | None:
        """The newest that can be read, with a warning if that is not the newest; None where there is none.

        Raises:
            CheckpointError: where there are some and none can be read.
        """
        wrong = []
        for step in reversed(self.steps()):
            try:
                stored = Stored(self.path(step), *load_state(self.path(step)))
            except CheckpointError as error:
                wrong.append(str(error))
                continue
            if wrong:
                warn(say("{wrong} Training goes on from the one before, {path}.", wrong=wrong[0], path=stored.path.name))
            return stored
        if wrong:
            raise CheckpointError(
                "None of the {count} checkpoints in {folder} can be read. Of the newest: {wrong}",
                count=len(wrong),
                folder=self.folder,
                wrong=wrong[0],
            )
        return None

    def due(self, step: int, epoch_ends: bool) -> bool:
        """Whether it is time to save, after that step."""
        if self.every_steps is not None and step % self.every_steps == 0:
            return True
        if self.every_seconds is not None:
            return time.monotonic() - self._since >= self.every_seconds
        return self.every_steps is None and epoch_ends

    def save(self, step: int, state: Any, metadata: dict[str, Any], last: bool = False) -> bool:
        """Write one, and then delete the oldest beyond `keep`.

        Args:
            last: there is no next moment: raise SaveError, where it can't be written, instead of a warning.
        Returns:
            whether it was written.
        """
        self._since = time.monotonic()
        try:
            save_state(self.path(step), state, metadata)
        except SaveError as error:
            there = [s for s in self.steps() if s <= step]
            kept = (
                say("The last good checkpoint is {path}.", path=self.path(there[-1]))
                if there
                else say("There is no checkpoint yet.")
            )
            if last:
                raise SaveError("{error} {kept}", error=error, kept=kept) from None
            warn(say("{error} {kept} Training goes on, and tries again at the next checkpoint.", error=error, kept=kept))
            return False
        # One of a later step is what could not be read when training began: it must not count among the good ones.
        for old in [s for s in self.steps() if s <= step][: -self.keep]:
            with suppress(OSError):  # Windows deletes no file that is open elsewhere; it goes after the next
                self.path(old).unlink(missing_ok=True)
        return True


def keeper(checkpoint: "str | os.PathLike | Checkpoints | None") -> SingleFile | Checkpoints | None:
    """What `fit` was given, as something that keeps checkpoints."""
    if checkpoint is None or isinstance(checkpoint, Checkpoints):
        return checkpoint
    return SingleFile(checkpoint)


def warn(sentence: str) -> None:
    warnings.warn(sentence, CheckpointWarning, stacklevel=2)
