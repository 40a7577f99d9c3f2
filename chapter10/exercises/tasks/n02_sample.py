"""Notebook 02: an ELBO that repeats to the last digit."""

import torch

from chapter10.exercises.task import Mistake, Task

SETTING = "from chapter10.vae import bernoulli_log_likelihood, gaussian_kl, reparameterize\n"
MANY, COPIES = 600, 40  # samples, and how often each image is there: the standard error is 0.02 to 0.07 nats

STUB = """
def my_elbo(x, mu, log_var, decode, samples):  # [B, D], [B, L], [B, L], z [B, L] -> logits [B, D], a number -> [B]
    total = 0
    for _ in range(samples):
        z = mu
        total = total + bernoulli_log_likelihood(decode(z), x)
    return total / samples - gaussian_kl(mu, log_var)
"""

SOLUTION = STUB.replace("z = mu\n", "z = reparameterize(mu, log_var)\n")

ALL_AT_ONCE = """
def my_elbo(x, mu, log_var, decode, samples):
    q = torch.distributions.Normal(mu, log_var.mul(0.5).exp())
    z = q.sample((samples,))
    logits = decode(z)
    pixels = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(2)
    return pixels.mean(0) - gaussian_kl(mu, log_var)
"""

BOTH_TERMS_SAMPLED = """
def my_elbo(x, mu, log_var, decode, samples):
    found = []
    for _ in range(samples):
        eps = torch.randn_like(mu)
        z = mu + eps * torch.sqrt(log_var.exp())
        log_ratio = -0.5 * (z**2 - eps**2 - log_var).sum(1)  # log p(z) - log q(z|x)
        found.append(bernoulli_log_likelihood(decode(z), x) + log_ratio)
    return torch.stack(found).mean(0)
"""


def observe(look, source, my_elbo):
    rows, pixels, latent = 5, 12, 3
    x = torch.rand(rows, pixels, generator=source).round()
    weight, bias = 0.5 * torch.randn(latent, pixels, generator=source), torch.randn(pixels, generator=source)
    mu, log_var = 1.2 * torch.randn(rows, latent, generator=source), 0.8 + 0.3 * torch.randn(rows, latent, generator=source)

    def decode(z):
        return z @ weight + bias

    def shrugs(z):
        return bias.expand(*z.shape[:-1], pixels)

    def see(name, log_var, decode):
        found = look.call(my_elbo, *(part.repeat(COPIES, 1) for part in (x, mu, log_var)), decode, MANY)
        found = look.tensor(f"one number for each image: {name}", found, shape=(rows * COPIES,), atol=1e9)
        # within five standard errors, of the answer's estimate and of the solution's
        look.tensor(name, found.view(COPIES, rows).mean(0), rtol=0, atol=0.45)

    see("the ELBO of five images", log_var, decode)
    see("the ELBO with a decoder that ignores z", log_var, shrugs)
    see("the ELBO of clouds next to no width", log_var - 9, decode)
    one, more = (torch.stack([torch.as_tensor(my_elbo(x, mu, log_var, decode, n)) for _ in range(40)]).std(0).mean() for n in (1, 25))
    look.fact("two evaluations with one sample each differ", bool(one > 1e-3))
    look.fact("with 25 samples it scatters about a fifth as much as with one", bool(one > 3.3 * more))


def elbo(z: str, kl: str = " - gaussian_kl(mu, log_var)", divided: str = " / samples") -> str:
    return (
        STUB.replace("z = mu\n", f"z = {z}\n").replace(" - gaussian_kl(mu, log_var)", kl).replace(" / samples", divided)
    )


SAMPLE = "reparameterize(mu, log_var)"

