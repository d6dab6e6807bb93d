"""The best N and D at a budget, and the least budget for a loss, under one law.

Closed form where the law says one (`Law.closed_form`: a term of N and a term of D) and the cost is
k N^a D^b; for any other law of N and D, or another cost, a numeric search along the line of
constant cost. Pure JAX, differentiable in the law; mapped over a sample of laws by whoever has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.least import least
from jaxscale._numerics.positive import power
from jaxscale._numerics.roots import root
from jaxscale.decisions.inverse import additive, direction, loss_of, reach
from jaxscale.flops import Flops, power_form, tokens_for
from jaxscale.laws import Law

LOG_N = (math.log(1e3), math.log(1e18))
"""Range of model sizes that the numeric search looks at."""
MIDDLE = math.exp(sum(LOG_N) / 2)
"""Between them: a size at the edge is on this side or that."""
LOG_C = (math.log(1e9), math.log(1e40))
"""Range of budgets in which a target loss is looked for, in FLOPs."""
UNITS = math.log(100.0)
"""A cost that is this far from 6 N D counts no FLOPs: hours, dollars."""


class Optimum(NamedTuple):
    """The best run at a budget: scalars."""

    N: Array
    D: Array
    loss: Array
    at_edge: Array


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
    priced = power_form(model)
    if found is not None and priced is not None:
        form, of_N, of_D = found
        k, a, b = priced
        A, B, alpha, beta = of_N.coefficient, of_D.coefficient, of_N.exponent, of_D.exponent
        # One of the two resources is worth nothing; or where the two balance is the worst run.
        edge = jnp.logical_not((alpha * A > 0) & (beta * B > 0) & (alpha + beta > 0))
        if not form.plain:  # a law that falls where the sum rises has no best run
            edge = edge | jnp.logical_not(form.power > 0)
        # Lagrange: per logarithm of cost both terms fall by the same.
        up, down = jnp.where(edge, 1.0, alpha * A / a), jnp.where(edge, 1.0, beta * B / b)
        total = jnp.where(edge, 1.0, b * alpha + a * beta)
        N = power(up / down, b / total) * power(C / k, beta / total)
        N = jnp.where(edge, jnp.exp(jnp.where(beta * B > 0, *LOG_N)), N)
    else:
        N, edge = _searched(law, C, model)
    D = tokens_for(model, N, C)
    return Optimum(N, D, loss_of(law, N, D), edge)


def unbounded(best: Optimum) -> Optimum:
    """Return an optimum whose sizes at the edge are 0 and infinite.

    A law that draws have there has no best run, and the edge of the search bounds no interval.
    """
    large = best.N > MIDDLE
    N, D = (jnp.where(large, *ends) for ends in ((jnp.inf, 0.0), (0.0, jnp.inf)))
    return best._replace(N=jnp.where(best.at_edge, N, best.N), D=jnp.where(best.at_edge, D, best.D))


def _searched(law: Law, C: Array, flops: Flops) -> tuple[Array, Array]:
    """Return the best N on the line of constant compute, and whether it is at the edge."""

    def along(log_N: Array, given: tuple[Law, Array]) -> Array:
        law, C = given
        N = jnp.exp(log_N)
        loss = loss_of(law, N, tokens_for(flops, N, C * jnp.ones_like(N)))
        return loss if not law.turns else direction(law) * loss

    log_N, edge = least(along, LOG_N, (law, C))
    return jnp.exp(log_N), edge


def budgets_of(flops: Flops) -> tuple[float, float]:
    """Return the logarithms of the budgets looked at: `LOG_C`, in the unit of the cost."""
    with jax.ensure_compile_time_eval():
        one = float(flops(1e9, 2e10))
    shift = math.log(one / (6 * 1e9 * 2e10)) if one > 0 else 0.0
    shift = shift if abs(shift) > UNITS else 0.0
    return LOG_C[0] + shift, LOG_C[1] + shift


def cheapest(law: Law, target: Any, flops: Flops | None = None) -> Array:
    """Return the least budget C whose best run reaches a loss; pure JAX, differentiable.

    Infinite where no budget up to 1e40 FLOPs does, or what a cost of another unit has for them; NaN
    where 1e9 FLOPs already do.

    Args:
        law: a law of N and D with scalar parameters.
        target: the loss to reach.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    goal = jnp.asarray(target, float)
    model = flops or law.flops
    if additive(law) is None or power_form(model) is None:
        return cheapest_run(law, goal, model)[0]

    def excess(log_C: Array) -> Array:
        return optimum(law, jnp.exp(log_C), model).loss - goal

    ends = budgets_of(model)
    low, high = (jnp.full((), edge, goal.dtype) for edge in ends)
    found = jnp.exp(root(lambda x: -excess(x), *ends, goal))
    return jnp.where(excess(high) > 0, jnp.inf, jnp.where(excess(low) <= 0, jnp.nan, found))


Priced = Callable[[Any, Any, Any], Any]
"""What a run costs, of (N, D, given); increasing in N and in D."""


def least_cost(law: Law, loss: Any, cost: Priced, given: Any) -> tuple[Array, Array, Array]:
    """Return the N and D that cost least at a loss, by a search, and whether N is at the edge.

    Args:
        law: a law of N and D with scalar parameters.
        loss: the loss to reach; infinite N and D where no size does.
        cost: what a run costs, in JAX.
        given: pytree of what the cost depends on.
    """

    def along(log_N: Array, given: Any) -> Array:
        law, loss, given = given
        N = jnp.exp(log_N)
        D = reach(law, "N", N, loss * jnp.ones_like(N))
        able = jnp.isfinite(D)
        return jnp.where(able, jnp.log(cost(N, jnp.where(able, D, 1.0), given)), jnp.inf)

    goal = jnp.asarray(loss, float)
    log_N, edge = least(along, LOG_N, (law, goal, given))
    N = jnp.exp(log_N)
    D = reach(law, "N", N, goal)
    return jnp.where(jnp.isfinite(D), N, jnp.inf), D, edge


def cheapest_run(law: Law, loss: Any, flops: Flops) -> tuple[Array, Array, Array, Array]:
    """Return the compute, N and D of the cheapest run for a loss, by a search, and the edge.

    Args:
        law: a law of N and D with scalar parameters.
        loss: the loss to reach.
        flops: FLOPs model in JAX.
    """
    N, D, edge = least_cost(law, loss, lambda N, D, _: flops(N, D), ())
    able = jnp.isfinite(D)
    C = flops(jnp.where(able, N, 1.0), jnp.where(able, D, 1.0))
    low, high = (math.exp(end) for end in budgets_of(flops))
    C = jnp.where(able & (C <= high), jnp.where(C >= low, C, jnp.nan), jnp.inf)
    return C, N, D, edge
