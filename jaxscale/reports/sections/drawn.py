"""The figures of a fit: those of the house that a fit is enough for, as far as its law has them."""

from __future__ import annotations

from jaxscale.fitting.result import FitResult
from jaxscale.plotting import FIGURES
from jaxscale.reports.figures import figure
from jaxscale.reports.material import Material
from jaxscale.shown.element import Child, Element, make, section

HALF = {
    "law": "The runs and the law.",
    "residuals": "Residuals: what the law leaves.",
    "contours": "The loss over N and D, with the best runs.",
    "overhead": "What other sizes than the best one cost.",
}
"""Figures of half a page, by their names in `FIGURES`, with what stands below them."""
WHOLE = {
    "bands": "The law with its intervals far beyond the runs; below relative to the law.",
    "allocation": "The best N and D against compute.",
    "inputs": "Residuals against every input.",
    "joint": "How the quantities vary together over the draws.",
}
"""Figures as wide as the page."""
SPENDS = ("contours", "allocation", "overhead")
"""Those that say how compute is best spent."""


def figures(material: Material) -> Element:
    """Return the figures."""
    half = [_drawn(material, name, text) for name, text in HALF.items()]
    whole = [_drawn(material, name, text) for name, text in WHOLE.items()]
    wide = [each for each in whole if each is not None]
    return section(
        "figures",
        "Figures",
        make("div", *half, class_="figures"),
        make("div", *wide, class_="wide") if wide else None,
    )


def _drawn(material: Material, name: str, text: str) -> Child:
    """Return a figure; None where the fit is not certified for it, or its law has none."""
    row = FIGURES[name]
    if name in SPENDS and not material.trusted:
        return None
    about = material.fit if row.takes is FitResult else material.draws
    if about is None:
        return None
    try:
        drawn = row.draw(about)
    except ValueError:  # as every figure says of a law that it cannot show
        return None
    text = text if material.trusted else f"{text.removesuffix('.')}; the fit is not certified."
    return figure(drawn, name, row.shows, text)
