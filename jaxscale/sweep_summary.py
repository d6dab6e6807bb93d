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

from jaxscale._durable import write_atomically
from jaxscale.sweep_spec import Cell

SCHEMA = 1
PERCENTILES = (5.0, 95.0)
"""Of the replicates: a 90 % interval."""
NESTED = ("params", "standard_error", "interval")


def summary_row(
    cell: Cell,
    n: int,
    document: Mapping[str, Any] | None,
    replicates: Sequence[Mapping[str, np.ndarray]],
    error: str,
) -> dict[str, Any]:
    """Return a cell's row.

    Args:
        cell: which.
        n: how many runs.
        document: its fit, or None.
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
    row |= _uncertainty(replicates if not error else [])
    row["error"] = error
    return row


def _uncertainty(chunks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Return the spread of the replicates; those that are not finite are left out and counted."""
    found: dict[str, Any] = {
        "replicates": 0,
        "replicates_used": 0,
        "standard_error": {},
        "interval": {},
    }
    if not chunks:
        return found
    names = [name for name in chunks[0] if name.startswith("param_")]
    table = np.stack([np.concatenate([chunk[name] for chunk in chunks]) for name in names], axis=1)
    value = np.concatenate([chunk["value"] for chunk in chunks])
    used = table[np.isfinite(value) & np.isfinite(table).all(axis=1)]
    found |= {"replicates": len(table), "replicates_used": len(used)}
    if len(used) < 2:
        return found
    for k, name in enumerate(names):
        short = name.removeprefix("param_")
        found["standard_error"][short] = float(np.std(used[:, k], ddof=1))
        found["interval"][short] = [float(x) for x in np.percentile(used[:, k], PERCENTILES)]
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
    flat = {name: value for name, value in row.items() if name not in NESTED}
    flat["reasons"] = " ".join(row["reasons"])
    flat |= {f"param_{name}": value for name, value in row["params"].items()}
    flat |= {f"se_{name}": value for name, value in row["standard_error"].items()}
    for side, word in enumerate(("low", "high")):
        flat |= {f"{word}_{name}": pair[side] for name, pair in row["interval"].items()}
    return {name: _cell(value) for name, value in flat.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, float) else value
