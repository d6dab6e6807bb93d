"""The joint spread of quantities over the draws of a bootstrap: the corner figure.

The intervals that it states are those of `Draws.intervals`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxscale.fitting.result import FitResult
from jaxscale.plotting.canvas import axes_or_new, drawing, figure_or_new, points
from jaxscale.plotting.captions import called, origin, stated
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import RASTERIZE
from jaxscale.plotting.ticks import round_axis
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.quantities import Asked, Quantity, asked_of, evaluate, quantity

DENSITY_CELLS = 90
"""Cells of a density along each axis."""
MOST = 6
"""Quantities that one corner figure has room for."""
INSIDE = (0.9, 0.5)
"""Shares of the draws inside the contours."""


@dataclasses.dataclass(frozen=True)
class _Column:
    """One quantity of a joint figure; `u` and windows are logarithms where `log` is true."""

    label: str
    meaning: str
    small: bool  # whether panels have little room
    u: np.ndarray  # [B]
    interval: Interval
    log: bool

    @classmethod
    def of(
        cls, q: Quantity, values: np.ndarray, interval: Interval, fit: FitResult, small: bool
    ) -> Self:
        """Return a column; spread over a factor of ten, positive numbers become logarithms."""
        low, high = np.quantile(values, [0.003, 0.997])
        log = bool(values.min() > 0 and interval.estimate > 0)
        log = log and (q.logarithmic or bool(high > 10 * low))
        name = interval.name
        law, response = fit.law, fit.runs.response.kind
        label = called(name, law, small=small, response=response)
        meaning = called(name, law, response=response)
        return cls(label, meaning, small, np.log(values) if log else values, interval, log)

    def window(self) -> tuple[float, float]:
        """Return what the axis shows: nearly all draws, the estimate and the interval."""
        stated = np.array([self.interval.estimate, self.interval.low, self.interval.high])
        with np.errstate(all="ignore"):
            stated = np.log(stated) if self.log else stated
        ends = [*np.quantile(self.u, [0.003, 0.997]), *stated[np.isfinite(stated)]]
        low, high = min(ends), max(ends)
        room = 0.06 * (high - low) or 0.01 * abs(low) or 1.0
        return low - room, high + room

    def shown(self, u: Any) -> Any:
        """Return values as the axis has them."""
        return np.exp(u) if self.log else np.asarray(u)


def plot_joint(
    draws: Draws,
    what: Sequence[Asked] | None = None,
    *,
    level: float = 0.9,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Plot how quantities vary together over the draws.

    Two share one panel with their distributions at its sides; more make a corner.

    Args:
        draws: what `bootstrap` returned.
        what: up to 6 names, quantities or JAX functions of a law; default the free exponents,
            with a for a law of N and D, or all that is free in a law of one exponent.
        level: of the (percentile) intervals in the distributions.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure; contours hold 50 % and 90 % of the draws.

    Raises:
        ValueError: there are no quantities or more than 6, or one is unknown.
    """
    fit = draws.fit
    asked = [quantity(q, fit.law) for q in (_exponents(fit) if what is None else what)]
    count = len(asked)
    if not 1 <= count <= MOST:
        raise ValueError(f"a joint figure shows 1 to {MOST} quantities, got {count}")
    values, intervals = evaluate(asked, draws.law), draws.intervals(asked, level=level)
    values = values[np.isfinite(values).all(axis=1)]
    columns = [
        _Column.of(q, x, i, fit, count > 3)
        for q, x, i in zip(asked, values.T, intervals, strict=True)
    ]
    with drawing(figure):
        figure = figure_or_new(figure, (5.4, 5.0) if count <= 2 else (7.2, 7.0))
        name, how = as_written(type(fit.law).__name__), origin(draws)
        gap = "  " if len(name) + len(how) < 13 * (figure.bbox.width / figure.dpi) else "\n"
        figure.suptitle(f"{name}:{gap}{how}")
        sides: Any = dict(width_ratios=(3, 1), height_ratios=(1, 3)) if count == 2 else {}
        grid = figure.add_gridspec(count, count, **sides)
        for row in range(count):
            for column in range(row + 1):
                ax = axes_or_new(figure.add_subplot(grid[row, column]))
                sideways = count == 2 and row == 1
                if row == column:
                    _draw_marginal(ax, columns[row], sideways=sideways)
                else:
                    _draw_pair(ax, columns[column], columns[row])
                if row == count - 1 and not (row == column and sideways):
                    ax.set_xlabel(columns[column].label)
                if column == 0 and row > 0:
                    ax.set_ylabel(columns[row].label)
                ax.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
        _joint_key(figure, columns, level)
        figure.align_labels()
    return figure


def _exponents(fit: FitResult) -> list[str]:
    """Return the free exponents, with a; all there is for a law of fewer than two."""
    every, law = [q.name for q in asked_of(fit)], fit.law
    found = [k for k in every if k in law.parameters and law.parameters[k].role == "exponent"]
    if len(found) > 1 and "a" in type(law).derived_docs:
        found.append("a")
    return found[:MOST] if len(found) > 1 else [k for k in every if k in law.parameters][:MOST]


def _axis(ax: Axes, which: str, column: _Column) -> None:
    """Give an axis the window and round ticks of a quantity."""
    low, high = (float(x) for x in column.shown(column.window()))
    round_axis(ax, which, low, high, log=column.log, most=3 if column.small else 4)


