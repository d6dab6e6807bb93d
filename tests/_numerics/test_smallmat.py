import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale._numerics import smallmat
from jaxscale._numerics.precision import scope


@pytest.mark.parametrize("order", range(1, 13))
def test_solve_psd_agrees_with_lapack(order):
    rng = np.random.default_rng(order)
    root = rng.normal(size=(7, order, order + 3))
    matrix, rhs = root @ root.swapaxes(1, 2), rng.normal(size=(7, order))
    with scope(np.float64):
        x, ok = jax.vmap(smallmat.solve_psd)(matrix, rhs)
        assert ok.all()
    np.testing.assert_allclose(x, np.linalg.solve(matrix, rhs[..., None])[..., 0], rtol=1e-8)


@pytest.mark.parametrize(
    "matrix", [[[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
)
def test_cholesky_reports_what_is_not_positive_definite(matrix):
    x, ok = smallmat.solve_psd(jnp.array(matrix), jnp.array([1.0, 2.0]))
    assert not ok
    assert np.isfinite(x).all()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nonnegative_solve_is_the_best_of_all_active_sets(order):
    rng = np.random.default_rng(order)
    for signed in itertools.product([True, False], repeat=order):
        design, y = rng.normal(size=(20, order)), rng.normal(size=20)
        gram, rhs = design.T @ design, design.T @ y
        with scope(np.float64):
            solve = jax.jit(functools.partial(smallmat.nonnegative_solve, signed=signed))
            x = np.asarray(solve(jnp.array(gram), jnp.array(rhs)))
        grad = gram @ x - rhs
        for k in range(order):
            if signed[k] or x[k] > 0:
                assert abs(grad[k]) < 1e-9  # stationary
            else:
                assert x[k] == 0 and grad[k] > -1e-9  # held, and rightly so
