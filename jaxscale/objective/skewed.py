"""Losses that are not the same on both sides, and one of heavy tails.

A residual is above zero where the law predicts more than was measured.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import erf

from jaxscale.objective.loss import Loss, valued


class Asymmetric(Loss):
    """Huber's loss, `penalty` times over where the law lies above the run.

    For tables whose worse runs are undertuned: those lie above the law, and the best ones decide
    where it is. The penalty of 10 is that of the OLMo ladder.

    Attributes:
        delta: residual up to which the loss is quadratic.
        penalty: factor where the law lies above the run.

    Raises:
        ValueError: delta or the penalty is not positive and finite.

    Example:
        >>> import jaxscale
        >>> loss = jaxscale.Asymmetric(delta=0.01, penalty=10.0)
        >>> round(float(loss.rho(0.1) / loss.rho(-0.1)), 2)
        10.0
    """

    width = "delta"
    extra = "penalty"
    delta: Any = 1e-3
    penalty: Any = 10.0

    def _side(self, r: Array) -> Array:
        return jnp.where(r > 0, self.penalty, 1.0).astype(jnp.result_type(r))

    def rho(self, r: Array) -> Array:
        """Return Huber's loss of `r`, times the penalty where r > 0."""
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.delta)
        rho: Array = self._side(r) * inner * (size - 0.5 * inner)
        return rho

    def weight(self, r: Array) -> Array:
        """Return `min(1, delta / |r|)`, times the penalty where r > 0."""
        weight: Array = self._side(r) * self.delta / jnp.maximum(jnp.abs(r), self.delta)
        return weight

    def curvature(self, r: Array) -> Array:
        """Return 1 or the penalty within delta, 0 outside."""
        return jnp.where(jnp.abs(r) <= self.delta, self._side(r), 0.0)

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the two curvatures, each times the probability of its zone."""
        below = _between(r, width, -self.delta, 0.0)
        curvature: Array = below + self.penalty * _between(r, width, 0.0, self.delta)
        return curvature


class Quantile(Loss):
    """The pinball loss: the law goes through the `tau` quantile of the runs at a place.

    `tau |r|` where the law lies below the run, `(1 - tau) |r|` above: a tau of .1 is a frontier
    that a tenth of the runs is better than. The kink is approached as by `Absolute`, `smoothing` a
    half-width that is sharpened tenfold at a time.

    Attributes:
        tau: share of the runs below the law, between 0 and 1.
        smoothing: half-width of the curve that stands in for the kink in the search.

    Raises:
        ValueError: tau is not between 0 and 1, or the smoothing not positive and finite.

    Source: Koenker and Bassett 1978, Econometrica 46(1).

    Example:
        >>> import jaxscale
        >>> frontier = jaxscale.Quantile(0.1)
        >>> round(float(frontier.rho(0.2)), 4), round(float(frontier.rho(-0.2)), 4)
        (0.1796, 0.02)
    """

    extra = "tau"
    tau: Any = 0.5
    smoothing: Any = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if valued(self.tau) and not np.all(np.asarray(self.tau) < 1):
            raise ValueError(
                f"Quantile(tau={self.tau!r}): tau is the share of runs below the law, between 0 "
                "and 1, e.g. 0.1"
            )

    @property
    def scale(self) -> Any:
        """Return the smoothing width, so that the sum counts residuals in its units."""
        return self.smoothing

    def _side(self, r: Array) -> Array:
        return jnp.where(r > 0, 1 - self.tau, self.tau).astype(jnp.result_type(r))

    def rho(self, r: Array) -> Array:
        """Return the pinball loss, a parabola in place of its kink; at most smoothing / 2 below."""
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.smoothing)
        rho: Array = self._side(r) * inner * (size - 0.5 * inner) / self.smoothing
        return rho

    def weight(self, r: Array) -> Array:
        """Return the slope of the side over `max(|r|, smoothing)`."""
        weight: Array = self._side(r) / jnp.maximum(jnp.abs(r), self.smoothing)
        return weight

    def curvature(self, r: Array) -> Array:
        """Return the slope of the side over the smoothing within that, 0 outside."""
        return jnp.where(jnp.abs(r) <= self.smoothing, self._side(r) / self.smoothing, 0.0)

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the two curvatures, each times the probability of its zone."""
        below = self.tau * _between(r, width, -self.smoothing, 0.0)
        above = (1 - self.tau) * _between(r, width, 0.0, self.smoothing)
        curvature: Array = (below + above) / self.smoothing
        return curvature

    def refinements(self) -> tuple[Loss, ...]:
        """Return the same loss, sharper by 10 each time, nine times."""
        return tuple(
            dataclasses.replace(self, smoothing=self.smoothing * 10.0**-k) for k in range(1, 10)
        )

    def inside(self, r: Array) -> Array:
        """Return `|r| <= smoothing`."""
        within: Array = jnp.abs(r) <= self.smoothing
        return within

    def log_normalizer(self, log_s: Any) -> Array:
        """Return log s / tau (1 - tau), the asymmetric Laplace density."""
        log_z: Array = log_s - jnp.log(self.tau * (1 - self.tau))
        return log_z

    def mean_rho(self, s: np.ndarray) -> np.ndarray:
        """Return s."""
        return np.asarray(s * 1.0)


class StudentT(Loss):
    """(nu + 1) / 2 s² log(1 + (r / s)² / nu): the likelihood of Student's t of `nu` degrees.

    Heavier tails than `Huber`: a far run hardly counts. Not convex, so that more starts are wanted.

    Attributes:
        sigma: scale of the residuals.
        nu: degrees of freedom; fewer have heavier tails.

    Raises:
        ValueError: sigma or nu is not positive and finite.

    Source: Lange, Little and Taylor 1989, Journal of the American Statistical Association 84(408).

    Example:
        >>> import jaxscale
        >>> loss = jaxscale.StudentT(sigma=0.01, nu=4.0)
        >>> [round(float(loss.weight(r)), 3) for r in (0.0, 0.01, 0.1)]
        [1.25, 1.0, 0.048]
    """

    name = "student"
    width = "sigma"
    extra = "nu"
    sigma: Any = 1e-2
    nu: Any = 4.0

    def rho(self, r: Array) -> Array:
        """Return minus the logarithm of the density, times sigma², 0 at r = 0."""
        t = (r / self.sigma) ** 2 / self.nu
        rho: Array = 0.5 * (self.nu + 1) * self.sigma**2 * jnp.log1p(t)
        return rho

    def weight(self, r: Array) -> Array:
        """Return (nu + 1) / (nu + (r / sigma)²)."""
        weight: Array = (self.nu + 1) / (self.nu + (r / self.sigma) ** 2)
        return weight

    def curvature(self, r: Array) -> Array:
        """Return (nu + 1) (nu - t) / (nu + t)², t the square of r / sigma."""
        t = (r / self.sigma) ** 2
        curvature: Array = (self.nu + 1) * (self.nu - t) / (self.nu + t) ** 2
        return curvature


def _between(r: Array, width: Any, low: Any, high: Any) -> Array:
    """Return the probability that r + width u lies from `low` to `high`, u a standard normal."""
    root = jnp.sqrt(2.0).astype(jnp.result_type(r)) * width
    return 0.5 * (erf((high - r) / root) - erf((low - r) / root))
