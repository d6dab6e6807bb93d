"""Sums over runs, in the form that each kind of device does best.

On a CPU a sum is folded and ends in a product, and what has many users is stored. An accelerator
is held up by its memory: there many sums are one pass, and what they are made of is worked out on
the way and not stored. `python -m benchmarks.step` and the part `variants` of
`python -m benchmarks gpu` measure what either is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

FOLDS = 3
"""Times that a sum over runs is folded before the product: 8 terms in one expression."""


def one_pass() -> bool:
    """Return whether programs are made for an accelerator, where many sums are one pass."""
    return jax.default_backend() != "cpu"


def dot(a: Array, b: Array) -> Array:
    """Matrix product at full precision (GPU and TPU default to less)."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def total(x: Array) -> Array:
    """Return the sum of `x` [..., n] over the last axis; any `x` is worked out on the way.

    Folded a few times, which a compiler fuses with what makes `x` and does in vectors, then
    summed by a product. Both add up each lane in the same order however many lanes there are,
    which a plain sum does not.
    """
    for _ in range(FOLDS):
        half, odd = divmod(x.shape[-1], 2)
        if odd:
            break
        x = x[..., :half] + x[..., half:]
    return dot(x, jnp.ones(x.shape[-1], x.dtype))


def totals(parts: Sequence[Array]) -> list[Array]:
    """Return the sums of arrays [n] over the runs, all of them in one pass.

    One reduction of many operands: a compiler has one user to fuse all that makes them into.
    """
    zeros = tuple(np.zeros((), parts[0].dtype) for _ in parts)

    def add(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(x + y for x, y in zip(a, b, strict=True))

    return list(jax.lax.reduce(tuple(parts), zeros, add, (0,)))
