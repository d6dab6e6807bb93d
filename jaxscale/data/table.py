"""A raw table: cells as they stand, with the line each row came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Table:
    """Raw columns of equal length.

    Attributes:
        columns: cells per column; text, or numbers where the source has types.
        lines: per row, how its source counts it: the line of a text file, so the row that an
            editor or a spreadsheet shows; else its 1-based position. Rows of several files are
            counted through.
        source: name for messages.
        notes: what was skipped while reading, and why.
        header: line of the header, where there is one.
        hint: what a person should know of the table's shape where a column is missed.
        places: per row its file and its row there, where there are several files; else empty.
        frame_kind: library of the dataframe that a person gave; empty for any other source.
    """

    columns: dict[str, Sequence[Any]]
    lines: Sequence[int]
    source: str
    notes: tuple[str, ...] = ()
    header: int | None = None
    hint: str = ""
    places: tuple[str, ...] = ()
    frame_kind: str = ""

    def where(self, row: int) -> str:
        """Return how to name a 0-based row in a message."""
        return self.places[row] if self.places else f"row {self.lines[row]}"

    @property
    def top(self) -> str:
        """How to name the header in a message."""
        return self.source if self.header is None else f"{self.source}, row {self.header} (header)"
