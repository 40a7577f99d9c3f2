"""Notebook 01: an encoder whose heads can't say what they should."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
class MyEncoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.to_mu = nn.Sequential(nn.Linear(hidden, latent), nn.ReLU())
        self.to_log_var = nn.Sequential(nn.Linear(hidden, latent), nn.ReLU())

    def forward(self, x):  # [B, pixels] -> mu, log_var, each [B, latent]
        h = self.body(x)
        return self.to_mu(h), self.to_log_var(h)
"""

SOLUTION = (
    STUB.replace("to_mu = nn.Sequential(nn.Linear(hidden, latent), nn.ReLU())", "to_mu = nn.Linear(hidden, latent)")
    .replace("to_log_var = nn.Sequential(nn.Linear(hidden, latent), nn.ReLU())", "to_log_var = nn.Linear(hidden, latent)")
)  # fmt: skip

ONE_HEAD_OF_TWICE_THE_WIDTH = """
class MyEncoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(pixels, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))

    def forward(self, images):
        middle, width = self.layers(images).chunk(2, dim=-1)
        return middle, width
"""

CLAMPED = """
class MyEncoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.first, self.second = nn.Linear(pixels, hidden), nn.Linear(hidden, hidden)
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, x):
        h = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)
        return [self.mean(h), self.log_variance(h).clamp(-10, 10)]
"""

SOFTPLUS_SIGMA = """
class MyEncoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.to_mu, self.to_sigma = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, x):
        h = self.body(x)
        return self.to_mu(h), 2 * F.softplus(self.to_sigma(h)).log()
"""

NETWORKS = 8  # each begun with other weights: what none of them gives, none can
LOUD = 40.0  # inputs as large as this drive an output that has no bound far from 0


def observe(look, source, MyEncoder):
    networks, found = [], []
    for seed in torch.randint(10**6, (NETWORKS,), generator=source).tolist():
        torch.manual_seed(seed)
        networks.append(MyEncoder(12, 64, 7))
        x = LOUD * torch.randn(50, 12, generator=source)
        found.append(networks[-1](x))
    if any(pair is None for pair in found):
        look.missing("what the encoder gives", "None")
    pairs = all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in found)
    look.fact("the encoder gives two things, mu and log_var", pairs)
    if not pairs:
        return
    for pair in found[:1]:
        look.tensor("mu of 50 images", pair[0], shape=(50, 7), atol=1e9)
        look.tensor("log_var of 50 images", pair[1], shape=(50, 7), atol=1e9)
    mu, log_var = (torch.cat(parts) for parts in zip(*found))
    look.fact("μ takes both signs", bool((mu < 0).any() and (mu > 0).any()))
    look.fact("log σ² takes both signs (σ on both sides of 1)", bool((log_var < 0).any() and (log_var > 0).any()))
    look.fact("no value of μ comes again and again", repeats(mu) < 0.02)  # log σ² may be clamped, for safety
    look.fact("μ has no bound: strong inputs drive it beyond ±1.5", bool(mu.min() < -1.5 and mu.max() > 1.5))
    look.fact("log σ² can leave the middle: strong inputs drive it beyond ±1.5", bool(log_var.min() < -1.5 and log_var.max() > 1.5))
    look.fact("log σ² is 0 again and again", bool((log_var == 0).double().mean() > 0.02), judged=False)
    for high in (1.5, 200):
        look.fact(f"μ gets above {high}", bool(mu.max() > high), judged=False)
        look.fact(f"log σ² gets above {high}", bool(log_var.max() > high), judged=False)
    look.fact("μ and log σ² say different things", different(mu, log_var))
    network, x = networks[-1], LOUD * torch.randn(50, 12, generator=source)
    bend = (network(x)[0] + network(-x)[0] - 2 * network(0 * x)[0]).abs().max()  # 0 if the whole is one linear map
    look.fact("the layers below the heads still bend what goes through them", bool(bend > 1e-2 * mu.abs().max()))
    one, two = network(x), network(x)
    look.fact("the same images give the same μ and log σ²", all(torch.equal(a, b) for a, b in zip(one, two)))
    first = [p for p in network.parameters() if 12 in p.shape]
    taught = [torch.autograd.grad(part.square().sum(), first, retain_graph=True, allow_unused=True) for part in one]
    look.fact("both μ and log σ² teach the first layer", all(any(g is not None and g.any() for g in grads) for grads in taught))
    moved = torch.autograd.grad(sum((part * part.detach()).sum() for part in one), list(network.parameters()), allow_unused=True)
    look.fact("every weight of the encoder gets a gradient", all(g is not None and bool(g.any()) for g in moved))


def repeats(values):
    """How often the most frequent value comes."""
    return (values == values.flatten().mode().values).double().mean().item()


