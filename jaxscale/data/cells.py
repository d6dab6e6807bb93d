"""The cells of a table as people write them: a number, none yet, or no number at all.

Plain reading takes what `float` takes. On request, units="auto", it also takes what stands in
reports and spreadsheets: 300M, 1.2亿, 11%, 1_000, 110,678,115, **3.364**, ~2.10, 2.91 ± 0.02.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxscale.data.csv_text import DECIMAL_COMMA
from jaxscale.data.table import Table
from jaxscale.text import many, short

SUFFIX = {
    **{"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "%": 1e-2},
    **{"千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "十亿": 1e9},
    **{"百亿": 1e10, "千亿": 1e11, "万亿": 1e12},
}
"""Factor by what may follow a number, in either case: B is a billion and never bytes, M a million
and never a thousandth."""
_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SUFFIXED = re.compile(rf"({_NUMBER})\s*([kKmMbBgGtT%]|[十百千万]?[千万亿])")
POWER = re.compile(r"(?:([+-]?\d+\.?\d*)\s*[x×·*]\s*)?10\s*(?:\^|\*\*)\s*([+-]?\d+)")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:(,\d{3})+|([ \u00a0\u2009\u202f'’]\d{3})+)(\.\d+)?")
AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""3,605: three thousand or three and a half, as the writer has it."""
PLUS_MINUS = re.compile(r"(.+?)\s*(?:±|\+/-|\+-)\s*(.+)")
BOLD = re.compile(r"(\*{1,3}|__|`)(.+)\1")
NAMELESS: Mapping[int, str] = MappingProxyType({})
MISSING = ("", "na", "n/a", "<na>", "nan", "null", "none")
LONGEST = 64
"""Characters of a cell that is looked at for more than a plain number."""


def number(cell: Any, units: str, counts: bool = False) -> float:
    """Return a cell as a float; NaN where empty.

    Args:
        cell: the cell; text, or a value of a source that has types.
        units: "plain", or "auto" for what this module says.
        counts: whether the column counts things, so that 1,024 cannot be a decimal comma.

    Raises:
        ValueError: it is no number.
    """
    return read_cell(cell, units, counts)[0]


def read_cell(cell: Any, units: str, counts: bool = False) -> tuple[float, bool]:
    """Return a cell as a float, and whether it has a unit of its own.

    Args:
        cell: as in `number`.
        units: as in `number`.
        counts: as in `number`.

    Raises:
        ValueError: it is no number.
    """
    if cell is None:
        return np.nan, False
    if isinstance(cell, bool | np.bool_ | complex | dict | list):
        raise ValueError(f"a {type(cell).__name__} is no number")
    if isinstance(cell, int | float | np.number):
        try:
            return float(cell), False
        except OverflowError:  # an integer beyond float64, as the text of it would be
            return (np.inf if cell > 0 else -np.inf), False
    text = str(cell).strip()
    if text.lower() in MISSING:
        return np.nan, False
    if units == "auto" and len(text) < LONGEST:
        return _as_written(text, counts)
    if "_" in text and units != "auto":
        raise ValueError("an underscore in a number")
    return float(text), False


def all_numbers(cells: Sequence[Any], units: str) -> np.ndarray | None:
    """Return cells [n] as `number` reads each of them, at once, where `float` takes them all.

    None where some cell wants a closer look: it holds more than a number, or none.

    Args:
        cells: text, or numbers of a source that has types.
        units: as in `number`.
    """
    if isinstance(cells, np.ndarray):
        return cells.astype(float)
    kinds = {*map(type, cells)}
    if not kinds <= {str, float, int}:
        return None
    if kinds == {str}:
        if units != "auto" and "_" in "".join(cells):
            return None
        cells = [cell or "nan" for cell in cells]
    elif str in kinds:
        return None
    try:
        return np.fromiter(map(float, cells), float, len(cells))
    except (ValueError, OverflowError):
        return None


def _as_written(text: str, counts: bool) -> tuple[float, bool]:
    while match := BOLD.fullmatch(text):
        text = match[2].strip()
    text = text.lstrip("~≈≃ ").replace("−", "-")
    if match := PLUS_MINUS.fullmatch(text):
        _as_written(match[2], counts)  # which is to be a number as well
        text = match[1]
    return _with_unit(text, counts)


