"""Every named optimizer on every kind of problem, in both precisions, in both kinds of loop."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxscale
from jaxscale import engine
from jaxscale._numerics.precision import cast, scope
from jaxscale._numerics.pytree import pytree, static
from jaxscale._numerics.smallmat import solve_psd
from jaxscale.engine.loop import Limits, Status
from jaxscale.fitting.preparation import prepare
from jaxscale.objective.losses import Huber, Square
from jaxscale.objective.objective import LazyModel
from jaxscale.optimizers import OPTIMIZERS, name_of, row_of, transformation

PRECISIONS = {"float64": 1.0, "float32": 100.0}
"""What an optimizer may leave, as a multiple of its own claim."""


class Problem(NamedTuple):
    function: Callable[[Any], Any]
    start: list[float]
    optimum: list[float]


def quadratic(x):
    curvature = jnp.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]], x.dtype)
    return 0.5 * (x - 3) @ curvature @ (x - 3)


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def decay(x):
    """Least squares for the height, 1e8, and the rate, 1e-6, of an exponential decay."""
    t = jnp.linspace(1e5, 2e6, 20, dtype=x.dtype)
    return jnp.sum((x[0] * jnp.exp(-x[1] * t) / 1e8 - jnp.exp(-1e-6 * t)) ** 2)


def saturated(x):
    """A gradient of one, and curvatures of 1e-12 and 1e-9 at the start."""
    return jnp.sum(jnp.sqrt(1 + (x - 2) ** 2))


SMOOTH = {
    "quadratic": Problem(quadratic, [0.0, 9.0, -4.0], [3.0, 3.0, 3.0]),
    "rosenbrock": Problem(rosenbrock, [-1.2, 1.0], [1.0, 1.0]),
}
UNITS = {
    "decay": Problem(decay, [3e8, 3e-6], [1e8, 1e-6]),
    "rosenbrock": Problem(
        lambda x: rosenbrock(x * jnp.array([1e-8, 1e6], x.dtype)), [-1.2e8, 1e-6], [1e8, 1e-6]
    ),
    "saturated": Problem(saturated, [1e4, -1e3], [2.0, 2.0]),
}


class Saturating(jaxscale.Law):
    """L(N) = A / (1 + r N), A of order 1e8 and r of order 1e-6."""

    A: jaxscale.Scalar = jaxscale.coefficient("height")
    r: jaxscale.Scalar = jaxscale.scale("rate", per={"N": -1})

    def __call__(self, N):
        return self.A / (1 + self.r * N)


@pytree
class Function:
    """A function with the methods of an objective that the loop of the engine asks for."""

    function: Callable[[Any], Any] = static()

    def value(self, z):
        return self.function(z)

    def lazy_model(self, z):
        hessian = jax.hessian(self.function)(z)
        return LazyModel.of(*jax.value_and_grad(self.function)(z), hessian, hessian)

    def bounds(self):
        return jnp.array(-jnp.inf), jnp.array(jnp.inf)

    def floor(self):
        return jnp.array(0.0)

    def solver(self):
        return solve_psd


def law_objective(name):
    rng = np.random.default_rng(0)
    if name == "law":
        N, D = 10 ** rng.uniform(7.5, 10, 40), 10 ** rng.uniform(9, 11.5, 40)
        truth = jaxscale.Chinchilla.preset("besiroglu_2024")
        loss = jaxscale.predict(truth, N=N, D=D) * np.exp(rng.normal(0, 0.01, 40))
        runs = jaxscale.Runs(N=N, D=D, loss=loss)
        return prepare(jaxscale.Chinchilla(), runs, Huber(1e-3), "log").objective, truth
    N = np.geomspace(1e5, 2e7, 40)
    truth = Saturating(A=1e8, r=1e-6)
    runs = jaxscale.Runs(N=N, loss=jaxscale.predict(truth, N=N) * (1 + rng.normal(0, 0.01, 40)))
    return prepare(Saturating(), runs, Square(), "relative").objective, truth


LAWS = {name: law_objective(name) for name in ("law", "law of odd units")}
OBJECTIVES = {
    "quadratic": (Function(quadratic), SMOOTH["quadratic"].start),
    "rosenbrock": (Function(rosenbrock), SMOOTH["rosenbrock"].start),
    "law": (LAWS["law"][0], [-0.5, -2.0, -2.0, 0.5, 0.5]),
    "law of odd units": (LAWS["law of odd units"][0], [2.0, 0.0]),
}
"""What the engine minimizes: its coordinates are of order one, whatever the units of a law."""


@functools.cache
def lowest(problem):
    """The lowest loss: zero, or that of a law's objective by the default optimizer in float64."""
    if problem not in LAWS:
        return 0.0
    objective, truth = LAWS[problem]
    found = value_at(objective.value, solved(*OBJECTIVES[problem], "newton", np.float64)[0])
    with scope(np.float64):
        z = objective.space.coordinates(truth.values)
    assert found <= value_at(objective.value, z)
    return found


def value_at(function, x):
    with scope(np.float64):
        return float(function(jnp.asarray(x, jnp.float64)))


def solved(objective, start, name, dtype):
    """Return (z [P], status) of the engine from one start."""
    row = OPTIMIZERS[name]
    with scope(dtype):
        run = jax.jit(
            lambda o, z: engine.solve(
                o, row.build(), z, limits=Limits.for_dtype(dtype, row.steps), width=1
            )
        )
        solution = jax.device_get(run(cast(objective, dtype), np.array([start], dtype)))
    assert solution.z.dtype == dtype and solution.steps[0] <= row.steps
    return solution.z[0].astype(float), int(solution.status[0])


