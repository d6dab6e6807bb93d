"""The objective of a law of many parameters: value, gradient and curvatures as products.

Second derivatives one pair of coordinates at a time, as `Objective` writes them for a dozen, would
be a program that grows with the square of their number. Here only the slopes of the predictions
are written out, and the curvatures are products of them. A lane of that is a matrix of its own:
on a CPU lanes go one after the other, each through its caches, and keep their bits whatever
their number; elsewhere side by side.

The bends of the law itself, the part of the exact Hessian that residuals multiply, are left out of
the search: they cost as much as ten steps. What is said of an optimum has them (`bends`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

BLOCK = 512
"""Runs of a block of a long table."""
LONG = 2048
"""Runs from which a table is long."""

Model = tuple[Array, Array, Array, Array]


def model(objective: Any, z: Array) -> Model:
    """Return value, gradient [P] and two curvatures [P, P]; pure.

    The first curvature is Gauss-Newton with the weights of iteratively reweighted least squares;
    the second has the curvature of the loss in their place.

    Args:
        objective: an `Objective`.
        z: the point [P].
    """
    return _by_lane(_model)(objective, z)


def bends(objective: Any, z: Array) -> Array:
    """Return [P, P]: what the second curvature of `model` lacks of the exact Hessian; pure.

    The sum over runs of the derivative of the objective by the prediction times the second
    derivatives of the law.

    Cost: P derivatives of P slopes, one after the other.
    """
    r, slope, _ = objective.linked(objective.prediction(*z))
    pull = objective.weight / objective.loss.scale * objective.loss.weight(r) * r * slope
    eye = jnp.eye(len(z), dtype=z.dtype)

    def slopes(z: Array) -> Array:
        _, push = jax.linearize(lambda z: objective.prediction(*z), z)
        return jax.vmap(lambda along: _dot(push(along), pull))(eye)

    rows: Array = jax.lax.map(lambda along: jax.jvp(slopes, (z,), (along,))[1], eye)
    return 0.5 * (rows + rows.T)


def shares(objective: Any, z: Array) -> Array:
    """Return [P] as `Objective.shares` does; pure."""
    return _by_lane(_shares)(objective, z)


def _by_lane(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works on one lane after the other where it is mapped, on a CPU."""
    if jax.default_backend() != "cpu":
        return function
    one: Callable[..., Any] = jax.custom_batching.sequential_vmap(function)
    return one


def _model(objective: Any, z: Array) -> Model:
    n, order, dtype = objective.weight.shape[0], len(z), objective.target.value.dtype
    if n < LONG or n % BLOCK:
        return _sums(objective, z)
    data = (objective.inputs, objective.target, objective.weight)
    blocks = jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, BLOCK)), data)

    def add(total: Any, block: Any) -> tuple[Any, None]:
        inputs, target, weight = block
        here = dataclasses.replace(objective, inputs=inputs, target=target, weight=weight)
        return jax.tree.map(jnp.add, total, _sums(here, z)), None

    shapes = ((), (order,), (order, order), (order, order))
    zeros = tuple(jnp.zeros(shape, dtype) for shape in shapes)
    total: Model = jax.lax.scan(add, zeros, blocks)[0]
    return total


def _sums(objective: Any, z: Array) -> Model:
    r, slope, bend = objective.linked(objective.prediction(*z), stored=True)
    weight = objective.weight / objective.loss.scale
    irls = weight * objective.loss.weight(r)
    psi = irls * r
    inner = weight * objective.loss.curvature(r) + bend * psi
    rows = jnp.stack([_along(objective, z, k) for k in range(len(z))]) * slope
    products = _dot(jnp.concatenate([rows * irls, rows * inner]), rows.T)
    value = _dot(weight * objective.loss.rho(r), jnp.ones_like(r))
    return value, _dot(rows, psi), products[: len(z)], products[len(z) :]


def _along(objective: Any, z: Array, k: int) -> Array:
    """Return the derivative [n] of the predictions in coordinate k: what it does not touch is free.

    The law is traced once per coordinate, but only the terms that k is in are derived.
    """
    point = tuple(z)

    def moved(t: Array) -> Array:
        p: Array = objective.prediction(*point[:k], t, *point[k + 1 :])
        return p

    slope: Array = jax.jvp(moved, (point[k],), (jnp.ones_like(point[k]),))[1]
    return slope


def _shares(objective: Any, z: Array) -> Array:
    p, push = jax.linearize(lambda z: objective.prediction(*z), z)
    moved = jax.vmap(push)(jnp.eye(len(z), dtype=z.dtype))
    relative = jnp.where(objective.weight > 0, jnp.abs(moved / p), 0.0)
    largest: Array = jnp.max(relative, axis=1)
    return largest


def _dot(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
