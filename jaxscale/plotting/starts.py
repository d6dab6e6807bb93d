"""Figures of the starts of a fit: their values, and the basins they end in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxscale.engine.loop import Status
from jaxscale.fitting.certificate import CONVERGED, SAME
from jaxscale.fitting.result import FitResult
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import HUES, INK, MUTED, STYLE, axes_or_new, draw_cloud
from jaxscale.text import quantity as number

FLOOR, CEILING = 1e-16, 1e4
"""Excess over the best value that the waterfall shows, from rounding to hopeless."""


def plot_waterfall(fit: FitResult) -> Figure:
    """Plot where every start of a fit ended, and how many ended in which basin.

    Args:
        fit: the fit.

    Returns:
        A figure: left the sorted values of all starts, with the numbers of the basins; right how
        many starts each basin took.
    """
    basins, total = fit.certificate.basins, len(fit.start_values)
    order = np.sort(fit.start_values)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        title = f"{as_written(type(fit.law).__name__)}:  {total:,} starts on {len(fit.runs):,} runs"
        figure.suptitle(title, fontsize=9, color=INK)
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        plot_starts(fit, left)
        best = basins[0].value if basins else math.nan
        rows, last = [], -math.inf
        for k, basin in enumerate(basins):
            excess = basin.value / best - 1 if best > 0 else basin.value - best
            first = int(np.searchsorted(order, basin.value, side="left"))
            middle = 100 * (first + 0.5 * basin.count) / total
            if k and middle > last + 6 and basin.count >= 0.02 * total:
                spot: Any = dict(textcoords="offset points", ha="center", color=INK, zorder=6)
                left.annotate(str(k + 1), (middle, np.clip(excess, 1e-15, CEILING)), (0, 5), **spot)
                last = middle
            name = f"{k + 1}: " + (f"+{number(excess, 3)}" if k else "best")
            rows.append((name, basin.count, HUES[Status[basin.status.upper()]]))
        others = total - sum(basin.count for basin in basins)
        rows += [("others", others, MUTED)] if others else []
        _draw_basins(axes_or_new(right), rows, total)
    return figure


def _draw_basins(ax: Axes, rows: Sequence[tuple[str, int, str]], total: int) -> None:
    names, counts, colors = zip(*rows, strict=True)
    places = range(len(rows))
    ax.barh(places, counts, color=colors, height=0.7, zorder=2)
    ax.set_yticks(places, names)
    ax.set(ylim=(max(len(rows), 4) - 0.4, -0.6), xlim=(0, 1.45 * max(counts)), xlabel="starts")
    ax.set_ylabel("basin: value / best \u2212 1")
    for place, one in zip(places, counts, strict=True):
        ax.text(one, place, f" {one:,} ({100 * one / total:.3g} %)", va="center", color=INK)
    ax.grid(visible=False, axis="y")


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
    with matplotlib.rc_context(STYLE):
        ax = axes_or_new(ax)
        ax.axhspan(FLOOR / 50, SAME, color="#e9eef2", lw=0, zorder=0)
        for each in map(Status, np.unique(status)):
            mask = status == each
            label = f"{each.name.lower().replace('_', ' ')} ({mask.sum():,})"
            style = dict(marker="o" if each in CONVERGED else "D", s=9, linewidths=0, label=label)
            draw_cloud(ax, share[mask], excess[mask], color=HUES[each], **style)
        ax.set(xlabel="starts, sorted (%)", xlim=(-1.5, 101.5), yscale="log")
        ax.set_ylabel("value / best \u2212 1" if best > 0 else "value \u2212 best")
        marks = [r"$\leq 10^{-16}$", "$10^{-12}$", "$10^{-8}$", "$10^{-4}$", "1"]
        ax.set_yticks(10.0 ** np.arange(-16, 5, 4), [*marks, r"$\geq 10^4$"])
        ax.set_yticks([], minor=True)
        ax.set_ylim(FLOOR / 50, CEILING * 50)
        title = f"{hits:,} of {len(values):,} starts at the best value"
        at: Any = dict(loc="upper right", bbox_to_anchor=(1, SAME), borderpad=0, frameon=False)
        ax.legend(title=title, alignment="left", bbox_transform=ax.get_yaxis_transform(), **at)
    return ax
