"""Bins that do not count: spoiled by a wild loss, or from before the run has settled."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

WILD = (20.0, 0.2)
"""A spike is beyond the median of its neighbourhood by so many times what is usual, and by more
than this share of it."""
LAST = 2.0
"""The last bin has no neighbours beyond it: a spike if it is above so many times those before."""
QUIET = 1e-3
"""Least that counts as usual, of the loss."""


HIGH = 3.0
"""A run is settled where its loss is at most so many times the present one."""
EARLY = 0.5
"""Share of the steps seen by which it has to be: what falls later is no beginning."""


def settled(used: Array, loss: Array, step: Array) -> Array:
    """Return which bins come after the first fall of the loss [K]; all where that was of late.

    A fall by a multiple of what is left, in the first steps, is no power law: a regression forgets
    where it began, while losses of language models are seldom so high.

    Args:
        used: bins that count [K].
        loss: their means [K].
        step: their mean steps [K].
    """
    index = jnp.arange(len(used))
    last = jnp.max(jnp.where(used, index, 0))
    high = jnp.max(jnp.where(used & (loss > HIGH * jnp.abs(loss[last])), index, -1))
    over = (high >= 0) & (step[jnp.maximum(high, 0)] <= EARLY * step[last])
    return (index > high) | ~over


def spiked(used: Array, loss: Array) -> Array:
    """Return which bins stand alone, far from both sides [K]; a step up or down does not.

    Args:
        used: bins that count [K].
        loss: their means [K].
    """
    order = jnp.argsort(~used, stable=True)
    number, index = jnp.sum(used), jnp.arange(len(used))
    last = jnp.maximum(number - 1, 0)
    x = loss[order]
    near = jnp.clip(index[:, None] + jnp.arange(-2, 3), 0, last)  # an end is its own median
    middle = jnp.median(x[near], axis=1)
    apart, size = jnp.abs(x - middle), jnp.abs(middle)
    share = jnp.where(index < number, apart / jnp.maximum(size, jnp.finfo(x.dtype).tiny), jnp.nan)
    usual = jnp.maximum(jnp.nan_to_num(jnp.nanmedian(share)), QUIET)
    wild = share > jnp.maximum(WILD[0] * usual, WILD[1])
    before = x[jnp.clip(last - jnp.arange(1, 5), 0, last)]
    up = jnp.max(before)
    wild |= (index == last) & (number > 4) & (up > 0) & (x > LAST * up)
    return jnp.zeros_like(used).at[order].set(wild & (index < number))
