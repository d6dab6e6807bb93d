"""Costs fitted to what runs did cost: FLOPs that were counted, GPU hours, dollars.

Least squares of the logarithm, by each of the forms k N D, k N^a D^b and D (k N^a + c) that the
runs can tell apart; the form of the lowest AIC is taken where none is asked for. The unit of the
column stays with the cost, so that a budget in hours is answered in hours.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.errors import DataError
from jaxscale.flops.models import FORMS, UNIT, AffineCost, Cost, PowerCost, SixND
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.text import listing, many, quantity, short

EXACT = 1e-6
"""Residuals of the logarithm below this are rounding: more coefficients explain nothing."""
APART = 1e-4
"""Share of the spread of log N that log D must leave, for their powers to be told apart."""
SPREAD = 0.05
"""Least standard deviation of log N or log D from which a power is read."""
SIZES = 4
"""Least number of different N from which a power and a constant are read."""
POWERS = np.linspace(0.1, 2.0, 39)
RATIOS = np.linspace(math.log(1e-3), math.log(1e3), 60)
"""Powers a, and logarithms of c over k N^a in the middle of the runs, that a search begins at."""
STEPS = 60
ASTRAY = 5.0
"""Multiples of the robust spread of the residuals from which a run is named."""


@dataclasses.dataclass(frozen=True)
class Tried(Shown):
    """One form and what became of it.

    Attributes:
        form: its name.
        cost: fitted; None where it was refused.
        errors: standard errors of its coefficients.
        aic: of the logarithms; infinite where it was refused.
        r2: of the logarithms.
        rmse: of the logarithms: relative, where small.
        reason: why it was refused; empty for a form that was fitted.
    """

    form: str
    cost: Cost | None = None
    errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    aic: float = math.inf
    r2: float = math.nan
    rmse: float = math.nan
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class CostFit(Shown):
    """A cost fitted to runs.

    Attributes:
        cost: the cost chosen, a callable (N, D) -> C.
        chosen: its row of `tried`.
        tried: every form.
        n: number of runs.
        notes: runs that cost otherwise than the rest.
    """

    cost: Cost
    chosen: Tried
    tried: tuple[Tried, ...]
    n: int
    notes: tuple[str, ...] = ()

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the cost of a run.

        Args:
            N: parameters, any shape.
            D: tokens, of a shape that broadcasts against N.
        """
        return self.cost(N, D)

    def _blocks(self) -> list[Block]:
        best = self.chosen
        head = f"C = {self.cost.formula} in {self.cost.unit}, {many(self.n, 'run')}"
        rows = [
            ["  " + name, quantity(value, 6), f"± {best.errors[name]:.2g}"]
            for name, value in self.cost.coefficients.items()
        ]
        body = [["form", "formula", "AIC", "RMSE of the log", ""]]
        for each in self.tried:
            figures = ["", ""] if each.cost is None else [f"{each.aic:.1f}", f"{each.rmse:.2e}"]
            body.append([each.form, FORMS[each.form].formula, *figures, each.reason])
        first = Grid(rows, "<><", head=False)
        return [head, first, "", Grid(body, "<<>><"), *said(self.notes)]


@host()
def fit_cost(
    runs: Any, *, column: str = "C", form: str | None = None, unit: str | None = None
) -> CostFit:
    """Fit a cost to what runs did cost.

    Args:
        runs: `Runs`, a dataframe or a dict with the columns N, D and that of the cost, [n] each.
        column: the column of the cost.
        form: "product", k N D; "power", k N^a D^b; "affine", D (k N^a + c); None for that of the
            lowest AIC.
        unit: of the cost; default the name of the column, FLOPs for C.

    Returns:
        The cost, a callable (N, D) -> C that fits, `tokens_for` and `allocate(flops=)` take, with
        the forms that were tried.

    Raises:
        DataError: a column is missing or not positive, or the runs cannot tell the form asked for.
        ValueError: there is no such form.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> found = jaxscale.fit_cost(runs, column="flops_exact", unit="FLOPs")
        >>> print(found.cost.form)
        affine
        >>> round(float(found(1e6, 1e8)) / (6 * 1e6 * 1e8), 2)
        1.11
    """
    if form is not None and form not in _SOLVERS:
        raise ValueError(f"no cost of the form {form!r}; there are {', '.join(_SOLVERS)}")
    N, D, C = (_column(runs, name) for name in ("N", "D", column))
    if not len(N) == len(D) == len(C):
        raise DataError(f"N, D and {column} have {len(N)}, {len(D)} and {len(C)} rows")
    unit = unit or _unit(runs, column)
    asked = list(_SOLVERS) if form is None else [form]
    tried = tuple(_tried(each, N, D, C, unit) for each in asked)
    best = min(tried, key=lambda each: each.aic)
    if best.cost is None:
        raise DataError(
            f"no cost can be fitted to column {short(column)}: "
            + "; ".join(f"{each.form}: {each.reason}" for each in tried)
        )
    return CostFit(best.cost, best, tried, len(C), tuple(_astray(runs, best.cost, N, D, C)))


