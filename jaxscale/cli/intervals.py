"""Intervals as the commands show them: a row of text, and the numbers of JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxscale.text import columns, count
from jaxscale.text import quantity as number
from jaxscale.uncertainty.intervals import Interval


def interval_limits(i: Interval) -> dict[str, float]:
    """Return an interval for JSON."""
    return {"estimate": i.estimate, "error": i.error, "low": i.low, "high": i.high}


def interval_row(name: str, i: Interval) -> list[str]:
    """Return the cells of an interval: name, estimate, standard error, and both ends."""
    counted = name in ("N", "D", "compute")
    called = {"tokens_per_parameter": "tokens/param", "mean_law": "mean law"}.get(name, name)
    error = "" if math.isnan(i.error) else count(i.error) if counted else number(i.error, 3)
    center = count(i.estimate) if counted else number(i.estimate, 6)
    ends = [count(x) if counted else number(x) for x in (i.low, i.high)]
    return [f"  {called}", center, error, *ends]


def head_row(level: float) -> list[str]:
    """Return the heads of these cells."""
    return ["", "estimate", "s.e.", f"{100 * level:g} % from", "to"]


def interval_table(found: Sequence[Interval], level: float) -> str:
    """Return intervals as a table of text."""
    return columns([head_row(level), *(interval_row(i.name, i) for i in found)], "<>>>>")
