"""Notebook 10: three faults of a generator as it stands in popular collections. bugs.md 19 (both halves) and 20."""

from copy import deepcopy

import torch
from torch import nn

from chapter10.exercises.task import Mistake, Task

CODE = '''
class Borrowed(nn.Module):
    latent_dim = 100

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(100, 32 * 49)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(32{0}), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16{0}), nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
        ){1}

    def forward(self, z):  # [B, 100] -> [B, 784]
        return self.rest(self.first(z).view(-1, 32, 7, 7)).flatten(1)

    def sample(self, z):  # [B, 100] -> [B, 784], to be looked at in the midst of a training
{2}


def weights_init_normal(module):
    if "Conv" in type(module).__name__:
        nn.init.normal_(module.weight, 0.0, 0.02)
'''

APPLIED = "\n        self.apply(weights_init_normal)"
IN_TRAIN = "        with torch.no_grad():\n            return self(z)"
IN_EVAL = """        training = self.training
        self.eval()
        with torch.no_grad():
            images = self(z)
        self.train(training)
        return images"""


def borrowed(norm: str = "", init: str = APPLIED, sample: str = IN_EVAL) -> str:
    return CODE.format(norm, init, sample)


ON_A_COPY = """        with torch.no_grad():
            return deepcopy(self).eval()(z)"""

BY_HAND = '''
def normed(width):
    return nn.BatchNorm2d(width, eps=1e-5, momentum=0.2)


class Borrowed(nn.Module):
    latent_dim = 100

    def __init__(self):
        super().__init__()
        convolutions = [nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ConvTranspose2d(16, 1, 4, 2, 1)]
        with torch.no_grad():
            for convolution in convolutions:
                convolution.weight.copy_(0.02 * torch.randn_like(convolution.weight))
        self.model = nn.Sequential(
            nn.Linear(100, 32 * 49), nn.Unflatten(1, (32, 7, 7)), normed(32), nn.ReLU(), convolutions[0], normed(16), nn.ReLU(),
            convolutions[1], nn.Tanh(), nn.Flatten(),
        )

    def forward(self, z):
        return self.model(z)

    @torch.no_grad()
    def sample(self, z):
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        before = [m.training for m in norms]
        for m in norms:
            m.eval()
        try:
            return self(z)
        finally:
            for m, was in zip(norms, before):
                m.train(was)
'''


def observe(look, source, made):
    nets = [made() for _ in range(8)]
    norms = [m for net in nets for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    look.fact("each generator has its two batch norms", len(norms) == 2 * len(nets))
    maps = 0.1 * torch.randn(50, 32, 7, 7, generator=source)  # of variance 0.01
    with torch.no_grad():
        spread = [norm.train()(maps[:, : norm.num_features]).var().item() for norm in norms[:2]]
    look.at_least("the variance with which maps of variance 0.01 leave batch norm", min(spread, default=1.0), 0.95)
    convolutions = [[m.weight for m in net.modules() if isinstance(m, nn.ConvTranspose2d)] for net in nets]
    for place, weights in zip(("first", "second"), zip(*convolutions)):
        weights = torch.cat([weight.detach().flatten() for weight in weights])
        look.at_least(f"the deviation of the {place} convolution's weights", weights.std().item(), 0.018)
        look.at_most(f"the deviation of the {place} convolution's weights, from above", weights.std().item(), 0.022)
        look.at_most(f"how far the mean of the {place} convolution's weights lies from 0", weights.mean().abs().item(), 0.003)

    net, z = made().train(), torch.randn(6, 100, generator=source)
    look.fact("`latent_dim` is 100", getattr(net, "latent_dim", None) == 100)
    for _ in range(20):  # so that the running means are of use
        net(torch.randn(8, 100, generator=source))
    means = [buffer.clone() for buffer in net.buffers()]
    images = look.tensor("samples", look.call(net.sample, z) * 0, shape=(6, 784))
    look.fact("sampling leaves the running means as they were", all(map(torch.equal, means, net.buffers())))
    look.fact("samples carry no graph", not images.requires_grad)
    look.fact("the network trains on after sampling", all(m.training for m in net.modules()))
    one, among = net.sample(z)[:2], net.sample(torch.cat([z[:2], 3 * torch.randn(6, 100, generator=source)]))[:2]
    look.fact("a sample is the same whatever other z are drawn with it", torch.allclose(one, among, atol=1e-5))
    look.fact("samples of two z differ", not torch.allclose(one[0], one[1], atol=1e-3))
    net.eval().sample(z)
    with torch.no_grad():
        drawn = deepcopy(net).eval()(z)[:2]
    look.fact("a sample is what the network makes of z in eval mode, from −1 to 1", torch.allclose(one, drawn, atol=1e-5))
    look.fact("sampling leaves eval mode as it was", not any(m.training for m in net.modules()))
    in_train = net.train()(z)
    look.fact("in train mode an image still depends on its batch", not torch.allclose(in_train[:2], net(z[:4])[:2], atol=1e-5))
    look.fact("all values lie between −1 and 1", bool((in_train.abs() <= 1).all()))
    in_train.square().sum().backward()
    look.fact("every weight gets a gradient", all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters()))


