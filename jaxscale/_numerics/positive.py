"""Positive arrays that carry their logarithm.

The inputs of a law are raised to powers thousands of times per fit: x**p = exp(p log x). A
compiler fuses log(x) into the loop over starts and computes it anew for every one of them, which
costs as much as the rest of the law. `Positive` computes it once. It behaves as its value in
every other operation, so that a law's formula reads as if N were a plain array, and `N**p` takes
the fast way by itself.

`log`, `power` and `exp` of NumPy values are NumPy's: a law evaluated on the host compiles nothing,
and speaks through another way than the compiler's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.pytree import pytree
from jaxscale.errors import LawError


@pytree
class Positive:
    """A positive array and its natural logarithm.

    Attributes:
        value: the array.
        log: log(value), same shape.
    """

    value: Any
    log: Any

    __array_ufunc__ = None
    """NumPy leaves `array + input` to the input; by itself it makes an array of objects of it."""

    def __jax_array__(self) -> Any:
        return jnp.asarray(self.value)

    def __pow__(self, p: Any) -> Any:
        return exp(p * self.log)

    def __rpow__(self, base: Any) -> Any:
        return base**self.value

    def __pos__(self) -> Any:
        return self.value

    def __neg__(self) -> Any:
        return -self.value

    def __eq__(self, other: object) -> Any:
        raise LawError(
            "an input is compared with == or !=: inside a fit a positive input is divided by its "
            "mean, so that never holds. Declare a code as raw, input_kinds: ClassVar = "
            "dict(INPUT='raw') (law_of: kinds=dict(INPUT='raw')), and it is compared as it is"
        )

    __ne__ = __eq__
    __hash__ = object.__hash__

    def __abs__(self) -> Any:
        return self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return jnp.shape(self.value)


def _as_value(op: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
    def method(self: Positive, other: Any) -> Any:
        other = other.value if isinstance(other, Positive) else other
        return op(other, self.value) if swapped else op(self.value, other)

    return method


def _as_compared(op: Callable[[Any, Any], Any], side: int) -> Callable[[Any, Any], Any]:
    """Return a comparison in which a number that is equal up to the rounding of a fit is equal.

    Inputs are divided by their mean, and so is a threshold: a run that lies on it would otherwise
    fall on either side.
    """

    def method(self: Positive, other: Any) -> Any:
        other = other.value if isinstance(other, Positive) else other
        slack = 256 * jnp.finfo(jnp.result_type(self.value)).eps
        return op(self.value, other * (1 + side * slack))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod"):
    setattr(Positive, f"__{_name}__", _as_value(getattr(operator, _name), False))
    setattr(Positive, f"__r{_name}__", _as_value(getattr(operator, _name), True))
for _name, _side in (("lt", -1), ("le", 1), ("gt", 1), ("ge", -1)):
    setattr(Positive, f"__{_name}__", _as_compared(getattr(operator, _name), _side))


def _on_host(*values: Any) -> bool:
    """Return whether NumPy can do it: an array of its own among plain numbers."""
    return any(isinstance(x, np.ndarray | np.generic) for x in values) and all(
        isinstance(x, np.ndarray | np.generic | float | int) for x in values
    )


def log(x: Any) -> Any:
    """Return the natural logarithm, at no cost for a `Positive`."""
    if isinstance(x, Positive):
        return x.log
    if not _on_host(x):
        return jnp.log(x)
    with np.errstate(all="ignore"):
        return np.log(x)


def exp(x: Any) -> Any:
    """Return e^x."""
    if not _on_host(x):
        return jnp.exp(x)
    with np.errstate(all="ignore"):
        return np.exp(x)


def power(x: Any, p: Any) -> Any:
    """Return x**p for positive x as exp(p log x).

    Use it in a law's formula where x may be a plain array: the general power of float64 is a
    scalar library call on CPU, several times slower.

    Args:
        x: positive numbers, any shape.
        p: the exponent, of a shape that broadcasts against `x`.

    Returns:
        x**p, of the common shape; pure JAX.

    Example:
        >>> import jaxscale
        >>> round(float(jaxscale.power(8.0, -1 / 3)), 6)
        0.5
    """
    if not _on_host(x, p):
        return jnp.exp(p * log(x))
    with np.errstate(all="ignore"):
        return exp(p * log(x))
