"""The figure of a bootstrap's prediction bands, far beyond the runs.

What it states in words is what `Draws.predict` returns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.frontier import scale_name
from jaxscale.fitting.result import FitResult
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new
from jaxscale.plotting.captions import (
    column_of,
    heading,
    loss_label,
    origin,
    scale_label,
    scale_of,
    stated,
)
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import log_axis, short_number, widened
from jaxscale.uncertainty.draws import Band, Draws
from jaxscale.uncertainty.intervals import Interval

POINTS = 64
"""Scales at which bands are worked out."""
ANCHORS = 25
"""Budgets at which the best run is looked up; between them it is interpolated in logarithm."""


class _Line(NamedTuple):
    """Where a law is followed beyond the runs."""

    name: str  # of the scale
    scale: np.ndarray  # [m]
    inputs: dict[str, Any]  # [m] each
    words: str


def plot_bands(
    draws: Draws,
    *,
    at: Sequence[float] = (),
    reach: float = 100.0,
    level: float = 0.9,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Plot a law with its bands far beyond the runs.

    A law of N and D is followed along the compute-optimal line of the fit, or at the tokens per
    parameter of the runs where it has no best size; a law of one scale along that. Above the
    loss; below the same relative to the fitted law, where a narrow band can be read, and where
    every run stands against the law at its own inputs.

    Args:
        draws: what `bootstrap` returned.
        at: scales to mark, budgets for a law of N and D; the picture reaches to them.
        reach: the largest scale, as a multiple of that of the largest run.
        level: nominal coverage of the wide band and of the band for a new run.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure with two panels.

    Raises:
        ValueError: the law has other inputs, or reach is below 1.
    """
    if not 1 <= reach < math.inf:
        raise ValueError(f"reach must be a factor of 1 or more, got {reach!r}")
    fit, here = draws.fit, scale_of(draws.fit)[1]
    reach = max(reach, *(float(C) / here.max() for C in at), 1.0)
    line = _line(fit, reach)
    wide = draws.predict(level=level, **line.inputs)
    half = draws.predict(level=0.5, **line.inputs)
    new = draws.predict(level=level, new_run=True, **line.inputs)
    ratio = fit.residual.positive and bool((wide.center > 0).all())
    shades = (new, COLORS.outer), (wide, COLORS.wide), (half, COLORS.narrow)
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 5.0))
        figure.suptitle(_bands_title(draws, line, wide, reach))
        top, below = map(dressed, figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1)))
        for ax, change in ((top, None), (below, ratio)):
            ax.axvspan(
                here.min(), here.max(), color=COLORS.range, lw=0, zorder=0, label="range of runs"
            )
            for k, (band, color) in enumerate(shades):
                low, high = (_relative(x, band.center, change) for x in (band.low, band.high))
                label = f"{band.of.split(' ', 1)[1]}, {100 * band.level:g} %"
                ax.fill_between(line.scale, low, high, color=color, lw=0, zorder=1 + k, label=label)
            center = _relative(wide.center, wide.center, change)
            ax.plot(line.scale, center, color=COLORS.law, lw=1.4, zorder=5, label=line.words)
            for C in at:
                ax.axvline(C, color=COLORS.ink, lw=0.7, ls=(0, (1, 2)), zorder=1)
        draw_cloud(top, here, fit.runs.loss, color=COLORS.run, label="runs").set_zorder(4)
        _frame_losses(fit, top, wide, new)
        _frame_changes(fit, below, here, new, ratio)
        log_axis(below, "x", line.scale[0], line.scale[-1], line.name)
        below.set_xlabel(scale_label(fit, line.name))
    return figure


def _line(fit: FitResult, reach: float) -> _Line:
    """Return the scales of a band figure, and the inputs of the law there."""
    law, name, here = fit.law, scale_name(fit.law), scale_of(fit)[1]
    scale = np.geomspace(here.min() / 1.3, here.max() * reach, POINTS)
    if len(law.inputs) == 1:
        return _Line(name, scale, {name: scale}, "fitted law")
    few = np.geomspace(scale[0], scale[-1], ANCHORS)
    best = [allocate(law, compute=float(C)) for C in few]
    if not any(each.at_edge for each in best):
        found = {k: np.log([getattr(each, k) for each in best]) for k in "ND"}
        at = {k: np.exp(np.interp(np.log(scale), np.log(few), v)) for k, v in found.items()}
        return _Line(name, scale, at, "fitted law, best N and D")
    N, D, flops = column_of(fit, "N"), column_of(fit, "D"), law.flops
    share = math.exp(float(np.mean(np.log(D / N))))
    sizes = np.geomspace(N.min() * 1e-8, N.max() * 1e8, 4000)
    log_C = np.log(np.asarray(flops(sizes, share * sizes), float))
    N = np.exp(np.interp(np.log(scale), log_C, np.log(sizes)))
    words = f"fitted law, {share:.3g} tokens per parameter"
    return _Line(name, scale, {"N": N, "D": share * N}, words)


