"""When a lane of the loop stops: how many steps at most, and what counts as converged."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.pytree import pytree, static
from jaxscale.shown.blocks import Shown
from jaxscale.text import short

MAX_STEPS = 1_000_000_000
"""Evaluations of one lane at most: they are counted in 32 bits."""


@pytree
class Limits(Shown):
    """When a lane stops; static but for the number of steps, which no program depends on.

    Attributes:
        max_steps: evaluations of one lane at most.
        decrement: converged when an exact model expects a relative gain below this.
        decrease: converged when three steps in a row change the value by less, relatively.
        gradient: converged when the norm of the gradient is below this times the value (optimizers
            that do not report a decrement).
        step: converged when a step is below this in every coordinate and the value is unchanged.

    Example:
        >>> import jaxscale
        >>> limits = jaxscale.engine.Limits.for_dtype("float32", max_steps=100)
        >>> int(limits.max_steps)
        100
    """

    max_steps: Any = 400
    decrement: float = static(default=1e-13)
    decrease: float = static(default=1e-13)
    gradient: float = static(default=1e-10)
    step: float = static(default=1e-9)

    def __post_init__(self) -> None:
        steps = self.max_steps
        if isinstance(steps, Array):
            return
        whole = isinstance(steps, int | float | np.number) and not isinstance(steps, bool)
        # The first comparison is false of a NaN; what 32 bits do not hold would come out negative.
        if not (whole and 1 <= steps <= MAX_STEPS and steps == int(steps)):
            raise ValueError(
                f"max_steps must be between 1 and {MAX_STEPS:,}, whole, got {short(steps)}"
            )
        object.__setattr__(self, "max_steps", np.int32(steps))

    @classmethod
    def for_dtype(cls, dtype: Any, max_steps: int) -> Limits:
        """Return limits that rounding in `dtype` allows.

        Args:
            dtype: of the starts, "float64" or "float32".
            max_steps: evaluations of one lane at most.

        Raises:
            ValueError: `max_steps` is no whole number from 1 to a billion.
        """
        eps = float(jnp.finfo(dtype).eps)
        return cls(
            max_steps=max_steps,
            decrement=500 * eps,
            decrease=500 * eps,
            gradient=5e5 * eps,
            step=5e6 * eps,
        )
