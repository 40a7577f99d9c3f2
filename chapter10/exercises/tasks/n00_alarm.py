"""Notebook 00: log p(x) as an alarm, and a page that fools it."""

from functools import cache

import torch

from chapter10.exercises import embedded
from chapter10.exercises.task import Mistake, Task

STUB = """
def my_log_evidence(x, p, share):  # pages [N, D], p of black [K, D], share of each class [K] -> log p(x) [N]
    return None


def my_page(p, share):  # [K, D], [K] -> one page [D] of 0s and 1s
    return None
"""

EVIDENCE = """
def my_log_evidence(x, p, share):
    log_joint = share.log() + x @ p.log().T + (1 - x) @ (1 - p).log().T
    return log_joint.logsumexp(1)

"""

PAGE = """
def my_page(p, share):
    pages = (p > 0.5).float()  # the most probable page of each class, [K, D]
    return pages[my_log_evidence(pages, p, share).argmax()]
"""

BY_THE_LIBRARY = """
def my_log_evidence(pages, black, frequency):
    classes = torch.distributions.Categorical(probs=frequency)
    pixels = torch.distributions.Independent(torch.distributions.Bernoulli(probs=black), 1)
    return torch.distributions.MixtureSameFamily(classes, pixels).log_prob(pages)


def my_page(black, frequency):
    page = torch.zeros(black.shape[1])
    scores = frequency.log() + torch.maximum(black, 1 - black).log().sum(1)
    page[black[scores.argmax()] >= 0.5] = 1
    return page
"""

