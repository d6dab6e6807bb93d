"""Parameters of a law, as its class declares them: units, bounds and ranges of starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

Power = float | str
"""A power of an input in a unit: a number, or the name of an exponent, or "-name"."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """Everything that a law says about one of its parameters.

    Attributes:
        doc: what the parameter means, in a few words.
        role: "offset", "coefficient", "exponent", "scale" or "breakpoint".
        positive: whether it is exp(z) times its unit (else z times its unit).
        linear: whether the law is affine in it.
        start: range of z from which random starts are drawn.
        bounds: range of z.
        units: power of the loss in its unit.
        per: powers of the inputs in its unit.
        shift: for the offset of a logarithm, the coefficients of log(input unit).
    """

    doc: str
    role: str
    positive: bool
    linear: bool
    start: tuple[float, float]
    bounds: tuple[float, float]
    units: int = 0
    per: tuple[tuple[str, Power], ...] = ()
    shift: tuple[tuple[str, str], ...] = ()


def _powers(given: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    if not isinstance(given, Mapping | None):
        raise TypeError(f"per= and shift= take powers by input, dict(N='alpha'), not {given!r}")
    return tuple((given or {}).items())


def _field(parameter: Parameter) -> Any:
    return dataclasses.field(default=None, metadata={"parameter": parameter})


LOG_BOUNDS = (-40.0, 40.0)
"""Bounds of the logarithm of a dimensionless positive parameter: e^-40 of a loss is nothing."""


def offset(doc: str, *, positive: bool = True, shift: Mapping[str, str] | None = None) -> Any:
    """Declare an additive constant with the units of the loss (an irreducible loss, a bound)."""
    return _field(
        Parameter(
            doc,
            "offset",
            positive,
            linear=True,
            start=(math.log(0.3), 0.0) if positive else (-0.5, 1.0),
            bounds=LOG_BOUNDS if positive else (-math.inf, math.inf),
            units=1,
            shift=_powers(shift),
        )
    )


def coefficient(
    doc: str,
    *,
    per: Mapping[str, Power] | None = None,
    positive: bool = True,
    linear: bool = True,
) -> Any:
    """Declare a factor with the units loss x inputs to the powers `per`.

    Args:
        doc: what it means.
        per: e.g. `dict(N="alpha")` for A in A N^-alpha; `dict(S="-b")` for a in a S^b.
        positive: false where either sign is meant (a performance that rises).
        linear: false where the law is not affine in it.
    """
    return _field(
        Parameter(
            doc,
            "coefficient",
            positive,
            linear=linear,
            start=(-4.0, 1.0) if positive else (-1.0, 1.0),
            bounds=LOG_BOUNDS if positive else (-math.inf, math.inf),
            units=1,
            per=_powers(per),
        )
    )


def exponent(
    doc: str,
    *,
    start: tuple[float, float] = (0.05, 1.5),
    bounds: tuple[float, float] = (0.0, 5.0),
) -> Any:
    """Declare a dimensionless exponent, used as it is."""
    return _field(
        Parameter(doc, "exponent", positive=False, linear=False, start=start, bounds=bounds)
    )


def scale(doc: str, *, per: Mapping[str, Power], start: tuple[float, float] = (-3.0, 3.0)) -> Any:
    """Declare a positive quantity with the units of the inputs to the powers `per`, not of loss."""
    return _field(
        Parameter(
            doc,
            "scale",
            positive=True,
            linear=False,
            start=start,
            bounds=LOG_BOUNDS,
            per=_powers(per),
        )
    )


def breakpoint_at(doc: str, *, of: str) -> Any:
    """Declare a break in input `of` that data locate only between two neighboring values.

    The fit tries every gap between distinct values of that input, at its geometric mean, and
    reports the gap: no gradient tells where in it the break lies.
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
