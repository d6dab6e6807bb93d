"""newton() keeps the contract of an optax transformation, and solves hard curves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxscale._numerics.precision import scope
from jaxscale.optimizers import newton


def minimize(function, params, steps=200, **extra):
    """A plain optax loop that knows nothing of newton()."""
    optimizer = optax.with_extra_args_support(newton())
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(function)(params)
        updates, state = optimizer.update(
            grad, state, params, value=value, grad=grad, value_fn=function, **extra
        )
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


PROBLEMS = {
    "parabola": (lambda x: jnp.sum((x - 3.0) ** 2), [0.0, 9.0, -4.0], [3.0, 3.0, 3.0]),
    "rosenbrock": (rosenbrock, [-1.2, 1.0], [1.0, 1.0]),
    "scales": (lambda x: (x[0] - 1) ** 2 + 1e6 * (x[1] - 2) ** 2, [0.0, 0.0], [1.0, 2.0]),
    "twenty": (  # ten valleys of Rosenbrock's, each in units of its own
        lambda x: sum(rosenbrock(x[2 * k : 2 * k + 2] / (k + 1)) for k in range(10)),
        [-1.2 * (k // 2 + 1) if k % 2 == 0 else float(k // 2 + 1) for k in range(20)],
        [k // 2 + 1.0 for k in range(20)],
    ),
    "beale": (
        lambda x: (
            (1.5 - x[0] + x[0] * x[1]) ** 2
            + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2
            + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
        ),
        [1.0, 1.0],
        [3.0, 0.5],
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_minimizes_in_a_plain_optax_loop(name):
    function, start, optimum = PROBLEMS[name]
    with scope(np.float64):
        _, state = minimize(function, jnp.array(start))
        np.testing.assert_allclose(state.best, optimum, rtol=1e-6)
        assert float(state.value) < 1e-12


def test_takes_any_pytree_and_keeps_its_dtype():
    params = {"a": jnp.zeros((2,), jnp.float32), "b": jnp.ones((), jnp.float32)}
    target = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(-1.0)}

    def function(p):
        return sum(jnp.sum((p[k] - target[k]) ** 2) for k in p)

    found, _ = minimize(function, params, steps=30)
    assert found["a"].dtype == jnp.float32
    np.testing.assert_allclose(found["a"], target["a"], atol=1e-5)
    np.testing.assert_allclose(found["b"], target["b"], atol=1e-5)


def test_respects_bounds_and_frees_what_points_inward():
    lower, upper = jnp.array([-1.0, 0.0]), jnp.array([0.5, 4.0])
    _, state = minimize(rosenbrock, jnp.array([-1.0, 0.0]), lower=lower, upper=upper)
    # Both coordinates start at a bound. Over the box x = 0.5 is best, and y = x^2 inside.
    np.testing.assert_allclose(state.best, [0.5, 0.25], atol=1e-4)


def test_never_accepts_a_nonfinite_or_worse_point():
    def function(x):
        return jnp.where(x[0] > 2.5, jnp.nan, jnp.sum((x - 3.0) ** 2))

    optimizer = newton()
    params = jnp.array([0.0])
    state = optimizer.init(params)
    values = []

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(function)(params)
        updates, state = optimizer.update(grad, state, params, value=value, value_fn=function)
        return params + updates, state

    for _ in range(60):
        params, state = step(params, state)
        values.append(float(state.value))
    assert np.isfinite(values).all() and np.all(np.diff(values) <= 0)
    assert 2.3 < float(state.best[0]) <= 2.5


def test_factory_is_cached_by_its_arguments():
    assert newton() is newton() and newton(switch=0.1) is newton(switch=0.1)
    assert newton(switch=0.1) is not newton()


def test_refuses_many_parameters_and_missing_arguments():
    with pytest.raises(ValueError, match="at most 256"):
        newton().init(jnp.zeros(257))
    optimizer = newton()
    state = optimizer.init(jnp.zeros(2))
    with pytest.raises(ValueError, match="value_fn"):
        optimizer.update(jnp.zeros(2), state, jnp.zeros(2), value=jnp.zeros(()))
    with pytest.raises(ValueError, match="params"):
        optimizer.update(jnp.zeros(2), state, value=jnp.zeros(()))


def test_chains_with_other_transformations():
    with scope(np.float64):
        chained = optax.chain(newton(), optax.scale(1.0))
        params = jnp.array([-1.2, 1.0])
        state = chained.init(params)

        @jax.jit
        def step(params, state):
            value, grad = jax.value_and_grad(rosenbrock)(params)
            updates, state = chained.update(
                grad, state, params, value=value, grad=grad, value_fn=rosenbrock
            )
            return optax.apply_updates(params, updates), state

        for _ in range(60):
            params, state = step(params, state)
        np.testing.assert_allclose(state[0].best, [1.0, 1.0], rtol=1e-6)
