"""The best run of every group: of a sweep of learning rates, the one that the law is fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, short


def listed(names: str | Sequence[str]) -> list[str]:
    """Return names that are given as `N,D` or as a sequence."""
    each = names.split(",") if isinstance(names, str) else names
    return [name.strip() for name in each if name.strip()]


def group_rows(table: Table, names: Sequence[str], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the number [n] of the group of every row: those alike in all the columns named.

    Args:
        table: the table, n rows.
        names: letters or columns.
        values: letter -> its numbers [n].

    Raises:
        DataError: there is no such column.
    """
    groups = np.zeros(len(table.lines), int)
    for name in names:
        if name in values:
            column = np.asarray(values[name], float)
        elif name in table.columns:
            column = np.array(["" if c is None else str(c).strip() for c in table.columns[name]])
        else:
            raise DataError(
                f"{table.top}: --lowest {','.join(names)}: no column {short(name)}; there are "
                f"{listing([*values, *(c for c in table.columns if c not in values)])}"
            )
        _, number = np.unique(column, return_inverse=True)
        _, groups = np.unique(groups * (number.max() + 1) + number, return_inverse=True)
    return groups


def is_lowest(groups: np.ndarray, loss: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return whether a row [n] has the lowest loss of its group, the first of equal ones.

    Args:
        groups: [n] numbers of groups.
        loss: [n] losses; a group of which none is finite keeps its rows.
        keep: [n] rows that count.
    """
    finite = keep & np.isfinite(loss)
    order = np.lexsort((np.where(finite, loss, np.inf), groups))
    first = np.append(True, groups[order][1:] != groups[order][:-1])
    best = np.zeros(len(groups), bool)
    best[order[first]] = True
    some = np.bincount(groups, finite, minlength=groups.max() + 1) > 0
    return np.where(some[groups], best & finite, keep)
