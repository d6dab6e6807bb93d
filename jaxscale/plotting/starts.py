"""Figures of the starts of a fit: their values, and the basins they end in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullLocator

from jaxscale.engine.loop import Status
from jaxscale.fitting.certificate import CONVERGED, SAME
from jaxscale.fitting.result import FitResult
from jaxscale.plotting.canvas import axes_or_new, drawing, dressed, figure_or_new
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import RoundTicks, short_number
from jaxscale.text import quantity as number

FLOOR, CEILING = 1e-16, 1e4
"""Excess over the best value that the waterfall shows, from rounding to hopeless."""


def plot_waterfall(fit: FitResult, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot where every start of a fit ended, and how many ended in which basin.

    Args:
        fit: the fit.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure: left the sorted values of all starts, with the numbers of the basins; right how
        many starts each basin took.
    """
    basins, total = fit.certificate.basins, len(fit.start_values)
    order = np.sort(fit.start_values)
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 3.6))
        title = f"{as_written(type(fit.law).__name__)}:  {total:,} starts on {len(fit.runs):,} runs"
        figure.suptitle(title)
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        plot_starts(fit, left)
        best = basins[0].value if basins else math.nan
        rows, last = [], -math.inf
        for k, basin in enumerate(basins):
            excess = basin.value / best - 1 if best > 0 else basin.value - best
            first = int(np.searchsorted(order, basin.value, side="left"))
            middle = 100 * (first + 0.5 * basin.count) / total
            if k and middle > last + 6 and basin.count >= 0.02 * total:
                spot: Any = dict(
                    textcoords="offset points", ha="center", color=COLORS.ink, zorder=6
                )
                left.annotate(str(k + 1), (middle, np.clip(excess, 1e-15, CEILING)), (0, 5), **spot)
                last = middle
            name = f"{k + 1}: " + (f"+{number(excess, 3)}" if k else "best")
            rows.append((name, basin.count, COLORS.hues[Status[basin.status.upper()]]))
        others = total - sum(basin.count for basin in basins)
        rows += [("others", others, COLORS.muted)] if others else []
        _draw_basins(dressed(right), rows, total)
    return figure


def _draw_basins(ax: Axes, rows: Sequence[tuple[str, int, str]], total: int) -> None:
    names, counts, colors = zip(*rows, strict=True)
    places = range(len(rows))
    ax.barh(places, counts, color=colors, height=0.7, zorder=2)
    ax.set_yticks(places, names)
    ax.set(ylim=(max(len(rows), 4) - 0.4, -0.6), xlim=(0, 1.45 * max(counts)), xlabel="starts")
    ax.set_ylabel("basin: value / best \u2212 1")
    for place, one in zip(places, counts, strict=True):
        ax.text(one, place, f" {one:,} ({100 * one / total:.3g} %)", va="center", color=COLORS.ink)
    ax.grid(visible=False, axis="y")


def _excess(value: float, _: float) -> str:
    """Return how the axis of the values writes one: its ends stand for all beyond."""
    if not FLOOR < value < CEILING:
        return rf"$\leq 10^{{{round(math.log10(FLOOR))}}}$" if value <= FLOOR else r"$\geq 10^4$"
    return "1" if value == 1 else short_number(value, True)


def plot_starts(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot where every start ended, sorted: the waterfall.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.

    Returns:
        The axes. Height is value / best - 1 between 1e-16 and 1e4, where also the starts stand
        that ended nowhere; the shaded zone counts as the best value.
    """
    order = np.argsort(fit.start_values, kind="stable")  # NaN last
    values, status = fit.start_values[order], fit.start_status[order]
    smoothed = fit.loss.kinked  # its starts end at another value than the fit
    best = min(float(np.nanmin(values)), np.inf if smoothed else fit.value)
    excess = values / best - 1 if best > 0 else values - best
    excess = np.clip(np.nan_to_num(excess, nan=CEILING), FLOOR, CEILING)
    share = (np.arange(len(values)) + 0.5) / len(values) * 100
    hits = round(fit.certificate.share_at_best * len(values))
    with drawing(ax):
        ax = axes_or_new(ax)
        ax.axhspan(FLOOR / 50, SAME, color=COLORS.range, lw=0, zorder=0)
        for each in map(Status, np.unique(status)):
            mask = status == each
            label = f"{each.name.lower().replace('_', ' ')} ({mask.sum():,})"
            style = dict(marker="o" if each in CONVERGED else "D", s=9, linewidths=0, label=label)
            draw_cloud(ax, share[mask], excess[mask], color=COLORS.hues[each], **style)
        ax.set(xlabel="starts, sorted (%)", xlim=(-1.5, 101.5), yscale="log")
        ax.set_ylabel("value / best \u2212 1" if best > 0 else "value \u2212 best")
        ax.set_ylim(FLOOR / 50, CEILING * 50)
        ax.yaxis.set_major_locator(RoundTicks(6))
        ax.yaxis.set_major_formatter(_excess)
        ax.yaxis.set_minor_locator(NullLocator())
        title = f"{hits:,} of {len(values):,} starts at the best value"
        at: Any = dict(loc="upper right", bbox_to_anchor=(1, SAME), borderpad=0, frameon=False)
        ax.legend(title=title, alignment="left", bbox_transform=ax.get_yaxis_transform(), **at)
    return ax
