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

import functools
from collections.abc import Callable
from typing import Any

from jaxscale.comparison.result import Comparison
from jaxscale.data.runs import Runs
from jaxscale.decisions.allocation import Allocation
from jaxscale.designs.result import Design
from jaxscale.fitting.exponent_grid import ExponentGrid
from jaxscale.fitting.result import FitResult
from jaxscale.isoflops.result import IsoFlop
from jaxscale.plotting import FIGURES, Drawing
from jaxscale.plotting.style import save
from jaxscale.ranking.result import Ranking
from jaxscale.recipes.multiplier import Multiplier
from jaxscale.specification.result import Specifications
from jaxscale.uncertainty.asymptote import AsymptoteProfile
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.influence import Influence


def _guarded(row: Drawing) -> Callable[..., Any]:
    """Return the function of a figure, which says what it takes where it gets another result."""
    takes = next(iter(row.draw.__annotations__.values()))

    @functools.wraps(row.draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        given = type(args[0]) if args else row.takes
        if given in _MADE and given.__name__ not in takes:
            made = f"jaxscale.{_MADE[row.takes]}" if row.takes in _MADE else row.takes.__name__
            raise TypeError(
                f"plot.{_called(row)} takes what {made} returned, not {given.__name__}, which is "
                f"of jaxscale.{_MADE[given]}"
            )
        return row.draw(*args, **kwargs)

    return drawn


def _called(row: Drawing) -> str:
    return row.draw.__name__.removeprefix("plot_")


_MADE = {
    Allocation: "allocate",
    AsymptoteProfile: "asymptote_profile",
    Comparison: "compare",
    Design: "design",
    Draws: "bootstrap",
    ExponentGrid: "exponent_grid",
    FitResult: "fit",
    Influence: "influence",
    IsoFlop: "isoflop",
    Multiplier: "compute_multiplier",
    Ranking: "rank",
    Runs: "read_runs",
    Specifications: "specify",
}
"""The function that makes a result."""
_DRAWN = {_called(row): _guarded(row) for row in FIGURES.values()}
globals().update(_DRAWN)
__all__ = [*sorted(_DRAWN), "save"]  # noqa: PLE0604


def __getattr__(name: str) -> Callable[..., Any]:
    raise AttributeError(f"there is no figure {name!r}; jaxscale.plot has {', '.join(_DRAWN)}")


def __dir__() -> list[str]:
    return sorted(__all__)
