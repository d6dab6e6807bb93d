"""The budgets of a table: runs of about equal C, found by the gaps between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.flops import Flops
from jaxscale.shown.blocks import shown
from jaxscale.text import many, quantity

NEAR = (0.15, 0.05, 0.02, 0.005)
"""Budgets are rarely met to the digit: logarithms of C that differ by less are one budget ..."""
CHAIN = 0.25
"""... unless a chain of such values is longer than this, which is no budget."""
APART = 0.02
"""... and beside a core that agrees to a quarter of this, a run further off is none of it."""
LEAST = 3
"""Different sizes that a budget must have for a minimum between them."""
EQUAL = 1e-3
"""Relative difference below which two sizes are one."""


@shown
class Budgets(NamedTuple):
    """The runs of a table by their budgets.

    Attributes:
        C: [K] the budgets, increasing; geometric means.
        member: [n] number of every run's budget.
        spread: [K] largest over least C of a budget.
        x: [n] logarithm of the sizes along the valleys.
        other: [n] logarithm of the other size.
        k: [n] C / (N D) of every run.
    """

    C: np.ndarray
    member: np.ndarray
    spread: np.ndarray
    x: np.ndarray
    other: np.ndarray
    k: np.ndarray


def find_budgets(runs: Runs, along: str = "D", flops: Flops | None = None) -> Budgets:
    """Return the runs by their budgets.

    Args:
        runs: the runs; any two of N, D and C.
        along: "N" or "D", the size that a valley is drawn along.
        flops: the FLOPs model where one of the three is missing; default C = 6 N D.

    Raises:
        DataError: a size is missing or not positive; or fewer than two budgets have three sizes.
        ValueError: `along` is neither.
    """
    if along not in ("N", "D"):
        raise ValueError(f"along must be N or D, got {along!r}")
    sizes = {name: np.asarray(runs.column(name, flops), float) for name in "NDC"}
    for name, size in {**sizes, "loss": runs.loss}.items():
        bad = np.flatnonzero(~(np.isfinite(size) & ((size > 0) | (name == "loss"))))
        if len(bad):
            what = "a finite number" if name == "loss" else "a positive number"
            raise DataError(
                f"{runs.where(int(bad[0]))}, column {runs.label(name)}: expected {what}, got "
                f"{size[bad[0]]:g}; mend it, or leave such rows out with --bad drop or --where"
            )
    if not len(runs):
        raise DataError(f"{runs.source}: no runs")
    C, (x, other) = sizes["C"], (np.log(sizes[name]) for name in (along, "DN"["ND".index(along)]))
    member = without_strays(clusters(np.log(C)), np.log(C), x)
    each = [np.flatnonzero(member == j) for j in range(member.max() + 1)]
    enough = sum(distinct(x[rows]) >= LEAST for rows in each)
    if enough < 2:
        raise DataError(f"{runs.source}: {_no_budgets(runs, C, len(each), enough)}")
    return Budgets(
        np.array([np.exp(np.log(C[rows]).mean()) for rows in each]),
        member,
        np.array([C[rows].max() / C[rows].min() for rows in each]),
        x,
        other,
        C / (sizes["N"] * sizes["D"]),
    )


def counted(runs: Runs) -> Runs:
    """Return the runs that count: those of weight 0 bend no valley and lie on no envelope."""
    weightless = runs.weights == 0
    return runs.select(~weightless, "of weight 0") if weightless.any() else runs


def clusters(log_C: np.ndarray) -> np.ndarray:
    """Return the number [n] of every run's budget, by the gaps between logarithms of C [n]."""
    order = np.argsort(log_C, kind="stable")
    ordered = log_C[order]
    member = np.empty(len(log_C), int)
    for near in (*NEAR, 0.0):
        level = np.concatenate([[0], np.cumsum(np.diff(ordered) > near)])
        first = np.flatnonzero(np.diff(level, prepend=-1))
        last = np.append(first[1:], len(level)) - 1
        if np.max(ordered[last] - ordered[first]) <= CHAIN:
            break
    member[order] = level
    return member


def without_strays(member: np.ndarray, log_C: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the number [n] of every run's budget, with runs that are near one by chance apart.

    Where the runs of a budget agree in C to a percent, but for a quarter at most, those came
    from another design, a ladder or a final run: a valley with them in it is bent.

    Args:
        member: [n] as `clusters` has it.
        log_C: [n] logarithms of C.
        x: [n] logarithms of the sizes.
    """
    key = np.zeros(len(member))
    for j in range(member.max() + 1):
        rows = np.flatnonzero(member == j)
        rows = rows[np.argsort(log_C[rows], kind="stable")]
        fine = np.concatenate([[0], np.cumsum(np.diff(log_C[rows]) > APART / 4)])
        core = rows[fine == np.bincount(fine).argmax()]
        away = np.abs(log_C[rows] - np.median(log_C[core])) > APART
        firm = np.ptp(log_C[core]) <= APART / 2 and 4 * len(core) >= 3 * len(rows)
        key[rows] = j
        if firm and distinct(x[core]) >= LEAST:
            key[rows[away]] = j + np.where(log_C[rows[away]] < log_C[core].min(), -0.25, 0.25)
    return np.unique(key, return_inverse=True)[1]


def distinct(x: np.ndarray) -> int:
    """Return how many of the logarithms of sizes [n] are different."""
    return 1 + int((np.diff(np.sort(x)) > EQUAL).sum()) if len(x) else 0


def _no_budgets(runs: Runs, C: np.ndarray, found: int, enough: int) -> str:
    """Return what a table without valleys has, and what it needs."""
    have = f"{many(len(runs), 'run')} at {'one' if found == 1 else found} C"
    if found > 1:
        have += f" from {quantity(C.min(), 3)} to {quantity(C.max(), 3)}"
    some = {0: "none of them has", 1: "only one of them has"}[enough]
    some = "it has" if found == enough == 1 else some
    return (
        f"no isoFLOP budgets: {have}, and {some} {LEAST} sizes or more. A minimum per budget needs "
        f"{LEAST} or more model sizes trained at about equal C, at two or more C (column C, or N "
        "and D); for other tables fit a law: jaxscale fit, then jaxscale allocate"
    )