LEFT = {
    "norm": "Of maps with a variance of 0.01 batch norm should make maps with a variance of 1, and makes a far smaller one: print a "
    "batch norm, and see what its second argument is the name of.",
    "init": "The weights of the convolutions don't have the deviation 0.02: is the initialiser called, and are the layers there by then?",
    "sample": "A sample changes when other z are drawn with it: sampling still normalises by the batch.",
}
FAULTS = {"norm": ", 0.8", "init": "", "sample": IN_TRAIN}


def partly(*left: str) -> Mistake:
    count = {1: "Two of the three are mended. ", 2: "One of the three is mended. "}[len(left)]
    code = borrowed(**{name: FAULTS[name] for name in left})
    return Mistake(f"left: {', '.join(left)}", code, count + " ".join(LEFT[name] for name in left))


TASK = Task(
    name="10-borrowed",
    title="three faults",
    section="10.5.2",
    minutes=15,
    statement="A generator after one in a popular collection. It trains, badly, and the samples that are looked at on the way look "
    "worse than they are. Three things are not as their author meant them; two of them part 2 and part 3 speak of. Print what you "
    "need to see, and mend the class. Sampling is to leave the network as it found it.",
    answers=("Borrowed",),
    stub=borrowed(**FAULTS).strip(),
    unanswered="All three faults are still in it.",
    hints=(
        "What is the second argument of `BatchNorm2d`? What is the standard deviation of `Borrowed().rest[2].weight`? In which mode "
        "does `sample` draw?",
        "The author of the 0.8 meant the momentum, the third argument. A function that nobody calls does nothing. And batch norm has "
        "two modes.",
        "`module.apply(function)` calls a function on every layer, once the layers are there. `eval()` before drawing; afterwards the "
        "mode that was found, `self.training`.",
    ),
    solution=borrowed(),
    why="0.8 was ε, which is added to the variance: maps with a variance of 0.01 came out with one of 0.01 / 0.81. The initialiser "
    "was defined and never called. And samples made in train mode are not functions of z.",
    right="Batch norm brings maps to a variance of 1, the weights have the deviation 0.02, and a sample depends on its z alone.",
    observe=observe,
    setting="from copy import deepcopy\n",
    ways=(
        borrowed(norm=", momentum=0.8"),
        borrowed(norm=", 1e-5, 0.2", sample=ON_A_COPY),
        BY_HAND,
        borrowed(init="\n        for layer in self.modules():\n            weights_init_normal(layer)"),
    ),
    mistakes=(
        partly("norm"),
        partly("init"),
        partly("sample"),
        partly("norm", "init"),
        partly("norm", "sample"),
        partly("init", "sample"),
        Mistake("stays in eval mode", borrowed(sample="        self.eval()\n" + IN_TRAIN),
                "All three are mended, but after `sample` the network stays in eval mode: the training that goes on would use the "
                "running means. Leave it in the mode in which you found it."),
        Mistake("train mode afterwards", borrowed(sample=IN_EVAL.replace("self.train(training)", "self.train()")),
                "After `sample` the network is in train mode even if it was in eval mode before: put back the mode that you found."),
        Mistake("no batch norm", borrowed().replace("nn.BatchNorm2d(32), ", "").replace("nn.BatchNorm2d(16), ", ""),
                "Without batch norm its fault is gone, and batch norm as well: it is to be mended, not left out."),
        Mistake("batch norm's weights drawn as well",
                borrowed().replace('if "Conv" in type(module).__name__:', 'if hasattr(module, "weight"):'),
                "Your initialiser draws batch norm's weights around 0 as well, so that it makes its maps fifty times too small: they "
                "belong around 1. The convolutions' alone are meant."),
        Mistake("samples brought to [0, 1]", borrowed(sample=IN_EVAL.replace("return images", "return (images + 1) / 2")),
                "All three are mended, but your samples have another range than what the network makes: leave them in [−1, 1]."),
        Mistake("samples with a graph", borrowed(sample=IN_EVAL.replace("with torch.no_grad():\n            images", "images")),
                "The samples still hang on the graph of how they were made: who keeps them keeps all of it."),
    ),
)  # fmt: skip
