"""Approach 2: the lowest loss of every budget by a polynomial in the logarithm of the size.

NumPy only, nothing is compiled. A budget without a minimum between its own sizes is refused with
its reason, not extrapolated: a polynomial that falls to the edge says where to train next.

Source: Hoffmann et al. 2022, arXiv:2203.15556, section 3.2; Grattafiori et al. 2024,
arXiv:2407.21783, section 3.2.1, in log D.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale._numerics.student import student_t
from jaxscale.data.runs import Runs
from jaxscale.errors import FitError
from jaxscale.flops import Flops
from jaxscale.isoflops.budgets import LEAST, Budgets, counted, distinct, find_budgets
from jaxscale.isoflops.valleys import DEGREES, Valley, lowest, slope
from jaxscale.shown.blocks import Shown
from jaxscale.text import listing, many, quantity

OFF_CENTER = 0.7
"""Share of the half range beyond which a minimum is called off-centre."""
CURVED = 2.0
"""Standard errors that the curvature must be above zero."""
OUTLIER = 0.01
"""Chance that any point of a clean table is called an outlier."""
TOO_FEW, FLAT = "too few points", "no curvature"
"""Flags of a minimum that rests on next to nothing."""


@dataclasses.dataclass(frozen=True)
class Minimum(Shown):
    """The valley of one budget.

    Attributes:
        budget: C in FLOPs.
        N: the best parameters; NaN where the budget is refused.
        D: the best tokens.
        loss: the lowest loss.
        n: runs.
        flags: what is weak about it.
        refused: why it has no minimum; empty where it has one.
        error: standard error of log N and of log D, from the noise of all budgets.
        scale: what the noise of a loss is relative to: the loss of the budget.
        rows: [n] of its runs in the table.
        valley: the polynomial's sizes.
        coefficients: [degree + 1] of the polynomial in `valley.u`.
    """

    budget: float
    N: float
    D: float
    loss: float
    n: int
    flags: tuple[str, ...]
    refused: str
    error: float
    scale: float
    rows: np.ndarray
    valley: Valley | None
    coefficients: np.ndarray

    def log_size(self, name: str) -> float:
        """Return the logarithm of N or D."""
        return math.log(self.N if name == "N" else self.D)

    def curve(self, points: int = 101) -> tuple[np.ndarray, np.ndarray]:
        """Return sizes along the valley [points] and the polynomial there, to be drawn."""
        if self.valley is None:
            return np.empty(0), np.empty(0)
        x = np.linspace(self.valley.x.min(), self.valley.x.max(), points)
        return np.exp(x), dataclasses.replace(self.valley, x=x).predicted(self.coefficients)


@dataclasses.dataclass(frozen=True)
class Minima(Shown):
    """The minima of all budgets, and the power laws through them.

    Attributes:
        rows: one per budget, increasing.
        along: the size that the polynomials are in, "N" or "D".
        polynomial: its name.
        runs: the table.
        budgets: its runs by budget.
        noise: standard deviation of a loss about its polynomial over the loss of its budget,
            all budgets together; NaN where no budget has a point to spare.
        freedom: what that rests on.
    """

    rows: tuple[Minimum, ...]
    along: str
    polynomial: str
    runs: Runs
    budgets: Budgets
    noise: float
    freedom: float

    @property
    def used(self) -> tuple[Minimum, ...]:
        """The budgets that have a minimum."""
        return tuple(row for row in self.rows if not row.refused)

    @property
    def valleys(self) -> tuple[Minimum, ...]:
        """The budgets of three or more sizes: the others are runs beside them, no valleys."""
        x, member = self.budgets.x, self.budgets.member
        sizes = [distinct(x[member == j]) for j in range(len(self.rows))]
        return tuple(row for row, have in zip(self.rows, sizes, strict=True) if have >= LEAST)

    @property
    def compute(self) -> np.ndarray:
        """C of the budgets used."""
        return np.array([row.budget for row in self.used])

    def power_law(self, name: str) -> tuple[float, float]:
        """Return (coefficient, exponent) of N*(C) or D*(C), by least squares of the logarithms.

        Raises:
            FitError: fewer than two budgets have a minimum.
            ValueError: the name is neither N nor D.
        """
        if name not in ("N", "D"):
            raise ValueError(f"a power law of N or D, got {name!r}")
        used = self.used
        if len(used) < 2:
            reasons = "; ".join(
                f"C = {quantity(r.budget, 3)}: {r.refused}" for r in self.valleys[:4]
            )
            raise FitError(
                f"{self.runs.source}: {many(len(used), 'budget')} of {len(self.valleys)} with an "
                f"interior minimum, two are needed for N*(C) ({reasons}): add runs on the low "
                "side of those valleys"
            )
        y = np.log([getattr(row, name) for row in used])
        x = np.log(self.compute)
        b = float((x - x.mean()) @ (y - y.mean()) / ((x - x.mean()) @ (x - x.mean())))
        return float(np.exp(y.mean() - b * x.mean())), b

    def at(self, C: Any) -> tuple[Any, Any]:
        """Return (N*, D*) of a budget, or of budgets [m], by the power laws."""
        return tuple(
            a * np.asarray(C, float) ** b for a, b in (self.power_law("N"), self.power_law("D"))
        )  # type: ignore[return-value]


def by_budget(
    runs: Runs,
    *,
    degree: int | str = 2,
    along: str = "D",
    flops: Flops | None = None,
) -> Minima:
    """Find the budgets of a table, and the minimum of each by a polynomial of the loss.

    Args:
        runs: runs of about equal C at two or more C; any two of N, D and C. Those of weight 0 are
            left out, all others count alike.
        degree: 2, 3 or 4, or "parabola", "cubic", "quartic", "local".
        along: "D" or "N": the polynomial is in its logarithm.
        flops: the FLOPs model where one of N, D, C is missing; default C = 6 N D.

    Raises:
        DataError: the table has no two budgets of three sizes; names what is needed.
        ValueError: the degree or `along` is not one of those.
    """
    name = next((key for key, k in DEGREES.items() if degree in (key, k)), None)
    if name is None:
        raise ValueError(f"degree must be 2, 3, 4 or one of {', '.join(DEGREES)}, got {degree!r}")
    runs = counted(runs)
    budgets = find_budgets(runs, along, flops)
    parts = [_part(runs, budgets, name, j) for j in range(len(budgets.C))]
    known = [part for part in parts if part.valley is not None]
    freedom = float(sum(part.freedom for part in known))
    total = float(sum(part.squares for part in known))
    noise = math.sqrt(total / freedom) if freedom > 0.5 else float("nan")
    rows = tuple(_minimum(runs, budgets, part, (noise, freedom), along) for part in parts)
    return Minima(rows, along, name, runs, budgets, float(noise), freedom)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A budget before the noise of all is known."""

    j: int
    rows: np.ndarray
    refused: str
    valley: Valley | None = None
    coefficients: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    u: float = float("nan")
    loss: float = float("nan")
    bend: float = float("nan")
    squares: float = 0.0
    freedom: float = 0.0
    scale: float = 1.0


