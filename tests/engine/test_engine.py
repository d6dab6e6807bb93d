"""The slab: results belong to a start, not to the width, order or neighbors of its lane."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxscale
from jaxscale import engine
from jaxscale._numerics.precision import cast, scope
from jaxscale.engine.loop import Limits, Status
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.starts import random_starts


@pytest.fixture(scope="module")
def target(noisy):
    return cast(
        prepare(jaxscale.Chinchilla(), noisy, jaxscale.Huber(1e-3), "log").objective, np.float64
    )


def solve(target, starts, optimizer=None, dtype=np.float64, **options):
    optimizer = optimizer or jaxscale.newton()
    with scope(dtype):
        run = jax.jit(lambda o, z: engine.classify(o, engine.solve(o, optimizer, z, **options)))
        return jax.device_get(run(cast(target, dtype), np.asarray(starts, dtype)))


@pytest.fixture(scope="module")
def starts(target):
    return random_starts(target, 100, seed=5)


@pytest.fixture(scope="module")
def reference(target, starts):
    return solve(target, starts, width=32)


@pytest.mark.slow
@pytest.mark.parametrize("width", [64, 96, 128])
def test_results_do_not_depend_on_the_width(target, starts, reference, width):
    got = solve(target, starts, width=width)
    for a, b in zip(got, reference, strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_do_not_depend_on_the_order(target, starts, reference):
    order = np.random.default_rng(0).permutation(len(starts))
    got = solve(target, starts[order], width=32)
    for a, b in zip(got, reference, strict=True):
        np.testing.assert_array_equal(a, b[order])


def test_batched_lanes_equal_a_python_loop(target, starts, reference):
    with scope(np.float64):
        run = jax.jit(lambda z: engine.solve(target, jaxscale.newton(), z[None], width=1))
        for k in range(4):
            one = jax.device_get(run(starts[k]))
            np.testing.assert_allclose(one.value[0], reference.value[k], rtol=1e-12)
            np.testing.assert_allclose(one.z[0], reference.z[k], rtol=1e-5)


def test_every_box_start_reaches_the_best_value(reference):
    assert (reference.value <= reference.value.min() * (1 + 1e-6)).mean() >= 0.99
    assert np.all(reference.status <= Status.CONVERGED_STEP)
    assert np.all(reference.steps > 0)


def test_a_nonfinite_start_ends_with_its_status_and_poisons_nobody(target, starts, reference):
    bad = starts.copy()
    bad[[0, 7, 50]] = np.nan
    got = solve(target, bad, width=32)
    assert set(got.status[[0, 7, 50]]) == {Status.NONFINITE_START}
    assert np.all(np.isinf(got.value[[0, 7, 50]]))
    good = np.setdiff1d(np.arange(100), [0, 7, 50])
    np.testing.assert_array_equal(got.value[good], reference.value[good])
    np.testing.assert_array_equal(got.z[good], reference.z[good])


def test_padding_lanes_are_not_run(target, starts, reference):
    got = solve(target, starts, width=32, count=10)
    np.testing.assert_array_equal(got.value[:10], reference.value[:10])
    assert np.all(got.steps[10:] == 0) and np.all(np.isinf(got.value[10:]))


def test_step_limit_is_reported(target, starts):
    got = solve(target, starts[:5], limits=Limits(max_steps=3))
    assert set(got.status) == {Status.STEP_LIMIT} and set(got.steps) == {3}


@pytest.mark.parametrize(
    "steps", [0, -3, 2.5, math.nan, math.inf, 1e12, 2**31, 10**400, True, "400", None]
)
def test_a_limit_that_cannot_be_counted_is_refused(steps):
    with pytest.raises(ValueError, match="max_steps must be between 1 and 1,000,000,000, whole"):
        Limits.for_dtype(np.float64, steps)


@pytest.mark.parametrize("steps", [1, 400, 400.0, np.int64(7), np.float32(8), 10**9])
def test_a_limit_is_a_whole_number_of_32_bits(steps):
    assert Limits.for_dtype(np.float32, steps).max_steps == np.int32(steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer, steps, share",
    [
        (optax.lbfgs(), 300, 0.5),
        (optax.adam(3e-2), 3000, 0.5),
        (optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1e-6)), 50, 0.0),
    ],
    ids=["lbfgs", "adam", "sgd"],
)
def test_any_optax_transformation_runs_in_the_same_loop(target, starts, optimizer, steps, share):
    got = solve(target, starts[:16], optimizer, limits=Limits(max_steps=steps, gradient=1e-7))
    best = solve(target, starts[:16]).value.min()
    with scope(np.float64):
        initial = np.asarray(jax.vmap(target.value)(jnp.asarray(starts[:16])))
    assert np.all(np.isfinite(got.value)) and np.all(got.value <= initial)
    assert np.mean(got.value < 1.01 * best) >= share


def test_float32_search_lands_near_the_float64_optimum(target, starts, reference):
    got = solve(target, starts, dtype=np.float32)
    assert np.mean(got.value < reference.value.min() * (1 + 1e-3)) >= 0.9
    assert got.z.dtype == np.float32


def test_statuses_tell_bounds_and_dead_terms(target):
    """A start whose B term has vanished beyond recall must not pass for an optimum."""
    z = np.array([[0.0, -1.0, -40.0, 0.3, 0.3]])
    got = solve(target, z, limits=Limits(max_steps=1))
    assert got.status[0] == Status.STEP_LIMIT
    with scope(np.float64):
        dead = engine.Solution(z, np.ones(1), np.zeros(1, np.int32), np.ones(1, np.int32))
        assert int(engine.classify(target, dead).status[0]) == Status.AT_BOUND
        dead = dead._replace(z=z + np.array([0, 0, 20.0, 0, 0]))
        assert int(engine.classify(target, dead).status[0]) == Status.DEGENERATE_TERM


def test_every_status_has_advice():
    for status in Status:
        assert status.advice.endswith(".")


@pytest.mark.parametrize("options", [{"axes": ("weight",)}, {"problem": np.zeros(3, np.int32)}])
def test_axes_and_problem_go_together(target, starts, options):
    with pytest.raises(ValueError, match="go together"):
        solve(target, starts[:3], **options)
