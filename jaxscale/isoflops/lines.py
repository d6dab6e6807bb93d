"""N*(C) or D*(C) as a power law through the minima of the budgets, with its interval.

What the runs of a budget share, one learning rate that was off, lifts a valley as a whole and
leaves its minimum where it is. So residuals are drawn within budgets, the polynomials fitted
again, and the spread of each minimum is known from the noise of all budgets. The scatter of the
minima about the line is a second look at the same noise, on K - 2 degrees of freedom: both are
pooled where they agree, and where the scatter is the larger it alone counts.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from jaxscale._numerics.student import NORMAL, student_t
from jaxscale.isoflops.minima import Minima, Minimum
from jaxscale.isoflops.valleys import Valley, lowest
from jaxscale.shown.blocks import Shown

DRAWS = 1000
EXCESS = 0.05
"""The p from which minima scatter about their line more than the noise within budgets explains."""
KEPT = 0.5
"""Share of the draws of a budget that must have a minimum for its spread to be known."""


@dataclasses.dataclass(frozen=True)
class Line(Shown):
    """A power law through minima.

    Attributes:
        x: [K] log C of the budgets.
        y: [K] log of the best size.
        error: [K] standard errors of y from the noise within budgets; NaN where that is unknown.
        freedom: what the noise rests on.
    """

    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    freedom: float

    @functools.cached_property
    def slope(self) -> float:
        """The exponent of C."""
        away = self.x - self.x.mean()
        return float(away @ self.y / (away @ away))

    @functools.cached_property
    def residual(self) -> np.ndarray:
        """Minima [K] about the line, in logarithm."""
        away = self.x - self.x.mean()
        found: np.ndarray = self.y - self.y.mean() - self.slope * away
        return found

    def log_at(self, log_C: float) -> float:
        """Return the logarithm of the best size."""
        return float(self.y.mean() + self.slope * (log_C - self.x.mean()))

    @functools.cached_property
    def scale(self) -> tuple[np.ndarray, float]:
        """Variances [K] of the minima, and the degrees of freedom that they rest on."""
        K = len(self.x)
        spare, noise = K - 2, self.error**2
        known = bool(self.freedom >= 1 and np.isfinite(noise).all() and (noise > 0).all())
        scatter = float(self.residual @ self.residual)
        if not known:
            if spare < 1:
                return np.full(K, math.inf), 1.0
            return np.full(K, scatter / spare), float(spare)
        if spare < 1:
            return noise, self.freedom
        relative = float(self.residual**2 @ (1 / noise))
        if self.excess < EXCESS:
            return np.full(K, scatter / spare), float(spare)
        pooled = (relative + self.freedom) / (spare + self.freedom)
        return noise * pooled, spare + self.freedom

    @functools.cached_property
    def excess(self) -> float:
        """The p of a test that minima scatter no more than the noise within budgets has them."""
        spare = len(self.x) - 2
        if spare < 1 or not np.isfinite(self.error).all() or self.freedom < 1:
            return 1.0
        relative = float(self.residual**2 @ (1 / np.maximum(self.error, 1e-12) ** 2)) / spare
        rng = np.random.default_rng(0)
        drawn = rng.chisquare(spare, 20_000) / spare
        drawn = drawn / (rng.chisquare(self.freedom, 20_000) / self.freedom)
        return float((drawn >= relative).mean())

    def spread(self, log_C: float | None) -> tuple[float, float]:
        """Return standard error and degrees of freedom of the logarithm at C, or of the slope."""
        away = self.x - self.x.mean()
        weight = away / (away @ away)
        if log_C is not None:
            weight = weight * (log_C - self.x.mean()) + 1 / len(self.x)
        variance, freedom = self.scale
        with np.errstate(invalid="ignore"):
            return math.sqrt(float(weight**2 @ variance)), freedom

    def interval(
        self, log_C: float | None, level: float, bias: float = 0.0
    ) -> tuple[float, float, float]:
        """Return (estimate, low, high) of the logarithm of the size at C, or of the exponent.

        Args:
            log_C: where; None for the exponent.
            level: nominal coverage.
            bias: what the estimate may be off by, which the interval allows for.
        """
        center = self.slope if log_C is None else self.log_at(log_C)
        error, freedom = self.spread(log_C)
        half = reach(error, freedom, level, bias)
        return center, center - half, center + half


def reach(error: float, freedom: float, level: float, bias: float) -> float:
    """Return the half width of an interval that covers in spite of a bias of that size.

    Args:
        error: standard error.
        freedom: its degrees of freedom.
        level: nominal coverage.
        bias: of the estimate.

    Source: Armstrong and Kolesar 2018, Econometrica 86(2), equation 8, with Student's quantile.
    """
    if not math.isfinite(error):
        return math.inf
    t, z = student_t(0.5 + level / 2, freedom), NORMAL.inv_cdf(0.5 + level / 2)
    off = abs(bias)
    if not error > 0:
        return off
    shift, low, high = off / error, 0.0, off / error + z
    for _ in range(60):
        middle = (low + high) / 2
        covered = NORMAL.cdf(middle - shift) - NORMAL.cdf(-middle - shift)
        low, high = (middle, high) if covered < level else (low, middle)
    return error * (low - z + t)


def resampled(found: Minima, draws: int = DRAWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return minima [draws, K] of tables whose residuals were drawn again within budgets.

    Residuals are freed from the fit, brought to the loss of their budget, and drawn from all of
    them: a budget of five runs knows too little of its own.

    Args:
        found: the minima.
        draws: how many tables.
        seed: of the draws.

    Returns:
        Logarithms of the best size along the valleys, NaN where a draw has no interior minimum;
        and the share [K] of such draws.
    """
    used = found.used
    rng = np.random.default_rng(seed)
    pool = np.concatenate([_freed(row, found) / row.scale for row in used])
    pool = pool - pool.mean()
    size = math.sqrt(float(pool @ pool) / len(pool))
    pool = pool * (found.noise / size if size > 0 else 0.0)
    y = np.empty((draws, len(used)))
    for k, row in enumerate(used):
        valley = row.valley
        assert valley is not None
        at = valley.predicted(row.coefficients)
        noise = row.scale * pool[rng.integers(len(pool), size=(draws, len(at)))]
        y[:, k] = valley.middle + valley.half * lowest(valley.fit(at + noise)).u
    return y, np.isnan(y).mean(axis=0)


