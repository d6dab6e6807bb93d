"""From a logged curve to a forecast on the host: one compiled loop over its losses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import scope
from jaxscale._numerics.programs import run
from jaxscale.data.loss_curves import Curve
from jaxscale.errors import DataError
from jaxscale.forecast.forecaster import LAST_STEP, Forecast, Forecaster, State
from jaxscale.forecast.learning import learn_prior
from jaxscale.forecast.local_level import Prior
from jaxscale.forecast.schedules import Schedule, rates
from jaxscale.shown.blocks import shown

RECENT = 0.02
"""The loss of a step is the mean over this share of the steps before it."""


@shown
class Fan(NamedTuple):
    """Forecasts of the way to the end, and the learning rate along the run.

    Attributes:
        step: from the last loss to the final step [m].
        loss: the median there [m].
        lower: lower end of the central interval [m].
        upper: upper end [m].
        at: steps from 0 to the final step [k].
        rate: learning rate there [k]: as logged, then as scheduled; NaN before the first loss.
    """

    step: np.ndarray
    loss: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    at: np.ndarray
    rate: np.ndarray


def forecast_curve(
    forecaster: Forecaster, curve: Curve, final_step: int, level: float = 0.9
) -> Forecast:
    """Forecast the end of a run from its curve.

    Without logged rates, those of the forecaster's schedule count; without both, 1.

    Args:
        forecaster: how.
        curve: the losses so far.
        final_step: where the run ends.
        level: of the interval, between 0 and 1.

    Returns:
        The forecast; its fields are NumPy arrays in float64, and finite.

    Raises:
        DataError: `take_in` refuses the curve, or a loss of 0, learning rates of 0, or a number
            beyond float64 allow no forecast.
        ValueError: the run ends before its last loss, or the level is out of its range.
    """
    _check(curve, final_step, level)
    state = take_in(forecaster, curve)
    end, wide = np.float64(final_step), np.float64(level)
    forecast: Forecast = run(_predict, forecaster, state, end, wide, dtype=np.float64)[0]
    _check_finite(forecaster, curve, state, (forecast.loss, forecast.lower, forecast.upper))
    return forecast


def take_in(forecaster: Forecaster, curve: Curve) -> State:
    """Return the forecaster's state after a curve, in float64.

    Raises:
        DataError: the curve has no finite loss, none beside a finite learning rate, or steps that
            do not increase from 0 to `LAST_STEP`.
    """
    if not np.isfinite(curve.loss).any():
        raise DataError(f"{curve.source}: run {curve.name!r} has no finite loss")
    if curve.step[0] < 0 or curve.step[-1] > LAST_STEP or (np.diff(curve.step) <= 0).any():
        raise DataError(
            f"{curve.source}: the steps of run {curve.name!r} must increase and lie between 0 and "
            f"{LAST_STEP}"
        )
    size = 1 << max(len(curve) - 1, 0).bit_length()  # so that runs of about one length compile once
    columns = [curve.step.astype(np.int32), curve.loss.astype(float)]
    columns += [] if curve.lr is None else [curve.lr.astype(float)]
    padded = [np.pad(column, (0, size - len(curve))) for column in columns]
    state: State = run(_take_in, forecaster, np.int32(len(curve)), *padded, dtype=np.float64)[0]
    if not state.count.any():
        raise DataError(
            f"{curve.source}: run {curve.name!r} has no finite loss beside a finite learning rate"
        )
    return state


def learn_from(
    finished: Sequence[tuple[Curve, Forecaster]], share: float, prior: Prior | None = None
) -> Prior:
    """Return the prior that forecasts best how finished runs ended; see `learn_prior`.

    Args:
        finished: curves, each with a forecaster that knows its schedule; each ends at its last
            loss, at the mean of those `loss_at` takes.
        share: of their steps, at which they are forecast: that of the run to come.
        prior: where to begin.

    Raises:
        ValueError: no curve has a finite loss before that share and at its end.
    """
    evidence, ends = [], []
    for curve, forecaster in finished:
        last = int(curve.step[-1])
        early = curve.until(share * last)
        if np.isfinite(early.loss).any() and np.isfinite(curve.loss[-1]) and share < 1:
            if early.lr is None and forecaster.schedule is not None:
                rate = scheduled(forecaster.schedule, early.step)
                early = dataclasses.replace(early, lr=rate)
            state = take_in(Forecaster(bins=forecaster.bins), early)  # one program for all
            evidence.append(forecaster.evidence(jax.tree.map(_single, state), last))
            ends.append(loss_at(curve, last))
    if not ends:
        raise ValueError(f"no finished run has a loss before {100 * share:.3g} % of its steps")
    return learn_prior(evidence, np.array(ends, np.float32), prior)


def loss_at(curve: Curve, step: int) -> float | None:
    """Return the mean loss over the last `RECENT` of the steps before a step; None without any.

    Args:
        curve: the losses.
        step: where.
    """
    near = (curve.step <= step) & (curve.step >= (1 - RECENT) * step)
    loss = curve.loss[near & np.isfinite(curve.loss)]
    if len(loss):
        return float(np.sum(loss / len(loss)))  # their sum may be beyond float64
    loss = curve.loss[np.isfinite(curve.loss) & (curve.step <= step)]
    return float(loss[-1]) if len(loss) and curve.step[-1] <= step else None


def _single(x: np.ndarray) -> Array:
    return jnp.asarray(x, jnp.float32 if x.dtype.kind == "f" else x.dtype)


def forecast_fan(
    forecaster: Forecaster,
    curve: Curve,
    final_step: int,
    level: float = 0.9,
    points: int = 30,
) -> Fan:
    """Forecast a run at steps between its last loss and its end, for a figure.

    Args:
        forecaster: how.
        curve: the losses so far.
        final_step: where the run ends.
        level: of the interval.
        points: steps where to forecast.

    Raises:
        DataError: as `forecast_curve`.
        ValueError: the run ends before its last loss, or the level is out of its range.
    """
    _check(curve, final_step, level)
    state = take_in(forecaster, curve)
    last = float(curve.step[-1])
    # Denser near both ends: the loss bends where the run stands and where the rate runs out.
    along = 0.5 * (1 - np.cos(np.pi * np.linspace(0, 1, points)))
    step = last + (final_step - last) * along
    ahead = run(_ahead, forecaster, state, step, np.float64(level), dtype=np.float64)[0]
    _check_finite(forecaster, curve, state, ahead)
    at = np.append(np.linspace(0, final_step, 513), np.geomspace(1, final_step, 257))
    at = np.unique(np.append(at, last))  # fine enough on either kind of axis
    future = at > last
    rate = np.full(len(at), 1.0 if curve.lr is None else float(curve.lr[-1]))
    if forecaster.schedule is not None:
        rate = scheduled(forecaster.schedule, at)
    if curve.lr is not None:
        rate = np.where(future, rate, np.interp(at, curve.step, curve.lr, left=np.nan))
    loss, lower, upper = ahead
    return Fan(step, loss, lower, upper, at, rate)


def probability_below(forecast: Forecast, losses: Any) -> np.ndarray:
    """Return the probability that a run ends below each of the losses [k], in float64."""
    probability: np.ndarray = run(_below, forecast, np.asarray(losses, float), dtype=np.float64)[0]
    return probability


def scheduled(schedule: Schedule, steps: np.ndarray) -> np.ndarray:
    """Return the learning rate of a schedule at steps [n], float64; compiles nothing for it."""
    with scope(np.float64):
        return np.asarray(rates(schedule, jnp.asarray(steps, float)))


def _check(curve: Curve, final_step: int, level: float) -> None:
    check_level(level)
    if not np.isfinite(final_step):
        raise ValueError(f"the final step must be finite, got {final_step}")
    if len(curve) and final_step < curve.step[-1]:
        raise ValueError(
            f"{curve.source}: run {curve.name!r} has losses up to step {curve.step[-1]:,}, beyond "
            f"the final step {final_step:,}; use fewer with --until"
        )


def _check_finite(forecaster: Forecaster, curve: Curve, state: State, found: Any) -> None:
    """Raise where the numbers of a forecast are not finite; say why."""
    if np.isfinite(found).all():
        return
    now = state.loss[np.flatnonzero(state.count)[-1]]
    if now == 0:
        raise DataError(
            f"{curve.source}: run {curve.name!r} stands at a loss of 0 at step "
            f"{curve.step[-1]:,}; a forecast is relative to the present loss, so it must not be 0"
        )
    if forecaster.annealing and not state.rate.any():
        raise DataError(
            f"{curve.source}: every learning rate of run {curve.name!r} is 0, at which nothing "
            "trains; is that its column (--column lr=COLUMN)? --curve power goes by steps alone"
        )
    raise DataError(
        f"{curve.source}: run {curve.name!r}, now at a loss of {now:.3g}, has no finite forecast: "
        "a loss, a learning rate, the schedule or the level is beyond what float64 can weigh"
    )


def _take_in(
    forecaster: Forecaster, count: Array, step: Array, loss: Array, lr: Array | None = None
) -> State:
    if lr is None and forecaster.schedule is not None:
        lr = rates(forecaster.schedule, step.astype(loss.dtype))
    rate = jnp.ones_like(loss) if lr is None else lr

    def one(k: Array, state: State) -> State:
        return forecaster.update(state, step[k], loss[k], rate[k])

    state: State = lax.fori_loop(0, count, one, forecaster.init(loss.dtype))
    return state


def _predict(forecaster: Forecaster, state: State, final_step: Array, level: Any) -> Forecast:
    return forecaster.predict(state, final_step, level)


def _below(forecast: Forecast, losses: Array) -> Array:
    return forecast.probability_below(losses)


def _ahead(forecaster: Forecaster, state: State, steps: Array, level: Any) -> Any:
    found = jax.vmap(functools.partial(_predict, forecaster, state, level=level))(steps)
    return found.loss, found.lower, found.upper
