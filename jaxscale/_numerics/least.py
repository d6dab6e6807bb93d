"""The least value of a function of one number, with its derivatives.

A grid that zooms in finds it, whatever the function; a Newton step ends it, and what the function
depends on may be traced: the derivatives are those of the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.roots import Function, slope_solve

CELLS = 401
"""Points that each round tries."""
ROUNDS = 4
"""Rounds of zooming in, from 35 e-folds down to 1e-6 of one; Newton steps do the rest."""
STEPS = 2
"""Newton steps: where the second derivative jumps nearby, one is not enough."""
NEAR = 0.05
"""What a Newton step may move: rounding decides which point of a flat valley is called best."""


def least(
    function: Callable[[Array, Any], Array], edges: tuple[float, float], given: Any
) -> tuple[Array, Array]:
    """Return where function(x, given) is least, and whether that is at an edge; pure.

    Args:
        function: elementwise in x; a value that is not finite counts as infinite.
        edges: between which to look.
        given: pytree of what the function depends on, of inexact arrays; may be traced.

    Returns:
        x and a bool, scalars.
    """
    fixed = jax.lax.stop_gradient(given)
    dtype = jnp.result_type(float)
    bottom, top = (jnp.full((), edge, dtype) for edge in edges)
    low, high = bottom, top
    unit = jnp.linspace(0, 1, CELLS, dtype=dtype)
    for _ in range(ROUNDS):
        grid = low + (high - low) * unit
        value = function(grid, fixed)
        best = grid[jnp.argmin(jnp.where(jnp.isfinite(value), value, jnp.inf))]
        step = grid[1] - grid[0]
        low, high = jnp.maximum(best - 2 * step, bottom), jnp.minimum(best + 2 * step, top)
    edge = (best <= bottom + step) | (best >= top - step)

    def slope(x: Array) -> Array:
        found: Array = jax.jvp(lambda x: function(x, given), (x,), (jnp.ones_like(x),))[1]
        return found

    def newton(slope: Function, x: Array) -> Array:
        for _ in range(STEPS):
            value, bend = jax.jvp(slope, (x,), (jnp.ones_like(x),))
            bent = bend > 0
            moved = x - value / jnp.where(bent, bend, 1.0)
            x = jnp.where(bent & (jnp.abs(moved - x) < NEAR), moved, x)
        return x

    found = jax.lax.custom_root(slope, best, newton, slope_solve)
    return jnp.where(edge, best, found), edge
