"""The columns of runs by any of their names, and what to say where one is missing or empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from jaxscale.data.columns import canonical
from jaxscale.data.groups import coded, lowest_rows, numbered
from jaxscale.data.loss_curves import ALIASES
from jaxscale.data.sources import Sourced
from jaxscale.errors import DataError
from jaxscale.text import listing, many, short

TEXT = "\0"
"""Before the name of a column of labels, coded as numbers, that is there until rows are reduced."""
LETTERS = ("N", "D", "C", "S")
SHOWN = 5
"""Rows that a note names."""
BATCH = (
    "batch batchsize bs bsz gbs gbsz globalbatchsize batchsizeseqs batchsizetokens trainbatchsize"
)
MEANT = {"lr": ALIASES["lr"], "batch": tuple(BATCH.split())}
"""Names of columns, in lower case without punctuation, that short names of what is tuned mean."""


class NamedColumns(Sourced):
    """What `Runs` has, and how its columns are found."""

    loss: np.ndarray
    weight: np.ndarray | None
    group: np.ndarray | None
    warnings: tuple[str, ...]

    def replace(self, **changes: Any) -> Self:
        """Return the runs with some columns or attributes changed."""
        raise NotImplementedError

    def select(self, mask: np.ndarray, reason: str) -> Self:
        """Return the runs where `mask` [n] is true."""
        raise NotImplementedError

    def without_blanks(self, names: Sequence[str]) -> Self:
        """Return the runs that have something in columns, of those named here that there are.

        Args:
            names: of columns.
        """
        runs = self
        for name in dict.fromkeys(names):
            key = runs._key(name)
            if key is not None:
                cells = (
                    coded(list(runs.group))
                    if key == "group" and runs.group is not None
                    else runs.columns[key]
                )
                runs = runs.select(~np.isnan(cells), f"{name} is missing")
        return runs

    def without_labels(self) -> Self:
        """Return the runs without columns of labels that are coded as numbers."""
        runs = self.replace()
        for name in [name for name in runs.columns if name.startswith(TEXT)]:
            del runs.columns[name]
        return runs

    def _say(self, notes: Sequence[str]) -> Self:
        return self.replace(warnings=(*self.warnings, *notes))

    def _picked(self, rows: np.ndarray, reason: str, **columns: np.ndarray) -> Self:
        """Return some rows, with columns [n] that are new; the others are left out for a reason."""
        mask = np.zeros(len(self.loss), bool)
        mask[rows] = True
        return self.replace(**columns).select(mask, reason)

    def _shown(self, rows: np.ndarray) -> str:
        return ", ".join(self.row(int(k)) for k in rows[:SHOWN]) + ", ..." * (len(rows) > SHOWN)

    def _key(self, name: str) -> str | None:
        """Return what a column is called here; `group` for the labels, None where there is none."""
        key = self.column_called(name)
        if key in self.columns:
            return key
        if TEXT + name in self.columns:
            return TEXT + name
        return "group" if self.group is not None and "group" in (name, key) else None

    def _resolved(self, name: str, option: str) -> np.ndarray:
        """Return a column [n], labels coded as numbers.

        Raises:
            DataError: there is none, or a cell of it is empty.
        """
        key = self._key(name)
        if key is None and name in LETTERS and name not in self.unread:
            values = self.column(name)
        elif key is None:
            has = [name.removeprefix(TEXT) for name in self.columns]
            has += ["group"] if self.group is not None else []
            raise DataError(
                f"{self.source}: {option}: no column {short(name)}; there are {listing(has)}"
            )
        elif key == "group" and self.group is not None:
            values = coded(list(self.group))
        else:
            values = self.columns[str(key)]
        blank = np.flatnonzero(np.isnan(values))
        if len(blank):
            raise DataError(
                f"{self.where(int(blank[0]))}, column {short(name)}: {option} needs it in every "
                f"row, and it is empty in {many(len(blank), 'row')}; fill it in, or leave such "
                "rows out with --bad drop"
            )
        return values

    def _groups(self, names: Sequence[str], option: str) -> np.ndarray:
        if not names:
            raise DataError(f"{option}: expected columns, e.g. N,D")
        return numbered([self._resolved(name, option) for name in names])

    def _mixed(self, groups: np.ndarray, named: Sequence[str]) -> list[str]:
        """Return the columns of labels that differ within groups [n] and come again in others.

        Such are families (a corpus, a task), not names of runs; columns that are named are none.
        """
        keys = [key for key in self.columns if key.startswith(TEXT)]
        cells = {key.removeprefix(TEXT): self.columns[key] for key in keys}
        if self.group is not None:
            cells[self.names.get("group", "group")] = coded(list(self.group))
        for name in named:
            cells.pop(self.names.get(str(self._key(name)), name.removeprefix(TEXT)), None)
        count = int(groups.max()) + 1 if len(groups) else 0
        found = []
        for name, cell in cells.items():
            pairs = len(np.unique(numbered([groups, cell])))
            if pairs > count and pairs > len(np.unique(cell)):
                found.append(name)
        return found

    def _tuned(self, name: str, option: str) -> np.ndarray:
        """Return what was tuned [n]: a column of this name, or the one that a short name means."""
        if self._key(name) is None:
            meant = [
                k for k in self.columns if canonical(self.names.get(k, k)) in MEANT.get(name, ())
            ]
            name = meant[0] if len(meant) == 1 else name
        values = self._resolved(name, option)
        self._require_positive(values, name, f"{option}: its logarithm takes")
        return values

    def _require_positive(self, values: np.ndarray, name: str, why: str) -> None:
        bad = np.flatnonzero(~((values > 0) & np.isfinite(values)))
        if len(bad):
            raise DataError(
                f"{self.where(int(bad[0]))}, column {short(name)}: {why} positive numbers, got "
                f"{values[bad[0]]:g}; leave such rows out with --where"
            )

    def _progress(self, groups: np.ndarray) -> tuple[str, np.ndarray]:
        """Return the first of steps, tokens and FLOPs that grows within runs, with its name."""
        steps = [k for k in self.columns if canonical(self.names.get(k, k)) in ALIASES["step"]]
        first = lowest_rows(groups, np.arange(len(groups), dtype=float))[groups]
        for name in dict.fromkeys([*steps, "S", "D", "C"]):
            values = self.columns.get(name)
            if values is not None and (values != values[first]).any():
                return self.names.get(name, name), values
        return "the order of the rows", np.zeros(len(groups))
