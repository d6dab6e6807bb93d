"""A normal prior around a common mean: what lets own parameters of families lean on each other.

The mean has no prior, and is the best one at any point: so the term is half the strength times the
sum of squares around it, and no coordinate is added.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.pytree import pytree, static
from jaxscale.shown.blocks import Shown


@pytree
class Prior(Shown):
    """Sum over own parameters of strength / 2 times squares of coordinates around their mean.

    Attributes:
        strength: [K] per own parameter: the dispersion of the loss over the prior's variance, in
            units of the plain objective.
        center: [K, G] what is subtracted from the coordinates first; zero but in replicates.
        place: static; [K][G] positions in z.
    """

    strength: Any
    center: Any
    place: tuple[tuple[int, ...], ...] = static()

    def _apart(self, z: Array) -> Array:
        own = z[np.array(self.place)] - self.center
        apart: Array = own - jnp.mean(own, axis=1, keepdims=True)
        return apart

    def value(self, z: Array) -> Array:
        """Return the term of the plain objective at `z` [P]."""
        total: Array = 0.5 * jnp.sum(self.strength[:, None] * self._apart(z) ** 2)
        return total

    def grad(self, z: Array) -> Array:
        """Return its gradient [P]."""
        pull = self.strength[:, None] * self._apart(z)
        found: Array = jnp.zeros_like(z).at[np.array(self.place)].add(pull)
        return found

    def hessian(self, order: int) -> Array:
        """Return its second derivatives [P, P], which are the same everywhere."""
        place = np.array(self.place)
        K, G = place.shape
        apart = np.zeros((K, order, order))
        for k in range(K):
            apart[k][np.ix_(place[k], place[k])] = np.eye(G) - 1 / G
        found: Array = jnp.tensordot(self.strength, jnp.asarray(apart, self.strength.dtype), 1)
        return found
