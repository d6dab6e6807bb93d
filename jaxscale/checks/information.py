"""How well runs determine what a person takes from a fit of a law in several inputs.

A fit passes through the runs, and its residuals are as small on a ladder of D = 20 N give or take
some percent as on a rectangle; but on the ladder N and D can change places. The law's own
information says so: the slopes of its predictions, over the noise that the residuals show, give
the error of the best N at a budget, or of how two inputs count against each other. It is worked
out at the optimum and at both ends of its own region of confidence, since a law that was fitted to
too little is often the one that looks determined. No list of designs, and no program: NumPy, with
differences for derivatives, so that a fit read from a file compiles nothing.

Source: Seber & Wild 1989, Nonlinear Regression, sections 2.1 and 5.4.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale._numerics.student import student_t
from jaxscale.flops import tokens_for
from jaxscale.laws import Law
from jaxscale.objective.residuals import Residual
from jaxscale.objective.space import Space
from jaxscale.shown.blocks import Shown

FACTOR = 3.0
"""Factor within which a best size has to be known."""
COUNTS = 2.2
"""The same for how much one input counts against another: 3 to the sum of two usual exponents."""
QUANTILE = 0.99
"""One-sided: of the fits that pass with the answer just at the factor, 2 % are off by more."""
MEDIAN_EFFICIENCY = 0.37
"""Of the median of absolute residuals, against their mean square, at Gaussian noise."""
STEP = 1e-5
"""Of central differences in a coordinate."""
RANK = 1e-8
"""Singular value over the largest below which differences see nothing."""
TANGLED = 0.9
"""Correlation from which the effects of two inputs stand in for each other."""
NEAR = 0.02
"""Step of differences in log N around the best size."""
CELLS = 121
"""Sizes that each round of the search for the best one tries."""
SHARE = 0.5
"""How far to the ends of its region the law is looked at: all the way, the straight line there has
left the region where a law is bent."""
FEW = 30
"""Degrees of freedom below which the median of the residuals is no measure of them."""
GROSS = 8.0
"""Of their scale, from which residuals are left out then."""
SAFE = 0.25
"""Share of the log of `FACTOR` below which the ends of the region cannot be beyond it."""
Answer = Callable[[Law], Callable[[Law], float]]
"""A logarithm: at a law, the function of laws nearby that has its slopes."""


class _Slopes(NamedTuple):
    """How the residuals depend on the M coordinates that move, at a point."""

    law: Law
    beside: list[tuple[Law, Law]]  # M pairs, a step up and a step down
    unit: np.ndarray  # [M] norms of the slopes
    size: np.ndarray  # singular values of the slopes over their norms
    axes: np.ndarray | None  # their right vectors; None where a slope vanishes or is not finite


@dataclasses.dataclass(frozen=True)
class Information(Shown):
    """A law at its optimum on its runs.

    Attributes:
        law: supplies formula and static settings.
        space: the coordinates of the fit.
        z: [P] the optimum.
        inputs: [n] each, in the units of the runs; of those that have a weight.
        loss: [n] of these runs.
        weight: [n] of these runs, above 0.
        residual: how predictions are held against losses.
        quadratic: whether the fit is one of least squares.
        leaning: [m, P] slopes of what a prior adds, over its widths; None without one.
    """

    law: Law
    space: Space
    z: np.ndarray
    inputs: Mapping[str, np.ndarray]
    loss: np.ndarray
    weight: np.ndarray
    residual: Residual
    quadratic: bool
    leaning: np.ndarray | None = None

    def within(self, answer: Answer) -> tuple[float, np.ndarray]:
        """Return how far off a number may be, and the coordinates [P] that move with it.

        Args:
            answer: what is asked for.

        Returns:
            The larger half of an interval of 98 %, infinite where nothing bounds it; and by how
            much each coordinate moves from its middle to its end.
        """
        with scope(np.float64), np.errstate(all="ignore"):
            half, toward = self._half(self.z, answer)
            if not np.isfinite(half) or half < SAFE * np.log(FACTOR):
                return half, toward
            step = SHARE * toward * min(1.0, np.log(FACTOR) / half)
            ends = [np.clip(self.z + sign * step, *self.space.bounds()) for sign in (-1, 1)]
            return max(half, *(self._half(end, answer)[0] for end in ends)), toward

    @property
    def scatter(self) -> float:
        """Standard deviation of the residuals, freed from the fit's adaptation to them."""
        return self._scatter(self._residuals)

    def _scatter(self, residuals: np.ndarray) -> float:
        relative = self.weight / self.weight.mean()
        return float(np.sqrt(relative @ residuals**2 / max(self.freedom, 1)))

    def at_optimum(self, answer: Answer) -> float:
        """Return half an interval of an answer by the slopes at the optimum alone."""
        with scope(np.float64), np.errstate(all="ignore"):
            return self._half(self.z, answer)[0]

    @property
    def moving(self) -> np.ndarray:
        """[P] which coordinates are neither at a bound nor a break."""
        lower, upper = map(np.array, self.space.bounds())
        gaps = np.array([spec.role == "breakpoint" for spec in self.space.specs])
        moving: np.ndarray = (self.z > lower) & (self.z < upper) & ~gaps
        return moving

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals."""
        return int(len(self.weight) - self.moving.sum())

    @property
    def _residuals(self) -> np.ndarray:
        return self.residual.between(predicted(self.at(self.z), self.inputs), self.loss)

    def at(self, z: np.ndarray) -> Law:
        """Return the law with coordinates `z` [P], its parameters in the units of the runs."""
        values = {k: np.float64(x) for k, x in self.space.physical(tuple(z)).items()}
        return self.law.replace(**values)

    @functools.cached_property
    def _at_its_optimum(self) -> _Slopes:
        return self._slopes(self.z)

    def _slopes(self, z: np.ndarray) -> _Slopes:
        law, moving = self.at(z), self.moving
        here = predicted(law, self.inputs)
        steep = self.residual.moved(here, self.loss, np.ones(len(here)))
        steep = steep * np.sqrt(self.weight / self.weight.mean())
        beside, rows = [], np.empty((len(here), int(moving.sum())))
        for k, which in enumerate(np.flatnonzero(moving)):
            step = np.where(np.arange(len(z)) == which, STEP, 0.0)
            up, down = self.at(z + step), self.at(z - step)
            change = predicted(up, self.inputs) - predicted(down, self.inputs)
            rows[:, k] = steep * change / (2 * STEP)
            beside.append((up, down))
        if self.leaning is not None:  # as known as runs that scatter like the others would tell
            rows = np.vstack([rows, self.scatter * self.leaning[:, moving]])
        unit = np.linalg.norm(rows, axis=0)
        if not (moving.any() and np.isfinite(rows).all() and (unit > 0).all()):
            return _Slopes(law, beside, unit, unit, None)
        # Of the triangle: that of all runs would be worked out with their left vectors.
        triangle = np.linalg.qr(rows / unit, mode="r")
        _, size, axes = np.linalg.svd(triangle, full_matrices=False)
        return _Slopes(law, beside, unit, size, axes)

    def _half(self, z: np.ndarray, answer: Answer) -> tuple[float, np.ndarray]:
        """Return half an interval of the answer by the slopes at `z`, and the way to its end."""
        moving = self.moving
        at = self._at_its_optimum if z is self.z else self._slopes(z)
        local, toward = answer(at.law), np.zeros(len(z))
        slope = np.array([(local(up) - local(down)) / (2 * STEP) for up, down in at.beside])
        if at.axes is None or not np.isfinite(slope).all():
            return np.inf, toward
        unit, size, axes = at.unit, at.size, at.axes
        along, lost = axes @ (slope / unit), size < RANK * size[0]
        if (np.abs(along[lost]) > 1e-6 * np.linalg.norm(along)).any():
            toward[moving] = axes[-1] / unit
            return np.inf, toward
        size = np.where(lost, np.inf, size)
        length = float(np.linalg.norm(along / size))
        noise = self.noise(self._residuals)
        toward[moving] = axes.T @ (along / size**2) / unit * (noise / length if length else 0.0)
        return noise * length, toward

    def noise(self, residuals: np.ndarray) -> float:
        """Return half an interval of a quantity whose slopes are orthonormal, by `residuals` [n].

        By the mean square of the residuals; or, where some are far out, by their median, from
        which the errors of a robust fit follow, and which takes more runs to be known as well. Of
        few runs, a fit that happens to pass near most of them is likelier certified than it is
        right: their scatter counts for more.
        """
        free = self.freedom
        if free < 1:
            return np.inf
        size = np.sqrt(self.weight / self.weight.mean()) * np.abs(residuals)
        middle = 1.4826 * float(np.median(np.sort(size)[-free:]))
        robust = 1.0 if self.quadratic else float(np.sqrt(np.pi / 2))
        if free < FEW:
            kept = size[size <= GROSS * middle] if not self.quadratic else size
            left = max(free - (len(size) - len(kept)), 1)
            spread = float(np.sqrt(kept @ kept / left))
            return robust * spread * student_t(QUANTILE, left) * (1 + 3 / left)
        square = self._scatter(residuals) * student_t(QUANTILE, free)
        middle *= student_t(QUANTILE, MEDIAN_EFFICIENCY * free)
        return robust * (square if self.quadratic else min(square, middle))


def predicted(law: Law, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the losses of a law at inputs [m]."""
    found = np.asarray(law.loss(*(inputs[name] for name in law.inputs)), float)
    return np.broadcast_to(found, np.shape(next(iter(inputs.values()))))


