"""Parameter specifications, dimensions, and the map between a law and the vector z.

A scaling law is dimensionally consistent: in A N^-alpha the coefficient carries the units
loss x N^alpha. A parameter declares that once, and the solver works with the dimensionless law
on normalized inputs (N / N0, loss / L0, with weighted geometric means N0, L0). Then one set of
start ranges serves every table, the condition number falls by ten orders of magnitude, float32
works, and a fit is equivariant under a change of units.

Coordinates: a positive parameter is exp(z) times its unit, a real one is z times its unit. The
module sees parameters and numbers only: no runs, no losses, no law formulas.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from jaxscale._positive import exp, log
from jaxscale._pytree import pytree, static

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


@pytree
class Space:
    """The free coordinates z [P] of one law at given scales of its inputs and of the loss.

    Attributes:
        fixed: values of the fixed parameters, in the units of the runs.
        log_scale: per input, log of its normalization.
        loss_scale: normalization of the loss.
        parameters: static; (name, Parameter) of every parameter, in order.
    """

    fixed: dict[str, Any]
    log_scale: dict[str, Any]
    loss_scale: Any
    parameters: tuple[tuple[str, Parameter], ...] = static()

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free parameters: the meaning of z[0], z[1], ..."""
        return tuple(name for name, _ in self.parameters if name not in self.fixed)

    @property
    def specs(self) -> tuple[Parameter, ...]:
        """Specifications of the free parameters, in the order of z."""
        return tuple(spec for name, spec in self.parameters if name not in self.fixed)

    def _log_unit(self, spec: Parameter, values: Mapping[str, Any]) -> Any:
        """Log of the part of a unit that comes from the inputs."""
        total: Any = 0.0
        for name, exponent_ in spec.per:
            if not isinstance(exponent_, str):
                factor: Any = exponent_
            elif exponent_.startswith("-"):
                factor = -values[exponent_[1:]]
            else:
                factor = values[exponent_]
            total = total + factor * self.log_scale[name]
        return total

    def _shift(self, spec: Parameter, values: Mapping[str, Any]) -> Any:
        total: Any = 0.0
        for name, source in spec.shift:
            sign, key = (-1, source[1:]) if source.startswith("-") else (1, source)
            total = total + sign * values[key] * self.log_scale[name]
        return total

    def _in_order(self) -> list[tuple[str, Parameter]]:
        """Parameters that others' units refer to first, shifted offsets last."""
        return sorted(self.parameters, key=lambda p: (bool(p[1].shift), bool(p[1].per)))

    def normalized(self, z: Any) -> dict[str, Any]:
        """Return every parameter of the dimensionless law at coordinates `z` (a sequence of P)."""
        values: dict[str, Any] = {}
        physical: dict[str, Any] = {}
        index = {name: k for k, name in enumerate(self.free)}
        for name, spec in self._in_order():
            if name in index:
                coordinate = z[index[name]]
                values[name] = exp(coordinate) if spec.positive else coordinate
                physical[name] = values[name] * (self.loss_scale if spec.units else 1.0)
                continue
            value = self.fixed[name]
            physical[name] = value
            if spec.shift:
                value = value - self._shift(spec, physical)
            if spec.per:
                value = value * exp(-self._log_unit(spec, physical))
            values[name] = value / self.loss_scale if spec.units else value
        return values

    def physical(self, z: Any) -> dict[str, Any]:
        """Return every parameter in the units of the runs at coordinates `z` (P scalars)."""
        values: dict[str, Any] = dict(self.fixed)
        index = {name: k for k, name in enumerate(self.free)}
        for name, spec in self._in_order():
            if name not in index:
                continue
            coordinate = z[index[name]]
            log_unit = self._log_unit(spec, values)
            loss = self.loss_scale if spec.units else 1.0
            # One exponential: exp(z) alone could overflow float32 where the product does not.
            if spec.positive:
                value = loss * exp(coordinate + log_unit)
            else:
                value = loss * coordinate * exp(log_unit)
            values[name] = value + self._shift(spec, values)
        return {name: values[name] for name, _ in self.parameters}

    def coordinates(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the coordinates of the free parameters at `values`; inverse of `physical`.

        A positive parameter given as zero becomes the lower bound.
        """
        result = []
        for name, spec in zip(self.free, self.specs, strict=True):
            value = values[name] - self._shift(spec, values)
            loss = self.loss_scale if spec.units else 1.0
            log_unit = self._log_unit(spec, values)
            if spec.positive:
                result.append(log(value / loss) - log_unit)
            else:
                result.append(value / loss * exp(-log_unit))
        return result

    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return (lower, upper) of z as static tuples of P floats."""
        return (
            tuple(spec.bounds[0] for spec in self.specs),
            tuple(spec.bounds[1] for spec in self.specs),
        )
