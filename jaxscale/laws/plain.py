"""A plain function as a law.

A law says of each parameter which unit it has, whether it is positive and whether the loss is
affine in it; a function says nothing. So it is tried at random points (`probing`), what these prove
is declared, and the rest is left as it is: an input in whose unit the function does not come out
meets a constant 1 of its own unit, and the function sees the numbers of the runs.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from jaxscale._numerics.pytree import static
from jaxscale.errors import LawError
from jaxscale.laws.declaring import LOSS, Pair, declared, proven_of
from jaxscale.laws.definitions import KINDS
from jaxscale.laws.explained import explained
from jaxscale.laws.law import Law, Origin, plain_name
from jaxscale.laws.parameters import constant
from jaxscale.laws.probing import Probe
from jaxscale.text import listing, short

INPUTS = ("N", "D", "C", "S", "U", "x", "batch", "depth", "ratio", "steps", "width", "year")
"""Arguments that are inputs where nothing else is said: what the catalogue calls so."""


class Asked(NamedTuple):
    """What a person says of a function, hashable.

    Attributes:
        inputs: names of the arguments that are inputs.
        positive: names of the positive parameters.
        bounds: (name, range) in the units of the runs.
        start: (name, range) of random starts, in the units of the runs.
        kinds: (input, kind).
        name: of the law.
    """

    inputs: tuple[str, ...]
    positive: tuple[str, ...]
    bounds: tuple[tuple[str, Pair], ...]
    start: tuple[tuple[str, Pair], ...]
    kinds: tuple[tuple[str, str], ...]
    name: str


def is_function(given: Any) -> TypeGuard[Callable[..., Any]]:
    """Return whether something is a function that `law_of` takes: no class, and no law."""
    return callable(given) and not isinstance(given, type | Law)


def law_of(
    function: Callable[..., Any],
    *,
    inputs: Sequence[str] | None = None,
    positive: Sequence[str] = (),
    bounds: Mapping[str, Pair] | None = None,
    start: Mapping[str, Pair] | None = None,
    kinds: Mapping[str, str] | None = None,
    name: str | None = None,
) -> type[Law]:
    """Return the law that a plain function is: a class, taken wherever a law is.

    The function is written with jax.numpy and elementwise, `lambda N, a, b, c: c + a * N**-b`.
    Its arguments are inputs and parameters; an argument with a default value is a parameter that
    is held there, and `law_of(f)(b=0.5)` holds another. `fit(f, runs)` does the same by itself.

    What a function does not say is found out by trying it: which parameters take up another unit
    of an input or of the loss, which are linear, which have to be positive. What that does not
    prove is not used: such an input, or loss, is taken in the units of the runs instead of
    divided by its mean, and the parameters then start around 1. What cannot be found out at all
    is what a parameter means, its sign where either makes sense, and where it plausibly lies:
    so a fit may begin further away, take longer, and end at another sign than that of a class
    with declared parameters. A law of breaks, of families or with published values is a class.

    Args:
        function: of inputs and parameters, by name.
        inputs: names of the arguments that are inputs; default those called N, D, C, S, U, x,
            batch, depth, ratio, steps, width or year.
        positive: names of parameters that are positive.
        bounds: ranges of parameters, in the units of the runs.
        start: ranges of the random starts of parameters, in the units of the runs. A parameter
            with bounds or a start gets no unit, so that they mean what they say.
        kinds: by input "positive" (the default), "signed" where it may be zero or negative, or
            "raw" for a code; see `Law.input_kinds`.
        name: of the law; default that of the function, "Plain" for a lambda. A saved fit is read
            again with the same name.

    Returns:
        A class of laws. The same function with the same options gives the same class, so that
        nothing is compiled anew; a fresh lambda compiles anew.

    Raises:
        LawError: the function has no input, no parameter or `*args`, cannot be traced by JAX, or
            nowhere depends on a parameter smoothly.
        TypeError: it is no function.
        ValueError: an option names no argument, or a range is none.

    Cost: it is tried once, at points. The first fit then compiles, as that of any law does, and
        that of every fresh lambda does so again.

    Example:
        >>> import jaxscale
        >>> power = jaxscale.law_of(lambda N, a, b, c: c + a * N**-b, positive=("a", "c"))
        >>> law = power(a=400.0, b=0.34, c=1.7)  # or jaxscale.fit(power, runs).law
        >>> round(float(jaxscale.predict(law, N=1e9)), 2)
        2.05
    """
    if not is_function(function):
        raise TypeError(
            "law_of takes a plain function such as lambda N, a, b: a * N**-b, got "
            f"{short(function)}"
        )
    own = getattr(function, "__name__", "")
    called = name if name is not None else own if plain_name(own) else "Plain"
    if not plain_name(called):
        raise ValueError(f"law_of: {short(name)} is no name for a law")
    names, asked_inputs = _arguments(function, called, inputs)
    asked = Asked(
        asked_inputs,
        tuple(positive),
        _ranges(bounds, "bounds", called),
        _ranges(start, "start", called),
        tuple((kinds or {}).items()),
        called,
    )
    _known(asked, names)
    try:
        hash(function)
    except TypeError:
        return _law(function, asked)
    return _kept(function, asked)


def _arguments(
    function: Callable[..., Any], called: str, inputs: Sequence[str] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the default of every parameter, None where there is none, and the inputs."""
    try:
        arguments = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise LawError(f"{called}: a law needs a function whose arguments have names") from error
    for name, argument in arguments.items():
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise LawError(
                f"{called}: *{name} does not say what the parameters are; name each of them, "
                "f(N, a, b, c)"
            )
    if isinstance(inputs, str):
        inputs = (inputs,)
    found = tuple(name for name in arguments if name in (INPUTS if inputs is None else inputs))
    if unknown := [name for name in inputs or () if name not in arguments]:
        raise ValueError(
            f"inputs={short(unknown[0])}: {called} has no such argument; it has "
            f"{listing(list(arguments))}"
        )
    if not found:
        raise LawError(
            f"{called}({', '.join(arguments)}): no argument is called like an input "
            f"({', '.join(INPUTS[:4])}, ...); say which are inputs: law_of(f, inputs=('x',))"
        )
    rest = {k: a.default for k, a in arguments.items() if k not in found}
    defaults = {k: None if value is inspect.Parameter.empty else value for k, value in rest.items()}
    if not defaults:
        raise LawError(
            f"{called}({', '.join(arguments)}): all arguments are inputs, and no parameter is left "
            "to fit; say which are inputs: law_of(f, inputs=('N',))"
        )
    for name, value in defaults.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise LawError(
                f"{called}: {name}={short(value)} is no number; a default value holds a parameter, "
                "and a setting belongs into functools.partial or a closure"
            )
    return defaults, found


