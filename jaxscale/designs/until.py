"""The cheapest batch that leaves no more than a share of the present interval."""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxscale.designs.question import Question
from jaxscale.designs.selection import Limits, choose, grown, in_order
from jaxscale.errors import FitError
from jaxscale.text import many

HALVINGS = 12
"""Of the logarithm of the budget: from six decades to a third of a percent."""
CHEAPER = (1.0, 0.85, 0.85, 0.85, 0.85)
"""Shares of a budget that is enough at which it is tried whether less is."""


def cheapest_batch(
    question: Question, limits: Limits, best: list[int], share: float
) -> tuple[Limits, list[int]]:
    """Return the least budget that is enough, and its batch.

    Args:
        question: what is asked.
        limits: with any budget.
        best: the batch without a budget.
        share: of the present interval that may be left.

    Raises:
        FitError: there is no present interval, or no batch narrows it so far.
    """
    now = question.plain.after([])
    if not now.determined:
        raise FitError(
            "the runs do not determine what is asked yet, so there is no interval to take a share "
            "of; give a budget (--budget)"
        )
    if (reached := question.steps(best)[-1]) > share:
        raise FitError(
            f"{many(len(best), 'run')} of {limits.spent(best):.3g} {question.candidates.unit} in "
            f"all leave {100 * reached:.3g} % of the interval at best, not {100 * share:.3g} %: "
            "allow more runs (--runs), dearer ones (--largest) or repeats (--repeats)"
        )
    low, high = np.log(limits.cost.min()), np.log(limits.spent(best))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        some = dataclasses.replace(limits, budget=float(np.exp(middle)))
        tried = grown(question.search, some, [], per_cost=True)
        if question.steps(tried)[-1] <= share:
            high, best = middle, tried
        else:
            low = middle
    for cheaper in CHEAPER:  # exchange makes a budget go farther than growth alone
        some = dataclasses.replace(limits, budget=cheaper * limits.spent(best))
        tried = choose(question.search, some)
        if question.steps(tried)[-1] > share:
            break
        best = tried
    best = _shaved(question, limits, best, share)
    return dataclasses.replace(limits, budget=limits.spent(best)), best


def _shaved(question: Question, limits: Limits, batch: list[int], share: float) -> list[int]:
    """Return the batch with runs dropped, or taken for cheaper ones, while it is enough.

    A budget buys whole runs, so that the batch of a smaller one may be as good.
    """
    criterion, enough = question.search, dataclasses.replace(limits, budget=np.inf)
    while True:
        found, saved = batch, 0.0
        for k, own in enumerate(batch):
            rest = batch[:k] + batch[k + 1 :]
            if question.steps(rest)[-1] <= share and limits.cost[own] > saved:
                found, saved = rest, float(limits.cost[own])
            level = question.level_for(share, len(batch))
            good = criterion.with_each(criterion.after(rest)) <= level
            good &= enough.allowed(rest) & (limits.cost < limits.cost[own] - saved)
            if good.any():
                one = int(np.argmin(np.where(good, limits.cost, np.inf)))
                found, saved = [*rest, one], float(limits.cost[own] - limits.cost[one])
        if found is batch:
            return in_order(criterion, limits, batch)
        batch = found