def best_size(
    at: Information, compute: float, held: Mapping[str, float] | None = None
) -> Answer | None:
    """Return log N of the best run of a budget; None for a law that has none of its own.

    Args:
        at: the law at its optimum.
        compute: the budget in FLOPs.
        held: where other inputs are held; default at their medians.
    """
    if not {"N", "D"} <= set(at.law.inputs):
        return None
    others = {k: float(np.median(x)) for k, x in at.inputs.items()} | dict(held or {})

    def along(law: Law, log_N: np.ndarray) -> np.ndarray:
        N = np.exp(log_N)
        D = np.asarray(tokens_for(law.flops, N, np.full_like(N, compute)), float)
        inputs = {k: np.full_like(N, x) for k, x in others.items()} | {"N": N, "D": D}
        return predicted(law, inputs)

    def answer(law: Law) -> Callable[[Law], float]:
        low, high = np.log(1e-3), np.log(compute)
        for _ in range(3):
            grid = np.linspace(low, high, CELLS)
            loss = along(law, grid)
            k = int(np.argmin(np.where(np.isfinite(loss), loss, np.inf)))
            if k in (0, CELLS - 1) or not np.ptp(loss) > 1e-12 * abs(loss[k]):
                return lambda law: np.nan
            low, high = grid[k - 1], grid[k + 1]
        near = grid[k] + np.array([-NEAR, 0.0, NEAR])
        loss = along(law, near)
        bend = loss[0] + loss[2] - 2 * loss[1]
        # Where the slope along the budget is zero: it moves by the slope's change over its bend.
        return lambda law: float(-0.5 * NEAR * np.diff(along(law, near[::2]))[0] / bend)

    with scope(np.float64), np.errstate(all="ignore"):
        law = at.at(at.z)
        return answer if np.isfinite(answer(law)(law)) else None


