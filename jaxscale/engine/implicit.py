"""The derivative of an optimum in everything the optimum depends on.

At a minimum the gradient g(z, theta) vanishes, so dz = -H^-1 (dg/dtheta) dtheta with the exact
Hessian H: the implicit function theorem. `argmin` carries that derivative, so that anything
worked out from a fit (an exponent, the best N at a budget) can be differentiated in the losses,
weights and inputs of the runs, in the threshold of the robust loss and in a pinned parameter.
Losses are used through their own `weight` and `curvature`: under Huber a run beyond delta has
derivative zero in its loss, exactly. Nothing here solves: find the optimum first, with
`engine.solve` or `fit`.

Pure: works under `jit`, `vmap` and `grad`, follows the dtype of its inputs, and never raises on
values. Where H is not positive definite there is no derivative, and it comes out as NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale._numerics.positive import Positive, log
from jaxscale._numerics.smallmat import cholesky, cholesky_solve
from jaxscale._numerics.sums import dot
from jaxscale.laws import Law
from jaxscale.objective.inputs import normalized
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import Objective, partial


def with_values(
    objective: Objective,
    *,
    loss: Any = None,
    weight: Any = None,
    inputs: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    robust: Loss | None = None,
) -> Objective:
    """Return the objective with other values, given in the units of the runs; pure.

    Differentiate through it rather than in the leaves of an objective, where a loss and its
    logarithm are two arrays that must move together. Normalizations stay as they are: the
    answer in the units of the runs does not depend on them.

    Args:
        objective: an objective over `rows` runs, n of them real and the last ones padding.
        loss: losses of the runs [n].
        weight: weights of the runs [n].
        inputs: arrays [n] by name, for some or all of the law's inputs.
        fixed: values of parameters that are fixed in the objective, by name.
        robust: the robust loss, e.g. `Huber(delta)` with a traced delta.

    Returns:
        The objective; of other values, not of other runs.

    Raises:
        ValueError: a name is not an input of the law, or not a fixed parameter of the objective.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> objective = fit.problem.objective
        >>> higher = jaxscale.implicit.with_values(objective, loss=1.01 * runs.loss)
        >>> float(higher.value(fit.optimum)) > float(objective.value(fit.optimum))
        True
    """
    rows, space = objective.weight.shape[-1], objective.space
    changes: dict[str, Any] = {}

    def padded(values: Any, fill: float) -> Array:
        values = jnp.asarray(values)
        return jnp.concatenate([values, jnp.full(rows - len(values), fill, values.dtype)])

    if loss is not None:
        value = padded(loss / space.loss_scale, 1.0)
        changes["target"] = Positive(value, log(jnp.maximum(value, jnp.finfo(value.dtype).tiny)))
    if weight is not None:
        changes["weight"] = padded(weight, 0.0)
    if inputs:
        names = objective.law.inputs
        _known(inputs, names, "input")
        columns = dict(zip(names, objective.inputs, strict=True))
        for name, x in inputs.items():
            x, kind = jnp.asarray(x), objective.law.kinds[name]
            columns[name] = normalized(x, space.log_scale[name], kind, rows)
        changes["inputs"] = tuple(columns[name] for name in names)
    if fixed:
        _known(fixed, tuple(space.fixed), "fixed parameter")
        changes["space"] = dataclasses.replace(space, fixed={**space.fixed, **fixed})
    if robust is not None:
        changes["loss"] = robust
    return dataclasses.replace(objective, **changes)


def _known(given: Mapping[str, Any], names: tuple[str, ...], kind: str) -> None:
    for name in given:
        if name not in names:
            raise ValueError(f"{name!r} is no {kind}; there are: {', '.join(names) or 'none'}")


@jax.custom_jvp
def argmin(objective: Objective, z: Array) -> Array:
    """Return `z` [P], an optimum, with the derivative of the optimum in the objective; pure.

    The value is `z` to the bit. Its derivative, forward or reverse, is that of the implicit
    function theorem in every leaf of the objective; that in `z` itself is zero. A coordinate at a
    bound, and one on which nothing depends (a break between two runs), does not move.

    The derivative is that of the basin `z` lies in, and one-sided where a residual sits at the
    kink of a Huber loss. It is NaN where the Hessian of the moving coordinates is not positive
    definite to working accuracy: the runs do not determine the optimum, or `z` is none. Short of
    that it loses as many digits as `condition` has: do not use it beyond 1e10 in float64.

    Args:
        objective: what `z` minimizes; `with_values` makes it depend on live values.
        z: the optimum [P] in the coordinates of the objective. A distance from it goes into the
            derivative in proportion.

    Returns:
        `z` [P].

    Cost: about one evaluation of `Objective.model` and one derivative of its gradient.

    Source: Krantz and Parks, The Implicit Function Theorem (2002); Blondel et al. 2021,
    arXiv:2105.15183.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> z = jnp.asarray(fit.optimum)
        >>> def moved(loss):  # the last coordinate, beta
        ...     objective = jaxscale.implicit.with_values(fit.problem.objective, loss=loss)
        ...     return jaxscale.implicit.argmin(objective, z)[-1]
        >>> jax.grad(moved)(jnp.asarray(fit.runs.loss)).shape
        (68,)
    """
    return z


@argmin.defjvp
def _(primals: tuple[Objective, Array], tangents: tuple[Objective, Array]) -> tuple[Array, Array]:
    z = argmin(*primals)
    objective, _ = primals
    _, change = jax.jvp(lambda live: gradient(live, z), (objective,), (tangents[0],))
    return z, -newton_solve(objective, z, change)


def argmin_law(objective: Objective, z: Array) -> Law:
    """Return the law at the optimum `z` [P], in the units of the runs, with its derivatives.

    As `argmin`; pinned parameters have their own derivatives as well. Pure.

    Args:
        objective: what `z` minimizes.
        z: the optimum [P].

    Returns:
        The law, its parameters scalars.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> z = jnp.asarray(fit.optimum)
        >>> def alpha(loss):
        ...     objective = jaxscale.implicit.with_values(fit.problem.objective, loss=loss)
        ...     return jaxscale.implicit.argmin_law(objective, z).alpha
        >>> jax.grad(alpha)(jnp.asarray(fit.runs.loss)).shape
        (68,)
    """
    return objective.law_at(argmin(objective, z))


def gradient(objective: Objective, z: Array) -> Array:
    """Return the gradient [P] of the objective at `z` [P], made to be differentiated; pure.

    Its derivatives in residuals come from the loss's own curvature, those of automatic
    differentiation being wrong at r = 0 and not quite zero beyond the threshold.
    """
    point = tuple(z)
    r, slope, _ = objective.linked(objective.prediction(*point))
    pull = objective.weight * psi(objective.loss, r) * slope / objective.loss.scale
    rows = [partial(objective.prediction, k)(*point) for k in range(len(point))]
    return dot(jnp.stack(rows), pull)


@jax.custom_jvp
def psi(loss: Loss, r: Array) -> Array:
    """Return rho'(r) of residuals `r`, same shape; its derivative in r is `loss.curvature`."""
    return loss.weight(r) * r


