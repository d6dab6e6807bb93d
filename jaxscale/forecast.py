"""Forecast the end of a run from inside its training loop.

A state of fixed size takes in a loss per step and is cheap enough for every step; a forecast is
one pass over the state. Both are pure: they work under `jit`, `scan`, `vmap` and `shard_map`, on
whatever device the loop runs, and nothing leaves it.

The model is a law plus a random walk,

    loss(s) = E + A S^-alpha - B G(s) + w(log S) + noise,

with S the learning rate summed so far and G the gain of lowering it (`annealing`), or S the steps
and no G where no rates are known. The walk stands for what the law does not describe; it lets the
forecast start from where the run is now, forget how it began, and widen with distance. For given
alpha, size of the walk and size of the noise all else is linear and Gaussian, so a small grid
over these three covers every basin, each cell is solved exactly by one Kalman pass, and the
forecast is the mixture of the cells, each weighed by how well it explains the run. There are no
starts that could miss an optimum, and the interval counts every law that fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale._pytree import pytree, static
from jaxscale._roots import root
from jaxscale.annealing import MultiPower, Relaxation, annealing_gain, summed_rate

FUTURE = 64
"""Points of the schedule between now and the end."""

OUTLYING = 3.0
"""Innovations beyond so many standard deviations count less."""

SPREADS = 2.2
"""Prior spreads that the grid reaches to each side."""

NEARLY = 0.98
"""Warmup is over at the first bin with so much of the peak rate."""

Schedule = Callable[[Any], Any]


@pytree
class Prior:
    """What is known before the run, relative to its current loss; static.

    Each pair is a middle and a spread; the spread of `alpha`, `walk` and `noise` is in e-folds.
    Typical of language models from 1e3 to 1e9 parameters.

    Attributes:
        alpha: exponent of the summed rate.
        reducible: A S^-alpha now: what more training at this rate would win.
        gain: B: what lowering the rate from its peak to zero wins.
        walk: standard deviation of the walk over one e-fold of S.
        noise: standard deviation of one bin of losses.
    """

    alpha: tuple[float, float] = static(default=(0.4, 0.5))
    reducible: tuple[float, float] = static(default=(0.3, 0.2))
    gain: tuple[float, float] = static(default=(0.09, 0.06))
    walk: tuple[float, float] = static(default=(0.004, 1.0))
    noise: tuple[float, float] = static(default=(0.001, 1.3))


@pytree
class State:
    """What a forecaster remembers of a run: means over bins of equal width [K].

    When the bins are full, neighbours merge and all are twice as wide: K bins hold any run.
    """

    width: Array  # steps per bin, int32
    skipped: Array  # losses that were not finite, int32
    count: Array  # [K] losses in each bin
    step: Array  # [K] their mean step
    loss: Array  # [K] their mean loss
    rate: Array  # [K] their mean learning rate


@pytree
class Forecast:
    """The final loss, as a mixture of normal distributions, one per cell of the grid [M].

    Attributes:
        loss: its median.
        lower, upper: its central interval.
        weight, mean, sd: the mixture [M].
    """

    loss: Array
    lower: Array
    upper: Array
    weight: Array
    mean: Array
    sd: Array

    def probability_below(self, loss: Any) -> Array:
        """Return the probability that the run ends below `loss`; elementwise, pure."""
        z = (jnp.asarray(loss, self.mean.dtype)[..., None] - self.mean) / self.sd
        return jnp.sum(self.weight * 0.5 * lax.erfc(-z * 0.5**0.5), axis=-1)

    def quantile(self, p: Any) -> Array:
        """Return the loss below which the run ends with probability `p`; elementwise, pure."""
        p = jnp.asarray(p, self.mean.dtype)
        used = self.weight > 0
        far = jnp.max(jnp.where(used, jnp.abs(self.mean - self.center) + 8 * self.sd, 0.0))
        offset = root(
            lambda t: self.probability_below(self.center + far * t) - p, -1.0, 1.0, jnp.zeros_like(p)
        )
        return self.center + far * offset

    @property
    def center(self) -> Array:
        """The mean of the mixture."""
        return jnp.sum(self.weight * self.mean)


@pytree
class Forecaster:
    """Forecasts of a run's final loss, for use in and out of jitted loops.

    >>> forecaster = Forecaster(schedule=optax.cosine_decay_schedule(3e-4, 10_000))
    >>> state = forecaster.init()
    >>> state = forecaster.update(state, step, loss, lr)  # in the train step
    >>> forecaster.predict(state, 10_000).loss            # now and then

    Attributes:
        schedule: learning rate of a step, as optax has them; None: the rate stays as it is last.
        relaxation: how a drop of the rate takes hold, `MultiPower()` or `Tissue()`; None
            leaves schedules out: a power law in steps.
        bins: how many the state has (a multiple of 2).
        prior: what is known before the run.
        grid: cells along alpha, walk and noise.
    """

    schedule: Schedule | None = static(default=None)
    relaxation: Relaxation | None = static(default=MultiPower())
    bins: int = static(default=64)
    prior: Prior = static(default=Prior())
    grid: tuple[int, int, int] = static(default=(12, 6, 8))

    def init(self, dtype: Any = None) -> State:
        """Return the state before the first step."""
        empty = jnp.zeros(self.bins, dtype or jnp.result_type(float))
        zero = jnp.zeros((), jnp.int32)
        return State(zero + 1, zero, empty, empty, empty, empty)

    def update(self, state: State, step: Any, loss: Any, lr: Any = 1.0) -> State:
        """Take in the loss of a step; pure, a few microseconds in compiled code.

        Args:
            state: before.
            step: from 0; increasing, gaps are welcome.
            loss: a scalar, in any unit; one that is not finite is counted and left out.
            lr: the learning rate of this step.
        """
        step = jnp.asarray(step, jnp.int32)
        loss, lr = (jnp.asarray(x, state.loss.dtype) for x in (loss, lr))
        # Merge until the step fits: the bit length of how often the bins are over-full.
        merges = 32 - lax.clz(step // state.width // self.bins)
        state = lax.cond(merges > 0, _merge, lambda state, _: state, state, merges)
        k = step // state.width
        good = jnp.isfinite(loss) & (k >= 0) & (k < self.bins)
        here = (jnp.arange(self.bins) == k) & good
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

    def predict(self, state: State, final_step: Any, level: float = 0.9) -> Forecast:
        """Forecast the loss at `final_step`; pure.

        Args:
            state: what `update` returned.
            final_step: where the run ends; may be traced.
            level: of the interval.

        Returns:
            The forecast; NaN before the first finite loss. About a millisecond on a CPU core.
        """
        seen = _observations(state)
        walk, noise, log_prior, alpha = self._cells(state.loss.dtype)
        scale = jnp.abs(seen.loss[-1])
        columns, end, distance = self._columns(seen, final_step, scale, alpha)
        extra = jnp.zeros_like(seen.loss)
        for _ in range(2):  # the second time, what stood out the first time counts less
            passed = _kalman(columns, distance[:-1], seen, extra, walk, noise)
            cells = self._solve(passed, end, distance, walk, noise)
            log_weight = jnp.where(jnp.isnan(cells.log_evidence), -jnp.inf, cells.log_evidence)
            log_weight = log_weight + log_prior
            extra = _outlying(passed, cells, log_weight)
        weight = jax.nn.softmax(log_weight.ravel())
        mean, sd = (scale * x.ravel() for x in (cells.mean, cells.sd))
        known = jnp.any(seen.used)
        mean = jnp.where(known, mean, jnp.nan)
        forecast = Forecast(*jnp.zeros((3,), mean.dtype), weight, mean, sd)
        tail = 0.5 * (1 - level)
        lower, loss, upper = forecast.quantile(jnp.asarray([tail, 0.5, 1 - tail], mean.dtype))
        return Forecast(loss, lower, upper, weight, mean, sd)

    def _cells(self, dtype: Any) -> tuple[Array, Array, Array, Array]:
        """Return walk [M] and noise [M] of the cells, the log prior [M, A] and alpha [A]."""
        at = [jnp.linspace(-SPREADS, SPREADS, n, dtype=dtype) for n in self.grid]
        known = (self.prior.alpha, self.prior.walk, self.prior.noise)
        alpha, walk, noise = (
            middle * jnp.exp(spread * z) for (middle, spread), z in zip(known, at, strict=True)
        )
        a, w, n = at
        log_prior = -0.5 * (w[:, None, None] ** 2 + n[:, None] ** 2 + a**2)
        walk, noise = (x.ravel() for x in jnp.meshgrid(walk, noise, indexing="ij"))
        return walk, noise, log_prior.reshape(-1, len(alpha)), alpha

    def _columns(
        self, seen: _Seen, final_step: Any, scale: Array, alpha: Array
    ) -> tuple[Array, Array, Array]:
        """Return what each bin says of y, G and the powers [K, 2 + A], the same at the end [2 + A],
        and log S of the bins and the end [K + 1].
        """
        size, last = len(seen.step), seen.step[-1]
        final = jnp.maximum(jnp.asarray(final_step, last.dtype), last)
        steps = last + (final - last) * jnp.linspace(0, 1, FUTURE + 1, dtype=last.dtype)[1:]
        rate = seen.rate[-1] * jnp.ones_like(steps)
        if self.schedule is not None:
            rate = jnp.asarray(jax.vmap(self.schedule)(steps), last.dtype)
        steps, rate = (jnp.concatenate(x) for x in ((seen.step, steps), (seen.rate, rate)))
        at = jnp.append(jnp.arange(size), size + FUTURE - 1)
        if self.relaxation is None:
            S, gain = steps[at] + 1, jnp.zeros(size + 1, last.dtype)
        else:
            S = summed_rate(steps, rate)[at]
            gain = annealing_gain(self.relaxation, steps, rate, at) / jnp.max(rate)
        log_s = jnp.log(jnp.maximum(S, jnp.finfo(S.dtype).tiny))
        log_s = log_s - log_s[size - 1]
        powers = jnp.expm1(-alpha * log_s[:, None])
        loss = jnp.append(seen.loss / scale - 1, 0.0)
        columns = jnp.concatenate([loss[:, None], -gain[:, None], powers], axis=1)
        return columns[:-1], columns[-1], log_s

    def _solve(
        self, passed: _Pass, end: Array, distance: Array, walk: Array, noise: Array
    ) -> _Cells:
        """Solve every cell for its coefficients of G and of the power, and forecast [M, A]."""
        e, inverse = passed.innovation, 1 / passed.variance
        y, g, x = e[..., :1], e[..., 1:2], e[..., 2:]  # [K, M, 1 or A]

        def product(a: Array, b: Array) -> Array:
            return jnp.sum(a * b * inverse[..., None], axis=0)

        (a0, sa), (b0, sb) = self.prior.reducible, self.prior.gain
        xx, gg, xg = product(x, x) + sa**-2, product(g, g) + sb**-2, product(x, g)
        bx, bg = product(x, y) + a0 / sa**2, product(g, y) + b0 / sb**2
        determinant = xx * gg - xg * xg
        A = (gg * bx - xg * bg) / determinant
        B = (xx * bg - xg * bx) / determinant
        fit = product(y, y) + (a0 / sa) ** 2 + (b0 / sb) ** 2 - A * bx - B * bg
        log_variance = jnp.sum(jnp.log(passed.variance), axis=0)[:, None]
        log_evidence = -0.5 * (fit + log_variance + jnp.log(determinant))
        ahead = end - passed.level  # [M, 2 + A]
        g, x = ahead[:, 1:2], ahead[:, 2:]
        mean = 1 + passed.level[:, :1] + A * x + B * g
        walked = walk**2 * (distance[-1] - distance[-2]) + passed.uncertainty + noise**2
        solved = (gg * x * x - 2 * xg * x * g + xx * g * g) / determinant
        return _Cells(log_evidence, mean, jnp.sqrt(walked[:, None] + solved), A, B)


class _Seen(NamedTuple):
    """The bins in order [K]; empty ones repeat their neighbour and are not used."""

    used: Array
    count: Array
    step: Array
    loss: Array
    rate: Array


class _Pass(NamedTuple):
    """One Kalman pass over the columns of every cell."""

    innovation: Array  # [K, M, C]
    variance: Array  # [K, M] of the innovations; one where a bin is not used
    level: Array  # [M, C] the filtered level of each column
    uncertainty: Array  # [M] of that level, a variance


class _Cells(NamedTuple):
    """What every cell [M, A] says; relative to the current loss."""

    log_evidence: Array
    mean: Array
    sd: Array
    A: Array
    B: Array


def _merge(state: State, merges: Array) -> State:
    """Let 2^merges neighbours share a bin."""
    to = jnp.arange(len(state.count)) >> jnp.minimum(merges, 31)

    def total(x: Array) -> Array:
        return jnp.zeros_like(x).at[to].add(x)

    count = total(state.count)

    def mean(x: Array) -> Array:
        return total(state.count * x) / jnp.maximum(count, 1)

    means = (mean(x) for x in (state.step, state.loss, state.rate))
    return State(state.width << merges, state.skipped, count, *means)


def _observations(state: State) -> _Seen:
    """Return the bins; those before the learning rate's peak are not used."""
    filled = state.count > 0
    order = jnp.arange(len(filled))
    source = lax.cummax(jnp.where(filled, order, -1))
    source = jnp.where(source < 0, jnp.argmax(filled), source)
    step, loss, rate = (x[source] for x in (state.step, state.loss, state.rate))
    peak = jnp.argmax(rate >= NEARLY * jnp.max(rate))
    return _Seen(filled & (order >= peak), state.count, step, loss, rate)


