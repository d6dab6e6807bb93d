"""Residuals of fractions: of accuracies, error rates, pass rates, which lie between 0 and 1.

The likelihood of k right answers to n questions is a sum of squares: n KL(k/n || p) is n/2 times
the square of the deviance residual, so that least squares of those, every run weighted by its
questions, is the binomial likelihood, and whatever least squares can do goes for it. A prediction
that is no fraction is held by a straight and steep continuation of the residual.

Source: McCullagh and Nelder 1989, Generalized Linear Models, 2nd ed., sections 2.4.3 and 4.3.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.positive import Positive
from jaxscale.objective.residual import Residual

EDGE = 1e-6
"""Distance from 0 and from 1 within which a prediction counts as being there."""
FLAT = 1e-2
"""Variance y (1 - y) at least, where a slope is asked for at a fraction of 0 or 1."""
SERIES = 0.05
"""Relative distance up to which a logarithm that nearly cancels is worked out by its series."""


@dataclasses.dataclass(frozen=True)
class _Fraction(Residual):
    """What residuals of fractions have in common; `parts` says the rest."""

    positive = False
    fraction = True

    def parts(self, xp: Any, p: Any, y: Any) -> tuple[Any, Any, Any]:
        """Return the residual, dr/dp and the bend at predictions and fractions in (0, 1).

        Args:
            xp: `numpy` or `jax.numpy`.
            p: predictions [..., n].
            y: fractions [n].
        """
        raise NotImplementedError

    def whole(self, xp: Any, p: Any, y: Any) -> tuple[Any, Any, Any]:
        """Return the same at predictions of any size: straight lines beyond 0 and 1."""
        inner = xp.clip(p, EDGE, 1 - EDGE)
        r, slope, bend = self.parts(xp, inner, xp.clip(y, 0.0, 1.0))
        return r + slope * (p - inner), slope, xp.where(p == inner, bend, 0.0)

    @property
    def linear(self) -> Residual:
        """Its tangents at the fractions."""
        return Tangent(self)

    def link(self, p: Array, y: Positive, unit: Any, stored: bool = False) -> Any:
        """Return the residual, its slope by p, which is divided by `unit`, and its bend."""
        r, slope, bend = self.whole(jnp, p * unit, y.value * unit)
        return r, slope * unit, bend

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return what 16 units in the last place of a prediction move."""
        rounding: Array = 16 * jnp.finfo(y.dtype).eps * (1 + jnp.abs(self.slope(y, unit)))
        return rounding

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return the residuals [n]."""
        return np.asarray(self.whole(np, np.asarray(prediction), np.asarray(loss))[0])

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return change times |dr/dp|."""
        slope = self.whole(np, np.asarray(prediction), np.asarray(loss))[1]
        return np.asarray(slope * change)


