"""Parameters of a law, as its class declares them: units, bounds and ranges of starts.

A fit works with the dimensionless law, on inputs and losses divided by units of their own. So every
parameter says its unit once: a power of the loss (`units=`) times powers of the inputs (`per=`). A
power is a number, or follows an exponent of the law: "alpha", "-alpha", "1/alpha", "-1/alpha".

Example:
    class Coupled(Law):
        '''L(N, D) = E + (A N^-alpha + B D^-beta)^k.'''

        E: Scalar = offset("irreducible loss")
        A: Scalar = coefficient("of N", per=dict(N="alpha"), units="1/k", linear=False)
        B: Scalar = coefficient("of D", per=dict(D="beta"), units="1/k", linear=False)
        alpha: Scalar = exponent("of N")
        beta: Scalar = exponent("of D")
        k: Scalar = exponent("outer", bounds=(0.01, 5.0))

        def __call__(self, N, D):
            return self.E + (self.A * N**-self.alpha + self.B * D**-self.beta) ** self.k
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from jaxscale.errors import LawError

Power = float | str
"""A power of the loss or of an input in a unit: a number, "name", "-name", "1/name" or "-1/name",
where the name is that of an exponent."""


def exponent_of(power: Power) -> str | None:
    """Return the name of the parameter that a power follows; None for a number."""
    return power.removeprefix("-").removeprefix("1/") if isinstance(power, str) else None


def power_at(power: Power, values: Mapping[str, Any]) -> Any:
    """Return the number that a power is at values of the parameters."""
    name = exponent_of(power)
    if name is None or not isinstance(power, str):
        return power
    value = values[name]
    if power.removeprefix("-").startswith("1/"):
        value = 1 / value
    return -value if power.startswith("-") else value


@dataclasses.dataclass(frozen=True)
class Parameter:
    """Everything that a law says about one of its parameters.

    Attributes:
        doc: what the parameter means, in a few words.
        role: "offset", "coefficient", "exponent", "scale", "breakpoint" or "constant".
        positive: whether it is exp(z) times its unit (else z times its unit).
        linear: whether the loss is affine in it.
        start: range of z from which random starts are drawn.
        bounds: range of z.
        units: power of the loss in its unit.
        per: powers of the inputs in its unit.
        shift: for the offset of a logarithm, the coefficients of log(input unit).
        shifts_with_loss: for the offset of the logarithm of the loss, whether log(loss unit) adds
            to it.
    """

    doc: str
    role: str
    positive: bool
    linear: bool
    start: tuple[float, float]
    bounds: tuple[float, float]
    units: Power = 0
    per: tuple[tuple[str, Power], ...] = ()
    shift: tuple[tuple[str, str], ...] = ()
    shifts_with_loss: bool = False

    @property
    def shifted(self) -> bool:
        """Whether a change of units adds something to it."""
        return bool(self.shift) or self.shifts_with_loss

    @property
    def dimensionless(self) -> bool:
        """Whether it is the same number in all units."""
        return not (self.units or self.per or self.shifted)


def _powers(given: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    if not isinstance(given, Mapping | None):
        raise TypeError(f"per= and shift= take powers by input, dict(N='alpha'), not {given!r}")
    return tuple((given or {}).items())


def _field(parameter: Parameter, default: float | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"parameter": parameter})


LOG_BOUNDS = (-40.0, 40.0)
"""Bounds of the logarithm of a dimensionless positive parameter: e^-40 of a loss is nothing."""
UNBOUNDED = (-math.inf, math.inf)


def offset(
    doc: str,
    *,
    positive: bool = True,
    units: Power = 1,
    shift: Mapping[str, str] | None = None,
) -> Any:
    """Declare an additive constant with the units of the loss (an irreducible loss, a bound).

    Args:
        doc: what it means.
        positive: false where either sign is meant. Of a law of the logarithm of the loss
            (`response = "log"`) the offset is log(loss), and always has either sign.
        units: power of the loss in its unit.
        shift: for c in c + a log N, the coefficient of each logarithm: `dict(N="-a")`.

    Returns:
        A dataclass field, for the body of a `Law`.

    Example:
        >>> import jaxscale
        >>> from jaxscale import Scalar
        >>> class Floor(jaxscale.Law):
        ...     '''L(N) = E + A / N.'''
        ...
        ...     E: Scalar = jaxscale.offset("irreducible loss")
        ...     A: Scalar = jaxscale.coefficient("model-size coefficient", per=dict(N=1))
        ...
        ...     def __call__(self, N):
        ...         return self.E + self.A / N
        >>> float(Floor(E=2.0, A=1e6)(1e6))
        3.0
    """
    return _field(
        Parameter(
            doc,
            "offset",
            positive,
            linear=True,
            start=(math.log(0.3), 0.0) if positive else (-0.5, 1.0),
            bounds=LOG_BOUNDS if positive else UNBOUNDED,
            units=units,
            shift=_powers(shift),
        )
    )


def coefficient(
    doc: str,
    *,
    per: Mapping[str, Power] | None = None,
    units: Power = 1,
    positive: bool = True,
    linear: bool = True,
) -> Any:
    """Declare a factor with the units loss^units x inputs to the powers `per`.

    Args:
        doc: what it means.
        per: e.g. `dict(N="alpha")` for A in A N^-alpha; `dict(S="-b")` for a in a S^b;
            `dict(x="1/c")` for b in b x^(-1/c).
        units: power of the loss in its unit, e.g. "1/k" for A in (A N^-alpha)^k.
        positive: false where either sign is meant (a performance that rises).
        linear: false where the law is not affine in it.

    Returns:
        A dataclass field, for the body of a `Law`.

    Example:
        >>> import jaxscale
        >>> from jaxscale import Scalar
        >>> class Power(jaxscale.Law):
        ...     '''L(D) = B D^-beta.'''
        ...
        ...     B: Scalar = jaxscale.coefficient("data-size coefficient", per=dict(D="beta"))
        ...     beta: Scalar = jaxscale.exponent("data-size exponent")
        ...
        ...     def __call__(self, D):
        ...         return self.B * jaxscale.power(D, -self.beta)
        >>> round(float(Power(B=400.0, beta=0.25)(1e8)), 6)
        4.0
    """
    return _field(
        Parameter(
            doc,
            "coefficient",
            positive,
            linear=linear,
            start=(-4.0, 1.0) if positive else (-1.0, 1.0),
            bounds=LOG_BOUNDS if positive else UNBOUNDED,
            units=units,
            per=_powers(per),
        )
    )


def exponent(
    doc: str,
    *,
    start: tuple[float, float] = (0.05, 1.5),
    bounds: tuple[float, float] = (0.0, 5.0),
) -> Any:
    """Declare a dimensionless exponent, used as it is.

    Args:
        doc: what it means.
        start: range of the random starts.
        bounds: range in which it is searched.

    Returns:
        A dataclass field, for the body of a `Law`.

    Example:
        >>> import jaxscale
        >>> steep = jaxscale.exponent("how fast", start=(0.5, 3.0), bounds=(0.0, 10.0))
        >>> steep.metadata["parameter"].bounds
        (0.0, 10.0)
    """
    return _field(
        Parameter(doc, "exponent", positive=False, linear=False, start=start, bounds=bounds)
    )


def scale(
    doc: str,
    *,
    per: Mapping[str, Power] | None = None,
    units: Power = 0,
    positive: bool = True,
    start: tuple[float, float] = (-3.0, 3.0),
) -> Any:
    """Declare a non-linear parameter with a unit: a rate, a place, a width, a period.

    Args:
        doc: what it means.
        per: powers of the inputs in its unit: `dict(x=-1)` for r in exp(-r x), `dict(x=1)` for c
            in x - c.
        units: power of the loss in its unit: -1 for b in 1 / (b + c x).
        positive: false where either sign is meant (the slope of a denominator).
        start: range of the random starts, in its unit; of its logarithm if it is positive.

    Returns:
        A dataclass field, for the body of a `Law`.

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> from jaxscale import Scalar
        >>> class Decay(jaxscale.Law):
        ...     '''y(x) = a exp(-r x).'''
        ...
        ...     a: Scalar = jaxscale.coefficient("height at x = 0")
        ...     r: Scalar = jaxscale.scale("rate", per=dict(x=-1))
        ...
        ...     def __call__(self, x):
        ...         return self.a * jnp.exp(-self.r * x)
        >>> round(float(Decay(a=2.0, r=0.1)(10.0)), 3)
        0.736
    """
    return _field(
        Parameter(
            doc,
            "scale",
            positive,
            linear=False,
            start=start,
            bounds=LOG_BOUNDS if positive else UNBOUNDED,
            units=units,
            per=_powers(per),
        )
    )


def constant(
    value: float,
    *,
    per: Mapping[str, Power] | None = None,
    units: Power = 0,
    doc: str = "constant",
) -> Any:
    """Declare a number of the formula that has a unit: a field that has its value from the start.

    A bare number in a formula means the same in all units. One that does not, a year of 12 months,
    is a constant, and a fit converts it like every other value that is held fixed.

    Args:
        value: in the units of the runs.
        per: powers of the inputs in its unit.
        units: power of the loss in its unit.
        doc: what it means.

    Returns:
        A dataclass field, for the body of a `Law`.

    Raises:
        LawError: the value is no finite number.

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> from jaxscale import Scalar
        >>> class Yearly(jaxscale.Law):
        ...     '''y(x) = b1 + b2 cos(2 pi x / 12).'''
        ...
        ...     b1: Scalar = jaxscale.offset("mean", positive=False)
        ...     b2: Scalar = jaxscale.coefficient("height of the cosine", positive=False)
        ...     twelve: Scalar = jaxscale.constant(12.0, per=dict(x=1), doc="months of a year")
        ...
        ...     def __call__(self, x):
        ...         return self.b1 + self.b2 * jnp.cos(2 * jnp.pi * x / self.twelve)
        >>> Yearly().free
        ('b1', 'b2')
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LawError(f"constant({value!r}): a constant is a finite number")
    return _field(
        Parameter(
            doc,
            "constant",
            positive=value > 0,
            linear=False,
            start=(0.0, 0.0),
            bounds=UNBOUNDED,
            units=units,
            per=_powers(per),
        ),
        default=float(value),
    )


def breakpoint_at(doc: str, *, of: str) -> Any:
    """Declare a break in input `of` that data locate only between two neighboring values.

    The fit tries every gap between distinct values of that input, at its geometric mean, and
    reports the gap: no gradient tells where in it the break lies.

    Args:
        doc: what it means.
        of: name of the input that it is a value of.

    Returns:
        A dataclass field, for the body of a `Law`.

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> from jaxscale import Scalar
        >>> class Step(jaxscale.Law):
        ...     '''y(S) = a below S0, c from there on.'''
        ...
        ...     a: Scalar = jaxscale.coefficient("level before the break")
        ...     c: Scalar = jaxscale.coefficient("level after the break")
        ...     S0: Scalar = jaxscale.breakpoint_at("the break", of="S")
        ...
        ...     def __call__(self, S):
        ...         return jnp.where(S < self.S0, self.a, self.c)
        >>> float(Step(a=3.0, c=2.0, S0=1e9)(2e9))
        2.0
    """
    return _field(
        Parameter(
            doc,
            "breakpoint",
            positive=True,
            linear=False,
            start=(0.0, 0.0),
            bounds=(-math.inf, math.inf),
            per=((of, 1),),
        )
    )
