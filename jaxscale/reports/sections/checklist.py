"""The field's checklist for a fit that others can repeat: what is known, stated, or missing.

Source: Li et al. 2025, arXiv:2502.18969, "(Mis)Fitting": form, training, data, fit.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxscale.comparison.result import Comparison
from jaxscale.fitting.account import NEWTON
from jaxscale.flops import UNIT, Cost, Flops, SixND
from jaxscale.reports.about import FIELDS
from jaxscale.reports.material import Material
from jaxscale.reports.words import in_column
from jaxscale.shown.element import Child, Element, called, make, section, table
from jaxscale.text import many, quantity

GROUPS = {
    "Form": ("form", "free", "held"),
    "Training": (
        "models", "sizes", "architecture", "parameter_count", "flops", "training_data", "optimizer",
        "hyperparameters", "schedule", "seeds", "hardware",
    ),
    "Data": ("runs", "dropped", "checkpoints", "evaluation", "metric"),
    "Fit": ("objective", "algorithm", "starts", "coverage", "errors", "validation"),
    "Access": ("table", "code", "models_at", "authors", "date", "contact"),
}  # fmt: skip
LABELS = {
    "form": "form of the law",
    "free": "parameters fitted",
    "held": "parameters held, bounded or tied",
    "models": "number of runs and of model sizes",
    "sizes": "range of sizes and of data",
    "runs": "source of the runs",
    "dropped": "runs left out",
    "objective": "objective",
    "algorithm": "algorithm",
    "starts": "starts",
    "coverage": "range of the starts, and how well they covered it",
    "errors": "errors and intervals",
    "models_at": FIELDS["models"],
}


def checklist(material: Material) -> Element:
    """Return the part: every field, from the fit, from a person, or not stated."""
    known, missing = _known(material), 0
    rows: list[list[Child]] = []
    for group, keys in GROUPS.items():
        for k, key in enumerate(keys):
            own, said = (
                known.get(key, ""),
                material.about.get("models" if key == "models_at" else key, ""),
            )
            missing += not (own or said)
            value: Child = [
                own,
                "; " if own and said else None,
                make("span", said) if said else None,
            ]
            if not (own or said):
                field = "models" if key == "models_at" else key
                value = make("em", "not stated: ", make("code", field), class_="missing")
            label = LABELS.get(key) or FIELDS[key]
            rows.append([make("strong", group) if k == 0 else "", label, value])
    text = f"{many(missing, 'field')} not stated: say them in a TOML file, "
    text += "authors = 'A. Person', and give it with --about FILE."
    after = f"jaxscale verify FIT RUNS fits {_source(material)} again and says whether this holds."
    return section(
        "checklist",
        "To be repeated",
        make("p", "What others need to repeat it, by the field's checklist (arXiv:2502.18969). ",
             text if missing else "Every field is stated.", class_="muted"),
        table([], rows, "<<<", caption="Checklist."),
        make("p", after, class_="muted"),
    )  # fmt: skip


def _source(material: Material) -> str:
    return f"the {many(len(material.fit.runs), 'run')}"


def _known(material: Material) -> Mapping[str, str]:
    """Return what the fit itself tells of each field."""
    fit = material.fit
    law, runs, found = fit.law, fit.runs, fit.certificate
    tied, bounds = dict(fit.constraints.tied), fit.constraints.bounds
    held = [f"{name} = {quantity(getattr(law, name), 6)}" for name in fit.fixed]
    held += [f"{name} tied to {other}" for name, other in tied.items()]
    held += [f"{name} in {low:g} to {high:g}" for name, (low, high) in bounds]
    spans = [f"{name} {_span(material, name)}" for name in law.inputs]
    count_ = law.flops if {"N", "D"} <= set(law.inputs) else None
    flops = ""
    if count_ is not None:
        flops = _cost(count_)
    column = runs.names.get("loss", "loss")
    optimizer = fit.settings.get("optimizer", NEWTON)
    searches = " in two searches" if len(found.searches) > 1 else ""
    share = f"{100 * found.share_at_best:.1f} %"
    seed = fit.settings.get("seed", 0)
    start = f"log-uniform and a grid of exponents, seed {seed}; {share} of them at the best value"
    rolled = [each.sentence for each in material.results if isinstance(each, Comparison)]
    errors = "sandwich standard errors"
    if material.draws is not None:
        errors += f"; {material.draws.title}"
    return {
        "form": f"{type(law).__name__}: {type(law).formula()}",
        "free": ", ".join(fit.free),
        "held": ", ".join(held) or "none",
        "models": _models(material),
        "sizes": "; ".join(spans),
        "flops": flops,
        "runs": str(called(runs.source).text),
        "dropped": f"{len(runs.dropped):,}, each with its reason above" if runs.dropped else "none",
        "metric": f"{material.called}, column {called(column).text}",
        "objective": f"{fit.loss} on {fit.residual} residuals, {_weighting(material)}",
        "algorithm": f"{optimizer}, in {fit.settings.get('precision', 'float64')}",
        "starts": f"{found.starts:,}{searches}",
        "coverage": start,
        "errors": errors,
        "validation": " ".join(rolled),
    }


def _cost(cost: Flops) -> str:
    """Return what a run costs."""
    if not isinstance(cost, Cost):
        return "a function of one's own"
    if isinstance(cost, SixND):
        return f"C = {cost.k:g} N D" + (
            "" if cost.unit == UNIT else f" in {called(cost.unit).text}"
        )
    numbers = ", ".join(f"{name} = {quantity(x)}" for name, x in cost.coefficients.items())
    return f"C = {cost.formula} in {called(cost.unit).text}, {numbers}"


def _weighting(material: Material) -> str:
    runs = material.fit.runs
    if runs.weight is None:
        return "every run alike"
    return f"weighted by {called(runs.names.get('weight', 'weight')).text}"


def _models(material: Material) -> str:
    fit = material.fit
    text = many(len(fit.runs), "run")
    if "N" not in fit.law.inputs:
        return text
    sizes = {float(f"{x:.4g}") for x in fit.runs.column("N", fit.law.flops)}
    return f"{text}, {many(len(sizes), 'size')}"


def _span(material: Material, name: str) -> str:
    x = material.fit.runs.column(name, material.fit.law.flops)
    low, high = float(x.min()), float(x.max())
    return f"{in_column(low, name)} to {in_column(high, name)}"
