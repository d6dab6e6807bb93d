"""What each run does to an answer: derivatives of the fit, and the fit without the run.

One compiled pass at the optimum instead of a refit per run. It gives two things that are not the
same. *Derivatives* of a quantity in every run's loss, weight and inputs, in the Huber width and
in pinned parameters: exact, by the implicit function theorem (`engine.implicit`). And the
*leave-one-out change*, an approximation: one Newton step of each problem without its run, in
closed form, followed by safeguarded Newton rounds on the residuals linearized at the optimum,
which see the runs that enter and leave the quadratic zone.

How good that is depends on how many runs hold the optimum in place. Huber with a width far below
the noise is nearly least absolute deviations: the fit passes through a few runs more than it has
parameters, and leaving out one of those is no small change. The leverage says which they are;
more rounds, or `refit(fit, weights=...)`, are for them. Measured agreement with exact refits, and
times: `python -m benchmarks.influence`. Nothing here searches for another basin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, host
from jaxscale._numerics.smallmat import cholesky, cholesky_solve
from jaxscale._numerics.sums import dot
from jaxscale.data.runs import Runs
from jaxscale.engine.implicit import argmin_law, condition, confined, moving, psi, with_values
from jaxscale.errors import FitError
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.objective.inputs import in_units_of_runs
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import LONG, Objective, partial
from jaxscale.shown.blocks import Block, Shown, text_of
from jaxscale.shown.frames import frame
from jaxscale.uncertainty.influential import influence_blocks, influence_columns
from jaxscale.uncertainty.quantities import Quantity, quantity

SPARE = 0.02
"""Least share of a run's own residual that the fit is taken not to absorb: 1 - leverage."""
STEPS = (1.0, 0.3)
"""Fractions of a Newton step that a round tries."""


