import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale._numerics.precision import scope
from jaxscale._numerics.roots import root, slope_solve


def cube_root(a):
    return root(lambda x: x**3 - a, 0.0, 100.0, a)


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("derivative", [jax.jacfwd, jax.jacrev])
def test_derivatives_of_every_order(order, derivative):
    function, expected = cube_root, [2.0, 1 / 12, -1 / 144][order]
    for _ in range(order):
        function = derivative(function)
    with scope(np.float64):
        assert float(jax.jit(function)(jnp.asarray(8.0))) == pytest.approx(expected, rel=1e-12)


def test_many_roots_at_once_and_a_traced_function():
    with scope(np.float64):
        a = jnp.linspace(1.0, 1000.0, 7)
        np.testing.assert_allclose(cube_root(a), a ** (1 / 3), rtol=1e-14)
        np.testing.assert_allclose(jax.vmap(jax.grad(cube_root))(a), a ** (-2 / 3) / 3, rtol=1e-12)


def test_without_a_change_of_sign_an_edge_is_returned():
    with scope(np.float64):
        one = jnp.ones(())
        assert float(root(lambda x: x + 1, 0.0, 2.0, one)) < 1e-12
        assert float(root(lambda x: x - 5, 0.0, 2.0, one)) == 2.0


def test_a_flat_function_has_no_derivative_but_is_finite():
    assert float(slope_solve(lambda x: 0 * x, jnp.ones(()))) == 0.0
