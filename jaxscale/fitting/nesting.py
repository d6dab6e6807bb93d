"""Does a fit of the additive law want an outer exponent? Asked after every fit of N and D.

Chinchilla's E + A N^-alpha + B D^-beta is the case k = 1 of E + (A N^-alpha + B D^-beta)^k. Both
are solved for on the host (`outer_solve`), under the loss, residual and weights of the fit, and
held against each other by the likelihood that the loss stands for. That ratio is larger than it
should be where the loss is not that of the noise, and where runs share noise. So the additive law
is rejected only where log k, estimated again from the residuals as they are spread, outliers cut,
and with what runs of equal size share (`mixed`), is far from 0 as well.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale._numerics.bandwidth import bandwidth
from jaxscale._numerics.student import NORMAL, student_t
from jaxscale.data.runs import Runs
from jaxscale.data.sizes import equal_sizes
from jaxscale.decisions.allocation import additive
from jaxscale.fitting.mixed import least_sure
from jaxscale.fitting.outer_solve import (
    HIGH,
    LOW,
    A,
    B,
    K,
    Table,
    best,
    descend,
    hosted,
    moving,
    solve,
    table_of,
)
from jaxscale.flops import SixND
from jaxscale.laws import Law
from jaxscale.objective.host_losses import on_host
from jaxscale.objective.likelihood import profile_likelihood
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.shown.blocks import Shown
from jaxscale.text import quantity

TABLE = 4096
"""Runs that are looked at, of more than that a sample."""
FEWEST = 12
"""Runs that the question takes."""
OTHERS = (0.35, 2.0)
"""Outer exponents from which the optimum is looked for, beside 1."""
LEVEL = 1e-3
"""p below which the additive law is rejected."""
CHANCE = NORMAL.inv_cdf(1 - LEVEL / 2) ** 2
"""Likelihood ratio that independent runs have by chance with that p."""
GROUPS = 3
"""Groups of runs that can be seen to share noise."""
WIDE = 0.5
"""Standard error of log k from which k counts as open."""
FAR = 100
"""How far beyond the largest budget of the runs the two laws are held against each other."""
SINGULAR = 1e12
"""Condition number from which the curvature determines no errors."""
SAME = 1e-6
"""Relative difference of the two values of the fit, its own and this one's, that is allowed."""


@dataclasses.dataclass(frozen=True)
class Nesting(Shown):
    """An additive law held against the law with an outer exponent.

    Attributes:
        k: the outer exponent.
        error: its standard error; infinite where the runs do not tell.
        ratio: twice the gain in log-likelihood over k = 1.
        t: log k over its error, where runs may share noise.
        needed: size of t beyond which the additive law is rejected; infinite where k is open.
        shared: variance that runs of equal size share over that of single ones; 0 for none.
        verdict: "rejected", "kept", or "open" where the runs do not determine k.
        budget: FLOPs at which the two laws are compared; None where they cannot be.
        N: factor from the additive law to the other of the best N there.
        loss: the same of the loss there.
        value: of the objective with the outer exponent, on the runs that were looked at.
        additive: value at k = 1.
        params: of the law with the outer exponent.
        runs: how many runs were looked at.
        sampled: whether there are more.
    """

    k: float
    error: float
    ratio: float
    t: float
    needed: float
    shared: float
    verdict: str
    budget: float | None
    N: float
    loss: float
    value: float
    additive: float
    params: dict[str, float]
    runs: int
    sampled: bool

    @property
    def rejected(self) -> bool:
        """Whether the additive law is rejected."""
        return self.verdict == "rejected"

    @property
    def said(self) -> str:
        """A sentence; nothing where k is open."""
        if self.verdict == "open":
            return ""
        head = f"k = {_rounded(self.k, self.error)}, likelihood ratio {quantity(self.ratio, 2)}"
        if self.verdict == "kept" and self.ratio > CHANCE:
            return f"{head}, which noise shared by runs could make: k = 1 is not rejected"
        if self.verdict == "kept":
            return f"{head}: the additive law (k = 1) is not rejected"
        said = f"{head}: the additive law is rejected"
        if self.budget is None or not (0 < self.N < math.inf and math.isfinite(self.loss)):
            return said
        N, loss = (_moved(factor) for factor in (self.N, self.loss))
        return f"{said}; under k, N* at {self.budget:.0e} is {N}, the loss there {loss}"

    def document(self) -> dict[str, Any]:
        """Return it for a JSON document."""
        return {**dataclasses.asdict(self), "said": self.said}


