"""Normal equations of every cell of a grid at once, and their non-negative solution.

Entries are arrays over one axis or over both and broadcast against each other, so that what
varies along one axis only costs that axis only; the one entry that varies over both is a matrix
product X[a, n] W Zᵀ[n, b]. Written out as elementwise code, which compilers fuse into few passes
over the cells. Pure algebra on a `Table`: no laws, no losses.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.sums import dot
from jaxscale.varpro.separation import COLUMN, FIXED, ROW, Table, spread


class System(NamedTuple):
    """Normal equations of many cells; entries broadcast against each other.

    Attributes:
        gram: [K][K] lower triangle of the centered columns.
        rhs: [K] against the centered target.
        energy: sum of w y² of the centered target.
        mean: [K] multiple of the first column that was subtracted from each; 0 for itself.
        level: the same of the target.
    """

    gram: list[list[Any]]
    rhs: list[Any]
    energy: Any
    mean: list[Any]
    level: Any


def normal_equations(table: Table, weight: Array) -> System:
    """Return the weighted normal equations of every cell, centered by the first constant column.

    Centering the numbers rather than the sums is what keeps the digits: the columns of small
    exponents are nearly constant, and a loss is mostly its level.
    """
    kinds, columns, y = table.kinds, table.columns, table.target
    lead = kinds[0] == FIXED
    mean: list[Any] = [jnp.zeros_like(column[:, 0]) for column in columns]
    level = jnp.zeros_like(y[0])
    fixed = columns  # centered without the weights: the right side of products
    if lead:
        c = columns[0][0]
        norm = jnp.sum(weight * c * c)
        rest = columns[1:]
        mean = mean[:1] + [dot(column, weight * c) / norm for column in rest]
        level = jnp.sum(weight * c * y) / norm
        fixed = [columns[0]] + [x - (dot(x, c) / dot(c, c))[:, None] * c for x in rest]
        columns = [columns[0]] + [x - m[:, None] * c for x, m in zip(rest, mean[1:], strict=True)]
        y = y - level * c

    def entry(k: int, m: int) -> Any:
        if lead and m == 0:
            return spread(FIXED, norm[None]) if k == 0 else jnp.zeros_like(norm)
        if kinds[k] == kinds[m]:
            return spread(kinds[k], jnp.sum(columns[k] * (columns[m] * weight), -1))
        # The weights stay on the left, so that many sets of weights share one right side.
        left, right = (k, m) if kinds[m] == COLUMN or kinds[m] == FIXED else (m, k)
        if kinds[left] == COLUMN:
            left, right = right, left
        return dot(columns[left] * weight, fixed[right].T)

    gram = [[entry(k, m) for m in range(k + 1)] for k in range(len(columns))]
    rhs = [
        jnp.zeros_like(level) if lead and k == 0 else spread(kind, dot(x, weight * y))
        for k, (kind, x) in enumerate(zip(kinds, columns, strict=True))
    ]
    mean = [spread(kind, m) for kind, m in zip(kinds, mean, strict=True)]
    return System(gram, rhs, jnp.sum(weight * y * y), mean, level)


def replicate_equations(table: Table, weight: Array) -> System:
    """Return the normal equations of every cell for many sets of weights [B, n] at once.

    One matrix product of the weights with the products of columns, which all sets share; entries
    have a leading axis [B]. Columns are centered without the weights, which keeps enough digits
    as long as the weights are not concentrated on a few runs.
    """
    kinds, columns, y = table.kinds, table.columns, table.target
    lead = kinds[0] == FIXED
    mean: list[Any] = [jnp.zeros_like(column[:, 0]) for column in columns]
    level = jnp.zeros_like(y[0])
    if lead:
        c = columns[0][0]
        norm = dot(c, c)
        mean = mean[:1] + [dot(x, c) / norm for x in columns[1:]]
        level = dot(y, c) / norm
        columns = columns[:1] + [
            x - m[:, None] * c for x, m in zip(columns[1:], mean[1:], strict=True)
        ]
        y = y - level * c
    shaped = [
        x[:, None] if kind == ROW else x[None] for kind, x in zip(kinds, columns, strict=True)
    ]

    def total(product: Array) -> Array:
        sums = dot(weight, product.reshape(-1, product.shape[-1]).T)
        return sums.reshape(len(weight), *product.shape[:-1])

    gram = [[total(shaped[k] * shaped[m]) for m in range(k + 1)] for k in range(len(shaped))]
    return System(
        gram,
        [total(x * y) for x in shaped],
        dot(weight, y * y)[:, None, None],
        [spread(kind, m) for kind, m in zip(kinds, mean, strict=True)],
        level,
    )


def _uncentered(system: System) -> System:
    """Return the same equations with the first column added back to the others."""
    gram, rhs, energy, mean, level = system
    n = range(len(rhs))
    g = gram[0][0]
    back = [
        [
            gram[k][m] + (mean[k] * gram[m][0] + mean[m] * gram[k][0] + mean[k] * mean[m] * g)
            for m in range(k + 1)
        ]
        for k in n
    ]
    side = [rhs[k] + (mean[k] * rhs[0] + level * gram[k][0] + mean[k] * level * g) for k in n]
    zero = jnp.zeros_like(level)
    return System(back, side, energy + level * (2 * rhs[0] + level * g), [zero for _ in n], zero)


def _eliminate(system: System, keep: Sequence[int]) -> tuple[Any, dict[int, Any], Any]:
    """Solve for the columns in `keep`, the others zero, by G_KK = Uᵀ diag(pivots) U.

    Returns:
        What the columns explain of the energy, the coefficients, whether no column was a
        combination of the others to working accuracy.
    """
    gram, rhs = system.gram, system.rhs
    tiny = 8 * len(rhs) * jnp.finfo(jnp.result_type(system.energy)).eps
    pivots: dict[int, Any] = {}
    upper: dict[tuple[int, int], Any] = {}
    left: dict[int, Any] = {}
    gain: Any = 0.0
    ok: Any = True
    for at, k in enumerate(keep):
        done = keep[:at]
        for j in keep[at:]:
            known = (upper[i, k] * (upper[i, j] * pivots[i]) for i in done)
            upper[k, j] = gram[j][k] - sum(known)
        size = gram[k][k] + system.mean[k] ** 2 * (gram[0][0] * tiny)
        good = upper[k, k] > tiny * size
        pivots[k] = jnp.where(good, 1.0, 0.0) / jnp.where(good, upper[k, k], 1.0)
        left[k] = rhs[k] - sum(upper[i, k] * (left[i] * pivots[i]) for i in done)
        gain = gain + left[k] * (left[k] * pivots[k])
        ok = ok & good
    x: dict[int, Any] = {}
    for k in reversed(keep):
        x[k] = (left[k] - sum(upper[k, j] * x[j] for j in x)) * pivots[k]
    return gain, x, ok


def best(system: System, signed: Sequence[bool], lead: bool) -> tuple[Any, list[Any]]:
    """Minimize a quadratic over the coefficients, those that are not signed at least zero.

    In every cell, with G the matrix `gram`, b the vector `rhs` and e the number `energy`,

        lowest = min over x of 1/2 (e - 2 bᵀx + xᵀG x),   x_k >= 0 unless signed[k].

    For a set K of columns that may differ from zero the minimum is at x_K = G_KK^-1 b_K, where
    the quadratic is 1/2 (e - gain), gain = b_Kᵀ x_K. Every K that holds all signed columns is
    tried; the lowest with x >= 0 wins. A set whose columns vary along one axis only costs that
    axis only.

    Where the columns are centered, x_k' = x_k for k > 0 and the leading coefficient of the
    columns as they were is

        x_0 = level + (b_0 - sum_k G_k0 x_k) / G_00 - sum_k mean_k x_k.

    Sets without the leading column are solved on the equations with the mean added back, since
    centering has moved a part of it into the others.

    Args:
        system: the equations, K columns.
        signed: [K] which coefficients may have either sign.
        lead: whether the columns are centered by the first one.

    Returns:
        (lowest, x): half the weighted sum of squares that remains, and per column its
        coefficient, of the columns as they were before they were centered.
    """
    order = len(signed)
    free = [k for k in range(order) if signed[k]]
    bound = [k for k in range(order) if not signed[k]]
    raw = _uncentered(system) if lead and not signed[0] else system
    lowest: Any = jnp.inf if free else 0.5 * raw.energy
    x: list[Any] = [jnp.zeros_like(system.level)] * order
    sets = [
        sorted((*free, *some))
        for size in range(len(bound) + 1)
        for some in itertools.combinations(bound, size)
    ]
    for keep in sorted((s for s in sets if s), key=lambda s: s[-1]):
        centered = lead and 0 in keep
        used = system if centered else raw
        gain, found, ok = _eliminate(used, keep)
        for k in keep:
            if not signed[k]:
                at = _lead(system, found) if centered and k == 0 else found[k]
                ok = ok & (at >= 0)
        value = 0.5 * (used.energy - gain)
        better = ok & (value < lowest)
        lowest = jnp.where(better, value, lowest)
        x = [jnp.where(better, found.get(k, 0.0), x[k]) for k in range(order)]
    if lead:
        # The leading coefficient is the best one for the others at the minimum, or zero: the set
        # that won need not be known. The barrier keeps XLA from working out the whole
        # minimization once more to get the others.
        x[1:] = jax.lax.optimization_barrier(x[1:])
        level = _lead(system, dict(enumerate(x)))
        x[0] = level if signed[0] else jnp.maximum(level, 0.0)
    return lowest, x


def _lead(system: System, x: dict[int, Any]) -> Any:
    """Return the best coefficient of the leading constant column at given others."""
    gram, mean = system.gram, system.mean
    pull = system.rhs[0] - sum(gram[k][0] * v for k, v in x.items() if k)
    return system.level + pull / gram[0][0] - sum(mean[k] * v for k, v in x.items() if k)


def moments(
    weight: Array, columns: Sequence[Array], y: Array, inner: set[int]
) -> tuple[list[list[Any]], list[Any]]:
    """Return weighted sums of products of columns, and with the target, for one row of cells.

    Args:
        weight: [b, n].
        columns: [n], or [b, n] for those in `inner`.
        y: [n].
        inner: which columns vary along the row.

    Returns:
        (gram, rhs) as in `System`, entries [b]. All products of shared columns are one matrix
        product with the weights: a sum by itself would work out the weights once more.
    """
    order = len(columns)
    shared = [k for k in range(order) if k not in inner]
    features = [*(columns[k] for k in shared), y]
    sums: dict[tuple[int, int], Any] = {}  # the target counts as column `order`
    names = [*shared, order]
    pairs = [(i, j) for j in range(len(names)) for i in range(min(j, len(shared) - 1) + 1)]
    if pairs:
        products = dot(weight, jnp.stack([features[i] * features[j] for i, j in pairs], -1))
        for at, (i, j) in enumerate(pairs):
            sums[names[i], names[j]] = sums[names[j], names[i]] = products[:, at]
    for k in sorted(inner):
        heavy = weight * columns[k]
        products = dot(heavy, jnp.stack(features, -1))
        for at, j in enumerate(names):
            sums[k, j] = sums[j, k] = products[:, at]
        for j in sorted(inner):
            if j <= k:
                sums[k, j] = jnp.sum(heavy * columns[j], -1)
    gram = [[sums[k, m] for m in range(k + 1)] for k in range(order)]
    return gram, [sums[k, order] for k in range(order)]
