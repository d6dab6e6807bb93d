"""From a raw table to the columns of runs: which are read, as what, and which rows are left out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import numpy as np

from jaxscale.data.cells import first_reasons, has_comma, readable, reason, unread
from jaxscale.data.columns import (
    canonical,
    cells_of,
    for_where,
    labels,
    missing_loss,
    others,
    recognize,
)
from jaxscale.data.expressions import keep_rows, names_in, worked_out
from jaxscale.data.groups import coded, listed, numbered
from jaxscale.data.headers import COUNTED, made_of, power_of_ten, unit_for
from jaxscale.data.loss_curves import ALIASES, filled
from jaxscale.data.melt import melt
from jaxscale.data.named_columns import TEXT
from jaxscale.data.reductions import Reductions
from jaxscale.data.run_ends import end_of, unfinished
from jaxscale.data.run_names import checkpoints, names_of_rows, parse_names
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, many, short

R = TypeVar("R", bound=Reductions)


class Reduce(TypedDict, total=False):
    """What makes one row per run of a table, in this order; see `Runs` for each.

    Attributes:
        last_of: columns, "run": of the rows that are alike in them the last is kept.
        end: its loss, "last", "median:5" of the last five, or "ema:0.9"; see `Runs.last_of`.
        best_of: columns, "N,D": of the rows alike in them, the lowest loss; see `Runs.best_of`.
        over: columns that were tuned, "lr": the optimum of a parabola in their logarithms instead.
            Its place may be the response, map={"loss": "lr_opt"}.
        average_over: columns, "seed": rows that differ in them only are averaged; see
            `Runs.average`.
        envelope: a column, "C": what no row of no more of it beats; see `Runs.envelope`.
    """

    last_of: str | Sequence[str] | None
    end: str
    best_of: str | Sequence[str] | None
    over: str | Sequence[str] | None
    average_over: str | Sequence[str] | None
    envelope: str | None


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a table becomes runs; see `read_runs`."""

    map: Mapping[str, str] = dataclasses.field(default_factory=dict)
    where: str | None = None
    drop_highest: int = 0
    bad: str = "raise"
    units: str = "plain"
    scale: Mapping[str, float] = dataclasses.field(default_factory=dict)
    melt: str | None = None
    parse: str | Sequence[str] = ()
    last_of: str | Sequence[str] | None = None
    end: str = "last"
    best_of: str | Sequence[str] | None = None
    over: str | Sequence[str] | None = None
    average_over: str | Sequence[str] | None = None
    envelope: str | None = None

    def __post_init__(self) -> None:
        end_of(self.end)
        for name in ("last_of", "best_of", "over", "average_over", "envelope"):
            given = getattr(self, name)
            if given is not None and not listed(given):
                raise ValueError(f"{name} (--{name.replace('_', '-')}): expected columns, e.g. N,D")
        if self.end != "last" and not self.last_of:
            raise ValueError(f"end={self.end!r} (--end) goes with last_of (--last-of COLUMN)")
        if self.over and not self.best_of:
            raise ValueError(f"over={self.over!r} (--over) goes with best_of (--best-of N,D)")
        if self.bad not in ("raise", "drop"):
            raise ValueError(f"bad must be 'raise' or 'drop', got {self.bad!r}")
        if self.units not in ("plain", "auto"):
            raise ValueError(f"units must be 'plain' or 'auto', got {self.units!r}")
        if self.drop_highest != int(self.drop_highest) or self.drop_highest < 0:
            raise ValueError(f"drop_highest must be a whole number >= 0, got {self.drop_highest!r}")
        for letter, factor in self.scale.items():
            if not (factor > 0 and math.isfinite(factor)):
                raise ValueError(f"scale of {letter} must be positive and finite, got {factor!r}")

    @property
    def response(self) -> str | None:
        """What is asked for as the loss that `over` makes, `lr_opt`; None where nothing is."""
        wanted = self.map.get("loss")
        return wanted if wanted in [f"{name}_opt" for name in listed(self.over)] else None

    @property
    def grouped(self) -> list[str]:
        """The columns that tell which rows are reduced to one."""
        return [n for each in (self.last_of, self.best_of, self.average_over) for n in listed(each)]


