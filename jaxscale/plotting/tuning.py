"""The figure of a sweep: the losses of every group against what was tuned, with their parabola."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from jaxscale.data.optima import ALONE, EDGE, FEW, FLAT, INSIDE
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import color_bar, draw_cloud
from jaxscale.plotting.ticks import brief, nice_ticks, round_axis
from jaxscale.text import many

if TYPE_CHECKING:
    from jaxscale.data.tuning import Tuning

MOST = 9
"""Groups that are drawn where none are named."""
ACROSS = 3
FLAGS = {
    EDGE: "optimum at the edge",
    FLAT: "no bend beyond the noise",
    FEW: "too few points",
    ALONE: "not tuned",
}
ROOM = 1.6
"""Times the rise of a parabola to the ends of its points that an axis shows."""
LEAST = 0.01
"""Least share of the lowest loss that an axis shows above it."""


def plot_tuning(
    found: Tuning, groups: Sequence[int] | None = None, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Plot the losses of a sweep with their parabolas and optima; flag groups without one.

    Losses above the axis stand as triangles at its top. Where two quantities were tuned, the color
    is the second one, and the line the surface at its optimum.

    Args:
        found: what `Runs.tuning` returned.
        groups: numbers of the groups to draw; default the largest, up to nine.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        The figure, a panel for each group.
    """
    size = np.bincount(found.groups, minlength=len(found))
    chosen = np.sort(np.argsort(-size, kind="stable")[:MOST]) if groups is None else list(groups)
    across = min(len(chosen), ACROSS)
    down = -(-len(chosen) // across)
    with drawing(figure):
        figure = figure_or_new(figure, (2.9 * across + 0.6, 2.3 * down + 0.3))
        panels = figure.subplots(down, across, squeeze=False).ravel()
        norm = LogNorm(*_ends(found.values[:, -1]))
        for ax, group in zip(panels, chosen, strict=False):
            _draw_group(dressed(ax), found, int(group), norm)
        for ax in panels[len(chosen) :]:
            ax.remove()
        if len(found.over) > 1:
            ticks = nice_ticks(*_ends(found.values[:, -1]), 6)
            colors = ScalarMappable(norm, COLORS.sizes)
            color_bar(list(panels), colors, as_written(found.over[1]), ticks, aspect=40)
        if len(chosen) < len(found):
            said = f"{len(chosen)} of {many(len(found), 'group')}"
            figure.suptitle(said, fontsize=points(8), color=COLORS.muted, x=0.01, ha="left")
    return figure


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low / 2, high * 2)


def _draw_group(ax: Axes, found: Tuning, group: int, norm: Any) -> None:
    rows = np.flatnonzero((found.groups == group) & np.isfinite(found.losses))
    x, y, o = found.values[rows], found.losses[rows], found.optima
    kind, lowest = int(o.kind[group]), int(o.lowest[group])
    middle, half = np.exp(o.middle[group]), np.exp(o.half[group])
    low, high = _ends(x[:, 0]) if len(x) else _ends(found.values[:, 0])
    line = np.geomspace(max(low, middle[0] / half[0]), min(high, middle[0] * half[0]), 200)
    second = found.at[group, 1:] if kind == INSIDE else found.values[lowest, 1:]
    at = np.column_stack([line, *(np.full(len(line), value) for value in second)])
    curve = found.parabola(group, at) if kind not in (FEW, ALONE) else np.full(200, np.nan)
    least = min([float(o.loss[group]), *y])
    rise = float(np.nanmax([*(curve - least), LEAST * abs(least)]))
    top, bottom = least + ROOM * rise, least - 0.25 * rise
    color: Any = (
        dict(color=COLORS.run) if x.shape[1] == 1 else dict(c=x[:, 1], cmap=COLORS.sizes, norm=norm)
    )
    above = y > top
    for some, shape in ((~above, "o"), (above, "^")):
        style = {k: v[some] if k == "c" else v for k, v in color.items()}
        shown = np.where(above, top - 0.04 * (top - bottom), y)[some]
        draw_cloud(ax, x[some, 0], shown, marker=shape, alpha=0.9, **style)
    ax.plot(
        line, curve, color=COLORS.law, lw=1.2, ls="-" if kind == INSIDE else (0, (3, 2)), zorder=4
    )
    if kind == INSIDE:
        error = np.exp(o.log_error[group, 0])
        place, loss = found.at[group, 0], o.loss[group]
        if np.isfinite(error):
            ax.plot([place / error, place * error], [loss, loss], color=COLORS.ink, lw=1, zorder=5)
        ax.plot(
            place,
            loss,
            ls="",
            marker="*",
            ms=9,
            color=COLORS.law,
            mec=COLORS.paper,
            mew=0.5,
            zorder=6,
        )
        said = f"{as_written(found.over[0], 12)} {brief(place)}"
    else:
        place, loss = found.values[lowest, 0], o.loss[group]
        ax.plot(
            place, loss, ls="", marker="o", ms=8, mfc="none", mec=COLORS.alert, mew=1.2, zorder=6
        )
        said = FLAGS[kind]
    name = ", ".join(f"{as_written(k, 12)} {brief(v[group])}" for k, v in found.labels.items())
    ax.set_title(
        f"{name}\n{said}", fontsize=points(7), color=COLORS.ink if kind == INSIDE else COLORS.alert
    )
    round_axis(ax, "x", low / 1.15, high * 1.15, log=True)
    ax.set_xlabel(as_written(found.over[0]))
    round_axis(ax, "y", bottom, top, log=False)
    ax.set_ylabel("loss")
