"""Regression with a level that wanders: the statistics behind a forecast.

What a run has shown is explained, relative to its current loss, by

    y(s) = E + A S^-alpha - B G(s) + w(log S) + noise,

w a random walk. For given alpha, size of the walk and size of the noise, all else is linear and
Gaussian: one Kalman pass over the bins whitens every column at once, and A and B solve a 2 x 2
system with their prior. A grid over the three others, and over forms of G, is a mixture of such
solutions, each weighed by its evidence. Pure JAX; float32 is enough, losses enter as y - 1.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale._numerics.pytree import pytree, static
from jaxscale._numerics.roots import root
from jaxscale.shown.blocks import Shown, shown

SLIGHT = 1e-3
"""Misfit of a bin, of the present loss, that is no surprise: curves without noise have one too."""
LOUD = 1.5
"""The largest noise of the grid is at least so many times that which is seen between bins."""
OUTLYING = 3.0
"""Innovations beyond so many standard deviations count less."""

FEW = 8
"""Bins below which nothing is said of their noise."""
SPREADS = 2.2
"""Prior spreads that the grid reaches to each side."""


@pytree
class Prior(Shown):
    """What is known before the run, relative to its current loss; static.

    Each pair is a middle and a spread; the spread of `alpha`, `walk` and `noise` is in e-folds.
    The defaults were chosen in view of the runs of `benchmarks.forecasts`, 4e3 to 1e9 parameters; a
    prior that is learned from finished runs of the same recipe is sharper, above all in `gain`.

    Attributes:
        alpha: exponent of the summed rate.
        reducible: A S^-alpha now: what endless training at this rate would win.
        gain: B: what lowering the rate from its peak to zero wins.
        walk: standard deviation of the walk over one e-fold of S.
        noise: standard deviation of one bin of losses.
    """

    alpha: tuple[Any, Any] = static(default=(0.4, 0.5))
    reducible: tuple[Any, Any] = static(default=(0.3, 0.2))
    gain: tuple[Any, Any] = static(default=(0.1, 0.08))
    walk: tuple[Any, Any] = static(default=(0.004, 1.0))
    noise: tuple[Any, Any] = static(default=(0.001, 1.3))


@shown
class Evidence(NamedTuple):
    """What a run has shown, in bins [K], the end appended where it has a say [K + 1]."""

    used: Array  # [K] bins that count
    share: Array  # [K] noise of each bin, as a multiple of the variance of a full one
    loss: Array  # [K] over `scale`, minus one
    log_s: Array  # [K + 1] log S, zero at the last bin
    gain: Array  # [K + 1, G] the rate's drops so far, in units of its peak, one per form
    scale: Array  # the current loss
    log_step: Array  # [K + 1] log of steps, zero at the last bin
    blur: Array  # [K] half the variance of S within a bin, over its square


@shown
class Mixture(NamedTuple):
    """Normal distributions of the loss at the end, one per cell [M].

    What they have below the floor, zero for a loss that was positive so far, lies on it.
    """

    weight: Array
    mean: Array
    sd: Array
    floor: Any = -math.inf

    def below(self, loss: Any) -> Array:
        """Return the probability of less than `loss`; elementwise."""
        loss = jnp.asarray(loss, self.mean.dtype)
        return jnp.where(loss > self.floor, self._below(loss), 0.0)

    def _below(self, loss: Array) -> Array:
        z = (loss[..., None] - self.mean) / self.sd
        total = jnp.sum(self.weight * 0.5 * lax.erfc(-z * 0.5**0.5), axis=-1)
        return jnp.minimum(total, 1)  # weights add up to 1 but for their rounding

    def quantile(self, p: Any) -> Array:
        """Return the loss below which lies probability `p`; elementwise, NaN unless 0 < p < 1."""
        p = jnp.asarray(p, self.mean.dtype)
        center = jnp.sum(self.weight * self.mean)
        far = jnp.max(jnp.abs(self.mean - center) + 8 * self.sd)
        like = jnp.zeros_like(p * center)
        t = root(lambda t: self._below(center + far * t) - p, -1.0, 1.0, like)
        return jnp.where((p > 0) & (p < 1), jnp.maximum(center + far * t, self.floor), jnp.nan)


@shown
class Explained(NamedTuple):
    """What the cells of a grid make of a run.

    Attributes:
        mixture: of the loss at the end.
        surprise: [K] innovations of the best cell in its standard deviations, `SLIGHT` at least,
            before those that stand out count less; zero where a bin is not used.
    """

    mixture: Mixture
    surprise: Array


class _Cells(NamedTuple):
    """The grid: walk and noise [M], alpha [A], log prior [M, 1, A]."""

    walk: Array
    noise: Array
    alpha: Array
    log_prior: Array


class _Pass(NamedTuple):
    """One Kalman pass over the columns of every cell."""

    innovation: Array  # [K, M, C]
    variance: Array  # [K, M] of the innovations; one where a bin is not used
    level: Array  # [M, C] the filtered level of each column
    uncertainty: Array  # [M] of that level, a variance


class _Solved(NamedTuple):
    """What every cell [M, G, A] says."""

    log_evidence: Array
    mean: Array
    sd: Array
    A: Array
    B: Array


def forecast_mixture(seen: Evidence, prior: Prior, grid: tuple[int, int, int]) -> Mixture:
    """Return what the cells of a grid over alpha, walk and noise say of the end; see `explain`.

    Args:
        seen: what a run has shown in K bins, and G forms of the gain.
        prior: what is known before the run.
        grid: cells along alpha, walk and noise.
    """
    return explain(seen, prior, grid).mixture


def explain(seen: Evidence, prior: Prior, grid: tuple[int, int, int]) -> Explained:
    """Return what the cells of a grid over alpha, walk and noise make of a run.

    Pure and differentiable, in the numbers of the prior as well.

    Args:
        seen: what a run has shown in K bins, and G forms of the gain.
        prior: what is known before the run.
        grid: cells along alpha, walk and noise.

    Returns:
        The mixture has as many components as there are cells times forms.

    Cost: two scans over the bins.
    """
    cells = _cells(_louder(prior, seen), grid, seen.loss.dtype)
    # The mean of a power over a bin is above the power at its mean: S^-a (1 + a (a + 1) blur).
    a, blur = cells.alpha, jnp.append(seen.blur, 0.0)[:, None]
    slope = -a * seen.log_s[:, None]
    powers = jnp.expm1(slope) + a * (a + 1) * blur * jnp.exp(slope)
    largest = jnp.max(jnp.where(seen.used[:, None], powers[:-1], 1.0), axis=0)  # no overflow
    largest = jnp.where(largest > 0, largest, 1.0)  # zero where S never rose, or of a single bin
    loss = jnp.append(seen.loss, 0.0)
    columns = jnp.concatenate([loss[:, None], -seen.gain, powers / largest], axis=1)
    surprise = extra = jnp.zeros_like(seen.loss)
    for again in range(2):  # the second time, what stood out the first time counts less
        passed = _kalman(columns[:-1], seen, extra, cells)
        solved = _solve(passed, columns[-1] - passed.level, seen, cells, (prior, largest))
        evidence = jnp.where(jnp.isnan(solved.log_evidence), -jnp.inf, solved.log_evidence)
        log_weight = evidence + cells.log_prior
        if not again:
            left, variance = _left(passed, solved, log_weight)
            extra = jnp.maximum(left**2 / OUTLYING**2 - variance, 0.0)
            surprise = left / jnp.sqrt(variance + SLIGHT**2)
    mean = jnp.where(jnp.any(seen.used), seen.scale * solved.mean, jnp.nan)
    weight, sd = jax.nn.softmax(log_weight.ravel()), (seen.scale * solved.sd).ravel()
    positive = jnp.all(jnp.where(seen.used, seen.loss > -1, True))
    floor = jnp.where(positive, 0.0, -jnp.inf).astype(sd.dtype)
    return Explained(Mixture(weight, mean.ravel(), sd, floor), surprise)


def _louder(prior: Prior, seen: Evidence) -> Prior:
    """Return a prior whose largest noise is that of the run, where the run is the noisier.

    The walk grows with it: what of a small batch is no noise from step to step wanders.
    """
    times = lax.stop_gradient(LOUD * noise_between(seen) / _largest(prior.noise))
    (walk, wide), (noise, spread) = prior.walk, prior.noise
    times = jnp.maximum(times, 1.0)
    return dataclasses.replace(prior, walk=(walk * times, wide), noise=(noise * times, spread))


def _largest(pair: tuple[Any, Any]) -> Any:
    return pair[0] * jnp.exp(SPREADS * pair[1])


def noise_between(seen: Evidence) -> Array:
    """Return the standard deviation of a full bin [], from how bins differ from both neighbours.

    A slope does not count. The median over the bins after the first quarter, so that neither a
    steep beginning nor a jump does; zero where there are fewer than `FEW`.
    """
    order = jnp.argsort(~seen.used, stable=True)
    share, loss = seen.share[order], seen.loss[order]
    number, at = jnp.sum(seen.used), jnp.arange(len(loss))
    apart = loss - 0.5 * (jnp.roll(loss, 1) + jnp.roll(loss, -1))
    apart /= jnp.sqrt(share + 0.25 * (jnp.roll(share, 1) + jnp.roll(share, -1)))
    inside = (at > number // 4) & (at > 0) & (at < number - 1) & (number >= FEW)
    return 1.4826 * jnp.nan_to_num(jnp.nanmedian(jnp.where(inside, jnp.abs(apart), jnp.nan)))


def _cells(prior: Prior, grid: tuple[int, int, int], dtype: Any) -> _Cells:
    a, w, n = (jnp.linspace(-SPREADS, SPREADS, size, dtype=dtype) for size in grid)
    alpha, walk, noise = (
        middle * jnp.exp(spread * z)
        for (middle, spread), z in ((prior.alpha, a), (prior.walk, w), (prior.noise, n))
    )
    log_prior = -0.5 * (w[:, None, None] ** 2 + n[:, None] ** 2 + a**2)
    walk, noise = (x.ravel() for x in jnp.meshgrid(walk, noise, indexing="ij"))
    return _Cells(walk, noise, alpha, log_prior.reshape(-1, 1, len(alpha)))


def _kalman(columns: Array, seen: Evidence, extra: Array, cells: _Cells) -> _Pass:
    """Filter every column as a random walk in log S, seen with noise.

    With m the level, P its variance (both before bin k), and d the change of log S since the bin
    before, every bin that is used takes

        P <- P + walk² d                              the walk goes on
        v  = P + noise² share_k + extra_k             variance of the innovation
        e  = column_k - m                             innovation
        m <- m + (P / v) e,   P <- (1 - P / v) P      the filter

    The start is m = 0 and P = 1, which is as good as unknown: losses are relative to the present
    one. P and v depend on the cell alone, so that all columns share them, and e / sqrt(v) is the
    column whitened.

    Args:
        columns: [K, C], losses, forms of the gain and powers.
        seen: which bins are used, their share of the noise, and log S.
        extra: [K] variance added to a bin that stands out.
        cells: the grid, M cells of walk and noise.
    """
    log_s = seen.log_s[:-1]
    apart = jnp.diff(log_s, prepend=log_s[:1])

    def one_bin(carry: tuple[Array, Array], x: Any) -> tuple[Any, Any]:
        level, variance = carry
        row, used, share, extra, apart = x
        variance = variance + cells.walk**2 * apart
        seen_with = variance + cells.noise**2 * share + extra
        gain = jnp.where(used, variance / seen_with, 0.0)
        innovation = jnp.where(used, row - level, 0.0)
        out = innovation, jnp.where(used, seen_with, 1.0)
        return (level + gain[:, None] * innovation, (1 - gain) * variance), out

    zero = jnp.where(seen.used[0], 0.0, 0.0)  # varies over a mesh where the run does
    level = jnp.zeros((len(cells.walk), columns.shape[1]), columns.dtype) + zero
    start = level.astype(columns.dtype), jnp.ones_like(cells.walk) + zero.astype(columns.dtype)
    rows = (columns, seen.used, seen.share, extra, apart)
    (level, uncertainty), (innovation, variance) = lax.scan(one_bin, start, rows)
    return _Pass(innovation, variance, level, uncertainty)


def _solve(
    passed: _Pass, to_come: Array, seen: Evidence, cells: _Cells, known: tuple[Prior, Array]
) -> _Solved:
    """Solve every cell for A and B, and forecast the end.

    Let y, g and x be the innovations of the losses, of minus a form of the gain, and of a power,
    and <u, v> = sum_k u_k v_k / variance_k. Given the cell, the innovations are independent,

        y ~ Normal(A x + B g, variance),  A ~ Normal(a0, sa²),  B ~ Normal(b0, sb²),

    so that A and B solve

        | xx  xg | |A|   |bx|     xx = <x, x> + 1/sa²,  bx = <x, y> + a0/sa²
        | xg  gg | |B| = |bg|     gg = <g, g> + 1/sb²,  bg = <g, y> + b0/sb²,  xg = <x, g>.

    Eliminating A leaves rest = gg - xg²/xx:

        B = (bg - xg bx / xx) / rest,   A = (bx - xg B) / xx.

    The evidence is the density of y with A and B integrated out, up to a constant:

        -2 log evidence = unexplained + sum_k log variance_k + log(xx rest) + 2 log(sa sb),
        unexplained = <y, y> + a0²/sa² + b0²/sb² - A bx - B bg.

    From the last bin to the end the columns change by x', g' of `to_come`, seen from the filtered
    level m of the losses, whose variance is u:

        mean = 1 + m + A x' + B g'
        sd²  = walk² ahead + u + noise² + x'²/xx + (g' - xg x'/xx)² / rest + d²/12,

    d being what the mean changes by from one alpha of the grid to the next: where a run is so quiet
    that a single cell explains it, its alpha lies anywhere between the neighbours.

    Args:
        passed: the Kalman pass.
        to_come: [M, C] change of the columns to the end, from their filtered levels.
        seen: log S, whose last step is `ahead`, and how many forms of the gain there are.
        cells: the grid.
        known: the prior, and what the columns of powers [A] were divided by: A, a0 and sa are in
            units of it.
    """
    prior, largest = known
    inverse, cuts = 1 / passed.variance, (1, 1 + seen.gain.shape[1])

    def product(a: Array, b: Array) -> Array:
        return jnp.sum(a * b * inverse[..., None, None], axis=0)

    def split(columns: Array) -> tuple[Array, Array, Array]:  # y, G and powers: [M, G, A]
        y, g, x = jnp.split(columns, cuts, axis=-1)
        return y[..., None], g[..., None], x[..., None, :]

    y, g, x = split(passed.innovation)
    (a0, sa), (b0, sb) = prior.reducible, prior.gain
    a0, sa = a0 * largest, sa * largest
    xx, gg, xg = product(x, x) + 1 / sa**2, product(g, g) + 1 / sb**2, product(x, g)
    bx, bg = product(x, y) + a0 / sa**2, product(g, y) + b0 / sb**2
    # `rest` is at least 1 / sb²: rounding must not take more of it than the prior gave.
    rest = jnp.maximum(gg - xg * xg / xx, 1 / sb**2)
    B = (bg - xg * bx / xx) / rest
    A = (bx - xg * B) / xx
    unexplained = product(y, y) + (a0 / sa) ** 2 + (b0 / sb) ** 2 - A * bx - B * bg
    log_variance = jnp.sum(jnp.log(passed.variance), axis=0)[:, None, None]
    log_evidence = -0.5 * (unexplained + log_variance + jnp.log(xx) + jnp.log(rest))
    log_evidence -= jnp.log(sa) + jnp.log(sb)
    _, g, x = split(to_come)
    mean = 1 + passed.level[:, :1, None] + A * x + B * g
    ahead = seen.log_s[-1] - seen.log_s[-2]
    walked = cells.walk**2 * ahead + passed.uncertainty + cells.noise**2
    unsure = x * x / xx + (g - xg * x / xx) ** 2 / rest
    if mean.shape[-1] > 1:
        unsure += jnp.square(jnp.asarray(jnp.gradient(mean, axis=-1))) / 12
    return _Solved(log_evidence, mean, jnp.sqrt(walked[:, None, None] + unsure), A, B)


def _left(passed: _Pass, solved: _Solved, log_weight: Array) -> tuple[Array, Array]:
    """Return the innovations of the best cell that its law leaves [K], and their variances [K]."""
    m, g, a = jnp.unravel_index(jnp.argmax(log_weight), log_weight.shape)
    e, (forms, alphas) = passed.innovation[:, m], solved.B.shape[1:]

    def left(a: Array) -> Array:
        rest = e[:, 0] - solved.B[m, g, a] * jnp.take(e, 1 + g, axis=1)
        return rest - solved.A[m, g, a] * jnp.take(e, 1 + forms + a, axis=1)

    # As in the forecast, alpha lies anywhere between the neighbours.
    below, above = jnp.maximum(a - 1, 0), jnp.minimum(a + 1, alphas - 1)
    between = (left(above) - left(below)) / jnp.maximum(above - below, 1)
    return lax.stop_gradient((left(a), passed.variance[:, m] + between**2 / 12))
