"""Figures of a fit: the law, the residuals, and both with the starts on one page."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullLocator

from jaxscale.fitting.result import FitResult
from jaxscale.flops import complete
from jaxscale.laws import predict
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.plotting.canvas import axes_or_new, drawing, figure_or_new, points
from jaxscale.plotting.captions import column_of, heading, loss_label, scale_label, scale_of
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.families import draw_families
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.starts import plot_starts
from jaxscale.plotting.style import color_points, draw_cloud
from jaxscale.plotting.ticks import (
    SignedPowers,
    input_axis,
    log_axis,
    nice_ticks,
    short_number,
    widened,
)


def plot_law(fit: FitResult, ax: Axes | None = None, by: str | None = None) -> Axes:
    """Plot the runs and the fitted law against scale.

    Against compute for a law of N and D, at a few fixed sizes and at the best; as a curve for one
    input, with its asymptote and its break; for any other law, predicted against observed. A law
    over families has a color, a marker and a curve for each.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.
        by: of several inputs, the one that colors the runs and that curves hold fixed; default N.

    Returns:
        The axes; the figure is `ax.figure`.

    Raises:
        ValueError: `by` is not an input of the law, or the law has only one.
    """
    inputs = fit.law.inputs
    if by is not None and (len(inputs) < 2 or by not in inputs):
        allowed = ", ".join(inputs) if len(inputs) > 1 else "left out: the law has one input"
        raise ValueError(f"by={by!r}; allowed: {allowed}")
    with drawing(ax):
        ax = axes_or_new(ax)
        joint = set(inputs) == {"N", "D"}
        over = isinstance(fit.law, FamilyLaw)
        draw = (
            draw_families
            if over
            else _draw_joint
            if joint
            else _draw_curve
            if len(inputs) == 1
            else _draw_observed
        )
        draw(fit, ax, by or ("N" if "N" in inputs else inputs[0]))
    return ax


def plot_residuals(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot the residuals against scale, with their distribution at the right.

    Args:
        fit: the result to draw; residuals are of its own kind (log, relative or absolute).
        ax: axes to draw into; default a new figure.

    Returns:
        The axes: suspects ringed and named by row, a band where a Huber loss is quadratic.
    """
    delta = fit.loss.threshold
    with np.errstate(all="ignore"):
        r = fit.residual.between(fit.prediction, fit.runs.loss)
    with drawing(ax):
        ax = axes_or_new(ax)
        if delta is not None:
            inside = f"{fit.certificate.inside_delta:,} of {len(r):,} inside $\\delta$ = {delta:g}"
            ax.axhspan(
                -delta, delta, color=COLORS.tint("#E0A500", 0.45), lw=0, zorder=1, label=inside
            )
        ax.axhline(0, color=COLORS.ink, lw=0.8, zorder=2)
        name, x = scale_of(fit)
        draw_cloud(ax, x, r, color=COLORS.run, alpha=0.8 if len(r) <= 500 else 0.4)
        input_axis(ax, "x", x, name, fit.law.kinds.get(name, "positive"))
        ax.set(xlabel=scale_label(fit, name), ylabel=fit.residual.label, ymargin=0.1)
        bulk = 1.5 * float(np.quantile(np.abs(r), 0.9))
        if np.abs(r).max() > 5 * bulk > 0:
            ax.set_yscale("asinh", linear_width=bulk)
            ax.yaxis.set_major_locator(SignedPowers(bulk))
            ax.yaxis.set_major_formatter(lambda x, _: f"{x:g}".replace("-", "\u2212"))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.set_ylim(1.5 * min(r.min(), -bulk), 1.5 * max(r.max(), bulk))
        if len(r) >= 20:
            side = ax.inset_axes((1.01, 0, 0.12, 1), sharey=ax)
            scale: Any = ax.yaxis.get_transform()
            low, high = scale.transform(np.array(ax.get_ylim()))
            edges = scale.inverted().transform(np.linspace(low, high, 33))
            side.hist(r, edges, orientation="horizontal", color=COLORS.run)
            side.axis("off")
        if len(fit.suspects):
            _ring(fit, ax, x, r)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, columnspacing=1)
    return ax