def _bands_title(draws: Draws, line: _Line, wide: Band, reach: float) -> str:
    name, first = line.name, heading(draws.fit.law)
    end = short_number(float(f"{line.scale[-1]:.2g}"), powers=name == "C" or line.scale[-1] > 1e15)
    second = (
        f"{origin(draws)}; at {as_written(name, 16)} = {end}, {reach:,.4g} times the largest run,"
    )
    center, low, high = (float(x[-1]) for x in (wide.center, wide.low, wide.high))
    last = Interval(draws.fit.runs.response.kind, center, low, high, wide.level, math.nan, "")
    text = stated(last, log=False, gap=f" ({100 * wide.level:g} %: ").replace(": (", ": ")
    third = f"the mean law is {text}"
    return f"{first}\n{second}\n{third}"


def _relative(values: np.ndarray, center: np.ndarray, change: bool | None) -> np.ndarray:
    """Return values as they are (None), in percent of the law (True), or less the law (False)."""
    if change is None:
        return values
    relative: np.ndarray = 100 * (values / center - 1) if change else values - center
    return relative


def _frame_losses(fit: FitResult, ax: Axes, wide: Band, new: Band) -> None:
    """Set the axis of the loss, and the legend where a curve leaves room."""
    seen = np.concatenate([wide.low, wide.high, new.low, new.high, fit.runs.loss])
    low, high = widened(seen[np.isfinite(seen)])
    falling = bool(wide.center[-1] < wide.center[0])
    if falling and low > 0:
        log_axis(ax, "y", low, high)
    ax.set(ylabel=loss_label(fit), ylim=(low, high))
    ax.legend(loc="upper right" if falling else "lower right", ncols=2)


def _frame_changes(fit: FitResult, ax: Axes, x: np.ndarray, new: Band, ratio: bool) -> None:
    """Draw the runs against the law at their own inputs; those far away as arrows at the edge."""
    off = _relative(fit.runs.loss, fit.prediction, ratio)
    bands = np.concatenate([_relative(edge, new.center, ratio) for edge in (new.low, new.high)])
    bands = bands[np.isfinite(bands)]
    bulk = 4 * np.quantile(np.abs(off), 0.75)
    bulk = np.where(x == x.max(), 3 * bulk, bulk)  # the largest runs are what one looks for
    near = off[np.abs(off) <= bulk]
    low, high = min(bands.min(), *near), max(bands.max(), *near)
    room = 0.1 * (high - low) or 1.0
    low, high = low - room, high + room
    inside = (off >= low) & (off <= high)
    draw_cloud(ax, x[inside], off[inside], color=COLORS.run).set_zorder(4)
    for mask, marker, y in (
        (off > high, "^", high - 0.4 * room),
        (off < low, "v", low + 0.4 * room),
    ):
        if mask.any():
            label = f"{mask.sum()} {'run' if mask.sum() == 1 else 'runs'} beyond the panel"
            style: Any = dict(
                marker=marker, s=16, color=COLORS.run, linewidths=0, zorder=4, label=label
            )
            ax.scatter(x[mask], np.full(int(mask.sum()), y), **style)
    ax.set_ylim(low, high)
    ax.set_ylabel("relative to the law (%)" if ratio else f"{fit.runs.response.kind} \u2212 law")
    pairs = zip(*ax.get_legend_handles_labels(), strict=True)
    beyond = [(handle, label) for handle, label in pairs if "beyond" in label]
    if beyond:
        place: Any = dict(loc="lower left", bbox_to_anchor=(-0.02, 1), borderpad=0, ncols=2)
        ax.legend(*zip(*beyond, strict=True), **place)
