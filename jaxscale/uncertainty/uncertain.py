"""One interface for how sure an answer is, whatever it was found by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxscale.fitting.result import FitResult
from jaxscale.text import columns
from jaxscale.text import quantity as shown
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.quantities import Asked


class Uncertain(ABC):
    """What draws, covariances, jackknifes and profiles have in common.

    Attributes:
        fit: the fit that it is about.
    """

    fit: FitResult

    @property
    @abstractmethod
    def title(self) -> str:
        """What the intervals are made from, in words."""

    @abstractmethod
    def intervals(
        self, what: Sequence[Asked] | None = None, *, level: float = 0.9
    ) -> list[Interval]:
        """Return confidence intervals of quantities.

        Args:
            what: names ("alpha", "a"), quantities (`Best(compute=1e24)`) or JAX functions of a
                law; default all free parameters and what the law derives from them.
            level: nominal coverage.
        """

    def interval(self, what: Asked, *, level: float = 0.9) -> Interval:
        """Return the confidence interval of one quantity; see `intervals`.

        Args:
            what: a name, a quantity or a JAX function of a law.
            level: nominal coverage.
        """
        return self.intervals([what], level=level)[0]

    def error(self, what: Asked) -> float:
        """Return the standard error of a quantity; NaN where there is none to state.

        Args:
            what: a name, a quantity or a JAX function of a law.
        """
        return self.interval(what).error

    def __str__(self) -> str:
        return interval_table(self.intervals(), self.title)


def interval_table(intervals: Sequence[Interval], title: str) -> str:
    """Return intervals as aligned text under a title."""
    level = f"{100 * intervals[0].level:g} %"
    rows = [["", "estimate", "s.e.", f"{level} from", "to"]]
    rows += [
        ["  " + i.name, shown(i.estimate, 6), *(shown(x) for x in (i.error, i.low, i.high))]
        for i in intervals
    ]
    return f"{title}\n" + columns(rows, "<>>>>")
