"""Runs: a validated table of training runs.

Columns by the field's letters (N parameters, D tokens, C FLOPs, S steps or any other scale),
the loss, optionally a weight and a group. Everything a person may have got wrong is said here,
at the door, with column and row. Nothing is dropped silently and nothing is rescaled.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxscale.data.columns import (
    for_where,
    labels,
    missing_loss,
    numeric,
    others,
    recognize,
    refuse_near_miss,
)
from jaxscale.data.expressions import keep_rows
from jaxscale.data.frames import table_from_arrays, table_from_dataframe
from jaxscale.data.table import Table
from jaxscale.data.tables import read_tables
from jaxscale.errors import DataError
from jaxscale.flops import Flops, SixND, parameters_for, tokens_for
from jaxscale.text import listing, short

LETTERS = ("N", "D", "C")
"""Columns of which any two give the third."""


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How a table becomes runs; see `read_runs`."""

    map: Mapping[str, str]
    where: str | None
    drop_highest: int
    bad: str
    units: str

    def __post_init__(self) -> None:
        if self.bad not in ("raise", "drop"):
            raise ValueError(f"bad must be 'raise' or 'drop', got {self.bad!r}")
        if self.units not in ("plain", "auto"):
            raise ValueError(f"units must be 'plain' or 'auto', got {self.units!r}")
        if self.drop_highest != int(self.drop_highest) or self.drop_highest < 0:
            raise ValueError(f"drop_highest must be a whole number >= 0, got {self.drop_highest!r}")


