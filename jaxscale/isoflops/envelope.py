"""Approach 1: the sizes that lie lowest along the envelope of training curves.

By bins of log C the lowest loss at each budget, by the convex hull the corners of the hull of
(log C, log loss) from below. A smallest or largest size that wins says only that the best lies
beyond it, so such points are left out of the power law. Intervals draw runs with replacement.

Source: Hoffmann et al. 2022, arXiv:2203.15556, section 3.1; Kaplan et al. 2020, arXiv:2001.08361,
section 6.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxscale.isoflops.curves import TrainingCurve
from jaxscale.shown.blocks import Shown

PER_DECADE = 40
"""Bins of log C."""
DRAWS = 200
LEAST = 3
"""Different sizes that must win within the range of sizes."""


@dataclasses.dataclass(frozen=True)
class Envelope(Shown):
    """The points of an envelope, and N*(C) through them.

    Attributes:
        how: "bins" or "hull".
        log_C: [m] of the points used.
        log_N: [m] of the sizes that win there.
        loss: [m].
        left_out: points where the smallest or the largest size wins.
        draws: [B, 2] (intercept, exponent) of tables whose runs were drawn again; NaN where a
            draw has too few sizes.
        curves: the curves.
    """

    how: str
    log_C: np.ndarray
    log_N: np.ndarray
    loss: np.ndarray
    left_out: int
    draws: np.ndarray
    curves: tuple[TrainingCurve, ...]

    @property
    def line(self) -> tuple[float, float]:
        """Intercept and exponent of log N*(log C); NaN where too few sizes win."""
        found = _line(self.log_C, self.log_N)
        return float(found[0]), float(found[1])

    def log_at(self, log_C: float) -> tuple[float, np.ndarray]:
        """Return log N* at a budget, and the draws [B] of it."""
        a, b = self.line
        return a + b * log_C, self.draws[:, 0] + self.draws[:, 1] * log_C


def envelopes(curves: tuple[TrainingCurve, ...], seed: int = 0) -> tuple[Envelope, Envelope]:
    """Return the envelope of training curves by bins and by the convex hull.

    Args:
        curves: of several sizes.
        seed: of the draws of runs.
    """
    rng = np.random.default_rng(seed)
    low, high = min(c.log_C[0] for c in curves), max(c.log_C[-1] for c in curves)
    grid = np.linspace(low, high, max(int((high - low) / np.log(10) * PER_DECADE), 2))
    losses = np.array([np.nan_to_num(c.at(grid), nan=np.inf) for c in curves])
    corners = [_hull(c.log_C, np.log(c.loss)) for c in curves]
    size = np.log([c.N for c in curves])
    chosen = [np.arange(len(curves))]
    chosen += [np.unique(rng.integers(len(curves), size=len(curves))) for _ in range(DRAWS)]
    found = []
    for how in ("bins", "hull"):
        points = [
            _bins(grid, losses, some) if how == "bins" else _corners(curves, corners, some)
            for some in chosen
        ]
        kept = [_inner(*each, size, some) for each, some in zip(points, chosen, strict=True)]
        lines = np.array([_line(x, size[w]) for x, w, _ in kept[1:]])
        x, winner, loss = kept[0]
        gone = len(points[0][0]) - len(x)
        found.append(Envelope(how, x, size[winner], loss, gone, lines, curves))
    return found[0], found[1]


Points = tuple[np.ndarray, np.ndarray, np.ndarray]
"""log C [m], the number of the winning curve [m], its loss [m]."""


def _bins(grid: np.ndarray, losses: np.ndarray, some: np.ndarray) -> Points:
    few = losses[some]
    best = few.argmin(axis=0)
    loss = few[best, np.arange(len(grid))]
    kept = np.isfinite(loss)
    return grid[kept], some[best[kept]], loss[kept]


def _corners(
    curves: tuple[TrainingCurve, ...], corners: list[np.ndarray], some: np.ndarray
) -> Points:
    x = np.concatenate([curves[k].log_C[corners[k]] for k in some])
    y = np.concatenate([np.log(curves[k].loss[corners[k]]) for k in some])
    owner = np.concatenate([np.full(len(corners[k]), k) for k in some])
    hull = _hull(x, y)
    return x[hull], owner[hull], np.exp(y[hull])


def _hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the indices of the corners of the convex hull from below, in order of x."""
    kept: list[int] = []
    for k in np.lexsort((y, x)):
        while len(kept) > 1:
            a, b = kept[-2:]
            if (x[b] - x[a]) * (y[k] - y[a]) > (y[b] - y[a]) * (x[k] - x[a]):
                break
            kept.pop()
        if not (kept and x[kept[-1]] == x[k]):
            kept.append(int(k))
    while len(kept) > 1 and y[kept[-1]] >= y[kept[-2]]:  # beyond the lowest point it rises
        kept.pop()
    return np.array(kept, int)


def _inner(
    x: np.ndarray, winner: np.ndarray, loss: np.ndarray, size: np.ndarray, some: np.ndarray
) -> Points:
    """Leave out where the smallest or the largest size there is wins."""
    least, most = size[some].min(), size[some].max()
    inner = (size[winner] > least + 1e-9) & (size[winner] < most - 1e-9)
    return x[inner], winner[inner], loss[inner]


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    if len(np.unique(y)) < LEAST or np.ptp(x) == 0:
        return float("nan"), float("nan")
    away = x - x.mean()
    b = float(away @ y / (away @ away))
    return float(y.mean() - b * x.mean()), b
