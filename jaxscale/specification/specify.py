"""Every defensible choice, one at a time from the fit's own, and laws, losses, residuals crossed.

What a reader may ask of N* is less how noisy the runs are than what was chosen: the law, the loss,
the residual, the approach, which runs were left out. On the points of Llama 3 those choices move N*
at 3.8e25 FLOPs from 393 to 1,010 billion, where the bootstrap of the law says 478 to 1,630:
most choices lie inside that interval, approach 2 by parabolas falls outside.

Source: the specification curve of Simonsohn, Simmons and Nelson 2020, Nature Human Behaviour 4,
1208-1214.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.data.runs import Runs
from jaxscale.data.sizes import equal_sizes
from jaxscale.engine.dispatch import Progress
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.families import FamiliesFit, FamilyFit
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.trials import weighs_trials
from jaxscale.flops import unit_of
from jaxscale.isoflops.minima import by_budget
from jaxscale.isoflops.verdict import doubts
from jaxscale.laws import CATALOGUE, ChinchillaNDC, Law
from jaxscale.laws.names import counts_cost, law_given
from jaxscale.objective.fractions import Binomial
from jaxscale.objective.losses import Absolute, Huber, Loss, Square
from jaxscale.objective.residuals import RESIDUALS, Residual
from jaxscale.specification.result import Specification, Specifications
from jaxscale.specification.solving import NONE, Answer, Solving
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.quantities import Best

LAWS = ("Chinchilla", "Skaling", "Kaplan", "Translog")
"""Laws of N and D."""
LOSSES: tuple[Loss, ...] = (Huber(1e-3), Huber(1e-2), Square(), Absolute())
DEGREES = ("parabola", "cubic", "quartic", "local")
HIGHEST = (1, 2, 3, 5, 8, 12)
"""How many of the highest losses are left out, of the runs at most a tenth."""
STARTS = 128
"""Random starts of a fit that the host cannot do."""
LEVEL = 0.9
"""Of the sampling intervals."""


LAWFUL = ("law", "cross")
"""Kinds of choices that are of another law."""
REJECTED = 10.0
"""Log likelihood, of residuals that fall off exponentially, by which a law is no choice ..."""
LARGER = 1.5
"""... if they are this much larger too: runs of a budget are no independent witnesses."""


class _Choice(NamedTuple):
    """A specification that is yet to be worked out."""

    kind: str
    law: Law | None
    loss: Loss
    residual: Residual
    data: str
    solve: Callable[[], Answer]
    approach: str = "3"


@host()
def specify(
    fit: FitResult,
    *,
    compute: float,
    laws: tuple[str | Law | type[Law], ...] = LAWS,
    parameters: Mapping[str, Any] | None = None,
    cross: bool = True,
    draws: int = 400,
    starts: int = STARTS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Specifications:
    """Return the best N and D of a budget under every defensible choice.

    Args:
        fit: of a law of N and D; its own choices are where all others depart from.
        compute: the budget in FLOPs.
        laws: laws of N and D beside the fit's own.
        parameters: other ways to count the parameters of the runs, [n] each by name: without
            embeddings, say. N* is then in that count.
        cross: whether laws, losses and residuals are crossed, where the host solves them.
        draws: bootstrap draws behind the sampling interval; 0 for none.
        starts: random starts of a fit that the host cannot do.
        seed: of starts and draws.
        progress: called with (specifications done, in all).

    Returns:
        The specifications with their N*, D* and loss, and what moves N* most.

    Raises:
        ValueError: the law is not one of N and D, the budget is not positive, or `parameters` do
            not fit the runs.

    Cost: milliseconds for each choice among the additive law and Skaling, a fit with its
    compilation for each other law, and the bootstrap.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> laws = ("Skaling",)
        >>> found = jaxscale.specify(fit, compute=1e15, laws=laws, cross=False, draws=0, starts=64)
        >>> len(found.rows), len(found.certified)
        (15, 15)
    """
    begin = time.perf_counter()
    _check(fit, compute, draws)
    solving = Solving(fit, float(compute), starts, seed)
    choices = list(_choices(fit, solving, laws, parameters or {}, cross))
    total, used = len(choices) + 1 + bool(draws), int((fit.runs.weights > 0).sum())
    own = solving.of(fit.law, "; ".join(fit.doubts))
    rows = [_row(_Choice("fit", fit.law, fit.loss, fit.residual, "all", lambda: own), own)]
    for k, choice in enumerate(choices):
        if progress is not None:
            progress(k + 1, total)
        rows.append(_row(choice, held(choice.solve(), own, used if choice.kind in LAWFUL else 0)))
    sampling, said = {}, ""
    if draws and rows[0].trusted:
        if progress is not None:
            progress(total - 1, total)
        drawn = bootstrap(fit, draws=draws, seed=seed)
        said = f"{len(drawn)} draws ({drawn.method} bootstrap)"
        for name in ("N", "D", "loss"):
            sampling[name] = drawn.interval(Best(float(compute), name), level=LEVEL)
    if progress is not None:
        progress(total, total)
    largest = float(fit.runs.column("C", fit.law.flops).max())
    seconds = time.perf_counter() - begin
    reach = float(compute) / largest
    return Specifications(tuple(rows), float(compute), fit, sampling, said, reach, seconds)


def _check(fit: FitResult, compute: float, draws: int) -> None:
    if isinstance(fit, FamiliesFit | FamilyFit):
        raise ValueError(
            "specify() fits one table in many ways, and families are not one: fit the runs of one "
            "family alone (where=, --where), or fit all once more with another loss, or law"
        )
    if set(fit.law.inputs) != {"N", "D"}:
        raise ValueError(
            f"specify() needs a law of N and D; {type(fit.law).__name__} takes "
            f"{', '.join(fit.law.inputs)}"
        )
    if not (compute > 0 and np.isfinite(compute)):
        unit = unit_of(fit.law.flops)
        raise ValueError(f"compute must be a positive number of {unit}, got {compute!r}")
    if draws == 1 or draws < 0:
        raise ValueError(f"draws must be 0 for no interval, or 2 or more, got {draws}")


def held(answer: Answer, own: Answer, runs: int) -> Answer:
    """Return an answer that does not count where its law is rejected beside the fit's own.

    Args:
        answer: by another law.
        own: by the fit.
        runs: how many; 0 of a choice that is of no other law.
    """
    ratio = answer.misfit / own.misfit if own.misfit > 0 else np.nan
    if not answer.trusted or not (ratio > LARGER and runs * np.log(ratio) > REJECTED):
        return answer
    reason = f"rejected: its residuals are {ratio:.2g} times those of the fit"
    return answer._replace(trusted=False, reason=reason)


def _row(choice: _Choice, answer: Answer) -> Specification:
    three = choice.law is not None
    return Specification(
        kind=choice.kind,
        approach=choice.approach,
        law=type(choice.law).__name__ if three else "",
        loss=str(choice.loss) if three else "",
        residual=str(choice.residual) if three else "",
        data=choice.data,
        N=answer.N,
        D=answer.D,
        loss_there=answer.loss,
        a=answer.a,
        trusted=answer.trusted,
        reason=answer.reason,
    )


def _choices(
    fit: FitResult,
    solving: Solving,
    laws: tuple[Any, ...],
    parameters: Mapping[str, Any],
    cross: bool,
) -> Iterator[_Choice]:
    """Yield every specification beside the fit itself.

    Args:
        fit: see `specify`.
        solving: solves them.
        laws: see `specify`.
        parameters: see `specify`.
        cross: see `specify`.
    """
    own = (fit.unfitted, fit.loss, fit.residual)

    def choice(kind: str, law: Law, loss: Loss, residual: Residual) -> _Choice:
        def solve() -> Answer:
            return solving.answer(law, fit.runs, loss, residual)

        return _Choice(kind, law, loss, residual, "all", solve)

    others = _others(fit, laws)
    losses = [loss for loss in LOSSES if loss.document() != fit.loss.document()]
    residuals = [
        each
        for each in RESIDUALS.values()
        if each != fit.residual and each.fraction <= fit.residual.fraction
    ]
    if weighs_trials(fit.runs):  # as the fit's residual has it
        counts = isinstance(fit.residual, Binomial)
        residuals = [each for each in residuals if counts and isinstance(each, Binomial)]
    yield from (choice("law", law, *own[1:]) for law in others)
    yield from (choice("loss", own[0], loss, own[2]) for loss in losses)
    yield from (choice("residual", own[0], own[1], each) for each in residuals)
    yield from _approaches(fit, solving)
    yield from _kept(fit, solving)
    yield from _counts(fit, solving, parameters)
    if cross:
        for law in (own[0], *others):
            for loss in (own[1], *losses):
                for each in (own[2], *residuals):
                    changed = (law is not own[0]) + (loss is not own[1]) + (each is not own[2])
                    if changed > 1 and solving.on_host(law, loss, each):
                        yield choice("cross", law, loss, each)


def _others(fit: FitResult, laws: tuple[Any, ...]) -> list[Law]:
    """Return the laws that the fit's is not."""
    own = type(fit.law)
    same = {own, CATALOGUE["Chinchilla"]} if own is ChinchillaNDC else {own}
    given = [law_given(law) for law in laws]
    found = [law for law in given if type(law) not in same and set(law.inputs) == {"N", "D"}]
    return [law.replace(flops=fit.law.flops) if counts_cost(law) else law for law in found]


