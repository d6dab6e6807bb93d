"""Runs: a validated table of training runs.

Columns by the field's letters (N parameters, D tokens, C FLOPs, S steps or any other scale),
the loss, optionally a weight and a group. Everything a person may have got wrong is said here,
at the door, with column and row. Nothing is dropped silently and nothing is rescaled.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxscale.errors import DataError
from jaxscale.expressions import keep_rows
from jaxscale.flops import Flops, SixND, parameters_for, tokens_for
from jaxscale.tables import Table, read_table, table_from_dataframe

ALIASES: dict[str, tuple[str, ...]] = {
    "N": ("n", "params", "nparams", "numparams", "parameters", "numparameters", "nparameters",
          "parametercount", "paramcount", "modelsize", "size", "modelparams", "totalparams"),
    "D": ("d", "tokens", "ntokens", "numtokens", "trainingtokens", "traintokens", "totaltokens",
          "datasetsize", "tokenstrained", "throughputtotaltokens"),
    "C": ("c", "flops", "flop", "compute", "trainingflop", "trainingflops", "trainflops",
          "totalflops", "computebudget"),
    "S": ("s", "scale", "steps", "smin"),
    "loss": ("loss", "valloss", "validationloss", "evalloss", "testloss", "finalloss", "l",
             "crossentropy", "crossentropyloss", "celoss"),
    "weight": ("weight", "weights"),
    "group": ("group",),
}
"""Names that people use, in lower case without punctuation, by the letter they mean."""

SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "%": 1e-2}
SUFFIXED = re.compile(r"([+-]?\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)\s*([kKmMbBgGtT%])")


def number(cell: Any, units: str) -> float:
    """Return a cell as a float; NaN where empty. Raises ValueError where it is no number."""
    if cell is None:
        return np.nan
    if isinstance(cell, int | float | np.number):
        return float(cell)
    text = str(cell).strip()
    if not text:
        return np.nan
    match = SUFFIXED.fullmatch(text) if units == "auto" and len(text) < 64 else None
    if match:
        return float(match[1]) * SUFFIX[match[2].lower()]
    return float(text)


@dataclasses.dataclass(frozen=True, init=False)
class Runs:
    """A table of training runs.

    Attributes:
        columns: numeric columns [n] by name; N in parameters, D in tokens, C in FLOPs.
        loss: [n], usually nats per token; or any performance, for the laws of one scale.
        weight: [n], or None for equal weights.
        group: [n] labels, or None.
        rows: [n] where each run stood in its source (line of the file, or 1-based position).
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
            DataError: a column has another length than the loss, or is not numeric.
        """
        arrays = {name: _array(name, column) for name, column in columns.items()}
        arrays_loss = _array("loss", loss)
        n = len(arrays_loss)
        for name, column in arrays.items():
            if len(column) != n:
                raise DataError(f"column {name!r} has {len(column)} rows, the loss has {n}")
        put = object.__setattr__
        put(self, "columns", arrays)
        put(self, "loss", arrays_loss)
        put(self, "weight", None if weight is None else _array("weight", weight))
        put(self, "group", None if group is None else np.asarray(group))
        put(self, "rows", np.arange(1, n + 1) if rows is None else np.asarray(rows, int))
        put(self, "source", source)
        put(self, "dropped", tuple(dropped))
        put(self, "warnings", tuple(warnings))
        put(self, "names", dict(names or {}))

    def __len__(self) -> int:
        return len(self.loss)

    @classmethod
    def from_dataframe(cls, frame: Any, **options: Any) -> Self:
        """Make runs from a dataframe of pandas, polars, pyarrow or any narwhals back end.

        Args:
            frame: the dataframe.
            **options: those of `read_runs`, without the path.
        """
        return cls._from_table(table_from_dataframe(frame), **options)

    @classmethod
    def _from_table(
        cls,
        table: Table,
        *,
        map: Mapping[str, str] | None = None,
        where: str | None = None,
        drop_highest: int = 0,
        bad: str = "raise",
        units: str = "plain",
    ) -> Self:
        names = _recognize(table, map or {})
        if "loss" not in names:
            raise DataError(
                f"{table.source}: no column 'loss'; the table has "
                f"{_closest('loss', table)}. Name it with --map loss=COLUMN"
            )
        keep = np.ones(len(table.lines), bool)
        dropped: list[tuple[int, str]] = []

        def drop(mask: np.ndarray, reason: str) -> None:
            dropped.extend((table.lines[k], reason) for k in np.flatnonzero(keep & mask))
            keep[mask] = False

        if where:
            drop(~keep_rows(where, _for_where(table, names, units)), f"not where {where}")
        columns = {
            letter: _numeric(table, name, keep, units, letter in ("N", "D", "C", "S", "loss"))
            for letter, name in names.items()
            if letter != "group"
        }
        if bad == "drop":
            for letter, column in columns.items():
                drop(~np.isfinite(column), f"{letter} is missing or not finite")
        if drop_highest:
            loss = np.where(keep & np.isfinite(columns["loss"]), columns["loss"], -np.inf)
            highest = np.argsort(-loss, kind="stable")[:drop_highest]
            drop(np.isin(np.arange(len(keep)), highest), f"among the {drop_highest} highest losses")
        if not keep.any():
            raise DataError(f"{table.source}: no rows are left ({dropped[0][1]})")
        group = np.array(table.columns[names["group"]])[keep] if "group" in names else None
        return cls(
            group=group,
            rows=np.array(table.lines)[keep],
            source=table.source,
            dropped=dropped,
            warnings=table.notes,
            names=names,
            **{letter: column[keep] for letter, column in columns.items()},
        )

    def select(self, mask: np.ndarray, reason: str) -> Runs:
        """Return the runs where `mask` [n] is true; the others join `dropped` with `reason`."""
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
            if name == "C":
                return np.asarray(model(have["N"], have["D"]), float)
            if name == "D":
                return np.asarray(tokens_for(model, have["N"], have["C"]), float)
            return np.asarray(parameters_for(model, have["D"], have["C"]), float)
        known = ", ".join(self.columns) or "none"
        raise DataError(
            f"{self.source}: no column {name!r} and no way to work it out (columns: {known}); "
            f"name it with --map {name}=COLUMN"
        )

    def digest(self) -> str:
        """Return the SHA-256 of the numbers, independent of row labels and of the source."""
        sha = hashlib.sha256()
        for name in sorted(self.columns):
            sha.update(name.encode())
            sha.update(np.ascontiguousarray(self.columns[name]).tobytes())
        sha.update(self.loss.tobytes())
        if self.weight is not None:
            sha.update(self.weight.tobytes())
        return sha.hexdigest()


def read_runs(path: str | Path, *, decimal: str = ".", **options: Any) -> Runs:
    """Read runs from a CSV, TSV, JSON Lines, JSON or Parquet file.

    Args:
        path: the file; text may be compressed (.gz, .xz).
        decimal: decimal mark of CSV numbers.
        **options: `map` (letter -> column name; for columns that are not recognized),
            `where` (an expression; rows that satisfy it stay), `drop_highest` (leave out that
            many highest losses), `bad` ("raise", or "drop" rows with missing or non-finite
            cells), `units` ("plain", or "auto" to read 300M, 1.2B, 32.0K, 11%).

    Returns:
        The runs; `dropped` lists every row left out, and why.

    Raises:
        DataError: the file or a cell cannot be read; the message names column and row.
    """
    return Runs._from_table(read_table(path, decimal), **options)


def _array(name: str, column: Any) -> np.ndarray:
    try:
        array = np.asarray(column, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} is not numeric ({error})") from error
    if array.ndim != 1:
        raise DataError(f"column {name!r} must have one dimension, got shape {array.shape}")
    return array


def _canonical(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _closest(wanted: str, table: Table) -> str:
    near = difflib.get_close_matches(wanted, list(table.columns), n=3, cutoff=0.5)
    rest = [name for name in table.columns if name not in near]
    return ", ".join(repr(name) for name in (near + rest)[:12])


def _recognize(table: Table, given: Mapping[str, str]) -> dict[str, str]:
    """Return the column of each letter; columns of other names keep theirs."""
    for letter, name in given.items():
        if name not in table.columns:
            raise DataError(
                f"{table.source}: --map {letter}={name}: no column {name!r}; the table has "
                f"{_closest(name, table)}"
            )
    names = dict(given)
    taken = set(names.values())
    for letter, aliases in ALIASES.items():
        if letter in names:
            continue
        if letter in table.columns:
            names[letter] = letter
            continue
        found = [c for c in table.columns if _canonical(c) in aliases and c not in taken]
        best = [c for c in found if _canonical(c) == _canonical(letter)]
        found = best or found
        if len(found) > 1:
            raise DataError(
                f"{table.source}: columns {', '.join(map(repr, found))} could all be {letter}; "
                f"choose with --map {letter}={found[0]}"
            )
        if found:
            names[letter] = found[0]
    taken = set(names.values())
    for name, cells in table.columns.items():
        if name not in taken and name not in names and _all_numbers(cells):
            names[name] = name
    return names


def _all_numbers(cells: Sequence[Any]) -> bool:
    try:
        return bool(np.isfinite([number(cell, "plain") for cell in cells]).all())
    except ValueError:
        return False


def _numeric(
    table: Table, name: str, keep: np.ndarray, units: str, essential: bool
) -> np.ndarray:
    """Return a column as floats; rows that are not kept may hold anything."""
    values = np.full(len(keep), np.nan)
    for row, cell in enumerate(table.columns[name]):
        if not keep[row]:
            continue
        try:
            values[row] = number(cell, units)
        except ValueError as error:
            if not essential:
                continue
            hint = ""
            if SUFFIXED.fullmatch(str(cell).strip()[:64]):
                hint = "; read suffixes with units='auto' (--units auto)"
            raise DataError(
                f"{table.source}, {table.where(row)}, column {name!r}: expected a number, got "
                f"{str(cell)[:40]!r}{hint}"
            ) from error
    return values


def _for_where(table: Table, names: Mapping[str, str], units: str) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, cells in table.columns.items():
        try:
            columns[name] = np.array([number(cell, units) for cell in cells])
        except ValueError:
            columns[name] = np.array(["" if cell is None else str(cell) for cell in cells])
    for letter, name in names.items():
        columns.setdefault(letter, columns[name])
    return columns
