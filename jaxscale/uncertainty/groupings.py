"""Runs that may share noise: those of one group, one budget, one size, seen without being told."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.data.sizes import equal_sizes
from jaxscale.errors import DataError
from jaxscale.fitting.result import FitResult
from jaxscale.uncertainty.resampling import membership


class Grouping(NamedTuple):
    """Runs that may move together."""

    of: str  # "budget", "N", the name of a column
    labels: np.ndarray  # [n]

    @property
    def each(self) -> str:
        """What the runs of one group have in common, as it stands in a sentence."""
        return f"one {self.of}" if self.of not in ("N", "D") else f"equal {self.of}"


def groupings(fit: FitResult) -> list[Grouping]:
    """Return the groupings of a fit's runs that may share noise: its group, budgets, N, D, inputs.

    Args:
        fit: the fit.
    """
    runs, found = fit.runs, []
    if runs.group is not None:
        found.append(Grouping(runs.names.get("group", "group"), runs.group))
    for name in dict.fromkeys(("C", *fit.law.inputs)):
        size = _sizes(runs, name, fit)
        if size is not None and (size > 0).all():
            found.append(Grouping("budget" if name == "C" else name, equal_sizes(size)))
    kept: list[Grouping] = []
    for each in found:
        member = membership(each.labels)
        if all(not np.array_equal(member, membership(other.labels)) for other in kept):
            kept.append(each._replace(labels=each.labels))
    return kept


def _sizes(runs: Runs, name: str, fit: FitResult) -> np.ndarray | None:
    try:
        return runs.column(name, fit.law.flops)
    except DataError:
        return None
