"""The optimizers that have a name: `fit`, the command line and the tests read this table.

A new optimizer is a file beside this one and a row here. It is an optax transformation and sees
parameters, gradients and curvatures only: no laws, no runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxscale._numerics.smallmat import MAX_ORDER
from jaxscale.optimizers.damped_newton import method

if TYPE_CHECKING:  # importing it takes as long as a fit
    import optax


class Optimizer(NamedTuple):
    """A row of the table.

    Attributes:
        build: returns the transformation, or what an engine needs of it, the same one every time:
            a fresh one would be compiled anew.
        steps: evaluations per start unless a caller says otherwise.
        first: evaluations per start of a law of more than a dozen parameters, in a fit, unless a
            caller says otherwise. A step costs ten times as much there, and most starts show by
            then that they are not in the lead; the best eighth has half of `steps` more.
        needs: extra arguments of `update` that it cannot do without.
        patience: times as many steps that a fit gives the few lanes in the lead where the best of
            all has not arrived by then, unless a caller says how many steps there are.
        leaves: share of the excess of the start's loss over the lowest one that may be left after
            `steps` steps on a smooth problem of order one (Moré and Wild 2009).
        any_units: whether, in a plain loop, it reaches the optimum too where the parameters are
            of very different orders; else they should be of order one.
        thins: whether a table of many runs is first fitted on a part of them. It pays for an
            optimizer that ends within a few steps when it starts beside the optimum.

    Example:
        >>> import jaxscale
        >>> row = jaxscale.optimizers.OPTIMIZERS["newton"]
        >>> row.steps, row.any_units
        (400, True)
    """

    build: Callable[[], Any]
    steps: int
    patience: int = 1
    first: int | None = None
    needs: tuple[str, ...] = ()
    leaves: float = 1e-6
    any_units: bool = False
    thins: bool = False

    def lap(self, order: int) -> int:
        """Return the evaluations per start of a fit of so many parameters.

        Args:
            order: number of free parameters.
        """
        return self.first if self.first is not None and order > MAX_ORDER else self.steps


@functools.cache
def _lbfgs() -> optax.GradientTransformation:
    import optax

    return optax.lbfgs()


@functools.cache
def _adam() -> optax.GradientTransformation:
    import optax

    return optax.adam(1e-2)


OPTIMIZERS = {
    "newton": Optimizer(
        method,
        steps=400,
        patience=10,
        first=40,
        needs=("value", "value_fn"),
        any_units=True,
        thins=True,
    ),
    "lbfgs": Optimizer(_lbfgs, steps=5000, needs=("value", "grad", "value_fn")),
    "adam": Optimizer(_adam, steps=5000, leaves=1e-3),
}
"""The first is the default."""

UNNAMED = "optax"
"""What a transformation is called that is not in the table."""
UNNAMED_STEPS = 5000


def name_of(optimizer: optax.GradientTransformation) -> str:
    """Return the name of a transformation, `UNNAMED` for one that is not in the table.

    Args:
        optimizer: the transformation.

    Returns:
        A key of `OPTIMIZERS`, or `UNNAMED`.

    Example:
        >>> import jaxscale
        >>> jaxscale.optimizers.name_of(jaxscale.newton())
        'newton'
    """
    rows = OPTIMIZERS.items()
    return next((name for name, row in rows if row.build().update is optimizer.update), UNNAMED)


def row_of(optimizer: optax.GradientTransformation) -> Optimizer:
    """Return the row of a transformation; one without extra needs for any other.

    Args:
        optimizer: the transformation.

    Returns:
        The row.

    Example:
        >>> import jaxscale
        >>> jaxscale.optimizers.row_of(jaxscale.newton()).steps
        400
    """
    return OPTIMIZERS.get(name_of(optimizer)) or Optimizer(lambda: optimizer, UNNAMED_STEPS)


def transformation(
    optimizer: str | optax.GradientTransformation | None,
) -> optax.GradientTransformation:
    """Return the transformation that a person means.

    Args:
        optimizer: a name of the table, an optax transformation, or None for the default.

    Returns:
        The transformation, the same one every time.

    Raises:
        TypeError: it is neither a name nor a transformation.
        ValueError: there is no such name.

    Example:
        >>> import jaxscale
        >>> lbfgs = jaxscale.optimizers.transformation("lbfgs")
        >>> jaxscale.optimizers.name_of(lbfgs)
        'lbfgs'
    """
    if optimizer is None:
        return next(iter(OPTIMIZERS.values())).build()
    names = ", ".join(OPTIMIZERS)
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {names} or an optax transformation, got {optimizer!r}"
            )
        return OPTIMIZERS[optimizer].build()
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        called = getattr(optimizer, "__name__", type(optimizer).__name__)
        hint = f"; call it: {called}(...)" if callable(optimizer) else ""
        raise TypeError(
            f"optimizer must be one of {names} or an optax transformation, got {called}{hint}"
        )
    # One program for `newton()` and for what the table has of it.
    row = OPTIMIZERS.get(name_of(optimizer))
    return row.build() if row else optimizer
