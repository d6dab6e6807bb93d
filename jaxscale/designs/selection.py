"""The batch that tells most for its FLOPs: greedy, then exchange until nothing improves.

Two greedy batches are grown, by the gain per FLOP and by the gain alone, since the first of them
may spend all on the cheap and the second on the dear. In both, runs are exchanged for others, one
at a time, and what a run costs is spent anew, until no exchange narrows the interval. The better
one is returned.

Source: Fedorov 1972 (exchange); Krause & Guestrin 2005, CMU-CALD-05-103 (both greedy rules).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from jaxscale.designs.criteria import Criterion

LEAST = 1e-4
"""Gain in the logarithm of the variance from which another run, or an exchange, is worth it."""
ROUNDS = 40
"""Rounds of exchange at most."""
FEW = 40
"""Runs of a batch up to which they are exchanged: of many, each matters little."""
RESPENT = 20
"""Runs of a batch up to which it is tried to spend anew what each of them costs."""
EXHAUSTIVE = 200_000
"""Batches that an exhaustive search looks at, at most."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a batch may be.

    Attributes:
        cost: [m] of the candidates.
        budget: of the batch.
        most: runs in the batch.
        repeats: how often one candidate may stand in it.
    """

    cost: np.ndarray
    budget: float
    most: int
    repeats: int = 1

    def allowed(self, batch: Sequence[int]) -> np.ndarray:
        """Return which candidates [m] may still be added to a batch."""
        if len(batch) >= self.most:
            return np.zeros(len(self.cost), bool)
        left = self.budget - self.spent(batch)
        used = np.bincount(np.asarray(batch, int), minlength=len(self.cost))
        allowed: np.ndarray = (self.cost <= left * (1 + 1e-9)) & (used < self.repeats)
        return allowed

    def spent(self, batch: Sequence[int]) -> float:
        """Return what a batch costs."""
        return float(self.cost[list(batch)].sum())


def choose(criterion: Criterion, limits: Limits) -> list[int]:
    """Return the best batch found, in the order in which its runs pay most per FLOP.

    Args:
        criterion: what is asked; it must be determined before the first run.
        limits: what a batch may be.
    """
    batches = [
        _exchanged(criterion, limits, grown(criterion, limits, [], per_cost=how))
        for how in (True, False)
    ]
    best = min(batches, key=lambda batch: criterion.after(batch).level)
    return in_order(criterion, limits, best)


def grown(
    criterion: Criterion, limits: Limits, batch: Sequence[int], *, per_cost: bool
) -> list[int]:
    """Return a batch with runs added one at a time while they fit and narrow the interval.

    Args:
        criterion: what is asked.
        limits: what a batch may be.
        batch: what it begins with.
        per_cost: whether the gain per FLOP decides, or the gain.
    """
    batch = list(batch)
    while (allowed := limits.allowed(batch)).any():
        state = criterion.after(batch)
        gain = np.where(allowed, state.level - criterion.with_each(state), -np.inf)
        worth = gain > LEAST
        if not worth.any():
            break
        value = gain / limits.cost if per_cost else gain
        batch.append(int(np.argmax(np.where(worth, value, -np.inf))))
    return batch


def _exchanged(criterion: Criterion, limits: Limits, batch: list[int]) -> list[int]:
    """Return a batch that no exchange of one run improves."""
    level = criterion.after(batch).level
    for _ in range(ROUNDS if len(batch) <= FEW else 0):
        best, found = level - LEAST, batch
        for k in range(len(batch)):
            rest = batch[:k] + batch[k + 1 :]
            state = criterion.after(rest)
            if not state.determined:
                continue
            tried = np.where(limits.allowed(rest), criterion.with_each(state), np.inf)
            one = int(np.argmin(tried))
            if tried[one] < best:
                best, found = float(tried[one]), [*rest, one]
        if found is batch and len(batch) <= RESPENT:
            found = _respent(criterion, limits, batch, level)
        elif found is not batch:
            found = grown(criterion, limits, found, per_cost=False)
        if found is batch:
            break
        batch, level = found, criterion.after(found).level
    return batch


def _respent(criterion: Criterion, limits: Limits, batch: list[int], level: float) -> list[int]:
    """Return the batch with what one or two of its runs cost spent on others, if that is better."""
    best, found = level - LEAST, batch
    out = itertools.chain(
        itertools.combinations(range(len(batch)), 1),
        itertools.combinations(range(len(batch)), 2) if len(batch) <= 12 else (),
    )
    for gone in out:
        rest = [run for k, run in enumerate(batch) if k not in gone]
        if not criterion.after(rest).determined:
            continue
        for per_cost in (True, False):
            tried = grown(criterion, limits, rest, per_cost=per_cost)
            if (value := criterion.after(tried).level) < best:
                best, found = value, tried
    return found


def in_order(criterion: Criterion, limits: Limits, batch: Sequence[int]) -> list[int]:
    """Return a batch in the order in which its runs narrow the interval most per FLOP.

    Args:
        criterion: what is asked.
        limits: with what runs cost.
        batch: in any order.
    """
    left, order = list(batch), list[int]()
    while left:
        state = criterion.after(order)
        gain = (state.level - criterion.with_each(state)[left]) / limits.cost[left]
        order.append(left.pop(int(np.argmax(gain))))
    return order


def exhaustive(criterion: Criterion, limits: Limits) -> list[int]:
    """Return the best of all batches without repeats.

    Raises:
        ValueError: there are too many.
    """
    m = len(limits.cost)
    sizes = range(1, min(limits.most, m) + 1)
    if sum(math.comb(m, size) for size in sizes) > EXHAUSTIVE:
        raise ValueError(f"more than {EXHAUSTIVE} batches: too many to try all of them")
    best: list[int] = []
    level = criterion.after([]).level
    for size in sizes:
        for batch in itertools.combinations(range(m), size):
            if limits.spent(batch) <= limits.budget * (1 + 1e-9):
                value = criterion.after(batch).level
                if value < level:
                    best, level = list(batch), value
    return best