@dataclasses.dataclass
class _Column:
    """One letter as it was read.

    Attributes:
        values: [n] floats, NaN where there is no number.
        bad: by row, the column whose cell is no number.
        label: how its source calls it, or what it was worked out from.
        counts: whether it counts things.
    """

    values: np.ndarray
    bad: dict[int, str]
    label: str
    counts: bool


class _Reader:
    """A table on its way to runs."""

    def __init__(self, table: Table, options: Reading) -> None:
        self.table, self.options = table, options
        self.names, self.notes = recognize(table, options.map)
        if "loss" not in self.names:
            raise missing_loss(table)
        for letter in options.scale:
            if letter not in self.names or letter == "group":
                raise DataError(
                    f"{table.top}: --scale {letter}={options.scale[letter]:g}: no column is read "
                    f"as {letter}; there are {listing([n for n in self.names if n != 'group'])}"
                )
        self.keep = np.ones(len(table.lines), bool)
        self.dropped: list[tuple[int, str]] = []
        self.given = {"loss", "weight", *("weight" if k == "weights" else k for k in options.map)}

    def drop(self, mask: np.ndarray, why: str) -> None:
        """Leave out rows [n]."""
        rows = np.flatnonzero(self.keep & mask).tolist()
        self.dropped.extend((self.table.lines[k], why) for k in rows)
        self.keep[mask] = False

    def read(self, letter: str, keep: np.ndarray) -> _Column:
        """Return a letter in the rows [n] that are kept."""
        table, text = self.table, self.names[letter]
        scale, counts = self.options.scale.get(letter), letter in COUNTED
        if text in table.columns:
            factor = scale or self.unit(letter, text)
            values, rows = cells_of(
                table, text, keep, self.options.units, factor=factor, counts=counts
            )
            label = text if factor == 1 and scale is None else made_of(text, factor)
            return _Column(values, dict.fromkeys(rows, text), label, counts)
        columns: dict[str, np.ndarray] = {}
        bad: dict[int, str] = {}
        for name in names_in(text) or ():
            column = name if name in table.columns else self.names.get(name, "")
            if column in table.columns:
                columns[name], rows = cells_of(table, column, keep, self.options.units, counts=True)
                bad.update(dict.fromkeys(rows, column))
        for name in table.columns:  # which a message may name
            columns.setdefault(name, np.full(len(keep), np.nan))
        values = np.array(worked_out(text, columns, f"{table.top}: --column {letter}"))
        values = values if scale is None else scale * values
        return _Column(
            values, bad, text if scale is None else f"{power_of_ten(scale)}*({text})", counts
        )

    def unit(self, letter: str, text: str) -> float:
        """Return the unit in the header of a letter's column, where it is to be applied."""
        return unit_for(letter, text).factor if self.options.units == "auto" else 1.0

    def where(self) -> None:
        """Leave out the rows that are not asked for."""
        where = self.options.where
        if where is None:
            return
        columns = for_where(self.table, self.options.units)
        for letter, text in self.names.items():
            if text in columns and self.read_as_is(letter, text):
                columns[letter] = columns[text]
            else:
                columns[letter] = self.read(letter, np.ones(len(self.keep), bool)).values
        self.drop(~keep_rows(where, columns), f"not where {where}")

    def read_as_is(self, letter: str, text: str) -> bool:
        """Whether a letter is just a column."""
        return letter not in self.options.scale and self.unit(letter, text) == 1

    def letters(self) -> tuple[dict[str, _Column], dict[str, str]]:
        """Return the letters that are numbers, and why the others are none."""
        good: dict[str, _Column] = {}
        bad: dict[str, _Column] = {}
        for letter in self.names:
            if letter == "group":
                continue
            column = self.read(letter, self.keep)
            some = np.isfinite(column.values[self.keep]).any()
            if not column.bad or (self.options.bad == "drop" and (some or letter in self.given)):
                good[letter] = column
                continue
            bad[letter] = column
            if some and letter not in self.given:
                row, name = next(iter(column.bad.items()))
                self.notes.append(
                    f"column {short(name)} is not read as {letter}: {many(len(column.bad), 'cell')}"
                    f" of it hold no number ({self.table.where(row)} "
                    f"{short(self.table.columns[name][row], 16)})"
                )
        said = {letter: self.unread(column, bad) for letter, column in bad.items()}
        for letter in said.keys() & self.given:
            raise DataError(said[letter])
        return good, said

    def unread(self, column: _Column, all_bad: Mapping[str, _Column]) -> str:
        """Return what to say of a column whose cells are no numbers, and of others like it."""
        name = next(iter(column.bad.values()))
        rows = [row for row, where in column.bad.items() if where == name]
        drop = self.options.bad == "raise" and bool(np.isfinite(column.values[self.keep]).any())
        said = unread(self.table, name, rows, self.options.units, column.counts, drop=drop)
        others = [f"{short(next(iter(c.bad.values())), 24)} ({many(len(c.bad), 'cell')})"
                  for c in all_bad.values() if c is not column]  # fmt: skip
        return f"{said}. Likewise: {', '.join(others)}" if others else said

    def drop_bad(self, columns: Mapping[str, _Column]) -> None:
        """Leave out rows whose cells are no numbers, or are missing."""
        units, could, commas = self.options.units, 0, 0
        for letter, column in columns.items():
            for row, name in column.bad.items():
                cell = self.table.columns[name][row]
                commas += bool(self.keep[row]) and has_comma(cell)
                could += bool(self.keep[row]) and units != "auto" and readable(cell, column.counts)
                if self.keep[row]:
                    self.dropped.append((self.table.lines[row], reason(letter, cell)))
                    self.keep[row] = False
            if letter != "loss" or not self.options.last_of:  # how a run ends is looked at first
                self.drop(~np.isfinite(column.values), f"{letter} is missing or not finite")
        if commas:
            rows = "row left out has" if commas == 1 else "rows left out have"
            self.notes.append(
                f"{commas} {rows} a decimal comma, as it looks: decimal=',' (--decimal ,) reads it"
            )
        if could:
            rows = "row left out is" if could == 1 else "rows left out are"
            self.notes.append(f"{could} {rows} read with units='auto' (--units auto)")

    def drop_unlogged(self, columns: Mapping[str, _Column]) -> None:
        """Leave out the rows of a log that have no loss; a loss that is nan was logged."""
        cells = self.table.columns.get(self.names["loss"])
        logged = ~np.isnan(columns["loss"].values) if cells is None else filled(cells)
        late = self.unfinished(columns, logged & self.keep)
        if len(late):
            where = ", ".join(self.table.where(row) for row in late[:5].tolist())
            self.notes.append(
                f"{many(len(late), 'run')} of which no loss was logged at the end: an earlier one "
                f"stands for it ({where}{', ...' * (len(late) > 5)})"
            )
        self.drop(~logged, "no loss was logged")

    def unfinished(self, columns: Mapping[str, _Column], logged: np.ndarray) -> np.ndarray:
        """Return the rows of losses that stand for the ends of runs without one; see `run_ends`."""
        table, last_of = self.table, listed(self.options.last_of)
        names = [self.names.get(name, name) for name in last_of]
        if any(name not in table.columns for name in names):
            return np.zeros(0, int)
        steps = [name for name in table.columns if canonical(name) in ALIASES["step"]]
        if steps:
            progress = cells_of(table, steps[0], self.keep, self.options.units)[0]
        else:
            found = [columns[letter].values for letter in "SDC" if letter in columns]
            progress = found[0] if found else np.full(len(logged), np.nan)
        progress = np.where(self.keep, progress, np.nan)
        return unfinished(numbered([coded(table.columns[n]) for n in names]), progress, logged)


