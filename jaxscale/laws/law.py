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
import keyword
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Self, dataclass_transform

from jaxscale._numerics.positive import exp
from jaxscale._numerics.pytree import pytree, static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.closed_form import Sum
from jaxscale.laws.definitions import (
    arguments_of,
    require_declared,
    require_described,
    specifications,
)
from jaxscale.laws.equality import ByValue
from jaxscale.laws.parameters import Parameter
from jaxscale.laws.written import Written

Scalar = Any
"""A parameter: None while free, else a float or an array (leading axes make a sample of laws)."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """Published parameter values with their source."""

    source: str
    values: Mapping[str, float]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Example:
    """Plausible values and inputs of a law: what its tests, simulated runs and pictures are of.

    Attributes:
        values: of every parameter that is no constant.
        inputs: range of each input, positive ones evenly by their logarithms; those of `RANGES`
            need not be said.
        arguments: of a law with arguments, e.g. ("2",) for `BrokenPower[2]`.
    """

    values: Mapping[str, float]
    inputs: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Origin:
    """The plain function that a law was made of.

    Attributes:
        function: as it was given.
        unknown: gives a sentence on what cannot be known of it, beside what a fit says of it: of
            (names that it holds or bounds, names whose sign it says).
        bounds: (name, (low, high)) that were given for its parameters, in the units of the runs.
    """

    function: Callable[..., Any]
    unknown: Callable[[Collection[str], Collection[str]], str]
    bounds: tuple[tuple[str, tuple[float, float]], ...] = ()


RANGES = dict(N=(1e7, 1e10), D=(1e8, 1e11), C=(1e18, 1e22), S=(1e7, 1e10))
"""Inputs of an `Example` that does not say others."""


def plain_name(text: str) -> bool:
    """Return whether a text is a name in Python, as Python itself would write it, and not long."""
    own = text.isidentifier() and not keyword.iskeyword(text) and len(text) <= 80
    return own and unicodedata.normalize("NFKC", text) == text


def _chosen_flops(cls: type) -> None:
    """Make `flops = SixND(7)` of a class the default of its field: else the base's would win."""
    model = vars(cls).get("flops")
    annotations = inspect.get_annotations(cls)
    if model is None or "flops" in annotations or cls.__name__ == "Law":
        return
    cls.__annotations__ = {**annotations, "flops": Any}
    cls.flops = static(default=model)  # type: ignore[attr-defined]


def _owner(cls: type, name: str) -> int:
    """Return how far up the class stands that defines an attribute; 0 is the class itself."""
    return next(k for k, base in enumerate(cls.__mro__) if name in vars(base))


@functools.lru_cache(maxsize=256)
def _made(cls: Any, arguments: tuple[str, ...]) -> type[Law]:
    body = {"__module__": cls.__module__, "__doc__": cls.__doc__, **cls.variant(*arguments)}
    return type(f"{cls.__name__}[{','.join(arguments)}]", (cls,), body)


def made(cls: Any, arguments: tuple[str, ...]) -> type[Law]:
    """Return the law `cls[arguments]`, the same class every time."""
    return _made(cls, arguments)


