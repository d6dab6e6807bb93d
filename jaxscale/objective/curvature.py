"""The model of an objective at a point: value, slope and curvature as sums over runs.

An objective works out what every run adds (`Terms`); here that is added up (`Slopes`), and the
curvature made of it: of Gauss-Newton, or exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics import sums
from jaxscale._numerics.sums import total, totals
from jaxscale.shown.blocks import shown


@shown
class LazyModel(NamedTuple):
    """Value and slope of an objective at a point, and a curvature that is yet to be chosen.

    Attributes:
        value: at the point.
        grad: [P].
        influence: [P] diagonal of the Gauss-Newton matrix.
        curvature: of a boolean: the exact Hessian [P, P] if it holds, else Gauss-Newton.
    """

    value: Array
    grad: Array
    influence: Array
    curvature: Callable[[Array], Array]

    @classmethod
    def of(cls, value: Array, grad: Array, gauss_newton: Array, exact: Array) -> LazyModel:
        """Return the model where both curvatures are there.

        Args:
            value: at the point.
            grad: [P].
            gauss_newton: [P, P].
            exact: [P, P], the exact Hessian.
        """
        influence = jnp.diagonal(gauss_newton)
        return cls(value, grad, influence, lambda one: jnp.where(one, exact, gauss_newton))


class Terms(NamedTuple):
    """What the sums of an objective add up, run by run."""

    value: Array  # [n]
    rows: list[Array]  # P of [n]: derivatives of the residuals
    psi: Array  # [n] derivatives of the value by the residuals
    irls: Array  # [n] weights of Gauss-Newton
    inner: Array  # [n] weights of the exact Hessian
    affine: list[int]  # coordinates by which the law's second derivative is its first
    bends: dict[tuple[int, int], Callable[[], Array]]  # of [n]: its other second derivatives


@shown
class Slopes(NamedTuple):
    """What the model of an objective is made of."""

    value: Array
    grad: Array  # [P]
    influence: Array  # [P] diagonal of Gauss-Newton
    rows: Any  # [P, n] derivatives of the residuals; P of [n] where sums are one pass
    irls: Array  # [n] weights of Gauss-Newton
    inner: Array  # [n] weights of the exact Hessian
    second: dict[tuple[int, int], Array]  # what comes to it from the law's second derivatives


def summed(t: Terms) -> Slopes:
    """Return all sums of the terms but those of a curvature, in one pass."""
    parts = [t.value, *(row * t.psi for row in t.rows), *(row * row * t.irls for row in t.rows)]
    value, *found = totals([*parts, *(bend() for bend in t.bends.values())])
    order = len(t.rows)
    grad, influence, bent = found[:order], found[order : 2 * order], found[2 * order :]
    second = {(k, k): grad[k] for k in t.affine} | dict(zip(t.bends, bent, strict=True))
    slopes = jnp.stack(grad), jnp.stack(influence)
    return Slopes(value, *slopes, t.rows, t.irls, t.inner, second)


def gram(rows: Any, weight: Array, more: dict[tuple[int, int], Array]) -> Array:
    """Return [P, P]: the weighted products of rows, plus something by pairs of coordinates.

    Diagonal by diagonal, since the matrix is symmetric.

    Args:
        rows: [P, n], or P of [n].
        weight: [n].
        more: scalars by pairs (k, m), k >= m.
    """
    order, found = len(rows), dict(more)
    pairs = [(m + s, m) for s in range(order) for m in range(order - s)]
    if sums.one_pass():
        products = totals([rows[k] * rows[m] * weight for k, m in pairs])
    else:
        by_diagonal = [total(rows[: order - s] * rows[s:] * weight) for s in range(order)]
        products = [product for diagonal in by_diagonal for product in diagonal]
    for pair, product in zip(pairs, products, strict=True):
        found[pair] = product + found.get(pair, 0.0)
    entries = [found[max(k, m), min(k, m)] for k in range(order) for m in range(order)]
    return jnp.stack(entries).reshape(order, order)
