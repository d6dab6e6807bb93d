"""The run whose training and serving cost least together.

A run of N parameters and D tokens costs `train_cost` per FLOP of training and `serving_cost` per
parameter over its life, 2 FLOPs per token served in the simplest case. What is minimized is
train_cost flops(N, D) + serving_cost N at a loss, or the loss at such a budget. With a term of N, a
term of D and C = k N D one condition of first order is solved by halving, else a search does it.

Source: Sardana et al. 2024, arXiv:2401.00448.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.least import least
from jaxscale._numerics.roots import root
from jaxscale.decisions.inverse import (
    Numbers,
    Plan,
    additive,
    direction,
    input_for,
    loss_of,
    run_of,
    terms_for,
)
from jaxscale.decisions.optimum import LOG_N, least_cost
from jaxscale.flops import LOG_RANGE, Flops, SixND, tokens_for
from jaxscale.laws import Law


def served_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    """Return the run of least loss whose training and serving cost a budget.

    Args:
        law: a law of N and D with scalar parameters.
        at: compute, the whole budget; train_cost of a FLOP; serving_cost of a parameter.
        flops: FLOPs of training.
    """
    cost, train, serving = jnp.asarray(at["compute"], float), at["train_cost"], at["serving_cost"]
    found = additive(law)
    if found is not None and isinstance(flops, SixND):
        _, of_N, of_D = found
        k = train * flops.k

        def wanting(x: Array) -> Array:  # of data: increasing in log D
            log_N = jnp.log(cost) - jnp.logaddexp(jnp.log(k) + x, jnp.log(serving))
            gain_N = jnp.log(of_N.exponent * of_N.coefficient) - of_N.exponent * log_N
            gain_D = jnp.log(of_D.exponent * of_D.coefficient) - of_D.exponent * x
            gap: Array = gain_N - gain_D - jnp.log1p(serving / (k * jnp.exp(x)))
            return gap

        D = jnp.exp(root(wanting, *LOG_RANGE, cost))
        return run_of(law, flops, cost / (k * D + serving), D)

    def along(log_N: Array, given: Any) -> Array:
        law, cost, train, serving = given
        N = jnp.exp(log_N)
        left = (cost - N * serving) / train
        D = tokens_for(flops, N, jnp.where(left > 0, left, 1.0) * jnp.ones_like(N))
        return jnp.where(left > 0, direction(law) * loss_of(law, N, D), jnp.inf)

    log_N, edge = least(along, LOG_N, (law, cost, train, serving))
    N = jnp.exp(log_N)
    D = tokens_for(flops, N, (cost - N * serving) / train)
    return run_of(law, flops, N, D)._replace(at_edge=edge)


def served_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    """Return the run whose training and serving cost least at a loss.

    Args:
        law: a law of N and D with scalar parameters.
        at: target_loss; train_cost of a FLOP; serving_cost of a parameter.
        flops: FLOPs of training.
    """
    loss = jnp.asarray(at["target_loss"], float)
    train, serving = at["train_cost"], at["serving_cost"]
    found = additive(law)
    if found is not None and isinstance(flops, SixND):
        form, of_N, of_D = found
        total, k = terms_for(form, loss), train * flops.k

        def split(u: Array) -> tuple[Array, Array, Array, Array]:
            share = 1 / (1 + jnp.exp(-u))  # of the loss above the asymptote that data leave
            of_size = 1 / (1 + jnp.exp(u))
            return share, of_size, input_for(of_N, of_size * total), input_for(of_D, share * total)

        def wanting(u: Array) -> Array:
            share, of_size, _, D = split(u)
            gain_N, gain_D = of_N.exponent * of_size, of_D.exponent * share
            return jnp.log(gain_D) - jnp.log(gain_N) + jnp.log1p(serving / (k * D))

        _, _, N, D = split(root(wanting, -30.0, 30.0, loss))
        able = jnp.isfinite(total)
        return run_of(law, flops, jnp.where(able, N, jnp.inf), jnp.where(able, D, jnp.inf), loss)

    def cost(N: Any, D: Any, given: Any) -> Any:
        train, serving = given
        return train * flops(N, D) + serving * N

    N, D, edge = least_cost(law, loss, cost, (train, serving))
    return run_of(law, flops, N, D, loss)._replace(at_edge=edge)
