"""A design for a person to read."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.shown.blocks import Block, Grid
from jaxscale.text import count, many
from jaxscale.text import quantity as number
from jaxscale.uncertainty.intervals import Interval


def design_blocks(design: Any) -> list[Block]:
    """Return the batch, the answers and what else as much could be spent on."""
    unit = design.candidates.unit
    flops = unit == "FLOPs"
    there = len(next(iter(design.present.values()), ()))
    spent = float(design.spent[-1])
    lines: list[Block] = [
        f"{design.law}, {many(there, 'run')} so far, residuals of {100 * design.noise:.2g} %; "
        f"{len(design.candidates):,} candidates from {design.candidates.source}",
        f"{many(len(design), 'run')}, {spent:.3g} {unit}, "
        f"{100 * spent / design.budget:.3g} % of {design.budget:.3g}",
        "",
    ]
    names = list(design.inputs)
    ratio = {"N", "D"} <= set(names)
    known = bool(np.isfinite(design.steps[0]))
    head = ["", *names, *(["D/N"] if ratio else []), unit, "loss",
            "interval left" if known else "known within"]  # fmt: skip
    body = []
    for k in range(len(design)):
        cells = [count(x[k]) for x in design.inputs.values()]
        if ratio:
            cells.append(number(design.inputs["D"][k] / design.inputs["N"][k], 3))
        price = f"{design.cost[k]:.3g}" if flops else number(design.cost[k])
        left = _left(design.steps[k + 1]) if known else _within(design, k + 1)
        body.append([str(k + 1), *cells, price, f"{design.loss[k]:.4f}", left])
    lines.append(Grid([head, *body], ">" * len(head)))
    if design.answers:
        lines += ["", _answers(design)]
    if design.others:
        rows = [["as much spent on", "runs", unit, "interval left", "than the batch's"]]
        rows += [
            [
                other.name,
                str(other.runs),
                f"{other.cost:.3g}",
                _left(other.ratio),
                f"{other.against:.3g} x" if np.isfinite(other.against) else "law left open",
            ]
            for other in design.others
        ]
        lines += ["", Grid(rows, "<>>>>")]
    return lines


def _left(ratio: float) -> str:
    return f"{100 * ratio:.3g} %" if np.isfinite(ratio) else "-"


def _within(design: Any, k: int) -> str:
    """Return half the interval of the first answer after k runs: a factor, or a distance."""
    half = float(design.halves[k])
    if not (design.answers and half < np.log(1e6)):
        return "-"
    return f"x {np.exp(half):.3g}" if design.answers[0].logarithmic else f"\u00b1 {half:.3g}"


def _answers(design: Any) -> Grid:
    rows = [["", "estimate", f"{100 * design.level:g} % now", "after the batch", "left"]]
    for a in design.answers:
        shown = count if a.logarithmic else number
        left = f"{100 * a.ratio:.3g} %" if 0 < a.ratio < np.inf else "-"
        rows.append([a.name, shown(a.after.estimate), _ends(a.before, shown),
                     _ends(a.after, shown), left])  # fmt: skip
    return Grid(rows, "<>>>>")


def _ends(interval: Interval, shown: Any) -> str:
    if not np.isfinite([interval.low, interval.high]).all() or interval.high > 1e60:
        return "not determined"
    return f"{shown(interval.low)} to {shown(interval.high)}"
