"""Unrolled dense algebra for the tiny systems of one fit (P <= 12); larger ones go to `widemat`.

A batched LAPACK call per lane costs more than the whole evaluation of a law, and custom calls
cannot be lowered for every backend. Written out as scalar operations, a P x P Cholesky becomes
plain elementwise code under `vmap`, fused and exportable everywhere. The module holds no
pivoting and no iterative refinement: callers regularize first.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import widemat

MAX_ORDER = 12
"""Unknowns up to which algebra is written out."""
MAX_CONSTRAINED = 6
"""Constrained entries up to which all active sets are tried."""


def cholesky(matrix: Array) -> tuple[Any, Array]:
    """Factor a symmetric `matrix` [P, P, ...] as L Lᵀ, for `cholesky_solve`.

    Returns:
        The lower factor as nested lists of scalars (beyond `MAX_ORDER` the inverse instead), and
        whether every pivot was positive to working accuracy. Where one was not, the factor is
        finite and meaningless.
    """
    order = matrix.shape[0]
    if order > MAX_ORDER:
        return widemat.inverse(matrix)
    tiny = 8 * order * jnp.finfo(matrix.dtype).eps
    lower: list[list[Array]] = [[] for _ in range(order)]
    ok = jnp.array(True)
    for j in range(order):
        pivot = matrix[j, j] - sum(lower[j][k] ** 2 for k in range(j))
        good = pivot > tiny * jnp.abs(matrix[j, j])
        ok = ok & good
        root = jnp.sqrt(jnp.where(good, pivot, 1.0))
        lower[j].append(root)
        for i in range(j + 1, order):
            dot = matrix[i, j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i].append(dot / root)
    return lower, ok


def cholesky_solve(lower: Any, rhs: Array) -> Array:
    """Solve L Lᵀ x = `rhs` [P, ...] with the factor of `cholesky`."""
    if not isinstance(lower, list):
        along = "km,m...->k..." if lower.ndim == 2 else "km...,m...->k..."
        return jnp.einsum(along, lower, rhs, precision=jax.lax.Precision.HIGHEST)
    order = len(lower)
    forward: list[Array] = []
    for i in range(order):
        dot = rhs[i] - sum(lower[i][k] * forward[k] for k in range(i))
        forward.append(dot / lower[i][i])
    back: list[Array] = [jnp.zeros_like(rhs[0])] * order
    for i in reversed(range(order)):
        dot = forward[i] - sum(lower[k][i] * back[k] for k in range(i + 1, order))
        back[i] = dot / lower[i][i]
    return jnp.stack(back)


def solve_psd(matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve a positive definite system; returns (x [P], whether the matrix was so)."""
    if matrix.shape[0] > MAX_ORDER:
        x, ok = widemat.solve(matrix, rhs[:, None])
        return x[:, 0], ok
    lower, ok = cholesky(matrix)
    return cholesky_solve(lower, rhs), ok


def eliminate(matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve symmetric positive definite systems, all rows and columns of a step at once.

    Gauss-Jordan elimination: for many systems side by side it is a tenth of the operations that a
    factorization written out has, and as many times quicker to compile.

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
