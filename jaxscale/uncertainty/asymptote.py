"""What the runs say of a law's asymptote, and how much a prediction hangs on it.

The asymptote E of a saturating law is what a few runs determine worst and what an extrapolation
depends on most; often E is pinned by hand. The profile refits all other parameters at every E of
a grid. It says which E the runs admit, and how far the predictions move over the admitted E.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale._numerics.student import student_t
from jaxscale.data.runs import Runs
from jaxscale.fitting.fit import fit as fit_law
from jaxscale.fitting.fit import fit_problem
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.laws.names import law_given
from jaxscale.objective.losses import Square
from jaxscale.objective.residuals import Residual
from jaxscale.shown.blocks import Block, Shown
from jaxscale.uncertainty.draws import predictions

PROFILE_VALUES = 64
"""Values of the asymptote in a grid."""
PROFILE_ROUNDS = 5
"""Solves at most: the grid closes in until the runs admit a quarter of its values."""


@dataclasses.dataclass(frozen=True)
class AsymptoteProfile(Shown):
    """Least-squares fits at pinned values of the asymptote.

    Attributes:
        name: the asymptote's parameter, e.g. "E".
        values: [V] where it was pinned, ascending.
        objective: [V] plain sum of w r² / 2 at the best other parameters.
        law: the laws, parameters [V].
        best: the asymptote of the free least-squares fit.
        admitted: [V] whether the runs admit the value.
        low: lower end of what they admit.
        high: upper end.
        open: (below, above): whether the grid ends before what they admit does.
        level: confidence of the interval.
        freedom: degrees of freedom n - k, the asymptote counted among the k.
        error: standard deviation of a residual of weight 1 at the best fit.
        residual: kind of residual.
        at: inputs of the predictions, each [m].
        prediction: [V, m].
    """

    name: str
    values: np.ndarray
    objective: np.ndarray
    law: Law
    best: float
    admitted: np.ndarray
    low: float
    high: float
    open: tuple[bool, bool]
    level: float
    freedom: int
    error: float
    residual: Residual
    at: Mapping[str, np.ndarray]
    prediction: np.ndarray

    def range(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest prediction [m] over what the runs admit.

        The range says what the uncertain asymptote does to a prediction, the other parameters at
        their best. It is no interval for a new run: the noise of a run is not in it.
        """
        ends = [self.low, self.high]
        found = [
            np.concatenate([np.interp(ends, self.values, column), column[self.admitted]])
            for column in self.prediction.T
        ]
        pairs = np.array([(column.min(), column.max()) for column in found]).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _blocks(self) -> list[Block]:
        name, level = self.name, f"{100 * self.level:g} %"
        below, above = self.open
        low, high = f"{self.low:.4g}", f"{self.high:.4g}"
        span = (
            f"from {low}{' (or below)' if below else ''} to {high}{' (or above)' if above else ''}"
        )
        lines: list[Block] = [
            f"at {level} the runs admit {name} {span}; the best is {self.best:.4g} "
            f"(least squares of {self.residual} residuals, F rule with {self.freedom} degrees of "
            "freedom)"
        ]
        for k, (least, most) in enumerate(zip(*self.range(), strict=True)):
            place = ", ".join(f"{key} = {x[k]:.4g}" for key, x in self.at.items())
            lines.append(
                f"over those the prediction at {place} moves from {least:.4f} to {most:.4f}, "
                f"by {100 * (most / least - 1):.2g} %"
            )
        return lines


def reducible(runs: Runs, E: float) -> Runs:
    """Return the runs with loss - E, for a line through log-log axes with a pinned asymptote.

    `fit(PurePowerLaw(of="C"), reducible(runs, E), loss=Square())` is ordinary least squares of
    log(L - E) on log C; A is its `a`, alpha its `-b`. Small reducible losses count more in it
    than in `fit(PowerLaw(c=E), ...)`. The sums of squares at two E do not compare, since the
    target changes: this way of fitting has no profile over E.

    Raises:
        ValueError: E is not below every loss.
    """
    if not runs.loss.min() > E:
        raise ValueError(f"E must lie below every loss; E is {E:g}, the least {runs.loss.min():g}")
    return runs.replace(loss=runs.loss - E)


