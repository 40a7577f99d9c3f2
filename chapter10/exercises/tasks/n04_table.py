"""Notebook 04: find two faults in the function that makes a table of bounds."""

import torch

from chapter10 import data, vae
from chapter10.exercises.task import Mistake, Task

STUB = '''
def table_entry(model, x, beta):  # x [N, D] of 0 and 1 -> the mean ELBO, in nats an image
    with torch.no_grad():
        mu, log_var = model.encode(x)
        logits = model.decode(mu)
        reconstruction = vae.bernoulli_log_likelihood(logits, x)
        kl = vae.gaussian_kl(mu, log_var)
    return (reconstruction - beta * kl).mean()
'''

SOLUTION = '''
def table_entry(model, x, beta):
    with torch.no_grad():
        mu, log_var = model.encode(x)
        logits = model.decode(vae.reparameterize(mu, log_var))
        reconstruction = vae.bernoulli_log_likelihood(logits, x)
        kl = vae.gaussian_kl(mu, log_var)
    return (reconstruction - kl).mean()
'''

BY_THE_PACKAGE = '''
def table_entry(model, x, beta):
    return vae.elbo(model, x).value.mean().item()
'''

MANY_DRAWS = '''
def table_entry(model, images, weight):
    mu, log_var = model.encode(images)
    bound = 0
    for _ in range(3):
        z = mu + (log_var / 2).exp() * torch.randn_like(mu)
        fit = -F.binary_cross_entropy_with_logits(model.decode(z), images, reduction="sum") / len(images)
        log_ratio = (-0.5 * z**2 + 0.5 * ((z - mu) ** 2 / log_var.exp() + log_var)).sum(1).mean()
        bound = bound + (fit + log_ratio) / 3
    return bound.detach()
'''

TIMES = 600


def _model(source: torch.Generator) -> vae.VAE:
    """An untrained VAE whose codes have much to say, and much noise: z = μ and a drawn z give different numbers."""
    model = vae.VAE(input_dim=30, latent_dim=4, hidden_dim=24)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=source) * (1.2 / weight.shape[-1] ** 0.5 if weight.ndim > 1 else 0.1))
        model.fc_var.bias.sub_(1.5)  # unlike mu: whoever exchanges them finds another KL
    return model


def observe(look, source, table_entry):
    model = _model(source)
    x = data.binarize(torch.rand(40, 30, generator=source), source)
    # one evaluation is drawn: any finite number will do
    look.tensor("one evaluation", look.call(table_entry, model, x, 1.0), shape=(), rtol=0, atol=1e6)
    for beta in (1.0, 4.0):
        values = torch.stack([torch.as_tensor(table_entry(model, x, beta)).detach().double().cpu() for _ in range(TIMES)])
        look.tensor(f"the mean of 600 evaluations of a model trained with β = {beta:g}", values.mean(), rtol=0.002, atol=0.08)
        look.fact(f"evaluations with β = {beta:g} repeat to the last digit", bool((values == values[0]).all()), judged=False)


def wrong(z: str = "vae.reparameterize(mu, log_var)", total: str = "(reconstruction - kl).mean()") -> str:
    return (f"def table_entry(model, x, beta):\n    mu, log_var = model.encode(x)\n    logits = model.decode({z})\n"
            f"    reconstruction = vae.bernoulli_log_likelihood(logits, x)\n    kl = vae.gaussian_kl(mu, log_var)\n"
            f"    return {total}\n")  # fmt: skip


TASK = Task(
    name="04-table",
    title="find the two faults, a table that compares nothing",
    section="10.2.3",
    minutes=10,
    statement="A friend trains VAEs with different weights β of the KL, and puts their ELBOs on test images into one table, each by the "
    "function below; β is the weight that the model was trained with. The column says \"ELBO, nats an image\", but two faults keep it "
    "from being that. Repair both.",
    answers=("table_entry",),
    stub=STUB,
    setting="from chapter10 import data, metrics, vae\n",
    hints=(
        "Write down the ELBO of part 1. Which symbols of the function are not in it, and which of it are not in the function?",
        "Evaluate the same images twice. Should an expectation over q(z|x), estimated from one draw, repeat to the last digit?",
        "The ELBO has no β: training may weigh its terms as it likes, the bound may not. And z is a draw from q(z|x), not its mean.",
    ),
    solution=SOLUTION,
    why="A bound on log p(x) has the weight 1, whatever the training used: else each row of the table measures something else. And with "
    "z = μ the reconstruction is better than that of the codes which the KL pays for: the sum is no bound.",
    right="Now all rows say the same thing: a bound on log p(x), whatever β the training had.",
    unanswered="The two faults are still in it. Evaluate the same images twice, and then with another β: what do you expect to see?",
    observe=observe,
    ways=(BY_THE_PACKAGE, MANY_DRAWS),
    situations=1,
    mistakes=(
        Mistake("z = μ", wrong(z="mu"),  # bugs.md 8
                "The weight is right now. But evaluations repeat to the last digit: z is still the mean of q(z|x), not a draw. "
                "The KL pays for codes with noise, the reconstruction is that of codes without: the sum is no bound."),
        Mistake("z of the prior", wrong(z="torch.randn_like(mu)"),
                "You find {found} for {expected}: your z knows nothing of the image. The expectation is over q(z|x), the encoder's."),
        Mistake("β in the bound", wrong(total="(reconstruction - beta * kl).mean()"),  # bugs.md 3
                "z is drawn now. But with β = 4 you find {found} for {expected}: the KL still has the weight of the training, and rows "
                "with different β can't be compared."),
        Mistake("β on the reconstruction", wrong(total="(beta * reconstruction - kl).mean()"),
                "With β = 4 you find {found} for {expected}: now the reconstruction is weighted. A bound has no β at all."),
        Mistake("divided by β", wrong(total="(reconstruction - kl / beta).mean()"),
                "With β = 4 you find {found} for {expected}: the weight was turned over, not taken out. A bound has no β at all."),
        Mistake("no KL", wrong(total="reconstruction.mean()"),
                "You find {found} for {expected}: the KL is gone. What remains is the reconstruction, and is no bound."),
        Mistake("sign of the KL", wrong(total="(reconstruction + kl).mean()"),  # bugs.md 4
                "You find {found} for {expected}: the KL was added. It is the price of the code."),
        Mistake("minus the ELBO", wrong(total="(kl - reconstruction).mean()"),
                "The size is right, the sign is not: that is the loss. The column says ELBO."),
        Mistake("σ² for σ", wrong(z="mu + log_var.exp() * torch.randn_like(mu)"),  # bugs.md 5
                "You find {found} for {expected}: z is drawn, but with the spread σ², not σ. log_var is log σ²."),
        Mistake("summed over images", wrong(total="(reconstruction - kl).sum()"),
                "That is the sum over the images, and grows with their number: the mean is wanted."),
        Mistake("nats a pixel", wrong(total="(reconstruction / x.shape[1] - kl).mean()"),  # bugs.md 1
                "The reconstruction is in nats a pixel, the KL in nats an image: sum over the pixels."),
    ),
)  # fmt: skip
