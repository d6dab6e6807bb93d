"""The result of a fit, put together: the law, its certificate, its errors, what was noticed.

One compiled program says of the optimum all that is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.checks.formula import check_fit
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Search
from jaxscale.engine.loop import Solution
from jaxscale.errors import FitError
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.certify import Local, certify, local
from jaxscale.fitting.families import result_class
from jaxscale.fitting.informed import left_open
from jaxscale.fitting.limits import limits_given
from jaxscale.fitting.linearized import Slopes, linearized, slopes
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import standard_errors
from jaxscale.fitting.statistics import statistics
from jaxscale.fitting.suspects import suspects
from jaxscale.fitting.trials import weighs_trials
from jaxscale.laws import CATALOGUE, Law, derived
from jaxscale.laws.explained import ANY
from jaxscale.objective.objective import Objective

NONE = np.zeros(0, int)
"""No run: residuals that are rounding point to none."""


class Optimum(NamedTuple):
    """What one program says of the optimum; device arrays, or NumPy on the host."""

    local: Local
    law: Law
    prediction: Any  # [n], padding included
    slopes: Slopes
    answers: Any  # [Q, P] derivatives of the free parameters, and of what the law derives


def at_point(objective: Objective, z: Any) -> Optimum:
    """Return everything that a result says of `z` [P]; pure."""
    prediction = objective.prediction(*z) * objective.space.loss_scale

    def free(z: Any) -> Any:
        law = objective.law_at(z)
        return jnp.stack([getattr(law, name) for name in objective.space.free])

    def followed(z: Any) -> Any:
        values = objective.law_at(z).derived().values()
        return jnp.stack([jnp.asarray(x, z.dtype) for x in values])

    answers = jax.jacfwd(free)(z)
    if objective.law.derived_docs or not CATALOGUE.has(type(objective.law)):
        answers = jnp.concatenate([answers, _rows(followed, z)])
    return Optimum(
        local(objective, z),
        objective.law_at(z),
        prediction,
        slopes(objective, z),
        answers,
    )


def _rows(followed: Callable[[Any], Any], z: Any) -> Any:
    """Return the derivatives [K, P] of what a law derives; none where JAX cannot trace that."""
    try:
        return jax.jacfwd(followed)(z)
    except ANY:  # a person's own code: its numbers are shown, without errors
        return jnp.zeros((0, len(z)), z.dtype)


class Found(NamedTuple):
    """What a search led to.

    Attributes:
        problem: what was solved.
        objective: the same with the sharpest loss.
        solution: of all random starts.
        z: [P] the best point.
        status: how the start that found it ended.
        optimum: `at_point` there.
        smooth: the same under the loss of the search: a kink has no curvature, so condition and
            errors are of that.
        searches: in how many searches of equal size the starts were made.
        sampled: runs of the sample that they were searched on, and optima of it that were solved
            on on all runs; 0 where all runs were searched.
    """

    problem: Problem
    objective: Objective
    solution: Solution
    z: np.ndarray
    status: int
    optimum: Optimum
    smooth: Optimum
    searches: int
    sampled: tuple[int, int] = (0, 0)

    @property
    def local(self) -> Local:
        """The objective around the optimum, with the curvatures of the smooth loss."""
        smooth = self.smooth.local
        return self.optimum.local._replace(hessian=smooth.hessian, gauss_newton=smooth.gauss_newton)

    @property
    def law(self) -> Law:
        """The law at the optimum, its parameters as floats in the units of the runs."""
        law = self.optimum.law
        return law.replace(**{name: float(value) for name, value in law.values.items()})

    @property
    def prediction(self) -> np.ndarray:
        """The law at the runs [n]."""
        prediction: np.ndarray = self.optimum.prediction[: len(self.problem.runs)]
        return prediction


def assembled(
    problem: Problem, search: Search, solution: Solution, point: tuple[np.ndarray, int]
) -> FitResult:
    """Return the result of a search: the law with its certificate and its errors.

    Args:
        problem: what was solved.
        search: who solved it; its objective has the sharpest loss.
        solution: of all random starts.
        point: (z [P], status) of the best.

    Raises:
        FitError: the objective or a parameter leaves the range of float64.
        LawError: the formula does something else than the law declares.
    """
    objective, z = search.objective, point[0].astype(float)
    optimum = smooth = search.run(at_point, objective, z, dtype=np.float64)
    if objective.loss.kinked:
        smooth = search.run(at_point, problem.objective, z, dtype=np.float64)
    rounds, sampled = search.rounds, search.sampled
    found = Found(problem, objective, solution, z, point[1], optimum, smooth, rounds, sampled)
    check(found)
    exact = bool(found.local.value <= found.local.floor)
    return concluded(found, judged(found, left_open(problem, z, exact=exact)))


def check(found: Found) -> None:
    """Raise where what was found cannot be stated.

    Raises:
        FitError: the objective or a parameter leaves the range of float64.
        LawError: the formula does something else than the law declares.
    """
    objective, runs, law = found.objective, found.problem.runs, found.law
    _no_underflow(objective, runs)
    _representable(law, objective.space.free)
    check_fit(
        objective,
        found.z,
        law,
        inputs=found.problem.inputs,
        prediction=found.prediction,
        rows=runs.rows,
    )


def judged(found: Found, weaknesses: tuple[str, ...]) -> Certificate:
    """Return the certificate of what was found.

    Args:
        found: the optimum, and what every start led to.
        weaknesses: what the runs leave open there.
    """
    made = certify(
        found.objective.space,
        found.solution,
        found.z,
        found.status,
        found.local,
        weaknesses=weaknesses,
        sharpened=found.objective.loss.kinked,
        searches=found.searches,
        sampled=found.sampled,
    )
    limits = limits_given(found.law, found.problem.constraints, made.at_bound)
    return dataclasses.replace(made, limits=limits) if limits else made


def concluded(found: Found, certificate: Certificate) -> FitResult:
    """Return the result: the law with its certificate, its errors, and what was noticed.

    Args:
        found: the optimum, and what every start led to.
        certificate: of it.
    """
    problem, objective, solution = found.problem, found.objective, found.solution
    runs, law, prediction, at = problem.runs, found.law, found.prediction, found.local
    slopes_of = np.asarray(found.smooth.answers, float)
    names = (*objective.space.free, *derived(law))[: len(slopes_of)]
    around = linearized(problem, found.z, found.smooth.slopes)
    errors, unstated = standard_errors(around, names, slopes_of)
    return result_class(law)(
        law=_filled(problem.law, law),
        value=float(at.value) - _prior(objective, found.z),
        loss=problem.loss,
        residual=problem.residual,
        fixed=tuple(problem.law.fixed),
        certificate=certificate,
        errors=errors,
        unstated=unstated,
        statistics=statistics(runs, prediction),
        runs=runs,
        prediction=prediction,
        start_values=np.where(np.isfinite(solution.value), solution.value, np.nan),
        start_status=solution.status,
        intervals=_intervals(law, objective.space.free, problem.inputs),
        suspects=NONE
        if at.value <= at.floor
        else suspects(around, prediction, runs.loss, counted=weighs_trials(runs)),
        warnings=problem.warnings,
        seconds={},
        settings={},
        constraints=problem.constraints,
        prepared=problem,
    )


def _prior(objective: Objective, z: np.ndarray) -> float:
    """Return what the prior of pooled families adds to the plain sum."""
    if objective.prior is None:
        return 0.0
    with scope(np.float64):
        return float(objective.prior.value(jnp.asarray(z, float)))


def _no_underflow(objective: Objective, runs: Runs) -> None:
    """Raise where squares of residuals are below what float64 can hold."""
    rounding = 16 * np.finfo(float).eps * float(objective.space.loss_scale)
    if objective.residual.has_unit and not rounding**2 > np.finfo(float).tiny:
        raise FitError(
            f"the objective underflows: losses of about {np.median(np.abs(runs.loss)):.1g}, "
            "squared, are below what float64 can hold; give the loss in larger units, or use log "
            "residuals"
        )


def _representable(law: Law, free: tuple[str, ...]) -> None:
    """Raise where a fitted parameter has no number in the units of the runs."""
    for name in free:
        value = getattr(law, name)
        zero = value == 0 and law.parameters[name].positive
        if zero or not np.isfinite(value):
            raise FitError(
                f"the fitted {name} is {value:g} in the units of the runs: float64 cannot hold "
                "it; give the loss or the inputs in other units"
            )


def _filled(law: Law, fitted: Law) -> Law:
    """Return the user's law with its free parameters filled in; fixed values stay to the bit."""
    return law.replace(**{name: getattr(fitted, name) for name in law.free})


def _intervals(
    law: Law, free: tuple[str, ...], inputs: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return, per free break, the neighboring data values between which it lies."""
    found = {}
    for name, spec in law.parameters.items():
        if spec.role == "breakpoint" and name in free:
            values = np.unique(inputs[spec.per[0][0]])
            at = float(getattr(law, name))
            found[name] = (
                float(values[values <= at].max(initial=values[0])),
                float(values[values >= at].min(initial=values[-1])),
            )
    return found
