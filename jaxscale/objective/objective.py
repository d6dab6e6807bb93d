"""The objective of a fit: law + runs + robust loss + kind of residual, as a function of z.

`Objective` is what the engine minimizes: sum of w * rho(r) / scale, in dimensionless
coordinates. It works out value, gradient and two curvatures from the law's own derivatives by
nested forward mode, one coordinate at a time, so that a term which does not depend on a
coordinate costs nothing. `Reduced` eliminates the linear parameters (variable projection) at
given exponents. Both are pure, follow the dtype of their data, and never raise on values.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import sums
from jaxscale._numerics.positive import Positive
from jaxscale._numerics.pytree import pytree, static
from jaxscale._numerics.smallmat import MAX_ORDER, solve_psd
from jaxscale._numerics.sums import dot, total
from jaxscale.laws import Law
from jaxscale.objective import arrow, wide
from jaxscale.objective.curvature import LazyModel, Slopes, Terms, gram, summed
from jaxscale.objective.losses import Loss
from jaxscale.objective.prior import Prior
from jaxscale.objective.residuals import Log, Residual
from jaxscale.objective.space import Space
from jaxscale.shown.blocks import Shown

BLOCK = 512
"""Runs of a block of a long table; what `preparation.bucket` pads to is a multiple of it."""
STRIP = 8
"""Blocks of a strip at most."""
LONG = 2048
"""Runs from which a table is long."""


@pytree
class Objective(Shown):
    """Sum over runs of w rho(r) / scale at coordinates z [P].

    Attributes:
        law: supplies the formula and static settings; its parameter values are not used.
        space: the free coordinates.
        inputs: one array [n] per input of the law, divided by its normalization; `Positive` for
            a positive input.
        target: the loss [n], divided by its normalization.
        weight: w [n]; zero removes a run.
        loss: the robust loss.
        residual: static; how predictions are held against losses.
        prior: what else own parameters of families are held to; None for nothing.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> objective = fit.problem.objective
        >>> objective.residuals(fit.optimum).shape
        (80,)
        >>> round(float(objective.plain(fit.optimum)) / fit.value, 3)
        1.0
    """

    law: Law
    space: Space
    inputs: tuple[Any, ...]
    target: Positive
    weight: Any
    loss: Loss
    residual: Residual = static(default=Log())
    prior: Prior | None = None

    def prediction(self, *z: Any) -> Array:
        """Return the dimensionless prediction [n] at P scalar coordinates.

        Args:
            *z: P scalar coordinates, or [n] each where runs differ in them.
        """
        law = self.law.replace(**self.space.normalized(z))
        p: Array = law.loss(*self.inputs) * jnp.ones_like(self.target.value)
        return p

    def linked(self, p: Array, stored: bool = False) -> tuple[Array, Array, float]:
        """Return the residual of predictions [..., n], its slope and bend; see `Residual.link`.

        Args:
            p: predictions [..., n], divided by the unit of the loss.
            stored: static; see `Residual.link`.
        """
        r, slope, bend = self.residual.link(p, self.target, self.space.loss_scale, stored)
        return r, slope, bend

    def residuals(self, z: Array) -> Array:
        """Return the residuals r [n] at `z` [P].

        Args:
            z: coordinates [P].
        """
        return self.linked(self.prediction(*z))[0]

    def value(self, z: Array) -> Array:
        """Return sum w rho(r) / scale at `z` [P].

        Args:
            z: coordinates [P].
        """
        total: Array = jnp.sum(self.weight * self.loss.rho(self.residuals(z))) / self.loss.scale
        return total if self.prior is None else total + self.prior.value(z) / self.loss.scale

    def plain(self, z: Array) -> Array:
        """Return the unscaled sum w rho(r) that papers report, a scalar.

        Args:
            z: coordinates [P].
        """
        total: Array = self.value(z) * self.loss.scale
        return total

    def floor(self) -> Array:
        """Return a scalar value that rounding alone can produce: below it, a fit is exact."""
        least = self.residual.rounding(self.target.value, self.space.loss_scale)
        total: Array = jnp.sum(self.weight * self.loss.rho(least)) / self.loss.scale
        return total

    def model(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return value, gradient [P] and two curvatures [P, P] at `z` [P].

        The first curvature is Gauss-Newton with the weights of iteratively reweighted least
        squares: positive semi-definite everywhere, an upper model of the robust loss. The second
        is the exact (generalized) Hessian. Under `jit`, what the caller leaves unused is not
        computed. A long table is summed up block by block, so that a block stays in the caches
        of a CPU, and the blocks strip by strip, since taking one out costs as much as it has
        neighbours.

        Beyond a dozen coordinates the second curvature lacks the law's own bends; see `wide`.
        That of families has them, and is summed up family by family; see `arrow`.

        Args:
            z: coordinates [P].
        """
        if self.prior is not None:
            return self._held(z, self.prior)
        if arrow.layout(self):
            return arrow.model(self, z)
        if len(z) > MAX_ORDER:
            return wide.model(self, z)
        n = self.weight.shape[0]
        if not in_blocks(n):
            return self._model(z)
        data = (self.inputs, self.target, self.weight)
        strips, blocks = strips_of(n // BLOCK)
        data = jax.tree.map(lambda leaf: leaf.reshape(strips, blocks, BLOCK), data)
        order, rows = len(z), jnp.eye(blocks, dtype=self.target.value.dtype)

        def strip(total: Any, some: Any) -> tuple[Any, None]:
            def add(total: Any, chosen: Array) -> tuple[Any, None]:
                # A product with a row of the identity, exact, and stored: a slice would be fused
                # into every user, whose loops XLA's CPU backend then does not vectorise.
                inputs, target, weight = jax.tree.map(lambda leaf: dot(chosen, leaf), some)
                here = dataclasses.replace(self, inputs=inputs, target=target, weight=weight)
                # What does not change from block to block would be taken out of the loop piece by
                # piece, and equal exponentials within not be known as equal any more.
                point, _ = jax.lax.optimization_barrier((z, chosen))
                return jax.tree.map(jnp.add, total, here._model(point)), None

            return jax.lax.scan(add, total, rows)[0], None

        shapes = ((), (order,), (order, order), (order, order))
        zeros = tuple(jnp.zeros(shape, self.target.value.dtype) for shape in shapes)
        value, grad, gauss_newton, exact = jax.lax.scan(strip, zeros, data)[0]
        return value, grad, gauss_newton, exact

    def exact_model(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return what `model` does, with the exact Hessian however many coordinates there are.

        Args:
            z: coordinates [P].

        Returns:
            A scalar, [P], [P, P] and [P, P].
        """
        value, grad, gauss_newton, exact = self.model(z)
        if len(z) > MAX_ORDER and arrow.layout(self) is None:
            exact = exact + wide.bends(self, z)
        return value, grad, gauss_newton, exact

    def lazy_model(self, z: Array) -> LazyModel:
        """Return value, gradient and the one curvature that is asked for; see `LazyModel`.

        Args:
            z: coordinates [P].
        """
        some_way = self.prior is not None or arrow.layout(self) is not None
        if some_way or len(z) > MAX_ORDER or in_blocks(self.weight.shape[0]):
            return LazyModel.of(*self.model(z))
        s = self.slopes_at(tuple(z))

        def curvature(exact: Array) -> Array:
            second = {pair: jnp.where(exact, x, 0.0) for pair, x in s.second.items()}
            weight = jnp.where(exact, s.inner, s.irls)
            return gram(s.rows, weight, second)

        return LazyModel(s.value, s.grad, s.influence, curvature)

    def solver(self) -> Callable[[Array, Array], tuple[Array, Array]]:
        """Return what solves a system of the structure of the curvatures.

        Returns:
            A function of a damped curvature [P, P] and a right side [P].
        """
        found = None if self.prior is not None else arrow.layout(self)  # which ties families
        return solve_psd if found is None else functools.partial(arrow.solve, found)

    def _held(self, z: Array, prior: Prior) -> tuple[Array, Array, Array, Array]:
        """Return the model with that of the prior, which has one curvature."""
        value, grad, *curvatures = dataclasses.replace(self, prior=None).model(z)
        scale, bend = self.loss.scale, prior.hessian(len(z)) / self.loss.scale
        gauss_newton, exact = (curvature + bend for curvature in curvatures)
        return value + prior.value(z) / scale, grad + prior.grad(z) / scale, gauss_newton, exact

    def _model(self, z: Array) -> tuple[Array, Array, Array, Array]:
        s = self.slopes_at(tuple(z))
        gauss_newton = gram(s.rows, s.irls, {})
        return s.value, s.grad, gauss_newton, gram(s.rows, s.inner, s.second)

    def slopes_at(
        self, point: tuple[Array, ...], add: Callable[[Array], Array] | None = None
    ) -> Slopes:
        """Return what a model is made of.

        Args:
            point: P coordinates, each a scalar, or [n] where runs differ in it.
            add: sums [..., n] up; default over all runs, else to [..., G].
        """
        t = self._terms(point)
        if add is None and sums.one_pass():
            return summed(t)
        add = add or total
        # The barrier keeps XLA from working out rows anew wherever a part of them is used.
        rows = jax.lax.optimization_barrier(jnp.stack(t.rows))
        grad, influence = add(rows * t.psi), add(rows * rows * t.irls)
        second = {(k, k): grad[k] for k in t.affine}
        second |= {pair: add(bend()) for pair, bend in t.bends.items()}
        return Slopes(add(t.value), grad, influence, rows, t.irls, t.inner, second)

    def _terms(self, point: tuple[Array, ...]) -> Terms:
        order = len(point)
        along = [partial(self.prediction, k) for k in range(order)]
        r, slope, bend = self.linked(self.prediction(*point), stored=True)
        weight = self.weight / self.loss.scale
        irls = weight * self.loss.weight(r)
        psi = irls * r
        rows = [derivative(*point) * slope for derivative in along]
        inner = weight * self.loss.curvature(r) + bend * psi
        # The law is affine in exp(z) here, so that its second derivative is its first.
        affine = [k for k, spec in enumerate(self.space.specs) if spec.linear and spec.positive]
        bends = self._bends(point, along, psi * slope, affine)
        return Terms(weight * self.loss.rho(r), rows, psi, irls, inner, affine, bends)

    def _bends(
        self,
        point: tuple[Array, ...],
        slopes: list[Callable[..., Array]],
        pull: Array,
        affine: list[int],
    ) -> dict[tuple[int, int], Callable[[], Array]]:
        """Return what makes `pull` times the second derivatives [n] of the law.

        By pairs (k, m) of coordinates, k >= m; those that are not there vanish, or are `affine`.
        """

        def pulled(bend: Callable[..., Array]) -> Callable[[], Array]:
            return lambda: bend(*point) * pull

        left = [(k, m) for k in range(len(point)) for m in range(k + 1)]
        left = [(k, m) for k, m in left if k != m or k not in affine]
        bends = [partial(slopes[k], m) for k, m in left]
        found = zip(left, bends, vanishing(bends, point), strict=True)
        return {pair: pulled(bend) for pair, bend, gone in found if not gone}

    def shares(self, z: Array, which: Sequence[int] | None = None) -> Array:
        """Return [P]: the largest relative change of any prediction per unit of each coordinate.

        For the coefficient of an additive term it is the term's largest share of the prediction.

        Args:
            z: the point [P].
            which: static; the coordinates asked for, in order. Default all.
        """
        which = range(len(z)) if which is None else which
        if not which:
            return jnp.zeros(0, z.dtype)
        if len(z) > MAX_ORDER:
            return wide.shares(self, z)[np.array(which)]
        p = self.prediction(*z)
        tangents = jnp.stack([partial(self.prediction, k)(*z) for k in which])
        return jnp.max(jnp.where(self.weight > 0, jnp.abs(tangents / p), 0.0), axis=-1)

    def law_at(self, z: Array) -> Law:
        """Return the law in the units of the runs at `z` [P].

        Args:
            z: coordinates [P].
        """
        return self.law.replace(**self.space.physical(tuple(z)))

    def bounds(self) -> tuple[Array, Array]:
        """Return (lower [P], upper [P]) in the dtype of the data."""
        lower, upper = self.space.bounds()
        dtype = self.target.value.dtype
        return jnp.array(lower, dtype), jnp.array(upper, dtype)


def strips_of(blocks: int) -> tuple[int, int]:
    """Return into how many strips blocks are divided, and the blocks of each: `STRIP` at most."""
    each = next(size for size in range(min(STRIP, blocks), 0, -1) if blocks % size == 0)
    return blocks // each, each


def in_blocks(n: int) -> bool:
    """Return whether a table of n runs is summed up block by block; by an accelerator never."""
    return n >= LONG and n % BLOCK == 0 and not sums.one_pass()


def partial(function: Callable[..., Array], k: int) -> Callable[..., Array]:
    """Return the derivative of `function(*z)` in its k-th scalar argument, as a function of z."""

    def derivative(*z: Array) -> Array:
        def along(t: Array) -> Array:
            return function(*z[:k], t, *z[k + 1 :])

        slope: Array = jax.jvp(along, (z[k],), (jnp.ones_like(z[k]),))[1]
        return slope

    return derivative


def vanishing(functions: list[Callable[..., Array]], point: tuple[Array, ...]) -> list[bool]:
    """Return which functions of `point` are zero by structure, found in their jaxpr.

    The terms of a law share few coordinates, so most of its second derivatives are zeros that
    forward mode writes out as arrays.
    """
    program = jax.make_jaxpr(lambda *z: [function(*z) for function in functions])(*point).jaxpr
    made = {out: equation for equation in program.eqns for out in equation.outvars}

    def is_zero(atom: Any) -> bool:
        if hasattr(atom, "val"):
            return np.ndim(atom.val) == 0 and not isinstance(atom.val, Array) and atom.val == 0
        equation = made.get(atom)
        if equation is None:
            return False
        if equation.primitive.name in ("broadcast_in_dim", "convert_element_type", "neg"):
            return is_zero(equation.invars[0])
        return equation.primitive.name == "mul" and any(map(is_zero, equation.invars))

    return [is_zero(out) for out in program.outvars]
