"""Rows of a table by groups: those alike in some columns, counted and reduced all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def listed(names: str | Sequence[str] | None) -> list[str]:
    """Return names that are given as `N,D` or as a sequence, each once; none for None."""
    each = names.split(",") if isinstance(names, str) else names or ()
    return list(dict.fromkeys(name.strip() for name in each if name.strip()))


def coded(cells: Sequence[object]) -> np.ndarray:
    """Return labels [n] as numbers, the same for the same text; NaN where a cell is empty."""
    text = np.array(["" if cell is None or cell != cell else str(cell).strip() for cell in cells])
    values, number = np.unique(text, return_inverse=True)
    return np.where(values[number] == "", np.nan, number.astype(float))


def numbered(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number [n] of the group of every row, in the order of their first rows.

    Args:
        columns: at least one, [n] each; rows are of one group that are alike in all of them.
    """
    groups = np.zeros(len(columns[0]), int)
    for column in columns:
        _, number = np.unique(column, return_inverse=True)
        _, groups = np.unique(groups * (number.max(initial=0) + 1) + number, return_inverse=True)
    _, first = np.unique(groups, return_index=True)
    place = np.empty(len(first), int)
    place[np.argsort(first)] = np.arange(len(first))
    found: np.ndarray = place[groups]
    return found


def lowest_rows(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the row [G] of the lowest value of every group, the first of equal ones.

    Args:
        groups: [n] from `numbered`.
        values: [n]; where none is finite, the first row.
    """
    order = np.lexsort((np.where(np.isfinite(values), values, np.inf), groups))
    first = np.append(True, groups[order][1:] != groups[order][:-1])
    found: np.ndarray = order[first]
    return found


def sums(groups: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Return the sum [count] of values over every group.

    Args:
        groups: [n].
        values: [n].
        count: of groups.
    """
    return np.bincount(groups, values, minlength=count)