def read_table_as_runs(table: Table, options: Reading) -> dict[str, Any]:
    """Return what `Runs(...)` takes.

    Raises:
        DataError: a column is missing, or a cell that is needed cannot be read.
    """
    if options.melt is not None:
        table = melt(table, options.melt)
    table = parse_names(table, [options.parse] if isinstance(options.parse, str) else options.parse)
    if options.response is not None and options.response not in table.columns:
        options = dataclasses.replace(
            options, map={k: v for k, v in options.map.items() if k != "loss"}
        )
    reader = _Reader(table, options)
    reader.where()
    columns, unread_ = reader.letters()
    if options.last_of:
        reader.drop_unlogged(columns)
    if options.bad == "drop":
        reader.drop_bad(columns)
    keep, names = reader.keep, reader.names
    if not keep.any():
        reasons = "; ".join([*reader.notes, *first_reasons(reader.dropped)])
        raise DataError(f"{table.source}: no rows are left of {len(keep)} ({reasons[:240]})")
    extra, notes = others(table, names, keep, options.units)
    extra |= coded_labels(
        table, [*extra, *(names[k] for k in (*columns, "group") if k in names)], options
    )
    if not (options.last_of or options.best_of or options.average_over or options.envelope):
        notes = [*notes, *checkpoints(table, keep)]
    called = {letter: column.label for letter, column in columns.items()}
    called |= {"group": names["group"]} if "group" in names else {}
    return {
        "group": labels(table.columns[names["group"]], keep) if "group" in names else None,
        "rows": np.array(table.lines)[keep],
        "source": table.source,
        "dropped": reader.dropped,
        "warnings": (*table.notes, *reader.notes, *notes),
        "names": {**called, **{name: name for name in extra if not name.startswith(TEXT)}},
        "unread": unread_,
        "called": names_of_rows(table),
        **{letter: column.values[keep] for letter, column in columns.items()},
        **{name: values[keep] for name, values in extra.items()},
    }


