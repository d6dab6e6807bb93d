"""What a result shows of itself: as text where it is printed, as tables in a notebook.

A result says its blocks once; the text and the HTML are both made of them. One that says none
shows its fields, arrays by their size and range: nothing shows a wall of numbers.
"""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxscale.errors import JaxscaleError
from jaxscale.text import columns, many, one_line, quantity, visible

WIDTH = 100
"""Columns of the text that a session shows."""
MOST = 30
"""Rows of a table that it shows."""
FEW = 6
"""Numbers of an array that are shown one by one."""
LONGEST = 68
"""Characters of a field."""
LONG = 32
"""Characters of a cell of text beyond which a notebook breaks its line."""
STYLE = """
.jaxscale.jaxscale{color:inherit;line-height:1.45;font-size:.93em}
.jaxscale.jaxscale p{margin:.35em 0;max-width:64em;overflow-wrap:anywhere}
.jaxscale.jaxscale .title{font-weight:600}
.jaxscale.jaxscale .scroll{overflow-x:auto;margin:.5em 0}
.jaxscale.jaxscale table{border-collapse:collapse;border:none;margin:0;color:inherit}
.jaxscale.jaxscale :is(th,td){padding:.18em .55em;text-align:left;border:none;color:inherit;
 font-weight:normal;white-space:nowrap;vertical-align:baseline}
.jaxscale.jaxscale thead th{font-weight:600;border-bottom:1px solid rgba(128,128,128,.6)}
.jaxscale.jaxscale .number{text-align:right;font-variant-numeric:tabular-nums}
.jaxscale.jaxscale .muted{opacity:.72}
.jaxscale.jaxscale .long{white-space:normal;min-width:15em}
.jaxscale.jaxscale .within{padding-left:1.6em}
.jaxscale.jaxscale .note{border-left:3px solid rgba(128,128,128,.55);padding-left:.7em}
.jaxscale.jaxscale .doubt{border-left-color:#d9730d}
.jaxscale.jaxscale .mark{font-weight:700;margin-right:.45em}
.jaxscale.jaxscale .doubt .mark{color:#d9730d}
"""
"""Colours are those of the page, light or dark; the mark of a doubt shows on both."""


class Grid(NamedTuple):
    """A table.

    Attributes:
        rows: of cells; the first is its head.
        align: one of `<` and `>` per column.
        head: whether the first row is a head.
        titles: head that only the HTML has; with `head=False`.
        muted: columns of meanings and units, which the HTML holds back.
    """

    rows: Sequence[Sequence[str]]
    align: str
    head: bool = True
    titles: tuple[str, ...] = ()
    muted: tuple[int, ...] = ()


class Note(NamedTuple):
    """A sentence beside the numbers; a doubt says not to trust them."""

    text: str
    doubt: bool = False


Block = str | Grid | Note
"""A line or lines of text (empty for a gap), a table, or a note."""
T = TypeVar("T", bound=type)


def parted(*parts: Sequence[Block]) -> list[Block]:
    """Return parts as blocks with a gap between two of them; empty ones are left out."""
    found: list[Block] = []
    for part in parts:
        found += ["", *part] if found and part else part
    return found


def said(notes: Iterable[str], doubts: Collection[str] = ()) -> list[Block]:
    """Return notes as blocks, those among `doubts` as doubts."""
    return [Note(text, text in doubts) for text in notes]


def text_of(blocks: Iterable[Block], width: int | None = None, most: int | None = None) -> str:
    """Return blocks as text.

    Args:
        blocks: what to show.
        width: columns to wrap at; None for lines as long as they are.
        most: rows that a table has at most; None for all of them.
    """
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Grid):
            rows, rest = _some(block, most)
            lines.append(
                columns(rows if width is None else _fitted(rows, block, width), block.align)
            )
            lines += [f"and {many(rest, 'more row')}"] if rest else []
            continue
        note = f"! {one_line(block.text)}" if isinstance(block, Note) else visible(block)
        lines += [note] if width is None else _wrapped(note, width)
    return "\n".join(lines)