def _moved(factor: float) -> str:
    """Return by how much: `2.4 % larger`, `three times as large`."""
    if not 0.5 < factor < 2:
        return f"{quantity(factor, 2)} times as large"
    change = 100 * (factor - 1)
    return f"{quantity(abs(change), 2)} % {'larger' if change > 0 else 'smaller'}"


def _rounded(value: float, error: float) -> str:
    """Return `0.579 ± 0.040`: two digits of the error."""
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 2
    digits = min(digits, 4)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def nesting(
    law: Law, runs: Runs, weight: np.ndarray, *, loss: Loss, residual: Residual, free: Sequence[str]
) -> Nesting | None:
    """Return an additive law, or one with an outer exponent, held against the other; None for none.

    Args:
        law: fitted.
        runs: the runs that it was fitted to.
        weight: [n] of the runs.
        loss: the robust loss of the fit.
        residual: the residual of the fit.
        free: names of the parameters that were fitted.

    Cost: 15 ms on 240 runs, nothing compiled (`python -m benchmarks.answers`).
    """
    start, moves = _start(law, free)
    form = on_host(loss)
    used = np.flatnonzero(weight > 0)
    if start is None or form is None or not hosted(residual) or len(used) < FEWEST:
        return None
    rows = used
    if len(used) > TABLE:
        rows = np.sort(np.random.default_rng(0).choice(used, TABLE, replace=False))
    columns = [runs.column(name, law.flops)[rows] for name in ("N", "D")]
    table = table_of(columns, runs.loss[rows], weight[rows], loss=form, residual=residual)
    at = table.of(start)
    if not np.isfinite(at).all():
        return None
    one = np.where(np.arange(6) == K, 0.0, at)
    small, additive_value = solve(table, one, moving(moves, outer=False))
    large, value = _best(table, at, small, moves)
    if not (math.isfinite(additive_value) and 0 < value <= additive_value * (1 + SAME)):
        return None
    value = min(value, additive_value)
    likelihoods, _ = profile_likelihood(np.array([additive_value, value]), weight[rows], loss)
    ratio = max(0.0, 2 * float(likelihoods[1] - likelihoods[0]))
    params, k = table.law(large), math.exp(large[K])
    inside = moving(moves, outer=True) & (large > LOW) & (large < HIGH)
    error, t, needed, shared = math.inf, 0.0, math.inf, 0.0
    if inside[[A, B, K]].all():
        error = _error(table, large, inside)
    told = error < WIDE
    if told:
        sizes = [*columns, columns[0] * columns[1]]
        group = None if runs.group is None else runs.group[rows]
        t, shared = _with_sharing(table, large, inside, _labels(sizes, group))
        needed = student_t(1 - LEVEL / 2, len(rows) - int(inside.sum()))
    beyond = abs(t) > needed and ratio > CHANCE
    verdict = "open" if not told else "rejected" if beyond else "kept"
    effects = _effects(law, table.law(small), params, runs, rows)
    return Nesting(
        k=k,
        error=k * error,
        ratio=ratio,
        t=t,
        needed=needed,
        shared=shared,
        verdict=verdict,
        budget=effects[0],
        N=effects[1],
        loss=effects[2],
        value=value,
        additive=additive_value,
        params=params,
        runs=len(rows),
        sampled=len(rows) < len(used),
    )


