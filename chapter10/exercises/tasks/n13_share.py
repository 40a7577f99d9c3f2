"""Notebook 13: how a batch is split among processes, and how their means become one."""

import torch

from chapter10.exercises.task import Mistake, Task

STUB = """
def my_rows(order, rank, world):
    \"\"\"The global batch's places in the data [B], the process's number from 0 to world − 1, how many there are -> its own places.\"\"\"
    return None


def my_mean(means, counts):
    \"\"\"Each process's mean loss [W] over its own rows, and how many rows it had [W] -> the mean over the global batch.\"\"\"
    return None
"""

CODE = """
def my_rows(order, rank, world):
    return {rows}


def my_mean(means, counts):
    return {mean}
"""
ROWS, MEAN = "order[rank::world]", "(means * counts).sum() / counts.sum()"


def code(rows: str = ROWS, mean: str = MEAN) -> str:
    return CODE.format(rows=rows, mean=mean)


def observe(look, source, my_rows, my_mean):
    for size, world in ((12, 3), (10, 4), (7, 1)):
        words = f"{size} rows, {world} process{'es' if world > 1 else ''}"
        order = torch.randperm(100, generator=source)[:size]
        own = [look.call(my_rows, order, rank, world) for rank in range(world)]
        for rank, rows in enumerate(own):
            if not isinstance(rows, torch.Tensor):
                look.missing(f"the rows of process {rank} ({words})", "no tensor" if rows is not None else "None")
            if rows.ndim != 1:
                look.missing(f"the rows of process {rank} ({words})", f"a tensor of shape {list(rows.shape)}")
        sizes = [len(rows) for rows in own]
        look.at_most(f"by how many rows two processes differ ({words})", max(sizes) - min(sizes), 1)
        joined = torch.cat(own).tolist()
        look.fact(f"every row is one of the batch ({words})", set(joined) <= set(order.tolist()))
        look.fact(f"no row is seen twice ({words})", len(set(joined)) == len(joined))
        look.fact(f"no row is left out ({words})", set(joined) == set(order.tolist()))
        again = [my_rows(order, rank, world) for rank in range(world)]
        same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(own, again))
        look.fact(f"asked again, every process gets the same rows ({words})", same)
    counts = torch.tensor([64.0, 64.0, 64.0, 8.0])
    means = 100 + 10 * torch.randn(4, generator=source)
    look.tensor("the mean over four processes, of which one had fewer rows", look.call(my_mean, means, counts), shape=(), rtol=1e-5)


TASK = Task(
    name="13-share",
    title="your share of the batch",
    section="10.2.6",
    minutes=10,
    statement="W processes train one model. All of them draw the same order of the images, and take a batch of B from it; each computes "
    "on its own rows only. Write which rows are a process's own: together they are the batch, no row twice, and no process has more "
    "than one row more than another, also where W doesn't divide B. Then: each knows the mean loss of its own rows. What is the "
    "mean over the whole batch?",
    answers=("my_rows", "my_mean"),
    stub=STUB,
    hints=(
        "Ten rows, four processes: how many rows has each? Who has which?",
        "Deal the rows out like cards. And a mean of three rows should count less than a mean of sixty.",
        "Every W-th row, beginning at a process's own number: a slice with a step. For the mean, go back to sums first.",
    ),
    solution=code(),
    why="All processes must agree on the order, so it is drawn from the same seed, and what differs is the slice. A mean of means is the "
    "mean only where all have equally many rows: in the last batch of an epoch they often don't.",
    right="Every row once, and each counts the same.",
    observe=observe,
    ways=(
        code(rows="order.tensor_split(world)[rank]"),
        code(rows="order[torch.arange(len(order)) % world == rank]", mean="torch.dot(means, counts / counts.sum())"),
        code(mean="sum(m * n for m, n in zip(means, counts)) / sum(counts)"),
    ),
    mistakes=(
        Mistake("the mean of the means", code(mean="means.mean()"),
                "The rows are shared out well. But a mean over few rows counts as much as one over many: where the last batch is short, "
                "its rows weigh too much."),
        Mistake("a sum", code(mean="(means * counts).sum()"),
                "The rows are shared out well. The second function gives the sum over all rows: divide by how many there are."),
        Mistake("divided by the processes", code(mean="(means * counts).sum() / len(counts)"),
                "The rows are shared out well. The sum over all rows is to be divided by the number of rows, not of processes."),
        Mistake("everything to everyone", code(rows="order"),
                "Every process gets the whole batch: all do the same work, and nothing is gained."),
        Mistake("the rest left out", code(rows="order[rank * (len(order) // world) : (rank + 1) * (len(order) // world)]"),
                "Where W doesn't divide B the last rows are left out: nobody ever learns from them."),
        # every process but the last rounds down, or up
        Mistake("the rest to the last", code(rows="order[rank * (len(order) // world) : (rank + 1) * (len(order) // world) "
                                                  "if rank < world - 1 else len(order)]"),
                "Every row is seen once. But what doesn't divide evenly all falls to the last process, as too much or too little, and "
                "whoever has less waits: no two may differ by more than one row."),
        Mistake("an order of its own", code(rows="order[torch.randperm(len(order))][rank::world]"),
                "Each process shuffles once more, by itself: some rows are then seen twice and others by nobody. The order is shared; only "
                "the slice is a process's own."),
        Mistake("the first ones", code(rows="order[: len(order) // world]"),
                "Every process gets the same first rows: the rank is not used."),
        Mistake("counted from 1", code(rows="order[rank + 1 :: world]"),
                "Processes are counted from 0: so the first row is nobody's."),
        Mistake("places instead of rows", code(rows="torch.arange(len(order))[rank::world]"),
                "Those are places in the batch, 0 to B − 1, not the rows that stand there: take them out of `order`."),
    ),
)  # fmt: skip
