"""Forecast the end of a run from inside its training loop.

A state of fixed size takes in a loss per step and is cheap enough for every step; a forecast is
one pass over the state. Both are pure: they work under `jit`, `scan`, `vmap` and `shard_map`, on
whatever device the loop runs, and nothing leaves it.

The model is a law plus a random walk,

    loss(s) = E + A S^-alpha - B G(s) + w(log S) + noise,

with S the learning rate summed so far and G the gain of lowering it (`annealing`), or S the steps
and no G where schedules are left out. The walk stands for what the law does not describe: the
forecast starts from where the run is now, forgets how it began, and widens with distance. A grid
over alpha, walk and noise covers every basin, each cell is solved exactly (`local_level`), and
the forecast is the mixture of all cells, each weighed by how well it explains the run. There are
no starts that could miss an optimum, and the interval counts every law that fits.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._numerics.level import check_level
from jaxscale._numerics.pytree import pytree, static
from jaxscale.forecast.annealing import MultiPower, Relaxation, annealing_gain, summed_rate
from jaxscale.forecast.doubts import Doubts, doubts, reasons
from jaxscale.forecast.local_level import Evidence, Mixture, Prior, explain
from jaxscale.forecast.schedules import Schedule, rates
from jaxscale.forecast.spikes import settled, spiked
from jaxscale.shown.blocks import Block, Shown, fields, said
from jaxscale.text import quantity

FUTURE = 64
"""Points of the schedule between now and the end."""

HIGHER = 2.0
"""Above so many times the present loss the noise of a bin grows with it."""

NEARLY = 0.98
"""Warmup is over at the first bin with so much of the peak rate."""

LAST_STEP = 2**31 - 1
"""The state counts steps in int32."""
CONSTANT_STEP = (
    "the step is a Python number inside a compiled function, a constant there: equinox.filter_jit, "
    "or static_argnums, compiles the train step anew at every step; pass jnp.asarray(step) to it"
)
ON_HOST: Any = (int, float, np.generic, np.ndarray)
"""Numbers that can be checked without a wait for the device; all others may be traced."""


@pytree
class State(Shown):
    """What a forecaster remembers of a run: means over bins of equal width [K].

    When the bins are full, neighbours merge and all are twice as wide: K bins hold any run.
    """

    width: Array  # steps per bin, int32
    skipped: Array  # steps left out: loss or rate not finite, or no step at all; int32
    count: Array  # [K] losses in each bin
    step: Array  # [K] their mean step
    loss: Array  # [K] their mean loss
    rate: Array  # [K] their mean learning rate


@pytree
class Forecast(Shown):
    """The final loss.

    Attributes:
        loss: its median.
        lower: lower end of its central interval.
        upper: upper end.
        mixture: its distribution, a mixture of normal ones, one per cell of the grid.
        doubts: signs that the run does not follow the law; where there is any, the forecast is a
            wide guess from what the run did of late.
        level: of the interval.
    """

    loss: Array
    lower: Array
    upper: Array
    mixture: Mixture
    doubts: Doubts
    level: Array

    def _blocks(self) -> Iterable[Block]:
        if np.ndim(self.loss):
            return fields(self)
        loss, low, high = (quantity(x, 5) for x in (self.loss, self.lower, self.upper))
        sure, doubts = quantity(100 * self.level, 4), reasons(self.doubts)
        return [f"final loss {loss}, {sure} % interval {low} to {high}", *said(doubts, doubts)]

    def probability_below(self, loss: Any) -> Array:
        """Return the probability that the run ends below `loss`; elementwise, pure.

        Args:
            loss: a loss, of any shape.

        Returns:
            The probability, of the same shape.
        """
        return self.mixture.below(loss)

    def quantile(self, p: Any) -> Array:
        """Return the loss below which the run ends with probability `p`; NaN unless 0 < p < 1.

        Elementwise, pure.

        Args:
            p: probabilities, any shape.

        Returns:
            Losses of the same shape.
        """
        return self.mixture.quantile(p)


@pytree
class Forecaster(Shown):
    """Forecasts of a run's final loss, for use in and out of jitted loops.

    Attributes:
        schedule: learning rate of a step, as optax has them; None: the rate stays as it is last.
            A rate below zero counts as zero.
        annealing: forms of what lowering the rate wins, weighed against each other like the cells
            of the grid: `MultiPower(...)`, `Tissue(...)`; none leaves schedules out: a power law
            in steps, so in tokens.
        bins: how many the state has.
        prior: what is known before the run.
        grid: cells along alpha, walk and noise.

    Raises:
        TypeError: the schedule is no function.
        ValueError: bins, or cells along one of the three, are not a whole number from 1 up.

    Example:
        >>> import jaxscale
        >>> import optax
        >>> schedule = optax.cosine_decay_schedule(3e-4, 10_000)
        >>> forecaster = jaxscale.Forecaster(schedule=schedule)
        >>> state = forecaster.init()
        >>> for step in range(100, 2000, 100):  # in the train step, under jit
        ...     loss = 2.0 + 8.0 * step**-0.4
        ...     state = forecaster.update(state, step, loss, schedule(step))
        >>> end = forecaster.predict(state, 10_000)  # now and then
        >>> bool(end.lower < end.loss < end.upper)
        True
    """

    schedule: Schedule | None = static(default=None)
    annealing: tuple[Relaxation, ...] = static(default=(MultiPower(), MultiPower(power=0.6)))
    bins: int = static(default=64)
    prior: Prior = static(default=Prior())
    grid: tuple[int, int, int] = static(default=(12, 6, 8))

    def __post_init__(self) -> None:
        if self.schedule is not None and not callable(self.schedule):
            raise TypeError(
                f"schedule is a function of the step, as optax has them, got {self.schedule!r}; a "
                "constant rate is optax.constant_schedule(rate), or none at all"
            )
        for name, number in ("bins", self.bins), *(("cells of the grid", n) for n in self.grid):
            if not (isinstance(number, int | np.integer) and number >= 1):
                raise ValueError(f"{name} must be a whole number from 1 up, got {number!r}")

    def init(self, dtype: Any = None) -> State:
        """Return the state before the first step.

        Args:
            dtype: of the means; default that of JAX, float32 unless float64 is on.
        """
        empty = jnp.zeros(self.bins, dtype or jnp.result_type(float))
        zero = jnp.zeros((), jnp.int32)
        return State(zero + 1, zero, empty, empty, empty, empty)

    def update(self, state: State, step: Any, loss: Any, lr: Any = 1.0) -> State:
        """Take in the loss of a step; pure (`benchmarks.forecast_cost` times it).

        A step whose loss or rate is not finite is counted in `state.skipped` and left out; so is
        one outside 0 to `LAST_STEP`, where it is traced.

        Args:
            state: before.
            step: from 0 to `LAST_STEP`; gaps are welcome, and the order does not matter: a step
                that comes again after a restart joins the mean of its bin. A run that begins anew
                wants a new state.
            loss: a positive scalar, in any unit.
            lr: the learning rate of this step; below zero it counts as zero.

        Returns:
            The state after, of the same shapes.

        Raises:
            ValueError: the step, a number and not traced, is outside 0 to `LAST_STEP`.

        Warns:
            UserWarning: the loss is traced and the step is a Python number, as where
                `equinox.filter_jit` compiles a step anew for every one.

        Example:
            >>> import jaxscale
            >>> forecaster = jaxscale.Forecaster()
            >>> state = forecaster.init()
            >>> for step in range(100, 2000, 100):  # in a train step, under jit
            ...     state = forecaster.update(state, step, 2.0 + 8.0 * step**-0.4)
            >>> int(state.skipped)
            0
        """
        if isinstance(step, ON_HOST) and not 0 <= step <= LAST_STEP:
            raise ValueError(
                f"a step lies between 0 and {LAST_STEP}, got {step}; count larger ones in thousands"
            )
        if type(step) is int and isinstance(loss, jax.core.Tracer):
            warnings.warn(CONSTANT_STEP, stacklevel=2)
        after: State = self._update(state, step, loss, lr)
        return after

    @jax.jit  # so that a loop of plain Python is quick as well
    def _update(self, state: State, step: Any, loss: Any, lr: Any) -> State:
        loss, lr = (jnp.asarray(x, state.loss.dtype) for x in (loss, lr))
        step, whole = jnp.asarray(step), jnp.asarray(step).astype(jnp.int32)
        fits = (whole >= 0) & (jnp.abs(step - whole.astype(step.dtype)) < 1)  # wrapped: far off
        good = fits & jnp.isfinite(loss) & jnp.isfinite(lr)
        step, lr = jnp.where(good, whole, 0), jnp.maximum(lr, 0.0)
        # Merge until the step fits: the bit length of how often the bins are over-full.
        merges = 32 - lax.clz(step // state.width // self.bins)
        state = lax.cond(merges > 0, _merge, lambda state, _: state, state, merges)
        here = (jnp.arange(self.bins) == step // state.width) & good
        count = state.count + here

        def mean(old: Array, new: Array) -> Array:
            return jnp.where(here, old + (new - old) / jnp.maximum(count, 1), old)

        return State(
            state.width,
            state.skipped + ~good,
            count,
            mean(state.step, step.astype(loss.dtype)),
            mean(state.loss, loss),
            mean(state.rate, lr),
        )

    def predict(self, state: State, final_step: Any, level: Any = 0.9) -> Forecast:
        """Forecast the loss at `final_step`; pure (`benchmarks.forecast_cost` times it).

        Args:
            state: what `update` returned.
            final_step: where the run ends; may be traced.
            level: of the interval, between 0 and 1; may be traced.

        Returns:
            The forecast. All of it is NaN before the first finite loss; where `final_step` is not
            finite or before the last bin with a loss; with `annealing`, before the first rate above
            zero and where the schedule is not finite on the way; where the loss is now zero, or so
            small or large that its dtype cannot hold its spread (below 1e-31 or beyond 5e36 in
            float32); and where numbers overflow: other losses some 1e20 times as large, or summed
            rates of 1e38 (float32). The interval is NaN where the level is not between 0 and 1.

        Raises:
            ValueError: the final step or the level, a number and not traced, is out of its range.

        Example:
            >>> import jaxscale
            >>> forecaster = jaxscale.Forecaster()
            >>> state = forecaster.init()
            >>> for step in range(100, 2000, 100):  # in a train step, under jit
            ...     state = forecaster.update(state, step, 2.0 + 8.0 * step**-0.4)
            >>> end = forecaster.predict(state, final_step=10_000)
            >>> bool(end.lower < end.loss < end.upper), round(float(end.loss), 1)
            (True, 2.2)
        """
        end: Forecast = self._predict(state, _end(final_step), _level(level))
        return end

    @jax.jit
    def _predict(self, state: State, final_step: Any, level: Any) -> Forecast:
        return self.forecast(self.evidence(state, final_step), level)

    def forecast(self, seen: Evidence, level: Any = 0.9) -> Forecast:
        """Return what `predict` does, from the evidence it rests on.

        Args:
            seen: what `evidence` returned.
            level: of the interval, between 0 and 1.
        """
        level = jnp.asarray(_level(level), seen.scale.dtype)
        found, mixture = doubts(seen, explain(seen, self.prior, self.grid))
        tail = jnp.where((level > 0) & (level < 1), 0.5 * (1 - level), jnp.nan)
        lower, loss, upper = mixture.quantile(jnp.asarray([tail, 0.5, 1 - tail]))
        return Forecast(loss, lower, upper, mixture, found, level)

    def evidence(self, state: State, final_step: Any) -> Evidence:
        """Return what a run has shown and what its schedule still holds; pure.

        No bin is used where `predict` is NaN for want of an answer.

        Args:
            state: what `update` returned.
            final_step: where the run ends; may be traced.
        """
        last = jnp.argmax(jnp.where(state.count > 0, jnp.arange(self.bins), -1))
        now = state.step[last]
        final = jnp.asarray(_end(final_step), now.dtype)
        slack = 1 - 4 * jnp.finfo(now.dtype).eps  # `now` is a mean, so rounded
        final = jnp.where(final >= slack * now, jnp.maximum(final, now), jnp.nan)
        ahead = now + (final - now) * jnp.linspace(0, 1, FUTURE + 1, dtype=now.dtype)[1:]
        if self.schedule is None:
            rate = jnp.zeros_like(ahead) + state.rate[last]
        else:
            rate = rates(self.schedule, ahead)
        seen: Evidence = _evidence(state, ahead, rate, self.annealing)
        return seen


def _end(final_step: Any) -> Any:
    """Return a final step, also beyond int32; raise where it is known to be none."""
    if not isinstance(final_step, ON_HOST):
        return final_step
    if not 0 <= final_step <= sys.float_info.max:
        raise ValueError(f"the final step must be finite and from 0 up, got {final_step}")
    return float(final_step)


def _level(level: Any) -> Any:
    """Return a level; raise where it is known to be none."""
    if isinstance(level, ON_HOST):
        check_level(float(level))
    return level


@functools.partial(jax.jit, static_argnums=3)  # apart: one program whatever the schedule is
def _evidence(
    state: State, ahead: Array, future: Array, annealing: tuple[Relaxation, ...]
) -> Evidence:
    """Return the evidence of a state whose rates will be `future` at steps `ahead`.

    No bin counts where steps, rates or the current loss, the unit of all, allow no answer.
    Bins before the learning rate's peak do not count; empty ones repeat their neighbour. Nor does
    the first, if it holds several losses: the mean of a power law over it is not the law at its
    mean step. Nor do spikes, and what came before the run settled (`spikes`); the current loss is
    that of the last bin that counts.
    """
    filled, order = state.count > 0, jnp.arange(len(state.count))
    source = lax.cummax(jnp.where(filled, order, -1))
    source = jnp.where(source < 0, jnp.argmax(filled), source)
    step, loss, rate = (x[source] for x in (state.step, state.loss, state.rate))
    blurred = (order == 0) & (state.count > 1) & filled[1:].any()
    used = filled & (order >= jnp.argmax(rate >= NEARLY * jnp.max(rate))) & ~blurred
    used &= ~spiked(used, loss)
    used &= settled(used, loss, step)
    now = loss[jnp.max(jnp.where(used, order, 0))]
    scale = jnp.where(used.any(), jnp.abs(now), 1.0)
    known, limits = jnp.isfinite(ahead).all(), jnp.finfo(scale.dtype)
    if annealing:  # else rates do not matter
        known &= jnp.isfinite(future).all() & (jnp.max(rate) > 0)
    # Beyond either limit spreads and reciprocals are flushed to zero, or overflow.
    used &= known & (scale > limits.tiny / limits.eps) & (scale < limits.max / 64)
    share = jnp.max(state.count) / jnp.maximum(state.count, 1)  # a half-filled bin is noisier
    share *= jnp.maximum(loss / (HIGHER * scale), 1.0) ** 2  # and so is one of a higher loss

    path, rate = jnp.append(step, ahead), jnp.append(rate, future)
    at = jnp.append(order, len(path) - 1)
    gains = [annealing_gain(form, path, rate, at) for form in annealing]
    S = summed_rate(path, rate)[at] if gains else path[at] + 1
    log_s = jnp.log(jnp.maximum(S, jnp.finfo(S.dtype).tiny))
    gain = jnp.stack(gains or [jnp.zeros_like(S)], axis=1)
    log_step = jnp.log(path[at] + 1)
    relative, walked = log_s - log_s[-2], log_step - log_step[-2]
    along = rate[order] if gains else 1.0  # S of one step, there
    spread = state.width * along / jnp.maximum(S[:-1], jnp.finfo(S.dtype).tiny)
    blur = spread**2 / 24 * (1 - 1 / jnp.maximum(state.count, 1) ** 2)
    return Evidence(used, share, loss / scale - 1, relative, gain, scale, walked, blur)


def _merge(state: State, merges: Array) -> State:
    """Let 2^merges neighbours share a bin."""
    to = jnp.arange(len(state.count)) >> jnp.minimum(merges, 31)

    def total(x: Array) -> Array:
        return jnp.zeros_like(x).at[to].add(x)

    count = total(state.count)
    weight = state.count / jnp.maximum(count, 1)[to]  # first, for sums of losses may overflow
    means = (total(weight * x) for x in (state.step, state.loss, state.rate))
    return State(state.width << merges, state.skipped, count, *means)
