"""Learning-rate schedules by name, for programs that only have a text: a command line, a config.

They are made of optax's own, so a run that trained with those is met exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

Schedule = Callable[[Any], Any]
SCHEDULES = ("cosine", "linear", "wsd", "constant", "inverse-sqrt")


@functools.lru_cache(maxsize=64)  # one text, one function: programs made with it are reused
def schedule_named(
    name: str,
    *,
    peak: float,
    steps: int,
    warmup: float = 0.0,
    floor: float = 0.0,
    decay: float = 0.2,
) -> Schedule:
    """Return the schedule of a name: learning rate of a step, as optax has them.

    All rise linearly from 0 over the warmup and end at step `steps`.

    Args:
        name: `cosine` (half a period), `linear`, `wsd` (warmup, stable, linear decay),
            `constant`, or `inverse-sqrt` (peak (warmup / step)^(1/2), and no end).
        peak: learning rate after the warmup.
        steps: of the whole run.
        warmup: in steps, or below 1 as a fraction of `steps`.
        floor: lowest rate as a fraction of the peak.
        decay: how long the decay of `wsd` takes, in steps, or below 1 as a fraction.

    Raises:
        ValueError: there is no such schedule, or a number is out of its range.
    """
    if name not in SCHEDULES:
        raise ValueError(f"no schedule {name!r}; there are {', '.join(SCHEDULES)}")
    _check(peak, steps, floor)
    rise = _steps("warmup", warmup, steps)
    main: Schedule
    low, left = floor * peak, steps - rise
    if left < 1:
        raise ValueError(f"a warmup of {rise} steps fills the run of {steps} steps")
    if name == "cosine":
        main = optax.cosine_decay_schedule(peak, left, alpha=floor)
    elif name == "linear":
        main = optax.linear_schedule(peak, low, left)
    elif name == "constant":
        main = optax.constant_schedule(peak)
    elif name == "inverse-sqrt":
        main = _inverse_sqrt(peak, low, max(rise, 1))
    else:
        fall = _steps("decay", decay, steps)
        if not 1 <= fall <= left:
            raise ValueError(
                f"a decay of {fall} steps after a warmup of {rise} does not fit {steps} steps"
            )
        stable, falling = optax.constant_schedule(peak), optax.linear_schedule(peak, low, fall)
        main = optax.join_schedules([stable, falling], [left - fall])
    if not rise:
        return main
    schedule: Schedule = optax.join_schedules(
        [optax.linear_schedule(0.0, peak, rise), main], [rise]
    )
    return schedule


def rates(schedule: Schedule, steps: Array) -> Array:
    """Return the learning rate of a schedule at steps [n], in their dtype; pure.

    Never below zero: compiled, a schedule that falls to zero ends a rounding error beside it, on
    either side. NaN where it is not finite.
    """
    rate = jnp.broadcast_to(jnp.asarray(jax.vmap(schedule)(steps), steps.dtype), steps.shape)
    return jnp.where(jnp.isfinite(rate), jnp.maximum(rate, 0.0), jnp.nan)


def _check(peak: float, steps: int, floor: float) -> None:
    if not (peak > 0 and math.isfinite(peak)):
        raise ValueError(f"the peak learning rate must be positive and finite, got {peak:g}")
    if not (steps >= 1 and math.isfinite(steps)):
        raise ValueError(f"a schedule has at least 1 step, got {steps:g}")
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is a fraction of the peak from 0 to 1, got {floor:g}")


def _inverse_sqrt(peak: float, low: float, rise: int) -> Schedule:
    def schedule(count: Any) -> Any:  # `count` from the end of the warmup
        return jnp.maximum(peak * jnp.sqrt(rise / (jnp.maximum(count, 0) + rise)), low)

    return schedule


def _steps(what: str, length: float, steps: int) -> int:
    """Return a length in steps, given in steps or as a fraction of the run."""
    if not (length >= 0 and math.isfinite(length)):
        raise ValueError(f"{what} is a number of steps or a fraction below 1, got {length:g}")
    if length < 1:
        return round(length * steps)
    if length != int(length):
        raise ValueError(f"a {what} of 1 or more is in whole steps, got {length:g}")
    return int(length)
