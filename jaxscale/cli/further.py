"""Further results for a report, made from its fit as they are made by the commands of their own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from jaxscale.cli.console import say
from jaxscale.cli.outputs import with_progress
from jaxscale.errors import JaxscaleError
from jaxscale.fitting.result import FitResult


def further_options(sub: argparse.ArgumentParser) -> None:
    """Add an option for each further result."""
    for name, (help_, _) in FURTHER.items():
        sub.add_argument(f"--{name}", action="store_true", help=help_)


def further(options: argparse.Namespace, fit: FitResult) -> list[Any]:
    """Return the results that were asked for, as far as these runs allow; else a note says why."""
    found = []
    for name, (_, make) in FURTHER.items():
        if not getattr(options, name) or not fit.certificate.trusted:
            continue
        try:
            found.append(make(options, fit))
        except (JaxscaleError, ValueError) as error:
            say(f"note: --{name}: {error}")
    return found


def _compared(options: argparse.Namespace, fit: FitResult) -> Any:
    """Compare the laws that the runs allow, under the loss and the residual of the fit."""
    from jaxscale.cli.compare import default_laws
    from jaxscale.cli.given import law_given
    from jaxscale.comparison.compare import compare

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


Maker = Callable[[argparse.Namespace, FitResult], Any]
FURTHER: dict[str, tuple[str, Maker]] = {
    "compare": ("compare the laws that the runs allow, and show that too", _compared),
    "specify": ("show the answer under every defensible choice too", _specified),
    "isoflop": ("show the other approaches to the best N and D too", _isoflop),
}
"""Results that a report may show beside its fit, by their options; each takes up to a minute."""