@dataclasses.dataclass(frozen=True)
class Influence(Shown):
    """What each run does to one quantity; NumPy float64, in the order of the runs.

    Where `log` is true, every number but `value` is about the natural logarithm of the quantity.

    Attributes:
        quantity: its name.
        value: the quantity at the optimum.
        log: whether derivatives and changes are of log(quantity).
        without: [n] change of the quantity if the run is left out.
        loss: [n] derivative in the loss of each run, per unit of the loss.
        weight: [n] derivative in the weight of each run.
        inputs: per input [n] derivative in the logarithm of each run's input: the input times the
            derivative in it, whatever its sign.
        delta: derivative in the width of the loss; None for one without.
        fixed: per pinned parameter, derivative in its value.
        leverage: [n] share of a run's own residual in what the fit makes of it, between 0 (it
            is beyond the Huber width) and 1 (the fit passes through it, whatever it is).
        residual: [n] prediction against loss, in the kind of residual of the fit.
        condition: condition number of the Hessian (1-norm); beyond 1e10 believe nothing here.
        rounds: Newton rounds behind `without`.
        runs: the runs.
        values: per input [n] its value in the runs.
    """

    quantity: str
    value: float
    log: bool
    without: np.ndarray
    loss: np.ndarray
    weight: np.ndarray
    inputs: Mapping[str, np.ndarray]
    delta: float | None
    fixed: Mapping[str, float]
    leverage: np.ndarray
    residual: np.ndarray
    condition: float
    rounds: int
    runs: Runs
    values: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.without)

    def largest(self, most: int = 10) -> np.ndarray:
        """Return indices [k] of the runs whose removal moves the quantity most, largest first.

        Args:
            most: how many at most.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> found = jaxscale.influence(fit, "alpha")
            >>> found.without[found.largest(3)].round(3)  # change of alpha without each of them
            array([0.018, 0.017, 0.015])
        """
        return np.argsort(-np.abs(self.without), kind="stable")[:most]

    def text(self, most: int = 10) -> str:
        """Return the runs that matter most as text, `most` of them.

        Args:
            most: how many runs at most.
        """
        return text_of(influence_blocks(self, most))

    def table(self, *, kind: str | None = None) -> Any:
        """Return what every run does as a dataframe, in the order of the runs.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns row, run (where runs are called something), the inputs, loss, residual, without,
            per_loss, per_weight and leverage, as the attributes say; changes and derivatives are
            of the logarithm where `log` is true.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(influence_columns(self), kind, self.runs.frame_kind)

    def _blocks(self) -> list[Block]:
        return influence_blocks(self, 10)


@host()
def influence(
    fit: FitResult,
    what: str | Quantity | Callable[[Law], Any],
    *,
    rounds: int | None = None,
    log: bool | None = None,
) -> Influence:
    """Work out what each run of a fit does to a quantity.

    Use it to see which runs an answer hangs on, how far a wrong loss would carry, and how
    sensitive an answer is to the Huber width or to a pinned parameter.

    Args:
        fit: the fit; Huber or least squares.
        what: a parameter ("alpha"), a derived name ("a"), a `Quantity` such as
            `Best(compute=1e24)`, or a JAX function of a law (kept, not rebuilt: every new one
            compiles anew).
        rounds: Newton rounds behind the leave-one-out changes. 1 is the closed form: as good
            where no leverage is high, poor under a narrow Huber loss on a hundred runs or fewer,
            which takes 2 or 3. Default 2 for up to 2,048 runs, else 1.
        log: whether to differentiate log(quantity); default, where the quantity lives on the
            logarithmic scale.

    Returns:
        Derivatives and leave-one-out changes, with a ranked table as its text.

    Raises:
        FitError: the Hessian at the optimum is singular: the runs do not determine it.
        ValueError: the fit is one of least absolute deviations, which has kinks in place of
            derivatives; the quantity is not positive under `log`; rounds is not positive.

    Cost: Chinchilla on 240 runs: 0.4 ms in compiled code (0.13 ms with one round, 1/53 to 1/72 of
    the exact batched refits) and 1 ms of preparation around it, after compiling
    (`python -m benchmarks.influence`). From two rounds on, memory and time grow with n².

    Source: Cook 1977 (deletion of one run, leverage); Giordano et al. 2019, arXiv:1806.00550
    (the infinitesimal jackknife).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> found = jaxscale.influence(fit, "alpha")
        >>> [runs.row(index) for index in found.largest(2)]
        ['5 (rectangle-w8-n1172-lr0.0415-c...)', '3 (rectangle-w8-n586-lr0.0452-co...)']
    """
    n = len(fit.runs)
    rounds = (2 if n <= LONG else 1) if rounds is None else rounds
    if rounds < 1:
        raise ValueError(f"rounds must be 1 or more, got {rounds}")
    if fit.loss.kinked:
        raise ValueError(
            f"the loss {fit.loss.name} has kinks in place of derivatives: fit with Huber(delta), "
            "or leave runs out with refit(fit, weights=...)"
        )
    asked = quantity(what, fit.law)
    log = asked.logarithmic if log is None else bool(log)
    leaves = jax.tree.map(lambda x: np.asarray(x, float), asked)
    objective, z = fit.problem.objective, fit.optimum
    found, _ = programs.run(
        effects, cast(objective, np.float64), z, leaves, dtype=np.float64, rounds=rounds, log=log
    )
    if not np.isfinite(found.condition):
        raise FitError(
            f"the Hessian at the optimum of {type(fit.law).__name__} is singular: the runs do not "
            "determine it, so it has no derivative. Fix a parameter, or fit with a wider Huber "
            "loss"
        )
    if log and not found.value > 0:
        raise ValueError(
            f"{asked.name} is {float(found.value):g}: log=True needs a positive quantity"
        )
    slopes = found.slopes
    return Influence(
        quantity=asked.name,
        value=float(found.value),
        log=log,
        without=found.without[:n],
        loss=slopes["loss"][:n],
        weight=slopes["weight"][:n],
        inputs={name: slopes["inputs"][name][:n] for name in fit.law.inputs},
        delta=slopes["robust"].threshold,
        fixed={name: float(slope) for name, slope in slopes["fixed"].items()},
        leverage=found.leverage[:n],
        residual=found.residual[:n],
        condition=float(found.condition),
        rounds=rounds,
        runs=fit.runs,
        values={name: fit.runs.column(name, fit.law.flops) for name in fit.law.inputs},
    )


class Effects(NamedTuple):
    """What `effects` returns; n includes the padding."""

    value: Any  # the quantity
    slopes: Any  # derivatives in loss, weight, inputs (logarithmic), fixed, robust
    without: Any  # [n] leave-one-out changes
    leverage: Any  # [n]
    residual: Any  # [n]
    condition: Any


def effects(
    objective: Objective, z: Array, what: Callable[[Law], Any], *, rounds: int, log: bool
) -> Effects:
    """Return derivatives and leave-one-out changes of a quantity at the optimum `z` [P]; pure.

    Args:
        objective: what was minimized.
        z: where.
        what: the quantity.
        rounds: static; Newton rounds behind the leave-one-out changes.
        log: static; whether they are of the logarithm of the quantity.
    """
    space = objective.space
    scales = [space.log_scale[name] for name in objective.law.inputs]
    live = {
        "loss": objective.target.value * space.loss_scale,
        "weight": objective.weight,
        "inputs": {
            name: in_units_of_runs(x, scale)
            for name, x, scale in zip(objective.law.inputs, objective.inputs, scales, strict=True)
        },
        "fixed": space.fixed,
        "robust": objective.loss,
    }

    def answer(law: Law) -> Array:
        value = jnp.asarray(what(law))
        return jnp.log(value) if log else value

    slopes = jax.grad(lambda live: answer(argmin_law(with_values(objective, **live), z)))(live)
    slopes["inputs"] = {name: live["inputs"][name] * x for name, x in slopes["inputs"].items()}
    near = _near(objective, z)
    lower, upper = objective.bounds()
    others = jnp.clip(z + left_out(near, rounds).T, lower, upper)
    laws = jax.vmap(lambda point: answer(objective.law_at(point)))(others)
    return Effects(
        value=jnp.asarray(what(objective.law_at(z))),
        slopes=slopes,
        without=laws - answer(objective.law_at(z)),
        leverage=near.leverage,
        residual=near.residual,
        condition=condition(objective, z),
    )


class _Near(NamedTuple):
    """The objective with residuals linearized at its optimum.

    M(x) = sum of w rho(r + rows x) + ½ xᵀ S x, S being the curvature that comes from the bends
    of the residuals rather than from the loss.
    """

    loss: Loss
    weight: Array  # [n] over the scale of the loss
    residual: Array  # [n]
    rows: Array  # [P, n] dr/dz, zero for a coordinate that is held
    bends: Array  # [P, P] S
    factor: Any  # Cholesky factor of the Hessian at x = 0
    leverage: Array  # [n]


def _near(objective: Objective, z: Array) -> _Near:
    point = tuple(z)
    _, _, gauss_newton, hessian = objective.exact_model(z)
    r, slope, _ = objective.linked(objective.prediction(*point))
    free = moving(objective, z, gauss_newton)
    hessian = confined(hessian, free)
    along = [partial(objective.prediction, k)(*point) for k in range(len(point))]
    rows = jnp.stack(along) * slope * free[:, None]
    weight = objective.weight / objective.loss.scale
    inner = weight * objective.loss.curvature(r)
    factor, _ = cholesky(hessian)
    leverage = inner * jnp.sum(rows * cholesky_solve(factor, rows), axis=0)
    bends = hessian - dot(rows * inner, rows.T)
    return _Near(objective.loss, weight, r, rows, bends, factor, leverage)


def left_out(near: _Near, rounds: int) -> Array:
    """Return how far the optimum moves without each run, [P, n]: all n problems at once.

    The first round is the Newton step of the problem without run i, in closed form:
    H^-1 g_i / (1 - leverage). Each further one is a Newton step of the linearized objective
    without the run, from the best of what is known so far; none raises that objective.
    """
    pull = near.weight * psi(near.loss, near.residual)
    step = cholesky_solve(near.factor, near.rows) * pull / jnp.maximum(1 - near.leverage, SPARE)
    if rounds == 1:
        return step
    own = near.weight * near.loss.rho(near.residual)
    best, value = _lowest(near, [jnp.zeros_like(step), step], jnp.sum(own) - own)
    for _ in range(rounds - 1):
        move = _newton_move(near, best)
        trials = [best, *(best + size * move for size in STEPS)]
        best, value = _lowest(near, trials, value)
    return best


def _lowest(near: _Near, steps: list[Array], first: Array) -> tuple[Array, Array]:
    """Return the best of some steps [P, n] for every problem, and its value [n].

    Args:
        near: the linearized objective.
        steps: candidates.
        first: [n] values of the first candidate.
    """
    values = jnp.stack([first, *(_value(near, x) for x in steps[1:])])
    chosen = jnp.argmin(values, axis=0)
    best = jnp.take_along_axis(jnp.stack(steps), chosen[None, None], axis=0)[0]
    return best, jnp.min(values, axis=0)


def _moved(near: _Near, x: Array) -> tuple[Array, Array]:
    """Return residuals [problem, run] after steps `x` [P, n], and each problem's own run [n]."""
    all_ = near.residual + dot(x.T, near.rows)
    return all_, near.residual + jnp.sum(x * near.rows, axis=0)


