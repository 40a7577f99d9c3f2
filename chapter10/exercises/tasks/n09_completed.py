"""Notebook 09: let the prior over codes finish a digit of which the upper rows are given."""

import math

import torch
from torch import Tensor

from chapter10.exercises.task import Mistake, Task

STUB = '''
def completed(prior, codes, rows):
    """codes [N, 7, 7] -> codes with all rows from `rows` on drawn anew; `prior(codes)` gives logits [N, 64, 7, 7]."""
    return None
'''

SOLUTION = '''
@torch.no_grad()
def completed(prior, codes, rows):
    codes = codes.clone()
    for row in range(rows, 7):
        for column in range(7):
            logits = prior(codes)[:, :, row, column]  # [N, 64]
            codes[:, row, column] = torch.multinomial(logits.softmax(1), 1).squeeze(1)
    return codes
'''

BY_CATEGORICAL = '''
def completed(prior, given, first):
    flat = given.flatten(1).clone()
    for place in range(7 * first, 49):
        with torch.no_grad():
            logits = prior(flat.view(-1, 7, 7)).flatten(2)[:, :, place]
        flat[:, place] = torch.distributions.Categorical(logits=logits).sample()
    return flat.view(-1, 7, 7)
'''

BY_GUMBEL = '''
def completed(prior, codes, rows):
    new = torch.cat([codes[:, :rows], torch.zeros_like(codes[:, rows:])], 1)
    for i in range(rows, codes.shape[1]):
        for j in range(codes.shape[2]):
            logits = prior(new)[..., i, j].detach()
            noise = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-20, 1 - 1e-7)))
            new[:, i, j] = (logits + noise).argmax(-1)
    return new
'''


class Counting(torch.nn.Module):
    """A prior by which each code is the one before it, read like a page, plus 1 or, less often, plus 2; the first is 0."""

    num_codes = 64

    def forward(self, codes: Tensor) -> Tensor:
        logits = torch.full((len(codes), 64, 49), -30.0)
        logits[:, 0, 0] = 0
        before = codes.flatten(1)[:, :-1]
        for step, share in ((1, 0.75), (2, 0.25)):
            logits[:, :, 1:].scatter_(1, ((before + step) % 64).unsqueeze(1), math.log(share))
        return logits.view(-1, 64, 7, 7)


def observe(look, source, completed):
    start = torch.randint(0, 20, (200, 7, 7), generator=source)
    found = look.call(completed, Counting(), start.clone(), 4)
    in_a_tensor = isinstance(found, Tensor)
    found = look.tensor("what comes back, the codes of 200 maps", found, shape=start.shape, atol=1e9)  # which codes, see below
    look.fact("the codes that come back are a tensor, as the decoder wants them", in_a_tensor)
    look.fact("the codes that come back are whole numbers (int64)", found.dtype == torch.int64)
    look.fact("the rows that are given stay as they are", torch.equal(found[:, :4], start[:, :4]))
    drawn = found[:, 4:]
    look.fact("the lower rows are drawn anew", not torch.equal(drawn, start[:, 4:]))
    look.fact("different maps get different codes", not (drawn == drawn[:1]).all())
    step = torch.cat([start[:, 3, 6:], drawn.flatten(1)], 1).diff(dim=1) % 64
    follows = ((step == 1) | (step == 2)).view(-1, 3, 7)
    look.fact("the first place that is drawn is what the prior says, given the last code above", follows[:, 0, 0].all())
    look.fact("within a row each code follows from the one on its left", follows[:, :, 1:].all())
    look.fact("the first code of a row follows from the last of the row above", follows[:, 1:, 0].all())
    # Of 4,200 draws, one standard deviation is 0.007; between two runs 0.01.
    likelier = (step == 1).double().mean()
    look.number("how often the likelier of two codes is drawn, which the prior gives 75 %", likelier, within=0.05)
    apart = (drawn.flatten(1)[:, 0] - start[:, 3, 6]).double().std()
    look.fact("two maps with the same beginning may end differently", apart > 0)
    # What tells mistakes apart: the first and the last row, and whose successors the codes are.
    look.fact("the first row stays as it is", torch.equal(found[:, 0], start[:, 0]), judged=False)
    look.fact("the last row is drawn anew", not torch.equal(found[:, 6], start[:, 6]), judged=False)
    page, old = drawn.flatten(1), start[:, 4:].flatten(1)
    for name, gap in (("what stood at the same place", page - old), ("the code two places before", page[:, 2:] - page[:, :-2])):
        follows = ((gap % 64 == 1) | (gap % 64 == 2)).double().mean() > 0.6
        look.fact(f"a code follows from {name}", follows, judged=False)


def wrong(*changes: tuple[str, str]) -> str:
    of = SOLUTION
    for old, new in changes:
        assert old in of, old
        of = of.replace(old, new)
    return of


DRAWN = "torch.multinomial(logits.softmax(1), 1).squeeze(1)"
LOGITS = "            logits = prior(codes)[:, :, row, column]  # [N, 64]\n"

