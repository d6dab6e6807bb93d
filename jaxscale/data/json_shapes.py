"""JSON in the shapes that people keep runs in, to raw tables.

One object per line, an array of objects, and what other tools write by default: an object of lists
(`{"N": [...]}`), pandas' columns by index (`{"N": {"0": ...}}`), its split and table orients, an
object of runs by name (`{"run1": {...}}`), an array of objects beside other fields
(`{"points": [...]}`), and any of these as the only field of an object. Nested objects become
columns with dots. What has another shape is refused by what it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jaxscale.data.csv_text import MAX_CELLS, MAX_ROWS, NEWLINE, lines_of, require_cells
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.files.reading import parse_json, parse_json_array
from jaxscale.text import listing, literal, short

MAX_CHARACTERS = 1 << 29
"""Longest JSON that is read as one value; objects take many times the memory of their text."""
MEASURED = re.compile(r"loss|ppl|perplexity|bp[bcd]\b|acc|error|score|reward|nll|entropy", re.I)
"""Names of what a run measured."""
SIZES = re.compile(r"param|token|flop|compute|step|\b[NDCS]\b", re.I)
"""Names of what a run was given."""
MAX_LINE = 1 << 26
"""Longest line of JSON Lines."""
PARTS = frozenset(
    "train training val valid validation test eval evaluation dev config summary args arguments "
    "model data dataset optimizer optim hparams hyperparameters params metrics results settings "
    "meta metadata info system timing".split()
)
"""Names of parts of one run, which are no names of runs."""
TIMES = re.compile(r"step|iter|epoch|time", re.I)
"""Names by which an array of objects is the log of one run."""
ALIKE = 0.5
"""Least share of common keys of objects that are rows of one table."""
WANTED = "one object per line, or one array of objects (df.to_json(path, orient='records'))"
DEEPEST = 32


def parse_json_text(text: str, source: str) -> Table:
    """Return the table of a JSON text.

    Args:
        text: the text.
        source: how messages name it.

    Raises:
        DataError: it is not JSON, or of a shape that is no table; the message says which.
    """
    begin = re.search(r"\S", text)
    start = 0 if begin is None else begin.start()
    end = NEWLINE.search(text, start)
    several = end is not None and re.compile(r"\S").search(text, end.end()) is not None
    if several and end is not None and _is_json(text[start : end.start()]):
        return _from_lines(text, source)
    _require_readable(text, source)
    array, place = text[start] == "[", source if several else f"{source}, row 1"
    try:
        value = parse_json_array(text, source) if array else parse_json(text, place)
    except json.JSONDecodeError as error:
        what = "line" if array else "row"
        raise DataError(
            f"{source}, {what} {error.lineno}: not JSON ({error.msg}); write {WANTED}"
        ) from error
    return _from_value(value, source)


def _require_readable(text: str, source: str) -> None:
    """Raise where one JSON value would take too much memory."""
    for count, what, most in (
        (len(text), "characters in one value", MAX_CHARACTERS),
        (text.count("{") + text.count("["), "objects and arrays", 2 * MAX_ROWS),
        (text.count(","), "commas", MAX_CELLS),
    ):
        if count > most:
            raise DataError(
                f"{source}: JSON of {count:,} {what}, and {most:,} are the most that is read; "
                "write one object per line and run"
            )


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):  # JSON that cannot be held; said where the line is read
        return True
    return True


def _from_lines(text: str, source: str) -> Table:
    """Return the table of JSON Lines; a last line that is cut off is left out, with a note."""
    if text.count("\n") > MAX_ROWS:
        raise DataError(
            f"{source}: {text.count(chr(10)):,} lines, and {MAX_ROWS:,} are the most that is read; "
            "keep one row per run"
        )
    notes: list[str] = []
    records: list[tuple[int, Any]] = []
    for number, line in enumerate(lines_of(text), 1):
        if line.isspace():
            continue
        if len(line) > MAX_LINE:
            raise DataError(
                f"{source}, row {number}: a line of {len(line):,} characters, and {MAX_LINE:,} are "
                "the most that is read; keep what belongs to the run's row"
            )
        try:
            records.append((number, parse_json(line, f"{source}, row {number}")))
        except json.JSONDecodeError as error:
            if line[-1] not in "\r\n" and records:
                notes.append(f"{source}, row {number}: cut off (a writer at work?); left out")
                continue
            raise DataError(
                f"{source}, row {number}: not JSON ({error.msg}); write {WANTED}"
            ) from error
    return _from_records(records, source, notes)


def _from_records(
    records: Sequence[tuple[int, Any]], source: str, notes: Sequence[str] = ()
) -> Table:
    """Return the table of objects, each with its line or position."""
    flat: list[dict[str, Any]] = []
    for number, record in records:
        if not isinstance(record, dict):
            raise DataError(
                f'{source}, row {number}: expected an object such as {{"N": 1e8, ...}}, got '
                f"{_said(record)}; write {WANTED}"
            )
        flat.append(_flatten(record))
    names = list(dict.fromkeys(name for record in flat for name in record))
    if not names:
        raise DataError(f"{source}: no rows")
    require_cells(len(flat) * len(names), len(names), source)
    columns: dict[str, Sequence[Any]] = {
        name: [record.get(name) for record in flat] for name in names
    }
    logs = [name for name in names if _is_records(flat[0].get(name))]
    hint = f"column {short(logs[0])} holds a list of objects in every row" if logs else ""
    return Table(columns, [number for number, _ in records], source, tuple(notes), hint=hint)


def _flatten(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and prefix.count(".") < DEEPEST:
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _from_value(value: Any, source: str) -> Table:
    """Return the table of one JSON value, by its shape."""
    value = _unwrapped(value)
    if isinstance(value, list):
        return _from_array(value, source)
    if not isinstance(value, dict):
        raise _refused(source, f"a JSON document of {_said(value)}")
    if {"schema_version", "formula", "certificate"} <= set(value):
        raise _refused(source, "a fit that jaxscale wrote")
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _from_rows(value["columns"], value["data"], source)
    kinds = {
        "objects": {k: v for k, v in value.items() if isinstance(v, dict) and v},
        "arrays": {k: v for k, v in value.items() if _is_records(v)},
        "lists": {k: v for k, v in value.items() if isinstance(v, list) and not _is_records(v)},
    }
    scalars = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
    measured = any(MEASURED.search(name) for name in scalars)
    one_run = measured and any(SIZES.search(name) for name in scalars)
    if kinds["arrays"] and not one_run:
        return _from_arrays(kinds["arrays"], scalars, source, others=kinds["lists"])
    if len(kinds["objects"]) > 1 and len(kinds["objects"]) == len(value):
        table = _from_objects(kinds["objects"], source)
        if table is not None:
            return table
    lists = kinds["lists"]
    if lists and not kinds["objects"] and (not scalars or any(map(MEASURED.search, lists))):
        return _from_lists(lists, scalars, source)
    return _from_records([(1, value)], source)


def _unwrapped(value: Any) -> Any:
    """Return what lies in objects of one field and arrays of one element, while that is nested."""
    for _ in range(DEEPEST):
        inner = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(inner, list) or len(inner) != 1:
            break
        only = inner[0]
        nested = isinstance(only, list) and any(isinstance(x, dict | list) for x in only)
        if not (isinstance(only, dict) or nested):
            break
        value = only
    return value


def _from_array(value: list[Any], source: str) -> Table:
    """Return the table of an array: of objects, each perhaps with its points, or of rows."""
    if value and all(isinstance(row, list) for row in value):
        if not all(isinstance(name, str) for name in value[0]):
            raise _refused(source, "a JSON array of arrays without names")
        return _from_rows(value[0], value[1:], source)
    if value and all(isinstance(record, dict) for record in value):
        inner = {k for record in value for k, v in record.items() if _is_records(v)}
        outer = {k for record in value for k, v in record.items() if not isinstance(v, dict | list)}
        for name in inner if len(inner) == 1 and not any(map(MEASURED.search, outer)) else ():
            if not any(map(TIMES.search, _keys(value, name))):
                rows = [
                    {**{k: v for k, v in record.items() if k in outer}, **point}
                    for record in value
                    for point in record.get(name, ())
                ]
                return _from_records(list(enumerate(rows, 1)), source)
    return _from_records(list(enumerate(value, 1)), source)


def _keys(records: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    return {key for record in records for point in record.get(name, ()) for key in point}


def _from_rows(names: Sequence[Any], rows: Sequence[Any], source: str) -> Table:
    """Return the table of arrays below their names."""
    called = [str(name).strip() for name in names]
    twice = [name for name, times in Counter(called).items() if times > 1]
    if twice:
        raise DataError(f"{source}: column {short(twice[0])} appears twice; rename one of them")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(called):
            said = f"{len(row)} cells" if isinstance(row, list) else _said(row)
            raise DataError(f"{source}, row {number}: {said} for {len(called)} columns")
    if not rows:
        raise DataError(f"{source}: no rows (columns {listing(called)})")
    columns: dict[str, Sequence[Any]] = {
        name: [row[k] for row in rows] for k, name in enumerate(called)
    }
    return Table(columns, list(range(1, len(rows) + 1)), source)


def _from_arrays(
    arrays: Mapping[str, list[Any]],
    scalars: Mapping[str, Any],
    source: str,
    *,
    others: Mapping[str, Any],
) -> Table:
    """Return the table of the only array of objects, or of arrays by the names of their runs."""
    if any(map(TIMES.search, _keys([arrays], next(iter(arrays))))):
        scalars = {}  # of a log: where the run stands, such as `global_step`, beside its steps
    if len(arrays) == 1:
        rows = [{**scalars, **record} for record in next(iter(arrays.values()))]
        notes = [f"{source}: {short(name)} is left out: it is no column" for name in others]
        return _from_records(list(enumerate(rows, 1)), source, notes)
    alike = _are_alike([records[0] for records in arrays.values()])
    if not alike or any(name.lower() in PARTS for name in arrays):
        raise _refused(source, f"a JSON object of several arrays of objects ({listing([*arrays])})")
    rows = [
        {**scalars, "run": name, **record} for name, records in arrays.items() for record in records
    ]
    return _from_records(list(enumerate(rows, 1)), source)


def _from_objects(objects: Mapping[str, dict[str, Any]], source: str) -> Table | None:
    """Return the table of an object of objects, by columns or by runs; None where it is one run."""
    inner = list(next(iter(objects.values())))
    flat = not any(isinstance(v, dict | list) for each in objects.values() for v in each.values())
    same = all(list(each) == inner for each in objects.values())
    digits = [all(name.isdigit() for name in names) for names in (inner, objects)]
    hits = [_hits(inner), _hits(objects)]
    if flat and same and (digits == [True, False] or (not digits[1] and hits[1] > hits[0])):
        columns: dict[str, Sequence[Any]] = {k: list(v.values()) for k, v in objects.items()}
        if not digits[0]:
            columns = {"run": inner, **columns}
        return Table(columns, list(range(1, len(inner) + 1)), source)
    parts = any(name.lower() in PARTS for name in objects)
    if not digits[1] and (parts or not _are_alike(list(objects.values()))):
        return None
    rows = [record if digits[1] else {"run": name, **record} for name, record in objects.items()]
    return _from_array(rows, source)


def _from_lists(lists: Mapping[str, list[Any]], scalars: Mapping[str, Any], source: str) -> Table:
    """Return the table of an object of lists of one length."""
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{short(name, 24)} {n}" for name, n in list(lengths.items())[:8])
        raise _refused(source, f"a JSON object of lists of unequal length ({said})")
    n = next(iter(lengths.values()))
    if n == 0:
        raise DataError(f"{source}: no rows (columns {listing([*lists])})")
    columns: dict[str, Sequence[Any]] = {
        **{name: [value] * n for name, value in scalars.items()},
        **lists,
    }
    return Table(columns, list(range(1, n + 1)), source)


def _hits(names: Any) -> int:
    return sum(bool(MEASURED.search(name) or SIZES.search(name)) for name in names)


def _are_alike(objects: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether objects have most of their keys in common."""
    times = Counter(key for each in objects for key in each)
    common = {key for key, count in times.items() if 2 * count >= len(objects) and count > 1}
    return sum(len(common & set(each)) for each in objects) >= ALIKE * sum(map(len, objects))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _said(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"an array of {len(value)}"
    return f"the text {short(value)}" if isinstance(value, str) else literal(value)


def _refused(source: str, found: str) -> DataError:
    return DataError(f"{source}: {found}, which is no table of runs; write {WANTED}")
