"""Positive arrays that carry their logarithm.

The inputs of a law are raised to powers thousands of times per fit: x**p = exp(p log x). A
compiler fuses log(x) into the loop over starts and computes it anew for every one of them, which
costs as much as the rest of the law. `Positive` computes it once. It behaves as its value in
every other operation, so that a law's formula reads as if N were a plain array, and `N**p` takes
the fast way by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxscale._pytree import pytree


@pytree
class Positive:
    """A positive array and its natural logarithm.

    Attributes:
        value: the array.
        log: log(value), same shape.
    """

    value: Any
    log: Any

    def __jax_array__(self) -> Any:
        return jnp.asarray(self.value)

    def __pow__(self, p: Any) -> Any:
        return jnp.exp(p * self.log)

    def __neg__(self) -> Any:
        return -self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return jnp.shape(self.value)


def _as_value(op: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
    def method(self: Positive, other: Any) -> Any:
        other = other.value if isinstance(other, Positive) else other
        return op(other, self.value) if swapped else op(self.value, other)

    return method


for _name in ("add", "sub", "mul", "truediv"):
    setattr(Positive, f"__{_name}__", _as_value(getattr(operator, _name), False))
    setattr(Positive, f"__r{_name}__", _as_value(getattr(operator, _name), True))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Positive, f"__{_name}__", _as_value(getattr(operator, _name), False))


def log(x: Any) -> Any:
    """Return the natural logarithm, at no cost for a `Positive`."""
    return x.log if isinstance(x, Positive) else jnp.log(x)


def power(x: Any, p: Any) -> Any:
    """Return x**p for positive x as exp(p log x).

    Use it in a law's formula where x may be a plain array: the general power of float64 is a
    scalar library call on CPU, several times slower.
    """
    return jnp.exp(p * log(x))
