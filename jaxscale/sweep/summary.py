"""The summary of a sweep: one row per cell, as JSON and as CSV.

It holds results only, so it has the same bytes however often a sweep was stopped.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.files.document import plain
from jaxscale.files.durable import write_atomically
from jaxscale.fitting.result import FitResult
from jaxscale.sweep.spec import Cell
from jaxscale.uncertainty.bootstrap import case_draws

SCHEMA = 1
LEVEL = 0.9
"""Of the intervals: those that `bootstrap` has on the same draws."""
NESTED = ("params", "standard_error", "interval")


def summary_row(
    cell: Cell,
    n: int,
    document: Mapping[str, Any] | None,
    fit: FitResult | None,
    *,
    replicates: Sequence[Mapping[str, np.ndarray]],
    error: str,
) -> dict[str, Any]:
    """Return a cell's row.

    Args:
        cell: which.
        n: how many runs.
        document: its fit as the file has it, or None.
        fit: the same, loaded; None where there are no replicates.
        replicates: the chunks of its bootstrap, perhaps not all of them.
        error: why it failed; empty if it did not.
    """
    row: dict[str, Any] = {
        "cell": cell.id,
        "data": cell.data.name,
        "law": cell.law.label,
        "loss": cell.loss,
        "delta": cell.delta,
        "residual": cell.residual,
        "seed": cell.seed,
        "n": n,
    }
    certificate = document["certificate"] if document else {}
    row["value"] = document["objective"]["value"] if document else None
    for name in ("share_at_best", "starts", "status"):
        row[name] = certificate.get(name)
    row["trusted"] = certificate.get("trusted", False)
    row["reasons"] = certificate.get("reasons", [])
    row["params"] = document["params"] if document else {}
    row |= _uncertainty(fit, replicates if not error else [], cell.seed)
    row["error"] = error
    return row


def _uncertainty(
    fit: FitResult | None, chunks: Sequence[Mapping[str, np.ndarray]], seed: int
) -> dict[str, Any]:
    """Return the spread of the replicates, as `Draws` states it.

    Those without a finite optimum are left out and counted. What no finite number states is None.
    """
    found: dict[str, Any] = {
        "replicates": 0,
        "replicates_used": 0,
        "standard_error": {},
        "interval": {},
    }
    if fit is None or not chunks:
        return found
    names = [name for name in chunks[0] if name.startswith("param_")]
    table = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in (*names, "value")}
    used = np.isfinite(table["value"])
    found |= {"replicates": len(used), "replicates_used": int(used.sum())}
    if used.sum() < 2:
        return found
    values = {name.removeprefix("param_"): table[name][used] for name in names}
    draws = case_draws(fit, fit.law.replace(**values), seed=seed)
    for interval in draws.intervals(list(values), level=LEVEL):
        found["standard_error"][interval.name] = plain(interval.error)
        found["interval"][interval.name] = plain([interval.low, interval.high])
    return found


def write_summary(directory: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `summary.json` and `summary.csv`, each atomically."""
    text = json.dumps({"schema_version": SCHEMA, "cells": rows}, allow_nan=False, indent=1)
    write_atomically(directory / "summary.json", text.encode() + b"\n")
    flat = [_flat(row) for row in rows]
    plain = [name for name in rows[0] if name not in NESTED]
    # Columns in the order of the laws, whichever parameters those have.
    spread = dict.fromkeys(name for row in flat for name in row if name not in plain)
    order = ("param_", "se_", "low_", "high_")
    nested = sorted(spread, key=lambda name: next(k for k, p in enumerate(order) if p in name[:6]))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*plain, *nested], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_atomically(directory / "summary.csv", buffer.getvalue().encode())


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(value) for name, value in flat_row(row).items()}


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what is nested in columns of its own, `param_alpha` and so on."""
    flat = {name: value for name, value in row.items() if name not in NESTED}
    flat["reasons"] = " ".join(row["reasons"])
    flat |= {f"param_{name}": value for name, value in row["params"].items()}
    flat |= {f"se_{name}": value for name, value in row["standard_error"].items()}
    for side, word in enumerate(("low", "high")):
        flat |= {f"{word}_{name}": pair[side] for name, pair in row["interval"].items()}
    return flat


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, float) else value
