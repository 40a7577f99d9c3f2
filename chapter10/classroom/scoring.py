"""What the check cells of a graded notebook call: a verdict for the reader, points for nbgrader."""

import os
import sys
from dataclasses import dataclass
from typing import Any

from chapter10.exercises import check
from chapter10.exercises.judging import Verdict


@dataclass(frozen=True)
class Missed:
    """A verdict that gives no point: in a notebook its box, and as text the number that nbgrader reads."""

    verdict: Verdict

    def __repr__(self) -> str:
        return "0"

    def _repr_html_(self) -> str:
        return self.verdict._repr_html_()


def score(task: str, *answers: Any) -> Missed | None:
    """Check an answer in a notebook that nbgrader grades.

    nbgrader gives a cell all its points where it ends without an error and without a value, so a right answer shows its
    verdict and returns None, however many points the teacher has set; any other returns what reads as 0. No exception is
    raised, so that *Run All* goes on to the next exercise.

    Args:
        task: its name, such as "02-kl".
        answers: what the task asks for, in the stub's order.
    Raises:
        InputError: for a task that doesn't exist, or another number of answers.
    """
    verdict = check(task, *answers)
    if verdict.passed:
        from IPython.display import display

        display(verdict)
        return None
    if os.environ.get("NBGRADER_EXECUTION") == "validate":  # nbgrader's Validate button shows what stands there, and no box
        print(repr(verdict), file=sys.stderr)
    return Missed(verdict)
