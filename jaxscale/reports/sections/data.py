"""The data of a fit: where they come from, what was left out and why, their first and last rows."""

from __future__ import annotations

from jaxscale.reports.material import Material
from jaxscale.reports.words import in_column
from jaxscale.shown.element import Child, Element, called, make, section, table
from jaxscale.text import many, quantity

ENDS = 8
"""Rows shown from the beginning and from the end of the table."""
NAMED = 24
"""Rows that are named of those left out for one reason."""
REASONS = 20
"""Reasons that are listed."""


def data(material: Material) -> Element:
    """Return the part."""
    runs = material.fit.runs
    suspects = [runs.row(int(k)) for k in material.fit.suspects]
    return section(
        "data",
        "Data",
        make("p", many(len(runs), "run"), " from ", called(runs.source),
             ". SHA-256 of the numbers: ", make("code", runs.digest(), class_="digest"), "."),
        _columns(material),
        make("h3", "Left out"),
        _left_out(material),
        make("h3", "Suspects") if suspects else None,
        make("p", "Beyond 5 standard errors of a fit to the other runs, and kept: ",
             *_named(suspects)) if suspects else None,
        make("h3", "Runs"),
        _rows(material),
    )  # fmt: skip


def _columns(material: Material) -> Element:
    fit, runs = material.fit, material.fit.runs
    read = [*fit.law.inputs, *(n for n in runs.columns if n not in fit.law.inputs)]
    rows: list[list[Child]] = []
    for name in read:
        x = runs.column(name, fit.law.flops)
        source: Child = called(runs.names.get(name, name)) if name in runs.columns else "worked out"
        role = "read by the law" if name in fit.law.inputs else "not read by the law"
        rows.append(
            [called(name), source, in_column(x.min(), name), in_column(x.max(), name), role]
        )
    loss = runs.loss
    source = called(runs.names.get("loss", "loss"))
    rows.append(["loss", source, quantity(loss.min(), 6), quantity(loss.max(), 6), "fitted"])
    if runs.weight is not None:
        source = called(runs.names.get("weight", "weight"))
        ends = quantity(runs.weight.min()), quantity(runs.weight.max())
        rows.append(["weight", source, *ends, "of the runs"])
    return table(["column", "in the table", "from", "to", ""], rows, "<<>><")


def _left_out(material: Material) -> Element:
    runs = material.fit.runs
    if not runs.dropped:
        return make("p", "Nothing: every row of the table is a run of the fit.")
    reasons: dict[str, list[str]] = {}
    for row, why in runs.dropped:
        head, mark, _ = why.partition(" is no number: ")
        reasons.setdefault(f"{head} is no number" if mark else why, []).append(runs.row_called(row))
    rows: list[list[Child]] = [
        [called(why), f"{len(which):,}", make("span", *_named(which))]
        for why, which in list(reasons.items())[:REASONS]
    ]
    more = len(reasons) - REASONS
    total = f"{many(len(runs.dropped), 'row')} left out." + (
        f" {more} further reasons are not shown." if more > 0 else ""
    )
    return table(["why", "rows", "which"], rows, "<><", caption=total)


def _named(rows: list[str]) -> list[Child]:
    found: list[Child] = []
    for k, row in enumerate(rows[:NAMED]):
        found += [", " if k else None, called(row)]
    return [*found, f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else None]


def _rows(material: Material) -> Element:
    fit, runs = material.fit, material.fit.runs
    n, names = len(runs), list(fit.law.inputs)
    shown = list(range(n)) if n <= 2 * ENDS + 4 else [*range(ENDS), *range(n - ENDS, n)]
    inputs = {name: runs.column(name, fit.law.flops) for name in names}
    rows: list[list[Child]] = []
    for place, k in enumerate(shown):
        if place and k != shown[place - 1] + 1:
            gap = f"… {n - len(shown):,} more …"
            rows.append([gap, *[""] * (len(names) + 2)])
        values = [in_column(float(inputs[name][k]), name) for name in names]
        rows.append(
            [called(runs.row(k)), *values, f"{runs.loss[k]:.6g}", f"{fit.prediction[k]:.6g}"]
        )
    head: list[Child] = ["row", *(called(name) for name in names), material.called, "law"]
    whole = f"{many(n, 'run')}" + ("" if n == len(shown) else ", the first and the last of them")
    return table(head, rows, "<" + ">" * (len(names) + 2), caption=f"{whole}.")
