"""One published fit: what was printed, what is refitted, and the verdict that the numbers give.

A verdict is worked out from four numbers: the objective at the printed values and at our optimum,
both by the formula below and not by the solver, the end of a descent that starts at the printed
values, and the digits that agree. What a person knows beside that (`note`) explains it; it cannot
change it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.objective.losses import Absolute, Huber, Loss
from jaxscale.objective.residuals import residual_named

SAME = 1e-9
"""Relative difference of two objectives within which they are one value."""
BASIN = 1e-6
"""Relative difference from which a descent has ended in another minimum."""

DIGITS = 9
"""Of a value that is printed to more, these have to come out."""

CONFIRMED = "confirmed"
FLAT = "same objective"
OTHER = "another objective"
MIXED = "two fits in one"
LOCAL = "local minimum"
ROUNDED = "printed digits"
STOPPED = "stopped short"
WORSE = "OURS IS WORSE"
DIFFERS = "not reproduced"
UNCHECKED = "cannot be checked"
WORDS = {
    CONFIRMED: "our optimum has the printed values, digit for digit (or to nine digits)",
    FLAT: "the same objective to 1e-9; later digits differ, which the runs hardly see",
    OTHER: "the printed values are the optimum of another objective than the one stated",
    MIXED: "some printed values are of our optimum, the others of another objective's",
    LOCAL: "a descent from the printed values ends in a minimum that is not the lowest",
    ROUNDED: "right before it was printed: rounding or cutting moves what follows from it",
    STOPPED: "no minimum: a descent from the printed values goes on, to the optimum found here",
    DIFFERS: "the printed number does not come out; the reason is given",
    UNCHECKED: "the runs are not public, or not at hand",
    WORSE: "a defect of jaxscale: the printed values have a lower objective than our optimum",
}
"""Every verdict, and what it says."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """An objective as its authors state it: `factor` times the sum of w rho(r).

    Attributes:
        loss: rho, as jaxscale has it: half squares, half squares with linear tails, or |r|.
        residual: "log", "relative" or "absolute".
        factor: 2 for a sum of squares, 1/n for a mean.
        words: what it is called on the page.
        exact: rho in NumPy, of a loss that is none of those three.
    """

    loss: Loss
    residual: str
    words: str
    factor: float = 1.0
    exact: Callable[[np.ndarray], np.ndarray] | None = None

    def value(self, law: jaxscale.Law, runs: jaxscale.Runs) -> float:
        """Return the objective of a law at runs, in NumPy."""
        with scope(np.float64):
            p = np.asarray(law.loss(*(runs.column(name) for name in law.inputs)), float)
        r = residual_named(self.residual).between(p, runs.loss)
        rho = self.exact(r) if self.exact else _rho(self.loss, r)
        return float(self.factor * np.sum(runs.weights * rho))


def _rho(loss: Loss, r: np.ndarray) -> np.ndarray:
    size = np.abs(r)
    if isinstance(loss, Absolute):
        return size
    if isinstance(loss, Huber):
        inner = np.minimum(size, float(loss.delta))
        return np.asarray(inner * (size - inner / 2))
    if not loss.quadratic:
        raise TypeError(f"Goal of {loss}: give its rho as exact=")
    return np.asarray(size**2 / 2)


@dataclasses.dataclass(frozen=True)
class Published:
    """A published fit of runs that are at hand.

    Attributes:
        key: short name, unique.
        title: who, what.
        source: paper, and where the values are printed.
        law: as it is fitted; what has a value stays fixed.
        runs: the runs of the fit.
        goal: the objective that the authors state.
        printed: their values as text, digits as printed, by their own names.
        make: law at values of those names.
        read: those values of a law.
        stated: the objective that they print, if they do.
        starts: their starting points, a law whose free parameters are arrays; None if unknown.
        rule: their start rule and optimizer, in words.
        other: another objective of which the printed values may be the optimum.
        options: further options of `fit`: tie, bounds.
        note: what explains the verdict.
        ours: starts of our own search.
    """

    key: str
    title: str
    source: str
    law: jaxscale.Law
    runs: jaxscale.Runs
    goal: Goal
    printed: Mapping[str, str]
    make: Callable[[Mapping[str, float]], jaxscale.Law]
    read: Callable[[jaxscale.Law], Mapping[str, float]]
    stated: str = ""
    starts: Any = None
    rule: str = ""
    other: Goal | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    note: str = ""
    ours: int = 1024

    @property
    def values(self) -> dict[str, float]:
        """The printed values as numbers."""
        return {name: float(text) for name, text in self.printed.items()}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the record."""

    key: str
    title: str
    source: str
    verdict: str
    reason: str
    formula: str = ""
    goal: str = ""
    rule: str = ""
    runs: int = 0
    printed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ours: Mapping[str, float] = dataclasses.field(default_factory=dict)
    objective_printed: float | None = None
    objective_ours: float | None = None
    stated: str = ""
    search: str = ""
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def digits(self) -> str:
        """The digits that the worst value shares with print, of those printed: "4 of 6 (A)"."""
        shared = {
            k: agreed(text, self.ours[k]) for k, text in self.printed.items() if k in self.ours
        }
        if not shared:
            return ""
        worst = min(shared, key=lambda k: (shared[k][0] - shared[k][1], shared[k][0]))
        name = f" ({worst})" if len(shared) > 1 and shared[worst][0] < shared[worst][1] else ""
        return f"{shared[worst][0]} of {shared[worst][1]}{name}"