def coded_labels(table: Table, taken: Sequence[str], options: Reading) -> dict[str, np.ndarray]:
    """Return the labels [n] that rows are reduced by, coded as numbers.

    Args:
        table: the table.
        taken: columns that are there as numbers, or as the group.
        options: where seeds are averaged, every column of labels tells which rows are alike, and
            where the best is kept, which are of one family.
    """
    every = options.average_over or options.best_of or options.envelope
    wanted = list(table.columns) if every else options.grouped
    return {
        TEXT + name: coded(table.columns[name])
        for name in wanted
        if name in table.columns and name not in taken
    }


def reduced(runs: R, options: Reading) -> R:
    """Return runs with one row for what is asked for, in the order that `reductions` states.

    Args:
        runs: as they were read.
        options: how.

    Raises:
        DataError: a column is missing, or no rows are left.
    """
    count = len(runs.loss)
    if options.bad == "drop":
        runs = runs.without_blanks([*options.grouped, *listed(options.over)])
    if options.last_of:
        runs = runs.last_of(*listed(options.last_of), end=options.end)
    if options.best_of:
        of = options.response
        of = "loss" if of is None or runs.names.get("loss") == of else of
        runs = runs.best_of(*listed(options.best_of), over=listed(options.over), of=of)
    if options.average_over:
        over = listed(options.average_over)
        alike = [name for name in listed(options.best_of) if name not in over]
        runs = runs.average(over, alike)
    if options.envelope:
        runs = runs.envelope(options.envelope)
    runs = runs.without_labels()
    most = options.drop_highest
    if not most:
        return runs
    loss = np.where(np.isnan(runs.loss), -np.inf, runs.loss)
    highest = np.argsort(-loss, kind="stable")[: min(most, int((loss > -np.inf).sum()))]
    why = f"among the {most} highest losses"
    if len(highest) == len(loss):
        raise DataError(f"{runs.source}: no rows are left of {count} ({why})")
    return runs.select(~np.isin(np.arange(len(loss)), highest), why)