@dataclasses.dataclass(frozen=True, init=False)
class Runs:
    """A table of training runs.

    Attributes:
        columns: numeric columns [n] by name; N in parameters, D in tokens, C in FLOPs.
        loss: [n], usually nats per token; or any performance, for the laws of one scale.
        weight: [n], or None for equal weights.
        group: [n] labels, or None.
        rows: [n] where each run stood in its source: the line of a text file (the header is in
            row 1), else the 1-based position. Messages count rows the same way.
        source: name of the source.
        dropped: (row, reason) of every run that was left out, in the source's numbering.
        warnings: sentences about suspicious things that did not stop anything.
        names: how the source called each column.
    """

    columns: dict[str, np.ndarray]
    loss: np.ndarray
    weight: np.ndarray | None
    group: np.ndarray | None
    rows: np.ndarray
    source: str
    dropped: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]
    names: dict[str, str]

    def __init__(
        self,
        *,
        loss: Any,
        weight: Any = None,
        group: Any = None,
        rows: Any = None,
        source: str = "arrays",
        dropped: Sequence[tuple[int, str]] = (),
        warnings: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        **columns: Any,
    ) -> None:
        """Make runs from arrays: `Runs(N=..., D=..., loss=...)`.

        Raises:
            DataError: a column has another length than the loss, or is not numeric; or its name
                is a near miss of weight or group, which would be without effect.
        """
        for name in columns:
            if name not in (names or {}):
                refuse_near_miss(name, f"Runs({name}=...)", f"add names={{{name!r}: {name!r}}}")
        arrays = {name: _array(name, column) for name, column in columns.items()}
        arrays_loss = _array("loss", loss)
        n = len(arrays_loss)
        labelled = None if group is None else np.array(group)
        weights = None if weight is None else _array("weight", weight)
        where = np.arange(1, n + 1) if rows is None else np.array(rows, int)
        for name, column in (*arrays.items(), ("weight", weights), ("group", labelled)):
            if column is not None and column.shape != (n,):
                raise DataError(f"column {name!r} has {column.size} rows, the loss has {n}")
        if where.shape != (n,):
            raise DataError(f"{where.size} row numbers for {n} runs")
        put = object.__setattr__
        put(self, "columns", arrays)
        put(self, "loss", arrays_loss)
        put(self, "weight", weights)
        put(self, "group", labelled)
        put(self, "rows", where)
        put(self, "source", source)
        put(self, "dropped", tuple(dropped))
        put(self, "warnings", tuple(warnings))
        put(self, "names", dict(names or {}))

    def __len__(self) -> int:
        return len(self.loss)

    def replace(self, **changes: Any) -> Self:
        """Return the runs with some columns or attributes changed, checked as in `Runs(...)`."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return type(self)(**{**fields.pop("columns"), **fields, **changes})

    @property
    def weights(self) -> np.ndarray:
        """The weight [n] of every run: ones where none is given."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def column_called(self, name: str) -> str:
        """Return the name here of a column that the source may call otherwise."""
        if name in self.columns:
            return name
        return next((here for here, called in self.names.items() if called == name), name)

    @classmethod
    def of(cls, given: Any) -> Runs:
        """Return runs as they are, or make them from a dataframe or a dict of arrays.

        Columns are recognized by their names, as in a file; see `read_runs` for options.

        Raises:
            DataError: a column is missing, or a cell cannot be read; names column and row.
        """
        if isinstance(given, Runs):
            return given
        if isinstance(given, Mapping):
            table = table_from_arrays(given)
        else:
            table = table_from_dataframe(given)
        return cls._from_table(table, _Reading({}, None, 0, "raise", "plain"))

    @classmethod
    def from_dataframe(
        cls,
        frame: Any,
        *,
        map: Mapping[str, str] | None = None,
        where: str | None = None,
        drop_highest: int = 0,
        bad: str = "raise",
        units: str = "plain",
    ) -> Self:
        """Make runs from a dataframe of pandas, polars, pyarrow or any narwhals back end.

        Args:
            frame: the dataframe.
            map: N, D, C, S, loss, weight or group -> name of its column, for columns that are
                not recognized by their own names.
            where: an expression, e.g. "loss < 4 and lr == 3e-4"; rows that satisfy it stay.
            drop_highest: leave out that many highest losses.
            bad: "raise", or "drop" rows with missing or non-finite cells.
            units: "plain", or "auto" to read 300M, 1.2B, 32.0K, 11%.

        Raises:
            DataError: a cell cannot be read; the message names column and row.
            ValueError: an option is not one of those allowed.
        """
        options = _Reading(map or {}, where, drop_highest, bad, units)
        return cls._from_table(table_from_dataframe(frame), options)

    @classmethod
    def _from_table(cls, table: Table, options: _Reading) -> Self:
        where, drop_highest, units = options.where, options.drop_highest, options.units
        names = recognize(table, options.map)
        if "loss" not in names:
            raise missing_loss(table)
        keep = np.ones(len(table.lines), bool)
        dropped: list[tuple[int, str]] = []

        def drop(mask: np.ndarray, reason: str) -> None:
            dropped.extend((table.lines[k], reason) for k in np.flatnonzero(keep & mask))
            keep[mask] = False

        if where is not None:
            drop(~keep_rows(where, for_where(table, names, units)), f"not where {where}")
        columns = {
            letter: numeric(table, name, keep, units)
            for letter, name in names.items()
            if letter != "group"
        }
        if options.bad == "drop":
            for letter, column in columns.items():
                drop(~np.isfinite(column), f"{letter} is missing or not finite")
        if drop_highest:
            loss = np.where(keep & ~np.isnan(columns["loss"]), columns["loss"], -np.inf)
            count = min(drop_highest, int((loss > -np.inf).sum()))
            highest = np.argsort(-loss, kind="stable")[:count]
            drop(np.isin(np.arange(len(keep)), highest), f"among the {drop_highest} highest losses")
        if not keep.any():
            reasons = "; ".join(dict.fromkeys(reason for _, reason in dropped))
            raise DataError(f"{table.source}: no rows are left of {len(keep)} ({reasons[:200]})")
        extra, notes = others(table, names, keep, units)
        return cls(
            group=labels(table.columns[names["group"]], keep) if "group" in names else None,
            rows=np.array(table.lines)[keep],
            source=table.source,
            dropped=dropped,
            warnings=(*table.notes, *notes),
            names={**names, **{name: name for name in extra}},
            **{letter: column[keep] for letter, column in (columns | extra).items()},
        )

    def select(self, mask: np.ndarray, reason: str) -> Runs:
        """Return the runs where `mask` [n] is true; the others join `dropped` with `reason`."""
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.loss.shape:
            raise DataError(
                f"a mask of {len(self)} booleans selects runs, got {mask.dtype} "
                f"of shape {mask.shape}"
            )
        gone = [(int(row), reason) for row in self.rows[~mask]]
        return Runs(
            loss=self.loss[mask],
            weight=None if self.weight is None else self.weight[mask],
            group=None if self.group is None else self.group[mask],
            rows=self.rows[mask],
            source=self.source,
            dropped=(*self.dropped, *gone),
            warnings=self.warnings,
            names=self.names,
            **{name: column[mask] for name, column in self.columns.items()},
        )

    def where(self, index: int) -> str:
        """Return how to name a run in a message."""
        return f"{self.source}, row {self.rows[index]}"

    def label(self, name: str) -> str:
        """Return how the source calls a column, or what it was worked out from."""
        if name in LETTERS and name not in self.columns:
            known = " and ".join(letter for letter in LETTERS if letter in self.columns)
            return f"{name!r} (worked out from {known})"
        called = self.names.get(name, name)
        return repr(name) if called == name else f"{short(called)} ({name})"

    def column(self, name: str, flops: Flops | None = None) -> np.ndarray:
        """Return a column [n]; the third of N, D, C follows from the other two.

        Raises:
            DataError: the column is missing and cannot be worked out.
        """
        if name in self.columns:
            return self.columns[name]
        have = {letter: self.columns.get(letter) for letter in "NDC"}
        if name in have and sum(column is not None for column in have.values()) == 2:
            model = flops or SixND()
            with np.errstate(all="ignore"):
                if name == "C":
                    return np.asarray(model(have["N"], have["D"]), float)
                if name == "D":
                    return np.asarray(tokens_for(model, have["N"], have["C"]), float)
                return np.asarray(parameters_for(model, have["D"], have["C"]), float)
        third = "; the third of N, D and C follows from the other two" if name in have else ""
        raise DataError(
            f"{self.source}, {self.span()}: no column {name!r} of numbers, and no way to work it "
            f"out (columns of numbers: {listing([*self.columns, 'loss'])}{third}). Name it with "
            f"map={{{name!r}: 'COLUMN'}} (--column {name}=COLUMN)"
        )

    def span(self) -> str:
        """Return how to name all the rows in a message."""
        if len(self) < 2:
            return f"row {self.rows[0]}" if len(self) else "no rows"
        return f"rows {self.rows[0]} to {self.rows[-1]}"

    def digest(self) -> str:
        """Return the SHA-256 of the numbers, independent of row labels and of the source."""
        sha = hashlib.sha256()
        parts = [*sorted(self.columns.items()), ("=loss", self.loss), ("=weight", self.weight)]
        for name, values in parts:
            if values is not None:
                sha.update(f"{len(name)}:{name}:{len(values)}:".encode())
                sha.update(np.ascontiguousarray(values).tobytes())
        return sha.hexdigest()


