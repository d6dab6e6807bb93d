"""The figure of the compute multiplier of two recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from jaxscale.plotting.canvas import axes_or_new, drawing
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import LABELS, log_axis, widened

if TYPE_CHECKING:
    from jaxscale.recipes.multiplier import Multiplier
MUCH = 100.0
"""Factor around a multiplier that its figure shows at most."""


def plot_multiplier(found: Multiplier, ax: Axes | None = None) -> Axes:
    """Plot the compute multiplier of one recipe over another against compute.

    Args:
        found: what `compute_multiplier` returned.
        ax: axes to draw into; default a new figure, 5.4 by 3.6 inches.

    Returns:
        The axes; the band is the interval, cut at the top where recipe A may never get there.
    """
    order = np.argsort(found.compute, kind="stable")
    x, y, low, high = (v[order] for v in (found.compute, found.factor, found.low, found.high))
    seen = np.concatenate([y, low, high, [1.0]])
    seen = seen[np.isfinite(seen) & (seen > 0)]
    bottom, top = widened(seen)
    endless = ~np.isfinite(high) & np.isfinite(low)
    usual = y[np.isfinite(y)]
    if len(usual):  # an interval without end must not flatten the curve
        bottom = max(bottom, min(usual.min(), 1.0) / MUCH)
        top = min(3 * top if endless.any() else top, max(usual.max(), 1.0) * MUCH)
    with drawing(ax):
        ax = axes_or_new(ax, (5.4, 3.6))
        edges = np.where(endless, top, high), np.where(np.isfinite(low), low, np.nan)
        label = f"{100 * found.level:g} % interval"
        ax.fill_between(x, *edges, color=COLORS.wide, lw=0, zorder=1, label=label)
        y = np.where(np.isfinite(y), y, np.nan)
        ax.plot(x, y, color=COLORS.law, lw=1.4, marker="o", ms=3.5, zorder=3, label="multiplier")
        ax.axhline(1, color=COLORS.ink, lw=0.8, zorder=2)
        if endless.any():
            share = f"A never gets there in up to {100 * np.nanmax(found.never):.2g} % of the draws"
            ax.plot(
                x[endless],
                np.full(endless.sum(), top / 1.1),
                "^",
                color=COLORS.ink,
                ms=4,
                label=share,
            )
        log_axis(ax, "x", x.min(), x.max(), found.scale)
        log_axis(ax, "y", bottom, top)
        ax.set_xlabel(f"{LABELS.get(found.scale) or as_written(found.scale)} of recipe B")
        ax.set_ylabel(f"{as_written(found.scale, 16)} of recipe A for the same loss / that of B")
        how = f"{found.draws:,} {'paired' if found.paired else 'independent'} draws"
        ax.set_title(f"Compute multiplier of B over A, {how}")
        ax.legend(loc="best")
    return ax
