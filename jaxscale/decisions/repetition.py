"""The best run where unique data are few and seen again.

Tokens seen again are worth less each time, and so are parameters beyond those that the unique
tokens call for; the law is asked at what both are worth. A search, since no closed form is known.

Source: Muennighoff et al. 2023, arXiv:2305.16264.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.least import least
from jaxscale._numerics.roots import root
from jaxscale.decisions.inverse import Numbers, Plan, additive, loss_of, partner
from jaxscale.decisions.optimum import LOG_N, budgets_of, optimum
from jaxscale.flops import Flops, tokens_for
from jaxscale.laws import Law
from jaxscale.laws.repeated import share

DATA_WORTH, SIZE_WORTH = 15.387756, 5.309743
"""R*_D and R*_N of Muennighoff et al. for language models on C4."""


def effective(seen: Any, fresh: Any, worth: Any) -> Array:
    """Return what tokens seen again are worth in fresh ones: U + U R (1 - exp(-r / R)).

    Here r = seen / U - 1 and R is `worth`, the number of repetitions that repeating for ever comes
    to. Up to U, what is seen is what it is. The same curve serves the size of a model that is
    larger than its data call for.

    Args:
        seen: tokens in all, any shape.
        fresh: U, those that are different.
        worth: R*.

    Source: Muennighoff et al. 2023, arXiv:2305.16264; with rate 1 / R* the saturation of ATLAS,
    2025, arXiv:2510.22037.
    """
    worth_of_all: Array = seen * share(seen / fresh, worth)
    return worth_of_all


def limited_loss(law: Law, N: Any, D: Any, at: Numbers) -> Array:
    """Return the loss of a run that sees its unique tokens several times.

    Args:
        law: with a term of N and a term of D.
        N: parameters, any shape.
        D: tokens seen, of the same shape.
        at: unique_tokens U, data_worth R*_D and size_worth R*_N.
    """
    found = additive(law)
    assert found is not None
    fitting = partner(found, "D", at["unique_tokens"])
    size = effective(N, fitting, at["size_worth"])
    return loss_of(law, size, effective(D, at["unique_tokens"], at["data_worth"]))


def limited_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    """Return the best run of a budget whose data are seen again.

    Args:
        law: with a term of N and a term of D, scalar parameters.
        at: compute; unique_tokens U, data_worth R*_D and size_worth R*_N.
        flops: FLOPs model.
    """
    C = jnp.asarray(at["compute"], float)
    given = {name: jnp.asarray(x, float) for name, x in at.items()}

    def along(log_N: Array, given: Any) -> Array:
        law, at = given
        N = jnp.exp(log_N)
        return limited_loss(law, N, tokens_for(flops, N, at["compute"] * jnp.ones_like(N)), at)

    log_N, edge = least(along, LOG_N, (law, given))
    free = optimum(law, C, flops)
    bound = free.D > at["unique_tokens"]  # else the data are enough, and the best run is what it is
    N = jnp.where(bound, jnp.exp(log_N), free.N)
    D = jnp.where(bound, tokens_for(flops, N, C), free.D)
    loss = jnp.where(bound, limited_loss(law, N, D, at), free.loss)
    return Plan(C, N, D, loss, jnp.where(bound, edge, free.at_edge))


def limited_target(law: Law, at: Numbers, flops: Flops) -> Plan:
    """Return the cheapest run that reaches a loss with data that are seen again.

    Args:
        law: with a term of N and a term of D, scalar parameters.
        at: target_loss; unique_tokens U, data_worth R*_D and size_worth R*_N.
        flops: FLOPs model.
    """
    goal = jnp.asarray(at["target_loss"], float)

    def best(log_C: Array) -> Plan:
        return limited_budget(law, {**at, "compute": jnp.exp(log_C)}, flops)

    log_C = root(lambda x: goal - best(x).loss, *budgets_of(flops), goal)
    able = best(log_C + 1e-6).loss <= goal
    plan = best(log_C)
    C, N, D = (jnp.where(able, x, jnp.inf) for x in plan[:3])
    return Plan(C, N, D, goal, plan.at_edge)
