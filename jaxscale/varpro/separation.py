"""Which laws separate, and their columns: one exponent per linear parameter at most.

At given exponents a law is affine in its offsets and coefficients. Where each of its linear
columns depends on one exponent at most (1, N^-alpha, D^-beta), the columns of a whole grid are
as many arrays over one axis. Whether that is so is read from the data flow of the formula, never
from a law's name. Pure; the arithmetic on the columns is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale.objective.objective import Objective
from jaxscale.varpro.reduced import Reduced

FIXED, ROW, COLUMN = range(3)
"""What a linear column varies with: nothing, the first axis, the second."""
_KNOWN: dict[Hashable, tuple[int | None, ...] | None] = {}
"""Found before; fixed values count only as far as they are zero."""
_LIMIT = 64
MOST_LINEAR = 6
"""Linear parameters at most: all their active sets are tried in every cell."""


def separation(objective: Objective) -> tuple[int | None, ...] | None:
    """Return, per linear parameter, the one non-linear coordinate its column depends on.

    Args:
        objective: values do not matter, only the structure of its law.

    Returns:
        Positions in `Reduced.nonlinear`, None for a constant column; or None as a whole where a
        column depends on several, where what remains without the linear parameters depends on
        any (a fixed coefficient with a free exponent), or where nothing is linear or too much.

    Cost: one abstract trace of the law per linear parameter, once per law; no arithmetic.
    """
    fixed = objective.space.fixed
    key = (
        jax.tree.structure((objective.law, objective.space)),
        tuple(name for name, value in fixed.items() if _is_zero(value)),
        tuple(sorted(fixed)),
    )
    if key not in _KNOWN:
        if len(_KNOWN) >= _LIMIT:
            _KNOWN.clear()
        _KNOWN[key] = _separation(objective)
    return _KNOWN[key]


def _is_zero(value: Any) -> bool:
    """Return whether a fixed value is known to be zero; inside a program it is not known."""
    return not isinstance(value, jax.core.Tracer) and not np.any(np.asarray(value))


def _separation(objective: Objective) -> tuple[int | None, ...] | None:
    reduced = Reduced(objective)
    count = len(reduced.nonlinear)
    few = 0 < len(reduced.linear) <= MOST_LINEAR
    if not few or _reached(_base(objective), count):
        return None
    found: list[int | None] = []
    for k in range(len(reduced.linear)):
        seen = _reached(_column(objective, k), count)
        if len(seen) > 1:
            return None
        found.append(next(iter(seen), None))
    return tuple(found)


def separates(objective: Objective) -> bool:
    """Return whether `surface` takes the way of one matrix product."""
    found, count = separation(objective), len(Reduced(objective).nonlinear)
    return found is not None and count in (1, 2) and set(found) - {None} == set(range(count))


def _law(objective: Objective, q: Sequence[Any], linear: dict[str, Any]) -> Array:
    """Return the dimensionless prediction [n]; linear parameters not given are literal zeros."""
    reduced, space = Reduced(objective), objective.space
    z: list[Any] = [0.0] * len(space.specs)
    for position, coordinate in zip(reduced.nonlinear, q, strict=True):
        z[position] = coordinate
    values = space.normalized(z) | dict.fromkeys(_names(objective), 0.0) | linear
    law = objective.law.replace(**values)
    p: Array = law(*objective.inputs) * jnp.ones_like(objective.target.value)
    return p


def _names(objective: Objective) -> list[str]:
    return [objective.space.free[k] for k in Reduced(objective).linear]


def _base(objective: Objective) -> Callable[..., Array]:
    return lambda *q: _law(objective, q, {})


def _column(objective: Objective, k: int) -> Callable[..., Array]:
    """Return the column [n] of the k-th linear parameter as a function of the coordinates."""
    name = _names(objective)[k]

    def column(*q: Any) -> Array:
        feature: Array = jax.jvp(lambda t: _law(objective, q, {name: t}), (0.0,), (1.0,))[1]
        return feature

    return column


def _reached(function: Callable[..., Array], count: int) -> set[int]:
    """Return which of `count` scalar arguments can influence the output, by data flow.

    Derivatives would not do: a comparison with a break has none. A product with a literal zero
    counts as no influence; calls are taken to mix everything.
    """
    program = jax.make_jaxpr(function)(*[0.0] * count).jaxpr
    influence: dict[Any, set[int]] = {var: {k} for k, var in enumerate(program.invars)}
    zeros: set[Any] = set()

    def is_zero(atom: Any) -> bool:
        if hasattr(atom, "val"):
            return np.ndim(atom.val) == 0 and not isinstance(atom.val, Array) and atom.val == 0
        return atom in zeros

    for equation in program.eqns:
        flat = list(map(is_zero, equation.invars))
        name = equation.primitive.name
        passes = name in ("broadcast_in_dim", "convert_element_type", "neg", "add", "sub")
        if (name == "mul" and any(flat)) or (passes and flat and all(flat)):
            zeros.update(equation.outvars)
            continue
        seen = [influence.get(atom, set()) for atom in equation.invars if not hasattr(atom, "val")]
        for out in equation.outvars:
            influence[out] = set().union(*seen)
    return set().union(
        *(influence.get(out, set()) for out in program.outvars if not hasattr(out, "val"))
    )


class Table(NamedTuple):
    """The columns of a separating law, constant ones first, over both axes.

    Attributes:
        kinds: per column FIXED, ROW or COLUMN.
        order: per column its position among the linear parameters.
        columns: per column [1, n], [a, n] or [b, n].
        target: [n] what the columns have to explain.
        slope: [n] derivative of a residual by the prediction (log: that of relative residuals).
        signed: per column, whether its coefficient may be negative.
    """

    kinds: tuple[int, ...]
    order: tuple[int, ...]
    columns: list[Array]
    target: Array
    slope: Array
    signed: tuple[bool, ...]


def table_of(objective: Objective, axes: Sequence[Array]) -> Table | None:
    """Evaluate the columns along the axes; None where the law does not separate."""
    found = separation(objective)
    if found is None or not separates(objective):
        return None
    shift = 3 - len(axes)  # a single axis is the second one: that one runs along the lanes
    kinds = [FIXED if where is None else where + shift for where in found]
    order = sorted(range(len(kinds)), key=lambda k: kinds[k])
    first = [axis[0] for axis in axes]
    columns = []
    for k in order:
        column, where = _column(objective, k), found[k]
        if where is None:
            columns.append(column(*first)[None])
        else:
            columns.append(
                jax.vmap(
                    lambda x, column=column, where=where: column(
                        *first[:where], x, *first[where + 1 :]
                    )
                )(axes[where])
            )
    y = objective.target.value
    slope = objective.residual.slope(y, objective.space.loss_scale)
    specs, linear = objective.space.specs, Reduced(objective).linear
    return Table(
        tuple(kinds[k] for k in order),
        tuple(order),
        columns,
        y - _base(objective)(*first),
        slope * jnp.ones_like(y),
        tuple(not specs[linear[k]].positive for k in order),
    )


def spread(kind: int, values: Array) -> Array:
    """Return per-column numbers [1], [a] or [b] shaped to broadcast over cells [a, b]."""
    return values[:, None] if kind == ROW else values[None, :]