def _some(grid: Grid, most: int | None) -> tuple[Sequence[Sequence[str]], int]:
    rest = 0 if most is None else max(len(grid.rows) - grid.head - most, 0)
    return grid.rows[: len(grid.rows) - rest], rest


def _wrapped(text: str, width: int) -> list[str]:
    lines = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, width, subsequent_indent="  ") if len(line) > width else [line]
    return lines


def _fitted(rows: Sequence[Sequence[str]], grid: Grid, width: int) -> Sequence[Sequence[str]]:
    """Return rows whose last column, of text, is wrapped where the table is wider than `width`."""
    widths = [
        max((len(one_line(row[k])) for row in rows), default=0) for k in range(len(grid.align))
    ]
    room = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if widths[-1] <= room or not grid.align.endswith("<"):
        return rows
    found: list[Sequence[str]] = []
    for row in rows:
        first, *more = textwrap.wrap(one_line(row[-1]), max(room, 24)) or [""]
        found.append([*row[:-1], first])
        found += [[*[""] * (len(row) - 1), line] for line in more]
    return found


def html_of(blocks: Iterable[Block]) -> str:
    """Return blocks as HTML without scripts, whoever wrote what they say."""
    from xml.etree import ElementTree

    from jaxscale.shown.element import add, make, raw

    page = make("div", raw("style", STYLE), class_="jaxscale")
    titled = False
    for block in blocks:
        if isinstance(block, Grid):
            add(page, _table(block))
        elif isinstance(block, Note):
            mark = make("span", "⚠" if block.doubt else "!", class_="mark")
            kind = "note doubt" if block.doubt else "note"
            add(page, make("p", mark, block.text, class_=kind))
        else:
            for line in filter(None, (each.strip() for each in block.split("\n"))):
                add(page, make("p", line, class_=None if titled else "title"))
                titled = True
    return ElementTree.tostring(page, encoding="unicode", method="html")


def _table(grid: Grid) -> Any:
    from jaxscale.shown.element import make

    body = grid.rows[bool(grid.head) :]
    flush = {k for k in range(len(grid.align)) if any(row[k][:1] != " " for row in body)}

    def cells(tag: str, row: Sequence[str]) -> list[Any]:
        found = []
        for k, (cell, side) in enumerate(zip(row, grid.align, strict=True)):
            kinds = {
                "number": side == ">",
                "muted": k in grid.muted,
                "within": cell.startswith("  ") and side == "<" and k in flush,
                "long": len(cell) > LONG and side == "<",
            }
            named = " ".join(kind for kind, has in kinds.items() if has)
            found.append(make(tag, cell.strip(), class_=named or None))
        return found

    rows, rest = _some(grid, MOST)
    top = rows[0] if grid.head and rows else grid.titles
    lines = [make("tr", *cells("td", row)) for row in rows[bool(grid.head) :]]
    head = make("thead", make("tr", *cells("th", top))) if top else None
    table = make("table", head, make("tbody", *lines))
    more = make("p", f"and {many(rest, 'more row')}") if rest else None
    return make("div", table, more, class_="scroll")


def traced(value: Any) -> bool:
    """Return whether a value is a tracer of JAX, under `jit`, `vmap` or `grad`: no number yet."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def number(value: Any) -> str | None:
    """Return a scalar as short as it reads back exactly; None for what is none, or is traced."""
    if traced(value) or np.ndim(value) != 0:
        return None
    try:
        found = np.asarray(value)
    except (TypeError, RuntimeError, ValueError):  # a key, a deleted array, what is no array
        return None
    return str(found[()]) if found.dtype.kind in "biuf" else None


def brief(value: Any) -> str:
    """Return a value of a field in a few words: an array by its shape and its range."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Shown) or getattr(type(value), "_blocks", None):
        return str(value).strip().split("\n", 1)[0]
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _array(value)
    if isinstance(value, bool | int | None):
        return str(value)
    if isinstance(value, float):
        return quantity(value, 6)
    if isinstance(value, Mapping):
        first = ", ".join(f"{one_line(str(k))}: {brief(v)}" for k, v in list(value.items())[:FEW])
        return first + (f" and {len(value) - FEW} more" if len(value) > FEW else "") or "none"
    if isinstance(value, tuple | list):
        if not value:
            return "none"
        if len(value) <= FEW:
            return ", ".join(brief(each) for each in value)
        return f"{len(value):,} of {type(value[0]).__name__}"
    named = any("__str__" in vars(cls) for cls in type(value).__mro__[:-1])
    return one_line(str(value).split("\n", 1)[0]) if named else type(value).__name__


