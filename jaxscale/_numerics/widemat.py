"""Dense algebra of symmetric systems beyond a dozen unknowns, as loops of plain operations.

What `smallmat` writes out, this loops over: Gauss-Jordan elimination, P steps that each change the
whole system by one outer product. So a program has the same size whatever P is; no step adds up
more than two numbers, so that lanes side by side keep their bits; and everything lowers for every
backend, which LAPACK's calls do not. For P = 33 a solve costs a tenth of the products over 1,500
runs that its matrix comes from.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

LIMIT = 256
"""Unknowns at most: a step of a lane reads and writes P x P numbers P times."""
SWEEPS = 200
"""Of coordinate descent: what is left after them is far below what starts ask for."""


def solve(matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve symmetric positive definite systems.

    Args:
        matrix: [P, P, ...].
        rhs: [P, K, ...].

    Returns:
        The solutions [P, K, ...], and [...] whether every pivot was positive to working accuracy.
        Where one was not, the solution is meaningless.
    """
    order = matrix.shape[0]
    tiny = 8 * order * jnp.finfo(matrix.dtype).eps
    place = jnp.arange(order).reshape(-1, *(1,) * (matrix.ndim - 2))

    def clear(j: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        system, least, ok = carry
        row, column = system[j], system[:, j]
        pivot = row[j]
        good = pivot > least[j]
        row = row / jnp.where(good, pivot, 1.0)
        column = jnp.where(place == j, 0.0, column)
        cleared = system - column[:, None] * row[None]
        return jnp.where((place == j)[:, None], row[None], cleared), least, ok & good

    least = tiny * jnp.abs(jnp.einsum("kk...->k...", matrix))
    system = jnp.concatenate([matrix, rhs], axis=1)
    begin = (system, least, jnp.ones(matrix.shape[2:], bool))
    system, _, ok = jax.lax.fori_loop(0, order, clear, begin)
    return system[:, order:], ok


def inverse(matrix: Array) -> tuple[Array, Array]:
    """Return the inverses of positive definite matrices [P, P, ...], and whether they are so."""
    eye = jnp.eye(matrix.shape[0], dtype=matrix.dtype).reshape(
        *matrix.shape[:2], *(1,) * (matrix.ndim - 2)
    )
    return solve(matrix, jnp.broadcast_to(eye, matrix.shape))


def nonnegative_solve(gram: Array, rhs: Array, signed: tuple[bool, ...]) -> Array:
    """Minimize ½ xᵀGx − xᵀb with x[k] >= 0 wherever `signed[k]` is false, by coordinate descent.

    For more entries than all active sets can be tried of (`smallmat.nonnegative_solve`). Where
    columns are nearly parallel it ends short of the minimum, which is good enough for a start.

    Args:
        gram: symmetric positive semi-definite [K, K].
        rhs: [K].
        signed: static; which entries may have either sign.

    Returns:
        The minimizer [K].
    """
    order = len(signed)
    scale = 1.0 / jnp.sqrt(jnp.maximum(jnp.diagonal(gram), jnp.finfo(gram.dtype).tiny))
    ridge = 64 * jnp.finfo(gram.dtype).eps
    unit = gram * scale[:, None] * scale[None, :]
    unit = unit + ridge * jnp.eye(order, dtype=gram.dtype)
    if all(signed):
        return solve(unit, (rhs * scale)[:, None])[0][:, 0] * scale
    low = jnp.where(np.array(signed), -jnp.inf, 0.0).astype(gram.dtype)

    def descend(step: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        x, slope = carry  # slope = b - G x, kept up to date
        k = step % order
        new = jnp.maximum(x[k] + slope[k] / unit[k, k], low[k])
        return x.at[k].set(new), slope - unit[k] * (new - x[k])

    x, _ = jax.lax.fori_loop(0, SWEEPS * order, descend, (jnp.zeros_like(rhs), rhs * scale))
    solution: Array = x * scale
    return solution
