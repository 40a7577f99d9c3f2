"""Notebook 07: interpolation along an arc (Shoemake 1985, White 2016)."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_slerp(a, b, t):  # [N, L], [N, L], a number from 0 to 1 -> [N, L]
    return None
"""

SOLUTION = """
def my_slerp(a, b, t):
    na, nb = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    theta = ((a / na) * (b / nb)).sum(-1, keepdim=True).acos()
    direction = (((1 - t) * theta).sin() * a / na + (t * theta).sin() * b / nb) / theta.sin()
    return ((1 - t) * na + t * nb) * direction
"""

BY_ROTATION = """
def my_slerp(a, b, t):  # turn a/|a| by t·θ in the plane of both
    one, other = F.normalize(a.double(), dim=1), F.normalize(b.double(), dim=1)
    across = other - (one * other).sum(1, keepdim=True) * one
    theta = torch.atan2(across.norm(dim=1), (one * other).sum(1))[:, None]
    direction = (t * theta).cos() * one + (t * theta).sin() * F.normalize(across, dim=1)
    return torch.lerp(a.norm(dim=1), b.norm(dim=1), t)[:, None] * direction
"""

ROW_BY_ROW = """
def my_slerp(start, end, share):
    rows = []
    for x, y in zip(start.numpy(), end.numpy()):
        nx, ny = np.linalg.norm(x), np.linalg.norm(y)
        angle = np.arccos(np.clip(np.dot(x / nx, y / ny), -1, 1))
        turned = np.sin((1 - share) * angle) / np.sin(angle) * x / nx + np.sin(share * angle) / np.sin(angle) * y / ny
        rows.append(((1 - share) * nx + share * ny) * turned)
    return np.array(rows)
"""


def observe(look, source, my_slerp):
    a, b = torch.randn(6, 20, generator=source), 1.5 * torch.randn(6, 20, generator=source)
    near = dict(shape=(6, 20), rtol=1e-3, atol=2e-4)
    look.tensor("the points at t = 0.3 between six pairs", look.call(my_slerp, a, b, 0.3), **near)
    look.tensor("the points at t = 0, which are a", look.call(my_slerp, a, b, 0.0), **near)
    look.tensor("the points at t = 1, which are b", look.call(my_slerp, a, b, 1.0), **near)
    wide = -a + 0.5 * b  # an angle beyond 90°
    look.tensor("the points at t = 0.8 where the angle is wide", look.call(my_slerp, 2 * a, wide, 0.8), **near)
    one, other = 10 * torch.eye(3)[:2], 4 * torch.eye(3)[1:]
    look.tensor("halfway between two axes", look.call(my_slerp, one, other, 0.5), shape=(2, 3), rtol=1e-3, atol=2e-4)


def direct(weights: str, length: str = "((1 - t) * na + t * nb)", angle: str = "((a / na) * (b / nb)).sum(-1, keepdim=True).acos()") -> str:
    return f"""
def my_slerp(a, b, t):
    na, nb = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    theta = {angle}
    return {length} * ({weights}) / theta.sin()
"""


ARC = "((1 - t) * theta).sin() * a / na + (t * theta).sin() * b / nb"
RAW = "((1 - t) * theta).sin() * a + (t * theta).sin() * b"

