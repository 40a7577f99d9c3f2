"""Which of the cells that were handed in answers a task, and what else of the student's own it needs.

This runs in a submission's own process: there is code that crashes Python's parser.
"""

import ast
import builtins
import re
import symtable
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chapter10.classroom.reading import Cell
from chapter10.exercises.task import PRELUDE, Task, names

PUBLIC = {"check", "hand_in", "hint", "progress", "solution"}
INSIDE = re.compile(r"chapter10\.(?:exercises|classroom)\.\w|import\s+chapter10\.(?:exercises|classroom)|\bsolution\s*\(|"
                    r"from\s+chapter10\s+import\s[^\n]*\b(?:exercises|classroom)\b")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Code that defines a task's answers, cells to run before it where a name is missing, and remarks for the table."""

    code: str
    before: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def find(task: Task, cells: Iterable[Cell], given: frozenset[str] = frozenset()) -> Answer | None:
    """A task's answer among the cells of one file; None where there is none.

    The cells that carry the task's name count, and those that define all that it asks for; of several the last one that is
    no longer the stub.

    Args:
        cells: in the notebook's order.
        given: sources that the notebook had from the start; what such a cell defines is no answer.
    """
    cells = [cell for cell in cells if not cell.check]
    clean = {cell: _without_magics(cell.source) for cell in cells}
    own = [cell for cell in cells if cell.source.strip() not in given]
    wanted, known = set(task.answers), set(names())
    named = [cell for cell in cells if cell.task == task.name]
    others = [cell for cell in own if cell.task not in known and wanted <= binds(clean[cell][0])]
    candidates = [cell for cell in cells if cell in named or cell in others]
    if not candidates:
        return None
    written = [cell for cell in candidates if not same(clean[cell][0], task.stub)]
    chosen = (written or candidates)[-1]
    code, left_out = clean[chosen]
    remarks = []
    if chosen.task != task.name:
        remarks.append("found by its name: its cell doesn't say that it answers this task")
    if len(written) > 1:
        remarks.append(f"answered {len(written)} times: the last one counts")
    if left_out:
        remarks.append(f"left out: {left_out[0][:60]}" + (f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""))
    before = _needed(task, code, [clean[cell][0] for cell in own if cell is not chosen])
    if any(map(reaches_inside, (*before, code))):
        remarks.append("its code reaches into chapter10.exercises, where the solutions are: look at it")
    return Answer(code, tuple(before), tuple(remarks))


def reaches_inside(code: str) -> bool:
    """Whether some code looks as if it takes from the package what it was to write; the readers' own calls are no sign."""
    named = re.findall(r"from\s+chapter10\.exercises\s+import\s+([\w, ]+)", code)
    others = {word for names in named for word in re.findall(r"\w+", names)} - PUBLIC
    return bool(INSIDE.search(code) or others)


def _needed(task: Task, code: str, others: list[str]) -> list[str]:
    """Those of the student's other cells that define what the code uses and nothing else defines, in order."""
    missing = (uses(code) | set(task.answers)) - binds(code) - binds(PRELUDE + task.setting) - set(dir(builtins))
    chosen: list[str] = []
    for other in reversed(others):
        if binds(other) & missing:
            chosen.insert(0, other)
            missing |= uses(other) - set(dir(builtins))
    return chosen


def _without_magics(source: str) -> tuple[str, tuple[str, ...]]:
    """The source without the lines that only a notebook understands (%, !, ?), and these lines."""
    if _parsed(source) is not None:
        return source, ()
    kept, left_out = [], []
    for line in source.splitlines():
        if re.match(r"\s*(%|!|\?)|.*\w\?{1,2}\s*$", line):
            left_out.append(line.strip())
            kept.append(re.match(r"\s*", line)[0] + "pass")
        else:
            kept.append(line)
    return ("\n".join(kept), tuple(left_out)) if left_out else (source, ())


def same(one: str, other: str) -> bool:
    """Whether two sources are the same code, comments and spaces aside."""
    # Some Pythons read a tree so deep that they can't go through it.
    first, second = (_quietly(lambda source=source: ast.dump(ast.parse(source))) for source in (one.strip(), other.strip()))
    if first is None or second is None:
        return one.strip() == other.strip()
    return first == second


def binds(source: str) -> set[str]:
    """The names that the code's own level defines; none where Python can't read it."""
    table = _table(source)
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()} if table else set()


def uses(source: str) -> set[str]:
    """The names of its own level that the code reads, in functions too; none where Python can't read it."""
    found, waiting = set(), [_table(source)]
    while waiting:
        table = waiting.pop()
        if table is not None:
            outer = table.get_type() == "module"
            found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (outer or s.is_global())}
            waiting += table.get_children()
    return found


def _parsed(source: str) -> ast.Module | None:
    return _quietly(lambda: ast.parse(source))


def _table(source: str) -> symtable.SymbolTable | None:
    return _quietly(lambda: symtable.symtable(source, "<answer>", "exec"))


def _quietly(read: Callable[[], Any]) -> Any:
    """What reading some code gives; None where Python can't."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the student's code, such as "\\d"
            return read()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
