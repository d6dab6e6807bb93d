"""What the names of runs and columns say: `{N}_{D}tok` against 30M_2Btok.

A pattern is text with fields in braces. A field called N, D, C or S is a number, 30M, 1.5b or 2e9,
whose suffix K, M, B (or G) or T always counts; `{D/N}` is a number of tokens for each parameter,
and `{D/20N}` a multiple of 20, so that `{N}-{D/20N}xC` reads N and D from 190M-1xC. Any other is
text, and `{}` is text that nobody needs. There are no regular expressions: no name can take long.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from jaxscale.text import short

SIZES = ("N", "D", "C", "S")
FIELD = re.compile(r"\{([^{}]*)\}")
RATIO = re.compile(r"D/(\d{0,6}(?:\.\d{1,6})?)N")
"""A field of tokens as a multiple of parameters."""
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
SIGN = re.compile(r"\s?([KMBGT]|[kmbgt](?![a-z]))")
"""A suffix; a small letter before another is the beginning of a word, as in 20tokens."""
SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
LONGEST = 1000
"""Characters of a name that is matched."""


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A pattern, parsed.

    Attributes:
        text: as it was written.
        literals: the text before, between and after the fields, one more than these.
        fields: their names; empty for what is skipped.
        ratios: per field by which multiple of N its number is meant; None for the number itself.
    """

    text: str
    literals: tuple[str, ...]
    fields: tuple[str, ...]
    ratios: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, text: str, option: str) -> Pattern:
        """Parse a pattern.

        Args:
            text: the pattern.
            option: how it was given, for messages.

        Raises:
            ValueError: it has no field, one twice, or two that nothing separates.
        """
        parts = FIELD.split(text)
        literals, named = tuple(parts[::2]), [name.strip() for name in parts[1::2]]
        multiples = [RATIO.fullmatch(name) for name in named]
        fields = tuple("D" if m else n for n, m in zip(named, multiples, strict=True))
        ratios = tuple(None if m is None else float(m[1] or 1) for m in multiples)
        said = f"{option} {short(text, 80)}"
        if not any(fields) or any(mark in part for part in literals for mark in "{}"):
            raise ValueError(f"{said}: a pattern has fields in braces, e.g. '{{N}}_{{D}}tok'")
        for name in filter(None, fields):
            if fields.count(name) > 1:
                raise ValueError(f"{said}: {{{name}}} stands twice; {{}} is what nobody needs")
        if any(multiples) and "N" not in fields:
            raise ValueError(
                f"{said}: tokens for each parameter need {{N}} in the same name; where N is a "
                "column: --parse '...{M}xC' --column 'D=20*N*M'"
            )
        if len(fields) > 16 or len(text) > LONGEST:
            raise ValueError(f"{said}: more than 16 fields or {LONGEST} characters")
        for k, between in enumerate(literals[1:-1]):
            if not between:
                pair = f"{{{fields[k]}}} and {{{fields[k + 1]}}}"
                raise ValueError(f"{said}: nothing stands between {pair}")
        return cls(text, literals, fields, ratios)

    def match(self, name: str) -> dict[str, str | float] | None:
        """Return what the fields stand for in a name, or None where it is another."""
        if len(name) > LONGEST or not name.startswith(self.literals[0]):
            return None
        failed: set[tuple[int, int]] = set()
        found = self._from(name, 0, len(self.literals[0]), failed)
        if found is None:
            return None
        said = {field: value for field, value in zip(self.fields, found, strict=True) if field}
        for field, ratio in zip(self.fields, self.ratios, strict=True):
            if ratio is not None:
                said[field] = ratio * float(said["N"]) * float(said[field])
        return said

    def _from(
        self, name: str, k: int, begin: int, failed: set[tuple[int, int]]
    ) -> list[str | float] | None:
        """Match fields k and on from a place; where that failed once, it is not tried again."""
        if k == len(self.fields):
            return [] if begin == len(name) else None
        if (k, begin) in failed:
            return None
        after = self.literals[k + 1]
        for end, value in self._ends(name, k, begin):
            if name.startswith(after, end):
                rest = self._from(name, k + 1, end + len(after), failed)
                if rest is not None:
                    return [value, *rest]
        failed.add((k, begin))
        return None

    def _ends(self, name: str, k: int, begin: int) -> Sequence[tuple[int, str | float]]:
        """Return where a field may end, longest first, and what it then says."""
        if self.fields[k] not in SIZES:
            last = k == len(self.fields) - 1
            only = len(name) - len(self.literals[-1])
            ends = [only] if last else range(len(name), begin, -1)
            return [(end, name[begin:end].strip()) for end in ends if end > begin]
        number = NUMBER.match(name, begin)
        if number is None:
            return []
        sign = SIGN.match(name, number.end())
        value = float(number[0]) * (SUFFIX[sign[1].lower()] if sign else 1.0)
        return [(sign.end() if sign else number.end(), value)]