@dataclass_transform(frozen_default=True, eq_default=False)
class Law(ByValue, Written):
    """Base of all laws: declare fields, write `__call__`, add a docstring with the source.

    What a formula means by its inputs and its result is said by `input_kinds` and `response`: the
    inputs may be zero, negative or mere codes, and the result the logarithm of the loss.

    Example:
        >>> import jaxscale
        >>> from jaxscale import Scalar, coefficient, exponent, offset, power
        >>> class Mine(jaxscale.Law):
        ...     '''L(N) = E + A N^-alpha.'''
        ...
        ...     E: Scalar = offset("irreducible loss")
        ...     A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
        ...     alpha: Scalar = exponent("model-size exponent")
        ...
        ...     def __call__(self, N):
        ...         return self.E + self.A * power(N, -self.alpha)
        ...
        ...     def closed_form(self):  # optional
        ...         return jaxscale.Sum(self.E, (jaxscale.Term("N", self.A, self.alpha),))
        >>> round(float(jaxscale.predict(Mine(E=1.7, A=400.0, alpha=0.34), N=1e9)), 2)
        2.05

        A law of inputs of either sign and of codes, which gives the logarithm:

        >>> import jax.numpy as jnp
        >>> class Breakdown(jaxscale.Law):
        ...     '''log y(t, T, kind) = b1 - b2 t exp(-b3 T) + b4 [kind = 2].'''
        ...
        ...     b1: Scalar = offset("log y of kind 1 at t = 0", positive=False)
        ...     b2: Scalar = coefficient("rate of ageing", per=dict(t=-1))
        ...     b3: Scalar = jaxscale.scale("of temperature", per=dict(T=-1), positive=False)
        ...     b4: Scalar = coefficient("how kind 2 differs", positive=False)
        ...     input_kinds = dict(T="signed", kind="raw")
        ...     response = "log"
        ...
        ...     def __call__(self, t, T, kind):
        ...         ageing = self.b2 * t * jnp.exp(-self.b3 * T)
        ...         return self.b1 - ageing + jnp.where(kind == 2, self.b4, 0.0)
        >>> Breakdown().kinds
        {'t': 'positive', 'T': 'signed', 'kind': 'raw'}
    """

    presets: ClassVar[dict[str, Preset]] = {}
    example: ClassVar[Example | None] = None
    """Plausible values; every law of the catalogue has them."""
    derived_docs: ClassVar[dict[str, str]] = {}
    """What each derived quantity means, in a few words."""
    input_kinds: ClassVar[Mapping[str, str]] = {}
    """Per argument of the formula that is not "positive", its kind.

    "positive": a positive scale; a fit divides it by its geometric mean and carries its logarithm.
    "signed": zero, or of either sign; divided by its root mean square. "raw": used as it is, a
    code, a sign, a dropout rate, a log-ratio; it has no unit, and may be compared with ==.
    """
    shares: ClassVar[tuple[str, ...]] = ()
    """Inputs that are shares of a whole: 0 to 1, and they add up to one in every run."""
    response: ClassVar[str] = "loss"
    """What the formula gives: "loss", or "log" for the logarithm of the loss.

    Fits, predictions and decisions are of the loss itself in either case. The logarithm of a loss
    has no unit: an `offset` moves with the loss's unit, a `coefficient` has the units `per=` alone,
    and what has the loss's own unit, E in log(E + A x^-a), is a `scale(..., units=1)`.
    """
    turns: ClassVar[bool] = False
    """Whether it may rise with N and D, as an accuracy does: throughout, by its parameters."""
    origin: ClassVar[Origin | None] = None
    """The plain function that `law_of` made the law of."""
    flops: Flops = SIX_ND
    """FLOPs model that ties N, D and C; a law may have it as a static field."""
    of: str | None = None
    """Column that is the scale S of a law of one scale, which has it as a static field."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _chosen_flops(cls)
        require_declared(cls, Law)
        pytree(cls)
        require_described(cls, Law)
        # Another formula is another closed form: none, unless the class declares its own.
        if min(_owner(cls, "__call__"), _owner(cls, "response")) < _owner(cls, "closed_form"):
            cls.closed_form = Law.closed_form  # type: ignore[method-assign]

    def __class_getitem__(cls, arguments: str | int | tuple[str | int, ...]) -> type[Law]:
        """Return the law of some arguments, one class for each: `BrokenPower[2]`.

        Raises:
            ValueError: it takes none, or not these.
        """
        given = arguments if isinstance(arguments, tuple) else (arguments,)
        return made(cls, tuple(str(one).strip() for one in given))

    @classmethod
    def usual(cls) -> type[Law]:
        """Return the class itself, or that of its example where it takes arguments."""
        return made(cls, cls.example.arguments) if cls.example and cls.example.arguments else cls

    @classmethod
    def variant(cls, *arguments: str) -> dict[str, Any]:
        """Return what the class body of `cls[arguments]` holds beside that of `cls`.

        Args:
            *arguments: what stands in the brackets, as text.

        Raises:
            ValueError: the law takes no such arguments. They may come from a file of a fit: what is
                too long or no name is refused.
        """
        raise ValueError(f"{cls.__name__} takes no arguments in brackets")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return the formula at broadcastable inputs, in raw counts: the law's `response`.

        Args:
            *inputs: the inputs in the order of `inputs`, of shapes that broadcast.
            **named: inputs by their names.
        """
        raise NotImplementedError

    def loss(self, *inputs: Any) -> Any:
        """Return the predicted loss at broadcastable inputs, in raw counts.

        Args:
            *inputs: the inputs in the order of `inputs`, of shapes that broadcast.
        """
        given = self(*inputs)
        return exp(given) if self.response == "log" else given

    def closed_form(self) -> Sum | None:
        """Return the loss as a sum of powers; None for a law that is none, or does not say so.

        A subclass that inherits the formula inherits this; one with a formula of its own has to
        declare its own. A fit holds it against the formula.
        """
        return None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of `__call__`.

        A law of one generic scale S with a static field `of` reads the column that it names.
        """
        names = arguments_of(type(self).__call__)
        return tuple(self.of if name == "S" and self.of else name for name in names)

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of every input: "positive", "signed" or "raw"."""
        kinds = type(self).input_kinds.items()
        named = {self.of if name == "S" and self.of else name: kind for name, kind in kinds}
        return {name: named.get(name, "positive") for name in self.inputs}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Specification of every parameter, with the inputs' own names in its units."""
        cls: Any = type(self)
        return dict(specifications(cls, self.of or "S"))

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

        Args:
            **values: fields by name; None frees a parameter.

        Raises:
            ValueError: a name is not a field of the law.

        Example:
            >>> import jaxscale
            >>> jaxscale.Chinchilla().replace(alpha=0.34, beta=0.28).free
            ('E', 'A', 'B')
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

        Args:
            name: one of the keys of `presets`, such as "hoffmann_2022".

        Raises:
            ValueError: there is no such preset.

        Example:
            >>> import jaxscale
            >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
            >>> law.E, law.alpha
            (1.6933736809989528, 0.33917084)
        """
        if name not in cls.presets:
            known = ", ".join(cls.presets) or "none"
            raise ValueError(f"{cls.__name__} has no preset {name!r}; it has: {known}")
        return cls(**cls.presets[name].values)

    @classmethod
    def formula(cls) -> str:
        """Return the first line of the docstring, or L of the inputs where there is none."""
        first = cls.about().split("\n", 1)[0].rstrip(".")
        return first or f"L({', '.join(arguments_of(cls.__call__))})"

    @classmethod
    def about(cls) -> str:
        """Return the docstring but its example; what `dataclass` makes up without one is none."""
        text = (inspect.getdoc(cls) or "").split("\n\nExample:\n")[0]
        made_up = f"{cls.__name__}{inspect.signature(cls)}".replace(" -> None", "")
        return "" if text.split() == made_up.split() else text
