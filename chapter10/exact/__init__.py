"""Exact answers, to hold the approximate ones against. All values are in nats.

- `evidence`: log p(x), posterior and ELBO of a linear-Gaussian model; log p(x) of any decoder with two latent
  dimensions.
- `linear_vae`: the best linear VAE, and which of its latent dimensions collapse.
- `estimators`: mean and variance of the pathwise and the score-function gradient.
- `game`: the best discriminator between two known densities, the value of the game, the gradients that a generator
  gets from it, and the Wasserstein distance on a line.
- `critics`: what a critic finds of that distance, by how it is kept from being too steep.
- `packing`: how far packs of samples are from packs of data, which is what a discriminator of packs can see.
- `dirac`: the Dirac-GAN, which shows whether a way of training settles.
"""

from chapter10.exact.critics import best_critic, clipped_critic, penalty_critic, spectral_critic
from chapter10.exact.dirac import DiracGAN, Trajectory
from chapter10.exact.estimators import (
    best_baseline,
    pathwise_gradients,
    pathwise_variance,
    score_function_gradients,
    score_function_variance,
    true_gradient,
)
from chapter10.exact.evidence import (
    MASS_DEPTH,
    MAX_HALVINGS,
    BestELBO,
    Decoder,
    LinearGaussian,
    LogLikelihood,
    Quadrature,
    evidence_by_quadrature,
    gaussian_kl_full,
    posterior_on_grid,
)
from chapter10.exact.game import (
    BestDiscriminator,
    GeneratorGradients,
    best_discriminator,
    best_value,
    generator_gradients,
    grid_points,
    grid_weights,
    jensen_shannon,
    jensen_shannon_gradient,
    kl_divergence,
    minimax_slope,
    non_saturating_slope,
    value,
    values_and_slopes,
    wasserstein_1d,
    wasserstein_1d_density,
)
from chapter10.exact.linear_vae import (
    LinearELBO,
    Spectrum,
    best_elbo_of,
    collapsed,
    kl_at_best,
    linear_elbo,
    ppca,
    spectrum,
)
from chapter10.exact.packing import PackedDistance, packed_distance, packs_of

__all__ = [
    "MASS_DEPTH",
    "MAX_HALVINGS",
    "BestDiscriminator",
    "BestELBO",
    "Decoder",
    "DiracGAN",
    "GeneratorGradients",
    "LinearELBO",
    "LinearGaussian",
    "LogLikelihood",
    "PackedDistance",
    "Quadrature",
    "Spectrum",
    "Trajectory",
    "best_baseline",
    "best_critic",
    "best_discriminator",
    "best_elbo_of",
    "best_value",
    "clipped_critic",
    "collapsed",
    "evidence_by_quadrature",
    "gaussian_kl_full",
    "generator_gradients",
    "grid_points",
    "grid_weights",
    "jensen_shannon",
    "jensen_shannon_gradient",
    "kl_at_best",
    "kl_divergence",
    "linear_elbo",
    "minimax_slope",
    "non_saturating_slope",
    "packed_distance",
    "packs_of",
    "pathwise_gradients",
    "pathwise_variance",
    "penalty_critic",
    "posterior_on_grid",
    "ppca",
    "score_function_gradients",
    "score_function_variance",
    "spectral_critic",
    "spectrum",
    "true_gradient",
    "value",
    "values_and_slopes",
    "wasserstein_1d",
    "wasserstein_1d_density",
]
