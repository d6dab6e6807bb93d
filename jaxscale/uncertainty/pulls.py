"""Pulls: the objective with a quantity drawn away from its best value, and where that ends.

The quantity is not held exactly but pulled: the objective plus kappa / 2 (g(z) - goal)² has its
minimum at a point that is the constrained minimum for the value of g that it reaches. So each pull
gives one exact point of the profile, and all pulls of all quantities are lanes of one solve.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.pytree import pytree
from jaxscale.engine.dispatch import Search
from jaxscale.engine.problems import Problems
from jaxscale.fitting.linearized import Linearized
from jaxscale.objective.curvature import LazyModel
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import method
from jaxscale.uncertainty.quantities import Quantity

REACH = (0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.4)
"""Distances of the pulls from the optimum, in standard errors, to each side."""
STIFF = 9.0
"""Pull in units of the objective's own curvature: nine tenths of the way are gone."""
FURTHER = 3
"""Rounds in which a side that does not rise enough is followed further, doubling the reach."""


@pytree
class Pulled(Objective):
    """The objective with one of several quantities pulled toward a goal.

    Attributes:
        quantities: the quantities, Q of them.
        chosen: [Q] one for the quantity that is pulled, zero for the others.
        goal: where to, on the scale of the quantity's error.
        stiffness: kappa.
    """

    quantities: Any = ()
    chosen: Any = None
    goal: Any = None
    stiffness: Any = None

    def pulled(self, z: Array) -> Array:
        """Return the chosen quantity at `z` [P], on the scale of its error."""
        quantity: Array = self.chosen @ scaled(self.quantities, self, z)
        return quantity

    def value(self, z: Array) -> Array:
        """Return the objective plus the pull."""
        total: Array = super().value(z) + 0.5 * self.stiffness * (self.pulled(z) - self.goal) ** 2
        return total

    def model(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return value, gradient and both curvatures, the pull's included."""
        value, grad, gauss_newton, exact = super().model(z)
        off = self.pulled(z) - self.goal
        slope = jax.jacfwd(self.pulled)(z)
        bend = jax.jacfwd(jax.jacfwd(self.pulled))(z)
        outer = self.stiffness * jnp.outer(slope, slope)
        return (
            value + 0.5 * self.stiffness * off * off,
            grad + self.stiffness * off * slope,
            gauss_newton + outer,
            exact + outer + self.stiffness * off * bend,
        )

    def lazy_model(self, z: Array) -> LazyModel:
        """Return the model with the pull."""
        return LazyModel.of(*self.model(z))


def scaled(quantities: tuple[Quantity, ...], objective: Objective, z: Array) -> Array:
    """Return quantities [Q], the logarithm of those whose errors are of the logarithm; pure.

    Args:
        quantities: Q of them.
        objective: whose law they are of.
        z: coordinates [P].
    """
    law = objective.law_at(z)
    values = [jnp.asarray(q(law), z.dtype) for q in quantities]
    pairs = zip(quantities, values, strict=True)
    return jnp.stack([jnp.log(x) if q.logarithmic else x for q, x in pairs])


def _reached(objective: Pulled, z: Array) -> tuple[Array, Array]:
    """Return, per lane, all quantities [S, Q] on their scale, and the plain objective [S]."""

    def one(z: Array) -> tuple[Array, Array]:
        plain = Objective.value(objective, z) * objective.loss.scale
        return scaled(objective.quantities, objective, z), plain

    return jax.vmap(one)(z)


@dataclasses.dataclass
class Pulls:
    """The lanes of a profile: which quantity is pulled, how far, and what came of it."""

    at: Linearized
    asked: tuple[Quantity, ...]
    way: np.ndarray  # [Q, P] inverse curvature times slope: where the linearized fit moves to
    spread: np.ndarray  # [Q] that times the slope once more
    ratio: np.ndarray  # [Q]
    center: np.ndarray  # [Q]

    def run(self, most: float) -> list[list[tuple[float, float]]]:
        """Return per quantity the pairs (value, signed root) out to |root| >= `most`."""
        base = self.at.objective
        wide = jax.tree.map(lambda x: np.asarray(x, float), self.asked)
        own = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
        empty = np.zeros(len(self.asked))
        objective = Pulled(**own, quantities=wide, chosen=empty, goal=0.0, stiffness=0.0)
        search = Search(objective, method())
        points: list[list[tuple[float, float]]] = [[(c, 0.0)] for c in self.center]
        sides = [(k, sign) for k in range(len(self.asked)) for sign in (-1.0, 1.0)]
        reach = np.array(REACH)
        for _ in range(1 + FURTHER):
            lanes = [(k, sign * d) for k, sign in sides for d in reach]
            # Later rounds repeat some, so that they run the program of the first.
            spare = 2 * len(reach) * len(self.asked) - len(lanes)
            for k, value, rise in self._solve(search, objective, lanes, spare):
                root = math.sqrt(max(2 * rise, 0.0) / self.ratio[k])
                points[k].append((value, math.copysign(root, value - self.center[k])))
            sides = [side for side in sides if not self._risen(points, side, most)]
            if not sides:
                break
            reach = 2 * reach
        return points

    def _solve(
        self,
        search: Search,
        objective: Pulled,
        lanes: list[tuple[int, float]],
        spare: int,
    ) -> list[tuple[int, float, float]]:
        """Return per lane the number of its quantity, the value reached and the rise."""
        real = np.arange(len(lanes))
        lanes = lanes + lanes[:1] * spare
        which = np.array([k for k, _ in lanes])
        error = np.sqrt(self.spread * self.ratio)[which]
        away = np.array([distance for _, distance in lanes]) * error
        scale = float(np.asarray(objective.loss.scale))
        fields = {
            "chosen": np.eye(len(self.asked))[which],
            "goal": self.center[which] + away * (1 + STIFF) / STIFF,
            "stiffness": STIFF / self.spread[which] / scale,
        }
        # Each lane begins where the linearized fit would end.
        step = (self.way / self.spread[:, None])[which] * away[:, None]
        found = search.solve(self.at.z + step, None, Problems(fields, np.arange(len(lanes))))
        z = np.concatenate([found.z, self.at.z[None]])
        reached, plain = programs.run(_reached, objective, z, dtype=np.float64)[0]
        good = np.isfinite(found.value[real]) & np.isfinite(plain[real])
        return [
            (lanes[i][0], float(reached[i, which[i]]), float(plain[i] - plain[-1]))
            for i in real[good]
        ]

    def _risen(self, points: Any, side: tuple[int, float], most: float) -> bool:
        k, sign = side
        return any(sign * root >= most for _, root in points[k])
