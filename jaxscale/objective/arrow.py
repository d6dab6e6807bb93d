"""The objective of a law over families: an arrow of blocks, worked out at the size of one family.

A run depends on the shared parameters and on those of its own family, q of them, however many
families there are. So slopes and products are those of the plain law, [q, n], and are summed family
by family into blocks [q, q, G]; the curvature [P, P] is an arrow of them: a block per family on the
diagonal, a border of shared rows. A dense product would take P²n operations in place of q²n, and
the bends of the law, left out of wide laws, are there as in any law of a dozen parameters.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.smallmat import cholesky, cholesky_solve, solve_psd
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.objective import wide

HIGHEST = jax.lax.Precision.HIGHEST


class Layout(NamedTuple):
    """Where the coordinates of the law of one family stand among those of all.

    Attributes:
        law: the law of one family, nothing of it but its settings.
        names: [q] of its free parameters, in its own order.
        place: [q, G] the coordinate of each in every family.
    """

    law: Law
    names: tuple[str, ...]
    place: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """[q] which parameters are one for all families."""
        return np.asarray((self.place == self.place[:, :1]).all(axis=1))


def layout(objective: Any) -> Layout | None:
    """Return the layout of an objective; None for a law without families, or of odd ones.

    Odd are families that differ in what is fixed or tied: the dense way takes them.
    """
    law, space = objective.law, objective.space
    if not isinstance(law, FamilyLaw) or space.tied:
        return None
    at = {name: k for k, name in enumerate(space.free)}
    plain = law[law.labels[0]]
    names, rows = [], []
    for name in plain.parameters:
        fields = law.names.get(name, (name,) * len(law.labels))
        known = [field in at for field in fields]
        if name in law.names and not all(known):
            return None
        if all(known):
            names.append(name)
            rows.append([at[field] for field in fields])
    return Layout(plain, tuple(names), np.array(rows))


def model(objective: Any, z: Array) -> wide.Model:
    """Return value, gradient [P] and two curvatures [P, P], as `Objective.model` does; pure.

    Args:
        objective: an `Objective` with a layout.
        z: the point [P].
    """
    found: wide.Model = wide.by_lane(_model)(objective, z)
    return found


def _model(objective: Any, z: Array) -> wide.Model:
    found = layout(objective)
    assert found is not None
    *inputs, codes = objective.inputs
    families = found.place.shape[1]
    # [n, G] of which family each run is; a padded run has no weight, whatever its family.
    of = (codes[:, None] == jnp.arange(families, dtype=codes.dtype)).astype(z.dtype)
    space = objective.space
    specs = found.law.parameters
    one = dataclasses.replace(
        objective,
        law=found.law,
        inputs=tuple(inputs),
        space=dataclasses.replace(
            space,
            parameters=tuple(specs.items()),
            fixed={name: value for name, value in space.fixed.items() if name in specs},
        ),
    )
    point = tuple(
        z[place[0]] if alike else _dot(of, z[place])
        for place, alike in zip(found.place, found.shared, strict=True)
    )
    s = one.slopes_at(point, lambda x: _dot(x, of))
    arrow = _Arrow.of(found, len(z))
    gauss_newton = _blocks(s.rows, s.irls, of)
    exact = _blocks(s.rows, s.inner, of)
    order = len(found.names)
    for (k, m), more in s.second.items():
        exact = exact.at[k, m].add(more)
        exact = exact if k == m else exact.at[m, k].add(more)
    return (
        jnp.sum(s.value),
        arrow.vector(s.grad),
        arrow.matrix(gauss_newton.reshape(order, order, families)),
        arrow.matrix(exact.reshape(order, order, families)),
    )


def solve(found: Layout, matrix: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve a positive definite arrow: family by family, then for what they share; pure.

    Args:
        found: of `layout`.
        matrix: [P, P], zero between own parameters of different families.
        rhs: [P].

    Returns:
        x [P], and whether every pivot was positive to working accuracy.

    Cost: G small systems of q unknowns, written out side by side, where a dense solution is P
    steps over P² numbers.
    """
    own, shared = found.place[~found.shared], found.place[found.shared, 0]
    k, size = len(own), len(shared)
    right = rhs[own][:, None]  # [k, 1, G]
    if size:
        border = matrix[own[:, None], shared[None, :, None]]  # [k, S, G]
        right = jnp.concatenate([border, right], axis=1)
    factor, good = cholesky(matrix[own[:, None], own[None]])
    solved = cholesky_solve(factor, right)
    y = solved[:, -1]
    ok = jnp.all(good)
    x = jnp.zeros_like(rhs)
    if size:
        whole = matrix[shared[:, None], shared[None]]
        rest = whole - jnp.einsum("ksg,ktg->st", border, solved[:, :size], precision=HIGHEST)
        left = rhs[shared] - jnp.einsum("ksg,kg->s", border, y, precision=HIGHEST)
        least = 8 * len(rhs) * jnp.finfo(rhs.dtype).eps * jnp.abs(jnp.diagonal(whole))
        top, positive = solve_psd(rest, left)
        ok = ok & positive & jnp.all(jnp.diagonal(rest) > least)
        y = y - jnp.einsum("ksg,s->kg", solved[:, :size], top, precision=HIGHEST)
        x = x.at[shared].set(top)
    assert y.shape == (k, own.shape[1])
    return x.at[own].set(y), ok


def _blocks(rows: Array, weight: Array, of: Array) -> Array:
    """Return [q, q, G]: the weighted products of rows [q, n], family by family."""
    products = rows[:, None] * rows[None] * weight
    return _dot(products, of)


class _Arrow(NamedTuple):
    """From what the families sum up to, to the coordinates of all: every entry has one source.

    Attributes:
        entries: [P] of the gradient, [P, P] of a curvature: where each is found in the sums of
            families, those over all of them, and a zero, one after the other.
    """

    vector_at: np.ndarray
    matrix_at: np.ndarray

    @classmethod
    def of(cls, found: Layout, size: int) -> _Arrow:
        place, shared = found.place, found.shared
        q, G = place.shape
        vector = np.zeros(size, int)
        matrix = np.full((size, size), q * q * G + q * q)
        for k in range(q):
            vector[place[k]] = q * G + k if shared[k] else k * G + np.arange(G)
            for m in range(q):
                inside = (k * q + m) * G + np.arange(G)
                both = shared[k] and shared[m]
                matrix[place[k], place[m]] = q * q * G + k * q + m if both else inside
        return cls(vector, matrix)

    def vector(self, sums: Array) -> Array:
        """Return [P] from [q, G]."""
        return jnp.concatenate([sums.ravel(), sums.sum(-1)])[self.vector_at]

    def matrix(self, sums: Array) -> Array:
        """Return [P, P] from [q, q, G]."""
        none = jnp.zeros(1, sums.dtype)
        return jnp.concatenate([sums.ravel(), sums.sum(-1).ravel(), none])[self.matrix_at]


def _dot(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=HIGHEST)
