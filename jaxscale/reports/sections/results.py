"""Further results on the same runs: a comparison, isoFLOP minima, specifications.

A result is shown by what every result has: its text, and the figures that take its kind.
"""

from __future__ import annotations

import math
from typing import Any

from jaxscale.comparison.account import percent
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.result import Comparison
from jaxscale.plotting import FIGURES
from jaxscale.reports.figures import figure
from jaxscale.reports.material import Material
from jaxscale.shown.blocks import full_text
from jaxscale.shown.element import Child, Element, called, make, section, table
from jaxscale.text import quantity

TITLES = {
    "Comparison": "Comparison of laws",
    "IsoFlop": "IsoFLOP approaches",
    "Specifications": "Specification table",
}
"""Of the kinds that have a name of their own."""


def results(material: Material) -> list[Element]:
    """Return one part per further result."""
    return [_result(k, each) for k, each in enumerate(material.results)]


def _result(k: int, result: Any) -> Element:
    name, kind = f"result{k}", type(result).__name__
    title = TITLES.get(kind, kind)
    inner = _comparison(result) if isinstance(result, Comparison) else []
    first = getattr(result, "sentence", "")
    lines = [
        line for line in full_text(result).strip().split("\n") if not first or line.strip() != first
    ]
    doubts = [make("li", line[2:]) for line in lines if line.startswith("! ")]
    shown = "\n".join(line for line in lines if not line.startswith("! ")).strip("\n")
    text: list[Child] = [part for line in shown.split("\n") for part in (line, make("br"))]
    whole: Child = make("div", make("code", *text), class_="scroll text", tabindex="0",
                        role="region", aria_label=title)  # fmt: skip
    if inner:
        whole = make("details", make("summary", "All of it"), whole)
    drawn = make("div", *_figures(result, name), class_="wide")
    return section(
        name,
        title,
        make("p", first) if first else None,
        *inner,
        whole,
        make("div", make("ul", *doubts), class_="doubts") if doubts else None,
        drawn if len(drawn) else None,
    )


def _figures(result: Any, name: str) -> list[Element]:
    found = []
    for kind, row in FIGURES.items():
        takes = (HeldOut, Comparison) if row.takes is HeldOut else row.takes
        if isinstance(result, takes):
            try:
                drawn = row.draw(result)
            except ValueError:  # this one cannot be drawn so; its text says why
                continue
            found.append(
                figure(
                    drawn, f"{name}{kind}", row.shows, f"{row.shows[:1].upper()}{row.shows[1:]}."
                )
            )
    return found


def _error(value: float) -> str:
    return f"{percent(value)} %" if math.isfinite(value) else "–"


def _comparison(result: Comparison) -> list[Child]:
    kinds = list(result.held)
    words = {"rollout": "error on larger runs", "folds": "on folds", "groups": "on groups"}
    head: list[Child] = [
        "law",
        "free",
        *(words[kind] for kind in kinds),
        "behind the best, in points",
        "weight",
    ]
    rows: list[list[Child]] = []
    for entry in result.entries:
        gap = entry.behind
        behind = (
            ""
            if gap is None
            else f"{percent(gap.mean)} ({percent(gap.low)} to {percent(gap.high)})"
        )
        weight = "" if entry.weight is None else f"{entry.weight:.2f}"
        doubted = " (not certified)" if entry.reasons else ""
        errors = [_error(entry.errors[kind]) for kind in kinds]
        rows.append(
            [[called(entry.label), doubted], str(len(entry.law.free)), *errors, behind, weight]
        )
    tests = [
        make("li", f"{test.small} within {test.large}: "
             f"{'rejected' if test.p < 0.05 else 'not rejected'}, p = {quantity(test.p, 2)}, "
             f"likelihood ratio {quantity(test.ratio, 3)}.")
        for test in result.tests
    ]  # fmt: skip
    return [
        table(head, rows, "<" + ">" * (len(head) - 1)),
        make("ul", *tests) if tests else None,
    ]
