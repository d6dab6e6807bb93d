"""The next runs: the batch of candidates that narrows an asked interval most for a budget."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale.designs.asked import EXAMPLES, asked_for
from jaxscale.designs.candidates import Candidates, generated, region, tabled
from jaxscale.designs.criteria import CRITERIA
from jaxscale.designs.information import Believed
from jaxscale.designs.question import Question
from jaxscale.designs.result import Design
from jaxscale.designs.selection import Limits, choose, in_order
from jaxscale.designs.until import cheapest_batch
from jaxscale.errors import FitError
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.objective.losses import Huber, Loss
from jaxscale.objective.residuals import Log
from jaxscale.text import many
from jaxscale.uncertainty.quantities import Asked

RUNS = 12
"""Runs of a batch, unless another number is asked for."""
NOISE = (1e-9, 10.0)
"""Of residuals, that may be assumed."""
COSTS = (1e-9, 1e45)
"""Of budgets, in any unit."""


@host()
def design(
    fit: FitResult | Law,
    *,
    budget: float | None = None,
    narrow: float | None = None,
    what: Asked | Sequence[Asked] = (),
    candidates: Any = "grid",
    criterion: str | None = None,
    batch: int = RUNS,
    largest: float | None = None,
    repeats: int = 1,
    plan: Any = None,
    present: Any = None,
    noise: float | None = None,
    loss: Loss | None = None,
    level: float = 0.9,
    force: bool = False,
) -> Design:
    """Return the runs to make next, or judge those of a plan.

    Args:
        fit: a fit; or a law with values, before any run is there.
        budget: FLOPs of the whole batch, or what it may cost in the unit of the candidates' own
            column `cost`.
        narrow: in place of a budget, the share of the present interval that is to be left, .5 for
            half of it: the cheapest batch that gets there is found.
        what: what is to be known better: "N* at 1e25", "loss at 1e24", "alpha", a `Quantity`, a
            JAX function of a law; or several.
        candidates: "grid", "isoflop", "rectangle" or "L", generated near the runs that are there
            and up to the dearest run; or a table of them: a file, a dataframe, a dict of arrays.
        criterion: "c" (the interval of one answer), "V" (the mean of several variances, each over
            its present one) or "D" (the volume of all parameters); default by what is asked.
        batch: runs at most.
        largest: what one run may cost; default the budget.
        repeats: how often one candidate may be chosen: as many seeds.
        plan: judge these runs, a table like `candidates`, in place of choosing any.
        present: settings of runs that are there, a table, where a law stands for a fit.
        noise: standard deviation of the residuals, .01 for 1 % of the loss; required for a law,
            and in place of what a fit shows.
        loss: of the fits to come, where a law stands for one, on log residuals; default
            `Huber(1e-3)`.
        level: of the intervals.
        force: whether to go by a fit that is not certified.

    Returns:
        The batch, with the interval before and after it.

    Raises:
        DataError: a table of candidates cannot be read.
        FitError: the fit is not certified; or no batch within the limits determines the law or
            what is asked.
        ValueError: an option is not one of those allowed, or nothing fits the budget.

    The intervals are those that the fit's own curvature will give: exact for a straight law. How
    far that holds is simulated by `simulate`.

    Cost: a tenth of a second for 400 candidates (`python -m benchmarks.answers`), a third for 5,000
    (`python -m benchmarks.design`).

    Source: Chaloner & Verdinelli 1995, Statistical Science 10(3); Fedorov 1972.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> plan = jaxscale.design(fit, budget=1e13, what="N* at 1e15", batch=3)
        >>> len(plan.rows()), plan.ratio < 1
        (3, True)
    """
    begin = time.perf_counter()
    if sum(x is not None for x in (budget, narrow, plan)) != 1:
        raise ValueError(
            "give one of budget (--budget), narrow (--narrow .5) and plan to judge (--check)"
        )
    if narrow is not None and not 0 < narrow < 1:
        raise ValueError(f"narrow is the share of the interval left, .5 say, got {narrow:g}")
    if narrow is not None and largest is None and _generates(candidates):
        raise ValueError("narrow goes with what one run may cost, largest (--largest)")
    question, limits = posed(
        fit,
        budget=budget,
        what=what,
        candidates=candidates if plan is None else plan,
        criterion=criterion,
        batch=batch,
        largest=None if plan is not None else largest,
        repeats=repeats,
        present=present,
        noise=noise,
        loss=loss,
        level=level,
        force=force,
    )
    if plan is not None:
        costs = limits.cost
        limits = dataclasses.replace(limits, budget=float(costs.sum()), most=len(costs))
        chosen = _judged(question, limits)
    else:
        chosen = choose(question.search, limits)
        if narrow is not None:
            limits, chosen = cheapest_batch(question, limits, chosen, narrow)
        _worthwhile(question, chosen)
    kind = fit.runs.frame_kind if isinstance(fit, FitResult) else ""
    made = _made(question, limits, chosen, seconds=time.perf_counter() - begin)
    return dataclasses.replace(made, frame_kind=kind)


def posed(
    fit: FitResult | Law,
    *,
    what: Asked | Sequence[Asked],
    candidates: Any,
    budget: float | None = None,
    criterion: str | None = None,
    batch: int = RUNS,
    largest: float | None = None,
    repeats: int = 1,
    present: Any = None,
    noise: float | None = None,
    loss: Loss | None = None,
    level: float = 0.9,
    force: bool = False,
) -> tuple[Question, Limits]:
    """Return what is asked of which candidates, and what a batch of them may be; as `design`.

    Args:
        fit: see `design`.
        what: see `design`.
        candidates: see `design`.
        budget: see `design`.
        criterion: see `design`.
        batch: see `design`.
        largest: see `design`.
        repeats: see `design`.
        present: see `design`.
        noise: see `design`.
        loss: see `design`.
        level: see `design`.
        force: see `design`.
    """
    law = fit.law if isinstance(fit, FitResult) else fit
    check_level(level)
    asked = [asked_for(each, law) for each in _several(what)]
    kind = _criterion(criterion, len(asked))
    _certified(fit, force)
    _positive(budget=budget, largest=largest, noise=noise)
    if batch < 1 or repeats < 1:
        raise ValueError(f"batch and repeats must be 1 or more, got {batch} and {repeats}")
    dearest = min(x for x in (budget, largest, math.inf) if x is not None)
    there = _present(fit, law, present)
    known = _candidates(candidates, law, dearest, there)
    for most, called in ((budget, "budget"), (largest, "largest run")):
        if most is not None:
            _affordable(known, most, called)
            known = known.only(known.cost <= most * (1 + 1e-9))
    believed = _believed(fit, law, known, there, noise=noise, loss=loss)
    question = Question.of(believed, known, asked, kind=kind, level=level)
    return question, Limits(known.cost, budget or math.inf, batch, repeats)


def _several(what: Any) -> list[Asked]:
    return list(what) if isinstance(what, list | tuple) else [what]


def _criterion(given: str | None, asked: int) -> str:
    kind = given or ("c" if asked == 1 else "V" if asked else "D")
    if kind not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {kind!r}")
    if kind == "D" and given is None:
        raise ValueError(
            f"say what is to be known better (--for): {EXAMPLES}; or criterion 'D', for all "
            "parameters"
        )
    if (kind == "c" and asked != 1) or (kind == "V" and not asked):
        raise ValueError(f"criterion {kind!r} goes with {'one' if kind == 'c' else 'some'} asked "
                         f"(--for), got {asked}")  # fmt: skip
    return kind


def _certified(fit: FitResult | Law, force: bool) -> None:
    if isinstance(fit, FitResult):
        if fit.doubts and not force:
            raise FitError(
                f"no design from a fit that is not certified ({fit.doubts[0].rstrip('.')}): what "
                "its law says of further runs may be wrong. Design from a published law, with "
                "these runs as --present and --noise, or go on with force (--force)"
            )
    elif fit.free:
        raise ValueError(
            f"{type(fit).__name__}: {', '.join(fit.free)} is free; give a law with values, or a fit"
        )


def _positive(**given: float | None) -> None:
    for name, value in given.items():
        low, high = NOISE if name == "noise" else COSTS
        if value is not None and not low <= value <= high:
            raise ValueError(
                f"{name} must be a positive number from {low:g} to {high:g}, got {value:g}"
            )


def _present(fit: FitResult | Law, law: Law, present: Any) -> dict[str, np.ndarray]:
    """Return the inputs of the runs that are there."""
    if isinstance(fit, FitResult):
        if present is not None:
            raise ValueError("present goes with a law; a fit has its own runs")
        used = fit.runs.weights > 0
        return {name: x[used] for name, x in fit.problem.inputs.items()}
    return {} if present is None else tabled(present, law).inputs


def _candidates(
    given: Any, law: Law, dearest: float, there: Mapping[str, np.ndarray]
) -> Candidates:
    if not (_generates(given)):
        return tabled(given, law)
    if set(law.inputs) != {"N", "D"}:
        raise ValueError(
            f"candidates are generated for laws of N and D; {type(law).__name__} takes "
            f"{', '.join(law.inputs)}: give a table of candidates"
        )
    return generated(given, region(law, dearest, there.get("N"), there.get("D")))


def _generates(given: Any) -> bool:
    """Return whether a family is meant, well or badly named: a file of candidates has a dot."""
    return isinstance(given, str) and "." not in given and "/" not in given


def _believed(
    fit: FitResult | Law,
    law: Law,
    known: Candidates,
    there: Mapping[str, np.ndarray],
    *,
    noise: float | None,
    loss: Loss | None,
) -> Believed:
    if isinstance(fit, FitResult):
        believed = Believed.of_fit(fit)
        if noise is not None:
            return believed.with_noise(noise)
        if fit.certificate.exact or not believed.spread > 0:
            raise FitError(
                "the residuals of this fit are rounding, so no run would narrow anything: say "
                "what noise runs will have, noise=.01 (--noise .01) for 1 % of the loss"
            )
        return believed
    if noise is None:
        raise ValueError("a law has no residuals: say what noise runs will have, --noise .01")
    return Believed.assumed(
        law,
        noise=noise,
        loss=Huber(1e-3) if loss is None else loss,
        residual=Log(),
        inputs=known.inputs,
        present=there,
    )


def _affordable(known: Candidates, most: float, called: str) -> None:
    cheapest = float(known.cost.min())
    if cheapest > most * (1 + 1e-9):
        raise ValueError(
            f"the {called} of {most:.3g} {known.unit} is less than the cheapest of "
            f"{many(len(known), 'candidate')} costs, {cheapest:.3g}; raise it, or give cheaper "
            "candidates (--candidates)"
        )


def _judged(question: Question, limits: Limits) -> list[int]:
    every = list(range(len(question.candidates)))
    if question.search.after(every).determined and len(every) <= 400:
        return in_order(question.search, limits, every)
    return every


def _worthwhile(question: Question, chosen: list[int]) -> None:
    """Raise for a batch that does not determine the law, or that tells nothing."""
    if not question.plain.after(chosen).determined or question.freedom(len(chosen)) < 1:
        why = question.open_after(chosen)
        raise FitError(
            f"no batch within these limits determines the law: {'; '.join(why)}. Raise the budget "
            "or the number of runs, give other candidates, or fix a parameter"
        )
    if not chosen:
        raise FitError(
            "no candidate narrows what is asked: the runs that are there know it as well as they "
            "would with any of them; ask for something else, or give other candidates"
        )


def _made(question: Question, limits: Limits, chosen: list[int], *, seconds: float) -> Design:
    known, believed = question.candidates, question.believed
    spent = np.concatenate([[0.0], np.cumsum(known.cost[chosen])])
    left_open = question.open_after(chosen)
    identified = question.plain.after(chosen).determined and not left_open
    notes = [f"these runs leave open: {each}" for each in left_open]
    if believed.trend.said:
        notes.append(f"{believed.trend.said}: reckoned with at every candidate")
    notes += _limited(question, limits, chosen)
    return Design(
        law=type(believed.law).__name__,
        candidates=known,
        batch=np.asarray(chosen, int),
        loss=question.loss[chosen],
        criterion=question.plain.kind,
        budget=limits.budget,
        answers=question.answers(chosen),
        steps=question.steps(chosen),
        halves=question.halves(chosen),
        spent=spent,
        swaps=question.swaps(chosen) if identified else (),
        others=question.others(chosen) if identified else (),
        noise=believed.spread,
        present=believed.present,
        level=question.level,
        notes=tuple(notes),
        identified=identified,
        seconds=seconds,
    )


def _limited(question: Question, limits: Limits, chosen: list[int]) -> list[str]:
    """Say where the limit of runs, and not the budget, ends the batch; and what is far off."""
    said = []
    if len(chosen) == limits.most < len(limits.cost) * limits.repeats:
        said.append(
            f"the batch ends at {many(limits.most, 'run')}: more may narrow the interval further, "
            "batch (--runs)"
        )
    reach = _beyond(question, chosen)
    return said + ([reach] if reach else [])


def _beyond(question: Question, chosen: list[int]) -> str:
    """Say that the batch goes where no run has been: the law's form is believed there."""
    far, law = [], question.believed.law
    there = {k: x for k, x in question.believed.present.items() if law.kinds[k] == "positive"}
    batch = {k: question.candidates.inputs[k][chosen] for k in there}
    if {"N", "D"} <= set(there):
        there, batch = ({**x, "D/N": x["D"] / x["N"]} for x in (there, batch))
    for name, x in batch.items():
        if len(there[name]) and len(x):
            beyond = float(x.max() / there[name].max()), float(there[name].min() / x.min())
            if max(beyond) > 1.5:
                far.append(f"{name} by a factor {max(beyond):.3g}")
    return f"the batch leaves the range of the runs: {', '.join(far)}" if far else ""
