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

from jaxscale.laws import Law
from jaxscale.laws.parameters import Parameter, Power, exponent_of, power_at
from jaxscale.objective.inputs import normalized
from jaxscale.objective.space import Space

LOSS = "the loss"
STEP = 1e-5
"""Relative step of a central difference."""
WITH_UNIT = ("offset", "coefficient", "scale", "constant")
"""Roles of parameters that may carry the unit of the loss."""
NUMBERS = (0, 1, -1, 2, -2, 0.5, -0.5)
"""Powers of the loss that are tried, beside those that follow an exponent."""


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
        return self._at(values, self.normalized_inputs())

    def normalized_inputs(self) -> list[Any]:
        """Return the inputs [n] as a fit takes them."""
        kinds, units = self.law.kinds, self.space.log_scale
        return [normalized(x, units[k], kinds[k], len(x)) for k, x in self.inputs.items()]

    def both(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the prediction [n] at z [P]: by the formula in the runs' units, by the fit's."""
        physical = {name: float(x) for name, x in self.space.physical(tuple(z)).items()}
        fitted = self.formula(self.normalized(z)) * float(self.space.loss_scale)
        return self._at(physical, list(self.inputs.values())), fitted

    def _at(self, values: dict[str, Any], inputs: list[Any]) -> np.ndarray:
        law = self.law.replace(**{name: np.float64(value) for name, value in values.items()})
        shape = inputs[0].shape
        return np.broadcast_to(np.asarray(law.loss(*inputs), float), shape)

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
    scaled = [name for name, kind in sides.law.kinds.items() if kind != "raw"]
    lost = [name for name in scaled if not sides.changing(name).agree(points)]
    found = {name: words for name in lost if (words := _of_input(sides, name, points))}
    said = [f"the unit of {name} does not come out; {words}" for name, words in found.items()]
    if rest := [name for name in lost if name not in found]:
        said.append(_of_inputs(sides, rest))
    if not sides.changing(LOSS).agree(points):
        said.append(_of_loss(sides, points))
    if not said:
        return "a number in the formula carries a unit; make it a field, constant(NUMBER, per=...)"
    return "; ".join(said)


def _of_input(sides: Sides, name: str, points: np.ndarray) -> str:
    """Return what one or two parameters are to be declared as; empty where none are found."""
    apart = sides.changing(name)
    for parameter, spec, words in _candidates(sides, name):
        if apart.declaring(parameter, spec).agree(points):
            return words
    for key, spec in sides.law.parameters.items():
        if _lacks(spec, name) and (words := beside(sides, key, name, points)):
            return f"declare {words}"
    return ""


def _of_inputs(sides: Sides, names: list[str]) -> str:
    """Return how inputs enter a formula so that their units come out, by the first of them."""
    name, *more = names
    said = f"the unit of {name} does not come out"
    said += f", nor that of {', '.join(more[:12])}" if more else ""
    raw = f"where {name} is a number without a unit, say input_kinds: ClassVar = dict({name}='raw')"
    specs = sides.law.parameters.items()
    without = [k for k, spec in specs if _lacks(spec, name) and spec.role != "offset"]
    if len(without) > 1:
        return (
            f"{said}, and {', '.join(without[:12])} are declared without it: in A * {name}**-alpha "
            f"it is A = coefficient(..., per=dict({name}='alpha')), in {name} + x0 or {name} / x0 "
            f"x0 = scale(..., per=dict({name}=1)), for a number constant(NUMBER, per=dict({name}"
            f"=1)); {raw}"
        )
    return (
        f"{said}; let it enter as A * {name}**-alpha with "
        f"A = coefficient(..., per=dict({name}='alpha')), as {name} / x0 with "
        f"x0 = constant(NUMBER, per=dict({name}=1)) for the number that {name} meets, or as "
        f"b + a * jnp.log({name}) with b = offset(..., shift=dict({name}='-a')); or, {raw}"
    )


def beside(sides: Sides, key: str, name: str, points: np.ndarray) -> str:
    """Return how to declare a parameter as a number of an input, if its unit comes out then.

    With one more parameter declared otherwise, where it takes that: a and x0 of a (x + x0)^-b.

    Args:
        sides: on the runs.
        key: the parameter.
        name: the input.
        points: coordinates [k, P] at which to try.

    Returns:
        Declarations; empty where no one other parameter makes up for the rest.
    """
    spec = dataclasses.replace(sides.law.parameters[key], per=((name, 1),))
    apart = sides.changing(name).declaring(key, spec)
    said = f"{key} = scale(..., per=dict({name}=1))"
    if apart.agree(points):
        return said
    for other, its, words in _candidates(sides, name):
        if other != key and _lacks(sides.law.parameters[other], name):
            if apart.declaring(other, its).agree(points):
                return f"{words.removeprefix('declare ')} and {said}"
    return ""


def _lacks(spec: Parameter, name: str) -> bool:
    """Return whether a parameter has no unit of an input, and may have one."""
    return spec.role in WITH_UNIT and name not in dict(spec.per) and not spec.shifted


def _candidates(sides: Sides, name: str) -> Iterator[tuple[str, Parameter, str]]:
    """Yield declarations that differ in how one parameter follows the unit of an input."""
    specs = sides.law.parameters
    powers: list[Any] = [1, -1, 2, -2]
    for key, spec in specs.items():
        if spec.dimensionless and spec.role == "exponent":
            powers += [key, "-" + key, "1/" + key, "-1/" + key]
    referred = {exponent_of(power) for spec in specs.values() for _, power in spec.per}
    referred |= {exponent_of(spec.units) for spec in specs.values()}
    for key, spec in specs.items():
        if key not in referred and spec.role != "breakpoint":  # a power is a number, without a unit
            yield from _units(key, spec, name, [p for p in powers if exponent_of(p) != key])
        if spec.role == "offset":
            for other, its in specs.items():
                if its.role == "coefficient" and not its.shifted:
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
    if sides.law.response == "log":
        return (
            "the unit of the loss does not come out: another unit adds a number to log(loss), "
            "which one offset(..., positive=False) in front has to take up; a parameter with the "
            "loss's own unit within the logarithm is a scale(..., units=1)"
        )
    apart = sides.changing(LOSS)
    for key, spec in sides.law.parameters.items():
        if spec.role == "constant":
            continue
        other = dataclasses.replace(spec, units=0 if spec.units else 1)
        if apart.declaring(key, other).agree(points):
            kind = "exponent or scale" if spec.units else "coefficient or offset"
            return f"the unit of the loss does not come out; declare {key} with {kind}"
    powers = _powers_of_loss(apart, points)
    for key, power in powers.items():
        spec = dataclasses.replace(apart.law.parameters[key], units=power)
        apart = apart.declaring(key, spec)
    if powers and apart.agree(points):
        words = " and ".join(
            f"{', '.join(key for key in powers if powers[key] == power)} with units={power!r}"
            for power in dict.fromkeys(powers.values())
        )
        return f"the unit of the loss does not come out; declare {words}"
    carriers = [key for key, spec in sides.law.parameters.items() if spec.units]
    return (
        f"the unit of the loss does not come out: {', '.join(carriers) or 'no parameter'} with "
        "that unit meets another power or a plain number; let the coefficients in front have it, "
        "declare the others with scale(...), with units= the power of the loss in their unit, and "
        "a number that has that unit as constant(NUMBER, units=1)"
    )


def _powers_of_loss(sides: Sides, points: np.ndarray) -> dict[str, Power]:
    """Return the powers of the loss that parameters are declared without; empty if none is found.

    A loss in other units, c L, belongs to parameters c^u theta. At c = 1 that is Euler's relation,
    sum of u theta dL/dtheta = L: linear in the powers u, with an equation per run. At each point it
    has one solution, which is a number, or moves with an exponent.
    """
    specs = sides.law.parameters
    keys = [key for key, spec in specs.items() if spec.role in WITH_UNIT]
    values = [sides.normalized(z) for z in points]
    solved = [_solved_powers(sides, at, keys) for at in values]
    names = [key for key, spec in specs.items() if spec.role == "exponent"]
    following: list[Power] = [form + name for name in names for form in ("", "-", "1/", "-1/")]
    powers: dict[str, Power] = {}
    for k, key in enumerate(keys):
        for power in (*NUMBERS, *following):
            target = np.array([float(power_at(power, at)) for at in values])
            reached = np.array([u[k] for u in solved])
            if (np.abs(reached - target) < 1e-4 * (1 + np.abs(target))).all():
                powers[key] = power
                break
        else:
            return {}
    return {key: power for key, power in powers.items() if power != specs[key].units}


def _solved_powers(sides: Sides, at: dict[str, Any], keys: list[str]) -> np.ndarray:
    """Return the powers u [K] of Euler's relation at one point; NaN where they are not unique."""
    loss = sides.formula(at)
    columns = []
    for key in keys:
        up, down = (sides.formula({**at, key: at[key] * (1 + h)}) for h in (STEP, -STEP))
        columns.append((up - down) / (2 * STEP) / loss)
    matrix = np.column_stack([np.zeros_like(loss), *columns])[:, 1:]
    if not np.isfinite(matrix).all():
        return np.full(len(keys), np.nan)
    solution, _, rank, _ = np.linalg.lstsq(matrix, np.ones_like(loss), rcond=1e-9)
    return solution if rank == len(keys) else np.full(len(keys), np.nan)
