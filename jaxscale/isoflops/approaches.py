"""`isoflop`: a table of runs to the best N and D of a budget, three ways, with intervals.

The intervals of approach 3 are those of `bootstrap`, which draws what runs of a budget share once
per budget. Those of approach 2 rest on residuals drawn within budgets (what a budget shares leaves
its minimum where it is), and allow for the bias that the polynomial has on this design under the
law of approach 3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale.checks.table import unread_units
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.flops import Flops, unit_of
from jaxscale.isoflops.answers import Places, frontier, of_envelope, of_law, of_line
from jaxscale.isoflops.bias import biases
from jaxscale.isoflops.budgets import LEAST, counted
from jaxscale.isoflops.curves import sliced, training_curves
from jaxscale.isoflops.envelope import Envelope, envelopes
from jaxscale.isoflops.lines import EXCESS, Line, lines
from jaxscale.isoflops.minima import Minima, by_budget
from jaxscale.isoflops.result import Approach, IsoFlop
from jaxscale.isoflops.valleys import DEGREES
from jaxscale.isoflops.verdict import FAR, doubts, missed_shape, verdict
from jaxscale.laws import Chinchilla, Law
from jaxscale.laws.names import counts_cost, law_given
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.text import listing, many, quantity
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws

VANISHING = 0.1
"""Share of the draws without an interior minimum from which a note says so."""


GRID = 17
"""Budgets at which the figures know the approaches; power laws are straight between them."""


class _Fitted(NamedTuple):
    """Approach 3."""

    fit: FitResult | None = None
    draws: Draws | None = None
    refused: str = ""


class _How(NamedTuple):
    """How approach 3 is fitted and drawn."""

    law: Law | type[Law] | str | None
    asked: dict[str, Any]
    draws: int
    progress: Progress | None
    flops: Flops | None


@host()
def isoflop(
    runs: Runs | Any,
    *,
    compute: float | Sequence[float] | None = None,
    law: Law | type[Law] | str | None = "Chinchilla",
    polynomial: str = "parabola",
    along: str = "D",
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    precision: str = "float64",
    flops: Flops | None = None,
    starts: int = 1024,
    progress: Progress | None = None,
) -> IsoFlop:
    """Return the best N and D of budgets by three approaches, with intervals.

    Approach 1, the envelope, needs training curves; approach 2 the runs of some budgets, each of
    several sizes (curves are cut at budgets); approach 3 fits a law.

    Args:
        runs: the runs, or a dataframe, or a dict of arrays; any two of N, D, C. Several rows per
            run, in order of its tokens, are its curve.
        compute: budgets asked, in FLOPs; default the largest of the table, and ten times it.
        law: of N and D, of approach 3; None for none, and then nothing is known of the bias.
        polynomial: of approach 2 in the first place, "parabola", "cubic", "quartic" or "local";
            the others are shown beside it.
        along: "D" or "N", the size whose logarithm the polynomials take.
        level: nominal coverage of the intervals.
        draws: of the bootstrap of approach 3.
        seed: of all draws.
        loss: robust loss of the fit; default `Huber(1e-3)`.
        residual: of the fit, "log", "relative" or "absolute".
        precision: of the fit, as of `fit`.
        flops: the FLOPs model; default 6 N D, or what the table's own C says.
        starts: of the fit.
        progress: called between chunks of the bootstrap with (draws done, draws in all).

    Returns:
        The approaches with their minima, lines, intervals and biases, and which to trust.

    Raises:
        DataError: the table has neither budgets nor curves; says what it needs.
        ValueError: an option is not one of those allowed.

    Cost: that of `fit` and `bootstrap`; approach 2 compiles nothing.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> runs = runs.select(runs.group == "isoflop", "no isoFLOP run")
        >>> found = jaxscale.isoflop(runs, compute=1e13, draws=100, starts=64)
        >>> found.trusted, [approach.name for approach in found.approaches]
        (True, ['parabola', 'cubic', 'quartic', 'local', 'Chinchilla'])
    """
    check_level(level)
    if polynomial not in DEGREES:
        raise ValueError(f"polynomial must be one of {', '.join(DEGREES)}, got {polynomial!r}")
    runs = counted(Runs.of(runs))
    _refuse_accuracy(runs)
    unread_units(Chinchilla(), runs)  # raises: budgets follow from N and D in full
    found, table, notes = _envelopes(runs, seed, flops)
    minima = _all_minima(table, along, flops)
    asked = _asked(compute, minima[polynomial], unit_of(flops))
    asked_of_fit: dict[str, Any] = dict(
        loss=loss, residual=residual, precision=precision, starts=starts, seed=seed
    )
    fitted = _fitted(table, _How(law, asked_of_fit, draws, progress, flops))
    every = np.concatenate([asked, _grid(asked, minima[polynomial])])
    places = Places(every, len(asked), level)
    law_sizes = None if fitted.draws is None else frontier(fitted.draws, every)
    made = [of_envelope(how, places) for how in found]
    lined, biased = {}, {}
    for name, each in minima.items():
        if len(each.used) < 2:
            made.append(Approach(2, name, refused=_too_few(each)))
            continue
        lined[name], lost = lines(each, seed)
        if law_sizes is not None and fitted.fit is not None:
            truth = np.log(law_sizes["N"][0])
            biased[name] = biases(each, fitted.fit.prediction, np.log(every), truth, seed=seed)
        made.append(of_line(name, lined[name], places, biased.get(name)))
        if name == polynomial:
            notes += _line_notes(each, lined[name], lost, name in biased)
    if law is not None:
        called = law if isinstance(law, str) else getattr(law, "__name__", type(law).__name__)
        if fitted.draws is None or law_sizes is None:
            made.append(Approach(3, called, refused=fitted.refused))
        else:
            made.append(of_law(called, fitted.draws, law_sizes, places))
    return _judged(
        IsoFlop(
            runs, asked, level, tuple(made), polynomial, minima, lined, biased, fitted.fit,
            fitted.draws, found, "", (), tuple(notes), unit_of(flops),
        )
    )  # fmt: skip


def _refuse_accuracy(runs: Runs) -> None:
    if runs.response.kind == "accuracy":
        raise DataError(
            f"{runs.source}: column {runs.label('loss')} is an accuracy, which is best where it is "
            "highest; the valleys are of a loss: --column 'loss=1-accuracy' with your column"
        )


def _envelopes(
    runs: Runs, seed: int, flops: Flops | None
) -> tuple[tuple[Envelope, ...], Runs, list[str]]:
    """Return the envelopes, the table for the other approaches, and notes."""
    try:
        curves = training_curves(runs, flops)
    except DataError as error:
        return (), runs, [str(error).removeprefix(f"{runs.source}: ")]
    table = sliced(curves, runs.source)
    said = (
        f"approaches 2 and 3 take {many(len(table), 'point')} where budgets cut the curves; a run "
        "under way is no run that ended there, unless its learning rate was constant"
    )
    return envelopes(curves, seed), table, [said]


def _all_minima(table: Runs, along: str, flops: Flops | None) -> dict[str, Minima]:
    return {name: by_budget(table, degree=name, along=along, flops=flops) for name in DEGREES}


def _asked(compute: float | Sequence[float] | None, found: Minima, unit: str) -> tuple[float, ...]:
    if compute is None:
        largest = max(row.budget for row in found.rows)
        return (largest, 10 * largest)
    given = tuple(float(C) for C in np.atleast_1d(np.asarray(compute, float)))
    for C in given:
        if not (C > 0 and math.isfinite(C)):
            raise ValueError(f"compute must be a positive number of {unit}, got {C!r}")
    return given


def _fitted(table: Runs, how: _How) -> _Fitted:
    if how.law is None:
        return _Fitted()
    try:
        law = law_given(how.law)
        if how.flops is not None and counts_cost(law):
            law = law.replace(flops=how.flops)
        found = fit(law, table, **how.asked)
        if set(found.law.inputs) != {"N", "D"}:
            raise ValueError(
                f"approach 3 takes a law of N and D; {type(found.law).__name__} takes "
                f"{', '.join(found.law.inputs)}"
            )
        drawn = bootstrap(found, draws=how.draws, seed=how.asked["seed"], progress=how.progress)
        return _Fitted(found, drawn)
    except (DataError, FitError) as error:
        return _Fitted(refused=str(error).removeprefix(f"{table.source}: "))


def _grid(asked: tuple[float, ...], found: Minima) -> np.ndarray:
    """Return budgets from the smallest of the table to beyond what is asked, for the figures."""
    known = [row.budget for row in found.rows]
    return np.geomspace(min(known) / 2, max(*asked, 10 * max(known)) * 2, GRID)


def _too_few(found: Minima) -> str:
    return f"{many(len(found.used), 'budget')} of {len(found.valleys)} with an interior minimum"


def _line_notes(
    found: Minima, lined: dict[str, Line], lost: np.ndarray, bias_known: bool
) -> list[str]:
    said = []
    valleys = found.valleys
    refused = [row for row in valleys if row.refused]
    if beside := sum(row.n for row in found.rows) - sum(row.n for row in valleys):
        said.append(
            f"{many(beside, 'run')} beside the valleys (fewer than {LEAST} sizes at their C): "
            "approach 3 takes them, approach 2 does not"
        )
    weights = found.runs.weights
    if np.ptp(weights) > 0:
        said.append(
            f"weights from {quantity(weights.min(), 3)} to {quantity(weights.max(), 3)} count in "
            "approach 3 alone: approach 2 takes all runs alike"
        )
    if refused:
        named = ", ".join(f"{row.budget:.3g}" for row in refused[:4])
        said.append(
            f"{many(len(refused), 'budget')} of {len(valleys)} ({named}) not in the line: "
            f"{refused[0].refused}"
        )
    line = lined[found.along]
    if len(line.x) > 2 and line.excess < EXCESS:
        said.append(
            "the minima scatter about their line more than the noise within budgets explains "
            f"(p = {quantity(max(line.excess, 1e-4), 2)}): their intervals go by the scatter"
        )
    elif len(line.x) == 2:
        said.append(
            "two budgets make a line that nothing checks: intervals take a power law for granted"
        )
    if not found.freedom >= 1:
        said.append(f"no budget has a point to spare for a {found.polynomial}: noise by scatter")
    weak = [row for row, share in zip(found.used, lost, strict=True) if share > VANISHING]
    if weak:
        named = ", ".join(f"{row.budget:.3g}" for row in weak[:4])
        said.append(
            f"at C = {named} the minimum vanishes in {100 * lost.max():.0f} % of the tables drawn: "
            "intervals of approach 2 cover a little less than they say (86 to 91 % of nominal 90)"
        )
    if not bias_known:
        said.append(
            f"the bias of a {found.polynomial} on this design is not known without a law: "
            "intervals of approach 2 do not allow for it"
        )
    return said


def _judged(found: IsoFlop) -> IsoFlop:
    """Return the result with its verdict and doubts."""
    by_name = {each.name: each for each in found.approaches}
    law = next((each for each in found.approaches if each.number == 3), None)
    first = next((each for each in found.approaches if each.number == 1 and each.best), None)
    rejected = 1.0
    if found.fit is not None:
        flexible = max(found.minima.values(), key=lambda m: (m.freedom >= 5, DEGREES[m.polynomial]))
        rejected = missed_shape(found.fit, flexible)
    certified = found.fit is None or found.fit.certificate.trusted
    said, apart = verdict(by_name.get(found.chosen), law, first, rejected, certified)
    against = doubts(found.minima[found.chosen], found.approaches, found.unit)
    if against and law is not None and law.best:
        said = f"Approach 2 has no answer to trust here: that of {law.name} is unchecked by it."
    elif against:
        said = "There is no answer to trust here."
    notes = list(found.notes)
    if found.fit is not None:
        notes += [note for note in found.fit.warnings if not against or "swapped" not in note]
    if found.fit is not None and not certified:
        notes.append(f"the fit of {law.name if law else 'the law'} is not certified: "
                     f"{found.fit.certificate.reasons[0]}")  # fmt: skip
    if found.fit is not None and len(found.fit.suspects):
        rows = listing([found.fit.runs.row(int(k)) for k in found.fit.suspects], 6)
        notes.append(
            f"runs that stand far from the law (rows {rows.replace(chr(39), '')}): look at them, "
            "or leave them out with --where; a polynomial of one budget follows them"
        )
    two = by_name[found.chosen]
    short = [b for b in two.best if b.covered < found.level - 0.05]
    if short:
        notes.append(
            f"at {short[0].compute:.3g} {found.unit} an interval as wide as that of approach 2 "
            f"covers {100 * short[0].covered:.0f} % of tables simulated from the fitted law, not "
            f"{100 * found.level:g} %"
        )
    largest = max((row.budget for row in found.minima[found.chosen].valleys), default=math.inf)
    far = [C for C in found.compute if C > FAR * largest]
    if far:
        notes.append(
            f"{far[-1]:.3g} {found.unit} is a factor {far[-1] / largest:.3g} beyond the largest "
            "budget: the intervals take for granted that the power law goes on"
        )
    least = min((row.budget for row in found.minima[found.chosen].valleys), default=0.0)
    small = [C for C in found.compute if FAR * C < least]
    if small:
        notes.append(
            f"{small[0]:.3g} {found.unit} is a factor {least / small[0]:.3g} below the smallest "
            "budget: no run tells of it"
        )
    return dataclasses.replace(
        found, verdict=said, doubts=(*against, *([apart] if apart else [])), notes=tuple(notes)
    )
