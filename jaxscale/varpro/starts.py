"""Where a fit starts: random draws, the variable-projection grid, or points that a user gives.

A random start depends on the seed and on its own index only, never on how many there are or on
how they are split into chunks. Everything is in dimensionless coordinates, so the same ranges
serve every table.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale.laws import Law
from jaxscale.objective.objective import Objective
from jaxscale.varpro.reduced import Reduced

START_GRID_CELLS = 256
"""Cells of the exponent grid at most."""
MAX_STARTS = 5_000_000
"""Random starts at most: they take 1 to 2 GiB of memory, and a saved fit that can be read again."""
MOST_CELLS = 4096
"""Cells of the coarsest grid at most: two values of each of twelve coordinates."""
KEPT = 16
"""How many of the best cells become starts."""


def random_starts(objective: Objective, count: int, seed: int, search: int = 0) -> np.ndarray:
    """Draw `count` starts [count, P] uniformly from the start box of every coordinate.

    Positive offsets are drawn relative to the smallest loss; breaks from the gaps of the data.

    Args:
        objective: gives the boxes, P of them.
        count: how many starts.
        seed: of the draws.
        search: of several with one seed; each has draws of its own.
    """
    specs = objective.space.specs
    unit = np.random.default_rng([seed, search] if search else seed).random((count, len(specs)))
    low = np.array([spec.start[0] for spec in specs])
    high = np.array([spec.start[1] for spec in specs])
    z: np.ndarray = low + unit * (high - low)
    target = objective.target.value[objective.weight > 0]
    for k, spec in enumerate(specs):
        if spec.role == "offset" and spec.positive:
            z[:, k] += np.log(max(target.min(), 1e-3))
        if spec.role == "breakpoint":
            gaps = breaks(objective, k)
            z[:, k] = gaps[np.minimum((unit[:, k] * len(gaps)).astype(int), len(gaps) - 1)]
    return z


def starts_near(objective: Objective, z: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw `count` starts [count, P] around a point, a hundredth of the start box off to all of it.

    Breaks stay where they are.

    Args:
        objective: gives the boxes, P of them.
        z: the point [P].
        count: how many starts.
        seed: of the draws.
    """
    rng = np.random.default_rng([seed, count])
    width = np.array([spec.start[1] - spec.start[0] for spec in objective.space.specs])
    size = 10.0 ** rng.uniform(-2, 0, (count, 1))
    near: np.ndarray = z + width * size * rng.normal(size=(count, len(z)))
    return near


def breaks(objective: Objective, k: int) -> np.ndarray:
    """Return the candidate positions of break coordinate `k`: one per gap of its input, as log.

    A gap counts if two distinct values lie below it and three above, so that both pieces can be
    determined; of a table too short for that, every gap counts.
    """
    name = objective.space.specs[k].per[0][0]
    column = objective.inputs[objective.law.inputs.index(name)].log
    values = np.unique(column[objective.weight > 0])
    middles: np.ndarray = 0.5 * (values[1:] + values[:-1])
    return middles[1:-2] if len(middles) > 3 else middles


def given_starts(objective: Objective, sample: Law | Any) -> np.ndarray:
    """Return the coordinates [S, P] of user-given starts.

    Args:
        objective: for its space.
        sample: a law whose free parameters have a leading axis [S] (in the units of the runs),
            or an array of coordinates z [S, P].

    Raises:
        ValueError: the shape does not fit.
    """
    order = len(objective.space.specs)
    if isinstance(sample, Law):
        missing = [name for name in objective.space.free if getattr(sample, name) is None]
        if missing:
            raise ValueError(f"starts: {', '.join(missing)} has no value")
        with np.errstate(divide="ignore"):
            columns = objective.space.coordinates(
                {
                    name: np.asarray(value, float)
                    for name, value in sample.values.items()
                    if value is not None
                }
            )
            z = np.stack(np.broadcast_arrays(*[np.asarray(c) for c in columns]), axis=-1)
    else:
        z = np.asarray(sample, float)
    if z.ndim != 2 or z.shape[1] != order or len(z) == 0:
        raise ValueError(
            f"starts must be a law with leaves [S] or an array [S, {order}] of coordinates "
            f"({', '.join(objective.space.free)}), got shape {z.shape}"
        )
    return z


def grid_axes(objective: Objective) -> tuple[np.ndarray, ...] | None:
    """Return the values of each non-linear coordinate on the grid.

    None if nothing is linear, or if there are so many of them that no grid can be had.
    """
    reduced = Reduced(objective)
    if not reduced.linear:
        return None
    specs = objective.space.specs
    nonlinear = reduced.nonlinear
    fixed = {k: breaks(objective, k) for k in nonlinear if specs[k].role == "breakpoint"}
    cells = START_GRID_CELLS
    for k, candidates in fixed.items():
        step = max(1, int(np.ceil(len(candidates) / 64)))
        fixed[k] = candidates[::step]
        cells = max(1, cells // len(fixed[k]))
    smooth = [k for k in nonlinear if k not in fixed]
    if 2 ** len(smooth) > MOST_CELLS:
        return None
    # An even number: zero, where power and constant coincide, is no grid point.
    side = 2 * max(1, int(cells ** (1 / max(1, len(smooth)))) // 2)
    side = min(side, 64)
    return tuple(fixed[k] if k in fixed else np.linspace(*specs[k].start, side) for k in nonlinear)


def best_cells(objective: Objective, axes: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return (z [K, P], value [K]) of the best cells of the grid, best first; pure.

    Cost: three small linear solves and a few passes over the runs per cell.
    """
    reduced = Reduced(objective)
    points = jnp.zeros((1, 0), objective.target.value.dtype)  # nothing but linear parameters
    if axes:
        points = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    count = points.shape[0]
    size = max(1, min(64, 65536 // objective.weight.shape[0], count))

    def one(q: Array) -> tuple[Array, Array]:
        z = reduced.solve(q)
        value = objective.value(z)
        return z, jnp.where(jnp.isfinite(value), value, jnp.inf)

    z, value = jax.lax.map(one, points, batch_size=size)
    order = jnp.argsort(value)[: min(KEPT, count)]
    return z[order], value[order]


def completed(objective: Objective, z: Array) -> Array:
    """Return starts z [S, P] with their linear coordinates at the best value; pure.

    For laws whose coefficients may have either sign: those have no natural range to draw from,
    and most draws would make the prediction negative. An exponent of either sign takes the one
    that is better at its size: between the signs lies the logarithm, whose coefficients are
    infinite, and a start on the wrong side creeps towards it for good.
    """
    reduced, specs = Reduced(objective), objective.space.specs
    size = max(1, min(64, 65536 // objective.weight.shape[0]))
    nonlinear = reduced.nonlinear
    either = [
        k
        for k, position in enumerate(nonlinear)
        if specs[position].role == "exponent" and specs[position].start[0] < 0
    ]

    def at(q: Array) -> tuple[Array, Array]:
        z = reduced.solve(q)
        value = objective.value(z)
        return z, jnp.where(jnp.isfinite(value), value, jnp.inf)

    def one(z: Array) -> Array:
        q = z[jnp.array(nonlinear, int)]
        if not either:
            return at(q)[0]
        for k in either:
            low, high = specs[nonlinear[k]].start
            both = jnp.stack([q, q.at[k].set(jnp.clip(-q[k], low, high))])
            full, value = jax.vmap(at)(both)
            chosen = jnp.where(value[1] < value[0], 1, 0)
            q, best = both[chosen], full[chosen]
        return best

    found: Array = jax.lax.map(one, z, batch_size=min(size, len(z)))
    return found
