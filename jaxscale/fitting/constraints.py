"""What a person holds a law to beside fixed values: bounds, ties, and how well losses are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.data.seeds import AVERAGED
from jaxscale.errors import DataError
from jaxscale.fitting.trials import weighed
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.laws.parameters import Parameter, exponent_of
from jaxscale.objective.prior import Prior
from jaxscale.objective.residuals import Residual
from jaxscale.objective.space import Space
from jaxscale.text import short


class Constraints(NamedTuple):
    """Bounds and ties of a fit.

    Attributes:
        bounds: (name, (low, high)) of parameters, in the units of the runs.
        tied: (name, other) of parameters that are what another one is.
        pooled: (name, width, strength) of own parameters of families that lean on each other; see
            `pooling`.
    """

    bounds: tuple[tuple[str, tuple[float, float]], ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    pooled: tuple[tuple[str, float, float], ...] = ()

    @classmethod
    def of(
        cls,
        law: Law,
        bounds: Mapping[str, tuple[float, float]] | None,
        tie: Mapping[str, str] | None,
    ) -> Constraints:
        """Return the constraints of a law, checked.

        Args:
            law: the law, its free parameters None.
            bounds: (low, high) by parameter, in the units of the runs.
            tie: by parameter the other one whose value it takes.

        Raises:
            ValueError: a name is no free parameter, a bound is no interval, or parameters with
                units are tied.
        """
        found = cls(tuple(_intervals(law, bounds or {})), tuple((tie or {}).items()))
        tied = dict(found.tied)
        for name, other in tied.items():
            for one in (name, other):
                _require_free(law, one, "tie")
                if not law.parameters[one].dimensionless:
                    raise ValueError(
                        f"tie={{{name!r}: {other!r}}}: {one} has a unit; only numbers without one, "
                        "such as exponents, can be the same in all units"
                    )
            if other in tied or name == other:
                raise ValueError(
                    f"tie={{{name!r}: {other!r}}}: {other} is tied itself; tie both to a third"
                )
        for name, _ in found.bounds:
            if name in tied:
                raise ValueError(f"bounds of {name}: it is tied to {tied[name]}; bound that")
        return found

    def applied(self, space: Space) -> Space:
        """Return the space of coordinates with the bounds and ties in it."""
        limits = dict(self.bounds)
        specs = [
            (name, _bounded(space, name, spec, limits[name]) if name in limits else spec)
            for name, spec in space.parameters
        ]
        return dataclasses.replace(space, parameters=tuple(specs), tied=self.tied)

    def prior(self, law: Law, free: tuple[str, ...]) -> Prior | None:
        """Return the prior of own parameters, of a law over families.

        Args:
            law: the law.
            free: names of the coordinates.

        Raises:
            ValueError: the law is pooled and there is none, or an own parameter is not free.
        """
        if not isinstance(law, FamilyLaw) or not law.pooled:
            return None
        if not self.pooled:
            raise ValueError(
                f"{type(law).__name__} is pooled, which fit() alone does; leave pool=True out"
            )
        for name, _, _ in self.pooled:
            for field in law.names[name]:
                if field not in free:
                    raise ValueError(
                        f"pool: {field} is fixed or tied; families lean on each other where {name} "
                        "is free in all of them"
                    )
        place = tuple(tuple(map(free.index, law.names[name])) for name, _, _ in self.pooled)
        strength = np.array([x for _, _, x in self.pooled])
        return Prior(strength, np.zeros((len(place), len(law.labels))), place)


FREE = Constraints()
"""No bounds and no ties."""


def _require_free(law: Law, name: str, option: str) -> None:
    if name not in law.free:
        why = "is fixed" if name in law.parameters else "is none of its parameters"
        raise ValueError(
            f"{option}: {name} {why}; free are {', '.join(law.free)} of {type(law).__name__}"
        )


def _intervals(
    law: Law, bounds: Mapping[str, tuple[float, float]]
) -> list[tuple[str, tuple[float, float]]]:
    found = []
    for name, pair in bounds.items():
        _require_free(law, name, "bounds")
        try:
            low, high = (float(x) for x in pair)
        except (TypeError, ValueError):
            low, high = math.nan, math.nan
        if not low < high:
            raise ValueError(
                f"bounds of {name}: expected (low, high) with low < high, got {short(pair)}; "
                f"where both are one, fix it: {type(law).__name__}({name}=VALUE)"
            )
        if law.parameters[name].positive and high <= 0:
            raise ValueError(f"bounds of {name}: it is positive, got a highest value of {high:g}")
        if law.parameters[name].role == "breakpoint":
            raise ValueError(f"bounds of {name}: a break lies between values of the runs; fix it")
        found.append((name, (low, high)))
    return found


def _bounded(space: Space, name: str, spec: Parameter, limits: tuple[float, float]) -> Parameter:
    """Return a specification whose range of z is that of a parameter in the units of the runs."""
    powers = [power for _, power in spec.per] + [spec.units]
    free = [
        other
        for other in (*map(exponent_of, powers), *(source.lstrip("-") for _, source in spec.shift))
        if other is not None and other not in space.fixed
    ]
    if free:
        raise ValueError(
            f"bounds of {name}: its unit depends on {free[0]}, which is free, so that a number for "
            f"it means nothing by itself; bound or fix {free[0]}"
        )
    alone = dataclasses.replace(space, parameters=((name, spec),))

    def coordinate(value: float) -> float:
        least = max(value, 0.0) if spec.positive else value
        with np.errstate(divide="ignore"):
            return float(alone.coordinates({**space.fixed, name: np.asarray(least)})[0])

    low, high = map(coordinate, limits)
    low, high = max(low, spec.bounds[0]), min(high, spec.bounds[1])
    if not low < high:
        raise ValueError(f"bounds of {name}: {limits[0]:g} to {limits[1]:g} is out of its range")
    start = max(low, spec.start[0]), min(high, spec.start[1])
    if not start[0] < start[1]:
        start = (
            low if math.isfinite(low) else high - 1.0,
            high if math.isfinite(high) else low + 1.0,
        )
    return dataclasses.replace(spec, bounds=(low, high), start=start)


def with_errors(runs: Runs, error: Any, residual: Residual) -> Runs:
    """Return runs weighted by how well their losses are known.

    The weight of a run is the inverse square of the error of its residual, of mean 1, times its
    own weight; but for a mean of runs, whose weight is what its error says already.

    Args:
        runs: the runs, n of them.
        error: standard errors [n] of the losses, in their units; or the name of their column.
        residual: the kind of residual.

    Raises:
        DataError: an error is not positive and finite, or there are not n of them.
    """
    if isinstance(error, str):
        name = runs.column_called(error)
        sigma = runs.column(name)
    else:
        name, sigma = "error", np.asarray(error, float)
    if sigma.shape != (len(runs),):
        raise DataError(
            f"error has shape {list(sigma.shape)}, there are {len(runs)} runs; give one standard "
            "error per run, or the name of a column"
        )
    bad = np.flatnonzero(~((sigma > 0) & np.isfinite(sigma)))
    if len(bad):
        raise DataError(
            f"{runs.where(bad[0])}, column {runs.label(name) if isinstance(error, str) else name}: "
            f"expected a standard error, positive and finite, got {sigma[bad[0]]:g}"
        )
    with np.errstate(all="ignore"):
        spread = np.abs(residual.moved(runs.loss, runs.loss, sigma))
    if residual.fraction:  # of which the sizes matter: so many trials
        return weighed(runs, runs.weights / spread**2, by=f"by {name}")
    used = runs.weights > 0  # a run that is left out decides no scale
    if not used.any():
        return runs
    weight = np.where(used, (spread[used].min() / spread) ** 2, 0.0)
    own = np.ones(len(runs)) if runs.names.get("weight") == AVERAGED else runs.weights
    return runs.replace(weight=own * weight / weight[used].mean())
