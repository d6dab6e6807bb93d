"""The command `fit`: a law and a table of runs, the fitted law with its certificate."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from jaxscale.cli.given import (
    column_map,
    costed,
    error_column,
    fixed_values,
    law_given,
    pairs,
    robust_loss,
    table,
)
from jaxscale.cli.intervals import interval_limits, interval_table
from jaxscale.cli.options import (
    constraint_options,
    fitting_options,
    flops_option,
    law_option,
    out_option,
    quiet_option,
    seed_option,
    table_argument,
    table_options,
)
from jaxscale.cli.outputs import brief_data, deliver, with_progress
from jaxscale.cli.recorded import reading
from jaxscale.cli.values import integer, number
from jaxscale.data.columns import check_map, likely_errors
from jaxscale.fitting.account import notes
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.optimizers import OPTIMIZERS
from jaxscale.shown.blocks import full_text

EXAMPLES = (
    "jaxscale fit runs.csv --out fit.json",
    "jaxscale fit runs.csv --law PowerLaw:C --column C=flops --where 'loss < 4' --json",
)
LEVEL = 0.9
"""Of the intervals."""
LONG = ("values", "loss", "weight", "rows", "group", "called")
"""Parts of the document's data that are as long as the runs."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `fit`."""
    table_argument(sub)
    law_option(sub)
    fitting_options(sub)
    constraint_options(sub)
    flops_option(sub)
    seed_option(sub, "the starts")
    sub.add_argument("--optimizer", choices=OPTIMIZERS, default="newton", help="of every start")
    sub.add_argument(
        "--max-steps",
        type=integer,
        metavar="K",
        help="evaluations per start; default by the optimizer",
    )
    sub.set_defaults(two_fits=True)
    table_options(sub)
    text = "refit the law to B bootstrap tables, and print intervals; see jaxscale bootstrap"
    sub.add_argument("--bootstrap", type=integer, metavar="B", help=text)
    text = "fit every table that this column tells apart by itself, all in one call"
    sub.add_argument("--by", metavar="COLUMN", help=text)
    text = "with --by: one fit of all tables, which share all parameters but these, e.g. E,A"
    sub.add_argument("--own", metavar="NAME,...", help=text)
    text = "with --own: tables lean on each other (partial pooling); a width of the prior, in "
    text += "logarithms, where it is known, else it is estimated"
    sub.add_argument("--pool", nargs="?", const=True, type=number, metavar="WIDTH", help=text)
    out_option(sub)
    quiet_option(sub)


def _consistent(options: argparse.Namespace) -> None:
    """Raise before any work for options that do not go together."""
    if options.bootstrap is not None and options.bootstrap < 2:
        raise ValueError(f"--bootstrap must be at least 2, got {options.bootstrap}")
    if options.delta == "auto" and options.by is not None:
        raise ValueError("--delta auto is of one fit; give a width beside --by")
    if options.own is not None and options.by is None:
        raise ValueError("--own goes with --by COLUMN, which says what tells the tables apart")
    if options.pool is not None and options.own is None:
        raise ValueError("--pool goes with --by COLUMN --own NAMES")
    if options.by is not None and options.bootstrap is not None and options.own is None:
        raise ValueError(
            "--bootstrap is of one fit; write the fits of --by with --out many.json, then run "
            "jaxscale bootstrap many.json"
        )


def run(options: argparse.Namespace) -> int:
    """Fit a law to a table; print the result."""
    _consistent(options)
    loss, mapping = robust_loss(options), column_map(options)
    error = error_column(options, mapping)
    if options.by is not None:
        from jaxscale.cli.by import by_column, fit_by, together  # a fit alone does not wait for it

        by_column(options, mapping)
    runs, fixed = table(options, mapping), fixed_values(options)
    _, law, column = law_given(options.law, {} if options.own else fixed, runs)
    law, runs = costed(options, law, runs)
    check_map(mapping, [*law.inputs, column, error or ""], options.where)
    if error is None and runs.weight is None and (name := likely_errors(runs.columns)):
        hint = f"column {name!r} looks like standard errors: --error {name!r} weights the runs so"
        runs = runs.replace(warnings=(*runs.warnings, hint))
    asked: dict[str, Any] = {
        "loss": loss,
        "residual": options.residual,
        "optimizer": options.optimizer,
        "starts": options.starts,
        "seed": options.seed,
        "precision": options.precision,
        "max_steps": options.max_steps,
        "bounds": pairs(options.bound, "--bound"),
        "tie": pairs(options.tie, "--tie"),
        "error": error,
    }
    if options.delta == "auto":
        asked["delta"] = "auto"
    if options.own is not None:
        law, runs = together(options, law, runs, fixed)
    elif options.by is not None:
        return fit_by(options, law, runs, asked)
    result = with_progress(options, lambda progress: fit(law, runs, **asked, progress=progress))
    settings = {**result.settings, "law": options.law, **reading(options)}
    result = dataclasses.replace(result, settings=settings)
    text, noted = full_text(result), notes(result)
    document: Callable[[], dict[str, Any]] = result.to_dict
    if options.bootstrap is not None:
        drawn, resampled, more = _resampled(options, result)
        text, noted = f"{text}\n\n{drawn}", [*noted, *more]
        document = lambda: {**result.to_dict(), "bootstrap": resampled}  # noqa: E731
    deliver(options, text, document, brief=brief_fit, notes=noted, noted=True)
    return 0 if result.certificate.trusted else 1


def _resampled(
    options: argparse.Namespace, result: FitResult
) -> tuple[str, dict[str, Any], list[str]]:
    """Return intervals of the parameters from refits, as text and for JSON, and what to note."""
    from jaxscale.uncertainty.bootstrap import bootstrap  # a fit alone does not wait for it

    draws = with_progress(
        options,
        lambda progress: bootstrap(
            result, draws=options.bootstrap, seed=options.seed, progress=progress
        ),
        doing="drawing",
        of="draw",
    )
    found = draws.intervals(level=LEVEL)
    said = {
        "method": draws.method,
        "draws": len(draws),
        "level": LEVEL,
        "seed": options.seed,
        "intervals": {i.name: interval_limits(i) for i in found},
        "seconds": draws.seconds,
    }
    title = f"{len(draws):,} draws, {draws.method} bootstrap, seed {options.seed}"
    return f"{title}\n{interval_table(found, LEVEL)}", said, list(draws.notes)


def brief_fit(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a fit without what is as long as its runs or its starts."""
    brief = brief_data(document)
    brief["data"] = {name: each for name, each in brief["data"].items() if name not in LONG}
    return {name: each for name, each in brief.items() if name not in ("starts", "warnings")}
