"""The figures: `jaxscale.plot.NAME(result)`, one name for each kind.

`jaxscale.plot.law(fit)` as the last line of a notebook cell is a picture; `save` and `savefig`
write it. A figure of one panel takes `ax=` and returns the axes; one of several takes `figure=`, a
figure or a part of one, and returns it. What a person gave is left to that person to show
(a figure of pyplot is shown by pyplot: end the cell with a semicolon).

They are drawn in the person's own style (`plt.style.use`, `rcParams`). Where matplotlib's settings
are as they came, text is small and the page is as wide as a paper's; sizes grow with `font.size`,
and `figure.figsize` is that of one panel. SVG and PDF have their text as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxscale.plotting import FIGURES
from jaxscale.plotting.style import save

_DRAWN: dict[str, Callable[..., Any]] = {
    row.draw.__name__.removeprefix("plot_"): row.draw for row in FIGURES.values()
}
globals().update(_DRAWN)
__all__ = [*sorted(_DRAWN), "save"]  # noqa: PLE0604


def __getattr__(name: str) -> Callable[..., Any]:
    raise AttributeError(f"there is no figure {name!r}; jaxscale.plot has {', '.join(_DRAWN)}")


def __dir__() -> list[str]:
    return sorted(__all__)
