"""Notebook 11: what would show that a translation has swapped things round."""

from chapter10.exercises.task import choice

TASK = choice(
    name="11-notice",
    title="how would you notice?",
    section="10.5.2",
    minutes=2,
    statement="A CycleGAN has been trained between photographs of dogs and of cats, without pairs. You suspect that it turns large "
    "dogs into small cats, and small ones into large ones. Which of these would show it, if it were so?",
    options={
        "a": "The cycle loss on test images: a swapped dog would not come back as the dog it was.",
        "b": "A few dogs and cats of known size: is what becomes of a large dog a large cat?",
        "c": "The discriminators' scores: they would tell the swapped cats from the real ones.",
        "d": "The identity loss: the generator would no longer leave a real cat the way it is.",
    },
    right="b",
    reasons={
        "a": "It would come back: the way back swaps again. In part 6.1 a list drawn by lot returned every image without an error, and in "
        "6.2 swapped trainings closed the cycle as well as right ones.",
        "b": "The losses see heaps and returns, never which image belongs to which. Only an answer that is known from elsewhere can tell: "
        "a few pairs, or a property that must stay.",
        "c": "They are real-looking cats, as many small and as many large ones as there should be: a discriminator compares heaps (part "
        "6.1). It could object only if the shares came out wrong (6.3).",
        "d": "The identity loss looks at what is in the target domain already. A generator may leave every cat as it is and swap the "
        "dogs, as the list of part 6.1 does.",
    },
    hints=(
        "Which of the losses was worse for the list drawn by lot, in part 6.1?",
        "Follow a large dog: to a small cat, and back. What does each loss look at on the way?",
        "The last sentence of part 6.4 says what settles it.",
    ),
)
