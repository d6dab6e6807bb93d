"""The page of the record, and its JSON."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxscale

from .entry import UNCHECKED, WORDS, Row, agreed, number

INTRODUCTION = """\
Published fits whose runs are public, refitted by jaxscale under the objective that their authors
state, from our starts and, where they say theirs, from theirs. Objectives are worked out in NumPy
at the printed values and at our optimum, not by the solver. The verdict follows from these numbers;
the reason is ours. "Digits": those that the worst parameter shares with print, of those printed."""


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return everything as plain data."""
    listed = [{**dataclasses.asdict(row), "digits": row.digits} for row in rows]
    return {"setting": setting(), "verdicts": dict(WORDS), "rows": json.loads(json.dumps(listed))}


def read(path: Path) -> list[Row]:
    """Return the rows of a record.json."""
    fields = {field.name for field in dataclasses.fields(Row)}
    listed = json.loads(path.read_text())["rows"]
    return [Row(**{k: v for k, v in row.items() if k in fields}) for row in listed]


def setting() -> dict[str, str]:
    """Return versions and device."""
    device = jax.devices()[0].device_kind
    return {"jaxscale": jaxscale.__version__, "jax": jax.__version__, "numpy": np.__version__,
            "device": device, "dtype": "float64"}  # fmt: skip


def page(rows: Sequence[Row]) -> str:
    """Return the page in Markdown."""
    checked = [row for row in rows if row.verdict != UNCHECKED]
    counted = Counter(row.verdict for row in checked)
    of = setting()
    lines = ["# The record", "", "`python -m benchmarks.record --data DIR`", "", INTRODUCTION, ""]
    lines += [f"{len(checked)} rows; jaxscale {of['jaxscale']}, jax {of['jax']}, {of['dtype']}, "
              f"{of['device']}.", ""]  # fmt: skip
    said = [(word, counted[word], WORDS[word]) for word in WORDS if counted[word]]
    lines += _table(("verdict", "rows", "what it says"), said)
    lines += ["", "## At a glance", ""]
    lines += _table(
        ("fit", "runs", "verdict", "digits", "objective, published over ours"),
        [_glance(row) for row in checked],
    )
    lines += ["", "## One by one"]
    for row in checked:
        lines += ["", *section(row)]
    lines += ["", "## What cannot be checked", ""]
    others = [(r.title, r.source, r.reason) for r in rows if r.verdict == UNCHECKED]
    lines += _table(("fit", "source", "why"), others)
    return "\n".join(lines) + "\n"


def _glance(row: Row) -> tuple[str, ...]:
    title = f"[{_plain(row.title)}](#{anchor(row.key)})"
    return title, f"{row.runs:,}", _verdict(row), row.digits, _ratio(row)


def anchor(key: str) -> str:
    """Return the name of a section as a link has it."""
    kept = "".join(c for c in key.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def section(row: Row) -> list[str]:
    """Return the lines of one row."""
    said = f"**{_plain(row.title)}: {_verdict(row)}.** {_plain(_capital(row.reason))}".rstrip()
    lines = [f"### {row.key}", "", said, ""]
    facts = {
        "source": _plain(row.source),
        "law": f"`{row.formula}`" if row.formula else "",
        "objective": _plain(row.goal),
        "their search": _plain(row.rule),
        "our search": row.search,
        "objective as they print it": row.stated,
    }
    lines += [f"- {name}: {text}" for name, text in facts.items() if text]
    if row.printed:
        names = list(row.printed)
        shared = [agreed(row.printed[k], row.ours[k]) for k in names]
        cells = [
            ["published", *(row.printed[k] for k in names)],
            ["ours", *(_like(row.printed[k], row.ours[k]) for k in names)],
            ["digits", *(f"{some} of {all_}" for some, all_ in shared)],
        ]
        head = ["", *names]
        if row.objective_printed is not None and row.objective_ours is not None:
            head.append("objective")
            cells[0].append(number(row.objective_printed))
            cells[1].append(number(row.objective_ours))
            cells[2].append("")
        lines += ["", *_table(head, cells)]
    return lines


def _plain(text: str) -> str:
    """Return text whose asterisks are no emphasis: N*."""
    return text.replace("*", r"\*")


def _like(text: str, value: float) -> str:
    """Return a value to the digits of a printed one, two more where it has few."""
    digits = agreed(text, value)[1]
    return f"{value:.{min(digits + (2 if digits < 15 else 0), 17)}g}"


def _verdict(row: Row) -> str:
    if not row.counts:
        return row.verdict
    return ", ".join(f"{word} {count}" for word, count in row.counts.items())


def _ratio(row: Row) -> str:
    if row.objective_printed is None or not row.objective_ours:
        return ""
    share = row.objective_printed / row.objective_ours - 1
    return "1" if abs(share) < 1e-12 else f"1 + {share:.1e}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""


def _table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[str]:
    def line(cells: Sequence[Any]) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]
