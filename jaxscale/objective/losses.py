"""The losses that have a name, and how a name becomes one."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import erf

from jaxscale.objective.loss import NAMES, Loss
from jaxscale.objective.residual import Residual
from jaxscale.objective.skewed import Asymmetric, Quantile, StudentT

__all__ = [
    "NAMES",
    "Absolute",
    "Asymmetric",
    "Huber",
    "Loss",
    "Quantile",
    "Square",
    "StudentT",
    "loss_named",
    "usual_loss",
]


class Square(Loss):
    """Half the squared residual, r² / 2: least squares, the limit of `Huber` for large delta.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, loss=jaxscale.Square(), starts=64)
        >>> round(fit.law.alpha, 2)
        0.41
    """

    quadratic = True

    def rho(self, r: Array) -> Array:
        """Return r² / 2."""
        return 0.5 * r * r

    def weight(self, r: Array) -> Array:
        """Return 1."""
        return jnp.ones_like(r)

    def curvature(self, r: Array) -> Array:
        """Return 1."""
        return jnp.ones_like(r)

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return 1."""
        return jnp.ones_like(r)

    def log_normalizer(self, log_s: Any) -> Array:
        """Return log sqrt(2 pi s): the normal density of variance s."""
        log_z: Array = 0.5 * (jnp.log(2 * jnp.pi) + log_s)
        return log_z

    def mean_rho(self, s: np.ndarray) -> np.ndarray:
        """Return s / 2."""
        return np.asarray(s * 0.5)


class Huber(Loss):
    """Quadratic within `delta`, linear outside: r²/2, or `delta (|r| − delta/2)`.

    The field's default is delta = 1e-3 on log residuals (Hoffmann et al. 2022), which is nearly
    least absolute deviations for noise above 5e-3.

    Attributes:
        delta: residual up to which the loss is quadratic, in the units of the residual.

    Raises:
        ValueError: delta is not positive and finite.

    Example:
        >>> import jaxscale
        >>> loss = jaxscale.Huber(0.01)
        >>> print(loss)
        huber (delta 0.01)
        >>> [round(float(loss.rho(r)), 6) for r in (0.001, 0.1)]
        [1e-06, 0.00095]
    """

    width = "delta"
    delta: Any = 1e-3

    def rho(self, r: Array) -> Array:
        """Return the Huber loss of `r`."""
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)

    def weight(self, r: Array) -> Array:
        """Return `min(1, delta / |r|)`."""
        weight: Array = self.delta / jnp.maximum(jnp.abs(r), self.delta)
        return weight

    def curvature(self, r: Array) -> Array:
        """Return 1 within delta, 0 outside."""
        return jnp.where(jnp.abs(r) <= self.delta, 1.0, 0.0).astype(r.dtype)

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the probability that r + width u lies within delta."""
        root = jnp.sqrt(2.0).astype(r.dtype) * width
        return 0.5 * (erf((self.delta - r) / root) + erf((self.delta + r) / root))

    def log_normalizer(self, log_s: Any) -> Array:
        """Return log of sqrt(2 pi s) erf(delta / sqrt(2 s)) + 2 s / delta exp(-delta² / 2 s).

        Source: Huber 1964, Annals of Mathematical Statistics 35(1), 73-101.
        """
        s, delta = jnp.exp(log_s), self.delta
        core = jnp.sqrt(2 * jnp.pi * s) * erf(delta / jnp.sqrt(2 * s))
        return jnp.log(core + 2 * (s / delta) * jnp.exp(-(delta**2) / (2 * s)))

    def mean_rho(self, s: np.ndarray) -> np.ndarray:
        """Return s (core / 2 + tail) / (core + tail), the two terms of the normalizer."""
        delta = float(self.delta)
        core = np.sqrt(2 * np.pi * s) * _erf(delta / np.sqrt(2 * s))
        tail = 2 * (s / delta) * np.exp(-(delta**2) / (2 * s))
        return np.asarray(s * (0.5 * core + tail) / (core + tail))


class Absolute(Loss):
    """Absolute residual `|r|`: least absolute deviations.

    The kink at zero is approached from outside: the search uses a Huber curve of half-width
    `smoothing`, and the fit then sharpens it tenfold at a time down to 1e-9 of that width. Beyond
    that final width rho is `|r|` exactly; within it, at most half the width above.

    Attributes:
        smoothing: half-width of the curve that stands in for the kink in the search.

    Example:
        >>> import jaxscale
        >>> loss = jaxscale.Absolute()
        >>> round(float(loss.rho(-0.5)), 6)
        0.5
    """

    smoothing: Any = 1e-3

    @property
    def scale(self) -> Any:
        """Return the smoothing width, so that the sum counts residuals in its units."""
        return self.smoothing

    def _huber(self) -> Huber:
        return Huber(self.smoothing)

    def rho(self, r: Array) -> Array:
        """Return `|r|` outside the smoothing width, a parabola that touches it within."""
        rho: Array = self._huber().rho(r) / self.smoothing + 0.5 * self.smoothing
        return rho

    def weight(self, r: Array) -> Array:
        """Return `1 / max(|r|, smoothing)`."""
        weight: Array = self._huber().weight(r) / self.smoothing
        return weight

    def curvature(self, r: Array) -> Array:
        """Return 1 / smoothing within the smoothing width, 0 outside."""
        curvature: Array = self._huber().curvature(r) / self.smoothing
        return curvature

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return that of the Huber curve, over the smoothing."""
        curvature: Array = self._huber().smoothed_curvature(r, width) / self.smoothing
        return curvature

    def refinements(self) -> tuple[Loss, ...]:
        """Return the same loss, sharper by 10 each time, nine times."""
        return tuple(Absolute(self.smoothing * 10.0**-k) for k in range(1, 10))

    def inside(self, r: Array) -> Array:
        """Return `|r| <= smoothing`."""
        return self._huber().inside(r)

    def log_normalizer(self, log_s: Any) -> Array:
        """Return log 2 s: the Laplace density; `|r|`, the smoothing not being worth a term."""
        log_z: Array = jnp.log(2.0) + log_s
        return log_z

    def mean_rho(self, s: np.ndarray) -> np.ndarray:
        """Return s."""
        return np.asarray(s * 1.0)


_erf = np.vectorize(math.erf, otypes=[float])

NAMES.update(
    {loss.name: loss for loss in (Huber, Square, Absolute, Asymmetric, Quantile, StudentT)}
)
"""Another loss is a line here."""


def loss_named(name: str, width: float | None = None) -> Loss:
    """Return a loss by its name, "quantile:.1" for one whose own number that is.

    Args:
        name: of the loss, and its number after a colon.
        width: None for its default.

    Raises:
        ValueError: there is no such loss, or it has no such number or width.
    """
    name, colon, number = name.partition(":")
    if name not in NAMES:
        raise ValueError(f"no loss {name!r}; there are {', '.join(NAMES)}")
    loss, extra = NAMES[name](), NAMES[name].extra
    if colon:
        if extra is None:
            raise ValueError(f"the loss {name} takes no number after a colon, got {number!r}")
        try:
            loss = dataclasses.replace(loss, **{extra: float(number)})  # type: ignore[type-var]
        except ValueError as error:
            bad = f"{name}:{number}: {extra} must be a number, e.g. {name}:{getattr(loss, extra):g}"
            raise ValueError(str(error) if number and _is_number(number) else bad) from None
    return loss if width is None else loss.with_threshold(width)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def usual_loss(residual: Residual) -> Loss:
    """Return the loss where none is named: least squares of fractions, whose likelihood it is."""
    return Square() if residual.fraction else Huber(1e-3)