def _array(value: Any) -> str:
    shape = "x".join(f"{n:,}" for n in value.shape)
    if traced(value):
        return f"traced {value.dtype}[{shape}]"
    try:
        found = np.asarray(value)
    except (TypeError, RuntimeError):
        return f"{value.dtype}[{shape}]"
    if found.dtype.kind == "b" and found.size > FEW:
        return f"[{shape}], {int(found.sum()):,} of them true"
    if found.ndim == 0 or (found.ndim == 1 and found.size <= FEW):
        each = [quantity(x, 6) if found.dtype.kind in "iuf" else str(x) for x in found.ravel()]
        return ", ".join(map(one_line, each)) or "none"
    known = found[np.isfinite(found)] if found.dtype.kind in "iuf" else found[:0]
    span = f" from {quantity(known.min())} to {quantity(known.max())}" if known.size else ""
    lost = found.size - known.size if found.dtype.kind == "f" else 0
    return f"[{shape}]{span}" + (f", {lost:,} not finite" if lost else "")


def fields(result: Any) -> list[Block]:
    """Return the fields of a dataclass or a named tuple in few words each, empty ones left out."""
    if dataclasses.is_dataclass(result):
        names = [field.name for field in dataclasses.fields(result) if field.repr]
    else:
        names = list(result._fields)
    words = {name: brief(getattr(result, name, None)) for name in names}
    rows = [
        [f"  {name}", text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"]
        for name, text in words.items()
        if text.strip(", ") not in ("", "none", "None")
    ]
    return [type(result).__name__, *([Grid(rows, "<<", head=False, muted=(0,))] if rows else [])]


def blocks_of(result: Any) -> list[Block]:
    """Return what a result says; its fields, where some are traced."""
    own = result if isinstance(result, tuple) else vars(result).values()
    if any(map(traced, own)):
        return fields(result)
    try:
        return list(result._blocks())
    except JaxscaleError as error:  # what it would say cannot be worked out, and that is told
        return [*fields(result), Note(str(error), doubt=True)]
    except (TypeError, AttributeError):  # of a pytree that holds no numbers: axes, shapes, None
        return fields(result)


def full_text(result: Any) -> str:
    """Return the text of a result with every row, its lines as long as they are."""
    return text_of(blocks_of(result)) if hasattr(result, "_blocks") else str(result)


def _written(self: Any) -> str:
    return text_of(blocks_of(self), WIDTH, MOST)


def _html(self: Any) -> str:
    return html_of(blocks_of(self))


class Shown:
    """Base of results: `repr` is what `print` shows, and a notebook gets tables.

    A subclass says its blocks in `_blocks`; dataclasses keep this repr by themselves.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in vars(cls):
            cls.__repr__ = Shown.__repr__  # type: ignore[method-assign]  # else dataclass makes one

    def _blocks(self) -> Iterable[Block]:
        return fields(self)

    def __str__(self) -> str:
        return _written(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return _html(self)


def shown(cls: T) -> T:
    """Give a named tuple, which has no base, what `Shown` gives the others."""
    known = vars(cls)
    for name, method in (("_blocks", fields), ("__str__", _written), ("_repr_html_", _html)):
        if name not in known:
            setattr(cls, name, method)
    setattr(cls, "__repr__", lambda self: str(self))  # noqa: B010 (mypy knows no such attribute)
    return cls
