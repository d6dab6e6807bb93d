"""A damped Newton method for robust curve fits, as an optax transformation.

Two curvatures, each with its own damping. Far from the optimum the step comes from the
Gauss-Newton matrix with reweighting (positive semi-definite, an upper model of the loss) plus
lambda times the identity. Once a step gains less than `switch` of the value, *and* no
coordinate has lost its influence, it comes from the exact Hessian. The second condition is what
tells an optimum from a plateau: where a term of the law has vanished, its diagonal entry of the
Gauss-Newton matrix is tiny next to the others, and an exact Newton step would stay there.

One evaluation per step: `update` gets value, gradient and curvature at the *trial* point, keeps
the best point in its state, accepts or rejects, and returns the move to the next trial. So it
runs in any optax loop; the last parameters may be a rejected trial, the best are in the state.

Which curvature is due is known before it is worked out: from the value, the gradient and the
diagonal of Gauss-Newton. So one is enough. The price is paid where the exact Hessian is due but
not definite: that step goes by the diagonal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxscale._numerics.smallmat import solve_psd
from jaxscale.optimizers.newton_state import NewtonState, Settings, begun, judged

if TYPE_CHECKING:  # importing it takes as long as a fit
    import optax

LEAST_CURVATURE = 1e-3
"""Curvature of a parameter at least, in units of its gradient over the parameter itself."""
LEAST_SHARE = 1e-12
"""Curvature of one parameter of many at least, in units of the largest."""


Curvature = Callable[[Array], Array]
"""Of a boolean: the exact Hessian [P, P] if it holds, else Gauss-Newton."""
Solve = Callable[[Array, Array], tuple[Array, Array]]
"""Of a symmetric matrix [P, P] and a right side [P]: the solution [P], and whether the matrix is
positive definite."""


class _Ground(NamedTuple):
    """What is known of the best point before its curvature."""

    held: Array  # [P] coordinates that do not move
    size: Array  # what the damping is relative to
    near: Array  # whether the exact Hessian is due


class _Step(NamedTuple):
    move: Array
    predicted: Array
    exact: Array
    refused: Array  # the exact Hessian was due but not positive definite at its damping


@functools.cache
def newton(
    *,
    switch: float = 0.01,
    plateau: float = 1e-3,
    damping: float = 1e-3,
    newton_damping: float = 1e-3,
    raise_by: float = 4.0,
    lower_by: float = 10.0,
) -> optax.GradientTransformationExtraArgs:
    """Build the damped Newton method; for at most 256 parameters.

    Use it for scaling laws and other small robust fits; use optax.lbfgs or optax.adam for more
    parameters. Factories are cached by their arguments, so building it twice compiles once.

    Args:
        switch: relative gain of a step below which the exact Hessian may take over.
        plateau: smallest ratio of diagonal entries of the Gauss-Newton matrix at which it may.
        damping: initial lambda of Gauss-Newton steps, relative to the mean diagonal.
        newton_damping: initial lambda of exact steps.
        raise_by: factor on lambda after a rejected step; more after a very bad one.
        lower_by: divisor of lambda after a step that kept its promise, and at most.

    Returns:
        A transformation. `update(grad, state, params, *, value, ...)` needs the parameters and
        these extra arguments, where P counts the flattened parameters:

        - `value`: the loss at `params`.
        - `value_fn`: the loss as a function of the parameters. Its Hessian is both curvatures;
          needed unless `curvature_fn` is given.
        - `curvature_fn`: a function of the parameters that returns the diagonal [P] of a positive
          semi-definite curvature (Gauss-Newton), and a function of a boolean that returns the
          curvature [P, P] itself, or where the boolean holds the exact Hessian.
        - `lower`, `upper`: bounds [P]; default none.
        - `solve_fn`: of a damped curvature [P, P] and a right side [P], the solution, and whether
          the curvature is positive definite; for curvatures of a structure. Default dense.

        Further arguments, such as optax's `grad`, are ignored. The best point so far is
        `state.best` [P], its loss `state.value`; `params` may be a rejected trial.

    With `value_fn` alone the parameters may have any units: a step is worked out in units of the
    curvature of each parameter. With `curvature_fn`, which is how the engine calls it, they
    should be of order one, as the coordinates of a fit are: Gauss-Newton steps are damped alike
    in all of them, which is what tells a term that has vanished from one that has not, and a
    parameter of order 1e8 would hardly move. Of more than 12 parameters some are always nearly
    without effect, and the others would be held back with them: there a step is worked out in
    units of the largest curvature that each has had.

    Raises:
        ValueError: by `init`, for more than 256 parameters; by `update`, without `params` or
            without both `value_fn` and `curvature_fn`.

    Cost: one value, gradient and curvature per step, and one P x P Cholesky solve.

    Source: Levenberg 1944 and Marquardt 1963 for the damping, Holland and Welsch 1977 for the
    reweighting, Nielsen 1999 for the change of damping, Marquardt 1963 for the units; the
    two-damping switch was found by experiment (`python -m benchmarks.ablation`).

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> def loss(z):
        ...     return jnp.sum((z - jnp.array([1.0, 2.0])) ** 2 * jnp.array([1.0, 100.0]))
        >>> method, z = jaxscale.newton(), jnp.zeros(2)
        >>> state = method.init(z)
        >>> for _ in range(10):
        ...     value, slope = jax.value_and_grad(loss)(z)
        ...     step, state = method.update(slope, state, z, value=value, value_fn=loss)
        ...     z = z + step
        >>> state.best.round(3).tolist()
        [1.0, 2.0]
    """
    import optax

    settings = Settings(switch, plateau, damping, newton_damping, raise_by, lower_by)
    return optax.GradientTransformationExtraArgs(*method(settings))


class Method(NamedTuple):
    """What an engine needs of an optax transformation with extra arguments; see `newton`.

    Example:
        >>> import jaxscale
        >>> jaxscale.optimizers.method()._fields
        ('init', 'update')
    """

    init: Callable[[Any], NewtonState]
    update: Callable[..., tuple[Any, NewtonState]]


def method(settings: Settings | None = None) -> Method:
    """Return the damped Newton method for an engine, which does without optax; see `newton`.

    Args:
        settings: constants of the method, as `newton` has them; None for its defaults.

    Returns:
        The two functions `init` and `update`; the same one for the same settings.

    Example:
        >>> import jaxscale
        >>> jaxscale.optimizers.method() is jaxscale.optimizers.method()
        True
    """
    return _built(settings or Settings())


@functools.cache
def _built(settings: Settings) -> Method:
    def update(
        updates: Any,
        state: NewtonState,
        params: Any = None,
        *,
        value: Array,
        value_fn: Callable[[Any], Array] | None = None,
        curvature_fn: Callable[[Any], tuple[Array, Curvature]] | None = None,
        lower: Array | None = None,
        upper: Array | None = None,
        solve_fn: Solve = solve_psd,
        **extra: Any,
    ) -> tuple[Any, NewtonState]:
        del extra
        if params is None:
            raise ValueError("newton() needs params in update()")
        flat, unravel = ravel_pytree(params)
        grad, _ = ravel_pytree(updates)
        low = jnp.full_like(flat, -jnp.inf) if lower is None else lower
        high = jnp.full_like(flat, jnp.inf) if upper is None else upper
        if curvature_fn is not None:
            influence, curvature = curvature_fn(params)
        elif value_fn is not None:
            influence, curvature = _hessian(lambda x: value_fn(unravel(x)), flat)
        else:
            raise ValueError("newton() needs value_fn= or curvature_fn= in update()")
        value = jnp.asarray(value, flat.dtype)
        accepted = jnp.isfinite(value) & (value < state.value)
        state = judged(settings, state, accepted, (flat, value, grad, influence))
        units = _units(state, curvature_fn is not None)
        ground = _ground(settings, state, low, high, units)
        state = state._replace(
            curvature=jnp.where(accepted, curvature(ground.near), state.curvature)
        )
        if state.spare.size:
            spare = jnp.where(accepted, curvature(jnp.array(False)), state.spare)
            state = state._replace(spare=spare)
        step = _propose(state, ground, units, solve_fn)
        trial = jnp.clip(state.best + step.move, low, high)
        state = state._replace(
            predicted=step.predicted,
            exact=step.exact,
            newton_damping=state.newton_damping * jnp.where(step.refused, settings.raise_by, 1.0),
        )
        return unravel(trial - flat), state

    return Method(functools.partial(begun, settings), update)


def _hessian(function: Callable[[Array], Array], at: Array) -> tuple[Array, Curvature]:
    """Return what `curvature_fn` does, where the Hessian of a function has to do for both."""
    hessian: Array = jax.hessian(function)(at)
    return jnp.diagonal(hessian), lambda exact: hessian


def _units(state: NewtonState, of_order_one: bool) -> Array | None:
    """Return [P], the units that a step is worked out in; None for those of the coordinates.

    Args:
        state: the best point.
        of_order_one: whether the coordinates are, as those of a fit. Else any unit will do: where
            a curvature has all but vanished, the gradient over the parameter stands in for it,
            and a damped step is a multiple of the parameter, not of a rounding error. Of many
            parameters the units are of the largest curvature that each has had.

    Source: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory.
    """
    if of_order_one and not state.steepest.size:
        return None
    if of_order_one:
        curvature = jnp.maximum(state.steepest, LEAST_SHARE * jnp.max(state.steepest))
    else:
        apart = state.best != 0
        slope = jnp.abs(state.grad / jnp.where(apart, state.best, 1.0))
        least = jnp.where(apart, LEAST_CURVATURE * slope, 0.0)
        curvature = jnp.maximum(jnp.abs(state.influence), least)
    return 1 / jnp.sqrt(jnp.where(curvature > 0, curvature, 1.0))


def _ground(
    settings: Settings, state: NewtonState, low: Array, high: Array, units: Array | None
) -> _Ground:
    """Tell what holds at the best point, from all but its curvature.

    Args:
        settings: the constants of the method.
        state: the best point.
        low: lower bounds [P].
        high: upper bounds [P].
        units: of `_units`.
    """
    held = ((state.best <= low) & (state.grad > 0)) | ((state.best >= high) & (state.grad < 0))
    # A coordinate without any influence (a break between two data) has no step either.
    held = held | ((state.influence == 0) & (state.grad == 0))
    size, influence = jnp.ones_like(state.value), state.influence
    if units is None:
        free = (~held).astype(state.value.dtype)
        size = jnp.sum(jnp.abs(influence) * free) / jnp.maximum(jnp.sum(free), 1.0)
        size = jnp.where(size > 0, size, 1.0)
    else:
        influence = influence * units * units
    influence = jnp.where(held, size, influence)
    near = jnp.min(influence) > settings.plateau * jnp.max(influence)
    return _Ground(held, size, near & (state.gain < settings.switch))


def _propose(state: NewtonState, ground: _Ground, units: Array | None, solve: Solve) -> _Step:
    """Work out the step from the best point.

    Where the exact Hessian is due but not definite at its damping, the step is a short one down
    the slope: by the diagonal that Gauss-Newton cannot exceed. Of many parameters it is that of
    Gauss-Newton, which is kept there for it.
    """
    held, size, near = ground
    free = (~held).astype(size.dtype)
    unit = jnp.ones_like(free) if units is None else units
    eye, grad = jnp.eye(len(free), dtype=size.dtype), jnp.where(held, 0.0, state.grad)
    grad = grad if units is None else grad * unit

    def solved(matrix: Array, lam: Array) -> tuple[Array, Array]:
        matrix = matrix if units is None else matrix * unit[:, None] * unit[None, :]
        padded = free[:, None] * free[None, :] * matrix + eye * jnp.where(held, size, lam)
        return solve(padded, grad)

    lam = jnp.where(near, state.newton_damping, state.damping) * size
    step, ok = solved(state.curvature, lam)
    refused, slow = near & ~ok, state.damping * size
    if state.spare.size:
        other = solved(state.spare, slow)[0]
    else:
        other = grad / (slow + len(free) * jnp.abs(state.influence) * unit * unit)
    step, lam = jnp.where(refused, other, step), jnp.where(refused, slow, lam)
    # What the undamped model promises, since (M + lam) step = grad.
    predicted = 0.5 * jnp.sum(step * grad + lam * step * step)
    return _Step(-step * unit, predicted, near & ok, refused)
