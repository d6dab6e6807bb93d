"""Partial pooling: own parameters of families as draws around a common mean, of estimated width.

The objective gets, per own parameter, a sum of squares of the families' coordinates (logarithms of
what is positive, in the units of the runs' middle) around their mean, over twice the square of the
width, times the dispersion of the loss (`noise_ratio`: what turns the objective into twice a log
likelihood). The mean is profiled out. The width is empirical Bayes: it maximizes the marginal
likelihood of the runs, the fit's own quadratic taken for the likelihood (Laplace) with the
smoothed curvature that error bars are made of, the mean and the shared parameters integrated out,
as REML does. So the shrinkage is that of a linear mixed model, iterated to the fit it starts from.

With few families the likelihood of the width is flat and often highest at zero. A prior of the
width that is zero there, proportional to the width, keeps it off; five families and more hardly
feel it. Two or three tell next to nothing of a width, and the fit says so.

Source: Morris 1983, JASA 78(381) (empirical Bayes); Patterson & Thompson 1971, Biometrika 58(3)
(REML); Chung, Rabe-Hesketh, Dorie, Gelman & Liu 2013, Psychometrika 78(4) (off zero).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxscale.fitting.constraints import Constraints
from jaxscale.fitting.linearized import Linearized, linearize
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import noise_ratio
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.text import quantity

WEAK = 1e-6
"""Strength of the prior over runs per family, before anything is known."""
WIDTHS = np.geomspace(1e-3, 5.0, 96)
"""Widths that are tried, in logarithms."""
ROUNDS = 12
SETTLED = 0.01
"""Relative change of the widths at which they have settled."""
FEW = 5
"""Families below which a width is poorly known."""


def fit_pooled(
    problem: Problem, constraints: Constraints, solve: Callable[..., FitResult], **options: Any
) -> FitResult:
    """Fit a law over families that lean on each other.

    Args:
        problem: with the weakest prior of `weak`.
        constraints: of the fit, without a prior.
        solve: `fit_problem`.
        options: of it.

    Cost: two searches from all starts, and a few solves between them from one.
    """
    law = problem.law
    assert isinstance(law, FamilyLaw)
    found, width = solve(problem, **options), None
    for _ in range(ROUNDS):
        at = linearize(found)
        ratio = noise_ratio(at)
        before, width = width, _widths(at, ratio, law)
        problem = _under(problem, constraints, width, ratio)
        if before is not None and np.all(np.abs(np.log(width / before)) < SETTLED):
            break
        again = {**options, "starts": at.z[None]}
        found = solve(problem, **again)
    return solve(_told(problem, law), **options)


def weak(law: FamilyLaw, runs: int) -> tuple[tuple[str, float, float], ...]:
    """Return a prior that hardly pulls, under which families of a run or two are determined.

    Args:
        law: over families.
        runs: how many there are.
    """
    return tuple((name, 1.0, WEAK * runs / len(law.labels)) for name in law.own)


def _under(problem: Problem, constraints: Constraints, width: np.ndarray, ratio: float) -> Problem:
    """Return the problem under a prior of widths [K]."""
    law = problem.law
    assert isinstance(law, FamilyLaw)
    pooled = tuple(
        (name, float(x), float(ratio / x**2)) for name, x in zip(law.own, width, strict=True)
    )
    held = constraints._replace(pooled=pooled)
    objective = problem.objective
    prior = held.prior(law, objective.space.free)
    objective = dataclasses.replace(objective, prior=prior)
    return dataclasses.replace(problem, objective=objective, constraints=held)


def _widths(at: Linearized, ratio: float, law: FamilyLaw) -> np.ndarray:
    """Return the widths [K] of the prior: those given, or those of the largest marginal likelihood.

    Args:
        at: the fit under some prior, linearized.
        ratio: the dispersion of the loss.
        law: over families.
    """
    own, count = len(law.own), len(law.labels)
    if not isinstance(law.pooled, bool):
        return np.full(own, float(law.pooled))
    prior = at.objective.prior
    assert prior is not None
    place = np.array(prior.place)
    data = (at.curvature_matrix() - at.held) / ratio
    # Of the data alone, in units of the log likelihood; at the optimum it is the prior's pull.
    slope = at.rows.T @ (at.weight * at.psi) / ratio
    moving = at.moving
    apart = np.eye(count) - 1 / count

    def likelihood(width: np.ndarray) -> float:
        held = np.zeros_like(data)
        for k in range(own):
            held[np.ix_(place[k], place[k])] = apart / width[k] ** 2
        matrix = (data + held)[np.ix_(moving, moving)]
        pull = (slope + held @ at.z)[moving]
        try:
            root = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return -np.inf
        inside = np.linalg.solve(root, pull)
        fit = 0.5 * inside @ inside - 0.5 * at.z @ held @ at.z
        sizes = (count - 1) * np.log(width).sum() + np.log(np.diag(root)).sum()
        return float(fit - sizes + np.log(width).sum())  # the last keeps a width off zero

    width = np.full(own, 0.3)
    for _ in range(6):
        before = width.copy()
        for k in range(own):
            tried = [np.where(np.arange(own) == k, x, width) for x in WIDTHS]
            width = tried[int(np.argmax([likelihood(each) for each in tried]))]
        if np.array_equal(before, width):
            break
    return width


def _told(problem: Problem, law: FamilyLaw) -> Problem:
    """Return the problem with a note on the widths."""
    said = ", ".join(f"{name} {quantity(x, 2)}" for name, x, _ in problem.constraints.pooled)
    kind = "as given" if not isinstance(law.pooled, bool) else "estimated"
    note = f"partial pooling: widths of the own parameters over {law.by}, {kind}: {said}"
    count = len(law.labels)
    if kind == "estimated" and count < FEW:
        note += f"; {count} of them tell little of a width, so try others (pool=WIDTH)"
    return dataclasses.replace(problem, warnings=(*problem.warnings, note))
