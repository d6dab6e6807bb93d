"""The likelihood that a robust loss stands for, and the criteria built on it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.fitting.result import FitResult
from jaxscale.objective.losses import NAMES, log_normalizer, loss_named

_erf = np.vectorize(math.erf, otypes=[float])


def _log_z(name: str, delta: float, s: np.ndarray) -> np.ndarray:
    """Return log Z at scales s, same shape."""
    with scope(np.float64):
        return np.asarray(log_normalizer(loss_named(name, delta or None), np.log(s)), float)


def _mean_rho(name: str, delta: float, s: np.ndarray) -> np.ndarray:
    """Return the expectation s² d log Z / ds of rho at scales s; between s / 2 and s."""
    if name != "huber":
        return np.asarray(s * (0.5 if name == "square" else 1.0))
    core = np.sqrt(2 * np.pi * s) * _erf(delta / np.sqrt(2 * s))
    tail = 2 * (s / delta) * np.exp(-(delta**2) / (2 * s))
    return np.asarray(s * (0.5 * core + tail) / (core + tail))


def profile_likelihood(
    value: Any, weight: np.ndarray, *, loss: str, delta: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (log-likelihood, scale) of residuals at the best scale.

    Args:
        value: [...] sum w rho(r).
        weight: [n] weights, those above zero counting.
        loss: "huber", "square" or "absolute".
        delta: width of the Huber loss, in units of the residuals.

    The log-likelihood is -value / s - sum log Z(s / w), without the Jacobian of the residuals.
    """
    if loss not in NAMES:
        raise ValueError(
            f"no likelihood for the loss {loss!r}; there is one for {', '.join(NAMES)}"
        )
    total = np.maximum(np.asarray(value, float), np.finfo(float).tiny)
    weights, counts = np.unique(weight[weight > 0], return_counts=True)
    width = 0.0 if delta is None else float(delta)

    def expected(s: np.ndarray) -> np.ndarray:
        parts = [
            c * w * _mean_rho(loss, width, s / w) for w, c in zip(weights, counts, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    low, high = total / counts.sum(), 2 * total / counts.sum()
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = expected(middle) < total
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    s = 0.5 * (low + high)
    normal = [c * _log_z(loss, width, s / w) for w, c in zip(weights, counts, strict=True)]
    return -total / s - np.sum(normal, axis=0), s


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
    ll, s = profile_likelihood(result.value, weight, **result.loss)
    if result.residual == "log":
        jacobian = -np.log(runs.loss[used]).sum()
    elif result.residual == "relative":
        steep = np.abs(result.prediction[used]) / runs.loss[used] ** 2
        jacobian = np.log(np.maximum(steep, np.finfo(float).tiny)).sum()
    else:
        jacobian = 0.0
    total = float(ll + jacobian)
    k = 1 + len(result.unfitted.free)
    n = int(used.sum())
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return Information(total, k, n, float(s), 2 * (k - total) + small, k * math.log(n) - 2 * total)
