"""Do the units of a law name what it has, and are the values it is held at numbers?"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from jaxscale.errors import LawError
from jaxscale.laws import Law
from jaxscale.laws.parameters import exponent_of
from jaxscale.text import short

POWER = re.compile(r"-?(1/)?[^\W\d]\w*")
"""A power that follows a parameter: name, -name, 1/name, -1/name."""


def check_names(law: Law) -> None:
    """Raise where a unit names an input or a parameter that the law does not have.

    Raises:
        LawError: naming the field.
    """
    for name, spec in law.parameters.items():
        called = f"{type(law).__name__}.{name}"
        if spec.role == "constant" and getattr(law, name) is None:
            raise LawError(f"{called} is a constant and was taken away; give it its value")
        _check_power(law, called, "the loss", spec.units)
        for key, _ in (*spec.per, *spec.shift):
            if key not in law.inputs:
                raise LawError(
                    f"{called} has a unit of {key!r}, which is no input of the law; "
                    f"its inputs are {', '.join(law.inputs)}"
                )
            kind = law.kinds[key]
            if kind == "raw":
                raise LawError(
                    f"{called} has a unit of {key}, which is raw: it is used as it is and has no "
                    f"unit. Leave {key} out of per= and shift=, or declare {key} as 'signed'"
                )
            if kind != "positive" and spec.role == "breakpoint":
                raise LawError(
                    f"{called} is a break of {key}, which is {kind}; breaks are looked for on the "
                    f"logarithm. Hold the break as scale(..., per=dict({key}=1), positive=False)"
                )
        for key, power in spec.per:
            _check_power(law, called, key, power)
        for key, power in spec.shift:
            if not isinstance(power, str) or "/" in power:
                raise LawError(
                    f"{called}: {power!r} is no power of {key}; shift= takes the name of a "
                    "coefficient, or -name"
                )
            _known(law, called, power)


def _check_power(law: Law, called: str, of: str, power: Any) -> None:
    """Raise where a power of a unit is neither a number nor follows an exponent of the law."""
    if isinstance(power, int | float | np.integer | np.floating) and np.isfinite(power):
        return
    if not isinstance(power, str) or not POWER.fullmatch(power):
        raise LawError(
            f"{called}: {power!r} is no power of {of}; give a number or the name of an exponent, "
            "'alpha', '-alpha', '1/alpha' or '-1/alpha'"
        )
    other = _known(law, called, power)
    if not law.parameters[other].dimensionless:
        raise LawError(
            f"{called} has a unit with the power {power!r}, which carries a unit itself; a power "
            "is a number or follows an exponent(...)"
        )


def _known(law: Law, called: str, power: str) -> str:
    """Return the name of the parameter that a power follows; raise where there is none."""
    other = exponent_of(power) or ""
    if other not in law.parameters:
        raise LawError(
            f"{called} has a unit with the power {other!r}, which is no parameter of the law; its "
            f"parameters are {', '.join(law.parameters)}"
        )
    return other


def check_held(law: Law) -> None:
    """Refuse values that a parameter cannot be held at.

    Raises:
        ValueError: one is no finite number.
    """
    for name, value in law.fixed.items():
        held = np.asarray(value)
        if held.ndim or held.dtype.kind not in "fiu" or not np.isfinite(held):
            raise ValueError(
                f"{type(law).__name__}: {name} is held at {short(value)}, which is no number"
            )
