"""Tables of training runs as people keep them: CSV, Markdown, JSON, Parquet; one file or many.

A `Table` is raw: cells as they stand, with the line each came from, so that every later
complaint can name column and row. This module decides nothing about which columns mean what.
"""

from __future__ import annotations

import glob
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxscale.data.csv_text import is_pipe_table, parse_csv, parse_pipes, require_cells
from jaxscale.data.frames import table_from_parquet
from jaxscale.data.json_shapes import parse_json_text
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.files.reading import is_stream, read_buffer, read_stream, require_regular
from jaxscale.text import listing, many, short

MAX_BYTES = 2 << 30
"""Largest decompressed text that is read."""
MAX_FILES = 100_000

WANTED = "one table (CSV, JSON, Markdown or Parquet), or a pattern such as 'runs/*.csv'"
KINDS = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ""), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    ".parquet": "parquet",
}
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".npy", ".npz")
UNPACK: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open}
"""What opens a stream that begins so."""
FILE = "file"
"""The column with the file of every row, where there are several files."""


def read_table(path: str | Path, decimal: str = ".") -> Table:
    """Read a table by the ending of its name, or by its content where it comes through a pipe.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`/`.ndjson`, `.json`, `.md` with one pipe table, or
            `.parquet`; text may be compressed as `.gz` or `.xz`. `-` is standard input.
        decimal: decimal mark of CSV numbers; "," goes with semicolons.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or malformed; the message
            names the line.
        ValueError: the decimal mark is neither a point nor a comma.
    """
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    if re.match(r"\w+://", str(path)):
        raise DataError(
            f"{short(path, 200)}: nothing is downloaded; save the file and give its path"
        )
    if is_stream(path):
        return _read_stream(str(path), decimal)
    path = Path(path)
    require_regular(path, WANTED)
    suffixes = [s.lower() for s in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] in ([".gz"], [".xz"]) and len(suffixes) > 1 else ""
    kind = kind or (suffixes[-1] if suffixes else "")
    if kind in PICKLES:
        raise DataError(
            f"{path}: {kind} files are not read (unpickling runs code); in Python use "
            "Runs.from_dataframe(df), or write df.to_csv('runs.csv')"
        )
    if kind not in KINDS:
        raise DataError(f"{path}: unknown kind {kind!r}; use .csv, .tsv, .jsonl, .json or .parquet")
    opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)

    def content() -> bytearray:
        return read_buffer(path, MAX_BYTES, WANTED, opener)

    return _parse(_read(content, str(path)), KINDS[kind], str(path), decimal)


def read_tables(given: str | Path | Sequence[str | Path], decimal: str = ".") -> Table:
    """Read one table, or several files as one.

    Args:
        given: a file, a pattern such as `runs/*.csv`, or several of these.
        decimal: decimal mark of CSV numbers.

    Returns:
        The table; that of a pattern or of several files has the file of every row in a column
        `file`, its rows are counted through, and a column that a file lacks is missing there.

    Raises:
        DataError: a file cannot be read, is given twice, or a pattern matches none.
        ValueError: the decimal mark is neither a point nor a comma.
    """
    if isinstance(given, str | Path) and not is_pattern(given):
        return read_table(given, decimal)
    each = [given] if isinstance(given, str | Path) else list(given)
    paths = [path for one in each for path in (_matches(one) if is_pattern(one) else [one])]
    if not paths:
        raise DataError("no file is given; give one table or more")
    if len(paths) > MAX_FILES:
        raise DataError(f"{len(paths):,} files, and {MAX_FILES:,} are the most that is read")
    names = [str(path) for path in paths]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise DataError(f"{short(name, 200)} is given twice; its runs would count twice")
    tables = [read_table(path, decimal) for path in paths]
    shared = str(each[0]) if len(each) == 1 else many(len(names), "file")
    return join_tables(tables, names, shared)


def join_tables(tables: Sequence[Table], names: Sequence[str], source: str) -> Table:
    """Return the rows of several tables as one table, with a column of their names.

    Args:
        tables: the tables.
        names: how the column `file` calls each.
        source: how messages name all of them.
    """
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    rows = sum(len(table.lines) for table in tables)
    require_cells(rows * len(columns), len(columns), source)
    joined: dict[str, Sequence[Any]] = {}
    if FILE not in columns:
        joined[FILE] = [
            name for name, table in zip(names, tables, strict=True) for _ in table.lines
        ]
    for column in columns:
        cells: list[Any] = []
        for table in tables:
            cells.extend(table.columns.get(column, [None] * len(table.lines)))
        joined[column] = cells
    places = tuple(
        f"{name} {table.where(k)}" if len(table.lines) > 1 else name
        for name, table in zip(names, tables, strict=True)
        for k in range(len(table.lines))
    )
    notes = [note for table in tables for note in table.notes]
    hints = [table.hint for table in tables if table.hint]
    lacking = [
        f"{short(name, 80)} has no column {listing(missed, 6)}"
        for name, table in zip(names, tables, strict=True)
        if (missed := [column for column in columns if column not in table.columns])
    ]
    return Table(
        joined,
        range(1, rows + 1),
        source,
        tuple(notes),
        hint=next(iter([*hints, *lacking]), ""),
        places=places,
    )


def is_pattern(path: str | Path) -> bool:
    """Return whether a path is a pattern, and no file that is called so."""
    if is_stream(path) or not glob.has_magic(str(path)):
        return False
    try:
        return not Path(path).exists()
    except (OSError, ValueError):  # too long, a NUL in it: said where it is read
        return False


def _matches(pattern: str | Path) -> list[str]:
    found = sorted(
        name for name in glob.iglob(str(pattern), recursive=True) if Path(name).is_file()
    )
    if not found:
        raise DataError(f"{short(pattern, 200)}: no such file, and no file matches it")
    return found


def _read(content: Callable[[], bytearray], source: str) -> bytearray:
    try:
        return content()
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{source}: cannot be read ({error})") from error


def _read_stream(name: str, decimal: str) -> Table:
    source = "standard input" if name == "-" else name
    raw = _read(lambda: read_stream(name, MAX_BYTES, UNPACK), source)
    if raw.startswith(b"PAR1"):
        return _parse(raw, "parquet", source, decimal)
    begin = raw[:4096].lstrip(b"\xef\xbb\xbf \t\r\n\0\xff\xfe")
    kind = "json" if begin.startswith((b"{", b"[")) else "csv"
    return _parse(raw, kind, source, decimal)


def _parse(raw: bytearray, kind: str, source: str, decimal: str) -> Table:
    """Return the table of a file's content."""
    if kind == "parquet":
        return table_from_parquet(raw, source)
    text = _decoded(raw, source)
    raw.clear()  # a large file need not be there twice
    if re.search(r"\S", text) is None:
        raise DataError(f"{source} is empty; expected a header line and one row per run")
    if kind == "json":
        return parse_json_text(text, source)
    if kind == "markdown" or is_pipe_table(text):
        return parse_pipes(text, source, decimal)
    return parse_csv(text, source, decimal)


def _decoded(raw: bytearray, source: str) -> str:
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{source}, row {row}: not {encoding.removesuffix('-sig').upper()} text "
            f"(byte 0x{raw[error.start]:02x}); save the table as UTF-8"
        ) from error
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{source}, row {row}: a NUL character, so this is no plain text (or UTF-16 without "
            "its mark); save the table as UTF-8"
        )
    return text
