"""Intervals from draws and from standard errors: quantiles, percentile and BCa limits.

Plain NumPy on a handful of numbers. Nothing here knows what was drawn.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from jaxscale._numerics.student import NORMAL, student_t
from jaxscale.shown.blocks import Block, Shown
from jaxscale.text import count


@dataclasses.dataclass(frozen=True)
class Interval(Shown):
    """A confidence interval.

    Attributes:
        name: of the quantity.
        estimate: its value at the fit.
        low: lower limit; -inf where the data do not bound it.
        high: upper limit; inf where the data do not bound it.
        level: nominal coverage, e.g. .9.
        error: standard error; NaN where the method has none.
        method: how it was made, in words.
    """

    name: str
    estimate: float
    low: float
    high: float
    level: float
    error: float
    method: str

    def _blocks(self) -> list[Block]:
        sizes = self.name.startswith(("N*(", "D*("))
        each = (self.estimate, self.low, self.high)
        estimate, low, high = (count(x) if sizes else f"{x:.6g}" for x in each)
        return [f"{self.name} {estimate} [{low}, {high}] ({100 * self.level:g} %, {self.method})"]


def tail(level: float, freedom: float = math.inf, widening: float = 1.0) -> float:
    """Return the lower percentile of draws for a level, as a probability.

    Args:
        level: nominal coverage.
        freedom: degrees of freedom of the residuals; the normal quantile becomes Student's.
        widening: factor by which draws of this kind are too narrow, e.g. sqrt(n / (n - P)).

    Source: the expanded percentile interval of Hesterberg 2015, The American Statistician 69(4).
    """
    return NORMAL.cdf(-widening * student_t(0.5 + level / 2, freedom))


def percentile(draws: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the quantiles p and 1 - p of draws [B, ...] along the first axis.

    The k-th of B sorted draws stands for the quantile k / (B + 1), so that the coverage of few
    draws is that of many. Draws may be infinite.
    """
    return quantile(draws, p), quantile(draws, 1 - p)


def quantile(draws: np.ndarray, p: float) -> np.ndarray:
    """Return the quantile p of draws [B, ...] along the first axis, some of them infinite."""
    place = min(max(p * (len(draws) + 1) - 1, 0.0), len(draws) - 1.0)
    ordered, k = np.sort(draws, axis=0), int(place)
    below, above = ordered[k], ordered[min(k + 1, len(draws) - 1)]
    with np.errstate(invalid="ignore"):
        between = below + (above - below) * (place - k)
    found = np.where((below == above) | (place == k), below, between)
    return np.where(np.isnan(ordered[-1]), np.nan, found)


KINDS = ("percentile", "bca", "basic", "t")


def from_draws(
    estimate: float,
    draws: np.ndarray,
    level: float,
    kind: str = "percentile",
    *,
    freedom: float = math.inf,
    widening: float = 1.0,
    logarithmic: bool = False,
    left_out: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the limits of an interval that draws [B] state; NaN where they state none.

    Args:
        estimate: at the fit.
        draws: of the quantity; those that are NaN are left out, infinite ones count.
        level: nominal coverage.
        kind: one of `KINDS`.
        freedom: degrees of freedom of the residuals.
        widening: factor by which the draws are too narrow.
        logarithmic: whether "t" is symmetric on the logarithmic scale.
        left_out: for "bca", estimates [n] with one run left out.
    """
    some = draws[~np.isnan(draws)]
    if len(some) < 2 or (kind == "t" and np.isinf(some).any()):
        return math.nan, math.nan
    p = tail(level, freedom, widening)
    if kind == "bca":
        assert left_out is not None
        return bca(estimate, some, left_out, p)
    if kind == "t":
        error = float((np.log(some) if logarithmic else some).std(ddof=1))
        factor = widening * student_t(0.5 + level / 2, freedom)
        return symmetric(estimate, error, factor, logarithmic)
    if kind == "basic":
        return basic(estimate, some, p)
    low, high = percentile(some, p)
    return float(low), float(high)


def basic(estimate: float, draws: np.ndarray, p: float) -> tuple[float, float]:
    """Return the percentile limits of draws, reflected at the estimate.

    Args:
        estimate: at the fit.
        draws: [B].
        p: lower percentile.
    """
    low, high = percentile(draws, p)
    return 2 * estimate - float(high), 2 * estimate - float(low)


def bca(estimate: float, draws: np.ndarray, left_out: np.ndarray, p: float) -> tuple[float, float]:
    """Return bias-corrected and accelerated limits.

    Args:
        estimate: at the fit.
        draws: [B].
        left_out: [n] estimates with one run (or one group) left out.
        p: lower percentile of the uncorrected interval.

    Source: Efron 1987, JASA 82(397).
    """
    below = (np.sum(draws < estimate) + 0.5 * np.sum(draws == estimate)) / len(draws)
    bias = NORMAL.inv_cdf(float(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws))))
    pull = left_out.mean() - left_out
    square = float(np.sum(pull**2))
    acceleration = float(np.sum(pull**3)) / (6 * square**1.5) if square > 0 else 0.0
    limits = []
    for z in (NORMAL.inv_cdf(p), -NORMAL.inv_cdf(p)):
        shifted = bias + z
        room = 1 - acceleration * shifted
        level = NORMAL.cdf(bias + shifted / room) if room > 0 else float(z > 0)
        limits.append(float(quantile(draws, level)))
    return limits[0], limits[1]


def symmetric(
    estimate: float, error: float, factor: float, logarithmic: bool
) -> tuple[float, float]:
    """Return estimate -+ factor times error, on the logarithmic scale where that is asked for.

    Args:
        estimate: at the fit.
        error: standard error of the quantity, or of its logarithm.
        factor: quantile of Student's t.
        logarithmic: whether the error is that of the logarithm.
    """
    if logarithmic:
        with np.errstate(over="ignore"):
            low, high = estimate * np.exp([-factor * error, factor * error])
        return float(low), float(high)
    return estimate - factor * error, estimate + factor * error
