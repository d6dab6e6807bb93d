"""To how many digits the numbers of a table are rounded."""

from __future__ import annotations

import numpy as np

DIGITS = 12
"""Significant digits up to which losses count as rounded."""


def decimal_unit(y: np.ndarray) -> np.ndarray:
    """Return by what each loss [n] may have been rounded: units of its last digit.

    Tables are rounded to so many decimals, or to so many digits; the larger of the two units
    counts. A loss is taken to have at most 12 digits.
    """
    size = np.abs(y[y != 0])
    if size.size == 0:
        return np.zeros(len(y))
    top = np.floor(np.log10(np.maximum(np.abs(y), size.min()))).astype(int)
    digits = decimals = DIGITS
    for count in range(DIGITS - 1, 0, -1):
        if not _rounded(y, top - count + 1):
            break
        digits = count
    for count in range(DIGITS - 1, 0, -1):
        if not _rounded(y, np.full(len(y), top.max() - count + 1)):
            break
        decimals = count
    places, figures = top.max() - decimals + 1, top - digits + 1
    unit: np.ndarray = 10.0 ** np.maximum(figures, places).astype(float)
    return unit


def _rounded(y: np.ndarray, power: np.ndarray) -> bool:
    """Return whether every loss [n] is a multiple of its power [n] of ten."""
    steps = y / 10.0 ** power.astype(float)
    return bool(np.all(np.abs(steps - np.round(steps)) <= 4 * np.finfo(float).eps * np.abs(steps)))
