"""Notebook 01: a mean beside a sum."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_loss(logits, x, mu, log_var):  # [B, D], [B, D], [B, L], [B, L] -> one number
    reconstruction = F.binary_cross_entropy_with_logits(logits, x)
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
    return reconstruction + kl
"""

SOLUTION = """
def my_loss(logits, x, mu, log_var):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)  # [B]
    kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum(1)  # [B]
    return (reconstruction + kl).mean()
"""

DIVIDED = """
def my_loss(logits, x, mu, log_var):
    total = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    total = total + 0.5 * torch.sum(mu**2 + log_var.exp() - 1 - log_var)
    return total / len(x)
"""

BY_THE_PACKAGE = """
def my_loss(logits, x, mu, log_var):
    return torch.mean(gaussian_kl(mu, log_var) - bernoulli_log_likelihood(logits, x))
"""

BY_DENSITIES = """
def my_loss(logits, x, mu, log_var):
    q = torch.distributions.Normal(mu, log_var.mul(0.5).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    p = torch.sigmoid(logits)
    log_p = x * torch.log(p) + (1 - x) * torch.log(1 - p)
    return sum(kl[i].sum() - log_p[i].sum() for i in range(len(x))) / len(x)
"""


def observe(look, source, my_loss):
    b, d, latent = 8, 50, 5
    logits, mu, log_var = (torch.randn(b, n, generator=source).requires_grad_() for n in (d, latent, latent))
    x = torch.rand(b, d, generator=source).round()
    at_prior = my_loss(logits, x, torch.zeros(b, latent), torch.zeros(b, latent))
    look.tensor("the reconstruction's part (at mu = 0, log_var = 0 the KL is 0)", at_prior, shape=())
    loss = look.tensor("the loss of eight images", look.call(my_loss, logits, x, mu, log_var), shape=())
    look.gradient("its gradient in the logits", loss, logits)
    look.gradient("its gradient in mu", loss, mu)
    look.gradient("its gradient in log_var", loss, log_var)


def loss(reconstruction: str, kl: str, both: str = "reconstruction + kl") -> str:
    return (
        "def my_loss(logits, x, mu, log_var):\n"
        f'    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="none")\n'
        "    latents = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)\n"
        f"    reconstruction, kl = {reconstruction}, {kl}\n    return {both}\n"
    )


