"""Judge an optimum by what the starts did and by the objective around it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxscale.engine.loop import Solution, Status
from jaxscale.fitting.certificate import CONVERGED, SAME, SAME_FLOAT32, Basin, Certificate
from jaxscale.objective.objective import Objective
from jaxscale.objective.space import Space

IDLE = 1e-9
"""Largest relative change of a prediction, per unit of a coordinate, that counts as none."""
CROWD = 4.0
"""Times the best value up to which optima compete with it: residuals twice as large."""


class Local(NamedTuple):
    """The objective around one point; device arrays, or NumPy on the host."""

    value: Any  # plain sum
    floor: Any  # plain sum that rounding alone can produce
    grad: Any  # [P] gradient of the plain sum
    gauss_newton: Any  # [P, P] of the plain sum
    hessian: Any  # [P, P] of the plain sum
    residuals: Any  # [n], padding included
    inside: Any  # [n] whether in the quadratic zone
    shares: Any  # [P] see Objective.shares


def local(objective: Objective, z: Array) -> Local:
    """Return everything a certificate needs to know at `z` [P]; pure."""
    value, grad, gauss_newton, hessian = objective.exact_model(z)
    r = objective.residuals(z)
    scale = objective.loss.scale
    return Local(
        value * scale,
        objective.floor() * scale,
        grad * scale,
        gauss_newton * scale,
        hessian * scale,
        r,
        objective.loss.inside(r) & (objective.weight > 0),
        objective.shares(z),
    )


def certify(
    space: Space,
    solution: Solution,
    z: np.ndarray,
    status: int,
    at: Local,
    *,
    weaknesses: tuple[str, ...] = (),
    sharpened: bool = False,
    searches: int = 1,
    sampled: tuple[int, int] = (0, 0),
) -> Certificate:
    """Judge the optimum `z` [P] by what the starts did and by the objective around it.

    Args:
        space: names, roles and bounds of the coordinates.
        solution: what every start led to; plain values.
        z: the optimum.
        status: how the start that found it ended.
        at: `local` there.
        weaknesses: of the design.
        sharpened: whether the loss was sharpened after the search: values differ for that.
        searches: in how many searches of equal size the starts were made.
        sampled: of a tall table, the runs that the starts were searched on, and the optima of
            these that were solved on on all.
    """
    lower, upper = map(np.array, space.bounds())
    bound = (z <= lower) | (z >= upper)
    moving = ~bound & (np.diagonal(at.gauss_newton) > 0)
    values = np.where(np.isfinite(solution.value), solution.value, np.inf)
    # Float32 values carry rounding of their own; a sharpened loss has values of its own.
    dtype = solution.z.dtype
    same = SAME if dtype == np.float64 else SAME_FLOAT32
    floor = float(at.floor) * (np.finfo(dtype).eps / np.finfo(float).eps) ** 2
    reached = float(values.min())
    best = reached if sharpened else min(reached, float(at.value))
    # Residuals off by as much as those of the floor move a sum of squares by that much.
    slack = same * abs(best) + 2 * math.sqrt(abs(best)) * math.sqrt(floor) + floor
    # A start stays in the gap of its break: only those in the best gap could have come here.
    breaks = [k for k, spec in enumerate(space.specs) if spec.role == "breakpoint"]
    rivals = np.all(np.abs(solution.z[:, breaks] - z[breaks]) < 1e-6, axis=1)
    at_best = np.isfinite(values) & (values <= best + slack)
    above = not sharpened and at.value > reached + slack
    counts = {int(s): int(np.sum(solution.status == s)) for s in np.unique(solution.status)}
    size = max(float(at.value), float(at.floor), np.finfo(float).tiny)
    gain = _gain(at, moving, size)
    dead, idle = _without_effect(space, at.shares, bound)
    ended = rivals & np.isin(solution.status, CONVERGED) & (values <= CROWD * best + slack)
    return Certificate(
        status=Status(status).name.lower(),
        starts=len(values),
        share_at_best=float(at_best.sum() / max(1, int((rivals | at_best).sum()))),
        searches=tuple(int(part.sum()) for part in np.split(at_best, searches)),
        singles=_singles(values[ended & ~at_best], same),
        rivals=int((rivals | at_best).sum()),
        sampled=sampled[0],
        solved_on=sampled[1],
        basins=_basins(values, solution.status, same, floor),
        statuses={Status(s).name.lower(): number for s, number in counts.items()},
        grad_norm=float(np.max(np.abs(at.grad[moving]), initial=0.0)) / size,
        gain=gain if gain > slack / size and not sharpened else 0.0,
        excess=float(at.value) / reached - 1 if above else 0.0,
        condition=_condition(at, moving),
        at_bound=tuple(name for name, hit in zip(space.free, bound, strict=True) if hit),
        degenerate=dead,
        idle=idle,
        weaknesses=weaknesses,
        exact=bool(at.value <= at.floor),
        inside_delta=int(at.inside.sum()),
        median_steps=float(np.median(solution.steps)),
    )


def _singles(values: np.ndarray, same: float) -> int:
    """Return how many values have no other within `same`, relatively."""
    ordered = np.sort(values)
    apart = np.diff(ordered) > same * np.abs(ordered[:-1])
    return int(np.sum(np.append(True, apart) & np.append(apart, True))) if len(ordered) else 0


def _without_effect(
    space: Space, shares: np.ndarray, bound: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parameters whose term is dead, and those that nothing depends on."""
    dead, idle = [], []
    for name, spec, share, hit in zip(space.free, space.specs, shares, bound, strict=True):
        if spec.role == "breakpoint" or hit:  # no derivative tells of a break
            continue
        if spec.linear and spec.positive and share < 1e-3:
            dead.append(name)
        elif share < IDLE:
            idle.append(name)
    return tuple(dead), tuple(idle)


def _gain(at: Local, moving: np.ndarray, size: float) -> float:
    """Return the share of `size` that one Newton step would save.

    By the exact curvature where it is definite, else by Gauss-Newton.
    """
    grad = at.grad[moving] / size
    for curvature in (at.hessian, at.gauss_newton):
        values, vectors = np.linalg.eigh(curvature[np.ix_(moving, moving)] / size)
        if values.size and values[0] > 1e-14 * values[-1]:
            return float(0.5 * np.sum((vectors.T @ grad) ** 2 / values))
    return 0.0


def _condition(at: Local, moving: np.ndarray) -> float:
    if not moving.any():
        return 1.0
    few = at.inside.sum() < moving.sum()
    for curvature in (at.hessian, at.gauss_newton) if few else (at.hessian,):
        eigenvalues = np.linalg.eigvalsh(curvature[np.ix_(moving, moving)])
        if eigenvalues[0] > 1e-12 * eigenvalues[-1]:
            break
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else float("inf")


def _basins(values: np.ndarray, status: np.ndarray, same: float, floor: float) -> tuple[Basin, ...]:
    """Group sorted values whose neighbors differ by less than `same`, relatively.

    Values below `floor` are rounding, and one basin.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ordered = ordered[np.isfinite(ordered)]
    if len(ordered) == 0:
        return ()
    gap = np.diff(ordered) > same * np.abs(ordered[:-1])
    gap &= ordered[1:] > floor
    parts = np.split(np.arange(len(ordered)), np.flatnonzero(gap) + 1)
    result = []
    for part in parts[:10]:
        common = int(np.bincount(status[order[part]]).argmax())
        result.append(Basin(float(ordered[part[0]]), len(part), Status(common).name.lower()))
    return tuple(result)