TASK = Task(
    name="07-slerp",
    title="write slerp",
    section="10.4",
    minutes=10,
    statement="A point on the arc from a to b, at the share t of the way: the direction turns evenly, the length goes evenly from |a| to "
    "|b|. With the angle θ between the *directions* of a and b, 0 < θ < π, the direction is\n\n"
    r"$$\frac{\sin((1-t)\,\theta)\,\hat a + \sin(t\,\theta)\,\hat b}{\sin\theta}, \qquad \hat a = a/|a|,\; \hat b = b/|b|.$$"
    "\n\nWrite it for pairs a, b of shape [N, L], without the package's.",
    answers=("my_slerp",),
    stub=STUB,
    hints=(
        "What are the length of each row, and the angle between two rows, in a form that still fits beside [N, L]?",
        "`torch.nn.functional.normalize(a, dim=-1)` is â. The cosine of θ is the sum over the last axis of â·b̂, kept as [N, 1].",
        "Two things remain: the arc cosine, and the length (1 − t)·|a| + t·|b|, which multiplies the direction.",
    ),
    solution=SOLUTION,
    why="A draw of N(0, I) lies near a shell of radius √L. The straight line between two of them cuts through its inside, the arc stays "
            "on it.",
    right="Direction and length agree, at the ends and between them.",
    observe=observe,
    setting="from chapter10 import comparison\n",
    ways=(BY_ROTATION, ROW_BY_ROW),
    mistakes=(
        Mistake("length 1", direct(ARC, "1"),
                "The direction is right, the length is 1. N(0, I) draws in a shell of radius √L: multiply by the length that goes from "
                "|a| to |b|."),
        Mistake("not normalised", direct(RAW, "1"),
                "The angle is right; the weights went to a and b themselves. With unequal lengths the direction then does not turn "
                "evenly: take â and b̂, and the length separately."),
        Mistake("angle of the raw product, cut off", direct(RAW, "1", "(a * b).sum(-1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()"),
                "The angle was taken from a·b without dividing by the lengths: cut off at ±1 it is near 0 or π. Normalise first."),
        Mistake("angle of the raw product, cut off, then "
                "right", direct(ARC, angle="(a * b).sum(-1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()"),
                "The angle was taken from a·b without dividing by the lengths: cut off at ±1 it is near 0 or π. Normalise first."),
        Mistake("angle of the raw product", direct(ARC, angle="(a * b).sum(-1, keepdim=True).acos()"),
                "NaN: acos of a number beyond 1. Did you divide the scalar product a·b by both lengths? Angles are between directions."),
        Mistake("angle of the raw product, weights on a and b", direct(RAW, "1", "(a * b).sum(-1, keepdim=True).acos()"),
                "NaN: acos of a number beyond 1. Did you divide the scalar product a·b by both lengths? Angles are between directions."),
        Mistake("angle of the raw product, cut off at ±1", direct(ARC, angle="(a * b).sum(-1, keepdim=True).clamp(-1, 1).acos()"),
                "NaN: the angle comes out as 0 or π, and its sine stands below. Did you divide the scalar product a·b by both lengths? "
                "Angles are between directions."),
        Mistake("lengths of the columns", """
def my_slerp(a, b, t):
    na, nb = a.norm(dim=0), b.norm(dim=0)
    theta = ((a / na) * (b / nb)).sum(0).acos()
    direction = (((1 - t) * theta).sin() * a / na + (t * theta).sin() * b / nb) / theta.sin()
    return ((1 - t) * na + t * nb) * direction
""",
                "Lengths and angles are taken down the columns, over the pairs. Each row is a point: sum over the last axis."),
        Mistake("the straight line", "def my_slerp(a, b, t):\n    return a + (b - a) * t\n",
                "That is the straight line: its middle is shorter than a draw."),
        Mistake("lengths exchanged", direct(ARC, "(t * na + (1 - t) * nb)"),
                "The direction is right, the lengths are exchanged: at t = 0 it must be |a|."),
        Mistake("from b to a", direct("(t * theta).sin() * a / na + ((1 - t) * theta).sin() * b / nb", "(t * na + (1 - t) * nb)"),
                "It runs from b to a: at t = 0 it must be a."),
        Mistake("the line, stretched", "def my_slerp(a, b, t):\n    na, nb = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)\n"
                "    return ((1 - t) * na + t * nb) * F.normalize((1 - t) * a + t * b, dim=-1)\n",
                "That is the straight line, stretched to the right length: near, but its direction does not turn evenly. The weights are "
                "sines."),
        Mistake("line between the directions, "
                "stretched", "def my_slerp(a, b, t):\n    na, nb = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)\n"
                "    return ((1 - t) * na + t * nb) * F.normalize((1 - t) * a / na + t * b / nb, dim=-1)\n",
                "That is right at both ends and halfway. Elsewhere the direction runs ahead or lags behind: the weights are sines, not 1 "
                "− t and t."),
        Mistake("no sine of θ below", direct("theta.sin() * (" + ARC + ")"),
                "The division by sin θ is missing: at t = 0 the point is too short by that factor."),
        Mistake("one length for all rows", """
def my_slerp(a, b, t):
    na, nb = a.norm(), b.norm()
    theta = ((a / na) * (b / nb)).sum().acos()
    direction = (((1 - t) * theta).sin() * a / na + (t * theta).sin() * b / nb) / theta.sin()
    return ((1 - t) * na + t * nb) * direction
""",
                "You took one length and one angle for the whole batch. Each row has its own: give norm and sum the last axis."),
    ),
)  # fmt: skip