TASK = Task(
    name="02-sample",
    title="find the fault in the evaluation",
    section="10.2.3",
    minutes=6,
    statement="A colleague reports a VAE's ELBO with the function below. Whoever runs it again gets the same number to the last "
    "digit, with 1 sample "
    "and with 1,000, and for some images it lies above log p(x). Find the fault, and mend it. `decode` takes z [B, L] to logits [B, D].",
    answers=("my_elbo",),
    stub=STUB,
    setting=SETTING,
    hints=(
        "Over what is the first term of the ELBO a mean? Where in the function is that drawn?",
        "E over q(z|x) is a mean over samples of the cloud N(μ, σ²). The function asks for one point of it, its middle, again and again.",
        "Draw z anew in each round: the package's `reparameterize` does it, or μ + σ ε with σ = exp(log σ² / 2).",
    ),
    solution=SOLUTION,
    why="Decoding the mean answers another question, how well the best-looking code reconstructs. The ELBO is a mean over the cloud, "
    "so its estimate "
    "must move from call to call, the less, the more samples.",
    right="Each round draws its own z. The estimate now moves from call to call, and less so with more samples: that is how an "
    "expectation looks.",
    unanswered="The fault is still in it: two evaluations agree to the last digit.",
    observe=observe,
    ways=(ALL_AT_ONCE, BOTH_TERMS_SAMPLED),
    mistakes=(
        # bugs.md 5
        Mistake("σ = exp(log σ²)", elbo("mu + log_var.exp() * torch.randn_like(mu)"),
                "The samples spread too far: exp(log_var) is the variance σ². The standard deviation is its root, exp(log_var / 2)."),
        Mistake("log σ² for σ", elbo("mu + log_var * torch.randn_like(mu)"), "log_var is log σ². For σ, halve it and take exp."),
        Mistake("spread of 1", elbo("mu + torch.randn_like(mu)"),
                "The samples spread by 1 around μ, whatever log_var says: multiply by σ."),
        Mistake("from the prior", elbo("torch.randn_like(mu)"),
                "You draw z from the prior N(0, I). The mean is over q(z|x), the cloud around μ."),
        Mistake("uniform noise", elbo("mu + torch.exp(0.5 * log_var) * torch.rand_like(mu)"),
                "rand draws evenly between 0 and 1, to one side of μ; the cloud is normal, and lies on both: randn."),
        Mistake("σ without noise", elbo("mu + torch.exp(0.5 * log_var)"),
                "Now z is one σ beside μ, at each call the same: where is the noise?"),
        # bugs.md 8, in another dress
        Mistake("the samples' mean decoded", "def my_elbo(x, mu, log_var, decode, samples):\n"
                "    z = torch.stack([reparameterize(mu, log_var) for _ in range(samples)]).mean(0)\n"
                "    return bernoulli_log_likelihood(decode(z), x) - gaussian_kl(mu, log_var)\n",
                "You average the codes and decode their mean, which is μ again. Decode each sample, then average the log-likelihoods."),
        Mistake("the mean inside the logarithm", "def my_elbo(x, mu, log_var, decode, samples):\n"
                "    found = [bernoulli_log_likelihood(decode(reparameterize(mu, log_var)), x) for _ in range(samples)]\n"
                "    return torch.stack(found).logsumexp(0) - math.log(samples) - gaussian_kl(mu, log_var)\n",
                "You average p(x|z), and take the logarithm after that. The ELBO's first term is the mean of the logarithm."),
        Mistake("one sample for all rounds", "def my_elbo(x, mu, log_var, decode, samples):\n"
                "    z, total = reparameterize(mu, log_var), 0\n"
                "    for _ in range(samples):\n        total = total + bernoulli_log_likelihood(decode(z), x)\n"
                "    return total / samples - gaussian_kl(mu, log_var)\n",
                "z is drawn once, before the loop: more samples then bring nothing. Draw it inside."),
        Mistake("one seed for each round", elbo(SAMPLE).replace("for _ in range(samples):\n", "for i in range(samples):\n"
                                                                "        torch.manual_seed(i)\n"),
                "z is drawn anew in each round, but each call draws the same ones: the seed belongs at the top of a page, not into an "
                "estimate."),
        # bugs.md 4
        Mistake("the sign of the KL", elbo(SAMPLE, kl=" + gaussian_kl(mu, log_var)"),
                "The samples are right, and now the KL is added: it must be taken away."),
        # bugs.md 2
        Mistake("the KL averaged", elbo(SAMPLE, kl=" - gaussian_kl(mu, log_var) / mu.shape[1]"),
                "The samples are right, and now the KL is averaged over the latent dimensions. It is a sum."),
        Mistake("no KL", elbo(SAMPLE, kl=""), "The samples are right, and now the KL is missing: that is the reconstruction term alone."),
        Mistake("not divided", elbo(SAMPLE, divided=""), "The samples are added up, and never divided by how many they are."),
        Mistake("averaged over the images", elbo(SAMPLE).replace("return total / samples - gaussian_kl(mu, log_var)",
                                                                "return (total / samples - gaussian_kl(mu, log_var)).mean()"),
                "That is the mean over the images. One number for each image is wanted."),
    ),
    situations=1,
)  # fmt: skip
