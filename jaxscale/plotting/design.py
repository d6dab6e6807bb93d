"""The figure of a design: where its runs lie, and how the interval narrows as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import RoundTicks, brief, input_axis, log_axis, short_number, widened

if TYPE_CHECKING:
    from jaxscale.designs.result import Design


KNOWN = 100.0
"""Factor to either side from which an interval is not drawn: nothing is known there."""


def plot_design(found: Design, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot the candidates with the batch in its order, and the interval against what is spent.

    Args:
        found: what `design` returned.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure: left the runs that are there, the candidates and the batch, in the plane of the
        first two inputs (of cost and input for a law of one); then the interval of the first
        answer after each run, and that of the usual designs of the same cost. For the criterion
        "D", the volume of all parameters.
    """
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 3.5))
        bars = 0.28 if found.answers else 0.02
        parts = figure.subplots(1, 3, width_ratios=(1.25, 1, bars))
        left, middle, right = map(dressed, parts)
        figure.suptitle(_title(found))
        _draw_places(left, found)
        values = _draw_interval(middle, found)
        values += _draw_others(right, found)
        _share_height(middle, right, found, values)
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
    style: Any = dict(
        s=7, color=COLORS.tint(COLORS.ink, 0.24), linewidths=0, label=f"{len(x):,} candidates"
    )
    draw_cloud(ax, x, y, **style)
    if len(here[0]):
        draw_cloud(ax, *here, color=COLORS.run, label=f"{len(here[0]):,} runs")
    batch = found.batch
    shape: Any = dict(
        s=44 if len(batch) <= 20 else 20,
        color=COLORS.law,
        edgecolors=COLORS.paper,
        linewidths=0.6,
        zorder=5,
    )
    ax.scatter(x[batch], y[batch], label="the batch in order", **shape)
    for k, one in enumerate(batch if len(batch) <= 20 else ()):
        mark: Any = dict(
            ha="center", va="center_baseline", fontsize=points(5), color=COLORS.paper, zorder=6
        )
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
        ax.plot(
            [low, high],
            [C / k / low, C / k / high],
            color=COLORS.tint(COLORS.ink, 0.17),
            lw=0.6,
            zorder=1,
        )
        at = C / k / top  # where the line meets the upper edge
        if low * 1.3 < at < high / 1.6:
            said: Any = dict(
                fontsize=points(5.5), color=COLORS.muted, ha="left", va="top", zorder=2
            )
            ax.text(at * 1.06, top / 1.08, rf"$10^{{{power}}}$", **said)
    ax.set(xlim=(low, high), ylim=(bottom, top))


def _draw_interval(ax: Axes, found: Design) -> list[np.ndarray]:
    """Draw the interval after each run against what is spent; return what it reaches."""
    spent = found.spent
    center, low, high = _limits(found)
    shown = np.isfinite(low) & np.isfinite(high)
    if not shown.any() or len(spent) < 2:
        ax.text(0.5, 0.5, "not determined", transform=ax.transAxes, ha="center", color=COLORS.muted)
        return []
    begin, end = float(spent[1]) / 4, 1.5 * float(spent[-1])
    x = np.concatenate([[begin], spent[1:]])  # no runs have no place on a logarithmic axis
    place, low, high = np.append(x[shown], end), low[shown], high[shown]
    low, high = np.append(low, low[-1]), np.append(high, high[-1])
    label = f"{100 * found.level:g} % interval" if found.answers else "over that at present"
    ax.fill_between(place, low, high, step="post", color=COLORS.wide, lw=0, zorder=2, label=label)
    for edge in (low, high) if found.answers else (high,):
        ax.step(place, edge, where="post", color=COLORS.law, lw=1.0, zorder=3)
    if found.answers:
        text = brief(center).replace("-", "\u2212")
        style: Any = dict(color=COLORS.ink, lw=0.8, ls=(0, (4, 3)), zorder=3, label=text)
        ax.plot([place[0], end], [center, center], **style)
    _label_spent(ax, found, float(place[0]) if shown[0] else float(place[0]) / 2, bool(shown[0]))
    where: Any = dict(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=3, columnspacing=0.8)
    ax.legend(**where, handletextpad=0.4)
    return [low, high]


