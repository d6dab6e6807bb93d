"""The figure of a design: where its runs lie, and how the interval narrows as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import (
    HUES,
    INK,
    LAW,
    MUTED,
    RUN,
    STYLE,
    WIDE,
    axes_or_new,
    brief,
    draw_cloud,
    input_axis,
    log_axis,
    short_number,
    widened,
)

if TYPE_CHECKING:
    from jaxscale.designs.result import Design


def plot_design(found: Design) -> Figure:
    """Plot the candidates with the batch in its order, and the interval against what is spent.

    Args:
        found: what `design` returned.

    Returns:
        A figure: left the runs that are there, the candidates and the batch, in the plane of the
        first two inputs (of cost and input for a law of one); right the interval of the first
        answer after each run, with the usual designs of the same cost. For the criterion "D",
        the volume of all parameters.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.5), layout="constrained")
        left, right = map(axes_or_new, figure.subplots(1, 2, width_ratios=(1.15, 1)))
        figure.suptitle(_title(found), fontsize=9, color=INK)
        _draw_places(left, found)
        _draw_interval(right, found)
    return figure


def _title(found: Design) -> str:
    spent = f"{short_number(float(found.spent[-1]), True)} {as_written(found.candidates.unit, 16)}"
    runs = f"{len(found)} run{'s' if len(found) > 1 else ''}"
    if not found.answers:
        return f"{runs}, {spent}: all parameters of {as_written(found.law, 24)}"
    answer = found.answers[0]
    said = f"{runs}, {spent}, for {as_written(answer.name, 40)}"
    if 0 < answer.ratio < np.inf:
        said += f":  {100 * answer.ratio:.2g} % of its interval left"
    return said


def _draw_places(ax: Axes, found: Design) -> None:
    kept = found.candidates.inputs
    names = list(kept)[:2]
    two = len(names) == 2
    if two:
        x, y = (kept[name] for name in names)
        here = [found.present[name] for name in names]
    else:
        x, y = found.candidates.cost, kept[names[0]]
        here = [np.empty(0), np.empty(0)]
    both = ((x, here[0]), (y, here[1]))
    ends = [np.concatenate(pair) for pair in both]
    if two:
        for which, name, values in zip("xy", names, ends, strict=True):
            _axis(ax, which, values, name)
    else:
        log_axis(ax, "x", *widened(ends[0]), found.candidates.unit)
        _axis(ax, "y", ends[1], names[0])
    if names == ["N", "D"] and found.candidates.unit == "FLOPs":
        _draw_budgets(ax, found)
    style: Any = dict(s=7, color="#c9c9c9", linewidths=0, label=f"{len(x):,} candidates")
    draw_cloud(ax, x, y, **style)
    if len(here[0]):
        draw_cloud(ax, *here, color=RUN, label=f"{len(here[0]):,} runs that are there")
    batch = found.batch
    size = 62 if len(batch) < 10 else 54
    shape: Any = dict(s=size, color=LAW, edgecolors="w", linewidths=0.6, zorder=5)
    ax.scatter(x[batch], y[batch], label="the batch, in its order", **shape)
    for k, one in enumerate(batch[:99]):
        mark: Any = dict(ha="center", va="center_baseline", fontsize=5.5, color="w", zorder=6)
        ax.text(x[one], y[one], str(k + 1), **mark)
    where: Any = dict(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=3, columnspacing=0.8)
    ax.legend(**where, handletextpad=0.2)


def _axis(ax: Axes, which: str, values: np.ndarray, name: str) -> None:
    if values.min() > 0:
        log_axis(ax, which, *widened(values), name)
    else:
        input_axis(ax, which, values, name, "signed")


def _draw_budgets(ax: Axes, found: Design) -> None:
    """Draw lines of equal FLOPs: as far as 6 N D is what a run costs."""
    N, D = found.candidates.inputs["N"], found.candidates.inputs["D"]
    per = found.candidates.cost / (N * D)
    if np.ptp(per) > 0.02 * per.mean():  # no straight lines
        return
    k = float(per.mean())
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    first, last = np.log10(k * low * bottom), np.log10(k * high * top)
    step = max(1, round((last - first) / 7))
    for power in range(int(np.ceil(first)), int(np.floor(last)) + 1, step):
        C = 10.0**power
        ax.plot([low, high], [C / k / low, C / k / high], color="#d9d9d9", lw=0.6, zorder=1)
        at = C / k / top  # where the line meets the upper edge
        if low * 1.3 < at < high / 1.6:
            said: Any = dict(fontsize=5.5, color=MUTED, ha="left", va="top", zorder=2)
            ax.text(at * 1.06, top / 1.08, rf"$10^{{{power}}}$", **said)
    ax.set(xlim=(low, high), ylim=(bottom, top))


