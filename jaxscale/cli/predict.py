"""The command `predict`: losses of a fitted law or a preset."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from jaxscale.cli.console import show
from jaxscale.cli.options import code, doubts, given_inputs, source, unequal_inputs
from jaxscale.laws import predict
from jaxscale.text import columns, count


def run_predict(options: argparse.Namespace) -> int:
    """Evaluate a fitted law or a preset at given inputs."""
    law, result = source(options)
    table = given_inputs(options, law)
    if not table:
        raise unequal_inputs(law)
    many = len(next(iter(table.values())))
    losses = [float(x) for x in predict(law, **{k: np.asarray(v) for k, v in table.items()})]
    rows: list[dict[str, Any]] = [
        dict({k: v[i] for k, v in table.items()}, loss=losses[i]) for i in range(many)
    ]
    if result is not None:
        factors = result.extrapolation(**{k: np.asarray(v) for k, v in table.items()})
        for i, row in enumerate(rows):
            row["extrapolation"] = {name: float(f[i]) for name, f in factors.items()}
    if options.json:
        show(json.dumps({"law": type(law).__name__, **doubts(result), "predictions": rows}))
        return code(result)
    head = [*table, "loss"] + (["outside the runs"] if result is not None else [])
    body = []
    for row in rows:
        cells = [*(count(row[name]) for name in table), f"{row['loss']:.6g}"]
        if result is not None:
            far = {n: f for n, f in row["extrapolation"].items() if f > 1.0000001}
            cells.append(", ".join(f"{n} x {f:.3g}" for n, f in far.items()) or "within")
        body.append(cells)
    show(columns([head, *body], ">" * len(head)))
    return code(result)
