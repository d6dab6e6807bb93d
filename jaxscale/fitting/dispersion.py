"""By how much more the runs of a fit vary than counts of independent trials do."""

from __future__ import annotations

import numpy as np

from jaxscale.fitting.result import FitResult
from jaxscale.objective.fractions import EDGE


def dispersion(fit: FitResult) -> float:
    """Return how many times the variance of counts the runs vary by: Pearson's chi² per freedom.

    1 for counts of independent questions; about that, of other weights than trials, times their
    unit.
    """
    pearson, freedom = _pearson(fit)
    return float(pearson.sum() / max(freedom, 1))


def overdispersion(fit: FitResult) -> float:
    """Return rho, the correlation of two questions of one run, by moments; 0 where there is none.

    The beta-binomial variance of a count is n p (1 - p) (1 + (n - 1) rho).

    Source: Williams 1982, Journal of the Royal Statistical Society C 31(2).
    """
    pearson, freedom = _pearson(fit)
    n = fit.runs.weights
    low, high = 0.0, 1.0
    if freedom < 1 or pearson.sum() <= freedom:
        return 0.0
    for _ in range(60):
        rho = 0.5 * (low + high)
        more = float(np.sum(pearson / (1 + (np.maximum(n, 1) - 1) * rho))) > freedom
        low, high = (rho, high) if more else (low, rho)
    return low


def _pearson(fit: FitResult) -> tuple[np.ndarray, int]:
    """Return the squared errors [n] over their binomial variances, and the degrees of freedom."""
    p = np.clip(fit.prediction, EDGE, 1 - EDGE)
    each = fit.runs.weights * (fit.runs.loss - p) ** 2 / (p * (1 - p))
    return each, int((fit.runs.weights > 0).sum()) - len(fit.free)
