"""Why to believe a fit: statuses of its starts, basins, conditioning, bounds and dead terms.

The spread over starts says how reliably the optimum is found; it is no error bar.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxscale.engine.loop import Solution, Status
from jaxscale.fitting.limits import said_of_bounds
from jaxscale.objective.objective import Objective
from jaxscale.objective.space import Space
from jaxscale.shown.blocks import Block, Grid, Shown, said

SAME = 1e-6
"""Relative distance within which two values are one basin."""
SAME_FLOAT32 = 1e-4
"""The same for a search in float32."""
STEEP = 1e-3
"""Gradient over value from which a point is looked at as no optimum."""
IDLE = 1e-9
"""Largest relative change of a prediction, per unit of a coordinate, that counts as none."""
SURE = 6
"""Starts of two searches that must have reached the best value: one half as large would have missed
it with a chance of 2^-6."""
CROWD = 4.0
"""Times the best value up to which optima compete with it: residuals twice as large."""
CONVERGED = (Status.CONVERGED, Status.CONVERGED_DECREASE, Status.CONVERGED_STEP)


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
        found = list(self.weaknesses)
        status = Status[self.status.upper()]
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
        sound = not self.weaknesses  # else more steps, or starts, would find nothing better
        if sound and status not in (*CONVERGED, Status.AT_BOUND, Status.DEGENERATE_TERM):
            found.append(status.advice)
        found += said_of_bounds(self.at_bound, self.limits)
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
        found += self.doubt if sound else ()
        lost = self.statuses.get("nonfinite_start", 0)
        if 2 * lost > self.starts:
            found.append(
                f"{lost} of {self.starts} starts were not finite: the others may miss the "
                "optimum; give other starts."
            )
        if status in CONVERGED and not self.condition < 1e12:
            found.append(
                "The Hessian at the optimum is singular: some combination of parameters "
                "is not determined by the runs."
            )
        return tuple(found)

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


class Local(NamedTuple):
    """The objective around one point; device arrays, or NumPy on the host."""

    value: Any  # plain sum
    floor: Any  # plain sum that rounding alone can produce
    grad: Any  # [P] gradient of the plain sum
    gauss_newton: Any  # [P, P] of the plain sum
    hessian: Any  # [P, P] of the plain sum
    residuals: Any  # [n], padding included
    inside: Any  # [n] whether in the quadratic zone
    shares: Any  # [P] see Objective.shares


def local(objective: Objective, z: Array) -> Local:
    """Return everything a certificate needs to know at `z` [P]; pure."""
    value, grad, gauss_newton, hessian = objective.exact_model(z)
    r = objective.residuals(z)
    scale = objective.loss.scale
    return Local(
        value * scale,
        objective.floor() * scale,
        grad * scale,
        gauss_newton * scale,
        hessian * scale,
        r,
        objective.loss.inside(r) & (objective.weight > 0),
        objective.shares(z),
    )


def certify(
    space: Space,
    solution: Solution,
    z: np.ndarray,
    status: int,
    at: Local,
    *,
    weaknesses: tuple[str, ...] = (),
    sharpened: bool = False,
    searches: int = 1,
    sampled: tuple[int, int] = (0, 0),
) -> Certificate:
    """Judge the optimum `z` [P] by what the starts did and by the objective around it.

    Args:
        space: names, roles and bounds of the coordinates.
        solution: what every start led to; plain values.
        z: the optimum.
        status: how the start that found it ended.
        at: `local` there.
        weaknesses: of the design.
        sharpened: whether the loss was sharpened after the search: values differ for that.
        searches: in how many searches of equal size the starts were made.
        sampled: of a tall table, the runs that the starts were searched on, and the optima of
            these that were solved on on all.
    """
    lower, upper = map(np.array, space.bounds())
    bound = (z <= lower) | (z >= upper)
    moving = ~bound & (np.diagonal(at.gauss_newton) > 0)
    values = np.where(np.isfinite(solution.value), solution.value, np.inf)
    # Float32 values carry rounding of their own; a sharpened loss has values of its own.
    dtype = solution.z.dtype
    same = SAME if dtype == np.float64 else SAME_FLOAT32
    floor = float(at.floor) * (np.finfo(dtype).eps / np.finfo(float).eps) ** 2
    reached = float(values.min())
    best = reached if sharpened else min(reached, float(at.value))
    # Residuals off by as much as those of the floor move a sum of squares by that much.
    slack = same * abs(best) + 2 * math.sqrt(abs(best)) * math.sqrt(floor) + floor
    # A start stays in the gap of its break: only those in the best gap could have come here.
    breaks = [k for k, spec in enumerate(space.specs) if spec.role == "breakpoint"]
    rivals = np.all(np.abs(solution.z[:, breaks] - z[breaks]) < 1e-6, axis=1)
    at_best = np.isfinite(values) & (values <= best + slack)
    above = not sharpened and at.value > reached + slack
    counts = {int(s): int(np.sum(solution.status == s)) for s in np.unique(solution.status)}
    size = max(float(at.value), float(at.floor), np.finfo(float).tiny)
    gain = _gain(at, moving, size)
    dead, idle = _without_effect(space, at.shares, bound)
    ended = rivals & np.isin(solution.status, CONVERGED) & (values <= CROWD * best + slack)
    return Certificate(
        status=Status(status).name.lower(),
        starts=len(values),
        share_at_best=float(at_best.sum() / max(1, int((rivals | at_best).sum()))),
        searches=tuple(int(part.sum()) for part in np.split(at_best, searches)),
        singles=_singles(values[ended & ~at_best], same),
        rivals=int((rivals | at_best).sum()),
        sampled=sampled[0],
        solved_on=sampled[1],
        basins=_basins(values, solution.status, same, floor),
        statuses={Status(s).name.lower(): number for s, number in counts.items()},
        grad_norm=float(np.max(np.abs(at.grad[moving]), initial=0.0)) / size,
        gain=gain if gain > slack / size and not sharpened else 0.0,
        excess=float(at.value) / reached - 1 if above else 0.0,
        condition=_condition(at, moving),
        at_bound=tuple(name for name, hit in zip(space.free, bound, strict=True) if hit),
        degenerate=dead,
        idle=idle,
        weaknesses=weaknesses,
        exact=bool(at.value <= at.floor),
        inside_delta=int(at.inside.sum()),
        median_steps=float(np.median(solution.steps)),
    )


def _singles(values: np.ndarray, same: float) -> int:
    """Return how many values have no other within `same`, relatively."""
    ordered = np.sort(values)
    apart = np.diff(ordered) > same * np.abs(ordered[:-1])
    return int(np.sum(np.append(True, apart) & np.append(apart, True))) if len(ordered) else 0


def _without_effect(
    space: Space, shares: np.ndarray, bound: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parameters whose term is dead, and those that nothing depends on."""
    dead, idle = [], []
    for name, spec, share, hit in zip(space.free, space.specs, shares, bound, strict=True):
        if spec.role == "breakpoint" or hit:  # no derivative tells of a break
            continue
        if spec.linear and spec.positive and share < 1e-3:
            dead.append(name)
        elif share < IDLE:
            idle.append(name)
    return tuple(dead), tuple(idle)


