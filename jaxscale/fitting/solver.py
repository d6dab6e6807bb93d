"""The pure door: losses and weights of runs in, the fitted law out, inside a user's own program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.precision import host
from jaxscale._numerics.pytree import pytree, static
from jaxscale.data.runs import Runs
from jaxscale.engine import implicit
from jaxscale.engine.limits import Limits
from jaxscale.engine.loop import solve
from jaxscale.fitting.preparation import prepare, runs_given
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.second import refuse_first
from jaxscale.laws import Law
from jaxscale.laws.names import Given, law_given
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import Objective
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.optimizers import OPTIMIZERS, method
from jaxscale.shown.blocks import Shown
from jaxscale.varpro.starts import random_starts


@pytree
class Solver(Shown):
    """A pure function from losses and weights to a fitted law; a pytree.

    Call it inside `jit`, `vmap`, `grad` or `lax.scan`, close over it, or pass it as an argument.

    Attributes:
        objective: the objective, whose losses and weights a call may replace.
        starts: coordinates z [S, P] that every call solves from.
        steps: static; evaluations per start.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> refit = jaxscale.solver(fit)
        >>> law = refit(runs.loss * 1.01)  # in float32 unless JAX's float64 is on
        >>> round(float(law.alpha), 2)
        0.42
    """

    objective: Objective
    starts: Any
    steps: int = static(default=OPTIMIZERS["newton"].steps)

    def __call__(
        self, losses: Any = None, weights: Any = None, *, fixed: Mapping[str, Any] | None = None
    ) -> Law:
        """Return the law with the lowest objective among the starts; pure.

        Args:
            losses: [n] in place of those of the runs.
            weights: [n] in place of those of the runs; zero leaves a run out.
            fixed: values of parameters that are fixed, by name.

        Returns:
            The law, its parameters scalars in the dtype of the losses and weights (else the
            default one). NaN where no start led to a finite objective.

        Its derivatives, forward and reverse, are those of the optimum by the implicit function
        theorem (see `engine.implicit`), not of the iterations.

        Cost: one solve of S starts; see `engine.solve`.
        """
        given = [jnp.asarray(x) for x in (losses, weights) if x is not None]
        floating = [x.dtype for x in given if jnp.issubdtype(x.dtype, jnp.floating)]
        dtype = jnp.result_type(*floating) if floating else jnp.result_type(float)
        objective, starts = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, dtype), (self.objective, self.starts)
        )
        live = implicit.with_values(
            objective,
            loss=None if losses is None else jnp.asarray(losses, dtype),
            weight=None if weights is None else jnp.asarray(weights, dtype),
            fixed=fixed,
        )
        still: Objective = jax.lax.stop_gradient(live)
        limits = Limits.for_dtype(np.dtype(dtype), self.steps)
        found = solve(still, method(), starts, limits=limits)
        value = jnp.where(jnp.isfinite(found.value), found.value, jnp.inf)
        best = jnp.argmin(value)
        z: Array = jnp.where(jnp.isfinite(value[best]), found.z[best], jnp.nan)
        return implicit.argmin_law(live, z)


@host()
def solver(
    law: Given | FitResult,
    runs: Runs | Any | None = None,
    *,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    starts: int = 64,
    seed: int = 0,
    max_steps: int = OPTIMIZERS["newton"].steps,
) -> Solver:
    """Check runs against a law once, and return what solves for the law from then on.

    Args:
        law: the law, as `fit` takes it; or a fit, whose optimum then is the only start.
        runs: the runs, n of them, as `fit` takes them, for a law. Their losses may be stand-ins
            of the right size, where calls bring their own: they decide the unit of the loss.
        loss: robust loss; default `Huber(1e-3)`, or that of the fit.
        residual: "log", "relative" or "absolute", or that of the fit.
        starts: random starts of every call.
        seed: of the starts.
        max_steps: evaluations per start.

    Returns:
        A pure function of losses and weights whose value is a law.

    Raises:
        DataError: the runs cannot determine the law; names column and row.
        TypeError: a law without runs, or a fit with some.
        ValueError: `max_steps` is no whole number from 1 to a billion.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> refit = jaxscale.solver(fit)
        >>> left_out = 1 - np.eye(68)[1:3]  # [B, n]: the second run left out, then the third
        >>> laws = jax.jit(jax.vmap(lambda weights: refit(weights=weights)))(left_out)
        >>> [round(float(alpha), 2) for alpha in laws.alpha]
        [0.44, 0.42]
    """
    Limits.for_dtype(np.float64, max_steps)  # says so now, not in a program of the caller's
    if isinstance(law, FitResult):
        if runs is not None:
            raise TypeError("a fit has its own runs; give a law to solve for others")
        problem = law.problem.under(loss, law.residual)
        return Solver(problem.objective, law.optimum[None], max_steps)
    if runs is None:
        raise TypeError("give a law and runs, solver(Chinchilla(), runs), or a fit")
    law = law_given(law)
    runs = runs_given(law, runs)
    refuse_first(residual_named(residual), "solver()")
    problem = prepare(law, runs, loss, residual)
    return Solver(problem.objective, random_starts(problem.objective, starts, seed), max_steps)