def _part(runs: Runs, budgets: Budgets, name: str, j: int) -> _Part:
    rows = np.flatnonzero(budgets.member == j)
    x, y = budgets.x[rows], runs.loss[rows]
    need, have = DEGREES[name] + 1, distinct(x)
    if have < need:
        if have < LEAST:
            return _Part(j, rows, f"{many(have, 'size')}: a minimum takes {need} or more")
        return _Part(j, rows, f"{many(have, 'size')}: a {name} takes {need} or more")
    valley = Valley(x, name)
    coefficients = valley.fit(y)
    found = lowest(coefficients)
    r = y - valley.predicted(coefficients)
    scale = abs(float(y.mean())) or 1.0
    center = float(np.nan_to_num(found.u))
    weight = valley.weights(np.asarray(center))
    refused = "" if np.isfinite(found.u) else _where_it_falls(coefficients, valley, y)
    return _Part(
        j,
        rows,
        refused,
        valley,
        coefficients,
        float(found.u),
        float(found.value),
        float(found.bend),
        float(weight @ (r / scale) ** 2),
        float(weight @ valley.spare(center)),
        scale,
    )


def _where_it_falls(coefficients: np.ndarray, valley: Valley, y: np.ndarray) -> str:
    """Return why a polynomial has no interior minimum."""
    left, right = (float(valley.predicted(coefficients)[k]) for k in _ends(valley))
    inner = float(np.interp(0.0, valley.u[(o := np.argsort(valley.u))], y[o]))
    if inner >= max(left, right):
        return "no minimum: the losses bend downward, not up"
    side = "smallest" if left < right else "largest"
    return f"no interior minimum: lowest at its {side} sizes; add runs beyond them"


def _ends(valley: Valley) -> tuple[int, int]:
    return int(np.argmin(valley.x)), int(np.argmax(valley.x))


