"""jaxscale's own optimizers, each an optax transformation; every optax optimizer works too."""

from jaxscale.optimizers.newton import NewtonState, newton

__all__ = ["NewtonState", "newton"]
