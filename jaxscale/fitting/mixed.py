"""Least squares where runs of one group share noise: variance components by restricted likelihood.

For a test on the host, of a few parameters: the ratio of shared to own variance is looked for on a
grid, for each way to group the runs, and what it does to the parameters is exact.

Source: Patterson and Thompson 1971, Biometrika 58(3), 545-554.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

RATIOS = np.geomspace(0.02, 50.0, 16)
"""Shared variance over own variance, where some is shared."""
LIKELY = 2.0
"""Log-likelihood below the best up to which a way to share noise counts as likely."""
CUT = 3.0
"""Robust standard deviations at which residuals are cut."""


class Mixed(NamedTuple):
    """What is least sure of a parameter under the ways to share noise that are likely.

    Attributes:
        t: the parameter over its error: of the smallest size.
        ratio: of the shared variance to that of single runs there; 0 for independent runs.
    """

    t: float
    ratio: float


def least_sure(rows: np.ndarray, y: np.ndarray, at: float, groupings: list[np.ndarray]) -> Mixed:
    """Return the last parameter of a regression over its error, where runs may share noise.

    Few groups do not say how much they share: every ratio within `LIKELY` of the best counts.

    Args:
        rows: [n, P].
        y: [n] residuals of equal size; those beyond `CUT` standard deviations are cut.
        at: what is added to the parameter: the value that the residuals are of.
        groupings: per way to group the runs, numbers [n] from 0.
    """
    n, P = rows.shape
    spread = 1.4826 * float(np.median(np.abs(y))) * math.sqrt(n / (n - P))
    y = np.clip(y, -CUT * spread, CUT * spread)
    matrix, vector, square = rows.T @ rows, rows.T @ y, float(y @ y)
    found = [(*_profiled(matrix, vector, square, n), 0.0)]
    for member in groupings:
        size = np.bincount(member)
        sums = np.stack([np.bincount(member, column) for column in rows.T], axis=1)
        total = np.bincount(member, y)
        for ratio in RATIOS:
            share = ratio / (1 + ratio * size)
            less = (sums.T * share) @ sums, (sums.T * share) @ total, float(share @ total**2)
            parts = matrix - less[0], vector - less[1], square - less[2]
            likelihood, value, error = _profiled(*parts, n)
            likelihood -= 0.5 * float(np.log1p(ratio * size).sum())
            found.append((likelihood, value, error, float(ratio)))
    best = max(found, key=lambda each: each[0])[0]
    likely = [((at + each[1]) / each[2], each[3]) for each in found if each[0] > best - LIKELY]
    return Mixed(*min(likely, key=lambda each: abs(each[0])))


def _profiled(
    matrix: np.ndarray, vector: np.ndarray, square: float, n: int
) -> tuple[float, float, float]:
    """Return the restricted log-likelihood at a ratio; the last estimate, and its error."""
    inverse = np.linalg.inv(matrix)
    value = inverse @ vector
    freedom = n - len(vector)
    left = max(square - float(vector @ value), np.finfo(float).tiny)
    likelihood = -0.5 * (freedom * math.log(left) + float(np.linalg.slogdet(matrix)[1]))
    return (
        likelihood,
        float(value[-1]),
        math.sqrt(left / freedom * max(float(inverse[-1, -1]), np.finfo(float).tiny)),
    )
