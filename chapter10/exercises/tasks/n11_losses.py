"""Notebook 11: what the generators of a CycleGAN descend. bugs.md 27."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = '''
def generators_loss(a, b, G, F, d_a, d_b, lam):
    """a, b [B, D], unrelated -> a scalar."""
    return None
'''

GAME = "(d_b(made_b) - 1).square().mean() + (d_a(made_a) - 1).square().mean()"
CYCLE = "(F(made_b) - a).abs().mean() + (G(made_a) - b).abs().mean()"
SAME = "(G(b) - b).abs().mean() + (F(a) - a).abs().mean()"
ALL = "game + lam * cycle + lam / 2 * same"


def code(game: str = GAME, cycle: str = CYCLE, same: str = SAME, total: str = ALL, made: str = "G(a), F(b)") -> str:
    return f"""
def generators_loss(a, b, G, F, d_a, d_b, lam):
    made_b, made_a = {made}
    game = {game}
    cycle = {cycle}
    same = {same}
    return {total}
"""


BY_THE_PACKAGE = '''
def generators_loss(a, b, G, F, d_a, d_b, lam):
    total = 0.0
    for x, y, there, back, judge in ((a, b, G, F, d_b), (b, a, F, G, d_a)):
        made = there(x)
        total = total + cyclegan.least_squares_generator_loss(judge(made))
        total = total + lam * cyclegan.cycle_loss(x, back(made)) + lam / 2 * cyclegan.identity_loss(there, y)
    return total
'''

BY_TORCH = '''
def generators_loss(a, b, G, F, d_a, d_b, lam):
    l1, mse = nn.L1Loss(), nn.MSELoss()
    says_b, says_a = d_b(G(a)), d_a(F(b))
    total = mse(says_b, torch.ones_like(says_b)) + mse(says_a, torch.ones_like(says_a))
    total += lam * l1(F(G(a)), a) + lam * l1(G(F(b)), b)
    total += 0.5 * lam * (l1(F(a), a) + l1(G(b), b))
    return total.reshape(1)
'''


def observe(look, source, generators_loss):
    def weights(*shape):
        return (torch.randn(shape, generator=source) / 2.5).requires_grad_()

    of_g, of_f, of_a, of_b = weights(6, 6), weights(6, 6), weights(6, 2), weights(6, 3)  # scores: a few patches an image

    def G(x):
        return torch.tanh(x @ of_g)

    def F(x):
        return torch.tanh(x @ of_f + 0.3)

    def d_a(x):
        return x @ of_a + 0.2

    def d_b(x):
        return x @ of_b - 0.1

    a = 2 * torch.rand(5, 6, generator=source) - 1
    b = 2 * torch.rand(5, 6, generator=source) - 0.6
    for lam, words in ((10.0, "λ = 10"), (0.0, "λ = 0: the game alone"), (3.0, "λ = 3")):
        found = look.call(generators_loss, a, b, G, F, d_a, d_b, lam)
        found = found.reshape(()) if isinstance(found, torch.Tensor) and found.numel() == 1 else found
        loss = look.tensor(f"the loss with {words}", found, shape=())
        look.gradient(f"its gradient in G's weights, {words}", loss, of_g)
        look.gradient(f"its gradient in F's weights, {words}", loss, of_f)


HALF_CYCLES = CYCLE.split(" + ")
GAMES = GAME.split(" + ")

TASK = Task(
    name="11-losses",
    title="the generators' loss",
    section="10.5.2",
    minutes=15,
    statement="G is A to B, F is B to A, `d_a` and `d_b` give some scores to each image; all take rows [B, D]. Write what G and F "
    "descend: the game with least squares, the cycle with weight `lam`, the identity with weight `lam / 2`, each in both directions "
    "and added up. The game's squares are averaged over all scores, L1 over all pixels.",
    answers=("generators_loss",),
    stub=STUB,
    hints=(
        "There are six terms, two of each kind. Which images go into each, and who judges or with what is the result compared?",
        "Write one direction; then swap a with b, G with F, and `d_b` with `d_a`.",
        "Part 3.2's table says who is taught by what. G *makes* images of B: so `d_b` judges G(a), and the identity term of G is "
        "about b.",
    ),
    solution=code(),
    why="Game and identity teach one generator each, the cycle teaches both. G is fed images of B in the identity loss, since images "
    "of B are what it makes.",
    right="The game and the identity teach one generator each, the cycle both.",
    observe=observe,
    setting="from chapter10 import cyclegan\n",
    ways=(BY_THE_PACKAGE, BY_TORCH),
    mistakes=(
        # bugs.md 27
        Mistake("identity of the wrong generator", code(same="(G(a) - a).abs().mean() + (F(b) - b).abs().mean()"),
                "The identity loss is on the wrong generator: |G(a) − a| asks G to leave images of A as they are, against everything "
                "else it is to do. G makes images of B: feed it those."),
        Mistake("identity against the other image", code(same="(G(b) - a).abs().mean() + (F(a) - b).abs().mean()"),
                "The identity loss compares G(b) with a, an unrelated image: compare it with b itself."),
        Mistake("identity with λ", code(total="game + lam * cycle + lam * same"), "The identity loss weighs λ/2."),
        Mistake("identity with a half", code(total="game + lam * cycle + same / 2"), "The identity loss weighs λ/2, not 1/2."),
        Mistake("no identity", code(total="game + lam * cycle"), "Of the loss with λ = 10 a part is missing: where is the identity?"),
        Mistake("no cycle", code(total="game + lam / 2 * same"), "The cycle is missing."),
        Mistake("no game", code(total="lam * cycle + lam / 2 * same"), "The game is missing: with λ = 0 nothing is left."),
        Mistake("no λ", code(total="game + cycle + same / 2"), "λ is missing: with λ = 0 cycle and identity are still there."),
        Mistake("cycle without λ", code(total="game + cycle + lam / 2 * same"), "The cycle's λ is missing."),
        Mistake("cycle from A only", code(cycle=HALF_CYCLES[0]), "The cycle starts in A only: start one in B as well."),
        Mistake("cycle from B only", code(cycle=HALF_CYCLES[1]), "The cycle starts in B only: start one in A as well."),
        Mistake("cycles averaged", code(total="game + lam * cycle / 2 + lam / 2 * same"),
                "The two cycles are added up, not averaged: each has the weight λ."),
        Mistake("squares in the cycle", code(cycle=CYCLE.replace("abs", "square")),
                "The cycle takes squares; L1 is asked for, the mean of absolute differences (squares blur more)."),
        Mistake("no way back", code(cycle="(made_b - b).abs().mean() + (made_a - a).abs().mean()"),
                "The cycle compares G(a) with b: they have nothing to do with each other. Go back first, and compare with what you "
                "began with."),
        Mistake("squares in cycle and identity", code(cycle=CYCLE.replace("abs", "square"), same=SAME.replace("abs", "square")),
                "Cycle and identity take squares; L1 is asked for, the mean of absolute differences (squares blur more)."),
        *(Mistake(f"F.{name}", code(cycle=f"F.{name}(F(made_b), a) + F.{name}(G(made_a), b)"),
                  "In this exercise `F` is a generator, not torch.nn.functional: write the mean of the absolute differences out, or "
                  f"take nn.functional.{name}.") for name in ("l1_loss", "mse_loss")),
        Mistake("each compared with the other image as well", code(total=ALL + " + (made_b - b).abs().mean() + (made_a - a).abs().mean()"),
                "One part is too much: G(a) is compared with b. They have nothing to do with each other; there are no pairs."),
        Mistake("G(a) compared with b as well", code(total=ALL + " + (made_b - b).abs().mean()"),
                "One part is too much: G(a) is compared with b. They have nothing to do with each other; there are no pairs."),
        Mistake("generators exchanged", code(made="F(a), G(b)", cycle="(G(made_b) - a).abs().mean() + (F(made_a) - b).abs().mean()",
                                             same="(F(b) - b).abs().mean() + (G(a) - a).abs().mean()"),
                "G and F have changed places: G is A to B, so it is fed a."),
        Mistake("the cycle begun with the other generator", code(cycle="(G(F(a)) - a).abs().mean() + (F(G(b)) - b).abs().mean()"),
                "The cycle from a begins with G, which is made for images of A; yours begins with F."),
        Mistake("the wrong way back", code(cycle="(G(made_b) - a).abs().mean() + (F(made_a) - b).abs().mean()"),
                "G(a) is an image of B. The way back to A leads through F, not through G once more."),
        Mistake("game of G only", code(game=GAMES[0]), "The game of F is missing: `d_a` judges what F makes of b."),
        Mistake("game of F only", code(game=GAMES[1]), "The game of G is missing: `d_b` judges what G makes of a."),
        Mistake("label 0", code(game=GAME.replace(" - 1", "")),
                "The generators want their translations labelled 1, as real. Yours want 0, which is the discriminators' wish."),
        Mistake("the discriminators' loss", code(game="0.5 * ((d_b(b) - 1).square().mean() + d_b(made_b).square().mean() "
                                                      "+ (d_a(a) - 1).square().mean() + d_a(made_a).square().mean())"),
                "That game is the discriminators' loss. The generators want D of their translations to be 1, and have no part in D of "
                "real images."),
        Mistake("the discriminators' loss, without its half", code(game="(d_b(b) - 1).square().mean() + d_b(made_b).square().mean() "
                                                                   "+ (d_a(a) - 1).square().mean() + d_a(made_a).square().mean()"),
                "That game is the discriminators' loss. The generators want D of their translations to be 1, and have no part in D of "
                "real images."),
        Mistake("half a game", code(total="game / 2 + lam * cycle + lam / 2 * same"),
                "The half belongs to the discriminators' loss; the generators' game has none."),
        Mistake("discriminators exchanged", code(game="(d_a(made_b) - 1).square().mean() + (d_b(made_a) - 1).square().mean()"),
                "The discriminators have changed places: `d_b` judges what G makes, for G makes images of B."),
        Mistake("judged on their return", code(game="(d_a(F(made_b)) - 1).square().mean() + (d_b(G(made_a)) - 1).square().mean()"),
                "The discriminators look at what came back. They are to judge the translations, G(a) and F(b)."),
        Mistake("logarithms", code(game="-nn.functional.logsigmoid(d_b(made_b)).mean() - nn.functional.logsigmoid(d_a(made_a)).mean()"),
                "That is the game with logarithms. Least squares are asked for: how far D is from 1, squared."),
        Mistake("the game's sign", code(total="-game + lam * cycle + lam / 2 * same"),
                "The sign of the game is turned: descending it drives the scores away from 1."),
        Mistake("sums", code(cycle=CYCLE.replace("mean", "sum"), same=SAME.replace("mean", "sum")),
                "The L1 losses are sums over images and pixels: take means, or λ means something else for each size of image."),
        Mistake("sums over the pixels", code(cycle=CYCLE.replace("mean()", "sum(1).mean()"), same=SAME.replace("mean()", "sum(1).mean()")),
                "The L1 losses are summed over an image's pixels: take means, or λ means something else for each size of image."),
        Mistake("a detached translation", code(cycle=CYCLE.replace("made_b", "made_b.detach()").replace("made_a", "made_a.detach()")),
                "The number is right, but the cycle teaches only the way back: a detach keeps it from the generator that went there."),
    ),
)  # fmt: skip
