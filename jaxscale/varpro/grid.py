"""Every cell of a grid of exponents at once: the linear parameters and the objective.

The squared loss of a law that separates follows in every cell from the normal equations, without
its residuals. A robust loss is met by reweighting, row by row of the grid, each row starting from
the weights of the one before. What does not separate is solved cell by cell through `Reduced`.
Pure functions of an `Objective`: map over its weight or target for replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.sums import dot
from jaxscale.objective.objective import Objective
from jaxscale.shown.blocks import shown
from jaxscale.varpro.normal_equations import (
    System,
    best,
    moments,
    normal_equations,
    replicate_equations,
)
from jaxscale.varpro.reduced import Reduced
from jaxscale.varpro.separation import COLUMN, FIXED, ROW, Table, spread, table_of

ROUNDS = 2
"""Reweighted solves per cell of a robust surface; the next row of cells starts from them."""
COLD = 4
"""Further solves at the first row of a strip, which starts from nothing."""
STRIPS = 2
"""Strips of rows worked on side by side: what keeps two cores busy; more are slower."""


@shown
class Surface(NamedTuple):
    """The objective over a grid of exponents with everything linear at its best.

    Attributes:
        value: [a, b] (or [a] for one exponent) plain sum of w rho(r), as `Objective.plain`.
        coefficients: per linear parameter, in the order of `Reduced.linear`, its dimensionless
            value, shaped as `value`.
    """

    value: Array
    coefficients: tuple[Array, ...]


def surface(objective: Objective, axes: Sequence[Array], rounds: int = ROUNDS) -> Surface:
    """Return the objective over a rectangular grid of its one or two non-linear coordinates.

    Least squares (`Square`) of a law that separates is exact and takes one matrix product. Its
    value is of the objective's residuals, but for log residuals, where it is of the relative
    ones: the two agree to first order. Any other loss is met by reweighting and evaluated with
    the residuals asked for.

    Args:
        objective: the objective; map over its weight or target with `jax.vmap` for replicates.
        axes: per non-linear coordinate its values, [a] and [b], or [a] alone.
        rounds: static; reweighted solves per cell.

    Returns:
        The surface; infinite where the objective is not finite.

    Cost: `surface` in `python -m benchmarks run --suite grid`. Memory beyond the result: a few
    rows of cells times the runs.
    """
    smooth = not jax.tree.leaves(objective.loss) and not objective.loss.refinements()
    table = table_of(objective, axes)
    if table is None:
        found = _cell_by_cell(objective, axes, rounds)
    elif smooth:
        found = _squares(objective, table)
    else:
        found = _robust(objective, table, rounds)
    shape = tuple(len(axis) for axis in axes)
    return Surface(found.value.reshape(shape), tuple(x.reshape(shape) for x in found.coefficients))


def cells(objective: Objective, axes: Sequence[Array]) -> tuple[Array, Array] | None:
    """Return (z [cells, P], value [cells]) of all cells of a grid by least squares, or None.

    For starts: the value is the weighted sum of squares of the objective's residuals (relative
    ones for log), whatever its loss. Cells are in the order of `itertools.product(*axes)`.

    Args:
        objective: an objective of a law that separates in one or two coordinates, else None is
            returned.
        axes: per non-linear coordinate its values.
    """
    table = table_of(objective, axes)
    if table is None:
        return None
    found = _squares(objective, table)
    q = jnp.meshgrid(*axes, indexing="ij")
    coefficients = [x.reshape(q[0].shape) for x in found.coefficients]
    return coordinates(objective, q, coefficients).reshape(q[0].size, -1), found.value.ravel()


def replicate_cells(
    objective: Objective, axes: Sequence[Array], weight: Array
) -> tuple[Array, Array] | None:
    """Return (z [B, cells, P], value [B, cells]) as `cells` does, for many weights at once.

    Meant for coarse grids: memory and time grow with cells times n once, and with cells times B.

    Args:
        objective: an objective as `cells` takes it; its own weight is not used.
        axes: per non-linear coordinate its values.
        weight: [B, n].

    Cost: a product of the weights with as many columns as there are cells, and a small solve per
    cell and set.
    """
    table = table_of(objective, axes)
    if table is None:
        return None
    system = replicate_equations(table, weight * table.slope * table.slope)
    value, x = best(system, table.signed, table.kinds[0] == FIXED)
    shape = (len(weight), *_cells_shape(table))
    value = jnp.broadcast_to(jnp.maximum(value, 0.0), shape)
    q = [x.reshape(shape[1:]) for x in jnp.meshgrid(*axes, indexing="ij")]
    q = [jnp.broadcast_to(x, shape) for x in q]
    found = _placed(table, value, x)
    z = coordinates(objective, q, found.coefficients)
    return z.reshape(len(weight), -1, z.shape[-1]), value.reshape(len(weight), -1)


def coordinates(objective: Objective, q: Sequence[Any], coefficients: Sequence[Any]) -> Array:
    """Return z [..., P] from non-linear coordinates and linear coefficients.

    A coefficient of zero becomes a small one, as in `Reduced.solve`.

    Args:
        objective: says which coordinate is linear.
        q: per non-linear coordinate its values [...].
        coefficients: per linear parameter its dimensionless values [...].
    """
    reduced, specs = Reduced(objective), objective.space.specs
    z: list[Any] = [None] * len(specs)
    for position, coordinate in zip(reduced.nonlinear, q, strict=True):
        z[position] = coordinate
    for position, value in zip(reduced.linear, coefficients, strict=True):
        tiny = jnp.asarray(1e-6, value.dtype)
        z[position] = jnp.log(jnp.maximum(value, tiny)) if specs[position].positive else value
    return jnp.stack(z, axis=-1)


def _placed(table: Table, value: Array, x: Sequence[Any]) -> Surface:
    """Return a surface with full arrays, coefficients in the order of the linear parameters."""
    placed: list[Any] = [None] * len(x)
    for k, coefficient in zip(table.order, x, strict=True):
        placed[k] = jnp.broadcast_to(coefficient, value.shape)
    return Surface(value, tuple(placed))


def _cells_shape(table: Table) -> tuple[int, int]:
    sides = [1, 1]
    for kind, column in zip(table.kinds, table.columns, strict=True):
        if kind != FIXED:
            sides[kind - ROW] = column.shape[0]
    return sides[0], sides[1]


def _squares(objective: Objective, table: Table) -> Surface:
    weight = objective.weight * table.slope * table.slope
    system = normal_equations(table, weight)
    value, x = best(system, table.signed, table.kinds[0] == FIXED)
    # Rounding must not make a sum of squares negative.
    value = jnp.broadcast_to(jnp.maximum(value, 0.0), _cells_shape(table))
    return _placed(table, value, x)


def _cell_by_cell(objective: Objective, axes: Sequence[Array], rounds: int) -> Surface:
    """Solve every cell through `Reduced`, in batches that keep memory bounded."""
    reduced, specs = Reduced(objective), objective.space.specs
    q = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    size = max(1, min(64, 65536 // objective.weight.shape[0], len(q)))

    def one(point: Array) -> tuple[Array, Array]:
        z = reduced.solve(point, rounds)
        return objective.plain(z), z

    value, z = jax.lax.map(one, q, batch_size=size)
    value = jnp.where(jnp.isfinite(value), value, jnp.inf)
    x = [jnp.exp(z[:, k]) if specs[k].positive else z[:, k] for k in reduced.linear]
    return Surface(value, tuple(x))


def _reweighting(objective: Objective, slope: Array) -> Callable[[Array], Array]:
    """Return the weights of least squares that a robust loss gives to predictions [..., n].

    They contain the ratio of the gradients of the residual and of the linear one (log against
    relative residuals), so that reweighting ends at the optimum of the residuals themselves.
    """
    y, loss = objective.target.value, objective.loss
    weight = objective.weight * slope * slope

    def weights(p: Array) -> Array:
        r, ratio = objective.residual.rough(p, y, slope)
        weighed: Array = weight * loss.weight(r)
        return weighed if ratio is None else weighed * ratio

    return weights


def _robust(objective: Objective, table: Table, rounds: int) -> Surface:
    """Reweight along the rows of the grid; every row starts from the weights of the last.

    In every cell the prediction is p = base + sum_k x_k f_k, with f_k the scaled columns. A round
    of iteratively reweighted least squares puts

        x <- argmin 1/2 sum_n W_n(p) (y_n - sum_k x_k f_kn)²,  x_k >= 0 unless signed,

    with y = target - level f_0 and W of `_reweighting`; `best` solves it exactly. The value of a
    cell is sum_n weight_n rho(r_n(p)) at the last x. `best` returns the coefficients of the columns
    as they were; `_recentered` turns them back into those of f.

    Args:
        objective: the objective.
        table: its columns over the grid.
        rounds: solves per cell.
    """
    kinds = table.kinds
    lead = kinds[0] == FIXED
    scaled, mean, norm, level = _standardized(table, objective.weight * table.slope**2)
    inner = [k for k, kind in enumerate(kinds) if kind == COLUMN]
    outer = [k for k, kind in enumerate(kinds) if kind == ROW]
    rows, width = _cells_shape(table)
    y = table.target - level * (scaled[0][0] if lead else 0.0)
    base = objective.target.value - y
    weights = _reweighting(objective, table.slope)
    stacked = ([scaled[k] for k in outer], [mean[k] for k in outer])
    start = [jnp.zeros((width,), y.dtype) for _ in kinds]

    def row(x: list[Array], columns: list[Array]) -> tuple[list[Array], tuple[Array, list[Array]]]:
        column = [scaled[k][0] if kind == FIXED else scaled[k] for k, kind in enumerate(kinds)]
        center = list(mean)
        for k, values, m in zip(outer, *columns, strict=True):
            column[k], center[k] = values, m

        def predicted(x: list[Array]) -> Array:
            p: Array = base + sum(c[:, None] * f for c, f in zip(x, column, strict=True))
            return p

        def improve(x: list[Array]) -> list[Array]:
            gram, rhs = moments(weights(predicted(x)), column, y, set(inner))
            zero = jnp.zeros_like(level)
            system = System(gram, rhs, zero, center, level)
            x = best(system, table.signed, lead)[1]
            x = [jnp.broadcast_to(c, (width,)) for c in x]
            return _recentered(x, center, level) if lead else x

        x = jax.lax.fori_loop(0, rounds, lambda _, x: improve(x), x, unroll=rounds <= 4)
        p = predicted(x)
        value = jnp.sum(objective.weight * objective.loss.rho(objective.linked(p)[0]), -1)
        found = list(x)
        if lead:
            found[0] = x[0] + (level - sum(c * m for c, m in zip(x[1:], center[1:], strict=True)))
        return x, (value, found)

    value, x = _in_strips(row, stacked, start, rows)
    value = jnp.where(jnp.isfinite(value), value, jnp.inf)
    return _placed(table, value, [c / s for c, s in zip(x, norm, strict=True)])


def _in_strips(row: Callable[..., Any], stacked: Any, start: Any, rows: int) -> Any:
    """Run `row` down the rows of the grid in a few strips side by side.

    Args:
        row: (state, columns of one row) -> (state, outputs [b]).
        stacked: columns of all rows, leaves [rows, ...]; no leaves where there is one row.
        start: the state before the first row of a strip.
        rows: how many.

    Returns:
        The outputs, leaves [rows, b].
    """
    strips = min(STRIPS, rows)
    length = -(-rows // strips)  # the last strip repeats the last row where they come out uneven
    at = np.minimum(np.arange(strips * length), rows - 1).reshape(strips, length)

    def strip(columns: Any) -> Any:
        first = jax.tree.map(lambda leaf: leaf[0], columns)
        state = jax.lax.fori_loop(0, COLD, lambda _, x: row(x, first)[0], start)
        return jax.lax.scan(row, state, columns, length=length)[1]

    if not jax.tree.leaves(stacked):
        return strip(stacked)
    found = jax.vmap(strip)(jax.tree.map(lambda leaf: leaf[at], stacked))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, leaf.shape[-1])[:rows], found)


def _recentered(x: list[Array], mean: Sequence[Any], level: Array) -> list[Array]:
    """Return coefficients of centered columns from those of the columns as they were."""
    return [x[0] - level + sum(c * m for c, m in zip(x[1:], mean[1:], strict=True)), *x[1:]]


def _standardized(
    table: Table, weight: Array
) -> tuple[list[Array], list[Array], list[Array], Array]:
    """Center and scale the columns, so that coefficients change little from row to row.

    With <u, v> = sum_n weight_n u_n v_n, c the first column (in its first cell) and x_k another
    one, each a vector over the runs:

        square = <c, c>
        level  = <c, target> / square
        m_k    = <x_k, c> / square
        norm_k = sqrt(<x_k - m_k c, x_k - m_k c> / square)
        f_k    = (x_k - m_k c) / norm_k,   f_0 = c

    and mean_k = m_k / norm_k, the multiple of c that was taken from f_k. Where the first column
    is not the same in all cells nothing is centered: level = m_k = 0, norm_k = sqrt(<x_k, x_k> /
    square), for the first one as well.

    Args:
        table: columns [a, n], [b, n] or [1, n], and the target [n].
        weight: [n].

    Returns:
        (f, mean, norm, level): the columns, the means [1], [a] or [b], the norms shaped over the
        cells, and the level.
    """
    lead = table.kinds[0] == FIXED
    c = table.columns[0][0]
    square = jnp.sum(weight * c * c)
    level = jnp.sum(weight * c * table.target) / square if lead else jnp.zeros_like(square)
    scaled, means, norms = [], [], []
    for k, (kind, x) in enumerate(zip(table.kinds, table.columns, strict=True)):
        plain = jnp.sqrt(dot(x * x, weight) / square)
        mean = jnp.zeros_like(plain)
        norm = jnp.ones_like(plain) if lead and k == 0 else plain
        if lead and k:
            mean = dot(x, weight * c) / square
            x = x - mean[:, None] * c
            # A constant column stays a column of rounding errors rather than of nothing.
            tiny = jnp.finfo(plain.dtype).eps * plain
            norm = jnp.maximum(jnp.sqrt(dot(x * x, weight) / square), tiny)
        scaled.append(x / norm[:, None])
        means.append(mean / norm)
        norms.append(spread(kind, norm))
    return scaled, means, norms, level
