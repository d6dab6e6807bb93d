"""The sandwich: standard errors from the curvature at an optimum and the scores of its runs.

A = sum of w rho'' times the outer product of slopes, smoothed over the spread of the residuals;
B = sum of squared scores w psi times slopes, each over the root of 1 - leverage (HC2). The
covariance of the coordinates is A^-1 B A^-1, whatever the noise of each run.

Source: Huber 1967, Proc. Fifth Berkeley Symp.; HC2 of MacKinnon & White 1985, Journal of
Econometrics 29(3); kernel estimate of the curvature, Powell 1991.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxscale._numerics.bandwidth import binary_unit
from jaxscale.errors import FitError
from jaxscale.fitting.linearized import Linearized

SINGULAR = 1e12
"""Condition number from which the curvature determines no errors."""


def inverse_curvature(at: Linearized) -> np.ndarray:
    """Return [P, P]: the inverse of the smoothed curvature, zero for what is at a bound.

    Raises:
        FitError: it is singular, or no parameter is left whose error it could say.
    """
    called = type(at.objective.law).__name__
    if not at.moving.any():
        raise FitError(
            f"no parameter of {called} has a standard error: all that are free are at a bound, or "
            "breaks, whose intervals are stated instead"
        )
    matrix = at.curvature_matrix()[np.ix_(at.moving, at.moving)]
    scale = np.sqrt(np.diag(matrix))
    safe = bool(np.isfinite(matrix).all() and (scale > 0).all())
    scaled = matrix / np.outer(scale, scale) if safe else matrix
    eigenvalues = np.linalg.eigvalsh(scaled) if safe else np.zeros(1)
    if not safe or eigenvalues[0] * SINGULAR <= eigenvalues[-1]:
        raise FitError(
            f"the curvature of {called} at its optimum is singular: some combination of "
            "its parameters is not determined by the runs and has no error; fix a parameter or fit "
            "a smaller law"
        )
    inverse = np.zeros((len(at.z), len(at.z)))
    inverse[np.ix_(at.moving, at.moving)] = np.linalg.inv(scaled) / np.outer(scale, scale)
    return inverse


def run_scores(at: Linearized, bread: np.ndarray) -> np.ndarray:
    """Return the score of every run [n, P], freed from the share that went into the fit.

    Args:
        at: the fit linearized.
        bread: its inverse curvature [P, P].
    """
    share = np.einsum("np,pq,nq->n", at.rows, bread, at.rows) * at.weight * at.smoothed
    scores: np.ndarray = (
        at.rows * (at.weight * at.psi / np.sqrt(np.maximum(1 - share, 0.1)))[:, None]
    )
    return scores


def noise_ratio(at: Linearized) -> float:
    """Return lambda: the mean of psi² over that of the smoothed curvature, n / (n - P) times.

    It turns twice the rise of the objective into a chi-square, and an inverse curvature into a
    covariance; for least squares it is the residual variance.

    Source: Hampel et al. 1986, Robust Statistics, section 7.3.
    """
    n = float((at.weight > 0).sum())
    square = float(np.sum(at.weight**2 * at.psi**2))
    return square / float(at.weight @ at.smoothed) * n / max(at.freedom, 1)


def squared_scores(at: Linearized, score: np.ndarray) -> np.ndarray:
    """Return [P, P]: the sum of squared scores [m, P] of runs or clusters, and of the prior.

    What families lean on scatters as its width says: so where all noise is alike, the sandwich is
    the posterior's covariance.
    """
    meat: np.ndarray = score.T @ score
    return meat + noise_ratio(at) * at.held if at.held.any() else meat


def standard_errors(
    at: Linearized, names: Sequence[str], slopes: np.ndarray
) -> tuple[dict[str, float], str]:
    """Return the standard error of every quantity, and why some have none; empty if all do.

    Args:
        at: the fit linearized. A break, which data locate only between two values, is held.
        names: of Q quantities.
        slopes: [Q, P] derivatives of the quantities in the coordinates.

    Returns:
        Errors by name, NaN where there is none to state, and a sentence.
    """
    specs, free = at.objective.space.specs, at.objective.space.free
    breaks = np.array([spec.role == "breakpoint" for spec in specs])
    size, heavy = binary_unit(at.rows), binary_unit(at.weight)  # the sandwich has neither unit
    held = dataclasses.replace(
        at,
        moving=at.moving & ~breaks,
        rows=at.rows / size,
        psi=at.psi / size,
        weight=at.weight / heavy,
        held=at.held / (size * size * heavy),
    )
    if held.freedom < 1:
        return dict.fromkeys(names, np.nan), "no run is left to estimate the noise from"
    try:
        bread = inverse_curvature(held)
    except FitError as error:
        return dict.fromkeys(names, np.nan), str(error)
    score = run_scores(held, bread)
    matrix = bread @ squared_scores(held, score) @ bread
    stuck = [name for name, moves in zip(free, at.moving, strict=True) if not moves]
    gaps = {name for name, gap in zip(free, breaks, strict=True) if gap}  # told as intervals
    errors, without = {}, []
    for name, slope in zip(names, slopes, strict=True):
        known = np.isfinite(slope).all() and not slope[~held.moving].any()
        unit = binary_unit(slope)
        slope = slope / unit
        errors[name] = unit * float(np.sqrt(slope @ matrix @ slope)) if known else np.nan
        without += [] if known or name in gaps else [name]
    if not without:
        return errors, ""
    why = f"{', '.join(stuck)} at a bound" if stuck else "no finite derivative there"
    return errors, f"no standard error for {', '.join(without)}: {why}"
