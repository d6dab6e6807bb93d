"""What the runs of a problem tell of its law, at a point: for the certificate and for answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxscale.checks.determined import size_within, undetermined
from jaxscale.checks.information import Information
from jaxscale.checks.settled import settled
from jaxscale.fitting.families import FamilyFit
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.laws.grouped import FAMILY


def information(problem: Problem, z: np.ndarray) -> Information:
    """Return the law of a problem at coordinates `z` [P], with the runs that have a weight."""
    used = problem.runs.weights > 0
    return Information(
        law=problem.law,
        space=problem.objective.space,
        z=np.asarray(z, float),
        inputs={name: x[used] for name, x in problem.inputs.items()},
        loss=problem.runs.loss[used],
        weight=problem.runs.weights[used],
        residual=problem.residual,
        quadratic=problem.loss.quadratic,
        leaning=_leaning(problem),
    )


def _leaning(problem: Problem) -> np.ndarray | None:
    """Return the slopes [K G, P] of the prior of pooled families; None without one."""
    prior = problem.objective.prior
    if prior is None:
        return None
    place = np.array(prior.place)
    K, G = place.shape
    rows = np.zeros((K, G, len(problem.objective.space.specs)))
    for k, (_, width, _) in enumerate(problem.constraints.pooled):
        rows[k][:, place[k]] = (np.eye(G) - 1 / G) / width
    return rows.reshape(K * G, -1)


def left_open(problem: Problem, z: np.ndarray, *, exact: bool) -> tuple[str, ...]:
    """Return sentences on what the runs do not determine, by their design and by the noise.

    Args:
        problem: what was solved.
        z: [P] the optimum.
        exact: whether the residuals are rounding, which leaves nothing open but a design does.
    """
    return left_open_of([problem], [z], [exact])[0]


def left_open_of(
    problems: Sequence[Problem], points: Sequence[np.ndarray], exact: Sequence[bool]
) -> list[tuple[str, ...]]:
    """Return what `left_open` does, for many problems of one law with the same parameters free.

    Args:
        problems: what was solved.
        points: [P] each, the optimum.
        exact: of each, whether the residuals are rounding.
    """
    found = [problem.weaknesses for problem in problems]
    judged = [k for k, said in enumerate(found) if not said and not exact[k]]
    cases = [information(problems[k], points[k]) for k in judged]
    for k, at, nothing in zip(judged, cases, settled(cases) if cases else (), strict=True):
        found[k] = () if nothing else undetermined(at)
    return found


def best_size_within(fit: FitResult, compute: float) -> float:
    """Return the factor within which a fit knows the best N of a budget, at 98 %; NumPy only."""
    held = None
    if isinstance(fit, FamilyFit):
        held, fit = {FAMILY: fit.code}, fit.whole
    return size_within(information(fit.problem, fit.optimum), compute, held)
