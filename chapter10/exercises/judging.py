"""Is an answer right, has it made a known mistake, or else: which property failed, on which input?"""

import html
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from chapter10.claims import EDGES, box_style, number
from chapter10.errors import Chapter10Error, InputError
from chapter10.exercises import sandbox
from chapter10.exercises.look import Look, Seen
from chapter10.exercises.task import Task, load

COLOURS = {"right": EDGES["green"], "unanswered": EDGES["grey"]}
SHOWN = 5  # printed lines
WORDS = {"right": "Right", "unanswered": "Not yet begun"}


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    `kind` is "right", "unanswered", "mistake" (a known one, `mistake` its name), "near" (a property failed), "stopped" (an
    exception), "late" (the time limit) or "changed" (right, but an argument was written over).
    """

    task: str
    kind: str
    text: str
    section: str
    mistake: str = ""
    notes: tuple[str, ...] = ()  # what else was seen: prints, a record that could not be kept
    points: int = 0

    @property
    def passed(self) -> bool:
        return self.kind == "right"

    @property
    def word(self) -> str:
        return WORDS.get(self.kind, "Not yet")

    def __repr__(self) -> str:
        return " ".join([f"[{self.word}] {self.text}", f"Section {self.section}.", *self.notes])

    def _repr_html_(self) -> str:
        mark, colour = {"right": "✓", "unanswered": "…"}.get(self.kind, "→"), COLOURS.get(self.kind, EDGES["brown"])
        notes = "".join(f'<div style="margin-top:4px">{html.escape(note)}</div>' for note in self.notes)
        return (
            f'<div role="note" aria-label="Exercise {self.task}: {self.word.lower()}" style="{box_style(colour)};'
            f'white-space:pre-line"><strong>{mark} {self.word}.</strong> {html.escape(self.text)} '
            f"Section {html.escape(self.section)}.{notes}</div>"
        )


@dataclass(frozen=True)
class Sight:
    """All that was seen of an answer: the looks at the situations, up to where it stopped."""

    looks: tuple[Look, ...]
    error: BaseException | None = None

    def same(self, other: "Sight", judged_only: bool = False) -> bool:
        """Whether nothing tells the two apart; with `judged_only`, nothing that counts."""
        return self.first_difference(other, judged_only) is None and _same_error(self.error, other.error)

    def first_difference(self, other: "Sight", judged_only: bool = True) -> tuple[str, Seen | None, Seen] | None:
        """(name, found, expected) of the first observation in which this differs from `other`."""
        for index, expected in enumerate(other.looks):
            found = self.looks[index].seen if index < len(self.looks) else {}
            for name, right in expected.seen.items():
                if judged_only and not right.judged:
                    continue
                if name not in found or not found[name].same(right):
                    return name, found.get(name), right
            extra = [name for name in found if name not in expected.seen]
            if extra and not judged_only:
                return extra[0], found[extra[0]], found[extra[0]]
        return None

    @property
    def changed(self) -> list[str]:
        return list(dict.fromkeys(name for look in self.looks for name in look.changed))


def _same_error(one: BaseException | None, other: BaseException | None) -> bool:
    if one is None or other is None:
        return one is other
    return type(one) is type(other) and str(one)[:60] == str(other)[:60]


def _see(task: Task, answers: list[Any]) -> Sight:
    looks: list[Look] = []
    for situation in range(task.situations):
        try:
            looks.append(task.look(answers, situation))
        except Exception as error:
            looks.append(error.look)
            error.sight = Sight(tuple(looks), error)
            raise
    return Sight(tuple(looks))


def see(task: Task, answers: list[Any], seconds: float | None = None) -> tuple[Sight, sandbox.Outcome]:
    """What is seen of answers in the task's situations, and how the run went."""
    outcome = sandbox.run(lambda: _see(task, answers), task.seconds if seconds is None else seconds)
    if outcome.error is None:
        return outcome.value, outcome
    return getattr(outcome.error, "sight", Sight((), outcome.error)), outcome


@cache
def sight_of(task: Task, code: str) -> Sight:
    """What is seen of some code of the task's own: solution, stub, a mistake."""
    try:
        answers = task.run(code)
    except InputError:
        raise
    except Exception as error:  # a stub or a mistake may stop where it is defined
        return Sight((), error)
    sight, outcome = see(task, answers, 6 * task.seconds)
    if outcome.late:
        raise InputError(f"Task {task.name}: its own code takes longer than six times its limit of {task.seconds:g} s.")
    return sight


