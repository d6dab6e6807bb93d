"""How to spend a compute budget: the best N and D under a fitted law.

Closed form where the law says one (`Law.closed_form`: a term of N and a term of D) and C = k N D;
for any other law of N and D, or another FLOPs model, a numeric search along the line of constant
compute. `optimum` and `cheapest` are
pure JAX, differentiable in the law, and can be mapped over a sample of laws; `allocate` is the
host's door.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.positive import power
from jaxscale._numerics.precision import scope
from jaxscale._numerics.roots import Function, root, slope_solve
from jaxscale.errors import FitError
from jaxscale.flops import Flops, SixND, tokens_for
from jaxscale.laws import Fitted, Law, Sum, Term, law_of

LOG_N = (math.log(1e3), math.log(1e18))
"""Range of model sizes that the numeric search looks at."""
LOG_C = (math.log(1e9), math.log(1e40))
"""Range of budgets in which a target loss is looked for."""
SEARCH_CELLS = 401
"""Model sizes that each round of the numeric search tries."""
SEARCH_ROUNDS = 4
"""Rounds of zooming in, from 35 e-folds down to 1e-6 of one; a Newton step does the rest."""


@dataclasses.dataclass(frozen=True)
class Allocation:
    """The compute-optimal run under a law; arrays [B] under a sample of laws.

    Attributes:
        compute: C in FLOPs.
        N: parameters.
        D: tokens.
        loss: predicted loss.
        tokens_per_parameter: D / N.
        method: "closed form" or "numeric".
        at_edge: whether the numeric optimum lies at the edge of the sizes searched, so that the
            law has no compute-optimal size of its own.
    """

    compute: Any
    N: Any
    D: Any
    loss: Any
    tokens_per_parameter: Any
    method: str
    at_edge: Any = False


class Optimum(NamedTuple):
    """The best run at a budget: scalars."""

    N: Array
    D: Array
    loss: Array
    at_edge: Array


def allocate(
    law: Law | Fitted,
    *,
    compute: float | None = None,
    target_loss: float | None = None,
    flops: Flops | None = None,
) -> Allocation:
    """Return the best N and D for a compute budget, or the cheapest run that reaches a loss.

    Args:
        law: a fit of a law of N and D; or such a law itself, whose parameters may have a leading
            axis [B].
        compute: budget C in FLOPs; give this or `target_loss`.
        target_loss: loss to reach, in the units of the runs.
        flops: FLOPs model; default the law's own, else C = 6 N D.

    Returns:
        The allocation: floats, or arrays [B] under a sample of laws.

    Raises:
        FitError: the fit is not certified: what follows from it may be wrong by any factor.
        ValueError: the law is not one of N and D, an argument is not positive, or no budget
            reaches the target loss (under a sample of laws: its members that do not get NaN).

    Source: Hoffmann et al. 2022, arXiv:2203.15556, equation 4.
    """
    if isinstance(law, Fitted) and law.doubts:
        raise FitError(
            f"no allocation from a fit that is not certified ({law.doubts[0]}): it may be wrong by "
            "any factor. Mend what its reasons say, or see what it would be: allocate(fit.law, ...)"
        )
    law = law_of(law)
    if set(law.inputs) != {"N", "D"}:
        raise ValueError(
            f"allocate() needs a law of N and D; {type(law).__name__} takes {', '.join(law.inputs)}"
        )
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
    if (compute is None) == (target_loss is None):
        raise ValueError("give exactly one of compute and target_loss")
    model = flops or law.flops
    goal, name = (compute, "compute") if compute is not None else (target_loss, "target_loss")
    assert goal is not None
    if not (goal > 0 and math.isfinite(goal)):
        unit = "number of FLOPs" if name == "compute" else "number"
        raise ValueError(f"{name} must be a positive {unit}, got {goal!r}")
    leaves = [np.asarray(leaf, float) for leaf in jax.tree.leaves(law)]
    sample = any(leaf.ndim for leaf in leaves)
    if target_loss is not None and not sample:
        _reachable(law, target_loss, model)
    with scope(np.float64):
        wide: Law = jax.tree.map(lambda leaf: np.asarray(leaf, float), law)
        if sample:
            size = max(leaf.size for leaf in leaves)
            wide = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size,)), wide)

        def one(law: Law) -> tuple[Array, Optimum]:
            C = jnp.asarray(goal, float) if name == "compute" else cheapest(law, goal, model)
            C = jnp.where(jnp.isfinite(C), C, jnp.nan)
            best = optimum(law, C, model)
            return C, best._replace(N=jnp.where(jnp.isnan(C), C, best.N))

        closed = isinstance(model, SixND) and additive(wide) is not None
        found = jax.device_get(jax.vmap(one)(wide) if sample else one(wide))
    C, best = jax.tree.map(lambda leaf: np.asarray(leaf)[()], found)
    return _made(C, best, "closed form" if closed else "numeric", sample)


def _made(C: Any, best: Optimum, method: str, sample: bool) -> Allocation:
    if sample:
        return Allocation(C, best.N, best.D, best.loss, best.D / best.N, method, best.at_edge)
    N, D = float(best.N), float(best.D)
    return Allocation(float(C), N, D, float(best.loss), D / N, method, bool(best.at_edge))


def additive(law: Law) -> tuple[Sum, Term, Term] | None:
    """Return the closed form of a law of N and D with its terms of N and of D; None without one.

    The law rises with the sum of the two terms, which are one of each input, in any order.
    """
    form = law.closed_form()
    if form is None or set(law.inputs) != {"N", "D"}:
        return None
    terms = {term.input: term for term in form.terms}
    if len(form.terms) != 2 or set(terms) != {"N", "D"}:
        return None
    return form, terms["N"], terms["D"]


def optimum(law: Law, C: Any, flops: Flops | None = None) -> Optimum:
    """Return the best N and D at a budget; pure JAX, differentiable in the law and in C.

    Args:
        law: a law of N and D with scalar parameters; map over a sample with `jax.vmap`.
        C: budget in FLOPs.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    model = flops or law.flops
    C = jnp.asarray(C, float)
    found = additive(law)
    if found is not None and isinstance(model, SixND):
        form, of_N, of_D = found
        A, B, alpha, beta = of_N.coefficient, of_D.coefficient, of_N.exponent, of_D.exponent
        # One of the two resources is worth nothing; or where the two balance is the worst run.
        edge = jnp.logical_not((alpha * A > 0) & (beta * B > 0) & (alpha + beta > 0))
        if not form.plain:  # a law that falls where the sum rises has no best run
            edge = edge | jnp.logical_not(form.power > 0)
        up, down = jnp.where(edge, 1.0, alpha * A), jnp.where(edge, 1.0, beta * B)
        total = jnp.where(edge, 1.0, alpha + beta)
        N = power(up / down, 1 / total) * power(C / model.k, beta / total)
        N = jnp.where(edge, jnp.exp(jnp.where(beta * B > 0, *LOG_N)), N)
    else:
        N, edge = _searched(law, C, model)
    D = tokens_for(model, N, C)
    return Optimum(N, D, _loss(law, N, D), edge)


