"""Small changes to a solution, as slips are: a sign, a factor, an axis, a sum for a mean, a missing detach, a line left out.

Each variant differs from the source in one place. `bench exercises` counts how many of those that change what the code does are
caught by the task's check: its mutation score (DeMillo, Lipton and Sayward 1978).
"""

import ast
import copy
from collections.abc import Iterator

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
}  # fmt: skip
COMPARISONS: dict[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
EXCHANGED = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin",
    "argmin": "argmax", "minimum": "maximum", "maximum": "minimum", "log": "log1p", "cos": "sin", "sin": "cos",
    "randn": "rand", "randn_like": "rand_like", "rand": "randn", "logsumexp": "mean", "ones": "zeros", "ones_like": "zeros_like",
    "zeros": "ones", "zeros_like": "ones_like", "train": "eval", "eval": "train", "cumsum": "cumprod",
}  # fmt: skip
DROPPED = {
    "detach", "exp", "log", "sqrt", "square", "abs", "clamp", "flatten", "sigmoid", "tanh", "softmax", "log_softmax", "logit",
    "neg", "reciprocal", "pow", "mean", "sum", "unsqueeze", "squeeze", "t", "clamp_min", "clamp_max", "relu", "float",
}  # fmt: skip
WORDS = {"none": "mean", "mean": "sum", "sum": "mean", "batchmean": "mean"}


def variants(source: str) -> list[tuple[str, str]]:
    """(what was changed, code) of every small change to some code, each once."""
    tree = ast.parse(source)
    places = [(node, new, what) for node in ast.walk(tree) for new, what in (*_changes(node), *_other_arguments(node))]
    found: dict[str, str] = {}
    for node, new, what in places:
        node, new = new if isinstance(new, tuple) else (node, new)
        code = ast.unparse(_replaced(tree, node, new)) + "\n"
        if code != ast.unparse(tree) + "\n":
            found.setdefault(code, f"line {getattr(node, 'lineno', 0)}: {what}")
    return [(what, code) for code, what in found.items()]


def _replaced(tree: ast.AST, node: ast.AST, new: ast.AST) -> ast.AST:
    memo = {id(node): copy.deepcopy(new)}  # deepcopy puts `new` where it meets `node`
    return ast.fix_missing_locations(copy.deepcopy(tree, memo))


def _said(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0][:60]


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """What could stand in a node's place, and how that reads."""
    if isinstance(node, ast.BinOp):
        for other in OPERATORS.get(type(node.op), ()):
            yield ast.BinOp(node.left, other(), node.right), f"another operator in {_said(node)}"
        yield node.left, f"only the left of {_said(node)}"
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            yield node.right, f"only the right of {_said(node)}"
        if isinstance(node.op, (ast.Sub, ast.Div, ast.Pow, ast.MatMult)):
            yield ast.BinOp(node.right, node.op, node.left), f"the two sides of {_said(node)} exchanged"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand, f"the sign of {_said(node)}"
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        yield ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators), f"the contrary of {_said(node)}"
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield node.value, f"{_said(node)} not transposed"
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value)), "the sign of what is returned"
        yield ast.Return(ast.BinOp(ast.Constant(2), ast.Mult(), node.value)), "twice what is returned"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass(), f"without {_said(node)}"
    elif isinstance(node, ast.AugAssign):
        yield ast.Pass(), f"without {_said(node)}"
        for other in OPERATORS.get(type(node.op), ()):
            yield ast.AugAssign(node.target, other(), node.value), f"another operator in {_said(node)}"
    elif isinstance(node, ast.IfExp):
        yield node.body, f"always {_said(node.body)}"
        yield node.orelse, f"never {_said(node.body)}"
    elif isinstance(node, ast.With):
        yield ast.If(ast.Constant(True), node.body, []), f"without {_said(node.items[0])}"


def _other_arguments(node: ast.AST) -> Iterator[tuple[tuple[ast.AST, ast.AST], str]]:
    """In a function, each argument taken for the next one."""
    if isinstance(node, ast.FunctionDef) and len(node.args.args) > 1:
        named = [argument.arg for argument in node.args.args]
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in named and isinstance(inner.ctx, ast.Load):
                other = named[(named.index(inner.id) + 1) % len(named)]
                yield (inner, ast.Name(other, ast.Load())), f"{other} for {inner.id} in line {inner.lineno}"


def _constants(node: ast.Constant) -> Iterator[tuple[ast.AST, str]]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value), f"{not value} for {value}"
    elif isinstance(value, (int, float)):
        for other in (value + 1, value - 1, 2 * value, value / 2 if isinstance(value, float) else value):
            if other != value:
                yield ast.Constant(other), f"{other} for {value}"
    elif value in WORDS:
        yield ast.Constant(WORDS[value]), f"{WORDS[value]!r} for {value!r}"


def _calls(node: ast.Call) -> Iterator[tuple[ast.AST, str]]:
    called = node.func
    if isinstance(called, ast.Attribute):
        if called.attr in EXCHANGED:
            other = ast.Attribute(called.value, EXCHANGED[called.attr], ast.Load())
            yield ast.Call(other, node.args, node.keywords), f"{EXCHANGED[called.attr]} for {called.attr}"
        is_function = isinstance(called.value, ast.Name) and called.value.id in ("torch", "F", "math", "np", "nn")
        if called.attr in DROPPED:
            inner = node.args[0] if is_function and node.args else None if is_function else called.value
            if inner is not None:
                yield inner, f"without {called.attr}"
    if len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
        yield ast.Call(called, [node.args[1], node.args[0], *node.args[2:]], node.keywords), f"arguments of {_said(called)} exchanged"
    for index, argument in enumerate(node.args):
        if isinstance(argument, ast.Name) and not _is_function(called):
            cut = ast.Call(ast.Attribute(argument, "detach", ast.Load()), [], [])
            yield ast.Call(called, [*node.args[:index], cut, *node.args[index + 1 :]], node.keywords), f"{argument.id} detached"
    for index, keyword in enumerate(node.keywords):
        yield ast.Call(called, node.args, node.keywords[:index] + node.keywords[index + 1 :]), f"without {keyword.arg}="


def _is_function(called: ast.AST) -> bool:
    """A library's function rather than a network: detaching its argument is seldom a slip."""
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in ("math", "np", "torch", "range")
