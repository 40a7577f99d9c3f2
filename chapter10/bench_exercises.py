"""`python -m chapter10 bench exercises`: the mutation score of the exercises' checks, and how long a check takes.

Every small change to every solution (`exercises.variants`) is judged as a reader's answer. Whether a change alters what the code
does is decided apart from the check: by what a direct call gives (values, gradients, arguments written over) for the arguments of
the check and for others of the same form, and by what is seen in eight situations that the check doesn't use. A change is caught
when its verdict isn't "right".
"""

import inspect
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chapter10.exercises import sandbox
from chapter10.exercises.judging import Sight, judge
from chapter10.exercises.task import Task, load, names
from chapter10.exercises.variants import variants

OTHERS = range(40, 48)  # situations beyond the check's
MOST, MOST_SLOW, SLOW = 60, 6, 1.0  # variants of a task; of one whose check takes longer than SLOW seconds
SECONDS = 5.0  # the limit on a variant
TARGETS = {"mutation_score_percent": ("at least", 95.0), "check_seconds_median": ("at most", 1.0)}


@dataclass(frozen=True)
class Varied:
    """One small change to a solution."""

    task: str
    what: str
    code: str
    changed: bool  # what the code does
    caught: bool
    kind: str  # of the verdict


def arguments_of(task: Task) -> list[tuple[int, tuple[Any, ...]]]:
    """(which answer, arguments) of the calls that the check makes, with tensors copied as they were."""
    calls: list[tuple[int, tuple[Any, ...]]] = []

    def logged(index: int, answer: Callable) -> Callable:
        def call(*arguments: Any, **named: Any) -> Any:
            if not named and all(isinstance(a, (Tensor, int, float)) for a in arguments):
                calls.append((index, tuple(_copy(a) for a in arguments)))
            return answer(*arguments, **named)

        call.__signature__ = inspect.signature(answer)
        return call

    answers = task.run(task.solution)
    task.look([logged(i, a) if inspect.isfunction(a) else a for i, a in enumerate(answers)], 0)
    return calls[:12]


def _copy(value: Any) -> Any:
    return value.detach().clone().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def _other(value: Any, source: torch.Generator) -> Any:
    """Another tensor of the same form: its entries in another order, each a little moved; whole numbers only in order."""
    if not isinstance(value, Tensor) or not value.numel():
        return value
    flat = value.detach().flatten()
    mixed = flat[torch.randperm(len(flat), generator=source)].view_as(value).clone()
    if mixed.is_floating_point():
        mixed *= 1 + 0.01 * torch.rand(mixed.shape, generator=source).to(mixed)
    return mixed.requires_grad_(value.requires_grad)


def effect(answer: Callable, arguments: tuple[Any, ...]) -> list[Any]:
    """All that a direct call does: values, their gradients, the arguments afterwards; or the kind of error."""
    arguments = tuple(_copy(a) for a in arguments)
    torch.manual_seed(0)
    try:
        value = answer(*arguments)
    except Exception as error:  # whatever an altered solution raises is what it does
        return [type(error).__name__]
    values = value if isinstance(value, (tuple, list)) else [value]
    found: list[Any] = []
    for v in values:
        found.append(v.detach().double() if isinstance(v, Tensor) else v if isinstance(v, (bool, int, float, str)) else type(v).__name__)
        if isinstance(v, Tensor) and v.requires_grad:
            wanted = [a for a in arguments if isinstance(a, Tensor) and a.requires_grad]
            found += torch.autograd.grad(v.double().sum(), wanted, allow_unused=True, retain_graph=True) if wanted else []
        elif isinstance(v, Tensor):
            found.append("no graph")
    return found + [a.detach() for a in arguments if isinstance(a, Tensor)]