def _approaches(fit: FitResult, solving: Solving) -> Iterator[_Choice]:
    """Yield the polynomials per budget, where the runs have budgets."""
    for degree in DEGREES:

        def solve(degree: str = degree) -> Answer:
            try:
                found = by_budget(fit.runs, degree=degree, flops=fit.law.flops)
                N, D = found.at(solving.compute)
                a = found.power_law("N")[1]
            except (DataError, FitError) as error:
                return Answer(*NONE, False, str(error).split(": ", 1)[-1])
            used, of = len(found.used), len(found.valleys)
            said = "" if used == of else f"{used} of {of} budgets have a minimum"
            against = doubts(found, (), unit_of(fit.law.flops))
            said = against[0] if against else said
            return Answer(float(N), float(D), float("nan"), a, not against, said)

        said = f"2, {degree} in log D"
        yield _Choice("approach", None, fit.loss, fit.residual, "all", solve, said)


def _kept(fit: FitResult, solving: Solving) -> Iterator[_Choice]:
    """Yield what other runs are kept: all but the first budget, all but the highest losses."""
    runs = fit.runs
    used = runs.weights > 0
    budget = equal_sizes(runs.column("C", fit.law.flops))
    sizes = np.bincount(budget[used])
    first = budget == budget[used].min()
    kept: list[tuple[str, np.ndarray]] = []
    if (sizes > 0).sum() >= 3 and first.sum() > 1 and len(sizes) <= used.sum() / 2:
        kept.append(("without the first budget", ~first))
    order = np.argsort(np.where(used, -runs.loss, np.inf), kind="stable")
    for k in HIGHEST:
        if k <= max(1, used.sum() // 10):
            mask = np.ones(len(runs), bool)
            mask[order[:k]] = False
            text = "without the highest loss" if k == 1 else f"without the {k} highest losses"
            kept.append((text, mask))
    for text, mask in kept:

        def solve(mask: np.ndarray = mask, text: str = text) -> Answer:
            weight = runs.weights * mask
            some = runs.replace(weight=weight)
            return solving.answer(fit.unfitted, some, fit.loss, fit.residual)

        yield _Choice("data", fit.unfitted, fit.loss, fit.residual, text, solve)


def _counts(fit: FitResult, solving: Solving, parameters: Mapping[str, Any]) -> Iterator[_Choice]:
    """Yield other ways to count the parameters of the runs."""
    for name, given in parameters.items():
        N = np.asarray(given, float)
        if N.shape != (len(fit.runs),) or not (N > 0).all():
            raise ValueError(
                f"parameters[{name!r}] must be {len(fit.runs)} positive numbers, one per run"
            )
        D = fit.runs.column("D", fit.law.flops)
        runs = Runs(N=N, D=D, loss=fit.runs.loss, weight=fit.runs.weight)

        def solve(runs: Runs = runs) -> Answer:
            return solving.answer(fit.unfitted, runs, fit.loss, fit.residual)

        yield _Choice("parameters", fit.unfitted, fit.loss, fit.residual, f"N as {name}", solve)
