"""Which law predicts best, and by how much: paired bootstrap, and weights of a combination."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from jaxscale.comparison.held_out import HeldOut
from jaxscale.shown.blocks import Shown

CLUSTERS = 6
"""Held-out levels from which the bootstrap draws whole levels in place of single runs."""
DIFFERENCE_DRAWS = 2000
"""Draws of the bootstrap of a difference."""
MAX_LAWS = 12
"""Laws at most that get weights: every subset of the laws is tried."""


@dataclasses.dataclass(frozen=True)
class Difference(Shown):
    """How much larger the error of one law is than that of another, on the same held-out runs.

    Attributes:
        mean: difference of the mean absolute log errors; above 0 where the other is better.
        error: its bootstrap standard error.
        low: lower end of the 95 % percentile interval.
        high: upper end.
        unit: what was drawn, "level" or "run".
    """

    mean: float
    error: float
    low: float
    high: float
    unit: str

    @property
    def separated(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def difference(held: HeldOut, law: int, other: int, *, seed: int = 0) -> Difference | None:
    """Compare two laws by a paired bootstrap over the runs that neither had seen.

    Whole levels are drawn where at least six levels were held out, since the errors of one level
    have much in common; else runs are drawn. The interval holds for two laws that were chosen
    beforehand: if one of the two is the best of many, the interval is somewhat narrow.

    Args:
        held: held-out errors of the laws.
        law: index of the law whose error is expected to be larger.
        other: index of the other.
        seed: of the bootstrap.

    Returns:
        None where one of them has no held-out run.
    """
    by_run = held.by_run()
    gap = by_run[law] - by_run[other]
    known = np.flatnonzero(np.isfinite(gap))
    if len(known) < 2:
        return None
    level = held.split.level[known]
    unit = "level" if len(np.unique(level)) >= CLUSTERS else "run"
    member = np.unique(level, return_inverse=True)[1] if unit == "level" else np.arange(len(known))
    total, count = np.bincount(member, gap[known]), np.bincount(member)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(total), np.full(len(total), 1 / len(total)), size=DIFFERENCE_DRAWS)
    means = (drawn @ total) / (drawn @ count)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(gap[known].mean())
    return Difference(mean, float(means.std(ddof=1)), float(low), float(high), unit)


def stacking(held: HeldOut) -> dict[str, float]:
    """Return the weights, by law, of the combined prediction with the least held-out error.

    The combination is the weighted mean of log predictions. The weights are 0 or more, sum to
    one, and minimize the sum of squared log errors of the combination; every held-out run counts
    once. A law that was fitted to no window has weight 0. Since errors are squared, a single wild
    run can decide the weights.

    Raises:
        ValueError: more than 12 laws.

    Source: Wolpert 1992, Neural Networks 5, 241; Breiman 1996, Machine Learning 24, 49.
    """
    if len(held.laws) > MAX_LAWS:
        raise ValueError(f"weights of at most {MAX_LAWS} laws, got {len(held.laws)}")
    score = held.score()
    some = [k for k in range(len(held.laws)) if np.isfinite(score[k])]
    weights = dict.fromkeys(held.laws, 0.0)
    if not some:
        return weights
    error = held.error[some][:, held.shared]
    known = np.isfinite(error).all(axis=0)
    often = np.maximum(known.sum(axis=0), 1) * np.ones(known.shape)
    rows = (error[:, known] / np.sqrt(often[known])).T
    for k, weight in zip(some, simplex_least_squares(rows), strict=True):
        weights[held.laws[k]] = float(weight)
    return weights


def simplex_least_squares(errors: np.ndarray) -> np.ndarray:
    """Return the weights [L] on the simplex that minimize |errors [m, L] @ weights|², exactly.

    Among the laws with a weight above 0, the optimum is the least-squares solution under the one
    constraint that the weights sum to 1. So this is solved for every subset of laws, and the best
    solution without a negative weight wins. Laws that predict the same get equal weights.

    Cost: 2^L systems of at most L + 1 equations.
    """
    order = errors.shape[1]
    gram = errors.T @ errors
    gram = gram / max(float(np.trace(gram)) / order, np.finfo(float).tiny)
    best, weights = np.inf, np.full(order, 1 / order)
    for size in range(1, order + 1):
        for subset in itertools.combinations(range(order), size):
            chosen = list(subset)
            system = np.ones((size + 1, size + 1))
            system[:size, :size] = gram[np.ix_(chosen, chosen)]
            system[size, size] = 0.0
            right = np.append(np.zeros(size), 1.0)
            solved = np.linalg.lstsq(system, right, rcond=None)[0][:size]
            if solved.min() < -1e-9 or abs(solved.sum() - 1) > 1e-6:
                continue
            full = np.zeros(order)
            full[chosen] = np.maximum(solved, 0.0) / np.maximum(solved, 0.0).sum()
            value = float(full @ gram @ full)
            if value < best * (1 - 1e-12) or (value <= best and size > (weights > 0).sum()):
                best, weights = value, full
    return weights
