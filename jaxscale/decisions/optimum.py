"""The best N and D at a budget, and the least budget for a loss, under one law.

Closed form where the law says one (`Law.closed_form`: a term of N and a term of D) and the cost is
k N^a D^b; for any other law of N and D, or another cost, a numeric search along the line of
constant cost. Pure JAX, differentiable in the law; mapped over a sample of laws by whoever has one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.least import least
from jaxscale._numerics.positive import power
from jaxscale._numerics.roots import root
from jaxscale.flops import Flops, power_form, tokens_for
from jaxscale.laws import Law, Sum, Term

LOG_N = (math.log(1e3), math.log(1e18))
"""Range of model sizes that the numeric search looks at."""
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


def loss_of(law: Law, N: Any, D: Any) -> Array:
    """Return the loss of a law of N and D, in whichever order it takes them.

    Args:
        law: the law.
        N: parameters.
        D: tokens.
    """
    given = {"N": N, "D": D}  # in the law's own order
    loss: Array = law.loss(*(given[name] for name in law.inputs))
    return loss


def _searched(law: Law, C: Array, flops: Flops) -> tuple[Array, Array]:
    """Return the best N on the line of constant compute, and whether it is at the edge."""

    def along(log_N: Array, given: tuple[Law, Array]) -> Array:
        law, C = given
        N = jnp.exp(log_N)
        return loss_of(law, N, tokens_for(flops, N, C * jnp.ones_like(N)))

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

    def excess(log_C: Array) -> Array:
        return optimum(law, jnp.exp(log_C), flops).loss - goal

    ends = budgets_of(flops or law.flops)
    low, high = (jnp.full((), edge, goal.dtype) for edge in ends)
    found = jnp.exp(root(lambda x: -excess(x), *ends, goal))
    return jnp.where(excess(high) > 0, jnp.inf, jnp.where(excess(low) <= 0, jnp.nan, found))
