"""The likelihood that a robust loss stands for, at the best scale of its residuals."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.objective.host_losses import log_normalizer, on_host
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

    def summed(function: Any, s: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """Return [...]: the sum over runs of a function of their scales s / w."""
        if on_host(loss) is not None:  # all weights at once
            return np.asarray(function(s[..., None] / weights) @ (counts * factor))
        parts = [
            c * np.asarray(function(s / w)) for w, c in zip(weights, counts * factor, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    low, high = total / counts.sum(), 2 * total / counts.sum()
    with scope(np.float64):
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = summed(loss.mean_rho, middle, weights) < total
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        s = 0.5 * (low + high)
        normal = summed(lambda each: _log_normalizer(loss, each), s, np.ones(len(weights)))
    found = -total / s - normal
    if not np.isfinite(found).all():
        raise ValueError(
            f"the loss {loss.name} stands for no density at the scale of these residuals: its "
            "tails are too heavy, so it has no likelihood; compare with another loss or width"
        )
    return found, s


def _log_normalizer(loss: Loss, s: np.ndarray) -> np.ndarray:
    found = log_normalizer(loss, s)
    return np.asarray(loss.log_normalizer(np.log(s)), float) if found is None else found