TASK = Task(
    name="01-loss",
    title="find the fault in the loss",
    section="10.2.5",
    minutes=10,
    statement="Another colleague trains a VAE with the loss below. All samples come out as the same grey blur, and the KL goes to 0 "
    "within an "
    "epoch. What is wrong? Mend it, so that it gives one number: the loss of section 1, averaged over the batch.",
    answers=("my_loss",),
    stub=STUB,
    setting="from chapter10.vae import bernoulli_log_likelihood, gaussian_kl\n",
    hints=(
        "Over which axes does `binary_cross_entropy_with_logits` average if you say nothing? And what does `torch.sum` do with them?",
        "How many times smaller is the first term than it should be, beside the second? The cheapest way to lower such a loss is to "
        "make every "
        "cloud the prior.",
        "Keep the batch's axis in both terms: sum over the pixels (`reduction=\"none\"` lets you) and over the latent dimensions, "
        "add, then "
        "average over the images.",
    ),
    solution=SOLUTION,
    why="The mean over B images and D pixels made the first term B·D times smaller than the sum, 100,352 times for 128 images of "
    "MNIST, while the "
    "second stayed a sum. The cheapest way to lower such a loss is to make every cloud equal to N(0, I): then the code says nothing "
    "about the "
    "image, and the decoder can only draw the average of all.",
    right="Summed over pixels and latent dimensions, averaged over images: both terms are in nats an image.",
    unanswered="The fault is still in it: the two terms don't weigh as they should.",
    observe=observe,
    ways=(DIVIDED, BY_THE_PACKAGE, BY_DENSITIES),
    also=(
        Mistake("summed over the batch", loss("pixels.sum()", "latents.sum()"),
                "Right up to the size of the batch: this is the sum over images, as the chapter writes it. Both terms weigh as they "
                "should; with "
                "the average, the rate of learning needn't change with the batch."),
    ),
    mistakes=(
        # bugs.md 1
        Mistake("pixels averaged", loss("pixels.mean()", "latents.sum(1).mean()"),
                "The cross-entropy is still averaged over the pixels: it comes out at 1/{inverse:.0f} of what it should be, so the KL "
                "weighs "
                "{inverse:.0f} times too much here, and 784 times on MNIST."),
        Mistake("784 whatever the size", loss("784 * pixels.mean()", "latents.sum(1).mean()"),
                "You multiply the mean over the pixels by 784; here an image has 50. Take what there is from the arguments, or sum."),
        Mistake("nats a pixel", loss("pixels.mean()", "latents.sum() / x.numel()"),
                "Both terms weigh as they should, and both are divided by the number of pixels as well: that is the loss a pixel. "
                "Average over the batch alone."),
        Mistake("squared error", loss("(torch.sigmoid(logits) - x).square().sum(1).mean()", "latents.sum(1).mean()"),
                "The reconstruction is a squared error here. Pixels are 0 or 1, and −log p(x|z) is their cross-entropy."),
        Mistake("reconstruction summed over the batch", loss("pixels.sum()", "latents.sum(1).mean()"),
                "The cross-entropy is now summed over the images, the KL averaged: with eight images it weighs {ratio:.0f} times too "
                "much."),
        Mistake("KL summed over the batch", loss("pixels.sum(1).mean()", "latents.sum()"),
                "The reconstruction is right. The KL is still summed over the images, so that it weighs as many times too much as "
                "there are images."),
        # bugs.md 2
        Mistake("KL averaged over the latent dimensions", loss("pixels.sum(1).mean()", "latents.mean(1).mean()"),
                "The reconstruction is right. The KL is averaged over the latent dimensions: a hidden weight of 1/L. Sum over them."),
        Mistake("both averaged", loss("pixels.mean()", "latents.mean()"),
                "Both are averaged over their own dimensions, of which there are D and L: the KL weighs D/L times too much. Sum over "
                "both."),
        # bugs.md 4
        Mistake("the sign of the KL", loss("pixels.sum(1).mean()", "latents.sum(1).mean()", "reconstruction - kl"),
                "The reconstruction is right, the sign of the KL is not: it is a cost, and yours rewards clouds far from the prior."),
        Mistake("the sign of both", loss("pixels.sum(1).mean()", "latents.sum(1).mean()", "-(reconstruction + kl)"),
                "The size is right, the sign is not: that is the ELBO, which is to rise. A loss is to fall."),
        Mistake("the sign of the reconstruction", loss("pixels.sum(1).mean()", "latents.sum(1).mean()", "kl - reconstruction"),
                "The cross-entropy is a cost already, −log p(x|z): with the minus it is rewarded to be wrong about the pixels."),
        Mistake("no KL", loss("pixels.sum(1).mean()", "latents.sum(1).mean()", "reconstruction"),
                "That is the autoencoder's loss: the KL is missing."),
        Mistake("no half", loss("pixels.sum(1).mean()", "2 * latents.sum(1).mean()"),
                "The reconstruction is right, and the KL twice too large: where is the ½?"),
        Mistake("one number for each image", loss("pixels.sum(1)", "latents.sum(1)"),
                "Both terms are right for each image. One number is asked for: average over the batch."),
        Mistake("probabilities for logits", loss("pixels.sum(1).mean()", "latents.sum(1).mean()").replace(
                    "(logits, x, r", "(torch.sigmoid(logits), x, r"),
                "The logits went through a sigmoid, and then through that of the `with_logits` function: once is enough."),
        Mistake("the KL's graph cut", loss("pixels.sum(1).mean()", "latents.sum(1).mean().detach()"),
                "The number is right, but the KL has given up its graph: nothing pulls the clouds towards the prior."),
    ),
)  # fmt: skip
