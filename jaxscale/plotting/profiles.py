"""Figures of profiles: of quantities, and of an asymptote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale._numerics.student import student_t
from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.captions import called, stated
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written, symbol
from jaxscale.plotting.rollout import MARKS
from jaxscale.plotting.ticks import brief, round_axis
from jaxscale.text import quantity as number
from jaxscale.uncertainty.profile import Profile

if TYPE_CHECKING:
    from jaxscale.uncertainty.asymptote import AsymptoteProfile

CENTRAL = 0.5
"""Level of the inner line of a profile."""


def plot_profiles(
    profiles: Profile | Sequence[Profile],
    *,
    level: float = 0.9,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Plot profiles with the intervals that they state, one small panel each.

    A profile without bend is two straight lines, drawn dotted: what a covariance would say.

    Args:
        profiles: what `profile` returned.
        level: of the intervals.
        figure: figure or part of one to draw into; default a new figure.

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
    with drawing(figure):
        size = (7.2 if across > 1 else 4.6, 0.7 + 2.0 * down + (1.0 if across == 1 else 0))
        figure = figure_or_new(figure, size)
        how = f"{every[0].calibration} profile, {every[0].freedom:g} degrees of freedom"
        figure.suptitle(how[0].upper() + how[1:])
        panels = figure.subplots(down, across, squeeze=False)
        for k, ax in enumerate(panels.flat):
            if k < len(every):
                _draw_profile(dressed(ax), every[k], level, left=k % across == 0)
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
    ax.plot(
        back(ends),
        slope * np.abs(ends - center),
        ":",
        color=COLORS.muted,
        lw=1,
        label="without bend",
    )
    inside = (root >= -1.1 * top) & (root <= 1.1 * top)
    ax.plot(back(at), np.abs(root), color=COLORS.law, lw=1.3, zorder=3, label="profile")
    ax.plot(back(at[inside]), np.abs(root[inside]), "o", color=COLORS.law, ms=2.5, zorder=3)
    for share, style in ((level, "--"), (CENTRAL, (0, (1, 2)))):
        height = student_t(0.5 + share / 2, profile.freedom)
        ax.axhline(height, color=COLORS.run, lw=0.9, ls=style, zorder=2, label=f"{100 * share:g} %")
    limits = np.clip([interval.low, interval.high], *back(np.array([low, high])))
    ax.axvspan(
        *limits, color=COLORS.wide, alpha=0.6, lw=0, zorder=0, label=f"{100 * level:g} % interval"
    )
    ax.set(ylim=(0, top), xlabel=called(profile.name))
    round_axis(ax, "x", *map(float, back(np.array([low, high]))), log=profile.logarithmic, most=3)
    ax.set_title(stated(interval, log=profile.logarithmic), fontsize=points(7.5), color=COLORS.ink)
    ax.grid(visible=False)
    if left:
        ax.set_ylabel("|signed root| (s.e.)")


def plot_asymptote(found: AsymptoteProfile, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Plot what the runs say of an asymptote, and what that does to predictions.

    Args:
        found: what `asymptote_profile` returned.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure: the least-squares objective over the asymptote and, if it was asked for
        predictions, those; shaded is what the runs admit.
    """
    count, name = found.prediction.shape[1], symbol(found.name)
    with drawing(figure):
        figure = figure_or_new(figure, (7.2 if count else 4.6, 3.4))
        low, high = number(found.low), number(found.high)
        span = f"{low}{' or below' * found.open[0]} to {high}{' or above' * found.open[1]}"
        title = (
            f"asymptote {name} = {number(found.best)}: at {100 * found.level:g} % the runs admit "
        )
        figure.suptitle(title + span)
        panels = [dressed(ax) for ax in figure.subplots(1, 2 if count else 1, squeeze=False)[0]]
        for ax in panels:
            ax.axvspan(found.low, found.high, color=COLORS.wide, alpha=0.6, lw=0, zorder=0)
            ax.axvline(found.best, color=COLORS.law, lw=1.2, zorder=3)
            ax.set_xlabel(f"asymptote {name} (in units of the loss)")
        lowest = float(found.objective.min())
        limit = 1 + student_t(0.5 + found.level / 2, found.freedom) ** 2 / found.freedom
        highest = float(np.nanmax(found.objective[np.isfinite(found.objective)])) / lowest
        top = 1 + min(5 * (limit - 1), max(1.3 * (highest - 1), 1.5 * (limit - 1)))
        panels[0].plot(found.values, found.objective / lowest, color=COLORS.run, marker=".", ms=4)
        label = f"admitted at {100 * found.level:g} %"
        panels[0].axhline(limit, color=COLORS.ink, lw=0.9, ls="--", zorder=2, label=label)
        panels[0].set(ylabel="sum of squares / lowest", ylim=(1 - 0.3 * (limit - 1), top))
        panels[0].legend(loc="upper center")
        for k in range(count):
            at = {as_written(key, 16): brief(float(x[k])) for key, x in found.at.items()}
            where = ", ".join(f"{key} {x}" for key, x in at.items())
            style: Any = dict(color=COLORS.of_laws[k % 8], marker=MARKS[k % 8], markevery=0.2, ms=4)
            panels[1].plot(found.values, found.prediction[:, k], label=where, **style)
        if count:
            panels[1].set_ylabel("predicted loss")
            panels[1].legend(loc="best")
    return figure
