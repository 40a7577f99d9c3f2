"""Notebook 06: which fault gives itself away in which log."""

from functools import cache

import torch

from chapter10 import gan
from chapter10.exercises.look import Enough, Look
from chapter10.exercises.task import Mistake, Task
from chapter10.language import say
from chapter10.training import adam

FAULTS = {
    "a": "D ends in a sigmoid, and its loss takes logits.",
    "b": "D's step gets fakes in place of the real data.",
    "c": "G's step detaches its fakes.",
    "d": "D's gradients are not zeroed after G's step.",
}
LOGS = {"A": "b", "B": "c", "C": "a"}  # which fault made which log
ROUNDS, LOOKS, BATCH, DIMENSIONS = 400, 8, 64, 16


@cache
def log(which: str) -> list[dict[str, float]]:
    """A training with one fault on points around (1, …, 1): eight rows of means over 50 rounds.

    Returns rows with "rounds", "d_loss" and "g_loss" in nats, "d_right" (D's share of right answers) and "g_gradient"
    (the norm of what G's optimiser gets).
    """
    fault, rows, seen = LOGS[which], [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ord(which))
        generator = gan.MixtureGenerator(4, hidden_dim=32, hidden_layers=1, data_dim=DIMENSIONS)
        discriminator = gan.MixtureDiscriminator(hidden_dim=64, hidden_layers=1, data_dim=DIMENSIONS)
        d_optimizer, g_optimizer = adam(discriminator, 2e-3, (0.5, 0.999)), torch.optim.SGD(generator.parameters(), 1e-3)
        for step in range(1, ROUNDS + 1):
            seen.append(_round(fault, generator, discriminator, g_optimizer, d_optimizer))
            if step % (ROUNDS // LOOKS) == 0:
                means = torch.tensor(seen, dtype=torch.float64).mean(0).tolist()
                rows.append({"rounds": step} | dict(zip(("d_loss", "g_loss", "d_right", "g_gradient"), means)))
                seen.clear()
    return rows


def _round(fault, generator, discriminator, g_optimizer, d_optimizer) -> tuple[float, float, float, float]:
    def judge(x):  # taken for a logit; above `middle` D says "real"
        return discriminator(x).sigmoid() if fault == "a" else discriminator(x)

    middle = 0.5 if fault == "a" else 0.0
    fake = generator(torch.randn(BATCH, generator.latent_dim)).detach()
    real = fake if fault == "b" else 1 + 0.3 * torch.randn(BATCH, DIMENSIONS)
    d_optimizer.zero_grad()
    real_output, fake_output = judge(real), judge(fake)
    d_loss = gan.discriminator_loss(real_output, fake_output)
    d_loss.backward()
    d_optimizer.step()
    right = ((real_output > middle).double().mean() + (fake_output <= middle).double().mean()) / 2

    fake = generator(torch.randn(BATCH, generator.latent_dim))
    g_loss = gan.non_saturating_generator_loss(judge(fake.detach() if fault == "c" else fake))
    g_optimizer.zero_grad()
    g_loss.backward()
    given = [p.grad for p in generator.parameters() if p.grad is not None]
    norm = torch.cat([g.flatten() for g in given]).norm().item() if given else 0.0
    g_optimizer.step()
    return d_loss.item(), g_loss.item(), right.item(), norm


def show(which: str) -> str:
    """A log as a table in plain text."""
    rows = [say("log {which}: rounds   D's loss   G's loss   D is right   |G's gradient|", which=which)]
    for row in log(which):
        rows.append(f"{row['rounds']:13} {row['d_loss']:10.3f} {row['g_loss']:10.3f} {row['d_right']:12.0%} {row['g_gradient']:16.3f}")
    return "\n".join(rows)


def observe(look: Look, source: torch.Generator, *chosen: object) -> None:
    order = list(FAULTS)
    for which, letter in zip(LOGS, chosen):
        letter = letter.strip().strip("()").lower() if isinstance(letter, str) else letter
        if letter is None:
            look.missing(f"the fault of log {which}", f"None, which is none of {', '.join(order)}")
        if letter not in order:
            look.missing(f"the fault of log {which}", f"{letter!r}, which is none of {', '.join(order)}")
        look.number(f"the fault of log {which}", order.index(letter), within=0.1)
        if letter != LOGS[which]:  # one log at a time
            raise Enough


def letters(**other: str) -> str:
    chosen = LOGS | other
    return ", ".join(f"fault_{which}" for which in chosen) + " = " + ", ".join(repr(letter) for letter in chosen.values())


def taken_for(which: str, letter: str, says: str) -> Mistake:
    return Mistake(f"log {which} as {letter}", letters(**{which: letter}), f"Log {which}: {says}")


TASK = Task(
    name="06-log",
    title="three logs, three faults",
    section="10.3.3",
    minutes=8,
    statement="The cell above trained three small GANs on points, each with one fault, and printed what they logged: means over 50 rounds. "
    "D is right where it puts a real point or a fake on the right side; the last column is the norm of the gradient that G's optimiser "
    "gets. Which fault is behind which log? One of the four is behind none.\n\n"
    + "\n".join(f"- **{key}**: {words}" for key, words in FAULTS.items()),
    answers=("fault_A", "fault_B", "fault_C"),
    stub="fault_A, fault_B, fault_C = None, None, None  # 'a', 'b', 'c' or 'd' each",
    hints=(
        "A D that is right every time: how low should its loss go? And what does D's loss say of a D that can't tell at all?",
        "Three numbers to know: 0, where D is sure and right; 1.006, the floor of D's loss with a sigmoid too many (notebook 05); 2 log "
        "2 = 1.386, for D = ½.",
        "Look for the log in which D is always right and yet pays; for the one in which D learns nothing; and for a column that is "
        "exactly 0.",
    ),
    solution=letters(),
    why="In A D's loss is 2 log 2 from the start and stays: what it is shown as real and as fake can't be told apart. In B G's gradient "
    "is exactly 0, so D wins and G's loss only rises. In C D is right every time, and its loss stops at 1.006: a sigmoid too many.",
    right="2 log 2 without a move, a gradient of exactly 0, a floor at 1.006: each gives its fault away.",
    observe=observe,
    ways=(
        "fault_A, fault_B, fault_C = 'B', '(c)', ' a '",
        "fault_A = 'b'\nfault_B = 'c'\nfault_C = 'a'",
    ),
    mistakes=(  # bugs.md 15, 16, 17
        taken_for("A", "a", "with a sigmoid too many D can still be right, and its loss then falls to 1.006. This one stays at 2 log 2, "
                "and D is right half of the time: it learns nothing."),
        taken_for("A", "c", "detached fakes leave G without any gradient, and here it has one. It is D that gets nowhere: why can't it "
                "tell what it is shown?"),
        taken_for("A", "d", "gradients that pile up in D disturb its steps, but D would still see a difference, and be right more often "
                "than a coin. What makes that impossible?"),
        taken_for("B", "a", "with a sigmoid too many D's loss can't fall below 1.006, and here it falls to nearly 0. Look at the last "
                "column."),
        taken_for("B", "b", "here D is shown a difference, and learns it: it is right every time. Look at the last column."),
        taken_for("B", "d", "D's steps look good: it wins. What keeps G from answering? Look at the last column."),
        taken_for("C", "b", "if D saw fakes only, it would be right half of the time. Here it is right every time, and its loss doesn't "
                "fall to 0. Where does it stop?"),
        taken_for("C", "c", "G gets a gradient, if one that fades. And D is right every time: with detached fakes its loss would go to "
                "0. Where does it stop?"),
        taken_for("C", "d", "D is right every time, and steadily so: nothing disturbs its steps. And yet its loss stops. At which number?"),
    ),
    situations=1,
    points=1,
)  # fmt: skip
