"""The figure of the residuals against each input: what a law has left in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.fitting.result import FitResult
from jaxscale.plotting.canvas import axes_or_new, drawing, figure_or_new
from jaxscale.plotting.captions import column_of, heading, loss_label, scale_label, scale_of
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import input_axis, round_axis

MOST = 6
"""Panels: of more inputs, the first ones."""
ROUGH = 0.35
"""Width of the average, as a share of the spread of an input."""
LONGEST = 26
"""Characters of a label."""
ENOUGH = 12
"""Runs from which an average is drawn."""


def plot_residual_inputs(fit: FitResult, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot the residuals against every input, against compute, D / N, and the predicted loss.

    A running average shows what is left of a trend: a law that misses a curvature or an interaction
    shows it in one of the panels.

    Args:
        fit: the result to draw; residuals are of its own kind.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure with a panel for each.
    """
    with np.errstate(all="ignore"):
        r = np.asarray(fit.residual.between(fit.prediction, fit.runs.loss), float)
    panels = _panels(fit)
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    bulk = 2.5 * float(np.quantile(np.abs(r), 0.9)) or 1.0
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 0.9 + 2.1 * down))
        figure.suptitle(heading(fit.law))
        grid = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
        for ax in grid[len(panels) :]:
            ax.set_axis_off()
        for k, (name, kind, x) in enumerate(panels):
            ax = axes_or_new(grid[k])
            input_axis(ax, "x", x, name, kind if (x > 0).all() else "raw")
            if ax.get_xscale() != "log":
                round_axis(ax, "x", *ax.get_xlim(), log=False)
            _draw(fit, ax, x, r, bulk)
            ax.set_ylim(-bulk, bulk)
            if name == "D / N":
                ax.set_xlabel("tokens per parameter D / N")
            elif name == "":
                ax.set_xlabel(f"predicted {_fitting(loss_label(fit))}")
            else:
                ax.set_xlabel(_fitting(scale_label(fit, name)))
            if k % across == 0:
                ax.set_ylabel(fit.residual.label)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _fitting(label: str) -> str:
    """Return a label cut to the width of a panel."""
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."


def _panels(fit: FitResult) -> list[tuple[str, str, np.ndarray]]:
    """Return what residuals are drawn against: names, kinds and columns [n]."""
    law = fit.law
    found = [(name, law.kinds[name], column_of(fit, name)) for name in law.inputs]
    if {"N", "D"} <= set(law.inputs):
        columns = {name: x for name, _, x in found}
        found += [("C", "positive", scale_of(fit)[1])]
        found += [("D / N", "positive", columns["D"] / columns["N"])]
    found = [each for each in found if np.ptp(each[2]) > 1e-9 * np.abs(each[2]).max()][: MOST - 1]
    return [*found, ("", "raw", np.asarray(fit.prediction, float))]


def _draw(fit: FitResult, ax: Axes, x: np.ndarray, r: np.ndarray, bulk: float) -> None:
    log = ax.get_xscale() == "log"
    ax.axhline(0, color=COLORS.ink, lw=0.8, zorder=2)
    inside = np.abs(r) <= bulk
    style: Any = dict(color=COLORS.run, alpha=0.7 if len(r) <= 500 else 0.3)
    draw_cloud(ax, x[inside], r[inside], label="runs", **style)
    for mask, marker, y in ((r > bulk, "^", 0.96 * bulk), (r < -bulk, "v", -0.96 * bulk)):
        if mask.any():
            ax.scatter(x[mask], np.full(int(mask.sum()), y), marker=marker, s=14, color=COLORS.run,
                       linewidths=0, label="beyond the panel")  # fmt: skip
    if len(r) >= ENOUGH and len(np.unique(x)) > 2:
        at = np.log(x) if log else x
        grid = np.linspace(at.min(), at.max(), 60)
        width = ROUGH * float(at.std())
        with np.errstate(under="ignore"):
            weight = np.exp(-0.5 * ((grid[:, None] - at) / width) ** 2) * fit.runs.weights
        total = weight.sum(axis=1)
        clipped = np.clip(r, -bulk, bulk)  # a gross run does not bend the line
        mean = np.where(total > 1e-12, weight @ clipped / np.maximum(total, 1e-12), np.nan)
        ax.plot(np.exp(grid) if log else grid, mean, color=COLORS.law, lw=1.4, zorder=4,
                label="running average")  # fmt: skip
