"""The result of a fit, put together: the law, its certificate, its errors, what was noticed.

One compiled program says of the optimum all that is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.checks.formula import check_fit
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Search
from jaxscale.engine.loop import Solution
from jaxscale.errors import FitError
from jaxscale.fitting.certificate import Local, certify, local
from jaxscale.fitting.informed import left_open
from jaxscale.fitting.linearized import Slopes, linearized, slopes
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult, statistics
from jaxscale.fitting.sandwich import standard_errors
from jaxscale.fitting.suspects import suspects
from jaxscale.laws import CATALOGUE, Law, derived
from jaxscale.laws.names import ANY
from jaxscale.objective.objective import Objective

NONE = np.zeros(0, int)
"""No run: residuals that are rounding point to none."""


class _Optimum(NamedTuple):
    """What one program says of the optimum; device arrays, or NumPy on the host."""

    local: Local
    law: Law
    prediction: Any  # [n], padding included
    slopes: Slopes
    answers: Any  # [Q, P] derivatives of the free parameters, and of what the law derives


def _at(objective: Objective, z: Any) -> _Optimum:
    prediction = objective.prediction(*z) * objective.space.loss_scale

    def free(z: Any) -> Any:
        law = objective.law_at(z)
        return jnp.stack([getattr(law, name) for name in objective.space.free])

    def followed(z: Any) -> Any:
        values = objective.law_at(z).derived().values()
        return jnp.stack([jnp.asarray(x, z.dtype) for x in values])

    answers = jax.jacfwd(free)(z)
    if objective.law.derived_docs or type(objective.law) not in CATALOGUE.values():
        answers = jnp.concatenate([answers, _rows(followed, z)])
    return _Optimum(
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
    objective, runs = search.objective, problem.runs
    n = len(runs)
    z, status = point[0].astype(float), point[1]
    optimum = smooth = search.run(_at, objective, z, dtype=np.float64)
    if objective.loss.kinked:
        # A kink has no curvature: condition and errors are those of the smooth loss of the search.
        smooth = search.run(_at, problem.objective, z, dtype=np.float64)
    at = _curved(optimum.local, smooth.local)
    _no_underflow(objective, runs)
    law = optimum.law.replace(**{name: float(x) for name, x in optimum.law.values.items()})
    prediction = optimum.prediction[:n]
    _representable(law, objective.space.free)
    check_fit(
        objective,
        z,
        law,
        inputs=problem.inputs,
        prediction=prediction,
        rows=runs.rows,
    )
    slopes_of = np.asarray(smooth.answers, float)
    names = (*objective.space.free, *derived(law))[: len(slopes_of)]
    around = linearized(problem, z, smooth.slopes)
    errors, unstated = standard_errors(around, names, slopes_of)
    return FitResult(
        law=_filled(problem.law, law),
        value=float(at.value),
        loss=problem.loss,
        residual=problem.residual,
        fixed=tuple(problem.law.fixed),
        certificate=certify(
            objective.space,
            solution,
            z,
            status,
            at,
            weaknesses=left_open(problem, z, exact=bool(at.value <= at.floor)),
            sharpened=objective.loss.kinked,
            searches=search.rounds,
            sampled=search.sampled,
        ),
        errors=errors,
        unstated=unstated,
        statistics=statistics(runs, prediction),
        runs=runs,
        prediction=prediction,
        start_values=np.where(np.isfinite(solution.value), solution.value, np.nan),
        start_status=solution.status,
        intervals=_intervals(law, objective.space.free, problem.inputs),
        suspects=NONE if at.value <= at.floor else suspects(around, prediction, runs.loss),
        warnings=problem.warnings,
        seconds={},
        settings={},
        constraints=problem.constraints,
        prepared=problem,
    )


def _curved(sharp: Local, smooth: Local) -> Local:
    """Return what is known of an optimum, with the curvatures of the smooth loss."""
    return sharp._replace(hessian=smooth.hessian, gauss_newton=smooth.gauss_newton)


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
