"""The objective with its coefficients solved for: what is left depends on exponents alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.pytree import pytree
from jaxscale._numerics.smallmat import nonnegative_solve
from jaxscale._numerics.sums import dot
from jaxscale.objective.objective import Objective
from jaxscale.shown.blocks import Shown


@pytree
class Reduced(Shown):
    """The objective with its linear parameters eliminated: a function of the others, q [Q].

    At given q the law is affine in its offsets and coefficients, so they follow from a weighted
    linear least-squares problem with non-negative coefficients. A robust loss is met by
    reweighting. With log residuals the linear problem is that of relative residuals, which agree
    to first order: there the reduction is a generator of starts, not an exact elimination.

    Attributes:
        full: the objective over all free parameters.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> objective = jax.tree.map(jnp.asarray, fit.problem.objective)  # on the device
        >>> reduced = jaxscale.Reduced(objective)
        >>> reduced.nonlinear, reduced.linear
        ((3, 4), (0, 1, 2))
        >>> z = reduced.solve(jnp.asarray(fit.optimum)[jnp.array(reduced.nonlinear)])
        >>> z.shape
        (5,)
    """

    full: Objective

    @property
    def linear(self) -> tuple[int, ...]:
        """Positions in z of the eliminated coordinates."""
        return tuple(k for k, spec in enumerate(self.full.space.specs) if spec.linear)

    @property
    def nonlinear(self) -> tuple[int, ...]:
        """Positions in z of the coordinates that remain."""
        return tuple(k for k, spec in enumerate(self.full.space.specs) if not spec.linear)

    def _design(self, q: Array) -> tuple[Array, Array]:
        """Columns [K, n] of the linear parameters, and the prediction [n] without them."""
        space = self.full.space
        names = [space.free[k] for k in self.linear]
        dtype = self.full.target.value.dtype
        z = [jnp.zeros((), dtype)] * len(space.specs)
        for position, coordinate in zip(self.nonlinear, q, strict=True):
            z[position] = coordinate
        base = space.normalized(z)

        def predict(coefficients: Array) -> Array:
            values = dict(base, **dict(zip(names, coefficients, strict=True)))
            law = self.full.law.replace(**values)
            p: Array = law(*self.full.inputs) * jnp.ones_like(self.full.target.value)
            return p

        zeros = jnp.zeros(len(names), dtype)
        return jax.jacfwd(predict)(zeros).T, predict(zeros)

    def solve(self, q: Array, rounds: int = 2) -> Array:
        """Return the full coordinates z [P] at `q` [Q], linear ones at their best.

        Args:
            q: the non-linear coordinates [Q].
            rounds: static; how often a robust loss is reweighted.
        """
        return self.solved(q, rounds)[0]

    def solved(self, q: Array, rounds: int = 2) -> tuple[Array, Array]:
        """Return the full coordinates z [P] at `q` [Q], and the objective there; see `solve`.

        The objective is that of the columns, at no further evaluation of the law; infinite where
        it is not finite.

        Args:
            q: the non-linear coordinates [Q].
            rounds: static; how often a robust loss is reweighted.
        """
        full = self.full
        specs = full.space.specs
        target = full.target.value
        signed = tuple(not specs[k].positive for k in self.linear)
        columns, base = self._design(q)
        slope = full.residual.slope(target, full.space.loss_scale)
        weight = full.weight * slope * slope

        def reweighted(k: Any, coefficients: Array) -> Array:
            residual = (dot(coefficients, columns) + base - target) * slope
            w = weight * jnp.where(k > 0, full.loss.weight(residual), 1.0)
            return nonnegative_solve(
                dot(columns * w, columns.T), dot(columns * w, target - base), signed
            )

        coefficients = jnp.zeros(len(signed), target.dtype)
        coefficients = jax.lax.fori_loop(0, rounds + 1, reweighted, coefficients)
        tiny = jnp.asarray(1e-6, target.dtype)  # a dead term must be able to come back
        coefficients = jnp.where(np.array(signed), coefficients, jnp.maximum(coefficients, tiny))
        z = [jnp.zeros_like(tiny)] * len(specs)
        for position, coordinate in zip(self.nonlinear, q, strict=True):
            z[position] = coordinate
        for k, position in enumerate(self.linear):
            z[position] = coefficients[k] if signed[k] else jnp.log(coefficients[k])
        r = full.linked(dot(coefficients, columns) + base)[0]
        value = jnp.sum(full.weight * full.loss.rho(r)) / full.loss.scale
        return jnp.stack(z), jnp.where(jnp.isfinite(value), value, jnp.inf)
