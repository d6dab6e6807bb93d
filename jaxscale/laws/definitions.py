"""What the class of a law says of its inputs, response and parameters, and what it may not say.

A law is held to its definition where the class is made, so that a slip is met there, by the name of
the class and the field, and not in a fit.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jaxscale.errors import LawError
from jaxscale.laws.parameters import Parameter

KINDS = ("positive", "signed", "raw")
"""What an input may be; see `Law.input_kinds`."""
RESPONSES = ("loss", "log")
"""What a formula may give: the loss, or its logarithm."""


@functools.lru_cache(maxsize=512)  # asked for some twenty times in a fit
def arguments_of(formula: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a formula, that of the law left out."""
    return tuple(inspect.signature(formula).parameters)[1:]


@functools.lru_cache(maxsize=512)
def specifications(cls: Any, of: str) -> tuple[tuple[str, Parameter], ...]:
    """Return (name, specification) of every parameter, with `of` in the place of S."""
    specs = []
    for field in dataclasses.fields(cls):
        spec = field.metadata.get("parameter")
        if spec is not None:
            per = tuple((of if k == "S" else k, p) for k, p in spec.per)
            shift = tuple((of if k == "S" else k, p) for k, p in spec.shift)
            spec = dataclasses.replace(spec, per=per, shift=shift)
            specs.append((field.name, _of_logarithm(spec) if cls.response == "log" else spec))
    return tuple(specs)


def _of_logarithm(spec: Parameter) -> Parameter:
    """Return what a declaration means in a formula of log(loss).

    The logarithm has no unit: a change of the loss's unit moves the offset and leaves coefficients
    as they are. The loss is affine in none of them.
    """
    additive = spec.role in ("offset", "coefficient") and spec.units == 1
    return dataclasses.replace(
        spec,
        linear=False,
        units=0 if additive else spec.units,
        shifts_with_loss=additive and spec.role == "offset",
    )


def require_declared(cls: type, base: type) -> None:
    """Raise for a field of a law that says neither what it is nor that it is static.

    Raises:
        LawError: there is one, or it is called as what every law has from the base.
    """
    annotated = inspect.get_annotations(cls)
    formula = vars(cls).get("__call__", lambda self: None)
    for argument in list(inspect.signature(formula).parameters.values())[1:]:
        if argument.kind is not argument.POSITIONAL_OR_KEYWORD:
            raise LawError(
                f"{cls.__name__}.__call__: {argument.name} is to be a plain argument; the inputs "
                "are those of `def __call__(self, N, D)`"
            )
    for name, value in vars(cls).items():
        if isinstance(value, dataclasses.Field) and name not in annotated:
            raise LawError(f"{cls.__name__}.{name} has no type; write {name}: Scalar = ...")
    for name, kind in annotated.items():
        field = vars(cls).get(name)
        said = field.metadata.keys() if isinstance(field, dataclasses.Field) else ()
        if "parameter" in said and name in vars(base):
            raise LawError(
                f"{cls.__name__}.{name}: every law has an attribute {name}; call the parameter "
                "otherwise"
            )
        if "ClassVar" not in str(kind) and not {"parameter", "static"} & set(said):
            raise LawError(
                f"{cls.__name__}.{name} does not say what it is; declare a parameter as "
                f"{name}: Scalar = coefficient('...'), offset, exponent or scale, a number with a "
                f"unit as {name}: Scalar = constant(...), and any other constant as "
                f"{name}: ClassVar[float] = ..."
            )


def require_described(cls: Any, base: Any) -> None:
    """Raise for inputs or a response that are described as no formula can have them.

    A law that has the formula of the base has none yet.

    Raises:
        LawError: there are such, or a parameter is declared as the response cannot have it.
    """
    if cls.response not in RESPONSES:
        raise LawError(
            f"{cls.__name__}.response is {cls.response!r}; a formula gives one of "
            f"{', '.join(map(repr, RESPONSES))} (log: the logarithm of the loss)"
        )
    if not isinstance(cls.input_kinds, Mapping):
        raise LawError(f"{cls.__name__}.input_kinds is {cls.input_kinds!r}; write dict(x='signed')")
    for name, kind in cls.input_kinds.items():
        if kind not in KINDS:
            raise LawError(
                f"{cls.__name__}: the input {name} is of the kind {kind!r}; there are "
                f"{', '.join(map(repr, KINDS))}"
            )
        known = () if cls.__call__ is base.__call__ else arguments_of(cls.__call__)
        if known and name not in known:
            why = "; the column `of` is its argument S" if "S" in known else ""
            raise LawError(
                f"{cls.__name__}.input_kinds names {name!r}, which is no argument of the formula; "
                f"those are {', '.join(known)}{why}"
            )
    for name, spec in specifications(cls, "S"):
        if spec.shifts_with_loss and spec.positive:
            raise LawError(
                f"{cls.__name__}.{name}: the logarithm of a loss has either sign; declare it with "
                "offset(..., positive=False)"
            )
