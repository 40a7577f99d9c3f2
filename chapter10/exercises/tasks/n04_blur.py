"""Notebook 04: find the fault in a loss whose two terms are counted differently."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def friends_loss(logits, x, mu, log_var):  # [B, D], [B, D], [B, L], [B, L] -> one number, nats an image
    reconstruction = F.binary_cross_entropy_with_logits(logits, x)
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=1).mean()
    return reconstruction + kl
'''

SOLUTION = '''
def friends_loss(logits, x, mu, log_var):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=1).mean()
    return reconstruction + kl
'''

TIMES_PIXELS = '''
def friends_loss(logits, x, mu, log_var):
    reconstruction = x.shape[1] * F.binary_cross_entropy_with_logits(logits, x)
    kl = (mu.square() + log_var.exp() - 1 - log_var).sum() / (2 * len(mu))
    return reconstruction + kl
'''

BY_THE_DISTRIBUTION = '''
def friends_loss(logits, x, mu, log_var):
    log_p = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    return (kl - log_p).mean()
'''


def observe(look, source, friends_loss):
    logits = torch.randn(4, 784, generator=source).requires_grad_()
    mu, log_var = (torch.randn(4, 20, generator=source).requires_grad_() for _ in range(2))
    x = torch.rand(4, 784, generator=source).round()
    loss = look.tensor("the loss of four random images", look.call(friends_loss, logits, x, mu, log_var), shape=())
    for name, at in (("the logits", logits), ("mu", mu), ("log_var", log_var)):
        look.gradient(f"its gradient in {name}", loss, at, atol=1e-5)
    prior = torch.zeros(2, 20)
    sure = torch.full((2, 784), 50.0)
    look.tensor(
        "the loss where each pixel is 0 and its logit 50", look.call(friends_loss, sure, torch.zeros(2, 784), prior, prior), shape=()
    )


KL = "-0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=1)"
BCE = 'F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)'


def wrong(total: str) -> str:
    return f"def friends_loss(logits, x, mu, log_var):\n    reconstruction = {BCE}\n    kl = {KL}\n    return {total}\n"


TASK = Task(
    name="04-blur",
    title="find the fault, a grey blur",
    section="10.2.5",
    minutes=10,
    statement="A friend's VAE reconstructs every digit as the same grey blur, and its KL is 0. Their loss is below. Find the fault, and "
    "repair it: the loss is to be minus the ELBO, in nats an image, averaged over the batch.",
    answers=("friends_loss",),
    stub=STUB,
    hints=(
        "Print the two terms for an untrained model. Which of them is far too small?",
        "`binary_cross_entropy_with_logits` has an argument `reduction`. What is its default, and over how many numbers does it average?",
        "The KL is in nats an image, the reconstruction in nats a *pixel*: a hidden β of 784. Sum over the pixels before you average.",
    ),
    solution=SOLUTION,
    why="Both terms are sums over dimensions and means over images. With the mean over 784 pixels the KL weighs 784 times too much, "
    "and training gives up the code.",
    right="Both terms are summed over their dimensions and averaged over the batch, and both have their gradients.",
    unanswered="The fault is still in it: print the two terms for an untrained model. Which is far too small?",
    observe=observe,
    ways=(TIMES_PIXELS, BY_THE_DISTRIBUTION),
    also=(
        Mistake("summed over the batch", wrong("(reconstruction + kl).sum()"),
                "Right as a sum over the batch, as the chapter has it. The mean over the batch makes it independent of the batch size."),
        Mistake("sigmoid first",
                f"def friends_loss(logits, x, mu, log_var):\n    p = torch.sigmoid(logits)\n"
                f"    reconstruction = F.binary_cross_entropy(p, x, reduction='none').sum(1)\n    kl = {KL}\n"
                "    return (reconstruction + kl).mean()\n",
                "The fault is mended, and the loss is the chapter's. But where a logit is 50 and the pixel 0, it gives 100 nats for 50 and "
                "no gradient, for in single precision the sigmoid is exactly 1 (part 7.2). The function that takes logits loses nothing."),
        Mistake("the chapter's loss",
                "def friends_loss(logits, x, mu, log_var):\n"
                "    reconstruction = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction='sum')\n"
                "    return reconstruction - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())\n",
                "Right as a sum over the batch, and the loss is the chapter's. But it grows with the batch, and where a logit is 50 and "
                "the pixel 0, it gives 100 nats for 50 and no gradient, for in single precision the sigmoid is exactly 1 (part 7.2)."),
    ),
    mistakes=(
        Mistake("both means", wrong("reconstruction.mean() / 784 + kl.mean() / 20"),  # bugs.md 1 and 2
                "Now both are means over dimensions, and their ratio is still not that of the ELBO: a hidden β of 784/20, near 39."),
        Mistake("a weight that is tuned", wrong("reconstruction.mean() / 784 + 0.01 * kl.mean()"),
                "The reconstruction is still in nats a pixel ({found} for {expected}): a small weight on the KL hides that and is no "
                "repair. Which weight would be right, and where does it come from?"),
        Mistake("summed over the wrong axis", wrong("reconstruction.sum() / 784 + kl.mean()"),
                "The reconstruction was summed over the images and averaged over the pixels ({found} for {expected}): the other "
                "way round."),
        Mistake("nats a pixel", wrong("(reconstruction + kl).mean() / 784"),
                "The ratio of the terms is right, and the whole is {inverse:.0f} times too small: nats a pixel. Nats an image are wanted."),
        Mistake("no KL", wrong("reconstruction.mean()"),
                "The KL is gone. That is an autoencoder with noise."),
        Mistake("the ELBO itself", wrong("-(reconstruction + kl).mean()"),
                "That is the ELBO itself. A loss is minimised: turn the sign."),
        Mistake("KL summed over the batch", wrong("reconstruction.mean() + kl.sum()"),
                "The KL is summed over the batch, the reconstruction averaged over it: a hidden β of the batch size."),
        Mistake("reconstruction summed over the batch", wrong("reconstruction.sum() + kl.mean()"),
                "The reconstruction is summed over the batch, the KL averaged over it: a hidden β of 1 / batch size."),
        Mistake("sign of the KL", wrong("(reconstruction - kl).mean()"),  # bugs.md 4
                "The sign of the KL is now wrong: it would be rewarded."),
        Mistake("not averaged", wrong("reconstruction + kl"),
                "That is one number for each image: a loss is one number. Average over the batch."),
        Mistake("squared error",
                wrong("reconstruction.mean() + kl.mean()").replace(BCE, "F.mse_loss(torch.sigmoid(logits), x, reduction='none').sum(1)"),
                "That is a squared error: the log-likelihood of a Gaussian, up to scale and constant. Pixels that are 0 or 1 have a "
                "cross-entropy."),
        Mistake("logits twice",
                wrong("reconstruction.mean() + kl.mean()").replace("with_logits(logits,", "with_logits(torch.sigmoid(logits),"),
                "The function takes logits, and you gave it probabilities: the sigmoid is taken twice."),
    ),
)  # fmt: skip
