"""The figure of what other sizes than the best one cost, at the loss of the best run."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxscale.plotting.canvas import axes_or_new, drawing, points
from jaxscale.plotting.captions import heading, origin
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.ticks import brief, log_axis
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.frontiers import SIZES, prices

TOP = 100.0
"""Percent of overhead up to which the figure shows."""
TOLD = (0.5, 2.0)
"""Sizes whose price is told in words."""


def plot_overhead(
    draws: Draws, ax: Axes | None = None, *, compute: float | None = None, level: float = 0.9
) -> Axes:
    """Plot the compute that a smaller or larger model takes for the loss of the best run.

    Args:
        draws: what `bootstrap` returned, of a law of N and D.
        ax: axes to draw into; default a new figure.
        compute: budget of the best run; it does not matter to a law with a term of N and one of D.
        level: nominal coverage of the band.

    Returns:
        The axes; the figure is `ax.figure`.

    Raises:
        ValueError: the law is not one of N and D.

    Source: de Vries 2023, "Go smol or go home".
    """
    found = prices(draws, compute, level=level)
    times = np.geomspace(*SIZES, len(found.N))
    y = 100 * found.overhead
    with drawing(ax):
        ax = axes_or_new(ax)
        if "overhead" in found.intervals:
            limits = found.intervals["overhead"]
            low, high = (np.clip(100 * x, -1, 10 * TOP) for x in (limits.low, limits.high))
            band = f"{100 * level:g} % interval"
            ax.fill_between(times, low, high, color=COLORS.wide, lw=0, zorder=1, label=band)
        shown = np.where(np.isfinite(y), y, np.nan)
        ax.plot(times, shown, color=COLORS.law, lw=1.6, zorder=4, label="same loss as the best run")
        ax.axvline(1, color=COLORS.muted, lw=0.7, ls="--", zorder=2)
        for size in TOLD:
            _tell(ax, times, shown, found.D, size)
        if not np.isfinite(y[0]):
            never = times[np.isfinite(y)].min()
            ax.axvspan(times[0], never, color=COLORS.tint(COLORS.ink, 0.07), lw=0, zorder=0)
            said: Any = dict(fontsize=points(6.5), ha="center", va="top", color=COLORS.muted)
            ax.text(np.sqrt(times[0] * never), 0.96 * TOP, "never reaches\nthat loss", **said)
        log_axis(ax, "x", times[0], times[-1])
        ax.set_ylim(0, TOP)
        ax.set(xlabel="model size / best size", ylabel="more compute for the same loss (%)")
        ax.set_title(
            f"{heading(draws.fit.law)}\n{origin(draws)}", fontsize=points(8), color=COLORS.ink
        )
        ax.legend(loc="upper center")
    return ax


def _tell(ax: Axes, times: np.ndarray, y: np.ndarray, D: np.ndarray, size: float) -> None:
    """Mark a size, and say what it costs in compute and in tokens."""
    at, best = np.interp(np.log(size), np.log(times), y), np.interp(0, np.log(times), np.log(D))
    if not (np.isfinite(at) and at < 0.8 * TOP and np.isfinite(best)):
        return
    tokens = np.exp(np.interp(np.log(size), np.log(times), np.log(D)) - best)
    side = (-7, "right") if size < 1 else (7, "left")  # below the curve
    style: Any = dict(
        xytext=(side[0], -1), textcoords="offset points", ha=side[1], fontsize=points(6.5)
    )
    text = f"{size:g} N*: +{brief(at)} %\n{tokens:.2f} D*"
    ax.plot([size], [at], "o", color=COLORS.ink, ms=3.5, zorder=5)
    ax.annotate(text, (size, at), va="center", color=COLORS.ink, zorder=6, **style)
