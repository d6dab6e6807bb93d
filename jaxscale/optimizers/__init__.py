"""jaxscale's own optimizers, each an optax transformation; every optax optimizer works too."""

from __future__ import annotations

from jaxscale.optimizers.damped_newton import NewtonState, newton

__all__ = ["NewtonState", "newton"]
