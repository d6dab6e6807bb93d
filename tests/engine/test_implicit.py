"""Implicit derivatives against exact re-solves that share no derivative code with them."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import TRUTH

import jaxscale
from jaxscale._numerics.positive import Positive
from jaxscale._numerics.precision import cast, scope
from jaxscale.datasets.synthetic import isoflop_design
from jaxscale.engine import implicit
from jaxscale.fitting.preparation import prepare

pytestmark = pytest.mark.slow

STEP = 1e-6  # of central differences, relative


class Case(NamedTuple):
    law: jaxscale.Law  # None where free
    truth: jaxscale.Law
    loss: jaxscale.Huber | jaxscale.Square
    residual: str = "log"


CASES = {
    "chinchilla": Case(jaxscale.Chinchilla(), TRUTH, jaxscale.Huber(1e-2)),
    "pinned E": Case(jaxscale.Chinchilla(E=1.75), TRUTH, jaxscale.Huber(1e-2), "relative"),
    "kaplan": Case(
        jaxscale.Kaplan(),
        jaxscale.Kaplan(A=8.8e13**0.076, B=5.4e13**0.095, alpha_N=0.076, alpha_D=0.095),
        jaxscale.Huber(1e-2),
    ),
    "power law": Case(
        jaxscale.PowerLaw(of="N"),
        jaxscale.PowerLaw(a=300.0, b=-0.33, c=1.9, of="N"),
        jaxscale.Square(),
        "absolute",
    ),
    "piecewise": Case(
        jaxscale.Piecewise(of="N"),
        jaxscale.Piecewise(a1=-1e-9, b1=3.0, a2=300.0, b2=-0.33, c2=1.9, S0=3e8, of="N"),
        jaxscale.Huber(2e-2),
    ),
}


def table(truth, noise=0.01):
    """60 weighted runs with gross outliers."""
    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=10)
    rng = np.random.default_rng(11)
    clean = jaxscale.predict(truth, **{k: x for k, x in (("N", N), ("D", D)) if k in truth.inputs})
    loss = clean * np.exp(noise * rng.normal(size=60))
    loss[[3, 17, 30, 44]] *= [1.3, 1.1, 0.9, 1.2]
    return jaxscale.Runs(N=N, D=D, loss=loss, weight=rng.uniform(0.5, 2.0, 60))


class Problem(NamedTuple):
    objective: jaxscale.Objective
    z: np.ndarray
    values: dict  # everything live, in the units of the runs


def newton_step(objective, z, hessian, grad):
    lower, upper = objective.bounds()
    free = (z > lower) & (z < upper) & (jnp.diagonal(hessian) > 0)
    square = jnp.where(free[:, None] & free[None, :], hessian, 0) + jnp.diag(1.0 * ~free)
    return z - jnp.linalg.solve(square, jnp.where(free, grad, 0.0))


def polished(objective, z, rounds=5):
    """Solve by plain Newton steps with automatic derivatives of the value alone."""

    def step(_, z):
        return newton_step(objective, z, jax.hessian(objective.value)(z), slope(z))

    slope = jax.grad(objective.value)
    return jax.lax.fori_loop(0, rounds, step, z)


@jax.jit
def solved(objective, z):
    """Return the optimum near `z`, and the gradient there."""

    def step(_, z):  # reweighted Gauss-Newton descends from afar
        _, grad, curvature, _ = objective.model(z)
        return newton_step(objective, z, curvature, grad)

    z = polished(objective, jax.lax.fori_loop(0, 200, step, z))
    return z, jax.grad(objective.value)(z)


def problem_of(case, runs, bound=None):
    objective = cast(prepare(case.law, runs, case.loss, case.residual).objective, np.float64)
    with scope(np.float64):
        truth = {name: float(value) for name, value in case.truth.values.items()}
        start = np.array([float(x) for x in objective.space.coordinates(truth)])
        if bound is not None:
            start[bound] = objective.space.bounds()[0][bound]
        z, grad = map(np.asarray, solved(objective, start))
    assert np.abs(np.delete(grad, [] if bound is None else bound)).max() < 1e-6
    values = {
        "loss": runs.loss,
        "weight": runs.weight,
        "inputs": {name: runs.columns[name] for name in case.law.inputs},
        "fixed": dict(objective.space.fixed),
        "robust": cast(case.loss, np.float64),
    }
    return Problem(objective, z, values)


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def problem(request):
    return problem_of(request.param, table(request.param.truth))


def law_of(problem, exact):
    """Return values -> parameters [K] at the optimum: re-solved, or through `argmin_law`."""

    def parameters(values):
        objective = implicit.with_values(problem.objective, **values)
        if exact:
            law = objective.law_at(polished(objective, jnp.asarray(problem.z)))
        else:
            law = implicit.argmin_law(objective, jnp.asarray(problem.z))
        return jnp.stack([jnp.asarray(x, float) for x in law.values.values()])

    return parameters


def test_first_derivatives_in_everything(problem):
    with scope(np.float64):
        flat, unflatten = jax.flatten_util.ravel_pytree(problem.values)
        exact, live = (law_of(problem, exact=which) for which in (True, False))

        def difference(move):
            return (exact(unflatten(flat + move)) - exact(unflatten(flat - move))) / 2

        def optimum(flat):
            return live(unflatten(flat))

        @jax.jit
        def everything(flat):
            moved = jax.vmap(difference)(jnp.diag(flat * STEP)) / (flat * STEP)[:, None]
            return optimum(flat), moved, jax.jacfwd(optimum)(flat).T, jax.jacrev(optimum)(flat).T

        value, want, forward, reverse = map(np.asarray, everything(flat))
        law = problem.objective.law_at(jnp.asarray(problem.z))
        np.testing.assert_allclose(value, [float(x) for x in law.values.values()], rtol=1e-14)
    first = 0
    for path, leaf in jax.tree_util.tree_flatten_with_path(problem.values)[0]:
        some = slice(first, first + np.size(leaf))  # each kind of value has a scale of its own
        first = some.stop
        scale = np.abs(want[some]).max(axis=0)
        assert scale.max() > 0, path
        for got in (forward, reverse):
            error = np.abs(got[some] - want[some]).max(axis=0)
            assert (error <= 1e-5 * scale).all(), (path, error / scale)
        assert (np.abs(forward - reverse)[some].max(axis=0) <= 1e-9 * scale).all(), path
    assert first == len(flat)


@pytest.fixture(scope="module")
def chinchilla():
    return problem_of(CASES["chinchilla"], table(TRUTH))


def in_losses(problem):
    def log_A(loss):
        objective = implicit.with_values(problem.objective, loss=loss)
        return jnp.log(implicit.argmin_law(objective, jnp.asarray(problem.z)).A)

    return log_A


def test_runs_beyond_delta_have_derivative_zero_exactly(chinchilla):
    with scope(np.float64):
        slope = np.asarray(jax.jit(jax.grad(in_losses(chinchilla)))(chinchilla.values["loss"]))
        r = np.asarray(chinchilla.objective.residuals(jnp.asarray(chinchilla.z)))[:60]
    outside = np.abs(r) > 1e-2
    assert 4 <= outside.sum() <= 40
    assert (slope[outside] == 0).all() and (slope[~outside] != 0).all()


def test_a_residual_of_zero_counts_as_inside(chinchilla):
    # Automatic differentiation of |r| has slope 0 there.
    with scope(np.float64):
        z = jnp.asarray(chinchilla.z)
        exact = chinchilla.objective.prediction(*z)
        log_y = np.array(chinchilla.objective.target.log)
        log_y[5] = jnp.log(exact)[5]

        def at(log_y):
            return dataclasses.replace(chinchilla.objective, target=Positive(exact, log_y))

        assert at(log_y).residuals(z)[5] == 0
        slope = jax.jit(jax.jacfwd(lambda log_y: implicit.gradient(at(log_y), z)))(log_y)[:, 5]
        row = jax.jit(jax.jacfwd(at(log_y).residuals))(z)[5]
        want = -row * chinchilla.values["weight"][5] / 1e-4
    np.testing.assert_allclose(slope, want, rtol=1e-9)


def test_second_derivatives(chinchilla):
    toward = np.random.default_rng(0).normal(size=60) * chinchilla.values["loss"]

    def moved(t):
        loss = chinchilla.values["loss"] + t * toward
        objective = implicit.with_values(chinchilla.objective, loss=loss)
        return jnp.log(objective.law_at(polished(objective, jnp.asarray(chinchilla.z))).A)

    def live(t):
        return in_losses(chinchilla)(chinchilla.values["loss"] + t * toward)

    with scope(np.float64):
        got = float(jax.jit(jax.grad(jax.grad(live)))(0.0))
        low, middle, high = map(float, jax.jit(jax.vmap(moved))(jnp.array([-1e-5, 0.0, 1e-5])))
    assert got == pytest.approx((low - 2 * middle + high) / 1e-10, rel=1e-3)


def test_vmap_equals_a_loop(chinchilla):
    weight = np.random.default_rng(1).uniform(0.5, 1.5, (3, 60))

    def slope(w):
        def optimum(w):
            live = implicit.with_values(chinchilla.objective, weight=w)
            return implicit.argmin(live, jnp.asarray(chinchilla.z))

        return jax.jacrev(optimum)(w)

    with scope(np.float64):
        batched, one = jax.jit(jax.vmap(slope))(weight), jax.jit(slope)
        for b in range(3):
            want = np.asarray(one(weight[b]))
            np.testing.assert_allclose(batched[b], want, atol=1e-9 * np.abs(want).max())


def test_a_parameter_at_its_bound_does_not_move():
    runs = table(TRUTH)
    runs = runs.replace(loss=runs.loss - 1.9)  # less than no irreducible loss
    case = CASES["chinchilla"]._replace(loss=jaxscale.Square())
    problem = problem_of(case, runs, bound=0)
    lower = problem.objective.space.bounds()[0]
    assert problem.z[0] == lower[0] and np.all(problem.z[1:] > lower[1:])
    E = float(np.exp(lower[0]) * problem.objective.space.loss_scale)
    pinned = prepare(jaxscale.Chinchilla(E=E), runs, jaxscale.Square(), "log").objective

    def slope(objective, z):
        def optimum(loss):
            return implicit.argmin(implicit.with_values(objective, loss=loss), jnp.asarray(z))

        return np.asarray(jax.jit(jax.jacrev(optimum))(runs.loss))

    with scope(np.float64):
        got = slope(problem.objective, problem.z)
        want = slope(cast(pinned, np.float64), problem.z[1:])
    assert (got[0] == 0).all() and np.abs(want).max() > 0.1
    np.testing.assert_allclose(got[1:], want, rtol=1e-7, atol=1e-9 * np.abs(want).max())


def test_condition_and_what_a_singular_hessian_gives(chinchilla):
    objective, z = chinchilla.objective, chinchilla.z

    @jax.jit
    def three_runs(weight):
        exact = objective.prediction(*jnp.asarray(z))[:60] * objective.space.loss_scale
        poor = implicit.with_values(objective, loss=exact, weight=weight)

        def optimum(w):
            return implicit.argmin(implicit.with_values(poor, weight=w), jnp.asarray(z))

        return implicit.condition(poor, jnp.asarray(z)), *jax.jvp(
            optimum, (weight,), (jnp.ones(60),)
        )

    with scope(np.float64):
        want = np.linalg.cond(np.asarray(jax.jit(jax.hessian(objective.value))(z)), 1)
        assert float(jax.jit(implicit.condition)(objective, z)) == pytest.approx(want, rel=1e-8)
        condition, value, change = three_runs(jnp.asarray(1.0 * (np.arange(60) < 3)))
        assert np.array_equal(value, z)  # the value is there, the derivative is not
        assert condition == np.inf and jnp.isnan(change).all()


def test_float32_follows_the_dtype(chinchilla):
    objective = cast(chinchilla.objective, np.float32)
    values = cast(chinchilla.values, np.float32)
    z = jnp.asarray(chinchilla.z, jnp.float32)

    def log_A(loss):
        live = implicit.with_values(objective, loss=loss)
        return jnp.log(implicit.argmin_law(live, z).A)

    with scope(np.float32):
        slope = jax.jit(jax.grad(log_A))(values["loss"])
    assert slope.dtype == np.float32
    with scope(np.float64):
        want = jax.jit(jax.grad(in_losses(chinchilla)))(chinchilla.values["loss"])
    np.testing.assert_allclose(slope, want, atol=2e-2 * np.abs(want).max())


@pytest.mark.parametrize(
    "given, message",
    [
        ({"inputs": {"C": np.ones(60)}}, "'C' is no input; there are: N, D"),
        ({"fixed": {"E": 1.0}}, "'E' is no fixed parameter; there are: none"),
    ],
)
def test_unknown_names(chinchilla, given, message):
    with pytest.raises(ValueError, match=message):
        implicit.with_values(chinchilla.objective, **given)
