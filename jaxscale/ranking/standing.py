"""From the errors of laws on trials to their standing: relative errors, ranks, how sure they are.

A law's error on a trial is divided by that of the baseline on the same trial, so that a hard trial
weighs no more than an easy one, and a law that does not apply somewhere is compared where it does.
The geometric mean goes first over the trials of a source, a set of training runs, then over the
sources: a set of runs that several tables show counts once. NumPy only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxscale.shown.blocks import Shown

EXACT = 1e-9
"""Log error below which two laws are both exact: noise-free tables are told apart no further."""
FEW = 0.5
"""Share of the trials that have a baseline below which a law has no place among those with more."""
ALIKE = 1e-6
"""Difference of log errors up to which they are equal: what solvers leave."""


@dataclasses.dataclass(frozen=True)
class Standing(Shown):
    """Where L laws stand.

    Attributes:
        relative: [L] geometric mean of the error over that of the baseline; NaN where no trial has
            both.
        low: [L] lower end of its interval.
        high: [L] upper end.
        rank: [L] place, 1 for the least; 0 for a law that shares fewer than half of the trials.
        best: [L] lowest place within the interval.
        worst: [L] highest.
        better: [L] share of the trials with both on which the law has the smaller error.
        shared: [L] how many trials have both.
    """

    relative: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rank: np.ndarray
    best: np.ndarray
    worst: np.ndarray
    better: np.ndarray
    shared: np.ndarray


def standing(
    error: np.ndarray,
    baseline: np.ndarray,
    sources: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.9,
) -> Standing:
    """Return where laws stand, with intervals by the bootstrap over sources and their trials.

    Args:
        error: [L, T] of every law on every trial; NaN where it does not apply.
        baseline: [T] errors that they are divided by; NaN where there is none.
        sources: [T] the set of training runs that a trial is of.
        draws: of the bootstrap: sources are drawn, and within each its trials.
        seed: of the draws.
        level: of the intervals.
    """
    floor = np.maximum(error, EXACT)
    ratio = np.log(floor) - np.log(np.maximum(baseline, EXACT))
    names, member = np.unique(np.asarray(sources), return_inverse=True)
    every = np.ones((1, len(member)))
    once = np.ones((1, len(names)))
    relative = _mean(ratio, member, every, once)[0]
    shared = np.isfinite(ratio).sum(axis=1)
    places_for = (shared > 0) & (shared >= FEW * np.isfinite(baseline).sum())
    rng = np.random.default_rng(seed)
    within = np.zeros((draws, len(member)))
    for k in range(len(names)):
        here = np.flatnonzero(member == k)
        within[:, here] = rng.multinomial(len(here), np.full(len(here), 1 / len(here)), draws)
    across = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    drawn = _mean(ratio, member, within, across.astype(float))
    ends = [(1 - level) / 2, (1 + level) / 2]
    sure = shared > 1
    low, high = _quantiles(drawn, ends)
    places = np.stack([_ranks(np.where(places_for, row, np.nan)) for row in drawn])
    best, worst = _quantiles(np.where(places > 0, places, np.nan), ends)
    rank = _ranks(np.where(places_for, relative, np.nan))
    smaller = np.where(np.isfinite(ratio), ratio < -ALIKE, False).sum(axis=1)
    return Standing(
        relative=np.exp(relative),
        low=np.where(sure, np.exp(low), np.nan),
        high=np.where(sure, np.exp(high), np.nan),
        rank=rank,
        best=np.where(sure & places_for, best, rank),
        worst=np.where(sure & places_for, worst, rank),
        better=smaller / np.maximum(shared, 1),
        shared=shared,
    )


def _mean(
    ratio: np.ndarray, member: np.ndarray, within: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Return the mean [B, L] of log ratios [L, T] over the trials of a source, then over sources.

    Args:
        ratio: [L, T]; NaN where there is none.
        member: [T] the source of every trial.
        within: [B, T] how often each trial counts.
        across: [B, S] how often each source counts.
    """
    known = np.isfinite(ratio)
    value = np.where(known, ratio, 0.0)
    total = np.zeros((len(within), len(ratio)))
    weight = np.zeros_like(total)
    for k in range(across.shape[1]):
        here = member == k
        count = within[:, here] @ known[:, here].T
        mean = within[:, here] @ value[:, here].T / np.maximum(count, 1)
        often = across[:, [k]] * (count > 0)
        total += often * mean
        weight += often
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def _quantiles(values: np.ndarray, ends: Sequence[float]) -> np.ndarray:
    """Return quantiles [2, L] of draws [B, L], those aside that have none."""
    found = np.full((2, values.shape[1]), np.nan)
    for k, column in enumerate(values.T):
        finite = column[np.isfinite(column)]
        if len(finite):
            found[:, k] = np.quantile(finite, ends)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of every value [L], equal ones alike; 0 where there is none."""
    known = np.isfinite(values)
    place = 1 + (values[None, :] < values[:, None] - ALIKE).sum(axis=1)
    return np.where(known, place, 0)
