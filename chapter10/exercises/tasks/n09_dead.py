"""Notebook 09: why a codebook without restarts stays half empty."""

from chapter10.exercises.task import choice

TASK = choice(  # bugs.md 14: may be no bug
    name="09-dead",
    title="codes that nobody chooses",
    section="10.5.1",
    minutes=5,
    statement="In part 3 set `restart=0` and train again: the perplexity over 1,000 images stops below half of the codebook. It is the row "
    "*moving averages, batch norm* of part 4's figure. The log looks healthy: the loss falls, the reconstructions are good. Would "
    "training for longer bring the rest of the 64 codes into use?",
    options={
        "a": "Yes: with a decay of 0.99 each code moves by a hundredth of its way at each batch, so the far ones only need more batches.",
        "b": "Yes: the codes are in use, but an image has 49 places only. Over more images than these 1,000 the perplexity would reach 64.",
        "c": "No: with no more codes than it uses now, the digits are already told as exactly as this encoder and this decoder can.",
        "d": "No: what a code follows are the vectors that choose it. One that nobody chose has none, so it stays where no vector comes.",
    },
    right="d",
    reasons={
        "a": "A code moves towards the mean of the vectors that chose it. Where none did, there is no mean, and a hundredth of no way is "
        "none.",
        "b": "The measure is over 1,000 images, that is 49,000 places: each code that is in use has had its turn. It is a single image "
        "that shows too few (part 3).",
        "c": "The same networks with restarts use most of the codes, and rebuild better (part 4: *all three* against *moving averages, "
        "batch norm*). The codes would be wanted.",
        "d": "A dead code gets no gradient and no average; only chance, or a restart, can help it. It need not be a bug: a perplexity far "
        "below K comes with an honest program too. Look at it beside the loss, over a data set, not over a batch.",
    },
    hints=(
        "What moves a code, with moving averages? And with the codebook's loss?",
        "Of a code that is nobody's nearest: what are the vectors whose mean it follows?",
        "A restart puts it on a vector of the batch. What could bring it there without one?",
    ),
)
