"""Robust losses rho(r): how far a residual counts.

A loss says four things about a residual r: `rho(r)`, `weight(r)` = psi(r)/r (the weight of
iteratively reweighted least squares), `curvature(r)` = rho''(r), and `scale`, by which the
solver divides the sum so that its tolerances mean the same for every loss. What is *reported*
is always the plain sum of w * rho(r). Losses know neither laws nor runs.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.lax import erf

from jaxscale._numerics.pytree import pytree


def _check_width(loss: Loss, name: str) -> None:
    """Raise for a width that is not positive and finite; a traced one has no value to look at."""
    width = getattr(loss, name)
    if isinstance(width, Tracer):
        return
    try:
        values = np.asarray(width, float)
        good = not isinstance(width, str) and bool(np.all((values > 0) & np.isfinite(values)))
    except (TypeError, ValueError):
        good = False
    if not good:
        default = type(loss).__dataclass_fields__[name].default  # type: ignore[attr-defined]
        raise ValueError(
            f"{type(loss).__name__}({name}={width!r}): {name} is a width of residuals, positive "
            f"and finite, e.g. {default:g}"
        )


class Loss:
    """Interface of a robust loss; subclasses are pytrees whose leaves are their thresholds."""

    @property
    def scale(self) -> Any:
        """What the solver divides the sum by, in the units of rho."""
        return 1.0

    def rho(self, r: Array) -> Array:
        """Return the loss of residuals `r`, same shape."""
        raise NotImplementedError

    def weight(self, r: Array) -> Array:
        """Return psi(r) / r, finite at r = 0."""
        raise NotImplementedError

    def curvature(self, r: Array) -> Array:
        """Return rho''(r); at a kink, the value of the inner side."""
        raise NotImplementedError

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the mean of rho'' around residuals `r`, under a Gaussian kernel of a `width`.

        At a kink or under a small threshold the curvature of the sum at its optimum hangs on the
        few residuals that happen to lie there; its mean over a kernel is what the curvature of
        the expected loss is estimated by. Here by Stein's identity E[rho'(r + width u) u] / width
        on a fine grid of u; exact in the losses that have a closed form.
        """
        u = jnp.linspace(-6.0, 6.0, 1201, dtype=r.dtype)
        density = jnp.exp(-0.5 * u * u)
        moved = r[..., None] + width * u
        psi = self.weight(moved) * moved
        return jnp.sum(psi * u * density, axis=-1) / jnp.sum(density) / width

    def refinements(self) -> tuple[Loss, ...]:
        """Return the sharper losses that a fit passes through, in order; empty for smooth ones."""
        return ()

    def inside(self, r: Array) -> Array:
        """Return which residuals lie in the quadratic zone (all of them for a smooth loss)."""
        return jnp.ones_like(r, dtype=bool)


@pytree
class Square(Loss):
    """Half the squared residual, r² / 2: least squares, the limit of `Huber` for large delta."""

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


