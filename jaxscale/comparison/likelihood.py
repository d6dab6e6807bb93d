"""The likelihood that a robust loss stands for, and the criteria built on it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.fitting.result import FitResult
from jaxscale.objective.losses import Loss


def profile_likelihood(value: Any, weight: np.ndarray, loss: Loss) -> tuple[np.ndarray, np.ndarray]:
    """Return (log-likelihood, scale) of residuals at the best scale.

    Args:
        value: [...] sum w rho(r).
        weight: [n] weights, those above zero counting.
        loss: the loss, whose density is exp(-rho(r) / s) / Z(s).

    Raises:
        ValueError: the loss has no density at that scale: its tails are too heavy.

    The log-likelihood is -value / s - sum log Z(s / w), without the Jacobian of the residuals.
    """
    total = np.maximum(np.asarray(value, float), np.finfo(float).tiny)
    weights, counts = np.unique(weight[weight > 0], return_counts=True)

    def expected(s: np.ndarray) -> np.ndarray:
        parts = [c * w * loss.mean_rho(s / w) for w, c in zip(weights, counts, strict=True)]
        return np.asarray(np.sum(parts, axis=0))

    low, high = total / counts.sum(), 2 * total / counts.sum()
    with scope(np.float64):
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = expected(middle) < total
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        s = 0.5 * (low + high)
        normal = [
            c * np.asarray(loss.log_normalizer(np.log(s / w)), float)
            for w, c in zip(weights, counts, strict=True)
        ]
    found = -total / s - np.sum(normal, axis=0)
    if not np.isfinite(found).all():
        raise ValueError(
            f"the loss {loss.name} stands for no density at the scale of these residuals: its "
            "tails are too heavy, so it has no likelihood; compare with another loss or width"
        )
    return found, s


@dataclasses.dataclass(frozen=True)
class Information:
    """Information criteria of one fit, on the density of the loss.

    Attributes:
        log_likelihood: at the optimum and at the best scale, natural logarithm.
        parameters: free parameters of the law, and the scale.
        n: runs with a weight above 0.
        scale: s, in the units of rho.
        aicc: Akaike's criterion for small samples; inf for n <= parameters + 1.
        bic: Schwarz's criterion.
    """

    log_likelihood: float
    parameters: int
    n: int
    scale: float
    aicc: float
    bic: float


def information(result: FitResult) -> Information:
    """Return AICc and BIC of a fit, under the likelihood that belongs to its robust loss.

    AICc = -2 ll + 2 k + 2 k (k + 1) / (n - k - 1), BIC = -2 ll + k log n. Smaller is better; a
    difference of 10 is large. They compare laws on the same runs, whatever loss and residual.

    Raises:
        ValueError: the loss has no likelihood here.

    Source: Hurvich and Tsai 1989, Biometrika 76, 297; Schwarz 1978, Annals of Statistics 6, 461.
    """
    runs = result.runs
    weight = runs.weights
    used = weight > 0
    ll, s = profile_likelihood(result.value, weight, result.loss)
    jacobian = result.residual.log_jacobian(result.prediction[used], runs.loss[used]).sum()
    total = float(ll + jacobian)
    k = 1 + len(result.free)
    n = int(used.sum())
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return Information(total, k, n, float(s), 2 * (k - total) + small, k * math.log(n) - 2 * total)
