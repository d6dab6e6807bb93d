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
CUT = 3.0
"""Robust standard deviations at which residuals are cut."""


class Mixed(NamedTuple):
    """Estimates under the grouping and the ratio of variances that are most likely.

    Attributes:
        value: [P] estimates.
        covariance: [P, P].
        ratio: of the shared variance to that of single runs; 0 for independent runs.
        freedom: degrees of freedom: of the groups where noise is shared, else of the runs.
    """

    value: np.ndarray
    covariance: np.ndarray
    ratio: float
    freedom: int


def mixed(rows: np.ndarray, y: np.ndarray, groupings: list[np.ndarray]) -> Mixed:
    """Return least squares of y on rows, runs of a group sharing noise where they seem to.

    Args:
        rows: [n, P].
        y: [n] residuals of equal size; those beyond `CUT` standard deviations are cut.
        groupings: per way to group the runs, numbers [n] from 0.
    """
    n, P = rows.shape
    spread = 1.4826 * float(np.median(np.abs(y))) * math.sqrt(n / (n - P))
    y = np.clip(y, -CUT * spread, CUT * spread)
    matrix, vector, square = rows.T @ rows, rows.T @ y, float(y @ y)
    found = [(*_profiled(matrix, vector, square, n), 0.0, n - P)]
    for member in groupings:
        size = np.bincount(member)
        sums = np.stack([np.bincount(member, column) for column in rows.T], axis=1)
        total = np.bincount(member, y)
        for ratio in RATIOS:
            share = ratio / (1 + ratio * size)
            less = (sums.T * share) @ sums, (sums.T * share) @ total, float(share @ total**2)
            parts = matrix - less[0], vector - less[1], square - less[2]
            likelihood, value, covariance = _profiled(*parts, n)
            likelihood -= 0.5 * float(np.log1p(ratio * size).sum())
            found.append((likelihood, value, covariance, float(ratio), len(size) - 1))
    _, value, covariance, ratio, freedom = max(found, key=lambda each: each[0])
    return Mixed(value, covariance, ratio, freedom)


def _profiled(
    matrix: np.ndarray, vector: np.ndarray, square: float, n: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return restricted log-likelihood, estimates and their covariance at one ratio."""
    inverse = np.linalg.inv(matrix)
    value = inverse @ vector
    freedom = n - len(vector)
    left = max(square - float(vector @ value), np.finfo(float).tiny)
    likelihood = -0.5 * (freedom * math.log(left) + float(np.linalg.slogdet(matrix)[1]))
    return likelihood, value, left / freedom * inverse
