"""The command `allocate`: the best N and D for a budget, or for a target loss."""

from __future__ import annotations

import argparse
import dataclasses

from jaxscale.checks.determined import size_note
from jaxscale.checks.information import FACTOR
from jaxscale.checks.table import SWAPPED
from jaxscale.cli.given import (
    code,
    doubt_sentences,
    doubts,
    flops_given,
    has_compute,
    refusal,
    source,
)
from jaxscale.cli.options import (
    flops_option,
    force_option,
    goal_options,
    out_option,
    source_options,
)
from jaxscale.cli.outputs import deliver
from jaxscale.cli.reach import FAR
from jaxscale.decisions.allocation import Allocation, allocate
from jaxscale.fitting.informed import best_size_within
from jaxscale.text import columns, count, quantity

EXAMPLES = (
    "jaxscale allocate fit.json --compute 1e21 1e24",
    "jaxscale allocate Chinchilla:hoffmann_2022 --target-loss 2.0 --json",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `allocate`."""
    source_options(sub)
    goal_options(sub.add_mutually_exclusive_group(required=True))
    flops_option(sub)
    force_option(sub)
    out_option(sub)


def run(options: argparse.Namespace) -> int:
    """Print the best N and D for budgets or target losses."""
    law, result = source(options)
    goals = [dict(compute=c) for c in options.compute or ()]
    goals += [dict(target_loss=x) for x in options.target_loss or ()]
    refused = refusal(options, result)
    flops = flops_given(options, None if result is None else result.runs)
    found = [] if refused else [allocate(law, **goal, flops=flops) for goal in goals]
    reach = [1.0] * len(found)
    if result is not None and has_compute(result):
        reach = [float(result.extrapolation(C=a.compute)["C"]) for a in found]
    called = "loss" if result is None else result.runs.response.kind
    off = [1.0 if result is None else best_size_within(result, a.compute) for a in found]
    rows = [
        dict(dataclasses.asdict(a), extrapolation=x, within_factor=y if 1 < y < 1e9 else None)
        for a, x, y in zip(found, reach, off, strict=True)
    ]
    notes = []
    loose = [size_note(a.compute, y) for a, y in zip(found, off, strict=True) if y > FACTOR]
    for a, x in zip(found, reach, strict=True):
        if a.at_edge:
            notes.append(
                f"the optimum at C = {a.compute:.3g} lies at the edge of the sizes searched"
            )
        if a.tokens_per_parameter < SWAPPED:
            notes.append(
                f"the best run of {a.compute:.3g} FLOPs has {a.tokens_per_parameter:.2g} tokens "
                "per parameter: are N and D of the runs swapped, or in other units?"
            )
        if x > FAR:
            notes.append(f"{a.compute:.3g} FLOPs is a factor {x:.3g} outside the range of the runs")
    deliver(
        options,
        _table(found, called) if found else None,
        lambda: {
            "law": type(law).__name__,
            **doubts(result),
            "response": called,
            "allocations": rows,
        },
        notes=[*notes, *loose],
        told=[*doubt_sentences(result), *refused],
    )
    return 1 if loose else code(result)


def _table(found: list[Allocation], called: str) -> str:
    head = ["compute", "N", "D", "tokens/param", called]
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
    return columns([head, *body], ">>>>>")
