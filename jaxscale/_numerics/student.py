"""Quantiles of Student's t."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a quadrature; not at import, where it would cost everybody."""
    return np.polynomial.legendre.leggauss(200)


@functools.lru_cache(maxsize=256)
def student_t(p: float, freedom: float) -> float:
    """Return the quantile `p` of Student's t; the normal one for infinite degrees of freedom."""
    if freedom > 1e6:  # they agree to 1e-6, and the nodes below would miss so narrow a peak
        return NORMAL.inv_cdf(p)
    # With t = sqrt(freedom) tan(angle) the density is cos(angle)^(freedom - 1) / B: smooth.
    log_b = math.lgamma(freedom / 2) + math.lgamma(0.5) - math.lgamma((freedom + 1) / 2)

    nodes, weights = _nodes()

    def above_center(angle: float) -> float:
        log_density = (freedom - 1) * np.log(np.cos(0.5 * angle * (nodes + 1))) - log_b
        return float(0.5 * angle * (weights @ np.exp(log_density)))

    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if above_center(middle) < abs(p - 0.5) else (low, middle)
    return math.copysign(math.sqrt(freedom) * math.tan(0.5 * (low + high)), p - 0.5)
