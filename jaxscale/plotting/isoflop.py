"""The figures of an `IsoFlop`: valleys with their minima and power laws, and optima against C."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from jaxscale.decisions.published import USUAL, published
from jaxscale.errors import DataError
from jaxscale.isoflops.minima import Minimum
from jaxscale.isoflops.result import Approach, Best, IsoFlop
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.captions import compute_label
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import LABELS, brief, log_axis, short_number, widened

BUDGETS_NAMED = 12
"""Budgets that a legend names one by one."""
RESULTS = {"N": "best N", "D": "best D", "ratio": "best D / N"}
AXES = {"N": LABELS["N"], "D": LABELS["D"], "ratio": "tokens per parameter D / N"}
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 2, 1, 2)))


def plot_isoflop(found: IsoFlop, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot the valleys of the budgets with their minima, and N* and D* against compute.

    On the left the runs and the polynomial of every budget; a budget without an interior minimum
    is grey. On the right the minima, the power law through them with its interval up to the
    largest budget that was asked for, and the law of approach 3.

    Args:
        found: what `isoflop` returned.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        The figure, three panels.

    Raises:
        DataError: no budget has a minimum.
    """
    minima = found.minima.get(found.chosen)
    if minima is None or not minima.used:
        raise DataError(f"{found.runs.source}: no budget has a minimum, so there are no valleys")
    with drawing(figure):
        figure = figure_or_new(figure, (9.6, 3.5))
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        _draw_valleys(dressed(left), found)
        for ax, name in ((middle, "N"), (right, "D")):
            _draw_optimum(dressed(ax), found, name)
    return figure


