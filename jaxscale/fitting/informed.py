"""What the runs of a problem tell of its law, at a point: for the certificate and for answers."""

from __future__ import annotations

import numpy as np

from jaxscale.checks.determined import size_within, undetermined
from jaxscale.checks.information import Information
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult


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
    )


def left_open(problem: Problem, z: np.ndarray, *, exact: bool) -> tuple[str, ...]:
    """Return sentences on what the runs do not determine, by their design and by the noise.

    Args:
        problem: what was solved.
        z: [P] the optimum.
        exact: whether the residuals are rounding, which leaves nothing open but a design does.
    """
    if problem.weaknesses or exact:
        return problem.weaknesses
    return undetermined(information(problem, z))


def best_size_within(fit: FitResult, compute: float) -> float:
    """Return the factor within which a fit knows the best N of a budget, at 98 %; NumPy only."""
    return size_within(information(fit.problem, fit.optimum), compute)