def alike(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    for a, b in zip(one, other):
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if a.shape != b.shape or not torch.allclose(a.double(), b.double(), 1e-5, 1e-8, equal_nan=True):
                return False
        elif isinstance(a, float) and isinstance(b, float):
            if abs(a - b) > 1e-9 + 1e-6 * abs(b) and not (a != a and b != b):
                return False
        elif type(a) is not type(b) or a != b:
            return False
    return True


class Judge:
    """Tells for one task whether a variant does something else than the solution."""

    def __init__(self, task: Task, drawn: bool):
        self.task, source = task, torch.Generator().manual_seed(7)
        self.answers = task.run(task.solution)
        direct = sandbox.run(lambda: arguments_of(task), 10 * task.seconds)
        calls = direct.value or []
        self.sight = self._sights(self.answers)
        looks = self.sight.looks if self.sight else ()
        # Where only bounds and facts are judged, any code that meets them is right, whatever a direct call gives.
        free = all(seen.kind in ("bound", "fact") for look in looks for seen in look.seen.values() if seen.judged)
        self.calls = [] if drawn or free else calls + [(i, tuple(_other(a, source) for a in arguments)) for i, arguments in calls]

    def _sights(self, answers: list[Any]) -> Sight | None:
        def every() -> Sight:
            return Sight(tuple(self.task.look(answers, situation) for situation in OTHERS))

        return sandbox.run(every, SECONDS).value

    def differs(self, answers: list[Any]) -> bool:
        for index, arguments in self.calls:
            before = effect(self.answers[index], arguments)
            outcome = sandbox.run(lambda i=index, a=arguments: effect(answers[i], a), SECONDS)
            if outcome.error is not None or not alike(outcome.value, before):
                return True
        sight = self._sights(answers)
        return self.sight is not None and (sight is None or not sight.same(self.sight, judged_only=True))


def vary(task: Task, seed: int = 0) -> list[Varied]:
    """All small changes to a task's solution (a sample of them where there are many), judged."""
    start = time.perf_counter()
    judge(task, *task.run(task.solution))
    most = MOST if time.perf_counter() - start < SLOW else MOST_SLOW
    changes = variants(task.solution)
    if len(changes) > most:
        changes = random.Random(seed).sample(changes, most)
    arbiter, found = Judge(task, "rand" in task.solution), []
    for what, code in changes:
        made = sandbox.run(lambda code=code: task.run(code), SECONDS)
        if made.error is not None:  # it stops where it is defined: a reader sees that before any check
            continue
        verdict = judge(task, *made.value, seconds=min(task.seconds, max(SECONDS, task.seconds / 2)))
        remarks = {other.says for other in task.also}  # right with a remark: seen, too
        caught = not verdict.passed or verdict.text in remarks
        changed = caught or arbiter.differs(made.value)
        found.append(Varied(task.name, what, code, changed, caught, verdict.kind))
    return found


def score(found: list[Varied]) -> float:
    """The share, in percent, of the changes in behaviour that were caught."""
    changed = [v for v in found if v.changed]
    return 100 * sum(v.caught for v in changed) / len(changed) if changed else float("nan")


def exercises(root: str | None = None) -> dict[str, Any]:
    """All of it, printed as it comes."""
    from chapter10 import experiments
    from chapter10.bench import judge as judged

    tasks = [task for task in map(load, names()) if not task.options]  # a reading question has nothing to vary
    found: list[Varied] = []
    seconds = {}
    for task in tasks:
        answers = task.run(task.solution)
        judge(task, *answers)
        start = time.perf_counter()
        judge(task, *answers)
        seconds[task.name] = time.perf_counter() - start
        some = vary(task)
        found += some
        changed, caught = sum(v.changed for v in some), sum(v.caught for v in some)
        print(f"{task.name:<22} {len(some):3} changes, {changed:3} alter it, {caught:3} caught; a check takes {seconds[task.name]:.2f} s")
        for v in some:
            if v.changed and not v.caught:
                print(f"{'':<22} missed: {v.what}")
    named = sum(v.kind == "mistake" for v in found)
    result = {
        "machine": experiments.machine(),
        "threads": torch.get_num_threads(),
        "tasks": len(names()),
        "known_mistakes": sum(len(load(name).mistakes) for name in names()),
        "changes": len(found),
        "changes_in_behaviour": sum(v.changed for v in found),
        "mutation_score_percent": score(found),
        "named_percent": 100 * named / max(1, sum(v.caught for v in found)),
        "check_seconds_median": statistics.median(seconds.values()),
        "check_seconds_longest": max(seconds.values()),
        "missed": [f"{v.task}: {v.what}" for v in found if v.changed and not v.caught],
    }
    marks = ("tasks", "known_mistakes", "changes", "changes_in_behaviour", "named_percent", "check_seconds_longest")
    result["targets"] = judged(result, TARGETS, "python -m chapter10 bench exercises", marks)
    return result
