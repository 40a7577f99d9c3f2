"""Notebook 08: what happened in a training's log: the code was given up, and nothing need be broken for that."""

from chapter10.exercises.task import choice

TASK = choice(  # bugs.md 10: may be no bug
    name="08-log",
    title="what happened here?",
    section="10.5.1",
    minutes=3,
    statement="The log above is of an autoregressive VAE on the small set of digits, with ten latent dimensions; all but the steps "
    "and β is in nats. The line below it says what the reconstruction loses where the images swap their codes. What happened "
    "after the KL was at its highest? (Ten equally likely digits are told apart by log 10 = 2.3 nats.)",
    options={
        "a": "The encoder became too sure of itself: its σ went to 0. So the KL vanished, and the decoder is handed the same code "
        "again and again.",
        "b": "The KL was taken as a mean over the dimensions. So it looks too small by a factor of ten, and the code is in fact as "
        "good as ever.",
        "c": "As β rose, the code was given up, and the pixels before each came to do its work. That can happen without any fault "
        "in the program.",
        "d": "The encoder learned to say the same in fewer nats, since these became dear. So the code still says what the decoder "
        "needs of it.",
    },
    right="c",
    reasons={
        "a": "A σ near 0 makes the KL large, by its −log σ, not small. A KL near 0 means that q(z|x) is the prior: μ near 0 and σ near 1.",
        "b": "Ten times what the log ends with is still less than a nat, and the line below the log asks the decoder itself: another "
        "image's code costs it next to nothing. A KL averaged over the dimensions would moreover be a lower price, by which more is said.",
        "c": "Posterior collapse: the KL goes to 0, the reconstruction still gets better, and the decoder hardly asks whose code it has. "
        "It may be no bug, for with this decoder the objective itself leads there; the sign to look for is a KL near 0 together with "
        "reconstructions that don't mind another image's code.",
        "d": "With less than a tenth of a nat no two digits can be told apart. And a code that says what the decoder needs would be "
        "missed: here another image's does nearly as well.",
    },
    hints=(
        "Which of the columns speaks of the code, and does the other one get worse when that falls?",
        "Look at the last line: a decoder that needs z loses much when it gets another image's.",
        "KL near 0 says that q(z|x) is nearly the prior, for each x; and this decoder can see pixels. What is left for z to do?",
    ),
)
