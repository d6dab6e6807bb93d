"""Which declaration would make a law's units come out: a search over single changes of it.

Works for the messages of `lawcheck` only. A law's formula is evaluated in two systems of units that
differ in one input, or in the loss, alone; so the input is found whose unit does not come out, and
then the one field that would have to carry it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxscale._numerics.positive import Positive
from jaxscale.laws import Law
from jaxscale.laws.parameters import Parameter
from jaxscale.objective.space import Space

LOSS = "the loss"


@dataclasses.dataclass(frozen=True)
class Sides:
    """A law on some runs, in the units of the runs and in the dimensionless ones of a fit.

    Attributes:
        law: supplies formula and static settings.
        space: the coordinates of the fit.
        inputs: [n] each, in the units of the runs, in the order of the law.
    """

    law: Law
    space: Space
    inputs: dict[str, np.ndarray]

    def normalized(self, z: np.ndarray) -> dict[str, Any]:
        """Return the parameters of the dimensionless law at z [P], as floats."""
        return {name: float(value) for name, value in self.space.normalized(tuple(z)).items()}

    def formula(self, values: dict[str, Any]) -> np.ndarray:
        """Return the formula on normalized inputs [n]."""
        logs = [np.log(x) - self.space.log_scale[name] for name, x in self.inputs.items()]
        return self._at(values, [Positive(np.exp(log), log) for log in logs])

    def both(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the prediction [n] at z [P]: by the formula in the runs' units, by the fit's."""
        physical = {name: float(x) for name, x in self.space.physical(tuple(z)).items()}
        fitted = self.formula(self.normalized(z)) * float(self.space.loss_scale)
        return self._at(physical, list(self.inputs.values())), fitted

    def _at(self, values: dict[str, Any], inputs: list[Any]) -> np.ndarray:
        law = self.law.replace(**{name: np.float64(value) for name, value in values.items()})
        shape = inputs[0].shape
        return np.broadcast_to(np.asarray(law(*inputs), float), shape)

    def agree(self, points: np.ndarray) -> bool:
        """Return whether both ways agree at every one of the points [k, P], to rounding."""
        for z in points:
            raw, fitted = self.both(z)
            good = np.isfinite(raw) & np.isfinite(fitted)
            if (np.abs(raw[good] - fitted[good]) > 1e-11 * np.abs(fitted[good])).any():
                return False
        return True

    def changing(self, name: str) -> Sides:
        """Return the sides that differ in the unit of one input, or of the loss, alone."""
        log_scale = {key: np.float64(0.0) for key in self.space.log_scale}
        scaled = {key: x / np.exp(self.space.log_scale[key]) for key, x in self.inputs.items()}
        loss_scale = np.float64(1.0)
        if name == LOSS:
            loss_scale = np.float64(7.0)
        else:
            own = float(self.space.log_scale[name])
            moved = own if abs(own) > 0.1 else np.log(7.0)
            log_scale[name] = np.float64(moved)
            scaled[name] = self.inputs[name] if moved == own else scaled[name] * np.exp(moved)
        space = dataclasses.replace(self.space, log_scale=log_scale, loss_scale=loss_scale)
        return Sides(self.law, space, scaled)

    def declaring(self, name: str, spec: Parameter) -> Sides:
        """Return the sides with one parameter declared otherwise."""
        parameters = tuple((k, spec if k == name else s) for k, s in self.space.parameters)
        return dataclasses.replace(
            self, space=dataclasses.replace(self.space, parameters=parameters)
        )


def cure(sides: Sides, points: np.ndarray) -> str:
    """Return what to write instead, for a law whose units do not come out.

    Args:
        sides: on the runs.
        points: coordinates [k, P] at which to try.
    """
    wrong = [name for name in sides.inputs if not sides.changing(name).agree(points)]
    if sides.changing(LOSS).agree(points):
        said = []
    else:
        said = [_of_loss(sides, points)]
    said = [_of_input(sides, name, points) for name in wrong] + said
    if not said:
        return "a number in the formula carries a unit; make it a field with that unit, held fixed"
    return "; ".join(said)


def _of_input(sides: Sides, name: str, points: np.ndarray) -> str:
    apart = sides.changing(name)
    for parameter, spec, words in _candidates(sides, name):
        if apart.declaring(parameter, spec).agree(points):
            return f"the unit of {name} does not come out; {words}"
    return (
        f"the unit of {name} does not come out; let it enter as A * {name}**-alpha with "
        f"A = coefficient(..., per=dict({name}='alpha')), as {name} / x0 with "
        f"x0 = scale(..., per=dict({name}=1)) held at the number that {name} meets, or as "
        f"b + a * jnp.log({name}) with b = offset(..., shift=dict({name}='-a'))"
    )


def _candidates(sides: Sides, name: str) -> Iterator[tuple[str, Parameter, str]]:
    """Yield declarations that differ in how one parameter follows the unit of an input."""
    specs = sides.law.parameters
    powers: list[Any] = [1, -1, 2, -2]
    for key, spec in specs.items():
        if not (spec.per or spec.shift or spec.units):
            powers += [key, "-" + key]
    referred = {str(power).removeprefix("-") for spec in specs.values() for _, power in spec.per}
    for key, spec in specs.items():
        if key not in referred and spec.role != "breakpoint":  # a power is a number, without a unit
            yield from _units(key, spec, name, [p for p in powers if str(p).lstrip("-") != key])
        if spec.role == "offset":
            for other, its in specs.items():
                if its.role == "coefficient" and not its.shift:
                    yield from _shifts(key, spec, name, other)


def _units(
    key: str, spec: Parameter, name: str, powers: list[Any]
) -> Iterator[tuple[str, Parameter, str]]:
    others = tuple((k, p) for k, p in spec.per if k != name)
    if len(others) < len(spec.per):
        yield key, dataclasses.replace(spec, per=others), f"leave {name} out of the per= of {key}"
    kind = {"exponent": "scale", "offset": "coefficient"}.get(spec.role, spec.role)
    for power in powers:
        words = f"declare {key} = {kind}(..., per=dict({name}={power!r}))"
        yield key, dataclasses.replace(spec, per=(*others, (name, power))), words


def _shifts(
    key: str, spec: Parameter, name: str, other: str
) -> Iterator[tuple[str, Parameter, str]]:
    for source in (other, "-" + other):
        words = f"declare {key} = offset(..., shift=dict({name}={source!r}))"
        yield key, dataclasses.replace(spec, shift=((name, source),)), words


def _of_loss(sides: Sides, points: np.ndarray) -> str:
    apart = sides.changing(LOSS)
    for key, spec in sides.law.parameters.items():
        other = dataclasses.replace(spec, units=0 if spec.units else 1)
        if apart.declaring(key, other).agree(points):
            kind = "exponent or scale" if spec.units else "coefficient or offset"
            return f"the unit of the loss does not come out; declare {key} with {kind}"
    carriers = [key for key, spec in sides.law.parameters.items() if spec.units]
    return (
        f"the unit of the loss does not come out: {', '.join(carriers) or 'no parameter'} with "
        "that unit meets another power or a plain number; let one coefficient in front have it and "
        "declare the others with scale(...)"
    )
