"""The figure of the loss over N and D: contours, the compute-optimal frontier, and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from jaxscale.decisions.allocation import Allocation, allocate
from jaxscale.decisions.near import WITHIN, near_optimal
from jaxscale.fitting.result import FitResult
from jaxscale.laws import predict
from jaxscale.plotting.canvas import axes_or_new, drawing, points
from jaxscale.plotting.captions import column_of, heading, loss_label, scale_of
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.style import color_bar, draw_cloud
from jaxscale.plotting.ticks import brief, log_axis, short_number

CELLS = 120
"""Of the grid, along each side."""
LEVELS = 14
"""Contours, about."""
POINTS = 24
"""Budgets at which the frontier is worked out."""


def plot_contours(
    fit: FitResult,
    ax: Axes | None = None,
    *,
    compute: Sequence[float] = (),
    within: float = WITHIN[0],
) -> Axes:
    """Plot the loss of a fitted law over N and D.

    Contours of the loss, the compute-optimal frontier with the sizes that are nearly as good, lines
    of equal compute, and the runs. The picture reaches to the budgets that are asked for, whose
    best runs are starred.

    Args:
        fit: of a law of N and D.
        ax: axes to draw into; default a new figure.
        compute: budgets to mark.
        within: share of the best loss that counts as nearly as good.

    Returns:
        The axes; the figure is `ax.figure`.

    Raises:
        ValueError: the law is not one of N and D.
    """
    law, C = fit.law, scale_of(fit)[1]
    reach = np.geomspace(C.min(), max(C.max() * 3, *compute, C.min()), POINTS)
    best = allocate(law, compute=reach)
    marked = allocate(law, compute=np.asarray(compute)) if len(compute) else None
    N, D = column_of(fit, "N"), column_of(fit, "D")
    edge = bool(np.any(best.at_edge))
    seen = {"N": [N] if edge else [N, best.N], "D": [D] if edge else [D, best.D]}
    ends = {k: (np.concatenate(x).min(), np.concatenate(x).max()) for k, x in seen.items()}
    with drawing(ax):
        ax = axes_or_new(ax, (5.6, 4.2))
        axes = [np.geomspace(ends[k][0] / 1.6, ends[k][1] * 1.6, CELLS) for k in "ND"]
        loss = np.asarray(predict(law, N=axes[0][None, :], D=axes[1][:, None]), float)
        _draw_loss(fit, ax, axes, loss)
        _draw_budgets(fit, ax, axes, compute)
        if not edge:
            _draw_best(fit, ax, best, within)
            if marked is not None:
                _draw_marks(ax, marked)
        style: Any = dict(color=COLORS.paper, edgecolors=COLORS.ink, linewidths=0.5, s=11)
        draw_cloud(ax, N, D, label="runs", **style).set_zorder(6)
        log_axis(ax, "x", axes[0][0], axes[0][-1])
        log_axis(ax, "y", axes[1][0], axes[1][-1])
        ax.set(xlabel="parameters N", ylabel="training tokens D")
        ax.set_title(heading(law), fontsize=points(8), color=COLORS.ink)
        ax.grid(visible=False)
        ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.14), ncols=4, columnspacing=1)
    return ax


def _draw_loss(fit: FitResult, ax: Axes, axes: Sequence[np.ndarray], loss: np.ndarray) -> None:
    floor, top = float(np.nanmin(loss)), float(np.nanquantile(loss, 0.97))
    levels = np.linspace(floor, top, LEVELS) if not floor > 0 else np.geomspace(floor, top, LEVELS)
    shown = np.clip(loss, floor, top)
    if not top > floor:
        return
    drawn = ax.contourf(*axes, shown, levels, cmap=COLORS.depths)
    ax.contour(*axes, shown, levels, colors=COLORS.paper, linewidths=0.4, alpha=0.8)
    some = levels[::3]
    color_bar(ax, drawn, loss_label(fit), some, [f"{x:.3g}" for x in some])


def _draw_budgets(
    fit: FitResult, ax: Axes, axes: Sequence[np.ndarray], compute: Sequence[float]
) -> None:
    """Draw lines of equal compute, by powers of ten and at the budgets that are asked for."""
    N = axes[0]
    C = np.asarray(fit.law.flops(N[None, :], axes[1][:, None]), float)
    first, last = np.log10(C.min()), np.log10(C.max())
    step = max(1, round((last - first) / 5))
    powers = 10.0 ** np.arange(np.ceil(first), np.floor(last) + 1, step)
    drawn = ax.contour(*axes, np.log10(C), np.log10(powers), colors=COLORS.ink, linewidths=0.5,
                       linestyles="dotted")  # fmt: skip
    texts = ax.clabel(drawn, fmt=lambda x: rf"$10^{{{x:.0f}}}$", fontsize=points(6))
    for text in texts:
        text.set_path_effects([withStroke(linewidth=1.5, foreground=COLORS.paper)])
    if len(compute):
        ax.contour(*axes, C, sorted(set(compute)), colors=COLORS.alert, linewidths=0.8)


def _draw_best(fit: FitResult, ax: Axes, best: Allocation, within: float) -> None:
    near = near_optimal(fit.law, best, within)
    style: Any = dict(color=COLORS.ink, lw=0.9, ls=(0, (3, 2)), zorder=4)
    labels = (f"within {100 * within:g} % of the best loss", None)
    for N, D, label in zip(near.N, near.D, labels, strict=True):
        ax.plot(N, D, label=label, **style)
    ax.plot(best.N, best.D, color=COLORS.ink, lw=1.7, zorder=5, label="best N and D")


def _draw_marks(ax: Axes, marked: Allocation) -> None:
    style: Any = dict(
        marker="*", ms=10, mfc=COLORS.alert, mec=COLORS.paper, mew=0.6, ls="", zorder=7
    )
    ax.plot(marked.N, marked.D, label="best of a marked budget", **style)
    for C, N, D in zip(marked.compute, marked.N, marked.D, strict=True):
        text = f"{short_number(C, powers=True)}: N {brief(N)}, D {brief(D)}"
        at: Any = dict(xytext=(-7, -3), textcoords="offset points", ha="right", va="top")
        shown = ax.annotate(text, (N, D), fontsize=points(6.5), color=COLORS.ink, zorder=8, **at)
        shown.set_path_effects([withStroke(linewidth=2, foreground=COLORS.paper)])
