"""What is usual for a recipe, learned from its finished runs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from jaxscale.forecast.local_level import Evidence, Prior, forecast_mixture

LEARNING = (100, 0.1)
"""Steps and rate of the search for a prior."""


def learn_prior(
    evidence: Sequence[Evidence],
    final_loss: Any,
    prior: Prior | None = None,
    grid: tuple[int, int, int] = (8, 4, 6),
) -> Prior:
    """Return the prior that would have forecast finished runs best.

    It maximizes the mean log density of the final losses, held back by a weak pull to where it
    begins, so that three runs already help and a hundred decide. Runs of the same recipe at
    smaller scale are what a forecast of a larger one should know.

    Args:
        evidence: of every run [R], as it was early on: `forecaster.evidence(state, final_step)`.
        final_loss: what came [R].
        prior: where to begin; default `Prior()`.
        grid: cells of the search.

    Returns:
        The prior, for `Forecaster(prior=...)`.

    Raises:
        ValueError: there are no runs, not one loss per run, a run that has shown nothing or has no
            forecast, or final losses so far from all forecasts that no prior explains them.

    Example:
        >>> import jaxscale
        >>> forecaster = jaxscale.Forecaster(grid=(4, 2, 2))
        >>> seen, ends = [], []
        >>> for exponent in (0.3, 0.4, 0.5):  # three finished runs
        ...     state = forecaster.init()
        ...     for step in range(100, 2000, 100):
        ...         state = forecaster.update(state, step, 2.0 + 8.0 * step**-exponent)
        ...     seen.append(forecaster.evidence(state, 10_000))
        ...     ends.append(2.0 + 8.0 * 10_000**-exponent)
        >>> prior = jaxscale.learn_prior(seen, ends, grid=(4, 2, 2))
        >>> prior.alpha[0] > 0
        True
    """
    prior = prior or Prior()
    loss = jnp.asarray(final_loss)
    if not evidence or loss.shape != (len(evidence),):
        raise ValueError(f"{len(evidence)} runs and final losses of shape {loss.shape}")
    seen = jax.tree.map(lambda *x: jnp.stack(x), *evidence)
    silent = np.flatnonzero(~np.any(seen.used, axis=1) | ~np.isfinite(loss))
    if len(silent):
        raise ValueError(
            f"run {silent[0]} has shown no loss, its final loss is not finite, or its final step "
            "or schedule is none"
        )
    names = [field.name for field in dataclasses.fields(Prior)]
    start = {name: jnp.asarray(getattr(prior, name), loss.dtype) for name in names}
    surprise, found = jax.device_get(_search(seen, loss, start, grid))
    if not np.isfinite(surprise):
        raise ValueError(
            "no prior explains the final losses: each must be of its own run, in the same unit"
        )
    return Prior(**{name: (float(v[0]), float(v[1])) for name, v in found.items()})


@functools.partial(jax.jit, static_argnums=3)
def _search(
    seen: Evidence, loss: Array, start: dict[str, Array], grid: tuple[int, int, int]
) -> tuple[Array, dict[str, Array]]:
    """Return the surprise and the pairs of the best prior met on the way from those of `start`."""
    steps, rate = LEARNING
    optimizer = optax.adam(rate)

    def pairs(moved: dict[str, Array]) -> dict[str, Array]:
        return {name: start[name] * jnp.exp(by) for name, by in moved.items()}

    def surprise(moved: dict[str, Array]) -> Array:
        prior = Prior(**{name: (v[0], v[1]) for name, v in pairs(moved).items()})

        def one(seen: Evidence, loss: Array) -> Array:
            mixture = forecast_mixture(seen, prior, grid)
            z = (loss - mixture.mean) / mixture.sd
            weight = jnp.maximum(mixture.weight, jnp.finfo(z.dtype).tiny)  # its slope exists at 0
            density = jnp.log(weight) - 0.5 * z**2 - jnp.log(mixture.sd / seen.scale)
            return -jax.nn.logsumexp(density)

        pull = 0.5 * sum(jnp.sum(by**2) for by in moved.values())
        return jnp.mean(jax.vmap(one)(seen, loss)) + pull / len(loss)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        moved, state, best = carry
        value, slope = jax.value_and_grad(surprise)(moved)
        slope = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, 0.0), slope)
        best = lax.cond(value < best[0], lambda: (value, moved), lambda: best)
        updates, state = optimizer.update(slope, state)
        return (optax.apply_updates(moved, updates), state, best), None

    moved = jax.tree.map(jnp.zeros_like, start)
    best = jnp.full_like(loss[0], jnp.inf), moved
    (_, _, best), _ = lax.scan(step, (moved, optimizer.init(moved), best), length=steps)
    return best[0], pairs(best[1])
