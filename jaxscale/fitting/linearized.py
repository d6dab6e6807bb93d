"""A fit linearized at its optimum: how residuals and coordinates move together.

What resampling, covariances and profiles have in common: the residuals with their slopes, the
curvature of the loss, and from them the leverage of every run. Two curvatures are kept. The exact
one says which runs the optimum hangs on: with a Huber width below the noise, the fit passes
through about as many runs as it has parameters, and those say nothing about the noise. The
smoothed one, averaged over the spread of the residuals, estimates the curvature of the expected
loss, which is what errors are made of.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.bandwidth import bandwidth, binary_unit
from jaxscale._numerics.precision import scope
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import Objective
from jaxscale.shown.blocks import Shown, shown


class Slopes(NamedTuple):
    """Device arrays at one point; n includes the padding."""

    residual: Array  # [n]
    rows: Array  # [n, P] dr/dz
    psi: Array  # [n] rho'(r)
    curvature: Array  # [n] rho''(r)


def slopes(objective: Objective, z: Array) -> Slopes:
    """Return residuals, their derivatives and those of the loss at `z` [P]; pure."""
    r, push = jax.linearize(objective.residuals, z)
    rows = jax.vmap(push, out_axes=-1)(jnp.eye(len(z), dtype=z.dtype))
    loss = objective.loss
    return Slopes(r, rows, loss.weight(r) * r, loss.curvature(r))


def _smoothed(loss: Loss, r: Array, width: Array) -> Array:
    return loss.smoothed_curvature(r, width)


@dataclasses.dataclass(frozen=True)
class Linearized(Shown):
    """A fit at its optimum, as NumPy float64 arrays.

    Attributes:
        objective: what the fit minimized.
        z: [P] the optimum.
        moving: [P] which coordinates are not at a bound.
        weight: [n] of the runs.
        residual: [n] r.
        rows: [n, P] dr/dz.
        psi: [n] rho'(r).
        curvature: [n] rho''(r).
        smoothed: [n] rho'' averaged over the spread of the residuals.
        leverage: [n] share of a run's own residual in what the fit makes of it, under the exact
            curvature; its sum is the number of moving coordinates.
        held: [P, P] curvature of the prior that families lean on; zero without.
    """

    objective: Objective
    z: np.ndarray
    moving: np.ndarray
    weight: np.ndarray
    residual: np.ndarray
    rows: np.ndarray
    psi: np.ndarray
    curvature: np.ndarray
    smoothed: np.ndarray
    leverage: np.ndarray
    held: np.ndarray

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals: runs of positive weight minus parameters."""
        return int((self.weight > 0).sum() - self.moving.sum())

    def curvature_matrix(self) -> np.ndarray:
        """Return [P, P]: sum of w times smoothed curvature times the outer product of slopes.

        And that of the prior, where there is one.
        """
        curvature: np.ndarray = (self.rows * (self.weight * self.smoothed)[:, None]).T @ self.rows
        whole: np.ndarray = curvature + self.held
        return whole

    def noise(self) -> Noise:
        """Return the distribution of residuals freed from the fit's adaptation to them."""
        used = self.weight > 0
        spare = np.clip(1 - self.leverage, 0, 1) * used
        relative = self.weight / self.weight[used].mean()
        free = self.residual * np.sqrt(relative / np.maximum(spare, 1e-6)) * used
        share = spare / spare.sum()
        center, _ = programs.run(_location, self.objective.loss, free, share, dtype=np.float64)
        free = (free - float(center)) * used
        ordinary = free[share > 0.5 * share.max()]
        return Noise(free, share, bandwidth(ordinary), float(share @ free**2))


@shown
class Noise(NamedTuple):
    """A smoothed distribution of residuals of runs of mean weight.

    A residual is drawn with probability (1 - leverage) / (n - P) after division by the root of
    1 - leverage and by that of its run's relative weight: so the variance is sum(w r²) / (n - P),
    and a run that the fit passes through is not drawn. It is then moved by a Gaussian kernel and
    shrunk, so that the variance stays what it was.

    Source: the shrunken smoothed bootstrap, Silverman & Young 1987, Biometrika 74(3).
    """

    residual: np.ndarray  # [n] around their location under the loss
    share: np.ndarray  # [n] probabilities
    width: float  # of the kernel
    variance: float

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return residuals drawn independently."""
        if self.variance == 0:
            return np.zeros(shape)
        which = np.searchsorted(np.cumsum(self.share)[:-1], rng.random(shape), side="right")
        moved = self.residual[which] + self.width * rng.standard_normal(shape)
        shrunk: np.ndarray = moved / np.sqrt(1 + self.width**2 / self.variance)
        return shrunk


def linearize(fit: FitResult) -> Linearized:
    """Return a fit linearized at its optimum.

    Cost: a compiled pass over the runs; compiles once per law and shape.
    """
    z = fit.optimum
    return linearized(
        fit.problem, z, programs.run(slopes, fit.problem.objective, z, dtype=np.float64)[0]
    )


def linearized(problem: Problem, z: np.ndarray, found: Slopes) -> Linearized:
    """Return a problem linearized at `z` [P], where its slopes are known.

    Args:
        problem: the problem.
        z: the point.
        found: what `slopes` gives there.
    """
    objective, n = problem.objective, len(problem.runs)
    residual, rows, psi, curvature = (np.asarray(leaf)[:n] for leaf in found)
    weight = np.asarray(objective.weight, float)[:n]
    lower, upper = map(np.array, objective.space.bounds())
    moving = (z > lower) & (z < upper)
    width = np.asarray(bandwidth(residual[weight > 0]))
    smoothed, _ = programs.run(_smoothed, objective.loss, found[0], width, dtype=np.float64)
    unit = binary_unit(rows)
    here, held = rows[:, moving] / unit, _held(objective, len(z))
    inner = weight * curvature
    matrix = (here * inner[:, None]).T @ here + held[np.ix_(moving, moving)] / unit**2
    inverse = np.linalg.pinv(matrix, hermitian=True)
    leverage = np.clip(np.einsum("np,pq,nq->n", here, inverse, here) * inner, 0, 1)
    return Linearized(
        objective=objective,
        z=z,
        moving=moving,
        weight=weight,
        residual=residual,
        rows=rows,
        psi=psi,
        curvature=curvature,
        smoothed=np.asarray(smoothed)[:n],
        leverage=leverage,
        held=held,
    )


def _held(objective: Objective, order: int) -> np.ndarray:
    """Return the curvature [P, P] of the prior; zeros without one."""
    if objective.prior is None:
        return np.zeros((order, order))
    with scope(np.float64):
        return np.asarray(objective.prior.hessian(order), float)


def _location(loss: Loss, r: Array, share: Array) -> Array:
    """Return the center of residuals `r` [n] of probability `share` under a robust loss; pure."""

    def reweighted(_: Any, center: Array) -> Array:
        weight = share * loss.weight(r - center)
        return weight @ r / jnp.sum(weight)

    center: Array = jax.lax.fori_loop(0, 50, reweighted, share @ r)
    return center