@psi.defjvp
def _(primals: tuple[Loss, Array], tangents: tuple[Loss, Array]) -> tuple[Array, Array]:
    loss, r = primals
    _, by_loss = jax.jvp(lambda live: live.weight(r) * r, (loss,), (tangents[0],))
    return psi(loss, r), by_loss + loss.curvature(r) * tangents[1]


def moving(objective: Objective, z: Array, gauss_newton: Array) -> Array:
    """Return which coordinates [P] a change of the objective moves: 1.0 or 0.0.

    Args:
        objective: the objective.
        z: an optimum [P].
        gauss_newton: the first curvature there [P, P].
    """
    lower, upper = objective.bounds()
    free = (z > lower) & (z < upper) & (jnp.diagonal(gauss_newton) > 0)
    moved: Array = free.astype(z.dtype)
    return moved


def confined(hessian: Array, free: Array) -> Array:
    """Return `hessian` [P, P] with the rows and columns of held coordinates those of the identity.

    Args:
        hessian: the curvature.
        free: 1.0 for a coordinate that moves, 0.0 for one that is held [P].
    """
    return hessian * free[:, None] * free[None, :] + jnp.diag(1 - free)


def newton_solve(objective: Objective, z: Array, rhs: Array) -> Array:
    """Return H^-1 `rhs` [P] over the moving coordinates, zero in the others; NaN if singular.

    Args:
        objective: the objective, whose exact Hessian is H.
        z: an optimum [P].
        rhs: the right side [P].
    """
    _, _, gauss_newton, hessian = objective.exact_model(z)
    free = moving(objective, z, gauss_newton)
    lower, ok = cholesky(confined(hessian, free))
    return jnp.where(ok, cholesky_solve(lower, rhs * free), jnp.nan)


def condition(objective: Objective, z: Array) -> Array:
    """Return the condition number of the Hessian at `z` [P], over the coordinates that move; pure.

    That of the 1-norm, at most P times the usual one; infinite where H is not positive definite.

    Args:
        objective: what `z` minimizes.
        z: the optimum [P].

    Returns:
        A scalar, 1 or more.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> objective = jax.tree.map(jnp.asarray, fit.problem.objective)  # on the device
        >>> found = jaxscale.implicit.condition(objective, jnp.asarray(fit.optimum))
        >>> 1e2 < float(found) < 1e5
        True
    """
    _, _, gauss_newton, hessian = objective.exact_model(z)
    matrix = confined(hessian, moving(objective, z, gauss_newton))
    lower, ok = cholesky(matrix)
    inverse = [cholesky_solve(lower, row) for row in jnp.eye(len(z), dtype=z.dtype)]

    def norm(rows: Array) -> Array:
        return jnp.max(jnp.sum(jnp.abs(rows), axis=1))

    return jnp.where(ok, norm(matrix) * norm(jnp.stack(inverse)), jnp.inf)


__all__ = [
    "argmin",
    "argmin_law",
    "condition",
    "gradient",
    "moving",
    "newton_solve",
    "with_values",
]


def __dir__() -> list[str]:
    return sorted(__all__)
