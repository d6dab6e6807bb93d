"""What a law needs to reach a loss, and the run that it makes.

Closed form where the law has a term of N and a term of D, else halving. Pure JAX, differentiable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.positive import power
from jaxscale._numerics.roots import root
from jaxscale.flops import LOG_RANGE, Flops
from jaxscale.laws import Law, Sum, Term

FEW, MANY = (1e6, 1e7), (1e13, 1e15)
"""N and D of a small run and of a large one."""
Numbers = Mapping[str, Any]
"""What the question gives, by name; scalars."""


class Plan(NamedTuple):
    """A run: scalars.

    Attributes:
        compute: training FLOPs.
        N: parameters.
        D: tokens, seen again ones included.
        loss: predicted.
        at_edge: whether a search ended at the edge of what it looks at.
    """

    compute: Array
    N: Array
    D: Array
    loss: Array
    at_edge: Any = False


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


def direction(law: Law) -> Any:
    """Return 1 for a law that falls as N and D grow, -1 for one that rises, as an accuracy does."""
    if not law.turns:
        return 1.0
    little, much = (loss_of(law, *ends) for ends in (FEW, MANY))
    return jnp.where(much > little, -1.0, 1.0)


def reach(law: Law, known: str, value: Any, loss: Any) -> Array:
    """Return the D (or N) at which a law reaches a loss at a known N (or D); inf where none does.

    Args:
        law: a law of N and D with scalar parameters.
        known: "N" or "D".
        value: of what is known.
        loss: the loss to reach.
    """
    found = additive(law)
    value, loss = jnp.asarray(value, float), jnp.asarray(loss, float)
    if found is not None:
        form, of_N, of_D = found
        here, other = (of_N, of_D) if known == "N" else (of_D, of_N)
        rest = terms_for(form, loss) - here.coefficient * power(value, -here.exponent)
        return input_for(other, rest)

    sign = direction(law)

    def excess(x: Array) -> Array:
        free = jnp.exp(x)
        reached = loss_of(law, value, free) if known == "N" else loss_of(law, free, value)
        gap: Array = sign * (loss - reached)
        return gap

    x = root(excess, *LOG_RANGE, loss * jnp.ones_like(value))
    return jnp.where(excess(x + 1e-6) < 0, jnp.inf, jnp.exp(x))


def terms_for(form: Sum, loss: Any) -> Array:
    """Return what the terms of a sum have to come to for a loss; NaN where nothing does."""
    above = jnp.asarray(loss, float) - form.offset
    able = above > 0
    whole = jnp.where(able, above, 1.0)
    return jnp.where(able, whole if form.plain else power(whole, 1 / form.power), jnp.nan)


def input_for(term: Term, value: Any) -> Array:
    """Return the input at which a term has a value; inf where it is never so small."""
    able = (value > 0) & (term.exponent > 0) & (term.coefficient > 0)
    ratio = jnp.where(able, term.coefficient, 1.0) / jnp.where(able, value, 1.0)
    found = power(ratio, 1 / jnp.where(able, term.exponent, 1.0))
    return jnp.where(able, found, jnp.inf)


def run_of(law: Law, flops: Flops, N: Any, D: Any, loss: Any = None) -> Plan:
    """Return the run of a size and data, or one for a loss, which may be out of reach.

    Args:
        law: a law of N and D with scalar parameters.
        flops: FLOPs model.
        N: parameters; infinite where none are enough.
        D: tokens, likewise.
        loss: what the run was made for; None for what the law predicts of it.
    """
    C = flops(N, D)
    if loss is None:
        return Plan(C, N, D, loss_of(law, N, D))
    able = jnp.isfinite(N) & jnp.isfinite(D)
    return Plan(jnp.where(able, C, jnp.inf), N, D, jnp.asarray(loss, float))


def partner(found: tuple[Sum, Term, Term], known: str, value: Any) -> Array:
    """Return the D for which a size is the best at C = k N D, or the N for which data are.

    Args:
        found: what `additive` returned.
        known: "N" or "D".
        value: of what is known.
    """
    _, of_N, of_D = found
    here, other = (of_N, of_D) if known == "N" else (of_D, of_N)
    slope = here.exponent * here.coefficient * power(jnp.asarray(value, float), -here.exponent)
    return input_for(other, slope / other.exponent)