def counting(
    at: Information, a: str, b: str, held: Mapping[str, float] | None = None
) -> tuple[Answer, Answer] | None:
    """Return log |dL / dlog a| and log |dL / dlog b| in the middle of the runs.

    None where the loss falls and rises with one of them, as it does with a learning rate.

    Args:
        at: the law at its optimum.
        a: an input.
        b: another one.
        held: where other inputs are held; default in the middle.
    """
    positive = {name for name, kind in at.law.kinds.items() if kind == "positive"}
    middle = {
        name: float(np.exp(np.mean(np.log(x))) if name in positive else np.median(x))
        for name, x in at.inputs.items()
    } | dict(held or {})

    def effect(law: Law, name: str, low: float, high: float) -> float:
        inputs = {k: np.array([x, x]) for k, x in middle.items()} | {name: np.array([low, high])}
        return float(np.diff(predicted(law, inputs))[0])

    def answer(name: str) -> Answer:
        low, high = middle[name] / math.sqrt(math.e), middle[name] * math.sqrt(math.e)
        return lambda _: lambda law: float(np.log(abs(effect(law, name, low, high))))

    with scope(np.float64), np.errstate(all="ignore"):
        law = at.at(at.z)
        for name in (a, b):
            ends = float(at.inputs[name].min()), float(at.inputs[name].max())
            below, above = (
                effect(law, name, ends[0], middle[name]),
                effect(law, name, middle[name], ends[1]),
            )
            if not below * above > 0:
                return None
    return answer(a), answer(b)


def tangled(at: Information, a: str, b: str, held: Mapping[str, float] | None = None) -> float:
    """Return how far off it may be how much two inputs count, where they stand in for each other.

    Half an interval of the log of their ratio; 0 where each is known by itself as well as beside
    the other: then the noise is at fault, if anything, and not the choice of runs.

    Args:
        at: the law at its optimum.
        a: an input.
        b: another one.
        held: see `counting`.
    """
    answers = counting(at, a, b, held)
    if answers is None:
        return 0.0
    of_a, of_b = answers

    def ratio(law: Law) -> Callable[[Law], float]:
        local_a, local_b = of_a(law), of_b(law)
        return lambda law: local_a(law) - local_b(law)

    apart = at.within(ratio)[0]
    if not np.isfinite(apart):
        return apart
    each, other, both = (at.at_optimum(one) for one in (of_a, of_b, ratio))
    alike = (each**2 + other**2 - both**2) / (2 * each * other)
    return apart if abs(alike) > TANGLED else 0.0