def as_printed(text: str, value: float) -> bool:
    """Return whether a value rounds to what is printed: half a unit of the last place."""
    last = Decimal(text).as_tuple().exponent
    return abs(Decimal(value) - Decimal(text)) <= Decimal("0.500001").scaleb(int(last))


def matches(printed: Mapping[str, str], values: Mapping[str, float]) -> bool:
    """Return whether values are the printed ones: as printed, or to `DIGITS` digits."""
    return all(
        as_printed(text, values[k]) or agreed(text, values[k])[0] >= DIGITS
        for k, text in printed.items()
    )


def agreed(text: str, value: float) -> tuple[int, int]:
    """Return how many significant digits a value shares with print, and how many are printed."""
    printed = (
        len(Decimal(text).normalize().as_tuple().digits)
        if float(text) == 0
        else len(Decimal(text).as_tuple().digits)
    )
    if as_printed(text, value):
        return printed, printed
    if not math.isfinite(value) or float(text) == 0:
        return 0, printed
    off = abs(value / float(text) - 1)
    return max(
        0, min(printed - 1, math.floor(-math.log10(2 * off)) if off else printed - 1)
    ), printed


def judged(printed: float, ours: float, down: float, same: bool, other: str = "") -> str:
    """Return the verdict.

    Args:
        printed: objective at the printed values.
        ours: objective at our optimum.
        down: objective at the end of a descent from the printed values.
        same: whether our optimum has the printed values, digit for digit.
        other: the verdict where they are the optimum of another objective, or of two.
    """
    if ours > printed + SAME * abs(printed) or not math.isfinite(ours):
        return WORSE
    if same:
        return CONFIRMED
    if printed <= ours + SAME * abs(ours):
        return FLAT
    if other:
        return other
    if down > ours + BASIN * abs(ours):
        return LOCAL
    return STOPPED


def number(value: float) -> str:
    """Return all digits of an objective that float64 has."""
    return repr(float(value))


def excess(printed: float, ours: float) -> str:
    """Return by how much the printed values miss the optimum, in words."""
    share = printed / ours - 1 if ours else math.inf
    return (
        f"{100 * share:.2g} % above ours"
        if share >= 1e-4
        else f"{share:.1e} above ours, relatively"
    )
