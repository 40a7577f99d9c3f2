"""Notebook 09: what each of VAE-GAN's three networks descends, and that it hears of nothing else."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from chapter10.exercises.task import Mistake, Task
from chapter10.language import noted

NETWORKS = (noted("encoder"), noted("decoder"), noted("discriminator"))

STUB = '''
def my_losses(mismatch, kl, real, rebuilt, drawn, gamma):  # -> encoder's, decoder's, discriminator's: three scalars
    return None


def my_send(losses, networks):  # the three scalars; for each network a list of its weights, in the same order
    pass  # leaves each network's gradient in its weights' .grad
'''

LOSSES = '''
def my_losses(mismatch, kl, real, rebuilt, drawn, gamma):
    encoder = mismatch + kl
    decoder = gamma * mismatch - F.logsigmoid(rebuilt).mean() - F.logsigmoid(drawn).mean()
    discriminator = -F.logsigmoid(real).mean() - F.logsigmoid(-rebuilt).mean() - F.logsigmoid(-drawn).mean()
    return encoder, decoder, discriminator
'''

SEND = '''
def my_send(losses, networks):
    for loss, weights in zip(losses, networks):
        for weight in weights:
            weight.grad = None  # of the last step
        loss.backward(inputs=weights, retain_graph=True)
'''

BY_AUTOGRAD = '''
def my_losses(l_f, l_prior, real, rebuilt, drawn, g):
    def bce(logits, label):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    game = bce(real, 1.0) + bce(rebuilt, 0.0) + bce(drawn, 0.0)
    return [l_f + l_prior, g * l_f + bce(rebuilt, 1.0) + bce(drawn, 1.0), game]


def my_send(losses, networks):
    found = [torch.autograd.grad(loss, weights, retain_graph=True) for loss, weights in zip(losses, networks)]
    for weights, gradients in zip(networks, found):
        for weight, gradient in zip(weights, gradients):
            weight.grad = gradient
'''

ONE_AT_A_TIME = '''
def my_losses(mismatch, kl, real, rebuilt, drawn, gamma):
    fooled = F.softplus(-rebuilt).mean() + F.softplus(-drawn).mean()
    told = F.softplus(-real).mean() + F.softplus(rebuilt).mean() + F.softplus(drawn).mean()
    return mismatch + kl, gamma * mismatch + fooled, told


def my_send(losses, networks):
    every = [weight for weights in networks for weight in weights]
    kept = []
    for loss, weights in zip(losses, networks):
        for weight in every:
            weight.grad = None
        loss.backward(retain_graph=True)
        kept.append([weight.grad for weight in weights])
    for weights, gradients in zip(networks, kept):
        for weight, gradient in zip(weights, gradients):
            weight.grad = gradient
'''


class Small(nn.Module):
    """An encoder, a decoder and a discriminator of a few weights each, and their losses on a batch: what `my_send` is given."""

    def __init__(self, source):
        super().__init__()
        for name, sizes in {"encoder": ((5, 4), (4,)), "decoder": ((2, 5), (5,)), "discriminator": ((5, 3), (3, 1))}.items():
            drawn = [nn.Parameter(torch.randn(size, generator=source, dtype=torch.float64)) for size in sizes]
            setattr(self, name, nn.ParameterList(drawn))

    def losses(self, x, noise):
        mu, log_var = (x @ self.encoder[0] + self.encoder[1]).chunk(2, 1)
        z = torch.cat([mu + noise[: len(x)] * (log_var / 2).exp(), noise[len(x) :]])
        features = torch.tanh(torch.cat([x, (z @ self.decoder[0] + self.decoder[1]).tanh()]) @ self.discriminator[0])
        real, rebuilt, drawn = (features @ self.discriminator[1]).chunk(3)
        mismatch = 0.5 * (features[: len(x)] - features[len(x) : 2 * len(x)]).square().sum(1).mean()
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        fool = -logsigmoid(rebuilt).mean() - logsigmoid(drawn).mean()
        game = -logsigmoid(real).mean() - logsigmoid(-rebuilt).mean() - logsigmoid(-drawn).mean()
        return mismatch + kl, 0.3 * mismatch + fool, game


def observe(look, source, my_losses, my_send):
    mismatch, kl = torch.tensor(3.7), torch.tensor(1.9)
    level = torch.tensor([0.5, -0.3, -0.9]).view(3, 1, 1)
    real, rebuilt, drawn = torch.randn(3, 6, 1, generator=source) + level
    found = look.call(my_losses, mismatch, kl, real, rebuilt, drawn, 0.25)
    look.fact("something comes back", found is not None, judged=False)
    three = isinstance(found, (tuple, list)) and len(found) == 3
    look.fact("`my_losses` gives three losses, the encoder's, the decoder's, the discriminator's", three)
    for name, loss in zip(NETWORKS, found if three else ()):
        look.tensor(f"the {name}'s loss (mismatch 3.7, kl 1.9, γ 0.25)", loss, shape=())

    small = Small(source)
    x, noise = (torch.randn(size, generator=source, dtype=torch.float64) for size in ((6, 5), (12, 2)))
    networks = [list(getattr(small, name)) for name in NETWORKS]
    for weights in networks:
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=source, dtype=torch.float64)  # of a step before
    before = [weight.detach().clone() for weights in networks for weight in weights]
    look.call(my_send, small.losses(x, noise), networks)
    for name, weights in zip(NETWORKS, networks):
        left = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        look.tensor(f"the gradient that is left at the {name}'s weights", torch.cat([part.flatten() for part in left]))
    now = [weight.detach() for weights in networks for weight in weights]
    look.fact("`my_send` leaves the weights themselves as they are", all(map(torch.equal, before, now)))


def loss(network: str, line: str) -> str:
    """Another loss for one of the networks, the rest as it should be."""
    before = {name: f"    {name} = " for name in NETWORKS}
    lines = [f"{before[network]}{line}" if part.startswith(before[network]) else part for part in LOSSES.splitlines()]
    return "\n".join(lines) + "\n" + SEND


def send(*lines: str) -> str:
    return LOSSES + "\n\n" + "\n    ".join(["def my_send(losses, networks):", *lines]) + "\n"


FOOL = "- F.logsigmoid(rebuilt).mean() - F.logsigmoid(drawn).mean()"
GAME = "-F.logsigmoid(real).mean() - F.logsigmoid(-rebuilt).mean() - F.logsigmoid(-drawn).mean()"
PAPERS = "F.logsigmoid(-rebuilt).mean() + F.logsigmoid(-drawn).mean()"
BLIND = "The discriminator: L_f is there. It would make its features blind, so that all images look alike to it."
CLEARED = "    for weight in weights: weight.grad = None"

TASK = Task(
    name="09-losses",
    title="three losses, and who hears what",
    section="10.5.1",
    minutes=20,
    statement="`my_losses`: what each network of VAE-GAN descends, from the parts. `mismatch` is L_f and `kl` is L_prior, both scalars; "
    "`real`, `rebuilt`, `drawn` are D's *logits* [B, 1] of x, x̃ and x_p; `gamma` is γ. log D of a logit l is `F.logsigmoid(l)`, and "
    "log(1 − D) is `F.logsigmoid(-l)`. `my_send`: then the gradient of each loss goes into the `.grad` of its own network's weights, and "
    "to no other's; what was left there by the step before is to go.",
    answers=("my_losses", "my_send"),
    stub=STUB,
    hints=(
        "Look at the table of part 6.1: which terms does each network descend, and which of them has γ?",
        "Encoder: two terms and no logits at all. Decoder: γ times the mismatch, and −log D of both its images. Discriminator: three "
        "terms, logits only.",
        "The way of a gradient leads through other networks, and may leave nothing there: see `inputs=` of backward, or autograd.grad, "
        "and keep the graph for the next of the three.",
    ),
    solution=LOSSES + "\n" + SEND,
    why="Added up to one loss, the terms would reach everyone: D would lower L_f by features that see nothing, and the encoder would look "
    "for a z that pleases D.",
    right="Three losses, each heard by its own network. (Where D can't tell the three kinds apart, it says one third, and its loss is "
    "3 log 3 − 2 log 2 nats.)",
    observe=observe,
    ways=(BY_AUTOGRAD, ONE_AT_A_TIME),
    also=(
        Mistake("saturating", loss("decoder", f"gamma * mismatch + {PAPERS}"),
                "Right, and with the decoder's part in the game as the paper writes it: saturating. The package takes −log D."),
        Mistake("minus L_GAN", loss("decoder", f"gamma * mismatch - ({GAME})"),
                "Right: the decoder has no part in log D(x), so −L_GAN is the paper's form, the saturating one. The package takes −log D."),
    ),
    mistakes=(
        Mistake("the logarithm of a logit",
                LOSSES.replace("F.logsigmoid(-", "torch.log(1 - ").replace("F.logsigmoid(", "torch.log(") + SEND,
                "You take the logarithm of logits, which may be below 0. D is the sigmoid of a logit: take `F.logsigmoid`."),
        Mistake("not sent", send("return None"),
                "The three losses are right. Now their gradients: what `my_send` leaves at the weights is still of the step before."),
        Mistake("one sum for all", send("for weights in networks:", CLEARED, "sum(losses).backward()"),
                "You send the gradient of all three losses to all three networks. So the mismatch reaches the discriminator, whose "
                "features go blind, and the encoder hears of the game. Each network is to hear its own loss only."),
        Mistake("cleared just before its own", send("for loss, weights in zip(losses, networks):", CLEARED,
                "    loss.backward(retain_graph=True)"),
                "Each backward also reaches the other networks, and adds to what was there: the encoder's gradient has the decoder's and "
                "the discriminator's loss in it. Say at whose weights it may be left."),
        Mistake("the old ones kept", send("for loss, weights in zip(losses, networks):",
                "    loss.backward(inputs=weights, retain_graph=True)"),  # bugs.md 16
                "The gradients of the step before are still there, and backward adds to them. They have to go first."),
        Mistake("a sum, and the old ones kept", send("sum(losses).backward()"),
                "You send the gradient of all three losses to all three networks, and add it to that of the step before."),
        Mistake("all cleared before each", send("for loss in losses:", "    for weights in networks:",
                "        for weight in weights: weight.grad = None", "    loss.backward(retain_graph=True)"),
                "You clear all networks before each backward: in the end there is the discriminator's loss alone, and at everyone's "
                "weights. Clear each network once, and say at whose weights a gradient may be left."),
        Mistake("a step as well", send("for loss, weights in zip(losses, networks):", CLEARED,
                "    loss.backward(inputs=weights, retain_graph=True)", "    torch.optim.SGD(weights, 0.1).step()"),
                "The gradients are right, but the weights have moved: you take the step too. That is the optimisers' task, and comes "
                "after."),
        Mistake("the graph is gone", send("for loss, weights in zip(losses, networks):", CLEARED, "    loss.backward(inputs=weights)"),
                "The first backward frees the graph that the three losses share, and the second stops: it has to be kept until the last."),
        Mistake("detached networks", send("for loss, weights in zip(losses, networks):", CLEARED,
                "    loss.detach().requires_grad_().backward()"),
                "Nothing is left at the weights: a loss that is detached has no way back to them."),
        Mistake("encoder: γ", loss("encoder", "gamma * mismatch + kl"),
                "γ is at the encoder: it weighs likeness against the game, and the encoder is not in the game."),
        Mistake("encoder: the game", loss("encoder", f"mismatch + kl {FOOL}"),
                "The encoder hears of the game: then it looks for a z that pleases D, not for that of x."),
        Mistake("encoder: the reconstructions' game", loss("encoder", "mismatch + kl - F.logsigmoid(rebuilt).mean()"),
                "The encoder hears of the game: then it looks for a z that pleases D, not for that of x."),
        Mistake("encoder: no prior", loss("encoder", "mismatch"),
                "The encoder: where is the prior? Without the KL, z ~ N(0, I) is no place that the decoder knows."),
        Mistake("encoder: sign", loss("encoder", "mismatch - kl"),
                "The encoder: the KL has the wrong sign, so it would grow."),
        Mistake("encoder: prior alone", loss("encoder", "kl"),
                "The encoder: only the prior is there, so it would forget x."),
        Mistake("decoder: no γ", loss("decoder", f"mismatch {FOOL}"),
                "The decoder: γ is missing."),
        Mistake("decoder: no samples", loss("decoder", "gamma * mismatch - F.logsigmoid(rebuilt).mean()"),
                "The decoder: the samples from the prior are missing. D must be fooled by both kinds."),
        Mistake("decoder: no reconstructions", loss("decoder", "gamma * mismatch - F.logsigmoid(drawn).mean()"),
                "The decoder: the reconstructions are missing in the game. D must be fooled by both kinds."),
        Mistake("decoder: no game", loss("decoder", "gamma * mismatch"),
                "The decoder: the game is missing, γ·L_f stands alone."),
        Mistake("decoder: γ on the game", loss("decoder", f"mismatch + gamma * (0 {FOOL})"),
                "The decoder: γ is on the game; it belongs to L_f."),
        Mistake("decoder: the fakes' mean", loss("decoder", f"gamma * mismatch + (0 {FOOL}) / 2"),
                "The decoder: its two kinds of images are averaged. L_GAN adds them up, each with weight 1."),
        Mistake("decoder: sums", loss("decoder", "gamma * mismatch - F.logsigmoid(rebuilt).sum() - F.logsigmoid(drawn).sum()"),
                "The decoder: log D is summed over the batch; it is averaged, as L_f is."),
        Mistake("decoder: a sigmoid before", loss("decoder", "gamma * mismatch - F.logsigmoid(rebuilt.sigmoid()).mean() "
                "- F.logsigmoid(drawn.sigmoid()).mean()"),
                "The decoder: a sigmoid is taken twice. `rebuilt` and `drawn` are logits, and logsigmoid wants logits."),
        Mistake("decoder: sign", loss("decoder", f"gamma * mismatch - (0 {FOOL})"),
                "The decoder: the sign of the game is turned, and that helps D."),
        Mistake("decoder: D's loss", loss("decoder", f"gamma * mismatch + ({GAME})"),
                "The decoder: that is D's own loss, so it would help D. It is to raise log D of its images."),
        Mistake("decoder: KL", loss("decoder", f"gamma * mismatch + kl {FOOL}"),
                "The decoder: the KL stands there too. It does no harm, as the decoder has no part in it; leave it away."),
        Mistake("discriminator: sign", loss("discriminator", f"-({GAME})"),
                "The discriminator: the sign is turned, and D would learn to be wrong."),
        Mistake("discriminator: L_f", loss("discriminator", f"mismatch + ({GAME})"), BLIND),
        Mistake("discriminator: γ L_f", loss("discriminator", f"gamma * mismatch + ({GAME})"), BLIND),
        Mistake("discriminator: no samples", loss("discriminator", "-F.logsigmoid(real).mean() - F.logsigmoid(-rebuilt).mean()"),
                "The discriminator: the samples from the prior are missing. D would never learn to tell them."),
        Mistake("discriminator: no reconstructions", loss("discriminator", "-F.logsigmoid(real).mean() - F.logsigmoid(-drawn).mean()"),
                "The discriminator: the reconstructions are missing."),
        Mistake("discriminator: the fakes' mean", loss("discriminator", "-F.logsigmoid(real).mean() - (F.logsigmoid(-rebuilt).mean() "
                "+ F.logsigmoid(-drawn).mean()) / 2"),
                "The discriminator: its two kinds of fakes are averaged. L_GAN adds all three terms up, each with weight 1."),
        Mistake("discriminator: sums", loss("discriminator", GAME.replace("mean", "sum")),
                "The discriminator: its terms are summed over the batch; they are averaged."),
        Mistake("discriminator: swapped", loss("discriminator", GAME.replace("(-", "(").replace("(real", "(-real")),
                "The discriminator: real and fake are swapped."),
        Mistake("discriminator: −log D", loss("discriminator", "-F.logsigmoid(real).mean() + F.logsigmoid(rebuilt).mean() "
                "+ F.logsigmoid(drawn).mean()"),
                "The discriminator: log(1 − D) is not −log D; take it of −l."),
        Mistake("discriminator: no logarithms", loss("discriminator", "-real.sigmoid().mean() - (1 - rebuilt.sigmoid()).mean() "
                "- (1 - drawn.sigmoid()).mean()"),
                "The discriminator: the logarithms are missing."),
    ),
    points=3,
)  # fmt: skip
