"""One interface for how sure an answer is, whatever it was found by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxscale.fitting.result import FitResult
from jaxscale.shown.blocks import Block, Grid, Shown
from jaxscale.shown.frames import frame
from jaxscale.text import quantity as shown
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.quantities import Asked


class Uncertain(Shown, ABC):
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

    def table(
        self, what: Sequence[Asked] | None = None, *, level: float = 0.9, kind: str | None = None
    ) -> Any:
        """Return the intervals of quantities as a dataframe.

        Args:
            what: as of `intervals`.
            level: nominal coverage.
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns quantity, estimate, standard_error (NaN where there is none), low, high, level
            and method, a row per quantity.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind; a quantity is unknown.
        """
        found = self.intervals(what, level=level)
        columns = {
            "quantity": [i.name for i in found],
            "estimate": [i.estimate for i in found],
            "standard_error": [i.error for i in found],
            "low": [i.low for i in found],
            "high": [i.high for i in found],
            "level": [i.level for i in found],
            "method": [i.method for i in found],
        }
        return frame(columns, kind, self.fit.runs.frame_kind)

    def _blocks(self) -> list[Block]:
        return [self.title, intervals_grid(self.intervals())]


def ends(i: Interval) -> tuple[float, float, float]:
    """Return the standard error and both limits."""
    return i.error, i.low, i.high


def intervals_grid(intervals: Sequence[Interval]) -> Grid:
    """Return intervals as a table."""
    level = f"{100 * intervals[0].level:g} %" if intervals else ""
    rows = [["", "estimate", "s.e.", f"{level} from", "to"]]
    rows += [
        ["  " + i.name, shown(i.estimate, 6), *("" if x != x else shown(x) for x in ends(i))]
        for i in intervals
    ]
    return Grid(rows, "<>>>>")
