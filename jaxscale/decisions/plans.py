"""The run that a question asks for, under one law: `PLANS` has a row per kind of question.

Beside the best run of a budget or for a loss: the run of a given size, amount of data or tokens per
parameter; a smaller or larger model at the loss of the best one; the run whose training and serving
cost least together; the best run where data are few and seen again. Closed form where the law has a
term of N and a term of D, else a search. Pure JAX, differentiable in the law and in the numbers,
for scalars; what has no answer is infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.roots import root
from jaxscale.decisions.frontier import log_scale, loss_at
from jaxscale.decisions.inverse import (
    Numbers,
    Plan,
    additive,
    direction,
    loss_of,
    partner,
    reach,
    run_of,
)
from jaxscale.decisions.optimum import LOG_N, budgets_of, cheapest, cheapest_run, optimum
from jaxscale.decisions.repetition import limited_budget, limited_target
from jaxscale.decisions.serving import served_budget, served_loss
from jaxscale.flops import (
    Flops,
    SixND,
    parameters_for,
    power_form,
    size_at_ratio,
    tokens_for,
)
from jaxscale.laws import Law


def _of_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    best = optimum(law, at["compute"], flops)
    return Plan(jnp.asarray(at["compute"], float), best.N, best.D, best.loss, best.at_edge)


def _of_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    if additive(law) is None or power_form(flops) is None:
        C, N, D, edge = cheapest_run(law, at["target_loss"], flops)
        able, loss = jnp.isfinite(C), jnp.asarray(at["target_loss"], float)
        N, D, loss = (jnp.where(able, x, C) for x in (N, D, loss))
        return Plan(C, N, D, loss, edge)
    C = cheapest(law, at["target_loss"], flops)
    able = jnp.isfinite(C)
    best = optimum(law, jnp.where(able, C, 1e20), flops)
    N, D, loss = (jnp.where(able, x, C) for x in best[:3])
    return Plan(C, N, D, loss, best.at_edge)


def _size_and_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    run = run_of(law, flops, at["N"], tokens_for(flops, at["N"], at["compute"]))
    return run._replace(compute=jnp.asarray(at["compute"], float))


def _data_and_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    run = run_of(law, flops, parameters_for(flops, at["D"], at["compute"]), at["D"])
    return run._replace(compute=jnp.asarray(at["compute"], float))


def _size_and_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    D = reach(law, "N", at["N"], at["target_loss"])
    return run_of(law, flops, at["N"], D, at["target_loss"])


def _data_and_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    N = reach(law, "D", at["D"], at["target_loss"])
    return run_of(law, flops, N, at["D"], at["target_loss"])


def _ratio_and_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    C, ratio = jnp.asarray(at["compute"], float), at["ratio"]
    N = size_at_ratio(flops, ratio, C)
    return run_of(law, flops, N, ratio * N)._replace(compute=C)


def _ratio_and_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    ratio, loss = at["ratio"], jnp.asarray(at["target_loss"], float)
    sign = direction(law)

    def excess(x: Array) -> Array:
        gap: Array = sign * (loss - loss_of(law, jnp.exp(x), ratio * jnp.exp(x)))
        return gap

    x = root(excess, *LOG_N, loss)
    N = jnp.where(excess(x + 1e-6) < 0, jnp.inf, jnp.exp(x))
    return run_of(law, flops, N, ratio * N, loss)


def _of_size(law: Law, at: Numbers, flops: Flops) -> Plan:
    return _whose_best(law, "N", jnp.asarray(at["N"], float), flops)


def _of_data(law: Law, at: Numbers, flops: Flops) -> Plan:
    return _whose_best(law, "D", jnp.asarray(at["D"], float), flops)


def _whose_best(law: Law, known: str, value: Array, flops: Flops) -> Plan:
    """Return the run that is the best of its budget and has this size, or this much data."""
    found = additive(law)
    if found is not None and isinstance(flops, SixND):
        other = partner(found, known, value)
        N, D = (value, other) if known == "N" else (other, value)
        return run_of(law, flops, N, D)
    x = root(
        lambda x: jnp.log(getattr(optimum(law, jnp.exp(x), flops), known) / value),
        *budgets_of(flops),
        value,
    )
    best = optimum(law, jnp.exp(x), flops)
    return Plan(jnp.exp(x), best.N, best.D, best.loss, best.at_edge)


def _times_budget(law: Law, at: Numbers, flops: Flops) -> Plan:
    best = optimum(law, at["compute"], flops)
    return _instead(law, flops, best.N, best.loss, at["times_N"])


def _times_loss(law: Law, at: Numbers, flops: Flops) -> Plan:
    best = _of_loss(law, at, flops)
    return _instead(law, flops, best.N, at["target_loss"], at["times_N"])


def _instead(law: Law, flops: Flops, N: Any, loss: Any, times: Any) -> Plan:
    """Return the run of a multiple of a size that reaches a loss all the same."""
    D = reach(law, "N", N * times, loss)
    return run_of(law, flops, N * times, D, loss)


Solver = Callable[[Law, Numbers, Flops], Plan]
SERVED = ("train_cost", "serving_cost")
LIMITED = ("unique_tokens", "data_worth", "size_worth")
PLANS: dict[frozenset[str], Solver] = {
    frozenset(names): solve
    for names, solve in (
        (("compute",), _of_budget),
        (("target_loss",), _of_loss),
        (("N",), _of_size),
        (("D",), _of_data),
        (("N", "compute"), _size_and_budget),
        (("N", "target_loss"), _size_and_loss),
        (("D", "compute"), _data_and_budget),
        (("D", "target_loss"), _data_and_loss),
        (("ratio", "compute"), _ratio_and_budget),
        (("ratio", "target_loss"), _ratio_and_loss),
        (("times_N", "compute"), _times_budget),
        (("times_N", "target_loss"), _times_loss),
        (("compute", *SERVED), served_budget),
        (("target_loss", *SERVED), served_loss),
        (("compute", *LIMITED), limited_budget),
        (("target_loss", *LIMITED), limited_target),
    )
}
"""What answers a question, by the names of the numbers that it gives."""


def _of_scale(law: Law, at: Numbers, flops: Flops) -> Plan:
    """The answer of a law of one scale, which stands in the place of compute if it is no N or D."""
    name = law.inputs[0]
    goal = jnp.asarray(at["target_loss"], float)
    x = log_scale(law, goal)
    S = jnp.where(x == -jnp.inf, jnp.nan, jnp.exp(x))
    none = jnp.full_like(goal, jnp.nan)
    places = {"N": none, "D": none, "compute": none, name if name in "ND" else "compute": S}
    loss = jnp.where(jnp.isfinite(S), loss_at(law, jnp.where(jnp.isfinite(x), x, 0.0)), goal)
    return Plan(places["compute"], places["N"], places["D"], loss)


def plan(law: Law, at: Numbers, flops: Flops) -> Plan:
    """Return the run that a question asks for; pure JAX.

    Args:
        law: scalar parameters; of N and D, or of one scale, C, N or D.
        at: the numbers of the question, by name.
        flops: FLOPs model.
    """
    if len(law.inputs) == 1:
        return _of_scale(law, at, flops)
    return PLANS[frozenset(at)](law, at, flops)