TASK = Task(
    name="09-completed",
    title="let the prior finish it",
    section="10.5.1",
    minutes=20,
    statement="Keep the upper half of a digit and let the prior finish it. Given codes [N, 7, 7], keep the first `rows` rows and draw "
    "the others, place by place, from `prior(codes)`, logits [N, 64, 7, 7], of which those at a place hang on the codes before it. The "
    "check has a prior of its own, whose rule is known. The cell after it shows what the stored one makes of eight digits.",
    answers=("completed",),
    stub=STUB,
    hints=(
        "Which places may a place see, and so in which order must they be drawn?",
        "Two loops, over rows and columns. In each: logits of *all* places from the codes so far, of which those at [:, :, row, column] "
        "are wanted.",
        "A softmax over the codes, dimension 1, gives probabilities [N, 64], and `torch.multinomial(…, 1)` draws one for each map.",
    ),
    solution=SOLUTION,
    why="p(codes) is a product of conditionals, each of which sees what was drawn before. Given a beginning, the same product goes on from "
    "there: no other model is needed to complete an image.",
    right="Each place is drawn given all before it, and what was given stays.",
    observe=observe,
    ways=(BY_CATEGORICAL, BY_GUMBEL),
    mistakes=(
        Mistake("logits once", wrong((LOGITS, ""), ("    for row in", "    once = prior(codes)\n    for row in"),
                ("logits.softmax", "once[:, :, row, column].softmax")),
                "The codes don't follow from each other. After each code the logits must be computed anew, for the next place sees it."),
        Mistake("the likeliest", wrong((DRAWN, "logits.argmax(1)")),
                "Always the likeliest code (argmax): a prior is drawn from, or every completion is the same."),
        Mistake("by dice", wrong((DRAWN, "torch.randint(64, (len(codes),))")),
                "The codes don't follow from the ones before: the prior has no say in what you draw."),
        Mistake("column by column", wrong(("for row in range(rows, 7)", "for column in range(7)"),
                ("        for column in range(7):", "        for row in range(rows, 7):")),
                "Read it like a page: all columns of a row, then the next row. Here a place is drawn before one that it depends on."),
        Mistake("one map for all", wrong(("logits.softmax(1), 1).squeeze(1)", "logits[:1].softmax(1), 1).item()")),
                "All maps get the code that the first one drew: draw for each map from its own logits, [N, 64]."),
        Mistake("all from the first map's logits", wrong(("logits.softmax(1), 1).squeeze(1)",
                "logits[0].softmax(0), len(codes), replacement=True)")),
                "All maps are drawn from the first map's logits. Draw for each map from its own, [N, 64]."),
        Mistake("softmax over the maps", wrong(("softmax(1)", "softmax(0)")),
                "Is the softmax taken over the codes, dimension 1? Over the maps, dimension 0, it compares one map with another."),
        Mistake("row and column exchanged", wrong(("[:, :, row, column]", "[:, :, column, row]")),
                "Of which place are the logits that you take? They are [N, 64, row, column], and yours are of a place that mirrors it."),
        Mistake("the next place", wrong(("[:, :, row, column]", "[:, :, row, (column + 1) % 7]")),
                "You take the logits of the place after the one that you draw. The prior hides from each place its own code already."),
        Mistake("the place before", wrong(("[:, :, row, column]", "[:, :, row, column - 1]")),
                "You take the logits of the place before the one that you draw, as in a model of the next word. Here logits at a place "
                "are of that place."),
        Mistake("one row too few", wrong(("range(rows, 7)", "range(rows + 1, 7)")),
                "The first row that should be drawn is still the old one: rows count from 0, so the first to draw is `rows`."),
        Mistake("one row too many", wrong(("range(rows, 7)", "range(rows - 1, 7)")),
                "The last row that was given has been drawn anew: rows count from 0, so the first to draw is `rows`."),
        Mistake("all rows", wrong(("range(rows, 7)", "range(7)")),
                "All rows are drawn: that is a new digit. The first `rows` must stay as they are."),
        Mistake("the new rows alone", wrong(("    return codes", "    return codes[:, rows:]")),
                "Only the rows that were drawn come back. The decoder wants whole maps, [N, 7, 7]: give the upper rows with them."),
        Mistake("an array of numpy", wrong(("    return codes", "    return codes.numpy()")),
                "The codes are right, but in an array of numpy: the decoder wants a tensor (torch.from_numpy)."),
        Mistake("nothing drawn", wrong(("            codes[:, row, column] = " + DRAWN + "\n", "            pass\n")),
                "Nothing was drawn: the lower rows are still the old ones."),
        Mistake("the upper rows drawn", wrong(("range(rows, 7)", "range(rows)")),
                "You draw the upper rows and keep the lower. The prior sees only what is above: it can't finish a digit upwards."),
        Mistake("logits for probabilities", wrong(("logits.softmax(1)", "logits.sigmoid()")),
                "The likelier of two codes is drawn too seldom: a sigmoid makes no shares of logits. It is a softmax over the codes."),
    ),
    points=4,
)  # fmt: skip