def _loss(law: Law, N: Any, D: Any) -> Array:
    given = {"N": N, "D": D}  # in the law's own order
    loss: Array = law.loss(*(given[name] for name in law.inputs))
    return loss


def _searched(law: Law, C: Array, flops: Flops) -> tuple[Array, Array]:
    """Return the best N on the line of constant compute, and whether it is at the edge."""

    def along(log_N: Array, law: Law, C: Array) -> Array:
        N = jnp.exp(log_N)
        return _loss(law, N, tokens_for(flops, N, C * jnp.ones_like(N)))

    fixed, budget = jax.lax.stop_gradient((law, C))
    low, high = (jnp.full((), edge, C.dtype) for edge in LOG_N)
    unit = jnp.linspace(0, 1, SEARCH_CELLS, dtype=C.dtype)
    for _ in range(SEARCH_ROUNDS):
        grid = low + (high - low) * unit
        value = along(grid, fixed, budget)
        best = grid[jnp.argmin(jnp.where(jnp.isfinite(value), value, jnp.inf))]
        step = grid[1] - grid[0]
        low, high = jnp.maximum(best - 2 * step, LOG_N[0]), jnp.minimum(best + 2 * step, LOG_N[1])
    edge = (best <= LOG_N[0] + step) | (best >= LOG_N[1] - step)

    def slope(x: Array) -> Array:
        slope: Array = jax.jvp(lambda x: along(x, law, C), (x,), (jnp.ones_like(x),))[1]
        return slope

    def newton(slope: Function, x: Array) -> Array:
        value, bend = jax.jvp(slope, (x,), (jnp.ones_like(x),))
        return jnp.where(bend > 0, x - value / jnp.where(bend > 0, bend, 1.0), x)

    found = jax.lax.custom_root(slope, best, newton, slope_solve)
    return jnp.exp(jnp.where(edge, best, found)), edge


def cheapest(law: Law, target: Any, flops: Flops | None = None) -> Array:
    """Return the least budget C whose best run reaches a loss; pure JAX, differentiable.

    Infinite where no budget up to 1e40 FLOPs does; NaN where 1e9 FLOPs already do.

    Args:
        law: a law of N and D with scalar parameters.
        target: the loss to reach.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    goal = jnp.asarray(target, float)

    def excess(log_C: Array) -> Array:
        return optimum(law, jnp.exp(log_C), flops).loss - goal

    low, high = (jnp.full((), edge, goal.dtype) for edge in LOG_C)
    found = jnp.exp(root(lambda x: -excess(x), *LOG_C, goal))
    return jnp.where(excess(high) > 0, jnp.inf, jnp.where(excess(low) <= 0, jnp.nan, found))


def _reachable(law: Law, target: float, flops: Flops) -> None:
    """Raise with the reason why no budget would answer."""
    with scope(np.float64):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, float), law)
        worst, best = (float(optimum(wide, math.exp(edge), flops).loss) for edge in LOG_C)
    if not best <= target:
        raise ValueError(
            f"{type(law).__name__} reaches no loss below {best:.6g} with budgets up to "
            f"{math.exp(LOG_C[1]):.0e} FLOPs; the target is {target:g}"
        )
    if not worst > target:
        raise ValueError(
            f"a run of {math.exp(LOG_C[0]):.0e} FLOPs already has loss {worst:.6g}, below the "
            f"target {target:g}"
        )