def _freed(row: Minimum, found: Minima) -> np.ndarray:
    """Return the residuals [n] of a budget over the square root of what the fit leaves of them."""
    valley = row.valley
    assert valley is not None
    center = (row.log_size(found.along) - valley.middle) / valley.half
    spare = valley.spare(center)
    r = found.runs.loss[row.rows] - valley.predicted(row.coefficients)
    near = (valley.weights(np.asarray(center)) > 0.2) & (spare > 1e-6)
    return np.asarray(r[near] / np.sqrt(spare[near]))


def lines(found: Minima, seed: int = 0) -> tuple[dict[str, Line], np.ndarray]:
    """Return the power laws of N* and D* with their errors, and the share [K] of lost draws.

    Args:
        found: the minima; two budgets or more that have one.
        seed: of the draws.
    """
    used = found.used
    known = found.freedom >= 1 and found.noise > 0
    error, lost = np.full(len(used), math.nan), np.zeros(len(used))
    if known:
        y, lost = resampled(found, seed=seed)
        for k in range(len(used)):
            kept = y[np.isfinite(y[:, k]), k]
            if len(kept) >= KEPT * len(y):  # half the range of two in three: no tail decides
                error[k] = np.subtract(*np.quantile(kept, [0.8413, 0.1587])) / 2
            else:
                error[k] = used[k].error
    x = np.log(found.compute)
    made = {}
    for name in ("N", "D"):
        size = np.array([row.log_size(name) for row in used])
        made[name] = Line(x, size, error, found.freedom)
    return made, lost


def exact_minima(found: Minima, losses: np.ndarray) -> np.ndarray:
    """Return minima [..., K] of the budgets used under other losses [..., n] of the same runs.

    Args:
        found: the minima of the table.
        losses: of all its runs.
    """
    y = []
    for row in found.used:
        valley = row.valley
        assert isinstance(valley, Valley)
        y.append(valley.middle + valley.half * lowest(valley.fit(losses[..., row.rows])).u)
    return np.stack(y, axis=-1)
