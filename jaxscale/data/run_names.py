"""The names of runs: which column has them, what they say of N and D, how messages show them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.data.hints import suggestion
from jaxscale.data.patterns import Pattern
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import count, listing, many, short

COLUMNS = tuple(
    "runname run name experimentname experiment modelname model checkpoint label runid id uid file "
    "模型 模型名称 名称 实验".split()
)
"""Names of columns of names, in lower case without punctuation, best first."""
RUNS = frozenset("runname run name experimentname experiment runid id uid".split())
"""Those that tell runs apart; a model or a label may be one of several runs."""
STEPS = frozenset("step globalstep trainerglobalstep iteration iter".split())
"""Names of columns of how far a run is, in the same spelling."""
AUTO = "auto"
"""For the pattern that messages suggest."""
LONGEST = 32
"""Characters of a name that is shown."""
MOST = 100_000
"""Rows of a table above which names are not kept."""


def column_of_names(table: Table) -> str | None:
    """Return the column with the names of the runs, which is text; None where there is none."""
    by_name: dict[str, str] = {}
    for name in table.columns:
        by_name.setdefault(re.sub(r"[^a-z0-9\u4e00-\u9fff]", "", name.lower()), name)
    for alias in COLUMNS:
        if alias in by_name and _are_names(table.columns[by_name[alias]]):
            return by_name[alias]
    return None


def names_of_rows(table: Table) -> dict[int, str]:
    """Return what to show beside the number of a row: where it is in its file, and its name."""
    if len(table.lines) > MOST:
        return {}
    column = column_of_names(table)
    cells: Sequence[Any] = [None] * len(table.lines) if column is None else table.columns[column]
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    shown = told_apart([text for text in texts if text not in ("", "nan")])
    found: dict[int, str] = {}
    for k, (line, text) in enumerate(zip(table.lines, texts, strict=True)):
        parts = [table.places[k].removeprefix(f"row {line} ")] if table.places else []
        if text in shown and not any(part.startswith(text) for part in parts):
            parts.append(short(shown[text], LONGEST)[1:-1])
        if parts:
            found[line] = ", ".join(parts)
    return found


def checkpoints(table: Table, keep: np.ndarray) -> list[str]:
    """Return a note where rows are stages of fewer runs: names return at ever another step.

    Args:
        table: the table, n rows.
        keep: [n] which rows are read.
    """
    by_name = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in table.columns}
    name = next((by_name[alias] for alias in COLUMNS if alias in RUNS & by_name.keys()), None)
    step = next((by_name[alias] for alias in sorted(STEPS & by_name.keys())), None)
    if name is None or step is None or len(table.lines) > MOST:
        return []
    rows = [
        (str(table.columns[name][k]), str(table.columns[step][k]))
        for k in np.flatnonzero(keep).tolist()
    ]
    known = [(run, at) for run, at in rows if run not in ("", "None", "nan")]
    runs = {run for run, _ in known}
    if len(known) < len(rows) or 2 * len(rows) < 3 * len(runs) or len(set(known)) < len(known):
        return []
    return [
        f"{len(rows)} rows are of {many(len(runs), 'run')} by {name!r}, each at another {step!r}: "
        f"every checkpoint counts as a run of its own; last_of={name!r} (--last-of {name}) keeps "
        "the end of each"
    ]


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """Return names as they are shown: what all of them share is cut where one is too long."""
    if len(set(names)) < 2 or max(map(len, names)) <= LONGEST:
        return {name: name for name in names}
    start = re.sub(r"[^\W_]+\Z", "", os.path.commonprefix(list(names)))
    ends = [name[len(start) :][::-1] for name in names]
    end = re.sub(r"[^\W_]+\Z", "", os.path.commonprefix(ends))
    start, end = (part if len(part) > 3 else "" for part in (start, end))
    found = {}
    for name in names:
        inner = name[len(start) : len(name) - len(end)]
        found[name] = f"{'…' if start else ''}{inner}{'…' if end else ''}"
    return found


def parse_names(table: Table, texts: Sequence[str]) -> Table:
    """Return a table with columns that the names of its runs say.

    Args:
        table: the table.
        texts: patterns `{N}_{D}tok`, or `COLUMN=PATTERN` for another column than that of names;
            "auto" for the pattern that messages suggest. What it reads is in the notes.

    Raises:
        DataError: there is no such column, no name matches, or a column is there already.
        ValueError: it is no pattern.
    """
    for text in texts:
        column, pattern = _column_and_pattern(table, text)
        table = _parsed(table, column, pattern)
    return table


def _column_and_pattern(table: Table, text: str) -> tuple[str, Pattern]:
    head, mark, rest = text.partition("=")
    if mark and head in table.columns:
        return head, Pattern.of(_suggested(table, head, rest), f"--parse {head}=")
    column = column_of_names(table)
    if column is not None:
        text = _suggested(table, column, text)
    pattern = Pattern.of("{N}" if text == AUTO else text, "--parse")
    if column is None:
        raise DataError(
            f"{table.top}: --parse {short(text, 80)}: no column of names is recognized; there are "
            f"{listing([*table.columns])}. Say which: --parse 'COLUMN={text[:60]}'"
        )
    return column, pattern


def _suggested(table: Table, column: str, text: str) -> str:
    """Return the pattern that `auto` stands for: that of the first name with a size in it."""
    if text != AUTO:
        return text
    found = suggestion(str(cell).strip() for cell in table.columns[column])
    if not found:
        raise DataError(
            f"{table.top}: --parse auto: no size is recognized in the names of column "
            f"{short(column)}, such as {short(table.columns[column][0])}; write a pattern, e.g. "
            "--parse 'd{depth}' --column 'N=12*depth*(64*depth)**2'"
        )
    return found


def _parsed(table: Table, column: str, pattern: Pattern) -> Table:
    for field in filter(None, pattern.fields):
        if field in table.columns:
            raise DataError(
                f"{table.top}: --parse {short(pattern.text, 80)} makes a column {short(field)}, "
                "and there is one already; call the field otherwise, or leave the option out"
            )
    said = [pattern.match(str(cell).strip()) for cell in table.columns[column]]
    other = [row for row, found in enumerate(said) if found is None]
    notes = list(table.notes)
    if other:
        first = f"{table.where(other[0])}, {short(table.columns[column][other[0]], 60)}"
        if len(other) == len(said):
            raise DataError(
                f"{table.source}: --parse {short(pattern.text, 80)} matches no name in column "
                f"{short(column)} ({first}). K, M, B or T after a number belongs to it, and the "
                "whole name is matched: {} stands for what nobody needs"
            )
        notes.append(
            f"--parse {short(pattern.text, 80)} does not match {many(len(other), 'name')} of "
            f"{len(said)} in column {short(column)} ({first})"
        )
    row = next(k for k, found in enumerate(said) if found is not None)
    read = ", ".join(
        f"{field} {count(value) if isinstance(value, float) else value}"
        for field, value in (said[row] or {}).items()
    )
    notes.append(
        f"column {short(column)} by {short(pattern.text, 80)}: "
        f"{short(table.columns[column][row], 60)} says {read}; "
        f"{many(len(said) - len(other), 'name')} of {len(said):,} read so"
    )
    added: dict[str, Sequence[Any]] = {
        field: [None if found is None else found[field] for found in said]
        for field in pattern.fields
        if field
    }
    return dataclasses.replace(table, columns={**table.columns, **added}, notes=tuple(notes))


def _are_names(cells: Sequence[Any]) -> bool:
    """Return whether cells are text, and not the same one in many rows."""
    if isinstance(cells, np.ndarray) or (len(cells) > 2 and len({*map(str, cells)}) == 1):
        return False
    for cell in cells:
        try:
            float(cell)
        except (TypeError, ValueError):
            if isinstance(cell, str) and cell.strip():
                return True
    return False
