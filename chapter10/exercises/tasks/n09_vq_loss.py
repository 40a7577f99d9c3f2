"""Notebook 09: a VQ-VAE's loss with two faults."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def repaired(z, book, decode, x, beta):  # z [B, h, w, C], codebook [K, C] -> a scalar
    q = book[vqvae.nearest_code(z, book)]
    q = vqvae.straight_through(z, q)
    reconstruction = -bernoulli_log_likelihood(decode(q), x).mean()
    codebook_term = (z.detach() - q).square().flatten(1).sum(1).mean()
    commitment = (z - q.detach()).square().flatten(1).sum(1).mean()
    return reconstruction + beta * codebook_term + commitment
'''

SOLUTION = '''
def repaired(z, book, decode, x, beta):
    q = book[vqvae.nearest_code(z, book)]
    reconstruction = -bernoulli_log_likelihood(decode(vqvae.straight_through(z, q)), x).mean()
    codebook_term = (z.detach() - q).square().flatten(1).sum(1).mean()  # of the code, before the straight-through line
    commitment = (z - q.detach()).square().flatten(1).sum(1).mean()
    return reconstruction + codebook_term + beta * commitment
'''

BY_THE_PACKAGE = '''
def repaired(z, book, decode, x, beta):
    q = book[vqvae.nearest_code(z, book)]
    terms = vqvae.vq_losses(z, q)
    reconstruction = -bernoulli_log_likelihood(decode(vqvae.straight_through(z, q)), x)
    return (reconstruction + terms.codebook + beta * terms.commitment).mean()
'''

BY_HAND = '''
def repaired(z, book, decode, x, beta):
    vectors = z.reshape(-1, z.shape[-1])
    codes = torch.cdist(vectors.detach(), book.detach()).argmin(1)
    e = F.embedding(codes, book).view_as(z)
    logits = decode(z + (e - z).detach())
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    loss = loss + F.mse_loss(e, z.detach(), reduction="sum") + beta * F.mse_loss(z, e.detach(), reduction="sum")
    return loss / len(x)
'''


def observe(look, source, repaired):
    z = (2 * torch.randn(4, 2, 2, 3, generator=source, dtype=torch.float64)).requires_grad_()
    book = torch.randn(5, 3, generator=source, dtype=torch.float64).requires_grad_()
    weight = torch.randn(12, 6, generator=source, dtype=torch.float64)
    x = torch.rand(4, 6, generator=source, dtype=torch.float64).round()

    def decode(q):
        return q.flatten(1) @ weight

    loss = look.tensor("the loss of four small images", look.call(repaired, z, book, decode, x, 0.25), shape=())
    look.gradient("the encoder's gradient, at z", loss, z)
    look.gradient("the codebook's gradient", loss, book)


def wrong(*changes: tuple[str, str], of: str = SOLUTION) -> str:
    for old, new in changes:
        assert old in of, old
        of = of.replace(old, new)
    return of


BETA_SWAPPED = ("codebook_term + beta * commitment", "beta * codebook_term + commitment")
NO_LINE = ("decode(vqvae.straight_through(z, q))", "decode(q)")
MEANS = (".flatten(1).sum(1).mean()", ".mean()")

TASK = Task(
    name="09-vq-loss",
    title="find two faults",
    section="10.5.1",
    minutes=15,
    statement="A friend's VQ-VAE, in which the codebook is a parameter (no moving averages), trains without an error, but its codebook "
    "stays where it began, whatever β is. Here is the loss: `decode` gives logits, distances are summed over places and dimensions, and "
    "all is averaged over the batch. Find both faults and mend them. A question that helps: to what does each of the three terms send a "
    "gradient? Part 2 shows how to ask.",
    answers=("repaired",),
    stub=STUB,
    hints=(
        "After the straight-through line `q` has the codes' value, but what is it connected to?",
        "`vqvae.vq_losses` says which `quantised` it wants; and in the formula of part 2, which of the two distances has β?",
        "Give the straight-through value a name of its own, for decode alone. And β is the weight of the term that moves the encoder.",
    ),
    solution=SOLUTION,
    why="After the straight-through line q hangs on z, not on the codebook, so a codebook term made of it moves nothing. And β says how "
    "tightly the encoder is bound, beside a codebook that follows with weight 1.",
    right="The reconstruction and the commitment, with β, move the encoder; the codebook's term, with weight 1, moves the codes.",
    unanswered="Both faults are still in it.",
    observe=observe,
    ways=(BY_THE_PACKAGE, BY_HAND),
    setting="from chapter10 import vqvae\nfrom chapter10.vae import bernoulli_log_likelihood\n",
    mistakes=(
        Mistake("β on the codebook's term", wrong(BETA_SWAPPED),  # bugs.md 11
                "The codes move now: one fault is mended. But the encoder is bound four times as tightly as the codes follow, in place of "
                "the other way round: β is still on the term that moves the codes."),
        Mistake("codebook loss after the straight-through line",  # bugs.md 12
                wrong(("beta * codebook_term + commitment", "codebook_term + beta * commitment"), of=STUB),
                "β is where it belongs now: one fault is mended. But the codes still get no gradient: what is called q after the "
                "straight-through line is connected to z, not to the codebook."),
        Mistake("no straight-through", wrong(NO_LINE),  # bugs.md 13
                "The straight-through line is gone, or lacks its detach: the reconstruction now moves the codes, and the encoder learns "
                "from the commitment only."),
        Mistake("no straight-through, β on the codebook's term", wrong(NO_LINE, BETA_SWAPPED),
                "The straight-through line is gone, and β is still on the codebook's term. Keep the line, but let the two distances have "
                "the codes from before it."),
        Mistake("no commitment", wrong((" + beta * commitment", "")),
                "The commitment is gone: the encoder may run away from its codes."),
        Mistake("no codebook's term", wrong((" + codebook_term", "")),
                "The codebook's term is gone: the codes stay where they are."),
        Mistake("no β", wrong(("beta * commitment", "commitment")),
                "β has disappeared: both terms have weight 1. It belongs on the commitment."),
        Mistake("β on both", wrong(("codebook_term + beta * commitment", "beta * (codebook_term + commitment)")),
                "β is on both terms now: the codebook's has weight 1."),
        Mistake("distances as means", wrong(MEANS),
                "The distances are means over places and dimensions now, against a sum over pixels: a hidden factor of 1/12 here. "
                "Sum them."),
        Mistake("nothing detached", wrong(("(z.detach() - q)", "(z - q)"), ("(z - q.detach())", "(z - q)")),
                "Neither distance is detached, so both move the encoder and the codes, with weight 1 + β each. Who is to move in which "
                "term?"),
        Mistake("no minus", wrong(("= -bernoulli", "= bernoulli")),
                "The reconstruction's sign is turned: log p is to grow, so the loss has minus log p."),
        Mistake("the decoder cut off", wrong(("decode(vqvae.straight_through(z, q))", "decode(q.detach())")),
                "The decoder gets the codes, detached: so the reconstruction never reaches the encoder. The straight-through line is the "
                "way back to it."),
        Mistake("z and q exchanged", wrong(("straight_through(z, q)", "straight_through(q, z)")),
                "z and q have changed places in the straight-through line: the decoder sees z, and the codes get its gradient."),
        Mistake("z decoded", wrong(("decode(vqvae.straight_through(z, q))", "decode(z)")),
                "The decoder gets z, not the code: this is an autoencoder with a codebook beside it."),
    ),
    points=3,
)  # fmt: skip
