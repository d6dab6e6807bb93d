"""Rows at the same sizes that are no repeats: a sweep of something that the law does not read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxscale.checks.alike import alike
from jaxscale.data.runs import Runs
from jaxscale.data.settings import is_tuned
from jaxscale.text import many, quantity, short

APART = 0.1
"""Spread of losses at one setting, of the least of them, that is no noise of seeds."""
MOST = 1000
"""Settings that are looked at."""
SHARE = 0.5
"""Least share of rows with others at their setting."""


def sweep_notes(runs: Runs, inputs: Mapping[str, np.ndarray]) -> list[str]:
    """Return a sentence on rows that share the inputs of the law and differ in what was tuned.

    Repeats with other seeds are what they are, and nothing is said of them: rows must differ in a
    column that is called as what people tune, or in their losses by far more than seeds do.

    Args:
        runs: the runs, n of them.
        inputs: what the law reads, [n] each.
    """
    _, group, count = alike([*inputs.values()])
    shared = count[group] > 1
    if shared.sum() < SHARE * len(runs) or not shared.any():
        return []
    some = np.flatnonzero(count > 1)[:MOST]
    rows = np.flatnonzero(np.isin(group, some))
    rows = rows[np.argsort(group[rows], kind="stable")]
    at = np.split(rows, np.cumsum(count[some])[:-1])
    low = np.array([runs.loss[rows].min() for rows in at])
    spread = np.array([np.ptp(runs.loss[rows]) for rows in at])
    apart = np.divide(spread, np.abs(low), out=np.zeros(len(at)), where=low != 0)
    tuned = [
        name
        for name, column in runs.columns.items()
        if name not in inputs
        and is_tuned(runs.names.get(name, name))
        and np.mean([len(np.unique(column[rows])) == len(rows) for rows in at]) > SHARE
    ]
    if not tuned and not np.median(apart) > APART:
        return []
    names, share = ",".join(inputs), quantity(100 * apart.max(), 2)
    differ = f"differ in {short(tuned[0])}" if tuned else "are no repeats of each other"
    return [
        f"{many(int(shared.sum()), 'row')} of {len(runs)} share {' and '.join(inputs)} with others "
        f"and {differ} (losses up to {share} % apart): every one counts. To fit "
        f"the best of each: best_of={names!r} (--best-of {names})"
    ]
