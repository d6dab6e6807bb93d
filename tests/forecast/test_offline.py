"""A curve becomes a forecast on the host, finite, or a sentence says why it does not."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale.data.loss_curves import Curve
from jaxscale.errors import DataError
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.forecast.offline import forecast_curve, forecast_fan, take_in
from jaxscale.forecast.schedules import schedule_named

PEAK, SEEN, TOTAL = 3e-4, 500, 2000
STEP = np.arange(SEEN)
RATE = np.full(SEEN, PEAK)
NOISE = np.random.default_rng(0).normal(size=SEEN)
LOSS = (2 + 3 * (STEP + 1) ** -0.4 + 0.01 * NOISE).astype(np.float32)
steady = Forecaster()


def curve(step=STEP, loss=LOSS, lr=RATE):
    return Curve(np.asarray(step, np.int64), np.asarray(loss, float), lr, "run", "log.csv")


COSINE = {  # median and interval in float64
    1500: (2.149115082644, 2.063594037802, 2.211547522702),
    2000: (2.102080567582, 1.963374256556, 2.215079974584),
    10_000: (1.843102661998, 1.572386909272, 2.113626430197),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps", COSINE)
def test_a_schedule_that_stays_above_zero_is_forecast_as_ever(steps):
    plan = schedule_named("cosine", peak=PEAK, steps=steps, warmup=50)
    got = forecast_curve(Forecaster(schedule=plan), curve(lr=None), steps)
    np.testing.assert_allclose([got.loss, got.lower, got.upper], COSINE[steps], rtol=1e-9)


@pytest.mark.parametrize(
    "given, final_step, message",
    [
        (curve(loss=0 * LOSS), TOTAL, "run 'run' stands at a loss of 0 at step 499"),
        (curve(loss=np.where(STEP < 400, LOSS, 0)), TOTAL, "stands at a loss of 0"),
        (curve(loss=1e-300 * LOSS.astype(float)), TOTAL, "now at a loss of .*e-300, has no finite"),
        (curve(lr=0 * RATE), TOTAL, "every learning rate of run 'run' is 0, .*--curve power"),
        (curve(lr=np.nan * RATE), TOTAL, "no finite loss beside a finite learning rate"),
        (curve(loss=np.nan * LOSS), TOTAL, "run 'run' has no finite loss"),
        (curve(step=STEP[::-1]), TOTAL, "the steps of run 'run' must increase"),
        (curve(step=0 * STEP), TOTAL, "must increase"),
        (curve(step=STEP - 1), TOTAL, "lie between 0 and 2147483647"),
        (curve(step=np.int64(STEP) + 2**31), 2**33, "lie between 0 and 2147483647"),
        (curve(), np.nan, "the final step must be finite, got nan"),
        (curve(), np.inf, "the final step must be finite, got inf"),
        (curve(), SEEN - 2, "losses up to step 499, beyond the final step 498"),
    ],
)
def test_a_curve_without_a_forecast_is_refused(given, final_step, message):
    with pytest.raises((DataError, ValueError), match=message):
        forecast_curve(steady, given, final_step)
    with pytest.raises((DataError, ValueError), match=message):
        forecast_fan(steady, given, final_step)


def test_a_curve_along_a_schedule_that_is_not_finite_is_refused():
    bad = Forecaster(schedule=lambda t: jnp.where(t > 1900, jnp.nan, PEAK))
    with pytest.raises(DataError, match="has no finite forecast: a loss, a learning rate, the sch"):
        forecast_curve(bad, curve(), TOTAL)


def test_a_curve_with_a_bad_rate_loses_that_step():
    lr = RATE.copy()
    lr[[100, 300]] = np.nan, np.inf
    state = take_in(steady, curve(lr=lr))
    assert state.skipped == 2 and state.count.sum() == SEEN - 2 and np.isfinite(state.rate).all()
