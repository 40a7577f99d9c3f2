"""Notebook 12: why a game isn't a descent."""

from chapter10.exercises.task import choice

TASK = choice(
    name="12-turning",
    title="why a game is no descent",
    section="10.4",
    minutes=3,
    statement="D descends −V, G descends V, each on its own weights, by one optimiser for both. Why is this not the "
    "descent of a single loss?",
    options={
        "a": "G's slope changes with D's weights by as much as D's with G's, but with the opposite sign.",
        "b": "Each step sees one batch, so the slopes are noisy, and noise has no loss that one could descend.",
        "c": "V is not convex in the weights of the networks, so its descent can end in more than one place.",
        "d": "The players take turns, and a loss can be descended only if all of the weights move at once.",
    },
    right="a",
    reasons={
        "a": "The mixed second derivatives are −∂²V and +∂²V. A single loss has equal ones: its Jacobian is symmetric, and nothing turns.",
        "b": "A VAE's slopes come from batches too, and on average they are those of one loss. Noise is not the difference.",
        "c": "Nor is a VAE's loss convex. Where a descent ends is another matter than whether there is a loss.",
        "d": "Descending one loss, first in some weights and then in others, is a descent. And players at once turn as "
        "well, even outwards.",
    },
    hints=(
        "What is true of the second derivatives of one loss, in two weights, taken in either order?",
        "Write the field as (−∂V/∂θ, +∂V/∂φ), and look at the two mixed entries of its Jacobian.",
        "One of them is −∂²V/∂θ∂φ. What is the other?",
    ),
)
