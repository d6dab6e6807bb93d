"""Figures of what lies behind an answer: profiles, restarts, influence, rollouts, multipliers.

Each takes results and nothing else, refits nothing, and returns a figure as wide as a page; write
it with `plotting.save`. No global state changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from jaxscale.engine import Status
from jaxscale.intervals import student_t
from jaxscale.labels import as_written, symbol
from jaxscale.plotting import (
    CEILING,
    HUES,
    INK,
    LABELS,
    LAW,
    MUTED,
    RUN,
    STYLE,
    _axes,
    _cloud,
    _log_axis,
    _short,
    _widen,
    plot_starts,
)
from jaxscale.profile import Profile
from jaxscale.result import FitResult
from jaxscale.tabulate import quantity as number
from jaxscale.uncertainty_plots import WIDE, brief, called, round_axis, stated

if TYPE_CHECKING:
    from jaxscale.asymptote import AsymptoteProfile
    from jaxscale.comparison import Comparison
    from jaxscale.influence import Influence
    from jaxscale.multiplier import Multiplier
    from jaxscale.selection import HeldOut

CENTRAL = 0.5
"""Level of the inner line of a profile."""
BARS = 14
"""Runs that an influence figure ranks."""
MUCH = 100.0
"""Factor around a multiplier that its figure shows at most."""
EFFECTS = LinearSegmentedColormap.from_list("effects", [RUN, "#dcdcdc", LAW])
MARKS = "osD^vPX*"
HUES_OF_LAWS = (RUN, LAW, HUES[0], HUES[6], HUES[3], HUES[1], HUES[5], MUTED)


def plot_profiles(profiles: Profile | Sequence[Profile], *, level: float = 0.9) -> Figure:
    """Plot profiles with the intervals that they state, one small panel each.

    A profile without bend is two straight lines, drawn dotted: what a covariance would say.

    Args:
        profiles: what `profile` returned.
        level: of the intervals.

    Returns:
        A figure; height is the absolute signed root, in standard errors.

    Raises:
        ValueError: there are no profiles.
    """
    every = [profiles] if isinstance(profiles, Profile) else list(profiles)
    if not every:
        raise ValueError("there are no profiles to plot")
    across = min(len(every), 4 if len(every) > 6 else 3)
    down = -(-len(every) // across)
    with matplotlib.rc_context(STYLE):
        size = (7.2 if across > 1 else 4.6, 0.7 + 2.0 * down + (1.0 if across == 1 else 0))
        figure = Figure(figsize=size, layout="constrained")
        how = f"{every[0].calibration} profile, {every[0].freedom:g} degrees of freedom"
        figure.suptitle(how[0].upper() + how[1:], fontsize=9, color=INK)
        panels = figure.subplots(down, across, squeeze=False)
        for k, ax in enumerate(panels.flat):
            if k < len(every):
                _draw_profile(_axes(ax), every[k], level, left=k % across == 0)
            else:
                ax.set_axis_off()
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _draw_profile(ax: Axes, profile: Profile, level: float, *, left: bool) -> None:
    at, root = (np.log(profile.at) if profile.logarithmic else profile.at), profile.root
    back = np.exp if profile.logarithmic else np.asarray
    interval, edge = profile.interval(level), student_t(0.5 + level / 2, profile.freedom)
    top = 1.25 * max(edge, student_t(0.5 + CENTRAL / 2, profile.freedom))
    low, high = np.interp([-top, top], root, at)
    near = np.abs(root) <= 2
    center = at[np.flatnonzero(root == 0)[0]]
    off = at - center
    slope = float(off[near] @ root[near]) / float(off[near] @ off[near] or math.nan)
    ends = np.array([low, center, high])
    ax.plot(back(ends), slope * np.abs(ends - center), ":", color=MUTED, lw=1, label="without bend")
    inside = (root >= -1.1 * top) & (root <= 1.1 * top)
    ax.plot(back(at), np.abs(root), color=LAW, lw=1.3, zorder=3, label="profile")
    ax.plot(back(at[inside]), np.abs(root[inside]), "o", color=LAW, ms=2.5, zorder=3)
    for share, style in ((level, "--"), (CENTRAL, (0, (1, 2)))):
        height = student_t(0.5 + share / 2, profile.freedom)
        ax.axhline(height, color=RUN, lw=0.9, ls=style, zorder=2, label=f"{100 * share:g} %")
    limits = np.clip([interval.low, interval.high], *back(np.array([low, high])))
    ax.axvspan(*limits, color=WIDE, alpha=0.6, lw=0, zorder=0, label=f"{100 * level:g} % interval")
    ax.set(ylim=(0, top), xlabel=called(profile.name))
    round_axis(ax, "x", *map(float, back(np.array([low, high]))), log=profile.logarithmic, most=3)
    ax.set_title(stated(interval, log=profile.logarithmic), fontsize=7.5, color=INK)
    ax.grid(visible=False)
    if left:
        ax.set_ylabel("|signed root| (s.e.)")


def plot_waterfall(fit: FitResult) -> Figure:
    """Plot where every start of a fit ended, and how many ended in which basin.

    Args:
        fit: the fit.

    Returns:
        A figure: left the sorted values of all starts, with the numbers of the basins; right how
        many starts each basin took.
    """
    basins, total = fit.certificate.basins, len(fit.start_values)
    order = np.sort(fit.start_values)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        title = f"{type(fit.law).__name__}:  {total:,} starts on {len(fit.runs):,} runs"
        figure.suptitle(title, fontsize=9, color=INK)
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        plot_starts(fit, left)
        best = basins[0].value if basins else math.nan
        rows, last = [], -math.inf
        for k, basin in enumerate(basins):
            excess = basin.value / best - 1 if best > 0 else basin.value - best
            first = int(np.searchsorted(order, basin.value, side="left"))
            middle = 100 * (first + 0.5 * basin.count) / total
            if k and middle > last + 6 and basin.count >= 0.02 * total:
                spot: Any = dict(textcoords="offset points", ha="center", color=INK, zorder=6)
                left.annotate(str(k + 1), (middle, np.clip(excess, 1e-15, CEILING)), (0, 5), **spot)
                last = middle
            name = f"{k + 1}: " + (f"+{number(excess, 3)}" if k else "best")
            rows.append((name, basin.count, HUES[Status[basin.status.upper()]]))
        others = total - sum(basin.count for basin in basins)
        rows += [("others", others, MUTED)] if others else []
        _draw_basins(_axes(right), rows, total)
    return figure


def _draw_basins(ax: Axes, rows: Sequence[tuple[str, int, str]], total: int) -> None:
    names, counts, colors = zip(*rows, strict=True)
    places = range(len(rows))
    ax.barh(places, counts, color=colors, height=0.7, zorder=2)
    ax.set_yticks(places, names)
    ax.set(ylim=(max(len(rows), 4) - 0.4, -0.6), xlim=(0, 1.45 * max(counts)), xlabel="starts")
    ax.set_ylabel("basin: value / best \u2212 1")
    for place, one in zip(places, counts, strict=True):
        ax.text(one, place, f" {one:,} ({100 * one / total:.3g} %)", va="center", color=INK)
    ax.grid(visible=False, axis="y")


def plot_influence(found: Influence, *, most: int = BARS) -> Figure:
    """Plot which runs decide an answer: the largest by name, and where all of them lie.

    Args:
        found: what `influence` returned.
        most: how many runs to rank.

    Returns:
        A figure: left the change of the quantity without each run; right the runs in the plane
        of the first two inputs (of input and loss for a law of one), colored by that change.
    """
    change = 100 * np.expm1(found.without) if found.log else found.without
    largest = found.largest(most)
    scale = "change without the run" + (" (%)" if found.log else "")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        rest = np.delete(np.abs(change), largest)
        name, _, unit = called(found.quantity).partition("  (")
        value = brief(found.value) if found.log else number(found.value)
        title = f"{name} = {value} {unit.rstrip(')')}".rstrip()
        title += f":  its change without each of {len(found):,} runs"
        if len(rest):
            most_left = f"{rest.max():.2g} %" if found.log else f"{rest.max():.2g}"
            title += f"\nthe runs that are not named move it by at most {most_left}"
        figure.suptitle(title, fontsize=9, color=INK)
        left, right = map(_axes, figure.subplots(1, 2, width_ratios=(1, 1.1)))
        limit = float(np.abs(change).max()) or 1.0
        places = np.arange(len(largest))
        colors = EFFECTS(0.5 + 0.5 * change[largest] / limit)
        left.barh(places, change[largest], color=colors, height=0.72, zorder=2)
        left.axvline(0, color=INK, lw=0.8, zorder=3)
        left.set_yticks(places, [_run(found, k) for k in largest])
        left.set(ylim=(len(largest) - 0.4, -0.6), xlabel=scale)
        left.grid(visible=False, axis="y")
        _draw_effects(right, found, change, limit, scale)
    return figure


def _run(found: Influence, k: int) -> str:
    sizes = ", ".join(
        f"{as_written(name)} {_short(float(x[k]), x[k] > 1e15)}" for name, x in found.values.items()
    )
    return f"row {found.runs.rows[k]}:  {sizes}"


def _draw_effects(ax: Axes, found: Influence, change: np.ndarray, limit: float, scale: str) -> None:
    """Scatter the runs, colored and sized by what each does; the largest by row."""
    names = list(found.values)
    x, y = found.values[names[0]], found.values[names[1]] if len(names) > 1 else found.runs.loss
    order = np.argsort(np.abs(change), kind="stable")  # the largest last, on top
    sizes = 8 + 90 * np.abs(change) / limit
    style: Any = dict(c=change[order], s=sizes[order], cmap=EFFECTS, vmin=-limit, vmax=limit)
    cloud = _cloud(ax, x[order], y[order], **style, edgecolors=INK, linewidths=0.3)
    bar = ax.figure.colorbar(cloud, ax=ax, pad=0.02, aspect=32)
    bar.set_label(scale)
    for k in order[:-4:-1]:
        spot: Any = dict(textcoords="offset points", color=INK, fontsize=7, zorder=6)
        ax.annotate(str(found.runs.rows[k]), (x[k], y[k]), (6, 4), **spot)
    _log_axis(ax, "x", x.min() / 1.1, 1.2 * x.max(), names[0])
    if len(names) > 1:
        _log_axis(ax, "y", y.min() / 1.1, 1.1 * y.max(), names[1])
    else:
        ax.set_ylabel("loss")


def plot_rollout(found: Comparison | HeldOut) -> Figure:
    """Plot how far off each law is against how far it extrapolates.

    Args:
        found: what `rollout` or `compare` returned.

    Returns:
        A figure; height is the mean absolute error of log loss over the runs that each window
        has not seen. Windows that do not count in the ranking are hollow.

    Raises:
        ValueError: a comparison has no rollout, or the held-out runs are folds or groups.
    """
    held: Any = getattr(found, "held", {"rollout": found}).get("rollout")
    if held is None or held.split.kind != "window":
        raise ValueError("this figure needs a rollout: expanding windows along a size")
    split, score, shared = held.split, 100 * held.score(), held.shared
    errors = 100 * held.by_window()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        ax = _axes(figure.add_subplot())
        sort = np.argsort(split.factor, kind="stable")
        for place, k in enumerate(held.order()):
            color, marker = HUES_OF_LAWS[place % 8], MARKS[place % 8]
            each = np.isfinite(errors[k, sort])
            x, y, counts = (v[each] for v in (split.factor[sort], errors[k, sort], shared[sort]))
            name = as_written(held.laws[k])
            text = f"{name}  {score[k]:.2g} %" if score[k] >= 0 else name
            ax.plot(x, y, color=color, lw=1.2, marker=marker, ms=5, zorder=4, label=text)
            ax.plot(x[~counts], y[~counts], marker, ms=5, mfc="w", mec=color, zorder=5)
        good = errors[np.isfinite(errors) & (errors > 0)]
        _log_axis(ax, "y", *_widen(good))
        _log_axis(ax, "x", split.factor.min(), split.factor.max(), "factor")
        by = LABELS.get(split.by) or as_written(split.by)
        ax.set_xlabel(f"largest predicted / largest fitted {by}".replace(" (FLOPs)", ""))
        ax.set_ylabel("mean |log error| of larger runs (%)")
        title = "mean over the runs (filled windows)"
        ax.legend(title=title, loc="upper left", bbox_to_anchor=(1, 1), alignment="left")
    return figure


def plot_asymptote(found: AsymptoteProfile) -> Figure:
    """Plot what the runs say of an asymptote, and what that does to predictions.

    Args:
        found: what `asymptote_profile` returned.

    Returns:
        A figure: the least-squares objective over the asymptote and, if it was asked for
        predictions, those; shaded is what the runs admit.
    """
    count, name = found.prediction.shape[1], symbol(found.name)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2 if count else 4.6, 3.4), layout="constrained")
        low, high = number(found.low), number(found.high)
        span = f"{low}{' or below' * found.open[0]} to {high}{' or above' * found.open[1]}"
        title = (
            f"asymptote {name} = {number(found.best)}: at {100 * found.level:g} % the runs admit "
        )
        figure.suptitle(title + span, fontsize=9, color=INK)
        panels = [_axes(ax) for ax in figure.subplots(1, 2 if count else 1, squeeze=False)[0]]
        for ax in panels:
            ax.axvspan(found.low, found.high, color=WIDE, alpha=0.6, lw=0, zorder=0)
            ax.axvline(found.best, color=LAW, lw=1.2, zorder=3)
            ax.set_xlabel(f"asymptote {name} (in units of the loss)")
        lowest = float(found.objective.min())
        limit = 1 + student_t(0.5 + found.level / 2, found.freedom) ** 2 / found.freedom
        highest = float(np.nanmax(found.objective[np.isfinite(found.objective)])) / lowest
        top = 1 + min(5 * (limit - 1), max(1.3 * (highest - 1), 1.5 * (limit - 1)))
        panels[0].plot(found.values, found.objective / lowest, color=RUN, marker=".", ms=4)
        label = f"admitted at {100 * found.level:g} %"
        panels[0].axhline(limit, color=INK, lw=0.9, ls="--", zorder=2, label=label)
        panels[0].set(ylabel="sum of squares / lowest", ylim=(1 - 0.3 * (limit - 1), top))
        panels[0].legend(loc="upper center")
        for k in range(count):
            at = {as_written(key): brief(float(x[k])) for key, x in found.at.items()}
            where = ", ".join(f"{key} {x}" for key, x in at.items())
            style: Any = dict(color=HUES_OF_LAWS[k % 8], marker=MARKS[k % 8], markevery=0.2, ms=4)
            panels[1].plot(found.values, found.prediction[:, k], label=where, **style)
        if count:
            panels[1].set_ylabel("predicted loss")
            panels[1].legend(loc="best")
    return figure


def plot_multiplier(found: Multiplier) -> Figure:
    """Plot the compute multiplier of one recipe over another against compute.

    Args:
        found: what `compute_multiplier` returned.

    Returns:
        A figure; the band is the interval, cut at the top where recipe A may never get there.
    """
    order = np.argsort(found.compute, kind="stable")
    x, y, low, high = (v[order] for v in (found.compute, found.factor, found.low, found.high))
    seen = np.concatenate([y, low, high, [1.0]])
    seen = seen[np.isfinite(seen) & (seen > 0)]
    bottom, top = _widen(seen)
    endless = ~np.isfinite(high) & np.isfinite(low)
    usual = y[np.isfinite(y)]
    if len(usual):  # an interval without end must not flatten the curve
        bottom = max(bottom, min(usual.min(), 1.0) / MUCH)
        top = min(3 * top if endless.any() else top, max(usual.max(), 1.0) * MUCH)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.6), layout="constrained")
        ax = _axes(figure.add_subplot())
        edges = np.where(endless, top, high), np.where(np.isfinite(low), low, np.nan)
        label = f"{100 * found.level:g} % interval"
        ax.fill_between(x, *edges, color=WIDE, lw=0, zorder=1, label=label)
        y = np.where(np.isfinite(y), y, np.nan)
        ax.plot(x, y, color=LAW, lw=1.4, marker="o", ms=3.5, zorder=3, label="multiplier")
        ax.axhline(1, color=INK, lw=0.8, zorder=2)
        if endless.any():
            share = f"A never gets there in up to {100 * np.nanmax(found.never):.2g} % of the draws"
            ax.plot(
                x[endless], np.full(endless.sum(), top / 1.1), "^", color=INK, ms=4, label=share
            )
        _log_axis(ax, "x", x.min(), x.max(), found.scale)
        _log_axis(ax, "y", bottom, top)
        ax.set_xlabel(f"{LABELS.get(found.scale) or as_written(found.scale)} of recipe B")
        ax.set_ylabel(f"{as_written(found.scale)} of recipe A for the same loss / that of B")
        how = f"{found.draws:,} {'paired' if found.paired else 'independent'} draws"
        figure.suptitle(f"Compute multiplier of B over A, {how}", fontsize=9, color=INK)
        ax.legend(loc="best")
    return figure
