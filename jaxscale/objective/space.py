"""Parameter specifications, dimensions, and the map between a law and the vector z.

A scaling law is dimensionally consistent: in A N^-alpha the coefficient carries the units
loss x N^alpha. A parameter declares that once, and the solver works with the dimensionless law
on normalized inputs (N / N0, loss / L0, with weighted geometric means N0, L0; an input of either
sign is divided by its root mean square). Then one set of start ranges serves every table, the
condition number falls by ten orders of magnitude, float32 works, and a fit is equivariant under a
change of units.

Coordinates: a positive parameter is exp(z) times its unit, a real one is z times its unit. The
module sees parameters and numbers only: no runs, no losses, no law formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxscale._numerics.positive import exp, log
from jaxscale._numerics.pytree import pytree, static
from jaxscale.laws.parameters import Parameter, power_at
from jaxscale.shown.blocks import Shown


@pytree
class Space(Shown):
    """The free coordinates z [P] of one law at given scales of its inputs and of the loss.

    Attributes:
        fixed: values of the fixed parameters, in the units of the runs.
        log_scale: per input, log of its normalization; 0 for one that is used as it is.
        loss_scale: normalization of the loss.
        parameters: static; (name, Parameter) of every parameter, in order.
        tied: static; (name, other) of parameters that are always what another one is.
    """

    fixed: dict[str, Any]
    log_scale: dict[str, Any]
    loss_scale: Any
    parameters: tuple[tuple[str, Parameter], ...] = static()
    tied: tuple[tuple[str, str], ...] = static(default=())

    @property
    def _bound(self) -> frozenset[str]:
        """Names of the parameters that are no coordinate: fixed ones and tied ones."""
        return frozenset((*self.fixed, *(name for name, _ in self.tied)))

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free parameters: the meaning of z[0], z[1], ..."""
        bound = self._bound
        return tuple(name for name, _ in self.parameters if name not in bound)

    @property
    def specs(self) -> tuple[Parameter, ...]:
        """Specifications of the free parameters, in the order of z."""
        bound = self._bound
        return tuple(spec for name, spec in self.parameters if name not in bound)

    def _log_unit(self, spec: Parameter, values: Mapping[str, Any]) -> Any:
        """Log of the part of a unit that comes from the inputs."""
        total: Any = 0.0
        for name, power in spec.per:
            total = total + power_at(power, values) * self.log_scale[name]
        return total

    def _loss_unit(self, spec: Parameter, values: Mapping[str, Any]) -> Any:
        """Part of a unit that comes from the loss."""
        if spec.units == 1:  # most are, and a power would round
            return self.loss_scale
        return exp(power_at(spec.units, values) * log(self.loss_scale)) if spec.units else 1.0

    def _shift(self, spec: Parameter, values: Mapping[str, Any]) -> Any:
        """What the units of the inputs, and of the loss, add to an offset of logarithms."""
        total: Any = log(self.loss_scale) if spec.shifts_with_loss else 0.0
        for name, source in spec.shift:
            sign, key = (-1, source[1:]) if source.startswith("-") else (1, source)
            total = total + sign * values[key] * self.log_scale[name]
        return total

    def _in_order(self) -> list[tuple[str, Parameter]]:
        """Parameters that others' units refer to first, tied ones after, shifted offsets last."""
        tied = dict(self.tied)

        def rank(named: tuple[str, Parameter]) -> tuple[bool, bool, bool]:
            name, spec = named
            return spec.shifted, bool(spec.per) or isinstance(spec.units, str), name in tied

        return sorted(self.parameters, key=rank)

    def normalized(self, z: Any) -> dict[str, Any]:
        """Return every parameter of the dimensionless law at coordinates `z` (a sequence of P)."""
        values: dict[str, Any] = {}
        physical: dict[str, Any] = {}
        index, tied = {name: k for k, name in enumerate(self.free)}, dict(self.tied)
        for name, spec in self._in_order():
            if name in tied:
                values[name] = physical[name] = values[tied[name]]  # without a unit, both
                continue
            if name in index:
                coordinate = z[index[name]]
                values[name] = exp(coordinate) if spec.positive else coordinate
                physical[name] = values[name] * self._loss_unit(spec, physical)
                continue
            value = self.fixed[name]
            physical[name] = value
            if spec.shifted:
                value = value - self._shift(spec, physical)
            if spec.per:
                value = value * exp(-self._log_unit(spec, physical))
            values[name] = value / self._loss_unit(spec, physical) if spec.units else value
        return values

    def physical(self, z: Any) -> dict[str, Any]:
        """Return every parameter in the units of the runs at coordinates `z` (P scalars)."""
        values: dict[str, Any] = dict(self.fixed)
        index, tied = {name: k for k, name in enumerate(self.free)}, dict(self.tied)
        for name, spec in self._in_order():
            if name in tied:
                values[name] = values[tied[name]]
            if name not in index:
                continue
            coordinate = z[index[name]]
            log_unit = self._log_unit(spec, values)
            loss = self._loss_unit(spec, values)
            # One exponential: exp(z) alone could overflow float32 where the product does not.
            if spec.positive:
                value = loss * exp(coordinate + log_unit)
            else:
                value = loss * coordinate * exp(log_unit) if spec.per else loss * coordinate
            values[name] = value + self._shift(spec, values)
        return {name: values[name] for name, _ in self.parameters}

    def coordinates(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the coordinates of the free parameters at `values`; inverse of `physical`.

        A positive parameter given as zero becomes the lower bound. A tied one is what the other
        is, whatever is given for it.
        """
        result = []
        values = {**values, **{name: values[other] for name, other in self.tied}}
        for name, spec in zip(self.free, self.specs, strict=True):
            value = values[name] - self._shift(spec, values)
            loss = self._loss_unit(spec, values)
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
