"""What the damped Newton method knows: the best point so far, and how far to trust its model.

A trial is taken where it is better than the best point, and left otherwise. Either way both
dampings follow from how much of what the model had promised came true.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxscale._numerics.smallmat import MAX_ORDER
from jaxscale._numerics.widemat import LIMIT


class NewtonState(NamedTuple):
    """What `newton` carries. Arrays are of the flattened parameters [P].

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> state = jaxscale.newton().init(jnp.zeros(2))
        >>> state.best.tolist(), float(state.value)
        ([0.0, 0.0], inf)
    """

    best: Array  # [P] the best point so far
    value: Array  # its value; inf before the first accepted point
    grad: Array  # [P] its gradient
    influence: Array  # [P] diagonal of its Gauss-Newton matrix
    curvature: Array  # [P, P] its exact Hessian where that is due, else Gauss-Newton
    damping: Array  # lambda of Gauss-Newton steps, relative to the mean diagonal
    newton_damping: Array  # lambda of exact steps
    gain: Array  # relative decrease of the last accepted step
    predicted: Array  # decrease that the model promised for the trial under way
    exact: Array  # whether the trial under way is an exact Newton step
    decrement: Array  # expected decrease at the last trial, once its model can be trusted; else inf
    steepest: Array  # [P] largest diagonal of Gauss-Newton so far; [0] for a dozen parameters
    spare: Array  # [P, P] Gauss-Newton whatever is due; [0, 0] for a dozen parameters


class Settings(NamedTuple):
    """The constants of the method; see `newton`."""

    switch: float = 0.01
    plateau: float = 1e-3
    damping: float = 1e-3
    newton_damping: float = 1e-3
    raise_by: float = 4.0
    lower_by: float = 10.0


def begun(settings: Settings, params: Any) -> NewtonState:
    """Return the state before the first trial.

    Raises:
        ValueError: there are too many parameters.
    """
    flat, _ = ravel_pytree(params)
    order = flat.shape[0]
    if order > LIMIT:
        raise ValueError(
            f"newton() is for at most {LIMIT} parameters, got {order}; use optax.lbfgs()"
        )
    zero = jnp.zeros_like(flat)
    matrix = jnp.zeros((order, order), flat.dtype)
    scalar = functools.partial(jnp.asarray, dtype=flat.dtype)
    return NewtonState(
        best=flat,
        value=scalar(jnp.inf),
        grad=zero,
        influence=zero,
        curvature=matrix,
        damping=scalar(settings.damping),
        newton_damping=scalar(settings.newton_damping),
        gain=scalar(jnp.inf),
        predicted=scalar(0.0),
        exact=jnp.array(False),
        decrement=scalar(jnp.inf),
        steepest=zero if order > MAX_ORDER else zero[:0],
        spare=matrix if order > MAX_ORDER else matrix[:0, :0],
    )


def judged(
    settings: Settings, state: NewtonState, accepted: Array, trial: tuple[Array, ...]
) -> NewtonState:
    """Take the trial point or leave it, all but its curvature, and adapt both dampings.

    Args:
        settings: the constants of the method.
        state: the best point so far.
        accepted: whether the trial is better, a scalar boolean.
        trial: its point [P], value, gradient [P] and diagonal of Gauss-Newton [P].

    Source: Nielsen 1999 for the smooth rule.
    """
    value = trial[1]
    first = jnp.isinf(state.value)
    decrease = state.value - value
    best, kept, grad, influence = (
        jnp.where(accepted, new, old) for new, old in zip(trial, state[: len(trial)], strict=True)
    )
    ratio = decrease / jnp.maximum(state.predicted, jnp.finfo(value.dtype).tiny)
    # Nielsen's smooth rule; a rejected trial, NaN included, raises the damping.
    smooth = jnp.clip(1 - (2 * ratio - 1) ** 3, 1 / settings.lower_by, settings.raise_by)
    # A trial far above the best point took a step that was too long by far.
    worse = jnp.where(value > state.value, jnp.sqrt(value / state.value), 1.0)
    factor = jnp.where(accepted, smooth, settings.raise_by * jnp.clip(worse, 1.0, 64.0))
    small = jnp.finfo(value.dtype).tiny ** 0.1
    factor = jnp.where(first, 1.0, factor)
    lam = jnp.where(state.exact, state.damping, state.damping * factor)
    lam_newton = jnp.where(state.exact, state.newton_damping * factor, state.newton_damping)
    trusted = state.exact & (state.newton_damping < 0.01)
    return state._replace(
        best=best,
        value=kept,
        grad=grad,
        influence=influence,
        damping=jnp.clip(lam, small, 1 / small),
        newton_damping=jnp.clip(lam_newton, 1e-12, 1e6),
        gain=jnp.where(accepted & ~first, decrease / state.value, state.gain),
        decrement=jnp.where(trusted, state.predicted, jnp.inf),
        steepest=jnp.maximum(state.steepest, influence) if state.steepest.size else state.steepest,
    )
