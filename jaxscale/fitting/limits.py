"""Bounds that a person gave and that a fit ended at: the runs want a parameter beyond them."""

from __future__ import annotations

from collections.abc import Sequence

from jaxscale.fitting.constraints import Constraints
from jaxscale.laws import Law


def limits_given(
    law: Law, constraints: Constraints, at_bound: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    """Return (name, bound) of the parameters that ended at a bound which a person gave.

    Args:
        law: the fitted law; a plain function has the bounds of `law_of`.
        constraints: of the fit.
        at_bound: parameters that ended at a bound.
    """
    origin = type(law).origin
    given = dict(() if origin is None else origin.bounds) | dict(constraints.bounds)
    own = [name for name in at_bound if name in given]
    return tuple((k, min(given[k], key=lambda end: abs(end - law.values[k]))) for k in own)


def said_of_bounds(at_bound: Sequence[str], limits: Sequence[tuple[str, float]]) -> list[str]:
    """Return sentences on parameters that ended at a bound.

    Args:
        at_bound: their names.
        limits: (name, bound) of those bounds that a person gave.
    """
    found = []
    own = [name for name in at_bound if name not in dict(limits)]
    if own:
        found.append(
            f"{', '.join(own)} ended at a bound: the data do not determine it; consider fixing it "
            "or a smaller law."
        )
    for name, limit in limits:
        found.append(
            f"{name} ended at the bound you gave, {limit:g}: the runs want it beyond; move the "
            f"bound, or fix {name} if you know it."
        )
    return found
