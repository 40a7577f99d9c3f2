"""Mean and variance of two estimators of one gradient: Mohamed et al. 2020, Monte Carlo gradient estimation in
machine learning. Chapter section 10.2.4.

d/dmu of E[f(x)] for f(x) = (x - k)^2, x ~ N(mu, sigma^2). As E[f] = (mu - k)^2 + sigma^2, it is 2 (mu - k).
Below, delta = mu - k; mu, sigma, k are floats or tensors that broadcast. K samples.
"""

import torch
from torch import Tensor

from chapter10.errors import InputError


def true_gradient(mu: float, k: float) -> float:
    """2 delta, what both estimators have as their mean."""
    return 2 * (mu - k)


def pathwise_gradients(mu: float, sigma: float, k: float, eps: Tensor) -> Tensor:
    """f'(mu + sigma eps), one gradient for each eps [K] from N(0, 1): the reparameterised estimator."""
    _check_sigma(sigma)
    return 2 * (mu + sigma * eps - k)


def score_function_gradients(mu: float, sigma: float, k: float, eps: Tensor, baseline: float = 0.0) -> Tensor:
    """(f(x) - baseline) d/dmu log N(x; mu, sigma^2) at x = mu + sigma eps, for each eps [K] (Williams 1992).

    The score d/dmu log N is eps / sigma. Its mean is 0, so a constant baseline changes the variance alone.
    """
    _check_sigma(sigma)
    return ((mu + sigma * eps - k) ** 2 - baseline) * eps / sigma


def pathwise_variance(mu: float, sigma: float, k: float) -> float:
    """4 sigma^2 for one sample, wherever mu and k are."""
    _check_sigma(sigma)
    return 4 * sigma**2 + 0 * (mu - k)  # the zero gives it the shape that the others have


def best_baseline(mu: float, sigma: float, k: float) -> float:
    """delta^2 + 3 sigma^2 = E[f(x) eps^2], the constant of least variance; not E[f], which lacks 2 sigma^2."""
    _check_sigma(sigma)
    return (mu - k) ** 2 + 3 * sigma**2


def score_function_variance(mu: float, sigma: float, k: float, baseline: float = 0.0) -> float:
    """8 delta^2 + 6 sigma^2 + (baseline - best_baseline)^2 / sigma^2, for one sample.

    Without a baseline that is delta^4 / sigma^2 + 14 delta^2 + 15 sigma^2. With the best one the last term
    is 0, and the variance still at least 1.5 times the pathwise one.
    """
    excess = baseline - best_baseline(mu, sigma, k)
    return 8 * (mu - k) ** 2 + 6 * sigma**2 + excess**2 / sigma**2


def _check_sigma(sigma: float | Tensor) -> None:
    if not bool((torch.as_tensor(sigma) > 0).all()):
        raise InputError("sigma is {sigma}; a standard deviation is above 0.", sigma=sigma)
