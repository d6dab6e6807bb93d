"""Beyond a dozen parameters: products instead of pairs, and the same numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from wide_laws import Grouped5, Grouped9, grouped, grouped_runs

import jaxscale
from jaxscale import engine
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.certify import local
from jaxscale.fitting.preparation import prepare
from jaxscale.objective import wide
from jaxscale.varpro.starts import grid_axes, random_starts

LOSSES = [jaxscale.Huber(1e-2), jaxscale.Square()]


def objective(law, runs, loss=None, residual="log"):
    problem = prepare(law, runs, loss or jaxscale.Huber(1e-2), residual)
    return cast(problem.objective, np.float64)


def around(target, seed=1):
    return 0.3 * np.random.default_rng(seed).normal(size=len(target.space.free))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("residual", ["log", "absolute"])
@pytest.mark.parametrize("count", [5, pytest.param(9, marks=pytest.mark.nightly)])
def test_the_exact_model_is_value_gradient_and_hessian_of_the_value(count, residual, loss):
    law = grouped(count)
    target = objective(type(law)(), grouped_runs(law, noise=0.05), loss, residual)
    z = around(target)
    with scope(np.float64):
        value, grad, gauss_newton, hessian = jax.jit(target.exact_model)(z)
        np.testing.assert_allclose(value, target.value(z), rtol=1e-13)
        exact = jax.jit(jax.grad(target.value))(z)
        np.testing.assert_allclose(grad, exact, rtol=1e-9, atol=1e-9)
        want = jax.jit(jax.hessian(target.value))(z)
        np.testing.assert_allclose(hessian, want, rtol=1e-8, atol=1e-9 * np.abs(want).max())
        assert np.linalg.eigvalsh(gauss_newton)[0] >= -1e-9 * np.abs(gauss_newton).max()
        shares = jax.jit(target.shares)(jnp.asarray(z))
        slopes = jax.jit(jax.jacfwd(lambda z: target.prediction(*z)))(jnp.asarray(z))
        relative = np.abs(slopes / target.prediction(*jnp.asarray(z))[:, None])
    used = np.asarray(target.weight) > 0
    np.testing.assert_allclose(shares, relative[used].max(axis=0), rtol=1e-12)


def test_products_and_pairs_give_the_same_where_both_can(noisy):
    target = objective(jaxscale.Chinchilla(), noisy)
    z = jnp.array([-0.4, -1.2, -0.8, 0.4, 0.3])
    with scope(np.float64):
        z = jnp.asarray(z, float)
        pairs = jax.jit(target.model)(z)
        value, grad, gauss_newton, exact = jax.jit(wide.model)(target, z)
        exact = exact + jax.jit(wide.bends)(target, z)
    for got, want in zip((value, grad, gauss_newton, exact), pairs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10 * np.abs(want).max())


def looped(x, a, b, c):
    """A function with a loop whose length depends on values, as an implicit law has one."""

    def halve(carry):
        low, high, k = carry
        middle = 0.5 * (low + high)
        above = a * middle**3 + b * middle > x
        return jnp.where(above, low, middle), jnp.where(above, middle, high), k + 1

    start = (jnp.zeros_like(x), jnp.ones_like(x) * c, 0)
    low, _, _ = jax.lax.while_loop(lambda carry: carry[2] < 50, halve, start)
    slope = jax.lax.stop_gradient(3 * a * low**2 + b)
    return low - (a * jax.lax.stop_gradient(low) ** 3 + b * jax.lax.stop_gradient(low) - x) / slope


@pytest.mark.parametrize(
    "function",
    [
        lambda x, a, b, c: a * jnp.exp(-b * x) + jnp.where(x > 1, c, 0.0) + jax.nn.softplus(a),
        lambda x, a, b, c: a + 0 * x,
        lambda x, a, b, c: jnp.stack([a * x, b * jnp.ones_like(x), x])[1] + jnp.maximum(c, x),
        lambda x, a, b, c: looped(x, a, b, c + 4.0),
        lambda x, a, b, c: jax.jit(lambda u: u**2 + b)(a * x) - jnp.cumsum(c * x),
    ],
    ids=["terms", "one", "stacked", "looped", "nested"],
)
def test_slopes_are_the_forward_derivatives_of_any_formula(function):
    x = jnp.linspace(0.5, 2.0, 7)
    point = (jnp.array(1.3), jnp.array(0.7), jnp.array(0.2))
    at = jax.jit(lambda *z: wide.slopes(lambda *z: function(x, *z), z))
    want = jax.jacfwd(lambda z: function(x, *z))(jnp.stack(point))
    for got, column in zip(at(*point), want.T, strict=True):
        np.testing.assert_allclose(got, column, rtol=1e-5, atol=1e-6)


def test_a_long_table_adds_up_to_the_same():
    law = grouped(5)
    target = objective(Grouped5(), grouped_runs(law, each=500, noise=0.02))
    z = around(target)
    assert target.weight.shape[0] >= wide.LONG and target.weight.shape[0] % wide.BLOCK == 0
    short = dataclasses.replace(  # one run more of no weight: no whole number of blocks
        target,
        inputs=jax.tree.map(lambda x: jnp.append(x, x[-1]), target.inputs),
        target=jax.tree.map(lambda x: jnp.append(x, x[-1]), target.target),
        weight=jnp.append(target.weight, 0.0),
    )
    with scope(np.float64):
        ways = (jax.jit(each.model)(z) for each in (target, short))
        for got, want in zip(*ways, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8 * np.abs(want).max())


def test_no_grid_is_laid_over_many_nonlinear_coordinates():
    law = grouped(9)
    runs = grouped_runs(law)
    assert grid_axes(objective(Grouped9(), runs)) is not None  # two exponents
    target = objective(Grouped9(), runs)
    bent = tuple(
        (name, dataclasses.replace(spec, linear=spec.role == "offset" and name == "E1"))
        for name, spec in target.space.parameters
    )
    space = dataclasses.replace(target.space, parameters=bent)
    assert grid_axes(dataclasses.replace(target, space=space)) is None


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_solve_and_the_certificate_lower(dtype):
    target = cast(objective(Grouped5(), grouped_runs(grouped(5))), dtype)
    platforms = ["cpu", "cuda", "rocm"] + (["tpu"] if dtype == np.float32 else [])
    z = random_starts(target, 40, seed=0)

    def solved(o, z):
        return engine.classify(o, engine.solve(o, jaxscale.newton(), z, width=32))

    with scope(dtype):
        for function, at in ((solved, z), (local, z[0])):
            made = export.export(jax.jit(function), platforms=platforms)(target, at.astype(dtype))
            assert "stablehlo.custom_call" not in made.mlir_module()


@pytest.mark.slow
def test_a_solution_does_not_depend_on_the_width():
    target = objective(Grouped5(), grouped_runs(grouped(5), noise=0.01))
    z = random_starts(target, 48, seed=0)
    with scope(np.float64):
        found = [
            jax.jit(lambda z, w=width: engine.solve(target, jaxscale.newton(), z, width=w))(z)
            for width in (32, 48)
        ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