def looped(function, start, name, dtype):
    """Return the best point [P] of a plain optax loop that gives what the table says."""
    row = OPTIMIZERS[name]
    optimizer = row.build()
    with scope(dtype):
        x = jnp.asarray(start, dtype)

        def step(carry, _):
            x, state, best, lowest = carry
            value, grad = jax.value_and_grad(function)(x)
            given = {"value": value, "grad": grad, "value_fn": function}
            extra = {key: given[key] for key in row.needs}
            updates, state = optimizer.update(grad, state, x, **extra)
            better = value < lowest
            best, lowest = jnp.where(better, x, best), jnp.where(better, value, lowest)
            return (optax.apply_updates(x, updates), state, best, lowest), None

        carry = (x, optimizer.init(x), x, jnp.asarray(jnp.inf, dtype))
        carry = jax.jit(lambda c: jax.lax.scan(step, c, length=row.steps)[0])(carry)
        assert carry[0].dtype == carry[2].dtype == dtype
        return np.asarray(carry[2], float)


def left(function, start, x, lowest):
    """Return the share of the excess of the start that is left at x, in float64."""
    first, last = value_at(function, start), value_at(function, x)
    return (last - lowest) / (first - lowest)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("problem", SMOOTH)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plain_optax_loop_reaches_the_optimum(name, problem, precision):
    function, start, optimum = SMOOTH[problem]
    best = looped(function, start, name, np.dtype(precision))
    share = left(function, start, best, value_at(function, optimum))
    assert share <= OPTIMIZERS[name].leaves * PRECISIONS[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("problem", UNITS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plain_optax_loop_reaches_the_optimum_in_any_units_or_is_said_not_to(
    name, problem, precision
):
    function, start, optimum = UNITS[problem]
    best = looped(function, start, name, np.dtype(precision))
    share = left(function, start, best, value_at(function, optimum))
    if OPTIMIZERS[name].any_units:
        assert share <= OPTIMIZERS[name].leaves * PRECISIONS[precision]
        np.testing.assert_allclose(best, optimum, rtol=1e-3)
    assert share <= 1


@pytest.mark.parametrize("name", [name for name, row in OPTIMIZERS.items() if not row.any_units])
def test_an_optimizer_that_needs_parameters_of_order_one_fails_without(name):
    """Else the table should say that it works in any units."""
    failed = []
    for (function, start, optimum), precision in itertools.product(UNITS.values(), PRECISIONS):
        best = looped(function, start, name, np.dtype(precision))
        share = left(function, start, best, value_at(function, optimum))
        failed.append(share > OPTIMIZERS[name].leaves * PRECISIONS[precision])
    assert any(failed)


@pytest.mark.slow
@pytest.mark.parametrize(  # in float32 by day in the engine
    "precision", ["float64", pytest.param("float32", marks=pytest.mark.nightly)]
)
@pytest.mark.parametrize("problem", LAWS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plain_optax_loop_reaches_the_optimum_of_a_law(name, problem, precision):
    objective, start = OBJECTIVES[problem]
    dtype = np.dtype(precision)
    best = looped(cast(objective, dtype).value, start, name, dtype)
    share = left(objective.value, start, best, lowest(problem))
    assert share <= OPTIMIZERS[name].leaves * PRECISIONS[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "problem", [*SMOOTH, *(pytest.param(name, marks=pytest.mark.slow) for name in LAWS)]
)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_engine_reaches_the_optimum_and_says_converged_only_there(name, problem, precision):
    objective, start = OBJECTIVES[problem]
    z, status = solved(objective, start, name, np.dtype(precision))
    share = left(objective.value, start, z, lowest(problem))
    assert share <= OPTIMIZERS[name].leaves * PRECISIONS[precision]
    if status <= Status.CONVERGED_STEP:
        assert share <= 1e-6 * PRECISIONS[precision]
    else:
        assert status == Status.STEP_LIMIT


def test_the_same_name_gives_the_same_transformation():
    for name, row in OPTIMIZERS.items():
        assert row.build() is row.build() is transformation(name)
        assert name_of(row.build()) == name and row_of(row.build()) is row
    assert transformation(None) is transformation(jaxscale.newton())


def test_a_transformation_that_is_not_in_the_table_is_taken_as_it_is():
    mine = optax.sgd(0.1)
    assert transformation(mine) is mine
    assert name_of(mine) == "optax" and row_of(mine).build() is mine
    assert not row_of(mine).thins


@pytest.mark.parametrize(
    "given, error, message",
    [
        (
            "bfgs",
            ValueError,
            f"one of {', '.join(OPTIMIZERS)} or an optax transformation, got 'bfgs'",
        ),
        (optax.lbfgs, TypeError, r"got lbfgs; call it: lbfgs\(\.\.\.\)"),
        (3, TypeError, "got int$"),
    ],
)
def test_what_is_no_optimizer_is_refused_with_what_is_one(noisy, given, error, message):
    with pytest.raises(error, match=message):
        transformation(given)
    with pytest.raises(error, match=message):
        jaxscale.fit(jaxscale.Chinchilla(), noisy, optimizer=given)


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, *OPTIMIZERS])
def test_a_fit_says_the_name_and_the_steps_of_its_optimizer(noisy, name):
    row = OPTIMIZERS[name or "newton"]
    law = jaxscale.Chinchilla(A=480.0, B=2100.0, beta=0.36)
    fit = jaxscale.fit(law, noisy, optimizer=name, starts=4)
    assert fit.settings["optimizer"] == (name or "newton")
    assert fit.settings["max_steps"] == row.steps
    unnamed = jaxscale.fit(law, noisy, optimizer=jaxscale.newton(switch=0.02), starts=4)
    assert unnamed.settings["optimizer"] == "optax"
    assert fit.law.E == pytest.approx(unnamed.law.E, rel=0.02)
