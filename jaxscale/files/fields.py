"""A JSON document taken apart value by value: each knows its name, and hands out what was checked.

What a file says is believed only as far as it was asked for: a kind, a range, a length. Every
complaint names the field.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from jaxscale.errors import DataError
from jaxscale.text import literal, short

LARGEST = sys.float_info.max
LONGEST = 2**53
"""Largest whole number; beyond it JSON readers disagree."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A value of a document.

    Attributes:
        name: where it stands, e.g. `certificate.basins[0].count`; empty for the whole document.
        value: what `json.loads` made of it.

    Every method raises a DataError that names the field where the value is of another kind.
    """

    name: str
    value: Any

    def wrong(self, expected: str) -> DataError:
        """Return the error that names the field, what was expected and what was given."""
        return DataError(
            f"{self.name or 'the document'}: expected {expected}, got {literal(self.value)}"
        )

    def __getitem__(self, key: str) -> Field:
        return self.need(key)

    def need(self, key: str) -> Field:
        """Return a value of an object; it must be there."""
        found = self.get(key)
        if key not in self.value:
            raise DataError(f"{found.name} is missing")
        return found

    def get(self, key: str) -> Field:
        """Return a value of an object; null where it is not there."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        shown = key if key.isidentifier() else short(key)
        return Field(f"{self.name}.{shown}".lstrip("."), self.value.get(key))

    def items(self) -> dict[str, Field]:
        """Return the values of an object by key."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        return {key: self.get(key) for key in self.value}

    def only(self, known: Collection[str], all_of_them: bool = False) -> dict[str, Field]:
        """Return the values of an object that may have no other keys, or must have all of them."""
        found = self.items()
        for key, field in found.items():
            if key not in known:
                raise DataError(f"{field.name} is unknown; there are {', '.join(known) or 'none'}")
        return {key: self.need(key) for key in known} if all_of_them else found

    def elements(self, n: int | None = None) -> list[Field]:
        """Return the elements of a list, of length `n` where that is given."""
        return [Field(f"{self.name}[{k}]", value) for k, value in enumerate(self._list(n))]

    def _list(self, n: int | None) -> list[Any]:
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        if n is not None and len(self.value) != n:
            raise DataError(f"{self.name}: expected {n} values, got {len(self.value)}")
        return self.value

    def length(self) -> int:
        """Return the length of a list that is not empty."""
        if not self._list(None):
            raise self.wrong("a list with something in it")
        return len(self.value)

    def same(self, number: int, what: str) -> None:
        """Check a count that the document itself decides."""
        if type(self.value) is not int or self.value != number:
            raise self.wrong(f"{number}, the number of {what}")

    def text(self, allowed: Collection[str] = ()) -> str:
        """Return a text, one of those allowed where any are."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        if allowed and self.value not in allowed:
            raise self.wrong(f"one of {', '.join(allowed)}")
        return self.value

    def texts(self, allowed: Collection[str] = ()) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(field.text(allowed) for field in self.elements())

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def whole(self, least: int = 0, most: int = LONGEST) -> int:
        """Return a whole number between two others, both included."""
        if type(self.value) is not int or not least <= self.value <= most:
            limit = "" if most == LONGEST else f" and <= {most}"
            raise self.wrong(f"a whole number >= {least}{limit}")
        return self.value

    def wholes(self, n: int | None = None, most: int = LONGEST) -> list[int]:
        """Return a list of whole numbers >= 0."""
        if not all(type(value) is int and 0 <= value <= most for value in self._list(n)):
            for field in self.elements():
                field.whole(0, most)
        return list(self.value)

    def number(self, least: float = -math.inf, *, null: float | None = None) -> float:
        """Return a finite number; null stands for `null` where that is given."""
        if self.value is None and null is not None:
            return null
        if type(self.value) not in (int, float) or not -LARGEST <= self.value <= LARGEST:
            raise self.wrong("a finite number" + ("" if null is None else " or null"))
        if self.value < least:
            raise self.wrong(f"a number >= {least:g}")
        return float(self.value)

    def positive(self) -> float:
        """Return a finite number above zero."""
        if not self.number() > 0:
            raise self.wrong("a number > 0")
        return float(self.value)

    def numbers(self, n: int, *, gaps: bool = False) -> np.ndarray:
        """Return n finite numbers [n]; with gaps, null is NaN."""
        values = self._list(n)
        kinds = (int, float, type(None)) if gaps else (int, float)
        for k, value in enumerate(values):
            if type(value) not in kinds or not (value is None or -LARGEST <= value <= LARGEST):
                expected = "a finite number" + (" or null" if gaps else "")
                raise Field(f"{self.name}[{k}]", value).wrong(expected)
        return np.array(values, float)
