"""The pure storey inside other people's programs: jit, scan, vmap, grad, export.

`shard_map` is in the slow tests.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export, lax

import jaxscale
from jaxscale import engine
from jaxscale._numerics.precision import cast, scope
from jaxscale.engine import implicit
from jaxscale.fitting.preparation import prepare
from jaxscale.forecast.annealing import MultiPower, Tissue, annealing_gain, summed_rate
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.varpro.starts import random_starts

pytestmark = pytest.mark.slow

STEPS, TOTAL = 300, 1000
schedule = optax.cosine_decay_schedule(3e-3, TOTAL, alpha=0.1)
forecaster = Forecaster(schedule=schedule)
DTYPES = (np.float32, np.float64)


def curves(count, steps=STEPS, seed=0):
    """Noisy power laws [count, steps]."""
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.3, 0.6, (count, 1))
    loss = 2.5 + 3.0 * np.arange(1, steps + 1) ** -alpha
    return (loss * (1 + 0.005 * rng.normal(size=(count, steps)))).astype(np.float32)


def follow(losses, steps=None, state=None, on=forecaster):
    """Feed losses [T] in one scan."""
    steps = jnp.arange(len(losses)) if steps is None else jnp.asarray(steps)
    state = on.init(losses.dtype) if state is None else state

    def one(state, x):
        return on.update(state, x[0], x[1], schedule(x[0])), None

    return lax.scan(one, state, (steps, losses))[0]


fed = jax.jit(follow)
forecast = jax.jit(forecaster.predict)


def same(a, b, rtol):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7)


def summary(end):
    return np.stack([end.loss, end.lower, end.upper])


@pytest.fixture(scope="module")
def problem(noisy):
    one = prepare(jaxscale.Chinchilla(), noisy, jaxscale.Huber(1e-2), "log").objective
    return cast(one, np.float64), random_starts(one, 16, seed=1), noisy


def test_a_vmapped_solve_in_a_train_step_equals_solves_one_by_one(problem):
    objective, starts, runs = problem
    weights = np.zeros((3, len(objective.weight)))
    weights[:, : len(runs)] = np.random.default_rng(0).uniform(0.5, 1.5, (3, len(runs)))

    def solve(weight):
        live = dataclasses.replace(objective, weight=weight)
        return engine.solve(live, jaxscale.newton(), jnp.asarray(starts))

    @jax.jit
    def train_step(x, weights):
        found = jax.vmap(solve)(weights)
        grad = jax.grad(lambda x: jnp.sum((x - jnp.min(found.value)) ** 2))(x)
        return x - 0.1 * grad, found

    with scope(np.float64):
        _, together = jax.device_get(train_step(jnp.zeros(()), weights))
        alone = jax.jit(solve)
        for k in range(3):
            want = jax.device_get(alone(weights[k]))
            np.testing.assert_allclose(together.value[k], want.value, rtol=1e-10)
            best = want.value <= want.value.min() * (1 + 1e-9)
            np.testing.assert_allclose(together.z[k][best], want.z[best], atol=1e-5)
            assert best.sum() >= 8


def test_gradient_through_the_optimum_in_a_jitted_outer_loss(problem):
    """Of the best model size, in how the losses bend with it."""
    objective, starts, runs = problem

    def outer(bend):
        loss = runs.loss * jnp.exp(bend * jnp.log(runs.columns["N"] / 1e9) ** 2)
        live = implicit.with_values(objective, loss=loss)
        # The loop has no reverse mode and needs none: `argmin_law` carries the derivative.
        found = engine.solve(lax.stop_gradient(live), jaxscale.newton(), jnp.asarray(starts))
        z = found.z[jnp.argmin(found.value)]
        law = implicit.argmin_law(live, z)
        size = 0.5 * jnp.log(law.alpha * law.A / (law.beta * law.B))
        return size**2 + law.alpha

    with scope(np.float64):
        value, slope = jax.jit(jax.value_and_grad(outer))(0.0)
        high, low = (float(jax.jit(outer)(x)) for x in (1e-5, -1e-5))
    assert np.isfinite(value)
    assert float(slope) == pytest.approx((high - low) / 2e-5, rel=1e-4)


@pytest.fixture(scope="module")
def runs():
    return jnp.asarray(curves(3))


@pytest.fixture(scope="module")
def states(runs):
    return [fed(loss) for loss in runs]


def test_eager_jit_and_scan_agree(runs):
    """Of updates; an eager forecast is in the slow tests."""
    few = Forecaster(schedule=schedule, bins=8)
    update = jax.jit(few.update)
    eager = compiled = few.init()
    for step in range(20):  # two merges
        eager = few.update(eager, step, runs[0, step], schedule(step))
        compiled = update(compiled, step, runs[0, step], schedule(step))
    same(eager, compiled, 1e-6)
    same(jax.jit(lambda x: follow(x, on=few))(runs[0, :20]), compiled, 1e-6)


def test_vmap_equals_one_by_one(runs, states):
    def whole(losses):
        state = follow(losses)
        return state, forecaster.predict(state, TOTAL)

    together, ends = jax.jit(jax.vmap(whole))(runs)
    for k, state in enumerate(states):
        same(jax.tree.map(lambda x, k=k: x[k], together), state, 1e-6)
        got = summary(jax.tree.map(lambda x, k=k: x[k], ends))
        np.testing.assert_allclose(got, summary(forecast(state, TOTAL)), rtol=2e-5)


def test_gradient_of_a_forecast_in_the_losses(runs):
    toward = np.random.default_rng(3).normal(size=STEPS)

    def end(t):
        state = follow(jnp.asarray(runs[0], float) + t * toward)
        return forecaster.predict(state, TOTAL).loss

    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(end))(0.0)
        many = jax.jit(jax.vmap(end))(jnp.array([-1e-5, 1e-5]))
    assert slope == pytest.approx(float(many[1] - many[0]) / 2e-5, rel=1e-4)


def test_a_thousand_steps_compile_once_and_the_state_stays_small():
    traced = []

    @jax.jit
    def update(state, step, loss):
        traced.append(step)
        return forecaster.update(state, step, loss, schedule(step))

    state = forecaster.init()
    shapes = [(x.shape, x.dtype) for x in jax.tree.leaves(state)]
    for step, loss in enumerate(curves(1, 1000)[0]):
        state = update(state, step, loss)
    assert len(traced) == 1
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(state)] == shapes
    assert sum(x.nbytes for x in jax.tree.leaves(state)) < 2000
    assert state.width == 16 and state.count.sum() == 1000


def binned(steps, losses, width, bins):
    """Means over bins, and counts, in plain NumPy."""
    k = steps // width
    count = np.bincount(k, minlength=bins)
    rows = [steps, losses, np.asarray(jax.vmap(schedule)(steps), losses.dtype)]
    return count, *(np.bincount(k, x, bins) / np.maximum(count, 1) for x in rows)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("case", ["every step", "gaps", "leaps"])
def test_bins_are_means(case, dtype):
    rng = np.random.default_rng(5)
    steps = {
        "every step": np.arange(10_000),
        "gaps": np.cumsum(rng.integers(1, 30, 2000)),
        "leaps": np.array([0, 1, 5, 90, 91, 100_000, 100_007, 30_000_000, 2_000_000_000]),
    }[case].astype(np.int32)
    losses = curves(1, len(steps))[0].astype(dtype)
    with scope(dtype):
        state = jax.device_get(fed(losses, steps))
        width = 1
        while steps[-1] >= forecaster.bins * width:
            width *= 2
        want = binned(steps, losses, width, forecaster.bins)
    assert state.width == width and state.skipped == 0 and state.loss.dtype == dtype
    got = state.count, state.step, state.loss, state.rate
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11 if dtype == np.float64 else 2e-5, atol=1e-9)


def test_losses_that_are_not_finite_are_counted_and_left_out(runs):
    bad = np.array([3, 70, 71, 200, 299])
    broken = runs[0].at[bad].set(jnp.array([jnp.nan, jnp.inf, jnp.nan, -jnp.inf, jnp.nan]))
    good = np.setdiff1d(np.arange(STEPS), bad)
    state, want = fed(broken), fed(runs[0][good], good)
    assert state.skipped == 5 and want.skipped == 0
    same(dataclasses.replace(state, skipped=want.skipped), want, 1e-6)
    assert np.isfinite(summary(forecast(state, TOTAL))).all()


@pytest.mark.parametrize("at", [150, 295])
def test_a_spike_changes_the_forecast_little(runs, states, at):
    calm = forecast(states[0], TOTAL)
    spiked = forecast(fed(runs[0].at[at].mul(3.0)), TOTAL)
    width = calm.upper - calm.lower
    assert abs(spiked.loss - calm.loss) < 0.3 * width
    assert spiked.upper - spiked.lower < 2 * width


def test_the_last_step_is_an_end_and_one_before_is_none(states):
    now, later = (summary(forecast(states[0], step)) for step in (STEPS - 1, TOTAL))
    assert now[2] - now[1] < later[2] - later[1] and later[0] < now[0]
    for over in (0, STEPS // 2):
        assert np.isnan(summary(forecast(states[0], over))).all()


@pytest.mark.parametrize("step", [0, 100])
def test_one_observation_and_none(step):
    empty = forecast(forecaster.init(), TOTAL)
    assert np.isnan(summary(empty)).all() and np.isnan(empty.probability_below(3.0))
    end = forecast(fed(jnp.array([5.0]), np.array([step])), TOTAL)
    low, middle, high = end.lower, end.loss, end.upper
    assert np.isfinite(summary(end)).all() and low < middle < high and middle < 5


def test_the_unit_of_the_loss_does_not_matter(runs, states):
    got = summary(forecast(fed(1000 * runs[0]), TOTAL))
    np.testing.assert_allclose(got, 1000 * summary(forecast(states[0], TOTAL)), rtol=1e-4)


def test_the_interval_is_that_of_the_mixture(states):
    end = forecast(states[0], TOTAL)
    got = end.probability_below(jnp.stack([end.lower, end.loss, end.upper]))
    np.testing.assert_allclose(got, [0.05, 0.5, 0.95], atol=1e-4)
    np.testing.assert_allclose(end.quantile(0.95), end.upper, rtol=1e-6)


def test_precisions_agree(runs, states):
    with jax.enable_x64(True):
        state = fed(np.asarray(runs[0], float))
        double = forecast(state, TOTAL)
        assert double.loss.dtype == np.float64 and state.loss.dtype == np.float64
        double = summary(double)
    single = forecast(states[0], TOTAL)
    assert single.loss.dtype == np.float32
    np.testing.assert_allclose(summary(single), double, rtol=2e-4)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
def test_update_and_predict_lower_for_every_platform(dtype):
    platforms = ["cpu", "cuda", "rocm"] + ["tpu"] * (dtype == np.float32)
    with scope(dtype):
        state, one = forecaster.init(dtype), jnp.ones((), dtype)
        for function, *args in (
            (forecaster.update, state, 3, one, one),
            (forecaster.predict, state, TOTAL),
        ):
            text = export.export(jax.jit(function), platforms=platforms)(*args).mlir_module()
            assert "stablehlo.custom_call" not in text


def brute(relaxation, rate, t):
    """Sum over every step up to t, by the formulas of the papers."""
    drops = rate[:t] - rate[1 : t + 1]
    summed = np.cumsum(rate)
    k = np.arange(1, t + 1)  # drop k is that from step k - 1 to step k
    if isinstance(relaxation, Tissue):
        hold = 1 - relaxation.decay ** (t - k + 1.0)
    else:
        after = summed[t] - summed[k - 1]  # of the steps from k on
        eta = np.maximum(rate[k], 1e-9)
        power = relaxation
        hold = 1 - (1 + power.C * eta**-power.gamma * after) ** -power.beta
    return np.sum(drops * hold)


T = 2000
RATES = {
    "cosine": 1e-3 * (0.55 + 0.45 * np.cos(np.pi * np.arange(T + 1) / T)),
    "WSD": 1e-3 * np.minimum(1, 1 - 0.9 * (np.arange(T + 1) - 0.8 * T) / (0.2 * T)),
    "two steps": 1e-3 * np.where(np.arange(T + 1) < 800, 1.0, 0.3),
}


RELAXATIONS = {"MultiPower": MultiPower(), "Tissue": Tissue(0.99)}
gains = jax.jit(annealing_gain)


@pytest.mark.parametrize("relaxation", RELAXATIONS.values(), ids=RELAXATIONS.keys())
@pytest.mark.parametrize("name", RATES)
def test_gains_equal_the_sum_over_every_step(name, relaxation):
    rate = RATES[name]
    ends = np.array([1000, 1700, T])
    want = np.array([brute(relaxation, rate, t) for t in ends]) / rate.max()
    coarse = np.union1d(np.arange(0, T, 25), ends)
    at = np.searchsorted(coarse, ends)
    with jax.enable_x64(True):
        fine = gains(relaxation, np.arange(T + 1.0), rate, ends)
        rough = gains(relaxation, 1.0 * coarse, rate[coarse], at)
        total = summed_rate(1.0 * coarse, jnp.asarray(rate[coarse]))[at]
    # The midpoint rule is half a step off, which is 1 % of a decay 100 steps old.
    np.testing.assert_allclose(fine, want, rtol=1e-2, atol=1e-6)
    np.testing.assert_allclose(rough, want, rtol=4e-2, atol=1e-6)
    np.testing.assert_allclose(total, np.cumsum(rate)[ends], rtol=1e-2)


def test_a_warmup_is_no_drop_and_no_gain():
    rate = np.append(np.linspace(0, 1e-3, 50), np.full(50, 1e-3))
    gain = gains(MultiPower(), np.arange(100.0), rate, np.arange(100))
    np.testing.assert_array_equal(gain, np.zeros(100))
