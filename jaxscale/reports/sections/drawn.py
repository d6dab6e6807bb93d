"""The figures of a fit, as far as its law can be drawn so."""

from __future__ import annotations

from jaxscale.decisions.frontier import scale_name
from jaxscale.plotting import plot_bands, plot_joint, plot_law, plot_residuals
from jaxscale.reports.element import Child, Element, make, section
from jaxscale.reports.figures import figure
from jaxscale.reports.material import Material


def figures(material: Material) -> Element:
    """Return the figures."""
    fit, draws, called = material.fit, material.draws, material.called
    found: list[Child] = [
        figure(plot_law(fit), "law", f"The runs and the law: {called} against scale",
               "The runs and the law" + ("." if material.trusted else ", which is not certified.")),
        figure(plot_residuals(fit), "residuals", "Residuals of the runs against scale",
               "Residuals: what the law leaves."),
    ]  # fmt: skip
    wide: list[Child] = []
    if draws is not None and _one_scale(material):
        text = "The law with its intervals far beyond the runs"
        wide.append(figure(plot_bands(draws), "bands", text, f"{text}; below relative to the law."))
    if draws is not None and len(fit.free) > 1:
        text = "How the quantities vary together over the draws"
        wide.append(figure(plot_joint(draws), "joint", text, f"{text}."))
    return section(
        "figures",
        "Figures",
        make("div", *found, class_="figures"),
        make("div", *wide, class_="wide") if wide else None,
    )


def _one_scale(material: Material) -> bool:
    try:
        scale_name(material.fit.law)
    except ValueError:
        return False
    return True
