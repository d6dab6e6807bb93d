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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from jaxscale.errors import DataError

MAX_BYTES = 2 << 30
"""Largest decompressed text that is read."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Raw columns of equal length.

    Attributes:
        columns: cells per column; text, or numbers where the source has types.
        lines: per row, its line in the source (1-based), or its 1-based position.
        source: name for messages.
        notes: what was skipped while reading, and why.
    """

    columns: dict[str, Sequence[Any]]
    lines: list[int]
    source: str
    notes: tuple[str, ...] = ()

    def where(self, row: int) -> str:
        """Return how to name a 0-based row in a message."""
        line = self.lines[row]
        return f"row {row + 1}" + ("" if line == row + 1 else f" (line {line})")


def read_table(path: str | Path, decimal: str = ".") -> Table:
    """Read a table by the ending of its name.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`/`.ndjson`, `.json` (an array of objects), or `.parquet`;
            text may be compressed as `.gz` or `.xz`.
        decimal: decimal mark of CSV numbers; "," goes with semicolons.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or malformed; the message
            names the line.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a directory; give one table (CSV, JSON Lines or Parquet)")
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file")
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
    text = _decode(path)
    if not text.strip():
        raise DataError(f"{path} is empty; expected a header line and one row per run")
    if kind in (".jsonl", ".ndjson", ".json"):
        return _parse_json(text, str(path), array=text.lstrip()[:1] == "[")
    if kind in (".csv", ".tsv", ".txt", ""):
        return _parse_csv(text, str(path), decimal)
    raise DataError(f"{path}: unknown kind {kind!r}; use .csv, .tsv, .jsonl, .json or .parquet")


def _decode(path: Path) -> str:
    opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    try:
        with opener(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if len(raw) > MAX_BYTES:
        raise DataError(f"{path}: more than {MAX_BYTES >> 30} GiB of text")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: not {encoding.removesuffix('-sig').upper()} text; save the "
            "table as UTF-8"
        ) from error


def _parse_csv(text: str, source: str, decimal: str) -> Table:
    head = text.split("\n", 1)[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    if delimiter == ";" and decimal == "." and _looks_decimal_comma(text):
        raise DataError(
            f"{source}: numbers with a decimal comma; say so with decimal=',' (--decimal ,)"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = [cell.strip() for cell in cells]
                continue
            while len(cells) > len(names) and not cells[-1].strip():
                cells.pop()  # a trailing delimiter
            if len(cells) != len(names):
                raise DataError(
                    f"{source}, row {len(rows) + 1} (line {reader.line_num}): {len(cells)} cells "
                    f"where the header has {len(names)} columns ({', '.join(names[:8])})"
                )
            rows.append([cell.strip() for cell in cells])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{source}, line {reader.line_num}: {error}") from error
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise DataError(f"{source}, header (line 1): column {repeated[0]!r} appears twice")
    if not rows:
        raise DataError(f"{source}: a header but no rows (columns: {', '.join(names[:12])})")
    columns: dict[str, Sequence[Any]] = {
        name: [row[k] for row in rows] for k, name in enumerate(names) if name
    }
    if decimal == ",":
        columns = {k: [c.replace(",", ".") for c in v] for k, v in columns.items()}
    return Table(columns, lines, source)


def _looks_decimal_comma(text: str) -> bool:
    body = text.split("\n")[1:20]
    cells = [cell.strip() for line in body for cell in line.split(";")]
    return any(
        cell.count(",") == 1 and cell.replace(",", "").replace("-", "").isdigit() for cell in cells
    )


def _parse_json(text: str, source: str, array: bool) -> Table:
    notes: list[str] = []
    records: list[tuple[int, Any]] = []
    if array:
        try:
            records = [(k + 1, record) for k, record in enumerate(json.loads(text))]
        except json.JSONDecodeError as error:
            raise DataError(f"{source}, line {error.lineno}: not JSON ({error.msg})") from error
    else:
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                records.append((number, json.loads(line)))
            except json.JSONDecodeError as error:
                if number == len(lines) and records and not text.endswith("\n"):
                    notes.append(f"line {number} is cut off (a writer still at work?): skipped")
                    continue
                raise DataError(f"{source}, line {number}: not JSON ({error.msg})") from error
    flat: list[dict[str, Any]] = []
    for number, record in records:
        if not isinstance(record, dict):
            raise DataError(f"{source}, line {number}: expected an object of columns, got a "
                            f"{type(record).__name__}")
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
        if isinstance(value, dict):
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
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
    return table_from_dataframe(frame, str(path))


def table_from_dataframe(frame: Any, source: str = "dataframe") -> Table:
    """Return the columns of a dataframe of pandas, polars, pyarrow or another narwhals back end.

    An object of another package that speaks the dataframe interchange or the Arrow stream
    protocol is read through pyarrow.

    Raises:
        DataError: it is no dataframe, or has no rows.
    """
    try:
        native = nw.from_native(frame, eager_only=True)
    except TypeError:
        native = nw.from_native(_through_arrow(frame), eager_only=True)
    if len(native) == 0:
        raise DataError(f"{source} has no rows (columns: {', '.join(native.columns[:12])})")
    columns: dict[str, Sequence[Any]] = {}
    for name in native.columns:
        series = native[name]
        numeric = series.dtype.is_numeric() or series.dtype == nw.Boolean
        values = series.to_list()
        columns[str(name)] = (
            np.array([np.nan if v is None else float(v) for v in values]) if numeric else values
        )
    return Table(columns, list(range(1, len(native) + 1)), source)


def _through_arrow(frame: Any) -> Any:
    try:
        import pyarrow
        import pyarrow.interchange
    except ImportError as error:
        raise DataError(
            f"{type(frame).__name__} is read through pyarrow: pip install 'jaxscale[parquet]'"
        ) from error
    if hasattr(frame, "__arrow_c_stream__"):
        return pyarrow.table(frame)
    if hasattr(frame, "__dataframe__"):
        return pyarrow.interchange.from_dataframe(frame)
    raise DataError(
        f"expected a dataframe, got {type(frame).__name__}; for arrays use Runs(N=..., D=..., "
        "loss=...)"
    )