def _column(runs: Any, name: str) -> np.ndarray:
    held = getattr(runs, "columns", None)
    held = held if isinstance(held, Mapping) else runs
    if name not in held:
        names = [str(each) for each in held]
        raise DataError(
            f"a cost is fitted to N, D and what each run cost; there is no column {short(name)} "
            f"of numbers (columns: {listing(names)})"
        )
    values = np.asarray(held[name], float)
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    for k in bad[:1]:
        where = runs.where(int(k)) if hasattr(runs, "where") and hasattr(runs, "rows") else k + 1
        raise DataError(
            f"row {where}: column {short(name)} is {values[k]:g}; costs are fitted to positive "
            "numbers"
        )
    return values


def _unit(runs: Any, column: str) -> str:
    names = getattr(runs, "names", None)
    called = names.get(column, column) if isinstance(names, Mapping) else column
    return UNIT if called == "C" or "flop" in called.lower() else str(called)


def _tried(form: str, N: np.ndarray, D: np.ndarray, C: np.ndarray, unit: str) -> Tried:
    """Fit one form, or say why not."""
    solve, cls = _SOLVERS[form]
    names = [f.name for f in dataclasses.fields(cls) if f.name != "unit"]  # type: ignore[arg-type]
    number = len(names)
    if len(C) < number + 2:
        return Tried(form, reason=f"{many(len(C), 'run')}, and {number + 2} are needed")
    x, z, y = np.log(N), np.log(D), np.log(C)
    reason = _unseen(form, N, x, z)
    found = None if reason else solve(x, z, y)
    if found is None:
        return Tried(form, reason=reason or "the runs show no constant per token")
    values, slopes, residuals = found
    rss = float(residuals @ residuals)
    sigma2 = rss / (len(C) - number)
    covariance = sigma2 * np.linalg.inv(slopes.T @ slopes)
    logs = np.sqrt(np.diag(covariance))
    errors = {
        name: float(se * (value if name in ("k", "c") else 1.0))  # these as logarithms
        for name, value, se in zip(names, values, logs, strict=True)
    }
    try:
        cost = cls(*(float(value) for value in values), unit=unit)  # type: ignore[call-arg]
    except ValueError as error:
        return Tried(form, reason=str(error))
    mean = rss / len(C)
    total = float(np.sum((y - y.mean()) ** 2))
    return Tried(
        form,
        cost,
        errors,
        aic=len(C) * math.log(max(mean, EXACT**2)) + 2 * (number + 1),
        r2=1 - rss / total if total > 0 else math.nan,
        rmse=math.sqrt(mean),
    )


def _unseen(form: str, N: np.ndarray, x: np.ndarray, z: np.ndarray) -> str:
    """Return why the runs cannot tell the coefficients of a form; empty if they can."""
    if form == "product":
        return ""
    if np.std(x) < SPREAD:
        return "N hardly varies"
    if form == "affine":
        several = len(np.unique(np.round(x, 3)))
        return "" if several >= SIZES else f"{several} sizes N, and {SIZES} are needed"
    if np.std(z) < SPREAD:
        return "D hardly varies"
    if 1 - np.corrcoef(x, z)[0, 1] ** 2 < APART:
        return "log N and log D are on one line, so their powers cannot be told apart"
    return ""


