"""Results as short tables of text for a person at a terminal; no layout library needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def columns(rows: Sequence[Sequence[str]], align: str) -> str:
    """Return rows of cells as aligned text; `align` has one of `<` and `>` per column.

    Control characters in a cell are written out, newlines too: a name cannot fake a row.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(align))]
    lines = []
    for row in rows:
        cells = [f"{cell:{side}{w}}" for cell, side, w in zip(row, align, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def quantity(value: Any, digits: int = 4) -> str:
    """Return a number with significant digits, plain where that is short to read."""
    value = float(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        return f"{value:.0f}" if "e" in text else text
    return f"{value:.{digits - 1}e}"


def count(value: Any) -> str:
    """Return a count with a unit that people read: 70.2 B, 1.40 T."""
    value = float(value)
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if size <= abs(value) < 1e16:
            return f"{value / size:.3g} {unit}"
    return quantity(value, 3)


def many(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun: 1 loss, 3 losses.

    Args:
        number: how many.
        one: the noun.
        several: its plural; default the noun with an s.
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def marked(notes: Iterable[str]) -> str:
    """Return notes as the lines below a table, each beginning with `!`."""
    return "".join(f"\n! {one_line(note)}" for note in notes)


CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0, DEL, C1, marks of direction, separators of lines, and halves of a pair of surrogates."""


def visible(text: str) -> str:
    r"""Return text with its control characters written out, `\x1b`; its newlines stay."""
    return CONTROLS.sub(_kept_or_written, text)


def one_line(text: str) -> str:
    r"""Return text with its control characters written out, newlines too: `\n`."""
    return CONTROLS.sub(_written, text)


def _kept_or_written(match: re.Match[str]) -> str:
    return match[0] if match[0] == "\n" else _written(match)


def _written(match: re.Match[str]) -> str:
    if match[0] == "\x7f":  # JSON allows it as it is, and knows no \x7f
        return r"\u007f"
    return match[0].encode("unicode_escape").decode()


def listing(names: Sequence[Any], limit: int = 12, width: int = 24) -> str:
    """Return names for a message.

    Args:
        names: the names.
        limit: how many of them.
        width: characters to which each is cut.
    """
    named = ", ".join(short(name, width) for name in names[:limit]) or "none"
    return named + (f" and {len(names) - limit} more" if len(names) > limit else "")


def short(value: object, limit: int = 40) -> str:
    """Return the repr of a name, a cell or a field, cut to fit a message."""
    nested = isinstance(value, dict | list)
    try:
        text = f"a nested {type(value).__name__}" if nested else str(value)
    except ValueError:  # Python writes no integer that long
        text = "an integer of more than 4300 digits"
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def literal(value: object) -> str:
    """Return how to show a value of a file in a message: a text in quotes, a number bare."""
    if isinstance(value, str):
        return short(value)
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        if len(value) > 4 or any(isinstance(element, dict | list) for element in value):
            return f"a list of {len(value)}"
        return f"[{', '.join(map(literal, value))}]"
    return "null" if value is None else short(value)[1:-1]
