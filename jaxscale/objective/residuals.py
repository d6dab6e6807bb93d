"""Residuals: how a prediction p is held against a loss y.

A residual says all of itself: what the solver needs (the residual, its slope and its bend at a
prediction), what resampling needs (the losses that have given residuals), what a likelihood needs
(its Jacobian) and what a figure calls it. Predictions and losses of the solver are divided by a
mean loss, `unit`; those of the host are in the units of the runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import sums
from jaxscale._numerics.logarithm import log
from jaxscale._numerics.positive import Positive


@dataclasses.dataclass(frozen=True)
class Residual:
    """Base of all residuals; an instance is static, and two of a class are equal.

    Attributes:
        name: what options and files call it.
        label: what the axis of a figure calls it.
        positive: whether losses and predictions must be positive.
        has_unit: whether it is in the unit of the loss; else it is a pure number.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    positive: ClassVar[bool] = True
    has_unit: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.name

    @property
    def linear(self) -> Residual:
        """The residual that is linear in the prediction and agrees with this one near zero."""
        return self

    def link(self, p: Array, y: Positive, unit: Any, stored: bool = False) -> Any:
        """Return the residual r, dr/dp, and the number (d²r/dp²) / (dr/dp)²; pure.

        Args:
            p: predictions [..., n], divided by `unit`.
            y: losses [n], divided by `unit`.
            unit: the mean loss.
            stored: static; whether r has many users, so that it pays to work it out once.
        """
        slope = self.slope(y.value, unit) * jnp.ones_like(y.value)
        return (p - y.value) * slope, slope, 0.0

    def slope(self, y: Array, unit: Any) -> Any:
        """Return dr/dp where the prediction is the loss `y` [n], both divided by `unit`."""
        raise NotImplementedError

    def rough(self, p: Array, y: Array, slope: Array) -> tuple[Array, Array | None]:
        """Return a cheap r [..., n], and its derivative over that of the linear residual.

        None stands for 1. For the cells of a grid, which ask for weights, not for digits.

        Args:
            p: predictions [..., n], some of which may be negative.
            y: losses [n].
            slope: `slope` at y [n].
        """
        return (p - y) * slope, None

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return the residual [n] that rounding alone can leave."""
        raise NotImplementedError

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return the residuals [n]; NumPy, in the units of the runs."""
        raise NotImplementedError

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the losses [..., n] that have residuals `r` against a prediction [n]."""
        raise NotImplementedError

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return by how much a change of the prediction moves the residual [n].

        Args:
            prediction: [n], in the units of the runs.
            loss: [n], in the units of the runs.
            change: [n] of the prediction, 0 or more.
        """
        raise NotImplementedError

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return log |dr/dy| [n], which turns a density of residuals into one of losses."""
        raise NotImplementedError

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return the standard deviations of losses [m] whose residuals have that of `s`."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Log(Residual):
    """log p - log y: of equal size where losses are off by equal factors."""

    name = "log"
    label = "log (predicted / observed)"

    @property
    def linear(self) -> Residual:
        """Relative residuals."""
        return Relative()

    def link(self, p: Array, y: Positive, unit: Any, stored: bool = False) -> Any:
        """Return log p - log y, 1 / p and -1."""
        return _log_ratio(p, y.log) if stored else jnp.log(p) - y.log, 1 / p, -1.0

    def slope(self, y: Array, unit: Any) -> Any:
        """Return 1 / y."""
        return 1 / y

    def rough(self, p: Array, y: Array, slope: Array) -> tuple[Array, Array | None]:
        """Return log t and its derivative by t = p / y, to fifth order in t - 1.

        log t = 3 (t² - 1) / (t² + 4 t + 1); a prediction below zero counts as a small one.
        """
        t = jnp.maximum(p * slope, 0.05)
        ratio = 3 * (t + 1) / ((t * t + 4 * t + 1) * t)
        return ratio * t * (t - 1), ratio

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return 16 units in the last place."""
        rounding: Array = jnp.ones_like(y) * 16 * jnp.finfo(y.dtype).eps
        return rounding

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return log p - log y."""
        return np.asarray(np.log(prediction) - np.log(loss))

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return p exp(-r)."""
        return np.asarray(prediction * np.exp(-r))

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return change / |p|."""
        return np.asarray(change / np.abs(prediction))

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return -log y."""
        return np.asarray(-np.log(loss))

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return s y."""
        return s * loss


@dataclasses.dataclass(frozen=True)
class Relative(Residual):
    """(p - y) / y."""

    name = "relative"
    label = "predicted / observed \u2212 1"

    def slope(self, y: Array, unit: Any) -> Any:
        """Return 1 / y."""
        return 1 / y

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return 16 units in the last place."""
        rounding: Array = jnp.ones_like(y) * 16 * jnp.finfo(y.dtype).eps
        return rounding

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return (p - y) / y."""
        return np.asarray((prediction - loss) / loss)

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return p / (1 + r); a residual near -1 or below, which no loss has, counts as near it."""
        return np.asarray(prediction / np.maximum(1 + r, 1e-3))

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return change / y."""
        return np.asarray(change / loss)

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return log (|p| / y²)."""
        steep = np.abs(prediction) / loss**2
        return np.asarray(np.log(np.maximum(steep, np.finfo(float).tiny)))

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return s y."""
        return s * loss


@dataclasses.dataclass(frozen=True)
class Absolute(Residual):
    """p - y, in the units of the runs: losses of either sign."""

    name = "absolute"
    label = "predicted \u2212 observed"
    positive = False
    has_unit = True

    def slope(self, y: Array, unit: Any) -> Any:
        """Return the unit."""
        return unit

    def rounding(self, y: Array, unit: Any) -> Array:
        """Return 16 units in the last place of the loss."""
        rounding: Array = jnp.ones_like(y) * 16 * jnp.finfo(y.dtype).eps * y * unit
        return rounding

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return p - y."""
        return np.asarray(prediction - loss)

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return p - r."""
        return np.asarray(prediction - r)

    def moved(self, prediction: np.ndarray, loss: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return the change."""
        return np.asarray(change)

    def log_jacobian(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return 0."""
        return np.zeros_like(loss)

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return s."""
        return np.full_like(loss, s)


RESIDUALS: dict[str, Residual] = {one.name: one for one in (Log(), Relative(), Absolute())}
"""The residuals that have a name on the command line and in files. Another one is a line here."""


def residual_named(given: str | Residual) -> Residual:
    """Return a residual by its name; one that is given already stays.

    Raises:
        ValueError: there is no such residual.
    """
    if isinstance(given, Residual):
        return given
    if given not in RESIDUALS:
        raise ValueError(f"residual must be one of {', '.join(RESIDUALS)}, got {given!r}")
    return RESIDUALS[given]


def _log_ratio(p: Array, log_y: Array) -> Array:
    """Return log p - log y [..., n]."""
    if p.dtype != jnp.float64 or sums.one_pass():
        return jnp.log(p) - log_y
    # A sum written as a product with (1, 1). XLA fuses a cheap expression into every one of its
    # users, which here would work out the logarithm six times; a product is stored. What that
    # saves on a CPU: `python -m benchmarks.step`.
    pair = jnp.stack([log(p), jnp.broadcast_to(-log_y, p.shape)])
    return jnp.einsum(
        "k,k...->...", jnp.ones(2, p.dtype), pair, precision=jax.lax.Precision.HIGHEST
    )
