"""Exact answers, to hold the approximate ones against. All values are in nats.

- `evidence`: log p(x), posterior and ELBO of a linear-Gaussian model; log p(x) of any decoder with two latent
  dimensions.
- `estimators`: mean and variance of the pathwise and the score-function gradient.
"""

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

__all__ = [
    "MASS_DEPTH",
    "MAX_HALVINGS",
    "BestELBO",
    "Decoder",
    "LinearGaussian",
    "LogLikelihood",
    "Quadrature",
    "best_baseline",
    "evidence_by_quadrature",
    "gaussian_kl_full",
    "pathwise_gradients",
    "pathwise_variance",
    "posterior_on_grid",
    "score_function_gradients",
    "score_function_variance",
    "true_gradient",
]
