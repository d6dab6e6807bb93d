"""The figure of an `ExponentGrid`: the valley that a fit lies in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm

from jaxscale.fitting.exponent_grid import ExponentGrid
from jaxscale.plotting.canvas import axes_or_new, drawing
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written, symbol
from jaxscale.plotting.style import color_bar

LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Excess over the minimum, relative to it: three steps per factor of ten."""


def plot_surface(grid: ExponentGrid, ax: Axes | None = None) -> Axes:
    """Plot the surface of a fit over its exponents.

    Contours of the excess over the minimum for two exponents, with the valley's floor (the best
    second exponent at every first) dashed; a curve for one. The minimum and the other basins are
    marked.

    Args:
        grid: what `exponent_grid` returned.
        ax: axes to draw into; default a new figure.

    Returns:
        The axes; the figure is `ax.figure`.
    """
    with drawing(ax):
        ax = axes_or_new(ax)
        (_draw_plane if len(grid.axes) == 2 else _draw_line)(grid, ax)
    return ax


def _draw_plane(grid: ExponentGrid, ax: Axes) -> None:
    excess = _excess(grid)
    x, y = grid.axes
    finite = excess[np.isfinite(excess)]
    levels = [v for v in LEVELS if finite.min() < v < finite.max()] or [finite.max() or 1.0]
    edges = [0.0, *levels]
    depths = COLORS.depths
    norm = BoundaryNorm(edges, depths.N, extend="max")
    drawn = ax.contourf(x, y, excess.T, edges, cmap=depths, norm=norm, extend="max")
    ax.contour(x, y, excess.T, levels, colors=COLORS.paper, linewidths=0.5, alpha=0.7)
    texts = [_level(v) for v in edges]
    color_bar(ax, drawn, _label(grid), edges, texts, spacing="uniform")
    ax.plot(x, _valley(y, excess), color=COLORS.ink, lw=0.9, ls=(0, (4, 3)), label=_floor(grid))
    _mark(grid, ax)
    ax.grid(visible=False)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.set_xlabel(_name(grid, 0))
    ax.set_ylabel(_name(grid, 1))
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, columnspacing=1)


def _draw_line(grid: ExponentGrid, ax: Axes) -> None:
    x = grid.axes[0]
    ax.plot(x, grid.value, color=COLORS.law, lw=1.2)
    _mark(grid, ax)
    ax.set(xlim=(x[0], x[-1]), xlabel=_name(grid, 0))
    ax.set_ylabel(f"{type(grid.loss).__name__} loss of {grid.residual} residuals")
    finite = grid.value[np.isfinite(grid.value)]
    if finite.min() > 0 and finite.max() > 10 * finite.min():
        ax.set_yscale("log")
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, columnspacing=1)


def _excess(grid: ExponentGrid) -> np.ndarray:
    """Return value / minimum - 1, or value - minimum where the minimum is zero."""
    lowest = grid.minimum[1]
    return grid.value / lowest - 1 if lowest > 0 else grid.value - lowest


def _label(grid: ExponentGrid) -> str:
    what = "value / minimum \u2212 1" if grid.minimum[1] > 0 else "value \u2212 minimum"
    return f"{what}  ({type(grid.loss).__name__}, {grid.residual} residuals)"


def _valley(y: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Return the best y for every row: the vertex of the parabola through the lowest three cells.

    The cells alone would make a staircase of a smooth valley.
    """
    low = np.argmin(excess, axis=1)
    at = np.clip(low, 1, len(y) - 2)
    a, b, c = (np.take_along_axis(excess, (at + k)[:, None], 1)[:, 0] for k in (-1, 0, 1))
    with np.errstate(all="ignore"):
        shift = 0.5 * (a - c) / (a - 2 * b + c)
    inner = (low == at) & np.isfinite(shift)
    best: np.ndarray = y[low] + np.where(inner, np.clip(shift, -0.5, 0.5), 0.0) * (y[1] - y[0])
    return best


def _mark(grid: ExponentGrid, ax: Axes) -> None:
    """Mark the minimum with its exponents, and the other basins."""
    point, value = grid.minimum
    others = [np.asarray(getattr(grid.basins, name))[1:] for name in grid.names]
    heights: list[Any] = [] if len(grid.names) == 2 else [grid.basin_values[1:]]
    if len(grid.basin_values) > 1:
        style: Any = dict(
            ls="", marker="o", ms=4, mfc=COLORS.paper, mec=COLORS.ink, mew=0.8, zorder=4
        )
        ax.plot(*others, *heights, label="local minimum", **style)
    # As many decimals as the step of the grid tells apart.
    digits = [max(0, -math.floor(math.log10(x[1] - x[0]) + 1e-9)) for x in grid.axes]
    at = [
        f"{symbol(n)} = {x:.{d}f}".replace("-", "\u2212")
        for (n, x), d in zip(point.items(), digits, strict=True)
    ]
    place = [*point.values()] + ([] if len(point) == 2 else [value])
    style = dict(ls="", marker="*", ms=8, color=COLORS.law, mec=COLORS.paper, mew=0.5, zorder=5)
    ax.plot(*([v] for v in place), label=f"minimum: {', '.join(at)}", **style)


def _floor(grid: ExponentGrid) -> str:
    return f"best {symbol(grid.names[1])} at each {symbol(grid.names[0])}"


def _name(grid: ExponentGrid, k: int) -> str:
    name = grid.names[k]
    return f"{as_written(grid.law.parameters[name].doc)} {symbol(name)}"


def _level(value: float) -> str:
    return f"{value:g}"
