"""The same objective on a few of its runs: where a massive search does its long way.

Most steps of a start lead it from far away into the region of an optimum, and a handful of runs
shows the way there as well as all of them. So a massive search first goes to the optimum of a
thin table, then from there to that of the whole one. Every start stays a search of its own: a
thin optimum that is a bound or has a dead term is given up, and its start begins anew on the
whole table.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxscale.objective.objective import Objective

ROWS = 64
"""Runs of a thin table at least."""
THINNING_STARTS = 2048
"""Starts from which a second program is worth compiling."""


def worth_thinning(objective: Objective, starts: int) -> bool:
    """Return whether a search of so many starts first goes over a thin table."""
    return starts >= THINNING_STARTS and int((np.asarray(objective.weight) > 0).sum()) >= 3 * ROWS


def thinned(objective: Objective, seed: int = 0) -> Objective:
    """Return the objective on a random choice of its runs; host code.

    Args:
        objective: with NumPy leaves and weights [n].
        seed: of the choice.

    Returns:
        An objective of max(64, n / 16) runs, rounded up to a multiple of 16, whose weights have
        the same sum.
    """
    weight = np.asarray(objective.weight)
    used = np.flatnonzero(weight > 0)
    rows = -(-max(ROWS, len(used) // 16) // 16) * 16
    kept = np.sort(np.random.default_rng(seed).choice(used, rows, replace=False))

    return chosen_runs(objective, kept, weight[kept] * (weight.sum() / weight[kept].sum()))


def chosen_runs(objective: Objective, kept: np.ndarray, weight: np.ndarray) -> Objective:
    """Return the objective on some of its runs; host code.

    Args:
        objective: with NumPy leaves and weights [n].
        kept: [m] which of its runs.
        weight: [m] what they weigh.
    """

    def chosen(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[kept], tree)

    return dataclasses.replace(
        objective,
        inputs=chosen(objective.inputs),
        target=chosen(objective.target),
        weight=weight.astype(objective.weight.dtype),
    )
