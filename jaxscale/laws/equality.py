"""Equality by value of frozen dataclasses whose fields may be arrays, or tracers."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np


class ByValue:
    """Base of dataclasses that are equal where their class and the values of their fields are.

    Numbers and arrays are equal by shape and value, whatever their dtype; NaN is NaN. A tracer has
    no value yet, and is equal to itself only.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in _names(self))

    def __hash__(self) -> int:
        return hash((type(self), *(_key(getattr(self, name)) for name in _names(self))))


def _names(one: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(one)]


def _number(x: Any) -> np.ndarray | None:
    """Return a number or an array of numbers as float64; None for anything else."""
    if isinstance(x, jax.core.Tracer | str | type(None)) or not isinstance(
        x, int | float | np.generic | np.ndarray | jax.Array
    ):
        return None
    array = np.asarray(x)
    return array.astype(float) if array.dtype.kind in "biuf" else None


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
        return False
    one, other = _number(a), _number(b)
    if one is None or other is None:
        return one is other and bool(a == b)
    return np.array_equal(one, other, equal_nan=True)


def _key(x: Any) -> Any:
    """Return what is equal and hashable for what is equal."""
    if isinstance(x, jax.core.Tracer):
        return id(x)
    number = _number(x)
    if number is None:
        return x
    plain = np.where(np.isnan(number), np.nan, number + 0.0)  # one NaN, and no -0
    return number.shape, plain.tobytes()