@host()
def asymptote_profile(
    fit: FitResult | Law | type[Law] | str,
    runs: Runs | Any | None = None,
    *,
    values: Any = None,
    at: Mapping[str, Any] | None = None,
    name: str | None = None,
    level: float = 0.9,
    residual: str | Residual = "log",
    starts: int = 256,
    seed: int = 0,
) -> AsymptoteProfile:
    """Pin the asymptote on a grid, refit the rest, and say which values the runs admit.

    A value E is admitted where S(E) <= S_min (1 + F / (n - k)): S is the weighted sum of squared
    residuals at the best other parameters, F the quantile of F(1, n - k). The variance of the
    residuals is thus S_min / (n - k), that of the free fit by least squares: whatever loss the
    given fit has, the profile is one of least squares, with its kind of residual.

    Args:
        fit: a fit, whose law, runs and kind of residual are kept; or a law, with `runs`.
        runs: of a law, n of them; or a dataframe, or a dict of arrays.
        values: where to pin the asymptote; default 64 values around what the runs admit, none
            below 0, which takes a loss that falls towards it. The best value joins them.
        at: inputs at which to predict, by name, each a number or [m]; any two of N, D, C.
        name: the asymptote's parameter; default the law's only offset.
        level: confidence of the interval.
        residual: kind of residual, for a law.
        starts: of the free fit.
        seed: of the starts.

    Returns:
        The profile.

    Raises:
        DataError: too few runs for a free asymptote.
        ValueError: the law has no asymptote, or an option is not one of those allowed.

    Cost: a fit and one or two batched solves of 64 refits.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> pinned = jaxscale.asymptote_profile(fit, at={"N": 1e7, "D": 1e9}, starts=64)
        >>> f"E from {pinned.low:.2f} to {pinned.high:.2f}"
        'E from 0.89 to 0.99'
        >>> low, high = pinned.range()
        >>> bool(low < high)
        True
    """
    check_level(level)
    law, runs, residual = _asked(fit, runs, residual)
    name = _asymptote(law, name)
    _unbounded(fit, name)
    law = law.replace(**{name: None})
    if isinstance(fit, FitResult) and name not in fit.fixed:
        squares = fit.problem.under(Square())
        whole = fit if fit.loss.quadratic else fit_problem(squares, starts=starts, seed=seed)
    else:
        whole = fit_law(law, runs, loss=Square(), residual=residual, starts=starts, seed=seed)
    n = int((runs.weights > 0).sum())
    freedom = n - len(law.free)
    # Refits vary the value at which a law is pinned. The optimum of the free law is also that of
    # the law pinned at the free law's asymptote, so the refits can start from it.
    pinned = whole.pinned(name)
    F = student_t(0.5 + level / 2, freedom) ** 2
    best = float(getattr(whole.law, name))
    grid = _coarse(whole, name) if values is None else np.asarray(values, float).ravel()
    grid = np.unique(np.append(grid, best))
    for _ in range(PROFILE_ROUNDS):
        found = refit(pinned, fixed={name: grid})
        distance = _distance(found.value, whole.value, F, freedom)
        if values is not None or (distance <= 1).sum() > len(grid) / 4:
            break
        grid = _finer(grid, distance <= 1, best)
    low, high = _ends(grid, distance)
    at = {key: np.atleast_1d(np.asarray(x, float)) for key, x in (at or {}).items()}
    at = dict(zip(at, np.broadcast_arrays(*at.values()), strict=True))
    return AsymptoteProfile(
        name=name,
        values=grid,
        objective=found.value,
        law=found.law,
        best=best,
        admitted=distance <= 1,
        low=low,
        high=high,
        open=(bool(distance[0] <= 1), bool(distance[-1] <= 1)),
        level=level,
        freedom=freedom,
        error=float(np.sqrt(2 * whole.value / freedom)),
        residual=whole.residual,
        at=at,
        prediction=predictions(found.law, **at) if at else np.empty((len(grid), 0)),
    )


def _asked(
    fit: FitResult | Law | type[Law] | str, runs: Any, residual: str | Residual
) -> tuple[Law, Runs, str | Residual]:
    """Return the law with its free parameters None, its runs, and the kind of residual."""
    if isinstance(fit, FitResult):
        if runs is not None:
            raise ValueError("a fit has its own runs; give a law to profile it on others")
        return fit.unfitted, fit.runs, fit.residual
    law = law_given(fit)
    if runs is None:
        raise ValueError(f"give runs to profile {type(law).__name__} on, or a fit")
    return law, Runs.of(runs), residual


def _unbounded(fit: Any, name: str) -> None:
    """Raise for a fit that keeps the asymptote within bounds: the runs alone are asked here."""
    if isinstance(fit, FitResult) and name in dict(fit.constraints.bounds):
        raise ValueError(
            f"this fit holds {name} within bounds, which say what the runs are asked: profile a "
            f"fit without bounds of {name}"
        )


def _asymptote(law: Law, name: str | None) -> str:
    known = [
        key for key, spec in law.parameters.items() if spec.role == "offset" and not spec.shifted
    ]
    if name in known or (name is None and len(known) == 1):
        return name or known[0]
    kind = type(law).__name__
    if not known:
        raise ValueError(f"{kind} has no asymptote: {law.formula()}")
    if name is None:
        raise ValueError(f"{kind} has several offsets: name one of {', '.join(known)}")
    raise ValueError(f"{kind} has no asymptote {name!r}; it has {', '.join(known)}")


def _coarse(whole: FitResult, name: str) -> np.ndarray:
    """Return values from 0 to just below the least loss."""
    runs = whole.runs
    least = runs.loss[runs.weights > 0].min()
    if not (least > 0 and getattr(whole.law, name) < least):
        raise ValueError(
            f"the default values of {name} are for a positive loss that falls towards it; give "
            "values="
        )
    return np.linspace(0, least * (1 - 1e-3), PROFILE_VALUES - 1)


def _finer(grid: np.ndarray, admitted: np.ndarray, best: float) -> np.ndarray:
    """Return as many values, from the last one below the admitted ones to the first one above."""
    inside = np.flatnonzero(admitted)
    low, high = grid[max(inside[0] - 1, 0)], grid[min(inside[-1] + 1, len(grid) - 1)]
    return np.sort(np.append(np.linspace(low, high, PROFILE_VALUES - 1), best))


def _distance(value: np.ndarray, least: float, F: float, freedom: int) -> np.ndarray:
    """Return sqrt((S - S_min) / (S_min F / freedom)): 1 at the ends, about linear in between."""
    least = max(min(least, value.min()), np.finfo(float).tiny)
    return np.sqrt(np.maximum(value - least, 0) / (least * F / freedom))


def _ends(grid: np.ndarray, distance: np.ndarray) -> tuple[float, float]:
    """Return where the distance passes 1, by interpolation; the grid's end where it does not."""
    inside = np.flatnonzero(distance <= 1)
    ends = []
    for edge, beyond in ((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1)):
        end = float(grid[edge])
        if 0 <= beyond < len(grid) and np.isfinite(distance[beyond]):
            share = (1 - distance[edge]) / (distance[beyond] - distance[edge])
            end += float(share * (grid[beyond] - grid[edge]))
        ends.append(end)
    return ends[0], ends[1]
