"""Parameters with their errors, how well the law fits, and the certificate in words."""

from __future__ import annotations

import math

from jaxscale.fitting.account import error_text
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.result import FitResult
from jaxscale.laws import derived
from jaxscale.plotting import plot_starts
from jaxscale.reports.figures import figure
from jaxscale.reports.material import Material, nested
from jaxscale.reports.words import spread
from jaxscale.shown.element import Child, Element, make, section, table
from jaxscale.text import many, quantity

STATUS = {
    "converged": "converged: the gradient vanished",
    "converged_decrease": "converged: a step gained nothing more",
    "converged_step": "converged: steps no longer moved it",
    "step_limit": "ran out of steps",
    "stalled": "could not improve, and is no optimum",
    "nonfinite_start": "was not finite",
    "at_bound": "ended at a bound",
    "degenerate_term": "ended where a term counts for nothing",
}
"""How a start may end."""


def parameters(material: Material) -> Element:
    """Return the table of parameters and what follows from them."""
    fit, level = material.fit, f"{100 * material.level:g} %"
    limits = {}
    if material.draws is not None:
        limits = {i.name: spread(i) for i in material.draws.intervals(level=material.level)}
    tied = dict(fit.constraints.tied)
    rows: list[list[Child]] = []
    for name, spec in fit.law.parameters.items():
        note = spec.doc.replace("loss", material.called)
        note += " (fixed)" if name in fit.fixed else ""
        note += f" (tied to {tied[name]})" if name in tied else ""
        if name in fit.intervals:
            low, high = fit.intervals[name]
            note += f", between {quantity(low)} and {quantity(high)}"
        value = quantity(float(getattr(fit.law, name)), 6)
        rows.append([make("code", name), value, error_text(fit, name), limits.get(name, ""), note])
    meanings = fit.law.derived_docs
    for name, number in derived(fit.law).items():
        note = meanings.get(name, "derived")
        value = quantity(number, 6)
        rows.append([make("code", name), value, error_text(fit, name), limits.get(name, ""), note])
    head = ["", "value", "standard error", f"{level} interval", "meaning"]
    align = "<>>><"
    if material.draws is None:
        head, align = [*head[:3], head[4]], "<>><"
        rows = [[*row[:3], row[4]] for row in rows]
    note = fit.unstated
    return section(
        "parameters",
        "Parameters",
        table(head, rows, align, caption=_sources(material)),
        make("p", note, class_="muted") if note else None,
        table(
            [], _quality(fit, material.called), "<<", caption="How well the law describes the runs."
        ),
    )


def _sources(material: Material) -> str:
    text = "Standard errors by the sandwich of the fit."
    if material.draws is None:
        return text
    return f"{text} Intervals: {material.draws.title}, seed {material.draws.seed}."


def _quality(fit: FitResult, called: str) -> list[list[Child]]:
    rows: list[list[Child]] = [["objective", f"{fit.value:.10g} (plain sum)"]]
    for name, key in (("R²", "r2"), ("RMSE", "rmse")):
        both = ((fit.statistics[f"{key}_log"], f"log {called}"), (fit.statistics[key], called))
        said = [f"{value:.5f} on {what}" for value, what in both if math.isfinite(value)]
        rows += [[name, ", ".join(said)]] if said else []
    if (found := nested(fit)) is not None:
        rows.append(["outer exponent", found.said])
    if fit.loss.width is not None:
        inside = f"{fit.certificate.inside_delta} of {many(len(fit.runs), 'residual')}"
        rows.append([f"inside {fit.loss.width}", inside])
    return rows


def certificate(material: Material) -> Element:
    """Return why to believe the optimum, in words."""
    fit = material.fit
    found = fit.certificate
    verdict = "certified" if found.trusted else "not certified"
    lines: list[Child] = [make("li", text) for text in _said(fit, found)]
    reasons = [make("li", reason) for reason in found.reasons]
    return section(
        "certificate",
        "Certificate",
        make("p", "The optimum is ", make("strong", verdict), "."),
        make("ul", *reasons, class_="reasons") if reasons else None,
        make(
            "div",
            make("div", make("ul", *lines), _ends(found)),
            figure(
                plot_starts(fit),
                "starts",
                "The value that every start reached, sorted",
                "Where every start ended.",
            ),
            class_="beside",
        ),
    )


def _said(fit: FitResult, found: Certificate) -> list[str]:
    share = f"{100 * found.share_at_best:.1f} %"
    searches = " in two searches" if len(found.searches) > 1 else ""
    text = f"{share} of {many(found.starts, 'start')}{searches} ended at the best value"
    said = [f"{text}, in a median of {found.median_steps:.0f} steps."]
    if found.sampled:
        said.append(
            f"The starts were searched on {found.sampled:,} of {many(len(fit.runs), 'run')}; "
            f"{many(found.solved_on, 'optimum', 'optima')} found there were solved on on all runs."
        )
    if len(found.basins) > 1 and found.basins[0].value > 0:
        gap = found.basins[1].value / found.basins[0].value - 1
        said.append(
            f"The next optimum lies {100 * gap:.3g} % higher; {found.basins[1].count:,} starts "
            "ended there."
        )
    said.append(
        f"A search promises no more than this: at most {100 * found.unseen:.2g} % of all starts "
        "may lead to a lower optimum unseen (at 95 %)."
    )
    if found.exact:
        said.append("The residuals are rounding: the losses are the law's own values.")
    else:
        said.append(
            f"At the optimum the gradient is {found.grad_norm:.1e} of the value, and the "
            f"curvature has a condition number of {found.condition:.1e}."
        )
    said.append(f"The best start {STATUS[found.status]}.")
    return said


def _ends(found: Certificate) -> Element:
    rows = [
        [STATUS[name], f"{number:,}"]
        for name, number in sorted(found.statuses.items(), key=lambda each: -each[1])
    ]
    return make(
        "details", make("summary", "How the starts ended"), table(["", "starts"], rows, "<>")
    )
