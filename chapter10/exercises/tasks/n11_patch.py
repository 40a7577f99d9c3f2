"""Notebook 11: how many pixels one score of a patch discriminator sees."""

from chapter10.exercises.task import Mistake, Task


def code(line: str, start: str = "1", order: str = "reversed(layers)", grows: str = "") -> str:
    return f"""
def patch(layers):
    seen{", step" if grows else ""} = {start}
    for kernel, stride in {order}:
        seen = {line}
{grows}    return seen
"""


FORWARD = code("seen + (kernel - 1) * step", "1, 1", "layers", "        step *= stride\n")

EARLY = '''
def patch(layers):
    seen, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        seen = seen + (kernel - 1) * step
    return seen
'''

BY_GRADIENT = '''
def patch(layers):
    x = torch.zeros(1, 1, 600, requires_grad=True)
    h = x
    for kernel, stride in layers:
        h = F.conv1d(h, torch.ones(1, 1, kernel), stride=stride)
    (slope,) = torch.autograd.grad(h[0, 0, 0], x)
    return int((slope != 0).sum())
'''

STUB = '''
def patch(layers):
    """(kernel, stride) of each convolution, the first one first -> the side of what one score sees, in pixels."""
    return None
'''


def observe(look, source, patch):
    nets = {
        "of one convolution": [(5, 1)],
        "of one convolution with stride 3": [(4, 3)],
        "of part 3.1's discriminator": [(4, 2), (4, 1), (4, 1)],
        "of the authors' discriminator": [(4, 2)] * 3 + [(4, 1)] * 2,
        "of three different convolutions": [(3, 2), (5, 3), (2, 1)],
        "of the same three the other way round": [(2, 1), (5, 3), (3, 2)],
    }
    for words, layers in nets.items():
        kept = list(layers)
        look.number(f"the patch {words}, {layers}", patch(layers), within=0.01)
        look.fact(f"`layers` is left as it was, for the patch {words}", layers == kept)


TASK = Task(
    name="11-patch",
    title="what one score sees",
    section="10.5.2",
    minutes=10,
    statement="The discriminator of part 3.1 is three convolutions: 4×4 with stride 2, and twice 4×4 with stride 1. One of its scores "
    "sees a square of 16×16 pixels. Write the side of that square for any list of convolutions, `[(kernel, stride), ...]`, the first "
    "one first. (Norms, edges and what is padded don't count.)",
    answers=("patch",),
    stub=STUB,
    hints=(
        "How many places of the map before it does one score of the last convolution see? And one place of that map, of the one before?",
        "Go from the score back to the image. A stretch of n neighbouring places sees, in the map before, n windows of `kernel` "
        "places that begin `stride` apart.",
        "n windows that begin a stride apart: the first is `kernel` wide, each of the other n − 1 adds a stride.",
    ),
    solution=code("(seen - 1) * stride + kernel"),
    why="From the score back: n places see (n − 1)·stride + kernel of the map before. Each stride multiplies what the layers after it "
    "add, so the authors' five small convolutions see 70 pixels.",
    right="16 for part 3.1's discriminator, 70 for the authors', and any other.",
    observe=observe,
    situations=1,
    ways=(FORWARD, BY_GRADIENT),
    mistakes=(
        Mistake("without strides", code("seen + kernel - 1"),
                "Too small: you leave out the strides. Behind a stride of 2, one place more is two pixels more."),
        Mistake("kernels multiplied", code("seen * kernel"),
                "Kernels don't multiply: two neighbouring windows overlap, unless the stride is as large as the kernel."),
        Mistake("from the image on", code("(seen - 1) * stride + kernel", order="layers"),
                "Right for one convolution. With several the order matters: you go from the image to the score, and this way of "
                "reckoning goes from the score to the image."),
        Mistake("seen times stride plus kernel", code("seen * stride + kernel"),
                "A stride too much: n windows that begin a stride apart have n − 1 strides between them."),
        Mistake("its own stride times the kernel", code("seen + (kernel - 1) * stride"),
                "Each layer's kernel is spread by the strides of all layers *before* it, not by its own."),
        Mistake("kernels added up", code("seen + kernel", start="0"),
                "Kernels don't add up: two windows side by side overlap, and a stride spreads what the layers after it see."),
        Mistake("the area", code("(seen - 1) * stride + kernel").replace("return seen", "return seen**2"),
                "That is how many pixels there are in the square; its side was asked."),
        Mistake("the side of the map of scores", code("(seen - kernel) // stride + 1", start="28", order="layers"),
                "That is how many scores an image of 28 pixels gets along a side. Asked is how many pixels *one* of them sees."),
        Mistake("begun at 0", code("(seen - 1) * stride + kernel", start="0"),
                "A score is one place: begin with 1. Yours says {found} for a single convolution."),
        Mistake("the stride of the layer itself", EARLY,
                "You multiply by the stride too early: a layer's own stride spreads what the layers *after* it see, not its own kernel."),
        Mistake("kernel times all strides", code("seen + kernel * step", "0, 1", "layers", "        step *= stride\n"),
                "Windows overlap: each layer adds its kernel less one, times the strides before it, to the one pixel you begin with."),
    ),
)  # fmt: skip
