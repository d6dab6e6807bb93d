"""A law as it is written: a call that makes it again, and a table of its parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxscale.shown.blocks import WIDTH, Block, Grid, Shown, brief, number
from jaxscale.text import quantity


def call_text(law: Any) -> str:
    """Return the call that makes a law, `Chinchilla(E=1.69, ...)`: every digit of its values.

    What is free or as usual is left out. Where a value is an array or is traced, its shape stands
    in its place.
    """
    parts = []
    for field in dataclasses.fields(law):
        value = getattr(law, field.name)
        if value is field.default or (isinstance(value, str) and value == field.default):
            continue
        written = repr(value) if isinstance(value, str) else number(value)
        if written is None:
            written = brief(value) if hasattr(value, "shape") else repr(value)
        parts.append(f"{field.name}={written}")
    lines = [f"{type(law).__name__}("]
    for k, part in enumerate(parts):
        part += ", " if k < len(parts) - 1 else ""
        if len(lines[-1]) + len(part) > WIDTH:
            lines[-1] = lines[-1].rstrip()
            lines.append("    ")
        lines[-1] += part
    return "\n".join(lines) + ")"


def law_blocks(law: Any) -> list[Block]:
    """Return the formula and the parameters of a law, with what each means."""
    rows = [["parameter", "value", "meaning"]]
    for name, spec in law.parameters.items():
        value = getattr(law, name)
        scalar = None if value is None else number(value)
        shown = "free" if value is None else brief(value)
        rows.append([name, shown if scalar is None else quantity(float(scalar), 6), spec.doc])
    return [f"{type(law).__name__}: {type(law).formula()}", Grid(rows, "<><", muted=(2,))]


class Written(Shown):
    """Base of laws: written as the call that makes one, in a notebook as a table."""

    def __str__(self) -> str:
        return call_text(self)

    def _blocks(self) -> list[Block]:
        return law_blocks(self)
