"""L = E + (A N^-alpha + B D^-beta)^k by damped Newton steps in NumPy: no compiled program.

For one question only, whether a fit of the additive law (k = 1) wants an outer exponent, asked
after every fit of N and D: there the optimum of the additive law is near, and six coordinates are
few. The coordinates are those in which k changes as little else as may be: with inputs n = log N,
d = log D from their means,

    L = E + e^rho M,   M = (w e^(-a n / k) + (1 - w) e^(-b d / k))^k,   w = 1 / (1 + e^-omega),

z = (E, rho, omega, a, b, log k): rho is the reducible loss at the mean, omega the share of N in it,
a = k alpha and b = k beta the slopes of either term alone, k how the terms give way to each other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from jaxscale.laws.nested import K_RANGE
from jaxscale.objective.host_losses import HostLoss
from jaxscale.objective.residuals import Log, Residual

E, RHO, OMEGA, A, B, K = range(6)
LOW = np.array([0.0, -40.0, -30.0, 0.0, 0.0, math.log(K_RANGE[0])])
HIGH = np.array([np.inf, 40.0, 30.0, np.inf, np.inf, math.log(K_RANGE[1])])
STEPS = 200
ENOUGH = 1e-13
"""Decrease that a step promises, of the value, at which it is the last."""
TRIED = 40
"""Dampings of one step, at most."""
SHARPENED = 7
"""Times that the absolute loss is sharpened by ten."""


@dataclasses.dataclass(frozen=True)
class Curvatures:
    """Value and derivatives at a point z [6].

    Attributes:
        value: sum w rho(r).
        residual: [n].
        rows: [6, n] dr/dz.
        gradient: [6].
        exact: [6, 6] second derivatives of the value.
        safe: [6, 6] those of the iteratively reweighted squares, positive definite.
    """

    value: float
    residual: np.ndarray
    rows: np.ndarray
    gradient: np.ndarray
    exact: np.ndarray
    safe: np.ndarray


@dataclasses.dataclass(frozen=True)
class Table:
    """Runs as the solve takes them, all [n].

    Attributes:
        n: log N less its mean.
        d: log D less its mean.
        y: losses over `unit`.
        weight: of the runs.
        loss: the robust loss.
        logarithmic: whether residuals are log p - log y; else slope times (p - y).
        slope: of residuals that are linear in the prediction.
        center: what was taken from log N and log D.
        unit: of the losses.
    """

    n: np.ndarray
    d: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    loss: HostLoss
    logarithmic: bool
    slope: np.ndarray
    center: tuple[float, float]
    unit: float

    def of(self, law: Mapping[str, float]) -> np.ndarray:
        """Return z of parameters E, A, B, alpha, beta and k, in the units of the runs."""
        k = law["k"]
        with np.errstate(divide="ignore"):
            left = np.log(law["A"]) - law["alpha"] * self.center[0]
            right = np.log(law["B"]) - law["beta"] * self.center[1]
        total = np.logaddexp(left, right)
        rho = k * total - math.log(self.unit)
        z = [law["E"] / self.unit, rho, left - right, k * law["alpha"], k * law["beta"]]
        return np.asarray(np.clip([*z, math.log(k)], LOW, HIGH))

    def law(self, z: np.ndarray) -> dict[str, float]:
        """Return the parameters in the units of the runs at z."""
        k = math.exp(z[K])
        alpha, beta = z[A] / k, z[B] / k
        total = (z[RHO] + math.log(self.unit)) / k
        left = total - np.logaddexp(0.0, -z[OMEGA]) + alpha * self.center[0]
        right = total - np.logaddexp(0.0, z[OMEGA]) + beta * self.center[1]
        with np.errstate(over="ignore"):
            coefficients = {"A": float(np.exp(left)), "B": float(np.exp(right))}
        law = {"E": z[E] * self.unit, **coefficients, "alpha": alpha, "beta": beta, "k": k}
        return {name: float(value) for name, value in law.items()}

    def _inner(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithm of the sum under the exponent, and the share of N in it."""
        k = math.exp(z[K])
        left = -np.logaddexp(0.0, -z[OMEGA]) - z[A] / k * self.n
        right = -np.logaddexp(0.0, z[OMEGA]) - z[B] / k * self.d
        log_sum = np.logaddexp(left, right)
        return log_sum, np.exp(left - log_sum)

    def _residual(self, p: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(p / self.y) if self.logarithmic else (p - self.y) * self.slope)

    def value(self, z: np.ndarray) -> float:
        """Return sum w rho(r) at z."""
        p = z[E] + np.exp(z[RHO] + math.exp(z[K]) * self._inner(z)[0])
        return float(self.weight @ self.loss.rho(self._residual(p)))

    def curvatures(self, z: np.ndarray) -> Curvatures:
        """Return value and derivatives at z."""
        k, n, d = math.exp(z[K]), self.n, self.d
        log_sum, s = self._inner(z)
        w, t, rest = 1 / (1 + math.exp(-z[OMEGA])), s * (1 - s), 1 - s
        pull = s * z[A] * n + rest * z[B] * d  # k dl/d(log k), with l the logarithm of the sum
        rising = np.exp(z[RHO] + k * log_sum)
        p = z[E] + rising
        m = np.stack([np.ones_like(n), k * (s - w), -s * n, -rest * d, k * log_sum + pull])
        r = self._residual(p)
        slope = 1 / p if self.logarithmic else self.slope
        bend = -slope * slope if self.logarithmic else 0.0
        rows = np.concatenate([np.ones((1, len(n))), rising * m])
        psi, weight = self.weight * self.loss.psi(r), self.weight
        safe = (rows * (weight * self.loss.weight(r) * slope**2)) @ rows.T
        exact = (rows * (weight * self.loss.curvature(r) * slope**2 + psi * bend)) @ rows.T
        c = psi * slope * rising
        apart = np.stack([np.ones_like(n), -n / k, d / k, (z[A] * n - z[B] * d) / k])
        second = np.zeros((5, 5))
        second[1:, 1:] = k * (apart * (c * t)) @ apart.T
        second[1, 1] -= k * w * (1 - w) * c.sum()
        mixed = np.array([c @ (k * (s - w)), 0.0, 0.0])  # what k multiplies, and what it divides
        second[1:4, 4] += mixed
        second[4, 1:4] += mixed
        second[4, 4] += c @ (k * log_sum + pull)
        exact[1:, 1:] += (m * c) @ m.T + second
        value = float(weight @ self.loss.rho(r))
        return Curvatures(value, r, rows * slope, rows @ (psi * slope), exact, safe)