def different(mu, log_var):
    """Whether no dimension of the one follows from the same of the other."""
    return not any(torch.corrcoef(torch.stack(pair))[0, 1].abs() > 0.999 for pair in zip(mu.T, log_var.T))


def heads(to_mu: str, to_log_var: str) -> str:
    return SOLUTION.replace("self.to_mu = nn.Linear(hidden, latent)", f"self.to_mu = {to_mu}").replace(
        "self.to_log_var = nn.Linear(hidden, latent)", f"self.to_log_var = {to_log_var}"
    )


LINEAR = "nn.Linear(hidden, latent)"


def with_end(module: str) -> str:
    return f"nn.Sequential({LINEAR}, {module})"


TASK = Task(
    name="01-heads",
    title="find the fault in the encoder",
    section="10.2.5",
    minutes=6,
    statement="A colleague's VAE trains without an error, but its histogram of μ has nothing below 0, and its σ is never smaller than 1: "
    "the clouds are as wide as the prior, so that the codes of two images can hardly be told apart. Find the fault in the encoder below, "
    "and mend it.",
    answers=("MyEncoder",),
    stub=STUB,
    hints=(
        "Which values may μ take, and which log σ²? Which of them can this encoder give?",
        "μ is a place in the latent space, log σ² a logarithm: both are any number, negative ones too. Something in the encoder lets "
        "only "
        "half of them through.",
        "A ReLU between two layers lets the network bend; as the last thing before an output it cuts off all that is negative. Look "
        "at both "
        "heads.",
    ),
    solution=SOLUTION,
    why="A head ends with its linear layer. log σ² is used so that any number will do: exp makes a positive variance of it.",
    right="μ and log σ² take any number now, each from a head of its own; the hidden layers are as they were.",
    unanswered="The fault is still in it.",
    observe=observe,
    ways=(ONE_HEAD_OF_TWICE_THE_WIDTH, CLAMPED, SOFTPLUS_SIGMA),
    mistakes=(
        # bugs.md 6
        Mistake("log_var still cut", heads(LINEAR, with_end("nn.ReLU()")),
                "μ is mended. log σ² still never falls below 0, so that σ is at least 1: a cloud can't become narrower than the prior."),
        Mistake("mu still cut", heads(with_end("nn.ReLU()"), LINEAR),
                "log σ² is mended. μ still never falls below 0: the codes keep to one corner of the latent space, where a share of "
                "1/2 to the "
                "power L of the prior's draws lie."),
        Mistake("softplus on log_var", heads(LINEAR, with_end("nn.Softplus()")),
                "softplus keeps log σ² above 0 as the ReLU did, so σ stays above 1. It would do for σ itself; log σ² needs no such "
                "thing."),
        Mistake("exp on log_var", SOLUTION.replace("self.to_log_var(h)", "self.to_log_var(h).exp()"),
                "Now σ² comes out where log σ² is wanted: it is never below 0, and whoever uses it takes exp a second time."),
        Mistake("tanh on both", heads(with_end("nn.Tanh()"), with_end("nn.Tanh()")),
                "Both signs are there, but tanh keeps μ between −1 and 1, while the prior's draws reach beyond ±2."),
        Mistake("tanh on mu", heads(with_end("nn.Tanh()"), LINEAR),
                "log σ² is mended. tanh keeps μ between −1 and 1, while the prior's draws reach beyond ±2."),
        Mistake("tanh on log_var", heads(LINEAR, with_end("nn.Tanh()")),
                "μ is mended. tanh keeps log σ² between −1 and 1, so that σ is at least 0.6: too wide for a code that says much."),
        Mistake("log_var turned round", heads(LINEAR, with_end("nn.ReLU()")).replace("self.to_log_var(h)\n", "-self.to_log_var(h)\n"),
                "μ is mended. log σ² is now never above 0 in place of never below: half of what it should be able to say is still cut."),
        Mistake("leaky", heads(with_end("nn.LeakyReLU()"), with_end("nn.LeakyReLU()")),
                "The negative half is only weakened a hundredfold: strong inputs that drive the one side far hardly move the other."),
        Mistake("no bend at all", heads(LINEAR, LINEAR).replace(", nn.ReLU()", ""),
                "The heads are mended, but you took the ReLUs between the layers too: what is left is one linear map."),
        Mistake("one head for both", SOLUTION.replace("self.to_log_var(h)", "self.to_mu(h)"),
                "μ and log σ² come out of the same head, so one follows from the other. Each needs its own."),
        Mistake("a sample", SOLUTION.replace("return self.to_mu(h), self.to_log_var(h)",
                                             "mu, log_var = self.to_mu(h), self.to_log_var(h)\n"
                                             "        return mu + torch.exp(0.5 * log_var) * torch.randn_like(mu), log_var"),
                "The same images give another μ at each call: the noise belongs after the encoder, in z = μ + σ ε."),
    ),
)  # fmt: skip