def judge(task: Task | str, *answers: Any, seconds: float | None = None) -> Verdict:
    """The verdict on an answer.

    Args:
        task: or its name.
        answers: as many as the task asks for, in its order.
        seconds: the time limit; else the task's own.
    Raises:
        InputError: for a task that doesn't exist, or another number of answers. What is wrong with the answers themselves
            comes as the verdict.
    """
    task = load(task) if isinstance(task, str) else task
    if len(answers) != len(task.answers):
        named = ", ".join(task.answers)
        raise InputError(f"Task {task.name} takes {len(task.answers)} answer{'s' * (len(task.answers) > 1)}: "
                         f'check("{task.name}", {named}). Found {len(answers)}.')  # fmt: skip
    sight, outcome = see(task, list(answers), seconds)
    notes = _notes(outcome)

    def verdict(kind: str, text: str, section: str = "", mistake: str = "") -> Verdict:
        points = task.points if kind == "right" else 0
        return Verdict(task.name, kind, text, section or task.section, mistake, notes, points)

    if all(answer is None for answer in answers):
        return verdict("unanswered", task.unanswered)
    if outcome.late:
        return verdict("late", _late(outcome))
    if sight.same(sight_of(task, task.stub)) and not _forgot_to_return(task, sight, answers):
        # first, for a solution may take seconds, and notebooks run with their stubs
        return verdict("unanswered", task.unanswered)
    truth = sight_of(task, task.solution)
    if sight.same(truth, judged_only=True):
        if sight.changed and not truth.changed:
            return verdict("changed", f"The values are right, but your code writes over its argument {_listed(sight.changed)}: "
                           "whoever calls it loses what was there. Work on a copy, or without the underscore.")  # fmt: skip
        return verdict("right", task.right or "Nothing that was tried tells your answer from the solution.")
    for other in task.also:
        if sight.same(sight_of(task, other.code)):
            return verdict("right", other.says, other.section)
    for mistake in task.mistakes:
        if sight.same(sight_of(task, mistake.code)):
            return verdict("mistake", filled(mistake.says, sight, truth), mistake.section, mistake.name)
    if outcome.error is not None:
        return verdict("stopped", _stopped(outcome, answers))
    over = f" And your code writes over its argument {_listed(sight.changed)}." if set(sight.changed) - set(truth.changed) else ""
    name, found, expected = _difference(sight, truth)
    empty = [answer_name for answer_name, answer in zip(task.answers, answers) if answer is None]
    if empty and found is not None and found.value is None and found.note.startswith("None"):
        return verdict("near", f"{_listed(empty)} {'is' if len(empty) == 1 else 'are'} still None.")
    return verdict("near", nearest(name, found, expected) + over)


def _forgot_to_return(task: Task, sight: Sight, answers: tuple[Any, ...]) -> bool:
    """Whether a None was seen though one of the answers is other code than the stub's: then there was a try."""
    if not any(seen.note == "None" for look in sight.looks for seen in look.seen.values()):
        return False
    codes = [[getattr(answer, "__code__", None) for answer in pair] for pair in zip(answers, task.run(task.stub))]
    return any(a and b and (a.co_code, a.co_names) != (b.co_code, b.co_names) for a, b in codes)


def _difference(sight: Sight, truth: Sight) -> tuple[str, Seen | None, Seen]:
    difference = sight.first_difference(truth)
    if difference is None:  # the solution itself stops, where this doesn't
        raise InputError("The task's own solution stops: this is a fault of the task, not of your answer. Please report it.")
    if difference[1] is None:  # it ended early: at something that the solution doesn't have, if the look says what
        for look, right in zip(sight.looks, truth.looks):
            for name, seen in look.seen.items():
                wanted = right.seen.get(name, difference[2])
                if seen.value is None and (name not in right.seen or wanted.value is not None):
                    return name, seen, wanted
    return difference


def filled(says: str, sight: Sight, truth: Sight) -> str:
    """A mistake's sentence with the numbers that were seen."""
    if "{" not in says:
        return says
    name, found, expected = _difference(sight, truth)
    values = {"name": name, "found": "nothing", "expected": "nothing", "ratio": math.nan, "inverse": math.nan}
    if expected.value is not None:
        values["expected"] = _short(expected.value)
    if found is not None and found.value is not None:
        values["found"] = _short(found.value)
        if expected.value is not None and found.value.shape == expected.value.shape:
            values["ratio"] = _ratio(found.value, expected.value)
            values["inverse"] = 1 / values["ratio"] if values["ratio"] else math.inf
    return says.format(**values)


def _ratio(found: Tensor, expected: Tensor) -> float:
    there = expected.abs() > 1e-9
    return (found[there] / expected[there]).median().item() if there.any() else math.nan


def _short(value: Tensor) -> str:
    flat = value.flatten()
    return number(flat[0].item()) if flat.numel() else "nothing"


