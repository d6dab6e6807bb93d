"""Figures of results, and the table of all of them.

A function here takes one result (`plot_forecast` the three parts of a forecast), works out nothing
that the result does not say, and leaves pyplot and matplotlib's settings alone. A figure of one
panel takes `ax=None`, draws into those axes or a figure of its own, and returns the axes; a figure
of several panels takes `figure=None`, a figure or a part of one, and returns it, as wide as a page.
What is made here shows itself in a notebook. `save` writes either.

A new figure is a file beside this one and a row of `FIGURES`; `jaxscale.plot` has it then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxscale.comparison.held_out import HeldOut
from jaxscale.data.tuning import Tuning
from jaxscale.designs.result import Design
from jaxscale.fitting.exponent_grid import ExponentGrid
from jaxscale.fitting.result import FitResult
from jaxscale.forecast.forecaster import Forecast
from jaxscale.isoflops.result import IsoFlop
from jaxscale.plotting.allocation import plot_allocation
from jaxscale.plotting.bands import plot_bands
from jaxscale.plotting.contours import plot_contours
from jaxscale.plotting.corner import plot_joint
from jaxscale.plotting.design import plot_design
from jaxscale.plotting.envelope import plot_envelope
from jaxscale.plotting.fit import plot_fit, plot_law, plot_residuals
from jaxscale.plotting.forecast import plot_forecast
from jaxscale.plotting.influence import plot_influence
from jaxscale.plotting.isoflop import plot_isoflop, plot_optima
from jaxscale.plotting.multiplier import plot_multiplier
from jaxscale.plotting.overhead import plot_overhead
from jaxscale.plotting.profiles import plot_asymptote, plot_profiles
from jaxscale.plotting.ranking import plot_ranking
from jaxscale.plotting.residual_inputs import plot_residual_inputs
from jaxscale.plotting.rollout import plot_rollout
from jaxscale.plotting.specification import plot_specification
from jaxscale.plotting.starts import plot_starts, plot_waterfall
from jaxscale.plotting.style import save
from jaxscale.plotting.surface import plot_surface
from jaxscale.plotting.tuning import plot_tuning
from jaxscale.ranking.result import Ranking
from jaxscale.recipes.multiplier import Multiplier
from jaxscale.specification.result import Specifications
from jaxscale.uncertainty.asymptote import AsymptoteProfile
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.influence import Influence
from jaxscale.uncertainty.profile import Profile

__all__ = [
    "FIGURES",
    "Drawing",
    "draw_fit",
    "figures_of_a_fit",
    "plot_allocation",
    "plot_asymptote",
    "plot_bands",
    "plot_contours",
    "plot_envelope",
    "plot_design",
    "plot_fit",
    "plot_forecast",
    "plot_influence",
    "plot_isoflop",
    "plot_joint",
    "plot_law",
    "plot_multiplier",
    "plot_overhead",
    "plot_optima",
    "plot_profiles",
    "plot_ranking",
    "plot_residual_inputs",
    "plot_residuals",
    "plot_rollout",
    "plot_specification",
    "plot_starts",
    "plot_surface",
    "plot_tuning",
    "plot_waterfall",
    "save",
]


class Drawing(NamedTuple):
    """A row of the table.

    Attributes:
        draw: the function.
        takes: kind of its first argument.
        shows: what it draws, in a few words.
    """

    draw: Callable[..., Axes | Figure]
    takes: type
    shows: str


FIGURES = {
    "all": Drawing(plot_fit, FitResult, "the law, its residuals and its starts on one page"),
    "law": Drawing(plot_law, FitResult, "the runs and the law against scale"),
    "residuals": Drawing(plot_residuals, FitResult, "the residuals against scale"),
    "inputs": Drawing(plot_residual_inputs, FitResult, "the residuals against every input"),
    "contours": Drawing(plot_contours, FitResult, "the loss over N and D, with the best runs"),
    "starts": Drawing(plot_starts, FitResult, "where every start ended"),
    "waterfall": Drawing(plot_waterfall, FitResult, "the starts and their basins"),
    "bands": Drawing(plot_bands, Draws, "the law with its bands far beyond the runs"),
    "joint": Drawing(plot_joint, Draws, "how quantities vary together over the draws"),
    "allocation": Drawing(plot_allocation, Draws, "the best N and D against compute"),
    "overhead": Drawing(plot_overhead, Draws, "what other sizes than the best one cost"),
    "surface": Drawing(plot_surface, ExponentGrid, "the objective over the exponents"),
    "profiles": Drawing(plot_profiles, Profile, "profiles with their intervals"),
    "asymptote": Drawing(plot_asymptote, AsymptoteProfile, "what the runs say of an asymptote"),
    "influence": Drawing(plot_influence, Influence, "the runs that decide an answer"),
    "rollout": Drawing(plot_rollout, HeldOut, "the errors of laws on larger runs"),
    "ranking": Drawing(plot_ranking, Ranking, "where laws stand, with their intervals"),
    "multiplier": Drawing(plot_multiplier, Multiplier, "the compute multiplier of two recipes"),
    "specification": Drawing(
        plot_specification, Specifications, "the answer under every choice, in order"
    ),
    "valleys": Drawing(plot_isoflop, IsoFlop, "isoFLOP valleys, their minima, and N* and D*"),
    "optima": Drawing(plot_optima, IsoFlop, "N*, D* and D*/N* against compute, with papers"),
    "envelope": Drawing(plot_envelope, IsoFlop, "training curves and the sizes that lie lowest"),
    "tuning": Drawing(plot_tuning, Tuning, "the losses of a sweep with their optima"),
    "design": Drawing(plot_design, Design, "the runs to make next and what they tell"),
    "forecast": Drawing(plot_forecast, Forecast, "the losses of a run and its forecast"),
}

OF_A_FIT: dict[type, Callable[[FitResult], Any]] = {
    FitResult: lambda fit: fit,
    Draws: bootstrap,
}
"""How a figure's argument follows from a fit alone."""


def figures_of_a_fit() -> dict[str, Drawing]:
    """Return the rows of the figures that a fit is enough for."""
    return {name: row for name, row in FIGURES.items() if row.takes in OF_A_FIT}


def draw_fit(fit: FitResult, name: str = "all") -> Axes | Figure:
    """Draw a figure of a fit by its name; bootstrap the fit where the figure needs draws.

    Args:
        fit: the fit.
        name: a name of `figures_of_a_fit()`.

    Returns:
        What the figure's function returns.

    Raises:
        ValueError: no figure of a fit has this name, or the fit's law cannot be drawn so.
    """
    rows = figures_of_a_fit()
    if name not in rows:
        raise ValueError(f"the figures of a fit are {', '.join(rows)}; there is no {name!r}")
    return rows[name].draw(OF_A_FIT[rows[name].takes](fit))
