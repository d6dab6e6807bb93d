"""Tables of training runs as people keep them: CSV, JSON Lines, Parquet, dataframes.

A `Table` is raw: cells as they stand, with the line each came from, so that every later
complaint can name column and row. The parsers are those of the standard library and of the
dataframe's own package; this module decides nothing about which columns mean what.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from jaxscale.errors import DataError
from jaxscale.files.reading import parse_json, parse_json_array, read_bytes, require_regular
from jaxscale.text import listing, short

MAX_BYTES = 2 << 30
"""Largest decompressed text that is read."""

MAX_CELL = 1 << 24
"""Characters of a cell of CSV."""

WANTED = "one table (CSV, JSON Lines or Parquet)"
DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*[kKmMbBgGtT%]?)")
POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")  # 1.000.000,5, or 1.000 under a comma


@dataclasses.dataclass(frozen=True)
class Table:
    """Raw columns of equal length.

    Attributes:
        columns: cells per column; text, or numbers where the source has types.
        lines: per row, how its source counts it: the line of a text file, so the row that an
            editor or a spreadsheet shows; else its 1-based position.
        source: name for messages.
        notes: what was skipped while reading, and why.
        header: line of the header, where there is one.
    """

    columns: dict[str, Sequence[Any]]
    lines: list[int]
    source: str
    notes: tuple[str, ...] = ()
    header: int | None = None

    def where(self, row: int) -> str:
        """Return how to name a 0-based row in a message."""
        return f"row {self.lines[row]}"

    @property
    def top(self) -> str:
        """How to name the header in a message."""
        return self.source if self.header is None else f"{self.source}, row {self.header} (header)"


def read_table(path: str | Path, decimal: str = ".") -> Table:
    """Read a table by the ending of its name.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`/`.ndjson`, `.json` (an array of objects), or `.parquet`;
            text may be compressed as `.gz` or `.xz`.
        decimal: decimal mark of CSV numbers; "," goes with semicolons.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or malformed; the message
            names the line.
        ValueError: the decimal mark is neither a point nor a comma.
    """
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    path = Path(path)
    require_regular(path, WANTED)
    suffixes = [s.lower() for s in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] in ([".gz"], [".xz"]) and len(suffixes) > 1 else ""
    kind = kind or (suffixes[-1] if suffixes else "")
    if kind == ".parquet":
        return _read_parquet(path)
    if kind in (".pkl", ".pickle", ".joblib", ".pt", ".npy", ".npz"):
        raise DataError(
            f"{path}: {kind} files are not read (unpickling runs code); in Python use "
            "Runs.from_dataframe(df), or write df.to_csv('runs.csv')"
        )
    if kind not in (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ""):
        raise DataError(f"{path}: unknown kind {kind!r}; use .csv, .tsv, .jsonl, .json or .parquet")
    text = _decode(path)
    if not text.strip():
        raise DataError(f"{path} is empty; expected a header line and one row per run")
    if kind in (".jsonl", ".ndjson", ".json"):
        return _parse_json(text, str(path), array=text.lstrip()[:1] == "[")
    return _parse_csv(text, str(path), decimal)


def _read(path: Path) -> bytes:
    opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    try:
        return read_bytes(path, MAX_BYTES, WANTED, opener)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _decode(path: Path) -> str:
    raw = _read(path)
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, row {row}: not {encoding.removesuffix('-sig').upper()} text "
            f"(byte 0x{raw[error.start]:02x}); save the table as UTF-8"
        ) from error
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{path}, row {row}: a NUL character, so this is no plain text (or UTF-16 without "
            "its mark); save the table as UTF-8"
        )
    return text


def _parse_csv(text: str, source: str, decimal: str) -> Table:
    header, names, rows, lines = 0, [], [], []
    for line, cells in _records(text, source):
        if not header:
            header, names = line, cells
        else:
            rows.append(_fitted(cells, names, f"{source}, row {line}"))
            lines.append(line)
    if not any(names):
        raise DataError(f"{source}: no header; the first line should name the columns")
    top = f"{source}, row {header} (header)"
    repeated = [name for k, name in enumerate(names) if name and name in names[:k]]
    if repeated:
        raise DataError(f"{top}: column {short(repeated[0])} appears twice; rename one of them")
    if not rows:
        raise DataError(f"{top}: no rows below it (columns {listing(names)})")
    columns: dict[str, Sequence[Any]] = {
        name: [row[k] for row in rows] for k, name in enumerate(names) if name
    }
    table = Table(columns, lines, source, header=header)
    return _points_for_commas(table) if decimal == "," else table


def _records(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line where it starts and the stripped cells of every record that is not blank."""
    head = re.sub(r'"[^"]*"', "", text.lstrip("\r\n ;,")[:100_000])
    head = re.split(r"[\r\n]", head, maxsplit=1)[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    buffer = io.StringIO(text, newline="")
    # Of the whole process, and never lowered again: another thread may be reading.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    reader = csv.reader(buffer, delimiter=delimiter, strict=True, skipinitialspace=True)
    line, names = 1, [""]
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                names = names if any(names) else cells
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        buffer.seek(0)
        record = "".join(list(buffer)[line - 1 : reader.line_num])[:100_000]
        name = short(names[min(_quoted_badly(record, delimiter), len(names) - 1)])
        what = "text follows the closing quotation mark"
        if "field limit" in str(error):
            what = f"a cell of more than {MAX_CELL:,} characters"
        elif "expected after" not in str(error):
            what = "a quotation mark is opened here and not closed"
        raise DataError(f"{source}, row {line}, column {name}: {what}") from error


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
        columns[name] = [DECIMAL_COMMA.sub(r"\1.\2", c) if _is_comma(c) else c for c in cells]
    return dataclasses.replace(table, columns=columns)


def _is_comma(cell: str) -> bool:
    return DECIMAL_COMMA.fullmatch(cell) is not None


def _parse_json(text: str, source: str, array: bool) -> Table:
    notes: list[str] = []
    records: list[tuple[int, Any]] = []
    if array:
        try:
            records = list(enumerate(parse_json_array(text, source), 1))
        except json.JSONDecodeError as error:
            raise DataError(f"{source}, line {error.lineno}: not JSON ({error.msg})") from error
    else:
        lines = re.split(r"\r\n|\n|\r", text)
        last = max(k for k, line in enumerate(lines, 1) if line.strip())
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                records.append((number, parse_json(line, f"{source}, row {number}")))
            except json.JSONDecodeError as error:
                if number == last == len(lines) and records:
                    notes.append(f"{source}, row {number}: cut off (a writer at work?); left out")
                    continue
                raise DataError(
                    f"{source}, row {number}: not JSON ({error.msg}); write one object per line, "
                    "or one array of objects (df.to_json(path, orient='records'))"
                ) from error
    flat: list[dict[str, Any]] = []
    for number, record in records:
        if not isinstance(record, dict):
            raise DataError(
                f'{source}, row {number}: expected an object such as {{"N": 1e8, ...}}, got a '
                f"{type(record).__name__}"
            )
        flat.append(_flatten(record))
    if not flat:
        raise DataError(f"{source}: no rows")
    names = list(dict.fromkeys(name for record in flat for name in record))
    columns: dict[str, Sequence[Any]] = {
        name: [record.get(name) for record in flat] for name in names
    }
    return Table(columns, [number for number, _ in records], source, tuple(notes))


def _flatten(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and prefix.count(".") < 32:
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet needs pyarrow; install it with: pip install 'jaxscale[parquet]'"
        ) from error
    try:
        frame = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file ({str(error)[:120]})") from error
    return table_from_dataframe(frame, str(path))


def table_from_dataframe(frame: Any, source: str = "dataframe") -> Table:
    """Return the columns of a dataframe of pandas, polars, pyarrow or another narwhals back end.

    An object of another package that speaks the dataframe interchange or the Arrow stream
    protocol is read through pyarrow. A boolean column keeps its booleans.

    Raises:
        DataError: it is no dataframe, has a column twice, or has no rows.
    """
    try:
        try:
            native = nw.from_native(frame, eager_only=True)
        except TypeError:
            native = nw.from_native(_through_arrow(frame), eager_only=True)
        names = list(native.columns)
    except nw.exceptions.NarwhalsError as error:
        said = " ".join(str(error).split())[:160]
        raise DataError(f"{source}: two columns of one name, or no table ({said})") from error
    if len(native) == 0:
        raise DataError(f"{source} has no rows (columns {listing(names)})")
    columns: dict[str, Sequence[Any]] = {}
    for name in names:
        if str(name).strip() in columns:
            raise DataError(f"{source}: column {short(name)} appears twice; rename one of them")
        series = native.get_column(name)
        cells = [None if type(v).__name__ in ("NAType", "NaTType") else v for v in series.to_list()]
        columns[str(name).strip()] = cells
        if series.dtype.is_numeric():
            numbers = [np.nan if v is None else float(v) for v in cells]
            columns[str(name).strip()] = np.array(numbers)  # type: ignore[assignment]
    return Table(columns, list(range(1, len(native) + 1)), source)


def table_from_arrays(arrays: Mapping[str, Any], source: str = "arrays") -> Table:
    """Return columns given as arrays or lists by name.

    Raises:
        DataError: one has another length or no rows, or is no column.
    """
    columns: dict[str, Sequence[Any]] = {}
    for name, given in arrays.items():
        column = np.asarray(given)
        if column.ndim != 1 or len(column) == 0:
            raise DataError(
                f"{source}: column {short(name)} has shape {list(column.shape)}; every column is "
                "a list of equally many values"
            )
        numeric = column.dtype.kind in "iuf"
        columns[str(name)] = column.astype(float) if numeric else column.tolist()  # type: ignore[assignment]
    lengths = {name: len(column) for name, column in columns.items()}
    if not lengths:
        raise DataError(f"{source}: there are no columns; give e.g. dict(N=..., D=..., loss=...)")
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise DataError(f"{source}: columns of unequal length ({said})")
    return Table(columns, list(range(1, next(iter(lengths.values())) + 1)), source)


def _through_arrow(frame: Any) -> Any:
    what = type(frame).__name__
    if not (hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__dataframe__")):
        lazy = "; collect() it first" if hasattr(frame, "collect") else ""
        raise DataError(
            f"expected a dataframe, got {what}{lazy}; for arrays use Runs(N=..., D=..., loss=...)"
        )
    try:
        import pyarrow
        import pyarrow.interchange
    except ImportError as error:
        raise DataError(
            f"{what} is read through pyarrow: pip install 'jaxscale[parquet]'"
        ) from error
    try:
        if hasattr(frame, "__arrow_c_stream__"):
            return pyarrow.table(frame)
        return pyarrow.interchange.from_dataframe(frame)
    except (pyarrow.ArrowException, TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"expected a dataframe, got {what}, which is no table ({str(error)[:80]})"
        ) from error
