"""The residuals that have a name: of losses of any size, and of fractions."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import sums
from jaxscale._numerics.logarithm import log
from jaxscale._numerics.positive import Positive
from jaxscale.objective.fractions import BetaBinomial, Binomial, Logit
from jaxscale.objective.residual import Residual

__all__ = ["RESIDUALS", "Absolute", "Log", "Relative", "Residual", "residual_named"]


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


RESIDUALS: dict[str, Residual] = {
    one.name: one for one in (Log(), Relative(), Absolute(), Logit(), Binomial(), BetaBinomial())
}
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
