"""Declarations of the parameters of a plain function, from what was proven of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from jaxscale.laws.parameters import LOG_BOUNDS, UNBOUNDED, Parameter, exponent_of
from jaxscale.laws.probing import Flow, Probe

LOSS = "the loss"
POWERS = (-5.0, 5.0)
"""Bounds of a parameter that is the power of an input."""
Pair = tuple[float, float]
"""A range, (low, high)."""


def proven_of(
    probe: Probe, kinds: Mapping[str, str], own: set[str], positive: set[str]
) -> tuple[dict[str, Flow], tuple[str, ...]]:
    """Return the flows that were proven, by input and for the loss; and what is left as it is.

    Args:
        probe: of the function.
        kinds: of the inputs.
        own: parameters that are to have no unit.
        positive: parameters that have one sign.
    """
    scaled = [name for name, kind in kinds.items() if kind != "raw"]
    found = {key: probe.flow(None if key == LOSS else key) for key in (*scaled, LOSS)}
    proven = {key: flow for key, flow in found.items() if flow and not flow.moved & own}
    # A power is a number without a unit, and what takes a logarithm up has either sign.
    added = set(probe.names) - positive
    moved = set().union(*(flow.moved for flow in proven.values()))
    for key, flow in list(proven.items()):
        follows = {exponent_of(power) for power in flow.powers.values()} - {None}
        if follows & moved or not set(flow.added) <= added:
            del proven[key]
    return proven, tuple(key for key in found if key not in proven)


def declared(
    probe: Probe,
    proven: Mapping[str, Flow],
    positive: set[str],
    *,
    bounds: Mapping[str, Pair],
    start: Mapping[str, Pair],
) -> dict[str, Parameter]:
    """Return the declaration of every parameter.

    Args:
        probe: of the function.
        proven: see `proven_of`.
        positive: parameters that are positive.
        bounds: ranges by parameter, in the units of the runs; those have no unit.
        start: ranges of starts, likewise.
    """
    linear, added = probe.linear(), probe.added()
    units = proven[LOSS].powers if LOSS in proven else {}
    flows = {key: flow.undone() for key, flow in proven.items() if key != LOSS}
    powers = [p for flow in (*flows.values(), Flow(dict(units), {})) for p in flow.powers.values()]
    follows = {exponent_of(power) for power in powers}
    specs = {}
    for name in probe.names:
        per = tuple((key, flow.powers[name]) for key, flow in flows.items() if name in flow.powers)
        shift = tuple((key, flow.added[name]) for key, flow in flows.items() if name in flow.added)
        spec = Parameter(
            "of a plain function",
            "scale",
            name in positive,
            linear=name in linear,
            start=(-3.0, 3.0) if name in positive else (-1.5, 1.5),
            bounds=LOG_BOUNDS if name in positive else UNBOUNDED,
            units=units.get(name, 0),
            per=per,
            shift=shift,
        )
        if spec.linear:
            spec = dataclasses.replace(spec, role="offset" if name in added else "coefficient")
        elif name in follows:
            least, low = (0.0, 0.05) if spec.positive else (POWERS[0], -1.5)
            spec = dataclasses.replace(
                spec, role="exponent", positive=False, start=(low, 1.5), bounds=(least, POWERS[1])
            )
        specs[name] = _within(spec, bounds.get(name), start.get(name))
    return specs


def _within(spec: Parameter, bounds: Pair | None, start: Pair | None) -> Parameter:
    """Return a specification with the ranges that a person gives."""

    def coordinate(value: float) -> float:
        return (math.log(value) if value > 0 else -math.inf) if spec.positive else value

    low, high = (coordinate(x) for x in bounds or (-math.inf, math.inf))
    low, high = max(low, spec.bounds[0]), min(high, spec.bounds[1])
    begin, end = (max(coordinate(x), -40.0 if spec.positive else x) for x in start or (0, 0))
    if start is None:
        begin, end = max(low, spec.start[0]), min(high, spec.start[1])
        if not begin < end:
            begin = low if math.isfinite(low) else high - 1.0
            end = high if math.isfinite(high) else low + 1.0
    return dataclasses.replace(spec, bounds=(low, high), start=(max(begin, low), min(end, high)))
