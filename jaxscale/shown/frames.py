"""Tables of results as dataframes of the kind that a person works with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

LIBRARIES = ("pandas", "polars", "pyarrow")
"""In this order one is taken where nobody says which."""
KINDS = (*LIBRARIES, "dict")


def frame(columns: Mapping[str, Any], kind: str | None = None, own: str = "") -> Any:
    """Return columns as a dataframe.

    Args:
        columns: lists or arrays of equal length by name.
        kind: "pandas", "polars", "pyarrow" or "dict" (of NumPy arrays); None for the kind of frame
            that the runs came from, else the first of these that is installed.
        own: the kind of frame that the runs came from; empty where they came from none.

    Raises:
        ValueError: there is no such kind.
        ImportError: the library asked for is not installed.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind in LIBRARIES and not find_spec(kind):
        raise ImportError(f"kind={kind!r} needs {kind}: pip install {kind}; or ask for kind='dict'")
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    have = (each for each in (own, *LIBRARIES) if each and find_spec(each))
    chosen = kind or next(have, "dict")
    if chosen == "dict":
        return arrays
    import narwhals as nw

    lists = {name: x.tolist() if x.dtype.kind in "UO" else x for name, x in arrays.items()}
    return nw.from_dict(lists, backend=chosen).to_native()  # type: ignore[arg-type]
