"""CSV and pipe tables of Markdown, as text, to raw tables.

The parser of CSV is that of the standard library, but for plain text (`plain_csv`); what is added
is that every refusal names row and column, and that nothing is read which would not fit into
memory.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import itertools
import re
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from jaxscale.data.plain_csv import plain_columns
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, short

MAX_ROWS = 5_000_000
"""Most lines of a table that are read."""
MAX_CELLS = 50_000_000
"""Most cells of a table that are read; each takes some 60 bytes of memory."""
MAX_CELL = 1 << 24
"""Most characters of one cell."""

DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*[kKmMbBgGtT%]?)")
POINTS = re.compile(r"[+-]?\d{1,3}\.\d{3}")  # under a comma 1.000 may be one or a thousand
GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,3}(\.\d{3}){2,}")
"""What can only be thousands under a decimal comma: 2.041,24 and 1.000.000."""
NEWLINE = re.compile(r"\r\n|\n|\r")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
"""The line below the header of a pipe table."""

_limit = threading.Lock()


def parse_csv(text: str, source: str, decimal: str = ".") -> Table:
    """Return the table of CSV text: comma, semicolon or tab, told by the header.

    Args:
        text: the text.
        source: how messages name it.
        decimal: decimal mark of numbers.

    Raises:
        DataError: it is malformed or too large; the message names row and column.
    """
    if text.count("\n") > MAX_ROWS:
        raise DataError(
            f"{source}: {text.count(chr(10)):,} lines, and {MAX_ROWS:,} are the most that is read; "
            "keep one row per run"
        )
    delimiter = _delimiter(text)
    head = text[: text.find("\n")] if "\n" in text else text
    wide = head.count(delimiter) + 1
    if text.count("\n") * wide <= MAX_CELLS:  # else it is said below
        plain = plain_columns(text, delimiter, MAX_CELL)
        if plain is not None:
            names, filled = [column[0] for column in plain], [column[1:] for column in plain]
            rows = range(2, len(plain[0]) + 1)
            return _checked(names, filled, rows, source, header=1, decimal=decimal)
    header, names, lines = 0, [""], []
    filled = []
    with _long_cells(), contextlib.closing(_records(text, source, delimiter)) as records:
        for line, cells in records:
            if not header:
                header, names = line, cells
                require_cells(text.count("\n") * len(names), len(names), source)
                filled = [[] for _ in names]
                continue
            if len(cells) != len(names):
                cells = _fitted(cells, names, f"{source}, row {line}")
            lines.append(line)
            for column, cell in zip(filled, cells, strict=True):
                column.append(cell)
    return _checked(names, filled, lines, source, header=header, decimal=decimal)


def parse_pipes(text: str, source: str, decimal: str = ".") -> Table:
    """Return the only pipe table of a Markdown text.

    Args:
        text: the text.
        source: how messages name it.
        decimal: decimal mark of numbers.

    Raises:
        DataError: there is none, there are several, or a row has too many cells.
    """
    lines = NEWLINE.split(text)
    rules = [
        k
        for k in range(1, len(lines))
        if "|" in lines[k - 1] and "|" in lines[k] and RULE.fullmatch(lines[k])
    ]
    if len(rules) != 1:
        found = f"{len(rules)} pipe tables" if rules else "no pipe table"
        where = f" (headers in rows {', '.join(map(str, rules[:4]))})" if rules else ""
        raise DataError(
            f"{source}: {found} in this Markdown{where}; a file with exactly one is read, a row "
            "| N | D | loss |, a row |---|---|---|, and one row per run. Copy it to a file of its "
            "own, or save CSV"
        )
    top = rules[0] - 1
    names = _pipe_cells(lines[top])
    filled: list[list[str]] = [[] for _ in names]
    numbers = []
    for number, line in enumerate(lines[top + 2 :], top + 3):
        if "|" not in line:
            break
        cells = _pipe_cells(line)
        cells = _fitted(cells + [""] * (len(names) - len(cells)), names, f"{source}, row {number}")
        numbers.append(number)
        for column, cell in zip(filled, cells, strict=True):
            column.append(cell)
    return _checked(names, filled, numbers, source, header=top + 1, decimal=decimal)


def is_pipe_table(text: str) -> bool:
    """Return whether a text begins with a pipe table, whatever its file is called."""
    lines = NEWLINE.split(text[:100_000].lstrip(), maxsplit=2)
    return lines[0][:1] == "|" and len(lines) > 1 and bool(RULE.fullmatch(lines[1]))


def require_cells(cells: int, columns: int, source: str) -> None:
    """Raise where a table has too many cells to be read.

    Args:
        cells: how many there are.
        columns: how many columns.
        source: how messages name the table.

    Raises:
        DataError: there are more than `MAX_CELLS`.
    """
    if cells > MAX_CELLS:
        raise DataError(
            f"{source}: {cells:,} cells in {columns:,} columns, and {MAX_CELLS:,} are the most "
            "that is read; keep one row per run and the columns that the law needs"
        )


def _checked(
    names: list[str],
    filled: list[list[str]],
    lines: Sequence[int],
    source: str,
    *,
    header: int,
    decimal: str,
) -> Table:
    if not any(names):
        raise DataError(f"{source}: no header; the first line should name the columns")
    table = Table({}, lines, source, header=header)
    repeated = [name for name, times in Counter(filter(None, names)).items() if times > 1]
    if repeated:
        raise DataError(
            f"{table.top}: column {short(repeated[0])} appears twice; rename one of them"
        )
    if not lines:
        raise DataError(f"{table.top}: no rows below it (columns {listing(names)})")
    columns: dict[str, Sequence[Any]] = {
        name: column for name, column in zip(names, filled, strict=True) if name
    }
    table = dataclasses.replace(table, columns=columns)
    return _points_for_commas(table) if decimal == "," else table


def _pipe_cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    cells = [cell.replace(r"\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)]
    return cells[:-1] if cells[-1] == "" else cells


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let the standard library's reader take long cells; its limit is one of the process."""
    with _limit:
        before = csv.field_size_limit(MAX_CELL)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _delimiter(text: str) -> str:
    """Return what separates the cells, told by the header."""
    head = re.sub(r'"[^"]*"', "", text[:100_000].lstrip("\r\n ;,"))
    head = re.split(r"[\r\n]", head, maxsplit=1)[0]
    return max((",", ";", "\t"), key=head.count)


