"""Notebook 08: a score by which models of different β may be compared."""

from functools import cache

import torch

from chapter10 import data, metrics, recipes, vae
from chapter10.exercises import embedded
from chapter10.exercises.task import Mistake, Task

BETAS = (0.25, 1, 4)

STUB = '''
def fair(model, beta, x):  # a VAE, the β of its training, binary images [N, 784] -> a number, the larger the better
    return vae.elbo(model, x, beta=beta).value.mean().item()  # the colleague's
'''

SOLUTION = '''
def fair(model, beta, x):
    return vae.elbo(model, x).value.mean().item()  # β = 1, whatever the training had
'''

WEIGHTED = '''
def fair(model, beta, x):
    return metrics.iwae_bound(model, x, 50).mean().item()
'''

BY_HAND = '''
def fair(model, weight, images):
    mu, log_var = model.encode(images)
    z = mu + torch.exp(log_var / 2) * torch.randn_like(mu)
    log_likelihood = -F.binary_cross_entropy_with_logits(model.decode(z), images, reduction="none").sum(1)
    return (log_likelihood - vae.gaussian_kl(mu, log_var)).mean()
'''

PARTS = '''
def fair(model, beta, x):
    _, reconstruction, kl = vae.elbo(model, x, beta=beta)
    return float((reconstruction - kl).mean())
'''


@cache
def known():
    """Images, the models, and for each the ELBO and the bound with many samples, which enclose what is fair; and no bound: z = μ."""
    images = embedded.digits()
    x = data.binarize(data.to_unit(images.test[:60]), torch.Generator().manual_seed(0))
    models = {beta: recipes.load(f"beta{beta:g}-digits") for beta in BETAS}
    bounds = {}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for beta, model in models.items():
            low, high = metrics.iwae_bound(model, x.repeat(8, 1), 1).mean().item(), metrics.iwae_bound(model, x, 200).mean().item()
            mu, log_var = model.encode(x)
            at_mean = (vae.bernoulli_log_likelihood(model.decode(mu), x) - vae.gaussian_kl(mu, log_var)).mean().item()
            bounds[beta] = (low, high, at_mean)
    return x, models, bounds


@torch.no_grad()
def observe(look, source, fair):
    x, models, bounds = known()

    def score(of, told):
        torch.manual_seed(1)  # the same noise each time
        return look.call(fair, models[of], told, x)

    means = []
    for beta in BETAS:
        found = score(beta, beta)
        look.tensor(f"your rule's answer for the model of β = {beta:g}", found, shape=(), atol=1e9)  # one number; which, see below
        look.number(f"what it says of the model of β = {beta:g}", found, within=1.5, judged=False)
        low, high, at_mean = bounds[beta]
        # The margins are five times the spread of an ELBO by one sample of z, and what more than 200 samples may find.
        look.at_most(f"what your rule says of the model of β = {beta:g}, to be below log p(x)", float(found), round(high + 1.5, 1))
        look.at_least(f"what your rule says of the model of β = {beta:g}, to be no worse than the ELBO", float(found), round(low - 4, 1))
        means.append(abs(float(found) - at_mean) < 3e-4)
    look.fact("what is decoded are draws of z, not the mean μ", not all(means))
    same = abs(float(score(1, 1)) - float(score(1, 4))) < 0.5
    look.fact("one and the same model has one score, whatever β its training is said to have had", same)


def wrong(line: str) -> str:
    return f"def fair(model, beta, x):\n    value, reconstruction, kl = vae.elbo(model, x, beta=beta)\n    return {line}\n"


TASK = Task(
    name="08-fair",
    title="find the fault",
    section="10.2.3",
    minutes=10,
    statement="A colleague chooses β by the objective on test images and reports that the smallest β is best (see above). By this rule it "
    "always wins. What is unfair? Mend `fair`: one number a model, the mean over the images in nats, the larger the better, that may be "
    "compared across β.",
    answers=("fair",),
    stub=STUB,
    hints=(
        "By the colleague's rule, would one and the same model get the same score, whatever β it was trained with?",
        "Weights may come from any training. What is compared must be the same function of model and images.",
        "Which weight of the KL makes the objective a bound on log p(x)? Give it to each model.",
    ),
    solution=SOLUTION,
    why="With β = 1 the objective is a bound on log p(x) for each model, whatever it was trained with; so it is one measure for all. An "
    "importance-weighted bound is tighter, and fairer still to small β.",
    right="A bound on log p(x), and the same function of each model. (The tighter the bound, the fairer to small β: compare the ELBO with "
    "`metrics.iwae_bound(model, x, 50)`.)",
    unanswered="The fault is still in it.",
    observe=observe,
    ways=(WEIGHTED, BY_HAND, PARTS),
    setting="from chapter10 import metrics, vae\n",
    mistakes=(
        Mistake("reconstruction alone", wrong("reconstruction.mean().item()"),
                "The reconstruction alone: an autoencoder would win. The KL belongs to the bound, at its full price."),
        Mistake("sign", wrong("(kl - reconstruction).mean().item()"),
                "The sign: the larger the better was asked."),
        Mistake("divided by β", wrong("(value / beta).mean().item()"),
                "Dividing by β only changes which term is weighed wrongly. The bound on log p(x) has the weight 1."),
        Mistake("β at the reconstruction", wrong("(beta * reconstruction - kl).mean().item()"),
                "Now the reconstruction has the price: each model is still measured in another currency."),
        Mistake("the KL added", wrong("(reconstruction + kl).mean().item()"),
                "The KL is a cost: it is taken off, not added."),
        Mistake("the KL alone", wrong("-kl.mean().item()"),
                "That asks only what the code costs: a model that says nothing would win."),
        Mistake("summed over images", wrong("(reconstruction - kl).sum().item()"),
                "The same weight for all, as it should be. But it is the sum over the images: the mean was asked."),
        Mistake("z = μ", "def fair(model, beta, x):\n    mu, log_var = model.encode(x)\n"
                "    return (vae.bernoulli_log_likelihood(model.decode(mu), x) - vae.gaussian_kl(mu, log_var)).mean()\n",
                "The same function for each model, but no bound: you decode the mean μ, and the expectation is over z ~ q(z|x). For the "
                "model of β = 1 yours even lies above log p(x)."),
        Mistake("times β", wrong("(beta * value).mean().item()"),
                "β times the colleague's number is no bound either: it is the weight of the KL *inside* that has to be the same for all."),
        Mistake("β twice", wrong("(value - beta * kl).mean().item()"),
                "The KL has been taken off before, with β: now it is there twice."),
        Mistake("one β more", wrong("(value - kl).mean().item()"),
                "`value` has lost β times the KL before you take off the KL: the weight is 1 + β now."),
    ),
    seconds=20,
    situations=1,
)  # fmt: skip