def _start(law: Law, free: Sequence[str]) -> tuple[dict[str, float] | None, bool]:
    """Return a law's values as those of the larger one, or None; and whether its offset is free.

    The family is the whole one: five parameters, or four with the offset held; six with k.
    """
    found = additive(law)
    if found is None:
        return None, False
    form, of_N, of_D = found
    known = {
        "E": form.offset,
        "A": of_N.coefficient,
        "B": of_D.coefficient,
        "alpha": of_N.exponent,
        "beta": of_D.exponent,
        "k": form.power,
    }
    values = {name: float(value) for name, value in known.items()}
    count = len(free) + form.plain
    held = values["E"] == 0.0 or values["E"] in [float(x) for x in _held(law, free)]
    if count not in (5, 6) or (count == 5 and not held) or values["E"] < 0:
        return None, False
    good = all(0 < values[name] < math.inf for name in ("A", "B", "alpha", "beta", "k"))
    return (values if good else None), count == 6


def _held(law: Law, free: Sequence[str]) -> list[Any]:
    return [value for name, value in law.values.items() if name not in free]


def _best(table: Table, at: np.ndarray, small: np.ndarray, moves: bool) -> tuple[np.ndarray, float]:
    """Return the optimum with k free: of several points, the one that leads lowest."""
    free = moving(moves, outer=True)
    if at[K] != 0:  # of a fit that had k free
        return solve(table, at, free)
    found = [descend(table, small, free)]
    for k in OTHERS:
        z = np.where(np.arange(6) == K, math.log(k), small)
        z, _ = descend(table, z, moving(moves, outer=False))
        found.append(descend(table, z, free))
    return solve(table, min(found, key=lambda each: each[1])[0], free)


def _labels(sizes: list[np.ndarray], group: np.ndarray | None) -> list[np.ndarray]:
    """Return the groupings [n] of runs that may share noise."""
    tried = [equal_sizes(size) for size in sizes] + ([] if group is None else [group])
    kept = []
    for labels in tried:
        member = np.unique(labels, return_inverse=True)[1]
        if GROUPS <= member.max() + 1 <= len(member) / 2:
            kept.append(member)
    return kept


def _error(table: Table, z: np.ndarray, inside: np.ndarray) -> float:
    """Return the standard error of log k: the sandwich of `fitting.sandwich`.

    Args:
        table: the runs.
        z: [6] the optimum.
        inside: [6] which coordinates are free, log k the last of them.
    """
    at = table.curvatures(z)
    rows, r, weight = at.rows[inside], at.residual, table.weight
    curvature = weight * table.loss.smoothed(r, bandwidth(r))
    bread = _inverse((rows * curvature) @ rows.T)
    if bread is None:
        return math.inf
    share = np.einsum("pn,pq,qn->n", rows, bread, rows) * curvature
    scores = bread[-1] @ rows * weight * table.loss.psi(r) / np.sqrt(np.maximum(1 - share, 0.1))
    return math.sqrt(float(scores @ scores))


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    if not (np.isfinite(matrix).all() and (size > 0).all()):
        return None
    scaled = matrix / np.outer(size, size)
    if not np.linalg.cond(scaled) < SINGULAR:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(size, size))


def _with_sharing(
    table: Table, z: np.ndarray, inside: np.ndarray, labels: list[np.ndarray]
) -> tuple[float, float]:
    """Return log k over its error where runs may share noise, and how much they do.

    Args:
        table: the runs.
        z: [6] the optimum.
        inside: [6] which coordinates are free, log k the last of them.
        labels: groupings of the runs, [n] numbers each.
    """
    at = table.curvatures(z)
    root = np.sqrt(table.weight / table.weight.mean())
    try:
        return least_sure((at.rows[inside] * root).T, -at.residual * root, z[K], labels)
    except np.linalg.LinAlgError:
        return 0.0, 0.0


def _effects(
    law: Law, small: dict[str, float], large: dict[str, float], runs: Runs, rows: np.ndarray
) -> tuple[float | None, float, float]:
    """Return a budget far beyond the runs, and what the outer exponent does to N and loss there."""
    if not isinstance(law.flops, SixND):
        return None, math.nan, math.nan
    largest = float((runs.column("N", law.flops) * runs.column("D", law.flops))[rows].max())
    budget = 10.0 ** math.floor(math.log10(FAR * law.flops.k * largest) + 1e-9)
    with np.errstate(all="ignore"):
        (N, before), (other, after) = (best(each, budget / law.flops.k) for each in (small, large))
        return budget, float(np.divide(other, N)), float(np.divide(after, before))
