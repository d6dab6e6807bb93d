"""What a fit says of itself: parameters with errors, facts, and what to know beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxscale.data.account import read_from
from jaxscale.data.cells import left_out
from jaxscale.fitting.certificate import STEEP, Certificate
from jaxscale.fitting.passing import passed_through
from jaxscale.laws import derived
from jaxscale.shown.blocks import Block, Grid, said
from jaxscale.text import one_line, quantity

NEWTON = "newton"
"""The optimizer that is used unless another one is asked for."""


def fit_blocks(fit: Any) -> list[Block]:
    """Return the short readable account of a fit."""
    law = type(fit.law)
    rows = [
        ("  " + name, quantity(value, 6), error_text(fit, name), meaning)
        for name, value, meaning in _parameters(fit)
    ]
    titles = ("parameter", "estimate", "standard error", "meaning")
    return [
        f"{law.__name__}: {law.formula()}",
        one_line(
            f"{len(fit.runs)} runs from {fit.runs.source}, {fit.loss} on {fit.residual} residuals"
        ),
        *read_from(fit.runs, [*fit.law.inputs, "loss"]),
        "",
        Grid(rows, "<><<", head=False, titles=titles, muted=(3,)),
        "",
        Grid(_facts(fit), "<<", head=False, muted=(0,)),
        *said(notes(fit), fit.certificate.reasons),
    ]


def _parameters(fit: Any) -> list[tuple[str, float, str]]:
    """Return name, value and meaning of every parameter and of what the law derives from them."""
    rows, tied = [], dict(fit.constraints.tied)
    for name, spec in fit.law.parameters.items():
        note = spec.doc.replace("loss", fit.runs.response.kind)
        if name in fit.fixed:
            note += " (fixed)"
        if name in tied:
            note += f" (tied to {tied[name]})"
        if name in fit.intervals:
            low, high = fit.intervals[name]
            note += f", between {quantity(low)} and {quantity(high)}"
        rows.append((name, float(getattr(fit.law, name)), note))
    meanings = fit.law.derived_docs
    found = derived(fit.law).items()
    return rows + [(name, value, meanings.get(name, "derived")) for name, value in found]


def fit_columns(fit: Any) -> dict[str, Any]:
    """Return the columns of a dataframe of the parameters, and of what follows from them."""
    tied, rows = dict(fit.constraints.tied), _parameters(fit)
    states = dict.fromkeys(fit.free, "fitted") | dict.fromkeys(fit.fixed, "fixed")
    states |= {name: f"tied to {other}" for name, other in tied.items()}
    return {
        "parameter": [name for name, _, _ in rows],
        "estimate": [value for _, value, _ in rows],
        "standard_error": [float(fit.errors.get(name, math.nan)) for name, _, _ in rows],
        "state": [states.get(name, "derived") for name, _, _ in rows],
        "meaning": [meaning for _, _, meaning in rows],
    }


def _facts(fit: Any) -> list[tuple[str, str]]:
    certificate, called = fit.certificate, fit.runs.response.kind
    facts = [("objective", f"{fit.value:.10g}  (plain sum)"), *_stated(fit.statistics, called)]
    if fit.loss.width is not None:
        facts.append(
            (f"inside {fit.loss.width}", f"{certificate.inside_delta} of {len(fit.runs)} residuals")
        )
    if fit.nesting is not None and fit.nesting.said:
        facts.append(("outer exponent", fit.nesting.said))
    slope = f"gradient {certificate.grad_norm:.1e}"
    if certificate.exact:
        slope = "residuals are rounding"
    elif certificate.grad_norm > STEEP and certificate.gain == 0:
        slope = "gradient within rounding"  # over a value that is nearly none
    return [
        *facts,
        *_searched(certificate, len(fit.runs)),
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


def _searched(certificate: Certificate, n: int) -> list[tuple[str, str]]:
    """Return rows on the starts: how many led to the best value, on which of `n` runs."""
    share = f"{100 * certificate.share_at_best:.1f} % of {certificate.starts} at the best value"
    share += ", in two searches" if len(certificate.searches) > 1 else ""
    rows = [("starts", f"{share}, median {certificate.median_steps:.0f} steps")]
    if certificate.sampled:
        few = certificate.solved_on
        optima = "its lowest optimum" if few == 1 else f"its {few} lowest optima"
        where = f"{certificate.sampled:,} of {n:,} runs; from {optima} on all of them"
        rows.append(("searched on", where))
    return rows


def _stated(statistics: Mapping[str, float], called: str) -> list[tuple[str, str]]:
    """Return R² and RMSE as rows; what does not exist is left out."""
    rows = []
    for name, key in (("R²", "r2"), ("RMSE", "rmse")):
        both = ((statistics[f"{key}_log"], f"log {called}"), (statistics[key], called))
        said = [f"{value:.5f} on {what}" for value, what in both if math.isfinite(value)]
        rows += [(name, ", ".join(said))] if said else []
    return rows


def error_text(fit: Any, name: str) -> str:
    """Return `± 0.012`, or nothing where a parameter has no error."""
    error = fit.errors.get(name, math.nan)
    rounding = 1e-12 * abs(fit.law.values.get(name) or 1.0)  # of what ties and laws determine
    return f"± {quantity(error, 2)}" if rounding < error < math.inf else ""


def notes(fit: Any) -> list[str]:
    """Return everything a person should be told beside the numbers."""
    told = list(fit.certificate.reasons) + list(fit.warnings)
    told += [fit.unstated] if fit.unstated else []
    if not fit.certificate.exact:
        used = int((fit.runs.weights > 0).sum())
        told += passed_through(fit.loss, fit.certificate.inside_delta, used, len(fit.free))
    if fit.certificate.status == "step_limit" and fit.settings.get("optimizer", NEWTON) != NEWTON:
        told.append(f"the optimizer {NEWTON}, which is the default, takes the fewest steps")
    told += left_out(fit.runs.dropped, called=fit.runs.called)
    if len(fit.suspects):
        rows = [fit.runs.row(k) for k in fit.suspects]
        many, word, them = ("runs", "rows", "them") if len(rows) > 1 else ("run", "row", "it")
        told.append(
            f"{len(rows)} {many} beyond 5 standard errors of a fit to the others "
            f"({word} {_some(rows)}): look at {them}"
        )
    return told


def _some(rows: Sequence[str]) -> str:
    shown = ", ".join(rows[:6])
    return shown + (", ..." if len(rows) > 6 else "")