def plot_fit(fit: FitResult, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Return a figure of the law, its residuals and its starts, titled with the formula.

    Args:
        fit: the result to draw.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure as wide as a page, 7.2 by 4.4 inches; write it with `save`.
    """
    loss = type(fit.loss).__name__
    title = f"{heading(fit.law)}\n{len(fit.runs):,} runs, "
    title += f"{loss} loss of {fit.residual} residuals"
    title += "" if fit.certificate.trusted else "; not certified"
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 4.4))
        figure.suptitle(title)
        axes = figure.subplot_mosaic("ab;ac", width_ratios=(1.2, 1))
        plot_law(fit, axes["a"])
        plot_starts(fit, axes["c"])
        plot_residuals(fit, axes["b"])  # last: its labels look for room on the finished page
    return figure


def _draw_joint(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw a law of N and D against compute: runs, curves at fixed `by`, frontier."""
    law, flops, other = fit.law, fit.law.flops, "D" if by == "N" else "N"
    column, along, C = column_of(fit, by), column_of(fit, other), scale_of(fit)[1]
    distinct = np.unique(column)
    levels = distinct if len(distinct) <= 5 else nice_ticks(column.min(), column.max(), 6)
    cloud = color_points(ax, (C, fit.runs.loss), column, by, levels)
    low, high = widened(fit.runs.loss, fit.prediction)
    grid = np.geomspace(along.min() / 4, along.max() * 4, 240)
    for k, level in enumerate(levels):
        at, color = {by: level, other: grid}, COLORS.sizes(cloud.norm(level))
        label = f"law at fixed {by}" if k == len(levels) // 2 else None
        x, y = complete(**at, flops=flops)[2], predict(law, **at)
        ax.plot(x, y, color=color, lw=1, zorder=3.5 if len(C) > 500 else 2, label=label)
    reach = np.geomspace(C.min() / 2, C.max() * 8, 240)
    sizes = column_of(fit, "N")[0] * np.geomspace(1e-8, 1e8, 2500)
    losses = predict(law, N=sizes[:, None], C=reach[None, :])
    best = np.argmin(np.where(np.isfinite(losses), losses, np.inf), axis=0)
    inner = (best > 0) & (best < len(sizes) - 1)  # else the law has no best size
    if inner.any():
        frontier = np.where(inner, losses[best, np.arange(len(reach))], np.nan)
        ax.plot(
            reach, frontier, color=COLORS.ink, lw=1.7, zorder=4, label="compute-optimal frontier"
        )
        low = min(low, np.nanmin(frontier) / 1.02)
    low = min(low, _draw_asymptote(fit, ax, low / 1.25, high, low) / 1.03)
    log_axis(ax, "x", reach[0], reach[-1], "C")
    if low > 0:
        log_axis(ax, "y", low, high)
    ax.set(xlabel=scale_label(fit, "C"), ylabel=loss_label(fit), ylim=(low, high))
    ax.legend(loc="upper right")


def _draw_curve(fit: FitResult, ax: Axes, name: str) -> None:
    """Draw a law of one input: runs, curve within and beyond them, asymptote, breaks."""
    law, x, y = fit.law, column_of(fit, name), fit.runs.loss
    kind = law.kinds[name]
    first, last = _reach(x, kind)
    spaced = np.geomspace if kind == "positive" else np.linspace
    breaks = [float(getattr(law, k)) for k, s in law.parameters.items() if s.role == "breakpoint"]
    cuts = sorted({first, *(b for b in breaks if first < b < last), x.max(), last})
    seen = np.concatenate([y, fit.prediction])
    low, high = seen.min() - 0.4 * np.ptp(seen), seen.max() + 0.4 * np.ptp(seen)
    draw_cloud(ax, x, y, color=COLORS.run, label="runs")
    for a, b in zip(cuts, cuts[1:], strict=False):
        grid = spaced(np.nextafter(a, b), b, 300)
        curve = predict(law, **{name: grid})
        curve = np.where((curve > low) & (curve < high), curve, np.nan)
        beyond = a >= x.max()
        label = "extrapolated" if beyond else ("law" if a == first else None)
        ax.plot(grid, curve, color=COLORS.law, alpha=0.45 if beyond else 1, zorder=4, label=label)
        seen = np.append(seen, curve[np.isfinite(curve)])
    for key, (left, right) in fit.intervals.items():
        label = f"{key}: {short_number(left, left > 1e15)} to {short_number(right, left > 1e15)}"
        ax.axvspan(left, right, color=COLORS.hues[0], alpha=0.25, lw=0, zorder=1, label=label)
    seen = np.append(seen, _draw_asymptote(fit, ax, low, high, seen.min()))
    rising = np.polyfit(np.log(x) if kind == "positive" else x, y, 1)[0] > 0
    input_axis(ax, "x", np.array([first, last]), name, kind)
    if not rising and seen.min() > 0 and seen.max() / seen.min() > 2:
        log_axis(ax, "y", *widened(seen))
    ax.set_ylabel(loss_label(fit))
    ax.legend(loc="lower right" if rising else "upper right")


def _reach(x: np.ndarray, kind: str) -> tuple[float, float]:
    """Return from where to where a curve is drawn for runs at x [n]."""
    if kind != "positive":
        span = np.ptp(x)
        return x.min() - 0.05 * span, x.max() + 0.35 * span
    span = x.max() / x.min()
    return x.min() * span**-0.05, x.max() * max(span**0.35, 2.0)


def _draw_observed(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw predicted against observed loss."""
    y, p, column, label = fit.runs.loss, fit.prediction, column_of(fit, by), loss_label(fit)
    color_points(ax, (y, p), column, by, nice_ticks(column.min(), column.max(), 7))
    ends = widened(y, p)
    ax.plot(ends, ends, color=COLORS.ink, lw=1, zorder=2, label="predicted = observed")
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}", xlim=ends, ylim=ends)
    ax.legend(loc="upper left")


def _draw_asymptote(fit: FitResult, ax: Axes, low: float, high: float, default: float) -> float:
    """Draw and return the offset that the law approaches; `default` if none is within range."""
    top = {name: column_of(fit, name).max() for name in fit.law.inputs}
    raw = [name for name, kind in fit.law.kinds.items() if kind == "raw"]
    with np.errstate(all="ignore"):
        near, far = (
            float(fit.predict(**{k: x if k in raw else x * s for k, x in top.items()}))
            for s in (1e60, 1e120)
        )
    for name, spec in fit.law.parameters.items():
        value = float(getattr(fit.law, name))
        reached = abs(far - value) <= max(0.9 * abs(near - value), 1e-9 * abs(value))
        if spec.role == "offset" and reached and low < value < high:
            ax.axhline(
                value, color=COLORS.muted, lw=1, ls="--", zorder=1, label=f"{name} = {value:.3g}"
            )
            return value
    return default


def _ring(fit: FitResult, ax: Axes, x: np.ndarray, r: np.ndarray) -> None:
    """Ring the suspects; name the rows of the largest, where the labels find room."""
    which = fit.suspects[np.argsort(-np.abs(r[fit.suspects]), kind="stable")]
    data, unit = np.column_stack([x, r])[which], ax.figure.dpi / 72
    ax.plot(*data.T, "o", ms=6, mfc="none", mec=COLORS.alert, zorder=5, label="suspect (row)")
    root: Any = ax.figure.figure  # that of a subfigure too
    root.draw_without_rendering()  # so that pixels are where they will be
    spots = ax.transData.transform(data) / unit
    frame = np.reshape(ax.get_window_extent().extents, (2, 2)) / unit
    taken = [(point - 4, point + 4) for point in spots]
    for k, point in zip(which[:12], spots, strict=False):
        text = as_written(fit.runs.row(k), 28)
        size = np.array([points(4.2) * len(text), points(6.0)])
        for side in ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.5), (0, -1.5)):
            center = point + np.array(side) * (5.5 + size[0] / 2, 6.0)
            a, b = center - size / 2, center + size / 2
            free = all((a > d).any() or (b < c).any() for c, d in taken)
            if free and (a > frame[0]).all() and (b < frame[1]).all():
                at = dict(xytext=center - point, textcoords="offset points", ha="center")
                ax.annotate(
                    text, (x[k], r[k]), va="center", color=COLORS.alert, fontsize=points(6.5), **at
                )
                taken.append((a, b))
                break
