"""Many problems in one search: which fields of the objective differ, and whose each start is."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np


class Problems(NamedTuple):
    """Fields of an objective with a leading axis [B], and which problem each start solves."""

    fields: dict[str, Any]  # name of a field of the objective -> its pytree, leaves [B, ...]
    which: np.ndarray  # [S] int

    def part(self, some: slice, size: int) -> dict[str, Any]:
        """Return the fields of `some` starts, one row per start, padded to `size`.

        Problems in a row, as those of replicates, are not copied.
        """
        rows = padded(self.which[some], size)
        in_a_row = bool(np.all(np.diff(rows) == 1))
        which = slice(rows[0], rows[0] + size) if in_a_row else rows
        part: dict[str, Any] = jax.tree.map(lambda leaf: np.asarray(leaf)[which], self.fields)
        return part


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Return rows and, up to `size` of them, the first one again."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])