def _draw_interval(ax: Axes, found: Design) -> None:
    spent = found.spent
    first = float(spent[1]) if len(spent) > 1 else 1.0
    x = np.concatenate([[first / 3], spent[1:]])  # no runs have no place on a logarithmic axis
    if found.answers:
        answer = found.answers[0]
        center, half = answer.after.estimate, found.halves
        known = np.isfinite(half) & (half < np.log(1e4) if answer.logarithmic else True)
        if answer.logarithmic:
            low, high = center * np.exp(-half[known]), center * np.exp(half[known])
        else:
            low, high = center - half[known], center + half[known]
        name = as_written(answer.name, 40)
    else:
        known, center = np.isfinite(found.steps), np.nan
        low, high, name = np.zeros(int(known.sum())), found.steps[known], "volume left"
    place = x[known]
    if len(place) == 0:
        ax.text(0.5, 0.5, "not determined", transform=ax.transAxes, ha="center", color=MUTED)
        return
    ax.fill_between(place, low, high, step="post", color=WIDE, lw=0, zorder=2,
                    label=f"{100 * found.level:g} % interval")  # fmt: skip
    for edge in (low, high):
        ax.step(place, edge, where="post", color=LAW, lw=1.0, zorder=3)
    if np.isfinite(center):
        ax.plot([x[0], x[-1] * 1.5], [center, center], color=INK, lw=0.8, ls=(0, (4, 3)), zorder=3,
                label=f"{name} = {brief(float(center))}")  # fmt: skip
    end = float(spent[-1])
    ax.fill_between([end, end * 1.5], low[-1], high[-1], color=WIDE, lw=0, zorder=2)
    for edge in (low, high):
        ax.plot([end, end * 1.5], [edge[-1]] * 2, color=LAW, lw=1.0, zorder=3)
    shown = [low, high] + _draw_others(ax, found, end)
    values = np.concatenate([np.atleast_1d(v) for v in shown])
    log = bool(found.answers and found.answers[0].logarithmic and values.min() > 0)
    _finish(ax, found, (first / 3, end * 2.4), widened(values), name, log)


def _draw_others(ax: Axes, found: Design, end: float) -> list[np.ndarray]:
    """Draw the interval that other designs of the same cost leave, as bars beside the batch's."""
    usable = [other for other in found.others if np.isfinite(other.against)][:3]
    if not (usable and found.answers):
        return []
    answer, half = found.answers[0], float(found.halves[-1])
    ends, center = [], answer.after.estimate
    for k, other in enumerate(usable):
        wide = half * other.against
        if answer.logarithmic and wide > np.log(1e4):
            continue
        low, high = (
            center * np.exp([-wide, wide])
            if answer.logarithmic
            else center + np.array([-wide, wide])
        )
        at = end * 1.6 * 1.13**k
        ax.plot([at, at], [low, high], color=HUES[k], lw=1.6, zorder=4, label=other.name)
        ends.append(np.array([low, high]))
    return ends


def _finish(
    ax: Axes,
    found: Design,
    x: tuple[float, float],
    y: tuple[float, float],
    name: str,
    log: bool,
) -> None:
    """Label the axes; where nothing is spent yet the tick says so."""
    unit = as_written(found.candidates.unit, 16)
    log_axis(ax, "x", *x)
    ax.set_xlabel(f"spent on the batch ({unit})")
    ticks = [tick for tick in ax.get_xticks() if tick > 2.2 * x[0]]
    labels = [short_number(tick, True) for tick in ticks]
    ax.set_xticks([x[0], *ticks], labels=["now", *labels])
    if log:
        log_axis(ax, "y", *y)
    else:
        ax.set_ylim(*y)
    ax.set_ylabel(name)
    ax.legend(loc="upper right", framealpha=0.85)
    ax.axvspan(float(found.spent[-1]) * 1.5, x[1], color="#f4f4f4", lw=0, zorder=0)
