"""Is an answer right, has it made a known mistake, or else: which property failed, on which input?"""

import html
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from chapter10.claims import EDGES, box_style, number
from chapter10.errors import Chapter10Error, InputError
from chapter10.exercises import observed, sandbox
from chapter10.exercises.look import Look, Seen
from chapter10.exercises.task import Task, load
from chapter10.language import noted, say, say_of, sentences

COLOURS = {"right": EDGES["green"], "unanswered": EDGES["grey"]}
SHOWN = 5  # printed lines
WORDS = {"right": noted("Right"), "unanswered": noted("Not yet begun")}
NOT_YET = noted("Not yet")


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
        return say(WORDS.get(self.kind, NOT_YET))

    def __repr__(self) -> str:
        return f"[{self.word}] " + sentences(self._told, *self.notes)

    @property
    def _told(self) -> str:
        return sentences(self.text, say("Section {section}.", section=self.section))

    def _repr_html_(self) -> str:
        mark, colour = {"right": "✓", "unanswered": "…"}.get(self.kind, "→"), COLOURS.get(self.kind, EDGES["brown"])
        notes = "".join(f'<div style="margin-top:4px">{html.escape(note)}</div>' for note in self.notes)
        told, head = say("Exercise {task}: {word}", task=self.task, word=self.word.lower()), say("{word}.", word=self.word)
        return (
            f'<div role="note" aria-label="{html.escape(told)}" style="{box_style(colour)};'
            f'white-space:pre-line"><strong>{mark} {head}</strong> {html.escape(self._told)}{notes}</div>'
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
    return type(one) is type(other) and _english(one)[:60] == _english(other)[:60]


def _english(error: BaseException) -> str:
    """Its words whatever the reader's language is: what is seen of the task's own code is kept, and the language may change."""
    return getattr(error, "english", str(error))


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
        raise InputError(
            "Task {name}: its own code takes longer than six times its limit of {seconds:g} s.",
            name=task.name,
            seconds=task.seconds,
        )
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
        raise InputError(
            say_of(
                len(task.answers),
                'Task {name} takes {count} answer: check("{name}", {named}). Found {found}.',
                'Task {name} takes {count} answers: check("{name}", {named}). Found {found}.',
                name=task.name,
                named=named,
                found=len(answers),
            )
        )
    sight, outcome = see(task, list(answers), seconds)
    notes = _notes(outcome)

    def verdict(kind: str, text: str, section: str = "", mistake: str = "") -> Verdict:
        points = task.points if kind == "right" else 0
        return Verdict(task.name, kind, text, section or task.section, mistake, notes, points)

    if all(answer is None for answer in answers):
        return verdict("unanswered", say(task.unanswered))
    if outcome.late:
        return verdict("late", _late(outcome))
    if sight.same(sight_of(task, task.stub)) and not _forgot_to_return(task, sight, answers):
        # first, for a solution may take seconds, and notebooks run with their stubs
        return verdict("unanswered", say(task.unanswered))
    truth = sight_of(task, task.solution)
    if sight.same(truth, judged_only=True):
        if sight.changed and not truth.changed:
            return verdict(
                "changed",
                say(
                    "The values are right, but your code writes over its argument {names}: whoever calls it loses what was there. "
                    "Work on a copy, or without the underscore.",
                    names=_listed([observed.said(task, name) for name in sight.changed]),
                ),
            )
        return verdict("right", say(task.right) or say("Nothing that was tried tells your answer from the solution."))
    for other in task.also:
        if sight.same(sight_of(task, other.code)):
            return verdict("right", say(other.says), other.section)
    for mistake in task.mistakes:
        if sight.same(sight_of(task, mistake.code)):
            return verdict("mistake", filled(say(mistake.says), sight, truth, task), mistake.section, mistake.name)
    if outcome.error is not None:
        return verdict("stopped", _stopped(outcome, answers))
    over = ""
    if set(sight.changed) - set(truth.changed):
        over = say("And your code writes over its argument {names}.", names=_listed([observed.said(task, name) for name in sight.changed]))
    name, found, expected = _difference(sight, truth)
    empty = [answer_name for answer_name, answer in zip(task.answers, answers) if answer is None]
    if empty and found is not None and found.value is None and found.note.startswith("None"):
        return verdict("near", say_of(len(empty), "{names} is still None.", "{names} are still None.", names=_listed(empty)))
    name, found, expected = observed.said(task, name), _told(task, found), _told(task, expected)
    return verdict("near", sentences(nearest(name, found, expected), over))


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


def _told(task: Task, seen: Seen | None) -> Seen | None:
    """What was seen, its note in the reader's language."""
    return seen if seen is None else replace(seen, note=observed.said(task, seen.note.removesuffix(": met").removesuffix(": missed")))


def filled(says: str, sight: Sight, truth: Sight, task: Task) -> str:
    """A mistake's sentence with the numbers that were seen."""
    if "{" not in says:
        return says
    name, found, expected = _difference(sight, truth)
    nothing = say("nothing")
    values = {"name": observed.said(task, name), "found": nothing, "expected": nothing, "ratio": math.nan, "inverse": math.nan}
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
    return number(flat[0].item()) if flat.numel() else say("nothing")


def nearest(name: str, found: Seen | None, expected: Seen) -> str:
    """In what way an observation differs from the expected one: shape, sign, scale, gradient, limit, order."""
    if found is None:
        return say("The check could not get as far as {name}: what came before it has the wrong form.", name=name)
    if found.value is None:
        return _nothing(name, found, expected)
    if expected.value is None:
        return say("{name}: none was expected here, and yours has one ({found}).", name=_capital(name), found=_short(found.value))
    a, b = found.value, expected.value
    if expected.kind == "fact":
        if b:
            return say("This should hold for your answer, and doesn't: {name}.", name=name)
        return say("This holds for your answer, and shouldn't: {name}.", name=name)
    if expected.kind == "bound":
        return say("{name}: asked for {asked}, found {found}.", name=_capital(name), asked=expected.note, found=number(a.item()))
    if a.shape != b.shape:
        return _shape(name, a, b)
    if not torch.isfinite(a[torch.isfinite(b)]).all():
        bad = (~torch.isfinite(a) & torch.isfinite(b)).flatten()
        if bad.numel() == 1:
            return say("{name}: {found} in place of a number.", name=_capital(name), found=a.item())
        return say(
            "{name}: {found} in {count} of {all} places where a number is expected.",
            name=_capital(name), found=a.flatten()[bad][0].item(), count=int(bad.sum()), all=bad.numel(),
        )  # fmt: skip
    if expected.kind == "number":
        if a != 0 and torch.allclose(a, -b, 0, expected.atol):
            return say("{name}: the size is right, the sign is not.", name=_capital(name))
        if a > b:
            return say("{name}: {found} is too high.", name=_capital(name), found=number(a.item()))
        return say("{name}: {found} is too low.", name=_capital(name), found=number(a.item()))
    return _values(name, a, b, expected)


def _values(name: str, a: Tensor, b: Tensor, expected: Seen) -> str:
    def close(x: Tensor, y: Tensor) -> bool:
        return x.shape == y.shape and torch.allclose(x, y, expected.rtol, expected.atol)

    name = _capital(name)
    if close(a, -b):
        return say("{name}: the size is right, the sign is not.", name=name)
    if b.ndim == 2 and b.shape[0] == b.shape[1] and close(a, b.T):
        return say("{name}: rows and columns are exchanged.", name=name)
    if not b.any() and b.numel():
        return say("{name} must be 0; found {found}.", name=name, found=number(a.flatten()[a.abs().argmax()].item()))
    if not a.any():
        if b.numel() == 1:
            return say("{name} is 0; expected {expected}.", name=name, expected=number(b.item()))
        largest = number(b.flatten()[b.abs().argmax()].item())
        return say("{name} is 0 everywhere; expected {expected}, for one.", name=name, expected=largest)
    ratio = _ratio(a, b)
    if math.isfinite(ratio) and ratio and close(a, ratio * b):
        more, share = number(ratio), number(1 / ratio)
        if b.numel() > 1 and abs(ratio) >= 1:
            return say(
                "{name} comes out {ratio} times what is expected, everywhere: a factor is missing or too much.", name=name, ratio=more
            )
        if b.numel() > 1:
            return say(
                "{name} comes out 1/{share} of what is expected, everywhere: a factor is missing or too much.", name=name, share=share
            )
        # Of one number any other is a multiple: that it is a factor is a guess, and only where it is a whole one.
        large = max(abs(ratio), 1 / abs(ratio))
        whole = 1.5 < large < 1000 and abs(large - round(large)) < min(1e-3 * large, 0.05)  # a large one is near some whole number
        values = {"name": name, "expected": number(b.item()), "found": number(a.item())}
        if not whole:
            return say("{name}: expected {expected}, found {found}.", **values)
        if abs(ratio) >= 1:
            return say(
                "{name}: expected {expected}, found {found}: {ratio} times that. Is a factor missing, or too much?", ratio=more, **values
            )
        return say(
            "{name}: expected {expected}, found {found}: 1/{share} of that. Is a factor missing, or too much?", share=share, **values
        )
    offset = (a - b).flatten()[0]
    if b.numel() > 1 and close(a, b + offset):
        off = number(abs(offset.item()))
        if offset > 0:
            return say("{name} is {off} too high everywhere: a constant is missing or too much.", name=name, off=off)
        return say("{name} is {off} too low everywhere: a constant is missing or too much.", name=name, off=off)
    if b.numel() > 1 and close(a.flatten().sort().values, b.flatten().sort().values):
        return say("{name}: the right numbers in the wrong order.", name=name)
    wrong = ((a - b).abs() > expected.atol + expected.rtol * b.abs()).flatten()
    i = int((wrong * (a - b).abs().flatten()).argmax())
    values = {"name": name, "expected": number(b.flatten()[i].item()), "found": number(a.flatten()[i].item())}
    if b.numel() == 1:
        return say("{name}: expected {expected}, found {found}.", **values)
    return say(
        "{name} at {place} ({off} of {all} are off): expected {expected}, found {found}.",
        place=[int(j) for j in torch.unravel_index(torch.tensor(i), b.shape)], off=int(wrong.sum()), all=b.numel(), **values,
    )  # fmt: skip


def _shape(name: str, a: Tensor, b: Tensor) -> str:
    text = say("{name}: expected the shape {expected}, found {found}.", name=_capital(name), expected=list(b.shape), found=list(a.shape))
    return sentences(text, _about_the_shape(a, b))


def _about_the_shape(a: Tensor, b: Tensor) -> str:
    if a.numel() == b.numel() and tuple(a.shape) != tuple(reversed(b.shape)):
        return say("There are as many numbers as there should be, in another shape: see reshape, squeeze and unsqueeze.")
    if b.ndim == 0 or b.numel() == 1:
        return say("One number is wanted: sum or average over the rest.")
    if a.ndim == 0 or a.numel() == 1:
        return say("You summed or averaged over everything.")
    if tuple(a.shape) == tuple(reversed(b.shape)):
        return say("The axes are exchanged.")
    if a.ndim > b.ndim:
        return say("An axis is left over: is a sum or a mean missing?")
    differ = [axis for axis, (found, wanted) in enumerate(zip(a.shape, b.shape)) if found != wanted]
    if a.ndim == b.ndim and len(differ) == 1:
        return say("It is axis {axis} that has another length.", axis=differ[0])
    return say("Look at the axis that you sum or average over.")


def _nothing(name: str, found: Seen, expected: Seen) -> str:
    if found.note == "None":  # which no language says otherwise
        return say("{name}: your code gives None. Is there a return?", name=_capital(name))
    if found.kind == "gradient":
        return say(
            "{name}: there is none. Something cuts the graph: detach, no_grad, .data, .item(), numpy, or a sample that is drawn as "
            "a constant.",
            name=_capital(name),
        )
    if expected.kind == "missing" or found.kind == "missing":
        return say("{name}: found {found}.", name=_capital(name), found=found.note)
    if expected.kind == "number":
        return say("{name}: expected a number, found {found}.", name=_capital(name), found=found.note)
    return say("{name}: expected a tensor, found {found}.", name=_capital(name), found=found.note)


def _late(outcome: sandbox.Outcome) -> str:
    if not outcome.line:
        return say("Stopped after {seconds:.0f} s, which is the limit. Is there a loop that never ends?", seconds=outcome.seconds)
    return say(
        "Stopped after {seconds:.0f} s, which is the limit. It was at `{line}`. Is there a loop that never ends?",
        seconds=outcome.seconds,
        line=outcome.line,
    )


CALLABLE, ARGUMENTS = "object is not callable", "positional argument"
ADVICE = {  # a part of what Python says, and what to tell the reader
    "second time": noted(
        "The graph of the first backward is gone: one of the two must not go back so far (detach), or build its own."
    ),
    "does not require grad": noted("There is no gradient to go back through: a detach, a no_grad or a sample cuts it."),
    "leaf Variable that requires grad": noted(
        "It writes over a tensor that has a gradient: if it was handed in, work on a copy; if it is a weight that is to be changed, "
        "do it under torch.no_grad()."
    ),
    "modified by an inplace operation": noted("Something was written over that the gradient still needs."),
    "Can't call numpy()": noted("numpy keeps no gradients, and here one is wanted: the same functions are in torch."),
    "should be between 0 and 1": noted("This loss takes probabilities: logits go to the one whose name ends in with_logits."),
    "probability tensor contains": noted("Logits are no probabilities: they may be negative."),
    "can't be cast to the desired output type": noted(
        "A tensor of whole numbers holds no fractions: make a new one, don't write into it."
    ),
    "dim must be a 2-tuple": noted("A norm takes one axis or two: put several together first, by flatten."),
    CALLABLE: noted("Hand in the function or the class itself, by its name: not None, nor what it gives."),
    "size of tensor": noted("Two shapes don't fit: print both."),
    "cannot be multiplied": noted(
        "Two shapes don't fit: print both. Is a size written as a number that is handed in as an argument?"
    ),
    "before Module.__init__()": noted("The first line of __init__ is super().__init__()."),
    "not positive-definite": noted("Of points in rows, torch.cov wants the transpose; and N points span N − 1 dimensions at most."),
    "not defined": noted("Is it a name of another cell? Run that one first, or make it here."),
    ARGUMENTS: noted("Keep the arguments as they stand in the stub."),
}  # fmt: skip


def _stopped(outcome: sandbox.Outcome, answers: tuple[Any, ...]) -> str:
    error = outcome.error
    said = " ".join(str(error).split())[:300]
    if isinstance(error, SystemExit):
        return say("Your code ends the program (exit or quit). Let it return its answer instead.")
    if isinstance(error, RecursionError):
        said = say("it calls itself without end")
    if not outcome.line and not any(callable(answer) for answer in answers):
        advice = say(ADVICE[CALLABLE]) if CALLABLE in said else ""
        told = say("The check can't work with this answer ({kind}: {said}).", kind=type(error).__name__, said=said)
        return sentences(told, advice)
    of_the_call = () if not outcome.line else (CALLABLE, ARGUMENTS)  # in a line of the reader's it is a call of their own
    advice = say(next((words for key, words in ADVICE.items() if key in said and key not in of_the_call), ""))
    if ARGUMENTS in said and not outcome.line and any(isinstance(answer, torch.nn.Module) for answer in answers):
        advice = say("A network was handed in; if the stub has a class, hand in the class itself.")
    if isinstance(error, Chapter10Error):
        advice = advice or say("The package says so of what your code hands it.")
    values = {"kind": type(error).__name__, "said": said if said.endswith((".", "!", "。", "！")) else f"{said}."}
    if outcome.line:
        told = say("It stops with {kind}, at `{line}`: {said}", line=outcome.line, **values)
    else:
        told = say("It stops with {kind}: {said}", **values)
    return sentences(told, advice)


def _notes(outcome: sandbox.Outcome) -> tuple[str, ...]:
    lines = [line for line in outcome.printed.splitlines() if line.strip()]
    if not lines:
        return ()
    shown = " | ".join(line[:100] for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        shown += " | " + say("and {count} lines or more", count=len(lines) - SHOWN)
    return (say("Your code printed: {shown}", shown=shown),)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].isascii() else text  # a capital β would be read as a B


def _listed(names: list[str]) -> str:
    return say(" and ").join(f"`{name}`" for name in names)
