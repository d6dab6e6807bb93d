"""Which lanes go on beyond the limit of steps: the leaders, where the best has not arrived."""

from __future__ import annotations

import itertools

import numpy as np

from jaxscale.engine.loop import Solution, Status

LEADERS = 16
"""Lanes that may go on of each problem."""


def leaders(solution: Solution, which: np.ndarray) -> np.ndarray:
    """Return the lanes that go on; none of a problem whose best has arrived.

    Args:
        solution: S lanes.
        which: [S], sorted: the problem of each.
    """
    ends = [0, *(np.flatnonzero(np.diff(which)) + 1), len(which)]
    return np.concatenate([_of_one(solution, a, b) for a, b in itertools.pairwise(ends)])


def _of_one(solution: Solution, first: int, end: int) -> np.ndarray:
    value, limited = solution.value[first:end], solution.status[first:end] == Status.STEP_LIMIT
    value = np.where(np.isfinite(value), value, np.inf)
    if not limited[np.argmin(value)]:
        return np.zeros(0, int)
    order = np.argsort(value, kind="stable")
    lead: np.ndarray = first + order[limited[order]][:LEADERS]
    return lead