def _ranges(
    given: Mapping[str, Pair] | None, option: str, called: str
) -> tuple[tuple[str, Pair], ...]:
    found = []
    for name, pair in (given or {}).items():
        try:
            low, high = (float(x) for x in pair)
        except (TypeError, ValueError):
            low, high = math.nan, math.nan
        if not low < high or (option == "start" and not math.isfinite(high - low)):
            raise ValueError(
                f"{option} of {name} of {called}: expected (low, high) with low < high, got "
                f"{short(pair)}"
            )
        found.append((name, (low, high)))
    return tuple(found)


def _known(asked: Asked, names: Mapping[str, Any]) -> None:
    """Raise for an option that names what the function does not have."""
    for option in ("positive", "bounds", "start"):
        for one in getattr(asked, option):
            name = one if option == "positive" else one[0]
            if name not in names:
                raise ValueError(
                    f"{option}: {short(name)} is no parameter of {asked.name}; those are "
                    f"{listing(list(names))}"
                )
            if option != "positive" and name in asked.positive and one[1][1] <= 0:
                raise ValueError(f"{option} of {name}: it is positive, got {one[1][1]:g} at most")
    for name, kind in asked.kinds:
        if name not in asked.inputs or kind not in KINDS:
            raise ValueError(
                f"kinds={{{name!r}: {short(kind)}}}: the inputs are {listing(list(asked.inputs))}, "
                f"their kinds {', '.join(map(repr, KINDS))}"
            )


def _law(function: Callable[..., Any], asked: Asked) -> type[Law]:
    """Return the law of a function, tried and declared."""
    arguments = inspect.signature(function).parameters
    names = tuple(name for name in arguments if name not in asked.inputs)
    kinds = {name: dict(asked.kinds).get(name, "positive") for name in asked.inputs}
    probe = _probe(function, asked, names, kinds)
    positive = {*asked.positive, *probe.positive()}
    bounds, start = dict(asked.bounds), dict(asked.start)
    own = {*bounds, *start}
    proven, free = proven_of(probe, kinds, own, positive)
    units = {key: _unit_name(key, names) for key in free}
    scales: dict[str, Any] = {
        units[key]: constant(1.0, units=1, doc="the unit of the loss, as it stands in the runs")
        if key == LOSS
        else constant(1.0, per={key: 1}, doc=f"the unit of {key}, as it stands in the runs")
        for key in free
    }

    def formula(self: Any, *inputs: Any) -> Any:
        at = dict(zip(asked.inputs, inputs, strict=True))
        at = {k: x / getattr(self, units[k]) if k in units else x for k, x in at.items()}
        found = _called(function, {**at, **{name: getattr(self, name) for name in names}})
        return found * getattr(self, units[LOSS]) if LOSS in units else found

    proven_too = asked._replace(positive=tuple(positive))
    heading = f"{asked.name}({', '.join(asked.inputs)}; {', '.join(names)})"
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    shown = [inspect.Parameter(name, plain) for name in ("self", *asked.inputs)]
    formula.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    held = {k: a.default for k, a in arguments.items() if a.default is not a.empty}
    fields = {
        name: dataclasses.field(default=held.get(name), metadata={"parameter": spec})
        for name, spec in declared(probe, proven, positive, bounds=bounds, start=start).items()
    }
    scale: dict[str, Any] = {"of": static(default="S")} if asked.inputs == ("S",) else {}
    home = getattr(function, "__module__", None)
    body = {
        "__annotations__": {
            **dict.fromkeys((*fields, *scales), "Scalar"),
            **dict.fromkeys(scale, "str"),
        },
        "__call__": formula,
        "__doc__": inspect.getdoc(function) or f"{heading}.",
        "__module__": home if home in sys.modules else __name__,  # text may run in no module
        "input_kinds": kinds,
        "origin": Origin(
            function, functools.partial(_unknown, proven_too, names, free), asked.bounds
        ),
        **fields,
        **scales,
        **scale,
    }
    return type(asked.name, (Law,), body)


