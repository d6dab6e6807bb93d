"""The one loop: a slab of lanes, each minimizing the objective from its own start.

W lanes are in flight in a single `lax.while_loop`. A lane that ends writes its result and is
refilled on the device with the next start, so one slow lane never holds the others, and memory
is W * n however many starts there are. Each step evaluates the objective once per lane, and any
optax transformation supplies the move.

The engine owns stopping, the best point so far, bounds and non-finite lanes. It is pure and
jittable: no host callbacks (they do not survive a batched while loop), no precision scopes.
Progress belongs between calls, in `engine.dispatch`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale.engine.limits import Limits
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import Method
from jaxscale.shown.blocks import shown

if TYPE_CHECKING:  # importing it takes as long as a fit
    import optax

VECTOR = 16
"""Lanes of the widest vector registers in use (float32, 512 bits)."""

CLASSIFIED = 1 << 20
"""Lanes times runs that are classified at a time."""


class Status(enum.IntEnum):
    """How a lane ended. The first three are convergence.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> status = jaxscale.engine.Status(int(fit.start_status[0]))
        >>> status.name
        'CONVERGED'
    """

    CONVERGED = 0
    CONVERGED_DECREASE = 1
    CONVERGED_STEP = 2
    STEP_LIMIT = 3
    STALLED = 4
    NONFINITE_START = 5
    AT_BOUND = 6
    DEGENERATE_TERM = 7

    @property
    def advice(self) -> str:
        """One sentence: what it means and what to do."""
        return ADVICE[self]


ADVICE = {
    Status.CONVERGED: "The gradient vanishes to working accuracy: a local optimum.",
    Status.CONVERGED_DECREASE: "Steps no longer lower the objective: a local optimum to rounding.",
    Status.CONVERGED_STEP: "Steps have become negligible: a local optimum to rounding.",
    Status.STEP_LIMIT: "The step limit came first: raise max_steps (--max-steps).",
    Status.STALLED: "No acceptable step was found: the point may not be an optimum.",
    Status.NONFINITE_START: "The law is not finite at the start: draw it from a smaller box.",
    Status.AT_BOUND: "A parameter ended at its bound: the data do not determine it; fix it.",
    Status.DEGENERATE_TERM: (
        "A term contributes less than 1e-3 of every prediction: a plateau of the objective, or a "
        "term that the data do not need; fix it or use a smaller law."
    ),
}


@shown
class Solution(NamedTuple):
    """What every start led to; leading axis S; device arrays here, NumPy on the host.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> objective = jax.tree.map(jnp.asarray, fit.problem.objective)  # on the device
        >>> starts = jnp.asarray(fit.optimum + [[0.0], [0.1]])  # [S, P]
        >>> found = jaxscale.engine.solve(objective, jaxscale.newton(), starts)
        >>> found.value.shape, [jaxscale.engine.Status(int(k)).name for k in found.status]
        ((2,), ['CONVERGED_DECREASE', 'CONVERGED'])
    """

    z: Any  # [S, P] best coordinates
    value: Any  # [S] value there; inf where the start was not finite
    status: Any  # [S] int32, a Status
    steps: Any  # [S] int32, evaluations


class _Lane(NamedTuple):
    z: Array
    opt_state: Any
    best: Array
    value: Array
    steps: Array
    flat: Array  # consecutive steps without a noticeable change of the value


_Carry = tuple[dict[str, Any], _Lane, Array, Array, Solution]
"""The data of the lanes, the lanes, their starts, the next start, what is done."""


def _start(optimizer: optax.GradientTransformationExtraArgs | Method, z: Array) -> _Lane:
    zero = jnp.zeros((), jnp.int32)
    return _Lane(z, optimizer.init(z), z, jnp.full((), jnp.inf, z.dtype), zero, zero)


def _advance(
    objective: Objective,
    optimizer: optax.GradientTransformationExtraArgs | Method,
    limits: Limits,
    lane: _Lane,
) -> tuple[_Lane, Array, Array]:
    """Take one step of one lane; returns (lane, whether it ended, its status)."""
    lower, upper = objective.bounds()
    # All at once, so that the parts share every exponential; unused parts are not computed.
    value, grad, influence, curvature = objective.lazy_model(lane.z)

    def value_fn(
        z: Array,
        *,
        curvature_fn: Any = None,
        lower: Any = None,
        upper: Any = None,
        solve_fn: Any = None,
    ) -> Array:
        """Accept what `update` is given: optax's line searches insist that somebody does."""
        return objective.value(z)

    updates, opt_state = optimizer.update(
        grad,
        lane.opt_state,
        lane.z,
        value=value,
        grad=grad,
        value_fn=value_fn,
        curvature_fn=lambda _: (influence, curvature),
        lower=lower,
        upper=upper,
        solve_fn=objective.solver(),
    )
    trial = jnp.clip(lane.z + updates, lower, upper)
    improved = jnp.isfinite(value) & (value < lane.value)
    change = jnp.abs(value - lane.value)
    best = jnp.where(improved, lane.z, lane.best)
    best_value = jnp.where(improved, value, lane.value)
    flat = jnp.where(change <= limits.decrease * best_value, lane.flat + 1, 0)
    steps = lane.steps + 1
    decrement = getattr(opt_state, "decrement", None)
    if decrement is None:
        held = ((lane.z <= lower) & (grad > 0)) | ((lane.z >= upper) & (grad < 0))
        size = jnp.max(jnp.where(held, 0.0, jnp.abs(grad)))
        stationary = size <= limits.gradient * value
    else:
        stationary = decrement <= limits.decrement * best_value
    stationary = stationary | (best_value <= objective.floor())
    tiny_step = (jnp.max(jnp.abs(trial - best)) <= limits.step) & (change <= 0)
    lost = ~jnp.isfinite(best_value)
    stuck = ~jnp.all(jnp.isfinite(trial))
    checks = (
        (lost, Status.NONFINITE_START),
        (stationary, Status.CONVERGED),
        (flat >= 3, Status.CONVERGED_DECREASE),
        (tiny_step, Status.CONVERGED_STEP),
        (stuck, Status.STALLED),
        (steps >= limits.max_steps, Status.STEP_LIMIT),
    )
    return _Lane(trial, opt_state, best, best_value, steps, flat), *_verdict(checks)


