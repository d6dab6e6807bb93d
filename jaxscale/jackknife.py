"""Uncertainty by leaving out: one run, or one group of runs, at a time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale.intervals import Interval, check_level, student_t, symmetric
from jaxscale.laws import Law
from jaxscale.quantities import Asked, evaluate, quantity
from jaxscale.refit import refit
from jaxscale.resampling import cluster_labels, membership, own_weight
from jaxscale.result import FitResult


def jackknife(fit: FitResult, *, group: Any = None, leave_groups: bool = False) -> Jackknife:
    """Refit a law with every run left out in turn, or every group of runs.

    Args:
        fit: the fit.
        group: with `leave_groups`, labels [n] or the name of a column; None for the runs' own.
        leave_groups: leave out whole groups.

    Returns:
        The n (or G) laws, with standard errors.

    Raises:
        DataError: no groups are known.

    The jackknife is not consistent for losses with a kink: under a Huber width below the noise
    use `bootstrap`.

    Cost: n refits in one batched solve.
    """
    if leave_groups:
        labels = cluster_labels(fit.runs, group, "jackknife")
    else:
        labels = np.arange(len(fit.runs))
    names, member = np.unique(labels), membership(labels)
    weights = np.where(np.arange(len(names))[:, None] == member, 0.0, own_weight(fit.runs))
    found = refit(fit, weights=weights)
    return Jackknife(law=found.law, fit=fit, labels=names, value=found.value)


@dataclasses.dataclass(frozen=True)
class Jackknife:
    """A fit with one run, or one group of runs, left out in turn.

    Attributes:
        law: a law whose free parameters have a leading axis [G].
        fit: the fit to all runs.
        labels: [G] which run (its index) or group is left out.
        value: [G] plain objective at each optimum.
    """

    law: Law
    fit: FitResult
    labels: np.ndarray
    value: np.ndarray

    def values(self, what: Asked) -> np.ndarray:
        """Return a quantity [G] without each run or group."""
        return evaluate([quantity(what, self.fit.law)], self.law)[:, 0]

    def interval(self, what: Asked, *, level: float = 0.9) -> Interval:
        """Return the interval of Student's t with G - 1 degrees of freedom around the fit."""
        check_level(level)
        asked = quantity(what, self.fit.law)
        values, G = self.values(asked), len(self.labels)
        estimate = float(evaluate([asked], self.fit.law)[0, 0])
        scaled = np.log(values) if asked.logarithmic else values
        spread = math.sqrt((G - 1) / G * float(np.sum((scaled - scaled.mean()) ** 2)))
        low, high = symmetric(
            estimate, spread, student_t(0.5 + level / 2, G - 1), asked.logarithmic
        )
        error = spread * estimate if asked.logarithmic else spread
        return Interval(asked.name, estimate, low, high, level, error, "jackknife")
