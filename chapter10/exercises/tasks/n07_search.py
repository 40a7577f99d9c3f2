"""Notebook 07: from x to z by a search through a decoder (Creswell and Bharath 2016)."""

import torch

from chapter10 import recipes
from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

IMAGES, CALLS, ERROR = 12, 300, 0.05

HEAD = "def my_search(decode, x, latent_dim):  # z [R, L] -> [R, 784]; [N, 784]; L -> z [N, L]\n"
STUB = f"\n{HEAD}    return None\n"


def search(
    starts: str = "32", start: str = "torch.randn(starts * len(x), latent_dim)", loss: str = "(decode(z) - target).square().sum()",
    zero: str = "optimizer.zero_grad()", lr: str = "0.15", steps: str = "100", choose: str = "error.argmin(0)", optimizer: str = "Adam",
) -> str:
    return HEAD + f"""\
    starts = {starts}
    z = ({start}).requires_grad_()
    target = x.repeat(starts, 1)
    optimizer = torch.optim.{optimizer}([z], {lr})
    for _ in range({steps}):
        {zero}
        {loss}.backward()
        optimizer.step()
    with torch.no_grad():
        error = (decode(z) - target).square().mean(1).view(starts, len(x))
    best = {choose}
    return z.detach().view(starts, len(x), latent_dim)[best, torch.arange(len(x))]
"""


SOLUTION = search()

ONE_AFTER_THE_OTHER = """
def my_search(decode, x, latent_dim):
    found, smallest = torch.zeros(len(x), latent_dim), torch.full((len(x),), math.inf)
    many = 24
    codes = [torch.randn(len(x), latent_dim) for _ in range(many)]
    z = nn.Parameter(torch.stack(codes, 1))  # [N, many, L]
    descent = torch.optim.Adam([z], lr=0.15)
    for step in range(120):
        descent.param_groups[0]["lr"] = 0.15 * (1 - step / 120)
        error = F.mse_loss(decode(z.flatten(0, 1)).unflatten(0, (-1, many)), x[:, None].expand(-1, many, -1), reduction="none").mean(2)
        (z.grad,) = torch.autograd.grad(1000 * error.sum(), z)
        for k in range(many):
            better = error[:, k] < smallest
            smallest[better], found[better] = error[better, k].detach(), z[better, k].detach()
        descent.step()
    return found
"""


GRID_FIRST = """
def my_search(decode, x, latent_dim):
    with torch.no_grad():
        tried = 1.5 * torch.randn(3000, latent_dim)
        z = tried[torch.cdist(x, decode(tried)).argmin(1)]
    for step in range(250):
        z.requires_grad_()
        (slope,) = torch.autograd.grad((decode(z) - x).square().mean(), z)
        z = (z - 0.02 * (1 - step / 250) * slope.sign()).detach()
    return z
"""


class Counted:
    """A decoder that counts its calls, and sees from which starts a search begins and which pictures it reaches."""

    def __init__(self, x: torch.Tensor) -> None:
        self.decode, _ = decoder()
        self.x, self.calls, self.rows, self.same, self.last = x, 0, 0, False, torch.zeros(1, 1)
        self.reached = torch.full((len(x),), torch.inf)

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        self.calls, self.last = self.calls + 1, z.detach()
        pictures = self.decode(z)
        if self.calls == 1 and z.ndim == 2:
            self.rows = len(z)
            self.same = len(z) > 1 and bool((z - z[:1]).abs().max() == 0)
        if self.x.shape[1:] == pictures.shape[1:] and self.calls % 10 == 0:
            self.reached = torch.minimum(self.reached, errors(pictures.detach(), self.x).min(0).values)
        return pictures


def decoder():
    """z [R, L] -> pictures [R, 784] in [0, 1], and L: of the stored VAE with two latent dimensions."""
    model = recipes.load("vae2-digits").eval().requires_grad_(False)
    return lambda z: model.decode(z).sigmoid(), model.latent_dim


