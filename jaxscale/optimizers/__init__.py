"""jaxscale's own optimizers and the table of those with a name; every optax optimizer works too."""

from __future__ import annotations

from jaxscale.optimizers.damped_newton import Method, method, newton
from jaxscale.optimizers.named import (
    OPTIMIZERS,
    Optimizer,
    name_of,
    row_of,
    transformation,
)
from jaxscale.optimizers.newton_state import NewtonState

__all__ = [
    "OPTIMIZERS",
    "Method",
    "NewtonState",
    "Optimizer",
    "method",
    "name_of",
    "newton",
    "row_of",
    "transformation",
]


def __dir__() -> list[str]:
    return sorted(__all__)
