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
    found: Model = by_lane(_model)(objective, z)
    return found


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
    found: Array = by_lane(_shares)(objective, z)
    return found


def by_lane(function: Callable[..., Any]) -> Callable[..., Any]:
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
    value, grad, gauss_newton, exact = jax.lax.scan(add, zeros, blocks)[0]
    return value, grad, gauss_newton, exact


def _sums(objective: Any, z: Array) -> Model:
    r, slope, bend = objective.linked(objective.prediction(*z), stored=True)
    weight = objective.weight / objective.loss.scale
    irls = weight * objective.loss.weight(r)
    psi = irls * r
    inner = weight * objective.loss.curvature(r) + bend * psi
    rows = jnp.stack(slopes(objective.prediction, tuple(z))) * slope
    products = _dot(jnp.concatenate([rows * irls, rows * inner]), rows.T)
    value = _dot(weight * objective.loss.rho(r), jnp.ones_like(r))
    return value, _dot(rows, psi), products[: len(z)], products[len(z) :]


def slopes(function: Callable[..., Array], point: tuple[Array, ...]) -> list[Array]:
    """Return the derivatives of `function` in each of its scalar arguments; pure.

    The function is traced and linearized once. What a coordinate does not touch is not written
    out for it: the terms of a law have few coordinates each, so that the program grows with their
    number and not with its square.

    Args:
        function: of P scalars.
        point: at which.
    """
    made, push = jax.linearize(function, *point)
    linear = jax.make_jaxpr(push)(*point)
    known: dict[Any, Any] = dict(zip(linear.jaxpr.constvars, linear.consts, strict=True))
    moving = set(linear.jaxpr.invars)
    for equation in linear.jaxpr.eqns:  # what depends on no direction is there once
        if moving.isdisjoint(_variables(equation)):
            known.update(_evaluated(linear.jaxpr, equation, known))
        else:
            moving.update(equation.outvars)
    found = []
    for k, argument in enumerate(linear.jaxpr.invars):
        here = {argument: jnp.ones_like(point[k])}
        for equation in linear.jaxpr.eqns:
            reached = [v for v in _variables(equation) if v in here]
            still = [v for v in _variables(equation) if v in moving and v not in here]
            if not reached:
                continue
            if still and equation.primitive.name in ("add_any", "add"):
                here[equation.outvars[0]] = here[reached[0]]
            else:
                zeros = {v: jnp.zeros(v.aval.shape, v.aval.dtype) for v in still}
                here.update(_evaluated(linear.jaxpr, equation, known | zeros | here))
        out = linear.jaxpr.outvars[0]
        found.append(here[out] if out in here else jnp.zeros_like(made))
    return found


def _variables(equation: Any) -> list[Any]:
    return [atom for atom in equation.invars if not hasattr(atom, "val")]


def _evaluated(program: Any, equation: Any, values: dict[Any, Any]) -> dict[Any, Any]:
    """Return the outputs of one equation of a program."""
    inputs = list(dict.fromkeys(_variables(equation)))
    alone = program.replace(constvars=[], invars=inputs, outvars=equation.outvars, eqns=[equation])
    made = jax.core.eval_jaxpr(alone, [], *(values[v] for v in inputs))
    return dict(zip(equation.outvars, made, strict=True))


def _shares(objective: Any, z: Array) -> Array:
    p, push = jax.linearize(lambda z: objective.prediction(*z), z)
    moved = jax.vmap(push)(jnp.eye(len(z), dtype=z.dtype))
    relative = jnp.where(objective.weight > 0, jnp.abs(moved / p), 0.0)
    largest: Array = jnp.max(relative, axis=1)
    return largest


def _dot(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
