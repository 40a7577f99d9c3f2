"""Errors that a reader sees: one sentence with what was wrong, what was expected and what to do.

In a notebook such an error renders as that sentence alone, without the frames in between; code that
catches it, and `python -m chapter10`, get an ordinary exception.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from chapter10.language import say


class Chapter10Error(Exception):
    """Base of all errors that this package raises on purpose.

    Args:
        message: an English sentence, with named places for values: "beta is {beta}; give a number from 0 up."; it is said
            in the reader's language (`language.say`).
        values: what stands in the places.
    """

    def __init__(self, message: str = "", /, **values: Any):
        super().__init__(say(message, **values))
        self.english = message.format(**values) if values else message  # the same in every language, to be compared

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting the stack.
        return [f"{type(self).__name__}: {self}"]


class InputError(Chapter10Error, ValueError):
    """An argument has the wrong shape, range, type or size."""


class NoAnswer(InputError):
    """Code that should have made an answer doesn't define it."""


class DataError(Chapter10Error):
    """A data set is missing, unreadable, incomplete or not what its name says."""


class SaveError(Chapter10Error, OSError):
    """Something could not be written; what was there before is untouched."""


class CheckpointError(Chapter10Error):
    """A stored state is damaged, of another model, or not one of ours."""


class TrainingError(Chapter10Error):
    """Training cannot go on."""


class ParallelError(Chapter10Error):
    """The processes that train a model together are not alike, or one of them was lost."""


class ClaimFailed(Chapter10Error, AssertionError):
    """A measurement contradicts the statement that a notebook makes."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question that names those most like `name`, with a space before it; empty where none is."""
    near = [repr(other) for other in get_close_matches(name, list(names), n=3)]
    return say(" Did you mean {near}?", near=say(" or ").join(near)) if near else ""
