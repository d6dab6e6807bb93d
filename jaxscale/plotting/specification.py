"""The specification curve: every answer in order, its sampling interval, and what was chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from jaxscale.plotting.canvas import drawing, dressed, figure_or_new, points
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import brief, log_axis, short_number

if TYPE_CHECKING:
    from jaxscale.specification.result import Specification, Specifications
HEADS = ("approach", "law", "loss", "residual", "data")
"""Choices below the curve, in order."""


def plot_specification(
    found: Specifications, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Plot the best N of a budget under every choice, in order, and the choices below.

    Args:
        found: what `specify` returned.
        figure: figure or part of one to draw into; default a new figure.

    Returns:
        A figure: above, N* of every specification, the fit's own in orange, with the sampling
        interval as a band, hollow where it is not certified; below, a dot for what each chose.
    """
    rows = sorted((row for row in found.rows if row.N > 0), key=lambda row: row.N)
    choices = _choices(found.rows)
    lines = sum(len(values) for _, values in choices) + len(choices)
    with drawing(figure):
        figure = figure_or_new(figure, (7.2, 2.3 + 0.145 * lines))
        ratio = (2.0, 0.145 * lines)
        upper, lower = map(dressed, figure.subplots(2, 1, height_ratios=ratio, sharex=True))
        _draw_answers(upper, found, rows)
        _draw_choices(lower, rows, choices, found.rows[0])
    return figure


def _draw_answers(ax: Axes, found: Specifications, rows: list[Specification]) -> None:
    at = found.sampling.get("N")
    values = [row.N for row in rows]
    inside = [x for x in (at.low, at.high) if math.isfinite(x) and x > 0] if at else []
    low, high = min([*values, *inside]), max([*values, *inside])
    log_axis(ax, "y", low / 1.15, high * 1.25, "N")
    budget = short_number(found.compute, True) if found.unit == "FLOPs" else brief(found.compute)
    title = f"best N at {budget} {as_written(found.unit, 16)}: {len(rows)} choices"
    ax.set_title(title, loc="left")
    ax.set_ylabel("N*")
    if at is not None and len(inside) == 2:
        label = f"{100 * at.level:g} % of {as_written(found.draws, 48)}"
        ax.axhspan(at.low, at.high, color=COLORS.wide, alpha=0.45, lw=0, zorder=0, label=label)
    ax.axhline(found.rows[0].N, color=COLORS.law, lw=0.8, zorder=1)
    for k, row in enumerate(rows):
        color = COLORS.law if row is found.rows[0] else COLORS.run
        face = color if row.trusted else COLORS.paper
        ax.plot(k, row.N, "o", ms=4, mfc=face, mec=color, mew=0.9, zorder=3)
    for name, style in _legend(rows, found.rows[0]):
        ax.plot([], [], "o", ms=4, mew=0.9, label=name, **style)
    ax.legend(loc="lower right")
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.grid(visible=False, axis="x")


def _legend(rows: list[Specification], own: Specification) -> list[tuple[str, dict[str, Any]]]:
    said = [
        ("the fit", dict(mfc=COLORS.law, mec=COLORS.law)),
        ("one other choice, or more", dict(mfc=COLORS.run, mec=COLORS.run)),
    ]
    if any(not row.trusted for row in rows if row is not own):
        said.append(("not certified", dict(mfc=COLORS.paper, mec=COLORS.run)))
    return said


def _choices(rows: tuple[Specification, ...]) -> list[tuple[str, list[str]]]:
    """Return, per kind of choice, what was chosen: the fit's own first."""
    found = []
    for head in HEADS:
        chosen = dict.fromkeys(getattr(row, head) for row in rows if row.N > 0)
        named = [value for value in chosen if value]
        if len(named) > 1:
            found.append((head, named))
    return found


def _draw_choices(
    ax: Axes,
    rows: list[Specification],
    choices: list[tuple[str, list[str]]],
    own: Specification,
) -> None:
    """Draw a dot per specification and choice, the fit's own choices in orange."""
    y, ticks, labels = 0.0, [], []
    for head, values in choices:
        ax.text(-0.012, y, head, transform=ax.get_yaxis_transform(), ha="right", va="center",
                fontsize=points(7), color=COLORS.ink, weight="bold")  # fmt: skip
        y += 1
        for value in values:
            ax.axhline(y, color=COLORS.faint, lw=0.6, zorder=0)
            chosen = np.array([getattr(row, head) == value for row in rows])
            k = np.flatnonzero(chosen)
            color = COLORS.law if value == getattr(own, head) else COLORS.run
            ax.plot(k, np.full(len(k), y), "o", ms=3, color=color, mew=0, zorder=2)
            ticks.append(y)
            labels.append(as_written(_label(head, value), 34))
            y += 1
        y += 0.3
    for place, row in enumerate(rows):
        if row is own:
            ax.axvline(place, color=COLORS.law, lw=0.6, alpha=0.5, zorder=0)
    ax.set(ylim=(y - 0.5, -0.8), xlim=(-0.8, len(rows) - 0.2))
    ax.set_yticks(ticks, labels, fontsize=points(6.5))
    ax.set_xlabel("specifications, by their answer", color=COLORS.muted)
    ax.tick_params(axis="both", length=0)
    ax.set_xticks([])
    ax.grid(visible=False)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)


def _label(head: str, value: str) -> str:
    if head == "approach":
        return "law of N and D" if value == "3" else value.removeprefix("2, ")
    return "all runs" if head == "data" and value == "all" else value
