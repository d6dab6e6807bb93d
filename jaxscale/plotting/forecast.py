"""The figure of a run's forecast: losses so far, the way to the end, the learning rate below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from jaxscale.data.loss_curves import Curve
from jaxscale.forecast.doubts import Doubts
from jaxscale.forecast.forecaster import Forecast
from jaxscale.forecast.offline import Fan
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new
from jaxscale.plotting.captions import stated
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import ShortNumbers, log_axis
from jaxscale.uncertainty.intervals import Interval

BINS = 64
"""Means drawn over a curve of many losses."""
MANY = 200
"""Losses beyond which single ones are pale."""
SETTLED = (0.05, 0.03)
"""The axis of the loss holds those after this share of the steps so far; along log steps."""


def plot_forecast(
    curve: Curve,
    forecast: Forecast,
    fan: Fan,
    *,
    level: float = 0.9,
    truth: Curve | None = None,
    history: Sequence[tuple[int, Forecast]] | None = None,
    log: bool = False,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Plot the losses of a run, the forecast of its end, and the way there.

    Args:
        curve: the losses that the forecast knows.
        forecast: of the end, as `forecast_curve` returns it.
        fan: of the way to the end, as `forecast_fan` returns it.
        level: of the intervals, for the legend.
        truth: the losses that came later, where they are known.
        history: earlier forecasts of the same end, each with the step at which it was made.
        log: logarithmic steps.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure as wide as a page, 7.2 by 4.4 inches; without a strip where no rate is known.
    """
    known = bool(np.nanmax(fan.rate) > np.nanmin(fan.rate)) or curve.lr is not None
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 4.4))
        figure.suptitle(_title(curve, forecast, fan, level))
        heights = (5, 1) if known else (1,)
        grid = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
        ax, *below = (dressed(each) for each in grid[:, 0])
        first = SETTLED[log] * float(curve.step[-1])
        seen = _draw_losses(ax, curve, truth, first)
        ax.plot(fan.step, fan.loss, color=COLORS.law, lw=1.4, zorder=5, label="forecast, median")
        words = f"{100 * level:g} % interval"
        ax.fill_between(
            fan.step, fan.lower, fan.upper, color=COLORS.wide, lw=0, zorder=1, label=words
        )
        _draw_end(ax, forecast, fan)
        for k, (step, earlier) in enumerate(history or ()):
            ends = np.array([[earlier.loss - earlier.lower], [earlier.upper - earlier.loss]])
            look: Any = dict(fmt="D", ms=3, lw=0.9, color=COLORS.hues[6], zorder=4)
            label = None if k else "the end, as forecast at this step"
            ax.errorbar([step], [float(earlier.loss)], ends, **look, label=label)
            seen = np.concatenate([seen, [float(earlier.lower), float(earlier.upper)]])
        _frame(ax, seen, forecast, fan)
        ax.set_ylabel(as_written(curve.column, 24))
        if below:
            _draw_rate(below[0], curve, fan)
        _step_axis(below[0] if below else ax, first if log else 0.0, float(fan.step[-1]))
        if below:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
            figure.align_ylabels()
    return figure


def _title(curve: Curve, forecast: Forecast, fan: Fan, level: float) -> str:
    loss, low, high = (float(x) for x in (forecast.loss, forecast.lower, forecast.upper))
    interval = Interval("loss", loss, low, high, level, math.nan, "")
    text = stated(interval, log=False, gap=f" ({100 * level:g} %: ").replace(": (", ": ")
    name = as_written(curve.name, 40)
    first = f"{name}:  {as_written(curve.column, 24)} {text} at step {fan.step[-1]:,.0f},"
    doubted = isinstance(forecast.doubts, Doubts) and bool(forecast.doubts.any)
    word = "; the run leaves its law: a wide guess" if doubted else ""
    return f"{first}\nforecast from {len(curve):,} losses up to step {curve.step[-1]:,}{word}"


def _draw_losses(ax: Axes, curve: Curve, truth: Curve | None, first: float) -> np.ndarray:
    """Draw the losses; return those from the first settled step on, which the axis should show."""
    seen = []
    for each, color, label in (
        (curve, COLORS.run, "losses"),
        (truth, COLORS.muted, "later losses"),
    ):
        good = np.isfinite(each.loss) if each is not None else np.zeros(0, bool)
        if each is None or not good.any():
            continue
        step, loss = each.step[good], each.loss[good]
        many = len(loss) > MANY
        look: Any = dict(s=4, linewidths=0, alpha=0.35) if many else dict(s=12)
        lined = many and each is curve
        cloud = draw_cloud(ax, step, loss, color=color, label=None if lined else label, **look)
        cloud.set_zorder(1.5)
        if lined:
            edges = np.geomspace if first < SETTLED[0] * curve.step[-1] else np.linspace
            cuts = np.searchsorted(step, edges(max(step[0], 1), step[-1], BINS + 1)[1:-1])
            bins = [k for k in np.split(np.arange(len(loss)), cuts) if len(k)]
            at, middle = (np.array([np.mean(x[k]) for k in bins]) for x in (step, loss))
            ax.plot(at, middle, color=color, lw=1.2, zorder=4, label=f"{label}, means of bins")
        settled = loss[step >= first]
        seen.append(np.quantile(settled, [0.005, 0.995]) if len(settled) > MANY else settled)
    return np.concatenate(seen)


def _draw_end(ax: Axes, forecast: Forecast, fan: Fan) -> None:
    """Draw the forecast of the end as a point with a bar."""
    loss, low, high = (float(x) for x in (forecast.loss, forecast.lower, forecast.upper))
    bar: Any = dict(fmt="o", ms=4, color=COLORS.law, lw=1.6, capsize=3, zorder=6, label="the end")
    ax.errorbar([fan.step[-1]], [loss], [[loss - low], [high - loss]], **bar)


def _frame(ax: Axes, seen: np.ndarray, forecast: Forecast, fan: Fan) -> None:
    """Set the axis of the loss to the settled losses and the fan, and place the legend."""
    seen = np.concatenate([seen, fan.lower, fan.upper, [forecast.lower, forecast.upper]])
    seen = seen[np.isfinite(seen)]
    room = 0.06 * float(np.ptp(seen)) or 0.05
    ax.set(ylim=(float(seen.min()) - room, float(seen.max()) + room))
    ax.legend(loc="upper right")


def _draw_rate(ax: Axes, curve: Curve, fan: Fan) -> None:
    """Draw the learning rate: solid so far, as planned after."""
    past = fan.at <= curve.step[-1]
    peak = float(np.nanmax(fan.rate))
    ax.plot(fan.at[past], fan.rate[past], color=COLORS.run, lw=1.2)
    ax.plot(fan.at[~past], fan.rate[~past], color=COLORS.law, lw=1.2, ls="--")
    ax.set_ylim(0, 1.12 * peak)
    ax.set_yticks([0, peak], ["0", f"{peak:.3g}"])
    ax.set_ylabel("lr")


def _step_axis(ax: Axes, first: float, final: float) -> None:
    """Give the steps their axis: from 0, or from a first step in logarithm."""
    if first > 0:
        log_axis(ax, "x", min(first, final / 2), final, "step")
        return
    ax.set(xlabel="step", xlim=(-0.01 * final, 1.02 * final))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter(ShortNumbers(counts=True))