def _kalman(
    columns: Array, log_s: Array, seen: _Seen, extra: Array, walk: Array, noise: Array
) -> _Pass:
    """Filter every column as a random walk in log S, seen with noise; one scan over the bins."""
    share = jnp.max(seen.count) / jnp.maximum(seen.count, 1)  # a half-filled bin is noisier
    apart = jnp.diff(log_s, prepend=log_s[:1])

    def bin_(carry: tuple[Array, Array], x: Any) -> tuple[Any, Any]:
        level, variance = carry
        row, used, share, extra, apart = x
        variance = variance + walk**2 * apart
        seen_with = variance + noise**2 * share + extra
        gain = jnp.where(used, variance / seen_with, 0.0)
        innovation = jnp.where(used, row - level, 0.0)
        out = innovation, jnp.where(used, seen_with, 1.0)
        return (level + gain[:, None] * innovation, (1 - gain) * variance), out

    start = jnp.zeros((len(walk), columns.shape[1]), columns.dtype), jnp.ones_like(walk)
    rows = (columns, seen.used, share, extra, apart)
    (level, uncertainty), (innovation, variance) = lax.scan(bin_, start, rows)
    return _Pass(innovation, variance, level, uncertainty)


def _outlying(passed: _Pass, cells: _Cells, log_weight: Array) -> Array:
    """Return the variance [K] that brings every innovation of the best cell to `OUTLYING`."""
    m, a = jnp.unravel_index(jnp.argmax(log_weight), log_weight.shape)
    e = passed.innovation[:, m]
    left = e[:, 0] - cells.B[m, a] * e[:, 1] - cells.A[m, a] * jnp.take(e, 2 + a, axis=1)
    variance = passed.variance[:, m]
    return jnp.maximum(left**2 / OUTLYING**2 - variance, 0.0)
