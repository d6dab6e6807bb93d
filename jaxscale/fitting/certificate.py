"""Why to believe a fit: statuses of its starts, basins, conditioning, bounds and dead terms.

The spread over starts says how reliably the optimum is found; it is no error bar.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from jaxscale.engine.loop import Status
from jaxscale.fitting.limits import said_of_bounds
from jaxscale.shown.blocks import Block, Grid, Shown, said

SAME = 1e-6
"""Relative distance within which two values are one basin."""
SAME_FLOAT32 = 1e-4
"""The same for a search in float32."""
STEEP = 1e-3
"""Gradient over value from which a point is looked at as no optimum."""
SURE = 6
"""Starts of two searches that must have reached the best value: one half as large would have missed
it with a chance of 2^-6."""
CONVERGED = (Status.CONVERGED, Status.CONVERGED_DECREASE, Status.CONVERGED_STEP)
ENDS = (*CONVERGED, Status.AT_BOUND, Status.DEGENERATE_TERM)
"""How a start ends well."""


@dataclasses.dataclass(frozen=True)
class Basin(Shown):
    """Starts that ended at one value: the plain value, how many, and their common status."""

    value: float
    count: int
    status: str


@dataclasses.dataclass(frozen=True)
class Certificate(Shown):
    """Why to believe a fit, or why not.

    Attributes:
        status: how the best start ended, a name of `engine.Status` in lower case.
        starts: how many starts there were, the grid's excluded.
        share_at_best: share of them within 1e-6 (relative) of the best value; for a law with a
            break, of those that started with the same break.
        searches: how many reached it, search by search. A second search of as many fresh starts
            is made where the first leaves a doubt; both must come to the same value.
        singles: optima that one start found and no other, not far above the best: 4 times its
            value at most. They tell of optima that no start has found (Good 1953).
        rivals: how many starts could have come there: for a law with a break, those that drew it.
        basins: the lowest distinct values with their counts.
        statuses: number of starts by status.
        grad_norm: largest entry of the gradient at the optimum over the value (over what rounding
            makes of it, where the fit is exact), in dimensionless coordinates; bounded coordinates
            excluded.
        gain: share of the value that one more Newton step would still save; 0 where that is within
            what the precision of the search allows, and where a loss was sharpened to a kink.
        excess: how far the value reported lies above the best that a start reached, relatively; 0
            where a loss is sharpened after the search, and values differ for that.
        condition: condition number of the exact Hessian there; inf if it is not definite. That of
            the reweighted squares where fewer runs than parameters are in the quadratic zone of
            the loss: the Hessian is singular then, whatever the runs determine.
        at_bound: parameters at a bound.
        limits: (name, bound) of those bounds that a person gave.
        degenerate: parameters whose term contributes less than 1e-3 of every prediction.
        idle: parameters that no prediction depends on.
        weaknesses: sentences on what the choice of runs cannot determine (`design`).
        exact: whether the residuals are rounding, as those of a law's own values are.
        inside_delta: residuals in the quadratic zone of the loss.
        median_steps: median evaluations per start.
        sampled: of a tall table, how many of its runs the starts were searched on; 0 where it was
            all of them.
        solved_on: how many optima of these runs were solved on on all of them: one lane for each
            that lay within a quarter of the lowest. A start that led there counts as having
            reached what became of it; the values of the others are estimates.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> fit.certificate.trusted, fit.certificate.reasons, fit.certificate.share_at_best > 0.9
        (True, (), True)
    """

    status: str
    starts: int
    share_at_best: float
    searches: tuple[int, ...]
    singles: int
    rivals: int
    basins: tuple[Basin, ...]
    statuses: Mapping[str, int]
    grad_norm: float
    gain: float
    excess: float
    condition: float
    at_bound: tuple[str, ...]
    degenerate: tuple[str, ...]
    idle: tuple[str, ...]
    weaknesses: tuple[str, ...]
    exact: bool
    inside_delta: int
    median_steps: float
    sampled: int = 0
    solved_on: int = 0
    limits: tuple[tuple[str, float], ...] = ()

    def _blocks(self) -> list[Block]:
        least = ", ".join(f"{x.value:.6g} ({x.count:,}, {x.status})" for x in self.basins[:3])
        rows = [
            ["  status", self.status],
            ["  starts", f"{100 * self.share_at_best:.1f} % of {self.starts:,} at the best value"],
            ["  lowest values", least],
            ["  gradient", f"{self.grad_norm:.1e} of the value"],
            ["  condition", f"{self.condition:.1e}"],
        ]
        head = "certified" if self.trusted else "not certified"
        return [head, Grid(rows, "<<", head=False, muted=(0,)), *said(self.reasons, self.reasons)]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences that say why not to trust the fit; empty if there is nothing."""
        found = [*self.weaknesses, *self._short, *said_of_bounds(self.at_bound, self.limits)]
        if self.degenerate:
            found.append(
                f"The term of {', '.join(self.degenerate)} contributes less than 1e-3 "
                "of every prediction: the data do not need it."
            )
        if self.idle:
            found.append(
                f"No prediction depends on {', '.join(self.idle)}: the value is arbitrary; fix it "
                "or leave it out of the law."
            )
        found += self._missed
        if Status[self.status.upper()] in CONVERGED and not self.condition < 1e12:
            found.append(
                "The Hessian at the optimum is singular: some combination of parameters "
                "is not determined by the runs."
            )
        return tuple(found)

    @property
    def reached(self) -> bool:
        """Whether the best value within the bounds was found, whatever it leaves undetermined.

        That much is asked of the laws that another one beats.
        """
        return not (self._short or self._missed)

    @property
    def _short(self) -> list[str]:
        """Say why the point reported is no optimum."""
        found, status = [], Status[self.status.upper()]
        if self.excess > 0:
            found.append(
                f"The value reported is {100 * self.excess:.2g} % above the best that a "
                "start reached: the program of the search and that of the report disagree; try "
                "another version of jax and jaxlib."
            )
        if self.grad_norm > STEEP and self.gain > 0 and not self.exact:
            cure = "" if status == Status.STEP_LIMIT else "; try other starts"  # said below
            found.append(
                f"The gradient does not vanish ({self.grad_norm:.1e} of the value): this is no "
                f"optimum{cure}."
            )
        if not self.weaknesses and status not in ENDS:  # else more steps would find nothing better
            found.append(status.advice)
        return found

    @property
    def _missed(self) -> list[str]:
        """Say why a lower optimum may have been missed."""
        found = [] if self.weaknesses else [*self.doubt]  # nor would more starts
        lost = self.statuses.get("nonfinite_start", 0)
        if 2 * lost > self.starts:
            found.append(
                f"{lost} of {self.starts} starts were not finite: the others may miss the "
                "optimum; give other starts."
            )
        return found

    @property
    def doubt(self) -> tuple[str, ...]:
        """Sentences on whether the starts have found the lowest optimum; empty if they agree.

        One start in a hundred that reaches the best value is enough, and so are `SURE` of two
        searches that both do; unless for one such start there are `singles` in plenty. Of fewer
        than 16 starts nothing is said.

        No search excludes what it has not seen: see `unseen`.
        """
        if self.rivals < 16:
            return ()
        hits = round(self.share_at_best * self.rivals)
        if len(self.searches) > 1:
            found = hits >= SURE and min(self.searches) > 0
        else:
            found = self.share_at_best * self.starts >= max(2, 0.01 * self.starts)
        share = 100 * self.share_at_best
        if not found:
            return (
                f"Only {share:.2g} % of the starts reached the best value: raise --starts and try "
                "other seeds.",
            )
        if self.singles >= SURE and 4 * self.singles > hits:
            return (
                f"{self.singles} starts ended each in an optimum of its own, {hits} at the best "
                "value: there may be lower ones; raise --starts or fix a parameter.",
            )
        return ()

    @property
    def unseen(self) -> float:
        """Largest share of all starts that may lead to a lower optimum unseen, at 95 %.

        0.3 % for 1,024 starts: a search promises no more, whatever its starts agree on.
        """
        return float(1 - 0.05 ** (1 / max(1, self.rivals)))

    @property
    def unsettled(self) -> bool:
        """Whether the only doubt is one that a second search may settle."""
        return len(self.searches) == 1 and 0 < len(self.reasons) == len(self.doubt)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the fit."""
        return not self.reasons
