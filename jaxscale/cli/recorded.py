"""How a table was read, kept with the fit: a file then says all that made it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from jaxscale.errors import DataError

DEFAULTS: dict[str, Any] = {
    "column": [],
    "where": None,
    "drop_highest": 0,
    "bad": "raise",
    "units": "plain",
    "melt": None,
    "parse": [],
    "last_of": None,
    "end": "last",
    "best_of": None,
    "over": None,
    "average_over": None,
    "envelope": None,
    "decimal": ".",
    "scale": [],
    "error": None,
}
"""Options that say how a table is read, as they are where none is given."""
OLD = {"lowest": "best_of"}
"""Names that fits of earlier versions keep."""
PAIRS = ("scale",)


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """Return how a table is read, as the settings of a fit keep it; empty if nothing was said."""
    said = {name: getattr(options, name) for name, none in DEFAULTS.items()}
    kept = {name: value for name, value in said.items() if value != DEFAULTS[name]}
    by = getattr(options, "by", None)
    return {"table": kept | ({"by": by} if by else {})} if kept or by else {}


def recorded(
    options: argparse.Namespace, settings: Mapping[str, Any]
) -> tuple[argparse.Namespace, str | None]:
    """Return the options of a table as its fit kept them, and the column that told tables apart.

    What is given now goes before what was kept.

    Args:
        options: of a command.
        settings: of the fit.

    Raises:
        DataError: what the file keeps is no reading.
    """
    kept = settings.get("table", {})
    if isinstance(kept, dict):
        kept = {OLD.get(name, name): value for name, value in kept.items()}
    if not isinstance(kept, dict) or not kept.keys() <= {*DEFAULTS, "by"}:
        raise DataError("settings.table: no options of a table that this version knows")
    read = argparse.Namespace(**vars(options))
    for name, none in DEFAULTS.items():
        if getattr(options, name) == none and name in kept:
            setattr(read, name, _like(name, kept[name], none))
    by = kept.get("by")
    if by is not None and not isinstance(by, str):
        raise DataError("settings.table.by: expected the name of a column")
    return read, by


def _like(name: str, value: Any, none: Any) -> Any:
    """Return a kept value, of the kind that the option has."""
    pairs = name in PAIRS
    kind = list if isinstance(none, list) else int if isinstance(none, int) else str
    if type(value) is not kind:
        raise DataError(f"settings.table.{name}: expected a {kind.__name__}")
    if not isinstance(value, list):
        return value
    for each in value:
        pair = isinstance(each, list | tuple) and len(each) == 2 and isinstance(each[0], str)
        if not (pair and type(each[1]) in (int, float) if pairs else isinstance(each, str)):
            raise DataError(
                f"settings.table.{name}: expected a list of {'pairs' if pairs else 'texts'}"
            )
    return [tuple(each) for each in value] if pairs else list(value)
