"""Which lanes of a search go on where a lap of steps is over."""

from __future__ import annotations

import numpy as np

from jaxscale.engine.loop import Solution, Status


def limited(solution: Solution, most: int, among: int) -> np.ndarray:
    """Return the best lanes that met the limit of steps; none where none of the best `among` did.

    Args:
        solution: S lanes.
        most: how many, at most.
        among: so many of the best lanes are looked at.
    """
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
    order = np.argsort(value, kind="stable")
    stopped = solution.status[order] == Status.STEP_LIMIT
    return order[stopped][:most] if stopped[: max(among, 1)].any() else order[:0]
