"""Wide tables to one row per run: what columns are called becomes cells.

Charts that Weights & Biases exports have a column `RUN - METRIC` per run; pivot tables have a
column per size. `--melt` says by a pattern which columns those are and what their names say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.data.cells import MISSING
from jaxscale.data.csv_text import require_cells
from jaxscale.data.patterns import Pattern
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, many, short

BOUNDS = ("__MIN", "__MAX")
METRIC = "metric"
"""The field of a pattern that says what the cells of its column are."""
LOSS = "loss"
"""What they are where no field says it."""


def chart_of(table: Table) -> dict[str, dict[str, str]]:
    """Return metric -> column by run for a chart that W&B exported, else nothing.

    Its columns are `Step` and `RUN - METRIC`, each of these with `__MIN` and `__MAX`.
    """
    names = [name for name in table.columns if not name.endswith(BOUNDS)]
    of_runs = [name for name in names if " - " in name]
    bounded = any(name + bound in table.columns for name in of_runs for bound in BOUNDS)
    if not of_runs or not (bounded or len(of_runs) >= len(names) - 1):
        return {}
    chart: dict[str, dict[str, str]] = {}
    for name in of_runs:
        run, _, metric = name.rpartition(" - ")
        chart.setdefault(run.strip(), {})[metric.strip()] = name
    return chart


def melt(table: Table, text: str) -> Table:
    """Return a table with a row for every cell of the columns whose names match a pattern.

    Args:
        table: the table.
        text: the pattern, `{N}_{D}step - {metric}`. Its fields become columns; what `{metric}`
            stands for is the column of the cell, which is `loss` where the pattern has no such
            field. Columns that do not match stay, and are repeated. Empty cells are no rows.

    Raises:
        DataError: no column matches, or a name is there already.
        ValueError: it is no pattern.
    """
    pattern = Pattern.of(text, "--melt")
    found = {name: pattern.match(name) for name in table.columns if not name.endswith(BOUNDS)}
    wide = {name: said for name, said in found.items() if said is not None}
    if not wide:
        raise DataError(
            f"{table.top}: --melt {short(text, 80)} matches the name of no column; there are "
            f"{listing([*found], 4)}. K, M, B or T after a number belongs to it"
        )
    stay = [name for name in found if name not in wide]
    fields = [field for field in pattern.fields if field and field != METRIC]
    metrics = list(dict.fromkeys(str(said.get(METRIC, LOSS)) for said in wide.values()))
    for name in stay:
        if name in (*fields, *metrics):
            raise DataError(
                f"{table.top}: --melt {short(text, 80)} makes a column {short(name)}, and there is "
                "one already; call the field or the column otherwise"
            )
    groups: dict[tuple[Any, ...], dict[str, str]] = {}
    for name, said in wide.items():
        key = tuple(said[field] for field in fields)
        columns = groups.setdefault(key, {})
        metric = str(said.get(METRIC, LOSS))
        if metric in columns:
            raise DataError(
                f"{table.top}: to --melt {short(text, 80)}, columns {short(columns[metric])} and "
                f"{short(name)} say the same; make the pattern tell them apart"
            )
        columns[metric] = name
    require_cells(len(groups) * len(table.lines) * len(found), len(found), table.source)
    return _long(table, groups, stay, fields, metrics)


def _long(
    table: Table,
    groups: dict[tuple[Any, ...], dict[str, str]],
    stay: Sequence[str],
    fields: Sequence[str],
    metrics: Sequence[str],
) -> Table:
    rows = [
        (row, key)
        for row in range(len(table.lines))
        for key, columns in groups.items()
        if any(_is_filled(table.columns[name][row]) for name in columns.values())
    ]
    if not rows:
        raise DataError(f"{table.source}: --melt: the columns that match are empty")
    columns: dict[str, Sequence[Any]] = {
        name: [table.columns[name][row] for row, _ in rows] for name in stay
    }
    for k, field in enumerate(fields):
        columns[field] = [key[k] for _, key in rows]
    for metric in metrics:
        names = {key: columns_.get(metric) for key, columns_ in groups.items()}
        columns[metric] = [
            None if (name := names[key]) is None else table.columns[name][row] for row, key in rows
        ]
    places = tuple(
        f"{table.where(row)} column {short(next(iter(groups[key].values())))}" for row, key in rows
    )
    lines = [table.lines[row] for row, _ in rows]
    if len(set(lines)) < len(lines):
        lines = list(range(1, len(rows) + 1))
    empty = len(groups) * len(table.lines) - len(rows)
    note = (
        f"--melt: {many(sum(map(len, groups.values())), 'column')} of "
        f"{many(len(table.lines), 'row')} became {many(len(rows), 'row')}"
        + (f"; {many(empty, 'place')} without a number left out" if empty else "")
    )
    return dataclasses.replace(
        table, columns=columns, lines=lines, notes=(*table.notes, note), hint="", places=places
    )


def _is_filled(cell: Any) -> bool:
    if isinstance(cell, float | np.floating):
        return not np.isnan(cell)
    return cell is not None and str(cell).strip().lower() not in MISSING
