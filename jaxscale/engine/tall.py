"""Tall tables: every start is searched on a few thousand runs, and what is found solved on on all.

A million runs tell where an optimum lies to three more digits than four thousand do, and no
better which optima there are. So the starts go to the optima of a sample, and from there one lane
of every optimum that could be the lowest goes on to that of the whole table. Half of the sample is
drawn by the weights of the runs; half is spread evenly over the regions of the inputs, so that the
few runs at the end of a range are there. Each stands for those that it was drawn from.

Source: sequential Poisson sampling, Ohlsson 1998, Journal of Official Statistics 14(2); weights by
inverse probability, Horvitz & Thompson 1952, Journal of the American Statistical Association
47(260).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxscale._numerics.positive import Positive
from jaxscale.engine.loop import Solution, Status
from jaxscale.engine.thinning import chosen_runs
from jaxscale.objective.objective import Objective

TALL = 16384
"""Runs above which a table is tall; those up to there share no program with those above."""
ROWS = 4096
"""Runs that are searched on then."""
PARTS = 8
"""Regions of the range of one input."""
NEAR = 1.25
"""Times the lowest value of the sample up to which an optimum is solved on on all runs."""
MOST = 56
"""Optima that are, at most."""
ANEW = 8
"""Starts that begin anew on all runs where the lowest optimum of the sample has a dead term."""


class Found(NamedTuple):
    """What a search on a sample came to.

    Attributes:
        lanes: [R] lanes that stand for an optimum each, the lowest first.
        whose: [S] which of them each start led to; -1 where that is not solved on.
    """

    lanes: np.ndarray
    whose: np.ndarray


def sample(objective: Objective) -> Objective | None:
    """Return the objective on some of its runs; None where they are too few to be worth it.

    Also for a law with a break: that stays in the gap of the data where it began, and a sample has
    other gaps.

    Args:
        objective: with NumPy leaves and weights [n].

    Returns:
        An objective of `ROWS` runs, whose weights have the same sum.
    """
    weight = np.asarray(objective.weight, float)
    broken = any(spec.role == "breakpoint" for spec in objective.space.specs)
    if broken or weight.ndim != 1 or int((weight > 0).sum()) <= TALL:
        return None
    cell = _regions(objective, weight > 0)
    mass = np.bincount(cell, weight)
    full = np.where(mass > 0, mass, 1.0)  # a region may hold runs without weight alone
    share = weight * (0.5 / weight.sum() + 0.5 / (np.count_nonzero(mass) * full[cell]))
    chance = np.minimum(ROWS * share, 1.0)
    for _ in range(8):  # what is certain to be drawn leaves its share to the others
        sure = chance >= 1
        rest = (ROWS - sure.sum()) / share[~sure].sum()
        chance = np.where(sure, 1.0, np.minimum(rest * share, 1.0))
    with np.errstate(divide="ignore"):
        late = np.random.default_rng(0).random(len(weight)) / chance
    kept = np.sort(np.argpartition(late, ROWS)[:ROWS])
    heavy = weight[kept] / chance[kept]

    return chosen_runs(objective, kept, heavy * (weight.sum() / heavy.sum()))


def _regions(objective: Objective, used: np.ndarray) -> np.ndarray:
    """Return the region [n] of the inputs that every run lies in, counted from 0."""
    number = np.zeros(len(used), np.int64)
    for x in objective.inputs:
        along = np.asarray(x.log if isinstance(x, Positive) else x, float)
        low, high = along[used].min(), along[used].max()
        part = np.clip((along - low) / max(high - low, np.finfo(float).tiny), 0, 1)
        _, number = np.unique(
            number * PARTS + np.minimum(part * PARTS, PARTS - 1).astype(np.int64),
            return_inverse=True,
        )
    return number


def distinct(rough: Solution) -> Found:
    """Return the optima of a sample that could be the lowest of all runs.

    Two starts led to one optimum if their values agree, or their coordinates. An optimum is one
    if a start arrived there; the lowest point counts in any case.

    Args:
        rough: what the starts led to on the sample; plain values.
    """
    fine = rough.z.dtype == np.float64
    same, beside = (1e-6, 1e-4) if fine else (1e-4, 1e-2)
    value = np.where(np.isfinite(rough.value), rough.value, np.inf)
    arrived = rough.status <= Status.CONVERGED_STEP
    whose = np.full(len(value), -1)
    order = np.lexsort((*rough.z.T, value))  # so that the order of the starts plays no part
    lowest, lanes = value[order[0]], [int(order[0])]
    while len(lanes) <= MOST:
        at = lanes[-1]
        alike = np.abs(value - value[at]) <= same * value[at]
        alike |= np.max(np.abs(rough.z - rough.z[at]), axis=1) <= beside
        whose[alike & (whose < 0) & np.isfinite(value)] = len(lanes) - 1
        left = order[(whose[order] < 0) & arrived[order] & (value[order] <= NEAR * lowest)]
        if len(left) == 0 or len(lanes) == MOST:
            break
        lanes.append(int(left[0]))
    return Found(np.array(lanes), whose)


def departures(starts: np.ndarray, rough: Solution, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Return from where all runs are solved (z [Q, P]), and which optimum each is tried for [Q].

    From the optima of the sample; and where the lowest one is a bound or has a dead term, which
    may be the sample's own, also from some of the starts that led there.

    Args:
        starts: [S, P] of the search.
        rough: what it came to on the sample.
        found: of it.
    """
    z, which = rough.z[found.lanes], np.arange(len(found.lanes))
    if rough.status[found.lanes[0]] not in (Status.AT_BOUND, Status.DEGENERATE_TERM):
        return z, which
    again = np.flatnonzero(found.whose == 0)[:ANEW]
    anew = starts[again].astype(z.dtype)
    return np.concatenate([z, anew]), np.concatenate([which, np.zeros(len(again), int)])


def spread(rough: Solution, found: Found, which: np.ndarray, few: Solution) -> Solution:
    """Return what every start led to on all runs.

    A start that led to an optimum which was solved on is given what that came to. Of the others,
    which lie higher, only an estimate is known: the value on the sample, times what the lowest
    one became on all runs; with the coordinates and the status that they had there.

    Args:
        rough: what the starts came to on the sample.
        found: the optima of it.
        which: [Q] which of them was solved on.
        few: to what; Q lanes.
    """
    value = np.where(np.isfinite(few.value), few.value, np.inf)
    order = np.lexsort((value, which))
    first = order[np.searchsorted(which[order], np.arange(len(found.lanes)))]
    lowest = rough.value[found.lanes[0]]
    unit = value.min() / lowest if lowest > 0 else 1.0
    known, at = found.whose >= 0, first[found.whose]
    return Solution(
        z=np.where(known[:, None], few.z[at], rough.z),
        value=np.where(known, few.value[at], rough.value * unit),
        status=np.where(known, few.status[at], rough.status),
        steps=rough.steps + np.where(known, few.steps[at], 0).astype(rough.steps.dtype),
    )
