"""A law under other choices, solved again: on the host for the additive family, else by a fit."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.data.runs import Runs
from jaxscale.decisions.allocation import allocate
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.constraints import FREE
from jaxscale.fitting.fit import fit
from jaxscale.fitting.informed import left_open
from jaxscale.fitting.outer_solve import K, Table, best, hosted, moving, solve, table_of
from jaxscale.fitting.preparation import Problem, prepare
from jaxscale.fitting.result import FitResult
from jaxscale.flops import SixND
from jaxscale.laws import Chinchilla, ChinchillaNDC, Law, Skaling
from jaxscale.objective.host_losses import on_host
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual

FAMILY = (Chinchilla, ChinchillaNDC, Skaling)
"""Laws that are solved on the host: nothing is compiled, a solve takes milliseconds."""
OTHERS = (0.35, 1.0, 2.0)
"""Outer exponents from which each is solved as well."""
AGREE = 1e-6
"""Relative difference of values by which two solves have come to one optimum."""
STEP = 0.1
"""Of log C, for the exponent of a law that does not say it."""


class Answer(NamedTuple):
    """The best run of a budget under one choice."""

    N: float
    D: float
    loss: float
    a: float
    trusted: bool
    reason: str
    misfit: float = math.nan
    """Mean distance of log loss from the law over all runs of the fit; NaN where not asked."""


NONE = (math.nan,) * 4


class Solving:
    """Solves laws for the best run of one budget.

    Attributes:
        given: the fit from whose optimum all start.
        compute: the budget.
        starts: random starts of a fit that the host cannot do.
        seed: of those.
    """

    def __init__(self, given: FitResult, compute: float, starts: int, seed: int) -> None:
        self.given, self.compute, self.starts, self.seed = given, compute, starts, seed
        self.flops = given.law.flops

    def on_host(self, law: Law, loss: Loss, residual: Residual) -> bool:
        """Return whether the host solves a law under these.

        Args:
            law: the law.
            loss: the robust loss.
            residual: the residual.
        """
        return (
            type(law) in FAMILY
            and self.given.constraints == FREE
            and not law.fixed
            and on_host(loss) is not None
            and hosted(residual)
            and isinstance(self.flops, SixND)
        )

    def answer(self, law: Law, runs: Runs, loss: Loss, residual: Residual) -> Answer:
        """Return the best run of the budget by a law fitted to runs.

        Args:
            law: with its parameters free.
            runs: the runs.
            loss: the robust loss.
            residual: the residual.
        """
        if self.on_host(law, loss, residual):
            return self._hosted(law, runs, loss, residual)
        try:
            held = self.given.constraints if type(law) is type(self.given.law) else FREE
            search: Any = dict(starts=self.starts, seed=self.seed)
            search |= dict(bounds=dict(held.bounds), tie=dict(held.tied))
            found = fit(law, runs, loss=loss, residual=residual, **search)
        except (DataError, FitError) as error:
            return Answer(*NONE, False, str(error).split(". ")[0])
        return self.of(found.law, "; ".join(found.doubts))

    def of(self, law: Law, reason: str = "") -> Answer:
        """Return the best run of the budget by a fitted law.

        Args:
            law: fitted.
            reason: why it does not count; empty if it does.
        """
        try:
            C = self.compute
            low, here, high = (
                allocate(law, compute=C * math.exp(step), flops=self.flops)
                for step in (-STEP, 0.0, STEP)
            )
        except ValueError as error:
            return Answer(*NONE, False, reason or str(error))
        if here.at_edge:
            reason = reason or "its best run lies at the edge of all sizes"
        a = math.log(high.N / low.N) / (2 * STEP)
        numbers = (float(here.N), float(here.D), float(here.loss), a)
        good = all(map(math.isfinite, numbers)) and here.N > 0
        reason = reason or ("" if good else "not finite")
        given = (self.given.runs.column(name, self.flops) for name in law.inputs)
        with scope(np.float64):
            misfit = self._misfit(np.asarray(law.loss(*given)))
        return Answer(*numbers, good and not reason, reason, misfit)

    def _hosted(self, law: Law, runs: Runs, loss: Loss, residual: Residual) -> Answer:
        """Return the same by solves from several points, which must agree on the lowest value."""
        form = on_host(loss)
        assert form is not None and isinstance(self.flops, SixND)
        weight = runs.weights
        used = weight > 0
        columns = [np.asarray(runs.column(name, self.flops))[used] for name in ("N", "D")]
        if not residual.allows(runs.loss[used]).all():
            return Answer(*NONE, False, f"{residual} residuals need {residual.rule}")
        outer = isinstance(law, Skaling)
        if used.sum() < 6 + outer:
            return Answer(*NONE, False, f"{int(used.sum())} runs are too few")
        table = table_of(columns, runs.loss[used], weight[used], loss=form, residual=residual)
        found = self._solved(table, outer)
        lowest = min(value for _, value in found)
        at = next(z for z, value in found if value == lowest)
        alike = sum(value <= lowest * (1 + AGREE) for _, value in found)
        params = table.law(at)
        C, k = self.compute, self.flops.k
        N, there = best(params, C / k)
        total = params["alpha"] + params["beta"]
        reason = "" if alike > 1 else "its solves end at different values"
        reason = reason or _left_open(prepare(law, runs, loss, residual), params)
        numbers = (N, C / (k * N), there, params["beta"] / total if total > 0 else math.nan)
        good = all(map(math.isfinite, numbers)) and not reason
        reason = reason or ("" if good else "not finite")
        size, data = (np.asarray(self.given.runs.column(name, self.flops)) for name in "ND")
        with np.errstate(all="ignore"):
            terms = params["A"] * size ** -params["alpha"] + params["B"] * data ** -params["beta"]
            misfit = self._misfit(params["E"] + terms ** params["k"])
        return Answer(*numbers, good, reason, misfit)

    def _misfit(self, predicted: np.ndarray) -> float:
        """Return the mean distance of log loss from what a law predicts of the fit's runs."""
        runs = self.given.runs
        with np.errstate(all="ignore"):
            r = np.abs(np.log(predicted / runs.loss))[runs.weights > 0]
        return float(r.mean()) if np.isfinite(r).all() else math.nan

    def _solved(self, table: Table, outer: bool) -> list[tuple[np.ndarray, float]]:
        """Return optima from the fit's own point, from others, and from one that is drawn."""
        law = self.given.law
        form = law.closed_form()
        assert form is not None
        terms = {term.input: term for term in form.terms}
        start = {
            "E": form.offset,
            "A": terms["N"].coefficient,
            "B": terms["D"].coefficient,
            "alpha": terms["N"].exponent,
            "beta": terms["D"].exponent,
            "k": form.power,
        }
        z = table.of({name: float(value) for name, value in start.items()})
        free = moving(True, outer=outer)
        points = []
        for k in OTHERS if outer else (1.0,):
            one = z.copy()
            one[K] = math.log(k)
            points.append(one)
        rng = np.random.default_rng(self.seed)
        near = points[0] + np.array([0.1, 0.3, 0.5, 0.1, 0.1, 0.0]) * rng.uniform(-1, 1, 6)
        near[0] = max(near[0], 0.0)
        near[3:5] = np.maximum(near[3:5], 0.02)
        return [solve(table, each, free) for each in (*points, near)]


def _left_open(problem: Problem, params: dict[str, float]) -> str:
    """Return why the runs do not determine a law, as a certificate would; empty if they do."""
    space = problem.objective.space
    with scope(np.float64), np.errstate(divide="ignore"):
        z = np.array([float(x) for x in space.coordinates(params)])
    lower, upper = map(np.array, space.bounds())
    stuck = [name for name, x in zip(space.free, (z <= lower) | (z >= upper), strict=True) if x]
    if stuck:
        return f"{', '.join(stuck)} at a bound"
    return "; ".join(left_open(problem, z, exact=False))
