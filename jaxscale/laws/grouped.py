"""Families of runs that share a law: one formula, some of whose parameters each family has anew.

`Grouped(law, by, own)` is what a person asks for. Once the labels of the runs are known, it becomes
a law like any other: a class whose fields are the shared parameters and one field per own parameter
and family (`E_c4`, `E_rpj`), which reads the inputs of the law and a code that says the family. So
everything that takes a law takes it, and `law["c4"]` is the plain law of one family.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.positive import power
from jaxscale.errors import LawError
from jaxscale.laws import CATALOGUE
from jaxscale.laws.group_quantities import derived_docs_of, derived_of, parameters_of
from jaxscale.laws.law import Law, Scalar
from jaxscale.laws.names import law_given
from jaxscale.laws.parameters import Parameter, Power, exponent_of
from jaxscale.text import listing, short

FAMILY = "family"
"""The input that says which family a run belongs to, by a code: 0 for the first label."""


@dataclasses.dataclass(frozen=True)
class Grouped:
    """A law whose runs fall into families that share all of its parameters but some.

    `fit(Grouped(Chinchilla, by="corpus", own=("E", "A", "B")), runs)` fits one alpha and one beta
    to all corpora, and E, A and B to each (fixed effects). With `pool`, the logarithms of a
    positive own parameter (the values, of one of either sign) are taken for draws from a normal
    distribution around a common mean, whose width is estimated: families of few runs lean on the
    others (partial pooling; `fitting.pooling`).

    Laws that are published with factors per group are of this form. The optimizer factors of a
    Chinchilla law, L = E + A (rho_N N)^-alpha + B (rho_D D)^-beta with rho = 1 for an optimizer of
    reference, are own A and B: A_g = A rho_N^-alpha. What follows is derived: `rho_D_muon` is
    (B_muon / B_reference)^(-1/beta), how many tokens of the reference one token is worth, and the
    reference is the family of the first row.

    Args:
        law: the law, its class or its name; parameters with a value are fixed for all families.
        by: name of the column of labels, or "group" for that of the runs.
        own: names of the parameters that each family has for itself.
        pool: True for partial pooling; or the width of the prior, a standard deviation of
            logarithms, where it is known.

    Raises:
        ValueError: the law has no such parameter, none is own, or one is fixed.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Grouped("Chinchilla", by="group", own=("E",))
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit(law, runs, starts=64)
        >>> print(*fit.law.parameters)
        E_rectangle E_wsd E_repeat E_isoflop A B alpha beta
    """

    law: Law
    by: str = "group"
    own: tuple[str, ...] = ()
    pool: bool | float = False

    def __post_init__(self) -> None:
        law = law_given(self.law)
        own = (self.own,) if isinstance(self.own, str) else tuple(self.own)
        object.__setattr__(self, "law", law)
        object.__setattr__(self, "own", tuple(name for name in law.parameters if name in own))
        called = type(law).__name__
        free = f"its free parameters are {', '.join(law.free)}"
        if isinstance(law, FamilyLaw):
            raise ValueError(f"{called} has families already; give the law of one of them")
        for name in own:
            if name not in law.parameters:
                raise ValueError(f"own={short(name)}: {called} has no such parameter; {free}")
            if name not in law.free:
                raise ValueError(
                    f"own={name!r}: {name} of {called} is fixed, and so the same for all; {free}"
                )
        if not own:
            raise ValueError(f"own= is empty: say what each family has for itself; {free}")
        for name, spec in law.parameters.items():
            powers = (spec.units, *(power for _, power in (*spec.per, *spec.shift)))
            follows = {exponent_of(power) for power in powers} & set(own)
            if name not in own and follows:
                raise ValueError(
                    f"own={', '.join(own)}: the unit of {name} follows {follows.pop()}, so one "
                    f"{name} for all families means nothing; make {name} own as well"
                )
        if FAMILY in law.inputs:
            raise ValueError(f"{called} has an input {FAMILY!r} already, which families need")
        width = self.pool
        if not isinstance(width, bool) and not 0 < width < float("inf"):
            raise ValueError(f"pool is True, or the width of the prior, positive, got {width!r}")

    def over(self, labels: Sequence[str]) -> FamilyLaw:
        """Return the law of families with these labels, shared parameters fixed as here.

        Args:
            labels: names of the families, in the order of their first rows.

        Raises:
            ValueError: there are fewer than two, or one comes twice.

        Example:
            >>> import jaxscale
            >>> law = jaxscale.Grouped("Chinchilla", by="corpus", own=("E",))
            >>> law.over(["web", "code"]).free
            ('E_web', 'E_code', 'A', 'B', 'alpha', 'beta')
        """
        labels = tuple(labels)
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError(f"families need two labels or more, each once, got {listing(labels)}")
        base: Any = type(self.law)
        cls = _made(base, self.by, self.own, labels, self.pool)
        statics = {name: getattr(self.law, name) for name in _statics(type(self.law))}
        return cls(**self.law.fixed, **statics)


class FamilyLaw(Law):
    """Base of the laws that `Grouped.over` makes; not a law by itself.

    Attributes:
        base: class of the law of one family.
        by: how the source of the labels is called.
        own: names of the own parameters, in the base.
        labels: of the families; the code of a family is its place.
        names: by own parameter, its name in every family.
        pooled: whether own parameters lean on each other; or the width of the prior.
    """

    base: ClassVar[type[Law]] = Law
    by: ClassVar[str] = "group"
    own: ClassVar[tuple[str, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ()
    names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    pooled: ClassVar[bool | float] = False

    def __getitem__(self, label: str) -> Law:
        """Return the law of one family.

        Raises:
            ValueError: there is no such family.
        """
        code = self.code(label)
        return self._law({name: getattr(self, fields[code]) for name, fields in self.names.items()})

    @classmethod
    def code(cls, label: str) -> int:
        """Return the place of a label.

        Raises:
            ValueError: there is no such family.
        """
        if label not in cls.labels:
            raise ValueError(f"no family {short(label)}; there are {listing(cls.labels)}")
        return cls.labels.index(label)

    @classmethod
    def field(cls, name: str, label: str) -> str:
        """Return what a parameter of the base is called here, for one family."""
        return cls.names[name][cls.code(label)] if name in cls.names else name

    def at(self, code: Any) -> Law:
        """Return the law whose own parameters are those of the families of `code` [n], arrays."""
        return self._law({
            name: _chosen([getattr(self, field) for field in fields], code)
            for name, fields in self.names.items()
        })  # fmt: skip

    def _law(self, own: Mapping[str, Any]) -> Law:
        kept = (*(name for name in self.parameters if name in parameters_of(self.base)),)
        kept = (*kept, *_statics(self.base))
        return self.base(**{name: getattr(self, name) for name in kept}, **own)

    def derived(self) -> dict[str, Any]:
        """Return what the base derives, of each family; and what coefficients are worth as inputs.

        `rho_D_c4` is by what factor D has to be multiplied in the first family to do what it does
        in c4, where a coefficient of D is own and its exponent shared.
        """
        each = {label: self[label].derived() for label in self.labels}
        found: dict[str, Any] = {}
        own_class: Any = type(self)
        for key, (name, label) in derived_of(own_class).items():
            if name.startswith("rho "):
                _, coefficient, exponent, _ = name.split(" ")
                fields = self.names[coefficient]
                ratio = getattr(self, fields[self.code(label)]) / getattr(self, fields[0])
                found[key] = power(ratio, -1 / getattr(self, exponent))
            else:
                found[key] = each[label][name]
        return found


def catalogued(law: Law) -> bool:
    """Return whether a formula is one of the catalogue, of families or not: tests have tried it."""
    cls = law.base if isinstance(law, FamilyLaw) else type(law)
    return CATALOGUE.has(cls)


def _chosen(values: Sequence[Any], code: Any) -> Any:
    """Return the value [n] of the family of every run; zero where there is none."""
    if all(isinstance(x, np.ndarray | np.generic | float | int) for x in (*values, code)):
        which = np.where(_known(code, len(values)), code, 0).astype(int)
        if all(np.ndim(x) == 0 for x in values):
            return np.stack(values)[which]
        found = values[0]  # samples of laws
        for k, value in enumerate(values[1:], 1):
            found = np.where(which == k, value, found)
        return found
    # Selected one by one: no gather, and a run has a slope in the parameters of its family alone.
    return sum(jnp.where(code == k, value, 0.0) for k, value in enumerate(values))


def _known(code: Any, count: int) -> Any:
    return (code >= 0) & (code < count) & (code == code // 1)


def _statics(cls: type[Law]) -> list[str]:
    """Return the names of what a class holds beside its parameters."""
    return [f.name for f in dataclasses.fields(cls) if f.metadata.get("static")]  # type: ignore[arg-type]


@functools.lru_cache(maxsize=256)
def _made(
    base: Any, by: str, own: tuple[str, ...], labels: tuple[str, ...], pooled: bool | float
) -> type[FamilyLaw]:
    """Return the class of a law over families; the same one for the same question."""
    known = parameters_of(base)
    names = _named(base, own, labels)
    fields: dict[str, Any] = {}
    for name, (spec, default) in known.items():
        if name not in own:
            fields[name] = dataclasses.field(default=default, metadata={"parameter": spec})
            continue
        if spec.role == "constant":
            raise LawError(f"own={name!r}: {name} of {base.__name__} is a constant")
        for code, label in enumerate(labels):
            mine = {key: names[key][code] for key in own}
            doc = f"{spec.doc}, {label}"
            own_spec = dataclasses.replace(spec, doc=doc, **_renamed(spec, mine))
            fields[names[name][code]] = dataclasses.field(metadata={"parameter": own_spec})
            fields[names[name][code]].default = None
    annotations: dict[str, Any] = dict.fromkeys(fields, Scalar)
    for field in dataclasses.fields(base):
        if field.metadata.get("static"):
            annotations[field.name] = field.type
            fields[field.name] = dataclasses.field(
                default=field.default, repr=field.repr, metadata=field.metadata
            )
    first, _, rest = base.about().partition("\n")
    each = f"{', '.join(own)} of every {by}" if len(own) < len(known) else f"all of every {by}"
    body = {
        "__annotations__": annotations,
        "__module__": __name__,
        "__doc__": f"{first.rstrip('.')}, with {each}.\n{rest}",
        "__call__": _formula(base),
        "base": base,
        "by": by,
        "own": own,
        "labels": labels,
        "names": names,
        "pooled": pooled,
        "input_kinds": {**base.input_kinds, FAMILY: "raw"},
        "response": base.response,
        **fields,
    }
    cls: Any = type(f"Grouped{base.__name__}", (FamilyLaw,), body)
    cls.derived_docs = derived_docs_of(cls)
    return cls  # type: ignore[no-any-return]


def _formula(base: type[Law]) -> Any:
    """Return `__call__` of a law over families, with the arguments of the base and the family."""

    def formula(self: Any, *arguments: Any) -> Any:
        *inputs, code = arguments
        found = self.at(code)(*inputs)
        xp: Any = np if isinstance(found, np.ndarray | np.generic) else jnp
        return xp.where(_known(code, len(self.labels)), found, np.nan)

    plain = list(inspect.signature(base.__call__).parameters.values())
    code = inspect.Parameter(FAMILY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    formula.__doc__ = f"Return {base.__name__} at the inputs, of the family of each run."
    formula.__signature__ = inspect.Signature([*plain, code])  # type: ignore[attr-defined]
    return formula


def _named(
    base: type[Law], own: tuple[str, ...], labels: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Return by own parameter its name in every family: identifiers, no two alike."""
    taken = {*dir(FamilyLaw), *parameters_of(base), *_statics(base)}
    slugs = []
    for label in labels:
        text = unicodedata.normalize("NFKC", label)
        plain = "".join(c if f"_{c}".isidentifier() else "_" for c in text) or "_"
        slug, copy = plain, 1
        while any(f"{name}_{slug}" in taken for name in own):
            copy += 1
            slug = f"{plain}_{copy}"
        taken |= {f"{name}_{slug}" for name in own}
        slugs.append(slug)
    return {name: tuple(f"{name}_{slug}" for slug in slugs) for name in own}


def _renamed(spec: Parameter, mine: Mapping[str, str]) -> dict[str, Any]:
    """Return units and shift of a specification whose powers follow the family's own exponents."""

    def follow(given: Power) -> Power:
        name = exponent_of(given)
        if not isinstance(given, str) or name is None or name not in mine:
            return given
        return given.removesuffix(name) + mine[name]

    return {
        "units": follow(spec.units),
        "per": tuple((key, follow(given)) for key, given in spec.per),
        "shift": tuple((key, str(follow(source))) for key, source in spec.shift),
    }
