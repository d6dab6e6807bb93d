"""The base class of every scaling law, the built-in ones and the user's alike.

A law is a frozen dataclass: its fields are the parameters, its `__call__` is the formula, the
argument names of `__call__` are the inputs it reads from the runs. A field left `None` is free;
a given value is fixed. Subclassing is all it takes: the subclass becomes a dataclass and a JAX
pytree by itself. A law holds no data and fits nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, dataclass_transform, runtime_checkable

import jax
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale._numerics.pytree import pytree
from jaxscale.errors import LawError
from jaxscale.flops import complete
from jaxscale.laws.parameters import Parameter

Scalar = Any
"""A parameter: None while free, else a float or an array (leading axes make a sample of laws)."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """Published parameter values with their source."""

    source: str
    values: Mapping[str, float]
    note: str = ""


@functools.lru_cache(maxsize=512)  # asked for some twenty times in a fit
def _arguments(formula: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(formula).parameters)[1:]


@functools.lru_cache(maxsize=512)
def _specifications(cls: Any, of: str) -> tuple[tuple[str, Parameter], ...]:
    """Return (name, specification) of every parameter, with `of` in the place of S."""
    specs = []
    for field in dataclasses.fields(cls):
        spec = field.metadata.get("parameter")
        if spec is not None:
            per = tuple((of if k == "S" else k, p) for k, p in spec.per)
            shift = tuple((of if k == "S" else k, p) for k, p in spec.shift)
            specs.append((field.name, dataclasses.replace(spec, per=per, shift=shift)))
    return tuple(specs)


def _declared(cls: type) -> None:
    """Raise for a field that says neither what it is nor that it is static."""
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
        if "ClassVar" not in str(kind) and not {"parameter", "static"} & set(said):
            raise LawError(
                f"{cls.__name__}.{name} does not say what it is; declare a parameter as "
                f"{name}: Scalar = coefficient('...'), offset, exponent or scale, and a constant "
                f"as {name}: ClassVar[float] = ..."
            )


@dataclass_transform(frozen_default=True)
class Law:
    """Base of all laws: declare fields, write `__call__`, add a docstring with the source.

    Example:
        class Mine(Law):
            '''L(N) = E + A N^-alpha.'''

            E: Scalar = offset("irreducible loss")
            A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
            alpha: Scalar = exponent("model-size exponent")

            def __call__(self, N):
                return self.E + self.A * power(N, -self.alpha)
    """

    presets: ClassVar[dict[str, Preset]] = {}
    derived_docs: ClassVar[dict[str, str]] = {}
    """What each derived quantity means, in a few words."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _declared(cls)
        pytree(cls)

    def __call__(self, *inputs: Any) -> Any:
        """Return the law's prediction for broadcastable inputs, in raw counts."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of `__call__`.

        A law of one generic scale S with a static field `of` reads the column that it names.
        """
        names = _arguments(type(self).__call__)
        of = getattr(self, "of", None)
        return tuple(of if name == "S" and of else name for name in names)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Specification of every parameter, with the inputs' own names in its units."""
        cls: Any = type(self)
        return dict(_specifications(cls, getattr(self, "of", None) or "S"))

    @property
    def values(self) -> dict[str, Any]:
        """Value of every parameter; None where free."""
        return {name: getattr(self, name) for name in self.parameters}

    @property
    def fixed(self) -> dict[str, Any]:
        """Values of the fixed parameters."""
        return {name: value for name, value in self.values.items() if value is not None}

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(name for name, value in self.values.items() if value is None)

    def replace(self, **values: Any) -> Self:
        """Return the law with some fields changed.

        Raises:
            ValueError: a name is not a field of the law.
        """
        known = {f.name for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no parameter {unknown[0]!r}; it has "
                f"{', '.join(self.parameters)}"
            )
        return dataclasses.replace(self, **values)  # type: ignore[type-var]

    def derived(self) -> dict[str, Any]:
        """Return the quantities that papers quote and that follow from the parameters."""
        return {}

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the law at published values; the source is in `presets[name]`.

        Raises:
            ValueError: there is no such preset.
        """
        if name not in cls.presets:
            known = ", ".join(cls.presets) or "none"
            raise ValueError(f"{cls.__name__} has no preset {name!r}; it has: {known}")
        return cls(**cls.presets[name].values)

    @classmethod
    def formula(cls) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0].rstrip(".")


@runtime_checkable
class Fitted(Protocol):
    """What has a law, such as a fit: it is taken wherever a law is."""

    @property
    def law(self) -> Law:
        """The law."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why not to trust it; empty if nothing speaks against it."""


def law_of(source: Law | Fitted) -> Law:
    """Return a law, or that of a fit.

    Raises:
        TypeError: it is neither.
    """
    law = source.law if isinstance(source, Fitted) else source
    if not isinstance(law, Law):
        raise TypeError(
            f"expected a law such as Chinchilla.preset('hoffmann_2022'), or a fit, got "
            f"{type(source).__name__}"
        )
    return law


def predict(law: Law | Fitted, **inputs: Any) -> Any:
    """Evaluate a law at named inputs.

    Args:
        law: a law without free parameters, or a fit; leaves may have a leading sample axis, then
            map over it with `jax.vmap`.
        **inputs: one array per input of the law, broadcastable, in raw counts (N parameters,
            D tokens, C FLOPs). A law of N and D takes any two of N, D, C (C = 6 N D, or the
            law's own `flops`).

    Returns:
        The predicted loss, in the units of the runs: NumPy float64, or a tracer under `jit`,
        `vmap` or `grad`, in the dtype of the inputs.

    Raises:
        ValueError: an input is missing or unknown, or a parameter is still free.
    """
    law = law_of(law)
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
    if {"N", "D"} <= set(law.inputs) and "C" in inputs and len(inputs.keys() & set("NDC")) == 2:
        known = {name: inputs.pop(name, None) for name in "NDC"}
        inputs["N"], inputs["D"], _ = complete(**known, flops=getattr(law, "flops", None))
    missing = [name for name in law.inputs if name not in inputs]
    extra = [name for name in inputs if name not in law.inputs]
    if missing or extra:
        raise ValueError(
            f"{type(law).__name__} takes {', '.join(law.inputs)}"
            + (f"; missing {', '.join(missing)}" if missing else "")
            + (f"; unknown {', '.join(extra)}" if extra else "")
        )
    arguments = [inputs[name] for name in law.inputs]
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((law, arguments))):
        return law(*arguments)
    # Concrete values are worked out in float64 whatever the global flag says.
    with scope(np.float64):
        wide = [np.asarray(x, float) for x in arguments]
        return np.asarray(jax.device_get(law(*wide)), float)[()]


def derived(law: Law) -> dict[str, float]:
    """Return the derived quantities of a fitted law as floats, worked out in float64."""
    with scope(np.float64):
        values = law.replace(**{k: np.asarray(v, float) for k, v in law.values.items()}).derived()
        return {name: float(value) for name, value in values.items()}
