"""Tables from dataframes, Parquet and arrays: sources that have types."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.shown.frames import LIBRARIES
from jaxscale.text import listing, short


def table_from_parquet(content: bytes | bytearray, source: str) -> Table:
    """Return the table of a Parquet file.

    Raises:
        DataError: it is none, or pyarrow is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{source}: Parquet needs pyarrow; install it with: pip install 'jaxscale[parquet]'"
        ) from error
    try:
        frame = parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{source}: not a Parquet file ({str(error)[:120]})") from error
    return dataclasses.replace(table_from_dataframe(frame, source), frame_kind="")


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
        numbers = _numbers(series)
        if numbers is not None:
            columns[str(name).strip()] = numbers  # type: ignore[assignment]
            continue
        cells = [None if type(v).__name__ in ("NAType", "NaTType") else v for v in series.to_list()]
        columns[str(name).strip()] = cells
        if series.dtype.is_numeric():
            numbers = np.array([np.nan if v is None else float(v) for v in cells])
            columns[str(name).strip()] = numbers  # type: ignore[assignment]
    library = native.implementation.name.lower()
    kind = library if library in LIBRARIES else ""
    return Table(columns, range(1, len(native) + 1), source, frame_kind=kind)


def _numbers(series: Any) -> np.ndarray | None:
    """Return a column [n] that is plain numbers without gaps; None for any other."""
    if not (series.dtype.is_integer() or series.dtype.is_float()) or series.null_count():
        return None
    values = np.asarray(series.to_numpy())
    return values.astype(float) if values.dtype.kind in "iuf" else None


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
    return Table(columns, range(1, next(iter(lengths.values())) + 1), source)


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
