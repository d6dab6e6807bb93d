"""What an influence says of itself: the runs that matter most, and all of them as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.shown.blocks import Block, Grid, Note
from jaxscale.text import count, one_line
from jaxscale.text import quantity as number

HIGH = 0.9
"""Leverage from which one step is not to be believed."""


def influence_blocks(found: Any, most: int) -> list[Block]:
    """Return the runs that move a quantity most, `most` of them, with what else it hangs on."""
    runs, names = found.runs, list(found.inputs)
    change = "change without it"
    called = f"log {found.quantity}" if found.log else found.quantity
    what = runs.response.kind
    rows = [["row", *names, what, "residual", change, f"d/d{what}", "leverage"]]
    for k in found.largest(most):
        moved = found.without[k]
        rows.append(
            [
                runs.row(int(k)),
                *(count(found.values[name][k]) for name in names),
                f"{runs.loss[k]:.4g}",
                f"{found.residual[k]:+.2e}",
                f"{100 * np.expm1(moved):+.3g} %" if found.log else f"{moved:+.3g}",
                f"{found.loss[k]:+.3g}" if found.loss[k] else "0",
                f"{found.leverage[k]:.2f}",
            ]
        )
    sizes = found.quantity.startswith(("N*(", "D*("))
    value = count(found.value) if sizes else number(found.value, 6)
    head = f"{found.quantity} = {value}; runs of {runs.source} that move it most:"
    lines: list[Block] = [one_line(head), Grid(rows, ">" * len(rows[0]))]
    if found.delta is not None and not found.loss[found.largest(most)].all():
        lines.append("0: beyond delta, where a little more or less of its own loss changes nothing")
    if found.delta is not None:
        lines.append(f"d {called} / d delta = {found.delta:+.3g}")
    lines += [f"d {called} / d {name} = {slope:+.3g}" for name, slope in found.fixed.items()]
    high = int((found.leverage > HIGH).sum())
    if high and found.rounds == 1:
        told = (
            f"the fit passes through {high} of {len(found)} runs (leverage above {HIGH:g}): for "
            "what happens without them use rounds=3, or refit"
        )
        lines.append(Note(told, doubt=True))
    return lines


def influence_columns(found: Any) -> dict[str, Any]:
    """Return the columns of a dataframe of what every run does."""
    runs = found.runs
    columns: dict[str, Any] = {"row": runs.rows}
    if runs.called:
        columns["run"] = [runs.called.get(int(row), "") for row in runs.rows]
    return columns | {
        **found.values,
        "loss": runs.loss,
        "residual": found.residual,
        "without": found.without,
        "per_loss": found.loss,
        "per_weight": found.weight,
        "leverage": found.leverage,
    }
