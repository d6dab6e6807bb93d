"""What a learning-rate schedule does to a loss: summed rate, and the gain of lowering it.

Both laws of the field have the same build: the loss falls with a power of the summed rate S,
and each drop of the rate adds a gain that takes hold after a while. They differ in how fast:

    L = E + A S^-alpha - B sum_k (eta_(k-1)^p - eta_k^p) r_k,    r_k from 0 (at the drop) to 1.

Published is p = 1. Where the rate is high for the model, most is won when it is already low, and
a smaller p describes the end of a run better (`benchmarks/forecasts.py`).

Everything is pure and works on points of a schedule, not on its steps: P points cost P^2.
"""

from __future__ import annotations

from typing import Protocol

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.pytree import pytree, static

LOWEST = 3e3
"""Rates below so many times tiny^(1/4) of the largest (1e-6 of it in float32) count as that: a
power of zero has no end."""


class Relaxation(Protocol):
    """How much of a drop's gain has taken hold; `power` is the p above."""

    power: float

    def __call__(self, steps: Array, summed: Array, rate: Array) -> Array:
        """Return r in [0, 1], elementwise.

        Args:
            steps: since the drop.
            summed: learning rate summed over these steps.
            rate: to which the learning rate dropped.
        """
        ...


@pytree
class MultiPower:
    """r = 1 - (1 + C eta^-gamma S_k)^-beta, S_k the rate summed since drop k.

    Source: Luo et al. 2025, arXiv:2503.12811; the defaults are the mean of its three published
    sizes (25M, 100M, 400M). C goes with the unit of the rate: far below the rates of Adam (1e-5
    to 1e-2) it says that lowering them wins little.
    """

    C: float = static(default=2.07)
    beta: float = static(default=0.592)
    gamma: float = static(default=0.644)
    power: float = static(default=1.0)

    def __call__(self, steps: Array, summed: Array, rate: Array) -> Array:
        """Return how much of the gain has taken hold."""
        peak = jnp.max(rate)
        least = LOWEST * jnp.finfo(summed.dtype).tiny ** 0.25
        rate = jnp.maximum(rate, least * jnp.where(peak > 0, peak, 1.0))
        return -jnp.expm1(-self.beta * jnp.log1p(self.C * rate**-self.gamma * summed))


@pytree
class Tissue:
    """r = 1 - decay^steps: the gain takes hold over a fixed number of steps.

    This is the annealing area S2 of the law, times 1 - decay.
    Source: Tissue et al. 2024, arXiv:2408.11029.

    Raises:
        ValueError: the decay does not lie between 0 and 1.
    """

    decay: float = static(default=0.999)
    power: float = static(default=1.0)

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, e.g. 0.999, got {self.decay!r}")

    def __call__(self, steps: Array, summed: Array, rate: Array) -> Array:
        """Return how much of the gain has taken hold."""
        return -jnp.expm1(steps * jnp.log(self.decay))


def summed_rate(steps: Array, rate: Array) -> Array:
    """Return S [P], the rate summed from step 0, for increasing points of a schedule [P].

    Before the first point the rate is taken to be that of the first point.
    """
    pieces = 0.5 * (rate[1:] + rate[:-1]) * jnp.diff(steps)
    return rate[0] * (steps[0] + 1) + jnp.concatenate(
        [jnp.zeros_like(rate[:1]), jnp.cumsum(pieces)]
    )


def annealing_gain(relaxation: Relaxation, steps: Array, rate: Array, at: Array) -> Array:
    """Return sum_k (drop of the rate) r_k at some of the points of a schedule.

    Rises before the peak are no drops: a warmup gains and loses nothing.

    Args:
        relaxation: how fast a drop takes hold.
        steps: points of the schedule, increasing [P].
        rate: learning rate there [P], from zero up.
        at: indices of points [M].

    Returns:
        The gain [M], in units of the peak to the power p: 1 is all that can be won. Zero where
        every rate is zero.
    """
    summed, peak = summed_rate(steps, rate), jnp.max(rate)
    high = rate > 0  # neither 0 / 0 where all are zero, nor the endless slope of a power there
    share = jnp.where(high, rate / jnp.where(peak > 0, peak, 1.0), 1.0) ** relaxation.power
    share = jnp.where(high, share, 0.0)
    past = jnp.arange(len(rate) - 1) >= jnp.argmax(rate)
    drop = jnp.where(past, share[:-1] - share[1:], 0.0)

    def middle(x: Array) -> Array:
        return 0.5 * (x[1:] + x[:-1])

    def since(x: Array) -> Array:
        return jnp.maximum(x[at][:, None] - middle(x)[None, :], 0.0)

    hold = relaxation(since(steps), since(summed), rate[None, 1:])
    return jnp.sum(drop * hold, axis=1)
