"""The scale at which a law reaches a loss, and the loss it reaches at a scale.

The scale is the only input of a law of one scale, and C along the compute-optimal frontier of a
law of N and D. Most laws are one curve there, L = E + K S^-gamma, known where the law says its
closed form: that of a law of N and D as well, with C = k N D. The others are searched. Scales are
logarithms throughout. The functions of one law are pure JAX, differentiable, and can be mapped over
a sample of laws.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.positive import power
from jaxscale._numerics.roots import root
from jaxscale.decisions.inverse import additive
from jaxscale.decisions.optimum import budgets_of, cheapest, optimum
from jaxscale.flops import LOG_RANGE, Flops, SixND
from jaxscale.laws import Law, Term

Curve = tuple[Any, Any, Any]
"""(E, K, gamma) of L = E + K S^-gamma."""


def scale_name(law: Law) -> str:
    """Return what the scale of a fitted law is called: C, or its only input.

    Raises:
        ValueError: the law has other inputs, one that is no positive scale, or a free parameter.
    """
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
    if len(law.inputs) > 1 and set(law.inputs) != {"N", "D"}:
        raise ValueError(
            "this needs a law of one scale, or of N and D; "
            f"{type(law).__name__} takes {', '.join(law.inputs)}"
        )
    if len(law.inputs) == 1 and law.kinds[law.inputs[0]] != "positive":
        raise ValueError(
            f"this needs a scale, which is positive; {law.inputs[0]} of {type(law).__name__} is "
            f"{law.kinds[law.inputs[0]]}"
        )
    return law.inputs[0] if len(law.inputs) == 1 else "C"


def curve(law: Law, flops: Flops | None = None) -> Curve | None:
    """Return (E, K, gamma) of L = E + K S^-gamma; None where the law has no such form.

    Args:
        law: parameters scalar or [B].
        flops: FLOPs model of a law of N and D; default its own, else C = 6 N D.

    Source: for Chinchilla, Hoffmann et al. 2022, arXiv:2203.15556, equation 4, put into the law.
    """
    form = law.closed_form()
    if form is None:
        return None
    if len(law.inputs) == 1:
        if len(form.terms) != 1:
            return None
        K, gamma = form.terms[0].coefficient, form.terms[0].exponent
    else:
        found, model = additive(law), flops or law.flops
        if found is None or not isinstance(model, SixND):
            return None
        K, gamma = _best_split(*found[1:], model.k)
    if form.plain:
        return form.offset, K, gamma
    return form.offset, form.powered(K), gamma * form.power


def _best_split(of_N: Term, of_D: Term, k: float) -> tuple[Any, Any]:
    """Return (K, gamma) of the least A N^-alpha + B D^-beta on the line C = k N D."""
    A, B, alpha, beta = of_N.coefficient, of_D.coefficient, of_N.exponent, of_D.exponent
    total = alpha + beta
    G = power(alpha * A / (beta * B), 1 / total)
    gamma = alpha * beta / total
    return (A * power(G, -alpha) + B * power(G, beta)) * power(k, gamma), gamma


def log_scale(law: Law, loss: Any, flops: Flops | None = None) -> Array:
    """Return log S at which a law reaches a loss; pure, for scalars.

    It is inf where no scale is large enough, -inf where every scale is too large.

    Args:
        law: of one scale, or of N and D; parameters scalar.
        loss: the loss, in the units of the runs.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    found = curve(law, flops)
    if found is not None:
        E, K, gamma = found
        ratio = (loss - E) / K
        reached = ratio > 0
        never = jnp.where(gamma > 0, jnp.inf, -jnp.inf)
        return jnp.where(reached, -jnp.log(jnp.where(reached, ratio, 1.0)) / gamma, never)
    if len(law.inputs) == 1:
        return _searched(law, loss)
    C = cheapest(law, loss, flops)
    most = jnp.exp(jnp.asarray(budgets_of(flops or law.flops)[1], float))
    short = optimum(law, most, flops).loss > loss
    reached = jnp.isfinite(C)
    return jnp.where(
        reached, jnp.log(jnp.where(reached, C, 1.0)), jnp.where(short, jnp.inf, -jnp.inf)
    )


def _searched(law: Law, loss: Any) -> Array:
    """Return the same for a law of one scale that falls or rises throughout, by bisection."""
    goal = jnp.asarray(loss, float)
    low, high = (jnp.full((), edge, goal.dtype) for edge in LOG_RANGE)
    sign = jnp.where(law.loss(jnp.exp(high)) > law.loss(jnp.exp(low)), 1.0, -1.0)

    def passed(x: Array) -> Array:
        gap: Array = sign * (law.loss(jnp.exp(x)) - goal)
        return gap

    never = jnp.where(passed(high) < 0, jnp.inf, -jnp.inf)
    reached = (passed(low) < 0) & (passed(high) >= 0)
    return jnp.where(reached, root(passed, *LOG_RANGE, goal), never)


def loss_at(law: Law, log_S: Any, flops: Flops | None = None) -> Array:
    """Return the loss that a law reaches at log S; pure, for scalars, as `log_scale`.

    Args:
        law: of one scale, or of N and D; parameters scalar.
        log_S: logarithm of the scale, or of the compute of a law of N and D.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    found = curve(law, flops)
    if found is not None:
        E, K, gamma = found
        loss: Array = E + K * jnp.exp(-gamma * log_S)
        return loss
    S = jnp.exp(log_S)
    return law.loss(S) if len(law.inputs) == 1 else optimum(law, S, flops).loss


def _log_scales(law: Law, losses: Array, *, flops: Flops | None) -> Array:

    def each(law: Law, losses: Array) -> Array:
        return jax.vmap(lambda loss: log_scale(law, loss, flops))(losses)

    return jax.vmap(each)(law, losses)


def _losses_at(law: Law, log_S: Array, *, flops: Flops | None) -> Array:

    def each(law: Law, log_S: Array) -> Array:
        return jax.vmap(lambda x: loss_at(law, x, flops))(log_S)

    return jax.vmap(each)(law, log_S)


def log_scales(law: Law, losses: Any, flops: Flops | None = None) -> np.ndarray:
    """Return `log_scale` [B, m] of a sample of laws at losses; in float64.

    Args:
        law: parameters [B] or scalar.
        losses: [B, m], in the units of the runs.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    return _mapped(_log_scales, law, losses, flops)


def losses_at(law: Law, log_S: Any, flops: Flops | None = None) -> np.ndarray:
    """Return `loss_at` [B, m] of a sample of laws at scales; in float64.

    Args:
        law: parameters [B] or scalar.
        log_S: [B, m] logarithms of the scale.
        flops: FLOPs model in JAX; default the law's own, else C = 6 N D.
    """
    return _mapped(_losses_at, law, log_S, flops)


def _mapped(function: Any, law: Law, values: Any, flops: Flops | None) -> np.ndarray:
    values = np.asarray(values, float)
    wide = jax.tree.map(lambda x: np.broadcast_to(np.asarray(x, float), values.shape[:1]), law)
    found, _ = programs.run(function, wide, values, dtype=np.float64, flops=flops)
    return np.asarray(found, float)