def _records(
    text: str, source: str, delimiter: str
) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the line where it starts and the stripped cells of every record that is not blank."""
    reader = csv.reader(lines_of(text), delimiter=delimiter, strict=True, skipinitialspace=True)
    line, names = 1, [""]
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                names = names if any(names) else cells
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise DataError(
                f"{source}, row {line}: a cell of more than {MAX_CELL:,} characters; leave that "
                "column out"
            ) from error
        broken = itertools.islice(lines_of(text), line - 1, reader.line_num)
        record = "".join(part[:100_000] for part in broken)[:100_000]
        name = short(names[min(_quoted_badly(record, delimiter), len(names) - 1)])
        what = "text follows the closing quotation mark"
        if "expected after" not in str(error):
            what = "a quotation mark is opened here and not closed"
        raise DataError(f"{source}, row {line}, column {name}: {what}") from error


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, one at a time: `StringIO` takes it four times."""
    begin = 0
    if "\r" in text:
        for match in NEWLINE.finditer(text):
            yield text[begin : match.end()]
            begin = match.end()
    while end := text.find("\n", begin) + 1:
        yield text[begin:end]
        begin = end
    if begin < len(text):
        yield text[begin:]


def _quoted_badly(record: str, delimiter: str) -> int:
    """Return the index of the cell where a record breaks the rules of quotation."""

    def cells(text: str, strict: bool) -> int:
        reader = csv.reader([text], delimiter=delimiter, strict=strict, skipinitialspace=True)
        return len(next(reader, []))

    good, bad = 0, len(record) + 1  # lengths of the start of the record
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            cells(record[:middle], strict=True)
            good = middle
        except csv.Error as error:
            good, bad = (good, middle) if "expected after" in str(error) else (middle, bad)
    return max(cells(record[:good], strict=False) - 1, 0)


def _fitted(cells: list[str], names: list[str], place: str) -> list[str]:
    """Return as many cells as there are columns; empty ones at the end come and go."""
    while len(cells) > len(names) and not cells[-1]:
        cells.pop()
    if len(cells) < len(names) and not any(names[len(cells) :]):
        cells.extend([""] * (len(names) - len(cells)))
    if len(cells) < len(names):
        raise DataError(
            f"{place}: {len(cells)} cells for {len(names)} columns, none left for column "
            f"{short(names[len(cells)])}; is a cell missing, or the delimiter another one?"
        )
    if len(cells) > len(names):
        raise DataError(
            f"{place}: {len(cells)} cells for {len(names)} columns; {short(cells[len(names)])} "
            f"comes after the last column {short(names[-1])}. Is a comma inside a number? Quote "
            "the cell, or leave the comma out"
        )
    return cells


def _points_for_commas(table: Table) -> Table:
    columns: dict[str, Sequence[Any]] = {}
    for name, cells in table.columns.items():
        for row, cell in enumerate(cells):
            if POINTS.fullmatch(cell):
                raise DataError(
                    f"{table.source}, {table.where(row)}, column {short(name)}: {short(cell)} has "
                    "a point although decimal=','; remove points between thousands, or read the "
                    "table with decimal='.'"
                )
        cells = [c.replace(".", "") if GROUPED.fullmatch(c) else c for c in cells]
        columns[name] = [DECIMAL_COMMA.sub(r"\1.\2", c) if _is_comma(c) else c for c in cells]
    return dataclasses.replace(table, columns=columns)


def _is_comma(cell: str) -> bool:
    return DECIMAL_COMMA.fullmatch(cell) is not None
