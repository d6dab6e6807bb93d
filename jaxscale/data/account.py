"""What a table of runs says of itself: its columns with their ranges, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.data.cells import left_out
from jaxscale.data.headers import unit_for
from jaxscale.shown.blocks import Block, Grid, Note
from jaxscale.text import count, listing, many, one_line, quantity, short

COUNTED = ("N", "D", "C")
FLOPS = "6 N D"
"""What is shown of compute where it is no column: the next question is of a multiple of it."""
MOST, WIDTH = 6, 32
"""Columns that a line names, and characters of each."""


def runs_blocks(runs: Any) -> list[Block]:
    """Return the columns of runs with their ranges, and the notes on them."""
    rows = [["column", "from", "to", "different", "read from"]]
    numbers = dict(runs.columns)
    if {"N", "D"} <= numbers.keys() and "C" not in numbers and _in_full(runs):
        numbers[FLOPS] = 6 * numbers["N"] * numbers["D"]
    numbers["loss"] = runs.loss
    numbers |= {} if runs.weight is None else {"weight": runs.weight}
    for name, column in numbers.items():
        known = column[np.isfinite(column)]
        shown = count if name in (*COUNTED, FLOPS) else quantity
        ends = [shown(known.min()), shown(known.max())] if known.size else ["", ""]
        rows.append([name, *ends, f"{len(np.unique(known)):,}", _source(runs, name)])
    labels = [] if runs.group is None else [str(x) for x in dict.fromkeys(runs.group.tolist())]
    if labels:
        rows.append(["group", "", "", f"{len(labels):,}", _source(runs, "group")])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    told = [*_unread(runs), *runs.warnings, *left_out(runs.dropped, called=runs.called)]
    return [
        one_line(f"{many(len(runs), 'run')} from {runs.source}"),
        Grid(rows, "<>>><"[: len(rows[0])], muted=(4,)),
        *([one_line(f"groups: {listing(labels)}")] if labels else []),
        *map(Note, told),
    ]


def _unread(runs: Any) -> list[str]:
    """Say which letters were not read, and why the first was not: its reason names the others'."""
    reason = next(iter(runs.unread.values()), "")
    return [f"not read as numbers: {', '.join(runs.unread)} ({reason})"] if reason else []


def _in_full(runs: Any) -> bool:
    """Return whether no header has a unit of N or D that was not applied."""
    return all(unit_for(name, runs.names.get(name, name)).factor == 1 for name in ("N", "D"))


def read_from(runs: Any, names: Sequence[str]) -> list[str]:
    """Return a line on which columns of the source are these; none where they are called so.

    Args:
        runs: the runs.
        names: of columns here, and "loss".
    """
    called = [(name, _source(runs, name)) for name in names]
    said = [f"{name} from {short(source, WIDTH)[1:-1]}" for name, source in called if source]
    more = f" and {len(said) - MOST} more" if len(said) > MOST else ""
    return [one_line(", ".join(said[:MOST]) + more)] if said else []


def _source(runs: Any, name: str) -> str:
    called = runs.names.get(name, name)
    return "" if called == name else str(called)


def runs_columns(runs: Any) -> dict[str, Any]:
    """Return the columns of a dataframe of the runs."""
    found: dict[str, Any] = {"row": runs.rows}
    if runs.called:
        found["run"] = [runs.called.get(int(row), "") for row in runs.rows]
    if runs.group is not None:
        found["group"] = runs.group
    found |= {**runs.columns, "loss": runs.loss}
    return found if runs.weight is None else {**found, "weight": runs.weight}
