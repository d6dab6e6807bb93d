"""Training curves in a table of runs: several losses of one run along its tokens."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.flops import Flops
from jaxscale.shown.blocks import Shown
from jaxscale.text import many

POINTS = 8
"""Losses along one run from which it counts as a curve."""
SIZES = 3
"""Sizes that must have a curve for an envelope."""
SLICES = 8
"""Budgets at which curves are cut into a table of equal C."""
NEEDED = 5
"""Sizes whose curves must reach a budget."""


@dataclasses.dataclass(frozen=True)
class TrainingCurve(Shown):
    """The losses of one run.

    Attributes:
        N: its parameters.
        log_C: [n] logarithm of the compute spent, increasing.
        log_D: [n] logarithm of the tokens.
        loss: [n].
    """

    N: float
    log_C: np.ndarray
    log_D: np.ndarray
    loss: np.ndarray

    def at(self, log_C: np.ndarray) -> np.ndarray:
        """Return the loss [m] at budgets, interpolated; NaN beyond the curve."""
        found: np.ndarray = np.interp(log_C, self.log_C, self.loss, left=np.nan, right=np.nan)
        return found


def training_curves(runs: Runs, flops: Flops | None = None) -> tuple[TrainingCurve, ...]:
    """Return the curves of a table: of each group, or of each block of rows of one N, D growing.

    Args:
        runs: the table.
        flops: the FLOPs model where C is missing.

    Raises:
        DataError: the table has end points only; says what it needs.
    """
    N, D, C = (np.asarray(runs.column(name, flops), float) for name in "NDC")
    ends = (N[1:] != N[:-1]) | (D[1:] <= D[:-1])
    if runs.group is not None:
        ends |= runs.group[1:] != runs.group[:-1]
    found = []
    for rows in np.split(np.arange(len(N)), np.flatnonzero(ends) + 1):
        usable = rows[np.isfinite(runs.loss[rows]) & (C[rows] > 0)]
        if len(usable) >= POINTS:
            log_C, log_D = np.log(C[usable]), np.log(D[usable])
            found.append(TrainingCurve(float(N[usable[0]]), log_C, log_D, runs.loss[usable]))
    sizes = len({curve.N for curve in found})
    if sizes < SIZES:
        have = "one row per run" if not found else f"curves of {many(sizes, 'size')}"
        raise DataError(
            f"{runs.source}: no training curves for an envelope ({have}): approach 1 needs "
            f"{POINTS} or more losses along the tokens of each run, rows in order, of {SIZES} or "
            "more sizes"
        )
    return tuple(found)


def sliced(curves: tuple[TrainingCurve, ...], source: str) -> Runs:
    """Return the table of equal C that curves make where a budget cuts them.

    Args:
        curves: the curves.
        source: what the table is called.

    Raises:
        DataError: no two budgets are reached by enough sizes.
    """
    sizes = sorted({curve.N for curve in curves})
    starts = [min(c.log_C[0] for c in curves if c.N == size) for size in sizes]
    stops = [max(c.log_C[-1] for c in curves if c.N == size) for size in sizes]
    fine = np.linspace(min(starts), max(stops), 400)
    reached = sum((fine >= a) & (fine <= b) for a, b in zip(starts, stops, strict=True))
    enough = fine[np.asarray(reached) >= min(NEEDED, len(sizes))]
    if len(enough) < 2 or enough[-1] - enough[0] < np.log(2):
        raise DataError(f"{source}: no two budgets are reached by {NEEDED} sizes or more")
    count = int(np.clip((enough[-1] - enough[0]) / np.log(2), 2, SLICES))
    log_C = np.linspace(enough[0], enough[-1], count)
    columns: dict[str, list[float]] = {"N": [], "D": [], "loss": [], "C": []}
    for size in sizes:
        of = [curve for curve in curves if curve.N == size]
        losses = np.array([curve.at(log_C) for curve in of])
        for k in np.flatnonzero(np.isfinite(losses).any(axis=0)):
            best = of[int(np.nanargmin(losses[:, k]))]
            columns["N"].append(size)
            columns["D"].append(float(np.exp(np.interp(log_C[k], best.log_C, best.log_D))))
            columns["C"].append(float(np.exp(log_C[k])))
            columns["loss"].append(float(losses[:, k][np.isfinite(losses[:, k])].min()))
    loss = columns.pop("loss")
    given: dict[str, Any] = dict(columns)
    return Runs(loss=loss, source=f"{source}, curves cut at {count} budgets", **given)
