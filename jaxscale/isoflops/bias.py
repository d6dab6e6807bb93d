"""What approach 2 gets wrong on a design, by the law that was fitted to it.

Valleys of a law are not symmetric, so a parabola through sizes far out, or more of them on one
side, is lowest beside the minimum. How far is worked out on the table's own sizes from the losses
that the law has there: without noise, and with noise as large as within the budgets.

Source: the bias was described by Czech et al. 2026, arXiv:2603.22339.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxscale.isoflops.lines import exact_minima
from jaxscale.isoflops.minima import Minima
from jaxscale.shown.blocks import shown

TABLES = 400


@shown
class Bias(NamedTuple):
    """By how much approach 2 misses log N* of the law that the tables were made from.

    Attributes:
        exact: without noise; NaN where the law has no minimum within the sizes of some budget.
        median: with noise.
        spread: half the range of two in three simulated tables.
        misses: [tables] of every table, NaN where it has no two minima.
    """

    exact: float
    median: float
    spread: float
    misses: np.ndarray

    def covered(self, half: float) -> float:
        """Return the share of simulated tables that an interval of that half width covers."""
        kept = self.misses[np.isfinite(self.misses)]
        return float((np.abs(kept) <= half).mean()) if len(kept) else float("nan")


def biases(
    found: Minima,
    losses: np.ndarray,
    log_C: np.ndarray,
    truth: np.ndarray,
    *,
    tables: int = TABLES,
    seed: int = 0,
) -> list[Bias]:
    """Return the bias of log N* at budgets [m].

    Args:
        found: the minima of the table.
        losses: [n] of the law at the table's runs.
        log_C: [m] logarithms of the budgets.
        truth: [m] logarithm of the law's own N* there.
        tables: how many are simulated.
        seed: of their noise.
    """
    rng = np.random.default_rng(seed)
    noise = np.nan_to_num(found.noise) * np.abs(losses)
    drawn = losses + noise * rng.standard_normal((tables, len(losses)))
    y = exact_minima(found, np.concatenate([losses[None], drawn]))
    if found.along == "D":  # along a valley one size is the other's mirror
        y = np.array([np.log(r.N) + np.log(r.D) for r in found.used]) - y
    made = []
    for miss in (_lines_at(np.log(found.compute), y, log_C) - truth).T:
        kept = miss[1:][np.isfinite(miss[1:])]
        exact = float(miss[0]) if np.isfinite(y[0]).all() else float("nan")
        low, middle, high = np.quantile(kept, [0.1587, 0.5, 0.8413]) if len(kept) else [np.nan] * 3
        made.append(Bias(exact, float(middle), float(high - low) / 2, miss[1:]))
    return made


def _lines_at(x: np.ndarray, y: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the lines [B, m] at places through the minima [B, K] that there are; NaN for one."""
    kept = np.isfinite(y)
    count = kept.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        middle = (kept * x).sum(axis=1, keepdims=True) / count
        away = kept * (x - middle)
        flat = np.where(kept, y, 0.0)
        slope = (away * flat).sum(axis=1, keepdims=True) / (away**2).sum(axis=1, keepdims=True)
        at: np.ndarray = flat.sum(axis=1, keepdims=True) / count + slope * (places - middle)
    return np.where(count > 1, at, np.nan)
