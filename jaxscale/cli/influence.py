"""The command `influence`.

Results go to stdout, notes to stderr, as in `commands`.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxscale.cli.console import show
from jaxscale.cli.options import (
    allocates,
    code,
    data_of,
    doubts,
    fit_given,
    force_option,
    input_options,
    places,
    source_options,
)
from jaxscale.cli.outputs import check_figure, deliver
from jaxscale.decisions.allocation import allocate
from jaxscale.files.document import plain, versions
from jaxscale.fitting.result import FitResult
from jaxscale.uncertainty.influence import Influence, influence
from jaxscale.uncertainty.quantities import BEST, Best, ComputeFor, Prediction, Quantity, quantity


def run_influence(options: argparse.Namespace) -> int:
    """Print what each run does to one answer."""
    fit = fit_given(options)
    spends = options.compute is not None or options.target_loss is not None
    if spends and not allocates(options, fit):
        if options.json:
            show(json.dumps({"law": type(fit.law).__name__, **doubts(fit), "runs": []}))
        return code(fit)
    asked = _one(options, fit)
    check_figure("--figure", options.figure)
    if options.most < 1:
        raise ValueError(f"--most must be 1 or more, got {options.most}")
    found = influence(fit, asked)

    def draw() -> None:
        from jaxscale import plotting
        from jaxscale.plotting.influence import plot_influence

        plotting.save(plot_influence(found), options.figure)

    deliver(
        options,
        found.table(options.most),
        lambda: json.dumps(_influence_document(fit, found), allow_nan=False),
        files=[draw] if options.figure else [],
    )
    return code(fit)


def _one(options: argparse.Namespace, fit: FitResult) -> Quantity:
    """Return the only quantity that the options ask for."""
    at_places = places(options, fit)
    given: list[Any] = [options.param] if options.param else []
    if options.compute is not None:
        given.append(quantity(Best(options.compute, options.best), fit.law))
        allocate(fit.law, compute=options.compute)  # raises where no budget is one
    if options.target_loss is not None:
        given.append(quantity(ComputeFor(options.target_loss), fit.law))
        allocate(fit.law, target_loss=options.target_loss)
    given += [Prediction(at) for at in at_places]
    if len(given) != 1:
        inputs = " ".join(f"--{name} X" for name in fit.law.inputs)
        raise ValueError(
            f"influence is on one answer, and {len(given)} are asked for; give one of --param "
            f"NAME, --compute C, --target-loss L, or one prediction: {inputs}"
        )
    return quantity(given[0], fit.law)


def _influence_document(fit: FitResult, found: Influence) -> dict[str, Any]:
    runs = [
        {
            "row": int(found.runs.rows[k]),
            "inputs": {name: float(x[k]) for name, x in found.values.items()},
            "loss": float(found.runs.loss[k]),
            "residual": float(found.residual[k]),
            "without": float(found.without[k]),
            "d_loss": float(found.loss[k]),
            "d_weight": float(found.weight[k]),
            "d_log_inputs": {name: float(x[k]) for name, x in found.inputs.items()},
            "leverage": float(found.leverage[k]),
        }
        for k in found.largest(len(found))
    ]
    document = {
        "schema_version": 1,
        "law": type(fit.law).__name__,
        "quantity": found.quantity,
        "value": found.value,
        "log": found.log,
        "runs": runs,
        "d_delta": found.delta,
        "d_fixed": dict(found.fixed),
        "condition": found.condition,
        "rounds": found.rounds,
        "data": data_of(fit),
        "versions": versions(),
    }
    return dict(plain(document))


def influence_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `influence`."""
    source_options(sub)
    sub.add_argument("--param", metavar="NAME", help="a parameter or derived name, e.g. alpha")
    sub.add_argument("--compute", type=float, metavar="C", help="the best run of a budget, FLOPs")
    sub.add_argument("--best", choices=BEST, default="N", help="what of the best run; default N")
    sub.add_argument("--target-loss", type=float, metavar="L", help="the compute for a loss")
    input_options(sub)
    force_option(sub)
    sub.add_argument("--most", type=int, default=10, help="lines of the table; default 10")
    sub.add_argument("--figure", metavar="FILE", help="draw the runs that decide")
