"""Rows of numbers that are alike: a sort of one number for each row, however long the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIX = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose products fill 64 bits: that of the golden ratio (Knuth, TAOCP 6.4)."""
SHIFT = np.uint64(29)


class Alike(NamedTuple):
    """Groups of rows that are alike, in the order of their first rows."""

    first: np.ndarray  # [G] the first row of each
    group: np.ndarray  # [n] which one each row is in
    rows: np.ndarray  # [G] how many are in each


def distinct(columns: Sequence[np.ndarray]) -> int:
    """Return how many different rows there are.

    Args:
        columns: [n] each, finite.
    """
    keys = np.sort(_keys(columns))  # which is quicker than the hashes of np.unique
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))


def alike(columns: Sequence[np.ndarray]) -> Alike:
    """Return which rows are alike in every column.

    Args:
        columns: [n] each, finite.
    """
    _, first, group, count = np.unique(
        _keys(columns), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    return Alike(first[order], place[group], count[order])


def _keys(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return a number [n] for every row; the same for rows that are alike, and for no others.

    Of two different rows the numbers agree with a chance of 2^-64: so of a million rows any two
    do with one of 3e-8, and a check would take them for repeats.
    """
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        bits = (np.ascontiguousarray(column, float) + 0.0).view(np.uint64)  # -0 as 0
        key = (key ^ bits) * MIX
        key ^= key >> SHIFT
        key *= MIX
        key ^= key >> SHIFT
    return key
