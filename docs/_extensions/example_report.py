"""The example report: made from the ladder inside the package when the site is built, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import jaxscale

BUDGET = 1e14
"""In FLOPs: the next ladder, 26 times the largest run."""


def make(app: Sphinx) -> None:
    """Sphinx's event: writes the page beside those of the site."""
    folder = Path(app.srcdir) / "_build" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    app.config.html_extra_path = [str(folder)]
    page = folder / "report.html"
    if not page.exists():
        runs = jaxscale.datasets.load("stdlib_ladder")
        fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
        jaxscale.report(fit, compute=BUDGET, draws=1000).save(page)


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("builder-inited", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
