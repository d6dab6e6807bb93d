"""What a report shows beside its fit, made from it as by the commands of their own."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.console import say
from jaxscale.cli.outputs import with_progress
from jaxscale.errors import DataError, JaxscaleError
from jaxscale.fitting.result import FitResult


def further_option(sub: argparse.ArgumentParser) -> None:
    """Add the option that leaves all of it out."""
    text = "leave out what takes up to a minute: the comparison of laws, the answer under other "
    text += "choices, the other approaches to it"
    sub.add_argument("--quick", action="store_true", help=text)


def further(options: argparse.Namespace, fit: FitResult) -> list[Any]:
    """Return the results that the runs allow; a note says why one that was tried failed."""
    if options.quick or not fit.certificate.trusted:
        return []
    two = set(fit.law.inputs) == {"N", "D"}
    found = []
    for name, make in (("isoflop", _isoflop), ("specify", _specified), ("compare", _compared)):
        if name != "compare" and not (two and (name != "isoflop" or _has_budgets(fit))):
            continue
        try:
            found.append(make(options, fit))
        except (JaxscaleError, ValueError) as error:
            say(f"note: no {name} in the report: {error}")
    return found


def _has_budgets(fit: FitResult) -> bool:
    """Return whether the runs are of an isoFLOP design; most tables are not, and need no note."""
    from jaxscale.isoflops.budgets import find_budgets

    try:
        find_budgets(fit.runs)
    except DataError:
        return False
    return True


def _compared(options: argparse.Namespace, fit: FitResult) -> Any:
    """Compare the laws that the runs allow, under the loss and the residual of the fit."""
    from jaxscale.cli.compare import default_laws
    from jaxscale.cli.given import law_given
    from jaxscale.comparison.compare import compare

    if not set(fit.runs.columns) & set("NDCS"):
        raise ValueError(
            "by itself it takes laws of N, D, C or S, and the runs have none of these; "
            f"jaxscale compare RUNS --law PowerLaw:{fit.law.inputs[0]},FILE.py:LAW takes others"
        )
    given = (law_given(name, {}, fit.runs) for name in default_laws(fit.runs))
    laws = {label: law for label, law, _ in given}
    own = type(fit.law).__name__ + (f":{fit.law.of}" if fit.law.of else "")
    laws[own] = fit.unfitted
    return with_progress(
        options,
        lambda progress: compare(
            laws, fit.runs, loss=fit.loss, residual=fit.residual.name, progress=progress
        ),
        doing="comparing",
        of="step",
    )


def _specified(options: argparse.Namespace, fit: FitResult) -> Any:
    """The answer at the budget on top under every defensible choice."""
    from jaxscale.reports.frontier import asked_by_default
    from jaxscale.specification.specify import specify

    budget = (options.compute or [asked_by_default(fit)])[0]
    return with_progress(
        options,
        lambda progress: specify(fit, compute=budget, seed=options.seed, progress=progress),
        doing="specifying",
        of="choice",
    )


def _isoflop(options: argparse.Namespace, fit: FitResult) -> Any:
    """The three approaches side by side, at the budgets of the page."""
    from jaxscale.isoflops.approaches import isoflop

    return with_progress(
        options,
        lambda progress: isoflop(
            fit.runs, compute=options.compute, loss=fit.loss, residual=fit.residual,
            level=options.level, seed=options.seed, progress=progress,
        ),
        doing="drawing",
        of="draw",
    )  # fmt: skip
