"""What the columns of a raw table mean: the letter of each by its name, its cells as numbers.

Every refusal names column and row, in the numbering of the table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale.data.csv_text import DECIMAL_COMMA
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, short

_NAMES = {
    "N": "n params nparams numparams parameters numparameters nparameters parametercount "
    "paramcount modelsize size modelparams totalparams",
    "D": "d tokens ntokens numtokens trainingtokens traintokens totaltokens datasetsize "
    "tokenstrained throughputtotaltokens",
    "C": "c flops flop compute trainingflop trainingflops trainflops totalflops computebudget",
    "S": "s scale steps smin",
    "loss": "loss valloss validationloss evalloss testloss finalloss l crossentropy "
    "crossentropyloss celoss",
    "weight": "weight weights",
    "group": "group",
}
ALIASES: dict[str, tuple[str, ...]] = {k: tuple(v.split()) for k, v in _NAMES.items()}
"""Names that people use, in lower case without punctuation, by the letter they mean."""

RESERVED = ("self", "rows", "source", "dropped", "warnings", "names", "group")
"""Keywords of `Runs` that no column of numbers can be called."""

_NEAR = {
    "weight": "weights sampleweight sampleweights sigma sigmas std stds stdev stddev stderr "
    "standarderror standarddeviation error errors err yerr uncertainty variance",
    "group": "groups",
}
NEAR_MISSES: dict[str, str] = {word: k for k, words in _NEAR.items() for word in words.split()}
"""Names by which other packages call what is a weight or a group here."""

IN_TABLE = "call the column so in the table"

SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "%": 1e-2}
SUFFIXED = re.compile(r"([+-]?\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)\s*([kKmMbBgGtT%])")
MISSING = ("", "na", "n/a", "<na>", "nan", "null", "none")


def number(cell: Any, units: str) -> float:
    """Return a cell as a float; NaN where empty. Raises ValueError where it is no number."""
    if cell is None:
        return np.nan
    if isinstance(cell, bool | np.bool_ | complex | dict | list):
        raise ValueError(f"a {type(cell).__name__} is no number")
    if isinstance(cell, int | float | np.number):
        try:
            return float(cell)
        except OverflowError:  # an integer beyond float64, as the text of it would be
            return np.inf if cell > 0 else -np.inf
    text = str(cell).strip()
    if text.lower() in MISSING:
        return np.nan
    match = SUFFIXED.fullmatch(text) if units == "auto" and len(text) < 64 else None
    if match:
        return float(match[1]) * SUFFIX[match[2].lower()]
    if "_" in text and units != "auto":
        raise ValueError("an underscore in a number")
    return float(text)


def canonical(name: str) -> str:
    """Return a name in lower case without punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _closest(wanted: str, table: Table) -> str:
    near = difflib.get_close_matches(wanted, list(table.columns), n=3, cutoff=0.5)
    return listing([*near, *(name for name in table.columns if name not in near)])


def missing_loss(table: Table) -> DataError:
    """Return the error of a table without a loss."""
    numbers = [name for name in table.columns if _is_number(name)]
    lost = " (is the header line missing?)" if len(numbers) == len(table.columns) else ""
    return DataError(
        f"{table.top}: no column 'loss'; the table has {_closest('loss', table)}{lost}. Name it "
        "with map={'loss': 'COLUMN'} (--column loss=COLUMN)"
    )


def refuse_near_miss(name: str, given: str, otherwise: str) -> None:
    """Raise for a name that somebody gives for `weight` or `group`: it would be without effect.

    Args:
        name: what a column would be called.
        given: how it was given, for the message.
        otherwise: how to give it as a column nevertheless.

    Raises:
        DataError: it is such a name.
    """
    meant = NEAR_MISSES.get(canonical(name))
    if meant is None:
        return
    how = "how far each counts, e.g. 1 / variance" if meant == "weight" else "labels"
    raise DataError(
        f"{given} is without effect; did you mean {meant} ({how})? If a law of your own takes "
        f"{name!r}, {otherwise}"
    )


