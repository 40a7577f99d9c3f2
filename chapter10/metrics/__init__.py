"""How good a model is: likelihood, what a classifier thinks of its images, samples beside real ones, modes."""

from chapter10.metrics.classes import Confidence, accuracy, confidence, variety
from chapter10.metrics.likelihood import MeanELBO, active_units, iwae_bound, mean_elbo

__all__ = [
    "Confidence",
    "MeanELBO",
    "accuracy",
    "active_units",
    "confidence",
    "iwae_bound",
    "mean_elbo",
    "variety",
]
