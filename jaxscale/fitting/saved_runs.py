"""What a file of a fit says of its rows: those left out, the suspects, groups and names."""

from __future__ import annotations

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.files.fields import Field


def group_of(field: Field, n: int) -> np.ndarray | None:
    """Return the labels [n] of groups, of one kind."""
    if field.value is None:
        return None
    for kind in (bool, str, int, float):
        if all(type(label.value) is kind for label in field.elements(n)):
            return np.array(field.value)
    return field.numbers(n, gaps=True)


def dropped_of(field: Field) -> tuple[int, str]:
    """Return a row that was left out, and why."""
    row, reason = field.elements(2)
    return row.whole(), reason.text()


def suspects_of(data: Field, runs: Runs) -> np.ndarray:
    """Return the indices of the runs whose rows are suspect."""
    place = {row: k for k, row in enumerate(runs.rows.tolist())}
    for field in data["suspects"].elements():
        if field.whole() not in place:
            raise field.wrong("one of data.rows")
    return np.array([place[row] for row in data["suspects"].value], int)


def called_of(field: Field) -> dict[int, str]:
    """Return the names of runs by row; none where a file of old has none."""
    if field.value is None:
        return {}
    found = {}
    for row, name in field.items().items():
        if not (row.isdecimal() and row.isascii() and len(row) < 17):
            raise field.wrong("names by row")
        found[int(row)] = name.text()
    return found
