"""The command `fit`: a law and a table of runs, the fitted law with its certificate."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from jaxscale.cli.options import column_map, problem_options, robust_loss, table, table_options
from jaxscale.cli.outputs import deliver, with_progress
from jaxscale.data.columns import check_map
from jaxscale.data.runs import Runs
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import notes
from jaxscale.laws import Law
from jaxscale.laws.names import find_law
from jaxscale.optimizers import OPTIMIZERS


def fit_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `fit`."""
    sub.add_argument("runs", help="CSV, TSV, JSON Lines, JSON or Parquet file")
    problem_options(sub)
    sub.add_argument("--delta", type=float, help="width of the Huber loss; default 1e-3")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--optimizer", choices=OPTIMIZERS, default="newton")
    sub.add_argument("--max-steps", type=int, help="evaluations per start")
    table_options(sub)
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _law(options: argparse.Namespace, runs: Runs) -> Law:
    cls = find_law(options.law)
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    settings: dict[str, Any] = {}
    if "of" in fields:
        scales = [name for name in ("S", "N", "D", "C") if name in runs.columns]
        if options.of is None and len(scales) != 1 and "S" not in scales:
            raise ValueError(
                f"{cls.__name__} is a law of one scale: say which with --of COLUMN "
                f"({', '.join(scales or runs.columns)})"
            )
        settings["of"] = runs.column_called(options.of or ("S" if "S" in scales else scales[0]))
    elif options.of is not None:
        raise ValueError(f"{cls.__name__} takes {', '.join(cls().inputs)}; --of does not apply")
    names = [name for name, _ in options.fix]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"--fix {twice[0]} is given twice")
    return cls(**settings).replace(**dict(options.fix))


def run_fit(options: argparse.Namespace) -> int:
    """Fit a law to a table; print the result."""
    loss, mapping = robust_loss(options), column_map(options)
    runs = table(options, mapping)
    law = _law(options, runs)
    check_map(mapping, [*law.inputs, options.of or ""], options.where)
    result = with_progress(
        options,
        lambda progress: fit(
            law,
            runs,
            loss=loss,
            residual=options.residual,
            optimizer=options.optimizer,
            starts=options.starts,
            seed=options.seed,
            precision=options.precision,
            max_steps=options.max_steps,
            progress=progress,
        ),
    )
    result = dataclasses.replace(result, settings={**result.settings, "law": options.law})
    deliver(options, str(result), result.to_json, out=options.out, notes=notes(result))
    return 0 if result.certificate.trusted else 1
