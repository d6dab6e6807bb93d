"""The figure of laws fitted to small runs and judged on larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from jaxscale.plotting.canvas import axes_or_new, drawing
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import LABELS, log_axis, widened

if TYPE_CHECKING:
    from jaxscale.comparison.held_out import HeldOut
    from jaxscale.comparison.result import Comparison
MARKS = "osD^vPX*"


def plot_rollout(found: Comparison | HeldOut, ax: Axes | None = None) -> Axes:
    """Plot how far off each law is against how far it extrapolates.

    Args:
        found: what `rollout` or `compare` returned.
        ax: axes to draw into; default a new figure, 7.2 by 3.8 inches.

    Returns:
        The axes; height is the mean absolute error of log loss over the runs that each window
        has not seen. Windows that do not count in the ranking are hollow.

    Raises:
        ValueError: a comparison has no rollout, or the held-out runs are folds or groups.
    """
    held: Any = getattr(found, "held", {"rollout": found}).get("rollout")
    if held is None or held.split.kind != "window":
        raise ValueError("this figure needs a rollout: expanding windows along a size")
    split, score, shared = held.split, 100 * held.score(), held.shared
    errors = 100 * held.by_window()
    with drawing(ax):
        ax = axes_or_new(ax, (7.2, 3.8))
        sort = np.argsort(split.factor, kind="stable")
        for place, k in enumerate(held.order()):
            color, marker = COLORS.of_laws[place % 8], MARKS[place % 8]
            each = np.isfinite(errors[k, sort])
            x, y, counts = (v[each] for v in (split.factor[sort], errors[k, sort], shared[sort]))
            name = as_written(held.laws[k], 32)
            text = f"{name}  {score[k]:.2g} %" if score[k] >= 0 else name
            ax.plot(x, y, color=color, lw=1.2, marker=marker, ms=5, zorder=4, label=text)
            ax.plot(x[~counts], y[~counts], marker, ms=5, mfc=COLORS.paper, mec=color, zorder=5)
        good = errors[np.isfinite(errors) & (errors > 0)]
        log_axis(ax, "y", *widened(good))
        log_axis(ax, "x", split.factor.min(), split.factor.max(), "factor")
        by = LABELS.get(split.by) or as_written(split.by)
        ax.set_xlabel(f"largest predicted / largest fitted {by}".replace(" (FLOPs)", ""))
        ax.set_ylabel("mean |log error| of larger runs (%)")
        title = "mean over the runs (filled windows)"
        ax.legend(title=title, loc="upper left", bbox_to_anchor=(1, 1), alignment="left")
    return ax
