"""How many FLOPs a training run costs, and the third of N, D, C from any two.

A FLOPs model is a callable `flops(N, D) -> C`. `SixND` is the usual C = 6 N D; a user's own
function works everywhere it does. The inverse is exact for `SixND` and found by bisection in
log space for any other increasing function. Everything here is plain NumPy on the host, except
calling the model itself, which may be traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxscale._pytree import pytree, static

Flops = Callable[[Any, Any], Any]


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


def tokens_for(flops: Flops, N: Any, C: Any) -> Any:
    """Return D such that flops(N, D) = C, elementwise."""
    if isinstance(flops, SixND):
        return C / (flops.k * N)
    return _invert(lambda D: flops(np.asarray(N, float), D), C)


def parameters_for(flops: Flops, D: Any, C: Any) -> Any:
    """Return N such that flops(N, D) = C, elementwise."""
    if isinstance(flops, SixND):
        return C / (flops.k * D)
    return _invert(lambda N: flops(N, np.asarray(D, float)), C)


def _invert(increasing: Callable[[Any], Any], C: Any) -> np.ndarray:
    target = np.asarray(C, float)
    low, high = np.full(target.shape, -20.0), np.full(target.shape, 120.0)
    for _ in range(80):  # 140 e-folds / 2^80: below rounding
        middle = 0.5 * (low + high)
        below = np.asarray(increasing(np.exp(middle)), float) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))


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