Solved = tuple[Sequence[float], np.ndarray, np.ndarray]
"""Values, slopes [n, P] in what errors are of, residuals [n]."""


def _product(x: np.ndarray, z: np.ndarray, y: np.ndarray) -> Solved | None:
    log_k = np.mean(y - x - z)
    return [math.exp(log_k)], np.ones((len(y), 1)), y - x - z - log_k


def _power(x: np.ndarray, z: np.ndarray, y: np.ndarray) -> Solved | None:
    slopes = np.column_stack([np.ones_like(x), x, z])
    centre = slopes - np.array([0.0, x.mean(), z.mean()])
    found = np.linalg.lstsq(centre, y, rcond=None)[0]
    log_k = found[0] - found[1] * x.mean() - found[2] * z.mean()
    return [math.exp(log_k), found[1], found[2]], slopes, y - centre @ found


def _affine(x: np.ndarray, z: np.ndarray, y: np.ndarray) -> Solved | None:
    """Solve log(C / D) = log k + log(N^a + c / k), from the best place of a grid."""
    middle, per_token = float(np.mean(x)), y - z
    from_middle = x - middle

    def residuals(log_k: float, a: float, log_q: float) -> np.ndarray:
        return np.asarray(per_token - log_k - np.logaddexp(a * from_middle, log_q))

    grid = per_token - np.logaddexp(
        POWERS[:, None, None] * from_middle, RATIOS[None, :, None]
    )  # [a, q, n]
    best = np.unravel_index(np.argmin(grid.var(axis=-1)), grid.shape[:-1])
    at = np.array([grid[best].mean(), POWERS[best[0]], RATIOS[best[1]]])
    value, damping = float(np.sum(residuals(*at) ** 2)), 1e-3
    for _ in range(STEPS):
        if not RATIOS[0] < at[2] < RATIOS[-1]:
            return None  # all of it or nothing of it is constant
        slopes, off = _affine_slopes(from_middle, at), residuals(*at)
        bend = slopes.T @ slopes
        step = np.linalg.solve(bend + damping * np.diag(np.diag(bend)), slopes.T @ off)
        ahead = float(np.sum(residuals(*(at + step)) ** 2))
        if ahead <= value:
            at, value, damping = at + step, ahead, damping / 10
            if np.max(np.abs(step)) < 1e-12:
                break
        else:
            damping *= 10
            if damping > 1e9:
                break
    log_k, a, log_q = at
    if a <= 0:
        return None
    k = math.exp(log_k - a * middle)
    slopes = _affine_slopes(from_middle, at)
    # From (log k at the middle, a, log q) to (log k, a, log c), of which errors are asked.
    turn = np.array([[1.0, -middle, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    return [k, a, math.exp(log_k + log_q)], slopes @ np.linalg.inv(turn), residuals(*at)


def _affine_slopes(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the slopes [n, 3] of the predicted logarithm in log k, a, log q."""
    share = 1 / (1 + np.exp(at[2] - at[1] * x))
    return np.column_stack([np.ones_like(x), share * x, 1 - share])


_SOLVERS: dict[str, tuple[Callable[..., Solved | None], type[Cost]]] = {
    "product": (_product, SixND),
    "power": (_power, PowerCost),
    "affine": (_affine, AffineCost),
}


def _astray(runs: Any, cost: Cost, N: np.ndarray, D: np.ndarray, C: np.ndarray) -> list[str]:
    """Name the runs that cost otherwise than the rest."""
    off = np.log(C / cost(N, D))
    spread = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    bad = np.flatnonzero(np.abs(off) > max(ASTRAY * spread, math.log(1.1)))
    if not len(bad):
        return []
    rows = [runs.row(int(k)) if hasattr(runs, "row") else str(k + 1) for k in bad[:6]]
    ratio = math.exp(off[bad[0]])
    return [
        f"{many(len(bad), 'run')} of {len(C)} cost otherwise than the rest (row "
        f"{listing(rows)}: {ratio:.3g} times the fit)"
    ]
