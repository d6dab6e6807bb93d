"""Figures of results, each a function that returns what it drew."""

from jaxscale.plotting.fit import plot_fit, plot_law, plot_residuals
from jaxscale.plotting.starts import plot_starts
from jaxscale.plotting.style import save

__all__ = ["plot_fit", "plot_law", "plot_residuals", "plot_starts", "save"]