def nearest(name: str, found: Seen | None, expected: Seen) -> str:
    """In what way an observation differs from the expected one: shape, sign, scale, gradient, limit, order."""
    if found is None:
        return f"The check could not get as far as {name}: what came before it has the wrong form."
    if found.value is None:
        return _nothing(name, found, expected)
    if expected.value is None:
        return f"{_capital(name)}: none was expected here, and yours has one ({_short(found.value)})."
    a, b = found.value, expected.value
    if expected.kind == "fact":
        wrong = "should hold for your answer, and doesn't" if b else "holds for your answer, and shouldn't"
        return f"This {wrong}: {name}."
    if expected.kind == "bound":
        return f"{_capital(name)}: asked for {expected.note.split(':')[0]}, found {number(a.item())}."
    if a.shape != b.shape:
        return _shape(name, a, b)
    if not torch.isfinite(a[torch.isfinite(b)]).all():
        bad = (~torch.isfinite(a) & torch.isfinite(b)).flatten()
        if bad.numel() == 1:
            return f"{_capital(name)}: {a.item()} in place of a number."
        return f"{_capital(name)}: {a.flatten()[bad][0].item()} in {int(bad.sum())} of {bad.numel()} places where a number is expected."
    if expected.kind == "number":
        if a != 0 and torch.allclose(a, -b, 0, expected.atol):
            return f"{_capital(name)}: the size is right, the sign is not."
        return f"{_capital(name)}: {number(a.item())} is too {'high' if a > b else 'low'}."
    return _values(name, a, b, expected)


def _values(name: str, a: Tensor, b: Tensor, expected: Seen) -> str:
    def close(x: Tensor, y: Tensor) -> bool:
        return x.shape == y.shape and torch.allclose(x, y, expected.rtol, expected.atol)

    name = _capital(name)
    if close(a, -b):
        return f"{name}: the size is right, the sign is not."
    if b.ndim == 2 and b.shape[0] == b.shape[1] and close(a, b.T):
        return f"{name}: rows and columns are exchanged."
    if not b.any() and b.numel():
        return f"{name} must be 0; found {number(a.flatten()[a.abs().argmax()].item())}."
    if not a.any():
        if b.numel() == 1:
            return f"{name} is 0; expected {number(b.item())}."
        return f"{name} is 0 everywhere; expected {number(b.flatten()[b.abs().argmax()].item())}, for one."
    ratio = _ratio(a, b)
    if math.isfinite(ratio) and ratio and close(a, ratio * b):
        times = f"{number(ratio)} times" if abs(ratio) >= 1 else f"1/{number(1 / ratio)} of"
        if b.numel() > 1:
            return f"{name} comes out {times} what is expected, everywhere: a factor is missing or too much."
        # Of one number any other is a multiple: that it is a factor is a guess, and only where it is a whole one.
        large = max(abs(ratio), 1 / abs(ratio))
        whole = 1.5 < large < 1000 and abs(large - round(large)) < min(1e-3 * large, 0.05)  # a large one is near some whole number
        guess = f": {times} that. Is a factor missing, or too much?" if whole else "."
        return f"{name}: expected {number(b.item())}, found {number(a.item())}{guess}"
    offset = (a - b).flatten()[0]
    if b.numel() > 1 and close(a, b + offset):
        way = "high" if offset > 0 else "low"
        return f"{name} is {number(abs(offset.item()))} too {way} everywhere: a constant is missing or too much."
    if b.numel() > 1 and close(a.flatten().sort().values, b.flatten().sort().values):
        return f"{name}: the right numbers in the wrong order."
    wrong = ((a - b).abs() > expected.atol + expected.rtol * b.abs()).flatten()
    i = int((wrong * (a - b).abs().flatten()).argmax())
    where = ""
    if b.numel() > 1:
        place = [int(j) for j in torch.unravel_index(torch.tensor(i), b.shape)]
        where = f" at {place} ({int(wrong.sum())} of {b.numel()} are off)"
    return f"{name}{where}: expected {number(b.flatten()[i].item())}, found {number(a.flatten()[i].item())}."


def _shape(name: str, a: Tensor, b: Tensor) -> str:
    text = f"{_capital(name)}: expected the shape {list(b.shape)}, found {list(a.shape)}."
    if a.numel() == b.numel() and tuple(a.shape) != tuple(reversed(b.shape)):
        return text + " There are as many numbers as there should be, in another shape: see reshape, squeeze and unsqueeze."
    if b.ndim == 0 or b.numel() == 1:
        return text + " One number is wanted: sum or average over the rest."
    if a.ndim == 0 or a.numel() == 1:
        return text + " You summed or averaged over everything."
    if tuple(a.shape) == tuple(reversed(b.shape)):
        return text + " The axes are exchanged."
    if a.ndim > b.ndim:
        return text + " An axis is left over: is a sum or a mean missing?"
    differ = [axis for axis, (found, wanted) in enumerate(zip(a.shape, b.shape)) if found != wanted]
    if a.ndim == b.ndim and len(differ) == 1:
        return text + f" It is axis {differ[0]} that has another length."
    return text + " Look at the axis that you sum or average over."