def hosted(residual: Residual) -> bool:
    """Return whether a solve here knows a residual."""
    return residual == Log() or residual.linear == residual


def table_of(
    columns: list[np.ndarray],
    y: np.ndarray,
    weight: np.ndarray,
    *,
    loss: HostLoss,
    residual: Residual,
) -> Table:
    """Return runs as a solve takes them.

    Args:
        columns: N and D [n] each.
        y: losses [n].
        weight: [n] of the runs.
        loss: the robust loss.
        residual: one that is `hosted`.
    """
    n, d = (np.log(column) for column in columns)
    log = residual == Log()
    share = weight / weight.sum()
    unit = math.exp(share @ np.log(y)) if (y > 0).all() else math.sqrt(share @ y**2)
    y = y / unit
    given: Any = 1.0 if log else residual.slope(cast(Any, y), unit)
    slope = np.asarray(given) * np.ones_like(y)
    center = float(n.mean()), float(d.mean())
    return Table(n - center[0], d - center[1], y, weight, loss, log, slope, center, unit)


def moving(offset: bool, *, outer: bool) -> np.ndarray:
    """Return [6] which coordinates are free, beside those of the two terms.

    Args:
        offset: whether E is.
        outer: whether k is.
    """
    free = np.ones(6, bool)
    free[E], free[K] = offset, outer
    return free


def solve(table: Table, z: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Return z [6] and the value at the optimum that damped Newton steps lead to from a point.

    Args:
        table: the runs.
        z: the point.
        free: [6] which coordinates move.
    """
    z, value = descend(table, z, free)
    for k in range(1, SHARPENED if table.loss.unit != 1 else 0):  # a kink, from outside
        sharp = dataclasses.replace(table, loss=table.loss.sharper(10.0**-k))
        z, value = descend(sharp, z, free)
    return z, value


def descend(table: Table, z: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the same under the loss as it is, its kink smoothed.

    Args:
        table: the runs.
        z: the point.
        free: [6] which coordinates move.
    """
    with np.errstate(all="ignore"):  # of steps that are too long, and not taken
        return _descend(table, z, free)


def _descend(table: Table, z: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    damping = 1e-4
    at = table.curvatures(z)
    for _ in range(STEPS):
        held = ~free | ((z <= LOW) & (at.gradient > 0)) | ((z >= HIGH) & (at.gradient < 0))
        moving = np.flatnonzero(~held)
        if not len(moving):
            break
        gradient, square = at.gradient[moving], np.ix_(moving, moving)
        exact, safe = at.exact[square], at.safe[square]
        safe = safe + 1e-14 * np.diag(np.diag(safe))
        promised = 0.0
        for _ in range(TRIED):
            try:
                factor = np.linalg.cholesky(exact + damping * safe)
            except np.linalg.LinAlgError:
                damping = max(10 * damping, 1e-6)
                continue
            half = np.linalg.solve(factor, gradient)
            step = -np.linalg.solve(factor.T, half)
            promised = float(half @ half)
            new = z.copy()
            new[moving] = np.clip(z[moving] + step, LOW[moving], HIGH[moving])
            value = table.value(new)
            if value < at.value:
                break
            damping = max(8 * damping, 1e-6)
            if promised <= ENOUGH * at.value:
                return z, at.value
        else:
            return z, at.value
        gained = at.value - value
        z, damping = new, damping * 0.1 if gained > 0.25 * promised else damping
        at = table.curvatures(z)
        if promised <= ENOUGH * at.value:
            break
    return z, at.value


def best(law: dict[str, float], product: float) -> tuple[float, float]:
    """Return the best N of a law with an outer exponent, and its loss, where N D is a product."""
    alpha, beta, A, B = (np.float64(law[name]) for name in ("alpha", "beta", "A", "B"))
    with np.errstate(all="ignore"):  # without one of the terms there is none
        log_N = (np.log(alpha * A / (beta * B)) + beta * math.log(product)) / (alpha + beta)
        total = A * np.exp(-alpha * log_N) + B * np.exp(-beta * (math.log(product) - log_N))
        return float(np.exp(log_N)), float(law["E"] + total ** law["k"])
