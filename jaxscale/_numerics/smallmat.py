"""Unrolled dense algebra for the tiny systems of one fit (P <= 12); larger ones go to `widemat`.

A batched LAPACK call per lane costs more than the whole evaluation of a law, and custom calls
cannot be lowered for every backend. Written out as scalar operations, a P x P Cholesky becomes
plain elementwise code under `vmap`, fused and exportable everywhere. The module holds no
pivoting and no iterative refinement: callers regularize first.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import widemat

MAX_ORDER = 12
"""Unknowns up to which algebra is written out."""
MAX_CONSTRAINED = 6
"""Constrained entries up to which all active sets are tried."""


class Factor(NamedTuple):
    """A symmetric matrix as L D Lᵀ, L unit lower triangular; lists of scalars."""

    lower: list[list[Array]]  # row i has i entries
    inverse: list[Array]  # of the diagonal of D


def cholesky(matrix: Array) -> tuple[Any, Array]:
    """Factor a symmetric `matrix` [P, P, ...] as L D Lᵀ, for `cholesky_solve`; no square roots.

    Returns:
        The factor (beyond `MAX_ORDER` the inverse instead), and whether every pivot was positive
        to working accuracy. Where one was not, the factor is finite and meaningless.
    """
    order = matrix.shape[0]
    if order > MAX_ORDER:
        return widemat.inverse(matrix)
    tiny = 8 * order * jnp.finfo(matrix.dtype).eps
    rest = [[matrix[i, j] for j in range(i + 1)] for i in range(order)]
    factor, good = Factor([[] for _ in range(order)], []), []
    for j in range(order):
        good.append(rest[j][j] > tiny * jnp.abs(matrix[j, j]))
        inverse = 1 / jnp.where(good[j], rest[j][j], 1.0)
        factor.inverse.append(inverse)
        for i in range(j + 1, order):
            ratio = rest[i][j] * inverse
            factor.lower[i].append(ratio)
            for k in range(j + 1, i + 1):
                rest[i][k] = rest[i][k] - ratio * rest[k][j]
    return factor, jnp.all(jnp.stack(good), axis=0)


def cholesky_solve(factor: Any, rhs: Array) -> Array:
    """Solve L D Lᵀ x = `rhs` [P, ...] with the factor of `cholesky`."""
    if not isinstance(factor, Factor):
        along = "km,m...->k..." if factor.ndim == 2 else "km...,m...->k..."
        return jnp.einsum(along, factor, rhs, precision=jax.lax.Precision.HIGHEST)
    order = len(factor.inverse)
    x = [rhs[i] for i in range(order)]
    for i in range(order):
        for j in range(i):
            x[i] = x[i] - factor.lower[i][j] * x[j]
    for i in reversed(range(order)):
        x[i] = x[i] * factor.inverse[i]
        for k in range(i + 1, order):
            x[i] = x[i] - factor.lower[k][i] * x[k]
    return jnp.stack(x)


def solve_psd(matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve a positive definite system; returns (x [P], whether the matrix was so)."""
    if matrix.shape[0] > MAX_ORDER:
        x, ok = widemat.solve(matrix, rhs[:, None])
        return x[:, 0], ok
    factor, ok = cholesky(matrix)
    return cholesky_solve(factor, rhs), ok


def eliminate(matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve symmetric positive definite systems, all rows and columns of a step at once.

    Gauss-Jordan elimination: of systems that lie side by side in one array, fewer and larger
    operations than a factorization written out, so that there is less to compile.

    Args:
        matrix: [..., P, P].
        rhs: [..., P].

    Returns:
        The solutions [..., P], and [...] whether every pivot was positive to working accuracy.
    """
    order = rhs.shape[-1]
    least = 8 * order * jnp.finfo(rhs.dtype).eps * jnp.abs(jnp.diagonal(matrix, 0, -2, -1))
    system = jnp.concatenate([matrix, rhs[..., None]], axis=-1)
    ok = jnp.array(True)
    for j, unit in enumerate(np.eye(order)):
        row, column = system[..., j, :], system[..., j]
        good = row[..., j] > least[..., j]
        ok = ok & good
        row = row / jnp.where(good, row[..., j], 1.0)[..., None]
        system = system - (column - unit)[..., :, None] * row[..., None, :]
    return system[..., order], ok


def nonnegative_solve(gram: Array, rhs: Array, signed: tuple[bool, ...]) -> Array:
    """Minimize ½ xᵀGx − xᵀb with x[k] >= 0 wherever `signed[k]` is false.

    Every active set of the (few) constrained entries is tried side by side, which is exact and
    branch-free: meant for the 1 to 5 linear coefficients of a scaling law.

    Args:
        gram: symmetric positive semi-definite [K, K].
        rhs: [K].
        signed: static; which entries may have either sign.

    Returns:
        The minimizer [K].
    """
    order = len(signed)
    if order > MAX_ORDER or order - sum(signed) > MAX_CONSTRAINED:
        return widemat.nonnegative_solve(gram, rhs, signed)
    sets = itertools.product(*((True,) if free else (False, True) for free in signed))
    kept = np.array(list(sets)).reshape(-1, order)
    # Unit diagonal first: columns of a law differ by many orders of magnitude.
    scale = 1.0 / jnp.sqrt(jnp.maximum(jnp.diagonal(gram), jnp.finfo(gram.dtype).tiny))
    ridge = 64 * jnp.finfo(gram.dtype).eps
    unit = gram * scale[:, None] * scale[None, :] + ridge * np.eye(order)
    side = jnp.where(kept, rhs * scale, 0.0)
    x, ok = eliminate(jnp.where(kept[:, :, None] & kept[:, None, :], unit, np.eye(order)), side)
    ok = ok & jnp.all((x >= 0) | np.array(signed), axis=-1)
    value = jnp.where(ok, -0.5 * jnp.sum(x * side, axis=-1), jnp.inf)
    first = jnp.arange(len(kept)) == jnp.argmin(value)
    return jnp.sum(jnp.where((first & ok)[:, None], x, 0.0), axis=0) * scale
