"""How good a model is: likelihood, what a classifier thinks of its images, samples beside real ones, modes,
disentanglement, use of a codebook, translations beside the right ones."""

from chapter10.metrics.blur import Sharpness, sharpness, spatial_frequency
from chapter10.metrics.classes import (
    SURE,
    ClassHistogram,
    Confidence,
    accuracy,
    class_histogram,
    confidence,
    sure_share,
    variety,
)
from chapter10.metrics.codes import Perplexity, perplexity
from chapter10.metrics.disentanglement import (
    MutualInformationGap,
    mutual_information,
    mutual_information_gap,
)
from chapter10.metrics.frechet import (
    FrechetClassifierDistance,
    frechet_classifier_distance,
    frechet_distance,
    frechet_of_features,
)
from chapter10.metrics.judge import Judge
from chapter10.metrics.likelihood import MeanELBO, active_units, iwae_bound, mean_elbo
from chapter10.metrics.memorisation import Nearest, NearestTraining, nearest, nearest_training
from chapter10.metrics.modes import ModeCoverage, mode_coverage, perfect_share
from chapter10.metrics.neighbours import (
    NeighbourScores,
    PrecisionRecall,
    expected_coverage,
    neighbour_scores,
    precision_recall,
)
from chapter10.metrics.translation import (
    TranslationScores,
    class_agreement,
    pixel_error,
    translation_scores,
)

__all__ = [
    "ClassHistogram",
    "Confidence",
    "FrechetClassifierDistance",
    "Judge",
    "MeanELBO",
    "ModeCoverage",
    "MutualInformationGap",
    "Nearest",
    "NearestTraining",
    "NeighbourScores",
    "Perplexity",
    "PrecisionRecall",
    "Sharpness",
    "TranslationScores",
    "SURE",
    "accuracy",
    "active_units",
    "class_agreement",
    "class_histogram",
    "confidence",
    "expected_coverage",
    "frechet_classifier_distance",
    "frechet_distance",
    "frechet_of_features",
    "iwae_bound",
    "mean_elbo",
    "mode_coverage",
    "mutual_information",
    "mutual_information_gap",
    "nearest",
    "nearest_training",
    "neighbour_scores",
    "perfect_share",
    "perplexity",
    "pixel_error",
    "precision_recall",
    "sharpness",
    "spatial_frequency",
    "sure_share",
    "translation_scores",
    "variety",
]
