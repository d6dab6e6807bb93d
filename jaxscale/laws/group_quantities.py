"""What follows from the parameters of a law over families: of each family, or of all at once.

A derived quantity is there for every family where own parameters move it, and once where it is of
shared ones. An own coefficient of an input whose exponent is shared has a worth beside: by what
factor the input has to be multiplied in the first family to do what it does in another.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.laws.law import Law
from jaxscale.laws.parameters import Parameter


def parameters_of(cls: type[Law]) -> dict[str, Any]:
    """Return the parameters of a class by name: (specification as declared, default)."""
    return {
        field.name: (field.metadata["parameter"], field.default)
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if "parameter" in field.metadata
    }


@functools.lru_cache(maxsize=256)
def derived_of(cls: Any) -> dict[str, tuple[str, str]]:
    """Return by derived name (what it is of the base, the family whose law says it).

    What follows from shared parameters alone is there once. "rho A alpha N" is the worth of N.
    """
    base, found = cls.base, dict[str, tuple[str, str]]()
    specs = parameters_of(base)
    slugs = [name[len(cls.own[0]) + 1 :] for name in cls.names[cls.own[0]]]
    for name in base.derived_docs:
        if _moves(base, name, cls.own):
            found |= {
                f"{name}_{slug}": (name, label)
                for slug, label in zip(slugs, cls.labels, strict=True)
            }
        else:
            found[name] = (name, cls.labels[0])
    for name in cls.own:
        spec: Parameter = specs[name][0]
        for key, given in spec.per:
            own = spec.role == "coefficient" and spec.positive
            shared = isinstance(given, str) and given in specs and given not in cls.own
            if own and shared and _stands_for(base, name, key, str(given)):
                found |= {
                    f"rho_{key}_{slug}": (f"rho {name} {given} {key}", label)
                    for slug, label in zip(slugs[1:], cls.labels[1:], strict=True)
                }
    return found


def _moves(base: type[Law], name: str, own: tuple[str, ...]) -> bool:
    """Return whether a derived quantity depends on an own parameter."""
    rng = np.random.default_rng(0)
    values = {key: rng.uniform(0.3, 0.9) for key in parameters_of(base)}
    other = {key: rng.uniform(0.3, 0.9) if key in own else x for key, x in values.items()}
    law = base()
    try:
        with np.errstate(all="ignore"):
            one, two = (
                float(law.replace(**{k: np.float64(x) for k, x in v.items()}).derived()[name])
                for v in (values, other)
            )
    except (TypeError, ValueError, ArithmeticError):
        return True
    return one != two


def _stands_for(base: type[Law], name: str, key: str, exponent: str) -> bool:
    """Return whether another coefficient is the same as another multiple of an input.

    Args:
        base: the law of one family.
        name: of the coefficient.
        key: of the input.
        exponent: of the input in the coefficient's unit.
    """
    rng = np.random.default_rng(0)
    law: Any = base()
    values = {each: np.float64(rng.uniform(0.3, 0.9)) for each in parameters_of(base)}
    inputs = {each: np.exp(rng.uniform(-4, 4, 32)) for each in law.inputs}
    more = {**values, name: 1.5 * values[name]}
    moved = {**inputs, key: inputs[key] * 1.5 ** (-1 / values[exponent])}
    try:
        with scope(np.float64), np.errstate(all="ignore"):
            one = np.asarray(law.replace(**more)(*inputs.values()))
            two = np.asarray(law.replace(**values)(*moved.values()))
    except (TypeError, ValueError, ArithmeticError, KeyError):
        return False
    alike = np.isclose(one, two, rtol=1e-9, atol=0, equal_nan=True)
    return bool(alike.all() and np.isfinite(one).any())


def derived_docs_of(cls: Any) -> dict[str, str]:
    """Return by derived name what it means, in a few words."""
    docs = {}
    for key, (name, label) in derived_of(cls).items():
        if name.startswith("rho "):
            docs[key] = f"worth of {name.split(' ')[3]} in {label}, in that of {cls.labels[0]}"
        else:
            own = key != name
            docs[key] = cls.base.derived_docs[name] + (f", {label}" if own else "")
    return docs
