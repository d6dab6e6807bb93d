"""Results as short tables of text for a person at a terminal; no layout library needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from jaxscale._visible import one_line
from jaxscale.laws import derived

if TYPE_CHECKING:
    from jaxscale.result import FitResult


def columns(rows: Sequence[Sequence[str]], align: str) -> str:
    """Return rows of cells as aligned text; `align` has one of `<` and `>` per column.

    Control characters in a cell are written out, newlines too: a name cannot fake a row.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(align))]
    lines = []
    for row in rows:
        cells = [f"{cell:{side}{w}}" for cell, side, w in zip(row, align, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def quantity(value: Any, digits: int = 4) -> str:
    """Return a number with significant digits, plain where that is short to read."""
    value = float(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        return f"{value:.0f}" if "e" in text else text
    return f"{value:.{digits - 1}e}"


def count(value: Any) -> str:
    """Return a count with a unit that people read: 70.2 B, 1.40 T."""
    value = float(value)
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if size <= abs(value) < 1e16:
            return f"{value / size:.3g} {unit}"
    return quantity(value, 3)


def fit_table(fit: FitResult) -> str:
    """Return the short readable account of a fit."""
    certificate, law = fit.certificate, type(fit.law)
    delta = fit.loss["delta"]
    loss = str(fit.loss["loss"]) + (f" (delta {delta:g})" if delta is not None else "")
    head = [
        f"{law.__name__}: {law.formula()}",
        one_line(
            f"{len(fit.runs)} runs from {fit.runs.source}, {loss} on {fit.residual} residuals"
        ),
        "",
    ]
    rows = []
    for name, spec in fit.law.parameters.items():
        value = float(getattr(fit.law, name))
        note = spec.doc
        if name in fit.fixed:
            note += " (fixed)"
        if name in fit.intervals:
            low, high = fit.intervals[name]
            note += f", between {quantity(low)} and {quantity(high)}"
        rows.append(("  " + name, quantity(value, 6), note))
    meanings = fit.law.derived_docs
    rows += [
        ("  " + name, quantity(value, 6), meanings.get(name, "derived"))
        for name, value in derived(fit.law).items()
    ]
    stats = fit.statistics
    facts = [
        ("objective", f"{fit.value:.10g}  (plain sum)"),
        ("R²", f"{stats['r2_log']:.5f} on log loss, {stats['r2']:.5f} on loss"),
        ("RMSE", f"{stats['rmse_log']:.5f} on log loss, {stats['rmse']:.5f} on loss"),
    ]
    if delta is not None:
        facts.append(("inside delta", f"{certificate.inside_delta} of {len(fit.runs)} residuals"))
    share = f"{100 * certificate.share_at_best:.1f} % of {certificate.starts} at the best value"
    slope = f"gradient {certificate.grad_norm:.1e}"
    if certificate.exact:
        slope = "residuals are rounding"
    facts += [
        ("starts", f"{share}, median {certificate.median_steps:.0f} steps"),
        (
            "optimum",
            f"{certificate.status}, {slope}, condition {certificate.condition:.1e}",
        ),
        (
            "time",
            f"{fit.seconds['total']:.2f} s ({fit.seconds['compile']:.2f} compiling, "
            f"{fit.seconds['solve']:.2f} solving)",
        ),
    ]
    body = columns(rows, "<><") + "\n\n" + columns(facts, "<<")
    return "\n".join([*head, body]) + marked(notes(fit))


def marked(notes: Iterable[str]) -> str:
    """Return notes as the lines below a table, each beginning with `!`."""
    return "".join(f"\n! {one_line(note)}" for note in notes)


def notes(fit: FitResult) -> list[str]:
    """Return everything a person should be told beside the numbers."""
    said = list(fit.certificate.reasons) + list(fit.warnings)
    if fit.runs.dropped:
        reasons: dict[str, list[int]] = {}
        for row, reason in fit.runs.dropped:
            reasons.setdefault(reason, []).append(row)
        said += [
            f"left out {len(rows)} rows ({_some(rows)}): {reason}"
            for reason, rows in reasons.items()
        ]
    if len(fit.suspects):
        rows = [int(fit.runs.rows[k]) for k in fit.suspects]
        many, word = ("residuals", "rows") if len(rows) > 1 else ("residual", "row")
        said.append(
            f"{len(rows)} {many} beyond 5 scaled MAD ({word} {_some(rows)}): look at these runs"
        )
    return said


def _some(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:6]))
    return shown + (", ..." if len(rows) > 6 else "")