def _called(function: Callable[..., Any], at: Mapping[str, Any]) -> Any:
    """Return the function at arguments by name."""
    arguments = inspect.signature(function).parameters
    by_name = {name for name, one in arguments.items() if one.kind is one.KEYWORD_ONLY}
    given = [at[name] for name in arguments if name not in by_name]
    return function(*given, **{name: at[name] for name in by_name})


def _probe(
    function: Callable[..., Any], asked: Asked, names: tuple[str, ...], kinds: Mapping[str, str]
) -> Probe:
    """Return the function tried at random points.

    Args:
        function: of inputs and parameters.
        asked: what a person says of it.
        names: of the parameters.
        kinds: of the inputs.

    Raises:
        LawError: it cannot be traced, returns no loss per run, or never depends on a parameter.
    """
    ranges = {name: _tried(pair) for name, pair in (*asked.bounds, *asked.start)}
    ranges = {**dict.fromkeys(asked.positive, (0.3, 1.7)), **ranges}

    def formula(x: tuple[Any, ...], theta: tuple[Any, ...]) -> Any:
        return _called(function, dict(zip((*asked.inputs, *names), (*x, *theta), strict=True)))

    with explained(asked.name, function):
        probe = Probe(formula, kinds, names, ranges)
    if len(probe.trials) > 1 and (flat := probe.flat()):
        raise LawError(
            f"{asked.name}: nothing depends on {flat[0]} smoothly, so that no fit can find it; a "
            "break is declared in a class, breakpoint_at(...), and an input of codes is said to "
            "be one, law_of(f, kinds={'x': 'raw'})"
        )
    return probe


_kept = functools.lru_cache(maxsize=64)(_law)


def _tried(pair: Pair) -> Pair:
    """Return where a parameter of a range is tried."""
    low, high = pair
    low = low if math.isfinite(low) else min(-1.7, high - 1.7)
    return (low, high) if math.isfinite(high) else (low + 0.3, low + 1.7)


def _unit_name(key: str, names: Sequence[str]) -> str:
    name = "unit_loss" if key == LOSS else f"unit_{key}"
    while name in names:
        name += "_"
    return name


def _unknown(
    asked: Asked,
    names: Sequence[str],
    free: Sequence[str],
    places: Collection[str] = (),
    signs: Collection[str] = (),
) -> str:
    """Return a sentence on what cannot be known of a function, as far as nobody has said it.

    Args:
        asked: what a person says of it, and what is proven positive.
        names: of its parameters.
        free: the inputs, or the loss, whose unit no parameter takes up.
        places: parameters of which a fit says where they lie.
        signs: parameters of which it says the sign.
    """
    one_sign = {name for name, (low, high) in asked.bounds if low >= 0 or high <= 0}
    names = names[:12]
    no_sign = [name for name in names if name not in {*asked.positive, *one_sign, *signs}]
    placed = {*dict(asked.bounds), *dict(asked.start), *places}
    no_place = [name for name in names if name not in placed]
    what = [f"what {_and(names)} mean" + "s" * (len(names) == 1)]
    if len(no_sign) == len(no_place) == len(names):
        many = len(names) > 1
        sign, place = ("they have", "they lie") if many else ("it has", "it lies")
        what += [f"which sign {sign}", f"where {place}"]
    else:
        what += [f"which sign {_and(no_sign)} {_verb(no_sign, 'have', 'has')}"] * bool(no_sign)
        what += [f"where {_and(no_place)} {_verb(no_place, 'lie', 'lies')}"] * bool(no_place)
    said = f"{asked.name} is a plain function: {_and(what)} is not known"
    if not free:
        return said
    said += f"; {_and(free)} {_verb(free, 'are', 'is')} taken in the units of the runs, which "
    if not no_place:
        return said + "no parameter takes up"
    return said + (
        "no parameter takes up, and starts lie around 1 there (law_of(..., start=) says where else)"
    )


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _verb(words: Sequence[str], many: str, one: str) -> str:
    return many if len(words) > 1 else one
