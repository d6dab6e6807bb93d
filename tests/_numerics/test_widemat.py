import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale._numerics import smallmat, widemat
from jaxscale._numerics.precision import scope


def positive_definite(order, count, seed=0):
    rng = np.random.default_rng(seed + order)
    root = rng.normal(size=(count, order, order + 3))
    units = np.exp(rng.normal(size=order))
    return root @ root.swapaxes(1, 2) * np.outer(units, units), rng.normal(size=(count, order))


@pytest.mark.parametrize("order", [1, 13, 33, 60])
def test_solve_agrees_with_lapack(order):
    matrix, rhs = positive_definite(order, 5)
    with scope(np.float64):
        x, ok = jax.vmap(widemat.solve)(matrix, rhs[..., None])
        assert ok.all()
        inverse, _ = jax.vmap(widemat.inverse)(matrix)
    want = np.linalg.solve(matrix, rhs[..., None])
    size = np.abs(want).max(axis=1, keepdims=True)
    x, inverse = np.asarray(x), np.asarray(inverse)
    np.testing.assert_allclose(x / size, want / size, atol=1e-9)
    identity = np.broadcast_to(np.eye(order), matrix.shape)
    np.testing.assert_allclose(inverse @ matrix, identity, atol=1e-8)


@pytest.mark.parametrize("order", [13, 33])
def test_what_is_not_positive_definite_is_reported(order):
    matrix, rhs = positive_definite(order, 1)
    values, vectors = np.linalg.eigh(matrix[0])
    indefinite = matrix[0] - 2 * values[0] * np.outer(vectors[:, 0], vectors[:, 0])
    flat = np.random.default_rng(1).normal(size=(order, order - 2))
    singular = flat @ flat.T
    dead = matrix[0] * np.outer(np.arange(order) != 4, np.arange(order) != 4)
    with scope(np.float64):
        for bad in (indefinite, singular, dead, np.zeros((order, order)), -matrix[0]):
            assert not smallmat.solve_psd(jnp.array(bad), jnp.array(rhs[0]))[1]
        assert smallmat.solve_psd(jnp.array(matrix[0]), jnp.array(rhs[0]))[1]


def test_a_solution_does_not_depend_on_its_neighbors():
    matrix, rhs = positive_definite(20, 37)
    with scope(np.float64):
        solve = jax.jit(jax.vmap(smallmat.solve_psd))
        all_, _ = solve(matrix, rhs)
        turned, _ = solve(matrix[::-1], rhs[::-1])
        few = jax.jit(jax.vmap(smallmat.solve_psd))(matrix[3:19], rhs[3:19])[0]
    np.testing.assert_array_equal(all_, turned[::-1])
    np.testing.assert_array_equal(all_[3:19], few)


@pytest.mark.parametrize("side", [(), (7,)])
def test_a_factor_of_either_kind_solves_for_many_right_sides(side):
    for order in (3, 12, 13, 20):
        matrix, _ = positive_definite(order, 1)
        rhs = np.random.default_rng(1).normal(size=(order, *side))
        with scope(np.float64):
            factor, ok = smallmat.cholesky(jnp.array(matrix[0]))
            x = smallmat.cholesky_solve(factor, jnp.array(rhs))
            many = np.multiply.outer(matrix[0], np.ones(7))  # [P, P, 7]: one matrix per problem
            each, all_ok = smallmat.cholesky(jnp.array(many))
            own = smallmat.cholesky_solve(each, jnp.array(rhs.reshape(order, -1)) * jnp.ones(7))
        assert ok and np.all(all_ok)
        want = np.linalg.solve(matrix[0], rhs)
        np.testing.assert_allclose(x, want, atol=1e-9 * np.abs(want).max())
        np.testing.assert_allclose(own.T[0], want.reshape(order, -1)[:, 0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("order", [3, 8, 15])
def test_many_nonnegative_entries_are_at_their_minimum(order):
    rng = np.random.default_rng(order)
    design, y = rng.normal(size=(60, order)), rng.normal(size=60)
    gram, rhs = design.T @ design, design.T @ y
    signs = itertools.chain([(True,) * order, (False,) * order], [(True,) + (False,) * (order - 1)])
    for signed in signs:
        with scope(np.float64):
            x = np.asarray(widemat.nonnegative_solve(jnp.array(gram), jnp.array(rhs), signed))
        grad = gram @ x - rhs
        for k in range(order):
            assert signed[k] or x[k] >= 0
            if signed[k] or x[k] > 0:
                assert abs(grad[k]) < 1e-8
            else:
                assert grad[k] > -1e-8
