"""The figure of approach 1: training curves, their envelope, and the sizes that lie lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from jaxscale.errors import DataError
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new
from jaxscale.plotting.captions import compute_label
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.style import color_bar
from jaxscale.plotting.ticks import LABELS, brief, log_axis, nice_ticks, short_number, widened

if TYPE_CHECKING:
    from jaxscale.isoflops.envelope import Envelope
    from jaxscale.isoflops.result import IsoFlop


def plot_envelope(found: IsoFlop, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot training curves with their envelope, and the sizes along it against compute.

    Args:
        found: what `isoflop` returned for a table of curves.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        The figure, two panels.

    Raises:
        DataError: the table has no training curves.
    """
    if not found.envelopes:
        raise DataError(
            f"{found.runs.source}: no training curves, so there is no envelope to draw; the kinds "
            "valleys and optima need none"
        )
    bins, hull = found.envelopes
    with drawing(figure):
        figure = figure_or_new(figure, (8.4, 3.6))
        left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
        _draw_curves(dressed(left), bins, hull)
        left.set_xlabel(compute_label(found.unit))
        _draw_sizes(dressed(right), found, bins, hull)
    return figure


def _draw_curves(ax: Axes, bins: Envelope, hull: Envelope) -> None:
    curves = bins.curves
    sizes = np.array([c.N for c in curves])
    norm = LogNorm(sizes.min(), sizes.max())
    thin = 0.9 if len(curves) <= 60 else 0.5
    for curve in curves:
        color = COLORS.sizes(norm(curve.N))
        ax.plot(np.exp(curve.log_C), curve.loss, color=color, lw=thin, alpha=0.7, zorder=2)
    shown: Any = dict(ls="", zorder=4)
    ax.plot(
        np.exp(bins.log_C), bins.loss, marker=".", ms=3, color=COLORS.ink, label="bins", **shown
    )
    ax.plot(
        np.exp(hull.log_C),
        hull.loss,
        marker="o",
        ms=5,
        mfc="none",
        mec=COLORS.law,
        label="hull",
        **shown,
    )
    x = np.concatenate([c.log_C for c in curves])
    y = np.concatenate([c.loss for c in curves])
    log_axis(ax, "x", float(np.exp(x.min())), float(np.exp(x.max())), "C")
    log_axis(ax, "y", *widened(y))
    ax.set_ylabel("loss")
    ticks = nice_ticks(float(sizes.min()), float(sizes.max()), 5)
    color_bar(ax, ScalarMappable(norm, COLORS.sizes), LABELS["N"], ticks)
    ax.set_title(f"{len(curves):,} training curves")
    ax.legend(loc="upper right")


def _draw_sizes(ax: Axes, found: IsoFlop, bins: Envelope, hull: Envelope) -> None:
    seen = [np.exp(bins.log_N), np.exp(hull.log_N)]
    for each, style in ((bins, "-"), (hull, (0, (4, 2)))):
        answer = found[each.how]
        color = COLORS.ink if each is bins else COLORS.law
        if answer.exponent is not None:
            x = np.array([b.compute for b in answer.band])
            N = np.array([(b.N.estimate, b.N.low, b.N.high) for b in answer.band]).T
            label = f"{each.how}, $C^{{{answer.exponent.estimate:.3f}}}$"
            band = COLORS.muted if each is bins else COLORS.wide
            ax.fill_between(x, N[1], N[2], color=band, alpha=0.35, lw=0, zorder=1)
            ax.plot(x, N[0], color=color, lw=1.2, ls=style, label=label, zorder=3)
            seen.append(N[0])
        marker = "." if each is bins else "o"
        ax.plot(
            np.exp(each.log_C), np.exp(each.log_N), ls="", marker=marker, color=color, mfc="none",
            ms=5 if marker == "o" else 3, zorder=4,
        )  # fmt: skip
    for place in found.compute:
        ax.axvline(place, color=COLORS.ink, lw=0.6, ls=(0, (2, 2)), zorder=1)
    every = np.concatenate([bins.log_C, hull.log_C, np.log(found.compute)])
    log_axis(ax, "x", float(np.exp(every.min())) / 1.5, float(np.exp(every.max())) * 1.5, "C")
    ax.set_xlabel(compute_label(found.unit))
    log_axis(ax, "y", *widened(np.concatenate(seen)))
    ax.set_ylabel(LABELS["N"] + " of the lowest curve")
    last = found["bins"].best
    said = (
        f"best N at {short_number(found.compute[-1], powers=True)}: {brief(last[-1].N.estimate)}"
        if last
        else ""
    )
    ax.set_title(said)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left")
