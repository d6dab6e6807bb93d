"""The command `verify`: fit again what a file says was fitted, and say whether the file holds."""

from __future__ import annotations

import argparse
import re
from typing import Any

from jaxscale.cli.given import (
    column_map,
    doubt_sentences,
    doubts,
    error_column,
    fit_given,
    table,
)
from jaxscale.cli.options import (
    error_option,
    out_option,
    quiet_option,
    source_options,
    table_argument,
    table_options,
)
from jaxscale.cli.outputs import deliver, with_progress
from jaxscale.cli.recorded import recorded
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.fitting.reproduction import Verified, stated_versions, verify
from jaxscale.fitting.result import FitResult
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.shown.blocks import full_text
from jaxscale.text import one_line, short

UNITS = re.compile(r"1e[+-]?\d+\*`")
"""Begins the name of a column that was read in full."""
EXAMPLES = (
    "jaxscale verify fit.json runs.csv",
    "jaxscale verify fit.json runs.csv --where 'loss < 40' --json",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `verify`."""
    source_options(sub, presets=False)
    table_argument(sub)
    table_options(sub)
    error_option(sub)
    out_option(sub)
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Fit again; print whether the fit holds."""
    fit = fit_given(options, whole=True)
    try:
        found = _fit_again(options, fit)
    except DataError as error:
        if not (again := _read_otherwise(options, fit)):
            raise
        raise DataError(f"{error}. {again}") from None
    document: dict[str, Any] = {**found.to_dict(), **doubts(fit)}
    deliver(
        options,
        f"{one_line(options.fit)} {full_text(found)}",
        lambda: document,
        notes=found.notes,
        told=doubt_sentences(fit),
    )
    return 0 if found.holds else 1


def _fit_again(options: argparse.Namespace, fit: FitResult) -> Verified:
    read, by = recorded(options, fit.settings)
    mapping = column_map(read)
    error = error_column(read, mapping)
    if by is not None:
        mapping["group"] = by
    runs = table(read, mapping)
    if by is not None and not isinstance(fit.law, FamilyLaw):
        runs = _of_table(runs, options.table)
    made_by = stated_versions(options.fit, options.table)
    return with_progress(
        options,
        lambda progress: verify(fit, runs, error=error, made_by=made_by, progress=progress),
    )


def _read_otherwise(options: argparse.Namespace, fit: FitResult) -> str:
    """Say which options the table of a fit that was made in Python was read with; empty if none."""
    start, read = "not where ", []
    if not fit.settings.get("table"):  # the command line keeps them there
        reasons = dict.fromkeys(why for _, why in fit.runs.dropped if why.startswith(start))
        if options.where is None:
            read += [f'--where "{why.removeprefix(start)}"' for why in reasons]
        if options.units == "plain" and any(map(UNITS.match, fit.runs.names.values())):
            read.append("--units auto")
    said = f"{one_line(options.fit)} has runs that were read in Python with {' '.join(read)}"
    return f"{said}: give that here too" if read else ""


def _of_table(runs: Runs, name: str | None) -> Runs:
    """Return the runs of one of several tables."""
    parts = runs.by_group()
    if name not in parts:
        raise DataError(f"{runs.source}: no table {short(name)}, which the file has a fit of")
    return parts[name]