def _gain(at: Local, moving: np.ndarray, size: float) -> float:
    """Return the share of `size` that one Newton step would save.

    By the exact curvature where it is definite, else by Gauss-Newton.
    """
    grad = at.grad[moving] / size
    for curvature in (at.hessian, at.gauss_newton):
        values, vectors = np.linalg.eigh(curvature[np.ix_(moving, moving)] / size)
        if values.size and values[0] > 1e-14 * values[-1]:
            return float(0.5 * np.sum((vectors.T @ grad) ** 2 / values))
    return 0.0


def _condition(at: Local, moving: np.ndarray) -> float:
    if not moving.any():
        return 1.0
    few = at.inside.sum() < moving.sum()
    for curvature in (at.hessian, at.gauss_newton) if few else (at.hessian,):
        eigenvalues = np.linalg.eigvalsh(curvature[np.ix_(moving, moving)])
        if eigenvalues[0] > 1e-12 * eigenvalues[-1]:
            break
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else float("inf")


def _basins(values: np.ndarray, status: np.ndarray, same: float, floor: float) -> tuple[Basin, ...]:
    """Group sorted values whose neighbors differ by less than `same`, relatively.

    Values below `floor` are rounding, and one basin.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ordered = ordered[np.isfinite(ordered)]
    if len(ordered) == 0:
        return ()
    gap = np.diff(ordered) > same * np.abs(ordered[:-1])
    gap &= ordered[1:] > floor
    parts = np.split(np.arange(len(ordered)), np.flatnonzero(gap) + 1)
    result = []
    for part in parts[:10]:
        common = int(np.bincount(status[order[part]]).argmax())
        result.append(Basin(float(ordered[part[0]]), len(part), Status(common).name.lower()))
    return tuple(result)
