"""The counts of `benchmarks.coverage` as Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.tables import markdown

ORDER = ("default percentile", "residual percentile", "case percentile", "case bca", "case basic",
         "case t", "bayesian percentile", "wild percentile", "cluster percentile",
         "wild-cluster percentile", "shared-noise percentile", "jackknife", "jackknife groups",
         "laplace", "sandwich", "sandwich groups", "profile laplace",
         "profile sandwich")  # fmt: skip
QUESTIONS = (
    ("the parameters (lowest to highest of them)", "params"),
    ("the prediction at 1 times the largest compute", "L 1x"),
    ("the prediction at 10 times the largest compute", "L 10x"),
    ("the prediction at 100 times the largest compute", "L 100x"),
    ("N* at 10 times the largest compute", "N* 10x"),
    ("the loss of a new run at 10 times the largest compute", "new run 10x"),
)


def coverage(result: dict[str, Any], method: str, what: str, level: int) -> list[float]:
    """Return the coverages of a method in a cell; several for the parameters, [] for none."""
    if method not in result["hits"]:
        return []
    names = result["names"]
    chosen = names[: names.index("L 1x")] if what == "params" else [what]
    found = []
    for name in chosen:
        if name in names:
            k = names.index(name)
            count = result["stated"][method][k]
            if count:
                found.append(result["hits"][method][level][k] / count)
    return found


def shown(values: list[float]) -> str:
    """Return coverages in per cent, as a range."""
    if not values:
        return ""
    low, high = 100 * min(values), 100 * max(values)
    return f"{low:.0f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f}–{high:.0f}"


def report(document: dict[str, Any]) -> str:
    """Return the whole document as Markdown."""
    cells, levels = document["cells"], document["levels"]
    machine = document["environment"]
    sets = sorted({r["sets"] for r in cells})
    lines = [
        "# How often intervals cover the truth",
        "",
        f"Coverage in per cent of nominal {', '.join(f'{100 * v:.0f}' for v in levels)} % "
        f"intervals; {' or '.join(map(str, sets))} simulated tables per cell, "
        f"{document['draws']} draws per bootstrap, noise {document['sigma']:g} of the log loss. "
        f"CPU, float64; jaxscale {machine['versions']['jaxscale']}, "
        f"jax {machine['versions']['jax']}.",
        "`python -m benchmarks.coverage --out benchmarks/results/coverage.json`",
        "",
        f"One count of {max(sets)} is uncertain by {100 * np.sqrt(0.09 / max(sets)):.1f} points "
        "(one standard deviation at 90 %).",
    ]
    kinds = dict.fromkeys((r["cell"]["law"], r["cell"]["design"], r["cell"]["loss"]) for r in cells)
    for law, design, loss in kinds:
        mine = [
            r for r in cells
            if (r["cell"]["law"], r["cell"]["design"], r["cell"]["loss"]) == (law, design, loss)
        ]  # fmt: skip
        lines += ["", f"## {law}, {design}, {'Huber 1e-3' if loss == 'huber' else 'least squares'}"]
        head = ("method", *(f"{r['cell']['noise']} {r['cell']['n']}" for r in mine))
        for level, value in enumerate(levels):
            for title, what in QUESTIONS:
                if value != 0.9 and what not in ("params", "L 10x"):
                    continue
                rows = [
                    [m, *(shown(coverage(r, m, what, level)) for r in mine)]
                    for m in ORDER
                    if any(m in r["hits"] for r in mine)
                ]
                rows = [row for row in rows if any(row[1:])]
                if rows:
                    lines += ["", f"{100 * value:.0f} % for {title}:", "", *markdown(head, rows)]
    refusals = [
        f"- {r['cell']['law']} {r['cell']['design']} {r['cell']['noise']} {r['cell']['n']} "
        f"{r['cell']['loss']}: {m} refused {k} of {r['sets']}"
        for r in cells
        for m, k in r["refused"].items()
    ]
    return "\n".join([*lines, "", "## Refusals", "", *(refusals or ["None."]), ""])
