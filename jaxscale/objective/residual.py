"""Residuals: how a prediction p is held against a loss y.

A residual says all of itself: what the solver needs (the residual, its slope and its bend at a
prediction), what resampling needs (the losses that have given residuals), what a likelihood needs
(its Jacobian) and what a figure calls it. Predictions and losses of the solver are divided by a
mean loss, `unit`; those of the host are in the units of the runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.positive import Positive


@dataclasses.dataclass(frozen=True)
class Residual:
    """Base of all residuals; an instance is static, and two of a class are equal.

    Attributes:
        name: what options and files call it.
        label: what the axis of a figure calls it.
        positive: whether losses and predictions must be positive.
        has_unit: whether it is in the unit of the loss; else it is a pure number.
        fraction: whether it is of fractions, whose noise follows from the number of trials.
        rule: what a loss must be, as a message says it.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> isinstance(fit.residual, jaxscale.Residual), fit.residual.name
        (True, 'log')
        >>> r = fit.residual.between(fit.prediction, runs.loss)
        >>> r.shape
        (68,)
    """

    name: ClassVar[str]
    label: ClassVar[str]
    positive: ClassVar[bool] = True
    has_unit: ClassVar[bool] = False
    fraction: ClassVar[bool] = False
    rule: ClassVar[str] = "a positive loss"

    def __str__(self) -> str:
        return self.name

    def allows(self, loss: np.ndarray) -> np.ndarray:
        """Return which losses [n] it can be of.

        Args:
            loss: losses [n], in the units of the runs.
        """
        return np.asarray(loss > 0) if self.positive else np.ones(np.shape(loss), bool)

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
        """Return dr/dp where the prediction is the loss `y` [n], both divided by `unit`.

        Args:
            y: losses [n], divided by `unit`.
            unit: the mean loss, a number.
        """
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
        """Return the residual [n] that rounding alone can leave.

        Args:
            y: losses [n], divided by `unit`.
            unit: the mean loss, a number.
        """
        raise NotImplementedError

    def between(self, prediction: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return the residuals [n]; NumPy, in the units of the runs.

        Args:
            prediction: what the law says [n], in the units of the runs.
            loss: what was measured [n], in the units of the runs.
        """
        raise NotImplementedError

    def losses(self, prediction: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the losses [..., n] that have residuals `r` against a prediction [n].

        Args:
            prediction: what the law says [n], in the units of the runs.
            r: residuals [..., n].
        """
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
        """Return `log |dr/dy|` [n], which turns a density of residuals into one of losses.

        Args:
            prediction: what the law says [n], in the units of the runs.
            loss: what was measured [n], in the units of the runs.
        """
        raise NotImplementedError

    def noise(self, s: float, loss: np.ndarray) -> np.ndarray:
        """Return the standard deviations of losses [m] whose residuals have that of `s`.

        Args:
            s: standard deviation of the residuals.
            loss: losses [m], in the units of the runs.
        """
        raise NotImplementedError