def plot_optima(found: IsoFlop, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot N*, D* and D*/N* against compute, by all approaches, with published laws.

    Args:
        found: what `isoflop` returned.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        The figure, three panels.
    """
    with drawing(figure):
        figure = figure_or_new(figure, (9.6, 3.9))
        panels = figure.subplots(1, 3)
        for ax, name in zip(panels, AXES, strict=True):
            _draw_optimum(dressed(ax), found, name, references=True)
        handles, labels = panels[0].get_legend_handles_labels()
        for ax in panels:
            ax.get_legend().remove()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    return figure


def draw_isoflop(found: IsoFlop, kind: str = "valleys") -> Figure:
    """Draw a figure by its kind: "valleys", "optima" or "envelope".

    Raises:
        DataError: the table has nothing to draw of that kind.
    """
    if kind == "envelope":
        from jaxscale.plotting.envelope import plot_envelope

        return plot_envelope(found)
    return plot_optima(found) if kind == "optima" else plot_isoflop(found)


def _star() -> dict[str, Any]:
    return dict(ls="", marker="*", ms=8, color=COLORS.law, mec=COLORS.paper, mew=0.5, zorder=5)


def _draw_valleys(ax: Axes, found: IsoFlop) -> None:
    minima = found.minima[found.chosen]
    valleys = minima.valleys
    budgets = [row.budget for row in valleys]
    norm = LogNorm(min(budgets), max(budgets) * 1.0001)
    sizes, losses = np.exp(minima.budgets.x), minima.runs.loss
    beside = np.ones(len(losses), bool)
    for row in valleys:
        beside[row.rows] = False
        color = COLORS.muted if row.refused else COLORS.sizes(norm(row.budget))
        label = short_number(row.budget, powers=True)
        label = f"{label}, no minimum" if row.refused else label
        dots: Any = dict(ms=3.4, color=color, mec=COLORS.paper, mew=0.3, zorder=3, label=label)
        ax.plot(sizes[row.rows], losses[row.rows], "o", **dots)
        if row.valley is not None:
            style = (0, (3, 2)) if row.refused else "-"
            ax.plot(*row.curve(), color=color, lw=1.1, ls=style, zorder=2)
    if beside.any():
        ax.plot(
            sizes[beside], losses[beside], ".", ms=3, color=COLORS.muted, zorder=1, label="others"
        )
    used = minima.used
    at = [getattr(row, minima.along) for row in used]
    heights = [row.loss for row in used]
    order = np.argsort(at)
    ax.plot(
        np.array(at)[order], np.array(heights)[order], color=COLORS.ink, lw=0.7, ls=(0, (1, 1.5))
    )
    ax.plot(at, heights, label="minimum", **_star())
    log_axis(ax, "x", float(sizes.min()), float(sizes.max()), minima.along)
    low, high = _loss_range(losses, heights)
    ax.set_ylim(low, high)
    response = found.runs.response
    ax.set_ylabel("loss" if response.kind == "loss" else as_written(response.kind))
    ax.set_title(f"{found.chosen} per budget\nC in {as_written(found.unit, 16)}")
    if len(valleys) <= BUDGETS_NAMED:
        ax.legend(loc="upper right", fontsize=points(6), ncols=1 + (len(valleys) > 6))


def _loss_range(losses: np.ndarray, heights: list[float]) -> tuple[float, float]:
    """Return the losses shown: all, but for the runs far above every valley."""
    low = min(float(losses.min()), *heights)
    usual = float(np.quantile(losses, 0.75))
    high = min(float(losses.max()), usual + 2.5 * (usual - low) + 1e-12)
    room = 0.05 * (high - low)
    return low - room, high + 6 * room  # room for the legend


def _of(best: Best, name: str) -> tuple[float, float, float]:
    i = getattr(best, name)
    return i.estimate, i.low, i.high


def _draw_optimum(ax: Axes, found: IsoFlop, name: str, references: bool = False) -> None:
    shown = [each for each in found.approaches if each.band]
    main = [each for each in shown if each.number == 3 or each.name == found.chosen]
    drawn = shown if references else main
    marks: list[np.ndarray] = []
    for k, each in enumerate(drawn):
        marks.append(_draw_approach(ax, each, name, k, main=each in main))
    minima = found.minima.get(found.chosen)
    used: tuple[Minimum, ...] = () if minima is None else minima.used
    C = np.array([row.budget for row in used])
    y = np.array([row.D / row.N if name == "ratio" else getattr(row, name) for row in used])
    if len(used):
        ax.plot(C, y, **_star())
    grid = np.array([b.compute for b in drawn[0].band]) if drawn else C
    for k, paper in enumerate(map(published, USUAL if references else ())):
        N, D = paper.at(grid)
        line = {"N": N, "D": D, "ratio": D / N}[name]
        style: Any = dict(color=COLORS.papers[k % 5], lw=0.9, ls=LINES[k % len(LINES)])
        ax.plot(grid, line, label=paper.name, **style)
        marks.append(line)
    for place in found.compute:
        ax.axvline(place, color=COLORS.ink, lw=0.6, ls=(0, (2, 2)), zorder=1)
    log_axis(ax, "x", float(grid.min()), float(grid.max()), "C")
    ax.set_xlabel(compute_label(found.unit))
    seen = np.concatenate([*marks, y])
    log_axis(ax, "y", *widened(seen[np.isfinite(seen) & (seen > 0)]))
    ax.set_ylabel(AXES[name])
    ax.set_title(_stated(found, name))
    ax.legend(loc="upper left", fontsize=points(6.5))


def _draw_approach(ax: Axes, each: Approach, name: str, k: int, *, main: bool) -> np.ndarray:
    """Draw one approach with its band; return what should be seen of it."""
    x = np.array([b.compute for b in each.band])
    center, low, high = (np.array([_of(b, name)[j] for b in each.band]) for j in range(3))
    law = each.number == 3
    color = COLORS.ink if law else COLORS.law if main else COLORS.hues[k % len(COLORS.hues)]
    label = f"approach {each.number}: {as_written(each.name, 20)}"
    if name != "ratio" and each.exponent is not None:
        a = each.exponent.estimate if name == "N" else 1 - each.exponent.estimate
        label += f", $C^{{{a:.3f}}}$"
    if not main:
        ax.plot(x, center, color=color, lw=0.8, alpha=0.8, label=label, zorder=2)
        return center
    floor, roof = center / 100, center * 100  # an interval without end must not flatten the rest
    edges = np.maximum(low, floor), np.minimum(high, roof)
    ax.fill_between(
        x,
        *edges,
        color=COLORS.muted if law else COLORS.wide,
        alpha=0.3 if law else 0.75,
        lw=0,
        zorder=1,
    )
    ax.plot(x, center, color=color, lw=1.3, ls=LINES[1] if law else "-", label=label, zorder=4)
    return np.concatenate([center, *edges])


def _stated(found: IsoFlop, name: str) -> str:
    """Return the answer at the last budget asked, by the chosen polynomial."""
    chosen = next((a for a in found.approaches if a.name == found.chosen and a.best), None)
    chosen = chosen or next((a for a in found.approaches if a.best), None)
    if chosen is None:
        return AXES[name]
    center, low, high = _of(chosen.best[-1], name)
    ends = (brief(x) if math.isfinite(x) else "\u221e" for x in (low, high))
    at = short_number(chosen.best[-1].compute, powers=True)
    return f"{RESULTS[name]} at {at}\n{brief(center)} ({' to '.join(ends)})"
