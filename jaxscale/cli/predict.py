"""The command `predict`: losses of a fitted law or a preset."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from jaxscale.cli.given import (
    code,
    doubt_sentences,
    doubts,
    given_inputs,
    has_compute,
    places,
    source,
    unequal_inputs,
)
from jaxscale.cli.options import input_options, out_option, own_flops_option, source_options
from jaxscale.cli.outputs import deliver
from jaxscale.fitting.fractions import beyond_a_fraction
from jaxscale.fitting.reach import (
    APART,
    lonely,
    note_together,
    ratio,
    said_outside,
    together,
    whole_inputs,
)
from jaxscale.fitting.result import FitResult
from jaxscale.laws import predict
from jaxscale.text import columns, count

EXAMPLES = (
    "jaxscale predict fit.json --N 70e9 --D 1.4e12",
    "jaxscale predict Chinchilla:hoffmann_2022 --N 1e9 7e9 --C 1e22 --json",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    source_options(sub)
    own_flops_option(sub)
    input_options(sub)
    out_option(sub)


def run(options: argparse.Namespace) -> int:
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
    notes: list[str] = []
    if result is not None:
        for row, at in zip(rows, places(options, result), strict=True):
            row["extrapolation"], said = _outside(result, at)
            notes += said
    called = "loss" if result is None else result.runs.response.kind
    notes += beyond_a_fraction(result, losses)
    perplexed = result is not None and result.runs.response.of_perplexity
    for row in rows if perplexed else ():
        row["perplexity"] = float(np.exp(row["loss"]))
    head = [*table, called, *(["perplexity"] if perplexed else [])] + (
        ["outside the runs"] if result is not None else []
    )
    body = []
    for row in rows:
        cells = [*(count(row[name]) for name in table), f"{row['loss']:.6g}"]
        cells += [f"{row['perplexity']:.6g}"] if perplexed else []
        if result is not None:
            cells.append(said_outside(row["extrapolation"]))
        body.append(cells)
    deliver(
        options,
        columns([head, *body], ">" * len(head)),
        lambda: {
            "law": type(law).__name__,
            **doubts(result),
            "response": called,
            "predictions": rows,
        },
        notes=notes,
        told=doubt_sentences(result),
    )
    return code(result)


def _outside(fit: FitResult, at: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    """Return how far outside the runs a place lies, factors by input, and notes on it."""
    whole = whole_inputs(fit, at)
    seen = {*at, *fit.law.inputs, *("C" if has_compute(fit) else "")}
    named = {name: x for name, x in whole.items() if name in seen}
    factors = {name: float(factor) for name, factor in fit.extrapolation(**named).items()}
    if (off := ratio(fit, whole)) > 1:
        factors["D/N"] = off
    apart = note_together(fit, at)
    if apart and (far := together(fit, whole)) > APART:
        factors["together"] = far
    elif apart and (far := lonely(fit, whole)) > APART:
        factors["nearest run"] = far
    return factors, apart
