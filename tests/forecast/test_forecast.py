"""A forecast is right, or said to be none: schedules, rates, losses and steps of all kinds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from jaxscale.forecast.annealing import MultiPower, Tissue, annealing_gain
from jaxscale.forecast.forecaster import LAST_STEP, Forecaster
from jaxscale.forecast.learning import learn_prior
from jaxscale.forecast.local_level import Mixture
from jaxscale.forecast.schedules import SCHEDULES, rates, schedule_named

PEAK, SEEN, TOTAL = 3e-4, 500, 2000
LENGTHS = (600, 777, 1234, 2000, 8191, 20_000)
ROUNDING = 1.4e-11  # what compiled schedules end below zero
STEP = np.arange(SEEN, dtype=np.int32)
RATE = np.full(SEEN, PEAK, np.float32)
NOISE = np.random.default_rng(0).normal(size=SEEN)
LOSS = (2 + 3 * (STEP + 1) ** -0.4 + 0.01 * NOISE).astype(np.float32)
steady = Forecaster()
forecast = jax.jit(steady.forecast)  # one program for the evidence of any schedule


@functools.partial(jax.jit, static_argnums=3)
def fed(losses, lr=RATE, steps=STEP, on=steady):
    def one(state, x):
        return on.update(state, *x), None

    return lax.scan(one, on.init(losses.dtype), (steps, losses, lr))[0]


@pytest.fixture(scope="module")
def state():
    return fed(LOSS)


def ends(said):
    return np.stack([said.loss, said.lower, said.upper])


def planned(schedule, state, final_step=TOTAL):
    return ends(forecast(Forecaster(schedule=schedule).evidence(state, final_step)))


def same(a, b, rtol=1e-6):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol)


def of_optax(kind, steps):
    down, stays = optax.linear_schedule(PEAK, 0.0, steps // 5), optax.constant_schedule(PEAK)
    rise = optax.linear_schedule(0.0, PEAK, 50)
    return {
        "linear": optax.linear_schedule(PEAK, 0.0, steps),
        "WSD": optax.join_schedules([rise, stays, down], [50, steps - steps // 5]),
        "polynomial": optax.polynomial_schedule(PEAK, 0.0, 2, steps),
        "cosine": optax.warmup_cosine_decay_schedule(0.0, PEAK, 50, steps),
    }[kind]


NAMED = {name: functools.partial(schedule_named, name, peak=PEAK) for name in SCHEDULES}
OPTAX = ("linear", "WSD", "polynomial", "cosine")
KINDS = {f"optax {kind}": lambda steps, kind=kind: of_optax(kind, steps) for kind in OPTAX}
KINDS |= {name: lambda steps, make=make: make(steps=steps) for name, make in NAMED.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_schedule_of_every_length_has_a_forecast(kind, state):
    """Compiled or not, and where it ends a rounding error below zero."""
    for steps in LENGTHS:
        plan = KINDS[kind](steps)
        at = jnp.linspace(0, steps, 65, dtype=np.float32)
        for rate in (rates(plan, at), jax.jit(functools.partial(rates, plan))(at)):
            assert np.isfinite(rate).all() and (rate >= 0).all(), steps
        exact = planned(plan, state, steps)
        assert np.isfinite(exact).all() and exact[1] < exact[0] < exact[2], steps
        near = planned(lambda t, plan=plan: plan(t) - ROUNDING, state, steps)
        np.testing.assert_allclose(near, exact, rtol=1e-4, err_msg=str(steps))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["optax linear", "optax WSD"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_forecast_of_a_fall_to_zero(kind, dtype):
    plan = KINDS[kind](1000)

    def fall(step):
        return plan(step) - ROUNDING

    forecaster = Forecaster(schedule=fall)
    with jax.enable_x64(dtype == np.float64):
        state = fed(LOSS.astype(dtype), np.asarray(jax.vmap(fall)(1.0 * STEP), dtype))
        got = jax.jit(forecaster.predict)(state, 1000)
        assert got.loss.dtype == dtype and np.isfinite(ends(got)).all()


@pytest.mark.parametrize(
    "plan, like",
    [
        (lambda t: -1e-3 + 0 * t, lambda t: 0 * t),
        (lambda t: PEAK * (1 - t / 1000), lambda t: PEAK * jnp.maximum(1 - t / 1000, 0.0)),
        (lambda t: -ROUNDING * t, lambda t: 0 * t),
    ],
    ids=["below zero", "falls below zero", "a little below"],
)
def test_a_rate_below_zero_is_zero(plan, like, state):
    np.testing.assert_array_equal(planned(plan, state), planned(like, state))
    lr, floored = (np.asarray(jax.vmap(f)(1.0 * STEP), np.float32) for f in (plan, like))
    same(fed(LOSS, lr), fed(LOSS, floored))


@pytest.mark.parametrize("rate", [0.0, -PEAK, -ROUNDING])
def test_no_forecast_before_a_rate_above_zero(rate):
    """But steps alone do without, and so does a run that only begins or ends there."""
    still = fed(LOSS, np.full(SEEN, rate, np.float32))
    assert still.skipped == 0 and np.isnan(planned(None, still)).all()
    in_steps = Forecaster(annealing=())
    got, want = (ends(in_steps.predict(s, TOTAL)) for s in (still, fed(LOSS)))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    for first in (STEP < 100, STEP > 400):
        moved = planned(None, fed(LOSS, np.where(first, np.float32(rate), RATE)))
        assert np.isfinite(moved).all()


def test_the_slope_of_a_gain_where_the_rate_is_zero():
    def gain(peak):
        rate = peak * jnp.maximum(1 - jnp.arange(10.0) / 8, 0.0)
        return annealing_gain(MultiPower(power=0.6), jnp.arange(10.0), rate, jnp.array([9]))[0]

    slope = jax.jit(jax.grad(gain))(PEAK)
    steep = float(gain(1.01 * PEAK) - gain(0.99 * PEAK)) / (0.02 * PEAK)
    assert float(slope) == pytest.approx(steep, rel=1e-2)


BAD = {
    "NaN rate": (None, np.nan),
    "infinite rate": (None, np.inf),
    "rate of minus infinity": (None, -np.inf),
    "NaN loss": (np.nan, None),
    "infinite loss": (np.inf, None),
    "both": (np.nan, np.inf),
}


@pytest.mark.parametrize("at", [0, 250, SEEN - 1])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_step_among_500_changes_nothing_but_its_own_absence(kind, at, state):
    losses, lr = LOSS.copy(), RATE.copy()
    losses[at], lr[at] = (
        old if new is None else new
        for new, old in zip(BAD[kind], (losses[at], lr[at]), strict=True)
    )
    got = fed(losses, lr)
    # The same program without that step: one that comes out of range is no step at all.
    steps = STEP.copy()
    steps[at] = -1
    want = fed(LOSS, RATE, steps)
    assert got.skipped == want.skipped == 1 and got.count.sum() == SEEN - 1
    same(got, want)
    np.testing.assert_allclose(planned(None, got), planned(None, state), rtol=2e-3)


def test_a_step_left_out_is_one_that_never_came():
    losses, lr, left = LOSS[:100], RATE[:100].copy(), np.arange(100) != 70
    lr[70] = np.nan
    broken, want = fed(losses, lr, STEP[:100]), fed(losses[left], RATE[:99], STEP[:100][left])
    assert (broken.skipped, want.skipped) == (1, 0)
    same(jax.tree.leaves(broken)[2:], jax.tree.leaves(want)[2:])


def test_the_order_of_steps_does_not_matter(state):
    order = np.random.default_rng(1).permutation(SEEN)
    for shuffled in (order, np.arange(SEEN)[::-1], np.roll(np.arange(SEEN), 200)):
        got = fed(LOSS[shuffled], RATE, STEP[shuffled])
        assert got.width == state.width and got.skipped == 0
        np.testing.assert_array_equal(got.count, state.count)
        np.testing.assert_allclose(got.loss, state.loss, rtol=1e-6)
        np.testing.assert_allclose(planned(None, got), planned(None, state), rtol=1e-4)


def brief(value):
    return repr(value)[:20]


NOT_STEPS = [2**31, 2**63, 10**400, -1, -(2**31) - 1, 3e9, np.int64(2**31), np.float32(-1), np.nan]


@pytest.mark.parametrize("step", [*NOT_STEPS, np.asarray(2**31)], ids=brief)
def test_a_number_that_is_no_step_is_refused(step):
    with pytest.raises(ValueError, match=r"a step lies between 0 and 2147483647, got .*; count"):
        steady.update(steady.init(), step, 2.0)


@pytest.mark.parametrize("step", [LAST_STEP, np.int64(LAST_STEP), np.uint32(7), np.int8(7), 7.0])
def test_a_number_that_is_a_step_is_taken(step):
    got = steady.update(steady.init(), step, 2.0)
    assert got.skipped == 0 and got.count.sum() == 1 and got.step.max() == np.float32(step)


@pytest.mark.parametrize("step", [2**31, 2**32 + 5, -1, 3e9, -1.5, np.nan, np.inf])
def test_a_traced_number_that_is_no_step_is_left_out(step):
    with jax.enable_x64(True):
        before = steady.update(steady.init(), 3, 2.0)
        got = steady.update(before, jnp.asarray(step), 2.5)
    assert got.skipped == 1
    same(jax.tree.leaves(got)[2:], jax.tree.leaves(before)[2:])


@pytest.mark.parametrize("final_step", [2**31, 10**12, np.int64(2**40), 1e15])
def test_a_run_may_end_beyond_int32(final_step, state):
    far, near = steady.predict(state, final_step), steady.predict(state, TOTAL)
    assert np.isfinite(ends(far)).all() and far.loss < near.loss
    same(far, jax.jit(steady.predict)(state, jnp.float32(final_step)), rtol=1e-5)


@pytest.mark.parametrize(
    "final_step", [np.nan, np.inf, -np.inf, -1, 10**400, np.float32("nan")], ids=brief
)
def test_a_number_that_is_no_end_is_refused(final_step, state):
    for ask in (steady.predict, steady.evidence):
        with pytest.raises(ValueError, match="the final step must be finite and from 0 up, got"):
            ask(state, final_step)


@pytest.mark.parametrize("level", [0, 1, 2.0, -1, np.nan, np.float64(1.5)], ids=str)
def test_no_interval_of_what_is_no_level(level, state):
    seen = steady.evidence(state, TOTAL)
    for ask in (
        functools.partial(steady.predict, state, TOTAL),
        lambda x: steady.forecast(seen, x),
    ):
        with pytest.raises(ValueError, match="level must lie between 0 and 1"):
            ask(level)
    traced = forecast(seen, jnp.float32(level))
    assert np.isnan([traced.lower, traced.upper]).all()
    assert traced.loss == forecast(seen, jnp.float32(0.9)).loss


@pytest.mark.parametrize("final_step", [0.0, SEEN / 2, SEEN - 20, np.nan, np.inf, -5.0])
def test_no_forecast_of_what_is_over_or_no_step(final_step, state):
    assert np.isnan(planned(None, state, jnp.float32(final_step))).all()


def test_the_last_step_is_an_end(state):
    for final in (SEEN - 1, SEEN):
        assert np.isfinite(planned(None, state, final)).all()
    for last in (0, 3, 2**24 + 1, 1_999_999_999, LAST_STEP):  # single steps that float32 rounds
        one = steady.update(steady.init(), last, 2.0)
        for width in (one, steady.update(one, min(2 * last + 1, LAST_STEP), np.nan)):
            assert np.isfinite(planned(None, width, last)).all()


@pytest.mark.parametrize(
    "plan",
    [
        lambda t: jnp.nan * t,
        lambda t: jnp.inf + t,
        lambda t: -jnp.inf + t,
        lambda t: jnp.where(t > 1900, jnp.nan, PEAK),
        lambda t: PEAK / jnp.maximum(TOTAL - t, 0.0),
    ],
    ids=["NaN", "infinite", "minus infinity", "NaN at the end", "a pole at the end"],
)
def test_no_forecast_along_a_schedule_that_is_not_finite(plan, state):
    said = forecast(Forecaster(schedule=plan).evidence(state, TOTAL))
    assert np.isnan(ends(said)).all() and np.isnan(said.probability_below(2.0))
    in_steps = forecast(Forecaster(schedule=plan, annealing=()).evidence(state, TOTAL))
    assert np.isfinite(ends(in_steps)).all()


@pytest.mark.parametrize("size", [0.0, 1e-37, 1e-34, 1e37, 3e37, 1e38])
def test_no_forecast_of_losses_that_float32_cannot_weigh(size):
    assert np.isnan(planned(None, fed((size * np.minimum(LOSS, 3.3)).astype(np.float32)))).all()


def test_no_forecast_of_rates_that_overflow():
    assert np.isnan(planned(None, fed(LOSS, (1e41 * RATE.astype(float)).astype(np.float32)))).all()


@pytest.mark.parametrize("at", [100, 250, 490])
@pytest.mark.parametrize("spike", [30.0, 1e6, 1e30])
def test_a_spike_spoils_its_bin_and_nothing_else(spike, at, state):
    got = planned(None, fed(np.where(STEP == at, np.float32(spike), LOSS)))
    np.testing.assert_allclose(got, planned(None, state), rtol=2e-3)


def test_a_spike_at_the_last_step_is_doubted(state):
    seen = steady.evidence(fed(np.where(STEP == SEEN - 1, np.float32(1e6), LOSS)), TOTAL)
    said, want = forecast(seen), planned(None, state)
    assert said.doubts.rough and said.lower < want[0] < said.upper
    assert said.upper - said.lower < 2


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1.0, 1e10])
def test_a_constant_rate_counts_in_no_unit(size, state):
    got = planned(None, fed(LOSS, (size * RATE / PEAK).astype(np.float32)))
    np.testing.assert_allclose(got, planned(None, state), rtol=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e9, 1e30, 2e36])
def test_losses_of_any_size_are_forecast(size, state):
    got, want = (planned(None, fed((x * LOSS).astype(np.float32))) for x in (size, 1.0))
    np.testing.assert_allclose(got / size, want, rtol=2e-4)


def test_quantiles_are_those_of_any_unit():
    one = Mixture(jnp.array([0.3, 0.7]), jnp.array([0.0, 1.0]), jnp.array([1.0, 0.5]))
    p = jnp.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(one.below(one.quantile(p)), p, atol=1e-6)
    for unit in (1e-30, 1e36):
        big = Mixture(one.weight, unit * one.mean, unit * one.sd)
        np.testing.assert_allclose(np.asarray(big.quantile(p)) / unit, one.quantile(p), rtol=1e-5)
    assert np.isnan(one.quantile(jnp.array([0.0, 1.0, -0.5, 2.0, np.nan]))).all()


def test_a_quantile_has_its_slope_in_the_mixture():
    sd, p = jnp.array([1.0, 0.5]), 0.8

    def at(shift):
        return Mixture(jnp.array([0.3, 0.7]), jnp.array([2.0, 3.0]) + shift, sd).quantile(p)

    assert jax.grad(at)(0.0) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("bins", [1, 2])
def test_few_bins_are_unsure_and_not_silent(bins):
    few = Forecaster(bins=bins)
    said = ends(forecast(few.evidence(fed(LOSS, RATE, STEP, few), TOTAL)))
    assert said[1] < 2 + 3 * TOTAL**-0.4 < said[2] and said[2] - said[1] > 0.3


@pytest.mark.parametrize(
    "options",
    [{"bins": 0}, {"bins": -3}, {"bins": 2.5}, {"bins": None}, {"grid": (0, 6, 8)}],
    ids=str,
)
def test_what_is_no_count_is_refused(options):
    with pytest.raises(ValueError, match="must be a whole number from 1 up, got"):
        Forecaster(**options)


@pytest.mark.parametrize("decay", [0, 1, 1.5, -0.5, np.nan])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        Tissue(decay)


@pytest.mark.parametrize(
    "schedule, final_step, final_loss, message",
    [
        (lambda t: jnp.nan * t, TOTAL, 2.0, "run 1 has shown no loss, .* or its final step or"),
        (None, jnp.float32(10), 2.0, "run 1 has shown no loss"),
        (None, TOTAL, np.inf, "its final loss is not finite"),
        (None, TOTAL, 1e30, "no prior explains the final losses"),
    ],
    ids=["NaN schedule", "over", "infinite end", "another unit"],
)
def test_what_cannot_teach_is_refused(schedule, final_step, final_loss, message, state):
    good = steady.evidence(state, TOTAL)
    bad = Forecaster(schedule=schedule).evidence(state, final_step)
    with pytest.raises(ValueError, match=message):
        learn_prior([good, bad], np.array([2.1, final_loss], np.float32), grid=(2, 2, 2))


def test_a_probability_is_no_more_than_one():
    """Weights add up to 1 but for their rounding."""
    mixture = Mixture(
        jnp.asarray([0.5, 0.5000001]), jnp.asarray([2.0, 2.1]), jnp.asarray([0.1, 0.1])
    )
    assert mixture.below(jnp.asarray([5.0, 1e9])).max() == 1


@pytest.mark.parametrize("step", [3, 0])
def test_a_step_that_a_compiled_train_step_holds_constant_is_said(step):
    def train_step(step, loss):
        return steady.update(steady.init(), step, loss)

    with pytest.warns(UserWarning, match="pass jnp.asarray.step. to it"):
        jax.jit(train_step, static_argnums=0).lower(step, 2.0)
    jax.jit(train_step).lower(step, 2.0)  # traced: warnings are errors here
    jax.eval_shape(functools.partial(train_step, jnp.asarray(step)), 2.0)


@pytest.mark.parametrize("schedule", [1e-3, np.float32(1e-3), "cosine"])
def test_a_schedule_that_is_no_function_is_refused_at_once(schedule):
    with pytest.raises(TypeError, match="optax.constant_schedule"):
        Forecaster(schedule=schedule)