def _draw_marginal(ax: Axes, column: _Column, *, sideways: bool) -> None:
    """Draw the distribution of one quantity with its estimate and its interval."""
    low, high = column.window()
    bins = int(np.clip(2 * np.cbrt(len(column.u)), 12, 40)) + 1
    counts, edges = np.histogram(column.u, np.linspace(low, high, bins))
    at, interval = column.shown(edges), column.interval
    span, line = (ax.axhspan, ax.axhline) if sideways else (ax.axvspan, ax.axvline)
    orientation: Any = "horizontal" if sideways else "vertical"
    ends = np.clip([interval.low, interval.high], at[0], at[-1])
    span(*ends, color=COLORS.wide, alpha=0.6, lw=0, zorder=1)
    ax.stairs(
        counts, at, fill=True, color=COLORS.run, alpha=0.75, zorder=2, orientation=orientation
    )
    line(interval.estimate, color=COLORS.law, lw=1.4, zorder=3)
    _axis(ax, "y" if sideways else "x", column)
    ax.grid(visible=False)
    ax.set_xticks([]) if sideways else ax.set_yticks([])
    ax.spines["bottom" if sideways else "left"].set_visible(False)
    text = stated(interval, log=column.log, gap="\n" if column.small else "  ")
    if sideways:
        spot: Any = dict(transform=ax.transAxes, rotation=270, va="center")
        ax.text(1.04, 0.5, text, color=COLORS.ink, **spot)
    else:
        ax.set_title(text, fontsize=points(7.5), color=COLORS.ink)


def _shades() -> list[str]:
    return [COLORS.tint(COLORS.run, share) for share in (0.22, 0.5)]


def _draw_pair(ax: Axes, x: _Column, y: _Column) -> None:
    """Draw two quantities against each other: draws, contours of their density, the estimate."""
    style: Any = dict(s=2.5, color=COLORS.run, linewidths=0, alpha=0.35, zorder=1)
    few = len(x.u) <= 500
    style |= dict(s=5, alpha=0.5) if few else {}
    ax.scatter(x.shown(x.u), y.shown(y.u), rasterized=len(x.u) * 4 > RASTERIZE, **style)
    u, v, density = _density(x, y)
    ordered = np.sort(density.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = [float(ordered[np.searchsorted(held, share)]) for share in INSIDE]
    if levels[0] < levels[1] < density.max():
        at = x.shown(u), y.shown(v), density.T
        ax.contourf(*at, [*levels, density.max()], colors=_shades(), alpha=0.75, zorder=2)
        ax.contour(*at, levels, colors=[COLORS.run], linewidths=0.8, zorder=3)
    center = x.interval.estimate, y.interval.estimate
    ax.plot(
        *([c] for c in center), "*", ms=9, color=COLORS.law, mec=COLORS.paper, mew=0.6, zorder=5
    )
    with np.errstate(all="ignore"):
        r = float(np.corrcoef(x.u, y.u)[0, 1])
    spot: Any = dict(transform=ax.transAxes, va="top", color=COLORS.ink, zorder=6)
    text = f"r = {r:.2f}".replace("-", "\u2212")
    ax.text(0.04 if r > 0 else 0.96, 0.97, text, ha="left" if r > 0 else "right", **spot)
    _axis(ax, "x", x)
    _axis(ax, "y", y)


def _density(x: _Column, y: _Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cell centers and a smoothed density [DENSITY_CELLS, DENSITY_CELLS].

    The kernel is a Gaussian with the covariance of the draws, by Scott's rule, on a grid with
    room for it at the sides.
    """
    edges = [np.linspace(*column.window(), DENSITY_CELLS + 1) for column in (x, y)]
    u, v = (
        (column.u - edge[0]) / (edge[1] - edge[0])
        for column, edge in zip((x, y), edges, strict=True)
    )
    count, _, _ = np.histogram2d(u, v, [np.arange(DENSITY_CELLS + 1)] * 2)
    spread = [np.diff(np.quantile(w, [0.25, 0.75]))[0] / 1.349 for w in (u, v)]
    width = np.maximum(np.array(spread) * len(u) ** (-1 / 6), 0.7)
    with np.errstate(all="ignore"):
        r = float(np.clip(np.nan_to_num(np.corrcoef(u, v)[0, 1]), -0.98, 0.98))
    p, q = (2 * np.pi * np.fft.fftfreq(2 * DENSITY_CELLS) * w for w in width)
    form = p[:, None] ** 2 + 2 * r * np.outer(p, q) + q[None, :] ** 2
    smooth = np.fft.ifft2(
        np.fft.fft2(count, (2 * DENSITY_CELLS, 2 * DENSITY_CELLS)) * np.exp(-0.5 * form)
    ).real
    middle = [0.5 * (edge[1:] + edge[:-1]) for edge in edges]
    return middle[0], middle[1], np.maximum(smooth[:DENSITY_CELLS, :DENSITY_CELLS], 0)


def _joint_key(figure: Figure, columns: Sequence[_Column], level: float) -> None:
    """Explain the marks: below the panels, or in the empty corner."""
    marks: list[Any] = [
        Line2D([], [], color=COLORS.law, marker="*", ms=8, mec=COLORS.paper, lw=1.4)
    ]
    marks += [Patch(color=COLORS.wide, alpha=0.6, lw=0)]
    words = ["estimate", f"{100 * level:g} % interval"]
    count = len(columns)
    if count > 1:
        marks.append(Patch(fc=_shades()[1], ec=COLORS.run))
        words.append(" and ".join(f"{100 * share:g} %" for share in INSIDE[::-1]) + " of the draws")
    if count < 3:
        figure.legend(marks, words, loc="outside lower center", ncols=3)
    else:
        figure.legend(marks, words, loc="upper right", bbox_to_anchor=(0.98, 0.93), fontsize=9)
    if columns[0].small:
        lines = [c.meaning for c in columns if c.meaning != c.label and "(" not in c.meaning]
        figure.text(0.66, 0.83, "\n".join(lines), va="top", color=COLORS.ink, linespacing=1.5)