@pytree
class Huber(Loss):
    """Quadratic within `delta`, linear outside: r²/2, or delta (|r| − delta/2).

    The field's default is delta = 1e-3 on log residuals (Hoffmann et al. 2022), which is nearly
    least absolute deviations for noise above 5e-3.

    Raises:
        ValueError: delta is not positive and finite.
    """

    delta: Any = 1e-3

    def __post_init__(self) -> None:
        _check_width(self, "delta")

    @property
    def scale(self) -> Any:
        """Return delta²: then the sum counts residuals in units of delta."""
        return self.delta**2

    def rho(self, r: Array) -> Array:
        """Return the Huber loss of `r`."""
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)

    def weight(self, r: Array) -> Array:
        """Return min(1, delta / |r|)."""
        return self.delta / jnp.maximum(jnp.abs(r), self.delta)

    def curvature(self, r: Array) -> Array:
        """Return 1 within delta, 0 outside."""
        return jnp.where(jnp.abs(r) <= self.delta, 1.0, 0.0).astype(r.dtype)

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the probability that r + width u lies within delta."""
        root = jnp.sqrt(2.0).astype(r.dtype) * width
        return 0.5 * (erf((self.delta - r) / root) + erf((self.delta + r) / root))

    def inside(self, r: Array) -> Array:
        """Return |r| <= delta."""
        return jnp.abs(r) <= self.delta


@pytree
class Absolute(Loss):
    """Absolute residual |r|: least absolute deviations.

    The kink at zero is approached from outside: the search uses a Huber curve of half-width
    `smoothing`, and the fit then sharpens it tenfold at a time down to 1e-9 of that width. Beyond
    that final width rho is |r| exactly; within it, at most half the width above |r|.
    """

    smoothing: Any = 1e-3

    def __post_init__(self) -> None:
        _check_width(self, "smoothing")

    @property
    def scale(self) -> Any:
        """Return the smoothing width, so that the sum counts residuals in its units."""
        return self.smoothing

    def _huber(self) -> Huber:
        return Huber(self.smoothing)

    def rho(self, r: Array) -> Array:
        """Return |r| outside the smoothing width, a parabola that touches it within."""
        return self._huber().rho(r) / self.smoothing + 0.5 * self.smoothing

    def weight(self, r: Array) -> Array:
        """Return 1 / max(|r|, smoothing)."""
        return self._huber().weight(r) / self.smoothing

    def curvature(self, r: Array) -> Array:
        """Return 1 / smoothing within the smoothing width, 0 outside."""
        return self._huber().curvature(r) / self.smoothing

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return that of the Huber curve, over the smoothing."""
        return self._huber().smoothed_curvature(r, width) / self.smoothing

    def refinements(self) -> tuple[Loss, ...]:
        """Return the same loss, sharper by 10 each time, nine times."""
        return tuple(Absolute(self.smoothing * 10.0**-k) for k in range(1, 10))

    def inside(self, r: Array) -> Array:
        """Return |r| <= smoothing."""
        return self._huber().inside(r)


NAMES: dict[str, type[Loss]] = {"huber": Huber, "square": Square, "absolute": Absolute}
"""The losses that have a name on the command line and in files."""


def loss_named(name: str, delta: float | None = None) -> Loss:
    """Return a loss by its name; `delta` is the width of the Huber loss, None for its default.

    Raises:
        ValueError: there is no such loss.
    """
    if name not in NAMES:
        raise ValueError(f"no loss {name!r}; there are {', '.join(NAMES)}")
    return Huber(delta) if name == "huber" and delta is not None else NAMES[name]()


def describe(loss: Loss) -> dict[str, Any]:
    """Return what results and files say of a loss: {"loss": name, "delta": width or None}."""
    delta = float(loss.delta) if isinstance(loss, Huber) else None
    return {"loss": type(loss).__name__.lower(), "delta": delta}


def log_normalizer(loss: Loss, log_s: Any) -> Array:
    """Return log of the integral over r of exp(-rho(r) / s); pure.

    Args:
        loss: one of the named losses.
        log_s: logarithm of the scale s, any shape.

    Source: for Huber's, Huber 1964, Annals of Mathematical Statistics 35(1), 73-101.
    """
    s = jnp.exp(log_s)
    if isinstance(loss, Square):
        return 0.5 * (jnp.log(2 * jnp.pi) + log_s)
    if isinstance(loss, Absolute):  # |r| outside a smoothing that is not worth a term
        return jnp.log(2.0) + log_s
    if isinstance(loss, Huber):
        delta = loss.delta
        core = jnp.sqrt(2 * jnp.pi * s) * erf(delta / jnp.sqrt(2 * s))
        return jnp.log(core + 2 * (s / delta) * jnp.exp(-(delta**2) / (2 * s)))
    raise TypeError(f"no density is known for {type(loss).__name__}")