def read_runs(
    path: str | Path,
    *,
    map: Mapping[str, str] | None = None,
    where: str | None = None,
    drop_highest: int = 0,
    bad: str = "raise",
    units: str = "plain",
    decimal: str = ".",
) -> Runs:
    """Read runs from a CSV, TSV, JSON Lines, JSON or Parquet file.

    Args:
        path: the file; text may be compressed (.gz, .xz).
        map: letter -> name of its column, N, D, C, S, loss, weight or group; for columns that are
            not recognized by their own names.
        where: an expression, e.g. "loss < 4 and lr == 3e-4"; rows that satisfy it stay.
        drop_highest: leave out that many highest losses.
        bad: "raise", or "drop" rows with missing or non-finite cells.
        units: "plain", or "auto" to read 300M, 1.2B, 32.0K, 11%.
        decimal: decimal mark of CSV numbers.

    Returns:
        The runs; `dropped` lists every row left out, and why.

    Raises:
        DataError: the file or a cell cannot be read; the message names column and row.
        ValueError: an option is not one of those allowed.
    """
    options = _Reading(map or {}, where, drop_highest, bad, units)
    return Runs._from_table(read_tables(path, decimal), options)


def _array(name: str, column: Any) -> np.ndarray:
    try:
        array = np.asarray(column)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        array = array.astype(float)  # a copy
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"column {name!r} is not numeric ({str(error)[:120]})") from error
    if array.ndim != 1:
        raise DataError(f"column {name!r} must have one dimension, got shape {array.shape}")
    return array
