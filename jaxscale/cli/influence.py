"""The command `influence`: which runs decide an answer of a fit."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.given import (
    code,
    data_of,
    doubt_sentences,
    doubts,
    fit_given,
    places,
    refusal,
)
from jaxscale.cli.options import (
    figure_option,
    force_option,
    goal_options,
    input_options,
    out_option,
    own_flops_option,
    source_options,
)
from jaxscale.cli.outputs import check_figure, deliver
from jaxscale.cli.values import integer
from jaxscale.decisions.allocation import allocate
from jaxscale.fitting.result import FitResult
from jaxscale.uncertainty.influence import Influence, influence
from jaxscale.uncertainty.quantities import BEST, Best, ComputeFor, Prediction, Quantity, quantity

EXAMPLES = (
    "jaxscale influence fit.json --compute 1e24",
    "jaxscale influence fit.json --param alpha --most 5 --figure influence.png",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `influence`."""
    source_options(sub, presets=False)
    own_flops_option(sub)
    sub.add_argument("--param", metavar="NAME", help="a parameter or derived name, e.g. alpha")
    goal_options(sub, several=False)
    sub.add_argument("--best", choices=BEST, default="N", help="what of the best run of a budget")
    input_options(sub)
    force_option(sub)
    sub.add_argument("--most", type=integer, default=10, metavar="K", help="runs that are shown")
    out_option(sub)
    figure_option(sub, "the runs that decide")


def run(options: argparse.Namespace) -> int:
    """Print what each run does to one answer."""
    fit = fit_given(options)
    spends = options.compute is not None or options.target_loss is not None
    refused = refusal(options, fit) if spends else []
    told = [*doubt_sentences(fit), *refused]
    if refused:
        empty = {"law": type(fit.law).__name__, **doubts(fit), "runs": []}
        deliver(options, None, lambda: empty, told=told)
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
        found.text(options.most),
        lambda: _document(fit, found),
        brief=lambda document: {**document, "runs": document["runs"][: options.most]},
        told=told,
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


def _document(fit: FitResult, found: Influence) -> dict[str, Any]:
    runs = [
        {
            "row": int(found.runs.rows[k]),
            "name": found.runs.called.get(int(found.runs.rows[k])),
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
    return {
        "law": type(fit.law).__name__,
        **doubts(fit),
        "quantity": found.quantity,
        "value": found.value,
        "log": found.log,
        "runs": runs,
        "d_delta": found.delta,
        "d_fixed": dict(found.fixed),
        "condition": found.condition,
        "rounds": found.rounds,
        "data": data_of(fit),
    }
