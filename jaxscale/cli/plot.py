"""The command `plot`: figures of a fit."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Iterator

from jaxscale.cli.console import say
from jaxscale.cli.options import code, doubts, source, source_options
from jaxscale.cli.outputs import check_figure, deliver
from jaxscale.fitting.exponent_grid import exponent_grid
from jaxscale.fitting.result import FitResult
from jaxscale.text import one_line


class Kinds:
    """Names of the figures of a fit, looked up when they are needed: drawing is slow to import."""

    def __iter__(self) -> Iterator[str]:
        from jaxscale.plotting import figures_of_a_fit

        return iter(figures_of_a_fit())

    def __contains__(self, name: object) -> bool:
        return name in list(self)


def plot_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `plot`."""
    source_options(sub)
    sub.add_argument("-o", "--out", required=True, help="figure file: .png, .svg or .pdf")
    what = sub.add_mutually_exclusive_group()
    what.add_argument(
        "--figure",
        dest="panels",
        choices=Kinds(),
        metavar="KIND",
        default="all",
        help="one of %(choices)s",
    )
    what.add_argument(
        "--surface", action="store_true", help="draw_fit the objective over the law's exponents"
    )


def run_plot(options: argparse.Namespace) -> int:
    """Draw a fit into a file."""
    _, result = source(options)
    if result is None:
        raise ValueError("plot needs a fit with its runs: write one with jaxscale fit --out")
    check_figure("--out", options.out)
    draw = functools.partial(draw_fit, result, options.out, options.panels)
    if options.surface:
        draw = functools.partial(_draw_surface, result, options.out)
    document = json.dumps({"figure": options.out, **doubts(result)})
    deliver(options, one_line(options.out), lambda: document, files=[draw])
    return code(result)


def draw_fit(result: FitResult, path: str, figure: str = "all") -> None:
    """Draw one kind of figure of a fit into a file."""
    from jaxscale import plotting

    plotting.save(plotting.draw_fit(result, figure), path)


def _draw_surface(result: FitResult, path: str) -> None:
    from jaxscale.plotting import plot_surface, save

    grid = exponent_grid(
        result.unfitted,
        result.runs,
        loss=result.loss,
        residual=result.residual,
        resolution=0.0025,
    )
    for line in str(grid).splitlines():
        say(line)
    save(plot_surface(grid), path)