def _value(near: _Near, x: Array) -> Array:
    """Return [n]: the linearized objective of every problem, without its own run."""
    r, own = _moved(near, x)
    bent = 0.5 * jnp.sum(x * dot(near.bends, x), axis=0)
    return dot(near.loss.rho(r), near.weight) - near.weight * near.loss.rho(own) + bent


def _newton_move(near: _Near, x: Array) -> Array:
    """Return the Newton step [P, n] of every problem at `x`, downhill."""
    order, w = len(near.rows), near.weight
    pairs = [(k, m) for k in range(order) for m in range(k + 1)]
    products = jnp.stack([near.rows[k] * near.rows[m] for k, m in pairs])
    r, own = _moved(near, x)
    grad = dot(near.rows, (w * psi(near.loss, r)).T) - near.rows * (w * psi(near.loss, own))
    grad = grad + dot(near.bends, x)
    curved = dot(products, (w * near.loss.curvature(r)).T) - products * (
        w * near.loss.curvature(own)
    )
    entry = {pair: curved[at] + near.bends[pair] for at, pair in enumerate(pairs)}
    hessian = jnp.stack(
        [jnp.stack([entry[max(k, m), min(k, m)] for m in range(order)]) for k in range(order)]
    )
    lower, ok = cholesky(hessian)
    # Where what is left does not hold the optimum, the curvature of all runs gives the direction.
    return -jnp.where(ok, cholesky_solve(lower, grad), cholesky_solve(near.factor, grad))
