"""The command `influence`.

Results go to stdout, notes to stderr, as in `commands`.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxscale.allocation import allocate
from jaxscale.commands import allocates, code, doubts
from jaxscale.console import show
from jaxscale.influence import Influence, influence
from jaxscale.outputs import check_figure, deliver
from jaxscale.quantities import Best, ComputeFor, Prediction, Quantity, quantity
from jaxscale.result import FitResult, plain, versions
from jaxscale.uncertainty_command import data_of, fit_given, places


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
        from jaxscale import analysis_plots, plotting

        plotting.save(analysis_plots.plot_influence(found), options.figure)

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
