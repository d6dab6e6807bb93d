"""The figure of the best runs against compute: N*, D* and D/N with their bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.decisions.allocation import Allocation
from jaxscale.decisions.published import USUAL, PublishedOptimum, published
from jaxscale.flops import unit_of
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new
from jaxscale.plotting.captions import column_of, compute_label, heading, origin, scale_of
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import brief, log_axis, short_number
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.frontiers import frontier

AMOUNTS = {
    "N": "best parameters N*",
    "D": "best training tokens D*",
    "tokens_per_parameter": "tokens per parameter D*/N*",
}
DASHES: Any = ((0, (1, 1)), (0, (4, 1.5)), (0, (4, 1, 1, 1)), (0, (7, 2)), (0, (2, 1)))


def plot_allocation(
    draws: Draws,
    *,
    compute: Sequence[float] = (),
    level: float = 0.9,
    lines: Sequence[str] = USUAL,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Plot the best N, the best D and their ratio against compute, with bands.

    The bands reach to the budgets that are asked for, which are marked and told in words; the runs
    and the range of their compute are behind them, and lines that others have published beside
    them.

    Args:
        draws: what `bootstrap` returned, of a law of N and D.
        compute: budgets to mark.
        level: nominal coverage of the bands.
        lines: names of published lines, as `jaxscale.decisions.published` has them.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure with three panels.

    Raises:
        ValueError: the law is not one of N and D or has no best size, or no line has a name.
    """
    others = [published(name) for name in lines]
    found = frontier(draws, compute, level=level)
    asked = sorted(compute)
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 3.6))
        figure.suptitle(_title(draws, found, asked))
        panels = [dressed(ax) for ax in figure.subplots(1, 3, sharex=True)]
        for (name, label), ax in zip(AMOUNTS.items(), panels, strict=True):
            _draw(draws, found, ax, name, others)
            for C in asked:
                _mark(found, ax, name, C)
            ax.set_ylabel(label)
            few_powers(ax, found.compute[0], found.compute[-1])
            ax.set_xlabel(compute_label(unit_of(draws.fit.law.flops)).removeprefix("training "))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, columnspacing=1.2)
    return figure


def few_powers(ax: Axes, low: float, high: float) -> None:
    """Give a narrow panel the axis of compute.

    Args:
        ax: the panel.
        low: the least compute.
        high: the largest.
    """
    log_axis(ax, "x", low, high, most=4)


def _draw(
    draws: Draws, found: Allocation, ax: Axes, name: str, others: Sequence[PublishedOptimum]
) -> None:
    C, center = found.compute, getattr(found, name)
    limits, here = found.intervals[name], scale_of(draws.fit)[1]
    ax.axvspan(
        here.min(), here.max(), color=COLORS.range, lw=0, zorder=0, label="range of the runs"
    )
    runs = {key: column_of(draws.fit, key) for key in "ND"}
    runs["tokens_per_parameter"] = runs["D"] / runs["N"]
    draw_cloud(ax, here, runs[name], color=COLORS.run, alpha=0.35, s=5, linewidths=0, label="runs")
    seen = [center, limits.low, limits.high]
    for k, line in enumerate(others):
        N, D = line.at(C)
        y = {"N": N, "D": D, "tokens_per_parameter": D / N}[name]
        ax.plot(C, y, color=COLORS.papers[k % 5], lw=1, ls=DASHES[k % len(DASHES)],
                zorder=3, label=line.name)  # fmt: skip
        seen.append(y)
    ax.plot(C, center, color=COLORS.law, lw=1.6, zorder=5, label="this fit")
    own = np.concatenate([x[np.isfinite(x) & (x > 0)] for x in (*seen[:3], runs[name])])
    rest = np.concatenate([own, *seen[3:]])
    low = max(rest.min(), own.min() / 30)
    high = min(rest.max(), own.max() * 30)
    band = f"{100 * found.level:g} % interval"
    ends = (np.clip(x, low / 100, high * 100) for x in (limits.low, limits.high))  # open ones too
    ax.fill_between(C, *ends, color=COLORS.wide, lw=0, zorder=2, label=band)
    log_axis(ax, "y", low / 1.3, high * 1.3)


def _mark(found: Allocation, ax: Axes, name: str, C: float) -> None:
    """Mark an asked budget: its best run and both ends of the interval."""
    limits = found.intervals[name]
    y, low, high = (_at(found, x, C) for x in (getattr(found, name), limits.low, limits.high))
    ax.axvline(C, color=COLORS.ink, lw=0.7, ls=(0, (1, 2)), zorder=1)
    style: Any = dict(color=COLORS.ink, lw=1.1, capsize=2.5, zorder=6, ms=4)
    high = min(high, 1e6 * y)  # an open end leaves the panel
    ax.errorbar(C, y, [[max(y - low, 0)], [max(high - y, 0)]], fmt="o", **style)


def _at(found: Allocation, values: Any, C: float) -> float:
    """Return a value at a budget between those that were worked out, by logarithms."""
    with np.errstate(all="ignore"):
        log = np.interp(np.log(C), np.log(found.compute), np.log(values))
    return float(np.exp(log))


def _title(draws: Draws, found: Allocation, asked: Sequence[float]) -> str:
    first = f"{heading(draws.fit.law)}\n{origin(draws)}"
    if not asked:
        return first
    C = asked[-1]
    said = []
    for name, called in (("N", "N*"), ("D", "D*"), ("tokens_per_parameter", "D*/N*")):
        limits = found.intervals[name]
        y, low, high = (
            brief(_at(found, x, C)) for x in (getattr(found, name), limits.low, limits.high)
        )
        said.append(f"{called} {y} ({low} to {high})")
    budget = f"{short_number(C, powers=True)} {as_written(unit_of(draws.fit.law.flops), 16)}"
    return f"{first}\nat {budget}: {', '.join(said)}"
