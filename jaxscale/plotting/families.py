"""The law over families, each in a color and a marker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxscale.fitting.families import families_of
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, predict
from jaxscale.plotting.captions import column_of, loss_label, scale_label, scale_of
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.style import draw_cloud
from jaxscale.plotting.ticks import input_axis, log_axis, widened

MARKERS = "osD^vP*X"
MOST = 10
"""Families that the legend names."""


def looks() -> Iterator[tuple[str, str]]:
    """Yield colors and markers: no two families of 56 look alike."""
    colors = [color for color in COLORS.of_laws if color != COLORS.ink]
    k = 0
    while True:
        yield colors[k % len(colors)], MARKERS[(k + k // len(colors)) % len(MARKERS)]
        k += 1


def draw_families(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw the runs and the law of every family.

    Against compute for a law of N and D, with the best run of each budget as a curve; as a curve
    for a law of one input; else predicted against observed.

    Args:
        fit: of a law over families.
        ax: the axes.
        by: not used; families have the colors.
    """
    parts: dict[str, Any] = dict(families_of(fit))
    inputs = next(iter(parts.values())).law.inputs
    joint = set(inputs) == {"N", "D"}
    observed = not joint and len(inputs) != 1
    name, scale = (inputs[0], column_of(fit, inputs[0])) if len(inputs) == 1 else scale_of(fit)
    kind = fit.law.kinds.get(name, "positive")
    ends = widened(fit.runs.loss, fit.prediction)
    for k, ((label, part), (color, marker)) in enumerate(zip(parts.items(), looks(), strict=False)):
        named = as_written(label, 24) if k < MOST or len(parts) == MOST + 1 else None
        x = part.prediction if observed else scale_of(part)[1] if joint else column_of(part, name)
        points = (part.runs.loss, x) if observed else (x, part.runs.loss)
        draw_cloud(ax, *points, color=color, marker=marker, label=named)
        if joint:
            reach = np.geomspace(scale.min() / 2, scale.max() * 4, 160)
            best = _best(part.law, reach, column_of(part, "N")[0])
            ax.plot(reach, best, color=color, lw=1.3, zorder=4)
            if np.isfinite(best).any():
                ends = min(ends[0], float(np.nanmin(best)) / 1.02), ends[1]
        elif not observed:
            low, high = float(scale.min()), float(scale.max())
            reach = np.linspace(low, high + 0.25 * (high - low), 300)
            if kind == "positive":
                reach = np.geomspace(low, high * (high / low) ** 0.25, 300)
            ax.plot(reach, predict(part.law, **{name: reach}), color=color, lw=1.3, zorder=4)
    if len(parts) > MOST + 1:
        ax.plot([], [], " ", label=f"and {len(parts) - MOST} more")
    _dress(fit, ax, (name, scale, kind), ends, observed=observed, joint=joint)


def _dress(
    fit: FitResult,
    ax: Axes,
    along: tuple[str, np.ndarray, str],
    ends: tuple[float, float],
    *,
    observed: bool,
    joint: bool,
) -> None:
    """Give the axes their scales, labels and legend."""
    name, scale, kind = along
    label = loss_label(fit)
    title = as_written(getattr(fit.law, "by", ""), 24)
    if observed:
        ax.plot(ends, ends, color=COLORS.ink, lw=1, zorder=2)
        ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}", xlim=ends, ylim=ends)
        ax.legend(loc="upper left", title=title)
        return
    if joint:
        ax.plot([], [], color=COLORS.ink, lw=1.3, label="best run of a budget")
        log_axis(ax, "x", scale.min() / 2, scale.max() * 4, "C")
        ax.set_xlabel(scale_label(fit, "C"))
    else:
        input_axis(ax, "x", scale, name, kind)
    if ends[0] > 0 and ends[1] > 2 * ends[0]:
        log_axis(ax, "y", *ends)
    ax.set_ylim(ends)
    ax.set_ylabel(label)
    ax.legend(loc="upper right", title=title)


def _best(law: Law, budgets: np.ndarray, middle: float) -> np.ndarray:
    """Return the loss [m] of the best run of every budget; NaN where a law has none."""
    sizes = middle * np.geomspace(1e-6, 1e6, 1500)
    losses = predict(law, N=sizes[:, None], C=budgets[None, :])
    at = np.argmin(np.where(np.isfinite(losses), losses, np.inf), axis=0)
    inner = (at > 0) & (at < len(sizes) - 1)
    found: np.ndarray = np.where(inner, losses[at, np.arange(len(budgets))], np.nan)
    return found
