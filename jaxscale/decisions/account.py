"""What decisions say of themselves: runs to make, as text and as columns of a dataframe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.shown.blocks import Block, Grid, fields, said
from jaxscale.text import count, many, quantity

COUNTED = ("N", "D")
CALLED = {"tokens_per_parameter": "tokens/param", "excess": "above best"}


def amount_text(name: str, value: float) -> str:
    """Return an amount of an allocation as a cell; nothing where it is not known."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "none"
    if name in ("loss", "excess"):
        return f"{value:.5f}"
    if name == "overhead":
        return f"{100 * value:.4g} %"
    if name in ("compute", "cost"):
        return f"{value:.4g}"
    return count(value) if name in COUNTED else quantity(value)


def _known(found: Any, amounts: Sequence[str]) -> list[str]:
    """Return the amounts that the answers have; what a best run has none of is left out."""
    order = ("compute", "N", "D", "tokens_per_parameter", "loss", *amounts)
    names = [name for name in dict.fromkeys(order) if getattr(found, name) is not None]
    values = {name: np.asarray(getattr(found, name), float) for name in names}
    idle = {k for k, x in values.items() if np.isnan(x).all()}
    idle |= {
        k for k in ("excess", "overhead") if k in values and not np.nan_to_num(values[k]).any()
    }
    return [name for name in names if name not in idle]


def allocation_blocks(found: Any, amounts: Sequence[str]) -> list[Block]:
    """Return the runs to make, with the ends of their intervals below each."""
    if np.ndim(found.N) > 1:
        return fields(found)
    names = _known(found, amounts)
    ends = f"{100 * found.level:g} % from", "to"
    rows = [["", *(CALLED.get(name, name) for name in names)]]
    for k in range(np.size(found.N)):
        values = [float(np.ravel(getattr(found, name))[k]) for name in names]
        rows.append(["", *map(amount_text, names, values)])
        for side, label in zip(("low", "high"), ends, strict=True) if found.intervals else ():
            limits = [_limit(found, name, side, k) for name in names]
            rows.append([f"  {label}", *map(amount_text, names, limits)])
    if not found.intervals:
        rows = [row[1:] for row in rows]
    head = f"{many(np.size(found.N), 'run')} to make, {found.method}"
    if found.draws:
        head += f", intervals from {found.draws:,} draws of the bootstrap"
    doubts = () if found.trusted else found.notes
    align = ("<" if found.intervals else "") + ">" * len(names)
    return [head, Grid(rows, align), *said(found.notes, doubts)]


def _limit(found: Any, name: str, side: str, k: int) -> float:
    limits = found.intervals.get(name)
    return math.nan if limits is None else float(np.ravel(getattr(limits, side))[k])


def allocation_columns(found: Any, amounts: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a dataframe of the runs to make."""
    columns: dict[str, Any] = {}
    for name in _known(found, amounts):
        columns[name] = np.ravel(getattr(found, name))
        if name in found.intervals:
            columns[f"{name}_low"] = np.ravel(found.intervals[name].low)
            columns[f"{name}_high"] = np.ravel(found.intervals[name].high)
    edge = np.broadcast_to(found.at_edge, np.shape(found.N))
    return columns | {"at_edge": np.ravel(edge)}


def near_blocks(found: Any) -> list[Block]:
    """Return the sizes that are nearly as good as the best one of every budget."""
    rows = [["N from", "to", "D from", "to"]]
    each = [np.ravel(x) for x in (*found.N, found.D[1], found.D[0])]
    rows += [[count(x) for x in row] for row in zip(*each, strict=True)]
    return [f"within {100 * found.within:g} % of the best loss", Grid(rows, ">>>>")]


def mixture_blocks(found: Any) -> list[Block]:
    """Return the best shares, and the losses."""
    ends = {"least": "its least share", "most": "its most"}
    rows = [["domain", "share", "held by"]]
    rows += [
        [name, f"{share:.4f}", ends.get(found.limits.get(name, ""), "")]
        for name, share in found.shares.items()
    ]
    losses = [["  " + name, quantity(value, 5)] for name, value in found.losses.items()]
    losses += [["  weighted", quantity(found.loss, 5)]] if len(losses) > 1 else []
    doubt = ["the search has not ended at a best point: try more starts"]
    notes = said(doubt, doubt) if not found.trusted else []
    head = f"best shares of {many(len(found.shares), 'domain')}"
    shares, below = Grid(rows, "<><", muted=(2,)), Grid(losses, "<>", head=False)
    return [head, shares, "losses", below, *notes, *said(found.notes)]
