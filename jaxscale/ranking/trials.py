"""The trials of a bench: which runs of a table a law is fitted to, and which it has to predict.

They depend on the sizes of the runs and on nothing else, no loss, no law and no seed: whoever has
the table has the same trials. NumPy only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxscale.comparison.splits import levels_along, size_of
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.shown.blocks import Shown

SHARE = 0.3
"""Share of the runs that are predicted, about: whole levels of the size are."""
FITTED, PREDICTED = 8, 3
"""Runs that a trial fits and predicts, at least."""
SIZES = ("C", "N", "D")
TIMES = ("date", "time", "year", "order")
"""Columns that say when a run was made: their order counts, and zero is a time too."""


@dataclasses.dataclass(frozen=True)
class Trial(Shown):
    """One extrapolation: the smaller runs of a table are fitted, the largest predicted.

    Attributes:
        table: its name.
        by: the column that says what is large, or late.
        train: [n] bool.
        test: [n] bool; disjoint from `train`.
        factor: the largest predicted size over the largest fitted one; of times, counted from the
            first.
    """

    table: str
    by: str
    train: np.ndarray
    test: np.ndarray
    factor: float


def sizes_of(runs: Runs) -> list[str]:
    """Return the columns along which runs are extrapolated: C, N, D, else the scale S; and time."""
    have = [name for name in SIZES if name in runs.columns]
    if len(have) >= 2:  # the third follows
        have = list(SIZES)
    if not have and "S" in runs.columns:
        have = ["S"]
    return have + [name for name in runs.columns if _times(name)]


def trials_of(table: str, runs: Runs, by: Sequence[str] = ()) -> list[Trial]:
    """Return the trials of a table: one per size, those left out that another one is already.

    Runs are put into levels of the size, and the levels at the top that hold nearest to 30 % of
    the runs are predicted; at least two levels and 8 runs are fitted, and 3 predicted.

    Args:
        table: its name.
        runs: n runs; those of weight zero take no part.
        by: columns to extrapolate along; default `sizes_of`.

    Raises:
        DataError: there is no such column, or no trial.
    """
    asked = [runs.column_called(name) for name in by] or sizes_of(runs)
    found: list[Trial] = []
    for name in asked:
        try:
            trial = _along(table, runs, name)
        except DataError:
            if by or name in SIZES:
                raise
            continue  # nobody asked for it
        if trial is not None and not any((trial.train == one.train).all() for one in found):
            found.append(trial)
    if not found:
        said = ", ".join(asked) or "none of C, N, D, S"
        raise DataError(
            f"{runs.source}: {len(runs)} runs leave no trial along {said}: two levels of a size "
            f"with {FITTED} runs to fit, and {PREDICTED} larger ones to predict. Say what makes a "
            "run large (by=, --by COLUMN), or add runs"
        )
    return found


def _along(table: str, runs: Runs, by: str) -> Trial | None:
    used = runs.weights > 0
    size = _since(runs, by) if _times(by) else size_of(runs, by)
    level = levels_along(np.unique(size, return_inverse=True)[1] + 1.0 if _times(by) else size)
    best, off = None, np.inf
    for cut in range(1, level.max()):
        train, test = used & (level <= cut), used & (level > cut)
        if train.sum() < FITTED or test.sum() < PREDICTED:
            continue
        away = abs(test.sum() / used.sum() - SHARE)
        if away < off:
            best, off = (train, test), away
    if best is None:
        return None
    train, test = best
    return Trial(table, by, train, test, float(size[test].max() / size[train].max()))


def _times(name: str) -> bool:
    return name.lower() in TIMES


def _since(runs: Runs, by: str) -> np.ndarray:
    """Return times [n], counted from the first.

    Raises:
        DataError: one is not finite.
    """
    column = runs.column(by)
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        at = int(bad[0])
        raise DataError(f"{runs.where(at)}, column {by!r}: {column[at]:g} is no time")
    since: np.ndarray = column - column.min()
    return since
