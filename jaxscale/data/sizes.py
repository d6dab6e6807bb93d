"""Sizes that are equal but for rounding: budgets are rarely met to the digit."""

from __future__ import annotations

import numpy as np

NEAR = (0.03, 0.01)
"""Sizes whose logarithms differ by less are equal: budgets are rarely met to the digit ..."""
CHAIN = 0.1
"""... unless a chain of such sizes is longer than this."""


def equal_sizes(size: np.ndarray) -> np.ndarray:
    """Return a label [n] that runs of equal size, within rounding, have in common."""
    distinct, inverse = np.unique(np.log(size), return_inverse=True)
    for near in NEAR:
        level = np.concatenate([[0], np.cumsum(np.diff(distinct) > near)])
        first = np.flatnonzero(np.diff(level, prepend=-1))
        last = np.append(first[1:], len(level)) - 1
        if np.max(distinct[last] - distinct[first]) <= CHAIN:
            return level[inverse]
    return np.asarray(inverse)
