"""How many FLOPs a training run costs, and the third of N, D, C from any two.

A FLOPs model is a callable `flops(N, D) -> C`. `SixND` is the usual C = 6 N D; a user's own
function works everywhere it does. The inverse is exact for `SixND` and found by bisection in
log space for any other increasing function. Tracers are welcome: the work is NumPy for numbers
on the host and JAX inside a transformed function, where a user's model must be JAX as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.pytree import pytree, static
from jaxscale._numerics.roots import HALVINGS, root

Flops = Callable[[Any, Any], Any]
LOG_RANGE = (-20.0, 120.0)
"""Logarithms between which the inverse of a user's model is looked for."""


@pytree
class SixND:
    """C = k N D with k = 6: two FLOPs per parameter and token forward, four backward.

    Source: Kaplan et al. 2020, arXiv:2001.08361, section 2.1.
    """

    k: float = static(default=6.0)

    def __call__(self, N: Any, D: Any) -> Any:
        """Return k N D."""
        return self.k * N * D

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SixND) and other.k == self.k

    def __hash__(self) -> int:
        return hash(("SixND", self.k))


SIX_ND = SixND()
"""The model that nobody chose. Another `SixND()` was chosen, and gives way to no table's own."""


def tokens_for(flops: Flops, N: Any, C: Any) -> Any:
    """Return D such that flops(N, D) = C, elementwise.

    Args:
        flops: the FLOPs model.
        N: parameters, any shape.
        C: compute, of a shape that broadcasts against N.
    """
    if isinstance(flops, SixND):
        return C / (flops.k * N)
    return _invert(lambda N, D: flops(N, D), N, C)


def parameters_for(flops: Flops, D: Any, C: Any) -> Any:
    """Return N such that flops(N, D) = C, elementwise.

    Args:
        flops: the FLOPs model.
        D: tokens, any shape.
        C: compute, of a shape that broadcasts against D.
    """
    if isinstance(flops, SixND):
        return C / (flops.k * D)
    return _invert(lambda D, N: flops(N, D), D, C)


def _invert(model: Callable[[Any, Any], Any], known: Any, C: Any) -> Any:
    """Return x such that model(known, x) = C, for a model that increases in x."""
    if any(isinstance(x, jax.core.Tracer) for x in (known, C)):
        return _invert_traced(model, known, C)
    known, target = np.broadcast_arrays(np.asarray(known, float), np.asarray(C, float))
    low, high = np.full(target.shape, LOG_RANGE[0]), np.full(target.shape, LOG_RANGE[1])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = np.asarray(model(known, np.exp(middle)), float) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))


def _invert_traced(model: Callable[[Any, Any], Any], known: Any, C: Any) -> jax.Array:
    """Return the same with its derivatives."""
    known, C = jnp.broadcast_arrays(known, C)
    log_C = jnp.log(C * jnp.ones((), jnp.result_type(C, float)))
    return jnp.exp(root(lambda x: jnp.log(model(known, jnp.exp(x))) - log_C, *LOG_RANGE, log_C))


def complete(
    *, N: Any = None, D: Any = None, C: Any = None, flops: Flops | None = None
) -> tuple[Any, Any, Any]:
    """Return (N, D, C) from any two of them.

    Args:
        N: parameters, any shape, or None.
        D: tokens, or None.
        C: FLOPs, or None. Given with both others, it is returned as it is.
        flops: FLOPs model; default `SixND()`.

    Raises:
        ValueError: fewer than two are given.
    """
    model = flops or SixND()
    if sum(x is None for x in (N, D, C)) > 1:
        raise ValueError("give at least two of N (parameters), D (tokens) and C (FLOPs)")
    if N is None:
        N = parameters_for(model, D, C)
    if D is None:
        D = tokens_for(model, N, C)
    return N, D, model(N, D) if C is None else C