def _nothing(name: str, found: Seen, expected: Seen) -> str:
    if found.note == "None":
        return f"{_capital(name)}: your code gives None. Is there a return?"
    if found.kind == "gradient":
        return (f"{_capital(name)}: there is none. Something cuts the graph: detach, no_grad, .data, .item(), numpy, or a sample "
                "that is drawn as a constant.")  # fmt: skip
    if expected.kind == "missing" or found.kind == "missing":
        return f"{_capital(name)}: found {found.note}."
    return f"{_capital(name)}: expected {'a number' if expected.kind == 'number' else 'a tensor'}, found {found.note}."


def _late(outcome: sandbox.Outcome) -> str:
    where = f" It was at `{outcome.line}`." if outcome.line else ""
    return f"Stopped after {outcome.seconds:.0f} s, which is the limit.{where} Is there a loop that never ends?"


CALLABLE, ARGUMENTS = "object is not callable", "positional argument"
ADVICE = {
    "second time": "The graph of the first backward is gone: one of the two must not go back so far (detach), or build its own.",
    "does not require grad": "There is no gradient to go back through: a detach, a no_grad or a sample cuts it.",
    "leaf Variable that requires grad": "It writes over a tensor that has a gradient: if it was handed in, work on a copy; if it is a "
    "weight that is to be changed, do it under torch.no_grad().",
    "modified by an inplace operation": "Something was written over that the gradient still needs.",
    "Can't call numpy()": "numpy keeps no gradients, and here one is wanted: the same functions are in torch.",
    "should be between 0 and 1": "This loss takes probabilities: logits go to the one whose name ends in with_logits.",
    "probability tensor contains": "Logits are no probabilities: they may be negative.",
    "can't be cast to the desired output type": "A tensor of whole numbers holds no fractions: make a new one, don't write into it.",
    "dim must be a 2-tuple": "A norm takes one axis or two: put several together first, by flatten.",
    CALLABLE: "Hand in the function or the class itself, by its name: not None, nor what it gives.",
    "size of tensor": "Two shapes don't fit: print both.",
    "cannot be multiplied": "Two shapes don't fit: print both. Is a size written as a number that is handed in as an argument?",
    "before Module.__init__()": "The first line of __init__ is super().__init__().",
    "not positive-definite": "Of points in rows, torch.cov wants the transpose; and N points span N − 1 dimensions at most.",
    "not defined": "Is it a name of another cell? Run that one first, or make it here.",
    ARGUMENTS: "Keep the arguments as they stand in the stub.",
}  # fmt: skip


def _stopped(outcome: sandbox.Outcome, answers: tuple[Any, ...]) -> str:
    error = outcome.error
    said = " ".join(str(error).split())[:300]
    if isinstance(error, SystemExit):
        return "Your code ends the program (exit or quit). Let it return its answer instead."
    if isinstance(error, RecursionError):
        said = "it calls itself without end"
    where = f", at `{outcome.line}`" if outcome.line else ""
    if not outcome.line and not any(callable(answer) for answer in answers):
        advice = ADVICE[CALLABLE] if CALLABLE in said else ""
        return f"The check can't work with this answer ({type(error).__name__}: {said}). {advice}".rstrip()
    of_the_call = () if not outcome.line else (CALLABLE, ARGUMENTS)  # in a line of the reader's it is a call of their own
    advice = next((words for key, words in ADVICE.items() if key in said and key not in of_the_call), "")
    if ARGUMENTS in said and not outcome.line and any(isinstance(answer, torch.nn.Module) for answer in answers):
        advice = "A network was handed in; if the stub has a class, hand in the class itself."
    if isinstance(error, Chapter10Error):
        advice = advice or "The package says so of what your code hands it."
    return f"It stops with {type(error).__name__}{where}: {said}{'' if said.endswith(('.', '!')) else '.'} {advice}".rstrip()


def _notes(outcome: sandbox.Outcome) -> tuple[str, ...]:
    lines = [line for line in outcome.printed.splitlines() if line.strip()]
    if not lines:
        return ()
    shown = " | ".join(line[:100] for line in lines[:SHOWN])
    more = f" | and {len(lines) - SHOWN} lines or more" if len(lines) > SHOWN else ""
    return (f"Your code printed: {shown}{more}",)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].isascii() else text  # a capital β would be read as a B


def _listed(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
