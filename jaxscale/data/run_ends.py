"""The end of every run of a log: its last loss, or a smoothed one, and whether to believe it."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from jaxscale.data.groups import sums

WINDOW = 16
"""Last losses of a run that its very last one is held against."""
LEAST = 8
"""Losses from which that says anything."""
SPIKE = (6.0, 0.02)
"""Standard deviations of those, and share of their median, by which a spike lies above it."""
MOST = 10**6
LONG = 0.05
"""Share of a run by which a smoothed end looks back too far: the loss still falls there."""
LATE = 0.02
"""Share of a run that may follow its last loss."""
HOWS = "last, median:K of the last K losses, or ema:B with a decay B from 0 to 1"


@dataclasses.dataclass(frozen=True)
class Ends:
    """The ends of G runs.

    Attributes:
        last: [G] row of the last loss.
        loss: [G] as it was asked for; NaN where the run ends at none that is finite.
        spike: [G] whether the last loss lies far above those before it.
    """

    last: np.ndarray
    loss: np.ndarray
    spike: np.ndarray


def end_of(how: str) -> tuple[str, float]:
    """Return how the end of a run is smoothed, and by how much.

    Raises:
        ValueError: it is none of `HOWS`.
    """
    name, _, text = how.partition(":")
    if how == "last":
        return "last", 1.0
    if name == "median" and re.fullmatch(r"[0-9]{1,7}", text) and 2 <= int(text) <= MOST:
        return name, float(text)
    if name == "ema" and re.fullmatch(r"0?\.[0-9]{1,12}", text) and 0 < float(text) < 1:
        return name, float(text)
    raise ValueError(f"--end {how[:40]}: expected {HOWS}, e.g. median:5 or ema:0.9")


def ends(groups: np.ndarray, progress: np.ndarray, loss: np.ndarray, how: str) -> Ends:
    """Return the ends of runs.

    Args:
        groups: [n] number of the run of every row, from 0 to G - 1.
        progress: [n] steps, tokens or FLOPs; rows of equal progress are in order, and one without
            comes before those with.
        loss: [n].
        how: one of `HOWS`.
    """
    kind, amount = end_of(how)
    count = int(groups.max()) + 1
    order = np.lexsort((np.nan_to_num(progress, nan=-np.inf), groups))
    size = np.bincount(groups, minlength=count)
    stop = np.cumsum(size)
    last = order[stop - 1]
    sorted_loss = loss[order]
    finite = np.isfinite(loss[last])
    back = stop[groups[order]] - 1 - np.arange(len(order))  # 0 at the end of each run
    if kind == "median":
        value = _medians(sorted_loss, groups[order], back, int(amount), count)
    elif kind == "ema":
        weight = np.where(np.isfinite(sorted_loss), amount**back, 0.0)
        total = sums(groups[order], weight, count)
        each = sums(groups[order], weight * np.where(weight > 0, sorted_loss, 0), count)
        value = np.divide(each, total, out=np.full(count, np.nan), where=total > 0)
    else:
        value = loss[last]
    return Ends(last, np.where(finite, value, np.nan), _spikes(sorted_loss, stop, size))


def unfinished(groups: np.ndarray, progress: np.ndarray, logged: np.ndarray) -> np.ndarray:
    """Return the rows [k] of last losses after which another one was due, and none was logged.

    A log has more rows than losses, and a run need not end on one. But where it goes on for as
    long as lies between two of its losses, its end is not known.

    Args:
        groups: [n] number of the run of every row, from 0 to G - 1.
        progress: [n] steps, tokens or FLOPs.
        logged: [n] whether the row has a loss.
    """
    known = np.isfinite(progress)
    order = np.lexsort((progress, groups))
    order = order[(logged & known)[order]]
    if not len(order):
        return np.zeros(0, int)
    own, at, count = groups[order], progress[order], int(groups.max()) + 1
    within = np.diff(own) == 0
    gaps, of = np.diff(at)[within], own[1:][within]
    some = np.bincount(of, minlength=count)
    usual = np.median(gaps) if len(gaps) else np.inf  # of a run with a single loss
    gap = np.where(some > 0, sums(of, gaps, count) / np.maximum(some, 1), usual)
    end = np.full(count, -np.inf)
    np.maximum.at(end, groups[known], progress[known])
    last = np.append(~within, True)
    own, ahead = own[last], end[own[last]] - at[last]
    late: np.ndarray = order[last][(ahead >= gap[own]) & (ahead > LATE * end[own])]
    return late


def span(groups: np.ndarray, progress: np.ndarray, how: str) -> float:
    """Return the share of a run, in the median, that its smoothed end looks back; 0 if unknown.

    Args:
        groups: [n] as in `ends`.
        progress: [n].
        how: one of `HOWS`.
    """
    kind, amount = end_of(how)
    if kind == "last":
        return 0.0
    few = int(amount) if kind == "median" else math.ceil(1 / (1 - amount))
    order = np.lexsort((np.nan_to_num(progress, nan=-np.inf), groups))
    size = np.bincount(groups)
    stop = np.cumsum(size) - 1
    last, first = progress[order[stop]], progress[order[stop - np.minimum(few, size) + 1]]
    known = (last > 0) & np.isfinite(first)
    return float(np.median(1 - first[known] / last[known])) if known.any() else 0.0


def _medians(
    loss: np.ndarray, groups: np.ndarray, back: np.ndarray, few: int, count: int
) -> np.ndarray:
    """Return the medians [G] of the last few finite losses, of rows [n] in order of their runs."""
    some = (back < few) & np.isfinite(loss)
    loss, groups = loss[some], groups[some]
    order = np.lexsort((loss, groups))
    loss, size = loss[order], np.bincount(groups, minlength=count)
    begin = np.cumsum(size) - size
    found = np.full(count, np.nan)
    there = size > 0
    low = loss[(begin + (size - 1) // 2)[there]]
    high = loss[(begin + size // 2)[there]]
    found[there] = (low + high) / 2
    return found


def _spikes(loss: np.ndarray, stop: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return which runs [G] end on a loss far above the median of those before it."""
    found = np.zeros(len(size), bool)
    long = np.flatnonzero(size > LEAST)
    if not len(long):
        return found
    back = np.arange(2, WINDOW + 2)
    place = stop[long, None] - back
    inside = back <= size[long, None]
    before = np.where(inside, loss[np.maximum(place, 0)], np.nan)
    before[~np.isfinite(before)] = np.nan
    some = np.isfinite(before).sum(1) >= LEAST
    long, before = long[some], before[some]
    middle = np.nanmedian(before, axis=1) if len(long) else np.zeros(0)
    spread = np.nanmedian(np.abs(before - middle[:, None]), axis=1) if len(long) else middle
    limit = middle + np.maximum(SPIKE[0] * 1.4826 * spread, SPIKE[1] * np.abs(middle))
    found[long] = loss[stop[long] - 1] > limit
    return found
