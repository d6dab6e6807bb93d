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
from typing import Any, Self, TypeVar, Unpack

import numpy as np

from jaxscale._numerics.precision import refuse_tracers
from jaxscale.data.account import runs_blocks, runs_columns
from jaxscale.data.columns import refuse_near_miss
from jaxscale.data.frames import table_from_arrays, table_from_dataframe
from jaxscale.data.reading import Reading, Reduce, read_table_as_runs, reduced
from jaxscale.data.reductions import Reductions
from jaxscale.data.responses import Response, response_of
from jaxscale.data.table import Table
from jaxscale.data.tables import read_tables
from jaxscale.errors import DataError
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame

R = TypeVar("R", bound="Runs")


@dataclasses.dataclass(frozen=True, init=False)
class Runs(Reductions, Shown):
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
        names: how the source called each column, or what it was worked out from.
        unread: letters whose column could not be read, and why; it is said where one is asked for.
        called: by row, of those left out too, what the run is called, where the source says it.
        frame_kind: "pandas", "polars" or "pyarrow", where they came from such a dataframe, else
            empty: `table` makes one of that kind.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.Runs(N=[1e6, 1e7, 1e8], D=[1e9, 1e9, 1e9], loss=[3.2, 2.9, 2.7])
        >>> len(runs), runs.column("C")
        (3, array([6.e+15, 6.e+16, 6.e+17]))
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
    unread: dict[str, str]
    called: dict[int, str]
    frame_kind: str

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
        unread: Mapping[str, str] | None = None,
        called: Mapping[int, str] | None = None,
        frame_kind: str = "",
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
        put(self, "unread", dict(unread or {}))
        put(self, "called", dict(called or {}))
        put(self, "frame_kind", frame_kind)

    def __len__(self) -> int:
        return len(self.loss)

    def replace(self, **changes: Any) -> Self:
        """Return the runs with some columns or attributes changed, checked as in `Runs(...)`.

        Args:
            **changes: columns [n] or attributes by name.

        Returns:
            The runs.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> in_bits = runs.replace(loss=runs.column("bits_per_byte"))
            >>> float(in_bits.loss.max())
            3.52099
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return type(self)(**{**fields.pop("columns"), **fields, **changes})

    @property
    def weights(self) -> np.ndarray:
        """The weight [n] of every run: ones where none is given."""
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def response(self) -> Response:
        """What was measured, by the name of its column: a loss, a perplexity, an accuracy."""
        return response_of(self.names.get("loss", "loss"))

    @classmethod
    def of(cls, given: Any, **options: Any) -> Runs:
        """Return runs as they are, or make them from a dataframe or a dict of arrays.

        Columns are recognized by their names, as in a file.

        Args:
            given: runs, a dataframe, or a dict of arrays [n].
            options: of a dataframe or a dict, those of `read_runs` but `decimal`.

        Raises:
            DataError: a column is missing, or a cell cannot be read; names column and row.
            TypeError: it is a path.

        Example:
            >>> import jaxscale
            >>> table = {"params": [1e6, 1e7], "tokens": [1e9, 1e9], "val_loss": [3.2, 2.9]}
            >>> runs = jaxscale.Runs.of(table)
            >>> runs.column("N"), runs.loss
            (array([ 1000000., 10000000.]), array([3.2, 2.9]))
        """
        if isinstance(given, Runs) and not options:
            return given
        if isinstance(given, str | Path):
            raise TypeError(f"{str(given)!r} is a path; read it: jaxscale.read_runs(path)")
        if isinstance(given, Mapping):
            table = table_from_arrays(given)
        else:
            table = table_from_dataframe(given)
        return _read(cls, table, Reading(**options))

    @classmethod
    def from_dataframe(cls, frame: Any, **options: Any) -> Self:
        """Make runs from a dataframe of pandas, polars, pyarrow or any narwhals back end.

        Args:
            frame: the dataframe.
            options: those of `read_runs`, but `decimal`.

        Returns:
            The runs, `rows` counting the rows of the frame from 1.

        Raises:
            DataError: a cell cannot be read; the message names column and row.
            ValueError: an option is not one of those allowed.

        Example:
            >>> import pandas
            >>> import jaxscale
            >>> frame = pandas.DataFrame({"N": [1e6, 1e7], "D": [1e9, 1e9], "ppl": [24.5, 18.2]})
            >>> jaxscale.Runs.from_dataframe(frame, map={"loss": "log(ppl)"}).loss.round(2)
            array([3.2, 2.9])
        """
        given = {name: value for name, value in options.items() if value is not None}
        return _read(cls, table_from_dataframe(frame), Reading(**given))

    def select(self, mask: np.ndarray, reason: str) -> Self:
        """Return the runs where `mask` [n] is true; the others join `dropped` with `reason`.

        Args:
            mask: booleans [n].
            reason: why the others are left out, as messages say it.

        Raises:
            DataError: the mask is not [n] booleans.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> large = runs.select(runs.column("N") > 1e5, "small")
            >>> len(large), len(large.dropped)
            (26, 42)
        """
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.loss.shape:
            raise DataError(
                f"a mask of {len(self)} booleans selects runs, got {mask.dtype} "
                f"of shape {mask.shape}"
            )
        gone = [(int(row), reason) for row in self.rows[~mask]]
        return type(self)(
            loss=self.loss[mask],
            weight=None if self.weight is None else self.weight[mask],
            group=None if self.group is None else self.group[mask],
            rows=self.rows[mask],
            source=self.source,
            dropped=(*self.dropped, *gone),
            warnings=self.warnings,
            names=self.names,
            unread=self.unread,
            called=self.called,
            frame_kind=self.frame_kind,
            **{name: column[mask] for name, column in self.columns.items()},
        )

    def by_group(self) -> dict[str, Runs]:
        """Return the runs of every label of the group, in the order of their first rows.

        Returns:
            Runs by label.

        Raises:
            DataError: the runs have no group, or a label is empty.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> {label: len(part) for label, part in runs.by_group().items()}
            {'rectangle': 18, 'wsd': 9, 'repeat': 6, 'isoflop': 35}
        """
        if self.group is None:
            raise DataError(
                f"{self.source}: no column says which table a run belongs to; name one with "
                "map={'group': 'COLUMN'} (--by COLUMN)"
            )
        labels, first, which = np.unique(self.group, return_index=True, return_inverse=True)
        for k, label in enumerate(labels):
            if str(label).strip() in ("", "nan", "None"):
                raise DataError(
                    f"{self.where(int(first[k]))}, column {self.label('group')}: an empty cell, so "
                    "it is not known which table the run belongs to; fill it in, or select rows "
                    "with where (--where)"
                )
        parts = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
        kept = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        columns = kept.pop("columns")
        found = {}
        for k in np.argsort(first):
            some = parts[k]
            own = {name: column[some] for name, column in columns.items()}
            own |= {"loss": self.loss[some], "rows": self.rows[some], "group": None}
            own["weight"] = None if self.weight is None else self.weight[some]
            found[str(labels[k])] = Runs(**{**kept, **own})
        return found

    def table(self, *, kind: str | None = None) -> Any:
        """Return the runs as a dataframe: row, run and group where there are any, columns, loss.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict" (of NumPy arrays); default the kind of
                frame that the runs came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(runs_columns(self), kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        return runs_blocks(self)

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
    path: str | Path | Sequence[str | Path],
    *,
    map: Mapping[str, str] | None = None,
    where: str | None = None,
    drop_highest: int = 0,
    bad: str = "raise",
    units: str = "plain",
    decimal: str = ".",
    scale: Mapping[str, float] | None = None,
    melt: str | None = None,
    parse: str | Sequence[str] = (),
    **reductions: Unpack[Reduce],
) -> Runs:
    r"""Read runs from CSV, TSV, JSON Lines, JSON, Parquet or a Markdown table, of one file or many.

    Args:
        path: the file, a pattern such as ``"runs/*.csv"``, or several of these, which are one table
            with the file of every row in a column `file`; text may be compressed (.gz, .xz), and
            "-" is standard input.
        map: letter -> name of its column, N, D, C, S, loss, weight or group; for columns that are
            not recognized by their own names. Or what it is worked out from, in the language of
            `where`: {"loss": "log(val_ppl)", "N": "1e6 * `params (M)`"}. A name of a column goes
            before an expression.
        where: an expression, e.g. "loss < 4 and lr == 3e-4"; rows that satisfy it stay.
        drop_highest: leave out that many highest losses.
        bad: "raise", or "drop" rows whose cells are missing, not finite or no numbers.
        units: "plain", or "auto" to read 300M, 32.0K, 11%, 1.2亿, 20,000,000, `**3.36**`, ~2.1,
            2.91 ± 0.02, and the units of headers, "params (M)".
        decimal: decimal mark of CSV numbers.
        scale: letter -> factor by which its column is multiplied, {"N": 1e6}.
        melt: a pattern of the columns that become rows: with "{N}_{D}tok - {metric}", the cells
            of column "30M_2Btok - loss" are losses of runs with N 3e7 and D 2e9. N, D, C and S
            are numbers, another field is text, and {} what nobody needs.
        parse: a pattern of the names of runs, "{N}_{D}tok", or of another column,
            "model={N}-base"; or several. Its fields become columns.
        reductions: last_of, end, best_of, over, average_over, envelope: what makes one row per
            run; see `reading.Reduce`.

    Returns:
        The runs; `dropped` lists every row left out, and why.

    Raises:
        DataError: the file or a cell cannot be read; the message names column and row.
        TypeError: it is a dataframe or arrays.
        ValueError: an option is not one of those allowed.

    Example:
        >>> from pathlib import Path
        >>> import jaxscale
        >>> _ = Path("runs.csv").write_text("params,tokens,val_ppl\n1e6,1e9,24.5\n1e7,1e9,18.2\n")
        >>> runs = jaxscale.read_runs("runs.csv", map={"loss": "log(val_ppl)"})
        >>> runs.column("N"), runs.loss.round(2)
        (array([ 1000000., 10000000.]), array([3.2, 2.9]))
    """
    if isinstance(path, Mapping) or hasattr(path, "columns"):
        raise TypeError(
            f"read_runs reads files, got {type(path).__name__}; a dataframe is taken by "
            "Runs.from_dataframe(frame, map=...), a dict of arrays by Runs.of(arrays)"
        )
    options = Reading(
        map or {}, where, drop_highest, bad, units, scale or {}, melt, parse, **reductions
    )
    return _read(Runs, read_tables(path, decimal), options)


def _read(cls: type[R], table: Table, options: Reading) -> R:
    read = read_table_as_runs(table, options)
    return reduced(cls(**read, frame_kind=table.frame_kind), options)


def _array(name: str, column: Any) -> np.ndarray:
    refuse_tracers(column, "Runs")
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
