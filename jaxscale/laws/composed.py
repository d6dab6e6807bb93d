"""A law of a law: accuracy(loss(N, D)), both fitted as one."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import jax.numpy as jnp

from jaxscale.laws.catalogue import CATALOGUE
from jaxscale.laws.law import Example, Law, plain_name
from jaxscale.laws.parameters import Parameter, constant, exponent_of

UNIT = "1, in the unit of what the inner law gives"


def _renamed(spec: Parameter, names: dict[str, str], read: str) -> Parameter:
    """Return a parameter of the outer law under the names that it has in the chain.

    Args:
        spec: as the outer law declares it.
        names: of the outer law's parameters, by those that it gives them.
        read: its input that the inner law gives, a number without a unit in the chain.
    """

    def power(given: Any) -> Any:
        own = exponent_of(given)
        return given if own is None else given.removesuffix(own) + names[own]

    per, shift = (
        tuple((name, power(p)) for name, p in pairs if name != read)
        for pairs in (spec.per, spec.shift)
    )
    return dataclasses.replace(spec, units=power(spec.units), per=per, shift=shift)


class Composed(Law):
    """L(x) = outer(inner(x)), as Composed[OUTER,INNER] or Composed[OUTER,INNER,STAGE].

    OUTER and INNER are laws of the catalogue; the first input of OUTER is what INNER gives:
    `Composed[ErrorFromLoss,Chinchilla]` is the error in N and D. It has the parameters of both, and
    those of the outer are called `outer_...` where both have one of that name. Runs of the outer
    response alone leave some of them open: hold the inner ones at a preset or at a fit of their
    own, `Composed["ErrorFromLoss", "Chinchilla"](**fit.law.values)`.

    With STAGE both are fitted to one table of both: an input of that name which is 0 where a row
    measured what INNER gives, and 1 where it measured what OUTER gives. All parameters are then
    determined by what they are of, and errors carry over from one to the other.

    Units: as those of both laws; what INNER gives enters OUTER over `unit`, a constant of 1.

    Known degeneracies: without STAGE, the scale and the offset of the inner law.

    Source: this project's specification; the chains of Bhagia et al. 2024, arXiv:2412.04403, and
    Gadre et al. 2024, arXiv:2403.08540.
    """

    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36, epsilon=0.85, k=2.1, gamma=0.75),
        dict(stage=(0.0, 1.0)),
        arguments=("ErrorFromLoss", "Chinchilla", "stage"),
    )

    @classmethod
    def variant(cls, *arguments: str) -> dict[str, Any]:
        """Return the fields and the formula of the chain of two laws."""
        if len(arguments) not in (2, 3) or not all(map(plain_name, arguments)):
            raise ValueError("write Composed[OUTER,INNER] or Composed[OUTER,INNER,STAGE]")
        unknown = [name for name in arguments[:2] if name not in CATALOGUE or name == cls.__name__]
        if unknown:
            raise ValueError(f"Composed: no law {unknown[0]!r} to chain; see `jaxscale laws`")
        return _body(CATALOGUE[arguments[0]], CATALOGUE[arguments[1]], *arguments[2:])


def _body(outer: type[Law], inner: type[Law], stage: str = "") -> dict[str, Any]:
    """Return the class body of a chain.

    Args:
        outer: the law of the first step's result.
        inner: the first step.
        stage: name of the input that says what a row measured; empty for none.

    Raises:
        ValueError: one of the laws cannot be chained.
    """
    for law in (outer, inner):
        if law.usual() is not law and law.__call__ is Law.__call__:
            raise ValueError(f"Composed: {law.__name__} takes arguments, which a chain cannot give")
    read, *others = _inputs(outer)
    given = _inputs(inner)
    clash = sorted({*others, stage} & set(given))
    if {outer.response, inner.response} != {"loss"} or clash or outer.input_kinds.get(read):
        raise ValueError(
            f"Composed: {outer.__name__} of {inner.__name__} cannot be: "
            + (f"both read {clash[0]}" if clash else "one gives or takes no loss, but a logarithm")
        )
    taken = {field.name: field for field in dataclasses.fields(inner)}  # type: ignore[arg-type]
    own = [f for f in dataclasses.fields(outer) if f.metadata.get("parameter")]  # type: ignore[arg-type]
    names = {f.name: f"outer_{f.name}" if f.name in taken else f.name for f in own}
    if stage in {"loss", "unit", *names.values(), *taken}:
        raise ValueError(f"Composed: the stage cannot be called {stage}, which is something else")
    inside = [name for name, field in taken.items() if field.metadata.get("parameter")]
    fields = {}
    for name, field in taken.items():
        said = dict(field.metadata)
        if name in inside:  # the outer law bends them
            said["parameter"] = dataclasses.replace(said["parameter"], linear=False)
        fields[name] = dataclasses.field(default=field.default, metadata=said, repr=field.repr)
    for field in own:
        said = {"parameter": _renamed(field.metadata["parameter"], names, read)}
        fields[names[field.name]] = dataclasses.field(default=field.default, metadata=said)
    arguments = [*given, *others, *([stage] if stage else [])]

    def formula(self: Any, *inputs: Any) -> Any:
        at = dict(zip(arguments, inputs, strict=True))
        first = inner(**{name: getattr(self, name) for name in inside})
        loss = first(*(at[name] for name in given))
        second = outer(**{name: getattr(self, names[name]) for name in names})
        found = second(loss / self.unit, *(at[name] for name in others))
        return jnp.where(at[stage] > 0.5, found, loss) if stage else found

    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    shown = [inspect.Parameter(name, plain) for name in ("self", *arguments)]
    formula.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    kinds = {**inner.input_kinds, **outer.input_kinds, **({stage: "raw"} if stage else {})}
    fields["unit"] = constant(1.0, units=1, doc=UNIT)
    return {
        "__annotations__": dict.fromkeys(fields, "Scalar"),
        "__call__": formula,
        "input_kinds": kinds,
        "turns": True,
        **fields,
    }


def _inputs(law: type[Law]) -> list[str]:
    return list(inspect.signature(law.__call__).parameters)[1:]
