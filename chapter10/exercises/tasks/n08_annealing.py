"""Notebook 08: the price of the KL over a training, by linear and by cyclical annealing."""

from chapter10.exercises.task import Mistake, Task

STUB = '''
def my_beta(step, steps, cycles, share):  # whole numbers, and a share between 0 and 1 -> β of this update
    return None
'''

SOLUTION = '''
def my_beta(step, steps, cycles, share):
    within = step * cycles / steps % 1  # how much of its piece is over
    return min(1.0, within / share)
'''

BY_UPDATES = '''
def my_beta(i, n, pieces, rising):
    length = n // pieces
    done, rise = i % length, rising * length
    if done >= rise:
        return 1
    return done / rise
'''

IN_TORCH = '''
def my_beta(step, steps, cycles, share):
    length = steps / cycles
    start = torch.floor(torch.tensor(step / length)) * length
    return ((step - start) / (share * length)).clamp(0, 1)
'''


def observe(look, source, my_beta):
    # Steps and pieces whose quotients a float holds exactly: where a piece begins must not hang on rounding.
    for steps, cycles, share in ((64, 4, 0.25), (32, 1, 0.75)):
        of = f"{cycles} piece{'s' * (cycles > 1)} in {steps} updates, share {share:g}"
        look.tensor(f"the β at the first update ({of})", look.call(my_beta, 0, steps, cycles, share), shape=())
        betas = []
        for step in range(steps):
            value = look.call(my_beta, step, steps, cycles, share)
            if value is None:
                look.tensor(f"the highest β ({of})", None)
            betas.append(float(value))
        look.tensor(f"the highest β ({of})", max(betas))
        look.tensor(f"the β at the last update ({of})", betas[-1])
        look.tensor(f"the β at each update ({of})", betas)


def wrong(line: str) -> str:
    return (
        "def my_beta(step, steps, cycles, share):\n    length = steps // cycles\n    done, rise = step % length, share * length\n"
        f"    return {line}\n"
    )


TASK = Task(
    name="08-annealing",
    title="a price that rises again and again",
    section="10.5.1",
    minutes=8,
    statement="Write β for update `step` of `steps`, which count from 0. The training falls into `cycles` pieces of equal length (you may "
    "take it that they come out even). In each piece β is 0 at the first update, rises in a straight line, reaches 1 when `share` of "
    "the piece is over, and stays there to the piece's end. With one piece that is linear annealing. Don't use `chapter10.training`.",
    answers=("my_beta",),
    stub=STUB,
    hints=(
        "In which piece is the update, and how much of that piece is over?",
        "The part of the piece that is over, from 0 to 1, is what `% 1` or `% length` leaves. Where it equals `share`, β must be 1.",
        "Divide what is over of the piece by `share`, and let min keep it at 1.",
    ),
    solution=SOLUTION,
    why="The schedule is a function of how far the training is. At the end β must be 1: with another weight what was trained is no "
    "bound.",
    right="Each piece begins at 0, and each ends at 1: the model that you keep was trained with the full price.",
    observe=observe,
    ways=(BY_UPDATES, IN_TORCH),
    mistakes=(
        Mistake("one rise for all", wrong("min(1.0, step / steps / share)"),
                "That is one rise over the whole training: `cycles` has no say in it. Each piece begins anew at 0."),
        Mistake("share of the training", wrong("min(1.0, done / (share * steps))"),
                "β never comes to 1 where there are several pieces; its highest value is {found}. You take `share` of the whole training, "
                "and a piece is over before that. `share` is of the piece."),
        Mistake("no top", wrong("done / rise"),
                "β goes on to rise, up to {found}: it should stay at 1."),
        Mistake("share unused", wrong("done / length"),
                "Your β climbs through the whole piece and is never quite 1: `share` has no say. The highest is {found}."),
        Mistake("share unused, up to 1", wrong("done / (length - 1)"),
                "Your β climbs through the whole piece and is 1 at its last update only. It should be there when `share` of the "
                "piece is over."),
        Mistake("one update ahead", wrong("min(1.0, (done + 1) / rise)"),
                "One update too early: at the first, β must be 0, and yours is {found}. Updates count from 0."),
        Mistake("one update short", wrong("min(1.0, done / (rise - 1))"),
                "The rise is one update too short: β is 0 at update 0 and 1 at update `rise`, so there are `rise` steps between them."),
        Mistake("falling", wrong("1 - min(1.0, done / rise)"),
                "Upside down: yours begins at {found} and ends at 0. The price is low at first, so that a code can form."),
        Mistake("first the rest", wrong("max(0.0, (done - rise) / (length - rise))"),
                "The rise belongs to the first `share` of a piece, and then β stays at 1; yours is the other way round, and ends "
                "below 1."),
        Mistake("first the rest, then a rise as steep", wrong("min(1.0, max(0.0, (done - length + rise) / rise))"),
                "Yours waits at 0 and rises at the end of each piece. It should rise at the piece's beginning, and then stay at 1."),
        Mistake("whole numbers", wrong("min(1, int(done // rise))"),
                "A step in place of a slope: // drops what is behind the point, so β is 0 until it is 1."),
        Mistake("up and down", wrong("min(done / rise, (length - done) / (length - rise))"),
                "Up and down again: β should stay at 1 until the piece ends, and then begin anew at 0 at once."),
        Mistake("one rise, then 1", wrong("min(1.0, step / rise)"),
                "It rises in the first piece and then stays at 1 for ever. Each piece begins anew at 0."),
        Mistake("back to 0", wrong("done / rise if done < rise else 0"),
                "Where β should have come to 1 it falls back to 0: the highest is {found}. It stays at 1 until the piece ends."),
        Mistake("all at once", "def my_beta(step, steps, cycles, share):\n    length = steps // cycles\n"
                "    return [min(1.0, s % length / (share * length)) for s in range(steps)]\n",
                "That is a list for the whole training. Asked is the β of one update, of number `step`."),
        Mistake("pieces of `cycles` updates", wrong("min(1.0, step % cycles / (share * cycles))"),
                "`cycles` is how many pieces there are, not how long one is: that is steps / cycles."),
    ),
)  # fmt: skip