def written(text: str) -> float:
    """Return one number as people write it: 7e9, 7B, "13.7 B", 1.4T, 110,678,115, 10^9, 5%.

    What `jaxscale.text.count` writes is read back. For a cell of a table see `number`.

    Raises:
        ValueError: it is no number.
    """
    text = text.strip()
    return _with_unit(text.replace("−", "-"), True)[0] if len(text) < LONGEST else float(text)


def _with_unit(text: str, counts: bool) -> tuple[float, bool]:
    if match := SUFFIXED.fullmatch(text):
        digits, unit = match[1].lower(), match[2].lower()
        if unit not in SUFFIX:
            raise ValueError(f"{unit} is no unit")
        digits, _, power = digits.partition("e")  # 7% is 7e-2, which 7 * 1e-2 is not
        return float(f"{digits}e{int(power or 0) + round(math.log10(SUFFIX[unit]))}"), True
    if match := POWER.fullmatch(text):
        return float(f"{match[1] or 1}e{match[2]}"), False
    if THOUSANDS.fullmatch(text) and (counts or not AMBIGUOUS.fullmatch(text)):
        text = re.sub(r"[, \u00a0\u2009\u202f'’]", "", text)
    return float(text), False


def unread(
    table: Table,
    name: str,
    bad: Sequence[int],
    units: str,
    counts: bool = False,
    *,
    drop: bool = True,
) -> str:
    """Return what to say of the cells of a column that are no numbers, all of them, with the cure.

    Args:
        table: the table.
        name: the column.
        bad: rows, 0-based, at least one.
        units: how the cells were read.
        counts: as in `number`.
        drop: whether rows can be left out.
    """
    cells = table.columns[name]
    shown = [f"{table.where(row)} {short(cells[row], 16)}" for row in bad[1:5]]
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    also = f"; also {', '.join(shown)}{more}" if shown else ""
    cured = [row for row in bad if units != "auto" and readable(cells[row], counts)]
    hints = []
    if cured:
        which = "it" if len(bad) == 1 else "them"
        which = which if len(cured) == len(bad) else f"{len(cured)} of these"
        hints.append(f"units='auto' (--units auto) reads {which}")
    if has_comma(cells[bad[0]]):
        hints.append("if that is a decimal comma, say decimal=',' (--decimal ,)")
    if drop and len(cured) < len(bad):
        rows = "row" if len(bad) == 1 else "rows"
        hints.append(f"bad='drop' (--bad drop) leaves the {rows} out")
    return (
        f"{table.source}, {table.where(bad[0])}, column {short(name)}: expected a number, got "
        f"{short(cells[bad[0]])}{also}" + "".join(f"; {hint}" for hint in hints)
    )


def has_comma(cell: Any) -> bool:
    """Return whether a cell looks like a number with a decimal comma."""
    return DECIMAL_COMMA.fullmatch(str(cell).strip()[:LONGEST]) is not None


def readable(cell: Any, counts: bool) -> bool:
    """Return whether a cell is a number under units="auto"."""
    try:
        number(cell, "auto", counts)
    except ValueError:
        return False
    return True


def reason(letter: str, cell: Any) -> str:
    """Return why a row is left out whose cell is no number."""
    return f"{letter} is no number: {short(cell, 24)}"


def first_reasons(dropped: Sequence[tuple[int, str]]) -> list[str]:
    """Return why rows were left out, each reason once, with the first of its cells."""
    return list({why.partition(" is no number: ")[0]: why for _, why in reversed(dropped)}.values())


def left_out(
    dropped: Sequence[tuple[int, str]], most: int = 6, called: Mapping[int, str] = NAMELESS
) -> list[str]:
    """Return sentences on rows that were left out, one for each reason, with their cells.

    Args:
        dropped: (row, reason).
        most: rows that a sentence names.
        called: by row, what its run is called.
    """
    rows: dict[str, list[str]] = {}
    for row, why in dropped:
        head, mark, cell = why.partition(" is no number: ")
        key = f"{head} is no number" if mark else why
        name = f"{row} ({called[row]})" if row in called else str(row)
        rows.setdefault(key, []).append(f"{name} {cell}" if mark else name)
    return [
        f"left out {many(len(each), 'row')} ({', '.join(each[:most])}"
        f"{', ...' if len(each) > most else ''}): {why}"
        for why, each in rows.items()
    ]