PIXEL_BY_PIXEL = """
def my_log_evidence(x, p, share):
    rows = [share.double().log() + torch.where(page > 0, p.double(), 1 - p.double()).log().sum(1) for page in x]
    return torch.stack([torch.logsumexp(row, 0) for row in rows])


def my_page(p, share):
    page = (share @ p).round()
    for _ in range(3):  # turn every pixel whose turning makes the page more probable
        p_of_class = (my_log_evidence_joint(page[None], p, share)).softmax(1)  # [1, K]
        page = ((p_of_class @ p.logit())[0] > 0).float()
    best = (p > 0.5).float()
    candidates = torch.cat([page[None], best])
    return candidates[my_log_evidence(candidates, p, share).argmax()].int().tolist()


def my_log_evidence_joint(x, p, share):
    return share.log() + x @ p.log().T + (1 - x) @ (1 - p).log().T
"""


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Real pages [360, 784], p of black [10, 784] and the share of each class [10], of the digits inside scikit-learn."""
    images = embedded.digits()
    pages, labels = (images.train > 127).flatten(1).float(), images.train_labels
    counts = torch.bincount(labels, minlength=10)
    black = torch.stack([pages[labels == k].sum(0) for k in range(10)])
    return (images.test > 127).flatten(1).float(), (black + 1) / (counts[:, None] + 2), counts / counts.sum()


def true_joint(x, p, share):
    return share.log() + x @ p.log().T + (1 - x) @ (1 - p).log().T


def true_evidence(x, p, share):
    return true_joint(x, p, share).logsumexp(1)


def observe(look, source, my_log_evidence, my_page):
    p, share = 0.9 * torch.rand(3, 30, generator=source) + 0.05, torch.tensor([0.6, 0.3, 0.1])
    x = torch.bernoulli(p[[0, 0, 1, 1, 2]], generator=source)
    look.tensor("log p(x) of five pages of 30 pixels", look.call(my_log_evidence, x, p, share), shape=(5,))
    all_pages = torch.cartesian_prod(*4 * [torch.arange(2.0)])
    total = torch.as_tensor(my_log_evidence(all_pages, p[:, :4], share)).exp().sum()
    look.tensor("p(x) of all 16 pages of four pixels, added up", total)
    real, p_real, share_real = digits()
    log_p = look.tensor("log p(x) of real digits of 784 pixels", my_log_evidence(real, p_real, share_real), (len(real),), atol=1e-2)
    see_page(look, "random p of 30 pixels", my_page, p, share, true_evidence(x, p, share).max())
    see_page(look, "p of real digits", my_page, p_real, share_real, log_p.max())


def see_page(look, name, my_page, p, share, highest):
    """`highest` is the log p(x) that the most probable example has."""
    page = look.tensor(f"a page for {name}", look.call(my_page, p, share), shape=(p.shape[1],), atol=1e9).float()
    look.fact(f"every pixel of the page for {name} is 0 or 1", bool(((page == 0) | (page == 1)).all()))
    found, single = true_evidence(page[None], p, share), true_evidence((p > 0.5).float(), p, share).max()
    look.at_least(f"log p(x) of the page for {name}, above the most probable example's", found - highest, 0)
    look.at_least(f"log p(x) of the page for {name}, above the best that one class has to offer", (found - single).round(decimals=3), 0)
    for what, so in (
        ("is empty", not page.any()),
        ("is the opposite of what a class has most often", bool((page == (p < 0.5)).all(1).any())),
        ("is the rounded mean over all classes", torch.equal(page, (share @ p > 0.5).float())),
        ("is another at the second call", not torch.equal(page, torch.as_tensor(my_page(p, share)).float())),
    ):
        look.fact(f"the page for {name} {what}", so, judged=False)


def wrong(line: str) -> str:
    return f"def my_log_evidence(x, p, share):\n    return {line}\n{PAGE}"


def wrong_page(line: str) -> str:
    return f"{EVIDENCE}\ndef my_page(p, share):\n    return {line}\n"


JOINT = "(share.log() + x @ p.log().T + (1 - x) @ (1 - p).log().T)"

TASK = Task(
    name="00-alarm",
    title="build the alarm, then fool it",
    section="10.1.1",
    minutes=15,
    statement="Section 6 made p(x) look like an alarm for everything that is no digit. **Build it:** `my_log_evidence` gives log p(x) "
    "of naive "
    "Bayes for pages `x` of 0s and 1s, from section 5's `p` [K, D] and each class's `share` [K] (in section 5: `size / size.sum()`). "
    "**Bet:** where does an empty page lie, `torch.zeros(1, 784)`, among the test digits' `log_p_test`? **Fool it:** `my_page` makes "
    "one page "
    "[D] of 0s and 1s that no one wrote and that the alarm finds more probable than every real digit, and no less probable than what any "
    "single class has to offer. Draw it.",
    answers=("my_log_evidence", "my_page"),
    stub=STUB,
    hints=(
        "p(x) = Σ p(y) p(x|y). What is log p(x|y) of independent pixels, and what do the white ones contribute? For the page: if you "
        "may choose "
        "every pixel, and the class is known, which value of a pixel is the more probable one?",
        "log p(x|y) adds log p for black pixels and log(1 − p) for white ones; then logsumexp over the classes, with log p(y) added "
        "before. "
        "The most probable page of one class has every pixel as most of its images have it.",
        "Two matrix products with `x` and `1 - x` give [N, K] at once. Make one such page for each class, ask your alarm about all of "
        "them, and "
        "return the one it likes best.",
    ),
    solution=EVIDENCE + PAGE,
    why="The most probable page is no typical one. Real digits share their probability among very many different pages, each of which "
    "is less "
    "probable than the mean digit that nobody wrote. A high p(x) is no proof that x is typical; deep models have the same flaw "
    "(Nalisnick and "
    "others 2019).",
    right="The alarm works, and your page, which nobody wrote, passes it before every real digit: the most probable page is no "
    "typical one. The "
    "empty page does well too where strokes are thin, as on MNIST.",
    observe=observe,
    ways=(BY_THE_LIBRARY, PIXEL_BY_PIXEL),
    mistakes=(
        Mistake("the largest class alone", wrong(f"{JOINT}.max(1).values"),
                "That is the largest log p(x, y), and the p(x) of all pages add up to less than 1: p(x) is the sum over the classes."),
        Mistake("no share", wrong("(x @ p.log().T + (1 - x) @ (1 - p).log().T).logsumexp(1)"),
                "The share of each class is missing: summed over the classes, p(x|y) alone is no p(x), and all pages together get "
                "more than 1."),
        Mistake("the classes alike", wrong("(x @ p.log().T + (1 - x) @ (1 - p).log().T).logsumexp(1) - math.log(len(share))"),
                "You weigh all classes alike. Each counts with its share."),
        Mistake("black pixels only", wrong("(share.log() + x @ p.log().T).logsumexp(1)"),
                "Only the black pixels count in yours. A white one says something too: it has the probability 1 − p."),
        Mistake("the mean over pixels", wrong("(share.log() + (x @ p.log().T + (1 - x) @ (1 - p).log().T) / p.shape[1]).logsumexp(1)"),
                "You average over the pixels. Independent probabilities are multiplied, so their logarithms add up."),
        Mistake("the logarithms averaged", wrong(f"(share * {JOINT}).sum(1)"),
                "You average the logarithms over the classes. p(x) is the sum of probabilities; the logarithm comes after it."),
        Mistake("underflow", wrong(f"{JOINT}.exp().sum(1).log()"),
                "Right for 30 pixels. With 784 all p(x, y) of most digits are rounded to 0, and the logarithm of 0 is minus infinity. "
                "Stay in the logarithm."),
        Mistake("the empty page", wrong_page("torch.zeros(p.shape[1])"),
                "The empty page does well where strokes are thin, but not for every p: the best example lies above it here. Look for a "
                "page that depends on p."),
        Mistake("a drawn page", wrong_page("torch.bernoulli(p[share.argmax()])"),
                "You drew a page from the model. It is as probable as a typical one, no more. Don't toss coins: choose."),
        Mistake("grey", wrong_page("p[share.argmax()]"),
                "That is the mean image of a class, in grey levels. A page is black or white: round it."),
        Mistake("the wrong way round", wrong_page("(p[share.argmax()] < 0.5).float()"),
                "Each pixel has the less probable of its two values."),
        Mistake("all classes mixed", wrong_page("((share @ p) > 0.5).float()"),
                "You rounded the mean over all classes. Such a page is a mixture that belongs to none of them: take a class, and its "
                "mean."),
        Mistake("a page for each class", wrong_page("(p > 0.5).float()"),
                "Those are K pages, one for each class. Ask your alarm which is the most probable of all."),
    ),
    points=3,
)  # fmt: skip
