"""Where the loss is lowest over what was tuned: parabolas in the logarithms, of all groups at once.

Around its lowest point, the loss of a sweep of learning rates is close to a parabola in log lr, and
that of a sweep of learning rates and batch sizes to a quadratic surface. Its minimum is less noisy
than the lowest of the points, and lies between them. The surface goes through the points near the
minimum only, as far as `REACH` and `EXCESS` say: farther away losses are no parabola, and where
training diverges they are anything.

Standard errors follow from the covariance of the coefficients. The variance of the noise is that of
a group about its own surface, drawn towards that of all groups by `PRIOR` degrees of freedom:
sweeps of five points have two of their own.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from jaxscale.data.groups import lowest_rows, sums
from jaxscale.shown.blocks import Shown

REACH = math.log(3)
"""How far around the minimum a surface is fitted, a factor 3 each way ..."""
NEIGHBOURS = {1: 5, 2: 12}
"""... or further, until it has so many points."""
EXCESS = (0.02, 0.1)
"""Share of the lowest loss by which no such point lies above it; and up to which the share grows
until there are as many."""
BENT = 1.0
"""Standard errors by which the curvature must be above 0. More would pick the sweeps whose noise
adds to the bend, and their optima would be less certain than their errors say."""
PRIOR = 8.0
"""Degrees of freedom of the variance of all groups, beside the own ones."""
ALIKE = 1e-5
"""Least eigenvalue of a design, as a share of the largest, that determines a surface."""
INSIDE, EDGE, FLAT, FEW, ALONE = range(5)
"""What became of a group: an optimum, or why it has none."""


@dataclasses.dataclass(frozen=True)
class Optima(Shown):
    """The optima of G groups over d tuned quantities.

    Attributes:
        lowest: [G] row of the lowest loss.
        kind: [G] `INSIDE`, or why there is no optimum: `EDGE`, the surface is lowest where no
            point lies; `FLAT`, it does not bend up by more than its error; `FEW`, too few points
            or values determine no surface; `ALONE`, there is one point.
        log_at: [G, d] natural logarithm of the optimum; NaN where none is inside.
        log_error: [G, d] standard errors of it; NaN too where there is no noise to tell them by.
        loss: [G] at the optimum; where there is none, the lowest.
        error: [G] standard errors of it.
        points: [G] how many the surface goes through.
        surface: [G, p] its coefficients in `features` of (log x - middle) / half.
        middle: [G, d].
        half: [G, d].
        freedom: [G] degrees of freedom of the variance.
    """

    lowest: np.ndarray
    kind: np.ndarray
    log_at: np.ndarray
    log_error: np.ndarray
    loss: np.ndarray
    error: np.ndarray
    points: np.ndarray
    surface: np.ndarray
    middle: np.ndarray
    half: np.ndarray
    freedom: np.ndarray


def features(u: np.ndarray) -> np.ndarray:
    """Return what a quadratic of u [..., d] is linear in, [..., p]: 1, u, and their products."""
    d = u.shape[-1]
    squares = [u[..., i] * u[..., j] for i in range(d) for j in range(i, d)]
    return np.stack([np.ones(u.shape[:-1]), *(u[..., i] for i in range(d)), *squares], -1)


def _slopes(u: np.ndarray) -> np.ndarray:
    """Return the derivatives [..., d, p] of the features."""
    d = u.shape[-1]
    found = np.zeros((*u.shape[:-1], d, 1 + d + d * (d + 1) // 2))
    found[..., np.arange(d), 1 + np.arange(d)] = 1
    k = 1 + d
    for i in range(d):
        for j in range(i, d):
            found[..., i, k] += u[..., j]
            found[..., j, k] += u[..., i]
            k += 1
    return found


def _bends(surface: np.ndarray, d: int) -> np.ndarray:
    """Return the second derivatives [..., d, d] of surfaces [..., p]."""
    found = np.zeros((*surface.shape[:-1], d, d))
    k = 1 + d
    for i in range(d):
        for j in range(i, d):
            found[..., i, j] += surface[..., k]
            found[..., j, i] += surface[..., k]
            k += 1
    return found


def optima(groups: np.ndarray, x: np.ndarray, loss: np.ndarray) -> Optima:
    """Return where every group is lowest.

    Args:
        groups: [n] from 0 to G - 1, each with a row.
        x: [n, d] natural logarithms of what was tuned, d one or two.
        loss: [n]; rows whose loss is not finite have diverged, and count for nothing.
    """
    lowest = lowest_rows(groups, loss)
    center = x[lowest]
    found = _around(center, groups, x, loss, lowest)
    again = np.where((found.kind == INSIDE)[:, None], found.log_at, center)
    return _around(again, groups, x, loss, lowest)


def _around(
    center: np.ndarray, groups: np.ndarray, x: np.ndarray, loss: np.ndarray, lowest: np.ndarray
) -> Optima:
    """Fit a surface to the points around the centers [G, d]."""
    count, d = center.shape
    least = loss[lowest]
    unit = np.where(np.isfinite(least) & (least != 0), np.abs(least), 1.0)
    used = _near(center, groups, x, (loss - least[groups]) / unit[groups])
    g = groups[used]
    low, high = np.full((count, d), np.inf), np.full((count, d), -np.inf)
    np.minimum.at(low, g, x[used])
    np.maximum.at(high, g, x[used])
    half = np.maximum(np.where(high > low, np.maximum(high - center, center - low), 0), 1e-9)
    phi = features((x[used] - center[g]) / half[g])
    y = (loss[used] - least[g]) / unit[g]
    surface, inverse, solved = _solved(phi, y, g, count)
    points = sums(g, np.ones(len(g)), count)
    variance, freedom = _noise(sums(g, (y - (phi * surface[g]).sum(-1)) ** 2, count), points,
                               phi.shape[1], solved)  # fmt: skip
    covariance = variance[:, None, None] * inverse
    bends = _bends(surface, d)
    kind = np.where(solved, INSIDE, FEW)
    kind[sums(groups, np.isfinite(loss), count) < 2] = ALONE
    kind[(kind == INSIDE) & ~_bent(bends, covariance)] = FLAT
    bends[kind != INSIDE] = np.eye(d)
    at = -np.linalg.solve(bends, surface[:, 1 : 1 + d, None])[..., 0]
    log_at = center + half * at
    kind[(kind == INSIDE) & ~((log_at > low) & (log_at < high)).all(-1)] = EDGE
    inside = kind == INSIDE
    moved = -np.linalg.solve(bends, _slopes(at)) * half[..., None]
    value = features(at)
    with np.errstate(invalid="ignore"):
        log_error = np.sqrt(np.einsum("gdp,gpq,gdq->gd", moved, covariance, moved))
        error = np.sqrt(np.einsum("gp,gpq,gq->g", value, covariance, value))
    return Optima(
        lowest,
        kind,
        np.where(inside[:, None], log_at, np.nan),
        np.where(inside[:, None], log_error, np.nan),
        np.where(inside, least + unit * (value * surface).sum(-1), least),
        unit * np.where(inside, error, np.sqrt(variance)),
        points.astype(int),
        surface * unit[:, None] + least[:, None] * (np.arange(phi.shape[1]) == 0),
        center,
        half,
        freedom,
    )


def _near(center: np.ndarray, groups: np.ndarray, x: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Return the rows that the surfaces go through: near the center, and not far above the lowest.

    Args:
        center: [G, d].
        groups: [n].
        x: [n, d].
        excess: [n] loss above the lowest of the group, as a share of it.
    """
    few, count = NEIGHBOURS[x.shape[1]], len(center)
    good = np.flatnonzero(excess <= EXCESS[1])  # which no NaN is
    good = good[excess[good] <= _least(groups[good], excess[good], few, EXCESS[0], count)]
    far = np.abs(x[good] - center[groups[good]]).max(-1)
    found: np.ndarray = good[far <= _least(groups[good], far, few, REACH, count) + 1e-9]
    return found