def errors(pictures: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Root mean square errors of a pixel, of each picture [R, D] to each image [N, D]: [R, N]."""
    return torch.cdist(pictures, x) / x.shape[1] ** 0.5


def observe(look, source, my_search):
    plain, latent_dim = decoder()
    x = plain(torch.randn(IMAGES, latent_dim, generator=source))
    decode = Counted(x)
    z = look.tensor("your z, one for each image", look.call(my_search, decode, x, latent_dim),
                    shape=(IMAGES, latent_dim), rtol=0, atol=1e9)  # any z; its picture counts
    calls = decode.calls
    look.fact("all of your z are finite numbers", bool(z.isfinite().all()))
    if not z.isfinite().all():
        raise Enough
    with torch.no_grad():
        error = errors(decode.decode(z.detach().float()), x).diagonal()
        drawn = errors(decode.decode(torch.randn(200, latent_dim, generator=source)), x).mean().item()
    look.fact("there is more than one start for an image", decode.rows > IMAGES, judged=False)
    look.fact("all starts are the same", decode.same, judged=False)
    look.fact("some images are found", bool((error < ERROR).double().mean() >= 0.25), judged=False)
    look.fact("the z are worse than drawn ones", bool(error.mean() > 1.2 * drawn), judged=False)
    look.fact("some start had reached each image", bool((decode.reached < ERROR).all()), judged=False)
    if (decode.reached < ERROR).all() and (error < ERROR).double().mean() < 0.25:  # found, and then lost
        look.fact("some z lie far out", bool(z.abs().max() > 6), judged=False)
        tried = decode.last.reshape(-1, decode.last.shape[-1])
        look.fact("most z were tried", tried.shape[1] == latent_dim and
                  bool((torch.cdist(z.detach().float(), tried.float()).min(1).values < 0.05).double().mean() > 0.5), judged=False)
    look.at_most("the mean error of a pixel", error.mean(), ERROR)
    look.at_most(f"the largest error of a pixel among {IMAGES} images", error.max(), ERROR)
    look.at_most("the number of times that decode was called", calls, CALLS)


TASK = Task(
    name="07-search",
    title="back to z, without an encoder",
    section="10.4",
    minutes=25,
    statement=f"Write the search for z: for each image of x [N, 784] in [0, 1], the z [N, L] whose picture `decode(z)` is nearest. The "
            f"check "
    f"draws {IMAGES} images with the decoder of a stored VAE that has L = 2 (of scikit-learn's digits), so for each there is a z that "
    f"makes "
    f"it exactly; its encoder you don't get. Asked for is an error of a pixel (root mean square) of at most {ERROR} for *every* image, "
    f"with at "
    f"most {CALLS} calls of `decode`; a call may have as many rows as you like. Write it without `comparison.invert`.",
    answers=("my_search",),
    stub=STUB,
    hints=(
        "|decode(z) − x|² is a function of z alone. How is its smallest value found, and can a descent end somewhere else?",
        "From one start some images are missed: the descent ends in a valley that isn't the deepest. Rows of one call can be many starts.",
        "z [starts · N, L] with requires_grad, x repeated as often, Adam with a rate near 0.1, and at the end for each image the start "
        "with the smallest error.",
    ),
    solution=SOLUTION,
    why="A descent finds the valley in which it begins. Several starts, and for each image the best of them, make it safe; an encoder "
            "answers "
    "at once because it has learnt the way during training.",
    right="Every image found, within the calls. Of an image that no z makes exactly, the nearest picture is all that a search can find.",
    observe=observe,
    ways=(ONE_AFTER_THE_OTHER, GRID_FIRST),
    setting="from chapter10 import comparison, recipes\n",
    mistakes=(
        Mistake("one start", search(starts="1"),
                "Some images are found and some are missed: from one start a descent may end in a valley that isn't the deepest. The "
                "error is {found}."),
        Mistake("one start, at 0", search(starts="1", start="torch.zeros(len(x), latent_dim)"),
                "Every image begins at z = 0, and from one start a descent may end in a valley that isn't the deepest: an error of {found} "
                "remains. Draw several starts for each image."),
        Mistake("image by image", HEAD + """\
    found = []
    for image in x:
        z = torch.zeros(1, latent_dim, requires_grad=True)
        optimizer = torch.optim.Adam([z], 0.1)
        for _ in range(100):
            optimizer.zero_grad()
            (decode(z) - image).square().sum().backward()
            optimizer.step()
        found.append(z.detach())
    return torch.cat(found)
""",
                "Each image gets a descent of its own, from one start: some end in a valley that isn't the deepest (the error is "
                "{found}), and decode is called too often. Put all images and starts into one call."),
        Mistake("the mean of the starts", search(choose="error.argmin(0)").replace(
                    "z.detach().view(starts, len(x), latent_dim)[best, torch.arange(len(x))]",
                    "z.detach().view(starts, len(x), latent_dim).mean(0)"),
                "Each image was reached, but you hand back a mean of the starts: between two valleys lies a hill. The error is {found}."),
        Mistake("gradients that pile up", search(zero="pass"),
                "The gradients pile up from step to step, so the z run past their goals: an error of {found}. Zero them before each "
                "backward()."),
        Mistake("not the best start of each image", search(choose="error.sum(1).argmin().expand(len(x))"),
                "Some start had reached each image, but for some you hand back another one. Compare the errors image by image: one start "
                "for all won't do, nor the last."),
        Mistake("starts that are the same", search(start="torch.zeros(starts * len(x), latent_dim)"),
                "All of your starts are the same z, so they go the same way, and end in the same valley. Draw them."),
        Mistake("uphill", search(loss="(-(decode(z) - target).square().sum())"),
                "It goes uphill: your z make pictures that are worse than those of drawn z, with an error of {found}. The sign of the "
                "loss is turned."),
        Mistake("a rate too small", search(lr="1e-3"),
                "The steps are too small to arrive: the mean error is still {found} after all calls. Raise the rate."),
        Mistake("too many calls", search(steps="310", starts="24"),
                "Every image is found, but decode was called {found} times. Put the starts into one call, and take fewer steps."),
        Mistake("no search", HEAD + "    return torch.randn(len(x), latent_dim)\n",
                "These z were not searched for: their pictures are as far from x as any draws', with an error of {found}."),
    ),
    seconds=30,
    situations=1,
    points=4,
)  # fmt: skip