def _verdict(checks: tuple[tuple[Array, Status], ...]) -> tuple[Array, Array]:
    """Return whether any condition holds, and the status of the first that does."""
    conditions = [condition for condition, _ in checks]
    codes = [jnp.full((), int(code), jnp.int32) for _, code in checks]
    return jnp.any(jnp.stack(conditions)), jnp.select(conditions, codes, codes[-1])


def solve(
    objective: Objective,
    optimizer: optax.GradientTransformationExtraArgs | Method,
    starts: Array,
    *,
    problem: Array | None = None,
    axes: tuple[str, ...] = (),
    count: Array | int | None = None,
    limits: Limits | None = None,
    width: int = 64,
) -> Solution:
    """Minimize one objective, or one of B, from every start; pure and jittable.

    Under `shard_map` it needs `check_vma=False`.

    Everything that repeats a fit is an axis of the same solve: restarts are rows of `starts`;
    replicate weights [B, n], simulated targets [B, n], fixed values [B], thresholds [B] and data
    sets padded to one length [B, n] are fields of the objective with a leading axis.

    Args:
        objective: what to minimize, in the dtype of `starts`.
        optimizer: an optax transformation; `newton()` for scaling laws.
        starts: coordinates z [S, P].
        problem: [S] int32, which of the B problems each start belongs to; needed with `axes`.
        axes: static; names of the fields of the objective (of weight, target, inputs, space,
            loss) all of whose leaves have a leading axis [B].
        count: how many of the leading starts are real, a (traced) number; the rest are padding.
            Default S.
        limits: stopping rules; default those of the dtype with 400 steps.
        width: static; lanes in flight. On a CPU a result does not depend on it, to the last bit,
            for multiples of 16 from 32 on.

    Returns:
        A `Solution` with leading axis S; padding has value inf.

    Raises:
        ValueError: `axes` without `problem`, or the reverse.

    Cost: about 12 ns per start, run and step for Chinchilla in float64 on one CPU core
    (`python -m benchmarks.step`); memory grows with width times n, not with S.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> objective = jax.tree.map(jnp.asarray, fit.problem.objective)  # on the device
        >>> starts = jnp.asarray(fit.optimum + [[0.0], [0.1]])  # [S, P]
        >>> found = jaxscale.engine.solve(objective, jaxscale.newton(), starts)
        >>> law = objective.law_at(found.z[0])
        >>> found.z.shape, round(float(law.alpha), 2)
        ((2, 5), 0.42)
    """
    if bool(axes) != (problem is not None):
        raise ValueError("axes and problem go together: what varies, and which of it is whose")
    total, order = starts.shape
    # Whole vectors of lanes: a remainder would go through another exponential on some CPUs.
    width = min(width, total if total < VECTOR else -(-total // VECTOR) * VECTOR)
    limits = limits or Limits.for_dtype(starts.dtype, 400)
    if not isinstance(optimizer, Method):
        import optax

        optimizer = optax.with_extra_args_support(optimizer)
    lower, upper = objective.bounds()
    starts = jnp.clip(starts, lower, upper)
    number = jnp.asarray(total if count is None else count, jnp.int32)
    fields = {name: getattr(objective, name) for name in axes}
    # Lanes lie in the minor axis: then every scalar of the optimizer's algebra is one vector.
    begin: Callable[[Array], _Lane] = jax.vmap(lambda z: _start(optimizer, z), out_axes=-1)

    def advance(own: dict[str, Any], lane: _Lane) -> tuple[_Lane, Array, Array]:
        return _advance(dataclasses.replace(objective, **own), optimizer, limits, lane)

    def enter(ids: Array) -> tuple[dict[str, Any], _Lane]:
        """Return the data and the first state of the lanes that take up starts `ids` [W]."""
        ids = jnp.minimum(ids, total - 1)
        own = {} if problem is None else jax.tree.map(lambda leaf: leaf[problem[ids]], fields)
        return own, begin(starts[ids])

    out = Solution(
        z=starts,
        value=jnp.full(total, jnp.inf, starts.dtype),
        status=jnp.full(total, int(Status.NONFINITE_START), jnp.int32),
        steps=jnp.zeros(total, jnp.int32),
    )
    ids = jnp.arange(width, dtype=jnp.int32)
    first = (*enter(ids), ids, jnp.asarray(width, jnp.int32), out)
    step = functools.partial(_step, jax.vmap(advance, in_axes=(0, -1), out_axes=-1), enter, number)
    return lax.while_loop(lambda carry: jnp.any(carry[2] < number), step, first)[-1]


def _step(advance: Any, enter: Any, number: Array, carry: _Carry) -> _Carry:
    """Advance every lane by one step; write out those that ended, and refill them."""
    own, lanes, ids, following, out = carry
    lanes, ended, status = advance(own, lanes)
    ended = ended & (ids < number)

    def refill(carry: _Carry) -> _Carry:
        _, lanes, ids, following, out = carry
        # Unique targets: a lane that goes on writes out of range, which "drop" ignores.
        target = jnp.where(ended, ids, len(out.value))
        done = Solution(lanes.best.T, lanes.value, status, lanes.steps)
        out = jax.tree.map(
            lambda all_, part: all_.at[target].set(part, mode="drop", unique_indices=True),
            out,
            done,
        )
        rank = jnp.cumsum(ended.astype(jnp.int32)) - 1
        ids = jnp.where(ended, following + rank, ids)
        own, fresh = enter(ids)
        lanes = jax.tree.map(lambda new, old: jnp.where(ended, new, old), fresh, lanes)
        return own, lanes, ids, following + jnp.sum(ended, dtype=jnp.int32), out

    carry = (own, lanes, ids, following, out)
    after: _Carry = lax.cond(jnp.any(ended), refill, lambda same: same, carry)
    return after


def classify(objective: Objective, solution: Solution, *, axes: tuple[str, ...] = ()) -> Solution:
    """Replace the status of lanes that converged to a bound or to a dead term; pure.

    Args:
        objective: what was minimized.
        solution: S lanes.
        axes: static; names of the fields of the objective whose leaves have the axis [S].

    Returns:
        The solution with those statuses.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> objective = jax.tree.map(jnp.asarray, fit.problem.objective)  # on the device
        >>> starts = jnp.asarray(fit.optimum + [[0.0], [0.1]])  # [S, P]
        >>> found = jaxscale.engine.solve(objective, jaxscale.newton(), starts)
        >>> bool((jaxscale.engine.classify(objective, found).status == found.status).all())
        True
    """
    lower, upper = objective.bounds()
    specs = objective.space.specs
    additive = [k for k, spec in enumerate(specs) if spec.linear and spec.positive]

    def one(own: dict[str, Any], z: Array, status: Array) -> Array:
        here = dataclasses.replace(objective, **own)
        bound = jnp.any((z <= lower) | (z >= upper))
        dead = jnp.any(here.shares(z, additive) < 1e-3)
        converged = status <= int(Status.CONVERGED_STEP)
        status = jnp.where(converged & bound, int(Status.AT_BOUND), status)
        return jnp.where(converged & dead & ~bound, int(Status.DEGENERATE_TERM), status)

    own = {name: getattr(objective, name) for name in axes}
    lanes = (own, solution.z, solution.status)
    some = max(1, CLASSIFIED // objective.weight.shape[-1])
    if some >= len(solution.z):
        return solution._replace(status=jax.vmap(one)(*lanes))
    return solution._replace(status=lax.map(lambda lane: one(*lane), lanes, batch_size=some))
