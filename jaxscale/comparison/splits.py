"""Which runs to fit and which to predict: windows along a size, folds, groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxscale.checks.families import small_family
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.laws import Law
from jaxscale.objective.inputs import spaced
from jaxscale.shown.blocks import Shown
from jaxscale.text import quantity

SAME_LEVEL = 0.01
"""Sizes whose logarithms differ by less are one level: budgets are rarely met to the digit."""
CHAIN = 0.1
"""A chain of such sizes longer than this, in logarithms, is no level."""
FEW = 16
"""Up to so many levels are used as they are; more are binned."""
HORIZONS = ("all", "next")


@dataclasses.dataclass(frozen=True)
class Split(Shown):
    """W ways to divide n runs into those that are fitted and those that are predicted.

    Attributes:
        kind: "window", "fold" or "group".
        by: the size of a rollout, or the column of the groups; None for folds.
        labels: [W] name of each window, fold or group.
        train: [W, n] bool.
        test: [W, n] bool; disjoint from `train`.
        factor: [W] largest predicted size over the largest fitted one; NaN for folds and groups.
        level: [n] int, the level of each run along the size, or its fold or group.
        counted: [W] bool, the windows that count in an error over all of them.
    """

    kind: str
    by: str | None
    labels: tuple[str, ...]
    train: np.ndarray
    test: np.ndarray
    factor: np.ndarray
    level: np.ndarray
    counted: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def size_of(runs: Runs, by: str) -> np.ndarray:
    """Return the column [n] that says how large each run is.

    Raises:
        DataError: there is no such column, or a value is not positive.
    """
    size = runs.column(runs.column_called(by))
    good = np.isfinite(size) & (size > 0)
    if not good.all():
        at = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{runs.where(at)}, column {by!r}: {size[at]:g}; runs are ordered by it, so it must "
            "be positive. Order by another column (--by), or select rows with where (--where)"
        )
    return size


def levels_along(size: np.ndarray, count: int = 12) -> np.ndarray:
    """Return the level [n] of each run, 0 for the smallest.

    Sizes within 1 % of their neighbor are one level, unless they form a chain: then only equal
    sizes are. Up to 16 levels are used as they are (isoFLOP budgets, model sizes); more are
    merged into at most `count` bins of about equally many runs, equal sizes staying together.
    """
    distinct, inverse = np.unique(np.log(size), return_inverse=True)
    near = np.concatenate([[0], np.cumsum(np.diff(distinct) > SAME_LEVEL)])
    span = np.array([np.ptp(distinct[near == k]) for k in range(near[-1] + 1)])
    level = near[inverse] if span.max() <= CHAIN else inverse
    if level.max() < FEW:
        return level
    counts = np.bincount(level)
    middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
    merged = np.floor(middle * count).astype(int)[level]
    return np.unique(merged, return_inverse=True)[1]


def identified(law: Law, runs: Runs, mask: np.ndarray) -> str:
    """Return why runs [n] cannot determine a law; empty where they may.

    It takes one run more than free parameters, as many distinct inputs as free parameters (equal
    within 1 % is equal), two distinct values of every input, and two distinct losses; and of each
    family as much for its own parameters, which would else keep what a fit to all runs gave them.

    Args:
        law: the law, its free parameters None.
        runs: n runs.
        mask: [n] bool, the runs that the law would be fitted to; those of no weight do not count.
    """
    mask = mask & (runs.weights > 0)
    count, free = int(mask.sum()), len(law.free)
    if count <= free:
        return f"{count} runs for {free} free parameters; it takes at least {free + 1}"
    try:
        inputs = {n: runs.column(n, law.flops) for n in law.inputs}
    except DataError as error:
        return str(error)
    if small := small_family(law, inputs, mask):
        return small
    columns = {n: x[mask] for n, x in inputs.items()}
    for name, column in columns.items():
        if np.ptp(column) <= 1e-9 * np.abs(column).max():
            return f"only one distinct value of {name}, {column[0]:g}"
    steps = [spaced(x, law.kinds[n]) for n, x in columns.items()]
    points = np.round(np.column_stack(steps) / SAME_LEVEL)
    distinct = len(np.unique(points, axis=0))
    if distinct < free:
        names = ", ".join(law.inputs)
        return f"{distinct} distinct values of {names} for {free} free parameters"
    return "" if np.ptp(runs.loss[mask]) > 0 else "all losses are equal"


def by_size(
    laws: Iterable[Law],
    runs: Runs,
    by: str,
    *,
    levels: int = 12,
    horizon: str = "all",
    share: float = 0.5,
) -> Split:
    """Return expanding windows along a size: fit up to a level, predict larger runs.

    The first window has two levels, since one level says nothing about how the loss depends on
    the size. Windows that cannot determine any of the laws are left out. Those that are fitted to
    less than `share` of the levels are there to see, but do not count: a law fitted to a handful of
    the smallest runs can be wrong by any factor, which says little of the extrapolation at hand.
    Where no window has so many levels, all of them count.

    Args:
        laws: the laws that are to be fitted.
        runs: n runs; those of weight zero are neither fitted nor predicted.
        by: the size, "N", "D", "C" or the name of a column.
        levels: bins at most that more than 16 levels are merged into.
        horizon: "all" larger runs are predicted, or those of the "next" level.
        share: of the levels, 0 or more and below 1, from which a window counts.

    Returns:
        The windows, smallest first.

    Raises:
        DataError: no window is left.
        ValueError: an option is not one of those allowed.
    """
    if horizon not in HORIZONS:
        raise ValueError(f"horizon must be one of {', '.join(HORIZONS)}, got {horizon!r}")
    if levels < 3:
        raise ValueError(f"levels must be at least 3 (two to fit, one to predict), got {levels}")
    if not 0 <= share < 1:
        raise ValueError(f"share must be 0 or more and below 1, got {share:g}")
    size, used, tried = size_of(runs, by), runs.weights > 0, list(laws)
    level = levels_along(size, levels)
    labels, train, test, factor, fitted = [], [], [], [], []
    for cut in range(1, level.max()):
        small = used & (level <= cut)
        large = used & ((level == cut + 1) if horizon == "next" else (level > cut))
        if not large.any() or all(identified(law, runs, small) for law in tried):
            continue
        edge = size[small].max()
        fitted.append((cut + 1) / (level.max() + 1))
        labels.append(f"{by} <= {quantity(edge, 3)}")
        train.append(small)
        test.append(large)
        factor.append(float(size[large].max() / edge))
    if not train:
        raise DataError(
            f"{runs.source}: {len(runs)} runs at {level.max() + 1} levels of {by} leave no window "
            "in which smaller runs determine a law and larger ones test it. Order by another "
            "column (by=, --by), or give a smaller law"
        )
    counted = np.array(fitted) >= share
    return Split(
        "window",
        by,
        tuple(labels),
        np.array(train),
        np.array(test),
        np.array(factor),
        level,
        counted if counted.any() else np.ones(len(fitted), bool),
    )


def by_folds(runs: Runs, folds: int, *, by: str | None = None, seed: int = 0) -> Split:
    """Return folds that hold each run once, each spread evenly along a size.

    Runs are put in order of size, and each block of `folds` neighbors is dealt out at random.

    Args:
        runs: n runs; those of weight zero are in no fold.
        folds: how many.
        by: the size, a column; None for the loss.
        seed: of the dealing.

    Raises:
        ValueError: fewer than 2 folds, or more than runs.
    """
    used = np.flatnonzero(runs.weights > 0)
    if not 2 <= folds <= len(used):
        raise ValueError(f"folds must be 2 to {len(used)}, the number of runs, got {folds}")
    size = runs.loss if by is None else size_of(runs, by)
    rng = np.random.default_rng(seed)
    order = used[np.argsort(size[used], kind="stable")]
    fold = np.full(len(runs), -1)
    for first in range(0, len(order), folds):
        block = order[first : first + folds]
        fold[block] = rng.permutation(folds)[: len(block)]
    return _left_out("fold", None, fold, [str(k + 1) for k in range(folds)], used)


def by_groups(runs: Runs, groups: bool | str) -> Split:
    """Return one split per group of runs: fit to all others, predict the group.

    Args:
        runs: the runs.
        groups: True for `runs.group`, or the name of a column.

    Raises:
        DataError: there is no such column, or only one group.
    """
    name = "group" if groups is True else str(groups)
    if groups is True or runs.names.get("group") == name:
        values: Any = runs.group
    else:
        values = runs.columns.get(runs.column_called(name))
    if values is None:
        raise DataError(
            f"{runs.source}: no column {name!r} to group by; say which holds the group with "
            "map={'group': 'COLUMN'} (--leave-out COLUMN)"
        )
    known, group = np.unique(values, return_inverse=True)
    if len(known) < 2:
        raise DataError(f"{runs.source}, column {name!r}: all runs are of one group, {known[0]}")
    labels = [quantity(v) if isinstance(v, float) else str(v) for v in known.tolist()]
    used = np.flatnonzero(runs.weights > 0)
    return _left_out("group", name, group, labels, used)


def _left_out(
    kind: str, by: str | None, member: np.ndarray, labels: list[str], used: np.ndarray
) -> Split:
    weighty = np.zeros(len(member), bool)
    weighty[used] = True
    test = np.array([weighty & (member == k) for k in range(len(labels))])
    keep = np.asarray(test.any(axis=1))
    named = tuple(label for label, good in zip(labels, keep.tolist(), strict=True) if good)
    train = (weighty & ~test)[keep]
    count = int(keep.sum())
    nothing, all_of_them = np.full(count, np.nan), np.ones(count, bool)
    return Split(kind, by, named, train, test[keep], nothing, member, all_of_them)
