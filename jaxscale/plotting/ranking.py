"""The figure of a bench for laws: where each stands, over all trials and by what they reach for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from jaxscale.plotting.canvas import axes_or_new, drawing
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import round_axis
from jaxscale.text import many

if TYPE_CHECKING:
    from jaxscale.ranking.result import Ranking
MARKS = "sD^vPX"


def plot_ranking(found: Ranking, ax: Axes | None = None) -> Axes:
    """Plot the relative error of every law with its interval, the best at the top.

    Args:
        found: what `rank` returned.
        ax: axes to draw into; default a new figure, 7.2 inches wide, as high as the laws need.

    Returns:
        The axes; to the right is worse, and the line is the baseline. Small marks are the means
        over the trials along one size each; a proposed law has a color of its own, and a law that
        applies to fewer than half of the trials a hollow mark.

    Raises:
        ValueError: no law has a place.
    """
    s = found.standing
    ranked = np.flatnonzero(s.shared > 0)
    if len(ranked) == 0:
        raise ValueError("no law of this ranking applies to a trial")
    with drawing(ax):
        ax = axes_or_new(ax, (7.2, 1.4 + 0.2 * len(ranked)))
        ax.axvline(1, color=COLORS.muted, lw=0.8, zorder=1)
        for height, k in enumerate(ranked):
            color = COLORS.law if found.places[k].proposed else COLORS.run
            if np.isfinite(s.low[k]):
                ax.plot([s.low[k], s.high[k]], [height] * 2, color=color, lw=1.6, zorder=3)
            full = (
                dict(mfc=color, mec=COLORS.paper, mew=0.5)
                if s.rank[k]
                else dict(mfc=COLORS.paper, mec=color)
            )
            look: Any = dict(ms=5.5, zorder=5, **full)
            ax.plot(s.relative[k], height, "o", **look)
        hues = COLORS.of_laws[2:]
        for place, (by, own) in enumerate(found.along.items()):
            mark, hue = MARKS[place % len(MARKS)], hues[place % len(hues)]
            label = f"along {as_written(by, 20)}"
            shown: Any = dict(ms=3.2, color=hue, mec="none", alpha=0.9, zorder=4, label=label)
            ax.plot(own.relative[ranked], np.arange(len(ranked)), mark, **shown)
        names = [as_written(found.places[k].label, 32) for k in ranked]
        ax.set_yticks(range(len(ranked)), labels=names)
        ax.set_ylim(len(ranked) - 0.4, -0.6)
        each = np.concatenate([x[ranked] for x in (s.relative, s.low, s.high)])
        each = np.append(each[np.isfinite(each)], 1.0)
        round_axis(ax, "x", each.min() / 1.08, each.max() * 1.08, log=True, most=8)
        ax.set_ylabel("law")
        said = " or ".join(as_written(name, 20) for name in found.baseline)
        ax.set_xlabel(f"error on the runs held out, relative to {said}")
        title = f"{many(len(found.trials), 'trial')} of {many(len(found.tables), 'table')}"
        ax.legend(title=title, loc="upper left", bbox_to_anchor=(1, 1), alignment="left")
    return ax
