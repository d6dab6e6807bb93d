"""The width of a kernel over residuals, and the power of two that they are divided by."""

from __future__ import annotations

import math

import numpy as np

KERNEL = 0.9
"""Bandwidth in units of the robust spread times n^(-1/5): Silverman's rule."""


def bandwidth(r: np.ndarray) -> float:
    """Return Silverman's bandwidth .9 min(sd, IQR / 1.349) n^(-1/5) of residuals `r` [n]."""
    unit = binary_unit(r)
    r = r / unit
    quartiles = np.percentile(r, [25, 75])
    spread = min(float(r.std()), float(np.diff(quartiles)[0]) / 1.349) or float(r.std())
    width: float = max(KERNEL * spread * len(r) ** -0.2 * unit, np.finfo(float).tiny)
    return width


def binary_unit(x: np.ndarray) -> float:
    """Return the power of two near the largest |x|: dividing by it rounds nothing."""
    largest = float(np.max(np.abs(x), initial=0.0))
    unit: float = 2.0 ** math.floor(math.log2(largest)) if 0 < largest < math.inf else 1.0
    return unit