def _limits(found: Design) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the answer, and its limits [k + 1] after each run; NaN where hardly anything is known.

    Without an answer, the volume of all parameters over that at present stands for the upper limit.
    """
    if not found.answers:
        return 0.0, np.zeros(len(found.steps)), found.steps
    answer, half = found.answers[0], found.halves
    center = answer.after.estimate
    if answer.logarithmic:
        half = np.where(half < np.log(KNOWN), half, np.nan)
        return center, center * np.exp(-half), center * np.exp(half)
    half = np.where(half < 20 * half.min(), half, np.nan)
    return center, center - half, center + half


def _draw_others(ax: Axes, found: Design) -> list[np.ndarray]:
    """Draw the intervals that the batch and designs of the same cost leave; return their ends."""
    if not found.answers or not np.isfinite(found.halves[-1]):
        ax.axis("off")
        return []
    answer, own = found.answers[0], float(found.halves[-1])
    center = answer.after.estimate
    bars = [("batch", own, COLORS.law)]
    bars += [
        (other.name.split()[other.name.startswith("a")].strip(","), own * other.against, hue)
        for other, hue in zip(found.others, COLORS.hues, strict=False)
    ]
    ends: list[np.ndarray] = []
    names = []
    for name, wide, hue in bars:
        if not wide < (np.log(KNOWN) if answer.logarithmic else 20 * own):
            continue
        both = np.array([-wide, wide])
        both = center * np.exp(both) if answer.logarithmic else center + both
        ax.plot([len(ends)] * 2, both, color=hue, lw=4, solid_capstyle="butt", zorder=4)
        ends.append(both)
        names.append(as_written(name, 12))
    ax.set_xticks(range(len(ends)), names, rotation=60, ha="right", rotation_mode="anchor",
                  fontsize=points(6))  # fmt: skip
    ax.set_xlim(-0.7, max(len(ends), 2) - 0.3)
    ax.grid(visible=False, axis="x")
    return ends


def _share_height(one: Axes, other: Axes, found: Design, values: list[np.ndarray]) -> None:
    """Give both panels of intervals one vertical axis, which the first of them labels."""
    if not values:
        return
    low, high = widened(np.concatenate(values))
    log = bool(found.answers and found.answers[0].logarithmic)
    for ax in (one, other):
        if log:
            log_axis(ax, "y", low, high)
        else:
            ax.set_ylim(low if found.answers else 0.0, high)
    other.tick_params(axis="y", labelleft=False)
    one.set_ylabel(as_written(found.answers[0].name, 40) if found.answers else "volume left")


class _FromNow(RoundTicks):
    """Powers of ten, after the place that stands for nothing spent."""

    def __init__(self, begin: float) -> None:
        super().__init__(6)
        self.begin = begin

    def tick_values(self, vmin: float, vmax: float) -> Any:
        ticks = super().tick_values(vmin, vmax)
        own = [self.begin] if vmin <= self.begin <= vmax else []
        return np.array([*own, *(tick for tick in ticks if tick > 2.5 * self.begin)])


def _label_spent(ax: Axes, found: Design, begin: float, now: bool) -> None:
    """Label the axis of what is spent; where that is nothing yet, the tick says so."""
    end = 1.5 * float(found.spent[-1])
    log_axis(ax, "x", begin, end)
    ax.set_xlabel(f"spent on the batch ({as_written(found.candidates.unit, 16)})")
    if not now:
        return
    ax.xaxis.set_major_locator(_FromNow(begin))
    ax.xaxis.set_major_formatter(
        lambda x, _: "now" if x <= begin * (1 + 1e-9) else short_number(x, True)
    )