def check_map(given: Mapping[str, str], used: Sequence[str], where: str | None = None) -> None:
    """Raise for a column that is given a name which nothing uses.

    Args:
        given: letter -> column.
        used: names that the laws take, or the other options name.
        where: rows to keep, where letters may stand as well.

    Raises:
        DataError: a name is none of them; the message names the nearest.
    """
    known = list(dict.fromkeys([*ALIASES, *used]))
    for letter, name in given.items():
        if letter in known or re.search(rf"(?<!\w){re.escape(letter)}(?!\w)", where or ""):
            continue
        refuse_near_miss(letter, f"--column {letter}={name}", IN_TABLE)
        meant = [k for k, words in ALIASES.items() if canonical(letter) in words]
        near = meant or difflib.get_close_matches(letter, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(
            f"--column {letter}={name}: nothing uses a column called {letter!r}; {hint}there are "
            f"{', '.join(known)}"
        )


def recognize(table: Table, given: Mapping[str, str]) -> dict[str, str]:
    """Return the column of each letter; a column that `given` names is not taken for another."""
    for letter, name in given.items():
        if letter in RESERVED and letter != "group":
            raise DataError(f"--column {letter}={name}: {letter!r} is a reserved name")
        refuse_near_miss(letter, f"--column {letter}={name}", IN_TABLE)
        if name not in table.columns:
            raise DataError(
                f"{table.top}: --column {letter}={name}: no column {short(name)}; the table has "
                f"{_closest(name, table)}"
            )
    names = dict(given)
    free = [name for name in table.columns if name not in set(given.values())]
    for letter, aliases in ALIASES.items():
        if letter in names:
            continue
        found = [letter] if letter in free else [c for c in free if canonical(c) in aliases]
        best = [c for c in found if canonical(c) == canonical(letter)]
        found = best or found
        if len(found) > 1:
            raise DataError(
                f"{table.top}: columns {listing(found)} could all be {letter}; choose with "
                f"map={{{letter!r}: {short(found[0])}}} (--column {letter}={found[0][:40]})"
            )
        if found:
            names[letter] = found[0]
    return names


def _is_number(cell: Any) -> bool:
    try:
        return bool(np.isfinite(number(cell, "plain")))
    except ValueError:
        return False


def numeric(table: Table, name: str, keep: np.ndarray, units: str) -> np.ndarray:
    """Return a column [n] as floats; rows that are not kept may hold anything.

    Args:
        table: the table, n rows.
        name: the column.
        keep: [n] bool, rows to read; the others are NaN.
        units: "plain", or "auto" for 300M and the like.

    Raises:
        DataError: a cell that is kept is no number.
    """
    values = np.full(len(keep), np.nan)
    cells = table.columns[name]
    if isinstance(cells, np.ndarray):
        values[keep] = cells[keep]
        return values
    for row in np.flatnonzero(keep).tolist():
        try:
            values[row] = number(cells[row], units)
        except ValueError as error:
            text, hint = str(cells[row]).strip()[:64], ""
            if SUFFIXED.fullmatch(text) or "_" in text:
                hint = "; read 300M, 1.2B or 1_000 with units='auto' (--units auto)"
            elif DECIMAL_COMMA.fullmatch(text):
                hint = "; if that is a decimal comma, say decimal=',' (--decimal ,)"
            elif re.fullmatch(r"[\d,]+\.?\d*", text):
                hint = "; leave out the commas between thousands"
            raise DataError(
                f"{table.source}, {table.where(row)}, column {short(name)}: expected a number, "
                f"got {short(cells[row])}{hint}"
            ) from error
    return values


def others(
    table: Table, names: Mapping[str, str], keep: np.ndarray, units: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns of numbers that stand for no letter, and notes on those left out.

    Args:
        table: the table, n rows.
        names: the column of every letter.
        keep: [n] bool, rows to read; the others are NaN.
        units: as in `numeric`.

    Returns:
        Columns [n] by their names, and sentences.
    """
    found: dict[str, np.ndarray] = {}
    notes = []
    for name in table.columns:
        if name in names.values() or name in names:
            continue
        try:
            values = numeric(table, name, keep, units)
        except DataError:
            continue  # a column of text
        if not np.isfinite(values).any():
            continue
        if name in RESERVED:
            notes.append(f"column {name!r} is not carried along: jaxscale uses that name itself")
        else:
            found[name] = values
    return found, notes


def labels(cells: Sequence[Any], keep: np.ndarray) -> np.ndarray:
    """Return a column of labels as text, or as numbers where the source has types."""
    if isinstance(cells, np.ndarray):
        return cells[keep]
    text: np.ndarray = np.array(["" if cell is None else str(cell) for cell in cells])[keep]
    return text


def for_where(table: Table, names: Mapping[str, str], units: str) -> dict[str, np.ndarray]:
    """Return arrays [n] by column and by letter; a letter goes before a column of the same name.

    Args:
        table: the table, n rows.
        names: the column of every letter.
        units: as in `numeric`.
    """
    columns: dict[str, np.ndarray] = {}
    for name, cells in table.columns.items():
        if all(isinstance(cell, bool | np.bool_) for cell in cells):
            columns[name] = np.array(cells, bool)
            continue
        try:
            columns[name] = np.array([number(cell, units) for cell in cells])
        except ValueError:
            blank = [cell is None or cell != cell for cell in cells]
            columns[name] = np.array(
                ["" if b else str(cell) for b, cell in zip(blank, cells, strict=True)]
            )
    return columns | {letter: columns[name] for letter, name in names.items()}
