"""Which runs do not belong to a fit: residuals beyond what chance does at this number of runs.

Two conditions. A residual must be five robust standard deviations off; that spread is the median
of the residuals that the fit does not pass through (near least absolute deviations it passes
through as many runs as there are parameters, and those say nothing about the noise). And a fit to
the other runs must miss it by more than the largest of so many Gaussian errors would be missed, by
Student's t with the degrees of freedom that are left: with few of those a large ratio is no
evidence. Losses that are rounded are never suspect for their rounding. Plain NumPy.

Source: the median of non-zero residuals, Maronna, Martin & Yohai 2006, Robust Statistics, section
4.4; tests outwards from the robustly cleanest runs, against masking, Hadi & Simonoff 1993, Journal
of the American Statistical Association 88(424); their critical values, Rosner 1983, Technometrics
25(2).
"""

from __future__ import annotations

import numpy as np

from jaxscale._numerics.bandwidth import binary_unit
from jaxscale._numerics.digits import decimal_unit
from jaxscale._numerics.student import student_t
from jaxscale.fitting.linearized import Linearized

SCREEN = 3.0
"""Robust standard deviations from which a residual is looked at."""
FAR = 5.0
"""Standard errors of a suspect at least, by a fit to the other runs."""
CHANCE = 0.01
"""Share of tables of Gaussian noise in which any run is suspect, were one run looked at; as several
are, up to three times as many (`python -m benchmarks.flags`)."""
ROUNDS = 30
"""Reweighted solves towards least absolute deviations, at most."""
CHUNK = 1024
"""Residuals that are judged at a time."""


def suspects(
    at: Linearized, prediction: np.ndarray, loss: np.ndarray, *, counted: bool = False
) -> np.ndarray:
    """Return the indices [k] of the runs that do not belong to a fit, among those it uses.

    Args:
        at: the fit linearized, n runs.
        prediction: [n] in the units of the runs.
        loss: [n].
        counted: whether the weights are numbers of trials: counts scatter by themselves, and no
            run is suspect for what five of their standard errors allow.
    """
    used = np.flatnonzero(at.weight > 0)
    root = np.sqrt(at.weight[used] / at.weight[used].mean())
    rounding = at.objective.residual.moved(prediction, loss, 0.5 * decimal_unit(loss))
    residual, slopes = at.residual[used] * root, at.rows[np.ix_(used, at.moving)] * root[:, None]
    spare = len(used) - int(at.moving.sum())
    known = float(at.weight[used].mean() ** -0.5) if counted else 0.0
    found: np.ndarray = used[outliers(residual, slopes, spare, rounding[used] * root, known)]
    return found


def outliers(
    residual: np.ndarray,
    slopes: np.ndarray,
    spare: int,
    rounding: np.ndarray,
    known: float = 0.0,
) -> np.ndarray:
    """Return the sorted indices of outliers of a linear model.

    Args:
        residual: [n] of any fit; equal variances are assumed.
        slopes: [n, P] derivatives by the coordinates.
        spare: n minus the number of parameters.
        rounding: [n] how far rounding the loss can move each residual.
        known: standard deviation of the residuals at least.
    """
    unit = binary_unit(residual)
    if spare < 2 or not np.isfinite(residual).all() or not np.isfinite(slopes).all():
        return np.zeros(0, int)
    r, rounding, known = residual / unit, rounding / unit, known / unit
    basis = _basis(slopes)
    r = _least_absolute(r, basis)
    spread = max(np.sort(np.abs(r))[-spare:][(spare - 1) // 2] / 0.6745, known)
    far = np.flatnonzero(np.abs(r) > SCREEN * np.maximum(spread, rounding))
    order = far[np.argsort(-np.abs(r[far]), kind="stable")]  # at most half of the spare ones
    kept = np.ones(len(r), bool)
    kept[order] = False
    gram, moment, squares = basis[kept].T @ basis[kept], basis[kept].T @ r[kept], r[kept] @ r[kept]
    for last in range(len(order), 0, -CHUNK):  # from the least of them
        some = order[max(last - CHUNK, 0) : last][::-1]
        taken = np.arange(last, last - len(some), -1)  # how many are out before each is judged
        rows, value = basis[some], r[some]
        grams = gram + _running(rows[:, :, None] * rows[:, None, :])
        moments = moment + _running(rows * value[:, None])
        energy = squares + _running(value**2)
        values, vectors = np.linalg.eigh(grams[:-1])
        seen = values > 1e-9
        along = np.einsum("kpq,kp->kq", vectors, rows)  # by the directions that the others tell of
        away = np.sum(np.where(seen, 0, along) ** 2, axis=1) > 1e-9  # no other run tells of it
        along = np.where(seen, along / np.sqrt(np.where(seen, values, 1.0)), 0)
        fitted = np.einsum("kpq,kp->kq", vectors, moments[:-1])
        fitted = np.where(seen, fitted / np.sqrt(np.where(seen, values, 1.0)), 0)
        freedom = spare - taken
        variance = np.maximum(energy[:-1] - np.sum(fitted**2, axis=1), 0.0) / freedom
        variance = np.maximum(variance, known**2)
        size = (variance + rounding[some] ** 2 / 3) * (1 + np.sum(along**2, axis=1))
        missed = np.abs(value - np.sum(along * fitted, axis=1))
        for k in np.flatnonzero(~away & (missed > FAR * np.sqrt(size))):
            limit = student_t(1 - 0.5 * CHANCE / (len(r) - taken[k] + 1), int(freedom[k]))
            if missed[k] > limit * np.sqrt(size[k]):
                return np.sort(order[: taken[k]])
        gram, moment, squares = grams[-1], moments[-1], energy[-1]
    return np.zeros(0, int)


def _running(parts: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... K of `parts` [K, ...], along a new axis of K + 1."""
    return np.concatenate([np.zeros_like(parts[:1]), np.cumsum(parts, axis=0)])


def _basis(slopes: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis [n, R] of what the coordinates can move."""
    size = np.sqrt(np.sum((slopes / binary_unit(slopes)) ** 2, axis=0)) * binary_unit(slopes)
    columns: np.ndarray = slopes[:, size > 0] / size[size > 0]
    if columns.shape[1] == 0:
        return columns
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    basis: np.ndarray = left[:, values > 1e-10 * values[0]]
    return basis


def _least_absolute(r: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return residuals [n] moved along a basis [n, R] to nearly the least sum of |r|."""
    best, least = r, float(np.sum(np.abs(r)))
    for _ in range(ROUNDS if basis.shape[1] else 0):
        floor = 1e-4 * float(np.median(np.abs(r))) + 1e-12 * float(np.max(np.abs(r)))
        if floor == 0:
            break
        heavy = basis / np.maximum(np.abs(r), floor)[:, None]
        r = r - basis @ np.linalg.solve(heavy.T @ basis, heavy.T @ r)
        total = float(np.sum(np.abs(r)))
        if total > (1 - 1e-4) * least:
            break
        best, least = r, total
    return best
