"""The command `allocate`: the best N and D for a budget, or for a target loss."""

from __future__ import annotations

import argparse
import dataclasses
import json

from jaxscale.cli.console import say, show
from jaxscale.cli.options import allocates, code, doubts, has_compute, source
from jaxscale.decisions.allocation import allocate
from jaxscale.text import columns, count, quantity


def run_allocate(options: argparse.Namespace) -> int:
    """Print the best N and D for budgets or target losses."""
    law, result = source(options)
    goals = [dict(compute=c) for c in options.compute or ()]
    goals += [dict(target_loss=x) for x in options.target_loss or ()]
    if not allocates(options, result):
        goals = []
    found = [allocate(law, **goal) for goal in goals]
    reach = [1.0] * len(found)
    if result is not None and has_compute(result):
        reach = [float(result.extrapolation(C=a.compute)["C"]) for a in found]
    if options.json:
        rows = [
            dict(dataclasses.asdict(a), extrapolation=x) for a, x in zip(found, reach, strict=True)
        ]
        show(json.dumps({"law": type(law).__name__, **doubts(result), "allocations": rows}))
    elif found:
        head = ["compute", "N", "D", "tokens/param", "loss"]
        body = [
            [
                f"{a.compute:.4g}",
                count(a.N),
                count(a.D),
                quantity(a.tokens_per_parameter),
                f"{a.loss:.5f}",
            ]
            for a in found
        ]
        show(columns([head, *body], ">>>>>"))
    for a, x in zip(found, reach, strict=True):
        if a.at_edge:
            say(f"note: the optimum at C = {a.compute:.3g} lies at the edge of the sizes searched")
        if x > 10:
            say(f"note: {a.compute:.3g} FLOPs is a factor {x:.3g} outside the range of the runs")
    return code(result)
