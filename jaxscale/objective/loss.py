"""Robust losses rho(r): how far a residual counts.

A loss says all of itself: `rho(r)`, `weight(r)` = psi(r)/r (the weight of iteratively reweighted
least squares), `curvature(r)` = rho''(r), `scale`, by which the solver divides the sum so that its
tolerances mean the same for every loss, the density exp(-rho / s) that it stands for, its name and
its width. What is *reported* is always the plain sum of w * rho(r). Losses know neither laws nor
runs. Subclassing `Loss` is all it takes for another one: `rho` is enough, the rest follows from it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxscale._numerics.pytree import pytree
from jaxscale.laws.names import module_of
from jaxscale.shown.blocks import brief, number

LARGEST_LOG = 40.0
"""Logarithm of the largest residual of the quadrature behind a density without a closed form."""
NODES = 2001
"""Of that quadrature, on each side of zero."""
NAMES: dict[str, type[Loss]] = {}
"""The losses that have a name on the command line and in files; `losses` fills it."""


@dataclass_transform(frozen_default=True)
class Loss:
    """Base of all losses: declare the width as a field, write `rho`, add the source.

    A subclass becomes a frozen dataclass and a JAX pytree whose leaves are its fields. It is used
    like a built-in one everywhere.

    Attributes:
        name: what files and the command line call it; default its class's name, in lower case.
        width: name of the field up to which residuals count as small; None without one.
        extra: name of the field that "NAME:X" sets, beside the width; None without one.
        quadratic: whether it is half the square, so that fits are least squares.

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> class Cauchy(jaxscale.Loss):
        ...     '''c²/2 log(1 + (r/c)²), Lorentzian tails; Black & Anandan 1996.'''
        ...
        ...     width = "c"
        ...     c: float = 1e-2
        ...
        ...     def rho(self, r):
        ...         return 0.5 * self.c**2 * jnp.log1p((r / self.c) ** 2)
        >>> round(float(Cauchy(0.02).weight(0.04)), 3)
        0.2
    """

    name: ClassVar[str] = ""
    width: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None
    quadratic: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()
        pytree(cls)
        if cls.width is not None and cls.width not in vars(cls)["__dataclass_fields__"]:
            raise TypeError(
                f"{cls.__name__}.width is {cls.width!r}, which is no field of it; declare it as "
                f"{cls.width}: float = 1e-3"
            )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            _check_threshold(self, field)

    @property
    def threshold(self) -> float | None:
        """Value of the width; None for a loss without one."""
        return None if self.width is None else float(getattr(self, self.width))

    @property
    def kinked(self) -> bool:
        """Whether it has a kink, which a fit approaches by sharper and sharper losses."""
        return bool(self.refinements())

    def with_threshold(self, value: float) -> Self:
        """Return the same loss with another width.

        Args:
            value: the width, in the units of the residual.

        Raises:
            ValueError: it has none, or the value is not positive and finite.
        """
        if self.width is None:
            raise ValueError(f"the loss {self.name} has no width")
        return dataclasses.replace(self, **{self.width: value})  # type: ignore[type-var]

    def document(self) -> dict[str, Any]:
        """Return what files say of it: {"loss": name, "delta": width or None}, and what differs.

        A loss of a person's own is called "module:Class". Fields beside the width stand under
        "fields" where they are not the defaults.
        """
        own = NAMES.get(self.name) is not type(self)
        kind = type(self)
        stated: dict[str, Any] = {
            "loss": f"{module_of(kind)}:{kind.__name__}" if own else self.name,
            "delta": self.threshold,
        }
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        others = {f.name: f for f in fields if f.name != self.width}
        changed = {
            n: float(getattr(self, n)) for n, f in others.items() if getattr(self, n) != f.default
        }
        return stated | ({"fields": changed} if changed else {})

    def __str__(self) -> str:
        names = [each for each in (self.width, self.extra) if each is not None]
        each = [(name, getattr(self, name)) for name in names]
        known = [brief(x) if number(x) is None else f"{float(x):g}" for _, x in each]
        values = ", ".join(f"{name} {x}" for name, x in zip(names, known, strict=True))
        return f"{self.name} ({values})" if values else self.name

    @property
    def scale(self) -> Any:
        """What the solver divides the sum by, in the units of rho: the squared width, or 1."""
        return 1.0 if self.width is None else getattr(self, self.width) ** 2

    def rho(self, r: Array) -> Array:
        """Return the loss of residuals `r`, same shape; 0 at r = 0, its minimum.

        Args:
            r: residuals, any shape.
        """
        raise NotImplementedError

    def weight(self, r: Array) -> Array:
        """Return psi(r) / r = rho'(r) / r, of the same shape; finite at r = 0.

        Args:
            r: residuals, any shape.
        """
        zero = r == 0
        psi = jax.jvp(self.rho, (r,), (jnp.ones_like(r),))[1]
        return jnp.where(zero, self.curvature(jnp.zeros_like(r)), psi / jnp.where(zero, 1.0, r))

    def curvature(self, r: Array) -> Array:
        """Return rho''(r), of the same shape; at a kink, the value of the inner side.

        Args:
            r: residuals, any shape.
        """

        def psi(r: Array) -> Array:
            slope: Array = jax.jvp(self.rho, (r,), (jnp.ones_like(r),))[1]
            return slope

        slope: Array = jax.jvp(psi, (r,), (jnp.ones_like(r),))[1]
        return slope

    def smoothed_curvature(self, r: Array, width: Any) -> Array:
        """Return the mean of rho'' around residuals `r`, under a Gaussian kernel of a `width`.

        At a kink or under a small threshold the curvature of the sum at its optimum hangs on the
        few residuals that happen to lie there; its mean over a kernel is what the curvature of
        the expected loss is estimated by. Here by Stein's identity E[rho'(r + width u) u] / width
        on a fine grid of u; exact in the losses that have a closed form.

        Args:
            r: residuals, any shape.
            width: standard deviation of the kernel, a number.
        """
        u = jnp.linspace(-6.0, 6.0, 1201, dtype=r.dtype)
        density = jnp.exp(-0.5 * u * u)
        moved = r[..., None] + width * u
        psi = self.weight(moved) * moved
        mean: Array = jnp.sum(psi * u * density, axis=-1) / jnp.sum(density) / width
        return mean

    def refinements(self) -> tuple[Loss, ...]:
        """Return the sharper losses that a fit passes through, in order; empty for smooth ones."""
        return ()

    def inside(self, r: Array) -> Array:
        """Return which residuals lie within the width: all of them for a loss without one.

        Args:
            r: residuals, any shape.

        Returns:
            Booleans of the same shape.
        """
        if self.width is None:
            return jnp.ones_like(r, dtype=bool)
        within: Array = jnp.abs(r) <= getattr(self, self.width)
        return within

    def log_normalizer(self, log_s: Any) -> Array:
        """Return log Z: of the integral over r of exp(-rho(r) / s); pure.

        Args:
            log_s: logarithm of the scale s, any shape.

        Returns:
            log Z, of the same shape.

        Here by quadrature over `log |r|`; infinite where the tails are too heavy for a density.
        """
        r, log_step = self._nodes(jnp.result_type(float))
        exponents = log_step - self.rho(r) / jnp.exp(jnp.asarray(log_s))[..., None]
        total = jax.nn.logsumexp(exponents, axis=-1)
        proper = jnp.maximum(exponents[..., 0], exponents[..., -1]) < total - 14
        return jnp.where(proper, total, jnp.inf)

    def mean_rho(self, s: np.ndarray) -> np.ndarray:
        """Return the expectation of rho under exp(-rho / s) / Z, which is s² d log Z / ds; NumPy.

        Args:
            s: scales, any shape.

        Returns:
            The mean, of the same shape.
        """
        r, log_step = self._nodes(jnp.result_type(float))
        rho, step = np.asarray(self.rho(r), float), np.asarray(log_step, float)
        exponents = step - rho / np.asarray(s, float)[..., None]
        share = np.exp(exponents - exponents.max(axis=-1, keepdims=True))
        return np.asarray((share * rho).sum(axis=-1) / share.sum(axis=-1))

    @staticmethod
    def _nodes(dtype: Any) -> tuple[Array, Array]:
        """Return residuals of both signs, even in log |r|, and the logarithm of their step."""
        u = jnp.linspace(-LARGEST_LOG, LARGEST_LOG, NODES, dtype=dtype)
        step = math.log(2 * LARGEST_LOG / (NODES - 1))
        r = jnp.exp(u)
        return jnp.concatenate([-r[::-1], r]), jnp.concatenate([u[::-1], u]) + step


def valued(value: Any) -> bool:
    """Whether a field has a value to look at, which a traced one has not."""
    return not isinstance(value, Tracer)


def _check_threshold(loss: Loss, field: Any) -> None:
    """Raise for a field that is not positive and finite."""
    value = getattr(loss, field.name)
    if not valued(value):
        return
    try:
        values = np.asarray(value, float)
        good = not isinstance(value, str) and bool(np.all((values > 0) & np.isfinite(values)))
    except (TypeError, ValueError):
        good = False
    if not good:
        default = 1e-3 if field.default is dataclasses.MISSING else field.default
        what = "must be" if field.name == loss.extra else "is a width of residuals,"
        raise ValueError(
            f"{type(loss).__name__}({field.name}={value!r}): {field.name} {what} positive and "
            f"finite, e.g. {default:g}"
        )
