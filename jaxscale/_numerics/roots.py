"""The root of an increasing function of one number, with its derivatives of every order.

The root is found by halving an interval; what it depends on may be traced, and its derivatives
are those of the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

HALVINGS = 60
"""Takes an interval of a hundred below rounding."""

Function = Callable[[Array], Array]


def root(function: Function, low: float, high: float, like: Array) -> Array:
    """Return x between `low` and `high` with function(x) = 0; pure, differentiable.

    Args:
        function: increasing, elementwise on arrays of the shape of `like`; everything it closes
            over may be traced.
        low: where it is negative; else this is returned, with a derivative that means nothing.
        high: where it is positive.
        like: an array of the shape and dtype of x.
    """

    def halve(function: Function, x: Array) -> Array:
        def step(_: int, edges: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (edges[0] + edges[1])
            below = function(middle) < 0
            return jnp.where(below, middle, edges[0]), jnp.where(below, edges[1], middle)

        edges = jnp.full_like(x, low), jnp.full_like(x, high)
        low_edge: Array = jax.lax.fori_loop(0, HALVINGS, step, edges)[1]
        return low_edge

    x: Array = jax.lax.custom_root(function, like, halve, slope_solve)
    return x


def slope_solve(linear: Function, y: Array) -> Array:
    """Return x with linear(x) = y, for a linear function that acts elementwise; zero if it is."""
    slope = linear(jnp.ones_like(y))
    return jnp.where(slope == 0, 0.0, y / jnp.where(slope == 0, 1.0, slope))
