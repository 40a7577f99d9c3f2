"""Notebook 03: the chapter's reparameterize."""

import torch

from chapter10.exercises.look import Enough
from chapter10.exercises.task import Mistake, Task

STUB = '''
def reparameterize(mu, log_var):  # [B, L], [B, L] -> [B, L]
    return None
'''

SOLUTION = '''
def reparameterize(mu, log_var):
    return mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
'''

BY_THE_ROOT = '''
def reparameterize(mean, log_variance):
    sample = torch.randn(*mean.shape, dtype=mean.dtype, device=mean.device)
    sample = sample * log_variance.exp().sqrt()
    sample += mean
    return sample
'''

BY_THE_LIBRARY = '''
def reparameterize(mu, log_var):
    return torch.distributions.Normal(mu, (log_var / 2).exp()).rsample()
'''

ROWS = 20_000


def observe(look, source, reparameterize):
    # float64: the gradient below divides by z − μ, of which float32 would leave few digits where the noise is near 0
    mu = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64).repeat(ROWS, 1).requires_grad_()
    log_var = torch.tensor([0.5, 2.0, 1.2], dtype=torch.float64).square().log().repeat(ROWS, 1).requires_grad_()
    # z itself is drawn: any finite numbers of the right shape will do
    z = look.call(reparameterize, mu, log_var)
    if isinstance(z, tuple):
        look.missing("what your function gives", f"a tuple of {len(z)}, where the sample z alone is expected")
    z = look.tensor("your z", z, shape=(ROWS, 3), rtol=0, atol=1e6)
    plain = z.detach().cpu().double()
    rows_differ = bool((plain.std(0) > 1e-9).any())
    look.fact("two rows with the same μ and σ have different z", rows_differ)
    if not rows_differ:  # what one draw for all gives differs from one way of writing it to the next: it is not looked at
        look.fact("all z are their μ", torch.equal(plain, mu.detach()), judged=False)
        raise Enough
    look.tensor("the spread of z where σ is 0.5, 2 and 1.2", plain.std(0), rtol=0.04, atol=0)
    look.tensor("the mean of z where μ is 3, −1 and 0.5", plain.mean(0), rtol=0, atol=0.11)
    noise = (plain - mu.detach()) * (-0.5 * log_var.detach()).exp()
    look.tensor("the share of z within one σ of μ", (noise.abs() < 1).double().mean(0), rtol=0, atol=0.025)
    pairs = torch.stack([(noise[:, i] * noise[:, j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
    look.tensor("the correlation between the noise of two latent dimensions", pairs, rtol=0, atol=0.055)
    look.tensor("the correlation between the noise of one row and the next", (noise[1:] * noise[:-1]).mean(), rtol=0, atol=0.055)
    again = torch.as_tensor(reparameterize(mu, log_var)).detach().cpu().double()
    look.fact("two calls give two samples", not torch.equal(plain, again))
    look.gradient("the gradient of z in mu", z, mu)
    # d log|z − μ| / d log σ² is ½ for all noise
    look.gradient("the gradient of log |z − μ| in log_var", (z - mu.detach()).abs().log(), log_var)
    narrow = torch.full((2, 3), -80.0)
    mean = torch.randn(2, 3, generator=source)
    look.tensor("z where σ is nearly 0", look.call(reparameterize, mean, narrow), shape=(2, 3))


def wrong(line: str) -> str:
    return f"def reparameterize(mu, log_var):\n    return {line}\n"


TASK = Task(
    name="03-reparameterize",
    title="write it",
    section="10.2.4",
    minutes=5,
    statement="Your turn: the chapter's `reparameterize`. `mu` and `log_var` are what the encoder gives, both [B, L]; `log_var` is "
    "log σ². Return one sample z [B, L] through which gradients reach both.",
    answers=("reparameterize",),
    setting="from torch.distributions import Normal\n",
    stub=STUB,
    hints=(
        "In which way can you write a sample of N(μ, σ²) so that μ and σ are in it, and the random part doesn't depend on them?",
        "Draw ε from N(0, I) first: z = μ + σ·ε. Every entry has noise of its own.",
        "σ is the square root of σ², and log √a = ½ log a. `torch.randn_like(t)` draws noise of the shape of t.",
    ),
    solution=SOLUTION,
    why="With the noise drawn first, z is a smooth function of μ and log σ²: ∂z/∂μ = 1, and ∂z/∂(log σ²) = ½ σ·ε.",
    right="The distribution and both gradients are as they should be.",
    observe=observe,
    ways=(BY_THE_ROOT, BY_THE_LIBRARY),
    situations=1,
    mistakes=(
        Mistake("σ² for σ", wrong("mu + log_var.exp() * torch.randn_like(mu)"),  # bugs.md 5
                "Where σ is 0.5 your z spread by {found}: that is σ², not σ. log_var is log σ², and the noise is scaled by its root."),
        Mistake("half outside", wrong("mu + 0.5 * log_var.exp() * torch.randn_like(mu)"),
                "Where σ is 0.5 your z spread by {found}, which is σ²/2. Half of the *logarithm* gives a root."),
        Mistake("log_var for σ", wrong("mu + log_var * torch.randn_like(mu)"),
                "Where σ is 0.5 your z spread by {found}: you scale the noise by log_var itself, which may even be below 0."),
        Mistake("root of log_var", wrong("mu + log_var.sqrt() * torch.randn_like(mu)"),
                "Where σ is below 1, log_var is below 0 and has no root: NaN. The root is wanted of σ², whose logarithm log_var is."),
        Mistake("not scaled", wrong("mu + torch.randn_like(mu)"),
                "The spread is {found} whatever log_var says: the noise is not scaled by σ."),
        Mistake("log_var as log σ⁴", wrong("mu + (0.25 * log_var).exp() * torch.randn_like(mu)"),
                "Where σ is 0.5 your z spread by {found}: that is √σ. One root is enough."),
        Mistake("log_var as log σ", wrong("mu + log_var.exp().square() * torch.randn_like(mu)"),
                "Where σ is 0.5 your z spread by {found}: that is σ⁴. log_var is log σ² already; half of it is the logarithm of σ."),
        Mistake("1/σ for σ", wrong("mu + (-0.5 * log_var).exp() * torch.randn_like(mu)"),
                "Where σ is 0.5 your z spread by {found}: that is 1/σ. Look at the sign in the exponent."),
        Mistake("log σ for σ", wrong("mu + 0.5 * log_var * torch.randn_like(mu)"),
                "Half of log_var is log σ, which may even be below 0. The noise is scaled by σ itself."),
        Mistake("no noise", wrong("mu"),
                "All z of a column are equal: where is the noise?"),
        Mistake("one noise for all rows", wrong("mu + torch.exp(0.5 * log_var) * torch.randn(mu.shape[1])"),
                "All rows share one draw: every row needs noise of its own, so draw it in the shape of mu."),
        Mistake("one noise for all dimensions", wrong("mu + torch.exp(0.5 * log_var) * torch.randn(len(mu), 1)"),
                "The latent dimensions share their noise: every entry needs its own, so draw it in the shape of mu."),
        Mistake("uniform noise", wrong("mu + torch.exp(0.5 * log_var) * torch.rand_like(mu)"),
                "Where σ is 0.5 your z spread by {found}, and their mean is off. rand is uniform on [0, 1]; the noise is normal."),
        Mistake("always the same noise",
                "def reparameterize(mu, log_var):\n    torch.manual_seed(0)\n"
                "    return mu + (log_var / 2).exp() * torch.randn_like(mu)\n",
                "Two calls give the same sample: a seed inside the function freezes the noise for good."),
        Mistake("sample()", wrong("torch.distributions.Normal(mu, (0.5 * log_var).exp()).sample()"),
                "The right distribution, and no gradient: between mu and log_var and your z the graph is cut. (sample(), no_grad, "
                "detach and numpy do that.)"),
        Mistake("torch.normal", wrong("torch.normal(mu, (0.5 * log_var).exp())"),
                "The right distribution, and a gradient of 0 in mu, where ∂z/∂μ is 1: torch.normal takes its draw as constant."),
        Mistake("σ cut off", wrong("mu + (0.5 * log_var).exp().detach() * torch.randn_like(mu)"),
                "mu gets its gradient, log_var does not: ∂z/∂(log σ²) is ½ σ·ε."),
        Mistake("μ cut off", wrong("mu.detach() + (0.5 * log_var).exp() * torch.randn_like(mu)"),
                "log_var gets its gradient, mu does not: ∂z/∂μ is 1."),
    ),
)  # fmt: skip