def _least(
    groups: np.ndarray, values: np.ndarray, few: int, limit: float, count: int
) -> np.ndarray:
    """Return for every row a limit, raised until so few rows of its group are within it.

    Args:
        groups: [m].
        values: [m].
        few: how many.
        limit: where there are enough.
        count: of groups.
    """
    order = np.lexsort((values, groups))
    size = np.bincount(groups, minlength=count)
    last = np.maximum(np.cumsum(size) - size + np.minimum(few, size) - 1, 0)
    return np.maximum(limit, values[order][last])[groups] if len(values) else values


def _solved(
    phi: np.ndarray, y: np.ndarray, groups: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return least squares of every group: [G, p], inverses of the matrices [G, p, p], which are.

    Args:
        phi: [m, p] features.
        y: [m].
        groups: [m].
        count: G.
    """
    p = phi.shape[1]
    matrix = np.zeros((count, p, p))
    right = np.stack([sums(groups, phi[:, i] * y, count) for i in range(p)], -1)
    for i in range(p):
        for j in range(i, p):
            matrix[:, i, j] = matrix[:, j, i] = sums(groups, phi[:, i] * phi[:, j], count)
    values = np.linalg.eigvalsh(matrix)
    solved = values[:, 0] > ALIKE * values[:, -1]
    matrix[~solved] = np.eye(p)
    inverse = np.linalg.inv(matrix)
    surface = np.where(solved[:, None], (inverse @ right[..., None])[..., 0], 0)
    return surface, inverse, solved


def _noise(
    rest: np.ndarray, points: np.ndarray, p: int, solved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of the noise of every group, and its degrees of freedom.

    NaN where no group has more points than coefficients.

    Args:
        rest: [G] sums of squares about the surfaces.
        points: [G].
        p: coefficients of a surface.
        solved: [G] which have a surface.
    """
    own = np.where(solved, points - p, 0.0)
    all_own = own.sum()
    pooled = rest[solved].sum() / all_own if all_own else np.nan
    prior = min(PRIOR, all_own)
    rest = np.where(solved, rest, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((rest + prior * pooled) / np.maximum(own + prior, 1)), own + prior


def _bent(bends: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return which surfaces [G] bend up in every direction, by more than their errors."""
    d = bends.shape[-1]
    values, vectors = np.linalg.eigh(bends)
    least, along = values[:, 0], vectors[:, :, 0]
    weight = np.zeros((len(bends), covariance.shape[-1]))
    k = 1 + d
    for i in range(d):
        for j in range(i, d):
            weight[:, k] = 2 * along[:, i] * along[:, j]
            k += 1
    variance = np.einsum("gp,gpq,gq->g", weight, covariance, weight)
    error = np.sqrt(np.where(variance > 0, variance, 0))
    return np.asarray((least > 0) & (least > BENT * error))