def errors(valley: Valley, coefficients: np.ndarray, u: float, bend: float) -> tuple[float, float]:
    """Return standard errors of the minimum's log size and of the bend there, of unit noise.

    Args:
        valley: the sizes.
        coefficients: [degree + 1] of the polynomial.
        u: where it is lowest.
        bend: its second derivative there.
    """
    inverse = valley.inverse(u)
    powers = u ** np.arange(len(coefficients))
    unit = np.eye(len(coefficients))
    first = np.array([slope(e) @ powers[:-1] for e in unit])
    second = np.array([slope(e, 2) @ powers[:-2] for e in unit])
    of_u = float(np.linalg.norm(first @ inverse)) / bend
    return valley.half * of_u, float(np.linalg.norm(second @ inverse))


def _minimum(
    runs: Runs, budgets: Budgets, part: _Part, pooled: tuple[float, float], along: str
) -> Minimum:
    C, rows, valley = float(budgets.C[part.j]), part.rows, part.valley
    nan = float("nan")
    nowhere = Minimum(
        C, nan, nan, nan, len(rows), (), part.refused, nan, part.scale, rows, valley,
        part.coefficients,
    )  # fmt: skip
    if valley is None or part.refused:
        return nowhere
    of_x, of_bend = errors(valley, part.coefficients, part.u, part.bend)
    x = valley.middle + valley.half * part.u
    sizes = {along: float(np.exp(x)), "DN"["ND".index(along)]: _other(budgets, rows, x)}
    return dataclasses.replace(
        nowhere,
        N=sizes["N"],
        D=sizes["D"],
        loss=part.loss,
        flags=tuple(_flags(runs, budgets, part, pooled, _curved(part, pooled[0] * of_bend))),
        error=pooled[0] * part.scale * of_x,
    )


def _curved(part: _Part, error: float) -> float:
    """Return by how many standard errors a valley bends upward."""
    return part.bend / (part.scale * error) if error > 0 else math.inf


def _other(budgets: Budgets, rows: np.ndarray, x: float) -> float:
    """Return the other size of a budget at log size x: by the line through the budget's runs."""
    here, there = budgets.x[rows], budgets.other[rows]
    away = here - here.mean()
    return float(np.exp(there.mean() + (away @ there) / (away @ away) * (x - here.mean())))


def _flags(
    runs: Runs, budgets: Budgets, part: _Part, pooled: tuple[float, float], curved: float
) -> list[str]:
    valley, rows = part.valley, part.rows
    assert valley is not None
    found, have = [], distinct(valley.x)
    if have < valley.degree + 2:
        found.append(f"{TOO_FEW}: {have} sizes, none to spare for a {valley.name}")
    if curved < CURVED:
        found.append(f"{FLAT}: {curved:.1f} standard errors above zero")
    if len(rows) > have:
        found.append(f"duplicates: {len(rows)} runs of {have} sizes")
    below = distinct(valley.x[valley.u < part.u])
    above = distinct(valley.x[valley.u > part.u])
    if abs(part.u) > OFF_CENTER or min(below, above) < 2:
        found.append(f"off-centre: {below} sizes below its minimum, {above} above")
    if (spread := float(budgets.spread[part.j])) > 1.02:
        found.append(f"C differs by {100 * (spread - 1):.0f} % within it")
    off = _outliers(valley, runs.loss[rows], part, pooled)
    if len(off):
        named = listing([runs.row(int(rows[k])) for k in off], 4).replace("'", "")
        found.append(f"outlier: row{'s' if len(off) > 1 else ''} {named}")
    return found


def _outliers(
    valley: Valley, y: np.ndarray, part: _Part, pooled: tuple[float, float]
) -> np.ndarray:
    """Return which points lie off, by their residuals over the noise that all others have."""
    noise, freedom = pooled
    if not (noise > 0 and freedom > 5):
        return np.empty(0, int)
    weight = valley.weights(np.asarray(part.u))  # far from a local fit nothing counts as off
    r = np.sqrt(weight) * (y - valley.predicted(part.coefficients)) / part.scale
    spare = np.maximum(valley.spare(part.u), 1e-9)
    others = np.sqrt(np.maximum(noise**2 * freedom - r**2 / spare, 0) / (freedom - 1))
    limit = student_t(1 - OUTLIER / (2 * (freedom + len(y))), freedom - 1)
    scale = np.maximum(others, 1e-9)  # of exact losses nothing is off
    return np.flatnonzero((spare > 1e-6) & (np.abs(r) > limit * scale * np.sqrt(spare)))