@dataclasses.dataclass(frozen=True)
class Logit(_Fraction):
    """logit p - logit y: fractions strictly between 0 and 1, of equal size at equal odds ratios."""

    name = "logit"
    label = "log odds (predicted / observed)"
    rule = "a fraction between 0 and 1, both excluded,"

    def allows(self, loss: np.ndarray) -> np.ndarray:
        """Return 0 < y < 1."""
        return np.asarray((loss > 0) & (loss < 1))

    def parts(self, xp: Any, p: Any, y: Any) -> tuple[Any, Any, Any]:
        """Return logit p - logit y, 1 / p (1 - p) and 2 p - 1."""
        y = xp.clip(y, EDGE, 1 - EDGE)
        r = xp.log(p / y) - xp.log((1 - p) / (1 - y))
        return r, 1 / (p * (1 - p)), 2 * p - 1

    def slope(self, y: Array, unit: Any) -> Array:
        """Return unit / y (1 - y)."""
        slope: Array = unit / _variance(jnp, y * unit)
        return slope

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the fraction whose log odds are those of p less r."""
        p = np.clip(prediction, EDGE, 1 - EDGE)
        return np.asarray(1 / (1 + (1 - p) / p * np.exp(r)))

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return -log y (1 - y)."""
        return np.asarray(-np.log(_variance(np, loss, EDGE)))

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return s y (1 - y)."""
        return np.asarray(s * _variance(np, loss))


@dataclasses.dataclass(frozen=True)
class Binomial(_Fraction):
    """Deviance residuals: the root of 2 KL(y || p), with the sign of p - y; 0 and 1 included.

    Half its square, weighted by n questions, is the binomial log-likelihood of n y right ones.
    """

    name = "binomial"
    label = "deviance residual of a fraction"
    rule = "a fraction from 0 to 1"

    def allows(self, loss: np.ndarray) -> np.ndarray:
        """Return 0 <= y <= 1."""
        return np.asarray((loss >= 0) & (loss <= 1))

    def parts(self, xp: Any, p: Any, y: Any) -> tuple[Any, Any, Any]:
        """Return d = p - y times the root of 2 KL / d², and its derivatives by r r' = d / V."""
        d, variance = p - y, p * (1 - p)
        root = xp.sqrt(2 * (_share(xp, d, y) + _share(xp, -d, 1 - y)))
        r, slope = d * root, 1 / (variance * root)
        bent = (variance - d * (1 - 2 * p)) * root**2 - 1
        away = xp.abs(r) > 1e-9
        return r, slope, xp.where(away, bent / xp.where(away, r, 1.0), 0.0)

    def slope(self, y: Array, unit: Any) -> Array:
        """Return unit over the root of y (1 - y)."""
        slope: Array = unit / jnp.sqrt(_variance(jnp, y * unit))
        return slope

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the fractions that have residuals r; 0 or 1 where none has one so large.

        Newton's method in the angle whose squared sine is y, in which r is nearly straight.
        """
        p = np.clip(prediction, EDGE, 1 - EDGE)
        p, r = np.broadcast_arrays(p, np.asarray(r, float))
        low, high = np.zeros(p.shape), np.full(p.shape, np.pi / 2)
        angle = np.clip(np.arcsin(np.sqrt(p)) - 0.5 * r, 0.0, np.pi / 2)
        for _ in range(60):
            y = np.sin(angle) ** 2
            got = self.parts(np, p, y)[0]
            low, high = np.where(got > r, angle, low), np.where(got > r, high, angle)
            steep = -np.exp(self.log_jacobian(p, y)) * np.sin(2 * angle)
            fresh = angle - (got - r) / np.minimum(steep, -1e-3)
            fresh = np.where((fresh > low) & (fresh < high), fresh, 0.5 * (low + high))
            done = np.max(np.abs(fresh - angle), initial=0.0) < 1e-14
            angle = fresh
            if done:
                break
        y = np.sin(angle) ** 2
        y = np.where(r >= np.sqrt(-2 * np.log1p(-p)), 0.0, y)
        return np.asarray(np.where(r <= -np.sqrt(-2 * np.log(p)), 1.0, y))

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return log |(logit p - logit y) / r|."""
        p, y = np.clip(prediction, EDGE, 1 - EDGE), np.clip(loss, EDGE, 1 - EDGE)
        r = self.parts(np, p, y)[0]
        odds = np.log(p / y) - np.log((1 - p) / (1 - y))
        away = np.abs(r) > 1e-7
        steep = np.where(away, odds / np.where(away, r, 1.0), 1 / np.sqrt(p * (1 - p)))
        return np.asarray(np.log(steep))

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return s times the root of y (1 - y)."""
        return np.asarray(s * np.sqrt(_variance(np, loss)))


@dataclasses.dataclass(frozen=True)
class BetaBinomial(Binomial):
    """The same of overdispersed counts: `fit` estimates their correlation rho from a first fit.

    A run of n questions then weighs n / (1 + (n - 1) rho).

    Source: Williams 1982, Journal of the Royal Statistical Society C 31(2).
    """

    name = "beta-binomial"


@dataclasses.dataclass(frozen=True)
class Tangent(Residual):
    """The tangent of a residual of fractions at every fraction.

    Attributes:
        of: the residual.
    """

    name = "tangent"
    label = "predicted \u2212 observed, scaled"
    positive = False
    fraction = True

    of: _Fraction = dataclasses.field(default_factory=Binomial)

    def slope(self, y: Array, unit: Any) -> Any:
        """Return that of the residual."""
        return self.of.slope(y, unit)

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return that of the residual."""
        return self.of.rounding(y, unit)

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return (p - y) times the slope at y."""
        return np.asarray((prediction - loss) / self.of.noise(1.0, loss))

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return those of the residual itself, which are fractions."""
        return self.of.losses(prediction, r)

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return the change times the slope at y."""
        return np.asarray(change / self.of.noise(1.0, loss))

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return that of the residual."""
        return self.of.log_jacobian(prediction, loss)

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return that of the residual."""
        return self.of.noise(s, loss)


def _variance(xp: Any, y: Any, least: float = FLAT) -> Any:
    """Return y (1 - y), but not less than `least`."""
    return xp.maximum(y * (1 - y), least)


def _share(xp: Any, d: Any, y: Any) -> Any:
    """Return (d - y log(1 + d / y)) / d²: 1 / 2y at d = 0, and 1 / d at y = 0."""
    empty = y <= 0
    t = d / xp.where(empty, 1.0, y)
    near = (xp.abs(t) < SERIES) & ~empty
    small, series = xp.where(near, t, 0.0), 0.0
    for k in range(12, -1, -1):
        series = 1 / (k + 2) - small * series
    apart, far = xp.where(near, 1.0, d), xp.where(near | empty, 0.0, t)
    direct = (apart - y * xp.log1p(far)) / apart**2
    return xp.where(near, series / xp.where(empty, 1.0, y), direct)
