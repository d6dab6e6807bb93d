"""Runs that differ in their seed only: their mean, and how far one of them strays from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxscale.data.groups import numbered, sums
from jaxscale.data.settings import is_measured, is_tuned

RECURS = 0.1
"""Share of runs that have a value in common with one of another seed from which it was set."""
AVERAGED = "number of runs averaged"
"""What the weight of means is worked out from."""


@dataclasses.dataclass(frozen=True)
class Means:
    """Means over seeds, of G groups.

    Attributes:
        first: [G] first row of each.
        groups: [n] number of the group of every row.
        size: [G] how many runs.
        weight: [G] their weights together.
        loss: [G] mean.
        error: [G] its standard error; 0 where all repeats agree.
        spread: standard deviation of one run, pooled over the groups.
        freedom: degrees of freedom of that.
    """

    first: np.ndarray
    groups: np.ndarray
    size: np.ndarray
    weight: np.ndarray
    loss: np.ndarray
    error: np.ndarray
    spread: float
    freedom: int

    def of(self, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return the means [G] of a column [n]; weights [n] as they were given."""
        return _means(self.groups, values, weight, len(self.size))


def settings(
    base: Sequence[np.ndarray],
    others: Mapping[str, np.ndarray],
    over: np.ndarray,
    labels: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Return which columns were set, so that means are of rows alike in them, and which measured.

    A column that is called as what people tune was set, one called as what a run measures was
    measured; of any other, the values that were set come again under another seed, and those that
    were measured do not.

    Args:
        base: what rows must be alike in, at any rate, [n] each.
        others: the other columns [n].
        over: [n] number of the seed.
        labels: what the columns are called in their source.
    """
    cells = numbered(base) if base else np.zeros(len(over), int)
    repeated = _kinds(cells, over)[cells] > 1
    was_set: list[str] = []
    measured: list[str] = []
    for name, values in others.items():
        called = labels.get(name, name)
        if is_tuned(called):
            was_set.append(name)
            continue
        again = numbered([cells, values])
        recurs = (_kinds(again, over)[again] > 1)[repeated]
        share = float(recurs.mean()) if recurs.size else 1.0
        (was_set if share >= RECURS and not is_measured(called) else measured).append(name)
    return was_set, measured


def _kinds(groups: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Return how many different seeds [G] each group has."""
    pairs = numbered([groups, over])
    _, first = np.unique(pairs, return_index=True)
    return np.bincount(groups[first])


def means(groups: np.ndarray, loss: np.ndarray, weight: np.ndarray) -> Means:
    """Return the means of groups, and their errors from the spread within all of them.

    Args:
        groups: [n] from 0 to G - 1, in the order of their first rows.
        loss: [n].
        weight: [n] weights of the runs.
    """
    _, first = np.unique(groups, return_index=True)
    count = len(first)
    size = np.bincount(groups)
    middle = sums(groups, loss, count) / size
    freedom = int((size - 1).sum())
    rest = float(((loss - middle[groups]) ** 2).sum())
    spread = (rest / freedom) ** 0.5 if freedom else float("nan")
    return Means(
        first,
        groups,
        size,
        sums(groups, weight, count),
        _means(groups, loss, weight, count),
        spread / np.sqrt(size),
        spread,
        freedom,
    )


def _means(groups: np.ndarray, values: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    total = sums(groups, weight, count)
    weight = np.where(total[groups] > 0, weight, 1.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums(groups, weight * values, count) / sums(groups, weight, count))
