"""The figure of the runs that decide an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.captions import called
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import color_bar, draw_cloud
from jaxscale.plotting.ticks import brief, input_axis, log_axis, short_number
from jaxscale.text import quantity as number

if TYPE_CHECKING:
    from jaxscale.uncertainty.influence import Influence
BARS = 14
"""Runs that an influence figure ranks."""


def plot_influence(
    found: Influence, *, most: int = BARS, figure: Figure | SubFigure | None = None
) -> Figure:
    """Plot which runs decide an answer: the largest by name, and where all of them lie.

    Args:
        found: what `influence` returned.
        most: how many runs to rank.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure: left the change of the quantity without each run; right the runs in the plane
        of the first two inputs (of input and loss for a law of one), colored by that change.
    """
    change = 100 * np.expm1(found.without) if found.log else found.without
    largest = found.largest(most)
    scale = "change without the run" + (" (%)" if found.log else "")
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 3.8))
        rest = np.delete(np.abs(change), largest)
        response = found.runs.response.kind
        name, _, unit = called(found.quantity, response=response).partition("  (")
        value = brief(found.value) if found.log else number(found.value)
        value = value.replace("-", "\u2212")
        title = f"{name} = {value} {unit.rstrip(')')}".rstrip()
        title += f":  its change without each of {len(found):,} runs"
        if len(rest):
            most_left = f"{rest.max():.2g} %" if found.log else f"{rest.max():.2g}"
            title += f"\nthe runs that are not named move it by at most {most_left}"
        figure.suptitle(title)
        left, right = map(dressed, figure.subplots(1, 2, width_ratios=(1, 1.1)))
        limit = float(np.abs(change).max()) or 1.0
        places = np.arange(len(largest))
        colors = COLORS.effects(0.5 + 0.5 * change[largest] / limit)
        left.barh(places, change[largest], color=colors, height=0.72, zorder=2)
        left.axvline(0, color=COLORS.ink, lw=0.8, zorder=3)
        left.set_yticks(places, [_run(found, k) for k in largest])
        left.set(ylim=(len(largest) - 0.4, -0.6), xlabel=scale)
        left.xaxis.set_major_formatter(lambda x, _: f"{x:g}".replace("-", "\u2212"))
        left.tick_params(axis="x", labelsize=points(7))
        left.grid(visible=False, axis="y")
        _draw_effects(right, found, change, limit, scale)
    return figure


def _run(found: Influence, k: int) -> str:
    sizes = ", ".join(
        f"{as_written(name, 16)} {short_number(float(x[k]), x[k] > 1e15)}"
        for name, x in found.values.items()
    )
    return f"row {as_written(found.runs.row(k), 20)}:  {sizes}"


def _draw_effects(ax: Axes, found: Influence, change: np.ndarray, limit: float, scale: str) -> None:
    """Scatter the runs, colored and sized by what each does; the largest by row."""
    names = list(found.values)
    x, y = found.values[names[0]], found.values[names[1]] if len(names) > 1 else found.runs.loss
    order = np.argsort(np.abs(change), kind="stable")  # the largest last, on top
    sizes = 8 + 90 * np.abs(change) / limit
    style: Any = dict(c=change[order], s=sizes[order], cmap=COLORS.effects, vmin=-limit, vmax=limit)
    cloud = draw_cloud(ax, x[order], y[order], **style, edgecolors=COLORS.ink, linewidths=0.3)
    color_bar(ax, cloud, scale)
    for k in order[:-4:-1]:
        spot: Any = dict(textcoords="offset points", color=COLORS.ink, fontsize=points(7), zorder=6)
        row = found.runs.row(k).partition(" (")[0]
        ax.annotate(as_written(row), (x[k], y[k]), (6, 4), **spot)
    for which, name, values in (("x", names[0], x), *(("y", each, y) for each in names[1:2])):
        top = 1.2 if which == "x" else 1.1
        if values.min() > 0:
            log_axis(ax, which, values.min() / 1.1, top * values.max(), name)
        else:
            input_axis(ax, which, values, name, "signed")
    if len(names) < 2:
        ax.set_ylabel(found.runs.response.kind)
