"""Notebook 12: what happens without the reparameterization."""

from chapter10.exercises.task import choice

TASK = choice(
    name="12-why-noise",
    title="without the trick",
    section="10.2.4",
    minutes=2,
    statement="A friend draws `z = Normal(mu, sigma).sample()` in the chapter's VAE, changes nothing else, and trains it. What happens?",
    options={
        "a": "`backward` stops with an error, since no gradient can pass through a sample.",
        "b": "The encoder stays as it was at its start, since it gets no gradient from any term.",
        "c": "Nothing fails, and the codes come to say nothing: the encoder hears of the KL alone.",
        "d": "It learns as before, but slowly: the encoder's gradient has become a noisier one.",
    },
    right="c",
    reasons={
        "a": "That happens only where nothing else in the loss needs a gradient. Here the decoder and the KL do, so `backward` runs.",
        "b": "The reconstruction sends it nothing, but the KL is a formula of μ and log σ², and its gradient arrives.",
        "c": "`sample()` cuts the reconstruction off from μ and σ. The KL still pulls both to the prior, and nothing pulls against it.",
        "d": "Noisier is the score function, which needs log q(z|x) in the loss. Here the reconstruction's gradient isn't "
        "noisy but absent.",
    },
    hints=(
        "Which terms of the loss depend on the encoder, once z is cut off?",
        "The reconstruction reaches the encoder through z alone; the KL reaches it through μ and log σ².",
        "Where does the KL alone drive μ and σ, and what does z then say of x?",
    ),
)
